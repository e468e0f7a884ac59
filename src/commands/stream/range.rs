//! Entries by their ids: XLEN, XRANGE, XREVRANGE.

use super::{count, range_end, range_start, write_entry};
use crate::data::Collection;
use crate::data::stream::{Entry, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::{Args, Done, Reply};

pub fn xlen(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    match cx.read::<Stream>(args.get(1))? {
        Some(stream) => out.int(stream.len() as i64),
        None => out.int(0),
    }
}

pub fn xrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (start, end) = (range_start(args.get(2))?, range_end(args.get(3))?);
    let most = count_of(args)?;
    match cx.read::<Stream>(args.get(1))? {
        Some(stream) => write_some(stream.range(start, end), most, out),
        None => out.list(0).end(),
    }
}

pub fn xrevrange(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (start, end) = (range_start(args.get(3))?, range_end(args.get(2))?);
    let most = count_of(args)?;
    match cx.read::<Stream>(args.get(1))? {
        Some(stream) => write_some(stream.range_back(start, end), most, out),
        None => out.list(0).end(),
    }
}

fn count_of(args: Args) -> Result<u64, Error> {
    let mut words = args.after(3);
    let mut most = u64::MAX;
    while words.left() > 0 {
        if words.left() < 2 || !words.take_word(b"COUNT") {
            return Err(Error::Syntax);
        }
        most = count(&mut words)?;
    }
    Ok(most)
}

fn write_some<'a>(entries: impl Iterator<Item = Entry<'a>>, most: u64, out: Reply) -> Done {
    if most == 0 {
        return out.null_array();
    }
    let mut list = out.list_of_some();
    for entry in entries.take(usize::try_from(most).unwrap_or(usize::MAX)) {
        write_entry(&mut list, entry);
    }
    list.end()
}
