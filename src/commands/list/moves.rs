//! From one list to another, and from the first list there is: LMOVE, LMPOP and what is like them.
//!
//! What is here is used by the commands that wait as well: each tries, and says when there was
//! nothing to take.

use super::{end_of, pop_name, popped, pushed};
use crate::base::numbers;
use crate::data::Collection;
use crate::data::list::{End, List};
use crate::engine::command::write;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, Arg, C_LIST, DENYOOM, Group, K_ACCESS, K_DELETE, K_INSERT, KeySpec, MOVABLEKEYS, block,
    counted_keys, integer, key, key_at, one_of, token,
};

pub const FAMILY: Family = Family {
    group: Group::List,
    commands: &[
        write("LMOVE", lmove)
            .arity(5)
            .flags(DENYOOM)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Takes an element from an end of one list to an end of another, or the same.")
            .args(&[key("source"), key("destination"), WHEREFROM, WHERETO]),
        write("RPOPLPUSH", rpoplpush)
            .arity(3)
            .flags(DENYOOM)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("1.2.0")
            .complexity("O(1)")
            .summary("Takes the last element of a list to the front of another, or the same.")
            .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
            .args(&[key("source"), key("destination")]),
        write("LMPOP", lmpop)
            .arity(-4)
            .flags(MOVABLEKEYS)
            .categories(C_LIST)
            .keys(&[counted_keys(1, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("7.0.0")
            .complexity("O(N+M) for N keys and M elements.")
            .summary("Takes elements from the first of some lists that is there.")
            .args(&[
                integer("numkeys"),
                key("key").repeats(),
                one_of("where", &[token("LEFT"), token("RIGHT")]),
                integer("count").after("COUNT").optional(),
            ]),
        write("LMOVEM", lmovem)
            .arity(-5)
            .flags(DENYOOM)
            .categories(C_LIST)
            .keys(FROM_AND_TO)
            .since("8.10.0")
            .complexity("O(N) for N elements.")
            .summary("Takes several elements from an end of one list to an end of another.")
            .args(&[key("source"), key("destination"), WHEREFROM, WHERETO, HOW_MANY]),
    ],
};

pub(super) const FROM_AND_TO: &[KeySpec] =
    &[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE), key_at(2, Access::ReadWrite, K_INSERT)];
pub(super) const WHEREFROM: Arg = one_of("wherefrom", &[token("LEFT"), token("RIGHT")]);
pub(super) const WHERETO: Arg = one_of("whereto", &[token("LEFT"), token("RIGHT")]);
pub(super) const HOW_MANY: Arg = block(
    "how-many",
    &[
        one_of("selector", &[integer("count").after("COUNT"), integer("exactly").after("EXACTLY")]),
        one_of("ordering", &[token("OBO"), token("BULK")]),
    ],
)
.optional();

/// From which end of which list, and to which end of which other.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    pub source: &'a [u8],
    pub target: &'a [u8],
    pub from: End,
    pub to: End,
}

// ── one element ─────────────────────────────────────────────────────────────────────────────

fn lmove(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::read(args)?;
    answer_moved(path.move_one(cx)?, out)
}

fn rpoplpush(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::right_to_left(args);
    answer_moved(path.move_one(cx)?, out)
}

fn answer_moved(item: Option<Vec<u8>>, out: Reply) -> Done {
    match item {
        Some(item) => out.bulk(&item),
        None => out.null(),
    }
}

impl<'a> Path<'a> {
    pub fn read(args: Args<'a>) -> Result<Path<'a>, Error> {
        let (from, to) = (end_of(args.get(3))?, end_of(args.get(4))?);
        Ok(Path { source: args.get(1), target: args.get(2), from, to })
    }

    pub fn right_to_left(args: Args<'a>) -> Path<'a> {
        Path { source: args.get(1), target: args.get(2), from: End::Right, to: End::Left }
    }

    /// The element that was moved, if there was one.
    pub fn move_one(&self, cx: &mut Ctx) -> Result<Option<Vec<u8>>, Error> {
        let Some(list) = cx.edit::<List>(self.source)? else { return Ok(None) };
        let Some(item) = list.iter_from_end(self.from).next() else { return Ok(None) };
        let item = item.to_vec();
        drop(list);
        self.shift(cx, 1, std::iter::once(&item[..]))?;
        Ok(Some(item))
    }

    /// Takes so many elements from the source and pushes these at the target: they are the same
    /// ones, in the order in which they are to be pushed.
    fn shift<'i>(
        &self,
        cx: &mut Ctx,
        count: usize,
        items: impl Iterator<Item = &'i [u8]> + Clone,
    ) -> Result<(), Error> {
        let limits = cx.limits.list;
        let mut target = cx.edit_or_new::<List>(self.target)?;
        if self.source == self.target {
            target.rotate((self.from, count), (self.to, items), &limits);
            target.done(pushed(self.to));
            cx.keyspace.changes.also(cx.db, self.source, popped(self.from));
            return Ok(());
        }
        target.push(self.to, items, &limits);
        target.done(pushed(self.to));
        if let Some(mut source) = cx.edit::<List>(self.source)? {
            source.drop_items(self.from, count, &limits);
            source.done_also(popped(self.from));
        }
        Ok(())
    }
}

// ── several elements ────────────────────────────────────────────────────────────────────────

/// How many elements LMOVEM moves, and in which order.
#[derive(Clone, Copy)]
pub(super) struct HowMany {
    pub count: usize,
    pub exactly: bool,
    pub one_by_one: bool,
}

fn lmovem(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let path = Path::read(args)?;
    let how_many = HowMany::read(args.tail(5))?;
    match path.move_some(cx, how_many)? {
        Some(items) => out.bulks(items.iter().map(|item| &item[..])),
        None => out.null_array(),
    }
}

impl HowMany {
    pub fn read(args: Args) -> Result<HowMany, Error> {
        if args.is_empty() {
            return Ok(HowMany { count: 1, exactly: false, one_by_one: true });
        }
        let mut words = args.after(0);
        let exactly = match args.get(0) {
            word if word.eq_ignore_ascii_case(b"COUNT") => false,
            word if word.eq_ignore_ascii_case(b"EXACTLY") => true,
            _ => return Err(Error::Syntax),
        };
        let count = words.bytes()?;
        let one_by_one = words.take_word(b"OBO");
        if !one_by_one && !words.take_word(b"BULK") {
            return Err(Error::Syntax);
        }
        words.end()?;
        Ok(HowMany { count: count_of(count)?, exactly, one_by_one })
    }
}

impl Path<'_> {
    /// The elements that were moved, in the order in which they stand now; none if there were too
    /// few.
    pub fn move_some(
        &self,
        cx: &mut Ctx,
        how_many: HowMany,
    ) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let Some(list) = cx.edit::<List>(self.source)? else { return Ok(None) };
        if how_many.exactly && list.len() < how_many.count {
            return Ok(None);
        }
        // In the order in which they are popped.
        let mut items: Vec<Vec<u8>> =
            list.iter_from_end(self.from).take(how_many.count).map(|item| item.to_vec()).collect();
        drop(list);
        // From left to right they stand as they stood, or, one by one, as they were pushed.
        let is_reversed = match how_many.one_by_one {
            true => self.to == End::Left,
            false => self.from == End::Right,
        };
        if is_reversed {
            items.reverse();
        }
        let pushed = items.iter().map(|item| &item[..]);
        match self.to {
            End::Left => self.shift(cx, items.len(), pushed.rev())?,
            End::Right => self.shift(cx, items.len(), pushed)?,
        }
        Ok(Some(items))
    }
}

// ── from the first list there is ────────────────────────────────────────────────────────────

/// LMPOP's words: keys, an end, and how many elements.
pub(super) struct Pick<'a> {
    pub keys: Args<'a>,
    pub end: End,
    pub count: usize,
}

fn lmpop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let pick = Pick::read(args.tail(1))?;
    match first_list(cx, pick.keys)? {
        Some(key) => pick.pop(cx, key, out),
        None => out.null_array(),
    }
}

/// The first of these keys that is there; it must be a list.
pub(super) fn first_list<'a>(cx: &mut Ctx, keys: Args<'a>) -> Result<Option<&'a [u8]>, Error> {
    for key in keys.iter() {
        if cx.edit::<List>(key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

impl<'a> Pick<'a> {
    /// Reads on from the number of keys.
    pub fn read(args: Args<'a>) -> Result<Pick<'a>, Error> {
        const NUMKEYS: Error = Error::Say("ERR numkeys should be greater than 0");
        let keys = numbers::parse_i64(args.get(0)).filter(|keys| *keys > 0).ok_or(NUMKEYS)?;
        let keys = usize::try_from(keys).ok().filter(|keys| *keys < args.len() - 1);
        let keys = keys.ok_or(Error::Syntax)?;
        let mut words = args.after(keys);
        let end = end_of(words.bytes()?)?;
        let count = match words.take_word(b"COUNT") {
            true => count_of(words.bytes()?)?,
            false => 1,
        };
        words.end()?;
        Ok(Pick { keys: args.tail(1).head(keys), end, count })
    }

    /// Takes the elements of a list that is there, and answers them with its key.
    pub fn pop(&self, cx: &mut Ctx, key: &[u8], out: Reply) -> Done {
        let limits = cx.limits.list;
        let mut pair = out.list(2);
        pair.bulk(key);
        let Some(mut list) = cx.edit::<List>(key)? else { return Err(Error::NoSuchKey.into()) };
        let count = self.count.min(list.len());
        let mut items = pair.list(count);
        list.iter_from_end(self.end).take(count).for_each(|item| items.text(item));
        items.close();
        list.drop_items(self.end, count, &limits);
        list.counts(count);
        list.done(popped(self.end));
        cx.effects.instead(&[pop_name(self.end), key, count.to_string().as_bytes()]);
        pair.end()
    }
}

fn count_of(text: &[u8]) -> Result<usize, Error> {
    const COUNT: Error = Error::Say("ERR count should be greater than 0");
    let count = numbers::parse_i64(text).filter(|count| *count > 0).ok_or(COUNT)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
