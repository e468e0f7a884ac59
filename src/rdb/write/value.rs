//! Values, each in the form that the peers keep it in.

use super::listpack::Listpack;
use super::sink::{Flush, Sink};
use super::{Version, stream};
use crate::base::numbers;
use crate::data::hash::Hash;
use crate::data::list::List;
use crate::data::set::Set;
use crate::data::string::Text;
use crate::data::{Collection, SmallForm, View};
use crate::rdb::codes::{intset, kind, quicklist};
use crate::world::Millis;
use std::io;

/// What a value is written with.
pub struct Pen<'a> {
    pub sink: &'a mut Sink,
    /// A listpack that is being made.
    pub block: &'a mut Vec<u8>,
    pub flush: Flush<'a>,
    pub version: Version,
}

/// A small collection of more bytes is written as a large one: by default the peers have none of that size, and
/// what is written as one block must be in memory as one.
const BLOCK_MAX: usize = 64 << 10;

/// An item of a list that is longer has a node to itself, in which it need not be packed.
const PLAIN_FROM: usize = 8 << 10;

/// It has no element that is to be seen.
pub fn is_empty(value: View) -> bool {
    match value {
        View::Text(_) | View::Stream(_) => false,
        View::List(list) => list.is_empty(),
        View::Set(set) => set.is_empty(),
        View::ZSet(set) => set.is_empty(),
        View::Scores(scores) => scores.is_empty(),
        View::Hash(hash) => hash.is_empty(),
    }
}

/// The form in which a value is written.
pub fn kind_of(value: View, version: Version) -> u8 {
    match value {
        View::Text(_) => kind::STRING,
        View::List(_) => kind::LIST_QUICKLIST_2,
        View::Set(set) => match small_form(set) {
            Some(SmallForm::Ints) => kind::SET_INTSET,
            Some(_) if version != Version::V10 => kind::SET_LISTPACK,
            _ => kind::SET,
        },
        View::ZSet(set) if small_form(set).is_some() => kind::ZSET_LISTPACK,
        View::ZSet(_) | View::Scores(_) => kind::ZSET_2,
        View::Hash(hash) => {
            let (is_small, is_mortal) = (small_form(hash).is_some(), hash.earliest().is_some());
            match (is_small, version) {
                (true, Version::V12) if is_mortal => kind::HASH_LISTPACK_EX,
                (false, Version::V12) if is_mortal => kind::HASH_METADATA,
                (_, Version::Valkey80) if is_mortal => kind::VALKEY_HASH_2,
                (true, _) => kind::HASH_LISTPACK,
                (false, _) => kind::HASH,
            }
        }
        View::Stream(_) if version == Version::V10 => kind::STREAM_LISTPACKS_2,
        View::Stream(_) => kind::STREAM_LISTPACKS_3,
    }
}

fn small_form(value: &impl Collection) -> Option<SmallForm> {
    value.small().filter(|small| small.bytes.len() <= BLOCK_MAX).map(|small| small.form)
}

impl Pen<'_> {
    /// Writes a value in this form, which is that of `kind_of`.
    pub fn value(&mut self, kind: u8, value: View) -> io::Result<()> {
        match value {
            View::Text(text) => self.text(text),
            View::List(list) => self.list(list),
            View::Set(set) => self.set(kind, set),
            View::ZSet(set) if kind == kind::ZSET_LISTPACK => {
                let mut score_text = Vec::new();
                self.listpack(|block| {
                    for (member, score) in set.iter() {
                        block.text(member);
                        write_score(score, &mut score_text, block);
                    }
                })
            }
            // The greatest first, as the peers do: so each comes before those that are there already.
            View::ZSet(set) => self.scores(set.len(), set.walk(0..set.len(), true)),
            View::Scores(scores) => self.scores(scores.len(), scores.iter()),
            View::Hash(hash) => self.hash(kind, hash),
            View::Stream(stream) => stream::write(self, stream),
        }
    }

    pub fn text(&mut self, text: Text) -> io::Result<()> {
        self.sink.long_text(text, self.flush)
    }

    /// Writes a listpack as a string.
    pub fn listpack(&mut self, fill: impl FnOnce(&mut Listpack)) -> io::Result<()> {
        let mut block = Listpack::new(self.block);
        fill(&mut block);
        block.finish();
        self.sink.string(self.block);
        self.spill()
    }

    #[inline]
    pub fn spill(&mut self) -> io::Result<()> {
        self.sink.spill(self.flush)
    }

    fn list(&mut self, list: &List) -> io::Result<()> {
        self.sink.len(list.blocks().count() as u64);
        for block in list.blocks() {
            match (block.len(), block.get(0)) {
                (1, Some(item)) if block.bytes() > PLAIN_FROM => {
                    self.sink.len(quicklist::PLAIN);
                    self.text(item)?;
                }
                _ => {
                    self.sink.len(quicklist::PACKED);
                    self.listpack(|out| block.iter().for_each(|item| out.text(item)))?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, kind: u8, set: &Set) -> io::Result<()> {
        match set.small() {
            Some(small) if kind == kind::SET_INTSET => {
                self.ints(small.bytes);
                self.spill()
            }
            Some(_) if kind == kind::SET_LISTPACK => {
                self.listpack(|out| set.iter().for_each(|member| out.text(member)))
            }
            _ => {
                self.sink.len(set.len() as u64);
                set.iter().try_for_each(|member| self.text(member))
            }
        }
    }

    /// Our sets of integers are those of the peers but for the head.
    fn ints(&mut self, own: &[u8]) {
        let (width, ints) = own.split_first().unwrap_or((&2, &[]));
        let count = (ints.len() / usize::from(*width)) as u32;
        self.block.clear();
        self.block.reserve(intset::HEAD_BYTES + ints.len());
        self.block.extend_from_slice(&u32::from(*width).to_le_bytes());
        self.block.extend_from_slice(&count.to_le_bytes());
        self.block.extend_from_slice(ints);
        self.sink.string(self.block);
    }

    fn scores<'a>(
        &mut self,
        len: usize,
        members: impl Iterator<Item = (Text<'a>, f64)>,
    ) -> io::Result<()> {
        self.sink.len(len as u64);
        self.some_scores(members)
    }

    /// Members of a set whose length was written.
    pub fn some_scores<'a>(
        &mut self,
        mut members: impl Iterator<Item = (Text<'a>, f64)>,
    ) -> io::Result<()> {
        members.try_for_each(|(member, score)| {
            self.text(member)?;
            self.sink.bytes(&score.to_le_bytes());
            Ok(())
        })
    }

    fn hash(&mut self, kind: u8, hash: &Hash) -> io::Result<()> {
        let earliest = hash.earliest().unwrap_or(Millis(0));
        match kind {
            kind::HASH_LISTPACK => self.listpack(|out| {
                for (field, value) in hash.iter() {
                    out.text(field);
                    out.text(value);
                }
            }),
            kind::HASH_LISTPACK_EX => {
                self.sink.millis(earliest);
                let mut fields: Vec<_> = hash.iter_with_deadlines().collect();
                fields.sort_by_key(|(_, _, deadline)| deadline.map_or(i64::MAX, |at| at.0));
                self.listpack(|out| {
                    for (field, value, deadline) in fields {
                        out.text(field);
                        out.text(value);
                        out.int(deadline.map_or(0, |deadline| deadline.0));
                    }
                })
            }
            kind::HASH_METADATA => {
                self.sink.millis(earliest);
                self.sink.len(hash.len() as u64);
                for (field, value, deadline) in hash.iter_with_deadlines() {
                    let later = deadline.map_or(0, |deadline| deadline.0 - earliest.0 + 1);
                    self.sink.len(later as u64);
                    self.text(field)?;
                    self.text(value)?;
                }
                Ok(())
            }
            kind::VALKEY_HASH_2 => {
                self.sink.len(hash.len() as u64);
                for (field, value, deadline) in hash.iter_with_deadlines() {
                    self.text(field)?;
                    self.text(value)?;
                    self.sink.millis(deadline.unwrap_or(Millis(-1)));
                }
                Ok(())
            }
            _ => {
                self.sink.len(hash.len() as u64);
                for (field, value) in hash.iter() {
                    self.text(field)?;
                    self.text(value)?;
                }
                Ok(())
            }
        }
    }
}

/// A score is an integer where it is a whole number, and text otherwise.
fn write_score(score: f64, text: &mut Vec<u8>, block: &mut Listpack) {
    if let Some(whole) = numbers::whole(score) {
        return block.int(whole);
    }
    text.clear();
    numbers::write_f64(score, text);
    block.text(Text::Bytes(text));
}
