//! The index against a plain map of tickets: every deadline is filed once, fires at its millisecond, and
//! takes few bytes, however time and deadlines jump.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

impl Deadlines {
    /// Every entry with its hash and the begin of its slot, after everything was looked at that must hold.
    pub(in crate::keyspace) fn check(&self) -> BTreeMap<u32, (u64, i64)> {
        self.check_with(0)
    }

    /// … where so many slots may have been put together because time was set back.
    fn check_with(&self, merged: usize) -> BTreeMap<u32, (u64, i64)> {
        let Some(index) = &self.index else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        let mut chunks = BTreeSet::new();
        let occupied = index.wheel.occupied();
        assert_eq!(occupied.len(), index.wheel.occupied_slots());
        for slot in occupied {
            let level = slot.level();
            let start = index.wheel.start(slot);
            let width = 1i64 << (8 * level);
            assert!(start >= index.wheel.clock() & -width, "a slot begins before the clock's");
            let head = index.wheel.head(slot);
            let (mut at, mut full) = (head, false);
            loop {
                let chunk = index.chunks.get(at);
                assert!(chunks.insert(at), "a chunk is in one place");
                assert_eq!(chunk.slot, slot.0);
                assert_eq!(index.chunks.get(chunk.next).previous, at);
                assert_ne!(chunk.used, 0);
                assert!(!full || chunk.used == FULL, "those with holes come first");
                full = chunk.used == FULL;
                for (hash, ticket) in index.batch(slot, at).entries() {
                    found.insert(ticket.0, (hash, start));
                }
                at = chunk.next;
                if at == head {
                    break;
                }
            }
        }
        assert_eq!(chunks.into_iter().collect::<Vec<_>>(), index.chunks.all());
        assert_eq!(index.entries, found.len());
        let slots = index.wheel.occupied_slots() + merged;
        let bound = 16 * index.entries + (slots + 2 * SLACK) * 144 + 32_768;
        assert!(self.memory() <= bound, "{} bytes for {}", self.memory(), index.entries);
        found
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Deadlines that are so far away, each a little further than the one before.
    File(i64, usize, i64),
    /// So many of those that are there, from somewhere on, with a stride.
    Remove(usize, usize, usize),
    Pass(i64),
    Sweep(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let span = || {
        prop_oneof![
            6 => 0..40i64,
            4 => 0..3_000i64,
            2 => 0..200_000i64,
            2 => 0..90_000_000i64,
            1 => any::<i64>().prop_map(|span| span / 2),
        ]
    };
    let gap = prop_oneof![Just(0), 0..3i64, 0..2_000i64];
    prop_oneof![
        4 => (span(), 1..80usize, gap).prop_map(|(span, count, gap)| Step::File(span, count, gap)),
        2 => (any::<usize>(), 1..100usize, 1..20usize).prop_map(|(a, n, by)| Step::Remove(a, n, by)),
        3 => span().prop_map(Step::Pass),
        1 => (0..100_000i64).prop_map(|back| Step::Pass(-back)),
        3 => (0..200usize).prop_map(Step::Sweep),
    ]
}

#[derive(Default)]
struct World {
    index: Deadlines,
    now: i64,
    /// Hashes, deadlines, and the latest that each may fire.
    filed: BTreeMap<u32, (u64, i64, i64)>,
    hashes: u64,
    merged: usize,
}

impl World {
    fn file(&mut self, hash: u64, deadline: i64) {
        let (ticket, wake) = self.index.file(Millis(self.now), Millis(deadline), hash);
        assert_ne!(ticket, Ticket::NOWHERE);
        let latest = deadline.max(self.now);
        assert!(wake.0 <= latest);
        let other = self.filed.insert(ticket.0, (hash, deadline, latest));
        assert_eq!(other, None, "a ticket is given once");
    }

    fn remove(&mut self, ticket: u32) {
        self.filed.remove(&ticket).unwrap();
        self.index.remove(Ticket(ticket));
    }

    fn compact(&mut self) {
        let Some(batch) = self.index.loosen() else { return };
        let moved: Vec<_> =
            batch.entries().map(|(_, old)| self.filed.remove(&old.0).unwrap()).collect();
        for (hash, deadline, latest) in moved {
            let ticket = self.index.put_back(&batch, hash);
            assert_eq!(self.filed.insert(ticket.0, (hash, deadline, latest)), None);
        }
        self.index.release(batch);
    }

    /// Looks at what a batch names; says how many of the deadlines had come.
    fn look_at(&mut self, batch: &Batch) -> usize {
        let mut fired = 0;
        for (hash, ticket) in batch.entries() {
            let (known, deadline, _) = self.filed[&ticket.0];
            assert_eq!(known, hash);
            self.remove(ticket.0);
            if deadline > self.now {
                self.file(hash, deadline);
            } else {
                fired += 1;
            }
        }
        batch.entries().for_each(|_| self.compact());
        fired
    }

    fn check(&self) {
        let found = self.index.check_with(self.merged);
        assert_eq!(found.len(), self.filed.len());
        for (ticket, (hash, deadline, latest)) in &self.filed {
            let (known, start) = found[ticket];
            assert_eq!(known, *hash);
            assert!(start <= *latest, "{deadline} fires at {start}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fires_each_deadline_at_its_time(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::default();
        for step in steps {
            match step {
                Step::File(span, count, gap) => {
                    for number in 0..count as i64 {
                        world.hashes += 1;
                        let deadline = world.now.saturating_add(span).saturating_add(number * gap);
                        world.file(world.hashes, deadline.min(i64::MAX - 1));
                    }
                }
                Step::Remove(from, count, stride) => {
                    let all: Vec<u32> = world.filed.keys().copied().collect();
                    let from = from % (all.len() + 1);
                    for ticket in all.iter().skip(from).step_by(stride).take(count) {
                        // An earlier removal may have moved it.
                        if world.filed.contains_key(ticket) {
                            world.remove(*ticket);
                            world.compact();
                        }
                    }
                }
                Step::Pass(span) => {
                    let index = world.index.index.as_ref();
                    let slots = index.map_or(0, |index| index.wheel.occupied_slots());
                    world.merged += if span < 0 { slots } else { 0 };
                    world.now = world.now.saturating_add(span).clamp(0, i64::MAX - 2);
                }
                Step::Sweep(most) => {
                    let mut due = 0;
                    while due < most && let Some(batch) = world.index.due(Millis(world.now)) {
                        due += 1;
                        world.look_at(&batch);
                    }
                    if due < most {
                        let none_due = world.filed.values().all(|filed| filed.2 > world.now);
                        prop_assert!(none_due, "what was not cut short leaves nothing");
                        for _ in due..most {
                            let Some(batch) = world.index.ahead() else { break };
                            prop_assert_eq!(world.look_at(&batch), 0);
                        }
                    }
                }
            }
            world.check();
            let first = world.filed.values().map(|filed| filed.2).min();
            let next = world.index.next(Millis(world.now));
            prop_assert_eq!(first.is_some(), next.is_some());
            prop_assert!(first.is_none_or(|first| next.unwrap().0 <= first.max(world.now + 1)));
        }
        world.now = i64::MAX - 1;
        while let Some(batch) = world.index.due(Millis(world.now)) {
            world.look_at(&batch);
        }
        prop_assert!(world.filed.is_empty());
        world.index.tidy();
        prop_assert_eq!(world.index.memory(), 0);
    }
}

/// Who sleeps until `next` and does what there is to do then sees every deadline in its millisecond, and
/// wakes up a few times for each at most.
#[test]
fn is_punctual_and_wakes_seldom() {
    let spans = [0, 1, 255, 256, 511, 512, 513, 131_071, 131_072, 70_000_000, 40_000_000_000];
    for begin in [0, 1_764_150_000_123i64] {
        let mut world = World { now: begin, ..World::default() };
        for span in spans {
            world.file(span as u64, begin + span);
        }
        let (mut wakes, mut fired) = (0, 0);
        while let Some(next) = world.index.next(Millis(world.now)) {
            world.now = world.now.max(next.0);
            wakes += 1;
            while let Some(batch) = world.index.due(Millis(world.now)) {
                let on_time = batch.entries().all(|(_, ticket)| {
                    let deadline = world.filed[&ticket.0].1;
                    deadline >= world.now
                });
                assert!(on_time, "at {}", world.now);
                fired += world.look_at(&batch);
            }
            while let Some(batch) = world.index.ahead() {
                world.look_at(&batch);
            }
        }
        assert_eq!(fired, spans.len());
        assert!(wakes <= spans.len() * LEVELS, "{wakes}");
    }
}

/// A clock that is set forward by years, and back again, costs no walk through the years.
#[test]
fn time_may_jump() {
    const YEAR: i64 = 31_557_600_000;
    let mut world = World { now: 50 * YEAR, ..World::default() };
    for number in 0..10_000 {
        world.file(number, world.now + 100 + number as i64 * 1_000);
    }
    world.now -= 3 * YEAR;
    assert!(world.index.due(Millis(world.now)).is_none());
    world.check();
    world.file(10_000, world.now + 5);
    world.now += 5;
    let batch = world.index.due(Millis(world.now)).unwrap();
    assert_eq!(world.look_at(&batch), 1, "what was filed since is not late");
    world.now += 100 * YEAR;
    let mut batches = 0;
    while let Some(batch) = world.index.due(Millis(world.now)) {
        batches += 1;
        world.look_at(&batch);
    }
    assert!(world.filed.is_empty() && batches < 2_000, "{batches}");
}

/// What filing and removing cost, for who wants to know:
/// `cargo test --release --lib expiry -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn cost() {
    const KEYS: usize = 1_000_000;
    let hashed = |number: usize| (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (name, span) in [("a minute", 60_000), ("an hour", 3_600_000), ("ten days", 864_000_000)] {
        let mut index = Deadlines::default();
        let deadline = |number: usize| Millis(1 + (hashed(number) >> 20) as i64 % span);
        let begun = std::time::Instant::now();
        let tickets: Vec<Ticket> = (0..KEYS)
            .map(|number| index.file(Millis(0), deadline(number), hashed(number)).0)
            .collect();
        let filed = begun.elapsed();
        let bytes = index.memory();
        let begun = std::time::Instant::now();
        // In another order than they came.
        for number in 0..KEYS {
            index.remove(tickets[number * 7919 % KEYS]);
        }
        let removed = begun.elapsed();
        println!(
            "{name}: filing {} ns, removing {} ns, {:.1} bytes",
            filed.as_nanos() / KEYS as u128,
            removed.as_nanos() / KEYS as u128,
            bytes as f64 / KEYS as f64
        );
    }
}
