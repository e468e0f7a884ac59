//! Where the format is written to: a buffer that is given away when it is large, and its checksum.
//!
//! The checksum is counted over long pieces, when the buffer is given away and not before: that is several
//! times as fast as counting every few bytes.

use super::parts::{Parts, Verdict};
use crate::base::crc64;
use crate::base::lzf::Compressor;
use crate::data::string::{Digits, Text, canonical_int};
use crate::rdb::codes::string;
use crate::world::Millis;
use std::io;

/// Takes bytes out of the buffer: all, some, or none.
pub type Flush<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>;

/// From so many bytes on the buffer is given away.
const LARGE: usize = 256 << 10;

/// Shorter strings are not worth being compressed, as the peers have it.
const COMPRESSED_MIN: usize = 21;
/// Longer ones come in parts, and what they are compressed is bounded (`parts.rs`).
const WHOLE_MAX: usize = 4 << 20;
/// So much is to be gained at least.
const GAIN: usize = 4;

#[derive(Default)]
pub struct Sink {
    out: Vec<u8>,
    sum: u64,
    /// How much of the buffer has been counted.
    summed: usize,
    /// Somebody may have taken bytes out of it since, all of which were counted.
    is_lent: bool,
    compressor: Option<Compressor>,
    compressed: Vec<u8>,
    /// The string that comes in parts.
    parts: Parts,
}

impl Sink {
    /// `compress` says whether long strings are.
    pub fn new(compress: bool) -> Sink {
        Sink { compressor: compress.then(Compressor::default), ..Sink::default() }
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn len(&mut self, len: u64) {
        match len {
            ..0x40 => self.byte(len as u8),
            0x40..0x4000 => self.bytes(&(0x4000 | len as u16).to_be_bytes()),
            _ => match u32::try_from(len) {
                Ok(len) => {
                    self.byte(string::LEN_32);
                    self.bytes(&len.to_be_bytes());
                }
                Err(_) => {
                    self.byte(string::LEN_64);
                    self.bytes(&len.to_be_bytes());
                }
            },
        }
    }

    pub fn millis(&mut self, moment: Millis) {
        self.bytes(&moment.0.to_le_bytes());
    }

    /// A string in the shortest form that it has.
    pub fn string(&mut self, bytes: &[u8]) {
        let int = if bytes.len() <= 11 { canonical_int(bytes) } else { None };
        if !int.is_some_and(|int| self.int(int)) && !self.compress(bytes) {
            self.plain(bytes);
        }
    }

    pub fn text(&mut self, text: Text) {
        match text {
            Text::Bytes(bytes) => self.string(bytes),
            Text::Int(int) if self.int(int) => (),
            Text::Int(_) => self.plain(text.bytes(&mut Digits::new())),
        }
    }

    /// A string as it is.
    pub fn plain(&mut self, bytes: &[u8]) {
        self.len(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// As `text`, of any length: a very long one is given away in parts.
    pub fn long_text(&mut self, text: Text, flush: Flush) -> io::Result<()> {
        match text {
            Text::Bytes(bytes) if bytes.len() > WHOLE_MAX => {
                self.begin_parts(bytes.len());
                bytes.chunks(LARGE).try_for_each(|part| self.part(part, flush))
            }
            text => {
                self.text(text);
                self.spill(flush)
            }
        }
    }

    /// A string of so many bytes, which come in parts.
    pub fn begin_parts(&mut self, len: usize) {
        let is_tried = self.compressor.is_some() && len >= COMPRESSED_MIN;
        self.parts = Parts::new(len, is_tried);
        if !is_tried {
            self.len(len as u64);
        }
    }

    pub fn part(&mut self, part: &[u8], flush: Flush) -> io::Result<()> {
        let is_held = match &mut self.compressor {
            Some(compressor) => self.parts.compress(part, compressor),
            None => false,
        };
        if !is_held {
            self.bytes(part);
            return self.spill(flush);
        }
        match self.parts.verdict(GAIN) {
            Verdict::Unknown => Ok(()),
            Verdict::Compressed { len, parts } => {
                self.byte(string::LZF);
                self.len(parts.iter().map(|part| part.bytes.len() as u64).sum());
                self.len(len as u64);
                parts.iter().try_for_each(|part| {
                    self.bytes(&part.bytes);
                    self.spill(flush)
                })
            }
            Verdict::Plain { len, parts } => {
                self.len(len as u64);
                parts.iter().try_for_each(|part| {
                    part.expand_into(&mut self.out);
                    self.spill(flush)
                })
            }
        }
    }

    /// How many bytes are in the buffer.
    pub fn held(&self) -> usize {
        self.out.len()
    }

    /// Gives the buffer away if it is large.
    #[inline]
    pub fn spill(&mut self, flush: Flush) -> io::Result<()> {
        if self.out.len() < LARGE {
            return Ok(());
        }
        self.count();
        let done = flush(&mut self.out);
        self.summed = self.out.len();
        done
    }

    /// The buffer, to take bytes out of it. `resume` comes before anything is written again.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.resume();
        self.count();
        self.is_lent = true;
        &mut self.out
    }

    #[inline]
    pub fn resume(&mut self) {
        if self.is_lent {
            (self.summed, self.is_lent) = (self.out.len(), false);
        }
    }

    /// The checksum of all that was written.
    pub fn sum(&mut self) -> u64 {
        self.resume();
        self.count();
        self.sum
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn count(&mut self) {
        self.sum = crc64::update(self.sum, &self.out[self.summed..]);
        self.summed = self.out.len();
    }

    /// An integer as such, if it is short enough; says whether it was written.
    fn int(&mut self, int: i64) -> bool {
        if let Ok(int) = i8::try_from(int) {
            self.bytes(&[string::INT8, int as u8]);
        } else if let Ok(int) = i16::try_from(int) {
            self.byte(string::INT16);
            self.bytes(&int.to_le_bytes());
        } else if let Ok(int) = i32::try_from(int) {
            self.byte(string::INT32);
            self.bytes(&int.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// A string compressed, if that makes it shorter; says whether it was written.
    fn compress(&mut self, bytes: &[u8]) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        self.compressed.clear();
        if !(COMPRESSED_MIN..=WHOLE_MAX).contains(&bytes.len())
            || !compressor.compress(bytes, bytes.len() - GAIN, &mut self.compressed)
        {
            return false;
        }
        self.byte(string::LZF);
        self.len(self.compressed.len() as u64);
        self.len(bytes.len() as u64);
        self.out.extend_from_slice(&self.compressed);
        true
    }
}
