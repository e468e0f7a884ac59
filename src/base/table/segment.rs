//! A run of buckets for one range of hashes, and the art of filling it to the brim.
//!
//! Hashes map to home buckets in ascending order, whatever the number of buckets is. An entry lives in
//! its home bucket, or as a guest in the one after it (the last bucket's guests go to the first), or in
//! the stash. One rule keeps all searches short:
//!
//! > A bucket that has a free slot has no guests elsewhere and nothing in the stash.
//!
//! So an insertion that finds a free slot at home is done, and a search goes to the stash only when the
//! home bucket says so. To keep it, a removal pulls a guest back home, which may leave a hole in the
//! next bucket and so on; and an insertion between two full buckets sends residents on, each one bucket
//! further, until a free slot is met. Neither needs a hash, since the tag travels along and the guest
//! bit tells where home is.

use super::Entry;
use super::bucket::{Bucket, SLOTS, tag_of};
use super::cursor::{self, POSITION_SHIFT};
use crate::base::held::Shares;
use crate::base::memory_size::of_array;
use crate::base::prefetch::prefetch;

/// No segment has more buckets. The longest that a command can wait for the table is a rebuild of so
/// many, about 2500 records to be read, which is of the order of a tenth of a millisecond.
pub(super) const MAX_BUCKETS: usize = 384;

/// How many full buckets an insertion walks over in search of a free slot. Each is a cold line; more
/// than these few would gain less than a hundredth of the memory.
const LONGEST_PUSH: usize = 5;

/// How many buckets ahead of the hand records are asked for while a segment is taken apart.
const LOOK_AHEAD: usize = 3;

pub(super) struct Segment<E> {
    buckets: Box<[Bucket<E>]>,
    /// What found no slot, with its hash and in the order of hashes: what belongs to one bucket lies
    /// together. A few per cent at most, except under a flood of colliding keys.
    stash: Vec<(u64, E)>,
    /// The lowest hash of our range; the range is all hashes with the same highest `depth` bits.
    first: u64,
    len: u32,
    depth: u32,
}

impl<E: Entry<Sharing = Shares>> Clone for Segment<E> {
    fn clone(&self) -> Segment<E> {
        self.copied(Shares)
    }
}

/// Where an entry is: in a bucket's slot, or (the bucket number then being `STASH`) in the stash.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    bucket: usize,
    slot: usize,
}

const STASH: usize = usize::MAX;

impl<E: Entry> Default for Segment<E> {
    fn default() -> Segment<E> {
        Segment::hollow()
    }
}

impl<E: Entry> Segment<E> {
    pub fn new(first: u64, depth: u32, buckets: usize) -> Segment<E> {
        let buckets = (0..buckets.clamp(1, MAX_BUCKETS)).map(|_| Bucket::EMPTY).collect();
        Segment { buckets, stash: Vec::new(), first, len: 0, depth }
    }

    /// A segment without even a bucket, to stand for one that is being rebuilt or moved. Nothing looks into
    /// it.
    pub fn hollow() -> Segment<E> {
        Segment { buckets: Box::default(), stash: Vec::new(), first: 0, len: 0, depth: u32::MAX }
    }

    /// A segment of these entries; those that fit nowhere are stashed.
    pub fn filled(first: u64, depth: u32, buckets: usize, entries: Vec<(u64, E)>) -> Segment<E> {
        let mut segment = Segment::new(first, depth, buckets);
        for (hash, entry) in entries {
            if let Err(entry) = segment.place(hash, entry) {
                segment.put_in_stash(hash, entry);
            }
        }
        segment
    }

    /// A copy, in which everything is at the same place.
    pub fn copied(&self, proof: E::Sharing) -> Segment<E> {
        let copy = |(at, bucket): (usize, &Bucket<E>)| {
            self.prefetch_after(at);
            bucket.copied(proof)
        };
        let buckets = self.buckets.iter().enumerate().map(copy).collect();
        let mut stash = Vec::with_capacity(self.stash.capacity());
        stash.extend(self.stash.iter().map(|(hash, entry)| (*hash, entry.copied(proof))));
        Segment { buckets, stash, ..*self }
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub fn stash_len(&self) -> usize {
        self.stash.len()
    }

    /// How many entries are in buckets, of a hundred that could be.
    pub fn percent_placed(&self) -> usize {
        (self.len() - self.stash.len()) * 100 / (self.buckets.len() * SLOTS)
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        of_array::<Bucket<E>>(self.buckets.len()) + of_array::<(u64, E)>(self.stash.capacity())
    }

    /// The home bucket of a hash in our range. Only the bits that a cursor can express take part, so
    /// that every border between buckets is a cursor.
    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        let within = (hash >> POSITION_SHIFT) << (POSITION_SHIFT + self.depth);
        ((u128::from(within) * self.buckets.len() as u128) >> 64) as usize
    }

    #[inline(always)]
    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 < self.buckets.len() { bucket + 1 } else { 0 }
    }

    /// Asks for the lines that a search for `hash` looks at first.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        let home = self.home(hash);
        if let Some(bucket) = self.buckets.get(home) {
            prefetch(bucket);
        }
        if let Some(next) = self.buckets.get(home + 1) {
            prefetch(next);
        }
    }

    /// The first entry with the right tag, where a search would come across it.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<&E> {
        let tag = tag_of(hash);
        let home = self.home(hash);
        let bucket = self.buckets.get(home)?;
        if let Some(slot) = bucket.matches(tag).next() {
            return bucket.get(slot);
        }
        let next = self.buckets.get(self.after(home))?;
        next.get(next.matching_guests(tag).next()?)
    }

    /// The home bucket, the next one, seldom the stash. The next bucket is looked at even if home has
    /// a free slot and so no guests there: whether it has is a coin toss, and a branch on it would
    /// cost more than the look (measured: a miss takes 30 ns instead of 40).
    #[inline(always)]
    pub fn find(&self, hash: u64, mut eq: impl FnMut(&E) -> bool) -> Option<&E> {
        let tag = tag_of(hash);
        let home = self.home(hash);
        let bucket = self.buckets.get(home)?;
        for slot in bucket.matches(tag) {
            if let Some(entry) = bucket.get(slot)
                && eq(entry)
            {
                return Some(entry);
            }
        }
        let next = self.buckets.get(self.after(home))?;
        for slot in next.matching_guests(tag) {
            if let Some(entry) = next.get(slot)
                && eq(entry)
            {
                return Some(entry);
            }
        }
        if bucket.stashed() { self.at(self.locate_in_stash(hash, eq)?) } else { None }
    }

    /// As `find`, but says where.
    #[inline(always)]
    pub fn locate(&self, hash: u64, mut eq: impl FnMut(&E) -> bool) -> Option<Spot> {
        let tag = tag_of(hash);
        let home = self.home(hash);
        let bucket = self.buckets.get(home)?;
        for slot in bucket.matches(tag) {
            if bucket.get(slot).is_some_and(&mut eq) {
                return Some(Spot { bucket: home, slot });
            }
        }
        let after = self.after(home);
        let next = self.buckets.get(after)?;
        for slot in next.matching_guests(tag) {
            if next.get(slot).is_some_and(&mut eq) {
                return Some(Spot { bucket: after, slot });
            }
        }
        if bucket.stashed() { self.locate_in_stash(hash, eq) } else { None }
    }

    #[cold]
    fn locate_in_stash(&self, hash: u64, eq: impl FnMut(&E) -> bool) -> Option<Spot> {
        let start = self.stash.partition_point(|(known, _)| *known < hash);
        let same = self.stash.iter().skip(start).take_while(|(known, _)| *known == hash);
        let slot = start + same.map(|(_, entry)| entry).position(eq)?;
        Some(Spot { bucket: STASH, slot })
    }

    #[inline(always)]
    pub fn at(&self, spot: Spot) -> Option<&E> {
        match self.buckets.get(spot.bucket) {
            Some(bucket) => bucket.get(spot.slot),
            None => self.stash.get(spot.slot).map(|(_, entry)| entry),
        }
    }

    #[inline(always)]
    pub fn at_mut(&mut self, spot: Spot) -> Option<&mut E> {
        match self.buckets.get_mut(spot.bucket) {
            Some(bucket) => bucket.get_mut(spot.slot),
            None => self.stash.get_mut(spot.slot).map(|(_, entry)| entry),
        }
    }

    /// The entry in one of the `places()` numbered places, if there is one: slots first, then the
    /// stash.
    pub fn spot(&self, place: usize) -> Option<Spot> {
        let (bucket, slot) = (place / SLOTS, place % SLOTS);
        let spot = match self.buckets.get(bucket) {
            Some(_) => Spot { bucket, slot },
            None => Spot { bucket: STASH, slot: place - self.buckets.len() * SLOTS },
        };
        self.at(spot).map(|_| spot)
    }

    /// The first place where there is an entry.
    pub fn first_spot(&self) -> Option<Spot> {
        (0..self.places()).find_map(|place| self.spot(place))
    }

    /// Asks for the bucket that a place is in; says no if there is no such place.
    #[inline]
    pub fn prefetch_place(&self, place: usize) -> bool {
        match self.buckets.get(place / SLOTS) {
            Some(bucket) => {
                prefetch(bucket);
                true
            }
            None => place < self.places(),
        }
    }

    /// The entries of the bucket that a place is in; of one in the stash, as many as a bucket has slots.
    #[inline]
    pub fn entries_around(&self, place: usize) -> impl Iterator<Item = &E> {
        let bucket = self.buckets.get(place / SLOTS);
        let stash = match bucket {
            Some(_) => &[],
            None => {
                let from = (place - self.buckets.len() * SLOTS).min(self.stash.len());
                &self.stash[from..(from + SLOTS).min(self.stash.len())]
            }
        };
        let placed = bucket.into_iter().flat_map(|bucket| bucket.entries());
        placed.chain(stash.iter().map(|(_, entry)| entry))
    }

    pub fn places(&self) -> usize {
        self.buckets.len() * SLOTS + self.stash.len()
    }

    /// Finds a slot for a new entry, or hands it back.
    #[inline]
    pub fn place(&mut self, hash: u64, entry: E) -> Result<Spot, E> {
        let home = self.home(hash);
        let bucket = &mut self.buckets[home];
        let tag = tag_of(hash);
        if let Some(slot) = bucket.free_slot() {
            bucket.put(slot, tag, false, entry);
            self.len += 1;
            return Ok(Spot { bucket: home, slot });
        }
        let Some(slot) = self.free_slot_after(home) else { return Err(entry) };
        let next = self.after(home);
        self.buckets[next].put(slot, tag, true, entry);
        self.len += 1;
        Ok(Spot { bucket: next, slot })
    }

    /// Puts an entry where there is always room.
    pub fn put_in_stash(&mut self, hash: u64, entry: E) -> Spot {
        let home = self.home(hash);
        self.buckets[home].set_stashed(true);
        let slot = self.stash.partition_point(|(known, _)| *known <= hash);
        if self.stash.len() == self.stash.capacity() {
            // By halves: what doubling would leave unused is much of what a good fill gains.
            self.stash.reserve_exact(self.stash.len() / 2 + 4);
        }
        self.stash.insert(slot, (hash, entry));
        self.len += 1;
        Spot { bucket: STASH, slot }
    }

    /// Makes a free slot in the bucket after a full one, by sending residents one bucket further.
    fn free_slot_after(&mut self, home: usize) -> Option<usize> {
        let mut route = [0; LONGEST_PUSH];
        let mut steps = 0;
        let mut at = self.after(home);
        let mut slot = loop {
            if at == home {
                return None;
            }
            if let Some(slot) = self.buckets[at].free_slot() {
                break slot;
            }
            self.buckets[at].first_resident_when_full()?;
            *route.get_mut(steps)? = at;
            steps += 1;
            at = self.after(at);
        };
        for &from in route[..steps].iter().rev() {
            let resident = self.buckets[from].first_resident_when_full()?;
            let (tag, entry) = self.buckets[from].take(resident)?;
            self.buckets[at].put(slot, tag, true, entry);
            (at, slot) = (from, resident);
        }
        Some(slot)
    }

    pub fn remove(&mut self, spot: Spot) -> Option<E> {
        if spot.bucket == STASH {
            return self.remove_from_stash(spot.slot);
        }
        let (_, entry) = self.buckets.get_mut(spot.bucket)?.take(spot.slot)?;
        self.len -= 1;
        self.fill_hole(spot.bucket, spot.slot);
        Some(entry)
    }

    fn remove_from_stash(&mut self, index: usize) -> Option<E> {
        if index >= self.stash.len() {
            return None;
        }
        let (hash, entry) = self.stash.remove(index);
        self.len -= 1;
        let home = self.home(hash);
        self.buckets[home].set_stashed(self.first_stashed(home).is_some());
        if self.stash.len() < self.stash.capacity() / 4 {
            self.stash.shrink_to(self.stash.len() * 2);
        }
        Some(entry)
    }

    /// The first in the stash whose home this is; the others follow it.
    fn first_stashed(&self, home: usize) -> Option<usize> {
        let first = self.stash.partition_point(|(hash, _)| self.home(*hash) < home);
        self.stash.get(first).is_some_and(|(hash, _)| self.home(*hash) == home).then_some(first)
    }

    /// Restores the rule after the bucket `at` got a free slot.
    fn fill_hole(&mut self, mut at: usize, mut slot: usize) {
        loop {
            let before = if at == 0 { self.buckets.len() - 1 } else { at - 1 };
            for (home, guest) in [(at, false), (before, true)] {
                // With a single bucket "before" is the same one, and it has no guests.
                if (guest && before == at) || !self.buckets[home].stashed() {
                    continue;
                }
                if let Some(index) = self.first_stashed(home) {
                    let hash = self.stash[index].0;
                    if let Some(entry) = self.remove_from_stash(index) {
                        self.buckets[at].put(slot, tag_of(hash), guest, entry);
                        self.len += 1;
                        return;
                    }
                }
            }
            let next = self.after(at);
            let Some(guest) = self.buckets[next].first_guest() else { return };
            let Some((tag, entry)) = self.buckets[next].take(guest) else { return };
            self.buckets[at].put(slot, tag, false, entry);
            (at, slot) = (next, guest);
        }
    }

    /// Takes everything out, with its hash, in ascending order of home buckets.
    pub fn dissolve(self, seed: u64) -> Vec<(u64, E)> {
        let mut entries = Vec::with_capacity(self.len());
        let mut buckets = self.buckets;
        for at in 0..buckets.len() {
            if let Some(ahead) = buckets.get(at + LOOK_AHEAD) {
                ahead.entries().for_each(E::prefetch);
            }
            entries.extend(buckets[at].take_entries().map(|entry| (entry.hash(seed), entry)));
        }
        entries.extend(self.stash);
        entries
    }

    /// All entries. What they keep elsewhere is asked for some buckets ahead of the hand.
    pub fn entries(&self) -> impl Iterator<Item = &E> {
        let placed = self.buckets.iter().enumerate().flat_map(|(at, bucket)| {
            self.prefetch_after(at);
            bucket.entries()
        });
        placed.chain(self.stash.iter().map(|(_, entry)| entry))
    }

    pub fn into_entries(self) -> impl Iterator<Item = E> {
        let placed = self.buckets.into_iter().flat_map(|bucket| bucket.into_entries());
        placed.chain(self.stash.into_iter().map(|(_, entry)| entry))
    }

    /// The bucket of a position, the position where it begins and the one where the next begins.
    pub fn stretch(&self, hash: u64) -> (usize, u64, u64) {
        let home = self.home(hash);
        (home, self.begin(home), self.begin(home + 1))
    }

    /// Asks for the entries of a bucket that is some buckets ahead, and for what is behind those of the next
    /// one, which were asked for before.
    #[inline]
    pub fn prefetch_after(&self, bucket: usize) {
        if let Some(ahead) = self.buckets.get(bucket + LOOK_AHEAD) {
            ahead.entries().for_each(E::prefetch);
        }
        if let Some(next) = self.buckets.get(bucket + 1) {
            next.entries().for_each(E::prefetch_rest);
        }
    }

    fn begin(&self, bucket: usize) -> u64 {
        cursor::begin(self.first, self.depth, bucket, self.buckets.len())
    }

    /// All entries whose home is this bucket, wherever they are.
    pub fn each_at_home(&self, home: usize, mut visit: impl FnMut(&E)) {
        let Some(bucket) = self.buckets.get(home) else { return };
        bucket.entries_that_are(false).for_each(&mut visit);
        if !bucket.is_full() {
            return;
        }
        self.buckets[self.after(home)].entries_that_are(true).for_each(&mut visit);
        if let Some(first) = self.first_stashed(home) {
            let rest = self.stash.iter().skip(first);
            let mine = rest.take_while(|(hash, _)| self.home(*hash) == home);
            mine.for_each(|(_, entry)| visit(entry));
        }
    }

    /// Everything that must hold inside a segment between two operations.
    #[cfg(test)]
    pub fn check(&self) {
        let mut count = self.stash.len();
        for (at, bucket) in self.buckets.iter().enumerate() {
            let before = if at == 0 { self.buckets.len() - 1 } else { at - 1 };
            for (guests, home) in [(true, before), (false, at)] {
                for entry in bucket.entries_that_are(guests) {
                    assert_eq!(self.home(entry.hash(0)), home);
                    count += 1;
                }
            }
            assert!(bucket.guests() == 0 || self.buckets[before].is_full());
            let stashed = self.stash.iter().any(|(hash, _)| self.home(*hash) == at);
            assert_eq!(bucket.stashed(), stashed);
            assert!(!stashed || bucket.is_full());
        }
        assert!(self.stash.is_sorted_by_key(|(hash, _)| *hash));
        assert_eq!(count, self.len());
    }
}
