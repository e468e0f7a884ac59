//! Hashes, in the forms that they have had, with and without deadlines of their fields.

use super::error::{Error, Flaw};
use super::input::Input;
use super::{Scratch, expected, listpack, ziplist, zipmap};
use crate::data::hash::Hash;
use crate::data::limits::PackedLimits;
use crate::data::string::{Digits, Text};
use crate::data::{Collection, Mortal};
use crate::world::Millis;
use std::io::Read;

const TWICE: Flaw = Flaw("Duplicate hash fields detected");
const ODD: Flaw = Flaw("a field of a hash without its value");
const TOO_LATE: Flaw = Flaw("invalid expireAt time");

/// Redis has 48 bits for the deadline of a field.
const DEADLINE_MAX: u64 = (1 << 48) - 1;
/// What stands for no deadline at all.
const NO_DEADLINE: u64 = 1 << 48;

/// How fields have deadlines where they stand one after another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deadlines {
    /// HASH.
    None,
    /// HASH_METADATA_PRE_GA.
    Absolute,
    /// HASH_METADATA.
    Relative,
    /// Valkey's HASH_2.
    Behind,
}

/// Fields one after another, each with its value, and perhaps its deadline.
pub fn plain<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    deadlines: Deadlines,
    limits: PackedLimits,
) -> Result<Hash, Error> {
    let earliest = match deadlines {
        Deadlines::Relative => input.u64()?,
        _ => 0,
    };
    if earliest > NO_DEADLINE {
        return Err(input.corrupt("Hash read invalid minExpire value"));
    }
    let count = input.len()?;
    let mut hash = Hash::default();
    hash.expect(expected(input, count), limits);
    for _ in 0..count {
        let mut deadline = match deadlines {
            Deadlines::Absolute => input.len()?,
            Deadlines::Relative => match input.len()? {
                0 => 0,
                later => {
                    let deadline = (later - 1).checked_add(earliest);
                    deadline.ok_or_else(|| input.flaw(TOO_LATE))?
                }
            },
            _ => 0,
        };
        if deadline > DEADLINE_MAX {
            return Err(input.flaw(TOO_LATE));
        }
        input.string_into(&mut scratch.item)?;
        input.string_into(&mut scratch.block)?;
        if deadlines == Deadlines::Behind {
            deadline = u64::try_from(input.i64()?).unwrap_or(0);
        }
        add(&mut hash, &scratch.item, &scratch.block, deadline as i64, limits)
            .map_err(|flaw| input.flaw(flaw))?;
    }
    Ok(hash)
}

/// HASH_ZIPMAP.
pub fn zipmap<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: PackedLimits,
) -> Result<Hash, Error> {
    input.string_into(&mut scratch.block)?;
    let mut hash = Hash::empty_in(Vec::with_capacity(scratch.block.len()));
    let entries = zipmap::entries(&scratch.block).map_err(|flaw| input.flaw(flaw))?;
    for entry in entries {
        entry
            .and_then(|(field, value)| add(&mut hash, field, value, 0, limits))
            .map_err(|flaw| input.flaw(flaw))?;
    }
    Ok(hash)
}

/// HASH_ZIPLIST.
pub fn ziplist<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: PackedLimits,
) -> Result<Hash, Error> {
    input.string_into(&mut scratch.block)?;
    let bytes = scratch.block.len();
    let entries = ziplist::entries(&scratch.block);
    let hash =
        entries.and_then(|entries| of_items(bytes, entries.hint() / 2, entries, false, limits));
    hash.map_err(|flaw| input.flaw(flaw))
}

/// HASH_LISTPACK, and HASH_LISTPACK_EX, where each field has its deadline behind its value; before that one
/// the earliest deadline stands, but for HASH_LISTPACK_EX_PRE_GA.
pub fn packed<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    is_mortal: bool,
    has_earliest: bool,
    limits: PackedLimits,
) -> Result<Hash, Error> {
    if has_earliest {
        input.u64()?;
    }
    input.string_into(&mut scratch.block)?;
    let bytes = scratch.block.len();
    let apiece = if is_mortal { 3 } else { 2 };
    let hash = listpack::elements(&scratch.block).and_then(|elements| {
        of_items(bytes, elements.hint() / apiece, elements, is_mortal, limits)
    });
    hash.map_err(|flaw| input.flaw(flaw))
}

/// Fields and values in turn, and perhaps deadlines.
fn of_items<'a>(
    bytes: usize,
    count: usize,
    mut items: impl Iterator<Item = Result<Text<'a>, Flaw>>,
    is_mortal: bool,
    limits: PackedLimits,
) -> Result<Hash, Flaw> {
    let mut hash = Hash::empty_in(Vec::with_capacity(bytes));
    hash.expect(count, limits);
    let (mut field_digits, mut value_digits) = (Digits::new(), Digits::new());
    let mut before = None;
    while let Some(field) = items.next() {
        let field = field?;
        let value = items.next().ok_or(ODD)??;
        let deadline = match is_mortal {
            true => items.next().ok_or(ODD)??.as_int().ok_or(TOO_LATE)?,
            false => 0,
        };
        if u64::try_from(deadline).is_ok_and(|deadline| deadline > DEADLINE_MAX) || deadline < 0 {
            return Err(TOO_LATE);
        }
        // Those without one come last.
        let rank = (deadline == 0, deadline);
        if before.replace(rank).is_some_and(|before| before > rank) {
            return Err(Flaw("a hash whose fields are not in the order of their deadlines"));
        }
        let field = field.bytes(&mut field_digits);
        add(&mut hash, field, value.bytes(&mut value_digits), deadline, limits)?;
    }
    Ok(hash)
}

/// Adds a field, which has no deadline where that is zero.
pub fn add(
    hash: &mut Hash,
    field: &[u8],
    value: &[u8],
    deadline: i64,
    limits: PackedLimits,
) -> Result<(), Flaw> {
    if !hash.set(field, value, limits) {
        return Err(TWICE);
    }
    if deadline != 0 {
        hash.set_deadline(field, Some(Millis(deadline)), limits.seed);
    }
    Ok(())
}
