//! Numbers in JSON, and those that are none there but that C's `strtod` reads.

use crate::base::numbers;

/// Whether a text begins with a number that JSON does not have: hexadecimal, with leading zeros or a
/// plus, infinite, or none at all.
pub fn is_invalid(text: &[u8]) -> bool {
    let digits = match text {
        [b'+', ..] => return true,
        [b'-', digits @ ..] => digits,
        digits => digits,
    };
    match digits {
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        [b'0'] | [] => false,
        // Every byte up to the nine, a point or a sign too, is for the reading to judge.
        [..=b'9', ..] => false,
        _ => starts_nocase(digits, b"inf") || starts_nocase(digits, b"nan"),
    }
}

/// The number that a text begins with, and its length, as `strtod` reads it in the C locale.
pub fn read(text: &[u8]) -> Option<(f64, usize)> {
    let sign_len = matches!(text.first(), Some(b'+' | b'-')) as usize;
    let sign = if text.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let digits = &text[sign_len..];
    let (value, len) = if starts_nocase(digits, b"infinity") {
        (f64::INFINITY, 8)
    } else if starts_nocase(digits, b"inf") {
        (f64::INFINITY, 3)
    } else if starts_nocase(digits, b"nan") {
        (f64::NAN, 3 + payload_len(&digits[3..]))
    } else if let Some(len) = hexadecimal_len(digits) {
        (numbers::hex_f64(&digits[..len])?, len)
    } else {
        let len = decimal_len(digits)?;
        (std::str::from_utf8(&digits[..len]).ok()?.parse().ok()?, len)
    };
    Some((value * sign, sign_len + len))
}

/// What follows a NaN: letters in parentheses, which mean nothing.
fn payload_len(text: &[u8]) -> usize {
    let Some(inner) = text.strip_prefix(b"(") else { return 0 };
    let len = count(inner, |byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if inner.get(len) == Some(&b')') { len + 2 } else { 0 }
}

/// The length of `0x1.8p3`; at least one digit must follow the `x`.
fn hexadecimal_len(text: &[u8]) -> Option<usize> {
    if !starts_nocase(text, b"0x") {
        return None;
    }
    let len = 2 + mantissa_len(&text[2..], u8::is_ascii_hexdigit)?;
    Some(len + exponent_len(&text[len..], b'p'))
}

fn decimal_len(text: &[u8]) -> Option<usize> {
    let len = mantissa_len(text, u8::is_ascii_digit)?;
    Some(len + exponent_len(&text[len..], b'e'))
}

/// Digits with at most one point among them.
fn mantissa_len(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<usize> {
    let whole = count(text, is_digit);
    let fraction = match text.get(whole) {
        Some(b'.') => count(&text[whole + 1..], is_digit),
        _ => return (whole > 0).then_some(whole),
    };
    (whole + fraction > 0).then_some(whole + 1 + fraction)
}

/// An exponent counts only if it has digits.
fn exponent_len(text: &[u8], letter: u8) -> usize {
    let [first, rest @ ..] = text else { return 0 };
    if first.to_ascii_lowercase() != letter {
        return 0;
    }
    let sign = matches!(rest.first(), Some(b'+' | b'-')) as usize;
    match count(&rest[sign..], u8::is_ascii_digit) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn count(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_digit(byte)).count()
}

fn starts_nocase(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}
