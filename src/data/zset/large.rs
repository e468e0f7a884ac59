//! A sorted set of any size: records (`members.rs`), their order (`tree.rs`), and a table that finds
//! them by member.
//!
//! An entry of the table is an id and half of the member's hash. So the table grows without reading a
//! record, and a search reads one only if 32 bits of the hash agree.
//!
//! Measured with a million members of 16 bytes (`cargo bench --bench zset`): 45 bytes for each when
//! scores come in random order, 44 when they ascend. 28 of them are the record, 11 the table, and 5 or
//! 6 the tree. A search in the tree reads the records of six ids in one leaf.

use super::members::{Chunks, Id, Members};
use super::scores::{Lookup, Records};
use super::tree::{Probe, Tree};
use crate::base::held::Shares;
use crate::base::memory_size::size_class;
use crate::base::table::{self, Table};
use crate::data::Due;
use crate::data::deadlines::Lifetimes;
use crate::world::Millis;
use std::ops::Range;

#[derive(Clone)]
pub(super) struct Large {
    members: Members,
    tree: Tree,
    table: Table<Entry>,
    /// If members have any. Those that are hidden are in neither tree nor table, since ranks count what
    /// is there.
    deadlines: Lifetimes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    hash: u32,
    id: Id,
}

impl table::Entry for Entry {
    type Sharing = Shares;

    fn copied(&self, _: Shares) -> Entry {
        *self
    }

    fn hash(&self, _: u64) -> u64 {
        spread(self.hash)
    }
}

/// Fewer members are removed one by one.
const MANY: usize = 256;
/// If at most so many times more members stay than are removed, these become a new set.
const STAYS_FOR_REMOVED: usize = 3;

/// How many records ahead of a walk memory is asked for.
const LOOK_AHEAD: usize = 6;

impl Large {
    pub fn new(seed: u64) -> Large {
        let table = Table::new(seed);
        Large { members: Members::new(), tree: Tree::new(), table, deadlines: Lifetimes::default() }
    }

    pub fn with_capacity(seed: u64, capacity: usize) -> Large {
        Large { table: Table::with_capacity(seed, capacity), ..Large::new(seed) }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn has_room_for(&self, more: usize) -> bool {
        self.members.has_room_for(more)
    }

    pub fn memory(&self) -> usize {
        size_class(size_of::<Large>())
            + self.members.memory()
            + self.tree.memory()
            + self.table.memory()
            + self.deadlines.memory()
    }

    /// About as many pieces of heap: chunks, leaves, and segments of the table.
    pub fn pieces(&self) -> usize {
        self.members.chunks() + self.len() / 32 + 3 + self.deadlines.pieces()
    }

    // ── deadlines ───────────────────────────────────────────────────────────────────────────

    pub fn deadlines(&self) -> &Lifetimes {
        &self.deadlines
    }

    /// Gives a member that is there a deadline, or takes it away.
    pub fn set_deadline(&mut self, member: &[u8], deadline: Option<Millis>) {
        match deadline {
            Some(deadline) => self.deadlines.set(member, deadline, self.table.seed()),
            None => self.deadlines.forget(member),
        }
    }

    /// Takes members out that are due: all of them if somebody is about to look, and else no more than are
    /// shown to `gone`. Those beyond `most` are shown another time.
    pub fn expire(&mut self, due: Due, gone: &mut dyn FnMut(&[u8])) {
        let Some(mut deadlines) = self.deadlines.take() else { return };
        if due.is_seen {
            for member in deadlines.newly_due(due.now) {
                self.find(&member).into_iter().for_each(|id| self.remove(id));
            }
            deadlines.hide(due.now);
        }
        for member in deadlines.take(deadlines.due(due.now).min(due.most)) {
            gone(&member);
            self.find(&member).into_iter().for_each(|id| self.remove(id));
        }
        self.deadlines = Lifetimes::new(deadlines);
    }

    #[inline]
    pub fn find(&self, member: &[u8]) -> Option<Id> {
        find(&self.table, self.members.records(), member)
    }

    /// Members and scores as they are now, to be read while these go on changing.
    pub fn freeze(&mut self) -> Records {
        Records {
            chunks: self.members.freeze(),
            len: self.len(),
            deadlines: self.deadlines.freeze(),
        }
    }

    /// The same, without deadlines, but with the table.
    pub fn freeze_with_table(&mut self) -> Lookup {
        Lookup { chunks: self.members.freeze(), table: self.table.freeze() }
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    /// To be handed over to a snapshot in parts, which have no place for deadlines.
    pub fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    #[inline]
    pub fn score(&self, id: Id) -> f64 {
        self.members.score(id)
    }

    #[inline]
    pub fn rank(&self, probe: Probe) -> usize {
        self.tree.rank(&self.members, probe)
    }

    pub fn rank_of(&self, id: Id) -> usize {
        let (score, member) = self.members.get(id);
        self.rank(Probe::Both { score, member, through: false })
    }

    /// Adds a member that is known to be absent.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        // One that is hidden comes back, and lives for ever.
        self.deadlines.forget(member);
        let hash = self.hash(member);
        let id = self.members.add(score, member);
        self.table.insert_new(spread(hash), Entry { hash, id });
        self.tree.insert(&self.members, id);
    }

    pub fn set_score(&mut self, id: Id, score: f64) {
        let (old, member) = self.members.get(id);
        let Some((leaf, at)) = self.tree.place_of(&self.members, id) else { return };
        // Mostly a score changes by little, and its member keeps its place.
        let stays = at > 0
            && leaf.get(at + 1).is_some_and(|&after| {
                let place = Probe::Both { score, member, through: true };
                let before = self.members.get(leaf[at - 1]);
                place.is_after(before) && !place.is_after(self.members.get(after))
            });
        if stays {
            self.members.set_score(id, score);
            return;
        }
        let place = Probe::Both { score: old, member, through: false };
        let rank = self.tree.rank(&self.members, place);
        self.tree.remove_at(&self.members, rank);
        self.members.set_score(id, score);
        self.tree.insert(&self.members, id);
    }

    pub fn remove(&mut self, id: Id) {
        let rank = self.rank_of(id);
        self.tree.remove_at(&self.members, rank);
        self.forget(id);
    }

    /// A new set of what stays when a range of ranks goes, if that takes less time than to remove
    /// them: a removal reads and changes three or four cold places, and what stays is read in order.
    pub fn rest_without(&self, ranks: Range<usize>) -> Option<Large> {
        let stays = self.len() - ranks.len();
        if stays > 0 && (ranks.len() < MANY || stays > ranks.len() * STAYS_FOR_REMOVED) {
            return None;
        }
        let mut rest = Large::new(self.table.seed());
        if stays > 0 {
            rest = Large::with_capacity(self.table.seed(), stays);
            let (before, after) = (0..ranks.start, ranks.end..self.len());
            let both = self.walk(before, false).chain(self.walk(after, false));
            both.for_each(|(member, score)| rest.insert(member, score));
        }
        if let Some(deadlines) = self.deadlines.deadlines() {
            let mut kept = deadlines.hidden_alone();
            for (member, _) in rest.walk(0..rest.len(), false) {
                deadlines.get(member).into_iter().for_each(|deadline| kept.set(member, deadline));
            }
            rest.deadlines = Lifetimes::new(kept);
        }
        Some(rest)
    }

    pub fn remove_range(&mut self, ranks: Range<usize>) {
        for _ in ranks.clone() {
            if let Some(id) = self.tree.remove_at(&self.members, ranks.start) {
                self.forget(id);
            }
        }
    }

    /// Removes a record that is no longer in the tree.
    fn forget(&mut self, id: Id) {
        let hash = self.hash(self.members.get(id).1);
        self.deadlines.forget(self.members.get(id).1);
        self.table.remove(spread(hash), |entry| entry.id == id);
        let size = self.members.size(id);
        self.members.remove(id);
        while let Some((from, to)) = self.members.next_move(size) {
            match self.tree.place_of(&self.members, from) {
                Some((leaf, at)) => leaf[at] = to,
                None => debug_assert!(false, "a record is in the tree"),
            }
            let hash = spread(self.hash(self.members.get(from).1));
            if let Some(entry) = self.table.find_mut(hash, |entry| entry.id == from) {
                entry.id = to;
            }
            self.members.shift(from, to);
        }
    }

    /// One step of a walk in the order of the table; see `Table::scan`.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.table.scan(cursor, |entry| {
            let (score, member) = self.members.get(entry.id);
            visit(member, score);
        })
    }

    /// The members of a range of ranks, in order or backwards.
    pub fn walk(&self, ranks: Range<usize>, back: bool) -> Walk<'_> {
        Walk { large: self, ranks, back, leaf: &[] }
    }

    #[inline]
    fn hash(&self, member: &[u8]) -> u32 {
        hash(&self.table, member)
    }

    #[cfg(test)]
    pub fn check(&self) {
        let ids = self.tree.check(&self.members);
        assert_eq!(ids.len(), self.len());
        for pair in ids.windows(2) {
            let ((low, first), (high, second)) =
                (self.members.get(pair[0]), self.members.get(pair[1]));
            assert!(low < high || (low == high && first < second));
        }
        for id in ids {
            assert_eq!(self.find(self.members.get(id).1), Some(id));
        }
    }
}

/// The id of a member, by the table of these records.
#[inline]
pub(super) fn find(table: &Table<Entry>, chunks: &Chunks, member: &[u8]) -> Option<Id> {
    let hash = hash(table, member);
    let same = |entry: &Entry| entry.hash == hash && chunks.get(entry.id).1 == member;
    table.find(spread(hash), same).map(|entry| entry.id)
}

#[inline]
fn hash(table: &Table<Entry>, member: &[u8]) -> u32 {
    (table::hash(table.seed(), member) >> 32) as u32
}

/// The table takes a place from the highest bits and a tag from the lowest.
#[inline(always)]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

pub(super) struct Walk<'a> {
    large: &'a Large,
    /// Those whose leaf is still to be looked up.
    ranks: Range<usize>,
    back: bool,
    /// What is left of the leaf.
    leaf: &'a [Id],
}

impl<'a> Walk<'a> {
    fn next_leaf(&mut self) -> Option<()> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.back {
            let (leaf, at) = self.large.tree.leaf_at(self.ranks.end - 1)?;
            let count = (at + 1).min(self.ranks.len());
            self.leaf = &leaf[at + 1 - count..=at];
            self.ranks.end -= count;
            let first = self.leaf.iter().rev().take(LOOK_AHEAD);
            first.for_each(|&id| self.large.members.prefetch(id));
        } else {
            let (leaf, at) = self.large.tree.leaf_at(self.ranks.start)?;
            let count = (leaf.len() - at).min(self.ranks.len());
            self.leaf = &leaf[at..at + count];
            self.ranks.start += count;
            let first = self.leaf.iter().take(LOOK_AHEAD);
            first.for_each(|&id| self.large.members.prefetch(id));
        }
        Some(())
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        if self.leaf.is_empty() {
            self.next_leaf()?;
        }
        let (id, ahead) = if self.back {
            let (id, rest) = self.leaf.split_last()?;
            self.leaf = rest;
            (id, rest.len().checked_sub(LOOK_AHEAD).and_then(|at| rest.get(at)))
        } else {
            let (id, rest) = self.leaf.split_first()?;
            self.leaf = rest;
            (id, rest.get(LOOK_AHEAD - 1))
        };
        if let Some(&ahead) = ahead {
            self.large.members.prefetch(ahead);
        }
        let (score, member) = self.large.members.get(*id);
        Some((member, score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.leaf.len() + self.ranks.len();
        (left, Some(left))
    }
}
