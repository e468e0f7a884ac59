//! The keyspace against a plain map with deadlines: whatever is done, in whatever order, and
//! whenever time passes.

use super::*;
use crate::config::{MaxmemoryPolicy, MemoryRule};
use proptest::prelude::*;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

const DATABASES: usize = 3;
type Key = Vec<u8>;

#[derive(Clone, Debug)]
enum Step {
    Set(usize, Key, Vec<u8>, Wish),
    Put(usize, Key, Vec<u8>, Option<i64>),
    Append(usize, Key, Vec<u8>),
    Remove(usize, Key),
    Rename(usize, Key, Key),
    Move(usize, Key, usize),
    Copy((usize, Key), (usize, Key)),
    Deadline(usize, Key, Option<i64>),
    Read(usize, Key),
    Look(usize, Key),
    Random(usize),
    Flush(usize),
    Swap(usize, usize),
    Pass(i64),
    Sweep(usize),
    Prepare(usize),
}

/// `Life`, with deadlines that count from now.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Keep,
    Forever,
    For(i64),
}

fn step() -> impl Strategy<Value = Step> {
    // Few keys, so that they meet.
    let key = || proptest::collection::vec(b'a'..b'd', 0..3);
    let value = || proptest::collection::vec(any::<u8>(), 0..300);
    let db = || 0..DATABASES;
    let span = || prop_oneof![8 => 1..60i64, 2 => 1..200_000i64, 1 => Just(i64::MAX / 2), 1 => Just(i64::MAX)];
    let wish = prop_oneof![Just(Wish::Keep), Just(Wish::Forever), span().prop_map(Wish::For)];
    prop_oneof![
        4 => (db(), key(), value(), wish).prop_map(|(d, k, v, w)| Step::Set(d, k, v, w)),
        2 => (db(), key(), value(), proptest::option::of(span()))
            .prop_map(|(d, k, v, s)| Step::Put(d, k, v, s)),
        1 => (db(), key(), value()).prop_map(|(d, k, v)| Step::Append(d, k, v)),
        2 => (db(), key()).prop_map(|(d, k)| Step::Remove(d, k)),
        2 => (db(), key(), key()).prop_map(|(d, k, to)| Step::Rename(d, k, to)),
        2 => (db(), key(), db()).prop_map(|(d, k, to)| Step::Move(d, k, to)),
        2 => ((db(), key()), (db(), key())).prop_map(|(from, to)| Step::Copy(from, to)),
        4 => (db(), key(), proptest::option::weighted(0.8, span()))
            .prop_map(|(d, k, s)| Step::Deadline(d, k, s)),
        1 => (db(), key()).prop_map(|(d, k)| Step::Read(d, k)),
        1 => (db(), key()).prop_map(|(d, k)| Step::Look(d, k)),
        1 => db().prop_map(Step::Random),
        1 => db().prop_map(Step::Flush),
        1 => (db(), db()).prop_map(|(left, right)| Step::Swap(left, right)),
        3 => (0..40i64).prop_map(Step::Pass),
        1 => (0..100_000i64).prop_map(Step::Pass),
        2 => (1..4usize).prop_map(Step::Sweep),
        2 => (1..4usize).prop_map(Step::Prepare),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    value: Vec<u8>,
    deadline: Option<i64>,
}

#[derive(Default)]
struct Model {
    now: i64,
    keys: [BTreeMap<Key, Entry>; DATABASES],
    /// Keys that time has taken.
    expired: u64,
}

impl Model {
    fn pass(&mut self, millis: i64) {
        self.now += millis;
        for db in &mut self.keys {
            let before = db.len();
            db.retain(|_, entry| entry.deadline.is_none_or(|deadline| deadline > self.now));
            self.expired += (before - db.len()) as u64;
        }
    }

    fn after(&self, span: i64) -> i64 {
        // The last millisecond there is cannot be told from "never", and is taken for the one before.
        self.now.saturating_add(span).min(i64::MAX - 1)
    }
}

fn apply(keyspace: &mut Keyspace, model: &mut Model, step: Step) {
    match step {
        Step::Set(db, key, value, wish) => {
            let old = model.keys[db].get(&key).and_then(|entry| entry.deadline);
            let (life, deadline) = match wish {
                Wish::Keep => (Life::Keep, old),
                Wish::Forever => (Life::Forever, None),
                Wish::For(span) => {
                    let deadline = model.after(span);
                    let asked = Millis(model.now.saturating_add(span));
                    (Life::Until(asked), Some(deadline))
                }
            };
            keyspace.put_text(db, &key, &value, life, Event::string("set"));
            model.keys[db].insert(key, Entry { value, deadline });
        }
        Step::Put(db, key, value, span) => {
            let deadline = span.map(|span| model.after(span));
            let mut record = Record::string(&key, &value);
            record.set_deadline(deadline.map(Millis));
            keyspace.put(db, record, Event::string("set"));
            model.keys[db].insert(key, Entry { value, deadline });
        }
        Step::Append(db, key, more) => {
            let edit = keyspace.edit::<Str>(db, &key).unwrap();
            assert_eq!(edit.is_some(), model.keys[db].contains_key(&key));
            if let Some(mut edit) = edit {
                edit.with_vec(|value| value.extend_from_slice(&more));
                edit.done(Event::string("append"));
                model.keys[db].get_mut(&key).unwrap().value.extend(more);
            }
        }
        Step::Remove(db, key) => {
            assert_eq!(
                keyspace.remove(db, &key, Event::DEL),
                model.keys[db].remove(&key).is_some()
            );
        }
        Step::Rename(db, from, to) => {
            let entry = model.keys[db].remove(&from);
            assert_eq!(keyspace.rename(db, &from, &to), entry.is_some());
            if let Some(entry) = entry {
                model.keys[db].insert(to, entry);
            }
        }
        Step::Move(db, key, other) => {
            let moves = model.keys[db].contains_key(&key) && !model.keys[other].contains_key(&key);
            assert_eq!(keyspace.move_to(db, &key, other), moves);
            if moves {
                let entry = model.keys[db].remove(&key).unwrap();
                model.keys[other].insert(key, entry);
            }
        }
        Step::Copy((db, from), (other, to)) => {
            let entry = model.keys[db].get(&from).cloned();
            assert_eq!(keyspace.copy((db, &from), (other, &to)), entry.is_some());
            if let Some(entry) = entry {
                model.keys[other].insert(to, entry);
            }
        }
        Step::Deadline(db, key, span) => {
            let deadline = span.map(|span| model.after(span));
            let current = keyspace.deadline_to_change(db, &key);
            let entry = model.keys[db].get_mut(&key);
            assert_eq!(
                current,
                entry.as_ref().map(|entry| entry.deadline.map(Millis)),
                "the deadline of {key:?}"
            );
            if let Some(entry) = entry {
                keyspace.set_deadline(db, &key, deadline.map(Millis), Event::string("expire"));
                entry.deadline = deadline;
            }
        }
        Step::Read(db, key) => {
            let found = keyspace.read::<Str>(db, &key).unwrap().map(|text| text.to_vec());
            assert_eq!(found.as_ref(), model.keys[db].get(&key).map(|entry| &entry.value));
        }
        Step::Look(db, key) => {
            let found = keyspace.look(db, &key).is_some();
            assert_eq!(found, model.keys[db].contains_key(&key));
        }
        Step::Random(db) => match keyspace.random_key(db) {
            Some(key) => assert!(model.keys[db].contains_key(&key)),
            None => assert!(model.keys[db].is_empty()),
        },
        Step::Flush(db) => {
            // Due keys that nobody looked at go with the others, and count as nothing.
            while keyspace.sweep(1) {}
            assert_eq!(keyspace.flush(db).0, model.keys[db].len());
            model.keys[db].clear();
        }
        Step::Swap(left, right) => {
            keyspace.swap(left, right);
            model.keys.swap(left, right);
        }
        Step::Pass(millis) => {
            model.pass(millis);
            keyspace.begin(Millis(model.now));
        }
        Step::Sweep(most) => {
            let stored = |keyspace: &Keyspace| keyspace.dbs.iter().map(Db::len).sum::<usize>();
            let before = stored(keyspace);
            let more = keyspace.sweep(most);
            assert!(before - stored(keyspace) <= most);
            let due = keyspace.dbs.iter().flat_map(Db::records).any(|r| r.is_due(keyspace.now));
            assert!(more || !due, "a sweep that was not cut short leaves nothing that is due");
        }
        Step::Prepare(most) => {
            while keyspace.sweep(most) {}
            keyspace.prepare(most);
        }
    }
}

fn check(keyspace: &Keyspace, model: &Model) {
    for (db, keys) in keyspace.dbs.iter().zip(&model.keys) {
        let deadlines: Vec<i64> =
            db.records().filter_map(|record| Some(record.deadline()?.0)).collect();
        assert_eq!(db.expires(), deadlines.len());
        assert!(db.sizes().agrees_with(db.records()), "sizes are counted as they change");
        assert_eq!(db.deadline_sum, deadlines.iter().map(|at| i128::from(*at)).sum::<i128>());
        let filed = db.deadlines.check();
        assert_eq!(filed.len(), deadlines.len(), "nothing is filed but deadlines");
        for record in db.records() {
            let Some(deadline) = record.deadline() else { continue };
            let (hash, start) = filed[&record.ticket().unwrap().0];
            assert_eq!(hash, keyspace.hash(record.key()), "it is filed where it says");
            assert!(start <= deadline.0.max(keyspace.now.0), "and fires no later");
        }
        let live = db.records().filter(|record| !record.is_due(keyspace.now));
        let found: BTreeMap<Key, Entry> = live
            .map(|record| {
                let deadline = record.deadline().map(|at| at.0);
                (record.key().to_vec(), Entry { value: record.text().to_vec(), deadline })
            })
            .collect();
        assert_eq!(&found, keys);
    }
}

/// Rules that meet in every way: no prefix, one, a longer one, and those of a database.
fn set_rules(keyspace: &mut Keyspace) {
    let rule = |db: Option<u32>, prefix: &[u8]| MemoryRule {
        db,
        prefix: prefix.to_vec(),
        policy: MaxmemoryPolicy::Noeviction,
        limit: 0,
    };
    keyspace.set_rules(vec![
        rule(None, b"a"),
        rule(Some(1), b""),
        rule(None, b"ab"),
        rule(Some(2), b"ab"),
        rule(None, b"k"),
    ]);
}

/// What was counted as it changed is what is there.
fn check_rules(keyspace: &Keyspace) {
    let rules = keyspace.rules().expect("there are rules");
    let counted: Vec<rules::Sum> = (0..rules.list.len()).map(|rule| rules.sum(rule)).collect();
    if !keyspace.counts_rules() {
        assert_eq!(counted, keyspace.recount());
    }
}

proptest! {
    #[test]
    fn behaves_like_a_map_with_deadlines(steps in proptest::collection::vec(step(), 0..120)) {
        let mut keyspace = Keyspace::new(DATABASES, 7);
        assert!(keyspace.count_memory(true));
        keyspace.changes.interest = change::LOG;
        set_rules(&mut keyspace);
        let mut model = Model::default();
        let mut told = 0;
        for step in steps {
            apply(&mut keyspace, &mut model, step);
            check(&keyspace, &model);
            told += keyspace.changes.iter().filter(|(c, _)| c.cause == Cause::Expiry).count();
            keyspace.changes.clear();
            keyspace.count_rules(1);
            check_rules(&keyspace);
        }
        // In the end time takes all that it can, and every key is counted and told once.
        model.pass(i64::MAX - 1 - model.now);
        keyspace.begin(Millis(model.now));
        while keyspace.sweep(2) {}
        told += keyspace.changes.iter().count();
        check(&keyspace, &model);
        prop_assert_eq!(keyspace.counters.expired, model.expired);
        prop_assert_eq!(told as u64, model.expired);
        prop_assert!(keyspace.dbs.iter().all(|db| db.expires() == 0 && db.deadline_sum == 0));
        prop_assert!(keyspace.next_deadline().is_none());
    }

    /// However the database grows, shrinks and loses keys to time, a walk over it sees each key
    /// that is there all the while once, and none that is due.
    #[test]
    fn a_walk_sees_what_stays_exactly_once(
        stay in 0..400u32,
        due in 0..100u32,
        churn in proptest::collection::vec((any::<bool>(), 0..2000u32), 0..600),
        stride in 1..40usize,
    ) {
        let mut keyspace = Keyspace::new(1, 9);
        let name = |kind: &str, number: u32| format!("{kind}{number}").into_bytes();
        for number in 0..stay {
            keyspace.put_text(0, &name("stay", number), b"1", Life::Forever, Event::string("set"));
        }
        for number in 0..due {
            keyspace.put_text(0, &name("due", number), b"1", Life::Until(Millis(5)), Event::string("set"));
        }
        keyspace.begin(Millis(5));
        let mut churn = churn.into_iter();
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = keyspace.scan(0, cursor, |record| seen.push(record.key().to_vec()));
            if cursor == 0 {
                break;
            }
            for (comes, number) in churn.by_ref().take(stride) {
                let key = name("other", number % 500);
                match comes {
                    true => keyspace.put_text(0, &key, b"2", Life::Forever, Event::string("set")),
                    false => _ = keyspace.remove(0, &key, Event::DEL),
                }
            }
        }
        prop_assert!(!seen.iter().any(|key| key.starts_with(b"due")));
        prop_assert_eq!(keyspace.counters.expired, u64::from(due));
        prop_assert_eq!(keyspace.db(0).expires(), 0);
        seen.retain(|key| key.starts_with(b"stay"));
        let distinct: BTreeSet<_> = seen.iter().collect();
        prop_assert_eq!((distinct.len(), seen.len()), (stay as usize, stay as usize));
    }
}

/// A lock that is taken and let go, and a session that is renewed, are a deadline or none.
#[test]
fn renewed_and_deleted_deadlines_leave_no_rest() {
    let mut keyspace = Keyspace::new(1, 1);
    let hour = |now: i64| Life::Until(Millis(now + 3_600_000));
    for now in 0..20_000 {
        keyspace.begin(Millis(now));
        keyspace.put_text(0, b"session", b"x", hour(now), Event::string("set"));
    }
    assert_eq!(keyspace.dbs[0].deadlines.check().len(), 1);
    for now in 20_000..60_000 {
        keyspace.begin(Millis(now));
        let key = now.to_string();
        keyspace.put_text(0, key.as_bytes(), b"x", hour(now), Event::string("set"));
        keyspace.remove(0, key.as_bytes(), Event::DEL);
    }
    assert_eq!(keyspace.dbs[0].deadlines.check().len(), 1);
    keyspace.begin(Millis(19_999 + 3_600_000 - 1));
    while keyspace.sweep(100) {}
    assert!(keyspace.contains(0, b"session"), "its last renewal counts");
    keyspace.begin(Millis(19_999 + 3_600_000));
    while keyspace.sweep(100) {}
    assert!(keyspace.db(0).is_empty());
    assert_eq!(keyspace.lateness.max_ms, 0);
    keyspace.tidy();
    assert_eq!(keyspace.dbs[0].deadlines.memory(), 0);
}

/// However sessions are renewed, shortened, made to last, overwritten and deleted, the index and the
/// tickets in the records take at most 20 bytes for each key with a deadline, and a little for all of them.
/// `SESSIONS=1000000 cargo test --release --lib sessions` plays it in full, with ten million renewals.
#[test]
fn sessions_take_twenty_bytes() {
    let sessions: u64 =
        std::env::var("SESSIONS").map_or(20_000, |number| number.parse().expect("a number"));
    const HOUR: i64 = 3_600_000;
    let mut keyspace = Keyspace::new(1, 3);
    let mut dice = SmallRng::seed_from_u64(4);
    let mut now = 1_764_150_000_000;
    let set = Event::string("set");
    let key = |number: u64| format!("session:{number:08}").into_bytes();
    let small = |keyspace: &Keyspace, when: &str| {
        let db = &keyspace.dbs[0];
        let bytes = db.deadlines.memory() + db.expires() * size_of::<expiry::Ticket>();
        assert!(bytes <= 20 * db.expires() + 200_000, "{bytes} for {} keys {when}", db.expires());
        bytes as f64 / db.expires().max(1) as f64
    };
    let mut worst = 0f64;
    for number in 0..sessions {
        keyspace.put_text(0, &key(number), b"abc", Life::Until(Millis(now + HOUR)), set);
    }
    for turn in 0..10 * sessions {
        // Ten million renewals take about three hours.
        if turn % (sessions / 1000) == 0 {
            now += 1000;
            keyspace.begin(Millis(now));
            while keyspace.sweep(1000) {}
            while keyspace.prepare(1000) {}
            let each = small(&keyspace, "while they are renewed");
            if keyspace.dbs[0].expires() > sessions as usize / 2 {
                worst = worst.max(each);
            }
        }
        let key = key(dice.random_range(0..sessions));
        let at = |span: i64| Life::Until(Millis(now + span));
        match dice.random_range(0..100) {
            0..5 => _ = keyspace.remove(0, &key, Event::DEL),
            5..8 => keyspace.put_text(0, &key, b"abcd", Life::Forever, set),
            8..10 => keyspace.set_deadline(0, &key, None, Event::string("persist")),
            10..15 => keyspace.put_text(0, &key, b"12", at(dice.random_range(1..HOUR)), set),
            15..50 => keyspace.set_deadline(0, &key, Some(Millis(now + HOUR)), set),
            _ => keyspace.put_text(0, &key, b"abc", at(HOUR), set),
        }
    }
    // Most of them go, in no order of their deadlines.
    for number in 0..sessions {
        if number % 20 != 0 {
            keyspace.remove(0, &key(number.wrapping_mul(7919) % sessions), Event::DEL);
        }
        if number % 1000 == 0 {
            small(&keyspace, "while they are deleted");
        }
    }
    println!("at most {worst:.1} bytes a key, ticket included");
    keyspace.dbs[0].deadlines.check();
}

#[test]
fn large_values_are_handed_over_instead_of_freed() {
    let mut keyspace = Keyspace::new(1, 1);
    let large = vec![b'x'; HEAVY];
    for key in [b"removed", b"expires", b"renamed"] {
        keyspace.put_text(0, key, &large, Life::Forever, Event::string("set"));
    }
    keyspace.put_text(0, b"small", b"x", Life::Until(Millis(1)), Event::string("set"));
    keyspace.set_deadline(0, b"expires", Some(Millis(1)), Event::string("expire"));
    keyspace.begin(Millis(1));
    while keyspace.sweep(1) {}
    keyspace.remove(0, b"removed", Event::DEL);
    keyspace.put(0, Record::string(b"renamed", b"small"), Event::string("set"));
    let keys: Vec<_> = keyspace.trash.iter().map(Record::key).collect();
    assert_eq!(keys, [&b"expires"[..], b"removed", b"renamed"]);
}

// ── elements with deadlines ─────────────────────────────────────────────────────────────────

#[derive(Clone, Debug)]
enum Act {
    /// Gives a field a value, and perhaps a deadline so long from now.
    Put(u8, u8, Option<i64>),
    Drop(u8, u8),
    Deadline(u8, u8, Option<i64>),
    KeyDeadline(u8, Option<i64>),
    Text(u8),
    Remove(u8),
    Rename(u8, u8),
    Copy(u8, u8),
    Pass(i64),
    Sweep(usize),
    /// Expired keys and elements are left where they are, or no longer.
    Hold(bool),
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0..4u8;
    let field = || 0..30u8;
    let span = || proptest::option::weighted(0.7, 1..60i64);
    prop_oneof![
        8 => (key(), field(), span()).prop_map(|(key, field, span)| Act::Put(key, field, span)),
        1 => (key(), field()).prop_map(|(key, field)| Act::Drop(key, field)),
        4 => (key(), field(), span()).prop_map(|(key, field, span)| Act::Deadline(key, field, span)),
        1 => (key(), span()).prop_map(|(key, span)| Act::KeyDeadline(key, span)),
        1 => key().prop_map(Act::Text),
        1 => key().prop_map(Act::Remove),
        1 => (key(), key()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (key(), key()).prop_map(|(from, to)| Act::Copy(from, to)),
        4 => (1..30i64).prop_map(Act::Pass),
        3 => (1..6usize).prop_map(Act::Sweep),
        1 => any::<bool>().prop_map(Act::Hold),
    ]
}

/// Fields of a hash, or none where the key holds text; and the deadline of the key.
type Fields = (Option<BTreeMap<u8, Option<i64>>>, Option<i64>);

/// What the model forgets because its time has come.
fn forget(keys: &mut BTreeMap<u8, Fields>, now: i64) {
    keys.retain(|_, (fields, deadline)| {
        if let Some(fields) = fields {
            fields.retain(|_, deadline| deadline.is_none_or(|deadline| deadline > now));
            if fields.is_empty() {
                return false;
            }
        }
        deadline.is_none_or(|deadline| deadline > now)
    });
}

proptest! {
    /// Whoever looks, and whatever the sweep has done so far: what is due is not seen and not counted, and a
    /// key is there as long as one of its fields.
    #[test]
    fn elements_that_are_due_are_never_seen(acts in proptest::collection::vec(act(), 0..120), large: bool) {
        use crate::data::{Collection, Mortal, hash::Hash, limits::PackedLimits};
        let limits = PackedLimits { entries: if large { 3 } else { 100 }, value: 64, seed: 3 };
        let mut keyspace = Keyspace::new(1, 5);
        assert!(keyspace.count_memory(true));
        set_rules(&mut keyspace);
        let mut keys: BTreeMap<u8, Fields> = BTreeMap::new();
        let mut now = 0;
        let name = |key: u8| vec![b'k', key];
        for act in acts {
            let span_end = |span: Option<i64>| span.map(|span| now + span);
            match act {
                Act::Put(key, field, span) => {
                    let (key_name, deadline) = (name(key), span_end(span));
                    if let Ok(mut hash) = keyspace.edit_or_new::<Hash>(0, &key_name) {
                        hash.set(&[field], b"value", limits);
                        hash.set_deadline(&[field], deadline.map(Millis), 3);
                        hash.done(Event::hash("hset"));
                        let known = keys.entry(key).or_insert((Some(BTreeMap::new()), None));
                        known.0.as_mut().unwrap().insert(field, deadline);
                    } else {
                        prop_assert!(keys[&key].0.is_none());
                    }
                }
                Act::Drop(key, field) => {
                    if let Ok(Some(mut hash)) = keyspace.edit::<Hash>(0, &name(key)) {
                        let gone = hash.remove(&[field]);
                        hash.done_if(gone, Event::hash("hdel"));
                        let fields = keys.get_mut(&key).unwrap().0.as_mut().unwrap();
                        prop_assert_eq!(fields.remove(&field).is_some(), gone);
                        if fields.is_empty() {
                            keys.remove(&key);
                        }
                    }
                }
                Act::Deadline(key, field, span) => {
                    let deadline = span_end(span);
                    if let Ok(Some(mut hash)) = keyspace.edit::<Hash>(0, &name(key)) {
                        let there = hash.deadline_of(&[field]).is_some();
                        hash.set_deadline(&[field], deadline.map(Millis), 3);
                        hash.done_if(there, Event::hash("hexpire"));
                        let fields = keys.get_mut(&key).unwrap().0.as_mut().unwrap();
                        prop_assert_eq!(fields.contains_key(&field), there);
                        fields.entry(field).and_modify(|known| *known = deadline);
                    }
                }
                Act::KeyDeadline(key, span) => {
                    let deadline = span_end(span);
                    let there = keyspace.deadline_to_change(0, &name(key)).is_some();
                    prop_assert_eq!(there, keys.contains_key(&key));
                    if let Some(known) = keys.get_mut(&key) {
                        keyspace.set_deadline(0, &name(key), deadline.map(Millis), Event::hash("expire"));
                        known.1 = deadline;
                    }
                }
                Act::Text(key) => {
                    keyspace.put_text(0, &name(key), b"text", Life::Forever, Event::string("set"));
                    keys.insert(key, (None, None));
                }
                Act::Remove(key) => {
                    let gone = keyspace.remove(0, &name(key), Event::DEL);
                    prop_assert_eq!(gone, keys.remove(&key).is_some());
                }
                Act::Rename(from, to) => {
                    let known = keys.remove(&from);
                    prop_assert_eq!(keyspace.rename(0, &name(from), &name(to)), known.is_some());
                    known.into_iter().for_each(|known| _ = keys.insert(to, known));
                }
                Act::Copy(from, to) if from != to => {
                    let known = keys.get(&from).cloned();
                    let copied = keyspace.copy((0, &name(from)), (0, &name(to)));
                    prop_assert_eq!(copied, known.is_some());
                    known.into_iter().for_each(|known| _ = keys.insert(to, known));
                }
                Act::Copy(..) => (),
                Act::Pass(span) => {
                    now += span;
                    keyspace.begin(Millis(now));
                    forget(&mut keys, now);
                }
                Act::Sweep(most) => {
                    let more = keyspace.sweep(most);
                    let due = keyspace.dbs[0].records().any(|record| record.is_awake(Millis(now)));
                    prop_assert!(more || !due || keyspace.holds_expired);
                }
                Act::Hold(hold) => keyspace.hold_expired(hold),
            }
            // Looking changes things, so mostly nobody does.
            if now % 3 == 0 {
                for key in 0..4u8 {
                    let found = keyspace.look(0, &name(key)).map(Record::kind);
                    prop_assert_eq!(found.is_some(), keys.contains_key(&key));
                    if found == Some(Type::Hash) {
                        let hash = keyspace.read::<Hash>(0, &name(key)).unwrap().unwrap();
                        let fields = keys[&key].0.as_ref().unwrap();
                        prop_assert_eq!(hash.len(), fields.len());
                        for (field, deadline) in fields {
                            prop_assert_eq!(hash.deadline_of(&[*field]), Some(deadline.map(Millis)));
                        }
                    }
                }
            }
            let db = &keyspace.dbs[0];
            prop_assert!(db.sizes.agrees_with(db.records()), "sizes are counted as they change");
            check_rules(&keyspace);
            prop_assert_eq!(db.mortals().0, db.records().filter(|it| it.earliest().is_some()).count());
            let filed = db.deadlines.check();
            let waking = || db.records().filter_map(|record| Some((record, record.wakes()?)));
            prop_assert_eq!(filed.len(), waking().count());
            for (record, wakes) in waking() {
                prop_assert_eq!(record.earliest(), record.earliest_of_value(), "the record knows");
                let (hash, start) = filed[&record.ticket().unwrap().0];
                prop_assert_eq!(hash, keyspace.hash(record.key()));
                prop_assert!(start <= wakes.0.max(now));
            }
        }
        keyspace.hold_expired(false);
        now += 1000;
        keyspace.begin(Millis(now));
        forget(&mut keys, now);
        while keyspace.sweep(2) {}
        prop_assert_eq!(keyspace.dbs[0].len(), keys.len());
        prop_assert!(keyspace.next_deadline().is_none());
    }
}
