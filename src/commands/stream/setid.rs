//! XSETID: what a stream remembers beside its entries, set as a whole.

use super::id;
use crate::data::Collection;
use crate::data::stream::{Id, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};

pub fn xsetid(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const NEGATIVE: Error = Error::Say("ERR entries_added must be positive");
    const BELOW_GIVEN: Error = Error::Say(
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    );
    const BELOW_DELETED: Error =
        Error::Say("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    const BELOW_TOP: Error =
        Error::Say("ERR The ID specified in XSETID is smaller than the target stream top item");
    const TOO_FEW: Error = Error::Say(
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
    );
    let last_id = id(args.get(2), 0)?;
    let (mut added, mut max_deleted) = (None, Id::MIN);
    let mut words = args.after(2);
    while words.left() > 0 {
        let is_followed = words.left() >= 2;
        if is_followed && words.take_word(b"ENTRIESADDED") {
            added = Some(u64::try_from(words.int()?).map_err(|_| NEGATIVE)?);
        } else if is_followed && words.take_word(b"MAXDELETEDID") {
            max_deleted = id(words.bytes()?, 0)?;
            if last_id < max_deleted {
                return Err(BELOW_GIVEN.into());
            }
        } else {
            return Err(Error::Syntax.into());
        }
    }
    let mut stream = cx.edit::<Stream>(args.get(1))?.ok_or(Error::NoSuchKey)?;
    if last_id < stream.max_deleted() {
        return Err(BELOW_DELETED.into());
    }
    if let Some(top) = stream.top_id() {
        if last_id < top {
            return Err(BELOW_TOP.into());
        }
        if added.is_some_and(|added| added < stream.len() as u64) {
            return Err(TOO_FEW.into());
        }
    }
    let max_deleted = (max_deleted != Id::MIN).then_some(max_deleted);
    stream.set_last_id(last_id, added, max_deleted);
    stream.done(Event::stream("xsetid"));
    out.ok()
}
