//! The accounts of `maxmemory-rule`: how many bytes the keys of each rule take.
//!
//! A key belongs to the rule with the longest prefix that it begins with; of two with the same one, to that
//! which names its database. What a key counts is what its record takes from the allocator. It is counted where
//! sizes are (`sizes.rs`), by whoever may change a record: insertion, removal, `Edit`, `put_text`, deadlines, and a
//! snapshot that freezes it. Without rules each of these looks at a pointer that is null.
//!
//! When rules change, all keys are counted anew, a few buckets at a time. The table lies in the order of hashes, so
//! that one comparison says whether a key is counted already, and those that are not yet are nobody's.

use super::record::Record;
use super::{Db, Keyspace};
use crate::base::table::{self, Place};
use crate::config::MemoryRule;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rules, and what all databases have in each.
#[derive(Debug)]
pub struct Rules {
    pub list: Vec<MemoryRule>,
    totals: Vec<Total>,
}

/// Shared by the databases; there is one engine, so nothing is contended.
#[derive(Debug, Default)]
struct Total {
    bytes: AtomicU64,
    keys: AtomicU64,
    volatile: AtomicU64,
}

/// What the keys of a rule come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub bytes: u64,
    pub keys: u64,
    /// Of them, those with a deadline.
    pub volatile: u64,
}

/// What one database has in each rule.
pub(super) struct Accounts {
    rules: Arc<Rules>,
    /// The rules that keys here may belong to: the longest prefix first.
    order: Vec<u16>,
    sums: Vec<Sum>,
    /// Keys that lie before this are counted.
    counted_to: u64,
}

/// What a record counts, and where; nothing if no rule is about it.
pub(super) type Weight = Option<Counts>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    rule: u16,
    bytes: u64,
    volatile: bool,
}

/// All keys lie before this.
const ALL: u64 = u64::MAX;

impl Rules {
    fn new(list: Vec<MemoryRule>) -> Rules {
        let totals = list.iter().map(|_| Total::default()).collect();
        Rules { list, totals }
    }

    /// What all keys of a rule come to.
    #[inline]
    pub fn sum(&self, rule: usize) -> Sum {
        let total = &self.totals[rule];
        Sum {
            bytes: total.bytes.load(Ordering::Relaxed),
            keys: total.keys.load(Ordering::Relaxed),
            volatile: total.volatile.load(Ordering::Relaxed),
        }
    }

    /// Do the keys of a rule take more than they may?
    #[inline]
    pub fn is_over(&self, rule: usize) -> bool {
        let limit = self.list[rule].limit;
        limit > 0 && self.totals[rule].bytes.load(Ordering::Relaxed) > limit
    }

    /// The rules that keys of a database may belong to, in the order in which they are looked at.
    pub(super) fn order(&self, db: usize) -> Vec<u16> {
        let here = |rule: &MemoryRule| rule.db.is_none_or(|own| own as usize == db);
        let list = &self.list;
        let mut order: Vec<u16> =
            (0..list.len()).filter(|at| here(&list[*at])).map(|at| at as u16).collect();
        order.sort_by_key(|at| {
            let rule = &list[*at as usize];
            (std::cmp::Reverse(rule.prefix.len()), rule.db.is_none())
        });
        order
    }

    /// The first of them that is about a key.
    #[inline]
    pub(super) fn first_about(&self, order: &[u16], key: &[u8]) -> Option<u16> {
        let is_about = |at: &u16| key.starts_with(&self.list[*at as usize].prefix);
        order.iter().copied().find(is_about)
    }

    fn change(&self, rule: u16, by: Sum, comes: bool) {
        let total = &self.totals[rule as usize];
        for (total, by) in
            [(&total.bytes, by.bytes), (&total.keys, by.keys), (&total.volatile, by.volatile)]
        {
            // As `Sum::change`: what would be below nothing is nothing, and not a rule that is over for ever.
            let changed = |before: u64| match comes {
                true => before.checked_add(by),
                false => Some(before.saturating_sub(by)),
            };
            let _ = total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        }
    }
}

impl Counts {
    fn of(rule: u16, record: &Record) -> Counts {
        Counts { rule, bytes: record.memory() as u64, volatile: record.deadline().is_some() }
    }
}

impl Sum {
    fn of(counts: Counts) -> Sum {
        Sum { bytes: counts.bytes, keys: 1, volatile: counts.volatile.into() }
    }

    fn change(&mut self, by: Sum, comes: bool) {
        let (bytes, keys, volatile) = match comes {
            true => (
                self.bytes.checked_add(by.bytes),
                self.keys.checked_add(by.keys),
                self.volatile.checked_add(by.volatile),
            ),
            false => (
                self.bytes.checked_sub(by.bytes),
                self.keys.checked_sub(by.keys),
                self.volatile.checked_sub(by.volatile),
            ),
        };
        debug_assert!(bytes.is_some() && keys.is_some() && volatile.is_some(), "{self:?} {by:?}");
        *self = Sum {
            bytes: bytes.unwrap_or(0),
            keys: keys.unwrap_or(0),
            volatile: volatile.unwrap_or(0),
        };
    }
}

impl Accounts {
    fn new(rules: &Arc<Rules>, db: usize, counted_to: u64) -> Accounts {
        let sums = vec![Sum::default(); rules.list.len()];
        Accounts { rules: rules.clone(), order: rules.order(db), sums, counted_to }
    }

    /// The rule that a key belongs to.
    #[inline]
    fn rule_of(&self, key: &[u8]) -> Option<u16> {
        self.rules.first_about(&self.order, key)
    }

    fn weigh(&self, record: &Record, hash: u64) -> Weight {
        if table::position(hash) >= self.counted_to {
            return None;
        }
        Some(Counts::of(self.rule_of(record.key())?, record))
    }

    fn change(&mut self, weight: Weight, comes: bool) {
        let Some(counts) = weight else { return };
        let sum = Sum::of(counts);
        self.sums[counts.rule as usize].change(sum, comes);
        self.rules.change(counts.rule, sum, comes);
    }
}

impl Drop for Accounts {
    /// A database that is gone has nothing in any rule.
    fn drop(&mut self) {
        for (rule, sum) in self.sums.iter().enumerate() {
            self.rules.change(rule as u16, *sum, false);
        }
    }
}

impl Db {
    /// What a record counts as it is now. To be asked before and after whatever may change that.
    #[inline]
    pub(super) fn weight(&self, record: &Record) -> Weight {
        let accounts = self.accounts.as_deref()?;
        accounts.weigh(record, table::hash(self.table.seed(), record.key()))
    }

    #[inline]
    pub(super) fn weight_at(&self, place: Place) -> Weight {
        self.accounts.as_ref()?;
        self.weight(self.table.at(place)?)
    }

    /// A record comes, or goes.
    #[inline]
    pub(super) fn count_weight(&mut self, record: &Record, comes: bool) {
        if self.accounts.is_some() {
            let weight = self.weight(record);
            self.change_weight(weight, comes);
        }
    }

    /// A record at a place that counted so much may count something else now.
    #[inline]
    pub(super) fn reweigh(&mut self, before: Weight, place: Place) {
        if self.accounts.is_some() {
            let after = self.weight_at(place);
            if before != after {
                self.change_weight(before, false);
                self.change_weight(after, true);
            }
        }
    }

    /// Does something to the record of a key that may change how much it takes.
    pub(super) fn alter<R>(&mut self, key: &[u8], act: impl FnOnce(&mut Record) -> R) -> Option<R> {
        let hash = table::hash(self.table.seed(), key);
        let place = self.table.locate(hash, |record| record.key() == key)?;
        self.alter_at(place, act)
    }

    /// The same where it is known to be.
    pub(super) fn alter_at<R>(
        &mut self,
        place: Place,
        act: impl FnOnce(&mut Record) -> R,
    ) -> Option<R> {
        let before = self.weight_at(place);
        let result = act(self.table.at_mut(place)?);
        self.reweigh(before, place);
        Some(result)
    }

    /// The rule that a key belongs to.
    #[inline]
    pub fn rule_of(&self, key: &[u8]) -> Option<usize> {
        self.accounts.as_deref()?.rule_of(key).map(usize::from)
    }

    /// The group that a key goes with when memory is short: that of its rule, or the first one, which is that of all
    /// others.
    #[inline]
    pub(super) fn group_of(&self, key: &[u8]) -> usize {
        self.rule_of(key).map_or(0, |rule| rule + 1)
    }

    fn change_weight(&mut self, weight: Weight, comes: bool) {
        if let Some(accounts) = &mut self.accounts {
            accounts.change(weight, comes);
        }
    }

    /// Counts what lies in some more buckets; says whether more are left.
    fn count_on(&mut self, buckets: usize) -> bool {
        let Db { accounts: Some(accounts), table, .. } = self else { return false };
        for _ in 0..buckets {
            if accounts.counted_to == ALL {
                return false;
            }
            let mut found = Vec::new();
            let from = accounts.counted_to;
            let next = table.scan(from, |record| {
                if let Some(rule) = accounts.rule_of(record.key()) {
                    found.push(Counts::of(rule, record));
                }
            });
            accounts.counted_to = if next == 0 { ALL } else { next };
            found.into_iter().for_each(|counts| accounts.change(Some(counts), true));
        }
        accounts.counted_to != ALL
    }
}

impl Keyspace {
    /// Rules, instead of those there were. All keys are counted anew, with `count_rules`.
    pub fn set_rules(&mut self, list: Vec<MemoryRule>) {
        self.rules = (!list.is_empty()).then(|| Arc::new(Rules::new(list)));
        for db in 0..self.dbs.len() {
            self.count_anew(db);
        }
    }

    /// Are there keys that `count_rules` has to count?
    #[inline]
    pub fn counts_rules(&self) -> bool {
        self.counts_rules
    }

    /// The rules, if there are any.
    #[inline]
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        self.rules.as_ref()
    }

    /// Counts the keys of some more buckets; says whether there is more to count.
    pub fn count_rules(&mut self, buckets: usize) -> bool {
        self.counts_rules = self.dbs.iter_mut().any(|db| db.count_on(buckets));
        self.counts_rules
    }

    /// A database has other accounts from here on.
    pub(super) fn count_anew(&mut self, db: usize) {
        let home = &mut self.dbs[db];
        home.accounts = self.rules.as_ref().map(|rules| {
            let counted_to = if home.table.is_empty() { ALL } else { 0 };
            self.counts_rules |= counted_to != ALL;
            Box::new(Accounts::new(rules, db, counted_to))
        });
    }

    /// Two databases changed places; rules that name one of them are about other keys now.
    pub(super) fn rules_swapped(&mut self, left: usize, right: usize) {
        let names = |rule: &MemoryRule| {
            rule.db.is_some_and(|db| db as usize == left || db as usize == right)
        };
        if self.rules.as_ref().is_some_and(|rules| rules.list.iter().any(names)) {
            self.count_anew(left);
            self.count_anew(right);
        }
    }
}

#[cfg(test)]
impl Keyspace {
    /// What the keys of each rule come to, counted now.
    pub(super) fn recount(&self) -> Vec<Sum> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let mut sums = vec![Sum::default(); rules.list.len()];
        for db in &self.dbs {
            for record in db.records() {
                if let Some(rule) = db.rule_of(record.key()) {
                    sums[rule].change(Sum::of(Counts::of(rule as u16, record)), true);
                }
            }
        }
        sums
    }
}
