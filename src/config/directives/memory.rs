//! How much memory there is, what goes when it is full, and how it is given back.

use super::{INT, LONG, SIZE};
use crate::config::directive::{Directive, Follow, Home, at, live};
use crate::config::kind::{Kind, Reason};
use crate::config::value::{MaxmemoryPolicy, Value};

pub(super) const MEMORY: &[Directive] = &[
    live(
        "maxmemory",
        Kind::MemoryOrShare,
        "0",
        at!(maxmemory),
        "Bytes of memory above which keys are evicted or writes refused; 0 means no limit. 80% is that share \
         of what the cgroup allows, or of the machine's memory.",
    )
    .then(Follow::MaxMemory),
    live(
        "maxmemory-policy",
        Kind::Choice(MaxmemoryPolicy::NAMES),
        "noeviction",
        at!(maxmemory_policy),
        "What makes room: nothing, any key, or only keys that expire; the least recently or least \
         frequently used, the least recently changed, those that expire soonest, or any.",
    )
    .then(Follow::MaxMemoryPolicy),
    live(
        "maxmemory-rule",
        Kind::Rules,
        "",
        at!(maxmemory_rule),
        "A policy, and a limit of their own, for keys that begin in some way, or for those of a database: \
         cache:* allkeys-lru 512mb, or db 3 volatile-ttl 0, where 0 is no limit but that of maxmemory. Any \
         number of lines; each adds a rule.",
    )
    .then(Follow::MaxMemoryPolicy),
    live(
        "maxmemory-samples",
        Kind::Number(1, 64),
        "5",
        at!(maxmemory_samples),
        "Keys to look at for each one that is evicted, at least; they lie together in buckets of up to seven.",
    ),
    live(
        "maxmemory-eviction-tenacity",
        Kind::Number(0, 100),
        "10",
        at!(maxmemory_eviction_tenacity),
        "How long to go on evicting before a command is served; 100 means as long as it takes.",
    ),
    live(
        "lfu-log-factor",
        Kind::Number(0, INT),
        "10",
        at!(lfu_log_factor),
        "How hard it is for the frequency counter of a key to grow.",
    ),
    live(
        "lfu-decay-time",
        Kind::Number(0, INT),
        "1",
        at!(lfu_decay_time),
        "Minutes after which the frequency counter of an unused key is lowered by one.",
    ),
    live(
        "key-memory-histograms",
        Kind::Switch,
        "no",
        at!(key_memory_histograms),
        "Count how much memory collections take, for INFO keysizes; on from the start, or never.",
    )
    .then(Follow::KeyMemory),
    live(
        "jemalloc-bg-thread",
        Kind::Switch,
        "yes",
        at!(jemalloc_bg_thread),
        "Give memory back to the system from a thread of its own.",
    )
    .then(Follow::AllocatorThread),
];

pub(super) const LAZY: &[Directive] = &[
    live(
        "active-expire-effort",
        Kind::Number(1, 10),
        "1",
        Home::Idle("every deadline is known, none has to be looked for"),
        "How much time may be spent on removing expired keys at once.",
    ),
    live(
        "lazyfree-lazy-eviction",
        Kind::Switch,
        "yes",
        at!(lazyfree_lazy_eviction),
        "Free what is evicted in the background if it is large, and tell the log of UNLINK instead of DEL.",
    )
    .because(OFF_THREAD),
    live(
        "lazyfree-lazy-expire",
        Kind::Switch,
        "yes",
        Home::Idle("large values are always freed in the background"),
        "Free what has expired in the background.",
    )
    .because(OFF_THREAD),
    live(
        "lazyfree-lazy-server-del",
        Kind::Switch,
        "yes",
        Home::Idle("large values are always freed in the background"),
        "Free what a command replaces in the background.",
    )
    .because(OFF_THREAD),
    live(
        "lazyfree-lazy-user-del",
        Kind::Switch,
        "yes",
        Home::Idle("large values are always freed in the background"),
        "Let DEL free in the background, as UNLINK does.",
    )
    .because(OFF_THREAD),
    live(
        "lazyfree-lazy-user-flush",
        Kind::Switch,
        "yes",
        Home::Idle("what is flushed is freed in the background, unless with SYNC"),
        "Let FLUSHALL and FLUSHDB free in the background unless they say SYNC.",
    )
    .because(OFF_THREAD),
];

const OFF_THREAD: &str = "that of Valkey: big values are never freed where clients wait";

const NEEDS: Home = Home::Idle(
    "there is no active defragmentation: the allocator's narrow size classes leave little to gain, and \
     MEMORY PURGE gives free pages back",
);

pub(super) const DEFRAG: &[Directive] = &[
    live("activedefrag", Kind::Switch, "no", NEEDS, "Move values together while the server runs.")
        .check(defrag),
    live(
        "active-defrag-ignore-bytes",
        Kind::Memory(1, SIZE),
        "104857600",
        NEEDS,
        "Wasted bytes below which nothing is moved.",
    ),
    live(
        "active-defrag-threshold-lower",
        Kind::Number(0, 1000),
        "10",
        NEEDS,
        "The percentage of waste at which moving starts.",
    ),
    live(
        "active-defrag-threshold-upper",
        Kind::Number(0, 1000),
        "100",
        NEEDS,
        "The percentage of waste at which the most is done.",
    ),
    live(
        "active-defrag-cycle-min",
        Kind::Number(1, 99),
        "1",
        NEEDS,
        "The least share of processor time, in percent.",
    ),
    live(
        "active-defrag-cycle-max",
        Kind::Number(1, 99),
        "25",
        NEEDS,
        "The largest share of processor time, in percent.",
    ),
    live(
        "active-defrag-cycle-us",
        Kind::Number(0, 100_000),
        "500",
        NEEDS,
        "Microseconds of one round of moving.",
    ),
    live(
        "active-defrag-max-scan-fields",
        Kind::Number(1, LONG),
        "1000",
        NEEDS,
        "Items above which a value is moved in several rounds.",
    ),
];

/// Programs ask for it to find out whether it can be had, so the answer must be an honest no.
fn defrag(value: &Value) -> Result<(), Reason> {
    if *value == Value::Switch(true) {
        return Err("Active defragmentation cannot be enabled: this server does not have it".into());
    }
    Ok(())
}
