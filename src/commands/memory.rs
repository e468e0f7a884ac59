//! MEMORY: what a key takes, what the server takes, and what to think of it.

use crate::engine::command::{admin, container, read};
use crate::engine::scripting::Which;
use crate::engine::{Ctx, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, Group, LOADING, STALE, integer, key, key_at};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("MEMORY")
            .since("4.0.0")
            .complexity("Depends on subcommand.")
            .summary("Tells where memory goes."),
        read("MEMORY|USAGE", usage)
            .arity(-3)
            .keys(&[key_at(2, Access::ReadOnly, 0)])
            .since("4.0.0")
            .complexity("O(N), when N is the number of samples")
            .summary("Says how many bytes a key and its value take.")
            .args(&[key("key"), integer("count").after("SAMPLES").optional()]),
        admin("MEMORY|STATS", stats)
            .arity(2)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Lists what takes how much memory.")
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ]),
        admin("MEMORY|DOCTOR", doctor)
            .arity(2)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Says in words whether memory is used well.")
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ]),
        admin("MEMORY|MALLOC-STATS", malloc_stats)
            .arity(2)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Reports what the allocator says of itself.")
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ]),
        admin("MEMORY|PURGE", purge)
            .arity(2)
            .since("4.0.0")
            .complexity("Depends on how much memory is free but not given back")
            .summary("Gives free memory back to the system.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
        admin("MEMORY|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
    ],
};

/// SAMPLES is read and has no use: how much is in a large value is counted as it changes, so nothing
/// need be guessed from some of its elements.
fn usage(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut rest = args.after(2);
    while rest.left() > 0 {
        if !rest.take_word(b"SAMPLES") || (rest.left() > 0 && rest.int()? < 0) {
            return Err(Error::Syntax.into());
        }
    }
    if args.len().is_multiple_of(2) {
        // The last SAMPLES had no number.
        return Err(Error::Syntax.into());
    }
    match cx.keyspace.record(cx.db, args.get(2)) {
        Some(record) => out.int(cx.keyspace.db(cx.db).memory_of(record) as i64),
        None => out.null(),
    }
}

fn stats(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let books = Books::of(engine);
    let Books { used, peak, startup, overhead, dataset, keys, .. } = books;
    let memory = books.memory;
    let scripting = &engine.scripting;
    let vms = scripting.vm_memory(Which::Scripts) + scripting.vm_memory(Which::Functions);
    let mut map = out.map_of_some();
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let difference = |more: u64, less: u64| signed(more) - signed(less);

    for (name, bytes) in [
        ("peak.allocated", peak),
        ("total.allocated", used),
        ("startup.allocated", startup),
        ("replication.backlog", 0),
        ("replica.fullsync.buffer", 0),
        ("replicas.repl.buffer", 0),
        ("clients.slaves", 0),
        ("clients.normal", engine.clients_memory() as u64),
        ("cluster.links", 0),
        ("cluster.slot_import", 0),
        ("cluster.slot_export", 0),
        ("aof.buffer", engine.log_memory()),
        ("lua.caches", scripting.cache.memory() as u64),
        ("functions.caches", engine.functions.memory() as u64),
        ("script.VMs", vms as u64),
    ] {
        map.bulk(name.as_bytes());
        map.int(signed(bytes));
    }
    for index in 0..engine.keyspace.databases() {
        let db = engine.keyspace.db(index);
        if db.is_empty() {
            continue;
        }
        map.bulk(format!("db.{index}").as_bytes());
        let mut inner = map.map(2);
        inner.bulk(b"overhead.hashtable.main");
        inner.int(db.table().memory() as i64);
        inner.bulk(b"overhead.hashtable.expires");
        inner.int(db.deadlines_memory() as i64);
        inner.close();
    }
    for (name, amount) in [
        ("overhead.db.hashtable.lut", engine.keyspace_overhead() as i64),
        // Tables grow a piece at a time, so none is ever being moved to another.
        ("overhead.db.hashtable.rehashing", 0),
        ("overhead.total", signed(overhead)),
        ("db.dict.rehashing.count", 0),
        ("keys.count", signed(keys)),
        ("keys.bytes-per-key", signed(used.saturating_sub(startup).checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", signed(dataset)),
    ] {
        map.bulk(name.as_bytes());
        map.int(amount);
    }
    for (name, share) in [
        ("dataset.percentage", percent(dataset, used.saturating_sub(startup))),
        ("peak.percentage", percent(used, peak)),
    ] {
        map.bulk(name.as_bytes());
        map.double(share);
    }
    for (name, bytes) in [
        ("allocator.allocated", memory.allocated),
        ("allocator.active", memory.active),
        ("allocator.resident", memory.resident),
        ("allocator.muzzy", 0),
    ] {
        map.bulk(name.as_bytes());
        map.int(signed(bytes));
    }
    for (name, bytes_name, more, less) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            memory.active,
            memory.allocated,
        ),
        ("allocator-rss.ratio", "allocator-rss.bytes", memory.resident, memory.active),
        ("rss-overhead.ratio", "rss-overhead.bytes", memory.rss, memory.resident),
        ("fragmentation", "fragmentation.bytes", memory.rss, used),
    ] {
        map.bulk(name.as_bytes());
        map.double(ratio(more, less));
        map.bulk(bytes_name.as_bytes());
        map.int(difference(more, less));
    }
    map.end()
}

fn doctor(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    /// With less than this, everything but the data decides the ratios.
    const SMALL: u64 = 5 << 20;
    /// Less than this is lost in no time.
    const FRAGMENTS: u64 = 10 << 20;
    const SCRIPTS: usize = 1000;
    let books = Books::of(engine);
    if books.used < SMALL {
        return out.verbatim("txt", b"There is too little data to judge how memory is used.\n");
    }
    let mut text = String::new();
    let peak = ratio(books.peak, books.used);
    if peak > 1.5 {
        text += &format!(
            " * Once {peak:.1} times as much memory was in use as now. What the allocator has not \
             given back can be used again, or given back with MEMORY PURGE.\n"
        );
    }
    let fragmentation = ratio(books.memory.active, books.memory.allocated);
    if fragmentation > 1.1 && books.memory.active - books.memory.allocated > FRAGMENTS {
        text += &format!(
            " * The allocator's pages hold {fragmentation:.2} times what is in use: they are \
             fragmented, as happens when many values were removed or grew.\n"
        );
    }
    let resident = ratio(books.memory.rss, books.memory.active);
    if resident > 1.4 {
        text += &format!(
            " * The system counts {resident:.2} times what the allocator uses. MEMORY PURGE may \
             bring it down.\n"
        );
    }
    let per_client = engine.clients_memory() / engine.sessions.len().max(1);
    if per_client > 200 << 10 {
        text += &format!(
            " * Clients hold {} KiB each on average: some do not read their replies, or send \
             large requests.\n",
            per_client >> 10
        );
    }
    let scripts = engine.scripting.cache.len();
    if scripts > SCRIPTS {
        text += &format!(
            " * {scripts} scripts are cached. Whoever puts values into the text of a script has each of \
             them kept: KEYS and ARGV are for these.\n"
        );
    }
    match text.is_empty() {
        true => out.verbatim("txt", b"Memory is used well; there is nothing to report.\n"),
        false => out.verbatim("txt", text.as_bytes()),
    }
}

fn malloc_stats(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.verbatim("txt", engine.host.allocator_report().as_bytes())
}

fn purge(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.host.purge_memory();
    out.ok()
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "MEMORY",
        &[
            "DOCTOR",
            "    Say in words whether memory is used well.",
            "MALLOC-STATS",
            "    Report what the allocator says of itself.",
            "PURGE",
            "    Give free memory back to the system.",
            "STATS",
            "    List what takes how much memory.",
            "USAGE <key> [SAMPLES <count>]",
            "    Say how many bytes <key> and its value take.",
        ],
    )
}

/// The accounts that several answers draw on.
struct Books {
    memory: crate::world::host::Memory,
    used: u64,
    peak: u64,
    startup: u64,
    overhead: u64,
    dataset: u64,
    keys: u64,
}

impl Books {
    fn of(engine: &Engine) -> Books {
        let memory = engine.host.memory();
        let used = memory.allocated;
        let startup = engine.startup_memory;
        let overhead = startup + (engine.keyspace_overhead() + engine.clients_memory()) as u64;
        let databases = 0..engine.keyspace.databases();
        Books {
            memory,
            used,
            peak: engine.stats.peak_memory.max(used),
            startup,
            overhead,
            dataset: used.saturating_sub(overhead),
            keys: databases.map(|db| engine.keyspace.db(db).len() as u64).sum(),
        }
    }
}

fn ratio(over: u64, under: u64) -> f64 {
    over as f64 / under.max(1) as f64
}

fn percent(part: u64, whole: u64) -> f64 {
    ratio(part, whole) * 100.0
}
