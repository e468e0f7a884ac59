//! A node: some entries of a stream, one behind another in one block.
//!
//! ```text
//!   block:    | fields of the first entry: number, names | entry | entry | …
//!
//!   entry:    | flags | length of the rest | ms ? | seq ? | number of fields ? | values, or names and values |
//! ```
//! Entries of a stream are mostly alike, so those with the fields of the first one have values alone;
//! and they are mostly close in time, so an id is what it adds to the one before it: the `ms` is not
//! there if it is the same, the `seq` not if it is the next one or, where `ms` is another, zero. The
//! idea is that of Redis' listpacks of a stream; the bytes are our own. Numbers are varints, lowest
//! bits first.
//!
//! An entry that is deleted gets a mark, and stays until most of the others are marked too.
//!
//! Which entries share a node is to be seen from outside (`MAXLEN ~` removes whole nodes), so a node is
//! full when Redis' would be: `weight` counts the bytes that the entries would take there.

use super::id::Id;
use super::runs::Keyed;
use crate::base::held::{Held, Shares};
use crate::base::memory_size::of_array;
use crate::data::limits::StreamLimits;
use crate::data::packed;
use crate::data::string::Text;

#[derive(Clone, Debug)]
pub struct Node {
    /// The id of the first entry that is not marked, which begins at `begin`.
    first: Id,
    /// The id of the last entry, marked or not.
    last: Id,
    /// May be shared with a frozen twin, if it is large.
    block: Held<Vec<u8>>,
    begin: u32,
    live: u32,
    dead: u32,
    weight: u32,
}

/// An entry that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub id: Id,
    pub fields: Fields<'a>,
}

/// Names and values of an entry, in turn.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    block: &'a [u8],
    /// Where the next name is, if it is not before its value.
    name: Option<usize>,
    value: usize,
    /// Names and values that are left.
    left: usize,
}

const DEAD: u8 = 1;
/// The fields are those of the first entry.
const ALIKE: u8 = 2;
/// The time is that of the entry before.
const SAME_MS: u8 = 4;
/// The number is the next one; or zero, where the time is another.
const NEXT_SEQ: u8 = 8;

/// A smaller block is not written anew, however many of its entries are marked.
const TIDY_FROM: usize = 256;

/// A larger block is shared by itself when its run is, so that the copy of a run never takes long.
const SHARED_FROM: usize = 8 << 10;

impl Keyed for Node {
    fn id(&self) -> Id {
        self.first
    }
}

impl Node {
    /// A node of one entry; of names and values in turn.
    pub fn of<'a>(id: Id, fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Node {
        let mut block = Vec::new();
        write_number(fields.len() as u64 / 2, &mut block);
        let mut weight = MASTER_WEIGHT + int_weight(fields.len() as i64 / 2);
        for name in fields.clone().step_by(2) {
            weight += weight_of(packed::write_forwards(name, &mut block));
        }
        let begin = block.len() as u32;
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let last = before(id);
        let block = Held::Own(block);
        let mut node = Node { first: id, last, block, begin, live: 0, dead: 0, weight };
        node.push(id, fields);
        node
    }

    pub fn last_id(&self) -> Id {
        self.last
    }

    /// The id of the last entry that is not deleted.
    pub fn top(&self) -> Id {
        if self.dead == 0 {
            return self.last;
        }
        let (mut walk, mut top) = (self.walk(), self.first);
        while let Some((_, id)) = walk.place() {
            top = id;
        }
        top
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> usize {
        self.live as usize
    }

    /// Must the next entry, which has so many bytes, begin another node?
    pub fn is_full_for(&self, bytes: usize, limits: &StreamLimits) -> bool {
        let (live, dead) = (self.live as usize, self.dead as usize);
        let own = AROUND + int_weight(live as i64) + int_weight(dead as i64) + self.weight as usize;
        own.saturating_add(bytes) >= limits.node_bytes() || live + dead >= limits.node_entries()
    }

    /// Adds an entry behind all the others.
    pub fn push<'a>(&mut self, id: Id, fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        let alike = self.is_alike(fields.clone().step_by(2));
        let block = self.block.own();
        let start = block.len();
        block.extend_from_slice(&[0, 0]);
        let flags = write_id(self.last, id, block) | if alike { ALIKE } else { 0 };
        let pairs = fields.len() / 2;
        let lp_ids = int_weight(id.ms.wrapping_sub(self.first.ms) as i64)
            + int_weight(id.seq.wrapping_sub(self.first.seq) as i64);
        let mut weight = FLAGS_WEIGHT + lp_ids;
        if alike {
            weight += int_weight(pairs as i64 + 3);
            for value in fields.skip(1).step_by(2) {
                weight += weight_of(packed::write_forwards(value, block));
            }
        } else {
            weight += int_weight(2 * pairs as i64 + 4) + int_weight(pairs as i64);
            write_number(pairs as u64, block);
            for item in fields {
                weight += weight_of(packed::write_forwards(item, block));
            }
        }
        block[start] = flags;
        write_length(block, start + 1);
        self.last = id;
        self.live += 1;
        self.weight = self.weight.saturating_add(u32::try_from(weight).unwrap_or(u32::MAX));
    }

    /// Nothing more will be added.
    pub fn close(&mut self) {
        // A copy would take what shrinking gains.
        if !self.block.is_shared() {
            self.block.own().shrink_to_fit();
        }
    }

    /// The node is about to be copied, and both are changed seldom.
    pub fn share(&mut self) {
        if self.block.len() > SHARED_FROM {
            self.block.share(Shares);
        }
    }

    /// The first entry, without those that are deleted.
    pub fn walk(&self) -> Walk<'_> {
        Walk { block: &self.block, at: self.begin as usize, id: self.first, left: self.live }
    }

    /// Where the entries of a range begin, and their ids.
    pub fn places(&self, start: Id, end: Id) -> Vec<(usize, Id)> {
        let mut places = Vec::with_capacity(self.live());
        let mut walk = self.walk();
        while let Some((at, id)) = walk.place() {
            if id > end {
                break;
            }
            if id >= start {
                places.push((at, id));
            }
        }
        places
    }

    /// The entry that begins here.
    pub fn entry(&self, at: usize, id: Id) -> Entry<'_> {
        Entry { id, fields: fields_at(&self.block, at) }
    }

    pub fn find(&self, wanted: Id) -> Option<usize> {
        let mut walk = self.walk();
        while let Some((at, id)) = walk.place() {
            if id >= wanted {
                return (id == wanted).then_some(at);
            }
        }
        None
    }

    /// Marks an entry as deleted; says whether there was one.
    pub fn delete(&mut self, id: Id) -> bool {
        let Some(at) = self.find(id) else { return false };
        self.mark(at);
        self.tidy();
        true
    }

    /// Marks entries as deleted that begin at these places.
    pub fn delete_all(&mut self, places: &[(usize, Id)]) {
        places.iter().for_each(|(at, _)| self.mark(*at));
        self.tidy();
    }

    /// Marks entries as deleted from the beginning on, as long as `goes` says so; says how many.
    pub fn delete_while(&mut self, mut goes: impl FnMut(Id) -> bool) -> usize {
        let before = self.live;
        while self.live > 0 && goes(self.first) {
            self.mark(self.begin as usize);
        }
        self.tidy();
        (before - self.live) as usize
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        of_array::<u8>(self.block.capacity()) + self.block.overhead()
    }

    fn is_alike<'a>(&self, names: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
        let (count, mut at) = read_number(&self.block, 0);
        if count != names.len() as u64 {
            return false;
        }
        for name in names {
            let (own, next) = packed::read_forwards(&self.block, at);
            let same = match own {
                Text::Bytes(bytes) => bytes == name,
                own => packed::Wanted::new(name).is(own),
            };
            if !same {
                return false;
            }
            at = next;
        }
        true
    }

    /// Marks the entry that begins here. If it is the first one, another is now.
    fn mark(&mut self, at: usize) {
        self.block.own()[at] |= DEAD;
        self.live -= 1;
        self.dead += 1;
        if at == self.begin as usize && self.live > 0 {
            let mut walk = self.walk();
            if let Some((at, id)) = walk.place() {
                (self.begin, self.first) = (at as u32, id);
            }
        }
    }

    /// Writes the entries that are left anew, if most of the block is of no use any more.
    fn tidy(&mut self) {
        let may_pay = self.dead > 3 * self.live && self.block.len() >= TIDY_FROM;
        // What was taken out of the block counts as dead ever after.
        if self.live == 0 || !may_pay || self.marked() <= 3 * self.live {
            return;
        }
        let (names, mut end) = read_number(&self.block, 0);
        for _ in 0..names {
            end = packed::read_forwards(&self.block, end).1;
        }
        let mut block = self.block[..end].to_vec();
        let mut last = before(self.first);
        let mut walk = self.walk();
        while let Some((at, id)) = walk.place() {
            let (start, flags) = (block.len(), self.block[at] & ALIKE);
            block.extend_from_slice(&[0, 0]);
            block[start] = flags | write_id(last, id, &mut block);
            let (_, payload) = id_after(&self.block, at, Id::MIN);
            block.extend_from_slice(&self.block[payload..end_of(&self.block, at)]);
            write_length(&mut block, start + 1);
            last = id;
        }
        block.shrink_to_fit();
        (self.block, self.begin, self.last) = (Held::Own(block), end as u32, last);
    }

    /// How many marked entries the block holds behind its first one.
    fn marked(&self) -> u32 {
        let (mut at, mut all) = (self.begin as usize, 0);
        while at < self.block.len() {
            at = end_of(&self.block, at);
            all += 1;
        }
        all - self.live
    }
}

/// A walk over the entries of a node, forwards.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    block: &'a [u8],
    /// Where the next entry begins, and what it is called.
    at: usize,
    id: Id,
    left: u32,
}

impl<'a> Walk<'a> {
    /// Where the next entry begins, and what it is called.
    #[inline]
    pub fn place(&mut self) -> Option<(usize, Id)> {
        while self.left > 0 {
            let (at, id) = (self.at, self.id);
            self.at = end_of(self.block, at);
            if self.at < self.block.len() {
                self.id = id_after(self.block, self.at, id).0;
            }
            if self.block[at] & DEAD == 0 {
                self.left -= 1;
                return Some((at, id));
            }
        }
        None
    }

    /// The next entry that is not below an id.
    #[inline]
    pub fn next_from(&mut self, start: Id) -> Option<Entry<'a>> {
        loop {
            let (at, id) = self.place()?;
            if id >= start {
                return Some(Entry { id, fields: fields_at(self.block, at) });
            }
        }
    }
}

impl Fields<'_> {
    /// How many names and values are left.
    pub fn len(&self) -> usize {
        self.left
    }

    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The names are those that the node has for all its entries.
    pub fn are_usual(&self) -> bool {
        self.name.is_some()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let is_name = self.left % 2 == 1;
        let place = match &mut self.name {
            Some(name) if is_name => name,
            _ => &mut self.value,
        };
        let (item, next) = packed::read_forwards(self.block, *place);
        *place = next;
        Some(item)
    }
}

/// The id of the entry that begins at `at`, if `last` is that of the one before it; and where its fields
/// begin.
#[inline]
fn id_after(block: &[u8], at: usize, last: Id) -> (Id, usize) {
    let flags = block[at];
    let (_, mut next) = read_number(block, at + 1);
    let mut id = Id { ms: last.ms, seq: last.seq.wrapping_add(1) };
    if flags & SAME_MS == 0 {
        let (ms, after) = read_number(block, next);
        (id, next) = (Id { ms: last.ms.wrapping_add(ms), seq: 0 }, after);
    }
    if flags & NEXT_SEQ == 0 {
        (id.seq, next) = read_number(block, next);
    }
    (id, next)
}

/// Writes an id as what it adds to the one before it, and says with which flags.
#[inline]
fn write_id(last: Id, id: Id, out: &mut Vec<u8>) -> u8 {
    let mut flags = 0;
    let usual = match id.ms - last.ms {
        0 => {
            flags |= SAME_MS;
            last.seq.wrapping_add(1)
        }
        ms => {
            write_number(ms, out);
            0
        }
    };
    if id.seq == usual {
        flags |= NEXT_SEQ;
    } else {
        write_number(id.seq, out);
    }
    flags
}

/// What an id follows that takes no bytes. The first entry of a block has one: nobody reads it.
fn before(id: Id) -> Id {
    Id { seq: id.seq.wrapping_sub(1), ..id }
}

/// One past the last byte of the entry that begins here.
#[inline]
fn end_of(block: &[u8], at: usize) -> usize {
    let (length, rest) = read_number(block, at + 1);
    rest + length as usize
}

fn fields_at(block: &[u8], at: usize) -> Fields<'_> {
    let (_, payload) = id_after(block, at, Id::MIN);
    if block[at] & ALIKE != 0 {
        let (count, name) = read_number(block, 0);
        return Fields { block, name: Some(name), value: payload, left: count as usize * 2 };
    }
    let (count, value) = read_number(block, payload);
    Fields { block, name: None, value, left: count as usize * 2 }
}

/// The length of an entry's rest, for which there is one byte: more are made where they are needed.
fn write_length(block: &mut Vec<u8>, at: usize) {
    let length = block.len() - at - 1;
    if length < 0x80 {
        block[at] = length as u8;
        return;
    }
    let mut bytes = Vec::with_capacity(5);
    write_number(length as u64, &mut bytes);
    block.splice(at..at + 1, bytes);
}

fn write_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number, and what comes behind it.
#[inline]
fn read_number(bytes: &[u8], mut at: usize) -> (u64, usize) {
    let first = bytes[at];
    at += 1;
    if first < 0x80 {
        return (first as u64, at);
    }
    let (mut value, mut shift) = ((first & 0x7f) as u64, 7);
    loop {
        let byte = bytes[at];
        at += 1;
        value |= ((byte & 0x7f) as u64) << shift;
        if byte < 0x80 {
            return (value, at);
        }
        shift += 7;
    }
}

// ── what entries would weigh in Redis ───────────────────────────────────────────────────────

/// What a listpack has around its items.
const AROUND: usize = 7;
/// A small integer: the flags of an entry.
const FLAGS_WEIGHT: usize = 2;
/// What closes the names of the first entry.
const MASTER_WEIGHT: usize = 2;

fn weight_of(item: Text) -> usize {
    match item {
        Text::Int(value) => int_weight(value),
        Text::Bytes(bytes) => {
            let size = match bytes.len() {
                len @ 0..64 => len + 1,
                len @ 64..4096 => len + 2,
                len => len + 5,
            };
            size + match size {
                0..128 => 1,
                128..16383 => 2,
                16383..2097151 => 3,
                2097151..268435455 => 4,
                _ => 5,
            }
        }
    }
}

fn int_weight(value: i64) -> usize {
    match value {
        0..=127 => 2,
        -4096..=4095 => 3,
        -0x8000..=0x7fff => 4,
        -0x80_0000..=0x7f_ffff => 5,
        -0x8000_0000..=0x7fff_ffff => 6,
        _ => 10,
    }
}
