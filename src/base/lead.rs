//! Where a large buffer should begin: half a page behind a page's start.
//!
//! Blocks of 16 KiB and more are given out at a page's start, whatever they hold, and what is copied
//! between two of them mostly moves by the few bytes of a header. `rep movsb`, with which libc and the
//! kernel copy what is long, is slow just then on AMD's Zen 3 and later: 3.5 GB/s instead of 60 to 100,
//! when the target lies 1 to 15 bytes behind the source, modulo 4,096 (measured on an EPYC, glibc 2.36;
//! <https://lunnova.dev/articles/ryzen-slow-short-rep-mov/>). GET of 64 KiB took twice the time for it.

use std::ops::{Deref, DerefMut};

/// Bytes at the front of a buffer that are not used.
pub const LEAD: usize = 2048;

/// A buffer behind its lead.
pub struct Led(Box<[u8]>);

impl Led {
    pub fn new(len: usize) -> Led {
        Led(vec![0; LEAD + len].into_boxed_slice())
    }
}

impl Deref for Led {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[LEAD..]
    }
}

impl DerefMut for Led {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0[LEAD..]
    }
}
