//! The elements of a list by number, by range and by value.

use crate::base::numbers;
use crate::data::Collection;
use crate::data::list::{End, List, Side};
use crate::data::packed::Wanted;
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply, Word};
use crate::spec::{
    Access, C_LIST, DENYOOM, Group, K_ACCESS, K_DELETE, K_INSERT, K_UPDATE, integer, key, key_at,
    one_of, string, token,
};

pub const FAMILY: Family = Family {
    group: Group::List,
    commands: &[
        read("LINDEX", lindex)
            .arity(3)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(N) for N blocks between the element and the nearer end.")
            .summary("Returns an element of a list by its number.")
            .args(&[key("key"), integer("index")]),
        write("LSET", lset)
            .arity(4)
            .flags(DENYOOM)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("1.0.0")
            .complexity("O(N) for N blocks between the element and the nearer end.")
            .summary("Replaces an element of a list by its number.")
            .args(&[key("key"), integer("index"), string("element")]),
        read("LRANGE", lrange)
            .arity(4)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(S+N) for N elements, S blocks away from the nearer end.")
            .summary("Returns a range of the elements of a list.")
            .args(&[key("key"), integer("start"), integer("stop")]),
        write("LTRIM", ltrim)
            .arity(4)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("1.0.0")
            .complexity("O(N) for N elements that go.")
            .summary("Removes all elements of a list but a range.")
            .args(&[key("key"), integer("start"), integer("stop")]),
        write("LREM", lrem)
            .arity(4)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("1.0.0")
            .complexity("O(N) for the length of the list.")
            .summary("Removes elements of a list that equal a value.")
            .args(&[key("key"), integer("count"), string("element")]),
        write("LINSERT", linsert)
            .arity(5)
            .flags(DENYOOM)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.2.0")
            .complexity("O(N) for N elements before the one beside which it is put.")
            .summary("Puts an element into a list, before or after another one.")
            .args(&[
                key("key"),
                one_of("where", &[token("BEFORE"), token("AFTER")]),
                string("pivot"),
                string("element"),
            ]),
        read("LPOS", lpos)
            .arity(-3)
            .categories(C_LIST)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.0.6")
            .complexity("O(N) for N elements that are looked at.")
            .summary("Finds the elements of a list that equal a value.")
            .args(&[
                key("key"),
                string("element"),
                integer("rank").after("RANK").optional(),
                integer("num-matches").after("COUNT").optional(),
                integer("len").after("MAXLEN").optional(),
            ]),
    ],
};

// ── by number ───────────────────────────────────────────────────────────────────────────────

fn lindex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(list) = cx.read::<List>(args.get(1))? else { return out.null() };
    let index = args.after(1).int()?;
    match place(index, list.len()).and_then(|index| list.get(index)) {
        Some(item) => out.text(item),
        None => out.null(),
    }
}

fn lset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let limits = cx.limits.list;
    let mut list = cx.edit::<List>(args.get(1))?.ok_or(Error::NoSuchKey)?;
    let index = args.after(1).int()?;
    let index = place(index, list.len()).unwrap_or(usize::MAX);
    let found = list.set(index, args.get(3), &limits);
    list.done_if(found, Event::list("lset"));
    if found { out.ok() } else { Err(Error::OutOfRange.into()) }
}

/// The place of an element; negative numbers count from the end.
fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

// ── by range ────────────────────────────────────────────────────────────────────────────────

fn lrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut words = args.after(1);
    let (start, stop) = (words.int()?, words.int()?);
    let Some(list) = cx.read::<List>(args.get(1))? else { return out.list(0).end() };
    let (first, count) = span(start, stop, list.len());
    let mut items = out.list(count);
    list.iter_from(first).take(count).for_each(|item| items.text(item));
    items.end()
}

fn ltrim(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const LTRIM: Event = Event::list("ltrim");
    let mut words = args.after(1);
    let (start, stop) = (words.int()?, words.int()?);
    let (key, limits) = (args.get(1), cx.limits.list);
    let Some(mut list) = cx.edit::<List>(key)? else { return out.ok() };
    let (first, count) = span(start, stop, list.len());
    let removed = list.len() - count;
    let changes = removed > 0;
    let rest = list.keep(first, count, &limits);
    list.leave(rest);
    list.counts(removed);
    list.done_if(changes, LTRIM);
    if !changes {
        // Nothing is gone, and listeners hear of it nevertheless.
        cx.keyspace.changes.remark(cx.db, key, LTRIM);
    }
    out.ok()
}

/// Where a range begins, and how many elements it has; negative numbers count from the end.
fn span(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let at = |index: i64| if index < 0 { (index + len).max(-1) } else { index.min(len) };
    let (first, last) = (at(start).max(0), at(stop).min(len - 1));
    (first as usize, (last - first + 1).max(0) as usize)
}

// ── by value ────────────────────────────────────────────────────────────────────────────────

fn lrem(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (end, count) = end_and_count(args.get(2))?;
    let most = if count == 0 { usize::MAX } else { count };
    let limits = cx.limits.list;
    let Some(mut list) = cx.edit::<List>(args.get(1))? else { return out.int(0) };
    let removed = list.remove_equal(args.get(3), end, most, &limits);
    list.counts(removed);
    list.done_if(removed > 0, Event::list("lrem"));
    out.int(removed as i64)
}

fn linsert(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let side = match &*Word::new(args.get(2)) {
        b"BEFORE" => Side::Before,
        b"AFTER" => Side::After,
        _ => return Err(Error::Syntax.into()),
    };
    let limits = cx.limits.list;
    let Some(mut list) = cx.edit::<List>(args.get(1))? else { return out.int(0) };
    let found = list.insert(side, args.get(3), args.get(4), &limits);
    let len = list.len();
    list.done_if(found, Event::list("linsert"));
    out.int(if found { len as i64 } else { -1 })
}

fn lpos(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (mut end, mut rank, mut count, mut most) = (End::Left, 1, None, usize::MAX);
    let mut words = args.after(2);
    while let Some(word) = words.word() {
        words.skip();
        let value = words.bytes()?;
        match &*word {
            b"RANK" => (end, rank) = end_and_count(value)?,
            b"COUNT" => count = Some(bound(value, "ERR COUNT can't be negative")?),
            b"MAXLEN" => most = bound(value, "ERR MAXLEN can't be negative")?,
            _ => return Err(Error::Syntax.into()),
        }
        if rank == 0 {
            const ZERO: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from \
                                the second ... or use negative to start from the end of the list";
            return Err(Error::Say(ZERO).into());
        }
    }
    let Some(list) = cx.read::<List>(args.get(1))? else {
        return if count.is_some() { out.list(0).end() } else { out.null() };
    };
    let (wanted, len) = (Wanted::new(args.get(2)), list.len());
    let mut found = list
        .iter_from_end(end)
        .take(most)
        .enumerate()
        .filter(|(_, item)| wanted.is(*item))
        .skip(rank - 1)
        .map(|(index, _)| match end {
            End::Left => index as i64,
            End::Right => (len - 1 - index) as i64,
        });
    match count {
        None => match found.next() {
            Some(index) => out.int(index),
            None => out.null(),
        },
        Some(count) => {
            let mut indices = out.list_of_some();
            found.take(count).for_each(|index| indices.int(index));
            indices.end()
        }
    }
}

/// A number whose sign says from which end to count.
fn end_and_count(text: &[u8]) -> Result<(End, usize), Error> {
    const LEAST: &str = "ERR value is out of range, value must between -9223372036854775807 and \
                         9223372036854775807";
    let count = numbers::parse_i64(text).ok_or(Error::NotInteger)?;
    let end = if count < 0 { End::Right } else { End::Left };
    let count = count.checked_abs().ok_or(Error::Say(LEAST))?;
    Ok((end, usize::try_from(count).unwrap_or(usize::MAX)))
}

/// A number of elements; zero stands for all of them.
fn bound(text: &[u8], negative: &'static str) -> Result<usize, Error> {
    match numbers::parse_i64(text).map(usize::try_from) {
        Some(Ok(0)) => Ok(usize::MAX),
        Some(Ok(bound)) => Ok(bound),
        _ => Err(Error::Say(negative)),
    }
}
