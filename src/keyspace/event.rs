//! Keyspace events: what happened to a key, in the words of Redis' keyspace notifications.

use crate::data::Type;

/// What happened, and the class by which listeners choose. Names and classes are those of the
/// manual's page on keyspace notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: &'static str,
    /// One bit, numbered as the letters of `notify-keyspace-events` are.
    pub class: u32,
}

pub const GENERIC: u32 = 1 << 0;
pub const STRING: u32 = 1 << 1;
pub const LIST: u32 = 1 << 2;
pub const SET: u32 = 1 << 3;
pub const HASH: u32 = 1 << 4;
pub const ZSET: u32 = 1 << 5;
pub const EXPIRED: u32 = 1 << 6;
pub const EVICTED: u32 = 1 << 7;
pub const STREAM: u32 = 1 << 8;
pub const MODULE: u32 = 1 << 9;
pub const NEW: u32 = 1 << 10;
/// Not classes, but the two kinds of channels.
pub const TO_KEYSPACE: u32 = 1 << 11;
pub const TO_KEYEVENT: u32 = 1 << 12;
pub const MISS: u32 = 1 << 13;
pub const OVERWRITTEN: u32 = 1 << 14;
pub const TYPE_CHANGED: u32 = 1 << 15;
/// Kinds of channels again, for the parts of values that changed.
pub const TO_SUBKEYSPACE: u32 = 1 << 16;
pub const TO_SUBKEYEVENT: u32 = 1 << 17;
pub const TO_SUBKEYSPACEITEM: u32 = 1 << 18;
pub const TO_SUBKEYSPACEEVENT: u32 = 1 << 19;

impl Event {
    /// The value is another one to WATCH, the log and the replicas, and nobody else is told.
    pub const QUIET: Event = Event { name: "", class: 0 };
    pub const DEL: Event = Event::generic("del");
    pub const EXPIRED: Event = Event { name: "expired", class: EXPIRED };
    /// A key went because memory was short.
    pub const EVICTED: Event = Event { name: "evicted", class: EVICTED };
    /// A key came into being, by whatever command.
    pub const NEW: Event = Event { name: "new", class: NEW };
    /// A key was asked for and is not there.
    pub const MISS: Event = Event { name: "keymiss", class: MISS };
    /// A value was replaced as a whole.
    pub const OVERWRITTEN: Event = Event { name: "overwritten", class: OVERWRITTEN };
    /// … by one of another type.
    pub const TYPE_CHANGED: Event = Event { name: "type_changed", class: TYPE_CHANGED };

    /// Elements of a value went because their time had come.
    pub fn elements_expired(kind: Type) -> Event {
        match kind {
            Type::Set => Event::set("sexpired"),
            Type::ZSet => Event::zset("zexpired"),
            _ => Event::hash("hexpired"),
        }
    }

    /// A change of which nobody is told.
    pub const SILENT: Event = Event { name: "", class: 0 };

    pub const fn generic(name: &'static str) -> Event {
        Event { name, class: GENERIC }
    }
    pub const fn string(name: &'static str) -> Event {
        Event { name, class: STRING }
    }
    pub const fn list(name: &'static str) -> Event {
        Event { name, class: LIST }
    }
    pub const fn set(name: &'static str) -> Event {
        Event { name, class: SET }
    }
    pub const fn hash(name: &'static str) -> Event {
        Event { name, class: HASH }
    }
    pub const fn zset(name: &'static str) -> Event {
        Event { name, class: ZSET }
    }
    pub const fn stream(name: &'static str) -> Event {
        Event { name, class: STREAM }
    }
}
