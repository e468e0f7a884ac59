//! Several sets at once: what they have in common, what any of them has, what one has alone; as
//! an answer, as a number, or stored.

use crate::data::hyperloglog::Registers;
use crate::data::limits::SetLimits;
use crate::data::set::{Set, combine};
use crate::data::string::{Digits, Text};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Lent};
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_SET, DENYOOM, Group, K_ACCESS, K_UPDATE, MOVABLEKEYS, counted_keys, integer, key,
    key_at, keys_from, token,
};
use std::ops::ControlFlow::{self, Break, Continue};

pub const FAMILY: Family = Family {
    group: Group::Set,
    commands: &[
        read("SINTER", sinter)
            .arity(-2)
            .categories(C_SET)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity(
                "O(N*M) at worst, when N is the size of the smallest set and M the number of sets",
            )
            .summary("Returns what all sets have.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key").repeats()]),
        read("SINTERCARD", sintercard)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity(
                "O(N*M) at worst, when N is the size of the smallest set and M the number of sets",
            )
            .summary("Counts what all sets have.")
            .args(&[
                integer("numkeys"),
                key("key").repeats(),
                integer("limit").after("LIMIT").optional(),
            ]),
        write("SINTERSTORE", sinterstore)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_SET)
            .keys(&[
                key_at(1, Access::Overwrite, K_UPDATE),
                keys_from(2, -1, 1, Access::ReadOnly, K_ACCESS),
            ])
            .since("1.0.0")
            .complexity(
                "O(N*M) at worst, when N is the size of the smallest set and M the number of sets",
            )
            .summary("Stores what all sets have.")
            .args(&[key("destination"), key("key").repeats()]),
        read("SUNION", sunion)
            .arity(-2)
            .categories(C_SET)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Returns what any of the sets has.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key").repeats()]),
        read("SUNIONCARD", sunioncard)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("8.10.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Counts what any of the sets has, exactly or about.")
            .args(&[
                integer("numkeys"),
                key("key").repeats(),
                token("APPROX").optional(),
                integer("limit").after("LIMIT").optional(),
            ]),
        write("SUNIONSTORE", sunionstore)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_SET)
            .keys(&[
                key_at(1, Access::Overwrite, K_UPDATE),
                keys_from(2, -1, 1, Access::ReadOnly, K_ACCESS),
            ])
            .since("1.0.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Stores what any of the sets has.")
            .args(&[key("destination"), key("key").repeats()]),
        read("SDIFF", sdiff)
            .arity(-2)
            .categories(C_SET)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Returns what the first set has and no other.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key").repeats()]),
        read("SDIFFCARD", sdiffcard)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("8.10.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Counts what the first set has and no other.")
            .args(&[
                integer("numkeys"),
                key("key").repeats(),
                integer("limit").after("LIMIT").optional(),
            ]),
        write("SDIFFSTORE", sdiffstore)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_SET)
            .keys(&[
                key_at(1, Access::Overwrite, K_UPDATE),
                keys_from(2, -1, 1, Access::ReadOnly, K_ACCESS),
            ])
            .since("1.0.0")
            .complexity("O(N), when N is the number of members of all sets")
            .summary("Stores what the first set has and no other.")
            .args(&[key("destination"), key("key").repeats()]),
    ],
};

/// While members are counted about, the estimate is looked at no more often than after so many:
/// looking costs about as much as they do.
const ESTIMATE_EVERY: u64 = 1024;

// ── the members ─────────────────────────────────────────────────────────────────────────────

fn sinter(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(&values(&sets(cx, args.tail(1))?), out, |sets, visit| combine::intersect(sets, visit))
}

fn sunion(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(&values(&sets(cx, args.tail(1))?), out, |sets, visit| combine::unite(sets, visit))
}

fn sdiff(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(&values(&sets(cx, args.tail(1))?), out, |sets, visit| combine::subtract(sets, visit))
}

type Visit<'a> = dyn FnMut(Text) -> ControlFlow<()> + 'a;

fn answer(
    sets: &[Option<&Set>],
    out: Reply,
    combine: impl FnOnce(&[Option<&Set>], &mut Visit),
) -> Done {
    let mut list = out.set_of_some();
    combine(sets, &mut |member| {
        list.text(member);
        Continue(())
    });
    list.end()
}

// ── how many they are ───────────────────────────────────────────────────────────────────────

fn sintercard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = Count::read(args, false)?;
    let sets = sets(cx, count.keys)?;
    let sets = values(&sets);
    out.int(count.up_to_limit(|visit| combine::intersect(&sets, visit)))
}

fn sunioncard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = Count::read(args, true)?;
    let sets = sets(cx, count.keys)?;
    let sets = values(&sets);
    out.int(if count.about {
        estimate_union(&sets, count.limit)
    } else {
        count.up_to_limit(|visit| combine::unite(&sets, visit))
    })
}

fn sdiffcard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = Count::read(args, false)?;
    let sets = sets(cx, count.keys)?;
    let sets = values(&sets);
    out.int(count.up_to_limit(|visit| combine::subtract(&sets, visit)))
}

/// What a command that counts is asked.
struct Count<'a> {
    keys: Args<'a>,
    limit: u64,
    /// An estimate will do.
    about: bool,
}

impl<'a> Count<'a> {
    fn read(args: Args<'a>, may_be_about: bool) -> Result<Count<'a>, Error> {
        let mut words = args.after(0);
        let keys = words.int().ok().filter(|count| *count > 0);
        let keys = keys.ok_or(Error::Say("ERR numkeys should be greater than 0"))? as u64;
        if keys > words.left() as u64 {
            return Err(Error::Say("ERR Number of keys can't be greater than number of args"));
        }
        let keys = args.tail(2).head(keys as usize);
        let mut count = Count { keys, limit: u64::MAX, about: false };
        let mut words = args.after(1 + keys.len());
        while words.left() > 0 {
            if words.left() > 1 && words.take_word(b"LIMIT") {
                let limit = words.int().ok().and_then(|limit| u64::try_from(limit).ok());
                let limit = limit.ok_or(Error::Say("ERR LIMIT can't be negative"))?;
                count.limit = if limit == 0 { u64::MAX } else { limit };
            } else if may_be_about && words.take_word(b"APPROX") {
                count.about = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(count)
    }

    /// How many members are shown, with an end at the limit.
    fn up_to_limit(&self, show: impl FnOnce(&mut Visit)) -> i64 {
        let mut count = 0;
        show(&mut |_| {
            count += 1;
            if count < self.limit { Continue(()) } else { Break(()) }
        });
        count as i64
    }
}

/// Counts without remembering every member.
fn estimate_union(sets: &[Option<&Set>], limit: u64) -> i64 {
    let mut sketch = Registers::new();
    let mut until_look = limit;
    for member in sets.iter().copied().flatten().flat_map(Set::iter) {
        sketch.add(member.bytes(&mut Digits::new()));
        until_look -= 1;
        if until_look == 0 {
            let estimate = sketch.estimate();
            if estimate >= limit {
                break;
            }
            until_look = (limit - estimate).max(ESTIMATE_EVERY);
        }
    }
    sketch.estimate().min(limit) as i64
}

// ── storing them ────────────────────────────────────────────────────────────────────────────

fn sinterstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, combine::intersection, Event::set("sinterstore"), out)
}

fn sunionstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, combine::union, Event::set("sunionstore"), out)
}

fn sdiffstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, combine::difference, Event::set("sdiffstore"), out)
}

fn store(
    cx: &mut Ctx,
    args: Args,
    combine: fn(&[Option<&Set>], &SetLimits) -> Set,
    event: Event,
    out: Reply,
) -> Done {
    let limits = cx.limits;
    let result = combine(&values(&sets(cx, args.tail(2))?), &limits.set);
    let len = cx.store(args.get(1), result, event);
    out.int(len as i64)
}

/// The sets of several keys, `None` for a key that is not there. All are used before one is lent.
fn sets<'a>(cx: &'a mut Ctx, keys: Args) -> Result<Vec<Option<Lent<'a, Set>>>, Error> {
    for key in keys.iter() {
        cx.read::<Set>(key)?;
    }
    keys.iter().map(|key| cx.peek::<Set>(key)).collect()
}

fn values<'a>(sets: &'a [Option<Lent<Set>>]) -> Vec<Option<&'a Set>> {
    sets.iter().map(Option::as_deref).collect()
}
