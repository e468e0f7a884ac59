//! The tests' own RESP client: what it reads, and how it shows it. Everything that talks to a
//! server trusts it, so it is held to a server that sends chosen bytes.

#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::thread;

use support::client::{Address, Client};
use support::value::{Value, command_line};

/// One reply of every type, and how a person reads it.
fn replies() -> Vec<(&'static [u8], Value, &'static str)> {
    let pair = || vec![(Value::simple("a"), Value::Int(1))];
    vec![
        (b"+OK\r\n", Value::simple("OK"), "OK"),
        (b"-ERR no\r\n", Value::error("ERR no"), "(error) ERR no"),
        (b":-7\r\n", Value::Int(-7), "(integer) -7"),
        (b"$6\r\na\r\n\"\xff\x00\r\n", Value::bulk(b"a\r\n\"\xff\x00"), r#""a\r\n\"\xff\x00""#),
        (b"$0\r\n\r\n", Value::bulk(""), "\"\""),
        (b"$-1\r\n", Value::NullBulk, "(nil)"),
        (b"*-1\r\n", Value::NullArray, "(nil)"),
        (b"_\r\n", Value::Null, "(nil)"),
        (b",1.50\r\n", Value::Double("1.50".into()), "(double) 1.50"),
        (b",nan\r\n", Value::Double("nan".into()), "(double) nan"),
        (b"#t\r\n", Value::Bool(true), "(true)"),
        (b"#f\r\n", Value::Bool(false), "(false)"),
        (
            b"(123456789012345678901\r\n",
            Value::BigNumber("123456789012345678901".into()),
            "123456789012345678901",
        ),
        (b"!5\r\nERR x\r\n", Value::BlobError("ERR x".into()), "(error) ERR x"),
        (b"=6\r\ntxt:hi\r\n", Value::Verbatim { format: "txt".into(), text: "hi".into() }, "hi"),
        (b"*0\r\n", Value::Array(vec![]), "(empty array)"),
        (
            b"*2\r\n*2\r\n:1\r\n$1\r\nx\r\n+b\r\n",
            Value::Array(vec![
                Value::Array(vec![Value::Int(1), Value::bulk("x")]),
                Value::simple("b"),
            ]),
            "1) 1) (integer) 1\n   2) \"x\"\n2) b",
        ),
        (b"~1\r\n:1\r\n", Value::Set(vec![Value::Int(1)]), "1~ (integer) 1"),
        (b">1\r\n:1\r\n", Value::Push(vec![Value::Int(1)]), "1> (integer) 1"),
        (b"%1\r\n+a\r\n:1\r\n", Value::Map(pair()), "1# a => (integer) 1"),
        (
            b"|1\r\n+a\r\n:1\r\n+OK\r\n",
            Value::Attribute(pair(), Box::new(Value::simple("OK"))),
            "(attribute) 1# a => (integer) 1\nOK",
        ),
    ]
}

/// Serves these bytes in pieces of this size to one client.
fn serve(bytes: Vec<u8>, piece: usize) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client");
        stream.set_nodelay(true).expect("an option every socket has");
        for piece in bytes.chunks(piece) {
            stream.write_all(piece).expect("the client reads");
        }
        stream.shutdown(Shutdown::Write).expect("an open connection");
        // Waiting for the client to go keeps what is still under way from being thrown away.
        let _ = stream.read(&mut [0]);
    });
    Client::connect(&Address::Tcp(address.to_string())).expect("a listener")
}

#[test]
fn every_reply_is_read_however_it_is_cut() {
    let bytes: Vec<u8> = replies().iter().flat_map(|(bytes, ..)| bytes.to_vec()).collect();
    for piece in [1, 2, 3, 7, bytes.len()] {
        let mut client = serve(bytes.clone(), piece);
        for (bytes, value, _) in replies() {
            let read = client.read_reply().expect("a whole reply");
            assert_eq!(read, value, "{:?} in pieces of {piece}", bytes.escape_ascii().to_string());
        }
        assert!(client.read_to_close().expect("the end").is_empty());
    }
}

#[test]
fn a_command_reaches_a_unix_socket_and_its_reply_comes_back() {
    const REQUEST: &[u8; 25] = b"*2\r\n$4\r\nECHO\r\n$5\r\nhi\r\n!\r\n";
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client");
        let mut request = [0; REQUEST.len()];
        stream.read_exact(&mut request).expect("a whole command");
        stream.write_all(b"$5\r\nhello\r\n").expect("the client reads");
        request
    });
    let mut client = Client::connect(&Address::Unix(path)).expect("a listener");
    assert_eq!(client.call(&["ECHO", "hi\r\n!"]), Value::bulk("hello"));
    assert_eq!(&server.join().expect("a served client"), REQUEST);
}

#[test]
fn a_reply_reads_as_in_redis_cli() {
    for (_, value, shown) in replies() {
        assert_eq!(value.to_string(), shown);
    }
    assert_eq!(command_line(&[&b"SET"[..], b"k 1", b"", b"{}"]), r#"SET "k 1" "" {}"#);
}

#[test]
fn replies_of_different_types_are_never_equal() {
    let replies = replies();
    for (index, (_, a, _)) in replies.iter().enumerate() {
        for (other, (_, b, _)) in replies.iter().enumerate() {
            assert_eq!(a == b, index == other, "{a:?} and {b:?}");
        }
    }
}

#[test]
fn nonsense_is_an_error_and_no_panic() {
    let deep = b"*1\r\n".repeat(1000);
    let nonsense: [&[u8]; 8] = [
        b"?\r\n",
        b"\r\n",
        b":x\r\n",
        b"$-2\r\n",
        b"$3\r\nabcd\r\n",
        b"=2\r\nab\r\n",
        b"*2\r\n+a\r\n",
        &deep,
    ];
    for bytes in nonsense {
        let mut client = serve(bytes.to_vec(), bytes.len());
        let read = client.read_reply();
        assert!(read.is_err(), "{:?}", bytes.escape_ascii().to_string());
    }
}
