//! The scripts that are known, compiled: found by their text or by its SHA-1.
//!
//! A script that came with EVAL is a guest: only so many of them stay, those that were used last. One that was
//! loaded stays until SCRIPT FLUSH.

use crate::base::map::Map;
use crate::lua::Program;
use std::hash::BuildHasher;

/// How many guests stay; the number is the peers'.
const GUESTS_MAX: usize = 500;

pub type Digest = [u8; 40];

/// A digest as a client writes it, in any case.
pub fn digest(word: &[u8]) -> Option<Digest> {
    let mut digest: Digest = word.try_into().ok()?;
    digest.make_ascii_lowercase();
    Some(digest)
}

pub struct Script {
    pub digest: Digest,
    pub text: Box<[u8]>,
    pub program: Program,
    /// What its first line says of it; none if there is no such line.
    pub flags: Option<super::Flags>,
    is_guest: bool,
    used: u64,
}

#[derive(Default)]
pub struct Cache {
    scripts: Map<Digest, Script>,
    /// By a seeded hash of the text; it is compared as well.
    digests: Map<u64, Digest>,
    /// A pipeline is mostly one script over and over.
    last: Option<Digest>,
    guests: usize,
    clock: u64,
    pub evicted: u64,
    bytes: usize,
}

impl Cache {
    /// The digest of a text that is known.
    #[inline]
    pub fn digest_of(&mut self, text: &[u8]) -> Option<Digest> {
        if let Some(last) = &self.last
            && self.scripts.get(last).is_some_and(|script| *script.text == *text)
        {
            return self.last;
        }
        let digest = *self.digests.get(&self.hash(text))?;
        // Two texts may share a hash; then one of them is looked up the long way.
        if *self.scripts.get(&digest)?.text != *text {
            return None;
        }
        self.last = Some(digest);
        self.last
    }

    #[inline]
    pub fn get(&self, digest: &Digest) -> Option<&Script> {
        self.scripts.get(digest)
    }

    /// As `get`, and the script counts as used.
    #[inline]
    pub fn touch(&mut self, digest: &Digest) -> Option<&Script> {
        self.clock += 1;
        let script = self.scripts.get_mut(digest)?;
        script.used = self.clock;
        Some(script)
    }

    /// It stays from here on.
    pub fn keep(&mut self, digest: &Digest) {
        if let Some(script) = self.scripts.get_mut(digest)
            && std::mem::take(&mut script.is_guest)
        {
            self.guests -= 1;
        }
    }

    /// Takes a script in, as a guest; gives the program of one that had to go for it.
    pub fn add(
        &mut self,
        digest: Digest,
        text: &[u8],
        program: Program,
        flags: Option<super::Flags>,
    ) -> Option<Program> {
        let leaving = if self.guests == GUESTS_MAX { self.evict() } else { None };
        self.clock += 1;
        let script =
            Script { digest, text: text.into(), program, flags, is_guest: true, used: self.clock };
        self.bytes += text.len();
        self.scripts.insert(digest, script);
        self.digests.insert(self.hash(text), digest);
        self.guests += 1;
        leaving
    }

    fn evict(&mut self) -> Option<Program> {
        let guests = self.scripts.values().filter(|script| script.is_guest);
        let digest = guests.min_by_key(|script| script.used)?.digest;
        let script = self.scripts.remove(&digest)?;
        self.digests.remove(&self.hash(&script.text));
        self.bytes -= script.text.len();
        self.guests -= 1;
        self.evicted += 1;
        Some(script.program)
    }

    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Bytes on the heap, those of Lua apart.
    pub fn memory(&self) -> usize {
        let entry = size_of::<Digest>() * 2 + size_of::<Script>() + size_of::<u64>();
        self.bytes + self.scripts.len() * entry
    }

    fn hash(&self, text: &[u8]) -> u64 {
        self.digests.hasher().hash_one(text)
    }
}
