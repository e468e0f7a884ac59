//! A record: one key with its value, its deadline and its age, in one allocation.
//!
//! ```text
//!  0      8            …            …            …         …          key     key + key_len
//!  ┌──────┬────────────┬────────────┬────────────┬─────────┬──────────┬───────┬────────────────┐
//!  │ head │ deadline ? │ earliest ? │ key_len ?  │ value ? │ ticket ? │ key   │ short or small │
//!  │ u64  │ i64        │ i64        │ u64        │ slots   │ u32      │ bytes │ value: bytes   │
//!  └──────┴────────────┴────────────┴────────────┴─────────┴──────────┴───────┴────────────────┘
//!   head, from the highest bit:  | age 24 | key_len 24 | value_len 8 | flags 4 | form 4 |
//! ```
//! A slot is eight bytes, and is there only if it is needed: one for the deadline from the first time
//! that there is one; one for the earliest deadline that an element of the value has, likewise; one for the
//! length of a key of 16 MiB and more; one for an integer, or for the
//! pointer to a large collection, which is a `Box` of its type; three for a long value, which is a `Vec`
//! with an allocation of its own, so that size classes do not round key and value up together. A short
//! value lies behind the key. With a slot for a deadline of either kind come four bytes for the ticket that says where
//! the record is filed, under the earlier of the two; they lie right before the key, since there they cost no more than four.
//!
//! So does a small collection, as the one run of bytes that it is, behind the length of the run and the
//! number of its items (two bytes each); or, where the size classes make that smaller, a pointer to it
//! does. It is read where it lies. To be changed it is copied out, and
//! the next state is put in its place, which is mostly in the same allocation: allocations are as large
//! as their size class, so that small differences do not move them.
//!
//! Invariants that the unsafe code rests on:
//! - `start` points to an allocation of `layout()` made by `allocate`, owned by this record alone; it is
//!   freed once, by `drop` or by `free_shell`. `layout` is computed from form, flags and lengths, which
//!   change only where the size class, and with it the layout, stays the same.
//! - `form` says which of the values is initialised. A small collection has as many initialised bytes as
//!   its length says, and they are what `Collection::small` gave.
//! - A record with the flag `APART` has a small collection, and owns the allocation that the pointer behind
//!   length and number leads to, made with the layout of `apart_layout(length)`.
//! - The slot of a large collection comes from `Box::into_raw` of the type that `form` names, and the record
//!   owns that box. The slots of a `Long` value are a `Vec<u8>` that the record owns.
#![expect(unsafe_code, reason = "one allocation per key; tested against a model and under ASan")]

mod head;
#[cfg(test)]
mod tests;

use super::expiry::Ticket;
use super::lent::Lent;
use crate::base::memory_size::size_class;
use crate::base::prefetch::prefetch;
use crate::data::string::{Text, canonical_int};
use crate::data::{Collection, Due, Frozen, Small, SmallForm, Type, Value, View};
use crate::world::Millis;
use head::{
    AGE, APART, DEADLINE, FILED, FORM, Form, Head, LONG_KEY, MORTAL, Room, SLOT, TICKET, VALUE_LEN,
    head_for,
};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::borrow::Cow;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Owns one key and its value; the size of a pointer, never null.
pub struct Record {
    start: NonNull<u64>,
}

/// Does something with the type of collection that a record holds: the only list of them.
macro_rules! whatever_it_holds {
    ($record:expr, $type:ident => $act:expr, text => $text:expr) => {
        match $record.kind() {
            Type::String => $text,
            Type::List => {
                type $type = crate::data::list::List;
                $act
            }
            Type::Set => {
                type $type = crate::data::set::Set;
                $act
            }
            Type::ZSet => {
                type $type = crate::data::zset::ZSet;
                $act
            }
            Type::Hash => {
                type $type = crate::data::hash::Hash;
                $act
            }
            Type::Stream => {
                type $type = crate::data::stream::Stream;
                $act
            }
        }
    };
}

mod raw;

pub use raw::Raw;

/// A value of more bytes than this has an allocation of its own.
const SHORT_MAX: usize = 192;
/// A small collection of more bytes than this is no longer kept in its record: copying it would begin
/// to cost as much as the search in it.
const SMALL_MAX: usize = 1024;
/// One that has shrunk to this is taken in again; less than the other, so that one at the limit does not
/// come and go.
const SMALL_AGAIN: usize = 768;
/// Length and number of items.
const SMALL_HEAD: usize = 4;
/// The same, and a pointer to the bytes.
const SMALL_APART: usize = SMALL_HEAD + size_of::<*mut u8>();
/// OBJECT ENCODING says `embstr` up to here.
const EMBSTR_MAX: usize = 44;
const NO_DEADLINE: i64 = i64::MAX;

// SAFETY: a record owns everything it points to, and nothing in it is shared or thread-bound.
unsafe impl Send for Record {}

impl Record {
    /// A string, stored as an integer if it is written like one.
    pub fn string(key: &[u8], value: &[u8]) -> Record {
        Record::string_with_room(key, value, false)
    }

    /// A string; with room for a deadline, if it is about to be given one.
    pub fn string_with_room(key: &[u8], value: &[u8], room: bool) -> Record {
        Record::string_in(key, value, Room::for_deadline(room))
    }

    fn string_in(key: &[u8], value: &[u8], room: Room) -> Record {
        match canonical_int(value) {
            Some(int) => Record::with_word(key, Form::Int, int as u64, room),
            None => Record::bytes_with_room(key, value, room),
        }
    }

    pub fn int(key: &[u8], value: i64) -> Record {
        Record::with_word(key, Form::Int, value as u64, Room::NONE)
    }

    /// A string that is kept as it is written, though it may be written like an integer.
    pub fn bytes(key: &[u8], value: &[u8]) -> Record {
        Record::bytes_with_room(key, value, Room::NONE)
    }

    /// A string in an allocation of its own, which `raw` names.
    pub fn long(key: &[u8], value: Vec<u8>) -> Record {
        Record::long_with_room(key, value, Room::NONE)
    }

    fn bytes_with_room(key: &[u8], value: &[u8], room: Room) -> Record {
        if value.len() <= SHORT_MAX {
            Record::short(key, value, room)
        } else {
            Record::long_with_room(key, value.to_vec(), room)
        }
    }

    fn long_with_room(key: &[u8], value: Vec<u8>, room: Room) -> Record {
        let record = Record::allocate(key, Form::Long, 0, room);
        // SAFETY: the slots of a Long value have room for a Vec, and hold none yet.
        unsafe { record.vec_place().write(value) };
        record
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let head = self.head();
        // SAFETY: so many bytes there are the key, initialised by `allocate`.
        unsafe { std::slice::from_raw_parts(self.byte(head.key_at()), self.key_len(head)) }
    }

    #[inline]
    pub fn deadline(&self) -> Option<Millis> {
        let deadline = self.raw_deadline();
        (deadline != NO_DEADLINE).then_some(Millis(deadline))
    }

    /// The first deadline moves the record to an allocation with room for it.
    pub fn set_deadline(&mut self, deadline: Option<Millis>) {
        if deadline.is_some() || self.head().0 & DEADLINE != 0 {
            self.make_room(DEADLINE);
            // SAFETY: the slot is there now; the record is borrowed mutably.
            unsafe { self.slot(1).write(raw(deadline)) };
        }
    }

    /// The earliest deadline that an element of the value has, as it was said last.
    #[inline]
    pub fn earliest(&self) -> Option<Millis> {
        let earliest = self.raw_earliest();
        (earliest != NO_DEADLINE).then_some(Millis(earliest))
    }

    /// As `set_deadline`, for the earliest deadline of an element.
    pub fn set_earliest(&mut self, earliest: Option<Millis>) {
        if earliest.is_some() || self.head().0 & MORTAL != 0 {
            self.make_room(MORTAL);
            // SAFETY: the slot is there now; the record is borrowed mutably.
            unsafe { self.slot(self.head().earliest_at()).write(raw(earliest)) };
        }
    }

    /// The moment at which something of the record, or all of it, is due.
    #[inline]
    pub fn wakes(&self) -> Option<Millis> {
        let wakes = self.raw_deadline().min(self.raw_earliest());
        (wakes != NO_DEADLINE).then_some(Millis(wakes))
    }

    /// Has that moment come?
    #[inline]
    pub fn is_awake(&self, now: Millis) -> bool {
        self.head().0 & FILED != 0 && self.raw_deadline().min(self.raw_earliest()) <= now.0
    }

    /// Are elements of the value due?
    #[inline]
    pub fn has_due_elements(&self, now: Millis) -> bool {
        self.raw_earliest() <= now.0
    }

    /// Could the value have elements with deadlines? For most this is said by the head alone.
    #[inline]
    pub fn may_be_mortal(&self) -> bool {
        let head = self.head();
        head.0 & MORTAL != 0
            || !matches!(head.form().small(), Some(SmallForm::Packed | SmallForm::Ints))
    }

    fn make_room(&mut self, slot: u64) {
        if self.head().0 & slot == 0 {
            // SAFETY: the value is in two records now, and of these one is left as a mere shell.
            let roomy = unsafe { self.twin(self.key(), Room(self.room().0 | slot)) };
            std::mem::replace(self, roomy).free_shell();
        }
    }

    /// The room that its deadlines need.
    fn room(&self) -> Room {
        let deadline = if self.raw_deadline() == NO_DEADLINE { 0 } else { DEADLINE };
        Room(deadline | if self.raw_earliest() == NO_DEADLINE { 0 } else { MORTAL })
    }

    /// Where the record is filed, if it has a deadline of either kind.
    #[inline]
    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.wakes()?;
        // SAFETY: there is a deadline, so one of the flags is set.
        Some(unsafe { self.ticket_place().read() })
    }

    /// The deadline was filed. Without a deadline there is nothing to remember.
    #[inline]
    pub(super) fn set_ticket(&mut self, ticket: Ticket) {
        if self.head().0 & FILED != 0 {
            // SAFETY: one of the flags is set; the record is borrowed mutably.
            unsafe { self.ticket_place().write(ticket) };
        }
    }

    /// Has the deadline come?
    #[inline]
    pub fn is_due(&self, now: Millis) -> bool {
        // "None" is the greatest deadline there is, so one comparison answers both questions.
        self.head().0 & DEADLINE != 0 && self.raw_deadline() <= now.0
    }

    /// 24 bits that belong to the eviction policy.
    #[inline]
    pub fn age(&self) -> u32 {
        (self.head().0 >> AGE) as u32
    }

    #[inline]
    pub fn set_age(&mut self, age: u32) {
        let rest = self.head().0 & ((1 << AGE) - 1);
        self.set_head(Head(u64::from(age) << AGE | rest));
    }

    /// A collection: inside the record if it is small, or else moved to a place of its own.
    pub fn of_collection<T: Collection>(key: &[u8], value: T) -> Record {
        Record::collection_with_room(key, value, Room::NONE)
    }

    /// A collection, if it fits into the record.
    pub fn of_small_collection<T: Collection>(key: &[u8], value: &T) -> Option<Record> {
        fitting(value).map(|small| Record::of_small(key, T::TYPE, small, Room::NONE))
    }

    fn collection_with_room<T: Collection>(key: &[u8], value: T, room: Room) -> Record {
        if let Some(small) = fitting(&value) {
            return Record::of_small(key, T::TYPE, small, room);
        }
        let word = Box::into_raw(Box::new(value)).expose_provenance();
        Record::with_word(key, Form::of_large(T::TYPE), word as u64, room)
    }

    #[inline]
    pub fn kind(&self) -> Type {
        self.form().kind()
    }

    /// The collection, whose type the caller has made sure of.
    #[inline]
    pub fn collection<T: Collection>(&self) -> Lent<'_, T> {
        assert_eq!(self.kind(), T::TYPE, "a collection is read as what it is");
        match self.small() {
            Some(small) => lend_small(small),
            None => {
                // SAFETY: the form says that `word` is a box of this type, which lives as long as the
                // record; there is one type for each `Type`.
                Lent::of(unsafe { &*std::ptr::with_exposed_provenance::<T>(self.word() as usize) })
            }
        }
    }

    /// A collection that has a place of its own, to be changed there.
    #[inline]
    pub fn large_mut<T: Collection>(&mut self) -> Option<&mut T> {
        if self.form() != Form::of_large(T::TYPE) {
            return None;
        }
        // SAFETY: as above, and the record is borrowed mutably.
        Some(unsafe { &mut *std::ptr::with_exposed_provenance_mut::<T>(self.word() as usize) })
    }

    /// As `large_mut`, to be read.
    #[inline]
    pub fn large<T: Collection>(&self) -> Option<&T> {
        if self.form() != Form::of_large(T::TYPE) {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { &*std::ptr::with_exposed_provenance::<T>(self.word() as usize) })
    }

    /// A copy of a small collection in this memory, to be changed there and then put back with
    /// `put_collection`. A large one is changed where it is.
    #[inline]
    pub fn copy_small<T: Collection>(&self, buffer: &mut Vec<u8>) -> Option<T> {
        debug_assert_eq!(self.kind(), T::TYPE);
        let Small { form, items, bytes } = self.small()?;
        let mut own = std::mem::take(buffer);
        own.clear();
        own.extend_from_slice(bytes);
        Some(T::of_small(Small { form, items, bytes: Cow::Owned(own) }))
    }

    /// Replaces a collection, and keeps deadline and age. Says no if the new one does not fit into the
    /// record.
    pub fn put_collection<T: Collection>(&mut self, value: &T) -> bool {
        let Some(small) = fitting(value) else { return false };
        let form = Form::of_small(T::TYPE, small.form);
        if self.form() == form && self.fits_small(small.bytes.len()) {
            self.write_small(small);
        } else {
            let room = self.room();
            let fresh = Record::of_small(self.key(), T::TYPE, small, room);
            self.replace(fresh);
        }
        true
    }

    /// Replaces a collection by one that is not small, and keeps deadline and age.
    pub fn put_large<T: Collection>(&mut self, value: T) {
        let room = self.room();
        let fresh = Record::collection_with_room(self.key(), value, room);
        self.replace(fresh);
    }

    /// Takes a collection in that has become small where it was.
    #[inline]
    pub fn settle<T: Collection>(&mut self) {
        let small = self.large::<T>().and_then(T::small);
        if let Some(small) = small.filter(|small| small.bytes.len() <= SMALL_AGAIN) {
            let room = self.room();
            let fresh = Record::of_small(self.key(), T::TYPE, small, room);
            self.replace(fresh);
        }
    }

    fn of_small(key: &[u8], kind: Type, small: Small<&[u8]>, room: Room) -> Record {
        let form = Form::of_small(kind, small.form);
        let (start, len) = (head_for(key, form, room).key_at() + key.len(), small.bytes.len());
        let together = size_class(start + SMALL_HEAD + len);
        let is_apart = size_class(start + SMALL_APART) + size_class(len) < together;
        let payload_len = if is_apart { SMALL_APART } else { SMALL_HEAD + len };
        let mut record = Record::allocate(key, form, payload_len, room);
        if is_apart {
            record.set_head(Head(record.head().0 | APART));
            let layout = apart_layout(len);
            // SAFETY: the layout is never of size zero, and there is room for the pointer.
            unsafe {
                let block = alloc(layout);
                if block.is_null() {
                    handle_alloc_error(layout);
                }
                record.payload().add(SMALL_HEAD).cast::<*mut u8>().write_unaligned(block);
            }
        }
        record.write_small(small);
        record
    }

    /// Would so many bytes behind the key make an allocation as large as this one?
    #[inline]
    fn fits(&self, payload_len: usize) -> bool {
        let head = self.head();
        let known = self.payload_len(head);
        let start = head.key_at() + self.key_len(head);
        known == payload_len || size_class(start + known) == size_class(start + payload_len)
    }

    /// Would a small collection of so many bytes be kept in as much memory as this one?
    #[inline]
    fn fits_small(&self, len: usize) -> bool {
        match self.head().0 & APART {
            0 => self.fits(SMALL_HEAD + len),
            _ => self.small().is_some_and(|known| size_class(known.bytes.len()) == size_class(len)),
        }
    }

    /// Writes a small collection for which there is the room.
    fn write_small(&mut self, small: Small<&[u8]>) {
        debug_assert!(small.bytes.len() <= SMALL_MAX && small.items <= SMALL_MAX);
        let payload = self.payload();
        // SAFETY: the record has room for length, number and so many bytes behind its key, and is
        // borrowed mutably, so that they cannot overlap the new ones.
        unsafe {
            payload.cast::<u16>().write_unaligned(small.bytes.len() as u16);
            payload.add(2).cast::<u16>().write_unaligned(small.items as u16);
            let bytes = self.small_bytes();
            bytes.copy_from_nonoverlapping(small.bytes.as_ptr(), small.bytes.len());
        }
    }

    /// The small collection that the record holds in itself.
    #[inline]
    fn small(&self) -> Option<Small<&[u8]>> {
        let form = self.form().small()?;
        let payload = self.payload();
        // SAFETY: a record of such a form has length, number and so many initialised bytes here.
        let (items, bytes) = unsafe {
            let len = payload.cast::<u16>().read_unaligned() as usize;
            let items = payload.add(2).cast::<u16>().read_unaligned() as usize;
            (items, std::slice::from_raw_parts(self.small_bytes(), len))
        };
        Some(Small { form, items, bytes })
    }

    /// Where the bytes of a small collection are.
    #[inline]
    fn small_bytes(&self) -> *mut u8 {
        // SAFETY: a small collection has its bytes behind the payload's head, or else, as the flag says,
        // a pointer.
        unsafe {
            let place = self.payload().add(SMALL_HEAD);
            match self.head().0 & APART {
                0 => place,
                _ => place.cast::<*mut u8>().read_unaligned(),
            }
        }
    }

    /// The earliest deadline that an element of the value has, asked of the value.
    pub fn earliest_of_value(&self) -> Option<Millis> {
        whatever_it_holds!(self, T => self.collection::<T>().earliest(), text => None)
    }

    /// How many elements the value has, if all of them are due.
    pub fn spent(&self, now: Millis) -> Option<usize> {
        if !self.has_due_elements(now) {
            return None;
        }
        whatever_it_holds!(self, T => self.collection::<T>().spent(now), text => None)
    }

    /// Takes elements away that are due, at most about so many, and shows them; what is left of them reads as
    /// missing. Says whether the value has anything left that does not.
    pub(super) fn expire_elements(&mut self, due: Due, gone: &mut dyn FnMut(&[u8])) -> bool {
        let (earliest, is_left) = whatever_it_holds!(
            self,
            T => match self.large_mut::<T>() {
                Some(value) => {
                    value.expire(due, gone);
                    let after = (value.earliest(), !value.is_empty());
                    self.settle::<T>();
                    after
                }
                None => {
                    let Some(mut value) = self.copy_small::<T>(&mut Vec::new()) else { return true };
                    value.expire(due, gone);
                    let after = (value.earliest(), !value.is_empty());
                    if value.small().is_none_or(|small| small.items > 0) && !self.put_collection(&value) {
                        self.put_large(value);
                    }
                    after
                }
            },
            text => (None, true)
        );
        self.set_earliest(earliest);
        is_left
    }

    /// A record of a value that was a key's before, with its deadline, and the age that it has by now.
    pub fn restored(key: &[u8], value: Value, deadline: Option<Millis>, age: u32) -> Record {
        let mut record = match value {
            Value::Text(text) if text.len() > SHORT_MAX => Record::long(key, text),
            Value::Text(text) => Record::string_with_room(key, &text, deadline.is_some()),
            Value::List(value) => Record::of_collection(key, value),
            Value::Set(value) => Record::of_collection(key, value),
            Value::ZSet(value) => Record::of_collection(key, value),
            Value::Hash(value) => Record::of_collection(key, value),
            Value::Stream(value) => Record::of_collection(key, *value),
        };
        record.set_deadline(deadline);
        record.set_earliest(record.earliest_of_value());
        record.set_age(age);
        record
    }

    /// Lends the value, whatever it is.
    pub fn with_view<R>(&self, look: impl FnOnce(View) -> R) -> R {
        whatever_it_holds!(
            self, T => look(self.collection::<T>().lend()), text => look(View::Text(self.text()))
        )
    }

    /// The value as it is now, if it is a large collection: for another thread to read while this one goes
    /// on changing.
    pub fn freeze(&mut self) -> Option<Frozen> {
        whatever_it_holds!(self, T => self.large_mut::<T>().map(T::freeze), text => None)
    }

    /// The value as strings that equal values agree on.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        whatever_it_holds!(
            self, T => self.collection::<T>().parts(), text => vec![self.text().to_vec()]
        )
    }

    /// As `parts`, without elements that are due.
    pub fn parts_at(&self, now: Millis) -> Vec<Vec<u8>> {
        if !self.has_due_elements(now) {
            return self.parts();
        }
        let mut copy = self.copy_as(self.key());
        let due = Due { now, most: usize::MAX, is_seen: true, seed: 0 };
        copy.expire_elements(due, &mut |_| ());
        copy.parts()
    }

    /// Bytes of a string, or elements of a collection.
    pub fn size(&self) -> usize {
        whatever_it_holds!(self, T => self.collection::<T>().len(), text => self.text().len())
    }

    /// In how many pieces of heap the value lies.
    pub fn pieces(&self) -> usize {
        whatever_it_holds!(self, T => self.large::<T>().map_or(1, T::pieces), text => 1)
    }

    /// Bytes of the one block that a long string is.
    pub fn block(&self) -> usize {
        if self.form() == Form::Long { self.memory() } else { 0 }
    }

    #[inline]
    pub fn text(&self) -> Text<'_> {
        match self.form() {
            Form::Int => Text::Int(self.word() as i64),
            // SAFETY: a Short value has so many initialised bytes.
            Form::Short | Form::ShortRaw => Text::Bytes(unsafe {
                std::slice::from_raw_parts(self.payload(), self.head().value_len())
            }),
            // SAFETY: the Vec lives as long as the record.
            Form::Long => Text::Bytes(unsafe { &*self.vec_place() }),
            _ => unreachable!("a collection is no text"),
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self.form() {
            Form::Int => "int",
            Form::Short if self.head().value_len() <= EMBSTR_MAX => "embstr",
            _ => whatever_it_holds!(self, T => self.collection::<T>().encoding(), text => "raw"),
        }
    }

    /// Replaces the value, and keeps deadline and age.
    pub fn set_text(&mut self, value: &[u8]) {
        if matches!(self.form(), Form::Short | Form::ShortRaw)
            && value.len() <= SHORT_MAX
            && self.fits(value.len())
            && canonical_int(value).is_none()
        {
            // SAFETY: there is room for as many bytes as the new value has, which cannot overlap them,
            // since the record is borrowed mutably.
            unsafe { self.payload().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
            let rest = self.head().0 & !(FORM | 0xff << VALUE_LEN);
            self.set_head(Head(rest | Form::Short as u64 | (value.len() as u64) << VALUE_LEN));
            return;
        }
        if self.form() == Form::Int
            && let Some(int) = canonical_int(value)
        {
            self.set_word(int as u64);
            return;
        }
        if self.form() == Form::Long && value.len() > SHORT_MAX {
            self.with_vec(|own| {
                let wasted = own.capacity().saturating_sub(value.len());
                if own.capacity() < value.len() || wasted > value.len() / 8 {
                    *own = value.to_vec();
                } else {
                    own.clear();
                    own.extend_from_slice(value);
                }
            });
            return;
        }
        let fresh = Record::string_in(self.key(), value, self.room());
        self.replace(fresh);
    }

    pub fn set_int(&mut self, value: i64) {
        if self.form() == Form::Int {
            self.set_word(value as u64);
        } else {
            let room = self.room();
            let fresh = Record::with_word(self.key(), Form::Int, value as u64, room);
            self.replace(fresh);
        }
    }

    /// The bytes of the value, to be changed where they are; their number stays.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.form() == Form::Int {
            let value = self.text().to_vec();
            let fresh = Record::short(self.key(), &value, self.room());
            self.replace(fresh);
        }
        if self.form() == Form::Short {
            self.set_form(Form::ShortRaw);
        }
        let Text::Bytes(bytes) = self.text() else { unreachable!("integers were turned above") };
        let (start, len) = (bytes.as_ptr().cast_mut(), bytes.len());
        // SAFETY: the bytes belong to this record, which is borrowed mutably for as long.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Lets `change` work on the value as a growable string. It stays one, since a string that
    /// grew once grows again.
    pub fn with_vec<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.form() != Form::Long {
            let value = self.text().to_vec();
            let fresh = Record::long_with_room(self.key(), value, self.room());
            self.replace(fresh);
        }
        // SAFETY: the slots of a Long value are a Vec, and the record is borrowed mutably.
        change(unsafe { &mut *self.vec_place() })
    }

    /// The bytes of a string that is about to be replaced. Only a short one is copied.
    pub(super) fn take_text(&mut self) -> Vec<u8> {
        match self.form() {
            Form::Long => self.with_vec(std::mem::take),
            _ => self.text().to_vec(),
        }
    }

    /// Takes over another record's value; key, deadline and age stay.
    fn replace(&mut self, fresh: Record) {
        let old = std::mem::replace(self, fresh);
        self.take_life_of(&old);
    }

    /// Takes over deadline, ticket and age.
    pub(super) fn take_life_of(&mut self, old: &Record) {
        self.set_deadline(old.deadline());
        self.set_earliest(old.earliest());
        if let Some(ticket) = old.ticket() {
            self.set_ticket(ticket);
        }
        self.set_age(old.age());
    }

    /// Another record with the same value, deadline and age, which is filed nowhere.
    pub fn copy_as(&self, key: &[u8]) -> Record {
        let room = self.room();
        let mut copy = whatever_it_holds!(
            self,
            T => match self.small() {
                Some(small) => Record::of_small(key, T::TYPE, small, room),
                None => Record::collection_with_room(key, T::clone(&self.collection()), room),
            },
            text => match self.text() {
                Text::Int(value) => Record::with_word(key, Form::Int, value as u64, room),
                Text::Bytes(bytes) if self.form() == Form::Long => {
                    Record::long_with_room(key, bytes.to_vec(), room)
                }
                Text::Bytes(bytes) => Record::short(key, bytes, room),
            }
        );
        if self.form() == Form::ShortRaw {
            copy.set_form(Form::ShortRaw);
        }
        copy.set_deadline(self.deadline());
        copy.set_earliest(self.earliest());
        copy.set_age(self.age());
        copy
    }

    /// The same value, deadline and age under another key. Only a short value is copied.
    pub fn renamed(self, key: &[u8]) -> Record {
        // SAFETY: the value is in two records now, and of these one is left as a mere shell.
        let renamed = unsafe { self.twin(key, self.room()) };
        self.free_shell();
        renamed
    }

    /// Bytes that the allocator gave.
    pub fn memory(&self) -> usize {
        let own = size_class(self.layout().size());
        if self.form() == Form::Long {
            // SAFETY: the slots of a Long value are a Vec; it is only looked at.
            return own + size_class(unsafe { (*self.vec_place()).capacity() });
        }
        let apart = self.small().filter(|_| self.head().0 & APART != 0);
        own + apart.map_or(0, |small| size_class(small.bytes.len()))
            + whatever_it_holds!(
                self,
                T => self.large::<T>().map_or(0, |value| size_class(size_of::<T>()) + value.memory()),
                text => 0
            )
    }

    /// Bytes of the elements of a collection and what holds them, without key and deadlines of the record.
    pub fn memory_of_value(&self) -> usize {
        match self.small() {
            Some(small) => small.bytes.len(),
            None => whatever_it_holds!(
                self,
                T => self.large::<T>().map_or(0, |value| size_class(size_of::<T>()) + value.memory()),
                text => 0
            ),
        }
    }

    /// Starts loading the record, which will be wanted soon.
    #[inline]
    pub fn prefetch(&self) {
        // SAFETY: the head is there; it is only asked for, not read.
        prefetch(unsafe { self.start.as_ref() });
    }

    fn short(key: &[u8], value: &[u8], room: Room) -> Record {
        let record = Record::allocate(key, Form::Short, value.len(), room);
        // SAFETY: a Short value has exactly `value.len()` bytes.
        unsafe { record.payload().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
        record
    }

    fn with_word(key: &[u8], form: Form, word: u64, room: Room) -> Record {
        let mut record = Record::allocate(key, form, 0, room);
        record.set_word(word);
        record
    }

    /// A record that has the same value, deadline, ticket and age, under a key, with or without room for
    /// a deadline.
    ///
    /// # Safety
    /// What the value owns, both records own now: one of them must be ended by `free_shell`.
    unsafe fn twin(&self, key: &[u8], room: Room) -> Record {
        let head = self.head();
        let payload_len = self.payload_len(head);
        let mut twin = Record::allocate(key, self.form(), payload_len, room);
        twin.set_head(Head(twin.head().0 | head.0 & APART));
        // SAFETY: both have the same form, hence the same number of slots for the value, and the same
        // number of bytes behind the key; the two allocations do not overlap.
        unsafe {
            let slots = self.form().slots();
            let (from, to) = (self.slot(head.value_at()), twin.slot(twin.head().value_at()));
            to.copy_from_nonoverlapping(from, slots);
            twin.payload().copy_from_nonoverlapping(self.payload(), payload_len);
        }
        twin.set_age(self.age());
        // SAFETY: these rooms were asked for.
        unsafe {
            if room.0 & DEADLINE != 0 {
                twin.slot(1).write(self.raw_deadline() as u64);
            }
            if room.0 & MORTAL != 0 {
                twin.slot(twin.head().earliest_at()).write(self.raw_earliest() as u64);
            }
        }
        twin.set_ticket(self.ticket().unwrap_or(Ticket::NOWHERE));
        twin
    }

    /// Frees the record's own allocation, but not what its value owns.
    fn free_shell(self) {
        let shell = ManuallyDrop::new(self);
        // SAFETY: the allocation was made with this layout; `drop` will not run.
        unsafe { dealloc(shell.start.as_ptr().cast(), shell.layout()) };
    }

    /// The value is left for the caller to initialise, before anything else is done with the record.
    fn allocate(key: &[u8], form: Form, payload_len: usize, room: Room) -> Record {
        let mut head = head_for(key, form, room);
        if form.small().is_none() {
            debug_assert!(payload_len <= SHORT_MAX);
            head.0 |= (payload_len as u64) << VALUE_LEN;
        }
        let layout = layout(head.key_at() + key.len() + payload_len);
        // SAFETY: the layout is never of size zero. Head, key, ticket and the slots that are not the value's
        // are initialised before use.
        unsafe {
            let Some(start) = NonNull::new(alloc(layout).cast::<u64>()) else {
                handle_alloc_error(layout)
            };
            start.write(head.0);
            let record = Record { start };
            if room.0 & DEADLINE != 0 {
                record.slot(1).write(NO_DEADLINE as u64);
            }
            if room.0 & MORTAL != 0 {
                record.slot(head.earliest_at()).write(NO_DEADLINE as u64);
            }
            if room.0 != 0 {
                record.ticket_place().write(Ticket::NOWHERE);
            }
            if head.0 & LONG_KEY != 0 {
                record.slot(head.value_at() - 1).write(key.len() as u64);
            }
            record.byte(head.key_at()).copy_from_nonoverlapping(key.as_ptr(), key.len());
            record
        }
    }

    #[inline]
    fn form(&self) -> Form {
        self.head().form()
    }

    /// Only between Short and ShortRaw, whose values are alike.
    fn set_form(&mut self, form: Form) {
        self.set_head(Head(self.head().0 & !FORM | form as u64));
    }

    #[inline]
    fn raw_deadline(&self) -> i64 {
        if self.head().0 & DEADLINE == 0 {
            return NO_DEADLINE;
        }
        // SAFETY: the flag says that the slot is there.
        unsafe { self.slot(1).read() as i64 }
    }

    #[inline]
    fn raw_earliest(&self) -> i64 {
        let head = self.head();
        if head.0 & MORTAL == 0 {
            return NO_DEADLINE;
        }
        // SAFETY: the flag says that the slot is there.
        unsafe { self.slot(head.earliest_at()).read() as i64 }
    }

    /// Where the ticket is: four bytes behind the last slot, if a flag says that there is a deadline.
    #[inline]
    fn ticket_place(&self) -> *mut Ticket {
        const { assert!(size_of::<Ticket>() == TICKET && align_of::<Ticket>() <= SLOT) };
        let head = self.head();
        debug_assert!(head.0 & FILED != 0);
        self.slot(head.value_at() + head.form().slots()).cast()
    }

    #[inline]
    fn key_len(&self, head: Head) -> usize {
        if head.0 & LONG_KEY == 0 {
            return head.short_key_len();
        }
        // SAFETY: the flag says that the slot is there.
        unsafe { self.slot(head.value_at() - 1).read() as usize }
    }

    /// The integer, or the pointer to the collection.
    #[inline]
    fn word(&self) -> u64 {
        debug_assert_eq!(self.form().slots(), 1);
        // SAFETY: values of these forms have one slot.
        unsafe { self.slot(self.head().value_at()).read() }
    }

    #[inline]
    fn set_word(&mut self, word: u64) {
        debug_assert_eq!(self.form().slots(), 1);
        // SAFETY: as above; the record is borrowed mutably.
        unsafe { self.slot(self.head().value_at()).write(word) };
    }

    /// Where a Long value's Vec is.
    fn vec_place(&self) -> *mut Vec<u8> {
        const { assert!(size_of::<Vec<u8>>() == 3 * SLOT && align_of::<Vec<u8>>() <= SLOT) };
        debug_assert_eq!(self.form(), Form::Long);
        self.slot(self.head().value_at()).cast()
    }

    /// How many bytes there are behind the key.
    #[inline]
    fn payload_len(&self, head: Head) -> usize {
        match self.small() {
            Some(_) if head.0 & APART != 0 => SMALL_APART,
            Some(small) => SMALL_HEAD + small.bytes.len(),
            None => head.value_len(),
        }
    }

    /// Where a short value or a small collection is, behind the key.
    #[inline]
    fn payload(&self) -> *mut u8 {
        let head = self.head();
        self.byte(head.key_at() + self.key_len(head))
    }

    #[inline]
    fn slot(&self, index: usize) -> *mut u64 {
        // SAFETY: callers ask for slots that are there; it is one allocation.
        unsafe { self.start.as_ptr().add(index) }
    }

    #[inline]
    fn byte(&self, at: usize) -> *mut u8 {
        // SAFETY: callers ask for bytes inside the allocation, or one past its end when there are none.
        unsafe { self.start.as_ptr().cast::<u8>().add(at) }
    }

    #[inline]
    fn head(&self) -> Head {
        // SAFETY: the head is initialised and lives as long as the record.
        Head(unsafe { self.start.read() })
    }

    #[inline]
    fn set_head(&mut self, head: Head) {
        // SAFETY: as above; the record is borrowed mutably.
        unsafe { self.start.write(head.0) };
    }

    fn layout(&self) -> Layout {
        let head = self.head();
        layout(head.key_at() + self.key_len(head) + self.payload_len(head))
    }
}

/// Reads a small collection where its bytes lie; they are what `Collection::small` gave.
fn lend_small<T: Collection>(small: Small<&[u8]>) -> Lent<'_, T> {
    let Small { form, items, bytes } = small;
    // SAFETY: `Lent` is bound to the borrow of the bytes, so that what reads them does not outlive it; it
    // neither owns them nor lends itself to be changed.
    let bytes = unsafe { std::mem::transmute::<&[u8], &'static [u8]>(bytes) };
    Lent::made(T::of_small(Small { form, items, bytes: Cow::Borrowed(bytes) }))
}

/// What the slot of a deadline holds. The last millisecond there is stands for "none", and the one before
/// it is as far away.
fn raw(deadline: Option<Millis>) -> u64 {
    deadline.map_or(NO_DEADLINE, |deadline| deadline.0.min(NO_DEADLINE - 1)) as u64
}

/// What a collection is as a run of bytes, if it may be kept as one.
fn fitting<T: Collection>(value: &T) -> Option<Small<&[u8]>> {
    value.small().filter(|small| small.bytes.len() <= SMALL_MAX)
}

impl Drop for Record {
    fn drop(&mut self) {
        // SAFETY: what the value owns is dropped once, then the allocation is freed with the layout it
        // was made with.
        unsafe {
            if self.form() == Form::Long {
                self.vec_place().drop_in_place();
            }
            whatever_it_holds!(
                self,
                T => if self.form() == Form::of_large(T::TYPE) {
                    let word = self.word() as usize;
                    drop(Box::from_raw(std::ptr::with_exposed_provenance_mut::<T>(word)));
                },
                text => ()
            );
            if self.head().0 & APART != 0
                && let Some(small) = self.small()
            {
                dealloc(self.small_bytes(), apart_layout(small.bytes.len()));
            }
            dealloc(self.start.as_ptr().cast(), self.layout());
        }
    }
}

fn apart_layout(len: usize) -> Layout {
    Layout::from_size_align(size_class(len), 1).expect("a small collection is small")
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(size_class(bytes), align_of::<u64>())
        .expect("a key came in a frame, and frames are bounded")
}
