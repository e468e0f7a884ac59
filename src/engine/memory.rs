//! Accounts of memory: what the data takes, what is overhead, what clients hold.

use super::{Engine, Session};

impl Engine {
    /// Bytes of the dictionaries themselves, without keys and values.
    pub fn keyspace_overhead(&self) -> usize {
        (0..self.keyspace.databases()).map(|db| self.keyspace.db(db).overhead()).sum()
    }

    /// Bytes that clients hold: sessions, input and output.
    pub fn clients_memory(&self) -> usize {
        self.sessions.iter().map(Session::memory).sum()
    }
}

impl Session {
    pub fn memory(&self) -> usize {
        size_of::<Session>()
            + self.input.partial.capacity()
            + self.unread()
            + self.blocked.as_ref().map_or(0, |blocked| blocked.memory())
            + self.subscriptions.as_ref().map_or(0, |own| own.memory())
            + self.tracking.as_ref().map_or(0, |tracking| tracking.memory())
            + self.multi.as_ref().map_or(0, |transaction| transaction.memory())
            + self
                .watched
                .iter()
                .map(|(_, key)| key.len() + size_of::<(u32, Box<[u8]>)>())
                .sum::<usize>()
    }
}
