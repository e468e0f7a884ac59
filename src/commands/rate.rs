//! CL.THROTTLE, as the module redis-cell has it: may so many requests come through?
//!
//! What is remembered is a string, the moment in `data/rate.rs`; it ends by itself when the bucket is
//! full again. What others are told is a plain SET with that end.

use super::string;
use crate::data::rate::{Arrival, Rate, seconds_up};
use crate::data::string::Digits;
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Life, Str};
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_STRING, DENYOOM, FAST, Group, K_ACCESS, K_UPDATE, integer, key, key_at,
};
use crate::world::Millis;

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[write("CL.THROTTLE", throttle)
        .arity(-5)
        .flags(DENYOOM | FAST)
        .categories(C_STRING)
        .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Lets requests through at a rate, with bursts, and says when to come again.")
        .args(&[
            key("key"),
            integer("max_burst"),
            integer("count_per_period"),
            integer("period"),
            integer("quantity").optional(),
        ])],
};

const NO_RATE: Error = Error::Say(
    "ERR count_per_period and period must be positive, max_burst and quantity not negative",
);
const TOO_FAR: Error = Error::Say("ERR rate is out of range");
const NO_ARRIVAL: Error = Error::Say("ERR value is not a rate limit");

fn throttle(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    if args.len() > 6 {
        return Err(Error::Syntax.into());
    }
    let mut words = args.after(1);
    let (burst, count, period) = (words.int()?, words.int()?, words.int()?);
    let quantity = if words.left() > 0 { words.int()? } else { 1 };
    let quantity = u64::try_from(quantity).map_err(|_| NO_RATE)?;
    if burst < 0 || count < 1 || period < 1 {
        return Err(NO_RATE.into());
    }
    let rate = Rate::new(burst, count, period).ok_or(TOO_FAR)?;

    let key = args.get(1);
    let now = cx.now;
    let before = match cx.read::<Str>(key)? {
        Some(text) => Some(Arrival::read(text.bytes(&mut Digits::new())).ok_or(NO_ARRIVAL)?),
        None => None,
    };
    let verdict = rate.ask(before, now.0, quantity).ok_or(TOO_FAR)?;
    if let Some(arrival) = verdict.arrival {
        let life = Life::Until(Millis(arrival.end_ms()));
        string::store(cx, key, arrival.text().as_bytes(), life);
    }
    let mut list = out.list(5);
    list.int(!verdict.allowed as i64);
    list.int(verdict.limit);
    list.int(verdict.remaining);
    list.int(verdict.retry_after.map_or(-1, seconds_up));
    list.int(seconds_up(verdict.reset_after));
    list.end()
}
