//! CONFIG: directives, seen and changed while the server runs.

use crate::engine::command::{admin, container};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{ADMIN, Group, LOADING, NOSCRIPT, STALE, block, string};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("CONFIG")
            .since("2.0.0")
            .complexity("Depends on subcommand.")
            .summary("A container for server configuration commands."),
        admin("CONFIG|GET", get)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .complexity("O(N) for N directives asked for")
            .summary("Returns the values of directives, by name or pattern.")
            .args(&[string("parameter").repeats()]),
        admin("CONFIG|SET", set)
            .arity(-4)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .complexity("O(N) for N directives given")
            .summary("Changes directives, all or none.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[block("data", &[string("parameter"), string("value")]).repeats()]),
        admin("CONFIG|RESETSTAT", resetstat)
            .arity(2)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.0.0")
            .complexity("O(1)")
            .summary("Sets the counters that INFO shows to zero.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        admin("CONFIG|REWRITE", rewrite)
            .arity(2)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .since("2.8.0")
            .complexity("O(1)")
            .summary("Writes the configuration to the file it came from.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        admin("CONFIG|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Lists the subcommands."),
    ],
};

fn get(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let patterns: Vec<&[u8]> = args.tail(2).iter().collect();
    let found = engine.config.matching(&patterns);
    let mut map = out.map(found.len());
    for (name, value) in &found {
        map.bulk(name);
        map.bulk(value);
    }
    map.end()
}

fn set(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if !args.len().is_multiple_of(2) {
        return Err(Error::Syntax.into());
    }
    let words: Vec<&[u8]> = args.tail(2).iter().collect();
    let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    engine.set_config(who, &pairs)?;
    out.ok()
}

fn resetstat(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.reset_stats();
    out.ok()
}

fn rewrite(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.rewrite_config(false)?;
    out.ok()
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "CONFIG",
        &[
            "GET <pattern> [<pattern> ...]",
            "    Show the directives that a pattern matches, with their values.",
            "SET <directive> <value> [<directive> <value> ...]",
            "    Change directives: all of them, or none.",
            "RESETSTAT",
            "    Set the counters of INFO to zero.",
            "REWRITE",
            "    Write the configuration to its file, and keep its comments.",
        ],
    )
}
