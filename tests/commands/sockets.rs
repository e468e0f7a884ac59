//! A real server behind real sockets: ours, or a peer's.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::expect::Times;
use crate::side::{Heard, Side, Words, may_answer};
use crate::support::client::{Client, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;
use crate::transcript::{Act, Scene};

pub struct Sockets {
    server: Server,
    control: Client,
    proto: u8,
    clients: Vec<Option<Talker>>,
    began_ms: i64,
    /// Directives that the scene changes, with their values as they were.
    before: Vec<Words>,
    known: BTreeMap<Vec<u8>, bool>,
    /// Said before each line of a transcript: the dataset goes to disk and comes back.
    reload: Option<&'static [&'static [u8]]>,
    /// Where the files of a reload lie, until nobody needs them any more.
    _folder: Option<TempDir>,
}

struct Talker {
    client: Client,
    pushes: VecDeque<Value>,
}

/// Commands and their words that a peer lacks although it has the command: the scene ends there.
const DIALECTS: &[(Program, &str, &str)] = &[
    (Program::Redis, "SET", "IFEQ"),
    (Program::Redis, "SET", "IFNE"),
    (Program::Redis, "SET", "IFDEQ"),
    (Program::Redis, "SET", "IFDNE"),
    (Program::Valkey, "SET", "IFNE"),
    (Program::Valkey, "SET", "IFDEQ"),
    (Program::Valkey, "SET", "IFDNE"),
    (Program::Redis, "SHUTDOWN", "SAFE"),
    (Program::Redis, "CLIENT", "CAPA"),
    (Program::Redis, "CLIENT", "IMPORT-SOURCE"),
    (Program::Redis, "BITOP", "DIFF"),
    (Program::Valkey, "BITOP", "DIFF"),
    (Program::Redis, "BITOP", "DIFF1"),
    (Program::Valkey, "BITOP", "DIFF1"),
    (Program::Redis, "BITOP", "ANDOR"),
    (Program::Valkey, "BITOP", "ANDOR"),
    (Program::Redis, "BITOP", "ONE"),
    (Program::Valkey, "BITOP", "ONE"),
];

/// No message of a test is this.
const MARK: &str = "so far";

impl Sockets {
    /// A server whose dataset goes to disk, and comes back from there, between all lines.
    pub fn reloading(reload: &'static [&'static [u8]], args: &[&str]) -> Result<Sockets, String> {
        // What takes long in a reload is waiting for the disk, and memory does not make us wait.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.map_err(tell)?;
        let dir = folder.path().to_string_lossy();
        let args = [args, &["--dir", &dir]].concat();
        let mut sockets = Sockets::start(Program::Russet, &args)?;
        sockets.reload = Some(reload);
        sockets._folder = Some(folder);
        Ok(sockets)
    }

    pub fn open(program: Program) -> Result<Sockets, String> {
        Sockets::start(program, &[])
    }

    fn start(program: Program, args: &[&str]) -> Result<Sockets, String> {
        let server = Server::start(program, args)?;
        let control = Client::connect(&server.address()).map_err(|why| why.to_string())?;
        Ok(Sockets {
            server,
            control,
            proto: 2,
            clients: Vec::new(),
            began_ms: 0,
            before: Vec::new(),
            known: BTreeMap::new(),
            reload: None,
            _folder: None,
        })
    }

    fn client(&mut self, client: usize) -> Result<&mut Talker, String> {
        while self.clients.len() <= client {
            self.clients.push(None);
        }
        if self.clients[client].is_none() {
            let mut fresh = Client::connect(&self.server.address()).map_err(tell)?;
            fresh.set_patience(Duration::from_secs(5)).map_err(tell)?;
            if self.proto == 3 {
                let hello = fresh.try_call(&["HELLO", "3"]).map_err(tell)?;
                if hello.is_error() {
                    return Err(format!("HELLO 3: {hello}"));
                }
            }
            self.clients[client] = Some(Talker { client: fresh, pushes: VecDeque::new() });
        }
        Ok(self.clients[client].as_mut().expect("it was just made"))
    }

    /// What scenes before this one wrote would be read again before each line.
    fn shorten_log(&mut self) -> Result<(), String> {
        let says = |info: &Value, field: &str| {
            info.text()
                .is_some_and(|text| text.windows(field.len()).any(|it| it == field.as_bytes()))
        };
        if !says(&self.control(&[b"INFO", b"persistence"])?, "aof_enabled:1") {
            return Ok(());
        }
        self.control(&[b"BGREWRITEAOF"])?;
        while says(&self.control(&[b"INFO", b"persistence"])?, "aof_rewrite_in_progress:1") {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn control(&mut self, words: &[&[u8]]) -> Result<Value, String> {
        let reply = self.control.try_call(words).map_err(|why| {
            format!(
                "{}: {why}; its log ends:\n{}",
                self.server.program.name(),
                self.server.log_tail()
            )
        })?;
        match reply.is_error() {
            true => Err(format!("{}: {reply}", String::from_utf8_lossy(&words.join(&b' ')))),
            false => Ok(reply),
        }
    }
}

impl Side for Sockets {
    fn begin(&mut self, proto: u8, scene: &Scene) -> Result<(), String> {
        self.clients.clear();
        self.proto = proto;
        self.control(&[b"FLUSHALL"])?;
        if self.reload.is_some() {
            self.shorten_log()?;
        }
        self.before.clear();
        // Asked now, so that what the scene sees of slow logs and counters is its own.
        for step in &scene.steps {
            if let Act::Say { words, .. } = &step.act {
                self.knows(words);
            }
        }
        for step in &scene.steps {
            let Act::Say { words, .. } = &step.act else { continue };
            let is = |at: usize, name: &[u8]| {
                words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name))
            };
            if !is(0, b"CONFIG") || !is(1, b"SET") {
                continue;
            }
            for name in words[2..].iter().step_by(2) {
                let reply = self.control(&[b"CONFIG", b"GET", name])?;
                let words = |it: &Value| it.text().unwrap_or_default().to_vec();
                let pair: Words = reply.items().unwrap_or_default().iter().map(words).collect();
                if pair.len() == 2 {
                    self.before.push(pair);
                }
            }
        }
        self.began_ms = now_ms();
        Ok(())
    }

    fn say(&mut self, client: usize, words: &Words, waits: bool) -> Result<Heard, String> {
        if let Some(reload) = self.reload {
            self.control(reload)?;
        }
        let talker = self.client(client)?;
        if talker.client.send(words).is_err() {
            return Ok(Heard::Closed);
        }
        if waits {
            return talker.answer(words);
        }
        // It has been read when the server has twice gone through the sockets that are ready.
        self.control(&[b"PING"])?;
        self.control(&[b"PING"])?;
        Ok(Heard::Nothing)
    }

    fn say_all(&mut self, client: usize, lines: &[Words]) -> Result<Vec<Heard>, String> {
        let mut frame = Vec::new();
        lines.iter().for_each(|words| encode(words, &mut frame));
        let talker = self.client(client)?;
        talker.client.write_raw(&frame).map_err(tell)?;
        lines.iter().map(|words| talker.answer(words)).collect()
    }

    /// What was said before comes before the answer to a PING.
    fn drain(&mut self, client: usize) -> Result<Vec<Value>, String> {
        let talker = self.client(client)?;
        talker.client.send(&["PING", MARK]).map_err(tell)?;
        let mut heard: Vec<Value> = talker.pushes.drain(..).collect();
        loop {
            let value = match talker.next()? {
                Heard::Reply(value) => value,
                other => return Err(format!("no answer to a PING: {other:?}")),
            };
            let items = value.items().unwrap_or_default();
            if value.text() == Some(MARK.as_bytes())
                || items.len() == 2 && items[1].text() == Some(MARK.as_bytes())
            {
                return Ok(heard);
            }
            heard.push(value);
        }
    }

    fn hear(&mut self, client: usize) -> Result<Heard, String> {
        let talker = self.client(client)?;
        match talker.pushes.pop_front() {
            Some(push) => Ok(Heard::Reply(push)),
            None => talker.next(),
        }
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn times(&self) -> Times {
        Times { earliest: self.began_ms, latest: now_ms() }
    }

    fn knows(&mut self, words: &Words) -> bool {
        if self.server.program == Program::Russet {
            return true;
        }
        let upper: Vec<String> =
            words.iter().map(|word| String::from_utf8_lossy(word).to_uppercase()).collect();
        let dialect = |(program, name, word): &(Program, &str, &str)| {
            *program == self.server.program
                && upper[0] == *name
                && upper[1..].iter().any(|other| other == word)
        };
        if DIALECTS.iter().any(dialect) {
            return false;
        }
        // A command that nobody has is a test of that, not of a dialect.
        let ours = russet::commands::find(&words[0]);
        let Some(ours) = ours else { return true };
        let mut name = words[0].clone();
        if let Some(sub) = words.get(1)
            && let Some(found) = russet::commands::find_sub(ours, sub)
        {
            name = found.spec.name.to_lowercase().into_bytes();
            if found.spec.name.starts_with("DEBUG|") {
                return true;
            }
        }
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        let reply = self.control(&[b"COMMAND", b"INFO", &name]);
        let known = reply.is_ok_and(|it| it.items().is_some_and(|rows| !rows[0].is_null()));
        self.known.insert(name, known);
        known
    }

    fn end(&mut self, _: &Scene) -> Result<(), String> {
        self.clients.clear();
        for pair in std::mem::take(&mut self.before) {
            let now = self.control(&[b"CONFIG", b"GET", &pair[0]])?;
            // Many were not changed after all, because that is an error.
            if now.items().is_none_or(|it| it[1].text() != Some(&pair[1])) {
                self.control(&[b"CONFIG", b"SET", &pair[0], &pair[1]])?;
            }
        }
        Ok(())
    }
}

impl Talker {
    fn answer(&mut self, words: &Words) -> Result<Heard, String> {
        loop {
            match self.next()? {
                Heard::Reply(push) if !may_answer(&push, words) => self.pushes.push_back(push),
                heard => return Ok(heard),
            }
        }
    }

    fn next(&mut self) -> Result<Heard, String> {
        match self.client.read_reply() {
            Ok(value) => Ok(Heard::Reply(value)),
            Err(why) => match why.kind() {
                std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::BrokenPipe => Ok(Heard::Closed),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Ok(Heard::Nothing),
                _ => Err(tell(why)),
            },
        }
    }
}

fn tell(why: std::io::Error) -> String {
    why.to_string()
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as i64)
}
