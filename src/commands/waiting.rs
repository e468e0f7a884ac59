//! What commands that wait for a key have in common: how long, and for what.

use crate::base::numbers::{self, LongDouble};
use crate::data::Type;
use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::{Args, ArgsBuf, Done, Reply, Wait};
use crate::world::time::Millis;

const NEGATIVE: Error = Error::Say("ERR timeout is negative");
const TOO_LONG: Error = Error::Say("ERR timeout is out of range");

/// Reads a time-out in seconds; what comes is in microseconds, and none is for ever.
pub fn timeout(cx: &Ctx, text: &[u8]) -> Result<Option<u64>, Error> {
    const NOT_FLOAT: Error = Error::Say("ERR timeout is not a float or out of range");
    let seconds = numbers::parse_f64(text).or_else(|| beyond(text)).ok_or(NOT_FLOAT)?;
    // Whatever is left of a millisecond is a whole one, as in Redis.
    let millis = (seconds * 1000.0).ceil();
    if millis > i64::MAX as f64 {
        return Err(TOO_LONG);
    }
    match millis as i64 {
        ..0 => Err(NEGATIVE),
        0 => Ok(None),
        millis if millis > i64::MAX - cx.now.0 => Err(TOO_LONG),
        millis => Ok(Some((millis as u64).saturating_mul(1000))),
    }
}

/// Reads a time-out in milliseconds, as the commands on streams and those that wait for copies have it.
pub fn timeout_ms(now: Millis, text: &[u8]) -> Result<Option<u64>, Error> {
    const NOT_INTEGER: Error = Error::Say("ERR timeout is not an integer or out of range");
    match numbers::parse_i64(text).ok_or(NOT_INTEGER)? {
        ..0 => Err(NEGATIVE),
        0 => Ok(None),
        millis if millis > i64::MAX - now.0 => Err(TOO_LONG),
        millis => Ok(Some((millis as u64).saturating_mul(1000))),
    }
}

/// Waits until one of the keys holds a value of this kind.
pub fn wait(kind: Type, keys: Args, timeout_us: Option<u64>, give_up: fn(Reply) -> Done) -> Done {
    Err(Wait::new(kind, owned(keys), timeout_us, give_up).into())
}

/// As `wait`, for a command that runs again with another line.
pub fn wait_with(line: ArgsBuf, kind: Type, keys: Args, timeout_us: Option<u64>) -> Done {
    let wait = Wait::new(kind, owned(keys), timeout_us, |out| out.null_array());
    Err(Wait { line: Some(line), ..wait }.into())
}

/// Waits for a list to move an element from: a missing element and a missing answer are not the
/// same null in RESP2.
pub fn wait_for_one(key: &[u8], timeout_us: Option<u64>) -> Done {
    let wait = Wait::new(Type::List, vec![key.into()], timeout_us, |out| out.null_array());
    Err(Wait { refuse: |out| out.null(), ..wait }.into())
}

fn owned(keys: Args) -> Vec<Box<[u8]>> {
    keys.iter().map(Box::from).collect()
}

/// A number that only a long double can hold, as the double that is as good.
fn beyond(text: &[u8]) -> Option<f64> {
    let value = LongDouble::parse(text)?;
    let (zero, one) = (LongDouble::from(0), LongDouble::from(1));
    Some(match () {
        () if value < zero => f64::NEG_INFINITY,
        () if value > one => f64::INFINITY,
        () => f64::MIN_POSITIVE,
    })
}
