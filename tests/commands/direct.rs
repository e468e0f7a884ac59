//! The engine without a socket, and its twin: a second engine that hears nothing but the log of the
//! first and must hold the same data after every command.

use russet::commands::TABLE;
use russet::commands::debug::digest_of_all;
use russet::config::{Allowed, Config};
use russet::engine::{Closing, Engine, Outbox, Peer, SessionKey};
use std::collections::VecDeque;
use std::time::Duration;

use crate::expect::Times;
use crate::side::{Heard, Side, Words, may_answer};
use crate::support::client::{Client, encode};
use crate::support::machine::{Clock, Machine, sent};
use crate::support::value::Value;
use crate::transcript::Scene;

pub struct Direct {
    /// Every byte arrives by itself.
    split: bool,
    /// Keys that are due are swept when time passes; otherwise only who meets them removes them.
    sweeps: bool,
    world: Option<World>,
}

/// What one scene lives in.
struct World {
    clock: Clock,
    engine: Engine,
    twin: Engine,
    link: SessionKey,
    log: Vec<u8>,
    swept: Vec<u8>,
    twin_is_checked: bool,
    proto: u8,
    clients: Vec<Option<Talker>>,
}

struct Talker {
    who: SessionKey,
    heard: VecDeque<Value>,
    closed: bool,
}

impl Direct {
    pub fn new(split: bool, sweeps: bool) -> Direct {
        Direct { split, sweeps, world: None }
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("a scene has begun")
    }

    fn send(&mut self, client: usize, frame: &[u8]) -> Result<(), String> {
        let split = self.split;
        let world = self.world();
        let who = world.client(client)?.who;
        match split {
            true => frame.chunks(1).try_for_each(|byte| world.receive(client, who, byte)),
            false => world.receive(client, who, frame),
        }?;
        world.deliver()?;
        let told = world.engine.effects.take_sealed();
        world.log.extend_from_slice(&told);
        world.feed_twin(&told)
    }
}

impl Side for Direct {
    fn begin(&mut self, proto: u8, scene: &Scene) -> Result<(), String> {
        let clock = Clock::new();
        let mut engine = new_engine(&clock);
        engine.tell_log();
        let mut twin = new_engine(&clock);
        let link = twin.connect(peer(99), clock.now());
        self.world = Some(World {
            clock,
            engine,
            twin,
            link,
            log: Vec::new(),
            swept: Vec::new(),
            twin_is_checked: !scene.skipped.iter().any(|tag| tag == "twin"),
            proto,
            clients: Vec::new(),
        });
        Ok(())
    }

    fn say(&mut self, client: usize, words: &Words, _: bool) -> Result<Heard, String> {
        let mut frame = Vec::new();
        encode(words, &mut frame);
        self.send(client, &frame)?;
        let talker = self.world().client(client)?;
        Ok(talker.answer(words))
    }

    fn say_all(&mut self, client: usize, lines: &[Words]) -> Result<Vec<Heard>, String> {
        let mut frame = Vec::new();
        lines.iter().for_each(|words| encode(words, &mut frame));
        self.send(client, &frame)?;
        let talker = self.world().client(client)?;
        Ok(lines.iter().map(|words| talker.answer(words)).collect())
    }

    fn drain(&mut self, client: usize) -> Result<Vec<Value>, String> {
        Ok(self.world().client(client)?.heard.drain(..).collect())
    }

    fn hear(&mut self, client: usize) -> Result<Heard, String> {
        let talker = self.world().client(client)?;
        Ok(match talker.heard.pop_front() {
            Some(value) => Heard::Reply(value),
            None if talker.closed => Heard::Closed,
            None => Heard::Nothing,
        })
    }

    fn wait(&mut self, time: Duration) {
        let sweeps = self.sweeps;
        let world = self.world();
        world.clock.pass(time.as_micros() as u64);
        let now = world.clock.now();
        world.engine.tick(now);
        world.engine.time_out(now);
        if sweeps {
            while world.engine.sweep(now) {}
        }
        // Removals by time are told, but not by the next command.
        let told = world.engine.effects.take_sealed();
        world.swept.extend_from_slice(&told);
        world.feed_twin(&told).expect("a removal is told as a DEL");
        world.deliver().expect("what waits is answered in whole replies");
    }

    fn times(&self) -> Times {
        let world = self.world.as_ref().expect("a scene has begun");
        let now = world.clock.now().wall().0;
        Times { earliest: now, latest: now }
    }

    fn told(&mut self) -> Option<Result<Vec<Words>, String>> {
        let told = std::mem::take(&mut self.world().log);
        Some(lines_of(told))
    }

    fn swept(&mut self) -> Vec<Words> {
        let swept = std::mem::take(&mut self.world().swept);
        let mut lines = lines_of(swept).unwrap_or_default();
        // What time removes is told by itself, whatever was removed at the same time.
        for line in lines.iter_mut().filter(|line| line[0] == b"then") {
            line.remove(0);
        }
        lines
    }

    fn digest(&mut self) -> Option<String> {
        Some(format!("{:?}", digest_of_all(&self.world().engine)))
    }

    fn check(&mut self) -> Result<(), String> {
        let world = self.world();
        if !world.twin_is_checked {
            return Ok(());
        }
        // The twin's clock stands where it last heard something.
        world.twin.sweep(world.clock.now());
        let (ours, twins) = (digest_of_all(&world.engine), digest_of_all(&world.twin));
        if ours != twins {
            // One difference is enough; all that follows would differ as well.
            world.twin_is_checked = false;
            return Err("the twin, who hears only the log, has other data now".into());
        }
        Ok(())
    }
}

impl World {
    fn client(&mut self, client: usize) -> Result<&mut Talker, String> {
        while self.clients.len() <= client {
            self.clients.push(None);
        }
        if self.clients[client].is_none() {
            let who = self.engine.connect(peer(client), self.clock.now());
            self.clients[client] = Some(Talker { who, heard: VecDeque::new(), closed: false });
            if self.proto == 3 {
                let mut hello = Vec::new();
                encode(&["HELLO", "3"], &mut hello);
                self.receive(client, who, &hello)?;
                let talker = self.clients[client].as_mut().expect("it was just made");
                match talker.answer(&vec![b"HELLO".to_vec()]) {
                    Heard::Reply(value) if !value.is_error() => {}
                    other => return Err(format!("HELLO 3: {other:?}")),
                }
            }
        }
        Ok(self.clients[client].as_mut().expect("it was just made"))
    }

    fn receive(&mut self, client: usize, who: SessionKey, bytes: &[u8]) -> Result<(), String> {
        if self.clients[client].as_ref().is_some_and(|talker| talker.closed) {
            return Ok(());
        }
        let mut answers = Vec::new();
        self.engine.receive(who, bytes, &mut answers, self.clock.now());
        self.take(client, answers)
    }

    /// Takes what the engine has for clients beyond the answers to their requests.
    fn deliver(&mut self) -> Result<(), String> {
        // What is resumed for one client may be heard by another.
        while self.deliver_once()? {}
        Ok(())
    }

    fn deliver_once(&mut self) -> Result<bool, String> {
        let mut rang = false;
        for client in 0..self.clients.len() {
            let Some(talker) = &self.clients[client] else { continue };
            let (who, closed) = (talker.who, talker.closed);
            if closed {
                continue;
            }
            // An answer may ring for the next, so this ends only when nobody rings.
            while self.engine.sessions.get(who).is_some_and(|session| session.mailbox.take()) {
                rang = true;
                let outbox = sent(self.engine.take_outbox(who));
                self.engine.set_in_flight(who, &Outbox::default(), 0);
                self.take(client, outbox)?;
                let mut answers = Vec::new();
                self.engine.resume(who, &mut answers, self.clock.now());
                self.take(client, answers)?;
            }
            if self.engine.sessions.get(who).is_none_or(|it| it.closing != Closing::No) {
                self.engine.disconnect(who);
                self.clients[client].as_mut().expect("it was there").closed = true;
            }
        }
        Ok(rang)
    }

    fn take(&mut self, client: usize, bytes: Vec<u8>) -> Result<(), String> {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let values = Client::replies(bytes).map_err(|why| format!("{why} in {shown:?}"))?;
        self.clients[client].as_mut().expect("it speaks").heard.extend(values);
        Ok(())
    }

    fn feed_twin(&mut self, told: &[u8]) -> Result<(), String> {
        if told.is_empty() {
            return Ok(());
        }
        let mut answers = Vec::new();
        self.twin.receive(self.link, told, &mut answers, self.clock.now());
        let answers = Client::replies(answers).map_err(|why| format!("the twin: {why}"))?;
        match answers.iter().find(|answer| answer.is_error()) {
            Some(error) => Err(format!("the twin refuses what the log says: {error}")),
            None => Ok(()),
        }
    }
}

impl Talker {
    /// The next value that may be the answer.
    fn answer(&mut self, words: &Words) -> Heard {
        match self.heard.iter().position(|value| may_answer(value, words)) {
            Some(at) => Heard::Reply(self.heard.remove(at).expect("it was found there")),
            None if self.closed => Heard::Closed,
            None => Heard::Nothing,
        }
    }
}

fn new_engine(clock: &Clock) -> Engine {
    let mut config = Config::default();
    config.enable_debug_command = Allowed::Yes;
    Engine::new(config, TABLE, Box::new(Machine::new(clock.clone())), 7)
}

fn peer(client: usize) -> Peer {
    Peer {
        addr: format!("127.0.0.1:{}", 50_001 + client),
        laddr: "127.0.0.1:6379".into(),
        ip: None,
        fd: 8 + client as i32,
        unix: false,
        loopback: true,
    }
}

/// The commands of a log, without the databases they are for and the frames of units. Each unit
/// after the first is that of a client who was woken, and begins with `then`.
fn lines_of(log: Vec<u8>) -> Result<Vec<Words>, String> {
    let values = Client::replies(log).map_err(|why| format!("the log: {why}"))?;
    let mut lines = Vec::new();
    let mut in_unit = false;
    let mut begins = false;
    for value in &values {
        let words = value.items().ok_or("the log: a line that is no command")?;
        let mut words: Words =
            words.iter().map(|word| word.text().unwrap_or_default().to_vec()).collect();
        match words[0].as_slice() {
            b"SELECT" => continue,
            b"MULTI" => (in_unit, begins) = (true, true),
            b"EXEC" => in_unit = false,
            _ => {
                if (begins || !in_unit) && !lines.is_empty() {
                    words.insert(0, b"then".to_vec());
                }
                begins = false;
                lines.push(words);
            }
        }
    }
    if in_unit {
        return Err("the log: a unit without an end".into());
    }
    Ok(lines)
}
