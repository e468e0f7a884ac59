//! What clients may not do: speak nonsense for ever, have us allocate what they only announce,
//! hold us up by silence, or let answers pile up.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::process::{is_alive, peak, resident, until};
use crate::support::client::{Client, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;

/// Tests that count memory or descriptors take turns.
pub static ALONE: Mutex<()> = Mutex::new(());

pub const MIB: u64 = 1 << 20;

/// What is sent, and what is heard before the connection ends.
const MALFORMED: &[(&[u8], &str)] = &[
    (b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"),
    (b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
    (b"*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n"),
    (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$4294967296\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    (b"SET a \"b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    (b"SET a 'b'c\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    // What came before the nonsense is answered; what comes after it is not.
    (
        b"*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n*1\r\n$4\r\nPING\r\n",
        "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n",
    ),
];

/// Where a line break must be and is not. Redis takes any two bytes for one, Valkey does not.
const BROKEN_LINES: &[&[u8]] = &[
    b"*1\rx$4\r\nPING\r\n",
    b"*1\r\n$4\rxPING\r\n",
    b"*1\r\n$4\r\nPING\rx",
    b"*1\r\n$4\r\nPINGx\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n",
    b"*1\r\n$10000000000\rxPING\r\n",
];

pub fn start(program: Program, extra: &[&str]) -> Option<Server> {
    match Server::start(program, extra) {
        Ok(server) => Some(server),
        Err(why) if program != Program::Russet && program.path().is_none() => {
            println!("{why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

pub fn russet(extra: &[&str]) -> Server {
    start(Program::Russet, extra).expect("ours is always there")
}

/// Both speak the same errors: a table that Redis does not confirm would be our invention.
#[test]
fn malformed_frames_are_answered_and_end_the_connection() {
    for program in [Program::Russet, Program::Redis] {
        let Some(server) = start(program, &[]) else { continue };
        for (sent, expected) in MALFORMED {
            let mut client = server.connect();
            client.write_raw(sent).expect("it takes bytes");
            let heard = client.read_to_close();
            let heard = heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let sent = String::from_utf8_lossy(sent);
            assert_eq!(heard.ok().as_deref(), Some(*expected), "{} heard {sent:?}", program.name());
        }
        is_alive(&server.address());
    }
}

/// A client that wants no answers gets none, whatever it sends.
#[test]
fn malformed_frames_of_who_wants_no_answers_are_not_answered() {
    let server = russet(&[]);
    for mode in ["OFF", "SKIP"] {
        let mut client = server.connect();
        client.send(&["CLIENT", "REPLY", mode]).expect("it takes bytes");
        client.write_raw(b"*1\r\n:1\r\n").expect("it takes bytes");
        assert_eq!(client.read_to_close().expect("it is over"), b"", "{mode}");
    }
}

#[test]
fn line_breaks_are_looked_at() {
    for program in [Program::Russet, Program::Valkey] {
        let Some(server) = start(program, &[]) else { continue };
        for sent in BROKEN_LINES {
            let mut client = server.connect();
            client.write_raw(sent).expect("it takes bytes");
            let heard = client.read_to_close();
            let heard = heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let expected = "-ERR Protocol error: invalid CRLF in request\r\n";
            let sent = String::from_utf8_lossy(sent);
            assert_eq!(heard.ok().as_deref(), Some(expected), "{} heard {sent:?}", program.name());
        }
    }
}

#[test]
fn lines_without_an_end_are_cut_off() {
    let _alone = ALONE.lock();
    for program in [Program::Russet, Program::Redis] {
        let Some(server) = start(program, &[]) else { continue };
        let before = resident(server.pid());
        for (head, expected) in [
            (&b""[..], "-ERR Protocol error: too big inline request\r\n"),
            (b"*", "-ERR Protocol error: too big mbulk count string\r\n"),
            (b"*1\r\n$", "-ERR Protocol error: too big bulk count string\r\n"),
        ] {
            let mut client = server.connect();
            let line = [head, &vec![b'1'; MIB as usize]].concat();
            // It may hang up before it has taken all of it.
            let _ = client.write_raw(&line);
            match client.read_to_close() {
                Ok(heard) => assert_eq!(String::from_utf8_lossy(&heard), expected, "{program:?}"),
                // A reset, because we were still sending, takes the error along.
                Err(why) => assert_eq!(why.kind(), ErrorKind::ConnectionReset),
            }
        }
        is_alive(&server.address());
        assert_grown_less(&server, before, 8 * MIB);
    }
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let _alone = ALONE.lock();
    let server = russet(&[]);
    let before = resident(server.pid());
    let mut clients = Vec::new();
    for announced in [
        &b"*2147483647\r\n"[..],
        b"*1048576\r\n$3\r\nSET\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n",
        b"*2\r\n$4\r\nPING\r\n$536870912\r\nx",
    ] {
        for _ in 0..50 {
            let mut client = server.connect();
            client.write_raw(announced).expect("it takes bytes");
            clients.push(client);
        }
    }
    is_alive(&server.address());
    assert_grown_less(&server, before, 16 * MIB);
}

/// A short request asks for a long value over and over. It is not collected before the client is ended for it;
/// Redis checks while it writes, too.
#[test]
fn an_answer_is_not_written_beyond_its_limit() {
    let _alone = ALONE.lock().unwrap_or_else(|other| other.into_inner());
    let server = russet(&["--client-output-buffer-limit", "normal 8mb 0 0"]);
    let mut client = server.connect();
    let value = "v".repeat(MIB as usize);
    client.call(&["SET", "long", &value]);
    let mut over_and_over = vec!["MGET"];
    over_and_over.resize(2001, "long");
    let many = ["EVAL", "return #redis.call('MGET', unpack(ARGV))", "0"];
    let many: Vec<&str> = many.into_iter().chain(["long"; 2000]).collect();
    let table =
        "local t = {} local v = redis.call('GET', 'long') for i = 1, 2000 do t[i] = v end return t";

    let refused = client.call(&many);
    let Value::Error(text) = refused else { panic!("a script was answered {refused:?}") };
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("exceeds the output buffer limit"), "{text}");
    client.call(&["GET", "long"]);
    client.call(&["SADD", "members", "1", "2", "3"]);
    client.call(&["HSET", "fields", "f", "1", "g", "2"]);
    client.call(&["ZADD", "scores", "1", "a", "2", "b"]);
    // Nobody draws a hundred million times for an answer that is too long after a million.
    let began = Instant::now();
    for request in [
        &over_and_over[..],
        &["EVAL", table, "0"],
        &["SRANDMEMBER", "members", "-100000000"],
        &["HRANDFIELD", "fields", "-100000000", "WITHVALUES"],
        &["ZRANDMEMBER", "scores", "-100000000", "WITHSCORES"],
    ] {
        let mut client = server.connect();
        let mut frame = Vec::new();
        encode(request, &mut frame);
        client.write_raw(&frame).expect("it takes bytes");
        let heard = client.read_to_close().expect("it is ended").len() as u64;
        assert!(heard < 9 * MIB, "{heard} bytes were sent");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    // A step of a transaction that is refused takes back what it wrote itself, and not what was left out before.
    client.call(&["SET", "longer", &"v".repeat(9 * MIB as usize)]);
    let mut other = server.connect();
    for request in [&["MULTI"][..], &["MGET", "fields", "longer"], &["INCR", "longer"]] {
        other.call(request);
    }
    other.send(&["EXEC"]).expect("it takes bytes");
    let heard = other.read_to_close().expect("it is ended");
    assert!(heard.is_empty(), "{}", heard.escape_ascii());
    // An answer that nobody is to hear has no length.
    let mut frame = Vec::new();
    for request in [&["CLIENT", "REPLY", "SKIP"][..], &over_and_over, &["PING"]] {
        encode(request, &mut frame);
    }
    client.write_raw(&frame).expect("it takes bytes");
    assert_eq!(client.read_reply().expect("it is there still"), Value::simple("PONG"));
    let peak = peak(server.pid());
    assert!(peak < 120 * MIB, "{peak} bytes were taken for answers");
    let ended = info(&server, "stats");
    assert!(ended.contains("client_output_buffer_limit_disconnections:6\r\n"), "{ended}");
}

/// Looking for each key among all that the client watches already would take minutes.
#[test]
fn watching_very_many_keys_takes_a_moment() {
    let server = russet(&[]);
    let names: Vec<String> = (0..200_000).map(|number| format!("key:{number}")).collect();
    let line: Vec<&str> = std::iter::once("WATCH").chain(names.iter().map(|it| &**it)).collect();
    let mut client = server.connect();
    let began = Instant::now();
    assert!(!client.call(&line).is_error());
    assert!(!client.call(&["UNWATCH"]).is_error());
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
}

#[test]
pub fn half_frames_of_many_clients_wait_in_peace() {
    let _alone = ALONE.lock();
    let server = russet(&[]);
    let before = resident(server.pid());
    let count = connections(2_000);
    let mut halves = Vec::new();
    for number in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
        let head = format!("*3\r\n$3\r\nSET\r\n$5\r\nk{number:04}\r\n$100\r\nhalf");
        stream.write_all(head.as_bytes()).expect("it takes bytes");
        halves.push(stream);
    }
    is_alive(&server.address());
    // A session, its task, and what it sent: a few KiB each.
    assert_grown_less(&server, before, count as u64 * 8 * 1024 + 8 * MIB);
    // The other halves make whole commands.
    for stream in &mut halves {
        stream.write_all(&[&[b'.'; 96][..], b"\r\n"].concat()).expect("it takes bytes");
    }
    let mut client = server.connect();
    until("every key is there", || client.call(&["DBSIZE"]) == Value::Int(count as i64));
}

#[test]
fn ten_thousand_silent_clients() {
    let _alone = ALONE.lock();
    let count = connections(10_000);
    let server = russet(&["--maxclients", "10100"]);
    let before = resident(server.pid());
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(TcpStream::connect(("127.0.0.1", server.port)).expect("there is room"));
    }
    let mut client = server.connect();
    let clients = format!("connected_clients:{}\r\n", count + 1);
    until("all are counted", || {
        let info = client.call(&["INFO", "clients"]);
        let text = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        text.contains(&clients)
    });
    assert_grown_less(&server, before, count as u64 * 6 * 1024 + 8 * MIB);
    drop(silent);
    until("all have gone", || {
        let info = client.call(&["INFO", "clients"]);
        let text = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        text.contains("connected_clients:1\r\n")
    });
}

/// A number that the system does not allow is refused, and one named that it does.
#[test]
fn more_clients_than_there_can_be_are_refused() {
    let server = russet(&[]);
    let mut client = server.connect();
    let answer = client.call(&["CONFIG", "SET", "maxclients", "4294967295"]).to_string();
    let most = answer.strip_prefix(
        "(error) ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating \
         system is not able to handle the specified number of clients, try with ",
    );
    let most = most.unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(client.call(&["CONFIG", "SET", "maxclients", most]), Value::simple("OK"));
}

#[test]
pub fn one_client_too_many_is_told_so() {
    let server = russet(&["--maxclients", "3"]);
    // The one that waited for the first PONG may not have been let go yet.
    let mut here: Vec<Client> = Vec::new();
    until("three are in", || {
        let fresh = Client::connect(&server.address());
        here.extend(fresh.ok().and_then(|mut it| {
            it.try_call(&["PING"]).ok().filter(|it| !it.is_error()).map(|_| it)
        }));
        here.len() == 3
    });
    let mut fourth = Client::connect(&server.address()).expect("the door is open");
    let heard = fourth.read_to_close().expect("and then closed");
    assert_eq!(heard, b"-ERR max number of clients reached\r\n");
    here.pop();
    until("there is room again", || {
        let fresh = Client::connect(&server.address()).and_then(|mut it| it.try_call(&["PING"]));
        fresh.is_ok_and(|answer| answer == Value::simple("PONG"))
    });
}

#[test]
pub fn a_reader_that_does_not_read_is_cut_off() {
    let _alone = ALONE.lock();
    let server = russet(&["--client-output-buffer-limit", "normal 4mb 0 0"]);
    let mut client = server.connect();
    let value = vec![b'v'; 256 * 1024];
    assert_eq!(client.call(&[&b"SET"[..], b"big", &value]), Value::simple("OK"));
    let before = resident(server.pid());

    // Sixteen requests at a time, so that each read by itself stays below the limit.
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    slow.set_write_timeout(Some(Duration::from_secs(5))).expect("a time is a time");
    let mut frame = Vec::new();
    (0..8).for_each(|_| encode(&["GET", "big"], &mut frame));
    until("the slow reader is cut off", || {
        let cut = slow.write_all(&frame).is_err();
        assert!(resident(server.pid()) < before + 64 * MIB, "answers pile up");
        cut
    });
    until("it is counted", || {
        let info = client.call(&["INFO", "stats"]);
        let text = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        text.contains("client_output_buffer_limit_disconnections:1\r\n")
    });
    is_alive(&server.address());
    assert_grown_less(&server, before, 32 * MIB);
}

#[test]
pub fn a_large_pipeline_of_a_slow_reader_is_bounded_in_one_read() {
    let _alone = ALONE.lock();
    let server = russet(&["--client-output-buffer-limit", "normal 4mb 0 0"]);
    let mut client = server.connect();
    assert_eq!(client.call(&[&b"SET"[..], b"big", &vec![b'v'; 1 << 20]]), Value::simple("OK"));
    let before = resident(server.pid());
    // Two thousand requests fit into one read and ask for two gigabytes.
    let mut frame = Vec::new();
    (0..2000).for_each(|_| encode(&["GET", "big"], &mut frame));
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    let _ = slow.write_all(&frame);
    until("it is counted", || {
        assert!(resident(server.pid()) < before + 64 * MIB, "answers pile up");
        let info = client.call(&["INFO", "stats"]);
        let text = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        text.contains("client_output_buffer_limit_disconnections:1\r\n")
    });
    assert_grown_less(&server, before, 32 * MIB);
}

/// A client that writes on before it has read what it asked for gets all of it, in order: also when
/// a request arrives in pieces, or has no answer, so that there is a read without one in between.
#[test]
pub fn answers_wait_in_line_behind_what_is_unread() {
    unread_answers_survive(b"", &[b"*2\r\n$3\r\nGET\r\n", b"$5\r\nsmall\r\n"], b"$4\r\ntail\r\n");
}

/// The end of a connection that was asked for waits until everything before it has been read.
#[test]
pub fn a_silent_end_waits_for_what_is_unread() {
    unread_answers_survive(b"CLIENT REPLY OFF\r\n", &[b"QUIT\r\n"], b"");
}

#[track_caller]
fn unread_answers_survive(sent_with: &[u8], sent_behind: &[&[u8]], heard_behind: &[u8]) {
    const ASKED: usize = 24;
    let server = russet(&[]);
    let mut client = server.connect();
    let big = vec![b'v'; 1 << 20];
    assert_eq!(client.call(&[&b"SET"[..], b"big", &big]), Value::simple("OK"));
    assert_eq!(client.call(&["SET", "small", "tail"]), Value::simple("OK"));
    let mut frame = Vec::new();
    (0..ASKED).for_each(|_| encode(&["GET", "big"], &mut frame));
    frame.extend_from_slice(sent_with);
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    for piece in std::iter::once(&frame[..]).chain(sent_behind.iter().copied()) {
        slow.write_all(piece).expect("the server reads on");
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut expected = [&b"$1048576\r\n"[..], &big, b"\r\n"].concat().repeat(ASKED);
    expected.extend_from_slice(heard_behind);
    let mut heard = vec![0; expected.len()];
    slow.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has time-outs");
    slow.read_exact(&mut heard).expect("every answer comes");
    assert!(heard == expected, "answers were lost or changed places");
}

#[track_caller]
pub fn assert_grown_less(server: &Server, before: u64, bound: u64) {
    let now = resident(server.pid());
    let grown = now.saturating_sub(before);
    assert!(grown < bound, "{} MiB more than before, {} are allowed", grown / MIB, bound / MIB);
}

/// A section of INFO.
pub fn info(server: &Server, section: &str) -> String {
    let info = server.connect().call(&["INFO", section]);
    String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned()
}

/// As many connections as the system allows, for us and for a server that is started by us.
pub fn connections(wanted: usize) -> usize {
    const OTHERS: u64 = 200;
    let needed = wanted as u64 + OTHERS;
    #[expect(unsafe_code, reason = "rlimit calls fill and read a struct of two numbers")]
    // SAFETY: the struct is valid for reads and writes during the calls.
    let limit = unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        if limit.rlim_cur < needed {
            let raised = libc::rlimit { rlim_cur: needed.min(limit.rlim_max), ..limit };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        }
        limit.rlim_cur
    };
    let allowed = (limit.saturating_sub(OTHERS) as usize).min(wanted);
    if allowed < wanted {
        println!(
            "{allowed} connections instead of {wanted}: the system allows {limit} descriptors"
        );
    }
    allowed
}
