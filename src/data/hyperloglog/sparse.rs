//! The sparse form: runs of equal registers, as opcodes.
//!
//! ```text
//!  00rrrrrr             1 to 64 registers that are zero           (ZERO)
//!  01rrrrrr rrrrrrrr    1 to 16384 registers that are zero        (XZERO)
//!  1vvvvvrr             1 to 4 registers of the value 1 to 32     (VAL)
//! ```
//! Runs and values are written less one. Which of several ways to say the same is chosen is part of the
//! format, because others may compare the strings: an opcode is split where one of its registers is
//! raised, and then neighbours of the same value are joined, as far as five opcodes from the one before.
//!
//! Finding a register means adding up runs. Where eight bytes are eight opcodes, as they mostly are
//! in a sketch that has grown, that is done for all of them at once.

use super::estimate::Histogram;
use super::{Corrupt, REGISTERS};

/// One XZERO for all registers.
pub const ALL_ZERO: [u8; 2] = [0x7f, 0xff];

const ZERO_RUN_MAX: usize = 64;
const VALUE_RUN_MAX: usize = 4;
const VALUE_MAX: u8 = 32;
/// How many opcodes are looked at to join neighbours.
const JOIN_WITHIN: usize = 5;

/// So many registers, all of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Op {
    value: u8,
    run: usize,
    bytes: usize,
}

/// What came of raising a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    Yes,
    /// It was as high already.
    No,
    /// It cannot be told in this form.
    TooLarge,
}

/// An opcode that lies well before the last one that was changed, so that the next register, if it is a
/// higher one, can be looked for from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// Bytes from the first opcode, and the first register that is meant there.
    at: usize,
    first: usize,
}

/// Raises a register of the opcodes that begin at byte `from`. The whole string may become as long as
/// `max`. A cursor that was used before serves for registers in ascending order.
pub fn raise(
    sketch: &mut Vec<u8>,
    from: usize,
    index: usize,
    value: u8,
    max: u64,
    cursor: &mut Cursor,
) -> Result<Raised, Corrupt> {
    if value > VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let mut found = Found::of(&sketch[from..], index, *cursor)?;
    if found.before.is_none() && cursor.at > 0 {
        // What lies before it is needed, and the cursor does not know that.
        *cursor = Cursor::default();
        found = Found::of(&sketch[from..], index, *cursor)?;
    }
    let (at, first, op) = (from + found.at, found.first, found.op);
    if let Some(earlier) = found.earlier {
        *cursor = earlier;
    }
    if op.value >= value {
        return Ok(Raised::No);
    }
    let mut pieces = Pieces::default();
    pieces.push(op.value, index - first);
    pieces.push(value, 1);
    pieces.push(op.value, first + op.run - 1 - index);
    let pieces = pieces.as_slice();
    if pieces.len() > op.bytes && (sketch.len() + pieces.len() - op.bytes) as u64 > max {
        return Ok(Raised::TooLarge);
    }
    if pieces.len() == op.bytes {
        sketch[at..at + op.bytes].copy_from_slice(pieces);
    } else {
        sketch.splice(at..at + op.bytes, pieces.iter().copied());
    }
    join(sketch, from + found.before.map_or(0, |before| before.at));
    Ok(Raised::Yes)
}

/// How many registers have which value.
pub fn histogram(opcodes: &[u8]) -> Result<Histogram, Corrupt> {
    let mut runs = [0; 64];
    each(opcodes, |_, op| runs[op.value as usize] += op.run as u32)?;
    Ok(runs)
}

/// Visits every register that is not zero. Some may have been visited when the opcodes turn out to be
/// corrupt.
pub fn each_value(opcodes: &[u8], mut visit: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    each(opcodes, |first, op| {
        if op.value > 0 {
            (first..first + op.run).for_each(|index| visit(index, op.value));
        }
    })
}

/// The opcodes in words, as PFDEBUG shows them, whether or not they add up; but not more of them than
/// there could be, so that the answer is bounded.
pub fn decode(sketch: &[u8]) -> Result<String, Corrupt> {
    let mut opcodes = &sketch[super::HEADER..];
    let mut words = Vec::new();
    while !opcodes.is_empty() {
        if words.len() == REGISTERS {
            return Err(Corrupt);
        }
        // An XZERO that ends early is shown as if a zero followed, which is what follows a C string.
        let op = Op::read(opcodes).or_else(|_| Op::read(&[opcodes[0], 0]))?;
        words.push(match (op.value, op.bytes) {
            (0, 1) => format!("z:{}", op.run),
            (0, _) => format!("Z:{}", op.run),
            (value, _) => format!("v:{value},{}", op.run),
        });
        opcodes = opcodes.get(op.bytes..).unwrap_or_default();
    }
    Ok(words.join(" "))
}

/// Visits all opcodes with the first register that each of them means.
fn each(mut opcodes: &[u8], mut visit: impl FnMut(usize, Op)) -> Result<(), Corrupt> {
    let mut first = 0;
    while !opcodes.is_empty() {
        let op = Op::read(opcodes)?;
        if op.run > REGISTERS - first {
            return Err(Corrupt);
        }
        visit(first, op);
        first += op.run;
        opcodes = &opcodes[op.bytes..];
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Joins neighbours of the same value, from the opcode at a byte on.
fn join(sketch: &mut Vec<u8>, mut at: usize) {
    let mut steps = JOIN_WITHIN;
    while at < sketch.len() && steps > 0 {
        steps -= 1;
        let byte = sketch[at];
        if is_xzero(byte) {
            at += 2;
            continue;
        }
        if is_value(byte)
            && let Some(&next) = sketch.get(at + 1)
            && byte >> 2 == next >> 2
        {
            let run = run_of_one(byte) + run_of_one(next);
            if run <= VALUE_RUN_MAX {
                sketch[at] = byte & !3 | (run - 1) as u8;
                sketch.remove(at + 1);
                // The next one may join as well.
                continue;
            }
        }
        at += 1;
    }
}

/// Where a register was found.
struct Found {
    at: usize,
    first: usize,
    op: Op,
    /// The opcode before it, and the one before that.
    before: Option<Cursor>,
    earlier: Option<Cursor>,
}

impl Found {
    fn of(opcodes: &[u8], index: usize, start: Cursor) -> Result<Found, Corrupt> {
        let Cursor { mut at, mut first } = start;
        let (mut before, mut earlier) = (None, None);
        let mut is_near = false;
        loop {
            if !is_near
                && let Some(eight) = opcodes.get(at..at + 8)
                && let Some(runs) = runs_of_eight(eight)
            {
                is_near = index < first + runs;
                if !is_near {
                    let end = first + runs;
                    let last = end - run_of_one(eight[7]);
                    before = Some(Cursor { at: at + 7, first: last });
                    earlier = Some(Cursor { at: at + 6, first: last - run_of_one(eight[6]) });
                    (at, first) = (at + 8, end);
                    continue;
                }
            }
            let op = Op::read(opcodes.get(at..).unwrap_or_default())?;
            if op.run > REGISTERS - first {
                return Err(Corrupt);
            }
            if index < first + op.run {
                return Ok(Found { at, first, op, before, earlier });
            }
            earlier = before;
            before = Some(Cursor { at, first });
            (at, first) = (at + op.bytes, first + op.run);
        }
    }
}

impl Op {
    fn read(opcodes: &[u8]) -> Result<Op, Corrupt> {
        let &byte = opcodes.first().ok_or(Corrupt)?;
        Ok(if is_value(byte) {
            Op { value: (byte >> 2 & 0x1f) + 1, run: run_of_one(byte), bytes: 1 }
        } else if is_xzero(byte) {
            let &low = opcodes.get(1).ok_or(Corrupt)?;
            let run = usize::from(byte & 0x3f) << 8 | usize::from(low);
            Op { value: 0, run: run + 1, bytes: 2 }
        } else {
            Op { value: 0, run: run_of_one(byte), bytes: 1 }
        })
    }
}

/// The opcodes that one becomes when it is split: at most two XZERO and a VAL.
#[derive(Default)]
struct Pieces {
    bytes: [u8; 5],
    len: usize,
}

impl Pieces {
    fn push(&mut self, value: u8, run: usize) {
        match (value, run) {
            (_, 0) => (),
            (0, 1..=ZERO_RUN_MAX) => self.byte((run - 1) as u8),
            (0, _) => {
                self.byte(0x40 | ((run - 1) >> 8) as u8);
                self.byte((run - 1) as u8);
            }
            (value, _) => self.byte(0x80 | (value - 1) << 2 | (run - 1) as u8),
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn is_value(byte: u8) -> bool {
    byte & 0x80 != 0
}

fn is_xzero(byte: u8) -> bool {
    byte & 0xc0 == 0x40
}

/// The registers of an opcode of one byte.
fn run_of_one(byte: u8) -> usize {
    usize::from(byte & if is_value(byte) { 3 } else { 0x3f }) + 1
}

/// The registers of eight opcodes of one byte each; `None` if there is an XZERO among the bytes.
#[inline]
fn runs_of_eight(eight: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(eight.try_into().ok()?);
    if !word & word << 1 & (ONES << 7) != 0 {
        return None;
    }
    let values = word >> 7 & ONES;
    // The bits of a run are the lower six, or the lower two.
    let runs = word & (ONES * 0x3f - values * 0x3c);
    let in_pairs = (runs & 0x00ff_00ff_00ff_00ff) + (runs >> 8 & 0x00ff_00ff_00ff_00ff);
    Some((in_pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize + 8)
}
