//! The limit on memory: whether there is room, and what is done when there is none.
//!
//! Looked at before each request, which costs a comparison while there is room. What counts is what the allocator has
//! given out, less what will go by itself: answers that are being built or that clients have not read yet, what the
//! log has not synced, what a snapshot has gathered, has not written or keeps from being freed, and what is being freed
//! elsewhere. Else a few slow readers could drive all data out, and the messages about evicted keys would evict more.
//!
//! Eviction goes on for as long as `maxmemory-eviction-tenacity` allows, and then in slices of its own, between
//! requests. Meanwhile requests are served, but those that would let the data grow wait when there is too much
//! already (`SLACK`); so memory stays below the limit, and nobody else waits. While whole databases are being freed
//! elsewhere nothing is evicted, since they may make room enough, and what grows waits for them in the same way.
//!
//! When nothing may be evicted any more, what grows is refused, and nothing else is: what reads, what removes, what
//! only moves, and any transaction of such.

use super::limits::OUTPUTS_SHARE;
use super::persistence::Snapshot;
use super::{Command, Engine, SessionKey, acl, keys};
use crate::base::memory_size::share_of;
use crate::config::{Amount, MaxmemoryPolicy};
use crate::error::Error;
use crate::keyspace::Rules;
use crate::keyspace::evict::{Evicted, Policy, Whose};
use crate::resp::{Args, Out};
use crate::spec::{Access, DENYOOM};
use crate::world::host::Level;
use crate::world::time::Now;

/// The limit, and how it is kept.
#[derive(Debug, Default)]
pub struct Room {
    /// Bytes; 0 is no limit.
    pub limit: u64,
    /// Nothing could be evicted when the last request was looked at, and there was no room.
    pub is_exhausted: bool,
    /// How much there may be of what counts, above the limit: what there was when the limit was lowered, and less
    /// with each slice.
    ceiling: u64,
    /// Rules of whose keys none may go any more, though they take more than they may.
    exhausted_rules: u64,
    /// There is something to evict between requests.
    wanted: bool,
    /// Clients wait for that.
    awaited: bool,
    /// By how many bytes the answers to what is running have made their buffer grow, as far as it matters.
    answers: usize,
    /// Since when there is too much.
    exceeded_since_us: Option<u64>,
    /// For how long there was, before.
    exceeded_us: u64,
}

/// What whoever has slices made does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Waits until there is something to evict.
    Rest,
    /// Has another made.
    GoOn,
    /// Looks again in a moment: what others free may have come back, and nobody says when it has.
    LookAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is room.
    Fine,
    /// There is not, and there was no time to make more.
    Working,
    /// There is not, and memory is on its way back of which nobody knows how much it is.
    Coming,
    /// There is not, and this is no time to make any: nothing may change.
    Later,
    /// Nothing may go any more.
    Exhausted,
}

/// Growth waits when there is more than the limit by this share of it.
const SLACK: u64 = 100;
/// So many keys go between two looks at the stopwatch.
const PIECE: usize = 16;
/// So many keys that are due go at once, before others do.
const DUE_FIRST: usize = 64;
/// So many buckets are counted at a time when rules have changed.
const COUNTED: usize = 512;
/// The tenacity from which on the time is no longer in proportion, and the time there.
const STEEP_FROM: u32 = 10;
const STEEP_FROM_US: f64 = 500.0;
/// What each step of tenacity multiplies it by from there on.
const STEEPNESS: f64 = 1.15;

/// Redis' words.
const OOM: Error = Error::Say("OOM command not allowed when used memory > 'maxmemory'.");

/// Commands that would let the data grow by their flags, but only take what there is to another place. Who empties a
/// queue must be able to when it is full.
const MOVES: [&str; 7] =
    ["LMOVE", "BLMOVE", "LMOVEM", "BLMOVEM", "RPOPLPUSH", "BRPOPLPUSH", "SMOVE"];

impl Engine {
    // ── before each request ─────────────────────────────────────────────────────────────────

    /// Makes room, if there is none. What the requests before were answered goes by itself.
    #[inline]
    pub(super) fn make_room(&mut self, out: &Out) {
        if self.keyspace.rules().is_some() && !self.is_busy() {
            let tenacity_us = tenacity_us(self.config.maxmemory_eviction_tenacity);
            self.room.wanted |= self.keep_rules(tenacity_us);
        }
        if self.room.limit == 0 {
            return;
        }
        if self.host.allocated() <= self.room.limit && !self.room.is_short() {
            return;
        }
        self.room.answers = out.grown();
        self.make_room_first();
    }

    /// The answers are handed over, and others have them counted.
    #[inline]
    pub(super) fn answers_are_built(&mut self) {
        self.room.answers = 0;
    }

    #[cold]
    fn make_room_first(&mut self) {
        // Amid a script's unit nothing else changes; what was found when it began holds.
        if self.is_busy() {
            return;
        }
        let state = self.evict_for(tenacity_us(self.config.maxmemory_eviction_tenacity));
        self.room.is_exhausted = state == State::Exhausted;
        if matches!(state, State::Working | State::Coming) {
            self.room.wanted = true;
        }
        self.move_clock_on();
    }

    /// Must a request wait until there is room for what it brings?
    #[inline]
    pub(super) fn must_wait_for_room(
        &mut self,
        who: SessionKey,
        command: &Command,
        args: Args,
    ) -> bool {
        if !self.room.wanted || self.room.limit == 0 {
            return false;
        }
        let waits = self.is_far_over() && self.grows(who, command, args);
        self.room.awaited |= waits;
        waits
    }

    /// Is there so much that growth waits?
    fn is_far_over(&self) -> bool {
        let slack = self.room.limit / SLACK;
        self.counted() > self.room.ceiling.max(self.room.limit).saturating_add(slack)
    }

    /// Why a request may not run: it would let the data grow, and there is no room.
    #[inline]
    pub(super) fn oom_for(&self, who: SessionKey, command: &Command, args: Args) -> Option<Error> {
        if self.room.is_exhausted && self.grows(who, command, args) {
            return Some(OOM);
        }
        self.keyspace.rules()?;
        let session = &self.sessions[who];
        let mut db = session.db;
        match (command.spec.name, &session.multi) {
            ("EXEC", Some(multi)) => multi.lines().find_map(|(command, args)| {
                if command.spec.name == "SELECT" {
                    db = self.database(args.get(1)).unwrap_or(db);
                }
                self.rule_oom(db, command, args)
            }),
            (_, Some(multi)) => self.rule_oom(multi.db.unwrap_or(db), command, args),
            _ => self.rule_oom(db, command, args),
        }
    }

    /// What whoever brings more is told, when nothing can make room.
    pub(super) fn is_full(&self) -> Option<Error> {
        self.room.is_exhausted.then_some(OOM)
    }

    /// As `oom_for`, for what a script calls.
    pub(super) fn oom_in_script(&self, db: usize, command: &Command, args: Args) -> Option<Error> {
        if self.room.is_exhausted && may_grow(command) {
            return Some(OOM);
        }
        self.keyspace.rules()?;
        self.rule_oom(db, command, args)
    }

    /// Why a command may not run: one of the keys that it could let grow has a rule, and there is no room by that.
    fn rule_oom(&self, db: usize, command: &Command, args: Args) -> Option<Error> {
        let rules = self.keyspace.rules()?;
        if !self.line_may_grow(command, args) {
            return None;
        }
        // Nobody lets a key grow by leaving out another.
        let found = keys::find_what_there_is(&command.spec, args);
        let growing =
            found.iter().filter(|key| matches!(key.access, Access::ReadWrite | Access::Overwrite));
        // A copy may go to another database.
        let target = match command.spec.name {
            "COPY" => self.database_of_copy(args).unwrap_or(db),
            _ => db,
        };
        let home = self.keyspace.db(target);
        let full = growing.map(|key| args.get(key.index)).find_map(|key| {
            let rule = home.rule_of(key)?;
            (rules.is_over(rule) && self.may_not_go(rule)).then_some(rule)
        })?;
        let keys = rules.list[full].keys();
        let keys = String::from_utf8_lossy(&keys);
        Some(Error::text(format!(
            "OOM command not allowed when used memory > 'maxmemory-rule' of {keys}."
        )))
    }

    /// Where COPY puts the key, if it says so.
    fn database_of_copy(&self, args: Args) -> Option<usize> {
        let mut named = (4..args.len()).filter(|at| args.get(at - 1).eq_ignore_ascii_case(b"DB"));
        self.database(args.get(named.next_back()?))
    }

    fn database(&self, number: &[u8]) -> Option<usize> {
        acl::check::database(number, self.keyspace.databases())
    }

    /// May none of the keys of a rule go, or none any more? In import-mode no key does.
    fn may_not_go(&self, rule: usize) -> bool {
        let keeps = |rules: &Rules| rules.list[rule].policy == MaxmemoryPolicy::Noeviction;
        self.keyspace.rules().is_some_and(|rules| keeps(rules))
            || self.room.exhausted_rules & 1 << rule != 0
            || self.config.import_mode
    }

    /// Would the request let the data grow?
    fn grows(&self, who: SessionKey, command: &Command, args: Args) -> bool {
        if command.spec.name == "EXEC" {
            let multi = self.sessions.get(who).and_then(|session| session.multi.as_ref());
            return multi.is_some_and(|multi| multi.may_grow);
        }
        self.line_may_grow(command, args)
    }

    /// Could a command line let the data grow? A script that does not say what it does is asked when it does it.
    pub(super) fn line_may_grow(&self, command: &Command, args: Args) -> bool {
        match self.script_flags(command, args) {
            Some(flags) => !flags.allow_oom && !flags.no_writes,
            None => may_grow(command),
        }
    }

    /// Evicts keys of rules whose keys take more than they may, of each for so long; says whether there is more to do.
    fn keep_rules(&mut self, most_us: u64) -> bool {
        let Some(rules) = self.keyspace.rules().cloned() else { return false };
        if !self.may_evict() || self.config.import_mode {
            return false;
        }
        let mut goes_on = false;
        for rule in 0..rules.list.len() {
            if !rules.is_over(rule) {
                self.room.exhausted_rules &= !(1 << rule);
            } else if rules.list[rule].policy != MaxmemoryPolicy::Noeviction {
                // Each has its time, also if one before it wants more.
                goes_on |= !self.keep_rule(&rules, rule, most_us);
            }
        }
        goes_on
    }

    /// Evicts keys of a rule for so long; says whether it need not go on.
    #[cold]
    fn keep_rule(&mut self, rules: &Rules, rule: usize, most_us: u64) -> bool {
        let until_us = self.now.mono_us.saturating_add(most_us);
        let mut evicted = 0;
        while rules.is_over(rule) {
            match self.evict_one(Whose::Rule(rule)) {
                Evicted::One => self.room.exhausted_rules &= !(1 << rule),
                Evicted::Nothing => {
                    self.room.exhausted_rules |= 1 << rule;
                    return true;
                }
                Evicted::NotYet => return false,
            }
            evicted += 1;
            if evicted % PIECE == 0 && self.host.mono_us() >= until_us {
                return false;
            }
        }
        true
    }

    // ── between requests ────────────────────────────────────────────────────────────────────

    /// Is there something to evict when nobody asks for anything?
    #[inline]
    pub fn take_wants_room(&mut self) -> bool {
        // Amid a script's unit nothing may go, nor is counted.
        !self.is_busy() && (std::mem::take(&mut self.room.wanted) || self.keyspace.counts_rules())
    }

    /// Evicts a slice.
    pub fn evict_on(&mut self, now: Now) -> Next {
        self.set_now(now);
        if self.is_busy() {
            // It goes on when the script is over.
            self.room.wanted = true;
            return Next::Rest;
        }
        // What rules are about is counted anew when they change.
        let counts = self.keyspace.count_rules(COUNTED);
        let is_over = self.keep_rules(tenacity_us(STEEP_FROM));
        let state = match self.room.limit {
            0 => State::Fine,
            _ => self.evict_for(tenacity_us(STEEP_FROM)),
        };
        self.room.is_exhausted = state == State::Exhausted;
        self.tell_followers();
        let next = match state {
            _ if counts || is_over => Next::GoOn,
            State::Working => Next::GoOn,
            State::Coming => Next::LookAgain,
            State::Fine | State::Later | State::Exhausted => Next::Rest,
        };
        // Whoever has more to do goes on without being asked.
        self.room.wanted = false;
        // Nobody is roused in vain, however often it is looked at.
        let comes = state == State::Coming && self.is_far_over();
        if !comes && std::mem::take(&mut self.room.awaited) {
            // Who still finds no room waits again.
            for session in self.sessions.iter_mut().filter(|session| session.postponed) {
                session.mailbox.ring();
            }
        }
        next
    }

    /// The limit or a policy has changed, or eviction may go on after a pause.
    pub(super) fn reconsider_room(&mut self) {
        if self.room.limit > 0 || self.keyspace.rules().is_some() {
            self.room.wanted = true;
        }
    }

    /// Takes over what the configuration says.
    pub(super) fn configure_room(&mut self) {
        let config = &self.config;
        let limit = match config.maxmemory {
            Amount::Bytes(bytes) => bytes,
            Amount::Percent(percent) => share_of(self.host.memory_at_hand(), percent),
        };
        let policy = Policy::from(config.maxmemory_policy);
        let (samples, lazy) = (config.maxmemory_samples as usize, config.lazyfree_lazy_eviction);
        let rules = &config.maxmemory_rule;
        if self.keyspace.rules().map_or(&[][..], |known| &known.list) != rules.as_slice() {
            self.keyspace.set_rules(rules.clone());
            self.keyspace.eviction.forget_candidates();
            self.room.exhausted_rules = 0;
        }
        self.keyspace.eviction.configure(policy, samples, lazy, rules);
        self.keyspace.aging = policy.ages(self.keyspace.aging);
        self.keyspace.eviction.needs_ages = limit > 0 && policy.goes_by_age();
        if limit != self.room.limit {
            self.room.limit = limit;
            let counted = self.counted();
            self.room.ceiling = counted;
            if limit > 0 && counted > limit {
                self.host.log(
                    Level::Warning,
                    &format!(
                        "WARNING: maxmemory is {limit} bytes now, and {counted} are in use: keys are \
                         evicted, or writes refused, as maxmemory-policy says."
                    ),
                );
            }
        }
        if limit == 0 {
            self.room.end_shortage(self.now.mono_us);
        }
        self.reconsider_room();
    }

    // ── accounts ────────────────────────────────────────────────────────────────────────────

    /// Bytes that the limit is held against.
    pub fn counted(&self) -> u64 {
        let goes = self.not_counted() + self.trash_bytes() + self.host.coming_back().bytes;
        self.host.allocated().saturating_sub(goes)
    }

    /// Bytes that go by themselves: what clients have not read, up to the share of the limit that it may take, answers
    /// that are being built or offered to a socket, what is still held for clients that were ended, what the log takes
    /// until it is synced, and what a snapshot holds that is nobody else's.
    pub fn not_counted(&self) -> u64 {
        let unread = self.outputs_memory() as u64;
        let unread = match self.room.limit {
            0 => unread,
            limit => unread.min(limit / OUTPUTS_SHARE),
        };
        let answers = (self.room.answers + self.ledger.bytes_in_hand()) as u64;
        let leaving = self.ledger.leaving() as u64;
        unread + answers + leaving + self.log_memory() + self.snapshot_memory()
    }

    /// Bytes that the log takes in memory: what is not in its file, and what is kept until that was synced.
    pub fn log_memory(&self) -> u64 {
        match self.effects.wanted {
            true => self.effects.memory() as u64 + self.persistence.aof.progress.memory(),
            false => 0,
        }
    }

    /// Bytes that a snapshot holds which is nobody else's: what the walk gathered or keeps, and what its writer has.
    fn snapshot_memory(&self) -> u64 {
        let writers = self.persistence.snapshot.as_ref().map_or(0, Snapshot::in_writers_hands);
        self.keyspace.held_by_walk() as u64 + writers
    }

    /// For how many milliseconds there was too much, in all and since it began.
    pub fn exceeded_ms(&self) -> (u64, u64) {
        let since = self.room.exceeded_since_us;
        let current_us = since.map_or(0, |since| self.now.mono_us.saturating_sub(since));
        ((self.room.exceeded_us + current_us) / 1000, current_us / 1000)
    }

    /// What waits here to be freed elsewhere.
    fn trash_bytes(&self) -> u64 {
        self.trash.iter().filter_map(|trash| trash.bytes).sum()
    }

    /// May keys go at this moment?
    fn may_evict(&self) -> bool {
        self.persistence.loading.is_none() && self.pause_state().is_none() && self.exit.is_none()
    }

    // ── the loop ────────────────────────────────────────────────────────────────────────────

    /// Evicts until there is room, or for so long.
    fn evict_for(&mut self, most_us: u64) -> State {
        // The stopwatch was looked at when the command before was over.
        let began_us = self.now.mono_us;
        let state = self.evict_until(began_us.saturating_add(most_us));
        let is_short = state != State::Fine;
        // Mostly one key has gone, and nobody wants to know how long that took.
        if is_short == self.room.exceeded_since_us.is_some()
            && self.config.latency_monitor_threshold == 0
        {
            return state;
        }
        let ended_us = self.host.mono_us();
        self.watch_latency("eviction-cycle", ended_us.saturating_sub(began_us));
        match is_short {
            false => self.room.end_shortage(ended_us),
            true => _ = self.room.exceeded_since_us.get_or_insert(ended_us),
        }
        state
    }

    fn evict_until(&mut self, until_us: u64) -> State {
        let coming = self.host.coming_back();
        let mut known = self.trash_bytes() + coming.bytes;
        let (mut trashed, mut evicted) = (self.trash.len(), 0);
        // Nobody will miss what is due.
        let mut due_first = true;
        loop {
            // Who lets go of something takes it from the sum, and then says so: asked the other way round, it might be
            // in the one still and not in the other any more.
            let goes = self.not_counted().saturating_add(known);
            let counted = self.host.allocated().saturating_sub(goes);
            self.room.ceiling = self.room.ceiling.min(counted);
            if counted <= self.room.limit {
                return State::Fine;
            }
            if !self.may_evict() {
                return State::Later;
            }
            // Whole databases are on their way back: nobody knows how much that is, but it may well do.
            if coming.and_more || self.trash.iter().any(|trash| trash.bytes.is_none()) {
                return State::Coming;
            }
            if self.config.import_mode {
                return State::Exhausted;
            }
            if std::mem::take(&mut due_first) && self.remove_due() {
                continue;
            }
            match self.evict_one(Whose::All) {
                Evicted::One => (),
                Evicted::Nothing => return State::Exhausted,
                Evicted::NotYet => return State::Working,
            }
            known += self.trash[trashed.min(self.trash.len())..]
                .iter()
                .filter_map(|trash| trash.bytes)
                .sum::<u64>();
            trashed = self.trash.len();
            evicted += 1;
            if evicted % PIECE == 0 && self.host.mono_us() >= until_us {
                return State::Working;
            }
        }
    }

    /// Removes keys that are due; says whether there were any.
    fn remove_due(&mut self) -> bool {
        if !self.keyspace.has_due() {
            return false;
        }
        let before = self.keyspace.counters;
        self.keyspace.sweep(DUE_FIRST);
        self.follow_removals();
        self.effects.seal_apart();
        let after = self.keyspace.counters;
        (after.expired, after.expired_elements) != (before.expired, before.expired_elements)
    }

    fn evict_one(&mut self, whose: Whose) -> Evicted {
        let watched = self.config.latency_monitor_threshold > 0;
        let began_us = if watched { self.host.mono_us() } else { 0 };
        let evicted = self.keyspace.evict(whose);
        if evicted != Evicted::One {
            return evicted;
        }
        if watched {
            let lazy = self.config.lazyfree_lazy_eviction;
            let event = if lazy { "eviction-lazyfree" } else { "eviction-del" };
            self.watch_latency(event, self.host.mono_us().saturating_sub(began_us));
        }
        self.follow_removals();
        // Each is a unit of its own, since nothing hangs together here.
        self.effects.seal();
        evicted
    }
}

impl Room {
    /// Was there no room the last time?
    #[inline]
    fn is_short(&self) -> bool {
        self.exceeded_since_us.is_some() || self.is_exhausted
    }

    fn end_shortage(&mut self, now_us: u64) {
        if let Some(since) = self.exceeded_since_us.take() {
            self.exceeded_us += now_us.saturating_sub(since);
        }
        self.is_exhausted = false;
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        self.exceeded_us = 0;
        self.exceeded_since_us = None;
    }
}

/// Could such a command let the data grow?
fn may_grow(command: &Command) -> bool {
    command.spec.has(DENYOOM) && !MOVES.contains(&command.spec.name)
}

/// How long requests go on evicting before they run.
fn tenacity_us(tenacity: u32) -> u64 {
    match tenacity {
        100.. => u64::MAX,
        0..=STEEP_FROM => (STEEP_FROM_US * f64::from(tenacity) / f64::from(STEEP_FROM)) as u64,
        _ => (STEEP_FROM_US * STEEPNESS.powi((tenacity - STEEP_FROM) as i32)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_grows_from_nothing_to_for_ever() {
        let times: Vec<u64> = [0, 1, 10, 11, 50, 99, 100].map(tenacity_us).to_vec();
        assert_eq!(times[..4], [0, 50, 500, 575]);
        assert!(times.is_sorted() && times[5] > 60_000_000 && times[6] == u64::MAX);
    }
}
