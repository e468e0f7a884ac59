//! The log: one line an event, in the form that scripts and test suites wait for, or in one that programs
//! read (`line.rs`); and to the system's log if that is wanted (`syslog.rs`).
#![expect(clippy::disallowed_methods, reason = "a log has a clock and a file")]

pub mod line;
mod syslog;

use crate::config::{Config, LogFormat, LogTimestamp};
use line::Moment;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use syslog::Syslog;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The least level that is written; see `rank`.
static LEAST: AtomicU8 = AtomicU8::new(2);
/// The places of `LogFormat` and `LogTimestamp` in their lists.
static FORMAT: AtomicU8 = AtomicU8::new(0);
static TIMESTAMP: AtomicU8 = AtomicU8::new(0);
static FILE: OnceLock<String> = OnceLock::new();
static SYSLOG: OnceLock<Syslog> = OnceLock::new();

/// Starts the log; an empty file name stands for standard output.
pub fn start(config: &Config) -> anyhow::Result<()> {
    follow(config);
    let file = &config.logfile;
    if !file.is_empty() {
        // Found out now, while somebody is looking.
        OpenOptions::new().append(true).create(true).open(file)?;
    }
    let _ = FILE.set(file.to_string());
    if config.syslog_enabled {
        let ident = String::from_utf8_lossy(&config.syslog_ident).into_owned();
        let _ = SYSLOG.set(Syslog::new(ident, config.syslog_facility));
    }
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines));
    Ok(())
}

/// A line from the core, which has levels of its own.
pub fn note(level: crate::world::host::Level, text: &str) {
    use crate::world::host::Level;
    match level {
        Level::Debug => tracing::trace!("{text}"),
        Level::Verbose => tracing::debug!("{text}"),
        Level::Notice => tracing::info!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
    }
}

/// Writes what the configuration asks for now, and how.
pub fn follow(config: &Config) {
    LEAST.store(config.loglevel as u8, Ordering::Relaxed);
    FORMAT.store(config.log_format as u8, Ordering::Relaxed);
    TIMESTAMP.store(config.log_timestamp_format as u8, Ordering::Relaxed);
}

/// Writes something that is not a line of the log (the logo).
pub fn raw(text: &str) {
    write(text.as_bytes());
}

/// The file that is written to; empty for standard output.
pub fn file() -> &'static str {
    FILE.get().map_or("", String::as_str)
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if rank(level) < LEAST.load(Ordering::Relaxed)
            || !event.metadata().target().starts_with("russet")
        {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let (pid, rank, moment) = (std::process::id(), rank(level), now());
        let format = LogFormat::at(FORMAT.load(Ordering::Relaxed));
        let timestamp = LogTimestamp::at(TIMESTAMP.load(Ordering::Relaxed));
        let event = line::Event { pid, rank, moment };
        write(line::line(format, timestamp, &event, &message.0).as_bytes());
        if let Some(syslog) = SYSLOG.get() {
            syslog.send(pid, rank, &moment, &message.0);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

fn write(bytes: &[u8]) {
    match file() {
        "" => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(bytes);
            let _ = out.flush();
        }
        // The file is opened anew for each line, so that it may be moved away at any time.
        path => {
            if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
                let _ = file.write_all(bytes);
            }
        }
    }
}

/// Redis' four levels, on tracing's.
fn rank(level: Level) -> u8 {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN | Level::ERROR => 3,
    }
}

/// Local time is what an operator compares with his watch.
fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs() as libc::time_t;
    #[expect(unsafe_code, reason = "localtime_r fills a struct of plain numbers")]
    // SAFETY: both pointers are valid for the call, and all zeroes is a value of the struct
    // (its zone name is a pointer that is not looked at).
    let local = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut local);
        local
    };
    Moment {
        unix_ms: now.as_millis() as u64,
        year: 1900 + local.tm_year,
        month: local.tm_mon.rem_euclid(12) as u8 + 1,
        day: local.tm_mday as u8,
        hour: local.tm_hour as u8,
        minute: local.tm_min as u8,
        second: local.tm_sec as u8,
        ahead_minutes: (local.tm_gmtoff / 60) as i32,
    }
}
