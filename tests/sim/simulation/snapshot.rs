//! The promise of a snapshot's walk: what it hands over is what was there when it began, each key once, whatever
//! commands do meanwhile.

use super::World;
use crate::support::dice::Dice;
use russet::data::limits::PackedLimits;
use russet::data::zset::ZSet;
use russet::data::{Collection, Type};
use russet::keyspace::Record;
use russet::keyspace::walk::{Piece, Portions};
use russet::world::Millis;
use std::collections::BTreeMap;

/// A key in its database.
type Place = (usize, Vec<u8>);

pub struct Snapshots {
    /// Apart from those of the world, so that its story stays the same.
    dice: Dice,
    under_way: Option<Snapshot>,
    /// A slice gathers about so many bytes; and of a hundred events, so many are followed by one.
    slice: usize,
    often: usize,
}

/// Where there is none, another one begins so often. To copy everything takes its time.
const BEGIN_PERCENT: usize = 5;

struct Snapshot {
    known: BTreeMap<Place, Content>,
    heard: BTreeMap<Place, Heard>,
    /// A long string that is not complete.
    open: Option<(Place, usize)>,
    /// A large sorted set that is not complete: how many members are missing, and those that came.
    scores: Option<(Place, usize, ZSet)>,
}

struct Heard {
    kind: Type,
    deadline: Option<Millis>,
    parts: Vec<Vec<u8>>,
}

/// What was there, and a copy that can say when all of it is due.
struct Content {
    heard: Heard,
    copy: Record,
}

impl Snapshots {
    pub fn rolled(seed: u64) -> Snapshots {
        let mut dice = Dice::seeded(seed, 1);
        let (slice, often) = (1 + dice.of_bits(1, 14) as usize, [5, 30, 100][dice.below(3)]);
        Snapshots { dice, under_way: None, slice, often }
    }

    pub fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }
}

impl World {
    /// The next slice of a snapshot, or the beginning of a new one.
    pub(super) fn go_on_with_snapshot(&mut self) -> Result<(), String> {
        if !self.snapshots.dice.percent(self.snapshots.often) {
            return Ok(());
        }
        if self.snapshots.under_way.is_none() {
            if !self.snapshots.dice.percent(BEGIN_PERCENT) {
                return Ok(());
            }
            self.note(|| "a snapshot begins".into());
            let page = 1 << self.snapshots.dice.below(10);
            let part = page * (1 + self.snapshots.dice.below(4));
            let long = 1 + self.snapshots.dice.of_bits(1, 12) as usize;
            let line = (page >> self.snapshots.dice.below(5)).max(1);
            let members = self.snapshots.dice.of_bits(1, 8) as usize;
            let scores = 1 + self.snapshots.dice.of_bits(1, 12) as usize;
            let keyspace = &mut self.engine.keyspace;
            keyspace.begin_walk_in(Portions { long, part, page, line, members, scores });
            let keys = (0..keyspace.databases()).flat_map(|db| {
                let records = keyspace.db(db).records();
                records.map(move |record| ((db, record.key().to_vec()), Content::of(record)))
            });
            let (known, heard) = (keys.collect(), BTreeMap::new());
            self.snapshots.under_way = Some(Snapshot { known, heard, open: None, scores: None });
            return Ok(());
        }
        self.engine.keyspace.walk(self.snapshots.slice);
        if self.snapshots.dice.percent(70) {
            self.take_pieces()?;
        }
        Ok(())
    }

    /// Goes through with the snapshot that is under way.
    pub(super) fn end_snapshot(&mut self) -> Result<(), String> {
        while self.snapshots.under_way.is_some() {
            self.engine.keyspace.walk(usize::MAX);
            self.take_pieces()?;
        }
        Ok(())
    }

    fn take_pieces(&mut self) -> Result<(), String> {
        let Some(snapshot) = &mut self.snapshots.under_way else { return Ok(()) };
        let pieces = self.engine.keyspace.take_pieces();
        pieces.into_iter().try_for_each(|piece| snapshot.hear(piece))?;
        if self.engine.keyspace.is_walking() {
            return Ok(());
        }
        self.note(|| "a snapshot ends".into());
        let now = self.engine.keyspace.now();
        self.snapshots.under_way.take().map_or(Ok(()), |snapshot| snapshot.compare(now))
    }
}

impl Content {
    fn of(record: &Record) -> Content {
        let (kind, deadline, parts) = (record.kind(), record.deadline(), record.parts());
        Content { heard: Heard { kind, deadline, parts }, copy: record.copy_as(record.key()) }
    }
}

impl Snapshot {
    fn hear(&mut self, piece: Piece) -> Result<(), String> {
        match piece {
            Piece::Scores(batch) => {
                let (place, left, mut set) =
                    self.scores.take().ok_or("a snapshot has members of nothing")?;
                let more = batch.iter().count();
                let left = left.checked_sub(more).ok_or("a snapshot has too large a set")?;
                for (member, score) in batch.iter() {
                    if set.score(member).is_some() {
                        return Err("a snapshot has a member twice".into());
                    }
                    set.set(member, score, PackedLimits { entries: 0, value: 0, seed: 1 });
                }
                if left > 0 {
                    self.scores = Some((place, left, set));
                } else if let Some(heard) = self.heard.get_mut(&place) {
                    heard.parts = set.parts();
                }
                Ok(())
            }
            _ if self.scores.is_some() => Err("a snapshot interrupts a large set".into()),
            Piece::Part(part) => {
                let (place, left) = self.open.take().ok_or("a snapshot has a part of nothing")?;
                let left =
                    left.checked_sub(part.len()).ok_or("a snapshot has too long a string")?;
                if let Some(heard) = self.heard.get_mut(&place) {
                    heard.parts[0].extend_from_slice(&part);
                }
                self.open = (left > 0).then_some((place, left));
                Ok(())
            }
            _ if self.open.is_some() => Err("a snapshot interrupts a long string".into()),
            Piece::LongText { db, key, deadline, len, .. } => {
                self.open = Some(((db, key.clone()), len));
                self.put((db, key), Heard { kind: Type::String, deadline, parts: vec![vec![]] })
            }
            Piece::LongScores { db, key, deadline, len, .. } => {
                self.scores = Some(((db, key.clone()), len, ZSet::default()));
                self.put((db, key), Heard { kind: Type::ZSet, deadline, parts: vec![] })
            }
            Piece::Entries(entries) => entries.each(|saved| {
                let (kind, deadline) = (saved.value.kind(), saved.deadline);
                let heard = Heard { kind, deadline, parts: saved.value.parts() };
                self.put((saved.db, saved.key.to_vec()), heard)
            }),
        }
    }

    fn put(&mut self, place: Place, heard: Heard) -> Result<(), String> {
        match self.heard.insert(place.clone(), heard) {
            Some(_) => Err(format!("a snapshot has {} twice", shown(&place))),
            None => Ok(()),
        }
    }

    fn compare(mut self, now: Millis) -> Result<(), String> {
        for (place, Content { heard: known, copy }) in self.known {
            match self.heard.remove(&place) {
                None if copy.is_due(now) || copy.spent(now).is_some() => (),
                None => return Err(format!("a snapshot lacks {}", shown(&place))),
                Some(heard) => {
                    let is_same = heard.kind == known.kind
                        && heard.deadline == known.deadline
                        && heard.parts == known.parts;
                    if !is_same {
                        return Err(format!("in a snapshot {} is not as it was", shown(&place)));
                    }
                }
            }
        }
        match self.heard.keys().next() {
            Some(place) => Err(format!("a snapshot has {}, born later", shown(place))),
            None => Ok(()),
        }
    }
}

fn shown((db, key): &Place) -> String {
    format!("{} of database {db}", key.escape_ascii())
}
