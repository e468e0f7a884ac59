//! The ends of lists: LPUSH, RPOP and what is like them.

use super::{popped, pushed};
use crate::base::numbers;
use crate::data::Collection;
use crate::data::list::{End, List};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_LIST, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_INSERT, integer, key, key_at,
    string,
};

pub const FAMILY: Family = Family {
    group: Group::List,
    commands: &[
        write("LPUSH", lpush)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("1.0.0")
            .complexity("O(1) for each element.")
            .summary("Puts elements in front of a list, one after another.")
            .args(&[key("key"), string("element").repeats()]),
        write("RPUSH", rpush)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("1.0.0")
            .complexity("O(1) for each element.")
            .summary("Puts elements at the end of a list.")
            .args(&[key("key"), string("element").repeats()]),
        write("LPUSHX", lpushx)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.2.0")
            .complexity("O(1) for each element.")
            .summary("Puts elements in front of a list, if there is one.")
            .args(&[key("key"), string("element").repeats()]),
        write("RPUSHX", rpushx)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.2.0")
            .complexity("O(1) for each element.")
            .summary("Puts elements at the end of a list, if there is one.")
            .args(&[key("key"), string("element").repeats()]),
        write("LPOP", lpop)
            .arity(-2)
            .flags(FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("1.0.0")
            .complexity("O(N) for N elements.")
            .summary("Takes the first elements of a list.")
            .args(&[key("key"), integer("count").optional().since("6.2.0")]),
        write("RPOP", rpop)
            .arity(-2)
            .flags(FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("1.0.0")
            .complexity("O(N) for N elements.")
            .summary("Takes the last elements of a list.")
            .args(&[key("key"), integer("count").optional().since("6.2.0")]),
        read("LLEN", llen)
            .arity(2)
            .flags(FAST)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Tells how many elements a list has.")
            .args(&[key("key")]),
    ],
};

fn lpush(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    push(cx, args, out, End::Left)
}

fn rpush(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    push(cx, args, out, End::Right)
}

fn lpushx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    push_if_there(cx, args, out, End::Left)
}

fn rpushx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    push_if_there(cx, args, out, End::Right)
}

fn lpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    pop(cx, args, out, End::Left, "lpop")
}

fn rpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    pop(cx, args, out, End::Right, "rpop")
}

fn push(cx: &mut Ctx, args: Args, out: Reply, end: End) -> Done {
    let limits = cx.limits.list;
    let mut list = cx.edit_or_new::<List>(args.get(1))?;
    list.push(end, args.tail(2).iter(), &limits);
    let len = list.len();
    list.counts(args.len() - 2);
    list.done(pushed(end));
    out.int(len as i64)
}

fn push_if_there(cx: &mut Ctx, args: Args, out: Reply, end: End) -> Done {
    if cx.edit::<List>(args.get(1))?.is_none() {
        return out.int(0);
    }
    push(cx, args, out, end)
}

fn pop(cx: &mut Ctx, args: Args, out: Reply, end: End, name: &'static str) -> Done {
    let count = match args.len() {
        2 => None,
        3 => Some(positive(args.get(2))?),
        _ => return Err(Error::Arity(name).into()),
    };
    let limits = cx.limits.list;
    let Some(mut list) = cx.edit::<List>(args.get(1))? else {
        return if count.is_some() { out.null_array() } else { out.null() };
    };
    let done = match count {
        Some(0) => return out.list(0).end(),
        Some(count) => {
            let mut items = out.list(count.min(list.len()));
            list.iter_from_end(end).take(count).for_each(|item| items.text(item));
            items.end()
        }
        None => match list.iter_from_end(end).next() {
            Some(item) => out.text(item),
            None => out.null(),
        },
    };
    let count = count.unwrap_or(1);
    list.counts(count.min(list.len()));
    list.drop_items(end, count, &limits);
    list.done(popped(end));
    done
}

fn llen(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let len = cx.read::<List>(args.get(1))?.map_or(0, |list| list.len());
    out.int(len as i64)
}

fn positive(text: &[u8]) -> Result<usize, Error> {
    const NEGATIVE: Error = Error::Say("ERR value is out of range, must be positive");
    numbers::parse_i64(text).and_then(|count| usize::try_from(count).ok()).ok_or(NEGATIVE)
}
