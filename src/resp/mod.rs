//! The wire: requests in, replies out. RESP2, RESP3 and inline commands.
//!
//! Specification: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

pub mod args;
pub mod parse;
pub mod reply;
pub mod request;

pub use args::{Args, ArgsBuf, Cursor, Word};
pub use reply::{Done, List, Out, Proto, Replied, Reply, Stop, Wait};
pub use request::request;
