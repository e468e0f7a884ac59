//! What this thread is doing, for the report of a crash.
//!
//! Who reports a crash has only the thread's own memory to look at, and may trust none of its structures
//! but what says that it is there. So each command leaves where it and its words are, which costs a few
//! stores, and takes that away before they go.

use super::Command;
use crate::resp::Args;
use std::cell::Cell;
use std::ptr::null;

/// A command that runs.
pub struct Doing<'a> {
    pub command: &'static Command,
    pub args: Args<'a>,
    /// The number of the client, as CLIENT LIST shows it.
    pub client: u64,
    pub db: usize,
}

/// Where the innermost command of this thread is; null outside of commands.
pub type Place = *const ();

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(null()) };
}

/// A command runs from here on, until `end` is given back what this says.
#[inline]
pub fn begin(doing: &Doing) -> Place {
    PLACE.replace(std::ptr::from_ref(doing).cast())
}

#[inline]
pub fn end(outer: Place) {
    PLACE.set(outer);
}

/// Where the `Doing` of this thread is, if a command runs. It is there until that command ends, so
/// whoever interrupted this thread may look at it.
pub fn place() -> Place {
    PLACE.get()
}
