//! Subscribers against an exact model: clients subscribe, publish, end each other and read slowly,
//! all at random, and every byte that any of them is sent must be the one that is expected, in
//! order.
//!
//! Nothing but pub/sub happens here, so the model can say the whole of what each client hears.

use crate::support::client::encode;
use crate::support::dice::Dice;
use crate::support::machine::{Clock, Machine, sent};
use russet::base::glob;
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Closing, Engine, Outbox, Peer, SessionKey};
use russet::resp::Proto;
use std::collections::BTreeSet;

const NAMES: &[&str] = &["a", "ab", "b", "", "*", "a*", "?", "[ab]*"];
/// Mostly, answers are heard.
const MODES: &[&str] = &["ON", "ON", "ON", "OFF", "SKIP"];
const LISTENERS_MAX: usize = 7;
/// Of a batch, and of a transaction: what one client is told at once stays below the limit of its
/// outbox, so that only what it does not read counts.
const COMMANDS_MAX: usize = 5;
const MESSAGE_BYTES_MAX: usize = 600;
const OUTBOX_BYTES_MAX: usize = 40_000;

#[derive(Clone, Debug)]
enum Command {
    /// A kind of names (channels, patterns, shard channels), and names.
    Subscribe(usize, Vec<&'static str>),
    Unsubscribe(usize, Vec<&'static str>),
    Publish(&'static str, Vec<u8>),
    ShardPublish(&'static str, Vec<u8>),
    NumSub(&'static str),
    Channels,
    NumPat,
    Ping,
    Multi,
    Exec,
    Discard,
    Reset,
    Reply(&'static str),
    KillId(u64),
    KillSubscribers,
}

const PATTERNS: usize = 1;
const SHARDS: usize = 2;
const VERBS: [&str; 3] = ["subscribe", "psubscribe", "ssubscribe"];
const ANTIVERBS: [&str; 3] = ["unsubscribe", "punsubscribe", "sunsubscribe"];

/// Whose answers are heard, as the model keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Silence {
    None,
    Off,
    Next,
    This,
}

struct Listener {
    who: SessionKey,
    id: u64,
    resp3: bool,
    names: [BTreeSet<&'static str>; 3],
    queued: Option<Vec<Command>>,
    silence: Silence,
    ended: bool,
    expected: Vec<u8>,
    heard: Vec<u8>,
    /// How much of it has been read at the other end.
    read: usize,
}

/// What a request makes a client hear: the answer, and what comes behind it.
#[derive(Default)]
struct Told {
    answer: Vec<u8>,
    behind: Vec<u8>,
}

struct Audience {
    clock: Clock,
    engine: Engine,
    listeners: Vec<Listener>,
    /// How often of a hundred events somebody reads.
    reads_percent: usize,
}

pub fn play(dice: &mut Dice) -> Result<(), String> {
    let clock = Clock::new();
    let mut config = Config::default();
    config.client_output_buffer_limit.pubsub.hard = OUTBOX_BYTES_MAX as u64;
    let engine = Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), dice.next());
    let mut audience =
        Audience { clock, engine, listeners: Vec::new(), reads_percent: *dice.pick(&[1, 10, 20]) };
    for _ in 0..100 + dice.below(600) {
        audience.event(dice)?;
    }
    audience.wind_up()
}

impl Audience {
    fn event(&mut self, dice: &mut Dice) -> Result<(), String> {
        if self.listeners.is_empty() || (self.listeners.len() < LISTENERS_MAX && dice.percent(10)) {
            self.come(dice.percent(50));
            return Ok(());
        }
        let at = dice.below(self.listeners.len());
        match dice.below(100) {
            0 if dice.percent(30) => self.go(at)?,
            event if event <= self.reads_percent => self.read(at),
            event if event <= 2 * self.reads_percent => self.take_mail(at),
            _ => self.talk(at, dice)?,
        }
        self.look()
    }

    fn come(&mut self, resp3: bool) {
        let peer = Peer { addr: "127.0.0.1:50000".into(), ..Peer::default() };
        let who = self.engine.connect(peer, self.clock.now());
        let session = &mut self.engine.sessions[who];
        session.proto = if resp3 { Proto::Resp3 } else { Proto::Resp2 };
        let id = session.id;
        self.listeners.push(Listener {
            who,
            id,
            resp3,
            names: Default::default(),
            queued: None,
            silence: Silence::None,
            ended: false,
            expected: Vec::new(),
            heard: Vec::new(),
            read: 0,
        });
    }

    fn go(&mut self, at: usize) -> Result<(), String> {
        let gone = self.listeners.swap_remove(at);
        self.engine.disconnect(gone.who);
        Ok(())
    }

    fn talk(&mut self, at: usize, dice: &mut Dice) -> Result<(), String> {
        if self.listeners[at].ended {
            return Ok(());
        }
        let mut frame = Vec::new();
        let before = self.listeners[at].expected.len();
        for _ in 0..1 + dice.below(COMMANDS_MAX) {
            let command = self.command(at, dice);
            encode(&words(&command), &mut frame);
            self.request(at, command);
        }
        let who = self.listeners[at].who;
        let mut answers = Vec::new();
        let waits = self.engine.sessions[who].unread() > 0;
        self.engine.receive(who, &frame, &mut answers, self.clock.now());
        let listener = &mut self.listeners[at];
        if !waits {
            listener.heard.extend(answers);
            listener.read = listener.heard.len();
        } else if !answers.is_empty() {
            return Err("an answer overtakes what is unread".into());
        } else if listener.expected.len() > before {
            self.bound(at);
        }
        Ok(())
    }

    fn command(&self, at: usize, dice: &mut Dice) -> Command {
        let listener = &self.listeners[at];
        let space = dice.below(3);
        let names = |least: usize, dice: &mut Dice| {
            (0..least + dice.below(3)).map(|_| name(dice)).collect()
        };
        // Around the length from which a message is held by reference.
        let length = match dice.below(3) {
            0 => dice.below(20),
            1 => 200 + dice.below(60),
            _ => dice.below(MESSAGE_BYTES_MAX),
        };
        let message = vec![b'a' + dice.below(26) as u8; length];
        match (dice.below(100), &listener.queued) {
            (_, Some(queued)) if queued.len() >= COMMANDS_MAX => Command::Exec,
            (0..30, _) => Command::Publish(name(dice), message),
            (30..40, _) => Command::ShardPublish(name(dice), message),
            (40..60, _) => Command::Subscribe(space, names(1, dice)),
            (60..70, _) => Command::Unsubscribe(space, names(0, dice)),
            (70..75, _) => Command::Ping,
            (75..78, _) => Command::NumSub(name(dice)),
            (78..80, _) => Command::Channels,
            (80..82, _) => Command::NumPat,
            (82..86, None) => Command::Multi,
            (82..88, Some(_)) => Command::Exec,
            (88..89, _) => Command::Discard,
            (89, _) if dice.percent(30) => Command::Reset,
            (91..97, None) => Command::Reply(MODES[dice.below(MODES.len())]),
            (97, _) if dice.percent(20) => Command::KillId(dice.pick(&self.listeners).id),
            (98, _) if dice.percent(10) => Command::KillSubscribers,
            _ => Command::Ping,
        }
    }

    /// The model of one request.
    fn request(&mut self, at: usize, command: Command) {
        let mut told = Told::default();
        let listener = &mut self.listeners[at];
        let at_once =
            matches!(command, Command::Multi | Command::Exec | Command::Discard | Command::Reset);
        if listener.only_listens() && !is_for_listeners(&command) {
            let name = row_name(&command);
            told.answer = error(&format!(
                "Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context"
            ));
        } else if let Some(queued) = &mut listener.queued
            && !at_once
        {
            queued.push(command);
            told.answer = b"+QUEUED\r\n".to_vec();
        } else {
            self.run(at, command, false, &mut told);
        }
        let listener = &mut self.listeners[at];
        match listener.silence {
            Silence::None => listener.expected.extend(told.answer),
            Silence::Off => (),
            Silence::Next => listener.silence = Silence::This,
            Silence::This => listener.silence = Silence::None,
        }
        listener.expected.extend(told.behind);
    }

    fn run(&mut self, at: usize, command: Command, in_exec: bool, told: &mut Told) {
        let listener = &mut self.listeners[at];
        match command {
            Command::Subscribe(SHARDS, _) if in_exec => {
                let why = "SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
                told.answer.extend(error(why));
            }
            Command::Subscribe(space, names) => {
                for name in names {
                    listener.names[space].insert(name);
                    listener.confirm(VERBS[space], space, Some(name), told);
                }
            }
            Command::Unsubscribe(space, names) => {
                let names = match names.is_empty() {
                    true => listener.names[space].iter().copied().collect(),
                    false => names,
                };
                if names.is_empty() {
                    listener.confirm(ANTIVERBS[space], space, None, told);
                }
                for name in names {
                    listener.names[space].remove(name);
                    listener.confirm(ANTIVERBS[space], space, Some(name), told);
                }
            }
            Command::Publish(channel, message) => {
                let mut receivers = self.send(at, 0, channel, channel, &message, told);
                let all: BTreeSet<&str> = self
                    .listeners
                    .iter()
                    .flat_map(|it| it.names[PATTERNS].iter().copied())
                    .collect();
                for pattern in all {
                    if glob::matches(pattern.as_bytes(), channel.as_bytes(), false) {
                        receivers += self.send(at, PATTERNS, pattern, channel, &message, told);
                    }
                }
                told.answer.extend(format!(":{receivers}\r\n").bytes());
            }
            Command::ShardPublish(channel, message) => {
                let receivers = self.send(at, SHARDS, channel, channel, &message, told);
                told.answer.extend(format!(":{receivers}\r\n").bytes());
            }
            Command::NumSub(name) => {
                let count = self.listeners.iter().filter(|it| it.names[0].contains(name)).count();
                told.answer.extend(b"*2\r\n");
                told.answer.extend(bulk(name.as_bytes()));
                told.answer.extend(format!(":{count}\r\n").bytes());
            }
            Command::Channels => {
                let all: BTreeSet<&str> =
                    self.listeners.iter().flat_map(|it| it.names[0].iter().copied()).collect();
                told.answer.extend(format!("*{}\r\n", all.len()).bytes());
                all.iter().for_each(|name| told.answer.extend(bulk(name.as_bytes())));
            }
            Command::NumPat => {
                let all: BTreeSet<&str> = self
                    .listeners
                    .iter()
                    .flat_map(|it| it.names[PATTERNS].iter().copied())
                    .collect();
                told.answer.extend(format!(":{}\r\n", all.len()).bytes());
            }
            Command::Ping if listener.only_listens() => {
                told.answer.extend(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
            }
            Command::Ping => told.answer.extend(b"+PONG\r\n"),
            Command::Multi if listener.queued.is_some() => {
                told.answer.extend(error("MULTI calls can not be nested"));
            }
            Command::Multi => {
                listener.queued = Some(Vec::new());
                told.answer.extend(b"+OK\r\n");
            }
            Command::Exec => match listener.queued.take() {
                None => told.answer.extend(error("EXEC without MULTI")),
                Some(queued) => {
                    told.answer.extend(format!("*{}\r\n", queued.len()).bytes());
                    queued.into_iter().for_each(|command| self.run(at, command, true, told));
                }
            },
            Command::Discard => match listener.queued.take() {
                None => told.answer.extend(error("DISCARD without MULTI")),
                Some(_) => told.answer.extend(b"+OK\r\n"),
            },
            Command::Reset => {
                listener.resp3 = false;
                listener.names = Default::default();
                listener.queued = None;
                if listener.silence != Silence::This {
                    listener.silence = Silence::None;
                }
                told.answer.extend(b"+RESET\r\n");
            }
            Command::Reply("ON") => {
                listener.silence = Silence::None;
                told.answer.extend(b"+OK\r\n");
            }
            Command::Reply("OFF") => listener.silence = Silence::Off,
            Command::Reply(_) if listener.silence == Silence::Off => (),
            Command::Reply(_) => listener.silence = Silence::Next,
            Command::KillId(id) => {
                let me = listener.id;
                let mut doomed = self.listeners.iter_mut().filter(|it| it.id == id && id != me);
                let killed = doomed.next().is_some_and(Listener::end);
                told.answer.extend(format!(":{}\r\n", killed as u8).bytes());
            }
            Command::KillSubscribers => {
                let me = listener.id;
                let doomed = self.listeners.iter_mut().filter(|it| it.listens() && it.id != me);
                let killed = doomed.map(|it| it.end() as usize).sum::<usize>();
                told.answer.extend(format!(":{killed}\r\n").bytes());
            }
        }
    }

    /// Sends a message to all who listen to a name; says how many they are.
    fn send(
        &mut self,
        from: usize,
        space: usize,
        name: &str,
        channel: &str,
        message: &[u8],
        told: &mut Told,
    ) -> usize {
        let count = self.listeners.iter().filter(|it| it.names[space].contains(name)).count();
        for at in 0..self.listeners.len() {
            if !self.listeners[at].names[space].contains(name) {
                continue;
            }
            let listener = &mut self.listeners[at];
            let place = if at == from { &mut told.behind } else { &mut listener.expected };
            place.push(if listener.resp3 { b'>' } else { b'*' });
            let words: &[&[u8]] = match space {
                0 => &[b"message", channel.as_bytes(), message],
                PATTERNS => &[b"pmessage", name.as_bytes(), channel.as_bytes(), message],
                _ => &[b"smessage", channel.as_bytes(), message],
            };
            place.extend(format!("{}\r\n", words.len()).bytes());
            words.iter().for_each(|word| place.extend(bulk(word)));
            if at != from {
                self.bound(at);
            }
        }
        count
    }

    /// Whoever leaves too much unread is ended.
    fn bound(&mut self, at: usize) {
        let listener = &mut self.listeners[at];
        if listener.listens() && listener.expected.len() - listener.read >= OUTBOX_BYTES_MAX {
            listener.end();
        }
    }

    /// The socket's owner is woken and takes what there is, unless it holds something still.
    fn take_mail(&mut self, at: usize) {
        let listener = &mut self.listeners[at];
        let session = &mut self.engine.sessions[listener.who];
        if session.closing != Closing::No || !session.mailbox.take() {
            return;
        }
        if listener.heard.len() == listener.read {
            listener.heard.extend(sent(self.engine.take_outbox(listener.who)));
        }
    }

    /// What was written is read at the other end.
    fn read(&mut self, at: usize) {
        let listener = &mut self.listeners[at];
        if listener.ended || listener.heard.len() == listener.read {
            return;
        }
        listener.read = listener.heard.len();
        self.engine.set_in_flight(listener.who, &Outbox::default(), 0);
        let session = &self.engine.sessions[listener.who];
        if !session.outbox.is_empty() {
            session.mailbox.ring();
        }
        // It may have begun to listen, and so to have a limit, since that was last looked at.
        self.bound(at);
    }

    /// Everybody hears what is expected, and the engine ends whom the model ends.
    fn look(&self) -> Result<(), String> {
        for (at, listener) in self.listeners.iter().enumerate() {
            if !listener.expected.starts_with(&listener.heard) {
                let same =
                    listener.heard.iter().zip(&listener.expected).take_while(|(a, b)| a == b);
                let from = same.count();
                let show = |bytes: &[u8]| {
                    let begun = from.saturating_sub(60).min(bytes.len());
                    bytes[begun..bytes.len().min(from + 100)].escape_ascii().to_string()
                };
                return Err(format!(
                    "listener {at} heard {} instead of {}",
                    show(&listener.heard),
                    show(&listener.expected)
                ));
            }
            let ended = self.engine.sessions[listener.who].closing == Closing::Now;
            if ended != listener.ended {
                return Err(format!("listener {at}: ended is {ended}, not {}", listener.ended));
            }
        }
        Ok(())
    }

    /// Everybody reads to the end, and then nobody has missed anything.
    fn wind_up(&mut self) -> Result<(), String> {
        for at in 0..self.listeners.len() {
            for _ in 0..3 {
                self.take_mail(at);
                self.read(at);
            }
        }
        self.look()?;
        for (at, listener) in self.listeners.iter().enumerate() {
            let missing = listener.expected.len() - listener.heard.len();
            if !listener.ended && missing > 0 {
                return Err(format!("listener {at} was not sent the last {missing} bytes"));
            }
        }
        while !self.listeners.is_empty() {
            self.go(0)?;
        }
        match self.engine.pubsub.is_empty() && !self.engine.has_subscribers() {
            true => Ok(()),
            false => Err("somebody listens, and nobody is there".into()),
        }
    }
}

impl Listener {
    fn listens(&self) -> bool {
        self.names.iter().any(|names| !names.is_empty())
    }

    fn only_listens(&self) -> bool {
        self.listens() && !self.resp3
    }

    /// Says whether it had not ended before.
    fn end(&mut self) -> bool {
        self.names = Default::default();
        !std::mem::replace(&mut self.ended, true)
    }

    fn confirm(&self, verb: &str, space: usize, name: Option<&str>, told: &mut Told) {
        let heard = matches!(self.silence, Silence::None | Silence::Next);
        let place = if heard { &mut told.answer } else { &mut told.behind };
        let count = match space {
            SHARDS => self.names[SHARDS].len(),
            _ => self.names[0].len() + self.names[PATTERNS].len(),
        };
        place.push(if self.resp3 { b'>' } else { b'*' });
        place.extend(b"3\r\n");
        place.extend(bulk(verb.as_bytes()));
        match (name, self.resp3) {
            (Some(name), _) => place.extend(bulk(name.as_bytes())),
            (None, true) => place.extend(b"_\r\n"),
            (None, false) => place.extend(b"$-1\r\n"),
        }
        place.extend(format!(":{count}\r\n").bytes());
    }
}

fn is_for_listeners(command: &Command) -> bool {
    use Command::*;
    matches!(command, Subscribe(..) | Unsubscribe(..) | Ping | Reset)
}

fn words(command: &Command) -> Vec<Vec<u8>> {
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    match command {
        Command::Subscribe(space, names) => words(&[&[VERBS[*space]], &names[..]].concat()),
        Command::Unsubscribe(space, names) => words(&[&[ANTIVERBS[*space]], &names[..]].concat()),
        Command::Publish(channel, message) => {
            vec![b"PUBLISH".to_vec(), channel.as_bytes().to_vec(), message.clone()]
        }
        Command::ShardPublish(channel, message) => {
            vec![b"SPUBLISH".to_vec(), channel.as_bytes().to_vec(), message.clone()]
        }
        Command::NumSub(name) => words(&["PUBSUB", "NUMSUB", name]),
        Command::Channels => words(&["PUBSUB", "CHANNELS"]),
        Command::NumPat => words(&["PUBSUB", "NUMPAT"]),
        Command::Ping => words(&["PING"]),
        Command::Multi => words(&["MULTI"]),
        Command::Exec => words(&["EXEC"]),
        Command::Discard => words(&["DISCARD"]),
        Command::Reset => words(&["RESET"]),
        Command::Reply(mode) => words(&["CLIENT", "REPLY", mode]),
        Command::KillId(id) => words(&["CLIENT", "KILL", "ID", &id.to_string()]),
        Command::KillSubscribers => words(&["CLIENT", "KILL", "TYPE", "pubsub"]),
    }
}

/// The command as an error calls it.
fn row_name(command: &Command) -> String {
    let words = words(command);
    let count = if matches!(words[0].as_slice(), b"PUBSUB" | b"CLIENT") { 2 } else { 1 };
    let name = words[..count].join(&b'|');
    String::from_utf8_lossy(&name).to_lowercase()
}

fn name(dice: &mut Dice) -> &'static str {
    NAMES[dice.below(NAMES.len())]
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn error(text: &str) -> Vec<u8> {
    format!("-ERR {text}\r\n").into_bytes()
}
