//! SORT: lists, sets and sorted sets, by themselves or by what other keys say of their elements.

pub const GRAMMAR: &str = r#"
// What is equal by another key in the order of bytes comes in no particular order, but for lists.
sort:
  20 SORT <sortable> <sort-option>*
  7 SORT_RO <sortable> <sort-ro-option>*
  10 SORT <sortable> ALPHA <plain-option>*
  4 SORT_RO <sortable> ALPHA <plain-ro-option>*
  4 SORT l1 ALPHA <by> <get>*
  10 RPUSH <list-key> <number>+
  6 RPUSH <list-key> <item>+
  6 SADD <set-key> <number>+
  4 SADD <set-key> <word>+
  6 ZADD <zset-key> <small-integer> <number> <small-integer> <number>
  10 SET w_<number> <small-integer>
  4 SET w_<number> <value>
  8 HSET o_<number> f <small-integer>
  4 HSET o_<number> f <value>
  8 SET d_<number> <word>
  3 DEL w_<number>
  3 LRANGE <list-key> 0 -1
  3 DEL <sortable>
  2 TYPE <sortable>

sortable:
  6 <list-key>
  4 <set-key>
  4 <zset-key>

number:
  3 1
  3 2
  3 3
  2 10
  1 -1
  1 2.5
  1 20

sort-option:
  8 <sort-ro-option>
  3 STORE <list-key>

sort-ro-option:
  12 <plain-ro-option>
  6 <by>

plain-option:
  8 <plain-ro-option>
  3 STORE <list-key>

plain-ro-option:
  4 ASC
  4 DESC
  5 LIMIT <index> <index>
  6 <get>
  1 BY
  1 STORE
  1 LIMIT 1
  1 nonsense

by:
  4 BY w_*
  3 BY o_*->f
  2 BY nosort
  1 BY nosuch_*
  1 BY *

get:
  4 GET d_*
  3 GET #
  3 GET o_*->f
  1 GET nosuch_*
  1 GET d_*->
  1 GET *
"#;
