//! A script that takes long: it is kept as it is, and others have their turn.
//!
//! The client that asked for it waits. What others ask for is refused, but for the little that may be asked
//! meanwhile (`ALLOW_BUSY`); SCRIPT KILL is among it. The shell comes by all the time (`go_on`), and each time the
//! script goes on for a moment, until it is over. If it runs inside of EXEC, the rest of that follows.

use super::{Run, Which};
use crate::engine::call::Outcome;
use crate::engine::transaction::Rest;
use crate::engine::{Command, Engine, Out, SessionKey};
use crate::error::Error;
use crate::lua::Vm;
use crate::resp::{Args, ArgsBuf, Reply};
use crate::world::host::Level;
use crate::world::time::Now;

/// How long a busy script goes on at one go.
const SLICE_US: u64 = 1000;

pub struct Busy {
    /// None while it goes on.
    script: Option<(Run, Box<Vm>)>,
    who: SessionKey,
    /// The commands that are not over: the script's own, and EXEC around it.
    calls: Vec<Call>,
    /// What of EXEC comes behind the script.
    rest: Option<Rest>,
    /// What has been answered so far.
    answer: Option<Out>,
    /// The instant that the unit sees.
    wall_us: i64,
    killed: bool,
    /// The client has gone.
    orphan: bool,
}

struct Call {
    command: &'static Command,
    line: ArgsBuf,
    began_us: u64,
}

/// What SCRIPT KILL and FUNCTION KILL are told.
const NOT_BUSY: Error = Error::Say("NOTBUSY No scripts in execution right now.");
const UNKILLABLE: Error = Error::Say(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
     either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE \
     command.",
);

impl Engine {
    pub fn is_busy(&self) -> bool {
        self.scripting.busy.is_some()
    }

    /// Why others must wait, if they must.
    pub fn busy_error(&self) -> Option<Error> {
        let which = self.scripting.busy.as_ref()?.which();
        Some(Error::Say(match which {
            Which::Scripts => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Which::Functions => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
        }))
    }

    /// The function that is busy: its name, the command that runs it, and for how many milliseconds. A script
    /// that is busy leaves no room for the question.
    pub fn busy_function(&self) -> Result<Option<(&str, Args<'_>, u64)>, Error> {
        let Some(busy) = &self.scripting.busy else { return Ok(None) };
        if busy.which() == Which::Scripts {
            return Err(self.busy_error().unwrap_or(NOT_BUSY));
        }
        let Some((run, _)) = &busy.script else { return Ok(None) };
        let Some(call) = busy.calls.first() else { return Ok(None) };
        let millis = self.now.mono_us.saturating_sub(run.began_us) / 1000;
        Ok(Some((&run.name, call.line.args(), millis)))
    }

    /// A script's time is up. Its command is not over; neither is EXEC, if it runs inside of that.
    pub(super) fn become_busy(&mut self, run: Run, vm: Box<Vm>) {
        self.tell_slow(&run);
        self.scripting.busy = Some(Box::new(Busy {
            who: run.who,
            script: Some((run, vm)),
            calls: Vec::new(),
            rest: None,
            answer: None,
            wall_us: self.now.wall_us,
            killed: false,
            orphan: false,
        }));
        self.scripting.became_busy = true;
    }

    /// A script takes long.
    pub(super) fn tell_slow(&self, run: &Run) {
        let command = match run.which {
            Which::Scripts => "SCRIPT KILL",
            Which::Functions => "FUNCTION KILL",
        };
        let micros = self.host.mono_us().saturating_sub(run.began_us);
        self.host.log(
            Level::Warning,
            &format!(
                "Slow script detected: still in execution after {} milliseconds. You can try killing \
                 the script using the {command} command. Script name is: {}.",
                micros / 1000,
                run.name
            ),
        );
    }

    /// Has a script become busy since this was last asked?
    #[inline]
    pub fn take_became_busy(&mut self) -> bool {
        std::mem::take(&mut self.scripting.became_busy)
    }

    /// A command is not over, because a script inside of it is not.
    pub(in crate::engine) fn suspend_call(
        &mut self,
        command: &'static Command,
        args: Args,
        began_us: u64,
    ) {
        let busy = self.scripting.busy.as_mut().expect("a script is busy");
        busy.calls.push(Call { command, line: args.to_buf(), began_us });
    }

    /// EXEC is not over, because a script inside of it is not.
    pub(in crate::engine) fn suspend_exec(&mut self, rest: Rest) {
        self.scripting.busy.as_mut().expect("a script is busy").rest = Some(rest);
    }

    /// The client of a busy script waits, with what it has been answered so far.
    pub(in crate::engine) fn suspend_request(&mut self, who: SessionKey, answer: Out) {
        self.scripting.busy.as_mut().expect("a script is busy").answer = Some(answer);
        let session = &mut self.sessions[who];
        session.awaits_script = true;
    }

    /// The client of a busy script has gone. Its session must stay until the script is over.
    pub(in crate::engine) fn orphan_script(&mut self, who: SessionKey) -> bool {
        let Some(busy) = self.scripting.busy.as_mut().filter(|busy| busy.who == who) else {
            return false;
        };
        busy.orphan = true;
        self.kill(who);
        true
    }

    /// SCRIPT KILL and FUNCTION KILL: the busy script ends with an error, unless it has changed something.
    pub fn kill_script(&mut self, which: Which) -> Result<(), Error> {
        let Some(busy) = &mut self.scripting.busy else { return Err(NOT_BUSY) };
        let (run, vm) = busy.script.as_mut().expect("nobody asks while it goes on");
        if run.which != which {
            return Err(match which {
                Which::Scripts => Error::Say(
                    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
                ),
                Which::Functions => Error::Say(
                    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
                ),
            });
        }
        if run.wrote {
            return Err(UNKILLABLE);
        }
        vm.desk().kill = Some(match which {
            Which::Scripts => "ERR Script killed by user with SCRIPT KILL.",
            Which::Functions => "ERR Script killed by user with FUNCTION KILL.",
        });
        busy.killed = true;
        Ok(())
    }

    /// The busy script goes on for a moment; says whether it is busy still.
    pub fn go_on(&mut self, now: Now) -> bool {
        if self.exit.is_some() {
            return false;
        }
        let Some(mut busy) = self.scripting.busy.take() else { return false };
        let (mut run, mut vm) = busy.script.take().expect("it is put back");
        let who = busy.who;
        self.set_now(Now { wall_us: busy.wall_us, ..now });
        self.begin_request(who);
        run.until_us = now.mono_us + SLICE_US;
        self.in_exec = true;
        let pause = vm.resume();
        let over = self.serve_script(&mut run, &mut vm, pause);
        self.in_exec = run.in_exec;
        if !over {
            busy.script = Some((run, vm));
            self.scripting.busy = Some(busy);
            self.in_exec = false;
        } else {
            self.finish_busy(*busy, run, vm);
        }
        self.end_request(who);
        self.set_now(Now { mono_us: self.now.mono_us, ..now });
        self.is_busy()
    }

    /// The script is over, and with it the commands that it held up.
    fn finish_busy(&mut self, busy: Busy, run: Run, vm: Box<Vm>) {
        let who = busy.who;
        let mut out = busy.answer.unwrap_or_else(|| self.sessions[who].out());
        let start = out.len();
        let mut calls = busy.calls.into_iter();
        let result = self.end_script(run, vm, Reply::new(&mut out));
        let outcome = self.settle_answer(result, start, &mut out);
        if let Some(call) = calls.next() {
            self.end_call(&call, who, outcome, start, &mut out);
        }
        if let Some(rest) = busy.rest {
            if self.exec_rest(who, rest, &mut out).is_err() {
                // Another script of the same EXEC is busy now.
                let again = self.scripting.busy.as_mut().expect("a script is busy");
                again.calls.extend(calls);
                again.answer = Some(out);
                again.orphan = busy.orphan;
                again.wall_us = busy.wall_us;
                return;
            }
            self.in_exec = false;
            if let Some(call) = calls.next() {
                self.end_call(&call, who, Outcome::Answered, 0, &mut out);
            }
        }
        self.effects.seal();
        if busy.orphan {
            self.sessions[who].awaits_script = false;
            self.disconnect(who);
        } else {
            self.sessions[who].awaits_script = false;
            self.answer_late(who, out);
        }
        self.serve_waiters();
        self.tell_followers();
    }

    fn end_call(
        &mut self,
        call: &Call,
        who: SessionKey,
        outcome: Outcome,
        start: usize,
        out: &mut Out,
    ) {
        let db = self.sessions[who].db;
        let args = call.line.args();
        self.conclude(who, call.command, args, db, call.began_us, outcome, start, out);
        if !self.monitors.is_empty() {
            self.feed_monitors(who, call.command, args, out);
        }
    }
}

impl Busy {
    fn which(&self) -> Which {
        self.script.as_ref().map_or(Which::Scripts, |(run, _)| run.which)
    }
}
