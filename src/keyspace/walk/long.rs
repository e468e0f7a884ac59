//! A string that is too long to be handed over at once.
//!
//! It is handed over in parts, in several steps, and may be written to between them. Nobody copies it for
//! that: before bytes of it are written to, the pages that they lie in are kept as they were; what is
//! replaced or removed is handed over as it is; and what is added behind its end does not matter, since the
//! length is remembered.

use super::{Piece, Portions};
use crate::data::string::Text;
use crate::keyspace::{Db, Record};
use crate::world::Millis;
use std::collections::BTreeMap;
use std::ops::Range;

pub struct LongText {
    /// The database and key that it is saved under.
    db: usize,
    key: Vec<u8>,
    deadline: Option<Millis>,
    age: u32,
    len: usize,
    /// So many bytes were handed over, whole parts.
    done: usize,
    /// Pages as they were before they were written to, by their numbers.
    images: BTreeMap<usize, Box<[u8]>>,
    place: Place,
    portions: Portions,
}

/// Where the string is now.
enum Place {
    There {
        db: usize,
        key: Vec<u8>,
    },
    /// It was removed, or replaced.
    Here(Record),
}

impl LongText {
    /// A string that lies in a database, saved under a number.
    pub fn there(number: usize, db: usize, record: &Record, portions: Portions) -> LongText {
        let place = Place::There { db, key: record.key().to_vec() };
        LongText::new(number, record, place, portions)
    }

    /// A string that is nobody else's.
    pub fn here(number: usize, record: Record, portions: Portions) -> LongText {
        let mut text =
            LongText::new(number, &record, Place::There { db: 0, key: Vec::new() }, portions);
        text.place = Place::Here(record);
        text
    }

    fn new(db: usize, record: &Record, place: Place, portions: Portions) -> LongText {
        LongText {
            db,
            key: record.key().to_vec(),
            deadline: record.deadline(),
            age: record.age(),
            len: record.size(),
            done: 0,
            images: BTreeMap::new(),
            place,
            portions,
        }
    }

    pub fn is_at(&self, db: usize, key: &[u8]) -> bool {
        matches!(&self.place, Place::There { db: its, key: own } if *its == db && own == key)
    }

    /// The database that it lies in.
    pub fn db(&self) -> Option<usize> {
        match self.place {
            Place::There { db, .. } => Some(db),
            Place::Here(_) => None,
        }
    }

    /// Its key there.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.place {
            Place::There { key, .. } => Some(key),
            Place::Here(_) => None,
        }
    }

    pub fn move_to(&mut self, db: usize, key: &[u8]) {
        self.place = Place::There { db, key: key.to_vec() };
    }

    pub fn move_to_db(&mut self, db: usize) {
        if let Place::There { db: own, .. } = &mut self.place {
            *own = db;
        }
    }

    /// The record was removed.
    pub fn take(&mut self, record: Record) {
        self.place = Place::Here(record);
    }

    /// What comes before the parts.
    pub fn title(&mut self) -> Piece {
        let (db, key, deadline) = (self.db, std::mem::take(&mut self.key), self.deadline);
        Piece::LongText { db, key, deadline, age: self.age, len: self.len }
    }

    pub fn is_over(&self) -> bool {
        self.done == self.len
    }

    /// The next part.
    pub fn part(&mut self, dbs: &[Db]) -> Vec<u8> {
        let end = self.len.min(self.done + self.portions.part);
        let record = match &self.place {
            Place::Here(record) => Some(record),
            Place::There { db, key } => dbs[*db].find(key),
        };
        let bytes = bytes_of(record.expect("a long string that is handed over is somewhere"));
        let mut part = Vec::with_capacity(end - self.done);
        while self.done < end {
            let until = end.min(self.done + self.portions.page);
            match self.images.remove(&(self.done / self.portions.page)) {
                Some(image) => part.extend_from_slice(&image),
                None => part.extend_from_slice(&bytes[self.done..until]),
            }
            self.done = until;
        }
        part
    }

    /// These of its bytes are about to be written to.
    pub fn keep(&mut self, bytes: &[u8], written: Range<usize>) {
        let page = self.portions.page;
        let end = written.end.min(self.len);
        let mut start = written.start.max(self.done) / page * page;
        while start < end {
            let image = || bytes[start..self.len.min(start + page)].into();
            self.images.entry(start / page).or_insert_with(image);
            start += page;
        }
    }

    /// It is over with it.
    pub fn into_record(self) -> Option<Record> {
        match self.place {
            Place::Here(record) => Some(record),
            Place::There { .. } => None,
        }
    }
}

fn bytes_of(record: &Record) -> &[u8] {
    match record.text() {
        Text::Bytes(bytes) => bytes,
        Text::Int(_) => unreachable!("an integer is not long"),
    }
}
