//! Dumps of every version and type that is read, each with what it says beside it.
//!
//! `dumps/record.py` says how they were made. `UPDATE=1 cargo test --test golden` writes the texts anew.

use russet::base::crc64;
use russet::data::Collection;
use russet::data::value::View;
use russet::rdb::read::{Entry, Error, Item, Options, Reader, Shapes};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A value with more parts is told by their number and a checksum.
const PARTS_MAX: usize = 60;
const PART_BYTES_MAX: usize = 200;

#[test]
fn dumps_say_what_is_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dumps");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("its entries can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rdb"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "there are dumps");
    let update = std::env::var_os("UPDATE").is_some();
    for path in files {
        let bytes = fs::read(&path).expect("a dump can be read");
        let mut told = String::new();
        if let Err(error) = tell(&bytes, &mut told) {
            writeln!(told, "error at {}: {}", error.offset, error.what).unwrap();
        }
        let text = path.with_extension("txt");
        if update {
            fs::write(&text, &told).expect("a text can be written");
        }
        let expected = fs::read_to_string(&text).expect("a dump has its text beside it");
        assert_eq!(told, expected, "{}", path.display());
    }
}

fn tell(bytes: &[u8], out: &mut String) -> Result<(), Error> {
    let options = Options { checksum: true, size: Some(bytes.len() as u64), relaxed: false };
    let mut reader = Reader::new(bytes, &Shapes::default(), options);
    while let Some(item) = reader.next()? {
        match item {
            Item::Header { version, family } => writeln!(out, "version {version} {family:?}"),
            Item::Aux { name, value } => {
                writeln!(out, "aux {} {}", name.escape_ascii(), value.escape_ascii())
            }
            Item::Database(db) => writeln!(out, "db {db}"),
            Item::Sizes { keys, expires } => writeln!(out, "sizes {keys} {expires}"),
            Item::Function(code) => writeln!(out, "function {}", code.escape_ascii()),
            Item::Entry(entry) => tell_entry(&entry, out),
            Item::Skipped { what, why } => writeln!(out, "skipped {why:?} {what}"),
            Item::End { checksum } => writeln!(out, "end {checksum:x?}"),
        }
        .expect("a string takes everything");
    }
    Ok(())
}

fn tell_entry(entry: &Entry, out: &mut String) -> std::fmt::Result {
    let view = entry.value.view();
    let form = match view {
        View::Text(_) => "string",
        View::List(list) => list.encoding(),
        View::Set(set) => set.encoding(),
        View::ZSet(set) => set.encoding(),
        View::Scores(_) => "scores",
        View::Hash(hash) => hash.encoding(),
        View::Stream(stream) => stream.encoding(),
    };
    write!(out, "{} {} {form}", entry.key.escape_ascii(), view.kind().name())?;
    if let Some(deadline) = entry.deadline {
        write!(out, " deadline {}", deadline.0)?;
    }
    if let Some(seconds) = entry.idle_seconds {
        write!(out, " idle {seconds}")?;
    }
    if let Some(frequency) = entry.frequency {
        write!(out, " frequency {frequency}")?;
    }
    writeln!(out)?;
    let parts = view.parts();
    if parts.len() > PARTS_MAX {
        let whole = parts.concat();
        return writeln!(out, "    {} parts, {:x}", parts.len(), crc64::checksum(&whole));
    }
    for part in parts {
        if part.len() > PART_BYTES_MAX {
            writeln!(out, "    {} bytes, {:x}", part.len(), crc64::checksum(&part))?;
        } else {
            writeln!(out, "    {}", part.escape_ascii())?;
        }
    }
    Ok(())
}
