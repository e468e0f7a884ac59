//! Command lines of the rows' grammar, twisted: options twice, in another order, cut off, and numbers at the ends of
//! their kinds. Each is answered with whole replies, and the keyspace still adds up. The simulation speaks mostly
//! as clients do; here the arguments' parsers hear what nobody thought of, one line after another.

#![no_main]

#[allow(dead_code)]
mod support;
#[allow(dead_code)]
#[path = "../../sim/simulation/words.rs"]
mod words;

use libfuzzer_sys::fuzz_target;
use russet::commands::TABLE;
use russet::config::{Allowed, Config};
use russet::engine::{Closing, Engine, Run, SessionKey};
use russet::spec::{Arg, Shape};
use support::client::{Client, encode};
use support::come;
use support::dice::Dice;
use support::machine::{Clock, Machine};
use support::recount::recount;
use words::{Line, Vocabulary};

const LINES_MAX: usize = 200;
const WORDS_MAX: usize = 300;

/// Strings of this length are as good as endless, and take less time.
const STRING_MAX: u64 = 1 << 16;

/// Where kinds of integers end, and what readers of numbers have taken for one.
const EDGES: &[&str] = &[
    "127",
    "128",
    "255",
    "256",
    "32767",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4611686018427387904",
    "-4611686018427387905",
    "9007199254740993",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "-0",
    "1e18",
    "1e19",
    "0x10",
    "+inf",
    "-nan",
    "1e-400",
    "99999999999999999999999999999999999999",
    "*",
    "",
];

fuzz_target!(|bytes: &[u8]| {
    let mut dice = Dice::scripted(bytes);
    let clock = Clock::new();
    let mut config = Config::default();
    config.enable_debug_command = Allowed::Local;
    let mut engine = Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), 7);
    engine.tell_log();
    let vocabulary = Vocabulary::rolled(&mut dice);
    let mut who = come(&mut engine, &clock);
    for number in 0..LINES_MAX {
        if dice.is_spent() {
            break;
        }
        let mut line = vocabulary.line(&mut dice, clock.now().wall().0);
        twist(&mut line, &mut dice);
        clock.pass(dice.of_bits(1, 21));
        engine.config.proto_max_bulk_len = STRING_MAX;
        engine.limits.string_bytes_max = STRING_MAX;
        say(&mut engine, who, &line, &clock);
        let is_over = engine.sessions.get(who).is_none_or(|session| {
            session.closing != Closing::No || session.is_waiting() || session.blocked.is_some()
        });
        if is_over {
            engine.disconnect(who);
            who = come(&mut engine, &clock);
        }
        if number % 32 == 0 {
            engine.sweep(clock.now());
            recount(&engine).unwrap_or_else(|why| panic!("{why}"));
        }
    }
    recount(&engine).unwrap_or_else(|why| panic!("{why}"));
});

fn say(engine: &mut Engine, who: SessionKey, line: &Line, clock: &Clock) {
    let (mut frame, mut answers) = (Vec::new(), Vec::new());
    encode(line, &mut frame);
    engine.receive(who, &frame, &mut answers, clock.now());
    drop(engine.effects.take_sealed());
    engine.trash.clear();
    let shown = || {
        let words =
            line.iter().take(20).map(|it| it[..it.len().min(60)].escape_ascii().to_string());
        words.collect::<Vec<_>>().join(" ")
    };
    if let Err(why) = Client::replies(answers) {
        panic!("{why}, answering {}", shown());
    }
    assert!(engine.exit.is_none(), "the server wants to stop: {}", shown());
}

/// What is commanded stays what it was, so that no line becomes a command that must never be called.
fn twist(line: &mut Line, dice: &mut Dice) {
    let is_container = (TABLE.find)(&line[0])
        .is_some_and(|it| matches!(it.run, Run::Container | Run::Containing(_)));
    let first = 1 + (line.len() > 1 && is_container) as usize;
    let name = line[..first].join(&b'|');
    let command = TABLE.all.iter().find(|it| it.spec.name.as_bytes().eq_ignore_ascii_case(&name));
    let tokens = command.map_or_else(Vec::new, |command| tokens_of(command.spec.args));
    for _ in 0..dice.below(4) {
        let edge = dice.pick(EDGES).as_bytes().to_vec();
        if line.len() <= first {
            line.push(edge);
            continue;
        }
        let mut place = || first + dice.below(line.len() - first);
        let (one, other) = (place(), place());
        match dice.below(8) {
            0 => line.swap(one, other),
            1 => {
                let option = line[one..line.len().min(one + 2)].to_vec();
                line.splice(other..other, option);
            }
            2 => line.truncate(one.max(other)),
            3 => line[one] = edge,
            4 if !tokens.is_empty() => line.insert(one, dice.pick(&tokens).as_bytes().to_vec()),
            5 if !tokens.is_empty() => line[one] = dice.pick(&tokens).as_bytes().to_vec(),
            6 => {
                let tail = line[one..].to_vec();
                let times = dice.below(1 + WORDS_MAX / tail.len());
                (0..times).for_each(|_| line.extend_from_slice(&tail));
            }
            _ => drop(line.remove(one)),
        }
    }
}

/// All words that a command's grammar has.
fn tokens_of(args: &[Arg]) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    for arg in args {
        if !arg.token.is_empty() {
            tokens.push(arg.token);
        }
        if let Shape::OneOf(parts) | Shape::Block(parts) = arg.shape {
            tokens.extend(tokens_of(parts));
        }
    }
    tokens
}
