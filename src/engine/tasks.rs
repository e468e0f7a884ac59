//! Work that a command leaves to the shell, while its client waits: it takes long, or needs a socket.
//!
//! The handler places a task and waits. When the shell has done the task, the handler runs again and finds the
//! outcome. A client that is gone by then, or has been told to wait no longer, is not answered; tasks are known by
//! numbers, so the outcome of one is never taken for that of another.

use super::{Engine, SessionKey};
use crate::base::map::Map;
use crate::data::{Frozen, Type};
use crate::error::Error;
use crate::rdb::write;
use crate::resp::{Done, Reply, Wait};
use crate::world::Millis;
use crate::world::time::Now;

/// What the shell is to do.
pub struct Task {
    pub who: SessionKey,
    number: u64,
    pub work: Work,
}

pub enum Work {
    /// Makes a payload of a large value.
    Dump(Frozen, write::Options),
    /// Takes keys to another server.
    Migrate(Migration),
}

pub enum Outcome {
    Dumped(Vec<u8>),
    Migrated(Migrated),
}

/// Keys to be taken to another server.
pub struct Migration {
    pub host: Vec<u8>,
    pub port: u16,
    /// It is reached over TLS.
    pub tls: bool,
    pub db: i64,
    /// The longest that any step may take.
    pub timeout_ms: u64,
    pub credentials: Option<Credentials>,
    pub replace: bool,
    pub keys: Vec<Moving>,
    /// How often some of them were sent before.
    pub rounds: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub user: Option<Vec<u8>>,
    pub password: Vec<u8>,
}

/// A key on its way.
pub struct Moving {
    pub key: Vec<u8>,
    /// None if it is to be removed there: it was sent, and then removed here.
    pub copy: Option<Copied>,
}

/// A key as it was when it was sent.
pub struct Copied {
    pub state: State,
    /// How long it will live, zero for ever.
    pub ttl_ms: u64,
}

#[derive(PartialEq, Eq)]
pub struct State {
    pub payload: Vec<u8>,
    pub deadline: Option<Millis>,
}

/// What came of it.
pub struct Migrated {
    /// What was sent.
    pub keys: Vec<Moving>,
    /// For each key from the first one on, whether the other server has taken it.
    pub taken: Vec<bool>,
    /// The first error that the other server answered with.
    pub refusal: Option<Vec<u8>>,
    /// Why there are no more answers.
    pub failure: Option<Failure>,
    pub rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Connecting,
    Writing,
    Reading,
}

/// What was left to the shell.
#[derive(Default)]
pub struct Tasks {
    placed: Vec<Task>,
    last: u64,
    /// Who waits for which.
    waiting: Map<SessionKey, u64>,
    done: Map<SessionKey, Outcome>,
    /// Connections to other servers that are kept for the next MIGRATE; the shell says how many.
    pub cached_sockets: usize,
}

impl Tasks {
    /// Places a task; its client waits then.
    pub fn place(&mut self, who: SessionKey, work: Work) -> Done {
        self.last += 1;
        self.waiting.insert(who, self.last);
        self.placed.push(Task { who, number: self.last, work });
        // No key is waited for, so nothing else wakes the client.
        let wait = Wait::new(Type::String, Vec::new(), None, gave_up);
        Err(wait.into())
    }

    /// What came of the client's task, if it has been done.
    pub fn outcome(&mut self, who: SessionKey) -> Option<Outcome> {
        self.done.remove(&who)
    }

    /// What the shell is to do.
    #[inline]
    pub fn take_placed(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.placed)
    }

    #[inline]
    pub fn are_placed(&self) -> bool {
        !self.placed.is_empty()
    }

    /// The client waits no longer.
    pub(super) fn forget(&mut self, who: SessionKey) {
        self.waiting.remove(&who);
        self.done.remove(&who);
    }
}

impl Task {
    /// Takes the task apart: what is to be done, and for whom.
    pub fn split(self) -> (Ticket, Work) {
        (Ticket { who: self.who, number: self.number }, self.work)
    }
}

/// Says whose task it was.
#[derive(Clone, Copy)]
pub struct Ticket {
    who: SessionKey,
    number: u64,
}

impl Engine {
    /// A task is done: its client goes on, if he still waits for it.
    pub fn task_done(&mut self, ticket: Ticket, outcome: Outcome, now: Now) {
        self.set_now(now);
        if self.tasks.waiting.get(&ticket.who) != Some(&ticket.number) {
            return;
        }
        self.tasks.waiting.remove(&ticket.who);
        self.tasks.done.insert(ticket.who, outcome);
        self.bring(ticket.who);
    }
}

/// CLIENT UNBLOCK without an error.
fn gave_up(_: Reply) -> Done {
    Err(Error::Say("UNBLOCKED client unblocked via CLIENT UNBLOCK").into())
}
