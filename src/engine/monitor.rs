//! MONITOR: every command, as it runs, to whoever asked for it.

use super::{Command, Engine, Out, SessionKey};
use crate::base::bytes;
use crate::resp::Args;
use crate::spec::{ADMIN, SKIP_MONITOR};

impl Engine {
    pub fn start_monitor(&mut self, who: SessionKey) {
        if !self.sessions[who].monitor {
            self.sessions[who].monitor = true;
            self.monitors.push(who);
        }
    }

    pub fn stop_monitor(&mut self, who: SessionKey) {
        self.sessions[who].monitor = false;
        self.monitors.retain(|monitor| *monitor != who);
    }

    /// A script runs a command.
    #[cold]
    pub(super) fn show_script_call(&mut self, who: SessionKey, command: &Command, args: Args) {
        if command.spec.has(SKIP_MONITOR | ADMIN) {
            return;
        }
        let Some(session) = self.sessions.get(who) else { return };
        let line = self.monitor_line(session.db, "lua", command, args);
        for monitor in self.monitors.clone() {
            if self.sessions.get(monitor).is_some_and(|session| session.hears()) {
                self.push_to(monitor, &line);
            }
        }
    }

    /// A script is about to run, so it is shown before what it runs.
    #[cold]
    pub(super) fn show_script(&mut self, who: SessionKey, command: &Command, args: Args) {
        let line = self.monitor_line_of(who, command, args);
        for monitor in self.monitors.clone() {
            if self.sessions.get(monitor).is_some_and(|session| session.hears()) {
                self.push_to(monitor, &line);
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

    #[cold]
    pub(super) fn feed_monitors(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        out: &mut Out,
    ) {
        if command.spec.has(SKIP_MONITOR | ADMIN) {
            return;
        }
        if self.sessions.get(who).is_none() {
            return;
        }
        let line = self.monitor_line_of(who, command, args);
        for monitor in self.monitors.clone() {
            if !self.sessions.get(monitor).is_some_and(|session| session.hears()) {
                continue;
            }
            // Its own command is shown behind the answer; but not amid the answers of an EXEC.
            match monitor == who && !self.in_exec {
                true => out.bytes.extend_from_slice(&line),
                false => self.push_to(monitor, &line),
            }
        }
    }
}
