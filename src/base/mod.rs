//! What the standard library might have had; nothing in here has heard of Redis.

/// Bytes behind one thin pointer.
pub mod blob;
/// Words in any case, and the quoted form of strings.
pub mod bytes;
/// The checksum of dumps.
pub mod crc64;
/// Patterns with `*`, `?` and classes.
pub mod glob;
/// The heaviest of many keys.
pub mod heaviest;
/// What is owned, or shared with a frozen twin.
pub mod held;
/// Durations, counted so that percentiles can be told.
pub mod histogram;
/// Where a large buffer should begin.
pub mod lead;
/// Reading what LZF has compressed.
pub mod lzf;
/// Amounts of memory, as in `64mb`.
pub mod memory_size;
/// Integers, doubles and long doubles as text.
pub mod numbers;
/// The digest that scripts are known by.
pub mod sha1;
/// A series of values, drawn with letters.
pub mod sparkline;

/// The digits of a double.
mod grisu;
/// The 80-bit floats.
mod long_double;

/// The only hash map of the house.
pub mod map;
/// Asking the processor for a cache line before it is needed.
pub mod prefetch;
/// The dictionary that grows without a pause: of keys, and of big hashes and sets.
pub mod table;
