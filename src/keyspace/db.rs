//! One database: its records, the index of their deadlines, and what is counted of both.
//!
//! Records come in, go out and get other deadlines here, so that index and counts follow. When that is done is
//! decided by the doors of the keyspace.

use super::expiry::{Batch, Deadlines, Ticket};
use super::rules::Accounts;
use super::{NEVER, Record, Sizes};
use crate::base::table::{self, Place, Table};
use crate::data::Type;
use crate::world::Millis;

pub struct Db {
    pub(super) table: Table<Record>,
    pub(super) deadlines: Deadlines,
    /// Keys that have a deadline, and the sum of their deadlines, for INFO's average.
    pub(super) expires: usize,
    pub(super) deadline_sum: i128,
    /// Keys of whose values elements have deadlines: of hashes, and of others.
    mortal_hashes: usize,
    mortal_others: usize,
    pub(super) sizes: Sizes,
    /// None without rules.
    pub(super) accounts: Option<Box<Accounts>>,
}

impl Db {
    pub(super) fn new(seed: u64) -> Db {
        Db {
            table: Table::new(seed),
            deadlines: Deadlines::default(),
            expires: 0,
            deadline_sum: 0,
            mortal_hashes: 0,
            mortal_others: 0,
            sizes: Sizes::default(),
            accounts: None,
        }
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

    /// How many keys have values whose elements have deadlines: hashes, and others.
    pub fn mortals(&self) -> (usize, usize) {
        (self.mortal_hashes, self.mortal_others)
    }

    /// The average time to live of the keys that have one, in milliseconds.
    pub fn average_ttl(&self, now: Millis) -> i64 {
        if self.expires == 0 {
            return 0;
        }
        (self.deadline_sum / self.expires as i128 - now.0 as i128).max(0) as i64
    }

    /// Bytes of the dictionary itself, and of the index of deadlines.
    pub fn overhead(&self) -> usize {
        self.table.memory() + self.deadlines.memory()
    }

    /// Bytes of the index of deadlines.
    pub fn deadlines_memory(&self) -> usize {
        self.deadlines.memory()
    }

    /// Bytes that a key with its value takes, and its share of the dictionary and of the index of
    /// deadlines.
    pub fn memory_of(&self, record: &Record) -> usize {
        let filed = self.expires + self.mortal_hashes + self.mortal_others;
        let deadline = match record.wakes() {
            Some(_) => self.deadlines.memory() / filed.max(1),
            None => 0,
        };
        record.memory() + self.table.memory_each() + deadline
    }

    /// How large the values are.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    pub fn table(&self) -> &Table<Record> {
        &self.table
    }

    /// All records, due ones included.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.table.iter()
    }

    /// A record of which nothing is changed that is counted here (else `alter`).
    pub(super) fn find_mut(&mut self, key: &[u8]) -> Option<&mut Record> {
        self.table.find_mut(table::hash(self.table.seed(), key), |record| record.key() == key)
    }

    /// Takes a record out of a database that is given up, in which nothing is counted any more.
    pub(super) fn take_off(&mut self, key: &[u8]) -> Option<Record> {
        self.table.remove(table::hash(self.table.seed(), key), |record| record.key() == key)
    }

    /// Removes a record, and its deadline from the index.
    pub(super) fn remove_at(&mut self, place: Place) -> Option<Record> {
        let record = self.take_out(place)?;
        if record.wakes().is_some() {
            self.compact();
        }
        Some(record)
    }

    /// As `remove_at`, without what follows.
    pub(super) fn take_out(&mut self, place: Place) -> Option<Record> {
        let record = self.table.remove_at(place)?;
        self.count_weight(&record, false);
        self.sizes.remove(self.sizes.bin_of(&record));
        self.count(&record, false);
        if let Some(ticket) = record.ticket() {
            self.deadlines.remove(ticket);
        }
        Some(record)
    }

    /// Takes in a record for which there is none yet. Says when the sweep should look at it.
    pub(super) fn insert(&mut self, hash: u64, mut record: Record, now: Millis) -> Millis {
        self.sizes.add(self.sizes.bin_of(&record));
        self.count(&record, true);
        let mut wake = NEVER;
        if let Some(wakes) = record.wakes() {
            let ticket;
            (ticket, wake) = self.deadlines.file(now, wakes, hash);
            record.set_ticket(ticket);
        }
        self.count_weight(&record, true);
        self.table.insert_new(hash, record);
        wake
    }

    /// Gives a record another deadline, or none. Says when the sweep should look at it.
    pub(super) fn give_deadline(
        &mut self,
        place: Place,
        hash: u64,
        deadline: Option<Millis>,
        now: Millis,
    ) -> Millis {
        let wake = self.change_life(place, hash, now, |record| record.set_deadline(deadline));
        self.compact();
        wake
    }

    /// As `give_deadline`, for the earliest deadline of an element.
    pub(super) fn give_earliest(
        &mut self,
        place: Place,
        earliest: Option<Millis>,
        now: Millis,
    ) -> Millis {
        let Some(record) = self.table.at(place) else { return NEVER };
        let hash = table::hash(self.table.seed(), record.key());
        let wake = self.change_life(place, hash, now, |record| record.set_earliest(earliest));
        self.compact();
        wake
    }

    /// Changes deadlines of a record, and files it where that is earlier than it was. Says when the sweep
    /// should look at it; what is put off stays where it is filed, and is looked at when that time has come.
    pub(super) fn change_life(
        &mut self,
        place: Place,
        hash: u64,
        now: Millis,
        change: impl FnOnce(&mut Record),
    ) -> Millis {
        let Some(record) = self.table.at_mut(place) else { return NEVER };
        let (before, ticket) = (record.wakes(), record.ticket());
        let counted = Counted::of(record);
        change(record);
        let (after, counts) = (record.wakes(), Counted::of(record));
        self.count_as(counted, false);
        self.count_as(counts, true);
        if let (Some(before), Some(after)) = (before, after)
            && before <= after
        {
            return NEVER;
        }
        if let Some(ticket) = ticket {
            self.deadlines.remove(ticket);
        }
        after.map_or(NEVER, |after| self.file(place, hash, after, now))
    }

    pub(super) fn file_anew(&mut self, place: Place, hash: u64, deadline: Millis, now: Millis) {
        if let Some(ticket) = self.table.at(place).and_then(Record::ticket) {
            self.deadlines.remove(ticket);
        }
        self.file(place, hash, deadline, now);
    }

    pub(super) fn file(
        &mut self,
        place: Place,
        hash: u64,
        deadline: Millis,
        now: Millis,
    ) -> Millis {
        let (ticket, wake) = self.deadlines.file(now, deadline, hash);
        if let Some(record) = self.table.at_mut(place) {
            record.set_ticket(ticket);
        }
        wake
    }

    pub(super) fn count(&mut self, record: &Record, comes: bool) {
        self.count_as(Counted::of(record), comes);
    }

    fn count_as(&mut self, counted: Counted, comes: bool) {
        let by = if comes { 1 } else { -1 };
        if let Some(deadline) = counted.deadline {
            self.expires = self.expires.wrapping_add_signed(by);
            self.deadline_sum += deadline.0 as i128 * by as i128;
        }
        if let Some(kind) = counted.mortal {
            let mortals = match kind {
                Type::Hash => &mut self.mortal_hashes,
                _ => &mut self.mortal_others,
            };
            *mortals = mortals.wrapping_add_signed(by);
        }
    }

    /// The record that a ticket belongs to, and when it wakes.
    #[inline]
    pub(super) fn filed_at(&self, hash: u64, ticket: Ticket) -> Option<(Place, Millis)> {
        let place = self.table.locate(hash, |record| record.ticket() == Some(ticket))?;
        Some((place, self.table.at(place)?.wakes()?))
    }

    /// Asks for the memory of all records that a batch is about, so that the ways there overlap.
    pub(super) fn load(&self, batch: &Batch) {
        batch.entries().for_each(|(hash, _)| self.table.prefetch_bucket(hash));
        for (hash, _) in batch.entries() {
            if let Some(record) = self.table.candidate(hash) {
                record.prefetch();
            }
        }
    }

    /// Keeps the index small when something was taken out of it; says whether there was something to do.
    pub(super) fn compact(&mut self) -> bool {
        let Some(batch) = self.deadlines.loosen() else { return false };
        self.load(&batch);
        for (hash, old) in batch.entries() {
            let ticket = self.deadlines.put_back(&batch, hash);
            match self.table.find_mut(hash, |record| record.ticket() == Some(old)) {
                Some(record) => record.set_ticket(ticket),
                None => {
                    debug_assert!(false, "what is filed has a record");
                    self.deadlines.remove(ticket);
                }
            }
        }
        self.deadlines.release(batch);
        true
    }
}

/// What of a record is counted beside its size.
#[derive(Clone, Copy)]
struct Counted {
    deadline: Option<Millis>,
    /// Elements have deadlines.
    mortal: Option<Type>,
}

impl Counted {
    #[inline]
    pub(super) fn of(record: &Record) -> Counted {
        let mortal = record.earliest().map(|_| record.kind());
        Counted { deadline: record.deadline(), mortal }
    }
}
