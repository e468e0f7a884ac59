//! Hashes: HSET and its relatives, and the counters in fields.

use super::elements::{Elements, FIELDS, named};
use super::picks;
use super::scan::{self, Filter, Over};
use crate::base::numbers::LongDouble;
use crate::data::Collection;
use crate::data::hash::Hash;
use crate::data::string::{Digits, Text};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, List, Proto, Reply};
use crate::spec::{
    Access, C_HASH, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_INSERT, K_UPDATE, block, double,
    integer, key, key_at, pattern, string, token,
};
use rand::Rng;

pub const FAMILY: Family = Family {
    group: Group::Hash,
    commands: &[
        write("HSET", hset)
            .arity(-4)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.0.0")
            .complexity("O(1) for each field, so O(N) for N of them")
            .summary("Gives fields of a hash their values.")
            .args(&[key("key"), block("data", &[string("field"), string("value")]).repeats()]),
        write("HSETNX", hsetnx)
            .arity(4)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Gives a field of a hash a value, unless it has one.")
            .args(&[key("key"), string("field"), string("value")]),
        write("HMSET", hmset)
            .arity(-4)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("2.0.0")
            .complexity("O(N), when N fields are set")
            .summary("Gives fields of a hash their values, and answers OK.")
            .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
            .args(&[key("key"), block("data", &[string("field"), string("value")]).repeats()]),
        read("HGET", hget)
            .arity(3)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Reads a field of a hash.")
            .args(&[key("key"), string("field")]),
        read("HMGET", hmget)
            .arity(-3)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N), when N fields are asked for")
            .summary("Reads several fields of a hash.")
            .args(&[key("key"), string("field").repeats()]),
        read("HGETALL", hgetall)
            .arity(2)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N), when the hash has N fields")
            .summary("Reads all fields of a hash, with their values.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key")]),
        read("HKEYS", hkeys)
            .arity(2)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N), when the hash has N fields")
            .summary("Lists the fields of a hash.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key")]),
        read("HVALS", hvals)
            .arity(2)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N), when the hash has N fields")
            .summary("Lists the values in a hash.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key")]),
        read("HLEN", hlen)
            .arity(2)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Says how many fields a hash has.")
            .args(&[key("key")]),
        read("HSTRLEN", hstrlen)
            .arity(3)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("3.2.0")
            .complexity("O(1)")
            .summary("Says how long the value of a field is.")
            .args(&[key("key"), string("field")]),
        read("HEXISTS", hexists)
            .arity(3)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Says whether a hash has a field.")
            .args(&[key("key"), string("field")]),
        write("HDEL", hdel)
            .arity(-3)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("2.0.0")
            .complexity("O(N), when N fields are named")
            .summary("Removes fields of a hash, and the hash with its last one.")
            .args(&[key("key"), string("field").repeats()]),
        write("HGETDEL", hgetdel)
            .arity(-5)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("8.0.0")
            .complexity("O(N), when N fields are named")
            .summary("Reads fields of a hash, and removes them.")
            .args(&[key("key"), FIELDS]),
        write("HINCRBY", hincrby)
            .arity(4)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Adds to the integer in a field, which starts at 0.")
            .args(&[key("key"), string("field"), integer("increment")]),
        write("HINCRBYFLOAT", hincrbyfloat)
            .arity(4)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Adds a fraction to the number in a field, which starts at 0.")
            .args(&[key("key"), string("field"), double("increment")]),
        read("HRANDFIELD", hrandfield)
            .arity(-2)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N), when N fields are wanted")
            .summary("Picks fields of a hash at random.")
            .tips(&["nondeterministic_output"])
            .args(&[
                key("key"),
                block("options", &[integer("count"), token("WITHVALUES").optional()]).optional(),
            ]),
        read("HSCAN", hscan)
            .arity(-3)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.0")
            .complexity("O(1) for each call, O(N) for a whole iteration over N fields")
            .summary("Walks over the fields of a hash, some at each call.")
            .tips(&["nondeterministic_output"])
            .args(&[
                key("key"),
                integer("cursor"),
                pattern("pattern").after("MATCH").optional(),
                integer("count").after("COUNT").optional(),
                token("NOVALUES").optional(),
            ]),
    ],
};

// ── setting ─────────────────────────────────────────────────────────────────────────────────

fn hset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let new = set_pairs(cx, args, "hset")?;
    out.int(new)
}

fn hmset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    set_pairs(cx, args, "hmset")?;
    out.ok()
}

/// Sets all fields that are named, and says how many of them are new.
fn set_pairs(cx: &mut Ctx, args: Args, command: &'static str) -> Result<i64, Error> {
    let pairs = args.tail(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    let limits = cx.limits.hash;
    let mut hash = cx.edit_or_new::<Hash>(args.get(1))?;
    hash.expect(pairs.len() / 2, limits);
    let mut new = 0;
    for at in (0..pairs.len()).step_by(2) {
        new += i64::from(hash.set(pairs.get(at), pairs.get(at + 1), limits));
        hash.part(pairs.get(at));
    }
    hash.counts(pairs.len() / 2);
    hash.done(Event::hash("hset"));
    Ok(new)
}

fn hsetnx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let limits = cx.limits.hash;
    let mut hash = cx.edit_or_new::<Hash>(args.get(1))?;
    if hash.contains(args.get(2)) {
        return out.int(0);
    }
    hash.set(args.get(2), args.get(3), limits);
    hash.part(args.get(2));
    hash.done(Event::hash("hset"));
    out.int(1)
}

fn hdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(mut hash) = cx.edit::<Hash>(args.get(1))? else { return out.int(0) };
    let mut removed = 0;
    for field in args.tail(2).iter() {
        if hash.remove(field) {
            hash.part(field);
            removed += 1;
        }
    }
    hash.counts(removed);
    hash.done_if(removed > 0, Event::hash("hdel"));
    out.int(removed as i64)
}

fn hgetdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    // A key of another type is noticed before any mistake in the words.
    cx.keyspace.peek::<Hash>(cx.db, key)?;
    let fields = named::<Hash>(args, 2, Hash::NO_COUNT)?;
    let mut list = out.list(fields.len());
    let Some(mut hash) = cx.edit::<Hash>(key)? else {
        fields.iter().for_each(|_| list.null());
        return list.end();
    };
    let mut line: Vec<&[u8]> = vec![b"HDEL", key];
    for field in fields.iter() {
        field_value(hash.get(field), &mut list);
        // Named twice it is there only once.
        if hash.remove(field) {
            hash.part(field);
            line.push(field);
        }
    }
    let removed = line.len() > 2;
    hash.counts(line.len() - 2);
    hash.done_if(removed, Event::hash("hdel"));
    if removed {
        cx.effects.instead(&line);
    }
    list.end()
}

// ── counting ────────────────────────────────────────────────────────────────────────────────

fn hincrby(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, field) = (args.get(1), args.get(2));
    let step = args.after(2).int()?;
    let limits = cx.limits.hash;
    let mut hash = cx.edit_or_new::<Hash>(key)?;
    let before = match hash.get(field) {
        None => 0,
        Some(value) => value.as_int().ok_or(Error::Say("ERR hash value is not an integer"))?,
    };
    let sum =
        before.checked_add(step).ok_or(Error::Say("ERR increment or decrement would overflow"))?;
    hash.set_keeping(field, Digits::new().format(sum).as_bytes(), limits);
    hash.part(field);
    hash.done(Event::hash("hincrby"));
    out.int(sum)
}

/// Fractions are 80-bit floats; others are told the result rather than the step.
fn hincrbyfloat(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, field) = (args.get(1), args.get(2));
    let step = LongDouble::parse(args.get(3)).ok_or(Error::NotFloat)?;
    if step.is_infinite() {
        return Err(Error::Say("ERR value is NaN or Infinity").into());
    }
    let limits = cx.limits.hash;
    let mut hash = cx.edit_or_new::<Hash>(key)?;
    let before = match hash.get(field) {
        None => LongDouble::from(0),
        Some(Text::Int(value)) => LongDouble::from(value),
        Some(Text::Bytes(bytes)) => {
            LongDouble::parse(bytes).ok_or(Error::Say("ERR hash value is not a float"))?
        }
    };
    let sum = before + step;
    if sum.is_nan() || sum.is_infinite() {
        return Err(Error::Say("ERR increment would produce NaN or Infinity").into());
    }
    let text = sum.to_text();
    hash.set_keeping(field, &text, limits);
    hash.part(field);
    hash.done(Event::hash("hincrbyfloat"));
    // HSET would take the deadline of the field away.
    cx.effects.instead(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, &text]);
    out.bulk(&text)
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────

fn hget(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let hash = cx.read::<Hash>(args.get(1))?;
    match hash.as_ref().and_then(|hash| hash.get(args.get(2))) {
        Some(value) => out.text(value),
        None => out.null(),
    }
}

fn hmget(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let hash = cx.read::<Hash>(args.get(1))?;
    let fields = args.tail(2);
    let mut list = out.list(fields.len());
    for field in fields.iter() {
        field_value(hash.as_ref().and_then(|hash| hash.get(field)), &mut list);
    }
    list.end()
}

fn field_value(value: Option<Text>, list: &mut List) {
    match value {
        Some(value) => list.text(value),
        None => list.null(),
    }
}

fn hgetall(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(hash) = cx.read::<Hash>(args.get(1))? else { return out.map(0).end() };
    let mut map = out.map(hash.len());
    hash.iter().for_each(|(field, value)| {
        map.text(field);
        map.text(value);
    });
    map.end()
}

fn hkeys(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(hash) = cx.read::<Hash>(args.get(1))? else { return out.list(0).end() };
    let mut list = out.list(hash.len());
    hash.iter().for_each(|(field, _)| list.text(field));
    list.end()
}

fn hvals(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(hash) = cx.read::<Hash>(args.get(1))? else { return out.list(0).end() };
    let mut list = out.list(hash.len());
    hash.iter().for_each(|(_, value)| list.text(value));
    list.end()
}

fn hlen(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let hash = cx.read::<Hash>(args.get(1))?;
    out.int(hash.map_or(0, |hash| hash.len() as i64))
}

fn hstrlen(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let hash = cx.read::<Hash>(args.get(1))?;
    let value = hash.as_ref().and_then(|hash| hash.get(args.get(2)));
    out.int(value.map_or(0, |value| value.len() as i64))
}

fn hexists(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let hash = cx.read::<Hash>(args.get(1))?;
    out.int(hash.is_some_and(|hash| hash.contains(args.get(2))) as i64)
}

fn hscan(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let cursor = scan::cursor(args.get(2))?;
    let Some(hash) = cx.read::<Hash>(args.get(1))? else { return scan::nothing(out) };
    let filter = Filter::read(args, 2, Over::Hash)?;
    filter.walk(cursor, out, |cursor, found| {
        hash.scan(cursor, |field, value| {
            if found.offer(field.bytes(&mut Digits::new())) && !filter.names_only {
                found.with(value.bytes(&mut Digits::new()));
            }
        })
    })
}

// ── chance ──────────────────────────────────────────────────────────────────────────────────

fn hrandfield(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let mut dice = picks::dice(cx);
    let mut below = |bound: u64| dice.random_range(0..bound);
    if args.len() == 2 {
        let hash = cx.read::<Hash>(key)?;
        return match hash.as_ref().and_then(|hash| hash.random(&mut below)) {
            Some((field, _)) => out.text(field),
            None => out.null(),
        };
    }
    let (count, with_values) = picks::count_and(args, b"WITHVALUES")?;
    let Some(hash) = cx.read::<Hash>(key)? else { return out.list(0).end() };
    if let Ok(count) = usize::try_from(count) {
        let chosen = hash.sample(count, &mut below);
        let mut picks = Picks::new(out, chosen.len(), with_values);
        chosen.into_iter().for_each(|(field, value)| picks.push(field, value));
        return picks.list.end();
    }
    let count = picks::repeated(count)?;
    let mut picks = Picks::new(out, count, with_values);
    for _ in 0..count {
        let (field, value) = hash.random(&mut below).expect("no hash is empty");
        picks.push(field, value);
        if picks.list.is_full() {
            break;
        }
    }
    picks.list.end()
}

/// What was picked: fields, or with their values a flat list, which RESP3 has as pairs.
struct Picks<'a> {
    list: List<'a>,
    with_values: bool,
    in_pairs: bool,
}

impl<'a> Picks<'a> {
    fn new(out: Reply<'a>, len: usize, with_values: bool) -> Picks<'a> {
        let in_pairs = with_values && out.proto() == Proto::Resp3;
        let flat = if with_values && !in_pairs { 2 } else { 1 };
        Picks { list: out.list(len * flat), with_values, in_pairs }
    }

    fn push(&mut self, field: Text, value: Text) {
        if self.in_pairs {
            let mut pair = self.list.list(2);
            pair.text(field);
            pair.text(value);
            return pair.close();
        }
        self.list.text(field);
        if self.with_values {
            self.list.text(value);
        }
    }
}
