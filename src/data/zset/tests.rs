//! Both forms against a sorted vector.

use super::*;
use crate::data::string::Digits;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>, f64, Rule),
    /// Many members, with scores in a direction.
    AddMany(u16, u16, i8),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Copy,
}

type Model = Vec<(f64, Vec<u8>)>;

const SMALL: PackedLimits = PackedLimits { entries: usize::MAX, value: usize::MAX, seed: 7 };
const LARGE: PackedLimits = PackedLimits { entries: 0, value: 0, seed: 7 };

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..400u32).prop_map(|number| number.to_string().into_bytes()),
        proptest::collection::vec(0..3u8, 0..4),
        (0..20u8, 0..90usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3..4i32).prop_map(f64::from),
        2 => (-40..40i32).prop_map(|score| f64::from(score) / 8.0),
        1 => any::<f64>().prop_filter("a score is a number", |score| !score.is_nan()),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e300)],
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let [no, seldom] = [0.0, 0.2];
    let yes = |chance: f64| proptest::bool::weighted(chance.max(no));
    (yes(seldom), yes(seldom), yes(seldom), yes(seldom), yes(seldom)).prop_map(
        |(new_only, known_only, raise_only, lower_only, increment)| Rule {
            new_only,
            known_only,
            raise_only,
            lower_only,
            increment,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (member(), score(), rule()).prop_map(|(member, score, rule)| Step::Add(member, score, rule)),
        4 => member().prop_map(Step::Remove),
        2 => (any::<u16>(), 0..500u16, -1..2i8).prop_map(|(from, n, way)| Step::AddMany(from, n, way)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(at, n)| Step::RemoveRange(at, n)),
        1 => Just(Step::Copy),
    ]
}

fn place(model: &Model, score: f64, member: &[u8]) -> usize {
    model.partition_point(|(other, name)| *other < score || (*other == score && &**name < member))
}

fn add(model: &mut Model, member: &[u8], score: f64, rule: Rule) -> Added {
    let Some(at) = model.iter().position(|(_, name)| name == member) else {
        if rule.known_only {
            return Added::Held;
        }
        model.insert(place(model, score, member), (score, member.to_vec()));
        return Added::New(score);
    };
    let before = model[at].0;
    let after = if rule.increment { before + score } else { score };
    if rule.new_only {
        return Added::Held;
    }
    if after.is_nan() {
        return Added::Nan;
    }
    if (rule.raise_only && after <= before) || (rule.lower_only && after >= before) {
        return Added::Held;
    }
    if before == after {
        return Added::Same(before);
    }
    model.remove(at);
    model.insert(place(model, after, member), (after, member.to_vec()));
    Added::Updated(after)
}

fn all(walk: Walk) -> Model {
    walk.map(|(member, score)| (score, member.to_vec())).collect()
}

/// Everything that can be asked gives what the model says.
fn check(set: &ZSet, model: &Model, asked: &[Vec<u8>], bounds: (f64, f64)) {
    if let Form::Large(large) = &set.0 {
        large.check();
    }
    assert_eq!(set.len(), model.len());
    assert_eq!(all(set.iter()), *model);
    let mut back = all(set.walk(0..set.len(), true));
    back.reverse();
    assert_eq!(back, *model);
    for member in asked {
        let rank = model.iter().position(|(_, name)| name == member);
        assert_eq!(set.rank(member), rank.map(|rank| (rank, model[rank].0)));
        assert_eq!(set.score(member), rank.map(|rank| model[rank].0));
    }
    for (above_min, below_max) in [(false, false), (true, false), (false, true), (true, true)] {
        let range = ScoreRange { min: bounds.0, max: bounds.1, above_min, below_max };
        let ranks = set.ranks_of_scores(range);
        let inside = |score: f64| {
            (if above_min { score > range.min } else { score >= range.min })
                && (if below_max { score < range.max } else { score <= range.max })
        };
        let wanted: Model = model.iter().filter(|(score, _)| inside(*score)).cloned().collect();
        assert_eq!(all(set.walk(ranks.clone(), false)), wanted);
        let mut back = all(set.walk(ranks, true));
        back.reverse();
        assert_eq!(back, wanted);
    }
    let mut seen = Model::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, |member, score| seen.push((score, member.to_vec())));
        if cursor == 0 {
            break;
        }
    }
    seen.sort_by(|a, b| a.partial_cmp(b).expect("scores are numbers"));
    assert_eq!(seen, *model);
    assert_eq!(set.at(model.len()).map(|(_, score)| score), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 24 }))]

    #[test]
    fn both_forms_are_a_sorted_vector(
        steps in proptest::collection::vec(step(), 0..60),
        asked in proptest::collection::vec(member(), 0..8),
        bounds in (score(), score()),
    ) {
        for limits in [SMALL, LARGE, PackedLimits { entries: 128, value: 64, seed: 3 }] {
            let (mut set, mut model) = (ZSet::default(), Model::new());
            for step in &steps {
                match step {
                    Step::Add(member, score, rule) => {
                        let added = set.add(member, *score, *rule, limits);
                        prop_assert_eq!(added, add(&mut model, member, *score, *rule));
                    }
                    Step::AddMany(from, count, way) => {
                        for number in 0..*count {
                            let score = match way {
                                0 => f64::from(number.wrapping_mul(40_503)),
                                way => f64::from(number) * f64::from(*way),
                            };
                            let member = format!("many:{}", from.wrapping_add(number));
                            let member = member.as_bytes();
                            set.set(member, score, limits);
                            add(&mut model, member, score, Rule::default());
                        }
                    }
                    Step::Remove(member) => {
                        let at = model.iter().position(|(_, name)| name == member);
                        prop_assert_eq!(set.remove(member), at.map(|at| model.remove(at).0));
                    }
                    Step::RemoveRange(at, count) => {
                        let start = at % (model.len() + 1);
                        let end = (start + count % 700).min(model.len());
                        let rest = set.remove_range(start..end);
                        prop_assert!(rest.is_none_or(|rest| rest.len() == model.len()));
                        model.drain(start..end);
                    }
                    Step::Copy => set = set.clone(),
                }
                check(&set, &model, &asked, bounds);
            }
            prop_assert_eq!(model.len() > limits.entries && set.encoding() != "skiplist", false);
        }
    }

    #[test]
    fn members_of_one_score_have_ranges(
        members in proptest::collection::vec(member(), 0..300),
        min in member(),
        max in member(),
    ) {
        for limits in [SMALL, LARGE] {
            let mut set = ZSet::default();
            members.iter().for_each(|member| set.set(member, 1.5, limits));
            let sorted: std::collections::BTreeSet<&[u8]> = members.iter().map(|m| &**m).collect();
            use LexBound::{Excluding, Highest, Including, Lowest};
            for low in [Lowest, Highest, Including(&min[..]), Excluding(&min[..])] {
                for high in [Lowest, Highest, Including(&max[..]), Excluding(&max[..])] {
                    let ranks = set.ranks_of_members(LexRange { min: low, max: high });
                    let inside = |member: &[u8]| {
                        (match low {
                            Lowest => true,
                            Highest => false,
                            Including(min) => member >= min,
                            Excluding(min) => member > min,
                        }) && match high {
                            Lowest => false,
                            Highest => true,
                            Including(max) => member <= max,
                            Excluding(max) => member < max,
                        }
                    };
                    let found: Vec<Vec<u8>> =
                        set.walk(ranks, false).map(|(member, _)| member.to_vec()).collect();
                    let wanted: Vec<&[u8]> =
                        sorted.iter().copied().filter(|member| inside(member)).collect();
                    prop_assert_eq!(found, wanted);
                }
            }
        }
    }

    /// Ranges of members where scores differ mean nothing, but they do not panic either.
    #[test]
    fn ranges_of_members_may_be_asked_of_any_set(
        members in proptest::collection::vec((member(), score()), 0..300),
        bound in member(),
    ) {
        for limits in [SMALL, LARGE] {
            let mut set = ZSet::default();
            members.iter().for_each(|(member, score)| set.set(member, *score, limits));
            let range = LexRange { min: LexBound::Including(&bound), max: LexBound::Highest };
            let ranks = set.ranks_of_members(range);
            prop_assert!(ranks.start <= ranks.end && ranks.end <= set.len());
        }
    }
}

/// What a large set goes through while it is handed over.
#[derive(Clone, Debug)]
enum Change {
    Score(usize, f64),
    Add(usize),
    Remove(usize),
    Cut(usize, usize),
    /// Another set has the members from here on, and this one goes.
    Copy,
    Part(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<usize>(), score()).prop_map(|(at, score)| Change::Score(at, score)),
        3 => any::<usize>().prop_map(Change::Add),
        3 => any::<usize>().prop_map(Change::Remove),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(from, len)| Change::Cut(from, len)),
        1 => Just(Change::Copy),
        4 => (0usize..20_000).prop_map(Change::Part),
    ]
}

/// A member of one of several lengths, so that several arrays have chunks, and some records one of their own.
fn member_of(number: usize) -> Vec<u8> {
    let len = [0, 9, 40, 300, 5000][[0, 0, 1, 1, 1, 2, 2, 3, 4, 1][number % 10]];
    format!("{number}:{}", "x".repeat(len)).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]

    /// Whatever happens meanwhile, each member is handed over once, with the score that it had.
    #[test]
    fn a_set_is_handed_over_as_it_was(
        count in 1usize..900,
        before in proptest::collection::vec(any::<usize>(), 0..200),
        changes in proptest::collection::vec(change(), 0..150),
    ) {
        let large = PackedLimits { entries: 0, value: 0, seed: 5 };
        let mut set = ZSet::for_some(1, 0, large);
        (0..count).for_each(|number| set.set(&member_of(number), (number % 7) as f64, large));
        // There may be holes.
        for number in before {
            set.remove(&member_of(number % count));
        }
        set.set(b"one", 1.0, large);
        let known: Vec<(Vec<u8>, f64)> =
            set.iter().map(|(member, score)| (member.to_vec(), score)).collect();
        prop_assert!(set.begin_handover(1) && !set.clone().begin_handover(known.len() + 1));
        let (mut heard, mut next) = (Vec::new(), count);
        let hear = |batch: ScoreBatch, heard: &mut Vec<(Vec<u8>, f64)>| {
            heard.extend(batch.iter().map(|(member, score)| (member.to_vec(), score)));
        };
        for change in changes {
            match change {
                Change::Score(at, score) => set.set(&member_of(at % (count + 20)), score, large),
                Change::Add(many) => {
                    let many = 1 + many % 40;
                    (next..next + many).for_each(|number| set.set(&member_of(number), 3.0, large));
                    next += many;
                }
                Change::Remove(at) => drop(set.remove(&member_of(at % next))),
                Change::Cut(from, len) if !set.is_empty() => {
                    let from = from % set.len();
                    let old = set.remove_range(from..from + len % (set.len() - from + 1));
                    drop(old);
                }
                Change::Cut(..) => (),
                Change::Copy => prop_assert!(set.clone().handover_part(1).is_none()),
                Change::Part(most) => {
                    set.handover_part(most).into_iter().for_each(|part| hear(part, &mut heard));
                }
            }
        }
        while let Some(part) = set.handover_part(500) {
            hear(part, &mut heard);
        }
        let in_order = |mut all: Vec<(Vec<u8>, f64)>| {
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            all
        };
        prop_assert_eq!(in_order(heard), in_order(known));
    }
}

#[test]
fn ends_of_the_order_fill_their_leaves() {
    for sign in [1.0, -1.0] {
        let mut set = ZSet::default();
        for number in 0..20_000u32 {
            set.set(&number.to_be_bytes(), f64::from(number) * sign, LARGE);
        }
        // 4 + 8 + 1 bytes make records of 16, ids are 4 bytes, an entry of the table about 11.
        assert!(set.memory() < 20_000 * 33, "{} bytes each", set.memory() / 20_000);
    }
}

#[test]
fn memory_goes_with_the_members() {
    let mut set = ZSet::default();
    for number in 0..50_000u32 {
        set.set(&number.wrapping_mul(2_654_435_761).to_be_bytes(), f64::from(number % 1000), LARGE);
    }
    let full = set.memory();
    for number in (0..50_000u32).filter(|number| number % 100 != 0) {
        assert!(set.remove(&number.wrapping_mul(2_654_435_761).to_be_bytes()).is_some());
    }
    assert_eq!(set.len(), 500);
    assert!(set.memory() < full / 30, "{} of {full}", set.memory());
}

#[test]
fn a_small_set_becomes_large_by_number_and_by_length() {
    let limits = PackedLimits { entries: 2, value: 4, seed: 0 };
    let mut set = ZSet::default();
    set.set(b"a", 1.0, limits);
    set.set(b"four", 2.5, limits);
    assert_eq!(set.encoding(), "listpack");
    let mut longer = set.clone();
    set.set(b"a", 3.0, limits);
    assert_eq!(set.encoding(), "listpack");
    set.set(b"b", 3.0, limits);
    assert_eq!(set.encoding(), "skiplist");
    longer.remove(b"a");
    longer.set(b"a", 1.0, limits);
    assert_eq!(longer.encoding(), "listpack");
    longer.remove(b"a");
    longer.set(b"fives", 1.0, limits);
    assert_eq!(longer.encoding(), "skiplist");
    assert_eq!(ZSet::for_some(3, 1, limits).encoding(), "skiplist");
    assert_eq!(ZSet::for_some(2, 4, limits).encoding(), "listpack");
    let walk: Vec<_> = set.iter().map(|(m, s)| (m.bytes(&mut Digits::new()).to_vec(), s)).collect();
    assert_eq!(walk, [(b"four".to_vec(), 2.5), (b"a".to_vec(), 3.0), (b"b".to_vec(), 3.0)]);
}
