//! What clients may cost: who is ended when they take too much, who is only held up, who is not let in; and that
//! a client that is ended leaves nothing behind, whatever it waits for.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::drills::{descriptors, limit_descriptors};
use crate::hostile::{ALONE, MIB, russet};
use crate::process::{is_alive, until};
use crate::support::client::{Client, encode};
use crate::support::server::Server;
use crate::support::value::Value;

/// A value that is long beside what sockets take.
pub const LONG: usize = 1 << 20;

#[test]
fn the_largest_client_goes_first() {
    let server = russet(&["--maxmemory-clients", "1mb", "--hide-user-data-from-log", "no"]);
    let mut control = server.connect();
    let small = held_request(&server, "small", 200_000);
    let large = held_request(&server, "large", 700_000);
    until("both have sent that much", || {
        let list = lines(&mut control, &["CLIENT", "LIST"]);
        let holds = |name: &str, bytes| field(&list, name, "tot-mem").is_some_and(|it| it > bytes);
        holds("small", 200_000) && holds("large", 700_000)
    });
    let middle = held_request(&server, "middle", 300_000);
    until("the largest is gone", || stat(&mut control, "evicted_clients") == 1);
    let list = lines(&mut control, &["CLIENT", "LIST"]);
    assert!(list.contains("name=small ") && list.contains("name=middle "), "{list}");
    assert!(!list.contains("name=large "), "{list}");
    let log = server.log();
    assert!(log.contains("* Evicting client: id=") && log.contains(" name=large "), "{log}");
    drop((small, large, middle));
}

/// Who does not read messages is ended, and nobody else: what is held for it goes with it, though not at once.
#[test]
fn nobody_is_ended_for_what_another_does_not_read() {
    let server = russet(&[]);
    let mut control = server.connect();
    control.call(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0"]);
    let mut others: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    let mut deaf = server.connect();
    deaf.call(&["SUBSCRIBE", "news"]);
    let message = vec![b'.'; 20 * MIB as usize];
    assert_eq!(control.call(&[b"PUBLISH", &b"news"[..], &message]), Value::Int(1));
    control.call(&["CONFIG", "SET", "maxmemory-clients", "5mb"]);
    for client in &mut others {
        assert_eq!(client.try_call(&["PING"]).ok(), Some(Value::simple("PONG")));
    }
    assert_eq!(stat(&mut control, "evicted_clients"), 1);
}

#[test]
fn who_must_not_be_evicted_is_not() {
    let server = russet(&["--maxmemory-clients", "300000"]);
    let mut control = server.connect();
    let mut kept = server.connect();
    kept.call(&["CLIENT", "SETNAME", "kept"]);
    assert_eq!(kept.call(&["CLIENT", "NO-EVICT", "ON"]), Value::simple("OK"));
    // It alone takes more than all may: others go, and it stays until it says otherwise.
    kept.call(&["MULTI"]);
    assert_eq!(kept.call(&[b"SET", &b"k"[..], &[b'.'; 400_000]]), Value::simple("QUEUED"));
    assert!(control.try_call(&["PING"]).is_err(), "everybody else has to go");
    assert_eq!(kept.call(&["DISCARD"]), Value::simple("OK"));
    let mut control = server.connect();
    kept.call(&["MULTI"]);
    assert_eq!(kept.call(&["CLIENT", "NO-EVICT", "OFF"]), Value::simple("QUEUED"));
    let answer = kept.try_call(&[b"SET", &b"k"[..], &[b'.'; 400_000]]);
    assert_eq!(answer.ok(), Some(Value::simple("QUEUED")));
    assert!(kept.try_call(&["EXEC"]).is_ok_and(|it| it != Value::Null));
    assert_eq!(control.try_call(&["PING"]).ok(), None, "it was too much for both");
    // Now it is like others.
    kept.call(&["MULTI"]);
    assert!(kept.try_call(&[b"SET", &b"k"[..], &[b'.'; 400_000]]).is_err());
    is_alive(&server.address());
}

/// Answers that are not read hold up who does not read them, and nothing is lost or run twice.
#[test]
fn a_pipeline_that_outruns_its_reader_is_held_up() {
    let mut pipeline = Vec::new();
    for _ in 0..60 {
        encode(&["GET", "long"], &mut pipeline);
        encode(&["INCR", "n"], &mut pipeline);
    }
    outruns_its_reader(&pipeline);
    outruns_its_reader(&b"GET long\r\nINCR n\r\n".repeat(60));
}

#[track_caller]
fn outruns_its_reader(pipeline: &[u8]) {
    let _alone = ALONE.lock();
    let server = russet(&["--maxmemory", "64mb"]);
    let mut control = server.connect();
    control.call(&[b"SET", &b"long"[..], &vec![b'.'; LONG]]);
    let mut reader = server.connect();
    reader.write_raw(pipeline).expect("it is short");
    until("it has begun", || control.call(&["EXISTS", "n"]) == Value::Int(1));
    // One share of a share, and one answer beyond it; sockets take some more.
    let held = stat(&mut control, "mem_clients_normal");
    assert!(held < 8 * MIB as i64, "{held} bytes are held");
    let Value::Bulk(so_far) = control.call(&["GET", "n"]) else { panic!("it is there") };
    let so_far: i64 = String::from_utf8_lossy(&so_far).parse().expect("a number");
    assert!(so_far < 60, "all have run");
    for number in 1..=60 {
        assert_eq!(reader.read_reply().expect("an answer").text().map(<[u8]>::len), Some(LONG));
        assert_eq!(reader.read_reply().expect("an answer"), Value::Int(number));
    }
}

/// What was sent behind a command that waits runs in its order, however much it is.
#[test]
fn a_long_pipeline_waits_behind_a_command() {
    let server = russet(&[]);
    let (mut control, mut client) = (server.connect(), server.connect());
    client.call(&["CLIENT", "SETNAME", "long"]);
    client.send(&["BLPOP", "queue", "0"]).expect("it takes bytes");
    let word = |number: usize| format!("{number}:{}", ".".repeat(number * 77_777 % 400_000));
    let mut pipeline = Vec::new();
    (0..40).for_each(|number| encode(&["ECHO", &word(number)], &mut pipeline));
    assert!(pipeline.len() > 5 * MIB as usize);
    client.write_raw(&pipeline).expect("it takes bytes");
    until("all has arrived", || {
        let list = lines(&mut control, &["CLIENT", "LIST"]);
        field(&list, "long", "qbuf") == Some(pipeline.len() as i64)
    });
    control.call(&["RPUSH", "queue", "job"]);
    assert_eq!(
        client.read_reply().expect("an answer"),
        Value::Array(["queue", "job"].map(Value::bulk).to_vec())
    );
    for number in 0..40 {
        assert_eq!(client.read_reply().expect("an answer"), Value::bulk(word(number)));
    }
}

#[test]
fn what_all_do_not_read_is_bounded() {
    let _alone = ALONE.lock();
    let server = russet(&["--maxmemory", "64mb"]);
    let mut control = server.connect();
    control.call(&[b"SET", &b"long"[..], &vec![b'.'; LONG]]);
    let mut pipeline = Vec::new();
    (0..50).for_each(|_| encode(&["GET", "long"], &mut pipeline));
    let mut deaf: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for client in &mut deaf {
        client.write_raw(&pipeline).expect("it is short");
        let held = stat(&mut control, "mem_clients_normal");
        assert!(held <= 36 * MIB as i64, "{held} bytes are held");
    }
    until("some had to go", || stat(&mut control, "client_output_buffer_limit_disconnections") > 0);
    assert_eq!(stat(&mut control, "evicted_clients"), 0);
    // Whoever reads is served as ever.
    let answer = control.call(&["GET", "long"]);
    assert_eq!(answer.text().map(<[u8]>::len), Some(LONG));
}

/// What one alone asks for may be longer than the share of all outputs.
#[test]
fn one_answer_may_be_as_long_as_it_is() {
    let _alone = ALONE.lock();
    let server = russet(&["--maxmemory", "100mb"]);
    let mut client = server.connect();
    client.call(&["SETRANGE", "long", "60000000", "x"]);
    client.send(&["GET", "long"]).expect("it is short");
    let mut control = server.connect();
    until("it waits to be read", || stat(&mut control, "mem_clients_normal") > 32 * MIB as i64);
    let answer = client.read_reply().expect("an answer");
    assert_eq!(answer.text().map(<[u8]>::len), Some(60_000_001));
}

/// A message to many is held once, so those who keep up are not ended for how many they are.
#[test]
fn a_message_to_many_counts_once() {
    let _alone = ALONE.lock();
    let server = russet(&["--maxmemory", "64mb"]);
    let mut listeners: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for listener in &mut listeners {
        listener.call(&["SUBSCRIBE", "news"]);
    }
    let mut control = server.connect();
    for _ in 0..4 {
        let sent = control.call(&[b"PUBLISH", &b"news"[..], &vec![b'.'; LONG]]);
        assert_eq!(sent, Value::Int(100));
    }
    for listener in &mut listeners {
        for _ in 0..4 {
            listener.read_reply().expect("the message");
        }
    }
    assert_eq!(stat(&mut control, "client_output_buffer_limit_disconnections"), 0);
}

#[test]
fn strangers_have_little_time() {
    let server = russet_with_password(&["--requirepass", "secret"]);
    let mut known = server.connect();
    assert_eq!(known.call(&["AUTH", "secret"]), Value::simple("OK"));
    // Only now, so that there is time to log in.
    let set = known.call(&["CONFIG", "SET", "unauthenticated-timeout", "1"]);
    assert_eq!(set, Value::simple("OK"));
    let mut silent = server.connect();
    let mut talkative = server.connect();
    assert_eq!(silent.read_to_close().expect("it hangs up"), b"");
    until("talking is no excuse", || talkative.try_call(&["PING"]).is_err());
    assert_eq!(known.call(&["PING"]), Value::simple("PONG"));
}

#[test]
fn strangers_of_one_address_are_few() {
    let server =
        russet_with_password(&["--requirepass", "secret", "--unauthenticated-per-address", "5"]);
    let mut control = server.connect();
    control.call(&["AUTH", "secret"]);
    until("whoever looked whether it is up has gone", || {
        stat(&mut control, "connected_clients") == 1
    });
    let mut here: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    here.iter_mut().for_each(|it| assert!(it.call(&["PING"]).is_error()));
    let mut sixth = server.connect();
    let heard = sixth.read_to_close().expect("it hangs up");
    assert!(heard.starts_with(b"-ERR too many clients of this address"), "{heard:?}");
    assert_eq!(here[0].call(&["AUTH", "secret"]), Value::simple("OK"));
    let mut sixth = server.connect();
    assert!(sixth.call(&["PING"]).is_error());
}

/// Without a descriptor nobody can come in, and everybody is told; those who are in are served.
#[test]
fn no_descriptors_left() {
    let _alone = ALONE.lock();
    let server = russet(&[]);
    let mut control = server.connect();
    until("the first one has gone", || stat(&mut control, "connected_clients") == 1);
    limit_descriptors(server.pid(), descriptors(server.pid()) + 10);
    let mut refused = 0;
    let mut here = Vec::new();
    for _ in 0..40 {
        let mut client = server.connect();
        match client.try_call(&["PING"]) {
            Ok(answer) if answer == Value::simple("PONG") => here.push(client),
            // It may have been told before it could ask.
            Ok(Value::Error(text)) => {
                assert_eq!(text, b"ERR max number of clients reached");
                refused += 1;
            }
            _ => refused += 1,
        }
        assert_eq!(control.call(&["PING"]), Value::simple("PONG"));
    }
    assert!(here.len() >= 8 && refused >= 25, "{} came in, {refused} did not", here.len());
    assert!(server.log().contains("Accepting client connection: "), "{}", server.log_tail());
    drop(here);
    until("there is room again", || {
        let fresh = Client::connect(&server.address()).and_then(|mut it| it.try_call(&["PING"]));
        fresh.is_ok_and(|answer| answer == Value::simple("PONG"))
    });
}

#[test]
fn a_storm_of_connections_holds_nobody_up() {
    let _alone = ALONE.lock();
    let server = russet(&[]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let storm: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut came = 0;
                    for number in 0..1_000 {
                        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.port)) else {
                            continue;
                        };
                        came += 1;
                        // Some leave amid a request, and some with an answer on its way.
                        let said: &[u8] =
                            [b"".as_slice(), b"*1\r\n$4\r\nPI", b"PING\r\n"][number % 3];
                        let _ = stream.write_all(said);
                    }
                    came
                })
            })
            .collect();
        let calm = scope.spawn(|| {
            let mut client = server.connect();
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
                rounds += 1;
            }
            rounds
        });
        let came: usize = storm.into_iter().map(|it| it.join().expect("it connects")).sum();
        over.store(true, Ordering::Relaxed);
        let rounds = calm.join().expect("it is answered all the time");
        assert!(came > 3_000 && rounds > 50, "{came} came, {rounds} rounds meanwhile");
    });
    let mut control = server.connect();
    until("all have gone", || stat(&mut control, "connected_clients") == 1);
    assert!(stat(&mut control, "total_connections_received") >= 3_000);
    assert_eq!(stat(&mut control, "rejected_connections"), 0);
}

/// Whatever a client waits for, or has asked to be told of: when it is killed, nothing of it is left.
#[test]
fn whoever_is_killed_leaves_nothing_behind() {
    let _alone = ALONE.lock();
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let deaf_port = deaf.local_addr().expect("it is bound").port().to_string();
    let server =
        russet(&["--appendonly", "yes", "--appendfsync", "always", "--busy-reply-threshold", "50"]);
    let mut control = server.connect();
    control.call(&[b"SET", &b"long"[..], &vec![b'.'; LONG]]);
    control.call(&["XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM"]);
    until("the first one has gone", || stat(&mut control, "connected_clients") == 1);
    let before = remains(&mut control);
    let migrate = ["MIGRATE", "127.0.0.1", &deaf_port, "long", "0", "60000"];
    let ways: &[&[&[&str]]] = &[
        &[&["BLPOP", "a", "b", "0"]],
        &[&["BLPOP", "a", "10"], &["SET", "later", "1"]],
        &[&["XREADGROUP", "GROUP", "group", "me", "BLOCK", "0", "STREAMS", "stream", ">"]],
        &[&["WATCH", "a", "b"], &["MULTI"], &["SET", "a", "1"]],
        &[&["SUBSCRIBE", "a", "b"], &["PSUBSCRIBE", "c*"]],
        &[&["HELLO", "3"], &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b"]],
        &[&["HELLO", "3"], &["CLIENT", "TRACKING", "ON"], &["GET", "long"]],
        &[&["MONITOR"]],
        &[&["GET", "long"], &["GET", "long"], &["GET", "long"], &["GET", "long"], &["GET", "long"]],
        &[&["EVAL", "while true do end", "0"]],
        &[&["MULTI"], &["EVAL", "while true do end", "0"], &["SET", "then", "1"], &["EXEC"]],
        &[&migrate],
        &[&["SET", "held", "1"], &["INCR", "counter"], &["INCR", "counter"]],
    ];
    for way in ways {
        let mut doomed = server.connect();
        let Value::Int(id) = doomed.call(&["CLIENT", "ID"]) else { panic!("it has a number") };
        let mut frame = Vec::new();
        way.iter().for_each(|line| encode(line, &mut frame));
        let heard = |control: &mut Client| {
            let list = lines(control, &["CLIENT", "LIST", "ID", &id.to_string()]);
            let heard = list.split(' ').find_map(|it| it.strip_prefix("tot-net-in="));
            heard.and_then(|it| it.parse::<usize>().ok())
        };
        let all = heard(&mut control).map(|before| before + frame.len());
        doomed.write_raw(&frame).expect("it is short");
        let is_script = way.iter().any(|line| line[0] == "EVAL");
        // All of it must have arrived, and need not have run.
        until("it has begun", || match is_script {
            true => control.call(&["PING"]).is_error(),
            false => heard(&mut control) == all,
        });
        if is_script {
            // Only this may be asked while it runs.
            drop(doomed);
            assert_eq!(control.call(&["SCRIPT", "KILL"]), Value::simple("OK"));
        } else {
            let killed = control.call(&["CLIENT", "KILL", "ID", &id.to_string()]);
            assert_eq!(killed, Value::Int(1), "{way:?}");
        }
        // Keys that change now must find nobody.
        until("the server goes on", || !control.call(&["DEL", "a", "b", "c"]).is_error());
        control.call(&["RPUSH", "a", "1"]);
        control.call(&["PUBLISH", "a", "1"]);
        control.call(&["XADD", "stream", "*", "f", "v"]);
        control.call(&["DEL", "a"]);
        until(&format!("nothing is left of {way:?}"), || remains(&mut control) == before);
    }
    assert_eq!(control.call(&["EXISTS", "long"]), Value::Int(1));
}

/// The same while answers wait for the log, over and over, with several threads.
#[test]
fn killed_while_answers_are_held() {
    let args = ["--appendonly", "yes", "--appendfsync", "always", "--io-threads", "2"];
    let server = russet(&args);
    let mut control = server.connect();
    let mut pipeline = Vec::new();
    (0..200).for_each(|_| encode(&["INCR", "n"], &mut pipeline));
    for _ in 0..100 {
        let mut doomed = server.connect();
        let Value::Int(id) = doomed.call(&["CLIENT", "ID"]) else { panic!("it has a number") };
        doomed.write_raw(&pipeline).expect("it is short");
        control.call(&["CLIENT", "KILL", "ID", &id.to_string()]);
    }
    until("all have gone", || stat(&mut control, "connected_clients") == 1);
    assert_eq!(control.call(&["PING"]), Value::simple("PONG"));
}

/// What is left of clients, as INFO counts it. The one who asks is there.
fn remains(control: &mut Client) -> Vec<(&'static str, i64)> {
    const NAMES: [&str; 10] = [
        "connected_clients",
        "blocked_clients",
        "tracking_clients",
        "pubsub_clients",
        "watching_clients",
        "clients_in_timeout_table",
        "total_watched_keys",
        "total_blocking_keys",
        "pubsub_channels",
        "mem_clients_normal",
    ];
    let info = lines(control, &["INFO"]);
    NAMES.map(|name| (name, number(&info, name))).to_vec()
}

/// A client that has sent a part of a request, and holds it there.
fn held_request(server: &Server, name: &str, bytes: usize) -> Client {
    let mut client = server.connect();
    client.call(&["CLIENT", "SETNAME", name]);
    let mut part = format!("*2\r\n${}\r\n", bytes).into_bytes();
    part.resize(part.len() + bytes, b'.');
    client.write_raw(&part).expect("it takes bytes");
    client
}

/// A server that lets nobody in without a password; waits until it is up.
fn russet_with_password(args: &[&str]) -> Server {
    let server = russet(&args[2..]);
    let mut first = server.connect();
    let password = ["CONFIG", "SET", &args[0][2..], args[1]];
    assert_eq!(first.call(&password), Value::simple("OK"));
    server
}

fn lines(client: &mut Client, line: &[&str]) -> String {
    let answer = client.call(line);
    String::from_utf8_lossy(answer.text().unwrap_or_default()).into_owned()
}

/// A field of INFO.
pub fn stat(client: &mut Client, name: &str) -> i64 {
    number(&lines(client, &["INFO"]), name)
}

/// A field of what INFO has answered.
pub fn number(info: &str, name: &str) -> i64 {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|it| it.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {info}"))
}

/// A field of the line of CLIENT LIST with a name.
fn field(list: &str, name: &str, field: &str) -> Option<i64> {
    let line = list.lines().find(|line| line.contains(&format!(" name={name} ")))?;
    line.split(' ').find_map(|it| it.strip_prefix(field)?.strip_prefix('=')?.parse().ok())
}
