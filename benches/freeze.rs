//! What it costs to freeze a large collection, and to change it while its twin is there.
//!
//! Each operation is timed by itself, since what matters is how long one may hold up the others. A twin is
//! taken when nothing is shared (`first`) and when everything is (`again`); then elements are changed in an
//! order without a pattern, so that the first changes copy the chunk that they touch.

mod common;

use common::{SEED, allocated, shuffled, size};
use russet::data::hash::Hash;
use russet::data::limits::{ListBlock, ListLimits, PackedLimits, SetLimits, StreamLimits};
use russet::data::list::{End, List};
use russet::data::set::Set;
use russet::data::stream::{Cut, Delivery, Id, Refs, Stream, Trim};
use russet::data::string::Text;
use russet::data::zset::ZSet;
use russet::data::{Collection, Frozen, Mortal, View};
use russet::world::Millis;
use std::hint::black_box;
use std::time::{Duration, Instant};

const LIMITS: PackedLimits = PackedLimits { entries: 128, value: 64, seed: SEED };
const SET_LIMITS: SetLimits = SetLimits { intset_entries: 512, packed: LIMITS };
const LIST_LIMITS: ListLimits = ListLimits { block: ListBlock::Bytes(8192), alone: None };
const STREAM_LIMITS: StreamLimits = StreamLimits { bytes: 4096, entries: 100 };

/// So many elements are changed while a twin is there.
const CHANGES: usize = 20_000;

fn main() {
    let million = size(1_000_000);
    measure("set", million, set, |set, number| {
        let member = name(number);
        set.remove(Text::Bytes(&member));
        set.insert(Text::Bytes(&member), &SET_LIMITS);
    });
    measure("set, all with deadlines", million, mortal_set, |set, number| {
        set.set_deadline(&name(number), Some(Millis(number as i64 * 2)), SEED);
    });
    measure(
        "hash",
        million,
        |count| hash(count, 16),
        |hash, number| _ = hash.set(&name(number), &[7; 16], LIMITS),
    );
    measure(
        "hash, values of 1 KiB",
        million / 4,
        |count| hash(count, 1024),
        |hash, number| {
            hash.set(&name(number), &[7; 1024], LIMITS);
        },
    );
    measure("sorted set", million, zset, |set, number| {
        set.set(&name(number), number as f64 * 3.0, LIMITS)
    });
    measure("sorted set, come and go", million, zset, |set, number| {
        set.remove(&name(number));
        set.set(&name(number), number as f64, LIMITS);
    });
    measure("list, push and pop", million, list, |list, number| {
        list.push(End::Left, std::iter::once(&name(number)[..]), &LIST_LIMITS);
        list.drop_items(End::Right, 1, &LIST_LIMITS);
    });
    measure("list, anywhere", million, list, |list, number| {
        _ = list.set(number, &name(number), &LIST_LIMITS)
    });
    measure("stream, add and trim", million, stream, |stream, number| {
        add(stream, number);
        let cut = Cut::Length(stream.len() as u64 - 1);
        drop(stream.trim(Trim { cut, roughly: false, limit: None, refs: Refs::Keep }));
    });
    measure("stream, delete anywhere", million, stream, |stream, number| {
        black_box(stream.delete(Id::new(number as u64 + 1, 0)));
    });
    measure("stream, all pending, acknowledge", million, pending_stream, |stream, number| {
        let group = stream.group_mut(b"group").expect("it was made");
        black_box(group.remove(Id::new(number as u64 + 1, 0)));
    });
    let many = size(10_000_000);
    measure("set", many, set, |set, number| _ = set.remove(Text::Bytes(&name(number))));
    measure("sorted set", many, zset, |set, number| {
        set.set(&name(number), number as f64 * 3.0, LIMITS)
    });
    measure("list, anywhere", many, list, |list, number| {
        _ = list.set(number, &name(number), &LIST_LIMITS)
    });
}

fn measure<T: Collection>(
    what: &str,
    count: usize,
    fill: impl FnOnce(usize) -> T,
    mut change: impl FnMut(&mut T, usize),
) {
    if let Some(part) = std::env::args().skip(1).find(|word| !word.starts_with('-'))
        && !what.contains(&part)
    {
        return;
    }
    let mut value = fill(count);
    let order = shuffled(count);
    let order = &order[..CHANGES.min(count)];
    // So that nothing is new to the processor's caches and the allocator.
    order.iter().for_each(|number| change(&mut value, *number));
    let alone = times(order, |number| change(&mut value, number));
    let (before, start) = (allocated(), Instant::now());
    let first = value.freeze();
    let (of_first, taken) = (start.elapsed(), allocated().saturating_sub(before));
    let start = Instant::now();
    let again = value.freeze();
    let of_again = start.elapsed();
    drop(first);
    let shared = times(order, |number| change(&mut value, number));
    let start = Instant::now();
    let walked = walk(&again);
    let walk = start.elapsed();
    let start = Instant::now();
    drop(again);
    let of_drop = start.elapsed();
    let back = times(order, |number| change(&mut value, number));
    println!("{what}, {count} elements: freeze {of_first:?} and {taken} bytes, again {of_again:?}");
    println!("    changes alone {alone}, beside a twin {shared}, after it {back}");
    println!("    the twin is walked in {walk:?} ({walked} elements) and dropped in {of_drop:?}");
}

/// The time of the operation in the middle, of that which one in a hundred exceeds, and the longest.
fn times(order: &[usize], mut change: impl FnMut(usize)) -> String {
    let time = |number: &usize| {
        let start = Instant::now();
        change(*number);
        start.elapsed()
    };
    let mut times: Vec<Duration> = order.iter().map(time).collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("{:?} {:?} {:?}", at(50), at(99), at(100))
}

fn walk(frozen: &Frozen) -> usize {
    match frozen.view() {
        View::Set(set) => set.iter_with_deadlines().map(black_box).count(),
        View::Hash(hash) => hash.iter_with_deadlines().map(black_box).count(),
        View::Scores(scores) => scores.iter_with_deadlines().map(black_box).count(),
        View::List(list) => list.iter().map(black_box).count(),
        View::Stream(stream) => stream.range(Id::MIN, Id::MAX).map(black_box).count(),
        View::Text(_) | View::ZSet(_) => unreachable!("neither is ever frozen"),
    }
}

fn name(number: usize) -> Vec<u8> {
    format!("element:{number:08}").into_bytes()
}

fn set(count: usize) -> Set {
    let mut set = Set::default();
    (0..count).for_each(|number| _ = set.insert(Text::Bytes(&name(number)), &SET_LIMITS));
    set
}

fn mortal_set(count: usize) -> Set {
    let mut set = set(count);
    (0..count)
        .for_each(|number| set.set_deadline(&name(number), Some(Millis(number as i64)), SEED));
    set
}

fn hash(count: usize, len: usize) -> Hash {
    let mut hash = Hash::default();
    let value = vec![b'v'; len];
    (0..count).for_each(|number| _ = hash.set(&name(number), &value, LIMITS));
    hash
}

fn zset(count: usize) -> ZSet {
    let mut set = ZSet::default();
    (0..count).for_each(|number| set.set(&name(number), number as f64, LIMITS));
    set
}

fn list(count: usize) -> List {
    let mut list = List::default();
    for number in 0..count {
        list.push(End::Right, std::iter::once(&name(number)[..]), &LIST_LIMITS);
    }
    list
}

fn stream(count: usize) -> Stream {
    let mut stream = Stream::default();
    (0..count).for_each(|number| add(&mut stream, number));
    stream
}

fn pending_stream(count: usize) -> Stream {
    let mut stream = stream(count);
    stream.create_group(b"group", Id::MIN, None);
    let group = stream.group_mut(b"group").expect("it was just made");
    let (to, _) = group.admit(b"consumer", 0).expect("there is none yet");
    let how = Delivery { to, most: count, now_ms: 1, forgets: false };
    stream.deliver(b"group", how, |_| true, |_, _| ());
    stream
}

fn add(stream: &mut Stream, number: usize) {
    let id = stream.next_id(number as u64 + 1).expect("there are enough");
    let fields = [&b"field"[..], &name(number)];
    let added = stream.add(id, fields.into_iter(), &STREAM_LIMITS);
    added.expect("ids ascend");
}
