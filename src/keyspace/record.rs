//! A record: one key with its value, its deadline and its age, in one allocation.
//!
//! ```text
//!  0          8        12       16         24            24 + key_len
//!  ┌──────────┬────────┬────────┬──────────┬─────────────┬──────────────────────────────┐
//!  │ deadline │ age+   │key_len │ word     │ key bytes   │ Short: value bytes           │
//!  │ i64      │ form   │ u32    │ 8 bytes  │             │ Long: a Vec<u8>, unaligned   │
//!  └──────────┴────────┴────────┴──────────┴─────────────┴──────────────────────────────┘
//! ```
//! `word` is the integer itself, or the length of a short value, or the pointer to a collection,
//! which is a `Box` of its type. A value of some hundred bytes is an allocation of its own, so that
//! size classes do not round key and value up together.
//!
//! Invariants that the unsafe code rests on:
//! - `head` points to an allocation of `layout(key_len, form, word)` made by `allocate`, owned by
//!   this record alone; it is freed once, by `drop`.
//! - `form` says which of the payloads is initialised, and what `word` is; it only changes between
//!   Short and ShortRaw, which are alike.
//! - The `word` of a collection comes from `Box::into_raw` of the type that `form` names, and the
//!   record owns that box.
//! - A `Long` payload is a `Vec<u8>` that this record owns; it lies unaligned and is only moved
//!   out and in with `read_unaligned` and `write_unaligned`.
#![expect(unsafe_code, reason = "one allocation per key; tested against a model and under ASan")]

use crate::base::prefetch::prefetch;
use crate::data::string::{Text, canonical_int};
use crate::data::{Collection, Type};
use crate::world::Millis;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Owns one key and its value; the size of a pointer, never null.
pub struct Record {
    head: NonNull<Head>,
}

#[repr(C)]
struct Head {
    deadline: i64,
    /// 24 bits of age (LRU clock, or LFU), 8 bits of form.
    age_and_form: u32,
    key_len: u32,
    word: u64,
}

/// How the value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Int = 0,
    Short = 1,
    /// Short, but changed in place, which OBJECT ENCODING calls `raw`.
    ShortRaw = 2,
    Long = 3,
    List = 4,
    Set = 5,
    ZSet = 6,
    Hash = 7,
}

/// Does something with the collection of a record, whatever its type: the only list of them.
macro_rules! whatever_it_holds {
    ($record:expr, $value:ident: $type:ident => $act:expr, text => $text:expr) => {
        match $record.form() {
            Form::Int | Form::Short | Form::ShortRaw | Form::Long => $text,
            Form::List => {
                type $type = crate::data::list::List;
                let $value = $record.collection::<$type>();
                $act
            }
            Form::Set => {
                type $type = crate::data::set::Set;
                let $value = $record.collection::<$type>();
                $act
            }
            Form::ZSet => {
                type $type = crate::data::zset::ZSet;
                let $value = $record.collection::<$type>();
                $act
            }
            Form::Hash => {
                type $type = crate::data::hash::Hash;
                let $value = $record.collection::<$type>();
                $act
            }
        }
    };
}

impl Form {
    fn of(kind: Type) -> Form {
        match kind {
            Type::String => Form::Long,
            Type::List => Form::List,
            Type::Set => Form::Set,
            Type::ZSet => Form::ZSet,
            Type::Hash => Form::Hash,
        }
    }
}

/// A value of more bytes than this has an allocation of its own.
const SHORT_MAX: usize = 192;
/// OBJECT ENCODING says `embstr` up to here.
const EMBSTR_MAX: usize = 44;
const HEAD: usize = size_of::<Head>();
const NO_DEADLINE: i64 = i64::MAX;

// SAFETY: a record owns everything it points to, and nothing in it is shared or thread-bound.
unsafe impl Send for Record {}

impl Record {
    /// A string, stored as an integer if it is written like one.
    pub fn string(key: &[u8], value: &[u8]) -> Record {
        match canonical_int(value) {
            Some(int) => Record::int(key, int),
            None if value.len() <= SHORT_MAX => {
                let record = Record::allocate(key, Form::Short, value.len() as u64);
                // SAFETY: the payload of a Short record has `value.len()` bytes.
                unsafe {
                    record.payload().copy_from_nonoverlapping(value.as_ptr(), value.len());
                }
                record
            }
            None => Record::long(key, value.to_vec()),
        }
    }

    pub fn int(key: &[u8], value: i64) -> Record {
        Record::allocate(key, Form::Int, value as u64)
    }

    /// A string that is kept as it is written, though it may be written like an integer.
    pub fn bytes(key: &[u8], value: &[u8]) -> Record {
        if value.len() <= SHORT_MAX {
            Record::short(key, value)
        } else {
            Record::long(key, value.to_vec())
        }
    }

    /// A string in an allocation of its own, which `raw` names.
    pub fn long(key: &[u8], value: Vec<u8>) -> Record {
        let record = Record::allocate(key, Form::Long, 0);
        // SAFETY: the payload of a Long record has room for a Vec, and holds none yet.
        unsafe { record.payload().cast::<Vec<u8>>().write_unaligned(value) };
        record
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: `key_len` bytes behind the head are the key, initialised by `allocate`.
        unsafe {
            std::slice::from_raw_parts(
                self.head.as_ptr().cast::<u8>().add(HEAD),
                self.head().key_len as usize,
            )
        }
    }

    #[inline]
    pub fn deadline(&self) -> Option<Millis> {
        let deadline = self.head().deadline;
        (deadline != NO_DEADLINE).then_some(Millis(deadline))
    }

    pub fn set_deadline(&mut self, deadline: Option<Millis>) {
        // The last millisecond there is stands for "none", and the one before it is as far away.
        self.head_mut().deadline =
            deadline.map_or(NO_DEADLINE, |deadline| deadline.0.min(NO_DEADLINE - 1));
    }

    /// Has the deadline come?
    #[inline]
    pub fn is_due(&self, now: Millis) -> bool {
        // "None" is the greatest deadline there is, so one comparison answers both questions.
        self.head().deadline <= now.0
    }

    /// 24 bits that belong to the eviction policy.
    #[inline]
    pub fn age(&self) -> u32 {
        self.head().age_and_form >> 8
    }

    #[inline]
    pub fn set_age(&mut self, age: u32) {
        let head = self.head_mut();
        head.age_and_form = (age << 8) | (head.age_and_form & 0xff);
    }

    /// A collection, which is moved to a place of its own.
    pub fn of_collection<T: Collection>(key: &[u8], value: T) -> Record {
        let word = Box::into_raw(Box::new(value)).expose_provenance();
        Record::allocate(key, Form::of(T::TYPE), word as u64)
    }

    #[inline]
    pub fn kind(&self) -> Type {
        match self.form() {
            Form::Int | Form::Short | Form::ShortRaw | Form::Long => Type::String,
            Form::List => Type::List,
            Form::Set => Type::Set,
            Form::ZSet => Type::ZSet,
            Form::Hash => Type::Hash,
        }
    }

    /// The collection, whose type the caller has made sure of.
    #[inline]
    pub fn collection<T: Collection>(&self) -> &T {
        assert_eq!(self.form(), Form::of(T::TYPE), "a collection is read as what it is");
        // SAFETY: the form says that `word` is a box of this type, which lives as long as the
        // record; there is one type for each `Type`.
        unsafe { &*std::ptr::with_exposed_provenance::<T>(self.head().word as usize) }
    }

    #[inline]
    pub fn collection_mut<T: Collection>(&mut self) -> &mut T {
        assert_eq!(self.form(), Form::of(T::TYPE), "a collection is changed as what it is");
        // SAFETY: as above, and the record is borrowed mutably.
        unsafe { &mut *std::ptr::with_exposed_provenance_mut::<T>(self.head().word as usize) }
    }

    /// How many elements the value has; none if it is a string.
    pub fn elements(&self) -> Option<usize> {
        whatever_it_holds!(self, value: T => Some(<T as Collection>::len(value)), text => None)
    }

    /// The value as strings that equal values agree on.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        whatever_it_holds!(
            self, value: T => <T as Collection>::parts(value), text => vec![self.text().to_vec()]
        )
    }

    /// Bytes of a string, or elements of a collection.
    pub fn size(&self) -> usize {
        whatever_it_holds!(self, value: T => <T as Collection>::len(value), text => self.text().len())
    }

    /// In how many pieces of heap the value lies.
    pub fn pieces(&self) -> usize {
        whatever_it_holds!(self, value: T => <T as Collection>::pieces(value), text => 1)
    }

    /// Bytes of the one block that a long string is.
    pub fn block(&self) -> usize {
        if self.form() == Form::Long { self.memory() } else { 0 }
    }

    #[inline]
    pub fn text(&self) -> Text<'_> {
        match self.form() {
            Form::Int => Text::Int(self.head().word as i64),
            // SAFETY: a Short payload has `word` initialised bytes.
            Form::Short | Form::ShortRaw => Text::Bytes(unsafe {
                std::slice::from_raw_parts(self.payload(), self.head().word as usize)
            }),
            // SAFETY: the Vec lives as long as the record; its heap block is lent, not the Vec.
            Form::Long => Text::Bytes(unsafe {
                let value = ManuallyDrop::new(self.payload().cast::<Vec<u8>>().read_unaligned());
                std::slice::from_raw_parts(value.as_ptr(), value.len())
            }),
            Form::List | Form::Set | Form::ZSet | Form::Hash => {
                unreachable!("a collection is no text")
            }
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self.form() {
            Form::Int => "int",
            Form::Short if self.head().word as usize <= EMBSTR_MAX => "embstr",
            _ => {
                whatever_it_holds!(self, value: T => <T as Collection>::encoding(value), text => "raw")
            }
        }
    }

    /// Replaces the value, and keeps deadline and age.
    pub fn set_text(&mut self, value: &[u8]) {
        let fits = matches!(self.form(), Form::Short | Form::ShortRaw)
            && self.head().word as usize == value.len()
            && canonical_int(value).is_none();
        if fits {
            // SAFETY: the payload has exactly as many bytes as the new value, which cannot
            // overlap it, since the record is borrowed mutably.
            unsafe { self.payload().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
            self.set_form(Form::Short);
            return;
        }
        if self.form() == Form::Int
            && let Some(int) = canonical_int(value)
        {
            self.head_mut().word = int as u64;
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
        let fresh = Record::string(self.key(), value);
        self.replace(fresh);
    }

    pub fn set_int(&mut self, value: i64) {
        if self.form() == Form::Int {
            self.head_mut().word = value as u64;
        } else {
            let fresh = Record::int(self.key(), value);
            self.replace(fresh);
        }
    }

    /// The bytes of the value, to be changed where they are; their number stays.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.form() == Form::Int {
            let fresh = self.text().to_vec();
            let mut fresh = Record::short(self.key(), &fresh);
            std::mem::swap(self, &mut fresh);
            self.take_life_of(&fresh);
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
            let fresh = Record::long(self.key(), value);
            self.replace(fresh);
        }
        let place = self.payload().cast::<Vec<u8>>();
        // SAFETY: the payload is a Vec; it is moved out and, whatever `change` does, moved in
        // again by the guard, so that it is owned once at every moment.
        let mut value =
            PutBack { place, value: ManuallyDrop::new(unsafe { place.read_unaligned() }) };
        change(&mut value.value)
    }

    /// Takes over another record's value; key, deadline and age stay.
    fn replace(&mut self, fresh: Record) {
        let old = std::mem::replace(self, fresh);
        self.take_life_of(&old);
    }

    /// Takes over deadline and age.
    pub(super) fn take_life_of(&mut self, old: &Record) {
        self.set_deadline(old.deadline());
        self.set_age(old.age());
    }

    /// Another record with the same value, deadline and age.
    pub fn copy_as(&self, key: &[u8]) -> Record {
        let collection = whatever_it_holds!(
            self, value: T => Some(Record::of_collection::<T>(key, value.clone())), text => None
        );
        if let Some(mut copy) = collection {
            copy.take_life_of(self);
            return copy;
        }
        let mut copy = match self.text() {
            Text::Int(value) => Record::int(key, value),
            Text::Bytes(bytes) if self.form() == Form::Long => Record::long(key, bytes.to_vec()),
            Text::Bytes(bytes) => Record::short(key, bytes),
        };
        if self.form() == Form::ShortRaw {
            copy.set_form(Form::ShortRaw);
        }
        copy.take_life_of(self);
        copy
    }

    /// The same value, deadline and age under another key. A long value is not copied.
    pub fn renamed(mut self, key: &[u8]) -> Record {
        let form = self.form();
        if self.kind() != Type::String {
            let mut renamed = Record::allocate(key, form, self.head().word);
            renamed.take_life_of(&self);
            // The box is the other record's now; this one is left an integer.
            self.head_mut().age_and_form = Form::Int as u32;
            return renamed;
        }
        if form != Form::Long {
            return self.copy_as(key);
        }
        let mut renamed = Record::long(key, self.with_vec(std::mem::take));
        renamed.take_life_of(&self);
        renamed
    }

    /// Bytes that the allocator was asked for.
    pub fn memory(&self) -> usize {
        let own = layout(self.head().key_len, self.form(), self.head().word).size();
        match self.form() {
            // SAFETY: as in `text`; only the capacity is looked at.
            Form::Long => unsafe {
                let value = ManuallyDrop::new(self.payload().cast::<Vec<u8>>().read_unaligned());
                own + value.capacity()
            },
            _ => {
                own + whatever_it_holds!(
                    self, value: T => size_of::<T>() + <T as Collection>::memory(value), text => 0
                )
            }
        }
    }

    /// Starts loading the record, which will be wanted soon.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.head());
    }

    fn short(key: &[u8], value: &[u8]) -> Record {
        let record = Record::allocate(key, Form::Short, value.len() as u64);
        // SAFETY: the payload of a Short record has `value.len()` bytes.
        unsafe { record.payload().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
        record
    }

    /// The payload is left for the caller to initialise.
    fn allocate(key: &[u8], form: Form, word: u64) -> Record {
        let key_len =
            u32::try_from(key.len()).expect("a key came in a frame, and frames are bounded");
        let layout = layout(key_len, form, word);
        // SAFETY: the layout is never of size zero; head and key are initialised before use.
        unsafe {
            let Some(head) = NonNull::new(alloc(layout).cast::<Head>()) else {
                handle_alloc_error(layout)
            };
            head.write(Head { deadline: NO_DEADLINE, age_and_form: form as u32, key_len, word });
            head.as_ptr().cast::<u8>().add(HEAD).copy_from_nonoverlapping(key.as_ptr(), key.len());
            Record { head }
        }
    }

    fn form(&self) -> Form {
        match self.head().age_and_form & 0xff {
            0 => Form::Int,
            1 => Form::Short,
            2 => Form::ShortRaw,
            3 => Form::Long,
            4 => Form::List,
            5 => Form::Set,
            6 => Form::ZSet,
            _ => Form::Hash,
        }
    }

    /// Only between Short and ShortRaw, whose payloads are alike.
    fn set_form(&mut self, form: Form) {
        let head = self.head_mut();
        head.age_and_form = (head.age_and_form & !0xff) | form as u32;
    }

    fn payload(&self) -> *mut u8 {
        // SAFETY: the payload begins inside the allocation, or one past its end when it is empty.
        unsafe { self.head.as_ptr().cast::<u8>().add(HEAD + self.head().key_len as usize) }
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the head is initialised and lives as long as the record.
        unsafe { self.head.as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut Head {
        // SAFETY: as above; the record is borrowed mutably.
        unsafe { self.head.as_mut() }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let layout = layout(self.head().key_len, self.form(), self.head().word);
        // SAFETY: the payload is dropped once, then the allocation is freed with the layout it
        // was made with: form (but for Short and ShortRaw, which are alike) and key never change,
        // and `word` counts only where it is a length, which never changes either.
        unsafe {
            if self.form() == Form::Long {
                drop(self.payload().cast::<Vec<u8>>().read_unaligned());
            }
            whatever_it_holds!(
                self,
                _value: T => {
                    let word = self.head().word as usize;
                    drop(Box::from_raw(std::ptr::with_exposed_provenance_mut::<T>(word)));
                },
                text => ()
            );
            dealloc(self.head.as_ptr().cast(), layout);
        }
    }
}

/// Puts a value back where it came from, also when the change panicked.
struct PutBack {
    place: *mut Vec<u8>,
    value: ManuallyDrop<Vec<u8>>,
}

impl Drop for PutBack {
    fn drop(&mut self) {
        // SAFETY: `place` was read from and is written once; `value` is not used after.
        unsafe { self.place.write_unaligned(ManuallyDrop::take(&mut self.value)) };
    }
}

fn layout(key_len: u32, form: Form, word: u64) -> Layout {
    let payload = match form {
        Form::Int | Form::List | Form::Set | Form::ZSet | Form::Hash => 0,
        Form::Short | Form::ShortRaw => word as usize,
        Form::Long => size_of::<Vec<u8>>(),
    };
    Layout::from_size_align(HEAD + key_len as usize + payload, align_of::<Head>())
        .expect("keys are below 4 GiB and short values below 192 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(Vec<u8>),
        SetInt(i64),
        Append(Vec<u8>),
        Poke(usize, u8),
        Deadline(Option<i64>),
        Age(u32),
        Copy,
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|int| int.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..60),
            proptest::collection::vec(any::<u8>(), 150..260),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            value().prop_map(Step::Set),
            any::<i64>().prop_map(Step::SetInt),
            value().prop_map(Step::Append),
            (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Step::Poke(at, byte)),
            proptest::option::of(0..i64::MAX).prop_map(Step::Deadline),
            (0..1u32 << 24).prop_map(Step::Age),
            Just(Step::Copy),
        ]
    }

    proptest! {
        /// A record is a byte string with a deadline and an age, whatever form it takes.
        #[test]
        fn behaves_like_a_plain_string(
            key in proptest::collection::vec(any::<u8>(), 0..40),
            first in value(),
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut record = Record::string(&key, &first);
            let (mut model, mut deadline, mut age) = (first, None, 0);
            for step in steps {
                match step {
                    Step::Set(value) => {
                        record.set_text(&value);
                        model = value;
                    }
                    Step::SetInt(int) => {
                        record.set_int(int);
                        model = int.to_string().into_bytes();
                    }
                    Step::Append(more) => {
                        record.with_vec(|value| value.extend_from_slice(&more));
                        model.extend_from_slice(&more);
                    }
                    Step::Poke(at, byte) if !model.is_empty() => {
                        let at = at % model.len();
                        record.bytes_mut()[at] = byte;
                        model[at] = byte;
                    }
                    Step::Poke(..) => (),
                    Step::Deadline(at) => {
                        deadline = at.map(Millis);
                        record.set_deadline(deadline);
                    }
                    Step::Age(new) => {
                        age = new;
                        record.set_age(age);
                    }
                    Step::Copy => record = record.copy_as(&key),
                }
                prop_assert_eq!(record.key(), &key[..]);
                prop_assert_eq!(record.text().to_vec(), &model[..]);
                prop_assert_eq!(record.text().len(), model.len());
                prop_assert_eq!(record.deadline(), deadline);
                prop_assert_eq!(record.age(), age);
            }
        }
    }

    #[test]
    fn names_its_encoding_as_redis_does() {
        let encoding = |value: &[u8]| Record::string(b"k", value).encoding();
        assert_eq!(encoding(b"12345"), "int");
        assert_eq!(encoding(b"012345"), "embstr");
        assert_eq!(encoding(&[b'x'; 44]), "embstr");
        assert_eq!(encoding(&[b'x'; 45]), "raw");
        let mut changed = Record::string(b"k", b"abc");
        changed.bytes_mut()[0] = b'x';
        assert_eq!(changed.encoding(), "raw");
    }
}
