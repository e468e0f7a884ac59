//! A large sorted set on its way to a snapshot, in parts, while it goes on changing.
//!
//! The parts go through the records (`members.rs`) chunk by chunk. A record that is about to change before its turn
//! has come is handed over first, and a bit says that it is left out when its turn comes; so does one for a
//! record that is new. What a snapshot costs in memory is therefore a bit for each member, and what changes
//! until its turn; a frozen twin would cost whole chunks (`base/held.rs`), that is almost all of a set in which
//! members here and there get new scores.

use super::members::{Chunks, Id, SLOTS_MAX, parts};

#[derive(Default)]
pub(super) struct Handover(Option<Box<State>>);

#[derive(Default)]
struct State {
    /// The records of all chunks before this one were handed over.
    next: usize,
    /// There were so many; what is in others is new.
    end: usize,
    /// For each chunk, those that are left out.
    left_out: Vec<[u64; SLOTS_MAX / 64]>,
    /// What comes before its turn.
    early: ScoreBatch,
    /// The records, if the set has others by now.
    own: Option<Chunks>,
}

/// Members with their scores, on their way to another thread.
///
/// ```text
///   | score f64 | length u32 | member |
/// ```
#[derive(Default)]
pub struct ScoreBatch {
    bytes: Vec<u8>,
    /// So many of them came before their turn.
    early: usize,
}

const HEAD: usize = 12;
/// A part passes no more chunks than this, though there be nothing to hand over in them.
const CHUNKS_AT_ONCE: usize = 16;
/// Memory for a part is taken at once up to here.
const EXPECTED_MAX: usize = 64 << 10;

impl Handover {
    /// Of all these records.
    pub fn begun(chunks: &Chunks) -> Handover {
        Handover(Some(Box::new(State { end: chunks.pieces(), ..State::default() })))
    }

    pub fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// One of these records is about to be changed, moved or removed.
    #[inline(always)]
    pub fn before_change(&mut self, id: Id, chunks: &Chunks) {
        if let Some(state) = &mut self.0
            && state.leave_out(id)
        {
            let (score, member) = chunks.get(id);
            state.early.push(score, member);
        }
    }

    /// There is a new record, perhaps where another one was.
    #[inline(always)]
    pub fn born(&mut self, id: Id) {
        if let Some(state) = &mut self.0 {
            state.leave_out(id);
        }
    }

    /// The next part, of about so many bytes; it may be empty. There is none after the last, or if nothing was
    /// begun.
    pub fn part(&mut self, chunks: &Chunks, most: usize) -> Option<ScoreBatch> {
        let state = self.0.as_mut()?;
        let mut part = std::mem::take(&mut state.early);
        part.early = part.bytes();
        if state.next == state.end && part.early == 0 {
            self.0 = None;
            return None;
        }
        part.bytes.reserve_exact(most.min(EXPECTED_MAX).saturating_sub(part.bytes()));
        let last = state.end.min(state.next + CHUNKS_AT_ONCE);
        while state.next < last && part.bytes() < most.max(1) {
            let left_out = state.left_out.get(state.next).copied().unwrap_or_default();
            let chunks = state.own.as_ref().unwrap_or(chunks);
            for (slot, (score, member)) in chunks.records_of(state.next) {
                if left_out[slot / 64] >> (slot % 64) & 1 == 0 {
                    part.push(score, member);
                }
            }
            if let Some(own) = &mut state.own {
                own.forget(state.next);
            }
            state.next += 1;
        }
        Some(part)
    }

    /// The set gets other records altogether; these are the ones that it had.
    pub fn moved_from(mut self, chunks: impl FnOnce() -> Chunks) -> Handover {
        if let Some(state) = &mut self.0 {
            state.own.get_or_insert_with(chunks);
        }
        self
    }
}

impl State {
    /// Says whether the record is one whose turn was still to come.
    fn leave_out(&mut self, id: Id) -> bool {
        let (chunk, slot) = parts(id);
        if !(self.next..self.end).contains(&chunk) || self.own.is_some() {
            return false;
        }
        if self.left_out.len() <= chunk {
            self.left_out.resize(chunk + 1, Default::default());
        }
        let (word, bit) = (&mut self.left_out[chunk][slot / 64], 1 << (slot % 64));
        let is_first = *word & bit == 0;
        *word |= bit;
        is_first
    }
}

/// A copy of a set is not what the snapshot knows.
impl Clone for Handover {
    fn clone(&self) -> Handover {
        Handover(None)
    }
}

impl ScoreBatch {
    #[inline]
    fn push(&mut self, score: f64, member: &[u8]) {
        self.bytes.extend_from_slice(&score.to_le_bytes());
        self.bytes.extend_from_slice(&(member.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(member);
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes came before their turn, since they were about to change.
    pub fn early(&self) -> usize {
        self.early
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk::<HEAD>()?;
            let (score, len) = head.split_first_chunk::<8>()?;
            let len = u32::from_le_bytes(*len.first_chunk()?) as usize;
            let (member, after) = after.split_at_checked(len)?;
            rest = after;
            Some((member, f64::from_le_bytes(*score)))
        })
    }
}
