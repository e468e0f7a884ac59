//! A consumer group: how far it has read, who reads for it, and what they have not yet acknowledged.
//!
//! What is pending is one ordered list of small entries for the group, and beside it for each consumer
//! the ids that are his. An entry names its consumer by number. Those who claim by time need a third
//! order, which is made when it is first asked for, since most groups never are.

use super::id::Id;
use super::runs::{Keyed, Runs};
use crate::base::memory_size::{of_array, size_class};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered to anybody.
    pub last_id: Id,
    /// How many entries were ever delivered, deleted ones counted too, where that is known.
    pub read: Option<u64>,
    pending: Runs<Pending>,
    consumers: Vec<Option<Consumer>>,
    names: BTreeMap<Box<[u8]>, Owner>,
    vacant: Vec<Owner>,
    by_time: Option<BTreeSet<(i64, Id)>>,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    pub name: Box<[u8]>,
    /// When he last tried to do something, and when he last got something.
    pub seen_ms: i64,
    pub active_ms: Option<i64>,
    pending: Runs<Id>,
}

/// The number of a consumer in his group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(u32);

/// An entry that was delivered and not acknowledged: to whom, when last, and how often. The three are
/// packed, since there may be many: 28, 44 and 56 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    id: Id,
    state: u128,
}

/// To find one entry among many takes as long as to look at about so many.
const SEARCH: usize = 64;

/// Nobody's: it was given back.
const NOBODY: u32 = (1 << 28) - 1;
const TIME_MAX: u128 = (1 << 44) - 1;
const COUNT_MAX: u128 = (1 << 56) - 1;
/// From here on the numbers are kept that lead up to the greatest one: XNACK gives an entry that one, and
/// other commands count on from there. Numbers in between are cut.
const MANY: u64 = 1 << 55;
const MOST: u64 = i64::MAX as u64;

fn packed(count: u64) -> u64 {
    match MOST - count.min(MOST) {
        _ if count < MANY => count,
        left @ ..MANY => COUNT_MAX as u64 - left,
        _ => MANY - 1,
    }
}

impl Pending {
    pub fn new(id: Id, owner: Option<Owner>, time_ms: i64, count: u64) -> Pending {
        let owner = u128::from(owner.map_or(NOBODY, |owner| owner.0));
        let time = (time_ms.max(0) as u128).min(TIME_MAX);
        let count = u128::from(packed(count));
        Pending { id, state: owner << 100 | time << 56 | count }
    }

    pub fn id(&self) -> Id {
        self.id
    }

    pub fn owner(&self) -> Option<Owner> {
        let owner = (self.state >> 100) as u32;
        (owner != NOBODY).then_some(Owner(owner))
    }

    /// When it was last delivered; zero if it was given back.
    pub fn time_ms(&self) -> i64 {
        (self.state >> 56 & TIME_MAX) as i64
    }

    /// How often it was delivered.
    pub fn count(&self) -> u64 {
        match (self.state & COUNT_MAX) as u64 {
            few @ ..MANY => few,
            many => MOST - (COUNT_MAX as u64 - many),
        }
    }

    /// For how long nobody has heard of it; for no time, if it was delivered by a clock that was ahead of this one.
    pub fn idle_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.time_ms()).max(0)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {:?} {} {}", self.id, self.owner(), self.time_ms(), self.count())
    }
}

impl Keyed for Pending {
    fn id(&self) -> Id {
        self.id
    }
}

impl Consumer {
    /// How many entries he has not acknowledged.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The ids of those entries.
    pub fn pending_ids(&self) -> impl Iterator<Item = Id> {
        self.pending.iter().copied()
    }
}

impl Group {
    pub fn new(last_id: Id, read: Option<u64>) -> Group {
        Group { last_id, read, ..Group::default() }
    }

    // ── consumers ───────────────────────────────────────────────────────────────────────────

    pub fn find(&self, name: &[u8]) -> Option<Owner> {
        self.names.get(name).copied()
    }

    /// The consumer of a number, who is there as long as nobody removes him.
    pub fn consumer(&self, owner: Owner) -> &Consumer {
        self.consumers[owner.0 as usize].as_ref().expect("he is known by his number")
    }

    pub fn consumer_mut(&mut self, owner: Owner) -> &mut Consumer {
        self.consumers[owner.0 as usize].as_mut().expect("he is known by his number")
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (Owner, &Consumer)> {
        self.names.values().map(|owner| (*owner, self.consumer(*owner)))
    }

    /// A consumer of this name, and whether he is new. None, if there are too many.
    pub fn admit(&mut self, name: &[u8], now_ms: i64) -> Option<(Owner, bool)> {
        if let Some(owner) = self.find(name) {
            return Some((owner, false));
        }
        let owner = match self.vacant.pop() {
            Some(owner) => owner,
            None => {
                let number = u32::try_from(self.consumers.len()).ok().filter(|it| *it < NOBODY)?;
                self.consumers.push(None);
                Owner(number)
            }
        };
        let name: Box<[u8]> = name.into();
        self.names.insert(name.clone(), owner);
        self.consumers[owner.0 as usize] =
            Some(Consumer { name, seen_ms: now_ms, active_ms: None, pending: Runs::default() });
        Some((owner, true))
    }

    /// Removes a consumer, and with him what he has not acknowledged. Says how much that was, and hands
    /// over what it lay in, since freeing it may take long.
    ///
    /// Much is not taken out one by one: what stays is laid anew. The order by time is made again when
    /// it is next asked for.
    pub fn dismiss(&mut self, name: &[u8]) -> Option<(usize, Group)> {
        let owner = self.names.remove(name)?;
        let consumer = self.consumers[owner.0 as usize].take()?;
        self.vacant.push(owner);
        let count = consumer.pending.len();
        let mut left = Group::default();
        if count < self.pending.len() / SEARCH {
            for id in consumer.pending.iter() {
                if let Some(pending) = self.pending.remove(*id) {
                    self.forget_time(&pending);
                }
            }
        } else if count > 0 {
            let kept = self.pending_but(owner, count);
            left.pending = std::mem::replace(&mut self.pending, kept);
            left.by_time = self.by_time.take();
        }
        left.consumers.push(Some(consumer));
        Some((count, left))
    }

    /// What is pending without that of one consumer, who is no longer among the others.
    fn pending_but(&self, gone: Owner, count: usize) -> Runs<Pending> {
        let mut kept = Runs::default();
        let others = self.consumers.iter().flatten();
        let theirs = others.clone().map(Consumer::pending).sum::<usize>();
        if count + theirs == self.pending.len() && theirs < self.pending.len() / SEARCH {
            let ids = others.flat_map(|consumer| consumer.pending.iter());
            let mut few: Vec<Pending> = ids.filter_map(|id| self.lookup(*id).copied()).collect();
            few.sort_unstable_by_key(Pending::id);
            few.into_iter().for_each(|pending| kept.push(pending));
        } else {
            let all = self.pending.iter();
            all.filter(|it| it.owner() != Some(gone)).for_each(|pending| kept.push(*pending));
        }
        kept
    }

    // ── what is pending ─────────────────────────────────────────────────────────────────────

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    pub fn first_pending(&self) -> Option<Id> {
        self.pending.first().map(Pending::id)
    }

    pub fn last_pending(&self) -> Option<Id> {
        self.pending.last().map(Pending::id)
    }

    pub fn lookup(&self, id: Id) -> Option<&Pending> {
        self.pending.lookup(id)
    }

    /// What is pending from an id on.
    pub fn pending_from(&self, start: Id) -> impl Iterator<Item = &Pending> {
        self.pending.iter_from(self.pending.seek(start))
    }

    /// What is pending of one consumer, from an id on.
    pub fn pending_of(&self, owner: Owner, start: Id) -> impl Iterator<Item = &Pending> {
        let ids = &self.consumer(owner).pending;
        ids.iter_from(ids.seek(start)).filter_map(|id| self.lookup(*id))
    }

    /// An entry is pending, whether it was before or not.
    pub fn put(&mut self, pending: Pending) {
        let before = self.pending.insert(pending);
        let was = before.and_then(|before| before.owner());
        if let Some(before) = before {
            self.forget_time(&before);
        }
        if let Some(by_time) = &mut self.by_time {
            by_time.insert((pending.time_ms(), pending.id));
        }
        let is = pending.owner();
        if was == is && before.is_some() {
            return;
        }
        if let Some(owner) = was {
            self.consumer_mut(owner).pending.remove(pending.id);
        }
        if let Some(owner) = is {
            self.consumer_mut(owner).pending.insert(pending.id);
        }
    }

    /// An entry is pending no longer; says whether it was.
    pub fn remove(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        self.forget_time(&pending);
        if let Some(owner) = pending.owner() {
            self.consumer_mut(owner).pending.remove(id);
        }
        true
    }

    /// What nobody has heard of since some time, the longest first.
    pub fn idle_since(&mut self, time_ms: i64) -> impl Iterator<Item = Id> {
        let order = || self.pending.iter().map(|pending| (pending.time_ms(), pending.id)).collect();
        let by_time = self.by_time.get_or_insert_with(order);
        by_time.range(..=(time_ms, Id::MAX)).map(|(_, id)| *id)
    }

    fn forget_time(&mut self, pending: &Pending) {
        if let Some(by_time) = &mut self.by_time {
            by_time.remove(&(pending.time_ms(), pending.id));
        }
    }

    /// The group as it is now, to be read while this one goes on changing. The order by time is made anew by
    /// who asks for it.
    pub fn freeze(&mut self) -> Group {
        let share = |consumer: &mut Consumer| Consumer {
            name: consumer.name.clone(),
            pending: consumer.pending.freeze(|_| ()),
            ..*consumer
        };
        Group {
            pending: self.pending.freeze(|_| ()),
            consumers: self.consumers.iter_mut().map(|it| it.as_mut().map(share)).collect(),
            names: self.names.clone(),
            vacant: self.vacant.clone(),
            by_time: None,
            ..*self
        }
    }

    // ── size ────────────────────────────────────────────────────────────────────────────────

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        let each = |consumer: &Consumer| {
            // The name is here, and as a key; an entry of the tree is mostly two thirds full.
            2 * of_array::<u8>(consumer.name.len()) + consumer.pending.memory()
        };
        let consumers = self.consumers.iter().flatten().map(each).sum::<usize>();
        let by_time = self.by_time.as_ref().map_or(0, |times| tree::<(i64, Id)>(times.len()));
        self.pending.memory()
            + of_array::<Option<Consumer>>(self.consumers.capacity())
            + of_array::<Owner>(self.vacant.capacity())
            + tree::<(Box<[u8]>, Owner)>(self.names.len())
            + consumers
            + by_time
    }

    /// In about how many pieces of heap it lies.
    pub fn pieces(&self) -> usize {
        let consumers = self.consumers.iter().flatten().map(|it| it.pending.pieces() + 2);
        let times = self.by_time.as_ref().map_or(0, |times| times.len() / 8);
        self.pending.pieces() + consumers.sum::<usize>() + times + 1
    }
}

/// About what a B-tree of the standard library takes: nodes of eleven, filled to two thirds unless there
/// is only one.
pub(super) fn tree<T>(items: usize) -> usize {
    const ROOM: usize = 11;
    const AROUND: usize = 16;
    let node = size_class(ROOM * size_of::<T>() + AROUND);
    match items {
        0 => 0,
        1..=ROOM => node,
        _ => items.div_ceil(ROOM * 2 / 3) * node,
    }
}
