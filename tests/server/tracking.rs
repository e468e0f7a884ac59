//! Client-side caching over several connections: who is told in another's place, and what becomes of
//! that when it goes; and what the server remembers for it.

use crate::hostile::{info, russet, start};
use crate::process::until;
use crate::support::client::Client;
use crate::support::server::{Program, Server};
use crate::support::value::Value;

fn words(words: &[&str]) -> Value {
    Value::Array(words.iter().map(Value::bulk).collect())
}

/// What is told of a key in RESP2, where invalidations are messages.
fn message(keys: Value) -> Value {
    Value::Array(vec![Value::bulk("message"), Value::bulk("__redis__:invalidate"), keys])
}

fn push(keys: Value) -> Value {
    Value::Push(vec![Value::bulk("invalidate"), keys])
}

fn id(client: &mut Client) -> String {
    match client.call(&["CLIENT", "ID"]) {
        Value::Int(id) => id.to_string(),
        other => panic!("{other:?} is no id"),
    }
}

fn in_resp3(server: &Server) -> Client {
    let mut client = server.connect();
    client.call(&["HELLO", "3"]);
    client
}

#[track_caller]
fn hears(client: &mut Client, what: Value) {
    assert_eq!(client.read_reply().expect("it is told"), what);
}

/// Has nothing been told to the client? What is told comes before the answer.
#[track_caller]
fn hears_nothing(client: &mut Client) {
    assert_eq!(client.call(&["PING", "?"]), Value::bulk("?"));
}

#[test]
fn another_connection_is_told_in_the_place_of_a_client() {
    for program in [Program::Russet, Program::Redis, Program::Valkey] {
        let Some(server) = start(program, &[]) else { continue };
        let (mut reader, mut writer) = (server.connect(), server.connect());
        let mut told = server.connect();
        let told_id = id(&mut told);
        let ok = Value::Simple(b"OK".to_vec());
        let track = ["CLIENT", "TRACKING", "ON", "REDIRECT", &told_id];
        assert_eq!(reader.call(&track), ok);
        assert_eq!(reader.call(&["CLIENT", "GETREDIR"]), Value::Int(told_id.parse().unwrap()));

        // In RESP2 it must listen to something.
        reader.call(&["GET", "key"]);
        writer.call(&["SET", "key", "0"]);
        assert_eq!(told.call(&["PING"]), Value::Simple(b"PONG".to_vec()));
        told.call(&["SUBSCRIBE", "__redis__:invalidate"]);
        reader.call(&["GET", "key"]);
        writer.call(&["SET", "key", "1"]);
        hears(&mut told, message(words(&["key"])));
        reader.call(&["MGET", "key", "other"]);
        reader.call(&["SET", "key", "2"]);
        hears(&mut told, message(words(&["key"])));
        writer.call(&["FLUSHALL"]);
        hears(&mut told, message(Value::NullBulk));

        // Several clients may name the same one, and with prefixes.
        let mut follower = in_resp3(&server);
        let follow = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a:", "REDIRECT", &told_id];
        assert_eq!(follower.call(&follow), ok);
        writer.call(&["MSET", "b:1", "x", "a:2", "x", "a:1", "x"]);
        hears(&mut told, message(words(&["a:1", "a:2"])));

        // In RESP3 it is a push, whatever the client itself speaks.
        told.call(&["UNSUBSCRIBE"]);
        told.call(&["HELLO", "3"]);
        reader.call(&["GET", "key"]);
        writer.call(&["SET", "key", "3"]);
        hears(&mut told, push(words(&["key"])));
        follower.call(&["CLIENT", "TRACKING", "OFF"]);
        hears_nothing(&mut follower);
    }
}

#[test]
fn a_client_learns_that_nobody_is_told_in_its_place() {
    for program in [Program::Russet, Program::Redis, Program::Valkey] {
        let Some(server) = start(program, &[]) else { continue };
        let (mut reader, mut writer) = (in_resp3(&server), server.connect());
        let mut told = in_resp3(&server);
        let told_id = id(&mut told);
        reader.call(&["CLIENT", "TRACKING", "ON", "REDIRECT", &told_id]);
        reader.call(&["GET", "key"]);
        drop(told);
        until("the connection has gone", || {
            let list = writer.call(&["CLIENT", "LIST", "ID", &told_id]);
            list.text().is_some_and(<[u8]>::is_empty)
        });
        writer.call(&["SET", "key", "1"]);
        let broken = vec![
            Value::bulk("tracking-redir-broken"),
            Value::Int(told_id.parse().expect("an id is a number")),
        ];
        hears(&mut reader, Value::Push(broken));
        let text = |value: Value| {
            String::from_utf8_lossy(value.text().expect("it is a text")).into_owned()
        };
        let line = text(reader.call(&["CLIENT", "INFO"]));
        assert!(
            line.contains(" flags=tR ") && line.contains(&format!(" redir={told_id} ")),
            "{line}"
        );
        // Naming somebody else mends it.
        assert_eq!(reader.call(&["CLIENT", "TRACKING", "ON"]), Value::Simple(b"OK".to_vec()));
        let line = text(reader.call(&["CLIENT", "INFO"]));
        assert!(line.contains(" flags=t ") && line.contains(" redir=0 "), "{line}");
        reader.call(&["GET", "key"]);
        writer.call(&["SET", "key", "2"]);
        hears(&mut reader, push(words(&["key"])));
    }
}

/// Somebody else may get the place of a client that has gone, but nothing of what it asked for.
#[test]
fn what_a_client_has_read_goes_with_it() {
    let server = russet(&[]);
    let mut writer = server.connect();
    let mut stays = in_resp3(&server);
    stays.call(&["CLIENT", "TRACKING", "ON"]);
    stays.call(&["GET", "key"]);
    for number in 0..20 {
        let mut reader = in_resp3(&server);
        hears_nothing(&mut reader);
        reader.call(&["CLIENT", "TRACKING", "ON"]);
        reader.call(&["GET", "key"]);
        if number % 2 == 1 {
            let own = id(&mut reader);
            writer.call(&["CLIENT", "KILL", "ID", &own]);
        }
        drop(reader);
        let mut newcomer = in_resp3(&server);
        newcomer.call(&["CLIENT", "TRACKING", "ON"]);
        writer.call(&["SET", "key", "1"]);
        hears(&mut stays, push(words(&["key"])));
        hears_nothing(&mut newcomer);
        stays.call(&["GET", "key"]);
    }
    drop(stays);
    // With the last one that tracks, all of it.
    until("nothing is tracked", || {
        let stats = info(&server, "stats");
        stats.contains("tracking_total_keys:0\r\ntracking_total_items:0\r\n")
    });
    assert!(info(&server, "clients").contains("tracking_clients:0\r\n"));
}

/// More keys are read than may be remembered: those that are dropped count as changed.
#[test]
fn what_is_remembered_is_bounded() {
    let server = russet(&["--tracking-table-max-keys", "100"]);
    let mut reader = in_resp3(&server);
    reader.call(&["CLIENT", "TRACKING", "ON"]);
    let keys: Vec<String> = (0..1000).map(|number| format!("key:{number}")).collect();
    let mut line = vec!["EXISTS"];
    line.extend(keys.iter().map(String::as_str));
    assert_eq!(reader.call(&line), Value::Int(0));
    let mut told = 0;
    while told < 900 {
        match reader.read_reply().expect("it is told of what is dropped") {
            Value::Push(words) if words[0] == Value::bulk("invalidate") => told += 1,
            other => panic!("{other:?} is no invalidation"),
        }
    }
    hears_nothing(&mut reader);
    assert!(info(&server, "stats").contains("tracking_total_keys:100\r\n"));
    // Without anything else happening, a lower bound is kept, too; and no bound is one.
    let mut other = server.connect();
    other.call(&["CONFIG", "SET", "tracking-table-max-keys", "40"]);
    (0..60).for_each(|_| drop(reader.read_reply().expect("it is told of what is dropped")));
    other.call(&["CONFIG", "SET", "tracking-table-max-keys", "0"]);
    assert_eq!(reader.call(&line), Value::Int(0));
    hears_nothing(&mut reader);
    assert!(info(&server, "stats").contains("tracking_total_keys:1000\r\n"));
}

/// A pipeline is one batch: who follows a prefix is told of it once, behind the answers.
#[test]
fn a_batch_of_writes_is_one_message() {
    let server = russet(&[]);
    let mut follower = in_resp3(&server);
    follower.call(&["CLIENT", "TRACKING", "ON", "BCAST"]);
    follower.write_raw(b"SET b 1\r\nSET a 1\r\nSET b 2\r\n").expect("it takes bytes");
    for _ in 0..3 {
        hears(&mut follower, Value::Simple(b"OK".to_vec()));
    }
    hears(&mut follower, push(words(&["a", "b"])));
    hears_nothing(&mut follower);
}

/// A client that wants no answers is told of changes even so.
#[test]
fn invalidations_are_no_answers() {
    for program in [Program::Russet, Program::Redis, Program::Valkey] {
        let Some(server) = start(program, &[]) else { continue };
        let (mut reader, mut writer) = (in_resp3(&server), server.connect());
        reader.call(&["CLIENT", "TRACKING", "ON"]);
        reader.call(&["MGET", "a", "b"]);
        reader.write_raw(b"CLIENT REPLY OFF\r\n").expect("it takes bytes");
        reader.write_raw(b"SET a 1\r\n").expect("it takes bytes");
        hears(&mut reader, push(words(&["a"])));
        writer.call(&["SET", "b", "1"]);
        hears(&mut reader, push(words(&["b"])));
        assert_eq!(reader.call(&["CLIENT", "REPLY", "ON"]), Value::Simple(b"OK".to_vec()));
    }
}
