//! Arguments of a function, checked as Lua's own library checks them: numbers do for strings and strings
//! that read as numbers do for numbers.

use super::raise;
use mlua::{Lua, LuaString, MultiValue, Result, Value};

pub struct Args<'a> {
    pub lua: &'a Lua,
    values: MultiValue,
}

impl<'a> Args<'a> {
    pub fn new(lua: &'a Lua, values: MultiValue) -> Self {
        Args { lua, values }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument of this number; the first has number one.
    pub fn get(&self, number: usize) -> Option<&Value> {
        self.values.get(number.checked_sub(1)?)
    }

    /// Whether the argument is left out, or nil.
    pub fn is_nil(&self, number: usize) -> bool {
        matches!(self.get(number), None | Some(Value::Nil))
    }

    pub fn string(&self, number: usize) -> Result<LuaString> {
        match self.get(number) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Integer(_) | Value::Number(_))) => self
                .lua
                .coerce_string(value.clone())?
                .ok_or_else(|| raise::wrong_type(self.lua, number, "string", Some(value))),
            found => Err(raise::wrong_type(self.lua, number, "string", found)),
        }
    }

    pub fn number(&self, number: usize) -> Result<f64> {
        self.as_number(number)
            .ok_or_else(|| raise::wrong_type(self.lua, number, "number", self.get(number)))
    }

    /// The argument as a number, if it is or reads as one.
    pub fn as_number(&self, number: usize) -> Option<f64> {
        as_number(self.lua, self.get(number)?)
    }

    pub fn integer(&self, number: usize) -> Result<i64> {
        Ok(to_integer(self.number(number)?))
    }

    pub fn integer_or(&self, number: usize, default: i64) -> Result<i64> {
        if self.is_nil(number) { Ok(default) } else { self.integer(number) }
    }

    pub fn bad(&self, number: usize, why: &str) -> mlua::Error {
        raise::bad_argument(self.lua, number, why)
    }

    pub fn error(&self, text: &str) -> mlua::Error {
        raise::error(self.lua, text)
    }
}

/// A value as a number, if it is or reads as one.
pub fn as_number(lua: &Lua, value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(_) => lua.coerce_number(value.clone()).ok().flatten(),
        _ => None,
    }
}

/// A double without its fraction. What no integer can be becomes the smallest one, as the processors do
/// on which those libraries grew up, so that limits which are compared with it refuse it.
pub fn to_integer(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}
