//! How long a key has not been used, or how often it has: 24 bits in each record.
//!
//! Under an LRU policy they are the second of the last use, under an LRM policy that of the last change. Under an
//! LFU policy the upper 16 are the minute of the last decay and the lower 8 a logarithmic counter, as Redis
//! describes it: <https://redis.io/docs/latest/develop/reference/eviction/#lfu-eviction>

use super::record::Record;
use rand::Rng;
use rand::rngs::SmallRng;

#[derive(Clone, Copy, Debug)]
pub struct Aging {
    pub lfu: bool,
    /// Only a change makes a key younger.
    pub lrm: bool,
    pub log_factor: u32,
    /// Minutes after which the counter is lowered by one; 0 never lowers it.
    pub decay_minutes: u32,
    /// The clock that nobody sets, which began at the wall's.
    pub(super) seconds: u32,
}

const LRU_MASK: u32 = (1 << 24) - 1;
const MINUTES_MASK: u32 = (1 << 16) - 1;
/// A snapshot takes no longer than this, in seconds.
const SNAPSHOT_MAX: u32 = 24 * 3600;
/// New keys start here, so that they are not the first to go.
const LFU_START: u32 = 5;

impl Default for Aging {
    fn default() -> Aging {
        Aging { lfu: false, lrm: false, log_factor: 10, decay_minutes: 1, seconds: 0 }
    }
}

impl Aging {
    pub fn set_clock(&mut self, seconds: u32) {
        self.seconds = seconds;
    }

    pub fn newborn(&self) -> u32 {
        if self.lfu { (self.minutes() << 8) | LFU_START } else { self.seconds & LRU_MASK }
    }

    /// For a key that was there before, and of which something is known.
    pub fn restored(&self, idle_seconds: Option<u64>, frequency: Option<u8>) -> u32 {
        match (self.lfu, idle_seconds, frequency) {
            (true, _, Some(frequency)) => (self.minutes() << 8) | u32::from(frequency),
            (false, Some(idle), _) => self.seconds.wrapping_sub(idle as u32) & LRU_MASK,
            _ => self.newborn(),
        }
    }

    /// The key was read, or is about to be changed.
    #[inline]
    pub fn touch(&self, record: &mut Record, is_change: bool, dice: &mut SmallRng) {
        if self.lrm && !is_change {
            return;
        }
        let age =
            if self.lfu { self.used_again(record.age(), dice) } else { self.seconds & LRU_MASK };
        if age != record.age() {
            record.set_age(age);
        }
    }

    /// How much rather than others such a key should go, among those whose age is of the same kind. It stays
    /// comparable as time passes: the older moment, or the rarer use and then the older moment.
    #[inline]
    pub fn staleness(&self, age: u32) -> u64 {
        if self.lfu {
            let rare = u64::from(u8::MAX - self.decayed(age));
            let minutes = self.minutes().wrapping_sub(age >> 8) & MINUTES_MASK;
            return rare << 32 | u64::from(minutes);
        }
        let idle = self.seconds.wrapping_sub(age) & LRU_MASK;
        // The moment itself, as far from the end of time as it is old.
        u64::from(u32::MAX - self.seconds.wrapping_sub(idle))
    }

    /// Seconds since the last use.
    pub fn idle_seconds(&self, record: &Record) -> u32 {
        self.seconds.wrapping_sub(record.age()) & LRU_MASK
    }

    /// Seconds from the last use to this moment, which may be the one before: a key may be used between the
    /// beginning of a snapshot and its turn.
    pub fn idle_before(&self, age: u32) -> u32 {
        match age.wrapping_sub(self.seconds) & LRU_MASK {
            ..SNAPSHOT_MAX => 0,
            _ => self.seconds.wrapping_sub(age) & LRU_MASK,
        }
    }

    /// The logarithmic counter, of such a key.
    pub fn frequency_before(&self, age: u32) -> u8 {
        const MINUTES_MAX: u32 = SNAPSHOT_MAX / 60;
        match (age >> 8).wrapping_sub(self.minutes()) & MINUTES_MASK {
            ..MINUTES_MAX => age as u8,
            _ => self.decayed(age),
        }
    }

    /// The logarithmic counter, decayed to this moment.
    pub fn frequency(&self, record: &Record) -> u32 {
        self.decayed(record.age()).into()
    }

    /// The logarithmic counter in such an age, decayed to this moment.
    pub fn decayed(&self, age: u32) -> u8 {
        let periods = match self.decay_minutes {
            0 => 0,
            minutes => (self.minutes().wrapping_sub(age >> 8) & MINUTES_MASK) / minutes,
        };
        (age as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    fn used_again(&self, age: u32, dice: &mut SmallRng) -> u32 {
        let counter = u32::from(self.decayed(age));
        let above_start = counter.saturating_sub(LFU_START);
        let odds = 1.0 / (above_start as f64 * self.log_factor as f64 + 1.0);
        let grows = counter < 255 && dice.random::<f64>() < odds;
        (self.minutes() << 8) | (counter + grows as u32)
    }

    fn minutes(&self) -> u32 {
        (self.seconds / 60) & MINUTES_MASK
    }
}
