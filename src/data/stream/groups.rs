//! A stream and its consumer groups: what was delivered to whom, and how much is still to come.

use super::group::{Group, Owner, Pending};
use super::id::Id;
use super::node::Entry;
use super::{Stream, is_in, range_of};
use crate::base::memory_size::{of_array, size_class};
use std::collections::BTreeMap;

pub(super) type Groups = BTreeMap<Box<[u8]>, Group>;

/// What a stream remembers of its past, as far as it tells how much of it a group has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    first_id: Id,
    last_id: Id,
    max_deleted: Id,
    len: u64,
    added: u64,
}

/// How entries are delivered.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    pub to: Owner,
    pub most: usize,
    pub now_ms: i64,
    /// They are not pending then: nobody will acknowledge them.
    pub forgets: bool,
}

impl Stream {
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.as_ref()?.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.as_mut()?.get_mut(name)
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().flat_map(|groups| groups.iter()).map(|(name, group)| (&**name, group))
    }

    pub fn group_count(&self) -> usize {
        self.groups.as_ref().map_or(0, |groups| groups.len())
    }

    /// Adds a group that has read so far; says no if there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: Id, read: Option<u64>) -> bool {
        let read = self.bounded(read);
        let groups = self.groups.get_or_insert_default();
        let is_new = !groups.contains_key(name);
        if is_new {
            groups.insert(name.into(), Group::new(last_id, read));
        }
        is_new
    }

    /// Removes a group. It is handed over, since freeing it may take long.
    pub fn destroy_group(&mut self, name: &[u8]) -> Option<Stream> {
        let groups = self.groups.as_mut()?;
        let (name, group) = groups.remove_entry(name)?;
        if groups.is_empty() {
            self.groups = None;
        }
        Some(alone(name, group))
    }

    /// Removes a consumer of a group; says how much he had not acknowledged. What is left of it is handed
    /// over, since freeing it may take long.
    pub fn dismiss(&mut self, name: &[u8], consumer: &[u8]) -> Option<(usize, Stream)> {
        let (count, left) = self.group_mut(name)?.dismiss(consumer)?;
        Some((count, alone(Box::default(), left)))
    }

    /// A group has read so far now; says no if there is none.
    pub fn rewind_group(&mut self, name: &[u8], last_id: Id, read: Option<u64>) -> bool {
        let read = self.bounded(read);
        let Some(group) = self.group_mut(name) else { return false };
        (group.last_id, group.read) = (last_id, read);
        true
    }

    /// Delivers entries that the group has not read yet, as long as they are admitted.
    pub fn deliver(
        &mut self,
        name: &[u8],
        how: Delivery,
        mut admits: impl FnMut(&Entry) -> bool,
        mut visit: impl FnMut(Entry, &Pending),
    ) {
        let past = self.past();
        let Stream { nodes, groups, .. } = self;
        let Some(group) = groups.as_mut().and_then(|groups| groups.get_mut(name)) else { return };
        let Some(start) = group.last_id.next() else { return };
        let entries = range_of(nodes, start, Id::MAX).take(how.most);
        for entry in entries.take_while(|entry| admits(entry)) {
            group.read = past.read_after(group, entry.id);
            group.last_id = entry.id;
            let pending = Pending::new(entry.id, Some(how.to), how.now_ms, 1);
            visit(entry, &pending);
            if !how.forgets {
                group.put(pending);
                group.consumer_mut(how.to).active_ms = Some(how.now_ms);
            }
        }
    }

    /// What of a group is pending since some time and still there, the longest first.
    pub fn idle_since(&mut self, name: &[u8], time_ms: i64, most: usize) -> Vec<Pending> {
        let Stream { nodes, groups, .. } = self;
        let Some(group) = groups.as_mut().and_then(|groups| groups.get_mut(name)) else {
            return Vec::new();
        };
        let ids = group.idle_since(time_ms).filter(|id| is_in(nodes, *id)).take(most);
        let ids: Vec<Id> = ids.collect();
        ids.into_iter().filter_map(|id| group.lookup(id).copied()).collect()
    }

    /// How many entries a group has not read yet, where that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let past = self.past();
        if past.added == 0 || past.len == 0 {
            return Some(0);
        }
        if group.last_id < past.first_id && past.max_deleted < past.first_id {
            return Some(past.len as i64);
        }
        let is_sure = !past.has_gap_from(group.last_id);
        let read = group.read.filter(|_| is_sure).or_else(|| past.read_until(group.last_id))?;
        Some(past.added as i64 - read as i64)
    }

    /// Is an entry of any use to a group: not read, or not acknowledged?
    pub fn is_awaited(&self, id: Id) -> bool {
        self.groups().any(|(_, group)| group.last_id < id || group.lookup(id).is_some())
    }

    /// No group remembers an entry any longer; says whether any did.
    pub fn forget(&mut self, id: Id) -> bool {
        let groups = self.groups.iter_mut().flat_map(|groups| groups.values_mut());
        groups.filter_map(|group| group.remove(id).then_some(())).count() > 0
    }

    pub(super) fn bound_groups(&mut self) {
        let added = self.added;
        for group in self.groups.iter_mut().flat_map(|groups| groups.values_mut()) {
            group.read = group.read.map(|read| read.min(added));
        }
    }

    /// Nobody has read more entries than were added.
    fn bounded(&self, read: Option<u64>) -> Option<u64> {
        read.map(|read| read.min(self.added))
    }

    pub(super) fn past(&self) -> Past {
        Past {
            first_id: self.first_id().unwrap_or(Id::MIN),
            last_id: self.last_id,
            max_deleted: self.max_deleted,
            len: self.len as u64,
            added: self.added,
        }
    }

    pub(super) fn freeze_groups(&mut self) -> Option<Box<Groups>> {
        let groups = self.groups.as_mut()?;
        let frozen = groups.iter_mut().map(|(name, group)| (name.clone(), group.freeze()));
        Some(Box::new(frozen.collect()))
    }

    /// Bytes of heap that the groups take.
    pub(super) fn groups_memory(&self) -> usize {
        let Some(groups) = &self.groups else { return 0 };
        let names = groups.keys().map(|name| of_array::<u8>(name.len())).sum::<usize>();
        size_class(size_of::<Groups>())
            + super::group::tree::<(Box<[u8]>, Group)>(groups.len())
            + names
            + groups.values().map(Group::memory).sum::<usize>()
    }

    pub(super) fn groups_pieces(&self) -> usize {
        self.groups().map(|(_, group)| group.pieces() + 1).sum()
    }

    /// What equal streams agree on: not when entries were delivered and how often, since reading what
    /// is pending changes both, and nobody is told.
    pub(super) fn groups_parts(&self, parts: &mut Vec<Vec<u8>>) {
        for (name, group) in self.groups() {
            parts.push(name.to_vec());
            parts.push(format!("{} {:?}", group.last_id, group.read).into_bytes());
            parts.extend(group.consumers().map(|(_, consumer)| consumer.name.to_vec()));
            for pending in group.pending_from(Id::MIN) {
                parts.push(pending.id().to_string().into_bytes());
                let owner = pending.owner().map(|owner| group.consumer(owner).name.to_vec());
                parts.extend(owner);
            }
        }
    }
}

/// A stream that is nothing but a group.
fn alone(name: Box<[u8]>, group: Group) -> Stream {
    Stream { groups: Some(Box::new(Groups::from([(name, group)]))), ..Stream::default() }
}

impl Past {
    /// How many entries a group has read once it has read this one.
    fn read_after(&self, group: &Group, id: Id) -> Option<u64> {
        match group.read {
            Some(read) if group.last_id >= self.first_id && !self.has_gap_from(group.last_id) => {
                Some(read + 1)
            }
            read if self.added == 0 => read,
            _ => self.read_until(id),
        }
    }

    /// Was an entry deleted that comes after this one, or is it one that was?
    fn has_gap_from(&self, id: Id) -> bool {
        self.len > 0 && self.max_deleted != Id::MIN && id <= self.max_deleted
    }

    /// How many entries were ever added up to this one, where that can be told.
    pub(super) fn read_until(&self, id: Id) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.added);
        }
        if id != Id::MIN && id < self.max_deleted {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.added);
        }
        if self.max_deleted != Id::MIN && self.max_deleted >= self.first_id {
            return None;
        }
        let before = self.added.saturating_sub(self.len);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before + 1),
            std::cmp::Ordering::Greater => None,
        }
    }
}
