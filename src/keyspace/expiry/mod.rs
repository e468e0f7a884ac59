//! The index of deadlines: which key is due next, exactly. A hierarchical timing wheel.
//!
//! An entry is the hash of a key, filed in the slot of a time (`wheel.rs`); when it fires, the deadline in
//! the record decides. Two rules keep the index small, whatever clients do. *The record knows where it
//! is filed*: it holds a ticket, so what is deleted, overwritten or persisted is taken out at once.
//! *Postponing does nothing*: the entry fires at the old time and is filed anew for the new one, so a session
//! that is renewed a thousand times a second costs one entry and no work. Only an earlier deadline files anew.
//!
//! The entries of a slot lie in chunks (`chunks.rs`), in a ring that begins with those that have holes;
//! the next entry of the slot goes into a hole. Where much is taken out, chunks are merged and pages
//! emptied, one chunk for each entry taken out, so that the index never holds more than 16 bytes for each
//! key with a deadline, but for one chunk in each slot (0.3 MiB if all are in use).
//!
//! The invariant, which the keyspace keeps: each record with a deadline is filed once, at its ticket, in a
//! slot that begins no later than its deadline (or than the clock, if it was due when it was filed).

mod chunks;
mod wheel;

use crate::world::Millis;
use chunks::{Chunks, ENTRIES, FULL, NONE, PAGE};
use wheel::{LEVELS, Slot, Wheel};

/// Where the deadline of a record is filed: a chunk and an entry of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u32);

impl Ticket {
    /// The deadline is not filed: the record is in no database, or there are too many (3.7 thousand
    /// millions). Such a key is found due when somebody asks for it.
    pub const NOWHERE: Ticket = Ticket(NONE);

    fn new(chunk: u32, entry: u32) -> Ticket {
        Ticket(chunk << 4 | entry)
    }

    fn chunk(self) -> u32 {
        self.0 >> 4
    }

    fn entry(self) -> u32 {
        self.0 & 0xf
    }
}

/// The index of one database. Nothing is held until there is a deadline.
#[derive(Default)]
pub struct Deadlines {
    index: Option<Box<Index>>,
}

struct Index {
    wheel: Wheel,
    chunks: Chunks,
    entries: usize,
    /// Where the search for chunks to merge goes on.
    cursor: u32,
}

/// Entries that lie together, to be looked at together.
pub struct Batch {
    chunk: u32,
    slot: Slot,
    used: u16,
    hashes: [u64; ENTRIES],
}

/// The clock follows the time when it is this far behind; the sweep moves it anyway.
const BEHIND_MAX: i64 = 64;
/// A chunk with at most so many entries is worth merging with another of its slot.
const SPARSE: u32 = 9;
/// So many chunks are looked at, at most, in search of a sparse one.
const LOOKS: usize = 8;
/// Chunks too many that are not worth any work. Tests have few, and want to see it done.
const SLACK: usize = if cfg!(test) { 2 } else { 64 };

impl Deadlines {
    /// Files a deadline. Says where, and when the sweep should look at it.
    pub fn file(&mut self, now: Millis, deadline: Millis, hash: u64) -> (Ticket, Millis) {
        let index = self.index.get_or_insert_with(|| Box::new(Index::new(now.0)));
        index.follow(now.0);
        let slot = index.wheel.slot_for(deadline.0);
        (index.put(slot, hash), Millis(index.wheel.wake(slot)))
    }

    /// Takes out what was filed.
    #[inline]
    pub fn remove(&mut self, ticket: Ticket) {
        if ticket != Ticket::NOWHERE
            && let Some(index) = &mut self.index
        {
            index.remove(ticket);
        }
    }

    /// The earliest moment at which there is something to do.
    pub fn next(&self, now: Millis) -> Option<Millis> {
        self.index.as_ref()?.wheel.next(now.0).map(Millis)
    }

    /// Entries whose keys may be due. Each of them must be removed; what is not due is filed again.
    pub fn due(&mut self, now: Millis) -> Option<Batch> {
        let index = self.index.as_mut()?;
        if now.0 < index.wheel.clock() {
            index.turn_back(now.0);
        }
        index.wheel.follow(now.0);
        let slot = index.wheel.first().filter(|slot| index.wheel.start(*slot) <= now.0)?;
        Some(index.batch(slot, index.wheel.head(slot)))
    }

    /// Entries that should be filed again, so that they are in slots of a millisecond when their keys
    /// fall due. Each of them must be. Asked when nothing is due.
    pub fn ahead(&self) -> Option<Batch> {
        let index = self.index.as_ref()?;
        let slot = index.wheel.first_ahead()?;
        Some(index.batch(slot, index.wheel.head(slot)))
    }

    /// After entries were removed: entries that must be filed in another place of the same slot, so that
    /// the index stays small. Each of them is to be given to `put_back`, then all to `release`.
    pub fn loosen(&mut self) -> Option<Batch> {
        let index = self.index.as_mut()?;
        let chunk = index.victim()?;
        let slot = Slot(index.chunks.get(chunk).slot);
        let batch = index.batch(slot, chunk);
        index.unlink(chunk);
        index.entries -= batch.used.count_ones() as usize;
        Some(batch)
    }

    pub fn put_back(&mut self, batch: &Batch, hash: u64) -> Ticket {
        self.index.as_mut().map_or(Ticket::NOWHERE, |index| index.put(batch.slot, hash))
    }

    pub fn release(&mut self, batch: Batch) {
        if let Some(index) = &mut self.index {
            index.chunks.free(batch.chunk);
        }
    }

    /// Some entry, each nearly as likely as every other. `below(n)` throws a number from 0 to n-1.
    pub fn any(&self, below: &mut impl FnMut(u64) -> u64) -> Option<(u64, Ticket)> {
        let index = self.index.as_ref().filter(|index| index.entries > 0)?;
        let at = index.chunks.any(below)?;
        let chunk = index.chunks.get(at);
        let mut used = chunk.used;
        for _ in 0..below(u64::from(used.count_ones())) {
            used &= used - 1;
        }
        let entry = used.trailing_zeros();
        Some((chunk.hashes[entry as usize], Ticket::new(at, entry)))
    }

    /// Entries among which the next ones are, of each level of the wheel, with the moment by which all of
    /// them are due unless they were put off. Empty levels are left out.
    pub fn soonest(&self) -> impl Iterator<Item = (Batch, Millis)> {
        let firsts = self.index.as_ref().into_iter().flat_map(|index| {
            let slots = index.wheel.firsts();
            slots.map(|slot| (index.batch(slot, index.wheel.head(slot)), index.wheel.end(slot)))
        });
        firsts.map(|(batch, end)| (batch, Millis(end)))
    }

    /// Gives back what an empty index holds. Not done at once, since a lock that is taken and let go all
    /// day is one deadline that comes and goes.
    pub fn tidy(&mut self) {
        if self.index.as_ref().is_some_and(|index| index.entries == 0) {
            self.index = None;
        }
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.index
            .as_ref()
            .map_or(0, |index| size_of::<Index>() + index.wheel.memory() + index.chunks.memory())
    }
}

impl Batch {
    /// Hashes and tickets.
    #[inline]
    pub fn entries(&self) -> impl Iterator<Item = (u64, Ticket)> {
        let used = (0..ENTRIES as u32).filter(|entry| self.used & 1 << entry != 0);
        used.map(|entry| (self.hashes[entry as usize], Ticket::new(self.chunk, entry)))
    }
}

impl Index {
    fn new(now: i64) -> Index {
        Index { wheel: Wheel::new(now), chunks: Chunks::default(), entries: 0, cursor: 0 }
    }

    #[inline]
    fn follow(&mut self, now: i64) {
        let clock = self.wheel.clock();
        if now < clock {
            self.turn_back(now);
        } else if now.wrapping_sub(clock) as u64 >= BEHIND_MAX as u64 {
            self.wheel.follow(now);
        }
    }

    /// Into a hole of the slot, else into a new chunk.
    fn put(&mut self, slot: Slot, hash: u64) -> Ticket {
        let mut at = self.wheel.head(slot);
        if at == NONE || self.chunks.get(at).used == FULL {
            let Some(fresh) = self.chunks.allocate() else { return Ticket::NOWHERE };
            self.link(slot, fresh, true);
            at = fresh;
        }
        let chunk = self.chunks.get_mut(at);
        let entry = chunk.used.trailing_ones();
        chunk.used |= 1 << entry;
        chunk.hashes[entry as usize] = hash;
        if chunk.used == FULL {
            // In a ring the first becomes the last when the second becomes the first.
            let next = chunk.next;
            self.wheel.set_head(slot, next);
        }
        self.entries += 1;
        Ticket::new(at, entry)
    }

    #[inline]
    fn remove(&mut self, ticket: Ticket) {
        let at = ticket.chunk();
        let chunk = self.chunks.get_mut(at);
        let bit = 1 << ticket.entry();
        debug_assert!(chunk.used & bit != 0, "an entry is removed once");
        let was_full = chunk.used == FULL;
        chunk.used &= !bit;
        let (is_empty, slot) = (chunk.used == 0, Slot(chunk.slot));
        self.entries -= 1;
        if is_empty {
            self.unlink(at);
            self.chunks.free(at);
        } else if was_full {
            self.unlink(at);
            self.link(slot, at, true);
        }
    }

    /// Makes a chunk the first of its slot, or the last.
    fn link(&mut self, slot: Slot, at: u32, first: bool) {
        let head = self.wheel.head(slot);
        let (next, previous) = match head {
            NONE => (at, at),
            _ => (head, self.chunks.get(head).previous),
        };
        self.chunks.get_mut(previous).next = at;
        self.chunks.get_mut(next).previous = at;
        let chunk = self.chunks.get_mut(at);
        (chunk.next, chunk.previous, chunk.slot) = (next, previous, slot.0);
        if first || head == NONE {
            self.wheel.set_head(slot, at);
        }
    }

    fn unlink(&mut self, at: u32) {
        let chunk = self.chunks.get(at);
        let (next, previous, slot) = (chunk.next, chunk.previous, Slot(chunk.slot));
        if next == at {
            return self.wheel.set_head(slot, NONE);
        }
        self.chunks.get_mut(previous).next = next;
        self.chunks.get_mut(next).previous = previous;
        if self.wheel.head(slot) == at {
            self.wheel.set_head(slot, next);
        }
    }

    fn batch(&self, slot: Slot, at: u32) -> Batch {
        let chunk = self.chunks.get(at);
        Batch { chunk: at, slot, used: chunk.used, hashes: chunk.hashes }
    }

    /// The time was set back: what is now too far ahead for its level goes up a level, chunk by chunk;
    /// no entry changes its place.
    #[cold]
    fn turn_back(&mut self, now: i64) {
        for level in 0..LEVELS {
            for slot in self.wheel.too_far(level, now) {
                let above = self.wheel.above(slot, now);
                while above != slot && self.wheel.head(slot) != NONE {
                    let chunk = self.wheel.head(slot);
                    self.unlink(chunk);
                    self.link(above, chunk, self.chunks.get(chunk).used != FULL);
                }
            }
        }
        self.wheel.turn_back(now);
    }

    /// A chunk whose entries should go elsewhere, if the index is larger than it should be.
    fn victim(&mut self) -> Option<u32> {
        // One chunk of each slot may have holes; the others should be full to two thirds.
        let others = self.chunks.in_use() - self.wheel.occupied_slots();
        if others > SLACK && others * ENTRIES * 2 > self.entries * 3 {
            for _ in 0..LOOKS {
                match self.chunks.from(self.cursor) {
                    Ok(chunk) => {
                        self.cursor = chunk + 1;
                        if self.is_sparse(chunk) {
                            return Some(chunk);
                        }
                    }
                    Err(next) => self.cursor = next.unwrap_or(0),
                }
            }
        }
        // The highest page is emptied into the others, which must have room for it, and given back.
        let is_loose = self.chunks.idle() > self.chunks.in_use() / 16 + PAGE + SLACK;
        self.chunks.highest().filter(|_| is_loose)
    }

    /// Has the chunk few entries, and its slot another chunk with holes?
    fn is_sparse(&self, at: u32) -> bool {
        let chunk = self.chunks.get(at);
        if chunk.used.count_ones() > SPARSE {
            return false;
        }
        // Those with holes are the first of the ring.
        let head = self.wheel.head(Slot(chunk.slot));
        let other = if head == at { chunk.next } else { head };
        other != at && self.chunks.get(other).used != FULL
    }
}

#[cfg(test)]
mod tests;
