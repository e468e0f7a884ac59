//! `struct`: numbers and strings as bytes, laid out by a format.
//!
//! `>` and `<` say which byte comes first, `!` how far integers and doubles are aligned, and each other
//! letter is a field. One walk over the format, `Fields`, serves packing, unpacking and measuring.

#[cfg(test)]
mod tests;

use super::args::{Args, as_number, to_integer};
use super::{item::Item, raise};
use mlua::{Lua, MultiValue, Result, Table, Value};

/// The most bytes that an integer may have in a format.
const MAX_INTEGER: usize = 32;

/// The alignment that `!` alone asks for.
const NATIVE_ALIGNMENT: usize = 8;

/// The longest string that is packed: what any value may have.
const MAX_PACKED: usize = 512 << 20;

/// What fits on Lua's stack: arguments, results, and what the interpreter needs to hand them over.
const MAX_STACK: usize = 8000;

/// The table of this library.
pub fn open(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(|lua, values| pack(&Args::new(lua, values)))?)?;
    table.raw_set("unpack", lua.create_function(|lua, values| unpack(&Args::new(lua, values)))?)?;
    table.raw_set("size", lua.create_function(|lua, values| size(&Args::new(lua, values)))?)?;
    Ok(table)
}

fn pack(args: &Args) -> Result<Value> {
    let format = args.string(1)?;
    let format = format.as_bytes();
    let mut fields = Fields::new(&format);
    let mut out = Vec::new();
    let mut next = 2;
    while let Some(field) = fields.next(args)? {
        let padding = fields.padding(out.len(), &field);
        let needed = if field.kind == b'c' || field.kind == b's' { 0 } else { field.size };
        if out.len() + padding + needed > MAX_PACKED {
            return Err(raise::too_large(args.lua));
        }
        out.resize(out.len() + padding, 0);
        match field.kind {
            b'x' => out.push(0),
            b'f' => fields.put(&mut out, u64::from((number(args, next)? as f32).to_bits()), 4),
            b'd' => fields.put(&mut out, number(args, next)?.to_bits(), 8),
            b'c' | b's' => {
                let text = string(args, next)?;
                let text = text.as_bytes();
                let size = if field.size == 0 { text.len() } else { field.size };
                let Some(text) = text.get(..size) else {
                    return Err(args.bad(next + 1, "string too short"));
                };
                if out.len() + size >= MAX_PACKED {
                    return Err(raise::too_large(args.lua));
                }
                out.extend_from_slice(text);
                if field.kind == b's' {
                    out.push(0);
                }
            }
            _ if field.is_integer() => {
                fields.put(&mut out, to_unsigned(number(args, next)?), field.size);
            }
            kind => {
                fields.control(args, kind)?;
                continue;
            }
        }
        next += (field.kind != b'x') as usize;
    }
    Ok(Value::String(args.lua.create_string(&out)?))
}

fn unpack(args: &Args) -> Result<MultiValue> {
    let format = args.string(1)?;
    let format = format.as_bytes();
    let data = args.string(2)?;
    let data = data.as_bytes();
    // A negative offset is a very large one, which is behind any data.
    let mut at = match args.integer_or(3, 1)? {
        0 => return Err(args.bad(3, "offset must be 1 or greater")),
        offset => (offset as u64 - 1) as usize,
    };
    let too_short = || args.bad(2, "data string too short");
    let mut fields = Fields::new(&format);
    let mut results: Vec<Value> = Vec::new();
    while let Some(field) = fields.next(args)? {
        at = at.wrapping_add(fields.padding(at, &field));
        let behind = data.get(at..).ok_or_else(too_short)?;
        let bytes = behind.get(..field.size).ok_or_else(too_short)?;
        if args.len() + results.len() + 3 > MAX_STACK {
            return Err(raise::stack_overflow(args.lua, "too many results"));
        }
        let mut used = field.size;
        let item = match field.kind {
            b'x' => None,
            b'f' => Some(Item::Number(f32::from_bits(fields.take(bytes) as u32).into())),
            b'd' => Some(Item::Number(f64::from_bits(fields.take(bytes)))),
            b'c' if field.size == 0 => {
                let said = results.pop().and_then(|value| as_number(args.lua, &value));
                let Some(said) = said else {
                    return Err(args.error("format 'c0' needs a previous size"));
                };
                used = to_unsigned(said) as usize;
                Some(Item::Bytes(behind.get(..used).ok_or_else(too_short)?))
            }
            b'c' => Some(Item::Bytes(bytes)),
            b's' => {
                let Some(len) = memchr::memchr(0, behind) else {
                    return Err(args.error("unfinished string in data"));
                };
                used = len + 1;
                Some(Item::Bytes(&behind[..len]))
            }
            kind if field.is_integer() => {
                Some(Item::Number(fields.take_integer(bytes, kind.is_ascii_lowercase())))
            }
            kind => {
                fields.control(args, kind)?;
                None
            }
        };
        at += used;
        if let Some(item) = item {
            results.push(item.into_value(args.lua)?);
        }
    }
    results.push(Value::Number(at.wrapping_add(1) as i64 as f64));
    Ok(MultiValue::from_vec(results))
}

fn size(args: &Args) -> Result<f64> {
    let format = args.string(1)?;
    let format = format.as_bytes();
    let mut fields = Fields::new(&format);
    let mut size = 0usize;
    while let Some(field) = fields.next(args)? {
        if field.kind == b's' {
            return Err(args.bad(1, "option 's' has no fixed size"));
        }
        if field.kind == b'c' && field.size == 0 {
            return Err(args.bad(1, "option 'c0' has no fixed size"));
        }
        size = size.wrapping_add(fields.padding(size, &field)).wrapping_add(field.size);
        // Who only measures lets letters pass that mean nothing.
        if !field.kind.is_ascii_alphanumeric() {
            fields.control(args, field.kind)?;
        }
    }
    Ok(size as i64 as f64)
}

/// An argument that a field needs. Behind the last one there is a nil, as the peers have it.
fn number(args: &Args, at: usize) -> Result<f64> {
    args.as_number(at).ok_or_else(|| missing(args, at, "number"))
}

fn string(args: &Args, at: usize) -> Result<mlua::LuaString> {
    if args.get(at).is_none() { Err(missing(args, at, "string")) } else { args.string(at) }
}

fn missing(args: &Args, at: usize, wanted: &str) -> mlua::Error {
    raise::wrong_type(args.lua, at, wanted, Some(args.get(at).unwrap_or(&Value::Nil)))
}

/// A double as an integer of 64 bits, a negative one by its two's complement.
fn to_unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number >= HALF {
        // What is too large even without a sign has no bits left.
        (to_integer(number - HALF) as u64) ^ (1 << 63)
    } else {
        to_integer(number) as u64
    }
}

/// A letter of a format, and the bytes that it stands for.
struct Field {
    kind: u8,
    size: usize,
}

impl Field {
    fn is_integer(&self) -> bool {
        matches!(self.kind, b'b' | b'B' | b'h' | b'H' | b'i' | b'I' | b'l' | b'L' | b'T')
    }
}

/// The fields of a format, and how they are laid out where the walk is.
struct Fields<'a> {
    format: &'a [u8],
    is_big: bool,
    alignment: usize,
}

impl<'a> Fields<'a> {
    fn new(format: &'a [u8]) -> Self {
        // The peers read a format up to its first zero byte.
        let format = format.split(|byte| *byte == 0).next().unwrap_or_default();
        Fields { format, is_big: cfg!(target_endian = "big"), alignment: 1 }
    }

    /// The next letter; what is no field has no size.
    fn next(&mut self, args: &Args) -> Result<Option<Field>> {
        let Some((kind, rest)) = self.format.split_first() else { return Ok(None) };
        self.format = rest;
        let size = match kind {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.count(args, 1)?,
            b'i' | b'I' => self.integer_size(args)?,
            _ => 0,
        };
        Ok(Some(Field { kind: *kind, size }))
    }

    /// Carries out a letter that only changes the layout, and refuses all others.
    fn control(&mut self, args: &Args, kind: u8) -> Result<()> {
        match kind {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let alignment = self.count(args, NATIVE_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(args.error(&text));
                }
                self.alignment = alignment;
            }
            kind => {
                let kind = String::from_utf8_lossy(std::slice::from_ref(&kind)).into_owned();
                return Err(args.bad(1, &format!("invalid format option '{kind}'")));
            }
        }
        Ok(())
    }

    fn integer_size(&mut self, args: &Args) -> Result<usize> {
        let size = self.count(args, 4)?;
        if size > MAX_INTEGER {
            let text = format!("integral size {size} is larger than limit of {MAX_INTEGER}");
            return Err(args.error(&text));
        }
        Ok(size)
    }

    /// The number behind a letter.
    fn count(&mut self, args: &Args, default: usize) -> Result<usize> {
        if !self.format.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut count = 0i32;
        while let Some((digit, rest)) =
            self.format.split_first().filter(|(b, _)| b.is_ascii_digit())
        {
            let more =
                count.checked_mul(10).and_then(|ten| ten.checked_add(i32::from(digit - b'0')));
            count = more.ok_or_else(|| args.error("integral size overflow"))?;
            self.format = rest;
        }
        Ok(count as usize)
    }

    /// How many bytes lie between here and where the field may begin.
    fn padding(&self, at: usize, field: &Field) -> usize {
        if field.size == 0 || field.kind == b'c' {
            return 0;
        }
        // Sizes that are no powers of two give the odd results that the peers give.
        let size = field.size.min(self.alignment);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    /// An integer of any size, whose higher bytes are zero.
    fn put(&self, out: &mut Vec<u8>, value: u64, size: usize) {
        let start = out.len();
        out.resize(start + size, 0);
        let len = size.min(8);
        let bytes = &mut out[start..];
        bytes[..len].copy_from_slice(&value.to_le_bytes()[..len]);
        if self.is_big {
            bytes.reverse();
        }
    }

    /// The lowest 64 bits of an integer of any size.
    fn take(&self, bytes: &[u8]) -> u64 {
        let shifted = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.is_big {
            bytes.iter().fold(0, shifted)
        } else {
            bytes.iter().rev().fold(0, shifted)
        }
    }

    /// A sign is what lies above the highest bit of the size. Of sizes above eight bytes the shift uses only
    /// the lowest bits, as the processors do for which that rule was written.
    fn take_integer(&self, bytes: &[u8], is_signed: bool) -> f64 {
        let value = self.take(bytes);
        if !is_signed {
            return value as f64;
        }
        let mask = u64::MAX << ((8 * bytes.len() as u32).wrapping_sub(1) & 63);
        let value = if value & mask == 0 { value } else { value | mask };
        value as i64 as f64
    }
}
