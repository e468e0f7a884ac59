//! Counters: strings that are numbers. INCR and its relatives, INCRBYFLOAT, and INCREX, which
//! has bounds and a time to live.
//!
//! Whole numbers are 64 bits wide and never wrap. Fractions are 80-bit floats, and since their
//! text depends on such detail, others are told the result rather than the step.

use super::lifetime::{Also, Lifetime, MOMENTS};
use crate::base::numbers::{self, LongDouble};
use crate::data::rate::{self, Step};
use crate::data::string::{Digits, Text};
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Life, Record, Str};
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_STRING, DENYOOM, FAST, Group, K_ACCESS, K_UPDATE, double, integer, key, key_at,
    one_of, string, token,
};

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[
        write("INCR", incr)
            .arity(2)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Adds one to the integer stored at a key, which starts at 0.")
            .args(&[key("key")]),
        write("DECR", decr)
            .arity(2)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Takes one from the integer stored at a key, which starts at 0.")
            .args(&[key("key")]),
        write("INCRBY", incrby)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Adds to the integer stored at a key, which starts at 0.")
            .args(&[key("key"), integer("increment")]),
        write("DECRBY", decrby)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Takes from the integer stored at a key, which starts at 0.")
            .args(&[key("key"), integer("decrement")]),
        write("INCRBYFLOAT", incrbyfloat)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Adds a fraction to the number stored at a key, which starts at 0.")
            .args(&[key("key"), double("increment")]),
        write("INCREX", increx)
            .arity(-2)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("8.8.0")
            .complexity("O(1)")
            .summary("Adds to the number stored at a key, within bounds and with a time to live.")
            .args(&[
                key("key"),
                one_of(
                    "increment",
                    &[double("float").after("BYFLOAT"), integer("integer").after("BYINT")],
                )
                .optional(),
                token("SATURATE").optional(),
                string("lowerbound").after("LBOUND").optional(),
                string("upperbound").after("UBOUND").optional(),
                one_of(
                    "expiration",
                    &[MOMENTS[0], MOMENTS[1], MOMENTS[2], MOMENTS[3], token("PERSIST")],
                )
                .optional(),
                token("ENX").optional(),
            ]),
    ],
};

fn incr(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    add(cx, args.get(1), 1, out)
}

fn decr(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    add(cx, args.get(1), -1, out)
}

fn incrby(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let step = args.after(1).int()?;
    add(cx, args.get(1), step, out)
}

fn decrby(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let step = args.after(1).int()?;
    let step = step.checked_neg().ok_or(Error::Say("ERR decrement would overflow"))?;
    add(cx, args.get(1), step, out)
}

fn add(cx: &mut Ctx, key: &[u8], step: i64, out: Reply) -> Done {
    let Some(mut edit) = cx.edit::<Str>(key)? else {
        let mut digits = Digits::new();
        cx.put_text(key, digits.format(step).as_bytes(), Life::Forever, Event::string("incrby"));
        return out.int(step);
    };
    let before = edit.view().as_int().ok_or(Error::NotInteger)?;
    let sum =
        before.checked_add(step).ok_or(Error::Say("ERR increment or decrement would overflow"))?;
    edit.set_int(sum);
    edit.done(Event::string("incrby"));
    out.int(sum)
}

fn incrbyfloat(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let before = cx.keyspace.peek::<Str>(cx.db, key)?.map(long_double).transpose()?;
    let step = LongDouble::parse(args.get(2)).ok_or(Error::NotFloat)?;
    let sum = before.unwrap_or(LongDouble::from(0)) + step;
    if sum.is_nan() || sum.is_infinite() {
        return Err(Error::Say("ERR increment would produce NaN or Infinity").into());
    }
    let text = sum.to_text();
    put_number(cx, Record::bytes(key, &text), Life::Keep, Event::string("incrbyfloat"));
    cx.effects.instead(&[b"SET", key, &text, b"KEEPTTL"]);
    out.bulk(&text)
}

/// Stores the next value of a counter. A float is stored as bytes even where it is a whole number:
/// what OBJECT ENCODING says of a float must not depend on its value.
fn put_number(cx: &mut Ctx, mut record: Record, life: Life, event: Event) {
    let deadline = match life {
        Life::Keep => cx.keyspace.record(cx.db, record.key()).and_then(Record::deadline),
        Life::Forever => None,
        Life::Until(deadline) => Some(deadline),
    };
    record.set_age(cx.aging(record.key()).newborn());
    record.set_deadline(deadline);
    cx.keyspace.put_changed(cx.db, record, event);
}

fn long_double(text: Text) -> Result<LongDouble, Error> {
    match text {
        Text::Int(value) => Ok(LongDouble::from(value)),
        Text::Bytes(bytes) => LongDouble::parse(bytes).ok_or(Error::NotFloat),
    }
}

// ── INCREX ──────────────────────────────────────────────────────────────────────────────────

/// The options of INCREX, each of which may be said once; numbers are still text.
#[derive(Default)]
struct Options<'a> {
    by_int: Option<&'a [u8]>,
    by_float: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    lifetime: Lifetime<'a>,
    /// ENX: the time to live is set only where there is none.
    if_forever: bool,
}

fn increx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let options = Options::read(args)?;
    match options.by_float {
        None => {
            let (step, lower, upper) = options.ints()?;
            let deadline = options.lifetime.deadline(cx.now, "increx")?;
            let old = match cx.keyspace.peek::<Str>(cx.db, key)? {
                Some(text) => text.as_int().ok_or(Error::NotInteger)?,
                None => 0,
            };
            let outcome = rate::add_within(old, step, lower, upper, options.saturate)
                .map_err(|_| STEP_OVERFLOW)?;
            if outcome.applies {
                let mut digits = Digits::new();
                let text = digits.format(outcome.after).as_bytes();
                store(cx, key, text, &options, deadline.map(Life::Until));
            }
            let mut pair = out.list(2);
            pair.int(outcome.after);
            pair.int(outcome.step);
            pair.end()
        }
        Some(step) => {
            let (step, lower, upper) = options.floats(step)?;
            let deadline = options.lifetime.deadline(cx.now, "increx")?;
            let old = match cx.keyspace.peek::<Str>(cx.db, key)? {
                Some(text) => long_double(text)?,
                None => LongDouble::from(0),
            };
            if old.is_infinite() {
                return Err(Error::Say("ERR value cannot be Infinity").into());
            }
            let outcome = bounded_float(old, step, lower, upper, options.saturate)?;
            let text = outcome.after.to_text();
            if outcome.applies {
                store(cx, key, &text, &options, deadline.map(Life::Until));
            }
            let mut pair = out.list(2);
            pair.double_text(&text);
            pair.double_text(&outcome.step.to_text());
            pair.end()
        }
    }
}

impl<'a> Options<'a> {
    fn read(args: Args<'a>) -> Result<Options<'a>, Error> {
        let mut options = Options::default();
        let mut words = args.after(1);
        while let Some(word) = words.word() {
            let slot = match &*word {
                b"BYINT" => &mut options.by_int,
                b"BYFLOAT" => &mut options.by_float,
                b"LBOUND" => &mut options.lower,
                b"UBOUND" => &mut options.upper,
                b"SATURATE" if !options.saturate => {
                    words.skip();
                    options.saturate = true;
                    continue;
                }
                b"ENX" if !options.if_forever => {
                    words.skip();
                    options.if_forever = true;
                    continue;
                }
                _ => {
                    let first = options.lifetime == Lifetime::Unsaid;
                    if !options.lifetime.take(&mut words, Also::Persist)? || !first {
                        return Err(Error::Syntax);
                    }
                    continue;
                }
            };
            words.skip();
            if slot.replace(words.bytes()?).is_some() {
                return Err(Error::Syntax);
            }
        }
        if options.by_int.is_some() && options.by_float.is_some() {
            return Err(Error::Syntax);
        }
        match options.lifetime {
            Lifetime::Persist if options.if_forever => Err(Error::Syntax),
            Lifetime::Unsaid if options.if_forever => {
                Err(Error::Say("ERR ENX flag requires an expiration"))
            }
            _ => Ok(options),
        }
    }

    /// Step and bounds as integers; a bound that was not said is that of the type.
    fn ints(&self) -> Result<(i64, i64, i64), Error> {
        let int = |text: Option<&[u8]>, unsaid, error| match text {
            None => Ok(unsaid),
            Some(text) => numbers::parse_i64(text).ok_or(Error::Say(error)),
        };
        let step = int(self.by_int, 1, "ERR Increment is not an integer or out of range")?;
        let lower = int(self.lower, i64::MIN, "ERR LBOUND is not an integer or out of range")?;
        let upper = int(self.upper, i64::MAX, "ERR UBOUND is not an integer or out of range")?;
        if lower > upper {
            return Err(CROSSED);
        }
        Ok((step, lower, upper))
    }

    /// The same as floats. An infinite bound lies beyond that of the type: below it is anything,
    /// above it is nothing.
    fn floats(&self, step: &[u8]) -> Result<(LongDouble, LongDouble, LongDouble), Error> {
        let step =
            LongDouble::parse(step).ok_or(Error::Say("ERR Increment is not a valid float"))?;
        if step.is_infinite() {
            return Err(Error::Say("ERR BYFLOAT increment cannot be Infinity"));
        }
        let largest = LongDouble::largest();
        let bound = |text: Option<&[u8]>, unsaid, error| match text {
            None => Ok(unsaid),
            Some(text) => LongDouble::parse(text).ok_or(Error::Say(error)),
        };
        let lower = bound(self.lower, -largest, "ERR LBOUND is not a valid float")?;
        let upper = bound(self.upper, largest, "ERR UBOUND is not a valid float")?;
        if lower > upper {
            return Err(CROSSED);
        }
        Ok((step, lower, upper))
    }
}

const CROSSED: Error = Error::Say("ERR LBOUND can't be greater than UBOUND");
/// A bound may be so far from the value that the way there is no number.
const STEP_OVERFLOW: Error = Error::Say("ERR applied increment would overflow");
const STEP_INFINITE: Error = Error::Say("ERR applied increment would be Infinity");

fn bounded_float(
    old: LongDouble,
    step: LongDouble,
    lower: LongDouble,
    upper: LongDouble,
    saturate: bool,
) -> Result<Step<LongDouble>, Error> {
    let largest = LongDouble::largest();
    let sum = old + step;
    // A sum that is no number any more exceeds the type, whatever was said of bounds.
    let after = clamp(clamp(sum, -largest, largest), lower, upper);
    if after == sum {
        return Ok(Step { after, step, applies: true });
    }
    if !saturate {
        return Ok(Step { after: old, step: LongDouble::from(0), applies: false });
    }
    // This is also how a bound that is infinite itself is refused: infinity is never stored.
    let step = after - old;
    if step.is_infinite() {
        return Err(STEP_INFINITE);
    }
    Ok(Step { after, step, applies: true })
}

fn clamp(value: LongDouble, lower: LongDouble, upper: LongDouble) -> LongDouble {
    if value > upper {
        upper
    } else if value < lower {
        lower
    } else {
        value
    }
}

/// Stores the new number; others are told it as a SET.
fn store(cx: &mut Ctx, key: &[u8], value: &[u8], options: &Options, until: Option<Life>) {
    let ends = cx.contains(key)
        && cx.keyspace.record(cx.db, key).is_some_and(|record| record.deadline().is_some());
    let life = match until {
        Some(until) if !(options.if_forever && ends) => until,
        None if options.lifetime == Lifetime::Persist && ends => Life::Forever,
        _ => Life::Keep,
    };
    if let Life::Until(deadline) = life
        && cx.keyspace.is_over(deadline)
    {
        if cx.remove(key) {
            cx.effects.instead(&[b"DEL", key]);
        }
        return;
    }
    let (record, event) = match options.by_float {
        Some(_) => (Record::bytes(key, value), Event::string("incrbyfloat")),
        None => (Record::string(key, value), Event::string("incrby")),
    };
    put_number(cx, record, life, event);
    match life {
        Life::Keep => cx.effects.instead(&[b"SET", key, value, b"KEEPTTL"]),
        Life::Forever => {
            cx.keyspace.changes.also(cx.db, key, Event::generic("persist"));
            cx.effects.instead(&[b"SET", key, value]);
        }
        Life::Until(deadline) => {
            cx.keyspace.changes.also(cx.db, key, Event::generic("expire"));
            let mut digits = Digits::new();
            let deadline = digits.format(deadline.0).as_bytes();
            cx.effects.instead(&[b"SET", key, value, b"PXAT", deadline]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_saturates_at_the_largest_number() {
        let largest = LongDouble::largest();
        let one = LongDouble::from(1);
        let bounded = |old, step, saturate| bounded_float(old, step, -largest, largest, saturate);
        let zero = LongDouble::from(0);
        assert_eq!(
            bounded(largest, largest, false),
            Ok(Step { after: largest, step: zero, applies: false })
        );
        assert_eq!(
            bounded(largest, largest, true),
            Ok(Step { after: largest, step: zero, applies: true })
        );
        assert_eq!(
            bounded_float(-largest, one, largest, largest, true),
            Err(STEP_INFINITE),
            "the way from one end to the other is infinite"
        );
    }
}
