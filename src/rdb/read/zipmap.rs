//! Zipmaps: how Redis kept small hashes until 2.6.
//!
//! ```text
//!   zipmap:  entries, 1 byte (254: more than that)  { size field  size unused value … }  255
//!
//!   size     1 byte up to 253, or 254 and 4 bytes, little-endian
//!   unused   1 byte: so many bytes behind the value belong to nobody
//! ```

use super::error::Flaw;

const END: u8 = 255;
const LONG: u8 = 254;
const SHORT: Flaw = Flaw("a zipmap that ends too early");
const MISCOUNTED: Flaw = Flaw("a zipmap with another number of entries than it says");

/// The fields of a zipmap and their values, each checked as it comes.
pub struct Entries<'a> {
    rest: &'a [u8],
    left: Option<usize>,
    is_over: bool,
}

/// A field and its value.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// Takes a zipmap apart.
pub fn entries(bytes: &[u8]) -> Result<Entries<'_>, Flaw> {
    let (&count, rest) = bytes.split_first().ok_or(SHORT)?;
    Ok(Entries { rest, left: (count < LONG).then_some(usize::from(count)), is_over: false })
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<Option<Entry<'a>>, Flaw> {
        if self.rest.first() == Some(&END) {
            return match (self.rest.len(), self.left) {
                (1, None | Some(0)) => Ok(None),
                (1, _) => Err(MISCOUNTED),
                _ => Err(Flaw("a zipmap with an end in its midst")),
            };
        }
        let (size, rest) = size(self.rest)?;
        let (field, rest) = rest.split_at_checked(size).ok_or(SHORT)?;
        let (size, rest) = self::size(rest)?;
        let (&unused, rest) = rest.split_first().ok_or(SHORT)?;
        let (value, rest) = rest.split_at_checked(size).ok_or(SHORT)?;
        self.rest = rest.get(usize::from(unused)..).ok_or(SHORT)?;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(MISCOUNTED)?;
        }
        Ok(Some((field, value)))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let entry = self.entry().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

fn size(bytes: &[u8]) -> Result<(usize, &[u8]), Flaw> {
    let (&first, rest) = bytes.split_first().ok_or(SHORT)?;
    match first {
        END => Err(Flaw("a zipmap with an end in its midst")),
        LONG => {
            let (size, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            Ok((u32::from_le_bytes(*size) as usize, rest))
        }
        size => Ok((usize::from(size), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_values() {
        let all = |bytes| entries(bytes)?.collect::<Result<Vec<_>, Flaw>>();
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02worldxx\xff";
        let expected = [(&b"foo"[..], &b"bar"[..]), (b"hello", b"world")];
        assert_eq!(all(bytes).unwrap(), expected);
        assert_eq!(all(b"\xfe\x01a\xfe\x01\0\0\0\x00b\xff").unwrap(), [(&b"a"[..], &b"b"[..])]);
        assert_eq!(all(b"\x00\xff").unwrap(), []);
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).is_err());
        }
        assert!(all(b"\x01\xff").is_err() && all(b"\x00\xff\xff").is_err());
        assert!(all(b"\x01\x01a\x01\x09b\xff").is_err());
    }
}
