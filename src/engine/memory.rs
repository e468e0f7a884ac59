//! Accounts of memory: what the data takes, what is overhead, what clients hold.
//!
//! Clients are weighed when something of theirs has changed, so their sum is always known. What sockets' owners
//! hold is in the ledger, and so are messages that many clients share, which count once in the sum and in full
//! for each client that holds them.

use super::heavies::Heavies;
use super::{Closing, Engine, Session, SessionKey};

/// What a name takes that a client listens to or follows, beyond its bytes: its place in the client's own
/// table, and in the index of all names.
pub(super) const NAME_BYTES: usize = 96;

/// What the engine holds of a client, as it was when the client was weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes, without what is shared with others or in the hands of the socket's owner.
    kept: usize,
    /// Of these, unread answers and messages.
    queued: usize,
}

/// The largest input and output of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecentPeaks {
    /// For each of the last seconds.
    seconds: [Peak; PEAK_SECONDS as usize],
}

const PEAK_SECONDS: u64 = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    second: u64,
    input: usize,
    output: usize,
}

impl RecentPeaks {
    #[inline]
    pub fn note(&mut self, now_us: u64, input: usize, output: usize) {
        let second = now_us / 1_000_000;
        let peak = &mut self.seconds[(second % PEAK_SECONDS) as usize];
        if peak.second != second {
            *peak = Peak { second, input: 0, output: 0 };
        }
        peak.input = peak.input.max(input);
        peak.output = peak.output.max(output);
    }

    /// Input and output, each the largest of the last seconds.
    pub fn largest(&self, now_us: u64) -> (usize, usize) {
        let now = now_us / 1_000_000;
        let recent = || self.seconds.iter().filter(|peak| peak.second + PEAK_SECONDS > now);
        let input = recent().map(|peak| peak.input).max();
        let output = recent().map(|peak| peak.output).max();
        (input.unwrap_or(0), output.unwrap_or(0))
    }
}

impl Engine {
    /// Bytes of the dictionaries themselves, without keys and values.
    pub fn keyspace_overhead(&self) -> usize {
        (0..self.keyspace.databases()).map(|db| self.keyspace.db(db).overhead()).sum()
    }

    /// Bytes that clients hold: sessions, input and output.
    #[inline]
    pub fn clients_memory(&self) -> usize {
        self.weights.kept + self.ledger.bytes()
    }

    /// Of these, what clients have been told and have not read.
    #[inline]
    pub fn outputs_memory(&self) -> usize {
        self.weights.queued + self.ledger.bytes()
    }

    /// Something of a client has changed.
    #[inline]
    pub(super) fn weigh(&mut self, who: SessionKey) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        let fresh = session.weight_now();
        if fresh != session.weight {
            let before = std::mem::replace(&mut session.weight, fresh);
            self.weights.kept = self.weights.kept - before.kept + fresh.kept;
            self.weights.queued = self.weights.queued - before.queued + fresh.queued;
        }
        if self.client_bounds.evicts() {
            self.file_by_weight(who);
        }
    }

    /// A client is gone, and its weight with it.
    pub(super) fn weigh_out(&mut self, session: &Session) {
        self.weights.kept -= session.weight.kept;
        self.weights.queued -= session.weight.queued;
        session.mailbox.close();
    }

    /// Are the sums what they would be if everybody were weighed now?
    pub fn weights_are_right(&self) -> bool {
        let mut recount = Weight::default();
        for session in self.sessions.iter() {
            let weight = session.weight_now();
            recount.kept += weight.kept;
            recount.queued += weight.queued;
        }
        recount == self.weights
    }

    /// Puts a client where it belongs among those that can be evicted.
    pub(super) fn file_by_weight(&mut self, who: SessionKey) {
        let Some(session) = self.sessions.get(who) else { return };
        let class = session.is_evictable().then(|| Heavies::class_of(session.memory()));
        if session.place.map(|place| place.class) == class {
            return;
        }
        self.unfile(who);
        if let Some(class) = class {
            self.sessions[who].place = Some(self.heavies.add(who, class));
        }
    }

    pub(super) fn unfile(&mut self, who: SessionKey) {
        let Some(place) = self.sessions.get_mut(who).and_then(|it| it.place.take()) else { return };
        if let Some((moved, place)) = self.heavies.remove(place) {
            self.sessions[moved].place = Some(place);
        }
    }
}

impl Session {
    /// What would be free if the client were gone, and nobody else held what it shares.
    pub fn memory(&self) -> usize {
        match self.closing {
            Closing::Now => 0,
            _ => self.kept_memory() - self.outbox.own_memory() + self.output_memory(),
        }
    }

    /// Of that, what it has not read.
    pub fn output_memory(&self) -> usize {
        self.unread().max(self.outbox.own_memory())
    }

    fn weight_now(&self) -> Weight {
        match self.closing {
            _ if self.replays => Weight::default(),
            Closing::Now => Weight::default(),
            _ => Weight { kept: self.kept_memory(), queued: self.outbox.own_memory() },
        }
    }

    fn kept_memory(&self) -> usize {
        size_of::<Session>()
            + self.input.partial.capacity()
            + self.input.parser.memory()
            + self.outbox.own_memory()
            + self.blocked.as_ref().map_or(0, |blocked| blocked.memory())
            + self.subscriptions.as_ref().map_or(0, |own| own.memory())
            + self.tracking.as_ref().map_or(0, |tracking| tracking.memory())
            + self.multi.as_ref().map_or(0, |transaction| transaction.memory())
            + self.watched_memory()
            + self.fieldsets.memory()
    }

    fn watched_memory(&self) -> usize {
        // The keys stand in the index of all watched keys as well.
        2 * self.watched_bytes + self.watched.len() * NAME_BYTES
    }

    /// May it be ended because clients take too much memory?
    pub(super) fn is_evictable(&self) -> bool {
        self.closing != Closing::Now && !self.no_evict && !self.replays
    }
}
