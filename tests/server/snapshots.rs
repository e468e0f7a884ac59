//! Values that are handed over to a snapshot in parts, in each kind of file, while they are written to.

use std::fs;

use crate::hostile::{info, russet};
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::server::Server;
use crate::support::value::Value;

const MEMBERS: usize = 20_000;
/// More than what is compressed as one.
const REPEATED: usize = 6 << 20;

#[test]
fn long_values_are_in_a_snapshot_as_they_were_when_it_began() {
    let server = russet(&[]);
    let mut client = filled(&server);
    let before = digests(&mut client);
    // It passes the keys, and then waits before it comes to what they hold.
    client.call(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
    client.call(&["BGSAVE"]);
    until("it begins", || info(&server, "persistence").contains("current_save_keys_total:3\r\n"));
    change_beside(&mut client, &["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    let field = "rdb_bgsave_in_progress:0\r\n";
    until("the snapshot is there", || info(&server, "persistence").contains(field));
    assert!(info(&server, "persistence").contains("rdb_last_bgsave_status:ok\r\n"));
    assert_ne!(digests(&mut client), before);

    let other = russet(&[]);
    let file = other.dir().join("dump.rdb");
    let bytes = fs::copy(server.dir().join("dump.rdb"), &file).expect("the snapshot is a file");
    assert!(bytes < 5 << 20, "what repeats is compressed, and these are {bytes} bytes");
    let mut reader = other.connect();
    assert_eq!(reader.call(&["DEBUG", "RELOAD", "NOSAVE"]), Value::simple("OK"));
    assert_eq!(digests(&mut reader), before);
}

/// The base has them as they were, and the log the changes since: together that is what there is.
#[test]
fn long_values_are_in_the_base_of_a_log() {
    for preamble in ["yes", "no"] {
        let server = russet(&["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
        let mut client = filled(&server);
        client.call(&["PEXPIREAT", "board", "4000000000000"]);
        until("the log has begun", || {
            info(&server, "persistence").contains("aof_rewrite_in_progress:0\r\n")
        });
        client.call(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
        client.call(&["BGREWRITEAOF"]);
        until("it begins", || {
            info(&server, "persistence").contains("current_save_keys_total:3\r\n")
        });
        change_beside(&mut client, &["CONFIG", "SET", "rdb-key-save-delay", "0"]);
        until("the base is there", || {
            info(&server, "persistence").contains("aof_rewrite_in_progress:0\r\n")
        });
        assert!(info(&server, "persistence").contains("aof_last_bgrewrite_status:ok\r\n"));
        let after = digests(&mut client);
        assert_eq!(client.call(&["DEBUG", "LOADAOF"]), Value::simple("OK"), "preamble {preamble}");
        assert_eq!(digests(&mut client), after, "preamble {preamble}");
        assert_eq!(client.call(&["PEXPIRETIME", "board"]), Value::Int(4_000_000_000_000));
    }
}

/// One that was given up is in nobody's way, though its thread may not know yet.
#[test]
fn a_snapshot_begins_behind_one_that_was_given_up() {
    let server = russet(&["--rdb-key-save-delay", "10000000"]);
    let mut client = server.connect();
    client.call(&["SET", "key", "value"]);
    send_together(
        &mut client,
        &[&["BGSAVE"], &["BGSAVE", "CANCEL"], &["BGSAVE"], &["BGSAVE"], &["BGREWRITEAOF"]],
    );
    for expected in [
        Value::simple("Background saving started"),
        Value::simple("Background saving cancelled"),
        Value::simple("Background saving started"),
        Value::Error(b"ERR Background save already in progress".to_vec()),
        Value::simple("Background append only file rewriting scheduled"),
    ] {
        assert_eq!(client.read_reply().expect("it answers"), expected);
    }
    assert!(info(&server, "persistence").contains("rdb_bgsave_in_progress:1\r\n"));
    client.call(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    until("both are there", || {
        let text = info(&server, "persistence");
        text.contains("rdb_bgsave_in_progress:0\r\n")
            && text.contains("aof_rewrite_in_progress:0\r\n")
            && text.contains("aof_rewrite_scheduled:0\r\n")
    });
    assert!(server.dir().join("dump.rdb").is_file());
    assert!(info(&server, "persistence").contains("rdb_saves:1\r\n"));
}

/// What is to follow one that was given up is given up with its own kind, and not with the other.
#[test]
fn to_give_up_a_snapshot_leaves_the_rewrite_behind_it() {
    let server = russet(&["--rdb-key-save-delay", "10000000"]);
    let mut client = server.connect();
    client.call(&["SET", "key", "value"]);
    send_together(
        &mut client,
        &[&["BGSAVE"], &["BGSAVE", "CANCEL"], &["BGREWRITEAOF"], &["FLUSHALL"]],
    );
    for expected in [
        "Background saving started",
        "Background saving cancelled",
        "Background append only file rewriting started",
        "OK",
    ] {
        assert_eq!(client.read_reply().expect("it answers"), Value::simple(expected));
    }
    until("the log has its base", || server.log().contains("rewrite finished successfully"));
}

/// DEBUG RELOAD saves for itself, in nobody's way.
#[test]
fn a_reload_beside_a_snapshot_loses_nothing() {
    let server = russet(&["--rdb-key-save-delay", "0"]);
    let mut client = server.connect();
    client.call(&["DEBUG", "POPULATE", "100000"]);
    send_together(&mut client, &[&["BGSAVE"], &["DEBUG", "RELOAD"], &["DBSIZE"]]);
    for expected in
        [Value::simple("Background saving started"), Value::simple("OK"), Value::Int(100_000)]
    {
        assert_eq!(client.read_reply().expect("it answers"), expected);
    }
    until("it is over", || info(&server, "persistence").contains("rdb_bgsave_in_progress:0\r\n"));
    assert!(info(&server, "persistence").contains("rdb_last_bgsave_status:ok\r\n"));
}

fn send_together(client: &mut Client, requests: &[&[&str]]) {
    let mut frames = Vec::new();
    requests.iter().for_each(|request| encode(request, &mut frames));
    client.write_raw(&frames).expect("it takes bytes");
}

fn filled(server: &Server) -> Client {
    let mut client = server.connect();
    for first in (0..MEMBERS).step_by(1000) {
        let mut line = vec!["ZADD".to_string(), "board".to_string()];
        for number in first..first + 1000 {
            line.extend([number.to_string(), format!("member:{number}")]);
        }
        client.call(&line);
    }
    client.call(&["SET", "repeated", &"one two three ".repeat(REPEATED / 14)]);
    // Of noise no part becomes shorter.
    let script = "local t = {} math.randomseed(7) \
                  for i = 1, 300000 do t[i] = struct.pack('>I4', math.random(0, 2^31 - 1)) end \
                  return redis.call('SET', KEYS[1], table.concat(t))";
    assert_eq!(client.call(&["EVAL", script, "1", "noise"]), Value::simple("OK"));
    client
}

/// Has a snapshot go on, and everything change in the same breath.
fn change_beside(client: &mut Client, request: &[&str]) {
    let (mut frames, mut count) = (Vec::new(), 1);
    encode(request, &mut frames);
    for number in 0..5000usize {
        let at = number * 7919 % MEMBERS;
        let (score, member) = (at * 31 % 977, format!("member:{at}"));
        match number % 5 {
            0 => encode(&["ZREM", "board", &member], &mut frames),
            1 => encode(&["ZADD", "board", "5", &format!("new:{number}")], &mut frames),
            _ => encode(&["ZADD", "board", &score.to_string(), &member], &mut frames),
        }
        let offset = (at * 211).to_string();
        let key = if number % 2 == 0 { "repeated" } else { "noise" };
        encode(&["SETRANGE", key, &offset, "x"], &mut frames);
        count += 2;
    }
    client.write_raw(&frames).expect("it takes bytes");
    for _ in 0..count {
        let reply = client.read_reply().expect("it answers");
        assert!(!reply.is_error(), "{reply:?}");
    }
}

fn digests(client: &mut Client) -> Value {
    client.call(&["DEBUG", "DIGEST-VALUE", "board", "repeated", "noise"])
}
