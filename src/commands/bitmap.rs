//! Bitmaps: strings whose bits are counted, searched, combined, and read as integers.

use super::string::put_bytes;
use crate::base::numbers;
use crate::data::bits::{self, BitRange, Field, Operation, Overflow};
use crate::data::string::{Digits, Text};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Str};
use crate::resp::{Args, Cursor, Done, List, Reply, Word};
use crate::spec::{
    Access, C_BITMAP, DENYOOM, FAST, Group, K_ACCESS, K_UPDATE, K_VARIABLE_FLAGS, block, integer,
    key, key_at, keys_from, one_of, string, token,
};
use std::ops::Range;

pub const FAMILY: Family = Family {
    group: Group::Bitmap,
    commands: &[
        write("SETBIT", setbit)
            .arity(4)
            .flags(DENYOOM)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Sets or clears a bit of a string, which grows if need be.")
            .args(&[key("key"), integer("offset"), integer("value")]),
        read("GETBIT", getbit)
            .arity(3)
            .flags(FAST)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Returns a bit of a string.")
            .args(&[key("key"), integer("offset")]),
        read("BITCOUNT", bitcount)
            .arity(-2)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.6.0")
            .complexity("O(N)")
            .summary("Counts the bits that are set in a string, or in a part of it.")
            .args(&[
                key("key"),
                block(
                    "range",
                    &[
                        integer("start"),
                        integer("end"),
                        one_of("unit", &[token("BYTE"), token("BIT")]).optional().since("7.0.0"),
                    ],
                )
                .optional(),
            ]),
        read("BITPOS", bitpos)
            .arity(-3)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("2.8.7")
            .complexity("O(N)")
            .summary("Finds the first bit of a string that is set, or clear.")
            .args(&[
                key("key"),
                integer("bit"),
                block(
                    "range",
                    &[
                        integer("start"),
                        block(
                            "end-unit-block",
                            &[
                                integer("end"),
                                one_of("unit", &[token("BYTE"), token("BIT")])
                                    .optional()
                                    .since("7.0.0"),
                            ],
                        )
                        .optional(),
                    ],
                )
                .optional(),
            ]),
        write("BITOP", bitop)
            .arity(-4)
            .flags(DENYOOM)
            .categories(C_BITMAP)
            .keys(&[
                key_at(2, Access::Overwrite, K_UPDATE),
                keys_from(3, -1, 1, Access::ReadOnly, K_ACCESS),
            ])
            .since("2.6.0")
            .complexity("O(N)")
            .summary("Combines strings bit by bit and stores the result.")
            .args(&[
                one_of(
                    "operation",
                    &[
                        token("AND"),
                        token("OR"),
                        token("XOR"),
                        token("NOT"),
                        token("DIFF").since("8.2.0"),
                        token("DIFF1").since("8.2.0"),
                        token("ANDOR").since("8.2.0"),
                        token("ONE").since("8.2.0"),
                    ],
                ),
                key("destkey"),
                key("key").repeats(),
            ]),
        write("BITFIELD", bitfield)
            .arity(-2)
            .flags(DENYOOM)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE | K_VARIABLE_FLAGS)])
            .since("3.2.0")
            .complexity("O(1) for each operation.")
            .summary("Reads, sets and increments integers of any width in a string.")
            .args(&[
                key("key"),
                one_of(
                    "operation",
                    &[
                        block("get-block", &[string("encoding"), integer("offset")]).after("GET"),
                        block(
                            "write",
                            &[
                                one_of(
                                    "overflow-block",
                                    &[token("WRAP"), token("SAT"), token("FAIL")],
                                )
                                .after("OVERFLOW")
                                .optional(),
                                one_of(
                                    "write-operation",
                                    &[
                                        block(
                                            "set-block",
                                            &[
                                                string("encoding"),
                                                integer("offset"),
                                                integer("value"),
                                            ],
                                        )
                                        .after("SET"),
                                        block(
                                            "incrby-block",
                                            &[
                                                string("encoding"),
                                                integer("offset"),
                                                integer("increment"),
                                            ],
                                        )
                                        .after("INCRBY"),
                                    ],
                                ),
                            ],
                        ),
                    ],
                )
                .optional()
                .repeats(),
            ]),
        read("BITFIELD_RO", bitfield_ro)
            .arity(-2)
            .flags(FAST)
            .categories(C_BITMAP)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.0.0")
            .complexity("O(1) for each operation.")
            .summary("Reads integers of any width from a string.")
            .args(&[
                key("key"),
                block("get-block", &[string("encoding"), integer("offset")])
                    .after("GET")
                    .optional()
                    .repeats_token(),
            ]),
    ],
};

const BAD_OFFSET: Error = Error::Say("ERR bit offset is not an integer or out of range");
const BAD_BIT: Error = Error::Say("ERR bit is not an integer or out of range");

// ── single bits ─────────────────────────────────────────────────────────────────────────────

fn setbit(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let at = bit_offset(cx, args.get(2), None)?;
    let bit = match args.after(2).int() {
        Ok(bit @ 0..=1) => bit == 1,
        _ => return Err(BAD_BIT.into()),
    };
    let needed = (at / 8) as usize + 1;
    let Some(mut edit) = cx.edit::<Str>(key)? else {
        let mut bytes = vec![0; needed];
        bits::set(&mut bytes, at, bit);
        put_bytes(cx, key, bytes, Event::string("setbit"));
        return out.int(0);
    };
    let (len, before) = {
        let mut digits = Digits::new();
        let view = edit.view();
        let bytes = view.bytes(&mut digits);
        (bytes.len(), bits::get(bytes, at))
    };
    if needed > len {
        edit.grow(needed);
    }
    // Even where the bit stays what it is, the string is one that is changed in place.
    bits::set(edit.bytes_mut(needed - 1..needed), at % 8, bit);
    edit.done_if(needed > len || before != bit, Event::string("setbit"));
    out.int(before as i64)
}

fn getbit(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let at = bit_offset(cx, args.get(2), None)?;
    let text = cx.read::<Str>(args.get(1))?;
    let bit = text.is_some_and(|text| bits::get(text.bytes(&mut Digits::new()), at));
    out.int(bit as i64)
}

/// Reads an offset. In `#n` form, which only fields know, it counts fields of this width.
fn bit_offset(cx: &Ctx, text: &[u8], width: Option<u32>) -> Result<u64, Error> {
    let at = match (text, width) {
        ([b'#', number @ ..], Some(width)) => {
            numbers::parse_i64(number).and_then(|number| number.checked_mul(width.into()))
        }
        _ => numbers::parse_i64(text),
    };
    at.and_then(|at| u64::try_from(at).ok())
        .filter(|at| at / 8 < cx.limits.string_bytes_max)
        .ok_or(BAD_OFFSET)
}

// ── ranges ──────────────────────────────────────────────────────────────────────────────────

/// The unit in which a range is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

fn bitcount(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let range = match args.len() {
        2 => None,
        4 | 5 => {
            let mut words = args.after(1);
            Some((words.int()?, words.int()?, unit(&mut words)?))
        }
        _ => return Err(Error::Syntax.into()),
    };
    let Some(text) = cx.read::<Str>(args.get(1))? else { return out.int(0) };
    let mut digits = Digits::new();
    let bytes = text.bytes(&mut digits);
    let count = match range {
        None => bits::count(bytes),
        // Two ends before the beginning would both be moved to it, and meet there.
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0,
        Some((start, end, unit)) => {
            bit_range(bytes, start, end, unit).map_or(0, |range| bits::count_in(bytes, range))
        }
    };
    out.int(count as i64)
}

fn bitpos(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut words = args.after(1);
    let bit = match words.int()? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(Error::Say("ERR The bit argument must be 1 or 0.").into()),
    };
    if args.len() > 6 {
        return Err(Error::Syntax.into());
    }
    let start = if args.len() > 3 { words.int()? } else { 0 };
    // The unit is looked at before the end is.
    let unit = if args.len() > 5 { unit(&mut args.after(4))? } else { Unit::Byte };
    let end = if args.len() > 4 { Some(words.int()?) } else { None };

    let Some(text) = cx.read::<Str>(args.get(1))? else {
        return out.int(if bit { -1 } else { 0 });
    };
    let mut digits = Digits::new();
    let bytes = text.bytes(&mut digits);
    let Some(range) = bit_range(bytes, start, end.unwrap_or(-1), unit) else { return out.int(-1) };
    let found = match bits::find(bytes, range, bit) {
        Some(at) => at as i64,
        // Without an end the string goes on for ever, with zeros.
        None if !bit && end.is_none() => bytes.len() as i64 * 8,
        None => -1,
    };
    out.int(found)
}

fn unit(words: &mut Cursor) -> Result<Unit, Error> {
    let unit = if words.left() == 0 || words.take_word(b"BYTE") {
        Unit::Byte
    } else if words.take_word(b"BIT") {
        Unit::Bit
    } else {
        return Err(Error::Syntax);
    };
    Ok(unit)
}

/// The bits from `start` to `end`, both included; negative numbers count from the end. `None` if
/// there are none.
fn bit_range(bytes: &[u8], start: i64, end: i64, unit: Unit) -> Option<BitRange> {
    let len = bytes.len() as i64 * if unit == Unit::Bit { 8 } else { 1 };
    let place = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end {
        return None;
    }
    let (start, end) = (start as u64, end as u64);
    Some(match unit {
        Unit::Bit => BitRange { first: start, last: end },
        Unit::Byte => BitRange { first: start * 8, last: end * 8 + 7 },
    })
}

// ── whole strings ───────────────────────────────────────────────────────────────────────────

fn bitop(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (operation, name) = match &*Word::new(args.get(1)) {
        b"AND" => (Operation::And, "AND"),
        b"OR" => (Operation::Or, "OR"),
        b"XOR" => (Operation::Xor, "XOR"),
        b"NOT" => (Operation::Not, "NOT"),
        b"DIFF" => (Operation::Diff, "DIFF"),
        b"DIFF1" => (Operation::Diff1, "DIFF1"),
        b"ANDOR" => (Operation::AndOr, "ANDOR"),
        b"ONE" => (Operation::One, "ONE"),
        _ => return Err(Error::Syntax.into()),
    };
    let (target, keys) = (args.get(2), args.tail(3));
    match operation {
        Operation::Not if keys.len() != 1 => {
            let text = "ERR BITOP NOT must be called with a single source key.";
            return Err(Error::Say(text).into());
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr if keys.len() < 2 => {
            let text = format!("ERR BITOP {name} must be called with at least two source keys.");
            return Err(Error::text(text).into());
        }
        _ => (),
    }
    for key in keys.iter() {
        cx.keyspace.touch(cx.db, key);
    }
    let texts: Vec<Option<Text>> =
        keys.iter().map(|key| cx.keyspace.peek::<Str>(cx.db, key)).collect::<Result<_, _>>()?;
    let mut digits = vec![Digits::new(); texts.len()];
    let sources: Vec<&[u8]> = texts
        .iter()
        .zip(&mut digits)
        .map(|(text, digits)| text.as_ref().map_or(&[][..], |text| text.bytes(digits)))
        .collect();
    let result = bits::combine(operation, &sources);
    let len = result.len();
    if len > 0 {
        put_bytes(cx, target, result, Event::string("set"));
    } else {
        cx.remove(target);
    }
    out.int(len as i64)
}

// ── fields ──────────────────────────────────────────────────────────────────────────────────

/// One step of BITFIELD.
struct Step {
    field: Field,
    at: u64,
    act: Act,
}

impl Step {
    /// The bytes that the field lies in.
    fn bytes(&self) -> Range<usize> {
        (self.at / 8) as usize..self.field.bytes_needed(self.at) as usize
    }
}

enum Act {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

fn bitfield(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let steps = steps(cx, args)?;
    let Some(needed) = bytes_written(&steps) else { return answer_gets(cx, key, &steps, out) };
    let Some(mut edit) = cx.edit::<Str>(key)? else {
        let mut bytes = vec![0; needed];
        let mut list = out.list(steps.len());
        run(&steps, &mut bytes, &mut list);
        put_bytes(cx, key, bytes, Event::string("setbit"));
        return list.end();
    };
    let mut list = out.list(steps.len());
    // Growth is a change even where every step fails.
    let grows = needed > edit.view().len();
    if grows {
        edit.grow(needed);
    }
    let written = writes(&steps).map(Step::bytes);
    let changed = run(&steps, edit.all_bytes_mut(written), &mut list);
    edit.done_if(grows || changed, Event::string("setbit"));
    list.end()
}

fn bitfield_ro(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let steps = steps(cx, args)?;
    if bytes_written(&steps).is_some() {
        return Err(Error::Say("ERR BITFIELD_RO only supports the GET subcommand").into());
    }
    answer_gets(cx, args.get(1), &steps, out)
}

fn steps(cx: &Ctx, args: Args) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut words = args.after(1);
    while let Some(word) = words.word() {
        words.skip();
        // A step that is cut short is a syntax error before any of its words is looked at.
        let operands = match &*word {
            b"GET" => 2,
            b"SET" | b"INCRBY" => 3,
            b"OVERFLOW" => 1,
            _ => return Err(Error::Syntax),
        };
        if words.left() < operands {
            return Err(Error::Syntax);
        }
        if &*word == b"OVERFLOW" {
            overflow = match &*Word::new(words.bytes()?) {
                b"WRAP" => Overflow::Wrap,
                b"SAT" => Overflow::Saturate,
                b"FAIL" => Overflow::Fail,
                _ => return Err(Error::Say("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        let field = field(words.bytes()?)?;
        let at = bit_offset(cx, words.bytes()?, Some(field.bits))?;
        let act = match &*word {
            b"GET" => Act::Get,
            b"SET" => Act::Set(words.int()?, overflow),
            _ => Act::Add(words.int()?, overflow),
        };
        steps.push(Step { field, at, act });
    }
    Ok(steps)
}

/// Reads a type such as `i16` or `u8`.
fn field(text: &[u8]) -> Result<Field, Error> {
    let (signed, bits) = match text {
        [b'i', bits @ ..] => (true, bits),
        [b'u', bits @ ..] => (false, bits),
        _ => (false, &[][..]),
    };
    let most = if signed { 64 } else { 63 };
    match numbers::parse_i64(bits) {
        Some(bits) if (1..=most).contains(&bits) => Ok(Field { signed, bits: bits as u32 }),
        _ => Err(Error::Say(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
             but i64 is.",
        )),
    }
}

/// The length a string must have for all writes; `None` if there is no write.
fn bytes_written(steps: &[Step]) -> Option<usize> {
    writes(steps).map(|step| step.bytes().end).max()
}

fn writes(steps: &[Step]) -> impl Iterator<Item = &Step> {
    steps.iter().filter(|step| !matches!(step.act, Act::Get))
}

fn answer_gets(cx: &mut Ctx, key: &[u8], steps: &[Step], out: Reply) -> Done {
    let text = cx.read::<Str>(key)?;
    let mut digits = Digits::new();
    let bytes = text.as_ref().map_or(&[][..], |text| text.bytes(&mut digits));
    let mut list = out.list(steps.len());
    for step in steps {
        list.int(step.field.read(bytes, step.at));
    }
    list.end()
}

/// Runs the steps one after the other; says whether a value is not what it was.
fn run(steps: &[Step], bytes: &mut [u8], list: &mut List) -> bool {
    let mut changed = false;
    for Step { field, at, act } in steps {
        let before = field.read(bytes, *at);
        let (after, answers_before) = match *act {
            Act::Get => {
                list.int(before);
                continue;
            }
            // A negative number is too large for a field without a sign, not too small.
            Act::Set(value, overflow) if !field.signed => {
                (field.fit(i128::from(value as u64), overflow), true)
            }
            Act::Set(value, overflow) => (field.fit(value.into(), overflow), true),
            Act::Add(step, overflow) => {
                (field.fit(i128::from(before) + i128::from(step), overflow), false)
            }
        };
        match after {
            None => list.null(),
            Some(after) => {
                field.write(bytes, *at, after);
                changed |= after != before;
                list.int(if answers_before { before } else { after });
            }
        }
    }
    changed
}
