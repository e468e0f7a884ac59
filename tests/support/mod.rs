//! What several test crates share: a blocking RESP client, its replies as values, and servers that
//! live as long as the test that started them. Each crate takes it with
//! `#[path = "../support/mod.rs"] mod support;`.

// Every test crate compiles its own copy and no crate uses all of it.
#![allow(dead_code)]

pub mod client;
pub mod server;
pub mod value;
