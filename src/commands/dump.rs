//! DUMP: a value in the form of the dump format, which RESTORE takes, here and at the peers.

use crate::engine::command::read;
use crate::engine::{Ctx, Family};
use crate::rdb::write;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, C_KEYSPACE, Group, K_ACCESS, key, key_at};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[read("DUMP", dump)
        .arity(2)
        .categories(C_KEYSPACE)
        .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
        .since("2.6.0")
        .complexity("O(N), when N is the size of the value")
        .summary("Gives a value in a form that can be restored.")
        .tips(&["nondeterministic_output"])
        .args(&[key("key")])],
};

fn dump(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let options = cx.limits.dump;
    match cx.keyspace.touch(cx.db, args.get(1)) {
        Some(record) => out.bulk(&record.with_view(|value| write::dump(value, options))),
        None => out.null(),
    }
}
