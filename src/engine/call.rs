//! Run a command, and what follows: the one place, whoever asked for it.

use super::doing::{self, Doing};
use super::{Closing, acl, commandlog, gate, keys};
use super::{Command, Ctx, Engine, Flow, InMulti, Out, Replies, Run, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply, Stop, Wait};
use crate::spec::{Access, MAY_REPLICATE, SKIP_SLOWLOG, WRITE};

/// What a word costs on the wire beyond its bytes, at the most.
const HEADER_BYTES_MAX: usize = 16;

/// What came of running a handler.
pub(super) enum Outcome {
    Answered,
    /// With an error.
    Failed,
    Pending(Pending),
}

/// Why there is no answer yet.
pub enum Pending {
    /// It waits for a key.
    Wait(Box<Wait>),
    /// A script is busy.
    Script,
}

impl Engine {
    /// One request of a client: refuse it, queue it, put it off, or run it.
    pub(super) fn request(
        &mut self,
        who: SessionKey,
        found: Result<&'static Command, Error>,
        args: Args,
        out: &mut Out,
    ) -> Flow {
        let start = out.len();
        let command = match found {
            Ok(command) => command,
            Err(_) if gate::is_cross_protocol(args.get(0)) => {
                let text = format!(
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or \
                     Host: commands. This is likely due to an attacker attempting to use Cross \
                     Protocol Scripting to compromise your instance. Connection from {} aborted.",
                    self.sessions[who].peer.addr
                );
                self.host.log(crate::world::host::Level::Warning, &text);
                self.sessions[who].closing = Closing::Now;
                return Flow::Close;
            }
            Err(error) => {
                // A container without a word is one that was called wrongly.
                let known = match error {
                    Error::Arity(_) => self.named(args.get(0)),
                    _ => None,
                };
                self.sessions[who].last_command = known;
                self.reject(who, known, &error, out);
                return self.finish(who, start, out);
            }
        };
        self.sessions[who].last_command = Some(command);
        self.make_room(out);
        if let Err(error) = self.admit(who, command, args) {
            self.reject(who, Some(command), &error, out);
            return self.finish(who, start, out);
        }
        let mut start = start;
        if self.trackers.clients() > 0 {
            // What is dropped concerns answers of before, and comes ahead of the next one.
            self.bound_reads();
            self.tell_own_pushes(out);
            start = out.len();
        }
        if self.is_paused_for(who, command, args) || self.must_wait_for_room(who, command, args) {
            self.sessions[who].postponed = true;
            return Flow::Postponed;
        }
        let may_grow = self.sessions[who].multi.is_some() && self.line_may_grow(command, args);
        let session = &mut self.sessions[who];
        if let Some(transaction) = &mut session.multi {
            if command.in_multi != InMulti::Queue {
                self.move_clock_on();
                return self.request_now(who, command, args, start, out);
            }
            let may_write = line_may_write(&self.scripting, command, args);
            if command.spec.name == "SELECT" {
                let named = acl::check::database(args.get(1), self.keyspace.databases());
                transaction.db = named.or(transaction.db);
            }
            transaction.queue(command, args, may_write, may_grow);
            out.bytes.extend_from_slice(b"+QUEUED\r\n");
            return self.finish(who, start, out);
        }
        self.request_now(who, command, args, start, out)
    }

    /// A request that runs at once.
    #[inline]
    fn request_now(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        start: usize,
        out: &mut Out,
    ) -> Flow {
        self.sessions[who].argument_bytes = args.bytes();
        let flow = match self.call(who, command, args, out) {
            None => {
                if let Some(session) = self.sessions.get_mut(who) {
                    session.argument_bytes = 0;
                }
                self.finish(who, start, out)
            }
            Some(Pending::Wait(wait)) => {
                self.block(who, command, args, wait);
                Flow::Blocked
            }
            Some(Pending::Script) => {
                let answer = out.split_off(start);
                self.suspend_request(who, answer);
                Flow::Blocked
            }
        };
        // While a script is busy its unit is not over.
        if !self.is_busy() {
            if self.effects.seal() {
                self.sessions[who].log_offset = self.effects.offset();
            }
            self.serve_waiters();
        }
        self.tell_own_pushes(out);
        flow
    }

    /// Runs a command and makes everything follow that must. There is no answer yet if the command
    /// waits for something.
    pub fn call(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        out: &mut Out,
    ) -> Option<Pending> {
        let pending = self.call_woken(who, command, args, out);
        if !self.monitors.is_empty() && !matches!(pending, Some(Pending::Script)) {
            self.feed_monitors(who, command, args, out);
        }
        pending
    }

    /// As `call`, for a command that was seen before, when it began to wait.
    pub(super) fn call_woken(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        out: &mut Out,
    ) -> Option<Pending> {
        let start = out.len();
        let began_us = self.now.mono_us;
        let session = &self.sessions[who];
        let db = session.db;
        let doing = Doing { command, args, client: session.id, db };
        let outer = doing::begin(&doing);
        let reads_all_keys = session.unrestricted || self.reads_all_keys(who, command, args, db);
        self.keyspace.no_touch = session.no_touch && command.spec.name != "TOUCH";
        // Whoever replays a log did not find the key gone then.
        self.keyspace.sees_expired =
            session.replays || (session.import_source && self.config.import_mode);
        let lifted = session.replays.then(|| self.limits.lifted());
        if self.effects.wanted && self.keyspace.is_walking() && command.spec.has(WRITE) {
            self.hold_sources(command, args, db);
        }
        #[cfg(debug_assertions)]
        let watch = super::declared::Watch::begin(&self.keyspace);
        let result = match command.run {
            Run::Data(run) => {
                let mut cx = Ctx {
                    db,
                    now: self.keyspace.now(),
                    keyspace: &mut self.keyspace,
                    effects: &mut self.effects,
                    limits: lifted.as_ref().unwrap_or(&self.limits),
                    in_script: self.scripting.calls,
                    reads_all_keys,
                    note: &mut self.note,
                };
                run(&mut cx, args, Reply::new(out))
            }
            Run::Admin(run) | Run::Containing(run) => run(self, who, args, Reply::new(out)),
            Run::Container => unreachable!("a container is never found by itself"),
        };
        #[cfg(debug_assertions)]
        watch.end(&self.keyspace, command, args, reads_all_keys);
        let outcome = self.settle_answer(result, start, out);
        let pending = self.conclude(who, command, args, db, began_us, outcome, start, out);
        doing::end(outer);
        pending
    }

    /// What the command only reads, whoever replays the log will have to read too.
    #[cold]
    fn hold_sources(&mut self, command: &Command, args: Args, db: usize) {
        let keys = keys::find(&command.spec, args).unwrap_or_default();
        for key in keys.iter().filter(|key| key.access == Access::ReadOnly) {
            self.keyspace.hold_for_log(db, args.get(key.index));
        }
    }

    /// What follows when a handler has answered: its changes, and the statistics.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "all that a call consists of")]
    pub(super) fn conclude(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        db: usize,
        began_us: u64,
        outcome: Outcome,
        start: usize,
        out: &mut Out,
    ) -> Option<Pending> {
        self.follow_up(db, Some(args));
        if self.trackers.clients() > 0 {
            self.remember_reads(who, command, args);
        }
        let end_us = self.host.mono_us();
        let micros = end_us.saturating_sub(began_us);
        // Inside a unit time stands still for commands, but not for the stopwatch; between units
        // the wall clock is moved on by the stopwatch, which costs less than asking for it.
        self.now.mono_us = end_us;
        if !self.in_exec {
            self.now.wall_us += micros as i64;
            self.set_now(self.now);
        }
        let failed = match outcome {
            Outcome::Pending(Pending::Script) => {
                self.suspend_call(command, args, began_us);
                return Some(Pending::Script);
            }
            Outcome::Pending(Pending::Wait(mut wait)) => {
                wait.ran_us += micros;
                return Some(Pending::Wait(wait));
            }
            Outcome::Answered => false,
            Outcome::Failed => true,
        };
        self.account(who, command, args, micros, failed, out.len() - start);
        None
    }

    /// What is told of a command that is over.
    #[inline]
    pub(super) fn account(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        micros: u64,
        failed: bool,
        reply_bytes: usize,
    ) {
        let tracked = self.config.latency_tracking;
        self.stats.commands[command.known_as as usize].count(micros, failed, tracked);
        self.stats.processed += 1;
        if let Some(session) = self.sessions.get_mut(who) {
            session.commands += 1;
        }
        self.stats.command_micros += if self.in_exec { 0 } else { micros };
        self.watch_latency_of(command, micros);
        if self.counts_hot_keys() {
            self.count_hot_keys(command, args, micros, reply_bytes);
        }
        self.log_if_remarkable(who, command, args, micros, reply_bytes);
    }

    /// What came between two commands is neither's: the stopwatch of the next one starts now.
    pub(super) fn move_clock_on(&mut self) {
        let now_us = self.host.mono_us();
        let micros = now_us.saturating_sub(std::mem::replace(&mut self.now.mono_us, now_us));
        if !self.in_exec {
            self.now.wall_us += micros as i64;
            self.set_now(self.now);
        }
    }

    /// Writes the error a handler stopped with. Where nobody may wait, whoever would is answered
    /// at once.
    pub(super) fn settle_answer(&mut self, result: Done, start: usize, out: &mut Out) -> Outcome {
        let result = match result {
            Err(Stop::Wait(wait)) if self.in_exec => (wait.refuse)(Reply::new(out)),
            result => result,
        };
        match result {
            Ok(_) => Outcome::Answered,
            Err(Stop::Failed) => Outcome::Failed,
            Err(Stop::Wait(wait)) => Outcome::Pending(Pending::Wait(wait)),
            Err(Stop::Busy) => Outcome::Pending(Pending::Script),
            Err(Stop::Refuse(error)) => {
                // A half-written answer must not leak.
                out.take_back(start);
                self.count_error(&error);
                out.error(&error);
                if let Some(note) = self.note.take() {
                    self.host.log(crate::world::host::Level::Warning, &note);
                }
                Outcome::Failed
            }
        }
    }

    /// An error was answered.
    pub(super) fn count_error(&mut self, error: &Error) {
        if let Some(kinds) = self.stats.count_error(&error.message()) {
            // Whoever made them up could write into the log what nobody is to see there.
            let mut names: Vec<String> = match self.config.hide_user_data_from_log {
                true => vec!["*redacted*".into()],
                false => kinds.keys().map(|kind| kind.escape_ascii().to_string()).collect(),
            };
            names.sort_unstable();
            let warn = |text: &str| self.host.log(crate::world::host::Level::Warning, text);
            warn(
                "Errorstats stopped adding new errors: there are too many kinds, so somebody makes \
                 them up. CONFIG RESETSTAT begins anew.",
            );
            warn(&format!("Current errors code list: {}", names.join(", ")));
            self.give_away(kinds.len(), kinds);
        }
    }

    /// Everything that follows from a write, in one place and one order.
    #[inline]
    fn follow_up(&mut self, db: usize, args: Option<Args>) {
        // Mostly nothing is noted: the command was a look, or nobody is interested.
        if self.keyspace.changes.is_empty()
            && !self.effects.wanted
            && self.keyspace.trash.is_empty()
        {
            return;
        }
        if !self.keyspace.changes.is_empty() {
            self.tell_watchers();
            self.tell_waiters();
            self.tell_trackers();
            self.publish_events();
        }
        self.effects.settle(db, args, &self.keyspace.changes);
        self.keyspace.changes.clear();
        if !self.keyspace.trash.is_empty() {
            let trash = std::mem::take(&mut self.keyspace.trash);
            // Without a limit nobody wants to know, and to add up a large value takes a walk through it.
            let has_limit = self.room.limit > 0;
            let bytes = has_limit.then(|| trash.iter().map(|record| record.memory() as u64).sum());
            self.give_away_known(trash.len(), bytes, trash);
        }
    }

    /// Keys were removed because their time had come, outside of any command.
    pub fn follow_removals(&mut self) {
        self.follow_up(0, None);
    }

    pub(super) fn reject(
        &mut self,
        who: SessionKey,
        command: Option<&Command>,
        error: &Error,
        out: &mut Out,
    ) {
        if let Some(command) = command {
            self.stats.commands[command.known_as as usize].rejected += 1;
        }
        self.move_clock_on();
        let is_exec = command.is_some_and(|command| command.spec.name == "EXEC");
        // A refused EXEC is over with its transaction, and says so in its own words; even where
        // there was none.
        if is_exec {
            let text = error.message();
            let mut abort = b"EXECABORT Transaction discarded because of: ".to_vec();
            abort.extend_from_slice(text.strip_prefix(b"ERR ").unwrap_or(&text));
            self.sessions[who].multi = None;
            self.unwatch(who);
            let abort = Error::Text(abort.into());
            self.count_error(&abort);
            return out.error(&abort);
        }
        if let Some(transaction) = &mut self.sessions[who].multi {
            transaction.spoiled = true;
        }
        self.count_error(error);
        out.error(error);
    }

    /// Keeps back what the client does not want to hear, and looks at its fate.
    pub(super) fn finish(&mut self, who: SessionKey, start: usize, out: &mut Out) -> Flow {
        let Some(session) = self.sessions.get_mut(who) else { return Flow::Close };
        match session.replies {
            Replies::On => (),
            Replies::Off => out.take_back(start),
            Replies::SkipNext => session.replies = Replies::Skip,
            Replies::Skip => {
                out.take_back(start);
                session.replies = Replies::On;
            }
        }
        session.end_caching();
        session.reply_peak = session.reply_peak.max(out.len() - start.min(out.len()));
        if session.closing != Closing::No {
            return Flow::Close;
        }
        let limit = session.output_limit(&self.config).hard;
        if out.is_spilled() || limit > 0 && out.len() as u64 > limit {
            self.cut_slow_reader(who, out.len());
            return Flow::Close;
        }
        if self.exit.is_some() { Flow::Close } else { Flow::Continue }
    }

    #[inline]
    fn log_if_remarkable(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        micros: u64,
        reply_bytes: usize,
    ) {
        let argument_bytes = args.bytes();
        if command.spec.has(SKIP_SLOWLOG) {
            return;
        }
        let config = &self.config;
        let over = |threshold: i64, amount: u64| threshold >= 0 && amount >= threshold as u64;
        let slow = over(config.slowlog_log_slower_than, micros);
        // The exact length is worth computing only where it may matter.
        let at_most = argument_bytes + HEADER_BYTES_MAX * (args.len() + 1);
        let large_request = over(config.commandlog_request_larger_than, at_most as u64)
            && over(config.commandlog_request_larger_than, args.wire_bytes() as u64);
        let large_reply = over(config.commandlog_reply_larger_than, reply_bytes as u64);
        if slow || large_request || large_reply {
            self.log_command(
                who,
                command,
                args,
                [
                    (slow, micros),
                    (large_request, args.wire_bytes() as u64),
                    (large_reply, reply_bytes as u64),
                ],
            );
        }
    }

    #[cold]
    fn log_command(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        amounts: [(bool, u64); 3],
    ) {
        let Some(session) = self.sessions.get(who) else { return };
        let origin = commandlog::Origin {
            time: self.now.wall_us.div_euclid(1_000_000),
            addr: &session.peer.addr,
            name: &session.name,
        };
        let kept = commandlog::Kept {
            words_max: self.config.slowlog_entry_max_argc as usize,
            bytes_max: self.config.slowlog_entry_max_string_len as usize,
        };
        let mut words = commandlog::shortened(args, kept);
        // The last word may stand for those that are left out.
        let shown = if words.len() < args.len() { words.len() - 1 } else { words.len() };
        for (index, word) in words.iter_mut().enumerate().take(shown) {
            if super::redact::is_secret(command, args, index) {
                *word = b"(redacted)".to_vec();
            }
        }
        let logs = &mut self.command_logs;
        let kinds = [
            (&mut logs.slow, self.config.slowlog_max_len),
            (&mut logs.large_request, self.config.commandlog_large_request_max_len),
            (&mut logs.large_reply, self.config.commandlog_large_reply_max_len),
        ];
        for ((log, len_max), (wanted, amount)) in kinds.into_iter().zip(amounts) {
            if wanted {
                log.push(amount, words.clone(), &origin, len_max);
            }
        }
        if let [(true, micros), ..] = amounts
            && self.config.slowlog_max_len > 0
        {
            self.stats.count_slow(command.known_as, micros);
        }
    }

    /// Could the command change data, now or when EXEC runs it?
    pub(super) fn may_write(&self, who: SessionKey, command: &Command, args: Args) -> bool {
        let multi = self.sessions[who].multi.as_ref();
        line_may_write(&self.scripting, command, args)
            || (command.spec.name == "EXEC" && multi.is_some_and(|multi| multi.may_write))
    }
}

/// Could a command line change data? A script can say that it does not.
fn line_may_write(scripting: &super::scripting::Scripting, command: &Command, args: Args) -> bool {
    command.spec.has(WRITE | MAY_REPLICATE) && !scripting.only_reads(command, args)
}
