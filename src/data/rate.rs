//! Limits on rates and on counters: one core under INCREX and CL.THROTTLE.
//!
//! CL.THROTTLE is the generic cell rate algorithm. A key remembers one moment, the *theoretical arrival
//! time* (TAT): when a client that kept to its rate would come next. Whoever comes is let through, and
//! moves the moment on by the time that a request is worth, unless it would then lie farther ahead than
//! the whole burst is worth. So a bucket of tokens is one number, and refilling it is doing nothing.
//!
//! Everything is exact. The time that a request is worth is seldom a whole number of nanoseconds, and
//! rounding it, as other implementations do, lets fast rates through altogether or stops them for good.
//! So a moment is a whole number of nanoseconds and a part of one, in as many parts as there are
//! requests in a period. Every product fits 128 bits, which the bounds of `Rate::new` see to; sums are
//! checked all the same.

/// So many requests in a period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests that the bucket holds.
    limit: i128,
    /// Requests in a period: as many parts a nanosecond has.
    count: i128,
    /// What a request is worth: nanoseconds of a period, but parts.
    worth: i128,
}

/// A moment: nanoseconds since 1970, and parts of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    nanos: i128,
    part: i64,
    parts: i64,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// Requests that the bucket holds, and those that are left in it.
    pub limit: i64,
    pub remaining: i64,
    /// Nanoseconds until the same request would be let through; none if it is, or never will be.
    pub retry_after: Option<i128>,
    /// Nanoseconds until the bucket is full.
    pub reset_after: i128,
    /// The moment to remember, if it is another one.
    pub arrival: Option<Arrival>,
}

const NANOS_IN_SECOND: i64 = 1_000_000_000;
/// As good as for ever, and no number that anybody takes for something else.
const FAR_MS: i64 = i64::MAX / 2;
const NANOS_IN_MILLI: i64 = 1_000_000;

impl Rate {
    /// A burst of so many requests beyond one, and so many requests in so many seconds. `None` if the
    /// numbers make no rate: a period is at most 292 years.
    pub fn new(burst: i64, count: i64, period_seconds: i64) -> Option<Rate> {
        if burst < 0 || count < 1 || period_seconds < 1 {
            return None;
        }
        let limit = burst.checked_add(1)?;
        let worth = period_seconds.checked_mul(NANOS_IN_SECOND)?;
        Some(Rate { limit: limit.into(), count: count.into(), worth: worth.into() })
    }

    /// So many requests come, at this millisecond since 1970; none at all asks how things stand. `None`
    /// if the moments are too far away to reckon with.
    pub fn ask(&self, before: Option<Arrival>, now_ms: i64, quantity: u64) -> Option<Verdict> {
        // From here on times are in parts.
        let now = i128::from(now_ms).checked_mul(NANOS_IN_MILLI.into())?.checked_mul(self.count)?;
        let before = match before {
            Some(arrival) => arrival.in_parts(self.count)?.max(now),
            None => now,
        };
        let bucket = self.worth.checked_mul(self.limit)?;
        let asked = self.worth.checked_mul(quantity.into())?;
        let filled = before - now;
        let ahead = filled.checked_add(asked)?;
        let allowed = ahead <= bucket;
        let filled = if allowed { ahead } else { filled };
        let after = now.checked_add(filled)?;
        let retry = (!allowed && asked <= bucket).then(|| ahead - bucket);
        let remaining = ((bucket - filled) / self.worth).max(0);
        Some(Verdict {
            allowed,
            limit: self.limit as i64,
            remaining: i64::try_from(remaining).ok()?,
            retry_after: retry.map(|parts| divide_up(parts, self.count)),
            reset_after: divide_up(filled, self.count),
            arrival: (allowed && quantity > 0).then(|| Arrival {
                nanos: after.div_euclid(self.count),
                part: after.rem_euclid(self.count) as i64,
                parts: self.count as i64,
            }),
        })
    }
}

impl Arrival {
    /// Reads what `text` wrote; or whole nanoseconds, as other implementations write them.
    pub fn read(text: &[u8]) -> Option<Arrival> {
        let text = str::from_utf8(text).ok()?;
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { digits.parse::<i128>().ok() } else { None }
        };
        let Some((nanos, fraction)) = text.split_once('+') else {
            return Some(Arrival { nanos: number(text)?, part: 0, parts: 1 });
        };
        let (part, parts) = fraction.split_once('/')?;
        let part = i64::try_from(number(part)?).ok()?;
        let parts = i64::try_from(number(parts)?).ok()?;
        (part < parts).then_some(Arrival { nanos: number(nanos)?, part, parts })
    }

    /// `nanoseconds`, or `nanoseconds+part/parts`.
    pub fn text(&self) -> String {
        match self.part {
            0 => self.nanos.to_string(),
            part => format!("{}+{part}/{}", self.nanos, self.parts),
        }
    }

    /// The millisecond since 1970 from which on it need not be remembered.
    pub fn end_ms(&self) -> i64 {
        let nanos = self.nanos.saturating_add((self.part > 0).into());
        i64::try_from(divide_up(nanos, NANOS_IN_MILLI.into())).unwrap_or(FAR_MS).min(FAR_MS)
    }

    /// The same moment where a nanosecond has so many parts; up to one nanosecond later, if that is
    /// another number than it was written with.
    fn in_parts(self, parts: i128) -> Option<i128> {
        let (nanos, part) = match i128::from(self.parts) == parts {
            true => (self.nanos, self.part),
            false => (self.nanos.checked_add((self.part > 0).into())?, 0),
        };
        nanos.checked_mul(parts)?.checked_add(part.into())
    }
}

/// Whole seconds, and the one that has begun.
pub fn seconds_up(nanos: i128) -> i64 {
    i64::try_from(divide_up(nanos, NANOS_IN_SECOND.into())).unwrap_or(i64::MAX)
}

/// For numbers that are not negative.
fn divide_up(number: i128, by: i128) -> i128 {
    number / by + i128::from(number % by > 0)
}

/// What a bounded increment comes to: the value after it, and the step that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<T> {
    pub after: T,
    pub step: T,
    /// Within bounds, or brought there; if not, nothing happens.
    pub applies: bool,
}

/// A bound may be so far from the value that the way there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFar;

/// Adds within bounds. What would leave them is not done, or brought to the bound.
pub fn add_within(
    old: i64,
    step: i64,
    lower: i64,
    upper: i64,
    saturate: bool,
) -> Result<Step<i64>, TooFar> {
    let sum = i128::from(old) + i128::from(step);
    let bounded = sum.clamp(lower.into(), upper.into());
    if bounded != sum && !saturate {
        return Ok(Step { after: old, step: 0, applies: false });
    }
    // The bounds are 64 bits wide, and so is what lies between them.
    let after = bounded as i64;
    let step = after.checked_sub(old).ok_or(TooFar)?;
    Ok(Step { after, step, applies: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Mostly what people say, and all that they could.
    fn parameter(least: i64) -> impl Strategy<Value = i64> {
        prop_oneof![
            least..20,
            least..10_000,
            (0u32..62).prop_map(move |power| (1i64 << power).max(least)),
            least..i64::MAX,
        ]
    }

    const NOW: i64 = 1_800_000_000_000;

    /// A bucket of tokens in exact fractions: tokens are counted in parts, of which a token has
    /// `period` nanoseconds, and a nanosecond brings `count`.
    struct Bucket {
        tokens: i128,
        size: i128,
        token: i128,
        count: i128,
        at_ms: i64,
    }

    impl Bucket {
        fn new(burst: i64, count: i64, period: i64) -> Bucket {
            let token = i128::from(period) * 1_000_000_000;
            let size = token * (i128::from(burst) + 1);
            Bucket { tokens: size, size, token, count: count.into(), at_ms: NOW }
        }

        fn refill(&mut self, now_ms: i64) {
            let nanos = i128::from(now_ms - self.at_ms) * 1_000_000;
            self.at_ms = now_ms;
            self.tokens = match nanos.checked_mul(self.count) {
                Some(brought) => self.size.min(self.tokens + brought.min(self.size)),
                None => self.size,
            };
        }

        fn take(&mut self, quantity: u64) -> bool {
            let taken = self.token * i128::from(quantity);
            let enough = taken <= self.tokens;
            if enough {
                self.tokens -= taken;
            }
            enough
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever the numbers, a rate lets through what a bucket of tokens lets through, and says how
        /// many are left and when.
        #[test]
        fn a_rate_is_a_bucket_of_tokens(
            burst in parameter(0),
            count in parameter(1),
            period in parameter(1).prop_map(|period| period.min(9_000_000_000)),
            requests in proptest::collection::vec(
                (prop_oneof![Just(0i64), 0i64..50, 0i64..100_000], parameter(0)),
                1..40,
            ),
        ) {
            let rate = Rate::new(burst, count, period);
            prop_assert_eq!(rate.is_some(), burst < i64::MAX);
            let Some(rate) = rate else { return Ok(()) };
            let mut bucket = Bucket::new(burst, count, period);
            let (mut now, mut kept) = (NOW, None::<String>);
            for (pause, quantity) in requests {
                now += pause;
                bucket.refill(now);
                let quantity = quantity as u64;
                let before = kept.as_ref().map(|text| Arrival::read(text.as_bytes()).unwrap());
                let verdict = rate.ask(before, now, quantity).unwrap();
                prop_assert_eq!(verdict.allowed, bucket.take(quantity));
                prop_assert_eq!(i128::from(verdict.limit), i128::from(burst) + 1);
                prop_assert_eq!(i128::from(verdict.remaining), bucket.tokens / bucket.token);
                let missing = bucket.size - bucket.tokens;
                prop_assert_eq!(verdict.reset_after, (missing + bucket.count - 1) / bucket.count);
                let taken = bucket.token * i128::from(quantity);
                let possible = !verdict.allowed && taken <= bucket.size;
                let wait = (taken - bucket.tokens + bucket.count - 1) / bucket.count;
                prop_assert_eq!(verdict.retry_after, possible.then_some(wait));
                prop_assert_eq!(verdict.arrival.is_some(), verdict.allowed && quantity > 0);
                if let Some(arrival) = verdict.arrival {
                    prop_assert_eq!(Arrival::read(arrival.text().as_bytes()), Some(arrival).map(|it| {
                        if it.part == 0 { Arrival { parts: 1, ..it } } else { it }
                    }));
                    // Forgotten when it no longer matters, and not before.
                    prop_assert!(i128::from(arrival.end_ms()) * 1_000_000 >= arrival.nanos || arrival.end_ms() == FAR_MS);
                    kept = Some(arrival.text());
                    if arrival.end_ms() <= now {
                        kept = None;
                    }
                }
            }
        }

        /// Another rate takes over what the one before remembered, to the nanosecond.
        #[test]
        fn rates_may_change(nanos in 0i128..1 << 70, part in 0i64..1000, parts in 1i64..1000, other in 1i64..1000) {
            let arrival = Arrival { nanos, part: part % parts, parts };
            let later = arrival.in_parts(other.into()).unwrap();
            let exact = (nanos * i128::from(parts) + i128::from(part % parts)) * i128::from(other);
            let later = later * i128::from(parts);
            prop_assert!(later >= exact && later - exact < i128::from(parts) * i128::from(other));
        }

        #[test]
        fn any_text_may_be_there(text: Vec<u8>, digits in "[0-9+/]{0,60}") {
            Arrival::read(&text);
            if let Some(arrival) = Arrival::read(digits.as_bytes()) {
                arrival.end_ms();
                Rate::new(5, 7, 11).unwrap().ask(Some(arrival), NOW, 1);
            }
        }

        /// In every case the step leads from the old value to the new one, and the new one lies
        /// within the bounds unless nothing was done.
        #[test]
        fn an_increment_stays_within_bounds(
            old in near_the_edges(),
            step in near_the_edges(),
            one in near_the_edges(),
            other in near_the_edges(),
            saturate: bool,
        ) {
            let (lower, upper) = (one.min(other), one.max(other));
            let wanted = old as i128 + step as i128;
            let fits = lower as i128 <= wanted && wanted <= upper as i128;
            match add_within(old, step, lower, upper, saturate) {
                Err(_) => prop_assert!(saturate && !fits),
                Ok(outcome) => {
                    prop_assert_eq!(outcome.applies, saturate || fits);
                    prop_assert_eq!(old as i128 + outcome.step as i128, outcome.after as i128);
                    prop_assert!(!fits || outcome.step == step);
                    let inside = lower <= outcome.after && outcome.after <= upper;
                    prop_assert_eq!(inside || !outcome.applies, true);
                }
            }
        }
    }

    fn near_the_edges() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -5i64..5, i64::MAX - 5..=i64::MAX, i64::MIN..i64::MIN + 5]
    }

    /// What users of other implementations reported: fast rates let everything through.
    #[test]
    fn fast_rates_are_kept() {
        for (burst, count, period) in [(6000, 6000, 1), (1000, 1000, 60), (20, 1500, 1)] {
            let rate = Rate::new(burst, count, period).unwrap();
            let mut kept = None;
            for left in (0..=burst).rev() {
                let verdict = rate.ask(kept, NOW, 1).unwrap();
                assert!(verdict.allowed);
                assert_eq!(verdict.remaining, left);
                kept = verdict.arrival;
            }
            let verdict = rate.ask(kept, NOW, 1).unwrap();
            assert!(!verdict.allowed);
            assert_eq!(
                verdict.retry_after,
                Some((period as i128 * 1_000_000_000 + count as i128 - 1) / count as i128)
            );
            assert!(rate.ask(kept, NOW + 1000 * period / count + 1, 1).unwrap().allowed);
        }
    }
}
