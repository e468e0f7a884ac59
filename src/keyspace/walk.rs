//! The walk of a snapshot: all keys as they were at one moment, handed over piece by piece while commands
//! go on changing them.
//!
//! What the walk has not reached is handed over before it is changed; what was born after the beginning is
//! left out.

use super::Record;
use crate::data::View;
use crate::world::Millis;

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
}

/// Some keys with their values, to be read by any thread.
pub struct Entries {
    records: Vec<(usize, Record)>,
}

/// One key, as it is to be saved.
pub struct Saved<'a> {
    pub db: usize,
    pub key: &'a [u8],
    pub deadline: Option<Millis>,
    /// 24 bits that belong to the eviction policy.
    pub age: u32,
    pub value: View<'a>,
}

impl Entries {
    /// Shows each key; ends with the first error.
    pub fn each<E>(&self, mut visit: impl FnMut(Saved) -> Result<(), E>) -> Result<(), E> {
        self.records.iter().try_for_each(|(db, record)| {
            record.with_view(|value| {
                let (key, deadline, age) = (record.key(), record.deadline(), record.age());
                visit(Saved { db: *db, key, deadline, age, value })
            })
        })
    }
}
