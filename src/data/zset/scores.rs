//! What is kept of a sorted set that is frozen: its members with their scores, in no particular order.
//!
//! They share the chunks of records with the set. The tree is made anew by whoever reads the set in again, and
//! so is the table; only deadlines, which are a sorted set beside the elements, are searched while frozen, and
//! share the table as well.

use super::large::{self, Entry};
use super::members::Chunks;
use super::parts_of;
use super::small::Small;
use crate::base::table::Table;
use crate::data::deadlines::Lifetimes;
use crate::data::string::Text;
use crate::world::Millis;

pub struct Scores(Form);

enum Form {
    Small(Small),
    Large(Records),
}

/// What of a large set is kept.
pub(super) struct Records {
    pub chunks: Chunks,
    pub len: usize,
    pub deadlines: Lifetimes,
}

/// A frozen set in which members can be found.
#[derive(Clone)]
pub struct Lookup {
    pub(super) chunks: Chunks,
    pub(super) table: Table<Entry>,
}

impl Scores {
    pub(super) fn of_small(set: Small) -> Scores {
        Scores(Form::Small(set))
    }

    pub(super) fn of_records(records: Records) -> Scores {
        Scores(Form::Large(records))
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.len(),
            Form::Large(records) => records.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All members with their scores. Those that are due are not among them: the set had none of them.
    pub fn iter(&self) -> impl Iterator<Item = (Text<'_>, f64)> {
        let (small, large) = match &self.0 {
            Form::Small(small) => (Some(small), None),
            Form::Large(records) => (None, Some(records)),
        };
        let small = small.into_iter().flat_map(|small| small.walk(0..small.len(), false));
        let large = large.into_iter().flat_map(|records| records.chunks.iter());
        small.chain(large.map(|(score, member)| (Text::Bytes(member), score)))
    }

    /// All members with their scores, and their deadlines where they have any.
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (Text<'_>, f64, Option<Millis>)> {
        let of = Lifetimes::finder(self.deadlines());
        self.iter().map(move |(member, score)| (member, score, of(member)))
    }

    /// The earliest deadline that a member has.
    pub fn earliest(&self) -> Option<Millis> {
        self.deadlines()?.earliest()
    }

    /// As `Collection::parts` of the set.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let all = self.iter().map(|(member, score)| (member.to_vec(), score));
        let mut parts = parts_of(in_order(all).into_iter());
        parts.extend(self.deadlines().map_or(Vec::new(), Lifetimes::parts));
        parts
    }

    fn deadlines(&self) -> Option<&Lifetimes> {
        match &self.0 {
            Form::Small(_) => None,
            Form::Large(records) => Some(&records.deadlines),
        }
    }
}

impl Lookup {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let id = large::find(&self.table, &self.chunks, member)?;
        Some(self.chunks.get(id).0)
    }

    /// All members with their scores.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.chunks.iter().map(|(score, member)| (member, score))
    }

    /// All members with their scores, in order.
    pub fn ordered(&self) -> Vec<(Vec<u8>, f64)> {
        in_order(self.iter().map(|(member, score)| (member.to_vec(), score)))
    }

    /// As `Collection::parts` of the set.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        parts_of(self.ordered().into_iter())
    }

    /// Bytes of heap, including what is shared.
    pub fn memory(&self) -> usize {
        self.chunks.memory() + self.table.memory()
    }

    pub fn pieces(&self) -> usize {
        self.chunks.pieces() + 1
    }
}

fn in_order(members: impl Iterator<Item = (Vec<u8>, f64)>) -> Vec<(Vec<u8>, f64)> {
    let mut members: Vec<(Vec<u8>, f64)> = members.collect();
    // Not by `total_cmp`, to which the two zeros differ.
    members.sort_unstable_by(|(member, score), (other, than)| {
        score.partial_cmp(than).unwrap_or(std::cmp::Ordering::Equal).then_with(|| member.cmp(other))
    });
    members
}
