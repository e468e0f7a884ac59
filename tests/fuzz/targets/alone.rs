//! What the targets of configurations share: a file that is alone.

use russet::config::Includes;

/// No other file is there.
pub struct Alone;

impl Includes for Alone {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("{path} is not there"))
    }
    fn expand(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
