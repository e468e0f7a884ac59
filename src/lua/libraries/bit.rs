//! `bit`: operations on 32 bits, with signed results.
//!
//! A number is normalised by adding 2^52 + 2^51, which leaves its integer part in the lowest bits of the
//! double. That rounds halves to even and wraps round at 2^32, as scripts expect.

use super::args::Args;
use mlua::{Lua, MultiValue, Result, Table};

/// The table of this library.
pub fn open(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &str, function: fn(&Args) -> Result<i32>| {
        let call = move |lua: &Lua, values: MultiValue| function(&Args::new(lua, values));
        table.raw_set(name, lua.create_function(call)?)
    };
    add("tobit", |args| Ok(bits(args, 1)? as i32))?;
    add("bnot", |args| Ok(!bits(args, 1)? as i32))?;
    add("bswap", |args| Ok(bits(args, 1)?.swap_bytes() as i32))?;
    add("band", |args| fold(args, |left, right| left & right))?;
    add("bor", |args| fold(args, |left, right| left | right))?;
    add("bxor", |args| fold(args, |left, right| left ^ right))?;
    add("lshift", |args| shift(args, |bits, count| bits << count))?;
    add("rshift", |args| shift(args, |bits, count| bits >> count))?;
    add("arshift", |args| shift(args, |bits, count| (bits as i32 >> count) as u32))?;
    add("rol", |args| shift(args, u32::rotate_left))?;
    add("ror", |args| shift(args, u32::rotate_right))?;
    table.raw_set("tohex", lua.create_function(|lua, values| to_hex(&Args::new(lua, values)))?)?;
    Ok(table)
}

/// So many hexadecimal digits, the lowest; in capitals if the count is negative.
fn to_hex(args: &Args) -> Result<String> {
    let bits = bits(args, 1)?;
    let count = if args.len() < 2 { 8 } else { self::bits(args, 2)? as i32 };
    let len = count.unsigned_abs().min(8) as usize;
    let digits = if count < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
    Ok(digits[8 - len..].to_string())
}

/// The first argument is looked at first, and then the others from the last.
fn fold(args: &Args, combine: fn(u32, u32) -> u32) -> Result<i32> {
    let mut result = bits(args, 1)?;
    for number in (2..=args.len()).rev() {
        result = combine(result, bits(args, number)?);
    }
    Ok(result as i32)
}

fn shift(args: &Args, shift: fn(u32, u32) -> u32) -> Result<i32> {
    Ok(shift(bits(args, 1)?, bits(args, 2)? & 31) as i32)
}

fn bits(args: &Args, number: usize) -> Result<u32> {
    const NORMALISE: f64 = 6_755_399_441_055_744.0;
    Ok((args.number(number)? + NORMALISE).to_bits() as u32)
}

#[cfg(test)]
mod tests {
    use crate::lua::libraries::support::{fails, interpreter, run};

    #[test]
    fn numbers_are_normalised() {
        let lua = interpreter();
        for (call, result) in [
            ("tobit(2^32+5)", 5),
            ("tobit(2^31)", i32::MIN),
            ("tobit(2.5)", 2),
            ("tobit(3.5)", 4),
            ("tobit('0x10')", 16),
            ("bnot(0)", -1),
            ("bswap(1)", 0x0100_0000),
            ("band(0xff, 0x0f, 6)", 6),
            ("bor(1, 2, 4)", 7),
            ("bxor(5, 1)", 4),
            ("lshift(1, 33)", 2),
            ("rshift(-1, 28)", 15),
            ("arshift(-16, 2)", -4),
            ("rol(0x12345678, 12)", 0x4567_8123),
            ("ror(0x12345678, 12)", 0x6781_2345),
        ] {
            assert_eq!(run::<i32>(&lua, &format!("return bit.{call}")).unwrap(), result, "{call}");
        }
        let script = "local r = bit.band(1, nil, {}) return r";
        assert_eq!(fails(&lua, script), "bad argument #3 to 'band' (number expected, got table)");
        let script = "local r = bit.lshift(1) return r";
        assert_eq!(
            fails(&lua, script),
            "bad argument #2 to 'lshift' (number expected, got no value)"
        );
    }

    /// The count whose negative is itself.
    #[test]
    fn cve_2024_31449_tohex_of_the_smallest_count() {
        let lua = interpreter();
        for (call, result) in [
            ("65535, -2147483648", "0000FFFF"),
            ("65535", "0000ffff"),
            ("65535, 2", "ff"),
            ("-1, -3", "FFF"),
            ("1, 0", ""),
            ("1, 2147483647", "00000001"),
        ] {
            let script = format!("return bit.tohex({call})");
            assert_eq!(run::<String>(&lua, &script).unwrap(), result, "{call}");
        }
    }
}
