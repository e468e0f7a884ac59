//! Replies to Lua values, and Lua values to replies.
//!
//! | reply | Lua | | Lua | reply |
//! |---|---|---|---|---|
//! | integer | number | | number | integer, cut off |
//! | bulk string | string | | string | bulk string |
//! | status | `{ok=…}` | | `{ok=…}` | status |
//! | error | `{err=…}` | | `{err=…}` | error |
//! | array | table | | other tables | array up to the first nil |
//! | null of RESP2 | false | | false | null; in RESP3 false |
//! | null of RESP3 | nil | | true | 1; in RESP3 true |
//! | boolean | boolean | | nil, others | null |
//! | double | `{double=…}` | | `{double=…}` | double |
//! | map, set | `{map={…}}`, `{set={…=true}}` | | the same | map, set |
//! | big number | `{big_number=…}` | | the same | big number |
//! | verbatim | `{verbatim_string={format=…,string=…}}` | | the same | verbatim |
//!
//! `unsafe`, because it works on Lua's own stack; what `natives.rs` says on top goes here as well.
#![expect(unsafe_code, reason = "as in natives.rs")]

use super::desk::Answer;
use super::natives::{bytes_at, push_bytes};
use crate::base::numbers;
use crate::error::Error;
use crate::resp::Proto;
use mlua::ffi::*;
use std::ffi::{CStr, c_int};

/// What one level of a nested value takes of Lua's stack.
const SLOTS: c_int = 5;

/// Up to the end of a line.
pub(super) fn line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\r', bytes).unwrap_or(bytes.len())]
}

/// Pushes the value that a reply means to a script. A reply that is cut off reads as if nil came next.
pub(super) unsafe fn push_reply(state: *mut lua_State, reply: &[u8]) {
    unsafe { push_next(state, reply, &mut 0) }
}

unsafe fn push_next(state: *mut lua_State, reply: &[u8], at: &mut usize) {
    unsafe {
        luaL_checkstack(state, SLOTS, c"too deep".as_ptr());
        let rest = reply.get(*at..).unwrap_or_default();
        let Some((&mark, rest)) = rest.split_first() else { return lua_pushnil(state) };
        let text = line(rest);
        *at += text.len() + 3;
        match mark {
            b':' => lua_pushnumber(state, numbers::parse_i64(text).unwrap_or_default() as f64),
            b'$' => match take(reply, text, at) {
                Some(bytes) => push_bytes(state, bytes),
                None => lua_pushboolean(state, 0),
            },
            b'*' | b'>' => match count(text) {
                Some(items) => push_array(state, reply, at, items),
                None => lua_pushboolean(state, 0),
            },
            b'+' => push_field(state, c"ok", |state| push_bytes(state, text)),
            b'-' => push_field(state, c"err", |state| push_bytes(state, text)),
            b'#' => lua_pushboolean(state, (text == b"t") as c_int),
            b',' => {
                let number = numbers::parse_f64(text).unwrap_or(f64::NAN);
                push_field(state, c"double", |state| lua_pushnumber(state, number));
            }
            b'(' => push_field(state, c"big_number", |state| push_bytes(state, text)),
            b'=' => {
                let bytes = take(reply, text, at).unwrap_or_default();
                let (format, string) = bytes.split_at_checked(3).unwrap_or_default();
                lua_createtable(state, 0, 1);
                lua_createtable(state, 0, 2);
                push_bytes(state, format);
                lua_setfield(state, -2, c"format".as_ptr());
                push_bytes(state, string.get(1..).unwrap_or_default());
                lua_setfield(state, -2, c"string".as_ptr());
                lua_setfield(state, -2, c"verbatim_string".as_ptr());
            }
            b'%' => {
                let pairs = bounded(count(text), reply, *at);
                lua_createtable(state, 0, 1);
                lua_createtable(state, 0, pairs as c_int);
                for _ in 0..pairs {
                    push_next(state, reply, at);
                    push_next(state, reply, at);
                    put(state);
                }
                lua_setfield(state, -2, c"map".as_ptr());
            }
            b'~' => {
                let members = bounded(count(text), reply, *at);
                lua_createtable(state, 0, 1);
                lua_createtable(state, 0, members as c_int);
                for _ in 0..members {
                    push_next(state, reply, at);
                    lua_pushboolean(state, 1);
                    put(state);
                }
                lua_setfield(state, -2, c"set".as_ptr());
            }
            b'|' => {
                // Attributes describe the reply behind them; scripts do not see them.
                for _ in 0..2 * bounded(count(text), reply, *at) {
                    push_next(state, reply, at);
                    lua_pop(state, 1);
                }
                push_next(state, reply, at);
            }
            _ => lua_pushnil(state),
        }
    }
}

unsafe fn push_array(state: *mut lua_State, reply: &[u8], at: &mut usize, items: usize) {
    unsafe {
        let items = bounded(Some(items), reply, *at);
        lua_createtable(state, items as c_int, 0);
        for index in 1..=items {
            push_next(state, reply, at);
            lua_rawseti_(state, -2, index as c_int);
        }
    }
}

/// Stores the pair on top in the table below it, unless the key cannot be one.
unsafe fn put(state: *mut lua_State) {
    unsafe {
        let number = lua_type(state, -2) == LUA_TNUMBER && lua_tonumber(state, -2).is_nan();
        if lua_type(state, -2) == LUA_TNIL || number {
            lua_pop(state, 2);
        } else {
            lua_rawset(state, -3);
        }
    }
}

unsafe fn push_field(state: *mut lua_State, name: &CStr, push: impl FnOnce(*mut lua_State)) {
    unsafe {
        lua_createtable(state, 0, 1);
        push(state);
        lua_setfield(state, -2, name.as_ptr());
    }
}

fn count(text: &[u8]) -> Option<usize> {
    numbers::parse_i64(text).and_then(|count| usize::try_from(count).ok())
}

/// An item takes three bytes at least, so a reply cannot hold more.
fn bounded(count: Option<usize>, reply: &[u8], at: usize) -> usize {
    count.unwrap_or_default().min(reply.len().saturating_sub(at))
}

/// The bytes of a bulk string, behind its length.
fn take<'a>(reply: &'a [u8], len: &[u8], at: &mut usize) -> Option<&'a [u8]> {
    let len = count(len)?;
    let bytes = reply.get(*at..)?.get(..len)?;
    *at += len + 2;
    Some(bytes)
}

/// Answers with the value on top of the stack, and takes it away. `own` is the protocol that the
/// script chose, which decides what becomes of booleans.
pub(super) unsafe fn write_value(state: *mut lua_State, own: Proto, answer: &mut Answer) {
    unsafe {
        if lua_checkstack(state, SLOTS) == 0 {
            answer.out.error(&Error::Say("ERR reached lua stack limit"));
            return lua_pop(state, 1);
        }
        match lua_type(state, -1) {
            LUA_TSTRING => answer.out.bulk(bytes_at(state, -1).unwrap_or_default()),
            LUA_TNUMBER => answer.out.int(cut_off(lua_tonumber(state, -1))),
            LUA_TBOOLEAN => match (own, lua_toboolean(state, -1) != 0) {
                (Proto::Resp3, value) => answer.out.boolean(value),
                (Proto::Resp2, true) => answer.out.int(1),
                (Proto::Resp2, false) => answer.out.null(),
            },
            LUA_TTABLE => write_table(state, own, answer),
            _ => answer.out.null(),
        }
        lua_pop(state, 1);
    }
}

unsafe fn write_table(state: *mut lua_State, own: Proto, answer: &mut Answer) {
    unsafe {
        if field(state, c"err", LUA_TSTRING) {
            let text: Box<[u8]> = bytes_at(state, -1).unwrap_or_default().into();
            answer.out.error(&Error::Text(text.clone()));
            answer.errors.push(text);
            lua_pushstring_(state, c"ignore_error_stats_update".as_ptr());
            lua_rawget_(state, -3);
            if lua_toboolean(state, -1) != 0 {
                answer.errors.pop();
            }
            lua_pop(state, 1);
        } else if field(state, c"ok", LUA_TSTRING) {
            answer.out.status(bytes_at(state, -1).unwrap_or_default());
        } else if field(state, c"double", LUA_TNUMBER) {
            answer.out.double(lua_tonumber(state, -1));
        } else if field(state, c"map", LUA_TTABLE) {
            write_pairs(state, own, b'%', answer);
        } else if field(state, c"set", LUA_TTABLE) {
            write_pairs(state, own, b'~', answer);
        } else if field(state, c"big_number", LUA_TSTRING) {
            let text = bytes_at(state, -1).unwrap_or_default();
            let breaks = |byte: u8| byte == b'\r' || byte == b'\n';
            let text: Vec<u8> = text.iter().map(|&b| if breaks(b) { b' ' } else { b }).collect();
            answer.out.big_number(&text);
        } else if field(state, c"verbatim_string", LUA_TTABLE) {
            if field(state, c"string", LUA_TSTRING) {
                let string = bytes_at(state, -1).unwrap_or_default();
                lua_insert(state, -2);
                if field(state, c"format", LUA_TSTRING) {
                    answer.out.verbatim_as(bytes_at(state, -1).unwrap_or_default(), string);
                    lua_pop(state, 1);
                } else {
                    answer.out.null();
                }
                lua_remove(state, -2);
            } else {
                answer.out.null();
            }
        } else {
            return write_array(state, own, answer);
        }
        lua_pop(state, 1);
    }
}

/// Pushes a field of the table on top, if it has that type.
unsafe fn field(state: *mut lua_State, name: &CStr, kind: c_int) -> bool {
    unsafe {
        lua_pushstring_(state, name.as_ptr());
        lua_rawget_(state, -2);
        let found = lua_type(state, -1) == kind;
        if !found {
            lua_pop(state, 1);
        }
        found
    }
}

unsafe fn write_array(state: *mut lua_State, own: Proto, answer: &mut Answer) {
    unsafe {
        let at = answer.out.len();
        let mut items = 0;
        loop {
            lua_rawgeti_(state, -1, items + 1);
            if lua_type(state, -1) == LUA_TNIL {
                lua_pop(state, 1);
                break;
            }
            write_value(state, own, answer);
            items += 1;
        }
        answer.out.put_header(at, b'*', items as usize);
    }
}

/// The keys of the table on top, with their values if it is a map.
unsafe fn write_pairs(state: *mut lua_State, own: Proto, mark: u8, answer: &mut Answer) {
    unsafe {
        let at = answer.out.len();
        let mut items = 0;
        if lua_checkstack(state, SLOTS) != 0 {
            lua_pushnil(state);
            while lua_next(state, -2) != 0 {
                lua_pushvalue(state, -2);
                write_value(state, own, answer);
                items += 1;
                if mark == b'%' {
                    write_value(state, own, answer);
                    items += 1;
                } else {
                    lua_pop(state, 1);
                }
            }
        }
        answer.out.put_header(at, mark, items);
    }
}

/// As C cuts a number off on the peers' processors: what does not fit is the smallest integer.
fn cut_off(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}
