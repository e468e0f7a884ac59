//! A blob: some bytes on the heap, owned through one thin pointer.
//!
//! ```text
//!   a short one:                | length, u32 | bytes … |
//!   a long one:    | count, u32 | length, u32 | bytes … |
//! ```
//! `Box<[u8]>` is two words, and an entry of the table must be one. Members of sets, fields of
//! hashes with their values and members of sorted sets with their scores are blobs.
//!
//! Clones of a long one share it, and are counted; who changes one makes it his own first. So thousands of
//! entries are copied in a tenth of a millisecond, whatever they hold, when a segment of a table is shared with
//! a frozen twin. To a short one the count would cost more than to copy it.
//!
//! Invariants that the unsafe code rests on:
//! - `head` points to the length, in an allocation of `layout(length)`: at its beginning, or behind the count
//!   if `is_counted(length)`.
//! - The length changes with the allocation, and all bytes behind it are initialised.
//! - The allocation of a short one belongs to one blob alone. That of a long one belongs to as many as its
//!   count says, and is changed only by who found himself alone; the count never falls below those who are
//!   there, so the last one to go is the one who takes it to zero.
#![expect(unsafe_code, reason = "one allocation and one word for each entry of a table")]

use super::memory_size::size_class;
use super::prefetch::prefetch;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

pub struct Blob {
    head: NonNull<u32>,
}

const HEAD: usize = size_of::<u32>();
const COUNT: usize = size_of::<AtomicU32>();

/// With so many bytes a blob is a long one. Then the count is a sixtieth of it at most.
const COUNTED_FROM: u32 = 256;

// SAFETY: what blobs share is only read, until one is alone with it; the count is atomic.
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
        // SAFETY: the layout has room for a count where there is one, for the length and, behind it, for
        // exactly the parts.
        unsafe {
            let Some(start) = NonNull::new(alloc(layout).cast::<u32>()) else {
                handle_alloc_error(layout)
            };
            let head = head_in(start, len);
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
        if is_counted(new) != is_counted(before as u32) || self.is_shared() {
            let kept = before.min(len);
            *self = Blob::of(&[&self[..kept], &vec![0; len - kept]]);
            return;
        }
        let layout_after = layout(new);
        // SAFETY: the allocation has the layout of its length, and nobody else holds it; the new one has
        // room for the same count or none, for the new length and so many bytes, and those that are not
        // moved there are set to zero.
        unsafe {
            let raw = realloc(self.start(), layout(before as u32), layout_after.size());
            let Some(start) = NonNull::new(raw.cast::<u32>()) else {
                handle_alloc_error(layout_after)
            };
            let head = head_in(start, new);
            head.write(new);
            if len > before {
                head.as_ptr().cast::<u8>().add(HEAD + before).write_bytes(0, len - before);
            }
            self.head = head;
        }
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        size_class(layout(self.len() as u32).size())
    }

    /// Whether others hold the same bytes, and a change would copy them.
    pub fn is_shared(&self) -> bool {
        // With what others did before they went.
        self.count().is_some_and(|count| count.load(Ordering::Acquire) > 1)
    }

    /// How many hold a long one.
    #[inline(always)]
    fn count(&self) -> Option<&AtomicU32> {
        // SAFETY: the length is initialised, and before that of a long one there is the count, which is
        // there as long as the blob and changed by nobody but as an atomic.
        unsafe {
            is_counted(self.head.read()).then(|| self.head.cast::<AtomicU32>().sub(1).as_ref())
        }
    }

    /// Where the allocation begins.
    fn start(&self) -> *mut u8 {
        let is_counted = is_counted(self.len() as u32);
        // SAFETY: before the length of a long one there is the count.
        unsafe { self.head.sub(usize::from(is_counted)).as_ptr().cast() }
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
        if self.is_shared() {
            *self = Blob::new(self);
        }
        // SAFETY: as above, the blob is borrowed mutably, and nobody else holds the bytes.
        unsafe {
            let len = self.head.read() as usize;
            std::slice::from_raw_parts_mut(self.head.as_ptr().cast::<u8>().add(HEAD), len)
        }
    }
}

impl Clone for Blob {
    fn clone(&self) -> Blob {
        let Some(count) = self.count() else { return Blob::new(self) };
        // Who clones holds it, so it stays; nothing else need be known.
        if count.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
            // Nobody has memory for so many; were they leaked, the count would begin anew.
            std::process::abort();
        }
        Blob { head: self.head }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.escape_ascii())
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if let Some(count) = self.count() {
            if count.fetch_sub(1, Ordering::Release) > 1 {
                return;
            }
            // What the others did with it is done before it is freed.
            fence(Ordering::Acquire);
        }
        // SAFETY: the allocation was made with the layout of this very length, and nobody else holds it.
        unsafe { dealloc(self.start(), layout(self.head.read())) };
    }
}

#[inline(always)]
fn is_counted(len: u32) -> bool {
    len >= COUNTED_FROM
}

/// Where the length goes in a new allocation for so many bytes; what there is before it is made ready.
///
/// # Safety
/// The allocation has the layout of the length, and nobody else knows it.
unsafe fn head_in(start: NonNull<u32>, len: u32) -> NonNull<u32> {
    if !is_counted(len) {
        return start;
    }
    // SAFETY: the layout has room for the count, and the length behind it.
    unsafe {
        start.cast::<AtomicU32>().write(AtomicU32::new(1));
        start.add(1)
    }
}

fn layout(len: u32) -> Layout {
    let count = if is_counted(len) { COUNT } else { 0 };
    Layout::from_size_align(count + HEAD + len as usize, align_of::<u32>())
        .expect("below 4 GiB and a head")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_blob_is_its_parts(parts in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..160), 0..5), len in 0usize..900) {
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

        #[test]
        fn a_clone_is_a_blob_of_its_own(
            len in 250usize..262,
            steps in proptest::collection::vec((0..5u8, any::<usize>(), 240usize..270), 0..60),
        ) {
            let mut blobs = vec![(Blob::new(&vec![7; len]), vec![7; len])];
            for (what, which, len) in steps {
                let which = which % blobs.len();
                let (blob, model) = &mut blobs[which];
                match what {
                    0 | 1 => {
                        let pair = (blob.clone(), model.clone());
                        let is_shared = model.len() >= COUNTED_FROM as usize;
                        prop_assert_eq!(blob.as_ptr() == pair.0.as_ptr(), is_shared);
                        prop_assert_eq!(blob.is_shared(), is_shared);
                        blobs.push(pair);
                    }
                    2 => {
                        blob[which] = len as u8;
                        model[which] = len as u8;
                    }
                    3 => {
                        blob.resize(len);
                        model.resize(len, 0);
                    }
                    _ if blobs.len() > 1 => drop(blobs.swap_remove(which)),
                    _ => (),
                }
                for (blob, model) in &blobs {
                    prop_assert_eq!(&**blob, &**model);
                }
            }
        }
    }

    /// Many threads take clones and let them go; the last one frees it, whoever that is.
    #[test]
    fn clones_go_on_any_thread() {
        let mut blob = Blob::new(&[7; 1000]);
        for round in 0..100 {
            let threads = [(); 4].map(|()| {
                let own = blob.clone();
                std::thread::spawn(move || {
                    let clones: Vec<Blob> = (0..50).map(|_| own.clone()).collect();
                    clones
                        .iter()
                        .map(|blob| blob.iter().map(|byte| *byte as usize).sum::<usize>())
                        .sum::<usize>()
                })
            });
            blob[0] = round;
            for thread in threads {
                let sum = thread.join().expect("it reads");
                assert_eq!(sum % 50, 0);
            }
        }
        assert!(!blob.is_shared());
    }
}
