//! One user of the client: commands go out, answers are printed, and what they mean for what comes next is kept.

use super::connection::{Connection, reason};
use super::format::{pushed, shown};
use super::options::{Options, Output};
use super::reply::Reply;
use std::io::{self, Write};
use std::time::Duration;

pub struct Session {
    pub options: Options,
    connection: Option<Connection>,
    /// Between MULTI and its end.
    pub in_transaction: bool,
    /// The database before MULTI.
    db_before: i64,
    /// Between SUBSCRIBE and the end of the connection: messages come at any time.
    pub listens: bool,
}

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Refused,
    /// The connection is gone.
    Lost(String),
    /// So is that of a server that was listened to: what it would have said nobody can ask for again.
    Silenced(String),
}

impl Session {
    pub fn new(options: Options) -> Session {
        Session { options, connection: None, in_transaction: false, db_before: 0, listens: false }
    }

    /// Connects as somebody, or not at all.
    pub fn greet(options: Options) -> Result<Session, String> {
        let connection = Some(Connection::greet(&options)?);
        Ok(Session { connection, ..Session::new(options) })
    }

    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Connects if that is not done, and says why it cannot be. What the server refuses of who is there, and where, is
    /// said as well, and is no reason to stop, as scripts know it.
    pub fn connect(&mut self) -> bool {
        if self.connection.is_none() {
            let reached = Connection::reach(&self.options).and_then(|mut connection| {
                let refusal = connection.introduce(&self.options)?;
                refusal.iter().for_each(|refusal| eprintln!("{refusal}"));
                Ok(connection)
            });
            match reached {
                Ok(connection) => self.connection = Some(connection),
                Err(why) => eprintln!("{why}"),
            }
        }
        self.connection.is_some()
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
        self.in_transaction = false;
        self.listens = false;
    }

    /// A command of the command line, as often as it was asked for; says how the program ends.
    pub fn run_words(&mut self, words: Vec<Vec<u8>>) -> i32 {
        if !self.connect() {
            return 1;
        }
        let mut left = self.options.repeat;
        while left != 0 {
            left -= (left > 0) as i64;
            match self.issue(&words, self.options.fails_on_error) {
                Outcome::Answered => (),
                Outcome::Refused if self.options.fails_on_error => return 1,
                Outcome::Refused => (),
                Outcome::Lost(why) | Outcome::Silenced(why) => {
                    eprintln!("Error: {why}");
                    return 1;
                }
            }
            if left != 0 {
                super::watch::wait(self.options.interval);
            }
        }
        while self.listens {
            if let Err(why) = self.receive().map(|reply| self.show(&reply, false)) {
                eprintln!("Error: {}", reason(&why));
                return 1;
            }
        }
        0
    }

    /// Sends a command and prints what is answered. After MONITOR the server is listened to until the connection ends;
    /// after SUBSCRIBE by whoever asks for it.
    pub fn issue(&mut self, words: &[Vec<u8>], errors_apart: bool) -> Outcome {
        let Some(connection) = &mut self.connection else {
            return Outcome::Lost("not connected".into());
        };
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        let as_it_is = shows_as_it_is(words);
        if let Err(why) = connection.send(words) {
            return self.lost(&why);
        }
        let subscribes = ["subscribe", "psubscribe", "ssubscribe"].into_iter().any(is);
        let ends = ["unsubscribe", "punsubscribe", "sunsubscribe"].into_iter().any(is);
        // Each channel is confirmed by a message of its own, and so is a command that names none.
        let mut unconfirmed = if subscribes || ends { (words.len() - 1).max(1) } else { 0 };
        let minds_pushes = self.listens || unconfirmed > 0;
        loop {
            let reply = match self.receive() {
                Ok(reply) => reply,
                // It was asked to go.
                Err(_) if is("shutdown") => {
                    self.disconnect();
                    return Outcome::Answered;
                }
                Err(why) if is("monitor") => return Outcome::Silenced(reason(&why)),
                Err(why) => return self.lost(&why),
            };
            if matches!(reply, Reply::Push(_)) && !minds_pushes {
                if self.options.shows_pushes {
                    printed(&pushed(&reply, &self.options));
                }
                continue;
            }
            match errors_apart && reply.is_error() {
                true => eprintln!("{}", String::from_utf8_lossy(reply.text())),
                false => self.show(&reply, as_it_is),
            }
            if is("monitor") && !reply.is_error() {
                continue;
            }
            if minds_pushes {
                match self.message(&reply) {
                    Some(kind) if unconfirmed > 0 && kind.eq_ignore_ascii_case(&words[0]) => {
                        self.listens |= subscribes;
                        unconfirmed -= 1;
                        if unconfirmed > 0 {
                            continue;
                        }
                    }
                    // It is about something else.
                    Some(_) => continue,
                    None if matches!(reply, Reply::Push(_)) => continue,
                    None => (),
                }
            }
            self.note(words, &reply);
            return if reply.is_error() { Outcome::Refused } else { Outcome::Answered };
        }
    }

    /// Prints the next message if one comes within this time, and says whether; the error is how the connection ended.
    pub fn hear(&mut self, within: Duration) -> Result<bool, String> {
        let Some(connection) = &mut self.connection else { return Err("not connected".into()) };
        let is_there = connection.has_news(within).map_err(|why| reason(&why))?;
        if is_there {
            let reply = self.receive().map_err(|why| reason(&why))?;
            self.show(&reply, false);
        }
        Ok(is_there)
    }

    fn receive(&mut self) -> io::Result<Reply> {
        match &mut self.connection {
            Some(connection) => connection.receive(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn show(&self, reply: &Reply, as_it_is: bool) {
        printed(&shown(reply, &self.options, as_it_is));
    }

    /// What a message of publish and subscribe is: `subscribe`, `pmessage`… Other answers are none.
    fn message<'a>(&self, reply: &'a Reply) -> Option<&'a [u8]> {
        let parts = match reply {
            Reply::Push(parts) => parts,
            // Without pushes they look like any other answer.
            Reply::Array(parts) if self.options.protocol != Some(3) => parts,
            _ => return None,
        };
        match parts.as_slice() {
            [Reply::Text(kind), _, _, ..]
                if kind.ends_with(b"message") || kind.ends_with(b"subscribe") =>
            {
                Some(kind)
            }
            _ => None,
        }
    }

    fn lost(&mut self, why: &io::Error) -> Outcome {
        self.disconnect();
        Outcome::Lost(reason(why))
    }

    /// What the prompt shows, and what a new connection must be told again.
    fn note(&mut self, words: &[Vec<u8>], reply: &Reply) {
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        let is_alone = words.len() == 1;
        let is_undone = reply.is_error() || *reply == Reply::Nil;
        if is("exec") && is_alone && self.in_transaction {
            self.in_transaction = false;
            if is_undone {
                self.options.db = self.db_before;
            }
        }
        if reply.is_error() {
            return;
        }
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        let number = |at: usize| String::from_utf8_lossy(&word(at)).parse::<i64>().ok();
        if is("multi") && is_alone {
            self.in_transaction = true;
            self.db_before = self.options.db;
        } else if is("discard") && is_alone {
            self.in_transaction = false;
            self.options.db = self.db_before;
        } else if is("select") && words.len() == 2 {
            // Inside of a transaction it counts when that is over; what follows is said under the new number already.
            self.options.db = number(1).unwrap_or(self.options.db);
        } else if is("auth") {
            self.options.password = words.last().cloned();
            self.options.user = (words.len() > 2).then(|| word(1));
        } else if is("hello") {
            self.options.protocol = number(1).map(|version| version as u8);
        } else if is("reset") && is_alone {
            self.in_transaction = false;
            self.listens = false;
            self.options.db = 0;
            self.options.protocol = None;
        }
    }

    pub fn is_for_people(&self) -> bool {
        self.options.output == Output::Pretty
    }
}

/// Whoever reads what is printed sees it at once.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// The same, where nothing is left to be done when nobody reads any more.
fn printed(bytes: &[u8]) {
    if print(bytes).is_err() {
        std::process::exit(1);
    }
}

/// Commands whose answers are pages of text.
fn shows_as_it_is(words: &[Vec<u8>]) -> bool {
    let word = |at: usize| words.get(at).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match word(0).as_slice() {
        b"info" | b"lolwut" => true,
        b"memory" => matches!(&*word(1), b"malloc-stats" | b"doctor"),
        b"client" => matches!(&*word(1), b"list" | b"info"),
        b"cluster" => matches!(&*word(1), b"nodes" | b"info"),
        b"latency" => matches!(&*word(1), b"graph" | b"doctor"),
        b"debug" => matches!(&*word(1), b"htstats" | b"htstats-key"),
        _ => false,
    }
}
