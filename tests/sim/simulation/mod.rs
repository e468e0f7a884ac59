//! A small world around one engine: clients that come, talk, dawdle and go, a clock that creeps and
//! leaps, and a second engine, the twin, that hears nothing but the log.
//!
//! The shell's part is played here: bytes are brought in pieces, outboxes are taken when the
//! mailbox rings, clients are let go when the engine has ended with them. Everything follows from
//! the dice alone.

mod audit;
mod snapshot;
mod talker;
mod walk;
mod words;

use crate::support::client::Client;
use crate::support::dice::Dice;
use crate::support::machine::{Clock, Machine, sent};
use crate::support::value::{Value, command_line};
use russet::commands::TABLE;
use russet::config::{Allowed, Config};
use russet::engine::{Closing, Engine, Outbox, Peer, SessionKey};
use russet::world::time::Now;
use snapshot::Snapshots;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use talker::{Owed, Talker};
use walk::Walk;
use words::Vocabulary;

/// What happened of late, for a person who looks into a failure; kept outside, so that it outlives
/// a panic.
pub type Trace = Rc<RefCell<VecDeque<String>>>;

/// Events that a failure shows.
const TRACE_MAX: usize = 40;
const LOG_SHOWN_MAX: usize = 2000;
const CLIENTS_MAX: usize = 6;

pub struct World {
    clock: Clock,
    engine: Engine,
    twin: Engine,
    /// The log's session in the twin.
    link: SessionKey,
    clients: Vec<Talker>,
    walk: Option<Walk>,
    snapshots: Snapshots,
    vocabulary: Vocabulary,
    habits: Habits,
    echoes: u64,
    trace: Option<Trace>,
    /// Look at everything after each event, to find the first that went wrong.
    closely: bool,
    /// In some worlds somebody sets the wall clock now and then.
    clock_is_set: bool,
}

/// How often what happens in this run, as weights.
struct Habits {
    talk: usize,
    bring: usize,
    creep: usize,
    leap: usize,
    tick: usize,
    sweep: usize,
    come: usize,
    go: usize,
    dawdle: usize,
    walk: usize,
    /// Of a hundred requests, so many belong to a transaction, are hurt, or come in one pipeline.
    transaction_percent: usize,
    hurt_percent: usize,
    pipeline_max: usize,
}

impl Habits {
    fn rolled(dice: &mut Dice) -> Habits {
        let mut weight = |most: usize| dice.below(most + 1);
        Habits {
            talk: 10 + weight(20),
            bring: 10 + weight(40),
            creep: weight(10),
            leap: weight(2),
            tick: weight(4),
            sweep: weight(4),
            come: 1 + weight(2),
            go: weight(1),
            dawdle: weight(2),
            walk: weight(8),
            transaction_percent: [0, 5, 30][weight(2)],
            hurt_percent: [0, 0, 1][weight(2)],
            pipeline_max: [1, 4, 50][weight(2)],
        }
    }
}

impl World {
    pub fn new(dice: &mut Dice, trace: Option<Trace>) -> World {
        let clock = Clock::new();
        let seed = dice.next();
        let mut engine = new_engine(&clock, seed);
        engine.tell_log();
        let mut twin = new_engine(&clock, seed ^ 1);
        // What was done under one limit must not be refused under another.
        twin.config.proto_max_bulk_len = 1 << 29;
        // The twin lives before all deadlines, so nothing is gone there unless it was told.
        let link = twin.connect(peer(0), EVE);
        twin.sessions[link].replays = true;
        let closely = trace.is_some();
        World {
            clock,
            engine,
            twin,
            link,
            clients: Vec::new(),
            walk: None,
            snapshots: Snapshots::rolled(seed),
            // In some worlds clients speak of little but themselves.
            vocabulary: match seed.is_multiple_of(7) {
                true => Vocabulary::of_sessions(dice),
                false => Vocabulary::rolled(dice),
            },
            habits: Habits::rolled(dice),
            echoes: 0,
            trace,
            closely,
            clock_is_set: seed.is_multiple_of(5),
        }
    }

    /// One run: so many events, unless the dice are spent before.
    pub fn run(&mut self, events: usize, dice: &mut Dice) -> Result<(), String> {
        for event in 1..=events {
            if dice.is_spent() {
                break;
            }
            self.event(dice)?;
            self.go_on_with_snapshot()?;
            if self.closely || event % 64 == 0 {
                self.audit()?;
            }
            if event % 128 == 0 {
                self.question()?;
            }
        }
        self.wind_up()?;
        self.end_snapshot()?;
        self.audit()?;
        self.question()
    }

    fn event(&mut self, dice: &mut Dice) -> Result<(), String> {
        let habits = &self.habits;
        let weights = [
            habits.talk,
            habits.bring,
            habits.creep,
            habits.leap,
            habits.tick,
            habits.sweep,
            habits.come,
            habits.go,
            habits.dawdle,
            habits.walk,
        ];
        let mut left = dice.below(weights.iter().sum());
        let mut which = 0;
        while left >= weights[which] {
            left -= weights[which];
            which += 1;
        }
        if self.clients.is_empty() {
            which = 6;
        }
        match which {
            0 => self.talk(dice),
            1 => {
                let at = dice.below(self.clients.len());
                let most = match dice.below(4) {
                    0 => 1 + dice.below(3),
                    1 => 1 + dice.below(60),
                    _ => usize::MAX,
                };
                return self.bring(at, most);
            }
            2 => self.clock.pass(dice.of_bits(1, 21)),
            // Whoever sees a key come back that was due has been told the truth both times; but a snapshot that has
            // begun cannot have it both ways.
            3 if self.clock_is_set && self.snapshots.is_idle() => {
                let micros = dice.of_bits(10, 36) as i64;
                let micros = if dice.percent(60) { -micros } else { micros };
                self.note(|| format!("the clock is set by {micros} us"));
                self.clock.set_wall(micros);
            }
            3 => self.clock.pass(dice.of_bits(20, 34)),
            4 => {
                self.note(|| "tick".into());
                self.engine.tick(self.clock.now());
                self.engine.time_out(self.clock.now());
            }
            5 => {
                self.note(|| "sweep".into());
                self.engine.sweep(self.clock.now());
            }
            6 if self.clients.len() < CLIENTS_MAX => self.come(),
            6 | 7 => {
                let at = dice.below(self.clients.len());
                self.note(|| format!("client {at} goes"));
                let talker = self.clients.remove(at);
                self.engine.disconnect(talker.who);
            }
            8 => {
                let at = dice.below(self.clients.len());
                let talker = &mut self.clients[at];
                talker.slow = !talker.slow;
                if !talker.slow {
                    talker.in_flight = 0;
                    self.engine.set_in_flight(talker.who, &Outbox::default(), 0);
                    self.engine.sessions[talker.who].mailbox.ring();
                }
            }
            _ => self.go_on_walking(dice)?,
        }
        self.attend()
    }

    fn come(&mut self) {
        let number = self.clients.len() + 1;
        let who = self.engine.connect(peer(number), self.clock.now());
        self.note(|| format!("client {} comes", number - 1));
        self.clients.push(Talker::new(who));
    }

    /// A client says some lines; they are under way now.
    fn talk(&mut self, dice: &mut Dice) {
        let at = dice.below(self.clients.len());
        let now_ms = self.clock.now().wall().0;
        let transaction = dice.percent(self.habits.transaction_percent);
        if transaction {
            if dice.percent(40) {
                let keys = (0..1 + dice.below(3)).map(|_| self.vocabulary.key(dice));
                self.say(at, std::iter::once(b"WATCH".to_vec()).chain(keys).collect());
            }
            self.say(at, vec![b"MULTI".to_vec()]);
        }
        for _ in 0..1 + dice.below(self.habits.pipeline_max) {
            match dice.below(20) {
                0 => {
                    self.echoes += 1;
                    self.clients[at].say_echo(self.echoes);
                }
                _ => self.say(at, self.vocabulary.line(dice, now_ms)),
            }
        }
        if transaction {
            let last: &[u8] = if dice.percent(85) { b"EXEC" } else { b"DISCARD" };
            self.say(at, vec![last.to_vec()]);
        }
        if dice.percent(3) {
            // No request, and so no answer.
            let nothing = *dice.pick(&["\r\n", "*0\r\n", "*-1\r\n", "\n"]);
            self.clients[at].put(nothing.as_bytes(), None);
        }
        if dice.percent(3) {
            self.clients[at].put(b"PING \"in\\x20line\"\r\n", Some(Owed::Anything));
        }
        if dice.percent(self.habits.hurt_percent) {
            let (bytes, owed): (&[u8], _) = match dice.below(6) {
                0 => (b"*1\r\nabc\r\n", Owed::Malformed),
                1 => (b"*3000000000\r\n", Owed::Malformed),
                2 => (b"*x\r\n", Owed::Malformed),
                3 => (b"*1\r\n$99999999999999\r\n", Owed::Malformed),
                4 => (b"GET \"unbalanced\r\n", Owed::Malformed),
                _ => (b"POST / HTTP/1.1\r\n", Owed::Silence),
            };
            self.note(|| format!("client {at} hurts the protocol: {}", bytes.escape_ascii()));
            self.clients[at].put(bytes, Some(owed));
        }
    }

    fn say(&mut self, at: usize, line: words::Line) {
        self.note(|| {
            let shown = command_line(&line);
            format!("client {at}: {}", shown.chars().take(120).collect::<String>())
        });
        self.clients[at].say(&line);
    }

    /// The network brings some of what a client said.
    fn bring(&mut self, at: usize, most: usize) -> Result<(), String> {
        let talker = &mut self.clients[at];
        let who = talker.who;
        let bytes = talker.bring(most);
        if bytes.is_empty() {
            return Ok(());
        }
        self.note(|| format!("{} bytes of client {at} arrive", bytes.len()));
        let mut answers = Vec::new();
        self.engine.receive(who, &bytes, &mut answers, self.clock.now());
        if self.engine.sessions.get(who).is_none_or(|it| it.closing != Closing::Now) {
            self.note(|| {
                format!("   answers: {}", answers[..answers.len().min(200)].escape_ascii())
            });
            self.clients[at].hear(answers).map_err(|why| format!("client {at}: {why}"))?;
        }
        self.attend()
    }

    /// What the shell does whenever it has left the engine: tell the log, free what was given away,
    /// carry the mail out, and let those go with whom the engine has ended.
    fn attend(&mut self) -> Result<(), String> {
        self.tell_twin()?;
        let mut at = 0;
        while at < self.clients.len() {
            self.carry_mail(at).map_err(|why| format!("client {at}: {why}"))?;
            self.tell_twin()?;
            let who = self.clients[at].who;
            let session = self.engine.sessions.get(who).ok_or("a session is gone by itself")?;
            let over = match session.closing {
                Closing::No => false,
                Closing::AfterReply => session.unread() == 0,
                Closing::Now => true,
            };
            if over {
                self.note(|| format!("client {at} is let go"));
                self.engine.disconnect(who);
                self.clients.remove(at);
                continue;
            }
            if session.closing == Closing::No && !session.is_waiting() && session.unread() == 0 {
                self.clients[at].settled().map_err(|why| format!("client {at}: {why}"))?;
            }
            at += 1;
        }
        self.engine.trash.clear();
        if self.engine.exit.is_some() {
            return Err("the server wants to stop, and nobody asked for it".into());
        }
        self.follow_walk()
    }

    fn carry_mail(&mut self, at: usize) -> Result<(), String> {
        let who = self.clients[at].who;
        while self.engine.sessions[who].mailbox.take() {
            let mut bytes = Vec::new();
            if self.clients[at].in_flight == 0 {
                bytes = sent(self.engine.take_outbox(who));
                let talker = &mut self.clients[at];
                talker.in_flight = bytes.len();
            }
            let mut answers = Vec::new();
            self.engine.resume(who, &mut answers, self.clock.now());
            bytes.append(&mut answers);
            if self.engine.sessions[who].closing == Closing::Now {
                return Ok(());
            }
            self.clients[at].hear(bytes)?;
            if !self.clients[at].slow && self.clients[at].in_flight > 0 {
                self.clients[at].in_flight = 0;
                self.engine.set_in_flight(who, &Outbox::default(), 0);
                if !self.engine.sessions[who].outbox.is_empty() {
                    self.engine.sessions[who].mailbox.ring();
                }
            }
        }
        Ok(())
    }

    fn tell_twin(&mut self) -> Result<(), String> {
        let told = self.engine.effects.take_sealed();
        if told.is_empty() {
            return Ok(());
        }
        let shown = || String::from_utf8_lossy(&told).replace("\r\n", " ");
        self.note(|| {
            format!("   the log: {}", shown().chars().take(LOG_SHOWN_MAX).collect::<String>())
        });
        let mut answers = Vec::new();
        self.twin.receive(self.link, &told, &mut answers, EVE);
        self.twin.trash.clear();
        let answers = Client::replies(answers).map_err(|why| format!("the twin: {why}"))?;
        match answers.iter().find_map(error_in) {
            Some(error) => Err(format!("the twin refuses what the log says: {error}: {}", shown())),
            None => Ok(()),
        }
    }

    /// Everybody listens again and everything said arrives; a pause ends by itself.
    fn wind_up(&mut self) -> Result<(), String> {
        self.note(|| "the end".into());
        for round in 0..3 {
            for talker in &mut self.clients {
                talker.slow = false;
                talker.in_flight = 0;
                self.engine.set_in_flight(talker.who, &Outbox::default(), 0);
                self.engine.sessions[talker.who].mailbox.ring();
            }
            self.attend()?;
            let mut at = self.clients.len();
            while at > 0 {
                at -= 1;
                // Whoever is cut off takes others' places with him.
                if at < self.clients.len() {
                    self.bring(at, usize::MAX)?;
                }
            }
            if round < 2 {
                self.clock.pass(10_000_000);
                self.engine.tick(self.clock.now());
                self.engine.time_out(self.clock.now());
                self.attend()?;
            }
        }
        Ok(())
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.borrow_mut();
            if trace.len() == TRACE_MAX {
                trace.pop_front();
            }
            trace.push_back(what());
        }
    }
}

/// Before all deadlines.
const EVE: Now = Now { wall_us: 0, mono_us: 0 };

fn new_engine(clock: &Clock, seed: u64) -> Engine {
    let mut config = Config::default();
    config.enable_debug_command = Allowed::Yes;
    // Strings of this length are as good as endless, and take less time.
    config.proto_max_bulk_len = 1 << 20;
    Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), seed)
}

fn peer(number: usize) -> Peer {
    Peer {
        addr: format!("127.0.0.1:{}", 50_000 + number),
        laddr: "127.0.0.1:6379".into(),
        ip: None,
        fd: 8 + number as i32,
        unix: false,
        loopback: true,
    }
}

/// The first error of a reply, however deep; EXEC's answers are inside an array.
fn error_in(value: &Value) -> Option<String> {
    match value.is_error() {
        true => Some(value.to_string()),
        false => value.items()?.iter().find_map(error_in),
    }
}
