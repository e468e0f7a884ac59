//! Sets of integers in their compact form, as large as it gets.

use crate::common::shuffled;
use criterion::{BatchSize, Criterion};
use russet::data::intset::IntSet;

const MEMBERS: usize = 512;

pub fn intset(criterion: &mut Criterion) {
    for (name, step) in [("intset of 512, 2 bytes", 7), ("intset of 512, 8 bytes", 1 << 40)] {
        let order = shuffled(MEMBERS);
        let value = |number: usize| number as i64 * step;
        let build = || {
            let mut set = IntSet::default();
            order.iter().for_each(|&number| assert!(set.insert(value(number))));
            set
        };
        let mut set = build();
        let mut numbers = order.iter().copied().cycle();
        let mut next = || numbers.next().expect("it goes round");
        let mut group = criterion.benchmark_group(name);
        group.bench_function("contains", |it| it.iter(|| set.contains(value(next()))));
        group.bench_function("walk over all", |it| it.iter(|| set.iter().sum::<i64>()));
        group.bench_function("remove and insert", |it| {
            it.iter(|| {
                let value = value(next());
                set.remove(value) && set.insert(value)
            });
        });
        group.bench_function("build", |it| {
            it.iter_batched(|| (), |()| build(), BatchSize::SmallInput)
        });
    }
}
