//! What the standard library might have had; nothing in here has heard of Redis.

pub mod bytes;
pub mod glob;
pub mod grisu;
pub mod long_double;
pub mod map;
pub mod numbers;
pub mod prefetch;
