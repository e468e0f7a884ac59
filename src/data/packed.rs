//! A packed block: short strings one behind another in one piece of memory.
//!
//! Small lists, hashes, sets and sorted sets are one such block, and a big list is a chain of
//! them. It can be walked from both ends; everything else is a search, which is fast because a
//! block is small and lies in one place.
//!
//! ```text
//!   an item:   | head (and length) | payload | size of the item so far, readable backwards |
//!
//!   head 1xxxxxxx            the integer 0 to 127; this byte is all of the item
//!        00xxxxxx            a string of 0 to 63 bytes
//!        010xxxxx + 1 byte   a string of up to 8191 bytes
//!        01100000 + 4 bytes  a string of up to 4 GiB
//!        0111 n              an integer in n bytes, 1 to 8, little-endian, with its sign
//!
//!   size 00xxxxxx, or 7 bits in each of some bytes and then 01xxxxxx, the lowest bits last
//! ```
//! So the last byte of an item says whether it is the only one.
//! The idea is that of Redis' listpack; the bytes are our own. A string that is written like an
//! integer is kept as one. A position is the offset of an item's first byte; positions behind a
//! change move with it.

use super::string::{Text, canonical_int};
use super::{Buffer, Small, SmallForm};
use crate::base::memory_size::{of_array, size_class};
use std::borrow::Cow;

#[derive(Debug, PartialEq, Eq)]
pub struct Packed {
    /// Lent where the block is only looked at in somebody else's memory.
    bytes: Buffer,
    len: u32,
    /// Each element has its deadline beside it. This means nothing to the block; it is remembered for who
    /// keeps elements in it, since here it takes no room.
    pub(super) is_mortal: bool,
}

/// Where an item begins.
pub type Position = usize;

const STRING_13: u8 = 0x40;
const STRING_32: u8 = 0x60;
const INT: u8 = 0x70;
const SMALL_INT: u8 = 0x80;

/// A block that shrinks keeps memory for this many bytes: it is mostly copied to a place that fits it
/// exactly when all is done, and otherwise one block of a long list.
const KEPT: usize = 1024;

impl Packed {
    pub fn new() -> Packed {
        Packed::default()
    }

    /// A block of one item.
    pub fn of(item: &[u8]) -> Packed {
        let mut packed = Packed::new();
        packed.push_back(item);
        packed
    }

    /// The block that was taken apart by `small`.
    pub fn of_small(small: Small<Buffer>) -> Packed {
        debug_assert_ne!(small.form, SmallForm::Ints);
        let is_mortal = small.form == SmallForm::Mortal;
        Packed { bytes: small.bytes, len: small.items as u32, is_mortal }
    }

    pub fn small(&self) -> Small<&[u8]> {
        let form = if self.is_mortal { SmallForm::Mortal } else { SmallForm::Packed };
        Small { form, items: self.len(), bytes: &self.bytes }
    }

    /// Gives up the memory that the block lies in.
    pub fn into_buffer(self) -> Buffer {
        self.bytes
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the items take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        match &self.bytes {
            Cow::Owned(own) => of_array::<u8>(own.capacity()),
            Cow::Borrowed(_) => 0,
        }
    }

    /// Bytes that an item would take.
    pub fn size_of(item: &[u8]) -> usize {
        let mut room = [0; 16];
        let (head, payload) = head_of(item, &mut room);
        let size = head + payload.len();
        if room[0] & SMALL_INT != 0 { 1 } else { size + back_len(size) }
    }

    /// The position of the first item, if there is one.
    pub fn first(&self) -> Option<Position> {
        (self.len > 0).then_some(0)
    }

    pub fn last(&self) -> Option<Position> {
        self.before(self.bytes.len())
    }

    /// The position of the next item, if there is one.
    pub fn next(&self, at: Position) -> Option<Position> {
        let next = at + self.item_len(at);
        (next < self.bytes.len()).then_some(next)
    }

    /// The position of the item before this one, if there is one. The end of the block is a
    /// position too, for this.
    pub fn before(&self, at: Position) -> Option<Position> {
        before(&self.bytes, at)
    }

    /// The position of an item by its number.
    pub fn seek(&self, index: usize) -> Option<Position> {
        if index >= self.len() {
            return None;
        }
        if index <= self.len() / 2 {
            let mut at = 0;
            for _ in 0..index {
                at += self.item_len(at);
            }
            return Some(at);
        }
        let mut at = self.bytes.len();
        for _ in index..self.len() {
            at = self.before(at)?;
        }
        Some(at)
    }

    #[inline]
    pub fn at(&self, at: Position) -> Text<'_> {
        let (item, _) = self.read(at);
        item
    }

    pub fn get(&self, index: usize) -> Option<Text<'_>> {
        self.seek(index).map(|at| self.at(at))
    }

    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// From an item on; from the end of the block on there are none.
    pub fn iter_from(&self, at: Position) -> Iter<'_> {
        Iter { bytes: &self.bytes, at }
    }

    /// Backwards, beginning with the item before this position.
    pub fn iter_back_from(&self, at: Position) -> IterBack<'_> {
        IterBack { bytes: &self.bytes, at }
    }

    pub fn iter_back(&self) -> IterBack<'_> {
        self.iter_back_from(self.bytes.len())
    }

    /// The first item that equals `wanted`, looking at every `step`th one from the position on.
    pub fn find(&self, wanted: &[u8], from: Position, step: usize) -> Option<Position> {
        let wanted = Wanted::new(wanted);
        let bytes = &*self.bytes;
        let mut at = from;
        while at < bytes.len() {
            let (item, mut next) = read(bytes, at);
            if wanted.is(item) {
                return Some(at);
            }
            for _ in 1..step {
                next += if next < bytes.len() { item_len(bytes, next) } else { 0 };
            }
            at = next;
        }
        None
    }

    pub fn push_back(&mut self, item: &[u8]) {
        self.insert(self.bytes.len(), item);
    }

    pub fn push_front(&mut self, item: &[u8]) {
        self.insert(0, item);
    }

    /// Puts an item before the one at a position, or at the end.
    pub fn insert(&mut self, at: Position, item: &[u8]) {
        let mut room = [0; 16];
        let (head, payload) = head_of(item, &mut room);
        self.splice(at, 0, &room[..head], payload);
        self.len += 1;
    }

    /// Replaces an item.
    pub fn replace(&mut self, at: Position, item: &[u8]) {
        let mut room = [0; 16];
        let (head, payload) = head_of(item, &mut room);
        self.splice(at, self.item_len(at), &room[..head], payload);
    }

    /// Removes an item; the one behind it is then at the same position.
    pub fn remove(&mut self, at: Position) {
        self.remove_some(at, 1);
    }

    /// Removes so many items from a position on; fewer if there are not as many.
    pub fn remove_some(&mut self, at: Position, count: usize) {
        let mut end = at;
        for _ in 0..count {
            if end >= self.bytes.len() {
                break;
            }
            end += self.item_len(end);
            self.len -= 1;
        }
        self.bytes.to_mut().drain(at..end);
        self.give_back();
    }

    /// Removes items that equal `wanted`, at most so many, and spares the first ones of them. Says
    /// how many are gone.
    pub fn remove_equal(&mut self, wanted: &[u8], spared: usize, most: usize) -> usize {
        let Some(first) = self.find(wanted, 0, 1) else { return 0 };
        let wanted = Wanted::new(wanted);
        let (mut from, mut to, mut equal, mut removed) = (first, first, 0, 0);
        while from < self.bytes.len() && removed < most {
            let (item, next) = self.read(from);
            let is_equal = wanted.is(item);
            if is_equal && equal >= spared {
                removed += 1;
            } else {
                self.bytes.to_mut().copy_within(from..next, to);
                to += next - from;
            }
            equal += is_equal as usize;
            from = next;
        }
        self.bytes.to_mut().drain(to..from);
        self.len -= removed as u32;
        self.give_back();
        removed
    }

    /// Takes everything from a position on away, as a block of its own.
    pub fn split_off(&mut self, at: Position) -> Packed {
        let kept = self.iter().take_while_before(at);
        let bytes = self.bytes[at..].to_vec().into();
        self.bytes.to_mut().truncate(at);
        let len = self.len - kept;
        self.len = kept;
        self.give_back();
        Packed { bytes, len, is_mortal: self.is_mortal }
    }

    /// Puts all items of another block behind one's own.
    pub fn append(&mut self, other: &Packed) {
        self.room_for(other.bytes.len());
        self.bytes.to_mut().extend_from_slice(&other.bytes);
        self.len += other.len;
    }

    pub fn clear(&mut self) {
        *self = Packed::default();
    }

    /// Gives back what was kept for growth.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.to_mut().shrink_to_fit();
    }

    /// Puts an item in place of `old` bytes; how many items there are is the caller's to say.
    fn splice(&mut self, at: Position, old: usize, head: &[u8], payload: &[u8]) {
        let size = head.len() + payload.len();
        let back = if head[0] & SMALL_INT != 0 { 0 } else { back_len(size) };
        let new = size + back;
        let tail = self.bytes.len() - (at + old);
        if new > old {
            self.room_for(new - old);
        }
        let bytes = self.bytes.to_mut();
        if new > old {
            bytes.resize(bytes.len() + new - old, 0);
            bytes.copy_within(at + old..at + old + tail, at + new);
        } else if new < old {
            bytes.copy_within(at + old..at + old + tail, at + new);
            bytes.truncate(at + new + tail);
        }
        bytes[at..at + head.len()].copy_from_slice(head);
        bytes[at + head.len()..at + size].copy_from_slice(payload);
        if back > 0 {
            write_back(size, &mut bytes[at + size..at + new]);
        }
    }

    /// Grows by small steps: blocks are small and many, and what doubling leaves unused adds up.
    fn room_for(&mut self, more: usize) {
        let bytes = self.bytes.to_mut();
        let len = bytes.len() + more;
        if len > bytes.capacity() {
            bytes.reserve_exact(size_class(len + len / 16) - bytes.len());
        }
    }

    fn give_back(&mut self) {
        let bytes = self.bytes.to_mut();
        if bytes.capacity() > KEPT && bytes.capacity() > 2 * bytes.len() {
            bytes.shrink_to(size_class(bytes.len() + bytes.len() / 4));
        }
    }

    /// How long the item at a position is, altogether.
    #[inline]
    fn item_len(&self, at: Position) -> usize {
        item_len(&self.bytes, at)
    }

    /// The item at a position, and where the next one begins.
    #[inline]
    fn read(&self, at: Position) -> (Text<'_>, Position) {
        read(&self.bytes, at)
    }
}
#[inline]
fn item_len(bytes: &[u8], at: Position) -> usize {
    if bytes[at] & SMALL_INT != 0 {
        return 1;
    }
    let (head, payload) = sizes(bytes, at);
    let size = head + payload;
    size + back_len(size)
}

/// How long the head and the payload are of an item that is not a single byte.
#[inline]
fn sizes(bytes: &[u8], at: Position) -> (usize, usize) {
    let head = bytes[at];
    match head {
        0..STRING_13 => (1, head as usize),
        STRING_13..STRING_32 => (2, ((head & 0x1f) as usize) << 8 | bytes[at + 1] as usize),
        STRING_32..INT => {
            let len = bytes[at + 1..at + 5].try_into().expect("four bytes");
            (5, u32::from_le_bytes(len) as usize)
        }
        INT.. => (1, (head & 0x0f) as usize),
    }
}

#[inline]
fn read(bytes: &[u8], at: Position) -> (Text<'_>, Position) {
    let (item, end) = read_forwards(bytes, at);
    let is_one_byte = bytes[at] & SMALL_INT != 0;
    (item, if is_one_byte { end } else { end + back_len(end - at) })
}

/// Reads an item that was written without the size behind it; says where the next one begins.
#[inline]
pub(super) fn read_forwards(bytes: &[u8], at: Position) -> (Text<'_>, Position) {
    let first = bytes[at];
    if first & SMALL_INT != 0 {
        return (Text::Int((first & !SMALL_INT) as i64), at + 1);
    }
    let (head, payload) = sizes(bytes, at);
    let size = head + payload;
    let own = &bytes[at + head..at + size];
    let item = if first < INT {
        Text::Bytes(own)
    } else {
        let sign = if own.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut whole = [sign; 8];
        whole[..own.len()].copy_from_slice(own);
        Text::Int(i64::from_le_bytes(whole))
    };
    (item, at + size)
}

/// Writes an item that is only ever read forwards, and needs no size behind it. Says as what it was
/// written.
#[inline]
pub(super) fn write_forwards<'a>(item: &'a [u8], out: &mut Vec<u8>) -> Text<'a> {
    let mut room = [0; 16];
    let (head, rest) = head_of(item, &mut room);
    out.extend_from_slice(&room[..head]);
    out.extend_from_slice(rest);
    if room[0] < INT {
        return Text::Bytes(item);
    }
    match read_forwards(&room, 0).0 {
        Text::Int(value) => Text::Int(value),
        Text::Bytes(_) => unreachable!("its head says that it is an integer"),
    }
}

/// The position of the item before this one, if there is one.
#[inline]
fn before(bytes: &[u8], at: Position) -> Option<Position> {
    let last = *bytes[..at].last()?;
    if last & SMALL_INT != 0 {
        return Some(at - 1);
    }
    let (size, back) = read_back(&bytes[..at]);
    Some(at - back - size)
}

impl Default for Packed {
    fn default() -> Packed {
        Packed { bytes: Cow::Owned(Vec::new()), len: 0, is_mortal: false }
    }
}

impl Clone for Packed {
    /// The copy is always its own, also that of a block which is lent.
    fn clone(&self) -> Packed {
        let bytes = Cow::Owned(self.bytes.to_vec());
        Packed { bytes, len: self.len, is_mortal: self.is_mortal }
    }
}

#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    at: Position,
}

impl<'a> Iter<'a> {
    /// Where the next item begins.
    pub fn position(&self) -> Position {
        self.at
    }

    /// How many items begin before a position.
    fn take_while_before(mut self, end: Position) -> u32 {
        let mut count = 0;
        while self.at < end && self.next().is_some() {
            count += 1;
        }
        count
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let (item, next) = read(self.bytes, self.at);
        self.at = next;
        Some(item)
    }
}

#[derive(Clone)]
pub struct IterBack<'a> {
    bytes: &'a [u8],
    at: Position,
}

impl IterBack<'_> {
    /// Where the item that was lent last begins.
    pub fn position(&self) -> Position {
        self.at
    }
}

impl<'a> Iterator for IterBack<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        self.at = before(self.bytes, self.at)?;
        Some(read(self.bytes, self.at).0)
    }
}

/// Writes the head of an item, and an integer's payload behind it, into `room`; says how long that
/// is, and what follows it.
fn head_of<'a>(item: &'a [u8], room: &mut [u8; 16]) -> (usize, &'a [u8]) {
    if let Some(value) = canonical_int(item) {
        if (0..128).contains(&value) {
            room[0] = SMALL_INT | value as u8;
            return (1, &[]);
        }
        let spare = if value < 0 { value.leading_ones() } else { value.leading_zeros() };
        // One bit more than the digits need, for the sign.
        let width = (65 - spare).div_ceil(8) as usize;
        room[0] = INT | width as u8;
        room[1..1 + width].copy_from_slice(&value.to_le_bytes()[..width]);
        return (1 + width, &[]);
    }
    match item.len() {
        0..64 => {
            room[0] = item.len() as u8;
            (1, item)
        }
        64..8192 => {
            room[0] = STRING_13 | (item.len() >> 8) as u8;
            room[1] = item.len() as u8;
            (2, item)
        }
        len => {
            let len = u32::try_from(len).expect("an item came in a frame, and frames are bounded");
            room[0] = STRING_32;
            room[1..5].copy_from_slice(&len.to_le_bytes());
            (5, item)
        }
    }
}

/// How many bytes the size at the end of an item takes.
#[inline]
fn back_len(size: usize) -> usize {
    match size {
        0..0x40 => 1,
        0x40..0x2000 => 2,
        0x2000..0x10_0000 => 3,
        0x10_0000..0x800_0000 => 4,
        _ => 5,
    }
}

/// Six bits in the last byte, seven in each one before it; the next bit says whether a byte before
/// belongs to it.
fn write_back(mut size: usize, room: &mut [u8]) {
    let first = room.len() - 1;
    for (index, byte) in room.iter_mut().rev().enumerate() {
        let bits = if index == 0 { 6 } else { 7 };
        let more = 1 << bits;
        *byte = (size & (more - 1)) as u8 | if index < first { more as u8 } else { 0 };
        size >>= bits;
    }
}

/// The size that ends here, and how many bytes it takes.
#[inline]
fn read_back(bytes: &[u8]) -> (usize, usize) {
    let (mut size, mut shift, mut more) = (0, 0, 1u8 << 6);
    for (index, byte) in bytes.iter().rev().enumerate() {
        size |= ((byte & (more - 1)) as usize) << shift;
        if byte & more == 0 {
            return (size, index + 1);
        }
        shift += more.trailing_zeros();
        more = 1 << 7;
    }
    unreachable!("an item ends with its size")
}

/// A string to compare many items with.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    bytes: &'a [u8],
    int: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub fn new(bytes: &'a [u8]) -> Wanted<'a> {
        Wanted { bytes, int: canonical_int(bytes) }
    }

    /// Does an item equal it? What is written like an integer is kept as one, so that neither side
    /// need be turned into the other.
    #[inline]
    pub fn is(&self, item: Text) -> bool {
        match item {
            Text::Int(value) => self.int == Some(value),
            Text::Bytes(bytes) => bytes == self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, Vec<u8>),
        Replace(usize, Vec<u8>),
        Remove(usize, usize),
        RemoveEqual(usize, usize, usize),
        SplitAndJoin(usize),
    }

    fn item() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|int| int.to_string().into_bytes()),
            (-40000i64..40000).prop_map(|int| int.to_string().into_bytes()),
            (0i64..150).prop_map(|int| int.to_string().into_bytes()),
            (0u32..64).prop_map(|bit| (1u64 << bit).to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..80),
            Just(b"twin".to_vec()),
            (0usize..20_000).prop_map(|len| vec![b'x'; len]),
            Just(b"-0".to_vec()),
            Just(b"007".to_vec()),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (any::<usize>(), item()).prop_map(|(at, item)| Step::Insert(at, item)),
            1 => (any::<usize>(), item()).prop_map(|(at, item)| Step::Replace(at, item)),
            1 => (any::<usize>(), 0usize..4).prop_map(|(at, count)| Step::Remove(at, count)),
            1 => (any::<usize>(), 0usize..3, 0usize..4)
                .prop_map(|(at, spared, most)| Step::RemoveEqual(at, spared, most)),
            1 => any::<usize>().prop_map(Step::SplitAndJoin),
        ]
    }

    fn check(packed: &Packed, model: &[Vec<u8>]) {
        let items: Vec<Vec<u8>> = packed.iter().map(|item| item.to_vec()).collect();
        assert_eq!(items, model);
        let mut back: Vec<Vec<u8>> = packed.iter_back().map(|item| item.to_vec()).collect();
        back.reverse();
        assert_eq!(back, model);
        assert_eq!(packed.len(), model.len());
        let bytes: usize = model.iter().map(|item| Packed::size_of(item)).sum();
        assert_eq!(packed.bytes(), bytes);
        for (index, item) in model.iter().enumerate() {
            assert_eq!(packed.get(index).map(|item| item.to_vec()).as_ref(), Some(item));
            let first = model.iter().position(|other| other == item);
            assert_eq!(packed.find(item, 0, 1), first.and_then(|first| packed.seek(first)));
        }
        assert_eq!(packed.get(model.len()).map(|item| item.to_vec()), None);
    }

    proptest! {
        #[test]
        fn a_block_is_a_vector_of_strings(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut packed, mut model) = (Packed::new(), Vec::<Vec<u8>>::new());
            for step in steps {
                match step {
                    Step::Insert(at, item) => {
                        let at = at % (model.len() + 1);
                        let position = packed.seek(at).unwrap_or(packed.bytes());
                        packed.insert(position, &item);
                        model.insert(at, item);
                    }
                    Step::Replace(at, item) if !model.is_empty() => {
                        let at = at % model.len();
                        packed.replace(packed.seek(at).expect("it is there"), &item);
                        model[at] = item;
                    }
                    Step::Remove(at, count) if !model.is_empty() => {
                        let at = at % model.len();
                        packed.remove_some(packed.seek(at).expect("it is there"), count);
                        model.drain(at..(at + count).min(model.len()));
                    }
                    Step::RemoveEqual(at, spared, most) if !model.is_empty() => {
                        let wanted = model[at % model.len()].clone();
                        let removed = packed.remove_equal(&wanted, spared, most);
                        let equal = model.iter().filter(|item| **item == wanted).count();
                        prop_assert_eq!(removed, equal.saturating_sub(spared).min(most));
                        let mut seen = 0;
                        model.retain(|item| {
                            seen += (*item == wanted) as usize;
                            *item != wanted || seen <= spared || seen > spared + most
                        });
                    }
                    Step::SplitAndJoin(at) => {
                        let at = at % (model.len() + 1);
                        let position = packed.seek(at).unwrap_or(packed.bytes());
                        let tail = packed.split_off(position);
                        check(&tail, &model[at..]);
                        packed.append(&tail);
                    }
                    _ => (),
                }
                check(&packed, &model);
            }
        }
    }

    #[test]
    fn every_other_item_can_be_looked_at_alone() {
        let mut packed = Packed::new();
        for item in ["a", "b", "b", "1", "1", "c"] {
            packed.push_back(item.as_bytes());
        }
        assert_eq!(packed.find(b"b", 0, 2), packed.seek(2));
        assert_eq!(packed.find(b"1", 0, 2), packed.seek(4));
        assert_eq!(packed.find(b"c", 0, 2), None);
    }
}
