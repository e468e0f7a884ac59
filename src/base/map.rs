//! The only hash map of the house: hashbrown's tables with a seeded, fast hash. Iteration order is
//! that of the hash and differs between processes; whoever shows a map sorts it first.

pub type Map<K, V> = std::collections::HashMap<K, V>;
pub type Set<K> = std::collections::HashSet<K>;
