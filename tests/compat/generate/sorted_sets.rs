//! Sorted sets: scores at every edge, ranges by rank, score and name, and what several have in
//! common.

pub const GRAMMAR: &str = r#"
sorted-sets:
  24 ZADD <zset-key> <zadd-option>* <scored>+
  8 ZADD <zset-key> <scored> <scored> <scored> <scored>
  6 ZADD <lex-key> <lexed>+
  6 ZINCRBY <zset-key> <score> <member>
  10 ZREM <zset-key> <member>+
  8 ZSCORE <zset-key> <member>
  6 ZMSCORE <zset-key> <member>+
  5 ZCARD <zset-key>
  6 ZCOUNT <zset-key> <score-bound> <score-bound>
  6 ZLEXCOUNT <lex-key> <lex-bound> <lex-bound>
  8 ZRANK <zset-key> <member> <rank-option>*
  8 ZREVRANK <zset-key> <member> <rank-option>*
  8 ZRANGE <zset-key> <index> <index> <zrange-option>*
  4 ZRANGE <zset-key> 0 -1 WITHSCORES
  8 ZRANGE <zset-key> <score-bound> <score-bound> BYSCORE <zrange-option>*
  6 ZRANGE <lex-key> <lex-bound> <lex-bound> BYLEX <zrange-option>*
  5 ZREVRANGE <zset-key> <index> <index> <withscores>?
  6 ZRANGEBYSCORE <zset-key> <score-bound> <score-bound> <by-option>*
  6 ZREVRANGEBYSCORE <zset-key> <score-bound> <score-bound> <by-option>*
  5 ZRANGEBYLEX <lex-key> <lex-bound> <lex-bound> <lex-option>*
  5 ZREVRANGEBYLEX <lex-key> <lex-bound> <lex-bound> <lex-option>*
  5 ZRANGESTORE <zset-key> <zset-key> <index> <index> <zrangestore-option>*
  4 ZRANGESTORE <zset-key> <zset-key> <score-bound> <score-bound> BYSCORE <zrangestore-option>*
  3 ZRANGESTORE <lex-key> <lex-key> <lex-bound> <lex-bound> BYLEX <zrangestore-option>*
  4 ZREMRANGEBYRANK <zset-key> <index> <index>
  4 ZREMRANGEBYSCORE <zset-key> <score-bound> <score-bound>
  4 ZREMRANGEBYLEX <lex-key> <lex-bound> <lex-bound>
  5 ZPOPMIN <zset-key> <pop-count>?
  5 ZPOPMAX <zset-key> <pop-count>?
  6 ZMPOP <key-count> <zset-key>+ <min-or-max> <mpop-option>*
  6 ZUNION <key-count> <aggregable>+ <aggregate-option>* <withscores>?
  6 ZINTER <key-count> <aggregable>+ <aggregate-option>* <withscores>?
  6 ZDIFF <key-count> <aggregable>+ <withscores>?
  6 ZUNIONSTORE <zset-key> <key-count> <aggregable>+ <aggregate-option>*
  6 ZINTERSTORE <zset-key> <key-count> <aggregable>+ <aggregate-option>*
  5 ZDIFFSTORE <zset-key> <key-count> <aggregable>+
  5 ZINTERCARD <key-count> <aggregable>+ <limit-option>*
  4 ZSCAN <zset-key> 0 <zscan-option>*
  1 ZSCAN <zset-key> <cursor> <zscan-option>*
  2 ZRANDMEMBER <zset-key> <bad-pick>*
  8 OBJECT ENCODING <zset-key>
  3 CONFIG SET zset-max-listpack-entries <tiny>
  2 CONFIG SET zset-max-listpack-value <tiny>
  3 DEL <zset-key>
  3 SADD s1 <member>+
  3 COPY <zset-key> <zset-key> REPLACE
  2 RENAME <zset-key> <zset-key>
  2 EXPIRE <zset-key> <seconds>
  2 TTL <zset-key>
  2 TYPE <zset-key>
  1 SET <zset-key> <value>
  2 <other-type>

zset-key:
  6 z1
  6 z2
  4 z3
  1 <other-key>
  1 nosuch

// Sorted sets in which all scores are the same, for otherwise names have no order.
lex-key:
  5 x1
  4 x2
  1 x3

lexed:
  1 0 <lex-member>

lex-member:
  2 a
  2 b
  2 c
  2 d
  1 aa
  1 ab
  1 ""
  1 \xff
  1 1
  1 10
  1 <random-word>

lex-bound:
  3 -
  3 +
  4 [<lex-member>
  4 (<lex-member>
  1 <lex-member>

scored:
  1 <score> <member>

score:
  8 <small-integer>
  4 <random-float>
  2 <float-edge>
  1 1.5
  1 2.25
  1 <random-integer>

score-bound:
  4 -inf
  4 +inf
  6 <small-integer>
  4 (<small-integer>
  2 <random-float>
  1 (<random-float>
  1 (inf
  1 <float-edge>

zadd-option:
  3 NX
  4 XX
  3 GT
  3 LT
  4 CH
  3 INCR
  1 nonsense

rank-option:
  5 WITHSCORE
  1 nonsense

withscores:
  8 WITHSCORES
  1 nonsense

zrange-option:
  4 WITHSCORES
  3 REV
  3 LIMIT <index> <index>
  1 BYSCORE
  1 BYLEX
  1 LIMIT 1
  1 nonsense

zrangestore-option:
  4 REV
  3 LIMIT <index> <index>
  1 WITHSCORES
  1 nonsense

by-option:
  4 WITHSCORES
  4 LIMIT <index> <index>
  1 nonsense

lex-option:
  6 LIMIT <index> <index>
  1 WITHSCORES
  1 nonsense

min-or-max:
  8 MIN
  8 MAX
  1 nonsense

aggregable:
  8 <zset-key>
  1 s1
  1 x1

aggregate-option:
  4 WEIGHTS <weight>+
  2 AGGREGATE SUM
  3 AGGREGATE MIN
  3 AGGREGATE MAX
  1 AGGREGATE COUNT
  1 AGGREGATE nonsense
  1 nonsense

weight:
  4 1
  3 2
  2 -1
  2 0.5
  1 0
  1 inf
  1 abc

zscan-option:
  4 MATCH <member-pattern>
  3 COUNT 1000
  2 NOSCORES
  1 NOVALUES
  1 COUNT <small-integer>
  1 COUNT
  1 nonsense
"#;

pub const PICKS: &str = r#"
zset-picks:
  2 ZRANDMEMBER <zset-key>
  4 ZRANDMEMBER <zset-key> <pick-count>
  4 ZRANDMEMBER <zset-key> <pick-count> WITHSCORES
"#;

pub const FULL_SCAN: &str = r#"
zset-scans:
  1 ZSCAN <zset-key> 0
  2 ZSCAN <zset-key> 0 COUNT 1
  1 ZSCAN <zset-key> 0 MATCH <member-pattern> COUNT 3
"#;
