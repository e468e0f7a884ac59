//! The log (AOF) as it is written: what is to be done with its files next, and what may be answered.
//!
//! `Log` decides and touches no file. It is given sealed bytes and the time, and hands out one `Job` after the
//! other, which any thread runs; what came of it goes back with `done`. There is one job at a time, so nothing is
//! written while the file is synced, and what comes meanwhile waits in memory.
//!
//! Offsets count the bytes that were ever given to it. Those up to `written` are in the file, those up to
//! `durable` survive the machine. What was answered is safe by this rule, see `may_answer`:
//!
//! | appendfsync | a write is answered when it is |
//! |---|---|
//! | always | durable |
//! | everysec | given, while the oldest byte that is not durable is younger than a second |
//! | no | written |
//!
//! A disk that fails breaks the log: `trouble` says so, and it is tried again every second. After a failed write
//! the file is cut off where it was whole, so no part of a command stays. After a failed sync nothing is known
//! of what was written since the last one, and no later sync can be believed; so all of that is written again from
//! memory, behind the last byte that is known to be durable. If it is not held any more, the log needs a new base
//! (`Lost`), which a rewrite makes beside the old files, as when a log begins (`Stage::Joining`).

mod job;

use super::files::{Names, Note, said};
use super::manifest::{Invalid, Manifest};
use crate::world::disk::{Disk, File};
use crate::world::host::Level;
use crate::world::time::Now;
pub use job::{Done, Job, replace_base};
use job::{Finish, Outcome, Task, memory_of};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Always,
    EverySecond,
    Never,
}

/// The directives that matter here.
#[derive(Clone, Debug)]
pub struct Options {
    /// `appendfsync`
    pub policy: Policy,
    /// `no-appendfsync-on-rewrite`
    pub no_sync_while_saving: bool,
    /// `aof-timestamp-enabled`
    pub timestamps: bool,
    /// `auto-aof-rewrite-percentage`; 0 means never.
    pub growth_percent: u64,
    /// `auto-aof-rewrite-min-size`
    pub least_size: u64,
    /// `aof-disable-auto-gc`
    pub keep_history: bool,
}

pub struct Log {
    disk: Arc<dyn Disk>,
    names: Names,
    options: Options,
    manifest: Manifest,
    stage: Stage,
    /// The file that is written now.
    current: Option<Current>,
    /// The other files of the manifest, in bytes.
    older_bytes: u64,
    /// The size behind the last rewrite, or of the base in the beginning.
    rewritten_bytes: u64,
    /// For the current file, and given to no job yet.
    waiting: Vec<u8>,
    /// What belongs into the next file, while that is not open yet.
    behind: Option<Vec<u8>>,
    given: u64,
    written: u64,
    durable: u64,
    /// Where in the stream bytes were given, and when, in microseconds; the first is of the oldest byte that is
    /// not durable.
    marks: VecDeque<(u64, u64)>,
    /// What was written and is not durable; empty if that is too much to be held.
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// What that takes in memory.
    held_memory: usize,
    is_held: bool,
    is_busy: bool,
    /// What the job that is under way was given takes in memory.
    busy_memory: usize,
    is_saving: bool,
    trouble: Option<Trouble>,
    said_us: Option<u64>,
    rewrite: Option<Rewrite>,
    must_sweep: bool,
    must_remove_temporary: bool,
    /// Everything is to be made durable now, whatever the policy.
    is_pressed: bool,
    failures: u32,
    delay_minutes: u64,
    /// A rewrite by itself is not tried before this, in microseconds.
    not_before_us: Option<u64>,
    /// Seconds, as last written into the current file.
    stamp: Option<i64>,
    delayed: u64,
    is_late: bool,
    notes: Vec<Note>,
}

/// What the disk did not do.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub what: Failed,
    /// As the system says it.
    pub error: String,
    pub since: Now,
    /// What was given later than this is answered, except under `always`: the trouble has been said.
    from: u64,
    retry_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Write,
    /// What was written since the last sync is held, and is written again.
    Sync,
    /// It is not held: only a rewrite helps.
    Lost,
}

/// What `done` has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What is given from the beginning of the rewrite on goes into a file of its own.
    Opened,
    /// The log begins with the new base.
    Rewritten,
    /// The log goes on with the old one.
    RewriteFailed(String),
    Broken,
    Recovered,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// The manifest, if there is one, tells of another time: a rewrite makes the first base, and commands go to a
    /// temporary file until then.
    Joining,
}

struct Current {
    file: Arc<dyn File>,
    /// It is whole up to here, and longer if it is torn.
    length: u64,
    is_torn: bool,
    /// How much of it is durable.
    synced: u64,
}

struct Rewrite {
    step: Step,
    /// Where the new file begins in the stream of replication.
    start: Option<u64>,
    is_given_up: bool,
    /// The files that a new base does not replace.
    kept: usize,
    base: Option<Base>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Opening,
    Opened,
}

struct Base {
    path: PathBuf,
    is_rdb: bool,
}

/// A sync begins when the oldest byte waits for so long, so that there is time until it is a second old.
const SYNC_AFTER_US: u64 = 500_000;
const ANSWER_WITHIN_US: u64 = 1_000_000;
const RETRY_US: u64 = 1_000_000;
/// Trouble that lasts is said again.
const SAY_AGAIN_US: u64 = 30_000_000;
const HELD_MAX: usize = 64 << 20;
/// Bytes that were given within such a time count as given at its beginning.
const MARK_US: u64 = 5_000;
/// A buffer that is larger is not kept for later.
const BUFFER_KEPT: usize = 1 << 20;
const FAILURES_MAX: u32 = 3;
const DELAY_MINUTES_MAX: u64 = 60;

impl Log {
    /// Goes on with a log that was loaded. Without any file it makes them: `empty` is then the base,
    /// and whether it is a dump. Afterwards all that was loaded is durable.
    pub fn open(
        disk: Arc<dyn Disk>,
        names: Names,
        options: Options,
        mut manifest: Manifest,
        empty: (&[u8], bool),
        start: Option<u64>,
    ) -> io::Result<Log> {
        let mut notes = Vec::new();
        let current = job::open(&*disk, &names, &mut manifest, empty, start, &mut notes)?;
        let mut log = Log::new(disk, names, options, manifest, Stage::Running);
        (log.older_bytes, log.rewritten_bytes) = log.measure()?;
        log.older_bytes = log.older_bytes.saturating_sub(current.length);
        log.current = Some(current);
        log.notes = notes;
        log.must_sweep = !log.manifest.history.is_empty();
        Ok(log)
    }

    /// A log that is turned on while there is data: it begins with the first rewrite that succeeds. Until then the
    /// old manifest, if there is one, is left alone.
    pub fn join(
        disk: Arc<dyn Disk>,
        names: Names,
        options: Options,
    ) -> io::Result<Result<Log, Invalid>> {
        let manifest = match Manifest::read(&*disk, &names)? {
            None => Manifest::default(),
            Some(Ok(manifest)) => manifest,
            Some(Err(invalid)) => return Ok(Err(invalid)),
        };
        Ok(Ok(Log::new(disk, names, options, manifest, Stage::Joining)))
    }

    fn new(
        disk: Arc<dyn Disk>,
        names: Names,
        options: Options,
        manifest: Manifest,
        stage: Stage,
    ) -> Log {
        Log {
            disk,
            names,
            options,
            manifest,
            stage,
            current: None,
            older_bytes: 0,
            rewritten_bytes: 0,
            waiting: Vec::new(),
            behind: None,
            given: 0,
            written: 0,
            durable: 0,
            marks: VecDeque::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            held_memory: 0,
            is_held: true,
            is_busy: false,
            busy_memory: 0,
            is_saving: false,
            trouble: None,
            said_us: None,
            rewrite: None,
            must_sweep: false,
            must_remove_temporary: false,
            is_pressed: false,
            failures: 0,
            delay_minutes: 0,
            not_before_us: None,
            stamp: None,
            delayed: 0,
            is_late: false,
            notes: Vec::new(),
        }
    }

    /// Takes sealed units; says the offset behind them, with which `may_answer` can be asked.
    pub fn append(&mut self, sealed: &[u8], now: Now) -> u64 {
        if sealed.is_empty() {
            return self.given;
        }
        let stamp = now.wall_us.div_euclid(1_000_000);
        let line = (self.options.timestamps && self.stamp != Some(stamp))
            .then(|| format!("#TS:{stamp}\r\n"));
        let is_useless = self.is_lost() && self.stage == Stage::Running;
        let is_kept = self.behind.is_some() || self.current.is_some() && !is_useless;
        if !is_kept {
            // The base that is yet to be made will hold it.
            self.given += sealed.len() as u64;
            if !self.is_lost() {
                (self.written, self.durable) = (self.given, self.given);
            }
            return self.given;
        }
        let buffer = self.behind.as_mut().unwrap_or(&mut self.waiting);
        let before = buffer.len();
        if let Some(line) = line {
            self.stamp = Some(stamp);
            buffer.extend_from_slice(line.as_bytes());
        }
        buffer.extend_from_slice(sealed);
        let count = (buffer.len() - before) as u64;
        let is_timed = self.options.policy != Policy::Never;
        if is_timed && self.marks.back().is_none_or(|(_, at)| now.mono_us >= at + MARK_US) {
            self.marks.push_back((self.given, now.mono_us));
        }
        self.given += count;
        self.given
    }

    /// Whether what was given up to this offset may be answered now.
    pub fn may_answer(&self, offset: u64, now: Now) -> bool {
        if self.durable >= offset {
            return true;
        }
        if self.trouble.is_some() {
            let is_said = self.said_from().is_some_and(|from| offset > from);
            return is_said || self.options.policy == Policy::Never && self.written >= offset;
        }
        if self.stage == Stage::Joining {
            return true;
        }
        match self.options.policy {
            Policy::Always if !self.syncs_rest() => false,
            Policy::Always | Policy::Never => self.written >= offset,
            Policy::EverySecond => self.syncs_rest() || self.age(now) < ANSWER_WITHIN_US,
        }
    }

    /// In trouble: what was given later than this may be answered, even while what was given before may not.
    pub fn said_from(&self) -> Option<u64> {
        let trouble = self.trouble.as_ref()?;
        (self.options.policy != Policy::Always).then_some(trouble.from)
    }

    /// What is to be done now, if anything is. It must be run and its outcome be given to `done`, before there is
    /// another.
    pub fn next(&mut self, now: Now) -> Option<Job> {
        if self.is_busy {
            self.note_delay(now);
            return None;
        }
        let task = self.task(now)?;
        self.is_busy = true;
        self.busy_memory = task.memory();
        Some(Job { disk: self.disk.clone(), names: self.names.clone(), task })
    }

    /// When `next` should be asked again, in microseconds of the monotonic clock, if nothing else happens.
    pub fn wake_at(&self) -> Option<u64> {
        if self.is_busy {
            return None;
        }
        let retry = match &self.trouble {
            // Then a rewrite is waited for, not a time.
            Some(trouble) if trouble.what == Failed::Lost && self.rewrite.is_none() => None,
            Some(trouble) if trouble.what != Failed::Write => return Some(trouble.retry_us),
            trouble => trouble.as_ref().map(|trouble| trouble.retry_us),
        };
        let sync =
            self.wants_syncs().then(|| self.marks.front().map(|mark| mark.1 + SYNC_AFTER_US));
        let sync = if self.options.policy == Policy::Never { None } else { sync.flatten() };
        retry.into_iter().chain(sync).min()
    }

    pub fn done(&mut self, done: Done, now: Now) -> Option<Event> {
        self.is_busy = false;
        self.busy_memory = 0;
        self.is_late = false;
        self.notes.extend(done.notes);
        match done.outcome {
            Outcome::Written { bytes, error, is_torn, synced } => {
                self.wrote(bytes, error, is_torn, synced, now)
            }
            Outcome::Synced(result) => self.synced(result, now),
            Outcome::Restored(result, tail) => self.restored(result, tail, now),
            Outcome::Opened(result) => self.opened(result, now),
            Outcome::SyncBeforeOpening(why) => {
                let failed = self.give_up_opening(&why);
                self.synced(Err(why), now);
                Some(failed)
            }
            Outcome::Finished(result) => self.finished(result, now),
            Outcome::Swept(manifest) => {
                self.manifest = manifest;
                None
            }
            Outcome::Removed => None,
            Outcome::Closed(error) => {
                if let Some(why) = error {
                    self.notes.push((Level::Warning, format!("Fail to fsync the AOF file: {why}")));
                } else {
                    self.durable = self.written;
                }
                Some(Event::Closed)
            }
        }
    }

    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The log has no whole truth on disk yet, or lost it: a rewrite is what it waits for.
    pub fn needs_base(&self) -> bool {
        self.stage == Stage::Joining || self.is_lost()
    }

    pub fn given(&self) -> u64 {
        self.given
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Bytes in memory that are in no file.
    pub fn pending(&self) -> u64 {
        (self.waiting.len() + self.behind.as_ref().map_or(0, Vec::len)) as u64
    }

    /// What the log takes in memory: what is in no file, what is being written, and what is held because it would
    /// have to be written again if a sync failed.
    pub fn memory(&self) -> u64 {
        let behind = self.behind.as_ref().map_or(0, memory_of);
        (memory_of(&self.waiting) + behind + self.held_memory + self.busy_memory) as u64
    }

    /// All files together (`aof_current_size`).
    pub fn size(&self) -> u64 {
        self.older_bytes + self.current.as_ref().map_or(0, |current| current.length)
    }

    /// What that was behind the last rewrite (`aof_base_size`).
    pub fn base_size(&self) -> u64 {
        self.rewritten_bytes
    }

    /// How often a write had to wait for more than a second (`aof_delayed_fsync`).
    pub fn delayed(&self) -> u64 {
        self.delayed
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub fn set_options(&mut self, options: Options, now: Now) {
        self.must_sweep |= self.options.keep_history && !options.keep_history;
        if options.policy == Policy::Never {
            self.marks.clear();
        } else if self.options.policy == Policy::Never && self.durable < self.given {
            self.marks.push_back((self.durable, now.mono_us));
        }
        self.options = options;
    }

    /// Everything that was given is to be made durable soon, whatever the policy.
    pub fn press(&mut self) {
        self.is_pressed = true;
    }

    /// A snapshot or a rewrite is being written.
    pub fn set_saving(&mut self, is_saving: bool) {
        self.is_saving = is_saving;
    }

    /// Whether a rewrite is to begin that nobody asked for: there is no other way back, or the log has grown.
    pub fn wants_rewrite(&mut self, now: Now) -> bool {
        match self.is_lost() {
            true => self.rewrite.is_none() && self.may_rewrite(now),
            false => self.is_overgrown(now),
        }
    }

    /// The log has grown so much that it should be rewritten. (Not asked while it is.)
    pub fn is_overgrown(&mut self, now: Now) -> bool {
        let (size, base) = (self.size(), self.rewritten_bytes.max(1));
        let options = &self.options;
        if options.growth_percent == 0
            || size <= options.least_size
            || self.rewrite.is_some()
            || self.stage == Stage::Joining
        {
            return false;
        }
        let growth = (size as u128 * 100 / base as u128).saturating_sub(100);
        if growth < options.growth_percent as u128 || !self.may_rewrite(now) {
            return false;
        }
        let text = format!("Starting automatic rewriting of AOF on {growth}% growth");
        self.notes.push((Level::Notice, text));
        true
    }

    /// After a few failures rewrites that nobody asked for are put off.
    pub fn may_rewrite(&mut self, now: Now) -> bool {
        if self.failures < FAILURES_MAX {
            (self.delay_minutes, self.not_before_us) = (0, None);
            return true;
        }
        if let Some(not_before) = self.not_before_us {
            if now.mono_us >= not_before {
                self.not_before_us = None;
                return true;
            }
            return false;
        }
        self.delay_minutes = (self.delay_minutes * 2).clamp(1, DELAY_MINUTES_MAX);
        self.not_before_us = Some(now.mono_us + self.delay_minutes * 60_000_000);
        let text = format!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {} minutes",
            self.delay_minutes
        );
        self.notes.push((Level::Warning, text));
        false
    }

    /// A base is about to be made of the data as it is now: what is given from here on goes into another file,
    /// which must begin with SELECT. False if there is a rewrite already.
    pub fn begin_rewrite(&mut self, start: Option<u64>) -> bool {
        if self.rewrite.is_some() {
            return false;
        }
        if self.needs_base() {
            // What the base will hold need not be written, and no manifest will know the file so far.
            self.stage = Stage::Joining;
            self.current = None;
            self.forget_unwritten();
        }
        self.behind = Some(Vec::new());
        self.stamp = None;
        self.rewrite =
            Some(Rewrite { step: Step::Opening, start, is_given_up: false, kept: 1, base: None });
        true
    }

    /// The base is whole, durable, and has this name.
    pub fn finish_rewrite(&mut self, path: PathBuf, is_rdb: bool) {
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.base = Some(Base { path, is_rdb });
        }
    }

    /// There will be no base. All files are kept.
    pub fn abort_rewrite(&mut self) {
        let Some(rewrite) = &mut self.rewrite else { return };
        self.failures += 1;
        if self.is_busy && (rewrite.step == Step::Opening || rewrite.base.is_some()) {
            rewrite.is_given_up = true;
            return;
        }
        self.leave_rewrite();
    }

    pub fn is_rewriting(&self) -> bool {
        self.rewrite.is_some()
    }

    /// The last job: everything is written and made durable, and the manifest says where the stream ends.
    /// Nothing may be busy, nor be given any more.
    pub fn close(&mut self, end: Option<u64>) -> Option<Job> {
        if self.rewrite.is_some() {
            self.leave_rewrite();
        }
        let task = match self.current.take() {
            _ if self.must_remove_temporary => Task::Remove,
            Some(current) if !self.is_lost() => {
                // After a failed sync its tail is written again.
                let is_trusted =
                    self.trouble.as_ref().is_none_or(|trouble| trouble.what != Failed::Sync);
                let length = if is_trusted { current.length } else { current.synced };
                let tail = if is_trusted { Vec::new() } else { self.held.drain(..).collect() };
                let bytes = [tail.concat(), std::mem::take(&mut self.waiting)].concat();
                let is_torn = current.is_torn || !is_trusted;
                let manifest = self.manifest.clone();
                Task::Close { file: current.file, length, is_torn, bytes, manifest, end }
            }
            _ => return None,
        };
        self.is_busy = true;
        Some(Job { disk: self.disk.clone(), names: self.names.clone(), task })
    }

    fn task(&mut self, now: Now) -> Option<Task> {
        if let Some(trouble) = &self.trouble {
            let is_time = now.mono_us >= trouble.retry_us;
            match trouble.what {
                // Until the rewrite has begun there is nothing to write.
                Failed::Lost if self.stage == Stage::Running || !is_time => return None,
                Failed::Sync => {
                    let current = self.current.as_mut().filter(|_| is_time)?;
                    let (file, length) = (current.file.clone(), current.synced);
                    let tail = std::mem::take(&mut self.held).into();
                    self.held_memory = 0;
                    return Some(Task::Restore { file, length, tail });
                }
                Failed::Write if !is_time => return self.sync_task(now),
                Failed::Write | Failed::Lost => (),
            }
        }
        if self.must_remove_temporary {
            self.must_remove_temporary = false;
            return Some(Task::Remove);
        }
        if let Some(current) = self.current.as_ref().filter(|_| !self.waiting.is_empty()) {
            return Some(Task::Write {
                file: current.file.clone(),
                length: current.length,
                is_torn: current.is_torn,
                bytes: std::mem::take(&mut self.waiting),
                sync: self.options.policy == Policy::Always
                    && self.stage == Stage::Running
                    && !self.syncs_rest(),
            });
        }
        if let Some(rewrite) = &self.rewrite {
            if rewrite.step == Step::Opening {
                let old = self.current.as_ref().filter(|current| current.synced < current.length);
                return Some(Task::Open {
                    old: old.map(|current| current.file.clone()),
                    manifest: self.manifest.clone(),
                    is_joining: self.stage == Stage::Joining,
                    start: rewrite.start,
                });
            }
            if let (Some(base), Some(current)) = (&rewrite.base, &self.current) {
                return Some(Task::Finish(Finish {
                    manifest: self.manifest.clone(),
                    base: base.path.clone(),
                    is_rdb: base.is_rdb,
                    kept: rewrite.kept,
                    is_joining: self.stage == Stage::Joining,
                    start: rewrite.start,
                    file: current.file.clone(),
                    keep_history: self.options.keep_history,
                }));
            }
        }
        if let Some(task) = self.sync_task(now) {
            return Some(task);
        }
        if self.must_sweep && !self.options.keep_history && self.stage == Stage::Running {
            self.must_sweep = false;
            return Some(Task::Sweep(self.manifest.clone()));
        }
        None
    }

    fn sync_task(&self, now: Now) -> Option<Task> {
        let is_due = self.is_pressed
            || match self.options.policy {
                Policy::Always => true,
                Policy::EverySecond => self.age(now) >= SYNC_AFTER_US,
                Policy::Never => false,
            };
        let current = self.current.as_ref()?;
        let is_wanted = self.stage == Stage::Running
            && self.wants_syncs()
            && current.synced < current.length
            && is_due;
        is_wanted.then(|| Task::Sync(current.file.clone()))
    }

    fn wrote(
        &mut self,
        bytes: Vec<u8>,
        error: Option<io::Error>,
        is_torn: bool,
        synced: Option<io::Result<()>>,
        now: Now,
    ) -> Option<Event> {
        let current = self.current.as_mut()?;
        current.is_torn = is_torn;
        if let Some(why) = error {
            let later = std::mem::replace(&mut self.waiting, bytes);
            self.waiting.extend_from_slice(&later);
            return self.fail(Failed::Write, "Error writing to the AOF file", &why, now);
        }
        current.length += bytes.len() as u64;
        self.written += bytes.len() as u64;
        self.hold(bytes);
        let event = match &self.trouble {
            Some(trouble) if trouble.what == Failed::Write => {
                self.trouble = None;
                let text = "AOF write error looks solved, the server can write again.";
                self.notes.push((Level::Notice, text.into()));
                Some(Event::Recovered)
            }
            _ => None,
        };
        match synced {
            None => event,
            Some(result) => self.synced(result, now).or(event),
        }
    }

    fn synced(&mut self, result: io::Result<()>, now: Now) -> Option<Event> {
        match result {
            Ok(()) => {
                self.forget_held();
                if let Some(current) = &mut self.current {
                    current.synced = current.length;
                }
                self.made_durable(self.written);
                None
            }
            Err(why) => {
                let what = if self.is_held { Failed::Sync } else { Failed::Lost };
                self.fail(what, "Fail to fsync the AOF file", &why, now)
            }
        }
    }

    fn restored(&mut self, result: io::Result<()>, tail: Vec<Vec<u8>>, now: Now) -> Option<Event> {
        if let Err(why) = result {
            self.held_memory = tail.iter().map(memory_of).sum();
            self.held = tail.into();
            return self.fail(Failed::Sync, "Fail to write the AOF file again", &why, now);
        }
        self.trouble = None;
        self.synced(Ok(()), now);
        self.notes.push((
            Level::Notice,
            "AOF fsync error looks solved: what was not known to be on disk was written again."
                .into(),
        ));
        Some(Event::Recovered)
    }

    fn opened(&mut self, opened: job::Opened, now: Now) -> Option<Event> {
        let job::Opened { manifest, file } = opened;
        let file = match file {
            Ok(file) => file,
            Err(why) => {
                // The manifest on disk may tell of its file all the same, so that must not be made again, nor removed.
                self.manifest.skip_numbers_of(&manifest);
                let event = self.give_up_opening(&why);
                if self.is_lost() {
                    self.put_off(now);
                }
                return Some(event);
            }
        };
        if let Some(old) =
            self.current.replace(Current { file, length: 0, is_torn: false, synced: 0 })
        {
            self.older_bytes += old.length;
        }
        // The old file was synced before the new one was made.
        self.forget_held();
        if !self.is_lost() {
            self.made_durable(self.written);
        }
        if self.stage == Stage::Running {
            self.manifest = manifest;
        }
        self.waiting = self.behind.take().unwrap_or_default();
        let rewrite = self.rewrite.as_mut()?;
        rewrite.step = Step::Opened;
        if rewrite.is_given_up {
            self.leave_rewrite();
            return Some(Event::RewriteFailed("given up".into()));
        }
        Some(Event::Opened)
    }

    fn finished(&mut self, result: job::Finished, now: Now) -> Option<Event> {
        let job::Finished { manifest, error } = result;
        let is_joining = self.stage == Stage::Joining;
        if let Some(why) = error {
            self.failures += 1;
            // Its numbers must not be given again, since files with them may be there.
            self.manifest.skip_numbers_of(&manifest);
            self.leave_rewrite();
            if self.is_lost() {
                self.put_off(now);
            }
            return Some(Event::RewriteFailed(why.to_string()));
        }
        self.manifest = manifest;
        self.failures = 0;
        self.rewrite = None;
        self.stage = Stage::Running;
        let length = self.current.as_ref().map_or(0, |current| current.length);
        match self.measure() {
            Ok((all, _)) => self.older_bytes = all.saturating_sub(length),
            Err(why) => {
                let text = format!("Can't measure the files of the AOF: {why}");
                self.notes.push((Level::Warning, text));
            }
        }
        self.rewritten_bytes = self.older_bytes + length;
        if is_joining {
            // The temporary file was synced before the manifest said that it is there.
            self.trouble = None;
            self.synced(Ok(()), now);
        }
        Some(Event::Rewritten)
    }

    /// The new file could not be made: what was meant for it goes on with the old one.
    fn give_up_opening(&mut self, why: &io::Error) -> Event {
        self.failures += 1;
        self.leave_rewrite();
        Event::RewriteFailed(why.to_string())
    }

    fn leave_rewrite(&mut self) {
        self.rewrite = None;
        let behind = self.behind.take().unwrap_or_default();
        if self.stage == Stage::Running {
            self.waiting.extend_from_slice(&behind);
            return;
        }
        // Nothing knows the temporary file; the next rewrite makes another.
        self.forget_unwritten();
        if self.current.take().is_some() {
            let name = super::files::shown(&self.names.temporary_incr());
            let text = format!("Removing the temp incr aof file {name} in the background");
            self.notes.push((Level::Notice, text));
            self.must_remove_temporary = true;
        }
    }

    fn fail(&mut self, what: Failed, doing: &str, why: &io::Error, now: Now) -> Option<Event> {
        if self.said_us.is_none_or(|at| now.mono_us >= at + SAY_AGAIN_US) || self.trouble.is_none()
        {
            self.said_us = Some(now.mono_us);
            self.notes.push((Level::Warning, format!("{doing}: {}", said(why))));
        }
        // Nothing that happens later brings back what was lost.
        let what = if self.is_lost() { Failed::Lost } else { what };
        let (since, from, is_new) = match &self.trouble {
            Some(old) => (old.since, old.from, false),
            None => (now, self.given, true),
        };
        let retry_us = now.mono_us + RETRY_US;
        self.trouble = Some(Trouble { what, error: said(why), since, from, retry_us });
        is_new.then_some(Event::Broken)
    }

    fn put_off(&mut self, now: Now) {
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_us = now.mono_us + RETRY_US;
        }
    }

    fn hold(&mut self, bytes: Vec<u8>) {
        if self.stage == Stage::Joining {
            // The file is synced before anything is promised.
            return self.keep_buffer(bytes);
        }
        if self.options.policy == Policy::Never {
            self.is_held = false;
        }
        self.held_bytes += bytes.len();
        if self.held_bytes > HELD_MAX {
            self.is_held = false;
        }
        if self.is_held {
            self.held_memory += memory_of(&bytes);
            self.held.push_back(bytes);
            return;
        }
        self.held.clear();
        self.held_memory = 0;
        self.keep_buffer(bytes);
    }

    /// What is in no file that anything knows of need not be written any more.
    fn forget_unwritten(&mut self) {
        self.waiting.clear();
        self.forget_held();
        self.written = self.given;
        if !self.is_lost() {
            self.durable = self.given;
            self.marks.clear();
            self.trouble = None;
        }
    }

    fn forget_held(&mut self) {
        if let Some(buffer) = self.held.pop_back() {
            self.keep_buffer(buffer);
        }
        self.held.clear();
        self.held_memory = 0;
        self.held_bytes = 0;
        self.is_held = true;
    }

    /// One buffer is used again and again.
    fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        if self.waiting.capacity() == 0 && buffer.capacity() <= BUFFER_KEPT {
            buffer.clear();
            self.waiting = buffer;
        }
    }

    fn made_durable(&mut self, offset: u64) {
        self.durable = offset;
        self.is_pressed &= offset < self.given;
        if offset == self.given {
            self.marks.clear();
        }
        while self.marks.get(1).is_some_and(|(from, _)| *from <= offset) {
            self.marks.pop_front();
        }
    }

    /// Of the oldest byte that is not durable, in microseconds.
    fn age(&self, now: Now) -> u64 {
        self.marks.front().map_or(0, |(_, at)| now.mono_us.saturating_sub(*at))
    }

    fn is_lost(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.what == Failed::Lost)
    }

    fn syncs_rest(&self) -> bool {
        self.is_saving && self.options.no_sync_while_saving
    }

    fn wants_syncs(&self) -> bool {
        !self.syncs_rest() && self.durable < self.written
    }

    fn note_delay(&mut self, now: Now) {
        let is_late = self.options.policy == Policy::EverySecond
            && self.stage == Stage::Running
            && self.age(now) >= ANSWER_WITHIN_US;
        if is_late && !self.is_late {
            self.is_late = true;
            self.delayed += 1;
            let text = "Asynchronous AOF fsync is taking too long (disk is busy?). Replies to writes \
                        wait until it is over.";
            self.notes.push((Level::Notice, text.into()));
        }
    }

    /// The bytes of all files of the manifest, and of the base.
    fn measure(&self) -> io::Result<(u64, u64)> {
        let length = |part: &super::manifest::Part| {
            self.disk.stat(&self.names.part_path(&part.name)).map(|stat| stat.length)
        };
        let base = self.manifest.base.as_ref().map(length).transpose()?.unwrap_or_default();
        let incrs = self.manifest.incrs.iter().map(length).sum::<io::Result<u64>>()?;
        Ok((base + incrs, base))
    }
}
