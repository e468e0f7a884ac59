//! What comes in before anybody is trusted: frames, half of them, and the socket itself.

use super::{answers, fine, is_well, refuses, scene, text};
use crate::hostile::{ALONE, MIB, assert_grown_less, connections, info};
use crate::process::{Process, resident, until};
use crate::support::client::{Address, Client, encode};
use crate::support::value::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A frame of very many words, on many connections, of which none has come.
#[test]
fn cve_2021_32675_announced_frames_of_strangers_take_no_memory() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    let before = resident(server.pid());
    let mut open = Vec::new();
    for announced in [&b"*2147483647\r\n"[..], b"*1048576\r\n$1\r\na\r\n$536870912\r\n"] {
        for _ in 0..200 {
            let mut client = server.connect();
            client.write_raw(announced).expect("it takes bytes");
            open.push(client);
        }
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 16 * MIB);
    // Strangers are not even let announce it.
    fine(&mut client, &["CONFIG", "SET", "requirepass", "secret"]);
    for (sent, why) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "unauthenticated bulk length"),
        (b"*2\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut stranger = Client::connect(&server.address()).expect("the door is open");
        stranger.write_raw(sent).expect("it takes bytes");
        let heard = stranger.read_to_close().expect("it hangs up");
        assert_eq!(String::from_utf8_lossy(&heard), format!("-ERR Protocol error: {why}\r\n"));
    }
}

/// The same by somebody who may speak: words that are sent, and those that are only announced, are counted.
#[test]
fn cve_2025_46686_words_of_a_frame_are_bounded_together() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&["--client-query-buffer-limit", "8mb"]);
    let before = resident(server.pid());
    // Empty words: five bytes each on the wire.
    let mut greedy = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    greedy.set_write_timeout(Some(Duration::from_secs(10))).expect("a time is a time");
    let words = b"$0\r\n\r\n".repeat(100_000);
    let cut = greedy
        .write_all(b"*2147483647\r\n")
        .and_then(|()| (0..200).try_for_each(|_| greedy.write_all(&words)));
    assert!(cut.is_err(), "a frame of 120 MB was taken, and 8 are allowed");
    assert!(info(&server, "stats").contains("client_query_buffer_limit_disconnections:1"));
    is_well(&mut server);
    answers(&mut client, &["PING"], Value::simple("PONG"));
    assert_grown_less(&server, before, 64 * MIB);
}

/// What a stranger does not read is not kept.
#[test]
fn cve_2025_21605_answers_to_strangers_do_not_pile_up() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["CONFIG", "SET", "requirepass", "secret"]);
    let before = resident(server.pid());
    let mut stranger = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
    stranger.set_write_timeout(Some(Duration::from_secs(5))).expect("a time is a time");
    let mut frame = Vec::new();
    (0..1000).for_each(|_| encode(&["GET", "x"], &mut frame));
    // Each is answered with four times as many bytes as it has, and none is read.
    until("the stranger is cut off", || {
        assert!(resident(server.pid()) < before + 32 * MIB, "answers pile up");
        (0..20).any(|_| stranger.write_all(&frame).is_err())
    });
    answers(&mut client, &["PING"], Value::simple("PONG"));
    until("it is counted", || {
        let stats = text(&client.call(&["INFO", "stats"]));
        stats.contains("client_output_buffer_limit_disconnections:1\r\n")
    });
    assert!(server.is_running(), "{}", server.log_tail());
    assert_grown_less(&server, before, 16 * MIB);
}

/// Lengths that overflow when something is added to them, where a string may be as long as one likes.
#[test]
fn cve_2021_21309_lengths_of_words_do_not_overflow() {
    let (mut server, mut client) = scene(&["--proto-max-bulk-len", "9223372036854775807"]);
    for length in [
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775805",
        "18446744073709551615",
        "-1",
        "2147483648000",
    ] {
        let mut hostile = server.connect();
        hostile
            .write_raw(format!("*2\r\n$4\r\nECHO\r\n${length}\r\nabc").as_bytes())
            .expect("it takes bytes");
        let heard = hostile.read_to_close().expect("it hangs up");
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert_eq!(heard, "-ERR Protocol error: invalid bulk length\r\n", "{length}");
    }
    answers(&mut client, &["PING"], Value::simple("PONG"));
    is_well(&mut server);
}

/// What is kept of a request that comes in pieces is made smaller again, while it is still looked at.
#[test]
fn cve_2023_41056_what_is_kept_of_a_request_may_shrink() {
    let _alone = ALONE.lock();
    let (mut server, _client) = scene(&[]);
    let mut client = server.connect();
    let value = vec![b'v'; 3 << 20];
    let mut frame = Vec::new();
    encode(&[&b"SET"[..], b"k", &value], &mut frame);
    encode(&[&b"STRLEN"[..], b"k"], &mut frame);
    // Cut so that each kind of piece is the first of its read: head, word, line break, next request.
    for cut in [1, 5, 20, 40, 70_000, 1 << 20, (3 << 20) + 30, frame.len() - 27, frame.len() - 3] {
        for piece in [&frame[..cut], &frame[cut..]] {
            client.write_raw(piece).expect("it takes bytes");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(client.read_reply().expect("it is answered"), Value::simple("OK"), "{cut}");
        assert_eq!(client.read_reply().expect("it is answered"), Value::Int(3 << 20), "{cut}");
    }
    // Pieces that come slowly, with a tick of the server in between, which trims what is not used.
    let (head, tail) = frame.split_at(100_000);
    client.write_raw(head).expect("it takes bytes");
    std::thread::sleep(Duration::from_millis(2500));
    client.write_raw(tail).expect("it takes bytes");
    assert_eq!(client.read_reply().expect("it is answered"), Value::simple("OK"));
    assert_eq!(client.read_reply().expect("it is answered"), Value::Int(3 << 20));
    is_well(&mut server);
}

/// A web page that a browser is made to send here.
#[test]
fn cve_2016_10517_web_pages_may_not_speak_to_us() {
    let (mut server, mut client) = scene(&[]);
    for page in [
        "POST / HTTP/1.1\r\nX: y\r\n\r\nSET a 1\r\n",
        "Host: here\r\nSET a 1\r\n",
        "post /\r\nSET a 1\r\n",
    ] {
        let mut browser = server.connect();
        browser.write_raw(page.as_bytes()).expect("it takes bytes");
        assert_eq!(browser.read_to_close().expect("it hangs up"), b"");
    }
    assert!(server.log().contains("Possible SECURITY ATTACK detected"), "{}", server.log_tail());
    assert!(server.log().contains("Connection from 127.0.0.1:"), "{}", server.log_tail());
    answers(&mut client, &["EXISTS", "a"], Value::Int(0));
    is_well(&mut server);
}

/// Clients that are gone before they are let in, among others that are not.
#[test]
fn cve_2025_48367_clients_that_are_gone_do_not_keep_others_out() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    for round in 0..20 {
        // All at once, so that they wait in line together.
        let mut line = Vec::new();
        for number in 0..connections(100) {
            let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("there is room");
            match number % 3 {
                0 => drop(reset_at_once(stream)),
                _ => line.push(stream),
            }
        }
        for (number, stream) in line.iter_mut().enumerate() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time is a time");
            stream.write_all(b"PING\r\n").expect("it takes bytes");
            let mut heard = [0; 7];
            stream.read_exact(&mut heard).unwrap_or_else(|why| panic!("{round}, {number}: {why}"));
            assert_eq!(&heard, b"+PONG\r\n");
        }
    }
    answers(&mut client, &["PING"], Value::simple("PONG"));
    until("all have gone", || info(&server, "clients").contains("connected_clients:2\r\n"));
    is_well(&mut server);
}

/// Makes a socket that ends with a reset, and not with a farewell.
fn reset_at_once(stream: TcpStream) -> TcpStream {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).expect("a socket can be told so");
    TcpStream::from(socket)
}

/// Whoever gets through to a socket finds that it has its mode already, by whatever name it is called.
#[test]
fn cve_2023_45145_a_socket_has_its_mode_before_it_is_heard() {
    // However quickly one looks: each start is another race.
    for _ in 0..10 {
        let line = [
            "--port",
            "0",
            "--save",
            "",
            "--unixsocket",
            "{dir}/socket",
            "--unixsocketperm",
            "700",
        ];
        let mut server = Process::start(&[], &line, "");
        let folder = server.path("");
        let mut heard = 0;
        until("the socket is there", || {
            // Without a pause, for a while: what is looked for is short.
            for _ in 0..500 {
                for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if name == "output" || UnixStream::connect(entry.path()).is_err() {
                        continue;
                    }
                    heard += 1;
                    // It may have been renamed since.
                    let Ok(meta) = entry.metadata() else { continue };
                    let mode = meta.permissions().mode() & 0o777;
                    assert_eq!(mode, 0o700, "{name} answered with mode {mode:o}");
                }
            }
            heard > 0
        });
        let mut client = server.connect(&Address::Unix(server.path("socket")));
        answers(&mut client, &["PING"], Value::simple("PONG"));
    }
}

/// An empty request changes nothing of what the next one is taken for.
#[test]
fn cve_2026_27623_an_empty_request_leaves_nothing_behind() {
    let (mut server, mut client) = scene(&[]);
    for nothing in [&b"*0\r\n"[..], b"*-1\r\n", b"\r\n", b"\n", b"  \r\n", b"*-2147483648\r\n"] {
        for before in [&b""[..], b"*1\r\n$4\r\nPING\r\n", b"PING\r\n"] {
            for piece in [1, 3, 1000] {
                let bytes = [
                    before,
                    nothing,
                    nothing,
                    b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
                    nothing,
                    b"PING\r\n",
                ]
                .concat();
                let mut client = server.connect();
                for part in bytes.chunks(piece) {
                    client.write_raw(part).expect("it takes bytes");
                }
                if !before.is_empty() {
                    assert_eq!(client.read_reply().expect("it is answered"), Value::simple("PONG"));
                }
                assert_eq!(client.read_reply().expect("it is answered"), Value::bulk("hi"));
                assert_eq!(client.read_reply().expect("it is answered"), Value::simple("PONG"));
            }
        }
    }
    // Nor of a transaction, of CLIENT REPLY SKIP, or of who one is.
    client.write_raw(b"MULTI\r\n*0\r\n\r\nPING\r\nEXEC\r\n").expect("it takes bytes");
    for expected in
        [Value::simple("OK"), Value::simple("QUEUED"), Value::Array(vec![Value::simple("PONG")])]
    {
        assert_eq!(client.read_reply().expect("it is answered"), expected);
    }
    client
        .write_raw(b"CLIENT REPLY SKIP\r\n*0\r\nECHO skipped\r\nECHO heard\r\n")
        .expect("it takes bytes");
    assert_eq!(client.read_reply().expect("it is answered"), Value::bulk("heard"));
    fine(&mut client, &["CONFIG", "SET", "requirepass", "secret"]);
    let mut stranger = Client::connect(&server.address()).expect("the door is open");
    stranger.write_raw(b"*0\r\nGET x\r\n").expect("it takes bytes");
    assert!(text(&stranger.read_reply().expect("it is answered")).starts_with("NOAUTH"));
    assert!(server.is_running());
}

/// Nobody listens for other nodes.
#[test]
fn cve_2026_21863_there_is_no_bus_to_attack() {
    let (mut server, mut client) = scene(&[]);
    let ours = sockets_of(server.pid());
    assert_eq!(ours, vec![server.port], "it listens on more than its own port");
    refuses(&mut client, &["CLUSTER", "MEET", "127.0.0.1", "1"], "cluster support disabled");
    is_well(&mut server);
}

/// The ports that a process listens on.
fn sockets_of(pid: u32) -> Vec<u16> {
    let mut inodes = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        inodes.extend(
            target.strip_prefix("socket:[").and_then(|it| it.strip_suffix(']')).map(String::from),
        );
    }
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let mut ports = Vec::new();
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // State 0A: listening.
        if words[3] == "0A" && inodes.iter().any(|inode| inode == words[9]) {
            let port = words[1].rsplit(':').next().unwrap_or_default();
            ports.extend(u16::from_str_radix(port, 16));
        }
    }
    ports
}

/// A classified limit of output, written where there is no place for it.
#[test]
fn cve_2016_8339_classes_of_clients_are_those_that_there_are() {
    let (mut server, mut client) = scene(&[]);
    for value in [
        "master 3735928559 3405691582 373529054",
        "nonsense 0 0 0",
        "normal 1 2",
        "normal x 0 0",
        "normal 0 0 0 replica",
        "normal 0 0 99999999999999999999",
    ] {
        assert!(
            client.call(&["CONFIG", "SET", "client-output-buffer-limit", value]).is_error(),
            "{value}"
        );
    }
    let limits = client.call(&["CONFIG", "GET", "client-output-buffer-limit"]);
    let expected = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    assert_eq!(limits.items().map(|it| text(&it[1])), Some(expected.into()));
    is_well(&mut server);
}
