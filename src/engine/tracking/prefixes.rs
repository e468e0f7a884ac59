//! Prefixes that clients follow: they hear of every key below them that changes, read or not.
//!
//! A changed key is looked up once for each *length* that some prefix has, so that it does not matter
//! how many prefixes there are. What changed is gathered at the prefix until it is told, each key once.

use crate::base::map::Map;
use crate::engine::SessionKey;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

pub type Name = Arc<[u8]>;

/// Keys that changed, in their order, and who changed each of them last; nobody, if time did.
pub type Changed = BTreeMap<Box<[u8]>, Option<SessionKey>>;

#[derive(Default)]
pub struct Prefixes {
    known: Map<Name, Prefix>,
    /// How many prefixes have this length.
    lengths: BTreeMap<usize, usize>,
    /// Those below which something changed.
    touched: BTreeSet<Box<[u8]>>,
}

#[derive(Default)]
struct Prefix {
    /// With their ids, in the order of those.
    followers: Vec<(u64, SessionKey)>,
    changed: Changed,
}

impl Prefixes {
    /// How many prefixes somebody follows.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// A client follows a prefix from here on. It is handed the name that all its followers share.
    pub fn follow(&mut self, prefix: &[u8], id: u64, who: SessionKey) -> Name {
        let known = self.known.get_key_value(prefix).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            *self.lengths.entry(prefix.len()).or_default() += 1;
            prefix.into()
        });
        let followers = &mut self.known.entry(name.clone()).or_default().followers;
        if let Err(at) = followers.binary_search_by_key(&id, |(id, _)| *id) {
            followers.insert(at, (id, who));
        }
        name
    }

    /// A client follows a prefix no longer.
    pub fn leave(&mut self, prefix: &Name, id: u64) {
        let Some(known) = self.known.get_mut(prefix) else { return };
        if let Ok(at) = known.followers.binary_search_by_key(&id, |(id, _)| *id) {
            known.followers.remove(at);
        }
        if !known.followers.is_empty() {
            return;
        }
        self.known.remove(prefix);
        self.touched.remove(&**prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// A key has changed.
    pub fn note(&mut self, key: &[u8], writer: Option<SessionKey>) {
        for len in self.lengths.range(..=key.len()).map(|(len, _)| *len) {
            let Some(known) = self.known.get_mut(&key[..len]) else { continue };
            if known.changed.is_empty() {
                self.touched.insert(key[..len].into());
            }
            known.changed.insert(key.into(), writer);
        }
    }

    /// Is there anything to be told?
    #[inline]
    pub fn are_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// What has changed below the first prefix of which something is to be told, and who follows it.
    pub fn take_changed(&mut self) -> Option<(Changed, Vec<SessionKey>)> {
        let name = self.touched.pop_first()?;
        let known = self.known.get_mut(&*name)?;
        let followers = known.followers.iter().map(|(_, who)| *who).collect();
        Some((std::mem::take(&mut known.changed), followers))
    }
}

/// Two prefixes that a key could have both.
#[derive(Debug, PartialEq, Eq)]
pub enum Overlap<'a> {
    /// A new one, and one that the client follows already.
    WithOwn(&'a [u8], Name),
    /// Two new ones.
    WithNew(&'a [u8], &'a [u8]),
}

/// The first of the new prefixes that overlaps with something, and what that is: among the client's
/// own, of which no two overlap, the first in order; then among those that come behind it.
///
/// Sorted, a prefix lies before all that begins with it, and nothing else lies between. So one look
/// through all of them finds whatever overlaps, in O(n log n).
pub fn overlap<'a>(new: &[&'a [u8]], own: &BTreeSet<Name>) -> Option<Overlap<'a>> {
    let mut order: Vec<usize> = (0..new.len()).collect();
    order.sort_by_key(|index| new[*index]);
    // What the one at hand may begin with, shortest first.
    let mut around: Vec<usize> = Vec::new();
    let mut first = usize::MAX;
    for index in order {
        while around.pop_if(|outer| !new[index].starts_with(new[*outer])).is_some() {}
        if let Some(outer) = around.last() {
            first = first.min(index).min(*outer);
        }
        around.push(index);
    }
    for (index, prefix) in new.iter().enumerate() {
        if let Some(other) = overlapping(own, prefix) {
            return Some(Overlap::WithOwn(prefix, other.clone()));
        }
        if index == first {
            let overlaps = |other: &&&[u8]| other.starts_with(prefix) || prefix.starts_with(other);
            let other = new[index + 1..].iter().find(overlaps)?;
            return Some(Overlap::WithNew(prefix, other));
        }
    }
    None
}

/// The first of some prefixes, of which no two overlap, that overlaps with another one.
fn overlapping<'a>(own: &'a BTreeSet<Name>, prefix: &[u8]) -> Option<&'a Name> {
    let before = own.range::<[u8], _>((Unbounded, Included(prefix))).next_back();
    let behind = || own.range::<[u8], _>((Included(prefix), Unbounded)).next();
    before
        .filter(|other| prefix.starts_with(other))
        .or_else(|| behind().filter(|other| other.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::session::Sessions;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(b'a'..=b'b', 0..5)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Follow(usize, Vec<u8>),
        Leave(usize),
        Change(Vec<u8>, bool),
        Tell,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0usize..4, word()).prop_map(|(who, prefix)| Step::Follow(who, prefix)),
            1 => (0usize..4).prop_map(Step::Leave),
            4 => (word(), any::<bool>()).prop_map(|(key, by)| Step::Change(key, by)),
            1 => Just(Step::Tell),
        ]
    }

    type Told = Vec<(Changed, Vec<SessionKey>)>;

    proptest! {
        /// Each prefix is told what changed below it since somebody followed it, as if every prefix
        /// had been compared with every key.
        #[test]
        fn who_follows_a_prefix_hears_of_its_keys(steps in proptest::collection::vec(step(), 0..60)) {
            let mut sessions = Sessions::default();
            let clients: Vec<(u64, SessionKey)> = (0..4)
                .map(|_| {
                    let session = sessions.open(Default::default(), 0, Default::default());
                    (session.id, session.key)
                })
                .collect();
            let mut prefixes = Prefixes::default();
            let mut own: Vec<BTreeSet<Name>> = vec![BTreeSet::new(); 4];
            let mut model: BTreeMap<Vec<u8>, (BTreeSet<usize>, Changed)> = BTreeMap::new();
            for step in steps.into_iter().chain([Step::Tell]) {
                match step {
                    Step::Follow(number, prefix) => {
                        let (id, who) = clients[number];
                        own[number].insert(prefixes.follow(&prefix, id, who));
                        model.entry(prefix).or_default().0.insert(number);
                    }
                    Step::Leave(number) => {
                        for name in std::mem::take(&mut own[number]) {
                            prefixes.leave(&name, clients[number].0);
                        }
                        model.values_mut().for_each(|(who, _)| {
                            who.remove(&number);
                        });
                        model.retain(|_, (who, _)| !who.is_empty());
                    }
                    Step::Change(key, by_somebody) => {
                        let writer = by_somebody.then_some(clients[0].1);
                        prefixes.note(&key, writer);
                        for (prefix, (_, changed)) in &mut model {
                            if key.starts_with(prefix) {
                                changed.insert(key.as_slice().into(), writer);
                            }
                        }
                    }
                    Step::Tell => {
                        prop_assert_eq!(
                            prefixes.are_touched(),
                            model.values().any(|(_, changed)| !changed.is_empty())
                        );
                        let told: Told = std::iter::from_fn(|| prefixes.take_changed()).collect();
                        let wanted: Told = model
                            .values_mut()
                            .filter(|(_, changed)| !changed.is_empty())
                            .map(|(who, changed)| {
                                let who = who.iter().map(|number| clients[*number].1).collect();
                                (std::mem::take(changed), who)
                            })
                            .collect();
                        prop_assert_eq!(told, wanted);
                    }
                }
                prop_assert_eq!(prefixes.len(), model.len());
                let lengths: BTreeSet<usize> = model.keys().map(Vec::len).collect();
                prop_assert!(prefixes.lengths.keys().eq(&lengths));
            }
        }

        /// The same overlap is found as by comparing each with each.
        #[test]
        fn overlaps_are_found_in_order(
            new in proptest::collection::vec(word(), 0..6),
            own in proptest::collection::vec(word(), 0..6),
        ) {
            let new: Vec<&[u8]> = new.iter().map(|word| &**word).collect();
            let overlaps = |left: &[u8], right: &[u8]| left.starts_with(right) || right.starts_with(left);
            // The client's own were accepted one by one.
            let mut accepted: BTreeSet<Name> = BTreeSet::new();
            for word in own {
                if !accepted.iter().any(|other| overlaps(other, &word)) {
                    accepted.insert(word.as_slice().into());
                }
            }
            let wanted = new.iter().enumerate().find_map(|(index, prefix)| {
                let own = accepted.iter().find(|other| overlaps(other, prefix));
                let behind = || new[index + 1..].iter().find(|other| overlaps(other, prefix));
                own.map(|other| Overlap::WithOwn(prefix, other.clone()))
                    .or_else(|| behind().map(|other| Overlap::WithNew(prefix, other)))
            });
            prop_assert_eq!(overlap(&new, &accepted), wanted);
        }
    }
}
