//! Many elements that fall due at the same moment: they are gone at once, nobody waits for it, and the
//! counts are exact all the while.
//!
//! `ELEMENTS=1000000 cargo test --release --test server -- elements --nocapture` is the same with a million.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::client::Client;
use crate::support::server::{Program, Server};
use crate::support::value::Value;

/// No answer may take longer meanwhile: a slice of the sweep is a quarter of a millisecond, and the
/// machine has pauses of its own.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 50 });
const AT_ONCE: usize = 500;

#[test]
fn a_storm_of_elements_holds_nobody_up() {
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    let count: usize =
        std::env::var("ELEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    for (key, card, add, remaining) in [
        ("h", "HLEN", &["HSETEX", "h", "PXAT"][..], &["HSET", "h", "stays", "1"][..]),
        ("s", "SCARD", &["SADDEX", "s", "PXAT"][..], &["SADD", "s", "stays"][..]),
    ] {
        // Far enough away that all of them are there before, however slow the machine is.
        let mut span = 1_000 + count as u64 / if cfg!(debug_assertions) { 5 } else { 50 };
        let deadline = loop {
            let deadline = now_ms() + span;
            fill(&mut client, key, add, deadline, count);
            client.call(remaining);
            if now_ms() < deadline && int(&mut client, &[card, key]) == count as i64 + 1 {
                break deadline;
            }
            assert!(span < 120_000, "the machine is too slow for this");
            client.call(&["DEL", key]);
            span *= 3;
        };
        while now_ms() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        // From now on there is one.
        let (mut longest, mut asked) = (Duration::ZERO, 0);
        let begun = Instant::now();
        loop {
            let asking = Instant::now();
            assert_eq!(int(&mut client, &[card, key]), 1, "what is due is not counted");
            longest = longest.max(asking.elapsed());
            asked += 1;
            // Looking takes some away too, so most of the time nobody looks.
            std::thread::sleep(Duration::from_millis(2));
            if info(&mut client, "db0_has_elements_with_deadlines") == 0 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it ends");
        }
        println!(
            "{card}: {count} elements were away after {:?}; asked {asked} times, {longest:?} at the most",
            begun.elapsed()
        );
        assert!(longest < MOST, "{card} took {longest:?}");
        client.call(&["DEL", key]);
    }
}

#[test]
fn a_value_whose_elements_are_all_due_goes_at_once() {
    let server = Server::start(Program::Russet, &[]).expect("a server");
    let mut client = server.connect();
    let count = 10_000;
    let deadline = now_ms() + 5_000;
    fill(&mut client, "h", &["HSETEX", "h", "PXAT"], deadline, count);
    while now_ms() < deadline + 200 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(int(&mut client, &["DBSIZE"]), 0, "nobody had to look");
    assert_eq!(info(&mut client, "expired_subkeys"), count as u64);
}

/// So many elements with one deadline.
fn fill(client: &mut Client, key: &str, add: &[&str], deadline: u64, count: usize) {
    let (moment, word) = (deadline.to_string(), if key == "h" { "FIELDS" } else { "MEMBERS" });
    for from in (0..count).step_by(AT_ONCE) {
        let some = from..(from + AT_ONCE).min(count);
        let mut words: Vec<String> = add.iter().map(|word| word.to_string()).collect();
        words.extend([moment.clone(), word.into(), some.len().to_string()]);
        for number in some {
            words.push(format!("element:{number}"));
            words.extend((key == "h").then(|| "value".into()));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(int(client, &words), 1);
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_millis() as u64)
}

fn int(client: &mut Client, words: &[&str]) -> i64 {
    match client.call(words) {
        Value::Int(number) => number,
        other => panic!("{words:?} is answered {other}"),
    }
}

/// A field of INFO, or how many keys still have elements with deadlines.
fn info(client: &mut Client, name: &str) -> u64 {
    let reply = client.call(&["INFO", "everything"]);
    let text = String::from_utf8_lossy(reply.text().expect("INFO is text")).into_owned();
    if name == "db0_has_elements_with_deadlines" {
        let number =
            text.split("subexpiry=").nth(1).and_then(|rest| rest.split(['\r', ',']).next());
        return number.map_or(0, |number| number.parse().expect("a number"));
    }
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("INFO has it").parse().expect("a number")
}
