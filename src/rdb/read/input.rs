//! The bytes of a dump: read in large pieces, counted and summed, and handed out as numbers and strings.
//!
//! Nothing is allocated for a length that is only said. A string grows as its bytes come, unless it is known how many
//! bytes there are in all; then one that would go beyond is refused at once.

use super::error::{Error, Flaw, Kind};
use crate::base::{crc64, lzf};
use crate::rdb::codes::string;
use std::io::Read;

pub struct Input<R> {
    from: R,
    buffer: Box<[u8]>,
    /// What of the buffer has not been handed out yet.
    start: usize,
    end: usize,
    /// How many bytes had been handed out before the buffer's first one.
    before: u64,
    /// How many bytes there are in all, if that is known.
    size: Option<u64>,
    /// Of all that was handed out, but for what begins at `summed` in the buffer; if it is wanted.
    sum: Option<u64>,
    summed: usize,
    /// What was compressed, until it is expanded.
    compressed: Vec<u8>,
}

/// What the first bytes of a string say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Len(u64),
    Int(i64),
    Compressed { bytes: u64, len: u64 },
}

const BUFFER_BYTES: usize = 256 << 10;
/// A string at least as long is read past the buffer.
const LONG: usize = 16 << 10;
/// So much is allocated at once for a string of which nobody knows whether it is there.
const TRUSTED: usize = 64 << 10;

impl<R: Read> Input<R> {
    pub fn new(from: R, size: Option<u64>, wants_sum: bool) -> Input<R> {
        let room = size.map_or(BUFFER_BYTES, |size| {
            usize::try_from(size).unwrap_or(usize::MAX).clamp(16, BUFFER_BYTES)
        });
        Input {
            from,
            buffer: vec![0; room].into_boxed_slice(),
            start: 0,
            end: 0,
            before: 0,
            size,
            sum: wants_sum.then_some(0),
            summed: 0,
            compressed: Vec::new(),
        }
    }

    /// How many bytes were handed out.
    pub fn offset(&self) -> u64 {
        self.before + self.start as u64
    }

    /// How many bytes can still come, if that is known.
    pub fn left(&self) -> Option<u64> {
        self.size.map(|size| size.saturating_sub(self.offset()))
    }

    /// Where the bytes came from, and those that were read and not handed out.
    pub fn into_rest(self) -> (R, Vec<u8>) {
        (self.from, self.buffer[self.start..self.end].to_vec())
    }

    /// The checksum of all that was handed out, if it was to be counted.
    pub fn sum(&mut self) -> Option<u64> {
        let sum = &mut self.sum;
        if let Some(sum) = sum {
            *sum = crc64::update(*sum, &self.buffer[self.summed..self.start]);
            self.summed = self.start;
        }
        *sum
    }

    pub fn set_sum(&mut self, wanted: bool) {
        self.sum = self.sum().filter(|_| wanted);
    }

    // ── what is wrong ───────────────────────────────────────────────────────────────────────

    pub fn error(&self, kind: Kind, what: impl Into<String>) -> Error {
        Error { offset: self.offset(), kind, what: what.into() }
    }

    pub fn corrupt(&self, what: impl Into<String>) -> Error {
        self.error(Kind::Corrupt, what)
    }

    pub fn flaw(&self, flaw: Flaw) -> Error {
        self.error(Kind::Flawed, flaw.0)
    }

    // ── bytes ───────────────────────────────────────────────────────────────────────────────

    /// The next byte, if there is one.
    pub fn peek(&mut self) -> Result<Option<u8>, Error> {
        if self.start == self.end {
            self.fill(1, true)?;
        }
        Ok(self.buffer[..self.end].get(self.start).copied())
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Error> {
        if self.start == self.end {
            self.fill(1, false)?;
        }
        let byte = self.buffer[self.start];
        self.start += 1;
        Ok(byte)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        if self.end - self.start < N {
            self.fill(N, false)?;
        }
        let array = self.buffer[self.start..].first_chunk().copied();
        self.start += N;
        array.ok_or_else(|| self.error(Kind::Ends, ENDS))
    }

    /// Puts so many bytes behind those of `out`.
    pub fn take(&mut self, len: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.left().is_some_and(|left| len > left) {
            return Err(self.error(Kind::Ends, ENDS));
        }
        let Ok(len) = usize::try_from(len) else {
            return Err(self.error(Kind::Ends, ENDS));
        };
        let here = self.end - self.start;
        if len > here && len < LONG.min(self.buffer.len()) {
            self.fill(len, false)?;
        }
        let here = (self.end - self.start).min(len);
        out.reserve_exact(if self.size.is_some() { len } else { len.min(here.max(TRUSTED)) });
        out.extend_from_slice(&self.buffer[self.start..self.start + here]);
        self.start += here;
        if here < len {
            self.take_past(len - here, out)?;
        }
        Ok(())
    }

    /// Reads so many bytes without the buffer, in which there are none.
    fn take_past(&mut self, len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        self.sum();
        let before = out.len();
        let read = self.from.by_ref().take(len as u64).read_to_end(out);
        let more = out.len() - before;
        if let Some(sum) = &mut self.sum {
            *sum = crc64::update(*sum, &out[before..]);
        }
        self.before += more as u64;
        match read {
            Err(error) => Err(self.error(Kind::Io, error.to_string())),
            Ok(_) if more < len => Err(self.error(Kind::Ends, ENDS)),
            Ok(_) => Ok(()),
        }
    }

    pub fn skip(&mut self, mut len: u64) -> Result<(), Error> {
        while len > 0 {
            if self.start == self.end {
                self.fill(1, false)?;
            }
            let here = ((self.end - self.start) as u64).min(len);
            self.start += here as usize;
            len -= here;
        }
        Ok(())
    }

    /// Sees to it that there are so many bytes in the buffer, of which there is room for as many; unless the end
    /// may come.
    #[cold]
    fn fill(&mut self, need: usize, may_end: bool) -> Result<(), Error> {
        self.sum();
        self.buffer.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        self.end -= self.start;
        (self.start, self.summed) = (0, 0);
        while self.end < need {
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) if may_end => return Ok(()),
                Ok(0) => {
                    self.start = self.end;
                    return Err(self.error(Kind::Ends, ENDS));
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                Err(error) => return Err(self.error(Kind::Io, error.to_string())),
            }
        }
        Ok(())
    }

    // ── numbers ─────────────────────────────────────────────────────────────────────────────

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length, or any number that is written as one.
    #[inline]
    pub fn len(&mut self) -> Result<u64, Error> {
        match self.byte()? {
            first @ 0..0x40 => Ok(u64::from(first)),
            first @ 0x40..0x80 => Ok(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            string::LEN_32 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            string::LEN_64 => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(self.corrupt("a length in a form that there is not")),
        }
    }

    // ── strings ─────────────────────────────────────────────────────────────────────────────

    #[inline]
    pub fn head(&mut self) -> Result<Head, Error> {
        match self.byte()? {
            first @ 0..0x40 => Ok(Head::Len(u64::from(first))),
            first @ 0x40..0x80 => {
                Ok(Head::Len(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)))
            }
            string::LEN_32 => Ok(Head::Len(u64::from(u32::from_be_bytes(self.array()?)))),
            string::LEN_64 => Ok(Head::Len(u64::from_be_bytes(self.array()?))),
            string::INT8 => Ok(Head::Int(i64::from(i8::from_le_bytes(self.array()?)))),
            string::INT16 => Ok(Head::Int(i64::from(i16::from_le_bytes(self.array()?)))),
            string::INT32 => Ok(Head::Int(i64::from(i32::from_le_bytes(self.array()?)))),
            string::LZF => Ok(Head::Compressed { bytes: self.len()?, len: self.len()? }),
            _ => Err(self.corrupt("a string in a form that there is not")),
        }
    }

    /// The next string.
    pub fn string(&mut self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.string_into(&mut out)?;
        Ok(out)
    }

    /// The next string, in place of what `out` held.
    #[inline]
    pub fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        match self.head()? {
            Head::Len(len) => self.take(len, out),
            Head::Int(value) => {
                out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
                Ok(())
            }
            Head::Compressed { bytes, len } => self.expand(bytes, len, out),
        }
    }

    #[inline(never)]
    fn expand(&mut self, bytes: u64, len: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        self.take(bytes, &mut compressed)?;
        let expanded =
            usize::try_from(len).is_ok_and(|len| lzf::expand_into(&compressed, len, out).is_some());
        if compressed.capacity() <= BUFFER_BYTES {
            self.compressed = compressed;
        }
        if expanded { Ok(()) } else { Err(self.corrupt("Invalid LZF compressed string")) }
    }
}

const ENDS: &str = "Unexpected EOF reading RDB file";

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn pieces_of_any_size_give_the_same_bytes_and_sums() {
        let bytes: Vec<u8> = (0..600_000u32).map(|at| (at * 7 + at / 256) as u8).collect();
        for (piece, sizes) in
            [(1, [3, 70_000, 1]), (1000, [500, 20_000, 9]), (usize::MAX, [1, 2, 300_000])]
        {
            for size in [None, Some(bytes.len() as u64)] {
                let mut input = Input::new(Drip(&bytes, piece), size, true);
                let (mut at, mut out) = (0, Vec::new());
                for size in sizes.into_iter().cycle() {
                    if at + size > bytes.len() {
                        break;
                    }
                    out.clear();
                    input.take(size as u64, &mut out).unwrap();
                    assert_eq!(out, bytes[at..at + size]);
                    at += size;
                    assert_eq!(input.byte().unwrap(), bytes[at]);
                    at += 1;
                    assert_eq!(input.offset(), at as u64);
                }
                assert_eq!(input.sum(), Some(crc64::checksum(&bytes[..at])));
                let error = input.take(u64::MAX, &mut out).unwrap_err();
                assert_eq!(error.kind, Kind::Ends);
            }
        }
    }

    #[test]
    fn a_length_that_is_only_said_costs_nothing() {
        let mut input = Input::new(&b"\x81\x00\x00\x00\xff\xff\xff\xff\xffabc"[..], None, false);
        let mut out = Vec::new();
        assert_eq!(input.string_into(&mut out).unwrap_err().kind, Kind::Ends);
        assert!(out.capacity() <= 2 * TRUSTED);
    }

    #[test]
    fn strings_are_in_many_forms() {
        let bytes =
            b"\x03abc\x40\x01x\x80\x00\x00\x00\x01y\xc0\xff\xc1\x00\x80\xc2\x01\x00\x00\x80\
            \xc3\x05\x0f\x00a\xe0\x05\x00";
        let mut input = Input::new(&bytes[..], Some(bytes.len() as u64), false);
        for expected in ["abc", "x", "y", "-1", "-32768", "-2147483647", "aaaaaaaaaaaaaaa"] {
            assert_eq!(input.string().unwrap(), expected.as_bytes());
        }
        assert_eq!(input.peek().unwrap(), None);
    }
}
