//! The commands: one file for each family, rows on top, handlers below.
//!
//! From the rows come dispatch, arity checks, COMMAND INFO, DOCS and GETKEYS, and the prefetching
//! of keys. The index of names is built while the crate compiles; two rows with one name do not.

// Keys, whatever they hold.
pub mod keys;

pub mod dump;
pub mod expire;
pub mod migrate;
pub mod object;
pub mod restore;
pub mod scan;

// Strings, and what their commands share.
pub mod string;

pub mod compare;
pub mod counter;
pub mod lcs;
pub mod lifetime;
pub mod rate;

pub mod bitmap;
pub mod hyperloglog;

// Values with elements.
pub mod elements;
pub mod hash;
pub mod hash_import;
pub mod hash_life;
pub mod list;
pub mod member_life;
pub mod set;
pub mod set_combine;
pub mod sort;
pub mod stream;
pub mod zset;

pub mod geo;

// What commands share that pick at random, or wait for a key.
pub mod picks;
pub mod waiting;

pub mod transaction;

pub mod function;
pub mod scripting;

pub mod client;
mod client_filter;
pub mod connection;
pub mod tracking;

pub mod pubsub;

// The server itself.
pub mod server;

pub mod absent;
pub mod acl;
pub mod commandlog;
pub mod config;
pub mod debug;
pub mod hotkeys;
pub mod info;
pub mod introspection;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod persistence;
pub mod process;

use crate::engine::{Command, Family, Table};
use crate::error::Error;

/// The families, in the order a reader should meet them. A new family is one line here.
const FAMILIES: &[Family] = &[
    keys::FAMILY,
    dump::FAMILY,
    migrate::FAMILY,
    expire::FAMILY,
    scan::FAMILY,
    object::FAMILY,
    restore::FAMILY,
    restore::AMONG_SERVERS,
    string::FAMILY,
    compare::FAMILY,
    counter::FAMILY,
    lcs::FAMILY,
    rate::FAMILY,
    bitmap::FAMILY,
    hyperloglog::FAMILY,
    hash::FAMILY,
    hash_life::FAMILY,
    elements::HASHES,
    hash_import::FAMILY,
    set::FAMILY,
    set_combine::FAMILY,
    elements::SETS,
    member_life::SETS,
    member_life::ANY,
    list::ends::FAMILY,
    list::items::FAMILY,
    list::moves::FAMILY,
    list::blocking::FAMILY,
    sort::FAMILY,
    zset::FAMILY,
    geo::FAMILY,
    elements::SORTED_SETS,
    stream::FAMILY,
    transaction::FAMILY,
    scripting::FAMILY,
    function::FAMILY,
    client::FAMILY,
    tracking::FAMILY,
    connection::FAMILY,
    pubsub::FAMILY,
    acl::FAMILY,
    config::FAMILY,
    info::FAMILY,
    introspection::FAMILY,
    commandlog::FAMILY,
    latency::FAMILY,
    hotkeys::FAMILY,
    process::FAMILY,
    persistence::FAMILY,
    persistence::WAITING,
    debug::FAMILY,
    server::FAMILY,
    memory::FAMILY,
    lolwut::FAMILY,
    absent::CLUSTER,
    absent::SERVER,
];

/// All commands, as the engine is handed them.
pub const TABLE: Table = Table { all: &COMMANDS, find, find_sub };

const COUNT: usize = count(FAMILIES);
static COMMANDS: [Command; COUNT] = flatten(FAMILIES);
static INDEX: [u16; SLOTS] = build_index(&flatten::<COUNT>(FAMILIES));

/// A power of two, well above twice the number of commands, so that probes stay short.
const SLOTS: usize = 2048;
const VACANT: u16 = u16::MAX;

/// Finds a command by name in any case, without allocating.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    look_up(name, &[])
}

/// Finds a subcommand of a container.
pub fn find_sub(container: &'static Command, name: &[u8]) -> Option<&'static Command> {
    // No subcommand has an empty name; below, an empty name asks for the container itself.
    if name.is_empty() { None } else { look_up(container.spec.name.as_bytes(), name) }
}

#[inline]
fn look_up(name: &[u8], sub: &[u8]) -> Option<&'static Command> {
    match probe(&INDEX, &COMMANDS, name, sub) {
        VACANT => None,
        // A bar in what the client sent must not find a subcommand by the back door.
        found if sub.is_empty() && COMMANDS[found as usize].is_sub() => None,
        found => Some(&COMMANDS[found as usize]),
    }
}

const fn count(families: &[Family]) -> usize {
    let (mut total, mut at) = (0, 0);
    while at < families.len() {
        total += families[at].commands.len();
        at += 1;
    }
    total
}

const fn flatten<const N: usize>(families: &[Family]) -> [Command; N] {
    let mut table = [families[0].commands[0]; N];
    let (mut family, mut to, mut debug) = (0, 0, 0);
    while family < families.len() {
        let mut from = 0;
        while from < families[family].commands.len() {
            table[to] = families[family].commands[from];
            table[to].spec.group = families[family].group;
            table[to].id = to as u16;
            table[to].sub = has_bar(table[to].spec.name.as_bytes());
            table[to].known_as = to as u16;
            if same(table[to].spec.name.as_bytes(), b"DEBUG", b"") {
                debug = to as u16;
            } else if starts_with(table[to].spec.name.as_bytes(), b"DEBUG|") {
                table[to].known_as = debug;
            }
            from += 1;
            to += 1;
        }
        family += 1;
    }
    table
}

const fn has_bar(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if name[at] == b'|' {
            return true;
        }
        at += 1;
    }
    false
}

const fn build_index(table: &[Command]) -> [u16; SLOTS] {
    assert!(table.len() * 2 <= SLOTS);
    let mut index = [VACANT; SLOTS];
    let mut at = 0;
    while at < table.len() {
        let name = table[at].spec.name.as_bytes();
        assert!(probe(&index, table, name, &[]) == VACANT, "two commands share a name");
        let mut slot = hash(name, &[]) % SLOTS;
        while index[slot] != VACANT {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = at as u16;
        at += 1;
    }
    index
}

/// The row named `name`, or `name|sub`.
const fn probe(index: &[u16; SLOTS], table: &[Command], name: &[u8], sub: &[u8]) -> u16 {
    let mut slot = hash(name, sub) % SLOTS;
    while index[slot] != VACANT {
        let found = index[slot];
        if same(table[found as usize].spec.name.as_bytes(), name, sub) {
            return found;
        }
        slot = (slot + 1) % SLOTS;
    }
    VACANT
}

/// FNV-1a with the case bit folded; `same` settles what folding confuses.
const fn hash(name: &[u8], sub: &[u8]) -> usize {
    let mut hash = fold(0x811c_9dc5, name);
    if !sub.is_empty() {
        hash = fold(fold(hash, b"|"), sub);
    }
    hash as usize
}

const fn fold(mut hash: u32, name: &[u8]) -> u32 {
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ (name[at] | 0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

const fn same(row: &[u8], name: &[u8], sub: &[u8]) -> bool {
    if sub.is_empty() {
        return row.len() == name.len() && matches(row, 0, name);
    }
    row.len() == name.len() + 1 + sub.len()
        && row[name.len()] == b'|'
        && matches(row, 0, name)
        && matches(row, name.len() + 1, sub)
}

const fn starts_with(row: &[u8], start: &[u8]) -> bool {
    row.len() >= start.len() && matches(row, 0, start)
}

const fn matches(row: &[u8], from: usize, word: &[u8]) -> bool {
    let mut at = 0;
    while at < word.len() {
        if !row[from + at].eq_ignore_ascii_case(&word[at]) {
            return false;
        }
        at += 1;
    }
    true
}

/// What is said of a subcommand whose words make no sense, as Redis has it where a row cannot tell how many there
/// may be.
fn bad_words(container: &str, word: &[u8]) -> Error {
    const WHY: &str = "ERR unknown subcommand or wrong number of arguments for '";
    Error::quote(WHY, word, &format!("'. Try {container} HELP."))
}
