//! A primary and its replicas.

use super::{INT, LONG, SIZE};
use crate::config::directive::{Directive, Follow, Home, at, fixed, live};
use crate::config::kind::Kind;

const NEEDS: Home = Home::Later("replication");

pub(super) const REPLICATION: &[Directive] = &[
    fixed(
        "replicaof",
        Kind::Primary,
        "",
        NEEDS,
        "The host and the port of the server to copy; the command REPLICAOF changes it.",
    )
    .aka(&["slaveof"]),
    live("masterauth", Kind::Secret, "", NEEDS, "The password to show to the primary.")
        .aka(&["primaryauth"])
        .secret(),
    live("masteruser", Kind::Secret, "", NEEDS, "The user to be at the primary.")
        .aka(&["primaryuser"])
        .secret(),
    live(
        "replica-serve-stale-data",
        Kind::Switch,
        "yes",
        NEEDS,
        "Answer from old data while the primary is out of reach.",
    )
    .aka(&["slave-serve-stale-data"]),
    live("replica-read-only", Kind::Switch, "yes", NEEDS, "Let a replica refuse writes.")
        .aka(&["slave-read-only"]),
    live(
        "replica-priority",
        Kind::Number(0, INT),
        "100",
        NEEDS,
        "Which replica to promote first: the lowest number, but never 0.",
    )
    .aka(&["slave-priority"]),
    live("replica-announced", Kind::Switch, "yes", NEEDS, "Let sentinels list this replica."),
    live("replica-announce-ip", Kind::Text, "", NEEDS, "The address a replica says it has.")
        .aka(&["slave-announce-ip"]),
    live(
        "replica-announce-port",
        Kind::Number(0, 65535),
        "0",
        NEEDS,
        "The port a replica says it has; 0 means its own.",
    )
    .aka(&["slave-announce-port"]),
    live("replica-ignore-maxmemory", Kind::Switch, "yes", NEEDS, "Leave eviction to the primary.")
        .aka(&["slave-ignore-maxmemory"]),
    live(
        "replica-ignore-disk-write-errors",
        Kind::Switch,
        "no",
        NEEDS,
        "Let a replica go on when it cannot write to its disk.",
    ),
    live(
        "replica-lazy-flush",
        Kind::Switch,
        "yes",
        NEEDS,
        "Free the old dataset in the background before a full synchronisation.",
    )
    .aka(&["slave-lazy-flush"])
    .because("that of Valkey: big values are never freed where clients wait"),
    live(
        "replica-full-sync-buffer-limit",
        Kind::Memory(0, SIZE),
        "0",
        NEEDS,
        "Bytes a replica may collect during a full synchronisation; 0 takes its output limit.",
    ),
    live(
        "min-replicas-to-write",
        Kind::Number(0, INT),
        "0",
        NEEDS,
        "Refuse writes with fewer replicas than this that are not late.",
    )
    .aka(&["min-slaves-to-write"])
    .then(Follow::GoodReplicas),
    live(
        "min-replicas-max-lag",
        Kind::Number(0, INT),
        "10",
        NEEDS,
        "Seconds of silence after which a replica is late.",
    )
    .aka(&["min-slaves-max-lag"])
    .then(Follow::GoodReplicas),
    live(
        "repl-backlog-size",
        Kind::MemoryAtLeast(16384, SIZE),
        "10485760",
        NEEDS,
        "Bytes of recent writes kept for replicas that come back.",
    )
    .then(Follow::ReplicationBacklog)
    .because("that of Valkey: with Redis' single megabyte a short break ends in a full copy"),
    live(
        "repl-backlog-ttl",
        Kind::Number(0, LONG),
        "3600",
        NEEDS,
        "Seconds without replicas after which those writes are dropped; 0 means never.",
    ),
    live(
        "repl-timeout",
        Kind::Number(1, INT),
        "60",
        NEEDS,
        "Seconds of silence after which a replication link is given up.",
    ),
    live(
        "repl-ping-replica-period",
        Kind::Number(1, INT),
        "10",
        NEEDS,
        "Seconds between the primary's pings.",
    )
    .aka(&["repl-ping-slave-period"]),
    live(
        "repl-disable-tcp-nodelay",
        Kind::Switch,
        "no",
        NEEDS,
        "Send to replicas in fewer, later packets.",
    ),
    fixed("repl-mptcp", Kind::Switch, "no", NEEDS, "Reach the primary by multipath TCP.").hidden(),
    live(
        "repl-diskless-sync",
        Kind::Switch,
        "yes",
        NEEDS,
        "Send snapshots to replicas without writing a file.",
    ),
    live(
        "repl-diskless-sync-delay",
        Kind::Number(0, INT),
        "5",
        NEEDS,
        "Seconds to wait for more replicas before such a snapshot.",
    ),
    live(
        "repl-diskless-sync-max-replicas",
        Kind::Number(0, INT),
        "0",
        NEEDS,
        "Replicas for which such a snapshot starts at once; 0 means it always waits.",
    ),
    live(
        "repl-diskless-load",
        Kind::Choice(&["disabled", "on-empty-db", "swapdb", "flush-before-load", "flushdb"]),
        "disabled",
        NEEDS,
        "How a replica takes a snapshot from the link without a file.",
    )
    .deny_loading(),
    live(
        "dual-channel-replication-enabled",
        Kind::Switch,
        "no",
        NEEDS,
        "Send snapshot and writes over two connections.",
    ),
    live(
        "import-mode",
        Kind::Switch,
        "no",
        at!(import_mode),
        "Leave expiry to the server that is being copied by other means.",
    )
    .then(Follow::ImportMode),
    live(
        "propagation-error-behavior",
        Kind::Choice(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
        NEEDS,
        "What to do when a replicated command fails.",
    ),
];
