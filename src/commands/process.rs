//! The server as a process: SHUTDOWN, and MONITOR, which watches it at work.

use crate::engine::command::admin;
use crate::engine::monitor::Filter;
use crate::engine::persistence::Wishes;
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ADMIN, ALLOW_BUSY, Group, LOADING, NO_MULTI, NOSCRIPT, STALE, integer, one_of, pattern, string,
    token,
};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        admin("MONITOR", monitor)
            .arity(-1)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("1.0.0")
            .complexity("O(1), then a little for every command that runs")
            .summary("Shows commands as the server runs them: all, or those that pass a filter.")
            .args(&[
                pattern("pattern").after("MATCH").optional().repeats_token(),
                string("command").after("CMD").optional().repeats(),
                integer("count").after("SAMPLE").optional(),
            ]),
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

/// MONITOR [MATCH pattern]… [CMD name …] [SAMPLE count], of which Redis has the first word.
fn monitor(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if engine.in_exec() {
        return Err(Error::Say("ERR MONITOR isn't allowed for DENY BLOCKING client").into());
    }
    let filter = match args.len() {
        1 => None,
        _ => Some(filter(engine, args)?),
    };
    match engine.start_monitor(who, filter) {
        true => out.ok(),
        // Redis does not answer the second time, and an answer would look like a command.
        false => out.nothing(),
    }
}

fn filter(engine: &Engine, args: Args) -> Result<Filter, Error> {
    let mut filter = Filter::default();
    let mut rest = args.after(0);
    let mut names_follow = false;
    while let Some(word) = rest.word() {
        match &*word {
            b"MATCH" if rest.left() > 1 => {
                rest.skip();
                filter.patterns.push(rest.bytes()?.to_vec());
            }
            b"SAMPLE" if rest.left() > 1 => {
                rest.skip();
                let count = rest.int()?;
                let positive = u64::try_from(count).ok().filter(|count| *count > 0);
                filter.sample = positive.ok_or(Error::Say("ERR SAMPLE must be positive"))?;
            }
            b"CMD" if rest.left() > 1 => {
                rest.skip();
                filter.commands.push(named(engine, rest.bytes()?)?);
                names_follow = true;
                continue;
            }
            _ if names_follow => {
                filter.commands.push(named(engine, rest.bytes()?)?);
                continue;
            }
            _ if rest.index() == 1 => return Err(Error::Arity("MONITOR")),
            _ => return Err(Error::Syntax),
        }
        names_follow = false;
    }
    Ok(filter)
}

/// The name of a command, by any that a client may call it.
fn named(engine: &Engine, name: &[u8]) -> Result<&'static str, Error> {
    let found = engine.look_up(name);
    found
        .map(|command| command.spec.name)
        .ok_or_else(|| Error::quote("ERR unknown command '", name, "'"))
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
