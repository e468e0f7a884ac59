//! What a script finds, and that it can change none of it.
//!
//! Lua 5.1 has no read-only tables. So what a script gets of a library is a *front*: an empty table that
//! reads from the table behind it and refuses to be written. All scripts share the same fronts, the one of
//! `_G` included, so no script sees what another one did. Where Lua's own functions go past metatables,
//! `guards.rs` stands in their place.
#![expect(unsafe_code, reason = "as in natives.rs")]

use super::natives::{self, Link};
use super::register::{self, Register};
use super::vm::{Facts, Purpose};
use super::{guards, libraries, vm};
use mlua::ffi::*;
use mlua::{Error, Function, LightUserData, Lua, MultiValue, Result, Table, Value};
use std::ffi::{CStr, c_int};

/// Of Lua's own names in `_G` those that scripts see; `guards.rs` has the others.
const BASE: &[&str] = &[
    "_VERSION", "assert", "error", "ipairs", "rawequal", "select", "tonumber", "tostring", "type",
];

/// Names that only `lua-enable-insecure-api` gives: they change what functions of others see.
const INSECURE: &[&str] = &["getfenv", "newproxy", "setfenv"];

/// The libraries of Lua's own, and what scripts see of them.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("coroutine", &["create", "resume", "running", "status", "wrap", "yield"]),
    ("math", MATH),
    ("os", &["clock"]),
    (
        "string",
        &[
            "byte", "char", "dump", "find", "format", "gfind", "gmatch", "gsub", "len", "lower",
            "match", "rep", "reverse", "sub", "upper",
        ],
    ),
    (
        "table",
        &["concat", "foreach", "foreachi", "getn", "insert", "maxn", "remove", "setn", "sort"],
    ),
];

const MATH: &[&str] = &[
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod",
    "frexp", "huge", "ldexp", "log", "log10", "max", "min", "mod", "modf", "pi", "pow", "rad",
    "sin", "sinh", "sqrt", "tan", "tanh",
];

/// The names of `redis` that only scripts see.
const ONLY_SCRIPTS: &[&str] = &["breakpoint", "debug", "replicate_commands"];

/// What may be behind `_G`.
pub(super) struct Worlds {
    /// What scripts and functions see; KEYS and ARGV are put here.
    pub running: Table,
    /// What a library of functions sees while it is loaded.
    pub loading: Table,
    pub register: Register,
    /// The metatable of `_G`, which says which of the two it is.
    rules: Table,
}

impl Worlds {
    /// Has `_G` show one of them.
    pub fn show(&self, world: &Table) {
        // The field is there, so nothing is allocated that could fail.
        let _ = self.rules.raw_set("__index", world);
    }
}

/// Makes the sandbox the world of `lua`.
pub(super) fn build(
    lua: &Lua,
    link: *const Link,
    purpose: Purpose,
    facts: &Facts,
) -> Result<Worlds> {
    let protected = lua.create_table()?;
    let builder = Builder { lua, link, purpose, protected, own: lua.globals() };
    let running = builder.build(facts)?;
    let register = Register::default();
    let loading = builder.loading(facts, &register)?;
    let rules = lua.globals().metatable().unwrap_or(lua.create_table()?);
    Ok(Worlds { running, loading, register, rules })
}

struct Builder<'a> {
    lua: &'a Lua,
    link: *const Link,
    purpose: Purpose,
    /// The fronts, and what is behind each.
    protected: Table,
    /// Lua's own globals.
    own: Table,
}

impl Builder<'_> {
    fn build(&self, facts: &Facts) -> Result<Table> {
        let globals = self.lua.create_table()?;
        for name in BASE {
            globals.raw_set(*name, self.own.raw_get::<Value>(*name)?)?;
        }
        for name in INSECURE.iter().filter(|_| facts.insecure) {
            globals.raw_set(*name, self.own.raw_get::<Value>(*name)?)?;
        }
        for (library, names) in LIBRARIES {
            let behind = self.library(library, names)?;
            if *library == "string" {
                self.index_strings(&behind)?;
            }
            globals.raw_set(*library, self.front(behind)?)?;
        }
        for (library, open) in libraries::LIBRARIES {
            globals.raw_set(*library, self.front(open(self.lua)?)?)?;
        }
        // Scripts get to see this one too.
        let (marker, behind) = libraries::cjson::marker(self.lua)?;
        self.protected.raw_set(marker, behind)?;
        let redis = self.front(self.redis(facts)?)?;
        globals.raw_set("redis", &redis)?;
        globals.raw_set("server", redis)?;
        let handler = self.function(vm::error_handler, &[])?;
        globals.raw_set("__redis__err__handler", &handler)?;
        globals.raw_set("__server__err__handler", handler)?;

        let unknown = self.function(guards::refuse_unknown, &[])?;
        let strict = self.lua.create_table_from([("__index", unknown)])?;
        globals.set_metatable(Some(strict.clone()))?;
        let front = self.front(globals.clone())?;
        globals.raw_set("_G", &front)?;
        self.guards(&globals, &front, strict)?;
        self.lua.set_globals(front)?;
        Ok(globals)
    }

    /// A function of `guards.rs` or `natives.rs`, with what it finds behind the link.
    fn function(&self, function: lua_CFunction, more: &[Value]) -> Result<Function> {
        let mut upvalues = MultiValue::new();
        upvalues.push_back(Value::LightUserData(LightUserData(self.link.cast_mut().cast())));
        upvalues.push_back(Value::Table(self.protected.clone()));
        upvalues.extend(more.iter().cloned());
        let count = upvalues.len() as c_int;
        // SAFETY: the upvalues are on the stack, and the functions that are handed in here expect just these.
        unsafe { self.lua.exec_raw(upvalues, |state| lua_pushcclosure(state, function, count)) }
    }

    /// A front, through which a script can read what is behind it.
    fn front(&self, behind: Table) -> Result<Table> {
        let front = self.lua.create_table()?;
        let rules = self.lua.create_table()?;
        rules.raw_set("__index", &behind)?;
        rules.raw_set("__newindex", self.function(guards::refuse_change, &[])?)?;
        front.set_metatable(Some(rules))?;
        self.protected.raw_set(&front, behind)?;
        Ok(front)
    }

    fn library(&self, library: &str, names: &[&str]) -> Result<Table> {
        let own: Table = self.own.raw_get(library)?;
        let behind = self.lua.create_table()?;
        for name in names {
            behind.raw_set(*name, own.raw_get::<Value>(*name)?)?;
        }
        for (_, name, around) in guards::AROUND.iter().filter(|(of, ..)| is(of, library)) {
            let name = text(name);
            let inner: Value = own.raw_get(name)?;
            behind.raw_set(name, self.function(*around, &[inner])?)?;
        }
        if library == "table" {
            behind.raw_set("insert", self.function(guards::INSERT, &[])?)?;
        }
        if library == "math" {
            for (name, function) in guards::DICE {
                behind.raw_set(text(name), self.function(*function, &[])?)?;
            }
        }
        Ok(behind)
    }

    fn redis(&self, facts: &Facts) -> Result<Table> {
        let redis = self.lua.create_table()?;
        for (name, function) in natives::FUNCTIONS {
            if self.purpose == Purpose::Scripts || !ONLY_SCRIPTS.contains(&text(name)) {
                redis.raw_set(text(name), self.function(*function, &[])?)?;
            }
        }
        for (name, number) in natives::NUMBERS {
            redis.raw_set(text(name), *number)?;
        }
        redis.raw_set("REDIS_VERSION", facts.version)?;
        redis.raw_set("REDIS_VERSION_NUM", facts.version_number())?;
        redis.raw_set("SERVER_NAME", facts.server_name)?;
        Ok(redis)
    }

    /// Nothing but a few fields of `redis`; any other name is refused.
    fn loading(&self, facts: &Facts, register: &Register) -> Result<Table> {
        let unknown = self.function(guards::refuse_unknown, &[])?;
        let strict = self.lua.create_table_from([("__index", unknown)])?;
        let world = self.lua.create_table()?;
        let all = self.redis(facts)?;
        for api in ["redis", "server"] {
            let some = self.lua.create_table()?;
            for pair in all.pairs::<String, Value>() {
                let (name, value) = pair?;
                let is_shown = ["LOG_", "REDIS_", "SERVER_"].iter().any(|it| name.starts_with(it));
                if is_shown || name == "log" {
                    some.raw_set(name, value)?;
                }
            }
            let function = register::function(self.lua, api, register.clone())?;
            some.raw_set("register_function", function)?;
            some.set_metatable(Some(strict.clone()))?;
            world.raw_set(api, self.front(some)?)?;
        }
        world.set_metatable(Some(strict))?;
        Ok(world)
    }

    fn guards(&self, globals: &Table, front: &Table, strict: Table) -> Result<()> {
        // The metatables that scripts may look at, by what they belong to; that of strings is the first.
        let shown = self.lua.create_table()?;
        let strings: Value = globals.raw_get("string")?;
        shown.raw_set(1, self.front(self.lua.create_table_from([("__index", strings)])?)?)?;
        shown.raw_set(front, self.front(strict)?)?;
        let concat = self.own.raw_get::<Table>("table")?.raw_get::<Value>("concat")?;
        let next: Value = self.own.raw_get("next")?;
        for (name, function) in guards::BASE {
            let own_next = self.function(guards::NEXT, &[])?;
            let more: &[Value] = match text(name) {
                "getmetatable" => &[Value::Table(shown.clone())],
                "load" => std::slice::from_ref(&concat),
                "pairs" => &[next.clone(), Value::Function(own_next)],
                _ => &[],
            };
            globals.raw_set(text(name), self.function(*function, more)?)?;
        }
        Ok(())
    }

    /// Lets methods of strings be found without a front in between.
    fn index_strings(&self, behind: &Table) -> Result<()> {
        // SAFETY: the table is on the stack; strings have had a metatable since their library was opened.
        unsafe {
            self.lua.exec_raw::<()>(behind, |state| {
                lua_pushstring_(state, c"".as_ptr());
                if lua_getmetatable(state, -1) != 0 {
                    lua_pushvalue(state, 1);
                    lua_setfield(state, -2, c"__index".as_ptr());
                }
                lua_settop(state, 0);
            })
        }
    }
}

/// What an error that Rust raised says, without what was put around it on its way.
pub(super) fn explain(error: &Value) -> String {
    fn inner(error: &Error) -> String {
        match error {
            Error::CallbackError { cause, .. } => inner(cause),
            Error::BadArgument { cause, .. } => inner(cause),
            Error::WithContext { cause, .. } => inner(cause),
            Error::RuntimeError(text) => text.clone(),
            Error::MemoryError(_) => "not enough memory".into(),
            other => other.to_string(),
        }
    }
    match error {
        Value::Error(error) => inner(error),
        other => other.to_string().unwrap_or_default(),
    }
}

fn text(name: &CStr) -> &str {
    name.to_str().expect("names are ASCII")
}

fn is(name: &CStr, other: &str) -> bool {
    name.to_bytes() == other.as_bytes()
}
