//! The server's configuration: one table of directives, and everything that is read from it — the
//! file, the command line, CONFIG GET, SET and REWRITE, and the commented example file.
//!
//! This folder opens no file and touches no socket. It is given text and gives back text; what a
//! change means for sockets and clients it says as a `Follow`, and others carry it out.

mod choices;
mod value;

mod directive;
mod directives;
mod kind;

mod args;
mod example;
mod file;
mod rewrite;
mod rule;
mod secrets;
mod set;

use std::collections::BTreeMap;

pub use args::{Invocation, Run, invocation};
pub use directive::{Change, Directive, Field, Follow, Home};
pub use directives::{DIRECTIVES, find};
pub use example::example;
pub use file::{
    Fatal, Includes, Loaded, Origin, Part, Place, Statement, Warning, load, load_parts,
};
pub use kind::percentile;
pub use kind::{Kind, Reason};
pub use rewrite::{Rewrite, rewrite};
pub use rule::MemoryRule;
pub use secrets::{shown_rule, shown_rule_of};
pub use set::{Applied, SetError, Source, UNKNOWN};
pub use value::{
    Allowed, Amount, AppendFsync, EventClasses, LogFormat, LogLevel, LogTimestamp, MaxmemoryPolicy,
    OomScoreAdj, OutputLimit, OutputLimits, Peers, PubSubDefault, RdbVersion, SavePoint,
    ShutdownOn, Supervised, SyslogFacility, TlsAuth, TlsUser, Value, VersionCheck,
};

/// Who is speaking when the configuration file is at fault.
pub const PRODUCT: &str = concat!("Russet ", env!("CARGO_PKG_VERSION"));

/// Declares `Config`, and a `blank` one that exists only until the defaults of the table are in it.
macro_rules! config {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// Every setting. Directives that do something have a field; the others are kept by name.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[$doc])* pub $field: $type,)*
            kept: BTreeMap<&'static str, Value>,
        }

        impl Config {
            fn blank() -> Config {
                Config { $($field: Default::default(),)* kept: BTreeMap::new() }
            }
        }
    };
}

config! {
    port: u16,
    /// An address behind `-` may be missing; `*` and `::*` mean all of them.
    bind: Vec<String>,
    unixsocket: String,
    /// The mode; 0 leaves it to the umask.
    unixsocketperm: u32,
    unixsocketgroup: String,
    protected_mode: bool,
    protected_mode_serves: Peers,
    health_socket: bool,
    tcp_backlog: u32,
    /// Threads that have sockets, the first one included.
    io_threads: u32,
    busy_poll_us: u32,
    /// Seconds.
    tcp_keepalive: u32,
    /// Seconds; 0 means never.
    timeout: u32,
    maxclients: u32,
    max_new_connections_per_cycle: u32,
    max_new_tls_connections_per_cycle: u32,
    /// Seconds; 0 means never.
    unauthenticated_timeout: u32,
    /// 0 means no limit.
    unauthenticated_per_address: u32,
    /// 0 means none.
    socket_mark_id: u32,
    mptcp: bool,

    /// 0 means that nobody listens for TLS.
    tls_port: u16,
    tls_cert_file: String,
    tls_key_file: String,
    tls_key_file_pass: Vec<u8>,
    tls_client_cert_file: String,
    tls_client_key_file: String,
    tls_client_key_file_pass: Vec<u8>,
    tls_ca_cert_file: String,
    tls_ca_cert_dir: String,
    tls_auth_clients: TlsAuth,
    tls_auth_clients_user: TlsUser,
    /// MIGRATE speaks TLS.
    tls_cluster: bool,
    /// Empty means those that are thought safe, here and below.
    tls_protocols: String,
    tls_ciphers: String,
    tls_ciphersuites: String,
    tls_prefer_server_ciphers: bool,
    tls_session_caching: bool,
    /// Sessions.
    tls_session_cache_size: u32,
    /// Seconds.
    tls_session_cache_timeout: u32,
    /// Seconds; 0 means never.
    tls_auto_reload_interval: u32,

    /// Empty means that the default user has no password.
    requirepass: Vec<u8>,
    /// Empty means that users have none of their own.
    aclfile: String,
    acl_pubsub_default: PubSubDefault,
    acllog_max_len: u64,
    enable_protected_configs: Allowed,
    enable_debug_command: Allowed,
    enable_module_command: Allowed,

    daemonize: bool,
    supervised: Supervised,
    pidfile: String,
    loglevel: LogLevel,
    /// Empty means standard output.
    logfile: String,
    log_format: LogFormat,
    log_timestamp_format: LogTimestamp,
    hide_user_data_from_log: bool,
    crash_log_enabled: bool,
    /// Milliseconds; 0 means that nobody watches.
    watchdog_period: u32,
    use_exit_on_panic: bool,
    debug_context: Vec<u8>,
    syslog_enabled: bool,
    syslog_ident: Vec<u8>,
    syslog_facility: SyslogFacility,
    /// Empty means that nobody needs to know.
    availability_zone: Vec<u8>,
    oom_score_adj: OomScoreAdj,
    /// Of a primary, a replica and a background child.
    oom_score_adj_values: [i32; 3],
    disable_thp: bool,
    server_cpulist: String,
    bio_cpulist: String,
    aof_rewrite_cpulist: String,
    bgsave_cpulist: String,
    always_show_logo: bool,
    set_proc_title: bool,
    proc_title_template: String,
    databases: u32,
    /// As it was written; whoever goes there puts the absolute path here, which REWRITE then keeps.
    dir: String,

    save: Vec<SavePoint>,
    /// Inside `dir`.
    dbfilename: String,
    rdbcompression: bool,
    rdbchecksum: bool,
    rdb_version: RdbVersion,
    rdb_version_check: VersionCheck,
    rdb_save_incremental_fsync: bool,
    stop_writes_on_bgsave_error: bool,
    /// Microseconds after each key; a negative number is that many keys for each microsecond.
    rdb_key_save_delay: i64,
    /// As `rdb_key_save_delay`.
    key_load_delay: i64,
    /// Bytes.
    loading_process_events_interval_bytes: u32,
    appendonly: bool,
    appendfilename: String,
    /// Inside `dir`.
    appenddirname: String,
    appendfsync: AppendFsync,
    no_appendfsync_on_rewrite: bool,
    /// 0 means never.
    auto_aof_rewrite_percentage: u32,
    /// Bytes.
    auto_aof_rewrite_min_size: u64,
    aof_load_truncated: bool,
    /// Bytes.
    aof_load_corrupt_tail_max_size: u64,
    aof_use_rdb_preamble: bool,
    aof_timestamp_enabled: bool,
    aof_rewrite_incremental_fsync: bool,
    aof_disable_auto_gc: bool,
    shutdown_on_sigint: ShutdownOn,
    shutdown_on_sigterm: ShutdownOn,

    client_output_buffer_limit: OutputLimits,
    /// What all clients may take together; 0 means no limit.
    maxmemory_clients: Amount,
    /// Bytes.
    client_query_buffer_limit: u64,
    /// Bytes.
    proto_max_bulk_len: u64,
    /// 0 means no limit.
    tracking_table_max_keys: u64,

    import_mode: bool,

    hash_max_listpack_entries: u64,
    /// Bytes.
    hash_max_listpack_value: u64,
    /// Items, or a negative number for 4 to 64 KiB.
    list_max_listpack_size: i64,
    set_max_intset_entries: u64,
    set_max_listpack_entries: u64,
    /// Bytes.
    set_max_listpack_value: u64,
    zset_max_listpack_entries: u64,
    /// Bytes.
    zset_max_listpack_value: u64,
    /// Bytes.
    hll_sparse_max_bytes: u64,
    /// Bytes; 0 means no limit.
    stream_node_max_bytes: u64,
    /// 0 means no limit.
    stream_node_max_entries: u64,
    /// Seconds.
    stream_idmp_duration: u32,
    stream_idmp_maxsize: u32,
    /// Milliseconds; 0 is never.
    busy_reply_threshold: i64,
    lua_enable_insecure_api: bool,
    /// Bits, as the letters are numbered in `kind.rs`.
    notify_keyspace_events: EventClasses,

    /// 0 means no limit.
    maxmemory: Amount,
    maxmemory_policy: MaxmemoryPolicy,
    maxmemory_rule: Vec<MemoryRule>,
    maxmemory_samples: u32,
    maxmemory_eviction_tenacity: u32,
    lazyfree_lazy_eviction: bool,
    lfu_log_factor: u32,
    /// Minutes.
    lfu_decay_time: u32,
    jemalloc_bg_thread: bool,

    /// Microseconds; 0 logs every command, -1 none.
    slowlog_log_slower_than: i64,
    slowlog_max_len: u64,
    slowlog_entry_max_argc: u32,
    slowlog_entry_max_string_len: u32,
    /// Bytes; -1 logs none.
    commandlog_request_larger_than: i64,
    commandlog_large_request_max_len: u64,
    /// Bytes; -1 logs none.
    commandlog_reply_larger_than: i64,
    commandlog_large_reply_max_len: u64,

    key_memory_histograms: bool,
    latency_tracking: bool,
    latency_tracking_info_percentiles: Vec<f64>,
    /// Milliseconds; 0 means that nobody watches.
    latency_monitor_threshold: u64,
}

impl Default for Config {
    fn default() -> Config {
        let mut config = Config::blank();
        for directive in DIRECTIVES {
            config.put(directive, directive.default_value());
        }
        config
    }
}

impl Config {
    /// `watchdog-period`, long enough for two ticks.
    pub fn watchdog_ms(&self) -> u32 {
        const LEAST_MS: u32 = 200;
        if self.watchdog_period == 0 { 0 } else { self.watchdog_period.max(LEAST_MS) }
    }

    /// The value of a directive, by any of its names in any case, as CONFIG GET shows it.
    pub fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        find(name).map(|directive| self.show(directive))
    }

    /// CONFIG GET: every directive that a pattern covers, once, sorted by name. A name without a
    /// pattern is answered as it was asked, and is the only way to a hidden directive.
    pub fn matching(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: BTreeMap<Vec<u8>, (Vec<u8>, &Directive)> = BTreeMap::new();
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(directive) = find(pattern) {
                    let entry = found.entry(pattern.to_ascii_lowercase());
                    entry.or_insert((pattern.to_vec(), directive));
                }
                continue;
            }
            for directive in DIRECTIVES.iter().filter(|directive| !directive.hidden) {
                for name in directive.names().map(str::as_bytes) {
                    if crate::base::glob::matches(pattern, name, true) {
                        found.entry(name.to_vec()).or_insert((name.to_vec(), directive));
                    }
                }
            }
        }
        found.into_values().map(|(name, directive)| (name, self.show(directive))).collect()
    }

    /// The present value of a directive.
    pub fn value(&self, directive: &Directive) -> Value {
        match directive.home {
            Home::Field(field) => (field.read)(self),
            Home::Later(_) | Home::Idle(_) => match self.kept.get(directive.name) {
                Some(value) => value.clone(),
                None => directive.default_value(),
            },
        }
    }

    fn show(&self, directive: &Directive) -> Vec<u8> {
        directive.kind.show(&self.value(directive))
    }

    /// Are all rules about databases that are there?
    fn check_rules(&self) -> Result<(), Reason> {
        let absent = |db: &u32| *db >= self.databases;
        match self.maxmemory_rule.iter().filter_map(|rule| rule.db).find(absent) {
            Some(db) => {
                Err(format!("there is no db {db}, since databases is {}", self.databases).into())
            }
            None => Ok(()),
        }
    }

    /// Stores a value that the directive's own kind has parsed.
    fn put(&mut self, directive: &'static Directive, value: Value) {
        match directive.home {
            Home::Field(field) => {
                (field.write)(self, value).expect("the kind of a row fits the type of its field");
            }
            Home::Later(_) | Home::Idle(_) => {
                self.kept.insert(directive.name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
