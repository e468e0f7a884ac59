//! Deadlines of elements: HEXPIRE and its relatives for fields of hashes, and the same for members of sets
//! and sorted sets.
//!
//! Those of hashes are Redis' since 7.4, those of sets since 8.12; those of sorted sets are Garnet's. S or Z
//! stands for H, and the word MEMBERS for FIELDS. One handler serves all three, so a difference between them is a mistake.
//! The log is told moments, never spans: HPEXPIREAT, SPEXPIREAT and ZPEXPIREAT say when an element goes, and
//! HDEL, SREM and ZREM that it went.

use super::expire::{Condition, in_seconds_up, left};
use crate::base::numbers;
use crate::data::Mortal;
use crate::data::hash::Hash;
use crate::data::set::Set;
use crate::data::zset::ZSet;
use crate::engine::command::{Command, read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Kind, Lent};
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, Arg, C_HASH, C_SET, C_SORTEDSET, FAST, Group, K_ACCESS, K_UPDATE, KeySpec, block,
    integer, key, key_at, one_of, string, token, unix_time,
};
use crate::world::Millis;

pub const HASHES: Family = Family { group: Group::Hash, commands: HASH_ROWS };
pub const SETS: Family = Family { group: Group::Set, commands: SET_ROWS };
pub const SORTED_SETS: Family = Family { group: Group::SortedSet, commands: ZSET_ROWS };

/// What the commands of one type are called, and what they call things.
pub trait Elements: Mortal {
    /// FIELDS or MEMBERS.
    const WORD: &'static [u8];
    const NO_WORD: Error;
    /// What is said if their number is none; HEXPIRE says it in other words than HTTL.
    const NO_COUNT: Error;
    const NO_COUNT_TO_EXPIRE: Error;
    const MISCOUNTED: Error;
    const GIVEN: Event;
    const PERSISTED: Event;
    const REMOVED: Event;
    /// What the log is told.
    const EXPIRE_AT: &'static [u8];
    const PERSIST: &'static [u8];
    const REMOVE: &'static [u8];
}

impl Elements for Hash {
    const WORD: &'static [u8] = b"FIELDS";
    const NO_WORD: Error =
        Error::Say("ERR Mandatory argument FIELDS is missing or not at the right position");
    const NO_COUNT: Error = Error::Say("ERR Number of fields must be a positive integer");
    const NO_COUNT_TO_EXPIRE: Error =
        Error::Say("ERR Parameter `numFields` should be greater than 0");
    const MISCOUNTED: Error =
        Error::Say("ERR The `numfields` parameter must match the number of arguments");
    const GIVEN: Event = Event::hash("hexpire");
    const PERSISTED: Event = Event::hash("hpersist");
    const REMOVED: Event = Event::hash("hdel");
    const EXPIRE_AT: &'static [u8] = b"HPEXPIREAT";
    const PERSIST: &'static [u8] = b"HPERSIST";
    const REMOVE: &'static [u8] = b"HDEL";
}

const NO_MEMBERS: Error =
    Error::Say("ERR Mandatory argument MEMBERS is missing or not at the right position");
const NO_COUNT_OF_MEMBERS: Error = Error::Say("ERR Number of members must be a positive integer");
const NO_COUNT_OF_MEMBERS_TO_EXPIRE: Error =
    Error::Say("ERR Parameter `numMembers` should be greater than 0");
const MISCOUNTED_MEMBERS: Error =
    Error::Say("ERR The `nummembers` parameter must match the number of arguments");

impl Elements for Set {
    const WORD: &'static [u8] = b"MEMBERS";
    const NO_WORD: Error = NO_MEMBERS;
    const NO_COUNT: Error = NO_COUNT_OF_MEMBERS;
    const NO_COUNT_TO_EXPIRE: Error = NO_COUNT_OF_MEMBERS_TO_EXPIRE;
    const MISCOUNTED: Error = MISCOUNTED_MEMBERS;
    const GIVEN: Event = Event::set("sexpire");
    const PERSISTED: Event = Event::set("spersist");
    const REMOVED: Event = Event::set("srem");
    const EXPIRE_AT: &'static [u8] = b"SPEXPIREAT";
    const PERSIST: &'static [u8] = b"SPERSIST";
    const REMOVE: &'static [u8] = b"SREM";
}

impl Elements for ZSet {
    const WORD: &'static [u8] = b"MEMBERS";
    const NO_WORD: Error = NO_MEMBERS;
    const NO_COUNT: Error = NO_COUNT_OF_MEMBERS;
    const NO_COUNT_TO_EXPIRE: Error = NO_COUNT_OF_MEMBERS_TO_EXPIRE;
    const MISCOUNTED: Error = MISCOUNTED_MEMBERS;
    const GIVEN: Event = Event::zset("zexpire");
    const PERSISTED: Event = Event::zset("zpersist");
    const REMOVED: Event = Event::zset("zrem");
    const EXPIRE_AT: &'static [u8] = b"ZPEXPIREAT";
    const PERSIST: &'static [u8] = b"ZPERSIST";
    const REMOVE: &'static [u8] = b"ZREM";
}

/// No deadline of an element lies further away: about the year 4199.
const DEADLINE_MAX: i64 = (1 << 46) - 1;

const CONDITION: Arg =
    one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional();

macro_rules! rows {
    ($type:ty, $letter:literal, $category:expr, $elements:expr, $what:literal, $of:literal, $since:literal) => {
        &[
            write(concat!($letter, "EXPIRE"), |cx, args, out| {
                expire::<$type>(cx, args, out, (concat!($letter, "EXPIRE"), 1000, false))
            })
            .expires($category, $since)
            .summary(concat!("Lets ", $what, " of a ", $of, " live for some seconds more."))
            .args(&[key("key"), integer("seconds"), CONDITION, $elements]),
            write(concat!($letter, "PEXPIRE"), |cx, args, out| {
                expire::<$type>(cx, args, out, (concat!($letter, "PEXPIRE"), 1, false))
            })
            .expires($category, $since)
            .summary(concat!("Lets ", $what, " of a ", $of, " live for some milliseconds more."))
            .args(&[key("key"), integer("milliseconds"), CONDITION, $elements]),
            write(concat!($letter, "EXPIREAT"), |cx, args, out| {
                expire::<$type>(cx, args, out, (concat!($letter, "EXPIREAT"), 1000, true))
            })
            .expires($category, $since)
            .summary(concat!(
                "Lets ",
                $what,
                " of a ",
                $of,
                " live until a time, in seconds since 1970."
            ))
            .args(&[key("key"), unix_time("unix-time-seconds"), CONDITION, $elements]),
            write(concat!($letter, "PEXPIREAT"), |cx, args, out| {
                expire::<$type>(cx, args, out, (concat!($letter, "PEXPIREAT"), 1, true))
            })
            .expires($category, $since)
            .summary(concat!(
                "Lets ",
                $what,
                " of a ",
                $of,
                " live until a time, in milliseconds since 1970."
            ))
            .args(&[
                key("key"),
                unix_time("unix-time-milliseconds"),
                CONDITION,
                $elements,
            ]),
            write(concat!($letter, "PERSIST"), persist::<$type>)
                .arity(-5)
                .flags(FAST)
                .categories($category)
                .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
                .since($since)
                .complexity(COMPLEXITY)
                .summary(concat!("Lets ", $what, " of a ", $of, " live for ever."))
                .args(&[key("key"), $elements]),
            read(concat!($letter, "TTL"), |cx, args, out| {
                let now = cx.now;
                tell::<$type>(cx, args, out, |deadline| in_seconds_up(left(deadline, now)))
            })
            .tells($category, $since)
            .tips(&["nondeterministic_output"])
            .summary(concat!("Says how many seconds ", $what, " of a ", $of, " have to live."))
            .args(&[key("key"), $elements]),
            read(concat!($letter, "PTTL"), |cx, args, out| {
                let now = cx.now;
                tell::<$type>(cx, args, out, |deadline| left(deadline, now))
            })
            .tells($category, $since)
            .tips(&["nondeterministic_output"])
            .summary(concat!("Says how many milliseconds ", $what, " of a ", $of, " have to live."))
            .args(&[key("key"), $elements]),
            read(concat!($letter, "EXPIRETIME"), |cx, args, out| {
                tell::<$type>(cx, args, out, |deadline| in_seconds_up(deadline.0))
            })
            .tells($category, $since)
            .summary(concat!(
                "Says when ",
                $what,
                " of a ",
                $of,
                " will be gone, in seconds since 1970."
            ))
            .args(&[key("key"), $elements]),
            read(concat!($letter, "PEXPIRETIME"), |cx, args, out| {
                tell::<$type>(cx, args, out, |deadline| deadline.0)
            })
            .tells($category, $since)
            .summary(concat!(
                "Says when ",
                $what,
                " of a ",
                $of,
                " will be gone, in milliseconds since 1970."
            ))
            .args(&[key("key"), $elements]),
        ]
    };
}

/// `FIELDS numfields field …`
pub const FIELDS: Arg =
    block("fields", &[integer("numfields"), string("field").repeats()]).after("FIELDS");

const HASH_ROWS: &[Command] = rows!(Hash, "H", C_HASH, FIELDS, "fields", "hash", "7.4.0");

/// `MEMBERS nummembers member …`
pub const MEMBERS: Arg =
    block("members", &[integer("nummembers"), string("member").repeats()]).after("MEMBERS");

const SET_ROWS: &[Command] = rows!(Set, "S", C_SET, MEMBERS, "members", "set", "8.12.0");
const ZSET_ROWS: &[Command] =
    rows!(ZSet, "Z", C_SORTEDSET, MEMBERS, "members", "sorted set", "8.12.0");

const COMPLEXITY: &str =
    "O(N), when N elements are named, and O(log M) for each in one of M that is large";

const CHANGES: &[KeySpec] = &[key_at(1, Access::ReadWrite, K_UPDATE)];
const LOOKS: &[KeySpec] = &[key_at(1, Access::ReadOnly, K_ACCESS)];

impl Command {
    const fn expires(self, category: u32, since: &'static str) -> Command {
        self.arity(-6)
            .flags(FAST)
            .categories(category)
            .keys(CHANGES)
            .since(since)
            .complexity(COMPLEXITY)
    }

    const fn tells(self, category: u32, since: &'static str) -> Command {
        self.arity(-5)
            .flags(FAST)
            .categories(category)
            .keys(LOOKS)
            .since(since)
            .complexity(COMPLEXITY)
    }
}

/// What is answered for each element.
const NO_ELEMENT: i64 = -2;
const NO_DEADLINE: i64 = -1;
pub const HELD: i64 = 0;
const DONE: i64 = 1;
const GONE: i64 = 2;

/// HEXPIRE and its relatives: in which `unit` of milliseconds a deadline is given, and whether it counts
/// from 1970 or from now.
fn expire<T: Elements>(
    cx: &mut Ctx,
    args: Args,
    out: Reply,
    (command, unit, is_moment): (&'static str, i64, bool),
) -> Done {
    let key = args.get(1);
    // A key of another type is noticed before any mistake in the words.
    cx.keyspace.peek::<T>(cx.db, key)?;
    let start = if is_moment { Millis(0) } else { cx.now };
    let deadline = deadline(args.get(2), unit, start, command)?;
    let condition = Condition::of(&Word::new(args.get(3)));
    let at = if condition.is_some() { 4 } else { 3 };
    let elements = named::<T>(args, at, T::NO_COUNT_TO_EXPIRE)?;
    let condition = condition.map(|condition| (condition, args.get(3)));
    let mut list = out.list(elements.len());
    give::<T>(cx, key, deadline, condition, elements, |answer| list.int(answer))?;
    list.end()
}

/// Gives elements of a value a deadline, under a condition if there is one, and answers for each of them.
pub fn give<T: Elements>(
    cx: &mut Ctx,
    key: &[u8],
    deadline: Millis,
    condition: Option<(Condition, &[u8])>,
    elements: Args,
    mut answers: impl FnMut(i64),
) -> Result<(), Error> {
    let allowed = condition.map(|(condition, _)| condition).unwrap_or_default();
    let is_over = cx.keyspace.is_over(deadline);
    let seed = cx.keyspace.seed();
    let Some(mut value) = cx.edit::<T>(key)? else {
        elements.iter().for_each(|_| answers(NO_ELEMENT));
        return Ok(());
    };
    let mut changed: Vec<&[u8]> = Vec::new();
    for element in elements.iter() {
        let answer = match value.deadline_of(element) {
            None => NO_ELEMENT,
            Some(current) if !allowed.allows(current, deadline) => HELD,
            Some(_) if is_over => {
                value.drop_element(element);
                GONE
            }
            Some(_) => {
                value.set_deadline(element, Some(deadline), seed);
                DONE
            }
        };
        if answer > HELD {
            value.part(element);
            changed.push(element);
        }
        answers(answer);
    }
    value.counts(changed.len());
    value.done_if(!changed.is_empty(), if is_over { T::REMOVED } else { T::GIVEN });
    match is_over {
        true => tell_removed::<T>(cx, key, &changed),
        false => {
            let word = condition.map(|(_, word)| word);
            tell_deadline::<T>(cx, key, deadline, word, &changed);
        }
    }
    Ok(())
}

fn persist<T: Elements>(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    cx.keyspace.peek::<T>(cx.db, key)?;
    let elements = named::<T>(args, 2, T::NO_COUNT)?;
    let seed = cx.keyspace.seed();
    let mut list = out.list(elements.len());
    let Some(mut value) = cx.edit::<T>(key)? else {
        elements.iter().for_each(|_| list.int(NO_ELEMENT));
        return list.end();
    };
    let mut changed = false;
    for element in elements.iter() {
        let answer = match value.deadline_of(element) {
            None => NO_ELEMENT,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                value.set_deadline(element, None, seed);
                value.part(element);
                changed = true;
                DONE
            }
        };
        list.int(answer);
    }
    value.done_if(changed, T::PERSISTED);
    list.end()
}

/// Answers for each element what `tell` makes of its deadline.
fn tell<T>(cx: &mut Ctx, args: Args, out: Reply, tell: impl Fn(Millis) -> i64) -> Done
where
    T: Elements + for<'a> Kind<View<'a> = Lent<'a, T>>,
{
    let value = cx.read::<T>(args.get(1))?;
    let elements = named::<T>(args, 2, T::NO_COUNT)?;
    let mut list = out.list(elements.len());
    for element in elements.iter() {
        let deadline = value.as_ref().and_then(|value| value.deadline_of(element));
        list.int(match deadline {
            None => NO_ELEMENT,
            Some(deadline) => deadline.map_or(NO_DEADLINE, &tell),
        });
    }
    list.end()
}

/// Reads `FIELDS n field …` from an index on, which must be all that is left.
pub fn named<T: Elements>(args: Args, at: usize, no_count: Error) -> Result<Args, Error> {
    let mut words = args.after(at - 1);
    if !words.take_word(T::WORD) {
        return Err(T::NO_WORD);
    }
    let count = words.int().ok().filter(|count| *count > 0).ok_or(no_count)?;
    if words.left() as i64 != count {
        return Err(T::MISCOUNTED);
    }
    Ok(args.tail(words.index()))
}

/// The moment that an amount stands for.
pub fn deadline(
    amount: &[u8],
    unit: i64,
    start: Millis,
    command: &'static str,
) -> Result<Millis, Error> {
    let amount = numbers::parse_i64(amount).ok_or(Error::NotInteger)?;
    if amount < 0 {
        return Err(Error::Say("ERR invalid expire time, must be >= 0"));
    }
    amount
        .checked_mul(unit)
        .and_then(|span| span.checked_add(start.0))
        .filter(|deadline| *deadline <= DEADLINE_MAX)
        .map(Millis)
        .ok_or(Error::InvalidExpire(command))
}

/// Elements were removed, since a deadline was given that has passed: each has a line in the log.
pub fn tell_removed<T: Elements>(cx: &mut Ctx, key: &[u8], elements: &[&[u8]]) {
    for element in elements {
        cx.effects.instead(&[T::REMOVE, key, element]);
    }
}

/// Elements got a deadline, perhaps under a condition.
pub fn tell_deadline<T: Elements>(
    cx: &mut Ctx,
    key: &[u8],
    deadline: Millis,
    condition: Option<&[u8]>,
    elements: &[&[u8]],
) {
    if cx.effects.wanted && !elements.is_empty() {
        let (mut digits, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut line = vec![T::EXPIRE_AT, key, digits.format(deadline.0).as_bytes()];
        line.extend(condition);
        line.extend([T::WORD, count.format(elements.len()).as_bytes()]);
        line.extend(elements);
        cx.effects.instead(&line);
    }
}
