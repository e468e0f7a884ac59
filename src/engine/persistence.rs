//! What is saved, and when: the engine's side of snapshots and of the log.
//!
//! The engine decides and counts. It opens no file and waits for none: a snapshot is begun here, walks on a
//! slice at a time when the shell asks (`snapshot_slice`), and what the slices hand over is written by a
//! thread of the shell, which reports (`end_snapshot`). Only SAVE, SHUTDOWN and DEBUG RELOAD write on the
//! engine's own thread, since whoever asks for them wants to wait.

use super::Engine;
use crate::config::{AppendFsync, RdbVersion, SavePoint};
use crate::error::Error;
use crate::keyspace::evict::Ages;
use crate::keyspace::walk::{Piece, Saved};
use crate::persist::files::{Names, said};
use crate::persist::load::set_log_aside;
use crate::persist::log::{Event, Log, Options, Policy};
use crate::persist::permit::Permit;
use crate::persist::snapshot::{Format, Request, SnapshotFile};
use crate::rdb::codes::Family;
use crate::rdb::write as rdb;
use crate::world::Disk;
use crate::world::host::Level;
use crate::world::time::Now;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// BGSAVE: the file that `dbfilename` names.
    Save,
    /// BGREWRITEAOF: what the log begins with.
    Rewrite,
}

impl Purpose {
    /// Why there cannot be another one.
    pub fn is_served(self) -> Error {
        Error::Say(match self {
            Purpose::Save => "ERR Background save already in progress",
            Purpose::Rewrite => "ERR Background append only file rewriting already in progress",
        })
    }
}

#[derive(Debug)]
pub struct Persistence {
    pub loading: Option<Loading>,
    /// The one that is under way.
    pub snapshot: Option<Snapshot>,
    /// It was given up, and as soon as the shell has seen that, this is to follow.
    next: Option<Purpose>,
    pub rdb: Rdb,
    pub aof: Aof,
    pub locks: super::locks::Locks,
    /// BGSAVE SCHEDULE: as soon as no other snapshot is under way.
    pub save_scheduled: bool,
    pub rewrite_scheduled: bool,
    /// The signal that asks for an end, if that has not been seen to.
    asked_to_stop: Option<&'static str>,
    /// An end that a signal asked for is under way. Who listens for signals looks at it while the engine is busy.
    pub is_ending: Arc<AtomicBool>,
    /// A snapshot was begun since the shell last asked.
    begun: bool,
    /// What the shell is to do with the log when the step is over.
    orders: Vec<Order>,
    /// Changes before the last successful save, of all that were ever counted.
    saved_changes: u64,
}

/// A snapshot that is under way.
#[derive(Debug)]
pub struct Snapshot {
    pub purpose: Purpose,
    pub began_us: u64,
    pub stage: Stage,
    /// Why it is of no use, when the log said so before it was whole.
    failed: Option<String>,
    /// Changes before it began.
    changes: u64,
    /// Withdrawn when it is given up.
    permit: Arc<Permit>,
    in_hand: Arc<InHand>,
}

/// What was handed over to a snapshot's writer and is not written yet.
#[derive(Debug, Default)]
pub struct InHand {
    /// Of memory.
    bytes: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was asked for; the walk has not begun.
    Asked,
    Walking,
    /// The walk is over, the rest is up to the disk.
    Writing,
    /// The log's new base is whole, and the log takes it in.
    Joining,
    /// Nobody wants it any more.
    Cancelled,
}

/// What the file of a snapshot begins with, and how it is written.
pub struct Head {
    pub purpose: Purpose,
    pub names: Names,
    format: Format,
    aux: Vec<(&'static str, Vec<u8>)>,
    functions: Vec<Vec<u8>>,
    /// Numbers, keys, and keys with deadlines.
    databases: Vec<(usize, u64, u64)>,
    ages: Ages,
    write_back: bool,
    permit: Arc<Permit>,
}

impl Snapshot {
    pub fn in_writers_hands(&self) -> u64 {
        self.in_hand.bytes()
    }
}

impl InHand {
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// So many bytes are not allocated any more; says how many there were.
    pub fn remove(&self, bytes: u64) -> u64 {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel)
    }
}

impl Head {
    /// The file, under a temporary name.
    pub fn create(&self, disk: Arc<dyn Disk>) -> std::io::Result<SnapshotFile> {
        self.create_as(
            disk,
            match self.purpose {
                Purpose::Save => self.names.temporary_snapshot_path(),
                Purpose::Rewrite => self.names.temporary_base_path(),
            },
        )
    }

    fn create_as(&self, disk: Arc<dyn Disk>, path: PathBuf) -> std::io::Result<SnapshotFile> {
        let aux: Vec<(&str, &[u8])> =
            self.aux.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = Request {
            format: self.format,
            aux: &aux,
            functions: &self.functions,
            databases: &self.databases,
            ages: self.ages.clone(),
            write_back: self.write_back,
        };
        Ok(SnapshotFile::create(disk, path, request)?.permitted_by(self.permit.clone()))
    }

    pub fn is_dump(&self) -> bool {
        matches!(self.format, Format::Dump(_))
    }
}

/// What one slice of a snapshot came to.
pub struct Slice {
    pub pieces: Vec<Piece>,
    pub state: SliceState,
    /// Keys that were passed, for `rdb-key-save-delay`.
    pub keys: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceState {
    More,
    Over,
    Cancelled,
}

/// How snapshots went.
#[derive(Clone, Debug)]
pub struct Rdb {
    /// Seconds since 1970, which is what clients are told.
    pub last_save: i64,
    /// The same by the clock that nobody sets, which is what save points go by.
    pub last_save_us: u64,
    pub last_try_us: Option<u64>,
    pub last_ok: bool,
    pub last_seconds: Option<u64>,
    pub saves: u64,
    /// Bytes that were copied for the last snapshot because they were about to change.
    pub last_extra_bytes: u64,
    pub loaded_keys: u64,
    pub loaded_expired: u64,
    /// Whose server wrote what was loaded: that one may be to read what is saved here.
    pub home: Family,
}

/// How the log does.
#[derive(Clone, Debug)]
pub struct Aof {
    pub state: AofState,
    pub last_rewrite_ok: bool,
    pub last_try_us: Option<u64>,
    pub last_rewrite_seconds: Option<u64>,
    pub rewrites: u64,
    pub failures: u64,
    /// The log has grown so much that it should be rewritten, or must be, as told before each tick.
    pub wants_rewrite: bool,
    pub last_extra_bytes: u64,
    /// Why nothing can be written, since when something cannot.
    pub broken: Option<Box<str>>,
    pub progress: Arc<LogProgress>,
    /// There is a log on disk that was not loaded, and must not be overwritten.
    pub passed_over: bool,
}

/// How far the log has come, told by those who write it.
#[derive(Debug, Default)]
pub struct LogProgress {
    /// Up to here, as `Effects` counts, it is on the disk.
    durable: AtomicU64,
    /// Bytes of all files, and what they were after the last rewrite.
    size: AtomicU64,
    base_size: AtomicU64,
    buffered: AtomicU64,
    memory: AtomicU64,
    delayed_syncs: AtomicU64,
    /// DEBUG AOF-FLUSH-SLEEP: so many microseconds pass before anything is written.
    write_delay_us: AtomicU64,
    /// What takes so many microseconds is told to the latency monitor.
    slow_from_us: AtomicU64,
    /// Microseconds that writes and syncs of the log took.
    write_us: AtomicU64,
}

impl LogProgress {
    pub fn write_micros(&self) -> u64 {
        self.write_us.load(Ordering::Relaxed)
    }

    pub fn count_write(&self, micros: u64) {
        self.write_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Zero stands for never.
    pub fn set_slow_from(&self, micros: u64) {
        self.slow_from_us.store(micros, Ordering::Relaxed);
    }

    pub fn is_slow(&self, micros: u64) -> bool {
        let from = self.slow_from_us.load(Ordering::Relaxed);
        from > 0 && micros >= from
    }

    pub fn write_delay_us(&self) -> u64 {
        self.write_delay_us.load(Ordering::Relaxed)
    }

    pub fn set_write_delay(&self, micros: u64) {
        self.write_delay_us.store(micros, Ordering::Relaxed);
    }

    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub fn set_durable(&self, offset: u64) {
        self.durable.store(offset, Ordering::Release);
    }

    /// Bytes of memory: what is in no file, and what is kept until it is synced.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Acquire)
    }

    pub fn set_memory(&self, bytes: u64) {
        self.memory.store(bytes, Ordering::Release);
    }

    pub fn set_sizes(&self, sizes: Sizes) {
        self.size.store(sizes.size, Ordering::Relaxed);
        self.base_size.store(sizes.base, Ordering::Relaxed);
        self.buffered.store(sizes.buffered, Ordering::Relaxed);
        self.delayed_syncs.store(sizes.delayed_syncs, Ordering::Relaxed);
    }

    pub fn sizes(&self) -> Sizes {
        Sizes {
            size: self.size.load(Ordering::Relaxed),
            base: self.base_size.load(Ordering::Relaxed),
            buffered: self.buffered.load(Ordering::Relaxed),
            delayed_syncs: self.delayed_syncs.load(Ordering::Relaxed),
        }
    }
}

/// Bytes of the log, and how often flushing took too long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub size: u64,
    pub base: u64,
    /// In no file yet.
    pub buffered: u64,
    pub delayed_syncs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AofState {
    Off,
    /// It is written already, and counts as soon as its beginning is on disk.
    Starting,
    On,
}

/// What the shell is to do with the log.
pub enum Order {
    Open(Box<Log>),
    Close,
    /// The directives have changed.
    Options(Options),
}

impl std::fmt::Debug for Order {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str(match self {
            Order::Open(_) => "Open",
            Order::Close => "Close",
            Order::Options(_) => "Options",
        })
    }
}

/// The server goes on, since it would lose something; what, is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsaved;

/// How the server is to stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    pub save: bool,
    pub nosave: bool,
    /// Whatever goes wrong.
    pub force: bool,
}

/// How far loading has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading {
    /// Seconds since 1970.
    pub began: i64,
    pub total_bytes: u64,
    pub loaded_bytes: u64,
    /// What the server that wrote the file took.
    pub used_memory: u64,
}

/// Bytes that the walk gathers between two looks at the stopwatch.
const STEP_BYTES: usize = 4 << 10;
/// In a long string slices are so many times as long: it is copied, and with shorter ones half a gigabyte took longer
/// than the peers take, while requests were no faster.
const TEXT_SLICES: u64 = 3;
/// After a snapshot that failed, save points wait so long before they try again.
const RETRY_US: u64 = 5_000_000;
/// And the rewrite that a log begins with this long.
const REWRITE_AGAIN_US: u64 = 1_000_000;

impl Default for Persistence {
    fn default() -> Persistence {
        Persistence {
            loading: None,
            snapshot: None,
            next: None,
            rdb: Rdb {
                last_save: 0,
                last_save_us: 0,
                last_try_us: None,
                last_ok: true,
                last_seconds: None,
                saves: 0,
                last_extra_bytes: 0,
                loaded_keys: 0,
                loaded_expired: 0,
                home: Family::Redis,
            },
            aof: Aof {
                state: AofState::Off,
                last_rewrite_ok: true,
                last_try_us: None,
                last_rewrite_seconds: None,
                rewrites: 0,
                failures: 0,
                wants_rewrite: false,
                last_extra_bytes: 0,
                broken: None,
                progress: Arc::default(),
                passed_over: false,
            },
            locks: Default::default(),
            save_scheduled: false,
            rewrite_scheduled: false,
            asked_to_stop: None,
            is_ending: Arc::default(),
            begun: false,
            orders: Vec::new(),
            saved_changes: 0,
        }
    }
}

/// What `rdb-key-save-delay` and `key-load-delay` mean for so many keys: so many microseconds for each, or, if
/// negative, one for so many keys.
pub fn delay_us(delay: i64, keys: u64) -> u64 {
    match delay {
        0 => 0,
        1.. => (delay as u64).saturating_mul(keys),
        _ => keys / delay.unsigned_abs(),
    }
}

impl Persistence {
    /// Is a snapshot for this under way? It is until the shell has seen that it was given up.
    pub fn is_taking(&self, purpose: Purpose) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.purpose == purpose)
            || self.next == Some(purpose)
    }

    /// What a snapshot is wanted for, if one is.
    pub fn serves(&self) -> Option<Purpose> {
        match &self.snapshot {
            Some(snapshot) if snapshot.stage != Stage::Cancelled => Some(snapshot.purpose),
            _ => self.next,
        }
    }

    #[inline]
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Was a snapshot begun since this was last asked?
    #[inline]
    pub fn take_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }
}

impl Engine {
    /// Changes since the last save.
    pub fn unsaved_changes(&self) -> u64 {
        self.keyspace.changes.dirty.saturating_sub(self.persistence.saved_changes)
    }

    /// Begins a snapshot, if none is under way; one that was given up does not count. The walk itself begins
    /// when the shell asks for its first slice, between two units.
    pub fn begin_snapshot(&mut self, purpose: Purpose) -> Result<(), Error> {
        if let Some(served) = self.persistence.serves() {
            return Err(served.is_served());
        }
        if self.persistence.snapshot.is_some() {
            self.persistence.next = Some(purpose);
            return Ok(());
        }
        let began_us = self.now.mono_us;
        self.keyspace.forget_copied();
        match purpose {
            Purpose::Save => {
                self.persistence.save_scheduled = false;
                self.persistence.rdb.last_try_us = Some(began_us);
            }
            Purpose::Rewrite => {
                self.persistence.rewrite_scheduled = false;
                self.persistence.aof.last_try_us = Some(began_us);
                if self.persistence.aof.state == AofState::Off && !self.open_log() {
                    return Err(Error::Say(
                        "ERR Can't execute an AOF background rewriting. Please check the server logs \
                         for more information.",
                    ));
                }
            }
        }
        self.persistence.snapshot = Some(Snapshot {
            purpose,
            began_us,
            stage: Stage::Asked,
            failed: None,
            changes: self.keyspace.changes.dirty,
            permit: Arc::default(),
            in_hand: Arc::default(),
        });
        self.persistence.begun = true;
        self.stats.snapshots += 1;
        Ok(())
    }

    /// The walk begins: what the keyspace is now, it will hand over. No unit may be open. None if nobody wants
    /// it any more.
    pub fn begin_walk(&mut self) -> Option<(Head, Arc<InHand>)> {
        let snapshot = self.persistence.snapshot.as_mut()?;
        if snapshot.stage != Stage::Asked {
            return None;
        }
        snapshot.stage = Stage::Walking;
        snapshot.changes = self.keyspace.changes.dirty;
        let (purpose, permit) = (snapshot.purpose, snapshot.permit.clone());
        let in_hand = snapshot.in_hand.clone();
        self.keyspace.begin_walk();
        if purpose == Purpose::Rewrite {
            // What is told from here on goes into another file.
            self.effects.forget_selected();
        }
        Some((self.head(purpose, self.keyspace.databases_of_walk(), permit), in_hand))
    }

    /// The log takes its new base in: what is left may still fail. False if nobody wants it any more.
    pub fn join_base(&mut self) -> bool {
        let wanted = |snapshot: &&mut Snapshot| snapshot.stage != Stage::Cancelled;
        let snapshot = self.persistence.snapshot.as_mut().filter(wanted);
        snapshot.map(|snapshot| snapshot.stage = Stage::Joining).is_some()
    }

    /// The log does not take its new base in: the rewrite was given up, or else the log has no file that would
    /// follow the base, and has not told yet that it could not make one.
    pub fn leave_base(&mut self, now: Now) {
        let is_over = |snapshot: &Snapshot| {
            snapshot.purpose == Purpose::Rewrite
                && matches!(snapshot.stage, Stage::Joining | Stage::Cancelled)
        };
        if self.persistence.snapshot.as_ref().is_some_and(is_over) {
            self.end_snapshot(Err("the AOF has no file that follows its new base".into()), now);
        }
    }

    /// What became of the log.
    pub fn hear_log(&mut self, event: &Event, trouble: Option<String>, now: Now) {
        self.set_now(now);
        let joins = |it: &Snapshot| it.purpose == Purpose::Rewrite && it.stage == Stage::Joining;
        let joins = self.persistence.snapshot.as_ref().is_some_and(joins);
        self.persistence.aof.broken = trouble.map(String::into_boxed_str);
        match event {
            Event::Rewritten if joins => self.end_snapshot(Ok(()), now),
            Event::RewriteFailed(why) if joins => self.end_snapshot(Err(why.clone()), now),
            Event::RewriteFailed(why) => self.fail_rewrite(why),
            _ => (),
        }
        // It was only wanted for its beginning.
        if self.persistence.aof.state == AofState::On && !self.config.appendonly {
            self.stop_log();
        }
    }

    /// The log has no place for the base that is being made.
    fn fail_rewrite(&mut self, why: &str) {
        let Some(snapshot) = &mut self.persistence.snapshot else { return };
        let is_made = matches!(snapshot.stage, Stage::Walking | Stage::Writing);
        if snapshot.purpose == Purpose::Rewrite && is_made {
            snapshot.failed = Some(why.to_string());
            self.cancel_snapshot(Purpose::Rewrite);
        }
    }

    /// What a file begins with.
    fn head(
        &self,
        purpose: Purpose,
        databases: Vec<(usize, u64, u64)>,
        permit: Arc<Permit>,
    ) -> Head {
        let config = &self.config;
        let seconds = self.now_seconds();
        let memory = self.host.allocated().to_string().into_bytes();
        let is_base = purpose == Purpose::Rewrite;
        let options = rdb::Options {
            version: self.rdb_version(),
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
        };
        Head {
            purpose,
            names: self.names(),
            format: match is_base && !config.aof_use_rdb_preamble {
                true => Format::Commands(config.aof_timestamp_enabled.then_some(seconds)),
                false => Format::Dump(options),
            },
            write_back: match is_base {
                false => config.rdb_save_incremental_fsync,
                true => config.aof_rewrite_incremental_fsync,
            },
            aux: vec![
                (self.home_of(options.version), super::REDIS_VERSION.as_bytes().to_vec()),
                ("redis-bits", b"64".to_vec()),
                ("ctime", seconds.to_string().into_bytes()),
                ("used-mem", memory),
                ("aof-base", if is_base { b"1".to_vec() } else { b"0".to_vec() }),
            ],
            functions: self.functions.codes().map(|(_, code)| code.to_vec()).collect(),
            databases,
            ages: self.keyspace.ages(),
            permit,
        }
    }

    /// SAVE: all of it now, and everybody waits.
    pub fn save_now(&mut self) -> Result<(), String> {
        let saved = self.write_now();
        match &saved {
            Ok(()) => {
                self.host.log(Level::Notice, "DB saved on disk");
                self.note_saved(self.keyspace.changes.dirty, self.now);
            }
            Err(why) => {
                // Whoever asked for it is told, so this is no reason to refuse writes to others.
                let text = format!("Error writing the RDB file: {why}");
                self.host.log(Level::Warning, &text);
            }
        }
        saved
    }

    fn write_now(&mut self) -> Result<(), String> {
        let sizes = |number: usize| {
            let db = self.keyspace.db(number);
            (number, db.len() as u64, db.expires() as u64)
        };
        let databases: Vec<(usize, u64, u64)> =
            (0..self.keyspace.databases()).map(sizes).filter(|(_, keys, _)| *keys > 0).collect();
        let head = self.head(Purpose::Save, databases.clone(), Arc::default());
        let write = || -> std::io::Result<()> {
            let mut file = head.create_as(self.host.disk(), head.names.temporary_save_path())?;
            for (db, ..) in databases {
                for record in self.keyspace.live_records(db) {
                    let (key, deadline, age) = (record.key(), record.deadline(), record.age());
                    record
                        .with_view(|value| file.entry(Saved { db, key, deadline, age, value }))?;
                    if self.config.rdb_key_save_delay > 0 {
                        self.host.sleep(self.config.rdb_key_save_delay as u64);
                    }
                }
            }
            file.finish_as(&head.names.snapshot_path()).map(drop)
        };
        write().map_err(|error| said(&error))
    }

    /// Is there a snapshot that was not given up?
    pub fn wants_snapshot(&self) -> bool {
        self.persistence.snapshot.as_ref().is_some_and(|it| it.stage != Stage::Cancelled)
    }

    /// Goes on with the walk for about so long.
    pub fn snapshot_slice(&mut self, slice_us: u64, now: Now) -> Slice {
        let is_walking = |snapshot: &Snapshot| snapshot.stage == Stage::Walking;
        if !self.persistence.snapshot.as_ref().is_some_and(is_walking) {
            return Slice { pieces: Vec::new(), state: SliceState::Cancelled, keys: 0 };
        }
        let before = self.keyspace.walk_progress().0;
        let slice_us = match self.keyspace.walks_in_text() {
            true => slice_us * TEXT_SLICES,
            false => slice_us,
        };
        // Whoever waits after each key must not pass many at once.
        let most = if self.config.rdb_key_save_delay > 0 { 1 } else { STEP_BYTES };
        let mut more = self.keyspace.walk(self.keyspace.gathered() + most);
        while more && most > 1 && self.host.mono_us().saturating_sub(now.mono_us) < slice_us {
            more = self.keyspace.walk(self.keyspace.gathered() + most);
        }
        let keys = self.keyspace.walk_progress().0.saturating_sub(before);
        let pieces = self.keyspace.take_pieces();
        // What was large in a database that was emptied goes to be freed as the walk passes it.
        self.follow_removals();
        if let Some(snapshot) = &mut self.persistence.snapshot {
            snapshot.in_hand.add(pieces.iter().map(Piece::memory).sum());
            if !more {
                snapshot.stage = Stage::Writing;
            }
        }
        Slice { pieces, state: if more { SliceState::More } else { SliceState::Over }, keys }
    }

    /// CONFIG SET appendonly yes: the log begins with the data as it is now; false if it cannot. While that is being loaded it is
    /// seen to when it is there.
    pub fn start_log(&mut self) -> bool {
        if self.persistence.aof.state != AofState::Off || self.persistence.loading.is_some() {
            return true;
        }
        if !self.open_log() {
            return false;
        }
        // It was for a log that is no more.
        self.cancel_snapshot(Purpose::Rewrite);
        let (began, when) = match self.persistence.snapshot {
            None => {
                let began = self.begin_snapshot(Purpose::Rewrite).is_ok();
                // The walk begins between two units.
                (began, self.in_exec().then_some("during a transaction"))
            }
            Some(_) => {
                self.persistence.rewrite_scheduled = true;
                (true, Some("but there is already another background operation"))
            }
        };
        if let Some(when) = when.filter(|_| began) {
            let text = format!(
                "AOF was enabled {when}. An AOF background was scheduled to start when possible."
            );
            self.host.log(Level::Notice, &text);
        }
        began
    }

    /// Opens a log that has no beginning yet.
    fn open_log(&mut self) -> bool {
        if let Err(why) = self.lock_log() {
            self.host.log(Level::Warning, &why);
            return false;
        }
        if std::mem::take(&mut self.persistence.aof.passed_over) {
            let now = self.now.wall();
            match set_log_aside(&*self.host.disk(), &self.names(), now) {
                Ok((level, text)) => self.host.log(level, &text),
                Err(why) => {
                    self.persistence.aof.passed_over = true;
                    let text = format!("The old AOF can't be set aside: {}", said(&why));
                    self.host.log(Level::Warning, &text);
                    return false;
                }
            }
        }
        let text = match Log::join(self.host.disk(), self.names(), self.log_options()) {
            Ok(Ok(log)) => {
                self.persistence.orders.push(Order::Open(Box::new(log)));
                self.persistence.aof.state = AofState::Starting;
                self.tell_log();
                return true;
            }
            Ok(Err(invalid)) => invalid.why.to_string(),
            Err(error) => error.to_string(),
        };
        self.host.log(Level::Warning, &format!("The AOF can't be turned on: {text}"));
        false
    }

    /// CONFIG SET appendonly no: what was told so far is kept.
    pub fn stop_log(&mut self) {
        if self.persistence.aof.state == AofState::Off {
            return;
        }
        if self.persistence.is_taking(Purpose::Rewrite) {
            self.host.log(
                Level::Notice,
                "Killing the AOF rewrite, which is a thread and no child: the AOF is turned off",
            );
            self.cancel_snapshot(Purpose::Rewrite);
        }
        self.persistence.rewrite_scheduled = false;
        self.persistence.aof.state = AofState::Off;
        self.persistence.aof.broken = None;
        self.untell_log();
        self.persistence.orders.push(Order::Close);
    }

    /// The directives may have changed.
    pub(super) fn tell_options(&mut self) {
        if self.persistence.aof.state != AofState::Off {
            let options = self.log_options();
            self.persistence.orders.push(Order::Options(options));
        }
    }

    /// What the configuration says of the log.
    pub fn log_options(&self) -> Options {
        let config = &self.config;
        Options {
            policy: match config.appendfsync {
                AppendFsync::Always => Policy::Always,
                AppendFsync::Everysec => Policy::EverySecond,
                AppendFsync::No => Policy::Never,
            },
            no_sync_while_saving: config.no_appendfsync_on_rewrite,
            timestamps: config.aof_timestamp_enabled,
            growth_percent: config.auto_aof_rewrite_percentage.into(),
            least_size: config.auto_aof_rewrite_min_size,
            keep_history: config.aof_disable_auto_gc,
        }
    }

    /// Where files are, and what they are called.
    pub fn names(&self) -> Names {
        let config = &self.config;
        Names {
            folder: PathBuf::new(),
            log_folder: config.appenddirname.clone().into_bytes(),
            log: config.appendfilename.clone().into_bytes(),
            snapshot: config.dbfilename.clone().into_bytes(),
            pid: self.host.facts().pid,
        }
    }

    /// All keys are gone: a snapshot of them is of no use, and the next one would have to wait.
    pub fn save_flushed(&mut self) {
        self.cancel_snapshot(Purpose::Save);
        if !self.config.save.is_empty() && self.persistence.loading.is_none() {
            // What went wrong is in the log.
            let _ = self.save_now();
        }
    }

    /// Stops the server, when everything is saved that is to be.
    pub fn shut_down(&mut self, wishes: Wishes) -> Result<(), Unsaved> {
        let loading = self.persistence.loading.is_some();
        self.host.log(Level::Warning, "User requested shutdown...");
        if self.persistence.is_taking(Purpose::Rewrite)
            && self.persistence.aof.state == AofState::Starting
        {
            if !wishes.force {
                self.host.log(Level::Warning, "Writing initial AOF, can't exit");
                return Err(Unsaved);
            }
            self.host.log(Level::Warning, "Writing initial AOF. Exit anyway.");
        }
        if self.persistence.snapshot.is_some() {
            self.host.log(
                Level::Warning,
                "There is a snapshot under way that is not needed any more: it is given up.",
            );
            self.cancel_snapshot(Purpose::Save);
            self.cancel_snapshot(Purpose::Rewrite);
        }
        let saves = wishes.save || (!self.config.save.is_empty() && !wishes.nosave);
        if saves && !loading {
            self.host.log(Level::Notice, "Saving the final RDB snapshot before exiting.");
            if self.save_now().is_err() && !wishes.force {
                self.host.log(Level::Warning, "Error trying to save the DB, can't exit.");
                return Err(Unsaved);
            }
        }
        self.exit = Some(super::Exit { code: 0 });
        Ok(())
    }

    /// A signal asks for an end. As long as that has to wait it can be taken back.
    pub fn hear_signal(&mut self, name: &'static str) {
        self.persistence.asked_to_stop = Some(name);
        self.persistence.is_ending.store(true, Ordering::SeqCst);
        self.obey_signal();
        // The next tick tries again.
        if self.is_asked_to_stop() && self.resting {
            self.rouse(self.now);
        }
    }

    /// Has a signal asked for an end that is still to come?
    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.persistence.asked_to_stop.is_some()
    }

    /// Does what a signal asked for, if one did. What a busy script has done so far is half of a unit, and nothing of
    /// it may be saved: the end waits for its end.
    pub(super) fn obey_signal(&mut self) {
        if self.cron_paused || self.is_busy() {
            return;
        }
        let Some(name) = self.persistence.asked_to_stop.take() else { return };
        let words = match name {
            "SIGTERM" => &self.config.shutdown_on_sigterm,
            _ => &self.config.shutdown_on_sigint,
        };
        let wishes = Wishes {
            save: words.has("save"),
            nosave: words.has("nosave"),
            force: words.has("force"),
        };
        // What is not loaded yet cannot be saved.
        if self.persistence.loading.is_some() {
            self.exit = Some(super::Exit { code: 0 });
        } else if self.shut_down(wishes).is_err() {
            let text = format!(
                "{name} received but errors trying to shut down the server, check the logs for more \
                 information"
            );
            self.host.log(Level::Warning, &text);
            self.persistence.is_ending.store(false, Ordering::SeqCst);
        }
    }

    /// SHUTDOWN ABORT: says whether there was anything to take back.
    pub fn abort_shutdown(&mut self) -> bool {
        let was_asked = self.persistence.asked_to_stop.take().is_some();
        if was_asked {
            self.persistence.is_ending.store(false, Ordering::SeqCst);
            self.host.log(Level::Notice, "Shutdown manually aborted.");
        }
        was_asked
    }

    /// Gives up the snapshot for this, if it is under way or about to follow. Its file goes when the shell sees it,
    /// and does not take the place of what is saved from now on.
    pub fn cancel_snapshot(&mut self, purpose: Purpose) {
        let persistence = &mut self.persistence;
        persistence.next.take_if(|next| *next == purpose);
        let snapshot = persistence.snapshot.as_mut().filter(|it| it.purpose == purpose);
        let Some(snapshot) = snapshot else { return };
        snapshot.permit.withdraw();
        let stage = std::mem::replace(&mut snapshot.stage, Stage::Cancelled);
        // Before it begins, a walk is none of its business.
        if stage == Stage::Walking {
            self.drop_walk();
        }
        if stage == Stage::Joining {
            // The shell is done with it, and the log that took it in is about to end and will not tell.
            self.end_snapshot(Err(String::new()), self.now);
        }
    }

    /// The shell is done with a snapshot: it is on disk, or it is not.
    pub fn end_snapshot(&mut self, result: Result<(), String>, now: Now) {
        let Some(snapshot) = self.persistence.snapshot.take() else { return };
        self.drop_walk();
        let extra_bytes = self.keyspace.copied_for_walk();
        let cancelled = snapshot.stage == Stage::Cancelled && snapshot.failed.is_none();
        let result = snapshot.failed.map_or(result, Err);
        let seconds = now.mono_us.saturating_sub(snapshot.began_us) / 1_000_000;
        match snapshot.purpose {
            Purpose::Save => {
                let rdb = &mut self.persistence.rdb;
                rdb.last_seconds = Some(seconds);
                rdb.last_extra_bytes = extra_bytes;
                match &result {
                    Ok(()) => {
                        // It was on disk before it was given up; what was saved since is newer.
                        let newer = if cancelled { self.persistence.saved_changes } else { 0 };
                        self.note_saved(snapshot.changes.max(newer), now);
                        self.host.log(Level::Notice, "Background saving terminated with success");
                    }
                    Err(_) if cancelled => {
                        self.host.log(Level::Notice, "Background saving cancelled");
                    }
                    Err(why) => {
                        rdb.last_ok = false;
                        let text = format!("Background saving error: {why}");
                        self.host.log(Level::Warning, &text);
                    }
                }
            }
            Purpose::Rewrite => {
                let aof = &mut self.persistence.aof;
                aof.last_rewrite_seconds = Some(seconds);
                aof.last_extra_bytes = extra_bytes;
                match &result {
                    Ok(()) => {
                        aof.last_rewrite_ok = true;
                        aof.rewrites += 1;
                        aof.failures = 0;
                        if aof.state == AofState::Starting {
                            aof.state = AofState::On;
                        }
                        let text = "Background AOF rewrite finished successfully";
                        self.host.log(Level::Notice, text);
                    }
                    Err(_) if cancelled => {
                        self.host.log(Level::Notice, "Background AOF rewrite terminated by signal");
                    }
                    Err(why) => {
                        aof.last_rewrite_ok = false;
                        aof.failures += 1;
                        let text = format!("Background AOF rewrite terminated with error: {why}");
                        self.host.log(Level::Warning, &text);
                        // A log that has no beginning yet must get one.
                        if aof.state == AofState::Starting && self.config.appendonly {
                            self.persistence.rewrite_scheduled = true;
                        }
                    }
                }
            }
        }
        if let Some(purpose) = self.persistence.next.take() {
            // Whoever asked was told that it begins. If the log cannot be opened for it, our log says so.
            let _ = self.begin_snapshot(purpose);
        }
    }

    /// All that was there after so many changes is on disk.
    fn note_saved(&mut self, changes: u64, now: Now) {
        let rdb = &mut self.persistence.rdb;
        rdb.last_ok = true;
        rdb.last_save = now.wall_us.div_euclid(1_000_000);
        rdb.last_save_us = now.mono_us;
        rdb.saves += 1;
        self.persistence.saved_changes = changes;
    }

    /// The dataset is what is on disk.
    pub fn forget_changes(&mut self) {
        self.persistence.saved_changes = self.keyspace.changes.dirty;
    }

    /// Begins what was scheduled, what save points ask for and what the log has grown for.
    pub(super) fn save_by_itself(&mut self, now: Now) {
        if self.persistence.snapshot.is_some() || self.persistence.loading.is_some() {
            return;
        }
        let purpose = match () {
            () if self.persistence.rewrite_scheduled && self.may_rewrite(now) => Purpose::Rewrite,
            () if std::mem::take(&mut self.persistence.aof.wants_rewrite) => Purpose::Rewrite,
            () if self.persistence.save_scheduled && self.may_save(now) => Purpose::Save,
            () => {
                let Some(point) = self.due_save_point(now) else { return };
                let text =
                    format!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
                self.host.log(Level::Notice, &text);
                Purpose::Save
            }
        };
        // None is under way, so this cannot be refused.
        let _ = self.begin_snapshot(purpose);
    }

    /// Is there something that time alone will bring about?
    pub(super) fn may_save_by_itself(&self) -> bool {
        let persistence = &self.persistence;
        persistence.snapshot.is_some()
            || persistence.save_scheduled
            || persistence.rewrite_scheduled
            || persistence.aof.broken.is_some()
            || (!self.config.save.is_empty() && self.unsaved_changes() > 0)
    }

    /// Why writes are refused, if they are: what is answered could not be kept.
    pub fn misconf(&self) -> Option<Error> {
        let persistence = &self.persistence;
        if let Some(why) = &persistence.aof.broken
            && persistence.aof.state != AofState::Off
        {
            return Some(Error::text(format!("MISCONF Errors writing to the AOF file: {why}")));
        }
        let refuses = self.config.stop_writes_on_bgsave_error
            && !self.config.save.is_empty()
            && !persistence.rdb.last_ok;
        refuses.then_some(BGSAVE_FAILED)
    }

    /// Must an answer wait until the log is flushed?
    pub fn flushes_always(&self) -> bool {
        self.persistence.aof.state == AofState::On && self.config.appendfsync == AppendFsync::Always
    }

    /// How far the log must have come before an answer may leave. What has told the log nothing since that
    /// offset need wait for nothing, unless every answer promises what it tells of.
    #[inline]
    pub fn log_needed(&self, before: Option<u64>) -> u64 {
        if self.persistence.aof.state != AofState::On {
            return 0;
        }
        let offset = self.effects.offset();
        // While nothing can be written, who did not write need not wait until something can.
        let promises_all =
            self.config.appendfsync == AppendFsync::Always && self.persistence.aof.broken.is_none();
        if before == Some(offset) && !promises_all { 0 } else { offset }
    }

    /// The version that the data is written in: what the directive says, or a newer one if the data cannot
    /// do without, of the family that the data came from.
    pub fn rdb_version(&self) -> rdb::Version {
        let has_mortal_fields =
            || (0..self.keyspace.databases()).any(|db| self.keyspace.db(db).mortals().0 > 0);
        match self.config.rdb_version {
            RdbVersion::V11 if has_mortal_fields() => match self.persistence.rdb.home {
                Family::Redis => rdb::Version::V12,
                Family::Valkey => rdb::Version::Valkey80,
            },
            RdbVersion::V10 => rdb::Version::V10,
            RdbVersion::V11 => rdb::Version::V11,
            RdbVersion::V12 => rdb::Version::V12,
            RdbVersion::Valkey80 => rdb::Version::Valkey80,
        }
    }

    /// The AUX field by which a file says whose it is, when its version does not.
    fn home_of(&self, version: rdb::Version) -> &'static str {
        let family = match version {
            rdb::Version::V10 | rdb::Version::V11 => self.persistence.rdb.home,
            rdb::Version::V12 | rdb::Version::Valkey80 => version.family(),
        };
        family.version_field()
    }

    fn drop_walk(&mut self) {
        let rest = self.keyspace.end_walk();
        if let Some(rest) = rest {
            self.give_away(0, rest);
        }
    }

    /// Could a rewrite begin that nobody asked for?
    pub fn is_free_to_rewrite(&self) -> bool {
        self.persistence.aof.state == AofState::On
            && self.persistence.snapshot.is_none()
            && self.persistence.loading.is_none()
    }

    fn may_rewrite(&self, now: Now) -> bool {
        let aof = &self.persistence.aof;
        let waited = |at_us: u64| now.mono_us.saturating_sub(at_us) >= REWRITE_AGAIN_US;
        aof.last_rewrite_ok || aof.last_try_us.is_none_or(waited)
    }

    fn may_save(&self, now: Now) -> bool {
        let rdb = &self.persistence.rdb;
        let waited = |at_us: u64| now.mono_us.saturating_sub(at_us) > RETRY_US;
        rdb.last_ok || rdb.last_try_us.is_none_or(waited)
    }

    /// The save point that asks for a snapshot now.
    fn due_save_point(&self, now: Now) -> Option<SavePoint> {
        if !self.may_save(now) {
            return None;
        }
        let changes = self.unsaved_changes();
        let since = now.mono_us.saturating_sub(self.persistence.rdb.last_save_us);
        let age = i64::try_from(since / 1_000_000).unwrap_or(i64::MAX);
        let is_due =
            |point: &&SavePoint| changes >= point.changes.max(0) as u64 && age > point.seconds;
        self.config.save.iter().find(is_due).copied().filter(|_| changes > 0)
    }
}

const BGSAVE_FAILED: Error = Error::Say(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
     disk. Commands that may modify the data set are disabled, because this instance is \
     configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
     error.",
);
