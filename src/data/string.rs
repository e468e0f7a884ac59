//! Strings as commands see them: bytes, or an integer that is stored as one.

use crate::base::numbers;

/// A string that is being read. It lends what the record holds; an integer has no bytes of its
/// own until somebody asks for them.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

/// Room for the digits of an integer string, so that `Text::bytes` can lend them.
pub type Digits = itoa::Buffer;

impl<'a> Text<'a> {
    pub fn len(&self) -> usize {
        match self {
            Text::Int(value) => numbers::decimal_len(value.unsigned_abs()) + (*value < 0) as usize,
            Text::Bytes(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn bytes<'b>(&self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Text::Int(value) => digits.format(*value).as_bytes(),
            Text::Bytes(bytes) => bytes,
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut Digits::new()).to_vec()
    }

    /// The value as INCR understands it.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Text::Int(value) => Some(*value),
            Text::Bytes(bytes) => numbers::parse_i64(bytes),
        }
    }
}

/// Canonical integers are stored as integers; they are at most 20 bytes long.
pub fn canonical_int(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 20 { None } else { numbers::parse_i64(bytes) }
}
