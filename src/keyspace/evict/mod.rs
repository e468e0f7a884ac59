//! What goes when memory is short: which keys may go, which of them goes first, and how it is found.
//!
//! How much has to go is the engine's business (`engine/eviction.rs`); here a key is chosen and removed, one at a
//! time. Keys fall into *groups* that have a policy each: the keys that a rule is about, and all others.
//!
//! A few keys are looked at for each one that goes: a bucket of the table, whose entries are as good as drawn by
//! lot, since the table lies in the order of hashes. It was chosen, and asked for, when the key before was
//! removed, so that nobody waits for it. Where only keys with a deadline may go, and they are few among the others,
//! they are drawn from the index of deadlines instead, however few they are; and under `volatile-ttl` the index is
//! asked which is next, and keys are drawn only where it is another group's. The best of what was seen is
//! remembered (`pool.rs`).

mod ages;
mod pool;
#[cfg(test)]
mod tests;

use super::expiry::Ticket;
use super::{Aging, Cause, Db, Event, Keyspace, Record, free};
use crate::base::table::{self, Handful, Place};
use crate::config::{MaxmemoryPolicy, MemoryRule};
use crate::world::Millis;
pub use ages::Ages;
use pool::{Candidate, Pool};
use rand::Rng;

/// How keys are chosen.
#[derive(Debug)]
pub struct Eviction {
    /// Keys that no rule is about, and then those of each rule.
    groups: Vec<Group>,
    /// Not all groups' ages are of the same kind.
    mixed: bool,
    /// Where the search goes on for keys that may go and are so few that none was drawn.
    hand: (usize, u64),
    /// Keys to look at for each that goes; at least so many.
    samples: usize,
    /// What is large is freed elsewhere, and the log is told UNLINK.
    lazy: bool,
    /// What is looked at next time.
    ahead: Option<(usize, Handful)>,
    /// There is a limit, and ages decide what goes.
    pub needs_ages: bool,
}

/// Keys that have a policy in common.
#[derive(Debug)]
struct Group {
    /// The database and prefix that its rule names; none of keys that no rule is about.
    about: Option<(Option<u32>, Vec<u8>)>,
    policy: Policy,
    pool: Pool,
    /// How many keys of it went.
    evicted: u64,
}

/// Whose keys are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    All,
    Rule(usize),
}

/// A policy, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub by: By,
    /// Only keys with a deadline may go.
    pub volatile: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Lru,
    Lfu,
    Lrm,
    Random,
    /// The next to expire.
    Ttl,
    /// None may go.
    Nothing,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// A key is gone.
    One,
    /// No key may go.
    Nothing,
    /// None was found yet: those that may go are few.
    NotYet,
}

/// So many handfuls are looked at, at most, for one key.
const HANDFULS_MAX: usize = 64;
/// The same where keys have rules, so that many of those that are met may not go.
const HANDFULS_WITH_RULES: usize = 256;
/// Keys with deadlines are few when there are so many keys, or more, to each.
const VOLATILE_SHARE: usize = 4;
/// So many entries of the index of deadlines are looked at side by side.
const TOGETHER: usize = 8;
/// So many buckets are searched at a time when none was drawn that may go, and then others have their turn.
const SEARCHED: usize = 512;
/// So often the next to expire is looked for, if those that seemed so were put off.
const LOOKS_MAX: usize = 8;

impl From<MaxmemoryPolicy> for Policy {
    fn from(policy: MaxmemoryPolicy) -> Policy {
        use MaxmemoryPolicy::*;
        let (by, volatile) = match policy {
            VolatileLru => (By::Lru, true),
            VolatileLfu => (By::Lfu, true),
            VolatileLrm => (By::Lrm, true),
            VolatileRandom => (By::Random, true),
            VolatileTtl => (By::Ttl, true),
            AllkeysLru => (By::Lru, false),
            AllkeysLfu => (By::Lfu, false),
            AllkeysLrm => (By::Lrm, false),
            AllkeysRandom => (By::Random, false),
            Noeviction => (By::Nothing, false),
        };
        Policy { by, volatile }
    }
}

impl Policy {
    const NOTHING: Policy = Policy { by: By::Nothing, volatile: false };

    /// May such a key go at all?
    #[inline]
    fn may_go(self, record: &Record) -> bool {
        self.by != By::Nothing && (!self.volatile || record.deadline().is_some())
    }

    pub fn goes_by_age(self) -> bool {
        matches!(self.by, By::Lru | By::Lfu | By::Lrm)
    }

    /// What the ages of its keys say.
    pub fn ages(self, aging: Aging) -> Aging {
        Aging { lfu: self.by == By::Lfu, lrm: self.by == By::Lrm, ..aging }
    }

    #[inline]
    fn staleness(self, record: &Record, aging: &Aging) -> u64 {
        match self.by {
            By::Ttl => record.deadline().map_or(0, |at| u64::MAX - at.0.max(0) as u64),
            // Any is as good as any other.
            By::Random => 0,
            _ => aging.staleness(record.age()),
        }
    }
}

impl Default for Eviction {
    fn default() -> Eviction {
        Eviction {
            groups: vec![Group::new(None, Policy::NOTHING)],
            mixed: false,
            hand: (0, 0),
            samples: 5,
            lazy: true,
            ahead: None,
            needs_ages: false,
        }
    }
}

impl Eviction {
    /// Takes over what the configuration says.
    pub fn configure(&mut self, policy: Policy, samples: usize, lazy: bool, rules: &[MemoryRule]) {
        (self.samples, self.lazy) = (samples, lazy);
        let own = |rule: &MemoryRule| {
            Group::new(Some((rule.db, rule.prefix.clone())), Policy::from(rule.policy))
        };
        let mut before = std::mem::take(&mut self.groups);
        self.groups.push(Group::new(None, policy));
        self.groups.extend(rules.iter().map(own));
        // A rule is the same one wherever it stands, and whatever its policy is now.
        for group in &mut self.groups {
            let Some(at) = before.iter().position(|it| it.about == group.about) else { continue };
            let known = before.swap_remove(at);
            group.evicted = known.evicted;
            if known.policy == group.policy {
                group.pool = known.pool;
            }
        }
        let ages = |policy: &Policy| (policy.by == By::Lfu, policy.by == By::Lrm);
        self.mixed = self.groups.iter().any(|group| ages(&group.policy) != ages(&policy));
    }

    /// Other keys belong to each rule from here on.
    pub fn forget_candidates(&mut self) {
        self.groups.iter_mut().for_each(|group| group.pool.clear());
    }

    /// Offers a key to the pool of its group, if that is open and the key may go; says which one that is.
    #[inline]
    fn offer(
        &mut self,
        home: &Db,
        record: &Record,
        (db, hash): (usize, u64),
        aging: Aging,
        open: &[bool],
    ) -> Option<usize> {
        let group = home.group_of(record.key());
        let Group { policy, pool, .. } = &mut self.groups[group];
        if !open[group] || !policy.may_go(record) {
            return None;
        }
        let staleness = policy.staleness(record, &policy.ages(aging));
        pool.offer(Candidate { staleness, db, hash });
        Some(group)
    }

    /// Are ages of some keys of another kind than those of others?
    #[inline]
    pub fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// How many keys of a rule went.
    pub fn evicted_of(&self, rule: usize) -> u64 {
        self.groups.get(rule + 1).map_or(0, |group| group.evicted)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        self.groups.iter_mut().for_each(|group| group.evicted = 0);
    }
}

impl Group {
    fn new(about: Option<(Option<u32>, Vec<u8>)>, policy: Policy) -> Group {
        Group { about, policy, pool: Pool::default(), evicted: 0 }
    }
}

impl Keyspace {
    /// What the age of a key says.
    #[inline]
    pub fn aging_for(&self, db: usize, key: &[u8]) -> Aging {
        match self.eviction.mixed {
            false => self.aging,
            true => {
                let group = self.dbs[db].group_of(key);
                self.eviction.groups[group].policy.ages(self.aging)
            }
        }
    }

    /// A key that comes under a rule which counts ages in another way begins anew.
    pub(in crate::keyspace) fn carry_age(
        &self,
        from: (usize, &[u8]),
        to: (usize, &[u8]),
        record: &mut Record,
    ) {
        if self.eviction.mixed {
            let aging = self.aging_for(to.0, to.1);
            if aging.lfu != self.aging_for(from.0, from.1).lfu {
                record.set_age(aging.newborn());
            }
        }
    }

    /// Removes a key to make room.
    pub fn evict(&mut self, whose: Whose) -> Evicted {
        if self.rules().is_some() {
            return self.evict_by_rules(whose);
        }
        let policy = self.eviction.groups[0].policy;
        let found = match policy.by {
            By::Nothing => None,
            By::Ttl => self.next_to_expire(0).or_else(|| self.any_of(policy)),
            By::Random => self.any_of(policy),
            By::Lru | By::Lfu | By::Lrm => {
                if policy.volatile && self.are_volatile_few() {
                    // Elements with deadlines are in the index as well.
                    self.draw_volatile(&[true], self.eviction.samples * 4);
                } else {
                    self.draw(&[true], HANDFULS_MAX);
                }
                self.best_of(0).or_else(|| self.any_of(policy))
            }
        };
        match found {
            Some((db, place)) => {
                self.evict_at(db, place, 0);
                Evicted::One
            }
            // They are few among very many whose elements have deadlines, or could not be filed.
            None if policy.volatile && self.dbs.iter().any(|db| db.expires() > 0) => {
                self.search(&[true])
            }
            None => Evicted::Nothing,
        }
    }

    /// The same where keys have rules. All groups of which keys may go are drawn from together, so that each
    /// gives in proportion to its keys.
    fn evict_by_rules(&mut self, whose: Whose) -> Evicted {
        let open: Vec<bool> = (0..self.eviction.groups.len())
            .map(|group| {
                (whose == Whose::All || whose == Whose::Rule(group.wrapping_sub(1)))
                    && self.has_any(group)
            })
            .collect();
        if !open.contains(&true) {
            return Evicted::Nothing;
        }
        if let Whose::Rule(rule) = whose
            && self.eviction.groups[rule + 1].policy.by == By::Ttl
            && let Some((db, place)) = self.next_to_expire(rule + 1)
        {
            self.evict_at(db, place, rule + 1);
            return Evicted::One;
        }
        let groups = self.eviction.groups.iter().zip(&open);
        let volatile = groups.filter(|(_, open)| **open).all(|(group, _)| group.policy.volatile);
        let drawn = match volatile {
            true => self.draw_volatile(&open, HANDFULS_WITH_RULES),
            false => self.draw(&open, HANDFULS_WITH_RULES),
        };
        let with_pool = || {
            (0..open.len()).find(|at| open[*at] && self.eviction.groups[*at].pool.best().is_some())
        };
        if let Some(group) = drawn.or_else(with_pool)
            && let Some((db, place)) = self.first_of(group)
        {
            self.evict_at(db, place, group);
            return Evicted::One;
        }
        self.search(&open)
    }

    /// The key of a group that goes first, as far as that is known.
    fn first_of(&mut self, group: usize) -> Option<(usize, Place)> {
        let next = match self.eviction.groups[group].policy.by {
            By::Ttl => self.next_to_expire(group),
            _ => None,
        };
        next.or_else(|| self.best_of(group))
    }

    /// Could there be a key in a group that may go?
    fn has_any(&self, group: usize) -> bool {
        let policy = self.eviction.groups[group].policy;
        let Some(rules) = self.rules().filter(|_| policy.by != By::Nothing) else { return false };
        if self.counts_rules {
            return true;
        }
        let count = |keys: u64, volatile: u64| if policy.volatile { volatile } else { keys };
        let own = |rule: usize| {
            let sum = rules.sum(rule);
            count(sum.keys, sum.volatile)
        };
        match group.checked_sub(1) {
            Some(rule) => own(rule) > 0,
            None => {
                let all = self.dbs.iter().map(|db| count(db.len() as u64, db.expires() as u64));
                all.sum::<u64>() > (0..rules.list.len()).map(own).sum::<u64>()
            }
        }
    }

    /// Looks at one key after the other, from where the search ended last, until there is one that may go.
    fn search(&mut self, open: &[bool]) -> Evicted {
        let mut ends = 0;
        for _ in 0..SEARCHED {
            let (db, cursor) = self.eviction.hand;
            let home = &self.dbs[db];
            let mut found = None;
            let next = home.table.scan(cursor, |record| {
                let group = home.group_of(record.key());
                if found.is_none()
                    && open[group]
                    && self.eviction.groups[group].policy.may_go(record)
                {
                    found = Some((record.key().to_vec(), group));
                }
            });
            self.eviction.hand = match next {
                0 => ((db + 1) % self.dbs.len(), 0),
                _ => (db, next),
            };
            if let Some((key, group)) = found
                && let Some(place) =
                    self.dbs[db].table.locate(self.hash(&key), |record| record.key() == key)
            {
                self.evict_at(db, place, group);
                return Evicted::One;
            }
            ends += (next == 0) as usize;
            // All were looked at, but for the first database, which is looked at twice.
            if ends > self.dbs.len() {
                return Evicted::Nothing;
            }
        }
        Evicted::NotYet
    }

    fn evict_at(&mut self, db: usize, place: Place, group: usize) {
        let home = &mut self.dbs[db];
        let Some(record) = home.take_out(place) else { return };
        if record.wakes().is_some() {
            home.compact();
        }
        self.counters.evicted += 1;
        self.eviction.groups[group].evicted += 1;
        let cause = Cause::Eviction { unlinked: self.eviction.lazy };
        self.changes.note(db, record.key(), Event::EVICTED, cause);
        // It is left out of a snapshot that has not come to it: handing it over would take what memory it gives. A long
        // value that is being handed over stays until it was, and is the walk's, which says so (`held_by_walk`).
        self.goes_by_itself(db, record.key());
        if self.walk.is_some() {
            return self.let_go(db, record);
        }
        match self.eviction.lazy {
            true => free(record, &mut self.trash),
            false => drop(record),
        }
    }

    // ── looking for candidates ──────────────────────────────────────────────────────────────

    /// Offers keys of open groups to their pools, each key as likely as every other; says whose the first one was.
    fn draw(&mut self, open: &[bool], most: usize) -> Option<usize> {
        let (mut first, mut seen) = (None, 0);
        for _ in 0..most {
            let (db, handful) = self.eviction.ahead.take().or_else(|| self.throw(false))?;
            let table = &self.dbs[db].table;
            table.handful(handful).for_each(table::Entry::prefetch);
            // While those are on their way.
            self.eviction.ahead = self.throw(false);
            let home = &self.dbs[db];
            for record in home.table.handful(handful) {
                let hash = table::hash(self.seed, record.key());
                if let Some(group) = self.eviction.offer(home, record, (db, hash), self.aging, open)
                {
                    first.get_or_insert(group);
                    seen += 1;
                }
            }
            if seen >= self.eviction.samples {
                break;
            }
        }
        first
    }

    /// As `draw`, among the keys that have deadlines: a few at a time, so that they are fetched side by side.
    fn draw_volatile(&mut self, open: &[bool], most: usize) -> Option<usize> {
        let (mut first, mut seen) = (None, 0);
        for _ in 0..most.div_ceil(TOGETHER) {
            let thrown: [_; TOGETHER] = std::array::from_fn(|_| self.throw_volatile());
            for (db, hash, _) in thrown.iter().flatten() {
                self.dbs[*db].table.prefetch_bucket(*hash);
            }
            for (db, hash, ticket) in thrown.into_iter().flatten() {
                let home = &self.dbs[db];
                let Some((place, _)) = home.filed_at(hash, ticket) else { continue };
                let Some(record) = home.table.at(place) else { continue };
                let key = (db, hash);
                if let Some(group) = self.eviction.offer(home, record, key, self.aging, open) {
                    first.get_or_insert(group);
                    seen += 1;
                }
            }
            if seen >= self.eviction.samples {
                break;
            }
        }
        first
    }

    /// The best candidate that is still there, and not younger than it was.
    fn best_of(&mut self, group: usize) -> Option<(usize, Place)> {
        let policy = self.eviction.groups[group].policy;
        let aging = policy.ages(self.aging);
        while let Some(candidate) = self.eviction.groups[group].pool.take_best() {
            let Candidate { db, hash, staleness } = candidate;
            let Some(home) = self.dbs.get(db) else { continue };
            let is_it = |record: &Record| table::hash(self.seed, record.key()) == hash;
            let Some(place) = home.table.locate(hash, is_it) else { continue };
            let is_stale = home.table.at(place).is_some_and(|record| {
                home.group_of(record.key()) == group
                    && policy.may_go(record)
                    && policy.staleness(record, &aging) >= staleness
            });
            if is_stale {
                // The one that goes next.
                if let Some(next) = self.eviction.groups[group].pool.best()
                    && let Some(home) = self.dbs.get(next.db)
                {
                    home.table.prefetch_bucket(next.hash);
                }
                return Some((db, place));
            }
        }
        None
    }

    /// Chooses entries of a database.
    fn throw(&mut self, volatile: bool) -> Option<(usize, Handful)> {
        let db = self.any_db(volatile)?;
        let dice = &mut self.dice;
        let mut below = |bound: u64| dice.random_range(0..bound);
        Some((db, self.dbs[db].table.throw(&mut below)?))
    }

    /// An entry of an index of deadlines: the hash of a key, and what its record, or an element of it, holds.
    fn throw_volatile(&mut self) -> Option<(usize, u64, Ticket)> {
        let db = self.any_db(true)?;
        let dice = &mut self.dice;
        let mut below = |bound: u64| dice.random_range(0..bound);
        let (hash, ticket) = self.dbs[db].deadlines.any(&mut below)?;
        Some((db, hash, ticket))
    }

    /// Would many keys have to be looked at to meet some that have deadlines?
    fn are_volatile_few(&self) -> bool {
        let (keys, volatile) = self
            .dbs
            .iter()
            .fold((0, 0), |(keys, volatile), db| (keys + db.len(), volatile + db.expires()));
        volatile < keys / VOLATILE_SHARE
    }

    /// A database, the more likely the more keys are in it, or keys with deadlines.
    fn any_db(&mut self, volatile: bool) -> Option<usize> {
        let keys = |db: &Db| if volatile { db.expires() } else { db.len() };
        let all = self.dbs.iter().map(keys).sum::<usize>();
        if all == 0 {
            return None;
        }
        let mut throw = self.dice.random_range(0..all);
        self.dbs.iter().position(|db| match throw.checked_sub(keys(db)) {
            None => true,
            Some(less) => {
                throw = less;
                false
            }
        })
    }

    // ── choosing without candidates ─────────────────────────────────────────────────────────

    fn any_of(&mut self, policy: Policy) -> Option<(usize, Place)> {
        if policy.volatile { self.any_volatile() } else { self.any_key() }
    }

    fn any_key(&mut self) -> Option<(usize, Place)> {
        let db = self.any_db(false)?;
        let dice = &mut self.dice;
        let mut below = |bound: u64| dice.random_range(0..bound);
        Some((db, self.dbs[db].table.random_place(&mut below)?))
    }

    fn any_volatile(&mut self) -> Option<(usize, Place)> {
        for _ in 0..HANDFULS_MAX {
            let Some((db, hash, ticket)) = self.throw_volatile() else { continue };
            let home = &self.dbs[db];
            let Some((place, _)) = home.filed_at(hash, ticket) else { continue };
            if home.table.at(place).is_some_and(|record| record.deadline().is_some()) {
                return Some((db, place));
            }
        }
        None
    }

    /// The key of a group that expires next, or nearly: of keys that are far from it, one of the first. There is none
    /// if the next ones of all are of other groups.
    fn next_to_expire(&mut self, group: usize) -> Option<(usize, Place)> {
        let mut first: Option<(Millis, usize, u64)> = None;
        for db in 0..self.dbs.len() {
            if self.dbs[db].expires() == 0 {
                continue;
            }
            if let Some((at, hash)) = self.next_in(db, group)
                && first.is_none_or(|(best, ..)| at < best)
            {
                first = Some((at, db, hash));
            }
        }
        let (at, db, hash) = first?;
        let is_it = |record: &Record| {
            record.deadline() == Some(at) && table::hash(self.seed, record.key()) == hash
        };
        Some((db, self.dbs[db].table.locate(hash, is_it)?))
    }

    fn next_in(&mut self, db: usize, group: usize) -> Option<(Millis, u64)> {
        for _ in 0..LOOKS_MAX {
            let home = &self.dbs[db];
            let mut first: Option<(Millis, u64)> = None;
            let mut put_off = Vec::new();
            for (batch, end) in home.deadlines.soonest() {
                home.load(&batch);
                for (hash, ticket) in batch.entries() {
                    let Some((place, wakes)) = home.filed_at(hash, ticket) else { continue };
                    if wakes >= end {
                        put_off.push((hash, ticket));
                    }
                    let record = home.table.at(place);
                    let record = record.filter(|record| home.group_of(record.key()) == group);
                    let deadline = record.and_then(Record::deadline);
                    if let Some(at) = deadline.filter(|at| first.is_none_or(|(best, _)| *at < best))
                    {
                        first = Some((at, hash));
                    }
                }
            }
            // Where they were filed nobody would look for another that comes before them.
            let now = self.now;
            let home = &mut self.dbs[db];
            let is_sure = put_off.is_empty();
            for (hash, ticket) in put_off {
                if let Some((place, wakes)) = home.filed_at(hash, ticket) {
                    home.file_anew(place, hash, wakes, now);
                }
            }
            // What is another group's now stays where it is.
            if is_sure {
                return first;
            }
        }
        None
    }
}
