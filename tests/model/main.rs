//! Commands that no installed peer knows, against an exact model: DELEX, DIGEST, INCREX, the
//! comparisons of SET, the newer operations of BITOP (`model.rs`, `lines.rs`); the counting of
//! unions and differences (`sets.rs`); moving many elements between lists (`lists.rs`); counting in
//! which sorted sets a member is (`zsets.rs`); deadlines of fields and members (`elements.rs`).
//!
//! Elsewhere a real server says what is right. For these there is only the manual, so it is
//! written down once more, independently and as plainly as can be, and the same random lines go to
//! the engine and to the model. After each, the answers and all keys have to agree.
//!
//! ```text
//! cargo test --test model               seeds that are always the same
//! SIM_FROM=new cargo test --test model  and some new ones
//! SEED=123 cargo test --test model      one run again
//! ```

mod elements;
mod lines;
mod lists;
mod model;
mod number;
mod sets;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod zsets;

use model::{Held, Model};
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Engine, Peer, SessionKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;
use support::client::{Client, encode};
use support::dice::Dice;
use support::machine::{Clock, Machine};
use support::value::{Value, command_line};

pub type Words = Vec<Vec<u8>>;

/// Some commands and a model of them.
trait Subject {
    /// A server that has just begun, speaking RESP3 or not, is made ready.
    fn new(server: &mut Server, resp3: bool) -> Self;

    /// Something to ask.
    fn line(&self, dice: &mut Dice) -> Words;

    /// What the line may be answered with.
    fn answer(&mut self, line: &Words) -> Vec<Value>;

    fn pass(&mut self, millis: i64);

    /// Is everything as the model has it?
    fn check(&mut self, server: &mut Server) -> Result<(), String>;
}

const KEYS: [&str; 7] = ["n1", "n2", "n3", "n4", "b1", "b2", "missing"];
const LINES: usize = 150;
const SEEDS_ALWAYS: u64 = 100;
const SEEDS_NEW: u64 = 100;

/// Values and their XXH3 as the reference library has it, for each of its ways to hash a length.
const DIGESTS: [(&[u8], usize, &str); 14] = [
    (b"", 1, "2d06800538d394c2"),
    (b"v8", 1, "0cc76dbb41381419"),
    (b"123", 1, "404a763b3f4c8c9a"),
    (b"\x00\xff\x80", 1, "2682fcb65dac5d83"),
    (b"hello", 1, "9555e8555c62dcfd"),
    (b"Hello world", 1, "b6acb9d84a38ff74"),
    (b"ab", 4, "176356ecbabb0fcf"),
    (b"ab", 8, "1405803c86ab1295"),
    (b"ab", 60, "523313528a4a0256"),
    (b"ab", 64, "fedbb99f86065dd6"),
    (b"ab", 115, "4b59299bdaf49b00"),
    (b"ab", 120, "1290c0bcd308074a"),
    (b"ab", 200, "c65c4389cd4db08d"),
    (b"ab", 1024, "96dbdbfe1f628db6"),
];

#[test]
fn strings_agree_with_the_manual() {
    play_all::<Model>();
}

#[test]
fn sets_agree_with_the_manual() {
    play_all::<sets::Sets>();
}

#[test]
fn lists_agree_with_the_manual() {
    play_all::<lists::Lists>();
}

#[test]
fn streams_agree_with_the_manual() {
    play_all::<streams::Streams>();
}

#[test]
fn sorted_sets_agree_with_the_manual() {
    play_all::<zsets::SortedSets>();
}

#[test]
fn elements_go_when_they_should() {
    play_all::<elements::Mortals>();
}

fn play_all<S: Subject>() {
    if let Ok(seed) = std::env::var("SEED") {
        return play::<S>(seed.parse().expect("SEED is a number"), true);
    }
    let wanted = std::env::var("SIM_FROM").is_ok_and(|from| from == "new");
    let more = if wanted { SEEDS_NEW } else { 0 };
    #[expect(clippy::disallowed_methods, reason = "new seeds have to come from somewhere")]
    let first = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Small numbers are easier to say.
    let first = first.as_nanos() as u64 % 1_000_000_000;
    for seed in (0..SEEDS_ALWAYS).chain(first..first + more) {
        play::<S>(seed, false);
    }
}

#[test]
fn digests_are_those_of_the_reference() {
    let mut server = Server::new(false);
    for (part, times, digest) in known_digests() {
        let value = part.repeat(times);
        server.ask(&[&b"SET"[..], b"k", &value]);
        assert_eq!(server.ask(&["DIGEST", "k"]), Value::bulk(digest), "{} bytes", value.len());
    }
}

fn known_digests() -> impl Iterator<Item = (&'static [u8], usize, &'static str)> {
    DIGESTS.into_iter()
}

/// One life of a server: an odd seed speaks RESP3.
fn play<S: Subject>(seed: u64, aloud: bool) {
    let mut dice = Dice::seeded(seed, 0);
    let resp3 = seed % 2 == 1;
    let mut server = Server::new(resp3);
    let mut model = S::new(&mut server, resp3);
    let mut last: VecDeque<String> = VecDeque::new();
    for _ in 0..LINES {
        if dice.percent(25) {
            let millis = dice.of_bits(1, 12);
            server.clock.pass(millis * 1000);
            model.pass(millis as i64);
            last.push_back(format!("({millis} ms pass)"));
        }
        let line = model.line(&mut dice);
        last.push_back(command_line(&line));
        if aloud {
            println!("{}", last.back().expect("it was just put there"));
        }
        while last.len() > 12 {
            last.pop_front();
        }
        if let Err(what) = step(&mut server, &mut model, &line) {
            let last: Vec<String> = last.into();
            panic!("SEED={seed}, after\n  {}\n{what}", last.join("\n  "));
        }
    }
}

fn step<S: Subject>(server: &mut Server, model: &mut S, line: &Words) -> Result<(), String> {
    let expected = model.answer(line);
    let answer = server.ask(line);
    if !expected.contains(&answer) {
        let expected: Vec<String> = expected.iter().map(Value::to_string).collect();
        return Err(format!(
            "is answered\n{answer}\nwhere the manual says\n{}",
            expected.join("\nor\n")
        ));
    }
    model.check(server)
}

impl Subject for Model {
    fn new(server: &mut Server, resp3: bool) -> Model {
        Model {
            keys: BTreeMap::new(),
            digests: known_digests()
                .map(|(part, times, digest)| (part.repeat(times), digest.into()))
                .collect(),
            resp3,
            now: server.clock.now().wall().0,
        }
    }

    fn line(&self, dice: &mut Dice) -> Words {
        lines::line(dice, self)
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        self.answers(line)
    }

    fn pass(&mut self, millis: i64) {
        self.now += millis;
        let now = self.now;
        self.keys.retain(|_, held: &mut Held| held.deadline.is_none_or(|deadline| deadline > now));
    }

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        // A spoiled line may also have made a key that the others never name.
        let held = self.keys.keys().cloned();
        let keys: BTreeSet<Vec<u8>> =
            KEYS.map(|key| key.as_bytes().to_vec()).into_iter().chain(held).collect();
        for key in keys.iter().map(Vec::as_slice) {
            let (value, pttl) = (server.ask(&[&b"GET"[..], key]), server.ask(&[&b"PTTL"[..], key]));
            let (is, should) = ((value.clone(), pttl), (self.get(key), self.pttl(key)));
            if is != should {
                let key = String::from_utf8_lossy(key);
                return Err(format!(
                    "{key} is {} with {}, and should be {} with {}",
                    is.0, is.1, should.0, should.1
                ));
            }
            if let Some(value) = value.text() {
                learn(self, value, server.ask(&[&b"DIGEST"[..], key]))?;
            }
        }
        Ok(())
    }
}

/// A digest is a function of the value, and no two values that are met here share one.
fn learn(model: &mut Model, value: &[u8], digest: Value) -> Result<(), String> {
    let Value::Bulk(digest) = digest else { return Err(format!("{digest} is no digest")) };
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let shared = model.digests.iter().any(|(other, it)| *it == digest && other != value);
    let known = model.digests.entry(value.to_vec()).or_insert_with(|| digest.clone());
    if *known != digest || shared || digest.len() != 16 || !digest.iter().all(hex) {
        return Err(format!("{} is a wrong digest", String::from_utf8_lossy(&digest)));
    }
    Ok(())
}

struct Server {
    clock: Clock,
    engine: Engine,
    who: SessionKey,
}

impl Server {
    fn new(resp3: bool) -> Server {
        let clock = Clock::new();
        let machine = Box::new(Machine::new(clock.clone()));
        let mut engine = Engine::new(Config::default(), TABLE, machine, 7);
        let peer = Peer {
            addr: "127.0.0.1:50001".into(),
            laddr: "127.0.0.1:6379".into(),
            ip: None,
            fd: 8,
            unix: false,
            loopback: true,
        };
        let who = engine.connect(peer, clock.now());
        let mut server = Server { clock, engine, who };
        if resp3 {
            server.ask(&["HELLO", "3"]);
        }
        server
    }

    fn ask<A: AsRef<[u8]>>(&mut self, line: &[A]) -> Value {
        let (mut frame, mut answers) = (Vec::new(), Vec::new());
        encode(line, &mut frame);
        self.engine.receive(self.who, &frame, &mut answers, self.clock.now());
        let mut values = Client::replies(answers).expect("an answer is well formed");
        assert_eq!(values.len(), 1, "{} has one answer", command_line(line));
        values.remove(0)
    }
}
