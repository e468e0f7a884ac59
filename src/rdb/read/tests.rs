//! What is written is read again as it was: every type, each version, by payloads and by dumps; and whatever is done to
//! the bytes, an end is found.

use super::*;
use crate::data::Mortal;
use crate::data::hash::Hash;
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::stream::{Id, Memory, Pending, Stream};
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::rdb::write::{self, Version, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

const DIRECTIVES: Memory = Memory { seconds: 100, entries: 100 };

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let parts = self.view().parts();
        let parts = parts.iter().map(|part| part.escape_ascii().to_string());
        write!(f, "{:?}", self.kind())?;
        f.debug_list().entries(parts).finish()
    }
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        2 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        2 => (-200i64..200).prop_map(|int| int.to_string().into_bytes()),
        1 => (any::<u8>(), 0usize..300).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn deadline() -> impl Strategy<Value = Option<Millis>> {
    proptest::option::weighted(0.3, (4_000_000_000_000i64..4_000_000_100_000).prop_map(Millis))
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("a score is a number", |score| !score.is_nan()),
        (-1000i64..1000).prop_map(|score| score as f64),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u64, Vec<Vec<u8>>, bool),
    Delete(usize),
    Read(u8, u8, usize),
    Acknowledge(u8, usize),
    GiveBack(u8, usize),
    Produce(u8, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..3, 0u64..4, vec(string(), 1..4), any::<bool>())
            .prop_map(|(ms, seq, items, usual)| Step::Add(ms, seq, items, usual)),
        1 => any::<usize>().prop_map(Step::Delete),
        2 => (0u8..2, 0u8..3, 0usize..5).prop_map(|(group, who, most)| Step::Read(group, who, most)),
        1 => (0u8..2, any::<usize>()).prop_map(|(group, at)| Step::Acknowledge(group, at)),
        1 => (0u8..2, any::<usize>()).prop_map(|(group, at)| Step::GiveBack(group, at)),
        1 => (0u8..2, string()).prop_map(|(producer, name)| Step::Produce(producer, name)),
    ]
}

fn stream(steps: Vec<Step>) -> Stream {
    let shapes = Shapes::default();
    let mut stream = Stream::default();
    let mut ids = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let name = |group: u8| [b'g', group];
        match step {
            Step::Add(ms, seq, items, usual) => {
                let last = stream.last_id();
                let id = Id::new(last.ms + ms, if ms > 0 { seq } else { last.seq + 1 + seq });
                let names: [&[u8]; 2] = if usual { [b"name", b"7"] } else { [b"other", &items[0]] };
                let fields: Vec<&[u8]> = items
                    .iter()
                    .enumerate()
                    .flat_map(|(at, item)| [names[at % 2], item.as_slice()])
                    .collect();
                stream.add(id, fields.iter().copied(), &shapes.stream).expect("the id is above");
                ids.push(id);
            }
            Step::Delete(at) if !ids.is_empty() => _ = stream.delete(ids[at % ids.len()]),
            Step::Read(group, who, most) => {
                stream.create_group(&name(group), Id::MIN, Some(0));
                let known = stream.group_mut(&name(group)).expect("it is there");
                let (to, _) = known.admit(&[b'c', who], 1000 + number as i64).expect("few");
                let how = crate::data::stream::Delivery {
                    to,
                    most,
                    now_ms: 2000 + number as i64,
                    forgets: false,
                };
                stream.deliver(&name(group), how, |_| true, |_, _| ());
            }
            Step::Acknowledge(group, at) if !ids.is_empty() => {
                if let Some(group) = stream.group_mut(&name(group)) {
                    group.remove(ids[at % ids.len()]);
                }
            }
            Step::GiveBack(group, at) if !ids.is_empty() => {
                if let Some(group) = stream.group_mut(&name(group))
                    && let Some(pending) = group.lookup(ids[at % ids.len()]).copied()
                {
                    group.put(Pending::new(pending.id(), None, 0, pending.count()));
                }
            }
            Step::Produce(producer, name) => {
                let id = stream.last_id();
                stream.producers_mut().record(&[b'p', producer], &name, id, id.ms, DIRECTIVES);
            }
            _ => (),
        }
    }
    stream
}

fn value() -> impl Strategy<Value = Value> {
    let shapes = Shapes::default();
    prop_oneof![
        string().prop_map(Value::Text),
        vec(string(), 1..60).prop_map(move |items| {
            let mut list = List::default();
            for item in &items {
                list.push(End::Right, std::iter::once(item.as_slice()), &shapes.list);
            }
            Value::List(list)
        }),
        (vec((string(), deadline()), 1..40), any::<bool>()).prop_map(move |(members, mortal)| {
            let mut set = Set::default();
            for (member, deadline) in members {
                set.insert(Text::Bytes(&member), &shapes.set);
                if mortal {
                    set.set_deadline(&member, deadline, 0);
                }
            }
            Value::Set(set)
        }),
        (vec((string(), score(), deadline()), 1..200), any::<bool>()).prop_map(
            move |(members, mortal)| {
                let mut set = ZSet::default();
                for (member, score, deadline) in members {
                    set.set(&member, score, shapes.zset);
                    if mortal {
                        set.set_deadline(&member, deadline, 0);
                    }
                }
                Value::ZSet(set)
            }
        ),
        (vec((string(), string(), deadline()), 1..40), any::<bool>()).prop_map(
            move |(fields, mortal)| {
                let mut hash = Hash::default();
                for (field, value, deadline) in fields {
                    hash.set(&field, &value, shapes.hash);
                    if mortal {
                        hash.set_deadline(&field, deadline, 0);
                    }
                }
                Value::Hash(hash)
            }
        ),
        vec(step(), 0..150).prop_map(|steps| Value::Stream(Box::new(stream(steps)))),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V10), Just(Version::V11), Just(Version::V12), Just(Version::Valkey80)]
}

/// What of a stream `parts` leaves out.
fn more_of(value: &Value) -> Vec<String> {
    let Value::Stream(stream) = value else { return Vec::new() };
    let mut more = vec![format!("{} nodes", stream.nodes())];
    for (_, group) in stream.groups() {
        let known = group.consumers().map(|(_, consumer)| (&consumer.name, consumer.pending()));
        more.extend(known.map(|known| format!("{known:?}")));
        more.extend(group.pending_from(Id::MIN).map(|pending| {
            format!("{} {:?} {}", pending.id(), pending.owner().is_some(), pending.count())
        }));
    }
    if let Some(producers) = stream.producers() {
        more.push(format!("{:?}", (producers.own(), producers.added, producers.duplicates)));
        let mut known: Vec<String> = producers
            .iter()
            .map(|(name, entries)| format!("{name:?} {:?}", entries.collect::<Vec<_>>()))
            .collect();
        known.sort();
        more.extend(known);
    }
    more
}

fn check(one: &Value, other: &Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.view().parts(), other.view().parts());
    prop_assert_eq!(more_of(one), more_of(other));
    Ok(())
}

proptest! {
    #[test]
    fn a_payload_gives_the_value_back(value in value(), version in version(), compress: bool) {
        let options = write::Options { version, compress, checksum: true };
        let payload = write::dump(value.view(), options);
        let again = restore(&payload, &Shapes::default(), Footer::default());
        let again = again.expect("what is written can be read");
        check(&value, &again)?;
        // Nothing but all of it is taken.
        let cut = &payload[..payload.len() - 1];
        prop_assert!(restore(cut, &Shapes::default(), Footer::default()).is_err());
    }

    #[test]
    fn a_dump_gives_its_keys_back(
        values in vec((string(), value(), deadline()), 0..6), version in version(), known: bool,
    ) {
        let options = write::Options { version, compress: true, checksum: true };
        let mut writer = Writer::new(options);
        writer.header(&[("redis-ver", b"8")]);
        writer.function(b"code");
        writer.database(3, values.len() as u64, 1);
        for (key, value, deadline) in &values {
            let life = write::Life { deadline: *deadline, ..write::Life::default() };
            writer.entry(key, life, value.view(), &mut |_| Ok(())).expect("nothing is given away");
        }
        writer.end();
        let bytes = std::mem::take(writer.buffer());
        let size = known.then_some(bytes.len() as u64);
        let options = Options { checksum: true, relaxed: false, size };
        let mut reader = Reader::new(bytes.as_slice(), &Shapes::default(), options);
        let mut expected = values.iter();
        while let Some(item) = reader.next().expect("what is written can be read") {
            match item {
                Item::Entry(entry) => {
                    let (key, value, deadline) = expected.next().expect("so many were written");
                    prop_assert_eq!(&entry.key, key);
                    prop_assert_eq!(entry.deadline, *deadline);
                    check(value, &entry.value)?;
                }
                Item::Skipped { what, .. } => prop_assert!(false, "{}", what),
                Item::Database(db) => prop_assert_eq!(db, 3),
                Item::End { checksum } => prop_assert!(checksum.is_some()),
                _ => (),
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert_eq!(reader.offset(), bytes.len() as u64);
    }

    #[test]
    fn a_payload_that_was_changed_is_refused_or_read(
        value in value(), version in version(), changes in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let options = write::Options { version, compress: true, checksum: true };
        let mut payload = write::dump(value.view(), options);
        let body = payload.len() - 10;
        for (at, byte) in changes {
            payload[at % body] = byte;
        }
        let footer = Footer { any_checksum: true, ..Footer::default() };
        if let Ok(value) = restore(&payload, &Shapes::default(), footer) {
            value.view().parts();
            let again = write::dump(value.view(), options);
            prop_assert!(restore(&again, &Shapes::default(), Footer::default()).is_ok());
        }
    }
}

#[test]
fn what_is_behind_a_dump_is_left() {
    let mut writer = Writer::new(write::Options::default());
    writer.header(&[]);
    writer.end();
    let mut bytes = std::mem::take(writer.buffer());
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let mut reader = Reader::new(bytes.as_slice(), &Shapes::default(), Options::default());
    while reader.next().unwrap().is_some() {}
    let (rest, read) = reader.into_rest();
    assert_eq!([&read, rest].concat(), b"*1\r\n$4\r\nPING\r\n");
}
