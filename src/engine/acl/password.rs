//! Passwords, of which nothing is kept but digests.

use crate::base::bytes;
use sha2::Digest as _;
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(password: &[u8]) -> Digest {
        Digest(sha2::Sha256::digest(password).into())
    }

    /// Reads 64 digits, which must be lower case, so that one digest is always written in one way.
    pub fn parse(digits: &[u8]) -> Option<Digest> {
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Digest(bytes))
    }

    pub fn hex(&self) -> String {
        bytes::hex(&self.0)
    }

    /// Is it one of these? All are looked at, so that the time it takes does not tell which.
    pub fn is_among(&self, digests: &[Digest]) -> bool {
        let mut found = Choice::from(0);
        for digest in digests {
            found |= self.0.ct_eq(&digest.0);
        }
        found.into()
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
