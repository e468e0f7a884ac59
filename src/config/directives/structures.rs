//! The thresholds between small and large values; scripts; events.

use super::{INT, LONG, SIZE};
use crate::config::directive::{Directive, Follow, Home, at, fixed, live};
use crate::config::kind::Kind;

pub(super) const STRUCTURES: &[Directive] = &[
    live(
        "hash-max-listpack-entries",
        Kind::Number(0, LONG),
        "512",
        at!(hash_max_listpack_entries),
        "Fields up to which a hash is one packed block.",
    )
    .aka(&["hash-max-ziplist-entries"]),
    live(
        "hash-max-listpack-value",
        Kind::Memory(0, SIZE),
        "64",
        at!(hash_max_listpack_value),
        "Bytes of a field or value up to which it stays in that block.",
    )
    .aka(&["hash-max-ziplist-value"]),
    live(
        "list-max-listpack-size",
        Kind::Number(-INT - 1, INT),
        "-2",
        at!(list_max_listpack_size),
        "The size of a list's blocks: so many items, or -1 to -5 for 4, 8, 16, 32 or 64 kb.",
    )
    .aka(&["list-max-ziplist-size"]),
    live(
        "list-compress-depth",
        Kind::Number(0, INT),
        "0",
        Home::Idle("blocks are packed, and never compressed"),
        "Blocks at either end of a list that are not compressed; 0 compresses none.",
    ),
    live(
        "set-max-intset-entries",
        Kind::Number(0, LONG),
        "512",
        at!(set_max_intset_entries),
        "Members up to which a set of integers is one sorted block.",
    ),
    live(
        "set-max-listpack-entries",
        Kind::Number(0, LONG),
        "128",
        at!(set_max_listpack_entries),
        "Members up to which a set is one packed block.",
    ),
    live(
        "set-max-listpack-value",
        Kind::Number(0, LONG),
        "64",
        at!(set_max_listpack_value),
        "Bytes of a member up to which it stays in that block.",
    ),
    live(
        "zset-max-listpack-entries",
        Kind::Number(0, LONG),
        "128",
        at!(zset_max_listpack_entries),
        "Members up to which a sorted set is one packed block.",
    )
    .aka(&["zset-max-ziplist-entries"]),
    live(
        "zset-max-listpack-value",
        Kind::Memory(0, SIZE),
        "64",
        at!(zset_max_listpack_value),
        "Bytes of a member up to which it stays in that block.",
    )
    .aka(&["zset-max-ziplist-value"]),
    live(
        "hll-sparse-max-bytes",
        Kind::Memory(0, SIZE),
        "3000",
        at!(hll_sparse_max_bytes),
        "Bytes up to which a HyperLogLog has its sparse form.",
    ),
    live(
        "stream-node-max-bytes",
        Kind::Memory(0, SIZE),
        "4096",
        at!(stream_node_max_bytes),
        "Bytes of one block of a stream; 0 means no limit.",
    ),
    live(
        "stream-node-max-entries",
        Kind::Number(0, LONG),
        "100",
        at!(stream_node_max_entries),
        "Entries of one block of a stream; 0 means no limit.",
    ),
    live(
        "stream-idmp-duration",
        Kind::Number(1, 86_400),
        "100",
        at!(stream_idmp_duration),
        "Seconds for which a stream recognises an entry that is added twice.",
    ),
    live(
        "stream-idmp-maxsize",
        Kind::Number(1, 10_000),
        "100",
        at!(stream_idmp_maxsize),
        "Entries of each producer that a stream recognises when they are added twice.",
    ),
    fixed(
        "hash-seed",
        Kind::Text,
        "",
        Home::Idle("every process draws a seed of its own"),
        "The seed of the tables of keys.",
    )
    .hidden(),
];

pub(super) const SCRIPTS: &[Directive] = &[
    live(
        "busy-reply-threshold",
        Kind::Number(0, LONG),
        "5000",
        at!(busy_reply_threshold),
        "Milliseconds after which others are told that a script is running.",
    )
    .aka(&["lua-time-limit"]),
    live(
        "notify-keyspace-events",
        Kind::Events,
        "",
        at!(notify_keyspace_events),
        "The events to publish: K and E for the two kinds of channels, S, T, I and V for those that \
         tell the fields of hashes, then letters for the classes: g$lshzxetd, or A for all of \
         these, n for new keys, m for misses, o for values that are replaced and c for those that \
         are replaced by one of another type.",
    )
    .then(Follow::KeyspaceEvents),
];
