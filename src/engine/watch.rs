//! WATCH: a client is told, by an EXEC that does nothing, that a key it read has changed.

use super::{Engine, SessionKey};
use crate::base::map::Map;
use crate::keyspace::{Db, change};

/// Who watches which key of which database.
#[derive(Default)]
pub struct Watchers {
    keys: Map<(u32, Box<[u8]>), Vec<SessionKey>>,
}

impl Watchers {
    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Engine {
    pub fn watch(&mut self, who: SessionKey, key: &[u8]) {
        let db = self.sessions[who].db as u32;
        let watched: (u32, Box<[u8]>) = (db, key.into());
        // Asked of the key and not of the client, who may watch very many.
        if self.watchers.keys.get(&watched).is_some_and(|watchers| watchers.contains(&who)) {
            return;
        }
        // A key that is due counts as missing from here on, so that its removal is no change for
        // this client; for those who watched it before, it is one.
        if !self.keyspace.contains(db as usize, key) {
            self.follow_removals();
        }
        let session = &mut self.sessions[who];
        session.watched_bytes += key.len();
        session.watched.push(watched.clone());
        self.watchers.keys.entry(watched).or_default().push(who);
        self.keyspace.changes.interest |= change::WATCHERS;
    }

    pub fn unwatch(&mut self, who: SessionKey) {
        let session = &mut self.sessions[who];
        session.watch_broken = false;
        session.watched_bytes = 0;
        for entry in std::mem::take(&mut session.watched) {
            if let Some(watchers) = self.watchers.keys.get_mut(&entry) {
                watchers.retain(|watcher| *watcher != who);
                if watchers.is_empty() {
                    self.watchers.keys.remove(&entry);
                }
            }
        }
        if self.watchers.keys.is_empty() {
            self.keyspace.changes.interest &= !change::WATCHERS;
        }
    }

    pub fn watch_is_broken(&mut self, who: SessionKey) -> bool {
        let watched = std::mem::take(&mut self.sessions[who].watched);
        for (db, key) in &watched {
            self.keyspace.contains(*db as usize, key);
        }
        self.sessions[who].watched = watched;
        self.follow_removals();
        self.sessions[who].watch_broken
    }

    /// Marks the sessions that watch a key which changed.
    pub fn tell_watchers(&mut self) {
        if self.watchers.keys.is_empty() {
            return;
        }
        for (change, key) in self.keyspace.changes.iter() {
            if change.cause == change::Cause::Aside {
                continue;
            }
            // Looking up needs an owned key; watching is rare enough for that.
            let Some(watchers) = self.watchers.keys.get(&(change.db, Box::from(key))) else {
                continue;
            };
            for watcher in watchers {
                if let Some(session) = self.sessions.get_mut(*watcher) {
                    session.watch_broken = true;
                }
            }
        }
    }

    /// Two databases are about to be swapped. What is due there under a watched name goes before:
    /// nobody shall find out later that it went, and take that for a change.
    pub fn tell_watchers_of_swap(&mut self, left: usize, right: usize) {
        let either = [left, right];
        let names: Vec<Box<[u8]>> = self
            .watchers
            .keys
            .keys()
            .filter(|(db, _)| either.contains(&(*db as usize)))
            .map(|(_, key)| key.clone())
            .collect();
        for key in &names {
            for db in either {
                self.keyspace.contains(db, key);
            }
        }
        self.follow_removals();
        self.tell_watchers_of(left, Some(right));
        self.tell_watchers_of(right, Some(left));
    }

    /// Takes all keys out of a database: how many there were, and what held them. Who watches one of
    /// them, or waits for one, learns of it.
    pub fn empty(&mut self, db: usize) -> (usize, Db) {
        self.tell_watchers_of(db, None);
        let emptied = self.keyspace.flush(db);
        self.waiters.make_all_ready(db);
        emptied
    }

    /// A whole database is about to be emptied or swapped with another: keys that are there now,
    /// or will be there then, have changed for whoever watches them.
    pub fn tell_watchers_of(&mut self, db: usize, replaced_by: Option<usize>) {
        for ((watched, key), watchers) in &self.watchers.keys {
            if *watched as usize != db {
                continue;
            }
            let there = self.keyspace.record(db, key).is_some();
            let arrives =
                replaced_by.is_some_and(|other| self.keyspace.record(other, key).is_some());
            if !there && !arrives {
                continue;
            }
            for watcher in watchers {
                if let Some(session) = self.sessions.get_mut(*watcher) {
                    session.watch_broken = true;
                }
            }
        }
    }
}
