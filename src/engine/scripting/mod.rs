//! Scripts: what EVAL and FCALL have in common.
//!
//! A script runs until it wants something; then the loop in here, which has the engine, does what it wants and
//! resumes it (`crate::lua`). What a script runs goes through the same steps as a client's request, under the
//! client's session but in a database and a protocol of its own. All of it is one unit, as EXEC is.

pub mod busy;
pub mod cache;
mod shebang;

pub use shebang::Flags;

use super::acl::Context;
use super::{Command, Engine, REDIS_VERSION, SessionKey};
use crate::base::sha1;
use crate::error::Error;
use crate::lua::desk::Told;
use crate::lua::vm::{Facts, Purpose, Words};
use crate::lua::{Desk, Failure, Pause, Program, Vm};
use crate::resp::{Args, Done, Reply, Stop};
use crate::spec::{MAY_REPLICATE, NOSCRIPT, WRITE};
use crate::world::host::Level;
use busy::Busy;
use cache::{Cache, Digest};

/// A script's command was answered with more than a client may be sent.
const TOO_LONG: Error = Error::Say("ERR The reply exceeds the output buffer limit of the client");

/// Which interpreter: scripts and functions do not share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Scripts,
    Functions,
}

#[derive(Default)]
pub struct Scripting {
    pub cache: Cache,
    /// Not there before the first script, nor while one runs.
    vms: [Option<Box<Vm>>; 2],
    /// An interpreter is at work, by `Which`.
    at_work: [bool; 2],
    /// A script that takes long, while others have their turn.
    busy: Option<Box<Busy>>,
    became_busy: bool,
    /// A script calls a command right now.
    pub(super) calls: bool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call every command.
    pub call_all: bool,
    /// The memory of an interpreter, by `Which`, when it was last seen.
    memory: [usize; 2],
}

/// What is to be run.
pub struct Launch<'a> {
    pub which: Which,
    pub program: Program,
    pub words: Words,
    /// What error texts call it: a digest, or a function's name.
    pub name: &'a str,
    /// It may change nothing.
    pub read_only: bool,
    /// It may let the data grow when there is no room.
    pub allow_oom: bool,
    /// How many of the words are keys.
    pub keys: usize,
}

/// A script that runs.
pub struct Run {
    pub who: SessionKey,
    pub which: Which,
    pub name: Box<str>,
    pub read_only: bool,
    /// It may let the data grow when there is no room.
    pub allow_oom: bool,
    /// It has called a command that writes.
    pub wrote: bool,
    /// Its own database.
    db: usize,
    /// By the stopwatch.
    pub began_us: u64,
    /// Until when it goes on, by the stopwatch.
    until_us: u64,
    /// It runs inside of an EXEC.
    in_exec: bool,
}

impl Engine {
    /// Runs a script or a function for a client and answers with what it returns. `words` are keys and
    /// arguments.
    pub fn run_script(&mut self, who: SessionKey, launch: Launch, words: Args, out: Reply) -> Done {
        let mut vm = self.take_vm(launch.which)?;
        let desk = vm.desk();
        desk.words.clear();
        words.iter().for_each(|word| desk.words.push(word));
        desk.keys = launch.keys;
        desk.answer.clear(out.proto());
        let most = self.sessions[who].answer_bound(&self.config, &self.client_bounds);
        (desk.answer.out.most, desk.reply.most) = (most, most);
        let began_us = self.now.mono_us;
        let threshold_us = (self.config.busy_reply_threshold.max(0) as u64).saturating_mul(1000);
        let until_us = if threshold_us == 0 { u64::MAX } else { began_us + threshold_us };
        let mut run = Run {
            who,
            which: launch.which,
            name: launch.name.into(),
            read_only: launch.read_only,
            allow_oom: launch.allow_oom,
            wrote: false,
            db: self.sessions[who].db,
            began_us,
            until_us,
            in_exec: std::mem::replace(&mut self.in_exec, true),
        };
        let pause = vm.start(launch.program, launch.words);
        if self.serve_script(&mut run, &mut vm, pause) {
            self.in_exec = run.in_exec;
            return self.end_script(run, vm, out);
        }
        self.in_exec = run.in_exec;
        self.become_busy(run, vm);
        Err(Stop::Busy)
    }

    /// Shows monitors a command that runs a script, before what the script runs.
    pub fn show_run(&mut self, who: SessionKey, args: Args) {
        if !self.monitors.is_empty()
            && let Ok(command) = self.find(args)
        {
            self.show_script(who, command, args);
        }
    }

    /// The script is over: its answer, or what went wrong.
    fn end_script(&mut self, run: Run, mut vm: Box<Vm>, out: Reply) -> Done {
        let desk = vm.desk();
        let outcome = std::mem::replace(&mut desk.outcome, Ok(()));
        let errors = std::mem::take(&mut desk.answer.errors);
        let result = match outcome {
            Ok(()) => {
                let answer = &desk.answer.out.bytes;
                let failed = !errors.is_empty() || answer.first() == Some(&b'-');
                let is_spilled = desk.answer.out.is_spilled();
                let done = out.in_pieces(|out| {
                    if is_spilled {
                        out.spill();
                    }
                    out.bytes.extend_from_slice(answer);
                });
                if failed { Err(Stop::Failed) } else { done }
            }
            Err(failure) => {
                let error = told(&run, &failure);
                if failure.counted {
                    out.error(&error)?;
                    Err(Stop::Failed)
                } else {
                    Err(error.into())
                }
            }
        };
        if desk.answer.out.bytes.capacity() > ANSWER_BYTES_KEPT {
            desk.answer.out.bytes = Vec::new();
        }
        self.keep_vm(run.which, vm);
        for mut error in errors {
            one_line(&mut error);
            self.count_error(&Error::Text(error));
        }
        result
    }

    /// Does what the script wants until it is over, or until its time is up: says whether it is over.
    fn serve_script(&mut self, run: &mut Run, vm: &mut Vm, mut pause: Pause) -> bool {
        loop {
            match pause {
                Pause::Over => return true,
                Pause::Call => self.script_calls(run, vm.desk()),
                Pause::Log => self.script_logs(vm.desk()),
                Pause::Check => self.script_asks(run, vm.desk()),
                Pause::Tick => {
                    if self.host.mono_us() >= run.until_us {
                        if !self.sessions[run.who].replays {
                            return false;
                        }
                        // What stands behind it in the log cannot come before it.
                        self.tell_slow(run);
                        run.until_us = u64::MAX;
                    }
                }
            }
            pause = vm.resume();
        }
    }

    /// Runs the command that lies on the desk.
    fn script_calls(&mut self, run: &mut Run, desk: &mut Desk) {
        let line = std::mem::take(&mut desk.line);
        let args = line.args();
        desk.reply.take_back(0);
        if desk.reply.bytes.capacity() > ANSWER_BYTES_KEPT {
            desk.reply.bytes = Vec::new();
        }
        match self.admit_from_script(run, args) {
            Err((command, error)) => {
                if let Some(command) = command {
                    self.stats.commands[command.known_as as usize].rejected += 1;
                }
                self.count_error(&error);
                desk.reply.error(&error);
            }
            Ok(command) => {
                run.wrote |= command.spec.has(WRITE);
                self.effects.muted = desk.told == Told::NOBODY;
                // What the script did since its last command is its own.
                self.move_clock_on();
                let session = &mut self.sessions[run.who];
                let own = std::mem::replace(&mut session.db, run.db);
                self.scripting.calls = true;
                let pending = self.call_woken(run.who, command, args, &mut desk.reply);
                self.scripting.calls = false;
                if desk.reply.is_spilled() {
                    desk.reply.take_back(0);
                    desk.reply.error(&TOO_LONG);
                }
                assert!(pending.is_none(), "nobody waits inside a script");
                if !self.monitors.is_empty() {
                    self.show_script_call(run.who, command, args);
                }
                let session = &mut self.sessions[run.who];
                run.db = std::mem::replace(&mut session.db, own);
                self.effects.muted = false;
            }
        }
        desk.line = line;
    }

    /// The questions asked before a script's command runs.
    fn admit_from_script(
        &mut self,
        run: &Run,
        args: Args,
    ) -> Result<&'static Command, (Option<&'static Command>, Error)> {
        const UNKNOWN: Error = Error::Say("ERR Unknown Redis command called from script");
        const ARITY: Error =
            Error::Say("ERR Wrong number of args calling Redis command from script");
        let command = self.find(args).map_err(|error| match error {
            Error::Arity(_) => (None, ARITY),
            _ => (None, UNKNOWN),
        })?;
        let refuse = |error| Err((Some(command), error));
        if !command.arity_fits(args.len()) {
            return refuse(ARITY);
        }
        if command.spec.has(NOSCRIPT) && !self.scripting.call_all {
            return refuse(Error::Say("ERR This Redis command is not allowed from script"));
        }
        if !self.sessions[run.who].unrestricted
            && let Err(denied) = self.check_acl(run.who, command, args, run.db)
        {
            let why = self.deny(run.who, command, args, denied, Context::Script);
            return refuse(Error::Text([b"ERR ACL failure in script: ", &*why].concat().into()));
        }
        if command.spec.has(WRITE)
            && let Some(error) = self.misconf_for(command)
        {
            return refuse(error);
        }
        if run.read_only && command.spec.has(WRITE | MAY_REPLICATE) {
            return refuse(Error::Say(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        // What has begun to change something is not stopped half way.
        if !run.wrote
            && !run.allow_oom
            && let Some(error) = self.oom_in_script(run.db, command, args)
        {
            return refuse(error);
        }
        Ok(command)
    }

    pub(super) fn script_logs(&mut self, desk: &Desk) {
        let level = match desk.level {
            0 => Level::Debug,
            1 => Level::Verbose,
            2 => Level::Notice,
            _ => Level::Warning,
        };
        let words: Vec<&[u8]> = desk.line.args().iter().collect();
        self.host.log(level, &String::from_utf8_lossy(&words.join(&b' ')));
    }

    /// May the script's client run this?
    fn script_asks(&mut self, run: &Run, desk: &mut Desk) {
        let args = desk.line.args();
        let found = self.find_asked_about(args);
        desk.verdict = found.map(|command| {
            self.sessions[run.who].unrestricted
                || self.check_acl(run.who, command, args, run.db).is_ok()
        });
    }

    /// What the script or function of a line says of itself.
    pub(super) fn script_flags(&self, command: &Command, args: Args) -> Option<Flags> {
        match command.spec.name {
            "FCALL" | "FCALL_RO" => Some(self.functions.find(args.get(1))?.flags),
            _ => self.scripting.flags_of(command, args),
        }
    }

    /// The program of a text, which is compiled if it is not known.
    pub fn script_of(&mut self, text: &[u8]) -> Result<Digest, Error> {
        if let Some(digest) = self.scripting.cache.digest_of(text) {
            return Ok(digest);
        }
        let digest = sha1::hex(text);
        if self.scripting.cache.get(&digest).is_some() {
            return Ok(digest);
        }
        let (flags, chunk) = shebang::parse(text)?;
        let mut vm = self.take_vm(Which::Scripts)?;
        let compiled = vm.compile("@user_script", chunk);
        let known = compiled.map(|program| {
            let leaving = self.scripting.cache.add(digest, text, program, flags);
            if let Some(leaving) = leaving {
                vm.forget(leaving);
            }
            digest
        });
        self.keep_vm(Which::Scripts, vm);
        known.map_err(|message| {
            let before = b"ERR Error compiling script (new function): ";
            Error::Text([&before[..], &message].concat().into())
        })
    }

    /// SCRIPT FLUSH: nothing of any script is left.
    pub fn flush_scripts(&mut self, in_background: bool) {
        let cache = std::mem::take(&mut self.scripting.cache);
        self.scripting.cache.evicted = cache.evicted;
        let bytes = self.scripting.vm_memory(Which::Scripts) as u64;
        let vm = self.scripting.drop_vm(Which::Scripts);
        if in_background {
            self.give_away_known(0, Some(bytes), (cache, vm));
        }
    }

    pub(super) fn take_vm(&mut self, which: Which) -> Result<Box<Vm>, Error> {
        // What is known of its programs must not get to another one.
        if self.scripting.at_work[which as usize] {
            return Err(NESTED);
        }
        self.scripting.at_work[which as usize] = true;
        match self.scripting.vms[which as usize].take() {
            Some(vm) => Ok(vm),
            None => {
                let facts = Facts {
                    version: REDIS_VERSION,
                    server_name: "redis",
                    insecure: self.config.lua_enable_insecure_api,
                };
                let seed = self.keyspace.seed() ^ self.now.mono_us;
                let purpose = match which {
                    Which::Scripts => Purpose::Scripts,
                    Which::Functions => Purpose::Functions,
                };
                let vm = Vm::new(purpose, &facts, seed);
                vm.map(Box::new).map_err(|error| {
                    self.scripting.at_work[which as usize] = false;
                    Error::text(format!("ERR The interpreter cannot start: {error}"))
                })
            }
        }
    }

    pub(super) fn keep_vm(&mut self, which: Which, vm: Box<Vm>) {
        self.scripting.at_work[which as usize] = false;
        self.scripting.memory[which as usize] = vm.memory();
        self.scripting.vms[which as usize] = Some(vm);
    }
}

/// An answer buffer that has grown beyond this is not kept.
const ANSWER_BYTES_KEPT: usize = 1024 * 1024;

/// A script would do with its interpreter what only others can.
pub(super) const NESTED: Error = Error::Say("ERR This Redis command is not allowed from script");

impl Scripting {
    pub(super) fn is_at_work(&self, which: Which) -> bool {
        self.at_work[which as usize]
    }

    /// Takes an interpreter out, with all that is in it.
    pub(super) fn drop_vm(&mut self, which: Which) -> Option<Box<Vm>> {
        self.memory[which as usize] = 0;
        self.vms[which as usize].take()
    }

    /// Does this line run a script that says that it changes nothing?
    pub(super) fn only_reads(&self, command: &Command, args: Args) -> bool {
        self.flags_of(command, args).is_some_and(|flags| flags.no_writes)
    }

    /// What the script of this line says of itself; nothing if it says nothing, or is not one.
    fn flags_of(&self, command: &Command, args: Args) -> Option<Flags> {
        match command.spec.name {
            "EVAL" | "EVAL_RO" => shebang::parse(args.get(1)).ok()?.0,
            "EVALSHA" | "EVALSHA_RO" => self.cache.get(&cache::digest(args.get(1))?)?.flags,
            _ => None,
        }
    }

    /// Bytes that an interpreter has allocated.
    pub fn vm_memory(&self, which: Which) -> usize {
        self.memory[which as usize]
    }
}

/// How a client is told of an error: with the script, and the line if it is known.
fn told(run: &Run, failure: &Failure) -> Error {
    let mut text = failure.message.clone();
    if let Some((source, line)) = &failure.source {
        text.extend_from_slice(format!(" script: {}, on ", run.name).as_bytes());
        text.extend_from_slice(source);
        text.extend_from_slice(format!(":{line}.").as_bytes());
    }
    one_line(&mut text);
    Error::Text(text.into())
}

/// Line breaks would be taken out on the way to the client, and must not count as part of the error's code either.
fn one_line(text: &mut [u8]) {
    text.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
}
