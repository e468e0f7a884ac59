//! The desk between a script and whoever runs it: what is asked, what is answered.
//!
//! Only one of the two sides works at a time. The buffers stay from one call to the next.

use crate::resp::{ArgsBuf, Out, Proto};

/// Why a script does not go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It is over; `outcome` says how.
    Over,
    /// `line` is a command to be run; its reply is wanted in `reply`.
    Call,
    /// `line` is a message for the log, at `level`.
    Log,
    /// May the command of `line` be run? Wanted in `verdict`.
    Check,
    /// It has worked for a while without asking for anything.
    Tick,
}

pub struct Desk {
    /// Of the script: the words it asked with.
    pub line: ArgsBuf,
    /// The reply to `line`, in the protocol that the script chose with `redis.setresp`.
    pub reply: Out,
    pub level: u8,
    /// Whether the command may be run; none if there is no such command.
    pub verdict: Option<bool>,
    /// What `redis.set_repl` asked for.
    pub told: Told,
    /// Of the runner: the words for KEYS and ARGV, of which so many are keys.
    pub words: ArgsBuf,
    pub keys: usize,
    /// The answer of the whole script, in the client's protocol.
    pub answer: Answer,
    pub outcome: Result<(), Failure>,
    /// The script is to end: with this error, which it cannot catch.
    pub kill: Option<&'static str>,
}

/// What a script returns, as a reply.
pub struct Answer {
    pub out: Out,
    /// The error replies in it that have not been counted.
    pub errors: Vec<Box<[u8]>>,
}

impl Answer {
    pub fn clear(&mut self, proto: Proto) {
        self.out.take_back(0);
        self.out.proto = proto;
        self.errors.clear();
    }
}

impl Default for Answer {
    fn default() -> Answer {
        Answer { out: Out::new(Proto::Resp2), errors: Vec::new() }
    }
}

/// Who is told what a script changes; the numbers are those of `redis.REPL_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(pub u8);

impl Told {
    pub const NOBODY: Told = Told(0);
    pub const LOG: Told = Told(1);
    pub const REPLICAS: Told = Told(2);
    pub const ALL: Told = Told(3);
}

/// An error that no part of the script caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// With its code in front, as an error reply has it.
    pub message: Vec<u8>,
    /// Where it was raised: a chunk and a line.
    pub source: Option<(Vec<u8>, i64)>,
    /// It came from a command, whose failing has been counted already.
    pub counted: bool,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            line: ArgsBuf::default(),
            reply: Out::new(Proto::Resp2),
            level: 0,
            verdict: None,
            told: Told::ALL,
            words: ArgsBuf::default(),
            keys: 0,
            answer: Answer::default(),
            outcome: Ok(()),
            kill: None,
        }
    }
}
