//! Any operations on a table whose hashes are as bad as the input wants, against an ordered map.
//!
//! The first bytes say what is wrong with the hashes: a stretch of their bits is the same for all
//! keys, or their high bits are zero more often than chance would have it. Then come operations, and
//! a scan that takes steps between them: what is there all the while it must see exactly once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::base::held::Shares;
use russet::base::table::{Entry, Piece, Table, position};
use std::collections::{BTreeMap, BTreeSet};

/// All that is inserted by one input: enough for some splits and merges.
const INSERTS_MAX: usize = 6_000;

/// What one input may do, in searches of a table with good hashes: a matter of milliseconds.
const EFFORT_MAX: usize = 30_000;

/// What an empty table may keep: some segments of one bucket each, and the directory to them.
const EMPTY_BYTES_MAX: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut play = Play::new(Badness::read(&mut input), input.word());
    while !input.0.is_empty() && play.effort < EFFORT_MAX {
        play.step(&mut input);
        assert_eq!(play.table.len(), play.model.len());
    }
    play.end();
});

struct Item {
    key: u64,
    hash: u64,
    seed: u64,
}

impl Entry for Box<Item> {
    type Sharing = Shares;

    fn copied(&self, _: Shares) -> Box<Item> {
        self.clone()
    }

    fn hash(&self, seed: u64) -> u64 {
        assert_eq!(seed, self.seed);
        self.hash
    }
}

struct Play {
    table: Table<Box<Item>>,
    /// Keys and their hashes.
    model: BTreeMap<u64, u64>,
    badness: Badness,
    inserts: usize,
    effort: usize,
    /// The table was made for a number of entries.
    roomy: bool,
    cursor: u64,
    /// What the scan under way has still to see, and what it saw.
    owed: BTreeSet<u64>,
    seen: BTreeSet<u64>,
}

impl Play {
    fn new(badness: Badness, seed: u64) -> Play {
        Play {
            table: Table::new(seed),
            model: BTreeMap::new(),
            badness,
            inserts: 0,
            effort: 0,
            roomy: false,
            cursor: 0,
            owed: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self, input: &mut Input) {
        match input.byte() % 14 {
            0 => self.insert(input.short(), None),
            // A hash of the input's own choice.
            1 => self.insert(1 << 32 | u64::from(input.byte()), Some(input.word())),
            2 => {
                let (from, count) = (input.short(), input.short() % 4096);
                (from..from + count).for_each(|key| self.insert(key, None));
            }
            3 => {
                let (from, count) = (input.short(), input.short() % 4096);
                (from..from + count).for_each(|key| self.remove(key));
            }
            4 => self.remove(input.short()),
            5 => self.remove_by_place(input.short()),
            6 => self.look(input.short()),
            7 => self.look(1 << 32 | u64::from(input.byte())),
            8 | 9 => {
                let steps = 1 + input.short() % 512;
                (0..steps).take_while(|_| self.scan_step()).count();
            }
            10 => self.random(input),
            11 => self.pop(input),
            12 => self.retain(u64::from(input.byte()).max(1)),
            _ => match input.byte() % 3 {
                0 => self.replace_by_copy(),
                1 => self.any_cursor(input.word()),
                _ => self.fresh_with_capacity(input.short()),
            },
        }
    }

    /// The hash of a key that is going to be searched for.
    fn hash(&mut self, key: u64) -> u64 {
        self.spend();
        self.model.get(&key).copied().unwrap_or_else(|| self.badness.hash(key))
    }

    /// One more search; where hashes collide it may have to look at all that is there.
    fn spend(&mut self) {
        self.effort += 1;
        if self.badness.same != 0 || self.badness.slant != 1 {
            self.effort += self.table.len() / 128;
        }
    }

    fn insert(&mut self, key: u64, hash: Option<u64>) {
        if self.model.contains_key(&key) || self.inserts == INSERTS_MAX {
            return;
        }
        self.spend();
        let hash = hash.unwrap_or_else(|| self.badness.hash(key));
        let item = Box::new(Item { key, hash, seed: self.table.seed() });
        assert_eq!(self.table.insert_new(hash, item).key, key);
        self.model.insert(key, hash);
        self.inserts += 1;
    }

    fn remove(&mut self, key: u64) {
        let hash = self.hash(key);
        let removed = self.table.remove(hash, |item| item.key == key);
        assert_eq!(removed.map(|item| (item.key, item.hash)), self.model.remove_entry(&key));
        self.forget(key);
    }

    fn remove_by_place(&mut self, key: u64) {
        let hash = self.hash(key);
        let place = self.table.locate(hash, |item| item.key == key);
        assert_eq!(place.is_some(), self.model.contains_key(&key));
        let Some(place) = place else { return };
        assert_eq!(self.table.at(place).map(|item| item.key), Some(key));
        assert_eq!(self.table.at_mut(place).map(|item| item.key), Some(key));
        assert_eq!(self.table.remove_at(place).map(|item| item.key), Some(key));
        self.model.remove(&key);
        self.forget(key);
    }

    /// An entry that leaves need not be seen; one that leaves and comes back may be seen again.
    fn forget(&mut self, key: u64) {
        self.owed.remove(&key);
        self.seen.remove(&key);
    }

    fn look(&mut self, key: u64) {
        let (hash, there) = (self.hash(key), self.model.contains_key(&key));
        self.table.prefetch_bucket(hash);
        if let Some(candidate) = self.table.candidate(hash) {
            assert_eq!(self.model.get(&candidate.key), Some(&candidate.hash));
        }
        assert_eq!(self.table.find(hash, |item| item.key == key).is_some(), there);
        assert_eq!(self.table.find_mut(hash, |item| item.key == key).is_some(), there);
    }

    /// One step of the scan under way, or the first of another; says whether there is more to see.
    fn scan_step(&mut self) -> bool {
        self.spend();
        let before = self.cursor;
        if before == 0 {
            self.owed = self.model.keys().copied().collect();
            self.seen.clear();
        }
        self.cursor = self.table.scan(before, |item| {
            assert!(self.seen.insert(item.key), "{} was seen twice", item.key);
            self.owed.remove(&item.key);
        });
        // Clients keep cursors in floating-point numbers.
        assert!(self.cursor < 1 << 53);
        if self.cursor == 0 {
            assert!(self.owed.is_empty(), "not seen: {:?}", self.owed);
        } else {
            assert!(self.cursor > before);
        }
        self.cursor != 0
    }

    fn any_cursor(&self, cursor: u64) {
        let next = self.table.scan(cursor, |item| assert!(position(item.hash) >= cursor));
        assert!(next == 0 || next > cursor);
    }

    fn random(&mut self, input: &mut Input) {
        let picked = self.table.random(&mut |n| input.below(n));
        assert_eq!(picked.is_none(), self.model.is_empty());
        if let Some(item) = picked {
            assert_eq!(self.model.get(&item.key), Some(&item.hash));
        }
    }

    fn pop(&mut self, input: &mut Input) {
        let popped = self.table.pop(&mut |n| input.below(n));
        assert_eq!(popped.is_none(), self.model.is_empty());
        if let Some(item) = popped {
            assert_eq!(self.model.remove(&item.key), Some(item.hash));
            self.forget(item.key);
        }
    }

    fn retain(&mut self, modulus: u64) {
        self.effort += self.table.len();
        let stays = |key: &u64| key % modulus != 0;
        let mut asked = 0;
        self.table.retain(|item| {
            asked += 1;
            stays(&item.key)
        });
        assert_eq!(asked, self.model.len());
        self.model.retain(|key, _| stays(key));
        self.owed.retain(stays);
        self.seen.retain(stays);
    }

    fn replace_by_copy(&mut self) {
        self.effort += self.table.len();
        self.table = self.table.clone();
    }

    /// The entries move to a table that was told a number of them, right or wrong.
    fn fresh_with_capacity(&mut self, capacity: u64) {
        self.effort += self.table.len() + capacity as usize;
        let mut fresh = Table::with_capacity(self.table.seed(), capacity as usize);
        for item in self.table.iter() {
            fresh.insert_new(item.hash, item.clone());
        }
        self.table = fresh;
        self.roomy = true;
    }

    fn end(mut self) {
        if self.cursor != 0 {
            while self.scan_step() {}
        }
        for (&key, &hash) in &self.model {
            assert!(self.table.find(hash, |item| item.key == key).is_some(), "{key} is not found");
        }
        let sorted = |keys: &mut dyn Iterator<Item = u64>| keys.collect::<BTreeSet<u64>>();
        let expected: BTreeSet<u64> = self.model.keys().copied().collect();
        assert_eq!(sorted(&mut self.table.iter().map(|item| item.key)), expected);
        let pieces = self.table.clone().into_pieces().flat_map(Piece::into_entries);
        assert_eq!(sorted(&mut pieces.map(|item| item.key)), expected);
        for key in expected {
            self.remove(key);
        }
        assert!(self.table.is_empty());
        // Room that was asked for is kept until it has been used.
        if self.roomy {
            self.table.retain(|_| false);
        }
        let left = self.table.memory();
        assert!(left <= EMPTY_BYTES_MAX, "{left} bytes for nothing");
    }
}

impl Clone for Item {
    fn clone(&self) -> Item {
        Item { ..*self }
    }
}

/// What is wrong with the hashes of a run.
struct Badness {
    /// Bits that are the same for all keys, and what they are.
    same: u64,
    value: u64,
    /// The hash of a key is shifted down by the key modulo this, so that the table gets lopsided.
    slant: u64,
}

impl Badness {
    fn read(input: &mut Input) -> Badness {
        let (lowest, count) = (input.byte() % 64, input.byte() % 65);
        let same = if count == 64 { u64::MAX } else { ((1 << count) - 1) << lowest };
        let value = if input.byte() % 2 == 0 { 0 } else { same };
        Badness { same, value, slant: u64::from(input.byte() % 34).max(1) }
    }

    fn hash(&self, key: u64) -> u64 {
        let mixed = (key ^ key >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 32) & !self.same | self.value) >> (key % self.slant)
    }
}

/// Bytes that are read as numbers, zeros behind their end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn short(&mut self) -> u64 {
        u64::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }
}
