//! Keys to values: the numbered databases, their deadlines, and the two doors of a write.
//!
//! `read` and `edit` expire what is due, check the type, count the hit and age the key, so that
//! no command can forget to. `put` and `remove` take whole records. Whatever changes is noted in
//! `changes`; the engine makes the rest follow from there.

pub mod age;
pub mod change;
mod db;
pub mod edit;
pub mod event;
pub mod evict;
mod expire;
pub mod expiry;
pub mod lent;
pub mod load;
pub mod record;
pub mod rules;
pub mod sizes;
#[cfg(test)]
mod tests;
pub mod touched;
pub mod walk;

pub use age::Aging;
pub use change::{Cause, Changes};
pub use db::Db;
pub use edit::{Edit, Kind, Str};
pub use event::Event;
pub use evict::Eviction;
pub use lent::Lent;
pub use record::Record;
pub use rules::Rules;
pub use sizes::Sizes;

use crate::base::held::Never;
use crate::base::histogram::Histogram;
use crate::base::table::{self, Place};
use crate::data::{Collection, Frozen, Type};
use crate::error::Error;
use crate::world::Millis;
use edit::Tools;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sizes::Bin;
use std::sync::Arc;
use touched::Touched;
use walk::Walk;

pub struct Keyspace {
    dbs: Vec<Db>,
    seed: u64,
    /// The instant of the unit that is running.
    now: Millis,
    pub dice: SmallRng,
    pub changes: Changes,
    pub counters: Counters,
    pub aging: Aging,
    /// The client does not want its reads to keep keys young (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// The client fills this server from another one, and still reads and changes keys that are
    /// due (CLIENT IMPORT-SOURCE).
    pub sees_expired: bool,
    /// Keys that are due read as missing but are left where they are (CLIENT PAUSE, import-mode).
    holds_expired: bool,
    /// Whether keys that are due are removed by the sweep (DEBUG SET-ACTIVE-EXPIRE).
    sweeps: bool,
    /// When the sweep should look at what was filed since somebody asked.
    filed: Millis,
    /// The database that the next slice of the sweep begins with.
    sweep_from: usize,
    /// How late the sweep was to remove keys.
    pub lateness: Lateness,
    /// Removed records that would take long to free, for the engine to give away.
    pub trash: Vec<Record>,
    /// Where small collections are changed.
    buffer: Vec<u8>,
    /// What is loaded replaces what is there.
    merges: bool,
    /// The snapshot that is being taken.
    walk: Option<Box<Walk>>,
    /// What the last one copied (`copied_for_walk`).
    walk_copied: u64,
    /// What handlers do, for tests.
    pub touched: Touched,
    /// What goes when memory is short.
    pub eviction: Eviction,
    /// What keys may take of it.
    rules: Option<Arc<Rules>>,
    /// Not all keys are counted that rules are about.
    counts_rules: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    /// Elements of values.
    pub expired_elements: u64,
    pub evicted: u64,
}

/// How many milliseconds after their deadlines keys were removed by the sweep. Those that a read found due
/// were late for nobody.
#[derive(Clone, Debug, Default)]
pub struct Lateness {
    /// In milliseconds and one more, since the histogram counts from one.
    histogram: Histogram,
    pub max_ms: u64,
}

/// What becomes of the deadline when a value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as the old one had; for ever when there was none.
    Keep,
    Forever,
    Until(Millis),
}

/// Records of at least so many bytes, or pieces of heap, are freed elsewhere. Below, giving one away
/// costs more than freeing it.
const HEAVY: usize = 1 << 20;
const HEAVY_PIECES: usize = 1 << 10;

/// Who comes upon a value with elements that are due takes so many of them away, and leaves the others to
/// the sweep.
const ON_ACCESS: usize = 64;

/// The sweep need not look.
const NEVER: Millis = Millis(i64::MAX);

/// More than there are in any batch.
const ENOUGH: usize = usize::MAX;

impl Lateness {
    fn record(&mut self, ms: u64) {
        self.histogram.record(ms.saturating_add(1));
        self.max_ms = self.max_ms.max(ms);
    }

    pub fn percentile_ms(&self, percent: f64) -> u64 {
        self.histogram.percentile(percent).saturating_sub(1).min(self.max_ms)
    }
}

impl From<Option<Millis>> for Life {
    fn from(deadline: Option<Millis>) -> Life {
        deadline.map_or(Life::Forever, Life::Until)
    }
}

impl Keyspace {
    pub fn new(databases: usize, seed: u64) -> Keyspace {
        let mut dice = SmallRng::seed_from_u64(seed);
        let seed = dice.random();
        Keyspace {
            dbs: (0..databases).map(|_| Db::new(seed)).collect(),
            seed,
            now: Millis(0),
            dice,
            changes: Changes::default(),
            counters: Counters::default(),
            aging: Aging::default(),
            no_touch: false,
            sees_expired: false,
            holds_expired: false,
            sweeps: true,
            trash: Vec::new(),
            buffer: Vec::new(),
            merges: false,
            walk: None,
            walk_copied: 0,
            touched: Touched::default(),
            eviction: Eviction::default(),
            rules: None,
            counts_rules: false,
            filed: Millis(i64::MAX),
            sweep_from: 0,
            lateness: Lateness::default(),
        }
    }

    /// A unit begins: time stands still until the next one.
    pub fn begin(&mut self, now: Millis) {
        self.now = now;
    }

    pub fn now(&self) -> Millis {
        self.now
    }

    /// Counts how many bytes collections take, or does not. Says whether it does: what is there already was
    /// not counted, and is not looked at one by one.
    pub fn count_memory(&mut self, counts: bool) -> bool {
        for db in &mut self.dbs {
            match counts {
                false => db.sizes.forget_memory(),
                true if db.sizes.counts_memory() => (),
                true if db.is_empty() => db.sizes = Sizes::new(true),
                true => return false,
            }
        }
        true
    }

    /// What hashes of keys and elements are seeded with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn db(&self, db: usize) -> &Db {
        &self.dbs[db]
    }

    pub fn hash(&self, key: &[u8]) -> u64 {
        table::hash(self.seed, key)
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Reads a value of one kind; counts the hit or miss.
    #[inline]
    pub fn read<T: Kind>(&mut self, db: usize, key: &[u8]) -> Result<Option<T::View<'_>>, Error> {
        match self.touch(db, key) {
            None => Ok(None),
            Some(record) if record.kind() != T::TYPE => Err(Error::WrongType),
            Some(record) => Ok(Some(T::view(record))),
        }
    }

    /// What `read` does to the world, without asking for a kind: also for commands that look at
    /// several keys at once, which `touch` them all first and then `peek`.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8]) -> Option<&Record> {
        let Some(place) = self.live(db, key) else {
            self.counters.misses += 1;
            self.changes.missed(db, key);
            return None;
        };
        self.counters.hits += 1;
        self.use_it(db, place, false).map(|record| &*record)
    }

    /// Looks at a key without using its value (EXISTS, TTL): counts the hit or miss, and leaves the
    /// age as it is.
    pub fn look(&mut self, db: usize, key: &[u8]) -> Option<&Record> {
        if self.live(db, key).is_none() {
            self.changes.missed(db, key);
        }
        self.look_inside(db, key)
    }

    /// As `look`, for those who ask how a value is kept (OBJECT): nobody is told that it is missing.
    pub fn look_inside(&mut self, db: usize, key: &[u8]) -> Option<&Record> {
        let Some(place) = self.live(db, key) else {
            self.counters.misses += 1;
            return None;
        };
        self.counters.hits += 1;
        self.dbs[db].table.at(place)
    }

    /// Looks without leaving a trace; a key that is due reads as missing.
    pub fn peek<T: Kind>(&self, db: usize, key: &[u8]) -> Result<Option<T::View<'_>>, Error> {
        match self.record(db, key) {
            None => Ok(None),
            Some(record) if record.kind() != T::TYPE => Err(Error::WrongType),
            Some(record) => Ok(Some(T::view(record))),
        }
    }

    /// The record of a key that is not due; leaves no trace.
    pub fn record(&self, db: usize, key: &[u8]) -> Option<&Record> {
        self.touched.look(key);
        let record = self.dbs[db].table.find(self.hash(key), |record| record.key() == key)?;
        (!self.is_missing(record)).then_some(record)
    }

    /// A large collection as it is now, for another thread to read; none for anything else.
    pub fn freeze(&mut self, db: usize, key: &[u8]) -> Option<Frozen> {
        let place = self.live(db, key)?;
        self.dbs[db].alter_at(place, Record::freeze)?
    }

    /// Is there such a key? Removes it if it is due; neither counts nor ages.
    pub fn contains(&mut self, db: usize, key: &[u8]) -> bool {
        self.live(db, key).is_some()
    }

    /// The same for who would change the key, or keep it as it is for another's sake: it is younger then, also if
    /// nothing comes of it. A lock that others ask for is in use.
    pub fn finds(&mut self, db: usize, key: &[u8]) -> bool {
        let place = self.live(db, key);
        place.is_some_and(|place| self.use_it(db, place, false).is_some())
    }

    /// One step of a walk over a database: visits the keys at home in one bucket, removes those of
    /// them that are due, and returns the cursor for the next step. Keys that are there all the
    /// while are visited exactly once between cursor 0 and the return of 0.
    pub fn scan(&mut self, db: usize, cursor: u64, mut visit: impl FnMut(&Record)) -> u64 {
        let now = self.now;
        let mut due = Vec::new();
        let next = self.dbs[db].table.scan(cursor, |record| match record.is_awake(now) {
            true => due.push(record.key().to_vec()),
            false => visit(record),
        });
        for key in due {
            if let Some(place) = self.live(db, &key) {
                self.dbs[db].table.at(place).inspect(|record| visit(record));
            }
        }
        next
    }

    /// The records of a database that are not due.
    pub fn live_records(&self, db: usize) -> impl Iterator<Item = &Record> {
        self.dbs[db].records().filter(|record| !self.is_missing(record))
    }

    /// A key chosen fairly among those that are not due.
    pub fn random_key(&mut self, db: usize) -> Option<Vec<u8>> {
        // A database may hold nothing but keys that are due, so the search must end.
        for _ in 0..100 {
            let key = {
                let dice = &mut self.dice;
                let mut below = |bound: u64| dice.random_range(0..bound);
                self.dbs[db].table.random(&mut below)?.key().to_vec()
            };
            if self.contains(db, &key) {
                return Some(key);
            }
        }
        let mut left = self.live_records(db);
        // Where due keys are held, one of them is better than to say that there are none.
        let held = self.holds_expired.then(|| self.dbs[db].records().next()).flatten();
        left.next().or(held).map(|record| record.key().to_vec())
    }

    // ── changing ────────────────────────────────────────────────────────────────────────────

    /// Opens a value that is there to be changed.
    #[inline]
    pub fn edit<T: Kind>(&mut self, db: usize, key: &[u8]) -> Result<Option<Edit<'_, T>>, Error> {
        self.touched.change(key);
        let Some(place) = self.live(db, key) else { return Ok(None) };
        let Some(record) = self.dbs[db].table.at(place) else { return Ok(None) };
        if record.kind() != T::TYPE {
            return Err(Error::WrongType);
        }
        self.before_change(db, key);
        self.use_it(db, place, true);
        Ok(Some(self.open(db, place)))
    }

    /// Shows a value that a write is for to who can tell at a look that it would change nothing.
    pub fn stays_as_it_is<T: Kind>(
        &mut self,
        db: usize,
        key: &[u8],
        tells: impl FnOnce(T::View<'_>) -> bool,
    ) -> bool {
        self.touched.change(key);
        let Some(place) = self.live(db, key) else { return false };
        let Some(record) = self.dbs[db].table.at(place) else { return false };
        let stays = record.kind() == T::TYPE && tells(T::view(record));
        if stays {
            self.use_it(db, place, true);
        }
        stays
    }

    /// Opens a collection to be changed; where there is none, a new one. One that is still empty
    /// when the edit ends has never been.
    pub fn edit_or_new<'a, T: Collection>(
        &'a mut self,
        db: usize,
        key: &'a [u8],
    ) -> Result<Edit<'a, T>, Error> {
        self.touched.change(key);
        if let Some(place) = self.live(db, key) {
            let Some(record) = self.use_it(db, place, true) else {
                return Err(Error::WrongType);
            };
            if record.kind() != T::TYPE {
                return Err(Error::WrongType);
            }
            self.before_change(db, key);
            return Ok(self.open(db, place));
        }
        // Where keys that are due are held, this one is not held any longer.
        self.take_away(db, key);
        self.before_change(db, key);
        let (hash, age) = (self.hash(key), self.aging_for(db, key).newborn());
        Ok(Edit::begin(self.tools(db), db, key, (hash, age)))
    }

    /// Stores a whole collection, whatever the key held before; an empty one removes the key. Says
    /// how many elements there are.
    pub fn store<T: Collection>(&mut self, db: usize, key: &[u8], value: T, event: Event) -> usize {
        let len = value.len();
        if len == 0 {
            self.remove(db, key, Event::DEL);
        } else {
            let mut record = Record::of_collection(key, value);
            record.set_earliest(record.earliest_of_value());
            record.set_age(self.aging_for(db, key).newborn());
            self.put(db, record, event);
        }
        len
    }

    fn open<T: Kind>(&mut self, db: usize, place: Place) -> Edit<'_, T> {
        Edit::open(self.tools(db), db, place)
    }

    fn tools(&mut self, db: usize) -> Tools<'_> {
        Tools {
            home: &mut self.dbs[db],
            changes: &mut self.changes,
            trash: &mut self.trash,
            dice: &mut self.dice,
            buffer: &mut self.buffer,
            now: self.now,
            filed: &mut self.filed,
            walk: &mut self.walk,
        }
    }

    /// Stores a string, whatever was there before.
    #[inline]
    pub fn put_text(&mut self, db: usize, key: &[u8], value: &[u8], life: Life, event: Event) {
        self.touched.change(key);
        self.before_change(db, key);
        let (hash, aging, now) = (self.hash(key), self.aging_for(db, key), self.now);
        let home = &mut self.dbs[db];
        let Some(place) = home.table.locate(hash, |record| record.key() == key) else {
            let room = matches!(life, Life::Until(_));
            let mut record = Record::string_with_room(key, value, room);
            record.set_age(aging.newborn());
            self.changes.remark(db, key, Event::NEW);
            self.insert(db, hash, record, life);
            return self.changes.note(db, key, event, Cause::Command);
        };
        let record = home.table.at_mut(place).expect("it was just found there");
        if record.earliest().is_some() {
            self.bury_elements(db, key);
            return self.put_text(db, key, value, life, event);
        }
        // A value that is due is as good as gone, and so is its deadline.
        let expired = record.is_due(now) && !self.sees_expired;
        let before = record.deadline();
        let after = match life {
            Life::Keep if !expired => before,
            Life::Keep | Life::Forever => None,
            Life::Until(deadline) => Some(deadline),
        };
        let was = record.kind();
        let weight = home.weight_at(place);
        let record = home.table.at_mut(place).expect("it was just found there");
        home.sizes.shift(home.sizes.bin_of(record), Bin::of_text(value.len()));
        if was == Type::String {
            if let Some(walk) = &mut self.walk {
                walk.take_over(db, record);
            }
            record.set_text(value);
        } else {
            let mut fresh = Record::string(key, value);
            fresh.take_life_of(record);
            let old = std::mem::replace(record, fresh);
            walk::let_go(&mut self.walk, db, old, &mut self.trash);
        }
        if expired {
            record.set_age(aging.newborn());
        } else if !self.no_touch {
            aging.touch(record, true, &mut self.dice);
        }
        if before != after {
            self.filed = self.filed.min(home.give_deadline(place, hash, after, now));
        }
        home.reweigh(weight, place);
        if expired {
            self.counters.expired += 1;
            self.changes.note(db, key, Event::EXPIRED, Cause::Expiry);
        }
        if self.changes.interest != 0 {
            self.remark_origin(db, key, (!expired).then_some(was), Type::String);
        }
        self.changes.note(db, key, event, Cause::Command);
    }

    /// Stores a whole record under its key, whatever was there before.
    pub fn put(&mut self, db: usize, record: Record, event: Event) {
        let (key, kind) = (self.heard_key(&record), record.kind());
        let before = self.place(db, record);
        self.remark_origin(db, &key, before, kind);
        self.changes.note(db, &key, event, Cause::Command);
    }

    /// Stores a record that continues what was there before, such as the next value of a counter.
    pub fn put_changed(&mut self, db: usize, record: Record, event: Event) {
        let key = self.heard_key(&record);
        if self.place(db, record).is_none() {
            self.changes.remark(db, &key, Event::NEW);
        }
        self.changes.note(db, &key, event, Cause::Command);
    }

    /// The key of a record that is about to be stored. Only who listens needs it.
    fn heard_key(&self, record: &Record) -> Vec<u8> {
        if self.changes.interest == 0 { Vec::new() } else { record.key().to_vec() }
    }

    /// Stores a record before anybody is told; says what it replaces.
    fn place(&mut self, db: usize, record: Record) -> Option<Type> {
        self.touched.change(record.key());
        let hash = self.hash(record.key());
        // What is due has expired, and is not replaced; where expired keys are held, this one is
        // not held any longer, and the log must hear of it before it hears of the new one.
        let mut before = None;
        if self.live(db, record.key()).is_none() {
            self.take_away(db, record.key());
        } else if let Some(old) = self.discard(db, record.key()) {
            before = Some(old.kind());
            self.let_go(db, old);
        }
        let life = record.deadline().into();
        self.insert(db, hash, record, life);
        before
    }

    /// Removes a key; says whether it was there.
    pub fn remove(&mut self, db: usize, key: &[u8], event: Event) -> bool {
        self.touched.change(key);
        if !self.contains(db, key) {
            return false;
        }
        let Some(record) = self.discard(db, key) else { return false };
        self.changes.note(db, key, event, Cause::Command);
        self.let_go(db, record);
        true
    }

    /// Gives a value another key, in place of what that key held; its deadline goes with it. Says
    /// whether there was such a value.
    pub fn rename(&mut self, db: usize, from: &[u8], to: &[u8]) -> bool {
        self.touched.change(from);
        if !self.contains(db, from) {
            return false;
        }
        let Some(record) = self.discard(db, from) else { return false };
        let kind = record.kind();
        let mut record = record.renamed(to);
        self.carry_age((db, from), (db, to), &mut record);
        let before = self.place(db, record);
        self.moved((db, from), (db, to));
        self.changes.remark(db, to, Event::NEW);
        self.changes.note(db, from, Event::generic("rename_from"), Cause::Command);
        self.changes.note(db, to, Event::generic("rename_to"), Cause::Command);
        self.remark_replaced(db, to, before, kind);
        true
    }

    /// Takes a value to another database, unless there is no such value or its key is taken there.
    pub fn move_to(&mut self, db: usize, key: &[u8], other: usize) -> bool {
        self.touched.change(key);
        if !self.contains(db, key) || self.contains(other, key) {
            return false;
        }
        let Some(mut record) = self.discard(db, key) else { return false };
        self.carry_age((db, key), (other, key), &mut record);
        self.place(other, record);
        self.moved((db, key), (other, key));
        self.changes.remark(other, key, Event::NEW);
        self.changes.note(db, key, Event::generic("move_from"), Cause::Command);
        self.changes.note(other, key, Event::generic("move_to"), Cause::Command);
        true
    }

    /// Stores the same value, with the same deadline, under another key too, in place of what that
    /// key held. The copy begins its life now. Says whether there was a value; asking leaves no
    /// trace.
    pub fn copy(&mut self, (db, from): (usize, &[u8]), (other, to): (usize, &[u8])) -> bool {
        self.live(db, from);
        let Some(record) = self.record(db, from) else { return false };
        let mut copy = record.copy_as(to);
        copy.set_age(self.aging_for(other, to).newborn());
        let kind = copy.kind();
        let before = self.place(other, copy);
        // Redis deletes what a copy or a renamed value replaces, so the key is new for listeners.
        self.changes.remark(other, to, Event::NEW);
        self.changes.note(other, to, Event::generic("copy_to"), Cause::Command);
        self.remark_replaced(other, to, before, kind);
        true
    }

    /// The deadline of a key that is about to be given another. Like an edit this uses the key, and
    /// is no hit. `None` if there is no such key.
    pub fn deadline_to_change(&mut self, db: usize, key: &[u8]) -> Option<Option<Millis>> {
        let place = self.live(db, key)?;
        self.use_it(db, place, true).map(|record| record.deadline())
    }

    /// Gives a key that is there a deadline, or takes it away.
    pub fn set_deadline(&mut self, db: usize, key: &[u8], deadline: Option<Millis>, event: Event) {
        self.touched.change(key);
        self.before_change(db, key);
        let hash = self.hash(key);
        let home = &mut self.dbs[db];
        let Some(place) = home.table.locate(hash, |record| record.key() == key) else { return };
        let weight = home.weight_at(place);
        self.filed = self.filed.min(home.give_deadline(place, hash, deadline, self.now));
        home.reweigh(weight, place);
        self.changes.note(db, key, event, Cause::Command);
    }

    /// Empties a database; says how many keys were in it, and hands over what is left of them, to be freed
    /// where it holds nobody up.
    pub fn flush(&mut self, db: usize) -> (usize, Db) {
        let mut fresh = Db::new(self.seed);
        fresh.sizes = Sizes::new(self.dbs[db].sizes.counts_memory());
        let mut old = std::mem::replace(&mut self.dbs[db], fresh);
        let keys = old.len();
        old.accounts = None;
        self.count_anew(db);
        self.emptied(db, &mut old);
        self.changes.dirty += keys as u64;
        (keys, old)
    }

    pub fn swap(&mut self, left: usize, right: usize) {
        self.dbs.swap(left, right);
        self.swapped(left, right);
        self.rules_swapped(left, right);
        self.changes.dirty += 1;
    }

    // ── what the doors share ────────────────────────────────────────────────────────────────

    /// A record that is not due, made younger unless the client does not want that.
    #[inline]
    fn use_it(&mut self, db: usize, place: Place, is_change: bool) -> Option<&mut Record> {
        if self.no_touch {
            return self.dbs[db].table.at_mut(place);
        }
        let aging = match self.eviction.is_mixed() {
            false => self.aging,
            true => self.aging_for(db, self.dbs[db].table.at(place)?.key()),
        };
        let record = self.dbs[db].table.at_mut(place)?;
        aging.touch(record, is_change, &mut self.dice);
        Some(record)
    }

    /// A whole value was stored: in a new place, or instead of one of a type.
    pub fn remark_origin(&mut self, db: usize, key: &[u8], before: Option<Type>, now: Type) {
        if before.is_none() {
            self.changes.remark(db, key, Event::NEW);
        }
        self.remark_replaced(db, key, before, now);
    }

    fn remark_replaced(&mut self, db: usize, key: &[u8], before: Option<Type>, now: Type) {
        let Some(before) = before else { return };
        self.changes.remark(db, key, Event::OVERWRITTEN);
        if before != now {
            self.changes.remark(db, key, Event::TYPE_CHANGED);
        }
    }

    fn insert(&mut self, db: usize, hash: u64, mut record: Record, life: Life) {
        let deadline = match life {
            Life::Until(deadline) => Some(deadline),
            Life::Keep | Life::Forever => None,
        };
        record.set_deadline(deadline);
        self.before_change(db, record.key());
        self.filed = self.filed.min(self.dbs[db].insert(hash, record, self.now));
    }

    /// Takes a record out of its database, for which there is another reason than that it is due.
    fn discard(&mut self, db: usize, key: &[u8]) -> Option<Record> {
        self.before_change(db, key);
        self.take_off(db, key)
    }

    fn take_off(&mut self, db: usize, key: &[u8]) -> Option<Record> {
        let hash = self.hash(key);
        let home = &mut self.dbs[db];
        home.remove_at(home.table.locate(hash, |record| record.key() == key)?)
    }
}

/// Drops a record, or leaves it to be freed where it holds nobody up.
fn free(record: Record, trash: &mut Vec<Record>) {
    if record.pieces() >= HEAVY_PIECES || record.block() >= HEAVY {
        trash.push(record);
    }
}

impl table::Entry for Record {
    type Sharing = Never;

    fn copied(&self, never: Never) -> Record {
        match never {}
    }

    fn hash(&self, seed: u64) -> u64 {
        table::hash(seed, self.key())
    }

    fn prefetch(&self) {
        Record::prefetch(self);
    }

    fn prefetch_rest(&self) {
        self.prefetch_value();
    }
}
