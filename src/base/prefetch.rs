//! Asking the processor for a cache line before it is needed.
//!
//! A batch of commands touches as many cold lines as it has keys. Asked for one after the other each
//! costs a trip to memory; asked for all at once the trips overlap, and that is worth more than any
//! other trick in the table. There is no safe call for it in `std`, so this is it.
#![expect(
    unsafe_code,
    reason = "the prefetch instruction is only reachable as an unsafe intrinsic"
)]

/// Starts loading the cache line at which `place` begins. It is a hint: it changes nothing, and on
/// processors for which we know no such instruction it does nothing.
#[inline(always)]
pub fn prefetch<T: ?Sized>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads nothing and cannot fault, whatever the address; this one is a
        // live reference besides. SSE, which it belongs to, is part of every x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(place).cast::<i8>()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
