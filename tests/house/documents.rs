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
