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
    /// More bytes are needed of a request that is passed over; those up to `end` are of no use any more.
    Passed { end: usize },
}

/// The protocol was violated: say so, then close the connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// How much a client may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub authenticated: bool,
    /// `proto-max-bulk-len`, in bytes.
    pub bulk_len_max: u64,
}

/// A frame begins so far behind the beginning of the buffer at the most.
pub const FRAME_START_MAX: usize = 1 << 20;
/// Spans are 32 bits wide, and must reach to the end of a frame, wherever it begins.
const FRAME_MAX: u64 = u32::MAX as u64 - FRAME_START_MAX as u64;
/// A line that announces a length, or an inline command, is at most this long.
const LINE_MAX: usize = 64 * 1024;
/// What a client may send before it has logged in.
const STRANGER_ARGS_MAX: i64 = 10;
const STRANGER_BULK_MAX: i64 = 16 * 1024;

/// Room for so many words is kept by a client that sent a request in pieces.
const SPANS_KEPT: usize = 64;

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
    /// Nobody wants the rest of the frame: it is passed over as it arrives. Positions are then relative to
    /// what is left of it.
    passes_over: bool,
}

impl Parser {
    /// Reads the frame that begins at `start` of `buffer`, which is `FRAME_START_MAX` at the most. Spans are relative
    /// to the buffer.
    pub fn next(
        &mut self,
        buffer: &[u8],
        start: usize,
        bounds: Bounds,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, Malformed> {
        let input = &buffer[start..];
        let resumed = self.left > 0;
        if !resumed {
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
        assert!(start <= FRAME_START_MAX, "spans do not reach so far");
        let base = start as u32;
        if resumed {
            if self.passes_over {
                return self.pass_over(input, start, bounds);
            }
            // The words that arrived before are kept aside, so that a frame of a million words is
            // not moved about with every read.
            let mut words = std::mem::take(&mut self.spans);
            let whole = self.words(input, bounds, 0, &mut words)?;
            if whole {
                spans.extend(words.drain(..).map(|(from, to)| (from + base, to + base)));
            }
            // A client whose one large request is over holds no memory for the next.
            if !whole || words.capacity() <= SPANS_KEPT {
                self.spans = words;
            }
            return Ok(if whole {
                Parsed::Request { end: start + self.at }
            } else {
                Parsed::Partial
            });
        }
        let first = spans.len();
        if self.words(input, bounds, base, spans)? {
            return Ok(Parsed::Request { end: start + self.at });
        }
        let arrived = spans.drain(first..).map(|(from, to)| (from - base, to - base));
        self.spans.extend(arrived);
        Ok(Parsed::Partial)
    }

    /// Reads bulk strings until the frame is whole, or the input is used up.
    #[inline(always)]
    fn words(
        &mut self,
        input: &[u8],
        bounds: Bounds,
        base: u32,
        spans: &mut Vec<Span>,
    ) -> Result<bool, Malformed> {
        while self.left > 0 {
            let len = match self.bulk.take() {
                Some(len) => Some(len),
                None => self.bulk_header(input, bounds)?,
            };
            // A client may be allowed more than that.
            if let Some(len) = len
                && self.at as u64 + len as u64 + 2 > FRAME_MAX
            {
                return Err(malformed("invalid bulk length"));
            }
            // The two bytes behind the string are its line break.
            match len {
                Some(len) if input.len() - self.at >= len + 2 => {
                    if input[self.at + len..self.at + len + 2] != *b"\r\n" {
                        return Err(malformed(NO_LINE_BREAK));
                    }
                    let from = self.at as u32 + base;
                    spans.push((from, from + len as u32));
                    self.at += len + 2;
                    self.left -= 1;
                }
                _ => {
                    self.bulk = len;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// How many bytes the frame needs at least before it is worth another look.
    pub fn wanted(&self) -> usize {
        match self.bulk {
            Some(len) if !self.passes_over => self.at + len + 2,
            _ => 0,
        }
    }

    /// The words of a frame that have arrived, relative to its first byte, and how many there will be.
    pub fn arrived(&self) -> (&[Span], usize) {
        (&self.spans, self.spans.len() + self.left as usize)
    }

    /// Passes the rest of a frame over that has not all arrived; says how many bytes of it have been read.
    pub fn give_up(&mut self) -> usize {
        self.spans = Vec::new();
        self.passes_over = true;
        std::mem::take(&mut self.at)
    }

    fn pass_over(
        &mut self,
        input: &[u8],
        start: usize,
        bounds: Bounds,
    ) -> Result<Parsed, Malformed> {
        self.at = 0;
        while self.left > 0 {
            let Some(len) = self.bulk else {
                self.bulk = self.bulk_header(input, bounds)?;
                if self.bulk.is_none() {
                    return Ok(Parsed::Passed { end: start + self.at });
                }
                continue;
            };
            let here = len.min(input.len() - self.at);
            self.at += here;
            self.bulk = Some(len - here);
            match input.get(self.at..self.at + 2) {
                Some(b"\r\n") if here == len => {
                    self.at += 2;
                    self.bulk = None;
                    self.left -= 1;
                }
                Some(_) if here == len => return Err(malformed(NO_LINE_BREAK)),
                _ => return Ok(Parsed::Passed { end: start + self.at }),
            }
        }
        self.passes_over = false;
        Ok(Parsed::Nothing { end: start + self.at })
    }

    /// Bytes at the beginning of the frame that need not be looked at again.
    pub fn read(&self) -> usize {
        if self.left > 0 { self.at } else { 0 }
    }

    /// Bytes of the words that have arrived.
    pub fn word_bytes(&self) -> usize {
        self.spans.iter().map(|&(from, to)| (to - from) as usize).sum()
    }

    /// Bytes that this keeps beside the frame.
    pub fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
    }

    fn bulk_header(&mut self, input: &[u8], bounds: Bounds) -> Result<Option<usize>, Malformed> {
        let Some(&mark) = input.get(self.at) else { return Ok(None) };
        // Redis waits for the line before it looks at its first byte; here it has none.
        let is_empty = mark == b'\r' && input.len() > self.at + 1;
        let found = match is_empty {
            true => Some((None, self.at)),
            false => self.length(input, self.at + 1, "too big bulk count string")?,
        };
        let Some((len, at)) = found else { return Ok(None) };
        if mark != b'$' {
            let shown = match mark {
                b'\r' | b'\n' => ' ',
                0x20..0x7f => mark as char,
                _ => '?',
            };
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
    #[inline(always)]
    fn length(
        &self,
        input: &[u8],
        from: usize,
        too_long: &str,
    ) -> Result<Option<(Option<i64>, usize)>, Malformed> {
        // Nearly every length has one or two digits.
        let digit = |byte: u8| (byte.wrapping_sub(b'0')) as i64;
        match input.get(from..) {
            Some(&[one, b'\r', b'\n', ..]) if one.is_ascii_digit() => {
                Ok(Some((Some(digit(one)), from + 3)))
            }
            Some(&[ten @ b'1'..=b'9', one, b'\r', b'\n', ..]) if one.is_ascii_digit() => {
                Ok(Some((Some(digit(ten) * 10 + digit(one)), from + 4)))
            }
            _ => self.long_length(input, from, too_long),
        }
    }

    #[inline(never)]
    fn long_length(
        &self,
        input: &[u8],
        from: usize,
        too_long: &str,
    ) -> Result<Option<(Option<i64>, usize)>, Malformed> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { authenticated: true, bulk_len_max: 512 * 1024 * 1024 };

    /// Reads all requests of an input that arrives in pieces, as a connection would.
    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<Vec<u8>>>, Malformed> {
        let (mut parser, mut held, mut requests) = (Parser::default(), Vec::new(), Vec::new());
        for piece in pieces {
            held.extend_from_slice(piece);
            let (mut at, mut spans) = (0, Vec::new());
            loop {
                spans.clear();
                match parser.next(&held, at, BOUNDS, &mut spans)? {
                    Parsed::Request { end } => {
                        let word = |&(from, to): &Span| held[from as usize..to as usize].to_vec();
                        requests.push(spans.iter().map(word).collect());
                        at = end;
                    }
                    Parsed::Inline { words, end } => {
                        requests.push(words.args().iter().map(<[u8]>::to_vec).collect());
                        at = end;
                    }
                    Parsed::Nothing { end } => at = end,
                    Parsed::Partial => break,
                    Parsed::Passed { .. } => unreachable!("nothing is passed over here"),
                }
            }
            held.drain(..at);
        }
        Ok(requests)
    }

    fn frame(words: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            frame.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            frame.extend_from_slice(word);
            frame.extend_from_slice(b"\r\n");
        }
        frame
    }

    proptest! {
        /// However the bytes arrive, the requests are those that were sent.
        #[test]
        fn pieces_make_no_difference(
            requests in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..130), 1..5),
                0..6,
            ),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let input: Vec<u8> = requests.iter().flat_map(|words| frame(words)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            cuts.push(0);
            cuts.push(input.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), Ok(requests));
        }

        /// Whatever of a frame has arrived when it is given up, in whatever pieces the rest comes: nothing
        /// of it is kept, and what follows is read as if it had not been there.
        #[test]
        fn what_is_given_up_is_passed_over(
            words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5),
            given_up: proptest::sample::Index,
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let first = frame(&words);
            let next = vec![b"PING".to_vec()];
            let begun = 4.max(given_up.index(first.len()));
            let (mut parser, mut spans) = (Parser::default(), Vec::new());
            prop_assert_eq!(
                parser.next(&first[..begun], 0, BOUNDS, &mut spans), Ok(Parsed::Partial)
            );
            let (arrived, count) = parser.arrived();
            prop_assert!(arrived.len() < words.len() && count == words.len());
            let done = parser.give_up();
            prop_assert!(done <= begun && parser.wanted() == 0);
            let rest = [&first[done..], &frame(&next)].concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(rest.len() + 1)).collect();
            cuts.push(rest.len());
            cuts.sort_unstable();
            let (mut held, mut from, mut found) = (Vec::new(), 0, Vec::new());
            for cut in cuts {
                held.extend_from_slice(&rest[from..cut]);
                from = cut;
                let mut at = 0;
                loop {
                    spans.clear();
                    match parser.next(&held, at, BOUNDS, &mut spans).expect("it is well formed") {
                        Parsed::Passed { end } => {
                            at = end;
                            // A line of a length may be cut, and nothing else is waited for.
                            prop_assert!(held.len() - at < 8);
                            break;
                        }
                        Parsed::Nothing { end } => at = end,
                        Parsed::Request { end } => {
                            let word = |&(from, to): &Span| held[from as usize..to as usize].to_vec();
                            found = spans.iter().map(word).collect();
                            at = end;
                        }
                        _ => break,
                    }
                }
                held.drain(..at);
            }
            prop_assert_eq!(found, next);
        }

        /// Nonsense is refused or waited for, in whatever pieces it comes: it never panics, and what
        /// is made of it does not depend on the pieces.
        #[test]
        fn nonsense_is_harmless(
            input in proptest::collection::vec(
                prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9', any::<u8>()],
                0..60,
            ),
        ) {
            let single: Vec<&[u8]> = input.chunks(1).collect();
            prop_assert_eq!(read(&[&input]).ok(), read(&single).ok());
        }
    }

    #[test]
    fn lengths_are_canonical_numbers() {
        let refusal = |input: &[u8]| read(&[input]).unwrap_err().0;
        assert_eq!(refusal(b"*03\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(refusal(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(refusal(b"*1\r\n$ 1\r\na\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(refusal(b"*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
        assert_eq!(refusal(b"*1\r\n\r\n"), "Protocol error: expected '$', got ' '");
        assert_eq!(refusal(b"*2147483648\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(read(&[b"*0\r\n*-1\r\n\r\n"]), Ok(vec![]));
        // A frame is addressed with 32 bits, whatever `proto-max-bulk-len` allows.
        let bounds = Bounds { authenticated: true, bulk_len_max: 1 << 40 };
        let huge = Parser::default().next(b"*1\r\n$4294967290\r\nx", 0, bounds, &mut Vec::new());
        assert_eq!(huge.unwrap_err().0, "Protocol error: invalid bulk length");
        // … and wherever it begins, so that what is in front of it makes no difference.
        let mut buffer = vec![b'\n'; FRAME_START_MAX];
        buffer.extend_from_slice(b"*1\r\n$4293918000\r\nx");
        let large = Parser::default().next(&buffer, FRAME_START_MAX, bounds, &mut Vec::new());
        assert_eq!(large, Ok(Parsed::Partial));
        // A declared length is no reason to allocate: nothing has arrived yet.
        assert_eq!(read(&[b"*1000000\r\n$500000000\r\n"]), Ok(vec![]));
    }
}
