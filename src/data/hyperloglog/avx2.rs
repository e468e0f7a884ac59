//! Dense registers thirty-two at a time, where the processor has AVX2.
//!
//! Twenty-four bytes go in as two halves of twelve, since such an instruction moves bytes within sixteen
//! only. Three bytes, four registers, are put into four bytes, the middle one twice, and shifted apart
//! there.
//!
//! What is unsafe here rests on two things: every load and store is of an array behind a reference,
//! whole, and asks for no alignment; and what needs AVX2 is called from the public functions alone,
//! which have asked the processor.
#![expect(unsafe_code, reason = "loads, stores, and calls that the processor must be asked about")]

use super::REGISTERS;
use super::dense::{BLOCK, BYTES, IN_BLOCK};
use std::arch::x86_64::*;

/// As `dense::merge`; says no, and does nothing, where there is no AVX2.
pub fn merge(registers: &[u8; BYTES], into: &mut [u8; REGISTERS]) -> bool {
    let is_there = is_x86_feature_detected!("avx2");
    if is_there {
        // SAFETY: the processor has just said that it can.
        unsafe { raise(registers, into) };
    }
    is_there
}

/// As `dense::pack`; says no, and does nothing, where there is no AVX2.
pub fn pack(bytes: &[u8; REGISTERS], into: &mut [u8; BYTES]) -> bool {
    let is_there = is_x86_feature_detected!("avx2");
    if is_there {
        // SAFETY: the processor has just said that it can.
        unsafe { narrow(bytes, into) };
    }
    is_there
}

#[target_feature(enable = "avx2")]
fn raise(registers: &[u8; BYTES], into: &mut [u8; REGISTERS]) {
    let (blocks, _) = registers.as_chunks::<BLOCK>();
    let (all, _) = into.as_chunks_mut::<IN_BLOCK>();
    for (block, bytes) in blocks.iter().zip(all) {
        let larger = _mm256_max_epu8(spread(block), load(bytes));
        // SAFETY: the array has thirty-two bytes, which need not be aligned.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), larger) };
    }
}

#[target_feature(enable = "avx2")]
fn narrow(bytes: &[u8; REGISTERS], into: &mut [u8; BYTES]) {
    let (all, _) = bytes.as_chunks::<IN_BLOCK>();
    let (blocks, _) = into.as_chunks_mut::<BLOCK>();
    for (bytes, block) in all.iter().zip(blocks) {
        join(load(bytes), block);
    }
}

/// Registers become bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn spread(block: &[u8; BLOCK]) -> __m256i {
    // The second half begins in the middle of what is loaded for it, so that nothing behind the
    // block is read.
    const _: () = assert!(BLOCK == 24);
    let halves: [&[u8; 16]; 2] = [
        block.first_chunk().expect("it is that long"),
        block.last_chunk().expect("it is that long"),
    ];
    // SAFETY: both arrays have sixteen bytes, which need not be aligned.
    let halves = halves.map(|half| unsafe { _mm_loadu_si128(half.as_ptr().cast()) });
    let both = _mm256_set_m128i(halves[1], halves[0]);
    let twos = _mm256_shuffle_epi8(
        both,
        _mm256_setr_epi8(
            0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, //
            4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11, 12, 13, 14, 14, 15,
        ),
    );
    // Of sixteen bits every first has its two registers at the low end, every second at the high end.
    let high = _mm256_mullo_epi16(twos, _mm256_set1_epi32(0x0001_0010));
    let first = _mm256_and_si256(_mm256_srli_epi16::<4>(high), _mm256_set1_epi16(0x3f));
    let second = _mm256_and_si256(_mm256_srli_epi16::<2>(high), _mm256_set1_epi16(0x3f00));
    _mm256_or_si256(first, second)
}

/// … and bytes registers.
#[target_feature(enable = "avx2")]
#[inline]
fn join(bytes: __m256i, block: &mut [u8; BLOCK]) {
    // Two neighbours make twelve bits, and two of those twenty-four.
    let twos = _mm256_maddubs_epi16(bytes, _mm256_set1_epi16(0x4001));
    let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x1000_0001));
    let threes = _mm256_shuffle_epi8(
        fours,
        _mm256_setr_epi8(
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
        ),
    );
    let close = _mm256_permutevar8x32_epi32(threes, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
    let (most, rest) = block.split_first_chunk_mut().expect("it is longer");
    let most: &mut [u8; 16] = most;
    // SAFETY: the array has sixteen bytes, which need not be aligned.
    unsafe { _mm_storeu_si128(most.as_mut_ptr().cast(), _mm256_castsi256_si128(close)) };
    rest.copy_from_slice(&_mm256_extract_epi64::<2>(close).to_le_bytes());
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8; IN_BLOCK]) -> __m256i {
    // SAFETY: the array has thirty-two bytes, which need not be aligned.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
