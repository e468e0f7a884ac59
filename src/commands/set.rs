//! Sets: members are added, removed, asked for, and picked by chance.

use super::picks;
use super::scan::{self, Filter, Over};
use crate::data::set::Set;
use crate::data::string::{Digits, Text};
use crate::data::{Collection, Mortal};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_SET, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_INSERT, integer, key, key_at,
    pattern, string,
};
use rand::Rng;
use rand::rngs::SmallRng;

pub const FAMILY: Family = Family {
    group: Group::Set,
    commands: &[
        write("SADD", sadd)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("1.0.0")
            .complexity("O(1) for each member.")
            .summary("Adds members to a set, which is created if need be.")
            .args(&[key("key"), string("member").repeats()]),
        write("SREM", srem)
            .arity(-3)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("1.0.0")
            .complexity("O(1) for each member.")
            .summary("Removes members from a set. The key goes with the last one.")
            .args(&[key("key"), string("member").repeats()]),
        write("SMOVE", smove)
            .arity(4)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[
                key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE),
                key_at(2, Access::ReadWrite, K_INSERT),
            ])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Moves a member from one set to another.")
            .args(&[key("source"), key("destination"), string("member")]),
        read("SCARD", scard)
            .arity(2)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Returns how many members a set has.")
            .args(&[key("key")]),
        read("SISMEMBER", sismember)
            .arity(3)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Tells whether a set has a member.")
            .args(&[key("key"), string("member")]),
        read("SMISMEMBER", smismember)
            .arity(-3)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N), when N is the number of members asked for")
            .summary("Tells which of some members a set has.")
            .args(&[key("key"), string("member").repeats()]),
        read("SMEMBERS", smembers)
            .arity(2)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N), when N is the number of members")
            .summary("Returns all members of a set.")
            .tips(&["nondeterministic_output_order"])
            .args(&[key("key")]),
        read("SSCAN", sscan)
            .arity(-3)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.0")
            .complexity("O(1) for each call, O(N) for a whole iteration over N members")
            .summary("Walks over the members of a set, some at each call.")
            .tips(&["nondeterministic_output"])
            .args(&[
                key("key"),
                integer("cursor"),
                pattern("pattern").after("MATCH").optional(),
                integer("count").after("COUNT").optional(),
            ]),
        write("SPOP", spop)
            .arity(-2)
            .flags(FAST)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("1.0.0")
            .complexity("O(1) for one member, O(N) for N of them.")
            .summary("Takes members that are picked at random out of a set.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), integer("count").optional().since("3.2.0")]),
        read("SRANDMEMBER", srandmember)
            .arity(-2)
            .categories(C_SET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(1) for one member, O(N) for N of them.")
            .summary("Returns members of a set that are picked at random.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), integer("count").optional().since("2.6.0")]),
    ],
};

/// A command that the log is told has no more members than this.
const TOLD_AT_ONCE: usize = 1024;

// ── members ─────────────────────────────────────────────────────────────────────────────────

fn sadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let limits = cx.limits.set;
    let members = args.tail(2);
    let mut edit = cx.edit_or_new::<Set>(args.get(1))?;
    if edit.is_born() {
        edit.begin_with(Text::Bytes(members.get(0)), members.len(), &limits);
    } else {
        edit.expect(members.len(), &limits);
    }
    let added = members.iter().filter(|member| edit.insert(Text::Bytes(member), &limits)).count();
    edit.counts(added);
    edit.done_if(added > 0, Event::set("sadd"));
    out.int(added as i64)
}

fn srem(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(mut edit) = cx.edit::<Set>(args.get(1))? else { return out.int(0) };
    let removed = args.tail(2).iter().filter(|member| edit.remove(Text::Bytes(member))).count();
    edit.counts(removed);
    edit.done_if(removed > 0, Event::set("srem"));
    out.int(removed as i64)
}

fn smove(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (source, target, member) = (args.get(1), args.get(2), Text::Bytes(args.get(3)));
    if !cx.contains(source) {
        return out.int(0);
    }
    cx.peek::<Set>(source)?;
    // A target that is due is gone before anything is done to the source.
    cx.contains(target);
    cx.peek::<Set>(target)?;
    let Some(mut edit) = cx.edit::<Set>(source)? else { return out.int(0) };
    if source == target {
        return out.int(edit.contains(member) as i64);
    }
    // The deadline goes with the member.
    let deadline = edit.deadline_of(args.get(3)).flatten();
    let moved = edit.remove(member);
    edit.done_if(moved, Event::set("srem"));
    if moved {
        let (limits, seed) = (cx.limits.set, cx.keyspace.seed());
        let mut edit = cx.edit_or_new::<Set>(target)?;
        if edit.is_born() {
            edit.begin_with(member, 1, &limits);
        }
        let added = edit.insert(member, &limits);
        if added && deadline.is_some() {
            edit.set_deadline(args.get(3), deadline, seed);
        }
        edit.done_if(added, Event::set("sadd"));
    }
    out.int(moved as i64)
}

fn scard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<Set>(args.get(1))?;
    out.int(set.map_or(0, |set| set.len() as i64))
}

fn sismember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<Set>(args.get(1))?;
    out.int(set.is_some_and(|set| set.contains(Text::Bytes(args.get(2)))) as i64)
}

fn smismember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<Set>(args.get(1))?;
    let members = args.tail(2);
    let mut list = out.list(members.len());
    for member in members.iter() {
        list.int(set.as_ref().is_some_and(|set| set.contains(Text::Bytes(member))) as i64);
    }
    list.end()
}

fn smembers(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(set) = cx.read::<Set>(args.get(1))? else { return out.set(0).end() };
    answer_all(&set, out)
}

fn answer_all(set: &Set, out: Reply) -> Done {
    let mut list = out.set(set.len());
    set.iter().for_each(|member| list.text(member));
    list.end()
}

fn sscan(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let cursor = scan::cursor(args.get(2))?;
    let Some(set) = cx.read::<Set>(args.get(1))? else {
        return scan::nothing(out);
    };
    let filter = Filter::read(args, 2, Over::Set)?;
    let mut digits = Digits::new();
    filter.walk(cursor, out, |cursor, found| {
        set.scan(cursor, |member| _ = found.offer(member.bytes(&mut digits)))
    })
}

// ── chance ──────────────────────────────────────────────────────────────────────────────────

fn spop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    match args.len() {
        2 => spop_one(cx, key, out),
        3 => {
            // Whatever is no such number is said to be out of range.
            let count = args.after(1).int().map_err(|_| NOT_POSITIVE)?;
            spop_many(cx, key, usize::try_from(count).map_err(|_| NOT_POSITIVE)?, out)
        }
        _ => Err(Error::Syntax.into()),
    }
}

const NOT_POSITIVE: Error = Error::Say("ERR value is out of range, must be positive");

fn spop_one(cx: &mut Ctx, key: &[u8], out: Reply) -> Done {
    let Some(mut edit) = cx.keyspace.edit::<Set>(cx.db, key)? else { return out.null() };
    let (set, dice) = edit.with_dice();
    let popped = set.pop(&mut throws_of(dice), |member| {
        cx.effects.instead(&[b"SREM", key, member.bytes(&mut Digits::new())]);
        out.text(member)
    });
    edit.done(Event::set("spop"));
    popped.expect("a set that is there has a member")
}

fn spop_many(cx: &mut Ctx, key: &[u8], count: usize, out: Reply) -> Done {
    let Some(mut edit) = cx.keyspace.edit::<Set>(cx.db, key)? else { return out.set(0).end() };
    if count == 0 {
        return out.set(0).end();
    }
    if count >= edit.len() {
        let answered = answer_all(&edit, out);
        let all = edit.len();
        edit.counts(all);
        drop(edit);
        cx.keyspace.changes.also(cx.db, key, Event::set("spop"));
        cx.remove(key);
        cx.effects.instead(&[b"UNLINK", key]);
        return answered;
    }
    let mut list = out.set(count);
    let mut told: Vec<Vec<u8>> = Vec::new();
    let (set, dice) = edit.with_dice();
    let rest = set.pop_many(count, &mut throws_of(dice), &cx.limits.set, |member| {
        if cx.effects.wanted {
            told.push(member.to_vec());
        }
        list.text(member);
    });
    edit.leave(rest);
    edit.counts(count);
    edit.done(Event::set("spop"));
    for some in told.chunks(TOLD_AT_ONCE) {
        let mut words: Vec<&[u8]> = vec![b"SREM", key];
        words.extend(some.iter().map(Vec::as_slice));
        cx.effects.instead(&words);
    }
    list.end()
}

fn srandmember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = match args.len() {
        2 => None,
        3 => Some(picks::count(args, 2)?),
        _ => return Err(Error::Syntax.into()),
    };
    let mut dice = picks::dice(cx);
    let mut below = throws_of(&mut dice);
    let set = cx.read::<Set>(args.get(1))?;
    let Some(count) = count else {
        return match set.as_ref().and_then(|set| set.random(&mut below)) {
            Some(member) => out.text(member),
            None => out.null(),
        };
    };
    let Some(set) = set else { return out.list(0).end() };
    if let Ok(count) = usize::try_from(count) {
        let mut list = out.list(count.min(set.len()));
        set.sample(count, &mut below, |member| list.text(member));
        return list.end();
    }
    let count = picks::repeated(count)?;
    let mut list = out.list(count);
    set.draw(count as u64, &mut below, |member| {
        list.text(member);
        !list.is_full()
    });
    list.end()
}

fn throws_of(dice: &mut SmallRng) -> impl FnMut(u64) -> u64 {
    |bound| dice.random_range(0..bound)
}
