//! Hashes, small and large, and the counters in their fields.

pub const GRAMMAR: &str = r#"
hashes:
  24 HSET <hash-key> <hash-pair>+
  6 HSET <hash-key> <hash-pair> <field-value> <field-value> <field-value>
  6 HMSET <hash-key> <hash-pair>+
  8 HSETNX <hash-key> <field> <value>
  12 HGET <hash-key> <field>
  10 HMGET <hash-key> <field>+
  8 HGETALL <hash-key>
  4 HKEYS <hash-key>
  4 HVALS <hash-key>
  6 HLEN <hash-key>
  5 HSTRLEN <hash-key> <field>
  5 HEXISTS <hash-key> <field>
  12 HDEL <hash-key> <field>+
  8 HGETDEL <hash-key> <fields-word> <field-count> <field>+
  10 HINCRBY <hash-key> <field> <integer>
  10 HINCRBYFLOAT <hash-key> <field> <float>
  4 HSET <hash-key> <field> <float>
  4 HSCAN <hash-key> 0 <hscan-option>*
  1 HSCAN <hash-key> <cursor> <hscan-option>*
  2 HRANDFIELD <hash-key> <bad-pick>*
  6 OBJECT ENCODING <hash-key>
  3 CONFIG SET hash-max-listpack-entries <tiny>
  2 CONFIG SET hash-max-listpack-value <tiny>
  4 DEL <hash-key>
  3 COPY <hash-key> <hash-key> REPLACE
  2 RENAME <hash-key> <hash-key>
  2 EXPIRE <hash-key> <seconds>
  2 TTL <hash-key>
  2 TYPE <hash-key>
  1 SET <hash-key> <value>
  2 <other-type>

hash-key:
  6 h1
  6 h2
  4 h3
  1 <other-key>
  1 nosuch

hash-pair:
  1 <field> <value>

field:
  5 f1
  5 f2
  4 f3
  3 f4
  2 f5
  2 f6
  2 n
  2 <small-integer>
  1 ""
  1 <random-word>
  1 f\x00\x0d\x0a
  1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg

fields-word:
  12 FIELDS
  1 nonsense

field-count:
  6 1
  4 2
  2 3
  1 <integer>

hscan-option:
  4 MATCH <field-pattern>
  3 COUNT 1000
  3 NOVALUES
  1 TYPE hash
  1 COUNT <small-integer>
  1 COUNT
  1 nonsense

field-pattern:
  4 *
  3 f*
  1 f[1-3]
  1 ?
  1 ""
  1 nosuch*

// Sizes at which a value is kept in another form.
tiny:
  2 0
  3 1
  3 2
  3 4
  2 10
  2 64
  2 512
  1 -1
  1 abc

// What nobody can pick.
bad-pick:
  2 0
  2 abc
  1 1.5
  1 -9223372036854775808
  1 9223372036854775808
  2 nonsense
"#;

/// What chance decides, and is held against what is there.
pub const PICKS: &str = r#"
hash-picks:
  2 HRANDFIELD <hash-key>
  4 HRANDFIELD <hash-key> <pick-count>
  4 HRANDFIELD <hash-key> <pick-count> WITHVALUES

pick-count:
  4 1
  4 2
  3 3
  2 5
  2 100
  3 -1
  3 -2
  2 -5
  1 -20
  1 0
"#;

pub const FULL_SCAN: &str = r#"
hash-scans:
  1 HSCAN <hash-key> 0
  2 HSCAN <hash-key> 0 COUNT 1
  1 HSCAN <hash-key> 0 COUNT 2 NOVALUES
  1 HSCAN <hash-key> 0 MATCH <field-pattern> COUNT 3
"#;
