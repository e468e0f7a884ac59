//! Room for what a library makes.
//!
//! Where the interpreter's memory is limited, every value that is made takes a protected call, which costs
//! more than the value. So a library lifts the limit while it works, and looks itself how much there is: it
//! makes small values only, and looks often.

use super::raise;
use mlua::{Lua, Result};

/// So many values are made between two looks.
const LOOK_EVERY: u32 = 256;

pub struct Room<'a> {
    lua: &'a Lua,
    limit: usize,
    until_look: u32,
}

impl<'a> Room<'a> {
    /// Lifts the limit until this is dropped.
    pub fn new(lua: &'a Lua) -> Result<Self> {
        let limit = lua.set_memory_limit(0)?;
        Ok(Room { lua, limit, until_look: LOOK_EVERY })
    }

    /// Is told of each value before it is made.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.until_look -= 1;
        if self.until_look == 0 || bytes > LARGE {
            self.until_look = LOOK_EVERY;
            if self.limit > 0 && self.lua.used_memory().saturating_add(bytes) > self.limit {
                return Err(raise::too_large(self.lua));
            }
        }
        Ok(())
    }
}

/// A value of this size is always looked at.
const LARGE: usize = 4096;

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // Refused only where the limit could not have been lifted either.
        let _: Result<usize> = self.lua.set_memory_limit(self.limit);
    }
}
