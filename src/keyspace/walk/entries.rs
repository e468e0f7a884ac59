//! `Entries`: whole keys with their values, on their way to another thread.
//!
//! ```text
//!   | form, age u32 | db u32 | key u64 | value u32 | items u32 | deadline i64 | key | value |
//! ```
//!
//! Strings, and collections that are one run of bytes, are copied as they lie, one behind another, and read
//! where they lie then. Large collections are frozen and lie beside, in the same order.

use crate::base::memory_size::of_array;
use crate::data::{Frozen, Small, SmallForm, Type, View};
use crate::keyspace::Record;
use crate::keyspace::record::Raw;
use crate::world::Millis;

/// Some keys with their values, to be read by any thread.
#[derive(Default)]
pub struct Entries {
    raw: Vec<u8>,
    frozen: Vec<Frozen>,
    /// What the frozen ones are reckoned at.
    weight: usize,
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

const HEAD: usize = 32;
const NO_DEADLINE: i64 = i64::MAX;

/// The lowest byte of an entry.
const INT: u8 = 0;
const TEXT: u8 = 1;
const FROZEN: u8 = 2;
/// And so on for each type and form of small collections.
const SMALL: u8 = 3;
const FORMS: [SmallForm; 3] = [SmallForm::Packed, SmallForm::Ints, SmallForm::Mortal];

/// What a frozen collection is reckoned at, and each piece that it shares with the original.
const FROZEN_WEIGHT: usize = 256;
const PIECE_WEIGHT: usize = 16;

impl Entries {
    /// Shows each key; ends with the first error.
    pub fn each<E>(&self, mut visit: impl FnMut(Saved) -> Result<(), E>) -> Result<(), E> {
        let mut rest = &self.raw[..];
        let mut frozen = self.frozen.iter();
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            let head = Head::read(head);
            let (key, after) = after.split_at(head.key);
            let (value, after) = after.split_at(head.value);
            rest = after;
            let mut saved = |value: View| {
                let Head { db, deadline, age, .. } = head;
                visit(Saved { db, key, deadline, age, value })
            };
            match head.raw(value) {
                Some(raw) => raw.with_view(saved)?,
                None => match frozen.next() {
                    Some(value) => saved(value.view())?,
                    None => unreachable!("what is announced lies beside"),
                },
            }
        }
        Ok(())
    }

    /// About how much memory this holds.
    pub fn bytes(&self) -> usize {
        self.raw.len() + self.weight
    }

    /// How much memory it takes, with the room that it has for more.
    pub(super) fn memory(&self) -> usize {
        of_array::<u8>(self.raw.capacity()) + self.weight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// There will be about so many bytes.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.raw.reserve(bytes.saturating_sub(self.raw.len()));
    }

    /// Copies a record; says no if it is a large collection, or a string of more than so many bytes.
    #[inline]
    pub(super) fn copy(&mut self, db: usize, record: &Record, longest: usize) -> bool {
        let digits;
        let (form, items, value) = match record.raw() {
            Raw::Int(int) => {
                digits = int.to_le_bytes();
                (INT, 0, &digits[..])
            }
            Raw::Text(bytes) if bytes.len() <= longest => (TEXT, 0, bytes),
            Raw::Small(kind, small) => (small_form(kind, small.form), small.items, small.bytes),
            Raw::Text(_) | Raw::Large(_) => return false,
        };
        self.put(db, record, (form, items), value);
        true
    }

    /// Takes a large collection in.
    pub(super) fn freeze(&mut self, db: usize, record: &mut Record) {
        let weight = FROZEN_WEIGHT + record.pieces() * PIECE_WEIGHT;
        if let Some(frozen) = record.freeze() {
            self.frozen.push(frozen);
            self.weight += weight;
            self.put(db, record, (FROZEN, 0), &[]);
        }
    }

    #[inline]
    fn put(&mut self, db: usize, record: &Record, (form, items): (u8, usize), value: &[u8]) {
        let key = record.key();
        let head = Head {
            form,
            age: record.age(),
            db,
            key: key.len(),
            value: value.len(),
            items,
            deadline: record.deadline(),
        };
        self.raw.reserve(HEAD + key.len() + value.len());
        self.raw.extend_from_slice(&head.written());
        self.raw.extend_from_slice(key);
        self.raw.extend_from_slice(value);
    }
}

/// What lies before key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    form: u8,
    age: u32,
    db: usize,
    key: usize,
    /// No more than what is copied at once, so 32 bits do.
    value: usize,
    items: usize,
    deadline: Option<Millis>,
}

impl Head {
    #[inline]
    fn written(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[0..4].copy_from_slice(&(u32::from(self.form) | self.age << 8).to_le_bytes());
        bytes[4..8].copy_from_slice(&(self.db as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&(self.key as u64).to_le_bytes());
        bytes[16..20].copy_from_slice(&(self.value as u32).to_le_bytes());
        bytes[20..24].copy_from_slice(&(self.items as u32).to_le_bytes());
        let deadline = self.deadline.map_or(NO_DEADLINE, |deadline| deadline.0);
        bytes[24..32].copy_from_slice(&deadline.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; HEAD]) -> Head {
        let four = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
        let deadline = eight(24) as i64;
        Head {
            form: four(0) as u8,
            age: four(0) >> 8,
            db: four(4) as usize,
            key: eight(8) as usize,
            value: four(16) as usize,
            items: four(20) as usize,
            deadline: (deadline != NO_DEADLINE).then_some(Millis(deadline)),
        }
    }

    /// The value that lies behind the key, if it does.
    fn raw<'a>(&self, bytes: &'a [u8]) -> Option<Raw<'a>> {
        match self.form {
            INT => {
                let mut digits = [0; 8];
                digits.copy_from_slice(bytes);
                Some(Raw::Int(i64::from_le_bytes(digits)))
            }
            TEXT => Some(Raw::Text(bytes)),
            FROZEN => None,
            small => {
                let small = usize::from(small - SMALL);
                let (kind, form) = (Type::ALL[small / FORMS.len()], FORMS[small % FORMS.len()]);
                Some(Raw::Small(kind, Small { form, items: self.items, bytes }))
            }
        }
    }
}

#[inline]
fn small_form(kind: Type, form: SmallForm) -> u8 {
    SMALL + kind as u8 * FORMS.len() as u8 + form as u8
}
