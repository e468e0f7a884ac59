//! Frozen twins against plain models: a twin is what the original was at that moment, whatever becomes of
//! the original and of other twins.

use super::*;
use crate::data::limits::{ListBlock, ListLimits, PackedLimits, SetLimits, StreamLimits};
use crate::data::list::{End, Side};
use crate::data::stream::{Cut, Delivery, Id, Memory, Pending, Refs, Trim};
use crate::data::{Due, Mortal};
use crate::world::Millis;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: PackedLimits = PackedLimits { entries: 8, value: 30, seed: 7 };
const SET_LIMITS: SetLimits = SetLimits { intset_entries: 5, packed: LIMITS };
const LIST_LIMITS: ListLimits = ListLimits { block: ListBlock::Bytes(256), alone: None };
const STREAM_LIMITS: StreamLimits = StreamLimits { bytes: 400, entries: 4 };
const MEMORY: Memory = Memory { seconds: 1000, entries: 5 };

/// A value that is changed beside a model of it.
trait Subject: Collection {
    type Model: Clone + Default;

    /// Puts some elements there, or changes those that are.
    fn put(&mut self, model: &mut Self::Model, some: Many, salt: u8);
    fn remove(&mut self, model: &mut Self::Model, some: Many);
    /// Does what the type can do besides, and the others cannot.
    fn trouble(&mut self, model: &mut Self::Model, some: Many, dice: &mut SmallRng);
    /// Sets deadlines, or takes them away.
    fn limit(&mut self, _: &mut Self::Model, _: Many, _: Option<i64>) {}
    /// Time passes, and so many elements may be taken away.
    fn pass(&mut self, _: &mut Self::Model, _: i64, _: usize) {}
    fn check(view: View, model: &Self::Model);
}

/// Some of the elements, by number.
#[derive(Clone, Copy, Debug)]
struct Many {
    from: u64,
    count: u64,
    step: u64,
}

impl Many {
    fn numbers(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |turn| self.from + turn * self.step)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Many, u8),
    Remove(Many),
    Trouble(Many),
    Limit(Many, Option<i64>),
    Pass(i64, usize),
    Freeze,
    /// A twin is looked at, and goes; on its own thread or here.
    Drop(usize, bool),
    /// The original is exchanged for its copy.
    Copy,
}

fn some() -> impl Strategy<Value = Many> {
    let count = prop_oneof![6 => 1..5u64, 3 => 5..100u64, 1 => 100..3000u64];
    (0..3000u64, count, 1..4u64).prop_map(|(from, count, step)| Many { from, count, step })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (some(), any::<u8>()).prop_map(|(some, salt)| Step::Put(some, salt)),
        4 => some().prop_map(Step::Remove),
        2 => some().prop_map(Step::Trouble),
        3 => (some(), proptest::option::weighted(0.8, 0..50i64))
            .prop_map(|(some, span)| Step::Limit(some, span)),
        1 => (0..9i64, 0..200usize).prop_map(|(span, most)| Step::Pass(span, most)),
        4 => Just(Step::Freeze),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, away)| Step::Drop(which, away)),
        1 => Just(Step::Copy),
    ]
}

struct Twin<T: Subject> {
    frozen: Frozen,
    model: T::Model,
    parts: Vec<Vec<u8>>,
}

impl<T: Subject> Twin<T> {
    fn check(&self) {
        assert_eq!(self.frozen.view().kind(), T::TYPE);
        T::check(self.frozen.view(), &self.model);
        assert!(self.frozen.view().parts() == self.parts, "the twin is what was frozen");
    }
}

fn play<T: Subject>(begin: u64, steps: Vec<Step>) {
    let (mut value, mut model) = (T::default(), T::Model::default());
    let mut twins: Vec<Twin<T>> = Vec::new();
    let mut dice = SmallRng::seed_from_u64(begin);
    value.put(&mut model, Many { from: 0, count: begin, step: 1 }, 0);
    for step in steps {
        match step {
            Step::Put(some, salt) => value.put(&mut model, some, salt),
            Step::Remove(some) => value.remove(&mut model, some),
            Step::Trouble(some) => value.trouble(&mut model, some, &mut dice),
            Step::Limit(some, span) => value.limit(&mut model, some, span),
            Step::Pass(span, most) => value.pass(&mut model, span, most),
            Step::Freeze => {
                T::check(value.lend(), &model);
                let parts = value.parts();
                let (memory, pieces) = (value.memory(), value.pieces());
                twins.push(Twin { frozen: value.freeze(), model: model.clone(), parts });
                // What sharing takes is little, and counted.
                assert!((memory..=memory + memory / 2 + 1000).contains(&value.memory()));
                assert_eq!(value.pieces(), pieces);
            }
            Step::Drop(which, away) => {
                if !twins.is_empty() {
                    let twin = twins.swap_remove(which % twins.len());
                    twin.check();
                    if away {
                        let frozen = twin.frozen;
                        let dropper = std::thread::spawn(move || drop(frozen));
                        dropper.join().expect("nothing is in the way");
                    }
                }
            }
            Step::Copy => value = value.clone(),
        }
    }
    T::check(value.lend(), &model);
    twins.iter().for_each(Twin::check);
    drop(value);
    twins.iter().for_each(Twin::check);
}

fn name(number: u64) -> Vec<u8> {
    match number % 4 {
        0 => number.to_string().into_bytes(),
        1 if number.is_multiple_of(5) => format!("{number}{}", "long".repeat(100)).into_bytes(),
        _ => format!("element:{number}").into_bytes(),
    }
}

// ── what may have deadlines ─────────────────────────────────────────────────────────────────

/// Elements with something of their own, and their deadlines.
#[derive(Clone)]
struct Elements<V> {
    now: i64,
    seen: BTreeMap<Vec<u8>, (V, Option<i64>)>,
    /// What is due and was not taken away yet.
    hidden: BTreeSet<Vec<u8>>,
}

impl<V> Default for Elements<V> {
    fn default() -> Elements<V> {
        Elements { now: 0, seen: BTreeMap::new(), hidden: BTreeSet::new() }
    }
}

impl<V: PartialEq + std::fmt::Debug> Elements<V> {
    fn check(&self, len: usize, all: impl Iterator<Item = (Vec<u8>, V, Option<Millis>)>) {
        let mut count = 0;
        for (element, value, deadline) in all {
            let found = (value, deadline.map(|deadline| deadline.0));
            assert_eq!(self.seen.get(&element), Some(&found));
            count += 1;
        }
        assert_eq!((len, count), (self.seen.len(), self.seen.len()));
    }

    /// Puts something there that lives for ever.
    fn set(&mut self, element: Vec<u8>, value: V) {
        self.hidden.remove(&element);
        self.seen.insert(element, (value, None));
    }

    /// The same, but what is seen keeps its deadline.
    fn touch(&mut self, element: Vec<u8>, value: V) {
        let deadline = self.seen.get(&element).and_then(|(_, deadline)| *deadline);
        self.hidden.remove(&element);
        self.seen.insert(element, (value, deadline));
    }

    fn limit<T: Mortal>(&mut self, value: &mut T, some: Many, span: Option<i64>) {
        let deadline = span.map(|span| self.now + 1 + span);
        for element in some.numbers().map(name) {
            if let Some((_, own)) = self.seen.get_mut(&element) {
                *own = deadline;
            }
            value.set_deadline(&element, deadline.map(Millis), LIMITS.seed);
        }
    }

    fn pass<T: Mortal>(&mut self, value: &mut T, span: i64, most: usize) {
        self.now += span;
        let now = self.now;
        let is_due = |deadline: &Option<i64>| deadline.is_some_and(|deadline| deadline <= now);
        let gone = self.seen.extract_if(.., |_, (_, deadline)| is_due(deadline));
        self.hidden.extend(gone.map(|(element, _)| element));
        let due = Due { now: Millis(now), most, is_seen: true, seed: LIMITS.seed };
        value.expire(due, &mut |element| {
            assert!(self.hidden.remove(element), "it was due, and goes once");
        });
    }
}

impl Subject for Set {
    type Model = Elements<()>;

    fn put(&mut self, model: &mut Self::Model, some: Many, _: u8) {
        for element in some.numbers().map(name) {
            let is_new = !model.seen.contains_key(&element);
            assert_eq!(self.insert(Text::Bytes(&element), &SET_LIMITS), is_new);
            model.touch(element, ());
        }
    }

    fn remove(&mut self, model: &mut Self::Model, some: Many) {
        for element in some.numbers().map(name) {
            assert_eq!(
                Set::remove(self, Text::Bytes(&element)),
                model.seen.remove(&element).is_some()
            );
        }
    }

    fn trouble(&mut self, model: &mut Self::Model, some: Many, dice: &mut SmallRng) {
        let mut below = |bound: u64| dice.random_range(0..bound);
        if some.count.is_multiple_of(2) {
            let popped = self.pop(&mut below, |member| member.to_vec());
            assert!(popped.is_none_or(|member| model.seen.remove(&member).is_some()));
            return;
        }
        let count = some.count as usize;
        let rest = self.pop_many(count, &mut below, &SET_LIMITS, |member| {
            assert!(model.seen.remove(&member.to_vec()).is_some());
        });
        drop(rest);
    }

    fn limit(&mut self, model: &mut Self::Model, some: Many, span: Option<i64>) {
        model.limit(self, some, span);
    }

    fn pass(&mut self, model: &mut Self::Model, span: i64, most: usize) {
        model.pass(self, span, most);
    }

    fn check(view: View, model: &Self::Model) {
        let View::Set(set) = view else { panic!("it is a set") };
        let all = set.iter_with_deadlines().map(|(member, at)| (member.to_vec(), (), at));
        model.check(set.len(), all);
        let earliest = model.seen.values().filter_map(|(_, deadline)| *deadline).min();
        if model.hidden.is_empty() {
            assert_eq!(set.earliest(), earliest.map(Millis));
        }
        for element in model.hidden.iter().take(3) {
            assert!(!set.contains(Text::Bytes(element)));
        }
    }
}

impl Subject for Hash {
    type Model = Elements<Vec<u8>>;

    fn put(&mut self, model: &mut Self::Model, some: Many, salt: u8) {
        for number in some.numbers() {
            let (field, value) =
                (name(number), vec![salt; (number * 7 % 40) as usize + salt as usize]);
            let is_new = !model.seen.contains_key(&field);
            if salt.is_multiple_of(2) {
                assert_eq!(self.set(&field, &value, LIMITS), is_new);
                model.set(field, value);
            } else {
                assert_eq!(self.set_keeping(&field, &value, LIMITS), is_new);
                model.touch(field, value);
            }
        }
    }

    fn remove(&mut self, model: &mut Self::Model, some: Many) {
        for field in some.numbers().map(name) {
            assert_eq!(Hash::remove(self, &field), model.seen.remove(&field).is_some());
        }
    }

    /// Overwrites values with some that are as long.
    fn trouble(&mut self, model: &mut Self::Model, some: Many, _: &mut SmallRng) {
        for field in some.numbers().map(name) {
            if let Some((value, _)) = model.seen.get_mut(&field) {
                value.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                self.set_keeping(&field, value, LIMITS);
            }
        }
    }

    fn limit(&mut self, model: &mut Self::Model, some: Many, span: Option<i64>) {
        model.limit(self, some, span);
    }

    fn pass(&mut self, model: &mut Self::Model, span: i64, most: usize) {
        model.pass(self, span, most);
    }

    fn check(view: View, model: &Self::Model) {
        let View::Hash(hash) = view else { panic!("it is a hash") };
        let all = hash.iter_with_deadlines();
        model.check(hash.len(), all.map(|(field, value, at)| (field.to_vec(), value.to_vec(), at)));
        for (field, (value, deadline)) in model.seen.iter().take(3) {
            assert_eq!(hash.get(field).map(|value| value.to_vec()).as_ref(), Some(value));
            assert_eq!(hash.deadline_of(field), Some(deadline.map(Millis)));
        }
    }
}

impl Subject for ZSet {
    type Model = Elements<f64>;

    fn put(&mut self, model: &mut Self::Model, some: Many, salt: u8) {
        for number in some.numbers() {
            let (member, score) = (name(number), (number % 100 * u64::from(salt % 16)) as f64);
            self.set(&member, score, LIMITS);
            model.touch(member, score);
        }
    }

    fn remove(&mut self, model: &mut Self::Model, some: Many) {
        for member in some.numbers().map(name) {
            let removed = ZSet::remove(self, &member);
            assert_eq!(removed, model.seen.remove(&member).map(|(score, _)| score));
        }
    }

    fn trouble(&mut self, model: &mut Self::Model, some: Many, _: &mut SmallRng) {
        let start = (some.from as usize).min(self.len());
        let ranks = start..(start + some.count as usize).min(self.len());
        for (member, _) in self.walk(ranks.clone(), false) {
            assert!(model.seen.remove(&member.to_vec()).is_some());
        }
        drop(self.remove_range(ranks));
    }

    fn limit(&mut self, model: &mut Self::Model, some: Many, span: Option<i64>) {
        model.limit(self, some, span);
    }

    fn pass(&mut self, model: &mut Self::Model, span: i64, most: usize) {
        model.pass(self, span, most);
    }

    fn check(view: View, model: &Self::Model) {
        let earliest = model.seen.values().filter_map(|(_, deadline)| *deadline).min();
        let earliest = earliest.map(Millis).filter(|_| model.hidden.is_empty());
        match view {
            View::ZSet(set) => {
                let all = set.iter_with_deadlines();
                model.check(set.len(), all.map(|(member, score, at)| (member.to_vec(), score, at)));
                assert!(earliest.is_none() || set.earliest() == earliest);
            }
            View::Scores(scores) => {
                let all = scores.iter_with_deadlines();
                model.check(
                    scores.len(),
                    all.map(|(member, score, at)| (member.to_vec(), score, at)),
                );
                assert!(earliest.is_none() || scores.earliest() == earliest);
                assert_eq!(scores.iter().count(), scores.len());
            }
            _ => panic!("it is a sorted set"),
        }
    }
}

// ── lists and streams ───────────────────────────────────────────────────────────────────────

impl Subject for List {
    type Model = Vec<Vec<u8>>;

    fn put(&mut self, model: &mut Self::Model, some: Many, salt: u8) {
        let items: Vec<Vec<u8>> = some.numbers().map(name).collect();
        let slices = items.iter().map(|item| &**item);
        if salt.is_multiple_of(2) {
            self.push(End::Right, slices, &LIST_LIMITS);
            model.extend(items);
        } else {
            self.push(End::Left, slices, &LIST_LIMITS);
            model.splice(0..0, items.into_iter().rev());
        }
    }

    fn remove(&mut self, model: &mut Self::Model, some: Many) {
        let start = (some.from as usize).min(model.len());
        let end = (start + some.count as usize).min(model.len());
        List::remove(self, start, end - start, &LIST_LIMITS);
        model.drain(start..end);
    }

    fn trouble(&mut self, model: &mut Self::Model, some: Many, dice: &mut SmallRng) {
        let Many { from, count, .. } = some;
        let (at, item) = (from as usize, vec![b'i'; (count % 500) as usize]);
        let pivot = name(from);
        match dice.random_range(0..5) {
            0 if at < model.len() => {
                assert!(self.set(at, &item, &LIST_LIMITS));
                model[at] = item;
            }
            1 => {
                let found = model.iter().position(|item| *item == pivot);
                assert_eq!(self.insert(Side::Before, &pivot, &item, &LIST_LIMITS), found.is_some());
                found.into_iter().for_each(|found| model.insert(found, item.clone()));
            }
            2 => {
                let equal = model.iter().filter(|item| **item == pivot).count();
                let most = usize::MAX;
                assert_eq!(self.remove_equal(&pivot, End::Right, most, &LIST_LIMITS), equal);
                model.retain(|item| *item != pivot);
            }
            3 if model.len() > 100 => {
                let start = model.len() / 10;
                drop(self.keep(start, model.len() - 2 * start, &LIST_LIMITS));
                model.truncate(model.len() - start);
                model.drain(..start);
            }
            _ => {
                let last = model.pop();
                self.rotate(
                    (End::Right, usize::from(last.is_some())),
                    (End::Left, last.as_deref().into_iter()),
                    &LIST_LIMITS,
                );
                model.splice(0..0, last);
            }
        }
    }

    fn check(view: View, model: &Self::Model) {
        let View::List(list) = view else { panic!("it is a list") };
        assert_eq!(list.len(), model.len());
        assert!(list.iter().map(|item| item.to_vec()).eq(model.iter().cloned()));
        let middle = model.len() / 2;
        assert_eq!(list.get(middle).map(|item| item.to_vec()).as_ref(), model.get(middle));
    }
}

#[derive(Clone, Default)]
struct Log {
    entries: BTreeMap<Id, Vec<u8>>,
    last: u64,
    /// What the group `g` is waiting for.
    pending: BTreeMap<Id, u64>,
    read: Id,
    producers: u64,
}

impl Subject for Stream {
    type Model = Log;

    fn put(&mut self, model: &mut Log, some: Many, salt: u8) {
        for number in some.numbers() {
            model.last += 1 + number % 2;
            let (id, value) = (Id::new(model.last, 0), name(number));
            let fields = [&b"field"[..], &value];
            // Some nodes are so large that they are shared by themselves.
            let much = StreamLimits { bytes: 40_000, entries: 100 };
            let limits = if salt.is_multiple_of(4) { much } else { STREAM_LIMITS };
            assert!(self.add(id, fields.into_iter(), &limits).is_ok());
            model.entries.insert(id, value);
        }
    }

    fn remove(&mut self, model: &mut Log, some: Many) {
        for id in some.numbers().map(|number| Id::new(number, 0)) {
            assert_eq!(self.delete(id), model.entries.remove(&id).is_some());
        }
    }

    fn trouble(&mut self, model: &mut Log, some: Many, dice: &mut SmallRng) {
        self.create_group(b"g", Id::MIN, None);
        let group = self.group_mut(b"g").expect("it was just made");
        let consumer = format!("consumer{}", some.from % 3).into_bytes();
        let (to, _) = group.admit(&consumer, 1).expect("there are few");
        match dice.random_range(0..6) {
            0 | 1 => {
                let how = Delivery { to, most: some.count as usize, now_ms: 5, forgets: false };
                self.deliver(b"g", how, |_| true, |_, _| ());
                let unread = model
                    .entries
                    .range((std::ops::Bound::Excluded(model.read), std::ops::Bound::Unbounded));
                for (id, _) in unread.take(some.count as usize) {
                    model.pending.insert(*id, 1);
                    model.read = *id;
                }
            }
            2 => {
                for id in some.numbers().map(|number| Id::new(number, 0)) {
                    assert_eq!(group.remove(id), model.pending.remove(&id).is_some());
                }
            }
            3 => {
                for (id, count) in model.pending.range_mut(Id::new(some.from, 0)..).take(5) {
                    *count += 1;
                    group.put(Pending::new(*id, Some(to), 9, *count));
                }
                assert_eq!(group.idle_since(100).count(), model.pending.len());
            }
            4 => {
                let gone = group.pending_of(to, Id::MIN).map(Pending::id).collect::<Vec<_>>();
                let dismissed = group.dismiss(&consumer);
                assert_eq!(dismissed.map(|(count, _)| count), Some(gone.len()));
                gone.iter().for_each(|id| _ = model.pending.remove(id));
            }
            _ => {
                let cut = Cut::Length(model.entries.len() as u64 * 9 / 10);
                let trim = Trim { cut, roughly: false, limit: None, refs: Refs::Keep };
                drop(self.trim(trim));
                while model.entries.len() as u64 > cut_length(cut) {
                    model.entries.pop_first();
                }
            }
        }
        model.producers += 1;
        let producer = name(some.from % 10);
        let id = Id::new(model.producers, 0);
        self.producers_mut().record(&producer, &name(model.producers), id, 0, MEMORY);
    }

    fn check(view: View, model: &Log) {
        let View::Stream(stream) = view else { panic!("it is a stream") };
        assert_eq!(stream.len(), model.entries.len());
        let entries = stream.range(Id::MIN, Id::MAX);
        let values = entries.map(|mut entry| (entry.id, entry.fields.nth(1).map(|it| it.to_vec())));
        let wanted = model.entries.iter();
        assert!(values.eq(wanted.map(|(id, value)| (*id, Some(value.clone())))));
        let group = stream.group(b"g");
        let pending = group.into_iter().flat_map(|group| group.pending_from(Id::MIN));
        assert!(
            pending
                .map(|it| (it.id(), it.count()))
                .eq(model.pending.iter().map(|(id, count)| (*id, *count)))
        );
        let of_all = group.into_iter().flat_map(|group| group.consumers());
        let sum: usize = of_all.map(|(_, consumer)| consumer.pending()).sum();
        assert_eq!(sum, model.pending.len());
        assert_eq!(stream.producers().map_or(0, |producers| producers.added), model.producers);
        let tracked = stream.producers().map_or(0, |producers| producers.tracked(0, MEMORY).1);
        assert!(tracked as u64 <= model.producers && (tracked > 0) == (model.producers > 0));
    }
}

fn cut_length(cut: Cut) -> u64 {
    match cut {
        Cut::Length(length) => length,
        Cut::Below(_) => unreachable!("the tests cut by length"),
    }
}

fn steps() -> impl Strategy<Value = (u64, Vec<Step>)> {
    let begin = prop_oneof![0..20u64, 0..8000u64];
    (begin, proptest::collection::vec(step(), 1..40))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn twins_of_sets((begin, steps) in steps()) {
        play::<Set>(begin, steps);
    }

    #[test]
    fn twins_of_hashes((begin, steps) in steps()) {
        play::<Hash>(begin, steps);
    }

    #[test]
    fn twins_of_sorted_sets((begin, steps) in steps()) {
        play::<ZSet>(begin, steps);
    }

    #[test]
    fn twins_of_lists((begin, steps) in steps()) {
        play::<List>(begin, steps);
    }

    #[test]
    fn twins_of_streams((begin, steps) in steps()) {
        play::<Stream>(begin, steps);
    }
}

/// Another thread reads a twin again and again while the original changes.
#[test]
fn a_twin_is_read_by_another_thread() {
    let (mut set, mut scores) = (Set::default(), ZSet::default());
    let (mut model, mut of_scores) = Default::default();
    let all = Many { from: 0, count: 20_000, step: 1 };
    Subject::put(&mut set, &mut model, all, 0);
    Subject::put(&mut scores, &mut of_scores, all, 3);
    for round in 0..5 {
        let twins = (set.freeze(), scores.freeze());
        let models = (model.clone(), of_scores.clone());
        let reader = std::thread::spawn(move || {
            for _ in 0..3 {
                <Set as Subject>::check(twins.0.view(), &models.0);
                <ZSet as Subject>::check(twins.1.view(), &models.1);
            }
        });
        for turn in 0..10 {
            let some = Many { from: turn * 1000, count: 500, step: 2 };
            Subject::remove(&mut set, &mut model, some);
            Subject::put(&mut scores, &mut of_scores, some, round as u8);
            Subject::remove(&mut scores, &mut of_scores, Many { from: round * 700, ..some });
            Subject::put(&mut set, &mut model, Many { from: round * 900, ..some }, 0);
        }
        reader.join().expect("it found what was frozen");
    }
    <Set as Subject>::check(set.lend(), &model);
    <ZSet as Subject>::check(scores.lend(), &of_scores);
}

/// A copy of a frozen value is a value like others, also where deadlines are.
#[test]
fn a_copy_of_a_twin_may_be_changed() {
    let (mut set, mut model) = (Set::default(), Elements::default());
    Subject::put(&mut set, &mut model, Many { from: 0, count: 1000, step: 1 }, 0);
    set.limit(&mut model, Many { from: 100, count: 300, step: 1 }, Some(5));
    set.limit(&mut model, Many { from: 300, count: 300, step: 1 }, Some(9));
    set.pass(&mut model, 6, 50);
    let Frozen::Set(twin) = set.freeze() else { panic!("it is a set") };
    let (mut copy, mut of_copy) = (twin.clone(), model.clone());
    for _ in 0..3 {
        copy.pass(&mut of_copy, 2, 100);
        <Set as Subject>::check(copy.lend(), &of_copy);
        copy.limit(&mut of_copy, Many { from: 0, count: 20, step: 7 }, Some(1));
        <Set as Subject>::check(copy.lend(), &of_copy);
    }
    assert_eq!(copy.spent(Millis(100)), None);
    <Set as Subject>::check(twin.lend(), &model);
    assert!(twin.parts() == set.parts());
}
