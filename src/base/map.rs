//! The only hash map of the house: hashbrown's tables with a fast hash that every map seeds for
//! itself. Iteration order is that of the hash and differs between processes; whoever shows a map
//! sorts it first.

use rapidhash::fast::RandomState;

pub type Map<K, V> = std::collections::HashMap<K, V, RandomState>;
pub type Set<K> = std::collections::HashSet<K, RandomState>;
