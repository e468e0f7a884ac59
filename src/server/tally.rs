//! How many bytes are allocated, at the cost of a few loads: what a limit on memory is held against before
//! each command.
//!
//! jemalloc counts for each thread what it has allocated and freed, in its size classes, and says where the
//! counters lie. A thread's own counters are plain words for itself. What the others did is in one sum, to which
//! each thread adds its part when it has done a piece of work (`publish`), and when it ends. So nobody reads
//! another thread's words, and the sum is exact but for what others are amid of.
//!
//! Threads that never publish, and what was there before the first did, are made up for by `correct`, which is
//! told the allocator's own figure: that is exact too, but must be brought up to date with each question.
#![expect(unsafe_code, reason = "the counters are words that jemalloc points to")]

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};
use tikv_jemalloc_ctl::raw;

/// What threads have published.
static TOTAL: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// Where the counters of this thread lie: allocated, freed. Null until they were asked for.
    static COUNTERS: Cell<(*const u64, *const u64)> = const { Cell::new((ZERO, ZERO)) };
    /// What of them was published.
    static PUBLISHED: Cell<i64> = const { Cell::new(0) };
    /// Publishes once more when the thread ends.
    static LAST_WORD: LastWord = const { LastWord };
}

const ZERO: *const u64 = std::ptr::null();

/// Bytes that are allocated by all threads together.
#[inline]
pub fn allocated() -> u64 {
    let unpublished = own() - PUBLISHED.get();
    u64::try_from(TOTAL.load(Ordering::Relaxed) + unpublished).unwrap_or(0)
}

/// A piece of work is done: what this thread allocated and freed in it is in the sum from here on.
#[inline]
pub fn publish() {
    let own = own();
    let fresh = own - PUBLISHED.replace(own);
    if fresh != 0 {
        TOTAL.fetch_add(fresh, Ordering::Relaxed);
    }
}

/// The allocator says that so much is allocated. To be told when no other thread is amid of much.
pub fn correct(exact: u64) {
    let known = allocated() as i64;
    TOTAL.fetch_add(exact as i64 - known, Ordering::Relaxed);
}

/// What this thread has allocated, less what it has freed: the less so if it frees what others allocate.
#[inline]
fn own() -> i64 {
    let (allocated, freed) = COUNTERS.get();
    if allocated.is_null() {
        return find_counters();
    }
    // SAFETY: jemalloc keeps both words where they are as long as the thread lives, they are this thread's
    // own, and they are pointed to by a cell of this thread.
    unsafe { allocated.read().wrapping_sub(freed.read()) as i64 }
}

#[cold]
fn find_counters() -> i64 {
    // SAFETY: both names stand for pointers to 64-bit words.
    let (allocated, freed) = unsafe {
        let find = |name: &[u8]| raw::read::<*const u64>(name);
        (find(b"thread.allocatedp\0"), find(b"thread.deallocatedp\0"))
    };
    match (allocated, freed) {
        (Ok(allocated), Ok(freed)) if !allocated.is_null() && !freed.is_null() => {
            COUNTERS.set((allocated, freed));
            // A thread that is ending already has no last word any more.
            let _ = LAST_WORD.try_with(|_| ());
            own()
        }
        // An allocator without these counters: then `correct` alone keeps the sum.
        _ => 0,
    }
}

struct LastWord;

impl Drop for LastWord {
    fn drop(&mut self) {
        publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::memory_size::size_class;
    use crate::server::allocator::Jemalloc;
    use std::alloc::{GlobalAlloc, Layout};

    fn allocate(bytes: usize) -> (usize, Layout) {
        let layout = Layout::from_size_align(bytes, 8).expect("a layout");
        // SAFETY: the size is not zero.
        (unsafe { Jemalloc.alloc(layout) }.expose_provenance(), layout)
    }

    fn free((block, layout): (usize, Layout)) {
        // SAFETY: the block was allocated with this layout, and is freed once.
        unsafe { Jemalloc.dealloc(std::ptr::with_exposed_provenance_mut(block), layout) }
    }

    /// Tests run beside each other, so only the thread's own part can be looked at.
    #[test]
    fn a_threads_own_words_are_exact() {
        for bytes in [1, 40, 100, 5000, 1 << 20] {
            let before = own();
            let block = allocate(bytes);
            assert_eq!(own() - before, size_class(bytes) as i64, "{bytes}");
            free(block);
            assert_eq!(own(), before);
        }
    }

    /// What one thread allocates and another one frees is in the sum, and then not any more.
    #[test]
    fn what_a_thread_leaves_behind_is_in_the_sum() {
        const BIG: usize = 1 << 30;
        // Nothing else in these tests comes near to as much.
        let before = allocated();
        let big = std::thread::spawn(|| {
            publish();
            allocate(BIG)
        });
        let big = big.join().expect("it does not panic");
        assert!(allocated() > before + (BIG - BIG / 4) as u64);
        free(big);
        assert!(allocated() < before + (BIG / 4) as u64);
    }
}
