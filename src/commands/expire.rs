//! Deadlines: EXPIRE and its variants, TTL and its variants, PERSIST.

use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, Arg, C_KEYSPACE, FAST, Group, K_ACCESS, K_UPDATE, integer, key, key_at, one_of, token,
    unix_time,
};
use crate::world::Millis;

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[
        write("EXPIRE", expire)
            .arity(-3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Lets a key live for some seconds more.")
            .args(&[key("key"), integer("seconds"), CONDITION]),
        write("PEXPIRE", pexpire)
            .arity(-3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Lets a key live for some milliseconds more.")
            .args(&[key("key"), integer("milliseconds"), CONDITION]),
        write("EXPIREAT", expireat)
            .arity(-3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("1.2.0")
            .complexity("O(1)")
            .summary("Lets a key live until a time, in seconds since 1970.")
            .args(&[key("key"), unix_time("unix-time-seconds"), CONDITION]),
        write("PEXPIREAT", pexpireat)
            .arity(-3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Lets a key live until a time, in milliseconds since 1970.")
            .args(&[key("key"), unix_time("unix-time-milliseconds"), CONDITION]),
        write("PERSIST", persist)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Lets a key live for ever.")
            .args(&[key("key")]),
        read("TTL", ttl)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Says how many seconds a key has to live.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        read("PTTL", pttl)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Says how many milliseconds a key has to live.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        read("EXPIRETIME", expiretime)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Says when a key will be gone, in seconds since 1970.")
            .args(&[key("key")]),
        read("PEXPIRETIME", pexpiretime)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Says when a key will be gone, in milliseconds since 1970.")
            .args(&[key("key")]),
    ],
};

const CONDITION: Arg = one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
    .optional()
    .since("7.0.0");

fn expire(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    live_until(cx, args, out, "expire", 1000, cx.now)
}

fn pexpire(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    live_until(cx, args, out, "pexpire", 1, cx.now)
}

fn expireat(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    live_until(cx, args, out, "expireat", 1000, Millis(0))
}

fn pexpireat(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    live_until(cx, args, out, "pexpireat", 1, Millis(0))
}

/// Gives a key a deadline: so many `unit`s of milliseconds after `start`. Replicas are told the
/// deadline, since their countdown would begin later.
fn live_until(
    cx: &mut Ctx,
    args: Args,
    out: Reply,
    command: &'static str,
    unit: i64,
    start: Millis,
) -> Done {
    let condition = Condition::read(args)?;
    let deadline = args
        .after(1)
        .int()?
        .checked_mul(unit)
        .and_then(|span| span.checked_add(start.0))
        .map(Millis)
        .ok_or(Error::InvalidExpire(command))?;
    let key = args.get(1);
    let Some(current) = cx.keyspace.deadline_to_change(cx.db, key) else { return out.int(0) };
    if !condition.allows(current, deadline) {
        return out.int(0);
    }
    if cx.keyspace.is_over(deadline) {
        // It would be gone at once, so it goes now, and as if it had been deleted.
        cx.remove(key);
        cx.effects.instead(&[b"DEL", key]);
        return out.int(1);
    }
    cx.keyspace.set_deadline(cx.db, key, Some(deadline), Event::generic("expire"));
    let mut digits = itoa::Buffer::new();
    cx.effects.instead(&[b"PEXPIREAT", key, digits.format(deadline.0).as_bytes()]);
    out.int(1)
}

fn persist(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    match cx.keyspace.deadline_to_change(cx.db, key) {
        Some(Some(_)) => {
            cx.keyspace.set_deadline(cx.db, key, None, Event::generic("persist"));
            out.int(1)
        }
        _ => out.int(0),
    }
}

fn ttl(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let now = cx.now;
    tell_deadline(cx, args, out, |deadline| in_seconds(left(deadline, now)))
}

fn pttl(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let now = cx.now;
    tell_deadline(cx, args, out, |deadline| left(deadline, now))
}

fn expiretime(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    tell_deadline(cx, args, out, |deadline| in_seconds(deadline.0))
}

fn pexpiretime(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    tell_deadline(cx, args, out, |deadline| deadline.0)
}

/// Answers -2 for a key that is not there, -1 for one that lives for ever, else what `tell` makes
/// of its deadline.
fn tell_deadline(cx: &mut Ctx, args: Args, out: Reply, tell: impl Fn(Millis) -> i64) -> Done {
    match cx.keyspace.look(cx.db, args.get(1)) {
        None => out.int(-2),
        Some(record) => out.int(record.deadline().map_or(-1, tell)),
    }
}

/// Nothing for a key that is due and seen nevertheless.
pub fn left(deadline: Millis, now: Millis) -> i64 {
    deadline.0.saturating_sub(now.0).max(0)
}

/// Rounded half up, so that a key just given ten seconds is said to have ten.
fn in_seconds(millis: i64) -> i64 {
    millis / 1000 + (millis % 1000 >= 500) as i64
}

/// Rounded up, as those of elements are: what is there has never no time left.
pub fn in_seconds_up(millis: i64) -> i64 {
    millis / 1000 + (millis % 1000 > 0) as i64
}

/// Under which the deadline is changed at all.
#[derive(Clone, Copy, Default)]
pub struct Condition {
    /// Only if there is none.
    nx: bool,
    /// Only if there is one.
    xx: bool,
    /// Only to a later one.
    gt: bool,
    /// Only to an earlier one.
    lt: bool,
}

impl Condition {
    fn read(args: Args) -> Result<Condition, Error> {
        let mut all = Condition::default();
        for raw in args.tail(3).iter() {
            let Some(one) = Condition::of(&Word::new(raw)) else {
                return Err(Error::quote("ERR Unsupported option ", raw, ""));
            };
            all.nx |= one.nx;
            all.xx |= one.xx;
            all.gt |= one.gt;
            all.lt |= one.lt;
        }
        if all.nx && (all.xx || all.gt || all.lt) {
            return Err(Error::Say(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if all.gt && all.lt {
            return Err(Error::Say("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(all)
    }

    /// The condition that a word stands for.
    pub fn of(word: &[u8]) -> Option<Condition> {
        let mut one = Condition::default();
        match word {
            b"NX" => one.nx = true,
            b"XX" => one.xx = true,
            b"GT" => one.gt = true,
            b"LT" => one.lt = true,
            _ => return None,
        }
        Some(one)
    }

    /// What has no deadline lives longer than anything else.
    pub fn allows(self, current: Option<Millis>, wanted: Millis) -> bool {
        match current {
            None => !self.xx && !self.gt,
            Some(current) => {
                let barred =
                    self.nx || (self.gt && wanted <= current) || (self.lt && wanted >= current);
                !barred
            }
        }
    }
}
