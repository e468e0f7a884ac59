//! Values on their way into a table.
//!
//! A decoder knows strings as bytes of its input. Putting them into a table straight from there saves a
//! reference of Lua's to each; the crate has such a way for valid UTF-8 only, so that is asked first.

use mlua::{Lua, Result, Table, Value};

/// A value that lies in the decoder's input, or is a table.
#[derive(Clone)]
pub enum Item<'a> {
    Nil,
    /// What stands for JSON's null.
    Null,
    Boolean(bool),
    Number(f64),
    Bytes(&'a [u8]),
    Table(Table),
}

impl Item<'_> {
    pub fn into_value(self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Item::Nil => Value::Nil,
            Item::Null => Value::NULL,
            Item::Boolean(value) => Value::Boolean(value),
            Item::Number(value) => Value::Number(value),
            Item::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
            Item::Table(table) => Value::Table(table),
        })
    }
}

/// Sets a field.
pub fn set(lua: &Lua, table: &Table, key: &Item, value: &Item) -> Result<()> {
    match key {
        Item::Number(key) => set_at(lua, table, *key, value),
        Item::Bytes(key) => match std::str::from_utf8(key) {
            Ok(key) => set_at(lua, table, key, value),
            Err(_) => set_at(lua, table, lua.create_string(key)?, value),
        },
        key => set_at(lua, table, key.clone().into_value(lua)?, value),
    }
}

fn set_at(lua: &Lua, table: &Table, key: impl mlua::IntoLua, value: &Item) -> Result<()> {
    match value {
        Item::Nil => table.raw_set(key, Value::Nil),
        Item::Null => table.raw_set(key, Value::NULL),
        Item::Boolean(value) => table.raw_set(key, *value),
        Item::Number(value) => table.raw_set(key, *value),
        Item::Table(value) => table.raw_set(key, value),
        Item::Bytes(value) => match std::str::from_utf8(value) {
            Ok(value) => table.raw_set(key, value),
            Err(_) => table.raw_set(key, lua.create_string(value)?),
        },
    }
}
