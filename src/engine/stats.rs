//! Counters: what INFO tells of the server's life.

use super::command::Table;
use crate::base::map::Map;

/// How often a command ran, for how long, and how often it was refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStat {
    pub calls: u64,
    pub micros: u64,
    /// Refused before it ran.
    pub rejected: u64,
    /// Ran, and answered an error.
    pub failed: u64,
}

/// Kinds of error that are told apart; beyond them, a flood of made-up ones would fill memory.
const ERROR_KINDS_MAX: usize = 128;

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
    pub acl_denied_auth: u64,
    pub reads: u64,
    pub writes: u64,
    pub instant: Instantaneous,
}

impl Stats {
    pub fn new(table: &Table) -> Stats {
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
            acl_denied_auth: 0,
            reads: 0,
            writes: 0,
            instant: Instantaneous::default(),
        }
    }

    /// CONFIG RESETSTAT.
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
        self.acl_denied_auth = 0;
        self.reads = 0;
        self.writes = 0;
        self.instant = Instantaneous::default();
    }

    /// An error was answered; `message` begins with its kind.
    pub fn count_error(&mut self, message: &[u8]) {
        self.error_replies += 1;
        if self.errors_disabled {
            return;
        }
        let kind = message.split(|byte| *byte == b' ').next().unwrap_or(b"ERR");
        if let Some(count) = self.errors.get_mut(kind) {
            *count += 1;
        } else if self.errors.len() < ERROR_KINDS_MAX {
            self.errors.insert(kind.into(), 1);
        } else {
            // Somebody makes kinds up. Redis keeps one line that says so, and stops counting.
            self.errors.clear();
            self.errors.insert((*b"ERRORSTATS_DISABLED").into(), 1);
            self.errors_disabled = true;
        }
    }

    pub fn errors(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<_> = self.errors.iter().map(|(kind, count)| (&**kind, *count)).collect();
        all.sort_unstable();
        all
    }
}

/// Rates over the last second or so, from samples taken by the clock.
#[derive(Clone, Debug, Default)]
pub struct Instantaneous {
    commands: Rate,
    net_in: Rate,
    net_out: Rate,
}

#[derive(Clone, Debug, Default)]
struct Rate {
    last: u64,
    samples: [u64; 16],
    next: usize,
}

impl Instantaneous {
    /// Called about ten times a second.
    pub fn sample(&mut self, span_us: u64, commands: u64, net_in: u64, net_out: u64) {
        self.commands.sample(span_us, commands);
        self.net_in.sample(span_us, net_in);
        self.net_out.sample(span_us, net_out);
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
