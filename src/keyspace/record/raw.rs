//! A value as it lies in its record, to be copied and read elsewhere.

use super::{Record, lend_small};
use crate::base::prefetch::prefetch;
use crate::data::string::Text;
use crate::data::{Collection, Small, Type, View};
use crate::keyspace::record::head::Form;

/// Bytes that the processor loads at once.
const LINE: usize = 64;
/// What comes behind so many of them it asks for by itself.
const LINES: usize = 4;

#[derive(Clone, Copy)]
pub enum Raw<'a> {
    Int(i64),
    Text(&'a [u8]),
    Small(Type, Small<&'a [u8]>),
    /// A collection that is not one run of bytes.
    Large(Type),
}

impl Record {
    /// Asks for the memory of the value's beginning, where the head is there already.
    #[inline]
    pub fn prefetch_value(&self) {
        if let Raw::Text(bytes) | Raw::Small(_, Small { bytes, .. }) = self.raw() {
            bytes.chunks(LINE).take(LINES).for_each(prefetch);
        }
    }

    #[inline]
    pub fn raw(&self) -> Raw<'_> {
        let form = self.form();
        match form.kind() {
            Type::String if form == Form::Int => Raw::Int(self.word() as i64),
            Type::String => match self.text() {
                Text::Bytes(bytes) => Raw::Text(bytes),
                Text::Int(value) => Raw::Int(value),
            },
            kind => self.small().map_or(Raw::Large(kind), |small| Raw::Small(kind, small)),
        }
    }
}

impl Raw<'_> {
    fn kind(&self) -> Type {
        match self {
            Raw::Int(_) | Raw::Text(_) => Type::String,
            Raw::Small(kind, _) | Raw::Large(kind) => *kind,
        }
    }

    /// Lends the value, which is not a large one.
    pub fn with_view<R>(self, look: impl FnOnce(View) -> R) -> R {
        match self {
            Raw::Int(value) => look(View::Text(Text::Int(value))),
            Raw::Text(bytes) => look(View::Text(Text::Bytes(bytes))),
            Raw::Small(_, small) => whatever_it_holds!(
                self,
                T => look(lend_small::<T>(small).lend()),
                text => look(View::Text(Text::Bytes(small.bytes)))
            ),
            Raw::Large(_) => unreachable!("a large collection is no run of bytes"),
        }
    }
}
