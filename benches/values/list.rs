//! Lists: one of a million items, and one that is a single block.

use crate::common::{shuffled, size};
use criterion::Criterion;
use russet::data::Collection;
use russet::data::limits::ListLimits;
use russet::data::list::{End, List};

const ITEM: &[u8] = b"some element of a list";

fn filled(count: usize, limits: &ListLimits) -> List {
    let mut list = List::default();
    (0..count).for_each(|_| list.push(End::Right, [ITEM].into_iter(), limits));
    list
}

pub fn list(criterion: &mut Criterion) {
    let limits = ListLimits::default();
    for (name, count) in [("list of 100", 100), ("list of a million", size(1_000_000))] {
        let mut list = filled(count, &limits);
        let mut group = criterion.benchmark_group(name);
        let order = shuffled(count);
        let mut numbers = order.iter().copied().cycle();
        let mut next = || numbers.next().expect("it goes round");
        group.bench_function("index", |it| {
            it.iter(|| list.get(next()).map(|item| item.len()));
        });
        group.bench_function("range of 100", |it| {
            it.iter(|| list.iter_from(next()).take(100).map(|item| item.len()).sum::<usize>());
        });
        for (name, end) in [("left", End::Left), ("right", End::Right)] {
            group.bench_function(format!("push and pop, {name}"), |it| {
                it.iter(|| {
                    list.push(end, [ITEM].into_iter(), &limits);
                    list.drop_items(end, 1, &limits);
                });
            });
        }
        group.bench_function("queue: push right, pop left", |it| {
            it.iter(|| {
                list.push(End::Right, [ITEM].into_iter(), &limits);
                list.drop_items(End::Left, 1, &limits);
            });
        });
        assert_eq!(list.len(), count);
    }
}
