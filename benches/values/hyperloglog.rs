//! Counters of many elements, brought together: what PFMERGE and PFCOUNT of several keys do.

use criterion::Criterion;
use russet::data::hyperloglog::{Registers, add, empty};

fn sketch(name: &str) -> Vec<u8> {
    let mut sketch = empty();
    for number in 0..50_000 {
        add(&mut sketch, format!("{name}:{number}").as_bytes(), 3000).expect("it is not corrupt");
    }
    sketch
}

pub fn hyperloglog(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hyperloglog");
    let (first, second) = (sketch("first"), sketch("second"));
    let merged = || {
        let mut registers = Registers::new();
        registers.merge(&first).expect("it is not corrupt");
        registers.merge(&second).expect("it is not corrupt");
        registers
    };
    group.bench_function("merge two", |it| it.iter(merged));
    group.bench_function("count two", |it| it.iter(|| merged().estimate()));
    let (registers, mut target) = (merged(), first.clone());
    group.bench_function("store", |it| {
        it.iter(|| registers.store(&mut target, true, 3000));
    });
}
