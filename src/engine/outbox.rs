//! What a client is to be sent and has not been: pieces in order, some of them shared with others.
//!
//! A message for many clients is built once, and the outboxes hold references to it; short messages
//! are copied into a tail of the outbox's own, unless there is only one: what a client that keeps up is
//! sent takes no memory. The socket takes all pieces with one vectored write.

use crate::base::memory_size::{of_array, size_class};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

/// From this length on a message is held by reference, behind others. Measured with 16 messages waiting for each of
/// 100 sockets: a reference costs about 100 ns until it is written, its share of the kernel's walk
/// included; a copy costs 75 ns with 128 bytes, 125 with 256 and 290 with 512.
const SHARED_FROM: usize = 256;

/// What a tail has room for at first: some short messages.
const TAIL_BYTES: usize = 1024;

/// The tail becomes a piece at this length, so that a long queue is never moved to make room.
const PIECE_BYTES: usize = 16 * 1024;

/// What is shorter is copied, and the buffer stays where it is wanted again.
const TAKEN_FROM: usize = 128 * 1024;

#[derive(Debug, Default)]
pub struct Outbox {
    /// A message of others that nothing is behind. Else it is empty.
    only: Bytes,
    pieces: VecDeque<Piece>,
    /// Bytes of the pieces together.
    queued: usize,
    /// The memory of those that nobody else holds.
    own: usize,
    /// The memory of messages that others hold as well, all of each until the last byte of it was sent.
    shared: usize,
    /// Behind all pieces, and still growing.
    tail: BytesMut,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    /// The memory that goes with it; none if others hold it as well.
    own: usize,
    /// Or the memory of the message that it is, or is left of.
    shared: usize,
}

impl Outbox {
    pub fn len(&self) -> usize {
        self.only.len() + self.queued + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that are held for this client alone.
    pub fn own_memory(&self) -> usize {
        let pieces = of_array::<Piece>(self.pieces.capacity());
        self.own + of_array::<u8>(self.tail.capacity()) + pieces
    }

    /// Bytes of memory that others may hold as well.
    pub fn shared_memory(&self) -> usize {
        self.shared
    }

    /// How many pieces wait.
    pub fn pieces(&self) -> usize {
        self.pieces.len() + !self.only.is_empty() as usize + !self.tail.is_empty() as usize
    }

    /// Puts bytes behind what waits; O(bytes), whatever waits.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.no_longer_only();
        if self.tail.len() + bytes.len() > PIECE_BYTES {
            self.end_tail();
        }
        if bytes.len() > PIECE_BYTES {
            return self.push(Bytes::copy_from_slice(bytes), size_class(bytes.len()), 0);
        }
        if self.tail.capacity() == 0 {
            self.tail.reserve(TAIL_BYTES.max(bytes.len()));
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Puts behind what waits what stands in a buffer from there on. Where that is long and most of the
    /// buffer it takes the buffer, and leaves an empty one.
    pub fn keep(&mut self, buffer: &mut Vec<u8>, from: usize) {
        let rest = buffer.len() - from;
        if rest < TAKEN_FROM || rest < buffer.capacity() / 2 {
            return self.copy(&buffer[from..]);
        }
        self.no_longer_only();
        self.end_tail();
        let own = size_class(buffer.capacity());
        let mut bytes = Bytes::from(std::mem::take(buffer));
        bytes.advance(from);
        self.push(bytes, own, 0);
    }

    /// Puts a message behind what waits that others get as well.
    pub fn share(&mut self, message: &Bytes) {
        if message.is_empty() {
            return;
        }
        if self.is_empty() {
            self.only = message.clone();
            self.shared = size_class(message.len());
            return;
        }
        self.no_longer_only();
        if message.len() < SHARED_FROM {
            return self.copy(message);
        }
        self.end_tail();
        self.push(message.clone(), 0, size_class(message.len()));
    }

    /// Puts behind what waits all that waits in another.
    pub fn append(&mut self, mut other: Outbox) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.no_longer_only();
        other.no_longer_only();
        self.end_tail();
        self.queued += other.queued;
        self.own += other.own;
        self.shared += other.shared;
        self.pieces.append(&mut other.pieces);
        self.tail = other.tail;
    }

    /// The first piece; empty only if there is none.
    pub fn front(&self) -> &[u8] {
        if !self.only.is_empty() {
            &self.only
        } else if let Some(first) = self.pieces.front() {
            &first.bytes
        } else {
            &self.tail
        }
    }

    /// The first pieces, as many as there is room for; says how many.
    pub fn slices<'a>(&'a self, room: &mut [IoSlice<'a>]) -> usize {
        let only = (!self.only.is_empty()).then_some(&self.only[..]);
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        let pieces = self.pieces.iter().map(|piece| &piece.bytes[..]);
        let mut filled = 0;
        for (place, piece) in room.iter_mut().zip(only.into_iter().chain(pieces).chain(tail)) {
            *place = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    /// So many bytes from the front have been sent. An outbox that is empty holds no memory.
    pub fn advance(&mut self, mut bytes: usize) {
        if bytes == self.len() {
            *self = Outbox::default();
            return;
        }
        if !self.only.is_empty() {
            return self.only.advance(bytes);
        }
        while let Some(first) = self.pieces.front_mut().filter(|_| bytes > 0) {
            let sent = bytes.min(first.bytes.len());
            first.bytes.advance(sent);
            bytes -= sent;
            self.queued -= sent;
            if first.bytes.is_empty() {
                self.own -= first.own;
                self.shared -= first.shared;
                self.pieces.pop_front();
            }
        }
        self.tail.advance(bytes);
    }

    /// Something comes behind the only message.
    fn no_longer_only(&mut self) {
        let only = std::mem::take(&mut self.only);
        if only.is_empty() {
            return;
        }
        let shared = std::mem::take(&mut self.shared);
        if only.len() >= SHARED_FROM {
            self.push(only, 0, shared);
        } else {
            self.copy(&only);
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            let own = size_class(tail.capacity());
            self.push(tail.freeze(), own, 0);
        }
    }

    fn push(&mut self, bytes: Bytes, own: usize, shared: usize) {
        self.queued += bytes.len();
        self.own += own;
        self.shared += shared;
        self.pieces.push_back(Piece { bytes, own, shared });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Copy(usize),
        /// A buffer, of which so much is not meant.
        Keep(usize, usize),
        Share(usize),
        /// Another one, in which there is a copy and what others get.
        Append(usize, usize),
        /// A write takes this part of what waits, in percent.
        Send(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let length = || prop_oneof![0..40usize, 230..290usize, 16_300..16_500usize, 0..70_000usize];
        prop_oneof![
            3 => length().prop_map(Step::Copy),
            1 => (0..300_000usize, 0..200_000usize).prop_map(|(len, from)| Step::Keep(len, from)),
            3 => length().prop_map(Step::Share),
            2 => (length(), length()).prop_map(|(copied, shared)| Step::Append(copied, shared)),
            2 => (0..=100usize).prop_map(Step::Send),
        ]
    }

    proptest! {
        /// Every byte comes out once, in order, whatever a write takes of it.
        #[test]
        fn is_a_queue_of_bytes(steps in prop::collection::vec(step(), 1..60)) {
            let (mut outbox, mut model) = (Outbox::default(), Vec::new());
            let mut next = 0u8;
            let mut fresh = |length: usize| {
                let bytes: Vec<u8> = (0..length).map(|at| next.wrapping_add(at as u8)).collect();
                next = next.wrapping_add(101);
                bytes
            };
            for step in steps {
                match step {
                    Step::Copy(length) => {
                        let bytes = fresh(length);
                        outbox.copy(&bytes);
                        model.extend(bytes);
                    }
                    Step::Keep(length, from) => {
                        let (mut buffer, from) = (fresh(length), from.min(length));
                        model.extend_from_slice(&buffer[from..]);
                        outbox.keep(&mut buffer, from);
                        let is_taken = length - from >= TAKEN_FROM && length - from >= from;
                        prop_assert_eq!(buffer.len(), if is_taken { 0 } else { length });
                    }
                    Step::Share(length) => {
                        let bytes = Bytes::from(fresh(length));
                        outbox.share(&bytes);
                        model.extend_from_slice(&bytes);
                    }
                    Step::Append(copied, shared) => {
                        let (copied, shared) = (fresh(copied), Bytes::from(fresh(shared)));
                        let mut other = Outbox::default();
                        other.copy(&copied);
                        other.share(&shared);
                        outbox.append(other);
                        model.extend(copied);
                        model.extend_from_slice(&shared);
                    }
                    Step::Send(percent) => {
                        let mut room = [IoSlice::new(&[]); 8];
                        let count = outbox.slices(&mut room);
                        let shown = room[..count].iter().flat_map(|it| it.to_vec());
                        let shown: Vec<u8> = shown.collect();
                        prop_assert!(model.starts_with(&shown));
                        prop_assert!(shown.starts_with(outbox.front()));
                        let sent = shown.len() * percent / 100;
                        outbox.advance(sent);
                        model.drain(..sent);
                    }
                }
                prop_assert_eq!(outbox.len(), model.len());
                let pieces = &outbox.pieces;
                prop_assert_eq!(outbox.own, pieces.iter().map(|piece| piece.own).sum::<usize>());
                let shared = pieces.iter().map(|piece| piece.shared).sum::<usize>();
                prop_assert!(outbox.shared == shared || pieces.is_empty() && !outbox.only.is_empty());
                prop_assert!(outbox.shared >= shared + outbox.only.len());
            }
            let mut rest = Vec::new();
            while !outbox.is_empty() {
                let length = outbox.front().len();
                rest.extend_from_slice(outbox.front());
                outbox.advance(length);
            }
            prop_assert_eq!(rest, model);
        }
    }

    #[test]
    fn one_message_is_held_by_reference_however_short() {
        let short = Bytes::from(vec![1; 10]);
        let mut outbox = Outbox::default();
        outbox.share(&short);
        assert_eq!(outbox.front().as_ptr(), short.as_ptr());
        outbox.advance(4);
        outbox.share(&short);
        assert_eq!((outbox.front(), outbox.len()), (&[1; 16][..], 16));
    }

    #[test]
    fn long_messages_are_held_by_reference_and_short_ones_are_not() {
        let (long, short) = (Bytes::from(vec![1; SHARED_FROM]), Bytes::from(vec![1; 10]));
        let mut outboxes: Vec<Outbox> = (0..3).map(|_| Outbox::default()).collect();
        for outbox in &mut outboxes {
            outbox.share(&short);
            outbox.share(&long);
            let mut room = [IoSlice::new(&[]); 4];
            assert_eq!(outbox.slices(&mut room), 2);
            assert_ne!(room[0].as_ptr(), short.as_ptr());
            assert_eq!(room[1].as_ptr(), long.as_ptr());
        }
    }
}
