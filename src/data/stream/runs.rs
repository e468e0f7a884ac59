//! Things in the order of their ids, in runs of at most 128: blocks of a stream, and what is pending.
//!
//! Ids mostly come at the end and go at the beginning, so a run is a deque, and so is the list of
//! runs. Both ends cost nothing; a search is one among the bounds of runs, which lie side by side,
//! and one inside a run; what comes or goes in the midst moves its neighbours in one run. Unlike one
//! long deque this never grows in one large step.
//!
//! Invariants: no run is empty; ids ascend, across runs too; the bound of a run is at most its first
//! id and above all ids of the run before; `len` is the sum of the runs' lengths.

use super::id::Id;
use crate::base::held::{Held, Shares};
use crate::base::memory_size::of_array;
use std::collections::{VecDeque, vec_deque};

/// Something that has its place by an id, which does not fall while it is kept here.
pub trait Keyed {
    fn id(&self) -> Id;
}

impl Keyed for Id {
    fn id(&self) -> Id {
        *self
    }
}

#[derive(Clone, Debug)]
pub struct Runs<T> {
    runs: VecDeque<Run<T>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Run<T> {
    bound: Id,
    /// May be shared with a frozen twin.
    items: Held<VecDeque<T>>,
}

/// Where something is: run, and place in it. It may be one past the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    run: usize,
    at: usize,
}

const RUN_MAX: usize = 128;
/// Neighbours that have so few together become one.
const JOIN: usize = RUN_MAX / 2;

impl<T> Default for Runs<T> {
    fn default() -> Runs<T> {
        Runs { runs: VecDeque::new(), len: 0 }
    }
}

impl<T: Keyed + Clone> Runs<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn first(&self) -> Option<&T> {
        self.runs.front()?.items.front()
    }

    pub fn last(&self) -> Option<&T> {
        self.runs.back()?.items.back()
    }

    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.runs.back_mut()?.items.own().back_mut()
    }

    pub fn get(&self, spot: Spot) -> Option<&T> {
        self.runs.get(spot.run)?.items.get(spot.at)
    }

    pub fn get_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.runs.get_mut(spot.run)?.items.own().get_mut(spot.at)
    }

    /// The first whose id is not below this one; the end, if there is none.
    pub fn seek(&self, id: Id) -> Spot {
        let run = self.run_for(id);
        let Some(items) = self.runs.get(run).map(|run| &run.items) else {
            return Spot { run, at: 0 };
        };
        match items.partition_point(|item| item.id() < id) {
            at if at == items.len() => Spot { run: run + 1, at: 0 },
            at => Spot { run, at },
        }
    }

    /// The last whose id is not above this one.
    pub fn seek_back(&self, id: Id) -> Option<Spot> {
        let run = self.run_for(id);
        let at = self.runs.get(run)?.items.partition_point(|item| item.id() <= id);
        match (run, at) {
            (0, 0) => None,
            (_, 0) => Some(Spot { run: run - 1, at: self.runs[run - 1].items.len() - 1 }),
            _ => Some(Spot { run, at: at - 1 }),
        }
    }

    /// The one with this id.
    pub fn find(&self, id: Id) -> Option<Spot> {
        let run = self.run_for(id);
        let at = self.runs.get(run)?.items.binary_search_by_key(&id, T::id).ok()?;
        Some(Spot { run, at })
    }

    pub fn lookup(&self, id: Id) -> Option<&T> {
        self.get(self.find(id)?)
    }

    /// Adds what has a greater id than all the others.
    pub fn push(&mut self, item: T) {
        debug_assert!(self.last().is_none_or(|last| last.id() < item.id()));
        self.len += 1;
        match self.runs.back_mut() {
            Some(run) if run.items.len() < RUN_MAX => run.items.own().push_back(item),
            back => {
                // The first of all is mostly the only one.
                let room = if back.is_some() { RUN_MAX / 8 } else { 1 };
                if back.is_none() && self.runs.capacity() == 0 {
                    self.runs = VecDeque::with_capacity(1);
                }
                let mut items = VecDeque::with_capacity(room);
                let bound = item.id();
                items.push_back(item);
                self.runs.push_back(Run { bound, items: Held::Own(items) });
            }
        }
    }

    /// Adds something, unless its id is taken: then it takes the place of what is there, which is
    /// handed over.
    pub fn insert(&mut self, item: T) -> Option<T> {
        let id = item.id();
        if self.last().is_none_or(|last| last.id() < id) {
            self.push(item);
            return None;
        }
        let mut run = self.run_for(id);
        let mut at = match self.runs[run].items.binary_search_by_key(&id, T::id) {
            Ok(at) => return Some(std::mem::replace(&mut self.runs[run].items.own()[at], item)),
            Err(at) => at,
        };
        if self.runs[run].items.len() >= RUN_MAX {
            let items = self.runs[run].items.own().split_off(RUN_MAX / 2);
            let bound = items[0].id();
            self.runs.insert(run + 1, Run { bound, items: Held::Own(items) });
            if at > RUN_MAX / 2 {
                (run, at) = (run + 1, at - RUN_MAX / 2);
            }
        }
        let found = &mut self.runs[run];
        found.bound = found.bound.min(id);
        found.items.own().insert(at, item);
        self.len += 1;
        None
    }

    /// Takes out the one with this id.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let spot = self.find(id)?;
        self.remove_at(spot)
    }

    pub fn remove_at(&mut self, spot: Spot) -> Option<T> {
        self.get(spot)?;
        let items = self.runs.get_mut(spot.run)?.items.own();
        let item = items.remove(spot.at)?;
        let left = items.len();
        self.len -= 1;
        if left == 0 {
            self.runs.remove(spot.run);
        } else if left <= JOIN / 2 {
            self.join(spot.run);
        }
        if self.runs.is_empty() {
            self.runs = VecDeque::new();
        }
        Some(item)
    }

    /// Takes out so many at the beginning; whole runs as they are.
    pub fn take_first(&mut self, count: usize) -> Runs<T> {
        let mut taken = Runs { runs: VecDeque::new(), len: count.min(self.len) };
        let mut left = taken.len;
        self.len -= left;
        while let Some(run) = self.runs.front_mut()
            && left > 0
        {
            if run.items.len() <= left {
                left -= run.items.len();
                taken.runs.extend(self.runs.pop_front());
            } else {
                let items = run.items.own().drain(..left).collect();
                taken.runs.push_back(Run { bound: run.bound, items: Held::Own(items) });
                left = 0;
            }
        }
        taken
    }

    /// These as they are now, to be read while they go on changing: both share the runs, until one is changed,
    /// which copies it, and so clones its items. `prepare` is shown those that were not shared yet.
    pub fn freeze(&mut self, prepare: fn(&mut T)) -> Runs<T> {
        let share = |run: &mut Run<T>| {
            if !run.items.is_shared() {
                run.items.own().iter_mut().for_each(prepare);
            }
            Run { bound: run.bound, items: run.items.share(Shares) }
        };
        Runs { runs: self.runs.iter_mut().map(share).collect(), len: self.len }
    }

    pub fn iter(&self) -> Iter<'_, T> {
        self.iter_from(Spot { run: 0, at: 0 })
    }

    /// From a spot on.
    pub fn iter_from(&self, spot: Spot) -> Iter<'_, T> {
        let mut rest = self.runs.range(spot.run.min(self.runs.len())..);
        let run = rest.next().map(|run| run.items.range(spot.at.min(run.items.len())..));
        Iter { run, rest }
    }

    /// From a spot backwards, which is the first to come.
    pub fn iter_back_from(&self, spot: Spot) -> IterBack<'_, T> {
        let mut rest = self.runs.range(..(spot.run + 1).min(self.runs.len()));
        let run = rest.next_back().map(|run| run.items.range(..(spot.at + 1).min(run.items.len())));
        IterBack { run, rest }
    }

    /// All of them, the last one first.
    pub fn iter_back(&self) -> IterBack<'_, T> {
        let mut rest = self.runs.range(..);
        let run = rest.next_back().map(|run| run.items.range(..));
        IterBack { run, rest }
    }

    /// Bytes of heap, without those that belong to the items.
    pub fn memory(&self) -> usize {
        let of_run = |run: &Run<T>| of_array::<T>(run.items.capacity()) + run.items.overhead();
        let runs = self.runs.iter().map(of_run);
        of_array::<Run<T>>(self.runs.capacity()) + runs.sum::<usize>()
    }

    /// In how many pieces of heap they lie, without those that belong to the items.
    pub fn pieces(&self) -> usize {
        self.runs.len()
    }

    /// The run in which an id belongs: the last whose bound is not above it.
    fn run_for(&self, id: Id) -> usize {
        let last = self.runs.len().saturating_sub(1);
        // Most of what is asked for is new, and of the others most is old.
        match self.runs.get(last) {
            Some(run) if run.bound <= id => last,
            _ => self.runs.partition_point(|run| run.bound <= id).saturating_sub(1),
        }
    }

    /// Makes one run of this one and a neighbour, if that is a small one.
    fn join(&mut self, run: usize) {
        for left in [run, run.wrapping_sub(1)] {
            let Some(right) = left.checked_add(1).and_then(|right| self.runs.get(right)) else {
                continue;
            };
            if self.runs[left].items.len() + right.items.len() <= JOIN {
                let right = self.runs.remove(left + 1);
                let right = right.into_iter().flat_map(|run| run.items.into_own());
                self.runs[left].items.own().extend(right);
                return;
            }
        }
    }
}

#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    run: Option<vec_deque::Iter<'a, T>>,
    rest: vec_deque::Iter<'a, Run<T>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(item) = self.run.as_mut()?.next() {
                return Some(item);
            }
            self.run = self.rest.next().map(|run| run.items.iter());
        }
    }
}

#[derive(Clone)]
pub struct IterBack<'a, T> {
    run: Option<vec_deque::Iter<'a, T>>,
    rest: vec_deque::Iter<'a, Run<T>>,
}

impl<'a, T> Iterator for IterBack<'a, T> {
    type Item = &'a T;
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(item) = self.run.as_mut()?.next_back() {
                return Some(item);
            }
            self.run = self.rest.next_back().map(|run| run.items.iter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Insert(u64),
        Remove(u64),
        RemoveNear(u64),
        TakeFirst(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1u64..4).prop_map(Step::Push),
            4 => (0u64..2000).prop_map(Step::Insert),
            2 => (0u64..2000).prop_map(Step::Remove),
            3 => (0u64..2000).prop_map(Step::RemoveNear),
            1 => (0usize..200).prop_map(Step::TakeFirst),
        ]
    }

    fn id(number: u64) -> Id {
        Id::new(number / 10, number % 10)
    }

    fn check(runs: &Runs<Id>, model: &BTreeSet<Id>) {
        assert!(runs.iter().eq(model));
        assert!(runs.iter_back().eq(model.iter().rev()));
        assert_eq!(runs.len(), model.len());
        assert_eq!((runs.first(), runs.last()), (model.first(), model.last()));
        assert!(runs.runs.iter().all(|run| !run.items.is_empty() && run.bound <= run.items[0]));
        for number in (0..2200).step_by(29).chain([99_999]) {
            let id = id(number);
            let above = runs.iter_from(runs.seek(id));
            assert!(above.eq(model.range(id..)));
            let below: Vec<&Id> = match runs.seek_back(id) {
                Some(spot) => runs.iter_back_from(spot).collect(),
                None => Vec::new(),
            };
            assert!(below.into_iter().eq(model.range(..=id).rev()));
            assert_eq!(runs.lookup(id), model.get(&id));
        }
    }

    proptest! {
        #[test]
        fn runs_are_an_ordered_set(
            start in 0u64..600, steps in proptest::collection::vec(step(), 0..200),
        ) {
            let (mut runs, mut model) = (Runs::default(), BTreeSet::new());
            for number in 0..start {
                runs.push(id(number));
                model.insert(id(number));
            }
            for step in steps {
                match step {
                    Step::Push(by) => {
                        let last = model.last().map_or(0, |last| last.ms * 10 + last.seq);
                        runs.push(id(last + by));
                        model.insert(id(last + by));
                    }
                    Step::Insert(number) => {
                        let known = model.replace(id(number));
                        prop_assert_eq!(runs.insert(id(number)), known);
                    }
                    Step::Remove(number) => {
                        prop_assert_eq!(runs.remove(id(number)), model.take(&id(number)));
                    }
                    Step::RemoveNear(number) => {
                        let near = model.range(id(number)..).next().copied();
                        let spot = runs.seek(id(number));
                        prop_assert_eq!(runs.get(spot).copied(), near);
                        prop_assert_eq!(runs.remove_at(spot), near);
                        near.map(|near| model.remove(&near));
                    }
                    Step::TakeFirst(count) => {
                        let taken = runs.take_first(count);
                        let wanted: Vec<Id> = model.iter().take(count).copied().collect();
                        prop_assert!(taken.iter().eq(&wanted));
                        wanted.iter().for_each(|id| _ = model.remove(id));
                    }
                }
            }
            check(&runs, &model);
        }
    }
}
