//! Several sets made one: ZUNION, ZINTER, ZDIFF, the forms that store, ZINTERCARD.
//!
//! Sets without scores take part too; there each member has the score 1.

use super::{TOO_MANY, members};
use crate::data::set::Set;
use crate::data::string::{Digits, Text};
use crate::data::zset::ZSet;
use crate::data::{Collection, Type};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::{Event, Kind, Lent};
use crate::resp::args::Word;
use crate::resp::{Args, Cursor, Done, Reply};
use std::ops::ControlFlow;

pub fn zunion(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(cx, args, out, Operation::Union, "zunion")
}

pub fn zinter(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(cx, args, out, Operation::Intersection, "zinter")
}

pub fn zdiff(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    answer(cx, args, out, Operation::Difference, "zdiff")
}

pub fn zunionstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, out, Operation::Union, "zunionstore")
}

pub fn zinterstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, out, Operation::Intersection, "zinterstore")
}

pub fn zdiffstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    store(cx, args, out, Operation::Difference, "zdiffstore")
}

fn answer(cx: &mut Ctx, args: Args, out: Reply, operation: Operation, name: &str) -> Done {
    let (keys, mut rest) = keys(cx, args, 1, name)?;
    let request = Request::read(&mut rest, keys.len(), operation, true)?;
    let result = result(cx, keys, operation, &request)?;
    members(out, result.iter(), request.with_scores)
}

fn store(cx: &mut Ctx, args: Args, out: Reply, operation: Operation, name: &'static str) -> Done {
    let (keys, mut rest) = keys(cx, args, 2, name)?;
    let request = Request::read(&mut rest, keys.len(), operation, false)?;
    let mut result = result(cx, keys, operation, &request)?;
    result.settle(cx.limits.zset);
    let stored = cx.store(args.get(1), result, Event::zset(name));
    out.int(stored as i64)
}

pub fn zintercard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (keys, mut rest) = keys(cx, args, 1, "zintercard")?;
    let mut limit = 0;
    while rest.left() > 0 {
        if !rest.take_word(b"LIMIT") || rest.left() == 0 {
            return Err(Error::Syntax.into());
        }
        let most = rest.int().ok().and_then(|limit| u64::try_from(limit).ok());
        limit = most.ok_or(Error::Say("ERR LIMIT can't be negative"))?;
    }
    let mut sources = sources(cx, keys, &[]);
    let mut common = 0;
    intersect(&mut sources, Aggregate::Sum, |_, _| {
        common += 1;
        if common == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    out.int(common as i64)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The scores do not matter: of each set that has the member, its weight counts.
    Count,
}

impl Aggregate {
    /// What a set contributes to the score of a member.
    fn weigh(self, score: f64, weight: f64) -> f64 {
        if self == Aggregate::Count { weight } else { score * weight }
    }

    fn join(self, before: f64, value: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => number(before + value),
            Aggregate::Min if value < before => value,
            Aggregate::Max if value > before => value,
            Aggregate::Min | Aggregate::Max => before,
        }
    }
}

/// Infinities of both signs add up to zero, and so does infinity times nothing.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What stands behind the keys.
struct Request {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

impl Request {
    fn read(
        rest: &mut Cursor,
        keys: usize,
        operation: Operation,
        answers: bool,
    ) -> Result<Request, Error> {
        let mut request =
            Request { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false };
        let combines = operation != Operation::Difference;
        while rest.left() > 0 {
            match &*Word::new(rest.bytes()?) {
                b"WEIGHTS" if combines && rest.left() >= keys => {
                    request.weights.clear();
                    for _ in 0..keys {
                        let weight = rest.float();
                        let weight =
                            weight.map_err(|_| Error::Say("ERR weight value is not a float"))?;
                        request.weights.push(weight);
                    }
                }
                b"AGGREGATE" if combines && rest.left() > 0 => {
                    request.aggregate = match &*Word::new(rest.bytes()?) {
                        b"SUM" => Aggregate::Sum,
                        b"MIN" => Aggregate::Min,
                        b"MAX" => Aggregate::Max,
                        b"COUNT" => Aggregate::Count,
                        _ => return Err(Error::Syntax),
                    };
                }
                b"WITHSCORES" if answers => request.with_scores = true,
                _ => return Err(Error::Syntax),
            }
        }
        Ok(request)
    }
}

/// Reads `numkeys key [key …]`. Each key must hold a set of either kind, if it is there, which is
/// looked at before anything else is read.
fn keys<'a>(
    cx: &mut Ctx,
    args: Args<'a>,
    index: usize,
    name: &str,
) -> Result<(Args<'a>, Cursor<'a>), Error> {
    let count = args.after(index - 1).int()?;
    if count < 1 {
        let text = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(Error::text(text));
    }
    let behind = args.tail(index + 1);
    if count as u64 > behind.len() as u64 {
        return Err(Error::Syntax);
    }
    let count = count as usize;
    let keys = behind.head(count);
    for key in keys.iter() {
        let kind = cx.keyspace.touch(cx.db, key).map(|record| record.kind());
        if !matches!(kind, None | Some(Type::ZSet | Type::Set)) {
            return Err(Error::WrongType);
        }
    }
    Ok((keys, args.after(index + count)))
}

/// A set that takes part, with its weight.
struct Source<'a> {
    set: Either<'a>,
    weight: f64,
}

enum Either<'a> {
    Scored(Lent<'a, ZSet>),
    Plain(Lent<'a, Set>),
    Missing,
}

fn sources<'a>(cx: &'a Ctx, keys: Args, weights: &[f64]) -> Vec<Source<'a>> {
    let sets = keys.iter().map(|key| match cx.keyspace.record(cx.db, key) {
        None => Either::Missing,
        Some(record) if record.kind() == Type::ZSet => Either::Scored(ZSet::view(record)),
        Some(record) => Either::Plain(Set::view(record)),
    });
    let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
    sets.zip(weights).map(|(set, weight)| Source { set, weight }).collect()
}

impl Source<'_> {
    fn len(&self) -> usize {
        match &self.set {
            Either::Scored(set) => set.len(),
            Either::Plain(set) => set.len(),
            Either::Missing => 0,
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.set {
            Either::Scored(set) => set.score(member),
            Either::Plain(set) => set.contains(Text::Bytes(member)).then_some(1.0),
            Either::Missing => None,
        }
    }

    fn each(&self, mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut digits = Digits::new();
        // Whoever visits says when it is over; that is no news here.
        let _ = match &self.set {
            Either::Scored(set) => {
                set.iter().try_for_each(|(member, score)| visit(member.bytes(&mut digits), score))
            }
            Either::Plain(set) => {
                set.iter().try_for_each(|member| visit(member.bytes(&mut digits), 1.0))
            }
            Either::Missing => ControlFlow::Continue(()),
        };
    }
}

fn result(cx: &Ctx, keys: Args, operation: Operation, request: &Request) -> Result<ZSet, Error> {
    let limits = cx.limits.zset;
    let mut sources = sources(cx, keys, &request.weights);
    let mut result = ZSet::for_some(usize::MAX, 0, limits);
    let most: usize = match operation {
        Operation::Union => sources.iter().map(Source::len).sum(),
        Operation::Intersection => sources.iter().map(Source::len).min().unwrap_or(0),
        Operation::Difference => sources.first().map_or(0, Source::len),
    };
    if !result.has_room_for(most) {
        return Err(TOO_MANY);
    }
    match operation {
        Operation::Union => {
            // The sum of several doubles depends on their order.
            sources.sort_by_key(Source::len);
            for source in &sources {
                source.each(|member, score| {
                    let value = number(request.aggregate.weigh(score, source.weight));
                    result.merge(member, limits, |before| {
                        before.map_or(value, |before| request.aggregate.join(before, value))
                    });
                    ControlFlow::Continue(())
                });
            }
        }
        Operation::Intersection => intersect(&mut sources, request.aggregate, |member, score| {
            result.set(member, score, limits);
            ControlFlow::Continue(())
        }),
        Operation::Difference => {
            if let [first, others @ ..] = &sources[..] {
                first.each(|member, score| {
                    if others.iter().all(|other| other.score(member).is_none()) {
                        result.set(member, score, limits);
                    }
                    ControlFlow::Continue(())
                });
            }
        }
    }
    Ok(result)
}

/// Visits the members that all have in common, with their scores; looks for those of the smallest
/// one in the others.
fn intersect(
    sources: &mut [Source],
    aggregate: Aggregate,
    mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>,
) {
    sources.sort_by_key(Source::len);
    let [first, others @ ..] = sources else { return };
    first.each(|member, score| {
        let mut joined = number(aggregate.weigh(score, first.weight));
        for other in others.iter() {
            let Some(score) = other.score(member) else { return ControlFlow::Continue(()) };
            joined = aggregate.join(joined, aggregate.weigh(score, other.weight));
        }
        visit(member, joined)
    });
}
