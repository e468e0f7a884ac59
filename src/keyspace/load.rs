//! Taking in what was saved: whole records, many at a time, which nobody is told of.

use super::evict::Ages;
use super::{Keyspace, Record};
use crate::base::table::{self, Table};
use crate::data::Value;
use crate::world::Millis;

/// A record on its way to its place. It is made by whoever reads the file, which may be another thread.
pub struct Arrival {
    db: usize,
    hash: u64,
    record: Record,
}

/// What is made of records for one keyspace.
pub struct Forge {
    seed: u64,
    ages: Ages,
}

impl Forge {
    /// The last two say how long the key had not been used when it was saved, or how often it had.
    pub fn arrival(
        &self,
        db: usize,
        key: &[u8],
        value: Value,
        deadline: Option<Millis>,
        idle_seconds: Option<u64>,
        frequency: Option<u8>,
    ) -> Arrival {
        let age = self.ages.restored(db, key, idle_seconds, frequency);
        let record = Record::restored(key, value, deadline, age);
        Arrival { db, hash: table::hash(self.seed, key), record }
    }
}

impl Arrival {
    pub fn db(&self) -> usize {
        self.db
    }

    pub fn key(&self) -> &[u8] {
        self.record.key()
    }

    pub fn is_due(&self, now: Millis) -> bool {
        self.record.is_due(now)
    }
}

impl Keyspace {
    /// What makes records for this keyspace.
    pub fn forge(&self) -> Forge {
        Forge { seed: self.seed, ages: self.ages() }
    }

    /// A database that is empty will get about so many keys: its table is made for them.
    pub fn expect(&mut self, db: usize, keys: usize) {
        if let Some(home) = self.dbs.get_mut(db)
            && home.is_empty()
        {
            home.table = Table::with_capacity(self.seed, keys);
        }
    }

    /// Whether records that are taken in replace those that are there.
    pub fn merges(&mut self, merges: bool) {
        self.merges = merges;
    }

    pub fn is_merging(&self) -> bool {
        self.merges
    }

    /// Takes records in, up to the first whose key is there already: that one is handed back.
    pub fn load(&mut self, arrivals: impl Iterator<Item = Arrival>) -> Result<(), Arrival> {
        for arrival in arrivals {
            let Some(home) = self.dbs.get_mut(arrival.db) else { return Err(arrival) };
            let Arrival { hash, record, .. } = &arrival;
            let taken = home.table.find(*hash, |other| other.key() == record.key()).is_some();
            if taken && !self.merges {
                return Err(arrival);
            }
            if taken {
                let db = arrival.db;
                if let Some(old) = self.discard(db, arrival.key()) {
                    self.let_go(db, old);
                }
            }
            let Some(home) = self.dbs.get_mut(arrival.db) else { return Err(arrival) };
            self.filed = self.filed.min(home.insert(arrival.hash, arrival.record, self.now));
        }
        Ok(())
    }

    /// Starts loading the lines that taking them in will look at.
    pub fn fetch_for(&self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            if let Some(home) = self.dbs.get(arrival.db) {
                home.table.prefetch_bucket(arrival.hash);
            }
        }
    }
}
