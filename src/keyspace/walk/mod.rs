//! The walk of a snapshot: all keys as they were at one moment, handed over piece by piece while commands
//! go on changing them.
//!
//! ```text
//!   databases, one after the other; each from the lowest position to the highest
//!   ├──── passed ────┤cursor├──────── not reached: what changes here is handed over before ────────┤
//! ```
//!
//! A table lies in the order of its hashes, so whether the walk has passed a key is one comparison. Where it has
//! not, whoever is about to change, move or remove the key's record comes through `before_change` first:
//! the record is handed over as it is, and a mark says that the walk shall leave that key out. A key that is
//! born gets a mark too, since it was not there at the beginning. Growth, splits and merges of the table
//! move nothing in that order, so nobody need tell the walk of them.
//!
//! Small values are copied (`entries.rs`), large collections are frozen, and a long string or sorted set is
//! handed over in parts, each as it was at the beginning though the value may be written to meanwhile
//! (`long.rs`). A database that is emptied goes to the walk as a whole, which takes it apart as it passes.
//!
//! Nothing is left out for being due: who reads the snapshot knows the time. Only what is removed because it
//! is due, or evicted, is not handed over any more. A line of the log that reads such a key, as COPY does, would not find
//! it in the base; so while a log is written, what a line reads is handed over before (`hold_for_log`).

mod entries;
mod long;
mod marks;
mod run;
#[cfg(test)]
mod tests;
mod text;

pub use entries::{Entries, Saved};
pub(super) use run::Walk;

use super::{Db, Keyspace, Record, free};
use crate::base::memory_size::of_array;
use crate::base::table::Place;
use crate::data::zset::ScoreBatch;
use crate::world::Millis;
use std::any::Any;

/// What the walk hands over, in this order.
pub enum Piece {
    /// Whole keys.
    Entries(Entries),
    /// A string that is too long to be handed over at once. Its parts follow, and nothing else comes in
    /// between.
    LongText {
        db: usize,
        key: Vec<u8>,
        deadline: Option<Millis>,
        age: u32,
        len: usize,
    },
    Part(Vec<u8>),
    /// A sorted set of very many members, and its parts in the same way.
    LongScores {
        db: usize,
        key: Vec<u8>,
        deadline: Option<Millis>,
        age: u32,
        len: usize,
    },
    Scores(ScoreBatch),
}

impl Piece {
    /// About how much memory this holds.
    pub fn bytes(&self) -> usize {
        match self {
            Piece::Entries(entries) => entries.bytes(),
            Piece::LongText { key, .. } | Piece::LongScores { key, .. } => key.len(),
            Piece::Part(part) => part.len(),
            Piece::Scores(part) => part.bytes(),
        }
    }

    /// How much memory it takes, with the room that it has for more.
    pub fn memory(&self) -> u64 {
        let bytes = match self {
            Piece::Entries(entries) => entries.memory(),
            Piece::Part(part) => of_array::<u8>(part.capacity()),
            Piece::LongText { .. } | Piece::LongScores { .. } | Piece::Scores(_) => self.bytes(),
        };
        bytes as u64
    }
}

/// How long values are divided.
#[derive(Clone, Copy, Debug)]
pub struct Portions {
    /// A string of more bytes than this is handed over in parts …
    pub long: usize,
    /// … of so many bytes, a multiple of a page.
    pub part: usize,
    /// What is kept of a long string when some bytes of it are about to be written to …
    pub page: usize,
    /// … or, if they all lie in one of these, of which a page is a multiple: a bit, or a counter.
    pub line: usize,
    /// A sorted set of at least so many members is handed over in parts …
    pub members: usize,
    /// … of about so many bytes.
    pub scores: usize,
}

impl Default for Portions {
    fn default() -> Portions {
        Portions {
            long: 1 << 20,
            part: 256 << 10,
            page: 4 << 10,
            line: 64,
            members: 4 << 10,
            scores: 32 << 10,
        }
    }
}

/// As `Keyspace::let_go`, for those who have borrowed some of it.
#[inline]
pub(super) fn let_go(
    walk: &mut Option<Box<Walk>>,
    db: usize,
    record: Record,
    trash: &mut Vec<Record>,
) {
    let record = match walk {
        Some(walk) => walk.keep(db, record),
        None => Some(record),
    };
    if let Some(record) = record {
        free(record, trash);
    }
}

impl Keyspace {
    /// Begins a walk: what it hands over is all that is there now. There is one at a time.
    pub fn begin_walk(&mut self) {
        self.begin_walk_in(Portions::default());
    }

    pub fn begin_walk_in(&mut self, portions: Portions) {
        debug_assert!(self.walk.is_none(), "there is one walk at a time");
        self.walk = Some(Box::new(Walk::new(&self.dbs, self.seed, portions)));
        self.forget_copied();
    }

    /// Is there a walk that is not over, or of which there are pieces to take?
    #[inline]
    pub fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Goes on until about so many bytes wait to be taken, or for a few hundred buckets. Says whether there
    /// is anything left to walk over.
    pub fn walk(&mut self, most: usize) -> bool {
        let Some(walk) = &mut self.walk else { return false };
        let is_left = walk.go_on(&mut self.dbs, most, &mut self.trash);
        self.forget_walk();
        is_left
    }

    /// What was gathered since, in order; what changes forced is among it.
    pub fn take_pieces(&mut self) -> Vec<Piece> {
        let pieces = self.walk.as_mut().map(|walk| walk.take_pieces()).unwrap_or_default();
        self.forget_walk();
        pieces
    }

    fn forget_walk(&mut self) {
        if self.walk.as_ref().is_some_and(|walk| walk.is_over() && walk.gathered() == 0) {
            self.forget();
        }
    }

    fn forget(&mut self) -> Option<Box<Walk>> {
        let walk = self.walk.take()?;
        self.walk_copied = walk.copied();
        Some(walk)
    }

    /// About how many bytes wait to be taken.
    pub fn gathered(&self) -> usize {
        self.walk.as_ref().map_or(0, |walk| walk.gathered())
    }

    /// Bytes that the walk holds and that go with it: what it copied, and values that were removed before it had handed
    /// them over.
    pub fn held_by_walk(&self) -> usize {
        self.walk.as_ref().map_or(0, |walk| walk.memory())
    }

    /// Gives the walk up. What it held is handed over, to be freed where it holds nobody up.
    pub fn end_walk(&mut self) -> Option<impl Any + Send + use<>> {
        let mut walk = self.forget()?;
        walk.give_up(&mut self.dbs);
        Some(walk)
    }

    /// Does a part of a long string come next?
    pub fn walks_in_text(&self) -> bool {
        self.walk.as_ref().is_some_and(|walk| walk.is_in_text())
    }

    /// Keys that were passed, of those that were there at the beginning.
    pub fn walk_progress(&self) -> (u64, u64) {
        self.walk.as_ref().map_or((0, 0), |walk| walk.progress())
    }

    /// A walk is to come.
    pub fn forget_copied(&mut self) {
        self.walk_copied = 0;
    }

    /// Bytes that the walk, or the last one, copied since they were about to change. Those of chunks that a frozen
    /// collection shared with its twin are not counted.
    pub fn copied_for_walk(&self) -> u64 {
        self.walk.as_ref().map_or(self.walk_copied, |walk| walk.copied())
    }

    /// The databases that the walk hands over: number, keys, and keys with deadlines at the beginning.
    pub fn databases_of_walk(&self) -> Vec<(usize, u64, u64)> {
        self.walk.as_ref().map(|walk| walk.databases()).unwrap_or_default()
    }

    /// A line of the log reads the key as it is now, so it must be in the base, even if it goes by itself soon.
    pub fn hold_for_log(&mut self, db: usize, key: &[u8]) {
        self.before_change(db, key);
    }

    // ── the doors, for the rest of the keyspace ─────────────────────────────────────────────

    /// Must be called before a key's record is changed, moved or removed, before its deadline is, and before
    /// a key is born.
    #[inline(always)]
    pub(super) fn before_change(&mut self, db: usize, key: &[u8]) {
        if self.walk.is_some() {
            self.hand_over_first(db, key);
        }
    }

    /// As `before_change`, where only the record's place is known.
    #[inline(always)]
    pub(super) fn before_change_at(&mut self, db: usize, place: Place) {
        if self.walk.is_some()
            && let Some(key) = self.dbs[db].table.at(place).map(|record| record.key().to_vec())
        {
            self.hand_over_first(db, &key);
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_over_first(&mut self, db: usize, key: &[u8]) {
        let hash = self.hash(key);
        if let Some(walk) = &mut self.walk {
            walk.before_change(&mut self.dbs[db], db, hash, key);
        }
    }

    /// A key goes because it is due, or to make room, so its value is of no use to anybody.
    #[inline(always)]
    pub(super) fn goes_by_itself(&mut self, db: usize, key: &[u8]) {
        if self.walk.is_some() {
            let hash = self.hash(key);
            if let Some(walk) = &mut self.walk {
                walk.leave_out(db, hash, key);
            }
        }
    }

    /// Frees a record that was removed from a database, unless the walk still needs it.
    #[inline]
    pub(super) fn let_go(&mut self, db: usize, record: Record) {
        let_go(&mut self.walk, db, record, &mut self.trash);
    }

    /// A record lies under another key now.
    pub(super) fn moved(&mut self, from: (usize, &[u8]), to: (usize, &[u8])) {
        if let Some(walk) = &mut self.walk {
            walk.moved(from, to);
        }
    }

    /// A database was emptied. The walk takes what it has not passed of it.
    pub(super) fn emptied(&mut self, db: usize, old: &mut Db) {
        if let Some(walk) = &mut self.walk {
            walk.emptied(db, old);
        }
    }

    pub(super) fn swapped(&mut self, left: usize, right: usize) {
        if let Some(walk) = &mut self.walk {
            walk.swapped(left, right);
        }
    }
}
