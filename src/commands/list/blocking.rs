//! The commands on lists that wait until there is something to take.
//!
//! Each takes what is there as its relative does that does not wait, tells the log that it was that
//! one, and waits if there is nothing.

use super::moves::{FROM_AND_TO, HOW_MANY, HowMany, Path, Pick, WHEREFROM, WHERETO, first_list};
use super::{pop_name, popped};
use crate::commands::waiting;
use crate::data::Type;
use crate::data::list::{End, List};
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, BLOCKING, C_LIST, DENYOOM, Group, K_ACCESS, K_DELETE, MOVABLEKEYS, counted_keys,
    double, integer, key, keys_from, one_of, token,
};

pub const FAMILY: Family = Family {
    group: Group::List,
    commands: &[
        write("BLPOP", blpop)
            .arity(-3)
            .flags(BLOCKING)
            .categories(C_LIST)
            .keys(&[keys_from(1, -2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("2.0.0")
            .complexity("O(N) for N keys.")
            .summary("Takes the first element of the first of some lists that is there, or waits.")
            .args(&[key("key").repeats(), double("timeout")]),
        write("BRPOP", brpop)
            .arity(-3)
            .flags(BLOCKING)
            .categories(C_LIST)
            .keys(&[keys_from(1, -2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("2.0.0")
            .complexity("O(N) for N keys.")
            .summary("Takes the last element of the first of some lists that is there, or waits.")
            .args(&[key("key").repeats(), double("timeout")]),
        write("BLMOVE", blmove)
            .arity(6)
            .flags(DENYOOM | BLOCKING)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Takes an element from one list to another, once there is one.")
            .args(&[key("source"), key("destination"), WHEREFROM, WHERETO, double("timeout")]),
        write("BRPOPLPUSH", brpoplpush)
            .arity(4)
            .flags(DENYOOM | BLOCKING)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Takes the last element of a list to the front of another, once there is one.")
            .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
            .args(&[key("source"), key("destination"), double("timeout")]),
        write("BLMPOP", blmpop)
            .arity(-5)
            .flags(BLOCKING | MOVABLEKEYS)
            .categories(C_LIST)
            .keys(&[counted_keys(2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("7.0.0")
            .complexity("O(N+M) for N keys and M elements.")
            .summary("Takes elements from the first of some lists that is there, or waits.")
            .args(&[
                double("timeout"),
                integer("numkeys"),
                key("key").repeats(),
                one_of("where", &[token("LEFT"), token("RIGHT")]),
                integer("count").after("COUNT").optional(),
            ]),
        write("BLMOVEM", blmovem)
            .arity(-6)
            .flags(DENYOOM | BLOCKING)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("8.10.0")
            .complexity("O(N) for N elements.")
            .summary("Takes several elements from one list to another, once there are enough.")
            .args(&[
                key("source"),
                key("destination"),
                WHEREFROM,
                WHERETO,
                double("timeout"),
                HOW_MANY,
            ]),
    ],
};

fn blpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    pop(cx, args, out, End::Left)
}

fn brpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    pop(cx, args, out, End::Right)
}

fn pop(cx: &mut Ctx, args: Args, out: Reply, end: End) -> Done {
    let last = args.len() - 1;
    let keys = args.head(last).tail(1);
    let timeout = waiting::timeout(cx, args.get(last))?;
    let Some(key) = first_list(cx, keys)? else {
        return waiting::wait(Type::List, keys, timeout, |out| out.null_array());
    };
    let limits = cx.limits.list;
    let mut list = cx.edit::<List>(key)?.ok_or(Error::NoSuchKey)?;
    let mut pair = out.list(2);
    pair.bulk(key);
    list.iter_from_end(end).take(1).for_each(|item| pair.text(item));
    list.drop_items(end, 1, &limits);
    list.done(popped(end));
    cx.effects.instead(&[pop_name(end), key]);
    pair.end()
}

fn blmove(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::read(args)?;
    let timeout = waiting::timeout(cx, args.get(5))?;
    match path.move_one(cx)? {
        Some(item) => {
            cx.effects.instead(&[b"LMOVE", path.source, path.target, args.get(3), args.get(4)]);
            out.bulk(&item)
        }
        None => waiting::wait_for_one(path.source, timeout),
    }
}

fn brpoplpush(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::right_to_left(args);
    let timeout = waiting::timeout(cx, args.get(3))?;
    match path.move_one(cx)? {
        Some(item) => {
            cx.effects.instead(&[b"RPOPLPUSH", path.source, path.target]);
            out.bulk(&item)
        }
        None => waiting::wait_for_one(path.source, timeout),
    }
}

fn blmpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let pick = Pick::read(args.tail(2))?;
    let timeout = waiting::timeout(cx, args.get(1))?;
    match first_list(cx, pick.keys)? {
        Some(key) => pick.pop(cx, key, out),
        None => waiting::wait(Type::List, pick.keys, timeout, |out| out.null_array()),
    }
}

fn blmovem(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::read(args)?;
    let timeout = waiting::timeout(cx, args.get(5))?;
    let how_many = HowMany::read(args.tail(6))?;
    let Some(items) = path.move_some(cx, how_many)? else { return path.wait(args, timeout) };
    let order: &[u8] = if how_many.one_by_one { b"OBO" } else { b"BULK" };
    let count = items.len().to_string();
    let (from, to, count) = (args.get(3), args.get(4), count.as_bytes());
    cx.effects.instead(&[b"LMOVEM", path.source, path.target, from, to, b"EXACTLY", count, order]);
    out.bulks(items.iter().map(|item| &item[..]))
}

impl Path<'_> {
    /// Waits for the source to hold something, or more.
    fn wait(&self, args: Args, timeout_us: Option<u64>) -> Done {
        let source = args.head(2).tail(1);
        waiting::wait(Type::List, source, timeout_us, |out| out.null_array())
    }
}
