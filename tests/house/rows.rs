//! The rows of the command table against themselves: arity and grammar, keys and grammar, words
//! that must be there, and transcripts that use them.

use crate::{files, none, root};
use russet::commands::TABLE;
use russet::engine::Run;
use russet::spec::{Arg, Begin, Find, K_DELETE, K_INSERT, K_NOT_KEY, K_UPDATE, Shape, Spec, WRITE};

/// Rows whose arity is looser or stricter than their grammar, because Redis' is.
const ARITY_ON_PURPOSE: &[(&str, &str)] = &[
    ("COMMAND|INFO", "without names it tells of all commands, and -2 says so"),
    ("CLIENT|KILL", "each of its filters may be left out, but not all of them"),
    ("DEBUG", "its grammar is nobody's promise"),
    ("SADDEX", "Dragonfly's has one word less"),
    ("GEOSEARCH", "only a polygon has no FROM, and it has as many words in corners"),
    ("GEOSEARCHSTORE", "as GEOSEARCH"),
    ("HOTKEYS|START", "an error of its own says that METRICS is missing"),
];

/// Commands that write without naming keys.
const WRITES_WITHOUT_KEYS: &[(&str, &str)] = &[
    ("FLUSHALL", "all keys of all databases"),
    ("FLUSHDB", "all keys of a database"),
    ("SWAPDB", "all keys of two databases"),
    ("FUNCTION|DELETE", "functions are no keys"),
    ("FUNCTION|FLUSH", "functions are no keys"),
    ("FUNCTION|LOAD", "functions are no keys"),
    ("FUNCTION|RESTORE", "functions are no keys"),
    ("PFDEBUG", "what it changes is the form of a value; Redis has it so"),
    (
        "XREADGROUP",
        "to the peers it reads: entries stay as they are, and the group learns who has them",
    ),
];

/// Rows that no transcript can play.
const WITHOUT_TRANSCRIPT: &[(&str, &str)] = &[
    ("DEBUG|PANIC", "ends the server"),
    ("DEBUG|SEGFAULT", "ends the server"),
    ("DEBUG|OOM", "ends the server"),
    ("DEBUG|ASSERT", "ends the server"),
];

/// Commands whose transcripts are still to be written: this list may only become shorter.
const NOT_YET: &[&str] = &[
    "ECHO", "AUTH", "HELLO", "QUIT", "RESET", "CLIENT", "COMMAND", "CLUSTER", "SCRIPT", "SYNC",
    "MODULE", "DEBUG",
];

fn is_listed(list: &[(&str, &str)], name: &str) -> bool {
    list.iter().any(|(listed, _)| name == *listed || name.starts_with(&format!("{listed}|")))
}

fn specs() -> impl Iterator<Item = &'static Spec> {
    TABLE.all.iter().map(|command| &command.spec)
}

#[test]
fn every_row_says_what_it_is() {
    let mut violations = Vec::new();
    for spec in specs() {
        let missing = [
            ("summary", spec.summary.is_empty()),
            ("since", spec.since.is_empty()),
            ("complexity", spec.complexity.is_empty()),
            ("arity", spec.arity == 0),
        ];
        for (what, _) in missing.iter().filter(|(_, missing)| *missing) {
            violations.push(format!("{} has no {what}", spec.name));
        }
    }
    none("every row says what it is", violations);
}

#[test]
fn arity_is_the_grammar_s() {
    let mut violations = Vec::new();
    for command in TABLE.all {
        let spec = &command.spec;
        if matches!(command.run, Run::Container) || is_listed(ARITY_ON_PURPOSE, spec.name) {
            continue;
        }
        let words = name_words(spec) as i16;
        let (least, open) = least(spec.args);
        let expected = match open {
            true => -(words + least),
            false => words + least,
        };
        // Redis leaves the arity of some commands open although their grammar is closed, so that
        // they can say more than "wrong number of arguments"; closed for open is wrong.
        let looser = spec.arity < 0 && expected > 0 && -spec.arity == expected;
        if spec.arity != expected && !looser {
            violations.push(format!("{}: arity {}, grammar {expected}", spec.name, spec.arity));
        }
    }
    none("arity and grammar agree", violations);
}

#[test]
fn key_specs_point_at_keys() {
    let mut violations = Vec::new();
    for spec in specs() {
        for key in spec.keys {
            let Begin::Index(index) = key.begin else { continue };
            if key.flags & K_NOT_KEY != 0 || matches!(key.find, Find::Unknown) {
                continue;
            }
            let at = index as usize - name_words(spec).min(index as usize);
            let shape = shape_at(spec.args, at);
            let right = match key.find {
                Find::Count { .. } => matches!(shape, Some(Shape::Integer) | None),
                _ => matches!(shape, Some(Shape::Key)),
            };
            if !right {
                violations.push(format!("{}: word {index} is no key", spec.name));
            }
        }
    }
    none("key specifications point at keys", violations);
}

#[test]
fn writes_name_the_keys_they_change() {
    let changes = K_UPDATE | K_INSERT | K_DELETE;
    let violations = specs()
        .filter(|spec| spec.has(WRITE) && !is_listed(WRITES_WITHOUT_KEYS, spec.name))
        .filter(|spec| !spec.keys.iter().any(|key| key.flags & changes != 0))
        .map(|spec| spec.name.to_string());
    none("a command that writes says which keys", violations.collect());
}

#[test]
fn every_row_is_used_in_a_transcript() {
    let transcripts = files("tests/transcripts", ".txt");
    let mut used = std::collections::BTreeSet::new();
    for line in transcripts.iter().flat_map(|(_, text)| text.lines()) {
        let text = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(text) = text.strip_prefix("> ") else { continue };
        let mut words = text.split_whitespace().map(str::to_uppercase);
        let (name, sub) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        used.insert(format!("{name}|{sub}"));
        used.insert(name);
    }
    let violations = specs()
        .filter(|spec| !used.contains(spec.name) && !is_listed(WITHOUT_TRANSCRIPT, spec.name))
        .filter(|spec| !NOT_YET.iter().any(|name| is_listed(&[(name, "")], spec.name)))
        .map(|spec| spec.name.to_string());
    none("every command is in a transcript", violations.collect());
}

#[test]
fn every_family_is_in_the_table() {
    let path = root().join("src/commands/mod.rs");
    let table = std::fs::read_to_string(path).expect("the table is there");
    let mut violations = Vec::new();
    for (path, text) in files("src/commands", ".rs") {
        let path_of_module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let name = path_of_module.rsplit('/').next().unwrap_or_default();
        if text.contains("pub const FAMILY: Family") && !table.contains(&format!("{name}::FAMILY,"))
        {
            violations.push(path);
        }
    }
    none("every family is in the table", violations);
}

/// A subcommand is named by two words.
fn name_words(spec: &Spec) -> usize {
    1 + spec.name.contains('|') as usize
}

/// The fewest words of a grammar, and whether there may be more.
fn least(args: &[Arg]) -> (i16, bool) {
    let (mut words, mut open) = (0, false);
    for arg in args {
        let (own, inner_open) = match arg.shape {
            Shape::Token => (1, false),
            Shape::Block(parts) => least(parts),
            Shape::OneOf(choices) => {
                let each = choices.iter().map(|choice| least(std::slice::from_ref(choice)));
                let each: Vec<(i16, bool)> = each.collect();
                let fewest = each.iter().map(|(words, _)| *words).min().unwrap_or(0);
                (fewest, each.iter().any(|(words, open)| *open || *words != fewest))
            }
            _ => (1, false),
        };
        let announced = !arg.token.is_empty() && !matches!(arg.shape, Shape::Token);
        if arg.optional {
            open = true;
        } else {
            words += own + announced as i16;
        }
        open |= arg.repeats || inner_open;
    }
    (words, open)
}

/// What stands at a place of the command line; none if that depends.
fn shape_at(args: &[Arg], mut at: usize) -> Option<Shape> {
    for arg in args {
        if arg.optional {
            // A key that may be left out is where a key would be.
            let is_key = at == 0 && arg.token.is_empty() && matches!(arg.shape, Shape::Key);
            return is_key.then_some(Shape::Key);
        }
        match arg.shape {
            Shape::Block(parts) => {
                let (words, open) = least(parts);
                if at < words as usize {
                    return shape_at(parts, at);
                }
                if open {
                    return None;
                }
                at -= words as usize;
            }
            Shape::OneOf(choices) => {
                let same = choices.iter().all(|it| matches!(it.shape, Shape::Token));
                // A key, or a word in its place.
                let is_word = |it: &Arg| matches!(it.shape, Shape::Key | Shape::Token);
                if choices.iter().all(is_word) && !same {
                    if at == 0 {
                        return Some(Shape::Key);
                    }
                    at -= 1;
                    continue;
                }
                if at == 0 || !same {
                    return if same { Some(Shape::Token) } else { None };
                }
                at -= 1;
            }
            shape => {
                if at == 0 {
                    return Some(shape);
                }
                at -= 1 + (!arg.token.is_empty() && !matches!(shape, Shape::Token)) as usize;
            }
        }
    }
    None
}
