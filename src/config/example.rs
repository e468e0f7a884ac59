//! `redis.conf.example`, written from the table, so that it can neither miss a directive nor claim a
//! wrong default.

use super::directive::{Change, Directive};
use super::directives::SECTIONS;
use super::kind::{Kind, memory_text};
use super::value::Value;
use crate::base::bytes::split_line;

const WIDTH: usize = 96;

const HEAD: &str = "\
Configuration of Russet. Every line is optional, and every directive below stands at its
default: take the hash sign away to change one.

  russet-server /path/to/this.conf --port 7000

Directives on the command line come last and win. The format is that of redis.conf: a name and
its values; a value with blanks goes in quotes. Sizes may be written as 1k (1000), 1kb (1024),
5m, 5mb, 1g, 1gb. A comment may also stand behind the values of a line.

A directive marked [at start] cannot be changed by CONFIG SET. One marked [waits for …] is
checked and kept, but has no effect until that feature exists.";

const STATEMENTS: &str = "\
Lines that are not directives: other files, users, renamed commands.

  include /etc/russet/conf.d/*.conf
  user alice on >secret ~app:* +@read
  rename-command FLUSHALL \"\"";

/// The whole file.
pub fn example() -> String {
    let mut out = String::new();
    comment(&mut out, HEAD);
    out.push('\n');
    comment(&mut out, STATEMENTS);
    for (title, rows) in SECTIONS {
        let mut shown =
            rows.iter().filter(|directive| !directive.hidden || directive.explained).peekable();
        if shown.peek().is_none() {
            continue;
        }
        out.push_str(&format!("\n######## {title} ########\n"));
        for directive in shown {
            out.push('\n');
            describe(&mut out, directive);
        }
    }
    out
}

fn describe(out: &mut String, directive: &Directive) {
    let mut text = directive.summary.to_string();
    let mut mark = |mark: &str| text.push_str(&format!(" [{mark}]"));
    if directive.change == Change::AtStart {
        mark("at start");
    }
    if let Some(feature) = directive.waits_for() {
        mark(&format!("waits for {feature}"));
    }
    if let super::Home::Idle(reason) = directive.home {
        mark(&format!("no effect: {reason}"));
    }
    if !directive.because.is_empty() {
        text.push_str(&format!(" The default is {}.", directive.because));
    }
    if let Kind::Choice(names) | Kind::ChoiceOr(names, _) | Kind::Flags(names) = directive.kind {
        text.push_str(&format!(" One of: {}.", names.join(", ")));
    }
    if !directive.aliases.is_empty() {
        text.push_str(&format!(" Also called {}.", directive.aliases.join(", ")));
    }
    comment(out, &wrapped(&text));
    for line in defaults(directive) {
        out.push_str(&format!("# {line}\n"));
    }
}

/// The lines that would set the directive to its default.
fn defaults(directive: &Directive) -> Vec<String> {
    let name = directive.name;
    match directive.default_value() {
        Value::Save(points) => points
            .iter()
            .map(|point| format!("{name} {} {}", point.seconds, point.changes))
            .collect(),
        Value::Limits(limits) => limits
            .classes("replica")
            .iter()
            .map(|(class, limit)| {
                let (hard, soft) = (memory_text(limit.hard.into()), memory_text(limit.soft.into()));
                format!("{name} {class} {hard} {soft} {}", limit.soft_seconds)
            })
            .collect(),
        Value::Text(_) if matches!(directive.kind, Kind::Primary) => {
            vec![format!("{name} no one")]
        }
        Value::Number(bytes) if directive.kind.is_memory() => {
            vec![format!("{name} {}", memory_text(bytes))]
        }
        _ => {
            let one_word =
                split_line(directive.default.as_bytes()).is_some_and(|words| words.len() == 1);
            match one_word || directive.kind.takes_many() && !directive.default.is_empty() {
                true => vec![format!("{name} {}", directive.default)],
                false => vec![format!("{name} \"{}\"", directive.default)],
            }
        }
    }
}

fn wrapped(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        if column > 0 && column + 1 + word.chars().count() > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    out
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str(if line.is_empty() { "#" } else { "# " });
        out.push_str(line);
        out.push('\n');
    }
}
