//! What must happen when nobody asks: keys that are due, clients that idle, samples of rates.

use super::{Engine, Session, SessionKey};
use crate::world::host::Level;
use crate::world::time::Now;

/// After so long a slice of the sweep ends, and other work gets its turn. Not a number of keys, since some
/// take much longer to free than others.
const SWEEP_SLICE_US: u64 = 250;
/// So many deadlines are looked at between two looks at the stopwatch.
const SWEEP_PIECE: usize = 128;

/// When the next tick is due, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Ten times a second: rates are measured, somebody may be too slow.
    Busy,
    /// Every second: clients may have been silent for too long.
    Slow,
    Never,
}

impl Engine {
    /// Called in a rhythm that it decides itself.
    pub fn tick(&mut self, now: Now) -> Rhythm {
        let span_us = now.mono_us.saturating_sub(self.now_of_last_tick);
        self.now_of_last_tick = now.mono_us;
        self.resting = false;
        self.set_now(now);
        if self.cron_paused {
            return Rhythm::Busy;
        }
        if self.config.watchdog_period > 0 {
            self.host.wind_watchdog(self.config.watchdog_ms());
        }
        self.end_hot_keys_in_time();
        self.obey_signal();
        self.stats.sample(span_us);
        self.note_memory();
        self.keyspace.tidy();
        if self.paused.is_some_and(|pause| now.mono_us >= pause.until_us) {
            self.unpause();
        }
        self.bound_reads();
        self.close_idle();
        self.close_strangers();
        self.save_by_itself(now);
        let peaks = self.reply_peaks;
        let mut slow: Vec<SessionKey> = Vec::new();
        for session in self.sessions.iter_mut() {
            peaks.age(session, now.mono_us);
            if session.soft_limit_since_us.is_some() {
                slow.push(session.key);
            }
        }
        slow.into_iter().for_each(|who| self.bound_output(who));
        self.look_at_outputs_again();
        debug_assert!(self.weights_are_right(), "somebody has changed and was not weighed");
        let micros = self.host.mono_us().saturating_sub(now.mono_us);
        self.stats.cycles.cron_micros += micros;
        let rhythm = self.rhythm();
        self.resting = rhythm != Rhythm::Busy;
        rhythm
    }

    fn rhythm(&self) -> Rhythm {
        let busy = !self.stats.instant.is_quiet()
            || self.paused.is_some()
            || self.is_asked_to_stop()
            || self.config.watchdog_period > 0
            || self.has_too_many_reads()
            || self.sessions.iter().any(|session| session.soft_limit_since_us.is_some());
        let peaks_age = self.reply_peaks.resizes && self.reply_peaks.reset_after_us.is_some();
        let ages = |session: &Session| peaks_age && session.reply_peak > 0;
        if busy {
            Rhythm::Busy
        } else if self.may_save_by_itself()
            || !self.strangers.is_empty()
            || self.sessions.iter().any(|it| self.config.timeout > 0 || ages(it))
        {
            Rhythm::Slow
        } else {
            Rhythm::Never
        }
    }

    /// Something happens after a rest. The rates begin anew, as if ticks had gone on all the time.
    #[cold]
    pub(super) fn rouse(&mut self, now: Now) {
        self.resting = false;
        self.roused = true;
        self.now_of_last_tick = now.mono_us;
        self.stats.instant.forget();
    }

    /// Was the engine roused since this was last asked? Then ticks are wanted again.
    #[inline]
    pub fn take_roused(&mut self) -> bool {
        std::mem::take(&mut self.roused)
    }

    /// Removes a slice of the keys that are due, or prepares for those that are next; says whether more
    /// are due.
    pub fn sweep(&mut self, now: Now) -> bool {
        self.set_now(now);
        let is_over =
            |engine: &Engine| engine.host.mono_us().saturating_sub(now.mono_us) >= SWEEP_SLICE_US;
        let more = loop {
            let more = self.keyspace.sweep(SWEEP_PIECE);
            self.follow_removals();
            if !more || is_over(self) {
                break more;
            }
        };
        while !more && !is_over(self) && self.keyspace.prepare(SWEEP_PIECE) {}
        self.effects.seal_apart();
        self.tell_followers();
        let micros = self.host.mono_us().saturating_sub(now.mono_us);
        self.stats.cycles.cron_micros += micros;
        self.stats.expire_micros += micros;
        self.watch_latency("expire-cycle", micros);
        more
    }

    /// Ends connections that have been silent for longer than `timeout`: neither was anything received, nor did
    /// they take anything of what they are sent.
    fn close_idle(&mut self) {
        let timeout_us = self.config.timeout as u64 * 1_000_000;
        if timeout_us == 0 {
            return;
        }
        let now_us = self.now.mono_us;
        let idle = |session: &super::Session| {
            !session.monitor
                && session.subscriptions.is_none()
                && (!session.is_waiting() || session.stalled)
                && now_us.saturating_sub(session.active_us()) > timeout_us
        };
        let silent = self.sessions.iter().filter(|session| idle(session));
        let silent: Vec<SessionKey> = silent.map(|session| session.key).collect();
        for who in silent {
            self.host.log(Level::Verbose, "Closing idle client");
            self.kill(who);
        }
    }
}
