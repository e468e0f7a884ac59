//! HyperLogLogs: what is counted, in both forms; and strings that are none, or that were changed.
//!
//! Strings that others wrote have keys of their own, and nothing is added to them: where opcodes are
//! wrong, each server notices at another moment.

pub const GRAMMAR: &str = r#"
hyperloglogs:
  30 PFADD <sketch> <element>*
  20 PFADD <sketch> <element> <element> <element> <element> <element> <element> <element> <element>
  20 PFCOUNT <sketch>
  12 PFCOUNT <sketch-or-other>+
  14 PFMERGE <sketch> <sketch-or-other>*
  10 GET <sketch>
  5 STRLEN <sketch>
  6 PFDEBUG ENCODING <sketch-or-other>
  6 PFDEBUG DECODE <sketch-or-other>
  3 PFDEBUG TODENSE <sketch-or-other>
  2 PFDEBUG <random-word> <sketch>
  1 PFDEBUG SIMD on
  6 CONFIG SET hll-sparse-max-bytes <sparse-limit>
  6 SET <written> <header><opcodes>
  4 SETRANGE <written> <sketch-offset> <opcodes>
  4 APPEND <written> <opcodes>
  2 GETRANGE <sketch> <index> <index>
  3 COPY <sketch> <sketch-or-other> REPLACE
  3 COPY <sketch> <written> REPLACE
  3 DEL <sketch-or-other>
  3 OBJECT ENCODING <sketch>
  2 EXPIRE <sketch> <seconds>
  2 TTL <sketch>
  1 SET <written> <value>
  2 <other-type>

sketch:
  3 p1
  3 p2
  2 p3
  1 <key>

sketch-or-other:
  5 <sketch>
  2 <written>
  1 <other-key>

written:
  1 w1
  1 w2

element:
  12 <small-integer>
  8 <integer>
  8 <random-bytes>
  4 <word>
  2 ""

sparse-limit:
  4 3000
  2 60
  2 100
  1 0
  1 20
  1 -1

header:
  8 HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80
  1 HYLL\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00
  1 HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80
  1 HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80
  1 HYLX\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80
  1 HYLL\x01

opcodes:
  4 \x7f\xff
  2 \x7f\xfe\x80
  2 \x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a
  1 \x7f\xff\x00
  1 \x7f\xfd\x83
  1 \x7f\xf0\x85\x0a\xff
  1 \x3f\x3f\xff
  1 <random-bytes>

sketch-offset:
  2 16
  1 17
  1 4
  1 0
  1 18
  1 40
"#;
