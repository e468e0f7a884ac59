//! What this server alone may write. Two servers must not write one log, nor one snapshot; so each locks a place that
//! stands for what it writes, from the first time on that it may, for as long as it lives.

use super::Engine;
use crate::persist::files::said;
use crate::world::disk::Lock;
use crate::world::host::Level;

#[derive(Default)]
pub struct Locks {
    /// Folders and places.
    held: Vec<(String, u32, Box<dyn Lock>)>,
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.debug_list()
            .entries(self.held.iter().map(|(folder, place, _)| (folder, place)))
            .finish()
    }
}

impl Engine {
    /// Locks the log, if that has not been done. If somebody else has it, that is said.
    pub fn lock_log(&mut self) -> Result<(), String> {
        self.lock(self.names().lock_place_of_log())
    }

    pub fn lock_snapshot(&mut self) -> Result<(), String> {
        self.lock(self.names().lock_place_of_snapshot())
    }

    fn lock(&mut self, place: u32) -> Result<(), String> {
        let (folder, path) = (&self.config.dir, self.names().lock_path());
        let held = &mut self.persistence.locks.held;
        if held.iter().any(|(dir, which, _)| dir == folder && *which == place) {
            return Ok(());
        }
        match self.host.disk().lock(&path, place) {
            Ok(Some(lock)) => held.push((folder.clone(), place, lock)),
            Ok(None) => {
                let path = path.display();
                return Err(format!(
                    "Another server writes the same files in {folder}: they are locked by {path}"
                ));
            }
            // A folder that nothing can be written to is not written by anybody.
            Err(why) => {
                let text = format!("The files in {folder} cannot be locked: {}", said(&why));
                self.host.log(Level::Warning, &text);
            }
        }
        Ok(())
    }
}
