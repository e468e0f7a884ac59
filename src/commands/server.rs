//! The data as a whole: DBSIZE, FLUSHALL, SWAPDB; and what one asks a server: TIME, ROLE.

use crate::base::numbers;
use crate::engine::command::{admin, read};
use crate::engine::{Ctx, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Arg, C_ADMIN, C_DANGEROUS, C_KEYSPACE, FAST, Group, LOADING, NOSCRIPT, STALE, WRITE, integer,
    one_of, token,
};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        read("DBSIZE", dbsize)
            .arity(1)
            .flags(FAST)
            .categories(C_KEYSPACE)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Counts the keys of the database.")
            .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
        admin("FLUSHALL", flushall)
            .arity(-1)
            .flags(WRITE)
            .categories(C_KEYSPACE | C_DANGEROUS)
            .since("1.0.0")
            .complexity("O(1); with SYNC O(N), when N is the number of keys")
            .summary("Removes all keys of all databases.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[FLUSH_TYPE]),
        admin("FLUSHDB", flushdb)
            .arity(-1)
            .flags(WRITE)
            .categories(C_KEYSPACE | C_DANGEROUS)
            .since("1.0.0")
            .complexity("O(1); with SYNC O(N), when N is the number of keys")
            .summary("Removes all keys of the database.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[FLUSH_TYPE]),
        admin("SWAPDB", swapdb)
            .arity(3)
            .flags(WRITE | FAST)
            .categories(C_KEYSPACE | C_DANGEROUS)
            .since("4.0.0")
            .complexity("O(N), when N is the number of keys that are watched")
            .summary("Swaps two databases: clients of one see the other's keys.")
            .args(&[integer("index1"), integer("index2")]),
        admin("TIME", time)
            .arity(1)
            .flags(LOADING | STALE | FAST)
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Tells the time: seconds since 1970, and microseconds.")
            .tips(&["nondeterministic_output"]),
        admin("ROLE", role)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | FAST)
            .categories(C_ADMIN | C_DANGEROUS)
            .since("2.8.12")
            .complexity("O(1)")
            .summary("Tells the server's part in replication."),
    ],
};

const FLUSH_TYPE: Arg =
    one_of("flush-type", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional();

fn dbsize(cx: &mut Ctx, _: Args, out: Reply) -> Done {
    out.int(cx.keyspace.db(cx.db).len() as i64)
}

fn flushall(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let sync = is_sync(args)?;
    for db in 0..engine.keyspace.databases() {
        empty(engine, db, sync);
    }
    engine.tell_trackers_of_flush();
    tell_as_sent(engine, args);
    engine.save_flushed();
    out.ok()
}

fn flushdb(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let sync = is_sync(args)?;
    empty(engine, engine.sessions[who].db, sync);
    engine.tell_trackers_of_flush();
    tell_as_sent(engine, args);
    out.ok()
}

/// Memory is freed in the background unless SYNC wants it freed before the answer.
fn is_sync(args: Args) -> Result<bool, Error> {
    let mut rest = args.after(0);
    let sync = rest.take_word(b"SYNC");
    if !sync {
        rest.take_word(b"ASYNC");
    }
    rest.end()?;
    Ok(sync)
}

fn empty(engine: &mut Engine, db: usize, sync: bool) {
    let (keys, old) = engine.empty(db);
    // A single key may hold millions of elements.
    if !sync && keys > 0 {
        // Redis counts what it frees lazily, and inside of a transaction it frees at once.
        engine.give_away(if engine.in_exec() { 0 } else { keys }, old);
    }
}

fn swapdb(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let left = db_number(args.get(1)).ok_or(Error::Say("ERR invalid first DB index"))?;
    let right = db_number(args.get(2)).ok_or(Error::Say("ERR invalid second DB index"))?;
    let there = |number: i32| {
        let db = usize::try_from(number).map_err(|_| Error::BadDbIndex)?;
        if db < engine.keyspace.databases() { Ok(db) } else { Err(Error::BadDbIndex) }
    };
    let (left, right) = (there(left)?, there(right)?);
    if left != right {
        engine.tell_watchers_of_swap(left, right);
    }
    engine.keyspace.swap(left, right);
    // Copies of keys do not say which database they are of.
    if left != right {
        engine.tell_trackers_of_flush();
    }
    engine.waiters.make_all_ready(left);
    engine.waiters.make_all_ready(right);
    tell_as_sent(engine, args);
    out.ok()
}

fn db_number(text: &[u8]) -> Option<i32> {
    numbers::parse_i64(text)?.try_into().ok()
}

/// No key is named as changed, so the log must be told outright.
fn tell_as_sent(engine: &mut Engine, args: Args) {
    engine.effects.instead(&args.iter().collect::<Vec<_>>());
}

fn time(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let micros = engine.now.wall_us;
    let mut pair = out.list(2);
    for part in [micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000)] {
        pair.bulk(itoa::Buffer::new().format(part).as_bytes());
    }
    pair.end()
}

fn role(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let mut answer = out.list(3);
    answer.bulk(b"master");
    answer.int(0);
    answer.list(0).close();
    answer.end()
}
