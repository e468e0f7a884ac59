//! Libraries of functions as FUNCTION DUMP gives them: a piece of a dump of Redis, with its footer.
//!
//! Each library is a byte that says so and its code as a string. Behind them come two bytes of version and a
//! CRC-64 of all before it. What is read may come from anywhere, so everything about it is doubted.

use crate::base::{crc64, lzf};
use crate::error::Error;
use crate::rdb::codes::opcode;
use crate::rdb::write;

/// The youngest version that is read. What a library looks like has not changed since the first; the peers
/// count apart from each other by now, one of them from 80 on.
const VERSION_MAX: u16 = 99;

const FOOTER_BYTES: usize = 10;

const WRONG: Error = Error::Say("ERR DUMP payload version or checksum are wrong");
const UNREADABLE: Error = Error::Say("ERR failed loading the given functions payload");

/// Writes the codes of libraries, for the oldest version that has them: all others read that.
pub fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut sink = write::Sink::new(true);
    codes.for_each(|code| write::function(code, &mut sink));
    write::footer(write::Version::V10, sink)
}

/// Reads the codes of libraries.
pub fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let body_len = payload.len().checked_sub(FOOTER_BYTES).ok_or(WRONG)?;
    let (body, footer) = payload.split_at(body_len);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let sum = crc64::checksum(&payload[..body_len + 2]);
    if version > VERSION_MAX || footer[2..] != sum.to_le_bytes() {
        return Err(WRONG);
    }
    let mut codes = Vec::new();
    let mut reader = Reader { rest: body };
    while let Some((kind, rest)) = reader.rest.split_first() {
        if *kind != opcode::FUNCTION2 {
            return Err(Error::Say("ERR given type is not a function"));
        }
        reader.rest = rest;
        codes.push(reader.string().ok_or(UNREADABLE)?);
    }
    Ok(codes)
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// What the head of a string says of it.
enum Head {
    Len(usize),
    /// An integer of so many bytes.
    Integer(usize),
    Compressed,
}

impl<'a> Reader<'a> {
    fn string(&mut self) -> Option<Vec<u8>> {
        match self.head()? {
            Head::Len(len) => Some(self.take(len)?.to_vec()),
            Head::Integer(size) => {
                let bytes = self.take(size)?;
                let unsigned = bytes.iter().rev().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
                let unused = 64 - 8 * size as u32;
                Some((unsigned << unused >> unused).to_string().into_bytes())
            }
            Head::Compressed => {
                let (Head::Len(compressed), Head::Len(len)) = (self.head()?, self.head()?) else {
                    return None;
                };
                lzf::expand(self.take(compressed)?, len)
            }
        }
    }

    fn head(&mut self) -> Option<Head> {
        let first = self.take(1)?[0];
        let len = match first {
            ..0x40 => u64::from(first),
            0x40..0x80 => u64::from(first & 0x3f) << 8 | u64::from(self.take(1)?[0]),
            0x80 => u64::from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)),
            0x81 => u64::from_be_bytes(self.take(8)?.try_into().ok()?),
            0xc0..=0xc2 => return Some(Head::Integer(1 << (first - 0xc0))),
            0xc3 => return Some(Head::Compressed),
            _ => return None,
        };
        Some(Head::Len(usize::try_from(len).ok()?))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Redis 8.0.6 gave: without libraries, and with one that it compressed.
    #[test]
    fn payloads_of_the_peers_are_read() {
        assert!(read(b"\x0c\x00\x96\xedh\x80\xf5U<\x93").unwrap().is_empty());
        assert!(read(b"P\x00\x92\xb1\x95\xd1\x91-\xc5.").unwrap().is_empty());
        let payload = b"\xf5\xc3@NB?\x13#!lua name=long\n-- x\xe0\xff\x00\xe0\xe2\x00\x19\n\
            redis.register_functionB?\x15";
        assert!(matches!(read(payload), Err(Error::Say(_))));
        let payload = b"\xf5\xc3@NB?\x13#!lua name=long\n-- x\xe0\xff\x00\xe0\xe2\x00\x19\n\
            redis.register_function('B\x15\x01',\xe0\x00\x0f\x0e) return 1 end)\x0c\x00\
            \xb9\xa0\xd3{w\x05A\xdd";
        let code = [
            &b"#!lua name=long\n-- "[..],
            &[b'x'; 500],
            b"\nredis.register_function('long',function() return 1 end)",
        ];
        assert_eq!(read(payload).unwrap(), [code.concat()]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            codes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 0..4),
        ) {
            let payload = write(codes.iter().map(|code| code.as_slice()));
            prop_assert_eq!(read(&payload).unwrap(), codes);
        }

        #[test]
        fn garbage_is_refused_or_read(mut body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&body);
            // With a footer that fits, the body itself is looked at.
            body.splice(0..0, [opcode::FUNCTION2]);
            body.extend_from_slice(&10u16.to_le_bytes());
            body.extend_from_slice(&crc64::checksum(&body).to_le_bytes());
            if let Ok(codes) = read(&body) {
                let len: usize = codes.iter().map(Vec::len).sum();
                prop_assert!(len <= 100 * body.len());
            }
        }
    }
}
