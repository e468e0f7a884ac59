//! What Redis 8 answers, recorded; and what must hold for any input.

use crate::lua::libraries::support::{fails, interpreter, run};
use mlua::{LuaString, MultiValue};
use proptest::prelude::*;

#[test]
fn fields_are_laid_out() {
    let lua = interpreter();
    for (call, bytes) in [
        ("'>I4', 1", &b"\0\0\0\x01"[..]),
        ("'<I2', 258", b"\x02\x01"),
        ("'b', -1", b"\xff"),
        ("'i9', -2", b"\xfe\xff\xff\xff\xff\xff\xff\xff\0"),
        ("'>i9', 1", b"\0\0\0\0\0\0\0\0\x01"),
        ("'!4 bi', 1, 2", b"\x01\0\0\0\x02\0\0\0"),
        ("'bxb', 1, 2", b"\x01\0\x02"),
        ("'s', 'ab'", b"ab\0"),
        ("'c0', 'abc'", b"abc"),
        ("'c2', 'abc'", b"ab"),
        ("'>f', 1.5", b"\x3f\xc0\0\0"),
        ("'>d', -2", b"\xc0\0\0\0\0\0\0\0"),
        ("'I8', 2^64", b"\0\0\0\0\0\0\0\0"),
        ("'i0', 1", b""),
    ] {
        let packed: LuaString = run(&lua, &format!("return struct.pack({call})")).unwrap();
        assert_eq!(&*packed.as_bytes(), bytes, "{call}");
    }
    for (call, values) in [
        (r"'>I2', '\1\2'", &[258.0, 3.0][..]),
        (r"'i1', '\255'", &[-1.0, 2.0]),
        (r"'bB', '\255\255'", &[-1.0, 255.0, 3.0]),
        (r"'!4 bi', '\1\0\0\0\2\0\0\0'", &[1.0, 2.0, 9.0]),
        (r"'b', 'abc', 3", &[99.0, 4.0]),
    ] {
        let found: MultiValue = run(&lua, &format!("return struct.unpack({call})")).unwrap();
        let found: Vec<f64> = found
            .iter()
            .map(|value| value.as_number().or(value.as_integer().map(|i| i as f64)).unwrap())
            .collect();
        assert_eq!(found, values, "{call}");
    }
    let script = r"local a, b = struct.unpack('Bc0', '\3abcdef') return a";
    assert_eq!(run::<String>(&lua, script).unwrap(), "abc");
    assert_eq!(run::<i64>(&lua, "return struct.size('!8 b d i5')").unwrap(), 25);
}

#[test]
fn what_is_wrong_is_told() {
    let lua = interpreter();
    for (script, text) in [
        ("pack('i')", "bad argument #2 to 'pack' (number expected, got nil)"),
        ("pack('k', 1)", "bad argument #1 to 'pack' (invalid format option 'k')"),
        ("pack('i33', 1)", "integral size 33 is larger than limit of 32"),
        ("pack('!3i', 1)", "alignment 3 is not a power of 2"),
        ("pack('c10', 'abc')", "bad argument #3 to 'pack' (string too short)"),
        ("size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"),
        ("size('c0')", "bad argument #1 to 'size' (option 'c0' has no fixed size)"),
        ("unpack('i', 'abc')", "bad argument #2 to 'unpack' (data string too short)"),
        ("unpack('c0', 'abc')", "format 'c0' needs a previous size"),
        ("unpack('s', 'abc')", "unfinished string in data"),
        ("unpack('i', 'abcd', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
    ] {
        assert_eq!(fails(&lua, &format!("local r = struct.{script} return r")), text, "{script}");
    }
}

/// Sizes that overflow, sizes behind the data, and offsets that wrap round.
#[test]
fn cve_2020_14147_sizes_do_not_overflow() {
    let lua = interpreter();
    for (script, text) in [
        ("pack('i4294967297', 1)", "integral size overflow"),
        ("pack('c2147483648', 'a')", "integral size overflow"),
        ("pack('>I2147483647', 10)", "integral size 2147483647 is larger than limit of 32"),
        ("pack('c2147483647', 'a')", "bad argument #3 to 'pack' (string too short)"),
        ("unpack('c2147483647', 'a')", "bad argument #2 to 'unpack' (data string too short)"),
        ("unpack('i', 'abcdefgh', -1)", "bad argument #2 to 'unpack' (data string too short)"),
        ("unpack('i', 'abcdefgh', 2^63)", "bad argument #2 to 'unpack' (data string too short)"),
        ("unpack('>!8 d', 'abcdefgh', -2)", "bad argument #2 to 'unpack' (data string too short)"),
        (
            "unpack('dc0', struct.pack('d', 2^63))",
            "bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "unpack('dc0', struct.pack('d', -1))",
            "bad argument #2 to 'unpack' (data string too short)",
        ),
    ] {
        assert_eq!(fails(&lua, &format!("local r = struct.{script} return r")), text, "{script}");
    }
}

proptest! {
    #[test]
    fn values_come_back(
        size in 1usize..9,
        order in "[<>]",
        alignment in prop_oneof![Just(""), Just("!"), Just("!2"), Just("!16")],
        value in any::<i32>(),
        text in "[a-z]{0,9}",
    ) {
        let lua = interpreter();
        let value = value >> (32 - 8 * size.min(4));
        let script = format!(
            "local f = '{order}{alignment} b i{size} s d'
             return struct.unpack(f, struct.pack(f, 1, {value}, '{text}', {value}))"
        );
        let back: (i64, i64, String, f64, i64) = run(&lua, &script).unwrap();
        prop_assert_eq!(back.0, 1);
        prop_assert_eq!(back.1, i64::from(value));
        prop_assert_eq!(back.2, text);
        prop_assert_eq!(back.3, f64::from(value));
    }

    #[test]
    fn any_format_is_read_or_refused(
        format in "[bBhHiIlLTfdscx<>! 0-9]{0,12}",
        data in prop::collection::vec(any::<u8>(), 0..40),
        offset in -3i64..45,
    ) {
        let lua = interpreter();
        lua.globals().raw_set("data", lua.create_string(&data).unwrap()).unwrap();
        let script = format!(
            "return pcall(struct.unpack, '{format}', data, {offset}),
                    pcall(struct.pack, '{format}', 1, 2, 'x', 3), pcall(struct.size, '{format}')"
        );
        prop_assert!(run::<MultiValue>(&lua, &script).is_ok());
    }
}
