//! The interpreter of scripts and functions: Lua 5.1 in a sandbox, on a stack of its own.
//!
//! It knows nothing of the engine. A script that wants something of the world outside, a command to be run
//! or a line for the log, *pauses*: its stack is left as it is, and whoever resumed it sees what
//! is wanted on the desk (`desk.rs`), does it, leaves the answer there and resumes. So the engine is never
//! borrowed by what it runs, a script that takes too long is merely one that is not resumed for a while,
//! and nothing in here reads a clock.
//!
//! | file | what |
//! |---|---|
//! | `vm.rs` | an interpreter: compile, run, resume |
//! | `desk.rs` | what script and engine hand each other |
//! | `register.rs` | `redis.register_function`, by which libraries say what they offer |
//! | `natives.rs` | the functions that scripts call: `redis.call` and its like |
//! | `guards.rs` | functions of Lua's own that are not safe as they are, or not as Redis has them |
//! | `sandbox.rs` | which names a script finds, and that it can change none of them |
//! | `convert.rs` | replies to Lua values, and Lua values to replies |
//! | `libraries/` | `cjson`, `cmsgpack`, `struct` and `bit` |

mod convert;
pub mod desk;
mod guards;
pub mod libraries;
mod natives;
pub mod register;
mod sandbox;
#[cfg(test)]
mod tests;
pub mod vm;

pub use desk::{Desk, Failure, Pause};
pub use vm::{Program, Vm};
