//! Who goes, under every policy: never a key that may not, mostly the right one, and in the end all.

use super::*;
use crate::data::Mortal;
use crate::data::hash::Hash;
use crate::data::limits::PackedLimits;
use crate::keyspace::Life;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

const SET: Event = Event::string("set");

fn keyspace(policy: MaxmemoryPolicy, seed: u64) -> Keyspace {
    let mut keyspace = Keyspace::new(4, seed);
    keyspace.begin(Millis(1_000_000));
    configure(&mut keyspace, policy);
    keyspace
}

fn configure(keyspace: &mut Keyspace, policy: MaxmemoryPolicy) {
    let policy = Policy::from(policy);
    keyspace.eviction.configure(policy, 5, true, &[]);
    keyspace.aging = policy.ages(keyspace.aging);
}

fn put(keyspace: &mut Keyspace, db: usize, key: &str, life: Life) {
    keyspace.put_text(db, key.as_bytes(), b"value", life, SET);
}

fn all_policies() -> impl Strategy<Value = MaxmemoryPolicy> {
    use MaxmemoryPolicy::*;
    prop::sample::select(vec![
        VolatileLru,
        VolatileLfu,
        VolatileLrm,
        VolatileRandom,
        VolatileTtl,
        AllkeysLru,
        AllkeysLfu,
        AllkeysLrm,
        AllkeysRandom,
        Noeviction,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One key goes each time, of those that may go, until none is left of them.
    #[test]
    fn all_that_may_go_goes_and_nothing_else(
        policy in all_policies(),
        keys in prop::collection::btree_map((0..4usize, 0..500u32), any::<Option<u32>>(), 0..300),
        seed in any::<u64>(),
    ) {
        let mut keyspace = keyspace(policy, seed);
        for ((db, key), life) in &keys {
            let life = life.map(|span| Millis(1_000_001 + i64::from(span)));
            put(&mut keyspace, *db, &key.to_string(), life.into());
        }
        let terms = Policy::from(policy);
        let may_go = |life: &Option<u32>| match terms.by {
            By::Nothing => false,
            _ => !terms.volatile || life.is_some(),
        };
        let mut left = keys.values().filter(|life| may_go(life)).count();
        let stays = keys.len() - left;
        while left > 0 {
            prop_assert_eq!(keyspace.evict(Whose::All), Evicted::One);
            left -= 1;
            let all: usize = (0..4).map(|db| keyspace.db(db).len()).sum();
            prop_assert_eq!(all, stays + left);
        }
        prop_assert_eq!(keyspace.evict(Whose::All), Evicted::Nothing);
        for ((db, key), life) in &keys {
            prop_assert_eq!(keyspace.contains(*db, key.to_string().as_bytes()), !may_go(life));
        }
        for db in 0..4 {
            let db = keyspace.db(db);
            prop_assert!(db.sizes().agrees_with(db.records()));
            let expires = db.records().filter(|record| record.deadline().is_some()).count();
            prop_assert_eq!(db.expires(), expires);
        }
        prop_assert_eq!(keyspace.counters.evicted as usize, keys.len() - stays);
    }

    /// Under `volatile-ttl` what goes is the next to expire, or as near to it as half of the time that is left; of a
    /// rule as well.
    #[test]
    fn the_next_to_expire_goes_first(
        spans in prop::collection::vec(prop_oneof![1..500i64, 1..100_000_000i64], 1..200),
        put_off in prop::collection::vec((any::<prop::sample::Index>(), 1..100_000_000i64), 0..50),
        whose in prop::sample::select(vec![None, Some(Whose::All), Some(Whose::Rule(0))]),
        seed in any::<u64>(),
    ) {
        use MaxmemoryPolicy::{Noeviction, VolatileTtl};
        let mut keyspace = match whose {
            None => keyspace(VolatileTtl, seed),
            Some(Whose::All) => with_rules(VolatileTtl, vec![rule(None, "x", Noeviction, 0)], seed),
            Some(_) => with_rules(Noeviction, vec![rule(None, "", VolatileTtl, 0)], seed),
        };
        let whose = whose.unwrap_or(Whose::All);
        let now = keyspace.now().0;
        let mut model = BTreeMap::new();
        for (number, span) in spans.iter().enumerate() {
            put(&mut keyspace, number % 4, &number.to_string(), Life::Until(Millis(now + span)));
            model.insert(number, *span);
        }
        // These are filed where they were, and found out when their turn comes.
        for (which, more) in put_off {
            let number = which.index(spans.len());
            let span = model[&number] + more;
            let key = number.to_string();
            keyspace.set_deadline(number % 4, key.as_bytes(), Some(Millis(now + span)), SET);
            model.insert(number, span);
        }
        while !model.is_empty() {
            prop_assert_eq!(keyspace.evict(whose), Evicted::One);
            let gone: Vec<usize> = model
                .keys()
                .copied()
                .filter(|number| !keyspace.contains(number % 4, number.to_string().as_bytes()))
                .collect();
            prop_assert_eq!(gone.len(), 1);
            let first = *model.values().min().unwrap();
            let span = model.remove(&gone[0]).unwrap();
            prop_assert!(span <= 2 * first + 600, "{} went before {}", span, first);
        }
    }
}

/// How often a key is found, if it is stored whenever it is not, and at most so many fit.
fn hits(policy: MaxmemoryPolicy, fit: usize, requests: impl Iterator<Item = (i64, u32)>) -> f64 {
    let mut keyspace = keyspace(policy, 7);
    let (mut hits, mut all) = (0, 0);
    for (second, key) in requests {
        keyspace.begin(Millis(second * 1000));
        keyspace.aging.set_clock(second as u32);
        let key = key.to_string();
        all += 1;
        if keyspace.touch(0, key.as_bytes()).is_some() {
            hits += 1;
            continue;
        }
        put(&mut keyspace, 0, &key, Life::Until(Millis(i64::MAX / 2)));
        if keyspace.db(0).len() > fit {
            assert_eq!(keyspace.evict(Whose::All), Evicted::One);
        }
    }
    f64::from(hits) / f64::from(all)
}

/// Keys of which the first are asked for most, as Zipf found it with words; a hundred requests a second.
fn zipf(count: u32) -> impl Iterator<Item = (i64, u32)> {
    let mut dice = SmallRng::seed_from_u64(1);
    (0..count).map(move |at| {
        // With an exponent of one the logarithm of the rank is even.
        let rank = (f64::from(10_000u32).ln() * dice.random::<f64>()).exp();
        (i64::from(at / 100) + 10_000, rank as u32)
    })
}

/// The same, and every other request is for a key that nobody asked for before or does again.
fn polluted(count: u32) -> impl Iterator<Item = (i64, u32)> {
    zipf(count).enumerate().map(|(at, (second, key))| match at % 2 {
        0 => (second, key),
        _ => (second, 1_000_000 + at as u32),
    })
}

#[test]
fn what_is_used_stays() {
    use MaxmemoryPolicy::*;
    let (random, lru, lfu) = (
        hits(AllkeysRandom, 1000, zipf(60_000)),
        hits(AllkeysLru, 1000, zipf(60_000)),
        hits(AllkeysLfu, 1000, zipf(60_000)),
    );
    assert!(lru > random + 0.03, "{lru} {random}");
    assert!(lfu > random + 0.05, "{lfu} {random}");
    // Those that are drawn from the index of deadlines are as good.
    for (volatile, all) in [(VolatileLru, lru), (VolatileLfu, lfu)] {
        let volatile = hits(volatile, 1000, zipf(60_000));
        assert!((volatile - all).abs() < 0.02, "{volatile} {all}");
    }
}

#[test]
fn a_scan_does_not_drive_out_what_is_used_often() {
    use MaxmemoryPolicy::*;
    let lru = hits(AllkeysLru, 1000, polluted(60_000));
    let lfu = hits(AllkeysLfu, 1000, polluted(60_000));
    assert!(lfu > lru + 0.02, "{lfu} {lru}");
}

/// Under LRM what is read is as old as when it was written.
#[test]
fn reading_makes_nothing_younger_that_goes_by_its_last_change() {
    let mut keyspace = keyspace(MaxmemoryPolicy::AllkeysLrm, 3);
    keyspace.aging.set_clock(1000);
    put(&mut keyspace, 0, "read", Life::Forever);
    put(&mut keyspace, 0, "written", Life::Forever);
    keyspace.aging.set_clock(2000);
    keyspace.touch(0, b"read");
    put(&mut keyspace, 0, "written", Life::Forever);
    assert_eq!(keyspace.evict(Whose::All), Evicted::One);
    assert!(keyspace.contains(0, b"written") && !keyspace.contains(0, b"read"));
}

/// A policy that is changed looks at the keys anew.
#[test]
fn a_policy_can_be_changed_at_any_time() {
    use MaxmemoryPolicy::*;
    let mut keyspace = keyspace(AllkeysLru, 5);
    for number in 0..200 {
        let life = match number % 2 {
            0 => Life::Forever,
            _ => Life::Until(Millis(9_000_000)),
        };
        put(&mut keyspace, 0, &number.to_string(), life);
    }
    for (policy, left) in [(AllkeysLfu, 190), (VolatileTtl, 180), (VolatileLru, 170)] {
        configure(&mut keyspace, policy);
        for _ in 0..10 {
            assert_eq!(keyspace.evict(Whose::All), Evicted::One);
        }
        assert_eq!(keyspace.db(0).len(), left);
    }
}

/// A key that may go is found among very many that only their elements' deadlines are filed of, and nobody waits
/// for that long.
#[test]
fn few_that_may_go_are_found_a_few_buckets_at_a_time() {
    use MaxmemoryPolicy::*;
    for policy in [VolatileTtl, VolatileRandom, VolatileLru] {
        let mut keyspace = keyspace(policy, 5);
        for number in 0..20_000 {
            let key = format!("hash:{number}");
            let mut hash = keyspace.edit_or_new::<Hash>(0, key.as_bytes()).expect("it is new");
            hash.set(b"field", b"value", PackedLimits { entries: 9, value: 64, seed: 3 });
            hash.set_deadline(b"field", Some(Millis(9_000_000_000)), 3);
            hash.done(Event::hash("hset"));
        }
        put(&mut keyspace, 0, "mortal", Life::Until(Millis(9_000_000_000)));
        let mut slices = 1;
        while keyspace.evict(Whose::All) == Evicted::NotYet {
            slices += 1;
        }
        assert!(!keyspace.contains(0, b"mortal") && slices < 40, "{policy:?}: {slices}");
        assert_eq!(keyspace.db(0).len(), 20_000);
        assert_eq!(keyspace.evict(Whose::All), Evicted::Nothing);
    }
}

fn rule(db: Option<u32>, prefix: &str, policy: MaxmemoryPolicy, limit: u64) -> MemoryRule {
    MemoryRule { db, prefix: prefix.into(), policy, limit }
}

fn with_rules(policy: MaxmemoryPolicy, rules: Vec<MemoryRule>, seed: u64) -> Keyspace {
    let mut keyspace = keyspace(policy, seed);
    keyspace.eviction.configure(Policy::from(policy), 5, true, &rules);
    keyspace.set_rules(rules);
    keyspace
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each key goes by the policy of its own rule, and all that may go does in the end, however few they are.
    #[test]
    fn each_key_goes_by_its_own_rule(
        policies in prop::collection::vec(all_policies(), 4),
        keys in prop::collection::btree_map((0..4usize, 0..4usize, 0..400u32), any::<bool>(), 0..300),
        wanted in 0..5usize,
        seed in any::<u64>(),
    ) {
        let rules = vec![
            rule(None, "a:", policies[1], 0),
            rule(Some(2), "", policies[2], 0),
            rule(None, "a:b:", policies[3], 0),
        ];
        let mut keyspace = with_rules(policies[0], rules, seed);
        // By hand: the rule of a key, where the longest prefix wins.
        let names = ["x", "a:", "a:b:", "b"];
        let group = |db: usize, name: usize| match (names[name], db) {
            ("a:b:", _) => 3,
            ("a:", _) => 1,
            (_, 2) => 2,
            _ => 0,
        };
        let mut left = Vec::new();
        for ((db, name, number), volatile) in &keys {
            let key = format!("{}{number}", names[*name]);
            let life = if *volatile { Life::Until(Millis(2_000_000)) } else { Life::Forever };
            put(&mut keyspace, *db, &key, life);
            let group = group(*db, *name);
            let policy = Policy::from(policies[group]);
            let may_go = policy.by != By::Nothing && (*volatile || !policy.volatile);
            left.push((*db, key, group, may_go));
        }
        // Of one rule first, and then of all.
        if wanted < 3 {
            let of_it = left.iter().filter(|it| it.2 == wanted + 1 && it.3).count();
            for _ in 0..of_it {
                prop_assert_eq!(keyspace.evict(Whose::Rule(wanted)), Evicted::One);
            }
            prop_assert_eq!(keyspace.evict(Whose::Rule(wanted)), Evicted::Nothing);
            left.iter_mut().filter(|it| it.2 == wanted + 1 && it.3).for_each(|it| it.2 = 9);
        }
        for _ in 0..left.iter().filter(|it| it.3 && it.2 != 9).count() {
            prop_assert_eq!(keyspace.evict(Whose::All), Evicted::One);
        }
        prop_assert_eq!(keyspace.evict(Whose::All), Evicted::Nothing);
        for (db, key, _, may_go) in left {
            prop_assert_eq!(keyspace.contains(db, key.as_bytes()), !may_go, "{}", key);
        }
        let rules = keyspace.rules().unwrap().clone();
        let counted: Vec<_> = (0..3).map(|rule| rules.sum(rule)).collect();
        prop_assert_eq!(counted, keyspace.recount());
    }
}

/// How many keys of a rule went is known wherever the rule stands and whatever becomes of it, and of no other one.
#[test]
fn what_went_is_told_of_the_rule_that_it_was_under() {
    use MaxmemoryPolicy::*;
    let (one, two) = (rule(None, "a:", AllkeysRandom, 0), rule(Some(0), "a:", AllkeysLru, 0));
    let mut keyspace = with_rules(Noeviction, vec![one.clone(), two], 1);
    for key in ["a:1", "a:2", "a:3"] {
        put(&mut keyspace, 1, key, Life::Forever);
    }
    put(&mut keyspace, 0, "a:1", Life::Forever);
    for (rule, times) in [(0, 3), (1, 1)] {
        (0..times).for_each(|_| assert_eq!(keyspace.evict(Whose::Rule(rule)), Evicted::One));
    }
    let mut went = |rules: Vec<MemoryRule>| -> Vec<u64> {
        keyspace.eviction.configure(Policy::from(Noeviction), 5, true, &rules);
        (0..rules.len()).map(|rule| keyspace.eviction.evicted_of(rule)).collect()
    };
    let changed = rule(Some(0), "a:", AllkeysLfu, 100);
    assert_eq!(went(vec![changed.clone(), one.clone()]), [1, 3]);
    assert_eq!(went(vec![one.clone()]), [3]);
    assert_eq!(went(vec![changed, one]), [0, 3]);
}

/// What the ages say depends on the rule, so a rule that counts uses does so under a server that looks at times.
#[test]
fn ages_are_of_the_kind_that_the_rule_needs() {
    use MaxmemoryPolicy::*;
    let mut keyspace = with_rules(AllkeysLru, vec![rule(None, "often:", AllkeysLfu, 0)], 1);
    keyspace.aging.set_clock(100_000);
    put(&mut keyspace, 0, "often:a", Life::Forever);
    put(&mut keyspace, 0, "a", Life::Forever);
    for _ in 0..100 {
        keyspace.touch(0, b"often:a");
    }
    let aging = keyspace.aging_for(0, b"often:a");
    assert!(aging.lfu && aging.frequency(keyspace.record(0, b"often:a").unwrap()) > 5);
    let aging = keyspace.aging_for(0, b"a");
    assert!(!aging.lfu && aging.idle_seconds(keyspace.record(0, b"a").unwrap()) == 0);
    // Who moves from one to the other begins anew.
    keyspace.rename(0, b"often:a", b"b");
    let aging = keyspace.aging_for(0, b"b");
    assert_eq!(aging.idle_seconds(keyspace.record(0, b"b").unwrap()), 0);
    keyspace.rename(0, b"a", b"often:b");
    let aging = keyspace.aging_for(0, b"often:b");
    assert_eq!(aging.frequency(keyspace.record(0, b"often:b").unwrap()), 5);
}
