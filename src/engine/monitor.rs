//! MONITOR: every command, as it runs, to whoever asked for it; or only some of them, for those who said which.

use super::{Command, Engine, Out, SessionKey, keys};
use crate::base::{bytes, glob};
use crate::resp::Args;
use crate::spec::{ADMIN, SKIP_MONITOR};

/// A client that watches.
pub struct Monitor {
    pub who: SessionKey,
    filter: Option<Filter>,
}

/// Which commands a client wants to see; those that pass all of it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of the keys is covered by one of these, if there are any.
    pub patterns: Vec<Vec<u8>>,
    /// It is one of these or a subcommand of theirs, by the names in the rows, if there are any.
    pub commands: Vec<&'static str>,
    /// Of those one in so many, the first one included.
    pub sample: u64,
    /// How many there were.
    seen: u64,
}

impl Filter {
    fn wants(&mut self, command: &Command, args: Args) -> bool {
        let is_named = |name: &&str| {
            let rest = command.spec.name.strip_prefix(*name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        };
        if !self.commands.is_empty() && !self.commands.iter().any(is_named) {
            return false;
        }
        if !self.patterns.is_empty() {
            let covers = |key: &[u8]| self.patterns.iter().any(|it| glob::matches(it, key, false));
            let found = keys::find(&command.spec, args).unwrap_or_default();
            if !found.iter().any(|key| covers(args.get(key.index))) {
                return false;
            }
        }
        let shown = self.seen.is_multiple_of(self.sample.max(1));
        self.seen += 1;
        shown
    }
}

impl Engine {
    /// Shows commands to a client from now on; says whether that is anything new to it.
    pub fn start_monitor(&mut self, who: SessionKey, filter: Option<Filter>) -> bool {
        let known = self.monitors.iter_mut().find(|monitor| monitor.who == who);
        let is_new = match known {
            Some(monitor) => {
                let changes = monitor.filter.is_some() || filter.is_some();
                monitor.filter = filter;
                changes
            }
            None => {
                self.monitors.push(Monitor { who, filter });
                true
            }
        };
        self.sessions[who].monitor = true;
        is_new
    }

    pub fn stop_monitor(&mut self, who: SessionKey) {
        self.sessions[who].monitor = false;
        self.monitors.retain(|monitor| monitor.who != who);
    }

    /// A script runs a command.
    #[cold]
    pub(super) fn show_script_call(&mut self, who: SessionKey, command: &Command, args: Args) {
        if command.spec.has(SKIP_MONITOR | ADMIN) {
            return;
        }
        let Some(db) = self.sessions.get(who).map(|session| session.db) else { return };
        let line = |engine: &Engine| engine.monitor_line(db, "lua", command, args);
        self.show(command, args, line, None);
    }

    /// A script is about to run, so it is shown before what it runs.
    #[cold]
    pub(super) fn show_script(&mut self, who: SessionKey, command: &Command, args: Args) {
        self.show(command, args, |engine| engine.monitor_line_of(who, command, args), None);
    }

    #[cold]
    pub(super) fn feed_monitors(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        out: &mut Out,
    ) {
        if command.spec.has(SKIP_MONITOR | ADMIN) || self.sessions.get(who).is_none() {
            return;
        }
        // Its own command is shown behind the answer; but not amid the answers of an EXEC.
        let own = (!self.in_exec).then_some((who, out));
        self.show(command, args, |engine| engine.monitor_line_of(who, command, args), own);
    }

    fn show(
        &mut self,
        command: &Command,
        args: Args,
        write: impl Fn(&Engine) -> Vec<u8>,
        mut own: Option<(SessionKey, &mut Out)>,
    ) {
        // The line is written for the first who wants it.
        let mut line: Option<Vec<u8>> = None;
        for at in 0..self.monitors.len() {
            let monitor = &mut self.monitors[at];
            let who = monitor.who;
            if !self.sessions.get(who).is_some_and(|session| session.hears())
                || !monitor.filter.as_mut().is_none_or(|filter| filter.wants(command, args))
            {
                continue;
            }
            let line = &*line.get_or_insert_with(|| write(self));
            match &mut own {
                Some((own, out)) if *own == who => out.bytes.extend_from_slice(line),
                _ => self.push_to(who, line),
            }
        }
    }

    fn monitor_line_of(&self, who: SessionKey, command: &Command, args: Args) -> Vec<u8> {
        let session = &self.sessions[who];
        // SELECT is shown in the database it went to.
        match session.peer.unix {
            true => {
                let addr = format!("unix:{}", session.peer.laddr.trim_end_matches(":0"));
                self.monitor_line(session.db, &addr, command, args)
            }
            false => self.monitor_line(session.db, &session.peer.addr, command, args),
        }
    }

    fn monitor_line(&self, db: usize, addr: &str, command: &Command, args: Args) -> Vec<u8> {
        let (seconds, micros) =
            (self.now.wall_us.div_euclid(1_000_000), self.now.wall_us.rem_euclid(1_000_000));
        let mut line = format!("+{seconds}.{micros:06} [{db} {addr}]").into_bytes();
        for (index, word) in args.iter().enumerate() {
            line.push(b' ');
            if super::redact::is_secret(command, args, index) {
                line.extend_from_slice(b"\"(redacted)\"");
            } else {
                bytes::quote(word, &mut line);
            }
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}
