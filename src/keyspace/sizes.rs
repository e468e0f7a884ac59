//! How large the values of a database are: for each type, how many there are of each power of two.
//!
//! Kept up with every change rather than counted by a walk: INFO tells it whenever a monitor asks,
//! and a walk over ten million keys would hold everybody up for a second. What a change costs is
//! the size of the value before and after, which every value knows, and nothing but a comparison
//! when both are of the same power of two.

use super::Record;
use crate::data::Type;

/// By type and by bin: bin 0 holds what has size 0, and bin `n` what has a size of `n` binary
/// digits. As long as the largest bin that was ever needed.
#[derive(Default)]
pub struct Sizes {
    bins: [Vec<u64>; Type::ALL.len()],
}

/// Where a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    kind: Type,
    digits: u32,
}

impl Bin {
    pub fn new(kind: Type, size: usize) -> Bin {
        Bin { kind, digits: usize::BITS - size.leading_zeros() }
    }

    #[inline]
    pub fn of(record: &Record) -> Bin {
        Bin::new(record.kind(), record.size())
    }
}

impl Sizes {
    #[inline]
    pub fn add(&mut self, bin: Bin) {
        match self.bins[bin.kind as usize].get_mut(bin.digits as usize) {
            Some(count) => *count += 1,
            None => self.grow(bin),
        }
    }

    #[inline]
    pub fn remove(&mut self, bin: Bin) {
        self.bins[bin.kind as usize][bin.digits as usize] -= 1;
    }

    #[inline]
    pub fn shift(&mut self, before: Bin, after: Bin) {
        if before != after {
            self.remove(before);
            self.add(after);
        }
    }

    /// The values of a type: the least size of each bin that holds any, and how many it holds.
    pub fn of(&self, kind: Type) -> impl Iterator<Item = (u64, u64)> {
        let bins = self.bins[kind as usize].iter().enumerate();
        let least = |digits: usize| if digits == 0 { 0 } else { 1 << (digits - 1) };
        bins.filter(|(_, count)| **count > 0).map(move |(digits, count)| (least(digits), *count))
    }

    #[cold]
    fn grow(&mut self, bin: Bin) {
        let bins = &mut self.bins[bin.kind as usize];
        bins.resize(bin.digits as usize + 1, 0);
        bins[bin.digits as usize] = 1;
    }
}

impl PartialEq for Sizes {
    fn eq(&self, other: &Sizes) -> bool {
        Type::ALL.iter().all(|kind| self.of(*kind).eq(other.of(*kind)))
    }
}

impl<'a> FromIterator<&'a Record> for Sizes {
    /// Counts them: what the sum that is kept must agree with.
    fn from_iter<I: IntoIterator<Item = &'a Record>>(records: I) -> Sizes {
        let mut sizes = Sizes::default();
        records.into_iter().for_each(|record| sizes.add(Bin::of(record)));
        sizes
    }
}
