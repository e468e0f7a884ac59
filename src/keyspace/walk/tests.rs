//! The walk against a copy that was taken when it began: whatever door is used meanwhile, and whenever, each
//! key is handed over once and as it was.

use super::*;
use crate::config::{MaxmemoryPolicy, MemoryRule};
use crate::data::hash::Hash;
use crate::data::limits::{PackedLimits, SetLimits, StreamLimits};
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::stream::Stream;
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::data::{Collection, Mortal, Type};
use crate::keyspace::evict::{Evicted, Policy, Whose};
use crate::keyspace::{Event, Life, Str};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

const DATABASES: usize = 4;
const LARGE: usize = 150;
type Key = Vec<u8>;
type Value = (Type, Option<Millis>, Vec<Vec<u8>>);

/// What was there, and a copy that knows when it is due.
struct Known {
    kind: Type,
    deadline: Option<Millis>,
    parts: Vec<Vec<u8>>,
    copy: Record,
}

type Content = BTreeMap<(usize, Key), Known>;

fn content(keyspace: &Keyspace) -> Content {
    let all = (0..keyspace.databases())
        .flat_map(|db| keyspace.db(db).records().map(move |record| (db, record)));
    all.map(|(db, record)| {
        let copy = record.copy_as(record.key());
        let (kind, deadline, parts) = (record.kind(), record.deadline(), record.parts());
        ((db, record.key().to_vec()), Known { kind, deadline, parts, copy })
    })
    .collect()
}

/// What was handed over so far.
#[derive(Default)]
struct Heard {
    keys: BTreeMap<(usize, Key), Value>,
    /// A long string of which so many bytes are missing.
    open: Option<((usize, Key), usize)>,
    /// A sorted set of which so many members are missing, and those that came.
    scores: Option<((usize, Key), usize, ZSet)>,
}

impl Heard {
    fn hear(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Entries(entries) => {
                    assert!(
                        self.open.is_none() && self.scores.is_none(),
                        "nothing comes between the parts of a value"
                    );
                    let all = entries.each(|saved| {
                        let (kind, parts) = (saved.value.kind(), saved.value.parts());
                        self.put((saved.db, saved.key.to_vec()), (kind, saved.deadline, parts))
                    });
                    all.unwrap();
                }
                Piece::LongText { db, key, deadline, len, .. } => {
                    assert!(self.open.is_none() && self.scores.is_none() && len > 0);
                    self.open = Some(((db, key.clone()), len));
                    self.put((db, key), (Type::String, deadline, vec![Vec::new()])).unwrap();
                }
                Piece::LongScores { db, key, deadline, len, .. } => {
                    assert!(self.open.is_none() && self.scores.is_none() && len > 0);
                    self.put((db, key.clone()), (Type::ZSet, deadline, Vec::new())).unwrap();
                    self.scores = Some(((db, key), len, ZSet::default()));
                }
                Piece::Scores(batch) => {
                    let packed = PackedLimits { entries: 0, value: 0, seed: 1 };
                    let (key, left, mut set) = self.scores.take().expect("a part belongs to a set");
                    let more = batch.iter().count();
                    let left = left.checked_sub(more).expect("a set has its length");
                    batch.iter().for_each(|(member, score)| {
                        assert!(set.score(member).is_none(), "a member comes once");
                        set.set(member, score, packed);
                    });
                    if left > 0 {
                        self.scores = Some((key, left, set));
                    } else {
                        self.keys.get_mut(&key).unwrap().2 = set.parts();
                    }
                }
                Piece::Part(part) => {
                    let (key, left) = self.open.take().expect("a part belongs to a string");
                    let left = left.checked_sub(part.len()).expect("a string has its length");
                    self.keys.get_mut(&key).unwrap().2[0].extend_from_slice(&part);
                    self.open = (left > 0).then_some((key, left));
                }
            }
        }
    }

    fn put(&mut self, key: (usize, Key), value: Value) -> Result<(), ()> {
        let other = self.keys.insert(key.clone(), value);
        assert!(other.is_none(), "{key:?} is handed over twice");
        Ok(())
    }

    fn compare(mut self, content: Content, now: Millis) {
        assert!(self.open.is_none());
        for (key, known) in content {
            match self.keys.remove(&key) {
                Some((kind, deadline, parts)) => {
                    assert_eq!(kind, known.kind, "{key:?}");
                    assert_eq!(deadline, known.deadline, "{key:?}");
                    assert!(parts == known.parts, "{key:?} is not what it was");
                }
                None => assert!(
                    known.copy.is_due(now) || known.copy.spent(now).is_some(),
                    "{key:?} is missing"
                ),
            }
        }
        assert!(self.keys.is_empty(), "not there at the beginning: {:?}", self.keys.keys());
    }
}

/// Everything that can be done to a keyspace, at random.
struct Actor {
    dice: SmallRng,
    keyspace: Keyspace,
    now: i64,
    keys: u32,
    longest: usize,
}

impl Actor {
    fn below(&mut self, bound: usize) -> usize {
        self.dice.random_range(0..bound)
    }

    fn key(&mut self) -> Key {
        format!("key:{}", self.dice.random_range(0..self.keys)).into_bytes()
    }

    fn db(&mut self) -> usize {
        self.below(DATABASES)
    }

    fn text(&mut self) -> Vec<u8> {
        let most = match self.below(4) {
            0 => return self.below(1000).to_string().into_bytes(),
            1 => 20,
            2 => 300,
            _ => self.longest,
        };
        let len = self.below(most);
        (0..len).map(|_| self.dice.random()).collect()
    }

    fn span(&mut self) -> Option<Millis> {
        let span = self.dice.random_range(1..60);
        (self.below(3) == 0).then_some(Millis(self.now + span))
    }

    fn act(&mut self) {
        let (db, key) = (self.db(), self.key());
        match self.below(26) {
            0 => {
                let (value, life) = (self.text(), Life::from(self.span()));
                let life = if self.below(3) == 0 { Life::Keep } else { life };
                self.keyspace.put_text(db, &key, &value, life, Event::string("set"));
            }
            1 => {
                let value = self.text();
                let mut record = Record::string(&key, &value);
                record.set_deadline(self.span());
                self.keyspace.put(db, record, Event::string("set"));
            }
            2 => {
                let record = Record::int(&key, self.now);
                self.keyspace.put_changed(db, record, Event::string("incrby"));
            }
            3 | 4 => self.edit_text(db, &key),
            5 => _ = self.keyspace.remove(db, &key, Event::DEL),
            6 => {
                let to = self.key();
                self.keyspace.rename(db, &key, &to);
            }
            7 => {
                let other = self.db();
                if other != db {
                    self.keyspace.move_to(db, &key, other);
                }
            }
            8 => {
                let to = (self.db(), self.key());
                if to != (db, key.clone()) {
                    self.keyspace.copy((db, &key), (to.0, &to.1));
                }
            }
            9 => {
                let deadline = self.span();
                if self.keyspace.deadline_to_change(db, &key).is_some() {
                    self.keyspace.set_deadline(db, &key, deadline, Event::generic("expire"));
                }
            }
            10 => {
                let (mut list, item) = (List::default(), self.text());
                for _ in 0..self.below(4) {
                    list.push(End::Right, std::iter::once(&item[..]), &Default::default());
                }
                self.keyspace.store(db, &key, list, Event::list("lpush"));
            }
            11 if self.below(6) == 0 => _ = self.keyspace.flush(db),
            12 if self.below(3) == 0 => {
                let other = self.db();
                self.keyspace.swap(db, other);
            }
            13 => {
                self.now += self.dice.random_range(0..20);
                self.keyspace.begin(Millis(self.now));
            }
            14 => _ = self.keyspace.sweep(3),
            15 => _ = self.keyspace.random_key(db),
            16 => {
                let cursor = self.dice.random();
                self.keyspace.scan(db, cursor, |_| ());
            }
            17 => _ = self.keyspace.look(db, &key),
            18 if self.below(10) == 0 => {
                let hold = self.below(3) == 0;
                self.keyspace.hold_expired(hold);
            }
            _ => self.edit_collection(db, &key),
        }
        self.keyspace.trash.clear();
    }

    fn edit_text(&mut self, db: usize, key: &[u8]) {
        let (more, how) = (self.text(), self.below(5));
        let at = self.below(self.longest);
        let Ok(Some(mut edit)) = self.keyspace.edit::<Str>(db, key) else { return };
        match how {
            0 => edit.append(&more),
            1 => edit.set(&more),
            2 => edit.set_int(7),
            3 => {
                let len = edit.view().len();
                edit.with_vec(|bytes| {
                    bytes.reverse();
                    bytes.truncate(len / 2);
                });
            }
            _ => {
                let end = at + more.len();
                if end > edit.view().len() {
                    edit.grow(end);
                }
                edit.bytes_mut(at..end).copy_from_slice(&more);
            }
        }
        edit.done(Event::string("set"));
    }

    fn edit_collection(&mut self, db: usize, key: &[u8]) {
        let count = if self.below(8) == 0 { LARGE } else { 1 + self.below(5) };
        let (adds, mortal) = (self.below(3) > 0, self.below(2) == 0);
        let items: Vec<Vec<u8>> =
            (0..count).map(|_| self.below(LARGE).to_string().into_bytes()).collect();
        let span = self.span().filter(|_| mortal);
        let packed = PackedLimits { entries: 30, ..Default::default() };
        let (now, score) = (self.now, self.below(4) as f64);
        let cut = if self.below(6) == 0 { self.below(LARGE) } else { 0 };
        let keyspace = &mut self.keyspace;
        match key[key.len() - 1] % 5 {
            0 => with::<List>(keyspace, db, key, adds, |list| {
                let limits = Default::default();
                match adds {
                    true => list.push(End::Right, items.iter().map(|item| &item[..]), &limits),
                    false => list.drop_items(End::Left, count, &limits),
                }
            }),
            1 => with::<Set>(keyspace, db, key, adds, |set| {
                for item in &items {
                    let limits = SetLimits { packed, ..Default::default() };
                    match adds {
                        true => _ = set.insert(Text::Bytes(item), &limits),
                        false => _ = set.remove(Text::Bytes(item)),
                    }
                    span.inspect(|_| set.set_deadline(item, span, 3));
                }
            }),
            2 => with::<Hash>(keyspace, db, key, adds, |hash| {
                for item in &items {
                    match adds {
                        true => _ = hash.set(item, b"value", packed),
                        false => _ = hash.remove(item),
                    }
                    span.inspect(|_| hash.set_deadline(item, span, 3));
                }
            }),
            3 => with::<ZSet>(keyspace, db, key, adds, |zset| {
                for item in &items {
                    match adds {
                        true => zset.set(item, item.len() as f64 + score, packed),
                        false => _ = zset.remove(item),
                    }
                    span.inspect(|_| zset.set_deadline(item, span, 3));
                }
                if cut < zset.len() {
                    drop(zset.remove_range(0..cut));
                }
            }),
            _ => with::<Stream>(keyspace, db, key, adds, |stream| {
                for item in &items {
                    if let Some(id) = stream.next_id(now as u64).filter(|_| adds) {
                        let fields = [&item[..], b"value"];
                        let limits = StreamLimits { entries: 10, ..Default::default() };
                        stream.add(id, fields.into_iter(), &limits).unwrap();
                    } else if let Some(id) = stream.first_id() {
                        stream.delete(id);
                    }
                }
            }),
        }
    }
}

fn with<T: Collection>(
    keyspace: &mut Keyspace,
    db: usize,
    key: &[u8],
    adds: bool,
    change: impl FnOnce(&mut T),
) {
    if adds {
        if let Ok(mut edit) = keyspace.edit_or_new::<T>(db, key) {
            change(&mut edit);
            edit.done(Event::generic("change"));
        }
    } else if let Ok(Some(mut edit)) = keyspace.edit::<T>(db, key) {
        change(&mut edit);
        edit.done(Event::generic("change"));
    }
}

/// A rule about all keys.
fn everything() -> MemoryRule {
    MemoryRule { db: None, prefix: Vec::new(), policy: MaxmemoryPolicy::Noeviction, limit: 0 }
}

fn play(seed: u64) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let keys = [5, 40, 300][dice.random_range(0..3)];
    let mut actor = Actor {
        keyspace: Keyspace::new(DATABASES, dice.random()),
        now: 1,
        keys,
        longest: 1000,
        dice,
    };
    actor.keyspace.begin(Millis(1));
    for _ in 0..2 {
        // The keys of rules are counted from here on, while they change.
        actor.keyspace.set_rules(vec![everything()]);
        let acts = actor.below(keys as usize * 4);
        (0..acts).for_each(|_| actor.act());
        let known = content(&actor.keyspace);
        let line = 1 << actor.below(6);
        let page = line << actor.below(4);
        let part = page * (1 + actor.below(3));
        let long = actor.below(900);
        let (members, scores) = (actor.below(2 * LARGE), 1 + actor.below(3000));
        let portions = Portions { long, part, page, line, members, scores };
        actor.keyspace.begin_walk_in(portions);
        let total: u64 = actor.keyspace.databases_of_walk().iter().map(|it| it.1).sum();
        assert_eq!(total, known.len() as u64);
        let mut heard = Heard::default();
        let (slice, pace) = (1 + actor.below(3000), 1 + actor.below(12));
        let gives_up = actor.below(20) == 0;
        while actor.keyspace.is_walking() {
            (0..actor.below(pace)).for_each(|_| actor.act());
            if gives_up && actor.below(10) == 0 {
                drop(actor.keyspace.end_walk());
                return;
            }
            actor.keyspace.walk(slice);
            actor.keyspace.count_rules(2);
            if !actor.keyspace.counts_rules() {
                let counted = actor.keyspace.rules().expect("there is one").sum(0);
                assert_eq!([counted], *actor.keyspace.recount());
            }
            if actor.below(4) > 0 {
                heard.hear(actor.keyspace.take_pieces());
                assert_eq!(actor.keyspace.gathered(), 0);
            }
            let (passed, all) = actor.keyspace.walk_progress();
            assert!(passed <= all);
        }
        assert!(!actor.keyspace.walk(slice));
        heard.compare(known, Millis(actor.now));
    }
}

proptest! {
    #[test]
    fn each_key_is_handed_over_once_and_as_it_was(seed: u64) {
        play(seed);
    }
}

/// What is copied because it is about to change is counted, and what has its turn is not.
#[test]
fn copies_of_what_changes_are_counted() {
    let mut keyspace = Keyspace::new(1, 7);
    keyspace.begin(Millis(1));
    let set = |keyspace: &mut Keyspace, key: &str, text: &[u8]| {
        keyspace.put_text(0, key.as_bytes(), text, Life::Forever, Event::string("set"));
    };
    let long = vec![b'l'; 2 << 20];
    (0..100).for_each(|number| set(&mut keyspace, &format!("key:{number}"), &[b'v'; 500]));
    set(&mut keyspace, "long", &long);
    keyspace.begin_walk();
    assert_eq!(keyspace.copied_for_walk(), 0);
    set(&mut keyspace, "key:1", b"other");
    set(&mut keyspace, "key:1", b"another");
    set(&mut keyspace, "new", b"value");
    let short = keyspace.copied_for_walk();
    assert!((500..600).contains(&short), "{short} bytes");
    let mut edit = keyspace.edit::<Str>(0, b"long").unwrap().expect("it is there");
    edit.bytes_mut(100..101)[0] = b'x';
    edit.bytes_mut(101..102)[0] = b'x';
    edit.done(Event::string("setrange"));
    let portions = Portions::default();
    assert_eq!(keyspace.copied_for_walk(), short + portions.line as u64);
    while keyspace.walk(usize::MAX) {}
    drop(keyspace.take_pieces());
    assert!(!keyspace.is_walking());
    assert_eq!(keyspace.copied_for_walk(), short + portions.line as u64);
}

/// What goes with the walk is known, also what cannot be taken while the parts of a long value are, and that value
/// itself when it is nobody else's any more.
#[test]
fn all_that_is_held_for_the_walk_is_counted() {
    let mut keyspace = Keyspace::new(1, 7);
    keyspace.begin(Millis(1));
    let set = |keyspace: &mut Keyspace, key: &str, text: &[u8]| {
        keyspace.put_text(0, key.as_bytes(), text, Life::Forever, Event::string("set"));
    };
    (0..100).for_each(|number| set(&mut keyspace, &format!("key:{number}"), &[b'v'; 500]));
    set(&mut keyspace, "long", &vec![b'l'; 2 << 20]);
    keyspace.begin_walk();
    keyspace.before_change(0, b"long");
    assert!(keyspace.walk(1) && keyspace.walks_in_text());
    drop(keyspace.take_pieces());
    assert_eq!(keyspace.gathered(), 0);
    (0..50).for_each(|number| set(&mut keyspace, &format!("key:{number}"), b"other"));
    let held = keyspace.held_by_walk();
    assert!(keyspace.gathered() == 0 && held >= 50 * 500, "{held} bytes");
    let policy = Policy::from(MaxmemoryPolicy::AllkeysRandom);
    keyspace.eviction.configure(policy, 5, true, &[]);
    while keyspace.evict(Whose::All) == Evicted::One {}
    let held = keyspace.held_by_walk();
    assert!(held >= (2 << 20) + 50 * 500, "{held} bytes");
    while keyspace.walk(usize::MAX) {}
    drop(keyspace.take_pieces());
    assert_eq!(keyspace.held_by_walk(), 0);
}
