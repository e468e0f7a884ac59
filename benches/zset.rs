//! A large sorted set: bytes for each member, and nanoseconds for each operation.
//!
//!     cargo bench --bench zset [members]
//!
//! Members have 16 bytes; scores come in random order, ascending, or are all equal. Time is that of
//! the processor, as Linux counts it, so that a busy machine disturbs little.

use russet::data::Collection;
use russet::data::limits::PackedLimits;
use russet::data::zset::{ScoreRange, ZSet};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

const LIMITS: PackedLimits = PackedLimits { entries: 128, value: 64, seed: 0x5eed };

fn allocated() -> usize {
    tikv_jemalloc_ctl::epoch::advance().expect("jemalloc counts");
    tikv_jemalloc_ctl::stats::allocated::read().expect("jemalloc counts")
}

fn processor_ns() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux counts");
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first")
}

fn each(count: usize, work: impl FnOnce()) -> f64 {
    let start = processor_ns();
    work();
    (processor_ns() - start) / count as f64
}

/// A name, and the score of each member.
type Order = (&'static str, fn(usize) -> f64);

fn main() {
    let count = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(1_000_000);
    let members: Vec<String> = (0..count).map(|number| format!("member:{number:09}")).collect();
    // A permutation by a stride that shares no factor with a round number.
    let shuffled: Vec<usize> = (0..count).map(|at| at * 7_368_787 % count).collect();
    let orders: [Order; 3] = [
        ("random", |number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as f64),
        ("ascending", |number| number as f64),
        ("equal", |_| 1.0),
    ];
    for (order, score) in orders {
        let before = allocated();
        let mut set = ZSet::default();
        let insert = each(count, || {
            for (number, member) in members.iter().enumerate() {
                set.set(member.as_bytes(), score(number), LIMITS);
            }
        });
        let bytes = (allocated() - before) as f64 / count as f64;
        let told = set.memory() as f64 / count as f64;
        let find = each(count, || {
            for &at in &shuffled {
                black_box(set.score(members[at].as_bytes()));
            }
        });
        let rank = each(count, || {
            for &at in &shuffled {
                black_box(set.rank(members[at].as_bytes()));
            }
        });
        let walk = each(count, || {
            black_box(set.iter().map(|(member, score)| member.len() as f64 + score).sum::<f64>());
        });
        let hundred = each(count / 100, || {
            for &at in &shuffled[..count / 100] {
                let from = score(at);
                let range = ScoreRange {
                    min: from,
                    max: f64::INFINITY,
                    above_min: false,
                    below_max: false,
                };
                let ranks = set.ranks_of_scores(range);
                let ranks = ranks.start..ranks.end.min(ranks.start + 100);
                black_box(set.walk(ranks, false).map(|(_, score)| score).sum::<f64>());
            }
        });
        let update = each(count, || {
            for (at, &number) in shuffled.iter().enumerate() {
                set.set(members[at].as_bytes(), score(number), LIMITS);
            }
        });
        let copy = each(count, || drop(black_box(set.clone())));
        let remove = each(count, || {
            for &at in &shuffled {
                black_box(set.remove(members[at].as_bytes()));
            }
        });
        println!(
            "{order:9}  {bytes:5.1} bytes ({told:5.1})  insert {insert:5.0}  score {find:4.0}  \
             rank {rank:5.0}  walk {walk:4.1}  100 by score {hundred:6.0}  update {update:5.0}  \
             remove {remove:5.0}  copy {copy:4.0} ns"
        );
    }
}
