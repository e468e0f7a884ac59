//! A set of integers as a sorted array, each element as wide as the widest needs: 16, 32 or 64
//! bits. Searching halves the array; inserting and removing move what lies behind, which is cheap
//! because `set-max-intset-entries` keeps the array short. It grows wider and never narrower.
//!
//! ```text
//!   | bytes of an integer | integer, little-endian | … |
//! ```

use super::{Buffer, Small, SmallForm};
use crate::base::memory_size::size_class;
use std::borrow::Cow;

#[derive(Debug)]
pub struct IntSet {
    /// Empty while no integer has come. Lent where the set is only looked at in somebody else's memory.
    bytes: Buffer,
}

/// Bytes before the integers.
const HEAD: usize = 1;

impl IntSet {
    pub fn len(&self) -> usize {
        (self.bytes().len() - HEAD) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The set that was taken apart by `small`.
    pub fn of_small(small: Small<Buffer>) -> IntSet {
        debug_assert_eq!(small.form, SmallForm::Ints);
        IntSet { bytes: small.bytes }
    }

    pub fn small(&self) -> Small<&[u8]> {
        Small { form: SmallForm::Ints, items: 0, bytes: &self.bytes }
    }

    /// Gives up the memory that the set lies in.
    pub fn into_buffer(self) -> Buffer {
        self.bytes
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        match &self.bytes {
            Cow::Owned(own) => own.capacity(),
            Cow::Borrowed(_) => 0,
        }
    }

    /// O(log N).
    pub fn contains(&self, value: i64) -> bool {
        self.find(value).is_ok()
    }

    /// The integer with so many smaller ones before it.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        Some(match self.width() {
            2 => i64::from(i16::from_le_bytes(self.read(index)?)),
            4 => i64::from(i32::from_le_bytes(self.read(index)?)),
            _ => i64::from_le_bytes(self.read(index)?),
        })
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    pub fn max(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Says whether the integer is new. O(N).
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.find(value) else { return false };
        while !self.fits(value) {
            self.widen();
        }
        let (at, width) = (self.offset(index), self.width());
        let bytes = self.bytes.to_mut();
        if bytes.is_empty() {
            bytes.extend_from_slice(NARROWEST);
        }
        let end = bytes.len();
        if end + width > bytes.capacity() {
            bytes.reserve_exact(size_class(end + width) - end);
        }
        bytes.resize(end + width, 0);
        bytes.copy_within(at..end, at + width);
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        true
    }

    /// Says whether the integer was there. O(N).
    pub fn remove(&mut self, value: i64) -> bool {
        self.find(value).is_ok_and(|index| self.remove_at(index).is_some())
    }

    /// Removes the integer with so many smaller ones before it.
    pub fn remove_at(&mut self, index: usize) -> Option<i64> {
        let value = self.get(index)?;
        let (from, to) = (self.offset(index + 1), self.offset(index));
        let bytes = self.bytes.to_mut();
        bytes.drain(to..from);
        Some(value)
    }

    /// Keeps the integers that `keep` approves of; asks in ascending order. O(N).
    pub fn retain(&mut self, mut keep: impl FnMut(i64) -> bool) {
        let mut kept = 0;
        for index in 0..self.len() {
            if self.get(index).is_some_and(&mut keep) {
                let (from, to) = (self.offset(index)..self.offset(index + 1), self.offset(kept));
                self.bytes.to_mut().copy_within(from, to);
                kept += 1;
            }
        }
        let end = self.offset(kept);
        self.bytes.to_mut().truncate(end);
    }

    /// Where an integer is, or where it belongs.
    fn find(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Integers often arrive in ascending order.
        if self.max().is_none_or(|max| max < value) {
            return Err(high);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(int) if int < value => low = middle + 1,
                _ => high = middle,
            }
        }
        if self.get(low) == Some(value) { Ok(low) } else { Err(low) }
    }

    fn bytes(&self) -> &[u8] {
        if self.bytes.is_empty() { NARROWEST } else { &self.bytes }
    }

    /// Bytes of an integer.
    #[inline]
    fn width(&self) -> usize {
        self.bytes()[0] as usize
    }

    /// Where the integer with an index begins.
    fn offset(&self, index: usize) -> usize {
        HEAD + index * self.width()
    }

    #[inline]
    fn read<const N: usize>(&self, index: usize) -> Option<[u8; N]> {
        self.bytes().get(HEAD + index * N..)?.first_chunk().copied()
    }

    fn fits(&self, value: i64) -> bool {
        match self.width() {
            2 => i16::try_from(value).is_ok(),
            4 => i32::try_from(value).is_ok(),
            _ => true,
        }
    }

    #[cold]
    fn widen(&mut self) {
        let width = self.width() * 2;
        let mut bytes = vec![width as u8];
        self.iter().for_each(|int| bytes.extend_from_slice(&int.to_le_bytes()[..width]));
        self.bytes = Cow::Owned(bytes);
    }
}

impl Default for IntSet {
    fn default() -> IntSet {
        IntSet { bytes: Cow::Owned(Vec::new()) }
    }
}

impl Clone for IntSet {
    /// The copy is always its own, also that of a set which is lent.
    fn clone(&self) -> IntSet {
        IntSet { bytes: Cow::Owned(self.bytes.to_vec()) }
    }
}

/// No integer, but room for two bytes of each.
const NARROWEST: &[u8] = &[2];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn integer() -> impl Strategy<Value = i64> {
        let edges = [i16::MIN as i64, i16::MAX as i64, i32::MIN as i64, i32::MAX as i64];
        prop_oneof![
            4 => -20i64..20,
            1 => (0usize..4, -2i64..3).prop_map(move |(edge, off)| edges[edge] + off),
            1 => any::<i64>(),
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
        ]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(i64),
        Remove(i64),
        RemoveAt(usize),
        Retain(i64),
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set(steps in proptest::collection::vec(prop_oneof![
            8 => integer().prop_map(Step::Insert),
            3 => integer().prop_map(Step::Remove),
            2 => (0usize..40).prop_map(Step::RemoveAt),
            1 => (1i64..5).prop_map(Step::Retain),
        ], 0..120)) {
            let (mut set, mut model) = (IntSet::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(value) => prop_assert_eq!(set.insert(value), model.insert(value)),
                    Step::Remove(value) => prop_assert_eq!(set.remove(value), model.remove(&value)),
                    Step::RemoveAt(index) => {
                        let expected = model.iter().nth(index).copied();
                        prop_assert_eq!(set.remove_at(index), expected);
                        expected.inspect(|value| { model.remove(value); });
                    }
                    Step::Retain(modulus) => {
                        set.retain(|value| value % modulus != 0);
                        model.retain(|value| value % modulus != 0);
                    }
                }
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.min(), model.first().copied());
                prop_assert_eq!(set.max(), model.last().copied());
                prop_assert!(model.iter().all(|&value| set.contains(value)));
                prop_assert!(set.contains(7) == model.contains(&7));
                prop_assert!(set.small().bytes.len() <= 1 + 8 * model.len());
            }
        }
    }

    #[test]
    fn it_is_as_wide_as_its_widest() {
        let mut set = IntSet::default();
        (0..20).for_each(|value| assert!(set.insert(value)));
        assert_eq!((set.width(), set.memory()), (2, 48));
        set.insert(40_000);
        assert_eq!(set.width(), 4);
        set.insert(-3_000_000_000);
        assert_eq!(set.width(), 8);
        assert!(set.contains(0) && set.contains(40_000) && !set.contains(20));
    }
}
