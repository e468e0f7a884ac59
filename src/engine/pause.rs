//! CLIENT PAUSE: what clients send waits until the pause is over.

use super::{Command, Engine, SessionKey};
use crate::resp::Args;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// On the monotonic clock.
    pub until_us: u64,
    pub all: bool,
    /// It is our own, for the sake of a key that is under way. A pause that a client asks for takes its place.
    pub for_a_move: bool,
}

impl Engine {
    pub fn pause(&mut self, micros: u64, all: bool) {
        let now_us = self.now.mono_us;
        let until_us = now_us.saturating_add(micros);
        // A second pause may prolong the first and make it stricter, never the reverse.
        let old = self.paused.filter(|old| old.until_us > now_us);
        self.paused = Some(Pause {
            until_us: old.map_or(until_us, |old| old.until_us.max(until_us)),
            all: all || old.is_some_and(|old| old.all),
            for_a_move: false,
        });
        // A pause is there so that nothing changes, and that goes for what time would change.
        self.hold_expired();
    }

    pub fn unpause(&mut self) {
        self.paused = None;
        self.hold_expired();
        self.reconsider_room();
        for session in self.sessions.iter_mut().filter(|session| session.postponed) {
            session.mailbox.ring();
        }
    }

    /// Holds writes back for a moment, unless they wait already, so that a key can be moved that never rests.
    pub fn hold_writes(&mut self, micros: u64) {
        if self.paused.is_none() {
            self.pause(micros, false);
            self.paused = self.paused.map(|pause| Pause { for_a_move: true, ..pause });
        }
    }

    /// Lets them go on, if no client wants them held meanwhile.
    pub fn release_writes(&mut self) {
        if self.paused.is_some_and(|pause| pause.for_a_move) {
            self.unpause();
        }
    }

    /// Decides anew whether keys that are due stay: in a pause, and while another server is being
    /// imported, which alone says when its keys are gone.
    pub(super) fn hold_expired(&mut self) {
        let loads = self.persistence.loading.is_some();
        self.keyspace.hold_expired(loads || self.paused.is_some() || self.config.import_mode);
    }

    pub(super) fn is_paused_for(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
    ) -> bool {
        let Some(pause) = self.paused else { return false };
        if self.now.mono_us >= pause.until_us {
            self.unpause();
            return false;
        }
        // What watches the server goes on watching.
        !self.sessions[who].monitor && (pause.all || self.may_write(who, command, args))
    }

    /// The pause, as INFO tells it: its purpose and the milliseconds that are left.
    pub fn pause_state(&self) -> Option<(Pause, u64)> {
        let pause = self.paused?;
        let left = pause.until_us.checked_sub(self.now.mono_us)?;
        Some((pause, left / 1000))
    }
}
