//! Sorted sets: the rows of their commands. The handlers lie beside, by what they do.

pub mod add;
mod combine;
mod pop;
mod random;
mod range;
mod remove;
mod scan;
mod score;

use crate::data::string::Text;
use crate::engine::Family;
use crate::engine::command::{read, write};
use crate::error::Error;
use crate::resp::{Done, Proto, Reply};
use crate::spec::{
    Access, Arg, BLOCKING, C_SORTEDSET, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_UPDATE,
    MOVABLEKEYS, block, counted_keys, double, integer, key, key_at, keys_from, one_of, pattern,
    string, token,
};

const LIMIT: Arg = block("limit", &[integer("offset"), integer("count")]).after("LIMIT").optional();
const END: Arg = one_of("where", &[token("MIN"), token("MAX")]);
const WEIGHTS: Arg = integer("weight").after("WEIGHTS").optional().repeats();
const AGGREGATE: Arg =
    one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX"), token("COUNT").since("8.8.0")])
        .after("AGGREGATE")
        .optional();

pub const FAMILY: Family = Family {
    group: Group::SortedSet,
    commands: &[
        write("ZADD", add::zadd)
            .arity(-4)
            .flags(DENYOOM | FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("1.2.0")
            .complexity("O(log N) for each member added")
            .summary("Adds members with their scores, or gives members that are there new scores.")
            .args(&[key("key"), one_of("condition", &[token("NX"), token("XX")]).optional().since("3.0.2"), one_of("comparison", &[token("GT"), token("LT")]).optional().since("6.2.0"), token("CH").named("change").optional().since("3.0.2"), token("INCR").named("increment").optional().since("3.0.2"), block("data", &[double("score"), string("member")]).repeats()]),
        write("ZINCRBY", add::zincrby)
            .arity(4)
            .flags(DENYOOM | FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.2.0")
            .complexity("O(log N)")
            .summary("Adds to the score of a member; a new one starts at zero.")
            .args(&[key("key"), integer("increment"), string("member")]),
        read("ZCARD", score::zcard)
            .arity(2)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("1.2.0")
            .complexity("O(1)")
            .summary("Counts the members of a sorted set.")
            .args(&[key("key")]),
        read("ZSCORE", score::zscore)
            .arity(3)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.2.0")
            .complexity("O(1)")
            .summary("Returns the score of a member.")
            .args(&[key("key"), string("member")]),
        read("ZMSCORE", score::zmscore)
            .arity(-3)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N), when N is the number of members asked for")
            .summary("Returns the scores of several members.")
            .args(&[key("key"), string("member").repeats()]),
        read("ZRANK", score::zrank)
            .arity(-3)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(log N)")
            .summary("Says how many members come before this one, in order of their scores.")
            .args(&[key("key"), string("member"), token("WITHSCORE").optional()]),
        read("ZREVRANK", score::zrevrank)
            .arity(-3)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(log N)")
            .summary("Says how many members come before this one, from the highest score down.")
            .args(&[key("key"), string("member"), token("WITHSCORE").optional()]),
        read("ZCOUNT", range::zcount)
            .arity(4)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(log N)")
            .summary("Counts the members whose scores lie in a range.")
            .args(&[key("key"), double("min"), double("max")]),
        read("ZLEXCOUNT", range::zlexcount)
            .arity(4)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.9")
            .complexity("O(log N)")
            .summary("Counts the members that lie in a range, where all have the same score.")
            .args(&[key("key"), string("min"), string("max")]),
        read("ZRANGE", range::zrange)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.2.0")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members of a range of ranks, scores or members.")
            .args(&[key("key"), string("start"), string("stop"), one_of("sortby", &[token("BYSCORE"), token("BYLEX")]).optional().since("6.2.0"), token("REV").optional().since("6.2.0"), LIMIT.since("6.2.0"), token("WITHSCORES").optional()]),
        write("ZRANGESTORE", range::zrangestore)
            .arity(-5)
            .flags(DENYOOM)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE), key_at(2, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(log N + M log M), when M members are stored")
            .summary("Stores a range of a sorted set under another key.")
            .args(&[key("dst"), key("src"), string("min"), string("max"), one_of("sortby", &[token("BYSCORE"), token("BYLEX")]).optional(), token("REV").optional(), LIMIT]),
        read("ZREVRANGE", range::zrevrange)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.2.0")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members of a range of ranks, from the highest score down.")
            .deprecated("6.2.0", "`ZRANGE` with the `REV` argument")
            .args(&[key("key"), integer("start"), integer("stop"), token("WITHSCORES").optional()]),
        read("ZRANGEBYSCORE", range::zrangebyscore)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.5")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members whose scores lie in a range.")
            .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
            .args(&[key("key"), double("min"), double("max"), token("WITHSCORES").optional().since("2.0.0"), LIMIT]),
        read("ZREVRANGEBYSCORE", range::zrevrangebyscore)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.2.0")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members whose scores lie in a range, from the highest score down.")
            .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
            .args(&[key("key"), double("max"), double("min"), token("WITHSCORES").optional(), LIMIT]),
        read("ZRANGEBYLEX", range::zrangebylex)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.9")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members that lie in a range, where all have the same score.")
            .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument")
            .args(&[key("key"), string("min"), string("max"), LIMIT]),
        read("ZREVRANGEBYLEX", range::zrevrangebylex)
            .arity(-4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.9")
            .complexity("O(log N + M), when M members are returned")
            .summary("Returns the members that lie in a range, from the last one back, where all have the same score.")
            .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")
            .args(&[key("key"), string("max"), string("min"), LIMIT]),
        write("ZREM", remove::zrem)
            .arity(-3)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("1.2.0")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes members; a set without members is removed with its key.")
            .args(&[key("key"), string("member").repeats()]),
        write("ZREMRANGEBYRANK", remove::zremrangebyrank)
            .arity(4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("2.0.0")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes the members of a range of ranks.")
            .args(&[key("key"), integer("start"), integer("stop")]),
        write("ZREMRANGEBYSCORE", remove::zremrangebyscore)
            .arity(4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("1.2.0")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes the members whose scores lie in a range.")
            .args(&[key("key"), double("min"), double("max")]),
        write("ZREMRANGEBYLEX", remove::zremrangebylex)
            .arity(4)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("2.8.9")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes the members that lie in a range, where all have the same score.")
            .args(&[key("key"), string("min"), string("max")]),
        write("ZPOPMIN", pop::zpopmin)
            .arity(-2)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("5.0.0")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes the members of the lowest scores and returns them.")
            .args(&[key("key"), integer("count").optional()]),
        write("ZPOPMAX", pop::zpopmax)
            .arity(-2)
            .flags(FAST)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("5.0.0")
            .complexity("O(M log N), when M members are removed")
            .summary("Removes the members of the highest scores and returns them.")
            .args(&[key("key"), integer("count").optional()]),
        write("ZMPOP", pop::zmpop)
            .arity(-4)
            .flags(MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(1, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("7.0.0")
            .complexity("O(K) + O(M log N), for K keys, when M members are removed")
            .summary("Removes members from one end of the first of several sorted sets that has any, and returns them.")
            .args(&[integer("numkeys"), key("key").repeats(), END, integer("count").after("COUNT").optional()]),
        write("BZPOPMIN", pop::bzpopmin)
            .arity(-3)
            .flags(BLOCKING | FAST)
            .categories(C_SORTEDSET)
            .keys(&[keys_from(1, -2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("5.0.0")
            .complexity("O(log N)")
            .summary("Removes the member of the lowest score from the first of several sorted sets that has one, or waits for it.")
            .args(&[key("key").repeats(), double("timeout")]),
        write("BZPOPMAX", pop::bzpopmax)
            .arity(-3)
            .flags(BLOCKING | FAST)
            .categories(C_SORTEDSET)
            .keys(&[keys_from(1, -2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("5.0.0")
            .complexity("O(log N)")
            .summary("Removes the member of the highest score from the first of several sorted sets that has one, or waits for it.")
            .args(&[key("key").repeats(), double("timeout")]),
        write("BZMPOP", pop::bzmpop)
            .arity(-5)
            .flags(BLOCKING | MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(2, 1, Access::ReadWrite, K_ACCESS | K_DELETE)])
            .since("7.0.0")
            .complexity("O(K) + O(M log N), for K keys, when M members are removed")
            .summary("Removes members from one end of the first of several sorted sets that has any, or waits for them.")
            .args(&[double("timeout"), integer("numkeys"), key("key").repeats(), END, integer("count").after("COUNT").optional()]),
        read("ZUNION", combine::zunion)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N log N), when N is the number of all members")
            .summary("Returns the members of any of several sets, their scores combined.")
            .args(&[integer("numkeys"), key("key").repeats(), WEIGHTS, AGGREGATE, token("WITHSCORES").optional()]),
        read("ZINTER", combine::zinter)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N K + M log M), for K sets, N members in the smallest, M in the result")
            .summary("Returns the members that several sets have in common, their scores combined.")
            .args(&[integer("numkeys"), key("key").repeats(), WEIGHTS, AGGREGATE, token("WITHSCORES").optional()]),
        read("ZDIFF", combine::zdiff)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N log N), when N is the number of all members")
            .summary("Returns the members of a sorted set that other sets do not have.")
            .args(&[integer("numkeys"), key("key").repeats(), token("WITHSCORES").optional()]),
        write("ZUNIONSTORE", combine::zunionstore)
            .arity(-4)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE), counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N log N), when N is the number of all members")
            .summary("Stores the members of any of several sets, their scores combined.")
            .args(&[key("destination"), integer("numkeys"), key("key").repeats(), WEIGHTS, AGGREGATE]),
        write("ZINTERSTORE", combine::zinterstore)
            .arity(-4)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE), counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("2.0.0")
            .complexity("O(N K + M log M), for K sets, N members in the smallest, M in the result")
            .summary("Stores the members that several sets have in common, their scores combined.")
            .args(&[key("destination"), integer("numkeys"), key("key").repeats(), WEIGHTS, AGGREGATE]),
        write("ZDIFFSTORE", combine::zdiffstore)
            .arity(-4)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE), counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(N log N), when N is the number of all members")
            .summary("Stores the members of a sorted set that other sets do not have.")
            .args(&[key("destination"), integer("numkeys"), key("key").repeats()]),
        read("ZINTERCARD", combine::zintercard)
            .arity(-3)
            .flags(MOVABLEKEYS)
            .categories(C_SORTEDSET)
            .keys(&[counted_keys(1, 1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("O(N K), for K sets, N members in the smallest")
            .summary("Counts the members that several sets have in common.")
            .args(&[integer("numkeys"), key("key").repeats(), integer("limit").after("LIMIT").optional()]),
        read("ZRANDMEMBER", random::zrandmember)
            .arity(-2)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity("O(M log N), when M members are returned")
            .summary("Picks members at random.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), block("options", &[integer("count"), token("WITHSCORES").optional()]).optional()]),
        read("ZSCAN", scan::zscan)
            .arity(-3)
            .categories(C_SORTEDSET)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.0")
            .complexity("O(1) for each call, O(N) for a whole iteration over N members")
            .summary("Walks over the members with their scores, some at each call.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), integer("cursor"), pattern("pattern").after("MATCH").optional(), integer("count").after("COUNT").optional(), token("NOSCORES").optional()]),
    ],
};

/// A set has no room for as many members as it may come to have.
const TOO_MANY: Error = Error::Say("ERR the sorted set cannot hold so many members");

/// Answers members, and their scores if they are wanted: as pairs where the protocol has doubles,
/// else one behind another.
fn members<'a>(
    out: Reply,
    found: impl ExactSizeIterator<Item = (Text<'a>, f64)>,
    with_scores: bool,
) -> Done {
    let in_pairs = with_scores && out.proto() == Proto::Resp3;
    let flat = if with_scores && !in_pairs { 2 } else { 1 };
    let mut list = out.list(found.len() * flat);
    for (member, score) in found {
        if in_pairs {
            let mut pair = list.list(2);
            pair.text(member);
            pair.double(score);
            pair.close();
        } else {
            list.text(member);
            if with_scores {
                list.double(score);
            }
        }
        // There may be more picks of a small set than there is room for.
        if list.is_full() {
            break;
        }
    }
    list.end()
}
