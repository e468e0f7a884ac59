//! Who has added what: entries that are added twice are recognised (XADD with IDMP), for some time and up
//! to some number for each producer.
//!
//! An entry that comes again is known by its producer and by what the producer calls it. How old that
//! knowledge is, the id of the entry says, since such entries have ids of the moment.

use super::id::Id;
use crate::base::held::{Held, Shares};
use crate::base::map::Map;
use crate::base::memory_size::{of_array, size_class};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Producers {
    /// May be shared with a frozen twin.
    producers: Map<Box<[u8]>, Held<Producer>>,
    /// What this stream says instead of the directives.
    own: [Option<u32>; 2],
    /// Ever.
    pub added: u64,
    pub duplicates: u64,
    /// When there are so many producers, those are removed who are known for nothing any more.
    sweep_at: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Producer {
    entries: Map<Arc<[u8]>, Id>,
    /// The oldest first.
    order: VecDeque<Arc<[u8]>>,
}

/// For how long and how much of each producer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub seconds: u32,
    pub entries: u32,
}

/// With fewer producers nobody need be removed.
const FEW: usize = 64;

impl Producers {
    /// What of these is said by the stream itself.
    pub fn memory_or(&self, directives: Memory) -> Memory {
        let [seconds, entries] = self.own;
        Memory {
            seconds: seconds.unwrap_or(directives.seconds),
            entries: entries.unwrap_or(directives.entries),
        }
    }

    /// Sets what is remembered. If it is something else than before, all is forgotten.
    pub fn set_memory(&mut self, seconds: Option<u32>, entries: Option<u32>, directives: Memory) {
        let before = self.memory_or(directives);
        self.own = [seconds.or(self.own[0]), entries.or(self.own[1])];
        if self.memory_or(directives) != before {
            self.producers = Map::default();
        }
    }

    /// The entry that a producer has added under this name.
    pub fn find(&self, producer: &[u8], name: &[u8], now_ms: u64, memory: Memory) -> Option<Id> {
        let id = *self.producers.get(producer)?.entries.get(name)?;
        is_fresh(id, now_ms, memory).then_some(id)
    }

    /// A producer has added an entry under this name.
    pub fn record(&mut self, producer: &[u8], name: &[u8], id: Id, now_ms: u64, memory: Memory) {
        if self.producers.len() >= self.sweep_at.max(FEW) {
            self.producers.retain(|_, producer| {
                // What is shared is not copied for nothing.
                if producer.knows_too_much(now_ms, memory) {
                    producer.own().forget(now_ms, memory);
                }
                !producer.order.is_empty()
            });
            self.sweep_at = 2 * self.producers.len();
        }
        self.added += 1;
        let known = self.of(producer);
        known.forget(now_ms, memory);
        if known.entries.remove(name).is_some() {
            known.order.retain(|other| **other != *name);
        }
        known.know(name, id);
        while known.order.len() > memory.entries as usize {
            known.forget_oldest();
        }
    }

    /// What the stream says instead of the directives: seconds and entries.
    pub fn own(&self) -> [Option<u32>; 2] {
        self.own
    }

    /// The producers, and what each has added: its names and ids, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = (&[u8], Id)>)> {
        self.producers.iter().map(|(name, producer)| {
            let entries = producer
                .order
                .iter()
                .filter_map(|name| producer.entries.get(name).map(|id| (&**name, *id)));
            (&**name, entries)
        })
    }

    /// A producer, who may be new.
    pub(super) fn of(&mut self, producer: &[u8]) -> &mut Producer {
        if !self.producers.contains_key(producer) {
            self.producers.insert(producer.into(), Held::default());
        }
        self.producers.get_mut(producer).expect("he was just seen to").own()
    }

    /// As they are now, to be read while these go on changing.
    pub fn freeze(&mut self) -> Producers {
        let each = self.producers.iter_mut();
        let producers = each.map(|(name, it)| (name.clone(), it.share(Shares))).collect();
        Producers { producers, ..*self }
    }

    /// How many producers are known, and for how many entries.
    pub fn tracked(&self, now_ms: u64, memory: Memory) -> (usize, usize) {
        let fresh = |producer: &Held<Producer>| {
            producer.entries.values().filter(|id| is_fresh(**id, now_ms, memory)).count()
        };
        let counts = self.producers.values().map(fresh).filter(|count| *count > 0);
        counts.fold((0, 0), |(producers, entries), count| (producers + 1, entries + count))
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        let names = self.producers.keys().map(|name| of_array::<u8>(name.len()));
        of_map::<(Box<[u8]>, Held<Producer>)>(self.producers.capacity())
            + names.sum::<usize>()
            + self.producers.values().map(|it| it.memory() + it.overhead()).sum::<usize>()
    }

    /// In about how many pieces of heap they lie.
    pub fn pieces(&self) -> usize {
        self.producers.values().map(|producer| producer.order.len() + 3).sum()
    }
}

impl Producer {
    /// He has added an entry under this name, later than all others; says no if the name is known.
    pub(super) fn know(&mut self, name: &[u8], id: Id) -> bool {
        if self.entries.contains_key(name) {
            return false;
        }
        let name: Arc<[u8]> = name.into();
        self.entries.insert(name.clone(), id);
        self.order.push_back(name);
        true
    }

    fn memory(&self) -> usize {
        // What is shared has two counts before it.
        let names = self.order.iter().map(|name| size_class(name.len() + 2 * size_of::<usize>()));
        names.sum::<usize>()
            + of_map::<(Arc<[u8]>, Id)>(self.entries.capacity())
            + of_array::<Arc<[u8]>>(self.order.capacity())
    }

    fn forget(&mut self, now_ms: u64, memory: Memory) {
        while self.knows_too_much(now_ms, memory) {
            self.forget_oldest();
        }
    }

    /// Is the oldest no longer of any use?
    fn knows_too_much(&self, now_ms: u64, memory: Memory) -> bool {
        let is_fresh =
            |name| self.entries.get(name).is_some_and(|id| is_fresh(*id, now_ms, memory));
        self.order.front().is_some_and(|name| !is_fresh(name))
    }

    fn forget_oldest(&mut self) {
        if let Some(name) = self.order.pop_front() {
            self.entries.remove(&name);
        }
    }
}

fn is_fresh(id: Id, now_ms: u64, memory: Memory) -> bool {
    id.ms.saturating_add(u64::from(memory.seconds) * 1000) > now_ms
}

/// What a map of the standard library takes: a byte more for each place, and places for an eighth more.
fn of_map<T>(capacity: usize) -> usize {
    match capacity {
        0 => 0,
        _ => size_class((capacity * 8 / 7).next_power_of_two() * (size_of::<T>() + 1) + 16),
    }
}
