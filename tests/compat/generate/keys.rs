//! Keys of any type over several databases: existence, names, deadlines, scans, introspection.

pub const GRAMMAR: &str = r#"
keys:
  24 SET <key> <value>
  6 SET <key> <value> <deadline>
  8 <other-type>
  8 GET <key>
  8 DEL <key>+
  5 UNLINK <key>+
  8 EXISTS <key>+
  8 TYPE <key>
  4 TOUCH <key>+
  10 RENAME <key> <key>
  8 RENAMENX <key> <key>
  16 COPY <key> <key> <copy-option>*
  10 MOVE <key> <db>
  3 SWAPDB <db> <db>
  12 SELECT <db>
  10 EXPIRE <key> <seconds> <expire-option>*
  10 PEXPIRE <key> <milliseconds> <expire-option>*
  10 EXPIREAT <key> <unix-seconds> <expire-option>*
  10 PEXPIREAT <key> <unix-milliseconds> <expire-option>*
  8 TTL <key>
  8 PTTL <key>
  8 EXPIRETIME <key>
  8 PEXPIRETIME <key>
  8 PERSIST <key>
  8 KEYS <pattern>
  4 SCAN 0 COUNT 1000 <scan-option>*
  2 SCAN <cursor> <scan-option>*
  1 RANDOMKEY nonsense
  6 DBSIZE
  1 FLUSHDB <flush-option>?
  1 FLUSHALL <flush-option>?
  8 OBJECT ENCODING <key>
  3 OBJECT REFCOUNT <key>
  3 OBJECT IDLETIME <key>
  3 OBJECT FREQ <key>
  1 OBJECT <random-word>
  2 DUMP nothing
  1 ECHO <value>
  1 PING <value>?

copy-option:
  4 REPLACE
  4 DB <db>
  1 DB
  1 nonsense

expire-option:
  4 NX
  4 XX
  4 GT
  4 LT
  1 nonsense

scan-option:
  4 MATCH <pattern>
  3 TYPE <type>
  1 COUNT 1000
  1 COUNT 0
  1 COUNT -1
  1 COUNT abc
  1 COUNT
  1 nonsense

type:
  3 string
  2 LIST
  2 set
  1 zset
  1 hash
  1 stream
  1 nonsense

cursor:
  1 abc
  1 -1
  1 18446744073709551616
  1 ""

flush-option:
  3 ASYNC
  3 SYNC
  1 nonsense
"#;

/// SCAN in small steps until the cursor is back at 0: what it finds on the way is compared.
pub const FULL_SCAN: &str = r#"
full-scan:
  1 COUNT 1
  1 COUNT 2
  1 COUNT 3 MATCH <pattern>
  1 MATCH <pattern>
  1 TYPE <type>
  1 COUNT 2 TYPE <type>
"#;
