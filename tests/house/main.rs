//! Facts that no compiler checks: who may know whom, rows that agree with themselves and with the
//! peers, documents that agree with the code. Never taste.

mod documents;
mod layers;
mod peers;
mod rows;

use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose names end so, in one order; paths are relative to the root.
pub fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if name.ends_with(ending) {
                let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                let text = std::fs::read_to_string(&path);
                found.push((shown, text.unwrap_or_else(|why| panic!("{path:?}: {why}"))));
            }
        }
    }
    found.sort();
    found
}

/// Fails with everything that is wrong at once.
#[track_caller]
pub fn none(rule: &str, violations: Vec<String>) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
