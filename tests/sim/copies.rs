//! Client-side caching against its purpose: clients keep copies of what they read, and drop what they
//! are told is stale. When everything that was sent has been heard, no copy may differ from what the
//! server has.
//!
//! The clients track in all modes, read, write, wait for lists, queue and swap, with deadlines and a
//! bound on what is remembered. Pushes are taken in the order in which they come between the answers.

use crate::support::client::{Client, encode};
use crate::support::dice::Dice;
use crate::support::machine::{Clock, Machine, sent};
use crate::support::value::Value;
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Closing, Engine, Outbox, Peer, SessionKey};
use std::collections::{BTreeMap, VecDeque};

const TEXTS: &[&str] = &["k1", "k2", "k22", "a"];
const LISTS: &[&str] = &["l1", "l2"];
const DATABASES: usize = 2;
const CLIENTS_MAX: usize = 6;
const COMMANDS_MAX: usize = 5;
/// No two of one set begin a key both.
const PREFIXES: &[&[&str]] = &[&[], &["k"], &["k1", "k2", "l"], &["l1", "a"]];

type Name = &'static str;
/// What is at a key: the bytes of a string, or the elements of a list; nothing if nothing is there.
type Content = Vec<Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Off,
    Reads,
    OptIn,
    OptOut,
    Broadcast(&'static [&'static str]),
}

/// What the answer to a request is to a client.
#[derive(Clone, Debug)]
enum Asked {
    Nothing,
    /// A copy, if it may be kept.
    Read {
        db: usize,
        key: Name,
        is_kept: bool,
    },
    /// It knows itself that its copies of these are stale.
    Write(Vec<Name>),
    /// It keeps no copies from here on, or begins anew.
    Off,
    /// … and is told of changes in another way.
    On {
        no_loop: bool,
        redirect: Option<u64>,
    },
    All(Vec<Asked>),
}

struct Reader {
    who: SessionKey,
    id: u64,
    /// As it will be when everything that was said has run.
    db: usize,
    mode: Mode,
    /// As it is now, as far as it knows.
    is_told: bool,
    no_loop: bool,
    /// The id of the client that hears for it.
    redirect: Option<u64>,
    copies: BTreeMap<(usize, Name), Content>,
    asked: VecDeque<Asked>,
}

struct Library {
    clock: Clock,
    engine: Engine,
    readers: Vec<Reader>,
}

pub fn play(dice: &mut Dice) -> Result<(), String> {
    let clock = Clock::new();
    let mut config = Config::default();
    config.tracking_table_max_keys = *dice.pick(&[0, 1, 3, 1_000_000]);
    let engine = Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), dice.next());
    let mut library = Library { clock, engine, readers: Vec::new() };
    for _ in 0..100 + dice.below(400) {
        library.event(dice)?;
    }
    Ok(())
}

impl Library {
    fn event(&mut self, dice: &mut Dice) -> Result<(), String> {
        let few = self.readers.len() < 2;
        if few || (self.readers.len() < CLIENTS_MAX && dice.percent(5)) {
            return self.come();
        }
        let at = dice.below(self.readers.len());
        match dice.below(100) {
            0 => {
                let gone = self.readers.swap_remove(at);
                self.engine.disconnect(gone.who);
            }
            1..5 => self.clock.pass(dice.of_bits(10, 22)),
            _ => self.talk(at, dice)?,
        }
        self.deliver()?;
        // What is due is removed at its time.
        let now = self.clock.now();
        self.engine.time_out(now);
        self.engine.tick(now);
        while self.engine.sweep(now) {}
        self.deliver()?;
        self.compare()
    }

    fn come(&mut self) -> Result<(), String> {
        let who = self.engine.connect(Peer::default(), self.clock.now());
        let id = self.engine.sessions[who].id;
        self.readers.push(Reader {
            who,
            id,
            db: 0,
            mode: Mode::Off,
            is_told: false,
            no_loop: false,
            redirect: None,
            copies: BTreeMap::new(),
            asked: VecDeque::from([Asked::Nothing]),
        });
        let mut frame = Vec::new();
        encode(&["HELLO", "3"], &mut frame);
        self.receive(self.readers.len() - 1, &frame)
    }

    fn talk(&mut self, at: usize, dice: &mut Dice) -> Result<(), String> {
        let mut frame = Vec::new();
        let is_queued = dice.percent(15);
        if is_queued {
            if self.readers[at].mode == Mode::OptIn && dice.percent(70) {
                self.say(at, &["CLIENT", "CACHING", "YES"], Asked::Nothing, &mut frame);
            }
            self.say(at, &["MULTI"], Asked::Nothing, &mut frame);
        }
        // What CLIENT CACHING says ahead of a transaction is true of all of it.
        let is_announced = frame.windows(7).any(|bytes| bytes == b"CACHING");
        let mut all = Vec::new();
        for _ in 0..1 + dice.below(COMMANDS_MAX) {
            if is_queued {
                let (words, asked) = self.command(at, is_announced, dice);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.say(at, &words, Asked::Nothing, &mut frame);
                all.push(asked);
            } else {
                self.request(at, dice, &mut frame);
            }
        }
        if is_queued {
            self.say(at, &["EXEC"], Asked::All(all), &mut frame);
        }
        self.receive(at, &frame)
    }

    /// A request by itself, which may change how the client tracks.
    fn request(&mut self, at: usize, dice: &mut Dice, frame: &mut Vec<u8>) {
        let mut is_announced = false;
        match dice.below(20) {
            0 => return self.change_mode(at, dice, frame),
            1 if dice.percent(20) => {
                let reader = &mut self.readers[at];
                (reader.mode, reader.db) = (Mode::Off, 0);
                self.say(at, &["RESET"], Asked::Off, frame);
                return self.say(at, &["HELLO", "3"], Asked::Nothing, frame);
            }
            2 => {
                let db = dice.below(DATABASES);
                self.readers[at].db = db;
                return self.say(at, &["SELECT", &db.to_string()], Asked::Nothing, frame);
            }
            3..8 => match self.readers[at].mode {
                Mode::OptIn => {
                    is_announced = true;
                    self.say(at, &["CLIENT", "CACHING", "YES"], Asked::Nothing, frame);
                }
                Mode::OptOut => {
                    is_announced = true;
                    self.say(at, &["CLIENT", "CACHING", "NO"], Asked::Nothing, frame);
                }
                _ => (),
            },
            8 => {
                let (from, to) = (*dice.pick(LISTS), *dice.pick(LISTS));
                let words = ["BLMOVE", from, to, "LEFT", "RIGHT", "0.5"];
                return self.say(at, &words, Asked::Write(vec![from, to]), frame);
            }
            _ => (),
        }
        let (words, asked) = self.command(at, is_announced, dice);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.say(at, &words, asked, frame);
    }

    fn change_mode(&mut self, at: usize, dice: &mut Dice, frame: &mut Vec<u8>) {
        let redirect = dice.percent(30).then(|| dice.pick(&self.readers).id);
        let prefixes = *dice.pick(PREFIXES);
        let reader = &mut self.readers[at];
        reader.mode = match dice.below(6) {
            0 => Mode::Off,
            1 | 2 => Mode::Reads,
            3 => Mode::OptIn,
            4 => Mode::OptOut,
            _ => Mode::Broadcast(prefixes),
        };
        let no_loop = dice.percent(30);
        let mut words = vec!["CLIENT", "TRACKING", "ON"];
        match reader.mode {
            Mode::OptIn => words.push("OPTIN"),
            Mode::OptOut => words.push("OPTOUT"),
            Mode::Broadcast(prefixes) => {
                words.push("BCAST");
                prefixes.iter().for_each(|prefix| words.extend(["PREFIX", prefix]));
            }
            _ => (),
        }
        if no_loop {
            words.push("NOLOOP");
        }
        let id = redirect.unwrap_or_default().to_string();
        if redirect.is_some() {
            words.extend(["REDIRECT", &id]);
        }
        let is_on = reader.mode != Mode::Off;
        self.say(at, &["CLIENT", "TRACKING", "OFF"], Asked::Off, frame);
        if is_on {
            self.say(at, &words, Asked::On { no_loop, redirect }, frame);
        }
    }

    fn command(&self, at: usize, is_announced: bool, dice: &mut Dice) -> (Vec<String>, Asked) {
        let reader = &self.readers[at];
        let (text, other, list) = (*dice.pick(TEXTS), *dice.pick(TEXTS), *dice.pick(LISTS));
        let number = dice.below(1000).to_string();
        let read = |key: Name| {
            let is_kept = match reader.mode {
                Mode::Off => false,
                Mode::Reads => true,
                Mode::OptIn => is_announced,
                Mode::OptOut => !is_announced,
                Mode::Broadcast(prefixes) => {
                    prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix))
                }
            };
            Asked::Read { db: reader.db, key, is_kept }
        };
        let script = |script: &str, rest: &[&str]| {
            ["EVAL", script, "1"].iter().chain(rest).map(|word| word.to_string()).collect()
        };
        let (line, asked) = match dice.below(33) {
            // What a script reads and changes is read and changed by whoever sent it.
            30 | 31 => {
                return (script("return redis.call('GET', KEYS[1])", &[text]), read(text));
            }
            32 => {
                let words = script("redis.call('SET', KEYS[1], ARGV[1])", &[text, &number]);
                return (words, Asked::Write(vec![text]));
            }
            0..10 => (format!("GET {text}"), read(text)),
            10..13 => (format!("LRANGE {list} 0 -1"), read(list)),
            13..16 => (format!("SET {text} {number}"), Asked::Write(vec![text])),
            16 => (format!("SET {text} {number} PX 300"), Asked::Write(vec![text])),
            17 => (format!("PEXPIRE {text} {number}"), Asked::Write(vec![text])),
            18 => (format!("APPEND {text} {number}"), Asked::Write(vec![text])),
            19 => (format!("DEL {text} {list}"), Asked::Write(vec![text, list])),
            20 => (format!("RENAME {text} {other}"), Asked::Write(vec![text, other])),
            21 => (format!("COPY {text} {other} REPLACE"), Asked::Write(vec![other])),
            22 => (format!("MSET {text} 1 {other} 2"), Asked::Write(vec![text, other])),
            23..26 => (format!("RPUSH {list} {number}"), Asked::Write(vec![list])),
            26 => (format!("LPOP {list}"), Asked::Write(vec![list])),
            27 => (format!("MOVE {text} {}", 1 - reader.db), Asked::Write(vec![text])),
            28 => (dice.pick(&["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"]).to_string(), Asked::Nothing),
            _ => (format!("GETEX {text} PX {number}"), Asked::Write(vec![text])),
        };
        (line.split(' ').map(String::from).collect(), asked)
    }

    fn say(&mut self, at: usize, words: &[&str], asked: Asked, frame: &mut Vec<u8>) {
        encode(words, frame);
        self.readers[at].asked.push_back(asked);
    }

    fn receive(&mut self, at: usize, frame: &[u8]) -> Result<(), String> {
        let mut answers = Vec::new();
        let who = self.readers[at].who;
        self.engine.receive(who, frame, &mut answers, self.clock.now());
        self.hear(at, answers)
    }

    /// Carries everything there is to whom it is for.
    fn deliver(&mut self) -> Result<(), String> {
        let mut rang = true;
        while rang {
            rang = false;
            for at in 0..self.readers.len() {
                let who = self.readers[at].who;
                while self.engine.sessions[who].mailbox.take() {
                    rang = true;
                    let outbox = sent(self.engine.take_outbox(who));
                    self.engine.set_in_flight(who, &Outbox::default(), 0);
                    self.hear(at, outbox)?;
                    let mut answers = Vec::new();
                    self.engine.resume(who, &mut answers, self.clock.now());
                    self.hear(at, answers)?;
                }
                if self.engine.sessions[who].closing != Closing::No {
                    return Err("a connection is ended that nobody wanted to end".into());
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, at: usize, bytes: Vec<u8>) -> Result<(), String> {
        for value in Client::replies(bytes).map_err(|why| why.to_string())? {
            match value {
                Value::Push(words) => self.hear_push(at, &words)?,
                answer => {
                    let reader = &mut self.readers[at];
                    let asked = reader.asked.pop_front().ok_or("an answer to nothing")?;
                    reader.learn(asked, &answer);
                }
            }
        }
        Ok(())
    }

    fn hear_push(&mut self, at: usize, words: &[Value]) -> Result<(), String> {
        let id = self.readers[at].id;
        match words {
            [verb, what] if verb.text() == Some(b"invalidate") => {
                let stale: Option<Vec<&[u8]>> = what
                    .items()
                    .map(|keys| keys.iter().map(|key| key.text().unwrap_or_default()).collect());
                for reader in &mut self.readers {
                    let is_stale = |key: &str| {
                        stale.as_ref().is_none_or(|keys| keys.contains(&key.as_bytes()))
                    };
                    let hears_for_it = reader.redirect.unwrap_or(reader.id);
                    if hears_for_it == id {
                        reader.copies.retain(|(_, key), _| !is_stale(key));
                    }
                    // Between two connections there is no order: what is being read may be meant.
                    if hears_for_it == id && id != reader.id {
                        reader.asked.iter_mut().for_each(|asked| asked.distrust(&is_stale));
                    }
                }
            }
            [verb, _] if verb.text() == Some(b"tracking-redir-broken") => {
                self.readers[at].copies.clear();
            }
            _ => return Err(format!("a push that nobody expects: {words:?}")),
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), String> {
        let keyspace = &self.engine.keyspace;
        for reader in &self.readers {
            for ((db, key), copy) in &reader.copies {
                let record = keyspace.live_records(*db).find(|it| it.key() == key.as_bytes());
                let there: Content = record
                    .map(|it| it.parts().iter().map(|part| part.to_vec()).collect())
                    .unwrap_or_default();
                if there != *copy {
                    return Err(format!(
                        "client {} ({:?}, no loop: {}, redirect: {:?}) keeps {copy:?} of {key} in \
                         database {db}, where {there:?} is",
                        reader.id, reader.mode, reader.no_loop, reader.redirect
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Asked {
    /// An answer that is under way is no copy if it is of one of these keys.
    fn distrust(&mut self, is_stale: &dyn Fn(&str) -> bool) {
        match self {
            Asked::Read { key, is_kept, .. } if is_stale(key) => *is_kept = false,
            Asked::All(all) => all.iter_mut().for_each(|asked| asked.distrust(is_stale)),
            _ => (),
        }
    }
}

impl Reader {
    fn learn(&mut self, asked: Asked, answer: &Value) {
        match asked {
            Asked::Nothing => (),
            Asked::Off => {
                self.copies.clear();
                self.is_told = false;
            }
            Asked::On { no_loop, redirect } => {
                // Whoever should have heard for it may be gone by now.
                self.is_told = !answer.is_error();
                (self.no_loop, self.redirect) = (no_loop, redirect);
            }
            // Redirected, it hears of the same change elsewhere, and at another time.
            Asked::Write(keys) if self.no_loop => {
                self.copies.retain(|(_, key), _| !keys.contains(key));
            }
            Asked::Write(_) => (),
            Asked::Read { db, key, is_kept } => {
                let content = match answer {
                    Value::Bulk(text) => vec![text.clone()],
                    Value::Null => Vec::new(),
                    Value::Array(items) => {
                        items.iter().map(|it| it.text().unwrap_or_default().to_vec()).collect()
                    }
                    // Another type is no copy.
                    _ => return,
                };
                if is_kept && self.is_told {
                    self.copies.insert((db, key), content);
                }
            }
            Asked::All(all) => {
                let answers = answer.items().unwrap_or_default();
                all.into_iter().zip(answers).for_each(|(asked, answer)| self.learn(asked, answer));
            }
        }
    }
}
