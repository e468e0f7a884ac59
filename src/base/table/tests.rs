use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::HashMap;

thread_local! {
    /// How often an entry was hashed again, which is how often one was moved by a rebuild.
    static MOVED: Cell<usize> = const { Cell::new(0) };
}

/// An entry that knows its hash, so that tests can choose it.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    hash: u64,
    key: u64,
}

impl Entry for Box<Item> {
    type Sharing = Shares;

    fn copied(&self, _: Shares) -> Box<Item> {
        self.clone()
    }

    fn hash(&self, _: u64) -> u64 {
        MOVED.set(MOVED.get() + 1);
        self.hash
    }
}

type Items = Table<Box<Item>>;

fn mix(key: u64) -> u64 {
    let x = (key ^ key >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 32
}

fn put(table: &mut Items, hash: u64, key: u64) {
    assert_eq!(table.insert_new(hash, Box::new(Item { hash, key })).key, key);
}

fn has(table: &Items, hash: u64, key: u64) -> bool {
    table.find(hash, |item| item.key == key).is_some()
}

fn scan_all(table: &Items) -> Vec<u64> {
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = table.scan(cursor, |item| seen.push(item.key));
        if cursor == 0 {
            return seen;
        }
    }
}

/// Everything that must hold between two operations.
fn check(table: &Items) {
    let mut buckets = 0;
    let mut len = 0;
    let mut expected = 0;
    let mut order: Vec<_> = table.segments.iter().collect();
    order.sort_by_key(|segment| segment.first());
    for segment in order {
        segment.check();
        assert_eq!(u128::from(segment.first()), expected, "the ranges have no gap");
        expected += 1u128 << (64 - segment.depth());
        buckets += segment.buckets();
        len += segment.len();
        assert!(segment.places() <= table.widest);
        for &index in &table.directory[table.cover(segment)] {
            assert!(std::ptr::eq(&table.segments[index as usize], segment));
        }
    }
    assert_eq!(table.buckets, buckets);
    assert_eq!(table.len, len);
    let deepest = table.segments.iter().filter(|segment| segment.depth() == table.depth).count();
    assert_eq!(table.deepest, deepest);
    if !table.segments.is_empty() {
        assert_eq!(expected, 1 << 64);
        assert_eq!(table.directory.len(), 1 << table.depth);
        assert!(table.deepest > 0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u16),
    Remove(u16),
    InsertMany(u16, u16),
    RemoveMany(u16, u16),
    Scan,
    Retain(u8),
    Pop(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<u16>().prop_map(Step::Insert),
        6 => any::<u16>().prop_map(Step::Remove),
        2 => (any::<u16>(), 0..3000u16).prop_map(|(from, n)| Step::InsertMany(from, n)),
        2 => (any::<u16>(), 0..9000u16).prop_map(|(from, n)| Step::RemoveMany(from, n)),
        4 => Just(Step::Scan),
        1 => (1..8u8).prop_map(Step::Retain),
        2 => any::<u8>().prop_map(Step::Pop),
    ];
    prop::collection::vec(step, 1..60)
}

/// Ways in which hashes may be bad.
fn hashes() -> impl Strategy<Value = fn(u64) -> u64> {
    prop_oneof![
        4 => Just(mix as fn(u64) -> u64),
        1 => Just((|key| mix(key) & 0xffff) as fn(u64) -> u64),
        1 => Just((|key| mix(key) | !0 << 44) as fn(u64) -> u64),
        1 => Just((|key| mix(key) >> (key % 30)) as fn(u64) -> u64),
        1 => Just((|key| mix(key % 50)) as fn(u64) -> u64),
        1 => Just((|key| key << 48) as fn(u64) -> u64),
    ]
}

/// A scan under way: its cursor, the keys that were there when it began and still are, and what it saw.
struct Walk {
    cursor: u64,
    owed: HashMap<u64, u64>,
    seen: HashMap<u64, u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_like_a_map_under_any_scan(steps in steps(), hash in hashes()) {
        let mut table = Items::new(1);
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut walk = Walk { cursor: 0, owed: HashMap::new(), seen: HashMap::new() };
        for step in steps {
            let insert = |table: &mut Items, model: &mut HashMap<u64, u64>, key: u64| {
                if model.insert(key, hash(key)).is_none() {
                    put(table, hash(key), key);
                }
            };
            let remove = |table: &mut Items, model: &mut HashMap<u64, u64>, walk: &mut Walk, key: u64| {
                let removed = table.remove(hash(key), |item| item.key == key);
                assert_eq!(removed.map(|item| item.key), model.remove(&key).map(|_| key));
                walk.owed.remove(&key);
                // An entry that leaves and comes back may be seen again.
                walk.seen.remove(&key);
            };
            match step {
                Step::Insert(key) => insert(&mut table, &mut model, key.into()),
                Step::InsertMany(from, n) => {
                    for key in u64::from(from)..u64::from(from) + u64::from(n) {
                        insert(&mut table, &mut model, key);
                    }
                }
                Step::Remove(key) => remove(&mut table, &mut model, &mut walk, key.into()),
                Step::RemoveMany(from, n) => {
                    for key in u64::from(from)..u64::from(from) + u64::from(n) {
                        remove(&mut table, &mut model, &mut walk, key);
                    }
                }
                Step::Retain(modulus) => {
                    let modulus = u64::from(modulus);
                    table.retain(|item| item.key % modulus != 0);
                    model.retain(|key, _| key % modulus != 0);
                    walk.owed.retain(|key, _| key % modulus != 0);
                    walk.seen.retain(|key, _| key % modulus != 0);
                }
                Step::Pop(count) => {
                    let mut state = u64::from(count);
                    for _ in 0..count {
                        let mut below = |n: u64| {
                            state = mix(state + 1);
                            state % n
                        };
                        let popped = table.pop(&mut below);
                        prop_assert_eq!(popped.is_some(), !model.is_empty());
                        let Some(item) = popped else { break };
                        prop_assert_eq!(model.remove(&item.key), Some(item.hash));
                        walk.owed.remove(&item.key);
                        walk.seen.remove(&item.key);
                    }
                }
                Step::Scan => {
                    if walk.cursor == 0 {
                        walk.owed = model.clone();
                        walk.seen.clear();
                    }
                    for _ in 0..20 {
                        let before = walk.cursor;
                        let mut twice = None;
                        walk.cursor = table.scan(before, |item| {
                            if walk.seen.insert(item.key, item.hash).is_some() {
                                twice = Some(item.key);
                            }
                            walk.owed.remove(&item.key);
                        });
                        prop_assert_eq!(twice, None, "seen twice");
                        prop_assert!(walk.cursor < 1 << 53);
                        if walk.cursor == 0 {
                            prop_assert!(walk.owed.is_empty(), "missed {:?}", walk.owed);
                            break;
                        }
                        prop_assert!(walk.cursor > before);
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
        check(&table);
        for (&key, &hash) in &model {
            prop_assert!(has(&table, hash, key));
            prop_assert_eq!(table.find_mut(hash, |item| item.key == key).map(|item| item.key), Some(key));
        }
        for key in 70_000..70_500 {
            prop_assert!(!has(&table, hash(key), key));
        }
        let mut expected: Vec<u64> = model.into_keys().collect();
        expected.sort_unstable();
        let mut seen: Vec<u64> = table.iter().map(|item| item.key).collect();
        seen.sort_unstable();
        prop_assert_eq!(&seen, &expected);
        let mut seen = scan_all(&table);
        seen.sort_unstable();
        prop_assert_eq!(&seen, &expected);
        let copy = table.clone();
        table.retain(|_| false);
        check(&copy);
        let mut seen: Vec<u64> =
            copy.into_pieces().flat_map(Piece::into_entries).map(|item| item.key).collect();
        seen.sort_unstable();
        prop_assert_eq!(&seen, &expected);
    }

    #[test]
    fn any_number_is_a_cursor(cursor in any::<u64>(), size in 0..9000u64) {
        let mut table = Items::new(1);
        (0..size).for_each(|key| put(&mut table, mix(key), key));
        let next = table.scan(cursor, |item| assert!(position(item.hash) >= cursor));
        prop_assert!(next == 0 || next > cursor);
    }
}

/// The next bucket's place in the order is known exactly: no position belongs to two.
#[test]
fn a_scan_is_in_the_order_of_positions() {
    let mut table = Items::new(1);
    (0..40_000).for_each(|key| put(&mut table, mix(key), key));
    let mut cursor = 0;
    loop {
        let mut positions = Vec::new();
        let next = table.scan(cursor, |item| positions.push(position(item.hash)));
        let end = if next == 0 { cursor::END } else { next };
        assert!(positions.iter().all(|&at| (cursor..end).contains(&at)));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
}

#[test]
fn memory_follows_the_number_of_entries() {
    let mut table = Items::new(1);
    let (mut worst, mut sum, mut samples) = (0.0f64, 0.0, 0.0);
    let mut longest = 0;
    for key in 0..600_000u64 {
        MOVED.set(0);
        put(&mut table, mix(key), key);
        longest = longest.max(MOVED.get());
        if key > 20_000 && key % 4096 == 0 {
            let each = table.memory() as f64 / table.len() as f64;
            worst = worst.max(each);
            sum += each;
            samples += 1.0;
        }
    }
    check(&table);
    assert!(worst < 12.6, "{worst} bytes per entry at worst");
    assert!(sum / samples < 11.7, "{} bytes per entry on average", sum / samples);
    assert!(
        longest <= MAX_BUCKETS * SLOTS + MAX_BUCKETS / 5,
        "{longest} entries moved by one insertion"
    );
}

#[test]
fn mass_deletion_gives_the_memory_back() {
    let mut table = Items::new(1);
    (0..300_000).for_each(|key| put(&mut table, mix(key), key));
    let mut longest = 0;
    for key in 0..299_997 {
        MOVED.set(0);
        assert!(table.remove(mix(key), |item| item.key == key).is_some());
        longest = longest.max(MOVED.get());
        if key % 10_000 == 0 {
            check(&table);
            assert!(table.memory() as f64 / (table.len() as f64) < 64.0 / 7.0 / 0.50);
        }
    }
    check(&table);
    assert!(longest <= MAX_BUCKETS * SLOTS, "{longest} entries moved by one removal");
    assert_eq!(table.segments.len(), 1);
    assert!(table.memory() <= 512, "{} bytes for three entries", table.memory());
}

#[test]
fn a_small_table_is_small() {
    let mut table = Items::new(1);
    assert_eq!(table.memory(), 0);
    assert!(
        !has(&table, 1, 1) && table.remove(1, |_| true).is_none() && table.scan(0, |_| ()) == 0
    );
    assert!(table.random(&mut |_| 0).is_none());
    (0..3).for_each(|key| put(&mut table, mix(key), key));
    assert!(table.memory() <= 512, "{} bytes for three entries", table.memory());
}

#[test]
fn a_flood_of_collisions_grows_nothing() {
    type Hash = fn(u64) -> u64;
    let same: Hash = |_| 0xdead_beef_dead_beef;
    let same_top: Hash = |key| 0xdead_beef_0000_0000 | mix(key) >> 32;
    let same_bottom: Hash = |key| key << 60;
    for hash in [same, same_top, same_bottom] {
        let mut table = Items::new(1);
        for key in 0..3000 {
            put(&mut table, hash(key), key);
        }
        check(&table);
        assert!(table.directory.len() <= 1 && table.slots() <= 400, "{}", table.slots());
        assert!((0..3000).all(|key| has(&table, hash(key), key)));
        assert_eq!(scan_all(&table).len(), 3000);
        for key in 0..3000 {
            assert!(table.remove(hash(key), |item| item.key == key).is_some());
        }
        check(&table);
        assert!(table.memory() <= 512);
    }
}

/// The worst that a knower of the seed can do to the directory: a branch that gets ever deeper.
#[test]
fn a_deep_branch_does_not_blow_up_the_directory() {
    let mut table = Items::new(1);
    let mut key = 0;
    for depth in 0..34 {
        for _ in 0..3000 {
            put(&mut table, mix(key) >> depth, key);
            key += 1;
        }
    }
    check(&table);
    assert!(table.directory.len() <= DIRECTORY_PER_SEGMENT * table.segments.len());
    assert!((0..key).all(|key| has(&table, mix(key) >> (key / 3000), key)));
}

#[test]
fn a_random_pick_is_fair() {
    let mut state = 7u64;
    let mut below = |n: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(state)) * u128::from(n)) >> 64) as u64
    };
    for size in [1u64, 5, 40, 9000] {
        let mut table = Items::new(1);
        (0..size).for_each(|key| put(&mut table, mix(key), key));
        // Uneven on purpose: half of the range is thinned out, not yet enough to be rebuilt.
        (0..size / 4).filter(|&key| mix(key) >> 63 == 0).for_each(|key| {
            table.remove(mix(key), |item| item.key == key);
        });
        let throws = size * 200;
        let mut counts: HashMap<u64, u64> = HashMap::new();
        for _ in 0..throws {
            *counts.entry(table.random(&mut below).unwrap().key).or_default() += 1;
        }
        let expected = throws as f64 / table.len() as f64;
        let square = |count: u64| (count as f64 - expected).powi(2) / expected;
        let all = table.iter().map(|item| counts.get(&item.key).copied().unwrap_or(0));
        let chi: f64 = all.map(square).sum();
        let freedom = table.len() as f64 - 1.0;
        // Five standard deviations of the chi-square distribution.
        assert!(chi <= freedom + 5.0 * (2.0 * freedom).sqrt() + 1.0, "{size}: {chi}");
    }
}

#[test]
fn a_random_pick_ends_whatever_the_dice_say() {
    let mut table = Items::new(1);
    (0..500).for_each(|key| put(&mut table, 7, key));
    (0..5000).for_each(|key| put(&mut table, mix(key), 1000 + key));
    assert!(table.random(&mut |_| 0).is_some());
    assert!(table.random(&mut |n| n - 1).is_some());
}

#[test]
fn the_candidate_is_what_a_search_finds() {
    let mut table = Items::new(1);
    (0..5000).for_each(|key| put(&mut table, mix(key), key));
    let hits = (0..5000).filter(|&key| {
        table.prefetch_bucket(mix(key));
        table.candidate(mix(key)).is_some_and(|item| item.key == key)
    });
    assert!(hits.count() > 4500);
}

#[test]
fn capacity_asked_for_is_there() {
    let mut table = Items::with_capacity(1, 50_000);
    let slots = table.slots();
    check(&table);
    (0..50_000).for_each(|key| put(&mut table, mix(key), key));
    check(&table);
    assert_eq!(slots, table.slots());
}
