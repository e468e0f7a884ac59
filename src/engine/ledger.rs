//! What lies in the outputs of clients, counted where every thread that has sockets can count.
//!
//! The engine knows what it has queued for a client. What a socket's owner has taken and not written, and
//! messages that many clients hold together, come and go without the engine: they are counted here, each byte
//! once. A message leaves the count when the last who holds it lets go. The buffers in which answers are built are
//! counted apart: what is in one is a client's only when its socket has not taken it.
//!
//! What is counted here is no data. So whoever frees it frees it, says so (`tally.rs`), and then takes it from the count:
//! the other way round it would be data for a moment, in which others can look. Loads and stores have this order.
//!
//! A client that is ended takes nothing any more, though whoever has its socket comes to free it only later. What
//! is held for it until then is on its way out: of messages that others share as well as much as it holds, so that
//! nobody else is ended in its stead. If others do hold on to them, they count again as soon as it is gone.

use crate::base::memory_size::size_class;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Bytes that sockets' owners hold for one client each.
    in_flight: AtomicUsize,
    /// Bytes of messages that clients share.
    messages: AtomicUsize,
    /// Bytes that sockets' owners still hold for clients that are gone.
    leaving: AtomicUsize,
    /// … and of messages, for each of those clients.
    let_go: AtomicUsize,
    /// Bytes by which the buffers have grown in which threads build answers.
    in_hand: AtomicUsize,
    /// A client that has so many bytes unread is not read from.
    pause_at: AtomicUsize,
    /// How a thread says what it has freed, where there are several.
    say_freed: OnceLock<fn()>,
}

/// A message, as long as anybody holds it.
struct Message {
    bytes: Vec<u8>,
    ledger: Ledger,
}

impl Ledger {
    /// A message that clients are to share.
    pub fn message(&self, bytes: Vec<u8>) -> Bytes {
        self.0.messages.fetch_add(size_class(bytes.capacity()), Ordering::Relaxed);
        Bytes::from_owner(Message { bytes, ledger: self.clone() })
    }

    /// From now on others look at how much is allocated while messages are freed: this is how a thread says what it has.
    pub fn share(&self, say_freed: fn()) {
        let _ = self.0.say_freed.set(say_freed);
    }

    /// All that is counted here.
    #[inline]
    pub fn bytes(&self) -> usize {
        let messages = self.0.messages.load(Ordering::Acquire);
        self.0.in_flight.load(Ordering::Acquire) + messages - self.let_go(messages)
    }

    /// Of so many bytes of messages, those that clients which are gone may be the last to hold.
    fn let_go(&self, messages: usize) -> usize {
        self.0.let_go.load(Ordering::Acquire).min(messages)
    }

    /// A socket's owner holds so many bytes now, and held so many before.
    pub fn held(&self, before: usize, now: usize) {
        // Wrapping, the difference may be negative; the sum of all never is.
        self.0.in_flight.fetch_add(now.wrapping_sub(before), Ordering::Release);
    }

    /// What was held for clients that are gone, until whoever holds it has come to free it.
    #[inline]
    pub fn leaving(&self) -> usize {
        let messages = self.0.messages.load(Ordering::Acquire);
        self.0.leaving.load(Ordering::Acquire) + self.let_go(messages)
    }

    /// So many bytes of a client that is gone are held now, and were before.
    pub fn left(&self, before: usize, now: usize) {
        self.0.leaving.fetch_add(now.wrapping_sub(before), Ordering::Release);
    }

    /// The same of messages that others may hold as well.
    pub fn left_messages(&self, before: usize, now: usize) {
        self.0.let_go.fetch_add(now.wrapping_sub(before), Ordering::Release);
    }

    /// What threads have built answers in and is no client's yet.
    #[inline]
    pub fn bytes_in_hand(&self) -> usize {
        self.0.in_hand.load(Ordering::Acquire)
    }

    /// A thread's buffer has grown by so many bytes now, and had by so many before.
    pub fn in_hand(&self, before: usize, now: usize) {
        self.0.in_hand.fetch_add(now.wrapping_sub(before), Ordering::Release);
    }

    pub fn pause_at(&self) -> usize {
        self.0.pause_at.load(Ordering::Relaxed)
    }

    /// It is read from again when it has no more than this unread.
    pub fn goes_on_at(&self) -> usize {
        self.pause_at() / 2
    }

    pub fn set_pause_at(&self, bytes: usize) {
        self.0.pause_at.store(bytes, Ordering::Relaxed);
    }
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            in_flight: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            let_go: AtomicUsize::new(0),
            in_hand: AtomicUsize::new(0),
            pause_at: AtomicUsize::new(usize::MAX),
            say_freed: OnceLock::new(),
        }
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let bytes = size_class(self.bytes.capacity());
        drop(std::mem::take(&mut self.bytes));
        if let Some(say_freed) = self.ledger.0.say_freed.get() {
            say_freed();
        }
        self.ledger.0.messages.fetch_sub(bytes, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else what was freed would be data for a moment, to a thread that looks just then.
    #[test]
    fn a_message_counts_until_it_is_said_to_be_free() {
        static LEDGER: OnceLock<Ledger> = OnceLock::new();
        static COUNTED: AtomicUsize = AtomicUsize::new(0);
        let ledger = LEDGER.get_or_init(Ledger::default);
        ledger.share(|| {
            let counted = LEDGER.get().expect("there is a message").bytes();
            COUNTED.store(counted, Ordering::Relaxed);
        });
        drop(ledger.message(vec![7; 1024]));
        assert_eq!((COUNTED.load(Ordering::Relaxed), ledger.bytes()), (1024, 0));
    }

    #[test]
    fn a_shared_message_counts_once_and_until_the_last_lets_go() {
        let ledger = Ledger::default();
        let message = ledger.message(vec![7; 1024]);
        let others: Vec<Bytes> = (0..10).map(|_| message.clone()).collect();
        let part = message.slice(1000..);
        assert_eq!(ledger.bytes(), 1024);
        drop((message, others));
        assert_eq!(ledger.bytes(), 1024);
        drop(part);
        assert_eq!(ledger.bytes(), 0);
        ledger.held(0, 30);
        ledger.held(30, 10);
        assert_eq!(ledger.bytes(), 10);
    }
}
