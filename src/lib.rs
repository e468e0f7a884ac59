//! Russet, a Redis-compatible in-memory server. The modules are listed in reading order.

pub mod base;
pub mod config;
