//! `Args`: the one form of a command line, whether a request, a queued step of MULTI, a log
//! record or an effect. Slices into a buffer that somebody else owns; `ArgsBuf` where a command
//! must outlive its batch.

use crate::base::numbers;
use crate::error::Error;
use smallvec::SmallVec;

/// Where an argument lies in its frame: first byte, and one past the last.
pub type Span = (u32, u32);

/// The words of one command line; the name is the first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    frame: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub fn new(frame: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { frame, spans }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Unlike indexing, this lends the word for as long as the frame lives.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let (start, end) = self.spans[index];
        &self.frame[start as usize..end as usize]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let frame = self.frame;
        self.spans.iter().map(move |&(start, end)| &frame[start as usize..end as usize])
    }

    /// The words from an index on, as a command line of their own.
    pub fn tail(&self, from: usize) -> Args<'a> {
        Args { frame: self.frame, spans: &self.spans[from.min(self.spans.len())..] }
    }

    /// The first so many words.
    pub fn head(&self, count: usize) -> Args<'a> {
        Args { frame: self.frame, spans: &self.spans[..count.min(self.spans.len())] }
    }

    /// Reads on behind the argument at `index`.
    pub fn after(&self, index: usize) -> Cursor<'a> {
        Cursor { args: *self, at: index + 1 }
    }

    /// How long the request is as an array of bulk strings, the form in which clients send it.
    pub fn wire_bytes(&self) -> usize {
        let header = |number: usize| numbers::decimal_len(number as u64) + 3;
        let word = |&(start, end): &Span| {
            let len = (end - start) as usize;
            header(len) + len + 2
        };
        header(self.len()) + self.spans.iter().map(word).sum::<usize>()
    }

    /// How many bytes the words hold together.
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|&(start, end)| (end - start) as usize).sum()
    }

    pub fn to_buf(&self) -> ArgsBuf {
        let mut buf = ArgsBuf::default();
        for word in self.iter() {
            buf.push(word);
        }
        buf
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
    }
}

/// A command line that owns its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgsBuf {
    frame: Vec<u8>,
    spans: SmallVec<[Span; 4]>,
}

impl ArgsBuf {
    pub fn of(words: &[&[u8]]) -> ArgsBuf {
        let mut buf = ArgsBuf::default();
        for word in words {
            buf.push(word);
        }
        buf
    }

    pub fn push(&mut self, word: &[u8]) {
        let start = self.frame.len() as u32;
        self.frame.extend_from_slice(word);
        self.spans.push((start, self.frame.len() as u32));
    }

    /// Adds a word that is written straight to where it is kept.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.frame.len() as u32;
        write(&mut self.frame);
        self.spans.push((start, self.frame.len() as u32));
    }

    /// Forgets the words, and keeps the room they took unless it was a lot.
    pub fn clear(&mut self) {
        const KEPT: usize = 64 * 1024;
        self.frame.clear();
        self.spans.clear();
        if self.frame.capacity() > KEPT {
            self.frame = Vec::new();
        }
        if self.spans.capacity() > KEPT / size_of::<Span>() {
            self.spans = SmallVec::new();
        }
    }

    pub fn args(&self) -> Args<'_> {
        Args::new(&self.frame, &self.spans)
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        let spilled = if self.spans.spilled() { self.spans.capacity() * 8 } else { 0 };
        self.frame.capacity() + spilled
    }
}

/// Reads arguments left to right; every reader names the error it raises.
pub struct Cursor<'a> {
    args: Args<'a>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn left(&self) -> usize {
        self.args.len().saturating_sub(self.at)
    }

    /// The index of the argument that comes next.
    pub fn index(&self) -> usize {
        self.at
    }

    /// The next argument in upper case, if it is short enough to be an option word; an empty
    /// word where it is longer, which matches nothing.
    pub fn word(&self) -> Option<Word> {
        (self.at < self.args.len()).then(|| Word::new(self.args.get(self.at)))
    }

    /// The next argument, which stays the next one.
    pub fn peek(&self) -> Option<&'a [u8]> {
        (self.at < self.args.len()).then(|| self.args.get(self.at))
    }

    pub fn skip(&mut self) {
        self.at += 1;
    }

    /// Takes the next argument if it is this word, in any case.
    pub fn take_word(&mut self, word: &[u8]) -> bool {
        let taken = self.left() > 0 && self.args.get(self.at).eq_ignore_ascii_case(word);
        self.at += taken as usize;
        taken
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        if self.left() == 0 {
            return Err(Error::Syntax);
        }
        self.at += 1;
        Ok(self.args.get(self.at - 1))
    }

    pub fn int(&mut self) -> Result<i64, Error> {
        numbers::parse_i64(self.bytes()?).ok_or(Error::NotInteger)
    }

    pub fn float(&mut self) -> Result<f64, Error> {
        numbers::parse_f64(self.bytes()?).ok_or(Error::NotFloat)
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Error> {
        if self.left() == 0 { Ok(()) } else { Err(Error::Syntax) }
    }
}

/// An option word, upper-cased on the stack so that a handler can `match` on it.
pub struct Word {
    text: [u8; 24],
    len: usize,
}

impl Word {
    pub fn new(raw: &[u8]) -> Word {
        let mut word = Word { text: [0; 24], len: 0 };
        if raw.len() <= word.text.len() {
            for (slot, byte) in word.text.iter_mut().zip(raw) {
                *slot = byte.to_ascii_uppercase();
            }
            word.len = raw.len();
        }
        word
    }
}

impl std::ops::Deref for Word {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.text[..self.len]
    }
}
