//! SHA-1, by which scripts are known. It names them and protects nothing.

use sha1::{Digest, Sha1};

/// The digest, in lower-case hexadecimal.
pub fn hex(message: &[u8]) -> [u8; 40] {
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(Sha1::digest(message)) {
        pair[0] = b"0123456789abcdef"[(byte >> 4) as usize];
        pair[1] = b"0123456789abcdef"[(byte & 15) as usize];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of FIPS 180.
    #[test]
    fn agrees_with_the_standard() {
        let hex = |text: &[u8]| String::from_utf8(hex(text).to_vec()).unwrap();
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&vec![b'a'; 1_000_000]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }
}
