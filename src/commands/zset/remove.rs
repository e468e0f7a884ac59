//! Members that go: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::range::{Span, lex_range, score_range};
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};

pub fn zrem(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(mut set) = cx.edit::<ZSet>(args.get(1))? else { return out.int(0) };
    let removed = args.tail(2).iter().filter(|member| set.remove(member).is_some()).count();
    set.counts(removed);
    set.done_if(removed > 0, Event::zset("zrem"));
    out.int(removed as i64)
}

pub fn zremrangebyrank(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let span = Span::ranks(args.get(2), args.get(3))?;
    remove(cx, args.get(1), span, out, "zremrangebyrank")
}

pub fn zremrangebyscore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let span = Span::Scores(score_range(args.get(2), args.get(3))?);
    remove(cx, args.get(1), span, out, "zremrangebyscore")
}

pub fn zremrangebylex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let span = Span::Members(lex_range(args.get(2), args.get(3))?);
    remove(cx, args.get(1), span, out, "zremrangebylex")
}

fn remove(cx: &mut Ctx, key: &[u8], span: Span, out: Reply, event: &'static str) -> Done {
    let Some(mut set) = cx.edit::<ZSet>(key)? else { return out.int(0) };
    let ranks = span.find(&set, false);
    let removed = ranks.len();
    if removed > 0 {
        let rest = set.remove_range(ranks);
        set.leave(rest);
    }
    set.counts(removed);
    set.done_if(removed > 0, Event::zset(event));
    out.int(removed as i64)
}
