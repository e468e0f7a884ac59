//! Bitmaps: single bits, counts and searches over ranges, BITOP old and new, BITFIELD.

pub const GRAMMAR: &str = r#"
bitmaps:
  20 SETBIT <key> <bit-offset> <bit>
  14 GETBIT <key> <bit-offset>
  1 GETBIT <key> 4294967295
  24 BITCOUNT <key> <bit-range>?
  30 BITPOS <key> <bit> <bit-range>?
  30 BITOP <operation> <key> <key>+
  40 BITFIELD <key> <bitfield-step>*
  14 BITFIELD_RO <key> <bitfield-read>*
  12 SET <key> <bits>
  4 SET <key> <value>
  6 GET <key>
  4 STRLEN <key>
  3 DEL <key>
  3 SETRANGE <key> <set-offset> <bits>
  2 <other-type>

bit:
  10 0
  10 1
  1 2
  1 -1
  1 abc
  1 01
  1 ""

bits:
  2 \xff\xff\xff
  2 \x00\x00\x00
  2 \xff\xf0\x00
  2 \x00\x0f\xff
  1 \x01
  1 \x80
  1 \x00\xff\xf0
  1 \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff
  1 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00
  4 <random-bytes>

bit-offset:
  4 0
  3 1
  2 7
  2 8
  2 15
  2 23
  2 63
  2 100
  1 1000
  1 16385
  1 -1
  1 4294967296
  1 9223372036854775807
  1 18446744073709551616
  1 abc
  1 1.0

bit-range:
  3 <index>
  8 <index> <index>
  6 <index> <index> <unit>

unit:
  5 BIT
  5 BYTE
  1 BITS
  1 ""

operation:
  4 AND
  4 OR
  4 XOR
  4 NOT
  2 DIFF
  2 DIFF1
  2 ANDOR
  2 ONE
  1 NAND
  1 ""

bitfield-step:
  5 <bitfield-read>
  5 SET <encoding> <field-offset> <field-value>
  6 INCRBY <encoding> <field-offset> <field-value>
  4 OVERFLOW <overflow>
  1 SET <encoding> <field-offset>
  1 nonsense

bitfield-read:
  12 GET <encoding> <field-offset>
  1 GET <encoding>
  1 SET u8 0 1
  1 OVERFLOW SAT

overflow:
  4 WRAP
  4 SAT
  4 FAIL
  1 NONE

// The edges of the usual widths, from both sides.
field-value:
  12 <integer>
  1 127
  1 128
  1 -128
  1 -129
  1 255
  1 256
  1 -255
  1 32767
  1 65536
  1 2147483647
  1 2147483648
  1 -2147483648
  1 -2147483649
  1 4294967295
  1 4294967296
  1 4611686018427387904

encoding:
  4 u8
  4 i8
  3 u1
  2 i1
  2 u16
  2 i16
  2 u32
  2 i32
  3 u63
  3 i64
  2 u<width>
  2 i<width>
  1 u64
  1 i65
  1 u0
  1 x8
  1 u
  1 ""
  1 U8
  1 u08

width:
  1 2
  1 3
  1 5
  1 7
  1 9
  1 13
  1 31
  1 33
  1 47
  1 62

field-offset:
  4 0
  2 1
  2 7
  2 8
  2 63
  1 100
  3 #0
  3 #1
  2 #2
  1 #17
  1 #
  1 #-1
  1 -1
  1 4294967296
  1 #4294967296
  1 9223372036854775807
  1 #9223372036854775807
  1 abc
"#;
