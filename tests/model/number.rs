//! The float of INCREX as the manual defines it, a C `long double`: 64 significant bits, written
//! with at most 17 digits after the dot.
//!
//! A number is held in fixed point, wide enough that sums are exact, and is rounded where a float
//! would be: when it is read and when it is summed. Nothing here is clever, for it has to be right
//! by inspection. It holds what is smaller than 2^100 and needs no bit beyond the 120th after the
//! dot; the command lines stay within that.

use std::cmp::Ordering;

const FRACTION_BITS: u32 = 120;
const SIGNIFICANT_BITS: u32 = 64;
const PLACES: usize = 17;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    whole: u128,
    /// In units of 2^-120.
    fraction: u128,
}

/// What a text is to a command that wants a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Number(Number),
    Infinity { negative: bool },
    No,
}

impl Number {
    pub const ZERO: Number = Number { negative: false, whole: 0, fraction: 0 };

    /// Reads digits with a sign and a dot, or infinity by name. The lines have no exponents and no
    /// hexadecimal digits; real servers answer for those.
    pub fn read(text: &[u8]) -> Read {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") {
            return Read::Infinity { negative };
        }
        let (whole, places) = match digits.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&digits[..dot], &digits[dot + 1..]),
            None => (digits, &b""[..]),
        };
        let all_digits = whole.iter().chain(places).all(u8::is_ascii_digit);
        if !all_digits || whole.is_empty() && places.is_empty() {
            return Read::No;
        }
        let value = |digits: &[u8]| {
            digits.iter().fold(0u128, |value, digit| value * 10 + u128::from(digit - b'0'))
        };
        // Long division: the bits of rest / 10^places, one after the other.
        let divisor = 10u128.pow(places.len() as u32);
        let mut rest = value(places);
        let mut fraction = 0;
        for _ in 0..FRACTION_BITS {
            rest *= 2;
            fraction = fraction * 2 + rest / divisor;
            rest %= divisor;
        }
        Read::Number(Number { negative, whole: value(whole), fraction }.rounded(rest > 0))
    }

    pub fn plus(self, other: Number) -> Number {
        if self.negative == other.negative {
            let fraction = self.fraction + other.fraction;
            let whole = self.whole + other.whole + (fraction >> FRACTION_BITS);
            let fraction = fraction & ((1 << FRACTION_BITS) - 1);
            return Number { whole, fraction, ..self }.rounded(false);
        }
        let (large, small) = match self.size().cmp(&other.size()) {
            Ordering::Less => (other, self),
            _ => (self, other),
        };
        let borrow = u128::from(large.fraction < small.fraction);
        let whole = large.whole - small.whole - borrow;
        let fraction = (borrow << FRACTION_BITS) + large.fraction - small.fraction;
        Number { whole, fraction, ..large }.rounded(false)
    }

    pub fn minus(self, other: Number) -> Number {
        self.plus(Number { negative: !other.negative, ..other })
    }

    pub fn text(self) -> Vec<u8> {
        let mut digits = String::new();
        let mut rest = self.fraction;
        for _ in 0..PLACES {
            rest *= 10;
            digits.push(char::from(b'0' + (rest >> FRACTION_BITS) as u8));
            rest &= (1 << FRACTION_BITS) - 1;
        }
        let mut places: u128 = digits.parse().expect("they are digits");
        let half = 1 << (FRACTION_BITS - 1);
        if rest > half || rest == half && places % 2 == 1 {
            places += 1;
        }
        let whole = self.whole + places / 10u128.pow(PLACES as u32);
        let places = places % 10u128.pow(PLACES as u32);
        let text = format!("{whole}.{places:0PLACES$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let sign = if self.negative && text != "0" { "-" } else { "" };
        format!("{sign}{text}").into_bytes()
    }

    fn size(self) -> (u128, u128) {
        (self.whole, self.fraction)
    }

    /// Half way goes to the even neighbour; `more` says that bits were lost beyond the last.
    fn rounded(self, more: bool) -> Number {
        let bits = |value: u128| u128::BITS - value.leading_zeros();
        let length = match self.whole {
            0 => bits(self.fraction),
            whole => bits(whole) + FRACTION_BITS,
        };
        let mut new = self;
        let surplus = length.saturating_sub(SIGNIFICANT_BITS);
        if surplus > FRACTION_BITS {
            let surplus = surplus - FRACTION_BITS;
            new.fraction = 0;
            new.whole = nearest(self.whole, surplus, more || self.fraction > 0, false);
        } else if surplus > 0 {
            let odd = self.whole % 2 == 1;
            let fraction = nearest(self.fraction, surplus, more, odd);
            new.whole += fraction >> FRACTION_BITS;
            new.fraction = fraction & ((1 << FRACTION_BITS) - 1);
        }
        new.negative &= new.size() != (0, 0);
        new
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.size().cmp(&other.size()),
            (true, true) => other.size().cmp(&self.size()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Rounds the lowest bits of a value away. The bit above them says which neighbour is even; when
/// all of a fraction goes, that bit is the lowest of the whole, `odd`.
fn nearest(value: u128, bits: u32, more: bool, odd: bool) -> u128 {
    let unit = 1u128 << bits;
    let low = value % unit;
    let odd = (value / unit) % 2 == 1 || bits == FRACTION_BITS && odd;
    let up = low > unit / 2 || low == unit / 2 && (more || odd);
    value - low + if up { unit } else { 0 }
}

#[test]
fn a_number_is_a_long_double() {
    let number = |text: &str| match Number::read(text.as_bytes()) {
        Read::Number(number) => number,
        other => panic!("{text}: {other:?}"),
    };
    // What C prints for these sums of long doubles with "%.17Lf", without the zeros at the end.
    for (one, other, sum) in [
        ("0.1", "0.2", "0.3"),
        ("10.5", "0.1", "10.6"),
        ("1000.1", "0.2", "1000.29999999999999999"),
        ("-5", "5", "0"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "0.5", "18446744073709551616"),
        ("18446744073709551617", "0", "18446744073709551616"),
        ("-0.00000000000000000001", "0", "0"),
    ] {
        let text = number(one).plus(number(other)).text();
        assert_eq!(String::from_utf8_lossy(&text), sum, "{one} + {other}");
    }
    assert!(number("-2") < number("-1.5") && number("-1.5") < number("0.25"));
    assert_eq!(Number::read(b"-inf"), Read::Infinity { negative: true });
    for text in ["", "-", ".", "1 ", "nan", "one"] {
        assert_eq!(Number::read(text.as_bytes()), Read::No, "{text}");
    }
}
