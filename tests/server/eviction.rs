//! Memory that is full: what is lost is what may be, what is refused is what grows, and nobody is stuck.

use crate::hostile::{MIB, russet};
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::value::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A queue and a cache share a server, and each is filled to ten times what it may take. Each job that was
/// accepted is worked off once; the cache loses keys, and is never refused any.
#[test]
fn a_queue_and_a_cache_share_a_full_server() {
    let server = russet(&[
        "--maxmemory",
        "24mb",
        "--maxmemory-rule",
        "cache:* allkeys-lru 6mb bull:* noeviction 4mb",
    ]);
    let mut client = server.connect();
    let payload = "x".repeat(2000);
    let (mut accepted, mut refused, mut done) = (HashSet::new(), 0, HashSet::new());
    // Producers are ten times as quick as what they produce can be kept.
    for round in 0..100 {
        let mut frames = Vec::new();
        let jobs: Vec<String> =
            (0..200).map(|at| format!("{}:{payload}", round * 200 + at)).collect();
        for (at, job) in jobs.iter().enumerate() {
            encode(&["LPUSH", "bull:wait", job], &mut frames);
            let key = format!("cache:{}", round * 200 + at);
            encode(&["SET", &key, &"y".repeat(3000)], &mut frames);
        }
        client.write_raw(&frames).expect("a connection");
        for job in jobs {
            match client.read_reply().expect("an answer") {
                Value::Int(_) => drop(accepted.insert(job)),
                error => {
                    assert!(is_oom(&error), "{error}");
                    refused += 1;
                }
            }
            assert_eq!(client.read_reply().expect("an answer"), Value::simple("OK"));
        }
        // Workers go on, however full it is, though not as quickly as producers.
        for _ in 0..if round < 90 { 20 } else { 0 } {
            work(&mut client, &mut done);
        }
    }
    while work(&mut client, &mut done) {}
    assert_eq!(done, accepted);
    assert!(refused > 10_000, "{refused}");
    let cached = client.call(&["DBSIZE"]);
    assert!(matches!(cached, Value::Int(500..=2500)), "{cached}");
    let rules = info(&mut client, "maxmemory_rule_0");
    assert!(rules.contains("keys=cache:*,policy=allkeys-lru,limit=6291456,bytes=6"), "{rules}");
    // What BullMQ looks at.
    assert_eq!(info(&mut client, "maxmemory_policy"), "noeviction");
}

/// Takes a job as a reliable worker does, and is done with it; says whether there was one.
fn work(client: &mut Client, done: &mut HashSet<String>) -> bool {
    let taken = client.call(&["LMOVE", "bull:wait", "bull:active", "RIGHT", "LEFT"]);
    let Value::Bulk(job) = taken else {
        assert!(taken.is_null(), "{taken}");
        return false;
    };
    let job = String::from_utf8(job).expect("a job");
    assert_eq!(client.call(&["LREM", "bull:active", "1", &job]), Value::Int(1));
    assert!(done.insert(job), "it was done already");
    true
}

/// A server that is full of finished jobs: they can be looked at, and removed, in transactions and in scripts.
#[test]
fn a_full_server_can_be_looked_at_and_emptied() {
    let server = russet(&["--maxmemory", "8mb"]);
    let mut client = server.connect();
    let mut stored = 0;
    loop {
        let key = format!("bull:queue:{stored}");
        match client.call(&["HSET", &key, "data", &"x".repeat(4000), "finishedOn", "1"]) {
            Value::Int(2) => stored += 1,
            error => {
                assert!(is_oom(&error), "{error}");
                break;
            }
        }
    }
    assert!(stored > 500);
    assert!(client.call(&["SET", "x", "1"]).is_error());
    for request in [
        &["MULTI"][..],
        &["HGETALL", "bull:queue:0"],
        &["EXISTS", "bull:queue:1"],
        &["DEL", "bull:queue:0"],
    ] {
        assert!(!client.call(request).is_error(), "{request:?}");
    }
    let Value::Array(answers) = client.call(&["EXEC"]) else { panic!("a transaction is refused") };
    assert_eq!(answers[1..], [Value::Int(1), Value::Int(1)]);
    // As BullMQ's scripts do when a job is finished: what is removed comes first, and then the rest may run.
    let script =
        "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[2], 'finishedOn', '2') return 1";
    let run = client.call(&["EVAL", script, "2", "bull:queue:1:lock", "bull:queue:2"]);
    assert!(!run.is_error(), "{run}");
    for job in 0..stored / 2 {
        client.call(&["DEL", &format!("bull:queue:{job}")]);
    }
    assert_eq!(client.call(&["SET", "x", "1"]), Value::simple("OK"));
}

/// Whatever is written, there is never more than the limit and a hundredth, but for the last command's own.
#[test]
fn memory_stays_below_the_limit() {
    const LIMIT: u64 = 8 * MIB;
    let server = russet(&["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.connect();
    let sizes = [10, 100, 1000, 10_000, 100_000];
    for round in 0..60 {
        let size = sizes[round % sizes.len()];
        let mut frames = Vec::new();
        for at in 0..200 {
            encode(&["SET", &format!("{round}:{at}"), &"x".repeat(size)], &mut frames);
        }
        client.write_raw(&frames).expect("a connection");
        for _ in 0..200 {
            assert_eq!(client.read_reply().expect("an answer"), Value::simple("OK"));
        }
        let number =
            |client: &mut Client, field| -> u64 { info(client, field).parse().expect("a number") };
        let (used, aside) =
            (number(&mut client, "used_memory"), number(&mut client, "mem_not_counted_for_evict"));
        // The last value may be there already, with what its size class leaves free.
        let own = size as u64 * 5 / 4 + 1000;
        let most = LIMIT + LIMIT / 100 + own + aside;
        assert!(used <= most, "{used} after values of {size}");
    }
    assert!(info(&mut client, "evicted_keys").parse::<u64>().expect("a number") > 1000);
}

/// The limit is lowered, and nobody asks for anything any more: keys go by themselves.
#[test]
fn a_lower_limit_is_reached_without_requests() {
    let server = russet(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = server.connect();
    client.call(&["DEBUG", "POPULATE", "30000", "key", "100"]);
    assert_eq!(client.call(&["DBSIZE"]), Value::Int(30_000));
    let mut listener = server.connect();
    client.call(&["CONFIG", "SET", "notify-keyspace-events", "Ee"]);
    listener.call(&["SUBSCRIBE", "__keyevent@0__:evicted"]);
    client.call(&["CONFIG", "SET", "maxmemory", "2mb"]);
    for _ in 0..5000 {
        listener.read_reply().expect("a key is evicted");
    }
}

/// … also while a thread has yet to free what may be enough, and then is not.
#[test]
fn a_lower_limit_is_reached_behind_what_is_being_freed() {
    let server = russet(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = server.connect();
    client.call(&["DEBUG", "POPULATE", "400000", "key", "10"]);
    client.call(&["CONFIG", "SET", "notify-keyspace-events", "Ee"]);
    let mut listener = server.connect();
    listener.call(&["SUBSCRIBE", "__keyevent@0__:evicted"]);
    let mut frames = Vec::new();
    for line in
        [&["FLUSHALL", "ASYNC"][..], &["SET", "foo", "bar"], &["CONFIG", "SET", "maxmemory", "1"]]
    {
        encode(line, &mut frames);
    }
    client.write_raw(&frames).expect("a connection");
    listener.read_reply().expect("the key is evicted");
}

/// A flushed database is being freed: what grows waits for its memory, and neither takes more than the limit nor is
/// refused.
#[test]
fn what_grows_waits_for_what_is_being_freed() {
    let server = russet(&[]);
    let mut client = server.connect();
    client.call(&["DEBUG", "POPULATE", "300000", "key", "10"]);
    let number =
        |client: &mut Client, field| -> u64 { info(client, field).parse().expect("a number") };
    let limit = number(&mut client, "used_memory") + MIB;
    client.call(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    assert_eq!(client.call(&["FLUSHALL", "ASYNC"]), Value::simple("OK"));
    let value = "x".repeat(300_000);
    for at in 0..30 {
        assert_eq!(client.call(&["SET", &at.to_string(), &value]), Value::simple("OK"), "{at}");
        // A hundredth, the value, and the request that it came in.
        let used = number(&mut client, "used_memory");
        assert!(used <= limit + limit / 100 + MIB, "{used} of {limit} after {at}");
    }
    assert_eq!(client.call(&["DBSIZE"]), Value::Int(30));
}

/// What is evicted is told to the log, so that what is loaded is what was there.
#[test]
fn the_log_knows_what_was_evicted() {
    let server =
        russet(&["--appendonly", "yes", "--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lfu"]);
    let mut client = server.connect();
    for at in 0..20_000 {
        client.call(&["SET", &format!("key:{at}"), &"x".repeat(at % 700)]);
    }
    // From here on nothing goes that the log would not bring back.
    client.call(&["CONFIG", "SET", "maxmemory", "0"]);
    let before = client.call(&["DEBUG", "DIGEST"]);
    assert_eq!(client.call(&["DEBUG", "LOADAOF"]), Value::simple("OK"));
    assert_eq!(client.call(&["DEBUG", "DIGEST"]), before);
}

/// What the log keeps until it is synced is no reason to refuse or evict anything.
#[test]
fn what_the_log_keeps_does_not_count() {
    let server =
        russet(&["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory", "40mb"]);
    let mut client = server.connect();
    let value = "x".repeat(500);
    for round in 0..250 {
        let mut frames = Vec::new();
        (0..200).for_each(|at| encode(&["SET", &format!("{round}:{at}"), &value], &mut frames));
        client.write_raw(&frames).expect("a connection");
        for _ in 0..200 {
            let answer = client.read_reply().expect("an answer");
            assert_eq!(answer, Value::simple("OK"), "round {round}");
        }
    }
    let kept = info(&mut client, "mem_aof_buffer").parse::<u64>().expect("a number");
    let aside = info(&mut client, "mem_not_counted_for_evict").parse::<u64>().expect("a number");
    assert!(aside >= kept, "{aside} of {kept}");
}

/// … and when it goes, nobody takes it for data for a moment: a cache stays as full as it may be, however much is written.
#[test]
fn what_the_log_lets_go_of_is_not_missed() {
    let server = russet(&[
        "--appendonly",
        "yes",
        "--maxmemory",
        "20mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let mut client = server.connect();
    let value = "x".repeat(500);
    let (began, mut round, mut fewest) = (Instant::now(), 0, i64::MAX);
    while began.elapsed() < Duration::from_secs(3) {
        let mut frames = Vec::new();
        (0..200).for_each(|at| encode(&["SET", &format!("{round}:{at}"), &value], &mut frames));
        encode(&["DBSIZE"], &mut frames);
        client.write_raw(&frames).expect("a connection");
        for _ in 0..200 {
            assert_eq!(client.read_reply().expect("an answer"), Value::simple("OK"));
        }
        let Value::Int(keys) = client.read_reply().expect("an answer") else { panic!("a number") };
        round += 1;
        if info(&mut client, "evicted_keys") != "0" {
            fewest = fewest.min(keys);
        }
    }
    assert!((27_000..40_000).contains(&fewest), "{fewest} after {round} rounds");
}

/// Answers are no reason to evict anything, neither when they are being built, for a whole pipeline, nor between the
/// engine and the socket, where other threads can look.
#[test]
fn answers_drive_no_key_out() {
    const ASKED: usize = 9;
    const READERS: usize = 3;
    for threads in ["1", "2"] {
        let server = russet(&["--io-threads", threads, "--maxmemory-policy", "allkeys-lru"]);
        let mut client = server.connect();
        for at in 0..200 {
            client.call(&["SETRANGE", &format!("key:{at}"), "99999", "x"]);
        }
        // What threads need when they first serve somebody is there before the limit is.
        let readers = [(); READERS].map(|()| {
            let mut reader = server.connect();
            reader.call(&["PING"]);
            reader
        });
        let used = info(&mut client, "used_memory").parse::<u64>().expect("a number");
        let limit = (used + 400_000).to_string();
        client.call(&["CONFIG", "SET", "maxmemory", &limit]);
        let mut frames = Vec::new();
        (0..ASKED).for_each(|at| encode(&["GET", &format!("key:{at}")], &mut frames));
        std::thread::scope(|scope| {
            for mut reader in readers {
                let frames = &frames;
                scope.spawn(move || {
                    for _ in 0..100 {
                        reader.write_raw(frames).expect("a connection");
                        for _ in 0..ASKED {
                            let answer = reader.read_reply().expect("an answer");
                            assert!(matches!(answer, Value::Bulk(value) if value.len() == 100_000));
                        }
                    }
                });
            }
        });
        assert_eq!(info(&mut client, "evicted_keys"), "0", "with {threads} threads");
        assert_eq!(client.call(&["DBSIZE"]), Value::Int(200));
        // What is not kept of the buffers is not left aside either.
        let aside =
            info(&mut client, "mem_not_counted_for_evict").parse::<u64>().expect("a number");
        assert!(aside <= 2 * MIB, "{aside} with {threads} threads");
    }
}

/// A rule is about keys in its database that a line would let grow, wherever it is said, and about no others.
#[test]
fn a_full_rule_refuses_what_lets_its_keys_grow() {
    let server = russet(&["--maxmemory-rule", "bull:* noeviction 20kb db 3 noeviction 20kb"]);
    let mut client = server.connect();
    let big = "x".repeat(30_000);
    client.call(&["RPUSH", "bull:q", "1"]);
    client.call(&["SADD", "bull:s", "1"]);
    client.call(&["SET", "bull:big", &big]);
    client.call(&["SELECT", "3"]);
    client.call(&["SET", "big", &big]);
    client.call(&["SELECT", "0"]);
    let flags = "#!lua\nredis.call('SET', 'other', '1') return redis.call('SET', KEYS[1], '1')";
    for (line, is_refused) in [
        (&["SET", "bull:x", "1"][..], true),
        (&["EVAL", flags, "1", "bull:x"], true),
        (&["EVAL", flags, "1", "y"], false),
        (&["COPY", "bull:q", "bull:r"], true),
        (&["COPY", "bull:q", "copy", "DB", "3"], true),
        (&["COPY", "bull:q", "copy", "DB", "5"], false),
        (&["SORT", "bull:q", "STORE", "sorted"], false),
        (&["SUNIONSTORE", "union", "bull:s"], false),
        (&["SUNIONSTORE", "bull:union", "union"], true),
        (&["PFMERGE", "bull:union"], true),
    ] {
        let answer = client.call(line);
        assert_eq!(is_oom(&answer), is_refused, "{line:?}: {answer}");
        assert!(is_refused || !answer.is_error(), "{line:?}: {answer}");
    }
    assert_eq!(client.call(&["EXISTS", "other"]), Value::Int(1), "the one that ran");
    for (from, to, is_refused) in [("0", "3", true), ("3", "0", false)] {
        for line in [&["SELECT", from][..], &["MULTI"], &["SELECT", to]] {
            assert!(!client.call(line).is_error());
        }
        assert_eq!(is_oom(&client.call(&["SET", "x", "1"])), is_refused, "{from} to {to}");
        assert_eq!(client.call(&["EXEC"]).is_error(), is_refused, "{from} to {to}");
    }
}

/// Whatever has keys counted anew, it is done without another request.
#[test]
fn rules_know_their_keys_when_databases_change_places() {
    let server = russet(&["--maxmemory-rule", "db 1 allkeys-lru 100kb"]);
    let mut client = server.connect();
    client.call(&["DEBUG", "POPULATE", "5000", "key", "100"]);
    client.call(&["SWAPDB", "0", "1"]);
    until("the rule is kept", || {
        let rule = info(&mut client, "maxmemory_rule_0");
        rule.ends_with("counted=1") && !rule.contains("evicted=0,")
    });
    // Nor does it end while a script holds all up.
    client.call(&["FLUSHALL"]);
    client.call(&["DEBUG", "POPULATE", "300000", "key", "10"]);
    client.call(&["CONFIG", "SET", "busy-reply-threshold", "20"]);
    let mut frames = Vec::new();
    encode(&["CONFIG", "SET", "maxmemory-rule", "key:* noeviction 1mb"], &mut frames);
    encode(&["EVAL", "for i = 1, 30000000 do end", "0"], &mut frames);
    client.write_raw(&frames).expect("a connection");
    for _ in 0..2 {
        assert!(!client.read_reply().expect("an answer").is_error());
    }
    until("all are counted", || info(&mut client, "maxmemory_rule_0").ends_with("counted=1"));
    assert!(is_oom(&client.call(&["SET", "key:new", "1"])));
}

fn is_oom(answer: &Value) -> bool {
    matches!(answer, Value::Error(text) if text.starts_with(b"OOM "))
}

/// A field of INFO.
fn info(client: &mut Client, field: &str) -> String {
    let Value::Bulk(text) = client.call(&["INFO"]) else { panic!("INFO is text") };
    let text = String::from_utf8(text).expect("INFO is UTF-8");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO has no {field}")).to_string()
}
