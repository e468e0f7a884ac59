//! What several test crates share: a blocking RESP client, its replies as values, servers that live
//! as long as the test that started them, a machine for engines without a socket, and dice. Each crate takes it with
//! `#[path = "../support/mod.rs"] mod support;`.

// Every test crate compiles its own copy and no crate uses all of it.
#![allow(dead_code)]

pub mod client;
pub mod dice;
pub mod machine;
pub mod recount;
pub mod server;
pub mod value;
