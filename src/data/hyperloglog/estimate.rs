//! From registers to a number: the estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), algorithm 6. All it needs to know is how many registers have which
//! value. Sums are made in the paper's order, since counts must be those of Redis to the last digit.

use super::{Q, REGISTERS};

/// How many registers have each value. Those beyond `Q + 1`, which no hash leads to, may be in a
/// string that somebody wrote by hand; they count for nothing.
pub type Histogram = [u32; 64];

/// About how many different strings make such registers.
pub fn cardinality(runs: &Histogram) -> u64 {
    let share = |run: usize| f64::from(runs[run]) / REGISTERS as f64;
    let mut sum = tau(1.0 - share(Q + 1)) * REGISTERS as f64;
    for run in (1..=Q).rev() {
        sum = 0.5 * (sum + f64::from(runs[run]));
    }
    sum += sigma(share(0)) * REGISTERS as f64;
    // 1 / (2 ln 2)
    const ALPHA: f64 = 0.5 / std::f64::consts::LN_2;
    (ALPHA * (REGISTERS * REGISTERS) as f64 / sum).round() as u64
}

/// Counts registers two by two: half the work, and values that are frequent do not wait for one
/// another in the same place of memory.
pub struct Pairs([u16; 64 * 64]);

impl Pairs {
    pub fn new() -> Pairs {
        Pairs([0; 64 * 64])
    }

    /// Eight more registers: forty-eight bits.
    #[inline]
    pub fn count(&mut self, group: u64) {
        for at in 0..4 {
            // There are half as many pairs as registers, so a number of 16 bits does not overflow.
            self.0[(group >> (12 * at)) as usize % (64 * 64)] += 1;
        }
    }

    pub fn histogram(&self) -> Histogram {
        let mut runs = [0; 64];
        for (high, row) in self.0.chunks_exact(64).enumerate() {
            let mut sum = 0;
            for (run, &count) in runs.iter_mut().zip(row) {
                *run += u32::from(count);
                sum += u32::from(count);
            }
            runs[high] += sum;
        }
        runs
    }
}

/// x + Σ x^(2^k) 2^(k-1), for the registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum == before {
            return sum;
        }
    }
}

/// ⅓ (1 - x - Σ (1 - x^(2^-k))² 2^-k), for the registers that are full.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x).powi(2) * power;
        if sum == before {
            return sum / 3.0;
        }
    }
}
