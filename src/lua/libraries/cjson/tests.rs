//! What Redis 8 answers, recorded; and what must hold for any input.

use crate::lua::libraries::support::{fails, interpreter, run};
use mlua::{Lua, LuaString, Table, Value};
use proptest::prelude::*;

fn encoded(lua: &Lua, value: &str) -> String {
    run(lua, &format!("return cjson.encode({value})")).unwrap()
}

#[test]
fn values_become_json() {
    let lua = interpreter();
    for (value, json) in [
        ("nil", "null"),
        ("cjson.null", "null"),
        ("true", "true"),
        ("{}", "{}"),
        ("{1,2}", "[1,2]"),
        ("{a=1.5}", r#"{"a":1.5}"#),
        ("{[1]=1,[3]=3}", "[1,null,3]"),
        ("{[1.5]=1}", r#"{"1.5":1}"#),
        ("{[2^31]=1}", r#"{"2147483648":1}"#),
        ("1e20", "1e+20"),
        ("-0", "-0"),
        ("123456789012345678", "1.2345678901235e+17"),
        ("0.1+0.2", "0.3"),
        (r#"'a/"\\\n\127\0'"#, r#""a\/\"\\\n\u007f\u0000""#),
        ("'\\255'", "\"\u{fffd}\""),
    ] {
        let bytes: LuaString = run(&lua, &format!("return cjson.encode({value})")).unwrap();
        assert_eq!(bytes.to_string_lossy(), json, "{value}");
    }
}

#[test]
fn what_has_no_json_is_refused() {
    let lua = interpreter();
    for (script, text) in [
        ("cjson.encode()", "bad argument #1 to 'encode' (expected 1 argument)"),
        ("cjson:encode(1)", "calling 'encode' on bad self (expected 1 argument)"),
        ("cjson.encode(0/0)", "Cannot serialise number: must not be NaN or Inf"),
        ("cjson.encode({print})", "Cannot serialise function: type not supported"),
        ("cjson.encode({[100]=1})", "Cannot serialise table: excessively sparse array"),
        (
            "cjson.encode({[true]=1})",
            "Cannot serialise boolean: table key must be a number or string",
        ),
        (
            "cjson.encode_number_precision(15)",
            "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)",
        ),
        (
            "cjson.encode_sparse_array(1,2,3,4)",
            "bad argument #4 to 'encode_sparse_array' (found too many arguments)",
        ),
        (
            "cjson.encode_invalid_numbers('x')",
            "bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')",
        ),
    ] {
        assert_eq!(fails(&lua, &format!("local r = {script} return r")), text, "{script}");
    }
}

#[test]
fn json_that_does_not_fit_is_told_with_its_place() {
    let lua = interpreter();
    for (json, text) in [
        ("x", "Expected value but found invalid token at character 1"),
        ("[1,", "Expected value but found T_END at character 4"),
        ("[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
        ("{1:2}", "Expected object key string but found T_NUMBER at character 2"),
        (r#"{"a" 2}"#, "Expected colon but found T_NUMBER at character 6"),
        (r#"{"a":2 3}"#, "Expected comma or object end but found T_NUMBER at character 8"),
        ("[] []", "Expected the end but found T_ARR_BEGIN at character 4"),
        (r#""\ud800""#, "Expected value but found invalid unicode escape code at character 2"),
        (r#""\q""#, "Expected value but found invalid escape code at character 2"),
        (r#""abc"#, "Expected value but found unexpected end of string at character 5"),
        ("-", "Expected value but found invalid number at character 1"),
    ] {
        assert_eq!(fails(&lua, &format!("local r = cjson.decode([==[{json}]==]) return r")), text);
    }
    assert_eq!(
        fails(&lua, "local r = cjson.decode('\\0\\0') return r"),
        "JSON parser does not support UTF-16 or UTF-32"
    );
    let caught: String = run(&lua, "return tostring(select(2, pcall(cjson.decode, 'x')))").unwrap();
    assert!(caught.contains("Expected value but found invalid token at character 1"), "{caught}");
}

#[test]
fn numbers_that_json_does_not_have_are_read_if_asked() {
    let lua = interpreter();
    let numbers: (f64, f64, f64, f64) =
        run(&lua, "local d = cjson.decode return d'0x10', d'+1', d'-inf', d'010'").unwrap();
    assert_eq!(numbers, (16.0, 1.0, f64::NEG_INFINITY, 10.0));
    for json in ["0x10", "010", "inf", "+1"] {
        let script = format!("cjson.decode_invalid_numbers(false) return cjson.decode('{json}')");
        assert!(fails(&lua, &script).starts_with("Expected value but found invalid"), "{json}");
    }
}

#[test]
fn settings_belong_to_their_table() {
    let lua = interpreter();
    let script = "local own = cjson.new() own.encode_number_precision(3)
                  return own.encode(1/3), cjson.encode(1/3)";
    let (own, shared): (String, String) = run(&lua, script).unwrap();
    assert_eq!((own.as_str(), shared.as_str()), ("0.333", "0.33333333333333"));
    let script = "return cjson.encode_sparse_array(true, 3, 4)";
    assert_eq!(run::<(bool, i64, i64)>(&lua, script).unwrap(), (true, 3, 4));
    assert_eq!(encoded(&lua, "{[100]=1}"), r#"{"100":1}"#);
    let script = "return cjson.encode_invalid_numbers('null'), cjson.encode({0/0, 1/0})";
    let (_, nulls): (Value, String) = run(&lua, script).unwrap();
    assert_eq!(nulls, "[null,null]");
}

#[test]
fn arrays_stay_arrays_if_asked() {
    let lua = interpreter();
    let script = "local t = cjson.decode('[]') return cjson.encode(t)";
    assert_eq!(run::<String>(&lua, script).unwrap(), "{}");
    let script = "cjson.decode_array_with_array_mt(true) local t = cjson.decode('{\"a\":[]}')
                  return cjson.encode(t), getmetatable(t.a).__is_cjson_array";
    assert_eq!(run::<(String, bool)>(&lua, script).unwrap(), (r#"{"a":[]}"#.into(), true));
    let script = "getmetatable(cjson.decode('[]')).__is_cjson_array = false";
    assert_eq!(fails(&lua, script), "Attempt to modify a readonly table");
}

/// Tables that hold themselves, and nesting without end, come to an end.
#[test]
fn cve_2022_24834_deep_tables_are_refused() {
    // As large a stack as scripts have.
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(deep_tables_are_refused).unwrap().join().unwrap();
}

fn deep_tables_are_refused() {
    let lua = interpreter();
    let script = "local t = {} t[1] = t local r = cjson.encode(t) return r";
    assert_eq!(fails(&lua, script), "Cannot serialise, excessive nesting (1001)");
    let script = "cjson.encode_max_depth(2^31-1) local t = {} t[1] = t
                  local r = cjson.encode(t) return r";
    assert!(fails(&lua, script).contains("Cannot serialise, excessive nesting (2001)"));
    let script = "local r = cjson.decode(string.rep('[', 1001)) return r";
    assert_eq!(
        fails(&lua, script),
        "Found too many nested data structures (1001) at character 1001"
    );
    let script = "cjson.decode_max_depth(2^31-1)
                  local r = cjson.decode(string.rep('{\"a\":', 1000000)) return r";
    assert!(fails(&lua, script).contains("Found too many nested data structures (4001)"));
}

/// The encoder's buffer grows with what is written: strings that are all escapes, keys, deep values.
#[test]
fn cve_2022_24834_long_strings_are_whole() {
    let lua = interpreter();
    let script = r#"
        local text = string.rep('\1', 200000)
        local t = {[text] = {text, {text}}}
        local json = cjson.encode(t)
        local back = cjson.decode(json)
        return #json, back[text][1] == text and back[text][2][1] == text"#;
    assert_eq!(run::<(usize, bool)>(&lua, script).unwrap(), (3 * (6 * 200_000 + 2) + 8, true));
}

#[test]
fn the_interpreters_limit_holds_while_json_is_read() {
    let lua = interpreter();
    lua.set_memory_limit(lua.used_memory() + (4 << 20)).unwrap();
    let script = "local r = cjson.decode('[' .. string.rep('{},', 100000) .. '1]') return r";
    assert!(fails(&lua, script).contains("not enough memory"));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        "[a-z é/]{0,8}".prop_map(|text| format!("\"{}\"", text.replace('/', "\\/"))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            // Trailing nulls of an array are kept by what stands behind them.
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|values| format!("[{}]", values.join(","))),
            inner.prop_map(|value| format!("{{\"k\":{value}}}")),
        ]
    })
}

proptest! {
    #[test]
    fn json_comes_back(json in json()) {
        let lua = interpreter();
        lua.globals().raw_set("json", json.as_str()).unwrap();
        let back: LuaString = run(&lua, "return cjson.encode(cjson.decode(json))").unwrap();
        prop_assert_eq!(back.to_str().unwrap(), json.as_str());
    }

    #[test]
    fn strings_come_back(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let lua = interpreter();
        let bytes = lua.create_string(&text).unwrap();
        lua.globals().raw_set("text", bytes).unwrap();
        let back: LuaString = run(&lua, "return cjson.decode(cjson.encode(text))").unwrap();
        prop_assert_eq!(&*back.as_bytes(), &*text);
    }

    #[test]
    fn garbage_is_read_or_refused(text in "[\\[\\]{},:\"\\\\u0-9a-fx.+-]{0,24}") {
        let lua = interpreter();
        lua.globals().raw_set("text", text).unwrap();
        let read = run::<Value>(&lua, "return cjson.decode(text)");
        if let Err(why) = read {
            prop_assert!(why.contains("Expected "), "{}", why);
        }
    }
}

#[test]
fn arrays_and_objects_become_tables() {
    let lua = interpreter();
    let table: Table = run(&lua, r#"return cjson.decode(' { "a" : [1, {"b":null}] } ')"#).unwrap();
    let inner: Table = table.raw_get("a").unwrap();
    assert_eq!(inner.raw_get::<f64>(1).unwrap(), 1.0);
    let innermost: Table = inner.raw_get(2).unwrap();
    assert_eq!(innermost.raw_get::<Value>("b").unwrap(), Value::NULL);
}
