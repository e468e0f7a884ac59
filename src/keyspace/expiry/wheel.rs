//! The dials of the timing wheel: which slot a deadline belongs to, and which slot is next.
//!
//! A slot of level 0 is a millisecond wide, one of each level above 256 times as wide as below, and each
//! level has 512 of them: twice as many as the level above needs to hand one of its slots down. Therefore
//! a slot may be handed down while the clock is still in the one before it, so that this work can be done
//! in slices ahead of time, and always finds room.
//!
//! ```text
//!            clock
//!  level 0     │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒|            512 slots of 1 ms
//!  level 1  |  │  |     |     |     |     |     |  …         512 slots of 256 ms
//!                   ▲ handed down from now on
//! ```
//!
//! The invariant: no slot that holds anything begins before the slot of its level that the clock is in,
//! and none lies 512 or more behind that one. So its place on the dial says which slot it is.
//! Source: G. Varghese, T. Lauck, Hashed and Hierarchical Timing Wheels (1987).

use super::chunks::NONE;

pub const LEVELS: usize = 5;
const SLOTS: usize = 512;
const RATIO_LOG: u32 = 8;
const WORDS: usize = SLOTS / u64::BITS as usize;

/// One slot of one level, by its place on the dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u16);

pub struct Wheel {
    /// All that was due before this is gone.
    clock: i64,
    /// Which slots hold something.
    occupied: [[u64; WORDS]; LEVELS],
    occupied_slots: usize,
    /// The first chunk of each slot; an empty list for a level that was never used.
    heads: [Vec<u32>; LEVELS],
}

impl Wheel {
    pub fn new(clock: i64) -> Wheel {
        Wheel {
            clock,
            occupied: [[0; WORDS]; LEVELS],
            occupied_slots: 0,
            heads: [const { Vec::new() }; LEVELS],
        }
    }

    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// The lowest level that reaches as far as a deadline. What lies beyond the last level is taken for
    /// the last slot there is, and is seen again when the clock comes near it.
    #[inline]
    pub fn slot_for(&self, deadline: i64) -> Slot {
        let deadline = deadline.max(self.clock);
        for level in 0..LEVELS {
            let (number, now) = (deadline >> shift(level), self.clock >> shift(level));
            // The true distance of two i64 always fits, and is not negative.
            if number.wrapping_sub(now) as u64 <= LAST as u64 {
                return Slot::at(level, number);
            }
        }
        Slot::at(LEVELS - 1, (self.clock >> shift(LEVELS - 1)) + LAST)
    }

    /// When the slot begins.
    pub fn start(&self, slot: Slot) -> i64 {
        self.number(slot) << shift(slot.level())
    }

    /// When the next one begins.
    pub fn end(&self, slot: Slot) -> i64 {
        (self.number(slot) + 1) << shift(slot.level())
    }

    /// When there is something to do about the slot: it is due, or can be handed down.
    #[inline]
    pub fn wake(&self, slot: Slot) -> i64 {
        let ahead = (slot.level() > 0) as i64;
        (self.number(slot) - ahead) << shift(slot.level())
    }

    /// The slot that begins first.
    #[inline]
    pub fn first(&self) -> Option<Slot> {
        self.firsts().min_by_key(|slot| self.start(*slot))
    }

    /// A slot that can be handed down, the most pressing one first.
    pub fn first_ahead(&self) -> Option<Slot> {
        let ahead = self.firsts().filter(|slot| slot.level() > 0 && self.wake(*slot) <= self.clock);
        ahead.min_by_key(|slot| self.start(*slot))
    }

    /// The earliest moment at which there is something to do. What could be done already, but need not
    /// be, is for the next millisecond, so that other work gets its turn.
    pub fn next(&self, now: i64) -> Option<i64> {
        let next = |slot: Slot| {
            let start = self.start(slot);
            if start <= now { start } else { self.wake(slot).max(now.saturating_add(1)) }
        };
        self.firsts().map(next).min()
    }

    /// Lets the clock follow the time, as far as nothing is left behind.
    #[inline]
    pub fn follow(&mut self, now: i64) {
        let first = self.first().map_or(i64::MAX, |slot| self.start(slot));
        self.clock = self.clock.max(now.min(first));
    }

    /// The time was set back. Says which slots are too far ahead for their level now; the caller moves
    /// what they hold a level up, each level before the next, and then calls `turn_back`.
    pub fn too_far(&self, level: usize, now: i64) -> Vec<Slot> {
        let last = (now >> shift(level)).saturating_add(LAST);
        let begin = self.clock >> shift(level);
        let numbers = (0..=LAST).map(|ahead| begin.wrapping_add(ahead)).filter(|n| *n > last);
        let slots = numbers.map(|number| Slot::at(level, number));
        slots.filter(|slot| self.is_occupied(*slot)).collect()
    }

    /// Where the content of a slot that is too far ahead goes.
    pub fn above(&self, slot: Slot, now: i64) -> Slot {
        let level = slot.level();
        if level + 1 == LEVELS {
            return Slot::at(level, (now >> shift(level)) + LAST);
        }
        Slot::at(level + 1, self.number(slot) >> RATIO_LOG)
    }

    pub fn turn_back(&mut self, now: i64) {
        debug_assert!(now <= self.clock);
        self.clock = now;
    }

    #[inline]
    pub fn head(&self, slot: Slot) -> u32 {
        self.heads[slot.level()].get(slot.place()).copied().unwrap_or(NONE)
    }

    #[inline]
    pub fn set_head(&mut self, slot: Slot, chunk: u32) {
        let (level, place) = (slot.level(), slot.place());
        if self.heads[level].is_empty() {
            self.heads[level] = vec![NONE; SLOTS];
        }
        let before = std::mem::replace(&mut self.heads[level][place], chunk);
        if (before == NONE) != (chunk == NONE) {
            self.occupied[level][place / 64] ^= 1 << (place % 64);
            self.occupied_slots = match chunk {
                NONE => self.occupied_slots - 1,
                _ => self.occupied_slots + 1,
            };
        }
    }

    pub fn occupied_slots(&self) -> usize {
        self.occupied_slots
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.heads.iter().map(|heads| heads.capacity() * size_of::<u32>()).sum()
    }

    /// Of each level that holds anything the slot that begins first.
    #[inline]
    pub fn firsts(&self) -> impl Iterator<Item = Slot> {
        (0..LEVELS).filter_map(|level| self.first_of(level))
    }

    #[inline]
    fn first_of(&self, level: usize) -> Option<Slot> {
        let words = &self.occupied[level];
        let begin = (self.clock >> shift(level)) as usize % SLOTS;
        let (word, bit) = (begin / 64, begin % 64);
        let ahead = words[word] & (u64::MAX << bit);
        if ahead != 0 {
            return Some(Slot::new(level, word * 64 + ahead.trailing_zeros() as usize));
        }
        // Round the dial, and to the lower bits of the word that was begun with.
        let index = (1..=WORDS).map(|step| (word + step) % WORDS).find(|word| words[*word] != 0)?;
        Some(Slot::new(level, index * 64 + words[index].trailing_zeros() as usize))
    }

    /// The number of the slot since the beginning of time, in widths of its level.
    #[inline]
    fn number(&self, slot: Slot) -> i64 {
        let now = self.clock >> shift(slot.level());
        now.wrapping_add((slot.place() as i64).wrapping_sub(now) & LAST)
    }

    #[inline]
    fn is_occupied(&self, slot: Slot) -> bool {
        self.occupied[slot.level()][slot.place() / 64] & 1 << (slot.place() % 64) != 0
    }

    /// All slots that hold something.
    #[cfg(test)]
    pub fn occupied(&self) -> Vec<Slot> {
        let words = self.occupied.iter().flatten().enumerate().filter(|(_, word)| **word != 0);
        let slots = words.flat_map(|(at, _)| (at * 64..at * 64 + 64).map(|at| Slot(at as u16)));
        slots.filter(|slot| self.is_occupied(*slot)).collect()
    }
}

/// So many slots behind the first one is the last.
const LAST: i64 = SLOTS as i64 - 1;

impl Slot {
    fn new(level: usize, place: usize) -> Slot {
        Slot((level * SLOTS + place) as u16)
    }

    fn at(level: usize, number: i64) -> Slot {
        Slot::new(level, (number & LAST) as usize)
    }

    #[inline]
    pub fn level(self) -> usize {
        self.0 as usize / SLOTS
    }

    #[inline]
    fn place(self) -> usize {
        self.0 as usize % SLOTS
    }
}

/// Bits of a time that are below the slots of a level.
#[inline]
fn shift(level: usize) -> u32 {
    level as u32 * RATIO_LOG
}
