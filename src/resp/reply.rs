//! Replies: written straight into the connection's buffer, exactly one for each request.
//!
//! `Reply` is the right to answer once: every method takes `self` and returns the proof that a
//! handler must return, so answering twice or never does not compile. RESP2 is a downgrade that
//! the writer knows; handlers speak in RESP3's shapes.

use crate::base::memory_size::size_class;
use crate::base::numbers;
use crate::data::Type;
use crate::data::string::{Digits, Text};
use crate::error::Error;
use crate::resp::ArgsBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    Resp2,
    Resp3,
}

impl Proto {
    /// The number that HELLO takes and gives.
    pub fn version(self) -> i64 {
        match self {
            Proto::Resp2 => 2,
            Proto::Resp3 => 3,
        }
    }
}

/// The bytes that go to one client, in the protocol it speaks.
///
/// Everything a client is told goes through here, so this is where line breaks are taken out of
/// simple strings and errors: no answer can be made to look like two.
#[derive(Debug)]
pub struct Out {
    pub bytes: Vec<u8>,
    pub proto: Proto,
    /// From this length on values are left out: one short request may ask for a value over and over.
    pub most: usize,
    /// What the buffer held before; every length and place is counted from here.
    begin: usize,
    /// What the buffer had room for before.
    room: usize,
    /// Where something was left out, so that what is written from there on must not be sent.
    spilled: Option<usize>,
}

/// The right to answer one request, once.
pub struct Reply<'a> {
    out: &'a mut Out,
}

/// Proof that the answer was written. Only `Reply` and its lists can make one.
#[derive(Debug)]
pub struct Replied(());

/// Why a handler did not answer.
#[derive(Debug)]
pub enum Stop {
    Refuse(Error),
    /// It did answer, with an error that was counted where it arose.
    Failed,
    /// It found nothing, and the client wants to wait until there is something.
    Wait(Box<Wait>),
    /// It runs a script that takes long; the answer comes when that is over.
    Busy,
}

/// What to wait for, how long, and what to say when waiting is over or not allowed.
///
/// The handler runs again with the same command line when one of the keys holds a value of the
/// kind that is waited for. Where nobody may wait (in a transaction), `refuse` answers at once.
#[derive(Debug)]
pub struct Wait {
    pub keys: Vec<Box<[u8]>>,
    pub kind: Type,
    /// The handler runs again, too, when a key is gone or holds something else.
    pub minds_loss: bool,
    /// The handler runs again, too, after so many microseconds: time alone may bring something.
    pub again_us: Option<u64>,
    /// Microseconds; none is for ever.
    pub timeout_us: Option<u64>,
    /// Microseconds that the command has taken so far.
    pub ran_us: u64,
    /// The answer when the time is up.
    pub give_up: fn(Reply) -> Done,
    /// The answer where nobody may wait.
    pub refuse: fn(Reply) -> Done,
    /// The command line for the next time, if it is another: what is said of the present is settled
    /// once, when waiting begins.
    pub line: Option<ArgsBuf>,
}

impl Wait {
    /// For one of the keys to hold a value of this kind, and for nothing else.
    pub fn new(
        kind: Type,
        keys: Vec<Box<[u8]>>,
        timeout_us: Option<u64>,
        give_up: fn(Reply) -> Done,
    ) -> Wait {
        let (minds_loss, again_us, line) = (false, None, None);
        let ran_us = 0;
        Wait {
            keys,
            kind,
            minds_loss,
            again_us,
            timeout_us,
            ran_us,
            give_up,
            refuse: give_up,
            line,
        }
    }
}

impl From<Wait> for Stop {
    fn from(wait: Wait) -> Stop {
        Stop::Wait(Box::new(wait))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Refuse(error)
    }
}

pub type Done = Result<Replied, Stop>;

macro_rules! once {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => {
        impl Reply<'_> {
            $($(#[$doc])* pub fn $name(self $(, $arg: $type)*) -> Done {
                self.out.$name($($arg),*);
                Ok(Replied(()))
            })*
        }
        impl List<'_> {
            $($(#[$doc])* pub fn $name(&mut self $(, $arg: $type)*) {
                self.took_one();
                self.out.$name($($arg),*);
            })*
        }
    };
}

once! {
    int(value: i64);
    bulk(value: &[u8]);
    /// A string value, in whatever form it is kept.
    text(value: Text);
    /// A status such as `OK`.
    simple(text: &str);
    null();
    /// RESP2 has two nulls; this is the one that stands for a missing array.
    null_array();
    double(value: f64);
    /// A double that is written already, with more digits than a `f64` has.
    double_text(text: &[u8]);
    boolean(value: bool);
    /// Decimal digits of any length.
    big_number(digits: &[u8]);
    /// Text that redis-cli shows as it is; `format` is three letters, `txt` or `mkd`.
    verbatim(format: &str, text: &[u8]);
    error(error: &Error);
}

impl<'a> Reply<'a> {
    pub fn new(out: &'a mut Out) -> Reply<'a> {
        Reply { out }
    }

    pub fn proto(&self) -> Proto {
        self.out.proto
    }

    pub fn ok(self) -> Done {
        self.out.bytes.extend_from_slice(b"+OK\r\n");
        Ok(Replied(()))
    }

    /// For the few requests that are answered by silence (CLIENT REPLY OFF).
    pub fn nothing(self) -> Done {
        Ok(Replied(()))
    }

    /// Answers in another protocol from here on (HELLO).
    pub fn switch(&mut self, proto: Proto) {
        self.out.proto = proto;
    }

    /// For an answer that is not one value: attributes, or a push, and then the reply; or pushes
    /// that take its place.
    pub fn in_pieces(self, write: impl FnOnce(&mut Out)) -> Done {
        write(self.out);
        Ok(Replied(()))
    }

    pub fn list(self, len: usize) -> List<'a> {
        self.out.open(b'*', len);
        List { out: self.out, left: len, header: None }
    }

    /// A list whose length is known when it ends.
    pub fn list_of_some(self) -> List<'a> {
        let at = self.out.len();
        List { out: self.out, left: usize::MAX, header: Some((at, b'*')) }
    }

    /// `len` pairs.
    pub fn map(self, len: usize) -> List<'a> {
        self.out.open_map(len);
        List { out: self.out, left: len * 2, header: None }
    }

    /// A map whose length is known when it ends.
    pub fn map_of_some(self) -> List<'a> {
        let at = self.out.len();
        List { out: self.out, left: usize::MAX - 1, header: Some((at, b'%')) }
    }

    /// A set whose size is known when it ends.
    pub fn set_of_some(self) -> List<'a> {
        let at = self.out.len();
        List { out: self.out, left: usize::MAX, header: Some((at, b'~')) }
    }

    pub fn set(self, len: usize) -> List<'a> {
        self.out.open_set(len);
        List { out: self.out, left: len, header: None }
    }

    /// Bulk strings, all of them known.
    pub fn bulks<'b>(self, words: impl ExactSizeIterator<Item = &'b [u8]>) -> Done {
        let mut list = self.list(words.len());
        words.for_each(|word| list.bulk(word));
        list.end()
    }

    /// The lines of a HELP, as status replies.
    pub fn help(self, command: &str, lines: &[&str]) -> Done {
        let mut list = self.list(lines.len() + 3);
        list.simple(&format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
        lines.iter().for_each(|line| list.simple(line));
        list.simple("HELP");
        list.simple("    Print this help.");
        list.end()
    }
}

/// An array, set, map or push being written. `end` turns it into the proof and checks the length
/// that was promised; a list of unknown length gets its header then.
#[must_use]
pub struct List<'a> {
    out: &'a mut Out,
    left: usize,
    header: Option<(usize, u8)>,
}

impl List<'_> {
    pub fn end(mut self) -> Done {
        self.close();
        Ok(Replied(()))
    }

    /// There is no room for what follows, nor will anybody see it: a list may end here.
    pub fn is_full(&self) -> bool {
        self.out.is_spilled()
    }

    /// Ends a list that stands inside another.
    pub fn close(&mut self) {
        match self.header.take() {
            None => {
                let is_whole = self.left == 0 || self.is_full();
                assert!(is_whole, "a list ended before its promised length");
            }
            Some((at, mark)) => {
                let full = if mark == b'%' { usize::MAX - 1 } else { usize::MAX };
                self.out.patch(at, mark, full - self.left);
            }
        }
    }

    pub fn list(&mut self, len: usize) -> List<'_> {
        self.took_one();
        Reply { out: self.out }.list(len)
    }

    pub fn list_of_some(&mut self) -> List<'_> {
        self.took_one();
        Reply { out: self.out }.list_of_some()
    }

    pub fn map(&mut self, len: usize) -> List<'_> {
        self.took_one();
        Reply { out: self.out }.map(len)
    }

    pub fn map_of_some(&mut self) -> List<'_> {
        self.took_one();
        Reply { out: self.out }.map_of_some()
    }

    pub fn set(&mut self, len: usize) -> List<'_> {
        self.took_one();
        Reply { out: self.out }.set(len)
    }

    pub fn bulks<'b>(&mut self, words: impl ExactSizeIterator<Item = &'b [u8]>) {
        let mut list = self.list(words.len());
        words.for_each(|word| list.bulk(word));
        list.close();
    }

    /// A place for one answer that somebody else writes (the steps of EXEC).
    pub fn slot(&mut self) -> &mut Out {
        self.took_one();
        self.out
    }

    fn took_one(&mut self) {
        debug_assert!(self.left > 0, "a list is longer than it promised");
        self.left -= 1;
    }
}

impl Out {
    pub fn new(proto: Proto) -> Out {
        Out::within(usize::MAX, proto, Vec::new())
    }

    /// For at most so many bytes, behind what is in a buffer already.
    pub fn within(most: usize, proto: Proto, bytes: Vec<u8>) -> Out {
        Out { begin: bytes.len(), room: bytes.capacity(), bytes, proto, most, spilled: None }
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.begin
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory by which the buffer has grown.
    pub fn grown(&self) -> usize {
        size_class(self.bytes.capacity()).saturating_sub(size_class(self.room))
    }

    /// Was something left out?
    pub fn is_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// Something is left out here.
    pub fn spill(&mut self) {
        if self.spilled.is_none() {
            self.spilled = Some(self.len());
            // In its place, so that what comes next begins behind it, and does not take this back with it.
            self.bytes.push(b' ');
        }
    }

    /// What was written from here on, apart.
    pub fn split_off(&mut self, start: usize) -> Out {
        let bytes = self.bytes.split_off(self.begin + start);
        let spilled = self.spilled.take_if(|at| *at >= start).map(|at| at - start);
        Out { room: 0, bytes, proto: self.proto, most: self.most, begin: 0, spilled }
    }

    /// Takes back what was written from here on, and with it what was left out there.
    pub fn take_back(&mut self, start: usize) {
        self.bytes.truncate(self.begin + start);
        self.spilled.take_if(|at| *at >= start);
    }

    pub fn int(&mut self, value: i64) {
        // Small answers are by far the most frequent ones.
        match value {
            0 => self.bytes.extend_from_slice(b":0\r\n"),
            1 => self.bytes.extend_from_slice(b":1\r\n"),
            _ => self.line(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        if self.len() + value.len() > self.most {
            return self.spill();
        }
        self.bytes.reserve(value.len() + 24);
        self.header(b'$', value.len());
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn text(&mut self, value: Text) {
        self.bulk(value.bytes(&mut Digits::new()));
    }

    pub fn simple(&mut self, text: &str) {
        self.clean_line(b'+', text.as_bytes());
    }

    /// A status of any bytes.
    pub fn status(&mut self, text: &[u8]) {
        self.clean_line(b'+', text);
    }

    pub fn error(&mut self, error: &Error) {
        self.clean_line(b'-', &error.message());
    }

    pub fn null(&mut self) {
        let null: &[u8] = if self.proto == Proto::Resp3 { b"_\r\n" } else { b"$-1\r\n" };
        self.bytes.extend_from_slice(null);
    }

    pub fn null_array(&mut self) {
        let null: &[u8] = if self.proto == Proto::Resp3 { b"_\r\n" } else { b"*-1\r\n" };
        self.bytes.extend_from_slice(null);
    }

    pub fn double(&mut self, value: f64) {
        // Most scores are whole, and then no buffer is needed. Zero may have a sign.
        if let Some(whole) = numbers::whole(value)
            && whole != 0
        {
            return self.double_text(itoa::Buffer::new().format(whole).as_bytes());
        }
        let mut text = Vec::with_capacity(32);
        numbers::write_f64(value, &mut text);
        self.double_text(&text);
    }

    pub fn double_text(&mut self, text: &[u8]) {
        match self.proto {
            Proto::Resp3 => self.line(b',', text),
            Proto::Resp2 => self.bulk(text),
        }
    }

    pub fn boolean(&mut self, value: bool) {
        match self.proto {
            Proto::Resp3 => self.line(b'#', if value { b"t" } else { b"f" }),
            Proto::Resp2 => self.int(value as i64),
        }
    }

    pub fn big_number(&mut self, digits: &[u8]) {
        match self.proto {
            Proto::Resp3 => self.line(b'(', digits),
            Proto::Resp2 => self.bulk(digits),
        }
    }

    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.verbatim_as(format.as_bytes(), text);
    }

    /// The same for a format of any length, which is made three letters long.
    pub fn verbatim_as(&mut self, format: &[u8], text: &[u8]) {
        if self.proto == Proto::Resp2 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() + 4);
        let mut letters = *b"   :";
        letters.iter_mut().take(3).zip(format).for_each(|(letter, byte)| *letter = *byte);
        self.bytes.extend_from_slice(&letters);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A message nobody asked for; an array where the client speaks RESP2.
    pub fn push(&mut self, len: usize) -> List<'_> {
        let mark = if self.proto == Proto::Resp3 { b'>' } else { b'*' };
        self.open(mark, len);
        List { out: self, left: len, header: None }
    }

    /// Attributes come before the reply they describe, and only in RESP3.
    pub fn attributes(&mut self, len: usize) -> List<'_> {
        debug_assert_eq!(self.proto, Proto::Resp3);
        self.open(b'|', len);
        List { out: self, left: len * 2, header: None }
    }

    fn open(&mut self, mark: u8, len: usize) {
        self.header(mark, len);
    }

    /// The header of an array whose items somebody else writes.
    pub fn open_list(&mut self, len: usize) {
        self.open(b'*', len);
    }

    fn open_map(&mut self, len: usize) {
        match self.proto {
            Proto::Resp3 => self.open(b'%', len),
            Proto::Resp2 => self.open(b'*', len * 2),
        }
    }

    fn open_set(&mut self, len: usize) {
        self.open(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, len);
    }

    /// Makes a list of the items that were written since `at`; `mark` is its RESP3 form.
    pub fn put_header(&mut self, at: usize, mark: u8, items: usize) {
        self.patch(at, mark, items);
    }

    /// Puts the header of a list in front of what was written since `at`.
    fn patch(&mut self, at: usize, mark: u8, items: usize) {
        let end = self.bytes.len();
        match mark {
            b'%' => self.open_map(items / 2),
            b'~' => self.open_set(items),
            _ => self.open(mark, items),
        }
        let header = self.bytes.len() - end;
        self.bytes[self.begin + at..].rotate_right(header);
    }

    fn header(&mut self, mark: u8, len: usize) {
        if len < 10 {
            return self.bytes.extend_from_slice(&[mark, b'0' + len as u8, b'\r', b'\n']);
        }
        self.line(mark, itoa::Buffer::new().format(len).as_bytes());
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn clean_line(&mut self, mark: u8, text: &[u8]) {
        self.bytes.push(mark);
        let breaks = |byte: u8| byte == b'\r' || byte == b'\n';
        self.bytes.extend(text.iter().map(|&byte| if breaks(byte) { b' ' } else { byte }));
        self.bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a buffer held before is neither counted nor moved, nor taken back.
    #[test]
    fn answers_begin_behind_what_is_there() {
        let mut out = Out::within(12, Proto::Resp2, b"before".to_vec());
        assert!(out.is_empty());
        out.int(7);
        let mut list = Reply::new(&mut out).list_of_some();
        list.int(8);
        list.end().expect("it is answered");
        assert_eq!(out.bytes, b"before:7\r\n*1\r\n:8\r\n");
        let apart = out.split_off(4);
        assert_eq!((out.len(), apart.len(), &apart.bytes[..4]), (4, 8, &b"*1\r\n"[..]));
        out.bulk(b"12345678");
        assert_eq!(out.len(), 18, "up to twelve bytes and what a header takes");
        out.bulk(b"");
        assert!(out.is_spilled());
        out.take_back(4);
        assert!(!out.is_spilled());
        out.take_back(0);
        assert_eq!(out.bytes, b"before");
    }
}
