//! Ranges of ranks, of scores and of members: ZRANGE and its older forms, ZRANGESTORE, ZCOUNT,
//! ZLEXCOUNT.
//!
//! They all read the same request and turn it into ranks.

use super::members;
use crate::data::zset::{LexBound, LexRange, Rule, ScoreRange, ZSet};
use crate::data::{Collection, string::Digits};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use std::ops::Range;

pub fn zrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form::default())
}

pub fn zrevrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form { by: Some(By::Rank), back: Some(true), stores: false })
}

pub fn zrangebyscore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form { by: Some(By::Score), back: Some(false), stores: false })
}

pub fn zrevrangebyscore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form { by: Some(By::Score), back: Some(true), stores: false })
}

pub fn zrangebylex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form { by: Some(By::Lex), back: Some(false), stores: false })
}

pub fn zrevrangebylex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    range(cx, args, out, Form { by: Some(By::Lex), back: Some(true), stores: false })
}

fn range(cx: &mut Ctx, args: Args, out: Reply, form: Form) -> Done {
    let request = Request::read(args.tail(1), form)?;
    let Some(set) = cx.read::<ZSet>(args.get(1))? else { return out.list(0).end() };
    members(out, set.walk(request.ranks(&set), request.back), request.with_scores)
}

pub fn zrangestore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let request = Request::read(args.tail(2), Form { stores: true, ..Form::default() })?;
    let limits = cx.limits.zset;
    let mut result = ZSet::default();
    if let Some(set) = cx.read::<ZSet>(args.get(2))? {
        let ranks = request.ranks(&set);
        result = ZSet::for_some(ranks.len(), 0, limits);
        for (member, score) in set.walk(ranks, false) {
            result.add(member.bytes(&mut Digits::new()), score, Rule::default(), limits);
        }
    }
    let stored = cx.store(args.get(1), result, Event::zset("zrangestore"));
    out.int(stored as i64)
}

pub fn zcount(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let range = score_range(args.get(2), args.get(3))?;
    let set = cx.read::<ZSet>(args.get(1))?;
    out.int(set.map_or(0, |set| set.ranks_of_scores(range).len() as i64))
}

pub fn zlexcount(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let range = lex_range(args.get(2), args.get(3))?;
    let set = cx.read::<ZSet>(args.get(1))?;
    out.int(set.map_or(0, |set| set.ranks_of_members(range).len() as i64))
}

/// What a command's name says already.
#[derive(Clone, Copy, Default)]
struct Form {
    by: Option<By>,
    back: Option<bool>,
    /// The result is stored, so it is not asked whether scores are wanted.
    stores: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

struct Request<'a> {
    span: Span<'a>,
    back: bool,
    /// LIMIT; a negative number is no limit.
    skip: i64,
    take: i64,
    with_scores: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Span<'a> {
    Ranks { start: i64, stop: i64 },
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl<'a> Request<'a> {
    /// Reads `key min max [options]`.
    fn read(args: Args<'a>, form: Form) -> Result<Request<'a>, Error> {
        let Form { mut by, mut back, stores } = form;
        let (mut skip, mut take, mut with_scores) = (0, -1, false);
        let mut rest = args.after(2);
        while rest.left() > 0 {
            match &*Word::new(rest.bytes()?) {
                b"WITHSCORES" if !stores => with_scores = true,
                b"LIMIT" if rest.left() >= 2 => (skip, take) = (rest.int()?, rest.int()?),
                b"REV" if back.is_none() => back = Some(true),
                b"BYLEX" if by.is_none() => by = Some(By::Lex),
                b"BYSCORE" if by.is_none() => by = Some(By::Score),
                _ => return Err(Error::Syntax),
            }
        }
        let (by, back) = (by.unwrap_or(By::Rank), back.unwrap_or(false));
        if take != -1 && by == By::Rank {
            return Err(Error::Say(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Error::Say(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // Backwards the upper bound comes first.
        let (min, max) = if back { (2, 1) } else { (1, 2) };
        let span = match by {
            By::Rank => Span::ranks(args.get(1), args.get(2))?,
            By::Score => Span::Scores(score_range(args.get(min), args.get(max))?),
            By::Lex => Span::Members(lex_range(args.get(min), args.get(max))?),
        };
        Ok(Request { span, back, skip, take, with_scores })
    }

    fn ranks(&self, set: &ZSet) -> Range<usize> {
        let found = self.span.find(set, self.back);
        if let Span::Ranks { .. } = self.span {
            return found;
        }
        // A negative offset skips everything.
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(found.len());
        let rest = found.len() - skip;
        let take = usize::try_from(self.take).unwrap_or(usize::MAX).min(rest);
        if self.back {
            let end = found.end - skip;
            end - take..end
        } else {
            let start = found.start + skip;
            start..start + take
        }
    }
}

impl<'a> Span<'a> {
    pub(super) fn ranks(start: &[u8], stop: &[u8]) -> Result<Span<'a>, Error> {
        let rank = |text| crate::base::numbers::parse_i64(text).ok_or(Error::NotInteger);
        Ok(Span::Ranks { start: rank(start)?, stop: rank(stop)? })
    }

    /// The ranks, in ascending order; backwards only ranks are counted from the other end.
    pub(super) fn find(&self, set: &ZSet, back: bool) -> Range<usize> {
        let (start, stop) = match *self {
            Span::Scores(range) => return set.ranks_of_scores(range),
            Span::Members(range) => return set.ranks_of_members(range),
            Span::Ranks { start, stop } => (start, stop),
        };
        let len = set.len();
        let place = |rank: i64| if rank < 0 { rank.saturating_add(len as i64) } else { rank };
        let start = usize::try_from(place(start)).unwrap_or(0).min(len);
        let end = usize::try_from(place(stop).saturating_add(1)).unwrap_or(0).clamp(start, len);
        if back { len - end..len - start } else { start..end }
    }
}

/// Reads two bounds for scores; `(` says that one is not part of the range.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Error> {
    let ((min, above_min), (max, below_max)) = (score_bound(min)?, score_bound(max)?);
    Ok(ScoreRange { min, max, above_min, below_max })
}

fn score_bound(text: &[u8]) -> Result<(f64, bool), Error> {
    let (number, open) = match text {
        [b'(', number @ ..] => (number, true),
        number => (number, false),
    };
    // Unlike a score, a bound may be beyond all numbers, and no digits at all are zero.
    let bound = match number {
        b"" => Some(0.0),
        _ => std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok()),
    };
    let bound = bound.filter(|bound| !bound.is_nan());
    Ok((bound.ok_or(Error::Say("ERR min or max is not a float"))?, open))
}

/// Reads two bounds for members: `[a` with it, `(a` without it, `-` and `+` for no bound.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, Error> {
    Ok(LexRange { min: lex_bound(min)?, max: lex_bound(max)? })
}

fn lex_bound(text: &[u8]) -> Result<LexBound<'_>, Error> {
    match text {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', member @ ..] => Ok(LexBound::Including(member)),
        [b'(', member @ ..] => Ok(LexBound::Excluding(member)),
        _ => Err(Error::Say("ERR min or max not valid string range item")),
    }
}
