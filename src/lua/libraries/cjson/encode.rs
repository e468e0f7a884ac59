//! Values to JSON, written straight into one buffer.
//!
//! A table is an array if all its keys are whole numbers from one on, and an object otherwise. Gaps are
//! nulls, unless there are so many that a mistake is more likely.

use super::settings::{INVALID_AS_NULL, Settings};
use crate::base::bytes::json_escape;
use crate::base::numbers;
use crate::lua::libraries::args::Args;
use crate::lua::libraries::indices::indices;
use crate::lua::libraries::raise;
use crate::lua::libraries::room::Room;
use mlua::{Error, Result, Table, Value};
use std::sync::atomic::Ordering::Relaxed;

/// The field of a metatable that makes a table an array even if it is empty.
pub const IS_ARRAY: &str = "__is_cjson_array";

/// How deep tables may be nested whatever the setting says: each is a call of this encoder, and holds
/// references of the interpreter's.
const MAX_DEPTH: usize = 2000;

/// How deep tables are walked in a protected call each, which is quicker for the walk. Lua allows two hundred
/// of them, and the script may be in some already.
const MAX_PROTECTED: usize = 16;

/// The largest text, which is what any value may have. A table that holds another twice, and so on,
/// is short in memory and long in JSON.
const MAX_ENCODED: usize = 512 << 20;

pub fn encode(args: &Args, settings: &Settings, marker: &Table) -> Result<Value> {
    if args.len() != 1 {
        return Err(args.bad(1, "expected 1 argument"));
    }
    let _room = Room::new(args.lua)?;
    let mut encoder = Encoder {
        settings,
        marker,
        precision: settings.precision.load(Relaxed) as usize,
        max_depth: settings.encode_max_depth.load(Relaxed) as usize,
        depth: 0,
        refused: None,
        out: settings.take_buffer(),
    };
    let encoded = encoder.value(args.get(1).unwrap_or(&Value::Nil));
    let encoded = encoded.map_err(|error| match encoder.refused.take() {
        Some(text) => args.error(&text),
        None => error,
    });
    let text = encoded.and_then(|()| args.lua.create_string(&encoder.out));
    settings.keep_buffer(encoder.out);
    text.map(Value::String)
}

struct Encoder<'a> {
    settings: &'a Settings,
    marker: &'a Table,
    precision: usize,
    max_depth: usize,
    depth: usize,
    /// Why the walk was ended. The error is made outside of it, where the caller's line can be seen.
    refused: Option<String>,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::String(text) => self.text(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64),
            Value::Number(number) => self.number(*number),
            Value::Boolean(true) => self.raw(b"true"),
            Value::Boolean(false) => self.raw(b"false"),
            Value::Table(table) => self.table(table),
            Value::Nil => self.raw(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.raw(b"null"),
            other => Err(self.refused(raise::type_name(other), "type not supported")),
        }
    }

    fn table(&mut self, table: &Table) -> Result<()> {
        self.depth += 1;
        let depth = self.depth;
        if depth > self.max_depth.min(MAX_DEPTH) {
            return Err(self.end(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.array_len(table)? {
            Some(len) => self.array(table, len)?,
            None => self.object(table)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, table: &Table, len: u32) -> Result<()> {
        self.raw(b"[")?;
        let mut index = 0;
        // Up to the first gap in one go.
        for value in table.sequence_values::<Value>().take(len as usize) {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(&value?)?;
            index += 1;
        }
        for index in index + 1..=len {
            if index > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(index)?)?;
        }
        self.raw(b"]")
    }

    fn object(&mut self, table: &Table) -> Result<()> {
        self.raw(b"{")?;
        let is_protected = self.depth <= MAX_PROTECTED;
        let mut is_first = true;
        let mut pair = |key: Value, value: Value| {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            self.pair(&key, &value)
        };
        if is_protected {
            table.for_each(pair)?;
        } else {
            for found in table.pairs() {
                let (key, value) = found?;
                pair(key, value)?;
            }
        }
        self.raw(b"}")
    }

    fn pair(&mut self, key: &Value, value: &Value) -> Result<()> {
        match key {
            Value::String(key) => self.text(&key.as_bytes())?,
            Value::Integer(_) | Value::Number(_) => {
                self.out.push(b'"');
                self.value(key)?;
                self.out.push(b'"');
            }
            key => {
                let why = "table key must be a number or string";
                return Err(self.refused(raise::type_name(key), why));
            }
        }
        self.out.push(b':');
        self.value(value)
    }

    /// The length of a table that is an array.
    fn array_len(&mut self, table: &Table) -> Result<Option<u32>> {
        if self.is_marked(table) {
            return Ok(u32::try_from(table.raw_len()).ok());
        }
        let Some((max, count)) = indices(table)? else { return Ok(None) };
        let ratio = self.settings.sparse_ratio.load(Relaxed) as u32;
        let is_sparse = ratio > 0
            && u64::from(max) > u64::from(count) * u64::from(ratio)
            && max > self.settings.sparse_safe.load(Relaxed) as u32;
        if is_sparse && self.settings.sparse_convert.load(Relaxed) == 0 {
            return Err(self.refused("table", "excessively sparse array"));
        }
        Ok((max > 0 && !is_sparse).then_some(max))
    }

    fn is_marked(&self, table: &Table) -> bool {
        let Some(metatable) = table.metatable() else { return false };
        metatable == *self.marker
            || !matches!(
                metatable.raw_get(IS_ARRAY),
                Ok(Value::Nil | Value::Boolean(false)) | Err(_)
            )
    }

    fn number(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid.load(Relaxed) {
                0 => return Err(self.refused("number", "must not be NaN or Inf")),
                INVALID_AS_NULL => return self.raw(b"null"),
                _ => {}
            }
        }
        numbers::write_f64_rounded(number, self.precision, &mut self.out);
        self.check()
    }

    fn text(&mut self, text: &[u8]) -> Result<()> {
        self.out.push(b'"');
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| ESCAPED[*byte as usize]) {
            self.out.extend_from_slice(&rest[..at]);
            json_escape(rest[at], &mut self.out);
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
        self.raw(b"\"")
    }

    fn raw(&mut self, text: &[u8]) -> Result<()> {
        self.out.extend_from_slice(text);
        self.check()
    }

    fn check(&mut self) -> Result<()> {
        if self.out.len() > MAX_ENCODED { Err(self.end(raise::TOO_LARGE.into())) } else { Ok(()) }
    }

    fn refused(&mut self, what: &str, why: &str) -> Error {
        self.end(format!("Cannot serialise {what}: {why}"))
    }

    fn end(&mut self, text: String) -> Error {
        self.refused = Some(text);
        // Any error ends the walk.
        Error::BindError
    }
}

/// The bytes that do not stand for themselves in a string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'/' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped[127] = true;
    escaped
};
