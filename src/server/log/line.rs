//! The form of a line: what Redis writes, or pairs of names and values for programs that collect logs.
//!
//! | `log-format` | |
//! |---|---|
//! | `legacy` | `PID:M DD Mon YYYY HH:MM:SS.mmm * message` |
//! | `logfmt` | `pid=… role=primary timestamp="…" level=notice message="…"` |
//! | `json` | `{"pid":…,"role":"primary","timestamp":"…","level":"notice","message":"…"}` |
//!
//! One event is one line in each of them: who could put a line break into a message could forge events.

use crate::base::bytes::json_text;
use crate::config::{LogFormat, LogTimestamp};
use std::fmt::Write;

/// What a line says besides its message.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub pid: u32,
    /// From 0, what only developers want to know, to 3, a warning.
    pub rank: u8,
    pub moment: Moment,
}

/// A moment as people and programs write it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    pub year: i32,
    /// From 1.
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// How far local time is ahead of UTC.
    pub ahead_minutes: i32,
}

/// A whole line, with its end.
pub fn line(format: LogFormat, timestamp: LogTimestamp, event: &Event, message: &str) -> String {
    let mut line = String::with_capacity(96 + message.len());
    let (pid, level) = (event.pid, LEVELS[usize::from(event.rank).min(3)]);
    // Writing to a string does not fail.
    let _ = match format {
        LogFormat::Legacy => write!(line, "{pid}:M "),
        LogFormat::Logfmt => write!(line, "pid={pid} role=primary timestamp=\""),
        LogFormat::Json => write!(line, "{{\"pid\":{pid},\"role\":\"primary\",\"timestamp\":\""),
    };
    event.moment.write(timestamp, &mut line);
    match format {
        LogFormat::Legacy => {
            let _ = write!(line, " {} ", MARKS[usize::from(event.rank).min(3)]);
            line.extend(unbroken(message));
        }
        LogFormat::Logfmt => {
            let _ = write!(line, "\" level={level} message=\"");
            line.extend(unbroken(message).map(|c| if c == '"' { '\'' } else { c }));
            line.push('"');
        }
        LogFormat::Json => {
            let _ = write!(line, "\",\"level\":\"{level}\",\"message\":\"");
            let mut escaped = Vec::new();
            json_text(message.as_bytes(), &mut escaped);
            line.push_str(&String::from_utf8_lossy(&escaped));
            line.push_str("\"}");
        }
    }
    line.push('\n');
    line
}

/// The names of the levels, and the marks that Redis has for them.
const LEVELS: [&str; 4] = ["debug", "info", "notice", "warning"];
const MARKS: [char; 4] = ['.', '-', '*', '#'];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A message without its line breaks.
pub fn unbroken(message: &str) -> impl Iterator<Item = char> {
    message.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c })
}

impl Moment {
    pub fn write(&self, form: LogTimestamp, out: &mut String) {
        let Moment { year, day, hour, minute, second, .. } = *self;
        let ms = self.unix_ms % 1000;
        let _ = match form {
            LogTimestamp::Legacy => write!(
                out,
                "{day:02} {} {year} {hour:02}:{minute:02}:{second:02}.{ms:03}",
                self.month_name()
            ),
            LogTimestamp::Iso8601 => {
                let (sign, ahead) = match self.ahead_minutes < 0 {
                    true => ('-', -self.ahead_minutes),
                    false => ('+', self.ahead_minutes),
                };
                write!(
                    out,
                    "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}{sign}{:02}:{:02}",
                    self.month,
                    ahead / 60,
                    ahead % 60
                )
            }
            LogTimestamp::Milliseconds => write!(out, "{}", self.unix_ms),
        };
    }

    pub fn month_name(&self) -> &'static str {
        MONTHS[usize::from(self.month).wrapping_sub(1) % 12]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENT: Event = Event {
        pid: 42,
        rank: 3,
        moment: Moment {
            unix_ms: 1_800_000_000_007,
            year: 2027,
            month: 1,
            day: 15,
            hour: 4,
            minute: 30,
            second: 0,
            ahead_minutes: -210,
        },
    };

    #[test]
    fn each_format_says_the_same() {
        let of = |format, timestamp| line(format, timestamp, &EVENT, "a \"b\"\n\\c\t\x01");
        assert_eq!(
            of(LogFormat::Legacy, LogTimestamp::Legacy),
            "42:M 15 Jan 2027 04:30:00.007 # a \"b\" \\c\t\x01\n"
        );
        assert_eq!(
            of(LogFormat::Logfmt, LogTimestamp::Iso8601),
            "pid=42 role=primary timestamp=\"2027-01-15T04:30:00.007-03:30\" level=warning \
             message=\"a 'b' \\c\t\x01\"\n"
        );
        assert_eq!(
            of(LogFormat::Json, LogTimestamp::Milliseconds),
            "{\"pid\":42,\"role\":\"primary\",\"timestamp\":\"1800000000007\",\"level\":\"warning\",\
             \"message\":\"a \\\"b\\\"\\n\\\\c\\t\\u0001\"}\n"
        );
    }

    proptest! {
        #[test]
        fn an_event_is_one_line_whatever_it_says(message: String, json: bool) {
            let format = if json { LogFormat::Json } else { LogFormat::Logfmt };
            let line = line(format, LogTimestamp::Legacy, &EVENT, &message);
            prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
            // No quote of the message ends the value before its end.
            let (_, value) = line.split_once(if json { "\"message\":\"" } else { "message=\"" }).unwrap();
            let mut escaped = false;
            let end = value.char_indices().find(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = json && *c == '\\' && !escaped;
                closes
            });
            let rest = &value[end.unwrap().0 + 1..];
            prop_assert_eq!(rest, if json { "}\n" } else { "\n" });
        }
    }
}
