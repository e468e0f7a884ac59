//! What is read as a dump: payloads of RESTORE, and files.

use super::{answers, fine, is_well, scene, text};
use crate::process::{Process, free_port};
use crate::support::client::Client;
use crate::support::value::Value;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// A payload with a footer that is always taken: a version that is known, and a checksum of zero, which says that
/// nobody has counted.
fn payload(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], body, &11_u16.to_le_bytes(), &[0; 8]].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&[0x80][..], &length, bytes].concat()
}

#[track_caller]
fn is_no_value(client: &mut Client, kind: u8, body: &[u8]) {
    let reply = client.call(&[&b"RESTORE"[..], b"k", b"0", &payload(kind, body), b"REPLACE"]);
    assert_eq!(reply, Value::error("ERR Bad data format"), "{kind}: {}", body.escape_ascii());
    answers(client, &["EXISTS", "k"], Value::Int(0));
}

const HASH_ZIPMAP: u8 = 9;
const LIST_ZIPLIST: u8 = 10;
const SET_INTSET: u8 = 11;
const ZSET_ZIPLIST: u8 = 12;
const HASH_ZIPLIST: u8 = 13;
const STREAM_LISTPACKS: u8 = 15;
const HASH_LISTPACK: u8 = 16;
const ZSET_LISTPACK: u8 = 17;

/// Compact forms whose lengths lead outside of them.
#[test]
fn cve_2026_25243_compact_forms_are_read_element_by_element() {
    let (mut server, mut client) = scene(&["--sanitize-dump-payload", "no"]);
    // The control: a form that is right is taken.
    let right = b"\x01\x01a\x01\x00b\xff";
    let reply = client.call(&[&b"RESTORE"[..], b"k", b"0", &payload(HASH_ZIPMAP, &string(right))]);
    assert_eq!(reply, Value::simple("OK"));
    answers(&mut client, &["HGET", "k", "a"], Value::bulk("b"));
    // A length of one byte in the form for long ones: who counts one and steps by the other goes astray.
    let overlong = string(b"\x01\xfe\x01\0\0\0a\xfe\x01\0\0\0\x00b\xff");
    let line = [&b"RESTORE"[..], b"k", b"0", &payload(HASH_ZIPMAP, &overlong), b"REPLACE"];
    assert_eq!(client.call(&line), Value::simple("OK"));
    answers(&mut client, &["HGETALL", "k"], Value::Array(["a", "b"].map(Value::bulk).to_vec()));
    fine(&mut client, &["DEL", "k"]);
    for form in [
        &b"\x01\xfe\xff\xff\xff\xffa\x01\x00b\xff"[..],
        b"\x01\x01a\xfe\xff\xff\xff\x7f\x00b\xff",
        b"\x01\x01a\x01\xffb\xff",
        b"\x01\xffa",
        b"\x01\x01a\x01\x00b",
        b"\x02\x01a\x01\x00b\x01a\x01\x00c\xff",
        b"\x01",
        b"",
    ] {
        is_no_value(&mut client, HASH_ZIPMAP, &string(form));
    }
    // Lists of bytes: header, one element that says it is longer, and no end.
    let ziplist = |body: &[u8], count: u16| {
        let mut list = ((body.len() + 11) as u32).to_le_bytes().to_vec();
        list.extend(10_u32.to_le_bytes());
        list.extend(count.to_le_bytes());
        list.extend(body);
        list.push(0xff);
        string(&list)
    };
    for body in [
        &b"\x00\x7fabc"[..],
        b"\x00\x80\xff\xff\xff\xffabc",
        b"\xfe\xff\xff\xff\xff\x01a",
        b"\x00\x01a\x09\x01b",
        b"\x00\xe0\x01",
    ] {
        for kind in [LIST_ZIPLIST, ZSET_ZIPLIST, HASH_ZIPLIST] {
            is_no_value(&mut client, kind, &ziplist(body, 2));
        }
    }
    let listpack = |body: &[u8], count: u16| {
        let mut list = ((body.len() + 7) as u32).to_le_bytes().to_vec();
        list.extend(count.to_le_bytes());
        list.extend(body);
        list.push(0xff);
        string(&list)
    };
    for body in [
        &b"\xbfabc\x04"[..],
        b"\xf0\xff\xff\xff\xffabc\x04",
        b"\x81a\x7f\x81b\x02",
        b"\x81a\xff\xff\xff\xff\xff\x81b\x02",
        b"\x81a\x02",
        // A score that is no number, and a field twice.
        b"\x81a\x02\x83nan\x04",
        b"\x81a\x02\x01\x01\x81a\x02\x02\x01",
    ] {
        is_no_value(&mut client, ZSET_LISTPACK, &listpack(body, 2));
        if !body.ends_with(b"nan\x04") {
            is_no_value(&mut client, HASH_LISTPACK, &listpack(body, 2));
        }
    }
    for set in [
        &b"\x02\0\0\0\xff\xff\xff\xff\x01\0"[..],
        b"\x03\0\0\0\x01\0\0\0\x01\0",
        b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
        b"\x08\0\0\0\0\0\0\x20",
    ] {
        is_no_value(&mut client, SET_INTSET, &string(set));
    }
    // Lengths that nobody has sent the bytes of.
    for body in [
        &b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x80\xff\xff\xff\xffabc",
        b"\xc3\x80\xff\xff\xff\xff\x80\xff\xff\xff\xff",
    ] {
        for kind in 0..=24 {
            let reply = client.call(&[&b"RESTORE"[..], b"k", b"0", &payload(kind, body)]);
            assert!(reply.is_error(), "{kind}: {reply}");
        }
    }
    is_well(&mut server);
}

fn id(ms: u64, seq: u64) -> Vec<u8> {
    [ms.to_be_bytes(), seq.to_be_bytes()].concat()
}

/// A stream of one entry, 1-0, with one group whose entry is pending, and these consumers, each of whom has it.
fn stream(consumers: &[&str], pending: &[(u64, u64)]) -> Vec<u8> {
    // One entry, none deleted, one field f; flags, id, value, and how many items there were.
    let items: [&[u8]; 10] = [
        b"\x01\x01",
        b"\x00\x01",
        b"\x01\x01",
        b"\x81f\x02",
        b"\x00\x01",
        b"\x02\x01",
        b"\x00\x01",
        b"\x00\x01",
        b"\x81v\x02",
        b"\x04\x01",
    ];
    let body = items.concat();
    let mut node = ((body.len() + 7) as u32).to_le_bytes().to_vec();
    node.extend(10_u16.to_le_bytes());
    node.extend(body);
    node.push(0xff);
    let mut out = [&[1][..], &string(&id(1, 0)), &string(&node), &[1, 1, 0]].concat();
    // One group, which has read up to 1-0.
    out.extend([&[1][..], &string(b"g"), &[1, 0, pending.len() as u8]].concat());
    for (ms, seq) in pending {
        out.extend(id(*ms, *seq));
        out.extend([&1_700_000_000_000_i64.to_le_bytes()[..], &[1]].concat());
    }
    out.push(consumers.len() as u8);
    for name in consumers {
        out.extend(string(name.as_bytes()));
        out.extend(1_700_000_000_000_i64.to_le_bytes());
        out.extend([&[1][..], &id(1, 0)].concat());
    }
    out
}

/// An entry that two consumers share would be freed twice.
#[test]
fn cve_2026_63639_an_entry_is_pending_for_one_consumer() {
    let (mut server, mut client) = scene(&["--sanitize-dump-payload", "no"]);
    let right = payload(STREAM_LISTPACKS, &stream(&["one"], &[(1, 0)]));
    assert_eq!(client.call(&[&b"RESTORE"[..], b"k", b"0", &right]), Value::simple("OK"));
    let pending = client.call(&["XPENDING", "k", "g"]);
    assert_eq!(
        pending.items().map(|it| it[0].clone()),
        Some(Value::Int(1)),
        "the control is taken"
    );
    fine(&mut client, &["XGROUP", "DELCONSUMER", "k", "g", "one"]);
    fine(&mut client, &["DEL", "k"]);
    let shared = stream(&["one", "two"], &[(1, 0)]);
    is_no_value(&mut client, STREAM_LISTPACKS, &shared);
    is_no_value(&mut client, STREAM_LISTPACKS, &stream(&["one", "one"], &[(1, 0)]));
    is_no_value(&mut client, STREAM_LISTPACKS, &stream(&["one"], &[(1, 0), (1, 0)]));
    is_no_value(&mut client, STREAM_LISTPACKS, &stream(&["one"], &[(2, 0)]));
    is_no_value(&mut client, STREAM_LISTPACKS, &stream(&[], &[(1, 0)]));
    is_well(&mut server);
    drop(server);
    // The same in a file: the server says so, and does not start with half of it.
    let file =
        [&b"REDIS0011"[..], &[0xfe, 0, STREAM_LISTPACKS], &string(b"k"), &shared, &[0xff], &[0; 8]]
            .concat();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, file).expect("a file in a temporary folder");
    let here = folder.path().to_string_lossy().into_owned();
    let mut server = Process::start(&[], &["--port", &free_port().to_string(), "--dir", &here], "");
    let status = server.end();
    assert_eq!(status.signal(), None, "{}", server.output());
    assert!(
        !status.success() && server.output().contains("Duplicated consumer PEL"),
        "{}",
        server.output()
    );
}

/// The checker of logs, and names that are longer than any buffer for them.
#[test]
fn cve_2025_27151_names_of_files_may_be_long() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("redis-check-aof");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_russet-server"), &program).expect("a link");
    let manifest = |name: &str, kind: &str| format!("file {name} seq 1 type {kind}\n");
    let long = "x".repeat(5000);
    for (name, text) in [
        ("a.aof.manifest", manifest(&long, "b")),
        ("b.aof.manifest", manifest(&long, "i")),
        ("c.aof.manifest", manifest(&format!("../{long}"), "h")),
        ("d.aof.manifest", format!("file {}", "y".repeat(1 << 20))),
        ("e.aof.manifest", "file \"unclosed seq 1 type b\n".into()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file in a temporary folder");
        let output = Command::new(&program).arg(&path).output().expect("it runs");
        assert_eq!(output.status.signal(), None, "{name}: {output:?}");
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    }
    for length in [255, 1024, 4096, 70_000] {
        let output = Command::new(&program).arg("z".repeat(length)).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{length}: {output:?}");
        assert_eq!(output.status.signal(), None);
    }
}

/// A dump of functions is refused whole, or taken whole.
#[test]
fn cve_2023_31655_a_payload_of_functions_is_looked_at() {
    let (mut server, mut client) = scene(&[]);
    fine(
        &mut client,
        &[
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nredis.register_function('f', function() return 1 end)",
        ],
    );
    let whole = client.call(&["FUNCTION", "DUMP"]).text().expect("it is a string").to_vec();
    for at in 0..whole.len() {
        let cut = client.call(&[&b"FUNCTION"[..], b"RESTORE", &whole[..at], b"FLUSH"]);
        assert!(cut.is_error(), "{at}: {}", text(&cut));
        let mut hurt = whole.clone();
        hurt[at] ^= 0x55;
        // Without its checksum nothing would show that it was hurt.
        let footer = hurt.len() - 8;
        if at < footer {
            hurt[footer..].fill(0);
        }
        client.call(&[&b"FUNCTION"[..], b"RESTORE", &hurt, b"REPLACE"]);
    }
    fine(&mut client, &["FUNCTION", "FLUSH"]);
    assert_eq!(client.call(&[&b"FUNCTION"[..], b"RESTORE", &whole]), Value::simple("OK"));
    answers(&mut client, &["FCALL", "f", "0"], Value::Int(1));
    is_well(&mut server);
}
