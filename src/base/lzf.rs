//! Reading what LZF has compressed, as the peers' dumps have it.
//!
//! A byte below 32 announces so many literal bytes and one more; any other is the beginning of a reference into
//! what has been written: three bits of length, thirteen of distance.

/// What was compressed, if these bytes are that and its length is the one that was said.
///
/// Three bytes become 264 at the most, so the length that is claimed is not trusted with memory.
pub fn expand(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = compressed;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < 32 {
            let (literal, after) = rest.split_at_checked(usize::from(control) + 1)?;
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
            let start = out.len().checked_sub(distance)?;
            // The copy may overlap what it makes.
            (0..copied).for_each(|at| out.push(out[start + at]));
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

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
