//! What belongs to a connection: its protocol, name and database, and how mistakes are named.

pub const GRAMMAR: &str = r#"
connection:
  10 HELLO <hello-version>? <hello-option>*
  5 AUTH <random-word>
  3 AUTH default <random-word>
  4 AUTH <random-word> <random-word>
  8 SELECT <db>
  6 CLIENT SETNAME <client-name>
  8 CLIENT GETNAME
  6 CLIENT SETINFO <info-name> <client-name>
  3 CLIENT ID
  2 CLIENT REPLY <random-word>
  3 CLIENT NO-EVICT <switch>
  3 CLIENT NO-TOUCH <switch>
  2 CLIENT TRACKINGINFO
  3 CLIENT TRACKING <switch> <tracking-option>*
  2 CLIENT GETREDIR
  2 CLIENT CACHING <switch>
  2 CLIENT UNBLOCK <client-number> <unblock-how>?
  2 CLIENT KILL <kill-filter>*
  2 CLIENT LIST <list-filter>
  2 CLIENT <random-word> <value>*
  2 CLIENT
  4 RESET
  6 PING <value>?
  5 ECHO <value>
  2 READONLY
  2 READWRITE
  2 ASKING
  10 <unknown>
  4 <container> <unknown-word> <value>*
  5 COMMAND GETKEYS <strings>
  5 COMMAND GETKEYS <bitmaps>
  3 COMMAND GETKEYS <hyperloglogs>
  5 COMMAND GETKEYS <keys>
  4 COMMAND GETKEYS <hashes>
  4 COMMAND GETKEYS <lists>
  4 COMMAND GETKEYS <sets>
  6 COMMAND GETKEYS <sorted-sets>
  4 COMMAND GETKEYS <sort>
  3 COMMAND GETKEYS <wait-short>
  2 COMMAND GETKEYSANDFLAGS <strings>
  1 COMMAND GETKEYS
  1 COMMAND <random-word>
  1 COMMAND INFO <unknown-word>
  2 COMMAND LIST FILTERBY <list-by>
  2 LATENCY RESET <latency-event>*
  2 LATENCY HISTORY <latency-event>
  2 LATENCY GRAPH <latency-event>
  1 LATENCY LATEST
  1 LATENCY <random-word> <value>*
  2 OBJECT <random-word> <key>
  6 SET <key> <value>
  6 GET <key>
  2 <other-type>

hello-version:
  6 2
  6 3
  1 1
  1 4
  1 0
  1 abc
  1 ""
  1 9223372036854775807

hello-option:
  4 SETNAME <client-name>
  3 AUTH default <random-word>
  2 AUTH <random-word> <random-word>
  1 AUTH default
  1 SETNAME
  1 nonsense

latency-event:
  3 command
  2 fast-command
  1 nonsense

client-name:
  6 <random-word>
  1 two\x20words
  1 line\x0aend
  1 ""
  1 \xff\xfe
  1 ~!@#

info-name:
  4 LIB-NAME
  4 LIB-VER
  1 LIB-FOO

switch:
  4 ON
  4 OFF
  1 nonsense

tracking-option:
  2 BCAST
  2 OPTIN
  2 OPTOUT
  2 NOLOOP
  2 PREFIX <word>
  1 REDIRECT 999999
  1 REDIRECT abc
  1 nonsense

client-number:
  3 999999
  1 0
  1 -1
  1 abc

unblock-how:
  2 TIMEOUT
  2 ERROR
  1 nonsense

kill-filter:
  2 ID 999999
  1 ID abc
  1 ID 0
  1 TYPE nonsense
  1 ADDR 1.2.3.4:5
  1 USER nosuchuser
  1 SKIPME maybe
  1 MAXAGE abc
  1 1.2.3.4:5
  1 nonsense x

list-filter:
  2 TYPE nonsense
  2 ID 999999
  1 ID abc
  1 nonsense
  1 TYPE replica

unknown:
  4 <unknown-word> <value>*
  2 <unknown-word> <word> <long-word> <long-word> <word>
  1 <long-word> <word>

unknown-word:
  4 <random-word>x
  1 nosuch
  1 GETT
  1 ""
  1 line\x0d\x0aend
  1 \x00\xff
  1 get\x20k1

long-word:
  1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

container:
  2 CLIENT
  2 OBJECT
  2 COMMAND
  1 CONFIG
  1 MEMORY
  1 ACL
  1 SCRIPT
  1 XINFO
  1 PUBSUB

list-by:
  2 PATTERN getr*
  2 PATTERN nosuch*
  1 ACLCAT nosuch
  1 MODULE nosuch
  1 nonsense x
"#;
