//! A value that is too long to be handed over at once: a string (`text.rs`), or a sorted set
//! (`data/zset/handover.rs`).
//!
//! It is handed over in parts, in several steps, and may be changed between them. Nobody copies it for that: what
//! is about to change of it is kept, or handed over, as it was; and what is replaced or removed is handed over as it
//! is.

use super::text::TextParts;
use super::{Piece, Portions};
use crate::data::Collection;
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::keyspace::record::Raw;
use crate::keyspace::{Db, Record};
use crate::world::Millis;
use std::ops::Range;

pub struct Long {
    /// The database and key that it is saved under.
    db: usize,
    key: Vec<u8>,
    deadline: Option<Millis>,
    age: u32,
    parts: Parts,
    place: Place,
    /// How much it takes, once it was removed or replaced.
    kept: usize,
}

enum Parts {
    Text(TextParts),
    /// The set knows how far it was handed over.
    Scores {
        len: usize,
        part: usize,
    },
}

/// Where the value is now.
enum Place {
    There {
        db: usize,
        key: Vec<u8>,
    },
    /// It was removed, or replaced.
    Here(Record),
}

impl Long {
    /// A value that lies in a database, saved under a number; none if it is not that long.
    pub fn there(
        number: usize,
        db: usize,
        record: &mut Record,
        portions: Portions,
    ) -> Option<Long> {
        let place = Place::There { db, key: record.key().to_vec() };
        Long::new(number, record, place, portions)
    }

    /// A value that is nobody else's, if it is that long.
    pub fn here(number: usize, mut record: Record, portions: Portions) -> Result<Long, Record> {
        let place = Place::There { db: 0, key: Vec::new() };
        match Long::new(number, &mut record, place, portions) {
            None => Err(record),
            Some(mut long) => {
                long.take(record);
                Ok(long)
            }
        }
    }

    fn new(db: usize, record: &mut Record, place: Place, portions: Portions) -> Option<Long> {
        let parts = match record.raw() {
            Raw::Text(bytes) if bytes.len() > portions.long => {
                Parts::Text(TextParts::new(bytes.len(), portions))
            }
            _ => {
                let set = record.large_mut::<ZSet>()?;
                let is_long = set.begin_handover(portions.members);
                is_long.then(|| Parts::Scores { len: set.len(), part: portions.scores })?
            }
        };
        let (key, deadline, age) = (record.key().to_vec(), record.deadline(), record.age());
        Some(Long { db, key, deadline, age, parts, place, kept: 0 })
    }

    pub fn is_text(&self) -> bool {
        matches!(self.parts, Parts::Text(_))
    }

    pub fn is_at(&self, db: usize, key: &[u8]) -> bool {
        matches!(&self.place, Place::There { db: its, key: own } if *its == db && own == key)
    }

    /// The database that it lies in, and its key there.
    pub fn home(&self) -> Option<(usize, &[u8])> {
        match &self.place {
            Place::There { db, key } => Some((*db, key)),
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

    /// The record was removed. Says how much that keeps.
    pub fn take(&mut self, record: Record) -> usize {
        self.kept = record.memory();
        self.place = Place::Here(record);
        self.kept
    }

    /// What it keeps that is nobody else's any more.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// What comes before the parts.
    pub fn title(&mut self) -> Piece {
        let (db, key, deadline, age) =
            (self.db, std::mem::take(&mut self.key), self.deadline, self.age);
        match &self.parts {
            Parts::Text(text) => Piece::LongText { db, key, deadline, age, len: text.len() },
            Parts::Scores { len, .. } => Piece::LongScores { db, key, deadline, age, len: *len },
        }
    }

    /// The next part, which may be empty; none if there are no more.
    pub fn part(&mut self, dbs: &mut [Db]) -> Option<Piece> {
        let parts = &mut self.parts;
        let mut next = |record: &mut Record| match parts {
            Parts::Text(text) if text.is_over() => None,
            Parts::Text(text) => Some(Piece::Part(text.next(bytes_of(record)))),
            Parts::Scores { part, .. } => {
                record.large_mut::<ZSet>()?.handover_part(*part).map(Piece::Scores)
            }
        };
        match &mut self.place {
            Place::Here(record) => next(record),
            Place::There { db, key } => {
                let record = dbs[*db].find_mut(key);
                debug_assert!(record.is_some(), "a value that is handed over is somewhere");
                record.and_then(next)
            }
        }
    }

    /// These of its bytes are about to be written to, if it is a string. Says how many were copied for that.
    pub fn keep(&mut self, bytes: &[u8], written: Range<usize>) -> usize {
        match &mut self.parts {
            Parts::Text(text) => text.keep(bytes, written),
            Parts::Scores { .. } => 0,
        }
    }

    /// The walk was given up.
    pub fn give_up(&mut self, dbs: &mut [Db]) {
        if let (Parts::Scores { .. }, Place::There { db, key }) = (&self.parts, &self.place) {
            dbs[*db].find_mut(key).and_then(Record::large_mut).map(ZSet::end_handover);
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
