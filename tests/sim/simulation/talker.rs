//! A client of the simulation: what it has said, and what it is still owed.

use super::words::Line;
use crate::support::client::{Client, encode};
use crate::support::value::Value;
use russet::engine::SessionKey;
use std::collections::VecDeque;

pub struct Talker {
    pub who: SessionKey,
    /// What it has said and the network has not brought yet.
    pub pending: VecDeque<u8>,
    /// Bytes it has said, and how many of them have arrived.
    said: u64,
    arrived: u64,
    /// What it is owed, and the byte at which the request ends.
    owed: VecDeque<(u64, Owed)>,
    /// It never did what spares it answers, so every request must be answered.
    pub counted: bool,
    may_resp3: bool,
    may_monitor: bool,
    /// It has been told that the protocol was hurt: that was the last word.
    over: bool,
    /// The number of the last echo that came back.
    last_echo: u64,
    /// Takes long to read what it is sent, and so many bytes of it are under way.
    pub slow: bool,
    pub in_flight: usize,
}

/// What a request must be answered with.
#[derive(Debug)]
pub enum Owed {
    Anything,
    /// This very number, or a refusal.
    Echo(u64),
    /// An error, and the end of the connection.
    Malformed,
    /// Nothing at all, and the end of the connection.
    Silence,
}

/// How an echo is told from other replies.
const ECHO: &str = "echo number ";

impl Talker {
    pub fn new(who: SessionKey) -> Talker {
        Talker {
            who,
            pending: VecDeque::new(),
            said: 0,
            arrived: 0,
            owed: VecDeque::new(),
            counted: true,
            may_resp3: false,
            may_monitor: false,
            over: false,
            last_echo: 0,
            slow: false,
            in_flight: 0,
        }
    }

    pub fn say(&mut self, line: &Line) {
        let word =
            |at: usize| line.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match word(0).as_slice() {
            b"CLIENT" if word(1) == b"REPLY" => self.counted = false,
            // It is answered for each channel, and hears what nobody owes it.
            name if name.ends_with(b"SUBSCRIBE") => self.counted = false,
            b"HELLO" => self.may_resp3 = true,
            // A subscription is confirmed as often as it has names, and in RESP2 a message looks like
            // an answer.
            b"SUBSCRIBE" | b"UNSUBSCRIBE" | b"PSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SSUBSCRIBE"
            | b"SUNSUBSCRIBE" => self.counted = false,
            // To whoever is a monitor already, a second MONITOR is not answered.
            b"MONITOR" if self.may_monitor => self.counted = false,
            b"MONITOR" => self.may_monitor = true,
            _ => (),
        }
        let mut frame = Vec::new();
        encode(line, &mut frame);
        self.put(&frame, Some(Owed::Anything));
    }

    pub fn say_echo(&mut self, number: u64) {
        let mut frame = Vec::new();
        encode(&["ECHO".to_string(), format!("{ECHO}{number}")], &mut frame);
        self.put(&frame, Some(Owed::Echo(number)));
    }

    /// Bytes that are no ordinary frame; what they are owed is the caller's knowledge.
    pub fn put(&mut self, bytes: &[u8], owed: Option<Owed>) {
        self.pending.extend(bytes);
        self.said += bytes.len() as u64;
        if let Some(owed) = owed {
            self.owed.push_back((self.said, owed));
        }
    }

    /// The next bytes that the network brings.
    pub fn bring(&mut self, most: usize) -> Vec<u8> {
        let bytes: Vec<u8> = self.pending.drain(..most.min(self.pending.len())).collect();
        self.arrived += bytes.len() as u64;
        bytes
    }

    /// Compares what was sent to the client with what it is owed.
    pub fn hear(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let values = Client::replies(bytes).map_err(|why| format!("{why} in {shown:?}"))?;
        for value in values {
            if !self.may_resp3 && !is_resp2(&value) {
                return Err(format!("RESP3 to a client that never asked for it: {shown:?}"));
            }
            let is_news = matches!(value, Value::Push(_)) || self.may_monitor && is_seen(&value);
            if !is_news {
                self.hear_reply(value).map_err(|why| format!("{why} in {shown:?}"))?;
            }
        }
        Ok(())
    }

    fn hear_reply(&mut self, value: Value) -> Result<(), String> {
        if self.over {
            return Err("an answer behind the last word".into());
        }
        // A stranger may send less than others, and is told so before he has said all.
        if matches!(&value, Value::Error(text) if text.starts_with(b"ERR Protocol error: unauth")) {
            self.over = true;
            return Ok(());
        }
        if !self.counted {
            return self.hear_some_echo(&value);
        }
        let Some((end, owed)) = self.owed.pop_front() else {
            return Err("an answer that nobody asked for".into());
        };
        if end > self.arrived {
            return Err("an answer to a request that is not complete".into());
        }
        match owed {
            Owed::Anything => Ok(()),
            Owed::Echo(_) if is_refusal(&value) => Ok(()),
            Owed::Echo(number) if number_of(&value) == Some(number) => Ok(()),
            Owed::Malformed if value.is_error() => {
                self.over = true;
                Ok(())
            }
            owed => Err(format!("another answer than {owed:?}")),
        }
    }

    /// Of a client that may be spared answers, only their order is known.
    fn hear_some_echo(&mut self, value: &Value) -> Result<(), String> {
        let Some(number) = number_of(value) else { return Ok(()) };
        if number <= self.last_echo {
            return Err(format!("echo {number} behind echo {}", self.last_echo));
        }
        self.last_echo = number;
        Ok(())
    }

    /// Everything was read and run, and all answers were taken: is anything still owed?
    pub fn settled(&self) -> Result<(), String> {
        match self.owed.front() {
            Some((end, owed)) if self.counted && *end <= self.arrived => {
                Err(format!("no answer, although {owed:?} is owed"))
            }
            _ => Ok(()),
        }
    }
}

/// QUEUED inside a transaction; an error for a stranger, or in a spoiled one.
fn is_refusal(value: &Value) -> bool {
    value.is_error() || matches!(value, Value::Simple(text) if text == b"QUEUED")
}

fn number_of(value: &Value) -> Option<u64> {
    let Value::Bulk(text) = value else { return None };
    std::str::from_utf8(text).ok()?.strip_prefix(ECHO)?.parse().ok()
}

/// A line of MONITOR, as in `1800000000.000000 [0 127.0.0.1:50001] "GET" "k1"`.
fn is_seen(value: &Value) -> bool {
    let Value::Simple(text) = value else { return false };
    text.first().is_some_and(u8::is_ascii_digit) && text.windows(2).any(|two| two == b" [")
}

fn is_resp2(value: &Value) -> bool {
    match value {
        Value::Simple(_) | Value::Error(_) | Value::Int(_) | Value::Bulk(_) => true,
        Value::NullBulk | Value::NullArray => true,
        Value::Array(items) => items.iter().all(is_resp2),
        _ => false,
    }
}
