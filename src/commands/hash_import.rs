//! HIMPORT: many hashes with the same fields, whose names are sent once.
//!
//! A fieldset is a list of fields that a connection gave a name. It is the connection's own, and goes with it
//! or with RESET. What HIMPORT SET makes of it and of a list of values is a hash like any other.

use crate::base::map::Set;
use crate::data::hash::Hash;
use crate::engine::command::{admin, container};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, C_HASH, DENYOOM, Group, K_UPDATE, WRITE, key, key_at, string};

pub const FAMILY: Family = Family {
    group: Group::Hash,
    commands: &[
        container("HIMPORT")
            .categories(C_HASH)
            .since("8.10.0")
            .complexity("Depends on subcommand.")
            .summary("A container for commands that import hashes with the same fields."),
        admin("HIMPORT|PREPARE", prepare)
            .arity(-4)
            .flags(DENYOOM)
            .categories(C_HASH)
            .since("8.10.0")
            .complexity("O(N), when N fields are named")
            .summary("Gives a list of fields a name, for this connection.")
            .tips(&["request_policy:all_shards"])
            .args(&[string("fieldset-name"), string("field").repeats()]),
        admin("HIMPORT|SET", set)
            .arity(-5)
            .flags(DENYOOM | WRITE)
            .categories(C_HASH)
            .keys(&[key_at(2, Access::Overwrite, K_UPDATE)])
            .since("8.10.0")
            .complexity("O(N), when the list has N fields")
            .summary("Makes a hash of a list of fields and of their values.")
            .args(&[key("key"), string("fieldset-name"), string("value").repeats()]),
        admin("HIMPORT|DISCARD", discard)
            .arity(3)
            .categories(C_HASH)
            .since("8.10.0")
            .complexity("O(1)")
            .summary("Forgets a list of fields.")
            .tips(&["request_policy:all_shards"])
            .args(&[string("fieldset-name")]),
        admin("HIMPORT|DISCARDALL", discard_all)
            .arity(2)
            .categories(C_HASH)
            .since("8.10.0")
            .complexity("O(N), when the connection has N lists")
            .summary("Forgets all lists of fields of this connection.")
            .tips(&["request_policy:all_shards"]),
    ],
};

fn prepare(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let fields = args.tail(3);
    let mut seen = Set::default();
    if !fields.iter().all(|field| seen.insert(field)) {
        return Err(Error::Say("ERR duplicate field name in fieldset").into());
    }
    engine.sessions[who].fieldsets.put(args.get(2), fields.to_buf());
    out.ok()
}

fn set(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let (key, values) = (args.get(2), args.tail(4));
    let session = &engine.sessions[who];
    let db = session.db;
    let fields = session.fieldsets.get(args.get(3)).ok_or(Error::Say("ERR no such fieldset"))?;
    if fields.len() != values.len() {
        return Err(Error::Say("ERR value count does not match fieldset field count").into());
    }
    engine.keyspace.contains(db, key);
    engine.keyspace.peek::<Hash>(db, key)?;
    let limits = engine.limits.hash;
    let mut hash = Hash::new();
    hash.expect(fields.len(), limits);
    for (field, value) in fields.iter().zip(values.iter()) {
        hash.set(field, value, limits);
    }
    // Who hears the log has no fieldsets, and nothing of what was there may be left.
    let mut line: Vec<&[u8]> = vec![b"HSET", key];
    line.extend(fields.iter().zip(values.iter()).flat_map(|(field, value)| [field, value]));
    if engine.keyspace.record(db, key).is_some() {
        engine.effects.instead(&[b"DEL", key]);
    }
    engine.effects.instead(&line);
    engine.keyspace.store(db, key, hash, Event::hash("hset"));
    out.ok()
}

fn discard(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let known = engine.sessions[who].fieldsets.remove(args.get(2));
    out.int(known as i64)
}

fn discard_all(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    let known = std::mem::take(&mut engine.sessions[who].fieldsets);
    out.int(known.len() as i64)
}
