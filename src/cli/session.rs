//! One user of the client: commands go out, answers are printed, and what they mean for what comes next is kept.

use super::connection::{Connection, reason};
use super::format::shown;
use super::options::{Options, Output};
use super::reply::Reply;
use std::io::{self, Write};

pub struct Session {
    pub options: Options,
    connection: Option<Connection>,
    /// Between MULTI and its end.
    pub in_transaction: bool,
}

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    Refused,
    /// The connection is gone.
    Lost(String),
}

impl Session {
    pub fn new(options: Options) -> Session {
        Session { options, connection: None, in_transaction: false }
    }

    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Connects if that is not done, and says why it cannot be.
    pub fn connect(&mut self) -> bool {
        if self.connection.is_none() {
            match Connection::greet(&self.options) {
                Ok(connection) => self.connection = Some(connection),
                Err(why) => eprintln!("{why}"),
            }
        }
        self.connection.is_some()
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
        self.in_transaction = false;
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
                Outcome::Lost(why) => {
                    eprintln!("Error: {why}");
                    return 1;
                }
            }
            if left != 0 {
                super::watch::wait(self.options.interval);
            }
        }
        0
    }

    /// Sends a command and prints what is answered. Commands that make the server talk on its own are
    /// listened to until the connection ends.
    pub fn issue(&mut self, words: &[Vec<u8>], errors_apart: bool) -> Outcome {
        let Some(connection) = &mut self.connection else {
            return Outcome::Lost("not connected".into());
        };
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        let talks = ["subscribe", "psubscribe", "ssubscribe", "monitor"].into_iter().any(is);
        let as_it_is = shows_as_it_is(words);
        if let Err(why) = connection.send(words) {
            return self.lost(&why);
        }
        let mut outcome = Outcome::Answered;
        loop {
            let Some(connection) = &mut self.connection else { return outcome };
            let reply = match connection.receive() {
                Ok(reply) => reply,
                // It was asked to go.
                Err(_) if is("shutdown") => {
                    self.disconnect();
                    return Outcome::Answered;
                }
                Err(why) => return self.lost(&why),
            };
            if matches!(reply, Reply::Push(_)) && !talks && !super::is_terminal() {
                continue;
            }
            if reply.is_error() {
                outcome = Outcome::Refused;
            }
            let printed = match errors_apart && reply.is_error() {
                true => {
                    eprintln!("{}", String::from_utf8_lossy(reply.text()));
                    Ok(())
                }
                false => print(&shown(&reply, &self.options, as_it_is)),
            };
            if printed.is_err() {
                // Nobody reads any more.
                std::process::exit(1);
            }
            let is_more = matches!(reply, Reply::Push(_)) && !talks;
            if is_more || (talks && !reply.is_error()) {
                continue;
            }
            self.note(words, &reply);
            return outcome;
        }
    }

    fn lost(&mut self, why: &io::Error) -> Outcome {
        self.disconnect();
        Outcome::Lost(reason(why))
    }

    /// What the prompt shows, and what a new connection must be told again.
    fn note(&mut self, words: &[Vec<u8>], reply: &Reply) {
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        if is("exec") || is("discard") {
            self.in_transaction = false;
        }
        if reply.is_error() {
            return;
        }
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        let number = |at: usize| String::from_utf8_lossy(&word(at)).parse::<i64>().ok();
        if is("multi") {
            self.in_transaction = true;
        } else if is("select") && !self.in_transaction {
            self.options.db = number(1).unwrap_or(self.options.db);
        } else if is("auth") {
            self.options.password = words.last().cloned();
            self.options.user = (words.len() > 2).then(|| word(1));
        } else if is("hello") {
            self.options.protocol = number(1).map(|version| version as u8);
        } else if is("reset") {
            self.in_transaction = false;
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
