//! `Walk`: how far it has come, what it was told to leave out, and what waits to be taken.

use super::entries::Entries;
use super::long::Long;
use super::marks::{Mark, Marks};
use super::{Piece, Portions};
use crate::base::table::{self, position};
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::keyspace::record::Raw;
use crate::keyspace::{Db, Record, free};
use std::collections::VecDeque;
use std::ops::Range;

pub struct Walk {
    sources: Vec<Source>,
    /// The source that is walked over; those before it were.
    at: usize,
    /// For each database the source that lies there and is not passed.
    homes: Vec<Option<usize>>,
    /// What the second hashes of marks are seeded with.
    seed: u64,
    portions: Portions,
    /// Keys that were there at the beginning, and those of them that were passed.
    keys: u64,
    passed: u64,
    /// What is to be taken, and how many bytes that are.
    ready: Vec<Piece>,
    ready_bytes: usize,
    /// Keys that come next, but not between the parts of a long value.
    entries: Entries,
    /// The long value whose parts are handed over.
    open: Option<Long>,
    /// Those that follow: first what is being written to.
    long: VecDeque<Long>,
    /// How many of them all are strings.
    texts: usize,
    /// Bytes of those that were removed or replaced.
    kept: usize,
    /// Bytes that were copied because they were about to be changed, and not since it was their turn.
    copied: u64,
    /// Keys that a step leaves for its end.
    special: Vec<Vec<u8>>,
}

/// A database as it was at the beginning, which may lie elsewhere by now.
struct Source {
    number: usize,
    keys: u64,
    expires: u64,
    /// All positions below were passed.
    cursor: u64,
    marks: Marks,
    place: Place,
}

enum Place {
    Database(usize),
    /// It was emptied, and its table is the walk's.
    Detached(Detached),
    /// There is nothing left of it.
    Passed,
}

/// A table that is taken apart.
struct Detached {
    records: Box<dyn Iterator<Item = Record> + Send>,
    /// Those that come next, whose memory is asked for.
    next: Vec<Record>,
    /// What their keys are hashed with.
    seed: u64,
}

/// No slice of the walk passes more buckets.
const BUCKETS_MAX: usize = 512;
/// A part of a long value counts as so many.
const PART_BUCKETS: usize = 16;
/// Of a table that is taken apart, so many records are what a bucket is elsewhere.
const RECORDS_EACH: usize = 12;
/// Memory for what a slice gathers is taken at once up to here.
const EXPECTED_MAX: usize = 1 << 18;
/// Makes the second hash of a mark another one than the first.
const SEED: u64 = 0x5eed_0f0a_3a4c_5e1d;

impl Walk {
    pub fn new(dbs: &[Db], seed: u64, portions: Portions) -> Walk {
        let mut sources = Vec::new();
        let mut homes = vec![None; dbs.len()];
        for (number, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
            homes[number] = Some(sources.len());
            sources.push(Source {
                number,
                keys: db.len() as u64,
                expires: db.expires() as u64,
                cursor: 0,
                marks: Marks::new(db.len()),
                place: Place::Database(number),
            });
        }
        Walk {
            keys: sources.iter().map(|source| source.keys).sum(),
            sources,
            at: 0,
            homes,
            seed: seed.rotate_left(32) ^ SEED,
            portions,
            passed: 0,
            ready: Vec::new(),
            ready_bytes: 0,
            entries: Entries::default(),
            open: None,
            long: VecDeque::new(),
            texts: 0,
            kept: 0,
            special: Vec::new(),
            copied: 0,
        }
    }

    pub fn is_in_text(&self) -> bool {
        self.open.as_ref().is_some_and(Long::is_text)
    }

    pub fn copied(&self) -> u64 {
        self.copied
    }

    pub fn progress(&self) -> (u64, u64) {
        (self.passed, self.keys)
    }

    pub fn databases(&self) -> Vec<(usize, u64, u64)> {
        self.sources.iter().map(|source| (source.number, source.keys, source.expires)).collect()
    }

    /// Was everything handed over?
    pub fn is_over(&self) -> bool {
        self.at == self.sources.len() && self.open.is_none() && self.long.is_empty()
    }

    /// Bytes that are held until they are taken or handed over, and then go: also what cannot be taken yet, and long
    /// values that are nobody else's any more.
    pub fn memory(&self) -> usize {
        self.ready_bytes + self.entries.memory() + self.kept
    }

    /// Bytes that wait to be taken.
    pub fn gathered(&self) -> usize {
        let entries = if self.open.is_some() { 0 } else { self.entries.bytes() };
        self.ready_bytes + entries
    }

    pub fn take_pieces(&mut self) -> Vec<Piece> {
        if self.open.is_none() {
            self.seal();
        }
        self.ready_bytes = 0;
        std::mem::take(&mut self.ready)
    }

    fn seal(&mut self) {
        if !self.entries.is_empty() {
            self.ready_bytes += self.entries.bytes();
            self.ready.push(Piece::Entries(std::mem::take(&mut self.entries)));
        }
    }

    /// Goes on until so many bytes wait to be taken; says whether anything is left to do.
    pub fn go_on(&mut self, dbs: &mut [Db], most: usize, trash: &mut Vec<Record>) -> bool {
        let mut buckets = 0;
        while self.gathered() < most && buckets < BUCKETS_MAX {
            if self.open.is_some() {
                self.hand_over_part(dbs, trash);
                // Of a set that has little left to hand over, much is passed.
                buckets += PART_BUCKETS;
            } else if let Some(mut long) = self.long.pop_front() {
                self.seal();
                self.ready.push(long.title());
                self.open = Some(long);
            } else if self.at < self.sources.len() {
                self.entries.expect(most.min(EXPECTED_MAX));
                self.step(dbs, trash);
                buckets += 1;
            } else {
                break;
            }
        }
        !self.is_over()
    }

    fn hand_over_part(&mut self, dbs: &mut [Db], trash: &mut Vec<Record>) {
        let Some(mut long) = self.open.take() else { return };
        match long.part(dbs) {
            Some(part) if part.bytes() == 0 => self.open = Some(long),
            Some(part) => {
                if let Piece::Scores(batch) = &part {
                    self.copied += batch.early() as u64;
                }
                self.ready_bytes += part.bytes();
                self.ready.push(part);
                self.open = Some(long);
            }
            None => {
                self.texts -= usize::from(long.is_text());
                self.kept -= long.kept();
                long.into_record().into_iter().for_each(|record| free(record, trash));
            }
        }
    }

    /// Passes one bucket, or a few records of a table that is taken apart.
    fn step(&mut self, dbs: &mut [Db], trash: &mut Vec<Record>) {
        let source = &mut self.sources[self.at];
        let is_passed = match &mut source.place {
            Place::Passed => true,
            Place::Database(db) => {
                let db = *db;
                let is_passed = self.pass_bucket(&mut dbs[db], db);
                if is_passed {
                    self.homes[db] = None;
                }
                is_passed
            }
            Place::Detached(_) => self.take_apart(trash),
        };
        if is_passed {
            let source = &mut self.sources[self.at];
            source.place = Place::Passed;
            source.marks = Marks::default();
            self.at += 1;
        }
    }

    /// Hands over what is at home in the next bucket; says whether it was the last.
    fn pass_bucket(&mut self, home: &mut Db, db: usize) -> bool {
        let Source { number, cursor, marks, .. } = &mut self.sources[self.at];
        let (number, seed, longest) = (*number, self.seed, self.portions.long);
        let (entries, special, passed) = (&mut self.entries, &mut self.special, &mut self.passed);
        let (from, own_seed) = (*cursor, home.table.seed());
        let mut is_clear = None;
        *cursor = home.table.scan_on(from, |end, record| {
            let is_clear = *is_clear.get_or_insert_with(|| marks.is_clear(from, end));
            if !is_clear && marks.contains(mark(own_seed, seed, record.key())) {
                return;
            }
            *passed += 1;
            if !entries.copy(number, record, longest) {
                special.push(record.key().to_vec());
            }
        });
        let next = *cursor;
        marks.pass(next);
        for key in std::mem::take(&mut self.special) {
            home.alter(&key, |record| self.hand_over(number, db, record));
        }
        next == 0
    }

    /// Hands a few records of a table over that nobody else has, and frees them; says whether they were the
    /// last.
    fn take_apart(&mut self, trash: &mut Vec<Record>) -> bool {
        let Source { number, cursor, marks, place, .. } = &mut self.sources[self.at];
        let Place::Detached(detached) = place else { return true };
        let next = detached.records.by_ref().take(RECORDS_EACH).inspect(Record::prefetch).collect();
        let records: Vec<Record> = std::mem::replace(&mut detached.next, next);
        if records.is_empty() && detached.next.is_empty() {
            return marks.drop_some();
        }
        for mut record in records {
            let mark = mark(detached.seed, self.seed, record.key());
            if position(mark[0]) < *cursor || marks.contains(mark) {
                free(record, trash);
                continue;
            }
            self.passed += 1;
            if !self.entries.copy(*number, &record, self.portions.long) {
                match Long::here(*number, record, self.portions) {
                    Ok(long) => {
                        self.texts += usize::from(long.is_text());
                        self.kept += long.kept();
                        self.long.push_back(long);
                        continue;
                    }
                    Err(short) => record = short,
                }
                self.entries.freeze(*number, &mut record);
            }
            free(record, trash);
        }
        false
    }

    /// Hands a record over that stays where it is, in a database, and was numbered otherwise perhaps.
    fn hand_over(&mut self, number: usize, db: usize, record: &mut Record) {
        if self.entries.copy(number, record, self.portions.long) {
            return;
        }
        match Long::there(number, db, record, self.portions) {
            Some(long) => {
                self.texts += usize::from(long.is_text());
                self.long.push_back(long);
            }
            None => self.entries.freeze(number, record),
        }
    }

    // ── what others do meanwhile ────────────────────────────────────────────────────────────

    /// A key is about to be changed, removed or born.
    pub fn before_change(&mut self, home: &mut Db, db: usize, hash: u64, key: &[u8]) {
        let Some(number) = self.mark(db, hash, key) else { return };
        let before = self.entries.bytes();
        home.alter(key, |record| {
            self.passed += 1;
            self.hand_over(number, db, record);
        });
        self.copied += (self.entries.bytes() - before) as u64;
    }

    /// A key is removed that nobody will miss.
    pub fn leave_out(&mut self, db: usize, hash: u64, key: &[u8]) {
        if self.mark(db, hash, key).is_some() {
            self.passed += 1;
        }
    }

    /// Marks a key, unless the walk is past it or it has a mark; says under which number its database is
    /// handed over.
    fn mark(&mut self, db: usize, hash: u64, key: &[u8]) -> Option<usize> {
        let source = &mut self.sources[self.homes[db]?];
        if position(hash) < source.cursor {
            return None;
        }
        let mark = [hash, table::hash(self.seed, key)];
        source.marks.insert(mark).then_some(source.number)
    }

    /// Gives a removed record back, unless it is a long value that is not handed over yet.
    pub fn keep(&mut self, db: usize, record: Record) -> Option<Record> {
        // Hardly any is, and many may wait.
        let may_be_long = match record.raw() {
            Raw::Text(_) => self.texts > 0,
            Raw::Large(_) => record.large::<ZSet>().is_some_and(ZSet::is_being_handed_over),
            Raw::Int(_) | Raw::Small(..) => false,
        };
        if !may_be_long {
            return Some(record);
        }
        match self.long_at(db, record.key()) {
            None => Some(record),
            Some(long) => {
                let kept = long.take(record);
                self.kept += kept;
                None
            }
        }
    }

    /// It is not to go on.
    pub fn give_up(&mut self, dbs: &mut [Db]) {
        self.all_long().for_each(|long| long.give_up(dbs));
    }

    /// The value of a record is about to be replaced. If it is a long string, the record loses it.
    pub fn take_over(&mut self, db: usize, record: &mut Record) {
        if self.texts == 0 {
            return;
        }
        if let Some(long) = self.long_at(db, record.key()) {
            let kept = long.take(Record::long(b"", record.take_text()));
            self.kept += kept;
        }
    }

    /// These bytes of a string are about to be written to.
    pub fn keep_pages(
        &mut self,
        db: usize,
        record: &Record,
        written: impl Iterator<Item = Range<usize>>,
    ) {
        if self.texts > 0
            && let Some(long) = self.long_at(db, record.key())
            && let Text::Bytes(bytes) = record.text()
        {
            let copied: usize = written.map(|range| long.keep(bytes, range)).sum();
            self.copied += copied as u64;
        }
    }

    fn long_at(&mut self, db: usize, key: &[u8]) -> Option<&mut Long> {
        self.all_long().find(|long| long.is_at(db, key))
    }

    fn all_long(&mut self) -> impl Iterator<Item = &mut Long> {
        self.open.iter_mut().chain(&mut self.long)
    }

    pub fn moved(&mut self, (db, key): (usize, &[u8]), to: (usize, &[u8])) {
        if let Some(long) = self.long_at(db, key) {
            long.move_to(to.0, to.1);
        }
    }

    /// A database was emptied.
    pub fn emptied(&mut self, db: usize, old: &mut Db) {
        let mut kept = 0;
        for long in self.all_long() {
            let key = long.home().filter(|(home, _)| *home == db).map(|(_, key)| key);
            if let Some(record) = key.and_then(|key| old.take_off(key)) {
                kept += long.take(record);
            }
        }
        self.kept += kept;
        let Some(source) = self.homes[db].take() else { return };
        let seed = old.table.seed();
        let table = std::mem::replace(&mut old.table, table::Table::new(seed));
        let records = Box::new(table.into_pieces().flat_map(table::Piece::into_entries));
        self.sources[source].place = Place::Detached(Detached { records, next: Vec::new(), seed });
    }

    pub fn swapped(&mut self, left: usize, right: usize) {
        let other = |db: usize| match db {
            _ if db == left => right,
            _ if db == right => left,
            _ => db,
        };
        self.homes.swap(left, right);
        for source in &mut self.sources {
            if let Place::Database(db) = &mut source.place {
                *db = other(*db);
            }
        }
        for long in self.all_long() {
            if let Some((db, _)) = long.home() {
                long.move_to_db(other(db));
            }
        }
    }
}

fn mark(seed: u64, other: u64, key: &[u8]) -> Mark {
    [table::hash(seed, key), table::hash(other, key)]
}
