//! The dense form: registers of six bits, the lowest bits of a byte first.
//!
//! Nothing is done register by register where all are wanted: twenty-four bytes are three words, four
//! groups of forty-eight bits, and each group becomes eight bytes, or comes from them, in three steps
//! that halve its parts. The compiler does that for several groups at a time; where the processor has
//! AVX2, `avx2.rs` does it for thirty-two registers.

use super::REGISTERS;
use super::estimate::{Histogram, Pairs};

pub const BYTES: usize = REGISTERS * 6 / 8;
/// Twenty-four bytes hold thirty-two registers.
pub const BLOCK: usize = 24;
pub const IN_BLOCK: usize = 32;
const GROUP: u64 = (1 << 48) - 1;

pub fn get(registers: &[u8], index: usize) -> u8 {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let next = registers.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([registers[at], next]) >> shift) as u8 & 0x3f
}

pub fn set(registers: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let next = registers.get(at + 1).copied().unwrap_or(0);
    let both = u16::from_le_bytes([registers[at], next]) & !(0x3f << shift);
    let [low, high] = (both | u16::from(value) << shift).to_le_bytes();
    registers[at] = low;
    // The last register ends with the last byte.
    if let Some(next) = registers.get_mut(at + 1) {
        *next = high;
    }
}

/// Every byte becomes the larger of itself and the register.
pub fn merge(registers: &[u8], into: &mut [u8; REGISTERS]) {
    #[cfg(target_arch = "x86_64")]
    if registers.try_into().is_ok_and(|registers| super::avx2::merge(registers, into)) {
        return;
    }
    merge_plainly(registers, into);
}

/// Writes registers of a byte each, none of them above 63.
pub fn pack(bytes: &[u8; REGISTERS], into: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if into.try_into().is_ok_and(|into| super::avx2::pack(bytes, into)) {
        return;
    }
    pack_plainly(bytes, into);
}

pub(super) fn merge_plainly(registers: &[u8], into: &mut [u8; REGISTERS]) {
    let mut bytes = [0; REGISTERS];
    unpack(registers, &mut bytes);
    raise(into, &bytes);
}

pub(super) fn pack_plainly(bytes: &[u8; REGISTERS], into: &mut [u8]) {
    for (bytes, block) in bytes.chunks_exact(IN_BLOCK).zip(into.chunks_exact_mut(BLOCK)) {
        let group = |at: usize| narrow(word(&bytes[8 * at..8 * at + 8]));
        let [a, b, c, d] = [group(0), group(1), group(2), group(3)];
        let words = [a | b << 48, b >> 16 | c << 32, c >> 32 | d << 16];
        for (place, word) in block.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
}

pub fn histogram(registers: &[u8]) -> Histogram {
    let mut pairs = Pairs::new();
    for block in registers.chunks_exact(BLOCK) {
        for group in groups(block) {
            pairs.count(group);
        }
    }
    pairs.histogram()
}

/// As `histogram`, of registers of a byte each.
pub fn histogram_of_bytes(bytes: &[u8; REGISTERS]) -> Histogram {
    let mut pairs = Pairs::new();
    let mut zeros = 0;
    for eight in bytes.chunks_exact(8) {
        match word(eight) {
            // While little was counted, most are zero.
            0 => zeros += 8,
            eight => pairs.count(narrow(eight)),
        }
    }
    let mut runs = pairs.histogram();
    runs[0] += zeros;
    runs
}

/// Not inlined, and neither is `raise`: the compiler would put bytes together one by one in order to
/// compare them sixteen at a time, which takes three times as long as words that are written and read.
#[inline(never)]
fn unpack(registers: &[u8], bytes: &mut [u8; REGISTERS]) {
    for (block, bytes) in registers.chunks_exact(BLOCK).zip(bytes.chunks_exact_mut(IN_BLOCK)) {
        for (eight, group) in bytes.chunks_exact_mut(8).zip(groups(block)) {
            eight.copy_from_slice(&widen(group).to_le_bytes());
        }
    }
}

#[inline(never)]
fn raise(bytes: &mut [u8; REGISTERS], others: &[u8; REGISTERS]) {
    for (byte, other) in bytes.iter_mut().zip(others) {
        *byte = (*byte).max(*other);
    }
}

#[inline]
fn groups(block: &[u8]) -> [u64; 4] {
    let (a, b, c) = (word(&block[..8]), word(&block[8..16]), word(&block[16..24]));
    [a & GROUP, (a >> 48 | b << 16) & GROUP, (b >> 32 | c << 32) & GROUP, c >> 16]
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Eight times six bits become eight bytes.
#[inline]
fn widen(group: u64) -> u64 {
    let halves = group & 0xff_ffff | (group & 0xffff_ff00_0000) << 8;
    let quarters = halves & 0xfff_0000_0fff | (halves & 0x00ff_f000_00ff_f000) << 4;
    quarters & 0x003f_003f_003f_003f | (quarters & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// … and back.
#[inline]
fn narrow(bytes: u64) -> u64 {
    let quarters = bytes & 0x003f_003f_003f_003f | (bytes & 0x3f00_3f00_3f00_3f00) >> 2;
    let halves = quarters & 0xfff_0000_0fff | (quarters & 0x0fff_0000_0fff_0000) >> 4;
    halves & 0xff_ffff | (halves & 0x00ff_ffff_0000_0000) >> 8
}
