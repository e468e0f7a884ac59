//! `Kind` and `Edit`: how handlers reach a value. A view reads, an edit changes, and both hide
//! how the record keeps it.

use super::change::{Cause, Changes};
use super::event::Event;
use super::record::Record;
use super::sizes::Bin;
use super::{Db, free};
use crate::base::table::Place;
use crate::data::string::Text;
use crate::data::{Collection, Type};
use rand::rngs::SmallRng;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// What the keyspace needs to know about a kind of value.
pub trait Kind {
    const TYPE: Type;
    /// What a reader is lent.
    type View<'a>;
    /// The record holds a value of this kind.
    fn view(record: &Record) -> Self::View<'_>;
    /// Is there nothing left of the value, so that its key must go?
    fn is_void(record: &Record) -> bool;
}

/// Strings.
pub struct Str;

impl Kind for Str {
    const TYPE: Type = Type::String;
    type View<'a> = Text<'a>;
    fn view(record: &Record) -> Text<'_> {
        record.text()
    }
    /// An empty string is a value.
    fn is_void(_: &Record) -> bool {
        false
    }
}

impl<T: Collection> Kind for T {
    const TYPE: Type = T::TYPE;
    type View<'a> = &'a T;
    fn view(record: &Record) -> &T {
        record.collection()
    }
    fn is_void(record: &Record) -> bool {
        record.collection::<T>().is_empty()
    }
}

/// The only way to change a value that stays where it is. What changed is said once, with `done`.
///
/// A collection is changed by its own methods, which an edit lends. A collection that is empty
/// when its edit ends is removed with its key, so no command need remember that.
#[must_use = "say what changed with `done`"]
pub struct Edit<'a, T: Kind> {
    home: &'a mut Db,
    place: Place,
    changes: &'a mut Changes,
    trash: &'a mut Vec<Record>,
    db: usize,
    /// The value was made for this edit.
    born: bool,
    changed: bool,
    /// Where the value was counted when the edit began.
    bin: Bin,
    dice: &'a mut SmallRng,
    kind: PhantomData<T>,
}

impl<'a, T: Kind> Edit<'a, T> {
    pub(super) fn open(
        home: &'a mut Db,
        place: Place,
        changes: &'a mut Changes,
        trash: &'a mut Vec<Record>,
        (db, born): (usize, bool),
        dice: &'a mut SmallRng,
    ) -> Self {
        let bin = Bin::of(home.table.at(place).expect("an edit's record stays"));
        let kind = PhantomData;
        Edit { home, place, changes, trash, db, born, dice, changed: false, bin, kind }
    }

    pub fn view(&self) -> T::View<'_> {
        T::view(self.record())
    }

    /// Was there no value before this edit?
    pub fn is_born(&self) -> bool {
        self.born
    }

    /// The value, and dice to choose from it.
    pub fn with_dice(&mut self) -> (&mut T, &mut SmallRng)
    where
        T: Collection,
    {
        self.changed = true;
        let record = self.home.table.at_mut(self.place).expect("an edit's record stays");
        (record.collection_mut(), self.dice)
    }

    /// Says which part of the value, such as a field, changes: once for each, before `done`.
    #[inline]
    pub fn part(&mut self, part: &[u8]) {
        self.changes.part(part);
    }

    /// Declares that the value changed, and how.
    pub fn done(self, event: Event) {
        self.end(event, true);
    }

    /// As `done`, for the second value of a change that counts once: what one list lost and
    /// another one got.
    pub fn done_also(self, event: Event) {
        self.end(event, false);
    }

    fn end(mut self, event: Event, counts: bool) {
        self.changed = false;
        let record = self.home.table.at(self.place).expect("an edit's record stays");
        self.home.sizes.shift(self.bin, Bin::of(record));
        let key = record.key();
        if self.born {
            self.born = false;
            self.changes.remark(self.db, key, Event::NEW);
        }
        match counts {
            true => self.changes.note(self.db, key, event, Cause::Command),
            false => self.changes.also(self.db, key, event),
        }
        if T::is_void(self.record()) {
            self.remove(true);
        }
    }

    /// As `done`, unless the value turned out to be what it was.
    pub fn done_if(mut self, changed: bool, event: Event) {
        self.changed = false;
        if changed {
            self.done(event);
        }
    }

    #[inline]
    fn record(&self) -> &Record {
        self.home.table.at(self.place).expect("an edit's record stays where it is")
    }

    #[inline]
    fn record_mut(&mut self) -> &mut Record {
        self.home.table.at_mut(self.place).expect("an edit's record stays where it is")
    }

    /// The key goes, because nothing is left of its value.
    fn remove(&mut self, said: bool) {
        let Some(record) = self.home.remove_at(self.place) else { return };
        if said {
            self.changes.also(self.db, record.key(), Event::DEL);
        }
        free(record, self.trash);
    }
}

impl Edit<'_, Str> {
    pub fn set(&mut self, value: &[u8]) {
        self.changed = true;
        self.record_mut().set_text(value);
    }

    pub fn set_int(&mut self, value: i64) {
        self.changed = true;
        self.record_mut().set_int(value);
    }

    /// The bytes, to be changed where they are.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.changed = true;
        self.record_mut().bytes_mut()
    }

    /// The string, to grow or shrink.
    pub fn with_vec<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.changed = true;
        self.record_mut().with_vec(change)
    }
}

impl<T: Collection> Deref for Edit<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.record().collection()
    }
}

impl<T: Collection> DerefMut for Edit<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        self.record_mut().collection_mut()
    }
}

impl<T: Kind> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        self.changes.forget_parts();
        // A value that was made for this edit and stayed empty never was.
        if self.born && T::is_void(self.record()) {
            return self.remove(false);
        }
        debug_assert!(!self.changed && !self.born, "a value was changed and nobody was told");
    }
}
