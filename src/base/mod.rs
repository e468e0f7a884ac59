//! What the standard library might have had; nothing in here has heard of Redis.

/// Patterns with `*`, `?` and classes.
pub mod glob;
/// Integers, doubles and long doubles as text.
pub mod numbers;

/// The digits of a double.
mod grisu;
/// The 80-bit floats.
mod long_double;
