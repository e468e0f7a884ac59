//! What is due goes: on access, or when the sweep comes by.
//!
//! The index says what is due next (`expiry/`), the record decides. Keys that are due are removed; of a value whose
//! elements are due some are taken away at a time, and those that are left read as missing.

use super::expiry::Batch;
use super::{Cause, ENOUGH, Event, Keyspace, ON_ACCESS, Record, change};
use crate::base::table::{self, Place};
use crate::data::Due;
use crate::world::Millis;

impl Keyspace {
    /// The earliest moment at which the sweep has something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        if !self.sweeps || self.holds_expired {
            return None;
        }
        self.dbs.iter().filter_map(|db| db.deadlines.next(self.now)).min()
    }

    /// Is there something for the sweep to do now?
    pub fn has_due(&self) -> bool {
        self.next_deadline().is_some_and(|at| at <= self.now)
    }

    /// Switches the sweep; what fell due while it was off is found when it is on again.
    pub fn set_sweeps(&mut self, sweeps: bool) {
        self.sweeps = sweeps;
        self.filed = self.next_deadline().unwrap_or(self.filed);
    }

    /// Whether keys that are due are left where they are, though they read as missing.
    pub fn hold_expired(&mut self, hold: bool) {
        self.holds_expired = hold;
        self.filed = self.next_deadline().unwrap_or(self.filed);
    }

    /// Would a key with this deadline be gone at once? Where expired keys are held, it stays.
    pub fn is_over(&self, deadline: Millis) -> bool {
        deadline <= self.now && !self.holds_expired
    }

    /// When the sweep should look at what was filed since this was last asked.
    #[inline]
    pub fn take_filed(&mut self) -> Option<Millis> {
        let filed = std::mem::replace(&mut self.filed, Millis(i64::MAX));
        (filed != Millis(i64::MAX)).then_some(filed)
    }

    /// Removes keys that are due, of at most so many that it looks at; says whether more may be left.
    pub fn sweep(&mut self, most: usize) -> bool {
        if !self.sweeps || self.holds_expired {
            return false;
        }
        // That was the wish of the client whose command ran last.
        self.sees_expired = false;
        let mut left = most;
        for turn in 0..self.dbs.len() {
            let db = (self.sweep_from + turn) % self.dbs.len();
            while let Some(batch) = self.dbs[db].deadlines.due(self.now) {
                if left == 0 {
                    // A storm in one database must not hold up the others.
                    self.sweep_from = db + 1;
                    return true;
                }
                left = left.saturating_sub(self.look_at(db, &batch, left));
            }
        }
        false
    }

    /// Brings deadlines that come near to where they are found at their millisecond, at most so many or
    /// a few more; says whether more could be done. There is time for that, so it is done when nothing
    /// is due.
    pub fn prepare(&mut self, most: usize) -> bool {
        if !self.sweeps || self.holds_expired {
            return false;
        }
        let mut left = most;
        for db in 0..self.dbs.len() {
            while let Some(batch) = self.dbs[db].deadlines.ahead() {
                if left == 0 {
                    return true;
                }
                left = left.saturating_sub(self.look_at(db, &batch, ENOUGH));
            }
        }
        false
    }

    /// Gives back what an index of deadlines holds in which there are none.
    pub fn tidy(&mut self) {
        self.dbs.iter_mut().for_each(|db| db.deadlines.tidy());
    }

    /// Removes those keys of a batch that are due, and files the others anew; says how many it looked at.
    pub(super) fn look_at(&mut self, db: usize, batch: &Batch, most: usize) -> usize {
        let now = self.now;
        self.dbs[db].load(batch);
        let mut seen = 0;
        for (hash, ticket) in batch.entries() {
            if seen >= most {
                break;
            }
            seen += 1;
            let home = &mut self.dbs[db];
            let Some((place, deadline)) = home.filed_at(hash, ticket) else {
                debug_assert!(false, "what is filed has a record");
                home.deadlines.remove(ticket);
                continue;
            };
            let record = home.table.at(place).expect("it is filed");
            if deadline > now {
                home.file_anew(place, hash, deadline, now);
            } else if !record.is_due(now) {
                self.lateness.record(now.0.abs_diff(deadline.0));
                seen += self.expire_elements(db, place, most.saturating_sub(seen).max(1), false);
                let home = &mut self.dbs[db];
                if let Some((place, next)) = home.filed_at(hash, ticket) {
                    home.file_anew(place, hash, next, now);
                }
            } else if let Some(record) = home.take_out(place) {
                self.lateness.record(now.0.abs_diff(deadline.0));
                self.counters.expired += 1;
                self.changes.note(db, record.key(), Event::EXPIRED, Cause::Expiry);
                self.goes_by_itself(db, record.key());
                self.let_go(db, record);
            }
        }
        // Not before all of the batch were looked at, since it changes tickets.
        for _ in 0..seen {
            if !self.dbs[db].compact() {
                break;
            }
        }
        seen
    }

    /// Where the record of a key is, unless it is due: then it is removed.
    #[inline]
    pub(super) fn live(&mut self, db: usize, key: &[u8]) -> Option<Place> {
        self.touched.look(key);
        let hash = self.hash(key);
        let table = &self.dbs[db].table;
        let place = table.locate(hash, |record| record.key() == key)?;
        if table.at(place)?.is_awake(self.now) {
            return self.live_after_waking(db, key, place);
        }
        Some(place)
    }

    /// As `live`, where the key is due or elements of its value are. This is where elements are taken away,
    /// so nobody who reads or changes a value has to remember that they may be due.
    #[cold]
    fn live_after_waking(&mut self, db: usize, key: &[u8], place: Place) -> Option<Place> {
        let record = self.dbs[db].table.at(place)?;
        if record.is_due(self.now) && !self.sees_expired {
            self.expire(db, key);
            return None;
        }
        if record.has_due_elements(self.now) {
            self.expire_elements(db, place, ON_ACCESS, true);
            self.dbs[db].compact();
            // The record may be gone. If it is held though all of it is due, nothing is seen of it.
            let record = self.dbs[db].table.at(place).filter(|record| record.key() == key)?;
            return (record.size() > 0).then_some(place);
        }
        Some(place)
    }

    /// A value whose elements have deadlines is about to be replaced by one that has no elements.
    #[cold]
    pub(super) fn bury_elements(&mut self, db: usize, key: &[u8]) {
        match self.live(db, key) {
            None => self.take_away(db, key),
            Some(place) => {
                let (hash, now) = (self.hash(key), self.now);
                let home = &mut self.dbs[db];
                let weight = home.weight_at(place);
                home.change_life(place, hash, now, |record| record.set_earliest(None));
                home.reweigh(weight, place);
                home.compact();
            }
        }
    }

    /// Takes elements of a value away that are due, at most so many, hides those that are left, and removes
    /// the key if nothing else is left. Says how many went.
    fn expire_elements(&mut self, db: usize, place: Place, most: usize, is_seen: bool) -> usize {
        let (now, home) = (self.now, &mut self.dbs[db]);
        let Some(record) = home.table.at(place) else { return 0 };
        let (hash, bin, kind) =
            (table::hash(self.seed, record.key()), home.sizes.bin_of(record), record.kind());
        let event = Event::elements_expired(kind);
        let is_held = self.holds_expired || self.sees_expired;
        let interest = self.changes.interest;
        let in_pieces = |count: usize| {
            interest & change::PARTS != 0 || interest & change::LOG != 0 && count <= ON_ACCESS
        };
        if let Some(count) = record.spent(now).filter(|count| !is_held && !in_pieces(*count)) {
            // The value goes as a whole, which takes no time, unless somebody wants to know each element.
            let Some(record) = home.take_out(place) else { return 0 };
            self.counters.expired_elements += count as u64;
            self.changes.note(db, record.key(), event, Cause::Expiry);
            self.changes.remark(db, record.key(), Event::DEL);
            self.goes_by_itself(db, record.key());
            self.let_go(db, record);
            return 1;
        }
        self.before_change_at(db, place);
        let home = &mut self.dbs[db];
        let weight = home.weight_at(place);
        let due = Due {
            now: if self.sees_expired { Millis(i64::MIN) } else { now },
            most: if is_held { 0 } else { most },
            is_seen,
            seed: self.seed,
        };
        let (mut gone, mut is_left) = (0, true);
        let changes = &mut self.changes;
        home.change_life(place, hash, now, |record| {
            is_left = record.expire_elements(due, &mut |element| {
                gone += 1;
                changes.part_gone(element);
            });
        });
        home.reweigh(weight, place);
        let Some(record) = home.table.at(place) else { return gone };
        home.sizes.shift(bin, home.sizes.bin_of(record));
        self.counters.expired_elements += gone as u64;
        if gone > 0 {
            changes.note(db, record.key(), event, Cause::PartsExpiry);
        }
        if !is_left
            && !is_held
            && record.earliest().is_none()
            && let Some(record) = home.take_out(place)
        {
            changes.remark(db, record.key(), Event::DEL);
            self.let_go(db, record);
        }
        gone
    }

    /// Does the client find nothing where this record is?
    #[inline]
    pub(super) fn is_missing(&self, record: &Record) -> bool {
        record.is_awake(self.now)
            && !self.sees_expired
            && (record.is_due(self.now) || record.spent(self.now).is_some())
    }

    #[cold]
    pub(super) fn expire(&mut self, db: usize, key: &[u8]) {
        if !self.holds_expired {
            self.take_away(db, key);
        }
    }

    /// Removes a key, if it is there, because its time has come.
    pub(super) fn take_away(&mut self, db: usize, key: &[u8]) {
        if let Some(record) = self.take_off(db, key) {
            self.goes_by_itself(db, key);
            self.let_go(db, record);
            self.counters.expired += 1;
            self.changes.note(db, key, Event::EXPIRED, Cause::Expiry);
        }
    }
}
