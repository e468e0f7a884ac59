//! INFO: the server's state as text, in sections. Monitors, client libraries and people read it,
//! so fields have Redis' names, units and order; a field whose feature is not there yet is left
//! out, unless its zero is the truth.

use crate::engine::command::admin;
use crate::engine::{Engine, Family, SessionKey};
use crate::resp::{Args, Done, Reply};
use crate::spec::{C_DANGEROUS, Group, LOADING, STALE, string};
use std::fmt::Write;

/// The version of Redis whose commands and replies this server has. It rises when streams and
/// scripts are there.
pub const REDIS_VERSION: &str = "7.4.0";

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
    default: bool,
    write: fn(&Engine, &mut String),
}

const SECTIONS: &[Section] = &[
    section("server", "Server", true, server),
    section("clients", "Clients", true, clients),
    section("memory", "Memory", true, memory),
    section("persistence", "Persistence", true, persistence),
    section("threads", "Threads", true, threads),
    section("stats", "Stats", true, stats),
    section("replication", "Replication", true, replication),
    section("cpu", "CPU", true, cpu),
    section("modules", "Modules", true, |_, _| ()),
    section("commandstats", "Commandstats", false, commandstats),
    section("errorstats", "Errorstats", true, errorstats),
    section("cluster", "Cluster", true, |_, text| field(text, "cluster_enabled", 0)),
    section("keyspace", "Keyspace", true, keyspace),
];

const fn section(
    name: &'static str,
    heading: &'static str,
    default: bool,
    write: fn(&Engine, &mut String),
) -> Section {
    Section { name, heading, default, write }
}

fn info(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.verbatim("txt", report(engine, args.tail(1)).as_bytes())
}

/// The sections asked for, each once, in the order of the manual.
pub fn report(engine: &Engine, asked: Args) -> String {
    let is = |section: &Section, word: &[u8]| {
        let all = word.eq_ignore_ascii_case(b"all") || word.eq_ignore_ascii_case(b"everything");
        let default = word.eq_ignore_ascii_case(b"default") && section.default;
        all || default || word.eq_ignore_ascii_case(section.name.as_bytes())
    };
    let mut text = String::with_capacity(8 * 1024);
    for section in SECTIONS {
        let wanted = match asked.is_empty() {
            true => section.default,
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
    field(text, "russet_version", env!("CARGO_PKG_VERSION"));
    field(text, "os", &facts.os);
    field(text, "arch_bits", usize::BITS);
    field(text, "monotonic_clock", "POSIX clock_gettime");
    field(text, "multiplexing_api", "epoll");
    field(text, "process_id", facts.pid);
    field(text, "process_supervised", &facts.supervised);
    field(text, "run_id", &facts.run_id);
    field(text, "tcp_port", config.port);
    field(text, "server_time_usec", engine.now.wall_us);
    field(text, "uptime_in_seconds", uptime);
    field(text, "uptime_in_days", uptime / 86_400);
    let hz = setting(engine, "hz");
    field(text, "hz", &hz);
    field(text, "configured_hz", &hz);
    field(text, "lru_clock", engine.now.wall_us.div_euclid(1_000_000) & 0xff_ffff);
    field(text, "executable", &facts.executable);
    field(text, "config_file", &facts.config_file);
    field(text, "io_threads_active", 0);
    let zone = String::from_utf8_lossy(&config.availability_zone);
    field(text, "availability_zone", zone);
    if config.port != 0 {
        let binds: String = config.bind.iter().map(|addr| format!("bind={addr},")).collect();
        field(text, "listener0", format_args!("name=tcp,{binds}port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        let number = (config.port != 0) as u8;
        field(
            text,
            &format!("listener{number}"),
            format_args!("name=unix,bind={}", config.unixsocket),
        );
    }
}

fn clients(engine: &Engine, text: &mut String) {
    let sessions = || engine.sessions.iter();
    let watching = sessions().filter(|session| !session.watched.is_empty()).count();
    let input = sessions().map(|session| session.input.peak).max().unwrap_or(0);
    let output = sessions().map(|session| session.reply_peak).max().unwrap_or(0);
    field(text, "connected_clients", engine.sessions.len());
    field(text, "cluster_connections", 0);
    field(text, "maxclients", engine.config.maxclients);
    field(text, "client_recent_max_input_buffer", input);
    field(text, "client_recent_max_output_buffer", output);
    // A client whose request CLIENT PAUSE put off is blocked as far as it can tell.
    field(text, "blocked_clients", sessions().filter(|session| session.postponed).count());
    field(text, "tracking_clients", 0);
    field(text, "pubsub_clients", 0);
    field(text, "watching_clients", watching);
    field(text, "clients_in_timeout_table", 0);
    field(text, "total_watched_keys", engine.watchers.len());
    field(text, "total_blocking_keys", 0);
    field(text, "total_blocking_keys_on_nokey", 0);
    let (reason, actions, left) = match engine.pause_state() {
        None => ("none", "none", 0),
        Some((pause, left)) => ("client_pause", if pause.all { "all" } else { "write" }, left),
    };
    field(text, "paused_reason", reason);
    field(text, "paused_actions", actions);
    field(text, "paused_timeout_milliseconds", left);
}

fn memory(engine: &Engine, text: &mut String) {
    let memory = engine.host.memory();
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
    let maxmemory = setting(engine, "maxmemory");
    field(text, "maxmemory_human", human(maxmemory.parse().unwrap_or(0)));
    field(text, "maxmemory", maxmemory);
    field(text, "maxmemory_policy", engine.config.maxmemory_policy.name());
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
    field(text, "mem_not_counted_for_evict", 0);
    field(text, "mem_replication_backlog", 0);
    field(text, "mem_total_replication_buffers", 0);
    field(text, "mem_clients_slaves", 0);
    field(text, "mem_clients_normal", engine.clients_memory());
    field(text, "mem_cluster_links", 0);
    field(text, "mem_aof_buffer", 0);
    field(text, "mem_allocator", "jemalloc-5.3.0");
    field(text, "active_defrag_running", 0);
    field(text, "lazyfree_pending_objects", engine.host.pending_frees());
}

fn persistence(engine: &Engine, text: &mut String) {
    field(text, "loading", 0);
    field(text, "async_loading", 0);
    field(text, "rdb_changes_since_last_save", engine.keyspace.changes.dirty);
    field(text, "rdb_bgsave_in_progress", 0);
    field(text, "rdb_last_save_time", engine.started.wall_us.div_euclid(1_000_000));
    field(text, "rdb_last_bgsave_status", "ok");
    field(text, "rdb_last_bgsave_time_sec", -1);
    field(text, "rdb_current_bgsave_time_sec", -1);
    field(text, "rdb_saves", 0);
    field(text, "aof_enabled", 0);
    field(text, "aof_rewrite_in_progress", 0);
    field(text, "aof_rewrite_scheduled", 0);
    field(text, "aof_last_rewrite_time_sec", -1);
    field(text, "aof_current_rewrite_time_sec", -1);
    field(text, "aof_last_bgrewrite_status", "ok");
    field(text, "aof_last_write_status", "ok");
}

fn threads(engine: &Engine, text: &mut String) {
    field(
        text,
        "io_thread_0",
        format_args!(
            "clients={},reads={},writes={}",
            engine.sessions.len(),
            engine.stats.reads,
            engine.stats.writes
        ),
    );
}

fn stats(engine: &Engine, text: &mut String) {
    let (stats, counters) = (&engine.stats, &engine.keyspace.counters);
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    field(text, "total_connections_received", stats.connections);
    field(text, "total_commands_processed", stats.processed);
    field(text, "instantaneous_ops_per_sec", stats.instant.commands_per_second());
    field(text, "total_net_input_bytes", stats.net_in);
    field(text, "total_net_output_bytes", stats.net_out);
    field(text, "total_net_repl_input_bytes", 0);
    field(text, "total_net_repl_output_bytes", 0);
    field(text, "instantaneous_input_kbps", kbps(stats.instant.net_in_per_second()));
    field(text, "instantaneous_output_kbps", kbps(stats.instant.net_out_per_second()));
    field(text, "instantaneous_input_repl_kbps", "0.00");
    field(text, "instantaneous_output_repl_kbps", "0.00");
    field(text, "rejected_connections", stats.rejected_connections);
    field(text, "sync_full", 0);
    field(text, "sync_partial_ok", 0);
    field(text, "sync_partial_err", 0);
    field(text, "expired_subkeys", 0);
    field(text, "expired_keys", counters.expired);
    // Every key that is due is known, so none is ever stale by a sample.
    field(text, "expired_stale_perc", "0.00");
    field(text, "expired_time_cap_reached_count", 0);
    field(text, "evicted_keys", 0);
    field(text, "evicted_clients", 0);
    field(text, "evicted_scripts", 0);
    field(text, "total_eviction_exceeded_time", 0);
    field(text, "current_eviction_exceeded_time", 0);
    field(text, "keyspace_hits", counters.hits);
    field(text, "keyspace_misses", counters.misses);
    field(text, "pubsub_channels", 0);
    field(text, "pubsub_patterns", 0);
    field(text, "pubsubshard_channels", 0);
    field(text, "latest_fork_usec", 0);
    field(text, "total_forks", 0);
    field(text, "migrate_cached_sockets", 0);
    field(text, "slave_expires_tracked_keys", 0);
    field(text, "tracking_total_keys", 0);
    field(text, "tracking_total_items", 0);
    field(text, "tracking_total_prefixes", 0);
    field(text, "unexpected_error_replies", 0);
    field(text, "total_error_replies", stats.error_replies);
    field(text, "dump_payload_sanitizations", 0);
    field(text, "total_reads_processed", stats.reads);
    field(text, "total_writes_processed", stats.writes);
    field(text, "io_threaded_reads_processed", 0);
    field(text, "io_threaded_writes_processed", 0);
    field(text, "client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    field(text, "client_output_buffer_limit_disconnections", stats.output_limit_disconnections);
    field(text, "acl_access_denied_auth", stats.acl_denied_auth);
    field(text, "acl_access_denied_cmd", 0);
    field(text, "acl_access_denied_key", 0);
    field(text, "acl_access_denied_channel", 0);
}

fn replication(engine: &Engine, text: &mut String) {
    field(text, "role", "master");
    field(text, "connected_slaves", 0);
    field(text, "master_failover_state", "no-failover");
    field(text, "master_replid", &engine.host.facts().run_id);
    field(text, "master_replid2", "0000000000000000000000000000000000000000");
    field(text, "master_repl_offset", 0);
    field(text, "second_repl_offset", -1);
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

fn commandstats(engine: &Engine, text: &mut String) {
    for (command, stat) in engine.table.all.iter().zip(&engine.stats.commands) {
        if stat.calls == 0 && stat.rejected == 0 && stat.failed == 0 {
            continue;
        }
        let each = if stat.calls == 0 { 0.0 } else { stat.micros as f64 / stat.calls as f64 };
        let _ = write!(
            text,
            "cmdstat_{}:calls={},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}\r\n",
            command.spec.lower_name(),
            stat.calls,
            stat.micros,
            stat.rejected,
            stat.failed,
        );
    }
}

fn errorstats(engine: &Engine, text: &mut String) {
    for (kind, count) in engine.stats.errors() {
        let kind = String::from_utf8_lossy(kind);
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
        let _ = write!(
            text,
            "db{number}:keys={},expires={},avg_ttl={},subexpiry=0\r\n",
            db.len(),
            db.expires(),
            db.average_ttl(now)
        );
    }
}

/// A directive as CONFIG GET shows it.
fn setting(engine: &Engine, name: &str) -> String {
    let value = engine.config.get(name.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
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
