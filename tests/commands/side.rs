//! What a transcript is played to: an engine, or a server behind sockets.

use std::time::Duration;

use crate::expect::Times;
use crate::support::value::Value;
use crate::transcript::Scene;

/// A command, as words.
pub type Words = Vec<Vec<u8>>;

/// What a client heard.
#[derive(Debug)]
pub enum Heard {
    Reply(Value),
    Nothing,
    Closed,
}

/// May this be the answer to the command? Subscriptions are answered by pushes; other pushes wait
/// for whoever listens.
pub fn may_answer(value: &Value, words: &Words) -> bool {
    let Value::Push(items) = value else { return true };
    let verb = items.first().and_then(Value::text);
    verb.is_some_and(|verb| verb.eq_ignore_ascii_case(&words[0]))
}

pub trait Side {
    /// Empty databases and new clients, who speak RESP2 or RESP3.
    fn begin(&mut self, proto: u8, scene: &Scene) -> Result<(), String>;
    /// Sends a command. Without `waits` nobody looks for the answer.
    fn say(&mut self, client: usize, words: &Words, waits: bool) -> Result<Heard, String>;
    /// Sends many commands as one piece.
    fn say_all(&mut self, client: usize, lines: &[Words]) -> Result<Vec<Heard>, String>;
    /// All that a client who listens was told so far.
    fn drain(&mut self, client: usize) -> Result<Vec<Value>, String>;
    /// What comes without having been asked for.
    fn hear(&mut self, client: usize) -> Result<Heard, String>;
    fn wait(&mut self, time: Duration);
    fn times(&self) -> Times;
    /// What the log was told since this was last asked; none where nobody can know.
    fn told(&mut self) -> Option<Result<Vec<Words>, String>> {
        None
    }
    /// What the log was told when time passed, and not by any command.
    fn swept(&mut self) -> Vec<Words> {
        Vec::new()
    }
    /// Does everything else that must hold, hold?
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
    /// A number for all data; none where nobody can know.
    fn digest(&mut self) -> Option<String> {
        None
    }
    /// Whether this program has ever heard of the command.
    fn knows(&mut self, _: &Words) -> bool {
        true
    }
    fn end(&mut self, _: &Scene) -> Result<(), String> {
        Ok(())
    }
}
