//! HOTKEYS: which keys take the most time, and the most bytes on the wire, while somebody wants to know.
//!
//! A session of it counts commands by their keys, in two lists of the heaviest (`base/heaviest.rs`) with ten
//! counters for each key that is to be shown. What a command took is shared out among its keys. While no
//! session is on, a command costs one comparison.

use super::{Command, Engine, keys};
use crate::base::heaviest::Heaviest;
use crate::resp::Args;
use crate::world::host::Cpu;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The longest key that is listed. What longer ones take is only part of the sums, so that a session's memory
/// is bounded.
pub const KEY_BYTES_MAX: usize = 4096;
/// Counters for each key that is shown.
const COUNTERS_EACH: usize = 10;
/// The lists count in so many parts of a microsecond, and of a byte: a command with many keys may take less than one
/// for each.
pub const PARTS: u64 = 1000;

/// What HOTKEYS START asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub cpu: bool,
    pub net: bool,
    /// Keys to show.
    pub count: usize,
    /// 0 means until it is stopped.
    pub seconds: u64,
    /// One of so many commands is counted by its keys.
    pub sample: u64,
}

/// A session, also when it is over.
pub struct HotKeys {
    pub wanted: Wanted,
    pub cpu: Option<Heaviest>,
    pub net: Option<Heaviest>,
    /// Of all commands with keys, sampled or not.
    pub micros: u64,
    pub bytes: u64,
    /// What the lists themselves took.
    pub own_micros: u64,
    /// Milliseconds since 1970.
    pub began_ms: i64,
    began_us: u64,
    began_cpu: Cpu,
    over: Option<Over>,
    dice: SmallRng,
}

/// How long it was, in microseconds, and what the process took meanwhile.
#[derive(Clone, Copy)]
struct Over {
    micros: u64,
    cpu: Cpu,
}

impl HotKeys {
    pub fn is_active(&self) -> bool {
        self.over.is_none()
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        let of = |list: &Option<Heaviest>| list.as_ref().map_or(0, Heaviest::memory);
        size_of::<HotKeys>() + of(&self.cpu) + of(&self.net)
    }

    fn is_due(&self, now_us: u64) -> bool {
        let limit_us = self.wanted.seconds.saturating_mul(1_000_000);
        limit_us > 0 && now_us.saturating_sub(self.began_us) >= limit_us
    }

    fn is_sampled(&mut self) -> bool {
        self.wanted.sample <= 1 || self.dice.random_range(0..self.wanted.sample) == 0
    }
}

impl Engine {
    /// Is a session on?
    #[inline]
    pub fn counts_hot_keys(&self) -> bool {
        self.hot_keys.as_ref().is_some_and(|session| session.is_active())
    }

    pub fn start_hot_keys(&mut self, wanted: Wanted) {
        let list = |is_wanted: bool| is_wanted.then(|| Heaviest::new(wanted.count * COUNTERS_EACH));
        self.hot_keys = Some(Box::new(HotKeys {
            wanted,
            cpu: list(wanted.cpu),
            net: list(wanted.net),
            micros: 0,
            bytes: 0,
            own_micros: 0,
            began_ms: self.now.wall_us.div_euclid(1000),
            began_us: self.now.mono_us,
            began_cpu: self.host.cpu(),
            over: None,
            dice: SmallRng::seed_from_u64(self.keyspace.seed()),
        }));
    }

    /// Ends the session, which can still be looked at; says whether there was one.
    pub fn stop_hot_keys(&mut self) -> bool {
        let (now_us, cpu) = (self.now.mono_us, self.host.cpu());
        let Some(session) = self.hot_keys.as_mut().filter(|it| it.is_active()) else {
            return false;
        };
        let (mut micros, seconds) =
            (now_us.saturating_sub(session.began_us), session.wanted.seconds);
        if seconds > 0 {
            micros = micros.min(seconds.saturating_mul(1_000_000));
        }
        session.over = Some(Over { micros, cpu });
        true
    }

    /// Ends the session if it was to last only so long.
    pub fn end_hot_keys_in_time(&mut self) {
        let now_us = self.now.mono_us;
        if self.counts_hot_keys() && self.hot_keys.as_ref().is_some_and(|it| it.is_due(now_us)) {
            self.stop_hot_keys();
        }
    }

    /// How long the session is or was, in microseconds, and what the process took meanwhile: user and
    /// system seconds.
    pub fn hot_keys_span(&self, session: &HotKeys) -> (u64, f64, f64) {
        let Over { micros, cpu } = session.over.unwrap_or_else(|| Over {
            micros: self.now.mono_us.saturating_sub(session.began_us),
            cpu: self.host.cpu(),
        });
        let began = &session.began_cpu;
        (micros, (cpu.user - began.user).max(0.0), (cpu.system - began.system).max(0.0))
    }

    /// A command has run. What a script calls is the script's.
    #[cold]
    pub(super) fn count_hot_keys(
        &mut self,
        command: &Command,
        args: Args,
        micros: u64,
        reply_bytes: usize,
    ) {
        self.end_hot_keys_in_time();
        if !self.counts_hot_keys() || self.scripting.calls || !keys::has_keys(&command.spec) {
            return;
        }
        let Some(found) = keys::find(&command.spec, args).filter(|keys| !keys.is_empty()) else {
            return;
        };
        let Some(session) = &mut self.hot_keys else { return };
        let bytes = (args.wire_bytes() + reply_bytes) as u64;
        session.micros += micros;
        session.bytes += bytes;
        if !session.is_sampled() {
            return;
        }
        let (share, began_us) = (found.len() as u64, self.now.mono_us);
        for key in found.iter().map(|key| args.get(key.index)) {
            if key.len() > KEY_BYTES_MAX {
                continue;
            }
            if let Some(list) = &mut session.cpu {
                list.add(key, micros * PARTS / share);
            }
            if let Some(list) = &mut session.net {
                list.add(key, bytes * PARTS / share);
            }
        }
        // The stopwatch showed `now` when the command was over.
        session.own_micros += self.host.mono_us().saturating_sub(began_us);
    }
}
