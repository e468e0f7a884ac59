//! What modules have written, which nobody can read without them: it is passed over.

use super::error::Error;
use super::input::Input;
use crate::rdb::codes::module::*;
use std::io::Read;

/// The name of a module's type: nine characters of six bits each, above ten bits of a version.
pub fn name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let character = |at: u32| char::from(CHARACTERS[(id >> (10 + 6 * at) & 63) as usize]);
    (0..9).rev().map(character).collect()
}

/// Passes over a row of numbers and strings, up to its end.
pub fn skip<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    let mut passed = Vec::new();
    loop {
        match input.len()? {
            EOF => return Ok(()),
            SINT | UINT => _ = input.len()?,
            FLOAT => input.skip(4)?,
            DOUBLE => input.skip(8)?,
            STRING => input.string_into(&mut passed)?,
            _ => return Err(input.corrupt("a value of a module in a form that there is not")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_their_ids() {
        // ReJSON-RL with version 3.
        assert_eq!(name(0x4489_4834_fe51_1403_u64), name(0x4489_4834_fe51_1400));
        let id = b"ReJSON-RL".iter().fold(0u64, |id, byte| {
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            id << 6 | alphabet.bytes().position(|other| other == *byte).unwrap() as u64
        });
        assert_eq!(name(id << 10 | 3), "ReJSON-RL");
    }

    #[test]
    fn a_row_is_passed_over() {
        let bytes = b"\x01\x05\x02\x40\xff\x03abcd\x04abcdefgh\x05\x03abc\x00rest";
        let mut input = Input::new(&bytes[..], None, false);
        skip(&mut input).unwrap();
        assert_eq!(input.peek().unwrap(), Some(b'r'));
    }
}
