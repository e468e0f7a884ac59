//! Transactions: MULTI to EXEC over interleaved connections, with lines of the other groups inside
//! and mistakes made while queueing.

pub const GRAMMAR: &str = r#"
transactions:
  22 MULTI
  20 EXEC
  5 DISCARD
  14 WATCH <key>+
  4 UNWATCH
  40 <strings>
  12 <bitmaps>
  4 <hyperloglogs>
  30 <keys>
  20 <hashes>
  15 <sets>
  15 <lists>
  15 <sorted-sets>
  2 <wait-short>
  6 SET <key> <value>
  6 INCR <key>
  3 RESET
  2 nosuchcommand <word>
  2 CLIENT nosuchsubcommand
  2 GET
"#;
