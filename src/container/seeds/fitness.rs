//! Which commands have a place in a seed: those that make data and functions, and those that only look.
//!
//! The engine that runs seeds is thrown away, and all that outlives it is a snapshot. So what a command would change
//! besides that would be lost without a word, and is refused instead.

use crate::spec::{ADMIN, Group, NOSCRIPT, PUBSUB, Spec};

/// Says why a command has no place in a seed.
pub fn judge(spec: &Spec) -> Result<(), String> {
    let name = || spec.name.replace('|', " ");
    if is_of_a_connection(spec) {
        let name = name();
        return Err(format!("a seed makes data: {name} is for a client that stays connected"));
    }
    if !spec.has(ADMIN) || HARMLESS.contains(&spec.name) {
        return Ok(());
    }
    Err(match AFTERWARDS.contains(&spec.name) {
        true => {
            format!("a seed makes data: {} is for afterwards; seeds are saved together", name())
        }
        false => format!(
            "a seed makes data: {} is about the server; use the environment or a configuration file",
            name()
        ),
    })
}

/// Of those that administrate the ones that change nothing, or data.
const HARMLESS: [&str; 2] = ["CONFIG|GET", "DEBUG|POPULATE"];
/// A snapshot that is taken too early would be taken for all of the data by the next start.
const AFTERWARDS: [&str; 4] = ["SAVE", "BGSAVE", "BGREWRITEAOF", "SHUTDOWN"];
/// These too are about the one who sends them.
const LISTENERS: [&str; 3] = ["MONITOR", "SYNC", "PSYNC"];

fn is_of_a_connection(spec: &Spec) -> bool {
    match spec.group {
        Group::Connection => !matches!(spec.name, "SELECT" | "PING" | "ECHO"),
        // To publish is not to listen: nobody hears it, and nothing changes.
        Group::PubSub => spec.has(PUBSUB) && spec.has(NOSCRIPT),
        _ => LISTENERS.contains(&spec.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::TABLE;
    use crate::engine::Command;
    use crate::spec::WRITE;

    fn verdict(name: &str) -> Result<(), String> {
        let named = |row: &&Command| row.spec.name.eq_ignore_ascii_case(name);
        judge(&TABLE.all.iter().find(named).unwrap_or_else(|| panic!("{name}")).spec)
    }

    #[test]
    fn what_makes_data_has_a_place() {
        // PFDEBUG is for tests of the server, and changes how a value is kept.
        let is_data = |spec: &Spec| spec.has(WRITE) && !spec.has(ADMIN);
        for command in TABLE.all.iter().filter(|command| is_data(&command.spec)) {
            assert_eq!(judge(&command.spec), Ok(()), "{}", command.spec.name);
        }
        for name in [
            "get",
            "select",
            "ping",
            "multi",
            "exec",
            "discard",
            "watch",
            "eval",
            "evalsha",
            "fcall",
            "script|load",
            "function|load",
            "function|list",
            "config|get",
            "info",
            "dbsize",
            "publish",
            "command|docs",
            "wait",
            "debug|populate",
        ] {
            assert_eq!(verdict(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_would_be_lost_has_none() {
        for (name, expected) in [
            (
                "config|set",
                "CONFIG SET is about the server; use the environment or a configuration file",
            ),
            (
                "acl|setuser",
                "ACL SETUSER is about the server; use the environment or a configuration file",
            ),
            (
                "replicaof",
                "REPLICAOF is about the server; use the environment or a configuration file",
            ),
            (
                "debug|reload",
                "DEBUG RELOAD is about the server; use the environment or a configuration file",
            ),
            ("save", "SAVE is for afterwards; seeds are saved together"),
            ("shutdown", "SHUTDOWN is for afterwards; seeds are saved together"),
            ("client|reply", "CLIENT REPLY is for a client that stays connected"),
            ("auth", "AUTH is for a client that stays connected"),
            ("quit", "QUIT is for a client that stays connected"),
            ("monitor", "MONITOR is for a client that stays connected"),
            ("subscribe", "SUBSCRIBE is for a client that stays connected"),
        ] {
            assert_eq!(verdict(name), Err(format!("a seed makes data: {expected}")), "{name}");
        }
    }
}
