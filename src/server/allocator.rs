//! The allocator: jemalloc, with size classes as narrow as an in-memory server wants them.
//!
//! `.cargo/config.toml` builds it with a quantum of eight bytes. A record of 40 bytes then takes 40 and
//! not 48, and this is why the wrapper is our own: usual ones count on blocks of 16 bytes and more being
//! aligned to 16, which is true of the usual quantum only. Whoever needs more than eight is given it
//! here by asking for it.
//!
//! The same file has it give pages back to the system sooner than by itself, but none of them at once: blocks of
//! 8 MiB and more would be given back as they are freed, and a long value that is read or written again and
//! again cost several times as much, for pages that had to be cleared each time. And it lays more blocks side
//! by side in a slab, since each slab costs 128 bytes of description.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one only passes calls on"
)]

use std::alloc::{GlobalAlloc, Layout};
use tikv_jemalloc_sys as jemalloc;

pub struct Jemalloc;

/// What every block is aligned to, whatever the quantum.
const ALIGN: usize = 8;

// SAFETY: jemalloc keeps what the trait asks for: a block of at least the size of its layout, aligned
// to at least eight, or to the layout's alignment where that is more, because `flags` asks for it; and
// each block is given back with the size and the flags it was asked for with.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero, as the trait demands of callers.
        unsafe {
            match flags(layout) {
                0 => jemalloc::malloc(layout.size()),
                flags => jemalloc::mallocx(layout.size(), flags),
            }
        }
        .cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            match flags(layout) {
                0 => jemalloc::calloc(1, layout.size()),
                flags => jemalloc::mallocx(layout.size(), flags | jemalloc::MALLOCX_ZERO),
            }
        }
        .cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block was made by this allocator with this layout.
        unsafe { jemalloc::sdallocx(block.cast(), layout.size(), flags(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block was made by this allocator, and the new size is not zero.
        unsafe {
            match flags(layout) {
                0 => jemalloc::realloc(block.cast(), size),
                flags => jemalloc::rallocx(block.cast(), size, flags),
            }
        }
        .cast()
    }
}

/// Whether a thread of jemalloc's own gives pages back to the system when they have been free for a
/// tenth of a second. It sleeps while there are none. Otherwise whoever asks for memory does that, the
/// engine above all, and a gigabyte takes long to give back.
pub fn give_back_elsewhere(elsewhere: bool) {
    // The first arena was there before the configuration was read.
    // SAFETY: all three take a value of this type. The first of the others fails where there is no such thread,
    // and then all is as it was.
    let done = unsafe {
        let _ = tikv_jemalloc_ctl::raw::write(b"arena.0.oversize_threshold\0", usize::MAX);
        tikv_jemalloc_ctl::raw::write(b"max_background_threads\0", 1usize)
            .and_then(|()| tikv_jemalloc_ctl::raw::write(b"background_thread\0", elsewhere))
    };
    if let Err(error) = done {
        tracing::warn!("Memory is given back by the engine's thread: {error}");
    }
}

/// Gives up what this thread keeps of the blocks that it freed.
pub fn give_up_cache() {
    // SAFETY: the call neither reads nor writes a value. It fails only if there is no cache.
    let _ = unsafe { tikv_jemalloc_ctl::raw::write(b"thread.tcache.flush\0", ()) };
}

/// Gives back everything that is free at once.
pub fn give_all_back() {
    // Every arena is looked at; 4096 stands for all of them.
    // SAFETY: the call neither reads nor writes a value. It fails only if there is no such call.
    let _ = unsafe { tikv_jemalloc_ctl::raw::write(b"arena.4096.purge\0", ()) };
}

#[inline]
fn flags(layout: Layout) -> i32 {
    if layout.align() <= ALIGN { 0 } else { jemalloc::MALLOCX_ALIGN(layout.align()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::memory_size::size_class;

    /// What values are said to take is what the allocator gives for them.
    #[test]
    fn sizes_are_rounded_as_the_core_believes() {
        let sizes = (1..40_000).chain((1..400).map(|step| step * 64_321));
        for bytes in sizes {
            // SAFETY: the size is not zero, and the alignment is a power of two.
            let (plain, aligned) = unsafe {
                let aligned = jemalloc::nallocx(bytes * 64, jemalloc::MALLOCX_ALIGN(64));
                (jemalloc::nallocx(bytes, 0), aligned)
            };
            assert_eq!(size_class(bytes), plain, "{bytes}");
            // The table's buckets are lines of the cache.
            assert_eq!(size_class(bytes * 64), aligned, "{bytes} lines");
        }
    }

    /// Blocks of every size and alignment are aligned, do not overlap, and keep their bytes.
    #[test]
    fn blocks_are_what_their_layouts_say() {
        let mut blocks = Vec::new();
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..600).chain([4096, 20_480, 100_000]) {
                let layout = Layout::from_size_align(size, align).unwrap();
                let byte = (size ^ align) as u8;
                // SAFETY: the size is not zero, and so many bytes of the block are written.
                let block = unsafe {
                    let block = if size % 2 == 0 {
                        Jemalloc.alloc(layout)
                    } else {
                        let block = Jemalloc.alloc_zeroed(layout);
                        assert!(std::slice::from_raw_parts(block, size).iter().all(|&b| b == 0));
                        block
                    };
                    assert_eq!(block.addr() % align, 0, "{layout:?}");
                    block.write_bytes(byte, size);
                    block
                };
                blocks.push((block, layout, byte));
            }
        }
        for (block, layout, byte) in blocks {
            let grown = layout.size() * 2 + 1;
            // SAFETY: each block is used as its layout says, and freed once.
            unsafe {
                let all = |block: *mut u8| {
                    std::slice::from_raw_parts(block, layout.size()).iter().all(|&b| b == byte)
                };
                assert!(all(block), "{layout:?}");
                let block = Jemalloc.realloc(block, layout, grown);
                assert_eq!(block.addr() % layout.align(), 0, "{layout:?}");
                assert!(all(block), "{layout:?}");
                Jemalloc.dealloc(block, Layout::from_size_align(grown, layout.align()).unwrap());
            }
        }
    }
}
