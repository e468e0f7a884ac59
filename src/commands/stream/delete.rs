//! Entries are deleted by their ids: XDEL, XDELEX; and acknowledged with that: XACKDEL.

use super::id;
use super::refs::{Ids, take_ids, take_refs};
use crate::data::stream::{Id, Refs, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::{Edit, Event};
use crate::resp::{Args, Done, Reply};

const DELETED: Event = Event::stream("xdel");

/// What is answered for each id.
const NOT_THERE: i64 = -1;
const DONE: i64 = 1;
/// Somebody has not read it, or not acknowledged it.
const NEEDED: i64 = 2;

pub fn xdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let Some(mut stream) = cx.edit::<Stream>(args.get(1))? else { return out.int(0) };
    // Nothing is deleted until all ids are known to be some.
    let ids = args.tail(2).iter().map(|text| id(text, 0));
    let ids = ids.collect::<Result<Ids, Error>>()?;
    let deleted = ids.iter().filter(|id| stream.delete(**id)).count();
    stream.counts(deleted);
    stream.done_if(deleted > 0, DELETED);
    out.int(deleted as i64)
}

pub fn xdelex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (refs, ids) = words_after(args, 1)?;
    let Some(mut stream) = cx.edit::<Stream>(args.get(1))? else {
        return write_codes(out, ids.iter().map(|_| NOT_THERE));
    };
    let mut work = Work::default();
    let mut codes = Vec::with_capacity(ids.len());
    for id in ids {
        codes.push(match refs {
            Refs::Acked if !stream.contains(id) => NOT_THERE,
            // Where there is no group, nobody has acknowledged anything.
            Refs::Acked if stream.group_count() == 0 || stream.is_awaited(id) => NEEDED,
            _ if work.delete(&mut stream, id, refs) => DONE,
            _ => NOT_THERE,
        });
    }
    work.end(stream);
    write_codes(out, codes.into_iter())
}

pub fn xackdel(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let name = args.get(2);
    let (refs, ids) = words_after(args, 2)?;
    let stream = cx.edit::<Stream>(args.get(1))?;
    let Some(mut stream) = stream.filter(|stream| stream.group(name).is_some()) else {
        return write_codes(out, ids.iter().map(|_| NOT_THERE));
    };
    let mut work = Work::default();
    let mut codes = Vec::with_capacity(ids.len());
    for id in ids {
        if !stream.group_mut(name).is_some_and(|group| group.remove(id)) {
            codes.push(NOT_THERE);
            continue;
        }
        work.released = true;
        if refs == Refs::Acked && stream.is_awaited(id) {
            codes.push(NEEDED);
            continue;
        }
        // It may have been deleted before; then all that was left of it was this reference.
        work.delete(&mut stream, id, refs);
        codes.push(DONE);
    }
    work.end(stream);
    write_codes(out, codes.into_iter())
}

/// What was done so far.
#[derive(Default)]
struct Work {
    deleted: bool,
    /// A reference went.
    released: bool,
}

impl Work {
    /// Says whether there was such an entry.
    fn delete(&mut self, stream: &mut Stream, id: Id, refs: Refs) -> bool {
        if refs == Refs::Drop {
            self.released |= stream.forget(id);
        }
        let was_there = stream.delete(id);
        self.deleted |= was_there;
        was_there
    }

    fn end(self, stream: Edit<Stream>) {
        match self {
            Work { deleted: true, .. } => stream.done(DELETED),
            Work { released: true, .. } => stream.done_aside(Event::SILENT),
            _ => stream.done_if(false, DELETED),
        }
    }
}

/// `[KEEPREF|DELREF|ACKED] IDS numids id [id …]`
fn words_after(args: Args, index: usize) -> Result<(Refs, Ids), Error> {
    let mut words = args.after(index);
    let (mut refs, mut ids) = (None, None);
    while words.left() > 0 {
        if !take_refs(&mut words, &mut refs)? && !take_ids(&mut words, &mut ids)? {
            return Err(Error::Syntax);
        }
    }
    Ok((refs.unwrap_or(Refs::Keep), ids.ok_or(Error::Syntax)?))
}

fn write_codes(out: Reply, codes: impl ExactSizeIterator<Item = i64>) -> Done {
    let mut list = out.list(codes.len());
    codes.for_each(|code| list.int(code));
    list.end()
}
