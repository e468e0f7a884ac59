//! Hashes that share the names of their fields, as Redis 8.10 writes them. Here each hash has its own.
//!
//! ```text
//!   record:         number of the template  number of fields  { field }
//!   of a dump:      a listpack of the template's number and the values; or that number, and the values as strings
//!   of a payload:   how the fields are written (0: as a listpack, 1: their number, and each as a string)  the fields
//!                   then the values in one of these two ways, of which the first has a number that means nothing
//! ```
//! Fields are in the order of their lengths, and of their bytes where these are the same.

use super::error::{Error, Flaw};
use super::hash::add;
use super::input::Input;
use super::{Scratch, kind, listpack};
use crate::base::map::Map;
use crate::data::Collection;
use crate::data::hash::Hash;
use crate::data::limits::PackedLimits;
use crate::data::string::Digits;
use std::io::Read;

/// The fields of each template that was met.
#[derive(Default)]
pub struct Templates(Map<u64, Vec<Vec<u8>>>);

const NONE: Flaw = Flaw("a hash template with zero fields");
const UNKNOWN: Flaw = Flaw("Invalid hash template ID");
const MISCOUNTED: Flaw = Flaw("a hash with another number of values than its template has fields");

impl Templates {
    /// Reads a record.
    pub fn read<R: Read>(&mut self, input: &mut Input<R>) -> Result<(), Error> {
        let number = input.len()?;
        let fields = plain_fields(input)?;
        match self.0.insert(number, fields) {
            Some(_) => Err(input.corrupt("Duplicate hash template ID")),
            None => Ok(()),
        }
    }
}

/// HASH_TEMPLATE_… in all four forms.
pub fn hash<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    code: u8,
    templates: Option<&Templates>,
    limits: PackedLimits,
) -> Result<Hash, Error> {
    let refers = matches!(code, kind::HASH_TEMPLATE_LISTPACK_REF | kind::HASH_TEMPLATE_ARRAY_REF);
    if refers != templates.is_some() {
        return Err(
            input.corrupt("hash templates are not valid in a DUMP payload, nor fields in a dump")
        );
    }
    let own = match refers {
        true => Vec::new(),
        false => fields(input)?,
    };
    let find = |number: u64| match templates {
        Some(templates) => templates.0.get(&number).ok_or(UNKNOWN),
        None => Ok(&own),
    };
    if matches!(code, kind::HASH_TEMPLATE_LISTPACK | kind::HASH_TEMPLATE_LISTPACK_REF) {
        input.string_into(&mut scratch.block)?;
        let read = || {
            let mut elements = listpack::elements(&scratch.block)?;
            let number = elements.int()?;
            let fields = find(number as u64)?;
            let bytes =
                scratch.block.len() + fields.iter().map(|field| field.len() + 2).sum::<usize>();
            let mut hash = Hash::empty_in(Vec::with_capacity(bytes));
            for field in fields {
                let value = elements.next().ok_or(MISCOUNTED)??;
                add(&mut hash, field, value.bytes(&mut Digits::new()), 0, limits)?;
            }
            match elements.next() {
                Some(_) => Err(MISCOUNTED),
                None => Ok(hash),
            }
        };
        return read().map_err(|flaw| input.flaw(flaw));
    }
    let number = if refers { input.len()? } else { 0 };
    let fields = find(number).map_err(|flaw| input.flaw(flaw))?;
    let mut hash = Hash::default();
    for field in fields {
        input.string_into(&mut scratch.item)?;
        add(&mut hash, field, &scratch.item, 0, limits).map_err(|flaw| input.flaw(flaw))?;
    }
    Ok(hash)
}

/// Fields that a payload brings itself.
fn fields<R: Read>(input: &mut Input<R>) -> Result<Vec<Vec<u8>>, Error> {
    match input.len()? {
        0 => {
            let block = input.string()?;
            let fields = listpack::elements(&block)
                .and_then(|elements| elements.map(|field| Ok(field?.to_vec())).collect())
                .and_then(ordered);
            fields.map_err(|flaw| input.flaw(flaw))
        }
        1 => plain_fields(input),
        _ => Err(input.corrupt("fields of a hash in a form that there is not")),
    }
}

fn plain_fields<R: Read>(input: &mut Input<R>) -> Result<Vec<Vec<u8>>, Error> {
    let mut fields = Vec::new();
    for _ in 0..input.len()? {
        fields.push(input.string()?);
    }
    ordered(fields).map_err(|flaw| input.flaw(flaw))
}

fn ordered(fields: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Flaw> {
    if fields.is_empty() {
        return Err(NONE);
    }
    if !fields.is_sorted_by(|one, other| (one.len(), one) < (other.len(), other)) {
        return Err(Flaw("hash template fields not strictly sorted"));
    }
    Ok(fields)
}
