//! A string that is compressed part by part.
//!
//! The format says how long a string is compressed before the string itself, and a dump is written from its
//! beginning to its end. So what is compressed is held until the last part has come, and no more of it is held
//! than a few MiB or a small share of the string: one that turns out longer is written as it is, what was held of
//! it first. References of the compression reach eight KiB back, so that parts of some hundred KiB lose next to nothing by
//! beginning anew.

use crate::base::lzf::{self, Compressor};

/// What is held is no more than this …
const HELD_MAX: usize = 4 << 20;
/// … or than one of so many bytes of the string, whichever is more.
const HELD_ONE_OF: usize = 32;

#[derive(Default)]
pub struct Parts {
    len: usize,
    /// Bytes of the string that are still to come.
    left: usize,
    /// It is not known yet how the string is written.
    is_open: bool,
    held: Vec<Part>,
    held_bytes: usize,
}

/// A part that was compressed.
pub struct Part {
    pub bytes: Box<[u8]>,
    len: usize,
}

/// How the string is written, of which these parts have come.
pub enum Verdict {
    Unknown,
    Compressed {
        len: usize,
        parts: Vec<Part>,
    },
    /// Parts that follow are written as they are, too.
    Plain {
        len: usize,
        parts: Vec<Part>,
    },
}

impl Parts {
    /// A string of so many bytes. Says `is_open` whether it may be compressed.
    pub fn new(len: usize, is_open: bool) -> Parts {
        Parts { len, left: len, is_open, ..Parts::default() }
    }

    /// Holds a part; says no if the string is written as it is.
    pub fn compress(&mut self, part: &[u8], compressor: &mut Compressor) -> bool {
        if !self.is_open {
            return false;
        }
        let mut bytes = Vec::new();
        let is_compressed = compressor.compress(part, usize::MAX, &mut bytes);
        debug_assert!(is_compressed, "a part is short, and its result may be long");
        self.left = self.left.saturating_sub(part.len());
        self.held_bytes += bytes.len();
        self.held.push(Part { bytes: bytes.into(), len: part.len() });
        true
    }

    /// What became of the string, if that is known by now. `gain` is what must be saved at least.
    pub fn verdict(&mut self, gain: usize) -> Verdict {
        let is_too_long = self.held_bytes > HELD_MAX.max(self.len / HELD_ONE_OF);
        if self.left > 0 && !is_too_long {
            return Verdict::Unknown;
        }
        let Parts { len, held: parts, held_bytes, .. } = std::mem::take(self);
        match is_too_long || held_bytes + gain > len {
            true => Verdict::Plain { len, parts },
            false => Verdict::Compressed { len, parts },
        }
    }
}

impl Part {
    /// The part as it was.
    pub fn expand_into(&self, out: &mut Vec<u8>) {
        let expanded = lzf::expand_into(&self.bytes, self.len, out);
        debug_assert!(expanded.is_some(), "it was just compressed");
    }
}
