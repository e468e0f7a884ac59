//! Writes a listpack, see `codes::listpack`.

use crate::data::string::{Text, canonical_int};
use crate::rdb::codes::listpack;

/// A listpack that is being written into memory which is used again.
pub struct Listpack<'a> {
    out: &'a mut Vec<u8>,
    items: usize,
}

impl<'a> Listpack<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Listpack<'a> {
        out.clear();
        out.extend_from_slice(&[0; listpack::HEAD_BYTES]);
        Listpack { out, items: 0 }
    }

    /// A string, which is an integer if it is written like one: readers compare such strings as integers.
    #[inline]
    pub fn text(&mut self, text: Text) {
        match text {
            Text::Int(int) => self.int(int),
            Text::Bytes(bytes) => match canonical_int(bytes) {
                Some(int) => self.int(int),
                None => self.string(bytes),
            },
        }
    }

    #[inline]
    pub fn int(&mut self, int: i64) {
        self.items += 1;
        if let 0..=127 = int {
            return self.out.extend_from_slice(&[int as u8, 1]);
        }
        let start = self.out.len();
        let bytes = int.to_le_bytes();
        match int {
            -0x1000..0x1000 => {
                let [high, low] = (int as u16 & 0x1fff).to_be_bytes();
                self.out.extend_from_slice(&[listpack::INT_13 | high, low]);
            }
            -0x8000..0x8000 => self.number(listpack::INT_16, &bytes[..2]),
            -0x80_0000..0x80_0000 => self.number(listpack::INT_24, &bytes[..3]),
            -0x8000_0000..0x8000_0000 => self.number(listpack::INT_32, &bytes[..4]),
            _ => self.number(listpack::INT_64, &bytes),
        }
        self.close(start);
    }

    /// Writes how long all is and of how many items.
    pub fn finish(self) {
        self.out.push(listpack::END);
        let items = u16::try_from(self.items).unwrap_or(listpack::UNCOUNTED);
        let bytes = self.out.len() as u32;
        self.out[..4].copy_from_slice(&bytes.to_le_bytes());
        self.out[4..6].copy_from_slice(&items.to_le_bytes());
    }

    #[inline]
    fn string(&mut self, bytes: &[u8]) {
        self.items += 1;
        let start = self.out.len();
        let len = bytes.len();
        match len {
            ..0x40 => self.out.push(listpack::STRING_6 | len as u8),
            0x40..0x1000 => {
                let [high, low] = (len as u16).to_be_bytes();
                self.out.extend_from_slice(&[listpack::STRING_12 | high, low]);
            }
            _ => self.number(listpack::STRING_32, &(len as u32).to_le_bytes()),
        }
        self.out.extend_from_slice(bytes);
        self.close(start);
    }

    fn number(&mut self, head: u8, bytes: &[u8]) {
        self.out.push(head);
        self.out.extend_from_slice(bytes);
    }

    /// Writes how long the item is that began here. Where the next byte of that begins, the peers have other
    /// limits than the bits would allow, and skip as many bytes as they would have written.
    #[inline]
    fn close(&mut self, start: usize) {
        let len = self.out.len() - start;
        let more = match len {
            ..128 => return self.out.push(len as u8),
            128..16_383 => 1,
            16_383..2_097_151 => 2,
            2_097_151..268_435_455 => 3,
            _ => 4,
        };
        self.out.push((len >> (7 * more)) as u8);
        for at in (0..more).rev() {
            self.out.push((len >> (7 * at)) as u8 & 0x7f | 0x80);
        }
    }
}
