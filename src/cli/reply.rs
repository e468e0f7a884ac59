//! Answers of a server, and how they are read from its bytes.
//!
//! Nothing is allocated from a length that the server declared; what it sends is what takes memory.

use std::io::{self, BufRead, Read};

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Status(Vec<u8>),
    Error(Vec<u8>),
    Integer(Vec<u8>),
    Nil,
    Text(Vec<u8>),
    /// Text that is to be shown as it is.
    Verbatim(Vec<u8>),
    Double(Vec<u8>),
    Big(Vec<u8>),
    Switch(bool),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// Nobody asked for it.
    Push(Vec<Reply>),
}

/// Replies in replies: deeper than any server goes, and no danger for the stack.
const DEPTH_MAX: usize = 256;
/// As long as the longest string: MONITOR shows whole commands in a line, and a script may say anything in an error.
const LINE_MAX: u64 = 512 << 20;

impl Reply {
    pub fn read(from: &mut dyn BufRead) -> io::Result<Reply> {
        read(from, 0)
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    /// The text of whatever is text.
    pub fn text(&self) -> &[u8] {
        match self {
            Reply::Status(text) | Reply::Error(text) | Reply::Text(text) => text,
            Reply::Integer(text) | Reply::Double(text) | Reply::Big(text) => text,
            Reply::Verbatim(text) => text,
            _ => b"",
        }
    }
}

fn read(from: &mut dyn BufRead, depth: usize) -> io::Result<Reply> {
    let line = line(from)?;
    let Some((kind, rest)) = line.split_first() else { return Err(broken("an empty line")) };
    if depth > DEPTH_MAX {
        return Err(broken("replies nested too deep"));
    }
    let text = || rest.to_vec();
    Ok(match kind {
        b'+' => Reply::Status(text()),
        b'-' => Reply::Error(text()),
        b':' => Reply::Integer(text()),
        b',' => Reply::Double(text()),
        b'(' => Reply::Big(text()),
        b'_' => Reply::Nil,
        b'#' => Reply::Switch(rest == b"t"),
        b'$' => bulk(from, rest)?.map_or(Reply::Nil, Reply::Text),
        b'!' => Reply::Error(bulk(from, rest)?.unwrap_or_default()),
        b'=' => {
            let text = bulk(from, rest)?.unwrap_or_default();
            // Three letters say what it is, and a colon parts them from it.
            Reply::Verbatim(text.get(4..).unwrap_or_default().to_vec())
        }
        b'*' => list(from, rest, depth)?.map_or(Reply::Nil, Reply::Array),
        b'~' => Reply::Set(list(from, rest, depth)?.unwrap_or_default()),
        b'>' => Reply::Push(list(from, rest, depth)?.unwrap_or_default()),
        b'%' => Reply::Map(pairs(from, rest, depth)?),
        b'|' => {
            // What is said about the answer that follows, which nobody here asked for.
            pairs(from, rest, depth)?;
            read(from, depth + 1)?
        }
        other => {
            let shown = char::from(*other).escape_default();
            return Err(broken(&format!("got \"{shown}\" as reply type byte")));
        }
    })
}

fn line(from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_MAX).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(text.to_vec()),
        None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(broken("a line without an end")),
    }
}

/// A length; none for -1.
fn length(digits: &[u8]) -> io::Result<Option<u64>> {
    match crate::base::numbers::parse_i64(digits) {
        Some(-1) => Ok(None),
        Some(length) if length >= 0 => Ok(Some(length as u64)),
        _ => Err(broken("a length that is none")),
    }
}

fn bulk(from: &mut dyn BufRead, digits: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = length(digits)? else { return Ok(None) };
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    let mut end = [0; 2];
    from.read_exact(&mut end)?;
    match (text.len() as u64 == length, &end) {
        (true, b"\r\n") => Ok(Some(text)),
        _ => Err(broken("a string that does not end where it should")),
    }
}

fn list(from: &mut dyn BufRead, digits: &[u8], depth: usize) -> io::Result<Option<Vec<Reply>>> {
    let Some(length) = length(digits)? else { return Ok(None) };
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(read(from, depth + 1)?);
    }
    Ok(Some(items))
}

fn pairs(from: &mut dyn BufRead, digits: &[u8], depth: usize) -> io::Result<Vec<(Reply, Reply)>> {
    let mut pairs = Vec::new();
    for _ in 0..length(digits)?.unwrap_or_default() {
        pairs.push((read(from, depth + 1)?, read(from, depth + 1)?));
    }
    Ok(pairs)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Protocol error, {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_declared_is_not_allocated() {
        for frame in
            ["$9223372036854775807\r\nx", "*9223372036854775807\r\n", "%9000000000\r\n+x\r\n"]
        {
            assert!(Reply::read(&mut frame.as_bytes()).is_err(), "{frame}");
        }
        let deep = "*1\r\n".repeat(100_000);
        assert!(Reply::read(&mut deep.as_bytes()).is_err());
        let deep = "|1\r\n+a\r\n+b\r\n".repeat(100_000);
        assert!(Reply::read(&mut deep.as_bytes()).is_err());
    }

    #[test]
    fn a_line_may_be_as_long_as_what_it_shows() {
        let text = vec![b'x'; 2 << 20];
        let frame = [b"+".as_slice(), &text, b"\r\n"].concat();
        assert_eq!(Reply::read(&mut frame.as_slice()).expect("a line"), Reply::Status(text));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = Reply::read(&mut bytes.as_slice());
        }
    }
}
