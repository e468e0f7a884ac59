//! Reading what LZF has compressed, as the peers' dumps have it.
//!
//! A byte below 32 announces so many literal bytes and one more; any other is the beginning of a reference into
//! what has been written: three bits of length, thirteen of distance.

/// What was compressed, if these bytes are that and its length is the one that was said.
pub fn expand(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    expand_into(compressed, len, &mut out)?;
    Some(out)
}

/// Puts what was compressed behind what is in `out`, if these bytes are that and its length is the one that was said.
///
/// Three bytes become 264 at the most, so a length that cannot be is refused before anything is allocated.
pub fn expand_into(compressed: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
    if len > compressed.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let begin = out.len();
    let end = begin + len;
    out.reserve_exact(len);
    let mut rest = compressed;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < 32 {
            let (literal, after) = rest.split_at_checked(usize::from(control) + 1)?;
            if literal.len() > end - out.len() {
                return None;
            }
            out.extend_from_slice(literal);
            rest = after;
        } else {
            let mut copied = usize::from(control >> 5) + 2;
            if copied == 9 {
                let (&more, after) = rest.split_first()?;
                copied += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first()?;
            rest = after;
            let distance = (usize::from(control & 31) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(distance).filter(|from| *from >= begin)?;
            if copied > end - out.len() {
                return None;
            }
            // The copy may overlap what it makes, and then is made of pieces that double.
            let mut left = copied;
            while left > 0 {
                let piece = left.min(out.len() - from);
                out.extend_from_within(from..from + piece);
                left -= piece;
            }
        }
    }
    (out.len() == end).then_some(())
}

/// Three bytes become 264.
const EXPANSION_MAX: usize = 88;

#[cfg(test)]
mod tests {
    use super::expand;
    use proptest::prelude::*;

    #[test]
    fn literals_and_references() {
        assert_eq!(expand(b"\x02abc", 3).unwrap(), b"abc");
        assert_eq!(expand(b"\x00a\xe0\x05\x00", 15).unwrap(), b"aaaaaaaaaaaaaaa");
        assert_eq!(expand(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        for (compressed, len) in [
            (&b"\x02ab"[..], 3),
            (b"\x00a\x20\x01", 4),
            (b"\x20\x00", 3),
            (b"\xe0", 9),
            (b"\x02abc", 2),
            (b"\x02abc", 4),
        ] {
            assert_eq!(expand(compressed, len), None, "{compressed:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_has_its_length(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            len in 0usize..512,
        ) {
            prop_assert!(expand(&bytes, len).is_none_or(|out| out.len() == len));
        }
    }
}
