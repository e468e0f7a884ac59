//! The one door to the engine.
//!
//! Connections and engine live on one thread, so entering is a borrow: no channel, no lock. The
//! engine is entered once for each read, with everything that was read, and nobody awaits inside.

use super::alarm::Alarm;
use super::allocator;
use super::free::Freer;
use crate::engine::{Engine, Exit};
use crate::world::time::Now;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;

#[derive(Clone)]
pub struct Door {
    room: Rc<Room>,
}

struct Room {
    engine: RefCell<Engine>,
    clock: super::host::Clock,
    freer: Freer,
    exit: Cell<Option<Exit>>,
    stop: Notify,
    /// Until when the sweeper sleeps, in milliseconds since 1970; it is woken for anything earlier.
    sweep_at: Cell<i64>,
    sweep: Notify,
    /// Until when nobody who waits gives up, in microseconds of the monotonic clock.
    give_up_at: Cell<u64>,
    give_up: Notify,
}

impl Door {
    pub fn new(engine: Engine, clock: super::host::Clock) -> Door {
        Door {
            room: Rc::new(Room {
                engine: RefCell::new(engine),
                clock,
                freer: Freer::default(),
                exit: Cell::new(None),
                stop: Notify::new(),
                sweep_at: Cell::new(i64::MAX),
                sweep: Notify::new(),
                give_up_at: Cell::new(u64::MAX),
                give_up: Notify::new(),
            }),
        }
    }

    /// Does something with the engine, and carries out what it left to be done: one step.
    pub fn enter<R>(&self, act: impl FnOnce(&mut Engine) -> R) -> R {
        self.enter_at(self.room.clock.mono_us(), act)
    }

    /// As `enter`, for those who have just looked at the stopwatch anyway.
    #[inline]
    pub fn enter_at<R>(&self, began_us: u64, act: impl FnOnce(&mut Engine) -> R) -> R {
        let mut engine = self.room.engine.borrow_mut();
        let result = act(&mut engine);
        if !engine.trash.is_empty() {
            self.room.freer.free(std::mem::take(&mut engine.trash));
        }
        if engine.exit.is_some() && self.room.exit.get().is_none() {
            self.room.exit.set(engine.exit);
            self.room.stop.notify_one();
        }
        if let Some(deadline) = engine.keyspace.take_filed()
            && deadline.0 < self.room.sweep_at.get()
        {
            self.room.sweep_at.set(deadline.0);
            self.room.sweep.notify_one();
        }
        if let Some(deadline_us) = engine.waiters.take_filed()
            && deadline_us < self.room.give_up_at.get()
        {
            self.room.give_up_at.set(deadline_us);
            self.room.give_up.notify_one();
        }
        engine.stats.end_step(began_us, self.room.clock.mono_us());
        result
    }

    pub fn now(&self) -> Now {
        self.room.clock.now()
    }

    /// Waits until somebody asks the server to stop.
    pub async fn stopped(&self) -> Exit {
        loop {
            if let Some(exit) = self.room.exit.get() {
                return exit;
            }
            self.room.stop.notified().await;
        }
    }

    /// Removes keys when their time has come, a slice at a time, so that other work gets its turn.
    pub async fn sweep(self, alarm: Alarm) {
        loop {
            let at = self.room.sweep_at.get();
            if self.now().wall().0 < at {
                tokio::select! {
                    rang = alarm.wait_until(at), if at != i64::MAX => if let Err(error) = rang {
                        tracing::warn!("The alarm clock does not work: {error}");
                        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    },
                    () = self.room.sweep.notified() => (),
                }
            }
            let now = self.now();
            if now.wall().0 < self.room.sweep_at.get() {
                continue;
            }
            self.enter_at(now.mono_us, |engine| {
                engine.sweep(now);
                let next = engine.keyspace.next_deadline();
                self.room.sweep_at.set(next.map_or(i64::MAX, |next| next.0));
            });
            tokio::task::yield_now().await;
        }
    }

    /// Tells clients that wait for a key when their time is up.
    pub async fn time_out(self) {
        loop {
            let deadline_us = self.room.give_up_at.get();
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
            let now = self.now();
            self.enter_at(now.mono_us, |engine| {
                engine.time_out(now);
                self.room.give_up_at.set(engine.waiters.next_deadline().unwrap_or(u64::MAX));
            });
        }
    }

    /// Ten times a second: time-outs, rates, the end of a pause.
    pub async fn tick(self) {
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(100));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut ran_before, mut quiet) = (0, false);
        loop {
            beat.tick().await;
            let now = self.now();
            let ran = self.enter_at(now.mono_us, |engine| {
                engine.tick(now);
                engine.stats.processed
            });
            match ran == std::mem::replace(&mut ran_before, ran) {
                true if !quiet => {
                    allocator::give_all_back();
                    quiet = true;
                }
                true => (),
                false => {
                    allocator::give_back();
                    quiet = false;
                }
            }
        }
    }
}
