//! Keys to values: the numbered databases, their deadlines, and the two doors of a write.
//!
//! `read` and `edit` expire what is due, check the type, count the hit and age the key, so that
//! no command can forget to. `put` and `remove` take whole records. Whatever changes is noted in
//! `changes`; the engine makes the rest follow from there.

pub mod age;
pub mod change;
pub mod edit;
pub mod expiry;
pub mod record;
pub mod table;

pub use age::Aging;
pub use change::{Cause, Changes};
pub use edit::{Edit, Kind, Str};
pub use record::Record;

use crate::error::Error;
use crate::world::Millis;
use expiry::Deadlines;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use table::Table;

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
    /// Keys that are due read as missing but are left where they are (CLIENT PAUSE).
    pub holds_expired: bool,
    /// Whether keys that are due are removed by the sweep (DEBUG SET-ACTIVE-EXPIRE).
    pub sweeps: bool,
}

pub struct Db {
    table: Table<Record>,
    deadlines: Deadlines,
    /// Keys that have a deadline, and the sum of their deadlines, for INFO's average.
    expires: usize,
    deadline_sum: i128,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
}

/// What becomes of the deadline when a value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as the old one had; for ever when there was none.
    Keep,
    Forever,
    Until(Millis),
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
            holds_expired: false,
            sweeps: true,
        }
    }

    /// A unit begins: time stands still until the next one.
    pub fn begin(&mut self, now: Millis) {
        self.now = now;
    }

    pub fn now(&self) -> Millis {
        self.now
    }

    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn db(&self, db: usize) -> &Db {
        &self.dbs[db]
    }

    pub fn hash(&self, key: &[u8]) -> u64 {
        hash(self.seed, key)
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Reads a value of one kind; counts the hit or miss.
    #[inline]
    pub fn read<T: Kind>(&mut self, db: usize, key: &[u8]) -> Result<Option<T::View<'_>>, Error> {
        if self.touch(db, key).is_none() {
            return Ok(None);
        }
        self.peek::<T>(db, key)
    }

    /// What `read` does to the world, without lending the value: for commands that look at
    /// several keys at once, which `touch` them all first and then `peek`.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8]) -> Option<&Record> {
        let (no_touch, aging) = (self.no_touch, self.aging);
        if self.live(db, key).is_none() {
            self.counters.misses += 1;
            return None;
        }
        self.counters.hits += 1;
        let hash = self.hash(key);
        let record =
            self.dbs[db].table.find_mut(hash, |record| record.key() == key).expect("it is live");
        if !no_touch {
            aging.touch(record, &mut self.dice);
        }
        Some(record)
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
        let record = self.dbs[db].table.find(self.hash(key), |record| record.key() == key)?;
        (!record.is_due(self.now)).then_some(record)
    }

    /// Is there such a key? Removes it if it is due; neither counts nor ages.
    pub fn contains(&mut self, db: usize, key: &[u8]) -> bool {
        self.live(db, key).is_some()
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
            if self.live(db, &key).is_some() {
                return Some(key);
            }
        }
        let found = self.dbs[db].table.iter().find(|record| !record.is_due(self.now));
        found.map(|record| record.key().to_vec())
    }

    // ── changing ────────────────────────────────────────────────────────────────────────────

    /// Opens a value that is there to be changed.
    #[inline]
    pub fn edit<T: Kind>(&mut self, db: usize, key: &[u8]) -> Result<Option<Edit<'_, T>>, Error> {
        let Some(record) = self.live(db, key) else { return Ok(None) };
        if record.kind() != T::TYPE {
            return Err(Error::WrongType);
        }
        let (hash, aging) = (self.hash(key), self.aging);
        let record =
            self.dbs[db].table.find_mut(hash, |record| record.key() == key).expect("it is live");
        if !self.no_touch {
            aging.touch(record, &mut self.dice);
        }
        Ok(Some(Edit::open(record, &mut self.changes, db)))
    }

    /// Stores a string, whatever was there before.
    #[inline]
    pub fn put_text(
        &mut self,
        db: usize,
        key: &[u8],
        value: &[u8],
        life: Life,
        event: &'static str,
    ) {
        let (hash, aging, now) = (self.hash(key), self.aging, self.now);
        let home = &mut self.dbs[db];
        let Some(record) = home.table.find_mut(hash, |record| record.key() == key) else {
            let mut record = Record::string(key, value);
            record.set_age(aging.newborn());
            return self.insert(db, hash, record, life, event);
        };
        // A value that is due is as good as gone, and so is its deadline.
        let expired = record.is_due(now);
        let before = record.deadline();
        let after = match life {
            Life::Keep if !expired => before,
            Life::Keep | Life::Forever => None,
            Life::Until(deadline) => Some(deadline),
        };
        record.set_text(value);
        if expired {
            record.set_age(aging.newborn());
        } else if !self.no_touch {
            aging.touch(record, &mut self.dice);
        }
        if before != after {
            record.set_deadline(after);
            home.account(hash, before, after);
        }
        if expired {
            self.counters.expired += 1;
            self.changes.note(db, key, "expired", Cause::Expiry);
        }
        self.changes.note(db, key, event, Cause::Command);
    }

    /// Stores a whole record under its key, whatever was there before.
    pub fn put(&mut self, db: usize, record: Record, event: &'static str) {
        let hash = self.hash(record.key());
        self.discard(db, record.key());
        let life = record.deadline().into();
        self.insert(db, hash, record, life, event);
    }

    /// Removes a key; says whether it was there.
    pub fn remove(&mut self, db: usize, key: &[u8], event: &'static str) -> bool {
        self.take(db, key, event).is_some()
    }

    /// Removes a key and hands over its record.
    pub fn take(&mut self, db: usize, key: &[u8], event: &'static str) -> Option<Record> {
        self.live(db, key)?;
        let record = self.discard(db, key)?;
        self.changes.note(db, key, event, Cause::Command);
        Some(record)
    }

    /// Gives a key that is there a deadline, or takes it away.
    pub fn set_deadline(
        &mut self,
        db: usize,
        key: &[u8],
        deadline: Option<Millis>,
        event: &'static str,
    ) {
        let hash = self.hash(key);
        let home = &mut self.dbs[db];
        let Some(record) = home.table.find_mut(hash, |record| record.key() == key) else { return };
        let before = record.deadline();
        record.set_deadline(deadline);
        home.account(hash, before, deadline);
        self.changes.note(db, key, event, Cause::Command);
    }

    /// Empties a database; what was in it is handed over, to be freed where it holds nobody up.
    pub fn flush(&mut self, db: usize) -> Db {
        let fresh = Db::new(self.seed);
        let old = std::mem::replace(&mut self.dbs[db], fresh);
        self.changes.dirty += old.len() as u64;
        old
    }

    pub fn swap(&mut self, left: usize, right: usize) {
        self.dbs.swap(left, right);
        self.changes.dirty += 1;
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    /// The earliest moment at which a key may be due.
    pub fn next_deadline(&self) -> Option<Millis> {
        if !self.sweeps || self.holds_expired {
            return None;
        }
        self.dbs.iter().filter_map(|db| db.deadlines.next()).min()
    }

    /// Removes keys that are due, at most so many; says whether more may be left.
    pub fn sweep(&mut self, most: usize) -> bool {
        if !self.sweeps || self.holds_expired {
            return false;
        }
        let mut left = most;
        for db in 0..self.dbs.len() {
            while let Some(hash) = self.dbs[db].deadlines.take_due(self.now) {
                let now = self.now;
                // Several keys may share a hash, and each filed a hint of its own.
                let due = self.dbs[db].table.find(hash, |record| {
                    record.is_due(now) && self::hash(self.seed, record.key()) == hash
                });
                if let Some(key) = due.map(|record| record.key().to_vec()) {
                    self.expire(db, &key);
                }
                left -= 1;
                if left == 0 {
                    return true;
                }
            }
        }
        false
    }

    /// The record of a key, unless it is due: then it is removed.
    #[inline]
    fn live(&mut self, db: usize, key: &[u8]) -> Option<&Record> {
        let hash = self.hash(key);
        let now = self.now;
        let due = self.dbs[db].table.find(hash, |record| record.key() == key)?.is_due(now);
        if due {
            if !self.holds_expired {
                self.expire(db, key);
            }
            return None;
        }
        self.dbs[db].table.find(hash, |record| record.key() == key)
    }

    #[cold]
    fn expire(&mut self, db: usize, key: &[u8]) {
        if self.discard(db, key).is_some() {
            self.counters.expired += 1;
            self.changes.note(db, key, "expired", Cause::Expiry);
        }
    }

    fn insert(
        &mut self,
        db: usize,
        hash: u64,
        mut record: Record,
        life: Life,
        event: &'static str,
    ) {
        let deadline = match life {
            Life::Until(deadline) => Some(deadline),
            Life::Keep | Life::Forever => None,
        };
        record.set_deadline(deadline);
        self.changes.note(db, record.key(), event, Cause::Command);
        let home = &mut self.dbs[db];
        home.table.insert_new(hash, record);
        if deadline.is_some() {
            home.account(hash, None, deadline);
        }
    }

    fn discard(&mut self, db: usize, key: &[u8]) -> Option<Record> {
        let hash = self.hash(key);
        let home = &mut self.dbs[db];
        let record = home.table.remove(hash, |record| record.key() == key)?;
        home.account(hash, record.deadline(), None);
        Some(record)
    }
}

impl Db {
    fn new(seed: u64) -> Db {
        Db { table: Table::new(seed), deadlines: Deadlines::default(), expires: 0, deadline_sum: 0 }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have a deadline.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// The average time to live of the keys that have one, in milliseconds.
    pub fn average_ttl(&self, now: Millis) -> i64 {
        if self.expires == 0 {
            return 0;
        }
        (self.deadline_sum / self.expires as i128 - now.0 as i128).max(0) as i64
    }

    pub fn table(&self) -> &Table<Record> {
        &self.table
    }

    /// All records, due ones included.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.table.iter()
    }

    /// Keeps count of deadlines, and files a hint for a new one.
    fn account(&mut self, hash: u64, before: Option<Millis>, after: Option<Millis>) {
        if let Some(before) = before {
            self.expires -= 1;
            self.deadline_sum -= before.0 as i128;
        }
        if let Some(after) = after {
            self.expires += 1;
            self.deadline_sum += after.0 as i128;
            self.deadlines.file(after, hash);
            if self.deadlines.is_bloated(self.expires) {
                let table = &self.table;
                self.deadlines.rebuild(table.iter().filter_map(|record| {
                    Some((record.deadline()?, self::hash(table.seed(), record.key())))
                }));
            }
        }
    }
}

impl table::Entry for Record {
    fn hash(&self, seed: u64) -> u64 {
        hash(seed, self.key())
    }
}

#[inline]
fn hash(seed: u64, key: &[u8]) -> u64 {
    let secrets = rapidhash::v3::RapidSecrets::seed_cpp(seed);
    rapidhash::v3::rapidhash_v3_micro_inline::<true, false>(key, &secrets)
}
