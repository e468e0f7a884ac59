//! A sorted set of a million members: how long each operation takes, and bytes for each member.
//!
//! Members have 16 bytes; scores come in random order, ascending, or are all equal.

mod common;

use common::{SEED, allocated, shuffled, size};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use russet::data::Collection;
use russet::data::limits::PackedLimits;
use russet::data::zset::{ScoreRange, ZSet};
use std::hint::black_box;

const MEMBERS: usize = 1_000_000;
const LIMITS: PackedLimits = PackedLimits { entries: 128, value: 64, seed: SEED };

/// A name, and the score of each member.
type Order = (&'static str, fn(usize) -> f64);

const ORDERS: [Order; 3] = [
    ("random scores", |number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as f64),
    ("ascending scores", |number| number as f64),
    ("equal scores", |_| 1.0),
];

fn fill(members: &[String], score: fn(usize) -> f64) -> ZSet {
    let mut set = ZSet::default();
    for (number, member) in members.iter().enumerate() {
        set.set(member.as_bytes(), score(number), LIMITS);
    }
    set
}

fn operations(criterion: &mut Criterion) {
    let members: Vec<String> =
        (0..size(MEMBERS)).map(|number| format!("member:{number:09}")).collect();
    let order = shuffled(members.len());
    for (name, score) in ORDERS {
        let before = allocated();
        let mut set = fill(&members, score);
        let each = |bytes: usize| bytes as f64 / members.len() as f64;
        println!(
            "{name}: {:.1} bytes for each of {} members; MEMORY USAGE says {:.1}",
            each(allocated().saturating_sub(before)),
            members.len(),
            each(set.memory()),
        );
        let mut group = criterion.benchmark_group(name);
        let mut numbers = order.iter().copied().cycle();
        let mut next = || numbers.next().expect("it goes round");
        group.bench_function("score", |it| it.iter(|| set.score(members[next()].as_bytes())));
        group.bench_function("rank", |it| it.iter(|| set.rank(members[next()].as_bytes())));
        group.bench_function("100 by score", |it| {
            it.iter(|| hundred(&set, score(next())));
        });
        group.bench_function("100 by rank", |it| {
            it.iter(|| {
                let first = next();
                set.walk(first..(first + 100).min(set.len()), false)
                    .map(|(_, score)| score)
                    .sum::<f64>()
            });
        });
        group.bench_function("update", |it| {
            let mut turn = 0;
            it.iter(|| {
                turn += 1;
                let (at, number) = (next(), (turn * 7919) % members.len());
                set.set(members[at].as_bytes(), score(number), LIMITS);
            });
        });
        group.bench_function("remove and add", |it| {
            it.iter(|| {
                let at = next();
                black_box(set.remove(members[at].as_bytes()));
                set.set(members[at].as_bytes(), score(at), LIMITS);
            });
        });
        group.throughput(Throughput::Elements(members.len() as u64)).sample_size(10);
        group.bench_function("add all", |it| it.iter_with_large_drop(|| fill(&members, score)));
        group.bench_function("walk over all", |it| {
            it.iter(|| set.iter().map(|(member, score)| member.len() as f64 + score).sum::<f64>());
        });
        group.bench_function("copy", |it| {
            it.iter_batched(|| (), |()| set.clone(), BatchSize::PerIteration);
        });
    }
}

fn hundred(set: &ZSet, min: f64) -> f64 {
    let range = ScoreRange { min, max: f64::INFINITY, above_min: false, below_max: false };
    let ranks = set.ranks_of_scores(range);
    set.walk(ranks.start..ranks.end.min(ranks.start + 100), false).map(|(_, score)| score).sum()
}

criterion_group!(name = benches; config = common::criterion(); targets = operations);
criterion_main!(benches);
