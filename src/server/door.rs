//! The one door to the engine.
//!
//! The engine is entered once for each read, with everything that was read, and nobody awaits inside.
//! With one thread the door is always open. With several (`io-threads`) it is a lock that is tried once:
//! who finds it taken leaves its errand in a queue (`left.rs`) and goes on with other clients, and who is
//! inside does what was left before it goes. So no thread ever sleeps for the engine.

use super::alarm::Alarm;
use super::free::Freer;
use super::left::{Errand, Left};
use super::scribe::Scribe;
use crate::engine::eviction::Next;
use crate::engine::persistence::Order;
use crate::engine::{Engine, Exit};
use crate::world::time::Now;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use tokio::sync::{Notify, oneshot};

/// The door, as one of the threads knows it.
#[derive(Clone)]
pub struct Door {
    room: Arc<Room>,
    thread: usize,
}

struct Room {
    inside: Mutex<Inside>,
    /// None while there is only one thread.
    left: Option<Left>,
    clock: super::host::Clock,
    exit: OnceLock<Exit>,
    stop: Notify,
    /// Until when the sweeper sleeps, in milliseconds since 1970; it is woken for anything earlier.
    sweep_at: AtomicI64,
    sweep: Notify,
    /// Until when nobody who waits gives up, in microseconds of the monotonic clock.
    give_up_at: AtomicU64,
    give_up: Notify,
    /// The engine was resting, and something happened.
    roused: Notify,
    /// A script takes long.
    busy: Notify,
    /// A command left a task.
    task: Notify,
    /// A snapshot was begun.
    snapshot: Notify,
    /// There is something to evict.
    room: Notify,
    scribe: Scribe,
}

struct Inside {
    engine: Engine,
    freer: Freer,
    /// An empty list, to be exchanged for the one that errands were left in.
    errands: Vec<Errand>,
}

/// What is being freed elsewhere is looked at so often, by those who need the room: a large database takes a
/// second, a small one a few of these.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(1);

/// How often who leaves looks whether something was left meanwhile, before another thread must see
/// to it: with no bound its own clients could wait for ever, with none at all others would be woken
/// for what was left in the last moment.
const LOOKS_BACK: usize = 3;

/// What time brings about waits so long for a script that takes long, and is then tried again.
const BUSY_PAUSE_MS: i64 = 10;

impl Door {
    /// The door of the first of so many threads.
    pub fn new(
        mut engine: Engine,
        clock: super::host::Clock,
        threads: usize,
        scribe: Scribe,
    ) -> Door {
        engine.persistence.aof.progress = scribe.progress();
        engine.apply_config();
        if threads > 1 {
            engine.ledger.share(super::tally::publish);
        }
        Door {
            room: Arc::new(Room {
                inside: Mutex::new(Inside { engine, freer: Freer::default(), errands: Vec::new() }),
                left: (threads > 1).then(|| Left::new(threads)),
                clock,
                exit: OnceLock::new(),
                stop: Notify::new(),
                sweep_at: AtomicI64::new(i64::MAX),
                sweep: Notify::new(),
                give_up_at: AtomicU64::new(u64::MAX),
                give_up: Notify::new(),
                roused: Notify::new(),
                busy: Notify::new(),
                task: Notify::new(),
                snapshot: Notify::new(),
                room: Notify::new(),
                scribe,
            }),
            thread: 0,
        }
    }

    /// The same door, for another thread.
    pub fn of_thread(&self, thread: usize) -> Door {
        Door { room: self.room.clone(), thread }
    }

    pub fn thread(&self) -> usize {
        self.thread
    }

    /// Does something with the engine, and carries out what it left to be done: one step. If
    /// another thread is inside, the errand is handed back, to be left with `leave`.
    #[inline]
    pub fn try_enter<R, F: FnOnce(&mut Engine, Now) -> R>(&self, act: F) -> Result<R, F> {
        let room = &*self.room;
        let Some(mut inside) = room.try_lock() else { return Err(act) };
        let Some(left) = &room.left else { return Ok(room.step(&mut inside, self.thread, act)) };
        room.run_left(left, &mut inside);
        let result = room.step(&mut inside, self.thread, act);
        room.go(left, inside);
        Ok(result)
    }

    /// Only fetches something from the engine, which is no step: nothing runs, so nobody asks what time it
    /// is or sees to what running leaves behind. None if another thread is inside.
    #[inline]
    pub fn try_fetch<R>(&self, fetch: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        let mut inside = self.room.try_lock()?;
        let result = fetch(&mut inside.engine);
        if let Some(left) = &self.room.left {
            self.room.go(left, inside);
        }
        Some(result)
    }

    /// Leaves an errand to whoever is inside.
    pub fn leave(&self, act: impl FnOnce(&mut Engine, Now) + Send + 'static) {
        let left = self.room.left.as_ref().expect("alone one finds the door open");
        left.push(Errand { thread: self.thread, act: Box::new(act) });
        // It may have gone just before the errand was there; then it has not seen it.
        self.look(left);
    }

    /// Does something with the engine now or soon; nobody waits for it.
    pub fn soon(&self, act: impl FnOnce(&mut Engine, Now) + Send + 'static) {
        if let Err(act) = self.try_enter(act) {
            self.leave(act);
        }
    }

    /// Does something with the engine and waits until it is done.
    pub async fn enter<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine, Now) -> R + Send + 'static,
    ) -> R {
        let act = match self.try_enter(act) {
            Ok(result) => return result,
            Err(act) => act,
        };
        let (tell, told) = oneshot::channel();
        self.leave(move |engine, now| drop(tell.send(act(engine, now))));
        told.await.expect("what is left at the door is done")
    }

    /// What this thread has freed outside is known to whoever is inside from here on.
    #[inline]
    pub fn publish_memory(&self) {
        self.room.publish();
    }

    /// Sees to it, for ever, that what this thread left is done, whenever somebody who had no time
    /// for it asks.
    pub async fn see_to_left(self) {
        let Some(left) = &self.room.left else { return };
        loop {
            left.asked(self.thread).await;
            self.look(left);
        }
    }

    pub fn now(&self) -> Now {
        self.room.clock.now()
    }

    /// Roughly the time of the monotonic clock, in microseconds.
    #[inline]
    pub fn rough_us(&self) -> u64 {
        self.room.clock.rough_us()
    }

    /// Who writes the log.
    pub fn scribe(&self) -> &Scribe {
        &self.room.scribe
    }

    /// Waits until a snapshot is begun.
    pub async fn snapshot_begun(&self) {
        self.room.snapshot.notified().await;
    }

    /// Waits until somebody asks the server to stop.
    pub async fn stopped(&self) -> Exit {
        loop {
            if let Some(exit) = self.room.exit.get() {
                return *exit;
            }
            self.room.stop.notified().await;
        }
    }

    /// Waits until a command has left a task.
    pub async fn task_placed(&self) {
        self.room.task.notified().await;
    }

    /// Waits until no unit is open: a script that takes long is amid one.
    pub async fn between_units<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine, Now) -> R + Send + 'static,
    ) -> R {
        let mut act = Some(act);
        loop {
            let ours = act.take();
            let done = self
                .enter(move |engine, now| match (ours, engine.is_busy()) {
                    (Some(act), false) => Ok(act(engine, now)),
                    (ours, _) => Err(ours),
                })
                .await;
            match done {
                Ok(result) => return result,
                Err(back) => act = back,
            }
            tokio::time::sleep(std::time::Duration::from_millis(BUSY_PAUSE_MS as u64)).await;
        }
    }

    /// Waits until something happens while the engine rests.
    pub async fn roused(&self) {
        self.room.roused.notified().await;
    }

    /// Removes keys when their time has come, a slice at a time, so that other work gets its turn.
    pub async fn sweep(self, alarm: Alarm) {
        loop {
            let at = self.room.sweep_at.load(Ordering::Relaxed);
            if self.now().wall().0 < at {
                tokio::select! {
                    rang = alarm.wait_until(at), if at != i64::MAX => if let Err(error) = rang {
                        tracing::warn!("The alarm clock does not work: {error}");
                        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    },
                    () = self.room.sweep.notified() => (),
                }
            }
            if self.now().wall().0 < self.room.sweep_at.load(Ordering::Relaxed) {
                continue;
            }
            let room = self.room.clone();
            let sweep = move |engine: &mut Engine, now: Now| {
                // Nothing changes amid a script's unit.
                let next = match engine.is_busy() {
                    true => now.wall().0 + BUSY_PAUSE_MS,
                    false => {
                        engine.sweep(now);
                        engine.keyspace.next_deadline().map_or(i64::MAX, |next| next.0)
                    }
                };
                room.sweep_at.store(next, Ordering::Relaxed);
            };
            self.enter(sweep).await;
            tokio::task::yield_now().await;
        }
    }

    /// Goes on with a script that takes long, a moment at a time, so that others are heard.
    pub async fn attend_scripts(self) {
        loop {
            self.room.busy.notified().await;
            while self.enter(|engine, now| engine.go_on(now)).await {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Evicts between requests, a slice at a time, for as long as there is too much.
    pub async fn make_room(self) {
        loop {
            self.room.room.notified().await;
            loop {
                match self.enter(|engine, now| engine.evict_on(now)).await {
                    Next::Rest => break,
                    Next::GoOn => tokio::task::yield_now().await,
                    Next::LookAgain => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        }
    }

    /// Tells clients that wait for a key when their time is up.
    pub async fn time_out(self) {
        loop {
            let deadline_us = self.room.give_up_at.load(Ordering::Relaxed);
            let wait_us = deadline_us.saturating_sub(self.now().mono_us);
            if deadline_us == u64::MAX {
                self.room.give_up.notified().await;
                continue;
            }
            if wait_us > 0 {
                tokio::select! {
                    () = tokio::time::sleep(std::time::Duration::from_micros(wait_us)) => (),
                    () = self.room.give_up.notified() => continue,
                }
            }
            let room = self.room.clone();
            let time_out = move |engine: &mut Engine, now: Now| {
                let next = match engine.is_busy() {
                    true => now.mono_us + BUSY_PAUSE_MS as u64 * 1000,
                    false => {
                        engine.time_out(now);
                        engine.waiters.next_deadline().unwrap_or(u64::MAX)
                    }
                };
                room.give_up_at.store(next, Ordering::Relaxed);
            };
            self.enter(time_out).await;
        }
    }

    /// Does what was left, unless somebody is inside: then it is theirs.
    fn look(&self, left: &Left) {
        fence(Ordering::SeqCst);
        if let Some(mut inside) = self.room.try_lock() {
            self.room.run_left(left, &mut inside);
            self.room.go(left, inside);
        }
    }
}

impl Room {
    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, Inside>> {
        match self.inside.try_lock() {
            Ok(inside) => Some(inside),
            // Somebody panicked inside. Release builds end there; others are tests that want to know.
            Err(TryLockError::Poisoned(broken)) => Some(broken.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[inline]
    fn step<R>(
        &self,
        inside: &mut Inside,
        thread: usize,
        act: impl FnOnce(&mut Engine, Now) -> R,
    ) -> R {
        let now = self.clock.now();
        let engine = &mut inside.engine;
        let result = act(engine, now);
        if !engine.trash.is_empty() {
            inside.freer.free(std::mem::take(&mut engine.trash));
        }
        if let Some(exit) = engine.exit
            && self.exit.set(exit).is_ok()
        {
            self.stop.notify_one();
        }
        if let Some(deadline) = engine.keyspace.take_filed()
            && deadline.0 < self.sweep_at.load(Ordering::Relaxed)
        {
            self.sweep_at.store(deadline.0, Ordering::Relaxed);
            self.sweep.notify_one();
        }
        if let Some(deadline_us) = engine.waiters.take_filed()
            && deadline_us < self.give_up_at.load(Ordering::Relaxed)
        {
            self.give_up_at.store(deadline_us, Ordering::Relaxed);
            self.give_up.notify_one();
        }
        if engine.take_roused() {
            self.roused.notify_one();
        }
        if engine.take_became_busy() {
            self.busy.notify_one();
        }
        if engine.take_wants_room() {
            self.room.notify_one();
        }
        if engine.tasks.are_placed() {
            self.task.notify_one();
        }
        if engine.persistence.take_begun() {
            self.snapshot.notify_one();
        }
        for order in engine.persistence.take_orders() {
            match order {
                Order::Open(log) => self.scribe.open(*log, engine.effects.offset()),
                Order::Close => self.scribe.close(),
                Order::Options(options) => {
                    self.scribe.with_log(|log, now| log.set_options(options, now));
                }
            }
        }
        if engine.effects.has_sealed() {
            self.scribe.take(&mut engine.effects, thread, now);
        }
        engine.stats.end_step(now.mono_us, self.clock.mono_us());
        self.publish();
        result
    }

    /// Another thread, if there is one, may be the next that asks how much is allocated.
    #[inline]
    fn publish(&self) {
        if self.left.is_some() {
            super::tally::publish();
        }
    }

    /// Does what others left, in the order in which they did. What they leave meanwhile is not done,
    /// so that who is inside comes to an end.
    #[inline]
    fn run_left(&self, left: &Left, inside: &mut Inside) {
        if left.is_empty() {
            return;
        }
        let mut errands = std::mem::take(&mut inside.errands);
        left.take(&mut errands);
        for errand in errands.drain(..) {
            self.step(inside, errand.thread, errand.act);
        }
        inside.errands = errands;
    }

    /// Opens the door for others. Whoever left something looked at the door afterwards and found it
    /// closed, or the errand is seen here: each of the two writes before a fence, and reads behind it.
    fn go<'a>(&'a self, left: &Left, mut inside: MutexGuard<'a, Inside>) {
        for look in 0.. {
            self.run_left(left, &mut inside);
            drop(inside);
            fence(Ordering::SeqCst);
            if left.is_empty() {
                return;
            }
            if look == LOOKS_BACK {
                return left.ask();
            }
            match self.try_lock() {
                Some(again) => inside = again,
                // Somebody else is inside, and will come by here.
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands;
    use crate::config::Config;
    use crate::server::host::{Clock, Machine};
    use crate::world::host::Facts;
    use std::thread;
    use std::time::Duration;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::timeout;

    const THREADS: usize = 2;

    fn door() -> Door {
        let clock = Clock::start();
        let scribe = Scribe::new(clock, THREADS);
        let relisten = Box::new(|_: &Config| Ok(()));
        let tls = crate::server::tls::Tls::default();
        let machine = Machine::new(clock, Facts::default(), relisten, tls, scribe.clone());
        let engine = Engine::new(Config::default(), commands::TABLE, Box::new(machine), 1);
        Door::new(engine, clock, THREADS, scribe)
    }

    /// Nobody is inside any more when the errand is there: it must not wait for the next who enters.
    #[test]
    fn who_comes_too_late_to_leave_something_does_it() {
        let door = door();
        let (tell, told) = std::sync::mpsc::channel();
        door.leave(move |_, _| tell.send(()).unwrap());
        assert!(told.try_recv().is_ok());
    }

    /// Errands that are left while errands are done: who is inside sees to some of them when it goes, and
    /// has the others seen to, so that it comes to an end.
    #[test]
    fn what_is_left_meanwhile_is_done_by_turns() {
        const ERRANDS: usize = 50;
        let done = Arc::new(AtomicU64::new(0));
        fn chain(door: Door, done: Arc<AtomicU64>, more: usize) {
            let next = door.clone();
            door.soon(move |_, _| {
                done.fetch_add(1, Ordering::Relaxed);
                if more > 1 {
                    chain(next, done, more - 1);
                }
            });
        }
        let door = door();
        chain(door.clone(), done.clone(), ERRANDS);
        let at_once = done.load(Ordering::Relaxed);
        assert!((2..10).contains(&at_once), "{at_once} errands at one go");
        on_runtime(async move {
            spawn_local(door.see_to_left());
            let rest = async {
                while done.load(Ordering::Relaxed) < ERRANDS as u64 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(Duration::from_secs(5), rest).await.expect("all are done");
        });
    }

    /// All threads enter at once, and nobody comes by until all are done.
    #[test]
    fn nothing_is_left_behind() {
        const ROUNDS: u64 = 50_000;
        let (door, arrived) = (door(), AtomicU64::new(0));
        let take_part = |thread: usize| {
            let door = door.of_thread(thread);
            let arrived = &arrived;
            on_runtime(async move {
                spawn_local(door.clone().see_to_left());
                for round in 1..=ROUNDS {
                    let act = door.enter(|engine, _| engine.stats.connections += 1);
                    timeout(Duration::from_secs(5), act).await.expect("it was left behind");
                    arrived.fetch_add(1, Ordering::Relaxed);
                    while arrived.load(Ordering::Relaxed) < round * THREADS as u64 {
                        thread::yield_now();
                    }
                }
            });
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let take_part = &take_part;
                scope.spawn(move || take_part(thread));
            }
        });
        let counted = door.try_enter(|engine, _| engine.stats.connections).ok().unwrap();
        assert_eq!(counted, THREADS as u64 * ROUNDS);
    }

    fn on_runtime(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        LocalSet::new().block_on(&runtime, work);
    }
}
