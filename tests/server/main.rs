//! Real processes: how they start and end, what they say, and what hostile clients cannot do to
//! them.

mod accounts;
mod acl;
mod clients;
mod clock;
mod crash;
mod cve;
mod drills;
mod elements;
mod eviction;
mod hostile;
mod idle;
mod info;
mod logs;
mod memory;
mod process;
mod pubsub;
mod queues;
mod rewrites;
mod scripts;
mod snapshots;
mod startup;
mod steps;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod tls;
mod tracking;
