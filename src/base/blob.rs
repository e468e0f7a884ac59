//! A blob: some bytes on the heap, owned through one thin pointer.
//!
//! ```text
//!   | length, u32 | bytes … |
//! ```
//! `Box<[u8]>` is two words, and an entry of the table must be one. Members of sets, fields of
//! hashes with their values and members of sorted sets with their scores are blobs.
//!
//! Invariants that the unsafe code rests on:
//! - `head` points to an allocation of `layout(length)` that this blob alone owns.
//! - The length at its beginning changes with the allocation, and all bytes behind it are
//!   initialised.
#![expect(unsafe_code, reason = "one allocation and one word for each entry of a table")]

use super::memory_size::size_class;
use super::prefetch::prefetch;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

pub struct Blob {
    head: NonNull<u32>,
}

const HEAD: usize = size_of::<u32>();

// SAFETY: a blob owns its bytes and shares nothing.
unsafe impl Send for Blob {}
// SAFETY: through a shared blob its bytes can only be read.
unsafe impl Sync for Blob {}

impl Blob {
    pub fn new(bytes: &[u8]) -> Blob {
        Blob::of(&[bytes])
    }

    /// The parts, one behind another.
    pub fn of(parts: &[&[u8]]) -> Blob {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let len = u32::try_from(len).expect("the bytes came in a frame, and frames are bounded");
        let layout = layout(len);
        // SAFETY: the layout has room for the length and, behind it, for exactly the parts.
        unsafe {
            let Some(head) = NonNull::new(alloc(layout).cast::<u32>()) else {
                handle_alloc_error(layout)
            };
            head.write(len);
            let mut to = head.as_ptr().cast::<u8>().add(HEAD);
            for part in parts {
                to.copy_from_nonoverlapping(part.as_ptr(), part.len());
                to = to.add(part.len());
            }
            Blob { head }
        }
    }

    /// Cuts the end off, or puts zeros behind it.
    pub fn resize(&mut self, len: usize) {
        let before = self.len();
        let new = u32::try_from(len).expect("what grows by small steps stays small");
        let layout_after = layout(new);
        // SAFETY: the allocation has the layout of its length; the new one has room for the new
        // length and so many bytes, and those that are not moved there are set to zero.
        unsafe {
            let raw =
                realloc(self.head.as_ptr().cast(), layout(before as u32), layout_after.size());
            let Some(head) = NonNull::new(raw.cast::<u32>()) else {
                handle_alloc_error(layout_after)
            };
            head.write(new);
            if len > before {
                head.as_ptr().cast::<u8>().add(HEAD + before).write_bytes(0, len - before);
            }
            self.head = head;
        }
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        size_class(HEAD + self.len())
    }

    /// Starts loading the first bytes, which will be wanted soon.
    #[inline(always)]
    pub fn prefetch(&self) {
        // SAFETY: the length is initialised; it is only asked for, not read.
        prefetch(unsafe { self.head.as_ref() });
    }
}

impl std::ops::Deref for Blob {
    type Target = [u8];
    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes behind the length are initialised, and live as long as the blob.
        unsafe {
            let len = self.head.read() as usize;
            std::slice::from_raw_parts(self.head.as_ptr().cast::<u8>().add(HEAD), len)
        }
    }
}

impl std::ops::DerefMut for Blob {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the blob is borrowed mutably.
        unsafe {
            let len = self.head.read() as usize;
            std::slice::from_raw_parts_mut(self.head.as_ptr().cast::<u8>().add(HEAD), len)
        }
    }
}

impl Clone for Blob {
    fn clone(&self) -> Blob {
        Blob::new(self)
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.escape_ascii())
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        // SAFETY: the allocation was made with the layout of this very length, and is freed once.
        unsafe { dealloc(self.head.as_ptr().cast(), layout(self.head.read())) };
    }
}

fn layout(len: u32) -> Layout {
    Layout::from_size_align(HEAD + len as usize, align_of::<u32>()).expect("below 4 GiB and a head")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_blob_is_its_parts(parts in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..40), 0..5), len in 0usize..300) {
            let slices: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
            let mut blob = Blob::of(&slices);
            prop_assert_eq!(&*blob, &*parts.concat());
            let copy = blob.clone();
            blob.iter_mut().for_each(|byte| *byte = !*byte);
            let turned: Vec<u8> = copy.iter().map(|byte| !*byte).collect();
            prop_assert_eq!(&*blob, &*turned);
            let mut resized = turned;
            resized.resize(len, 0);
            blob.resize(len);
            prop_assert_eq!(&*blob, &*resized);
        }
    }
}
