//! SORT: the elements of a list, set or sorted set, in order of themselves or of other values.

use crate::data::hash::Hash;
use crate::data::limits::ListLimits;
use crate::data::list::{End, List};
use crate::data::set::Set;
use crate::data::zset::ZSet;
use crate::data::{Collection, Type};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::{Error, until_nul};
use crate::keyspace::{Event, Str};
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, Arg, Begin, C_DANGEROUS, C_LIST, C_SET, C_SORTEDSET, DENYOOM, Find, Group, K_ACCESS,
    K_UPDATE, KeySpec, MOVABLEKEYS, block, integer, key, key_at, one_of, pattern, token,
};
use std::cmp::Ordering;

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[
        write("SORT", sort)
            .arity(-2)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_SET | C_SORTEDSET | C_LIST | C_DANGEROUS)
            .keys(&[
                key_at(1, Access::ReadOnly, K_ACCESS),
                somewhere(Access::ReadOnly, K_ACCESS),
                somewhere(Access::Overwrite, K_UPDATE),
            ])
            .since("1.0.0")
            .complexity("O(N+M*log(M)) for N elements, M of which are returned.")
            .summary(
                "Sorts the elements of a list, a set or a sorted set, and may store the result.",
            )
            .args(&[
                key("key"),
                BY,
                LIMIT,
                GET,
                ORDER,
                ALPHA,
                key("destination").after("STORE").optional(),
            ]),
        read("SORT_RO", sort_ro)
            .arity(-2)
            .flags(MOVABLEKEYS)
            .categories(C_SET | C_SORTEDSET | C_LIST | C_DANGEROUS)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS), somewhere(Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("O(N+M*log(M)) for N elements, M of which are returned.")
            .summary("Returns the elements of a list, a set or a sorted set in order.")
            .args(&[key("key"), BY, LIMIT, GET, ORDER, ALPHA]),
    ],
};

const BY: Arg = pattern("by-pattern").after("BY").optional();
const LIMIT: Arg = block("limit", &[integer("offset"), integer("count")]).after("LIMIT").optional();
const GET: Arg = pattern("get-pattern").after("GET").optional().repeats_token();
const ORDER: Arg = one_of("order", &[token("ASC"), token("DESC")]).optional();
const ALPHA: Arg = token("ALPHA").named("sorting").optional();

/// Keys that only the data can tell, or the words after an option.
const fn somewhere(access: Access, flags: u8) -> KeySpec {
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, access, flags }
}

/// What was asked for.
#[derive(Default)]
struct Order<'a> {
    by: Option<&'a [u8]>,
    /// BY names no pattern: the elements stay as they are.
    is_unsorted: bool,
    /// Where to begin, and how many to take; a negative number takes all.
    limit: Option<(i64, i64)>,
    gets: Vec<&'a [u8]>,
    descends: bool,
    /// In the order of bytes rather than numbers.
    alpha: bool,
    store: Option<&'a [u8]>,
}

/// An element, and what decides its place.
struct Item {
    element: Vec<u8>,
    weight: Weight,
    /// Its place before.
    index: usize,
}

enum Weight {
    Number(f64),
    /// Nothing comes before everything.
    Bytes(Option<Vec<u8>>),
    /// The element itself.
    Own,
}

fn sort(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    run(cx, args, Order::read(args, true, cx.reads_all_keys)?, out)
}

fn sort_ro(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    run(cx, args, Order::read(args, false, cx.reads_all_keys)?, out)
}

fn run(cx: &mut Ctx, args: Args, mut order: Order, out: Reply) -> Done {
    let kind = cx.keyspace.touch(cx.db, args.get(1)).map(|record| record.kind());
    // Nor may what a script does depend on it.
    let must_agree = order.store.is_some() || cx.in_script;
    if kind == Some(Type::Set) && order.is_unsorted && must_agree {
        // A set has no order of its own that everybody could agree upon.
        (order.is_unsorted, order.alpha, order.by) = (false, true, None);
    }
    let elements = elements(cx, args.get(1), kind, order.is_unsorted && order.descends)?;
    let (first, count) = order.range(elements.len());
    let mut elements = match order.is_unsorted {
        true => elements,
        false => {
            // The order in which a set has its members must not be seen in what is stored.
            let by_bytes = kind == Some(Type::Set) && order.store.is_some();
            order.sorted(cx, elements, first + count, by_bytes)?
        }
    };
    elements.truncate(first + count);
    elements.drain(..first);
    match order.store {
        Some(target) => {
            let list = order.stored(cx, &elements);
            cx.keyspace.changes.counts(list.len());
            let len = cx.store(target, list, Event::list("sortstore"));
            out.int(len as i64)
        }
        None => order.answer(cx, &elements, out),
    }
}

/// The elements of a value in its own order, or in that order backwards.
fn elements(cx: &Ctx, key: &[u8], kind: Option<Type>, back: bool) -> Result<Vec<Vec<u8>>, Error> {
    Ok(match kind {
        None => Vec::new(),
        Some(Type::List) => {
            let list = cx.peek::<List>(key)?;
            let end = if back { End::Right } else { End::Left };
            list.iter().flat_map(|list| list.iter_from_end(end)).map(|it| it.to_vec()).collect()
        }
        Some(Type::ZSet) => {
            let zset = cx.peek::<ZSet>(key)?;
            let members = zset.iter().flat_map(|zset| zset.walk(0..zset.len(), back));
            members.map(|(member, _)| member.to_vec()).collect()
        }
        Some(Type::Set) => {
            let set = cx.peek::<Set>(key)?;
            set.iter().flat_map(|set| set.iter()).map(|it| it.to_vec()).collect()
        }
        Some(_) => return Err(Error::WrongType),
    })
}

impl<'a> Order<'a> {
    /// Keys that a pattern names could be any, so whoever has one must be allowed to read all of them.
    fn read(args: Args<'a>, may_store: bool, reads_all: bool) -> Result<Order<'a>, Error> {
        const BY_DENIED: Error =
            Error::Say("ERR BY option of SORT denied due to insufficient ACL permissions.");
        const GET_DENIED: Error =
            Error::Say("ERR GET option of SORT denied due to insufficient ACL permissions.");
        let mut order = Order::default();
        let mut words = args.after(1);
        while let Some(word) = words.word() {
            words.skip();
            match &*word {
                b"ASC" => order.descends = false,
                b"DESC" => order.descends = true,
                b"ALPHA" => order.alpha = true,
                b"LIMIT" if words.left() >= 2 => order.limit = Some((words.int()?, words.int()?)),
                b"GET" if words.left() >= 1 && !reads_all => return Err(GET_DENIED),
                b"GET" => order.gets.push(words.bytes()?),
                b"STORE" if may_store => order.store = Some(words.bytes()?),
                b"BY" => {
                    let by = words.bytes()?;
                    order.by = Some(by);
                    order.is_unsorted |= !by.contains(&b'*');
                    if by.contains(&b'*') && !reads_all {
                        return Err(BY_DENIED);
                    }
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(order)
    }

    /// Which of so many elements are wanted: the first, and how many.
    fn range(&self, len: usize) -> (usize, usize) {
        let Some((first, count)) = self.limit else { return (0, len) };
        let bounded = |number: i64| usize::try_from(number).unwrap_or(0).min(len);
        let first = bounded(first);
        let count = if count < 0 { len } else { bounded(count) };
        (first, count.min(len - first))
    }

    /// The elements in order; only the first so many need be right. Equal ones come in the order
    /// of their bytes, or of where they were.
    fn sorted(
        &self,
        cx: &mut Ctx,
        elements: Vec<Vec<u8>>,
        wanted: usize,
        by_bytes: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut items = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let weight = self.weight(cx, &element)?;
            items.push(Item { element, weight, index });
        }
        let equals = |one: &Item, other: &Item| match by_bytes {
            true => one.element.cmp(&other.element),
            false => one.index.cmp(&other.index),
        };
        let compare = |one: &Item, other: &Item| {
            let order = one.compare(other, self.store.is_some());
            let order = if self.descends { order.reverse() } else { order };
            order.then_with(|| equals(one, other))
        };
        if wanted < items.len() {
            items.select_nth_unstable_by(wanted, compare);
            items.truncate(wanted);
        }
        items.sort_unstable_by(compare);
        Ok(items.into_iter().map(|item| item.element).collect())
    }

    fn weight(&self, cx: &mut Ctx, element: &[u8]) -> Result<Weight, Error> {
        const NO_NUMBER: &str = "ERR One or more scores can't be converted into double";
        let other = match self.by {
            Some(by) => self.look_up(cx, by, element),
            None if self.alpha => return Ok(Weight::Own),
            None => Some(element.to_vec()),
        };
        if self.alpha {
            return Ok(Weight::Bytes(other));
        }
        // Where there is nothing to go by, it is zero.
        let number = other.map_or(Some(0.0), |text| number(&text));
        number.map(Weight::Number).ok_or(Error::Say(NO_NUMBER))
    }

    fn answer(&self, cx: &mut Ctx, elements: &[Vec<u8>], out: Reply) -> Done {
        let mut list = out.list(elements.len() * self.gets.len().max(1));
        for element in elements {
            if self.gets.is_empty() {
                list.bulk(element);
            }
            for get in &self.gets {
                match self.look_up(cx, get, element) {
                    Some(value) => list.bulk(&value),
                    None => list.null(),
                }
            }
        }
        list.end()
    }

    /// The answer as a list, in which what is not there is empty.
    fn stored(&self, cx: &mut Ctx, elements: &[Vec<u8>]) -> List {
        let limits = cx.limits.list;
        let mut list = List::default();
        for element in elements {
            if self.gets.is_empty() {
                append(&mut list, element, &limits);
            }
            for get in &self.gets {
                append(&mut list, &self.look_up(cx, get, element).unwrap_or_default(), &limits);
            }
        }
        list
    }

    /// What a pattern names for an element: the element itself (`#`), a string (`weight_*`) or a field
    /// of a hash (`object_*->weight`).
    fn look_up(&self, cx: &mut Ctx, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
        if pattern == b"#" {
            return Some(element.to_vec());
        }
        let star = pattern.iter().position(|byte| *byte == b'*')?;
        let (before, after) = (&pattern[..star], &pattern[star + 1..]);
        let arrow = after.windows(2).position(|two| two == b"->");
        // An arrow that points at nothing belongs to the key.
        let arrow = arrow.filter(|arrow| arrow + 2 < after.len());
        let key = [before, element, &after[..arrow.unwrap_or(after.len())]].concat();
        if self.store.is_some() && cx.effects.wanted {
            cx.keyspace.hold_for_log(cx.db, &key);
        }
        match arrow {
            None => cx.read::<Str>(&key).ok().flatten().map(|text| text.to_vec()),
            Some(arrow) => {
                let hash = cx.read::<Hash>(&key).ok().flatten()?;
                hash.get(&after[arrow + 2..]).map(|text| text.to_vec())
            }
        }
    }
}

impl Item {
    /// Where nothing is stored, strings are compared as C does it, up to a NUL: so does Redis.
    fn compare(&self, other: &Item, whole: bool) -> Ordering {
        let shown = |text: &'_ Vec<u8>| if whole { text.len() } else { until_nul(text).len() };
        let compare = |one: &Vec<u8>, two: &Vec<u8>| one[..shown(one)].cmp(&two[..shown(two)]);
        match (&self.weight, &other.weight) {
            // Numbers that are equal are told apart by how they are written.
            (Weight::Number(one), Weight::Number(two)) => {
                let order = one.partial_cmp(two).unwrap_or(Ordering::Equal);
                order.then_with(|| self.element.cmp(&other.element))
            }
            (Weight::Bytes(Some(one)), Weight::Bytes(Some(two))) => compare(one, two),
            (Weight::Bytes(one), Weight::Bytes(two)) => one.is_some().cmp(&two.is_some()),
            _ => compare(&self.element, &other.element),
        }
    }
}

fn append(list: &mut List, item: &[u8], limits: &ListLimits) {
    list.push(End::Right, std::iter::once(item), limits);
}

/// Reads a weight: decimal digits or the name of infinity, without blanks. Nothing is zero, too much
/// is infinite, and the text ends at a NUL.
fn number(text: &[u8]) -> Option<f64> {
    let text = until_nul(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}
