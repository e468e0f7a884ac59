//! CONFIG SET with any names and values: all directives of a line change, or none; what CONFIG GET then says can be
//! set again and changes nothing; and what CONFIG REWRITE would write is read as the same.

#![no_main]

mod alone;
#[allow(dead_code)]
mod support;

use alone::Alone;
use libfuzzer_sys::fuzz_target;
use russet::commands::TABLE;
use russet::config::{Config, Rewrite, load, rewrite};
use russet::engine::Engine;
use support::client::{Client, encode};
use support::dice::Dice;
use support::machine::{Clock, Machine};
use support::value::Value;

const LINES_MAX: usize = 20;

/// Values that mean something to many directives; others are the fuzzer's bytes.
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "yes",
    "no",
    "100%",
    "50%",
    "1gb",
    "1GB",
    "2kb",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "4294967296",
    "1.5",
    "900 1",
    "900 1 300",
    "normal 0 0 0",
    "replica 1mb 1kb 60 pubsub 0 0 0",
    "AKE",
    "allkeys-lru",
    "always",
    "a b c",
    "\"",
    "'",
    "~",
    "everything",
    "local",
    "./x",
    "127.0.0.1 ::1",
    "cache:* allkeys-lru 1mb",
    "a\nb",
    "\\x00",
];

fuzz_target!(|bytes: &[u8]| {
    let mut dice = Dice::scripted(bytes);
    let names: Vec<Vec<u8>> =
        Config::default().matching(&[b"*"]).into_iter().map(|(name, _)| name).collect();
    let clock = Clock::new();
    let machine = Machine::new(clock.clone());
    let mut engine = Engine::new(Config::default(), TABLE, Box::new(machine), 7);
    for _ in 0..LINES_MAX {
        if dice.is_spent() {
            break;
        }
        let mut line = vec![b"CONFIG".to_vec(), b"SET".to_vec()];
        for _ in 0..1 + dice.below(3) {
            line.push(dice.pick(&names).clone());
            line.push(match dice.below(3) {
                0 => (0..dice.below(20)).map(|_| dice.below(256) as u8).collect(),
                _ => dice.pick(VALUES).as_bytes().to_vec(),
            });
        }
        let before = engine.config.clone();
        if ask(&mut engine, &clock, &line).is_error() {
            assert!(engine.config == before, "refused, and something changed: {}", shown(&line));
        } else {
            can_be_set_again(&mut engine, &clock, &line);
        }
    }
    can_be_written_down(&engine.config);
});

fn ask(engine: &mut Engine, clock: &Clock, line: &[Vec<u8>]) -> Value {
    let who = support::come(engine, clock);
    let (mut frame, mut answers) = (Vec::new(), Vec::new());
    encode(line, &mut frame);
    engine.receive(who, &frame, &mut answers, clock.now());
    engine.disconnect(who);
    let mut replies = Client::replies(answers).expect("whole replies");
    match (replies.pop(), replies.pop()) {
        (Some(reply), None) => reply,
        _ => panic!("one request has one answer: {}", shown(line)),
    }
}

fn can_be_set_again(engine: &mut Engine, clock: &Clock, line: &[Vec<u8>]) {
    let config = engine.config.clone();
    for name in line[2..].chunks(2).map(|pair| &pair[0]) {
        let value = config.get(name).expect("a directive that was set has a value");
        let again = [b"CONFIG".to_vec(), b"SET".to_vec(), name.clone(), value];
        let answer = ask(engine, clock, &again);
        assert!(!answer.is_error(), "{}: told by GET, and {answer}", shown(&again));
        assert!(engine.config == config, "{}: told by GET, and changes something", shown(&again));
    }
}

fn can_be_written_down(config: &Config) {
    let written = rewrite(b"", config, &Rewrite::default());
    let mut read = Config::default();
    if let Err(fatal) = load(&mut read, &written, &mut Alone) {
        panic!("{fatal} in {}", String::from_utf8_lossy(&written));
    }
    for (now, then) in config.matching(&[b"*"]).iter().zip(&read.matching(&[b"*"])) {
        let written = String::from_utf8_lossy(&written);
        assert!(now == then, "{} is read otherwise: {written}", now.0.escape_ascii());
    }
}

fn shown(line: &[Vec<u8>]) -> String {
    let words = line.iter().map(|word| word.escape_ascii().to_string());
    words.collect::<Vec<_>>().join(" ")
}
