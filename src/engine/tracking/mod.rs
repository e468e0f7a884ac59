//! Client-side caching: clients keep copies of what they read, and are told when those are stale.
//!
//! A client either has the server remember which keys it reads (`readers.rs`), and is told once of each
//! that it changed; or it names prefixes (`prefixes.rs`), and is told of every change below them, for
//! which nothing need be remembered. What it is told is called an invalidation. It goes to the client
//! itself as a push, or to another connection that the client names, since RESP2 has no pushes.
//!
//! Of a key that was read, clients hear as soon as it changes; who changed it, behind the answer. What
//! changes below a prefix is gathered until the batch of requests is over. Keys count without their
//! database, as in Redis. Manual: <https://redis.io/docs/latest/develop/reference/client-side-caching/>.

mod prefixes;
mod readers;

pub use prefixes::{Name, Overlap, overlap};

use super::ledger::Ledger;
use super::memory::NAME_BYTES;
use super::{Closing, Command, Engine, Out, Session, SessionKey, keys};
use crate::base::map::Map;
use crate::keyspace::{Cause, change};
use crate::resp::{Args, Proto};
use crate::spec::{Group, PUBSUB, READONLY};
use bytes::Bytes;
use prefixes::{Changed, Prefixes};
use rand::Rng;
use readers::{ReadKey, Readers};
use std::collections::BTreeSet;

/// Where a client that speaks RESP2 hears of invalidations.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// So many keys too many are dropped at once, the more often the more are too many in spite of it.
const DROPPED_AT_ONCE: usize = 100;
const DROPPED_AT_MOST: usize = 10 * DROPPED_AT_ONCE;

/// From so many keys on, dropping all of them is worth another thread.
const MANY_KEYS: usize = 64;

/// What a client asked for, and hears.
pub struct Tracking {
    pub mode: Mode,
    /// What it changed itself need not be told.
    pub no_loop: bool,
    pub redirect: Option<Redirect>,
    /// Something was to be told to a connection that is not there any more.
    pub redirect_broken: bool,
    /// CLIENT CACHING was sent: the next request is an exception to the mode.
    pub caching: bool,
    /// None of them overlap.
    pub prefixes: BTreeSet<Name>,
    /// Bytes of the prefixes.
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What the client reads is remembered.
    Reads,
    /// … if it said so before.
    OptIn,
    /// … unless it said otherwise before.
    OptOut,
    /// Nothing is remembered: the client follows prefixes.
    Broadcast,
}

/// The connection that is told in the client's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub id: u64,
    key: SessionKey,
}

/// What CLIENT TRACKING ON was sent with.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub mode: Mode,
    pub no_loop: bool,
    pub redirect: Option<Redirect>,
    pub prefixes: &'a [&'a [u8]],
}

impl Tracking {
    /// Bytes. The prefixes belong to all who follow them, and count for each: anybody may be the only one.
    pub fn memory(&self) -> usize {
        size_of::<Tracking>() + self.bytes + self.prefixes.len() * NAME_BYTES
    }

    /// Is what the client reads now to be remembered?
    fn remembers(&self) -> bool {
        match self.mode {
            Mode::Reads => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }
}

impl Session {
    /// The id of the connection that is told of changes: 0 if it is this one, -1 if nobody is.
    pub fn redirect(&self) -> i64 {
        let redirect = |tracking: &Tracking| tracking.redirect.map_or(0, |it| it.id as i64);
        self.tracking.as_deref().map_or(-1, redirect)
    }

    /// A request is over, and with it what CLIENT CACHING said of it. That covers a whole transaction.
    pub(super) fn end_caching(&mut self) {
        let Some(tracking) = &mut self.tracking else { return };
        let is_client = |command: &Command| command.spec.name.starts_with("CLIENT");
        if self.multi.is_none() && !self.last_command.is_some_and(is_client) {
            tracking.caching = false;
        }
    }
}

/// All that clients are to be told of.
pub struct Trackers {
    readers: Readers,
    prefixes: Prefixes,
    /// The clients whose reads are remembered.
    remembered: Map<u64, SessionKey>,
    clients: usize,
    /// How often in a row there were too many keys even after some had been dropped.
    behind: usize,
}

impl Trackers {
    pub fn new(seed: u64) -> Trackers {
        Trackers {
            readers: Readers::new(seed),
            prefixes: Prefixes::default(),
            remembered: Map::default(),
            clients: 0,
            behind: 0,
        }
    }

    /// How many clients asked for it.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.readers.len()
    }

    /// … and how many pairs of a key and a client.
    pub fn pairs(&self) -> u64 {
        self.readers.pairs()
    }

    /// How many prefixes somebody follows.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }
}

impl Engine {
    /// CLIENT TRACKING ON. What the client followed before, it follows still.
    pub fn track(&mut self, who: SessionKey, wish: Wish) {
        let session = &mut self.sessions[who];
        let before = session.tracking.take();
        self.trackers.clients += before.is_none() as usize;
        let (caching, mut prefixes, mut bytes) = before
            .map(|before| (before.caching, before.prefixes, before.bytes))
            .unwrap_or_default();
        match wish.mode {
            Mode::Broadcast => {
                let all: &[&[u8]] = if wish.prefixes.is_empty() { &[b""] } else { wish.prefixes };
                for prefix in all {
                    let name = self.trackers.prefixes.follow(prefix, session.id, who);
                    bytes += if prefixes.insert(name) { prefix.len() } else { 0 };
                }
            }
            _ => drop(self.trackers.remembered.insert(session.id, who)),
        }
        session.tracking = Some(Box::new(Tracking {
            mode: wish.mode,
            no_loop: wish.no_loop,
            redirect: wish.redirect,
            redirect_broken: false,
            caching,
            prefixes,
            bytes,
        }));
        self.keyspace.changes.interest |= change::TRACKERS;
    }

    /// CLIENT TRACKING OFF. What the client has read is remembered still, for when it tracks again.
    pub fn untrack(&mut self, who: SessionKey) {
        let session = &mut self.sessions[who];
        let Some(before) = session.tracking.take() else { return };
        for name in &before.prefixes {
            self.trackers.prefixes.leave(name, session.id);
        }
        self.trackers.remembered.remove(&session.id);
        self.trackers.clients -= 1;
        self.hear_changes();
    }

    /// A client that may have tracked is gone, and with the last of them what they have read.
    pub(super) fn forget_tracker(&mut self, who: SessionKey) {
        if self.sessions[who].tracking.is_some() {
            self.untrack(who);
            if self.trackers.clients == 0 {
                self.forget_reads();
            }
        }
    }

    /// The connection with an id, for CLIENT TRACKING REDIRECT.
    pub fn redirect_to(&self, id: u64) -> Option<Redirect> {
        let found = self.sessions.iter().find(|it| it.id == id && it.closing != Closing::Now)?;
        Some(Redirect { id, key: found.key })
    }

    /// A command has run for a client. The keys that it read may be in the client's memory from here
    /// on.
    pub(super) fn remember_reads(&mut self, who: SessionKey, command: &Command, args: Args) {
        let Some(session) = self.sessions.get(who) else { return };
        // A script reads nothing itself, but what it calls does. And channels are no keys.
        let reads = command.spec.has(READONLY)
            && !command.spec.has(PUBSUB)
            && command.spec.group != Group::Scripting;
        if !reads || !session.tracking.as_ref().is_some_and(|it| it.remembers()) {
            return;
        }
        let Some(keys) = keys::find(&command.spec, args) else { return };
        let remembered = &self.trackers.remembered;
        for key in keys {
            let is_there = |id| remembered.contains_key(&id);
            self.trackers.readers.add(args.get(key.index), session.id, is_there);
        }
    }

    /// Tells of the noted changes: those who have read the key at once, those who follow a prefix later.
    pub(super) fn tell_trackers(&mut self) {
        if self.keyspace.changes.interest & change::TRACKERS == 0 {
            return;
        }
        // Telling needs the engine, and changes nothing.
        let changes = std::mem::take(&mut self.keyspace.changes);
        for (change, key) in changes.iter() {
            let writer = match change.cause {
                Cause::Remark | Cause::Aside => continue,
                Cause::Command => self.running,
                Cause::Expiry | Cause::PartsExpiry | Cause::Eviction { .. } => None,
            };
            self.trackers.prefixes.note(key, writer);
            if let Some(read) = self.trackers.readers.take(key) {
                self.tell_readers(&read, writer);
            }
        }
        self.keyspace.changes = changes;
        self.hear_changes();
    }

    /// Everything has changed, for whoever tracks anything.
    pub fn tell_trackers_of_flush(&mut self) {
        if self.trackers.clients > 0 {
            let mut tracking: Vec<(u64, SessionKey)> = self
                .sessions
                .iter()
                .filter(|session| session.tracking.is_some())
                .map(|session| (session.id, session.key))
                .collect();
            tracking.sort_unstable();
            let mut notice = Notice::of_everything();
            tracking.iter().for_each(|(_, who)| self.notify(*who, &mut notice));
        }
        self.forget_reads();
    }

    /// The batch of requests is over, or the slice of the sweep: those who follow prefixes are told what
    /// has changed below them, each client once for each of its prefixes.
    #[inline]
    pub(super) fn tell_followers(&mut self) {
        while self.trackers.prefixes.are_touched() {
            if let Some((changed, followers)) = self.trackers.prefixes.take_changed() {
                self.tell_of_prefix(&changed, &followers);
            }
        }
    }

    /// Drops some keys if more are remembered than may be: for all that their readers know they have
    /// changed.
    pub(super) fn bound_reads(&mut self) {
        let behind = self.trackers.behind.min(DROPPED_AT_MOST / DROPPED_AT_ONCE - 1);
        let mut left = DROPPED_AT_ONCE * (behind + 1);
        while self.has_too_many_reads() && left > 0 {
            let dice = &mut self.keyspace.dice;
            let mut below = |bound: u64| dice.random_range(0..bound);
            if let Some(read) = self.trackers.readers.take_any(&mut below) {
                self.tell_readers(&read, None);
            }
            left -= 1;
        }
        self.trackers.behind = if self.has_too_many_reads() { behind + 1 } else { 0 };
    }

    /// Are more keys remembered than may be?
    pub(super) fn has_too_many_reads(&self) -> bool {
        let most = self.config.tracking_table_max_keys;
        most > 0 && self.trackers.keys() as u64 > most
    }

    /// Changes are noted while anybody may have to be told, or something would be remembered that
    /// changed.
    fn hear_changes(&mut self) {
        if self.trackers.clients == 0 && self.trackers.readers.is_empty() {
            self.keyspace.changes.interest &= !change::TRACKERS;
        }
    }

    fn forget_reads(&mut self) {
        if !self.trackers.readers.is_empty() {
            let empty = Readers::new(self.keyspace.seed());
            let old = std::mem::replace(&mut self.trackers.readers, empty);
            if old.len() > MANY_KEYS {
                self.give_away(old.len(), old);
            }
        }
        self.hear_changes();
    }

    fn tell_readers(&mut self, read: &ReadKey, writer: Option<SessionKey>) {
        let mut notice = Notice::of_keys(vec![read.key()]);
        for id in read.clients() {
            let Some(&reader) = self.trackers.remembered.get(&id) else { continue };
            if Some(reader) != writer || !self.is_no_loop(reader) {
                self.notify(reader, &mut notice);
            }
        }
    }

    fn tell_of_prefix(&mut self, changed: &Changed, followers: &[SessionKey]) {
        let mut notice = Notice::of_keys(changed.keys().map(|key| &**key).collect());
        for &follower in followers {
            let own = changed.values().filter(|writer| **writer == Some(follower)).count();
            if own == 0 || !self.is_no_loop(follower) {
                self.notify(follower, &mut notice);
            } else if own < changed.len() {
                let of_others = changed.iter().filter(|(_, writer)| **writer != Some(follower));
                let keys = of_others.map(|(key, _)| &**key).collect();
                self.notify(follower, &mut Notice::of_keys(keys));
            }
        }
    }

    fn is_no_loop(&self, who: SessionKey) -> bool {
        let session = self.sessions.get(who);
        session.and_then(|it| it.tracking.as_ref()).is_some_and(|tracking| tracking.no_loop)
    }

    /// Sends a notice to a client, or to whom it named. Where there is nobody it could be sent to in
    /// that protocol, it is lost, as the manual says.
    fn notify(&mut self, who: SessionKey, notice: &mut Notice) {
        let Some(session) = self.sessions.get(who) else { return };
        let Some(tracking) = &session.tracking else { return };
        let Some(redirect) = tracking.redirect else {
            if session.proto == Proto::Resp3 {
                self.deliver(who, notice.bytes(Proto::Resp3, &self.ledger.clone()));
            }
            return;
        };
        let is_it = |it: &&Session| it.id == redirect.id && it.closing == Closing::No;
        match self.sessions.get(redirect.key).filter(is_it) {
            Some(receiver) => {
                let proto = receiver.proto;
                if proto == Proto::Resp3 || receiver.subscriptions.is_some() {
                    self.deliver(redirect.key, notice.bytes(proto, &self.ledger.clone()));
                }
            }
            None => self.tell_of_broken_redirect(who, redirect.id),
        }
    }

    #[cold]
    fn tell_of_broken_redirect(&mut self, who: SessionKey, id: u64) {
        let session = &mut self.sessions[who];
        if let Some(tracking) = &mut session.tracking {
            tracking.redirect_broken = true;
        }
        if session.proto == Proto::Resp3 {
            let mut out = session.out();
            let mut push = out.push(2);
            push.bulk(b"tracking-redir-broken");
            push.int(id as i64);
            push.close();
            self.deliver(who, &out.bytes.into());
        }
    }
}

/// An invalidation as it goes over the wire, built when the first receiver of a protocol is met.
struct Notice<'a> {
    /// All keys that there are, if none are named.
    keys: Option<Vec<&'a [u8]>>,
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl<'a> Notice<'a> {
    fn of_keys(keys: Vec<&'a [u8]>) -> Notice<'a> {
        Notice { keys: Some(keys), resp2: None, resp3: None }
    }

    fn of_everything() -> Notice<'a> {
        Notice { keys: None, resp2: None, resp3: None }
    }

    fn bytes(&mut self, proto: Proto, ledger: &Ledger) -> &Bytes {
        let (place, head): (_, &[&[u8]]) = match proto {
            Proto::Resp2 => (&mut self.resp2, &[b"message", CHANNEL]),
            Proto::Resp3 => (&mut self.resp3, &[b"invalidate"]),
        };
        place.get_or_insert_with(|| {
            let mut out = Out::new(proto);
            let mut push = out.push(head.len() + 1);
            head.iter().for_each(|word| push.bulk(word));
            match &self.keys {
                Some(keys) => push.bulks(keys.iter().copied()),
                None => push.null(),
            }
            push.close();
            ledger.message(out.bytes)
        })
    }
}
