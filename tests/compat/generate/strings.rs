//! Strings: SET and its options in both dialects, counters, ranges, LCS, and the newer commands.

pub const GRAMMAR: &str = r#"
strings:
  20 SET <key> <value>
  30 SET <key> <value> <set-option>*
  20 GET <key>
  6 GET <counter>
  8 SET <counter> <small-integer>
  3 SET <counter> <random-integer>
  4 SET <counter> <random-float>
  6 SETNX <key> <value>
  6 SETEX <key> <seconds> <value>
  6 PSETEX <key> <milliseconds> <value>
  6 GETSET <key> <value>
  5 GETDEL <key>
  14 GETEX <key> <getex-option>*
  8 MGET <key>+
  5 MSET <pair>+
  5 MSETNX <pair>+
  6 MSETEX <pair-count> <pair>+ <msetex-option>*
  12 APPEND <key> <value>
  6 STRLEN <key>
  12 SETRANGE <key> <set-offset> <value>
  10 GETRANGE <key> <index> <index>
  4 SUBSTR <key> <index> <index>
  8 INCR <counter>
  8 DECR <counter>
  12 INCRBY <counter> <integer>
  10 DECRBY <counter> <integer>
  14 INCRBYFLOAT <counter> <float>
  14 LCS <key> <key> <lcs-option>*
  6 DELIFEQ <key> <value>
  8 DELEX <key> <delex-option>*
  4 DIGEST <key>
  10 INCREX <counter> <increx-option>*
  4 DEL <key>
  4 TTL <key>
  2 PERSIST <key>
  2 TYPE <key>
  4 OBJECT ENCODING <key>
  3 <other-type>

pair:
  1 <key> <value>

pair-count:
  5 1
  4 2
  2 3
  1 0
  1 <integer>

set-option:
  4 NX
  4 XX
  6 GET
  3 KEEPTTL
  3 <deadline>
  3 IFEQ <value>
  2 IFNE <value>
  2 IFDEQ <digest>
  2 IFDNE <digest>
  1 PERSIST
  1 nonsense
  1 ""

deadline:
  3 EX <seconds>
  3 PX <milliseconds>
  3 EXAT <unix-seconds>
  3 PXAT <unix-milliseconds>
  1 EX
  1 PXAT

getex-option:
  6 <deadline>
  3 PERSIST
  1 KEEPTTL
  1 NX
  1 nonsense

msetex-option:
  3 NX
  3 XX
  3 KEEPTTL
  4 <deadline>
  1 nonsense

digest:
  2 0123456789abcdef
  1 0123456789ABCDEF
  1 00
  1 not-a-hex-digest
  1 2d06800538d394c2

delex-option:
  3 IFEQ <value>
  3 IFNE <value>
  2 IFDEQ <digest>
  2 IFDNE <digest>
  1 nonsense

increx-option:
  4 BYINT <integer>
  4 BYFLOAT <float>
  2 SATURATE
  2 LBOUND <float>
  2 UBOUND <float>
  3 <deadline>
  2 PERSIST
  2 ENX
  1 nonsense

lcs-option:
  4 LEN
  5 IDX
  4 WITHMATCHLEN
  4 MINMATCHLEN <index>
  1 MINMATCHLEN
  1 nonsense

set-offset:
  5 0
  4 1
  3 5
  2 17
  1 300
  1 2000
  1 -1
  1 536870912
  1 9223372036854775807
  1 abc
"#;
