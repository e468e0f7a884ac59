//! Sets, in the forms that they have had.

use super::error::{Error, Flaw};
use super::input::Input;
use super::{Scratch, expected, intset, listpack};
use crate::data::limits::SetLimits;
use crate::data::set::Set;
use crate::data::string::Text;
use crate::data::{Collection, Small, SmallForm};
use std::io::Read;

const TWICE: Flaw = Flaw("Duplicate set members detected");

/// SET: members one after another.
pub fn plain<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &SetLimits,
) -> Result<Set, Error> {
    let mut set = Set::default();
    let count = input.len()?;
    for index in 0..count {
        input.string_into(&mut scratch.item)?;
        let member = Text::Bytes(&scratch.item);
        if index == 0 {
            set.begin_with(member, expected(input, count), limits);
        }
        if !set.insert(member, limits) {
            return Err(input.flaw(TWICE));
        }
    }
    Ok(set)
}

/// SET_INTSET.
pub fn intset<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &SetLimits,
) -> Result<Set, Error> {
    input.string_into(&mut scratch.block)?;
    let mut set = empty(SmallForm::Ints, scratch.block.len());
    let integers = intset::integers(&scratch.block).map_err(|flaw| input.flaw(flaw))?;
    set.expect(integers.size_hint().0, limits);
    for integer in integers {
        set.insert(Text::Int(integer.map_err(|flaw| input.flaw(flaw))?), limits);
    }
    Ok(set)
}

/// SET_LISTPACK.
pub fn packed<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &SetLimits,
) -> Result<Set, Error> {
    input.string_into(&mut scratch.block)?;
    let mut set = empty(SmallForm::Packed, scratch.block.len());
    let elements = listpack::elements(&scratch.block).map_err(|flaw| input.flaw(flaw))?;
    set.expect(elements.hint(), limits);
    for member in elements {
        let is_new = member.and_then(|member| match set.insert(member, limits) {
            true => Ok(()),
            false => Err(TWICE),
        });
        is_new.map_err(|flaw| input.flaw(flaw))?;
    }
    Ok(set)
}

/// A small set that will take about so many bytes.
fn empty(form: SmallForm, bytes: usize) -> Set {
    Set::of_small(Small::empty(form, Vec::with_capacity(bytes)))
}
