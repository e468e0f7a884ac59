//! The index of deadlines: which key is due next, exactly.
//!
//! An entry is a hint, a deadline and the hash of a key; when it fires, the key's own deadline
//! decides. So nothing need be removed when a key is deleted, overwritten or postponed: stale
//! hints fire into the void, early ones are filed again, and when the stale ones outnumber the
//! keys that have a deadline they are sorted out.
//!
//! The invariant: for each key with a deadline there is a hint with its hash that fires no later.

use crate::world::Millis;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Debug, Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(i64, u64)>>,
}

/// Below this many hints an index is never worth rebuilding.
const SMALL: usize = 1024;

impl Deadlines {
    pub fn file(&mut self, deadline: Millis, hash: u64) {
        self.heap.push(Reverse((deadline.0, hash)));
    }

    /// The earliest deadline there may be.
    pub fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((deadline, _))| Millis(*deadline))
    }

    /// Takes the hash of a key that may be due.
    pub fn take_due(&mut self, now: Millis) -> Option<u64> {
        self.next().filter(|next| *next <= now)?;
        self.heap.pop().map(|Reverse((_, hash))| hash)
    }

    /// More than half of the hints are stale.
    pub fn is_bloated(&self, keys_with_deadline: usize) -> bool {
        self.heap.len() > SMALL && self.heap.len() / 2 > keys_with_deadline
    }

    /// Sorts out what is stale: keeps one hint for each hash of which there is still a key with a
    /// deadline, as `earliest` knows.
    pub fn rebuild(&mut self, earliest: impl Fn(u64) -> Option<Millis>) {
        let mut hashes: Vec<u64> = self.heap.drain().map(|Reverse((_, hash))| hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let hint = |hash| earliest(hash).map(|deadline| Reverse((deadline.0, hash)));
        self.heap = hashes.into_iter().filter_map(hint).collect();
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<Reverse<(i64, u64)>>()
    }
}
