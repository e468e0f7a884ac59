//! EVAL and its like, and SCRIPT, which speaks about the scripts that are known.

use crate::base::numbers;
use crate::engine::command::{admin, container};
use crate::engine::scripting::cache::{self, Digest};
use crate::engine::scripting::{Launch, Which};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::lua::vm::Words;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ALLOW_BUSY, Access, Arg, C_SCRIPTING, Group, K_ACCESS, K_UPDATE, LOADING, MAY_REPLICATE,
    MOVABLEKEYS, NO_MANDATORY_KEYS, NOSCRIPT, READONLY, SKIP_MONITOR, STALE, counted_keys, integer,
    key, one_of, string, token,
};

/// What all commands that run a script have in common. They feed MONITOR themselves, before what they run.
pub(super) const RUNS: u32 = NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | MOVABLEKEYS;

const KEYS: Arg = key("key").optional().repeats();
const ARGS: Arg = string("arg").optional().repeats();

pub const FAMILY: Family = Family {
    group: Group::Scripting,
    commands: &[
        admin("EVAL", eval)
            .arity(-3)
            .flags(RUNS | MAY_REPLICATE)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.6.0")
            .complexity("Depends on the script.")
            .summary("Runs a script.")
            .args(&[string("script"), integer("numkeys"), KEYS, ARGS]),
        admin("EVALSHA", evalsha)
            .arity(-3)
            .flags(RUNS | MAY_REPLICATE)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("2.6.0")
            .complexity("Depends on the script.")
            .summary("Runs a script that is known by its SHA-1.")
            .args(&[string("sha1"), integer("numkeys"), KEYS, ARGS]),
        admin("EVAL_RO", eval_ro)
            .arity(-3)
            .flags(RUNS | READONLY)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("Depends on the script.")
            .summary("Runs a script that changes nothing.")
            .args(&[string("script"), integer("numkeys"), KEYS, ARGS]),
        admin("EVALSHA_RO", evalsha_ro)
            .arity(-3)
            .flags(RUNS | READONLY)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("Depends on the script.")
            .summary("Runs a script that changes nothing and is known by its SHA-1.")
            .args(&[string("sha1"), integer("numkeys"), KEYS, ARGS]),
        container("SCRIPT")
            .since("2.6.0")
            .complexity("Depends on subcommand.")
            .summary("A container for script commands."),
        admin("SCRIPT|DEBUG", debug)
            .arity(3)
            .flags(NOSCRIPT)
            .categories(C_SCRIPTING)
            .since("3.2.0")
            .complexity("O(1)")
            .summary("Would make the scripts of this connection run in a debugger.")
            .args(&[one_of("mode", &[token("YES"), token("SYNC"), token("NO")])]),
        admin("SCRIPT|EXISTS", exists)
            .arity(-3)
            .flags(NOSCRIPT)
            .categories(C_SCRIPTING)
            .since("2.6.0")
            .complexity("O(N) for N digests")
            .summary("Tells which scripts are known.")
            .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
            .args(&[string("sha1").repeats()]),
        admin("SCRIPT|FLUSH", flush)
            .arity(-2)
            .flags(NOSCRIPT)
            .categories(C_SCRIPTING)
            .since("2.6.0")
            .complexity("O(N) for N scripts")
            .summary("Forgets all scripts.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[one_of("flush-type", &[token("ASYNC"), token("SYNC")])
                .optional()
                .since("6.2.0")]),
        admin("SCRIPT|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_SCRIPTING)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
        admin("SCRIPT|KILL", kill)
            .arity(2)
            .flags(NOSCRIPT | ALLOW_BUSY)
            .categories(C_SCRIPTING)
            .since("2.6.0")
            .complexity("O(1)")
            .summary("Ends the script that is running.")
            .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
        admin("SCRIPT|LOAD", load)
            .arity(3)
            .flags(NOSCRIPT | STALE)
            .categories(C_SCRIPTING)
            .since("2.6.0")
            .complexity("O(N) for N bytes")
            .summary("Gets to know a script without running it.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[string("script")]),
        admin("SCRIPT|SHOW", show)
            .arity(3)
            .flags(NOSCRIPT | STALE)
            .categories(C_SCRIPTING)
            .since("8.0.0")
            .complexity("O(1)")
            .summary("Shows the text of a script.")
            .args(&[string("sha1")]),
    ],
};

const NO_SCRIPT: Error = Error::Say("NOSCRIPT No matching script. Please use EVAL.");

fn eval(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run_text(engine, who, args, false, out)
}

fn eval_ro(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run_text(engine, who, args, true, out)
}

fn evalsha(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run_known(engine, who, args, false, out)
}

fn evalsha_ro(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run_known(engine, who, args, true, out)
}

fn run_text(engine: &mut Engine, who: SessionKey, args: Args, ro: bool, out: Reply) -> Done {
    engine.show_run(who, args);
    let keys = count_keys(args)?;
    let digest = engine.script_of(args.get(1))?;
    run(engine, who, &digest, (keys, ro), args, out)
}

fn run_known(engine: &mut Engine, who: SessionKey, args: Args, ro: bool, out: Reply) -> Done {
    engine.show_run(who, args);
    // As in Redis, what cannot be a digest is not known, whatever comes behind it.
    let digest = cache::digest(args.get(1)).ok_or(NO_SCRIPT)?;
    let keys = count_keys(args)?;
    run(engine, who, &digest, (keys, ro), args, out)
}

fn run(
    engine: &mut Engine,
    who: SessionKey,
    digest: &Digest,
    (keys, read_only): (usize, bool),
    args: Args,
    out: Reply,
) -> Done {
    let script = engine.scripting.cache.touch(digest).ok_or(NO_SCRIPT)?;
    let only_reads = script.flags.is_some_and(|flags| flags.no_writes);
    if read_only && script.flags.is_some() && !only_reads {
        return Err(
            Error::Say("ERR Can not execute a script with write flag using *_ro command.").into()
        );
    }
    let launch = Launch {
        which: Which::Scripts,
        program: script.program,
        words: Words::Global,
        name: std::str::from_utf8(digest).expect("digits are ASCII"),
        read_only: read_only || only_reads,
        allow_oom: script.flags.is_some_and(|flags| flags.allow_oom),
        keys,
    };
    engine.run_script(who, launch, args.tail(3), out)
}

/// How many of the words behind the number are keys.
pub(super) fn count_keys(args: Args) -> Result<usize, Error> {
    let keys = numbers::parse_i64(args.get(2)).ok_or(Error::NotInteger)?;
    let keys =
        usize::try_from(keys).map_err(|_| Error::Say("ERR Number of keys can't be negative"))?;
    if keys > args.len() - 3 {
        return Err(Error::Say("ERR Number of keys can't be greater than number of args"));
    }
    Ok(keys)
}

fn load(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let digest = engine.script_of(args.get(2))?;
    engine.scripting.cache.keep(&digest);
    out.bulk(&digest)
}

fn exists(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut list = out.list(args.len() - 2);
    for word in args.tail(2).iter() {
        let known = cache::digest(word).is_some_and(|it| engine.scripting.cache.get(&it).is_some());
        list.int(known as i64);
    }
    list.end()
}

fn show(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let digest = cache::digest(args.get(2)).ok_or(Error::Say("NOSCRIPT No matching script."))?;
    match engine.scripting.cache.get(&digest) {
        Some(script) => out.bulk(&script.text),
        None => Err(Error::Say("NOSCRIPT No matching script.").into()),
    }
}

fn flush(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(1);
    let in_background = match args.len() {
        2 => true,
        3 if rest.take_word(b"SYNC") => false,
        3 if rest.take_word(b"ASYNC") => true,
        _ => return Err(Error::Say("ERR SCRIPT FLUSH only support SYNC|ASYNC option").into()),
    };
    engine.flush_scripts(in_background);
    out.ok()
}

fn kill(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.kill_script(Which::Scripts)?;
    out.ok()
}

/// There is no debugger; who turns it off finds it as it should be.
fn debug(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(1);
    if rest.take_word(b"NO") {
        return out.ok();
    }
    if rest.take_word(b"YES") || rest.take_word(b"SYNC") {
        return Err(
            Error::Say("ERR The debugger of scripts is not supported by this server").into()
        );
    }
    Err(Error::Say("ERR Use SCRIPT DEBUG YES/SYNC/NO").into())
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Run the scripts of this connection in a debugger: this server has none.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Tell which scripts are known.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts. Their memory is freed in the background, unless with SYNC.",
            "KILL",
            "    End the script that is running.",
            "LOAD <script>",
            "    Get to know a script without running it.",
            "SHOW <sha1>",
            "    Show the text of a script.",
        ],
    )
}
