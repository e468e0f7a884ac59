//! Streams: entries in the order of their ids, which only ever rise.
//!
//! Entries lie in nodes of about a hundred, and these in runs, so that adding at the end and trimming
//! at the beginning cost nothing, and an id is found with two searches and a short walk. A stream
//! remembers more than its entries: the last id that was given, the greatest one that was deleted, how
//! many were ever added. Hence a stream without entries is still a value.

mod group;
mod groups;
mod id;
mod loading;
mod node;
mod producers;
mod runs;
#[cfg(test)]
mod tests;

pub use group::{Consumer, Group, Owner, Pending};
pub use groups::Delivery;
pub use id::Id;
pub use loading::Loading;
pub use node::{Entry, Fields};
pub use producers::{Memory, Producers};

use super::limits::StreamLimits;
use super::{Buffer, Collection, Frozen, Small, Type, View};
use crate::base::memory_size::size_class;
use groups::Groups;
use node::{Node, Walk};
use runs::{Keyed, Runs, Spot};

#[derive(Clone, Debug, Default)]
pub struct Stream {
    nodes: Runs<Node>,
    len: usize,
    last_id: Id,
    max_deleted: Id,
    added: u64,
    groups: Option<Box<Groups>>,
    producers: Option<Box<Producers>>,
}

/// How far a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// So many entries stay.
    Length(u64),
    /// Entries below this id go.
    Below(Id),
}

/// What becomes of what groups know of an entry that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refs {
    /// It stays: they find out when they look for the entry.
    Keep,
    /// It goes with the entry.
    Drop,
    /// Nothing: only an entry goes that all groups have read and acknowledged.
    Acked,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub cut: Cut,
    /// Only whole nodes go; so a few entries too many may stay.
    pub roughly: bool,
    /// At most so many go.
    pub limit: Option<u64>,
    pub refs: Refs,
}

/// Why an entry cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The id is not above the last one.
    TooSmall,
    TooLarge,
}

impl Collection for Stream {
    const TYPE: Type = Type::Stream;

    fn len(&self) -> usize {
        self.len
    }

    /// It never is: also of a stream without entries, something is left.
    fn is_empty(&self) -> bool {
        false
    }

    fn small(&self) -> Option<Small<&[u8]>> {
        None
    }

    fn of_small(_: Small<Buffer>) -> Stream {
        unreachable!("a stream is never one run of bytes")
    }

    fn empty_in(_: Vec<u8>) -> Stream {
        Stream::default()
    }

    fn into_buffer(self) -> Option<Buffer> {
        None
    }

    fn memory(&self) -> usize {
        let nodes = self.nodes.iter().map(Node::memory).sum::<usize>();
        let producers = self
            .producers
            .as_ref()
            .map_or(0, |producers| size_class(size_of::<Producers>()) + producers.memory());
        self.nodes.memory() + nodes + self.groups_memory() + producers
    }

    fn pieces(&self) -> usize {
        let producers = self.producers.as_ref().map_or(0, |producers| producers.pieces());
        self.nodes.len() + self.nodes.pieces() + self.groups_pieces() + producers + 1
    }

    fn freeze(&mut self) -> Frozen {
        Frozen::Stream(Box::new(Stream {
            nodes: self.nodes.freeze(Node::share),
            groups: self.freeze_groups(),
            producers: self.producers.as_mut().map(|producers| Box::new(producers.freeze())),
            ..*self
        }))
    }

    fn lend(&self) -> View<'_> {
        View::Stream(self)
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let ids = [self.last_id, self.max_deleted].map(|id| id.to_string().into_bytes());
        let mut parts = Vec::from(ids);
        parts.push(self.added.to_string().into_bytes());
        for entry in self.range(Id::MIN, Id::MAX) {
            parts.push(entry.id.to_string().into_bytes());
            parts.extend(entry.fields.map(|item| item.to_vec()));
        }
        self.groups_parts(&mut parts);
        parts
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }
}

impl Stream {
    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// The last id that was given, or set.
    pub fn last_id(&self) -> Id {
        self.last_id
    }

    /// The greatest id of an entry that was deleted by name.
    pub fn max_deleted(&self) -> Id {
        self.max_deleted
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// The id of the first entry.
    pub fn first_id(&self) -> Option<Id> {
        self.nodes.first().map(Node::id)
    }

    /// The id of the last entry.
    pub fn top_id(&self) -> Option<Id> {
        self.nodes.last().map(Node::top)
    }

    /// The entries node by node, and how many a node has.
    pub fn by_node(
        &self,
    ) -> impl Iterator<Item = (usize, impl Iterator<Item = Entry<'_>> + Clone)> {
        self.nodes.iter().map(|node| {
            let mut walk = node.walk();
            (node.live(), std::iter::from_fn(move || walk.next_from(Id::MIN)))
        })
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn contains(&self, id: Id) -> bool {
        is_in(&self.nodes, id)
    }

    pub fn get(&self, id: Id) -> Option<Entry<'_>> {
        let node = self.nodes.get(self.node_of(id)?)?;
        Some(node.entry(node.find(id)?, id))
    }

    /// The entries from one id to another, both included.
    pub fn range(&self, start: Id, end: Id) -> Range<'_> {
        range_of(&self.nodes, start, end)
    }

    /// The same entries, the last one first.
    pub fn range_back(&self, start: Id, end: Id) -> RangeBack<'_> {
        let nodes = self.nodes.seek_back(end).map(|spot| self.nodes.iter_back_from(spot));
        RangeBack { nodes, node: None, places: Vec::new(), start, end }
    }

    pub fn last_entry(&self) -> Option<Entry<'_>> {
        self.range_back(Id::MIN, Id::MAX).next()
    }

    // ── changing ────────────────────────────────────────────────────────────────────────────

    /// The id that an entry gets which comes now; none, if there is none left.
    pub fn next_id(&self, now_ms: u64) -> Option<Id> {
        if now_ms > self.last_id.ms { Some(Id::new(now_ms, 0)) } else { self.last_id.next() }
    }

    /// The id that an entry of this time gets; none, if the time is over.
    pub fn next_id_at(&self, ms: u64) -> Option<Id> {
        match ms.cmp(&self.last_id.ms) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => self.last_id.seq.checked_add(1).map(|seq| Id { ms, seq }),
            std::cmp::Ordering::Greater => Some(Id { ms, seq: 0 }),
        }
    }

    /// Adds an entry of names and values in turn.
    pub fn add<'a>(
        &mut self,
        id: Id,
        fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        limits: &StreamLimits,
    ) -> Result<(), Refused> {
        if id <= self.last_id {
            return Err(Refused::TooSmall);
        }
        let bytes = fields.clone().fold(0usize, |sum, item| sum.saturating_add(item.len()));
        if !limits.admits(bytes) {
            return Err(Refused::TooLarge);
        }
        match self.nodes.last_mut() {
            Some(node) if !node.is_full_for(bytes, limits) => node.push(id, fields),
            last => {
                if let Some(last) = last {
                    last.close();
                }
                self.nodes.push(Node::of(id, fields));
            }
        }
        self.last_id = id;
        self.len += 1;
        self.added += 1;
        Ok(())
    }

    /// Deletes an entry; says whether there was one.
    pub fn delete(&mut self, id: Id) -> bool {
        let Some(spot) = self.node_of(id) else { return false };
        let Some(node) = self.nodes.get_mut(spot) else { return false };
        if !node.delete(id) {
            return false;
        }
        if node.live() == 0 {
            self.nodes.remove_at(spot);
        }
        self.len -= 1;
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Removes entries at the beginning. Says how many, and hands over the nodes that went as a whole,
    /// since freeing them may take long.
    pub fn trim(&mut self, trim: Trim) -> (u64, Option<Stream>) {
        if trim.refs != Refs::Keep && self.groups.is_some() {
            return (self.trim_minding(trim), None);
        }
        let len = self.len;
        let (whole, gone) = self.whole_nodes(trim);
        let rest = (whole > 0)
            .then(|| Stream { nodes: self.nodes.take_first(whole), ..Stream::default() });
        self.len -= gone as usize;
        if !trim.roughly {
            self.trim_inside(trim.cut);
        }
        ((len - self.len) as u64, rest)
    }

    /// Gives the stream another last id, and perhaps other memories. What groups have read is bounded
    /// by what was added, then as always.
    pub fn set_last_id(&mut self, id: Id, added: Option<u64>, max_deleted: Option<Id>) {
        self.last_id = id;
        self.added = added.unwrap_or(self.added);
        self.bound_groups();
        self.max_deleted = max_deleted.unwrap_or(self.max_deleted);
    }

    /// How many nodes at the beginning go as a whole, and how many entries with them.
    fn whole_nodes(&self, trim: Trim) -> (usize, u64) {
        let len = self.len as u64;
        if let (Cut::Length(most), None) = (trim.cut, trim.limit)
            && most < len / 2
        {
            // Those that stay are fewer, so they are counted.
            let (mut nodes, mut entries) = (0, 0);
            let mut back = self.nodes.iter_back();
            while entries < most
                && let Some(node) = back.next()
            {
                entries += node.live() as u64;
                nodes += 1;
            }
            return (self.nodes.len() - nodes, len - entries);
        }
        let limit = trim.limit.unwrap_or(u64::MAX);
        let (mut whole, mut gone) = (0, 0);
        for node in self.nodes.iter() {
            let live = node.live() as u64;
            let goes = match trim.cut {
                Cut::Length(most) => len - gone >= most.saturating_add(live),
                Cut::Below(id) => node.last_id() < id,
            };
            if !goes || gone + live > limit {
                break;
            }
            gone += live;
            whole += 1;
        }
        (whole, gone)
    }

    /// As `trim`, where groups have a say: entry by entry, and also behind entries that must stay.
    fn trim_minding(&mut self, trim: Trim) -> u64 {
        let limit = trim.limit.unwrap_or(u64::MAX);
        let (mut gone, mut next) = (0, Some(Id::MIN));
        while let Some(from) = next {
            let spot = self.nodes.seek(from);
            let Some(node) = self.nodes.get(spot) else { break };
            let live = node.live() as u64;
            let excess = match trim.cut {
                Cut::Length(most) => (self.len as u64).saturating_sub(most),
                Cut::Below(_) => u64::MAX,
            };
            if excess == 0 || gone + live > limit {
                break;
            }
            let goes_whole = match trim.cut {
                Cut::Length(_) => live <= excess,
                Cut::Below(id) => node.last_id() < id,
            };
            next = node.last_id().next().filter(|_| goes_whole);
            let below = match trim.cut {
                Cut::Length(_) => Id::MAX,
                Cut::Below(id) => id.previous().unwrap_or(Id::MIN),
            };
            let mut chosen = node.places(Id::MIN, below);
            chosen.retain(|(_, id)| trim.refs != Refs::Acked || !self.is_awaited(*id));
            chosen.truncate(usize::try_from(excess).unwrap_or(usize::MAX));
            if trim.refs == Refs::Drop {
                chosen.iter().for_each(|(_, id)| _ = self.forget(*id));
            }
            if chosen.is_empty() {
                continue;
            }
            let Some(node) = self.nodes.get_mut(spot) else { break };
            node.delete_all(&chosen);
            if node.live() == 0 {
                self.nodes.remove_at(spot);
            }
            self.len -= chosen.len();
            gone += chosen.len() as u64;
        }
        gone
    }

    /// Removes entries of the first node.
    fn trim_inside(&mut self, cut: Cut) {
        let Some(spot) = self.nodes.first().map(|node| self.nodes.seek(node.id())) else { return };
        let Some(node) = self.nodes.get_mut(spot) else { return };
        let gone = match cut {
            Cut::Length(most) => {
                let mut left = (self.len as u64).saturating_sub(most);
                node.delete_while(|_| {
                    let goes = left > 0;
                    left = left.saturating_sub(1);
                    goes
                })
            }
            Cut::Below(id) => node.delete_while(|own| own < id),
        };
        if node.live() == 0 {
            self.nodes.remove_at(spot);
        }
        self.len -= gone;
    }

    /// What is known of who has added entries.
    pub fn producers(&self) -> Option<&Producers> {
        self.producers.as_deref()
    }

    pub fn producers_mut(&mut self) -> &mut Producers {
        self.producers.get_or_insert_default()
    }

    /// For how long entries are recognised that are added twice, and how many.
    pub fn idmp_memory(&self, directives: Memory) -> Memory {
        self.producers().map_or(directives, |producers| producers.memory_or(directives))
    }

    /// The entry that a producer has added under this name.
    pub fn find_added(
        &self,
        producer: &[u8],
        name: &[u8],
        now_ms: u64,
        memory: Memory,
    ) -> Option<Id> {
        self.producers()?.find(producer, name, now_ms, memory)
    }

    /// The node in which an entry must be, if it is there.
    fn node_of(&self, id: Id) -> Option<Spot> {
        self.nodes.seek_back(id)
    }
}

fn is_in(nodes: &Runs<Node>, id: Id) -> bool {
    let node = nodes.seek_back(id).and_then(|spot| nodes.get(spot));
    node.is_some_and(|node| node.find(id).is_some())
}

fn range_of(nodes: &Runs<Node>, start: Id, end: Id) -> Range<'_> {
    let spot = nodes.seek_back(start);
    let mut nodes = spot.map_or_else(|| nodes.iter(), |spot| nodes.iter_from(spot));
    let walk = nodes.next().map(Node::walk);
    Range { walk, nodes, start, end }
}

/// Entries in ascending order.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    walk: Option<Walk<'a>>,
    nodes: runs::Iter<'a, Node>,
    start: Id,
    end: Id,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;
    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.walk.as_mut()?.next_from(self.start) {
                return (entry.id <= self.end).then_some(entry);
            }
            self.walk = self.nodes.next().map(Node::walk);
        }
    }
}

/// Entries in descending order. A node is walked forwards, and then its places are taken from the
/// end.
pub struct RangeBack<'a> {
    nodes: Option<runs::IterBack<'a, Node>>,
    node: Option<&'a Node>,
    places: Vec<(usize, Id)>,
    start: Id,
    end: Id,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(node) = self.node
                && let Some((at, id)) = self.places.pop()
            {
                return Some(node.entry(at, id));
            }
            let node = self.nodes.as_mut()?.next()?;
            if node.last_id() < self.start {
                return None;
            }
            self.node = Some(node);
            self.places = node.places(self.start, self.end);
        }
    }
}
