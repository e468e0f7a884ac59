//! What is kept of a sorted set that is frozen: its members with their scores, in no particular order.
//!
//! An order can be made again of them, so the tree and the table are not held for the sake of it.

use super::ZSet;
use crate::data::Collection;
use crate::data::string::Text;
use crate::world::Millis;

pub struct Scores(ZSet);

impl Scores {
    pub(super) fn of(set: ZSet) -> Scores {
        Scores(set)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All members with their scores.
    pub fn iter(&self) -> impl Iterator<Item = (Text<'_>, f64)> {
        self.0.iter()
    }

    /// All members with their scores, and their deadlines where they have any.
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (Text<'_>, f64, Option<Millis>)> {
        self.0.iter_with_deadlines()
    }

    /// The earliest deadline that a member has.
    pub fn earliest(&self) -> Option<Millis> {
        self.0.earliest()
    }

    /// As `Collection::parts` of the set.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        self.0.parts()
    }
}
