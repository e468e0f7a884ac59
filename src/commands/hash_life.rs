//! HGETEX and HSETEX: fields of a hash are read or set, and told how long they live, at once.

use super::elements::{self, Elements, FIELDS, named};
use super::lifetime::{EXPIRATION_OR_KEEP, EXPIRATION_OR_PERSIST};
use crate::data::Mortal;
use crate::data::hash::Hash;
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_HASH, DENYOOM, FAST, Group, K_ACCESS, K_UPDATE, block, integer, key, key_at, one_of,
    string, token,
};
use crate::world::Millis;

pub const FAMILY: Family = Family {
    group: Group::Hash,
    commands: &[
        write("HGETEX", hgetex)
            .arity(-5)
            .flags(FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("8.0.0")
            .complexity("O(N), when N fields are named")
            .summary("Reads fields of a hash, and says how long they shall live.")
            .args(&[key("key"), EXPIRATION_OR_PERSIST, FIELDS]),
        write("HSETEX", hsetex)
            .arity(-6)
            .flags(DENYOOM | FAST)
            .categories(C_HASH)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("8.0.0")
            .complexity("O(N), when N fields are set")
            .summary("Gives fields of a hash their values, and says how long they shall live.")
            .args(&[
                key("key"),
                one_of("key-condition", &[token("NX"), token("XX")]).optional(),
                one_of("condition", &[token("FNX"), token("FXX")]).optional(),
                EXPIRATION_OR_KEEP,
                block(
                    "fields",
                    &[
                        integer("numfields"),
                        block("data", &[string("field"), string("value")]).repeats(),
                    ],
                )
                .after("FIELDS"),
            ]),
    ],
};

/// The unit of an amount in milliseconds, and whether it counts from 1970.
fn clock(word: &[u8]) -> Option<(i64, bool)> {
    Some(match word {
        b"EX" => (1000, false),
        b"PX" => (1, false),
        b"EXAT" => (1000, true),
        b"PXAT" => (1, true),
        _ => return None,
    })
}

fn moment(
    amount: &[u8],
    (unit, is_moment): (i64, bool),
    now: Millis,
    command: &'static str,
) -> Result<Millis, Error> {
    let start = if is_moment { Millis(0) } else { now };
    elements::deadline(amount, unit, start, command)
}

/// What becomes of the deadlines of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unsaid,
    Keep,
    Persist,
    Until(Millis),
}

fn hgetex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    // A key of another type is noticed before any mistake in the words.
    cx.keyspace.peek::<Hash>(cx.db, key)?;
    let word = Word::new(args.get(2));
    let (fate, at) = match clock(&word) {
        Some(clock) => (Fate::Until(moment(args.get(3), clock, cx.now, "hgetex")?), 4),
        None if *word == *b"PERSIST" => (Fate::Persist, 3),
        None => (Fate::Unsaid, 2),
    };
    if at + 1 >= args.len() {
        return Err(Error::Arity("hgetex").into());
    }
    let fields = named::<Hash>(args, at, Hash::NO_COUNT)?;
    let is_over = matches!(fate, Fate::Until(deadline) if cx.keyspace.is_over(deadline));
    let seed = cx.keyspace.seed();
    let mut list = out.list(fields.len());
    let Some(mut hash) = cx.edit::<Hash>(key)? else {
        fields.iter().for_each(|_| list.null());
        return list.end();
    };
    let mut changed: Vec<&[u8]> = Vec::new();
    for field in fields.iter() {
        let Some(current) = hash.deadline_of(field) else {
            list.null();
            continue;
        };
        match hash.get(field) {
            Some(value) => list.text(value),
            None => list.null(),
        }
        match fate {
            Fate::Until(_) if is_over => {
                hash.remove(field);
            }
            Fate::Until(deadline) => hash.set_deadline(field, Some(deadline), seed),
            Fate::Persist if current.is_some() => hash.set_deadline(field, None, seed),
            _ => continue,
        }
        hash.part(field);
        changed.push(field);
    }
    let event = match fate {
        Fate::Persist => Hash::PERSISTED,
        _ if is_over => Hash::REMOVED,
        _ => Hash::GIVEN,
    };
    hash.counts(changed.len());
    hash.done_if(!changed.is_empty(), event);
    match fate {
        Fate::Until(_) if is_over => elements::tell_removed::<Hash>(cx, key, &changed),
        Fate::Until(deadline) => elements::tell_deadline::<Hash>(cx, key, deadline, None, &changed),
        Fate::Persist if !changed.is_empty() => {
            let mut count = itoa::Buffer::new();
            let mut line =
                vec![Hash::PERSIST, key, Hash::WORD, count.format(changed.len()).as_bytes()];
            line.extend(&changed);
            cx.effects.instead(&line);
        }
        _ => (),
    }
    list.end()
}

/// The options of HSETEX.
struct Wish<'a> {
    /// Whether the key must be there (XX), or must not (NX).
    key: Option<bool>,
    /// Whether all fields must be there (FXX), or none of them (FNX).
    fields: Option<bool>,
    fate: Fate,
    pairs: Args<'a>,
}

impl<'a> Wish<'a> {
    fn read(args: Args<'a>, now: Millis) -> Result<Wish<'a>, Error> {
        let (mut key, mut fields, mut fate) = (None, None, Fate::Unsaid);
        let mut words = args.after(1);
        while let Some(word) = words.word() {
            let raw = words.bytes()?;
            match &*word {
                b"NX" | b"XX" if key.is_none() => key = Some(*word == *b"XX"),
                b"NX" | b"XX" => return Err(Error::Syntax),
                b"FNX" | b"FXX" if fields.is_none() => fields = Some(*word == *b"FXX"),
                b"FNX" | b"FXX" => {
                    return Err(Error::Say(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                b"EX" | b"PX" | b"EXAT" | b"PXAT" | b"KEEPTTL" if fate != Fate::Unsaid => {
                    return Err(Error::Say(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                b"KEEPTTL" => fate = Fate::Keep,
                b"FIELDS" => {
                    let count = words.int().ok().filter(|count| *count > 0);
                    let count = count.ok_or(Error::Say("ERR invalid number of fields"))?;
                    let pairs = args.tail(words.index());
                    if count.checked_mul(2) != Some(pairs.len() as i64) {
                        return Err(Error::Arity("hsetex"));
                    }
                    return Ok(Wish { key, fields, fate, pairs });
                }
                word => match clock(word) {
                    Some(clock) => {
                        fate = Fate::Until(moment(words.bytes()?, clock, now, "hsetex")?)
                    }
                    None => return Err(Error::quote("ERR unknown argument: ", raw, "")),
                },
            }
        }
        Err(Error::Arity("hsetex"))
    }
}

fn hsetex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let wish = Wish::read(args, cx.now)?;
    let (limits, pairs) = (cx.limits.hash, wish.pairs);
    let fields = || (0..pairs.len()).step_by(2).map(|at| pairs.get(at));
    let is_over = matches!(wish.fate, Fate::Until(deadline) if cx.keyspace.is_over(deadline));
    let seed = cx.keyspace.seed();
    let mut hash = cx.edit_or_new::<Hash>(key)?;
    let key_fits = wish.key.is_none_or(|there| there != hash.is_born());
    let field_fits = |field| wish.fields.is_none_or(|there| hash.contains(field) == there);
    if !key_fits || !fields().all(field_fits) {
        return out.int(0);
    }
    hash.expect(pairs.len() / 2, limits);
    for (field, at) in fields().zip((1..).step_by(2)) {
        match wish.fate {
            Fate::Keep => hash.set_keeping(field, pairs.get(at), limits),
            _ => hash.set(field, pairs.get(at), limits),
        };
        if let Fate::Until(deadline) = wish.fate
            && !is_over
        {
            hash.set_deadline(field, Some(deadline), seed);
        }
        hash.part(field);
    }
    hash.done(Event::hash("hset"));
    let Fate::Until(deadline) = wish.fate else { return out.int(1) };
    if is_over {
        // They were set, and went at once.
        if let Some(mut hash) = cx.edit::<Hash>(key)? {
            for field in fields().filter(|field| hash.remove(field)).collect::<Vec<_>>() {
                hash.part(field);
            }
            hash.done_also(Hash::REMOVED);
        }
        elements::tell_removed::<Hash>(cx, key, &fields().collect::<Vec<_>>());
        return out.int(1);
    }
    fields().for_each(|field| cx.keyspace.changes.part(field));
    cx.keyspace.changes.also(cx.db, key, Hash::GIVEN);
    if cx.effects.wanted {
        let (mut digits, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut line: Vec<&[u8]> = vec![b"HSETEX", key];
        line.extend(wish.key.map(|there| if there { &b"XX"[..] } else { b"NX" }));
        line.extend(wish.fields.map(|there| if there { &b"FXX"[..] } else { b"FNX" }));
        line.extend([b"PXAT", digits.format(deadline.0).as_bytes(), b"FIELDS"]);
        line.push(count.format(pairs.len() / 2).as_bytes());
        line.extend(pairs.iter());
        cx.effects.instead(&line);
    }
    out.int(1)
}
