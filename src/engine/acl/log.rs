//! ACL LOG: what was refused of late. What repeats itself within a minute is one entry that counts.

use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    pub reason: &'static str,
    pub context: &'static str,
    /// The command, key, channel or database.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    pub client: String,
    /// Milliseconds since 1970.
    pub created: i64,
    pub updated: i64,
}

#[derive(Default)]
pub struct AclLog {
    /// The newest first.
    entries: VecDeque<Entry>,
    next_id: u64,
}

/// Entries that are further apart are not put together.
const GROUPED_MS: i64 = 60_000;
/// So many of the newest entries are looked at for one to be put together with.
const LOOKED_AT: usize = 10;
/// So much is kept of what a client named, which could be as long as it likes.
const OBJECT_BYTES_MAX: usize = 4096;

/// What an entry keeps of such a text.
pub fn kept(text: &[u8]) -> Vec<u8> {
    text[..text.len().min(OBJECT_BYTES_MAX)].to_vec()
}

impl AclLog {
    /// The entry's number and count are given here.
    pub fn add(&mut self, mut new: Entry, most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if most == 0 {
            return self.entries.clear();
        }
        let same = |old: &Entry| {
            old.reason == new.reason
                && old.context == new.context
                && old.updated.abs_diff(new.updated) <= GROUPED_MS as u64
                && old.object == new.object
                && old.user == new.user
        };
        let entry = match self.entries.iter().take(LOOKED_AT).position(same) {
            Some(place) => {
                let mut old = self.entries.remove(place).expect("it was found there");
                old.count += 1;
                (old.client, old.updated) = (new.client, new.updated);
                old
            }
            None => {
                new.id = self.next_id;
                new.count = 1;
                self.next_id += 1;
                new
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(most);
    }

    /// The newest so many.
    pub fn newest(&self, most: usize) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().take(most)
    }

    /// Numbers go on where they were.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, at: i64) -> Entry {
        Entry {
            id: 0,
            count: 0,
            reason: "key",
            context: "toplevel",
            object: kept(object.as_bytes()),
            user: b"u".to_vec(),
            client: format!("at {at}"),
            created: at,
            updated: at,
        }
    }

    fn shown(log: &AclLog) -> Vec<(u64, u64, i64, i64)> {
        log.newest(99).map(|it| (it.id, it.count, it.created, it.updated)).collect()
    }

    #[test]
    fn what_repeats_itself_soon_is_counted() {
        let mut log = AclLog::default();
        log.add(entry("a", 0), 9);
        log.add(entry("b", 1), 9);
        log.add(entry("a", 60_000), 9);
        assert_eq!(shown(&log), [(0, 2, 0, 60_000), (1, 1, 1, 1)]);
        log.add(entry("a", 120_001), 9);
        assert_eq!(shown(&log), [(2, 1, 120_001, 120_001), (0, 2, 0, 60_000), (1, 1, 1, 1)]);
        log.add(entry("c", 120_002), 2);
        assert_eq!(log.newest(99).len(), 2);
        log.add(entry("d", 120_003), 0);
        assert_eq!(log.newest(99).len(), 0);
    }

    #[test]
    fn a_huge_key_is_not_kept_whole() {
        let mut log = AclLog::default();
        log.add(entry(&"x".repeat(1 << 20), 0), 9);
        assert_eq!(log.newest(1).next().unwrap().object.len(), OBJECT_BYTES_MAX);
    }
}
