//! The first word of a record, from which all else is computed: what form the value has, which slots are
//! there, and how long key and value are.
//!
//! ```text
//!   from the highest bit:  | age 24 | key_len 24 | value_len 8 | flags 4 | form 4 |
//! ```

use crate::data::{SmallForm, Type};

/// How the value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Int = 0,
    Short = 1,
    /// Short, but changed in place, which OBJECT ENCODING calls `raw`.
    ShortRaw = 2,
    Long = 3,
    List = 4,
    Set = 5,
    ZSet = 6,
    Hash = 7,
    SmallList = 8,
    SmallInts = 9,
    SmallSet = 10,
    SmallZSet = 11,
    SmallHash = 12,
    Stream = 13,
    /// As `SmallHash`, with a deadline beside each field.
    MortalHash = 15,
}

impl Form {
    /// Slots that the value takes.
    #[inline]
    pub fn slots(self) -> usize {
        match self {
            Form::Int | Form::List | Form::Set | Form::ZSet | Form::Hash | Form::Stream => 1,
            Form::Long => 3,
            _ => 0,
        }
    }

    #[inline]
    pub fn kind(self) -> Type {
        match self {
            Form::Int | Form::Short | Form::ShortRaw | Form::Long => Type::String,
            Form::List | Form::SmallList => Type::List,
            Form::Set | Form::SmallInts | Form::SmallSet => Type::Set,
            Form::ZSet | Form::SmallZSet => Type::ZSet,
            Form::Hash | Form::SmallHash | Form::MortalHash => Type::Hash,
            Form::Stream => Type::Stream,
        }
    }

    /// The form of a small collection that its record holds in itself.
    #[inline]
    pub fn small(self) -> Option<SmallForm> {
        match self {
            Form::SmallInts => Some(SmallForm::Ints),
            Form::MortalHash => Some(SmallForm::Mortal),
            Form::SmallList | Form::SmallSet | Form::SmallZSet | Form::SmallHash => {
                Some(SmallForm::Packed)
            }
            _ => None,
        }
    }

    pub fn of_small(kind: Type, small: SmallForm) -> Form {
        match (kind, small) {
            (_, SmallForm::Ints) => Form::SmallInts,
            (_, SmallForm::Mortal) => Form::MortalHash,
            (Type::List, _) => Form::SmallList,
            (Type::Set, _) => Form::SmallSet,
            (Type::ZSet, _) => Form::SmallZSet,
            (Type::Hash, _) => Form::SmallHash,
            (Type::String | Type::Stream, _) => unreachable!("it is never a small collection"),
        }
    }

    pub fn of_large(kind: Type) -> Form {
        match kind {
            Type::String => Form::Long,
            Type::List => Form::List,
            Type::Set => Form::Set,
            Type::ZSet => Form::ZSet,
            Type::Hash => Form::Hash,
            Type::Stream => Form::Stream,
        }
    }
}

/// There is a slot for a deadline.
pub(super) const DEADLINE: u64 = 1 << 4;
/// There is a slot for the length of the key.
pub(super) const LONG_KEY: u64 = 1 << 5;
/// The bytes of the small collection are an allocation of their own.
pub(super) const APART: u64 = 1 << 6;
/// There is a slot for the earliest deadline that an element of the value has.
pub(super) const MORTAL: u64 = 1 << 7;
/// With either of those slots come four bytes for a ticket.
pub(super) const FILED: u64 = DEADLINE | MORTAL;
pub(super) const VALUE_LEN: u32 = 8;
pub(super) const KEY_LEN: u32 = 16;
pub(super) const AGE: u32 = 40;
pub(super) const KEY_LEN_MAX: usize = (1 << (AGE - KEY_LEN)) - 1;
pub(super) const SLOT: usize = size_of::<u64>();
pub(super) const TICKET: usize = size_of::<u32>();

/// The word itself.
#[derive(Clone, Copy)]
pub(super) struct Head(pub u64);

/// Which slots for deadlines a record has: none, or some of `FILED`.
#[derive(Clone, Copy)]
pub(super) struct Room(pub u64);

impl Room {
    pub const NONE: Room = Room(0);

    pub fn for_deadline(wanted: bool) -> Room {
        Room(if wanted { DEADLINE } else { 0 })
    }
}

pub(super) const FORM: u64 = 0xf;

impl Head {
    #[inline]
    pub fn form(self) -> Form {
        match self.0 & FORM {
            0 => Form::Int,
            1 => Form::Short,
            2 => Form::ShortRaw,
            3 => Form::Long,
            4 => Form::List,
            5 => Form::Set,
            6 => Form::ZSet,
            7 => Form::Hash,
            8 => Form::SmallList,
            9 => Form::SmallInts,
            10 => Form::SmallSet,
            11 => Form::SmallZSet,
            12 => Form::SmallHash,
            15 => Form::MortalHash,
            _ => Form::Stream,
        }
    }

    #[inline]
    pub fn value_len(self) -> usize {
        (self.0 >> VALUE_LEN) as u8 as usize
    }

    #[inline]
    pub fn short_key_len(self) -> usize {
        (self.0 >> KEY_LEN) as usize & KEY_LEN_MAX
    }

    /// The slot for the earliest deadline of an element, behind that for the deadline.
    #[inline]
    pub fn earliest_at(self) -> usize {
        1 + (self.0 & DEADLINE != 0) as usize
    }

    /// The first slot of the value.
    #[inline]
    pub fn value_at(self) -> usize {
        self.earliest_at() + (self.0 & MORTAL != 0) as usize + (self.0 & LONG_KEY != 0) as usize
    }

    /// The first byte of the key.
    #[inline]
    pub fn key_at(self) -> usize {
        let ticket = if self.0 & FILED != 0 { TICKET } else { 0 };
        (self.value_at() + self.form().slots()) * SLOT + ticket
    }
}

/// The head of a new record, but for what depends on its value.
#[inline]
pub(super) fn head_for(key: &[u8], form: Form, room: Room) -> Head {
    let length = match key.len() > KEY_LEN_MAX {
        true => LONG_KEY,
        false => (key.len() as u64) << KEY_LEN,
    };
    Head(form as u64 | room.0 | length)
}
