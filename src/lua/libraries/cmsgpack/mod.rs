//! `cmsgpack`: values as MessagePack and back.

mod pack;
mod unpack;

#[cfg(test)]
mod tests;

use super::args::Args;
use mlua::{Lua, MultiValue, Result, Table};

/// The table of this library.
pub fn open(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &str, function: fn(&Args) -> Result<MultiValue>| {
        let call = move |lua: &Lua, values: MultiValue| function(&Args::new(lua, values));
        table.raw_set(name, lua.create_function(call)?)
    };
    add("pack", pack::pack)?;
    add("unpack", unpack::unpack)?;
    add("unpack_one", unpack::unpack_one)?;
    add("unpack_limit", unpack::unpack_limit)?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}
