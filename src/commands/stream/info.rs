//! XINFO.

use super::idmp;
use super::{no_group_in, write_entry};
use crate::commands::bad_words;
use crate::data::Collection;
use crate::data::stream::{Group, Id, Stream};
use crate::engine::{Ctx, Engine, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};

/// How many things of a kind FULL lists, if nobody says how many.
const SOME: u64 = 10;

pub fn stream(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (now_ms, directives) = (cx.now.0, cx.limits.idmp);
    let stream = cx.read::<Stream>(args.get(2))?.ok_or(Error::NoSuchKey)?;
    let full = full(args)?;
    let mut map = out.map(if full.is_some() { 15 } else { 16 });
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
    for (name, value) in idmp::facts(&stream, now_ms, directives) {
        map.bulk(name.as_bytes());
        map.int(value as i64);
    }
    match full {
        None => {
            map.bulk(b"groups");
            map.int(stream.group_count() as i64);
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
            let mut groups = map.list(stream.group_count());
            for (name, group) in stream.groups() {
                write_group(&mut groups, &stream, (name, group), most);
            }
            groups.close();
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

/// A group with all that is in it.
fn write_group(list: &mut List, stream: &Stream, (name, group): (&[u8], &Group), most: usize) {
    let mut map = list.map(7);
    map.bulk(b"name");
    map.bulk(name);
    write_progress(&mut map, stream, group);
    map.bulk(b"pel-count");
    map.int(group.pending() as i64);
    map.bulk(b"pending");
    let mut pending = map.list_of_some();
    for one in group.pending_from(Id::MIN).take(most) {
        let mut parts = pending.list(4);
        parts.bulk(&one.id().text());
        parts.bulk(one.owner().map_or(&b""[..], |owner| &group.consumer(owner).name));
        parts.int(one.time_ms());
        parts.int(one.count() as i64);
        parts.close();
    }
    pending.close();
    map.bulk(b"consumers");
    let mut consumers = map.list(group.consumers().len());
    for (owner, consumer) in group.consumers() {
        let mut map = consumers.map(5);
        map.bulk(b"name");
        map.bulk(&consumer.name);
        map.bulk(b"seen-time");
        map.int(consumer.seen_ms);
        map.bulk(b"active-time");
        map.int(consumer.active_ms.unwrap_or(-1));
        map.bulk(b"pel-count");
        map.int(consumer.pending() as i64);
        map.bulk(b"pending");
        let mut pending = map.list_of_some();
        for one in group.pending_of(owner, Id::MIN).take(most) {
            let mut parts = pending.list(3);
            parts.bulk(&one.id().text());
            parts.int(one.time_ms());
            parts.int(one.count() as i64);
            parts.close();
        }
        pending.close();
        map.close();
    }
    consumers.close();
    map.close();
}

/// How far a group has read, and how much is still to come.
fn write_progress(map: &mut List, stream: &Stream, group: &Group) {
    write_id(map, b"last-delivered-id", group.last_id);
    map.bulk(b"entries-read");
    match group.read {
        Some(read) => map.int(read as i64),
        None => map.null(),
    }
    map.bulk(b"lag");
    match stream.lag(group) {
        Some(lag) => map.int(lag),
        None => map.null(),
    }
}

pub fn groups(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let stream = cx.read::<Stream>(args.get(2))?.ok_or(Error::NoSuchKey)?;
    let mut list = out.list(stream.group_count());
    for (name, group) in stream.groups() {
        let mut map = list.map(6);
        map.bulk(b"name");
        map.bulk(name);
        map.bulk(b"consumers");
        map.int(group.consumers().len() as i64);
        map.bulk(b"pending");
        map.int(group.pending() as i64);
        write_progress(&mut map, &stream, group);
        map.close();
    }
    list.end()
}

pub fn consumers(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, name, now_ms) = (args.get(2), args.get(3), cx.now.0);
    let stream = cx.read::<Stream>(key)?.ok_or(Error::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group_in(key, name))?;
    let mut list = out.list(group.consumers().len());
    for (_, consumer) in group.consumers() {
        let mut map = list.map(4);
        map.bulk(b"name");
        map.bulk(&consumer.name);
        map.bulk(b"pending");
        map.int(consumer.pending() as i64);
        map.bulk(b"idle");
        map.int(now_ms.saturating_sub(consumer.seen_ms).max(0));
        map.bulk(b"inactive");
        map.int(consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms)));
        map.close();
    }
    list.end()
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
