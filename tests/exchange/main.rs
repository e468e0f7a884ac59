//! Values exchanged with the peers, of every type and in every form: payloads of DUMP, keys by MIGRATE, and whole dumps.
//!
//! Peers are looked for in `$RUSSET_PEERS/bin` and `~/.cache/russet-peers/bin`: `redis-server`, `valkey-server`, and for
//! Redis 7.0 `redis70-server`; their `…-check-rdb` beside them. What is not there is said and left out.

mod sample;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use russet::rdb::read::{self, Item};
use russet::rdb::write::{Life, Options, Version, Writer, dump};
use russet::world::Millis;
use sample::{Sample, samples};
use support::client::Client;
use support::server::{Program, Server};
use support::value::Value;

/// In the year 2096.
const LATER: i64 = 4_000_000_000_000;

fn peers() -> impl Iterator<Item = Program> {
    [Program::Redis, Program::Valkey, Program::Redis70].into_iter().filter(|peer| {
        let is_there = peer.path().is_some();
        if !is_there {
            eprintln!("{} is not installed; nothing is exchanged with it", peer.name());
        }
        is_there
    })
}

/// The version in which a peer reads all of a sample, if there is one.
fn version(peer: Program, sample: &Sample) -> Option<Version> {
    match peer {
        Program::Redis if sample.is_mortal => Some(Version::V12),
        Program::Valkey if sample.is_mortal => Some(Version::Valkey80),
        Program::Redis70 if sample.is_mortal => None,
        Program::Redis70 => Some(Version::V10),
        _ => Some(Version::V11),
    }
}

fn options(version: Version) -> Options {
    Options { version, compress: true, checksum: true }
}

#[track_caller]
fn done(client: &mut Client, line: &[Vec<u8>]) -> Value {
    let answer = client.call(line);
    assert!(
        !answer.is_error(),
        "{}: {answer}",
        support::value::command_line(&line[..3.min(line.len())])
    );
    answer
}

fn fill(client: &mut Client, sample: &Sample, key: &str) {
    for line in sample.lines(key) {
        done(client, &line);
    }
}

/// What a key holds, as commands tell it: the same at every server.
fn contents(client: &mut Client, key: &str) -> Vec<Value> {
    let kind = client.call(&["TYPE", key]);
    let kind = String::from_utf8_lossy(kind.text().unwrap_or_default()).into_owned();
    let ask = |client: &mut Client, words: &[&str]| client.call(words);
    match kind.as_str() {
        "string" => vec![ask(client, &["GET", key])],
        "list" => vec![ask(client, &["LRANGE", key, "0", "-1"])],
        "set" => vec![ask(client, &["SMEMBERS", key]).sorted()],
        "zset" => {
            let members = ask(client, &["ZRANGE", key, "0", "-1", "WITHSCORES"]);
            let each = members.items().unwrap_or_default().chunks(2);
            each.map(|pair| Value::Array(vec![pair[0].clone(), score(&pair[1])])).collect()
        }
        "hash" => {
            let all = ask(client, &["HGETALL", key]);
            let pairs = all.pairs().unwrap_or_default();
            let mut pairs: Vec<(Value, Value)> =
                pairs.into_iter().map(|(field, value)| (field.clone(), value.clone())).collect();
            pairs.sort_by_key(|(field, _)| field.to_string());
            pairs.into_iter().flat_map(|(field, value)| [field, value]).collect()
        }
        "stream" => stream(client, key),
        other => vec![Value::simple(other)],
    }
}

fn score(score: &Value) -> Value {
    let text = String::from_utf8_lossy(score.text().unwrap_or_default()).into_owned();
    Value::Int(text.parse::<f64>().expect("a score is a number").to_bits() as i64)
}

fn stream(client: &mut Client, key: &str) -> Vec<Value> {
    let mut all = vec![client.call(&["XRANGE", key, "-", "+"])];
    let wanted = [
        "length",
        "last-generated-id",
        "max-deleted-entry-id",
        "entries-added",
        "recorded-first-entry-id",
    ];
    let info = client.call(&["XINFO", "STREAM", key]);
    for (name, value) in info.pairs().unwrap_or_default() {
        if wanted.iter().any(|wanted| Some(wanted.as_bytes()) == name.text()) {
            all.push(value.clone());
        }
    }
    let groups = client.call(&["XINFO", "GROUPS", key]);
    for group in groups.items().unwrap_or_default() {
        // The lag and what is read of a group are told in the same words.
        all.push(Value::Array(group.items().unwrap_or_default().to_vec()));
        let name = group.items().map(|items| items[1].clone()).expect("a group has a name");
        let name = String::from_utf8_lossy(name.text().unwrap_or_default()).into_owned();
        let pending = client.call(&["XPENDING", key, &name, "-", "+", "100000"]);
        for entry in pending.items().unwrap_or_default() {
            let parts = entry.items().unwrap_or_default();
            // How long ago is another matter.
            all.push(Value::Array(vec![parts[0].clone(), parts[1].clone(), parts[3].clone()]));
        }
        let consumers = client.call(&["XINFO", "CONSUMERS", key, &name]);
        for consumer in consumers.items().unwrap_or_default() {
            all.push(Value::Array(consumer.items().unwrap_or_default()[..4].to_vec()));
        }
    }
    all
}

/// The deadlines of a hash's fields.
fn deadlines(client: &mut Client, key: &str) -> Vec<(Value, Value)> {
    let fields = client.call(&["HKEYS", key]);
    let mut all: Vec<(Value, Value)> = Vec::new();
    for field in fields.items().unwrap_or_default() {
        let name = field.text().unwrap_or_default();
        let at = client.call(&[b"HPEXPIRETIME", key.as_bytes(), b"FIELDS", b"1", name]);
        all.push((field.clone(), at));
    }
    all.sort_by_key(|(field, _)| field.to_string());
    all
}

#[track_caller]
fn same(what: &str, left: &[Value], right: &[Value]) {
    assert!(left == right, "{what}\n{}\n{}", shown(left), shown(right));
}

fn shown(values: &[Value]) -> String {
    let text = values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join("\n");
    text.chars().take(2_000).collect()
}

#[test]
fn peers_restore_what_we_dump() {
    for peer in peers() {
        let server = Server::start(peer, &[]).unwrap();
        let mut client = server.connect();
        for sample in samples() {
            let what = format!("{} at {}", sample.name, peer.name());
            let Some(version) = version(peer, &sample) else { continue };
            fill(&mut client, &sample, "theirs");
            let restore = |client: &mut Client, key: &[u8], version: Version| {
                let payload = dump(sample.value.view(), options(version));
                let answer = client.call(&[b"RESTORE", key, b"0", &payload]);
                assert_eq!(answer, Value::simple("OK"), "{what} in {version:?}");
            };
            restore(&mut client, b"ours", version);
            same(&what, &contents(&mut client, "theirs"), &contents(&mut client, "ours"));
            if sample.is_mortal {
                assert_eq!(
                    deadlines(&mut client, "theirs"),
                    deadlines(&mut client, "ours"),
                    "{what}"
                );
                // What the version cannot hold does not stand in the way.
                restore(&mut client, b"plain", Version::V11);
                same(&what, &contents(&mut client, "theirs"), &contents(&mut client, "plain"));
            }
            client.call(&["FLUSHALL"]);
        }
    }
}

#[test]
fn we_restore_what_peers_dump() {
    let own = Server::start(Program::Russet, &[]).unwrap();
    let mut ours = own.connect();
    for peer in peers() {
        let server = Server::start(peer, &[]).unwrap();
        let mut theirs = server.connect();
        for sample in samples() {
            if version(peer, &sample).is_none() {
                continue;
            }
            let what = format!("{} of {}", sample.name, peer.name());
            fill(&mut theirs, &sample, "key");
            let payload = theirs.call(&["DUMP", "key"]);
            let payload = payload.text().expect("it is there");
            assert_eq!(
                ours.call(&[b"RESTORE", &b"key"[..], b"0", payload]),
                Value::simple("OK"),
                "{what}"
            );
            same(&what, &contents(&mut theirs, "key"), &contents(&mut ours, "key"));
            if sample.is_mortal {
                assert_eq!(deadlines(&mut theirs, "key"), deadlines(&mut ours, "key"), "{what}");
            }
            // And back again.
            let payload = ours.call(&["DUMP", "key"]);
            let payload = payload.text().expect("it is there");
            let is_old = peer == Program::Redis70 && sample.value.kind().name() == "stream";
            if !sample.is_mortal && !is_old {
                let answer = theirs.call(&[b"RESTORE", &b"back"[..], b"0", payload]);
                assert_eq!(answer, Value::simple("OK"), "{what}");
                same(&what, &contents(&mut theirs, "back"), &contents(&mut ours, "key"));
            }
            theirs.call(&["FLUSHALL"]);
            ours.call(&["FLUSHALL"]);
        }
    }
}

#[test]
fn keys_migrate_both_ways() {
    let own = Server::start(Program::Russet, &[]).unwrap();
    let mut ours = own.connect();
    for peer in peers() {
        let server = Server::start(peer, &[]).unwrap();
        let mut theirs = server.connect();
        let mut expected = Vec::new();
        let mut keys = Vec::new();
        for sample in samples() {
            let is_old = peer == Program::Redis70 && sample.value.kind().name() == "stream";
            if sample.is_mortal || is_old {
                continue;
            }
            fill(&mut ours, &sample, &sample.name);
            expected.push((sample.name.clone(), contents(&mut ours, &sample.name)));
            keys.push(sample.name);
        }
        ours.call(&["PEXPIREAT", &keys[0], &LATER.to_string()]);
        let migrate = |from: &mut Client, port: u16, more: &[&str]| {
            let port = port.to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "20000"];
            words.extend(more);
            words.push("KEYS");
            words.extend(keys.iter().map(String::as_str));
            from.call(&words)
        };
        assert_eq!(migrate(&mut ours, server.port, &["COPY"]), Value::simple("OK"));
        for (key, expected) in &expected {
            same(&format!("{key} at {}", peer.name()), expected, &contents(&mut theirs, key));
        }
        assert_eq!(ours.call(&["DBSIZE"]), Value::Int(keys.len() as i64));
        let answer = migrate(&mut ours, server.port, &[]);
        assert_eq!(
            answer,
            Value::error(
                "ERR Target instance replied with error: BUSYKEY Target key name already exists."
            )
        );
        assert_eq!(migrate(&mut ours, server.port, &["REPLACE"]), Value::simple("OK"));
        assert_eq!(ours.call(&["DBSIZE"]), Value::Int(0));
        if peer != Program::Redis70 {
            let Value::Int(left) = theirs.call(&["PEXPIRETIME", &keys[0]]) else { panic!() };
            assert!((left - LATER).abs() < 60_000, "{left}");
        }
        assert_eq!(migrate(&mut theirs, own.port, &[]), Value::simple("OK"), "{}", peer.name());
        for (key, expected) in &expected {
            same(&format!("{key} back from {}", peer.name()), expected, &contents(&mut ours, key));
        }
        assert_eq!(theirs.call(&["DBSIZE"]), Value::Int(0));
        ours.call(&["FLUSHALL"]);
    }
}

/// A key that changes all the while is the same at both servers at the moment when it is removed.
#[test]
fn a_key_that_changes_under_way_arrives_as_it_was_at_last() {
    let (from, to) = (
        Server::start(Program::Russet, &[]).unwrap(),
        Server::start(Program::Russet, &[]).unwrap(),
    );
    let port = to.port.to_string();
    let mut own = from.connect();
    for round in 0..20 {
        let key = format!("counter{round}");
        let going = std::sync::atomic::AtomicBool::new(true);
        let counted = std::thread::scope(|scope| {
            let count = scope.spawn(|| {
                let (mut client, mut counts) = (from.connect(), Vec::new());
                while going.load(std::sync::atomic::Ordering::Relaxed) {
                    let Value::Int(count) = client.call(&["INCR", &key]) else { panic!() };
                    counts.push(count);
                }
                counts
            });
            while own.call(&["EXISTS", &key]) == Value::Int(0) {}
            let answer = own.call(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
            going.store(false, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(answer, Value::simple("OK"));
            count.join().unwrap()
        });
        // It went once: the counter began again, and what it was before is there.
        let there = to.connect().call(&["GET", &key]);
        let there: i64 = String::from_utf8_lossy(there.text().unwrap()).parse().unwrap();
        let jump = counted.windows(2).position(|pair| pair[1] != pair[0] + 1);
        let highest = jump.map_or(counted.last(), |at| counted.get(at));
        assert_eq!(highest, Some(&there), "{counted:?}");
        let begun_again = jump.and_then(|at| counted.get(at + 1));
        assert!(begun_again.is_none_or(|count| *count == 1), "{counted:?}");
    }
}

/// A dump with every sample, in two databases, some with deadlines.
fn write_dump(peer: Program, samples: &[Sample], version: Version) -> Vec<u8> {
    let mut writer = Writer::new(options(version));
    writer.header(&[
        ("redis-ver", b"8.4.0"),
        ("redis-bits", b"64"),
        ("russet-nothing", b"to be skipped"),
    ]);
    writer.function(b"#!lua name=library\nredis.register_function('f', function() return 1 end)");
    let mut bytes = Vec::new();
    let mut flush = |buffer: &mut Vec<u8>| {
        bytes.append(buffer);
        Ok(())
    };
    for (db, parity) in [(0, 0), (3, 1)] {
        let own = samples.iter().enumerate().filter(|(number, _)| number % 2 == parity);
        writer.database(db, own.clone().count() as u64, own.clone().count() as u64 / 2);
        for (number, sample) in own {
            let deadline = number.is_multiple_of(3).then_some(Millis(LATER));
            let life = Life { deadline, idle_seconds: Some(100), frequency: None };
            writer.entry(sample.name.as_bytes(), life, sample.value.view(), &mut flush).unwrap();
        }
    }
    writer.end();
    bytes.append(writer.buffer());
    eprintln!("{}: {} bytes, {:?}", peer.name(), bytes.len(), writer.degraded());
    bytes
}

#[test]
fn peers_load_what_we_write() {
    for peer in peers() {
        let newest = match peer {
            Program::Redis => Version::V12,
            Program::Valkey => Version::Valkey80,
            _ => Version::V10,
        };
        // Under an older version fields live for ever, and the rest is the same.
        for version in [newest, if peer == Program::Redis70 { Version::V10 } else { Version::V11 }]
        {
            let samples = samples();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("dump.rdb");
            std::fs::write(&path, write_dump(peer, &samples, version)).unwrap();
            check(peer, &path);
            let server = Server::start(peer, &["--dir", &dir.path().to_string_lossy()]).unwrap();
            let mut client = server.connect();
            let libraries = client.call(&["FUNCTION", "LIST"]);
            assert_eq!(libraries.items().map(<[Value]>::len), Some(1));
            for (number, sample) in samples.iter().enumerate() {
                let what = format!("{} at {} in {version:?}", sample.name, peer.name());
                client.call(&["SELECT", if number % 2 == 0 { "0" } else { "3" }]);
                let deadline = client.call(&["PEXPIRETIME", &sample.name]);
                let expected = if number.is_multiple_of(3) { LATER } else { -1 };
                assert_eq!(deadline, Value::Int(expected), "{what}");
                let lives = sample.is_mortal && peer == Program::Redis70;
                let lines = sample.lines("filled").into_iter();
                for line in lines.filter(|line| !lives || line[0] != b"HPEXPIREAT") {
                    done(&mut client, &line);
                }
                same(&what, &contents(&mut client, "filled"), &contents(&mut client, &sample.name));
                if sample.is_mortal && version == newest && !lives {
                    let theirs = deadlines(&mut client, "filled");
                    assert_eq!(theirs, deadlines(&mut client, &sample.name), "{what}");
                }
                client.call(&["DEL", "filled"]);
            }
        }
    }
}

#[test]
fn we_read_what_peers_save() {
    for peer in peers() {
        let server = Server::start(peer, &[]).unwrap();
        let mut client = server.connect();
        let samples: Vec<Sample> =
            samples().into_iter().filter(|it| version(peer, it).is_some()).collect();
        for (number, sample) in samples.iter().enumerate() {
            client.call(&["SELECT", if number % 2 == 0 { "0" } else { "3" }]);
            fill(&mut client, sample, &sample.name);
            if number.is_multiple_of(3) {
                client.call(&["PEXPIREAT", &sample.name, &LATER.to_string()]);
            }
        }
        assert_eq!(client.call(&["SAVE"]), Value::simple("OK"));
        let bytes = std::fs::read(server.dir().join("dump.rdb")).unwrap();
        let options = read::Options { checksum: true, ..Default::default() };
        let mut reader = read::Reader::new(&bytes[..], &read::Shapes::default(), options);
        let (mut db, mut seen) = (0, 0);
        while let Some(item) = reader.next().unwrap() {
            match item {
                Item::Database(number) => db = number,
                Item::Entry(entry) => {
                    let is_it = |sample: &Sample| sample.name.as_bytes() == entry.key;
                    let number = samples.iter().position(is_it).expect("it is a sample");
                    let what = format!("{} of {}", samples[number].name, peer.name());
                    assert_eq!(db, number % 2 * 3, "{what}");
                    let deadline = number.is_multiple_of(3).then_some(Millis(LATER));
                    assert_eq!(entry.deadline, deadline, "{what}");
                    let (theirs, ours) = (entry.value.view(), samples[number].value.view());
                    assert!(theirs.parts() == ours.parts(), "{what}");
                    seen += 1;
                }
                Item::Skipped { what, .. } => panic!("{what} was skipped"),
                Item::End { checksum } => assert!(checksum.is_some()),
                _ => (),
            }
        }
        assert_eq!(seen, samples.len());
    }
}

/// The peer's own tool finds nothing wrong with a dump.
fn check(peer: Program, path: &std::path::Path) {
    let server = peer.path().expect("the peer is installed");
    let name = server.file_name().unwrap().to_string_lossy().replace("-server", "-check-rdb");
    let tool = server.with_file_name(name);
    if !tool.exists() {
        return eprintln!("{} is not there, so it says nothing", tool.display());
    }
    let output = Command::new(tool).arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Checksum OK") && text.contains("looks OK"), "{text}");
}

/// Under the default version: fields with deadlines need a newer one, and whoever moved in from Valkey may want to
/// move out again. It is remembered while nothing needs it, and a directive that names a version has its way.
#[test]
fn what_came_from_valkey_is_written_so_that_valkey_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    let dir = folder.path().to_str().expect("a path");
    let saved = |more: &[&str], lines: &[&[&str]]| {
        let server = Server::start(Program::Russet, &[&["--dir", dir], more].concat())
            .unwrap_or_else(|why| panic!("{why}"));
        let mut client = server.connect();
        for line in lines.iter().chain([&["SAVE"][..]].iter()) {
            let answer = client.call(line);
            assert!(!answer.is_error(), "{line:?}: {answer}");
        }
        let file = std::fs::read(&path).expect("it is saved");
        String::from_utf8_lossy(&file[..9]).into_owned()
    };
    let mortal: &[&str] = &["HSETEX", "h", "EX", "1000", "FIELDS", "1", "f", "v"];
    assert_eq!(saved(&[], &[mortal]), "REDIS0012");
    assert_eq!(saved(&["--rdb-version", "valkey80"], &[]), "VALKEY080");
    assert_eq!(saved(&[], &[&["HTTL", "h", "FIELDS", "1", "f"]]), "VALKEY080");
    assert_eq!(saved(&[], &[&["DEL", "h"]]), "REDIS0011");
    assert_eq!(saved(&[], &[mortal]), "VALKEY080");
    assert_eq!(saved(&["--rdb-version", "12"], &[]), "REDIS0012");
    assert_eq!(saved(&[], &[]), "REDIS0012");
}
