//! Marks of keys that a walk shall leave out: they were handed over before, or born after it began.
//!
//! A mark is two hashes of a key that have nothing to do with each other. They are kept in sets, one for
//! each range of positions; a set is dropped when the walk has passed its range. A set is an open table in
//! the order of its hashes that grows by a quarter, so a mark takes 20 to 25 bytes.

use crate::base::table::position;

pub type Mark = [u64; 2];

#[derive(Default)]
pub struct Marks {
    ranges: Vec<Set>,
    /// How many of the highest bits of a position are the number of its range.
    bits: u32,
    /// Ranges below this one were passed.
    first: usize,
}

#[derive(Default)]
struct Set {
    /// A power of two is not asked for.
    slots: Vec<Mark>,
    len: usize,
}

/// About so many keys of a database share a set: its growth is a pause.
const KEYS_EACH: usize = 1024;
const BITS_MAX: u32 = 14;
/// The positions of a table have so many bits.
const POSITION_BITS: u32 = 52;
/// No key has this mark.
const NONE: Mark = [0, 0];
const SMALLEST: usize = 8;
const DROPPED_AT_ONCE: usize = 64;

impl Marks {
    /// For a database of so many keys.
    pub fn new(keys: usize) -> Marks {
        let bits = (keys / KEYS_EACH).max(1).next_power_of_two().ilog2().min(BITS_MAX);
        Marks { ranges: (0..1 << bits).map(|_| Set::default()).collect(), bits, first: 0 }
    }

    /// Says no if the mark was there already.
    pub fn insert(&mut self, mark: Mark) -> bool {
        let (range, mark, bits) = (self.range(position(mark[0])), valid(mark), self.bits);
        self.ranges.get_mut(range).is_some_and(|set| set.insert(mark, bits))
    }

    pub fn contains(&self, mark: Mark) -> bool {
        let range = self.range(position(mark[0]));
        self.ranges.get(range).is_some_and(|set| set.find(valid(mark), self.bits).is_ok())
    }

    /// Is there no mark between these positions?
    pub fn is_clear(&self, from: u64, to: u64) -> bool {
        let last = self.range(to.saturating_sub(1)).min(self.ranges.len().saturating_sub(1));
        self.ranges
            .get(self.range(from)..=last)
            .is_none_or(|sets| sets.iter().all(|set| set.len == 0))
    }

    /// Drops all marks in ranges that lie before this position.
    pub fn pass(&mut self, position: u64) {
        let range = self.range(position).min(self.ranges.len());
        while self.first < range {
            self.ranges[self.first] = Set::default();
            self.first += 1;
        }
    }

    /// Drops some more of all marks; says whether there are none left.
    pub fn drop_some(&mut self) -> bool {
        let end = self.ranges.len().min(self.first + DROPPED_AT_ONCE);
        self.ranges[self.first..end].fill_with(Set::default);
        self.first = end;
        end == self.ranges.len()
    }

    fn range(&self, position: u64) -> usize {
        (position >> (POSITION_BITS - self.bits)) as usize
    }
}

impl Set {
    fn insert(&mut self, mark: Mark, bits: u32) -> bool {
        if self.len * 5 >= self.slots.len() * 4 {
            self.grow(bits);
        }
        match self.find(mark, bits) {
            Ok(_) => false,
            Err(free) => {
                self.slots[free] = mark;
                self.len += 1;
                true
            }
        }
    }

    /// Where the mark is, or where it would be.
    fn find(&self, mark: Mark, bits: u32) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let within = mark[0].checked_shl(bits).unwrap_or(0);
        let mut at = ((u128::from(within) * self.slots.len() as u128) >> 64) as usize;
        loop {
            match self.slots[at] {
                NONE => return Err(at),
                other if other == mark => return Ok(at),
                _ => at = if at + 1 < self.slots.len() { at + 1 } else { 0 },
            }
        }
    }

    fn grow(&mut self, bits: u32) {
        let size = (self.slots.len() + self.slots.len() / 4).max(SMALLEST);
        let old = std::mem::replace(&mut self.slots, vec![NONE; size]);
        for mark in old.into_iter().filter(|mark| *mark != NONE) {
            if let Err(free) = self.find(mark, bits) {
                self.slots[free] = mark;
            }
        }
    }
}

fn valid(mark: Mark) -> Mark {
    if mark == NONE { [0, u64::MAX] } else { mark }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn marks_are_kept_until_they_are_passed() {
        for keys in [0, 1, 5_000, 100_000] {
            let mut state = 7u64;
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                state ^ state >> 29
            };
            let mut marks = Marks::new(keys);
            let mut model = HashSet::new();
            model.insert([0, 0]);
            assert!(marks.insert([0, 0]) && !marks.insert([0, 0]));
            for _ in 0..20_000 {
                // Few hashes, so that some are marked twice, and some share the first half.
                let mark = [((next() % 20_000) << 50) + next() % 3, next() % 2];
                assert_eq!(marks.insert(mark), model.insert(mark));
            }
            assert!(model.iter().all(|mark| marks.contains(*mark)));
            assert!(!marks.contains([3 << 50, 2]));
            let half = 1 << (POSITION_BITS - 1);
            marks.pass(half);
            assert!(marks.bits == 0 || marks.is_clear(0, half));
            assert!(!marks.is_clear(half, half * 2));
            let rest = model.iter().filter(|mark| position(mark[0]) >= half);
            rest.for_each(|mark| assert!(marks.contains(*mark)));
            while !marks.drop_some() {}
            assert!(marks.is_clear(0, half * 2));
        }
    }

    #[test]
    fn a_mark_takes_less_than_26_bytes() {
        let mut set = Set::default();
        for number in 1..5_000u64 {
            set.insert([number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number], 0);
            assert!(number < 16 || set.slots.len() * 16 <= number as usize * 26);
        }
    }
}
