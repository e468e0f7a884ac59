//! A long string in parts.
//!
//! Before bytes of it are written to, the pages that they lie in are kept as they were, or a line of such a
//! page if no more is written to. What is added behind its end does not matter, since the length is
//! remembered.

use super::Portions;
use std::collections::BTreeMap;
use std::ops::Range;

pub struct TextParts {
    len: usize,
    /// So many bytes were handed over, whole parts.
    done: usize,
    /// Pages as they were before they were written to, by their numbers.
    pages: BTreeMap<usize, Box<[u8]>>,
    /// And lines of pages that are not among them, or were not at the time.
    lines: BTreeMap<usize, Box<[u8]>>,
    portions: Portions,
}

impl TextParts {
    pub fn new(len: usize, portions: Portions) -> TextParts {
        TextParts { len, done: 0, pages: BTreeMap::new(), lines: BTreeMap::new(), portions }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_over(&self) -> bool {
        self.done == self.len
    }

    /// The next part, given the string as it is now.
    pub fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Portions { part, page, line, .. } = self.portions;
        let (start, end) = (self.done, self.len.min(self.done + part));
        let mut part = Vec::with_capacity(end - start);
        while self.done < end {
            let until = end.min(self.done + page);
            match self.pages.remove(&(self.done / page)) {
                Some(image) => part.extend_from_slice(&image),
                None => part.extend_from_slice(&bytes[self.done..until]),
            }
            self.done = until;
        }
        // A page that was kept after a line of it has that line as it was written to.
        let later = self.lines.split_off(&end.div_ceil(line));
        for (number, image) in std::mem::replace(&mut self.lines, later) {
            let at = number * line - start;
            part[at..at + image.len()].copy_from_slice(&image);
        }
        part
    }

    /// These of its bytes are about to be written to. Says how many were copied for that.
    pub fn keep(&mut self, bytes: &[u8], written: Range<usize>) -> usize {
        let Portions { page, line, .. } = self.portions;
        let (start, end) = (written.start.max(self.done), written.end.min(self.len));
        if start >= end {
            return 0;
        }
        let mut copied = 0;
        let mut image = |number: usize, unit: usize| -> Box<[u8]> {
            let image = &bytes[number * unit..self.len.min((number + 1) * unit)];
            copied += image.len();
            image.into()
        };
        let (first, last) = (start / line, (end - 1) / line);
        if first < last {
            for number in start / page..=(end - 1) / page {
                self.pages.entry(number).or_insert_with(|| image(number, page));
            }
        } else if !self.pages.contains_key(&(start / page)) {
            self.lines.entry(first).or_insert_with(|| image(first, line));
        }
        copied
    }
}
