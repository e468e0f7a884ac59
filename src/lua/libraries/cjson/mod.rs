//! `cjson`: JSON as values of Lua and back.
//!
//! The settings belong to the table, live as long as it does, and are shared by all scripts that see it;
//! `new` makes another table with settings of its own.

mod decode;
mod encode;
mod number;
mod settings;
mod token;

#[cfg(test)]
mod tests;

use self::settings::Settings;
use super::args::Args;
use mlua::{Lua, MultiValue, Result, Table, Value};
use std::sync::Arc;

/// The table of this library.
pub fn open(lua: &Lua) -> Result<Table> {
    open_with(lua, &marker(lua)?.0)
}

fn open_with(lua: &Lua, marker: &Table) -> Result<Table> {
    let table = lua.create_table()?;
    let settings = Arc::new(Settings::default());

    let (own, mark) = (settings.clone(), marker.clone());
    let encode = lua
        .create_function(move |lua, values| encode::encode(&Args::new(lua, values), &own, &mark))?;
    table.raw_set("encode", encode)?;
    let (own, mark) = (settings.clone(), marker.clone());
    let decode = lua
        .create_function(move |lua, values| decode::decode(&Args::new(lua, values), &own, &mark))?;
    table.raw_set("decode", decode)?;
    for (name, change) in settings::CHANGES {
        let own = settings.clone();
        let call = move |lua: &Lua, values: MultiValue| change(&own, &Args::new(lua, values));
        table.raw_set(*name, lua.create_function(call)?)?;
    }
    let mark = marker.clone();
    table.raw_set("new", lua.create_function(move |lua, _: MultiValue| open_with(lua, &mark))?)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

/// The metatable by which a decoded array is known as one, if the settings ask for it; and what is behind it.
///
/// Scripts share it, so what it says lies behind it, where assignments do not reach.
pub fn marker(lua: &Lua) -> Result<(Table, Table)> {
    const NAME: &str = "cjson array";
    if let Some(kept) = lua.named_registry_value::<Option<Table>>(NAME)? {
        return Ok((kept.raw_get(1)?, kept.raw_get(2)?));
    }
    let behind = lua.create_table()?;
    behind.raw_set(encode::IS_ARRAY, true)?;
    let refuse = lua.create_function(|lua, _: MultiValue| {
        Err::<(), _>(super::raise::error(lua, "Attempt to modify a readonly table"))
    })?;
    let guard = lua.create_table()?;
    guard.raw_set("__index", &behind)?;
    guard.raw_set("__newindex", refuse)?;
    guard.raw_set("__metatable", false)?;
    let marker = lua.create_table()?;
    marker.set_metatable(Some(guard))?;
    lua.set_named_registry_value(NAME, vec![marker.clone(), behind.clone()])?;
    Ok((marker, behind))
}
