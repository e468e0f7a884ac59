//! Members picked at random: ZRANDMEMBER.

use super::members;
use crate::commands::picks;
use crate::data::Collection;
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::resp::{Args, Done, Reply};
use rand::Rng;

pub fn zrandmember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (count, with_scores) = match args.len() {
        2 => (None, false),
        _ => {
            let (count, with_scores) = picks::count_and(args, b"WITHSCORES")?;
            (Some(count), with_scores)
        }
    };
    let mut dice = picks::dice(cx);
    match (cx.read::<ZSet>(args.get(1))?, count) {
        (None, None) => out.null(),
        (None, Some(_)) => out.list(0).end(),
        (Some(set), None) => out.text(pick(&set, dice.random_range(0..set.len())).0),
        (Some(set), Some(count)) if count < 0 => {
            // The same one may come more than once.
            let picks =
                (0..picks::repeated(count)?).map(|_| pick(&set, dice.random_range(0..set.len())));
            members(out, picks, with_scores)
        }
        (Some(set), Some(count)) if count as u64 >= set.len() as u64 => {
            members(out, set.walk(0..set.len(), true), with_scores)
        }
        (Some(set), Some(count)) => {
            let ranks = rand::seq::index::sample(&mut dice, set.len(), count as usize);
            members(out, ranks.iter().map(|rank| pick(&set, rank)), with_scores)
        }
    }
}

fn pick(set: &ZSet, rank: usize) -> (Text<'_>, f64) {
    set.at(rank).expect("a pick is below the length")
}
