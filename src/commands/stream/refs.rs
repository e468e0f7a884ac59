//! What becomes of the groups' references to entries that are deleted, and lists of ids: what XDELEX,
//! XACKDEL and XNACK share with each other, and with trimming.

use super::id;
use crate::data::stream::{Id, Refs};
use crate::error::Error;
use crate::resp::Cursor;
use smallvec::SmallVec;

pub type Ids = SmallVec<[Id; 8]>;

/// Takes the next word if it is one of the three; there may be one of them.
pub fn take_refs(words: &mut Cursor, refs: &mut Option<Refs>) -> Result<bool, Error> {
    let found = if words.take_word(b"KEEPREF") {
        Refs::Keep
    } else if words.take_word(b"DELREF") {
        Refs::Drop
    } else if words.take_word(b"ACKED") {
        Refs::Acked
    } else {
        return Ok(false);
    };
    match refs.replace(found) {
        None => Ok(true),
        Some(_) => Err(Error::Syntax),
    }
}

/// Takes `IDS numids id [id …]`, if that is next.
pub fn take_ids(words: &mut Cursor, ids: &mut Option<Ids>) -> Result<bool, Error> {
    const BAD_NUMBER: Error = Error::Say("ERR Number of IDs must be a positive integer");
    const TOO_FEW: Error =
        Error::Say("ERR The `numids` parameter must match the number of arguments");
    if !words.take_word(b"IDS") {
        return Ok(false);
    }
    let number = words.int().map_err(|_| BAD_NUMBER)?;
    let number = usize::try_from(number).ok().filter(|number| *number > 0).ok_or(BAD_NUMBER)?;
    if number > words.left() {
        return Err(TOO_FEW);
    }
    let mut found = Ids::new();
    for _ in 0..number {
        found.push(id(words.bytes()?, 0)?);
    }
    match ids.replace(found) {
        None => Ok(true),
        Some(_) => Err(Error::Syntax),
    }
}

/// The word that names it, for the log.
pub fn name_of(refs: Refs) -> &'static [u8] {
    match refs {
        Refs::Keep => b"KEEPREF",
        Refs::Drop => b"DELREF",
        Refs::Acked => b"ACKED",
    }
}
