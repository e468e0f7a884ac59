//! The order of a large sorted set: a B+-tree of ids that counts what is below each child.
//!
//! Leaves hold ids and nothing else; what is compared lies in the records. An inner node keeps for
//! each child a score, so that a search reads records only in the one leaf where it ends, and where
//! scores are equal. Counts make every rank a walk from the root, and everything else is done with
//! ranks: a range is two of them, and a walk over a range asks for the next leaf by its rank.
//!
//! Leaves are kept full (B*): an overfull one first shares with a neighbour, and only two that are
//! both full become three. At either end of the order a new leaf is begun instead, so that ascending
//! and descending input fill the leaves to the brim.
//!
//! `lows[i]` is a bound and not a copy: nothing in child i has a lower score, nothing in the children
//! before it a higher one. It may be lower than the first score of the child after removals.

use super::members::{Id, Members};
use crate::base::memory_size::of_array;
use std::cmp::Ordering;

/// Ids in a leaf's memory. One place stays free, so that an insertion can come before the repair.
const LEAF: usize = 64;
/// Children of an inner node, at most.
const FANOUT: usize = 64;
/// Two neighbours with at most so many ids together share them; with more they become three leaves.
const PAIR_MAX: usize = 2 * LEAF - 8;
/// A leaf with fewer ids looks whether its neighbours can take them in.
const LEAF_MIN: usize = 40;
/// How many ids leaves get that are merged.
const LEAF_COMFORT: usize = 56;
/// A leaf with fewer ids than this gets some of its neighbours', if they cannot take it in.
const LEAF_POOR: usize = LEAF / 4;

#[derive(Clone)]
pub(super) struct Tree {
    root: Inner,
}

#[derive(Clone)]
struct Inner {
    lows: Vec<f64>,
    counts: Vec<u32>,
    children: Children,
}

#[derive(Clone)]
enum Children {
    Leaves(Vec<Leaf>),
    Inners(Vec<Inner>),
}

/// At least one id, except where the whole tree is empty.
struct Leaf(Vec<Id>);

/// A place in the order, by what is before it.
#[derive(Clone, Copy)]
pub(super) enum Probe<'a> {
    /// Scores below this one; or up to and with it.
    Score {
        score: f64,
        through: bool,
    },
    /// Members below this one, where all have the same score.
    Member {
        member: &'a [u8],
        through: bool,
    },
    Both {
        score: f64,
        member: &'a [u8],
        through: bool,
    },
}

impl Probe<'_> {
    #[inline]
    pub fn is_after(&self, (score, member): (f64, &[u8])) -> bool {
        let below = |other: &[u8], through| match member.cmp(other) {
            Ordering::Less => true,
            Ordering::Equal => through,
            Ordering::Greater => false,
        };
        match *self {
            Probe::Score { score: own, through } => score < own || (through && score == own),
            Probe::Member { member: own, through } => below(own, through),
            Probe::Both { score: own, member, through } => {
                score < own || (score == own && below(member, through))
            }
        }
    }

    /// As `is_after`, if the score alone decides.
    #[inline]
    pub fn is_after_score(&self, score: f64) -> Option<bool> {
        match *self {
            Probe::Score { score: own, through } => Some(score < own || (through && score == own)),
            Probe::Member { .. } => None,
            Probe::Both { score: own, .. } => (score != own).then_some(score < own),
        }
    }
}

impl Tree {
    pub fn new() -> Tree {
        Tree { root: Inner::of_leaf(Leaf::new(&[])) }
    }

    /// How many members come before a place.
    pub fn rank(&self, members: &Members, probe: Probe) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            let child = node.child_for(members, &probe);
            rank += node.before(child);
            match &node.children {
                Children::Inners(inners) => node = &inners[child],
                Children::Leaves(leaves) => return rank + leaves[child].rank(members, &probe),
            }
        }
    }

    /// The leaf that holds a rank, and the index in it.
    pub fn leaf_at(&self, mut rank: usize) -> Option<(&[Id], usize)> {
        let mut node = &self.root;
        loop {
            let child = node.child_at(&mut rank)?;
            match &node.children {
                Children::Inners(inners) => node = &inners[child],
                Children::Leaves(leaves) => return Some((&leaves[child].0, rank)),
            }
        }
    }

    pub fn insert(&mut self, members: &Members, id: Id) {
        let (score, member) = members.get(id);
        let probe = Probe::Both { score, member, through: false };
        if let Some((low, right)) = self.root.insert(members, &probe, id, Ends::both()) {
            let left = std::mem::replace(&mut self.root, Inner::of_leaf(Leaf(Vec::new())));
            self.root = Inner {
                lows: vec![f64::NEG_INFINITY, low],
                counts: vec![left.total(), right.total()],
                children: Children::Inners(vec![left, right]),
            };
        }
    }

    pub fn remove_at(&mut self, members: &Members, rank: usize) -> Option<Id> {
        let id = self.root.remove_at(members, rank)?;
        while let Children::Inners(inners) = &mut self.root.children
            && inners.len() == 1
            && let Some(only) = inners.pop()
        {
            self.root = only;
        }
        Some(id)
    }

    /// The leaf that holds an id, and the index in it. In the leaf the id itself is looked for, since
    /// comparing with the others would read their records, which are cold.
    pub fn place_of(&mut self, members: &Members, id: Id) -> Option<(&mut [Id], usize)> {
        let (score, member) = members.get(id);
        let probe = Probe::Both { score, member, through: true };
        let mut node = &mut self.root;
        loop {
            let child = node.child_for(members, &probe);
            match &mut node.children {
                Children::Inners(inners) => node = &mut inners[child],
                Children::Leaves(leaves) => {
                    let leaf = &mut leaves[child].0;
                    let at = leaf.iter().position(|other| *other == id)?;
                    return Some((leaf, at));
                }
            }
        }
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        self.root.memory()
    }

    /// All ids, in order.
    #[cfg(test)]
    pub fn check(&self, members: &Members) -> Vec<Id> {
        let mut ids = Vec::new();
        self.root.check(members, &mut ids);
        ids
    }
}

/// Whether a node lies at the beginning of the order, and whether at its end.
#[derive(Clone, Copy)]
struct Ends {
    first: bool,
    last: bool,
}

impl Ends {
    fn both() -> Ends {
        Ends { first: true, last: true }
    }
}

impl Inner {
    fn of_leaf(leaf: Leaf) -> Inner {
        Inner {
            lows: vec![f64::NEG_INFINITY],
            counts: vec![leaf.0.len() as u32],
            children: Children::Leaves(vec![leaf]),
        }
    }

    fn len(&self) -> usize {
        self.counts.len()
    }

    fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn before(&self, child: usize) -> usize {
        self.counts[..child].iter().sum::<u32>() as usize
    }

    /// The child of a rank, which becomes the rank in it.
    fn child_at(&self, rank: &mut usize) -> Option<usize> {
        self.counts.iter().position(|&count| match rank.checked_sub(count as usize) {
            Some(rest) => {
                *rank = rest;
                false
            }
            None => true,
        })
    }

    fn child_for(&self, members: &Members, probe: &Probe) -> usize {
        let (mut low, mut high) = (1, self.len());
        while low < high {
            let middle = (low + high) / 2;
            // What comes before a child has at most its bound for a score, so the bound decides as
            // well as the first record would.
            let after = probe.is_after_score(self.lows[middle]);
            if after.unwrap_or_else(|| probe.is_after(members.get(self.first_of(middle)))) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - 1
    }

    fn first_of(&self, child: usize) -> Id {
        let mut children = &self.children;
        let mut child = child;
        loop {
            match children {
                Children::Leaves(leaves) => return leaves[child].0[0],
                Children::Inners(inners) => children = &inners[child].children,
            }
            child = 0;
        }
    }

    /// Inserts an id; what no longer fits comes back as a right neighbour with its bound.
    fn insert(
        &mut self,
        members: &Members,
        probe: &Probe,
        id: Id,
        ends: Ends,
    ) -> Option<(f64, Inner)> {
        let child = self.child_for(members, probe);
        let ends =
            Ends { first: ends.first && child == 0, last: ends.last && child + 1 == self.len() };
        self.counts[child] += 1;
        match &mut self.children {
            Children::Leaves(leaves) => {
                let at = leaves[child].rank(members, probe);
                let leaf = &mut leaves[child].0;
                leaf.insert(at, id);
                if leaf.len() == LEAF {
                    if ends.last && at == LEAF - 1 {
                        self.split_leaf(members, child, at);
                    } else if ends.first && at == 0 {
                        self.split_leaf(members, child, 1);
                    } else {
                        self.relieve(members, child);
                    }
                }
            }
            Children::Inners(inners) => {
                let (low, right) = inners[child].insert(members, probe, id, ends)?;
                let moved = right.total();
                self.counts[child] -= moved;
                inners.insert(child + 1, right);
                self.lows.insert(child + 1, low);
                self.counts.insert(child + 1, moved);
            }
        }
        if self.len() <= FANOUT {
            return None;
        }
        let middle = match ends {
            Ends { last: true, .. } => FANOUT,
            Ends { first: true, .. } => 1,
            _ => FANOUT / 2,
        };
        Some(self.split(middle))
    }

    /// Cuts off the children from the `middle`th on.
    fn split(&mut self, middle: usize) -> (f64, Inner) {
        let right = Inner {
            lows: self.lows.split_off(middle),
            counts: self.counts.split_off(middle),
            children: match &mut self.children {
                Children::Leaves(leaves) => Children::Leaves(leaves.split_off(middle)),
                Children::Inners(inners) => Children::Inners(inners.split_off(middle)),
            },
        };
        (right.lows[0], right)
    }

    /// Cuts a leaf in two.
    fn split_leaf(&mut self, members: &Members, child: usize, at: usize) {
        let Children::Leaves(leaves) = &mut self.children else { return };
        let (left, right) = leaves[child].0.split_at(at);
        let (left, right) = (Leaf::new(left), Leaf::new(right));
        self.counts[child] = left.0.len() as u32;
        self.counts.insert(child + 1, right.0.len() as u32);
        self.lows.insert(child + 1, members.score(right.0[0]));
        leaves[child] = left;
        leaves.insert(child + 1, right);
    }

    /// Makes room in a full leaf.
    fn relieve(&mut self, members: &Members, child: usize) {
        let (before, after) = (child.checked_sub(1), Some(child + 1).filter(|&at| at < self.len()));
        let neighbour = match (before, after) {
            (Some(before), Some(after)) if self.counts[after] < self.counts[before] => after,
            (Some(before), _) => before,
            (None, Some(after)) => after,
            (None, None) => return self.split_leaf(members, child, LEAF / 2),
        };
        let pair = (self.counts[child] + self.counts[neighbour]) as usize;
        let leaves = if pair <= PAIR_MAX { 2 } else { 3 };
        self.share(members, child.min(neighbour), 2, leaves);
    }

    /// Shares the ids of some neighbouring leaves evenly among so many.
    fn share(&mut self, members: &Members, start: usize, from: usize, to: usize) {
        let Children::Leaves(leaves) = &mut self.children else { return };
        let old = start..start + from;
        let ids: Vec<Id> = leaves[old.clone()].iter().flat_map(|leaf| &leaf.0).copied().collect();
        let cut = |part: usize| ids.len() * part / to;
        let parts = (0..to).map(|part| &ids[cut(part)..cut(part + 1)]);
        // The bound of the first stays: what lies before it has not changed.
        self.lows
            .splice(start + 1..old.end, parts.clone().skip(1).map(|part| members.score(part[0])));
        self.counts.splice(old.clone(), parts.clone().map(|part| part.len() as u32));
        leaves.splice(old, parts.map(Leaf::new));
    }

    fn remove_at(&mut self, members: &Members, mut rank: usize) -> Option<Id> {
        let child = self.child_at(&mut rank)?;
        self.counts[child] -= 1;
        let id = match &mut self.children {
            Children::Leaves(leaves) => {
                let id = leaves[child].0.remove(rank);
                if leaves[child].0.len() < LEAF_MIN {
                    self.fill_leaf(members, child);
                }
                id
            }
            Children::Inners(inners) => {
                let id = inners[child].remove_at(members, rank)?;
                if inners[child].len() < FANOUT / 4 {
                    self.fill_inner(child);
                }
                id
            }
        };
        Some(id)
    }

    /// Lets a leaf of few ids and its neighbours become fewer leaves, if they can.
    fn fill_leaf(&mut self, members: &Members, child: usize) {
        if self.drop_empty(child) {
            return;
        }
        let from = self.len().min(3);
        let start = child.saturating_sub(1).min(self.len() - from);
        let ids = self.counts[start..start + from].iter().sum::<u32>() as usize;
        let to = ids.div_ceil(LEAF_COMFORT).clamp(1, from);
        let poor = (self.counts[child] as usize) < LEAF_POOR;
        if to < from || (poor && from > 1) {
            self.share(members, start, from, to);
        }
    }

    /// Merges an inner node of few children with a neighbour, if one has room.
    fn fill_inner(&mut self, child: usize) {
        if self.drop_empty(child) {
            return;
        }
        let Children::Inners(inners) = &mut self.children else { return };
        let left = match (child.checked_sub(1), child + 1 < inners.len()) {
            (Some(before), true) if inners[child + 1].len() < inners[before].len() => child,
            (Some(before), _) => before,
            (None, true) => child,
            (None, false) => return,
        };
        if inners[left].len() + inners[left + 1].len() > FANOUT * 3 / 4 {
            return;
        }
        let mut right = inners.remove(left + 1);
        right.lows[0] = self.lows.remove(left + 1);
        self.counts[left] += self.counts.remove(left + 1);
        inners[left].append(right);
    }

    fn append(&mut self, mut right: Inner) {
        self.lows.append(&mut right.lows);
        self.counts.append(&mut right.counts);
        match (&mut self.children, &mut right.children) {
            (Children::Leaves(own), Children::Leaves(more)) => own.append(more),
            (Children::Inners(own), Children::Inners(more)) => own.append(more),
            _ => unreachable!("all leaves are equally deep"),
        }
    }

    /// Takes a child out that has nothing left, unless it is the only one.
    fn drop_empty(&mut self, child: usize) -> bool {
        let empty = self.counts[child] == 0 && self.len() > 1;
        if empty {
            self.lows.remove(child);
            self.counts.remove(child);
            match &mut self.children {
                Children::Leaves(leaves) => drop(leaves.remove(child)),
                Children::Inners(inners) => drop(inners.remove(child)),
            }
        }
        empty
    }

    fn memory(&self) -> usize {
        let own = of_array::<f64>(self.lows.capacity()) + of_array::<u32>(self.counts.capacity());
        own + match &self.children {
            Children::Leaves(leaves) => {
                of_array::<Leaf>(leaves.capacity()) + leaves.len() * of_array::<Id>(LEAF)
            }
            Children::Inners(inners) => {
                let below: usize = inners.iter().map(Inner::memory).sum();
                of_array::<Inner>(inners.capacity()) + below
            }
        }
    }

    #[cfg(test)]
    fn check(&self, members: &Members, ids: &mut Vec<Id>) {
        assert!(self.len() <= FANOUT && self.lows.len() == self.len());
        assert!(self.lows.iter().skip(1).is_sorted());
        for child in 0..self.len() {
            let start = ids.len();
            match &self.children {
                Children::Leaves(leaves) => {
                    assert_eq!(leaves.len(), self.len());
                    assert!(leaves[child].0.len() < LEAF && leaves[child].0.capacity() == LEAF);
                    ids.extend(&leaves[child].0);
                }
                Children::Inners(inners) => {
                    assert_eq!(inners.len(), self.len());
                    inners[child].check(members, ids);
                }
            }
            let own = &ids[start..];
            assert_eq!(own.len(), self.counts[child] as usize);
            assert!(self.len() == 1 || !own.is_empty());
            if child > 0 {
                assert!(own.iter().all(|&id| members.score(id) >= self.lows[child]));
                assert!(
                    ids[..start].last().is_none_or(|&id| members.score(id) <= self.lows[child])
                );
            }
        }
    }
}

impl Leaf {
    fn new(ids: &[Id]) -> Leaf {
        let mut leaf = Vec::with_capacity(LEAF);
        leaf.extend_from_slice(ids);
        Leaf(leaf)
    }

    /// How many of its members come before a place.
    #[inline]
    fn rank(&self, members: &Members, probe: &Probe) -> usize {
        self.0.partition_point(|&id| probe.is_after(members.get(id)))
    }
}

impl Clone for Leaf {
    fn clone(&self) -> Leaf {
        Leaf::new(&self.0)
    }
}
