//! New members and new scores: ZADD, ZINCRBY.

use super::TOO_MANY;
use crate::data::zset::{Added, Rule, ZSet};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};
use smallvec::SmallVec;

pub fn zadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    add(cx, args, out, Rule::default())
}

pub fn zincrby(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    add(cx, args, out, Rule { increment: true, ..Rule::default() })
}

fn add(cx: &mut Ctx, args: Args, out: Reply, mut rule: Rule) -> Done {
    let key = args.get(1);
    let mut words = args.after(1);
    let mut count_updates = false;
    while let Some(word) = words.word() {
        match &*word {
            b"NX" => rule.new_only = true,
            b"XX" => rule.known_only = true,
            b"GT" => rule.raise_only = true,
            b"LT" => rule.lower_only = true,
            b"CH" => count_updates = true,
            b"INCR" => rule.increment = true,
            _ => break,
        }
        words.skip();
    }
    let pairs = args.tail(words.index());
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Error::Syntax.into());
    }
    if rule.new_only && rule.known_only {
        let text = "ERR XX and NX options at the same time are not compatible";
        return Err(Error::Say(text).into());
    }
    if u8::from(rule.new_only) + u8::from(rule.raise_only) + u8::from(rule.lower_only) > 1 {
        let text = "ERR GT, LT, and/or NX options at the same time are not compatible";
        return Err(Error::Say(text).into());
    }
    if rule.increment && pairs.len() > 2 {
        let text = "ERR INCR option supports a single increment-element pair";
        return Err(Error::Say(text).into());
    }
    // Nothing is added until all scores are known to be numbers.
    let mut scores = SmallVec::<[f64; 4]>::new();
    for _ in 0..pairs.len() / 2 {
        scores.push(words.float()?);
        words.skip();
    }
    let members = pairs.iter().skip(1).step_by(2);
    put(cx, key, &scores, members, (rule, count_updates), out)
}

/// Adds members with their scores, by a rule; answers how many are new, or were changed as well.
pub fn put<'a>(
    cx: &mut Ctx,
    key: &[u8],
    scores: &[f64],
    members: impl Iterator<Item = &'a [u8]> + Clone,
    (rule, count_updates): (Rule, bool),
    out: Reply,
) -> Done {
    let limits = cx.limits.zset;
    let mut set = if rule.known_only {
        match cx.edit::<ZSet>(key)? {
            Some(mut set) => {
                set.expect(scores.len(), limits);
                set
            }
            None if rule.increment => return out.null(),
            None => return out.int(0),
        }
    } else {
        let mut set = cx.edit_or_new::<ZSet>(key)?;
        if set.is_born() {
            let longest = members.clone().map(<[u8]>::len).max().unwrap_or(0);
            *set = ZSet::for_some(scores.len(), longest, limits);
        } else {
            set.expect(scores.len(), limits);
        }
        set
    };
    if !set.has_room_for(scores.len()) {
        set.done_if(false, Event::zset("zadd"));
        return Err(TOO_MANY.into());
    }
    let (mut added, mut updated) = (0, 0);
    let mut score_now = None;
    for (member, &score) in members.zip(scores) {
        score_now = match set.add(member, score, rule, limits) {
            Added::New(score) => {
                added += 1;
                Some(score)
            }
            Added::Updated(score) => {
                updated += 1;
                Some(score)
            }
            Added::Same(score) => Some(score),
            Added::Held => None,
            Added::Nan => {
                // A sum is only asked for of one member, so nothing has changed.
                set.done_if(false, Event::zset("zincr"));
                return Err(Error::Say("ERR resulting score is not a number (NaN)").into());
            }
        };
    }
    let event = if rule.increment { "zincr" } else { "zadd" };
    set.counts((added + updated) as usize);
    set.done_if(added + updated > 0, Event::zset(event));
    match score_now {
        _ if !rule.increment => out.int(added + if count_updates { updated } else { 0 }),
        Some(score) => out.double(score),
        None => out.null(),
    }
}
