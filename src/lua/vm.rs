//! An interpreter: it compiles, and runs one script at a time on a stack of its own.
//!
//! `unsafe`, because that stack, and all that Lua keeps, moves between threads with whoever owns the interpreter.
//! What it rests on, beside what `natives.rs` says:
//! - Everything that belongs to an interpreter is in `Vm`: the state of Lua, the handles to it, the stack and the
//!   link. mlua counts its handles without atomics and keeps nothing by thread; so they may move together, and do.
//! - What is on the stack while a script is paused is Lua's, and frames of this module and of libraries in
//!   `src/lua`, which hold nothing that belongs to a thread.
//! - The stack is never unwound from outside. A script that is to end is resumed, and raises an error wherever it
//!   is, until it is out; one that is paused when the interpreter is dropped is left behind with all it holds.
//! - Lua never unwinds into Rust: each job runs in a protected call.
#![expect(unsafe_code, reason = "see above")]

use super::desk::{Desk, Failure, Pause, Told};
use super::natives::{self, Link, bytes_at};
use super::register::Registered;
use super::sandbox::Worlds;
use super::{convert, guards, sandbox};
use crate::resp::Proto;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use mlua::ffi::*;
use mlua::{Function, Lua, LuaOptions, LuaString, StdLib, Value};
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// So many instructions run between two ticks: some hundred microseconds, unless single ones take long.
const TICK: c_int = 10_000;

/// Address space of the stack. Lua nests C functions 200 deep, and the greediest of them, `gsub`, takes 9 KiB each
/// time; the converters nest as deep as Lua's stack lets them, 8000 levels of some hundred bytes. Only what is
/// used takes memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// More memory than any script has business with; the peers have no bound, so one script can end them.
const MEMORY_MAX: usize = 1024 * 1024 * 1024;

/// A compiled chunk, kept until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program(c_int);

/// How a chunk is handed its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// As the global names KEYS and ARGV.
    Global,
    /// As two arguments.
    Arguments,
    /// Not at all; nor is there an answer.
    None,
}

/// What an interpreter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Scripts,
    Functions,
}

/// What scripts are told of the server.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Three numbers.
    pub version: &'static str,
    pub server_name: &'static str,
    /// Do they get what could reach into other scripts?
    pub insecure: bool,
}

impl Facts {
    /// The version as one number, a byte for each of its parts.
    pub fn version_number(&self) -> u32 {
        self.version.split('.').fold(0, |sum, part| sum << 8 | part.parse::<u32>().unwrap_or(0))
    }
}

pub struct Vm {
    stack: ManuallyDrop<Coroutine<(), Pause, ()>>,
    lua: ManuallyDrop<Lua>,
    worlds: Worlds,
    link: NonNull<Link>,
    job: NonNull<Job>,
    running: bool,
    memory_max: usize,
}

// SAFETY: see the head of this file.
unsafe impl Send for Vm {}

/// What the stack is to do next.
struct Job {
    link: *const Link,
    program: Cell<Program>,
    words: Cell<Words>,
    over: Cell<bool>,
    /// The table behind `_G`.
    globals: Cell<c_int>,
    handler: Cell<c_int>,
}

/// Where the hook, which has no upvalues, finds the link: its address is the key.
static LINK_KEY: u8 = 0;

impl Vm {
    /// `seed` is that of `math.random`.
    pub fn new(purpose: Purpose, facts: &Facts, seed: u64) -> mlua::Result<Vm> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let link = NonNull::from(Box::leak(Box::new(Link {
            desk: UnsafeCell::new(Desk::default()),
            yielder: UnsafeCell::new(std::ptr::null()),
            on_stack: Cell::new(false),
            dice: Cell::new(seed),
            explain: Cell::new(LUA_REFNIL),
        })));
        let job = NonNull::from(Box::leak(Box::new(Job {
            link: link.as_ptr(),
            program: Cell::new(Program(LUA_REFNIL)),
            words: Cell::new(Words::Global),
            over: Cell::new(false),
            globals: Cell::new(LUA_REFNIL),
            handler: Cell::new(LUA_REFNIL),
        })));
        let worlds = sandbox::build(&lua, link.as_ptr(), purpose, facts)?;
        let globals = worlds.running.clone();
        let mut state = std::ptr::null_mut();
        // SAFETY: only values that are on the stack are taken from it; job and link live as long as the state.
        unsafe {
            let explain = lua.create_function(|_, error: Value| Ok(sandbox::explain(&error)))?;
            lua.exec_raw::<()>((globals, explain), |inner| {
                link.as_ref().explain.set(luaL_ref(inner, LUA_REGISTRYINDEX));
                lua_getfield_(inner, 1, c"__redis__err__handler".as_ptr());
                job.as_ref().handler.set(luaL_ref(inner, LUA_REGISTRYINDEX));
                job.as_ref().globals.set(luaL_ref(inner, LUA_REGISTRYINDEX));
                lua_pushlightuserdata(inner, (&raw const LINK_KEY).cast_mut().cast());
                lua_pushlightuserdata(inner, link.as_ptr().cast());
                lua_rawset(inner, LUA_REGISTRYINDEX);
                lua_sethook(inner, Some(hook), LUA_MASKCOUNT, TICK);
                state = inner;
            })?;
        }
        let stack = DefaultStack::new(STACK_BYTES).map_err(mlua::Error::external)?;
        let address = (state, job);
        let stack = Coroutine::with_stack(stack, move |yielder, ()| {
            let (state, job) = address;
            // SAFETY: the job and the link outlive the stack; the state is that of this interpreter.
            unsafe {
                let job = job.as_ref();
                *(*job.link).yielder.get() = yielder;
                while !job.over.get() {
                    yielder.suspend(Pause::Over);
                    if !job.over.get() {
                        run(state, job);
                    }
                }
            }
        });
        let mut vm = Vm {
            stack: ManuallyDrop::new(stack),
            lua: ManuallyDrop::new(lua),
            worlds,
            link,
            job,
            running: false,
            memory_max: MEMORY_MAX,
        };
        vm.bound_memory(MEMORY_MAX)?;
        vm.resume();
        Ok(vm)
    }

    pub fn desk(&mut self) -> &mut Desk {
        // SAFETY: the script is paused, or there is none.
        unsafe { &mut *self.link.as_ref().desk.get() }
    }

    fn job(&self) -> &Job {
        // SAFETY: it lives as long as the interpreter, and only its cells change.
        unsafe { self.job.as_ref() }
    }

    /// Compiles a chunk; `name` is what error texts call it, with Lua's mark in front. The error is the
    /// parser's message.
    pub fn compile(&mut self, name: &str, text: &[u8]) -> Result<Program, Vec<u8>> {
        assert!(!self.running, "a script is running");
        // Larger than any string that Lua could hold, and than the parser can count.
        if text.len() > MEMORY_MAX {
            return Err(b"chunk is too long".into());
        }
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the chunk is on top of the stack, or the message; one value takes its place.
        let compiled = unsafe {
            self.lua.exec_raw::<(Option<c_int>, Option<LuaString>)>((), |state| {
                if guards::compile(state, text, name.as_ptr()) == 0 {
                    let program = luaL_ref(state, LUA_REGISTRYINDEX);
                    lua_pushinteger(state, program as lua_Integer);
                } else {
                    lua_pushnil(state);
                    lua_insert(state, -2);
                }
            })
        };
        match compiled {
            Ok((Some(program), _)) => Ok(Program(program)),
            Ok((None, message)) => Err(message.map_or(Vec::new(), |text| text.as_bytes().to_vec())),
            Err(error) => Err(error.to_string().into_bytes()),
        }
    }

    pub fn forget(&mut self, program: Program) {
        assert!(!self.running, "a script is running");
        // SAFETY: the reference was made by `compile`; giving it back allocates nothing that could fail.
        let _ = unsafe {
            self.lua.exec_raw::<()>((), |state| luaL_unref(state, LUA_REGISTRYINDEX, program.0))
        };
    }

    /// Begins to run a library of functions, which finds little more than a way to register them.
    pub fn start_loading(&mut self, program: Program) -> Pause {
        self.worlds.register.replace(Some(Vec::new()));
        self.worlds.show(&self.worlds.loading);
        self.start(program, Words::None)
    }

    /// What a library has registered; it has ended, one way or the other.
    pub fn end_loading(&mut self) -> Vec<Registered> {
        self.worlds.show(&self.worlds.running);
        self.worlds.register.take().unwrap_or_default()
    }

    /// Begins to run a program with what lies on the desk: `words`, `keys` and an empty `answer`.
    pub fn start(&mut self, program: Program, words: Words) -> Pause {
        assert!(!self.running, "a script is running");
        let desk = self.desk();
        desk.reply.proto = Proto::Resp2;
        desk.told = Told::ALL;
        if desk.kill.take().is_some() {
            self.hook_every(TICK);
        }
        self.job().program.set(program);
        self.job().words.set(words);
        self.running = true;
        self.resume()
    }

    /// Goes on with a script that paused.
    #[inline]
    pub fn resume(&mut self) -> Pause {
        match self.stack.resume(()) {
            CoroutineResult::Yield(pause) => {
                self.running = pause != Pause::Over;
                // Lua fails where memory runs out even if it need only look for garbage, so that must not be
                // left to the script that comes next.
                if pause == Pause::Over && self.memory() > self.memory_max / 2 {
                    let _ = self.lua.gc_collect();
                }
                pause
            }
            CoroutineResult::Return(()) => Pause::Over,
        }
    }

    /// Lua gets so many bytes at the most.
    pub fn bound_memory(&mut self, bytes: usize) -> mlua::Result<()> {
        self.memory_max = bytes;
        self.lua.set_memory_limit(bytes).map(drop)
    }

    /// A script has begun and is not over.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Bytes that Lua has allocated.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    fn hook_every(&mut self, count: c_int) {
        // SAFETY: nothing runs.
        let _ = unsafe {
            self.lua.exec_raw::<()>((), |state| {
                lua_sethook(state, Some(hook), LUA_MASKCOUNT, count);
            })
        };
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if self.running {
            return;
        }
        self.job().over.set(true);
        self.resume();
        // SAFETY: the stack has returned, so nothing uses the others any more; each is dropped once. The
        // handles in the link's desk are none of Lua's.
        unsafe {
            ManuallyDrop::drop(&mut self.stack);
            ManuallyDrop::drop(&mut self.lua);
            drop(Box::from_raw(self.job.as_ptr()));
            drop(Box::from_raw(self.link.as_ptr()));
        }
    }
}

/// Keeps a function as a program, which is to be forgotten.
pub(super) fn keep(lua: &Lua, function: &Function) -> mlua::Result<Program> {
    // SAFETY: the function is on top of the stack, and a number takes its place.
    let program = unsafe {
        lua.exec_raw::<c_int>(function, |state| {
            let program = luaL_ref(state, LUA_REGISTRYINDEX);
            lua_pushinteger(state, program as lua_Integer);
        })
    };
    program.map(Program)
}

/// Runs the job in a protected call.
unsafe fn run(state: *mut lua_State, job: &Job) {
    unsafe {
        (*job.link).on_stack.set(true);
        let status = lua_cpcall(state, work, std::ptr::from_ref(job).cast_mut().cast::<c_void>());
        (*job.link).on_stack.set(false);
        if status != 0 {
            // Memory ran out before or after the script itself.
            (*(*job.link).desk.get()).outcome = Err(failure(state));
        }
        lua_settop(state, 0);
    }
}

unsafe extern "C-unwind" fn work(state: *mut lua_State) -> c_int {
    unsafe {
        let job = &*lua_touserdata(state, 1).cast::<Job>();
        let desk = (*job.link).desk.get();
        lua_rawgeti_(state, LUA_REGISTRYINDEX, job.handler.get());
        lua_rawgeti_(state, LUA_REGISTRYINDEX, job.program.get().0);
        let handed = match job.words.get() {
            Words::None => 0,
            Words::Arguments => {
                push_words(state, &*desk);
                2
            }
            Words::Global => {
                lua_rawgeti_(state, LUA_REGISTRYINDEX, job.globals.get());
                push_words(state, &*desk);
                lua_pushstring_(state, c"ARGV".as_ptr());
                lua_insert(state, -2);
                lua_rawset(state, -4);
                lua_pushstring_(state, c"KEYS".as_ptr());
                lua_insert(state, -2);
                lua_rawset(state, -3);
                lua_pop(state, 1);
                0
            }
        };
        if lua_pcall(state, handed, 1, 2) == 0 {
            if job.words.get() != Words::None {
                convert::write_value(state, (*desk).reply.proto, &mut (*desk).answer);
            }
            (*desk).outcome = Ok(());
        } else {
            (*desk).outcome = Err(failure(state));
        }
        0
    }
}

/// Pushes two tables: the keys, and the other words.
unsafe fn push_words(state: *mut lua_State, desk: &Desk) {
    unsafe {
        let words = desk.words.args();
        let keys = desk.keys.min(words.len());
        for words in [words.head(keys), words.tail(keys)] {
            lua_createtable(state, words.len() as c_int, 0);
            for (index, word) in (1..).zip(words.iter()) {
                natives::push_bytes(state, word);
                lua_rawseti_(state, -2, index);
            }
        }
    }
}

/// What the error on top of the stack says.
unsafe fn failure(state: *mut lua_State) -> Failure {
    unsafe {
        if lua_type(state, -1) != LUA_TTABLE {
            let text = bytes_at(state, -1).unwrap_or(b"unknown error");
            return Failure { message: [b"ERR ", text].concat(), ..Failure::default() };
        }
        // All of it is fetched before anything is made that needs dropping.
        let message = field(state, 1, c"err").unwrap_or(b"ERR unknown error");
        let source = field(state, 2, c"source");
        field(state, 3, c"line");
        let line = lua_tonumber(state, -1) as i64;
        field(state, 4, c"ignore_error_stats_update");
        let counted = lua_toboolean(state, -1) != 0;
        Failure {
            message: message.into(),
            source: source.map(|source| (source.into(), line)),
            counted,
        }
    }
}

/// Pushes a field of the table that is so deep in the stack, and says what string it is.
unsafe fn field<'a>(state: *mut lua_State, depth: c_int, name: &CStr) -> Option<&'a [u8]> {
    unsafe {
        lua_pushstring_(state, name.as_ptr());
        lua_rawget_(state, -1 - depth);
        bytes_at(state, -1)
    }
}

/// Is handed what was raised, where it was raised: makes it a table that says where.
pub(super) unsafe extern "C-unwind" fn error_handler(state: *mut lua_State) -> c_int {
    unsafe {
        lua_settop(state, 1);
        guards::translate(state);
        if lua_type(state, 1) != LUA_TTABLE {
            lua_createtable(state, 0, 3);
            lua_pushstring_(state, c"ERR ".as_ptr());
            match lua_type(state, 1) {
                LUA_TNIL => lua_pushstring_(state, c"nil".as_ptr()),
                LUA_TBOOLEAN if lua_toboolean(state, 1) != 0 => {
                    lua_pushstring_(state, c"true".as_ptr());
                }
                LUA_TBOOLEAN => lua_pushstring_(state, c"false".as_ptr()),
                LUA_TSTRING | LUA_TNUMBER => lua_pushvalue(state, 1),
                other => lua_pushstring_(state, lua_typename(state, other)),
            }
            lua_concat(state, 2);
            lua_setfield(state, -2, c"err".as_ptr());
            lua_replace(state, 1);
        }
        let mut place: lua_Debug = std::mem::zeroed();
        if lua_getstack(state, 1, &mut place) != 0 {
            lua_getinfo(state, c"Sl".as_ptr(), &mut place);
            // What the script called has no lines; it is the script's that count.
            if *place.what == b'C' as i8 && lua_getstack(state, 2, &mut place) != 0 {
                lua_getinfo(state, c"Sl".as_ptr(), &mut place);
            }
            lua_pushstring_(state, c"source".as_ptr());
            lua_pushstring_(state, place.source);
            lua_rawset(state, 1);
            lua_pushstring_(state, c"line".as_ptr());
            lua_pushnumber(state, place.currentline.into());
            lua_rawset(state, 1);
        }
        1
    }
}

/// Looks up from the work now and then.
unsafe extern "C-unwind" fn hook(state: *mut lua_State, _: *mut lua_Debug) {
    unsafe {
        lua_pushlightuserdata(state, (&raw const LINK_KEY).cast_mut().cast());
        lua_rawget_(state, LUA_REGISTRYINDEX);
        let link = lua_touserdata(state, -1).cast::<Link>();
        lua_pop(state, 1);
        let Some(link) = link.as_ref() else { return };
        if !link.on_stack.get() {
            return;
        }
        if (*link.desk.get()).kill.is_none() {
            link.pause(Pause::Tick);
        }
        if let Some(reason) = (*link.desk.get()).kill {
            // From here on at every instruction, whatever catches it.
            lua_sethook(state, Some(hook), LUA_MASKCOUNT, 1);
            natives::push_error(state, reason.as_bytes(), false);
            lua_error(state);
        }
    }
}
