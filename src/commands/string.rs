//! Strings: GET and SET with all their relatives, and the commands that work on parts of one.
//!
//! What others are told of a conditional or relative write is what came of it: a plain SET, with
//! the moment of its end as a number.

use super::compare::{COMPARISONS, Condition};
use super::lifetime::{self, Also, Clock, EXPIRATION_OR_KEEP, EXPIRATION_OR_PERSIST, Lifetime};
use crate::data::Type;
use crate::data::string::Digits;
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Cause, Event, Life, Record, Str};
use crate::resp::{Args, Done, Reply, Stop};
use crate::spec::{
    Access, C_STRING, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_INSERT, K_UPDATE,
    K_VARIABLE_FLAGS, MOVABLEKEYS, block, counted_keys, integer, key, key_at, keys_from, one_of,
    string, token,
};

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[
        read("GET", get)
            .arity(2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Returns the string stored at a key.")
            .args(&[key("key")]),
        write("SET", set)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE | K_VARIABLE_FLAGS)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Stores a string at a key, whatever was there before.")
            .args(&[
                key("key"),
                string("value"),
                one_of(
                    "condition",
                    &[
                        token("NX"),
                        token("XX"),
                        COMPARISONS[0].since("8.4.0"),
                        COMPARISONS[1].since("8.4.0"),
                        COMPARISONS[2].since("8.4.0"),
                        COMPARISONS[3].since("8.4.0"),
                    ],
                )
                .optional()
                .since("2.6.12"),
                token("GET").optional().since("6.2.0"),
                EXPIRATION_OR_KEEP.since("2.6.12"),
            ]),
        write("SETNX", setnx)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::Overwrite, K_INSERT)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Stores a string at a key that does not exist.")
            .deprecated("2.6.12", "`SET` with the `NX` argument")
            .args(&[key("key"), string("value")]),
        write("SETEX", setex)
            .arity(4)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Stores a string at a key for so many seconds.")
            .deprecated("2.6.12", "`SET` with the `EX` argument")
            .args(&[key("key"), integer("seconds"), string("value")]),
        write("PSETEX", psetex)
            .arity(4)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Stores a string at a key for so many milliseconds.")
            .deprecated("2.6.12", "`SET` with the `PX` argument")
            .args(&[key("key"), integer("milliseconds"), string("value")]),
        write("GETSET", getset)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Stores a string at a key and returns the one before.")
            .deprecated("6.2.0", "`SET` with the `!GET` argument")
            .args(&[key("key"), string("value")]),
        write("GETDEL", getdel)
            .arity(2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Returns the string stored at a key and deletes the key.")
            .args(&[key("key")]),
        write("GETEX", getex)
            .arity(-2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Returns the string stored at a key and changes its time to live.")
            .args(&[key("key"), EXPIRATION_OR_PERSIST]),
        read("MGET", mget)
            .arity(-2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N), N being the number of keys.")
            .summary("Returns the strings stored at several keys.")
            .tips(&["request_policy:multi_shard"])
            .args(&[key("key").repeats()]),
        write("MSET", mset)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[keys_from(1, -1, 2, Access::Overwrite, K_UPDATE)])
            .since("1.0.1")
            .complexity("O(N), N being the number of keys.")
            .summary("Stores strings at several keys at once.")
            .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
            .args(&[block("data", &[key("key"), string("value")]).repeats()]),
        write("MSETNX", msetnx)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[keys_from(1, -1, 2, Access::Overwrite, K_INSERT)])
            .since("1.0.1")
            .complexity("O(N), N being the number of keys.")
            .summary("Stores strings at several keys if none of them exists.")
            .args(&[block("data", &[key("key"), string("value")]).repeats()]),
        write("MSETEX", msetex)
            .arity(-4)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_STRING)
            .keys(&[counted_keys(1, 2, Access::Overwrite, K_UPDATE)])
            .since("8.4.0")
            .complexity("O(N), N being the number of keys.")
            .summary("Stores strings at several keys at once, with one time to live for all.")
            .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
            .args(&[
                integer("numkeys"),
                block("data", &[key("key"), string("value")]).repeats(),
                one_of("condition", &[token("NX"), token("XX")]).optional(),
                EXPIRATION_OR_KEEP,
            ]),
        write("APPEND", append)
            .arity(3)
            .flags(DENYOOM | FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.0.0")
            .complexity("O(N), N being the length of what is appended; room is doubled when full.")
            .summary("Appends to the string stored at a key.")
            .args(&[key("key"), string("value")]),
        read("STRLEN", strlen)
            .arity(2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Returns the length of the string stored at a key.")
            .args(&[key("key")]),
        write("SETRANGE", setrange)
            .arity(4)
            .flags(DENYOOM)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.2.0")
            .complexity("O(N), N being the length of what is written and of the gap before it.")
            .summary("Writes over a part of a string, which grows if need be.")
            .args(&[key("key"), integer("offset"), string("value")]),
        read("GETRANGE", getrange)
            .arity(4)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.4.0")
            .complexity("O(N), N being the length of the answer.")
            .summary("Returns a part of the string stored at a key.")
            .args(&[key("key"), integer("start"), integer("end")]),
        read("SUBSTR", getrange)
            .arity(4)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N), N being the length of the answer.")
            .summary("Returns a part of the string stored at a key.")
            .deprecated("2.0.0", "`GETRANGE`")
            .args(&[key("key"), integer("start"), integer("end")]),
    ],
};

/// Stores bytes that were made here, without another copy.
pub fn put_bytes(cx: &mut Ctx, key: &[u8], bytes: Vec<u8>, event: Event) {
    let mut record = Record::long(key, bytes);
    record.set_age(cx.aging(key).newborn());
    cx.keyspace.put(cx.db, record, event);
}

// ── one key, whole ──────────────────────────────────────────────────────────────────────────

fn get(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    match cx.read::<Str>(args.get(1))? {
        Some(text) => out.text(text),
        None => out.null(),
    }
}

fn set(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    if args.len() > 3 {
        return set_with_options(cx, args, out);
    }
    cx.put_text(args.get(1), args.get(2), Life::Forever, Event::string("set"));
    out.ok()
}

fn set_with_options(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, value) = (args.get(1), args.get(2));
    let mut condition = Condition::None;
    let mut lifetime = Lifetime::Unsaid;
    let mut wants_old = false;
    let mut words = args.after(2);
    while words.left() > 0 {
        if words.take_word(b"GET") {
            wants_old = true;
        } else if !lifetime.take(&mut words, Also::KeepTtl)?
            && !condition.take_existence(&mut words)?
            && !condition.take_comparison(&mut words)?
        {
            return Err(Error::Syntax.into());
        }
    }
    let life = life(cx, &lifetime, "set")?;

    if wants_old {
        let old = get(cx, args, out)?;
        if condition.holds(cx, key)? {
            store(cx, key, value, life);
        }
        return Ok(old);
    }
    if !condition.holds(cx, key)? {
        return out.null();
    }
    store(cx, key, value, life);
    out.ok()
}

fn setnx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, value) = (args.get(1), args.get(2));
    if cx.finds(key) {
        return out.int(0);
    }
    store(cx, key, value, Life::Forever);
    out.int(1)
}

fn setex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    set_for(cx, args, out, Clock::Seconds, "setex")
}

fn psetex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    set_for(cx, args, out, Clock::Millis, "psetex")
}

fn set_for(cx: &mut Ctx, args: Args, out: Reply, clock: Clock, command: &'static str) -> Done {
    let deadline = lifetime::deadline(clock, args.get(2), cx.now, command)?;
    store(cx, args.get(1), args.get(3), Life::Until(deadline));
    out.ok()
}

fn getset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let old = get(cx, args, out)?;
    store(cx, args.get(1), args.get(2), Life::Forever);
    Ok(old)
}

fn getdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let old = get(cx, args, out)?;
    if cx.remove(key) {
        cx.effects.instead(&[b"DEL", key]);
    }
    Ok(old)
}

fn getex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let mut lifetime = Lifetime::Unsaid;
    let mut words = args.after(1);
    while words.left() > 0 {
        if !lifetime.take(&mut words, Also::Persist)? {
            return Err(Error::Syntax.into());
        }
    }
    // A missing key is answered before the moment is looked at.
    let old = get(cx, args, out)?;
    let Some(before) = cx.keyspace.record(cx.db, key).map(Record::deadline) else {
        return Ok(old);
    };
    match lifetime.deadline(cx.now, "getex")? {
        Some(deadline) if cx.keyspace.is_over(deadline) => {
            cx.remove(key);
            cx.effects.instead(&[b"DEL", key]);
        }
        Some(deadline) => {
            cx.keyspace.set_deadline(cx.db, key, Some(deadline), Event::generic("expire"));
            let mut digits = Digits::new();
            cx.effects.instead(&[b"PEXPIREAT", key, digits.format(deadline.0).as_bytes()]);
        }
        None if lifetime == Lifetime::Persist && before.is_some() => {
            cx.keyspace.set_deadline(cx.db, key, None, Event::generic("persist"));
            cx.effects.instead(&[b"PERSIST", key]);
        }
        None => (),
    }
    Ok(old)
}

/// What an expiration option means for a value that is about to be stored.
fn life(cx: &Ctx, lifetime: &Lifetime, command: &'static str) -> Result<Life, Error> {
    if *lifetime == Lifetime::Keep {
        return Ok(Life::Keep);
    }
    Ok(lifetime.deadline(cx.now, command)?.into())
}

/// Stores a value, and tells others in the shortest words that need no clock and no condition.
pub fn store(cx: &mut Ctx, key: &[u8], value: &[u8], life: Life) {
    match life {
        Life::Forever => {
            cx.put_text(key, value, life, Event::string("set"));
            cx.effects.instead(&[b"SET", key, value]);
        }
        Life::Keep => {
            cx.put_text(key, value, life, Event::string("set"));
            cx.effects.instead(&[b"SET", key, value, b"KEEPTTL"]);
        }
        Life::Until(deadline) if cx.keyspace.is_over(deadline) => expire_at_once(cx, key),
        Life::Until(deadline) => {
            cx.put_text(key, value, life, Event::string("set"));
            cx.keyspace.changes.also(cx.db, key, Event::generic("expire"));
            let mut digits = Digits::new();
            let deadline = digits.format(deadline.0).as_bytes();
            cx.effects.instead(&[b"SET", key, value, b"PXAT", deadline]);
        }
    }
}

/// What would be gone at once need not be stored first; but it came and went, and whoever watches
/// the key is told so, even if it was not there before.
fn expire_at_once(cx: &mut Ctx, key: &[u8]) {
    // Listeners hear all of it: the value came, it was given a deadline, and that is over.
    cx.contains(key);
    let before = cx.keyspace.record(cx.db, key).map(Record::kind);
    cx.keyspace.remark_origin(cx.db, key, before, Type::String);
    cx.keyspace.changes.remark(cx.db, key, Event::string("set"));
    cx.keyspace.changes.remark(cx.db, key, Event::generic("expire"));
    if !cx.keyspace.remove(cx.db, key, Event::EXPIRED) {
        cx.keyspace.changes.note(cx.db, key, Event::EXPIRED, Cause::Command);
    }
    cx.keyspace.counters.expired += 1;
    cx.effects.instead(&[b"DEL", key]);
}

// ── several keys ────────────────────────────────────────────────────────────────────────────

fn mget(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let keys = args.tail(1);
    let mut list = out.list(keys.len());
    for key in keys.iter() {
        match cx.read::<Str>(key) {
            Ok(Some(text)) => list.text(text),
            // A key of another type has no string, and here this is no mistake.
            Ok(None) | Err(_) => list.null(),
        }
    }
    list.end()
}

fn mset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let pairs = args.tail(1);
    check_pairs(pairs, "mset")?;
    put_pairs(cx, pairs, Life::Forever);
    out.ok()
}

fn msetnx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let pairs = args.tail(1);
    check_pairs(pairs, "msetnx")?;
    if pairs.iter().step_by(2).any(|key| cx.finds(key)) {
        return out.int(0);
    }
    put_pairs(cx, pairs, Life::Forever);
    out.int(1)
}

fn msetex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = args.after(0).int().ok().filter(|count| (1..=i32::MAX.into()).contains(count));
    let count = count.ok_or(Error::Say("ERR invalid numkeys value or out of range"))? as usize;
    let options = 2 + count * 2;
    if options > args.len() {
        return Err(Error::Syntax.into());
    }
    let mut condition = Condition::None;
    let mut lifetime = Lifetime::Unsaid;
    let mut said_at = 0;
    let mut words = args.after(options - 1);
    while words.left() > 0 {
        let at = words.index();
        if lifetime.take(&mut words, Also::KeepTtl)? {
            said_at = at;
        } else if !condition.take_existence(&mut words)? {
            return Err(Error::Syntax.into());
        }
    }
    let life = life(cx, &lifetime, "msetex")?;

    let pairs = args.tail(2).head(count * 2);
    for key in pairs.iter().step_by(2) {
        if !condition.holds(cx, key)? {
            return out.int(0);
        }
    }
    if let Life::Until(deadline) = life
        && cx.keyspace.is_over(deadline)
    {
        pairs.iter().step_by(2).for_each(|key| expire_at_once(cx, key));
        return out.int(1);
    }
    put_pairs(cx, pairs, life);
    if let Life::Until(deadline) = life
        && cx.effects.wanted
    {
        let mut digits = Digits::new();
        let mut line: Vec<&[u8]> = args.iter().collect();
        line[said_at] = b"PXAT";
        line[said_at + 1] = digits.format(deadline.0).as_bytes();
        cx.effects.instead(&line);
    }
    out.int(1)
}

fn check_pairs(pairs: Args, command: &'static str) -> Result<(), Stop> {
    if pairs.len() % 2 == 1 {
        return Err(Error::Arity(command).into());
    }
    Ok(())
}

fn put_pairs(cx: &mut Ctx, pairs: Args, life: Life) {
    for at in (0..pairs.len()).step_by(2) {
        cx.put_text(pairs.get(at), pairs.get(at + 1), life, Event::string("set"));
        if let Life::Until(_) = life {
            cx.keyspace.changes.also(cx.db, pairs.get(at), Event::generic("expire"));
        }
    }
}

// ── parts ───────────────────────────────────────────────────────────────────────────────────

fn append(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, more) = (args.get(1), args.get(2));
    let limits = cx.limits;
    let Some(mut edit) = cx.edit::<Str>(key)? else {
        cx.put_text(key, more, Life::Forever, Event::string("append"));
        return out.int(more.len() as i64);
    };
    let len = edit.view().len().saturating_add(more.len());
    limits.check_string(len)?;
    edit.append(more);
    edit.done(Event::string("append"));
    out.int(len as i64)
}

fn strlen(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let text = cx.read::<Str>(args.get(1))?;
    out.int(text.map_or(0, |text| text.len()) as i64)
}

fn setrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, part) = (args.get(1), args.get(3));
    let offset = args.after(1).int()?;
    let offset = usize::try_from(offset).map_err(|_| Error::Say("ERR offset is out of range"))?;
    let end = offset.saturating_add(part.len());
    let limits = cx.limits;
    let Some(mut edit) = cx.edit::<Str>(key)? else {
        if part.is_empty() {
            return out.int(0);
        }
        limits.check_string(end)?;
        let mut value = vec![0; end];
        value[offset..].copy_from_slice(part);
        put_bytes(cx, key, value, Event::string("setrange"));
        return out.int(end as i64);
    };
    let before = edit.view().len();
    if part.is_empty() {
        return out.int(before as i64);
    }
    limits.check_string(end)?;
    if end > before {
        edit.grow(end);
    }
    edit.bytes_mut(offset..end).copy_from_slice(part);
    edit.done(Event::string("setrange"));
    out.int(end.max(before) as i64)
}

fn getrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut words = args.after(1);
    let (start, end) = (words.int()?, words.int()?);
    let mut digits = Digits::new();
    let text = cx.read::<Str>(args.get(1))?;
    let value = text.as_ref().map_or(&[][..], |text| text.bytes(&mut digits));
    out.bulk(part(value, start, end))
}

/// The bytes from `start` to `end`, both included; negative numbers count from the end.
fn part(value: &[u8], start: i64, end: i64) -> &[u8] {
    let len = value.len() as i64;
    // Two ends before the beginning would both be moved to it, and meet there.
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return &[];
    }
    let place = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end {
        return &[];
    }
    &value[start as usize..=end as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A range is what a walk over all positions would pick.
        #[test]
        fn a_part_is_what_lies_between(
            value in proptest::collection::vec(any::<u8>(), 0..12),
            start in prop_oneof![-15i64..15, any::<i64>()],
            end in prop_oneof![-15i64..15, any::<i64>()],
        ) {
            let len = value.len() as i128;
            let place = |at: i64| if at < 0 { (at as i128 + len).max(0) } else { at as i128 };
            let crossed = start < 0 && end < 0 && start > end;
            let model: Vec<u8> = (0..len)
                .filter(|at| !crossed && place(start) <= *at && *at <= place(end))
                .map(|at| value[at as usize])
                .collect();
            prop_assert_eq!(part(&value, start, end), &model[..]);
        }
    }
}
