//! Questions about single members: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK.

use crate::data::Collection;
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::{Args, Done, Reply};

pub fn zcard(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    out.int(set.map_or(0, |set| set.len() as i64))
}

pub fn zscore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    match set.as_ref().and_then(|set| set.score(args.get(2))) {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

pub fn zmscore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    let members = args.tail(2);
    let mut list = out.list(members.len());
    for member in members.iter() {
        match set.as_ref().and_then(|set| set.score(member)) {
            Some(score) => list.double(score),
            None => list.null(),
        }
    }
    list.end()
}

pub fn zrank(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    rank(cx, args, out, "zrank", false)
}

pub fn zrevrank(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    rank(cx, args, out, "zrevrank", true)
}

fn rank(cx: &mut Ctx, args: Args, out: Reply, name: &'static str, back: bool) -> Done {
    let with_score = match args.len() {
        3 => false,
        4 if args[3].eq_ignore_ascii_case(b"WITHSCORE") => true,
        4 => return Err(Error::Syntax.into()),
        _ => return Err(Error::Arity(name).into()),
    };
    let set = cx.read::<ZSet>(args.get(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(args.get(2))?;
        Some((if back { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            let mut pair = out.list(2);
            pair.int(rank as i64);
            pair.double(score);
            pair.end()
        }
        Some((rank, _)) => out.int(rank as i64),
        None if with_score => out.null_array(),
        None => out.null(),
    }
}
