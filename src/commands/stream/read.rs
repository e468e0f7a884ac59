//! XREAD: what came after an id, in some streams, or what comes next.

use super::{id, write_entry};
use crate::commands::waiting::{self, wait_with};
use crate::data::Type;
use crate::data::stream::{Id, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::resp::{Args, ArgsBuf, Done, Proto, Reply};
use smallvec::SmallVec;

/// What follows the name of the command.
struct Ask<'a> {
    most: usize,
    /// How long to wait, if at all.
    block: Option<Option<u64>>,
    keys: Args<'a>,
    ids: Args<'a>,
}

/// From where a stream is read.
#[derive(Clone, Copy)]
enum From {
    After(Id),
    /// Whatever entry is the last one.
    Last,
}

pub fn xread(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let ask = Ask::read(cx, args)?;
    let mut froms = SmallVec::<[From; 4]>::new();
    for (key, text) in ask.keys.iter().zip(ask.ids.iter()) {
        let stream = cx.read::<Stream>(key)?;
        froms.push(match text {
            b"$" => From::After(stream.map_or(Id::MIN, |stream| stream.last_id())),
            b"+" => From::Last,
            b">" => return Err(NOT_IN_XREAD.into()),
            _ => From::After(id(text, 0)?),
        });
    }
    // Whether there is anything must be known before the answer begins.
    let mut any = false;
    for (key, from) in ask.keys.iter().zip(&froms) {
        let stream = cx.peek::<Stream>(key)?;
        any |= stream.is_some_and(|stream| from.has_more(&stream));
    }
    if !any {
        return match ask.block {
            None => out.null_array(),
            Some(timeout_us) => {
                let line = ask.resolved(args, &froms);
                wait_with(line, Type::Stream, ask.keys, timeout_us)
            }
        };
    }
    let proto = out.proto();
    let mut list = match proto {
        Proto::Resp3 => out.map_of_some(),
        Proto::Resp2 => out.list_of_some(),
    };
    for (key, from) in ask.keys.iter().zip(&froms) {
        let Some(stream) = cx.peek::<Stream>(key)? else { continue };
        if !from.has_more(&stream) {
            continue;
        }
        let (start, most) = match *from {
            From::After(id) => (id.next(), ask.most),
            From::Last => (stream.top_id(), 1),
        };
        let entries = start.into_iter().flat_map(|start| stream.range(start, Id::MAX)).take(most);
        if proto == Proto::Resp3 {
            list.bulk(key);
            let mut items = list.list_of_some();
            entries.for_each(|entry| write_entry(&mut items, entry));
            items.close();
        } else {
            let mut pair = list.list(2);
            pair.bulk(key);
            let mut items = pair.list_of_some();
            entries.for_each(|entry| write_entry(&mut items, entry));
            items.close();
            pair.close();
        }
    }
    list.end()
}

const NOT_IN_XREAD: Error = Error::Say(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
     option.",
);

impl<'a> Ask<'a> {
    fn read(cx: &Ctx, args: Args<'a>) -> Result<Ask<'a>, Error> {
        let mut words = args.after(0);
        let (mut most, mut block) = (usize::MAX, None);
        while let Some(word) = words.word() {
            words.skip();
            let is_followed = words.left() > 0;
            match &*word {
                b"BLOCK" if is_followed => block = Some(waiting::timeout_ms(cx, words.bytes()?)?),
                b"COUNT" if is_followed => {
                    most = match super::count(&mut words)? {
                        0 => usize::MAX,
                        count => usize::try_from(count).unwrap_or(usize::MAX),
                    };
                }
                b"STREAMS" if is_followed => {
                    let rest = args.tail(words.index());
                    if !rest.len().is_multiple_of(2) {
                        return Err(Error::Say(
                            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, \
                             '+', or '$' must be specified.",
                        ));
                    }
                    let half = rest.len() / 2;
                    return Ok(Ask { most, block, keys: rest.head(half), ids: rest.tail(half) });
                }
                b"GROUP" if words.left() > 1 => {
                    return Err(Error::Say(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD \
                         instead.",
                    ));
                }
                b"NOACK" => {
                    return Err(Error::Say(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD \
                         instead.",
                    ));
                }
                _ => return Err(Error::Syntax),
            }
        }
        Err(Error::Syntax)
    }

    /// The command line for the next time: `$` is what it was when waiting began.
    fn resolved(&self, args: Args, froms: &[From]) -> ArgsBuf {
        let mut line = ArgsBuf::default();
        args.head(args.len() - self.ids.len()).iter().for_each(|word| line.push(word));
        for (text, from) in self.ids.iter().zip(froms) {
            match from {
                From::After(id) => line.push(&id.text()),
                From::Last => line.push(text),
            }
        }
        line
    }
}

impl From {
    fn has_more(self, stream: &Stream) -> bool {
        let last = stream.top_id();
        match self {
            From::After(id) => last.is_some_and(|last| last > id),
            From::Last => last.is_some(),
        }
    }
}
