//! Deadlines of elements, beside a large collection whose elements they are.
//!
//! They are a sorted set: of elements, by deadline. So one structure answers everything in O(log n) or O(1):
//! which deadline an element has, which is the earliest, which elements go next, and *how many* are due. That
//! last one is what makes counts exact at the very millisecond at which a million elements fall due: their
//! removal takes a second in all, so it is done in slices, and until an element has been taken away it is
//! hidden. Whoever looks is told nothing of a hidden one, and the number of those is known.
//!
//! Elements are kept twice, which is the price; who has no deadlines pays nothing. With names of 16 bytes a
//! deadline takes 45 bytes. Rejected: deadlines inside the elements with an order of hashes beside them (25
//! bytes), because each kind of collection would need a form of its own for them.

use super::Collection;
use super::Due;
use super::limits::PackedLimits;
use super::string::{Digits, Text};
use super::zset::{Lookup, ScoreRange, ZSet};
use crate::base::memory_size::size_class;
use crate::world::Millis;

/// The deadlines of a large collection's elements, of which most have none: then they are a pointer to nothing.
#[derive(Clone, Default)]
pub struct Lifetimes(Option<Box<Deadlines>>);

impl Lifetimes {
    pub fn new(deadlines: Deadlines) -> Lifetimes {
        Lifetimes(Some(Box::new(deadlines)).filter(|deadlines| !deadlines.is_empty()))
    }

    /// Takes them out, to be worked on while the collection changes.
    pub fn take(&mut self) -> Option<Deadlines> {
        self.0.take().map(|deadlines| *deadlines)
    }

    /// No element has a deadline.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What there is, if there is any.
    pub fn deadlines(&self) -> Option<&Deadlines> {
        self.0.as_deref()
    }

    pub fn get(&self, element: &[u8]) -> Option<Millis> {
        self.0.as_ref()?.get(element)
    }

    /// The deadlines as they are now, to be read while these go on changing.
    pub fn freeze(&mut self) -> Lifetimes {
        Lifetimes(self.0.as_mut().map(|deadlines| Box::new(deadlines.freeze())))
    }

    /// Says which deadline an element has, if there are any at all.
    pub fn finder(all: Option<&Lifetimes>) -> impl Fn(Text) -> Option<Millis> {
        let all = all.and_then(|all| all.0.as_deref());
        move |element| all?.get(element.bytes(&mut Digits::new()))
    }

    /// `seed` is that of the collection's table.
    pub fn set(&mut self, element: &[u8], deadline: Millis, seed: u64) {
        self.0.get_or_insert_with(|| Box::new(Deadlines::new(seed))).set(element, deadline);
    }

    /// The element lives for ever from here on, or is gone.
    pub fn forget(&mut self, element: &[u8]) {
        if let Some(deadlines) = &mut self.0 {
            deadlines.remove(element);
            if deadlines.is_empty() {
                self.0 = None;
            }
        }
    }

    pub fn earliest(&self) -> Option<Millis> {
        self.0.as_ref()?.earliest()
    }

    #[inline]
    pub fn hidden(&self) -> usize {
        self.0.as_ref().map_or(0, |deadlines| deadlines.hidden())
    }

    #[inline]
    pub fn is_hidden(&self, element: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|deadlines| deadlines.is_hidden(element))
    }

    /// Hides what is due, and forgets as many of those as may be taken away now, which it names.
    pub fn take_due(&mut self, due: Due) -> Vec<Vec<u8>> {
        let Some(deadlines) = &mut self.0 else { return Vec::new() };
        deadlines.hide(due.now);
        let taken = deadlines.take(deadlines.hidden().min(due.most));
        self.0.take_if(|deadlines| deadlines.is_empty());
        taken
    }

    pub fn memory(&self) -> usize {
        let of_box = size_class(size_of::<Deadlines>());
        self.0.as_ref().map_or(0, |deadlines| of_box + deadlines.memory())
    }

    pub fn pieces(&self) -> usize {
        self.0.as_ref().map_or(0, |deadlines| deadlines.pieces())
    }

    /// Elements and their deadlines, the earliest first.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        self.0.as_ref().map_or(Vec::new(), |deadlines| deadlines.parts())
    }
}

#[derive(Clone)]
pub struct Deadlines {
    order: Order,
    limits: PackedLimits,
    /// Elements with deadlines up to here are hidden …
    hidden_to: Millis,
    /// … and so many are.
    hidden: usize,
}

/// Deadlines fit a double exactly up to 2^53, which is the year 287396.
#[derive(Clone)]
enum Order {
    Live(ZSet),
    Frozen(Box<Frozen>),
}

/// Of a frozen collection, which is read, and not asked what is due: so there is no order, and one is made
/// again if it is needed after all.
#[derive(Clone)]
struct Frozen {
    deadlines: Lookup,
    earliest: Option<Millis>,
}

impl Deadlines {
    pub fn new(seed: u64) -> Deadlines {
        let limits = PackedLimits { seed, ..PackedLimits::default() };
        let hidden_to = Millis(i64::MIN);
        Deadlines { order: Order::Live(ZSet::default()), limits, hidden_to, hidden: 0 }
    }

    /// As they are now, to be read while these go on changing.
    pub fn freeze(&mut self) -> Deadlines {
        let earliest = self.earliest();
        let frozen = match &mut self.order {
            Order::Live(order) => order.freeze_lookup(),
            Order::Frozen(frozen) => Some(frozen.deadlines.clone()),
        };
        let order = match frozen {
            Some(deadlines) => Order::Frozen(Box::new(Frozen { deadlines, earliest })),
            None => self.order.clone(),
        };
        Deadlines { order, ..*self }
    }

    fn len(&self) -> usize {
        match &self.order {
            Order::Live(order) => order.len(),
            Order::Frozen(frozen) => frozen.deadlines.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, element: &[u8]) -> Option<Millis> {
        let deadline = match &self.order {
            Order::Live(order) => order.score(element),
            Order::Frozen(frozen) => frozen.deadlines.score(element),
        };
        deadline.map(moment)
    }

    /// A deadline is given that is still to come: if what is due by then is hidden, the clock was set back.
    pub fn set(&mut self, element: &[u8], deadline: Millis) {
        self.remove(element);
        if deadline <= self.hidden_to {
            self.hide(Millis(deadline.0.saturating_sub(1)));
        }
        let limits = self.limits;
        self.live().set(element, deadline.0 as f64, limits);
    }

    pub fn remove(&mut self, element: &[u8]) {
        if let Some(deadline) = self.live().remove(element) {
            self.hidden -= usize::from(moment(deadline) <= self.hidden_to);
        }
    }

    pub fn earliest(&self) -> Option<Millis> {
        match &self.order {
            Order::Live(order) => order.at(0).map(|(_, deadline)| moment(deadline)),
            Order::Frozen(frozen) => frozen.earliest,
        }
    }

    /// How many elements are due.
    pub fn due(&self, now: Millis) -> usize {
        let max = now.0 as f64;
        let range = ScoreRange { min: f64::NEG_INFINITY, max, above_min: false, below_max: false };
        match &self.order {
            Order::Live(order) => order.ranks_of_scores(range).len(),
            Order::Frozen(frozen) => {
                frozen.deadlines.iter().filter(|(_, deadline)| *deadline <= max).count()
            }
        }
    }

    /// How many elements read as missing.
    #[inline]
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    #[inline]
    pub fn is_hidden(&self, element: &[u8]) -> bool {
        self.hidden > 0 && self.get(element).is_some_and(|deadline| deadline <= self.hidden_to)
    }

    /// From now on what is due is hidden.
    pub fn hide(&mut self, now: Millis) {
        (self.hidden_to, self.hidden) = (now, self.due(now));
    }

    /// Those of the elements that are hidden, alone.
    pub fn hidden_alone(&self) -> Deadlines {
        let mut alone = Deadlines::new(self.limits.seed);
        for name in self.names(0..self.hidden) {
            self.get(&name).into_iter().for_each(|deadline| alone.set(&name, deadline));
        }
        alone.hide(self.hidden_to);
        alone
    }

    /// Elements that are due and are not hidden yet.
    pub fn newly_due(&self, now: Millis) -> Vec<Vec<u8>> {
        let due = self.due(now);
        self.names(self.hidden.min(due)..due)
    }

    /// Forgets the first so many elements, and names them, the earliest first.
    pub fn take(&mut self, count: usize) -> Vec<Vec<u8>> {
        let first = 0..count.min(self.len());
        let names = self.names(first.clone());
        drop(self.live().remove_range(first));
        self.hidden = self.hidden.saturating_sub(names.len());
        names
    }

    fn names(&self, ranks: std::ops::Range<usize>) -> Vec<Vec<u8>> {
        match &self.order {
            Order::Live(order) => order.walk(ranks, false).map(|(name, _)| name.to_vec()).collect(),
            Order::Frozen(frozen) => {
                let ordered = frozen.deadlines.ordered().into_iter().map(|(name, _)| name);
                ordered.skip(ranks.start).take(ranks.len()).collect()
            }
        }
    }

    /// The order, to be changed. If these are frozen it is made again, for nobody else sees it.
    fn live(&mut self) -> &mut ZSet {
        if let Order::Frozen(frozen) = &self.order {
            let mut order = ZSet::default();
            order.expect(frozen.deadlines.len(), self.limits);
            for (element, deadline) in frozen.deadlines.iter() {
                order.set(element, deadline, self.limits);
            }
            self.order = Order::Live(order);
        }
        match &mut self.order {
            Order::Live(order) => order,
            Order::Frozen(_) => unreachable!("it was just made again"),
        }
    }

    pub fn memory(&self) -> usize {
        match &self.order {
            Order::Live(order) => order.memory(),
            Order::Frozen(frozen) => size_class(size_of::<Frozen>()) + frozen.deadlines.memory(),
        }
    }

    pub fn pieces(&self) -> usize {
        match &self.order {
            Order::Live(order) => order.pieces(),
            Order::Frozen(frozen) => frozen.deadlines.pieces(),
        }
    }

    pub fn parts(&self) -> Vec<Vec<u8>> {
        match &self.order {
            Order::Live(order) => order.parts(),
            Order::Frozen(frozen) => frozen.deadlines.parts(),
        }
    }
}

fn moment(score: f64) -> Millis {
    Millis(score as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::hash::Hash;
    use crate::data::limits::SetLimits;
    use crate::data::set::Set;
    use crate::data::zset::{Added, Rule};
    use crate::data::{Due, Mortal};
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::collections::{BTreeMap, BTreeSet};

    const LIMITS: PackedLimits = PackedLimits { entries: 8, value: 30, seed: 7 };
    const SET_LIMITS: SetLimits = SetLimits { intset_entries: 5, packed: LIMITS };

    /// A collection as the tests see it.
    trait Plain: Mortal {
        /// Whether `put` leaves an element that is there its deadline.
        const KEEPS: bool;
        /// Puts an element there, which then lives for ever.
        fn put(&mut self, element: &[u8]) -> bool;
        /// The same, but an element that is there keeps its deadline.
        fn touch(&mut self, element: &[u8]) -> bool;
        fn elements(&self) -> Vec<Vec<u8>>;
        fn walked(&self) -> Vec<Vec<u8>>;
        fn with_deadlines(&self) -> Vec<(Vec<u8>, Option<Millis>)>;
        fn thrown(&self, dice: &mut SmallRng) -> Option<Vec<u8>>;
    }

    impl Plain for Hash {
        const KEEPS: bool = false;
        fn put(&mut self, element: &[u8]) -> bool {
            self.set(element, b"value", LIMITS)
        }
        fn touch(&mut self, element: &[u8]) -> bool {
            self.set_keeping(element, b"another", LIMITS)
        }
        fn elements(&self) -> Vec<Vec<u8>> {
            self.iter().map(|(field, _)| field.to_vec()).collect()
        }
        fn walked(&self) -> Vec<Vec<u8>> {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                cursor = self.scan(cursor, |field, _| seen.push(field.to_vec()));
                if cursor == 0 {
                    return seen;
                }
            }
        }
        fn with_deadlines(&self) -> Vec<(Vec<u8>, Option<Millis>)> {
            self.iter_with_deadlines().map(|(field, _, at)| (field.to_vec(), at)).collect()
        }
        fn thrown(&self, dice: &mut SmallRng) -> Option<Vec<u8>> {
            let mut below = |bound: u64| dice.random_range(0..bound);
            assert_eq!(self.sample(3, &mut below).len(), self.len().min(3));
            self.random(&mut below).map(|(field, _)| field.to_vec())
        }
    }

    impl Plain for Set {
        const KEEPS: bool = true;
        fn put(&mut self, element: &[u8]) -> bool {
            self.insert(Text::Bytes(element), &SET_LIMITS)
        }
        fn touch(&mut self, element: &[u8]) -> bool {
            self.put(element)
        }
        fn elements(&self) -> Vec<Vec<u8>> {
            self.iter().map(|member| member.to_vec()).collect()
        }
        fn walked(&self) -> Vec<Vec<u8>> {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                cursor = self.scan(cursor, |member| seen.push(member.to_vec()));
                if cursor == 0 {
                    return seen;
                }
            }
        }
        fn with_deadlines(&self) -> Vec<(Vec<u8>, Option<Millis>)> {
            self.iter_with_deadlines().map(|(member, at)| (member.to_vec(), at)).collect()
        }
        fn thrown(&self, dice: &mut SmallRng) -> Option<Vec<u8>> {
            let mut below = |bound: u64| dice.random_range(0..bound);
            let mut sampled = BTreeSet::new();
            self.sample(3, &mut below, |member| assert!(sampled.insert(member.to_vec())));
            assert_eq!(sampled.len(), self.len().min(3));
            let mut copy = self.clone();
            let popped = copy.pop(&mut below, |member| member.to_vec());
            let rest = copy.pop_many(2, &mut below, &SET_LIMITS, |member| _ = member);
            drop(rest);
            assert_eq!(copy.len(), self.len().saturating_sub(3));
            popped.or_else(|| self.random(&mut below).map(|member| member.to_vec()))
        }
    }

    impl Plain for ZSet {
        const KEEPS: bool = true;
        fn put(&mut self, element: &[u8]) -> bool {
            let score = f64::from(element[0] % 7);
            matches!(self.add(element, score, Rule::default(), LIMITS), Added::New(_))
        }
        fn touch(&mut self, element: &[u8]) -> bool {
            let rule = Rule { increment: true, ..Rule::default() };
            matches!(self.add(element, 1.0, rule, LIMITS), Added::New(_))
        }
        fn elements(&self) -> Vec<Vec<u8>> {
            self.iter().map(|(member, _)| member.to_vec()).collect()
        }
        fn walked(&self) -> Vec<Vec<u8>> {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                cursor = self.scan(cursor, |member, _| seen.push(member.to_vec()));
                if cursor == 0 {
                    return seen;
                }
            }
        }
        fn with_deadlines(&self) -> Vec<(Vec<u8>, Option<Millis>)> {
            self.iter_with_deadlines().map(|(member, _, at)| (member.to_vec(), at)).collect()
        }
        fn thrown(&self, dice: &mut SmallRng) -> Option<Vec<u8>> {
            let rank = dice.random_range(0..self.len().max(1));
            let mut copy = self.clone();
            let removed = copy.len().min(2);
            drop(copy.remove_range(0..removed));
            assert_eq!(copy.len() + removed, self.len());
            self.at(rank).map(|(member, _)| member.to_vec())
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8),
        Touch(u8),
        Drop(u8),
        Deadline(u8, Option<i64>),
        /// Time passes, and so many elements are taken away.
        Pass(i64, usize),
        /// The value is copied, or goes to its record and back.
        Copy,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40u8).prop_map(Step::Put),
            1 => (0..40u8).prop_map(Step::Touch),
            1 => (0..40u8).prop_map(Step::Drop),
            6 => (0..40u8, proptest::option::weighted(0.8, 0..50i64))
                .prop_map(|(element, span)| Step::Deadline(element, span)),
            2 => (0..20i64, 0..5usize).prop_map(|(span, most)| Step::Pass(span, most)),
            1 => Just(Step::Copy),
        ]
    }

    #[derive(Default)]
    struct Model {
        now: i64,
        seen: BTreeMap<Vec<u8>, Option<i64>>,
        /// What is due and was not taken away yet.
        hidden: BTreeSet<Vec<u8>>,
    }

    fn name(number: u8) -> Vec<u8> {
        // Some are written like integers, and some are too long for a block of a small collection.
        match number {
            0..20 => format!("element{number}").into_bytes(),
            20..36 => number.to_string().into_bytes(),
            _ => vec![number; 40],
        }
    }

    fn expire<T: Plain>(value: &mut T, model: &mut Model, most: usize) {
        let now = model.now;
        let due = |deadline: &Option<i64>| deadline.is_some_and(|deadline| deadline <= now);
        let gone = model.seen.extract_if(.., |_, deadline| due(deadline));
        model.hidden.extend(gone.map(|(element, _)| element));
        // Nobody looks in the tests while the sweep is not done.
        let due = Due { now: Millis(now), most, is_seen: true, seed: LIMITS.seed };
        value.expire(due, &mut |element| {
            assert!(model.hidden.remove(element), "it was due, and goes once");
        });
    }

    fn check<T: Plain>(value: &T, model: &Model, dice: &mut SmallRng) {
        assert_eq!(value.len(), model.seen.len(), "counts are exact");
        for all in [value.elements(), value.walked()] {
            assert_eq!(all.len(), model.seen.len());
            assert!(all.iter().all(|element| model.seen.contains_key(element)));
        }
        let with_deadlines = value.with_deadlines();
        assert_eq!(with_deadlines.len(), model.seen.len());
        for (element, deadline) in with_deadlines {
            assert_eq!(model.seen.get(&element), Some(&deadline.map(|deadline| deadline.0)));
        }
        for number in 0..40 {
            let element = name(number);
            let deadline = model.seen.get(&element).map(|deadline| deadline.map(Millis));
            assert_eq!(value.deadline_of(&element), deadline);
        }
        let thrown = value.thrown(dice);
        assert_eq!(thrown.is_some(), !model.seen.is_empty());
        assert!(thrown.is_none_or(|element| model.seen.contains_key(&element)));
        let earliest = model.seen.values().flatten().min().map(|deadline| Millis(*deadline));
        if model.hidden.is_empty() {
            assert_eq!(value.earliest(), earliest);
            let spent = value.spent(Millis(i64::MAX));
            let mortal = model.seen.values().all(Option::is_some) && earliest.is_some();
            assert_eq!(spent, mortal.then_some(model.seen.len()));
        }
    }

    fn play<T: Plain>(steps: Vec<Step>, seed: u64) {
        let (mut value, mut model) = (T::default(), Model::default());
        let mut dice = SmallRng::seed_from_u64(seed);
        for step in steps {
            match step {
                Step::Put(number) => {
                    let element = name(number);
                    let new = !model.seen.contains_key(&element);
                    assert_eq!(value.put(&element), new);
                    model.hidden.remove(&element);
                    match T::KEEPS {
                        true => _ = model.seen.entry(element).or_insert(None),
                        false => _ = model.seen.insert(element, None),
                    }
                }
                Step::Touch(number) => {
                    let element = name(number);
                    assert_eq!(value.touch(&element), !model.seen.contains_key(&element));
                    model.hidden.remove(&element);
                    model.seen.entry(element).or_insert(None);
                }
                Step::Drop(number) => {
                    let element = name(number);
                    assert_eq!(value.drop_element(&element), model.seen.remove(&element).is_some());
                }
                Step::Deadline(number, span) => {
                    let element = name(number);
                    if let Some(known) = model.seen.get_mut(&element) {
                        *known = span.map(|span| model.now + 1 + span);
                        value.set_deadline(&element, known.map(Millis), LIMITS.seed);
                    }
                }
                Step::Pass(span, most) => {
                    model.now += span;
                    expire(&mut value, &mut model, most);
                }
                Step::Copy => {
                    value = match value.small() {
                        Some(small) => T::of_small(crate::data::Small {
                            form: small.form,
                            items: small.items,
                            bytes: small.bytes.to_vec().into(),
                        }),
                        None => value.clone(),
                    };
                }
            }
            check(&value, &model, &mut dice);
        }
        expire(&mut value, &mut model, usize::MAX);
        assert!(model.hidden.is_empty(), "in the end all goes that is due");
        check(&value, &model, &mut dice);
    }

    #[test]
    fn what_stays_of_a_large_sorted_set_keeps_its_deadlines() {
        for (from, to) in [(10, 1000), (0, 990), (0, 1000), (500, 900)] {
            let mut set = ZSet::default();
            let name = |number: usize| format!("member:{number}").into_bytes();
            for number in 0..1000 {
                set.set(&name(number), number as f64, LIMITS);
                let deadline = (number % 2 == 0).then_some(Millis(100 + number as i64));
                set.set_deadline(&name(number), deadline, LIMITS.seed);
            }
            // The first ones are hidden, and told later.
            let due = Due { now: Millis(104), most: 0, is_seen: true, seed: LIMITS.seed };
            set.expire(due, &mut |_| panic!("nothing is to be told"));
            assert_eq!(set.len(), 997);
            let (from, to) = (from.min(set.len()), to.min(set.len()));
            let stays: Vec<_> = set.iter().map(|(member, _)| member.to_vec()).collect();
            drop(set.remove_range(from..to));
            for (rank, member) in stays.iter().enumerate() {
                let number: i64 = String::from_utf8_lossy(&member[7..]).parse().unwrap();
                let deadline = (number % 2 == 0).then_some(Millis(100 + number));
                let expected = (!(from..to).contains(&rank)).then_some(deadline);
                assert_eq!(set.deadline_of(member), expected, "{number}");
            }
            let mut told = 0;
            set.expire(Due { most: usize::MAX, ..due }, &mut |_| told += 1);
            assert_eq!(told, 3);
        }
    }

    proptest! {
        #[test]
        fn fields_go_on_time(steps in proptest::collection::vec(step(), 0..150), seed: u64) {
            play::<Hash>(steps, seed);
        }

        #[test]
        fn members_of_sets_go_on_time(
            steps in proptest::collection::vec(step(), 0..150), seed: u64
        ) {
            play::<Set>(steps, seed);
        }

        #[test]
        fn members_of_sorted_sets_go_on_time(
            steps in proptest::collection::vec(step(), 0..150), seed: u64
        ) {
            play::<ZSet>(steps, seed);
        }
    }
}
