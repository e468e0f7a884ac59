//! What is written is what the peers write, byte by byte; and it is given away before it is much.

use super::*;
use crate::base::{crc64, lzf};
use crate::data::hash::Hash;
use crate::data::limits::{ListLimits, PackedLimits, SetLimits, StreamLimits};
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::stream::{Id, Memory, Pending, Stream};
use crate::data::zset::ZSet;
use crate::data::{Mortal, Value};

const SMALL: PackedLimits = PackedLimits { entries: 128, value: 64, seed: 7 };
/// Nothing is small.
const LARGE: PackedLimits = PackedLimits { entries: 0, value: 0, seed: 7 };

const NEXT: Millis = Millis(3_000_000_000_000);
const LATER: Millis = Millis(4_000_000_000_000);

fn options(version: Version) -> Options {
    Options { version, compress: true, checksum: true }
}

fn text(text: &[u8]) -> Value {
    Value::Text(text.to_vec())
}

fn list(items: &[&[u8]]) -> Value {
    let mut list = List::default();
    list.push(End::Right, items.iter().copied(), &ListLimits::default());
    Value::List(list)
}

fn set(members: &[&[u8]], packed: PackedLimits) -> Set {
    let limits = SetLimits { intset_entries: 512, packed };
    let mut set = Set::default();
    set.begin_with(Text::Bytes(members[0]), members.len(), &limits);
    members.iter().for_each(|member| {
        set.insert(Text::Bytes(member), &limits);
    });
    set
}

fn zset(members: &[(f64, &[u8])], limits: PackedLimits) -> ZSet {
    let mut set = ZSet::default();
    members.iter().for_each(|(score, member)| set.set(member, *score, limits));
    set
}

fn hash(pairs: &[(&[u8], &[u8])], mortal: &[(&[u8], Millis)], limits: PackedLimits) -> Value {
    let mut hash = Hash::default();
    pairs.iter().for_each(|(field, value)| {
        hash.set(field, value, limits);
    });
    mortal.iter().for_each(|(field, at)| hash.set_deadline(field, Some(*at), 7));
    Value::Hash(hash)
}

/// As XADD, XGROUP CREATE and XREADGROUP make it.
fn stream() -> Stream {
    let mut stream = Stream::default();
    let limits = StreamLimits::default();
    for (id, fields) in [
        (Id::new(5, 1), &["f", "v", "g", "7"][..]),
        (Id::new(5, 2), &["f", "w", "g", "z"]),
        (Id::new(7, 0), &["other", "1"]),
    ] {
        stream.add(id, fields.iter().map(|item| item.as_bytes()), &limits).unwrap();
    }
    assert!(stream.create_group(b"grp", Id::MIN, Some(0)));
    assert!(stream.create_group(b"new", Id::new(7, 0), None));
    let group = stream.group_mut(b"grp").unwrap();
    let (bob, _) = group.admit(b"bob", DELIVERED).unwrap();
    group.consumer_mut(bob).active_ms = Some(DELIVERED);
    group.put(Pending::new(Id::new(5, 1), Some(bob), DELIVERED, 1));
    (group.last_id, group.read) = (Id::new(5, 1), Some(1));
    stream
}

const DELIVERED: i64 = 0x1a2_18b5_81e8;

#[track_caller]
fn written(value: &Value, version: Version, bytes: &[u8]) {
    let mut whole = Writer::new(Options { compress: false, ..options(version) });
    let mut flush = |_: &mut Vec<u8>| Ok(());
    whole.entry(b"k", Life::default(), value.view(), &mut flush).unwrap();
    // The key stands behind the type.
    let written = whole.buffer();
    let own = [&written[..1], &written[3..]].concat();
    assert_eq!(own.escape_ascii().to_string(), bytes.escape_ascii().to_string());
    assert_eq!(*whole.degraded(), Degraded::default());
}

/// DUMP of Redis 8.0.6 and Valkey 9.1.2 said so, without the footer.
#[test]
fn values_are_written_as_the_peers_do() {
    let is = |value: Value, bytes: &[u8]| written(&value, Version::V11, bytes);
    is(text(b"-129"), b"\x00\xc1\x7f\xff");
    is(text(b"70000"), b"\x00\xc2p\x11\x01\x00");
    is(text(b"2147483648"), b"\x00\x0a2147483648");
    is(text(b"007"), b"\x00\x03007");
    is(
        list(&[
            b"0", b"127", b"128", b"-1", b"-4096", b"4095", b"4096", b"-32769", b"8388608", b"-2147483649",
            b"abc",
        ]),
        b"\x12\x01\x0255\x00\x00\x00\x0b\x00\x00\x01\x7f\x01\xc0\x80\x02\xdf\xff\x02\xd0\x00\x02\xcf\xff\x02\
          \xf1\x00\x10\x03\xf2\xff\x7f\xff\x04\xf3\x00\x00\x80\x00\x05\xf4\xff\xff\xff\x7f\xff\xff\xff\xff\x09\
          \x83abc\x04\xff",
    );
    is(
        Value::Set(set(&[b"1", b"2", b"-300"], SMALL)),
        b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\xd4\xfe\x01\x00\x02\x00",
    );
    is(
        Value::Set(set(&[b"70000", b"1099511627776"], SMALL)),
        b"\x0b\x18\x08\x00\x00\x00\x02\x00\x00\x00p\x11\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00",
    );
    let strings = Value::Set(set(&[b"a", b"5"], SMALL));
    is(strings.clone(), b"\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff");
    written(&strings, Version::V10, b"\x02\x02\x01a\xc0\x05");
    is(Value::Set(set(&[b"abc"], LARGE)), b"\x02\x01\x03abc");
    is(
        Value::ZSet(zset(&[(-1.0, b"x"), (0.5, b"y"), (f64::INFINITY, b"z")], SMALL)),
        b"\x11\x1d\x1d\x00\x00\x00\x06\x00\x81x\x02\xdf\xff\x02\x81y\x02\x830.5\x04\x81z\x02\x83inf\x04\xff",
    );
    is(
        Value::ZSet(zset(&[(0.5, b"ab"), (-3.0, b"cd")], LARGE)),
        b"\x05\x02\x02ab\x00\x00\x00\x00\x00\x00\xe0?\x02cd\x00\x00\x00\x00\x00\x00\x08\xc0",
    );
    is(
        hash(&[(b"f", b"1"), (b"g", b"abc")], &[], SMALL),
        b"\x10\x14\x14\x00\x00\x00\x04\x00\x81f\x02\x01\x01\x81g\x02\x83abc\x04\xff",
    );
    is(hash(&[(b"f", b"vv")], &[], LARGE), b"\x04\x01\x01f\x02vv");
}

#[test]
fn fields_with_deadlines_are_written_as_each_peer_does() {
    let small =
        hash(&[(b"f", b"v"), (b"g", b"w"), (b"h", b"x")], &[(b"g", LATER), (b"h", NEXT)], SMALL);
    written(
        &small,
        Version::V12,
        b"\x19\x000\xef}\xba\x02\x00\x00//\x00\x00\x00\x09\x00\x81h\x02\x81x\x02\xf4\x000\xef}\xba\x02\x00\x00\x09\
          \x81g\x02\x81w\x02\xf4\x00@\x94R\xa3\x03\x00\x00\x09\x81f\x02\x81v\x02\x00\x01\xff",
    );
    written(
        &small,
        Version::Valkey80,
        b"\x16\x03\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff\x01g\x01w\x00@\x94R\xa3\x03\x00\x00\
          \x01h\x01x\x000\xef}\xba\x02\x00\x00",
    );
    let large = hash(&[(b"f", b"vv")], &[(b"f", LATER)], LARGE);
    written(&large, Version::V12, b"\x18\x00@\x94R\xa3\x03\x00\x00\x01\x01\x01f\x02vv");
    written(&large, Version::Valkey80, b"\x16\x01\x01f\x02vv\x00@\x94R\xa3\x03\x00\x00");
}

#[test]
fn a_stream_is_written_as_the_peers_do() {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(
        b"\x15\x01\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01@D\
          D\x00\x00\x00\x19\x00\x03\x01\x00\x01\x02\x01\x81f\x02\x81g\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\
          \x07\x01\x05\x01\x02\x01\x00\x01\x01\x01\x81w\x02\x81z\x02\x05\x01\x00\x01\x02\x01\xdf\xff\x02\x01\x01\
          \x85other\x06\x01\x01\x06\x01\xff\x03\x07\x00\x05\x01\x00\x00\x03\x02\
          \x03grp\x05\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\
          \xe8\x81\xb5\x18\xa2\x01\x00\x00\x01\x01\x03bob\xe8\x81\xb5\x18\xa2\x01\x00\x00\
          \xe8\x81\xb5\x18\xa2\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\
          \x03new\x07\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00",
    );
    written(&Value::Stream(Box::new(stream())), Version::V11, &bytes);
}

/// The same entry is usual in a node whose first entry was another one.
#[test]
fn a_node_has_the_names_that_its_entries_share() {
    let mut stream = Stream::default();
    for (ms, fields) in [(1, &[&b"f"[..], b"1"]), (2, &[b"g", b"2"]), (3, &[b"f", b"3"])] {
        stream.add(Id::new(ms, 0), fields.iter().copied(), &StreamLimits::default()).unwrap();
    }
    assert!(stream.delete(Id::new(1, 0)));
    let value = Value::Stream(Box::new(stream));
    let mut writer = Writer::new(options(Version::V11));
    writer.entry(b"k", Life::default(), value.view(), &mut |_| Ok(())).unwrap();
    let node = b"\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\x00\x01\x00\x01\x00\x01\x01\x01\x81g\x02\x02\x01\x06\x01\
        \x02\x01\x01\x01\x00\x01\x03\x01\x04\x01\xff";
    assert!(writer.buffer().windows(node.len()).any(|bytes| bytes == node));
}

#[test]
fn a_dump_has_its_parts_in_order() {
    let mut writer = Writer::new(options(Version::V11));
    writer.header(&[("redis-ver", b"8.4.0"), ("redis-bits", b"64")]);
    writer.function(b"#!lua name=x");
    writer.database(0, 2, 1);
    let life = Life { deadline: Some(Millis(1)), idle_seconds: Some(100), frequency: None };
    writer.entry(b"a", life, text(b"1").view(), &mut |_| Ok(())).unwrap();
    writer.select(0);
    writer.select(3);
    writer.begin_text(b"b", Life { frequency: Some(9), ..Life::default() }, 6);
    let mut flush = |_: &mut Vec<u8>| Ok(());
    writer.text_part(b"xyz", &mut flush).unwrap();
    let begun = std::mem::take(writer.buffer());
    writer.text_part(b"xyz", &mut flush).unwrap();
    writer.end();
    let dump = [&begun[..], writer.buffer()].concat();
    let (body, sum) = dump.split_at(dump.len() - 8);
    let expected =
        b"REDIS0011\xfa\x09redis-ver\x058.4.0\xfa\x0aredis-bits\xc0\x40\xf5\x0c#!lua name=x\
        \xfe\x00\xfb\x02\x01\xfc\x01\x00\x00\x00\x00\x00\x00\x00\xf8\x40\x64\x00\x01a\xc0\x01\
        \xfe\x03\xf9\x09\x00\x01b\x06xyzxyz\xff";
    assert_eq!(body.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(sum, crc64::checksum(body).to_le_bytes());

    let mut writer = Writer::new(Options { checksum: false, ..options(Version::Valkey80) });
    writer.header(&[]);
    writer.end();
    assert_eq!(writer.buffer(), b"VALKEY080\xff\x00\x00\x00\x00\x00\x00\x00\x00");
}

#[test]
fn a_collection_of_which_all_is_due_is_no_key() {
    let mut mortal = set(&[b"a", b"b"], LARGE);
    for member in [b"a", b"b"] {
        mortal.set_deadline(member, Some(Millis(10)), 7);
    }
    let due = crate::data::Due { now: Millis(20), most: 1, is_seen: false, seed: 7 };
    mortal.expire(due, &mut |_| ());
    let mut writer = Writer::new(options(Version::V11));
    writer.entry(b"k", Life::default(), Value::Set(mortal).view(), &mut |_| Ok(())).unwrap();
    assert!(writer.buffer().is_empty());
}

/// What a version has no place for stands before the key, for us alone.
#[test]
fn extras_stand_before_the_key() {
    let mut mortal = zset(&[(1.0, b"a"), (2.0, b"b")], LARGE);
    mortal.set_deadline(b"b", Some(NEXT), 7);
    let ttls = b"\xfa\x12russet-element-ttls\x0a\x01b\x000\xef}\xba\x02\x00\x00";
    let mut ttls = ttls.to_vec();
    ttls[1] = b"russet-element-ttls".len() as u8;
    let field = |version, value: &Value, keys: u64| {
        let mut writer = Writer::new(Options { compress: false, ..options(version) });
        writer.entry(b"k", Life::default(), value.view(), &mut |_| Ok(())).unwrap();
        assert_eq!(writer.degraded().element_ttls, keys);
        assert_eq!(writer.buffer().starts_with(&ttls), keys == 1);
        let payload = dump(value.view(), Options { compress: false, ..options(version) });
        assert_eq!(payload[..payload.len() - 10].ends_with(&ttls), keys == 1);
    };
    let fields = hash(&[(b"a", b"1"), (b"b", b"2")], &[(b"b", NEXT)], SMALL);
    for version in [Version::V10, Version::V11, Version::V12, Version::Valkey80] {
        let is_old = matches!(version, Version::V10 | Version::V11);
        field(version, &Value::ZSet(mortal.clone()), 1);
        field(version, &fields, u64::from(is_old));
    }
}

/// A peer has no entry that is pending and nobody's: it is somebody's there.
#[test]
fn entries_that_were_given_back_are_somebodys() {
    let mut own = stream();
    let nacked = Pending::new(Id::new(5, 2), None, 0, 3);
    own.group_mut(b"grp").unwrap().put(nacked);
    own.group_mut(b"new").unwrap().put(nacked);
    let producers = own.producers_mut();
    let memory = Memory { seconds: 100, entries: 100 };
    producers.set_memory(Some(100), None, memory);
    producers.record(b"producer", b"name", Id::new(5, 2), 5, memory);
    let mut writer = Writer::new(Options { compress: false, ..options(Version::V11) });
    let value = Value::Stream(Box::new(own));
    writer.entry(b"k", Life::default(), value.view(), &mut |_| Ok(())).unwrap();
    assert_eq!(*writer.degraded(), Degraded { element_ttls: 0, producers: 1, nacked: 1 });
    let id = b"\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x02";
    let field = |name: &str, value: &[u8]| {
        [&[0xfa, name.len() as u8], name.as_bytes(), &[value.len() as u8], value].concat()
    };
    let extras = [
        field("russet-stream-idmp", b"\x40\x65\x00\x01\x00"),
        field("russet-stream-producer", b"\x08producer\x04name\x05\x02"),
        field("russet-stream-nacked", &[&b"\x03grp\x03bob\x00"[..], id].concat()),
        field("russet-stream-nacked", &[&b"\x03new\x0drusset-nacked\x01"[..], id].concat()),
    ]
    .concat();
    let written = writer.buffer();
    assert_eq!(
        written[..extras.len()].escape_ascii().to_string(),
        extras.escape_ascii().to_string()
    );
    let consumer =
        [&b"\x0drusset-nacked\x00\x00\x00\x00\x00\x00\x00\x00"[..], &[0xff; 8], b"\x01", id]
            .concat();
    assert!(written.ends_with(&consumer), "{}", written.escape_ascii());
}

/// However large a value is, little of it waits to be taken.
#[test]
fn large_values_are_given_away_in_parts() {
    let mut values = vec![text(&vec![b'x'; 9 << 20])];
    let items: Vec<Vec<u8>> =
        (0..60_000).map(|number| format!("item{number}").into_bytes()).collect();
    let refs: Vec<&[u8]> = items.iter().map(|item| item.as_slice()).collect();
    values.push(list(&refs));
    let mut mortal = set(&refs, LARGE);
    refs.iter().for_each(|member| mortal.set_deadline(member, Some(NEXT), 7));
    values.push(Value::Set(mortal));
    values.push(Value::ZSet(zset(
        &refs.iter().map(|member| (1.0, *member)).collect::<Vec<_>>(),
        LARGE,
    )));
    let mut own = stream();
    let group = own.group_mut(b"grp").unwrap();
    let bob = group.find(b"bob");
    (0..60_000).for_each(|ms| group.put(Pending::new(Id::new(ms, 0), bob, 1, 1)));
    values.push(Value::Stream(Box::new(own)));
    for value in values {
        let mut writer = Writer::new(Options { compress: false, ..options(Version::V11) });
        let (mut most, mut all) = (0, Vec::new());
        let mut flush = |buffer: &mut Vec<u8>| {
            most = most.max(buffer.len());
            // Some of it may be left.
            all.extend(buffer.drain(..buffer.len() - 100));
            Ok(())
        };
        writer.entry(b"k", Life::default(), value.view(), &mut flush).unwrap();
        assert!((256 << 10..=520 << 10).contains(&most), "{:?}: {most}", value.kind());
        writer.end();
        all.append(writer.buffer());
        let (body, sum) = all.split_at(all.len() - 8);
        assert_eq!(sum, crc64::checksum(body).to_le_bytes());
    }
}

#[test]
fn an_error_of_whom_it_is_given_to_ends_the_value() {
    let value = text(&vec![b'x'; 9 << 20]);
    let mut writer = Writer::new(Options { compress: false, ..options(Version::V11) });
    let mut flush = |_: &mut Vec<u8>| Err(io::Error::other("full"));
    assert!(writer.entry(b"k", Life::default(), value.view(), &mut flush).is_err());
}

#[test]
fn long_strings_are_compressed() {
    let value = b"abc".repeat(20);
    let payload = dump(text(&value).view(), options(Version::V11));
    assert_eq!(payload[..2], [0, 0xc3]);
    let (len, end) = (usize::from(payload[2]), payload.len() - 10);
    assert_eq!(payload[3], 60);
    assert_eq!(payload[4..end].len(), len);
    assert_eq!(lzf::expand(&payload[4..end], 60).unwrap(), value);
    assert_eq!(payload[end..end + 2], [10, 0]);
}
