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
        // Whoever may write to all of it may make it shorter, too, and then there is nothing that a line lies in.
        let may_shrink = written.start == 0 && written.end >= bytes.len();
        if first < last || may_shrink {
            for number in start / page..=(end - 1) / page {
                self.pages.entry(number).or_insert_with(|| image(number, page));
            }
        } else if !self.pages.contains_key(&(start / page)) {
            self.lines.entry(first).or_insert_with(|| image(first, line));
        }
        copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has all of a string in his hands may make it shorter, though no more than a line of it is to come.
    #[test]
    fn the_end_of_a_string_is_kept_when_it_gets_shorter() {
        let portions = Portions { part: 128, page: 64, line: 64, ..Portions::default() };
        let mut bytes: Vec<u8> = (0..130).collect();
        let mut parts = TextParts::new(bytes.len(), portions);
        assert_eq!(parts.next(&bytes), bytes[..128]);
        assert_eq!(parts.keep(&bytes, 0..130), 2);
        bytes.truncate(10);
        assert_eq!(parts.keep(&bytes, 0..10), 0);
        assert_eq!(parts.next(&bytes), [128, 129]);
        assert!(parts.is_over());
    }
}
