//! Values to MessagePack, each in the shortest form there is for it.
//!
//! What has no form, functions and the like, is nil; so is a table deeper than the sixteenth, so that
//! tables that hold themselves come to an end.

use crate::lua::libraries::args::Args;
use crate::lua::libraries::indices::indices;
use crate::lua::libraries::raise;
use crate::lua::libraries::room::Room;
use mlua::{Error, MultiValue, Result, Table, Value};

/// How deep tables are packed.
const MAX_DEPTH: usize = 16;

/// The most that is packed, which is what any value may have: tables that hold themselves in many places
/// would be longer than any memory.
const MAX_PACKED: usize = 512 << 20;

pub fn pack(args: &Args) -> Result<MultiValue> {
    if args.len() == 0 {
        return Err(args.bad(0, "MessagePack pack needs input."));
    }
    let _room = Room::new(args.lua)?;
    let mut packer = Packer { is_full: false, out: Vec::new() };
    for number in 1..=args.len() {
        let packed = packer.value(args.get(number).unwrap_or(&Value::Nil), 0);
        if packer.is_full {
            return Err(raise::too_large(args.lua));
        }
        packed?;
    }
    let text = args.lua.create_string(&packer.out)?;
    Ok([Value::String(text)].into_iter().collect())
}

struct Packer {
    /// The walk was ended because there is too much. The error is made outside of it, where the caller's line
    /// can be seen.
    is_full: bool,
    out: Vec<u8>,
}

impl Packer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::String(text) => {
                let text = text.as_bytes();
                self.need(text.len())?;
                match text.len() as u32 {
                    len @ ..32 => self.out.push(0xa0 | len as u8),
                    len @ ..0x100 => self.out.extend_from_slice(&[0xd9, len as u8]),
                    len => self.sized(0xda, len),
                }
                self.out.extend_from_slice(&text);
            }
            Value::Integer(number) => self.integer(*number),
            // Only a double that is a negative zero comes here and is an integer.
            Value::Number(number) if *number == 0.0 => self.integer(0),
            Value::Number(number) => self.double(*number),
            Value::Boolean(value) => self.out.push(0xc2 | *value as u8),
            Value::Table(table) if depth < MAX_DEPTH => self.table(table, depth)?,
            _ => self.out.push(0xc0),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<()> {
        self.need(0)?;
        // Without gaps it is an array; so is an empty table.
        if let Some((max, count)) = indices(table)?
            && max == count
        {
            self.collection(0x90, 0xdc, count);
            for value in table.sequence_values::<Value>().take(count as usize) {
                self.value(&value?, depth + 1)?;
            }
            return Ok(());
        }
        let mut len = 0;
        table.for_each(|_: bool, _: bool| {
            len += 1;
            Ok(())
        })?;
        self.collection(0x80, 0xde, len);
        table.for_each(|key: Value, value: Value| {
            self.value(&key, depth + 1)?;
            self.value(&value, depth + 1)
        })
    }

    fn need(&mut self, more: usize) -> Result<()> {
        if self.out.len() + more > MAX_PACKED {
            self.is_full = true;
            // Any error ends the walk.
            return Err(Error::BindError);
        }
        Ok(())
    }

    fn collection(&mut self, short: u8, long: u8, len: u32) {
        if len < 16 { self.out.push(short | len as u8) } else { self.sized(long, len) }
    }

    /// A length of two bytes behind `head`, or of four behind the one after it.
    fn sized(&mut self, head: u8, len: u32) {
        match u16::try_from(len) {
            Ok(len) => self.headed(head, &len.to_be_bytes()),
            Err(_) => self.headed(head + 1, &len.to_be_bytes()),
        }
    }

    fn integer(&mut self, number: i64) {
        let bytes = number.to_be_bytes();
        match number {
            -32..=0x7f => self.out.push(number as u8),
            0x80..=0xff => self.headed(0xcc, &bytes[7..]),
            0x100..=0xffff => self.headed(0xcd, &bytes[6..]),
            0x1_0000..=0xffff_ffff => self.headed(0xce, &bytes[4..]),
            0x1_0000_0000.. => self.headed(0xcf, &bytes),
            -0x80..-32 => self.headed(0xd0, &bytes[7..]),
            -0x8000..-0x80 => self.headed(0xd1, &bytes[6..]),
            -0x8000_0000..-0x8000 => self.headed(0xd2, &bytes[4..]),
            _ => self.headed(0xd3, &bytes),
        }
    }

    /// In four bytes if nothing is lost.
    fn double(&mut self, number: f64) {
        let single = number as f32;
        if f64::from(single) == number {
            self.headed(0xca, &single.to_be_bytes());
        } else {
            self.headed(0xcb, &number.to_be_bytes());
        }
    }

    fn headed(&mut self, head: u8, bytes: &[u8]) {
        self.out.push(head);
        self.out.extend_from_slice(bytes);
    }
}
