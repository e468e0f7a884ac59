//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share: how many elements are wanted, and the dice.

use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::Args;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// So many picks make an answer of gigabytes; with more the server would only run out of memory.
const REPEATED_MAX: u64 = 1 << 27;

pub const OUT_OF_RANGE: Error = Error::Say("ERR value is out of range");

/// Reads how many elements are wanted, from an index on: below zero with repetitions.
pub fn count(args: Args, at: usize) -> Result<i64, Error> {
    let count = args.after(at - 1).int()?;
    if count == i64::MIN {
        return Err(Error::Say(
            "ERR value is out of range, value must between \
             -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(count)
}

/// Reads `count [word]`, which is all that follows the key: how many elements are wanted, and
/// whether with what belongs to them.
pub fn count_and(args: Args, word: &[u8]) -> Result<(i64, bool), Error> {
    let count = count(args, 2)?;
    let mut rest = args.after(2);
    let pairs = rest.take_word(word);
    rest.end()?;
    // In RESP2 a pair is two items.
    if pairs && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    Ok((count, pairs))
}

/// How many picks a number below zero asks for, unless they are too many to be answered.
pub fn repeated(count: i64) -> Result<usize, Error> {
    let picks = count.unsigned_abs();
    if picks > REPEATED_MAX { Err(OUT_OF_RANGE) } else { Ok(picks as usize) }
}

/// Dice of one's own, thrown by those of the keyspace: what is picked from lies in there.
pub fn dice(cx: &mut Ctx) -> SmallRng {
    SmallRng::seed_from_u64(cx.keyspace.dice.random())
}
