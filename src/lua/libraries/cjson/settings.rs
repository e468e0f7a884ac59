//! The settings of `cjson`, and the functions that change them.
//!
//! Each function answers what is in force; with an argument it changes that first.

use crate::lua::libraries::args::Args;
use mlua::{IntoLua, MultiValue, Result, Value};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// A function that changes settings.
pub type Change = fn(&Settings, &Args) -> Result<MultiValue>;

/// The functions by name.
pub const CHANGES: &[(&str, Change)] = &[
    ("encode_sparse_array", sparse_array),
    ("encode_max_depth", |own, args| one_number(args, &own.encode_max_depth, 1, i32::MAX)),
    ("decode_max_depth", |own, args| one_number(args, &own.decode_max_depth, 1, i32::MAX)),
    ("encode_number_precision", |own, args| one_number(args, &own.precision, 1, 14)),
    ("encode_keep_buffer", |own, args| one_choice(args, &own.keep_buffer, SWITCH)),
    ("encode_invalid_numbers", |own, args| one_choice(args, &own.encode_invalid, INVALID)),
    ("decode_invalid_numbers", |own, args| one_choice(args, &own.decode_invalid, SWITCH)),
    ("decode_array_with_array_mt", |own, args| one_choice(args, &own.mark_arrays, SWITCH)),
];

/// A choice is kept as its place in these lists; the first two are also said as false and true.
const SWITCH: &[&str] = &["off", "on"];
const INVALID: &[&str] = &["off", "on", "null"];

/// What of `encode_invalid_numbers` writes them as null.
pub const INVALID_AS_NULL: i32 = 2;

/// The largest buffer that is kept from one call to the next.
const MAX_KEPT: usize = 64 << 10;

/// Numbers without locks, so that the tables may move between threads with their interpreter.
pub struct Settings {
    pub sparse_convert: AtomicI32,
    pub sparse_ratio: AtomicI32,
    pub sparse_safe: AtomicI32,
    pub encode_max_depth: AtomicI32,
    pub decode_max_depth: AtomicI32,
    pub precision: AtomicI32,
    pub encode_invalid: AtomicI32,
    pub decode_invalid: AtomicI32,
    pub mark_arrays: AtomicI32,
    keep_buffer: AtomicI32,
    buffer: Mutex<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: AtomicI32::new(0),
            sparse_ratio: AtomicI32::new(2),
            sparse_safe: AtomicI32::new(10),
            encode_max_depth: AtomicI32::new(1000),
            decode_max_depth: AtomicI32::new(1000),
            precision: AtomicI32::new(14),
            encode_invalid: AtomicI32::new(0),
            decode_invalid: AtomicI32::new(1),
            mark_arrays: AtomicI32::new(0),
            keep_buffer: AtomicI32::new(1),
            buffer: Mutex::default(),
        }
    }
}

impl Settings {
    /// An empty buffer, the one of the last call if that was kept.
    pub fn take_buffer(&self) -> Vec<u8> {
        self.buffer.try_lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    /// Keeps a buffer for the next call, unless it has grown too large for that.
    pub fn keep_buffer(&self, mut buffer: Vec<u8>) {
        if self.keep_buffer.load(Relaxed) != 0 && buffer.capacity() <= MAX_KEPT {
            buffer.clear();
            if let Ok(mut kept) = self.buffer.try_lock() {
                *kept = buffer;
            }
        }
    }
}

fn sparse_array(own: &Settings, args: &Args) -> Result<MultiValue> {
    at_most(args, 3)?;
    let values = [
        choice(args, 1, &own.sparse_convert, SWITCH)?,
        number(args, 2, &own.sparse_ratio, 0, i32::MAX)?,
        number(args, 3, &own.sparse_safe, 0, i32::MAX)?,
    ];
    Ok(values.into_iter().collect())
}

fn one_number(args: &Args, setting: &AtomicI32, low: i32, high: i32) -> Result<MultiValue> {
    at_most(args, 1)?;
    Ok([number(args, 1, setting, low, high)?].into_iter().collect())
}

fn one_choice(args: &Args, setting: &AtomicI32, choices: &[&str]) -> Result<MultiValue> {
    at_most(args, 1)?;
    Ok([choice(args, 1, setting, choices)?].into_iter().collect())
}

fn at_most(args: &Args, count: usize) -> Result<()> {
    if args.len() > count {
        return Err(args.bad(count + 1, "found too many arguments"));
    }
    Ok(())
}

fn number(args: &Args, at: usize, setting: &AtomicI32, low: i32, high: i32) -> Result<Value> {
    if !args.is_nil(at) {
        // As in C, only the lowest 32 bits are looked at.
        let value = args.integer(at)? as i32;
        if value < low || value > high {
            // The first argument gets the blame, whichever it was.
            return Err(args.bad(1, &format!("expected integer between {low} and {high}")));
        }
        setting.store(value, Relaxed);
    }
    Ok(Value::Integer(setting.load(Relaxed).into()))
}

fn choice(args: &Args, at: usize, setting: &AtomicI32, choices: &[&str]) -> Result<Value> {
    match args.get(at) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(value)) => setting.store(*value as i32, Relaxed),
        Some(_) => {
            let word = args.string(at)?;
            let word = word.as_bytes();
            let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
            let Some(place) = choices.iter().position(|choice| choice.as_bytes() == word) else {
                let word = String::from_utf8_lossy(word);
                return Err(args.bad(at, &format!("invalid option '{word}'")));
            };
            setting.store(place as i32, Relaxed);
        }
    }
    match setting.load(Relaxed) {
        value @ (0 | 1) => Ok(Value::Boolean(value == 1)),
        value => choices[value as usize].into_lua(args.lua),
    }
}
