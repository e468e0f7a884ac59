//! What is written is read again, whatever it is, in each version; also what the version has no place for.

use super::read::{Footer, Item, Reader, Shapes, restore};
use super::write::{Life, Options, Version, Writer, dump};
use crate::data::hash::Hash;
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::stream::{Delivery, Id, Memory, Pending, Stream};
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::data::{Mortal, Value};
use crate::world::Millis;
use proptest::collection::vec;
use proptest::prelude::*;

const VERSIONS: [Version; 4] = [Version::V10, Version::V11, Version::V12, Version::Valkey80];

/// Numbers, short strings, and long ones that can be compressed or cannot.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-300i64..300).prop_map(|number| number.to_string().into_bytes()),
        vec(any::<u8>(), 0..6),
        vec(any::<u8>(), 60..70),
        (1usize..200, vec(any::<u8>(), 1..5)).prop_map(|(times, bytes)| bytes.repeat(times)),
    ]
}

/// A small hash or a large one is a matter of the shapes.
fn shapes() -> impl Strategy<Value = Shapes> {
    (0usize..40, 1usize..100).prop_map(|(entries, value)| {
        let mut shapes = Shapes::default();
        for limits in [&mut shapes.set.packed, &mut shapes.zset, &mut shapes.hash] {
            (limits.entries, limits.value, limits.seed) = (entries, value, 7);
        }
        shapes.set.intset_entries = entries;
        shapes.stream.entries = entries / 4 + 1;
        shapes
    })
}

/// A deadline for some.
fn deadline() -> impl Strategy<Value = Option<Millis>> {
    prop::option::weighted(0.3, (1i64..1 << 45).prop_map(Millis))
}

#[derive(Clone, Debug)]
enum Plan {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<(Vec<u8>, Option<Millis>)>),
    Ints(Vec<i64>),
    ZSet(Vec<(Vec<u8>, f64, Option<Millis>)>),
    Hash(Vec<(Vec<u8>, Vec<u8>, Option<Millis>)>),
    Stream(Vec<Step>),
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u64, u8, Vec<u8>),
    Delete(usize),
    Group(u8),
    Deliver(u8, u8, usize, i64),
    GiveBack(u8, usize),
    Record(u8, Vec<u8>, usize),
    LastId(u64),
}

fn plan() -> impl Strategy<Value = Plan> {
    let score = prop_oneof![
        (-100i32..100).prop_map(f64::from),
        any::<f64>().prop_filter("a score is a number", |score| !score.is_nan()),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ];
    let width = prop_oneof![Just(10u32), Just(30), Just(62)];
    let ints = (width, vec(any::<i64>(), 1..80));
    let step = prop_oneof![
        6 => (0u64..3, 0u64..3, 0u8..4, word()).prop_map(|(ms, seq, names, value)| Step::Add(ms, seq, names, value)),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => (0u8..3).prop_map(Step::Group),
        2 => (0u8..3, 0u8..3, 0usize..5, 0i64..1 << 42)
            .prop_map(|(group, to, most, at)| Step::Deliver(group, to, most, at)),
        1 => (0u8..3, any::<usize>()).prop_map(|(group, which)| Step::GiveBack(group, which)),
        1 => (0u8..3, word(), any::<usize>()).prop_map(|(who, name, which)| Step::Record(who, name, which)),
        1 => (0u64..5).prop_map(Step::LastId),
    ];
    prop_oneof![
        word().prop_map(Plan::Text),
        vec(word(), 1..60).prop_map(Plan::List),
        vec((word(), deadline()), 1..60).prop_map(Plan::Set),
        ints.prop_map(|(bits, ints)| Plan::Ints(
            ints.iter().map(|int| int >> (64 - bits)).collect()
        )),
        vec((word(), score, deadline()), 1..60).prop_map(Plan::ZSet),
        vec((word(), word(), deadline()), 1..60).prop_map(Plan::Hash),
        vec(step, 1..80).prop_map(Plan::Stream),
    ]
}

fn value(plan: &Plan, shapes: &Shapes) -> Value {
    match plan {
        Plan::Text(text) => Value::Text(text.clone()),
        Plan::List(items) => {
            let mut list = List::default();
            list.push(End::Right, items.iter().map(|item| item.as_slice()), &shapes.list);
            Value::List(list)
        }
        Plan::Set(members) => {
            let mut set = Set::default();
            set.begin_with(Text::Bytes(&members[0].0), members.len(), &shapes.set);
            for (member, _) in members {
                set.insert(Text::Bytes(member), &shapes.set);
            }
            for (member, deadline) in members.iter().filter(|(_, deadline)| deadline.is_some()) {
                set.set_deadline(member, *deadline, 7);
            }
            Value::Set(set)
        }
        Plan::Ints(ints) => {
            let mut set = Set::default();
            set.begin_with(Text::Int(ints[0]), ints.len(), &shapes.set);
            for int in ints {
                set.insert(Text::Int(*int), &shapes.set);
            }
            Value::Set(set)
        }
        Plan::ZSet(members) => {
            let mut set = ZSet::default();
            for (member, score, deadline) in members {
                set.set(member, *score, shapes.zset);
                if deadline.is_some() {
                    set.set_deadline(member, *deadline, 7);
                }
            }
            Value::ZSet(set)
        }
        Plan::Hash(pairs) => {
            let mut hash = Hash::default();
            for (field, value, deadline) in pairs {
                hash.set(field, value, shapes.hash);
                if deadline.is_some() {
                    hash.set_deadline(field, *deadline, 7);
                }
            }
            Value::Hash(hash)
        }
        Plan::Stream(steps) => Value::Stream(Box::new(stream(steps, shapes))),
    }
}

const IDMP: Memory = Memory { seconds: 100, entries: 10 };

fn stream(steps: &[Step], shapes: &Shapes) -> Stream {
    let mut stream = Stream::default();
    let mut ids = Vec::new();
    let group_name = |number: u8| format!("group{number}").into_bytes();
    for step in steps {
        match step {
            Step::Add(ms, seq, names, value) => {
                let last = stream.last_id();
                let id = match ms {
                    0 => Id::new(last.ms, last.seq + seq + 1),
                    ms => Id::new(last.ms + ms * 1000, *seq),
                };
                let fields: Vec<Vec<u8>> = (0..names % 3 + 1)
                    .flat_map(|name| [vec![b'f' + name], value.clone()])
                    .collect();
                stream.add(id, fields.iter().map(|item| item.as_slice()), &shapes.stream).unwrap();
                ids.push(id);
            }
            Step::Delete(which) if !ids.is_empty() => {
                stream.delete(ids[which % ids.len()]);
            }
            Step::Group(number) => {
                let read = (number % 2 == 0).then_some(0);
                stream.create_group(&group_name(*number), Id::MIN, read);
            }
            Step::Deliver(number, to, most, at) => {
                let name = group_name(*number);
                let Some(group) = stream.group_mut(&name) else { continue };
                let (to, _) = group.admit(format!("consumer{to}").as_bytes(), *at).unwrap();
                let how = Delivery { to, most: *most, now_ms: *at, forgets: false };
                stream.deliver(&name, how, |_| true, |_, _| ());
            }
            Step::GiveBack(number, which) => {
                let Some(group) = stream.group_mut(&group_name(*number)) else { continue };
                let pending: Vec<Pending> = group.pending_from(Id::MIN).copied().collect();
                if let Some(pending) = pending.get(which % pending.len().max(1)) {
                    group.put(Pending::new(pending.id(), None, 0, u64::MAX >> 1));
                    if which % 5 == 0 {
                        group.dismiss(b"consumer0");
                    }
                }
            }
            Step::Record(who, name, which) if !ids.is_empty() => {
                let id = ids[which % ids.len()];
                let producers = stream.producers_mut();
                if *who == 0 {
                    producers.set_memory(Some(50), None, IDMP);
                }
                producers.record(&[b'p', *who], name, id, 0, IDMP);
            }
            Step::LastId(more) => {
                let last = stream.last_id();
                stream.set_last_id(Id::new(last.ms + more, last.seq), None, None);
            }
            _ => (),
        }
    }
    stream
}

/// All there is of a value, also what equal values need not agree on.
fn whole(value: &Value) -> Vec<Vec<u8>> {
    let mut parts = value.view().parts();
    if let Value::Stream(stream) = value {
        for (name, group) in stream.groups() {
            parts.push(name.to_vec());
            for (owner, consumer) in group.consumers() {
                let pending: Vec<Id> = consumer.pending_ids().collect();
                let about = (
                    owner == group.find(&consumer.name).unwrap(),
                    consumer.seen_ms,
                    consumer.active_ms,
                );
                parts.push(format!("{:?} {about:?} {pending:?}", consumer.name).into_bytes());
            }
            for pending in group.pending_from(Id::MIN) {
                let owner = pending.owner().map(|owner| group.consumer(owner).name.clone());
                let about = (pending.id(), owner, pending.time_ms(), pending.count());
                parts.push(format!("{about:?}").into_bytes());
            }
        }
        if let Some(producers) = stream.producers() {
            let about = (producers.own(), producers.added, producers.duplicates);
            parts.push(format!("{about:?}").into_bytes());
            let mut all: Vec<Vec<u8>> = producers
                .iter()
                .map(|(name, entries)| {
                    format!("{name:?} {:?}", entries.collect::<Vec<_>>()).into_bytes()
                })
                .filter(|line| !line.ends_with(b"[]"))
                .collect();
            all.sort();
            parts.extend(all);
        }
    }
    parts
}

/// Version 10 does not say when a consumer got something last.
fn forget_active(plan: &Plan, value: &mut Value) {
    let Value::Stream(stream) = value else { return };
    let Plan::Stream(_) = plan else { return };
    let names: Vec<Vec<u8>> = stream.groups().map(|(name, _)| name.to_vec()).collect();
    for name in names {
        let group = stream.group_mut(&name).unwrap();
        let owners: Vec<_> = group.consumers().map(|(owner, _)| owner).collect();
        for owner in owners {
            group.consumer_mut(owner).active_ms = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn payloads_are_read_again(plan in plan(), shapes in shapes(), compress in any::<bool>()) {
        let original = value(&plan, &shapes);
        for version in VERSIONS {
            let options = Options { version, compress, checksum: true };
            let payload = dump(original.view(), options);
            let mut read = restore(&payload, &shapes, Footer::default())
                .map_err(|refused| TestCaseError::fail(format!("{version:?}: {refused:?}")))?;
            let mut original = original.clone();
            if version == Version::V10 {
                forget_active(&plan, &mut read);
                forget_active(&plan, &mut original);
            }
            prop_assert_eq!(whole(&read), whole(&original), "{:?}", version);
        }
    }

    #[test]
    fn dumps_are_read_again(
        plans in vec((word(), plan(), deadline(), 0usize..3), 1..20),
        shapes in shapes(),
        compress in any::<bool>(),
    ) {
        for version in VERSIONS {
            let mut writer = Writer::new(Options { version, compress, checksum: true });
            let mut bytes = Vec::new();
            writer.header(&[("redis-ver", b"8.4.0")]);
            let mut flush = |buffer: &mut Vec<u8>| {
                bytes.append(buffer);
                Ok(())
            };
            for (key, plan, deadline, db) in &plans {
                writer.select(*db);
                let life = Life { deadline: *deadline, idle_seconds: Some(5), frequency: None };
                match plan {
                    Plan::Text(text) if text.len() > 100 => {
                        writer.begin_text(key, life, text.len());
                        for part in text.chunks(30) {
                            writer.text_part(part, &mut flush).unwrap();
                        }
                    }
                    plan => writer.entry(key, life, value(plan, &shapes).view(), &mut flush).unwrap(),
                }
            }
            writer.end();
            bytes.append(writer.buffer());
            let options = super::read::Options { checksum: true, ..Default::default() };
            let mut reader = Reader::new(&bytes[..], &shapes, options);
            let (mut db, mut expected) = (usize::MAX, plans.iter());
            while let Some(item) = reader.next().map_err(|error| TestCaseError::fail(format!("{error:?}")))? {
                match item {
                    Item::Database(number) => db = number,
                    Item::Entry(mut entry) => {
                        let (key, plan, deadline, own_db) = expected.next().unwrap();
                        let mut original = value(plan, &shapes);
                        if version == Version::V10 {
                            forget_active(plan, &mut entry.value);
                            forget_active(plan, &mut original);
                        }
                        prop_assert_eq!((&entry.key, entry.deadline, db), (key, *deadline, *own_db));
                        prop_assert_eq!(entry.idle_seconds, Some(5));
                        prop_assert_eq!(whole(&entry.value), whole(&original), "{:?}", version);
                    }
                    Item::End { checksum } => prop_assert!(checksum.is_some()),
                    _ => (),
                }
            }
            prop_assert!(expected.next().is_none());
        }
    }
}

/// What does not fit one field goes on in another.
#[test]
fn many_extras_are_read_again() {
    let shapes = Shapes::default();
    let mut stream = Stream::default();
    for number in 1..=20_000 {
        stream.add(Id::new(number, 0), [&b"f"[..], b"v"].into_iter(), &shapes.stream).unwrap();
    }
    stream.create_group(b"group", Id::new(20_000, 0), None);
    let memory = Memory { seconds: 1 << 30, entries: 20_000 };
    for number in 1..=20_000 {
        let group = stream.group_mut(b"group").unwrap();
        group.put(Pending::new(Id::new(number, 0), None, 0, 1));
        let name = format!("name {number}");
        stream.producers_mut().record(b"producer", name.as_bytes(), Id::new(number, 0), 0, memory);
    }
    let mut set = Set::default();
    set.begin_with(Text::Bytes(b"member"), 20_000, &shapes.set);
    for number in 0..20_000 {
        let member = format!("member{number}");
        set.insert(Text::Bytes(member.as_bytes()), &shapes.set);
        set.set_deadline(member.as_bytes(), Some(Millis(number + 1)), 7);
    }
    for value in [Value::Stream(Box::new(stream)), Value::Set(set)] {
        let payload = dump(value.view(), Options::default());
        let read = restore(&payload, &shapes, Footer::default()).unwrap();
        assert!(whole(&read) == whole(&value), "{:?}", value.kind());
    }
}

/// What repeats is compressed whatever its length, and what does not is written as it is, without much of it being
/// held.
#[test]
fn a_string_in_parts_is_compressed_if_that_makes_it_much_shorter() {
    let noise = |len: usize| -> Vec<u8> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let repeated = b"one two three ".repeat(700_000);
    let strings = [
        (repeated.clone(), repeated.len() / 30),
        // Less than 4 MiB are held, so it may be half noise.
        ([noise(3 << 20), repeated.clone()].concat(), (3 << 20) * 35 / 32),
        // It turns out late, and then it is written as it is.
        ([repeated.clone(), noise(6 << 20)].concat(), repeated.len() + (6 << 20)),
        (noise(100), 100),
        (b"aaaaaaaaaa".to_vec(), 10),
    ];
    let head = 40;
    for (string, longest) in strings {
        for size in [1 << 18, 99_991] {
            let options = Options { version: Version::V11, compress: true, checksum: true };
            let (mut writer, mut bytes) = (Writer::new(options), Vec::new());
            let mut flush = |buffer: &mut Vec<u8>| {
                assert!(buffer.len() < 1 << 20, "what is long is given away in parts");
                bytes.append(buffer);
                Ok(())
            };
            writer.header(&[]);
            writer.begin_text(b"k", Life::default(), string.len());
            for part in string.chunks(size) {
                writer.text_part(part, &mut flush).unwrap();
            }
            writer.end();
            bytes.append(writer.buffer());
            assert!(bytes.len() <= longest + head, "{} of {}", bytes.len(), string.len());
            let options = super::read::Options { checksum: true, ..Default::default() };
            let shapes = Shapes::default();
            let mut reader = Reader::new(&bytes[..], &shapes, options);
            let mut keys = 0;
            while let Some(item) = reader.next().unwrap() {
                match item {
                    Item::Entry(entry) => {
                        keys += 1;
                        assert!(matches!(entry.value, Value::Text(read) if read == string));
                    }
                    Item::End { checksum } => assert!(checksum.is_some()),
                    _ => (),
                }
            }
            assert_eq!(keys, 1);
        }
    }
}
