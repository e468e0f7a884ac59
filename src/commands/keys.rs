//! Keys, whatever they hold: DEL, EXISTS, TYPE, RENAME, COPY, MOVE and their like.

use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::resp::args::Cursor;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, C_KEYSPACE, DENYOOM, FAST, Group, K_ACCESS, K_DELETE, K_INSERT, K_UPDATE, integer, key,
    key_at, keys_from, token,
};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[
        write("DEL", del)
            .arity(-2)
            .categories(C_KEYSPACE)
            .keys(&[keys_from(1, -1, 1, Access::Remove, K_DELETE)])
            .since("1.0.0")
            .complexity("O(N), when N is the number of keys")
            .summary("Removes keys.")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .args(&[key("key").repeats()]),
        write("UNLINK", del)
            .arity(-2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[keys_from(1, -1, 1, Access::Remove, K_DELETE)])
            .since("4.0.0")
            .complexity("O(1) for each key; memory is freed in the background")
            .summary("Removes keys, and frees their values in the background.")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .args(&[key("key").repeats()]),
        read("EXISTS", exists)
            .arity(-2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, 0)])
            .since("1.0.0")
            .complexity("O(N), when N is the number of keys")
            .summary("Counts the keys that exist; one named twice counts twice.")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .args(&[key("key").repeats()]),
        read("TOUCH", touch)
            .arity(-2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, 0)])
            .since("3.2.1")
            .complexity("O(N), when N is the number of keys")
            .summary("Marks keys as just used, and counts those that exist.")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .args(&[key("key").repeats()]),
        read("TYPE", r#type)
            .arity(2)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Names the type of the value at a key.")
            .args(&[key("key")]),
        write("RENAME", rename)
            .arity(3)
            .categories(C_KEYSPACE)
            .keys(&[
                key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE),
                key_at(2, Access::Overwrite, K_UPDATE),
            ])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Renames a key; what the new name held is lost.")
            .args(&[key("key"), key("newkey")]),
        write("RENAMENX", renamenx)
            .arity(3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[
                key_at(1, Access::ReadWrite, K_ACCESS | K_DELETE),
                key_at(2, Access::Overwrite, K_INSERT),
            ])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Renames a key, if the new name is free.")
            .args(&[key("key"), key("newkey")]),
        write("COPY", copy)
            .arity(-3)
            .flags(DENYOOM)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS), key_at(2, Access::Overwrite, K_UPDATE)])
            .since("6.2.0")
            .complexity("O(N), when N is the size of the value")
            .summary("Copies a value to another key.")
            .args(&[
                key("source"),
                key("destination"),
                integer("destination-db").after("DB").optional(),
                token("REPLACE").optional(),
            ]),
        write("MOVE", r#move)
            .arity(3)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .keys(&[key_at(1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Moves a key to another database, if it is free there.")
            .args(&[key("key"), integer("db")]),
    ],
};

/// DEL and UNLINK: large values are freed in the background either way.
fn del(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut removed = 0;
    for key in args.tail(1).iter() {
        removed += cx.remove(key) as i64;
    }
    out.int(removed)
}

fn exists(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut found = 0;
    for key in args.tail(1).iter() {
        found += cx.keyspace.look(cx.db, key).is_some() as i64;
    }
    out.int(found)
}

fn touch(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut found = 0;
    for key in args.tail(1).iter() {
        found += cx.keyspace.touch(cx.db, key).is_some() as i64;
    }
    out.int(found)
}

fn r#type(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let found = cx.keyspace.look(cx.db, args.get(1));
    out.simple(found.map_or("none", |record| record.kind().name()))
}

fn rename(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (from, to) = (args.get(1), args.get(2));
    // A key that is given the name it has stays as it is, and nobody need hear of it.
    let done = if from == to { cx.contains(from) } else { cx.keyspace.rename(cx.db, from, to) };
    if done { out.ok() } else { Err(Error::NoSuchKey.into()) }
}

fn renamenx(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (from, to) = (args.get(1), args.get(2));
    if !cx.contains(from) {
        return Err(Error::NoSuchKey.into());
    }
    let free = !cx.finds(to);
    if free {
        cx.keyspace.rename(cx.db, from, to);
    }
    out.int(free as i64)
}

fn copy(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (from, to) = (args.get(1), args.get(2));
    let (mut other, mut replace) = (cx.db, false);
    let mut rest = args.after(2);
    while let Some(word) = rest.word() {
        rest.skip();
        match &*word {
            b"REPLACE" => replace = true,
            b"DB" => other = database(cx, &mut rest)?,
            _ => return Err(Error::Syntax.into()),
        }
    }
    if (cx.db, from) == (other, to) {
        return Err(SAME_OBJECT.into());
    }
    // The source is asked for first: a missing one is a miss, whatever the destination holds.
    if cx.keyspace.touch(cx.db, from).is_none() || (!replace && cx.keyspace.finds(other, to)) {
        return out.int(0);
    }
    cx.keyspace.copy((cx.db, from), (other, to));
    out.int(1)
}

fn r#move(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let other = database(cx, &mut args.after(1))?;
    if other == cx.db {
        return Err(SAME_OBJECT.into());
    }
    let moved = cx.keyspace.move_to(cx.db, args.get(1), other);
    out.int(moved as i64)
}

const SAME_OBJECT: Error = Error::Say("ERR source and destination objects are the same");

/// Reads the number of a database that is there.
fn database(cx: &Ctx, rest: &mut Cursor) -> Result<usize, Error> {
    let number = i32::try_from(rest.int()?).map_err(|_| {
        Error::Say("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    let index = usize::try_from(number).map_err(|_| Error::BadDbIndex)?;
    if index < cx.keyspace.databases() { Ok(index) } else { Err(Error::BadDbIndex) }
}
