//! How long the engine's longest step is: while data grows and shrinks, and when much of it goes at
//! once.
//!
//! ```text
//! cargo test --test pauses                                              small, as part of all tests
//! PAUSES=10000000 cargo test --release --test pauses -- --nocapture     ten million of everything
//! ```
//!
//! A step is measured around `Engine::receive` and what the door does behind it. The machine has
//! pauses of its own. Ours come again at the same step when everything is done again from the same
//! seed, and the machine's do not; so each step counts with its shortest time of some rounds.

#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "others use the rest of it")]
mod machine;
mod scene;

use scene::{LATER, Scene, Steps};
use std::sync::Mutex;

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

/// No step may take longer, in microseconds. Nothing is optimised much in a test build, and other
/// tests run beside this one.
const MOST_US: u32 = if cfg!(debug_assertions) { 3_000 } else { 1_000 };
/// It is over with the first round after which no step seems to have taken longer.
const ROUNDS: usize = 10;
const CHANCES: usize = 5;
const FEW: usize = 20_000;

/// All tests measure, so they take turns.
static ALONE: Mutex<()> = Mutex::new(());

/// A type: how an element of a value is added, and how one is removed.
type Kind = (&'static str, Line, Line);
type Line = &'static [&'static str];

const KINDS: &[Kind] = &[
    ("list", &["RPUSH", "big", "element:#"], &["LPOP", "big"]),
    ("set", &["SADD", "big", "member:#"], &["SREM", "big", "member:#"]),
    ("hash", &["HSET", "big", "field:#", "value:#"], &["HDEL", "big", "field:#"]),
    ("zset", &["ZADD", "big", "@", "member:#"], &["ZREM", "big", "member:#"]),
    ("stream", &["XADD", "big", "#-1", "field", "value:#"], &["XDEL", "big", "#-1"]),
];

/// What takes a large value away, and what comes before that.
const REMOVALS: &[(&[Line], Line)] = &[
    (&[], &["DEL", "victim"]),
    (&[], &["UNLINK", "victim"]),
    (&[], &["SET", "victim", "x"]),
    (&[&["SET", "other", "x"]], &["RENAME", "other", "victim"]),
    (&[&["SET", "other", "x"]], &["COPY", "other", "victim", "REPLACE"]),
    (&[&["SADD", "few", "x"]], &["SINTERSTORE", "victim", "few", "few"]),
    (&[&["RPUSH", "row", "x"]], &["SORT", "row", "ALPHA", "STORE", "victim"]),
    (&[&["PEXPIRE", "victim", "5"]], &[LATER]),
    (&[&["MOVE", "victim", "1"], &["SELECT", "1"]], &["FLUSHDB"]),
    (&[&["MOVE", "victim", "1"], &["SELECT", "1"]], &["FLUSHALL"]),
];

/// What takes much of a value away, and leaves something.
const CUTS: &[(&str, Line)] = &[
    ("list", &["LTRIM", "victim", "-7", "-1"]),
    ("list", &["LTRIM", "victim", "0", HALF]),
    ("list", &["LTRIM", "victim", "1", "0"]),
    ("zset", &["ZREMRANGEBYRANK", "victim", "7", "-1"]),
    ("zset", &["ZREMRANGEBYSCORE", "victim", "-inf", "+inf"]),
    ("stream", &["XTRIM", "victim", "MAXLEN", "7"]),
    ("stream", &["XTRIM", "victim", "MAXLEN", HALF]),
];

/// What a consumer takes along who has read nearly all of a stream, and acknowledged nothing.
const DISMISSALS: &[(&[Line], Line)] = &[(
    &[
        &["XGROUP", "CREATE", "victim", "g", "0"],
        &["XREADGROUP", "GROUP", "g", "other", "COUNT", "7", "STREAMS", "victim", ">"],
        &["XREADGROUP", "GROUP", "g", "gone", "STREAMS", "victim", ">"],
    ],
    &["XGROUP", "DELCONSUMER", "victim", "g", "gone"],
)];

/// What takes longer, the more stays or is answered. It is only shown.
const SLOW: &[(&str, Line)] = &[
    ("zset", &["ZREMRANGEBYRANK", "victim", "0", HALF]),
    ("set", &["SPOP", "victim", HALF]),
    ("list", &["LREM", "victim", "0", "element:0000000001"]),
];

const HALF: &str = "HALF";

/// A slice of a snapshot gathers about so many bytes.
const SLICE: usize = 32 << 10;
/// Writes between two slices.
const BETWEEN: usize = 8;
/// No string is longer, whatever is asked for.
const LONGEST: usize = 256 << 20;

fn is_slow(line: &[&str]) -> bool {
    SLOW.iter().any(|(_, slow)| *slow == line)
}

fn amount() -> usize {
    std::env::var("PAUSES").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

#[derive(Default)]
struct Report {
    too_long: Vec<String>,
}

impl Report {
    fn judge(&mut self, what: &str, steps: &Steps, bounded: bool) {
        let most = steps.longest();
        println!("{what:50} {most:>8} µs   {}", steps.seen());
        if bounded && most > MOST_US {
            self.too_long.push(format!("{what}: {most} µs"));
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let all = self.too_long.join("\n");
        assert!(self.too_long.is_empty() || std::thread::panicking(), "too long:\n{all}");
    }
}

#[test]
fn nobody_waits_for_keys_that_come_and_go() {
    let _alone = ALONE.lock();
    let count = amount();
    let [mut grows, mut shrinks, mut flush] = [(); 3].map(|()| Steps::default());
    for _ in 0..ROUNDS {
        let mut scene = Scene::new();
        scene.each(&["SET", "key:#", "value:#"], count, &mut grows);
        scene.each(&["DEL", "key:#"], count / 10 * 9, &mut shrinks);
        flush.begin();
        scene.step(&["FLUSHALL"], &mut flush);
        if [&grows, &shrinks, &flush].iter().all(|steps| steps.longest() <= MOST_US) {
            break;
        }
    }
    let mut report = Report::default();
    report.judge("keys come", &grows, true);
    report.judge("keys go", &shrinks, true);
    report.judge("all go", &flush, true);
}

#[test]
fn nobody_waits_for_a_snapshot() {
    let _alone = ALONE.lock();
    let count = amount();
    let length = (count * 200).min(LONGEST);
    let [mut begin, mut slices, mut writes, mut flush, mut rest] =
        [(); 5].map(|()| Steps::default());
    for _ in 0..ROUNDS {
        let mut scene = Scene::new();
        scene.each(&["SET", "key:#", "value:#"], count, &mut Steps::default());
        let end = length.to_string();
        scene.quietly(&["SETRANGE", "text", &end, "x"]);
        scene.quietly(&["SETRANGE", "other", &end, "x"]);
        // It has room for more then.
        scene.quietly(&["APPEND", "other", "x"]);
        [&mut begin, &mut slices, &mut writes].into_iter().for_each(Steps::begin);
        scene.begin_snapshot(&mut begin);
        let mut turn = 0;
        while scene.slice(SLICE, &mut slices) {
            turn += 1;
            for number in 0..BETWEEN {
                let place = (turn * BETWEEN + number) * 7919;
                let key = format!("key:{:010}", place % (count * 2));
                scene.step(&["SET", &key, "another"], &mut writes);
                let bit = (place * 6007 % (length * 8)).to_string();
                scene.step(&["SETBIT", "text", &bit, "1"], &mut writes);
            }
            if turn == 10 {
                scene.step(&["SET", "text", "short"], &mut writes);
                scene.step(&["APPEND", "other", "and more"], &mut writes);
                scene.step(&["RENAME", "other", "text"], &mut writes);
            }
        }
        [&mut flush, &mut rest].into_iter().for_each(Steps::begin);
        scene.begin_snapshot(&mut begin);
        scene.slice(SLICE, &mut rest);
        scene.step(&["FLUSHALL"], &mut flush);
        while scene.slice(SLICE, &mut rest) {}
        let mut all = [&begin, &slices, &writes, &flush, &rest].into_iter();
        if all.all(|steps| steps.longest() <= MOST_US) {
            break;
        }
    }
    let mut report = Report::default();
    report.judge("a snapshot begins", &begin, true);
    report.judge("slices of a snapshot", &slices, true);
    report.judge("writes between them", &writes, true);
    report.judge("FLUSHALL between them", &flush, true);
    report.judge("slices behind that", &rest, true);
}

#[test]
fn nobody_waits_for_a_large_value() {
    let _alone = ALONE.lock();
    let count = amount();
    let half = (count / 2).to_string();
    let mut report = Report::default();
    for (kind, add, remove) in KINDS {
        let of_kind = |cuts: &'static [(&str, Line)]| {
            cuts.iter().filter(|cut| cut.0 == *kind).map(|cut| (&[][..], cut.1))
        };
        let cuts: Vec<(&[Line], Line)> = of_kind(CUTS).chain(of_kind(SLOW)).collect();
        let dismissals = DISMISSALS.iter().copied().filter(|_| *kind == "stream");
        let acts: Vec<_> = REMOVALS.iter().copied().chain(cuts).chain(dismissals).collect();
        let mut times: Vec<Steps> = acts.iter().map(|_| Steps::default()).collect();
        let [mut grows, mut shrinks] = [(); 2].map(|()| Steps::default());
        for _ in 0..ROUNDS {
            let mut scene = Scene::new();
            scene.each(add, count, &mut grows);
            for ((before, line), times) in acts.iter().zip(&mut times) {
                // One step is soon held up by the machine, so it gets some more chances.
                for _ in 0..CHANCES {
                    scene.quietly(&["DEL", "victim"]);
                    scene.quietly(&["COPY", "big", "victim"]);
                    before.iter().for_each(|line| scene.quietly(line));
                    let act: Vec<&str> = line
                        .iter()
                        .map(|word| if *word == HALF { &*half } else { *word })
                        .collect();
                    times.begin();
                    scene.step(&act, times);
                    scene.quietly(&["SELECT", "0"]);
                    if act == ["FLUSHALL"] {
                        scene.each(add, count, &mut Steps::default());
                    }
                    if times.longest() <= MOST_US || is_slow(line) {
                        break;
                    }
                }
            }
            scene.each(remove, count, &mut shrinks);
            let bounded = acts.iter().zip(&times).filter(|((_, line), _)| !is_slow(line));
            let mut all = bounded.map(|(_, times)| times).chain([&grows, &shrinks]);
            if all.all(|steps| steps.longest() <= MOST_US) {
                break;
            }
        }
        report.judge(&format!("{kind} grows"), &grows, true);
        report.judge(&format!("{kind} shrinks"), &shrinks, true);
        for ((_, act), times) in acts.iter().zip(&times) {
            report.judge(&format!("{kind}: {}", act.join(" ")), times, !is_slow(act));
        }
    }
}
