//! The scribe: what the engine tells the log gets into its files, and answers leave when it has.
//!
//! A step of the engine seals what it tells; the door brings it here before anything else can happen. When
//! the threads' turn is over, which is when all that was ready has run, it is written with one call. So an
//! answer leaves when what it tells of would survive the end of this process; under `appendfsync always` when it is
//! on the disk. What waits for the disk (a sync, a new file) is done by a thread of its own. The log has one job at a
//! time, so nothing is written meanwhile: then `always` and `no` hold their answers, and `everysec` lets them leave as
//! long as its second is kept (`Log::may_answer`).
//!
//! Which job is next is decided by `persist::log`.

use super::affinity::{self, Role};
use super::door::Door;
use crate::engine::persistence::{LogProgress, Sizes};
use crate::engine::session::Mailbox;
use crate::engine::{Effects, Engine};
use crate::persist::log::{Done, Event, Job, Log};
use crate::world::time::Now;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All who hold it share it.
#[derive(Clone)]
pub struct Scribe {
    desk: Arc<Desk>,
}

struct Desk {
    clock: super::host::Clock,
    /// Up to here, as the engine counts what it seals, answers may leave.
    kept: AtomicU64,
    /// Past here they may leave too, because the trouble with the log has been said, although what waits before
    /// that may not; it is the greatest number while there is no trouble.
    said: AtomicU64,
    inside: Mutex<Inside>,
    /// A job was done by the thread.
    done: Condvar,
    /// For each thread: its turn should be ended.
    turns: Vec<Notify>,
    /// When the log will be looked at, whatever happens; it is looked at again for anything earlier.
    alarm_at: AtomicU64,
    alarm: Notify,
    /// What the log has to tell the engine.
    news: Mutex<Vec<News>>,
    /// What took long, for the latency monitor, and how many microseconds.
    slow: Mutex<Vec<(&'static str, u64)>>,
    told: Notify,
    progress: Arc<LogProgress>,
}

struct Inside {
    log: Option<Log>,
    /// Where steps ended: as the engine counts, and as the log does.
    ends: VecDeque<(u64, u64)>,
    /// The same, of what may be answered and is not flushed.
    unsynced: VecDeque<(u64, u64)>,
    /// Who is to be told how far the log has come.
    held: Vec<(u64, Arc<Mailbox>)>,
    jobs: Option<Sender<Job>>,
}

/// What became of the log, and what is the trouble now, if there is any.
pub type News = (Event, Option<String>);

impl Scribe {
    pub fn new(clock: super::host::Clock, threads: usize) -> Scribe {
        Scribe {
            desk: Arc::new(Desk {
                clock,
                kept: AtomicU64::new(0),
                said: AtomicU64::new(u64::MAX),
                inside: Mutex::new(Inside {
                    log: None,
                    ends: VecDeque::new(),
                    unsynced: VecDeque::new(),
                    held: Vec::new(),
                    jobs: None,
                }),
                done: Condvar::new(),
                turns: (0..threads).map(|_| Notify::new()).collect(),
                alarm_at: AtomicU64::new(u64::MAX),
                alarm: Notify::new(),
                news: Mutex::default(),
                slow: Mutex::default(),
                told: Notify::new(),
                progress: Arc::default(),
            }),
        }
    }

    /// From here on there is a log. What was sealed before is in its base already.
    pub fn open(&self, log: Log, sealed: u64) {
        let mut inside = self.desk.lock();
        inside.log = Some(log);
        inside.ends.clear();
        self.desk.settle(&mut inside, sealed);
    }

    /// How many threads serve.
    pub fn threads(&self) -> usize {
        self.desk.turns.len()
    }

    /// How far the log has come, for the engine to see.
    pub fn progress(&self) -> Arc<LogProgress> {
        self.desk.progress.clone()
    }

    /// Waits until all that was sealed is written, or cannot be.
    pub fn flush(&self) {
        loop {
            self.work();
            let inside = self.desk.lock();
            let Some(log) = &inside.log else { return };
            if log.written() >= log.given() || log.trouble().is_some() {
                return;
            }
            if log.is_busy() {
                drop(self.desk.await_done(inside));
            }
        }
    }

    /// Ends the log: what is left is written and flushed, which is waited for.
    pub fn close(&self) {
        let mut inside = self.desk.lock();
        while inside.log.as_ref().is_some_and(Log::is_busy) {
            inside = self.desk.await_done(inside);
        }
        let Some(mut log) = inside.log.take() else { return };
        drop(inside);
        if let Some(job) = log.close(None) {
            let done = job.run();
            log.done(done, self.desk.clock.now());
        }
        tell_notes(&mut log);
        // Nobody waits for what is not written any more.
        self.desk.kept.store(u64::MAX, Ordering::Release);
        let mut inside = self.desk.lock();
        inside.held.drain(..).for_each(|(_, mailbox)| mailbox.nudge());
        inside.ends.clear();
        inside.unsynced.clear();
    }

    /// Takes what a step sealed. The thread's turn will be ended.
    pub fn take(&self, effects: &mut Effects, thread: usize, now: Now) {
        let mut sealed = Vec::new();
        effects.move_sealed(&mut sealed);
        let mut inside = self.desk.lock();
        let Some(log) = &mut inside.log else { return };
        let end = log.append(&sealed, now);
        // The next step, which may be of this turn, is to know of a buffer that has grown.
        self.desk.progress.set_memory(log.memory());
        inside.ends.push_back((effects.offset(), end));
        drop(inside);
        sealed.clear();
        effects.keep_buffer(sealed);
        self.desk.turns[thread].notify_one();
    }

    /// May an answer leave that waits for the log to come so far?
    #[inline]
    pub fn may_leave(&self, offset: u64) -> bool {
        self.desk.kept.load(Ordering::Acquire) >= offset
            || self.desk.said.load(Ordering::Acquire) < offset
    }

    /// An answer waits; its task is woken when it may leave.
    pub fn hold(&self, offset: u64, mailbox: &Arc<Mailbox>, thread: usize) {
        let mut inside = self.desk.lock();
        if inside.log.is_none() {
            // It was closed in this moment.
            mailbox.nudge();
            return;
        }
        inside.held.push((offset, mailbox.clone()));
        drop(inside);
        self.desk.turns[thread].notify_one();
    }

    /// Should the log be rewritten, although nobody asked for it?
    pub fn wants_rewrite(&self) -> bool {
        let mut inside = self.desk.lock();
        let Some(log) = &mut inside.log else { return false };
        let wants = log.wants_rewrite(self.desk.clock.now());
        tell_notes(log);
        wants
    }

    /// Does something with the log, if there is one, and sees to what follows.
    pub fn with_log<R>(&self, act: impl FnOnce(&mut Log, Now) -> R) -> Option<R> {
        let mut inside = self.desk.lock();
        let result = inside.log.as_mut().map(|log| act(log, self.desk.clock.now()));
        drop(inside);
        self.desk.turns[0].notify_one();
        result
    }

    /// Ends turns of a thread for ever: what was sealed is written, and answers leave.
    pub async fn end_turns(self, thread: usize) {
        loop {
            self.desk.turns[thread].notified().await;
            self.work();
        }
    }

    /// Looks at the log when its time has come, for ever.
    pub async fn keep_time(self) {
        loop {
            let wake_at = self.desk.lock().log.as_ref().and_then(Log::wake_at);
            let now_us = self.desk.clock.mono_us();
            self.desk.alarm_at.store(wake_at.unwrap_or(u64::MAX), Ordering::Relaxed);
            match wake_at {
                None => self.desk.alarm.notified().await,
                Some(at_us) if at_us > now_us => {
                    let wait = std::time::Duration::from_micros(at_us - now_us);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => (),
                        () = self.desk.alarm.notified() => continue,
                    }
                }
                Some(_) => (),
            }
            self.work();
            tokio::task::yield_now().await;
        }
    }

    /// Tells the engine what became of the log, and what of it took long, for ever.
    pub async fn report(self, door: Door) {
        loop {
            let news = std::mem::take(&mut *lock(&self.desk.news));
            let slow = std::mem::take(&mut *lock(&self.desk.slow));
            if news.is_empty() && slow.is_empty() {
                self.desk.told.notified().await;
                continue;
            }
            for (event, trouble) in news {
                door.enter(move |engine, now| engine.hear_log(&event, trouble, now)).await;
            }
            let tell = move |engine: &mut Engine, now| {
                engine.set_now(now);
                slow.into_iter().for_each(|(event, micros)| engine.watch_latency(event, micros));
            };
            door.enter(tell).await;
        }
    }

    /// Does what is next: at once what the kernel takes at once, and leaves the rest to the thread.
    fn work(&self) {
        let mut inside = self.desk.lock();
        loop {
            let now = self.desk.clock.now();
            let Some(log) = &mut inside.log else { return };
            let Some(job) = log.next(now) else { break };
            if job.is_slow() {
                self.desk.send(&mut inside, job);
                break;
            }
            // Others may seal while it is written.
            drop(inside);
            let done = self.desk.run(job);
            inside = self.desk.lock();
            self.desk.finish(&mut inside, done);
        }
        self.desk.release(&mut inside);
        let wake_at = inside.log.as_ref().and_then(Log::wake_at);
        drop(inside);
        if wake_at.is_some_and(|at| at < self.desk.alarm_at.load(Ordering::Relaxed)) {
            self.desk.alarm.notify_one();
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }

    fn run(&self, job: Job) -> Done {
        let delay_us = self.progress.write_delay_us();
        if delay_us > 0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "whoever asks for this wants all to wait"
            )]
            std::thread::sleep(std::time::Duration::from_micros(delay_us));
        }
        let event = job.latency_event();
        let began_us = self.clock.mono_us();
        let done = job.run();
        let micros = self.clock.mono_us().saturating_sub(began_us) + delay_us;
        self.progress.count_write(micros);
        if let Some(event) = event.filter(|_| self.progress.is_slow(micros)) {
            lock(&self.slow).push((event, micros));
            self.told.notify_one();
        }
        done
    }

    /// Waits until a job is done.
    fn await_done<'a>(&self, inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        self.done.wait(inside).unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets answers leave for which the log has come far enough.
    fn release(&self, inside: &mut Inside) {
        let Inside { log: Some(log), ends, unsynced, held, .. } = inside else { return };
        let now = self.clock.now();
        let progress = &self.progress;
        progress.set_memory(log.memory());
        progress.set_sizes(Sizes {
            size: log.size(),
            base: log.base_size(),
            buffered: log.pending(),
            delayed_syncs: log.delayed(),
        });
        let (mut kept, mut last) = (self.kept.load(Ordering::Relaxed), None);
        while let Some((sealed, end)) = ends.front().copied() {
            // What is not written would not survive this process; while the disk is busy there is no telling
            // for how long, and the policy decides.
            let is_written = log.written() >= end || log.is_busy() || log.trouble().is_some();
            if !is_written || !log.may_answer(end, now) {
                break;
            }
            kept = kept.max(sealed);
            ends.pop_front();
            last = Some((sealed, end));
        }
        unsynced.extend(last);
        while let Some((sealed, _)) = unsynced.front().filter(|(_, end)| log.durable() >= *end) {
            progress.set_durable(*sealed);
            unsynced.pop_front();
        }
        let said = log.said_from().map_or(u64::MAX, |from| {
            let before = ends.iter().take_while(|(_, end)| *end <= from).last();
            before.map_or(kept, |(sealed, _)| *sealed)
        });
        self.kept.store(kept, Ordering::Release);
        self.said.store(said, Ordering::Release);
        held.retain(|(offset, mailbox)| {
            let waits = *offset > kept && *offset <= said;
            if !waits {
                mailbox.nudge();
            }
            waits
        });
    }

    /// All that was sealed so far is kept.
    fn settle(&self, inside: &mut Inside, sealed: u64) {
        // It may be anything from the time when nobody waited.
        self.kept.store(sealed, Ordering::Release);
        self.release(inside);
    }

    fn send(self: &Arc<Desk>, inside: &mut Inside, job: Job) {
        let jobs = match &inside.jobs {
            Some(jobs) => jobs,
            None => inside.jobs.insert(start(self.clone())),
        };
        if let Err(job) = jobs.send(job) {
            // There is no thread; the next job tries to start one again.
            inside.jobs = None;
            let done = job.0.run();
            self.finish(inside, done);
        }
    }

    /// A job is done: the log learns what came of it, and the engine what that means.
    fn finish(&self, inside: &mut Inside, done: Done) {
        let Some(log) = &mut inside.log else { return };
        let event = log.done(done, self.clock.now());
        // What it has let go of is not allocated any more, which must be known before it says so (`release`).
        super::tally::publish();
        tell_notes(log);
        if let Some(event) = event {
            let trouble = log.trouble().map(|trouble| trouble.error.clone());
            lock(&self.news).push((event, trouble));
            self.told.notify_one();
        }
    }
}

fn tell_notes(log: &mut Log) {
    log.take_notes().into_iter().for_each(|(level, text)| super::log::note(level, &text));
}

/// The thread for what waits for the disk.
fn start(desk: Arc<Desk>) -> Sender<Job> {
    let (sender, jobs) = channel::<Job>();
    let thread = std::thread::Builder::new().name("aof".into());
    let spawned = thread.spawn(move || {
        affinity::settle(Role::Background);
        let desk = desk;
        for job in jobs {
            let done = desk.run(job);
            let mut inside = desk.lock();
            desk.finish(&mut inside, done);
            desk.release(&mut inside);
            drop(inside);
            desk.done.notify_all();
            // There may be another job by now.
            desk.turns[0].notify_one();
            desk.alarm.notify_one();
        }
    });
    if let Err(error) = spawned {
        tracing::warn!("Cannot start the thread that flushes the log: {error}");
    }
    sender
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
