//! The log: one line an event, as Redis writes it, since scripts and test suites wait for it.
//!
//! `PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message`
#![expect(clippy::disallowed_methods, reason = "a log has a clock and a file")]

use crate::config::LogLevel;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The least level that is written; see `rank`.
static LEAST: AtomicU8 = AtomicU8::new(2);
static FILE: OnceLock<String> = OnceLock::new();

/// Starts the log; an empty file name stands for standard output.
pub fn start(file: &str, level: LogLevel) -> anyhow::Result<()> {
    set_level(level);
    if !file.is_empty() {
        // Found out now, while somebody is looking.
        OpenOptions::new().append(true).create(true).open(file)?;
    }
    let _ = FILE.set(file.to_string());
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

pub fn set_level(level: LogLevel) {
    let least = match level {
        LogLevel::Debug => 0,
        LogLevel::Verbose => 1,
        LogLevel::Notice => 2,
        LogLevel::Warning => 3,
        LogLevel::Nothing => 4,
    };
    LEAST.store(least, Ordering::Relaxed);
}

/// Writes something that is not a line of the log (the logo).
pub fn raw(text: &str) {
    write(text.as_bytes());
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
        let mut line = String::with_capacity(64 + message.0.len());
        let _ = write!(line, "{}:M ", std::process::id());
        timestamp(&mut line);
        let _ = writeln!(line, " {} {}", mark(level), message.0);
        write(line.as_bytes());
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
    match FILE.get().map(String::as_str) {
        // The file is opened anew for each line, so that it may be moved away at any time.
        Some(path) if !path.is_empty() => {
            if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
                let _ = file.write_all(bytes);
            }
        }
        _ => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(bytes);
            let _ = out.flush();
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

fn mark(level: Level) -> char {
    match rank(level) {
        0 => '.',
        1 => '-',
        2 => '*',
        _ => '#',
    }
}

/// Local time is what an operator compares with his watch.
fn timestamp(line: &mut String) {
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
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS[local.tm_mon.rem_euclid(12) as usize];
    let _ = write!(
        line,
        "{:02} {month} {} {:02}:{:02}:{:02}.{:03}",
        local.tm_mday,
        1900 + local.tm_year,
        local.tm_hour,
        local.tm_min,
        local.tm_sec,
        now.subsec_millis()
    );
}
