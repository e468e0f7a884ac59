//! Listpacks: a row of strings and integers, as values of many types are written (`codes::listpack`).
//!
//! Whoever wrote one, every byte of it is doubted: sizes, the sizes behind elements, the count, the end.

use super::error::Flaw;
use crate::data::string::Text;
use crate::rdb::codes::listpack::*;

/// The elements of a listpack, each checked as it comes.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    /// What is left, without the end.
    rest: &'a [u8],
    /// How many elements are left, as was said, if it was.
    left: Option<usize>,
}

/// Takes a listpack apart.
pub fn elements(bytes: &[u8]) -> Result<Elements<'_>, Flaw> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(SHORT)?;
    let [a, b, c, d, low, high] = *head;
    if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return Err(Flaw("a listpack of another size than it says"));
    }
    let Some((&END, rest)) = rest.split_last() else {
        return Err(Flaw("a listpack without its end"));
    };
    let count = u16::from_le_bytes([low, high]);
    Ok(Elements { rest, left: (count != UNCOUNTED).then_some(usize::from(count)) })
}

const SHORT: Flaw = Flaw("a listpack that ends too early");

impl<'a> Elements<'a> {
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// At least so many elements are left, as far as can be told without reading them.
    pub fn hint(&self) -> usize {
        self.left.unwrap_or(0).min(self.rest.len() / 2)
    }

    /// The next element; an error where there is none.
    #[inline]
    pub fn need(&mut self) -> Result<Text<'a>, Flaw> {
        self.next().ok_or(Flaw("a listpack with fewer elements than there must be"))?
    }

    /// The next element, which is an integer.
    pub fn int(&mut self) -> Result<i64, Flaw> {
        match self.need()? {
            Text::Int(value) => Ok(value),
            text => text.as_int().ok_or(Flaw("a string in a listpack where an integer belongs")),
        }
    }

    fn element(&mut self) -> Result<Text<'a>, Flaw> {
        let (element, own) = read(self.rest)?;
        let behind = back_bytes(own);
        let (back, rest) =
            self.rest.get(own..).and_then(|rest| rest.split_at_checked(behind)).ok_or(SHORT)?;
        if read_back(back) != Some(own) {
            return Err(Flaw("an element of a listpack whose two sizes differ"));
        }
        self.rest = rest;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(MISCOUNTED)?;
        }
        Ok(element)
    }
}

const MISCOUNTED: Flaw = Flaw("a listpack with another number of elements than it says");

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Text<'a>, Flaw>;

    #[inline]
    fn next(&mut self) -> Option<Result<Text<'a>, Flaw>> {
        if self.rest.is_empty() {
            return self.left.filter(|left| *left > 0).map(|_| {
                self.left = None;
                Err(MISCOUNTED)
            });
        }
        let element = self.element();
        if element.is_err() {
            // Nobody knows where the next one would begin.
            (self.rest, self.left) = (&[], None);
        }
        Some(element)
    }
}

/// The element that bytes begin with, and how many of them it takes without the size behind it.
#[inline]
fn read(bytes: &[u8]) -> Result<(Text<'_>, usize), Flaw> {
    let &first = bytes.first().ok_or(SHORT)?;
    let string = |head: usize, len: usize| {
        let end = head.checked_add(len).ok_or(SHORT)?;
        Ok((Text::Bytes(bytes.get(head..end).ok_or(SHORT)?), end))
    };
    let int = |size: usize| {
        let own = bytes.get(1..1 + size).ok_or(SHORT)?;
        let sign = if own[size - 1] & 0x80 != 0 { 0xff } else { 0 };
        let mut whole = [sign; 8];
        whole[..size].copy_from_slice(own);
        Ok((Text::Int(i64::from_le_bytes(whole)), 1 + size))
    };
    match first {
        0..STRING_6 => Ok((Text::Int(i64::from(first)), 1)),
        STRING_6..INT_13 => string(1, usize::from(first & 0x3f)),
        INT_13..STRING_12 => {
            let low = *bytes.get(1).ok_or(SHORT)?;
            let value = i64::from(first & 0x1f) << 8 | i64::from(low);
            Ok((Text::Int(if value < 1 << 12 { value } else { value - (1 << 13) }), 2))
        }
        STRING_12..STRING_32 => {
            let low = *bytes.get(1).ok_or(SHORT)?;
            string(2, usize::from(first & 0x0f) << 8 | usize::from(low))
        }
        STRING_32 => {
            let len = bytes.get(1..5).and_then(|len| len.first_chunk()).ok_or(SHORT)?;
            string(5, u32::from_le_bytes(*len) as usize)
        }
        INT_16 => int(2),
        INT_24 => int(3),
        INT_32 => int(4),
        INT_64 => int(8),
        _ => Err(Flaw("an element of a listpack in a form that there is not")),
    }
}

/// How many bytes the size takes behind an element of so many.
#[inline]
fn back_bytes(own: usize) -> usize {
    match own {
        0..128 => 1,
        128..16383 => 2,
        16383..2097151 => 3,
        2097151..268435455 => 4,
        _ => 5,
    }
}

/// The size that these bytes say, which are read from the last one on.
#[inline]
fn read_back(bytes: &[u8]) -> Option<usize> {
    let (mut size, mut shift) = (0usize, 0);
    for (index, byte) in bytes.iter().rev().enumerate() {
        size |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        let is_last = byte & 0x80 == 0;
        if is_last != (index + 1 == bytes.len()) {
            return None;
        }
    }
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Flaw> {
        elements(bytes)?.map(|element| element.map(|text| text.to_vec())).collect()
    }

    #[test]
    fn elements_are_in_many_forms() {
        // RPUSH l 0 127 -1 4095 -4096 32767 -8388608 2147483647 -9223372036854775808 "" abc, as Redis 8 dumps it.
        let bytes = b"\x3c\0\0\0\x0b\0\0\x01\x7f\x01\xdf\xff\x02\xcf\xff\x02\xd0\0\x02\xf1\xff\x7f\x03\
            \xf2\0\0\x80\x04\xf3\xff\xff\xff\x7f\x05\xf4\0\0\0\0\0\0\0\x80\x09\x80\x01\x83abc\x04\xff";
        let mut bytes = bytes.to_vec();
        bytes[0] = bytes.len() as u8;
        let expected = [
            "0",
            "127",
            "-1",
            "4095",
            "-4096",
            "32767",
            "-8388608",
            "2147483647",
            "-9223372036854775808",
            "",
            "abc",
        ];
        assert_eq!(all(&bytes).unwrap(), expected.map(|text| text.as_bytes().to_vec()));
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).is_err());
        }
        bytes[4] += 1;
        assert_eq!(all(&bytes), Err(MISCOUNTED));
        bytes[4] -= 2;
        assert_eq!(all(&bytes), Err(MISCOUNTED));
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_read(mut body in prop::collection::vec(any::<u8>(), 0..60), count: u8) {
            let mut bytes = (body.len() as u32 + 7).to_le_bytes().to_vec();
            bytes.extend([count % 8, 0]);
            bytes.append(&mut body);
            bytes.push(END);
            if let Ok(items) = all(&bytes) {
                prop_assert_eq!(items.len(), usize::from(count % 8));
            }
        }
    }
}
