//! MessagePack to values.
//!
//! A table is put into the one around it when it begins and filled then, so depth is a list on the heap.
//! How much fits on Lua's stack in the peers bounds what is unpacked here: results, and two for each
//! table around a value. Nothing is made in advance from a length that the input claims.

use crate::lua::libraries::args::Args;
use crate::lua::libraries::item::{self, Item};
use crate::lua::libraries::raise;
use crate::lua::libraries::room::Room;
use mlua::{LuaString, MultiValue, Result, Table, Value};

/// What Lua's stack has room for.
const MAX_STACK: usize = 8000;

/// How many results the interpreter can hand over, with what it needs for that.
const MAX_RESULTS: usize = MAX_STACK - 2;

const TOO_MANY: &str = "too many return values at once; use unpack_one or unpack_limit instead.";
const TOO_DEEP: &str = "in function mp_decode_to_lua_array";

/// All values of a text.
pub fn unpack(args: &Args) -> Result<MultiValue> {
    let text = args.string(1)?;
    unpack_from(args, text, args.len(), 0, 0)
}

/// One value, and in front of it the offset of the next.
pub fn unpack_one(args: &Args) -> Result<MultiValue> {
    let offset = args.integer_or(2, 0)?;
    unpack_from(args, args.string(1)?, 1, 1, offset)
}

/// So many values, and in front of them the offset of the next.
pub fn unpack_limit(args: &Args) -> Result<MultiValue> {
    let limit = args.integer(2)?;
    let offset = args.integer_or(3, 0)?;
    unpack_from(args, args.string(1)?, 1, limit, offset)
}

/// No limit from the beginning on means all, and then nobody wants to know where it ends.
fn unpack_from(
    args: &Args,
    text: LuaString,
    stack: usize,
    limit: i64,
    offset: i64,
) -> Result<MultiValue> {
    let text = text.as_bytes();
    let len = text.len();
    // Errors tell the lowest 32 bits.
    let said = offset as i32;
    let (Ok(start), Ok(limit)) = (usize::try_from(offset), usize::try_from(limit)) else {
        let text = format!("Invalid request to unpack with offset of {said} and limit of {len}.");
        return Err(args.error(&text));
    };
    let Some(rest) = text.get(start..) else {
        let text = format!("Start offset {said} greater than input length {len}.");
        return Err(args.error(&text));
    };
    let is_all = limit == 0 && start == 0;
    let limit = if is_all { i32::MAX as usize } else { limit };
    let mut unpacker = Unpacker { args, room: Room::new(args.lua)?, rest, stack, open: Vec::new() };
    let mut results = Vec::new();
    while !unpacker.rest.is_empty() && results.len() < limit {
        if unpacker.stack >= MAX_RESULTS {
            return Err(raise::stack_overflow(args.lua, TOO_MANY));
        }
        results.push(unpacker.value()?);
        unpacker.stack += 1;
    }
    if !is_all {
        let left = unpacker.rest.len();
        let next = if left == 0 { -1 } else { (len - left) as i64 };
        results.insert(0, Value::Integer(next));
    }
    Ok(MultiValue::from_vec(results))
}

struct Unpacker<'a> {
    args: &'a Args<'a>,
    room: Room<'a>,
    rest: &'a [u8],
    /// What lies on Lua's stack in the peers.
    stack: usize,
    open: Vec<Open<'a>>,
}

/// A table that is being filled.
struct Open<'a> {
    table: Table,
    /// Values that are still to come, or pairs.
    left: u32,
    place: Place<'a>,
}

/// Where in the table the next value belongs.
enum Place<'a> {
    Index(u32),
    /// It is a key.
    Key,
    Under(Item<'a>),
}

/// What the input has next: a value, or a table of so many.
enum Next<'a> {
    Item(Item<'a>),
    Array(u32),
    Map(u32),
}

impl<'a> Unpacker<'a> {
    fn value(&mut self) -> Result<Value> {
        loop {
            let found = self.next()?;
            let complete = match found {
                Next::Item(item) => Some(item),
                Next::Array(len) => self.begin(len, Place::Index(1))?,
                Next::Map(len) => self.begin(len, Place::Key)?,
            };
            if let Some(item) = complete
                && let Some(root) = self.complete(item)?
            {
                return root.into_value(self.args.lua);
            }
        }
    }

    /// Begins a table; the table, if it is empty and so complete.
    fn begin(&mut self, left: u32, place: Place<'a>) -> Result<Option<Item<'a>>> {
        let is_array = matches!(place, Place::Index(_));
        let table = self.args.lua.create_table()?;
        if is_array && self.stack + 2 * self.open.len() + 2 > MAX_STACK {
            return Err(raise::stack_overflow(self.args.lua, TOO_DEEP));
        }
        if left == 0 {
            return Ok(Some(Item::Table(table)));
        }
        if let Some(outer) = self.open.last_mut() {
            match &outer.place {
                Place::Index(index) => outer.table.raw_set(*index, &table)?,
                // That a key is unusable is told only when what stands under it is complete.
                Place::Under(key) if unusable(key).is_none() => {
                    item::set(self.args.lua, &outer.table, key, &Item::Table(table.clone()))?;
                }
                Place::Key | Place::Under(_) => {}
            }
        }
        self.open.push(Open { table, left, place });
        Ok(None)
    }

    /// Puts a complete value where it belongs, and so on with the tables that it completes.
    /// The outermost value is given back.
    fn complete(&mut self, item: Item<'a>) -> Result<Option<Item<'a>>> {
        let mut item = item;
        let mut is_placed = false;
        while let Some(innermost) = self.open.last_mut() {
            match std::mem::replace(&mut innermost.place, Place::Key) {
                Place::Index(index) => {
                    if !is_placed {
                        let key = Item::Number(index.into());
                        item::set(self.args.lua, &innermost.table, &key, &item)?;
                    }
                    innermost.place = Place::Index(index.wrapping_add(1));
                }
                Place::Key => {
                    innermost.place = Place::Under(item);
                    return Ok(None);
                }
                Place::Under(key) => {
                    if let Some(why) = unusable(&key) {
                        return Err(mlua::Error::RuntimeError(why.into()));
                    }
                    if !is_placed {
                        item::set(self.args.lua, &innermost.table, &key, &item)?;
                    }
                }
            }
            innermost.left -= 1;
            if innermost.left > 0 {
                return Ok(None);
            }
            let Some(closed) = self.open.pop() else { break };
            // A table that had something in it was put into the one around it when it began.
            is_placed = true;
            item = Item::Table(closed.table);
        }
        Ok(Some(item))
    }

    fn next(&mut self) -> Result<Next<'a>> {
        if self.stack + 2 * self.open.len() + 1 > MAX_STACK {
            return Err(raise::stack_overflow(self.args.lua, TOO_MANY));
        }
        let head = self.take(1)?[0];
        self.room.take(0)?;
        Ok(match head {
            0..=0x7f => Next::Item(Item::Number(head.into())),
            0x80..=0x8f => Next::Map(u32::from(head & 15)),
            0x90..=0x9f => Next::Array(u32::from(head & 15)),
            0xa0..=0xbf => self.bytes(u32::from(head & 31))?,
            0xc0 => Next::Item(Item::Nil),
            0xc2 => Next::Item(Item::Boolean(false)),
            0xc3 => Next::Item(Item::Boolean(true)),
            0xca => {
                let bits = self.unsigned(4)? as u32;
                Next::Item(Item::Number(f32::from_bits(bits).into()))
            }
            0xcb => Next::Item(Item::Number(f64::from_bits(self.unsigned(8)?))),
            0xcc..=0xcf => {
                // The longest form has a sign in the peers, though the format says that it has none.
                let number = self.unsigned(1 << (head - 0xcc))? as i64;
                Next::Item(Item::Number(number as f64))
            }
            0xd0..=0xd3 => {
                let size = 1 << (head - 0xd0);
                let unused = 64 - 8 * size as u32;
                let number = (self.unsigned(size)? << unused) as i64 >> unused;
                Next::Item(Item::Number(number as f64))
            }
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (head - 0xd9))? as u32;
                self.bytes(len)?
            }
            0xdc | 0xdd => Next::Array(self.unsigned(2 << (head - 0xdc))? as u32),
            0xde | 0xdf => Next::Map(self.unsigned(2 << (head - 0xde))? as u32),
            0xe0.. => Next::Item(Item::Number((head as i8).into())),
            _ => return Err(self.args.error("Bad data format in input.")),
        })
    }

    fn bytes(&mut self, len: u32) -> Result<Next<'a>> {
        let bytes = self.take(len as usize)?;
        self.room.take(bytes.len())?;
        Ok(Next::Item(Item::Bytes(bytes)))
    }

    fn unsigned(&mut self, size: usize) -> Result<u64> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.args.error("Missing bytes in input."));
        };
        self.rest = rest;
        Ok(taken)
    }
}

/// Why a value can be no key.
fn unusable(key: &Item) -> Option<&'static str> {
    match key {
        Item::Nil => Some("table index is nil"),
        Item::Number(number) if number.is_nan() => Some("table index is NaN"),
        _ => None,
    }
}
