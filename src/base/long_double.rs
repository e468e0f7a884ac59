//! The 80-bit floats of the x87, in which float increments are defined.
//!
//! A double would do the arithmetic, but not give the answers: 0.1 + 0.2 must be written `0.3`. With
//! 64 bits of significand and a text cut at 17 decimals, most sums of short decimal numbers come
//! out as a person would write them. The format is emulated, so that every machine agrees.
//!
//! The text has no exponent, however large the number, and it is exact: every bit counts. Since a
//! number may be near 10^4932, its whole part may need a few thousand digits.

use super::numbers::{self, Hex};
use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};
use std::ops::{Add, Neg, Sub};

/// An 80-bit float.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct LongDouble(X87DoubleExtended);

/// No longer text is read. It has room for every digit that `to_text` can write.
const TEXT_MAX: usize = 5 * 1024 - 1;

impl LongDouble {
    /// Reads decimal, hexadecimal and the names of infinity, like `strtold`.
    ///
    /// As with doubles, NaN is refused, and so are numbers that would only become infinite or zero
    /// by being out of range.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (negative, unsigned) = numbers::split_sign(text);
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble(X87DoubleExtended::INFINITY).negate_if(negative));
        }
        let (value, zero) = if is_decimal(unsigned) {
            (read(std::str::from_utf8(unsigned).ok()?)?, numbers::is_zero(unsigned))
        } else {
            let Hex { zero, text, .. } = numbers::parse_hex(text)?;
            (read(&text)?, zero)
        };
        if value.is_infinite() || (value.is_zero() && !zero) {
            return None;
        }
        Some(LongDouble(value).negate_if(negative))
    }

    /// The largest number that is not infinite.
    pub fn largest() -> LongDouble {
        LongDouble(X87DoubleExtended::largest())
    }

    pub fn is_nan(self) -> bool {
        self.0.is_nan()
    }

    pub fn is_infinite(self) -> bool {
        self.0.is_infinite()
    }

    /// The number with at most 17 decimals, zeros at its end left out, and never an exponent.
    pub fn to_text(self) -> Vec<u8> {
        if self.is_nan() {
            return b"nan".to_vec();
        }
        let negative = self.0.is_negative();
        if self.is_infinite() {
            return if negative { b"-inf".to_vec() } else { b"inf".to_vec() };
        }
        let (significand, exponent) = self.parts();
        let mut out = Vec::with_capacity(40);
        if negative {
            out.push(b'-');
        }
        match u32::try_from(exponent) {
            Ok(shift) => write_shifted(significand, shift, &mut out),
            Err(_) => write_fraction(significand, exponent.unsigned_abs(), &mut out),
        }
        // What rounds to zero has no sign.
        if out == b"-0" { b"0".to_vec() } else { out }
    }

    fn negate_if(self, negative: bool) -> LongDouble {
        LongDouble(if negative { -self.0 } else { self.0 })
    }

    /// The absolute value as `significand * 2^exponent`.
    fn parts(self) -> (u64, i32) {
        const BIAS: i32 = 16383 + 63;

        let bits = self.0.to_bits();
        let biased = (bits >> 64 & 0x7fff) as i32;
        // The smallest numbers share the exponent of the next larger ones.
        (bits as u64, biased.max(1) - BIAS)
    }
}

impl From<i64> for LongDouble {
    /// Exact: the significand has as many bits as an integer.
    fn from(value: i64) -> LongDouble {
        LongDouble(X87DoubleExtended::from_i128(value.into()).value)
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    /// The sum, rounded to nearest; NaN for infinities of opposite signs.
    fn add(self, other: LongDouble) -> LongDouble {
        LongDouble(self.0.add_r(other.0, Round::NearestTiesToEven).value)
    }
}

impl Neg for LongDouble {
    type Output = LongDouble;

    fn neg(self) -> LongDouble {
        LongDouble(-self.0)
    }
}

impl Sub for LongDouble {
    type Output = LongDouble;

    /// The difference, rounded to nearest; NaN for infinities of one sign.
    fn sub(self, other: LongDouble) -> LongDouble {
        self + -other
    }
}

fn read(text: &str) -> Option<X87DoubleExtended> {
    Some(X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven).ok()?.value)
}

/// Is this `digits [. digits] [e [sign] digits]`, with a digit somewhere before the `e`?
/// rustc_apfloat is more generous than that, as in taking `1e` for a number.
fn is_decimal(text: &[u8]) -> bool {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(numbers::split_sign(&text[at + 1..]).1)),
        None => (text, None),
    };
    let dots = mantissa.iter().filter(|byte| **byte == b'.').count();
    let digits = |text: &[u8]| text.iter().filter(|byte| byte.is_ascii_digit()).count();
    dots <= 1
        && digits(mantissa) > 0
        && digits(mantissa) + dots == mantissa.len()
        && exponent.is_none_or(|text| !text.is_empty() && digits(text) == text.len())
}

const DECIMALS: usize = 17;
const SCALE: u128 = 10u128.pow(DECIMALS as u32);

/// Writes `significand / 2^shift`, for a shift of one or more.
fn write_fraction(significand: u64, shift: u32, out: &mut Vec<u8>) {
    let whole = significand.checked_shr(shift).unwrap_or(0);
    let fraction = match shift {
        ..64 => significand & ((1 << shift) - 1),
        _ => significand,
    };
    // 64 bits times 57 bits: the product has at most 121, so with a larger shift it is below half.
    let mut decimals = match shift {
        ..=121 => divide_rounded(u128::from(fraction) * SCALE, shift),
        _ => 0,
    };
    let mut whole = u128::from(whole);
    if decimals == SCALE {
        (whole, decimals) = (whole + 1, 0);
    }
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if decimals == 0 {
        return;
    }
    let mut digits = [0; DECIMALS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (decimals % 10) as u8;
        decimals /= 10;
    }
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..end]);
}

/// `value / 2^shift` to nearest, and of two as near to the even one.
fn divide_rounded(value: u128, shift: u32) -> u128 {
    let quotient = value >> shift;
    let rest = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let up = rest > half || (rest == half && quotient % 2 == 1);
    quotient + u128::from(up)
}

/// Writes `significand * 2^shift`, every digit of it.
fn write_shifted(significand: u64, shift: u32, out: &mut Vec<u8>) {
    const LIMB: u64 = 1_000_000_000;

    // Nine digits to a limb, the lowest limb first; shifted left by up to 32 bits at a time.
    let mut limbs = Vec::new();
    let mut rest = significand;
    while rest > 0 || limbs.is_empty() {
        limbs.push(rest % LIMB);
        rest /= LIMB;
    }
    let mut left = shift;
    while left > 0 {
        let step = left.min(32);
        let mut carry = 0;
        for limb in &mut limbs {
            let value = (*limb << step) + carry;
            *limb = value % LIMB;
            carry = value / LIMB;
        }
        while carry > 0 {
            limbs.push(carry % LIMB);
            carry /= LIMB;
        }
        left -= step;
    }

    let mut buffer = itoa::Buffer::new();
    let mut limbs = limbs.into_iter().rev();
    let first = limbs.next().unwrap_or(0);
    out.extend_from_slice(buffer.format(first).as_bytes());
    for limb in limbs {
        // A leading one keeps the zeros in place and is then left out.
        out.extend_from_slice(&buffer.format(LIMB + limb).as_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: LongDouble) -> String {
        String::from_utf8(value.to_text()).unwrap()
    }

    fn long(text: &str) -> LongDouble {
        LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is refused"))
    }

    #[test]
    fn sums_look_as_expected() {
        for (left, right, sum) in [
            ("0.1", "0.2", "0.3"),
            ("5000", "0.3", "5000.29999999999999982"),
            ("3", "0.000000000000000006", "3.00000000000000001"),
            ("3", "0.000000000000000005", "3"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("-1e-30", "0", "0"),
            ("1", "-1", "0"),
            ("0.5", "-1", "-0.5"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("0x1.8p1", "0x10", "19"),
            ("1e17", "0.0078125", "100000000000000000.0078125"),
        ] {
            assert_eq!(text(long(left) + long(right)), sum, "{left} + {right}");
        }
        let infinity = long("+Infinity");
        assert!((infinity + long("1")).is_infinite());
        assert!((infinity + long("-inf")).is_nan());
        assert_eq!(text(infinity + long("-inf")), "nan");
        assert_eq!(text(long("-iNF")), "-inf");
    }

    #[test]
    fn ties_go_to_the_even_digit() {
        // 2^-18 has 18 decimals and ends in 5, so its odd multiples are ties at 17.
        let tie = long("0x1p-18");
        assert_eq!(text(tie), "0.00000381469726562");
        assert_eq!(text(tie + long("0x1p-17")), "0.00001144409179688");
    }

    #[test]
    fn the_largest_number_is_written_in_full() {
        let largest = LongDouble(X87DoubleExtended::largest());
        let written = text(largest);
        assert_eq!(written.len(), 4933);
        assert!(written.starts_with("118973149535723176502126385303097"));
        assert!(written.ends_with("89770240"), "{written}");
        assert_eq!(LongDouble::parse(written.as_bytes()), Some(largest));
        assert_eq!(text(long("1e30")), "1000000000000000000024696061952");
    }

    #[test]
    fn only_numbers_are_read() {
        let refused = "| 1|1 |+|-|.|e5|1e|1e+|--1|+-1|+-inf|1_0|1f|1\0|nan|-nan|snan|infi|0x|0x.|\
            0x1p|0x1p+|0x1.2.3|1.2.3|0x-1|1e5000|-1e5000|1e-5000|0x1p16384|0x1p-99999|\u{661}";
        for text in refused.split('|') {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert!(LongDouble::parse("0".repeat(TEXT_MAX).as_bytes()).is_some());
        assert!(LongDouble::parse("0".repeat(TEXT_MAX + 1).as_bytes()).is_none());
        assert_eq!(text(long("1e-4950")), "0");
        assert_eq!(text(long("0e99999999999999999999")), "0");
    }

    proptest! {
        #[test]
        fn integers_are_exact(left: i32, right: i64) {
            prop_assume!(right.checked_add(left.into()).is_some());
            let sum = LongDouble::from(i64::from(left)) + long(&right.to_string());
            prop_assert_eq!(text(sum), (right + i64::from(left)).to_string());
        }

        /// Below 64 the format is finer than the 17th decimal, so decimals come back as they were.
        #[test]
        fn short_decimals_come_back(whole in 0..64u32, decimals in "[0-9]{0,15}[1-9]") {
            let number = format!("{whole}.{decimals}");
            prop_assert_eq!(text(long(&number)), number);
        }

        /// Each shifted number must be the double of the one before, digit by digit.
        #[test]
        fn shifting_doubles(significand: u64, shift in 0..16321u32) {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            write_shifted(significand, shift, &mut once);
            write_shifted(significand, shift + 1, &mut twice);
            let (mut carry, mut doubled) = (0, Vec::new());
            for digit in once.iter().rev() {
                let value = (digit - b'0') * 2 + carry;
                doubled.push(b'0' + value % 10);
                carry = value / 10;
            }
            if carry > 0 {
                doubled.push(b'1');
            }
            doubled.reverse();
            prop_assert_eq!(doubled, twice);
        }

        #[test]
        fn nothing_panics(noise: Vec<u8>, bits in 0..1u128 << 80,
                          number in "[-+]?[0-9.]{0,40}([eE][-+]?[0-9]{0,6})?") {
            let _ = LongDouble::parse(&noise);
            if let Some(value) = LongDouble::parse(number.as_bytes()) {
                let _ = value.to_text();
            }
            let _ = LongDouble(X87DoubleExtended::from_bits(bits)).to_text();
        }
    }
}
