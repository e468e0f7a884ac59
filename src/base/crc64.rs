//! The CRC-64 that dumps end with: the polynomial of Jones, reflected, beginning with zero.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of some bytes.
pub fn checksum(bytes: &[u8]) -> u64 {
    update(0, bytes)
}

/// The checksum of what had this one, and these bytes behind it.
pub fn update(sum: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

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
            bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0usize..2000,
        ) {
            let plain = bytes.iter().fold(0, |sum, byte| update(sum, &[*byte]));
            prop_assert_eq!(checksum(&bytes), plain);
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(update(checksum(first), second), plain);
        }
    }
}
