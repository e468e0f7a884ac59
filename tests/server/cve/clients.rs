//! Clients that are ended while something is being done for them.

use super::{answers, fine, is_well, scene, text};
use crate::hostile::info;
use crate::process::until;
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::value::Value;

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
