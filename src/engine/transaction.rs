//! MULTI, EXEC and DISCARD: requests that wait for each other and then run as one.

use super::acl::{Context, changed_since};
use super::call::Pending;
use super::{Command, Engine, Out, SessionKey};
use crate::error::Error;
use crate::resp::{Args, ArgsBuf, Done, Reply, Stop};

#[derive(Debug, Default)]
pub struct Transaction {
    steps: Vec<Step>,
    /// Bytes of the lines.
    bytes: usize,
    /// A request was refused while it was to be queued: EXEC will refuse all.
    pub spoiled: bool,
    /// One of the requests could change data.
    pub may_write: bool,
    /// The database that a queued SELECT leads to.
    pub db: Option<usize>,
    /// One of the requests could let the data grow.
    pub may_grow: bool,
}

struct Step {
    command: &'static Command,
    line: ArgsBuf,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.command.spec.name)
    }
}

impl Transaction {
    pub fn queue(
        &mut self,
        command: &'static Command,
        args: Args,
        may_write: bool,
        may_grow: bool,
    ) {
        self.may_write |= may_write;
        self.may_grow |= may_grow;
        // Nothing of a spoiled transaction will run, so nothing of it need be kept.
        if !self.spoiled {
            let line = args.to_buf();
            self.bytes += line.memory();
            self.steps.push(Step { command, line });
        }
    }

    /// What was queued.
    pub fn lines(&self) -> impl Iterator<Item = (&'static Command, Args<'_>)> {
        self.steps.iter().map(|step| (step.command, step.line.args()))
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn memory(&self) -> usize {
        self.bytes + self.steps.capacity() * size_of::<Step>()
    }
}

/// What of a transaction has not run yet.
pub struct Rest {
    transaction: Transaction,
    next: usize,
}

impl Engine {
    pub fn multi(&mut self, who: SessionKey, out: Reply) -> Done {
        let session = &mut self.sessions[who];
        if session.multi.is_some() {
            return Err(Error::Say("ERR MULTI calls can not be nested").into());
        }
        session.multi = Some(Transaction::default());
        out.ok()
    }

    pub fn discard(&mut self, who: SessionKey, out: Reply) -> Done {
        if self.sessions[who].multi.take().is_none() {
            return Err(Error::Say("ERR DISCARD without MULTI").into());
        }
        self.unwatch(who);
        out.ok()
    }

    /// Runs what was queued: one unit, one instant, nobody in between.
    pub fn exec(&mut self, who: SessionKey, out: Reply) -> Done {
        let Some(transaction) = self.sessions[who].multi.take() else {
            return Err(Error::Say("ERR EXEC without MULTI").into());
        };
        // A watched key that has expired since is a changed key, even if nobody looked.
        let broken = self.watch_is_broken(who);
        self.unwatch(who);
        if transaction.spoiled {
            return Err(
                Error::Say("EXECABORT Transaction discarded because of previous errors.").into()
            );
        }
        if broken {
            return out.null_array();
        }
        self.in_exec = true;
        let mut result = Ok(());
        let done = out.in_pieces(|out| {
            out.open_list(transaction.len());
            result = self.exec_rest(who, Rest { transaction, next: 0 }, out);
        });
        self.in_exec = false;
        result.and(done)
    }

    /// What was allowed when it was queued may not be any more.
    #[cold]
    fn is_still_permitted(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
    ) -> Result<(), Error> {
        let db = self.sessions[who].db;
        self.check_acl(who, command, args, db).map_err(|denied| {
            self.deny(who, command, args, denied, Context::Multi);
            changed_since(denied)
        })
    }

    /// Runs what has not run yet; a script among it may become busy.
    pub(super) fn exec_rest(
        &mut self,
        who: SessionKey,
        mut rest: Rest,
        out: &mut Out,
    ) -> Result<(), Stop> {
        while let Some(step) = rest.transaction.steps.get(rest.next) {
            rest.next += 1;
            let start = out.len();
            if !self.sessions[who].unrestricted
                && let Err(error) = self.is_still_permitted(who, step.command, step.line.args())
            {
                self.count_error(&error);
                out.error(&error);
                continue;
            }
            match self.call(who, step.command, step.line.args(), out) {
                None => (),
                Some(Pending::Wait(_)) => unreachable!("nobody waits inside EXEC"),
                Some(Pending::Script) => {
                    self.suspend_exec(rest);
                    return Err(Stop::Busy);
                }
            }
            // Without its element the answer would not be whole, and the client would take the
            // next answer for it.
            if out.len() == start {
                out.null();
            }
        }
        Ok(())
    }
}
