//! A histogram of durations, precise to two digits whatever their size.
//!
//! Log-linear, as in HdrHistogram: below 256 ns a bucket is one nanosecond wide; above, each
//! power of two is cut into 128 buckets of equal width, so a value is known to within 1/128 of
//! itself (0.8 %). Counting is one shift and one increment. Buckets are the same as in the peers,
//! which use HdrHistogram with two significant digits, so the same durations give the same
//! percentiles. Memory grows with the longest duration: 8 bytes for each bucket up to it, which
//! is 14 KiB for a millisecond and 24 KiB for the longest that is told apart, one second.
//! Source: G. Tene, HdrHistogram, <http://hdrhistogram.org>.

/// Each power of two is cut into so many buckets.
const PARTS: u64 = 128;
const PARTS_LOG: u32 = PARTS.ilog2();
/// Longer durations count as this long. In nanoseconds.
const LONGEST: u64 = 1_000_000_000;

/// Durations in nanoseconds, and how often each occurred.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// By bucket, up to the last one that was needed. Empty until something is counted.
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts a duration; those of less than a nanosecond count as one.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let bucket = bucket_of(nanos.clamp(1, LONGEST));
        match self.counts.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.grow(bucket),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn clear(&mut self) {
        self.counts = Vec::new();
    }

    /// The duration, in nanoseconds, that `percent` of all durations do not exceed: the longest of
    /// its bucket, or for 0 % the shortest. 0 when nothing was counted.
    pub fn percentile(&self, percent: f64) -> u64 {
        let total = self.total();
        let wanted = ((percent / 100.0 * total as f64 + 0.5) as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return if percent == 0.0 { shortest_of(bucket) } else { longest_of(bucket) };
            }
        }
        0
    }

    /// How many durations did not exceed each of some limits: pairs of a limit in nanoseconds and
    /// a count. The limits are the ends of the buckets that hold a power of two from 1024 ns on;
    /// one that covers no more durations than the one before is left out.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut pairs = Vec::new();
        let (mut seen, mut from) = (0, 0);
        let mut level = 1024;
        while from < self.counts.len() {
            let end = bucket_of(level) + 1;
            let more: u64 = self.counts[from..end.min(self.counts.len())].iter().sum();
            if more > 0 {
                seen += more;
                // The last power of two is beyond all buckets: its limit is their end.
                pairs.push((longest_of(bucket_of(level).min(LAST)), seen));
            }
            from = end;
            level *= 2;
        }
        pairs
    }

    #[cold]
    fn grow(&mut self, bucket: usize) {
        // No more than is needed: there is one for each command.
        self.counts.reserve_exact(bucket + 1 - self.counts.len());
        self.counts.resize(bucket + 1, 0);
        self.counts[bucket] = 1;
    }
}

/// The bucket of the longest duration, and those behind it up to the next power of two.
const LAST: usize = bucket_of(LONGEST.next_power_of_two() - 1);

/// The buckets of one nanosecond come first; then 128 for each power of two.
#[inline]
const fn bucket_of(nanos: u64) -> usize {
    let shift = shift_of(nanos);
    ((shift as u64) * PARTS + (nanos >> shift)) as usize
}

/// By how many bits a duration is shortened: it keeps eight.
const fn shift_of(nanos: u64) -> u32 {
    (nanos | (2 * PARTS - 1)).ilog2() - PARTS_LOG
}

const fn shortest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    (PARTS + bucket % PARTS) << shift
}

const fn longest_of(bucket: usize) -> u64 {
    shortest_of(bucket + 1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    /// What Redis 8.0.6 and Valkey 9.1.2 report of DEBUG SLEEP 0.8, 1.5 and 0.0201.
    #[test]
    fn answers_are_those_of_the_peers() {
        let histogram = of(&[20_173_000, 800_062_000, 1_500_091_000]);
        assert_eq!(histogram.percentile(50.0), 801_112_063);
        assert_eq!(histogram.percentile(99.9), 1_002_438_655);
        let micros: Vec<(u64, u64)> =
            histogram.cumulative().iter().map(|(limit, count)| (limit / 1000, *count)).collect();
        assert_eq!(micros, [(33_816, 1), (1_073_741, 3)]);
    }

    #[test]
    fn nothing_counted_is_nothing_held() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50.0), histogram.total()), (0, 0));
        assert!(histogram.is_empty() && histogram.cumulative().is_empty());
        histogram.record(0);
        assert_eq!(histogram.percentile(50.0), 1);
        histogram.clear();
        assert!(histogram.is_empty());
    }

    proptest! {
        #[test]
        fn buckets_follow_each_other_and_are_narrow(nanos in 1..=LONGEST) {
            let bucket = bucket_of(nanos);
            prop_assert!(bucket <= LAST);
            prop_assert!((shortest_of(bucket)..=longest_of(bucket)).contains(&nanos));
            let width = longest_of(bucket) - shortest_of(bucket);
            prop_assert!(width * PARTS <= nanos);
        }

        /// Against the sorted durations themselves.
        #[test]
        fn percentiles_and_counts_are_right_to_within_a_bucket(
            mut values in proptest::collection::vec(1..2 * LONGEST, 1..200),
            percent in 0.0..=100.0f64,
        ) {
            let histogram = of(&values);
            values.iter_mut().for_each(|value| *value = (*value).min(LONGEST));
            values.sort_unstable();
            let wanted = ((percent / 100.0 * values.len() as f64 + 0.5) as usize).clamp(1, values.len());
            let exact = values[wanted - 1];
            let found = histogram.percentile(percent);
            prop_assert_eq!(bucket_of(found), bucket_of(exact));
            prop_assert_eq!(histogram.total(), values.len() as u64);
            let pairs = histogram.cumulative();
            prop_assert_eq!(pairs.last().map(|pair| pair.1), Some(values.len() as u64));
            for (limit, count) in pairs {
                let below = values.iter().filter(|value| **value <= limit).count();
                prop_assert_eq!(below as u64, count);
            }
        }
    }
}
