//! Frames in: RESP arrays of bulk strings, and inline commands typed by hand.
//!
//! The parser is given a buffer and leaves spans into it; nothing is copied and nothing is
//! allocated from a length that a client declared. A frame that has not all arrived is taken up
//! where it was left, so that a large one is looked at once, however many reads it takes.

use super::args::{ArgsBuf, Span};
use crate::base::{bytes, numbers};

/// What the parser found at the head of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The spans of a whole request were appended; the next one begins at `end`.
    Request { end: usize },
    /// An inline command; the next request begins at `end`.
    Inline { words: ArgsBuf, end: usize },
    /// An empty line or an empty array: to be passed over.
    Nothing { end: usize },
    /// More bytes are needed.
    Partial,
}

/// The protocol was violated: say so, then close the connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// How much a client may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub authenticated: bool,
    /// `proto-max-bulk-len`, in bytes.
    pub bulk_len_max: u64,
}

/// A line that announces a length, or an inline command, is at most this long.
const LINE_MAX: usize = 64 * 1024;
/// What a client may send before it has logged in.
const STRANGER_ARGS_MAX: i64 = 10;
const STRANGER_BULK_MAX: i64 = 16 * 1024;

/// Where a line or a string must end and does not. A server that took any two bytes there would see
/// other requests than a proxy in front of it that does not.
const NO_LINE_BREAK: &str = "invalid CRLF in request";

/// The state of a frame that has not all arrived; positions are relative to its first byte.
#[derive(Debug, Default)]
pub struct Parser {
    at: usize,
    /// Bulk strings still to come; zero between frames.
    left: i64,
    /// The length of the bulk string being read, once its header has been.
    bulk: Option<usize>,
    /// Spans of the words that have arrived.
    spans: Vec<Span>,
}

impl Parser {
    /// Reads the frame that begins at `start` of `buffer`. Spans are relative to the buffer.
    pub fn next(
        &mut self,
        buffer: &[u8],
        start: usize,
        bounds: Bounds,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, Malformed> {
        let input = &buffer[start..];
        if self.left == 0 {
            let Some(&first) = input.first() else { return Ok(Parsed::Partial) };
            if first != b'*' {
                return self.inline(input, start);
            }
            let Some((count, at)) = self.length(input, 1, "too big mbulk count string")? else {
                return Ok(Parsed::Partial);
            };
            match count {
                Some(count) if count <= 0 => return Ok(Parsed::Nothing { end: start + at }),
                Some(count) if count <= i32::MAX as i64 => self.left = count,
                _ => return Err(malformed("invalid multibulk length")),
            }
            if !bounds.authenticated && self.left > STRANGER_ARGS_MAX {
                return Err(malformed("unauthenticated multibulk length"));
            }
            self.at = at;
            self.spans.clear();
        }
        while self.left > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.bulk_header(input, bounds)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Partial),
                },
            };
            // The two bytes behind the string are its line break.
            if input.len() - self.at < len + 2 {
                self.bulk = Some(len);
                return Ok(Parsed::Partial);
            }
            if input[self.at + len..self.at + len + 2] != *b"\r\n" {
                return Err(malformed(NO_LINE_BREAK));
            }
            self.spans.push((self.at as u32, (self.at + len) as u32));
            self.at += len + 2;
            self.bulk = None;
            self.left -= 1;
        }
        let base = start as u32;
        spans.extend(self.spans.iter().map(|&(from, to)| (from + base, to + base)));
        Ok(Parsed::Request { end: start + self.at })
    }

    /// How many bytes the frame needs at least before it is worth another look.
    pub fn wanted(&self) -> usize {
        self.bulk.map_or(0, |len| self.at + len + 2)
    }

    fn bulk_header(&mut self, input: &[u8], bounds: Bounds) -> Result<Option<usize>, Malformed> {
        let Some(&mark) = input.get(self.at) else { return Ok(None) };
        // Redis waits for the line before it looks at its first byte.
        let Some((len, at)) = self.length(input, self.at + 1, "too big bulk count string")? else {
            return Ok(None);
        };
        if mark != b'$' {
            let shown = if (0x20..0x7f).contains(&mark) { mark as char } else { '?' };
            return Err(Malformed(format!("Protocol error: expected '$', got '{shown}'")));
        }
        let len = match len {
            Some(len) if len >= 0 && len as u64 <= bounds.bulk_len_max => len,
            _ => return Err(malformed("invalid bulk length")),
        };
        if !bounds.authenticated && len > STRANGER_BULK_MAX {
            return Err(malformed("unauthenticated bulk length"));
        }
        self.at = at;
        Ok(Some(len as usize))
    }

    /// The number on the line that begins at `from`, and where the next line begins. `None` when
    /// the line is not complete; a number that is none is `Some((None, _))`.
    #[inline]
    fn length(
        &self,
        input: &[u8],
        from: usize,
        too_long: &str,
    ) -> Result<Option<(Option<i64>, usize)>, Malformed> {
        // The common case first: few digits, then the line break.
        let (mut at, mut value) = (from, 0i64);
        while let Some(digit) = input.get(at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
            && at < from + 9
        {
            value = value * 10 + digit as i64;
            at += 1;
        }
        let canonical = at > from && (input[from] != b'0' || at == from + 1);
        if canonical && input.get(at..at + 2) == Some(b"\r\n") {
            return Ok(Some((Some(value), at + 2)));
        }
        let rest = &input[from.min(input.len())..];
        match memchr::memchr(b'\r', rest) {
            Some(end) if from + end + 1 < input.len() => {
                if rest[end + 1] != b'\n' {
                    return Err(malformed(NO_LINE_BREAK));
                }
                Ok(Some((numbers::parse_i64(&rest[..end]), from + end + 2)))
            }
            None if rest.len() > LINE_MAX => Err(malformed(too_long)),
            _ => Ok(None),
        }
    }

    fn inline(&mut self, input: &[u8], start: usize) -> Result<Parsed, Malformed> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            if input.len() > LINE_MAX {
                return Err(malformed("too big inline request"));
            }
            return Ok(Parsed::Partial);
        };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        let end = start + end + 1;
        let words =
            bytes::split_line(line).ok_or_else(|| malformed("unbalanced quotes in request"))?;
        if words.is_empty() {
            return Ok(Parsed::Nothing { end });
        }
        let mut owned = ArgsBuf::default();
        words.iter().for_each(|word| owned.push(word));
        Ok(Parsed::Inline { words: owned, end })
    }
}

fn malformed(what: &str) -> Malformed {
    Malformed(format!("Protocol error: {what}"))
}
