//! What all groups share: keys from a small pool, values of every sort, numbers at every edge.
//!
//! Expiry is either long past or far away and never repeated, so that no reply depends on which
//! server was a millisecond faster. Numbers of 24 to 33 bits are left out where an offset could
//! be: they would ask for a string of hundreds of megabytes.

pub const GRAMMAR: &str = r#"
key:
  6 k1
  6 k2
  6 k3
  4 k4
  3 k5
  1 n1
  2 <other-key>
  1 {tag}k
  1 nothing\x00here
  1 ""

// Keys that hold a number more often than not.
counter:
  5 n1
  5 n2
  2 <key>

// Keys that hold another type more often than not.
other-key:
  2 list
  2 set
  2 hash
  2 zset
  1 stream

pattern:
  5 *
  2 k*
  1 k?
  1 k[1-3]
  1 k[^1]
  1 k[3-1]
  1 [a-z]*
  1 *\x00*
  1 k\x5c1
  1 k[
  1 k[1
  1 ""
  1 k1
  1 **1

value:
  4 <integer>
  4 <word>
  2 <random-bytes>
  2 <float>
  1 ""
  1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee
  1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee

word:
  2 a
  2 hello
  2 foobar
  1 mytext
  1 ohmytext
  1 \xff\xf0\x00
  1 \xff\xff\xff\xff
  1 \x00\x00\x00
  1 \x22quoted\x22
  1 line\x0d\x0aend
  2 <random-word>

integer:
  8 <small-integer>
  4 <random-integer>
  3 <integer-edge>

small-integer:
  3 0
  4 1
  2 2
  2 3
  2 10
  2 -1
  2 -2
  1 -5
  1 100
  1 9999
  1 10000

integer-edge:
  2 9223372036854775807
  1 9223372036854775806
  2 -9223372036854775808
  1 -9223372036854775807
  1 9223372036854775808
  1 -9223372036854775809
  1 18446744073709551615
  1 99999999999999999999999
  1 +1
  1 01
  1 -0
  1 00
  1 \x201
  1 1\x20
  1 1.0
  1 1e3
  1 0x10
  1 -
  1 ""
  1 abc

float:
  4 <random-float>
  2 <integer>
  2 <float-edge>

float-edge:
  1 0.1
  1 -0.0
  1 3.0e3
  1 1e-17
  1 1e17
  1 1e300
  1 1e308
  1 -1e308
  1 1.7976931348623157e308
  1 4.9e-324
  1 inf
  1 -inf
  1 +inf
  1 nan
  1 1e5000
  1 0x1p3
  1 .5
  1 5.
  1 \x201.5
  1 1.5\x20
  1 1.5abc
  1 17179869184.5
  1 0.30000000000000004
  1 123456789.123456789123456789

// A place in a value; reading may ask for any.
index:
  6 <small-integer>
  1 <random-integer>
  1 <integer-edge>

seconds:
  8 <far-seconds>
  1 <bad-span>

milliseconds:
  8 <far-milliseconds>
  1 <bad-span>

bad-span:
  2 0
  2 -1
  1 -100
  1 9223372036854775807
  1 9223372036854775
  1 9223372036854776
  1 -9223372036854775808
  1 92233720368547758070
  1 1.5
  1 abc
  1 ""

unix-seconds:
  5 4<far-digits>
  2 <past-seconds>
  1 <bad-span>

unix-milliseconds:
  5 4<far-digits>000
  2 <past-seconds>
  1 <bad-span>

// Nine digits behind a four: the years 2096 to 2128.
far-digits:
  1 <digit><digit><digit><digit><digit><digit><digit><digit><digit>

digit:
  1 0
  1 1
  1 2
  1 3
  1 4
  1 5
  1 6
  1 7
  1 8
  1 9

past-seconds:
  1 1
  1 1000
  1 1000000000

db:
  5 0
  4 1
  3 2
  1 15
  1 16
  1 -1
  1 abc
  1 ""
  1 99999999999

// A value of another type, for commands to refuse.
other-type:
  2 LPUSH list a b c
  2 SADD set a 1
  2 HSET hash f v
  2 ZADD zset 1 a 2 b
  1 XADD stream 1-1 f v
  3 LPUSH <key> a
  2 HSET <key> f v
  2 DEL <other-key>
"#;
