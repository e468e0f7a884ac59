//! SADDEX, and KeyDB's EXPIREMEMBER and its variants.
//!
//! Two servers have a SADDEX. Redis' (since 8.12) names its members behind MEMBERS; Dragonfly's has a number
//! of seconds in their place, by which it is known. The log is told either of them as SADD, SPEXPIREAT,
//! SPERSIST and SREM.

use super::elements::{self, Elements, HELD, MEMBERS, give, named};
use super::lifetime::EXPIRATION_OR_KEEP;
use crate::base::numbers;
use crate::data::hash::Hash;
use crate::data::set::Set;
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::data::{Mortal, Type};
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Record};
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_KEYSPACE, C_SET, DENYOOM, FAST, Group, K_UPDATE, integer, key, key_at, one_of,
    string, token, unix_time,
};
use crate::world::Millis;

pub const SETS: Family = Family {
    group: Group::Set,
    commands: &[write("SADDEX", saddex)
        .arity(-4)
        .flags(DENYOOM | FAST)
        .categories(C_SET)
        .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
        .since("8.12.0")
        .complexity("O(N), when N members are named")
        .summary("Adds members to a set, and says how long they shall live.")
        .args(&[
            key("key"),
            one_of("condition", &[token("MNX"), token("MXX")]).optional(),
            EXPIRATION_OR_KEEP,
            MEMBERS,
        ])],
};

pub const ANY: Family = Family {
    group: Group::Generic,
    commands: &[
        write("EXPIREMEMBER", expiremember)
            .arity(-4)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("6.0.9")
            .complexity("O(1)")
            .summary("Lets an element of a hash, set or sorted set live for some time more.")
            .args(&[
                key("key"),
                string("subkey"),
                integer("delay"),
                one_of("unit", &[token("S"), token("MS")]).optional(),
            ]),
        write("EXPIREMEMBERAT", |cx, args, out| expire_one(cx, args, out, "expirememberat", 1000))
            .arity(4)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("6.0.9")
            .complexity("O(1)")
            .summary("Lets an element live until a time, in seconds since 1970.")
            .args(&[key("key"), string("subkey"), unix_time("unix-time-seconds")]),
        write("PEXPIREMEMBERAT", |cx, args, out| expire_one(cx, args, out, "pexpirememberat", 1))
            .arity(4)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("6.0.9")
            .complexity("O(1)")
            .summary("Lets an element live until a time, in milliseconds since 1970.")
            .args(&[key("key"), string("subkey"), unix_time("unix-time-milliseconds")]),
    ],
};

/// What a SADDEX wants.
struct Wish<'a> {
    members: Args<'a>,
    /// Whether all members must be there (MXX), or none of them (MNX).
    there: Option<bool>,
    deadline: Option<Millis>,
    /// Members that are there keep the deadlines they have.
    keeps: bool,
    /// Answers how many are new, and not whether anything was done.
    counts: bool,
}

fn saddex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    cx.keyspace.peek::<Set>(cx.db, key)?;
    let wish = match seconds_at(args) {
        Some(at) => dragonfly(args, at, cx.now)?,
        None => redis(args, cx.now)?,
    };
    let (limits, seed) = (cx.limits.set, cx.keyspace.seed());
    let over = wish.deadline.is_some_and(|deadline| cx.keyspace.is_over(deadline));
    let mut set = cx.edit_or_new::<Set>(key)?;
    let fits = |member| wish.there.is_none_or(|there| set.contains(Text::Bytes(member)) == there);
    if !wish.members.iter().all(fits) {
        return out.int(0);
    }
    if set.is_born() && !over {
        set.begin_with(Text::Bytes(wish.members.get(0)), wish.members.len(), &limits);
    }
    let [mut new, mut given, mut freed, mut removed] = [const { Vec::<&[u8]>::new() }; 4];
    for member in wish.members.iter() {
        if over {
            if set.drop_element(member) {
                removed.push(member);
            }
            continue;
        }
        let is_new = set.insert(Text::Bytes(member), &limits);
        if is_new {
            new.push(member);
        }
        if wish.keeps && !is_new {
            continue;
        }
        if wish.deadline.is_some() {
            set.set_deadline(member, wish.deadline, seed);
            given.push(member);
        } else if set.deadline_of(member).flatten().is_some() {
            set.set_deadline(member, None, seed);
            freed.push(member);
        }
    }
    let event = match (&*new, over) {
        (_, true) => Set::REMOVED,
        ([_, ..], _) => Event::set("sadd"),
        _ if wish.deadline.is_some() => Set::GIVEN,
        _ => Set::PERSISTED,
    };
    set.done_if(
        !new.is_empty() || !given.is_empty() || !freed.is_empty() || !removed.is_empty(),
        event,
    );
    if !new.is_empty() && !given.is_empty() {
        cx.keyspace.changes.also(cx.db, key, Set::GIVEN);
    }
    elements::tell_removed::<Set>(cx, key, &removed);
    if !new.is_empty() {
        cx.effects.instead(&[&[b"SADD", key], &*new].concat());
    }
    if let Some(deadline) = wish.deadline {
        elements::tell_deadline::<Set>(cx, key, deadline, None, &given);
    }
    if !freed.is_empty() {
        let mut count = itoa::Buffer::new();
        let head = [Set::PERSIST, key, Set::WORD, count.format(freed.len()).as_bytes()];
        cx.effects.instead(&[&head, &*freed].concat());
    }
    out.int(if wish.counts { new.len() as i64 } else { 1 })
}

/// Where the number of seconds stands, if there is one.
fn seconds_at(args: Args) -> Option<usize> {
    let at = if args.get(2).eq_ignore_ascii_case(b"KEEPTTL") { 3 } else { 2 };
    numbers::parse_i64(args.get(at)).map(|_| at)
}

/// `SADDEX key [KEEPTTL] seconds member …`
fn dragonfly(args: Args, at: usize, now: Millis) -> Result<Wish, Error> {
    let deadline = elements::deadline(args.get(at), 1000, now, "saddex")?;
    if deadline == now {
        return Err(Error::InvalidExpire("saddex"));
    }
    let members = args.tail(at + 1);
    if members.is_empty() {
        return Err(Error::Arity("saddex"));
    }
    Ok(Wish { members, there: None, deadline: Some(deadline), keeps: at == 3, counts: true })
}

/// `SADDEX key [MNX | MXX] [EX … | PX … | EXAT … | PXAT … | KEEPTTL] MEMBERS nummembers member …`
fn redis(args: Args, now: Millis) -> Result<Wish, Error> {
    let (mut there, mut deadline, mut keeps) = (None, None, false);
    let mut words = args.after(1);
    while let Some(word) = words.word() {
        match &*word {
            b"MEMBERS" => {
                let members = named::<Set>(args, words.index(), Set::NO_COUNT)?;
                return Ok(Wish { members, there, deadline, keeps, counts: false });
            }
            b"MNX" | b"MXX" if there.is_some() => {
                return Err(Error::Say("ERR Only one of MXX or MNX arguments can be specified"));
            }
            b"MNX" => there = Some(false),
            b"MXX" => there = Some(true),
            b"EX" | b"PX" | b"EXAT" | b"PXAT" | b"KEEPTTL" if keeps || deadline.is_some() => {
                return Err(Error::Say(
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                ));
            }
            b"KEEPTTL" => keeps = true,
            word => {
                let (unit, start) = match word {
                    b"EX" => (1000, now),
                    b"PX" => (1, now),
                    b"EXAT" => (1000, Millis(0)),
                    b"PXAT" => (1, Millis(0)),
                    _ => return Err(Error::quote("ERR unknown argument: ", words.bytes()?, "")),
                };
                words.skip();
                deadline =
                    Some(elements::deadline(words.peek().unwrap_or(b""), unit, start, "saddex")?);
            }
        }
        words.skip();
    }
    Err(Set::NO_WORD)
}

fn expiremember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let unit = match args.len() {
        4 => 1000,
        5 => match &*Word::new(args.get(4)) {
            b"S" => 1000,
            b"MS" => 1,
            _ => return Err(Error::Say("ERR Invalid unit arg").into()),
        },
        _ => return Err(Error::Syntax.into()),
    };
    let deadline = elements::deadline(args.get(3), unit, cx.now, "expiremember")?;
    expire_until(cx, args, out, deadline)
}

fn expire_one(cx: &mut Ctx, args: Args, out: Reply, command: &'static str, unit: i64) -> Done {
    let deadline = elements::deadline(args.get(3), unit, Millis(0), command)?;
    expire_until(cx, args, out, deadline)
}

/// Answers whether there was such an element.
fn expire_until(cx: &mut Ctx, args: Args, out: Reply, deadline: Millis) -> Done {
    let (key, element) = (args.get(1), args.tail(2).head(1));
    let mut found = false;
    let note = |answer| found = answer > HELD;
    cx.contains(key);
    match cx.keyspace.record(cx.db, key).map(Record::kind) {
        None => (),
        Some(Type::Hash) => give::<Hash>(cx, key, deadline, None, element, note)?,
        Some(Type::Set) => give::<Set>(cx, key, deadline, None, element, note)?,
        Some(Type::ZSet) => give::<ZSet>(cx, key, deadline, None, element, note)?,
        Some(_) => return Err(Error::WrongType.into()),
    }
    out.int(found as i64)
}
