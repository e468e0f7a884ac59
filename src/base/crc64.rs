//! The CRC-64 that dumps end with: the polynomial of Jones, reflected, beginning with zero.
//!
//! Sixteen bytes are looked up at once, each in the table for its distance from the end, so that the look-ups do not
//! wait for each other.

/// The checksum of some bytes.
pub fn checksum(bytes: &[u8]) -> u64 {
    update(0, bytes)
}

/// The checksum of what had this one, and these bytes behind it.
pub fn update(mut sum: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<STRIDE>();
    for chunk in chunks {
        let (first, second) = chunk.split_at(8);
        let first = sum ^ u64::from_le_bytes(first.try_into().expect("half of sixteen"));
        let second = u64::from_le_bytes(second.try_into().expect("half of sixteen"));
        sum = look_up(first, 8) ^ look_up(second, 0);
    }
    rest.iter().fold(sum, |sum, byte| sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)])
}

/// What eight bytes do to the sum that are followed by so many others of their chunk.
#[inline(always)]
fn look_up(bytes: u64, behind: usize) -> u64 {
    let bytes = bytes.to_le_bytes();
    (0..8).fold(0, |sum, at| sum ^ TABLES[behind + 7 - at][usize::from(bytes[at])])
}

const STRIDE: usize = 16;

/// What each byte does to the sum when so many others follow.
static TABLES: [[u64; 256]; STRIDE] = {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut behind = 1;
    while behind < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let sum: u64 = tables[behind - 1][byte];
            tables[behind][byte] = sum >> 8 ^ tables[0][(sum & 0xff) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_known_sum() {
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(checksum(b""), 0);
    }

    proptest! {
        #[test]
        fn many_bytes_at_once_are_as_one_after_another(
            bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200,
        ) {
            let plain = bytes.iter().fold(0, |sum, byte| update(sum, &[*byte]));
            prop_assert_eq!(checksum(&bytes), plain);
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(update(checksum(first), second), plain);
        }
    }
}
