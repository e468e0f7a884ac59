//! Amounts of memory: as people write them in a configuration (`512mb`, `1g`, `4096`), and as the
//! allocator hands them out.

/// What the allocator makes of a request: the least multiple of 8 up to 64, and from there on one of
/// four sizes to each doubling. Asking for all of it costs nothing, and what a value takes is the sum
/// of these. `server/allocator.rs` holds it against the allocator itself.
#[inline]
pub const fn size_class(bytes: usize) -> usize {
    if bytes <= 64 {
        return if bytes == 0 { 8 } else { bytes.next_multiple_of(8) };
    }
    let step = 1usize << ((bytes - 1).ilog2() - 2);
    bytes.next_multiple_of(step)
}

/// What the memory behind a vector of this capacity takes: nothing, if there is no room in it.
pub const fn of_array<T>(capacity: usize) -> usize {
    if capacity == 0 { 0 } else { size_class(capacity.saturating_mul(size_of::<T>())) }
}

/// So many percent of an amount.
pub const fn share_of(bytes: u64, percent: u8) -> u64 {
    (bytes as u128 * percent as u128 / 100) as u64
}

/// Reads digits and an optional unit, in any case: `k`, `m` and `g` are powers of 1000, `kb`, `mb`
/// and `gb` powers of 1024, and `b` is bytes.
///
/// There are no fractions, signs or spaces. No digits at all count as zero, because configurations
/// clear a limit by giving an empty value. An amount beyond 64 bits is refused.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits);
    let scale: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let mut count = 0u64;
    for digit in digits {
        count = count.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    count.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decimal_or_binary() {
        for (text, bytes) in [
            ("0", 0),
            ("007", 7),
            ("12b", 12),
            ("1k", 1000),
            ("1Kb", 1024),
            ("3M", 3_000_000),
            ("3mB", 3 << 20),
            ("2g", 2_000_000_000),
            ("2GB", 2 << 30),
            ("17179869183gb", u64::MAX - (1 << 30) + 1),
            ("18446744073709551615", u64::MAX),
            ("", 0),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let refused = "-1|+1| 1|1 |1 kb|1.5gb|1t|1kbb|0x10|18446744073709551616|17179869184gb|k1";
        for text in refused.split('|') {
            assert_eq!(parse_memory(text.as_bytes()), None, "{text:?}");
        }
    }
}
