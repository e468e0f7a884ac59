//! What an entry of a stream is called: a time in milliseconds, and a number within it.

use std::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

/// An id as it is written, kept on the stack.
pub struct IdText {
    bytes: [u8; 41],
    len: usize,
}

impl Id {
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    pub fn new(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    /// The least id above this one.
    pub fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| Id { ms, seq: 0 }),
        }
    }

    /// The greatest id below this one.
    pub fn previous(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| Id { ms, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, to which a number is given.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Id> {
        match split(text) {
            (ms, None) => Some(Id { ms: number(ms)?, seq: missing_seq }),
            (ms, Some(seq)) => Some(Id { ms: number(ms)?, seq: number(seq)? }),
        }
    }

    /// Reads `ms-*`: the time alone, for whoever chooses the number.
    pub fn parse_open(text: &[u8]) -> Option<u64> {
        match split(text) {
            (ms, Some(b"*")) => number(ms),
            _ => None,
        }
    }

    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; 41], len: 0 };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(self.seq).as_bytes());
        text
    }
}

impl IdText {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

impl std::ops::Deref for IdText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Longer texts are no ids, whatever is in them.
const LONGEST: usize = 127;

fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b'-') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Redis reads these with C's `strtoull`, so zeros, blanks or a plus may stand before the digits.
fn number(text: &[u8]) -> Option<u64> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, id) in [
            ("5", Some(Id::new(5, 7))),
            ("5-1", Some(Id::new(5, 1))),
            ("005-010", Some(Id::new(5, 10))),
            ("+5-+1", Some(Id::new(5, 1))),
            ("18446744073709551615-18446744073709551615", Some(Id::MAX)),
            ("18446744073709551616-0", None),
            ("", None),
            ("-", None),
            ("5-", None),
            ("-5", None),
            ("5-*", None),
            ("5-1-1", None),
            ("a-1", None),
        ] {
            assert_eq!(Id::parse(text.as_bytes(), 7), id, "{text}");
        }
        assert_eq!(Id::parse_open(b"5-*"), Some(5));
        assert_eq!(Id::parse_open(b"5-**"), None);
        assert_eq!(Id::parse_open(b"*"), None);
    }

    #[test]
    fn neighbours_end_at_the_ends() {
        assert_eq!(Id::MAX.next(), None);
        assert_eq!(Id::MIN.previous(), None);
        assert_eq!(Id::new(3, u64::MAX).next(), Some(Id::new(4, 0)));
        assert_eq!(Id::new(4, 0).previous(), Some(Id::new(3, u64::MAX)));
    }

    proptest! {
        #[test]
        fn an_id_comes_back_from_its_text(ms: u64, seq: u64) {
            let id = Id::new(ms, seq);
            prop_assert_eq!(Id::parse(&id.text(), 0), Some(id));
            prop_assert_eq!(id.to_string().into_bytes(), id.text().to_vec());
        }
    }
}
