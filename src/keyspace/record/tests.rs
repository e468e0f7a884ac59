use super::head::KEY_LEN_MAX;
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>),
    SetInt(i64),
    Append(Vec<u8>),
    Poke(usize, u8),
    Deadline(Option<i64>),
    /// The earliest deadline of an element, which a string has none of; but the slot is anyone's.
    Earliest(Option<i64>),
    File(u32),
    Age(u32),
    Copy,
    Rename(Vec<u8>),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..60),
        proptest::collection::vec(any::<u8>(), 150..260),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        value().prop_map(Step::Set),
        any::<i64>().prop_map(Step::SetInt),
        value().prop_map(Step::Append),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Step::Poke(at, byte)),
        proptest::option::of(0..i64::MAX).prop_map(Step::Deadline),
        proptest::option::of(0..i64::MAX).prop_map(Step::Earliest),
        any::<u32>().prop_map(Step::File),
        (0..1u32 << 24).prop_map(Step::Age),
        Just(Step::Copy),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Rename),
    ]
}

proptest! {
    /// A record is a byte string with a deadline, its ticket and an age, whatever form it takes.
    #[test]
    fn behaves_like_a_plain_string(
        mut key in proptest::collection::vec(any::<u8>(), 0..40),
        first in value(),
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        let mut record = Record::string(&key, &first);
        let (mut model, mut deadline, mut earliest, mut age) = (first, None, None, 0);
        // Whoever takes a deadline away or gives the first one files it, so between the two the
        // ticket says nothing.
        let mut ticket = Ticket::NOWHERE;
        for step in steps {
            match step {
                Step::Set(value) => {
                    record.set_text(&value);
                    model = value;
                }
                Step::SetInt(int) => {
                    record.set_int(int);
                    model = int.to_string().into_bytes();
                }
                Step::Append(more) => {
                    record.with_vec(|value| value.extend_from_slice(&more));
                    model.extend_from_slice(&more);
                }
                Step::Poke(at, byte) if !model.is_empty() => {
                    let at = at % model.len();
                    record.bytes_mut()[at] = byte;
                    model[at] = byte;
                }
                Step::Poke(..) => (),
                Step::Deadline(at) => {
                    let first = deadline.or(earliest).is_none();
                    deadline = at.map(Millis);
                    record.set_deadline(deadline);
                    if first {
                        ticket = Ticket(7);
                        record.set_ticket(ticket);
                    }
                }
                Step::Earliest(at) => {
                    let first = deadline.or(earliest).is_none();
                    earliest = at.map(Millis);
                    record.set_earliest(earliest);
                    if first {
                        ticket = Ticket(8);
                        record.set_ticket(ticket);
                    }
                }
                Step::File(number) => {
                    record.set_ticket(Ticket(number));
                    ticket = Ticket(number);
                }
                Step::Age(new) => {
                    age = new;
                    record.set_age(age);
                }
                Step::Copy => {
                    record = record.copy_as(&key);
                    ticket = Ticket::NOWHERE;
                }
                Step::Rename(new) => {
                    record = record.renamed(&new);
                    key = new;
                }
            }
            prop_assert_eq!(record.key(), &key[..]);
            prop_assert_eq!(record.text().to_vec(), &model[..]);
            prop_assert_eq!(record.text().len(), model.len());
            prop_assert_eq!(record.deadline(), deadline);
            prop_assert_eq!(record.earliest(), earliest);
            let wakes = deadline.into_iter().chain(earliest).min();
            prop_assert_eq!(record.wakes(), wakes);
            prop_assert_eq!(record.ticket(), wakes.map(|_| ticket));
            prop_assert_eq!(record.age(), age);
        }
    }
}

/// Lengths of keys that the head cannot hold have a slot of their own.
#[test]
fn a_key_may_be_long() {
    for len in [KEY_LEN_MAX, KEY_LEN_MAX + 1] {
        let key = vec![b'k'; len];
        let mut record = Record::string(&key, b"value");
        record.set_deadline(Some(Millis(7)));
        record.set_text(b"12");
        let record = record.copy_as(&key).renamed(&key);
        assert_eq!((record.key().len(), record.text().as_int()), (len, Some(12)));
        assert_eq!(record.deadline(), Some(Millis(7)));
    }
}

#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>),
    InsertInt(i64),
    Remove(usize),
    Deadline(Option<i64>),
    Copy,
    Rename(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Change::Insert),
        4 => any::<i64>().prop_map(Change::InsertInt),
        6 => any::<usize>().prop_map(Change::Remove),
        1 => proptest::option::of(0..i64::MAX).prop_map(Change::Deadline),
        1 => Just(Change::Copy),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Change::Rename),
    ]
}

proptest! {
    /// A set is a set, wherever its record keeps it: in itself, or elsewhere.
    #[test]
    fn behaves_like_a_plain_set(
        mut key in proptest::collection::vec(any::<u8>(), 0..40),
        changes in proptest::collection::vec(change(), 0..120),
    ) {
        use crate::data::set::Set;
        use std::collections::BTreeSet;
        let limits = Default::default();
        let mut buffer = Vec::new();
        let mut record = Record::of_collection(&key, Set::default());
        let (mut model, mut deadline) = (BTreeSet::<Vec<u8>>::new(), None);
        let edit = |record: &mut Record, buffer: &mut Vec<u8>, act: &dyn Fn(&mut Set)| {
            match record.copy_small::<Set>(buffer) {
                Some(mut set) => {
                    act(&mut set);
                    match record.put_collection(&set) {
                        true => *buffer = set.into_buffer().unwrap().into_owned(),
                        false => record.put_large(set),
                    }
                }
                None => {
                    act(record.large_mut().unwrap());
                    record.settle::<Set>();
                }
            }
        };
        for change in changes {
            match change {
                Change::Insert(member) => {
                    edit(&mut record, &mut buffer, &|set| {
                        set.insert(Text::Bytes(&member), &limits);
                    });
                    model.insert(member);
                }
                Change::InsertInt(int) => {
                    edit(&mut record, &mut buffer, &|set| {
                        set.insert(Text::Int(int), &limits);
                    });
                    model.insert(int.to_string().into_bytes());
                }
                Change::Remove(which) if !model.is_empty() => {
                    let member = model.iter().nth(which % model.len()).unwrap().clone();
                    model.remove(&member);
                    edit(&mut record, &mut buffer, &|set| {
                        assert!(set.remove(Text::Bytes(&member)));
                    });
                }
                Change::Remove(_) => (),
                Change::Deadline(at) => {
                    deadline = at.map(Millis);
                    record.set_deadline(deadline);
                }
                Change::Copy => record = record.copy_as(&key),
                Change::Rename(new) => {
                    record = record.renamed(&new);
                    key = new;
                }
            }
            prop_assert_eq!(record.key(), &key[..]);
            prop_assert_eq!(record.deadline(), deadline);
            prop_assert_eq!(record.size(), model.len());
            let members: Vec<Vec<u8>> = model.iter().cloned().collect();
            prop_assert_eq!(record.parts(), members);
            let bytes = record.collection::<Set>().small().map(|small| small.bytes.len());
            prop_assert!(bytes.is_none_or(|len| len > SMALL_AGAIN || record.small().is_some()));
        }
    }
}

/// What reads a small collection has no memory of its own, and a copy of it does.
#[test]
fn a_copy_of_what_is_lent_is_its_own() {
    let mut hash = crate::data::hash::Hash::default();
    hash.set(b"field", b"value", Default::default());
    let record = Record::of_collection(b"key", hash);
    let copy = {
        let lent = record.collection::<crate::data::hash::Hash>();
        assert_eq!(lent.memory(), 0);
        crate::data::hash::Hash::clone(&lent)
    };
    drop(record);
    assert_eq!(copy.get(b"field").map(|value| value.to_vec()), Some(b"value".to_vec()));
}

/// A collection is dropped once, whatever became of its record.
#[test]
fn a_collection_moves_with_its_record() {
    let mut list = crate::data::list::List::default();
    list.push(crate::data::list::End::Right, [&b"one"[..]].into_iter(), &Default::default());
    let mut record = Record::of_collection(b"key", list);
    record.set_deadline(Some(Millis(1)));
    let record = record.renamed(b"another key");
    let copy = record.copy_as(b"key");
    drop(record);
    assert_eq!((copy.size(), copy.deadline()), (1, Some(Millis(1))));
}

#[test]
fn names_its_encoding_as_redis_does() {
    let encoding = |value: &[u8]| Record::string(b"k", value).encoding();
    assert_eq!(encoding(b"12345"), "int");
    assert_eq!(encoding(b"012345"), "embstr");
    assert_eq!(encoding(&[b'x'; 44]), "embstr");
    assert_eq!(encoding(&[b'x'; 45]), "raw");
    let mut changed = Record::string(b"k", b"abc");
    changed.bytes_mut()[0] = b'x';
    assert_eq!(changed.encoding(), "raw");
}
