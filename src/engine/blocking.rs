//! Clients that wait for a key to hold something: BLPOP and its like.
//!
//! A handler that finds nothing stops with `Wait`. The session then keeps the command line, and
//! stands in a queue at each of its keys. When a unit of execution is over, whatever keys it
//! changed are looked at in the order in which they changed, and whoever waits there runs its
//! command again, in the order of arrival; one that finds nothing even so waits on in its place.
//! So a waiting command needs no code of its own for being woken, and is told to the log by its
//! handler like any other.

use super::call::{Outcome, Pending};
use super::memory::NAME_BYTES;
use super::{Closing, Command, Engine, Out, SessionKey};
use crate::base::map::Map;
use crate::error::Error;
use crate::keyspace::change;
use crate::resp::{Args, ArgsBuf, Done, Reply, Wait};
use std::collections::{BTreeSet, VecDeque};

/// What a session is waiting for.
pub struct Blocked {
    command: &'static Command,
    line: ArgsBuf,
    /// Bytes of the line and of the keys.
    bytes: usize,
    db: usize,
    wait: Box<Wait>,
    /// On the monotonic clock.
    deadline_us: Option<u64>,
    /// When the command runs again whatever has happened.
    again_us: Option<u64>,
}

impl Blocked {
    pub fn memory(&self) -> usize {
        self.bytes + size_of::<Blocked>()
    }
}

/// Who waits for a key, in order of arrival.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<SessionKey>,
    /// The key is among those that changed.
    is_ready: bool,
}

/// Who waits where.
#[derive(Default)]
pub struct Waiters {
    /// For each database the keys that somebody waits for, and who does.
    queues: Vec<Map<Box<[u8]>, Queue>>,
    deadlines: BTreeSet<(u64, SessionKey)>,
    /// Who looks again when, though nothing may have changed.
    agains: BTreeSet<(u64, SessionKey)>,
    /// Keys that changed since somebody was last served.
    ready: VecDeque<(usize, Box<[u8]>)>,
    /// The earliest deadline since somebody asked.
    filed_us: Option<u64>,
    waiting: usize,
}

impl Waiters {
    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many keys somebody waits for.
    pub fn keys(&self) -> usize {
        self.queues.iter().map(Map::len).sum()
    }

    /// How many clients wait with a time-out.
    pub fn timed(&self) -> usize {
        self.deadlines.len()
    }

    /// When the next client gives up, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        let firsts = [self.deadlines.first(), self.agains.first()];
        firsts.into_iter().flatten().map(|(at_us, _)| *at_us).min()
    }

    /// The earliest deadline that was filed since this was last asked.
    #[inline]
    pub fn take_filed(&mut self) -> Option<u64> {
        self.filed_us.take()
    }

    fn file_again(&mut self, who: SessionKey, at_us: u64) {
        self.agains.insert((at_us, who));
        self.filed_us = Some(self.filed_us.unwrap_or(u64::MAX).min(at_us));
    }

    fn queues_of(&mut self, db: usize) -> &mut Map<Box<[u8]>, Queue> {
        if self.queues.len() <= db {
            self.queues.resize_with(db + 1, Map::default);
        }
        &mut self.queues[db]
    }

    fn make_ready(&mut self, db: usize, key: &[u8]) {
        let queue = self.queues.get_mut(db).and_then(|queues| queues.get_mut(key));
        if let Some(queue) = queue.filter(|queue| !queue.is_ready) {
            queue.is_ready = true;
            self.ready.push_back((db, key.into()));
        }
    }

    /// Everything that somebody waits for in a database may be there now: it was swapped.
    pub fn make_all_ready(&mut self, db: usize) {
        let Some(queues) = self.queues.get(db) else { return };
        // The longest waiting come first; which key that is, the map does not say.
        let mut keys: Vec<(SessionKey, Box<[u8]>)> = queues
            .iter()
            .filter_map(|(key, it)| Some((*it.waiting.front()?, key.clone())))
            .collect();
        keys.sort_unstable();
        keys.iter().for_each(|(_, key)| self.make_ready(db, key));
    }
}

impl Engine {
    /// The request of a session waits, and the session with it.
    pub(super) fn block(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        mut wait: Box<Wait>,
    ) {
        let line = wait.line.take().unwrap_or_else(|| args.to_buf());
        let session = &mut self.sessions[who];
        let db = session.db;
        let deadline_us = wait.timeout_us.map(|timeout| self.now.mono_us.saturating_add(timeout));
        for key in &wait.keys {
            let queue = self.waiters.queues_of(db).entry(key.clone()).or_default();
            // A key that is named twice is waited for once.
            if queue.waiting.back() != Some(&who) {
                queue.waiting.push_back(who);
            }
        }
        if let Some(deadline_us) = deadline_us {
            self.waiters.deadlines.insert((deadline_us, who));
            let filed = self.waiters.filed_us.unwrap_or(u64::MAX);
            self.waiters.filed_us = Some(filed.min(deadline_us));
        }
        let again_us = wait.again_us.map(|again| self.now.mono_us.saturating_add(again));
        if let Some(again_us) = again_us {
            self.waiters.file_again(who, again_us);
        }
        self.waiters.waiting += 1;
        self.keyspace.changes.interest |= change::BLOCKED;
        // The keys stand in the index of all that are waited for as well.
        let names = wait.keys.iter().map(|key| 2 * key.len() + NAME_BYTES);
        let bytes = line.memory() + names.sum::<usize>();
        session.blocked =
            Some(Box::new(Blocked { command, line, bytes, db, wait, deadline_us, again_us }));
    }

    /// A session waits no longer, for whatever reason.
    pub(super) fn unblock(&mut self, who: SessionKey) -> Option<Box<Blocked>> {
        let blocked = self.sessions.get_mut(who)?.blocked.take()?;
        self.tasks.forget(who);
        let queues = self.waiters.queues_of(blocked.db);
        for key in &blocked.wait.keys {
            let Some(queue) = queues.get_mut(key) else { continue };
            // Mostly it is the first one.
            if let Some(place) = queue.waiting.iter().position(|other| *other == who) {
                queue.waiting.remove(place);
            }
            if queue.waiting.is_empty() {
                queues.remove(key);
            }
        }
        if let Some(deadline_us) = blocked.deadline_us {
            self.waiters.deadlines.remove(&(deadline_us, who));
        }
        if let Some(again_us) = blocked.again_us {
            self.waiters.agains.remove(&(again_us, who));
        }
        self.waiters.waiting -= 1;
        if self.waiters.is_empty() {
            self.keyspace.changes.interest &= !change::BLOCKED;
            self.waiters.ready.clear();
        }
        Some(blocked)
    }

    /// Notes which of the changed keys somebody waits for.
    pub(super) fn tell_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        for (change, key) in self.keyspace.changes.iter() {
            if matches!(
                change.cause,
                change::Cause::Command | change::Cause::Expiry | change::Cause::Eviction { .. }
            ) {
                self.waiters.make_ready(change.db as usize, key);
            }
        }
    }

    /// How many keys somebody waits for who would mind if they were gone.
    pub fn keys_that_may_be_lost(&self) -> usize {
        let minds = |who: &SessionKey| {
            let blocked = self.sessions.get(*who).and_then(|session| session.blocked.as_ref());
            blocked.is_some_and(|blocked| blocked.wait.minds_loss)
        };
        let queues = self.waiters.queues.iter().flat_map(Map::values);
        queues.filter(|queue| queue.waiting.iter().any(minds)).count()
    }

    /// The unit is over: whoever waits for what it brought is served.
    #[inline]
    pub(super) fn serve_waiters(&mut self) {
        if !self.waiters.ready.is_empty() {
            self.serve_ready();
        }
    }

    fn serve_ready(&mut self) {
        let began_us = self.host.mono_us();
        self.serve_all_ready();
        self.watch_latency("command-unblocking", self.host.mono_us().saturating_sub(began_us));
    }

    fn serve_all_ready(&mut self) {
        // Serving may make more keys ready: what one client moves, another one waits for.
        while let Some((db, key)) = self.waiters.ready.pop_front() {
            let Some(queue) = self.waiters.queues_of(db).get_mut(&key) else { continue };
            queue.is_ready = false;
            let waiting: Vec<SessionKey> = queue.waiting.iter().copied().collect();
            for who in waiting {
                let kind = self.keyspace.record(db, &key).map(|record| record.kind());
                let Some(session) = self.sessions.get(who) else { continue };
                let Some(blocked) = &session.blocked else { continue };
                let is_meant = kind == Some(blocked.wait.kind) || blocked.wait.minds_loss;
                if is_meant && session.closing == Closing::No {
                    self.try_again(who);
                }
            }
        }
    }

    /// What a client waited for has come, whatever it is.
    pub(super) fn bring(&mut self, who: SessionKey) {
        self.try_again(who);
        self.serve_waiters();
    }

    /// Runs the command of a waiting client once more.
    fn try_again(&mut self, who: SessionKey) {
        let Some(mut blocked) = self.sessions[who].blocked.take() else { return };
        let mut out = self.sessions[who].out();
        self.begin_request(who);
        if !self.sessions[who].unrestricted
            && let Err(error) = self.is_permitted(who, blocked.command, blocked.line.args())
        {
            // What it waited for has come, and it may have it no more.
            self.stats.commands[blocked.command.known_as as usize].rejected += 1;
            self.count_error(&error);
            out.error(&error);
            self.sessions[who].blocked = Some(blocked);
            self.answer_waiting(who, out);
            return self.end_request(who);
        }
        let pending = self.call_woken(who, blocked.command, blocked.line.args(), &mut out);
        let again_us = match &pending {
            Some(Pending::Wait(wait)) => {
                blocked.wait.give_up = wait.give_up;
                blocked.wait.ran_us += wait.ran_us;
                wait.again_us
            }
            _ => None,
        };
        let again_us = again_us.map(|again| self.now.mono_us.saturating_add(again));
        if let Some(before_us) = std::mem::replace(&mut blocked.again_us, again_us) {
            self.waiters.agains.remove(&(before_us, who));
        }
        if let Some(again_us) = again_us {
            self.waiters.file_again(who, again_us);
        }
        self.sessions[who].blocked = Some(blocked);
        // Who waits on may have done something even so.
        self.effects.seal();
        if pending.is_none() {
            self.answer_waiting(who, out);
        }
        self.end_request(who);
        self.weigh(who);
    }

    /// A waiting client gets its answer, and goes on with what it sent meanwhile.
    fn answer_waiting(&mut self, who: SessionKey, out: Out) {
        self.unblock(who);
        self.answer_late(who, out);
    }

    /// A client gets the answer to a command that was not over at once.
    pub(super) fn answer_late(&mut self, who: SessionKey, mut out: Out) {
        self.finish(who, 0, &mut out);
        let Some(session) = self.sessions.get_mut(who) else { return };
        session.woken = !session.input.partial.is_empty();
        session.argument_bytes = 0;
        session.mailbox.ring();
        self.push_to(who, &out.bytes);
    }

    /// Those whose time is up are told so.
    pub fn time_out(&mut self, now: crate::world::time::Now) {
        self.set_now(now);
        while let Some(&(deadline_us, who)) = self.waiters.deadlines.first() {
            if deadline_us > now.mono_us {
                break;
            }
            self.give_up(who, |give_up, out| give_up(out));
        }
        self.look_again();
    }

    /// Runs the commands of those again who look from time to time.
    fn look_again(&mut self) {
        while let Some(&(at_us, who)) = self.waiters.agains.first() {
            if at_us > self.now.mono_us {
                return;
            }
            self.waiters.agains.remove(&(at_us, who));
            self.try_again(who);
            self.serve_waiters();
        }
    }

    /// CLIENT UNBLOCK: says whether the client was waiting.
    pub fn unblock_client(&mut self, who: SessionKey, with_error: bool) -> bool {
        let waits = self.sessions.get(who).is_some_and(|session| session.blocked.is_some());
        if waits && with_error {
            const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
            self.give_up(who, |_, _| Err(Error::Say(UNBLOCKED).into()));
        } else if waits {
            self.give_up(who, |give_up, out| give_up(out));
        }
        waits
    }

    fn give_up(&mut self, who: SessionKey, answer: impl FnOnce(fn(Reply) -> Done, Reply) -> Done) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        let Some(blocked) = session.blocked.take() else { return };
        let mut out = session.out();
        let result = answer(blocked.wait.give_up, Reply::new(&mut out));
        let failed = matches!(self.settle_answer(result, 0, &mut out), Outcome::Failed);
        let (args, ran_us) = (blocked.line.args(), blocked.wait.ran_us);
        self.account(who, blocked.command, args, ran_us, failed, out.len());
        self.sessions[who].blocked = Some(blocked);
        self.answer_waiting(who, out);
    }
}
