//! What the ages of keys say, for those who have keys but no keyspace: who writes a snapshot, and who reads one.

use super::Policy;
use crate::keyspace::{Aging, Keyspace, Rules};
use std::sync::Arc;

/// The policies of the server and of its rules, and the clock. Without any policy nothing is told.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    aging: Aging,
    /// That of keys that no rule is about, and then those of the rules.
    policies: Vec<Policy>,
    rules: Option<Arc<Rules>>,
    /// For each database the rules that its keys may belong to, in the order in which they are looked at.
    orders: Vec<Vec<u16>>,
}

impl Keyspace {
    /// What the ages of keys say at this moment.
    pub fn ages(&self) -> Ages {
        let rules = self.rules().cloned();
        let orders = rules.iter().flat_map(|rules| (0..self.databases()).map(|db| rules.order(db)));
        Ages {
            aging: self.aging,
            policies: self.eviction.groups.iter().map(|group| group.policy).collect(),
            orders: orders.collect(),
            rules,
        }
    }
}

impl Ages {
    /// What is saved of a key's age, if its policy goes by it: the seconds since its last use, or how often it was used.
    pub fn saved(&self, db: usize, key: &[u8], age: u32) -> (Option<u64>, Option<u8>) {
        let policy = self.policy(db, key);
        let aging = policy.ages(self.aging);
        match policy.goes_by_age() {
            false => (None, None),
            true if aging.lfu => (None, Some(aging.frequency_before(age))),
            true => (Some(aging.idle_before(age).into()), None),
        }
    }

    /// The age of a key of which that was saved.
    pub fn restored(&self, db: usize, key: &[u8], idle: Option<u64>, frequency: Option<u8>) -> u32 {
        self.policy(db, key).ages(self.aging).restored(idle, frequency)
    }

    fn policy(&self, db: usize, key: &[u8]) -> Policy {
        let rule = self.rules.as_ref().zip(self.orders.get(db));
        let rule = rule.and_then(|(rules, order)| rules.first_about(order, key));
        let group = rule.map_or(0, |rule| usize::from(rule) + 1);
        self.policies.get(group).copied().unwrap_or(Policy::NOTHING)
    }
}
