//! The server as a process: SHUTDOWN, and MONITOR, which watches it at work.

use crate::engine::command::admin;
use crate::engine::persistence::Wishes;
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{ADMIN, ALLOW_BUSY, Group, LOADING, NO_MULTI, NOSCRIPT, STALE, one_of, token};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        admin("MONITOR", monitor)
            .arity(1)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .complexity("O(1), then a little for every command that runs")
            .summary("Shows every command as the server runs it."),
        admin("SHUTDOWN", shutdown)
            .arity(-1)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
            .since("1.0.0")
            .complexity("O(1) while nothing is saved")
            .summary("Stops the server.")
            .args(&[
                one_of("save-selector", &[token("NOSAVE"), token("SAVE")]).optional(),
                token("NOW").optional().since("7.0.0"),
                token("FORCE").optional().since("7.0.0"),
                token("ABORT").optional().since("7.0.0"),
            ]),
    ],
};

fn monitor(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    if engine.in_exec() {
        return Err(Error::Say("ERR MONITOR isn't allowed for DENY BLOCKING client").into());
    }
    if engine.sessions[who].monitor {
        // Redis does not answer the second time, and an answer would look like a command.
        return out.nothing();
    }
    engine.start_monitor(who);
    out.ok()
}

fn shutdown(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut wishes = Wishes::default();
    let (mut abort, mut others) = (false, false);
    let mut rest = args.after(0);
    while let Some(word) = rest.word() {
        match &*word {
            b"SAVE" => wishes.save = true,
            b"NOSAVE" => wishes.nosave = true,
            b"FORCE" => (wishes.force, others) = (true, true),
            // There is no replica to wait for, and no cluster to be safe in.
            b"NOW" | b"SAFE" | b"FAILOVER" => others = true,
            b"ABORT" => abort = true,
            _ => return Err(Error::Syntax.into()),
        }
        rest.skip();
    }
    if (wishes.save && wishes.nosave) || (abort && (wishes.save || wishes.nosave || others)) {
        return Err(Error::Syntax.into());
    }
    if abort {
        if engine.abort_shutdown() {
            return out.ok();
        }
        return Err(Error::Say("ERR No shutdown in progress.").into());
    }
    // A script that is busy is half done.
    if !wishes.nosave
        && let Some(error) = engine.busy_error()
    {
        return Err(error.into());
    }
    match engine.shut_down(wishes) {
        // The connection ends with the process: who sees it end may be sure that nobody listens any more.
        Ok(()) => out.nothing(),
        Err(_) => Err(Error::Say("ERR Errors trying to SHUTDOWN. Check logs.").into()),
    }
}
