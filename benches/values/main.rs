//! The values that most keys have: packed blocks, lists, sets of integers, hashes, and counters.

#[path = "../common/mod.rs"]
mod common;
mod hash;
mod hyperloglog;
mod intset;
mod list;
mod packed;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    name = benches;
    config = common::criterion();
    targets = packed::packed, list::list, intset::intset, hash::hash, hyperloglog::hyperloglog
);
criterion_main!(benches);
