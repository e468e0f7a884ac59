//! Any text as JSON: what is read is written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlua::BString;

mod lua;

/// The first byte chooses settings.
const SCRIPT: &str = r#"
    return function(choice, text)
        local json = cjson.new()
        json.decode_invalid_numbers(bit.band(choice, 1) == 0)
        json.decode_array_with_array_mt(bit.band(choice, 2) ~= 0)
        json.encode_sparse_array(bit.band(choice, 4) ~= 0, 2, 3)
        json.encode_number_precision(1 + bit.rshift(choice, 4) % 14)
        json.encode_invalid_numbers('null')
        json.encode_max_depth(200)
        json.decode_max_depth(200)
        local once = json.encode(json.decode(text))
        local again = json.encode(json.decode(once))
        -- The order of keys is the interpreter's own, so only what it cannot change is compared.
        return once, again
    end"#;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, text)) = bytes.split_first() else { return };
    let args = (i32::from(*choice), BString::from(text));
    match lua::call::<(BString, BString)>(SCRIPT, args) {
        // The largest numbers may be rounded to what reads as infinite.
        Ok((once, _)) if once.windows(5).any(|part| part == b"e+308") => {}
        Ok((once, again)) => assert_eq!(once.len(), again.len(), "{once} {again}"),
        Err(why) => {
            let known = ["Expected ", "Found too many", "JSON parser does not", "Cannot serialise"];
            assert!(known.iter().any(|text| why.contains(text)), "{why}");
        }
    }
});
