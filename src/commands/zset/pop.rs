//! Members taken from an end: ZPOPMIN, ZPOPMAX, ZMPOP, and the forms that wait.

use super::members;
use crate::commands::waiting::{timeout, wait};
use crate::data::zset::ZSet;
use crate::data::{Collection, Type};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Cursor, Done, Reply};
use std::ops::Range;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    /// The ranks of so many members at this end.
    fn ranks(self, set: &ZSet, count: usize) -> Range<usize> {
        let len = set.len();
        let count = count.min(len);
        match self {
            End::Min => 0..count,
            End::Max => len - count..len,
        }
    }

    fn event(self) -> Event {
        Event::zset(match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        })
    }

    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }
}

pub fn zpopmin(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    zpop(cx, args, out, End::Min)
}

pub fn zpopmax(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    zpop(cx, args, out, End::Max)
}

fn zpop(cx: &mut Ctx, args: Args, out: Reply, end: End) -> Done {
    let count = match args.len() {
        2 => None,
        3 => {
            let count = args.after(1).int().ok().and_then(|count| u64::try_from(count).ok());
            Some(count.ok_or(Error::Say("ERR value is out of range, must be positive"))?)
        }
        _ => return Err(Error::Syntax.into()),
    };
    let Some(mut set) = cx.edit::<ZSet>(args.get(1))? else { return out.list(0).end() };
    let most = count.unwrap_or(1).try_into().unwrap_or(usize::MAX);
    let ranks = end.ranks(&set, most);
    if ranks.is_empty() {
        return out.list(0).end();
    }
    let walk = set.walk(ranks.clone(), end == End::Max);
    let done = match count {
        // Pairs stand by themselves only where a number of them was asked for.
        None => {
            let mut list = out.list(2);
            for (member, score) in walk {
                list.text(member);
                list.double(score);
            }
            list.end()
        }
        Some(_) => members(out, walk, true),
    };
    set.counts(ranks.len());
    let rest = set.remove_range(ranks);
    set.leave(rest);
    set.done(end.event());
    done
}

pub fn zmpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let request = Several::read(args, 1)?;
    request.pop(cx, out, |_, out| out.null_array())
}

pub fn bzmpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let request = Several::read(args, 2)?;
    let timeout_us = timeout(cx, args.get(1))?;
    request.pop(cx, out, |keys, _| wait_for_members(keys, timeout_us))
}

pub fn bzpopmin(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    bzpop(cx, args, out, End::Min)
}

pub fn bzpopmax(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    bzpop(cx, args, out, End::Max)
}

fn bzpop(cx: &mut Ctx, args: Args, out: Reply, end: End) -> Done {
    let timeout_us = timeout(cx, args.get(args.len() - 1))?;
    let keys = args.head(args.len() - 1).tail(1);
    for key in keys.iter() {
        let Some(mut set) = cx.keyspace.edit::<ZSet>(cx.db, key)? else { continue };
        let ranks = end.ranks(&set, 1);
        let mut list = out.list(3);
        list.bulk(key);
        for (member, score) in set.walk(ranks.clone(), false) {
            list.text(member);
            list.double(score);
        }
        let done = list.end();
        let rest = set.remove_range(ranks);
        set.leave(rest);
        set.done(end.event());
        cx.effects.instead(&[end.command(), key]);
        return done;
    }
    wait_for_members(keys, timeout_us)
}

fn wait_for_members(keys: Args, timeout_us: Option<u64>) -> Done {
    wait(Type::ZSet, keys, timeout_us, |out| out.null_array())
}

/// `numkeys key [key …] MIN|MAX [COUNT count]`.
struct Several<'a> {
    keys: Args<'a>,
    end: End,
    count: u64,
}

impl<'a> Several<'a> {
    fn read(args: Args<'a>, index: usize) -> Result<Several<'a>, Error> {
        let number = positive(&mut args.after(index - 1));
        let number = number.ok_or(Error::Say("ERR numkeys should be greater than 0"))?;
        let behind = args.tail(index + 1);
        if number >= behind.len() as u64 {
            return Err(Error::Syntax);
        }
        let keys = behind.head(number as usize);
        let mut rest = args.after(index + keys.len());
        let end = if rest.take_word(b"MIN") {
            End::Min
        } else if rest.take_word(b"MAX") {
            End::Max
        } else {
            return Err(Error::Syntax);
        };
        let mut count = 1;
        if rest.left() > 0 {
            if !rest.take_word(b"COUNT") || rest.left() == 0 {
                return Err(Error::Syntax);
            }
            let most = positive(&mut rest);
            count = most.ok_or(Error::Say("ERR count should be greater than 0"))?;
            rest.end()?;
        }
        Ok(Several { keys, end, count })
    }

    /// Pops from the first set that is there; without one, `nothing` says what becomes of it.
    fn pop(&self, cx: &mut Ctx, out: Reply, nothing: impl FnOnce(Args, Reply) -> Done) -> Done {
        for key in self.keys.iter() {
            let Some(mut set) = cx.keyspace.edit::<ZSet>(cx.db, key)? else { continue };
            let ranks = self.end.ranks(&set, self.count.try_into().unwrap_or(usize::MAX));
            let popped = ranks.len();
            let mut list = out.list(2);
            list.bulk(key);
            let mut pairs = list.list(popped);
            for (member, score) in set.walk(ranks.clone(), self.end == End::Max) {
                let mut pair = pairs.list(2);
                pair.text(member);
                pair.double(score);
                pair.close();
            }
            pairs.close();
            let done = list.end();
            let rest = set.remove_range(ranks);
            set.leave(rest);
            set.counts(popped);
            set.done(self.end.event());
            let popped = popped.to_string();
            cx.effects.instead(&[self.end.command(), key, popped.as_bytes()]);
            return done;
        }
        nothing(self.keys, out)
    }
}

fn positive(words: &mut Cursor) -> Option<u64> {
    words.int().ok().and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}
