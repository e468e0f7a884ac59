//! The table of directives, in the sections and the order of the example file.
//!
//! Names, ranges and defaults are those of Redis 8 and Valkey 9. Where the two disagree the row says
//! which one it follows, and why.

mod cluster;
mod memory;
mod network;
mod persistence;
mod process;
mod replication;
mod structures;
mod tls;
mod watching;

use super::directive::Directive;

/// The table by sections, each with its title.
pub(super) const SECTIONS: &[(&str, &[Directive])] = &[
    ("Network", network::NETWORK),
    ("Clients", network::CLIENTS),
    ("TLS", tls::TLS),
    ("The process", process::PROCESS),
    ("The log", process::LOG),
    ("Access", process::ACCESS),
    ("Memory", memory::MEMORY),
    ("Expiry and lazy freeing", memory::LAZY),
    ("Defragmentation", memory::DEFRAG),
    ("Snapshots", persistence::SNAPSHOTS),
    ("Append-only file", persistence::AOF),
    ("Replication", replication::REPLICATION),
    ("Cluster", cluster::CLUSTER),
    ("Command log and latency", watching::WATCHING),
    ("Data structures", structures::STRUCTURES),
    ("Scripts and events", structures::SCRIPTS),
    ("Testing", process::TESTING),
];

const COUNT: usize = {
    let (mut total, mut at) = (0, 0);
    while at < SECTIONS.len() {
        total += SECTIONS[at].1.len();
        at += 1;
    }
    total
};

/// Every directive, once.
pub static DIRECTIVES: &[Directive] = &flatten();

const fn flatten() -> [Directive; COUNT] {
    let mut table = [SECTIONS[0].1[0]; COUNT];
    let (mut section, mut to) = (0, 0);
    while section < SECTIONS.len() {
        let rows = SECTIONS[section].1;
        let mut from = 0;
        while from < rows.len() {
            table[to] = rows[from];
            from += 1;
            to += 1;
        }
        section += 1;
    }
    table
}

/// Finds a directive by any of its names, in any case.
pub fn find(name: &[u8]) -> Option<&'static Directive> {
    let named = |directive: &&Directive| {
        directive.names().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    };
    DIRECTIVES.iter().find(named)
}

/// The bounds of the C types that Redis keeps its settings in, which its messages quote.
const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const UINT: i64 = u32::MAX as i64;
const SIZE: u64 = i64::MAX as u64;
