//! XGROUP: groups and consumers come and go.

use super::{id, id_or_end, no_group_in};
use crate::commands::bad_words;
use crate::data::stream::{Id, Stream};
use crate::engine::{Ctx, Engine, SessionKey};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};

pub const CONSUMER_CREATED: Event = Event::stream("xgroup-createconsumer");

const NO_KEY: Error = Error::Say(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
     MKSTREAM option to create an empty stream automatically.",
);

/// `[MKSTREAM] [ENTRIESREAD entries-read]`
#[derive(Default)]
struct Options {
    may_make: bool,
    read: Option<u64>,
}

pub fn create(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const CREATED: Event = Event::stream("xgroup-create");
    let (key, name) = (args.get(2), args.get(3));
    let options = Options::read(args, true)?;
    let known = cx.keyspace.edit::<Stream>(cx.db, key)?;
    let last_id = known.as_ref().map(|stream| stream.last_id());
    drop(known);
    if last_id.is_none() && !options.may_make {
        return Err(NO_KEY.into());
    }
    if args.len() > 8 {
        return Err(bad_words("XGROUP", args.get(1)).into());
    }
    let start = match args.get(4) {
        b"$" => last_id.unwrap_or(Id::MIN),
        text => id(text, 0)?,
    };
    let mut stream = cx.edit_or_new::<Stream>(key)?;
    if stream.group(name).is_some() {
        return Err(Error::Say("BUSYGROUP Consumer Group name already exists").into());
    }
    stream.create_group(name, start, options.read);
    match stream.is_born() {
        true => stream.done(CREATED),
        false => stream.done_aside(CREATED),
    }
    out.ok()
}

pub fn setid(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, name) = (args.get(2), args.get(3));
    let options = Options::read(args, false)?;
    let mut stream = cx.edit::<Stream>(key)?.ok_or(NO_KEY)?;
    if stream.group(name).is_none() {
        return Err(no_group_in(key, name).into());
    }
    let last_id = match args.get(4) {
        b"$" => stream.last_id(),
        text => id_or_end(text, 0)?,
    };
    stream.rewind_group(name, last_id, options.read);
    stream.done_aside(Event::stream("xgroup-setid"));
    out.ok()
}

pub fn destroy(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut stream = cx.edit::<Stream>(args.get(2))?.ok_or(NO_KEY)?;
    let group = stream.destroy_group(args.get(3));
    let was_there = group.is_some();
    stream.leave(group);
    // Who waits for entries of this group hears that there is none.
    stream.done_if(was_there, Event::stream("xgroup-destroy"));
    out.int(was_there as i64)
}

pub fn create_consumer(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, name, now_ms) = (args.get(2), args.get(3), cx.now.0);
    let mut stream = cx.edit::<Stream>(key)?.ok_or(NO_KEY)?;
    if stream.group(name).is_none() {
        return Err(no_group_in(key, name).into());
    }
    let admitted = stream.group_mut(name).and_then(|group| group.admit(args.get(4), now_ms));
    let is_new = admitted.is_some_and(|(_, is_new)| is_new);
    match is_new {
        true => stream.done_aside(CONSUMER_CREATED),
        false => stream.done_if(false, CONSUMER_CREATED),
    }
    out.int(is_new as i64)
}

pub fn delete_consumer(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const DELETED: Event = Event::stream("xgroup-delconsumer");
    let (key, name) = (args.get(2), args.get(3));
    let mut stream = cx.edit::<Stream>(key)?.ok_or(NO_KEY)?;
    if stream.group(name).is_none() {
        return Err(no_group_in(key, name).into());
    }
    let Some((count, rest)) = stream.dismiss(name, args.get(4)) else {
        stream.done_if(false, DELETED);
        return out.int(0);
    };
    stream.leave(Some(rest));
    stream.done_aside(DELETED);
    out.int(count as i64)
}

pub fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Make a group that reads what comes after <id>. Options are:",
            "    * MKSTREAM",
            "      Make the stream too, if there is none.",
            "    * ENTRIESREAD entries_read",
            "      Say how many entries the group has read (for internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Make a consumer of the group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove a consumer, and what it has not acknowledged.",
            "DESTROY <key> <groupname>",
            "    Remove the group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Let the group go on after <id>.",
        ],
    )
}

impl Options {
    fn read(args: Args, creates: bool) -> Result<Options, Error> {
        const BAD: Error = Error::Say("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = Options::default();
        let mut words = args.after(4);
        while words.left() > 0 {
            if creates && words.take_word(b"MKSTREAM") {
                options.may_make = true;
            } else if words.left() > 1 && words.take_word(b"ENTRIESREAD") {
                options.read = match words.int()? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| BAD)?),
                };
            } else {
                return Err(bad_words("XGROUP", args.get(1)));
            }
        }
        Ok(options)
    }
}
