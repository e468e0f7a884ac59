//! Keyspace events: listeners learn what happened to which key, through channels.
//!
//! | channel | message | letter |
//! |---|---|---|
//! | `__keyspace@<db>__:<key>` | the event | K |
//! | `__keyevent@<db>__:<event>` | the key | E |
//! | `__subkeyspace@<db>__:<key>` | the event, a bar, the fields | S |
//! | `__subkeyevent@<db>__:<event>` | the key with its length, a bar, the fields | T |
//! | `__subkeyspaceitem@<db>__:<key>\n<field>` | the event; one message for each field | I |
//! | `__subkeyspaceevent@<db>__:<event>\|<key>` | the fields | V |
//!
//! The directive `notify-keyspace-events` chooses channels and classes by their letters. Fields are
//! written `5:first,6:second`, so that any byte may stand in them. Only events that concern fields
//! of hashes have them, or deadlines of members, and go to the last four kinds of channels. Manuals:
//! <https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/> and
//! <https://redis.io/docs/latest/develop/pubsub/subkeyspace-notifications/>.

use super::Engine;
use crate::keyspace::change;
use crate::keyspace::event::{
    MISS, TO_KEYEVENT, TO_KEYSPACE, TO_SUBKEYEVENT, TO_SUBKEYSPACE, TO_SUBKEYSPACEEVENT,
    TO_SUBKEYSPACEITEM,
};

/// The letters that only say where events go.
const CHANNELS: u32 = TO_KEYSPACE | TO_KEYEVENT | SUBKEYS;
const SUBKEYS: u32 = TO_SUBKEYSPACE | TO_SUBKEYEVENT | TO_SUBKEYSPACEITEM | TO_SUBKEYSPACEEVENT;

impl Engine {
    /// Takes over which events are published.
    pub(super) fn apply_events(&mut self) {
        let wanted = self.config.notify_keyspace_events.0;
        let any = wanted & CHANNELS != 0 && wanted & !CHANNELS != 0;
        let interest = &mut self.keyspace.changes.interest;
        for (bit, is_wanted) in [
            (change::EVENTS, any),
            (change::MISSES, any && wanted & MISS != 0),
            (change::PARTS, any && wanted & SUBKEYS != 0),
        ] {
            *interest = *interest & !bit | if is_wanted { bit } else { 0 };
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
        for (change, key) in changes.iter().filter(|(change, _)| change.event.class & wanted != 0) {
            let (db, event) = (change.db, change.event.name.as_bytes());
            if wanted & TO_KEYSPACE != 0 {
                self.publish(&channel("keyspace", db, &[key]), event);
            }
            if wanted & TO_KEYEVENT != 0 {
                self.publish(&channel("keyevent", db, &[event]), key);
            }
            if wanted & SUBKEYS != 0 && changes.parts_of(change).next().is_some() {
                self.publish_parts(wanted, (db, key, event), changes.parts_of(change));
            }
        }
        self.keyspace.changes = changes;
    }

    /// What happened to some fields of a key.
    fn publish_parts<'a>(
        &mut self,
        wanted: u32,
        (db, key, event): (u32, &[u8], &[u8]),
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        let all = listed(fields.clone());
        if wanted & TO_SUBKEYSPACE != 0 {
            self.publish(&channel("subkeyspace", db, &[key]), &[event, b"|", &all].concat());
        }
        if wanted & TO_SUBKEYEVENT != 0 {
            let message = [&listed([key].into_iter()), &b"|"[..], &all].concat();
            self.publish(&channel("subkeyevent", db, &[event]), &message);
        }
        // A key with a line break could be taken for a shorter one with a field.
        if wanted & TO_SUBKEYSPACEITEM != 0 && !key.contains(&b'\n') {
            for field in fields {
                self.publish(&channel("subkeyspaceitem", db, &[key, b"\n", field]), event);
            }
        }
        if wanted & TO_SUBKEYSPACEEVENT != 0 {
            self.publish(&channel("subkeyspaceevent", db, &[event, b"|", key]), &all);
        }
    }
}

fn channel(kind: &str, db: u32, rest: &[&[u8]]) -> Vec<u8> {
    let mut channel = format!("__{kind}@{db}__:").into_bytes();
    rest.iter().for_each(|part| channel.extend_from_slice(part));
    channel
}

/// Each with its length before it.
fn listed<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = Vec::new();
    for word in words {
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(itoa::Buffer::new().format(word.len()).as_bytes());
        list.push(b':');
        list.extend_from_slice(word);
    }
    list
}
