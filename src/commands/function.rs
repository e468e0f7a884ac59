//! FUNCTION, which speaks about the libraries of functions, and FCALL, which runs one.

use super::scripting::{RUNS, count_keys};
use crate::base::glob;
use crate::base::numbers;
use crate::engine::command::{admin, container};
use crate::engine::functions::{Library, Policy, payload};
use crate::engine::scripting::{Launch, Which};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::lua::register::FLAGS;
use crate::lua::vm::Words;
use crate::resp::{Args, Done, List, Reply};
use crate::spec::{
    ALLOW_BUSY, Access, Arg, C_SCRIPTING, DENYOOM, Group, K_ACCESS, K_UPDATE, LOADING, NOSCRIPT,
    READONLY, STALE, WRITE, counted_keys, integer, key, one_of, string, token,
};

const KEYS: Arg = key("key").optional().repeats();
const ARGS: Arg = string("arg").optional().repeats();

pub const FAMILY: Family = Family {
    group: Group::Scripting,
    commands: &[
        admin("FCALL", fcall)
            .arity(-3)
            .flags(RUNS)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadWrite, K_ACCESS | K_UPDATE)])
            .since("7.0.0")
            .complexity("Depends on the function.")
            .summary("Runs a function.")
            .args(&[string("function"), integer("numkeys"), KEYS, ARGS]),
        admin("FCALL_RO", fcall_ro)
            .arity(-3)
            .flags(RUNS | READONLY)
            .categories(C_SCRIPTING)
            .keys(&[counted_keys(2, 1, Access::ReadOnly, K_ACCESS)])
            .since("7.0.0")
            .complexity("Depends on the function.")
            .summary("Runs a function that changes nothing.")
            .args(&[string("function"), integer("numkeys"), KEYS, ARGS]),
        container("FUNCTION")
            .since("7.0.0")
            .complexity("Depends on subcommand.")
            .summary("A container for function commands."),
        admin("FUNCTION|DELETE", delete)
            .arity(3)
            .flags(NOSCRIPT | WRITE)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Deletes a library and its functions.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[string("library-name")]),
        admin("FUNCTION|DUMP", dump)
            .arity(2)
            .flags(NOSCRIPT)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(N) for N functions")
            .summary("Gives all libraries in a form that can be restored."),
        admin("FUNCTION|FLUSH", flush)
            .arity(-2)
            .flags(NOSCRIPT | WRITE)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(N) for N functions")
            .summary("Deletes all libraries of functions.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[one_of("flush-type", &[token("ASYNC"), token("SYNC")]).optional()]),
        admin("FUNCTION|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
        admin("FUNCTION|KILL", kill)
            .arity(2)
            .flags(NOSCRIPT | ALLOW_BUSY)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Ends the function that is running.")
            .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
        admin("FUNCTION|LIST", list)
            .arity(-2)
            .flags(NOSCRIPT)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(N) for N functions")
            .summary("Lists the libraries of functions.")
            .tips(&["nondeterministic_output_order"])
            .args(&[
                string("library-name-pattern").after("LIBRARYNAME").optional(),
                token("WITHCODE").optional(),
            ]),
        admin("FUNCTION|LOAD", load)
            .arity(-3)
            .flags(NOSCRIPT | WRITE | DENYOOM)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(1), the time to compile it apart")
            .summary("Loads a library of functions.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[token("REPLACE").optional(), string("function-code")]),
        admin("FUNCTION|RESTORE", restore)
            .arity(-3)
            .flags(NOSCRIPT | WRITE | DENYOOM)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(N) for N functions of the payload")
            .summary("Restores the libraries of a payload.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[
                string("serialized-value"),
                one_of("policy", &[token("FLUSH"), token("APPEND"), token("REPLACE")]).optional(),
            ]),
        admin("FUNCTION|STATS", stats)
            .arity(2)
            .flags(NOSCRIPT | ALLOW_BUSY)
            .categories(C_SCRIPTING)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Tells which function is running, and how many there are.")
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ]),
    ],
};

fn fcall(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run(engine, who, args, false, out)
}

fn fcall_ro(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    run(engine, who, args, true, out)
}

fn run(engine: &mut Engine, who: SessionKey, args: Args, only_reads: bool, out: Reply) -> Done {
    engine.show_run(who, args);
    let function = engine.functions.find(args.get(1));
    let function = function.ok_or(Error::Say("ERR Function not found"))?;
    let (name, program, flags) = (function.name.clone(), function.program, function.flags);
    if numbers::parse_i64(args.get(2)).is_none() {
        return Err(Error::Say("ERR Bad number of keys provided").into());
    }
    let keys = count_keys(args)?;
    if only_reads && !flags.no_writes {
        return Err(
            Error::Say("ERR Can not execute a script with write flag using *_ro command.").into()
        );
    }
    let launch = Launch {
        which: Which::Functions,
        program,
        words: Words::Arguments,
        name: &name,
        read_only: flags.no_writes,
        allow_oom: flags.allow_oom,
        keys,
    };
    engine.run_script(who, launch, args.tail(3), out)
}

fn load(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let (options, code) = (args.head(args.len() - 1).tail(2), args.get(args.len() - 1));
    let mut replace = false;
    for option in options.iter() {
        if !option.eq_ignore_ascii_case(b"REPLACE") {
            return Err(Error::quote("ERR Unknown option given: ", option, "").into());
        }
        replace = true;
    }
    let name = engine.load_library(code, replace)?;
    engine.tell_functions(args);
    out.bulk(name.as_bytes())
}

fn delete(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    if !engine.delete_library(args.get(2))? {
        return Err(Error::Say("ERR Library not found").into());
    }
    engine.tell_functions(args);
    out.ok()
}

fn flush(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(1);
    let in_background = match args.len() {
        2 => true,
        3 if rest.take_word(b"SYNC") => false,
        3 if rest.take_word(b"ASYNC") => true,
        3 => {
            return Err(Error::Say("ERR FUNCTION FLUSH only supports SYNC|ASYNC option").into());
        }
        _ => return Err(wrong_count(args)),
    };
    engine.flush_functions(in_background)?;
    engine.tell_functions(args);
    out.ok()
}

fn kill(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.kill_script(Which::Functions)?;
    out.ok()
}

fn dump(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.bulk(&payload::write(engine.functions.codes().map(|(_, code)| code)))
}

fn restore(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(2);
    let policy = match args.len() {
        3 => Policy::Append,
        4 if rest.take_word(b"APPEND") => Policy::Append,
        4 if rest.take_word(b"REPLACE") => Policy::Replace,
        4 if rest.take_word(b"FLUSH") => Policy::Flush,
        4 => {
            return Err(Error::Say(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            )
            .into());
        }
        _ => return Err(wrong_count(args)),
    };
    engine.restore_functions(args.get(2), policy)?;
    engine.tell_functions(args);
    out.ok()
}

/// As Redis has it where a row cannot tell how many there may be.
fn wrong_count(args: Args) -> crate::resp::Stop {
    super::bad_words("FUNCTION", args.get(1)).into()
}

fn list(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let (mut pattern, mut with_code) = (None, false);
    let mut rest = args.after(1);
    while rest.left() > 0 {
        if !with_code && rest.take_word(b"WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && rest.take_word(b"LIBRARYNAME") {
            if rest.left() == 0 {
                return Err(Error::Say("ERR library name argument was not given").into());
            }
            pattern = Some(rest.bytes()?);
        } else {
            return Err(Error::quote("ERR Unknown argument ", args.get(rest.index()), "").into());
        }
    }
    let mut list = out.list_of_some();
    for library in engine.functions.libraries() {
        if pattern.is_none_or(|pattern| glob::matches(pattern, library.name.as_bytes(), true)) {
            list_library(&mut list, library, with_code);
        }
    }
    list.end()
}

fn list_library(list: &mut List, library: &Library, with_code: bool) {
    let mut map = list.map(3 + with_code as usize);
    map.bulk(b"library_name");
    map.bulk(library.name.as_bytes());
    map.bulk(b"engine");
    map.bulk(b"LUA");
    map.bulk(b"functions");
    let mut functions = map.list(library.functions.len());
    for function in &library.functions {
        let mut map = functions.map(3);
        map.bulk(b"name");
        map.bulk(function.name.as_bytes());
        map.bulk(b"description");
        match &function.description {
            Some(text) => map.bulk(text),
            None => map.null(),
        }
        map.bulk(b"flags");
        let flags = FLAGS.iter().filter(|flag| function.flags.has(flag));
        let mut set = map.set(flags.clone().count());
        flags.for_each(|flag| set.simple(flag));
        set.close();
        map.close();
    }
    functions.close();
    if with_code {
        map.bulk(b"library_code");
        map.bulk(&library.code);
    }
    map.close();
}

fn stats(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let mut map = out.map(2);
    let running = engine.busy_function()?;
    map.bulk(b"running_script");
    match running {
        None => map.null(),
        Some((name, line, millis)) => {
            let mut map = map.map(3);
            map.bulk(b"name");
            map.bulk(name.as_bytes());
            map.bulk(b"command");
            map.bulks(line.iter());
            map.bulk(b"duration_ms");
            map.int(millis as i64);
            map.close();
        }
    }
    map.bulk(b"engines");
    let mut engines = map.map(1);
    engines.bulk(b"LUA");
    let mut counts = engines.map(2);
    counts.bulk(b"libraries_count");
    counts.int(engine.functions.libraries().len() as i64);
    counts.bulk(b"functions_count");
    counts.int(engine.functions.count() as i64);
    counts.close();
    engines.close();
    map.end()
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "FUNCTION",
        &[
            "DELETE <library>",
            "    Delete a library and its functions.",
            "DUMP",
            "    Give all libraries in a form that FUNCTION RESTORE takes.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries. Their memory is freed in the background, unless with SYNC.",
            "KILL",
            "    End the function that is running.",
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "    List the libraries with their functions, and with their code if asked.",
            "LOAD [REPLACE] <code>",
            "    Load a library. Its first line says which: #!lua name=<library>",
            "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries of a payload. Those that are there already are deleted first",
            "    (FLUSH), or must have other names (APPEND), or make way for those of their names",
            "    (REPLACE).",
            "STATS",
            "    Tell which function is running, and how many libraries and functions there are.",
        ],
    )
}
