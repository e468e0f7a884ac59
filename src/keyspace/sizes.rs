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
    bins: Bins,
    /// The same for the bytes of memory that collections take, where somebody wants to know.
    memory: Option<Box<Bins>>,
}

type Bins = [Vec<u64>; Type::ALL.len()];

/// Where a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    kind: Type,
    digits: u32,
    /// The digits of its bytes; none where they are not counted.
    memory: Option<u32>,
}

impl Bin {
    /// That of a string.
    pub fn of_text(bytes: usize) -> Bin {
        Bin { kind: Type::String, digits: digits(bytes), memory: None }
    }
}

fn digits(size: usize) -> u32 {
    usize::BITS - size.leading_zeros()
}

impl Sizes {
    /// Counts the bytes of collections too, or does not.
    pub fn new(counts_memory: bool) -> Sizes {
        Sizes { bins: Bins::default(), memory: counts_memory.then(Box::default) }
    }

    pub fn counts_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Counts no bytes any more.
    pub fn forget_memory(&mut self) {
        self.memory = None;
    }

    #[inline]
    pub fn bin_of(&self, record: &Record) -> Bin {
        let kind = record.kind();
        let counts = self.memory.is_some() && kind != Type::String;
        let memory = counts.then(|| digits(record.memory_of_value()));
        Bin { kind, digits: digits(record.size()), memory }
    }

    #[inline]
    pub fn add(&mut self, bin: Bin) {
        add(&mut self.bins[bin.kind as usize], bin.digits);
        if let (Some(bins), Some(digits)) = (&mut self.memory, bin.memory) {
            add(&mut bins[bin.kind as usize], digits);
        }
    }

    #[inline]
    pub fn remove(&mut self, bin: Bin) {
        self.bins[bin.kind as usize][bin.digits as usize] -= 1;
        if let (Some(bins), Some(digits)) = (&mut self.memory, bin.memory) {
            bins[bin.kind as usize][digits as usize] -= 1;
        }
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
        filled(&self.bins[kind as usize])
    }

    /// The same by bytes of memory; nothing where they are not counted.
    pub fn memory_of(&self, kind: Type) -> impl Iterator<Item = (u64, u64)> {
        let bins = self.memory.as_ref().map(|bins| filled(&bins[kind as usize]));
        bins.into_iter().flatten()
    }

    /// Would counting these anew come to the same?
    pub fn agrees_with<'a>(&self, records: impl Iterator<Item = &'a Record>) -> bool {
        let mut counted = Sizes::new(self.counts_memory());
        records.for_each(|record| counted.add(counted.bin_of(record)));
        Type::ALL.iter().all(|kind| {
            self.of(*kind).eq(counted.of(*kind))
                && self.memory_of(*kind).eq(counted.memory_of(*kind))
        })
    }
}

#[inline]
fn add(bins: &mut Vec<u64>, digits: u32) {
    match bins.get_mut(digits as usize) {
        Some(count) => *count += 1,
        None => grow(bins, digits),
    }
}

#[cold]
fn grow(bins: &mut Vec<u64>, digits: u32) {
    bins.resize(digits as usize + 1, 0);
    bins[digits as usize] = 1;
}

fn filled(bins: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    let least = |digits: usize| if digits == 0 { 0 } else { 1 << (digits - 1) };
    let bins = bins.iter().enumerate().filter(|(_, count)| **count > 0);
    bins.map(move |(digits, count)| (least(digits), *count))
}
