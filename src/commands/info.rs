//! INFO: the server's state as text, in sections. Monitors, client libraries and people read it,
//! so fields have Redis' names, units and order; a field whose feature is not there yet is left
//! out, unless its zero is the truth.

use crate::base::memory_size::size_class;
use crate::config::percentile;
use crate::data::Type;
use crate::engine::command::admin;
use crate::engine::persistence::{AofState, Purpose};
use crate::engine::pubsub::Space;
use crate::engine::scripting::Which;
use crate::engine::stats::IoThread;
use crate::engine::{Engine, Family, SessionKey};
use crate::resp::{Args, Done, Reply};
use crate::spec::{C_DANGEROUS, Group, LOADING, STALE, string};
use std::fmt::Write;

/// The version of Redis whose commands and replies this server has.
pub use crate::engine::REDIS_VERSION;

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[admin("INFO", info)
        .arity(-1)
        .flags(LOADING | STALE)
        .categories(C_DANGEROUS)
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Returns information and statistics about the server.")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .args(&[string("section").optional().repeats()])],
};

/// A section: its name as INFO takes it, whether INFO shows it unasked, and what writes it.
struct Section {
    name: &'static str,
    heading: &'static str,
    shown: Shown,
    write: fn(&Engine, &mut String),
}

/// Who gets to see a section without asking for it by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// Those who ask for `all` or `everything`.
    ToAll,
    Never,
}
use Shown::{Always, Never, ToAll};

const SECTIONS: &[Section] = &[
    section("server", "Server", Always, server),
    section("tls", "TLS", Always, tls),
    section("clients", "Clients", Always, clients),
    section("memory", "Memory", Always, memory),
    section("persistence", "Persistence", Always, persistence),
    section("threads", "Threads", Always, threads),
    section("stats", "Stats", Always, stats),
    section("replication", "Replication", Always, replication),
    section("cpu", "CPU", Always, cpu),
    section("modules", "Modules", Always, |_, _| ()),
    section("commandstats", "Commandstats", ToAll, commandstats),
    section("errorstats", "Errorstats", Always, errorstats),
    section("latencystats", "Latencystats", ToAll, latencystats),
    section("cluster", "Cluster", Always, |_, text| field(text, "cluster_enabled", 0)),
    section("keyspace", "Keyspace", Always, keyspace),
    section("keysizes", "Keysizes", Always, keysizes),
    section("hotkeys", "Hotkeys", ToAll, hotkeys),
    section("scriptingengines", "Scripting Engines", ToAll, scripting_engines),
    section("threadcpu", "Threadcpu", ToAll, thread_cpu),
    section("debug", "Debug", Never, debug),
];

const fn section(
    name: &'static str,
    heading: &'static str,
    shown: Shown,
    write: fn(&Engine, &mut String),
) -> Section {
    Section { name, heading, shown, write }
}

fn info(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.verbatim("txt", report(engine, args.tail(1)).as_bytes())
}

/// The sections asked for, each once, in the order of the manual.
pub fn report(engine: &Engine, asked: Args) -> String {
    let is = |section: &Section, word: &[u8]| {
        let says = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match section.shown {
            Always | ToAll if says("all") || says("everything") => true,
            Always if says("default") => true,
            _ => says(section.name) || (section.name == "modules" && says("module_list")),
        }
    };
    let mut text = String::with_capacity(8 * 1024);
    for section in SECTIONS {
        let wanted = match asked.is_empty() {
            true => section.shown == Always,
            false => asked.iter().any(|word| is(section, word)),
        };
        if !wanted {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {}\r\n", section.heading);
        (section.write)(engine, &mut text);
    }
    text
}

fn field(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(text, "{name}:{value}\r\n");
}

fn server(engine: &Engine, text: &mut String) {
    let (facts, config) = (engine.host.facts(), &engine.config);
    let uptime = engine.now.mono_us.saturating_sub(engine.started.mono_us) / 1_000_000;
    field(text, "redis_version", REDIS_VERSION);
    field(text, "redis_git_sha1", "00000000");
    field(text, "redis_git_dirty", 0);
    field(text, "redis_build_id", "0");
    field(text, "redis_mode", "standalone");
    field(text, "server_mode", "standalone");
    field(text, "russet_version", env!("CARGO_PKG_VERSION"));
    field(text, "os", &facts.os);
    field(text, "arch_bits", usize::BITS);
    field(text, "monotonic_clock", "POSIX clock_gettime");
    field(text, "multiplexing_api", "epoll");
    field(text, "process_id", facts.pid);
    field(text, "process_supervised", &facts.supervised);
    field(text, "run_id", &facts.run_id);
    let port = if config.port == 0 { config.tls_port } else { config.port };
    field(text, "tcp_port", port);
    field(text, "server_time_usec", engine.now.wall_us);
    field(text, "uptime_in_seconds", uptime);
    field(text, "uptime_in_days", uptime / 86_400);
    let hz = setting(engine, "hz");
    field(text, "hz", &hz);
    field(text, "configured_hz", &hz);
    field(text, "clients_hz", &hz);
    field(text, "lru_clock", engine.now.wall_us.div_euclid(1_000_000) & 0xff_ffff);
    field(text, "executable", &facts.executable);
    field(text, "config_file", &facts.config_file);
    field(text, "io_threads_active", (config.io_threads > 1) as u8);
    let zone = String::from_utf8_lossy(&config.availability_zone);
    field(text, "availability_zone", zone);
    let binds: String = config.bind.iter().map(|addr| format!("bind={addr},")).collect();
    // Each kind has its number, whichever of them there are.
    if config.port != 0 {
        field(text, "listener0", format_args!("name=tcp,{binds}port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        field(text, "listener1", format_args!("name=unix,bind={}", config.unixsocket));
    }
    if config.tls_port != 0 {
        field(text, "listener2", format_args!("name=tls,{binds}port={}", config.tls_port));
    }
}

fn clients(engine: &Engine, text: &mut String) {
    let sessions = || engine.sessions.iter();
    let watching = sessions().filter(|session| !session.watched.is_empty()).count();
    let (input, output) = engine.recent_peaks.largest(engine.now.mono_us);
    field(text, "connected_clients", engine.sessions.len());
    field(text, "cluster_connections", 0);
    field(text, "maxclients", engine.config.maxclients);
    field(text, "client_recent_max_input_buffer", input);
    field(text, "client_recent_max_output_buffer", output);
    // A client whose request CLIENT PAUSE put off is blocked as far as it can tell.
    field(
        text,
        "blocked_clients",
        sessions().filter(|it| it.postponed || it.blocked.is_some()).count(),
    );
    field(text, "tracking_clients", engine.trackers.clients());
    field(text, "pubsub_clients", engine.pubsub.clients());
    field(text, "watching_clients", watching);
    field(text, "clients_in_timeout_table", engine.waiters.timed());
    field(text, "total_watched_keys", engine.watchers.len());
    field(text, "total_blocking_keys", engine.waiters.keys());
    field(text, "total_blocking_keys_on_nokey", engine.keys_that_may_be_lost());
    let (reason, actions, left) = match engine.pause_state() {
        None => ("none", "none", 0),
        Some((pause, left)) => ("client_pause", if pause.all { "all" } else { "write" }, left),
    };
    field(text, "paused_reason", reason);
    field(text, "paused_actions", actions);
    field(text, "paused_timeout_milliseconds", left);
}

fn memory(engine: &Engine, text: &mut String) {
    let mut memory = engine.host.memory();
    // What the text takes is no part of what it tells.
    memory.allocated = memory.allocated.saturating_sub(size_class(text.capacity()) as u64);
    let used = memory.allocated;
    let peak = engine.stats.peak_memory.max(used);
    let startup = engine.startup_memory;
    let overhead = startup + engine.keyspace_overhead() as u64 + engine.clients_memory() as u64;
    let dataset = used.saturating_sub(overhead);
    let ratio = |over: u64, under: u64| over as f64 / under.max(1) as f64;
    let percent = |part: u64, whole: u64| ratio(part, whole) * 100.0;
    let mut both = |name: &str, bytes: u64| {
        field(text, name, bytes);
        field(text, &format!("{name}_human"), human(bytes));
    };
    both("used_memory", used);
    both("used_memory_rss", memory.rss);
    both("used_memory_peak", peak);
    field(text, "used_memory_peak_time", engine.stats.peak_memory_time);
    field(text, "used_memory_peak_perc", format_args!("{:.2}%", percent(used, peak)));
    field(text, "used_memory_overhead", overhead);
    field(text, "used_memory_startup", startup);
    field(text, "used_memory_dataset", dataset);
    let net = used.saturating_sub(startup);
    field(text, "used_memory_dataset_perc", format_args!("{:.2}%", percent(dataset, net)));
    field(text, "allocator_allocated", memory.allocated);
    field(text, "allocator_active", memory.active);
    field(text, "allocator_resident", memory.resident);
    field(text, "allocator_muzzy", 0);
    field(text, "total_system_memory", memory.system);
    field(text, "total_system_memory_human", human(memory.system));
    let scripting = &engine.scripting;
    let vm = scripting.vm_memory(Which::Scripts) as u64;
    let functions_vm = scripting.vm_memory(Which::Functions) as u64;
    let scripts = scripting.cache.memory() as u64;
    let functions = engine.functions.memory() as u64;
    for (name, value, also_human) in [
        ("used_memory_lua", vm, true),
        ("used_memory_vm_eval", vm, false),
        ("used_memory_scripts_eval", scripts, false),
        ("number_of_cached_scripts", scripting.cache.len() as u64, false),
        ("number_of_functions", engine.functions.count() as u64, false),
        ("number_of_libraries", engine.functions.libraries().len() as u64, false),
        ("used_memory_vm_functions", functions_vm, false),
        ("used_memory_vm_total", vm + functions_vm, true),
        ("used_memory_functions", functions, false),
        ("used_memory_scripts", scripts + functions, true),
    ] {
        field(text, name, value);
        if also_human {
            field(text, &format!("{name}_human"), human(value));
        }
    }
    field(text, "maxmemory", engine.room.limit);
    field(text, "maxmemory_human", human(engine.room.limit));
    field(text, "maxmemory_policy", engine.config.maxmemory_policy.name());
    if let Some(rules) = engine.keyspace.rules() {
        let is_counted = !engine.keyspace.counts_rules() as u8;
        for (at, rule) in rules.list.iter().enumerate() {
            let (sum, evicted) = (rules.sum(at), engine.keyspace.eviction.evicted_of(at));
            field(
                text,
                &format!("maxmemory_rule_{at}"),
                format_args!(
                    "keys={},policy={},limit={},bytes={},count={},evicted={evicted},counted={is_counted}",
                    String::from_utf8_lossy(&rule.keys()),
                    rule.policy.name(),
                    rule.limit,
                    sum.bytes,
                    sum.keys,
                ),
            );
        }
    }
    let frag = memory.active.saturating_sub(memory.allocated);
    field(
        text,
        "allocator_frag_ratio",
        format_args!("{:.2}", ratio(memory.active, memory.allocated)),
    );
    field(text, "allocator_frag_bytes", frag);
    field(
        text,
        "allocator_rss_ratio",
        format_args!("{:.2}", ratio(memory.resident, memory.active)),
    );
    field(text, "allocator_rss_bytes", memory.resident.saturating_sub(memory.active));
    field(text, "rss_overhead_ratio", format_args!("{:.2}", ratio(memory.rss, memory.resident)));
    field(text, "rss_overhead_bytes", memory.rss as i64 - memory.resident as i64);
    field(text, "mem_fragmentation_ratio", format_args!("{:.2}", ratio(memory.rss, used)));
    field(text, "mem_fragmentation_bytes", memory.rss as i64 - used as i64);
    field(text, "mem_not_counted_for_evict", engine.not_counted());
    field(text, "mem_replication_backlog", 0);
    field(text, "mem_total_replication_buffers", 0);
    field(text, "mem_replica_full_sync_buffer", 0);
    field(text, "mem_replicas_repl_buffer", 0);
    field(text, "mem_clients_slaves", 0);
    field(text, "mem_clients_normal", engine.clients_memory());
    field(text, "mem_cluster_links", 0);
    field(text, "mem_cluster_slot_import", 0);
    field(text, "mem_cluster_slot_export", 0);
    field(text, "mem_aof_buffer", engine.log_memory());
    let databases = (0..engine.keyspace.databases()).map(|db| engine.keyspace.db(db));
    let indexes: usize = databases.map(|db| db.deadlines_memory()).sum();
    field(text, "expires_index_bytes", indexes);
    field(text, "mem_allocator", "jemalloc-5.3.0");
    // Tables grow a piece at a time, so none is ever being moved to another.
    field(text, "mem_overhead_db_hashtable_rehashing", 0);
    field(text, "active_defrag_running", 0);
    let pending = engine.host.pending_frees();
    field(text, "lazyfree_pending_objects", pending);
    // Those that wait are among them: whoever flushed and asks finds all that he gave away.
    field(text, "lazyfreed_objects", engine.stats.given_away);
}

fn persistence(engine: &Engine, text: &mut String) {
    let persistence = &engine.persistence;
    let (rdb, aof) = (&persistence.rdb, &persistence.aof);
    let ok = |is_ok: bool| if is_ok { "ok" } else { "err" };
    let or_never = |seconds: Option<u64>| seconds.map_or(-1, |seconds| seconds as i64);
    let since = |purpose: Purpose| {
        let snapshot = persistence.snapshot.as_ref().filter(|it| it.purpose == purpose);
        let passed = |began_us| engine.now.mono_us.saturating_sub(began_us) / 1_000_000;
        or_never(snapshot.map(|snapshot| passed(snapshot.began_us)))
    };
    let (passed, all) = match persistence.snapshot {
        Some(_) => engine.keyspace.walk_progress(),
        None => (0, 0),
    };
    let copied = match persistence.snapshot {
        Some(_) => engine.keyspace.copied_for_walk(),
        None => 0,
    };
    field(text, "loading", persistence.loading.is_some() as u8);
    field(text, "async_loading", 0);
    field(text, "current_cow_peak", copied);
    field(text, "current_cow_size", copied);
    field(text, "current_cow_size_age", 0);
    let percent = if all == 0 { 0.0 } else { passed as f64 * 100.0 / all as f64 };
    field(text, "current_fork_perc", format_args!("{percent:.2}"));
    field(text, "current_save_keys_processed", passed);
    field(text, "current_save_keys_total", all);
    field(text, "rdb_changes_since_last_save", engine.unsaved_changes());
    field(text, "rdb_bgsave_in_progress", persistence.is_taking(Purpose::Save) as u8);
    field(text, "rdb_last_save_time", rdb.last_save);
    field(text, "rdb_last_bgsave_status", ok(rdb.last_ok));
    field(text, "rdb_last_bgsave_time_sec", or_never(rdb.last_seconds));
    field(text, "rdb_current_bgsave_time_sec", since(Purpose::Save));
    field(text, "rdb_saves", rdb.saves);
    field(text, "rdb_last_cow_size", rdb.last_extra_bytes);
    field(text, "rdb_last_load_keys_expired", rdb.loaded_expired);
    field(text, "rdb_last_load_keys_loaded", rdb.loaded_keys);
    field(text, "aof_enabled", engine.config.appendonly as u8);
    field(text, "aof_rewrite_in_progress", persistence.is_taking(Purpose::Rewrite) as u8);
    field(text, "aof_rewrite_scheduled", persistence.rewrite_scheduled as u8);
    field(text, "aof_last_rewrite_time_sec", or_never(aof.last_rewrite_seconds));
    field(text, "aof_current_rewrite_time_sec", since(Purpose::Rewrite));
    field(text, "aof_last_bgrewrite_status", ok(aof.last_rewrite_ok));
    field(text, "aof_rewrites", aof.rewrites);
    field(text, "aof_rewrites_consecutive_failures", aof.failures);
    field(text, "aof_last_write_status", ok(aof.broken.is_none()));
    field(text, "aof_last_cow_size", aof.last_extra_bytes);
    field(text, "module_fork_in_progress", 0);
    field(text, "module_fork_last_cow_size", 0);
    field(text, "slot_migration_fork_in_progress", 0);
    if aof.state != AofState::Off {
        let sizes = aof.progress.sizes();
        field(text, "aof_current_size", sizes.size);
        field(text, "aof_base_size", sizes.base);
        field(text, "aof_pending_rewrite", 0);
        field(text, "aof_buffer_length", sizes.buffered);
        field(
            text,
            "aof_pending_bio_fsync",
            (engine.effects.offset() > aof.progress.durable()) as u8,
        );
        field(text, "aof_delayed_fsync", sizes.delayed_syncs);
    }
    if let Some(loading) = &persistence.loading {
        let seconds = engine.now_seconds() - loading.began;
        let (total, loaded) = (loading.total_bytes, loading.loaded_bytes);
        let percent = if total == 0 { 0.0 } else { loaded as f64 * 100.0 / total as f64 };
        let eta = match loaded {
            0 => 1,
            _ => (seconds as f64 * total.saturating_sub(loaded) as f64 / loaded as f64) as i64,
        };
        field(text, "loading_start_time", loading.began);
        field(text, "loading_total_bytes", total);
        field(text, "loading_rdb_used_mem", loading.used_memory);
        field(text, "loading_loaded_bytes", loaded);
        field(text, "loading_loaded_perc", format_args!("{percent:.2}"));
        field(text, "loading_eta_seconds", eta);
    }
}

fn threads(engine: &Engine, text: &mut String) {
    let mut clients = vec![0; engine.stats.threads.len()];
    engine.sessions.iter().for_each(|session| clients[session.thread] += 1);
    for (number, (thread, clients)) in engine.stats.threads.iter().zip(clients).enumerate() {
        let (reads, writes) = (thread.reads, thread.writes);
        field(
            text,
            &format!("io_thread_{number}"),
            format_args!("clients={clients},reads={reads},writes={writes}"),
        );
    }
}

fn stats(engine: &Engine, text: &mut String) {
    let (stats, counters) = (&engine.stats, &engine.keyspace.counters);
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    let cycles = &stats.cycles;
    field(text, "total_connections_received", stats.connections);
    field(text, "total_commands_processed", stats.processed);
    field(text, "instantaneous_ops_per_sec", stats.instant.commands_per_second());
    field(text, "total_net_input_bytes", stats.net_in);
    field(text, "total_net_output_bytes", stats.net_out);
    field(text, "total_net_repl_input_bytes", 0);
    field(text, "total_net_repl_output_bytes", 0);
    field(text, "total_net_cluster_slot_import_bytes", 0);
    field(text, "total_net_cluster_slot_export_bytes", 0);
    field(text, "instantaneous_input_kbps", kbps(stats.instant.net_in_per_second()));
    field(text, "instantaneous_output_kbps", kbps(stats.instant.net_out_per_second()));
    field(text, "instantaneous_input_repl_kbps", "0.00");
    field(text, "instantaneous_output_repl_kbps", "0.00");
    field(text, "rejected_connections", stats.rejected_connections);
    field(text, "sync_full", 0);
    field(text, "sync_partial_ok", 0);
    field(text, "sync_partial_err", 0);
    // Elements of all types that expired: Redis has one name for fields, Valkey the other.
    field(text, "expired_subkeys", counters.expired_elements);
    field(text, "expired_fields", counters.expired_elements);
    field(text, "expired_keys", counters.expired);
    // Every key that is due is known, so none is ever stale by a sample.
    field(text, "expired_stale_perc", "0.00");
    field(text, "expired_keys_with_volatile_items_stale_perc", "0.00");
    field(text, "expired_time_cap_reached_count", 0);
    field(text, "expire_cycle_cpu_milliseconds", stats.expire_micros / 1000);
    // Ours: how late keys were removed that nobody had read since they fell due.
    let lateness = &engine.keyspace.lateness;
    field(text, "expired_lateness_ms_p50", lateness.percentile_ms(50.0));
    field(text, "expired_lateness_ms_p99", lateness.percentile_ms(99.0));
    field(text, "expired_lateness_ms_max", lateness.max_ms);
    field(text, "evicted_keys", counters.evicted);
    field(text, "evicted_clients", stats.evicted_clients);
    field(text, "evicted_scripts", engine.scripting.cache.evicted);
    let (exceeded_ms, current_ms) = engine.exceeded_ms();
    field(text, "total_eviction_exceeded_time", exceeded_ms);
    field(text, "current_eviction_exceeded_time", current_ms);
    field(text, "keyspace_hits", counters.hits);
    field(text, "keyspace_misses", counters.misses);
    field(text, "pubsub_channels", engine.pubsub.len(Space::Channel));
    field(text, "pubsub_patterns", engine.pubsub.len(Space::Pattern));
    field(text, "pubsubshard_channels", engine.pubsub.len(Space::Shard));
    field(text, "latest_fork_usec", 0);
    field(text, "total_forks", engine.stats.snapshots);
    field(text, "migrate_cached_sockets", engine.tasks.cached_sockets);
    field(text, "slave_expires_tracked_keys", 0);
    // Nothing is ever moved in memory to close gaps.
    for name in [
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ] {
        field(text, name, 0);
    }
    field(text, "tracking_total_keys", engine.trackers.keys());
    field(text, "tracking_total_items", engine.trackers.pairs());
    field(text, "tracking_total_prefixes", engine.trackers.prefixes());
    field(text, "unexpected_error_replies", 0);
    field(text, "total_error_replies", stats.error_replies);
    field(text, "dump_payload_sanitizations", 0);
    let reads = |threads: &[IoThread]| threads.iter().map(|thread| thread.reads).sum::<u64>();
    let writes = |threads: &[IoThread]| threads.iter().map(|thread| thread.writes).sum::<u64>();
    field(text, "total_reads_processed", reads(&stats.threads));
    field(text, "total_writes_processed", writes(&stats.threads));
    // Those of all threads but the first.
    field(text, "io_threaded_reads_processed", reads(&stats.threads[1..]));
    field(text, "io_threaded_writes_processed", writes(&stats.threads[1..]));
    // Each thread does for its own clients whatever is to be done; nothing is handed over.
    for name in [
        "io_threaded_freed_objects",
        "io_threaded_accept_processed",
        "io_threaded_poll_processed",
        "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries",
    ] {
        field(text, name, 0);
    }
    field(text, "client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    field(text, "client_output_buffer_limit_disconnections", stats.output_limit_disconnections);
    // All clients share one reply buffer, which is not resized for any of them.
    field(text, "reply_buffer_shrinks", 0);
    field(text, "reply_buffer_expands", 0);
    // The name by which no peer knows it: how long everybody had to wait for the engine.
    field(text, "engine_steps", cycles.count);
    for (name, percent) in [("p50", 50.0), ("p99", 99.0), ("p99.99", 99.99)] {
        let micros = cycles.steps.percentile(percent) / 1000;
        field(text, &format!("engine_step_usec_{name}"), micros.min(cycles.micros_max));
    }
    field(text, "engine_step_usec_max", cycles.micros_max);
    field(text, "eventloop_cycles", cycles.count);
    field(text, "eventloop_duration_sum", cycles.micros);
    field(text, "eventloop_duration_cmd_sum", stats.command_micros);
    field(text, "instantaneous_eventloop_cycles_per_sec", stats.instant.cycles_per_second());
    field(text, "instantaneous_eventloop_duration_usec", stats.instant.cycle_us());
    field(text, "eventloop_cycles_with_clients_processing", cycles.with_requests);
    // A cycle serves one client, with all that it sent.
    field(text, "total_client_processing_events", cycles.with_requests);
    field(text, "commands_per_parse_batch_sum", stats.parsed);
    field(text, "commands_per_parse_batch_cnt", stats.parse_batches);
    let average = stats.parsed as f64 / stats.parse_batches.max(1) as f64;
    field(text, "commands_per_parse_batch_avg", format_args!("{average:.2}"));
    field(text, "slowlog_commands_count", stats.slow.count);
    field(text, "slowlog_commands_time_ms_sum", millis(stats.slow.micros));
    field(text, "slowlog_commands_time_ms_max", millis(stats.slow.micros_max));
    field(text, "acl_access_denied_auth", stats.acl_denied.auth);
    field(text, "acl_access_denied_cmd", stats.acl_denied.command);
    field(text, "acl_access_denied_key", stats.acl_denied.key);
    field(text, "acl_access_denied_channel", stats.acl_denied.channel);
    field(text, "acl_access_denied_db", stats.acl_denied.database);
    field(text, "acl_access_denied_tls_cert", stats.acl_denied.certificate);
}

/// The certificates that are in use, and for how long they still are good.
fn tls(engine: &Engine, text: &mut String) {
    let certificates = engine.host.certificates();
    let now_seconds = engine.now.wall_us.div_euclid(1_000_000);
    for (whose, certificate) in [
        ("server", certificates.server),
        ("client", certificates.client),
        ("ca", certificates.authority),
    ] {
        let (serial, seconds) = match &certificate {
            None => ("none", 0),
            Some(known) => (known.serial.as_str(), known.expires_at - now_seconds),
        };
        field(text, &format!("tls_{whose}_cert_serial"), serial);
        field(text, &format!("tls_{whose}_cert_expires_in_seconds"), seconds);
    }
}

fn replication(engine: &Engine, text: &mut String) {
    field(text, "role", "master");
    field(text, "connected_slaves", 0);
    field(text, "master_failover_state", "no-failover");
    field(text, "master_replid", &engine.host.facts().run_id);
    field(text, "master_replid2", "0000000000000000000000000000000000000000");
    field(text, "master_repl_offset", 0);
    field(text, "second_repl_offset", -1);
    for name in ["replicas_waiting_psync", "replicas_repl_buffer_size", "replicas_repl_buffer_peak"]
    {
        field(text, name, 0);
    }
    field(text, "repl_backlog_active", 0);
    field(text, "repl_backlog_size", setting(engine, "repl-backlog-size"));
    field(text, "repl_backlog_first_byte_offset", 0);
    field(text, "repl_backlog_histlen", 0);
}

fn cpu(engine: &Engine, text: &mut String) {
    let cpu = engine.host.cpu();
    field(text, "used_cpu_sys", format_args!("{:.6}", cpu.system));
    field(text, "used_cpu_user", format_args!("{:.6}", cpu.user));
    // Nothing is ever forked.
    field(text, "used_cpu_sys_children", "0.000000");
    field(text, "used_cpu_user_children", "0.000000");
    field(text, "used_cpu_sys_main_thread", format_args!("{:.6}", cpu.main_system));
    field(text, "used_cpu_user_main_thread", format_args!("{:.6}", cpu.main_user));
    // The main thread rests whenever it has nothing to do, so all its time is time well used.
    let active = cpu.main_system + cpu.main_user;
    field(text, "used_active_time_main_thread", format_args!("{active:.6}"));
}

/// Ours: what each thread of the process has used.
fn thread_cpu(engine: &Engine, text: &mut String) {
    for (number, thread) in engine.host.thread_cpu().iter().enumerate() {
        field(
            text,
            &format!("thread_{number}"),
            format_args!(
                "name={},used_cpu_sys={:.2},used_cpu_user={:.2}",
                thread.name, thread.system, thread.user
            ),
        );
    }
}

/// The session of HOTKEYS, if there is one.
fn hotkeys(engine: &Engine, text: &mut String) {
    let Some(session) = &engine.hot_keys else { return };
    field(text, "tracking_active", session.is_active() as u8);
    field(text, "used_memory", session.memory());
    // Milliseconds that the counting itself took.
    field(text, "cpu_time", session.own_micros / 1000);
}

/// As Valkey, where engines are modules: here there is one, and it is built in.
fn scripting_engines(engine: &Engine, text: &mut String) {
    let scripting = &engine.scripting;
    let used = scripting.vm_memory(Which::Scripts) + scripting.vm_memory(Which::Functions);
    let overhead = scripting.cache.memory() + engine.functions.memory();
    field(text, "engines_count", 1);
    field(text, "engines_total_used_memory", used);
    field(text, "engines_total_memory_overhead", overhead);
    field(
        text,
        "engine_0",
        format_args!(
            "name=LUA,module=built-in,abi_version=0,used_memory={used},memory_overhead={overhead}"
        ),
    );
}

fn commandstats(engine: &Engine, text: &mut String) {
    for (command, stat) in engine.table.all.iter().zip(&engine.stats.commands) {
        if stat.is_blank() {
            continue;
        }
        let each = if stat.calls == 0 { 0.0 } else { stat.micros as f64 / stat.calls as f64 };
        let _ = write!(
            text,
            "cmdstat_{}:calls={},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            command.spec.lower_name(),
            stat.calls,
            stat.micros,
            stat.rejected,
            stat.failed,
        );
        if let Some(slow) = &stat.slow {
            let _ = write!(
                text,
                ",slowlog_count={},slowlog_time_ms_sum={},slowlog_time_ms_max={}",
                slow.count,
                millis(slow.micros),
                millis(slow.micros_max)
            );
        }
        text.push_str("\r\n");
    }
}

/// How long each command took. A histogram knows a duration to within 0.8 %, and says that nothing
/// took longer than a second.
fn latencystats(engine: &Engine, text: &mut String) {
    let config = &engine.config;
    if !config.latency_tracking {
        return;
    }
    for (command, stat) in engine.table.all.iter().zip(&engine.stats.commands) {
        if stat.latency.is_empty() {
            continue;
        }
        let shares: Vec<String> = config
            .latency_tracking_info_percentiles
            .iter()
            .map(|&percent| {
                let nanos = stat.latency.percentile(percent);
                format!("p{}={:.3}", percentile(percent), nanos as f64 / 1000.0)
            })
            .collect();
        let name = format!("latency_percentiles_usec_{}", command.spec.lower_name());
        field(text, &name, shares.join(","));
    }
}

/// What only developers look for.
fn debug(engine: &Engine, text: &mut String) {
    let cycles = &engine.stats.cycles;
    // The log is written when a step is over, and mostly by another thread.
    field(text, "eventloop_duration_aof_sum", engine.persistence.aof.progress.write_micros());
    field(text, "eventloop_duration_cron_sum", cycles.cron_micros);
    field(text, "eventloop_duration_max", cycles.micros_max);
    field(text, "eventloop_cmd_per_cycle_max", cycles.requests_max);
    field(text, "io_threaded_reads_pending", 0);
    field(text, "io_threaded_writes_pending", 0);
}

fn errorstats(engine: &Engine, text: &mut String) {
    for (kind, count) in engine.stats.errors() {
        // Scripts make kinds up, and these would part a line.
        let kind = String::from_utf8_lossy(kind).replace(['#', ':', '\r', '\n'], "_");
        let _ = write!(text, "errorstat_{kind}:count={count}\r\n");
    }
}

fn keyspace(engine: &Engine, text: &mut String) {
    let now = engine.keyspace.now();
    for number in 0..engine.keyspace.databases() {
        let db = engine.keyspace.db(number);
        if db.is_empty() {
            continue;
        }
        let (hashes, others) = db.mortals();
        let _ = write!(
            text,
            "db{number}:keys={},expires={},avg_ttl={},subexpiry={},\
             keys_with_volatile_items={}\r\n",
            db.len(),
            db.expires(),
            db.average_ttl(now),
            hashes + others,
            hashes + others
        );
    }
}

/// How many values there are of each power of two: bytes of strings, elements of all others; and bytes of
/// these too with `key-memory-histograms`.
fn keysizes(engine: &Engine, text: &mut String) {
    for number in 0..engine.keyspace.databases() {
        let sizes = engine.keyspace.db(number).sizes();
        for kind in Type::ALL {
            let name = match kind {
                Type::String => "strings_sizes",
                Type::List => "lists_items",
                Type::Set => "sets_items",
                Type::ZSet => "zsets_items",
                Type::Hash => "hashes_items",
                // Redis tells nothing of streams here.
                Type::Stream => continue,
            };
            distribution(text, number, name, sizes.of(kind));
        }
        for kind in Type::ALL {
            let name = match kind {
                Type::List => "lists_sizes",
                Type::Set => "sets_sizes",
                Type::ZSet => "zsets_sizes",
                Type::Hash => "hashes_sizes",
                Type::String | Type::Stream => continue,
            };
            distribution(text, number, name, sizes.memory_of(kind));
        }
    }
}

fn distribution(text: &mut String, db: usize, name: &str, bins: impl Iterator<Item = (u64, u64)>) {
    let bins: Vec<String> =
        bins.map(|(least, count)| format!("{}={count}", short(least))).collect();
    if !bins.is_empty() {
        field(text, &format!("db{db}_distrib_{name}"), bins.join(","));
    }
}

/// A power of two as people read it: `512`, `1K`, `2M`.
fn short(power: u64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let unit = power.checked_ilog2().unwrap_or(0) / 10;
    format!("{}{}", power >> (10 * unit), UNITS[unit as usize])
}

/// A directive as CONFIG GET shows it.
fn setting(engine: &Engine, name: &str) -> String {
    let value = engine.config.get(name.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}

/// Bytes as people read them.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}
