//! Snapshot and log: which files there are, when they are written and flushed, and how they are read
//! again. Nothing here opens a file by itself: all of it goes through `Disk`, so a test can have a disk
//! that fails. All of it is synchronous: the shell calls it from its threads, the simulator from its one.

pub mod check_aof;
pub mod check_rdb;
pub mod commands;
pub mod files;
pub mod load;
pub mod log;
pub mod manifest;
pub mod permit;
pub mod snapshot;

pub use files::{Names, Note};
