//! What one line of the table says about a directive. Data only; the rows are in `directives/`.

use super::Config;
use super::kind::{Kind, Reason};
use super::value::Value;

/// One directive: its name, where its value lives, and what must follow a change.
#[derive(Clone, Copy)]
pub struct Directive {
    pub name: &'static str,
    /// Older and newer names of the same thing; every one of them is listed by CONFIG GET.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub home: Home,
    /// As one would write it in the file.
    pub default: &'static str,
    /// Why this default, where Redis and Valkey disagree or ours differs from both.
    pub because: &'static str,
    pub change: Change,
    pub follow: Option<Follow>,
    pub check: Option<Check>,
    /// Shown only to those who ask for it by its full name.
    pub hidden: bool,
    /// … and yet of use to everybody, so that the example shows it.
    pub explained: bool,
    /// Only `enable-protected-configs` lets CONFIG SET change it.
    pub protected: bool,
    /// Its value must not appear in the slow log, in MONITOR or in the log.
    pub secret: bool,
    /// Not to be changed while the dataset is being loaded.
    pub deny_loading: bool,
    /// Setting it to what it was is a request too: the file it names may have new content.
    pub repeatable: bool,
    pub summary: &'static str,
}

/// What a directive demands of a value beyond its kind.
pub type Check = fn(&Value) -> Result<(), Reason>;

/// Where a directive's value lives, which is also whether it does anything.
#[derive(Clone, Copy)]
pub enum Home {
    /// A field of `Config`: the directive works.
    Field(Field),
    /// Checked, kept and shown, without effect until the named feature exists.
    Later(&'static str),
    /// Checked, kept and shown, and that is all there is to do, for the reason given.
    Idle(&'static str),
}

/// How to read and write a typed field of `Config`; made by `at!`.
#[derive(Clone, Copy)]
pub struct Field {
    pub read: fn(&Config) -> Value,
    pub write: fn(&mut Config, Value) -> Option<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    AtStart,
    Live,
}

/// What whoever owns the sockets, the clients or the dataset must do after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Listen on the new port; may fail.
    Port,
    /// Listen on the new addresses; may fail.
    Bind,
    /// Give the Unix socket to the group; may fail.
    SocketGroup,
    /// Configure TLS anew; may fail.
    Tls,
    /// Listen on the new port for TLS, which is configured first; may fail.
    TlsPort,
    /// Change the working directory, then put its absolute path into `Config::dir`; may fail.
    Dir,
    /// Start or stop the append-only file; may fail.
    Appendonly,
    /// Raise the limit of file descriptors where the new number needs it; may fail.
    MaxClients,
    /// The default user's password.
    Password,
    /// What is logged, and how.
    Log,
    /// The clients' sweep: idle time, keep-alive, output and query limits.
    Clients,
    OutputLimits,
    /// Cut the slow logs to their new lengths.
    Slowlog,
    /// Evict down to the new limit.
    MaxMemory,
    MaxMemoryPolicy,
    /// The rhythm of background work.
    Hz,
    /// How long to go on looking for requests.
    BusyPoll,
    /// Start or stop the allocator's own thread.
    AllocatorThread,
    ProcessTitle,
    KeyspaceEvents,
    Save,
    ReplicationBacklog,
    /// Count again how many replicas are good enough for writes.
    GoodReplicas,
    /// Count the memory of keys, or do not; may fail.
    KeyMemory,
    /// Forget all scripts, and give those that come another world.
    Scripts,
    /// Hold the keys that are due, or let them go.
    ImportMode,
    OomScore,
    /// Tell the other nodes what this one is now called.
    ClusterAnnounce,
}

impl Follow {
    /// What to answer when the change could not be carried out.
    pub fn failure(self) -> &'static str {
        match self {
            Follow::Port | Follow::TlsPort => "Unable to listen on this port. Check server logs.",
            Follow::Bind => "Failed to bind to specified addresses.",
            Follow::SocketGroup => "Unable to give the Unix socket to this group.",
            Follow::Tls => "Unable to update TLS configuration. Check server logs.",
            Follow::Appendonly => "Unable to turn on AOF. Check server logs.",
            Follow::MaxClients => {
                "The operating system is not able to handle the specified number of clients"
            }
            Follow::KeyMemory => {
                "Keys that are there already were not counted, so this must be on from the start."
            }
            Follow::OomScore => {
                "Failed to apply new oom_score_adj configuration, check server logs."
            }
            _ => "the change could not be applied",
        }
    }
}

/// A directive that CONFIG SET may change.
pub const fn live(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    home: Home,
    summary: &'static str,
) -> Directive {
    Directive {
        name,
        aliases: &[],
        kind,
        home,
        default,
        because: "",
        change: Change::Live,
        follow: None,
        check: None,
        hidden: false,
        explained: false,
        protected: false,
        secret: false,
        deny_loading: false,
        repeatable: false,
        summary,
    }
}

/// A directive that is read once, at start.
pub const fn fixed(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    home: Home,
    summary: &'static str,
) -> Directive {
    let mut row = live(name, kind, default, home, summary);
    row.change = Change::AtStart;
    row
}

impl Directive {
    pub const fn aka(mut self, aliases: &'static [&'static str]) -> Directive {
        self.aliases = aliases;
        self
    }
    pub const fn then(mut self, follow: Follow) -> Directive {
        self.follow = Some(follow);
        self
    }
    pub const fn check(mut self, check: Check) -> Directive {
        self.check = Some(check);
        self
    }
    pub const fn because(mut self, reason: &'static str) -> Directive {
        self.because = reason;
        self
    }
    /// Hidden from tools that ask for all, and would stop at what they cannot set; not from people.
    pub const fn asked_by_name(mut self) -> Directive {
        self.hidden = true;
        self.explained = true;
        self
    }
    pub const fn hidden(mut self) -> Directive {
        self.hidden = true;
        self
    }
    pub const fn protected(mut self) -> Directive {
        self.protected = true;
        self
    }
    pub const fn secret(mut self) -> Directive {
        self.secret = true;
        self
    }
    pub const fn deny_loading(mut self) -> Directive {
        self.deny_loading = true;
        self
    }
    pub const fn repeatable(mut self) -> Directive {
        self.repeatable = true;
        self
    }

    /// All its names, the usual one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The feature the directive waits for, if it has no effect yet.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self.home {
            Home::Later(feature) => Some(feature),
            Home::Field(_) | Home::Idle(_) => None,
        }
    }

    /// Reads the words and asks the directive's own check.
    pub fn parse(&self, words: &[&[u8]], now: &Value) -> Result<Value, Reason> {
        let value = self.kind.parse(words, now)?;
        if let Some(check) = self.check {
            check(&value)?;
        }
        Ok(value)
    }

    /// The value a server has that was told nothing.
    pub fn default_value(&self) -> Value {
        let words: Vec<&[u8]> = match self.kind.takes_many() && !self.default.is_empty() {
            true => self.default.split(' ').map(str::as_bytes).collect(),
            false => vec![self.default.as_bytes()],
        };
        let blank = Value::Limits(Default::default());
        // `replicaof` is the one whose default cannot be written in the file.
        self.kind.parse(&words, &blank).unwrap_or(Value::Text(Vec::new()))
    }
}

/// The home of a directive that has a field: `at!(maxmemory)`.
macro_rules! at {
    ($field:ident) => {
        $crate::config::directive::Home::Field($crate::config::directive::Field {
            read: |config| $crate::config::value::Typed::value(&config.$field),
            write: |config, value| $crate::config::value::Typed::take(&mut config.$field, value),
        })
    };
}
pub(super) use at;
