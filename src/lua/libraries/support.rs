//! What the tests of the libraries share: an interpreter with all of them, and errors as text.

use mlua::{Error, FromLuaMulti, Lua};

/// Lua's own base library and ours.
pub fn interpreter() -> Lua {
    let lua = Lua::new();
    for (name, open) in super::LIBRARIES {
        lua.globals().raw_set(*name, open(&lua).unwrap()).unwrap();
    }
    lua
}

/// Runs a script; the text of its error if it fails.
pub fn run<T: FromLuaMulti>(lua: &Lua, script: &str) -> Result<T, String> {
    lua.load(script).set_name("@user_script").eval().map_err(|error| text(&error))
}

/// The error of a script that must fail.
pub fn fails(lua: &Lua, script: &str) -> String {
    match run::<mlua::MultiValue>(lua, script) {
        Ok(values) => panic!("{script} gave {values:?}"),
        Err(text) => text.strip_prefix("user_script:1: ").unwrap_or(&text).to_string(),
    }
}

fn text(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => text(cause),
        Error::RuntimeError(text) => text.clone(),
        other => other.to_string(),
    }
}
