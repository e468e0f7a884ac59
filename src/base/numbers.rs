//! Numbers as text, read strictly and written the one way clients expect.
//!
//! Reading is all or nothing: the whole text must be the number, because a stray byte in an
//! argument is a mistake somewhere and must not be guessed away. Integers have exactly one accepted
//! spelling each, so that a value kept as an integer gives back the very bytes it was made from.
//! Doubles accept what C's `strtod` accepts, hexadecimal included, since scores travel through
//! programs that print them that way; but never NaN, and never a number that only fits by becoming
//! infinite or zero.

pub use super::long_double::LongDouble;

use super::grisu::{self, Decimal};
use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, Round};
use std::io::Write;

/// Reads an integer in its only spelling: no spaces, no `+`, no leading zeros, no `-0`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => match parse_u64(digits)? {
            0 => None,
            value => 0i64.checked_sub_unsigned(value),
        },
        digits => parse_u64(digits)?.try_into().ok(),
    }
}

/// Reads an unsigned integer in its only spelling.
pub fn parse_u64(digits: &[u8]) -> Option<u64> {
    let [first, rest @ ..] = digits else { return None };
    // The first digit decides everything that is special: a zero is only ever alone.
    if !matches!(first, b'1'..=b'9') {
        return (digits == b"0").then_some(0);
    }
    let mut value = u64::from(first - b'0');
    // Nineteen digits always fit; only the twentieth has to be watched.
    let (safe, last) = rest.split_at(rest.len().min(18));
    for byte in safe {
        value = value * 10 + digit(*byte)?;
    }
    match last {
        [] => Some(value),
        [byte] => value.checked_mul(10)?.checked_add(digit(*byte)?),
        _ => None,
    }
}

/// Reads a double: decimal, hexadecimal (`0x10`, `0x1.8p3`) or an infinity by name.
///
/// NaN is refused, and so is a number too big to be finite or too small to be other than zero:
/// whoever wrote those digits did not mean infinity or zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let value = match std::str::from_utf8(text).ok()?.parse::<f64>() {
        Ok(value) => value,
        Err(_) => return parse_hex_f64(text),
    };
    if value.is_nan() {
        return None;
    }
    if value.is_infinite() {
        // Digits that became infinite are an overflow; the name of infinity has none.
        return (!text.iter().any(u8::is_ascii_digit)).then_some(value);
    }
    if value == 0.0 && !is_zero(text) {
        return None;
    }
    Some(value)
}

/// Reads a hexadecimal double, however large or small.
pub fn hex_f64(text: &[u8]) -> Option<f64> {
    let hex = parse_hex(text)?;
    let read = Double::from_str_r(&hex.text, Round::NearestTiesToEven).ok()?;
    let value = f64::from_bits(read.value.to_bits() as u64);
    Some(if hex.negative { -value } else { value })
}

/// Appends a double in the form scores and RESP3 doubles have on the wire.
///
/// Whole numbers that an integer holds exactly are written as integers. Everything else has just
/// enough digits to be read back as the same double, with an exponent only where a plain form
/// would be all zeros: `0.1`, `1e-7`, `1e+20`, `inf`, `-0`.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 && value.is_sign_negative() {
        out.extend_from_slice(b"-0");
    } else if let Some(whole) = whole(value) {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        if value < 0.0 {
            out.push(b'-');
        }
        write_decimal(grisu::decimal(value.abs()), out);
    }
}

/// Appends a double as C's `%.17g` does: with as many digits as any double can need.
pub fn write_f64_exact(value: f64, out: &mut Vec<u8>) {
    write_f64_rounded(value, 17, out);
}

/// Appends a double as C's `%g` does with so many digits, at most 17.
pub fn write_f64_rounded(value: f64, digits: usize, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return write_f64(value, out);
    }
    // Most numbers are small integers, whose digits need no rounding.
    if value.trunc() == value && value.abs() < POWERS_OF_TEN[digits.min(15)] {
        let sign: &[u8] = if value.is_sign_negative() { b"-" } else { b"" };
        out.extend_from_slice(sign);
        return out.extend_from_slice(itoa::Buffer::new().format(value.abs() as u64).as_bytes());
    }
    // One digit, a point, the other digits, and an exponent of at most three digits.
    let digits = digits.clamp(1, 17);
    let mut text = [0; 32];
    let mut left = &mut text[..];
    if write!(left, "{:.*e}", digits - 1, value.abs()).is_err() {
        return;
    }
    let len = 32 - left.len();
    let text = &text[..len];
    let at = text.iter().position(|byte| *byte == b'e').unwrap_or(len);
    let exponent = std::str::from_utf8(&text[at + 1..]).ok().and_then(|text| text.parse().ok());
    let exponent: i32 = exponent.unwrap_or(0);
    let mut plain = [b'0'; 17];
    plain[0] = text[0];
    plain[1..digits].copy_from_slice(if digits > 1 { &text[2..at] } else { b"" });
    let used = plain[..digits].iter().rposition(|byte| *byte != b'0').map_or(1, |last| last + 1);

    if value < 0.0 {
        out.push(b'-');
    }
    if exponent < -4 || exponent >= digits as i32 {
        out.push(plain[0]);
        if used > 1 {
            out.push(b'.');
            out.extend_from_slice(&plain[1..used]);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a vector does not fail.
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        out.extend_from_slice(&b"0.000"[..1 + exponent.unsigned_abs() as usize]);
        out.extend_from_slice(&plain[..used]);
    } else {
        let whole = exponent as usize + 1;
        out.extend_from_slice(&plain[..whole]);
        if used > whole {
            out.push(b'.');
            out.extend_from_slice(&plain[whole..used]);
        }
    }
}

/// Powers of ten that doubles hold exactly.
const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The integer that a double is, if it is written as one. The sign of a zero is lost.
#[inline]
pub fn whole(value: f64) -> Option<i64> {
    // Half of the range of i64. Clients know larger whole numbers by their shortest digits.
    const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;

    (value.abs() <= WHOLE_MAX && value.trunc() == value).then_some(value as i64)
}

/// How many digits the decimal form of a number has.
pub fn decimal_len(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A hexadecimal float with its sign taken off and its digits in bounds: at most 31 of them, no
/// dot, an exponent that cannot overflow anyone. `text` is what rustc_apfloat reads.
pub(super) struct Hex {
    pub negative: bool,
    pub zero: bool,
    pub text: String,
}

/// Takes `[sign] 0x digits [. digits] [p [sign] digits]` apart.
///
/// Digits past the thirtieth cannot change a rounded result except by not being zero, so they are
/// folded into one last `1`. This keeps the work bounded whatever the length of the text.
pub(super) fn parse_hex(text: &[u8]) -> Option<Hex> {
    const DIGITS_MAX: usize = 30;
    // Far beyond the exponents of every float there is, far inside those of rustc_apfloat.
    const EXPONENT_MAX: i64 = 100_000;

    let (negative, unsigned) = split_sign(text);
    let body = unsigned.strip_prefix(b"0x").or_else(|| unsigned.strip_prefix(b"0X"))?;
    let (mantissa, exponent) = match body.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (&body[..at], parse_exponent(&body[at + 1..])?),
        None => (body, 0),
    };

    let mut digits = String::from("0x");
    let mut kept = 0;
    let mut exponent = exponent;
    let (mut any, mut dotted, mut lost) = (false, false, false);
    for byte in mantissa {
        if *byte == b'.' && !dotted {
            dotted = true;
            continue;
        }
        if !byte.is_ascii_hexdigit() {
            return None;
        }
        any = true;
        let leading = kept == 0 && *byte == b'0';
        let keep = !leading && kept < DIGITS_MAX;
        if keep {
            digits.push(char::from(*byte));
            kept += 1;
        } else {
            lost |= *byte != b'0';
        }
        // A digit after the dot counts if it is kept (or leads); one before it, if it is dropped.
        exponent = match (dotted, keep || leading) {
            (true, true) => exponent.saturating_sub(4),
            (false, false) => exponent.saturating_add(4),
            _ => exponent,
        };
    }
    if !any {
        return None;
    }
    if lost {
        digits.push('1');
        exponent = exponent.saturating_sub(4);
    }
    let zero = kept == 0;
    if zero {
        digits.push('0');
    }
    let exponent = exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX);
    Some(Hex { negative, zero, text: format!("{digits}p{exponent}") })
}

/// Is every digit of this decimal number a zero, so that zero is what was meant?
pub(super) fn is_zero(decimal: &[u8]) -> bool {
    let mantissa = decimal.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    mantissa.into_iter().all(|byte| !matches!(byte, b'1'..=b'9'))
}

/// Takes one sign off; says whether it was a minus.
pub(super) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Reads `[sign] digits`, any number of them; what is out of range stays far out of range.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for byte in digits {
        value = value.saturating_mul(10).saturating_add(digit(*byte)? as i64);
    }
    Some(if negative { -value } else { value })
}

fn parse_hex_f64(text: &[u8]) -> Option<f64> {
    let value = hex_f64(text)?;
    if value.is_infinite() || (value == 0.0 && !parse_hex(text)?.zero) {
        return None;
    }
    Some(value)
}

fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(u64::from(value))
}

/// Lays digits out: as a whole number, with a dot, or with an exponent of one leading digit.
fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    const ZEROS: [u8; 8] = [b'0'; 8];

    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(decimal.digits).as_bytes();
    let count = digits.len() as i32;
    // The exponent that the first digit would have.
    let scientific = decimal.exponent + count - 1;

    // At most seven zeros may be added on the right and six on the left, except that digits which
    // nearly reach the dot (10^-3 and up) are always written plainly.
    let whole = decimal.exponent >= 0 && scientific < count + 7;
    let dotted = decimal.exponent < 0 && (decimal.exponent > -7 || scientific.abs() < 4);
    if whole {
        out.extend_from_slice(digits);
        out.extend_from_slice(&ZEROS[..decimal.exponent as usize]);
    } else if dotted {
        let before = count + decimal.exponent;
        if before <= 0 {
            out.extend_from_slice(b"0.");
            out.extend_from_slice(&ZEROS[..-before as usize]);
            out.extend_from_slice(digits);
        } else {
            let (left, right) = digits.split_at(before as usize);
            out.extend_from_slice(left);
            out.push(b'.');
            out.extend_from_slice(right);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if scientific < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(itoa::Buffer::new().format(scientific.unsigned_abs()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_have_one_spelling() {
        for text in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(text.as_bytes()), text.parse().ok(), "{text}");
        }
        let refused = "|-|+1|-0|00|01|-01| 1|1 |1a|0x1|1.0|9223372036854775808|\
            -9223372036854775809|18446744073709551616|99999999999999999999|100000000000000000000";
        for text in refused.split('|') {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn doubles_are_read_like_strtod() {
        let accepted = [
            ("1.", 1.0),
            (".5", 0.5),
            ("+.5", 0.5),
            ("1E5", 1e5),
            ("007", 7.0),
            ("1e0000000000000000000000000005", 1e5),
            ("0e99999999999999999999", 0.0),
            ("1.7976931348623158e308", f64::MAX),
            ("3e-324", 5e-324),
            ("iNf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1P-3", -0.125),
            ("0x.8", 0.5),
            ("0x1.", 1.0),
            ("0x1e5", 485.0),
            ("0xA.Bp-1", 5.34375),
            ("0x0p99999999999999999999", 0.0),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x1.00000000000008000000000000000000000000000000001", 1.0 + f64::EPSILON),
            ("0x1.000000000000080000000000000000000000000000000000", 1.0),
        ];
        for (text, value) in accepted {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        let many_zeros = format!("0x{}10{}", "0".repeat(500), "0".repeat(100));
        assert_eq!(parse_f64(many_zeros.as_bytes()), Some(16f64.powi(101)));
        let refused = "| 1|1 |\t1|1\n|+|-|.|e5|1e|1e+|--1|+-1|1_0|1,0|1f|1\0|nan|-NaN|infi|nan(1)|\
            1e999|-1e999|1e-400|2e-324|1e99999999999999999999|1.7976931348623159e308|0x|0x.|0xp1|\
            0x1p|0x1p+|0x1.2.3|0x1p1p1|0x0x1|0x-1|0x1p99999|0x1p-1075|0x1g|0xinf|0x1p 3|\
            0x1.fffffffffffff8p1023|0x1p99999999999999999999|0x1p-99999999999999999999|\u{661}";
        for text in refused.split('|') {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_have_their_layout() {
        let known = [
            "0",
            "-0",
            "inf",
            "-inf",
            "nan",
            "3",
            "-17",
            "0.1",
            "0.001",
            "0.0001",
            "0.000001",
            "1e-7",
            "1.5e-7",
            "5e-324",
            "1e+20",
            "1.5e+300",
            "-2.5",
            "3.141592653589793",
            "4611686018427387904",
            "1e+19",
            "12345678901234567000",
            "1.2345678901234568e+24",
            "0.30000000000000004",
            "0.0012345678901234",
            "1.2345e-5",
            "1234.567890123456",
            "1.2345678901234567e+4",
            "-1.7976931348623157e+308",
        ];
        for text in known {
            assert_eq!(written(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_printf() {
        let known = "0|-0|inf|3|-2.5|0.10000000000000001|1.0000000000000001e+300|12400000000|1e+21|\
            1.0000000000000001e-05|0.001|-251900.96133600001|12345678901234568|\
            1.2345678901234568e+17|4.9406564584124654e-324";
        for text in known.split('|') {
            let mut out = Vec::new();
            write_f64_exact(text.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i64, unsigned: u64) {
            prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
            prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
            prop_assert_eq!(decimal_len(unsigned), unsigned.to_string().len());
        }

        #[test]
        fn an_integer_text_is_its_own_print(text in "[-+ 0-9]{0,21}") {
            let model = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), model);
        }

        #[test]
        fn doubles_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let text = written(value);
            let back = parse_f64(text.as_bytes()).unwrap();
            prop_assert_eq!(back.to_bits(), bits, "{}", text);
        }

        #[test]
        fn hexadecimal_is_exact(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_normal());
            let (sign, fraction) = (if value < 0.0 { "-" } else { "" }, bits & ((1 << 52) - 1));
            let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
            let text = format!("{sign}0x1.{fraction:013x}p{exponent}");
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
        }

        #[test]
        fn nothing_panics(text: Vec<u8>, hex in "[-+]?0x[0-9a-f.]{0,80}(p[-+]?[0-9]{0,30})?") {
            for text in [&text[..], hex.as_bytes()] {
                let _ = (parse_i64(text), parse_u64(text));
                prop_assert!(parse_f64(text).is_none_or(|value| !value.is_nan()));
            }
        }
    }
}
