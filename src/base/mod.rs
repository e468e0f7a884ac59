//! What the standard library might have had; nothing in here has heard of Redis.

pub mod prefetch;
