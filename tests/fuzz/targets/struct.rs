//! Any format on any data: what is unpacked is packed, and unpacks the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlua::BString;

mod lua;

const SCRIPT: &str = r#"
    return function(format, data, offset)
        pcall(struct.size, format)
        local function drop_last(...)
            local values = {...}
            values[#values] = nil
            return unpack(values)
        end
        local packed = struct.pack(format, drop_last(struct.unpack(format, data, offset)))
        return packed, struct.pack(format, drop_last(struct.unpack(format, packed)))
    end"#;

fuzz_target!(|bytes: &[u8]| {
    let [len, offset, rest @ ..] = bytes else { return };
    let (format, data) = rest.split_at((*len as usize).min(rest.len()));
    let args = (BString::from(format), BString::from(data), *offset as i8);
    match lua::call::<(BString, BString)>(SCRIPT, args) {
        Ok((once, again)) => {
            assert_eq!(once.len(), again.len());
            // The sign of an integer of more than eight bytes follows a rule of its own.
            assert!(format.contains(&b'i') || once == again);
        }
        Err(why) => {
            let known = [
                "data string too short",
                "offset must be 1 or greater",
                "integral size",
                "is not a power of 2",
                "invalid format option",
                "needs a previous size",
                "unfinished string in data",
                "has no fixed size",
                "string too short",
                "stack overflow",
                // A string that gave a later field its size is not there any more when that is packed.
                "expected, got",
            ];
            assert!(known.iter().any(|text| why.contains(text)), "{why}");
        }
    }
});
