//! The digits of a double: few, and enough to read the same double back.
//!
//! This is Grisu2 of Florian Loitsch, *Printing Floating-Point Numbers Quickly and Accurately with
//! Integers* (PLDI 2010). Any text between the midpoints to the two neighbouring doubles reads back
//! as the double. So both midpoints are multiplied by a power of ten that brings them into the
//! range of a 64-bit integer with a fraction, and digits of the upper one are produced until what
//! is left over is smaller than the distance between the midpoints.
//!
//! Newer algorithms always find the shortest digits; this one misses them about once in a thousand.
//! It is used because clients compare scores as text, and its digits, misses included, are the ones
//! they know. For the same reason the choice among several fitting powers of ten must stay as is.

/// The number `digits * 10^exponent`; `digits` has at most seventeen of them.
pub(super) struct Decimal {
    pub digits: u64,
    pub exponent: i32,
}

/// Finds the digits of a positive, finite double.
pub(super) fn decimal(value: f64) -> Decimal {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & (HIDDEN - 1), (bits >> 52 & 0x7ff) as i32);
    let exact = match biased {
        0 => Scaled { bits: fraction, exponent: 1 - BIAS },
        _ => Scaled { bits: fraction | HIDDEN, exponent: biased - BIAS },
    };
    let upper = Scaled { bits: exact.bits * 2 + 1, exponent: exact.exponent - 1 }.normal();
    // Below a power of two the doubles lie twice as close together.
    let lower = match exact.bits {
        HIDDEN => Scaled { bits: exact.bits * 4 - 1, exponent: exact.exponent - 2 },
        _ => Scaled { bits: exact.bits * 2 - 1, exponent: exact.exponent - 1 },
    };
    let lower = lower.bits << (lower.exponent - upper.exponent);

    let (power, tens) = power_for(upper.exponent);
    // The products are off by at most one each way; the interval is narrowed by as much.
    let high = upper.times(power);
    let low = Scaled { bits: lower, exponent: upper.exponent }.times(power);
    let high = Scaled { bits: high.bits - 1, exponent: high.exponent };
    let wide = high.bits - (low.bits + 1);
    let target = high.bits - exact.normal().times(power).bits;
    generate(high, wide, target, -tens)
}

/// Produces the digits of `high` until the rest is within `wide`, then steps the last digit down
/// while that comes closer to the true value, which lies `target` below `high`.
fn generate(high: Scaled, wide: u64, target: u64, mut exponent: i32) -> Decimal {
    // The power of ten was chosen so that 32 to 60 bits are a fraction.
    let shift = high.exponent.unsigned_abs();
    let one = 1u64 << shift;
    let (mut whole, mut fraction) = (high.bits >> shift, high.bits & (one - 1));
    let mut digits = 0;

    let mut unit = 1_000_000_000;
    for left in (0..10).rev() {
        digits = digits * 10 + whole / unit;
        whole %= unit;
        let rest = (whole << shift) + fraction;
        if rest <= wide {
            return Decimal {
                digits: closest(digits, wide, rest, unit << shift, target),
                exponent: exponent + left,
            };
        }
        unit /= 10;
    }

    let (mut wide, mut target) = (wide, target);
    loop {
        fraction *= 10;
        // Neither was above the fraction, or digits would have been enough before.
        wide *= 10;
        target *= 10;
        digits = digits * 10 + (fraction >> shift);
        fraction &= one - 1;
        exponent -= 1;
        if fraction < wide {
            return Decimal { digits: closest(digits, wide, fraction, one, target), exponent };
        }
    }
}

/// Steps the last digit down by `unit` while the rest stays within `wide` and nears `target`.
fn closest(mut digits: u64, wide: u64, mut rest: u64, unit: u64, target: u64) -> u64 {
    while rest < target
        && wide - rest >= unit
        && (rest + unit < target || target - rest > rest + unit - target)
    {
        digits -= 1;
        rest += unit;
    }
    digits
}

const HIDDEN: u64 = 1 << 52;
/// The exponent's bias, with the significand taken as an integer.
const BIAS: i32 = 1023 + 52;

/// The number `bits * 2^exponent`.
#[derive(Clone, Copy)]
struct Scaled {
    bits: u64,
    exponent: i32,
}

impl Scaled {
    /// The same number with its highest bit set.
    fn normal(self) -> Scaled {
        let shift = self.bits.leading_zeros();
        Scaled { bits: self.bits << shift, exponent: self.exponent - shift as i32 }
    }

    /// The upper half of the product, rounded.
    fn times(self, other: Scaled) -> Scaled {
        let product = u128::from(self.bits) * u128::from(other.bits) + (1 << 63);
        Scaled { bits: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

const POWERS: usize = 87;
const POWER_FIRST: i32 = -348;
const POWER_STEP: i32 = 8;

/// Every eighth power of ten that a double can need, computed while compiling.
static TENS: [Scaled; POWERS] = powers_of_ten();

/// Picks a power of ten that brings a number with this exponent to one between -60 and -32.
/// Returns it with its decimal exponent.
fn power_for(exponent: i32) -> (Scaled, i32) {
    const LOG10_2: f64 = std::f64::consts::LOG10_2;

    // Where two powers fit, the guess decides; a better one would give other digits.
    let guess = (-f64::from(exponent + POWERS as i32) * LOG10_2) as i32;
    let mut at = ((guess - POWER_FIRST) / POWER_STEP) as usize;
    loop {
        match exponent + TENS[at].exponent + 64 {
            ..-60 => at += 1,
            -60..=-32 => return (TENS[at], POWER_FIRST + at as i32 * POWER_STEP),
            _ => at -= 1,
        }
    }
}

/// Walks from 1 up and down by tens, with twice the precision that is kept.
const fn powers_of_ten() -> [Scaled; POWERS] {
    let mut table = [Scaled { bits: 0, exponent: 0 }; POWERS];
    // 10^-348 to 10^340: how many steps lie on each side of one.
    let (below, above) = (348, 340);

    let (mut bits, mut exponent) = (1u128 << 127, -127);
    let mut step = 0;
    while step <= above {
        if (step + below) % POWER_STEP == 0 {
            table[((step + below) / POWER_STEP) as usize] = rounded(bits, exponent);
        }
        // Ten times is eight times and a quarter of that.
        (bits, exponent) = match bits.checked_add(bits >> 2) {
            Some(sum) => (sum, exponent + 3),
            None => ((bits >> 1) + (bits >> 3), exponent + 4),
        };
        step += 1;
    }

    (bits, exponent) = (1u128 << 127, -127);
    step = 0;
    while step <= below {
        if (below - step) % POWER_STEP == 0 {
            table[((below - step) / POWER_STEP) as usize] = rounded(bits, exponent);
        }
        // A tenth is four fifths of an eighth, or eight fifths of a sixteenth.
        let (fifth, rest) = (bits / 5, bits % 5);
        (bits, exponent) = if fifth >= 1 << 125 {
            (fifth * 4 + rest * 4 / 5, exponent - 3)
        } else {
            (fifth * 8 + rest * 8 / 5, exponent - 4)
        };
        step += 1;
    }
    table
}

const fn rounded(bits: u128, exponent: i32) -> Scaled {
    Scaled { bits: ((bits + (1 << 63)) >> 64) as u64, exponent: exponent + 64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with powers of ten made the slow way: a whole division of big decimal numbers.
    #[test]
    fn powers_are_rounded_to_nearest() {
        for (at, power) in TENS.iter().enumerate() {
            assert!(power.bits >> 63 == 1);
            let tens = POWER_FIRST + at as i32 * POWER_STEP;
            let text = format!("1e{tens}");
            // The quad format has 113 bits and the exponents; its nearest neighbours tell enough.
            let quad: rustc_apfloat::ieee::Quad = text.parse().unwrap();
            let bits = rustc_apfloat::Float::to_bits(quad);
            let significand = (bits & ((1 << 112) - 1)) | 1 << 112;
            let exponent = (bits >> 112) as i32 - 16383 - 112;
            assert_eq!(power.bits, ((significand + (1 << 48)) >> 49) as u64, "{text}");
            assert_eq!(power.exponent, exponent + 49, "{text}");
        }
    }

    #[test]
    fn digits_are_enough_and_seldom_too_many() {
        let mut state = 1u64;
        let mut longer = 0;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits((state ^ state >> 29) & (u64::MAX >> 1));
            if !value.is_finite() || value == 0.0 {
                continue;
            }
            let found = decimal(value);
            let text = format!("{}e{}", found.digits, found.exponent);
            assert_eq!(text.parse(), Ok(value), "{text}");
            let shortest = format!("{value:e}");
            let count = shortest.split('e').next().unwrap().replace('.', "").len();
            let ours = found.digits.to_string().len();
            assert!(ours <= 17, "{text}");
            longer += usize::from(ours > count);
        }
        assert!(longer < 200, "{longer} of 100000 have a digit too many");
    }
}
