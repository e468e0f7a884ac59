//! Keyspace events: listeners learn what happened to which key, through channels.
//!
//! Manual: <https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/>. An event goes to
//! `__keyspace@<db>__:<key>`, saying what happened, and to `__keyevent@<db>__:<event>`, saying to
//! which key; the directive `notify-keyspace-events` chooses kinds and classes.

use super::Engine;
use crate::keyspace::change;
use crate::keyspace::event::{MISS, TO_KEYEVENT, TO_KEYSPACE};

/// The letters that only say where events go.
const CHANNELS: u32 = TO_KEYSPACE | TO_KEYEVENT;

impl Engine {
    /// Takes over which events are published.
    pub(super) fn apply_events(&mut self) {
        let wanted = self.config.notify_keyspace_events.0;
        let any = wanted & CHANNELS != 0 && wanted & !CHANNELS != 0;
        let interest = &mut self.keyspace.changes.interest;
        *interest &= !(change::EVENTS | change::MISSES);
        if any {
            *interest |= change::EVENTS;
        }
        if any && wanted & MISS != 0 {
            *interest |= change::MISSES;
        }
    }

    /// Publishes what the noted changes are called, in their order.
    pub(super) fn publish_events(&mut self) {
        if self.keyspace.changes.interest & change::EVENTS == 0 || !self.has_subscribers() {
            return;
        }
        let wanted = self.config.notify_keyspace_events.0;
        // Publishing needs the engine, and changes nothing.
        let changes = std::mem::take(&mut self.keyspace.changes);
        let mut channel = Vec::new();
        for (change, key) in changes.iter().filter(|(change, _)| change.event.class & wanted != 0) {
            let (db, name) = (change.db, change.event.name.as_bytes());
            if wanted & TO_KEYSPACE != 0 {
                address(&mut channel, "keyspace", db, key);
                self.publish(&channel, name);
            }
            if wanted & TO_KEYEVENT != 0 {
                address(&mut channel, "keyevent", db, name);
                self.publish(&channel, key);
            }
        }
        self.keyspace.changes = changes;
    }
}

fn address(channel: &mut Vec<u8>, kind: &str, db: u32, rest: &[u8]) {
    channel.clear();
    channel.extend_from_slice(b"__");
    channel.extend_from_slice(kind.as_bytes());
    channel.push(b'@');
    channel.extend_from_slice(itoa::Buffer::new().format(db).as_bytes());
    channel.extend_from_slice(b"__:");
    channel.extend_from_slice(rest);
}
