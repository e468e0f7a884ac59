//! Snapshots and the log, asked for: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, WAIT, WAITAOF.

use super::waiting;
use crate::base::numbers;
use crate::data::Type;
use crate::engine::command::admin;
use crate::engine::persistence::{AofState, Purpose};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply, Wait};
use crate::spec::{
    ADMIN, BLOCKING, C_CONNECTION, FAST, Group, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT,
    STALE, integer, one_of, token,
};
use crate::world::host::Level;

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        admin("BGREWRITEAOF", bgrewriteaof)
            .arity(1)
            .flags(ADMIN | NO_ASYNC_LOADING | NOSCRIPT)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Rewrites the append-only log in the background."),
        admin("BGSAVE", bgsave)
            .arity(-1)
            .flags(ADMIN | NO_ASYNC_LOADING | NOSCRIPT)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Saves a snapshot in the background.")
            .args(&[one_of(
                "operation",
                &[token("SCHEDULE").since("3.2.2"), token("CANCEL").since("8.1.0")],
            )
            .optional()]),
        admin("LASTSAVE", lastsave)
            .arity(1)
            .flags(LOADING | STALE | FAST)
            .categories(crate::spec::C_ADMIN | crate::spec::C_DANGEROUS)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Tells when the last snapshot was saved.")
            .tips(&["nondeterministic_output"]),
        admin("SAVE", save)
            .arity(1)
            .flags(ADMIN | NO_ASYNC_LOADING | NOSCRIPT | NO_MULTI)
            .since("1.0.0")
            .complexity("O(N), N being the number of keys")
            .summary("Saves a snapshot while everybody waits."),
    ],
};

pub const WAITING: Family = Family {
    group: Group::Generic,
    commands: &[
        admin("WAIT", wait)
            .arity(3)
            .flags(BLOCKING)
            .categories(C_CONNECTION)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Waits until this connection's writes have arrived at replicas.")
            .tips(&["request_policy:all_shards", "response_policy:agg_min"])
            .args(&[integer("numreplicas"), integer("timeout")]),
        admin("WAITAOF", waitaof)
            .arity(4)
            .flags(BLOCKING)
            .categories(C_CONNECTION)
            .since("7.2.0")
            .complexity("O(1)")
            .summary("Waits until this connection's writes are on disk, here and at replicas.")
            .tips(&["request_policy:all_shards", "response_policy:agg_min"])
            .args(&[integer("numlocal"), integer("numreplicas"), integer("timeout")]),
    ],
};

/// Who waits for the disk looks again after so long.
const LOOK_AGAIN_US: u64 = 500;

fn save(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    if engine.persistence.is_taking(Purpose::Save) {
        return Err(Purpose::Save.is_served().into());
    }
    match engine.save_now() {
        Ok(()) => out.ok(),
        // What exactly is in the log.
        Err(_) => Err(Error::Say("ERR").into()),
    }
}

fn bgsave(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let (mut schedule, mut cancel) = (false, false);
    match args.len() {
        1 => (),
        2 if args.get(1).eq_ignore_ascii_case(b"schedule") => schedule = true,
        2 if args.get(1).eq_ignore_ascii_case(b"cancel") => cancel = true,
        _ => return Err(Error::Syntax.into()),
    }
    if cancel {
        return cancel_save(engine, out);
    }
    let served = engine.persistence.serves();
    if served == Some(Purpose::Save) {
        return Err(Purpose::Save.is_served().into());
    }
    if served.is_some() || engine.in_exec() {
        if !schedule && !engine.in_exec() {
            return Err(Error::Say(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
                 SCHEDULE in order to schedule a BGSAVE whenever possible.",
            )
            .into());
        }
        engine.persistence.save_scheduled = true;
        return out.simple("Background saving scheduled");
    }
    engine.begin_snapshot(Purpose::Save)?;
    out.simple("Background saving started")
}

fn cancel_save(engine: &mut Engine, out: Reply) -> Done {
    if engine.persistence.is_taking(Purpose::Save) {
        engine.host.log(Level::Notice, "Background saving will be aborted due to user request");
        engine.cancel_snapshot(Purpose::Save);
        return out.simple("Background saving cancelled");
    }
    if std::mem::take(&mut engine.persistence.save_scheduled) {
        return out.simple("Scheduled background saving cancelled");
    }
    Err(Error::Say("ERR Background saving is currently not in progress or scheduled").into())
}

fn bgrewriteaof(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let served = engine.persistence.serves();
    if served == Some(Purpose::Rewrite) {
        return Err(Purpose::Rewrite.is_served().into());
    }
    if served.is_some() || engine.in_exec() {
        engine.persistence.rewrite_scheduled = true;
        // Whoever asks again need not wait as long as after three failures.
        engine.persistence.aof.failures = 0;
        return out.simple("Background append only file rewriting scheduled");
    }
    engine.begin_snapshot(Purpose::Rewrite)?;
    out.simple("Background append only file rewriting started")
}

fn lastsave(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.persistence.rdb.last_save)
}

/// There are no replicas: whoever wants one waits until the time is up.
fn wait(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let replicas = numbers::parse_i64(args.get(1)).ok_or(Error::NotInteger)?;
    let timeout_us = waiting::timeout_ms(engine.now.wall(), args.get(2))?;
    if replicas <= 0 {
        return out.int(0);
    }
    Err(Wait::new(Type::String, Vec::new(), timeout_us, |out| out.int(0)).into())
}

/// As for replicas, see WAIT.
fn waitaof(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    const OUT_OF_RANGE: Error = Error::Say("ERR value is out of range, must be positive");
    let number = |at: usize| numbers::parse_i64(args.get(at)).ok_or(Error::NotInteger);
    let local = match number(1) {
        Ok(local @ 0..=1) => local,
        _ => return Err(Error::Say("ERR value is out of range, value must between 0 and 1").into()),
    };
    let replicas = match number(2) {
        Ok(replicas) if (0..=i64::from(i32::MAX)).contains(&replicas) => replicas,
        _ => return Err(OUT_OF_RANGE.into()),
    };
    let timeout_us = waiting::timeout_ms(engine.now.wall(), args.get(3))?;
    let log = &engine.persistence.aof;
    if local > 0 && log.state == AofState::Off {
        return Err(Error::Say(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        )
        .into());
    }
    // While its first base is being made, the log does not count: after a crash it would not be read.
    let is_durable =
        log.state == AofState::On && engine.sessions[who].log_offset <= log.progress.durable();
    if i64::from(is_durable) >= local && replicas == 0 {
        return answer(is_durable, out);
    }
    let give_up =
        if is_durable { |out: Reply| answer(true, out) } else { |out: Reply| answer(false, out) };
    let wait = Wait::new(Type::String, Vec::new(), timeout_us, give_up);
    Err(Wait { again_us: Some(LOOK_AGAIN_US), ..wait }.into())
}

fn answer(is_durable: bool, out: Reply) -> Done {
    out.in_pieces(|out| {
        out.open_list(2);
        out.int(i64::from(is_durable));
        out.int(0);
    })
}
