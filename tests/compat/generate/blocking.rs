//! Commands that wait: where there is something to take at once, inside MULTI, and where others
//! must bring it.

pub const GRAMMAR: &str = r#"
// Never sent where it would wait: a timeout is tiny, or no number at all.
blocking:
  10 RPUSH <wait-list> <item>+
  6 LPUSH <wait-list> <item>+
  8 ZADD <wait-zset> <small-integer> <member> <small-integer> <member>
  4 LRANGE <wait-list> 0 -1
  4 ZRANGE <wait-zset> 0 -1 WITHSCORES
  3 DEL <wait-key>
  2 SET <wait-any> <value>
  3 EXISTS <wait-key>+
  12 <wait-short>
  6 MULTI
  6 EXEC
  1 DISCARD

wait-short:
  4 BLPOP <wait-key>+ <timeout>
  3 BRPOP <wait-key>+ <timeout>
  3 BLMOVE <wait-list> <wait-list> <end> <end> <timeout>
  2 BRPOPLPUSH <wait-list> <wait-list> <timeout>
  3 BLMPOP <timeout> <key-count> <wait-key>+ <end> <mpop-option>*
  3 BZPOPMIN <wait-key>+ <timeout>
  3 BZPOPMAX <wait-key>+ <timeout>
  3 BZMPOP <timeout> <key-count> <wait-key>+ <min-or-max> <mpop-option>*

timeout:
  30 0.001
  8 0.01
  1 -1
  1 -0.002
  1 abc
  1 nan
  1 inf
  1 1e300
  1 ""
  1 9223372036854775807
  1 0x

// Lines that wait until others act or somebody tells them not to.
waiter:
  4 BLPOP <wait-key>+ 0
  4 BRPOP <wait-key>+ 0
  4 BLMOVE <wait-list> <wait-list> <end> <end> 0
  2 BRPOPLPUSH <wait-list> <wait-list> 0
  4 BLMPOP 0 1 <wait-key> <end> <mpop-option>?
  3 BLMPOP 0 2 <wait-key> <wait-key> <end> <mpop-option>?
  4 BZPOPMIN <wait-key>+ 0
  3 BZPOPMAX <wait-key>+ 0
  4 BZMPOP 0 1 <wait-key> <min-or-max> <mpop-option>?

// What may end their waiting.
bringer:
  8 RPUSH <wait-list> <item>+
  6 LPUSH <wait-list> <item>+
  6 ZADD <wait-zset> <small-integer> <member> <small-integer> <member>
  4 RPOPLPUSH l9 <wait-list>
  3 LMOVE l9 <wait-list> LEFT LEFT
  3 LINSERT <wait-list> BEFORE a b
  4 RENAME <wait-key> <wait-any>
  3 COPY <wait-key> <wait-any> REPLACE
  2 SORT l9 ALPHA STORE l3
  3 ZUNIONSTORE z3 2 <wait-zset> z9
  3 ZRANGESTORE z3 z9 0 -1
  2 ZINCRBY <wait-zset> 1 a
  2 SET <wait-any> <value>
  2 DEL <wait-key>
  2 LPOP <wait-list>
  3 RPUSH l9 <item>+
  2 ZADD z9 1 a 2 b
  1 FLUSHDB
  1 SWAPDB 0 1
  2 LRANGE <wait-list> 0 -1

wait-key:
  5 <wait-list>
  4 <wait-zset>
  1 nosuch

wait-list:
  4 l1
  4 l2
  2 l3
  1 z1

wait-zset:
  4 z1
  4 z2
  2 z3
  1 l1

// Keys that hold anything. What SORT and ZUNIONSTORE store has keys of its own: the peers serve
// nobody when it takes the place of a value of another type.
wait-any:
  1 l1
  1 l2
  1 z1
  1 z2
"#;
