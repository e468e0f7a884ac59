//! The functions of `redis`, as Lua calls them.
//!
//! `unsafe`, because only plain C functions can raise the error values that scripts are used to, tables among
//! them, with the caller's line in place, and read arguments where Lua has them.
//!
//! What it rests on:
//! - Lua leaves a C function by a long jump when an error is raised, and memory may run out in every call that
//!   pushes. So no function here holds anything that needs dropping while it calls Lua: buffers live on the
//!   desk, whose allocation the interpreter owns.
//! - The first upvalue of every function is the `Link`, which lives as long as the interpreter, and which scripts
//!   cannot reach: there is no `debug` library.
//! - Whoever resumes the script touches the desk only while the script is paused, and the script touches it only
//!   while it runs.
#![expect(unsafe_code, reason = "Lua is written in C; see above")]

use super::convert;
use super::desk::{Desk, Pause, Told};
use crate::base::{numbers, sha1};
use crate::resp::Proto;
use corosensei::Yielder;
use mlua::ffi::*;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_int};

/// What natives find behind their first upvalue.
pub(super) struct Link {
    pub desk: UnsafeCell<Desk>,
    /// The way out of the stack that the script runs on; null until that stack has begun.
    pub yielder: UnsafeCell<*const Yielder<(), Pause>>,
    /// A script runs on that stack. What a script left to the collector may run elsewhere, and then
    /// nobody is there to ask.
    pub on_stack: Cell<bool>,
    /// The state of `math.random`.
    pub dice: Cell<u64>,
    /// A function in Lua's registry that says what an error means which Rust raised.
    pub explain: Cell<c_int>,
}

impl Link {
    /// From 0 to 1, which it never is.
    pub fn throw(&self) -> f64 {
        // SplitMix64: any seed will do, and the state is one word.
        let state = self.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn seed(&self, seed: u64) {
        self.dice.set(seed);
    }

    /// Leaves the stack until somebody resumes it. Not inlined, so that nothing of the caller that belongs
    /// to a thread is remembered across it.
    #[inline(never)]
    pub fn pause(&self, pause: Pause) {
        assert!(self.on_stack.get(), "only a script can pause");
        // SAFETY: set by the stack's first function, whose frame lasts as long as the stack.
        unsafe { (**self.yielder.get()).suspend(pause) }
    }
}

/// Its functions, in the order of their names.
pub(super) const FUNCTIONS: &[(&CStr, lua_CFunction)] = &[
    (c"acl_check_cmd", acl_check_cmd),
    (c"breakpoint", breakpoint),
    (c"call", call),
    (c"debug", debug),
    (c"error_reply", error_reply),
    (c"log", log),
    (c"pcall", pcall),
    (c"replicate_commands", replicate_commands),
    (c"set_repl", set_repl),
    (c"setresp", setresp),
    (c"sha1hex", sha1hex),
    (c"status_reply", status_reply),
];

pub(super) const NUMBERS: &[(&CStr, f64)] = &[
    (c"LOG_DEBUG", 0.0),
    (c"LOG_VERBOSE", 1.0),
    (c"LOG_NOTICE", 2.0),
    (c"LOG_WARNING", 3.0),
    (c"REPL_NONE", Told::NOBODY.0 as f64),
    (c"REPL_AOF", Told::LOG.0 as f64),
    (c"REPL_SLAVE", Told::REPLICAS.0 as f64),
    (c"REPL_REPLICA", Told::REPLICAS.0 as f64),
    (c"REPL_ALL", Told::ALL.0 as f64),
];

const NO_WORDS: &[u8] = b"ERR Please specify at least one argument for this redis lib call";
const ODD_WORDS: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";

/// The link of the function that is running.
pub(super) unsafe fn link<'a>(state: *mut lua_State) -> &'a Link {
    // SAFETY: see the head of this file.
    unsafe { &*lua_touserdata(state, lua_upvalueindex(1)).cast::<Link>() }
}

pub(super) unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    unsafe {
        lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len());
    }
}

/// The string at an index of the stack; a number there becomes one. It lasts as long as it stays there.
pub(super) unsafe fn bytes_at<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    let mut len = 0;
    unsafe {
        let start = lua_tolstring(state, index, &mut len);
        (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast(), len))
    }
}

/// Pushes the table that stands for an error reply.
pub(super) unsafe fn push_error(state: *mut lua_State, message: &[u8], counted: bool) {
    unsafe {
        lua_createtable(state, 0, 1 + counted as c_int);
        push_bytes(state, message);
        lua_setfield(state, -2, c"err".as_ptr());
        if counted {
            lua_pushboolean(state, 1);
            lua_setfield(state, -2, c"ignore_error_stats_update".as_ptr());
        }
    }
}

unsafe fn raise(state: *mut lua_State, message: &[u8]) -> c_int {
    unsafe {
        push_error(state, message, false);
        lua_error(state)
    }
}

unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    unsafe { command(state, true) }
}

unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    unsafe { command(state, false) }
}

unsafe fn command(state: *mut lua_State, raises: bool) -> c_int {
    unsafe {
        let link = link(state);
        if let Err(refusal) = take_words(state, link) {
            push_error(state, refusal, false);
        } else {
            // What was asked with may have filled the stack.
            lua_settop(state, 0);
            link.pause(Pause::Call);
            let reply = &(*link.desk.get()).reply.bytes;
            if reply.first() != Some(&b'-') {
                convert::push_reply(state, reply);
                return 1;
            }
            push_error(state, convert::line(&reply[1..]), true);
        }
        if raises { lua_error(state) } else { 1 }
    }
}

/// Puts the arguments on the desk.
unsafe fn take_words(state: *mut lua_State, link: &Link) -> Result<(), &'static [u8]> {
    unsafe {
        let line = &mut (*link.desk.get()).line;
        line.clear();
        if !link.on_stack.get() {
            return Err(b"ERR Only a script that runs can call commands");
        }
        let count = lua_gettop(state);
        if count == 0 {
            return Err(NO_WORDS);
        }
        for index in 1..=count {
            match lua_type(state, index) {
                LUA_TSTRING => {
                    let Some(word) = bytes_at(state, index) else { return Err(ODD_WORDS) };
                    line.push(word);
                }
                LUA_TNUMBER => {
                    let number = lua_tonumber(state, index);
                    match numbers::whole(number) {
                        Some(whole) => line.push(itoa::Buffer::new().format(whole).as_bytes()),
                        None => line.push_with(|text| numbers::write_f64(number, text)),
                    }
                }
                _ => return Err(ODD_WORDS),
            }
        }
        Ok(())
    }
}

unsafe extern "C-unwind" fn acl_check_cmd(state: *mut lua_State) -> c_int {
    unsafe {
        let link = link(state);
        if let Err(refusal) = take_words(state, link) {
            return raise(state, refusal);
        }
        link.pause(Pause::Check);
        match (*link.desk.get()).verdict {
            Some(allowed) => lua_pushboolean(state, allowed as c_int),
            None => {
                return raise(state, b"ERR Invalid command passed to redis.acl_check_cmd()");
            }
        }
        1
    }
}

/// There is no debugger that could stop here.
unsafe extern "C-unwind" fn breakpoint(state: *mut lua_State) -> c_int {
    unsafe { lua_pushboolean(state, 0) };
    1
}

/// There is no debugger that could show it.
unsafe extern "C-unwind" fn debug(_: *mut lua_State) -> c_int {
    0
}

unsafe extern "C-unwind" fn error_reply(state: *mut lua_State) -> c_int {
    unsafe {
        let Some(text) = only_string(state) else { return 1 };
        let text = text.strip_prefix(b"-").unwrap_or(text);
        lua_createtable(state, 0, 1);
        if text.contains(&b' ') {
            push_bytes(state, text);
        } else {
            lua_pushstring_(state, c"ERR ".as_ptr());
            push_bytes(state, text);
            lua_concat(state, 2);
        }
        lua_setfield(state, -2, c"err".as_ptr());
        1
    }
}

unsafe extern "C-unwind" fn status_reply(state: *mut lua_State) -> c_int {
    unsafe {
        let Some(text) = only_string(state) else { return 1 };
        lua_createtable(state, 0, 1);
        push_bytes(state, text);
        lua_setfield(state, -2, c"ok".as_ptr());
        1
    }
}

/// The one argument, if that is what it is; else an error is pushed, to be returned.
unsafe fn only_string<'a>(state: *mut lua_State) -> Option<&'a [u8]> {
    unsafe {
        if lua_gettop(state) != 1 || lua_type(state, 1) != LUA_TSTRING {
            push_error(state, b"ERR wrong number or type of arguments", false);
            return None;
        }
        bytes_at(state, 1)
    }
}

unsafe extern "C-unwind" fn log(state: *mut lua_State) -> c_int {
    unsafe {
        let count = lua_gettop(state);
        if count < 2 {
            return raise(state, b"ERR redis.log() requires two arguments or more.");
        }
        if lua_isnumber(state, 1) == 0 {
            return raise(state, b"ERR First argument must be a number (log level).");
        }
        if !link(state).on_stack.get() {
            return 0;
        }
        let level = lua_tonumber(state, 1);
        if !(0.0..4.0).contains(&level) {
            return raise(state, b"ERR Invalid log level.");
        }
        let link = link(state);
        let desk = link.desk.get();
        (*desk).level = level as u8;
        (*desk).line.clear();
        for index in 2..=count {
            // What is neither a string nor a number is passed over.
            if let Some(word) = bytes_at(state, index) {
                (*desk).line.push(word);
            }
        }
        link.pause(Pause::Log);
        0
    }
}

/// Effects are always told one by one; scripts that ask for it are glad to hear so.
unsafe extern "C-unwind" fn replicate_commands(state: *mut lua_State) -> c_int {
    unsafe { lua_pushboolean(state, 1) };
    1
}

unsafe extern "C-unwind" fn set_repl(state: *mut lua_State) -> c_int {
    unsafe {
        if lua_gettop(state) != 1 {
            return raise(state, b"ERR redis.set_repl() requires one argument.");
        }
        let wanted = lua_tonumber(state, 1);
        if !(0.0..4.0).contains(&wanted) {
            return raise(
                state,
                b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            );
        }
        (*link(state).desk.get()).told = Told(wanted as u8);
        0
    }
}

unsafe extern "C-unwind" fn setresp(state: *mut lua_State) -> c_int {
    unsafe {
        if lua_gettop(state) != 1 {
            return raise(state, b"ERR redis.setresp() requires one argument.");
        }
        let proto = match lua_tonumber(state, 1) {
            2.0 => Proto::Resp2,
            3.0 => Proto::Resp3,
            _ => return raise(state, b"ERR RESP version must be 2 or 3."),
        };
        (*link(state).desk.get()).reply.proto = proto;
        0
    }
}

unsafe extern "C-unwind" fn sha1hex(state: *mut lua_State) -> c_int {
    unsafe {
        if lua_gettop(state) != 1 {
            return raise(state, b"ERR wrong number of arguments");
        }
        let digest = sha1::hex(bytes_at(state, 1).unwrap_or_default());
        push_bytes(state, &digest);
        1
    }
}
