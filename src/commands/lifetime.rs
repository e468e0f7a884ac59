//! EX, PX, EXAT, PXAT, KEEPTTL and PERSIST: the words by which a command says how long a value
//! shall live.
//!
//! They are read in two steps, as clients know it: a mistake anywhere in the options is a syntax
//! error, and only a line without one has its number looked at.

use crate::base::numbers;
use crate::error::Error;
use crate::resp::Cursor;
use crate::spec::{Arg, integer, one_of, token, unix_time};
use crate::world::Millis;

/// What was said about the time to live, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime<'a> {
    #[default]
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// A moment, still as the client wrote it.
    Until(Clock, &'a [u8]),
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// EX: seconds from now.
    Seconds,
    /// PX: milliseconds from now.
    Millis,
    /// EXAT: seconds since 1970.
    UnixSeconds,
    /// PXAT: milliseconds since 1970.
    UnixMillis,
}

/// The four ways to write a moment, for the argument grammar.
pub const MOMENTS: [Arg; 4] = [
    integer("seconds").after("EX"),
    integer("milliseconds").after("PX"),
    unix_time("unix-time-seconds").after("EXAT"),
    unix_time("unix-time-milliseconds").after("PXAT"),
];

/// `[EX … | PX … | EXAT … | PXAT … | KEEPTTL]`
pub const EXPIRATION_OR_KEEP: Arg =
    one_of("expiration", &[MOMENTS[0], MOMENTS[1], MOMENTS[2], MOMENTS[3], token("KEEPTTL")])
        .optional();

/// `[EX … | PX … | EXAT … | PXAT … | PERSIST]`
pub const EXPIRATION_OR_PERSIST: Arg =
    one_of("expiration", &[MOMENTS[0], MOMENTS[1], MOMENTS[2], MOMENTS[3], token("PERSIST")])
        .optional();

/// A word that only some commands know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    KeepTtl,
    Persist,
}

impl<'a> Lifetime<'a> {
    /// Takes the next option if it is about the time to live; the command must know the word.
    ///
    /// Said twice in the same way, the last one counts; in two ways it is a syntax error.
    pub fn take(&mut self, words: &mut Cursor<'a>, also: Also) -> Result<bool, Error> {
        let Some(word) = words.word() else { return Ok(false) };
        let clock = match &*word {
            b"EX" => Clock::Seconds,
            b"PX" => Clock::Millis,
            b"EXAT" => Clock::UnixSeconds,
            b"PXAT" => Clock::UnixMillis,
            b"KEEPTTL" if also == Also::KeepTtl => {
                words.skip();
                return self.say(Lifetime::Keep);
            }
            b"PERSIST" if also == Also::Persist => {
                words.skip();
                return self.say(Lifetime::Persist);
            }
            _ => return Ok(false),
        };
        words.skip();
        let amount = words.bytes()?;
        self.say(Lifetime::Until(clock, amount))
    }

    /// The moment that was said, if one was; `command` is named in the error.
    pub fn deadline(&self, now: Millis, command: &'static str) -> Result<Option<Millis>, Error> {
        match self {
            Lifetime::Until(clock, amount) => deadline(*clock, amount, now, command).map(Some),
            _ => Ok(None),
        }
    }

    fn say(&mut self, new: Lifetime<'a>) -> Result<bool, Error> {
        let agrees = match (*self, new) {
            (Lifetime::Unsaid, _) => true,
            (Lifetime::Until(before, _), Lifetime::Until(after, _)) => before == after,
            (before, after) => before == after,
        };
        if !agrees {
            return Err(Error::Syntax);
        }
        *self = new;
        Ok(true)
    }
}

/// The moment an amount stands for. It must lie after 1970, and fit.
pub fn deadline(
    clock: Clock,
    amount: &[u8],
    now: Millis,
    command: &'static str,
) -> Result<Millis, Error> {
    let amount = numbers::parse_i64(amount).ok_or(Error::NotInteger)?;
    let millis = match clock {
        Clock::Seconds | Clock::UnixSeconds => amount.checked_mul(1000),
        Clock::Millis | Clock::UnixMillis => Some(amount),
    };
    let start = match clock {
        Clock::Seconds | Clock::Millis => now.0,
        Clock::UnixSeconds | Clock::UnixMillis => 0,
    };
    millis
        .filter(|millis| *millis > 0)
        .and_then(|millis| millis.checked_add(start))
        .map(Millis)
        .ok_or(Error::InvalidExpire(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_positive_and_fits() {
        let now = Millis(1_000_000);
        let at = |clock, amount: &str| deadline(clock, amount.as_bytes(), now, "set");
        assert_eq!(at(Clock::Seconds, "2"), Ok(Millis(1_002_000)));
        assert_eq!(at(Clock::Millis, "2"), Ok(Millis(1_000_002)));
        assert_eq!(at(Clock::UnixSeconds, "2"), Ok(Millis(2000)));
        assert_eq!(at(Clock::UnixMillis, "9223372036854775807"), Ok(Millis(i64::MAX)));
        for (clock, amount) in [
            (Clock::Seconds, "0"),
            (Clock::UnixMillis, "-1"),
            (Clock::Seconds, "9223372036854775"),
            (Clock::UnixSeconds, "9223372036854776"),
            (Clock::Millis, "9223372036854775807"),
        ] {
            assert_eq!(at(clock, amount), Err(Error::InvalidExpire("set")), "{clock:?} {amount}");
        }
        assert_eq!(at(Clock::Millis, "1.5"), Err(Error::NotInteger));
    }
}
