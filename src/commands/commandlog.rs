//! SLOWLOG and COMMANDLOG: commands that took long, asked much or answered much.

use crate::engine::command::{admin, container};
use crate::engine::commandlog::Log;
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{ADMIN, Group, LOADING, STALE, integer, one_of, token};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("SLOWLOG")
            .since("2.2.12")
            .complexity("Depends on subcommand.")
            .summary("A container for slow log commands."),
        admin("SLOWLOG|GET", slowlog_get)
            .arity(-2)
            .flags(ADMIN | LOADING | STALE)
            .since("2.2.12")
            .complexity("O(N) for N entries returned")
            .summary("Returns the newest entries of the slow log.")
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .args(&[integer("count").optional()]),
        admin("SLOWLOG|LEN", slowlog_len)
            .arity(2)
            .flags(ADMIN | LOADING | STALE)
            .since("2.2.12")
            .complexity("O(1)")
            .summary("Returns the number of entries in the slow log.")
            .tips(&[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ]),
        admin("SLOWLOG|RESET", slowlog_reset)
            .arity(2)
            .flags(ADMIN | LOADING | STALE)
            .since("2.2.12")
            .complexity("O(N) for N entries in the slow log")
            .summary("Empties the slow log.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        admin("SLOWLOG|HELP", slowlog_help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Lists the subcommands."),
        container("COMMANDLOG")
            .since("8.1.0")
            .complexity("Depends on subcommand.")
            .summary("A container for command log commands."),
        admin("COMMANDLOG|GET", get)
            .arity(4)
            .flags(ADMIN | LOADING | STALE)
            .since("8.1.0")
            .complexity("O(N) for N entries returned")
            .summary("Returns the newest entries of one of the command logs.")
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .args(&[integer("count"), one_of("type", KINDS)]),
        admin("COMMANDLOG|LEN", len)
            .arity(3)
            .flags(ADMIN | LOADING | STALE)
            .since("8.1.0")
            .complexity("O(1)")
            .summary("Returns the number of entries in one of the command logs.")
            .tips(&[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ])
            .args(&[one_of("type", KINDS)]),
        admin("COMMANDLOG|RESET", reset)
            .arity(3)
            .flags(ADMIN | LOADING | STALE)
            .since("8.1.0")
            .complexity("O(N) for N entries in the log")
            .summary("Empties one of the command logs.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[one_of("type", KINDS)]),
        admin("COMMANDLOG|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("8.1.0")
            .complexity("O(1)")
            .summary("Lists the subcommands."),
    ],
};

const KINDS: &[crate::spec::Arg] = &[token("SLOW"), token("LARGE-REQUEST"), token("LARGE-REPLY")];
const COUNT_DEFAULT: usize = 10;

fn slowlog_get(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let count = match args.len() {
        2 => COUNT_DEFAULT,
        3 => count(args)?,
        // This row's arity is open, and yet Redis takes one argument at most.
        _ => {
            return Err(Error::text(format!(
                "ERR unknown subcommand or wrong number of arguments for '{}'. Try SLOWLOG HELP.",
                String::from_utf8_lossy(args.get(1))
            ))
            .into());
        }
    };
    show(&engine.command_logs.slow, count, out)
}

fn slowlog_len(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.command_logs.slow.entries.len() as i64)
}

fn slowlog_reset(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.command_logs.slow.clear();
    out.ok()
}

fn get(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let count = count(args)?;
    show(log(engine, args.get(3))?, count, out)
}

fn len(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.int(log(engine, args.get(2))?.entries.len() as i64)
}

fn reset(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    log(engine, args.get(2))?.clear();
    out.ok()
}

fn log<'e>(engine: &'e mut Engine, kind: &[u8]) -> Result<&'e mut Log, Error> {
    let logs = &mut engine.command_logs;
    match &*crate::resp::Word::new(kind) {
        b"SLOW" => Ok(&mut logs.slow),
        b"LARGE-REQUEST" => Ok(&mut logs.large_request),
        b"LARGE-REPLY" => Ok(&mut logs.large_reply),
        _ => Err(Error::Say(
            "ERR type should be one of the following: slow, large-request, large-reply",
        )),
    }
}

/// -1 stands for all of them.
fn count(args: Args) -> Result<usize, Error> {
    const REFUSAL: Error = Error::Say("ERR count should be greater than or equal to -1");
    match args.after(1).int() {
        Ok(-1) => Ok(usize::MAX),
        Ok(count) => usize::try_from(count).map_err(|_| REFUSAL),
        Err(_) => Err(REFUSAL),
    }
}

fn show(log: &Log, count: usize, out: Reply) -> Done {
    let mut list = out.list(log.entries.len().min(count));
    for entry in log.entries.iter().take(count) {
        let mut fields = list.list(6);
        fields.int(entry.id as i64);
        fields.int(entry.time);
        fields.int(entry.amount as i64);
        fields.bulks(entry.words.iter().map(Vec::as_slice));
        fields.bulk(entry.addr.as_bytes());
        fields.bulk(&entry.name);
        fields.close();
    }
    list.end()
}

fn slowlog_help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Show the newest <count> entries (10 by default, all with -1): id, time,",
            "    microseconds, arguments, address and name of the client.",
            "LEN",
            "    Show how many entries there are.",
            "RESET",
            "    Empty the log.",
        ],
    )
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "COMMANDLOG",
        &[
            "GET <count> <type>",
            "    Show the newest <count> entries (all with -1) of a log: id, time, microseconds",
            "    or bytes, arguments, address and name of the client. The type is slow,",
            "    large-request or large-reply.",
            "LEN <type>",
            "    Show how many entries a log has.",
            "RESET <type>",
            "    Empty a log.",
        ],
    )
}
