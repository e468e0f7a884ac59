//! Bad days of a whole server: what happens to those who did nothing wrong while others do, or while the machine has
//! nothing left to give.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::hostile::{ALONE, MIB, assert_grown_less, connections, info, russet};
use crate::process::{resident, until};
use crate::pubsub::subscribe;
use crate::support::client::{Client, encode};
use crate::support::server::Server;
use crate::support::value::Value;

/// What a client hears that is one too many.
const FULL: &[u8] = b"-ERR max number of clients reached\r\n";

/// Somebody who works: each request is answered before the next is sent.
fn work(client: &mut Client, rounds: usize) {
    for round in 0..rounds {
        let number = round.to_string();
        assert_eq!(client.call(&["SET", "work", &number]), Value::simple("OK"));
        assert_eq!(client.call(&["GET", "work"]), Value::bulk(&number));
        assert_eq!(client.call(&["LPUSH", "line", &number]), Value::Int(1));
        assert_eq!(client.call(&["RPOP", "line"]), Value::bulk(&number));
    }
}

fn stream(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    stream.set_nodelay(true).expect("a socket can be told so");
    stream
}

/// Subscribers who do not read, and a publisher who does not stop: whoever else is there works on, each answer comes,
/// and what is kept for the slow ones is bounded by their limit and not by how many messages there were.
#[test]
fn slow_subscribers_are_nobody_elses_trouble() {
    let _alone = ALONE.lock();
    const SLOW: usize = 40;
    let server = russet(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let slow: Vec<Client> = (0..SLOW).map(|_| subscribe(&server, &["flood"])).collect();
    let mut attentive = subscribe(&server, &["flood"]);
    let before = resident(server.pid());
    let (mut publisher, mut worker) = (server.connect(), server.connect());
    let message = "m".repeat(32 * 1024);
    let mut audience = SLOW as i64 + 1;
    for number in 0..2000 {
        let told = publisher.call(&["PUBLISH", "flood", &message]);
        let Value::Int(told) = told else { panic!("{told}") };
        assert!(told <= audience, "nobody comes back");
        audience = told;
        work(&mut worker, 1);
        // Who reads has all of them, in order, and is not cut off for the others' sake.
        let heard = attentive.read_reply().expect("it is there");
        assert!(heard.items().is_some_and(|it| it[2] == Value::bulk(&message)), "message {number}");
        assert!(resident(server.pid()) < before + (SLOW as u64 + 60) * MIB, "messages pile up");
        if audience == 1 {
            break;
        }
    }
    assert_eq!(audience, 1, "those who do not read were cut off, and the one who does was not");
    let cut = format!("client_output_buffer_limit_disconnections:{SLOW}\r\n");
    assert!(info(&server, "stats").contains(&cut));
    drop(slow);
    assert_grown_less(&server, before, 32 * MIB);
}

/// Half frames, requests without an end, answers that nobody reads, clients that wait for ever, watchers and monitors
/// that are never heard of again, all at once: others work on, and the server ends in order when it is told to.
#[test]
fn stuck_clients_keep_nobody_from_working_nor_the_server_from_ending() {
    let _alone = ALONE.lock();
    let mut server = russet(&["--client-output-buffer-limit", "normal 8mb 0 0"]);
    let mut worker = server.connect();
    assert_eq!(worker.call(&["SET", "big", &"b".repeat(1 << 20)]), Value::simple("OK"));
    let mut stuck = Vec::new();
    let halves: [&[u8]; 7] = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000\r\nhalf",
        b"*2\r\n$3\r\nGET\r\n",
        b"*1000000\r\n$3\r\nDEL\r\n",
        b"SET inline without an en",
        b"*2\r\n$5\r\nBLPOP\r\n$1\r",
        b"MULTI\r\nSET a 1\r\n*2\r\n$4\r\nEX",
        b"WATCH big\r\nMONITOR\r\n*1\r\n",
    ];
    for half in halves {
        for _ in 0..connections(350) / 7 {
            let mut client = stream(&server);
            client.write_all(half).expect("it takes bytes");
            stuck.push(client);
        }
    }
    let mut asked = Vec::new();
    (0..6).for_each(|_| encode(&["GET", "big"], &mut asked));
    for line in ["BLPOP nothing 0\r\n", "SUBSCRIBE a b c\r\n", "XREAD BLOCK 0 STREAMS s $\r\n"] {
        let mut client = stream(&server);
        client.write_all(line.as_bytes()).expect("it takes bytes");
        stuck.push(client);
    }
    for _ in 0..20 {
        // Six megabytes that are never read.
        let mut client = stream(&server);
        client.write_all(&asked).expect("it takes bytes");
        stuck.push(client);
    }
    // Hundreds came before the one who subscribes: its turn comes when theirs were taken.
    until("the subscriber is heard", || worker.call(&["PUBLISH", "a", "first"]) == Value::Int(1));
    // A trickle: a byte now and then, of a request that never ends.
    let mut trickle = stream(&server);
    for round in 0..50 {
        trickle.write_all(b"x").expect("it takes bytes");
        work(&mut worker, 4);
        assert_eq!(worker.call(&["PUBLISH", "a", &round.to_string()]), Value::Int(1));
    }
    let begun = Instant::now();
    worker.send(&["SHUTDOWN", "NOSAVE"]).expect("it takes bytes");
    until("the server ends, whoever is stuck", || !server.is_running());
    assert!(begun.elapsed() < Duration::from_secs(15));
    drop(stuck);
}

/// The system has no more descriptors: those who are here are served, nobody spins, those who come are told so, or
/// are let in when there are some again.
#[test]
fn without_descriptors_those_who_are_here_are_served() {
    let _alone = ALONE.lock();
    let server = russet(&[]);
    let (mut worker, mut other) = (server.connect(), server.connect());
    work(&mut worker, 10);
    let open = descriptors(server.pid());
    let before = limit_descriptors(server.pid(), open);
    // The kernel takes their connections; the server cannot.
    let mut outside: Vec<TcpStream> = (0..20).map(|_| stream(&server)).collect();
    for client in &mut outside {
        client.write_all(b"PING\r\n").expect("it takes bytes");
    }
    let burnt = processor_ms(server.pid());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        work(&mut worker, 1);
        std::thread::sleep(Duration::from_millis(50));
    }
    let burnt = processor_ms(server.pid()) - burnt;
    assert!(burnt < 1000, "{burnt} ms of processor time in two seconds of next to no work");
    assert_eq!(other.call(&["PING"]), Value::simple("PONG"));
    let lines = server.log().lines().count();
    assert!(lines < 500, "{lines} lines of log about it");
    limit_descriptors(server.pid(), before);
    // They were told so with the descriptor that is kept for this; where the new limit left not even that, they
    // have waited and are let in.
    let mut refused = 0;
    for client in &mut outside {
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has time-outs");
        let mut heard = [0; 7];
        client.read_exact(&mut heard).expect("it is told, or let in");
        assert!(heard == *b"+PONG\r\n" || heard == FULL[..7], "{heard:?}");
        refused += usize::from(heard == FULL[..7]);
    }
    let stats = other.call(&["INFO", "stats"]);
    let stats = String::from_utf8_lossy(stats.text().unwrap_or_default()).into_owned();
    assert!(stats.contains(&format!("rejected_connections:{refused}\r\n")), "{refused}: {stats}");
    work(&mut worker, 10);
}

/// The same where the limit was low from the beginning: there are as many clients as there is room for, and others
/// are told so.
#[test]
fn a_low_limit_of_descriptors_is_a_low_number_of_clients() {
    let _alone = ALONE.lock();
    let line = format!(
        "ulimit -n 128 && exec {} --port {{port}} --save '' --dir {{dir}}",
        env!("CARGO_BIN_EXE_russet-server")
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = crate::process::free_port();
    let line = line
        .replace("{port}", &port.to_string())
        .replace("{dir}", &folder.path().to_string_lossy());
    let output = std::fs::File::create(folder.path().join("log")).expect("a file");
    let child = std::process::Command::new("sh")
        .args(["-c", &line])
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .spawn()
        .expect("there is a shell");
    let mut child = Ended(child);
    let address = crate::process::tcp(port);
    until("it answers", || {
        Client::connect(&address).and_then(|mut it| it.try_call(&["PING"])).is_ok()
    });
    let mut here = Vec::new();
    let mut refused = 0;
    for _ in 0..200 {
        let mut client = Client::connect(&address).expect("the kernel takes it");
        match client.try_call(&["PING"]) {
            Ok(pong) if pong == Value::simple("PONG") => here.push(client),
            Ok(error) => {
                assert_eq!(error, Value::error("ERR max number of clients reached"));
                refused += 1;
            }
            // The answer may have been lost with the connection.
            Err(_) => refused += 1,
        }
    }
    assert!(
        here.len() >= 64 && here.len() < 128 && refused == 200 - here.len(),
        "{} are in",
        here.len()
    );
    let mut last = here.pop().expect("somebody is here");
    // There is room for files, too.
    assert_eq!(last.call(&["SET", "k", "v"]), Value::simple("OK"));
    assert_eq!(last.call(&["SAVE"]), Value::simple("OK"));
    assert!(child.0.try_wait().is_ok_and(|it| it.is_none()), "it still runs");
}

struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64
}

/// Sets how many descriptors another process may have; says how many it was before.
pub fn limit_descriptors(pid: u32, most: u64) -> u64 {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "prlimit reads one struct of two numbers and fills another")]
    // SAFETY: both structs are valid during the calls; null is allowed for one that is not wanted.
    unsafe {
        let pid = pid as libc::pid_t;
        assert_eq!(libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &mut before), 0);
        let limit = libc::rlimit { rlim_cur: most, ..before };
        assert_eq!(libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()), 0);
    }
    before.rlim_cur
}

/// Processor time of a process so far.
fn processor_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // The name, in brackets, may have spaces.
    let rest = stat.rsplit_once(')').map_or("", |it| it.1);
    let words: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| words.get(at).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

/// A snapshot whose file is whole, but whose end the engine has not heard of, when all keys are flushed: what was
/// saved then is what is on disk, and the snapshot does not bring back what is gone.
#[test]
fn what_is_flushed_does_not_come_back_with_an_older_snapshot() {
    let server = russet(&["--save", "3600 1"]);
    let mut client = server.connect();
    for _ in 0..5 {
        for key in 0..50 {
            client.call(&["SET", &format!("k{key}"), "v"]);
        }
        assert!(!client.call(&["BGSAVE"]).is_error());
        client.call(&["SET", "later", "v"]);
        client.call(&["MULTI"]);
        client.call(&["DEBUG", "SLEEP", "0.2"]);
        client.call(&["FLUSHALL"]);
        assert!(!client.call(&["EXEC"]).is_error());
        let says = |line: &str| info(&server, "persistence").contains(line);
        until("the snapshot is over", || says("rdb_bgsave_in_progress:0"));
        assert!(says("rdb_changes_since_last_save:0"));
        assert_eq!(client.call(&["DEBUG", "RELOAD", "NOSAVE"]), Value::simple("OK"));
        assert_eq!(client.call(&["DBSIZE"]), Value::Int(0));
    }
}
