//! An engine, its client, and the times of its steps.

use crate::machine::{Clock, Machine};
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Engine, Peer, SessionKey};
use russet::server::free::{Freer, PENDING_FREES};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const SEED: u64 = 5;

/// The times of the same steps in some rounds, in nanoseconds.
#[derive(Default)]
pub struct Steps {
    shortest: Vec<u32>,
    at: usize,
    /// The longest of each round.
    longest: Vec<u32>,
}

impl Steps {
    /// Another round begins.
    pub fn begin(&mut self) {
        self.at = 0;
        self.longest.push(0);
    }

    fn record(&mut self, time: Duration) {
        let nanos = u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        match self.shortest.get_mut(self.at) {
            Some(shortest) => *shortest = nanos.min(*shortest),
            None => self.shortest.push(nanos),
        }
        self.at += 1;
        if let Some(longest) = self.longest.last_mut() {
            *longest = nanos.max(*longest);
        }
    }

    /// In microseconds.
    pub fn longest(&self) -> u32 {
        self.shortest.iter().max().map_or(0, |nanos| nanos / 1000)
    }

    /// What was seen in each round, the machine's pauses included.
    pub fn seen(&self) -> String {
        let where_is = self.shortest.iter().enumerate().max_by_key(|(_, nanos)| **nanos);
        let rounds: Vec<String> =
            self.longest.iter().map(|nanos| (nanos / 1000).to_string()).collect();
        format!("(step {}; rounds {})", where_is.map_or(0, |(at, _)| at), rounds.join(" "))
    }
}

pub struct Scene {
    engine: Engine,
    who: SessionKey,
    clock: Clock,
    freer: Freer,
    answers: Vec<u8>,
}

impl Scene {
    pub fn new() -> Scene {
        let clock = Clock::new();
        let machine = Machine::new(clock.clone());
        let mut engine = Engine::new(Config::default(), TABLE, Box::new(machine), SEED);
        let peer = Peer { loopback: true, ..Peer::default() };
        let who = engine.connect(peer, clock.now());
        Scene { engine, who, clock, freer: Freer::default(), answers: Vec::new() }
    }

    /// Runs a command for each number; it takes the place of `#` in a word, and a score that has
    /// nothing to do with it the place of `@`.
    pub fn each(&mut self, words: &[&str], count: usize, steps: &mut Steps) {
        steps.begin();
        let words: Vec<String> =
            words.iter().map(|word| word.replace('#', NUMBER).replace('@', SCORE)).collect();
        let mut frame = frame(&words);
        let places = |what: &str| -> Vec<usize> {
            let windows = frame.windows(what.len()).enumerate();
            windows.filter(|(_, bytes)| *bytes == what.as_bytes()).map(|(at, _)| at).collect()
        };
        let (numbers, scores) = (places(NUMBER), places(SCORE));
        for number in 0..count {
            for at in &numbers {
                write(&mut frame[*at..*at + NUMBER.len()], number as u64);
            }
            for at in &scores {
                let score = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34;
                write(&mut frame[*at..*at + SCORE.len()], score);
            }
            self.run(&frame, Some(steps));
        }
    }

    /// Runs a command and takes its time.
    pub fn step(&mut self, words: &[&str], steps: &mut Steps) {
        if words == [LATER] {
            self.clock.pass(10_000);
            let now = self.clock.now();
            let begun = Instant::now();
            self.engine.sweep(now);
            self.leave();
            return steps.record(begun.elapsed());
        }
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        self.run(&frame(&words), Some(steps));
        self.wait_for_freer();
    }

    /// Runs a command of which nobody asks how long it takes.
    pub fn quietly(&mut self, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        self.run(&frame(&words), None);
        self.wait_for_freer();
    }

    pub fn begin_snapshot(&mut self, steps: &mut Steps) {
        let begun = Instant::now();
        self.engine.keyspace.begin_walk();
        steps.record(begun.elapsed());
    }

    /// A slice of the snapshot; says whether there are more.
    pub fn slice(&mut self, most: usize, steps: &mut Steps) -> bool {
        let begun = Instant::now();
        self.engine.keyspace.walk(most);
        let pieces = self.engine.keyspace.take_pieces();
        self.engine.follow_removals();
        self.leave();
        steps.record(begun.elapsed());
        // That is another thread's work.
        drop(pieces);
        self.wait_for_freer();
        self.engine.keyspace.is_walking()
    }

    fn run(&mut self, frame: &[u8], steps: Option<&mut Steps>) {
        self.answers.clear();
        let now = self.clock.now();
        let begun = Instant::now();
        self.engine.receive(self.who, frame, &mut self.answers, now);
        self.leave();
        let time = begun.elapsed();
        let answer = String::from_utf8_lossy(&self.answers[..self.answers.len().min(100)]);
        assert!(!answer.is_empty() && !answer.starts_with('-'), "{answer}");
        if let Some(steps) = steps {
            steps.record(time);
        }
    }

    /// What the door does behind a step.
    fn leave(&mut self) {
        if !self.engine.trash.is_empty() {
            self.freer.free(std::mem::take(&mut self.engine.trash));
        }
    }

    fn wait_for_freer(&self) {
        while PENDING_FREES.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// In place of a command: the sweep, when something has fallen due.
pub const LATER: &str = "(later)";

const NUMBER: &str = "NNNNNNNNNN";
const SCORE: &str = "SSSSSSSSSS";

fn frame(words: &[String]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        frame.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    frame
}

fn write(room: &mut [u8], mut number: u64) {
    for place in room.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
