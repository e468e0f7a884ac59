//! The order of the modules: each may name only those on lines above its own.

use crate::{files, none};

/// The layers, from the ground up; what stands on one line must not know each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["error", "spec", "trust"],
    &["config"],
    &["world"],
    &["data"],
    &["resp", "rdb"],
    &["keyspace", "lua"],
    &["persist"],
    &["engine"],
    &["commands"],
    &["cli", "server"],
    &["container"],
    &["main"],
];

/// Ways to the outside that only the shell may go: the core is handed what it needs.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::process::Command",
    "std::os::unix::net",
    "tokio::",
    "socket2::",
];

#[test]
fn modules_name_only_what_is_above_them() {
    let mut violations = Vec::new();
    for (path, text) in files("src", ".rs") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some(own) = layer(&module) else {
            violations.push(format!("{path}: {module} has no layer"));
            continue;
        };
        for (line, other) in named(&path, &text) {
            if other == module {
                continue;
            }
            match layer(&other) {
                Some(theirs) if theirs < own => {}
                Some(_) => violations.push(format!(
                    "{path}:{line} names {other}; {module} must not know it — see ARCHITECTURE, Layers"
                )),
                None => violations.push(format!("{path}:{line}: {other} has no layer")),
            }
        }
    }
    none("a module may name only the layers above it", violations);
}

#[test]
fn every_layer_exists() {
    let modules: Vec<String> =
        files("src", ".rs").iter().map(|(path, _)| module_of(path)).collect();
    let gone = LAYERS
        .iter()
        .flat_map(|line| line.iter())
        .filter(|name| !modules.iter().any(|module| module == *name));
    none("the list of layers names what is there", gone.map(|name| name.to_string()).collect());
}

#[test]
fn only_the_shell_touches_the_outside() {
    let mut violations = Vec::new();
    for (path, text) in files("src", ".rs") {
        // Tests beside the code may read files.
        if matches!(module_of(&path).as_str(), "cli" | "server" | "container" | "main")
            || path.ends_with("/tests.rs")
        {
            continue;
        }
        for (number, line) in code_lines(&text) {
            for way in OUTSIDE.iter().filter(|way| line.contains(**way)) {
                violations.push(format!("{path}:{number} names {way}"));
            }
        }
    }
    none("files, sockets and tokio begin behind the core", violations);
}

#[test]
fn the_scanner_sees_what_it_must() {
    let text = "use crate::engine::{Engine};\nuse crate::{base::glob, keyspace};\n// crate::server\n\
                use super::super::commands::find;\nlet x = crate::resp::Args::new();\n";
    let seen: Vec<(usize, String)> = named("src/data/string.rs", text);
    let seen: Vec<(usize, &str)> = seen.iter().map(|(line, name)| (*line, name.as_str())).collect();
    assert_eq!(seen, [(1, "engine"), (2, "base"), (2, "keyspace"), (4, "commands"), (5, "resp")]);
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&module))
}

/// `src/data/string.rs` and `src/data.rs` belong to `data`.
fn module_of(path: &str) -> String {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs").to_string()
}

/// Lines of code with their numbers; what is behind `//` is not code.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// The top-level modules that a file names, with the lines where it does.
fn named(path: &str, text: &str) -> Vec<(usize, String)> {
    let depth = path.split('/').count() - 1 - path.ends_with("/mod.rs") as usize;
    // As many steps up as the file is deep lead to the root of the crate.
    let way_up = "super::".repeat(depth.max(1));
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        for start in ["crate::", "russet::", way_up.as_str()] {
            for (at, _) in line.match_indices(start) {
                let before = line[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let rest = &line[at + start.len()..];
                let inner = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
                let names: Vec<&str> = inner.map_or(vec![rest], |inner| inner.split(',').collect());
                for name in names {
                    let end = |c: char| !(c.is_alphanumeric() || c == '_');
                    let name = name.trim_start().split(end).next().unwrap_or_default();
                    // A macro's `$crate` and a type at the root are no modules.
                    if !name.is_empty() && name.starts_with(char::is_lowercase) && name != "super" {
                        found.push((number, name.to_string()));
                    }
                }
            }
        }
    }
    found
}
