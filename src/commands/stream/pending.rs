//! What was delivered and is not acknowledged: XACK, XPENDING.

use super::{id, no_group, range_end, range_start};
use crate::data::stream::{Group, Id, Pending, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, List, Reply};
use smallvec::SmallVec;

pub fn xack(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let name = args.get(2);
    let Some(mut stream) = cx.edit::<Stream>(args.get(1))? else { return out.int(0) };
    if stream.group(name).is_none() {
        return out.int(0);
    }
    // Nothing is acknowledged until all ids are known to be some.
    let ids = args.tail(3).iter().map(|text| id(text, 0));
    let ids = ids.collect::<Result<SmallVec<[Id; 8]>, Error>>()?;
    let mut acknowledged = 0;
    if let Some(group) = stream.group_mut(name) {
        acknowledged = ids.iter().filter(|id| group.remove(**id)).count();
    }
    stream.counts(acknowledged);
    match acknowledged {
        0 => stream.done_if(false, Event::SILENT),
        _ => stream.done_aside(Event::SILENT),
    }
    out.int(acknowledged as i64)
}

/// `[IDLE min-idle-time] start end count [consumer]`
struct Ask<'a> {
    idle_ms: i64,
    start: Id,
    end: Id,
    most: usize,
    consumer: Option<&'a [u8]>,
}

pub fn xpending(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, name, now_ms) = (args.get(1), args.get(2), cx.now.0);
    let ask = Ask::read(args)?;
    let stream = cx.read::<Stream>(key)?;
    let group = stream.as_ref().and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key, name, ""))?;
    let Some(ask) = ask else { return summary(group, out) };
    let owner = match ask.consumer {
        None => None,
        Some(consumer) => match group.find(consumer) {
            Some(owner) => Some(owner),
            None => return out.list(0).end(),
        },
    };
    let mut list = out.list_of_some();
    let mut write = |pending: &Pending| write_pending(&mut list, group, pending, now_ms);
    match owner {
        Some(owner) => ask.of(group.pending_of(owner, ask.start), now_ms).for_each(&mut write),
        None => ask.of(group.pending_from(ask.start), now_ms).for_each(&mut write),
    }
    list.end()
}

/// How much is pending, from which id to which, and of whom.
fn summary(group: &Group, out: Reply) -> Done {
    let mut list = out.list(4);
    list.int(group.pending() as i64);
    let (Some(first), Some(last)) = (group.first_pending(), group.last_pending()) else {
        list.null();
        list.null();
        list.null_array();
        return list.end();
    };
    list.bulk(&first.text());
    list.bulk(&last.text());
    let mut owners = list.list_of_some();
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending() > 0) {
        let mut pair = owners.list(2);
        pair.bulk(&consumer.name);
        pair.bulk(itoa::Buffer::new().format(consumer.pending()).as_bytes());
        pair.close();
    }
    owners.close();
    list.end()
}

fn write_pending(list: &mut List, group: &Group, pending: &Pending, now_ms: i64) {
    let mut parts = list.list(4);
    parts.bulk(&pending.id().text());
    match pending.owner() {
        Some(owner) => {
            parts.bulk(&group.consumer(owner).name);
            parts.int(pending.idle_ms(now_ms));
        }
        // It was given back.
        None => {
            parts.bulk(b"");
            parts.int(-1);
        }
    }
    parts.int(pending.count() as i64);
    parts.close();
}

impl<'a> Ask<'a> {
    fn read(args: Args<'a>) -> Result<Option<Ask<'a>>, Error> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(Error::Syntax);
        }
        let (mut words, mut idle_ms) = (args.after(2), 0);
        if words.take_word(b"IDLE") {
            idle_ms = words.int()?;
            if args.len() < 8 {
                return Err(Error::Syntax);
            }
        }
        let (start, end) = (words.bytes()?, words.bytes()?);
        let most = u64::try_from(words.int()?).unwrap_or(0);
        Ok(Some(Ask {
            idle_ms,
            start: range_start(start)?,
            end: range_end(end)?,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            // Whatever follows is not looked at.
            consumer: (words.left() > 0).then(|| words.bytes()).transpose()?,
        }))
    }

    fn of<'p>(
        &self,
        pending: impl Iterator<Item = &'p Pending>,
        now_ms: i64,
    ) -> impl Iterator<Item = &'p Pending> {
        let (end, idle_ms) = (self.end, self.idle_ms);
        pending
            .take_while(move |pending| pending.id() <= end)
            .filter(move |pending| pending.idle_ms(now_ms) >= idle_ms)
            .take(self.most)
    }
}
