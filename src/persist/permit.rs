//! May a file that is whole still take the place of the one before?
//!
//! The thread that wrote it asks at the last moment; meanwhile the engine may have given it up and have saved what
//! is newer. So giving up waits for a file that is just taking its place, and none takes it afterwards.

use std::sync::{Mutex, PoisonError};

/// What is said of what did not come to its end for that.
pub const GIVEN_UP: &str = "it was given up";

#[derive(Debug, Default)]
pub struct Permit {
    is_withdrawn: Mutex<bool>,
}

impl Permit {
    pub fn withdraw(&self) {
        *self.is_withdrawn.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Does it, unless the permit was withdrawn before.
    pub fn with<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let is_withdrawn = self.is_withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        (!*is_withdrawn).then(work)
    }
}
