//! Documents that speak of files, and files that are made from the code.

use crate::{files, none, root};

#[test]
fn documents_name_only_what_exists() {
    let mut violations = Vec::new();
    for (path, text) in files(".", ".md") {
        let folder = root().join(&path).parent().expect("a file is in a folder").to_path_buf();
        for (at, line) in text.lines().enumerate() {
            // Every other part of a line that is split at back quotes stood between two of them.
            for word in line.split('`').skip(1).step_by(2).filter(|word| is_path(word)) {
                if !root().join(word).exists() && !folder.join(word).exists() {
                    violations.push(format!("{path}:{}: `{word}` is not there", at + 1));
                }
            }
        }
    }
    none("documents name only paths that exist", violations);
}

#[test]
fn the_example_of_a_configuration_is_that_of_the_code() {
    let file = std::fs::read_to_string(root().join("redis.conf.example")).expect("it is there");
    assert_eq!(file, russet::config::example(), "redis.conf.example is not what config says");
}

/// Does a word claim to be a path of this repository?
fn is_path(word: &str) -> bool {
    let folders = ["src/", "tests/", "benches/", ".ci/"];
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    plain && folders.iter().any(|folder| word.starts_with(folder))
}

/// The table of what has happened to others names each test, and the tests each case.
#[test]
fn each_case_of_the_security_page_has_its_test() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).expect("the page is there");
    let mut tests = Vec::new();
    for (_, text) in files("tests", ".rs") {
        let names = text
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("fn cve_"));
        tests.extend(names.map(|name| format!("cve_{}", name.split('(').next().unwrap_or(name))));
    }
    let named: Vec<&str> = page.split('`').filter(|word| word.starts_with("cve_")).collect();
    let mut wrong = Vec::new();
    for test in &tests {
        if !named.contains(&&**test) {
            wrong.push(format!("docs/security.md lacks {test}"));
        }
    }
    for name in named {
        if !tests.iter().any(|test| test == name) {
            wrong.push(format!("{name} is named by docs/security.md and is not there"));
        }
        // cve_2025_49844_… stands in the row of CVE-2025-49844.
        let words: Vec<&str> = name.split('_').collect();
        let case = format!("| CVE-{}-{} |", words[1], words[2]);
        let line = page.lines().find(|line| line.contains(&format!("`{name}`")));
        if !line.is_some_and(|line| line.starts_with(&case)) {
            wrong.push(format!("{name} is not in the row of its case"));
        }
    }
    none("docs/security.md and the tests agree", wrong);
}

/// Each fuzz target is run, is told of, and has something to begin with.
#[test]
fn every_fuzz_target_is_run_and_told_of() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("the file is there");
    let (manifest, script, page) =
        (read("tests/fuzz/Cargo.toml"), read("tests/fuzz/run"), read("docs/security.md"));
    let list = script.split("|| targets=(").nth(1).and_then(|part| part.split(')').next());
    let list = list.expect("tests/fuzz/run has a list of targets");
    let run: Vec<&str> = list.split(' ').collect();
    let told = page.split("## What is fuzzed").nth(1).expect("a part about it");
    let mut wrong = Vec::new();
    let bins = manifest.split("[[bin]]").skip(1);
    for name in bins.filter_map(|bin| bin.split('"').nth(1)) {
        if !run.contains(&name) {
            wrong.push(format!("tests/fuzz/run does not run {name}"));
        }
        if !told.contains(&format!("`{name}`")) {
            wrong.push(format!("docs/security.md does not tell of {name}"));
        }
        let corpus = std::fs::read_dir(root().join("tests/fuzz/corpus").join(name));
        if corpus.map_or(0, |files| files.count()) == 0 {
            wrong.push(format!("tests/fuzz/corpus/{name} is empty"));
        }
    }
    none("fuzz targets are run and told of", wrong);
}
