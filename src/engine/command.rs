//! A row of the command table: what a command is, and the function that runs it.
//!
//! Rows are plain values made by `const fn`s beside their handlers. The engine is handed the
//! table; it does not know which commands exist.

use super::{Engine, SessionKey};
use crate::config::{Config, RdbVersion, VersionCheck};
use crate::data::Collection;
use crate::data::limits::{ListLimits, PackedLimits, SetLimits, Shapes, StreamLimits};
use crate::data::stream::Memory;
use crate::error::Error;
use crate::keyspace::{Aging, Edit, Event, Keyspace, Kind, Life};
use crate::rdb::read::Footer;
use crate::rdb::write;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Arg, Group, KeySpec, READONLY, Spec, WRITE};
use crate::world::Millis;

use super::effects::Effects;

#[derive(Clone, Copy)]
pub struct Command {
    pub spec: Spec,
    pub run: Run,
    /// Its place in the table; statistics are arrays beside it.
    pub id: u16,
    /// Set by the table: the row by which statistics, CLIENT LIST and COMMAND know it. That is its
    /// own, but for the words of DEBUG, which only look like subcommands: DEBUG is one command.
    pub known_as: u16,
    /// Set by the table: its name has a bar.
    pub sub: bool,
    /// What the transaction does with it.
    pub in_multi: InMulti,
}

/// What happens to a command that arrives between MULTI and EXEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InMulti {
    Queue,
    /// MULTI, EXEC, DISCARD, WATCH, QUIT, RESET: they speak about the transaction itself.
    RunAtOnce,
}

/// The difference between the arms is a capability.
#[derive(Clone, Copy)]
pub enum Run {
    /// Touches keys only: runs alike for a client, a script, a replica link and the log.
    Data(fn(&mut Ctx, Args, Reply) -> Done),
    /// Touches the server itself.
    Admin(fn(&mut Engine, SessionKey, Args, Reply) -> Done),
    /// Has subcommands, and does nothing without one.
    Container,
    /// Has subcommands, and does something without one, as COMMAND does.
    Containing(fn(&mut Engine, SessionKey, Args, Reply) -> Done),
}

/// The commands of one kind, declared together.
#[derive(Clone, Copy)]
pub struct Family {
    pub group: Group,
    pub commands: &'static [Command],
}

/// All commands, and how one is found by name without allocating.
pub struct Table {
    pub all: &'static [Command],
    pub find: fn(&[u8]) -> Option<&'static Command>,
    pub find_sub: fn(&'static Command, &[u8]) -> Option<&'static Command>,
}

impl Table {
    /// The row of a command, or of `container|subcommand`; `named` knows the names of commands.
    pub fn look_up(
        &self,
        name: &[u8],
        named: impl Fn(&[u8]) -> Option<&'static Command>,
    ) -> Option<&'static Command> {
        let Some(bar) = name.iter().position(|byte| *byte == b'|') else { return named(name) };
        let container = named(&name[..bar])?;
        (self.find_sub)(container, &name[bar + 1..]).filter(|command| !command.is_word())
    }

    /// Words of a command that is one for all others are none.
    pub fn subcommands(
        &self,
        container: &Command,
    ) -> impl Iterator<Item = &'static Command> + use<> {
        let (name, all) = (container.spec.name, self.all);
        let is_container = matches!(container.run, Run::Container | Run::Containing(_));
        let all = if is_container { all } else { &[] };
        all.iter().filter(move |command| {
            let tail = command.spec.name.strip_prefix(name);
            !command.is_word() && tail.is_some_and(|tail| tail.starts_with('|'))
        })
    }
}

pub const fn read(name: &'static str, run: fn(&mut Ctx, Args, Reply) -> Done) -> Command {
    row(name, READONLY, Run::Data(run))
}
pub const fn write(name: &'static str, run: fn(&mut Ctx, Args, Reply) -> Done) -> Command {
    row(name, WRITE, Run::Data(run))
}
/// A command that looks at keys' neighbours rather than at keys (PING, TIME), or at the server.
pub const fn admin(
    name: &'static str,
    run: fn(&mut Engine, SessionKey, Args, Reply) -> Done,
) -> Command {
    row(name, 0, Run::Admin(run))
}
pub const fn container(name: &'static str) -> Command {
    row(name, 0, Run::Container).arity(-2)
}

pub const fn containing(
    name: &'static str,
    run: fn(&mut Engine, SessionKey, Args, Reply) -> Done,
) -> Command {
    row(name, 0, Run::Containing(run))
}

const fn row(name: &'static str, flags: u32, run: Run) -> Command {
    Command {
        spec: Spec {
            name,
            arity: 0,
            flags,
            group: Group::Generic,
            categories: 0,
            keys: &[],
            since: "",
            complexity: "",
            summary: "",
            args: &[],
            tips: &[],
            deprecated: None,
        },
        run,
        id: 0,
        known_as: 0,
        sub: false,
        in_multi: InMulti::Queue,
    }
}

impl Command {
    pub const fn arity(mut self, arity: i16) -> Command {
        self.spec.arity = arity;
        self
    }
    pub const fn flags(mut self, flags: u32) -> Command {
        self.spec.flags |= flags;
        self
    }
    pub const fn categories(mut self, categories: u32) -> Command {
        self.spec.categories |= categories;
        self
    }
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Command {
        self.spec.keys = keys;
        self
    }
    pub const fn since(mut self, since: &'static str) -> Command {
        self.spec.since = since;
        self
    }
    pub const fn complexity(mut self, complexity: &'static str) -> Command {
        self.spec.complexity = complexity;
        self
    }
    pub const fn summary(mut self, summary: &'static str) -> Command {
        self.spec.summary = summary;
        self
    }
    pub const fn args(mut self, args: &'static [Arg]) -> Command {
        self.spec.args = args;
        self
    }
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Command {
        self.spec.tips = tips;
        self
    }
    pub const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Command {
        self.spec.deprecated = Some((since, instead));
        self
    }
    pub const fn at_once_in_multi(mut self) -> Command {
        self.in_multi = InMulti::RunAtOnce;
        self
    }

    /// Is it a subcommand, whose name is two words?
    pub const fn is_sub(&self) -> bool {
        self.sub
    }

    /// Is it a word of a command that is one for all others?
    pub const fn is_word(&self) -> bool {
        self.known_as != self.id
    }

    pub fn arity_fits(&self, given: usize) -> bool {
        let arity = self.spec.arity as isize;
        if arity < 0 { -arity <= given as isize } else { arity == given as isize }
    }
}

/// All that a data command may see: the keyspace, one frozen instant, seeded dice, its limits and
/// a log of effects. It cannot see sessions, configuration or the network.
pub struct Ctx<'e> {
    /// The number of the client's database.
    pub db: usize,
    pub now: Millis,
    pub keyspace: &'e mut Keyspace,
    pub effects: &'e mut Effects,
    pub limits: &'e Limits,
    /// A script runs the command.
    pub in_script: bool,
    /// The client may read keys that the line does not name.
    pub reads_all_keys: bool,
    /// Why the command is refused, if the log should say more of it than the answer.
    pub note: &'e mut Option<String>,
}

/// Directives that data commands obey, frozen for the unit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`: no string grows beyond this.
    pub string_bytes_max: u64,
    /// How far the small forms of collections reach.
    pub list: ListLimits,
    pub set: SetLimits,
    pub zset: PackedLimits,
    pub hash: PackedLimits,
    pub stream: StreamLimits,
    /// `stream-idmp-duration` and `stream-idmp-maxsize`.
    pub idmp: Memory,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: u64,
    /// How values are written by DUMP.
    pub dump: write::Options,
    /// What is asked of payloads that RESTORE takes.
    pub footer: Footer,
}

/// No string gets longer, whatever `proto-max-bulk-len` says: a request cannot bring more at once, and what SETRANGE
/// or SETBIT would make of a large number alone is more than any machine has.
const STRING_BYTES_MAX: u64 = u32::MAX as u64;

impl Limits {
    /// What decides the form of a value that is read from a dump.
    pub fn shapes(&self) -> Shapes {
        let Limits { list, set, zset, hash, stream, .. } = *self;
        Shapes { list, set, zset, hash, stream }
    }

    pub fn of(config: &Config, seed: u64) -> Limits {
        let bound = |entries: u64| usize::try_from(entries).unwrap_or(usize::MAX);
        let packed =
            |entries, value| PackedLimits { entries: bound(entries), value: bound(value), seed };
        Limits {
            string_bytes_max: config.proto_max_bulk_len.min(STRING_BYTES_MAX),
            list: ListLimits::of_directive(config.list_max_listpack_size),
            set: SetLimits {
                intset_entries: bound(config.set_max_intset_entries),
                packed: packed(config.set_max_listpack_entries, config.set_max_listpack_value),
            },
            zset: packed(config.zset_max_listpack_entries, config.zset_max_listpack_value),
            hash: packed(config.hash_max_listpack_entries, config.hash_max_listpack_value),
            stream: StreamLimits {
                bytes: bound(config.stream_node_max_bytes),
                entries: bound(config.stream_node_max_entries),
            },
            idmp: Memory {
                seconds: config.stream_idmp_duration,
                entries: config.stream_idmp_maxsize,
            },
            hll_sparse_bytes_max: config.hll_sparse_max_bytes,
            dump: write::Options {
                // A payload says the oldest version that will do, so the newer one is only for values that
                // need it.
                version: match config.rdb_version {
                    RdbVersion::V10 => write::Version::V10,
                    RdbVersion::V11 | RdbVersion::V12 => write::Version::V12,
                    RdbVersion::Valkey80 => write::Version::Valkey80,
                },
                compress: config.rdbcompression,
                checksum: true,
            },
            footer: Footer {
                relaxed: config.rdb_version_check == VersionCheck::Relaxed,
                ..Footer::default()
            },
        }
    }

    /// Those of whoever replays a log: what was done under one limit is not refused under another.
    pub fn lifted(&self) -> Limits {
        Limits { string_bytes_max: STRING_BYTES_MAX, ..*self }
    }

    /// Is a string of so many bytes allowed?
    pub fn check_string(&self, bytes: usize) -> Result<(), Error> {
        if bytes as u64 > self.string_bytes_max {
            const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
            return Err(Error::Say(TOO_LONG));
        }
        Ok(())
    }
}

impl Ctx<'_> {
    #[inline]
    pub fn read<T: Kind>(&mut self, key: &[u8]) -> Result<Option<T::View<'_>>, Error> {
        self.keyspace.read::<T>(self.db, key)
    }

    #[inline]
    pub fn edit<T: Kind>(&mut self, key: &[u8]) -> Result<Option<Edit<'_, T>>, Error> {
        self.keyspace.edit::<T>(self.db, key)
    }

    /// Shows a value that a write is for to who can tell at a look that it would change nothing; then there is
    /// no need to open it.
    #[inline]
    pub fn stays_as_it_is<T: Kind>(
        &mut self,
        key: &[u8],
        tells: impl FnOnce(T::View<'_>) -> bool,
    ) -> bool {
        self.keyspace.stays_as_it_is::<T>(self.db, key, tells)
    }

    /// Opens a collection to be changed, a new one where there is none.
    #[inline]
    pub fn edit_or_new<'a, T: Collection>(
        &'a mut self,
        key: &'a [u8],
    ) -> Result<Edit<'a, T>, Error> {
        self.keyspace.edit_or_new::<T>(self.db, key)
    }

    /// Looks at a value without leaving a trace: for several keys at once, each of which was
    /// `touch`ed before.
    pub fn peek<T: Kind>(&self, key: &[u8]) -> Result<Option<T::View<'_>>, Error> {
        self.keyspace.peek::<T>(self.db, key)
    }

    /// Stores a whole collection, whatever the key held before; an empty one removes the key. Says
    /// how many elements there are.
    pub fn store<T: Collection>(&mut self, key: &[u8], value: T, event: Event) -> usize {
        self.keyspace.store(self.db, key, value, event)
    }

    #[inline]
    pub fn put_text(&mut self, key: &[u8], value: &[u8], life: Life, event: Event) {
        self.keyspace.put_text(self.db, key, value, life, event);
    }

    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.keyspace.contains(self.db, key)
    }

    /// Is there such a key? The line would change it, or is refused because of it, so it is younger now.
    pub fn finds(&mut self, key: &[u8]) -> bool {
        self.keyspace.finds(self.db, key)
    }

    /// Removes a key as DEL does; says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.keyspace.remove(self.db, key, Event::DEL)
    }

    /// What the age of a key says.
    pub fn aging(&self, key: &[u8]) -> Aging {
        self.keyspace.aging_for(self.db, key)
    }
}
