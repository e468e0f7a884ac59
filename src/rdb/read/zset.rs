//! Sorted sets, in the forms that they have had.

use super::error::{Error, Flaw};
use super::input::Input;
use super::{Scratch, listpack, ziplist};
use crate::base::numbers;
use crate::data::limits::PackedLimits;
use crate::data::string::{Digits, Text};
use crate::data::zset::{Added, Rule, ZSet};
use std::io::Read;

const TWICE: Flaw = Flaw("Duplicate zset fields detected");
const NAN: Flaw = Flaw("Zset with NAN score detected");
const NO_NUMBER: Flaw = Flaw("a score that is no number");
const TOO_MANY: Flaw = Flaw("a sorted set with too many members");
const ODD: Flaw = Flaw("a member of a sorted set without its score");

/// ZSET and ZSET_2: members one after another, each with its score, which is text or binary.
pub fn plain<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    is_binary: bool,
    limits: PackedLimits,
) -> Result<ZSet, Error> {
    let count = input.len()?;
    let mut set = ZSet::for_some(usize::try_from(count).unwrap_or(usize::MAX), 0, limits);
    for _ in 0..count {
        input.string_into(&mut scratch.item)?;
        let score = if is_binary { f64::from_bits(input.u64()?) } else { text_score(input)? };
        add(&mut set, &scratch.item, score, limits).map_err(|flaw| input.flaw(flaw))?;
    }
    Ok(set)
}

/// ZSET_ZIPLIST.
pub fn ziplist<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: PackedLimits,
) -> Result<ZSet, Error> {
    input.string_into(&mut scratch.block)?;
    let entries = ziplist::entries(&scratch.block);
    let set = entries.and_then(|entries| of_pairs(entries.hint(), entries, limits));
    set.map_err(|flaw| input.flaw(flaw))
}

/// ZSET_LISTPACK.
pub fn packed<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: PackedLimits,
) -> Result<ZSet, Error> {
    input.string_into(&mut scratch.block)?;
    let elements = listpack::elements(&scratch.block);
    let set = elements.and_then(|elements| of_pairs(elements.hint(), elements, limits));
    set.map_err(|flaw| input.flaw(flaw))
}

/// Members and scores in turn.
fn of_pairs<'a>(
    items: usize,
    mut elements: impl Iterator<Item = Result<Text<'a>, Flaw>>,
    limits: PackedLimits,
) -> Result<ZSet, Flaw> {
    let mut set = ZSet::for_some(items / 2, 0, limits);
    let mut digits = Digits::new();
    while let Some(member) = elements.next() {
        let member = member?;
        let score = match elements.next().ok_or(ODD)?? {
            Text::Int(score) => score as f64,
            Text::Bytes(text) => number(text)?,
        };
        add(&mut set, member.bytes(&mut digits), score, limits)?;
    }
    Ok(set)
}

fn add(set: &mut ZSet, member: &[u8], score: f64, limits: PackedLimits) -> Result<(), Flaw> {
    if score.is_nan() {
        return Err(NAN);
    }
    if !set.has_room_for(1) {
        return Err(TOO_MANY);
    }
    match set.add(member, score, Rule { new_only: true, ..Rule::default() }, limits) {
        Added::New(_) => Ok(()),
        _ => Err(TWICE),
    }
}

/// A score as text behind a byte that says how long it is, or stands for it.
fn text_score<R: Read>(input: &mut Input<R>) -> Result<f64, Error> {
    match input.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Err(input.flaw(NAN)),
        len => {
            let mut text = Vec::new();
            input.take(u64::from(len), &mut text)?;
            number(&text).map_err(|flaw| input.flaw(flaw))
        }
    }
}

fn number(text: &[u8]) -> Result<f64, Flaw> {
    match text {
        b"nan" | b"-nan" => Err(NAN),
        text => numbers::parse_f64(text).ok_or(NO_NUMBER),
    }
}
