//! Functions of Lua's own library that are not safe as they are, or not as Redis has them.
//!
//! - `load` and `loadstring` take text only, since byte code is trusted blindly, and the collector rests while they
//!   compile: the parser does not hold on to all it has made (CVE-2025-49844).
//! - `unpack` computes with integers that cannot overflow (CVE-2025-46817).
//! - `rawset`, `setmetatable` and `table.insert` refuse what the sandbox protects, and `next`, `pairs`,
//!   `rawget` and `getmetatable` see through it.
//! - `pcall`, `xpcall` and `coroutine.resume` cannot keep a script from being killed.
//! - errors of functions that are written in Rust reach a script as text.
//! - `string.rep` of nothing ends at once, however often.
//!
//! `unsafe`, as `natives.rs` says on top. The functions that need it find the table of what is protected as their
//! second upvalue: a front is the key, what is behind it the value.
#![expect(unsafe_code, reason = "as in natives.rs")]

use super::natives::{bytes_at, link, push_bytes};
use mlua::ffi::*;
use std::ffi::{CStr, c_int};

/// Those of `_G`.
pub(super) const BASE: &[(&CStr, lua_CFunction)] = &[
    (c"collectgarbage", collectgarbage),
    (c"gcinfo", gcinfo),
    (c"getmetatable", getmetatable),
    (c"load", load),
    (c"loadstring", loadstring),
    (c"next", next),
    (c"pairs", pairs),
    (c"pcall", pcall),
    (c"rawget", rawget),
    (c"rawset", rawset),
    (c"setmetatable", setmetatable),
    (c"unpack", unpack),
    (c"xpcall", xpcall),
];

/// Functions that call Lua's own, which they find as their third upvalue, and do something besides.
pub(super) const AROUND: &[(&CStr, &CStr, lua_CFunction)] =
    &[(c"coroutine", c"resume", resume), (c"string", c"rep", rep)];

/// After so many steps of one function it is time to look up from the work.
const LONG: i32 = 64 * 1024;

/// How many values a function can return at the most; Lua's own bound on its stack.
const RESULTS_MAX: i64 = 8000;

pub(super) const NEXT: lua_CFunction = next;
pub(super) const INSERT: lua_CFunction = insert;

pub(super) const READ_ONLY: &CStr = c"Attempt to modify a readonly table";

/// Pushes what is behind the front at an index, if it is one.
unsafe fn behind(state: *mut lua_State, index: c_int) -> bool {
    unsafe {
        lua_pushvalue(state, index);
        lua_rawget_(state, lua_upvalueindex(2));
        let found = lua_type(state, -1) == LUA_TTABLE;
        if !found {
            lua_pop(state, 1);
        }
        found
    }
}

unsafe fn refuse_protected(state: *mut lua_State, index: c_int) {
    unsafe {
        if lua_type(state, index) == LUA_TTABLE && behind(state, index) {
            // As raised by Lua's core, without a place.
            lua_pushstring_(state, READ_ONLY.as_ptr());
            lua_error(state);
        }
    }
}

/// Is called where a script would change what is protected by plain assignment.
pub(super) unsafe extern "C-unwind" fn refuse_change(state: *mut lua_State) -> c_int {
    unsafe { luaL_error(state, READ_ONLY.as_ptr()) }
}

/// Is called where a script reads a name that is not there.
pub(super) unsafe extern "C-unwind" fn refuse_unknown(state: *mut lua_State) -> c_int {
    unsafe {
        if lua_type(state, 2) != LUA_TSTRING && lua_type(state, 2) != LUA_TNUMBER {
            lua_pushnil(state);
            return 1;
        }
        let name = lua_tolstring(state, 2, std::ptr::null_mut());
        let text = c"Script attempted to access nonexistent global variable '%s'";
        luaL_error(state, text.as_ptr(), name)
    }
}

unsafe extern "C-unwind" fn rawset(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        luaL_checkany(state, 2);
        luaL_checkany(state, 3);
        refuse_protected(state, 1);
        lua_settop(state, 3);
        lua_rawset(state, 1);
        1
    }
}

unsafe extern "C-unwind" fn rawget(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        luaL_checkany(state, 2);
        lua_settop(state, 2);
        see_through(state);
        lua_rawget_(state, 1);
        1
    }
}

unsafe extern "C-unwind" fn next(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        lua_settop(state, 2);
        see_through(state);
        if lua_next(state, 1) != 0 {
            return 2;
        }
        lua_pushnil(state);
        1
    }
}

/// Puts what is behind the first argument in its place, if that is a front.
unsafe fn see_through(state: *mut lua_State) {
    unsafe {
        if behind(state, 1) {
            lua_replace(state, 1);
        }
    }
}

/// The third upvalue is Lua's own `next`, which is quicker, and the fourth the one above.
unsafe extern "C-unwind" fn pairs(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        let front = behind(state, 1);
        lua_pushvalue(state, lua_upvalueindex(if front { 4 } else { 3 }));
        lua_pushvalue(state, 1);
        lua_pushnil(state);
        3
    }
}

/// The third upvalue says which metatable to show for what is protected.
unsafe extern "C-unwind" fn getmetatable(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checkany(state, 1);
        if lua_type(state, 1) == LUA_TSTRING {
            lua_rawgeti_(state, lua_upvalueindex(3), 1);
        } else if lua_type(state, 1) == LUA_TTABLE && behind(state, 1) {
            lua_pushvalue(state, 1);
            lua_rawget_(state, lua_upvalueindex(3));
        } else if lua_getmetatable(state, 1) == 0 {
            lua_pushnil(state);
        } else {
            luaL_getmetafield_(state, 1, c"__metatable".as_ptr());
        }
        1
    }
}

unsafe extern "C-unwind" fn setmetatable(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        let kind = lua_type(state, 2);
        if kind != LUA_TNIL && kind != LUA_TTABLE {
            luaL_argerror(state, 2, c"nil or table expected".as_ptr());
        }
        refuse_protected(state, 1);
        if luaL_getmetafield_(state, 1, c"__metatable".as_ptr()) != 0 {
            luaL_error(state, c"cannot change a protected metatable".as_ptr());
        }
        lua_settop(state, 2);
        lua_setmetatable(state, 1);
        1
    }
}

unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        refuse_protected(state, 1);
        let end = lua_objlen(state, 1).min(i32::MAX as usize - 1) as i32 + 1;
        let place = match lua_gettop(state) {
            2 => end,
            3 => {
                let place = luaL_checkinteger(state, 2) as i32;
                // Behind the end it grows so far; what lies in between moves up.
                for index in (place..end).rev() {
                    if index % LONG == 0 {
                        look_up(state);
                    }
                    lua_rawgeti_(state, 1, index);
                    lua_rawseti_(state, 1, index + 1);
                }
                place
            }
            _ => return luaL_error(state, c"wrong number of arguments to 'insert'".as_ptr()),
        };
        lua_rawseti_(state, 1, place);
        0
    }
}

unsafe extern "C-unwind" fn rep(state: *mut lua_State) -> c_int {
    unsafe {
        let mut len = 0;
        luaL_checklstring(state, 1, &mut len);
        luaL_checkinteger(state, 2);
        lua_settop(state, 2);
        if len == 0 {
            lua_settop(state, 1);
            return 1;
        }
        let results = go_on(state);
        if lua_objlen(state, -1) > LONG as usize {
            look_up(state);
        }
        results
    }
}

/// Calls Lua's own function with the arguments that are there.
unsafe fn go_on(state: *mut lua_State) -> c_int {
    unsafe {
        lua_pushvalue(state, lua_upvalueindex(3));
        lua_insert(state, 1);
        lua_call(state, lua_gettop(state) - 1, LUA_MULTRET);
        lua_gettop(state)
    }
}

unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TTABLE);
        let first = luaL_optinteger(state, 2, 1) as i32;
        let last = match lua_type(state, 3) {
            LUA_TNONE | LUA_TNIL => lua_objlen(state, 1).min(i32::MAX as usize) as i32,
            _ => luaL_checkinteger(state, 3) as i32,
        };
        let count = i64::from(last) - i64::from(first) + 1;
        if count <= 0 {
            return 0;
        }
        if count >= RESULTS_MAX || lua_checkstack(state, count as c_int) == 0 {
            return luaL_error(state, c"too many results to unpack".as_ptr());
        }
        (first..=last).for_each(|index| lua_rawgeti_(state, 1, index));
        count as c_int
    }
}

/// A script that is to end does so, whatever it caught.
unsafe fn die_if_killed(state: *mut lua_State) {
    unsafe {
        if let Some(reason) = (*link(state).desk.get()).kill {
            super::natives::push_error(state, reason.as_bytes(), false);
            lua_error(state);
        }
    }
}

/// As the hook does between instructions: others may have waited long enough.
unsafe fn look_up(state: *mut lua_State) {
    unsafe {
        let link = link(state);
        if link.on_stack.get() && (*link.desk.get()).kill.is_none() {
            link.pause(super::Pause::Tick);
        }
        die_if_killed(state);
    }
}

unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checkany(state, 1);
        let status = lua_pcall(state, lua_gettop(state) - 1, LUA_MULTRET, 0);
        if status != 0 {
            die_if_killed(state);
            translate(state);
        }
        // The results may fill the room that a function is given.
        luaL_checkstack(state, 1, c"too many results".as_ptr());
        lua_pushboolean(state, (status == 0) as c_int);
        lua_insert(state, 1);
        lua_gettop(state)
    }
}

unsafe extern "C-unwind" fn xpcall(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checkany(state, 2);
        lua_settop(state, 2);
        lua_pushvalue(state, lua_upvalueindex(1));
        lua_insert(state, 2);
        lua_pushcclosure(state, handle, 2);
        lua_insert(state, 1);
        let status = lua_pcall(state, 0, LUA_MULTRET, 1);
        if status != 0 {
            die_if_killed(state);
        }
        luaL_checkstack(state, 1, c"too many results".as_ptr());
        lua_pushboolean(state, (status == 0) as c_int);
        lua_replace(state, 1);
        lua_gettop(state)
    }
}

/// What was raised goes to the script's own handler, the second upvalue.
unsafe extern "C-unwind" fn handle(state: *mut lua_State) -> c_int {
    unsafe {
        lua_settop(state, 1);
        translate(state);
        lua_pushvalue(state, lua_upvalueindex(2));
        lua_insert(state, 1);
        lua_call(state, 1, 1);
        1
    }
}

/// Functions that are written in Rust raise what a script could make nothing of. What is on top of the
/// stack becomes the text that it stands for, if it is such a thing.
pub(super) unsafe fn translate(state: *mut lua_State) {
    unsafe {
        if lua_type(state, -1) == LUA_TUSERDATA {
            lua_rawgeti_(state, LUA_REGISTRYINDEX, link(state).explain.get());
            lua_insert(state, -2);
            lua_call(state, 1, 1);
        }
    }
}

unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    unsafe {
        if lua_type(state, 1) != LUA_TTHREAD {
            return luaL_argerror(state, 1, c"coroutine expected".as_ptr());
        }
        let results = go_on(state);
        die_if_killed(state);
        translate(state);
        results
    }
}

/// Compiles text, pushing the function, or nil and what is wrong with it.
pub(super) unsafe fn compile(state: *mut lua_State, text: &[u8], name: *const i8) -> c_int {
    unsafe {
        // Byte code begins with this mark; as text it is an error like any other.
        let disguised = text.first() == Some(&LUA_SIGNATURE[0]);
        lua_gc(state, LUA_GCSTOP, 0);
        let status = if disguised {
            lua_pushlstring_(state, c" ".as_ptr(), 1);
            push_bytes(state, text);
            lua_concat(state, 2);
            let mut len = 0;
            let start = lua_tolstring(state, -1, &mut len);
            let status = luaL_loadbuffer(state, start, len, name);
            lua_insert(state, -2);
            lua_pop(state, 1);
            status
        } else {
            luaL_loadbuffer(state, text.as_ptr().cast(), text.len(), name)
        };
        lua_gc(state, LUA_GCRESTART, 0);
        status
    }
}

unsafe fn loaded(state: *mut lua_State, status: c_int) -> c_int {
    unsafe {
        if status == 0 {
            return 1;
        }
        lua_pushnil(state);
        lua_insert(state, -2);
        2
    }
}

unsafe extern "C-unwind" fn loadstring(state: *mut lua_State) -> c_int {
    unsafe {
        let mut len = 0;
        let start = luaL_checklstring(state, 1, &mut len);
        let name = luaL_optlstring(state, 2, start, std::ptr::null_mut());
        let text = std::slice::from_raw_parts(start.cast(), len);
        let status = compile(state, text, name);
        loaded(state, status)
    }
}

/// The third upvalue is `table.concat`.
unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    unsafe {
        luaL_checktype(state, 1, LUA_TFUNCTION);
        let name = luaL_optlstring(state, 2, c"=(load)".as_ptr(), std::ptr::null_mut());
        lua_settop(state, 2);
        lua_createtable(state, 0, 0);
        for index in 1.. {
            lua_pushvalue(state, 1);
            if lua_pcall(state, 0, 1, 0) != 0 {
                die_if_killed(state);
                return loaded(state, 1);
            }
            match lua_type(state, -1) {
                LUA_TNIL => break,
                LUA_TSTRING if lua_objlen(state, -1) == 0 => break,
                LUA_TSTRING | LUA_TNUMBER => lua_rawseti_(state, 3, index),
                _ => {
                    luaL_where(state, 1);
                    lua_pushstring_(state, c"reader function must return a string".as_ptr());
                    lua_concat(state, 2);
                    return loaded(state, 1);
                }
            }
        }
        lua_settop(state, 3);
        lua_pushvalue(state, lua_upvalueindex(3));
        lua_insert(state, 3);
        lua_call(state, 1, 1);
        let status = compile(state, bytes_at(state, 3).unwrap_or_default(), name);
        loaded(state, status)
    }
}

/// Kibibytes in use.
unsafe fn in_use(state: *mut lua_State) -> f64 {
    unsafe {
        let kib = lua_gc(state, LUA_GCCOUNT, 0);
        kib as f64 + lua_gc(state, LUA_GCCOUNTB, 0) as f64 / 1024.0
    }
}

unsafe extern "C-unwind" fn gcinfo(state: *mut lua_State) -> c_int {
    unsafe { lua_pushnumber(state, in_use(state).trunc()) };
    1
}

/// A script may have garbage collected, and may ask how much there is. When the collector runs otherwise is
/// none of its business, since what it would change stays for all scripts.
unsafe extern "C-unwind" fn collectgarbage(state: *mut lua_State) -> c_int {
    unsafe {
        const OPTIONS: [&CStr; 7] =
            [c"stop", c"restart", c"collect", c"count", c"step", c"setpause", c"setstepmul"];
        let mut option = c"collect".to_bytes();
        if lua_type(state, 1) != LUA_TNONE && lua_type(state, 1) != LUA_TNIL {
            let mut len = 0;
            let start = luaL_checklstring(state, 1, &mut len);
            option = std::slice::from_raw_parts(start.cast(), len);
        }
        luaL_optnumber(state, 2, 0.0);
        match option {
            b"count" => lua_pushnumber(state, in_use(state)),
            b"collect" => {
                lua_gc(state, LUA_GCCOLLECT, 0);
                lua_pushnumber(state, 0.0);
            }
            b"step" => {
                let done = lua_gc(state, LUA_GCSTEP, 0);
                lua_pushboolean(state, done);
            }
            b"setpause" => lua_pushnumber(state, 200.0),
            b"setstepmul" => lua_pushnumber(state, 200.0),
            other if OPTIONS.iter().any(|known| known.to_bytes() == other) => {
                lua_pushnumber(state, 0.0);
            }
            _ => {
                let name = lua_tolstring(state, 1, std::ptr::null_mut());
                let text = lua_pushfstring(state, c"invalid option '%s'".as_ptr(), name);
                return luaL_argerror(state, 1, text);
            }
        }
        1
    }
}

/// The functions of `math` that throw dice. Those are the interpreter's own, so that a run can be repeated.
pub(super) const DICE: &[(&CStr, lua_CFunction)] =
    &[(c"random", random), (c"randomseed", randomseed)];

unsafe extern "C-unwind" fn random(state: *mut lua_State) -> c_int {
    unsafe {
        let part = link(state).throw();
        let (low, high) = match lua_gettop(state) {
            0 => {
                lua_pushnumber(state, part);
                return 1;
            }
            1 => (1.0, luaL_checknumber(state, 1).trunc()),
            2 => (luaL_checknumber(state, 1).trunc(), luaL_checknumber(state, 2).trunc()),
            _ => return luaL_error(state, c"wrong number of arguments".as_ptr()),
        };
        if low > high {
            let last = lua_gettop(state);
            return luaL_argerror(state, last, c"interval is empty".as_ptr());
        }
        lua_pushnumber(state, (part * (high - low + 1.0)).floor() + low);
        1
    }
}

unsafe extern "C-unwind" fn randomseed(state: *mut lua_State) -> c_int {
    unsafe {
        let seed = luaL_checknumber(state, 1);
        link(state).seed(seed.to_bits());
        0
    }
}
