//! What the log and the replicas are told: one stream of rewritten commands, sealed once for
//! each unit of execution.
//!
//! A command is told as it was sent, unless its handler knows a more deterministic way to say
//! what it did. Nothing is built while nobody listens.

use crate::base::memory_size::of_array;
use crate::keyspace::{Cause, Changes, event};
use crate::resp::{Args, ArgsBuf};

#[derive(Debug, Default)]
pub struct Effects {
    /// Somebody listens: a log, or a replica.
    pub wanted: bool,
    /// Of the whole unit so far, each with its database.
    lines: Vec<(u32, ArgsBuf)>,
    /// Of the command now running, if it chose its own words.
    own: Vec<ArgsBuf>,
    silent: bool,
    /// A script asked that nobody be told what it does.
    pub muted: bool,
    /// Sealed units, as the log would write them.
    sealed: Vec<u8>,
    /// Bytes that were ever sealed.
    offset: u64,
    selected: Option<u32>,
}

/// A buffer that has grown beyond this is not kept.
const BUFFER_KEPT: usize = 64 << 10;

impl Effects {
    /// Says what happened in other words than the client's.
    pub fn instead(&mut self, words: &[&[u8]]) {
        if self.wanted {
            self.own.push(ArgsBuf::of(words));
        }
    }

    /// Whatever changed, nobody need be told.
    pub fn nothing(&mut self) {
        self.silent = self.wanted;
    }

    /// The command is over: its own words, or those it came in, join the unit. Without a command
    /// there are only removals that time brought about.
    pub fn settle(&mut self, db: usize, args: Option<Args>, changes: &Changes) {
        if !self.wanted {
            return;
        }
        // A key expires when it is first touched, so its removal precedes what follows.
        let mut acted = false;
        for (change, key) in changes.iter() {
            match change.cause {
                Cause::Expiry => self.lines.push((change.db, ArgsBuf::of(&[b"DEL", key]))),
                Cause::Eviction { unlinked } => {
                    let verb: &[u8] = if unlinked { b"UNLINK" } else { b"DEL" };
                    self.lines.push((change.db, ArgsBuf::of(&[verb, key])));
                }
                Cause::PartsExpiry => {
                    let verb: &[u8] = match change.event.class {
                        event::SET => b"SREM",
                        event::ZSET => b"ZREM",
                        _ => b"HDEL",
                    };
                    // One line for each, as Redis tells it.
                    let lines =
                        changes.parts_of(change).map(|part| ArgsBuf::of(&[verb, key, part]));
                    self.lines.extend(lines.map(|line| (change.db, line)));
                }
                Cause::Command | Cause::Aside => acted = true,
                Cause::Remark => (),
            }
        }
        if self.muted {
            self.own.clear();
        } else if !self.own.is_empty() {
            self.lines.extend(self.own.drain(..).map(|line| (db as u32, line)));
        } else if let Some(args) = args
            && acted
            && !self.silent
        {
            self.lines.push((db as u32, args.to_buf()));
        }
        self.silent = false;
    }

    /// The unit is over: several lines become one transaction. Says whether there was any.
    #[inline]
    pub fn seal(&mut self) -> bool {
        let told = !self.lines.is_empty();
        if told {
            self.seal_lines(self.lines.len() > 1);
        }
        told
    }

    /// What time has removed is over. Nothing hangs together there, so each line is a unit of its own.
    pub fn seal_apart(&mut self) {
        self.seal_lines(false);
    }

    fn seal_lines(&mut self, whole: bool) {
        let lines = std::mem::take(&mut self.lines);
        if whole {
            self.write(&ArgsBuf::of(&[b"MULTI"]));
        }
        for (db, line) in &lines {
            if self.selected != Some(*db) {
                self.selected = Some(*db);
                self.write(&ArgsBuf::of(&[b"SELECT", db.to_string().as_bytes()]));
            }
            self.write(line);
        }
        if whole {
            self.write(&ArgsBuf::of(&[b"EXEC"]));
        }
    }

    /// What was sealed since this was last asked, as RESP.
    pub fn take_sealed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sealed)
    }

    /// Was something sealed since it was last taken?
    #[inline]
    pub fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Bytes of memory of what was sealed and not taken.
    pub fn memory(&self) -> usize {
        of_array::<u8>(self.sealed.capacity())
    }

    /// Puts what was sealed behind what is there.
    pub fn move_sealed(&mut self, to: &mut Vec<u8>) {
        if to.is_empty() {
            std::mem::swap(to, &mut self.sealed);
        } else {
            to.append(&mut self.sealed);
        }
    }

    /// Memory to seal in again.
    pub fn keep_buffer(&mut self, buffer: Vec<u8>) {
        if self.sealed.capacity() == 0 && buffer.capacity() <= BUFFER_KEPT {
            self.sealed = buffer;
        }
    }

    /// How many bytes were ever sealed.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is sealed next goes where nothing was selected yet: it begins with SELECT.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    fn write(&mut self, line: &ArgsBuf) {
        let before = self.sealed.len();
        let args = line.args();
        let mut digits = itoa::Buffer::new();
        let mut head = |sealed: &mut Vec<u8>, mark: u8, number: usize| {
            sealed.push(mark);
            sealed.extend_from_slice(digits.format(number).as_bytes());
            sealed.extend_from_slice(b"\r\n");
        };
        head(&mut self.sealed, b'*', args.len());
        for word in args.iter() {
            head(&mut self.sealed, b'$', word.len());
            self.sealed.extend_from_slice(word);
            self.sealed.extend_from_slice(b"\r\n");
        }
        self.offset += (self.sealed.len() - before) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_two_lines() -> Effects {
        let mut effects = Effects { wanted: true, selected: Some(0), ..Effects::default() };
        effects.instead(&[b"DEL", b"a"]);
        effects.instead(&[b"HDEL", b"h", b"f"]);
        effects.settle(0, None, &Changes::default());
        effects
    }

    #[test]
    fn what_hangs_together_is_a_transaction_and_what_time_removes_is_not() {
        const LINES: &str =
            "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*3\r\n$4\r\nHDEL\r\n$1\r\nh\r\n$1\r\nf\r\n";
        let mut effects = of_two_lines();
        effects.seal_apart();
        assert_eq!(effects.take_sealed(), LINES.as_bytes());

        let mut effects = of_two_lines();
        assert!(effects.seal());
        let whole = format!("*1\r\n$5\r\nMULTI\r\n{LINES}*1\r\n$4\r\nEXEC\r\n");
        assert_eq!(effects.take_sealed(), whole.as_bytes());
        assert!(!effects.seal());
    }
}
