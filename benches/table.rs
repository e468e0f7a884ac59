//! The table against hashbrown: a million records, one allocation each, found by key in an order that
//! the caches do not know.
//!
//! "batch" hashes 32 keys, asks for their buckets, then for their records, and only then looks: what
//! the server does with a pipeline. What a time of many runs cannot say comes first: bytes for each
//! entry, and the longest single insert, which is as long as the longest pause.

mod common;

use common::{Key, SEED, keys, shuffled, size};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use russet::base::held::Never;
use russet::base::prefetch::prefetch;
use russet::base::table::{Entry, Table, hash};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ENTRIES: usize = 1_000_000;
const BATCH: usize = 32;

/// About as large as a small key with its value.
struct Record {
    key: Key,
    value: [u8; 24],
}

struct Owner(Box<Record>);

impl Owner {
    fn new(key: &Key) -> Owner {
        Owner(Box::new(Record { key: *key, value: [1; 24] }))
    }
}

impl Entry for Owner {
    type Sharing = Never;

    fn copied(&self, never: Never) -> Owner {
        match never {}
    }

    fn hash(&self, seed: u64) -> u64 {
        hash(seed, &self.0.key)
    }

    fn prefetch(&self) {
        prefetch(&*self.0);
    }
}

type Brown = hashbrown::HashTable<Owner>;

fn fill(keys: &[Key]) -> Table<Owner> {
    let mut table = Table::new(SEED);
    keys.iter().for_each(|key| _ = table.insert_new(hash(SEED, key), Owner::new(key)));
    table
}

fn fill_brown(keys: &[Key]) -> Brown {
    let mut brown = Brown::new();
    keys.iter().for_each(|key| insert_brown(&mut brown, key));
    brown
}

fn insert_brown(brown: &mut Brown, key: &Key) {
    brown.insert_unique(hash(SEED, key), Owner::new(key), |owner| owner.hash(SEED));
}

fn find(criterion: &mut Criterion) {
    let stored = keys(0, size(ENTRIES));
    let order = shuffled(stored.len());
    let hits: Vec<Key> = order.iter().map(|&at| stored[at]).collect();
    let misses = keys(stored.len(), stored.len());
    let (table, brown) = (fill(&stored), fill_brown(&stored));
    for (name, wanted) in [("find a hit", &hits), ("find a miss", &misses)] {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("table", |bencher| {
            let mut wanted = wanted.iter().cycle();
            bencher.iter(|| {
                let key = wanted.next().expect("it goes round");
                table.find(hash(SEED, key), |owner| owner.0.key == *key).is_some()
            });
        });
        group.bench_function("hashbrown", |bencher| {
            let mut wanted = wanted.iter().cycle();
            bencher.iter(|| {
                let key = wanted.next().expect("it goes round");
                brown.find(hash(SEED, key), |owner| owner.0.key == *key).is_some()
            });
        });
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function("table, a batch of 32", |bencher| {
            let mut batches = wanted.chunks_exact(BATCH).cycle();
            bencher.iter(|| find_batch(&table, batches.next().expect("it goes round")));
        });
    }
}

fn find_batch(table: &Table<Owner>, keys: &[Key]) -> usize {
    let hashes: [u64; BATCH] = std::array::from_fn(|at| hash(SEED, &keys[at]));
    hashes.iter().for_each(|hash| table.prefetch_bucket(*hash));
    hashes.iter().filter_map(|hash| table.candidate(*hash)).for_each(Entry::prefetch);
    let both = hashes.iter().zip(keys);
    both.filter(|(hash, key)| table.find(**hash, |owner| owner.0.key == **key).is_some()).count()
}

/// Growing from nothing; a key leaves and another comes; a walk over everything.
fn change(criterion: &mut Criterion) {
    let stored = keys(0, size(ENTRIES));
    let order = shuffled(stored.len());
    let all = Throughput::Elements(stored.len() as u64);
    let mut group = criterion.benchmark_group("grow to a million");
    group.throughput(all.clone()).sample_size(10);
    group.bench_function("table", |it| it.iter_with_large_drop(|| fill(&stored)));
    group.bench_function("hashbrown", |it| it.iter_with_large_drop(|| fill_brown(&stored)));
    group.finish();

    let (mut table, mut brown) = (fill(&stored), fill_brown(&stored));
    let mut group = criterion.benchmark_group("scan");
    group.throughput(all).sample_size(10);
    group.bench_function("table, by cursor", |it| it.iter(|| scan(&table)));
    group.bench_function("table, at one go", |it| {
        it.iter(|| table.iter().map(|owner| u64::from(owner.0.value[0])).sum::<u64>());
    });
    group.bench_function("hashbrown, at one go", |it| {
        it.iter(|| brown.iter().map(|owner| u64::from(owner.0.value[0])).sum::<u64>());
    });
    group.finish();

    let mut group = criterion.benchmark_group("remove and insert");
    group.bench_function("table", |bencher| {
        let mut order = order.iter().cycle();
        bencher.iter(|| {
            let key = &stored[*order.next().expect("it goes round")];
            let hash = hash(SEED, key);
            black_box(table.remove(hash, |owner| owner.0.key == *key));
            table.insert_new(hash, Owner::new(key));
        });
    });
    group.bench_function("hashbrown", |bencher| {
        let mut order = order.iter().cycle();
        bencher.iter(|| {
            let key = &stored[*order.next().expect("it goes round")];
            let entry = brown.find_entry(hash(SEED, key), |owner| owner.0.key == *key);
            black_box(entry.map(|entry| entry.remove().0).ok());
            insert_brown(&mut brown, key);
        });
    });
}

fn scan(table: &Table<Owner>) -> u64 {
    let (mut sum, mut cursor) = (0, 0);
    loop {
        cursor = table.scan(cursor, |owner| sum += u64::from(owner.0.value[0]));
        if cursor == 0 {
            return sum;
        }
    }
}

/// What is no time of one operation.
fn shape(_: &mut Criterion) {
    let stored = keys(0, size(ENTRIES));
    let (table, brown) = (fill(&stored), fill_brown(&stored));
    let each = |bytes: usize| bytes as f64 / stored.len() as f64;
    println!(
        "{} entries: table {:.2} bytes each, {:.1} % full; hashbrown {:.2} bytes each",
        stored.len(),
        each(table.memory()),
        100.0 * table.len() as f64 / table.slots() as f64,
        each(brown.allocation_size()),
    );
    let (mut ours, mut theirs) = (Table::new(SEED), Brown::new());
    let ours = longest(&stored, |key| _ = ours.insert_new(hash(SEED, key), Owner::new(key)));
    let theirs = longest(&stored, |key| insert_brown(&mut theirs, key));
    println!("the longest insert: table {ours:?}, hashbrown {theirs:?}\n");
}

fn longest(keys: &[Key], mut insert: impl FnMut(&Key)) -> Duration {
    let time = |key| {
        let start = Instant::now();
        insert(key);
        start.elapsed()
    };
    keys.iter().map(time).max().unwrap_or_default()
}

criterion_group!(name = benches; config = common::criterion(); targets = shape, find, change);
criterion_main!(benches);
