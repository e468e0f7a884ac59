//! Loading: what was saved becomes the dataset, a slice at a time, while clients are told to wait.
//!
//! Keys of a snapshot are taken in as they are. Commands of a log run like those of a client, in a session
//! that sees keys which were due since, because they were not when the command ran first.

use super::persistence::Loading;
use super::session::Peer;
use super::{Closing, Engine, Out, SessionKey};
use crate::base::numbers;
use crate::config::VersionCheck;
use crate::error::Error;
use crate::keyspace::load::{Arrival, Forge};
use crate::persist::load::{self, Loaded, Loader, Refused, Source};
use crate::rdb::codes::Family;
use crate::rdb::read::Entry;
use crate::resp::{Args, ArgsBuf, Proto};
use crate::world::host::Level;
use crate::world::time::Now;
use std::collections::VecDeque;

/// Who replays a log.
pub struct Replay {
    who: SessionKey,
    /// The last answer.
    out: Vec<u8>,
    /// Keys that were left out because there was nothing in them.
    pub empty_keys: u64,
    /// Lines that were answered with an error. None is, in a log of ours; in one that somebody else wrote, a line may
    /// stand that failed there too.
    refused: u64,
    /// The first of them: its command, and the error.
    first_refused: Option<(&'static str, String)>,
}

/// What is made of what is read, on whichever thread reads.
pub struct Unpacker {
    forge: Forge,
    /// Bytes of all files.
    total: u64,
    arrivals: Vec<Arrival>,
    lines: Vec<ArgsBuf>,
    bytes: usize,
}

/// What the engine takes in at one go.
pub enum Load {
    Keys(Vec<Arrival>),
    /// Commands, one after the other.
    Lines(Vec<ArgsBuf>),
    /// Commands that are one unit.
    Unit(Vec<ArgsBuf>),
    Function(Vec<u8>),
    /// A database will get about so many keys.
    Sizes {
        db: usize,
        keys: usize,
    },
    /// Another file begins.
    File,
    /// Whose server wrote it.
    Home(Family),
    /// What the server that wrote it said it takes.
    UsedMemory(u64),
    EmptyKey,
    Progress(u64),
    /// Something for the log.
    Note(Level, String),
}

/// So many keys or commands are taken in at one go, or so many as have about so many bytes.
const COUNT_MAX: usize = 256;
const BYTES_MAX: usize = 64 << 10;
/// A key takes at least so many bytes in a file; more keys than that allows are not prepared for.
const KEY_BYTES_MIN: u64 = 4;

impl Unpacker {
    /// Something that was read. Now and then it is time for the engine to take some of it in.
    pub fn unpack(&mut self, loaded: Loaded, loads: &mut Vec<Load>) {
        match loaded {
            Loaded::Entry { db, entry } => {
                if !self.lines.is_empty() {
                    self.flush(loads);
                }
                let Entry { key, value, deadline, idle_seconds: idle, frequency, .. } = entry;
                self.bytes += key.len() + value.view().weight();
                let arrival = self.forge.arrival(db, &key, value, deadline, idle, frequency);
                self.arrivals.push(arrival);
                self.flush_if_full(loads);
            }
            Loaded::Command(line) => {
                if !self.arrivals.is_empty() {
                    self.flush(loads);
                }
                self.bytes += line.args().bytes();
                self.lines.push(line);
                self.flush_if_full(loads);
            }
            // How far it is need not be known to the key.
            Loaded::Progress(bytes) => loads.push(Load::Progress(bytes)),
            other => {
                self.flush(loads);
                self.unpack_rare(other, loads);
            }
        }
    }

    /// What is left.
    pub fn flush(&mut self, loads: &mut Vec<Load>) {
        self.bytes = 0;
        if !self.arrivals.is_empty() {
            loads.push(Load::Keys(std::mem::take(&mut self.arrivals)));
        }
        if !self.lines.is_empty() {
            loads.push(Load::Lines(std::mem::take(&mut self.lines)));
        }
    }

    fn flush_if_full(&mut self, loads: &mut Vec<Load>) {
        let count = self.arrivals.len() + self.lines.len();
        if count >= COUNT_MAX || self.bytes >= BYTES_MAX {
            self.flush(loads);
        }
    }

    fn unpack_rare(&mut self, loaded: Loaded, loads: &mut Vec<Load>) {
        let load = match loaded {
            Loaded::Sizes { db, keys, .. } => {
                let keys = keys.min(self.total / KEY_BYTES_MIN) as usize;
                Load::Sizes { db, keys }
            }
            Loaded::Function(code) => Load::Function(code),
            Loaded::Unit(lines) => Load::Unit(lines),
            Loaded::File { .. } => Load::File,
            Loaded::Aux { name, value } => return self.aux(&name, &value, loads),
            Loaded::Skipped { what, is_empty_key: true } => {
                loads.push(Load::EmptyKey);
                Load::Note(Level::Notice, format!("rdbLoadObject skipping empty key: {what}"))
            }
            Loaded::Skipped { what, .. } => {
                Load::Note(Level::Warning, format!("Not loaded: {what}"))
            }
            Loaded::Note((level, text)) => Load::Note(level, text),
            Loaded::Entry { .. } | Loaded::Command(_) | Loaded::Progress(_) => return,
        };
        loads.push(load);
    }

    fn aux(&mut self, name: &[u8], value: &[u8], loads: &mut Vec<Load>) {
        let number = || numbers::parse_i64(value).unwrap_or_default().max(0) as u64;
        if let Some(family) = Family::of_version_field(name) {
            let text = format!("Loading RDB produced by version {}", value.escape_ascii());
            loads.push(Load::Note(Level::Notice, text));
            loads.push(Load::Home(family));
        } else if name == b"used-mem" {
            loads.push(Load::UsedMemory(number()));
        }
    }
}

/// Why the dataset cannot be loaded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unloadable {
    /// What belongs to a database that is not there must not get into another.
    #[error(
        "FATAL: Data file was created with a Redis server configured to handle more than {0} databases. Exiting"
    )]
    Databases(usize),
    /// A key is there twice.
    #[error("Internal error in RDB reading: duplicated key: '{}'", .0.escape_ascii())]
    Twice(Vec<u8>),
    /// A line of the log is no command: its name, and what a client would be told.
    #[error("Unknown command '{}' reading the append only file: {}", .0.escape_ascii(), .1)]
    Unknown(Vec<u8>, String),
    /// A library of functions cannot be loaded.
    #[error("Failed to load a library of functions: {}", .0.escape_ascii())]
    Library(Vec<u8>),
}

impl Engine {
    /// From here on clients are told to wait.
    pub fn begin_loading(&mut self, total_bytes: u64, now: Now) {
        self.set_now(now);
        let began = self.now_seconds();
        self.persistence.loading = Some(Loading { began, total_bytes, ..Loading::default() });
        self.persistence.rdb.loaded_keys = 0;
        self.persistence.rdb.loaded_expired = 0;
        self.hold_expired();
    }

    /// Keys of a snapshot. Those that are due are left out if they are of no use to what follows.
    pub fn load_keys(&mut self, arrivals: Vec<Arrival>, drops_due: bool) -> Result<(), Unloadable> {
        self.keyspace.fetch_for(&arrivals);
        let now = self.now.wall();
        let (mut loaded, mut expired) = (0, 0);
        let wanted = arrivals.into_iter().filter(|arrival| {
            let is_due = drops_due && arrival.is_due(now);
            expired += is_due as u64;
            loaded += !is_due as u64;
            !is_due
        });
        let result = self.keyspace.load(wanted);
        self.persistence.rdb.loaded_keys += loaded;
        self.persistence.rdb.loaded_expired += expired;
        let databases = self.keyspace.databases();
        result.map_err(|arrival| match arrival.db() < databases {
            true => Unloadable::Twice(arrival.key().to_vec()),
            false => Unloadable::Databases(databases),
        })
    }

    /// Takes in what was unpacked.
    pub fn load(
        &mut self,
        replay: &mut Replay,
        load: Load,
        drops_due: bool,
    ) -> Result<(), Unloadable> {
        match load {
            Load::Keys(arrivals) => return self.load_keys(arrivals, drops_due),
            Load::Lines(lines) => {
                return lines
                    .iter()
                    .try_for_each(|line| self.replay(replay, std::slice::from_ref(line)));
            }
            Load::Unit(lines) => return self.replay(replay, &lines),
            Load::Function(code) => return self.load_function(&code),
            Load::Sizes { db, keys } => self.keyspace.expect(db, keys),
            Load::File => self.sessions[replay.who].db = 0,
            Load::Home(family) => self.persistence.rdb.home = family,
            Load::UsedMemory(bytes) => {
                let mib = bytes as f64 / (1 << 20) as f64;
                let text = format!("RDB memory usage when created {mib:.2} Mb");
                self.host.log(Level::Notice, &text);
                if let Some(loading) = &mut self.persistence.loading {
                    loading.used_memory = bytes;
                }
            }
            Load::EmptyKey => replay.empty_keys += 1,
            Load::Progress(bytes) => self.note_loaded(bytes),
            Load::Note(level, text) => self.host.log(level, &text),
        }
        Ok(())
    }

    /// What makes of what is read what this engine takes in.
    pub fn unpacker(&self, total: u64) -> Unpacker {
        Unpacker {
            forge: self.keyspace.forge(),
            total,
            arrivals: Vec::new(),
            lines: Vec::new(),
            bytes: 0,
        }
    }

    /// DEBUG RELOAD and LOADAOF: what is on disk, on this very thread. What is in memory may go first, but not for
    /// files that cannot be read at all.
    pub fn load_now(&mut self, source: &Source, forget: bool) -> Result<(), String> {
        let text = |refused: Refused| refused.lines.join("; ");
        let (options, shapes) = (self.load_options(), self.limits.shapes());
        let mut loader =
            Loader::new(self.host.disk(), self.names(), source, &shapes, options).map_err(text)?;
        let mut first = VecDeque::new();
        loop {
            let loaded = loader.next().map_err(text)?;
            let says_nothing =
                matches!(loaded, Some(Loaded::File { .. } | Loaded::Note(_) | Loaded::Progress(_)));
            first.push_back(loaded);
            if !says_nothing {
                break;
            }
        }
        if forget {
            self.forget_all();
        }
        let now = self.now;
        // What is read is in the log already.
        let tells = self.effects.wanted;
        self.untell_log();
        self.begin_loading(loader.total(), now);
        let mut replay = self.begin_replay();
        let mut unpacker = self.unpacker(loader.total());
        let drops_due = *source == Source::Snapshot;
        let mut loads = Vec::new();
        let mut go_on = || -> Result<bool, String> {
            let loaded = match first.pop_front() {
                Some(loaded) => loaded,
                None => loader.next().map_err(text)?,
            };
            let more = loaded.is_some();
            match loaded {
                Some(loaded) => unpacker.unpack(loaded, &mut loads),
                None => unpacker.flush(&mut loads),
            }
            for load in loads.drain(..) {
                self.load(&mut replay, load, drops_due).map_err(|why| why.to_string())?;
            }
            Ok(more)
        };
        let result = loop {
            match go_on() {
                Ok(true) => (),
                Ok(false) => break Ok(()),
                Err(why) => break Err(why),
            }
        };
        self.end_replay(replay);
        self.end_loading(now);
        if tells {
            self.tell_log();
        }
        result
    }

    /// All keys and all functions go. The log is not told, but who watches or tracks keys is.
    pub fn forget_all(&mut self) {
        for db in 0..self.keyspace.databases() {
            let (keys, old) = self.empty(db);
            if keys > 0 {
                self.give_away(0, old);
            }
        }
        self.tell_trackers_of_flush();
        // One that is busy stays.
        let _ = self.flush_functions(true);
    }

    /// How files are read.
    pub fn load_options(&self) -> load::Options {
        let config = &self.config;
        load::Options {
            truncated: config.aof_load_truncated,
            corrupt_tail_max: config.aof_load_corrupt_tail_max_size,
            checksum: config.rdbchecksum,
            relaxed: config.rdb_version_check == VersionCheck::Relaxed,
            now: self.now.wall(),
        }
    }

    /// A library that is there already is an error, as a key is, unless both are merged.
    pub fn load_function(&mut self, code: &[u8]) -> Result<(), Unloadable> {
        let loaded = self.load_library(code, self.keyspace.is_merging());
        loaded.map(drop).map_err(|error| Unloadable::Library(error.message().into_owned()))
    }

    /// How far it has come.
    pub fn note_loaded(&mut self, bytes: u64) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.loaded_bytes = bytes;
        }
    }

    pub fn begin_replay(&mut self) -> Replay {
        let peer = Peer { unix: true, loopback: true, ..Peer::default() };
        let who = self.sessions.open(peer, self.now.mono_us, self.ledger.clone()).key;
        self.trust(who);
        Replay { who, out: Vec::new(), empty_keys: 0, refused: 0, first_refused: None }
    }

    /// Lines of a log that belong together run as one.
    pub fn replay(&mut self, replay: &mut Replay, lines: &[ArgsBuf]) -> Result<(), Unloadable> {
        let whole = lines.len() > 1;
        let before = std::mem::replace(&mut self.in_exec, whole);
        let result = lines.iter().try_for_each(|line| self.replay_line(replay, line.args()));
        self.in_exec = before;
        self.effects.seal();
        self.own_pushes.clear();
        result
    }

    fn replay_line(&mut self, replay: &mut Replay, args: Args) -> Result<(), Unloadable> {
        let unknown = |why: Error| {
            let why = String::from_utf8_lossy(&why.message()).replace(char::is_control, " ");
            Unloadable::Unknown(args.get(0).to_vec(), why)
        };
        let command = self.find(args).map_err(unknown)?;
        if !command.arity_fits(args.len()) {
            return Err(unknown(Error::Arity(command.spec.name)));
        }
        let mut bytes = std::mem::take(&mut replay.out);
        bytes.clear();
        let mut out = Out::within(usize::MAX, Proto::Resp2, bytes);
        // Nothing in a log waits; a script that is busy cannot be, since what scripts did is what was told.
        let _ = self.call_woken(replay.who, command, args, &mut out);
        replay.out = out.bytes;
        if let [b'-', error @ ..] = &*replay.out {
            if error.trim_ascii_end() == &*Error::BadDbIndex.message() {
                return Err(Unloadable::Databases(self.keyspace.databases()));
            }
            replay.refused += 1;
            replay.first_refused.get_or_insert_with(|| {
                let error = String::from_utf8_lossy(error.trim_ascii_end()).into_owned();
                (command.spec.name, error)
            });
        }
        Ok(())
    }

    pub fn end_replay(&mut self, replay: Replay) {
        if let Some((command, error)) = &replay.first_refused {
            let refused = replay.refused;
            let text = format!(
                "Lines of the log that were refused: {refused}, the first of them {command}: {error}"
            );
            self.host.log(Level::Warning, &text);
        }
        self.sessions[replay.who].closing = Closing::Now;
        self.sessions.close(replay.who);
    }

    /// The dataset is there.
    pub fn end_loading(&mut self, now: Now) {
        self.set_now(now);
        self.persistence.loading = None;
        self.forget_changes();
        self.hold_expired();
    }
}
