//! Channels: who hears what, and keyspace events, which are messages too.

pub const GRAMMAR: &str = r#"
channels:
  10 SUBSCRIBE <channel>+
  8 PSUBSCRIBE <channel-pattern>+
  6 SSUBSCRIBE <channel>
  8 UNSUBSCRIBE <channel>*
  6 PUNSUBSCRIBE <channel-pattern>*
  5 SUNSUBSCRIBE <channel>*
  24 PUBLISH <channel> <value>
  8 SPUBLISH <channel> <value>
  5 PUBSUB CHANNELS <channel-pattern>?
  4 PUBSUB NUMSUB <channel>*
  3 PUBSUB NUMPAT
  3 PUBSUB SHARDCHANNELS <channel-pattern>?
  3 PUBSUB SHARDNUMSUB <channel>*
  1 PUBSUB <random-word>
  3 PING <value>?
  2 GET k1
  2 SET k1 <value>
  3 RESET
  1 SUBSCRIBE
  1 PUBLISH <channel>

channel:
  5 c1
  5 c2
  3 c3
  1 ""
  1 news.art
  1 line\x0d\x0aend

channel-pattern:
  4 *
  4 c*
  3 c[12]
  2 news.*
  1 ""
  1 nosuch*

// Written by one client while others listen to everything that happens.
events:
  6 CONFIG SET notify-keyspace-events <event-classes>
  8 PSUBSCRIBE __key*__:*
  2 PUNSUBSCRIBE
  1 PSUBSCRIBE __keyevent@0__:*
  30 <eventful>

event-classes:
  8 KEA
  3 KA
  3 EA
  3 KEAnm
  2 Kg$lshzx
  2 Eghl
  1 ""
  1 E
  1 AK$

eventful:
  4 SET <key> <value>
  2 SET <key> <value> EX 1000
  2 SETRANGE <key> <small-integer> <value>
  2 APPEND <key> <value>
  2 INCR <counter>
  2 INCRBYFLOAT <counter> 1.5
  2 GETDEL <key>
  2 GETEX <key> EX 1000
  2 GETEX <key> PERSIST
  2 GET <key>
  2 MSET <pair>+
  2 SETBIT <key> 7 1
  2 DEL <key>+
  2 UNLINK <key>
  2 EXPIRE <key> <seconds>
  2 EXPIRE <key> -1
  2 PERSIST <key>
  2 RENAME <key> <key>
  2 COPY <key> <key> REPLACE
  2 MOVE <key> 1
  3 RPUSH <list-key> <item>+
  3 LPUSH <list-key> <item>+
  3 LPOP <list-key> <pop-count>?
  3 RPOP <list-key>
  2 LSET <list-key> 0 <item>
  2 LINSERT <list-key> BEFORE a b
  2 LREM <list-key> 0 <item>
  2 LTRIM <list-key> <index> <index>
  2 LMOVE <list-key> <list-key> LEFT RIGHT
  2 LMPOP 1 <list-key> LEFT
  2 BLPOP <list-key> 0.001
  3 SADD <set-key> <member>+
  3 SREM <set-key> <member>+
  2 SMOVE <set-key> <set-key> <member>
  2 SPOP <set-key> 100
  2 SINTERSTORE <set-key> <set-key>+
  2 SUNIONSTORE <set-key> <set-key>+
  3 HSET <hash-key> <field> <value>
  3 HDEL <hash-key> <field>+
  2 HINCRBY <hash-key> n 1
  2 HINCRBYFLOAT <hash-key> n 1.5
  2 HSETNX <hash-key> <field> <value>
  3 ZADD <zset-key> <zadd-rule>? <small-integer> <member>
  2 ZINCRBY <zset-key> 1 <member>
  3 ZREM <zset-key> <member>+
  2 ZPOPMIN <zset-key> <pop-count>?
  2 ZMPOP 1 <zset-key> MIN
  2 ZUNIONSTORE <zset-key> 2 <zset-key> <zset-key>
  2 ZINTERSTORE <zset-key> 2 <zset-key> <zset-key>
  2 ZRANGESTORE <zset-key> <zset-key> 0 -1
  2 ZREMRANGEBYRANK <zset-key> 0 1
  2 ZREMRANGEBYSCORE <zset-key> -inf 3
  2 SORT <list-key> ALPHA STORE <list-key>
  1 FLUSHDB

zadd-rule:
  1 NX
  1 XX
  1 GT
  1 INCR
"#;
