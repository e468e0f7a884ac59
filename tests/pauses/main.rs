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

mod scene;
#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "others use the rest of it")]
mod machine;

use scene::{Scene, Steps};

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

/// No step may take longer, in microseconds. Nothing is optimised much in a test build, and other
/// tests run beside this one.
const MOST_US: u32 = if cfg!(debug_assertions) { 3_000 } else { 1_000 };
const ROUNDS: usize = 3;
const FEW: usize = 50_000;

/// How one element is added to the value of each type.
const KINDS: [(&str, &[&str]); 5] = [
    ("list", &["RPUSH", "big", "element:#"]),
    ("set", &["SADD", "big", "member:#"]),
    ("hash", &["HSET", "big", "field:#", "value:#"]),
    ("zset", &["ZADD", "big", "@", "member:#"]),
    ("keys", &["SET", "key:#", "value:#"]),
];

/// What takes much away at once: a name, what prepares it, and the step.
const REMOVALS: [(&str, &[&[&str]], &[&str]); 8] = [
    ("DEL", &[], &["DEL", "victim"]),
    ("UNLINK", &[], &["UNLINK", "victim"]),
    ("SET", &[], &["SET", "victim", "x"]),
    ("RENAME over it", &[&["SET", "other", "x"]], &["RENAME", "other", "victim"]),
    ("COPY over it", &[&["SET", "other", "x"]], &["COPY", "other", "victim", "REPLACE"]),
    ("SINTERSTORE", &[&["SADD", "few", "x"]], &["SINTERSTORE", "victim", "few", "few"]),
    ("expiry", &[&["PEXPIRE", "victim", "5"]], &["@LATER"]),
    ("FLUSHDB", &[], &["FLUSHDB"]),
];

/// What takes much of a value away, and leaves something.
const CUTS: [(&str, &str, &[&str]); 7] = [
    ("list", "LTRIM all but few", &["LTRIM", "victim", "-7", "-1"]),
    ("list", "LTRIM half", &["LTRIM", "victim", "0", "HALF"]),
    ("list", "LTRIM to nothing", &["LTRIM", "victim", "1", "0"]),
    ("zset", "ZREMRANGEBYRANK all but few", &["ZREMRANGEBYRANK", "victim", "7", "-1"]),
    ("zset", "ZREMRANGEBYSCORE all", &["ZREMRANGEBYSCORE", "victim", "-inf", "+inf"]),
    ("zset", "ZREMRANGEBYRANK half", &["ZREMRANGEBYRANK", "victim", "0", "HALF"]),
    ("set", "SPOP half", &["SPOP", "victim", "HALF"]),
];

fn amount() -> usize {
    std::env::var("PAUSES").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

#[test]
fn nobody_waits_for_what_grows_or_goes() {
    let count = amount();
    let mut too_long = Vec::new();
    let mut judge = |what: String, steps: Steps| {
        let most = steps.longest();
        println!("{what:45} {most:>8} µs   {}", steps.seen());
        if most > MOST_US {
            too_long.push(format!("{what}: {most} µs"));
        }
    };
    let wanted = std::env::args().skip(1).find(|word| KINDS.iter().any(|kind| kind.0 == *word));
    for (kind, add) in KINDS {
        if wanted.as_ref().is_some_and(|wanted| wanted != kind) {
            continue;
        }
        let mut growing = Steps::default();
        let mut shrinking = Steps::default();
        let mut removals: Vec<Steps> = REMOVALS.iter().map(|_| Steps::default()).collect();
        let mut cuts: Vec<Steps> = CUTS.iter().map(|_| Steps::default()).collect();
        for _ in 0..ROUNDS {
            let mut scene = Scene::new();
            scene.each(add, count, &mut growing);
            if kind == "keys" {
                scene.each(&["DEL", "key:#"], count / 10 * 9, &mut shrinking);
                removals[7].begin();
                scene.step(&["FLUSHDB"], &mut removals[7]);
                continue;
            }
            for ((_, before, act), steps) in REMOVALS.iter().zip(&mut removals) {
                scene.quietly(&["COPY", "big", "victim", "REPLACE"]);
                before.iter().for_each(|line| scene.quietly(line));
                steps.begin();
                let act: &[&str] = if act == &["FLUSHDB"] { &["FLUSHALL"] } else { act };
                if act == ["FLUSHALL"] {
                    scene.quietly(&["MOVE", "victim", "1"]);
                    scene.quietly(&["SELECT", "1"]);
                    scene.step(&["FLUSHDB"], steps);
                    scene.quietly(&["SELECT", "0"]);
                } else {
                    scene.step(act, steps);
                }
            }
            for ((of, _, act), steps) in CUTS.iter().zip(&mut cuts).filter(|cut| cut.0.0 == kind) {
                let _ = of;
                scene.quietly(&["DEL", "victim"]);
                scene.quietly(&["COPY", "big", "victim"]);
                steps.begin();
                let half = (count / 2).to_string();
                let act: Vec<&str> =
                    act.iter().map(|word| if *word == "HALF" { &*half } else { *word }).collect();
                scene.step(&act, steps);
            }
            let remove: Option<&[&str]> = match kind {
                "set" => Some(&["SREM", "big", "member:#"]),
                "hash" => Some(&["HDEL", "big", "field:#"]),
                "zset" => Some(&["ZREM", "big", "member:#"]),
                "list" => Some(&["LPOP", "big"]),
                _ => None,
            };
            if let Some(remove) = remove {
                scene.each(remove, count, &mut shrinking);
            }
        }
        judge(format!("{kind}: grows"), growing);
        judge(format!("{kind}: shrinks"), shrinking);
        for ((name, ..), steps) in REMOVALS.iter().zip(removals) {
            judge(format!("{kind}: {name}"), steps);
        }
        for ((of, name, _), steps) in CUTS.iter().zip(cuts) {
            if *of == kind {
                judge(format!("{kind}: {name}"), steps);
            }
        }
    }
    assert!(too_long.is_empty(), "steps that take too long:\n{}", too_long.join("\n"));
}
