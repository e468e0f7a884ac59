//! Lists: both ends, indexes from both sides, moves between lists and from a list to itself.

pub const GRAMMAR: &str = r#"
lists:
  20 RPUSH <list-key> <item>+
  14 LPUSH <list-key> <item>+
  4 RPUSHX <list-key> <item>+
  4 LPUSHX <list-key> <item>+
  10 LPOP <list-key> <pop-count>?
  10 RPOP <list-key> <pop-count>?
  8 LLEN <list-key>
  16 LRANGE <list-key> <index> <index>
  6 LRANGE <list-key> 0 -1
  8 LINDEX <list-key> <index>
  8 LSET <list-key> <index> <item>
  10 LINSERT <list-key> <insert-where> <item> <item>
  8 LREM <list-key> <index> <item>
  6 LTRIM <list-key> <index> <index>
  12 LPOS <list-key> <item> <lpos-option>*
  6 RPOPLPUSH <list-key> <list-key>
  10 LMOVE <list-key> <list-key> <end> <end>
  8 LMPOP <key-count> <list-key>+ <end> <mpop-option>*
  6 OBJECT ENCODING <list-key>
  2 DEL <list-key>
  3 COPY <list-key> <list-key> REPLACE
  2 RENAME <list-key> <list-key>
  2 EXPIRE <list-key> <seconds>
  2 TTL <list-key>
  2 TYPE <list-key>
  1 SET <list-key> <value>
  2 <other-type>

// Said once and then kept, since the peers' lists remember the limit that they were made under.
list-limit:
  1 CONFIG SET list-max-listpack-size <list-size>

list-key:
  6 l1
  6 l2
  4 l3
  1 <other-key>
  1 nosuch

item:
  5 a
  5 b
  4 c
  2 d
  3 <small-integer>
  3 <value>
  1 x<random-word><random-word><random-word><random-word><random-word>

pop-count:
  4 1
  3 2
  2 5
  1 0
  1 -1
  1 100
  1 <integer>

insert-where:
  5 BEFORE
  5 AFTER
  1 nonsense

end:
  8 LEFT
  8 RIGHT
  1 nonsense

lpos-option:
  4 RANK <index>
  4 COUNT <index>
  3 MAXLEN <index>
  1 RANK
  1 nonsense

key-count:
  6 1
  4 2
  2 3
  1 0
  1 <integer>

mpop-option:
  6 COUNT <pop-count>
  1 COUNT
  1 nonsense

list-size:
  2 -2
  2 -1
  2 1
  3 2
  3 4
  1 0
  1 16
  1 -5
  1 abc
"#;
