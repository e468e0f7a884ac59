//! Streams: entries by ids that are said, ranges from both sides, trimming, groups and what is pending.
//!
//! Ids come from the line, never from the clock.

pub const GRAMMAR: &str = r#"
streams:
  34 XADD <stream-key> <add-option>* <new-id> <stream-pair>+
  4 XLEN <stream-key>
  12 XRANGE <stream-key> <bound> <bound> <range-option>?
  8 XREVRANGE <stream-key> <bound> <bound> <range-option>?
  6 XRANGE <stream-key> - +
  8 XDEL <stream-key> <id>+
  5 XTRIM <stream-key> <trim-option>+
  2 XSETID <stream-key> <new-id> <setid-option>*
  8 XREAD <read-option>* STREAMS <stream-key> <read-id>
  4 XREAD <read-option>* STREAMS <stream-key> <stream-key> <read-id> <read-id>
  8 XGROUP CREATE <stream-key> <group> <group-id> <create-option>*
  3 XGROUP SETID <stream-key> <group> <group-id> <setid-read>?
  1 XGROUP DESTROY <stream-key> <group>
  3 XGROUP CREATECONSUMER <stream-key> <group> <consumer>
  2 XGROUP DELCONSUMER <stream-key> <group> <consumer>
  16 XREADGROUP GROUP <group> <consumer> <read-option>* STREAMS <stream-key> <group-read-id>
  4 XREADGROUP GROUP <group> <consumer> <read-option>* STREAMS <stream-key> <stream-key> <group-read-id> <group-read-id>
  10 XACK <stream-key> <group> <id>+
  8 XPENDING <stream-key> <group>
  1 XPENDING <stream-key> <group> IDLE 100000 - + 10
  5 XPENDING <stream-key> <group> <bound> <bound> <small-integer>
  3 XPENDING <stream-key> <group> - + 10 <consumer>
  8 XCLAIM <stream-key> <group> <consumer> <min-idle> <id>+ <claim-option>*
  6 XAUTOCLAIM <stream-key> <group> <consumer> <min-idle> <bound> <autoclaim-option>*
  6 XINFO GROUPS <stream-key>
  5 XINFO CONSUMERS <stream-key> <group>
  4 XINFO STREAM <stream-key>
  4 XINFO STREAM <stream-key> FULL
  1 XINFO STREAM <stream-key> FULL COUNT <small-integer>
  1 XINFO nonsense <stream-key>
  1 OBJECT ENCODING <stream-key>
  1 TYPE <stream-key>
  2 COPY <stream-key> <stream-key> REPLACE
  1 RENAME <stream-key> <stream-key>
  3 DEL <stream-key>
  1 SET <stream-key> <value>
  1 <other-type>

// Said once and then kept.
stream-limit:
  3 CONFIG SET stream-node-max-entries <node-entries>
  1 CONFIG SET stream-node-max-bytes <node-bytes>

node-entries:
  2 100
  3 2
  2 3
  1 0
  1 1

node-bytes:
  2 4096
  2 60
  1 100
  1 0

stream-key:
  12 s1
  8 s2
  1 <other-key>
  1 nosuch

stream-pair:
  6 a <value>
  3 b <item>
  1 <value> <value>

add-option:
  3 <trim-option>
  1 NOMKSTREAM

trim-option:
  4 MAXLEN <trim-how> <small-integer>
  3 MINID <trim-how> <id>
  2 MAXLEN <small-integer>
  1 MINID <id>
  1 MAXLEN ~ <small-integer> LIMIT <small-integer>
  1 LIMIT <small-integer>
  1 nonsense

trim-how:
  3 =
  5 ~

// Mostly above what is there.
new-id:
  6 <id-number><digit>-<digit>
  8 <id-number><digit>-*
  12 9<digit>-*
  3 <id-number><digit>
  1 <id>
  1 <integer>

id-number:
  2 1
  3 2
  4 3
  4 4
  4 5
  3 6
  2 7
  1 8
  1 9

id:
  8 <id-number><digit>-<digit>
  6 <id-number><digit>-0
  4 <id-number><digit>
  1 0-0
  1 18446744073709551615-18446744073709551615
  1 18446744073709551616-0
  1 1-
  1 -1
  1 abc
  1 ""

bound:
  8 <id>
  4 -
  4 +
  4 (<id-number><digit>-<digit>
  1 (-
  1 (18446744073709551615-18446744073709551615
  1 (0-0

range-option:
  6 COUNT <small-integer>
  1 COUNT <integer>
  1 COUNT
  1 nonsense

read-option:
  6 COUNT <small-integer>
  1 BLOCK 1
  1 BLOCK -1
  1 BLOCK abc
  1 NOACK
  1 nonsense

read-id:
  6 <id>
  4 0
  2 $
  2 +
  1 >

group-read-id:
  12 >
  4 0
  3 <id>
  1 $

group:
  6 g1
  4 g2
  1 nosuch

consumer:
  5 c1
  5 c2
  2 c3

group-id:
  4 0
  3 $
  4 <id>

create-option:
  4 MKSTREAM
  2 <setid-read>
  1 nonsense

setid-read:
  6 ENTRIESREAD 0
  4 ENTRIESREAD 1
  2 ENTRIESREAD 2
  1 ENTRIESREAD <small-integer>
  1 ENTRIESREAD -1

setid-option:
  2 ENTRIESADDED <small-integer>
  2 MAXDELETEDID <id>
  1 nonsense

min-idle:
  8 0
  2 100000
  1 -1
  1 abc

claim-option:
  4 JUSTID
  4 FORCE
  3 RETRYCOUNT <small-integer>
  2 LASTID <id>
  1 IDLE 0
  1 TIME 0
  1 nonsense

autoclaim-option:
  4 JUSTID
  4 COUNT <small-integer>
  1 COUNT 0
  1 nonsense
"#;
