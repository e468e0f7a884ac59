//! What the engine knows of a client.
//!
//! Sessions are the engine's, not the connection's: another client may list, rename or kill them,
//! and another thread may hold the socket. The socket's side is a waker and a flag, the outbox.

use super::acl::user::User;
use super::blocking::Blocked;
use super::fieldsets::Fieldsets;
use super::heavies::Place;
use super::ledger::Ledger;
use super::memory::Weight;
use super::partial::Partial;
use super::pubsub::{Space, Subscriptions};
use super::tracking::Tracking;
use super::transaction::Transaction;
use super::{Command, Out, Outbox};
use crate::resp::Proto;
use crate::resp::parse::Parser;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Where a session is kept; reused when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(u32);

pub struct Session {
    pub key: SessionKey,
    /// Never reused; what CLIENT ID answers.
    pub id: u64,
    pub peer: Peer,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub db: usize,
    pub proto: Proto,
    pub authenticated: bool,
    /// Whose rights it has.
    pub user: Arc<User>,
    /// These are all rights there are, and it may use them: nothing needs to be asked.
    pub unrestricted: bool,
    pub multi: Option<Transaction>,
    /// Keys of WATCH, with their database.
    pub watched: Vec<(u32, Box<[u8]>)>,
    /// Bytes of these keys.
    pub watched_bytes: usize,
    /// A watched key was touched: EXEC will do nothing.
    pub watch_broken: bool,
    pub replies: Replies,
    pub monitor: bool,
    /// None unless the client listens to something.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// None unless the client is told when what it has read changes.
    pub tracking: Option<Box<Tracking>>,
    /// Of HIMPORT.
    pub fieldsets: Fieldsets,
    pub no_evict: bool,
    pub no_touch: bool,
    /// CLIENT CAPA and CLIENT IMPORT-SOURCE, which only Valkey has.
    pub redirect_capable: bool,
    pub import_source: bool,
    pub closing: Closing,
    /// Waits for CLIENT UNPAUSE with what it sent.
    pub postponed: bool,
    /// Waits for a key to hold something.
    pub blocked: Option<Box<Blocked>>,
    /// Its script is busy.
    pub awaits_script: bool,
    /// Waits no longer, and will go on with what it sent meanwhile.
    pub woken: bool,
    /// It has read too little of its answers: the rest of its requests waits until it has.
    pub stalled: bool,
    pub input: Input,
    /// What the socket's owner has not taken yet.
    pub outbox: Outbox,
    /// Which of the server's threads has the socket.
    pub thread: usize,
    pub mailbox: Arc<Mailbox>,
    pub last_command: Option<&'static Command>,
    pub created_us: u64,
    /// When it last sent something, or what it had sent went on.
    pub received_us: u64,
    /// Since when the soft limit of the output buffer has been exceeded.
    pub soft_limit_since_us: Option<u64>,
    pub net_in: u64,
    pub net_out: u64,
    pub commands: u64,
    /// Bytes of the arguments of the request that is running.
    pub argument_bytes: usize,
    /// As the accounts of memory know it.
    pub(super) weight: Weight,
    /// Where it stands among those that can be evicted, while that is wanted.
    pub(super) place: Option<Place>,
    /// The largest reply since `reply_peak_since_us`; for CLIENT LIST's `rbp`.
    pub reply_peak: usize,
    pub reply_peak_since_us: u64,
    /// How long the log was when the client's last write was told to it.
    pub log_offset: u64,
    /// It replays a log: what it says was said before.
    pub replays: bool,
    /// The client has logged in once, so it is known even if it has logged out since.
    pub was_authenticated: bool,
}

/// Both ends of a connection, as CLIENT LIST shows them.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    pub addr: String,
    pub laddr: String,
    /// Without the port; a Unix socket has none.
    pub ip: Option<std::net::IpAddr>,
    pub fd: i32,
    pub unix: bool,
    pub loopback: bool,
}

/// What a client is to the server; limits and filters tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl ClientType {
    /// By any of its names, in lower case.
    pub fn named(name: &[u8]) -> Option<ClientType> {
        Some(match name {
            b"normal" => ClientType::Normal,
            b"master" | b"primary" => ClientType::Master,
            b"slave" | b"replica" => ClientType::Replica,
            b"pubsub" => ClientType::Pubsub,
            _ => return None,
        })
    }
}

/// Which answers the client wants to hear (CLIENT REPLY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    On,
    Off,
    /// The next answer is kept back.
    SkipNext,
    /// The answer to the request that is running is kept back.
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    No,
    /// When what it has been told is written.
    AfterReply,
    Now,
}

/// What has arrived of a frame that is not complete.
#[derive(Debug, Default)]
pub struct Input {
    pub partial: Partial,
    pub parser: Parser,
    /// Bytes of the buffer whose requests are running right now.
    pub running: usize,
}

/// What the engine and the task that owns the socket share, whichever threads they run on: the engine
/// rings when it has something for the task, and the task says what it holds.
#[derive(Debug)]
pub struct Mailbox {
    waker: AtomicWaker,
    mail: AtomicBool,
    in_flight: AtomicUsize,
    /// Of that, the memory that is held for this client alone.
    held: AtomicUsize,
    /// … and that of messages, which others may hold as well.
    shared: AtomicUsize,
    /// As many bytes as were held when the client was gone; they are freed before this is dropped.
    leaving: AtomicUsize,
    /// The same of messages.
    letting_go: AtomicUsize,
    /// When the socket last took something that had to wait or was no answer.
    sent_us: AtomicU64,
    /// The client counts as gone, and so does what is held for it.
    closed: AtomicBool,
    ledger: Ledger,
}

impl Mailbox {
    pub fn new(ledger: Ledger) -> Mailbox {
        Mailbox {
            waker: AtomicWaker::new(),
            mail: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            shared: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            letting_go: AtomicUsize::new(0),
            sent_us: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            ledger,
        }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn ring(&self) {
        self.mail.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Has the task look, though there is no mail.
    pub fn nudge(&self) {
        self.waker.wake();
    }

    pub fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// Bytes that the socket's owner took and has not written yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The socket's owner holds this now, and so many bytes that are records of TLS already. Whoever holds more than
    /// before must tell the engine as well, which has bounds on it.
    pub fn set_in_flight(&self, unsent: &Outbox, sealed: usize) {
        self.in_flight.store(unsent.len() + sealed, Ordering::Relaxed);
        self.shared.store(unsent.shared_memory(), Ordering::SeqCst);
        self.set_held(unsent.own_memory() + sealed);
        // The engine may have written it off in between.
        if self.closed.load(Ordering::SeqCst) {
            self.write_off();
        }
    }

    /// The socket has taken something.
    pub fn note_sent(&self, now_us: u64) {
        self.sent_us.store(now_us, Ordering::Relaxed);
    }

    /// Whatever is held for the client will be dropped without being written.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.write_off();
    }

    fn write_off(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
        let held = self.held.swap(0, Ordering::SeqCst);
        if held > 0 {
            self.ledger.left(self.leaving.swap(held, Ordering::SeqCst), held);
            self.ledger.held(held, 0);
        }
        let shared = self.shared.load(Ordering::SeqCst);
        self.ledger.left_messages(self.letting_go.swap(shared, Ordering::SeqCst), shared);
    }

    fn set_held(&self, bytes: usize) {
        if self.held.load(Ordering::SeqCst) != bytes {
            let before = self.held.swap(bytes, Ordering::SeqCst);
            self.ledger.held(before, bytes);
        }
    }

    /// Takes the mark that there is mail.
    pub fn take(&self) -> bool {
        // Mostly there is none, and a load costs less than a swap.
        self.mail.load(Ordering::Acquire) && self.mail.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.ledger.left(*self.leaving.get_mut(), 0);
        self.ledger.left_messages(*self.letting_go.get_mut(), 0);
    }
}

impl Session {
    fn new(
        key: SessionKey,
        id: u64,
        peer: Peer,
        now_us: u64,
        user: Arc<User>,
        ledger: Ledger,
    ) -> Session {
        Session {
            key,
            id,
            peer,
            user,
            unrestricted: false,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            db: 0,
            proto: Proto::Resp2,
            authenticated: false,
            multi: None,
            watched: Vec::new(),
            watched_bytes: 0,
            watch_broken: false,
            replies: Replies::On,
            monitor: false,
            subscriptions: None,
            tracking: None,
            fieldsets: Fieldsets::default(),
            no_evict: false,
            no_touch: false,
            redirect_capable: false,
            import_source: false,
            closing: Closing::No,
            postponed: false,
            blocked: None,
            awaits_script: false,
            woken: false,
            stalled: false,
            input: Input::default(),
            outbox: Outbox::default(),
            thread: 0,
            mailbox: Arc::new(Mailbox::new(ledger)),
            last_command: None,
            created_us: now_us,
            received_us: now_us,
            soft_limit_since_us: None,
            net_in: 0,
            net_out: 0,
            commands: 0,
            argument_bytes: 0,
            weight: Weight::default(),
            place: None,
            reply_peak: 0,
            log_offset: 0,
            replays: false,
            reply_peak_since_us: now_us,
            was_authenticated: false,
        }
    }

    /// Sends bytes that are not the answer to the client's own request.
    pub fn push(&mut self, bytes: &[u8]) {
        self.put_out(|outbox| outbox.copy(bytes));
    }

    /// The same for bytes that others are sent as well.
    pub fn share(&mut self, message: &Bytes) {
        self.put_out(|outbox| outbox.share(message));
    }

    fn put_out(&mut self, put: impl FnOnce(&mut Outbox)) {
        // What a client has been told of its end is the last word.
        if self.closing != Closing::No {
            return;
        }
        // Whoever takes an outbox takes all of it, so only the first message need ring.
        let first = self.outbox.is_empty();
        put(&mut self.outbox);
        if first {
            self.mailbox.ring();
        }
    }

    /// Is what the client sends kept for later?
    pub fn is_waiting(&self) -> bool {
        self.postponed || self.blocked.is_some() || self.awaits_script || self.woken || self.stalled
    }

    /// The rest of its requests waited until it had read some of its answers, and it has.
    pub fn may_go_on(&self) -> bool {
        self.stalled && self.unread() <= self.mailbox.ledger().goes_on_at()
    }

    /// Does the client want to be told anything at the moment?
    pub fn hears(&self) -> bool {
        matches!(self.replies, Replies::On | Replies::SkipNext)
    }

    /// When the client was last heard of: it has sent something, or taken something that it was sent.
    pub fn active_us(&self) -> u64 {
        self.received_us.max(self.mailbox.sent_us.load(Ordering::Relaxed))
    }

    /// Bytes that the client has not read.
    pub fn unread(&self) -> usize {
        self.outbox.len() + self.mailbox.in_flight()
    }

    /// Bytes of the reply buffer, as CLIENT LIST's `rbs` shows them: what answers of late needed,
    /// between 1 KiB and 16 KiB. The buffer itself is shared by all clients.
    pub fn reply_buffer(&self) -> usize {
        self.reply_peak.next_power_of_two().clamp(1024, 16 * 1024)
    }

    /// An empty buffer in the client's protocol.
    pub fn out(&self) -> Out {
        Out::new(self.proto)
    }

    /// Monitors too are normal clients.
    pub fn client_type(&self) -> ClientType {
        match self.subscriptions {
            Some(_) => ClientType::Pubsub,
            None => ClientType::Normal,
        }
    }

    /// A client that listens and speaks RESP2 may do little else, since it could not tell messages
    /// from answers.
    pub fn only_listens(&self) -> bool {
        self.subscriptions.is_some() && self.proto == Proto::Resp2
    }

    /// To how many names of a kind it listens.
    pub fn subscribed(&self, space: Space) -> usize {
        self.subscriptions.as_ref().map_or(0, |own| own.len(space))
    }

    /// What RESET leaves of a connection: where it comes from, and which library speaks there.
    pub(super) fn reset(&mut self) {
        self.name.clear();
        self.db = 0;
        self.proto = Proto::Resp2;
        // The answer to RESET itself may be one that was to be skipped; that stays so.
        if self.replies != Replies::Skip {
            self.replies = Replies::On;
        }
        self.fieldsets = Fieldsets::default();
        self.no_evict = false;
        self.no_touch = false;
        self.import_source = false;
    }

    /// Its socket is closed as soon as its owner looks; until then it counts as gone. What it holds is
    /// dropped at once, since memory may be why it has to go.
    pub(super) fn kill(&mut self) {
        self.closing = Closing::Now;
        self.outbox = Outbox::default();
        self.input = Input { running: self.input.running, ..Input::default() };
        self.multi = None;
        self.fieldsets = Fieldsets::default();
        self.stalled = false;
        self.mailbox.close();
        self.mailbox.ring();
    }
}

/// All sessions, found by key at once and by id in a walk.
#[derive(Default)]
pub struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    last_id: u64,
    /// Whose rights a session has that nobody welcomed.
    nobody: Arc<User>,
}

impl Sessions {
    pub fn open(&mut self, peer: Peer, now_us: u64, ledger: Ledger) -> &mut Session {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.last_id += 1;
        let (key, nobody) = (SessionKey(slot), self.nobody.clone());
        let session = Session::new(key, self.last_id, peer, now_us, nobody, ledger);
        self.slots[slot as usize].insert(Box::new(session))
    }

    pub fn close(&mut self, key: SessionKey) -> Option<Box<Session>> {
        let session = self.slots[key.0 as usize].take()?;
        self.free.push(key.0);
        Some(session)
    }

    pub fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(key.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key.0 as usize)?.as_deref_mut()
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten().map(|session| &**session)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.slots.iter_mut().flatten().map(|session| &mut **session)
    }

    /// Those whose end is not decided yet, in the order in which they came.
    pub fn living(&self) -> Vec<&Session> {
        let mut living = self.by_age();
        living.retain(|session| session.closing != Closing::Now);
        living
    }

    /// In the order in which they came.
    pub fn by_age(&self) -> Vec<&Session> {
        let mut all: Vec<&Session> = self.iter().collect();
        all.sort_unstable_by_key(|session| session.id);
        all
    }
}

impl Index<SessionKey> for Sessions {
    type Output = Session;
    fn index(&self, key: SessionKey) -> &Session {
        self.get(key).expect("a session outlives its requests")
    }
}

impl IndexMut<SessionKey> for Sessions {
    fn index_mut(&mut self, key: SessionKey) -> &mut Session {
        self.get_mut(key).expect("a session outlives its requests")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_a_client_that_is_gone_is_leaving_until_nobody_holds_it() {
        let ledger = Ledger::default();
        let (mailbox, mut unsent) = (Mailbox::new(ledger.clone()), Outbox::default());
        unsent.copy(&[7; 5000]);
        mailbox.set_in_flight(&unsent, 0);
        let held = ledger.bytes();
        assert!(held >= 5000);
        mailbox.close();
        assert_eq!((ledger.bytes(), ledger.leaving(), mailbox.in_flight()), (0, held, 0));
        // The owner has not heard of it yet, and goes on.
        unsent.copy(&[7; 50_000]);
        mailbox.set_in_flight(&unsent, 0);
        assert_eq!(ledger.bytes(), 0);
        assert!(ledger.leaving() >= 55_000);
        drop(mailbox);
        assert_eq!(ledger.leaving(), 0);
    }

    /// … and so is a message, which counts for others again if they go on holding it.
    #[test]
    fn a_message_to_a_client_that_is_gone_is_leaving_with_it() {
        let ledger = Ledger::default();
        let message = ledger.message(vec![7; 5000]);
        let (mailbox, mut unsent) = (Mailbox::new(ledger.clone()), Outbox::default());
        unsent.share(&message);
        unsent.advance(1000);
        mailbox.set_in_flight(&unsent, 0);
        mailbox.close();
        assert_eq!((ledger.bytes(), ledger.leaving()), (0, 5120));
        // Nobody knows of the other one until then.
        drop((mailbox, unsent));
        assert_eq!((ledger.bytes(), ledger.leaving()), (5120, 0));
        drop(message);
        assert_eq!((ledger.bytes(), ledger.leaving()), (0, 0));
    }
}
