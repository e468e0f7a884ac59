//! DUMP: a value in the form of the dump format, which RESTORE takes, here and at the peers.
//!
//! The payload of a large collection is made on another thread, of the collection as it is now; the client waits.

use crate::engine::command::admin;
use crate::engine::tasks::{Outcome, Work};
use crate::engine::{Engine, Family, SessionKey};
use crate::rdb::write;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, C_KEYSPACE, Group, K_ACCESS, READONLY, key, key_at};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[admin("DUMP", dump)
        .arity(2)
        .flags(READONLY)
        .categories(C_KEYSPACE)
        .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
        .since("2.6.0")
        .complexity("O(N), when N is the size of the value")
        .summary("Gives a value in a form that can be restored.")
        .tips(&["nondeterministic_output"])
        .args(&[key("key")])],
};

/// Writing so many elements takes about a millisecond.
const LARGE: usize = 10_000;

fn dump(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if let Some(Outcome::Dumped(payload)) = engine.tasks.outcome(who) {
        return out.bulk(&payload);
    }
    let (db, options) = (engine.sessions[who].db, engine.limits.dump);
    let Some(record) = engine.keyspace.touch(db, args.get(1)) else { return out.null() };
    let is_large = record.size() > LARGE;
    if is_large
        && !engine.in_exec()
        && let Some(frozen) = engine.keyspace.freeze(db, args.get(1))
    {
        return engine.tasks.place(who, Work::Dump(frozen, options));
    }
    let record = engine.keyspace.record(db, args.get(1));
    out.bulk(&record.map_or(Vec::new(), |it| it.with_view(|value| write::dump(value, options))))
}
