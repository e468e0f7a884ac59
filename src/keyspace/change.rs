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
/// … and those who want to hear which parts of a value changed.
pub const PARTS: u8 = 1 << 5;
/// Clients that keep copies of what they have read.
pub const TRACKERS: u8 = 1 << 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Command,
    /// What a reader sees is as it was, and the log must be told even so: who read a stream, and how
    /// far.
    Aside,
    /// Time passed: replicas must be told, since they do not decide this.
    Expiry,
    /// As `Expiry`, for the noted parts of a value.
    PartsExpiry,
    /// Memory was short: replicas must be told, as UNLINK or as DEL.
    Eviction {
        unlinked: bool,
    },
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
    /// Which of the noted parts are its own.
    parts: (u32, u32),
}

#[derive(Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    /// Keys, and parts of values, one behind another.
    keys: Vec<u8>,
    /// Where the parts lie: fields of hashes, or members. Those behind `parts_told` belong to a change that is
    /// yet to be noted.
    parts: Vec<(u32, u32)>,
    parts_told: usize,
    pub interest: u8,
    /// Changes since the server started, each element of a value for itself; `rdb_changes_since_last_save` and EXEC read
    /// it.
    pub dirty: u64,
}

impl Changes {
    #[inline]
    pub fn note(&mut self, db: usize, key: &[u8], event: Event, cause: Cause) {
        if matches!(cause, Cause::Command | Cause::Aside) {
            self.dirty += 1;
        }
        if self.interest != 0 {
            self.record(db, key, event, cause);
        }
    }

    /// A change is of so many elements, for save points. One that is not said to be of several is of one.
    #[inline]
    pub fn counts(&mut self, elements: usize) {
        self.dirty += elements.saturating_sub(1) as u64;
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

    /// The change that is about to be noted is one of this part of the value.
    #[inline]
    pub fn part(&mut self, part: &[u8]) {
        if self.interest & PARTS != 0 {
            let start = self.keys.len() as u32;
            self.keys.extend_from_slice(part);
            self.parts.push((start, self.keys.len() as u32));
        }
    }

    /// As `part`, for one that time took away: the log must know which one it was.
    #[inline]
    pub fn part_gone(&mut self, part: &[u8]) {
        if self.interest & (PARTS | LOG) != 0 {
            let start = self.keys.len() as u32;
            self.keys.extend_from_slice(part);
            self.parts.push((start, self.keys.len() as u32));
        }
    }

    /// The change that was about to be noted came to nothing.
    pub fn forget_parts(&mut self) {
        self.parts.truncate(self.parts_told);
    }

    /// The parts of a value that a change is about.
    pub fn parts_of(&self, change: &Change) -> impl Iterator<Item = &[u8]> + Clone {
        let parts = &self.parts[change.parts.0 as usize..change.parts.1 as usize];
        parts.iter().map(|&(start, end)| &self.keys[start as usize..end as usize])
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
        self.parts.clear();
        self.parts_told = 0;
    }

    #[cold]
    fn record(&mut self, db: usize, key: &[u8], event: Event, cause: Cause) {
        let start = self.keys.len() as u32;
        self.keys.extend_from_slice(key);
        let end = self.keys.len() as u32;
        let told = self.parts_told as u32;
        if cause != Cause::Remark {
            self.parts_told = self.parts.len();
        }
        let parts = (told, self.parts_told as u32);
        self.list.push(Change { db: db as u32, event, cause, start, end, parts });
    }
}
