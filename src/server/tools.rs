//! The tools that the program is when it is called by their names: `redis-check-rdb`, `redis-check-aof` and their like.

use crate::base::bytes::base_name;
use crate::persist::check_aof::{self, Work};
use crate::persist::check_rdb::{Check, Format, check};
use crate::rdb::codes::Family;
use crate::world::Millis;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStringExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the tool that the program was called by the name of, and says how it ended; nothing, if it was called to serve.
pub fn run(program: &[u8], args: &[Vec<u8>]) -> Option<i32> {
    let name = base_name(program);
    let dash = name.iter().position(|byte| *byte == b'-')?;
    let (family, tool) = match &name[..dash] {
        b"redis" => (Some(Family::Redis), &name[dash + 1..]),
        b"valkey" => (Some(Family::Valkey), &name[dash + 1..]),
        b"russet" => (None, &name[dash + 1..]),
        _ => return None,
    };
    match tool {
        b"check-rdb" => Some(check_rdb(&String::from_utf8_lossy(name), family, args)),
        b"check-aof" => Some(check_aof(&String::from_utf8_lossy(name), family, args)),
        _ => None,
    }
}

/// `redis-check-rdb FILE [--stats] [--format info|table|csv] [--output FILE]`
fn check_rdb(name: &str, speaks_for: Option<Family>, args: &[Vec<u8>]) -> i32 {
    let usage = || {
        eprintln!(
            "Usage: {name} <rdb-file-name> [--format table|info|csv] [--stats] [--output <file>]"
        );
        1
    };
    let Some((file, options)) = args.split_first() else { return usage() };
    if matches!(&**file, b"-v" | b"--version") {
        println!("{name} {}", super::run::REDIS_VERSION);
        return 0;
    }
    let (mut stats, mut format, mut output) = (false, Format::Info, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match &**option {
            b"--stats" => stats = true,
            b"--format" => match options.next().map(Vec::as_slice) {
                Some(b"info") => format = Format::Info,
                Some(b"table") => format = Format::Table,
                Some(b"csv") => format = Format::Csv,
                _ => return usage(),
            },
            b"--output" => match options.next() {
                Some(path) => output = Some(path_of(path)),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    let opened = File::open(path_of(file)).and_then(|opened| {
        let size = opened.metadata()?.len();
        Ok((opened, size))
    });
    let (opened, size) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("Cannot open file {}: {error}", String::from_utf8_lossy(file));
            return 1;
        }
    };
    let how = Check {
        name: String::from_utf8_lossy(file).into_owned(),
        speaks_for,
        now: now(),
        stats: stats.then_some(format),
    };
    let told = match output {
        None => check(opened, Some(size), &how, &mut BufWriter::new(std::io::stdout().lock())),
        Some(path) => File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            let told = check(opened, Some(size), &how, &mut out)?;
            out.flush()?;
            Ok(told)
        }),
    };
    match told {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

/// `redis-check-aof [--fix|--truncate-to-timestamp SECONDS] FILE`
fn check_aof(name: &str, speaks_for: Option<Family>, args: &[Vec<u8>]) -> i32 {
    let work = match args {
        [version] if matches!(&**version, b"-v" | b"--version") => {
            println!("{name} {}", super::run::REDIS_VERSION);
            return 0;
        }
        [_] => Some(Work::Look),
        [option, _] if option == b"--fix" => Some(Work::Fix),
        [option, seconds, _] if option == b"--truncate-to-timestamp" => {
            let Some(seconds) = std::str::from_utf8(seconds).ok().and_then(|it| it.parse().ok())
            else {
                println!("Invalid timestamp, aborting...");
                return 1;
            };
            Some(Work::TruncateTo(seconds))
        }
        _ => None,
    };
    let (Some(work), Some(file)) = (work, args.last()) else {
        println!(
            "Usage: {name} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
        );
        return 1;
    };
    let mut agrees = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).is_ok_and(|_| line.starts_with(['y', 'Y']))
    };
    let (disk, now) = (&super::disk::Files, now());
    let mut check = check_aof::Check { disk, work, speaks_for, now, agrees: &mut agrees };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let told = check.run(path_of(file).as_ref(), &mut out);
    match told.and_then(|told| out.flush().map(|()| told)) {
        Ok(told) => !told as i32,
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

fn path_of(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[expect(clippy::disallowed_methods, reason = "keys of a file are over by the wall clock")]
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_tools_call_them() {
        for name in [
            "redis",
            "valkey",
            "russet",
            "redis-",
            "russet-server",
            "check-rdb",
            "",
            "/",
            "/usr/bin/russet",
        ] {
            assert_eq!(run(name.as_bytes(), &[]), None, "{name}");
        }
        assert_eq!(run(b"/usr/bin/redis-check-rdb", &[b"--version".to_vec()]), Some(0));
    }
}
