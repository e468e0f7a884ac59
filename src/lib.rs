//! Russet, a Redis-compatible in-memory server.
//!
//! The modules in reading order; each may know only those above it:
//! a request comes in through `server`, is parsed by `resp`, run by `engine` with a handler of
//! `commands`, which reads and changes the `keyspace`.
#![deny(clippy::disallowed_methods)]

pub mod base;

pub mod error;
pub mod spec;
pub mod trust;

pub mod config;
pub mod world;

pub mod data;
pub mod resp;

pub mod rdb;

pub mod keyspace;

pub mod persist;

pub mod lua;

pub mod engine;

pub mod commands;

pub mod cli;
pub mod server;

pub mod container;
