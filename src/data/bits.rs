//! Strings as rows of bits: counting, searching, combining, and integers of any width in between.
//!
//! Bit 0 is the highest bit of the first byte, and beyond its end a string is all zeros. Whatever
//! walks a whole string does so eight bytes at a time, or in loops plain enough that the compiler
//! makes them so.

/// What BITOP combines strings by; the shorter ones are filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    /// Of one string.
    Not,
    /// In the first, and in none of the others.
    Diff,
    /// In one of the others, and not in the first.
    Diff1,
    /// In the first, and in one of the others.
    AndOr,
    /// In exactly one.
    One,
}

/// Bits of a string, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRange {
    pub first: u64,
    pub last: u64,
}

/// An integer of so many bits: 1 to 64 if it has a sign, 1 to 63 if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub signed: bool,
    pub bits: u32,
}

/// What becomes of a number that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

pub fn get(bytes: &[u8], at: u64) -> bool {
    let byte = usize::try_from(at / 8).ok().and_then(|byte| bytes.get(byte));
    byte.is_some_and(|byte| byte & bit_mask(at) != 0)
}

/// The byte must be there.
pub fn set(bytes: &mut [u8], at: u64, bit: bool) {
    let byte = &mut bytes[(at / 8) as usize];
    if bit {
        *byte |= bit_mask(at);
    } else {
        *byte &= !bit_mask(at);
    }
}

/// How many bits are set.
pub fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 =
        words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// How many bits of a range are set; the range lies in the string.
pub fn count_in(bytes: &[u8], range: BitRange) -> u64 {
    let whole = count(&bytes[(range.first / 8) as usize..=(range.last / 8) as usize]);
    let before = bytes[(range.first / 8) as usize] & !from_bit(range.first);
    let after = bytes[(range.last / 8) as usize] & !up_to_bit(range.last);
    whole - u64::from(before.count_ones()) - u64::from(after.count_ones())
}

/// Where a range has the first bit of this kind; the range lies in the string.
pub fn find(bytes: &[u8], range: BitRange, bit: bool) -> Option<u64> {
    // A search for zeros is a search for ones in the string turned over.
    let flip = if bit { 0 } else { 0xff };
    let (first, last) = ((range.first / 8) as usize, (range.last / 8) as usize);
    let mut head = (bytes[first] ^ flip) & from_bit(range.first);
    if first == last {
        head &= up_to_bit(range.last);
    }
    let in_byte = |at: usize, byte: u8| at as u64 * 8 + u64::from(byte.leading_zeros());
    if head != 0 {
        return Some(in_byte(first, head));
    }
    if first == last {
        return None;
    }
    if let Some(at) = find_one(&bytes[first + 1..last], flip) {
        return Some((first as u64 + 1) * 8 + at);
    }
    let tail = (bytes[last] ^ flip) & up_to_bit(range.last);
    (tail != 0).then(|| in_byte(last, tail))
}

/// Combines strings; the result is as long as the longest.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    match operation {
        Operation::And => {
            let mut out = padded(first, len);
            others.iter().for_each(|other| and(&mut out, other));
            out
        }
        Operation::Or => union(sources, len),
        Operation::Xor => {
            let mut out = padded(first, len);
            others.iter().for_each(|other| each(&mut out, other, |out, other| out ^ other));
            out
        }
        Operation::Not => first.iter().map(|byte| !byte).collect(),
        Operation::Diff => {
            let mut out = padded(first, len);
            others.iter().for_each(|other| and_not(&mut out, other));
            out
        }
        Operation::Diff1 => {
            let mut out = union(others, len);
            and_not(&mut out, first);
            out
        }
        Operation::AndOr => {
            let mut out = union(others, len);
            and(&mut out, first);
            out
        }
        Operation::One => {
            let (mut once, mut twice) = (vec![0; len], vec![0; len]);
            for source in sources {
                for ((once, twice), byte) in once.iter_mut().zip(&mut twice).zip(*source) {
                    *twice |= *once & byte;
                    *once |= byte;
                }
            }
            and_not(&mut once, &twice);
            once
        }
    }
}

impl Field {
    /// The bytes that a string must have for this field to lie in it.
    pub fn bytes_needed(&self, at: u64) -> u64 {
        (at + u64::from(self.bits)).div_ceil(8)
    }

    pub fn read(&self, bytes: &[u8], at: u64) -> i64 {
        let raw = (window(bytes, at) >> self.shift(at)) as u64 & self.mask();
        self.extend(raw)
    }

    /// Stores the low bits of a value; the field must lie in the string.
    pub fn write(&self, bytes: &mut [u8], at: u64, value: i64) {
        let shift = self.shift(at);
        let kept = window(bytes, at) & !(u128::from(self.mask()) << shift);
        let full = kept | u128::from(value as u64 & self.mask()) << shift;
        let first = (at / 8) as usize;
        let end = self.bytes_needed(at) as usize;
        for (step, byte) in bytes[first..end].iter_mut().enumerate() {
            *byte = (full >> (8 * (WINDOW - 1 - step))) as u8;
        }
    }

    /// The value as this field can hold it; `None` if it cannot, and must not be made to.
    pub fn fit(&self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = match self.signed {
            true => (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1),
            false => (0, (1i128 << self.bits) - 1),
        };
        if (least..=most).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.extend(value as u64 & self.mask())),
            Overflow::Saturate => Some(value.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// How far the field lies from the end of its window.
    fn shift(&self, at: u64) -> u32 {
        8 * WINDOW as u32 - (at % 8) as u32 - self.bits
    }

    /// Gives the bits of a field their sign.
    fn extend(&self, raw: u64) -> i64 {
        if self.signed {
            let unused = 64 - self.bits;
            ((raw << unused) as i64) >> unused
        } else {
            raw as i64
        }
    }
}

/// A field of 64 bits may touch nine bytes.
const WINDOW: usize = 9;

/// The nine bytes from the one that holds this bit on, zeros where there are none.
fn window(bytes: &[u8], at: u64) -> u128 {
    let first = usize::try_from(at / 8).unwrap_or(usize::MAX).min(bytes.len());
    let mut window = [0; WINDOW];
    for (to, from) in window.iter_mut().zip(&bytes[first..]) {
        *to = *from;
    }
    window.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn bit_mask(at: u64) -> u8 {
    0x80 >> (at % 8)
}

/// This bit of its byte and those after it.
fn from_bit(at: u64) -> u8 {
    0xff >> (at % 8)
}

/// This bit of its byte and those before it.
fn up_to_bit(at: u64) -> u8 {
    0xff << (7 - at % 8)
}

fn find_one(bytes: &[u8], flip: u8) -> Option<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let flip_word = u64::from_ne_bytes([flip; 8]);
    let ones = |word: &[u8; 8]| u64::from_be_bytes(*word) ^ flip_word;
    if let Some(at) = words.iter().position(|word| ones(word) != 0) {
        return Some(at as u64 * 64 + u64::from(ones(&words[at]).leading_zeros()));
    }
    let at = rest.iter().position(|byte| byte ^ flip != 0)?;
    let before = (words.len() as u64 * 8 + at as u64) * 8;
    Some(before + u64::from((rest[at] ^ flip).leading_zeros()))
}

fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(bytes);
    out.resize(len, 0);
    out
}

fn union(sources: &[&[u8]], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    sources.iter().for_each(|source| each(&mut out, source, |out, byte| out | byte));
    out
}

fn and(out: &mut [u8], other: &[u8]) {
    each(out, other, |out, byte| out & byte);
    out[other.len()..].fill(0);
}

fn and_not(out: &mut [u8], other: &[u8]) {
    each(out, other, |out, byte| out & !byte);
}

fn each(out: &mut [u8], other: &[u8], combine: impl Fn(u8, u8) -> u8) {
    for (out, byte) in out.iter_mut().zip(other) {
        *out = combine(*out, *byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The naive model: one bool for each bit.
    fn bools(bytes: &[u8]) -> Vec<bool> {
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect()
    }

    /// Mostly long runs of zeros or ones, since those are what searches run through.
    fn bitmap() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(0u8), 4 => Just(0xff), 1 => any::<u8>()];
        proptest::collection::vec(byte, 1..40)
    }

    fn field() -> impl Strategy<Value = Field> {
        (any::<bool>(), 1u32..=64)
            .prop_map(|(signed, bits)| Field { signed, bits: bits.min(63 + signed as u32) })
    }

    proptest! {
        #[test]
        fn counts_and_finds_like_a_row_of_bools(
            bytes in bitmap(),
            one: prop::sample::Index,
            other: prop::sample::Index,
            bit: bool,
        ) {
            let model = bools(&bytes);
            let (one, other) = (one.index(model.len()), other.index(model.len()));
            let (first, last) = (one.min(other), one.max(other));
            let range = BitRange { first: first as u64, last: last as u64 };
            let part = &model[first..=last];
            let ones = |part: &[bool]| part.iter().filter(|bit| **bit).count() as u64;
            prop_assert_eq!(count(&bytes), ones(&model));
            prop_assert_eq!(count_in(&bytes, range), ones(part));
            let found = part.iter().position(|other| *other == bit);
            prop_assert_eq!(find(&bytes, range, bit), found.map(|at| (first + at) as u64));
        }

        #[test]
        fn combines_bit_by_bit(
            sources in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..5)
        ) {
            let models: Vec<Vec<bool>> = sources.iter().map(|source| bools(source)).collect();
            let len = models.iter().map(Vec::len).max().unwrap_or(0);
            let column = |at: usize| -> Vec<bool> {
                models.iter().map(|model| model.get(at).copied().unwrap_or(false)).collect()
            };
            let slices: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
            let check = |operation, rule: fn(&[bool]) -> bool| {
                let expected: Vec<bool> = (0..len).map(|at| rule(&column(at))).collect();
                assert_eq!(bools(&combine(operation, &slices)), expected, "{operation:?}");
            };
            check(Operation::And, |row| row.iter().all(|bit| *bit));
            check(Operation::Or, |row| row.iter().any(|bit| *bit));
            check(Operation::Xor, |row| row.iter().filter(|bit| **bit).count() % 2 == 1);
            check(Operation::Diff, |row| row[0] && !row[1..].iter().any(|bit| *bit));
            check(Operation::Diff1, |row| !row[0] && row[1..].iter().any(|bit| *bit));
            check(Operation::AndOr, |row| row[0] && row[1..].iter().any(|bit| *bit));
            check(Operation::One, |row| row.iter().filter(|bit| **bit).count() == 1);
            let turned: Vec<bool> = models[0].iter().map(|bit| !bit).collect();
            prop_assert_eq!(bools(&combine(Operation::Not, &slices[..1])), turned);
        }

        #[test]
        fn single_bits_are_where_the_model_has_them(
            mut bytes in bitmap(),
            at: prop::sample::Index,
            bit: bool,
        ) {
            let mut model = bools(&bytes);
            let at = at.index(model.len());
            prop_assert_eq!(get(&bytes, at as u64), model[at]);
            set(&mut bytes, at as u64, bit);
            model[at] = bit;
            prop_assert_eq!(bools(&bytes), model);
            prop_assert!(!get(&bytes, bytes.len() as u64 * 8) && !get(&bytes, u64::MAX));
        }

        /// A field holds what was written, and writing it changes no other bit.
        #[test]
        fn fields_hold_what_fits(
            mut bytes in proptest::collection::vec(any::<u8>(), 20..30),
            field in field(),
            at in 0u64..96,
            value: i64,
        ) {
            let before = bools(&bytes);
            let value = field.fit(value.into(), Overflow::Wrap).unwrap();
            field.write(&mut bytes, at, value);
            prop_assert_eq!(field.read(&bytes, at), value);
            let after = bools(&bytes);
            let inside = at as usize..at as usize + field.bits as usize;
            for bit in 0..after.len() {
                prop_assert!(inside.contains(&bit) || before[bit] == after[bit]);
            }
            let lowest = inside.end - 1;
            prop_assert_eq!(after[lowest], value & 1 == 1, "the highest bit comes first");
        }

        #[test]
        fn overflow_is_arithmetic(field in field(), value in any::<i128>().prop_map(|v| v >> 60)) {
            let span = 1i128 << field.bits;
            let least = if field.signed { -span / 2 } else { 0 };
            let most = least + span - 1;
            let wrapped = (value - least).rem_euclid(span) + least;
            let fits = least <= value && value <= most;
            prop_assert_eq!(field.fit(value, Overflow::Wrap).map(i128::from), Some(wrapped));
            let clamped = value.clamp(least, most);
            prop_assert_eq!(field.fit(value, Overflow::Saturate).map(i128::from), Some(clamped));
            let kept = field.fit(value, Overflow::Fail).map(i128::from);
            prop_assert_eq!(kept, fits.then_some(value));
        }
    }

    #[test]
    fn a_field_beyond_the_end_is_zero() {
        let field = Field { signed: false, bits: 8 };
        assert_eq!(field.read(&[0xff], 4), 0xf0);
        assert_eq!(field.read(&[0xff], 8), 0);
        assert_eq!(field.read(&[], u64::MAX), 0);
    }
}
