//! Values, each a world of its own: structure, invariants, tests. Nothing in here knows keys,
//! clients or replies.

pub mod bits;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod lcs;
pub mod limits;
pub mod list;
pub mod packed;
pub mod set;
pub mod string;
pub mod zset;

/// What a key holds, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    List,
    Set,
    ZSet,
    Hash,
}

impl Type {
    /// Every type, in the order in which they are declared.
    pub const ALL: [Type; 5] = [Type::String, Type::List, Type::Set, Type::ZSet, Type::Hash];

    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::ZSet => "zset",
            Type::Hash => "hash",
        }
    }
}

/// A value with elements. An empty one is no value: its key goes with its last element.
pub trait Collection: Clone + Default + Send + 'static {
    const TYPE: Type;

    /// How many elements there are.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap that the value takes, itself not counted.
    fn memory(&self) -> usize;

    /// In about how many pieces of heap the value lies: freeing it takes so long.
    fn pieces(&self) -> usize;

    /// The value as strings that equal values agree on, whatever their form: what has no order of
    /// its own is sorted. For digests, which are taken by tests.
    fn parts(&self) -> Vec<Vec<u8>>;

    /// The name that OBJECT ENCODING answers.
    fn encoding(&self) -> &'static str;
}
