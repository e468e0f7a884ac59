//! Which keys a command really touched, so that every test can hold a command to the keys that its row declares.
//! Access control decides by the rows, before anything runs: a key that a handler touches and its row does not
//! tell of could be used by whoever may not.
//!
//! Only builds with debug assertions remember; in others this is nothing.

#[cfg(debug_assertions)]
use std::cell::RefCell;

/// Keys, and whether each was changed.
#[cfg(debug_assertions)]
pub type Seen = Vec<(Vec<u8>, bool)>;

#[derive(Default)]
pub struct Touched {
    /// None while nobody wants to know.
    #[cfg(debug_assertions)]
    keys: RefCell<Option<Seen>>,
}

impl Touched {
    /// A handler looks at a key, or asks whether it is there.
    #[inline]
    pub fn look(&self, key: &[u8]) {
        self.note(key, false);
    }

    /// A handler changes a key, or would.
    #[inline]
    pub fn change(&self, key: &[u8]) {
        self.note(key, true);
    }

    #[cfg(debug_assertions)]
    fn note(&self, key: &[u8], changes: bool) {
        if let Some(keys) = &mut *self.keys.borrow_mut()
            && !keys.iter().rev().take(8).any(|(known, how)| known == key && *how == changes)
        {
            keys.push((key.to_vec(), changes));
        }
    }

    #[cfg(not(debug_assertions))]
    #[inline]
    fn note(&self, _: &[u8], _: bool) {}

    /// Begins to remember; what was remembered so far is handed over, to be put back by whoever began then.
    #[cfg(debug_assertions)]
    pub fn begin(&self) -> Option<Seen> {
        self.keys.replace(Some(Vec::new()))
    }

    /// What was touched since then.
    #[cfg(debug_assertions)]
    pub fn end(&self, before: Option<Seen>) -> Seen {
        self.keys.replace(before).unwrap_or_default()
    }
}
