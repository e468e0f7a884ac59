//! Bounds on what a client may make us keep for it: input that is not a request yet, output that
//! it does not read.

use super::session::ClientType;
use super::{Closing, Engine, Outbox, Session, SessionKey};
use crate::config::{Config, OutputLimit};
use crate::world::host::Level;

/// What a client that has not logged in may leave lying about.
const STRANGER_INPUT_MAX: usize = 16 * 1024 + 1024;
const STRANGER_OUTPUT_MAX: usize = 1024;
/// What an answer counts as while DEBUG CLIENT-ENFORCE-REPLY-LIST is on.
const BLOCK_BYTES: usize = 16 * 1024;

impl Session {
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
    /// The socket's owner holds so many bytes that the client has not read.
    pub fn set_in_flight(&mut self, who: SessionKey, bytes: usize) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        session.mailbox.set_in_flight(bytes);
        self.bound_output(who);
    }

    /// Hands the outbox to the socket's owner, who holds nothing else of this client.
    pub fn take_outbox(&mut self, who: SessionKey) -> Outbox {
        let Some(session) = self.sessions.get_mut(who) else { return Outbox::default() };
        let outbox = session.change_outbox(std::mem::take);
        session.mailbox.set_in_flight(outbox.len());
        self.stats.threads[session.thread].writes += !outbox.is_empty() as u64;
        outbox
    }

    /// Answers must not overtake what the client has not read yet.
    pub(super) fn queue_behind_unsent(&mut self, who: SessionKey, answers: &mut Vec<u8>) {
        let Some(session) = self.sessions.get_mut(who) else { return };
        if session.unread() == 0 || answers.is_empty() {
            return;
        }
        session.change_outbox(|outbox| outbox.copy(answers));
        answers.clear();
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
        session.closing = Closing::Now;
        self.stats.query_limit_disconnections += 1;
        let line = self.describe(who);
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
    /// stranger gets; DEBUG makes them count as long ones.
    #[cold]
    pub(super) fn bound_block(&mut self, who: SessionKey, answers: &mut Vec<u8>) {
        if self.is_unknown(who) {
            answers.clear();
            self.cut_slow_reader(who, BLOCK_BYTES);
        }
    }

    /// A stranger who has never logged in. One that did, and logged out with RESET, is trusted to
    /// read what it is told.
    fn is_unknown(&self, who: SessionKey) -> bool {
        self.is_stranger(who)
            && self.sessions.get(who).is_none_or(|session| !session.was_authenticated)
    }

    pub(super) fn cut_slow_reader(&mut self, who: SessionKey, held: usize) {
        if self.sessions[who].closing == Closing::Now {
            return;
        }
        let line = self.describe(who);
        self.host.log(
            Level::Warning,
            &format!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits \
                 ({held} bytes held)."
            ),
        );
        self.stats.output_limit_disconnections += 1;
        self.sessions[who].change_outbox(std::mem::take);
        self.kill(who);
    }
}
