//! What Redis 8 answers, recorded; and what must hold for any input.

use crate::lua::libraries::support::{fails, interpreter, run};
use mlua::{LuaString, MultiValue, Value};
use proptest::prelude::*;

#[test]
fn values_have_their_shortest_form() {
    let lua = interpreter();
    for (value, hex) in [
        ("3", "03"),
        ("-0", "00"),
        ("-32", "e0"),
        ("-33", "d0df"),
        ("200", "ccc8"),
        ("300", "cd012c"),
        ("70000", "ce00011170"),
        ("2^53", "cf0020000000000000"),
        ("-2^31", "d280000000"),
        ("-2^40", "d3ffffff0000000000"),
        ("1.5", "ca3fc00000"),
        ("0.1", "cb3fb999999999999a"),
        ("2^63", "ca5f000000"),
        ("1/0", "ca7f800000"),
        ("{1,2}", "920102"),
        ("{}", "90"),
        ("{a=1}", "81a16101"),
        ("{[2]=1}", "810201"),
        ("nil,true,false", "c0c3c2"),
        ("print", "c0"),
        ("string.rep('x',31)", &format!("bf{}", "78".repeat(31))),
        ("string.rep('x',40)", &format!("d928{}", "78".repeat(40))),
        ("string.rep('x',256)", &format!("da0100{}", "78".repeat(256))),
    ] {
        let packed: LuaString = run(&lua, &format!("return cmsgpack.pack({value})")).unwrap();
        let text: String = packed.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, hex, "{value}");
    }
}

#[test]
fn a_stream_is_read_piece_by_piece() {
    let lua = interpreter();
    let script = r"local s = '\1\2\3' local u = cmsgpack
        return {u.unpack(s)}, {u.unpack_one(s)}, {u.unpack_one(s, 2)},
               {u.unpack_limit(s, 2)}, {u.unpack_limit(s, 5, 1)}, {u.unpack_one(s, 3)}";
    let found: [Vec<i64>; 6] = {
        let values: MultiValue = run(&lua, script).unwrap();
        std::array::from_fn(|at| lua.unpack(values[at].clone()).unwrap())
    };
    let expected: [&[i64]; 6] = [&[1, 2, 3], &[1, 1], &[-1, 3], &[2, 1, 2], &[-1, 2, 3], &[-1]];
    assert_eq!(found, expected);
}

#[test]
fn what_is_wrong_is_told() {
    let lua = interpreter();
    for (script, text) in [
        ("pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"),
        ("unpack()", "bad argument #1 to 'unpack' (string expected, got no value)"),
        (r"unpack('\146\1')", "Missing bytes in input."),
        (r"unpack('\193')", "Bad data format in input."),
        (r"unpack('\221\255\255\255\255')", "Missing bytes in input."),
        ("unpack_one('abc', 4)", "Start offset 4 greater than input length 3."),
        ("unpack_one('abc', -1)", "Invalid request to unpack with offset of -1 and limit of 3."),
        (r"unpack('\129\192\1')", "table index is nil"),
        (r"unpack('\129\192\145\1')", "table index is nil"),
        (r"unpack('\129\202\127\192\0\0\1')", "table index is NaN"),
        (
            "unpack(string.rep('\\145', 4000))",
            "stack overflow (in function mp_decode_to_lua_array)",
        ),
        (
            "unpack(string.rep('\\1', 9000))",
            "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
        ),
    ] {
        assert_eq!(fails(&lua, &format!("local r = cmsgpack.{script} return r")), text, "{script}");
    }
}

/// Tables that hold themselves come to an end, and so do those that do so in many places.
#[test]
fn cve_2022_24834_cyclic_tables_are_cut() {
    let lua = interpreter();
    let script = "local t = {} t[1] = t return cmsgpack.pack(t)";
    let packed: LuaString = run(&lua, script).unwrap();
    assert_eq!(&*packed.as_bytes(), [&[0x91; 16][..], &[0xc0]].concat());
}

#[test]
fn cve_2022_24834_long_strings_are_whole() {
    let lua = interpreter();
    let script = "local text = string.rep('x', 3000000)
                  local back = cmsgpack.unpack(cmsgpack.pack({[text] = {text, text}}))
                  return back[text][1] == text and back[text][2] == text";
    assert!(run::<bool>(&lua, script).unwrap());
}

proptest! {
    #[test]
    fn values_come_back(
        numbers in prop::collection::vec(any::<f64>().prop_filter("one", |n| !n.is_nan()), 1..8),
        integers in prop::collection::vec(any::<i32>(), 1..8),
        text in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let lua = interpreter();
        let globals = lua.globals();
        globals.raw_set("numbers", numbers.clone()).unwrap();
        globals.raw_set("integers", integers.clone()).unwrap();
        globals.raw_set("text", lua.create_string(&text).unwrap()).unwrap();
        let script = "return cmsgpack.unpack(cmsgpack.pack(numbers, integers, text))";
        let back: (Vec<f64>, Vec<i32>, LuaString) = run(&lua, script).unwrap();
        prop_assert_eq!(back.0, numbers);
        prop_assert_eq!(back.1, integers);
        prop_assert_eq!(&*back.2.as_bytes(), &*text);
    }

    #[test]
    fn garbage_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let lua = interpreter();
        lua.globals().raw_set("bytes", lua.create_string(&bytes).unwrap()).unwrap();
        if let Err(why) = run::<Value>(&lua, "local r = cmsgpack.unpack(bytes) return r") {
            let known = ["Missing bytes", "Bad data", "table index is"];
            prop_assert!(known.iter().any(|text| why.contains(text)), "{}", why);
        }
    }
}
