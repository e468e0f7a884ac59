//! The heaviest of many keys, found in one pass with room for a few: Space-Saving, with weights.
//!
//! Each of so many counters stands for a key. A key that has none takes over the lightest one, with its
//! weight, so no key is ever told lighter than it is. What is promised, for `n` counters and a total weight `w`:
//!
//! - A key that is heavier than `w / n` has a counter.
//! - What a counter says is at least its key's weight, and at most `w / n` more; how much more at most, the counter
//!   knows (`error`).
//!
//! The counters are a heap by weight, the lightest on top, and an index leads from keys to places in it. A
//! key that is there costs a look-up and a few steps down; one that is not, the copy of a key as well.

use super::map::Map;

pub struct Heaviest {
    /// A heap: none is heavier than the two at twice its place, plus one and two.
    counters: Vec<Counter>,
    places: Map<Box<[u8]>, usize>,
    room: usize,
    total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub key: Box<[u8]>,
    pub weight: u64,
    /// So much of the weight, at the most, is that of keys before.
    pub error: u64,
}

impl Heaviest {
    /// With so many counters, at least one.
    pub fn new(counters: usize) -> Heaviest {
        let room = counters.max(1);
        Heaviest { counters: Vec::new(), places: Map::default(), room, total: 0 }
    }

    pub fn add(&mut self, key: &[u8], weight: u64) {
        self.total = self.total.saturating_add(weight);
        if let Some(&place) = self.places.get(key) {
            let counter = &mut self.counters[place];
            counter.weight = counter.weight.saturating_add(weight);
            self.sink(place);
        } else if self.counters.len() < self.room {
            let place = self.counters.len();
            self.counters.push(Counter { key: key.into(), weight, error: 0 });
            self.places.insert(key.into(), place);
            self.rise(place);
        } else {
            let lightest = &mut self.counters[0];
            self.places.remove(&lightest.key);
            lightest.error = lightest.weight;
            lightest.weight = lightest.weight.saturating_add(weight);
            lightest.key = key.into();
            self.places.insert(key.into(), 0);
            self.sink(0);
        }
    }

    /// The heaviest, and of equal ones that of the lower key first; those without weight are left out.
    pub fn top(&self, count: usize) -> Vec<&Counter> {
        let mut all: Vec<&Counter> = self.counters.iter().filter(|it| it.weight > 0).collect();
        all.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.key.cmp(&b.key)));
        all.truncate(count);
        all
    }

    /// The weight of all keys together.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes on the heap, about.
    pub fn memory(&self) -> usize {
        let keys: usize = self.counters.iter().map(|it| it.key.len()).sum();
        let entry = size_of::<(Box<[u8]>, usize)>() + 1;
        self.counters.capacity() * size_of::<Counter>() + self.places.capacity() * entry + 2 * keys
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let lighter = match (self.counters.get(left), self.counters.get(right)) {
                (None, _) => return,
                (Some(one), Some(other)) if other.weight < one.weight => right,
                _ => left,
            };
            if self.counters[place].weight <= self.counters[lighter].weight {
                return;
            }
            self.swap(place, lighter);
            place = lighter;
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.counters[above].weight <= self.counters[place].weight {
                return;
            }
            self.swap(place, above);
            place = above;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.counters.swap(one, other);
        for place in [one, other] {
            if let Some(known) = self.places.get_mut(&self.counters[place].key) {
                *known = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_promised_holds(
            room in 1usize..12,
            adds in prop::collection::vec((prop_oneof![0u8..4, 0u8..40], 0u64..50), 0..400),
        ) {
            let mut heaviest = Heaviest::new(room);
            let mut exact = [0u64; 40];
            for (key, weight) in &adds {
                heaviest.add(&[*key], *weight);
                exact[*key as usize] += weight;
            }
            let total: u64 = exact.iter().sum();
            prop_assert_eq!(heaviest.total(), total);
            prop_assert!(heaviest.counters.len() <= room);
            let bound = total / room as u64;
            for (place, counter) in heaviest.counters.iter().enumerate() {
                let true_weight = exact[counter.key[0] as usize];
                prop_assert!(counter.weight >= true_weight, "never lighter");
                prop_assert!(counter.weight - counter.error <= true_weight, "its error is enough");
                prop_assert!(counter.error <= bound, "and bounded");
                prop_assert_eq!(heaviest.places.get(&counter.key), Some(&place));
                if place > 0 {
                    prop_assert!(heaviest.counters[(place - 1) / 2].weight <= counter.weight);
                }
            }
            prop_assert_eq!(heaviest.places.len(), heaviest.counters.len());
            for (key, weight) in exact.iter().enumerate().filter(|(_, weight)| **weight > bound) {
                let found = heaviest.places.contains_key(&[key as u8][..]);
                prop_assert!(found, "{key} of weight {weight} is among the heavy");
            }
            let top = heaviest.top(5);
            prop_assert!(top.is_sorted_by(|a, b| a.weight >= b.weight) && top.len() <= 5);
        }
    }

    #[test]
    fn with_room_for_all_it_is_exact() {
        let mut heaviest = Heaviest::new(3);
        for (key, weight) in [("a", 1), ("b", 5), ("a", 2), ("c", 0), ("b", 1)] {
            heaviest.add(key.as_bytes(), weight);
        }
        let top: Vec<(&[u8], u64)> =
            heaviest.top(9).iter().map(|it| (&*it.key, it.weight)).collect();
        assert_eq!(top, [(&b"b"[..], 6), (b"a", 3)]);
        assert!(heaviest.memory() > 0);
    }
}
