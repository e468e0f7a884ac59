//! When the server is wrong about itself: say what happened, then end. Half-changed memory must
//! not be served, so no task survives a panic.
//!
//! A panic and a signal that ends the process are reported in the same form: what happened, where the thread
//! was, what INFO said a moment ago, and the command that ran, without its data unless
//! `hide-user-data-from-log` is off. All that a handler of signals tells has been prepared, since nothing can
//! be made in there (`signals.rs`).

mod output;
mod signals;
mod symbols;

use crate::config::Config;
use crate::engine::doing::Doing;
use crate::engine::redact;
use output::Output;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use signals::{fault, wind_watchdog};

static ENABLED: AtomicBool = AtomicBool::new(true);
static HIDES_DATA: AtomicBool = AtomicBool::new(true);
static EXITS: AtomicBool = AtomicBool::new(false);
/// What INFO said, and what `debug-context` says. A handler only looks whether they can be had at once.
static INFO: Mutex<String> = Mutex::new(String::new());
static CONTEXT: Mutex<String> = Mutex::new(String::new());

/// When that was, in microseconds of the monotonic clock.
static INFO_AT: AtomicU64 = AtomicU64::new(0);

const INFO_AGE_MAX_US: u64 = 5_000_000;
/// So many bytes of a word are shown.
const WORD_SHOWN_MAX: usize = 128;
/// So many words of a command.
const WORDS_SHOWN_MAX: usize = 64;

/// From now on a crash is written to the log.
pub fn report(config: &Config) {
    std::panic::set_hook(Box::new(report_panic));
    signals::guard_stack();
    signals::prepare();
    follow(config);
}

/// Reports as the configuration says now.
pub fn follow(config: &Config) {
    ENABLED.store(config.crash_log_enabled, Ordering::Relaxed);
    HIDES_DATA.store(config.hide_user_data_from_log, Ordering::Relaxed);
    EXITS.store(config.use_exit_on_panic, Ordering::Relaxed);
    if let Ok(mut context) = CONTEXT.lock() {
        *context = String::from_utf8_lossy(&config.debug_context).into_owned();
    }
    signals::follow(config.crash_log_enabled);
}

/// Is it worth while to prepare anything?
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Was it too long ago that INFO was asked? Each time costs some hundredths of a millisecond.
pub fn wants_info(now_us: u64) -> bool {
    now_us >= INFO_AT.load(Ordering::Relaxed) + INFO_AGE_MAX_US
        || INFO_AT.load(Ordering::Relaxed) == 0
}

/// What a report is to say that INFO said.
pub fn remember_info(text: String, now_us: u64) {
    INFO_AT.store(now_us.max(1), Ordering::Relaxed);
    if let Ok(mut info) = INFO.lock() {
        *info = text;
    }
}

fn report_panic(panic: &std::panic::PanicHookInfo) {
    // From here on an abort is only the end.
    signals::follow(false);
    let place = panic.location().map_or_else(String::new, |at| format!("{at}"));
    let text = panic.payload_as_str().unwrap_or("a value that is no text");
    let mut out = Output::to_log();
    if is_enabled() {
        begin(&mut out);
    }
    let is_assertion = text.starts_with("assertion");
    let _ = match is_assertion {
        true => writeln!(out, "=== ASSERTION FAILED ===\n==> {place} {text}"),
        false => writeln!(out, "Software failure: {VERSION} crashed by a panic at {place}: {text}"),
    };
    if is_enabled() {
        let trace = std::backtrace::Backtrace::force_capture();
        let _ = writeln!(out, "\n{STACK}\n{trace}{STACK_DONE}");
        tell_rest(&mut out, is_assertion);
        end(&mut out);
    }
    out.flush();
    if EXITS.load(Ordering::Relaxed) {
        std::process::exit(1);
    }
    std::process::abort();
}

const VERSION: &str = concat!("Russet ", env!("CARGO_PKG_VERSION"));
const STACK: &str = "------ STACK TRACE ------";
const STACK_DONE: &str = "------ STACK TRACE DONE ------";

fn begin(out: &mut Output) {
    let _ = out.write_str("\n\n=== RUSSET BUG REPORT START: Cut & paste starting from here ===\n");
}

fn end(out: &mut Output) {
    let _ = out.write_str(
        "\n=== RUSSET BUG REPORT END. Make sure to include from START to END. ===\n\n\
         \x20      Please report the crash with all of this at https://github.com/russet-db/russet/issues\n\n",
    );
}

/// What is told behind the stack. Nothing in here allocates or waits, since handlers tell it too.
fn tell_rest(out: &mut Output, is_assertion: bool) {
    let _ = out.write_str("\n------ INFO OUTPUT ------\n");
    match INFO.try_lock() {
        Ok(info) => drop(out.write_str(&info)),
        Err(_) => drop(out.write_str("(not at hand)\n")),
    }
    if let Some(doing) = signals::doing() {
        tell_command(doing, out, is_assertion);
    }
    let _ = writeln!(out, "\n------ CONFIG DEBUG OUTPUT ------");
    if let Ok(context) = CONTEXT.try_lock() {
        let _ = writeln!(out, "debug-context: {context}");
    }
}

fn tell_command(doing: &Doing, out: &mut Output, is_assertion: bool) {
    let Doing { command, args, client, db } = *doing;
    let _ = write!(
        out,
        "\n------ CURRENT CLIENT INFO ------\nid={client} db={db} cmd={}\nargc: '{}'\n",
        command.spec.name,
        args.len()
    );
    let hides = HIDES_DATA.load(Ordering::Relaxed);
    let names = 1 + (command.is_sub() && !command.is_word()) as usize;
    for (index, word) in args.iter().enumerate().take(WORDS_SHOWN_MAX) {
        let _ = match is_assertion {
            true => write!(out, "client->argv[{index}] = \""),
            false => write!(out, "argv[{index}]: '"),
        };
        let hidden = (hides && index >= names) || redact::is_secret(command, args, index);
        match hidden {
            true => drop(out.write_str("*redacted*")),
            false => tell_word(word, out),
        }
        let _ = out.write_str(if is_assertion { "\"\n" } else { "'\n" });
    }
    if args.len() > WORDS_SHOWN_MAX {
        let _ = writeln!(out, "... ({} more arguments)", args.len() - WORDS_SHOWN_MAX);
    }
}

/// As the slow log writes it, but a byte at a time.
fn tell_word(word: &[u8], out: &mut Output) {
    for byte in &word[..word.len().min(WORD_SHOWN_MAX)] {
        let _ = write!(out, "{}", byte.escape_ascii());
    }
    if word.len() > WORD_SHOWN_MAX {
        let _ = write!(out, "... ({} more bytes)", word.len() - WORD_SHOWN_MAX);
    }
}
