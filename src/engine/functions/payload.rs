//! Libraries of functions as FUNCTION DUMP gives them: a piece of a dump of Redis, with its footer.
//!
//! Each library is a byte that says so and its code as a string. Behind them come two bytes of version and a
//! CRC-64 of all before it. What is read may come from anywhere, so everything about it is doubted.

use crate::error::Error;
use crate::rdb::read::{self, Footer, Functions};
use crate::rdb::write;

/// Writes the codes of libraries, for the oldest version that has them: all others read that.
pub fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut sink = write::Sink::new(true);
    codes.for_each(|code| write::function(code, &mut sink));
    write::footer(write::Version::V10, sink)
}

/// Reads the codes of libraries.
pub fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let codes = read::functions(payload, Footer::default());
    codes.map_err(|refused| match refused {
        Functions::Footer => Error::Say("ERR DUMP payload version or checksum are wrong"),
        Functions::Other => Error::Say("ERR given type is not a function"),
        Functions::Format => Error::Say("ERR failed loading the given functions payload"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::crc64;
    use crate::rdb::codes::opcode;
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
