//! Connections: PING, ECHO, SELECT and their like.

use crate::engine::command::admin;
use crate::engine::{Engine, Family, SessionKey};
use crate::resp::{Args, Done, Reply};
use crate::spec::{FAST, Group, string};

pub const FAMILY: Family = Family {
    group: Group::Connection,
    commands: &[admin("PING", ping)
        .arity(-1)
        .flags(FAST)
        .categories(crate::spec::C_CONNECTION)
        .since("1.0.0")
        .complexity("O(1)")
        .summary("Answers PONG, or what it was sent.")
        .args(&[string("message").optional()])],
};

fn ping(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    match args.len() {
        1 => out.simple("PONG"),
        2 => out.bulk(args.get(1)),
        _ => Err(crate::error::Error::Arity("PING").into()),
    }
}
