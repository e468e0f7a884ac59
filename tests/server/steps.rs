//! How long everybody has to wait for the engine, as it counts itself; and the thread that frees
//! what would hold it up.

use std::fs;

use crate::clients;
use crate::process::until;
use crate::support::client::Client;
use crate::support::server::{Program, Server};

#[test]
fn the_longest_step_is_known_until_it_is_forgotten() {
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    client.call(&["CONFIG", "RESETSTAT"]);
    for _ in 0..200 {
        client.call(&["PING"]);
    }
    client.call(&["DEBUG", "SLEEP", "0.03"]);
    let steps = info(&mut client, "engine_steps");
    assert!(steps > 200, "{steps} steps");
    let longest = info(&mut client, "engine_step_usec_max");
    assert!((30_000..5_000_000).contains(&longest), "{longest} µs");
    let [p50, p99, p9999] =
        ["p50", "p99", "p99.99"].map(|name| info(&mut client, &format!("engine_step_usec_{name}")));
    assert!(p50 <= p99 && p99 <= p9999 && p9999 <= longest, "{p50} {p99} {p9999} {longest}");
    assert!(p50 < 30_000 && p9999 > 29_000, "{p50} {p9999}");

    client.call(&["CONFIG", "RESETSTAT"]);
    let (longest, steps) =
        (info(&mut client, "engine_step_usec_max"), info(&mut client, "engine_steps"));
    assert!(longest < 30_000 && steps < 200, "{longest} µs in {steps} steps");
}

#[test]
fn one_thread_frees_whatever_is_given_away() {
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
        let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name == "free\n")).count()
    };
    assert_eq!(threads(), 0, "there is none before there is something to free");
    for round in 1..=3 {
        for key in ["a", "b", "c"] {
            client.call(&["SETRANGE", key, "8000000", "x"]);
        }
        client.call(&["DEL", "a"]);
        client.call(&["UNLINK", "b", "c"]);
        until("everything is freed", || info(&mut client, "lazyfree_pending_objects") == 0);
        assert_eq!(info(&mut client, "lazyfreed_objects"), 3 * round);
        assert_eq!(threads(), 1);
    }
}

/// A field of INFO, as a number.
#[track_caller]
fn info(client: &mut Client, name: &str) -> u64 {
    u64::try_from(clients::stat(client, name)).expect("a count")
}
