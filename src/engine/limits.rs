//! Bounds on what clients may make us keep for them: input that is not a request yet, output that
//! they do not read; each by itself, and all together.
//!
//! Where `maxmemory-clients` is set it bounds all that clients take, and the largest are ended first. Where it is
//! not, what lies in outputs is bounded all the same, by a share of the memory there is: a client that does not
//! read its answers is not read from, which holds up nobody else; and if all that do not read hold more than the
//! share together, those who hold most are ended, before any key has to make room for them.

use super::heavies::Heavies;
use super::session::ClientType;
use super::{Closing, Engine, Outbox, Session, SessionKey};
use crate::base::memory_size::share_of;
use crate::config::{Amount, Config, OutputLimit};
use crate::world::host::Level;

/// What a client that has not logged in may leave lying about. How many words it may send, and how long they may
/// be, is in the parser.
const STRANGER_INPUT_MAX: usize = 64 * 1024;
const STRANGER_OUTPUT_MAX: usize = 1024;
/// The share of the memory there is that outputs may take, and what they may take however little that is.
pub(super) const OUTPUTS_SHARE: u64 = 4;
const OUTPUTS_LEAST: u64 = 16 << 20;
/// The share of that which one client may have unread and still be read from.
const PAUSE_SHARE: usize = 16;
const PAUSE_MOST: usize = 64 << 20;
/// The share of the machine's memory that one answer may take.
const ANSWER_SHARE: u64 = 2;
/// Nobody can speak to a server that ends every client: less is taken for this.
const CLIENTS_LEAST: usize = 128 << 10;

/// Bounds on all clients together, in bytes; 0 means that there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientBounds {
    /// What clients may take, all in all: `maxmemory-clients`.
    all: usize,
    /// What lies in outputs.
    outputs: usize,
    /// What one client may be answered at once where the configuration does not say.
    answer: usize,
    /// Outputs hold more than they should and nobody could be ended: beyond this it is looked into again.
    look_again: usize,
}

impl ClientBounds {
    /// Are clients ended because they take too much all in all?
    #[inline]
    pub fn evicts(&self) -> bool {
        self.all > 0
    }
}

/// What an answer counts as while DEBUG CLIENT-ENFORCE-REPLY-LIST is on.
const BLOCK_BYTES: usize = 16 * 1024;

impl Session {
    /// The length from which answers are not written any further, since the client will be ended for it.
    #[inline]
    pub(super) fn answer_bound(&self, config: &Config, bounds: &ClientBounds) -> usize {
        let most = match self.output_limit(config).hard {
            0 => bounds.answer,
            hard => bytes(hard),
        };
        if most == 0 { usize::MAX } else { most }
    }

    pub fn output_limit(&self, config: &Config) -> OutputLimit {
        let limits = &config.client_output_buffer_limit;
        match self.client_type() {
            ClientType::Normal | ClientType::Master => limits.normal,
            ClientType::Replica => limits.replica,
            ClientType::Pubsub => limits.pubsub,
        }
    }
}

impl Engine {
    /// The socket's owner holds what the client has not read, some of it in records of TLS.
    pub fn set_in_flight(&mut self, who: SessionKey, unsent: &Outbox, sealed: usize) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        session.mailbox.set_in_flight(unsent, sealed);
        self.bound_output(who);
    }

    /// Takes over what the configuration says of clients' memory.
    pub(super) fn bound_clients_anew(&mut self) {
        let limit = self.room.limit;
        let all = match self.config.maxmemory_clients {
            Amount::Bytes(bytes) => bytes,
            Amount::Percent(percent) => share_of(limit, percent),
        };
        let all = if all > 0 { bytes(all).max(CLIENTS_LEAST) } else { 0 };
        let memory = if limit > 0 { limit } else { self.host.memory_at_hand() };
        let outputs = match memory {
            0 => 0,
            memory => bytes((memory / OUTPUTS_SHARE).max(OUTPUTS_LEAST)),
        };
        // Who alone takes all that clients may take is ended by that, and not held up: it goes on below half.
        let pause_at = match outputs {
            0 => usize::MAX,
            outputs => (outputs / PAUSE_SHARE).min(PAUSE_MOST).max(all.saturating_mul(2)),
        };
        self.ledger.set_pause_at(pause_at);
        let evicted = self.client_bounds.evicts();
        let answer = bytes(self.host.memory_at_hand() / ANSWER_SHARE);
        self.client_bounds = ClientBounds { all, outputs, answer, look_again: 0 };
        if evicted != self.client_bounds.evicts() {
            let everybody: Vec<SessionKey> = self.sessions.iter().map(|it| it.key).collect();
            for who in everybody {
                match evicted {
                    true => self.unfile(who),
                    false => self.file_by_weight(who),
                }
            }
        }
    }

    /// Ends clients if all together take more than they may.
    #[inline]
    pub(super) fn bound_clients(&mut self) {
        let bounds = &self.client_bounds;
        if bounds.all > 0 {
            if self.clients_memory() > bounds.all {
                self.evict_clients();
            }
        } else if bounds.outputs > 0
            && self.outputs_memory() > bounds.outputs.max(bounds.look_again)
        {
            self.cut_slowest_readers();
        }
    }

    #[cold]
    fn evict_clients(&mut self) {
        while self.clients_memory() > self.client_bounds.all
            && let Some(who) = self.heaviest_client()
        {
            let line = self.describe_for_log(who);
            self.host.log(Level::Notice, &format!("Evicting client: {line}"));
            self.stats.evicted_clients += 1;
            self.kill(who);
        }
    }

    /// One of the largest that may be ended.
    fn heaviest_client(&mut self) -> Option<SessionKey> {
        loop {
            let memory = |who: &&SessionKey| self.sessions.get(**who).map_or(0, Session::memory);
            let who = self.heavies.highest().iter().max_by_key(memory).copied()?;
            let class = Heavies::class_of(self.sessions[who].memory());
            if self.sessions[who].place.is_some_and(|place| place.class == class) {
                return Some(who);
            }
            // It has read what it was told since it was filed.
            self.file_by_weight(who);
        }
    }

    /// Outputs hold more than their share: those who hold most are ended until there is some room.
    #[cold]
    fn cut_slowest_readers(&mut self) {
        let limit = self.client_bounds.outputs;
        let holders =
            self.sessions.iter().filter(|it| it.closing != Closing::Now && it.unread() > 0);
        let mut holders: Vec<(usize, SessionKey)> =
            holders.map(|session| (session.output_memory(), session.key)).collect();
        holders.sort_unstable_by(|one, other| other.cmp(one));
        if let [(_, alone)] = holders[..] {
            // It is one answer that is so long, since nobody reads from who has not read the last one.
            let session = &self.sessions[alone];
            if !session.monitor && session.subscriptions.is_none() && session.tracking.is_none() {
                holders.clear();
            }
        }
        for (held, who) in holders {
            if self.outputs_memory() <= limit - limit / 8 {
                break;
            }
            self.cut_slow_reader(who, held);
        }
        self.client_bounds.look_again = match self.outputs_memory() {
            held if held > limit => held + limit / 8,
            _ => 0,
        };
    }

    /// Called by the clock.
    pub(super) fn look_at_outputs_again(&mut self) {
        self.client_bounds.look_again = 0;
        self.bound_clients();
    }

    /// Hands the outbox to the socket's owner, who holds nothing else of this client.
    pub fn take_outbox(&mut self, who: SessionKey) -> Outbox {
        let Some(session) = self.sessions.get_mut(who) else { return Outbox::default() };
        let outbox = std::mem::take(&mut session.outbox);
        session.mailbox.set_in_flight(&outbox, 0);
        self.stats.threads[session.thread].writes += !outbox.is_empty() as u64;
        self.weigh(who);
        outbox
    }

    /// Answers must not overtake what the client has not read yet. They are what stands behind `begin`.
    pub(super) fn queue_behind_unsent(
        &mut self,
        who: SessionKey,
        answers: &mut Vec<u8>,
        begin: usize,
    ) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        if session.unread() == 0 || answers.len() == begin {
            return;
        }
        session.outbox.copy(&answers[begin..]);
        answers.truncate(begin);
        session.mailbox.ring();
        self.bound_output(who);
    }

    /// A client was told so many bytes.
    pub(super) fn count_answered(&mut self, who: SessionKey, bytes: usize) {
        self.stats.net_out += bytes as u64;
        if let Some(session) = self.sessions.get_mut(who) {
            session.net_out += bytes as u64;
        }
    }

    /// Sends a client something that is not the answer to its own request.
    pub fn push_to(&mut self, who: SessionKey, bytes: &[u8]) {
        if let Some(session) = self.sessions.get_mut(who) {
            session.push(bytes);
            self.count_answered(who, bytes.len());
            self.weigh(who);
            self.bound_output(who);
        }
    }

    pub(super) fn bound_input(&mut self, who: SessionKey) {
        let is_stranger = self.is_stranger(who);
        let Some(session) = self.sessions.get_mut(who) else { return };
        let held = session.input.partial.len();
        let stranger = is_stranger && held > STRANGER_INPUT_MAX;
        if !stranger && held as u64 <= self.config.client_query_buffer_limit {
            return;
        }
        self.stats.query_limit_disconnections += 1;
        let line = self.describe_for_log(who);
        self.kill(who);
        self.host.log(
            Level::Warning,
            &format!("Closing client that reached max query buffer length: {line}"),
        );
    }

    pub(super) fn bound_output(&mut self, who: SessionKey) {
        let now_us = self.now.mono_us;
        let is_stranger = self.is_unknown(who);
        let Some(session) = self.sessions.get_mut(who) else { return };
        let held = session.unread();
        let limit = session.output_limit(&self.config);
        let stranger = is_stranger && held > STRANGER_OUTPUT_MAX;
        let hard = limit.hard > 0 && held as u64 >= limit.hard;
        let over_soft = limit.soft > 0 && held as u64 >= limit.soft;
        let soft = if over_soft {
            let since = *session.soft_limit_since_us.get_or_insert(now_us);
            now_us.saturating_sub(since) > limit.soft_seconds as u64 * 1_000_000
        } else {
            session.soft_limit_since_us = None;
            false
        };
        if stranger || hard || soft {
            self.cut_slow_reader(who, held);
        }
    }

    /// The bound on what a stranger may leave unread is hard to reach with the short answers that a
    /// stranger gets; DEBUG makes them count as long ones. True when a stranger is cut off for one.
    #[cold]
    pub(super) fn is_beyond_block(&mut self, who: SessionKey) -> bool {
        let is_unknown = self.is_unknown(who);
        if is_unknown {
            self.cut_slow_reader(who, BLOCK_BYTES);
        }
        is_unknown
    }

    /// A stranger who has never logged in. One that did, and logged out with RESET, is trusted to
    /// read what it is told.
    pub(super) fn is_unknown(&self, who: SessionKey) -> bool {
        self.is_stranger(who)
            && self.sessions.get(who).is_none_or(|session| !session.was_authenticated)
    }

    pub(super) fn cut_slow_reader(&mut self, who: SessionKey, held: usize) {
        if self.sessions[who].closing == Closing::Now {
            return;
        }
        let line = self.describe_for_log(who);
        self.host.log(
            Level::Warning,
            &format!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits \
                 ({held} bytes held)."
            ),
        );
        self.stats.output_limit_disconnections += 1;
        self.kill(who);
    }
}

fn bytes(wide: u64) -> usize {
    usize::try_from(wide).unwrap_or(usize::MAX)
}
