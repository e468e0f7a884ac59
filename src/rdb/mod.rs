//! The dump format of Redis and Valkey: what it is made of, how it is written and read.
//!
//! A dump is a header, then opcodes and keys with their values, then a checksum. `write` makes one,
//! `read` takes one apart, of any version; DUMP and RESTORE carry a single value in the same form.

pub mod codes;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;
