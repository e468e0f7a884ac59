//! Hashes: one of a few fields, one as large as a packed block gets, and one of a million.

use crate::common::{SEED, shuffled, size};
use criterion::Criterion;
use russet::data::hash::Hash;
use russet::data::limits::PackedLimits;

const LIMITS: PackedLimits = PackedLimits { entries: 128, value: 64, seed: SEED };

pub fn hash(criterion: &mut Criterion) {
    let counts = [("hash of 8", 8), ("hash of 128", 128), ("hash of a million", size(1_000_000))];
    for (name, count) in counts {
        let fields: Vec<String> = (0..count).map(|number| format!("field:{number:07}")).collect();
        let mut hash = Hash::new();
        for field in &fields {
            hash.set(field.as_bytes(), b"a value of a field", LIMITS);
        }
        let order = shuffled(count);
        let mut numbers = order.iter().copied().cycle();
        let mut next = || fields[numbers.next().expect("it goes round")].as_bytes();
        let mut group = criterion.benchmark_group(name);
        group.bench_function("get", |it| it.iter(|| hash.get(next()).map(|value| value.len())));
        group
            .bench_function("get what is not there", |it| it.iter(|| hash.contains(b"field:none")));
        group.bench_function("set what is there", |it| {
            it.iter(|| hash.set(next(), b"another value now", LIMITS));
        });
        group.bench_function("remove and set", |it| {
            it.iter(|| {
                let field = next();
                hash.remove(field) && hash.set(field, b"a value of a field", LIMITS)
            });
        });
        if count <= LIMITS.entries {
            group.bench_function("walk over all", |it| {
                it.iter(|| {
                    hash.iter().map(|(field, value)| field.len() + value.len()).sum::<usize>()
                });
            });
        }
    }
}
