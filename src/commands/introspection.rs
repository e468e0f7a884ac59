//! COMMAND: what commands there are, how they are spelled and which keys they take. All of it is
//! read from the rows.

use crate::base::glob;
use crate::engine::command::{admin, containing};
use crate::engine::keys;
use crate::engine::{Command, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};
use crate::spec::{
    Arg, Begin, C_CONNECTION, CATEGORY_NAMES, FLAG_NAMES, Find, Group, KeySpec, LOADING, STALE,
    Shape, Spec, one_of, pattern, string,
};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        containing("COMMAND", command)
            .arity(-1)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.8.13")
            .complexity("O(N) where N is the total number of Redis commands")
            .summary("Tells what there is to know about all commands.")
            .tips(&["nondeterministic_output_order"]),
        admin("COMMAND|COUNT", count)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Counts the commands."),
        admin("COMMAND|INFO", info)
            .arity(-2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.8.13")
            .complexity("O(N) where N is the number of commands to look up")
            .summary("Tells flags, keys and categories of some commands, or of all.")
            .tips(&["nondeterministic_output_order"])
            .args(&[string("command-name").optional().repeats()]),
        admin("COMMAND|DOCS", docs)
            .arity(-2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.0.0")
            .complexity("O(N) where N is the number of commands to look up")
            .summary("Explains some commands and their arguments, or all of them.")
            .tips(&["nondeterministic_output_order"])
            .args(&[string("command-name").optional().repeats()]),
        admin("COMMAND|LIST", list)
            .arity(-2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.0.0")
            .complexity("O(N) where N is the total number of Redis commands")
            .summary("Lists the names of commands: all, or those that a filter covers.")
            .tips(&["nondeterministic_output_order"])
            .args(&[one_of(
                "filterby",
                &[
                    string("module-name").after("MODULE"),
                    string("category").after("ACLCAT"),
                    pattern("pattern").after("PATTERN"),
                ],
            )
            .after("FILTERBY")
            .optional()]),
        admin("COMMAND|GETKEYS", get_keys)
            .arity(-3)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.8.13")
            .complexity("O(N) where N is the number of arguments to the command")
            .summary("Finds the keys in a command line.")
            .args(&[string("command"), string("arg").optional().repeats()]),
        admin("COMMAND|GETKEYSANDFLAGS", get_keys_and_flags)
            .arity(-3)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.0.0")
            .complexity("O(N) where N is the number of arguments to the command")
            .summary("Finds the keys in a command line, and what would be done to them.")
            .args(&[string("command"), string("arg").optional().repeats()]),
        admin("COMMAND|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Explains the subcommands."),
    ],
};

fn command(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    info_of_all(engine, out)
}

fn count(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.commands().count() as i64)
}

fn info(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    if args.len() == 2 {
        return info_of_all(engine, out);
    }
    let mut all = out.list(args.len() - 2);
    for name in args.tail(2).iter() {
        match engine.look_up(name) {
            Some(command) => write_info(engine, command, &mut all),
            None => all.null(),
        }
    }
    all.end()
}

fn info_of_all(engine: &Engine, out: Reply) -> Done {
    let mut all = out.list(engine.commands().count());
    for command in engine.commands() {
        write_info(engine, command, &mut all);
    }
    all.end()
}

fn docs(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let wanted: Vec<&Command> = match args.len() {
        2 => engine.commands().collect(),
        _ => args.tail(2).iter().filter_map(|name| engine.look_up(name)).collect(),
    };
    let mut all = out.map(wanted.len());
    for command in wanted {
        all.bulk(command.spec.lower_name().as_bytes());
        write_docs(engine, command, &mut all);
    }
    all.end()
}

fn list(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let filter = match args.len() {
        2 => Filter::All,
        5 if args[2].eq_ignore_ascii_case(b"FILTERBY") => {
            match &*args.get(3).to_ascii_uppercase() {
                b"MODULE" => Filter::Nothing,
                b"ACLCAT" => Filter::category(args.get(4)),
                b"PATTERN" => Filter::Pattern(args.get(4)),
                _ => return Err(Error::Syntax.into()),
            }
        }
        _ => return Err(Error::Syntax.into()),
    };
    let mut names = out.list_of_some();
    for command in engine.commands() {
        for command in std::iter::once(command).chain(engine.subcommands(command)) {
            let name = command.spec.lower_name();
            if filter.covers(&command.spec, &name) {
                names.bulk(name.as_bytes());
            }
        }
    }
    names.end()
}

enum Filter<'a> {
    All,
    /// No module is loaded, and a category may not exist.
    Nothing,
    Category(u32),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn category(name: &[u8]) -> Filter<'a> {
        let known =
            CATEGORY_NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        known.map_or(Filter::Nothing, |bit| Filter::Category(1 << bit))
    }

    fn covers(&self, spec: &Spec, name: &str) -> bool {
        match self {
            Filter::All => true,
            Filter::Nothing => false,
            Filter::Category(bit) => spec.all_categories() & bit != 0,
            Filter::Pattern(pattern) => glob::matches(pattern, name.as_bytes(), true),
        }
    }
}

fn get_keys(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let line = args.tail(2);
    let keys = keys_of(engine, line)?;
    out.bulks(keys.iter().map(|key| line.get(key.index)))
}

fn get_keys_and_flags(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let line = args.tail(2);
    let keys = keys_of(engine, line)?;
    let mut all = out.list(keys.len());
    for key in keys {
        let mut one = all.list(2);
        one.bulk(line.get(key.index));
        let flags: Vec<&str> = keys::flag_names(key.access, key.flags).collect();
        write_words(&mut one, &flags);
        one.close();
    }
    all.end()
}

fn keys_of(engine: &Engine, line: Args) -> Result<keys::Keys, Error> {
    let found = engine.find_asked_about(line);
    let command = found.ok_or(Error::Say("ERR Invalid command specified"))?;
    if !keys::has_keys(&command.spec) {
        return Err(Error::Say("ERR The command has no key arguments"));
    }
    if !command.arity_fits(line.len()) {
        return Err(Error::Say("ERR Invalid number of arguments specified for command"));
    }
    match keys::find(&command.spec, line).filter(|keys| !keys.is_empty()) {
        Some(keys) => Ok(keys),
        None if command.spec.has(crate::spec::NO_MANDATORY_KEYS) => Ok(keys::Keys::new()),
        None => Err(Error::Say("ERR Invalid arguments specified for command")),
    }
}

// ── COMMAND INFO ────────────────────────────────────────────────────────────────────────────

fn write_info(engine: &Engine, command: &Command, out: &mut List) {
    let spec = &command.spec;
    let (first, last, step) = key_range(spec);
    let mut fields = out.list(10);
    fields.bulk(spec.lower_name().as_bytes());
    fields.int(spec.arity.into());
    let flags: Vec<&str> =
        FLAG_NAMES.iter().filter(|(bit, _)| spec.has(*bit)).map(|(_, name)| *name).collect();
    write_words(&mut fields, &flags);
    fields.int(first);
    fields.int(last);
    fields.int(step);
    write_categories(&mut fields, spec.all_categories());
    let mut tips = fields.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| tips.bulk(tip.as_bytes()));
    tips.close();
    let mut keys = fields.set(spec.keys.len());
    spec.keys.iter().for_each(|key| write_key_spec(&mut keys, key));
    keys.close();
    let subcommands: Vec<&Command> = engine.subcommands(command).collect();
    // An empty one is a set for Redis; clients that speak RESP3 know it so.
    let mut subs = match subcommands.len() {
        0 => fields.set(0),
        count => fields.list(count),
    };
    subcommands.iter().for_each(|sub| write_info(engine, sub, &mut subs));
    subs.close();
    fields.close();
}

/// First key, last key and step as clients of before Redis 7 know them: as much of the key specs
/// as three numbers can say.
fn key_range(spec: &Spec) -> (i64, i64, i64) {
    let range = |key: &KeySpec| match (key.begin, key.find) {
        (Begin::Index(first), Find::Range { last, step, .. }) => {
            let (first, last) = (i64::from(first), i64::from(last));
            Some((first, if last >= 0 { first + last } else { last }, i64::from(step)))
        }
        _ => None,
    };
    if let [only] = spec.keys {
        return range(only).unwrap_or((0, 0, 0));
    }
    let mut all: Option<(i64, i64)> = None;
    for (first, last, step) in spec.keys.iter().filter_map(range) {
        // Where something stands between the keys, three numbers cannot say so.
        if step == 1 && all.is_none_or(|(_, end)| first == end + 1) {
            all = Some((all.map_or(first, |(begin, _)| begin), last));
        }
    }
    all.map_or((0, 0, 0), |(first, last)| (first, last, 1))
}

fn write_categories(out: &mut List, categories: u32) {
    let names: Vec<String> = CATEGORY_NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| categories & 1 << bit != 0)
        .map(|(_, name)| format!("@{name}"))
        .collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    write_words(out, &names);
}

/// A set of status words.
fn write_words(out: &mut List, words: &[&str]) {
    let mut set = out.set(words.len());
    words.iter().for_each(|word| set.simple(word));
    set.close();
}

fn write_key_spec(out: &mut List, key: &KeySpec) {
    let mut map = out.map(3);
    map.bulk(b"flags");
    let flags: Vec<&str> = keys::flag_names(key.access, key.flags).collect();
    write_words(&mut map, &flags);
    map.bulk(b"begin_search");
    match key.begin {
        Begin::Index(index) => write_search(&mut map, "index", &[("index", index)], None),
        Begin::Keyword(word, from) => {
            write_search(&mut map, "keyword", &[("startfrom", from)], Some(word));
        }
        Begin::Unknown => write_search(&mut map, "unknown", &[], None),
    }
    map.bulk(b"find_keys");
    match key.find {
        Find::Range { last, step, limit } => {
            let numbers = [("lastkey", last), ("keystep", step), ("limit", limit)];
            write_search(&mut map, "range", &numbers, None);
        }
        Find::Count { count, first, step } => {
            let numbers = [("keynumidx", count), ("firstkey", first), ("keystep", step)];
            write_search(&mut map, "keynum", &numbers, None);
        }
        Find::Unknown => write_search(&mut map, "unknown", &[], None),
    }
    map.close();
}

fn write_search(out: &mut List, kind: &str, numbers: &[(&str, i16)], keyword: Option<&str>) {
    let mut map = out.map(2);
    map.bulk(b"type");
    map.bulk(kind.as_bytes());
    map.bulk(b"spec");
    let mut spec = map.map(numbers.len() + keyword.is_some() as usize);
    if let Some(keyword) = keyword {
        spec.bulk(b"keyword");
        spec.bulk(keyword.as_bytes());
    }
    for (name, number) in numbers {
        spec.bulk(name.as_bytes());
        spec.int(i64::from(*number));
    }
    spec.close();
    map.close();
}

// ── COMMAND DOCS ────────────────────────────────────────────────────────────────────────────

/// Commands that servers use among themselves, and those who build them.
const FOR_SERVERS: [&str; 5] = ["DEBUG", "PFDEBUG", "PFSELFTEST", "REPLCONF", "RESTORE-ASKING"];

fn write_docs(engine: &Engine, command: &Command, out: &mut List) {
    let spec = &command.spec;
    let mut map = out.map_of_some();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            map.bulk(name.as_bytes());
            map.bulk(value.as_bytes());
        }
    };
    say("summary", spec.summary);
    say("since", spec.since);
    say("group", spec.group.name());
    say("complexity", spec.complexity);
    let flags: Vec<&str> =
        [(spec.deprecated.is_some(), "deprecated"), (FOR_SERVERS.contains(&spec.name), "syscmd")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
            .collect();
    if !flags.is_empty() {
        map.bulk(b"doc_flags");
        write_words(&mut map, &flags);
    }
    if let Some((since, instead)) = spec.deprecated {
        map.bulk(b"deprecated_since");
        map.bulk(since.as_bytes());
        map.bulk(b"replaced_by");
        map.bulk(instead.as_bytes());
    }
    if !spec.args.is_empty() {
        map.bulk(b"arguments");
        write_args(&mut map, spec.args, &mut KeyNumber::of(spec));
    }
    let subcommands: Vec<&Command> = engine.subcommands(command).collect();
    if !subcommands.is_empty() {
        map.bulk(b"subcommands");
        let mut subs = map.map(subcommands.len());
        for sub in subcommands {
            subs.bulk(sub.spec.lower_name().as_bytes());
            write_docs(engine, sub, &mut subs);
        }
        subs.close();
    }
    map.close();
}

/// Which key spec an argument belongs to: they come in the same order, and the last spec covers
/// the arguments that are left.
struct KeyNumber {
    next: usize,
    last: usize,
}

impl KeyNumber {
    fn of(spec: &Spec) -> KeyNumber {
        KeyNumber { next: 0, last: spec.keys.len().saturating_sub(1) }
    }

    fn take(&mut self) -> usize {
        let number = self.next.min(self.last);
        self.next += 1;
        number
    }
}

fn write_args(out: &mut List, args: &[Arg], keys: &mut KeyNumber) {
    let mut all = out.list(args.len());
    for arg in args {
        write_arg(&mut all, arg, keys);
    }
    all.close();
}

fn write_arg(out: &mut List, arg: &Arg, keys: &mut KeyNumber) {
    let is_word = matches!(arg.shape, Shape::Token);
    let named_otherwise = !arg.token.is_empty();
    // A word that stands for itself is called as it is written.
    let (name, token) = match is_word && !named_otherwise {
        true => (arg.name.to_ascii_lowercase(), arg.name),
        false => (arg.name.to_string(), arg.token),
    };
    let (kind, parts) = match arg.shape {
        Shape::Key => ("key", None),
        Shape::String => ("string", None),
        Shape::Integer => ("integer", None),
        Shape::Double => ("double", None),
        Shape::Pattern => ("pattern", None),
        Shape::UnixTime => ("unix-time", None),
        Shape::Token => ("pure-token", None),
        Shape::OneOf(parts) => ("oneof", Some(parts)),
        Shape::Block(parts) => ("block", Some(parts)),
    };
    let mut map = out.map_of_some();
    map.bulk(b"name");
    map.bulk(name.as_bytes());
    map.bulk(b"type");
    map.bulk(kind.as_bytes());
    if parts.is_none() {
        map.bulk(b"display_text");
        map.bulk(if arg.shown.is_empty() { name.as_bytes() } else { arg.shown.as_bytes() });
    }
    if matches!(arg.shape, Shape::Key) {
        map.bulk(b"key_spec_index");
        map.int(keys.take() as i64);
    }
    if !token.is_empty() {
        map.bulk(b"token");
        map.bulk(token.as_bytes());
    }
    if !arg.since.is_empty() {
        map.bulk(b"since");
        map.bulk(arg.since.as_bytes());
    }
    let flags: Vec<&str> = [
        (arg.optional, "optional"),
        (arg.repeats, "multiple"),
        (arg.repeats_token, "multiple_token"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect();
    if !flags.is_empty() {
        map.bulk(b"flags");
        write_words(&mut map, &flags);
    }
    if let Some(parts) = parts {
        map.bulk(b"arguments");
        write_args(&mut map, parts, keys);
    }
    map.close();
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "COMMAND",
        &[
            "(no subcommand)",
            "    Tell flags, keys and categories of all commands.",
            "COUNT",
            "    Count the commands.",
            "DOCS [<command-name> ...]",
            "    Explain commands and their arguments.",
            "GETKEYS <full-command>",
            "    Find the keys in a command line.",
            "GETKEYSANDFLAGS <full-command>",
            "    Find the keys in a command line, and what would be done to them.",
            "INFO [<command-name> ...]",
            "    Tell flags, keys and categories of commands.",
            "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
            "    List names of commands.",
        ],
    )
}
