use super::combine;
use super::*;
use crate::base::memory_size::size_class;
use crate::data::limits::PackedLimits;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::{Break, Continue};

type Model = BTreeSet<Vec<u8>>;

/// Small enough that a test meets all forms.
const LIMITS: SetLimits =
    SetLimits { intset_entries: 12, packed: PackedLimits { entries: 8, value: 10, seed: 3 } };

fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut dice = SmallRng::seed_from_u64(seed);
    move |bound| dice.random_range(0..bound)
}

fn set_of<'a>(members: impl IntoIterator<Item = &'a str>) -> Set {
    let mut set = Set::default();
    for member in members {
        set.insert(Text::Bytes(member.as_bytes()), &LIMITS);
    }
    set
}

fn ints(range: std::ops::Range<i64>) -> Set {
    let mut set = Set::default();
    range.for_each(|int| assert!(set.insert(Text::Int(int), &LIMITS)));
    set
}

fn members(set: &Set) -> Model {
    let all: Vec<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
    let model: Model = all.iter().cloned().collect();
    assert_eq!(model.len(), all.len(), "a member is shown twice");
    assert_eq!(set.len(), all.len());
    model
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-6i64..20).prop_map(|int| int.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        2 => "[a-d]{0,2}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..16),
        1 => Just(b"007".to_vec()),
        1 => Just(b"-0".to_vec()),
    ]
}

/// Mostly one kind of member, so that small forms live long enough.
fn some_set() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let int = (-6i64..30).prop_map(|int| int.to_string().into_bytes());
    prop_oneof![
        proptest::collection::vec(int, 0..16),
        proptest::collection::vec(member(), 0..7),
        proptest::collection::vec(member(), 0..60),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>),
    InsertInt(i64),
    Remove(Vec<u8>),
    Expect(usize),
    Pop,
    PopMany(usize),
    Draw(u64),
    Sample(usize),
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => member().prop_map(Step::Insert),
        12 => (-3i64..300).prop_map(Step::InsertInt),
        6 => member().prop_map(Step::Remove),
        1 => (0usize..20).prop_map(Step::Expect),
        3 => Just(Step::Pop),
        2 => (0usize..60).prop_map(Step::PopMany),
        2 => (0u64..40).prop_map(Step::Draw),
        2 => (0usize..60).prop_map(Step::Sample),
        1 => Just(Step::Copy),
    ]
}

/// The forms keep to their limits, and the sums are right.
fn check(set: &Set, model: &Model) {
    assert_eq!(&members(set), model);
    for member in model {
        assert!(set.contains(Text::Bytes(member)));
        if let Some(int) = canonical_int(member) {
            assert!(set.contains(Text::Int(int)));
        }
    }
    assert!(!set.contains(Text::Bytes(b"not a member")) && !set.contains(Text::Int(1 << 40)));
    let mut seen = Model::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, |member| _ = seen.insert(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&seen, model);
    match &set.0 {
        Form::Ints(ints) => assert!(ints.len() <= LIMITS.intset_entries),
        Form::Packed(packed) => {
            assert!(packed.len() <= LIMITS.packed.entries);
            assert!(model.iter().all(|member| member.len() <= LIMITS.packed.value));
        }
        Form::Large(large) => {
            let bytes = model.iter().map(|member| size_class(member.len() + 4)).sum::<usize>();
            assert_eq!(large.bytes, bytes);
        }
    }
}

proptest! {
    #[test]
    fn a_set_is_a_set_in_every_form(
        steps in proptest::collection::vec(step(), 0..150),
        seed in any::<u64>(),
    ) {
        let (mut set, mut model) = (Set::default(), Model::new());
        let mut below = dice(seed);
        for step in steps {
            match step {
                Step::Insert(member) => {
                    let new = set.insert(Text::Bytes(&member), &LIMITS);
                    prop_assert_eq!(new, model.insert(member));
                }
                Step::InsertInt(int) => {
                    let new = set.insert(Text::Int(int), &LIMITS);
                    prop_assert_eq!(new, model.insert(int.to_string().into_bytes()));
                }
                Step::Remove(member) => {
                    prop_assert_eq!(set.remove(Text::Bytes(&member)), model.remove(&member));
                }
                Step::Expect(count) => set.expect(count, &LIMITS),
                Step::Pop => {
                    let popped = set.pop(&mut below, |member| member.to_vec());
                    prop_assert_eq!(popped.is_some(), !model.is_empty());
                    prop_assert!(popped.is_none_or(|member| model.remove(&member)));
                }
                Step::PopMany(count) => {
                    let mut popped = Vec::new();
                    let rest =
                        set.pop_many(count, &mut below, &LIMITS, |member| popped.push(member.to_vec()));
                    prop_assert!(rest.is_none_or(|rest| rest.len() == model.len()));
                    prop_assert_eq!(popped.len(), count.min(model.len()));
                    prop_assert!(popped.iter().all(|member| model.remove(member)));
                }
                Step::Draw(count) => {
                    let mut drawn = 0;
                    set.draw(count, &mut below, |member| {
                        drawn += 1;
                        model.contains(&member.to_vec())
                    });
                    prop_assert_eq!(drawn, if model.is_empty() { 0 } else { count });
                }
                Step::Sample(count) => {
                    let mut sample = Vec::new();
                    set.sample(count, &mut below, |member| sample.push(member.to_vec()));
                    prop_assert_eq!(sample.len(), count.min(model.len()));
                    let sample: Model = sample.into_iter().collect();
                    prop_assert_eq!(sample.len(), count.min(model.len()), "a member came twice");
                    prop_assert!(sample.is_subset(&model));
                }
                Step::Copy => {
                    let copy = set.clone();
                    while set.pop(&mut below, |_| ()).is_some() {}
                    check(&set, &Model::new());
                    set = copy;
                }
            }
            check(&set, &model);
        }
    }

    #[test]
    fn what_sets_have_in_common_and_what_not(
        given in proptest::collection::vec(proptest::option::weighted(0.9, some_set()), 1..5),
        twice in any::<bool>(),
        limit in 1usize..10,
    ) {
        let sets: Vec<Option<Set>> = given.iter().map(|given| {
            let members = given.as_ref()?.iter().map(|member| Text::Bytes(member));
            let mut set = Set::default();
            members.for_each(|member| _ = set.insert(member, &LIMITS));
            Some(set)
        }).collect();
        let mut sets: Vec<Option<&Set>> = sets.iter().map(Option::as_ref).collect();
        if twice {
            sets.push(sets[0]);
        }
        let models: Vec<Model> =
            sets.iter().map(|set| set.map(members).unwrap_or_default()).collect();
        let (first, others) = models.split_first().expect("there is one at least");
        let common: Model =
            first.iter().filter(|one| others.iter().all(|set| set.contains(*one))).cloned().collect();
        let any: Model = models.iter().flatten().cloned().collect();
        let alone: Model =
            first.iter().filter(|one| !others.iter().any(|set| set.contains(*one))).cloned().collect();

        type Show = fn(&[Option<&Set>], &mut dyn FnMut(Text) -> std::ops::ControlFlow<()>);
        type Make = fn(&[Option<&Set>], &SetLimits) -> Set;
        let operations: [(&Model, Show, Make); 3] = [
            (&common, |sets, visit| combine::intersect(sets, visit), combine::intersection),
            (&any, |sets, visit| combine::unite(sets, visit), combine::union),
            (&alone, |sets, visit| combine::subtract(sets, visit), combine::difference),
        ];
        for (model, show, make) in operations {
            check(&make(&sets, &LIMITS), model);
            let mut shown = Vec::new();
            show(&sets, &mut |member| {
                shown.push(member.to_vec());
                Continue(())
            });
            prop_assert_eq!(shown.len(), model.len());
            prop_assert_eq!(&shown.into_iter().collect::<Model>(), model);
            let mut count = 0;
            show(&sets, &mut |_| {
                count += 1;
                if count == limit { Break(()) } else { Continue(()) }
            });
            prop_assert_eq!(count, model.len().min(limit));
        }
    }
}

#[test]
fn the_form_is_that_of_redis() {
    let encoding = |set: &Set| set.encoding();
    // Integers stay together up to their own limit, and then become a table at once.
    assert_eq!(encoding(&ints(0..12)), "intset");
    assert_eq!(encoding(&ints(0..13)), "hashtable");
    // A string makes a block of a few integers, and a table of many.
    let with = |mut set: Set, member: &str| {
        assert!(set.insert(Text::Bytes(member.as_bytes()), &LIMITS));
        set
    };
    assert_eq!(encoding(&with(ints(0..7), "a")), "listpack");
    assert_eq!(encoding(&with(ints(0..8), "a")), "hashtable");
    assert_eq!(encoding(&with(ints(0..3), "a long string")), "hashtable");
    assert_eq!(encoding(&with(ints(1 << 40..(1 << 40) + 2), "a")), "hashtable", "long integers");
    assert_eq!(encoding(&with(Set::default(), "a")), "listpack");
    // A block has two limits.
    assert_eq!(encoding(&set_of(["a", "b", "c", "d", "e", "f", "g", "1"])), "listpack");
    assert_eq!(encoding(&set_of(["a", "b", "c", "d", "e", "f", "g", "1", "2"])), "hashtable");
    assert_eq!(encoding(&with(set_of(["a"]), "12345678901")), "hashtable");
    // How many are expected decides too.
    let begun = |first: &'static [u8], count| {
        let mut set = Set::default();
        set.begin_with(Text::Bytes(first), count, &LIMITS);
        encoding(&set)
    };
    assert_eq!([begun(b"1", 12), begun(b"1", 13)], ["intset", "hashtable"]);
    assert_eq!([begun(b"a", 8), begun(b"a", 9)], ["listpack", "hashtable"]);
    let expecting = |mut set: Set, count| {
        set.expect(count, &LIMITS);
        encoding(&set)
    };
    assert_eq!([expecting(ints(0..1), 12), expecting(ints(0..1), 13)], ["intset", "hashtable"]);
    assert_eq!(expecting(set_of(["a"]), 8), "listpack");
    assert_eq!(expecting(set_of(["a"]), 9), "hashtable");
}

#[test]
fn no_form_is_left_by_removing() {
    let mut set = ints(0..13);
    (0..12).for_each(|int| assert!(set.remove(Text::Int(int))));
    assert_eq!(set.encoding(), "hashtable");
    let mut set = set_of(["1", "a"]);
    set.remove(Text::Bytes(b"a"));
    assert_eq!(set.encoding(), "listpack");
}

#[test]
fn the_form_of_what_is_combined() {
    let large = |names: &'static str| {
        let mut set = set_of(names.split(' '));
        (100..120).for_each(|int| _ = set.insert(Text::Int(int), &LIMITS));
        assert_eq!(set.encoding(), "hashtable");
        set
    };
    let (left, right) = (large("a b 1 2 3"), large("x y 1 2 3"));
    let only_ints = ints(1..4);
    let common = combine::intersection(&[Some(&left), Some(&right), Some(&only_ints)], &LIMITS);
    assert_eq!((common.len(), common.encoding()), (3, "intset"));
    let common = combine::intersection(&[Some(&left), Some(&right)], &LIMITS);
    assert_eq!((common.len(), common.encoding()), (23, "hashtable"));
    let (left, right) = (set_of(["a", "1", "2", "x"]), set_of(["b", "1", "2", "x"]));
    let common = combine::intersection(&[Some(&left), Some(&right)], &LIMITS);
    assert_eq!((common.len(), common.encoding()), (3, "listpack"));
    let rest = combine::difference(&[Some(&right), Some(&set_of(["b", "x"]))], &LIMITS);
    assert_eq!((rest.len(), rest.encoding()), (2, "intset"));
    let all = combine::union(&[Some(&left), Some(&right)], &LIMITS);
    assert_eq!((all.len(), all.encoding()), (5, "listpack"));
}

#[test]
fn what_little_stays_of_a_large_set_is_small() {
    let mut below = dice(1);
    let mut set = ints(0..40);
    assert!(set.pop_many(32, &mut below, &LIMITS, |_| ()).is_none());
    assert_eq!(set.encoding(), "hashtable");
    let mut set = ints(0..40);
    assert!(set.pop_many(34, &mut below, &LIMITS, |_| ()).is_some());
    assert_eq!((set.len(), set.encoding()), (6, "listpack"));
}

/// Shows what it has chosen.
type Choose<'a> = dyn FnMut(&mut dyn FnMut(Text)) + 'a;

/// Every member is as likely as every other, in every form and by every way to choose.
#[test]
fn choices_are_fair() {
    let mut below = dice(7);
    let sets = [ints(0..10), set_of(["a", "b", "1", "2", "c", "3"]), ints(100..160)];
    let encodings: Vec<&str> = sets.iter().map(|set| set.encoding()).collect();
    assert_eq!(encodings, ["intset", "listpack", "hashtable"]);
    for set in &sets {
        let len = set.len();
        let fair = |chosen: usize, choose: &mut Choose| {
            let rounds = 400 * len / chosen;
            let mut counts = BTreeMap::<Vec<u8>, f64>::new();
            for _ in 0..rounds {
                choose(&mut |member| *counts.entry(member.to_vec()).or_default() += 1.0);
            }
            let expected = (rounds * chosen) as f64 / len as f64;
            let counted: Vec<f64> =
                set.iter().map(|one| counts.get(&one.to_vec()).copied().unwrap_or(0.0)).collect();
            assert_eq!(counted.iter().sum::<f64>(), (rounds * chosen) as f64);
            let chi: f64 = counted.iter().map(|count| (count - expected).powi(2) / expected).sum();
            let freedom = len as f64 - 1.0;
            assert!(chi <= freedom + 5.0 * (2.0 * freedom).sqrt(), "{chosen} of {len}: {chi}");
        };
        fair(1, &mut |visit| visit(set.random(&mut below).expect("it is not empty")));
        fair(1, &mut |visit| _ = set.clone().pop(&mut below, visit));
        for chosen in [1, len / 5, len / 2, len - 2] {
            let chosen = chosen.max(1);
            fair(chosen, &mut |visit| set.sample(chosen, &mut below, &mut *visit));
            fair(chosen, &mut |visit| {
                drop(set.clone().pop_many(chosen, &mut below, &LIMITS, &mut *visit));
            });
            fair(chosen, &mut |visit| {
                set.draw(chosen as u64, &mut below, |member| {
                    visit(member);
                    true
                });
            });
        }
    }
}

#[test]
fn many_members_take_little_memory() {
    let limits = SetLimits::default();
    let mut set = Set::default();
    for number in 0..200_000u64 {
        set.insert(Text::Bytes(format!("member:{number:09}").as_bytes()), &limits);
    }
    // A blob of 20 bytes takes 24 from the allocator.
    let each = set.memory() as f64 / set.len() as f64;
    assert!(each < 37.0, "{each} bytes for a member of 16 bytes");
    let mut below = dice(5);
    drop(set.pop_many(150_000, &mut below, &limits, |_| ()));
    drop(set.pop_many(49_000, &mut below, &limits, |_| ()));
    assert_eq!(set.len(), 1000);
    assert!(set.memory() < 100 * 1000, "{} bytes for a thousand", set.memory());
    assert_eq!(size_of::<Set>(), 32);
}
