//! Watching a server: `--latency` and `--stat`.
#![expect(
    clippy::disallowed_methods,
    reason = "these look at the clock, and wait, because that is what they are for"
)]

use super::connection::{Connection, told};
use super::options::{Options, Output};
use super::reply::Reply;
use super::session::print;
use std::time::{Duration, Instant};

const BETWEEN_PINGS: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// How long PINGs take, in milliseconds: least, most and mean. For programs, of a second; for people, until they have
/// seen enough.
pub fn latency(options: &Options) -> Result<(), String> {
    let mut connection = Connection::greet(options)?;
    let period = if options.interval.is_zero() { SECOND } else { options.interval };
    let began = Instant::now();
    let (mut least, mut most, mut sum, mut count) = (u128::MAX, 0, 0.0, 0u64);
    loop {
        let asked = Instant::now();
        let reply = connection.ask(&["PING"]).map_err(told)?;
        if let Reply::Error(text) = reply {
            return Err(String::from_utf8_lossy(&text).into_owned());
        }
        let took = asked.elapsed();
        least = least.min(took.as_millis());
        most = most.max(took.as_millis());
        sum += took.as_secs_f64() * 1e3;
        count += 1;
        let mean = sum / count as f64;
        let is_over = began.elapsed() >= period;
        let line = match options.output {
            Output::Pretty => {
                format!("\x1b[0G\x1b[2Kmin: {least}, max: {most}, avg: {mean:.2} ({count} samples)")
            }
            _ if !is_over => String::new(),
            Output::Raw => format!("{least} {most} {mean:.2} {count}\n"),
            Output::Csv => format!("{least},{most},{mean:.2},{count}\n"),
            Output::Json | Output::QuotedJson => {
                format!(
                    "{{\"min\": {least}, \"max\": {most}, \"avg\": {mean:.2}, \"count\": {count}}}\n"
                )
            }
        };
        let is_read = print(line.as_bytes()).is_ok();
        if !is_read || (is_over && options.output != Output::Pretty) {
            return Ok(());
        }
        wait(BETWEEN_PINGS);
    }
}

/// A line of figures each second, as often as `-r` says if that was said.
pub fn stat(options: &Options) -> Result<(), String> {
    const LINES_UNDER_HEAD: u64 = 20;
    let mut connection = Connection::greet(options)?;
    let period = if options.interval.is_zero() { SECOND } else { options.interval };
    let mut before = None;
    for line in 0u64.. {
        let reply = connection.ask(&["INFO"]).map_err(told)?;
        let text = String::from_utf8_lossy(reply.text()).into_owned();
        if reply.is_error() {
            return Err(format!("ERROR: {text}"));
        }
        let mut out = String::new();
        if line.is_multiple_of(LINES_UNDER_HEAD) {
            out.push_str(
                "------- data ------ --------------------- load -------------------- - child -\n\
                 keys       mem      clients blocked requests            connections          \n",
            );
        }
        let requests = field(&text, "total_commands_processed").unwrap_or_default();
        let more = requests - before.unwrap_or(requests);
        before = Some(requests);
        let number = |name| field(&text, name).unwrap_or_default();
        out.push_str(&format!(
            "{:<11}{:<8} {:<8}{:<8}{:<20}{:<12}",
            keys(&text),
            size(number("used_memory") as f64),
            number("connected_clients"),
            number("blocked_clients"),
            format!("{requests} (+{more})"),
            number("total_connections_received"),
        ));
        out.push_str(match (number("rdb_bgsave_in_progress"), number("aof_rewrite_in_progress")) {
            (0, 0) => "",
            (1, 0) => "SAVE",
            (0, _) => "AOF",
            (_, _) => "SAVE+AOF",
        });
        out.push('\n');
        let is_last = options.repeat > 1 && line + 1 == options.repeat as u64;
        if print(out.as_bytes()).is_err() || is_last {
            break;
        }
        wait(period);
    }
    Ok(())
}

fn field(info: &str, name: &str) -> Option<i64> {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}

/// Keys of all databases.
fn keys(info: &str) -> i64 {
    let counts = info.lines().filter_map(|line| {
        let (db, rest) = line.split_once(":keys=")?;
        db.strip_prefix("db")?;
        rest.split(',').next()?.parse::<i64>().ok()
    });
    counts.sum()
}

fn size(bytes: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e3, "B"), (1048576.0, "K"), (1073741824.0, "M")];
    let scale = |at: usize| 1024f64.powi(at as i32);
    match UNITS.iter().position(|(most, _)| bytes < *most) {
        Some(0) => format!("{bytes}B"),
        Some(at) => format!("{:.2}{}", bytes / scale(at), UNITS[at].1),
        None => format!("{:.2}G", bytes / scale(3)),
    }
}
