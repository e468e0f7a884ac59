//! What a command is charged with: its own time, once it is over, and nobody else's.

use crate::hostile::{info, russet};
use crate::support::client::Client;
use crate::support::value::Value;
use std::time::{Duration, Instant};

/// A field of CLIENT LIST about the client with this number.
fn told_of(other: &mut Client, id: &str, field: &str) -> u64 {
    let line = other.call(&["CLIENT", "LIST", "ID", id]);
    let line = String::from_utf8_lossy(line.text().expect("a line")).into_owned();
    let mut fields = line.split(' ').filter_map(|it| it.split_once('='));
    let value = fields.find(|(name, _)| *name == field).expect("the field is there").1;
    value.parse().expect("a number")
}

fn micros(text: &str, command: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let from = line.expect("it ran").split("usec=").nth(1).expect("its time");
    from.split(',').next().unwrap().parse().expect("a number")
}

#[test]
fn what_a_script_does_between_its_commands_is_not_theirs() {
    let server = russet(&["--slowlog-log-slower-than", "20000"]);
    let mut client = server.connect();
    let script = "for i = 1, 20000000 do end return redis.call('get', KEYS[1])";
    assert_eq!(client.call(&["EVAL", script, "1", "x"]), Value::NullBulk);
    let text = info(&server, "commandstats");
    let (script_us, get_us) = (micros(&text, "eval"), micros(&text, "get"));
    assert!(script_us > 20_000 && get_us < script_us / 4, "{script_us} and {get_us}");
    assert_eq!(client.call(&["SLOWLOG", "LEN"]), Value::Int(1));
}

#[test]
fn who_gives_up_is_accounted_for() {
    let server = russet(&["--slowlog-log-slower-than", "0"]);
    let mut client = server.connect();
    client.call(&["SLOWLOG", "RESET"]);
    assert_eq!(client.call(&["BLPOP", "nosuch", "0.01"]), Value::NullArray);
    let entries = client.call(&["SLOWLOG", "GET"]).to_string();
    assert!(entries.contains("BLPOP"), "{entries}");
}

#[test]
fn a_client_is_told_of_by_what_it_has_and_did() {
    let server = russet(&[]);
    let (mut client, mut other) = (server.connect(), server.connect());
    let id = client.call(&["CLIENT", "ID"]).to_string();
    let id = id.trim_start_matches("(integer) ");
    let before = told_of(&mut other, id, "tot-cmds");
    client.call(&["SET", "x", &"v".repeat(1_000_000)]);
    assert_eq!(told_of(&mut other, id, "argv-mem"), 0);
    assert!(told_of(&mut other, id, "tot-mem") < 100_000);
    // What is refused or queued has not run; what EXEC runs has.
    for line in ["NOSUCH", "GET", "MULTI", "GET x y", "DISCARD", "MULTI", "STRLEN x", "EXEC"] {
        client.call(&line.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(told_of(&mut other, id, "tot-cmds") - before, 6);
}

#[test]
fn thousands_of_keys_that_are_awaited_are_ready_at_once() {
    const KEYS: usize = 100_000;
    // With a walk through all that are ready for each of them it takes half a minute.
    const PATIENCE: Duration = Duration::from_secs(10);
    let server = russet(&[]);
    let (mut waiting, mut other) = (server.connect(), server.connect());
    let mut line = vec!["BLPOP".to_string()];
    line.extend((0..KEYS).map(|at| format!("k{at}")));
    line.push("0".into());
    let began = Instant::now();
    waiting.send(&line).expect("it takes bytes");
    crate::process::until("it waits", || info(&server, "clients").contains("blocked_clients:1"));
    assert_eq!(other.call(&["SWAPDB", "0", "1"]), Value::simple("OK"));
    let all = "for i = 0, ARGV[1] - 1 do redis.call('rpush', 'k' .. i, i) end";
    other.call(&["EVAL", all, "0", &KEYS.to_string()]);
    assert!(waiting.read_reply().is_ok());
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}
