//! Memory for the entries of the index: chunks of two cache lines, in pages that are given back.
//!
//! Nothing here doubles, so nothing is ever copied to a larger place. A chunk is taken from the lowest
//! page that has one free; so the highest pages are the ones that become empty.

use std::collections::BTreeSet;

/// How many entries a chunk holds.
pub const ENTRIES: usize = 14;
/// The value of `used` in a chunk that has no hole.
pub const FULL: u16 = (1 << ENTRIES) - 1;
/// The number of no chunk.
pub const NONE: u32 = u32::MAX;

/// Chunks in a page: as many as there are bits in the mask of the free ones.
pub const PAGE: usize = u64::BITS as usize;
const PAGE_BYTES: usize = PAGE * size_of::<Chunk>();
/// A chunk's number leaves four bits of 32 for the entry in it.
const CHUNKS_MAX: usize = (u32::MAX >> 4) as usize;

/// Some entries of one slot, and their neighbours in it.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Chunk {
    pub next: u32,
    pub previous: u32,
    /// Whose entries these are.
    pub slot: u16,
    /// One bit for each entry; the others are holes.
    pub used: u16,
    pub hashes: [u64; ENTRIES],
}

const EMPTY: Chunk = Chunk { next: NONE, previous: NONE, slot: 0, used: 0, hashes: [0; ENTRIES] };

struct Page {
    /// Nothing while none of its chunks is used.
    chunks: Option<Box<[Chunk]>>,
    free: u64,
}

#[derive(Default)]
pub struct Chunks {
    pages: Vec<Page>,
    /// Pages that hold memory and have a free chunk.
    open: BTreeSet<u32>,
    /// Pages that hold no memory.
    vacant: BTreeSet<u32>,
    in_use: usize,
}

impl Chunks {
    /// A chunk without entries; nothing when there are no numbers left.
    pub fn allocate(&mut self) -> Option<u32> {
        let index = match self.open.first() {
            Some(&index) => index as usize,
            None => self.open_page()?,
        };
        let page = &mut self.pages[index];
        let at = page.free.trailing_zeros() as usize;
        page.free &= page.free - 1;
        if page.free == 0 {
            self.open.remove(&(index as u32));
        }
        self.in_use += 1;
        let chunk = (index * PAGE + at) as u32;
        *self.get_mut(chunk) = EMPTY;
        Some(chunk)
    }

    /// Takes back a chunk, and gives back its page if nothing else is in it. The last page stays: whoever
    /// files and removes one deadline all day should not ask the allocator each time.
    pub fn free(&mut self, chunk: u32) {
        let (index, at) = split(chunk);
        let others = self.held_pages() > 1;
        let page = &mut self.pages[index];
        debug_assert_eq!(page.free & 1 << at, 0, "a chunk is freed once");
        if page.free == 0 {
            self.open.insert(index as u32);
        }
        page.free |= 1 << at;
        self.in_use -= 1;
        if page.free == u64::MAX && others {
            page.chunks = None;
            self.open.remove(&(index as u32));
            self.vacant.insert(index as u32);
            self.trim();
        }
    }

    #[inline]
    pub fn get(&self, chunk: u32) -> &Chunk {
        let (index, at) = split(chunk);
        &self.pages[index].chunks.as_ref().expect("a chunk in use has its page")[at]
    }

    #[inline]
    pub fn get_mut(&mut self, chunk: u32) -> &mut Chunk {
        let (index, at) = split(chunk);
        &mut self.pages[index].chunks.as_mut().expect("a chunk in use has its page")[at]
    }

    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Chunks that hold memory and nothing else.
    pub fn idle(&self) -> usize {
        self.held_pages() * PAGE - self.in_use
    }

    /// The first chunk in use with this number or a higher one, of the same page or the next: a walk over
    /// all of them goes on behind it, and begins anew when there is none.
    pub fn from(&self, chunk: u32) -> Result<u32, Option<u32>> {
        let (index, at) = split(chunk);
        let Some(page) = self.pages.get(index) else { return Err(None) };
        let used = !page.free & (u64::MAX << at);
        if used == 0 {
            return Err(Some(((index + 1) * PAGE) as u32));
        }
        Ok((index * PAGE) as u32 + used.trailing_zeros())
    }

    /// Some chunk in use, each as likely as every other unless nearly all are free.
    pub fn any(&self, below: &mut impl FnMut(u64) -> u64) -> Option<u32> {
        const THROWS: usize = 64;
        let all = (self.pages.len() * PAGE) as u64;
        if all == 0 {
            return None;
        }
        let mut at = 0;
        for _ in 0..THROWS {
            at = below(all) as u32;
            if self.from(at) == Ok(at) {
                return Some(at);
            }
        }
        // On from there, and round once.
        for _ in 0..=self.pages.len() {
            match self.from(at) {
                Ok(chunk) => return Some(chunk),
                Err(next) => at = next.unwrap_or(0),
            }
        }
        None
    }

    /// A chunk of the highest page.
    pub fn highest(&self) -> Option<u32> {
        let page = self.pages.last()?;
        (page.free != u64::MAX)
            .then(|| ((self.pages.len() - 1) * PAGE) as u32 + (!page.free).ilog2())
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        // A set of numbers takes about two words for each.
        let sets = (self.open.len() + self.vacant.len()) * 2 * size_of::<usize>();
        self.held_pages() * PAGE_BYTES + self.pages.capacity() * size_of::<Page>() + sets
    }

    fn held_pages(&self) -> usize {
        self.pages.len() - self.vacant.len()
    }

    fn open_page(&mut self) -> Option<usize> {
        let index = match self.vacant.pop_first() {
            Some(index) => index as usize,
            None if (self.pages.len() + 1) * PAGE > CHUNKS_MAX => return None,
            None => {
                self.pages.push(Page { chunks: None, free: u64::MAX });
                self.pages.len() - 1
            }
        };
        self.pages[index].chunks = Some(vec![EMPTY; PAGE].into_boxed_slice());
        self.open.insert(index as u32);
        Some(index)
    }

    /// Forgets vacant pages at the end.
    fn trim(&mut self) {
        while self.pages.last().is_some_and(|page| page.chunks.is_none()) {
            self.pages.pop();
            self.vacant.remove(&(self.pages.len() as u32));
        }
        if self.pages.capacity() > 4 * self.pages.len() + 64 {
            self.pages.shrink_to(2 * self.pages.len());
        }
    }

    /// Every chunk in use.
    #[cfg(test)]
    pub fn all(&self) -> Vec<u32> {
        let numbers = 0..(self.pages.len() * PAGE) as u32;
        numbers.filter(|chunk| self.from(*chunk) == Ok(*chunk)).collect()
    }
}

#[inline]
fn split(chunk: u32) -> (usize, usize) {
    (chunk as usize / PAGE, chunk as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Chunks are distinct while they are held, keep what was written, and leave no memory behind.
        #[test]
        fn chunks_are_lent_once_and_pages_given_back(
            steps in proptest::collection::vec((0..5usize, any::<u32>()), 0..600),
        ) {
            let mut chunks = Chunks::default();
            let mut held: Vec<u32> = Vec::new();
            for (kind, which) in steps {
                // More come than go, in runs, so that several pages are there.
                if kind < 3 || held.is_empty() {
                    let chunk = chunks.allocate().unwrap();
                    prop_assert!(!held.contains(&chunk));
                    chunks.get_mut(chunk).next = chunk;
                    held.push(chunk);
                } else {
                    chunks.free(held.swap_remove(which as usize % held.len()));
                }
                prop_assert_eq!(chunks.in_use(), held.len());
                prop_assert!(held.iter().all(|chunk| chunks.get(*chunk).next == *chunk));
                let mut sorted = held.clone();
                sorted.sort_unstable();
                prop_assert_eq!(chunks.all(), sorted);
            }
            held.into_iter().for_each(|chunk| chunks.free(chunk));
            prop_assert!(chunks.memory() <= PAGE_BYTES + 4096);
        }
    }
}
