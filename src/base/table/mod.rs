//! The main dictionary: hashes to entries that own their keys.
//!
//! ```text
//!  hash  | directory index |   home bucket in the segment, any number of them   | … | tag |
//!        63              64-depth                                               12   7   0
//!
//!  directory      segments (dense)      buckets, one cache line each
//!  ┌───┐          ┌─────────┐           ┌──────────┬──────────┬─   ─┬──────────┐
//!  │ 0 │─────────>│ 00…     │──────────>│ 7 slots  │ 7 slots  │  …  │ 7 slots  │ n of them
//!  │ 0 │─────┘    │ 10…     │──┐        │ tags,    │ tags,    │     │ tags,    │
//!  │ 1 │──────────┘ 11…     │  └─> …    │ flags    │ flags    │     │ flags    │
//!  │ 2 │───────────>        │           └──────────┴──────────┴─   ─┴──────────┘
//!  └───┘          └─────────┘             + a stash, a short list of what found no slot
//! ```
//!
//! The highest bits of a seeded hash choose a segment, the bits below them choose the home bucket by a
//! multiplication that keeps the order, so that all entries lie in the order of their hashes. From this
//! follows the rest:
//!
//! - A segment may have *any* number of buckets. It grows by about a quarter when it is full to the
//!   brim (`segment.rs` says how it gets there), splits in two at a size, and merges with its sibling
//!   when both are sparse. No operation rebuilds more than one segment, so none takes long, and memory
//!   follows the number of entries closely instead of doubling.
//! - A SCAN cursor is a point in the order (`cursor.rs`), which no growth can move.
//! - A snapshot can say what it has passed: all positions below its cursor.
//!
//! Hashes that collide, by chance or by malice, neither grow the directory nor the buckets: a segment
//! grows only when it is well filled, and what has no place until then goes to the stash, a plain list.
//!
//! The caller computes the hash, always with the seed it gave to `new`.

mod bucket;
mod cursor;
mod segment;
#[cfg(test)]
mod tests;

use super::held::{Held, Shares, Sharing};
use super::memory_size::of_array;
use bucket::{Bucket, SLOTS};
pub use cursor::position;
use segment::{MAX_BUCKETS, Segment, Spot};

/// What a table stores: a word-sized owner of its key, with a niche, such as a `Box`.
pub trait Entry: Sized {
    /// Whether tables of these can be frozen, for which entries must be copied at times.
    type Sharing: Sharing;

    fn copied(&self, proof: Self::Sharing) -> Self;

    /// The hash of the key, for when a segment is rebuilt. It must be the one the caller looks up.
    fn hash(&self, seed: u64) -> u64;

    /// Asks for the memory that `hash` is going to read.
    fn prefetch(&self) {}

    /// Asks for the memory of what is behind that, for who is going to read all of the entry.
    fn prefetch_rest(&self) {}
}

/// The hash of a key that is a string of bytes, for whoever has no reason to take another.
#[inline]
pub fn hash(seed: u64, key: &[u8]) -> u64 {
    let secrets = rapidhash::v3::RapidSecrets::seed_cpp(seed);
    rapidhash::v3::rapidhash_v3_micro_inline::<true, false>(key, &secrets)
}

/// A segment that finds no slot for an entry grows if it is filled to at least this, in percent. Below
/// it, the hashes and not the number of entries are to blame.
const GROW_FROM: usize = 70;

/// A segment filled to less than this, in percent, is rebuilt smaller, or merged with its sibling. It
/// must be below `GROW_FROM` less a quarter, or a segment could flutter between the two.
const SHRINK_BELOW: usize = 52;

/// How full a segment is made that is built for a known number of entries, in percent.
const COMFORTABLE: usize = 80;

/// Two siblings merge when they would fill a segment of the largest size to at most this, in percent.
/// A segment splits at 90 and more, so that there is a long way between a merge and the next split.
const MERGE_BELOW: usize = 45;

/// The directory is allowed this many times more places than there are segments. Even hashes need two
/// to four; crafted ones could ask for one deep branch, and a directory as wide as it is deep.
const DIRECTORY_PER_SEGMENT: usize = 16;

/// Below this depth a bucket still spans many positions.
const MAX_DEPTH: u32 = 32;

/// A fair pick gives up chance after this many misses, and looks on from where it is.
const MAX_THROWS: usize = 128;

pub struct Table<E: Entry> {
    /// For each value of the highest `depth` bits the segment that holds it; empty until there is one.
    directory: Vec<u32>,
    segments: Vec<Part<E>>,
    seed: u64,
    len: usize,
    /// Buckets in all segments together.
    buckets: usize,
    depth: u32,
    /// Since `widest` was exact.
    rebuilds: u32,
    /// How many segments are as deep as the directory. When none is left the directory is halved.
    deepest: usize,
    /// No segment has more places than this. It is kept for `random`, and made exact again after
    /// every so many rebuilds.
    widest: usize,
}

/// A segment, which may be shared with the twin of a table.
type Part<E> = Held<Segment<E>, <E as Entry>::Sharing>;

/// Where an entry is, for a search whose result is looked at more than once.
#[derive(Clone, Copy)]
pub struct Place {
    segment: usize,
    spot: Spot,
}

/// Entries that lie together.
#[derive(Clone, Copy, Debug)]
pub struct Handful {
    segment: usize,
    place: usize,
}

impl<E: Entry> Table<E> {
    /// An empty table; it allocates nothing yet.
    pub fn new(seed: u64) -> Table<E> {
        const { assert!(size_of::<Bucket<E>>() == 64, "an entry must be a word with a niche") };
        Table {
            directory: Vec::new(),
            segments: Vec::new(),
            seed,
            len: 0,
            buckets: 0,
            depth: 0,
            deepest: 0,
            widest: 0,
            rebuilds: 0,
        }
    }

    /// A table that will hold about `capacity` entries without being rebuilt. The number is a hint
    /// that the caller stands for: memory is taken for it at once.
    pub fn with_capacity(seed: u64, capacity: usize) -> Table<E> {
        let mut table = Table::new(seed);
        let per_segment = MAX_BUCKETS * SLOTS * COMFORTABLE / 100;
        let depth = capacity.div_ceil(per_segment).max(1).next_power_of_two().ilog2();
        table.depth = depth.min(MAX_DEPTH / 2);
        let count = 1usize << table.depth;
        let buckets = buckets_for(capacity.div_ceil(count));
        for number in 0..count {
            let first = (number as u64).checked_shl(64 - table.depth).unwrap_or(0);
            table.directory.push(number as u32);
            table.adopt(Segment::new(first, table.depth, buckets));
        }
        table
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there would be room for if every slot could be used.
    pub fn slots(&self) -> usize {
        self.buckets * SLOTS
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Bytes of our own, without the entries' own memory.
    pub fn memory(&self) -> usize {
        let segments = self.segments.iter().map(|segment| segment.memory() + segment.overhead());
        of_array::<u32>(self.directory.capacity())
            + of_array::<Part<E>>(self.segments.capacity())
            + segments.sum::<usize>()
    }

    /// An entry's share of our bytes, without a walk over the segments: all but what is stashed and
    /// the directory, which are a thirtieth.
    pub fn memory_each(&self) -> usize {
        let buckets = self.buckets * size_of::<Bucket<E>>();
        (buckets + buckets / 30).div_ceil(self.len.max(1))
    }

    #[inline(always)]
    pub fn find(&self, hash: u64, eq: impl FnMut(&E) -> bool) -> Option<&E> {
        self.segment(hash)?.find(hash, eq)
    }

    #[inline(always)]
    pub fn find_mut(&mut self, hash: u64, eq: impl FnMut(&E) -> bool) -> Option<&mut E> {
        let index = self.segment_index(hash)?;
        let spot = self.segments.get(index)?.locate(hash, eq)?;
        self.segment_mut(index)?.at_mut(spot)
    }

    /// Where an entry is. The place is good until something is inserted or removed.
    #[inline(always)]
    pub fn locate(&self, hash: u64, eq: impl FnMut(&E) -> bool) -> Option<Place> {
        let segment = self.segment_index(hash)?;
        let spot = self.segments.get(segment)?.locate(hash, eq)?;
        Some(Place { segment, spot })
    }

    #[inline(always)]
    pub fn at(&self, place: Place) -> Option<&E> {
        self.segments.get(place.segment)?.at(place.spot)
    }

    #[inline(always)]
    pub fn at_mut(&mut self, place: Place) -> Option<&mut E> {
        self.segment_mut(place.segment)?.at_mut(place.spot)
    }

    /// Adds an entry whose key the caller knows to be absent.
    #[inline]
    pub fn insert_new(&mut self, hash: u64, entry: E) -> &mut E {
        let (index, spot) = match self.segment_index(hash) {
            Some(index) => match own(&mut self.segments[index]).place(hash, entry) {
                Ok(spot) => (index, spot),
                Err(entry) => self.insert_with_effort(hash, entry),
            },
            None => self.insert_with_effort(hash, entry),
        };
        self.len += 1;
        own(&mut self.segments[index]).at_mut(spot).expect("an entry just placed is there")
    }

    pub fn remove(&mut self, hash: u64, eq: impl FnMut(&E) -> bool) -> Option<E> {
        self.remove_at(self.locate(hash, eq)?)
    }

    /// Removes the entry at a place.
    pub fn remove_at(&mut self, place: Place) -> Option<E> {
        let entry = self.segment_mut(place.segment)?.remove(place.spot)?;
        self.len -= 1;
        if is_sparse(&self.segments[place.segment]) {
            self.shrink(place.segment);
        }
        Some(entry)
    }

    /// Starts loading the lines that a search for this hash begins with.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            segment.prefetch(hash);
        }
    }

    /// What a search for this hash will most likely find, so that the caller can ask for its memory
    /// before it searches. No key is looked at, and the stash is left out.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<&E> {
        self.segment(hash)?.candidate(hash)
    }

    /// One step of a walk over all entries, and the cursor for the next step. It visits what is at
    /// home in one bucket, which may be nothing. The walk begins with cursor 0 and is over when 0 is
    /// returned; every entry that is there all the while is visited exactly once, whatever else is
    /// inserted or removed meanwhile. Any number is a valid cursor.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&E)) -> u64 {
        if cursor >= cursor::END {
            return 0;
        }
        let hash = cursor << cursor::POSITION_SHIFT;
        let Some(segment) = self.segment(hash) else { return 0 };
        self.scan_bucket(segment, segment.stretch(hash), cursor, |entry| visit(entry))
    }

    #[inline(always)]
    fn scan_bucket(
        &self,
        segment: &Segment<E>,
        (home, begin, end): (usize, u64, u64),
        cursor: u64,
        mut visit: impl FnMut(&E),
    ) -> u64 {
        // Since the cursor was given the borders may have moved, and then the first part of this
        // bucket was seen already.
        segment.each_at_home(home, |entry| {
            if begin == cursor || position(entry.hash(self.seed)) >= cursor {
                visit(entry);
            }
        });
        if end < cursor::END { end } else { 0 }
    }

    /// As `scan`, for who goes on with the next cursor at once: tells the visitor where the step ends, and
    /// asks for the memory of entries that come soon.
    #[inline]
    pub fn scan_on(&self, cursor: u64, mut visit: impl FnMut(u64, &E)) -> u64 {
        if cursor >= cursor::END {
            return 0;
        }
        let hash = cursor << cursor::POSITION_SHIFT;
        let Some(segment) = self.segment(hash) else { return 0 };
        let (home, begin, end) = segment.stretch(hash);
        segment.prefetch_after(home);
        self.scan_bucket(segment, (home, begin, end), cursor, |entry| visit(end, entry))
    }

    /// A fair pick: every entry is as likely as every other. `below(n)` throws a number from 0 to n-1.
    pub fn random(&self, below: &mut impl FnMut(u64) -> u64) -> Option<&E> {
        self.at(self.random_place(below)?)
    }

    /// A fair pick that is taken out; nothing is hashed for it.
    pub fn pop(&mut self, below: &mut impl FnMut(u64) -> u64) -> Option<E> {
        let place = self.random_place(below)?;
        self.remove_at(place)
    }

    pub fn random_place(&self, below: &mut impl FnMut(u64) -> u64) -> Option<Place> {
        if self.len == 0 {
            return None;
        }
        // Segments differ in size and fill, so each is given the places of the widest, and a throw at
        // a place that it does not have, or that is free, is repeated.
        let mut start = 0;
        for _ in 0..MAX_THROWS {
            let place = below(self.segments.len() as u64 * self.widest as u64) as usize;
            start = place / self.widest % self.segments.len();
            if let Some(spot) = self.segments[start].spot(place % self.widest) {
                return Some(Place { segment: start, spot });
            }
        }
        // Only a flood of collisions makes one segment so much wider than the others.
        let mut order = (start..self.segments.len()).chain(0..start);
        order.find_map(|segment| {
            let spot = self.segments[segment].first_spot()?;
            Some(Place { segment, spot })
        })
    }

    /// A few entries that lie together, chosen so that every entry is as likely to be among them as every
    /// other. Nothing of them is read yet, but asked for.
    pub fn throw(&self, below: &mut impl FnMut(u64) -> u64) -> Option<Handful> {
        if self.len == 0 {
            return None;
        }
        for _ in 0..MAX_THROWS {
            let throw = below(self.segments.len() as u64 * self.widest as u64) as usize;
            let (segment, place) = (throw / self.widest % self.segments.len(), throw % self.widest);
            if self.segments[segment].prefetch_place(place) {
                return Some(Handful { segment, place });
            }
        }
        None
    }

    /// The entries of a handful: those that are there now, if the table has changed since. It may be that
    /// there is none.
    #[inline]
    pub fn handful(&self, handful: Handful) -> impl Iterator<Item = &E> {
        let segment = self.segments.get(handful.segment);
        segment.into_iter().flat_map(move |segment| segment.entries_around(handful.place))
    }

    /// All entries, in no order worth relying on.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.segments.iter().flat_map(|segment| segment.entries())
    }

    /// Keeps the entries that `keep` approves of. This is for small tables and for those that nobody
    /// waits for; it rebuilds everything at once.
    pub fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) {
        for index in 0..self.segments.len() {
            let (first, depth) = (self.segments[index].first(), self.segments[index].depth());
            let mut entries = self.dissolve(index);
            self.len -= entries.len();
            entries.retain(|(_, entry)| keep(entry));
            self.len += entries.len();
            let buckets = buckets_for(entries.len());
            self.settle(index, Segment::filled(first, depth, buckets, entries));
        }
        // A merged segment may find a sibling in its turn; the depth bounds how often.
        let mut before = usize::MAX;
        while self.segments.len() < before {
            before = self.segments.len();
            let mut index = 0;
            while index < self.segments.len() {
                match self.sibling_to_merge(index) {
                    Some(sibling) => self.merge(index, sibling),
                    None => index += 1,
                }
            }
        }
    }

    /// Takes the table apart, a segment (at most a few thousand entries) at a time.
    pub fn into_pieces(self) -> impl Iterator<Item = Piece<E>> {
        self.segments.into_iter().map(Piece)
    }

    #[inline(always)]
    fn segment_index(&self, hash: u64) -> Option<usize> {
        // A shift by all 64 bits is not allowed, hence in two steps.
        let index = (hash >> 1 >> (63 - self.depth)) as usize;
        self.directory.get(index).map(|&segment| segment as usize)
    }

    /// A segment that is to be changed.
    #[inline(always)]
    fn segment_mut(&mut self, index: usize) -> Option<&mut Segment<E>> {
        self.segments.get_mut(index).map(own)
    }

    #[inline(always)]
    fn segment(&self, hash: u64) -> Option<&Segment<E>> {
        Some(&**self.segments.get(self.segment_index(hash)?)?)
    }

    /// The insertion that finds no slot at once.
    #[cold]
    #[inline(never)]
    fn insert_with_effort(&mut self, hash: u64, mut entry: E) -> (usize, Spot) {
        loop {
            let Some(index) = self.segment_index(hash) else {
                self.directory.push(0);
                self.adopt(Segment::new(0, 0, 1));
                continue;
            };
            let segment = own(&mut self.segments[index]);
            match segment.place(hash, entry) {
                Ok(spot) => return (index, spot),
                Err(back) => entry = back,
            }
            let crowded = segment.stash_len() >= stash_allowance(segment.buckets());
            if !crowded || !self.grow(index) {
                let spot = own(&mut self.segments[index]).put_in_stash(hash, entry);
                self.widest = self.widest.max(self.segments[index].places());
                return (index, spot);
            }
        }
    }

    /// Gives a full segment more buckets, or splits it. Says no if that would not help.
    fn grow(&mut self, index: usize) -> bool {
        let segment = &self.segments[index];
        if segment.percent_placed() < GROW_FROM {
            return false;
        }
        if segment.buckets() >= MAX_BUCKETS {
            return self.split(index);
        }
        let buckets = next_size(segment.buckets());
        self.rebuild(index, buckets);
        true
    }

    fn rebuild(&mut self, index: usize, buckets: usize) {
        let (first, depth) = (self.segments[index].first(), self.segments[index].depth());
        let entries = self.dissolve(index);
        self.settle(index, Segment::filled(first, depth, buckets, entries));
    }

    fn split(&mut self, index: usize) -> bool {
        let (first, depth) = (self.segments[index].first(), self.segments[index].depth());
        if depth == self.depth {
            let allowed = (self.segments.len() + 1).saturating_mul(DIRECTORY_PER_SEGMENT);
            if self.depth == MAX_DEPTH || self.directory.len() * 2 > allowed {
                return false;
            }
            self.directory = self.directory.iter().flat_map(|&index| [index, index]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let middle = first | 1 << (63 - depth);
        let (lower, upper): (Vec<_>, Vec<_>) =
            self.dissolve(index).into_iter().partition(|(hash, _)| *hash < middle);
        let lower = Segment::filled(first, depth + 1, buckets_for(lower.len()), lower);
        let upper = Segment::filled(middle, depth + 1, buckets_for(upper.len()), upper);
        let cover = self.cover(&upper);
        let upper = self.adopt(upper);
        self.directory[cover].fill(upper);
        self.settle(index, lower);
        true
    }

    /// Gives a sparse segment fewer buckets, or merges it with its sibling.
    #[cold]
    fn shrink(&mut self, index: usize) {
        if let Some(sibling) = self.sibling_to_merge(index) {
            self.merge(index, sibling);
        } else {
            let buckets = buckets_for(self.segments[index].len());
            if buckets < self.segments[index].buckets() {
                self.rebuild(index, buckets);
            }
        }
    }

    fn sibling_to_merge(&self, index: usize) -> Option<usize> {
        let segment = &self.segments[index];
        let bit = 1u64.checked_shl(64 - segment.depth())?;
        let other = self.segment_index(segment.first() ^ bit)?;
        let sibling = &self.segments[other];
        let fits = (segment.len() + sibling.len()) * 100 <= MAX_BUCKETS * SLOTS * MERGE_BELOW;
        (sibling.depth() == segment.depth() && fits).then_some(other)
    }

    fn merge(&mut self, index: usize, sibling: usize) {
        let first = self.segments[index].first().min(self.segments[sibling].first());
        let depth = self.segments[index].depth();
        let mut entries = self.dissolve(index);
        entries.extend(self.dissolve(sibling));
        let merged = Segment::filled(first, depth - 1, buckets_for(entries.len()), entries);
        let cover = self.cover(&merged);
        self.directory[cover].fill(index as u32);
        self.settle(index, merged);
        self.drop_hollow(sibling);
        self.halve_directory();
    }

    /// Closes the gap that a merge leaves in the list of segments with the last of them.
    fn drop_hollow(&mut self, index: usize) {
        self.segments.swap_remove(index);
        if let Some(moved) = self.segments.get(index) {
            let cover = self.cover(moved);
            self.directory[cover].fill(index as u32);
        }
        if self.segments.len() < self.segments.capacity() / 4 {
            self.segments.shrink_to(self.segments.len() * 2);
        }
    }

    fn halve_directory(&mut self) {
        while self.deepest == 0 && self.depth > 0 {
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.depth -= 1;
            self.deepest = self.segments.iter().filter(|s| s.depth() == self.depth).count();
        }
    }

    /// The part of the directory that leads to this segment.
    fn cover(&self, segment: &Segment<E>) -> std::ops::Range<usize> {
        let start = (segment.first() >> 1 >> (63 - self.depth)) as usize;
        start..start + (1 << (self.depth - segment.depth()))
    }

    /// Adds a segment to the list, and says its number.
    fn adopt(&mut self, segment: Segment<E>) -> u32 {
        let index = self.segments.len();
        self.segments.push(Held::default());
        self.settle(index, segment);
        index as u32
    }

    /// Puts a segment where there is a hollow one.
    fn settle(&mut self, index: usize, segment: Segment<E>) {
        self.buckets += segment.buckets();
        self.deepest += usize::from(segment.depth() == self.depth);
        self.widest = self.widest.max(segment.places());
        self.segments[index] = Held::Own(segment);
        self.rebuilds += 1;
        if self.rebuilds as usize > self.segments.len() {
            self.rebuilds = 0;
            self.widest = self.segments.iter().map(|segment| segment.places()).max().unwrap_or(0);
        }
    }

    /// Takes all entries out of a segment, and leaves a hollow one in its place.
    fn dissolve(&mut self, index: usize) -> Vec<(u64, E)> {
        let segment = std::mem::take(&mut self.segments[index]).into_own_with(Segment::copied);
        self.buckets -= segment.buckets();
        self.deepest -= usize::from(segment.depth() == self.depth);
        segment.dissolve(self.seed)
    }
}

impl<E: Entry<Sharing = Shares>> Table<E> {
    /// The table as it is now, to be read while this one goes on changing: both share the segments, until one
    /// is changed. That copies it, which takes about as long as to rebuild it.
    pub fn freeze(&mut self) -> Table<E> {
        let segments = self.segments.iter_mut().map(|segment| segment.share(Shares)).collect();
        Table { directory: self.directory.clone(), segments, ..*self }
    }
}

impl<E: Entry<Sharing = Shares>> Clone for Table<E> {
    fn clone(&self) -> Table<E> {
        Table { directory: self.directory.clone(), segments: self.segments.clone(), ..*self }
    }
}

/// A part of a table that was taken apart.
pub struct Piece<E: Entry>(Part<E>);

impl<E: Entry> Piece<E> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn into_entries(self) -> impl Iterator<Item = E> {
        self.0.into_own_with(Segment::copied).into_entries()
    }
}

/// A segment that is to be changed, and was perhaps shared.
#[inline(always)]
fn own<E: Entry>(segment: &mut Part<E>) -> &mut Segment<E> {
    segment.own_with(Segment::copied)
}

fn is_sparse<E: Entry>(segment: &Segment<E>) -> bool {
    segment.buckets() > 1 && segment.len() * 100 < segment.buckets() * SLOTS * SHRINK_BELOW
}

/// How many entries may be without a slot before the segment grows. One for five buckets lets it get
/// to about 92 % of its slots, one for sixteen only to 86 %.
fn stash_allowance(buckets: usize) -> usize {
    buckets / 5
}

/// The next size up: one more of the quarters between two powers of two. These are the size classes
/// of jemalloc as well, so nothing is lost to rounding.
fn next_size(buckets: usize) -> usize {
    (buckets + (1 << buckets.max(4).ilog2()) / 4).min(MAX_BUCKETS)
}

/// The size at which this many entries lie comfortably.
fn buckets_for(entries: usize) -> usize {
    let needed = (entries * 100).div_ceil(SLOTS * COMFORTABLE).clamp(1, MAX_BUCKETS);
    let step = (1usize << needed.max(4).ilog2()) / 4;
    needed.next_multiple_of(step)
}
