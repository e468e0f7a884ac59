//! `Kind` and `Edit`: how handlers reach a value. A view reads, an edit changes, and both hide
//! how the record keeps it.

use super::change::{Cause, Changes};
use super::record::Record;
use crate::data::Type;
use crate::data::string::Text;
use std::marker::PhantomData;

/// What the keyspace needs to know about a kind of value.
pub trait Kind {
    const TYPE: Type;
    /// What a reader is lent.
    type View<'a>;
    fn view(record: &Record) -> Self::View<'_>;
}

/// Strings.
pub struct Str;

impl Kind for Str {
    const TYPE: Type = Type::String;
    type View<'a> = Text<'a>;
    fn view(record: &Record) -> Text<'_> {
        record.text()
    }
}

/// The only way to change a value that stays where it is. What changed is said once, with `done`.
#[must_use = "say what changed with `done`"]
pub struct Edit<'a, T: Kind> {
    record: &'a mut Record,
    changes: &'a mut Changes,
    db: usize,
    changed: bool,
    kind: PhantomData<T>,
}

impl<'a, T: Kind> Edit<'a, T> {
    pub(super) fn open(record: &'a mut Record, changes: &'a mut Changes, db: usize) -> Self {
        Edit { record, changes, db, changed: false, kind: PhantomData }
    }

    pub fn view(&self) -> T::View<'_> {
        T::view(self.record)
    }

    /// Declares that the value changed, and how.
    pub fn done(mut self, event: &'static str) {
        self.changed = false;
        self.changes.note(self.db, self.record.key(), event, Cause::Command);
    }
}

impl<T: Kind> Edit<'_, T> {
    /// As `done`, unless the value turned out to be what it was.
    pub fn done_if(mut self, changed: bool, event: &'static str) {
        self.changed = false;
        if changed {
            self.done(event);
        }
    }
}

impl Edit<'_, Str> {
    pub fn set(&mut self, value: &[u8]) {
        self.changed = true;
        self.record.set_text(value);
    }

    pub fn set_int(&mut self, value: i64) {
        self.changed = true;
        self.record.set_int(value);
    }

    /// The bytes, to be changed where they are.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.changed = true;
        self.record.bytes_mut()
    }

    /// The string, to grow or shrink.
    pub fn with_vec<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.changed = true;
        self.record.with_vec(change)
    }
}

impl<T: Kind> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        debug_assert!(!self.changed, "a value was changed and nobody was told");
    }
}
