//! What the standard library might have had; nothing in here has heard of Redis.

/// Words in any case, and the quoted form of strings.
pub mod bytes;
/// Patterns with `*`, `?` and classes.
pub mod glob;
/// Amounts of memory, as in `64mb`.
pub mod memory_size;
/// Integers, doubles and long doubles as text.
pub mod numbers;

/// The digits of a double.
mod grisu;
/// The 80-bit floats.
mod long_double;
