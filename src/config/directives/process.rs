//! The server as a process: how it runs, what it logs, whom it obeys, and switches for tests.

use super::{INT, LONG};
use crate::config::directive::{Directive, Follow, Home, at, fixed, live};
use crate::config::kind::{Kind, Reason};
use crate::config::value::{
    Allowed, LogFormat, LogLevel, LogTimestamp, OomScoreAdj, PubSubDefault, ShutdownOn, Supervised,
    SyslogFacility, Value,
};

pub(super) const PROCESS: &[Directive] = &[
    fixed("daemonize", Kind::Switch, "no", at!(daemonize), "Go to the background after start."),
    fixed(
        "supervised",
        Kind::Choice(Supervised::NAMES),
        "no",
        at!(supervised),
        "Tell upstart or systemd when the server is ready; auto looks at the environment.",
    ),
    fixed(
        "pidfile",
        Kind::Text,
        "",
        at!(pidfile),
        "Where to write the process id; a daemon without one writes /var/run/redis.pid.",
    ),
    fixed(
        "databases",
        Kind::Number(1, INT),
        "16",
        at!(databases),
        "How many databases SELECT can choose from.",
    ),
    live(
        "dir",
        Kind::Text,
        "./",
        at!(dir),
        "The working directory: where snapshots and logs are, and what relative paths start from.",
    )
    .then(Follow::Dir)
    .protected()
    .deny_loading(),
    live(
        "hz",
        Kind::Nearest(1, 500),
        "10",
        Home::Idle("background work is timed by what is due"),
        "How often a second background work is done, between 1 and 500.",
    )
    .then(Follow::Hz),
    live(
        "dynamic-hz",
        Kind::Switch,
        "yes",
        Home::Idle("background work is timed by what is due"),
        "Do background work more often while there are many clients.",
    ),
    live(
        "activerehashing",
        Kind::Switch,
        "yes",
        Home::Idle("tables grow a little with every write"),
        "Spend spare time on moving tables to their new size.",
    ),
    fixed(
        "always-show-logo",
        Kind::Switch,
        "no",
        at!(always_show_logo),
        "Draw the banner into the log even when the log is not a terminal.",
    ),
    fixed(
        "set-proc-title",
        Kind::Switch,
        "yes",
        at!(set_proc_title),
        "Show port and mode in the list of processes.",
    ),
    live(
        "proc-title-template",
        Kind::Text,
        "{title} {listen-addr} {server-mode}",
        at!(proc_title_template),
        "What to show there: {title}, {listen-addr}, {server-mode}, {port}, {tls-port}, \
         {unixsocket}, {config-file}.",
    )
    .then(Follow::ProcessTitle)
    .check(title),
    live(
        "shutdown-on-sigint",
        Kind::Flags(ShutdownOn::NAMES),
        "default",
        at!(shutdown_on_sigint),
        "What SIGINT means, in words of SHUTDOWN.",
    )
    .check(shutdown),
    live(
        "shutdown-on-sigterm",
        Kind::Flags(ShutdownOn::NAMES),
        "default",
        at!(shutdown_on_sigterm),
        "What SIGTERM means, in words of SHUTDOWN.",
    )
    .check(shutdown),
    live(
        "shutdown-timeout",
        Kind::Number(0, INT),
        "10",
        Home::Later("replication"),
        "Seconds for which a shutdown waits for replicas that lag behind.",
    ),
    live(
        "oom-score-adj",
        Kind::ChoiceOr(OomScoreAdj::NAMES, ("yes", "relative")),
        "no",
        at!(oom_score_adj),
        "Tell the kernel whom to end first when memory runs out; relative is another word for \
         yes.",
    )
    .then(Follow::OomScore),
    live(
        "oom-score-adj-values",
        Kind::Scores,
        "0 200 800",
        at!(oom_score_adj_values),
        "The scores of a primary, of a replica and of a background child; there is no such child, since \
         snapshots are written by a thread.",
    )
    .then(Follow::OomScore),
    fixed(
        "disable-thp",
        Kind::Switch,
        "yes",
        at!(disable_thp),
        "Turn transparent huge pages off for this process.",
    ),
    fixed(
        "server-cpulist",
        Kind::Text,
        "",
        at!(server_cpulist),
        "The processors for the threads that serve clients, as 0,2,8-11 or 0-15:2.",
    )
    .aka(&["server_cpulist"]),
    fixed(
        "bio-cpulist",
        Kind::Text,
        "",
        at!(bio_cpulist),
        "The processors for background threads.",
    )
    .aka(&["bio_cpulist"]),
    fixed(
        "aof-rewrite-cpulist",
        Kind::Text,
        "",
        at!(aof_rewrite_cpulist),
        "The processors for rewriting the append-only file.",
    )
    .aka(&["aof_rewrite_cpulist"]),
    fixed(
        "bgsave-cpulist",
        Kind::Text,
        "",
        at!(bgsave_cpulist),
        "The processors for writing snapshots.",
    )
    .aka(&["bgsave_cpulist"]),
    live(
        "ignore-warnings",
        Kind::Text,
        "",
        Home::Idle("none of those checks ends the start"),
        "Names of start-up checks whose failure is accepted.",
    ),
    live(
        "locale-collate",
        Kind::Text,
        "",
        Home::Later("SORT by locale"),
        "The locale by which SORT ALPHA compares; empty takes the environment's.",
    ),
    live(
        "availability-zone",
        Kind::Text,
        "",
        at!(availability_zone),
        "Where this server stands, for clients that prefer a near one.",
    ),
    live(
        "extended-redis-compatibility",
        Kind::Switch,
        "no",
        Home::Idle("the server always presents itself as Redis does"),
        "Present the server as Redis to clients that insist.",
    ),
];

pub(super) const LOG: &[Directive] = &[
    live(
        "loglevel",
        Kind::Choice(LogLevel::NAMES),
        "notice",
        at!(loglevel),
        "The least important messages to log.",
    )
    .then(Follow::Log),
    fixed("logfile", Kind::Text, "", at!(logfile), "The file to log to; standard output if empty."),
    live(
        "log-format",
        Kind::Choice(LogFormat::NAMES),
        "legacy",
        at!(log_format),
        "The form of a log line.",
    )
    .then(Follow::Log),
    live(
        "log-timestamp-format",
        Kind::Choice(LogTimestamp::NAMES),
        "legacy",
        at!(log_timestamp_format),
        "The form of the time in a log line.",
    )
    .then(Follow::Log),
    live(
        "hide-user-data-from-log",
        Kind::Switch,
        "yes",
        at!(hide_user_data_from_log),
        "Keep keys and values out of the log, even in reports of a crash.",
    )
    .then(Follow::Log)
    .because("that of Valkey, where Redis says no: a log is read by more people than the data"),
    fixed("syslog-enabled", Kind::Switch, "no", at!(syslog_enabled), "Log to syslog as well."),
    fixed(
        "syslog-ident",
        Kind::Text,
        "russet",
        at!(syslog_ident),
        "The name of this server in syslog.",
    )
    .because("our own name, as with the others"),
    fixed(
        "syslog-facility",
        Kind::Choice(SyslogFacility::NAMES),
        "local0",
        at!(syslog_facility),
        "The facility to log to.",
    ),
    live(
        "crash-log-enabled",
        Kind::Switch,
        "yes",
        at!(crash_log_enabled),
        "Write a report when the server crashes.",
    )
    .then(Follow::Log),
    live(
        "crash-memcheck-enabled",
        Kind::Switch,
        "yes",
        Home::Idle("there is no memory test"),
        "Test the memory after a crash.",
    ),
];

pub(super) const ACCESS: &[Directive] = &[
    live(
        "requirepass",
        Kind::Secret,
        "",
        at!(requirepass),
        "The password of the default user; none if empty.",
    )
    .then(Follow::Password)
    .secret(),
    fixed(
        "aclfile",
        Kind::Text,
        "",
        at!(aclfile),
        "A file of users, instead of user lines in this one.",
    ),
    live(
        "acl-pubsub-default",
        Kind::Choice(PubSubDefault::NAMES),
        "resetchannels",
        at!(acl_pubsub_default),
        "Whether new users may use every channel or none.",
    ),
    live(
        "acllog-max-len",
        Kind::Number(0, LONG),
        "128",
        at!(acllog_max_len),
        "Refusals that ACL LOG remembers.",
    ),
    fixed(
        "enable-protected-configs",
        Kind::Choice(Allowed::NAMES),
        "no",
        at!(enable_protected_configs),
        "Who may change dir and the names of files by CONFIG SET; local means clients of this \
         machine.",
    ),
    fixed(
        "enable-debug-command",
        Kind::Choice(Allowed::NAMES),
        "no",
        at!(enable_debug_command),
        "Who may use DEBUG.",
    ),
    fixed(
        "enable-module-command",
        Kind::Choice(Allowed::NAMES),
        "no",
        at!(enable_module_command),
        "Who may use MODULE.",
    ),
];

const CLUSTER: Home = Home::Later("cluster mode");
const COPIES: Home =
    Home::Idle("replies are written where they are sent from, and messages are shared");

pub(super) const TESTING: &[Directive] = &[
    live(
        "watchdog-period",
        Kind::Number(0, INT),
        "0",
        at!(watchdog_period),
        "Milliseconds after which a stuck server logs where it is, at least 200; 0 means never.",
    )
    .then(Follow::Log)
    .hidden(),
    live(
        "use-exit-on-panic",
        Kind::Switch,
        "no",
        at!(use_exit_on_panic),
        "Exit instead of aborting.",
    )
    .then(Follow::Log)
    .hidden(),
    live(
        "rdb-key-save-delay",
        Kind::Number(-INT - 1, INT),
        "0",
        at!(rdb_key_save_delay),
        "Microseconds to wait after each key of a snapshot.",
    )
    .hidden(),
    live(
        "key-load-delay",
        Kind::Number(-INT - 1, INT),
        "0",
        at!(key_load_delay),
        "Microseconds to wait after each key, or command of a log, while loading.",
    )
    .hidden(),
    live(
        "loading-process-events-interval-bytes",
        Kind::Number(1024, INT),
        "2097152",
        at!(loading_process_events_interval_bytes),
        "Bytes to load between two looks at the clients.",
    )
    .hidden()
    .because("that of Valkey; Redis looks four times as often"),
    live(
        "aof-disable-auto-gc",
        Kind::Switch,
        "no",
        at!(aof_disable_auto_gc),
        "Keep old files of the append-only log.",
    )
    .hidden(),
    live(
        "cluster-ping-interval",
        Kind::Number(0, LONG),
        "0",
        CLUSTER,
        "Milliseconds between pings of the cluster bus; 0 means the usual.",
    )
    .hidden(),
    live(
        "cluster-message-gossip-perc",
        Kind::Number(1, 100),
        "10",
        CLUSTER,
        "The share of nodes that a bus message tells about.",
    )
    .hidden(),
    live(
        "repl-rdb-channel",
        Kind::Switch,
        "yes",
        Home::Later("replication"),
        "Send a snapshot to a replica over a connection of its own.",
    )
    .hidden(),
    live(
        "lua-enable-insecure-api",
        Kind::Switch,
        "no",
        at!(lua_enable_insecure_api),
        "Give scripts getfenv, setfenv and newproxy, by which one could reach another.",
    )
    .then(Follow::Scripts)
    .hidden()
    .protected()
    .aka(&["lua-enable-deprecated-api"]),
    live("debug-context", Kind::Text, "", at!(debug_context), "A note for reports of a crash.")
        .then(Follow::Log)
        .hidden(),
    fixed(
        "enable-debug-assert",
        Kind::Switch,
        "no",
        Home::Idle("a build for development checks them always, one for production never"),
        "Check invariants that are too slow for production.",
    )
    .hidden(),
    live(
        "io-threads-always-active",
        Kind::Switch,
        "no",
        Home::Idle("every thread serves its own clients, whatever the load"),
        "Use every I/O thread even without load.",
    )
    .hidden(),
    live(
        "min-io-threads-avoid-copy-reply",
        Kind::Number(0, INT),
        "7",
        COPIES,
        "Threads from which on big replies are not copied.",
    )
    .hidden(),
    live(
        "min-string-size-avoid-copy-reply",
        Kind::Number(0, INT),
        "16384",
        COPIES,
        "The size from which on a reply is not copied.",
    )
    .hidden(),
    live(
        "min-string-size-avoid-copy-reply-threaded",
        Kind::Number(0, INT),
        "65536",
        COPIES,
        "The same, with I/O threads.",
    )
    .hidden(),
];

fn shutdown(value: &Value) -> Result<(), Reason> {
    let Value::Flags(bits) = *value else { return Ok(()) };
    let asked = ShutdownOn(bits);
    if asked.has("save") && asked.has("nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(())
}

/// Braces must pair up around a name we know, and something must remain to be shown.
fn title(value: &Value) -> Result<(), Reason> {
    const KNOWN: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let Value::Text(text) = value else { return Ok(()) };
    let text = String::from_utf8_lossy(text);
    // A process may have an empty title, and nothing at all must not be shown.
    let valid = !text.replace("{title}", "").trim().is_empty()
        && text
            .split('{')
            .skip(1)
            .all(|part| part.split_once('}').is_some_and(|(name, _)| KNOWN.contains(&name)));
    if valid {
        Ok(())
    } else {
        Err("template format is invalid or contains unknown variables".into())
    }
}
