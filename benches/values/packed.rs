//! A packed block as small values have it: 128 items of some 20 bytes, every fourth an integer.

use criterion::{BatchSize, Criterion};
use russet::data::packed::Packed;

const ITEMS: usize = 128;

fn items() -> Vec<String> {
    let item = |number: usize| match number % 4 {
        0 => (number * 1_000).to_string(),
        _ => format!("some element:{number:07}"),
    };
    (0..ITEMS).map(item).collect()
}

fn block() -> Packed {
    let mut packed = Packed::new();
    items().iter().for_each(|item| packed.push_back(item.as_bytes()));
    packed
}

pub fn packed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packed block of 128");
    let block = block();
    let items = items();
    let mut numbers = (0..ITEMS).map(|number| number * 37 % ITEMS).cycle();
    let mut next = || numbers.next().expect("it goes round");
    group.bench_function("find", |it| it.iter(|| block.find(items[next()].as_bytes(), 0, 1)));
    group.bench_function("find what is not there", |it| {
        it.iter(|| block.find(b"some element:9999999", 0, 1));
    });
    group.bench_function("seek", |it| it.iter(|| block.seek(next())));
    group.bench_function("get", |it| {
        it.iter(|| block.get(next()).map(|text| text.len()));
    });
    group.bench_function("walk over all", |it| {
        it.iter(|| block.iter().map(|text| text.len()).sum::<usize>());
    });
    for (name, push) in [
        ("push at the back", Packed::push_back as fn(&mut Packed, &[u8])),
        ("push at the front", Packed::push_front),
    ] {
        group.bench_function(name, |it| {
            it.iter_batched_ref(
                || block.clone(),
                |block| push(block, b"some element:9999999"),
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("build", |it| {
        it.iter(|| {
            let mut packed = Packed::new();
            items.iter().for_each(|item| packed.push_back(item.as_bytes()));
            packed
        });
    });
}
