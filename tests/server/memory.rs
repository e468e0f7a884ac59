//! MEMORY USAGE against the allocator: what all keys are said to take is what was taken for them.

use crate::clients;
use crate::hostile::ALONE;
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;

const KEYS: usize = 20_000;
/// In a pipeline.
const AT_ONCE: usize = 1000;
/// Of what was taken.
const TOLERANCE: f64 = 0.05;
/// Bytes that the server may take meanwhile for itself, such as the copy of INFO that a crash would report.
const OWN: f64 = 65536.0;

/// A shape, how many keys of it there are, and a request that makes one: `#` stands for the key's
/// number.
type Shape = (&'static str, usize, fn(usize) -> Vec<Vec<String>>);

const SHAPES: &[Shape] = &[
    ("integers", KEYS, |n| vec![words(&["SET", &format!("k:{n}"), &n.to_string()])]),
    ("short strings", KEYS, |n| vec![words(&["SET", &format!("key:{n:012}"), "some value"])]),
    ("strings of 100", KEYS, |n| vec![words(&["SET", &format!("key:{n}"), &"x".repeat(100)])]),
    ("strings of 1000", KEYS, |n| vec![words(&["SET", &format!("key:{n}"), &"x".repeat(1000)])]),
    ("strings of many lengths", KEYS, |n| {
        vec![words(&["SET", &format!("key:{n}"), &"x".repeat(n % 700)])]
    }),
    ("long keys", KEYS, |n| vec![words(&["SET", &format!("{n:0200}"), "value"])]),
    ("strings with a TTL", KEYS, |n| {
        vec![words(&["SET", &format!("key:{n}"), "value", "EX", &(1000 + n).to_string()])]
    }),
    ("strings that get a TTL", KEYS, |n| {
        let key = format!("key:{n}");
        vec![words(&["SET", &key, "value"]), words(&["EXPIRE", &key, &(1000 + n % 77).to_string()])]
    }),
    ("appended strings", KEYS, |n| {
        let key = format!("key:{n}");
        vec![words(&["APPEND", &key, "value"]), words(&["APPEND", &key, &"more".repeat(n % 30)])]
    }),
    ("small lists", KEYS, |n| vec![filled("RPUSH", n, 8, |at| vec![format!("item {at}")])]),
    ("large lists", 100, |n| {
        vec![filled("RPUSH", n, 2000, |at| vec![format!("item number {at}")])]
    }),
    ("small hashes", KEYS, |n| {
        vec![filled("HSET", n, 5, |at| vec![format!("field{at}"), format!("value{at}")])]
    }),
    ("large hashes", 100, |n| {
        vec![filled("HSET", n, 1000, |at| vec![format!("field:{at}"), format!("value:{at}")])]
    }),
    ("small sets", KEYS, |n| vec![filled("SADD", n, 8, |at| vec![format!("member{at}")])]),
    ("large sets", 100, |n| vec![filled("SADD", n, 1000, |at| vec![format!("member:{at}")])]),
    ("sets of integers", KEYS, |n| vec![filled("SADD", n, 20, |at| vec![(at * 1000).to_string()])]),
    ("small sorted sets", KEYS, |n| {
        vec![filled("ZADD", n, 8, |at| vec![at.to_string(), format!("member{at}")])]
    }),
    ("large sorted sets", 100, |n| {
        vec![filled("ZADD", n, 1000, |at| {
            vec![(at * 7919 % 1000).to_string(), format!("member:{at}")]
        })]
    }),
    ("small streams", KEYS, |n| (0..3).map(|at| added(n, at)).collect()),
    ("large streams", 100, |n| (0..1000).map(|at| added(n, at)).collect()),
    ("streams that a group has read", 100, |n| {
        let mut lines: Vec<_> = (0..500).map(|at| added(n, at)).collect();
        let key = format!("key:{n}");
        lines.push(words(&["XGROUP", "CREATE", &key, "group", "0"]));
        lines.push(words(&["XREADGROUP", "GROUP", "group", "me", "STREAMS", &key, ">"]));
        lines
    }),
];

#[test]
fn usage_is_what_the_allocator_gave() {
    let _alone = ALONE.lock();
    let mut wrong = Vec::new();
    for (name, count, make) in SHAPES {
        let server = Server::start(Program::Russet, &[]).expect("a server");
        let mut client = server.connect();
        // Buffers are as large as they will be before anybody looks.
        let warm: Vec<Vec<String>> = (0..AT_ONCE).flat_map(make).collect();
        pipeline(&mut client, &warm);
        client.call(&["FLUSHALL", "SYNC"]);
        let before = used(&mut client);
        let dataset_before = stat(&mut client, "dataset.bytes");
        for first in (0..*count).step_by(AT_ONCE) {
            let some: Vec<Vec<String>> =
                (first..(first + AT_ONCE).min(*count)).flat_map(make).collect();
            pipeline(&mut client, &some);
        }
        let taken = used(&mut client) - before;
        let dataset = stat(&mut client, "dataset.bytes") - dataset_before;
        let shares = stat(&mut client, "overhead.db.hashtable.lut");
        let keys: Vec<Vec<String>> = (0..*count)
            .map(|n| make(n)[0][1].clone())
            .map(|key| words(&["MEMORY", "USAGE", &key]))
            .collect();
        let said: i64 = keys.chunks(AT_ONCE).map(|some| pipeline(&mut client, some)).sum();
        println!(
            "{name:25} {taken} bytes taken, {said} said; {dataset} are values, {}",
            said - shares
        );
        for (what, off) in
            [("MEMORY USAGE", said - taken), ("dataset.bytes", dataset - said + shares)]
        {
            if off.abs() as f64 > TOLERANCE * taken as f64 + OWN {
                wrong.push(format!("{name}: {what} is off by {off} of {taken}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whoever asks before and after a command sees what it took, however soon.
#[test]
fn what_a_command_took_shows_at_once() {
    const BYTES: i64 = 500_000;
    /// Answers that wait for the end of the transaction, and figures about commands that never ran before.
    const OTHERS: i64 = 100_000;
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    let grow = (BYTES - 1).to_string();
    for line in [
        &["MULTI"][..],
        &["INFO", "memory"],
        &["SETRANGE", "key", &grow, "x"],
        &["INFO", "memory"],
        &["DEL", "key"],
        &["INFO", "memory"],
    ] {
        client.call(line);
    }
    let answers = client.call(&["EXEC"]);
    let used: Vec<i64> =
        answers.items().expect("an array").iter().step_by(2).map(used_memory).collect();
    let [before, with, after] = used[..] else { panic!("{answers}") };
    assert!((with - before - BYTES).abs() < OTHERS, "{used:?}");
    assert!((after - before).abs() < OTHERS, "{used:?}");
}

/// A limit that leaves little room is not used up by a thread of the server's own that begins.
#[test]
fn a_thread_that_begins_is_not_in_use() {
    /// Less than jemalloc needs to keep blocks for a thread.
    const OTHERS: i64 = 40_000;
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    for line in [&["INFO"][..], &["FLUSHALL", "SYNC"], &["SET", "key", "value"]] {
        client.call(line);
    }
    let before = clients::stat(&mut client, "used_memory");
    client.call(&["FLUSHALL", "ASYNC"]);
    until("it has begun, and is done", || {
        clients::stat(&mut client, "lazyfree_pending_objects") == 0
    });
    let after = clients::stat(&mut client, "used_memory");
    assert!((after - before).abs() < OTHERS, "{before} {after}");
}

fn used_memory(info: &Value) -> i64 {
    clients::number(&String::from_utf8_lossy(info.text().expect("a text")), "used_memory")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// A command that gives the key of a number some elements.
fn filled(
    command: &str,
    number: usize,
    count: usize,
    element: impl Fn(usize) -> Vec<String>,
) -> Vec<String> {
    let mut line = words(&[command, &format!("key:{number}")]);
    line.extend((0..count).flat_map(element));
    line
}

/// A command that adds an entry to the stream of a number.
fn added(number: usize, at: usize) -> Vec<String> {
    let (key, id) = (format!("key:{number}"), format!("{}-0", at + 1));
    words(&["XADD", &key, &id, "field", &format!("value {at}"), "other", &at.to_string()])
}

/// Sends requests at once; the sum of the integers that are answered.
fn pipeline(client: &mut Client, requests: &[Vec<String>]) -> i64 {
    let mut frame = Vec::new();
    requests.iter().for_each(|request| encode(request, &mut frame));
    client.write_raw(&frame).expect("the server reads");
    let answers = requests.iter().map(|request| {
        let answer = client.read_reply().expect("the server answers");
        assert!(!answer.is_error(), "{request:?}: {answer:?}");
        number(&answer)
    });
    answers.sum()
}

fn used(client: &mut Client) -> i64 {
    stat(client, "total.allocated")
}

/// A figure of MEMORY STATS.
fn stat(client: &mut Client, name: &str) -> i64 {
    let stats = client.call(&["MEMORY", "STATS"]);
    let pairs = stats.pairs().expect("a map");
    let found = pairs.iter().find(|(key, _)| key.text() == Some(name.as_bytes()));
    number(found.unwrap_or_else(|| panic!("no {name}")).1)
}

fn number(value: &Value) -> i64 {
    if let Value::Int(number) = value { *number } else { 0 }
}
