//! What the benches share: the server's allocator, keys, an order to ask for them in, and settings.
//!
//!     cargo bench --bench NAME [-- PART OF A BENCHMARK'S NAME]
//!
//! A time is that of one operation unless the group says how many elements a run has. The processor's
//! caches decide much of it, so structures are as large as they get in a server, and are asked in an order
//! that is none of theirs.
#![allow(dead_code, reason = "not every bench needs everything")]

use criterion::Criterion;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

pub const SEED: u64 = 0x5eed;

/// Settings under which a whole bench takes a minute or two.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(20)
}

/// `full`, or little if `cargo test --benches` only looks whether the bench still runs.
pub fn size(full: usize) -> usize {
    if is_measured() { full } else { full.min(2000) }
}

pub fn is_measured() -> bool {
    std::env::args().any(|word| word == "--bench")
}

pub type Key = [u8; 16];

/// Keys as applications make them: a prefix and a number.
pub fn keys(from: usize, count: usize) -> Vec<Key> {
    let key = |number| format!("key:{number:012}").into_bytes().try_into();
    (from..from + count).map(|number| key(number).expect("twelve digits are enough")).collect()
}

/// The numbers up to `count` in an order without a pattern.
pub fn shuffled(count: usize) -> Vec<usize> {
    use rand::{SeedableRng, seq::SliceRandom};
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut rand::rngs::SmallRng::seed_from_u64(SEED));
    order
}

/// Bytes that the allocator has given out.
pub fn allocated() -> usize {
    tikv_jemalloc_ctl::epoch::advance().expect("jemalloc counts");
    tikv_jemalloc_ctl::stats::allocated::read().expect("jemalloc counts")
}
