//! What the targets of the libraries for scripts share: an interpreter that stays from input to input.

use mlua::{Error, FromLuaMulti, Function, IntoLuaMulti, Lua};
use russet::lua::libraries::LIBRARIES;
use std::cell::OnceCell;

/// More than the largest input can become, unless something goes wrong.
const MEMORY_MAX: usize = 256 << 20;

/// Calls the function that a script gives, which is run once.
pub fn call<T: FromLuaMulti>(script: &str, args: impl IntoLuaMulti) -> Result<T, String> {
    thread_local! {
        static FUNCTION: OnceCell<(Lua, Function)> = const { OnceCell::new() };
    }
    FUNCTION.with(|kept| {
        let (_, function) = kept.get_or_init(|| {
            let lua = Lua::new();
            for (name, open) in LIBRARIES {
                lua.globals().raw_set(*name, open(&lua).unwrap()).unwrap();
            }
            lua.set_memory_limit(MEMORY_MAX).unwrap();
            let function = lua.load(script).eval().unwrap();
            (lua, function)
        });
        function.call(args).map_err(|error| text(&error))
    })
}

fn text(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => text(cause),
        Error::RuntimeError(text) => text.clone(),
        // Whatever else the interpreter may say, a script would make nothing of.
        other => panic!("{other}"),
    }
}
