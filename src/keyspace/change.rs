//! What a write leaves behind: "this key is not what it was", and why.
//!
//! Everything that must follow a write is fed by these. A change costs nothing but a counter
//! while nobody is interested; when somebody is, the key goes into a buffer that is reused.

use super::event::Event;

/// Who wants to hear of changes, as bits.
pub const WATCHERS: u8 = 1 << 0;
/// The log and the replicas, which must be told of removals that no command asked for.
pub const LOG: u8 = 1 << 1;
/// Clients that wait for a key to hold something.
pub const BLOCKED: u8 = 1 << 2;
/// Listeners to keyspace events.
pub const EVENTS: u8 = 1 << 3;
/// … those among them who want to hear of keys that are not there.
pub const MISSES: u8 = 1 << 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Command,
    /// Time passed: replicas must be told, since they do not decide this.
    Expiry,
    /// Nothing changed: a look, or a second name for a change that was noted already.
    Remark,
}

/// One change of one key.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub db: u32,
    pub event: Event,
    pub cause: Cause,
    start: u32,
    end: u32,
}

#[derive(Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    keys: Vec<u8>,
    pub interest: u8,
    /// Changes since the server started; `rdb_changes_since_last_save` and EXEC read it.
    pub dirty: u64,
}

impl Changes {
    #[inline]
    pub fn note(&mut self, db: usize, key: &[u8], event: Event, cause: Cause) {
        if cause == Cause::Command {
            self.dirty += 1;
        }
        if self.interest != 0 {
            self.record(db, key, event, cause);
        }
    }

    /// A second event of a change that was noted: a value stored with a deadline is both "set" and
    /// "expire", but changed once.
    pub fn also(&mut self, db: usize, key: &[u8], event: Event) {
        if self.interest != 0 {
            self.record(db, key, event, Cause::Command);
        }
    }

    /// What only listeners to events want to hear.
    #[inline]
    pub fn remark(&mut self, db: usize, key: &[u8], event: Event) {
        if self.interest & EVENTS != 0 {
            self.record(db, key, event, Cause::Remark);
        }
    }

    /// A key was asked for that is not there.
    #[inline]
    pub fn missed(&mut self, db: usize, key: &[u8]) {
        if self.interest & MISSES != 0 {
            self.record(db, key, Event::MISS, Cause::Remark);
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Change, &[u8])> {
        self.list
            .iter()
            .map(|change| (change, &self.keys[change.start as usize..change.end as usize]))
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.keys.clear();
    }

    #[cold]
    fn record(&mut self, db: usize, key: &[u8], event: Event, cause: Cause) {
        let start = self.keys.len() as u32;
        self.keys.extend_from_slice(key);
        let end = self.keys.len() as u32;
        self.list.push(Change { db: db as u32, event, cause, start, end });
    }
}
