//! The server as a process: SHUTDOWN, and MONITOR, which watches it at work.

use crate::engine::command::admin;
use crate::engine::{Engine, Exit, Family, SessionKey};
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

/// There is nothing to save yet, and no replica to wait for: every form that may stop the server
/// stops it at once. SAVE is refused, because the user would believe that his data is safe.
fn shutdown(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let (mut save, mut nosave, mut abort, mut others) = (false, false, false, false);
    let mut rest = args.after(0);
    while let Some(word) = rest.word() {
        match &*word {
            b"SAVE" => save = true,
            b"NOSAVE" => nosave = true,
            b"NOW" | b"FORCE" | b"SAFE" => others = true,
            b"ABORT" => abort = true,
            _ => return Err(Error::Syntax.into()),
        }
        rest.skip();
    }
    if (save && nosave) || (abort && (save || nosave || others)) {
        return Err(Error::Syntax.into());
    }
    if abort {
        return Err(Error::Say("ERR No shutdown in progress.").into());
    }
    if save {
        return Err(Error::Say(
            "ERR Errors trying to SHUTDOWN. Check logs. Nothing is saved to disk by this version.",
        )
        .into());
    }
    // The connection ends with the process: who sees it end may be sure that nobody listens any more.
    engine.exit = Some(Exit { code: 0 });
    out.nothing()
}
