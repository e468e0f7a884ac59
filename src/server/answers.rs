//! The buffer in which a thread builds answers, and the account of it.
//!
//! All connections of a thread share one, and what is in it is on its way to a socket. When it has grown with a long
//! answer it is neither data nor any client's memory, so no key may have to go for it: the ledger is told of what is
//! there beyond the usual before another thread can look at how much is allocated, and that it is gone after it is.

use crate::base::lead::LEAD;
use crate::base::memory_size::size_class;
use crate::engine::ledger::Ledger;

/// Bytes that it has room for at first.
const USUAL_BYTES: usize = 64 * 1024;
/// When it has grown beyond this it is not kept.
const KEPT_BYTES: usize = 1024 * 1024;

pub struct Answers {
    /// Behind a lead.
    pub bytes: Vec<u8>,
    /// What it had room for when it was last counted.
    told: usize,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers { bytes: usual(), told: LEAD + USUAL_BYTES }
    }
}

impl Answers {
    /// Makes it ready for the answers of one read.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.truncate(LEAD);
    }

    /// Has what it has grown by counted. This is called in the engine, where nobody else looks.
    #[inline]
    pub fn count(&mut self, ledger: &Ledger) {
        let room = self.bytes.capacity();
        if room != self.told {
            ledger.in_hand(grown(self.told), grown(room));
            self.told = room;
        }
    }

    /// The answers are sent, or kept elsewhere: gives back what is not kept for the next ones. `say_freed` lets
    /// others know of what this thread has freed.
    #[inline]
    pub fn give_back(&mut self, ledger: &Ledger, say_freed: impl FnOnce()) {
        // It may have been taken to be sent.
        if self.bytes.capacity() > KEPT_BYTES || self.bytes.len() < LEAD {
            self.bytes = usual();
            // In this order: else what is freed would count as data for a moment.
            say_freed();
            self.count(ledger);
        }
    }
}

/// Bytes beyond the usual that are allocated for so much room.
fn grown(room: usize) -> usize {
    size_class(room).saturating_sub(size_class(LEAD + USUAL_BYTES))
}

fn usual() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEAD + USUAL_BYTES);
    bytes.resize(LEAD, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_usual_is_counted_until_it_is_freed() {
        let (mut answers, ledger) = (Answers::default(), Ledger::default());
        answers.count(&ledger);
        assert_eq!(ledger.bytes_in_hand(), 0);

        answers.bytes.resize(KEPT_BYTES / 2, 0);
        answers.count(&ledger);
        let kept = grown(answers.bytes.capacity());
        assert_eq!(ledger.bytes_in_hand(), kept);
        assert!(kept > KEPT_BYTES / 4, "{kept}");
        answers.give_back(&ledger, || panic!("it is kept"));
        assert_eq!(ledger.bytes_in_hand(), kept);

        answers.bytes.resize(KEPT_BYTES * 2, 0);
        answers.count(&ledger);
        let long = ledger.bytes_in_hand();
        assert!(long > KEPT_BYTES, "{long}");
        answers.give_back(&ledger, || assert_eq!(ledger.bytes_in_hand(), long));
        assert_eq!(ledger.bytes_in_hand(), 0);
        assert_eq!(answers.bytes.len(), LEAD);
    }

    #[test]
    fn a_buffer_that_was_taken_is_replaced() {
        let (mut answers, ledger) = (Answers::default(), Ledger::default());
        answers.bytes.resize(KEPT_BYTES / 2, 0);
        answers.count(&ledger);
        drop(std::mem::take(&mut answers.bytes));
        answers.give_back(&ledger, || ());
        assert_eq!((answers.bytes.len(), ledger.bytes_in_hand()), (LEAD, 0));
        answers.bytes.push(1);
        answers.clear();
        assert_eq!(answers.bytes.len(), LEAD);
    }
}
