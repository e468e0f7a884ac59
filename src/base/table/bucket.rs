//! One cache line of the table: seven entries and what is needed to look among them at once.
//!
//! ```text
//! byte 0        8        16       24       32       40       48       56            62  63
//!      | slot 0 | slot 1 | slot 2 | slot 3 | slot 4 | slot 5 | slot 6 | tags 0 to 6   |flags|
//! ```
//!
//! A tag is one byte of the entry's hash, never 0; 0 says that the slot is free. Flag bits 0 to 6 mark
//! the *guests*, entries whose home is the bucket before this one. Flag bit 7 says that an entry whose
//! home is here had to go to the segment's stash. Tags and flags are one word, so that comparing seven
//! tags is a handful of instructions on any processor.

use super::Entry;

pub(super) const SLOTS: usize = 7;

/// The lowest bit of each of the seven tags, the flag byte left out.
const LOW: u64 = 0x0001_0101_0101_0101;
/// The highest bit of each of the seven tags.
const HIGH: u64 = LOW << 7;
const GUEST: u32 = 56;
const ALL_SLOTS: u64 = 0x7f;
const STASHED: u64 = 1 << 63;

#[repr(C, align(64))]
pub(super) struct Bucket<E> {
    slots: [Option<E>; SLOTS],
    meta: u64,
}

/// The byte of the hash by which slots are told apart. It is the lowest one, because place in the
/// table comes from the highest ones: entries that meet in a bucket would agree on those.
#[inline(always)]
pub(super) fn tag_of(hash: u64) -> u8 {
    (hash as u8).max(1)
}

impl<E: Entry> Bucket<E> {
    pub fn copied(&self, proof: E::Sharing) -> Bucket<E> {
        let copy = |slot: &Option<E>| slot.as_ref().map(|entry| entry.copied(proof));
        Bucket { slots: self.slots.each_ref().map(copy), meta: self.meta }
    }
}

impl<E> Bucket<E> {
    pub const EMPTY: Bucket<E> = Bucket { slots: [const { None }; SLOTS], meta: 0 };

    /// The slots whose tag is `tag`. Above a true match the subtraction may borrow and report a slot
    /// that does not match, so the caller compares keys anyway and no slot is ever missed.
    #[inline(always)]
    pub fn matches(&self, tag: u8) -> Slots {
        let differences = self.meta ^ (LOW * u64::from(tag));
        Slots(differences.wrapping_sub(LOW) & !differences & HIGH)
    }

    /// As `matches`, but only guests.
    #[inline(always)]
    pub fn matching_guests(&self, tag: u8) -> Slots {
        // Spreads the guest bits over the highest bits of the bytes: bit i goes to bit i + 7 (i + 1).
        let guests = self.guests().wrapping_mul(0x0002_0408_1020_4080) & HIGH;
        Slots(self.matches(tag).0 & guests)
    }

    /// The first free slot. The lowest hit of the borrow trick is always a true one.
    #[inline(always)]
    pub fn free_slot(&self) -> Option<usize> {
        self.matches(0).next()
    }

    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.matches(0).0 == 0
    }

    #[inline(always)]
    pub fn get(&self, slot: usize) -> Option<&E> {
        self.slots.get(slot)?.as_ref()
    }

    #[inline(always)]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut E> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Fills a free slot.
    #[inline]
    pub fn put(&mut self, slot: usize, tag: u8, guest: bool, entry: E) {
        debug_assert!(self.slots[slot].is_none() && tag != 0);
        self.slots[slot] = Some(entry);
        self.meta |= u64::from(tag) << (slot * 8);
        self.meta |= u64::from(guest) << (GUEST as usize + slot);
    }

    /// Empties a slot; its tag is handed back, so that an entry can move without being hashed again.
    #[inline]
    pub fn take(&mut self, slot: usize) -> Option<(u8, E)> {
        let entry = self.slots.get_mut(slot)?.take()?;
        let tag = (self.meta >> (slot * 8)) as u8;
        self.meta &= !(0xff << (slot * 8) | 1 << (GUEST as usize + slot));
        Some((tag, entry))
    }

    /// Which slots hold guests, a bit each.
    #[inline(always)]
    pub fn guests(&self) -> u64 {
        (self.meta >> GUEST) & ALL_SLOTS
    }

    pub fn first_guest(&self) -> Option<usize> {
        let guests = self.guests();
        (guests != 0).then(|| guests.trailing_zeros() as usize)
    }

    /// A slot of a full bucket whose entry is at home here.
    pub fn first_resident_when_full(&self) -> Option<usize> {
        let residents = !self.guests() & ALL_SLOTS;
        (residents != 0).then(|| residents.trailing_zeros() as usize)
    }

    #[inline(always)]
    pub fn stashed(&self) -> bool {
        self.meta & STASHED != 0
    }

    pub fn set_stashed(&mut self, stashed: bool) {
        self.meta = self.meta & !STASHED | if stashed { STASHED } else { 0 };
    }

    pub fn entries(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().flatten()
    }

    pub fn take_entries(&mut self) -> impl Iterator<Item = E> + '_ {
        self.meta = 0;
        self.slots.iter_mut().filter_map(Option::take)
    }

    pub fn into_entries(self) -> impl Iterator<Item = E> {
        self.slots.into_iter().flatten()
    }

    /// The entries that are guests, or those that are not.
    pub fn entries_that_are(&self, guests: bool) -> impl Iterator<Item = &E> {
        let mask = self.guests();
        let chosen = move |slot: usize| (mask >> slot & 1 == 1) == guests;
        let slots = self.slots.iter().enumerate();
        slots.filter(move |&(slot, _)| chosen(slot)).filter_map(|(_, entry)| entry.as_ref())
    }
}

/// Slot numbers, in the highest bit of each byte.
pub(super) struct Slots(u64);

impl Iterator for Slots {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}
