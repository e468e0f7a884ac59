//! What scripts find beside Lua's own library: `cjson`, `cmsgpack`, `struct` and `bit`.
//!
//! Each is a table of Rust functions, made by its `open`. They behave as those that Redis carries in C,
//! down to the texts of errors; what they add is that every size, depth and offset is checked.

pub mod bit;
pub mod cjson;
pub mod cmsgpack;
pub mod structs;

/// Arguments of a function, checked as Lua's own library checks them.
mod args;
/// Whether a table's keys are indices.
mod indices;
/// Values on their way into a table.
mod item;
/// Errors with the texts that scripts compare.
mod raise;
/// The interpreter's memory limit, while much is made.
mod room;

#[cfg(test)]
mod support;

/// Makes the table of a library.
pub type Open = fn(&mlua::Lua) -> mlua::Result<mlua::Table>;

/// The libraries by the names that scripts have for them.
pub const LIBRARIES: &[(&str, Open)] = &[
    ("bit", bit::open),
    ("cjson", cjson::open),
    ("cmsgpack", cmsgpack::open),
    ("struct", structs::open),
];
