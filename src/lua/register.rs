//! `redis.register_function`, by which a library of functions says what it offers while it is loaded.

use super::vm::{self, Program};
use mlua::{Error, Function, Lua, MultiValue, Result, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// A function that a library offers.
#[derive(Debug)]
pub struct Registered {
    pub name: String,
    pub program: Program,
    pub description: Option<Vec<u8>>,
    pub flags: Vec<Vec<u8>>,
}

/// What has been registered; none while no library is being loaded.
pub(super) type Register = Rc<RefCell<Option<Vec<Registered>>>>;

/// The flags that a function may have.
pub const FLAGS: [&str; 5] =
    ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

const BAD_NAME: &str = "names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Makes the function; `api` is the table that it is a field of, by which its errors call it.
pub(super) fn function(lua: &Lua, api: &'static str, register: Register) -> Result<Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let mut register = register.borrow_mut();
        let Some(functions) = register.as_mut() else {
            return fail(format!(
                "{api}.register_function can only be called on FUNCTION LOAD command"
            ));
        };
        let wanted = match args.len() {
            1 => named(api, &args[0])?,
            2 => positional(api, &args[0], &args[1])?,
            _ => return fail(format!("wrong number of arguments to {api}.register_function")),
        };
        let Some(name) = valid_name(&wanted.name) else {
            // The peers name what is wrong differently.
            let what = if api == "redis" { "Library" } else { "Function" };
            return fail(format!("{what} {BAD_NAME}"));
        };
        if functions.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
            return fail("Function already exists in the library".into());
        }
        functions.push(Registered {
            name: name.into(),
            program: vm::keep(lua, &wanted.callback)?,
            description: wanted.description,
            flags: wanted.flags,
        });
        Ok(())
    })
}

/// A name of a library or a function, if it is one.
pub fn valid_name(name: &[u8]) -> Option<&str> {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if name.is_empty() || !name.iter().all(is_valid) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

struct Wanted {
    name: Vec<u8>,
    callback: Function,
    description: Option<Vec<u8>>,
    flags: Vec<Vec<u8>>,
}

fn positional(api: &str, name: &Value, callback: &Value) -> Result<Wanted> {
    let Some(name) = string(name) else {
        return fail(format!("first argument to {api}.register_function must be a string"));
    };
    let Value::Function(callback) = callback else {
        return fail(format!("second argument to {api}.register_function must be a function"));
    };
    Ok(Wanted { name, callback: callback.clone(), description: None, flags: Vec::new() })
}

fn named(api: &str, args: &Value) -> Result<Wanted> {
    let Value::Table(args) = args else {
        return fail(format!(
            "calling {api}.register_function with a single argument is only applicable to Lua table \
             (representing named arguments)."
        ));
    };
    let (mut name, mut callback, mut description, mut flags) = (None, None, None, Vec::new());
    let must = |what: &str, kind: &str| {
        format!("{what} argument given to {api}.register_function must be a {kind}")
    };
    for pair in args.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = string(&key) else {
            return fail(format!(
                "named argument key given to {api}.register_function is not a string"
            ));
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match string(&value) {
                Some(text) => name = Some(text),
                None => return fail(must("function_name", "string")),
            },
            b"description" => match string(&value) {
                Some(text) => description = Some(text),
                None => return fail(must("description", "string")),
            },
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => return fail(must("callback", "function")),
            },
            b"flags" => match value {
                Value::Table(table) => flags = flags_of(&table)?,
                _ => {
                    return fail(format!(
                        "flags argument to {api}.register_function must be a table representing \
                         function flags"
                    ));
                }
            },
            _ => return fail(format!("unknown argument given to {api}.register_function")),
        }
    }
    let Some(name) = name else {
        return fail(format!("{api}.register_function must get a function name argument"));
    };
    let Some(callback) = callback else {
        return fail(format!("{api}.register_function must get a callback argument"));
    };
    Ok(Wanted { name, callback, description, flags })
}

fn flags_of(table: &Table) -> Result<Vec<Vec<u8>>> {
    let mut flags: Vec<Vec<u8>> = Vec::new();
    for flag in table.sequence_values::<Value>() {
        match string(&flag?) {
            Some(flag) if FLAGS.iter().any(|known| known.as_bytes() == flag) => {
                if !flags.contains(&flag) {
                    flags.push(flag);
                }
            }
            _ => return fail("unknown flag given".into()),
        }
    }
    Ok(flags)
}

/// Numbers do for strings.
fn string(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => value.to_string().ok().map(String::into_bytes),
        _ => None,
    }
}

fn fail<T>(text: String) -> Result<T> {
    Err(Error::RuntimeError(text))
}
