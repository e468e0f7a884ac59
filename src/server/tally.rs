//! How many bytes are allocated, at the cost of a few loads: what a limit on memory is held against before
//! each command.
//!
//! jemalloc counts for each thread what it has allocated and freed, in its size classes, and says where the
//! counters lie. A thread's own counters are plain words for itself. What the others did is in one sum, to which
//! each thread adds its part when it has done a piece of work (`publish`), and when it ends. So on the way of a command
//! nobody reads another thread's words, and the sum is exact but for what others are amid of.
//!
//! Threads that never publish, and what was there before the first did, are made up for by `correct`, which is
//! told the allocator's own figure. That one knows also what others are amid of; so it is compared with the words of all
//! threads, and not with the sum, which would count it once more when they publish.
#![expect(unsafe_code, reason = "the counters are words that jemalloc points to")]

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tikv_jemalloc_ctl::raw;

/// What threads have published.
static TOTAL: AtomicI64 = AtomicI64::new(0);
/// What no thread of these did.
static REST: AtomicI64 = AtomicI64::new(0);
static THREADS: Mutex<Threads> = Mutex::new(Threads { alive: Vec::new(), ended: 0, found: None });

thread_local! {
    /// Where the counters of this thread lie: allocated, freed. Null until they were asked for.
    static COUNTERS: Cell<(*const u64, *const u64)> = const { Cell::new((ZERO, ZERO)) };
    /// What of them was published.
    static PUBLISHED: Cell<i64> = const { Cell::new(0) };
    /// Publishes once more when the thread ends.
    static LAST_WORD: LastWord = const { LastWord };
}

const ZERO: *const u64 = std::ptr::null();

/// All threads that have counters.
struct Threads {
    alive: Vec<Counters>,
    /// What those did that are no more.
    ended: i64,
    /// What none of them did, when the allocator was asked last.
    found: Option<i64>,
}

/// Where they lie: allocated, freed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counters(*const u64, *const u64);

// SAFETY: they are read as atomic words, and only while the thread is among those that are alive.
unsafe impl Send for Counters {}

/// Bytes that are allocated by all threads together.
#[inline]
pub fn allocated() -> u64 {
    let unpublished = own() - PUBLISHED.get();
    let rest = REST.load(Ordering::Relaxed);
    u64::try_from(TOTAL.load(Ordering::Relaxed) + rest + unpublished).unwrap_or(0)
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

/// The same with what others are amid of: exact, for a few loads for each thread.
pub fn allocated_by_all() -> u64 {
    let rest = REST.load(Ordering::Relaxed);
    u64::try_from(threads().sum() + rest).unwrap_or(0)
}

/// Asks the allocator how much is allocated, and makes up for what is not known here.
pub fn correct(ask: impl FnOnce() -> u64) {
    let mut threads = threads();
    let before = threads.sum();
    let exact = ask();
    let after = threads.sum();
    // Else others did much while it was asked, and the figures are of different moments. There will be another time.
    if after.abs_diff(before) > BLUR {
        return;
    }
    let rest = exact as i64 - after;
    // The allocator puts its figure together bit by bit. While a thread begins and fills its cache it may be far off,
    // so it is believed when it is the same twice.
    let believed = threads.found.is_none_or(|found| found.abs_diff(rest) <= BLUR);
    threads.found = Some(rest);
    if believed {
        REST.store(rest, Ordering::Relaxed);
    }
}

/// As exact as it need be.
const BLUR: u64 = 4096;

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
        // A thread that is ending already has no last word any more, and nobody looks at its words.
        (Ok(allocated), Ok(freed))
            if !allocated.is_null() && !freed.is_null() && LAST_WORD.try_with(|_| ()).is_ok() =>
        {
            COUNTERS.set((allocated, freed));
            threads().alive.push(Counters(allocated, freed));
            own()
        }
        // An allocator without these counters: then `correct` alone keeps the sum.
        _ => 0,
    }
}

fn threads() -> MutexGuard<'static, Threads> {
    // Nothing in here panics half way.
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    /// What all did, those that are no more among them.
    fn sum(&self) -> i64 {
        self.alive.iter().map(Counters::sum).sum::<i64>() + self.ended
    }
}

impl Counters {
    fn sum(&self) -> i64 {
        // SAFETY: a thread is taken from those that are alive before its words are gone. jemalloc writes them one at a
        // time, aligned, so that each is whole.
        let word =
            |at: *const u64| unsafe { AtomicU64::from_ptr(at.cast_mut()) }.load(Ordering::Relaxed);
        word(self.0).wrapping_sub(word(self.1)) as i64
    }
}

struct LastWord;

impl Drop for LastWord {
    fn drop(&mut self) {
        let mut threads = threads();
        publish();
        let (allocated, freed) = COUNTERS.get();
        threads.alive.retain(|thread| *thread != Counters(allocated, freed));
        threads.ended += PUBLISHED.get();
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

    /// Those that look at the sum take so much that nothing but each other could be mistaken for it.
    static SUM: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        SUM.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        let _alone = alone();
        let before = allocated();
        let big = std::thread::spawn(|| {
            publish();
            allocate(BIG)
        });
        let big = big.join().expect("it does not panic");
        assert!(allocated() > before + (BIG - BIG / 4) as u64);
        free(big);
        publish();
        assert!(allocated() < before + (BIG / 4) as u64);
    }

    /// What a thread is amid of is known to the allocator, and is counted once nevertheless when it is published.
    #[test]
    fn what_a_thread_is_amid_of_is_counted_once() {
        const BIG: i64 = 1 << 32;
        let _alone = alone();
        let near =
            |before: u64, more: i64| (allocated() as i64 - before as i64 - more).abs() < BIG / 2;
        let before = allocated();
        let (say, hear) = std::sync::mpsc::channel();
        let (go_on, wait) = std::sync::mpsc::channel();
        let big = std::thread::spawn(move || {
            publish();
            let big = allocate(BIG as usize);
            say.send(()).expect("somebody hears");
            wait.recv().expect("somebody says");
            publish();
            big
        });
        hear.recv().expect("it has allocated");
        assert!(allocated_by_all() as i64 > BIG / 2);
        (0..2).for_each(|_| correct(crate::server::host::allocated_now));
        assert!(near(before, 0), "{before} {}", allocated());
        go_on.send(()).expect("it waits");
        let big = big.join().expect("it does not panic");
        assert!(near(before, BIG), "{before} {}", allocated());
        free(big);
        publish();
        assert!(near(before, 0), "{before} {}", allocated());
    }

    /// The allocator puts its figure together bit by bit, so one that is wrong once changes nothing.
    #[test]
    fn a_figure_is_believed_when_it_is_the_same_twice() {
        const WRONG: u64 = 1 << 36;
        let _alone = alone();
        let right = || correct(crate::server::host::allocated_now);
        (0..2).for_each(|_| right());
        let before = allocated_by_all();
        correct(|| crate::server::host::allocated_now() + WRONG);
        assert!(allocated_by_all() < before + WRONG / 2);
        (0..2).for_each(|_| right());
    }
}
