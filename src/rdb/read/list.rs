//! Lists, in the forms that they have had.

use super::error::{Error, Flaw};
use super::input::Input;
use super::{Scratch, listpack, ziplist};
use crate::data::limits::ListLimits;
use crate::data::list::{End, List};
use crate::data::string::{Digits, Text};
use crate::rdb::codes::quicklist;
use std::io::Read;

/// LIST: items one after another.
pub fn plain<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &ListLimits,
) -> Result<List, Error> {
    let mut list = List::default();
    for _ in 0..input.len()? {
        input.string_into(&mut scratch.item)?;
        list.push(End::Right, std::iter::once(&*scratch.item), limits);
    }
    Ok(list)
}

/// LIST_ZIPLIST.
pub fn ziplist<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &ListLimits,
) -> Result<List, Error> {
    let mut list = List::default();
    push_ziplist(&mut list, input, scratch, limits)?;
    Ok(list)
}

/// LIST_QUICKLIST: ziplists one after another.
pub fn ziplists<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &ListLimits,
) -> Result<List, Error> {
    let mut list = List::default();
    for _ in 0..input.len()? {
        push_ziplist(&mut list, input, scratch, limits)?;
    }
    Ok(list)
}

/// LIST_QUICKLIST_2: listpacks, and single items that are too large for one.
pub fn listpacks<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &ListLimits,
) -> Result<List, Error> {
    let mut list = List::default();
    for _ in 0..input.len()? {
        let container = input.len()?;
        input.string_into(&mut scratch.block)?;
        match container {
            // Only what is large stands by itself.
            quicklist::PLAIN if !scratch.block.is_empty() => {
                list.push(End::Right, std::iter::once(&*scratch.block), limits);
            }
            quicklist::PACKED => listpack::elements(&scratch.block)
                .and_then(|elements| push(&mut list, elements, limits))
                .map_err(|flaw| input.flaw(flaw))?,
            _ => return Err(input.corrupt("Quicklist integrity check failed.")),
        }
    }
    Ok(list)
}

fn push_ziplist<R: Read>(
    list: &mut List,
    input: &mut Input<R>,
    scratch: &mut Scratch,
    limits: &ListLimits,
) -> Result<(), Error> {
    input.string_into(&mut scratch.block)?;
    let entries = ziplist::entries(&scratch.block);
    entries.and_then(|entries| push(list, entries, limits)).map_err(|flaw| input.flaw(flaw))
}

fn push<'a>(
    list: &mut List,
    items: impl Iterator<Item = Result<Text<'a>, Flaw>>,
    limits: &ListLimits,
) -> Result<(), Flaw> {
    let mut digits = Digits::new();
    for item in items {
        list.push(End::Right, std::iter::once(item?.bytes(&mut digits)), limits);
    }
    Ok(())
}
