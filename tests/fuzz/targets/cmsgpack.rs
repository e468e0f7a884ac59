//! Any bytes as MessagePack: what is read is packed, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlua::BString;

mod lua;

const SCRIPT: &str = r#"
    return function(limit, offset, text)
        local once, again = '', ''
        local function repack(first, ...)
            once = cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack(first, ...)))
            again = cmsgpack.pack(cmsgpack.unpack(once))
        end
        repack(cmsgpack.unpack(text))
        repack(cmsgpack.unpack_one(text, offset))
        repack(cmsgpack.unpack_limit(text, limit, offset))
        return once, again
    end"#;

fuzz_target!(|bytes: &[u8]| {
    let [limit, offset, text @ ..] = bytes else { return };
    let args = (*limit as i8, *offset as i8, BString::from(text));
    match lua::call::<(BString, BString)>(SCRIPT, args) {
        // Tables deeper than sixteen are cut the first time, which leaves a nil, and a nil at the end goes the second
        // time; their order is the interpreter's own.
        Ok((once, again)) => assert_eq!(once.len(), again.len()),
        Err(why) => {
            let known = [
                "Missing bytes in input",
                "Bad data format in input",
                "table index is",
                "stack overflow",
                "Invalid request to unpack",
                "greater than input length",
            ];
            assert!(known.iter().any(|text| why.contains(text)), "{why}");
        }
    }
});
