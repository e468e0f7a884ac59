//! A small sorted set: one packed block of members and scores in turn, in order.
//!
//! A whole score is an item that is written like an integer, and is kept as one; any other score is
//! nine bytes, a letter and the double. As in Redis a whole score has no sign when it is zero.

use super::tree::Probe;
use crate::base::numbers;
use crate::data::packed::{Iter, IterBack, Packed, Position};
use crate::data::string::{Digits, Text};
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub(super) struct Small(Packed);

/// Tells a double from text that is written like a number.
const DOUBLE: u8 = b'd';

impl Small {
    /// A block of members and scores in turn, in order.
    pub fn of(block: Packed) -> Small {
        Small(block)
    }

    pub fn packed(&self) -> &Packed {
        &self.0
    }

    pub fn into_packed(self) -> Packed {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    pub fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Where a member is.
    #[inline]
    pub fn find(&self, member: &[u8]) -> Option<Position> {
        self.0.find(member, 0, 2)
    }

    pub fn score(&self, at: Position) -> f64 {
        self.0.next(at).map_or(0.0, |at| decode(self.0.at(at)))
    }

    pub fn rank_of(&self, at: Position) -> usize {
        let mut items = self.0.iter();
        let mut rank = 0;
        while items.position() < at && items.next().is_some() {
            items.next();
            rank += 1;
        }
        rank
    }

    pub fn rank(&self, probe: Probe) -> usize {
        self.place(probe).0
    }

    /// Adds a member that is known to be absent.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let (_, at) = self.place(Probe::Both { score, member, through: false });
        self.put(at, member, score);
    }

    /// Adds a member behind all others.
    pub fn push(&mut self, member: &[u8], score: f64) {
        self.put(self.0.bytes(), member, score);
    }

    pub fn set_score(&mut self, at: Position, score: f64) {
        let (member, rank) = (self.0.at(at).to_vec(), self.rank_of(at));
        let place = Probe::Both { score, member: &member, through: true };
        let before = rank.checked_sub(1).and_then(|rank| self.walk(rank..rank + 1, false).next());
        let after = self.walk(rank + 1..(rank + 2).min(self.len()), false).next();
        let beyond =
            |(other, score): (Text, f64)| place.is_after((score, other.bytes(&mut Digits::new())));
        if before.is_none_or(beyond) && !after.is_some_and(beyond) {
            if let Some(at) = self.0.next(at) {
                encode(score, |item| self.0.replace(at, item));
            }
        } else {
            self.remove(at);
            self.insert(&member, score);
        }
    }

    pub fn remove(&mut self, at: Position) {
        self.0.remove_some(at, 2);
    }

    pub fn remove_range(&mut self, ranks: Range<usize>) {
        if let Some(at) = self.0.seek(ranks.start * 2) {
            self.0.remove_some(at, ranks.len() * 2);
        }
    }

    pub fn walk(&self, ranks: Range<usize>, back: bool) -> Walk<'_> {
        let left = ranks.len();
        let end = self.0.bytes();
        let items = if back {
            Items::Back(self.0.iter_back_from(self.0.seek(ranks.end * 2).unwrap_or(end)))
        } else {
            Items::Forth(self.0.iter_from(self.0.seek(ranks.start * 2).unwrap_or(end)))
        };
        Walk { items, left }
    }

    /// Puts a member with its score somewhere, without regard to order.
    fn put(&mut self, at: Position, member: &[u8], score: f64) {
        encode(score, |item| self.0.insert(at, item));
        self.0.insert(at, member);
    }

    /// How many members come before a place, and where the next one begins.
    fn place(&self, probe: Probe) -> (usize, Position) {
        let mut items = self.0.iter();
        let mut rank = 0;
        loop {
            let at = items.position();
            let (Some(member), Some(score)) = (items.next(), items.next()) else {
                return (rank, at);
            };
            let score = decode(score);
            if !probe
                .is_after_score(score)
                .unwrap_or_else(|| probe.is_after((score, member.bytes(&mut Digits::new()))))
            {
                return (rank, at);
            }
            rank += 1;
        }
    }
}

fn encode<R>(score: f64, put: impl FnOnce(&[u8]) -> R) -> R {
    if let Some(whole) = numbers::whole(score) {
        return put(itoa::Buffer::new().format(whole).as_bytes());
    }
    let mut item = [DOUBLE; 1 + size_of::<f64>()];
    item[1..].copy_from_slice(&score.to_le_bytes());
    put(&item)
}

#[inline]
fn decode(item: Text) -> f64 {
    match item {
        Text::Int(score) => score as f64,
        Text::Bytes(bytes) => bytes.last_chunk().map_or(0.0, |score| f64::from_le_bytes(*score)),
    }
}

pub(super) struct Walk<'a> {
    items: Items<'a>,
    left: usize,
}

enum Items<'a> {
    Forth(Iter<'a>),
    Back(IterBack<'a>),
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Text<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Text<'a>, f64)> {
        self.left = self.left.checked_sub(1)?;
        let (member, score) = match &mut self.items {
            Items::Forth(items) => (items.next()?, items.next()?),
            Items::Back(items) => {
                let score = items.next()?;
                (items.next()?, score)
            }
        };
        Some((member, decode(score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
