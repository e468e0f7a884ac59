//! The promise of persistence, on a disk that forgets (`disk.rs`): an engine, its log and its snapshots, until
//! the power goes; then all is read again.
//!
//! What must hold: what comes back is what there was behind some whole unit, never anything else, and not before
//! what was promised. Under `always` nothing is missing that was answered; under `everysec` nothing that was
//! answered and was given to the log more than a second before the last that was; while the disk fails and that was
//! said, and under `no`, anything may be missing at the end. The log goes on when the disk works again.

use crate::disk::{Faults, SimDisk};
use crate::support::client::{Client, encode};
use crate::support::dice::Dice;
use crate::support::machine::{Clock, Machine};
use russet::commands::TABLE;
use russet::commands::debug::digest_of_all;
use russet::config::Config;
use russet::engine::{Engine, Peer, SessionKey};
use russet::keyspace::Record;
use russet::keyspace::event::Event;
use russet::keyspace::evict::Ages;
use russet::persist::Names;
use russet::persist::load::{self, Commands, Found, Loaded, Loader, Source};
use russet::persist::log::{self, Job, Log, Policy};
use russet::persist::permit::Permit;
use russet::persist::snapshot::{Format, Request, SnapshotFile};
use russet::resp::ArgsBuf;
use russet::world::time::Now;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use crate::simulation::Trace;

/// Before all deadlines.
const EVE: Now = Now { wall_us: 0, mono_us: 0 };
const TRACE_MAX: usize = 400;
const SECOND_US: u64 = 1_000_000;

struct World {
    scene: Scene,
    clock: Clock,
    disk: SimDisk,
    names: Names,
    options: log::Options,
    is_rdb: bool,
    engine: Engine,
    who: SessionKey,
    log: Log,
    job: Option<Job>,
    save: Option<Save>,
    /// Of this life: what the log was given, unit by unit.
    given: Vec<Given>,
    /// The state in which this life began.
    twin: Engine,
    link: SessionKey,
    /// How far clients were answered: the last offset, and the time at which it was given.
    answered: Option<(u64, u64)>,
    waiting: VecDeque<(u64, u64)>,
    trace: Option<Trace>,
}

struct Given {
    offset: u64,
    at_us: u64,
    sealed: Vec<u8>,
}

/// A rewrite: the base that is being written.
struct Save {
    file: Option<SnapshotFile>,
    is_walked: bool,
}

/// What happens beyond the usual.
#[derive(Clone, Copy, PartialEq)]
pub enum Scene {
    Plain,
    /// Half of what clients say makes keys of others.
    Combining,
    /// The same, and keys are evicted by rules that come and go.
    Evicting,
}

pub fn play(dice: &mut Dice, scene: Scene, trace: Option<Trace>) -> Result<(), String> {
    let mut world = World::new(dice, scene, trace)?;
    for _ in 0..1 + dice.below(6) {
        world.live(dice)?;
        // What a failed sync dropped is a hole until it is written again, or there is another base, and no log without
        // checksums knows all of its holes.
        let has_holes = world.disk.has_holes();
        match world.die_and_return(dice) {
            Err(why) if has_holes => {
                world.note(|| format!("there was a hole: {why}"));
                return Ok(());
            }
            result => result?,
        }
    }
    Ok(())
}

impl World {
    fn new(dice: &mut Dice, scene: Scene, trace: Option<Trace>) -> Result<World, String> {
        let clock = Clock::new();
        let disk = SimDisk::new(Dice::seeded(dice.next(), 0));
        let names = names();
        let options = log::Options {
            policy: *dice.pick(&[Policy::Always, Policy::EverySecond, Policy::Never]),
            no_sync_while_saving: false,
            timestamps: dice.percent(20),
            growth_percent: 100,
            least_size: 2000,
            keep_history: dice.percent(20),
        };
        let is_rdb = dice.percent(50);
        let seed = dice.next();
        let (engine, who) = new_engine(&clock, seed);
        let (twin, link) = new_engine(&clock, seed ^ 1);
        let log = begin_log(&disk, &names, &options, is_rdb, &clock, dice)?;
        let mut world = World {
            scene,
            clock,
            disk,
            names,
            options,
            is_rdb,
            engine,
            who,
            log,
            job: None,
            save: None,
            given: Vec::new(),
            twin,
            link,
            answered: None,
            waiting: VecDeque::new(),
            trace,
        };
        world.engine.tell_log();
        world.note(|| format!("policy {:?}, dumps: {is_rdb}", world.options.policy));
        Ok(world)
    }

    /// Until the power goes.
    fn live(&mut self, dice: &mut Dice) -> Result<(), String> {
        if dice.below(3) == 0 {
            self.disk.crash_after(dice.of_bits(1, 9));
        }
        let events = 10 + dice.below(300);
        for _ in 0..events {
            if self.disk.is_down() {
                break;
            }
            self.event(dice)?;
        }
        if dice.percent(20) && !self.disk.is_down() {
            self.settle()?;
        }
        Ok(())
    }

    fn event(&mut self, dice: &mut Dice) -> Result<(), String> {
        match dice.below(100) {
            0..50 => self.command(dice)?,
            50..62 => self.clock.pass(dice.of_bits(8, 19)),
            62..64 => self.clock.pass(dice.of_bits(18, 22)),
            64..68 => self.sweep(),
            68..84 => self.work(dice),
            84..90 => self.save(dice)?,
            90..92 => {
                let faults = match dice.below(4) {
                    0 => Faults { write: 50, ..Faults::default() },
                    1 => Faults { sync: 50, ..Faults::default() },
                    2 => Faults { name: 30, ..Faults::default() },
                    _ => Faults { write: 20, sync: 20, name: 10 },
                };
                self.note(|| format!("the disk fails: {faults:?}"));
                self.disk.set_faults(faults);
            }
            92..96 => {
                self.note(|| "the disk works".into());
                self.disk.set_faults(Faults::default());
            }
            96 => {
                self.options.keep_history = dice.percent(30);
                self.options.timestamps = dice.percent(30);
                self.log.set_options(self.options.clone(), self.clock.now());
            }
            97 if self.scene == Scene::Evicting => self.rule(dice)?,
            _ => {
                // A turn without delay, as most are.
                for _ in 0..4 {
                    self.work(dice);
                }
            }
        }
        self.answer();
        Ok(())
    }

    fn words(&self, dice: &mut Dice, now: Now) -> Vec<String> {
        match self.scene != Scene::Plain && dice.percent(50) {
            true => combination(dice),
            false => words(dice, now),
        }
    }

    fn command(&mut self, dice: &mut Dice) -> Result<(), String> {
        // As the gate does it while the log is broken.
        if self.log.trouble().is_some() && !dice.percent(10) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut frame = Vec::new();
        if dice.percent(20) {
            encode(&["MULTI"], &mut frame);
            for _ in 0..1 + dice.below(4) {
                encode(&self.words(dice, now), &mut frame);
            }
            encode(&["EXEC"], &mut frame);
        } else {
            encode(&self.words(dice, now), &mut frame);
        }
        self.note(|| format!("says {}", String::from_utf8_lossy(&frame).replace("\r\n", " ")));
        let mut answers = Vec::new();
        self.engine.receive(self.who, &frame, &mut answers, now);
        Client::replies(answers).map_err(|why| why.to_string())?;
        self.tell_log();
        Ok(())
    }

    /// From now on keys may be evicted, or no more.
    fn rule(&mut self, dice: &mut Dice) -> Result<(), String> {
        let keys = *dice.pick(&["", "s*", "l*", "z*", "h*", "x*", "db 0", "db 1 e*"]);
        let policy = *dice.pick(&["allkeys-random", "allkeys-lru", "volatile-ttl", "noeviction"]);
        let rule = match keys {
            "" => String::new(),
            keys => format!("{keys} {policy} {}", 1 + dice.below(400)),
        };
        self.note(|| format!("the rule is '{rule}'"));
        let mut frame = Vec::new();
        encode(&["CONFIG", "SET", "maxmemory-rule", &rule], &mut frame);
        let mut answers = Vec::new();
        self.engine.receive(self.who, &frame, &mut answers, self.clock.now());
        match Client::replies(answers).map_err(|why| why.to_string())?.first() {
            Some(reply) if !reply.is_error() => Ok(()),
            other => Err(format!("{other:?} to the rule '{rule}'")),
        }
    }

    fn sweep(&mut self) {
        let now = self.clock.now();
        self.engine.tick(now);
        self.tell_log();
        self.engine.sweep(now);
        self.tell_log();
        self.engine.evict_on(now);
        self.tell_log();
    }

    fn tell_log(&mut self) {
        let now = self.clock.now();
        let sealed = self.engine.effects.take_sealed();
        self.engine.trash.clear();
        if sealed.is_empty() {
            return;
        }
        let offset = self.log.append(&sealed, now);
        self.note(|| {
            format!("   log to {offset}: {}", String::from_utf8_lossy(&sealed).replace("\r\n", " "))
        });
        let at_us = now.mono_us;
        if self.scene == Scene::Evicting {
            // Keys that are evicted go one by one, and any of them may be the last that was written.
            let before = self.given.last().map_or(0, |unit| unit.offset);
            let (evictions, rest) = evictions(&sealed);
            let units = evictions.into_iter().map(|line| Given {
                offset: before,
                at_us,
                sealed: line.to_vec(),
            });
            self.given.extend(units);
            self.given.push(Given { offset, at_us, sealed: rest.to_vec() });
        } else {
            self.given.push(Given { offset, at_us, sealed });
        }
        self.waiting.push_back((offset, now.mono_us));
    }

    /// The shell's part: a job is taken, run, and its outcome told; sometimes all that takes its time.
    fn work(&mut self, dice: &mut Dice) {
        if self.job.is_none() {
            self.job = self.log.next(self.clock.now());
        }
        if self.job.as_ref().is_some_and(|job| !job.is_slow() || dice.percent(70))
            && let Some(job) = self.job.take()
        {
            let done = job.run();
            let event = self.log.done(done, self.clock.now());
            for (_, text) in self.log.take_notes() {
                self.note(|| format!("   note: {text}"));
            }
            if let Some(event) = event {
                self.note(|| format!("   {event:?}"));
                if let log::Event::RewriteFailed(_) = event {
                    self.end_save();
                }
                if let log::Event::Rewritten = event {
                    self.save = None;
                }
            }
        }
    }

    fn save(&mut self, dice: &mut Dice) -> Result<(), String> {
        let Some(save) = &mut self.save else {
            if !self.log.needs_base() && dice.percent(70) {
                return Ok(());
            }
            let path = self.names.temporary_base_path();
            if !self.log.begin_rewrite(None) {
                return Ok(());
            }
            self.note(|| "a rewrite begins".into());
            self.engine.effects.forget_selected();
            self.engine.keyspace.begin_walk();
            let databases = self.engine.keyspace.databases_of_walk();
            let format = match self.is_rdb {
                true => Format::Dump(Default::default()),
                false => Format::Commands(None),
            };
            let request = Request {
                format,
                aux: &[("redis-ver", b"7.2.0")],
                functions: &[],
                databases: &databases,
                ages: Ages::default(),
                write_back: true,
            };
            let file = SnapshotFile::create(Arc::new(self.disk.clone()), path, request);
            match file {
                Ok(file) => self.save = Some(Save { file: Some(file), is_walked: false }),
                Err(why) => {
                    self.note(|| format!("no base: {why}"));
                    self.end_save();
                    self.log.abort_rewrite();
                }
            }
            return Ok(());
        };
        let Some(file) = &mut save.file else { return Ok(()) };
        if !save.is_walked {
            save.is_walked = !self.engine.keyspace.walk(1 + dice.below(400));
        }
        let mut result = Ok(());
        for piece in self.engine.keyspace.take_pieces() {
            result = result.and_then(|()| file.write(&piece));
        }
        let is_over = save.is_walked && !self.engine.keyspace.is_walking();
        let given_up = dice.percent(3);
        if result.is_err() || given_up {
            self.note(|| format!("the base is given up: {result:?}"));
            self.end_save();
            self.log.abort_rewrite();
        } else if is_over && let Some(file) = save.file.take() {
            match file.finish() {
                Ok((path, _)) => self.log.finish_rewrite(path, self.is_rdb),
                Err(why) => {
                    self.note(|| format!("the base fails: {why}"));
                    self.end_save();
                    self.log.abort_rewrite();
                }
            }
        }
        Ok(())
    }

    fn end_save(&mut self) {
        self.save = None;
        if self.engine.keyspace.is_walking() {
            drop(self.engine.keyspace.end_walk());
        }
    }

    /// Everybody who may be is answered, in order.
    fn answer(&mut self) {
        let now = self.clock.now();
        while let Some((offset, at_us)) = self.waiting.front().copied() {
            if !self.log.may_answer(offset, now) {
                break;
            }
            self.waiting.pop_front();
            // What is answered while the trouble is said, or the log is none yet, is not promised.
            if self.log.trouble().is_none() && !self.log.needs_base()
                || self.log.durable() >= offset
            {
                self.answered = Some((offset, at_us));
            }
        }
    }

    /// The disk works again: service must resume by itself.
    fn settle(&mut self) -> Result<(), String> {
        self.note(|| "settle".into());
        self.disk.set_faults(Faults::default());
        let mut dice = Dice::seeded(1, 1);
        for _ in 0..400 {
            self.clock.pass(300_000);
            self.work(&mut dice);
            if self.save.is_some() || self.log.needs_base() {
                self.save(&mut dice)?;
            }
            self.answer();
            if self.disk.is_down() {
                return Ok(());
            }
            let is_quiet = self.waiting.is_empty() && self.log.trouble().is_none();
            if is_quiet && self.save.is_none() && self.log.pending() == 0 {
                return Ok(());
            }
        }
        Err(format!(
            "the disk works and the log does not: {:?}, needs a base: {}, rewriting: {}, busy: {}",
            self.log.trouble(),
            self.log.needs_base(),
            self.log.is_rewriting(),
            self.log.is_busy()
        ))
    }

    fn die_and_return(&mut self, dice: &mut Dice) -> Result<(), String> {
        self.note(|| "the power goes".into());
        self.job = None;
        self.save = None;
        self.disk.set_faults(Faults::default());
        self.disk.reboot();
        self.note(|| format!("there is: {}", self.disk.listing()));
        loop {
            // The power may go again while all is read.
            if dice.percent(20) {
                self.disk.crash_after(dice.of_bits(1, 6));
            }
            let seed = dice.next();
            let (engine, who) = new_engine(&self.clock, seed);
            let twin = new_engine(&self.clock, seed ^ 1);
            match self.recover(engine, who, twin) {
                Ok(twin) => {
                    self.compare()?;
                    // States that look alike need not be the same later on: what is due is not seen.
                    (self.twin, self.link) = twin;
                    return Ok(());
                }
                Err(why) if self.disk.is_down() => {
                    self.note(|| format!("the power goes again: {why}"));
                    self.disk.reboot();
                }
                Err(why) => return Err(format!("nothing can be loaded: {why}")),
            }
        }
    }

    /// Loads what there is, for the next life and for its twin.
    fn recover(
        &mut self,
        mut engine: Engine,
        who: SessionKey,
        (mut twin, link): (Engine, SessionKey),
    ) -> Result<(Engine, SessionKey), String> {
        let disk: Arc<dyn russet::world::Disk> = Arc::new(self.disk.clone());
        for (_, text) in russet::persist::files::sweep(&*disk, &self.names, &|_| false) {
            self.note(|| format!("   note: {text}"));
        }
        let plan = load::plan(&*disk, &self.names, true).map_err(|why| why.lines.join("; "))?;
        for (_, text) in &plan.notes {
            self.note(|| format!("   note: {text}"));
        }
        let options = load_options(&self.clock);
        let shapes = engine.limits.shapes();
        let source = plan.source;
        let mut loader = Loader::new(disk.clone(), self.names.clone(), &source, &shapes, options)
            .map_err(|why| why.lines.join("; "))?;
        while let Some(loaded) = loader.next().map_err(|why| why.lines.join("; "))? {
            match loaded {
                Loaded::File { .. } => {
                    engine.sessions[who].db = 0;
                    twin.sessions[link].db = 0;
                }
                Loaded::Entry { db, entry } => {
                    for engine in [&mut engine, &mut twin] {
                        let value = entry.value.clone();
                        let record = Record::restored(&entry.key, value, entry.deadline, 0);
                        engine.keyspace.begin(EVE.wall());
                        engine.keyspace.put(db, record, Event::SILENT);
                    }
                }
                Loaded::Command(args) => {
                    replay(&mut engine, who, std::slice::from_ref(&args))?;
                    replay(&mut twin, link, &[args])?;
                }
                Loaded::Unit(all) => {
                    let mut unit = vec![ArgsBuf::of(&[b"MULTI"])];
                    unit.extend(all);
                    unit.push(ArgsBuf::of(&[b"EXEC"]));
                    replay(&mut engine, who, &unit)?;
                    replay(&mut twin, link, &unit)?;
                }
                Loaded::Note((_, text)) => self.note(|| format!("   note: {text}")),
                _ => (),
            }
        }
        let manifest = match source {
            Source::Log(manifest) => manifest,
            other => return Err(format!("there is no log any more, but {other:?}")),
        };
        let empty = empty_base(self.is_rdb);
        self.log = Log::open(
            disk,
            self.names.clone(),
            self.options.clone(),
            manifest,
            (&empty, self.is_rdb),
            None,
        )
        .map_err(|why| why.to_string())?;
        (self.engine, self.who) = (engine, who);
        Ok((twin, link))
    }

    /// What came back is what there was behind a unit, and that is not before what was promised.
    fn compare(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        self.engine.keyspace.begin(now.wall());
        let came_back = digest_of_all(&self.engine);
        let least = self.promised();
        let mut matched = None;
        if least == 0 && self.twin_is(&came_back) {
            matched = Some(0);
        }
        let given = std::mem::take(&mut self.given);
        // For a person: the state that is nearest.
        let mut nearest: Option<(usize, usize, String)> = None;
        let ours = self.trace.is_some().then(|| all_of(&self.engine));
        let units = if matched.is_some() { &[] } else { &given[..] };
        for (number, unit) in units.iter().enumerate() {
            self.tell_twin(&unit.sealed)?;
            let is_same = self.twin_is(&came_back)
                || self.scene == Scene::Evicting && self.lacks_evicted(&given[number + 1..]);
            if let Some(ours) = &ours {
                let theirs = self.all_of_twin();
                let count = ours.symmetric_difference(&theirs).count();
                if nearest.as_ref().is_none_or(|it| it.1 >= count) {
                    let other: Vec<_> = ours.difference(&theirs).collect();
                    let missing: Vec<_> = theirs.difference(ours).collect();
                    let text = format!("came back only {other:?}, missing {missing:?}");
                    nearest = Some((number + 1, count, text));
                }
            }
            if is_same && unit.offset >= least {
                matched = Some(number + 1);
                break;
            }
        }
        if matched.is_none() {
            self.given = given;
            return Err(format!(
                "what came back is behind no unit from {least} on, of {}; answered is {:?}, {} units; {}",
                self.given.last().map_or(0, |unit| unit.offset),
                self.answered,
                self.given.len(),
                nearest.map_or(String::new(), |(unit, _, text)| format!(
                    "nearest is unit {unit}: {text}"
                )),
            ));
        }
        self.note(|| {
            format!("came back: {} units of {}", matched.unwrap_or_default(), given.len())
        });
        self.given.clear();
        self.waiting.clear();
        self.answered = None;
        self.engine.tell_log();
        Ok(())
    }

    /// Up to which offset nothing may be missing.
    fn promised(&self) -> u64 {
        let Some((offset, at_us)) = self.answered else { return 0 };
        match self.options.policy {
            Policy::Always => offset,
            Policy::Never => 0,
            Policy::EverySecond => {
                let before = self.given.iter().filter(|unit| unit.offset <= offset);
                let mut safe = before.filter(|unit| unit.at_us + SECOND_US < at_us);
                safe.next_back().map_or(0, |unit| unit.offset)
            }
        }
    }

    fn tell_twin(&mut self, sealed: &[u8]) -> Result<(), String> {
        let mut answers = Vec::new();
        self.twin.receive(self.link, sealed, &mut answers, EVE);
        self.twin.trash.clear();
        Client::replies(answers).map(drop).map_err(|why| format!("the twin: {why}"))
    }

    fn twin_is(&mut self, digest: &str) -> bool {
        self.twin.keyspace.begin(self.clock.now().wall());
        let same = digest_of_all(&self.twin) == digest;
        self.twin.keyspace.begin(EVE.wall());
        same
    }

    /// Is there all that the twin has, but for keys that are evicted later on? A base leaves those out that are evicted
    /// before the walk comes to them.
    fn lacks_evicted(&mut self, later: &[Given]) -> bool {
        let mut evicted = BTreeSet::new();
        for unit in later {
            let (lines, _) = evictions(&unit.sealed);
            // A key's name is the last word of its line.
            let words = lines.iter().filter_map(|line| line.rsplit(|byte| *byte == b'\n').nth(1));
            evicted.extend(words.map(|word| word.trim_ascii().escape_ascii().to_string()));
        }
        if evicted.is_empty() {
            return false;
        }
        let (ours, theirs) = (all_of(&self.engine), self.all_of_twin());
        let name = |entry: &String| entry.split(' ').nth(1).unwrap_or_default().to_string();
        ours.is_subset(&theirs) && theirs.difference(&ours).all(|key| evicted.contains(&name(key)))
    }

    fn all_of_twin(&mut self) -> BTreeSet<String> {
        self.twin.keyspace.begin(self.clock.now().wall());
        let all = all_of(&self.twin);
        self.twin.keyspace.begin(EVE.wall());
        all
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.borrow_mut();
            if trace.len() == TRACE_MAX {
                trace.pop_front();
            }
            trace.push_back(what());
        }
    }
}

/// The lines at the beginning that tell of evictions, which clients here never say, and what follows.
fn evictions(sealed: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Commands::new(io::empty(), sealed.to_vec(), 0, sealed.len() as u64);
    let (mut evictions, mut end) = (Vec::new(), 0);
    let mut args = ArgsBuf::default();
    while let Ok(Found::Command) = lines.next(&mut args) {
        let next = lines.offset() as usize;
        match args.args().get(0) {
            b"SELECT" => (),
            b"UNLINK" => {
                evictions.push(&sealed[end..next]);
                end = next;
            }
            _ => break,
        }
        args.clear();
    }
    (evictions, &sealed[end..])
}

fn all_of(engine: &Engine) -> BTreeSet<String> {
    let records = (0..engine.keyspace.databases()).flat_map(|db| {
        engine.keyspace.live_records(db).map(move |it| {
            let value = it.parts_at(engine.keyspace.now()).join(&b' ');
            let value = value[..value.len().min(600)].escape_ascii().to_string();
            let (key, kind) = (it.key().escape_ascii(), it.kind().name());
            format!("{db} {key} {kind} {value} {:?}", it.deadline())
        })
    });
    records.collect()
}

/// The power may go while the log's first files are made.
fn begin_log(
    disk: &SimDisk,
    names: &Names,
    options: &log::Options,
    is_rdb: bool,
    clock: &Clock,
    dice: &mut Dice,
) -> Result<Log, String> {
    let shared: Arc<dyn russet::world::Disk> = Arc::new(disk.clone());
    loop {
        let plan = load::plan(&*shared, names, true).map_err(|why| why.lines.join("; "))?;
        let manifest = match plan.source {
            Source::Log(manifest) => manifest,
            _ => Default::default(),
        };
        read_snapshot(disk, names, clock, true)?;
        if dice.percent(40) {
            disk.crash_after(dice.of_bits(1, 5));
        }
        let empty = empty_base(is_rdb);
        let empty = (&empty[..], is_rdb);
        let log = Log::open(shared.clone(), names.clone(), options.clone(), manifest, empty, None);
        match log {
            Ok(log) => return Ok(log),
            Err(_) if disk.is_down() => disk.reboot(),
            Err(why) => return Err(format!("the log cannot begin: {why}")),
        }
    }
}

fn replay(engine: &mut Engine, who: SessionKey, lines: &[ArgsBuf]) -> Result<(), String> {
    let mut frame = Vec::new();
    for line in lines {
        let words: Vec<Vec<u8>> = line.args().iter().map(<[u8]>::to_vec).collect();
        encode(&words, &mut frame);
    }
    let mut answers = Vec::new();
    engine.receive(who, &frame, &mut answers, EVE);
    engine.trash.clear();
    for reply in Client::replies(answers).map_err(|why| why.to_string())? {
        if reply.is_error() {
            let frame = String::from_utf8_lossy(&frame).replace("\r\n", " ");
            return Err(format!("{reply} to {frame}"));
        }
    }
    Ok(())
}

fn new_engine(clock: &Clock, seed: u64) -> (Engine, SessionKey) {
    let config = Config::default();
    let mut engine = Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), seed);
    let who = engine.connect(Peer::default(), EVE);
    (engine, who)
}

fn empty_base(is_rdb: bool) -> Vec<u8> {
    if !is_rdb {
        return Vec::new();
    }
    let mut writer = russet::rdb::write::Writer::new(Default::default());
    writer.header(&[]);
    writer.end();
    std::mem::take(writer.buffer())
}

/// A command that changes something, mostly.
fn words(dice: &mut Dice, now: Now) -> Vec<String> {
    let kind = *dice.pick(&["s", "n", "l", "e", "z", "h", "x"]);
    let key = format!("{kind}{}", dice.below(4));
    let other = format!("{kind}{}", dice.below(4));
    let value = match dice.below(10) {
        0 => "v".repeat(dice.below(300)),
        _ => format!("v{}", dice.below(20)),
    };
    let number = dice.below(100).to_string();
    let soon = (now.wall().0 + dice.below(4000) as i64).to_string();
    let line: Vec<&str> = match dice.below(12) {
        0 => vec!["DEL", &key],
        1 => vec!["PEXPIREAT", &key, &soon],
        2 => vec!["RENAME", &key, &other],
        3 if dice.percent(10) => vec!["FLUSHALL"],
        3 if dice.percent(20) => vec!["SWAPDB", "0", "1"],
        3 => vec!["SELECT", *dice.pick(&["0", "1", "2"])],
        4 => vec!["COPY", &key, &other, "REPLACE"],
        5 => vec![
            "EVAL",
            "redis.call('SET', KEYS[1], ARGV[1]); redis.call('RPUSH', KEYS[2], ARGV[1])",
            "2",
            "s0",
            "l1",
            &number,
        ],
        _ => match kind {
            "s" => vec!["SET", &key, &value, "PX", *dice.pick(&["100", "3000", "900000"])],
            "n" => vec!["INCRBY", &key, &number],
            "l" => vec![*dice.pick(&["RPUSH", "LPUSH"]), &key, &value, &number],
            "e" => match dice.below(4) {
                0 => vec!["SPOP", &key],
                1 => vec!["SPEXPIREAT", &key, &soon, "MEMBERS", "1", &value],
                _ => vec!["SADD", &key, &value, &number],
            },
            "z" => match dice.below(4) {
                0 => vec!["ZPOPMIN", &key],
                1 => vec!["ZPEXPIREAT", &key, &soon, "MEMBERS", "1", &value],
                _ => vec!["ZADD", &key, &number, &value],
            },
            "h" => match dice.below(4) {
                0 => vec!["HDEL", &key, &value],
                1 => vec!["HPEXPIREAT", &key, &soon, "FIELDS", "1", &value],
                _ => vec!["HSET", &key, &value, &number],
            },
            _ => match dice.below(8) {
                0 => vec!["XGROUP", "CREATE", &key, "g", "0", "MKSTREAM"],
                1 => vec!["XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", &key, ">"],
                2 => vec!["XTRIM", &key, "MAXLEN", "3"],
                3 => vec!["XAUTOCLAIM", &key, "g", "d", "0", "0", "COUNT", "1"],
                4 => vec!["XDEL", &key, "1-1"],
                _ => vec!["XADD", &key, "*", "f", &value],
            },
        },
    };
    line.into_iter().map(String::from).collect()
}

/// A command that makes a key of others: whoever replays it must find them as they were.
fn combination(dice: &mut Dice) -> Vec<String> {
    const LINES: &[&str] = &[
        "SUNIONSTORE E E E",
        "SDIFFSTORE E E E",
        "SINTERSTORE E E",
        "SMOVE E E v1",
        "ZUNIONSTORE Z 2 Z E",
        "ZDIFFSTORE Z 2 Z Z",
        "ZINTERSTORE Z 2 Z Z AGGREGATE MAX",
        "ZRANGESTORE Z Z 0 1",
        "BITOP OR S S S",
        "BITOP NOT S S",
        "PFADD P v1 v2",
        "PFMERGE P P P",
        "SORT L BY n* STORE L ALPHA",
        "SORT E BY nosort GET # GET s* STORE L",
        "SORT Z ALPHA GET H->v1 STORE L",
        "LMOVE L L LEFT RIGHT",
        "RPOPLPUSH L L",
        "RENAMENX S S",
        "MOVE S D",
        "MOVE H D",
        "COPY S S DB D",
        "COPY H H DB D REPLACE",
        "COPY Z Z",
        "SET S 7 KEEPTTL",
        "GETDEL S",
        "APPEND S v1",
        "SETRANGE S 5 v1",
        "PERSIST S",
        "PERSIST H",
        "LTRIM L 0 3",
        "HINCRBY H v1 3",
        "HSETEX H PX 100 FIELDS 1 v1 1",
        "HSETEX H KEEPTTL FIELDS 1 v1 1",
        "HPERSIST H FIELDS 1 v1",
        "HGETDEL H FIELDS 1 v1",
        "ZINCRBY Z 2 v1",
        "MSETNX S 1 S 2",
        "MSETEX 2 S 1 S 2 PX 100",
    ];
    let name = |word: &str, dice: &mut Dice| match word {
        "D" => dice.below(3).to_string(),
        "E" | "H" | "L" | "P" | "S" | "Z" => {
            format!("{}{}", word.to_ascii_lowercase(), dice.below(4))
        }
        "H->v1" => format!("h{}->v1", dice.below(4)),
        _ => word.into(),
    };
    dice.pick(LINES).split(' ').map(|word| name(word, dice)).collect()
}

/// Snapshots without a log: what comes back is what there was when one of them began, the last one that was
/// finished or one that came later. Then the log is switched on, and nothing is missing.
pub fn play_snapshots(dice: &mut Dice) -> Result<(), String> {
    let clock = Clock::new();
    let disk = SimDisk::new(Dice::seeded(dice.next(), 0));
    let shared: Arc<dyn russet::world::Disk> = Arc::new(disk.clone());
    let names = names();
    let (mut engine, who) = new_engine(&clock, dice.next());
    // The states in which snapshots began, from the last one that was finished on.
    let mut states = vec![digest_of_all(&engine)];
    for _ in 0..1 + dice.below(8) {
        if dice.percent(40) {
            disk.crash_after(dice.of_bits(1, 6));
        } else if dice.percent(30) {
            disk.set_faults(Faults { write: 10, sync: 10, name: 10 });
        }
        for _ in 0..dice.below(30) {
            change(&mut engine, who, dice, &clock)?;
        }
        engine.keyspace.begin_walk();
        states.push(digest_of_all(&engine));
        let databases = engine.keyspace.databases_of_walk();
        let request = Request {
            format: Format::Dump(Default::default()),
            aux: &[],
            functions: &[],
            databases: &databases,
            ages: engine.keyspace.ages(),
            write_back: true,
        };
        let path = names.temporary_snapshot_path();
        let permit = Arc::new(Permit::default());
        let is_given_up = dice.percent(15);
        let save = || -> io::Result<()> {
            let file = SnapshotFile::create(shared.clone(), path, request)?;
            let mut file = file.permitted_by(permit.clone());
            loop {
                let is_left = engine.keyspace.walk(1 + dice.below(300));
                for piece in engine.keyspace.take_pieces() {
                    file.write(&piece)?;
                }
                if !is_left {
                    if is_given_up {
                        permit.withdraw();
                    }
                    return file.finish_as(&names.snapshot_path()).map(drop);
                }
                let changed = change(&mut engine, who, dice, &clock);
                changed.map_err(io::Error::other)?;
            }
        };
        let saved = save();
        if is_given_up {
            // It must not be what comes back.
            states.pop();
        } else if saved.is_ok() {
            states.drain(..states.len() - 1);
        }
        drop(engine.keyspace.end_walk());
        disk.set_faults(Faults::default());
        if disk.is_down() {
            break;
        }
    }
    disk.reboot();
    let found = read_snapshot(&disk, &names, &clock, false)?;
    if !states.contains(&found) {
        return Err(format!("what came back is none of the {} last states", states.len()));
    }
    // Switching the log on, however often the power goes meanwhile.
    for _ in 0..4 {
        disk.crash_after(dice.of_bits(1, 5));
        let plan = load::plan(&*shared, &names, true);
        if let Ok(plan) = plan
            && plan.source == Source::Snapshot
        {
            drop(load::adopt_snapshot(&*shared, &names));
        }
        disk.reboot();
        let again = read_snapshot(&disk, &names, &clock, true)?;
        if again != found {
            return Err("switching the log on has changed the data".into());
        }
    }
    Ok(())
}

fn change(
    engine: &mut Engine,
    who: SessionKey,
    dice: &mut Dice,
    clock: &Clock,
) -> Result<(), String> {
    let mut frame = Vec::new();
    encode(&words(dice, clock.now()), &mut frame);
    let mut answers = Vec::new();
    engine.receive(who, &frame, &mut answers, clock.now());
    engine.trash.clear();
    Client::replies(answers).map(drop).map_err(|why| why.to_string())
}

/// The digest of what is there.
fn read_snapshot(
    disk: &SimDisk,
    names: &Names,
    clock: &Clock,
    appendonly: bool,
) -> Result<String, String> {
    let shared: Arc<dyn russet::world::Disk> = Arc::new(disk.clone());
    let said = |why: load::Refused| why.lines.join("; ");
    let source = load::plan(&*shared, names, appendonly).map_err(said)?.source;
    let (mut engine, who) = new_engine(clock, 1);
    let shapes = engine.limits.shapes();
    let options = load_options(clock);
    let mut loader = Loader::new(shared, names.clone(), &source, &shapes, options).map_err(said)?;
    engine.keyspace.begin(clock.now().wall());
    while let Some(loaded) = loader.next().map_err(said)? {
        match loaded {
            Loaded::Entry { db, entry } => {
                let record = Record::restored(&entry.key, entry.value, entry.deadline, 0);
                engine.keyspace.put(db, record, Event::SILENT);
            }
            Loaded::Command(args) => replay(&mut engine, who, &[args])?,
            _ => (),
        }
    }
    engine.keyspace.begin(clock.now().wall());
    Ok(digest_of_all(&engine))
}

fn load_options(clock: &Clock) -> load::Options {
    load::Options {
        truncated: true,
        corrupt_tail_max: 0,
        checksum: true,
        relaxed: false,
        now: clock.now().wall(),
    }
}

fn names() -> Names {
    Names {
        folder: "".into(),
        log_folder: b"appendonlydir".into(),
        log: b"appendonly.aof".into(),
        snapshot: b"dump.rdb".into(),
        pid: 1,
    }
}
