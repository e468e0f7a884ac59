//! Who has read which key: the memory of client-side caching.
//!
//! ```text
//!   | length of the key | key … | word | word | …     one allocation for each key
//!
//!   word, u64:  | number of a block of clients, 40 bits | one bit for each of its 24 clients |
//! ```
//! Clients are known here by their ids, which are never used again, so one that has gone means
//! nothing to anybody and need not be taken out. Connections that are made together have ids close
//! together and share words: a thousand of them take a third of a kilobyte at a key, one takes eight
//! bytes.

use crate::base::blob::Blob;
use crate::base::held::Never;
use crate::base::table::{self, Entry, Table};

/// Clients to a word. Ids beyond 2^40 blocks are not met: at a million connections a second that
/// takes nine months.
const BLOCK: u64 = 24;
const WORD: usize = size_of::<u64>();
/// A first byte of this value says that the length of the key is in the four bytes behind it.
const LONG: u8 = u8::MAX;
/// At so many words a key is looked through for clients that have gone, and whenever they have
/// become twice as many.
const LOOKED_THROUGH_FROM: usize = 8;

/// The keys that somebody has read and may keep a copy of.
pub struct Readers {
    table: Table<ReadKey>,
    pairs: u64,
}

/// One key, and the clients that have read it.
pub struct ReadKey(Blob);

impl Readers {
    pub fn new(seed: u64) -> Readers {
        Readers { table: Table::new(seed), pairs: 0 }
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many pairs of a key and a client.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// A client has read a key. Where many clients did before, those that are not there any more are
    /// forgotten now and then, so that a key that never changes does not collect them for ever.
    pub fn add(&mut self, key: &[u8], client: u64, is_there: impl Fn(u64) -> bool) {
        let hash = table::hash(self.table.seed(), key);
        let Some(known) = self.table.find_mut(hash, |known| known.key() == key) else {
            self.table.insert_new(hash, ReadKey::new(key, client));
            self.pairs += 1;
            return;
        };
        let (block, bit) = place_of(client);
        if known.mark(block, bit, &mut self.pairs) {
            return;
        }
        let words = known.words().len() / WORD;
        if words >= LOOKED_THROUGH_FROM && words.is_power_of_two() {
            self.pairs -= known.forget_others(is_there);
        }
        known.insert(block, bit);
        self.pairs += 1;
    }

    /// Takes a key out, if somebody has read it.
    pub fn take(&mut self, key: &[u8]) -> Option<ReadKey> {
        let hash = table::hash(self.table.seed(), key);
        let taken = self.table.remove(hash, |known| known.key() == key)?;
        self.pairs -= taken.clients().count() as u64;
        Some(taken)
    }

    /// Takes any key out, each as likely as every other.
    pub fn take_any(&mut self, below: &mut impl FnMut(u64) -> u64) -> Option<ReadKey> {
        let taken = self.table.pop(below)?;
        self.pairs -= taken.clients().count() as u64;
        Some(taken)
    }
}

impl ReadKey {
    fn new(key: &[u8], client: u64) -> ReadKey {
        let (block, bit) = place_of(client);
        let word = word(block, bit).to_le_bytes();
        let len =
            u32::try_from(key.len()).expect("the key came in a frame, and frames are bounded");
        match u8::try_from(len) {
            Ok(short) if short != LONG => ReadKey(Blob::of(&[&[short], key, &word])),
            _ => ReadKey(Blob::of(&[&[LONG], &len.to_le_bytes(), key, &word])),
        }
    }

    pub fn key(&self) -> &[u8] {
        let (start, end) = self.bounds();
        &self.0[start..end]
    }

    /// The ids of the clients, in their order.
    pub fn clients(&self) -> impl Iterator<Item = u64> {
        self.words().chunks_exact(WORD).flat_map(|bytes| {
            let (block, bits) = parts(read(bytes));
            (0..BLOCK).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| block * BLOCK + bit)
        })
    }

    /// Where the key lies in the blob.
    fn bounds(&self) -> (usize, usize) {
        match self.0[0] {
            LONG => {
                let len = u32::from_le_bytes([self.0[1], self.0[2], self.0[3], self.0[4]]);
                (5, 5 + len as usize)
            }
            len => (1, 1 + len as usize),
        }
    }

    fn words(&self) -> &[u8] {
        &self.0[self.bounds().1..]
    }

    fn words_mut(&mut self) -> &mut [u8] {
        let (_, end) = self.bounds();
        &mut self.0[end..]
    }

    /// Notes a client whose block has a word already, and counts it if it is new; says whether there
    /// is such a word.
    fn mark(&mut self, block: u64, bit: u64, pairs: &mut u64) -> bool {
        let words = self.words_mut();
        let Ok(at) = search(words, block) else { return false };
        let place = &mut words[at * WORD..][..WORD];
        let before = read(place);
        let after = before | 1 << bit;
        place.copy_from_slice(&after.to_le_bytes());
        *pairs += (after != before) as u64;
        true
    }

    /// Notes a client whose block has no word.
    fn insert(&mut self, block: u64, bit: u64) {
        let at = search(self.words(), block).unwrap_or_else(|at| at) * WORD;
        self.0.resize(self.0.len() + WORD);
        let words = self.words_mut();
        words.copy_within(at..words.len() - WORD, at + WORD);
        words[at..at + WORD].copy_from_slice(&word(block, bit).to_le_bytes());
    }

    /// Keeps the clients that are there; says how many were not.
    fn forget_others(&mut self, is_there: impl Fn(u64) -> bool) -> u64 {
        let mut forgotten = 0;
        let mut kept = 0;
        let words = self.words_mut();
        for at in (0..words.len()).step_by(WORD) {
            let (block, bits) = parts(read(&words[at..at + WORD]));
            let there = (0..BLOCK)
                .filter(|bit| bits >> bit & 1 == 1 && is_there(block * BLOCK + bit))
                .fold(0, |there, bit| there | 1 << bit);
            forgotten += (bits ^ there).count_ones() as u64;
            if there != 0 {
                let word = block << BLOCK | there;
                words[kept..kept + WORD].copy_from_slice(&word.to_le_bytes());
                kept += WORD;
            }
        }
        let (_, end) = self.bounds();
        if end + kept < self.0.len() {
            self.0.resize(end + kept);
        }
        forgotten
    }
}

impl Entry for ReadKey {
    type Sharing = Never;

    fn copied(&self, never: Never) -> ReadKey {
        match never {}
    }

    fn hash(&self, seed: u64) -> u64 {
        table::hash(seed, self.key())
    }

    fn prefetch(&self) {
        self.0.prefetch();
    }
}

/// A client's block, and which of its clients it is.
fn place_of(client: u64) -> (u64, u64) {
    (client / BLOCK, client % BLOCK)
}

fn word(block: u64, bit: u64) -> u64 {
    block << BLOCK | 1 << bit
}

fn parts(word: u64) -> (u64, u64) {
    (word >> BLOCK, word & ((1 << BLOCK) - 1))
}

fn read(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a word has eight bytes"))
}

/// Which word is of the block, or where that belongs. Mostly it is the last, since ids rise.
fn search(words: &[u8], block: u64) -> Result<usize, usize> {
    let block_at = |at: usize| parts(read(&words[at * WORD..][..WORD])).0;
    let (mut low, mut high) = (0, words.len() / WORD);
    while low < high {
        let middle = low.midpoint(high);
        match block_at(middle).cmp(&block) {
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Clone, Debug)]
    enum Step {
        Add(usize, u64),
        Take(usize),
        TakeAny(u64),
        /// From here on clients below this id have gone.
        Gone(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Close together and far apart, so that words are shared, and are not.
        let client = prop_oneof![0u64..100, (0u64..200).prop_map(|client| client * 1000)];
        prop_oneof![
            20 => (0usize..4, client).prop_map(|(key, client)| Step::Add(key, client)),
            1 => (0usize..4).prop_map(Step::Take),
            1 => any::<u64>().prop_map(Step::TakeAny),
            1 => (0u64..3000).prop_map(Step::Gone),
        ]
    }

    fn key(number: usize) -> Vec<u8> {
        vec![b'k'; [0, 1, 254, 300][number]]
    }

    proptest! {
        /// The table holds what a map of sets would, but for clients that have gone.
        #[test]
        fn a_key_has_the_readers_that_it_was_given(
            steps in proptest::collection::vec(step(), 0..400)
        ) {
            let mut readers = Readers::new(7);
            let mut model: BTreeMap<Vec<u8>, BTreeSet<u64>> = BTreeMap::new();
            let mut gone = 0;
            for step in steps {
                let taken = match step {
                    Step::Add(number, client) => {
                        readers.add(&key(number), client, |client| client >= gone);
                        model.entry(key(number)).or_default().insert(client);
                        None
                    }
                    Step::Take(number) => {
                        let taken = readers.take(&key(number));
                        prop_assert_eq!(taken.is_some(), model.contains_key(&key(number)));
                        taken
                    }
                    Step::TakeAny(dice) => {
                        let taken = readers.take_any(&mut |bound| dice % bound);
                        prop_assert_eq!(taken.is_some(), !model.is_empty());
                        taken
                    }
                    Step::Gone(client) => {
                        gone = gone.max(client);
                        None
                    }
                };
                if let Some(taken) = taken {
                    let wanted = model.remove(taken.key()).expect("it was there");
                    let clients: Vec<u64> = taken.clients().collect();
                    prop_assert!(clients.is_sorted_by(|left, right| left < right));
                    prop_assert!(clients.iter().all(|client| wanted.contains(client)));
                    let there = |client: &&u64| **client >= gone;
                    prop_assert!(wanted.iter().filter(there).all(|it| clients.contains(it)));
                }
                prop_assert_eq!(readers.len(), model.len());
                let most: usize = model.values().map(BTreeSet::len).sum();
                prop_assert!(readers.pairs() <= most as u64);
                let counted = readers.table.iter().map(|known| known.clients().count() as u64);
                prop_assert_eq!(readers.pairs(), counted.sum::<u64>());
            }
        }
    }

    #[test]
    fn what_clients_that_went_have_read_does_not_pile_up() {
        let mut readers = Readers::new(7);
        // Each client comes, reads, and goes when the next one comes.
        for client in 0..100_000 {
            readers.add(b"key", client, |other| other + 1 >= client);
        }
        assert!(readers.pairs() <= 2 * BLOCK * LOOKED_THROUGH_FROM as u64, "{}", readers.pairs());
    }
}
