//! `Kind` and `Edit`: how handlers reach a value. A view reads, an edit changes, and both hide
//! how the record keeps it.

use super::change::{Cause, Changes};
use super::event::Event;
use super::lent::Lent;
use super::record::Record;
use super::rules::Weight;
use super::sizes::Bin;
use super::walk::{Walk, let_go};
use super::{Db, free};
use crate::base::table::Place;
use crate::data::string::Text;
use crate::data::{Collection, Type};
use crate::world::Millis;
use rand::rngs::SmallRng;
use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::{Deref, DerefMut, Range};

/// What the keyspace needs to know about a kind of value.
pub trait Kind: Sized {
    const TYPE: Type;
    /// What a reader is lent.
    type View<'a>;
    /// What an edit holds apart from the record while it changes it.
    type Apart;
    /// The record holds a value of this kind.
    fn view(record: &Record) -> Self::View<'_>;
    /// Takes a copy of what cannot be changed where it is.
    fn copy(record: &Record, buffer: &mut Vec<u8>) -> Option<Self::Apart>;
    /// An edit that held something apart is over: puts it where it belongs. Says whether there is
    /// something left of the value.
    fn put(edit: &mut Edit<Self>, apart: Self::Apart) -> bool;
    /// An edit is over that held something apart and did not change it.
    fn discard(edit: &mut Edit<Self>, apart: Self::Apart);
    /// An edit is over that changed the value where it is; says whether there is something left of it.
    fn settle(record: &mut Record) -> bool;
}

/// Strings.
pub struct Str;

impl Kind for Str {
    const TYPE: Type = Type::String;
    type View<'a> = Text<'a>;
    type Apart = Infallible;
    fn view(record: &Record) -> Text<'_> {
        record.text()
    }
    fn copy(_: &Record, _: &mut Vec<u8>) -> Option<Infallible> {
        None
    }
    fn put(_: &mut Edit<Str>, apart: Infallible) -> bool {
        match apart {}
    }
    fn discard(_: &mut Edit<Str>, apart: Infallible) {
        match apart {}
    }
    /// An empty string is a value.
    fn settle(_: &mut Record) -> bool {
        true
    }
}

impl<T: Collection> Kind for T {
    const TYPE: Type = T::TYPE;
    type View<'a> = Lent<'a, T>;
    type Apart = T;
    fn view(record: &Record) -> Lent<'_, T> {
        record.collection()
    }
    #[inline]
    fn copy(record: &Record, buffer: &mut Vec<u8>) -> Option<T> {
        record.copy_small(buffer)
    }
    fn put(edit: &mut Edit<T>, value: T) -> bool {
        if value.is_empty() {
            edit.keep_buffer(value);
            return false;
        }
        match edit.at {
            At::There { .. } => match edit.record_mut().put_collection(&value) {
                true => edit.keep_buffer(value),
                false => edit.record_mut().put_large(value),
            },
            At::New { key, .. } => match Record::of_small_collection(key, &value) {
                Some(record) => {
                    edit.keep_buffer(value);
                    edit.bear(record);
                }
                None => edit.bear(Record::of_collection(key, value)),
            },
        }
        true
    }
    fn discard(edit: &mut Edit<T>, value: T) {
        edit.keep_buffer(value);
    }
    fn settle(record: &mut Record) -> bool {
        let is_left = record.large::<T>().is_none_or(|value| !value.is_empty());
        if is_left {
            record.settle::<T>();
        }
        is_left
    }
}

/// The only way to change a value that stays where it is. What changed is said once, with `done`.
///
/// A collection is changed by its own methods, which an edit lends. A small one is changed in a buffer,
/// and put back into its record when the edit ends; a new one gets its record then. A collection that is
/// empty when its edit ends is removed with its key, so no command need remember that.
#[must_use = "say what changed with `done`"]
pub struct Edit<'a, T: Kind> {
    tools: Tools<'a>,
    db: usize,
    at: At<'a>,
    apart: Option<T::Apart>,
    /// Somebody had the chance to change the value.
    touched: bool,
    /// Somebody did, and nobody was told yet.
    changed: bool,
    /// It was said what changed.
    is_over: bool,
}

/// What an edit needs of the keyspace.
pub(super) struct Tools<'a> {
    pub home: &'a mut Db,
    pub changes: &'a mut Changes,
    pub trash: &'a mut Vec<Record>,
    pub dice: &'a mut SmallRng,
    /// Where small collections are changed.
    pub buffer: &'a mut Vec<u8>,
    pub now: Millis,
    /// When the sweep should look at what is filed.
    pub filed: &'a mut Millis,
    /// The snapshot that is being taken.
    pub walk: &'a mut Option<Box<Walk>>,
}

#[derive(Clone, Copy)]
enum At<'a> {
    /// The value is here, and this is where it was counted when the edit began.
    There { place: Place, bin: Bin, weight: Weight },
    /// There was no value; this is its key, with the hash of it and the age that it begins with.
    New { key: &'a [u8], hash: u64, age: u32 },
}

/// How a change is told.
enum Telling {
    Whole,
    /// As one that was counted already.
    Second,
    Aside,
}

/// A buffer that has grown beyond this is not kept.
const BUFFER_KEPT: usize = 4096;

impl<'a, T: Kind> Edit<'a, T> {
    pub(super) fn open(tools: Tools<'a>, db: usize, place: Place) -> Self {
        let record = tools.home.table.at(place).expect("an edit's record stays");
        let (bin, apart) = (tools.home.sizes.bin_of(record), T::copy(record, tools.buffer));
        let weight = tools.home.weight_at(place);
        let at = At::There { place, bin, weight };
        Edit { tools, db, at, apart, touched: false, changed: false, is_over: false }
    }

    /// Was there no value before this edit?
    pub fn is_born(&self) -> bool {
        matches!(self.at, At::New { .. })
    }

    /// Takes what a change left over and nobody wants, to be freed where it holds nobody up.
    pub fn leave(&mut self, rest: Option<T>)
    where
        T: Collection,
    {
        if let Some(rest) = rest {
            free(Record::of_collection(b"", rest), self.tools.trash);
        }
    }

    /// Says which part of the value, such as a field, changes: once for each, before `done`.
    #[inline]
    pub fn part(&mut self, part: &[u8]) {
        self.tools.changes.part(part);
    }

    /// What is about to be declared is a change of so many elements.
    #[inline]
    pub fn counts(&mut self, elements: usize) {
        self.tools.changes.counts(elements);
    }

    /// Declares that the value changed, and how.
    pub fn done(self, event: Event) {
        self.end(event, Telling::Whole);
    }

    /// As `done`, for the second value of a change that counts once: what one list lost and
    /// another one got.
    pub fn done_also(self, event: Event) {
        self.end(event, Telling::Second);
    }

    /// As `done`, for a change that is none for those who read or watch the value.
    pub fn done_aside(self, event: Event) {
        self.end(event, Telling::Aside);
    }

    /// As `done`, unless the value turned out to be what it was.
    pub fn done_if(mut self, changed: bool, event: Event) {
        self.changed = false;
        if changed {
            self.done(event);
        }
    }

    fn end(mut self, event: Event, telling: Telling) {
        self.changed = false;
        self.is_over = true;
        let is_born = self.is_born();
        let is_left = match self.apart.take() {
            Some(apart) => T::put(&mut self, apart),
            None => T::settle(self.record_mut()),
        };
        if is_left {
            self.sync_earliest();
        }
        let Tools { home, changes, trash, now, walk, .. } = &mut self.tools;
        let key = match self.at {
            At::New { key, .. } if !is_left => {
                // It was born, and is gone before anybody could see it.
                debug_assert!(false, "a value that never was is no change: {}", key.escape_ascii());
                return;
            }
            At::New { key, .. } => key,
            At::There { place, bin, weight } => {
                home.reweigh(weight, place);
                let record = home.table.at(place).expect("an edit's record stays");
                home.sizes.shift(bin, home.sizes.bin_of(record));
                record.key()
            }
        };
        if is_born {
            changes.remark(self.db, key, Event::NEW);
        }
        match telling {
            Telling::Whole => changes.note(self.db, key, event, Cause::Command),
            Telling::Second => changes.also(self.db, key, event),
            Telling::Aside => changes.note(self.db, key, event, Cause::Aside),
        }
        // The key goes, because nothing is left of its value.
        if let (false, At::There { place, .. }) = (is_left, self.at)
            && let Some(record) = home.remove_at(place)
        {
            changes.also(self.db, record.key(), Event::DEL);
            // Elements that are hidden go with it. Who hears the log has them too, and would hold them.
            if record.has_due_elements(*now) {
                changes.note(
                    self.db,
                    record.key(),
                    Event { class: 0, ..Event::DEL },
                    Cause::Expiry,
                );
            }
            // A snapshot may not have all of it yet.
            let_go(walk, self.db, record, trash);
        }
    }

    #[inline]
    fn record(&self) -> &Record {
        let At::There { place, .. } = self.at else { unreachable!("a new value is held apart") };
        self.tools.home.table.at(place).expect("an edit's record stays where it is")
    }

    #[inline]
    fn record_mut(&mut self) -> &mut Record {
        let At::There { place, .. } = self.at else { unreachable!("a new value is held apart") };
        self.tools.home.table.at_mut(place).expect("an edit's record stays where it is")
    }

    /// A new value gets its place.
    fn bear(&mut self, mut record: Record) {
        let At::New { hash, age, .. } = self.at else { return };
        record.set_age(age);
        if record.may_be_mortal() {
            record.set_earliest(record.earliest_of_value());
        }
        let Tools { home, now, filed, .. } = &mut self.tools;
        **filed = home.insert(hash, record, *now).min(**filed);
    }

    /// The record knows the earliest deadline of an element, and is filed accordingly.
    #[inline]
    fn sync_earliest(&mut self) {
        let At::There { place, .. } = self.at else { return };
        let Tools { home, now, filed, .. } = &mut self.tools;
        let record = home.table.at(place).expect("an edit's record stays");
        if record.may_be_mortal() {
            let earliest = record.earliest_of_value();
            if earliest != record.earliest() {
                **filed = home.give_earliest(place, earliest, *now).min(**filed);
            }
        }
    }
}

impl<'a, T: Collection> Edit<'a, T> {
    pub(super) fn begin(
        tools: Tools<'a>,
        db: usize,
        key: &'a [u8],
        (hash, age): (u64, u32),
    ) -> Self {
        let apart = Some(T::empty_in(std::mem::take(tools.buffer)));
        let at = At::New { key, hash, age };
        Edit { tools, db, at, apart, touched: false, changed: false, is_over: false }
    }

    /// The value, and dice to choose from it.
    pub fn with_dice(&mut self) -> (&mut T, &mut SmallRng) {
        self.touched = true;
        self.changed = true;
        let value = match (&mut self.apart, self.at) {
            (Some(value), _) => value,
            (None, At::There { place, .. }) => {
                let record = self.tools.home.table.at_mut(place).expect("an edit's record stays");
                record.large_mut().expect("what is not held apart is large")
            }
            (None, At::New { .. }) => unreachable!("a new value is held apart"),
        };
        (value, self.tools.dice)
    }

    /// The memory of a value that was put where it belongs serves the next edit.
    fn keep_buffer(&mut self, value: T) {
        if let Some(Cow::Owned(buffer)) = value.into_buffer()
            && buffer.capacity() <= BUFFER_KEPT
        {
            *self.tools.buffer = buffer;
        }
    }
}

impl Edit<'_, Str> {
    pub fn view(&self) -> Text<'_> {
        self.record().text()
    }

    pub fn set(&mut self, value: &[u8]) {
        self.changed = true;
        self.before_replacing();
        self.record_mut().set_text(value);
    }

    pub fn set_int(&mut self, value: i64) {
        self.changed = true;
        self.before_replacing();
        self.record_mut().set_int(value);
    }

    /// Some of the bytes, to be changed where they are.
    pub fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.all_bytes_mut(std::iter::once(range.clone()))[range]
    }

    /// All of the bytes, of which only these are going to be changed.
    pub fn all_bytes_mut(&mut self, written: impl Iterator<Item = Range<usize>>) -> &mut [u8] {
        self.changed = true;
        self.before_writing(written);
        self.record_mut().bytes_mut()
    }

    pub fn append(&mut self, more: &[u8]) {
        self.changed = true;
        self.record_mut().with_vec(|bytes| bytes.extend_from_slice(more));
    }

    /// Zeros are added up to this length.
    pub fn grow(&mut self, len: usize) {
        self.changed = true;
        self.record_mut().with_vec(|bytes| bytes.resize(len.max(bytes.len()), 0));
    }

    /// The string, to be changed in any way. What it costs is counted in its length, as if all of it was
    /// changed.
    pub fn with_vec<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.changed = true;
        let all = 0..self.view().len();
        self.before_writing(std::iter::once(all));
        self.record_mut().with_vec(change)
    }

    #[inline]
    fn before_writing(&mut self, written: impl Iterator<Item = Range<usize>>) {
        if let Some(walk) = &mut *self.tools.walk
            && let At::There { place, .. } = self.at
            && let Some(record) = self.tools.home.table.at(place)
        {
            walk.keep_pages(self.db, record, written);
        }
    }

    #[inline]
    fn before_replacing(&mut self) {
        if let Some(walk) = &mut *self.tools.walk
            && let At::There { place, .. } = self.at
            && let Some(record) = self.tools.home.table.at_mut(place)
        {
            walk.take_over(self.db, record);
        }
    }
}

impl<T: Collection> Deref for Edit<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        match &self.apart {
            Some(value) => value,
            None => self.record().large().expect("what is not held apart is large"),
        }
    }
}

impl<T: Collection> DerefMut for Edit<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.with_dice().0
    }
}

impl<T: Kind> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        self.tools.changes.forget_parts();
        if let Some(apart) = self.apart.take() {
            // Nothing was changed, but perhaps the form of the value.
            if self.touched && !self.is_born() {
                T::put(self, apart);
            } else {
                T::discard(self, apart);
            }
        }
        // What did not change may be kept in another form.
        if let At::There { place, weight, .. } = self.at
            && !self.is_over
        {
            self.tools.home.reweigh(weight, place);
        }
        debug_assert!(!self.changed, "a value was changed and nobody was told");
    }
}
