//! Members picked at random: ZRANDMEMBER.

use super::members;
use crate::data::Collection;
use crate::data::string::Text;
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// So many picks make an answer of gigabytes; with more the server would only run out of memory.
const PICKS_MAX: u64 = 1 << 27;

pub fn zrandmember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let count = if args.len() > 2 { Some(count(args)?) } else { None };
    let with_scores = args.len() > 3;
    let mut dice = SmallRng::seed_from_u64(cx.keyspace.dice.random());
    match (cx.read::<ZSet>(args.get(1))?, count) {
        (None, None) => out.null(),
        (None, Some(_)) => out.list(0).end(),
        (Some(set), None) => out.text(pick(set, dice.random_range(0..set.len())).0),
        (Some(set), Some(count)) if count < 0 => {
            // The same one may come more than once.
            let picks = (0..count.unsigned_abs() as usize)
                .map(|_| pick(set, dice.random_range(0..set.len())));
            members(out, picks, with_scores)
        }
        (Some(set), Some(count)) if count as u64 >= set.len() as u64 => {
            members(out, set.walk(0..set.len(), true), with_scores)
        }
        (Some(set), Some(count)) => {
            let ranks = rand::seq::index::sample(&mut dice, set.len(), count as usize);
            members(out, ranks.iter().map(|rank| pick(set, rank)), with_scores)
        }
    }
}

/// Reads `count [WITHSCORES]`.
fn count(args: Args) -> Result<i64, Error> {
    let count = args.after(1).int()?;
    if count == i64::MIN {
        return Err(Error::text(format!(
            "ERR value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    if args.len() > 4 || (args.len() == 4 && !args[3].eq_ignore_ascii_case(b"WITHSCORES")) {
        return Err(Error::Syntax);
    }
    let too_many_pairs = args.len() == 4 && count.unsigned_abs() > i64::MAX as u64 / 2;
    if too_many_pairs || (count < 0 && count.unsigned_abs() > PICKS_MAX) {
        return Err(Error::Say("ERR value is out of range"));
    }
    Ok(count)
}

fn pick(set: &ZSet, rank: usize) -> (Text<'_>, f64) {
    set.at(rank).expect("a pick is below the length")
}
