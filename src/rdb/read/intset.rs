//! Intsets: sorted arrays of integers (`codes::intset`).

use super::error::Flaw;
use crate::rdb::codes::intset::HEAD_BYTES;

/// The integers of an array, in ascending order.
pub fn integers(bytes: &[u8]) -> Result<impl Iterator<Item = Result<i64, Flaw>>, Flaw> {
    let (head, rest) =
        bytes.split_first_chunk::<HEAD_BYTES>().ok_or(Flaw("an intset that ends too early"))?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (width, count) = (number(0) as usize, number(4) as usize);
    if !matches!(width, 2 | 4 | 8) {
        return Err(Flaw("an intset whose integers have a width that there is not"));
    }
    if count.checked_mul(width) != Some(rest.len()) {
        return Err(Flaw("an intset of another size than it says"));
    }
    let mut before = None;
    Ok(rest.chunks_exact(width).map(move |own| {
        let sign = if own[width - 1] & 0x80 != 0 { 0xff } else { 0 };
        let mut whole = [sign; 8];
        whole[..width].copy_from_slice(own);
        let value = i64::from_le_bytes(whole);
        if before.replace(value).is_some_and(|before| before >= value) {
            return Err(Flaw("an intset that is not in order"));
        }
        Ok(value)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_ascend() {
        let all = |bytes| integers(bytes)?.collect::<Result<Vec<_>, Flaw>>();
        assert_eq!(all(b"\x02\0\0\0\x02\0\0\0\xff\xff\x01\0").unwrap(), [-1, 1]);
        assert_eq!(all(b"\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80").unwrap(), [i64::MIN]);
        assert!(all(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0").is_err());
        assert!(all(b"\x02\0\0\0\x02\0\0\0\x01\0").is_err());
        assert!(all(b"\x03\0\0\0\x01\0\0\0\x01\0\0").is_err());
        assert!(all(b"\x02\0\0\0").is_err());
    }
}
