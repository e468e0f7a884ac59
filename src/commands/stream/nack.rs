//! XNACK: a consumer gives back what it will not acknowledge, for others to claim at once.

use super::no_group;
use super::refs::{Ids, take_ids};
use crate::data::stream::{Pending, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};

/// What becomes of the number of deliveries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// This one does not count.
    Silent,
    Fail,
    /// It is as if there had been too many.
    Fatal,
}

const MOST: u64 = i64::MAX as u64;

pub fn xnack(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const BAD_COUNT: Error = Error::Say("ERR Invalid RETRYCOUNT option argument for XNACK");
    let (key, name) = (args.get(1), args.get(2));
    let mut words = args.after(2);
    let mode = if words.take_word(b"SILENT") {
        Mode::Silent
    } else if words.take_word(b"FAIL") {
        Mode::Fail
    } else if words.take_word(b"FATAL") {
        Mode::Fatal
    } else {
        return Err(Error::Syntax.into());
    };
    let (mut ids, mut count, mut force) = (None::<Ids>, None, false);
    while words.left() > 0 {
        if words.take_word(b"FORCE") {
            force = true;
        } else if words.left() > 1 && words.take_word(b"RETRYCOUNT") {
            let given = words.int().map_err(|_| BAD_COUNT)?;
            count = Some(u64::try_from(given).map_err(|_| BAD_COUNT)?);
        } else if !take_ids(&mut words, &mut ids)? {
            return Err(Error::Syntax.into());
        }
    }
    let ids = ids.ok_or(Error::Syntax)?;
    let stream = cx.edit::<Stream>(key)?.filter(|stream| stream.group(name).is_some());
    let mut stream = stream.ok_or_else(|| no_group(key, name, ""))?;
    let mut released = 0;
    for id in ids {
        let known = stream.group(name).and_then(|group| group.lookup(id)).map(Pending::count);
        let before = match known {
            Some(count) => count,
            None if force && stream.contains(id) => 0,
            None => continue,
        };
        let after = count.unwrap_or(match mode {
            Mode::Silent => before.saturating_sub(1),
            Mode::Fail => before,
            Mode::Fatal => MOST,
        });
        if let Some(group) = stream.group_mut(name) {
            group.put(Pending::new(id, None, 0, after));
            released += 1;
        }
    }
    // Who waits for something to claim wants to hear of it.
    stream.done_if(released > 0, Event::SILENT);
    out.int(released)
}
