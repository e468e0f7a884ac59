//! One line about a client: CLIENT LIST, CLIENT INFO and the log.

use super::pubsub::Space;
use super::tracking::Mode;
use super::{Closing, Engine, Session, SessionKey};
use crate::base::bytes;
use crate::resp::Proto;

/// Every letter that `flags=` may hold, here or on a server that replicates or is a cluster.
pub const ALL_FLAGS: &str = "OSMPxbtRBdcuAUreTIiEN";

/// So much is kept of a name that a client gave itself, which could be as long as it likes.
pub const NAME_BYTES_KEPT: usize = 256;

/// What is kept of such a name.
pub fn first(name: &[u8], most: usize) -> &[u8] {
    &name[..name.len().min(most)]
}

impl Engine {
    pub fn describe(&self, who: SessionKey) -> String {
        self.sessions.get(who).map_or_else(String::new, |session| self.line_of(session))
    }

    /// The same to be kept for long. Names have no length that they may not have, and each entry holds them anew.
    pub fn describe_to_keep(&self, who: SessionKey) -> String {
        let session = self.sessions.get(who);
        session.map_or_else(String::new, |session| self.line_with(session, false, NAME_BYTES_KEPT))
    }

    /// The same for the log, without the names that people gave, if those are to be hidden.
    pub fn describe_for_log(&self, who: SessionKey) -> String {
        let hides = self.config.hide_user_data_from_log;
        let session = self.sessions.get(who);
        session.map_or_else(String::new, |session| self.line_with(session, hides, usize::MAX))
    }

    pub fn line_of(&self, session: &Session) -> String {
        self.line_with(session, false, usize::MAX)
    }

    fn line_with(&self, session: &Session, hides: bool, most: usize) -> String {
        let cut = |name: &[u8]| String::from_utf8_lossy(first(name, most)).into_owned();
        let shown = |name: &[u8]| match hides && !name.is_empty() {
            true => "*redacted*".to_string(),
            false => cut(name),
        };
        let (name, lib_name, lib_ver) =
            (shown(&session.name), cut(&session.lib_name), cut(&session.lib_ver));
        let multi = session.multi.as_ref();
        let multi_memory = multi.map_or(0, |transaction| transaction.memory());
        let input = &session.input;
        // What is being run was taken out of the buffer, but it is not done with yet. With several
        // threads Redis has let go of it by then, and so says this.
        let running = if self.config.io_threads > 1 { 0 } else { session.input.running };
        // The words that have arrived of a frame are its arguments, and no longer unread input.
        let held = input.partial.len().saturating_sub(input.parser.read()) + running;
        let room = input.partial.capacity() - input.partial.len();
        let arguments = session.argument_bytes + input.parser.word_bytes();
        let unread = session.unread();
        let total = session.memory() + running + session.argument_bytes;
        let command = session
            .last_command
            .map_or("NULL".to_string(), |last| self.known(last).spec.lower_name());
        format!(
            "id={} addr={} laddr={} fd={} name={name} age={} idle={} flags={} db={} sub={} \
             psub={} ssub={} multi={} watch={} qbuf={held} qbuf-free={} argv-mem={} \
             multi-mem={multi_memory} rbs={} rbp={} obl=0 oll={} omem={unread} tot-mem={total} events={} \
             cmd={command} user={} redir={} resp={} lib-name={lib_name} lib-ver={lib_ver} \
             io-thread={} tot-net-in={} tot-net-out={} tot-cmds={} capa={}",
            session.id,
            session.peer.addr,
            session.peer.laddr,
            session.peer.fd,
            self.seconds_since(session.created_us),
            self.seconds_since(session.active_us()),
            self.flags_of(session),
            session.db,
            session.subscribed(Space::Channel),
            session.subscribed(Space::Pattern),
            session.subscribed(Space::Shard),
            multi.map_or(-1, |transaction| transaction.len() as i64),
            session.watched.len(),
            room,
            arguments,
            session.reply_buffer(),
            session.reply_peak,
            if unread > 0 { session.outbox.pieces().max(1) } else { 0 },
            if unread > 0 { "rw" } else { "r" },
            shown(session.user.name.as_ref()),
            session.redirect(),
            if session.proto == Proto::Resp3 { 3 } else { 2 },
            session.thread,
            session.net_in,
            session.net_out,
            session.commands,
            if session.redirect_capable { "r" } else { "" },
        )
    }

    /// Whole seconds since a moment of the monotonic clock.
    pub fn seconds_since(&self, moment_us: u64) -> u64 {
        self.now.mono_us.saturating_sub(moment_us) / 1_000_000
    }

    /// The letters that Redis' manual lists under CLIENT LIST.
    pub fn flags_of(&self, session: &Session) -> String {
        let mut flags = String::new();
        let mut add = |set: bool, letter: char| {
            if set {
                flags.push(letter);
            }
        };
        add(session.monitor, 'O');
        add(session.subscriptions.is_some(), 'P');
        add(session.multi.is_some(), 'x');
        add(session.postponed || session.blocked.is_some(), 'b');
        if let Some(tracking) = &session.tracking {
            add(true, 't');
            add(tracking.redirect_broken, 'R');
            add(tracking.mode == Mode::Broadcast, 'B');
        }
        add(session.watch_broken, 'd');
        add(session.closing == Closing::AfterReply, 'c');
        add(session.closing == Closing::Now, 'A');
        add(session.peer.unix, 'U');
        add(session.no_evict, 'e');
        add(session.no_touch, 'T');
        add(session.import_source, 'I');
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }
}

/// Names may not hold what would make one line of CLIENT LIST look like two.
pub fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// A name in quotes, for the log.
pub fn quoted(text: &[u8]) -> String {
    let mut quoted = Vec::new();
    bytes::quote(text, &mut quoted);
    String::from_utf8_lossy(&quoted).into_owned()
}
