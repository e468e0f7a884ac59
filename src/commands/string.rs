//! Strings: GET and its family.

use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::keyspace::{Life, Str};
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, DENYOOM, FAST, Group, K_ACCESS, K_UPDATE, key, key_at, string};

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[
        read("GET", get)
            .arity(2)
            .flags(FAST)
            .categories(crate::spec::C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Returns the string stored at a key.")
            .args(&[key("key")]),
        write("SET", set)
            .arity(-3)
            .flags(DENYOOM)
            .categories(crate::spec::C_STRING)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE)])
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Stores a string at a key.")
            .args(&[key("key"), string("value")]),
    ],
};

fn get(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    match cx.read::<Str>(args.get(1))? {
        Some(text) => out.text(text),
        None => out.null(),
    }
}

fn set(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    cx.put_text(args.get(1), args.get(2), Life::Forever, "set");
    out.ok()
}
