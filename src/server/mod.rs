//! The tokio shell around the engine: sockets, timers, signals, files. tokio begins here.

pub mod alarm;
pub mod allocator;
pub mod beat;
pub mod cgroup;
pub mod connection;
pub mod crash;
pub mod crew;
pub mod daemon;
pub mod disk;
pub mod door;
pub mod free;
pub mod host;
pub mod left;
pub mod listen;
pub mod loading;
pub mod log;
pub mod migrate;
pub mod poll;
pub mod run;
pub mod scribe;
pub mod signals;
pub mod snapshots;
pub mod tally;
pub mod title;
pub mod tools;
