//! Deadlines among a million others: given, moved, taken away with their key, and come to pass.

mod common;

use common::{SEED, keys, shuffled, size};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use russet::keyspace::{Event, Keyspace, Life};
use russet::world::Millis;

const KEYS: usize = 1_000_000;
/// How many come due at once in the sweep.
const DUE: usize = 100_000;
const DAY_MS: i64 = 86_400_000;

fn set() -> Event {
    Event::string("set")
}

/// Keys whose deadlines are spread over a day.
fn filled(keys: &[common::Key]) -> Keyspace {
    let mut keyspace = Keyspace::new(1, SEED);
    for (number, key) in keys.iter().enumerate() {
        let deadline = DAY_MS + number as i64 * 7919 % DAY_MS;
        keyspace.put_text(0, key, b"session", Life::Until(Millis(deadline)), set());
    }
    keyspace
}

fn deadlines(criterion: &mut Criterion) {
    let keys = keys(0, size(KEYS));
    let order = shuffled(keys.len());
    let mut numbers = order.iter().copied().cycle();
    let mut next = || &keys[numbers.next().expect("it goes round")];
    let mut keyspace = filled(&keys);
    let mut group = criterion.benchmark_group("deadline");
    let mut later = 2 * DAY_MS;
    group.bench_function("postpone", |it| {
        it.iter(|| {
            later += 1;
            keyspace.set_deadline(0, next(), Some(Millis(later)), set());
        });
    });
    let mut earlier = DAY_MS;
    group.bench_function("bring forward", |it| {
        it.iter(|| {
            earlier -= 1;
            keyspace.set_deadline(0, next(), Some(Millis(earlier.max(1))), set());
        });
    });
    group.bench_function("SET with a deadline over one that had one", |it| {
        it.iter(|| {
            later += 1;
            keyspace.put_text(0, next(), b"session", Life::Until(Millis(later)), set());
        });
    });
    group.bench_function("remove a key and SET it anew", |it| {
        it.iter(|| {
            let key = next();
            later += 1;
            keyspace.remove(0, key, Event::DEL);
            keyspace.put_text(0, key, b"session", Life::Until(Millis(later)), set());
        });
    });
    group.bench_function("the same without deadlines", |it| {
        it.iter(|| {
            let key = next();
            keyspace.remove(0, key, Event::DEL);
            keyspace.put_text(0, key, b"session", Life::Forever, set());
        });
    });
}

fn sweep(criterion: &mut Criterion) {
    let keys = keys(0, size(DUE));
    let mut group = criterion.benchmark_group("sweep");
    group.throughput(Throughput::Elements(keys.len() as u64)).sample_size(10);
    for (name, spread_ms) in
        [("a storm of equal deadlines", 1), ("deadlines over an hour", 3_600_000)]
    {
        let due = || {
            let mut keyspace = Keyspace::new(1, SEED);
            keyspace.begin(Millis(1));
            for (number, key) in keys.iter().enumerate() {
                let deadline = Millis(1000 + number as i64 * 7919 % spread_ms);
                keyspace.put_text(0, key, b"session", Life::Until(deadline), set());
            }
            keyspace
        };
        group.bench_function(name, |it| {
            it.iter_batched_ref(
                due,
                |keyspace| {
                    keyspace.begin(Millis(1000 + spread_ms));
                    while keyspace.sweep(1000) {}
                    assert!(keyspace.db(0).is_empty());
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(name = benches; config = common::criterion(); targets = deadlines, sweep);
criterion_main!(benches);
