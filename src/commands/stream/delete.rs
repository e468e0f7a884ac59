//! XDEL.

use super::id;
use crate::data::stream::{Id, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};
use smallvec::SmallVec;

const DELETED: Event = Event::stream("xdel");

pub fn xdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(mut stream) = cx.edit::<Stream>(args.get(1))? else { return out.int(0) };
    // Nothing is deleted until all ids are known to be some.
    let ids = args.tail(2).iter().map(|text| id(text, 0));
    let ids = ids.collect::<Result<SmallVec<[Id; 8]>, Error>>()?;
    let deleted = ids.iter().filter(|id| stream.delete(**id)).count();
    stream.done_if(deleted > 0, DELETED);
    out.int(deleted as i64)
}
