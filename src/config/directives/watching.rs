//! What the server remembers of slow and large commands, and of time.

use super::{INT, LONG};
use crate::config::directive::{Directive, Follow, at, live};
use crate::config::kind::Kind;

pub(super) const WATCHING: &[Directive] = &[
    live(
        "slowlog-log-slower-than",
        Kind::Number(-1, LONG),
        "10000",
        at!(slowlog_log_slower_than),
        "Microseconds from which on a command is logged as slow; 0 logs all, -1 none.",
    )
    .aka(&["commandlog-execution-slower-than"]),
    live(
        "slowlog-max-len",
        Kind::Number(0, LONG),
        "128",
        at!(slowlog_max_len),
        "Slow commands to remember.",
    )
    .aka(&["commandlog-slow-execution-max-len"])
    .then(Follow::Slowlog),
    live(
        "slowlog-entry-max-argc",
        Kind::Number(2, INT),
        "32",
        at!(slowlog_entry_max_argc),
        "Arguments of a command to remember; the last one says how many are left out.",
    ),
    live(
        "slowlog-entry-max-string-len",
        Kind::Number(1, INT),
        "128",
        at!(slowlog_entry_max_string_len),
        "Bytes of an argument to remember.",
    ),
    live(
        "commandlog-request-larger-than",
        Kind::Number(-1, LONG),
        "1048576",
        at!(commandlog_request_larger_than),
        "Bytes from which on a request is logged as large; -1 logs none.",
    ),
    live(
        "commandlog-large-request-max-len",
        Kind::Number(0, LONG),
        "128",
        at!(commandlog_large_request_max_len),
        "Large requests to remember.",
    )
    .then(Follow::Slowlog),
    live(
        "commandlog-reply-larger-than",
        Kind::Number(-1, LONG),
        "1048576",
        at!(commandlog_reply_larger_than),
        "Bytes from which on a reply is logged as large; -1 logs none.",
    ),
    live(
        "commandlog-large-reply-max-len",
        Kind::Number(0, LONG),
        "128",
        at!(commandlog_large_reply_max_len),
        "Large replies to remember.",
    )
    .then(Follow::Slowlog),
    live(
        "latency-tracking",
        Kind::Switch,
        "yes",
        at!(latency_tracking),
        "Keep a histogram of every command's time.",
    ),
    live(
        "latency-tracking-info-percentiles",
        Kind::Percentiles,
        "50 99 99.9",
        at!(latency_tracking_info_percentiles),
        "The percentiles that INFO shows.",
    ),
    live(
        "latency-monitor-threshold",
        Kind::Number(0, LONG),
        "0",
        at!(latency_monitor_threshold),
        "Milliseconds from which on an event is remembered by LATENCY; 0 means none.",
    ),
];
