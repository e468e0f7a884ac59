//! XINFO.

use super::{bad_words, write_entry};
use crate::data::Collection;
use crate::data::stream::{Id, Stream};
use crate::engine::{Ctx, Engine, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};

/// How many things of a kind FULL lists, if nobody says how many.
const SOME: u64 = 10;

pub fn stream(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let full = full(args)?;
    let stream = cx.read::<Stream>(args.get(2))?.ok_or(Error::NoSuchKey)?;
    let mut map = out.map(if full.is_some() { 9 } else { 10 });
    map.bulk(b"length");
    map.int(stream.len() as i64);
    map.bulk(b"radix-tree-keys");
    map.int(stream.nodes() as i64);
    // There is no tree; one whose keys have nothing in common would have one node more than keys.
    map.bulk(b"radix-tree-nodes");
    map.int(stream.nodes() as i64 + 1);
    write_id(&mut map, b"last-generated-id", stream.last_id());
    write_id(&mut map, b"max-deleted-entry-id", stream.max_deleted());
    map.bulk(b"entries-added");
    map.int(stream.added() as i64);
    write_id(&mut map, b"recorded-first-entry-id", stream.first_id().unwrap_or(Id::MIN));
    match full {
        None => {
            map.bulk(b"groups");
            map.int(0);
            map.bulk(b"first-entry");
            match stream.range(Id::MIN, Id::MAX).next() {
                Some(entry) => write_entry(&mut map, entry),
                None => map.null(),
            }
            map.bulk(b"last-entry");
            match stream.last_entry() {
                Some(entry) => write_entry(&mut map, entry),
                None => map.null(),
            }
        }
        Some(most) => {
            map.bulk(b"entries");
            let mut entries = map.list_of_some();
            for entry in stream.range(Id::MIN, Id::MAX).take(most) {
                write_entry(&mut entries, entry);
            }
            entries.close();
            map.bulk(b"groups");
            map.list(0).close();
        }
    }
    map.end()
}

/// `[FULL [COUNT count]]`: how many things are to be listed, if any.
fn full(args: Args) -> Result<Option<usize>, Error> {
    let bad = || bad_words("XINFO", args.get(1));
    let mut words = args.after(2);
    let most = match words.left() {
        0 => return Ok(None),
        1 if words.take_word(b"FULL") => SOME,
        3 if words.take_word(b"FULL") && words.take_word(b"COUNT") => {
            u64::try_from(words.int()?).unwrap_or(SOME)
        }
        _ => return Err(bad()),
    };
    Ok(Some(if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) }))
}

fn write_id(map: &mut List, name: &[u8], id: Id) {
    map.bulk(name);
    map.bulk(&id.text());
}

pub fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Tell about the consumers of <groupname>.",
            "GROUPS <key>",
            "    Tell about the groups of the stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Tell about the stream, and with FULL about all that is in it.",
        ],
    )
}
