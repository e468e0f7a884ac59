//! Ziplists: what listpacks were until Redis 7.
//!
//! ```text
//!   ziplist:  bytes in all, 4  offset of the last entry, 4  entries, 2 (65535: nobody counted)  { entry }  255
//!
//!   entry:    size of the one before: 1 byte, or 254 and 4 bytes   head   string or integer
//!
//!   head 00xxxxxx            a string of 0 to 63 bytes
//!        01xxxxxx + 1 byte   a string of up to 16383 bytes, big-endian
//!        10xxxxxx + 4 bytes  a longer string, big-endian
//!        11000000 + 2 bytes  an integer; 1101 with 4, 1110 with 8, 11110000 with 3, 11111110 with 1
//!        1111xxxx            the integer 0 to 12, which is xxxx less one
//! ```
//! All numbers but lengths of strings are little-endian. Every byte is doubted.

use super::error::Flaw;
use crate::data::string::Text;

/// The entries of a ziplist, each checked as it comes.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    /// Where the next entry begins, and how long the one before was.
    at: usize,
    before: usize,
    last: usize,
    /// How many entries are left, as was said, if it was.
    left: Option<usize>,
    is_over: bool,
}

const HEAD_BYTES: usize = 10;
const END: u8 = 255;
const LONG_BEFORE: u8 = 254;
const UNCOUNTED: u16 = 65535;
const SHORT: Flaw = Flaw("a ziplist that ends too early");
const MISCOUNTED: Flaw = Flaw("a ziplist with another number of entries than it says");

/// Takes a ziplist apart.
pub fn entries(bytes: &[u8]) -> Result<Entries<'_>, Flaw> {
    let head = bytes.first_chunk::<HEAD_BYTES>().ok_or(SHORT)?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if number(0) as usize != bytes.len() {
        return Err(Flaw("a ziplist of another size than it says"));
    }
    if bytes.len() <= HEAD_BYTES || bytes.last() != Some(&END) {
        return Err(Flaw("a ziplist without its end"));
    }
    let count = u16::from_le_bytes([head[8], head[9]]);
    let left = (count != UNCOUNTED).then_some(usize::from(count));
    let last = number(4) as usize;
    Ok(Entries { bytes, at: HEAD_BYTES, before: 0, last, left, is_over: false })
}

impl<'a> Entries<'a> {
    pub fn hint(&self) -> usize {
        self.left.unwrap_or(0).min(self.bytes.len() / 2)
    }

    fn entry(&mut self) -> Result<Option<Text<'a>>, Flaw> {
        let end = self.bytes.len() - 1;
        if self.at == end {
            // The last entry is where it was said to be; of an empty ziplist that is its end.
            let last = if self.before == 0 { HEAD_BYTES } else { self.at - self.before };
            return match self.left {
                Some(1..) => Err(MISCOUNTED),
                _ if last != self.last => Err(Flaw("a ziplist whose last entry is elsewhere")),
                _ => Ok(None),
            };
        }
        let entry = &self.bytes[self.at..end];
        let (before, rest) = entry.split_first().ok_or(SHORT)?;
        let (before, rest) = match *before {
            LONG_BEFORE => {
                let (before, rest) = rest.split_first_chunk().ok_or(SHORT)?;
                (u32::from_le_bytes(*before) as usize, rest)
            }
            END => return Err(Flaw("a ziplist with an end in its midst")),
            before => (usize::from(before), rest),
        };
        if before != self.before {
            return Err(Flaw("an entry of a ziplist whose two sizes differ"));
        }
        let (text, rest) = read(rest)?;
        let size = entry.len() - rest.len();
        self.at += size;
        self.before = size;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(MISCOUNTED)?;
        }
        Ok(Some(text))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Text<'a>, Flaw>;

    fn next(&mut self) -> Option<Result<Text<'a>, Flaw>> {
        if self.is_over {
            return None;
        }
        let entry = self.entry().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

/// The string or integer that bytes begin with, and what is behind it.
fn read(bytes: &[u8]) -> Result<(Text<'_>, &[u8]), Flaw> {
    let (&first, rest) = bytes.split_first().ok_or(SHORT)?;
    let string = |len: usize, rest| -> Result<(Text<'_>, &[u8]), Flaw> {
        let (text, rest) = <[u8]>::split_at_checked(rest, len).ok_or(SHORT)?;
        Ok((Text::Bytes(text), rest))
    };
    let int = |size: usize| {
        let (own, rest) = rest.split_at_checked(size).ok_or(SHORT)?;
        let sign = if own[size - 1] & 0x80 != 0 { 0xff } else { 0 };
        let mut whole = [sign; 8];
        whole[..size].copy_from_slice(own);
        Ok((Text::Int(i64::from_le_bytes(whole)), rest))
    };
    match first {
        0..0x40 => string(usize::from(first), rest),
        0x40..0x80 => {
            let (low, rest) = rest.split_first().ok_or(SHORT)?;
            string(usize::from(first & 0x3f) << 8 | usize::from(*low), rest)
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            string(u32::from_be_bytes(*len) as usize, rest)
        }
        0xc0 => int(2),
        0xd0 => int(4),
        0xe0 => int(8),
        0xf0 => int(3),
        0xfe => int(1),
        0xf1..=0xfd => Ok((Text::Int(i64::from(first & 0x0f) - 1), rest)),
        _ => Err(Flaw("an entry of a ziplist in a form that there is not")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Flaw> {
        entries(bytes)?.map(|entry| entry.map(|text| text.to_vec())).collect()
    }

    #[test]
    fn entries_are_in_many_forms() {
        let mut bytes = b"\0\0\0\0\x1b\0\0\0\x06\0\
            \x00\x03abc\x05\xf3\x02\xfe\xff\x03\xc0\x00\x80\x04\xf0\x00\x00\x80\x05\xd0\x01\0\0\0\xff".to_vec();
        bytes[0] = bytes.len() as u8;
        bytes[4] = (bytes.len() - 1 - 6) as u8;
        let expected = ["abc", "2", "-1", "-32768", "-8388608", "1"];
        assert_eq!(all(&bytes).unwrap(), expected.map(|text| text.as_bytes().to_vec()));
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).is_err());
        }
        bytes[4] += 1;
        assert!(all(&bytes).is_err(), "the last one is elsewhere");
        assert!(all(b"\x0b\0\0\0\x0a\0\0\0\0\0\xff").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_read(mut body in prop::collection::vec(any::<u8>(), 0..60), count: u8, last: u8) {
            let mut bytes = (body.len() as u32 + 11).to_le_bytes().to_vec();
            bytes.extend(u32::from(last).to_le_bytes());
            bytes.extend([count % 8, 0]);
            bytes.append(&mut body);
            bytes.push(END);
            if let Ok(items) = all(&bytes) {
                prop_assert_eq!(items.len(), usize::from(count % 8));
            }
        }
    }
}
