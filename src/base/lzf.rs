//! LZF, as the peers' dumps have it: reading and writing.
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

/// Compresses one string after another. It remembers where three bytes were last seen, by their hash; what it
/// remembers of an earlier string is known by its number and need not be wiped out.
pub struct Compressor {
    places: Box<[u32; 1 << BITS]>,
    /// The number of the first byte of the next string.
    base: u32,
}

const BITS: u32 = 13;
const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
/// After so many bytes in a row that are new, every other one is tried only, and so on.
const PATIENCE: u32 = 5;

impl Default for Compressor {
    fn default() -> Compressor {
        let places = vec![0; 1 << BITS].into_boxed_slice();
        Compressor { places: places.try_into().expect("it was made that long"), base: 1 }
    }
}

impl Compressor {
    /// Appends what the string is compressed, if that is at most so many bytes; says whether it was.
    pub fn compress(&mut self, string: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
        let Some(base) = self.begin(string.len()) else { return false };
        let start = out.len();
        let fits = |out: &Vec<u8>, more: usize| out.len() - start + more <= most;
        let (mut at, mut pending, mut misses) = (0, 0, 1 << PATIENCE);
        while let Some(ahead) = string.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let three = u32::from_le_bytes(*ahead) & 0xff_ffff;
            let place = &mut self.places[(three.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize];
            let before = place.checked_sub(base).map_or(usize::MAX, |before| before as usize);
            *place = base + at as u32;
            // What is behind this place cannot be meant: numbers only rise.
            if before >= at
                || at - before > DISTANCE_MAX
                || string[before..before + 3] != ahead[..3]
            {
                at += (misses >> PATIENCE) as usize;
                misses += 1;
                continue;
            }
            let len = MATCH_MIN + common(&string[before + 3..], &string[at + 3..]);
            if !fits(out, at - pending + (at - pending).div_ceil(LITERALS_MAX) + 3) {
                out.truncate(start);
                return false;
            }
            literals(&string[pending..at], out);
            reference(at - before, len, out);
            at += len;
            (pending, misses) = (at, 1 << PATIENCE);
            self.note(string, base, at - 2);
            self.note(string, base, at - 1);
        }
        let left = string.len() - pending;
        if !fits(out, left + left.div_ceil(LITERALS_MAX)) {
            out.truncate(start);
            return false;
        }
        literals(&string[pending..], out);
        true
    }

    /// Gives numbers to the bytes of a string, and says the first one.
    fn begin(&mut self, len: usize) -> Option<u32> {
        let len = u32::try_from(len).ok().filter(|len| *len < u32::MAX)?;
        if self.base.checked_add(len).is_none() {
            self.places.fill(0);
            self.base = 1;
        }
        let base = self.base;
        self.base += len;
        Some(base)
    }

    fn note(&mut self, string: &[u8], base: u32, at: usize) {
        if let Some(ahead) = string[at..].first_chunk::<4>() {
            let three = u32::from_le_bytes(*ahead) & 0xff_ffff;
            self.places[(three.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize] =
                base + at as u32;
        }
    }
}

/// How long both begin alike, as far as a reference reaches.
fn common(left: &[u8], right: &[u8]) -> usize {
    let most = right.len().min(MATCH_MAX - MATCH_MIN);
    let (left, right) = (&left[..most], &right[..most]);
    let mut len = 0;
    for (left, right) in left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0) {
        let differ = u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right);
        if differ != 0 {
            return len + differ.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + left[len..].iter().zip(&right[len..]).take_while(|(left, right)| left == right).count()
}

fn literals(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn reference(distance: usize, len: usize, out: &mut Vec<u8>) {
    let (high, low) = (((distance - 1) >> 8) as u8, (distance - 1) as u8);
    match len - 2 {
        short @ ..7 => out.extend_from_slice(&[(short as u8) << 5 | high, low]),
        long => out.extend_from_slice(&[7 << 5 | high, (long - 7) as u8, low]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Compressor, expand};
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

    #[test]
    fn what_repeats_becomes_short() {
        let mut compressor = Compressor::default();
        let text = b"one two three, one two three, one two three".repeat(300);
        for string in [&[b'x'; 100_000][..], &text] {
            let mut out = Vec::new();
            assert!(compressor.compress(string, string.len() / 30, &mut out));
            assert_eq!(expand(&out, string.len()).unwrap(), string);
        }
    }

    #[test]
    fn numbers_of_bytes_begin_again() {
        let mut compressor = Compressor { base: u32::MAX - 300, ..Compressor::default() };
        for _ in 0..20 {
            let mut out = Vec::new();
            assert!(compressor.compress(&[b'x'; 100], 20, &mut out));
            assert_eq!(expand(&out, 100).unwrap(), [b'x'; 100]);
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

        #[test]
        fn what_is_compressed_expands(
            strings in prop::collection::vec(
                (prop::collection::vec(0u8..12, 0..700), 0usize..12_000, any::<bool>()), 1..8,
            ),
        ) {
            let mut compressor = Compressor::default();
            for (mut string, gap, roomy) in strings {
                let again = string.clone();
                string.resize(string.len() + gap, b'-');
                string.extend_from_slice(&again);
                let most = if roomy { 2 * string.len() + 1 } else { string.len() / 2 };
                let mut out = b"before".to_vec();
                if compressor.compress(&string, most, &mut out) {
                    prop_assert!(out.len() - 6 <= most);
                    prop_assert_eq!(expand(&out[6..], string.len()).unwrap(), string);
                } else {
                    prop_assert!(!roomy);
                    prop_assert_eq!(out, b"before");
                }
            }
        }
    }
}
