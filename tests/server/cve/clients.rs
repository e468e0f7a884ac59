//! Clients that are ended while something is being done for them.

use super::{answers, fine, is_well, scene, text};
use crate::clients::{LONG, stat};
use crate::hostile::{ALONE, info};
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::server::Server;
use crate::support::value::Value;
use crate::tls::Site;

fn id_of(client: &mut Client) -> String {
    match client.call(&["CLIENT", "ID"]) {
        Value::Int(id) => id.to_string(),
        other => panic!("{other}"),
    }
}

/// A client that waits, and its id.
fn waiting(server: &Server, line: &[&str], already: usize) -> (Client, String) {
    let mut client = server.connect();
    let id = id_of(&mut client);
    client.send(line).expect("it takes bytes");
    let blocked = format!("blocked_clients:{}\r\n", already + 1);
    until("it waits", || info(server, "clients").contains(&blocked));
    (client, id)
}

/// Everything that waits is woken and ended in one step: the command that ran again for it must not find it gone.
#[test]
fn cve_2026_23479_a_client_that_is_woken_may_be_ended_at_once() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["XGROUP", "CREATE", "x", "g", "$", "MKSTREAM"]);
    let ways: &[(&[&str], &[&str])] = &[
        (&["BLPOP", "l", "0"], &["RPUSH", "l", "a"]),
        (&["BRPOP", "l", "0"], &["RPUSH", "l", "a"]),
        (&["BLMOVE", "l", "m", "LEFT", "RIGHT", "0"], &["RPUSH", "l", "a"]),
        (&["BLMPOP", "0", "1", "l", "LEFT"], &["RPUSH", "l", "a"]),
        (&["BZPOPMIN", "z", "0"], &["ZADD", "z", "1", "a"]),
        (&["BZMPOP", "0", "1", "z", "MIN"], &["ZADD", "z", "1", "a"]),
        (&["XREAD", "BLOCK", "0", "STREAMS", "x", "$"], &["XADD", "x", "*", "f", "v"]),
        (
            &["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"],
            &["XADD", "x", "*", "f", "v"],
        ),
        // Woken by an error.
        (&["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"], &["DEL", "x"]),
        (&["BLPOP", "l", "0"], &["SET", "other", "x"]),
    ];
    for (line, wake) in ways {
        for order in ["wake, then kill", "kill, then wake", "kill only"] {
            fine(&mut client, &["FLUSHALL"]);
            fine(&mut client, &["XGROUP", "CREATE", "x", "g", "$", "MKSTREAM"]);
            let (_first, id) = waiting(&server, line, 0);
            let (second, _) = waiting(&server, line, 1);
            let kill = ["CLIENT", "KILL", "ID", &id];
            let steps: &[&[&str]] = match order {
                "wake, then kill" => &[wake, &kill],
                "kill, then wake" => &[&kill, wake],
                _ => &[&kill],
            };
            // In one unit, so that nobody is served between the two.
            fine(&mut client, &["MULTI"]);
            for step in steps {
                answers(&mut client, step, Value::simple("QUEUED"));
            }
            let done = client.call(&["EXEC"]);
            let killed = done.items().is_some_and(|it| it.contains(&Value::Int(1)));
            assert!(killed, "{line:?}, {order}: {done}");
            until("the first one has gone", || {
                !text(&client.call(&["CLIENT", "LIST"])).contains(&format!("id={id} "))
            });
            drop(second);
            until("nobody waits", || info(&server, "clients").contains("blocked_clients:0\r\n"));
            answers(&mut client, &["PING"], Value::simple("PONG"));
        }
    }
    is_well(&mut server);
}

/// The element that a client would have got is not lost with it.
#[test]
fn cve_2026_23479_what_the_ended_client_waited_for_stays() {
    let (mut server, mut client) = scene(&[]);
    for _ in 0..20 {
        let (_first, id) = waiting(&server, &["BLPOP", "l", "0"], 0);
        fine(&mut client, &["MULTI"]);
        fine(&mut client, &["CLIENT", "KILL", "ID", &id]);
        fine(&mut client, &["RPUSH", "l", "a"]);
        fine(&mut client, &["EXEC"]);
        answers(&mut client, &["LLEN", "l"], Value::Int(1));
        answers(&mut client, &["LPOP", "l"], Value::bulk("a"));
        until("nobody waits", || info(&server, "clients").contains("blocked_clients:0\r\n"));
    }
    is_well(&mut server);
}

/// A client that is waiting is evicted while another one that waits for the same key is served.
#[test]
fn cve_2026_23479_a_waiting_client_is_evicted_while_it_would_be_served() {
    let _alone = ALONE.lock();
    let (mut server, mut control) = scene(&["--maxmemory-clients", "100mb"]);
    fine(&mut control, &["CLIENT", "NO-EVICT", "ON"]);
    control.call(&[b"SET", &b"long"[..], &vec![b'.'; LONG]]);
    let mut first = server.connect();
    fine(&mut first, &["CLIENT", "NO-EVICT", "ON"]);
    first.send(&["BLPOP", "list", "0"]).expect("it is short");
    until("the first waits", || stat(&mut control, "blocked_clients") == 1);
    let mut second = server.connect();
    for _ in 0..24 {
        second.send(&["GET", "long"]).expect("it is short");
    }
    second.send(&["BLPOP", "list", "0"]).expect("it is short");
    until("the second waits", || stat(&mut control, "blocked_clients") == 2);
    let steps: [&[&str]; 4] = [
        &["MULTI"],
        &["CONFIG", "SET", "maxmemory-clients", "131072"],
        &["RPUSH", "list", "a", "b"],
        &["EXEC"],
    ];
    let mut frame = Vec::new();
    steps.iter().for_each(|step| encode(step, &mut frame));
    control.write_raw(&frame).expect("it is short");
    (0..3).for_each(|_| drop(control.read_reply().expect("OK or QUEUED")));
    let done = Value::Array(vec![Value::simple("OK"), Value::Int(2)]);
    assert_eq!(control.read_reply().expect("the answer"), done);
    let got = Value::Array(vec![Value::bulk("list"), Value::bulk("a")]);
    assert_eq!(first.read_reply().expect("the first is served"), got);
    until("the second is gone", || stat(&mut control, "connected_clients") == 2);
    assert_eq!(stat(&mut control, "evicted_clients"), 1);
    assert_eq!(stat(&mut control, "blocked_clients"), 0);
    // What it would have got is there for others.
    answers(&mut control, &["LLEN", "list"], Value::Int(1));
    is_well(&mut server);
}

/// Clients of TLS of whom more has come than is read in one turn end each other before it is read on.
#[test]
fn cve_2026_56684_clients_of_tls_end_each_other_amid_what_they_sent() {
    const COUNT: usize = 8;
    const REQUESTS: usize = 150;
    let mut site = Site::start(&["--enable-debug-command", "local"]);
    let mut control = site.server.connect();
    for round in 0..6 {
        let mut clients: Vec<Client> = (0..COUNT).map(|_| site.client()).collect();
        let ids: Vec<String> = clients.iter_mut().map(id_of).collect();
        // All of it is there when the server looks at sockets again.
        control.send(&["DEBUG", "SLEEP", "0.2"]).expect("it is short");
        for (at, client) in clients.iter_mut().enumerate() {
            let mut heap = Vec::new();
            for number in 0..REQUESTS {
                encode(&["ECHO", &"x".repeat(1000)], &mut heap);
                // In the first turn, at its end, or in the second.
                if number == [10, 63, 80][round % 3] {
                    for neighbour in [at + 1, at + COUNT - 1] {
                        encode(&["CLIENT", "KILL", "ID", &ids[neighbour % COUNT]], &mut heap);
                    }
                }
            }
            encode(&["QUIT"], &mut heap);
            // Who has been ended hears nothing any more.
            let _ = client.write_raw(&heap);
        }
        assert_eq!(control.read_reply().expect("it wakes up"), Value::simple("OK"));
        let whole = |client: Client| heard(client).is_some_and(|it| it == REQUESTS + 3);
        let left = clients.into_iter().map(whole).filter(|it| *it).count();
        assert!((1..COUNT).contains(&left), "of {COUNT} there are {left} left");
        until("all are gone but who asks", || stat(&mut control, "connected_clients") == 1);
    }
    is_well(&mut site.server);
}

/// How many answers a client gets until the connection ends in order.
fn heard(mut client: Client) -> Option<usize> {
    let bytes = client.read_to_close().ok()?;
    Client::replies(bytes).ok().map(|replies| replies.len())
}
