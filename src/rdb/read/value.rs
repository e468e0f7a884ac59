//! A value of any type, by the number that says in which form it is.

use super::error::{Error, Kind};
use super::hash::{self, Deadlines};
use super::input::Input;
use super::templates::Templates;
use super::{Family, Scratch, Shapes, kind, list, module, set, stream, zset};
use crate::data::Collection;
use crate::data::value::Value;
use std::io::Read;

/// What stood where a value was to be read.
pub enum Found {
    Value(Value),
    /// A collection without elements, which is no value.
    Empty,
    /// Something that Russet has no type for: what it is.
    Foreign(String),
}

/// What is the same for all values of a dump.
pub struct Context<'a> {
    pub shapes: &'a Shapes,
    pub family: Family,
    /// Fields that hashes of the dump share; a single value cannot share any.
    pub templates: Option<&'a Templates>,
}

/// Is there such a form in a family's dumps, whether it can be read or not?
pub fn is_known(code: u8, family: Family) -> bool {
    let last = match family {
        Family::Redis => kind::HASH_TEMPLATE_ARRAY_REF,
        Family::Valkey => kind::VALKEY_HASH_2,
    };
    code <= last && code != UNUSED
}

/// The one number that no form ever had.
const UNUSED: u8 = 8;

pub fn value<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    code: u8,
    cx: &Context,
) -> Result<Found, Error> {
    let found = value_of(input, scratch, code, cx);
    found.map_err(|mut error| {
        if error.kind == Kind::Flawed
            && let Some(form) = packed(code)
        {
            error.what = format!("{form} integrity check failed: {}", error.what);
        }
        error
    })
}

/// What is said to be broken, if a value in this form is.
pub fn packed(code: u8) -> Option<&'static str> {
    Some(match code {
        kind::LIST_ZIPLIST => "List ziplist",
        kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => "Quicklist",
        kind::SET_INTSET => "Intset",
        kind::SET_LISTPACK => "Set listpack",
        kind::ZSET_ZIPLIST => "Zset ziplist",
        kind::ZSET_LISTPACK => "Zset listpack",
        kind::HASH_ZIPMAP => "Zipmap",
        kind::HASH_ZIPLIST => "Hash ziplist",
        kind::HASH_LISTPACK => "Hash listpack",
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            "Stream listpack"
        }
        _ => return None,
    })
}

fn value_of<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    code: u8,
    cx: &Context,
) -> Result<Found, Error> {
    let Shapes { list: lists, set: sets, zset: zsets, hash: hashes, stream: streams } = cx.shapes;
    let is_valkey = cx.family == Family::Valkey;
    let value = match code {
        kind::STRING => Value::Text(input.string()?),
        kind::LIST => Value::List(list::plain(input, scratch, lists)?),
        kind::LIST_ZIPLIST => Value::List(list::ziplist(input, scratch, lists)?),
        kind::LIST_QUICKLIST => Value::List(list::ziplists(input, scratch, lists)?),
        kind::LIST_QUICKLIST_2 => Value::List(list::listpacks(input, scratch, lists)?),
        kind::SET => Value::Set(set::plain(input, scratch, sets)?),
        kind::SET_INTSET => Value::Set(set::intset(input, scratch, sets)?),
        kind::SET_LISTPACK => Value::Set(set::packed(input, scratch, sets)?),
        kind::ZSET => Value::ZSet(zset::plain(input, scratch, false, *zsets)?),
        kind::ZSET_2 => Value::ZSet(zset::plain(input, scratch, true, *zsets)?),
        kind::ZSET_ZIPLIST => Value::ZSet(zset::ziplist(input, scratch, *zsets)?),
        kind::ZSET_LISTPACK => Value::ZSet(zset::packed(input, scratch, *zsets)?),
        kind::HASH => Value::Hash(hash::plain(input, scratch, Deadlines::None, *hashes)?),
        kind::HASH_ZIPMAP => Value::Hash(hash::zipmap(input, scratch, *hashes)?),
        kind::HASH_ZIPLIST => Value::Hash(hash::ziplist(input, scratch, *hashes)?),
        kind::HASH_LISTPACK => Value::Hash(hash::packed(input, scratch, false, false, *hashes)?),
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            Value::Stream(Box::new(stream::stream(input, scratch, code, streams)?))
        }
        kind::MODULE_PRE_GA => {
            return Err(input.error(Kind::Unknown, "Pre-release module format not supported"));
        }
        kind::MODULE_2 => {
            let name = module::name(input.len()?);
            module::skip(input)?;
            return Ok(Found::Foreign(format!("a value of the module type {name}")));
        }

        // From here on the families differ.
        kind::VALKEY_HASH_2 if is_valkey => {
            Value::Hash(hash::plain(input, scratch, Deadlines::Behind, *hashes)?)
        }
        _ if is_valkey => return Err(unknown(input, code)),
        kind::HASH_METADATA_PRE_GA => {
            Value::Hash(hash::plain(input, scratch, Deadlines::Absolute, *hashes)?)
        }
        kind::HASH_METADATA => {
            Value::Hash(hash::plain(input, scratch, Deadlines::Relative, *hashes)?)
        }
        kind::HASH_LISTPACK_EX_PRE_GA => {
            Value::Hash(hash::packed(input, scratch, true, false, *hashes)?)
        }
        kind::HASH_LISTPACK_EX => Value::Hash(hash::packed(input, scratch, true, true, *hashes)?),
        kind::STREAM_LISTPACKS_4 | kind::STREAM_LISTPACKS_5 => {
            Value::Stream(Box::new(stream::stream(input, scratch, code, streams)?))
        }
        kind::ARRAY => {
            skip_array(input)?;
            return Ok(Found::Foreign("an array".to_owned()));
        }
        kind::HASH_TEMPLATE_LISTPACK
        | kind::HASH_TEMPLATE_LISTPACK_REF
        | kind::HASH_TEMPLATE_ARRAY
        | kind::HASH_TEMPLATE_ARRAY_REF => {
            Value::Hash(super::templates::hash(input, scratch, code, cx.templates, *hashes)?)
        }
        _ => return Err(unknown(input, code)),
    };
    let is_empty = match &value {
        Value::List(list) => list.is_empty(),
        Value::Set(set) => set.is_empty(),
        Value::ZSet(set) => set.is_empty(),
        Value::Hash(hash) => hash.is_empty(),
        Value::Text(_) | Value::Stream(_) => false,
    };
    Ok(if is_empty { Found::Empty } else { Found::Value(value) })
}

fn unknown<R: Read>(input: &Input<R>, code: u8) -> Error {
    input.error(Kind::Unknown, format!("Unknown RDB encoding type {code}"))
}

/// Redis 8.8: elements with their places, each a string or eight bytes of a number.
fn skip_array<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    const NUMBERS: std::ops::RangeInclusive<u64> = 1..=2;
    let mut passed = Vec::new();
    let count = input.len()?;
    match input.len()? {
        0 => (),
        1 => _ = input.len()?,
        _ => return Err(input.corrupt("an array in a form that there is not")),
    }
    for _ in 0..count {
        input.len()?;
        match input.len()? {
            number if NUMBERS.contains(&number) => input.skip(8)?,
            0 | 3 => input.string_into(&mut passed)?,
            _ => return Err(input.corrupt("an element of an array in a form that there is not")),
        }
    }
    Ok(())
}
