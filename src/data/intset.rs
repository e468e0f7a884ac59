//! A set of integers as a sorted array, each element as wide as the widest needs: 16, 32 or 64
//! bits. Searching halves the array; inserting and removing move what lies behind, which is cheap
//! because `set-max-intset-entries` keeps the array short. It grows wider and never narrower.

use super::packed::size_class;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntSet {
    Bits16(Vec<i16>),
    Bits32(Vec<i32>),
    Bits64(Vec<i64>),
}

/// The same for whatever width the integers have.
macro_rules! at_any_width {
    ($set:expr, $ints:ident => $body:expr) => {
        match $set {
            IntSet::Bits16($ints) => $body,
            IntSet::Bits32($ints) => $body,
            IntSet::Bits64($ints) => $body,
        }
    };
}

trait Int: Copy + Ord + Into<i64> + TryFrom<i64> {}
impl Int for i16 {}
impl Int for i32 {}
impl Int for i64 {}

impl Default for IntSet {
    fn default() -> IntSet {
        IntSet::Bits16(Vec::new())
    }
}

impl IntSet {
    pub fn len(&self) -> usize {
        at_any_width!(self, ints => ints.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        at_any_width!(self, ints => bytes(ints))
    }

    /// O(log N).
    pub fn contains(&self, value: i64) -> bool {
        at_any_width!(self, ints => find(ints, value).is_some_and(|found| found.is_ok()))
    }

    /// The integer with so many smaller ones before it.
    pub fn get(&self, index: usize) -> Option<i64> {
        at_any_width!(self, ints => ints.get(index).copied().map(wide))
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
        loop {
            if let Some(new) = at_any_width!(self, ints => insert(ints, value)) {
                return new;
            }
            self.widen();
        }
    }

    /// Says whether the integer was there. O(N).
    pub fn remove(&mut self, value: i64) -> bool {
        at_any_width!(self, ints => match find(ints, value) {
            Some(Ok(at)) => {
                ints.remove(at);
                give_back(ints);
                true
            }
            _ => false,
        })
    }

    /// Removes the integer with so many smaller ones before it.
    pub fn remove_at(&mut self, index: usize) -> Option<i64> {
        let value = self.get(index)?;
        at_any_width!(self, ints => {
            ints.remove(index);
            give_back(ints);
        });
        Some(value)
    }

    /// Keeps the integers that `keep` approves of; asks in ascending order. O(N).
    pub fn retain(&mut self, mut keep: impl FnMut(i64) -> bool) {
        at_any_width!(self, ints => {
            ints.retain(|int| keep(wide(*int)));
            give_back(ints);
        });
    }

    #[cold]
    fn widen(&mut self) {
        *self = match self {
            IntSet::Bits16(ints) => IntSet::Bits32(ints.iter().map(|&int| int.into()).collect()),
            IntSet::Bits32(ints) => IntSet::Bits64(ints.iter().map(|&int| int.into()).collect()),
            IntSet::Bits64(_) => unreachable!("every integer fits into 64 bits"),
        }
    }
}

/// Where an integer is, or where it belongs; `None` if it is too wide for these.
fn find<I: Int>(ints: &[I], value: i64) -> Option<Result<usize, usize>> {
    let value = I::try_from(value).ok()?;
    // Integers often arrive in ascending order.
    if ints.last().is_none_or(|last| *last < value) {
        return Some(Err(ints.len()));
    }
    Some(ints.binary_search(&value))
}

/// Says whether the integer is new; `None` if it is too wide for these.
fn insert<I: Int>(ints: &mut Vec<I>, value: i64) -> Option<bool> {
    let Err(at) = find(ints, value)? else { return Some(false) };
    if ints.len() == ints.capacity() {
        // By small steps: doubling would leave much unused, and there are many small sets.
        let wanted = (ints.len() + 1) * size_of::<I>();
        let room = size_class(wanted + wanted / 8) / size_of::<I>();
        ints.reserve_exact(room - ints.len());
    }
    ints.insert(at, I::try_from(value).ok()?);
    Some(true)
}

fn give_back<I>(ints: &mut Vec<I>) {
    if bytes(ints) > 64 && ints.capacity() > 2 * ints.len() {
        ints.shrink_to(ints.len() + ints.len() / 4);
    }
}

fn wide<I: Int>(int: I) -> i64 {
    int.into()
}

fn bytes<I>(ints: &Vec<I>) -> usize {
    ints.capacity() * size_of::<I>()
}

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
                prop_assert!(set.memory() <= 64 + 8 * 2 * model.len());
            }
        }
    }

    #[test]
    fn it_is_as_wide_as_its_widest() {
        let mut set = IntSet::default();
        (0..20).for_each(|value| assert!(set.insert(value)));
        assert!(matches!(set, IntSet::Bits16(_)));
        assert_eq!(set.memory(), 48);
        set.insert(40_000);
        assert!(matches!(set, IntSet::Bits32(_)));
        set.insert(-3_000_000_000);
        assert!(matches!(set, IntSet::Bits64(_)));
        assert!(set.contains(0) && set.contains(40_000) && !set.contains(20));
    }
}
