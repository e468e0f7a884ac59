//! Clients by the memory they take, so that one of the largest is found at once.
//!
//! A client stands in the list of its class, a power of two. It is moved when the engine learns that its memory
//! has changed; a socket's owner who writes does not tell, so a client may stand too high, and never too low:
//! whoever takes the highest looks again.

use super::SessionKey;

/// Everything below 32 KiB is one class, and so is everything from 8 GiB on.
const LOWEST: u32 = 15;
const HIGHEST: u32 = 33;
const CLASSES: usize = (HIGHEST - LOWEST + 1) as usize;

/// Of the highest class the largest is looked for among so many.
const LOOKED_AT: usize = 64;

#[derive(Default)]
pub struct Heavies {
    classes: [Vec<SessionKey>; CLASSES],
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub class: u8,
    index: u32,
}

impl Heavies {
    pub fn class_of(bytes: usize) -> u8 {
        (bytes.max(1).ilog2().clamp(LOWEST, HIGHEST) - LOWEST) as u8
    }

    pub fn add(&mut self, who: SessionKey, class: u8) -> Place {
        let list = &mut self.classes[class as usize];
        list.push(who);
        Place { class, index: list.len() as u32 - 1 }
    }

    /// Takes a client out; says who stands in its place from here on.
    pub fn remove(&mut self, place: Place) -> Option<(SessionKey, Place)> {
        let list = &mut self.classes[place.class as usize];
        list.swap_remove(place.index as usize);
        list.get(place.index as usize).map(|moved| (*moved, place))
    }

    /// Some of the highest class in which there is anybody.
    pub fn highest(&self) -> &[SessionKey] {
        let list = self.classes.iter().rev().find(|list| !list.is_empty());
        list.map_or(&[], |list| &list[..list.len().min(LOOKED_AT)])
    }
}
