//! Counters: what INFO tells of the server's life.

use super::command::Table;
use crate::base::histogram::Histogram;
use crate::base::map::Map;

/// How often a command ran, for how long, and how often it was refused.
#[derive(Clone, Debug, Default)]
pub struct CommandStat {
    pub calls: u64,
    pub micros: u64,
    /// Refused before it ran.
    pub rejected: u64,
    /// Ran, and answered an error.
    pub failed: u64,
    /// Durations, while `latency-tracking` is on; nothing is held for a command never called.
    pub latency: Histogram,
    /// Once the command was slow.
    pub slow: Option<Box<SlowStat>>,
}

/// Commands that the slow log took: how many, and how long they ran.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlowStat {
    pub count: u64,
    pub micros: u64,
    pub micros_max: u64,
}

/// The steps of the engine: what it does at one go, while nobody else gets a turn. A batch of
/// requests is one, a slice of background work another.
#[derive(Clone, Debug, Default)]
pub struct Cycles {
    /// How long the steps took; their longest is exact in `micros_max`.
    pub steps: Histogram,
    pub count: u64,
    pub micros: u64,
    pub micros_max: u64,
    /// Of these, those in which requests ran, and how many.
    pub with_requests: u64,
    pub requests: u64,
    pub requests_max: u64,
    /// Microseconds of background work.
    pub cron_micros: u64,
    /// The counter of requests when the last step ended.
    processed: u64,
}

/// What a thread did for its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct IoThread {
    pub reads: u64,
    pub writes: u64,
}

/// Kinds of error that are told apart; beyond them, a flood of made-up ones would fill memory.
const ERROR_KINDS_MAX: usize = 128;

/// … and so long may a kind be, as in Redis.
const KIND_BYTES_MAX: usize = 30;

pub struct Stats {
    /// By command id.
    pub commands: Vec<CommandStat>,
    /// By the first word of the error.
    errors: Map<Box<[u8]>, u64>,
    pub errors_disabled: bool,
    pub error_replies: u64,
    pub connections: u64,
    pub rejected_connections: u64,
    pub processed: u64,
    pub net_in: u64,
    pub net_out: u64,
    pub peak_memory: u64,
    pub query_limit_disconnections: u64,
    pub output_limit_disconnections: u64,
    pub evicted_clients: u64,
    pub acl_denied: AclDenied,
    /// One for each thread that has sockets.
    pub threads: Vec<IoThread>,
    /// Values that are freed in the background.
    pub given_away: u64,
    /// Snapshots that were begun in the background: where Redis forks.
    pub snapshots: u64,
    pub slow: SlowStat,
    /// Requests that were parsed, and in how many batches.
    pub parsed: u64,
    pub parse_batches: u64,
    pub cycles: Cycles,
    /// Microseconds that commands ran, those inside EXEC counted once.
    pub command_micros: u64,
    /// Microseconds of the sweep of due keys.
    pub expire_micros: u64,
    /// When `peak_memory` was reached, in seconds since 1970.
    pub peak_memory_time: i64,
    pub instant: Instantaneous,
}

/// What was refused to users, by the reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct AclDenied {
    pub auth: u64,
    pub command: u64,
    pub key: u64,
    pub channel: u64,
    pub database: u64,
    /// Certificates whose names are no user's.
    pub certificate: u64,
}

impl Stats {
    pub fn new(table: &Table, threads: usize) -> Stats {
        Stats {
            commands: vec![CommandStat::default(); table.all.len()],
            errors: Map::default(),
            errors_disabled: false,
            error_replies: 0,
            connections: 0,
            rejected_connections: 0,
            processed: 0,
            net_in: 0,
            net_out: 0,
            peak_memory: 0,
            query_limit_disconnections: 0,
            output_limit_disconnections: 0,
            evicted_clients: 0,
            acl_denied: AclDenied::default(),
            threads: vec![IoThread::default(); threads],
            given_away: 0,
            snapshots: 0,
            slow: SlowStat::default(),
            parsed: 0,
            parse_batches: 0,
            cycles: Cycles::default(),
            command_micros: 0,
            expire_micros: 0,
            peak_memory_time: 0,
            instant: Instantaneous::default(),
        }
    }

    /// CONFIG RESETSTAT. What was refused to users stays known, as in Redis.
    pub fn reset(&mut self) {
        self.commands.fill(CommandStat::default());
        self.errors.clear();
        self.errors_disabled = false;
        self.error_replies = 0;
        self.connections = 0;
        self.rejected_connections = 0;
        self.processed = 0;
        self.net_in = 0;
        self.net_out = 0;
        self.query_limit_disconnections = 0;
        self.output_limit_disconnections = 0;
        self.evicted_clients = 0;
        self.threads.fill(IoThread::default());
        self.given_away = 0;
        self.snapshots = 0;
        self.slow = SlowStat::default();
        self.parsed = 0;
        self.parse_batches = 0;
        self.cycles = Cycles::default();
        self.command_micros = 0;
        self.expire_micros = 0;
        self.instant = Instantaneous::default();
    }

    /// The engine was entered at `began_us`, and is left now.
    #[inline]
    pub fn end_step(&mut self, began_us: u64, now_us: u64) {
        // CONFIG RESETSTAT may have been among the requests.
        let requests = self.processed.saturating_sub(self.cycles.processed);
        self.cycles.processed = self.processed;
        self.cycles.count(now_us.saturating_sub(began_us), requests);
    }

    /// The slow log took a command.
    pub fn count_slow(&mut self, command: u16, micros: u64) {
        self.slow.count(micros);
        self.commands[command as usize].slow.get_or_insert_default().count(micros);
    }

    /// Notes how much memory is in use, if it was never more.
    pub fn note_memory(&mut self, allocated: u64, now_seconds: i64) {
        if allocated > self.peak_memory {
            self.peak_memory = allocated;
            self.peak_memory_time = now_seconds;
        }
    }

    /// Takes samples for the rates; called about ten times a second.
    pub fn sample(&mut self, span_us: u64) {
        let instant = &mut self.instant;
        instant.commands.sample(span_us, self.processed);
        instant.net_in.sample(span_us, self.net_in);
        instant.net_out.sample(span_us, self.net_out);
        instant.cycles.sample(span_us, self.cycles.count);
        instant.cycle_micros.sample(span_us, self.cycles.micros);
    }

    /// An error was answered; `message` begins with its kind. Gives the kinds there were, if
    /// there are too many now to go on.
    pub fn count_error(&mut self, message: &[u8]) -> Option<Map<Box<[u8]>, u64>> {
        self.error_replies += 1;
        if self.errors_disabled {
            return None;
        }
        // One word alone is a text without a kind, and so is a long one.
        let end = message.iter().take(KIND_BYTES_MAX + 1).position(|byte| *byte == b' ');
        let kind = end.map_or(&b"ERR"[..], |end| &message[..end]);
        if let Some(count) = self.errors.get_mut(kind) {
            *count += 1;
        } else if self.errors.len() < ERROR_KINDS_MAX {
            self.errors.insert(kind.into(), 1);
        } else {
            // Somebody makes kinds up. Redis keeps one line that says so, and stops counting.
            let kinds = std::mem::take(&mut self.errors);
            self.errors.insert((*b"ERRORSTATS_DISABLED").into(), 1);
            self.errors_disabled = true;
            return Some(kinds);
        }
        None
    }

    pub fn errors(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<_> = self.errors.iter().map(|(kind, count)| (&**kind, *count)).collect();
        all.sort_unstable();
        all
    }
}

impl CommandStat {
    /// The command ran.
    #[inline]
    pub fn count(&mut self, micros: u64, failed: bool, latency_tracking: bool) {
        self.calls += 1;
        self.micros += micros;
        self.failed += failed as u64;
        if latency_tracking {
            self.latency.record(micros.saturating_mul(1000));
        }
    }

    pub fn is_blank(&self) -> bool {
        self.calls == 0 && self.rejected == 0 && self.failed == 0
    }
}

impl SlowStat {
    fn count(&mut self, micros: u64) {
        self.count += 1;
        self.micros += micros;
        self.micros_max = self.micros_max.max(micros);
    }
}

impl Cycles {
    #[inline]
    fn count(&mut self, micros: u64, requests: u64) {
        self.steps.record(micros.saturating_mul(1000));
        self.count += 1;
        self.micros += micros;
        self.micros_max = self.micros_max.max(micros);
        self.with_requests += (requests > 0) as u64;
        self.requests += requests;
        self.requests_max = self.requests_max.max(requests);
    }
}

/// Rates over the last second or so, from samples taken by the clock.
#[derive(Clone, Debug, Default)]
pub struct Instantaneous {
    commands: Rate,
    net_in: Rate,
    net_out: Rate,
    cycles: Rate,
    /// Microseconds in cycles, in each second.
    cycle_micros: Rate,
}

#[derive(Clone, Debug, Default)]
struct Rate {
    last: u64,
    samples: [u64; 16],
    next: usize,
}

impl Instantaneous {
    pub fn cycles_per_second(&self) -> u64 {
        self.cycles.average()
    }

    /// How long a cycle took of late, in microseconds.
    pub fn cycle_us(&self) -> u64 {
        self.cycle_micros.average() / self.cycles.average().max(1)
    }

    /// Was nothing asked of late?
    pub fn is_quiet(&self) -> bool {
        [&self.commands, &self.net_in, &self.net_out].iter().all(|rate| rate.average() == 0)
    }

    /// The server has rested since the last sample: nothing happened in all that time.
    pub fn forget(&mut self) {
        self.cycles.samples.fill(0);
        self.cycle_micros.samples.fill(0);
    }

    pub fn commands_per_second(&self) -> u64 {
        self.commands.average()
    }

    pub fn net_in_per_second(&self) -> u64 {
        self.net_in.average()
    }

    pub fn net_out_per_second(&self) -> u64 {
        self.net_out.average()
    }
}

impl Rate {
    fn sample(&mut self, span_us: u64, total: u64) {
        let more = total.saturating_sub(self.last);
        self.last = total;
        self.samples[self.next] = more.saturating_mul(1_000_000) / span_us.max(1);
        self.next = (self.next + 1) % self.samples.len();
    }

    fn average(&self) -> u64 {
        self.samples.iter().sum::<u64>() / self.samples.len() as u64
    }
}
