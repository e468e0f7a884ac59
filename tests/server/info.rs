//! INFO has every field of its peers that means something here; `info_fields.tsv` says which, and why not the
//! others.

use std::collections::BTreeSet;

use crate::process::{Process, free_port, tcp, until};
use crate::support::client::Client;

const FIELDS: &str = include_str!("info_fields.tsv");

#[test]
fn fields_of_the_peers_are_there_or_have_a_reason() {
    let port = free_port();
    let port = port.to_string();
    let mut args = vec!["--port", &port, "--appendonly", "yes", "--io-threads", "2"];
    args.extend(["--key-memory-histograms", "yes"]);
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port.parse().expect("a port")));
    client.call(&["HOTKEYS", "START", "METRICS", "1", "CPU"]);
    for line in
        ["SET s 1", "RPUSH l 1", "SADD t 1", "ZADD z 1 a", "HSET h f v", "SET s x NX XX", "GET s"]
    {
        client.call(&line.split(' ').collect::<Vec<_>>());
    }
    let there = fields(&mut client, &["INFO", "everything", "debug"]);
    let mut wrong = Vec::new();
    for (field, when, reason) in rows() {
        match when {
            "always" | "histograms" | "tls" if !there.contains(field) => {
                wrong.push(format!("{field} is not there"))
            }
            "absent" if there.contains(field) => wrong.push(format!("{field} is there: {reason}")),
            "absent" if reason.is_empty() => wrong.push(format!("{field} has no reason")),
            "always" | "histograms" | "absent" | "loading" | "tls" => (),
            other => wrong.push(format!("{field}: when is {other}?")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Who was not counted cannot be told of.
    let refused = client.call(&["CONFIG", "SET", "key-memory-histograms", "no"]);
    assert!(refused.text().is_some_and(|it| it == b"OK"), "{refused:?}");
    let refused = client.call(&["CONFIG", "SET", "key-memory-histograms", "yes"]);
    let text = format!("{refused}");
    assert!(text.contains("must be on from the start"), "{text}");
    assert!(!fields(&mut client, &["INFO", "keysizes"]).contains("db0_distrib_lists_sizes"));
    client.call(&["FLUSHALL"]);
    client.call(&["CONFIG", "SET", "key-memory-histograms", "yes"]);
    client.call(&["RPUSH", "l", "1"]);
    assert!(fields(&mut client, &["INFO", "keysizes"]).contains("db0_distrib_lists_sizes"));

    // Each thread with its time.
    let reply = client.call(&["INFO", "threadcpu"]);
    let text = String::from_utf8_lossy(reply.text().expect("INFO is text")).into_owned();
    assert!(text.contains("thread_1:name=") && text.contains(",used_cpu_user="), "{text}");
}

#[test]
fn fields_of_loading_are_there_while_it_loads() {
    let port = free_port();
    let port = port.to_string();
    let args = ["--port", &port, "--dir", "{dir}", "--enable-debug-command", "yes"];
    let mut before = Process::start(&[], &args, "");
    let mut client = before.connect(&tcp(port.parse().expect("a port")));
    client.call(&["DEBUG", "POPULATE", "3000"]);
    client.call(&["SAVE"]);
    let dir = before.path("").to_string_lossy().into_owned();
    let _ = client.try_call(&["SHUTDOWN", "NOSAVE"]);
    before.end();

    let port = free_port();
    let port_text = port.to_string();
    // Ten milliseconds for each key.
    let args = ["--port", &port_text, "--dir", &dir, "--key-load-delay", "10000"];
    let server = Process::start(&[], &args, "");
    let mut there = BTreeSet::new();
    until("INFO while it loads", || {
        let Ok(mut client) = Client::connect(&tcp(port)) else { return false };
        there = fields(&mut client, &["INFO", "persistence"]);
        !there.is_empty()
    });
    let missing: Vec<&str> = rows()
        .filter(|(field, when, _)| *when == "loading" && !there.contains(*field))
        .map(|(field, ..)| field)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    server.signal("-KILL");
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = FIELDS.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| {
        let mut parts = line.split('\t').skip(1);
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    })
}

fn fields(client: &mut Client, line: &[&str]) -> BTreeSet<String> {
    let reply = client.call(line);
    let text = String::from_utf8_lossy(reply.text().expect("INFO is text")).into_owned();
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_string())).collect()
}
