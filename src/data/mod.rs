//! Values, each a world of its own: structure, invariants, tests. Nothing in here knows keys,
//! clients or replies.

pub mod bits;
pub mod deadlines;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod lcs;
pub mod limits;
pub mod list;
pub mod packed;
pub mod rate;
pub mod set;
pub mod stream;
pub mod string;
pub mod value;
pub mod zset;

use crate::world::Millis;
use std::borrow::Cow;
pub use value::{Frozen, Value, View};

/// What a key holds, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    List,
    Set,
    ZSet,
    Hash,
    Stream,
}

impl Type {
    /// Every type, in the order in which they are declared.
    pub const ALL: [Type; 6] =
        [Type::String, Type::List, Type::Set, Type::ZSet, Type::Hash, Type::Stream];

    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::ZSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

/// The memory of a small form: a collection's own, or lent for as long as it is only looked at.
pub type Buffer = Cow<'static, [u8]>;

/// A collection that is one run of bytes, which a record keeps beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small<B> {
    pub form: SmallForm,
    /// Items of a packed block; of no meaning for integers.
    pub items: usize,
    pub bytes: B,
}

impl Small<Buffer> {
    /// Nothing yet, in this memory.
    pub fn empty(form: SmallForm, mut buffer: Vec<u8>) -> Small<Buffer> {
        buffer.clear();
        Small { form, items: 0, bytes: Cow::Owned(buffer) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallForm {
    /// A block of `packed.rs`.
    Packed,
    /// An array of `intset.rs`.
    Ints,
    /// A block again, in which each element has its deadline beside it.
    Mortal,
}

/// A value with elements. An empty one is no value: its key goes with its last element. A stream never
/// is empty, also without entries.
pub trait Collection: Clone + Default + Send + 'static {
    const TYPE: Type;
    /// The form in which a value begins.
    const EMPTY: SmallForm = SmallForm::Packed;

    /// How many elements there are.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as one run of bytes, if it is kept as one.
    fn small(&self) -> Option<Small<&[u8]>>;

    /// What `small` took apart. Where the bytes are lent the value is only read, and never moved.
    fn of_small(small: Small<Buffer>) -> Self;

    /// An empty value that will lie in this memory while it is small.
    fn empty_in(buffer: Vec<u8>) -> Self {
        Self::of_small(Small::empty(Self::EMPTY, buffer))
    }

    /// Gives up the memory of a small value, to be used again.
    fn into_buffer(self) -> Option<Buffer>;

    /// Bytes of heap that the value takes, itself not counted.
    fn memory(&self) -> usize;

    /// In about how many pieces of heap the value lies: freeing it takes so long.
    fn pieces(&self) -> usize;

    /// The value as it is now, for another thread to read while this one goes on changing.
    fn freeze(&mut self) -> Frozen;

    /// The value, lent to be read as any.
    fn lend(&self) -> View<'_>;

    /// The value as strings that equal values agree on, whatever their form: what has no order of
    /// its own is sorted. For digests, which are taken by tests.
    fn parts(&self) -> Vec<Vec<u8>>;

    /// The name that OBJECT ENCODING answers.
    fn encoding(&self) -> &'static str;

    // ── elements with deadlines, for those that have any ────────────────────────────────────

    /// The earliest deadline that an element has.
    fn earliest(&self) -> Option<Millis> {
        None
    }

    /// How many elements there are, if all of them are due.
    fn spent(&self, _now: Millis) -> Option<usize> {
        None
    }

    /// Takes elements away that are due, and shows them to `gone`.
    fn expire(&mut self, _due: Due, _gone: &mut dyn FnMut(&[u8])) {}
}

/// A value whose elements may be given deadlines. The one place that knows what time it is calls `expire`
/// before anybody looks, so nothing else here need know.
pub trait Mortal: Collection {
    /// The deadline of an element that is there.
    fn deadline_of(&self, element: &[u8]) -> Option<Option<Millis>>;

    /// Gives an element that is there a deadline, or takes it away. The seed is for a table, if one must be
    /// made.
    fn set_deadline(&mut self, element: &[u8], deadline: Option<Millis>, seed: u64);

    /// Removes an element; says whether it was there.
    fn drop_element(&mut self, element: &[u8]) -> bool;
}

/// Which elements are to be taken away.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Those with deadlines up to this moment …
    pub now: Millis,
    /// … at most about so many of them. The others read as missing until they are taken away too: so nobody
    /// sees them, they are not counted, and nobody has to wait while a million of them go.
    pub most: usize,
    /// Somebody is about to look at the value, so that what is due must not be there.
    pub is_seen: bool,
    /// Seeds a table, if one must be made.
    pub seed: u64,
}
