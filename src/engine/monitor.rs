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
        let Some(session) = self.sessions.get(who) else { return };
        // SELECT is shown in the database it went to.
        let db = session.db;
        let (seconds, micros) =
            (self.now.wall_us.div_euclid(1_000_000), self.now.wall_us.rem_euclid(1_000_000));
        let addr = if session.peer.unix {
            format!("unix:{}", session.peer.laddr.trim_end_matches(":0"))
        } else {
            session.peer.addr.clone()
        };
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
