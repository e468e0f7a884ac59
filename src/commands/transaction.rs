//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::engine::command::admin;
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ALLOW_BUSY, Access, FAST, Group, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE, key, keys_from,
};

pub const FAMILY: Family = Family {
    group: Group::Transactions,
    commands: &[
        admin("MULTI", multi)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
            .categories(crate::spec::C_TRANSACTION)
            .at_once_in_multi()
            .since("1.2.0")
            .complexity("O(1)")
            .summary("Begins a transaction: what follows is queued until EXEC."),
        admin("EXEC", exec)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG)
            .categories(crate::spec::C_TRANSACTION)
            .at_once_in_multi()
            .since("1.2.0")
            .complexity("Depends on commands in the transaction")
            .summary("Runs what was queued since MULTI, as one."),
        admin("DISCARD", discard)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
            .categories(crate::spec::C_TRANSACTION)
            .at_once_in_multi()
            .since("2.0.0")
            .complexity("O(N), when N is the number of queued commands")
            .summary("Forgets what was queued since MULTI."),
        admin("WATCH", watch)
            .arity(-2)
            .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
            .categories(crate::spec::C_TRANSACTION)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, 0)])
            .at_once_in_multi()
            .since("2.2.0")
            .complexity("O(1) for every key.")
            .summary("Makes the next EXEC do nothing if one of these keys changes before it.")
            .args(&[key("key").repeats()]),
        admin("UNWATCH", unwatch)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
            .categories(crate::spec::C_TRANSACTION)
            .since("2.2.0")
            .complexity("O(1)")
            .summary("Forgets all watched keys."),
    ],
};

fn multi(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    engine.multi(who, out)
}

fn exec(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    engine.exec(who, out)
}

fn discard(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    engine.discard(who, out)
}

fn watch(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if engine.sessions[who].multi.is_some() {
        // As in Redis, the transaction is none the worse for it.
        return Err(Error::Say("ERR WATCH inside MULTI is not allowed").into());
    }
    for key in args.tail(1).iter() {
        engine.watch(who, key);
    }
    out.ok()
}

fn unwatch(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    engine.unwatch(who);
    out.ok()
}
