//! What a command *is*: its name, its flags, where its keys are, how its arguments are spelled.
//!
//! Data only. There is no code that runs a command in here, so that access control, key
//! extraction and documentation may read it without knowing the engine. The words are those of
//! `COMMAND INFO` and `COMMAND DOCS`.

/// Everything declarative about a command.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Upper case; a subcommand is written `CONFIG|GET`.
    pub name: &'static str,
    /// Redis' convention: `n` is exact, `-n` is "at least n", both counting the name.
    pub arity: i16,
    pub flags: u32,
    pub group: Group,
    /// Categories of access control beyond those that group and flags imply.
    pub categories: u32,
    pub keys: &'static [KeySpec],
    pub since: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    pub args: &'static [Arg],
    pub tips: &'static [&'static str],
    /// Since when, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
}

pub const READONLY: u32 = 1 << 0;
pub const WRITE: u32 = 1 << 1;
pub const FAST: u32 = 1 << 2;
pub const DENYOOM: u32 = 1 << 3;
pub const BLOCKING: u32 = 1 << 4;
pub const ADMIN: u32 = 1 << 5;
pub const NOSCRIPT: u32 = 1 << 6;
pub const LOADING: u32 = 1 << 7;
pub const STALE: u32 = 1 << 8;
pub const NO_AUTH: u32 = 1 << 9;
pub const NO_MULTI: u32 = 1 << 10;
pub const PUBSUB: u32 = 1 << 11;
pub const SKIP_MONITOR: u32 = 1 << 12;
pub const SKIP_SLOWLOG: u32 = 1 << 13;
pub const MOVABLEKEYS: u32 = 1 << 14;
pub const ALLOW_BUSY: u32 = 1 << 15;
pub const NO_ASYNC_LOADING: u32 = 1 << 16;
pub const MAY_REPLICATE: u32 = 1 << 17;
pub const NO_MANDATORY_KEYS: u32 = 1 << 18;
/// Refused unless its directive (`enable-debug-command`, `enable-module-command`) allows it.
pub const PROTECTED: u32 = 1 << 19;
pub const TOUCHES_ARBITRARY_KEYS: u32 = 1 << 20;
/// Sent by a server of a cluster to one that a slot moves to.
pub const ASKING: u32 = 1 << 21;

/// The flags that `COMMAND INFO` shows, in its order and under its names.
pub const FLAG_NAMES: &[(u32, &str)] = &[
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (ASKING, "asking"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MULTI, "no_multi"),
    (MOVABLEKEYS, "movablekeys"),
    (ALLOW_BUSY, "allow_busy"),
    (TOUCHES_ARBITRARY_KEYS, "touches_arbitrary_keys"),
];

/// The chapter of the manual a command stands in; it is also its category of access control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// The name that `COMMAND DOCS` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }
}

/// Categories of access control, as bits; the order is that of `ACL CAT`.
pub const CATEGORY_NAMES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

pub const C_KEYSPACE: u32 = 1 << 0;
pub const C_READ: u32 = 1 << 1;
pub const C_WRITE: u32 = 1 << 2;
pub const C_SET: u32 = 1 << 3;
pub const C_SORTEDSET: u32 = 1 << 4;
pub const C_LIST: u32 = 1 << 5;
pub const C_HASH: u32 = 1 << 6;
pub const C_STRING: u32 = 1 << 7;
pub const C_BITMAP: u32 = 1 << 8;
pub const C_HYPERLOGLOG: u32 = 1 << 9;
pub const C_GEO: u32 = 1 << 10;
pub const C_STREAM: u32 = 1 << 11;
pub const C_PUBSUB: u32 = 1 << 12;
pub const C_ADMIN: u32 = 1 << 13;
pub const C_FAST: u32 = 1 << 14;
pub const C_SLOW: u32 = 1 << 15;
pub const C_BLOCKING: u32 = 1 << 16;
pub const C_DANGEROUS: u32 = 1 << 17;
pub const C_CONNECTION: u32 = 1 << 18;
pub const C_TRANSACTION: u32 = 1 << 19;
pub const C_SCRIPTING: u32 = 1 << 20;

impl Spec {
    /// All categories of access control: those of the row, and those its flags imply.
    pub const fn all_categories(&self) -> u32 {
        let mut all = self.categories;
        if self.flags & WRITE != 0 {
            all |= C_WRITE;
        }
        // A command that reads keys is `@read`; what merely reads the server is not.
        if self.flags & READONLY != 0 && !matches!(self.group, Group::Scripting) {
            all |= C_READ;
        }
        if self.flags & ADMIN != 0 {
            all |= C_ADMIN | C_DANGEROUS;
        }
        if self.flags & PUBSUB != 0 {
            all |= C_PUBSUB;
        }
        if self.flags & BLOCKING != 0 {
            all |= C_BLOCKING;
        }
        all | if self.flags & FAST != 0 { C_FAST } else { C_SLOW }
    }

    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The name as error texts and `COMMAND` write it.
    pub fn lower_name(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

/// Where keys are, and what the command does to them.
#[derive(Clone, Copy)]
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
    pub access: Access,
    pub flags: u8,
}

/// Where the search for keys begins.
#[derive(Clone, Copy)]
pub enum Begin {
    Index(i16),
    /// After this word, looked for from an index (negative: from the end).
    Keyword(&'static str, i16),
    /// Only the command itself can say.
    Unknown,
}

/// How the keys are found from there.
#[derive(Clone, Copy)]
pub enum Find {
    /// `last` counts from the first key, or from the end when negative; `limit` divides the rest.
    Range { last: i16, step: i16, limit: i16 },
    /// A number of keys stands at `count` and the first key at `first`, both from the beginning.
    Count { count: i16, first: i16, step: i16 },
    /// Only the command itself can say.
    Unknown,
}

/// What is done to the value, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
    Overwrite,
    Remove,
}

/// The value's content is read out.
pub const K_ACCESS: u8 = 1 << 0;
pub const K_UPDATE: u8 = 1 << 1;
pub const K_INSERT: u8 = 1 << 2;
pub const K_DELETE: u8 = 1 << 3;
/// Not a key, though it routes like one.
pub const K_NOT_KEY: u8 = 1 << 4;
pub const K_INCOMPLETE: u8 = 1 << 5;
pub const K_VARIABLE_FLAGS: u8 = 1 << 6;

/// Exactly one key, at an index.
pub const fn key_at(index: i16, access: Access, flags: u8) -> KeySpec {
    keys_from(index, 0, 1, access, flags)
}

/// Keys from an index; `last` as in `Find::Range`.
pub const fn keys_from(index: i16, last: i16, step: i16, access: Access, flags: u8) -> KeySpec {
    KeySpec {
        begin: Begin::Index(index),
        find: Find::Range { last, step, limit: 0 },
        access,
        flags,
    }
}

/// As many keys as the number at an index says, right after it.
pub const fn counted_keys(index: i16, step: i16, access: Access, flags: u8) -> KeySpec {
    KeySpec {
        begin: Begin::Index(index),
        find: Find::Count { count: 0, first: 1, step },
        access,
        flags,
    }
}

/// One node of the argument grammar.
#[derive(Clone, Copy)]
pub struct Arg {
    pub name: &'static str,
    pub shape: Shape,
    /// The word that announces this argument, as `EX` announces its seconds.
    pub token: &'static str,
    /// What a line of help calls it, if that is not its name.
    pub shown: &'static str,
    pub optional: bool,
    pub repeats: bool,
    /// The token is repeated with every value.
    pub repeats_token: bool,
    pub since: &'static str,
}

#[derive(Clone, Copy)]
pub enum Shape {
    Key,
    String,
    Integer,
    Double,
    Pattern,
    UnixTime,
    /// A word that stands for itself.
    Token,
    OneOf(&'static [Arg]),
    Block(&'static [Arg]),
}

const fn arg(name: &'static str, shape: Shape) -> Arg {
    Arg {
        name,
        shape,
        token: "",
        shown: "",
        optional: false,
        repeats: false,
        repeats_token: false,
        since: "",
    }
}
pub const fn key(name: &'static str) -> Arg {
    arg(name, Shape::Key)
}
pub const fn string(name: &'static str) -> Arg {
    arg(name, Shape::String)
}
pub const fn integer(name: &'static str) -> Arg {
    arg(name, Shape::Integer)
}
pub const fn double(name: &'static str) -> Arg {
    arg(name, Shape::Double)
}
pub const fn pattern(name: &'static str) -> Arg {
    arg(name, Shape::Pattern)
}
pub const fn unix_time(name: &'static str) -> Arg {
    arg(name, Shape::UnixTime)
}
/// A word of its own; its name in the documentation is the word in lower case.
pub const fn token(word: &'static str) -> Arg {
    arg(word, Shape::Token)
}
pub const fn one_of(name: &'static str, choices: &'static [Arg]) -> Arg {
    arg(name, Shape::OneOf(choices))
}
pub const fn block(name: &'static str, parts: &'static [Arg]) -> Arg {
    arg(name, Shape::Block(parts))
}

impl Arg {
    pub const fn optional(mut self) -> Arg {
        self.optional = true;
        self
    }
    pub const fn repeats(mut self) -> Arg {
        self.repeats = true;
        self
    }
    pub const fn repeats_token(mut self) -> Arg {
        self.repeats = true;
        self.repeats_token = true;
        self
    }
    /// For a word whose name in the documentation is another.
    pub const fn named(mut self, name: &'static str) -> Arg {
        self.token = self.name;
        self.name = name;
        self
    }
    /// The word that announces this argument.
    pub const fn after(mut self, token: &'static str) -> Arg {
        self.token = token;
        self
    }
    /// What a line of help calls it.
    pub const fn shown(mut self, name: &'static str) -> Arg {
        self.shown = name;
        self
    }
    pub const fn since(mut self, version: &'static str) -> Arg {
        self.since = version;
        self
    }
}
