//! The members of a large sorted set with their scores: records in dense arrays, one array for each
//! size of record.
//!
//! ```text
//!   a record:  | score, 8 bytes | member … | padding | how much padding, 1 byte |   a multiple of 4
//!   an id:     | chunk, 24 bits | slot, 8 bits |
//! ```
//!
//! The arrays are cut into chunks that exactly fill what the allocator hands out. A removed record
//! leaves a hole for the next one of its size. When more than a quarter of an array are holes, its last
//! record moves into one of them with each removal, and whoever knows its id is told. So there is
//! nothing to compact, a record costs two bytes and a half besides score and member, and tree and
//! table refer to it in four bytes, without a pointer and without `unsafe`.
//!
//! A pointer to an allocation for each record was the other choice. Members of 16 bytes take 28 bytes
//! here and 32 there, their ids half of what pointers do, and to free a million of them is to free
//! some thousand chunks. It costs a look into the list of chunks (one cached line) on each access, and
//! the moves. With a move for each removal, ZPOPMIN in a set of a million took half as long again as the
//! peers take for it; with holes, as long.

use super::handover::{Handover, ScoreBatch};
use crate::base::held::{Held, Shares};
use crate::base::memory_size::{of_array, size_class};
use crate::base::prefetch::prefetch;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};

/// Which record; good until the record is moved or removed.
pub(super) type Id = NonZeroU32;

const SLOT_BITS: u32 = 8;
pub(super) const SLOTS_MAX: usize = 1 << SLOT_BITS;
/// As many chunks as ids can tell apart.
const CHUNKS_MAX: usize = 1 << (u32::BITS - SLOT_BITS);
/// Chunks are not larger than this, so that the last one of each size wastes little.
const CHUNK_BYTES_MAX: usize = 32 << 10;
/// A larger record has a chunk of its own.
const SHARED_MAX: usize = 4 << 10;

/// More than one of so many being a hole is too many.
const HOLES_ONE_OF: usize = 4;
/// In place of the number of padding bytes: nothing is here.
const HOLE: u8 = 0xff;

const SCORE: usize = size_of::<f64>();

#[derive(Clone)]
pub(super) struct Members {
    chunks: Chunks,
    /// Numbers of chunks that were emptied.
    vacant: Vec<u32>,
    /// In ascending order of their sizes.
    arrays: Vec<Array>,
    /// What the chunks take.
    bytes: usize,
    /// How far a snapshot has them.
    handover: Handover,
}

/// All records, without what it takes to add and remove some. The first chunk is never used, so that no id
/// is 0.
#[derive(Clone)]
pub(super) struct Chunks(Vec<Chunk>);

#[derive(Clone, Default)]
struct Chunk {
    bytes: Held<Room>,
    /// Bytes of each record in it.
    size: u32,
}

/// Records, and the room behind them, which a copy has too.
#[derive(Default)]
struct Room(Vec<u8>);

/// All records of one size.
#[derive(Clone)]
struct Array {
    size: usize,
    /// All but the last are full, and the last is not empty.
    chunks: Vec<u32>,
    /// Records and holes.
    slots: usize,
    holes: usize,
    /// Where holes are, or were: what is listed is looked at before it is used.
    known_holes: Vec<Id>,
}

impl Members {
    pub fn new() -> Members {
        let chunks = Chunks(vec![Chunk::default()]);
        let (vacant, arrays, handover) = (Vec::new(), Vec::new(), Handover::default());
        Members { chunks, vacant, arrays, bytes: 0, handover }
    }

    /// Is there room for so many more? At the worst each takes a chunk of its own, of which there
    /// are sixteen million; of short members there can be four thousand million.
    pub fn has_room_for(&self, more: usize) -> bool {
        let used = self.chunks() - self.vacant.len();
        more <= CHUNKS_MAX - used
    }

    pub fn chunks(&self) -> usize {
        self.chunks.0.len()
    }

    /// The records as they are now, to be read while these go on changing: both share the chunks, until one
    /// is changed, which copies it.
    pub fn freeze(&mut self) -> Chunks {
        let share = |chunk: &mut Chunk| Chunk { bytes: chunk.bytes.share(Shares), ..*chunk };
        Chunks(self.chunks.0.iter_mut().map(share).collect())
    }

    /// From here on `handover_part` gives the records as they are now.
    pub fn begin_handover(&mut self) {
        self.handover = Handover::begun(&self.chunks);
    }

    /// The next part, of about so many bytes or empty; none if there are no more.
    pub fn handover_part(&mut self, most: usize) -> Option<ScoreBatch> {
        self.handover.part(&self.chunks, most)
    }

    pub fn is_being_handed_over(&self) -> bool {
        self.handover.is_under_way()
    }

    pub fn end_handover(&mut self) {
        self.handover = Handover::default();
    }

    /// Takes a handover on from records in whose place these are.
    pub fn take_handover(&mut self, from: &mut Members) {
        let handover = std::mem::take(&mut from.handover);
        self.handover = handover.moved_from(|| from.freeze());
    }

    pub fn records(&self) -> &Chunks {
        &self.chunks
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        let numbers = |array: &Array| {
            of_array::<u32>(array.chunks.capacity()) + of_array::<Id>(array.known_holes.capacity())
        };
        let arrays: usize = self.arrays.iter().map(numbers).sum();
        self.bytes
            + arrays
            + of_array::<Chunk>(self.chunks.0.capacity())
            + self.chunks.overhead()
            + of_array::<Array>(self.arrays.capacity())
            + of_array::<u32>(self.vacant.capacity())
    }

    #[inline(always)]
    pub fn get(&self, id: Id) -> (f64, &[u8]) {
        self.chunks.get(id)
    }

    #[inline(always)]
    pub fn score(&self, id: Id) -> f64 {
        score_of(self.chunks.record(id))
    }

    pub fn set_score(&mut self, id: Id, score: f64) {
        self.handover.before_change(id, &self.chunks);
        let (chunk, slot) = parts(id);
        let chunk = &mut self.chunks.0[chunk];
        let at = slot * chunk.size as usize;
        chunk.bytes.own()[at..at + SCORE].copy_from_slice(&score.to_le_bytes());
    }

    /// Starts loading a record.
    #[inline(always)]
    pub fn prefetch(&self, id: Id) {
        let (chunk, slot) = parts(id);
        let chunk = &self.chunks.0[chunk];
        if let Some(byte) = chunk.bytes.get(slot * chunk.size as usize) {
            prefetch(byte);
        }
    }

    pub fn add(&mut self, score: f64, member: &[u8]) -> Id {
        let size = size_for(member);
        if size > SHARED_MAX {
            let number = self.open_chunk(size, size);
            self.bytes_of(number).resize(size, HOLE);
            let id = id_of(number, 0);
            self.handover.born(id);
            self.write(id, score, member);
            return id;
        }
        let at = self.array_for(size);
        let id = match self.take_hole(at) {
            Some(hole) => {
                self.arrays[at].holes -= 1;
                hole
            }
            None => {
                let number = self.chunk_with_room(at);
                self.arrays[at].slots += 1;
                let chunk = self.bytes_of(number);
                let slot = chunk.len() / size;
                chunk.resize(chunk.len() + size, HOLE);
                id_of(number, slot)
            }
        };
        self.handover.born(id);
        self.write(id, score, member);
        id
    }

    /// Removes a record. Then `next_move` must be asked until it knows of no more.
    pub fn remove(&mut self, id: Id) {
        self.handover.before_change(id, &self.chunks);
        let size = self.size(id);
        let Ok(at) = self.array(size) else {
            return self.close_chunk(parts(id).0);
        };
        if let Some(padding) = self.record_mut(id).last_mut() {
            *padding = HOLE;
        }
        let array = &mut self.arrays[at];
        array.holes += 1;
        array.known_holes.push(id);
        let enough = 2 * array.holes + SLOTS_MAX;
        if array.known_holes.len() > enough {
            let mut known = std::mem::take(&mut array.known_holes);
            known.retain(|id| self.is_hole(*id, size));
            known.sort_unstable();
            known.dedup();
            self.arrays[at].known_holes = known;
        } else if array.known_holes.capacity() > 4 * enough {
            array.known_holes.shrink_to(2 * enough);
        }
    }

    /// If there are too many holes among records of a size: which record is to move, and where to.
    pub fn next_move(&mut self, size: usize) -> Option<(Id, Id)> {
        loop {
            let at = self.array(size).ok()?;
            let array = &self.arrays[at];
            if array.holes * HOLES_ONE_OF <= array.slots {
                return None;
            }
            let last = self.last(at)?;
            if !self.is_hole(last, size) {
                return Some((last, self.take_hole(at)?));
            }
            self.drop_last(at);
        }
    }

    /// Moves a record as `next_move` says, once everybody knows.
    pub fn shift(&mut self, from: Id, to: Id) {
        self.handover.before_change(from, &self.chunks);
        self.handover.born(to);
        let size = self.size(from);
        let record = self.chunks.record(from).to_vec();
        self.record_mut(to).copy_from_slice(&record);
        if let Ok(at) = self.array(size) {
            self.drop_last(at);
        }
    }

    /// Bytes of a record.
    pub fn size(&self, id: Id) -> usize {
        self.chunks.0[parts(id).0].size as usize
    }

    #[inline(always)]
    fn record_mut(&mut self, id: Id) -> &mut [u8] {
        let (chunk, slot) = parts(id);
        let chunk = &mut self.chunks.0[chunk];
        let size = chunk.size as usize;
        &mut chunk.bytes.own()[slot * size..(slot + 1) * size]
    }

    /// A chunk that is to be changed.
    fn bytes_of(&mut self, chunk: u32) -> &mut Vec<u8> {
        self.chunks.0[chunk as usize].bytes.own()
    }

    fn write(&mut self, id: Id, score: f64, member: &[u8]) {
        let record = self.record_mut(id);
        let end = SCORE + member.len();
        record[..SCORE].copy_from_slice(&score.to_le_bytes());
        record[SCORE..end].copy_from_slice(member);
        let padding = (record.len() - end - 1) as u8;
        record[end..].fill(padding);
    }

    fn is_hole(&self, id: Id, size: usize) -> bool {
        let (chunk, slot) = parts(id);
        // A chunk may have been emptied since, and taken for records of another size.
        let chunk = self.chunks.0.get(chunk).filter(|chunk| chunk.size as usize == size);
        let last = chunk.and_then(|chunk| chunk.bytes.get((slot + 1) * size - 1));
        last == Some(&HOLE)
    }

    fn array(&self, size: usize) -> Result<usize, usize> {
        self.arrays.binary_search_by_key(&size, |array| array.size)
    }

    /// The number of the array for records of this size.
    fn array_for(&mut self, size: usize) -> usize {
        self.array(size).unwrap_or_else(|at| {
            let array =
                Array { size, chunks: Vec::new(), slots: 0, holes: 0, known_holes: Vec::new() };
            self.arrays.insert(at, array);
            at
        })
    }

    /// Takes a hole off the list; it counts as one until it is filled.
    fn take_hole(&mut self, at: usize) -> Option<Id> {
        let size = self.arrays[at].size;
        loop {
            let id = self.arrays[at].known_holes.pop()?;
            if self.is_hole(id, size) {
                return Some(id);
            }
        }
    }

    /// The last record of an array, or the hole that is there.
    fn last(&self, at: usize) -> Option<Id> {
        let array = &self.arrays[at];
        let number = *array.chunks.last()?;
        Some(id_of(number, self.chunks.0[number as usize].bytes.len() / array.size - 1))
    }

    /// Makes an array shorter by its last slot; there is a hole less then.
    fn drop_last(&mut self, at: usize) {
        let array = &mut self.arrays[at];
        let Some(&number) = array.chunks.last() else { return };
        array.slots -= 1;
        array.holes -= 1;
        let chunk = self.chunks.0[number as usize].bytes.own();
        let rest = chunk.len() - array.size;
        chunk.truncate(rest);
        if chunk.is_empty() {
            array.chunks.pop();
            if array.chunks.is_empty() {
                self.arrays.remove(at);
            }
            self.close_chunk(number as usize);
        }
    }

    /// The number of the last chunk of an array, which has room for one more record.
    fn chunk_with_room(&mut self, at: usize) -> u32 {
        let size = self.arrays[at].size;
        let full = chunk_bytes(size);
        let last = self.arrays[at].chunks.last().copied();
        if let Some(number) = last {
            let chunk = &self.chunks.0[number as usize].bytes;
            let needed = chunk.len() + size;
            if needed <= chunk.capacity().min(full) {
                return number;
            }
            if needed <= full {
                let before = of_array::<u8>(chunk.capacity());
                // Only the first chunk of an array grows; it does so by a half.
                let wanted = size_class(needed + needed / 2).min(full);
                let chunk = self.bytes_of(number);
                chunk.reserve_exact(wanted - chunk.len());
                self.bytes += of_array::<u8>(chunk.capacity()) - before;
                return number;
            }
        }
        let first = if last.is_none() { size_class(size * 4).min(full) } else { full };
        let number = self.open_chunk(size, first);
        self.arrays[at].chunks.push(number);
        number
    }

    fn open_chunk(&mut self, size: usize, capacity: usize) -> u32 {
        let size = u32::try_from(size).expect("a member came in a frame, and frames are bounded");
        let chunk = Chunk { bytes: Held::Own(Room(Vec::with_capacity(capacity))), size };
        self.bytes += of_array::<u8>(chunk.bytes.capacity());
        match self.vacant.pop() {
            Some(number) => {
                self.chunks.0[number as usize] = chunk;
                number
            }
            None => {
                let number = self.chunks();
                assert!(number < CHUNKS_MAX, "room was asked for before");
                self.chunks.0.push(chunk);
                number as u32
            }
        }
    }

    fn close_chunk(&mut self, number: usize) {
        let chunk = std::mem::take(&mut self.chunks.0[number]);
        self.bytes -= of_array::<u8>(chunk.bytes.capacity());
        self.vacant.push(number as u32);
    }
}

impl Chunks {
    #[inline(always)]
    pub fn get(&self, id: Id) -> (f64, &[u8]) {
        taken_apart(self.record(id))
    }

    /// All records, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &[u8])> {
        self.0.iter().flat_map(|chunk| chunk.records().map(|(_, record)| record))
    }

    /// The records of a chunk with their slots; none if there is no chunk of this number any more.
    pub fn records_of(&self, chunk: usize) -> impl Iterator<Item = (usize, (f64, &[u8]))> {
        self.0.get(chunk).into_iter().flat_map(Chunk::records)
    }

    /// Lets go of a chunk that is not needed any more.
    pub fn forget(&mut self, chunk: usize) {
        if let Some(chunk) = self.0.get_mut(chunk) {
            *chunk = Chunk::default();
        }
    }

    /// Bytes of heap that sharing takes.
    pub fn overhead(&self) -> usize {
        self.0.iter().map(|chunk| chunk.bytes.overhead()).sum()
    }

    /// Bytes of heap, including what may be shared.
    pub fn memory(&self) -> usize {
        let bytes = self.0.iter().map(|chunk| of_array::<u8>(chunk.bytes.capacity()));
        of_array::<Chunk>(self.0.capacity()) + self.overhead() + bytes.sum::<usize>()
    }

    pub fn pieces(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn record(&self, id: Id) -> &[u8] {
        let (chunk, slot) = parts(id);
        let chunk = &self.0[chunk];
        let size = chunk.size as usize;
        &chunk.bytes[slot * size..(slot + 1) * size]
    }
}

impl Chunk {
    fn records(&self) -> impl Iterator<Item = (usize, (f64, &[u8]))> {
        // One that was emptied has no size, and no bytes either.
        let records = self.bytes.chunks_exact((self.size as usize).max(1)).enumerate();
        let records = records.filter(|(_, record)| record.last() != Some(&HOLE));
        records.map(|(slot, record)| (slot, taken_apart(record)))
    }
}

impl Clone for Room {
    fn clone(&self) -> Room {
        let mut bytes = Vec::with_capacity(self.capacity());
        bytes.extend_from_slice(self);
        Room(bytes)
    }
}

impl Deref for Room {
    type Target = Vec<u8>;
    #[inline(always)]
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Room {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[inline(always)]
pub(super) fn parts(id: Id) -> (usize, usize) {
    ((id.get() >> SLOT_BITS) as usize, id.get() as usize % SLOTS_MAX)
}

fn id_of(chunk: u32, slot: usize) -> Id {
    Id::new(chunk << SLOT_BITS | slot as u32).expect("chunks are counted from 1")
}

#[inline(always)]
fn taken_apart(record: &[u8]) -> (f64, &[u8]) {
    let padding = record.last().map_or(0, |&padding| padding as usize);
    (score_of(record), &record[SCORE..record.len() - 1 - padding])
}

#[inline(always)]
fn score_of(record: &[u8]) -> f64 {
    let score = record.first_chunk::<SCORE>();
    score.map_or(0.0, |score| f64::from_le_bytes(*score))
}

fn size_for(member: &[u8]) -> usize {
    (SCORE + member.len() + 1).next_multiple_of(4)
}

/// The bytes of a full chunk of records of this size: as many of them as go into the largest size
/// class that is not larger than the most there could be.
fn chunk_bytes(size: usize) -> usize {
    let most = (SLOTS_MAX * size).min(CHUNK_BYTES_MAX);
    let step = (1usize << most.ilog2()) / 4;
    (most - most % step) / size * size
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_keep_their_scores_and_members(
            steps in proptest::collection::vec((any::<bool>(), any::<usize>(), 0..4usize), 0..600),
        ) {
            let mut members = Members::new();
            let mut model: Vec<(Id, f64, Vec<u8>)> = Vec::new();
            for (number, (grow, at, size)) in steps.into_iter().enumerate() {
                if grow || model.is_empty() {
                    let len = [3, 30, 1500, 10_000][size] + at % 7;
                    let member = vec![number as u8; len];
                    let id = members.add(number as f64, &member);
                    model.push((id, number as f64, member));
                } else {
                    let (id, ..) = model.swap_remove(at % model.len());
                    let size = members.size(id);
                    members.remove(id);
                    while let Some((from, to)) = members.next_move(size) {
                        let mut found = model.iter_mut().filter(|(known, ..)| *known == from);
                        found.next().expect("what moves is a record").0 = to;
                        members.shift(from, to);
                    }
                }
                for (id, score, member) in &model {
                    prop_assert_eq!(members.get(*id), (*score, &member[..]));
                }
            }
            let bytes: usize =
                members.chunks.0.iter().map(|chunk| of_array::<u8>(chunk.bytes.capacity())).sum();
            prop_assert_eq!(bytes, members.bytes);
            for array in &members.arrays {
                prop_assert!(array.holes * HOLES_ONE_OF <= array.slots && array.slots > 0);
            }
            for (id, ..) in std::mem::take(&mut model) {
                members.set_score(id, -1.5);
                prop_assert_eq!(members.score(id), -1.5);
            }
        }
    }

    #[test]
    fn chunks_fill_size_classes() {
        for size in (12..=SHARED_MAX).step_by(4) {
            let bytes = chunk_bytes(size);
            assert!(bytes.is_multiple_of(size) && bytes <= CHUNK_BYTES_MAX);
            assert!(bytes / size <= SLOTS_MAX);
            assert!(size_class(bytes) - bytes < size, "{size}: {bytes} of {}", size_class(bytes));
        }
    }
}
