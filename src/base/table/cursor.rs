//! Positions: the order in which everything in the table lies, and what a SCAN cursor is made of.
//!
//! A position is the highest 52 bits of a hash. A cursor is a position, and says "everything before
//! this was seen": it means the same however often the table has grown, shrunk, split or merged since.
//! 52 bits, because clients keep cursors in floating-point numbers that are exact below 2^53.

/// How far a hash is shifted to become a position.
pub(super) const POSITION_SHIFT: u32 = 12;

/// One past the last position.
pub(super) const END: u64 = 1 << (64 - POSITION_SHIFT);

/// Where a hash stands in the order of a scan.
#[inline]
pub fn position(hash: u64) -> u64 {
    hash >> POSITION_SHIFT
}

/// The first position whose home is `bucket` or a later one, in a segment of `buckets` buckets that
/// begins at the hash `first` and covers all hashes with the same highest `depth` bits. The mapping
/// from hash to bucket is `floor(x * buckets / 2^64)`, `x` being the hash without those bits; this is
/// its inverse, rounded up.
pub(super) fn begin(first: u64, depth: u32, bucket: usize, buckets: usize) -> u64 {
    let width = 64 - POSITION_SHIFT - depth;
    let scaled = (bucket as u128) << width;
    position(first) + scaled.div_ceil(buckets as u128) as u64
}
