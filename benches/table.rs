//! The table against hashbrown: a million records, one allocation each, found by key in random order.
//!
//!     cargo bench --bench table [entries]
//!
//! Each line is nanoseconds per operation, the best of several rounds, and so is the longest insert. "batch" hashes 32 keys, asks for
//! their buckets, then for their records, and only then looks: what the server does with a pipeline.

use russet::base::prefetch::prefetch;
use russet::base::table::{Entry, Table};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

const BATCH: usize = 32;
const ROUNDS: usize = 5;
const SEED: u64 = 0x5eed;

/// About as large as a small key with its value.
struct Record {
    key: [u8; 16],
    value: [u8; 24],
}

fn hash_of(key: &[u8; 16]) -> u64 {
    rapidhash::v3::rapidhash_v3_seeded(key, &rapidhash::v3::RapidSecrets::seed_cpp(SEED))
}

struct Owner(Box<Record>);

impl Entry for Owner {
    fn hash(&self, _: u64) -> u64 {
        hash_of(&self.0.key)
    }

    fn prefetch(&self) {
        prefetch(&*self.0);
    }
}

fn key(number: usize) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    for (place, digit) in key[4..].iter_mut().rev().scan(number, |left, place| {
        let digit = (*left % 10) as u8;
        *left /= 10;
        Some((place, digit))
    }) {
        *place += digit;
    }
    key
}

fn record(key: [u8; 16]) -> Box<Record> {
    Box::new(Record { key, value: [1; 24] })
}

fn best(operations: usize, mut round: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        round();
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    (0..ROUNDS).map(time).fold(f64::INFINITY, f64::min)
}

fn main() {
    let entries = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(1_000_000);
    let stored: Vec<_> = (0..entries).map(key).collect();
    // A permutation by a stride that shares no factor with a round number.
    let shuffled = |from: usize| -> Vec<_> {
        (0..entries).map(|at| key(from + at * 7_368_787 % entries)).collect()
    };
    let (hits, misses) = (shuffled(0), shuffled(entries));

    let mut table = Table::new(SEED);
    let mut longest = u128::MAX;
    let insert = best(entries, || {
        table = Table::new(SEED);
        for key in &stored {
            table.insert_new(hash_of(key), Owner(record(*key)));
        }
    });
    for _ in 0..ROUNDS {
        let mut pauses = Table::new(SEED);
        let mut worst = 0;
        for key in &stored {
            let start = Instant::now();
            pauses.insert_new(hash_of(key), Owner(record(*key)));
            worst = worst.max(start.elapsed().as_micros());
        }
        longest = longest.min(worst);
    }
    let find = |keys: &[[u8; 16]]| {
        best(entries, || {
            for key in keys {
                black_box(table.find(hash_of(key), |owner| owner.0.key == *key));
            }
        })
    };
    let find_in_batches = |keys: &[[u8; 16]]| {
        best(entries, || {
            let mut hashes = [0; BATCH];
            for batch in keys.chunks(BATCH) {
                for (hash, key) in hashes.iter_mut().zip(batch) {
                    *hash = hash_of(key);
                    table.prefetch_bucket(*hash);
                }
                for hash in &hashes[..batch.len()] {
                    if let Some(owner) = table.candidate(*hash) {
                        owner.prefetch();
                    }
                }
                for (hash, key) in hashes.iter().zip(batch) {
                    black_box(table.find(*hash, |owner| owner.0.key == *key));
                }
            }
        })
    };
    println!("{entries} entries, ns per operation (find: hit, miss; in batches: hit, miss)");
    println!(
        "table      insert {insert:6.1}  find {:6.1} {:6.1}  batch {:6.1} {:6.1}  {:.2} bytes each, fill {:.3}, longest insert {longest} us",
        find(&hits),
        find(&misses),
        find_in_batches(&hits),
        find_in_batches(&misses),
        table.memory() as f64 / entries as f64,
        table.len() as f64 / table.slots() as f64,
    );
    black_box(table.iter().map(|owner| u64::from(owner.0.value[0])).sum::<u64>());
    drop(table);

    let mut brown = hashbrown::HashTable::new();
    let rehash = |owner: &Owner| hash_of(&owner.0.key);
    let insert = best(entries, || {
        brown = hashbrown::HashTable::new();
        for key in &stored {
            brown.insert_unique(hash_of(key), Owner(record(*key)), rehash);
        }
    });
    longest = u128::MAX;
    for _ in 0..ROUNDS {
        let mut pauses = hashbrown::HashTable::new();
        let mut worst = 0;
        for key in &stored {
            let start = Instant::now();
            pauses.insert_unique(hash_of(key), Owner(record(*key)), rehash);
            worst = worst.max(start.elapsed().as_micros());
        }
        longest = longest.min(worst);
    }
    let find = |keys: &[[u8; 16]]| {
        best(entries, || {
            for key in keys {
                black_box(brown.find(hash_of(key), |owner| owner.0.key == *key));
            }
        })
    };
    println!(
        "hashbrown  insert {insert:6.1}  find {:6.1} {:6.1}  {:.2} bytes each, longest insert {longest} us",
        find(&hits),
        find(&misses),
        brown.allocation_size() as f64 / entries as f64,
    );
}
