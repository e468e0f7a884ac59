//! Sets: of integers, small ones, large ones, and what two of them have in common.

pub const GRAMMAR: &str = r#"
sets:
  24 SADD <set-key> <member>+
  6 SADD <set-key> <small-integer> <small-integer> <small-integer>
  3 SADD <set-key> <random-integer>
  12 SREM <set-key> <member>+
  8 SISMEMBER <set-key> <member>
  8 SMISMEMBER <set-key> <member>+
  6 SCARD <set-key>
  8 SMEMBERS <set-key>
  8 SMOVE <set-key> <set-key> <member>
  8 SINTER <set-key>+
  8 SUNION <set-key>+
  8 SDIFF <set-key>+
  6 SINTERSTORE <set-key> <set-key>+
  6 SUNIONSTORE <set-key> <set-key>+
  6 SDIFFSTORE <set-key> <set-key>+
  8 SINTERCARD <key-count> <set-key>+ <limit-option>*
  4 SSCAN <set-key> 0 <sscan-option>*
  1 SSCAN <set-key> <cursor> <sscan-option>*
  2 SRANDMEMBER <set-key> <bad-pick>*
  2 SPOP <set-key> <bad-pop>
  8 OBJECT ENCODING <set-key>
  6 CONFIG SET <set-limits>
  2 CONFIG SET set-max-listpack-value <tiny>
  4 DEL <set-key>
  3 COPY <set-key> <set-key> REPLACE
  2 RENAME <set-key> <set-key>
  2 EXPIRE <set-key> <seconds>
  2 TTL <set-key>
  2 TYPE <set-key>
  1 SET <set-key> <value>
  2 <other-type>

// Where fewer integers make a table than strings, the order in which a table is walked would decide
// what becomes of a set that is made from it.
set-limits:
  1 set-max-intset-entries 0 set-max-listpack-entries 0
  2 set-max-intset-entries 2 set-max-listpack-entries 1
  2 set-max-intset-entries 3 set-max-listpack-entries 3
  2 set-max-intset-entries 6 set-max-listpack-entries 4
  2 set-max-intset-entries 512 set-max-listpack-entries 2
  2 set-max-intset-entries 512 set-max-listpack-entries 0
  2 set-max-intset-entries 512 set-max-listpack-entries 128
  1 set-max-intset-entries -1 set-max-listpack-entries 1
  1 set-max-intset-entries abc

set-key:
  6 s1
  6 s2
  4 s3
  1 <other-key>
  1 nosuch

member:
  4 a
  4 b
  3 c
  2 d
  1 e
  5 <small-integer>
  2 <value>
  1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg

limit-option:
  5 LIMIT <index>
  1 LIMIT
  1 nonsense

sscan-option:
  4 MATCH <member-pattern>
  3 COUNT 1000
  1 NOVALUES
  1 COUNT <small-integer>
  1 COUNT
  1 nonsense

member-pattern:
  4 *
  2 [a-c]
  1 1*
  1 ""

bad-pop:
  2 0
  2 -1
  1 abc
  1 9223372036854775808
"#;

pub const PICKS: &str = r#"
set-picks:
  2 SRANDMEMBER <set-key>
  4 SRANDMEMBER <set-key> <pick-count>
  2 SPOP <set-key>
  2 SPOP <set-key> <pop-some>

pop-some:
  4 1
  3 2
  2 3
  1 100
"#;

pub const FULL_SCAN: &str = r#"
set-scans:
  1 SSCAN <set-key> 0
  2 SSCAN <set-key> 0 COUNT 1
  1 SSCAN <set-key> 0 MATCH <member-pattern> COUNT 3
"#;
