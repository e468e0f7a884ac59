//! Errors with the texts that scripts compare: where it happened, which argument, what was wrong.
//!
//! Lua's C interface puts the caller's source and line before a text, and takes the name that a bad
//! argument's function goes by from the call itself. Both are asked for only once something is wrong.

use mlua::{Error, Lua, Value};

/// An error of the running function, told with the line that called it.
pub fn error(lua: &Lua, text: &str) -> Error {
    let place = lua.inspect_stack(1, |caller| {
        let line = caller.current_line().filter(|line| *line > 0)?;
        Some(format!("{}:{line}: ", caller.source().short_src.unwrap_or_default()))
    });
    Error::RuntimeError(format!("{}{text}", place.flatten().unwrap_or_default()))
}

/// An argument is not what the function needs; the first has number one.
pub fn bad_argument(lua: &Lua, number: usize, why: &str) -> Error {
    let called = lua.inspect_stack(0, |function| {
        let names = function.names();
        (names.name.map(|name| name.into_owned()), names.name_what == Some("method"))
    });
    let (name, is_method) = called.unwrap_or_default();
    let name = name.unwrap_or_else(|| String::from("?"));
    // Behind a colon the object itself is an argument that nobody wrote.
    match number.checked_sub(is_method as usize) {
        Some(0) if is_method => error(lua, &format!("calling '{name}' on bad self ({why})")),
        Some(number) => error(lua, &format!("bad argument #{number} to '{name}' ({why})")),
        None => error(lua, &format!("bad argument #-1 to '{name}' ({why})")),
    }
}

/// An argument has the wrong type.
pub fn wrong_type(lua: &Lua, number: usize, wanted: &str, found: Option<&Value>) -> Error {
    let found = found.map_or("no value", type_name);
    bad_argument(lua, number, &format!("{wanted} expected, got {found}"))
}

/// Lua's stack has no room for what would be put there.
pub fn stack_overflow(lua: &Lua, why: &str) -> Error {
    error(lua, &format!("stack overflow ({why})"))
}

/// The result would be larger than any value may be.
pub fn too_large(lua: &Lua) -> Error {
    error(lua, TOO_LARGE)
}

pub const TOO_LARGE: &str = "not enough memory";

/// The name of a value's type as Lua's `type` says it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}
