//! Commands out of a log's file, one by one, and where each begins and ends.
//!
//! A file of which only the beginning is there is told from one with nonsense in it: the first happens to whoever
//! loses power, the second should not. Nothing is allocated from a length that the file declares beyond what is
//! left of the file.

use crate::resp::ArgsBuf;
use std::io::{self, Read};

pub struct Commands<R> {
    from: R,
    /// What was read and not yet used lies from `at` on.
    window: Vec<u8>,
    at: usize,
    /// Where in the file `at` is.
    offset: u64,
    size: u64,
    /// Lines that were read, remarks apart; a string counts as one.
    lines: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Command,
    /// A line that begins with `#`, without its end.
    Remark(Vec<u8>),
    End,
}

#[derive(Debug)]
pub struct Fault {
    pub kind: FaultKind,
    /// Where the reader stood.
    pub offset: u64,
    /// How far it looked to see that.
    pub looked: u64,
    pub what: String,
}

#[derive(Debug)]
pub enum FaultKind {
    /// The file ends inside of a command.
    Ends,
    /// It is no command.
    Format,
    Io(io::Error),
}

const WINDOW: usize = 256 << 10;
/// A line that announces something is no longer than this.
const LINE_MAX: usize = 1 << 10;
const WORDS_MAX: u64 = 1 << 31;

impl<R: Read> Commands<R> {
    /// `ahead` was read already; it ends at the place where `from` goes on. `offset` is where it begins.
    pub fn new(from: R, ahead: Vec<u8>, offset: u64, size: u64) -> Commands<R> {
        Commands { from, window: ahead, at: 0, offset, size, lines: 0 }
    }

    /// Behind what was read last.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Adds the words of the next command to `args`, which is empty.
    pub fn next(&mut self, args: &mut ArgsBuf) -> Result<Found, Fault> {
        let Some(first) = self.peek()? else { return Ok(Found::End) };
        if first == b'#' {
            let end = self.line_end()?;
            let line = self.window[self.at..self.at + end - 2].to_vec();
            self.pass(end);
            if line.contains(&0) {
                // Where data did not get to the disk, a whole command may have been.
                return Err(self.format("a remark with zeros in it".into()));
            }
            return Ok(Found::Remark(line));
        }
        let count = self.number(b'*')?;
        if count == 0 || count > WORDS_MAX {
            return Err(self.format(format!("a command of {count} words")));
        }
        for _ in 0..count {
            let length = self.number(b'$')?;
            if length > self.left() {
                return Err(self.ends(format!(
                    "Expected to read {} bytes, got {} bytes",
                    length + 2,
                    self.left()
                )));
            }
            if args.memory() as u64 + length > u64::from(u32::MAX) {
                return Err(self.format("a command of more than 4 GiB".into()));
            }
            self.word(length as usize, args)?;
            let mut end = [0; 2];
            for byte in &mut end {
                match self.peek()? {
                    Some(found) => *byte = found,
                    None => return Err(self.ends("Expected to read 2 bytes, got fewer".into())),
                }
                self.pass(1);
            }
            if end != *b"\r\n" {
                return Err(
                    self.format(format!("Expected \\r\\n, got: {:02x}{:02x}", end[0], end[1]))
                );
            }
            self.lines += 1;
        }
        if args.args().get(0).contains(&0) {
            return Err(self.format_within(0, "a command's name has zeros in it".into()));
        }
        Ok(Found::Command)
    }

    fn left(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }

    /// A line `*3` or `$3`.
    fn number(&mut self, prefix: u8) -> Result<u64, Fault> {
        match self.peek()? {
            Some(found) if found == prefix => (),
            Some(found) => {
                let what = format!(
                    "Expected prefix '{}', got: '{}'",
                    prefix as char,
                    (found as char).escape_default()
                );
                return Err(self.format(what));
            }
            None => return Err(self.ends("a command has fewer words than it should".into())),
        }
        let end = self.line_end()?;
        let digits = &self.window[self.at + 1..self.at + end - 2];
        // Nothing that fits into eighteen digits overflows.
        let is_number = matches!(digits.len(), 1..=18) && digits.iter().all(u8::is_ascii_digit);
        if !is_number {
            let text = String::from_utf8_lossy(digits).into_owned();
            self.pass(end);
            return Err(self.format(format!("'{text}' is no length")));
        }
        let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        self.pass(end);
        self.lines += 1;
        Ok(number)
    }

    /// How long the line is that begins here, with the CRLF at its end; all of it is there.
    fn line_end(&mut self) -> Result<usize, Fault> {
        let mut looked = 0;
        loop {
            let seen = &self.window[self.at..];
            if let Some(end) = memchr::memchr(b'\n', &seen[looked..]).map(|end| end + looked) {
                if end == 0 || seen[end - 1] != b'\r' || end > LINE_MAX {
                    let bytes = end.clamp(2, LINE_MAX);
                    return Err(self.format_within(bytes, "a line without its end".into()));
                }
                return Ok(end + 1);
            }
            looked = seen.len();
            if looked > LINE_MAX {
                return Err(self.format_within(LINE_MAX, "a line without its end".into()));
            }
            if !self.more()? {
                return Err(self.ends("a line is cut off".into()));
            }
        }
    }

    fn word(&mut self, length: usize, args: &mut ArgsBuf) -> Result<(), Fault> {
        let seen = &self.window[self.at..];
        if let Some(word) = seen.get(..length) {
            args.push(word);
            self.pass(length);
            return Ok(());
        }
        // It goes straight to where it is kept, as it comes.
        let mut fault = None;
        args.push_with(|out| {
            let start = out.len();
            while out.len() - start < length {
                if self.at == self.window.len() {
                    match self.more() {
                        Ok(true) => (),
                        Ok(false) => {
                            let got = out.len() - start;
                            let what =
                                format!("Expected to read {} bytes, got {got} bytes", length + 2);
                            fault = Some(self.ends(what));
                            return;
                        }
                        Err(why) => {
                            fault = Some(why);
                            return;
                        }
                    }
                }
                let seen = &self.window[self.at..];
                let part = &seen[..seen.len().min(length - (out.len() - start))];
                out.extend_from_slice(part);
                let count = part.len();
                self.pass(count);
            }
        });
        fault.map_or(Ok(()), Err)
    }

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        if self.at == self.window.len() && !self.more()? {
            return Ok(None);
        }
        Ok(self.window.get(self.at).copied())
    }

    fn pass(&mut self, count: usize) {
        self.at += count;
        self.offset += count as u64;
    }

    /// Reads on; false at the end of the file.
    fn more(&mut self) -> Result<bool, Fault> {
        self.window.drain(..self.at);
        self.at = 0;
        let known = self.window.len();
        self.window.resize(known + WINDOW, 0);
        let got = loop {
            match self.from.read(&mut self.window[known..]) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => (),
                done => break done,
            }
        };
        self.window.truncate(known + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(count) => Ok(count > 0),
            Err(why) => {
                let what = why.to_string();
                Err(Fault {
                    kind: FaultKind::Io(why),
                    offset: self.offset,
                    looked: self.offset,
                    what,
                })
            }
        }
    }

    fn ends(&self, what: String) -> Fault {
        Fault { kind: FaultKind::Ends, offset: self.offset, looked: self.offset, what }
    }

    fn format(&self, what: String) -> Fault {
        self.format_within(2, what)
    }

    /// No command, as so many bytes from here on show.
    fn format_within(&self, bytes: usize, what: String) -> Fault {
        let looked = self.offset + bytes as u64;
        Fault { kind: FaultKind::Format, offset: self.offset, looked, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(count);
            into[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn all(text: &[u8], step: usize) -> (Vec<Vec<Vec<u8>>>, u64, Option<Fault>) {
        let mut reader = Commands::new(Drops(text, step), Vec::new(), 0, text.len() as u64);
        let (mut found, mut good) = (Vec::new(), 0);
        loop {
            let mut args = ArgsBuf::default();
            match reader.next(&mut args) {
                Ok(Found::Command) => {
                    found.push(args.args().iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Found::Remark(line)) => found.push(vec![line]),
                Ok(Found::End) => return (found, good, None),
                Err(fault) => return (found, good, Some(fault)),
            }
            good = reader.offset();
        }
    }

    #[test]
    fn a_beginning_is_told_from_nonsense() {
        let is = |text: &[u8], ends: bool| {
            let fault = all(text, 3).2.expect("a fault");
            assert_eq!(matches!(fault.kind, FaultKind::Ends), ends, "{text:?}: {}", fault.what);
        };
        is(b"*", true);
        is(b"*1\r", true);
        is(b"*1\r\n$4\r\nPI", true);
        is(b"*1\r\n$4\r\nPING\r", true);
        is(b"*2\r\n$4\r\nPING\r\n", true);
        is(b"*1\r\n$99999999999\r\nPING\r\n", true);
        is(b"!!!", false);
        is(b"*0\r\n", false);
        is(b"*x\r\n", false);
        is(b"*1\r\n*4\r\nPING\r\n", false);
        is(b"*1\r\n$4\r\nPINGxy", false);
        is(b"\0\0\0", false);
        is(b"#TS:1\0\0\0\r\n", false);
        is(b"*1\r\n$4\r\nP\0\0G\r\n", false);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_any_beginning_is_cut_at_a_command(
            mut commands in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5), 0..8),
            step in 1..9usize, cut in 0.0..1.0,
        ) {
            // No command's name has zeros in it.
            commands.iter_mut().for_each(|words| words[0].retain(|byte| *byte != 0));
            let mut text = Vec::new();
            let mut ends = vec![0];
            for words in &commands {
                text.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
                for word in words {
                    text.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                    text.extend_from_slice(word);
                    text.extend_from_slice(b"\r\n");
                }
                ends.push(text.len());
            }
            let (found, good, fault) = all(&text, step);
            prop_assert!(fault.is_none());
            prop_assert_eq!(&found, &commands);
            prop_assert_eq!(good, text.len() as u64);
            let cut = (cut * text.len() as f64) as usize;
            let (found, good, fault) = all(&text[..cut], step);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(found.len(), whole);
            prop_assert_eq!(good, ends[whole] as u64);
            prop_assert_eq!(fault.is_none(), ends[whole] == cut);
            prop_assert!(fault.is_none_or(|fault| matches!(fault.kind, FaultKind::Ends)));
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..200), step in 1..50usize) {
            all(&text, step);
        }
    }
}
