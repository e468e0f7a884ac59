//! OBJECT: how a value is kept, and how long it has not been used.

use crate::data::Type;
use crate::data::string::Text;
use crate::engine::command::{admin, container, read};
use crate::engine::{Ctx, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, C_KEYSPACE, Group, LOADING, STALE, key, key_at};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[
        container("OBJECT")
            .since("2.2.3")
            .complexity("Depends on subcommand.")
            .summary("Tells how values are kept."),
        read("OBJECT|ENCODING", encoding)
            .arity(3)
            .categories(C_KEYSPACE)
            .keys(&[key_at(2, Access::ReadOnly, 0)])
            .since("2.2.3")
            .complexity("O(1)")
            .summary("Names the form in which a value is kept.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        read("OBJECT|FREQ", freq)
            .arity(3)
            .categories(C_KEYSPACE)
            .keys(&[key_at(2, Access::ReadOnly, 0)])
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Says how often a key is used, on a logarithmic scale.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        read("OBJECT|IDLETIME", idletime)
            .arity(3)
            .categories(C_KEYSPACE)
            .keys(&[key_at(2, Access::ReadOnly, 0)])
            .since("2.2.3")
            .complexity("O(1)")
            .summary("Says for how many seconds a key has not been used.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        read("OBJECT|REFCOUNT", refcount)
            .arity(3)
            .categories(C_KEYSPACE)
            .keys(&[key_at(2, Access::ReadOnly, 0)])
            .since("2.2.3")
            .complexity("O(1)")
            .summary("Says how many references there are to a value.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key")]),
        admin("OBJECT|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_KEYSPACE)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
    ],
};

fn encoding(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    match cx.keyspace.look_inside(cx.db, args.get(2)) {
        Some(record) => out.bulk(record.encoding().as_bytes()),
        None => out.null(),
    }
}

fn freq(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let aging = cx.aging(args.get(2));
    match cx.keyspace.look_inside(cx.db, args.get(2)) {
        None => out.null(),
        Some(record) if aging.lfu => out.int(aging.frequency(record).into()),
        Some(_) => Err(Error::Say(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take some \
             time to adjust.",
        )
        .into()),
    }
}

fn idletime(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let aging = cx.aging(args.get(2));
    match cx.keyspace.look_inside(cx.db, args.get(2)) {
        None => out.null(),
        Some(record) if !aging.lfu => out.int(aging.idle_seconds(record).into()),
        Some(_) => Err(Error::Say(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that \
             when switching between policies at runtime LRU and LFU data will take some time to \
             adjust.",
        )
        .into()),
    }
}

/// Values are never shared between keys. Redis keeps one copy of each small integer and says so
/// with the largest count there is; here they take no memory of their own, and clients are told
/// the same. With a limit on memory and a policy that needs an age for each key, Redis shares none.
fn refcount(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let shares = !cx.keyspace.eviction.needs_ages;
    let Some(record) = cx.keyspace.look_inside(cx.db, args.get(2)) else { return out.null() };
    let small = record.kind() == Type::String && matches!(record.text(), Text::Int(0..=9999));
    out.int(if small && shares { i32::MAX.into() } else { 1 })
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "OBJECT",
        &[
            "ENCODING <key>",
            "    Name the form in which the value of <key> is kept.",
            "FREQ <key>",
            "    Say how often <key> is used, as the logarithmic counter of the LFU policies.",
            "IDLETIME <key>",
            "    Say for how many seconds <key> has not been used.",
            "REFCOUNT <key>",
            "    Say how many keys share the value of <key>.",
        ],
    )
}
