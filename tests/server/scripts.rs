//! Scripts that take long: others are heard meanwhile, and whoever must can end them.

use crate::hostile::{info, russet};
use crate::process::{Process, free_port, tcp, until};
use crate::support::client::{Address, Client};
use crate::support::server::Server;
use crate::support::value::Value;
use std::time::Duration;

const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const FOREVER: &str = "while true do end";

/// A server whose scripts are busy after a moment.
fn impatient(more: &[&str]) -> Server {
    russet(&[&["--busy-reply-threshold", "10"], more].concat())
}

/// Sends a script from a client of its own and waits until it is busy.
fn busy(server: &Server, script: &str) -> Client {
    let mut client = server.connect();
    client.send(&["EVAL", script, "0"]).expect("it takes bytes");
    wait_until_busy(server);
    client
}

fn wait_until_busy(server: &Server) {
    let mut other = server.connect();
    until("the script is busy", || other.call(&["PING"]) == Value::error(BUSY));
}

fn killed(reply: &Value) -> bool {
    let text = reply.text().unwrap_or_default();
    reply.is_error() && text.starts_with(b"ERR Script killed by user with SCRIPT KILL")
}

#[test]
pub fn a_script_that_takes_long_can_be_killed() {
    let server = impatient(&[]);
    let mut client = busy(&server, FOREVER);
    let mut other = server.connect();
    // The little that may be asked meanwhile is answered.
    assert_eq!(other.call(&["MULTI"]), Value::simple("OK"));
    assert_eq!(other.call(&["GET", "x"]), Value::error(BUSY));
    let refused = other.call(&["EXEC"]);
    assert!(refused.text().is_some_and(|text| text.starts_with(b"EXECABORT")), "{refused}");
    assert_eq!(other.call(&["SCRIPT", "KILL"]), Value::simple("OK"));
    assert!(killed(&client.read_reply().expect("it is answered")));
    assert_eq!(other.call(&["PING"]), Value::simple("PONG"));
    assert_eq!(
        other.call(&["SCRIPT", "KILL"]),
        Value::error("NOTBUSY No scripts in execution right now.")
    );
    // The next script knows nothing of it.
    assert_eq!(client.call(&["EVAL", "return 1", "0"]), Value::Int(1));
    assert!(info(&server, "errorstats").contains("errorstat_BUSY"));
}

#[test]
fn a_signal_waits_for_a_script_and_all_of_it_is_saved() {
    let port = free_port();
    let port_arg = port.to_string();
    let threshold = ["--busy-reply-threshold", "10", "--save", "900 1", "--dir", "{dir}"];
    let args = [&["--bind", "127.0.0.1", "--port", &port_arg][..], &threshold].concat();
    let script = "redis.call('SET', 'half', 1) local began = os.clock() \
                  repeat until os.clock() - began > 0.5 return redis.call('SET', 'whole', 1)";
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port));
    client.send(&["EVAL", script, "0"]).expect("it takes bytes");
    let mut other = Client::connect(&tcp(port)).expect("it is there");
    until("the script is busy", || other.call(&["PING"]) == Value::error(BUSY));
    server.signal("-TERM");
    until("it is heard", || server.output().contains("Received SIGTERM"));
    assert_eq!(other.call(&["PING"]), Value::error(BUSY));
    assert_eq!(client.read_reply().expect("it is answered"), Value::simple("OK"));
    assert_eq!(server.end().code(), Some(0), "{}", server.output());
    let saved = std::fs::read(server.path("dump.rdb")).expect("it was saved");
    assert!(saved.windows(5).any(|word| word == b"whole"));
}

#[test]
fn who_insists_does_not_wait_for_a_script() {
    let mut server = Process::start(
        &[],
        &["--unixsocket", "{dir}/s", "--port", "0", "--busy-reply-threshold", "10"],
        "",
    );
    let address = Address::Unix(server.path("s"));
    let mut client = server.connect(&address);
    client.send(&["EVAL", FOREVER, "0"]).expect("it takes bytes");
    let mut other = Client::connect(&address).expect("it is there");
    until("the script is busy", || other.call(&["PING"]) == Value::error(BUSY));
    server.signal("-TERM");
    until("it is heard", || server.output().contains("Received SIGTERM"));
    assert_eq!(other.call(&["PING"]), Value::error(BUSY));
    server.signal("-INT");
    assert_eq!(server.end().code(), Some(1), "{}", server.output());
    assert!(server.output().contains("You insist... exiting now."));
}

/// Whatever a script does to catch the error that ends it.
#[test]
pub fn nothing_keeps_a_script_from_being_killed() {
    let server = impatient(&[]);
    let stubborn = [
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) while true do end end while true do xpcall(f, f) end",
        "while true do local c = coroutine.create(function() while true do end end) \
         while true do coroutine.resume(c) end end",
        "local function nest(depth) local c = coroutine.create(function() while true do \
         pcall(nest, depth + 1) end end) while true do coroutine.resume(c) \
         c = coroutine.create(function() while true do end end) end end \
         while true do pcall(nest, 0) end",
        "while true do pcall(redis.call, 'GET', 'x') end",
        "while true do redis.pcall('NOSUCH') end",
        "while true do pcall(string.rep, 'x', 1e6) end",
        "while true do pcall(table.insert, {}, -1e6, 1) end",
        "while true do pcall(table.sort, {3, 2, 1}, function() while true do end end) end",
        "while true do pcall(loadstring, 'x') end",
        "while true do pcall(load, function() while true do end end) end",
    ];
    for script in stubborn {
        let mut client = busy(&server, script);
        assert_eq!(server.connect().call(&["SCRIPT", "KILL"]), Value::simple("OK"), "{script}");
        client.set_patience(Duration::from_secs(20)).expect("a socket has time-outs");
        assert!(killed(&client.read_reply().expect(script)), "{script}");
        assert_eq!(server.connect().call(&["PING"]), Value::simple("PONG"));
    }
}

#[test]
pub fn a_script_that_has_changed_something_is_not_killed() {
    let mut server = impatient(&[]);
    let _client = busy(&server, "redis.call('SET', 'x', 1) while true do end");
    let mut other = server.connect();
    let reply = other.call(&["SCRIPT", "KILL"]);
    assert!(reply.text().is_some_and(|text| text.starts_with(b"UNKILLABLE Sorry")), "{reply}");
    assert_eq!(other.call(&["PING"]), Value::error(BUSY));
    // But the server can be ended.
    other.send(&["SHUTDOWN", "NOSAVE"]).expect("it takes bytes");
    until("the server ends", || !server.is_running());
}

/// What the others see of it is all or nothing, and those who wait get theirs when it is over.
#[test]
pub fn a_busy_script_is_one_unit() {
    let server = impatient(&[]);
    let mut waiting = server.connect();
    waiting.send(&["BLPOP", "queue", "0"]).expect("it takes bytes");
    until("it waits", || info(&server, "clients").contains("blocked_clients:1"));
    let mut client = busy(
        &server,
        "redis.call('RPUSH', 'queue', 'first') local n = 0 \
         for i = 1, 30000000 do n = n + 1 end \
         redis.call('RPUSH', 'queue', 'second') return redis.call('TIME')",
    );
    client.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    client.send(&["LLEN", "queue"]).expect("what comes behind waits");
    waiting.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    assert!(client.read_reply().expect("it ends").items().is_some());
    assert_eq!(client.read_reply().expect("the next is answered"), Value::Int(1));
    let popped = vec![Value::bulk("queue"), Value::bulk("first")];
    assert_eq!(waiting.read_reply().expect("it is served"), Value::Array(popped));
}

#[test]
pub fn exec_goes_on_behind_a_busy_script() {
    let server = impatient(&[]);
    let mut client = server.connect();
    let slow = "for i = 1, 20000000 do end return redis.call('INCR', 'x')";
    client.call(&["MULTI"]);
    client.call(&["SET", "x", "1"]);
    client.call(&["EVAL", slow, "0"]);
    client.call(&["EVAL", slow, "0"]);
    client.call(&["GET", "x"]);
    client.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    client.send(&["EXEC"]).expect("it takes bytes");
    wait_until_busy(&server);
    let answers = vec![Value::simple("OK"), Value::Int(2), Value::Int(3), Value::bulk("3")];
    assert_eq!(client.read_reply().expect("it ends"), Value::Array(answers));
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
    assert!(info(&server, "commandstats").contains("cmdstat_exec:calls=1"));
}

/// The client goes; what it asked for goes on.
#[test]
pub fn a_script_outlives_its_client() {
    let server = impatient(&[]);
    let client = busy(&server, "for i = 1, 30000000 do end redis.call('SET', 'done', 1)");
    drop(client);
    let mut other = server.connect();
    other.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    let done = || other.call(&["GET", "done"]) == Value::bulk("1");
    until("the script ends", done);
    until("the session is closed", || info(&server, "clients").contains("connected_clients:2"));
}

/// A key whose time comes while a script runs is there until the script is over, and clients whose
/// time is up are told then.
#[test]
pub fn time_stands_still_for_a_busy_script() {
    let server = impatient(&[]);
    let mut waiting = server.connect();
    let mut other = server.connect();
    other.call(&["SET", "short", "1", "PX", "60"]);
    waiting.send(&["BLPOP", "nothing", "0.05"]).expect("it takes bytes");
    // It must be heard before the script, or it is told that one is busy.
    until("it waits, or has waited", || {
        let list = other.call(&["CLIENT", "LIST"]);
        String::from_utf8_lossy(list.text().unwrap_or_default()).contains("cmd=blpop")
    });
    let mut client = server.connect();
    client.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    let script = "local a = redis.call('EXISTS', 'short') for i = 1, 40000000 do end \
                  return a == redis.call('EXISTS', 'short')";
    assert_eq!(client.call(&["EVAL", script, "0"]), Value::Int(1));
    assert!(waiting.read_reply().expect("its time is up").is_null());
    until("the key is gone", || other.call(&["EXISTS", "short"]) == Value::Int(0));
}
