//! Any value: owned, frozen, or lent to be read. For those who treat all types alike: they write values
//! to files, and read them from there.

#[cfg(test)]
mod tests;

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::stream::Stream;
use super::string::Text;
use super::zset::{Scores, ZSet};
use super::{Collection, Type};

/// A value that no key has yet.
#[derive(Clone)]
pub enum Value {
    Text(Vec<u8>),
    List(List),
    Set(Set),
    ZSet(ZSet),
    Hash(Hash),
    Stream(Box<Stream>),
}

/// A large collection as it was at one moment, to be read by another thread while the original goes on
/// changing.
pub enum Frozen {
    List(List),
    Set(Set),
    ZSet(Scores),
    Hash(Hash),
    Stream(Box<Stream>),
}

/// A value that is lent to be read.
#[derive(Clone, Copy)]
pub enum View<'a> {
    Text(Text<'a>),
    List(&'a List),
    Set(&'a Set),
    ZSet(&'a ZSet),
    /// A sorted set too, but without its order.
    Scores(&'a Scores),
    Hash(&'a Hash),
    Stream(&'a Stream),
}

impl Value {
    pub fn kind(&self) -> Type {
        self.view().kind()
    }

    pub fn view(&self) -> View<'_> {
        match self {
            Value::Text(text) => View::Text(Text::Bytes(text)),
            Value::List(value) => View::List(value),
            Value::Set(value) => View::Set(value),
            Value::ZSet(value) => View::ZSet(value),
            Value::Hash(value) => View::Hash(value),
            Value::Stream(value) => View::Stream(value),
        }
    }
}

impl Frozen {
    pub fn view(&self) -> View<'_> {
        match self {
            Frozen::List(value) => View::List(value),
            Frozen::Set(value) => View::Set(value),
            Frozen::ZSet(value) => View::Scores(value),
            Frozen::Hash(value) => View::Hash(value),
            Frozen::Stream(value) => View::Stream(value),
        }
    }
}

impl View<'_> {
    /// About how much work it is to take the value in, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            View::Text(text) => text.len(),
            View::List(value) => value.memory(),
            View::Set(value) => value.memory(),
            View::ZSet(value) => value.memory(),
            View::Scores(_) => 0,
            View::Hash(value) => value.memory(),
            View::Stream(value) => value.memory(),
        }
    }

    pub fn kind(&self) -> Type {
        match self {
            View::Text(_) => Type::String,
            View::List(_) => Type::List,
            View::Set(_) => Type::Set,
            View::ZSet(_) | View::Scores(_) => Type::ZSet,
            View::Hash(_) => Type::Hash,
            View::Stream(_) => Type::Stream,
        }
    }

    /// The value as strings that equal values agree on, as `Collection::parts`.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        match self {
            View::Text(text) => vec![text.to_vec()],
            View::List(value) => value.parts(),
            View::Set(value) => value.parts(),
            View::ZSet(value) => value.parts(),
            View::Scores(value) => value.parts(),
            View::Hash(value) => value.parts(),
            View::Stream(value) => value.parts(),
        }
    }
}
