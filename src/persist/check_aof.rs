//! Is a log whole? What `redis-check-aof` says of one, in its words, and what it repairs.
//!
//! Given a manifest it looks at all files of the log, given another file at that one. Only the last file may be cut
//! off.

use super::check_rdb;
use super::files::{said, shown};
use super::load::{Commands, FaultKind, Found};
use super::manifest::Manifest;
use crate::rdb::codes::Family;
use crate::rdb::read::{Item, Options, Reader as DumpReader, Shapes};
use crate::resp::ArgsBuf;
use crate::world::disk::{Disk, File, Reader};
use crate::world::time::Millis;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Look,
    /// Cut off what is behind the last whole command, if the person says yes.
    Fix,
    /// Cut off what was written after this second since 1970.
    TruncateTo(i64),
}

pub struct Check<'a> {
    pub disk: &'a dyn Disk,
    pub work: Work,
    /// For whom dumps are looked at.
    pub speaks_for: Option<Family>,
    pub now: Millis,
    /// Asks the person.
    pub agrees: &'a mut dyn FnMut() -> bool,
}

/// Why the tool ends: everything is right, or it has been said what is not.
enum End {
    Told,
    Failed(io::Error),
}

/// What was found out of a file.
#[derive(PartialEq, Eq)]
enum Verdict {
    Good,
    Empty,
    Cut,
}

const MANIFEST_MAX: u64 = 16 << 20;

impl Check<'_> {
    /// Looks at a log, says how it is, and whether it is whole now.
    pub fn run(&mut self, path: &Path, out: &mut dyn Write) -> io::Result<bool> {
        match self.look(path, out) {
            Ok(()) => Ok(true),
            Err(End::Told) => Ok(false),
            Err(End::Failed(why)) => Err(why),
        }
    }

    fn look(&mut self, path: &Path, out: &mut dyn Write) -> Result<(), End> {
        let mut lines = 1;
        if !self.is_manifest(path, out)? {
            writeln!(out, "Start checking Old-Style AOF")?;
            let name = path.display().to_string();
            match self.file(path, &name, &mut lines, true, out)? {
                Verdict::Good => writeln!(out, "AOF {name} is valid")?,
                Verdict::Empty => writeln!(out, "AOF {name} is empty")?,
                Verdict::Cut => (),
            }
            return Ok(());
        }
        writeln!(out, "Start checking Multi Part AOF")?;
        let text = self.disk.read(path, MANIFEST_MAX)?;
        let manifest = Manifest::parse(&text).map_err(|invalid| {
            let told = invalid.lines().into_iter().try_for_each(|line| writeln!(out, "{line}"));
            told.map_or_else(End::Failed, |()| End::Told)
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let last = manifest.parts().last().map(|part| part.name.clone());
        let path_of = |name: &[u8]| folder.join(std::ffi::OsStr::from_bytes(name));
        if let Some(base) = &manifest.base {
            let path = path_of(&base.name);
            let (name, is_last) = (shown(&base.name), last.as_ref() == Some(&base.name));
            let kind = if self.is_dump(&path, out)? { "RDB" } else { "RESP" };
            writeln!(out, "Start to check BASE AOF ({kind} format).")?;
            let verdict = self.file(&path, &name, &mut lines, is_last, out)?;
            told(verdict, "BASE AOF", &name, out)?;
        }
        if !manifest.incrs.is_empty() {
            writeln!(out, "Start to check INCR files.")?;
        }
        for incr in &manifest.incrs {
            let (name, is_last) = (shown(&incr.name), last.as_ref() == Some(&incr.name));
            let verdict = self.file(&path_of(&incr.name), &name, &mut lines, is_last, out)?;
            told(verdict, "INCR AOF", &name, out)?;
        }
        Ok(writeln!(out, "All AOF files and manifest are valid")?)
    }

    fn file(
        &mut self,
        path: &Path,
        name: &str,
        lines: &mut u64,
        is_last: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, End> {
        let file = self.open(path, out)?;
        let size = file.length()?;
        if size == 0 {
            return Ok(Verdict::Empty);
        }
        let begin = if self.is_dump(path, out)? { self.dump(path, size, out)? } else { 0 };
        let mut reader = Commands::new(Reader::new(file.clone(), begin), Vec::new(), begin, size);
        let mut good = begin;
        let mut is_whole = false;
        // Where a transaction that is not over begins.
        let mut unit = None;
        let mut args = ArgsBuf::default();
        loop {
            let from = reader.offset();
            args.clear();
            match reader.next(&mut args) {
                Ok(Found::End) => match unit {
                    None => is_whole = true,
                    Some(_) => {
                        writeln!(out, "0x{from:16x}: Reached EOF before reading EXEC for MULTI")?
                    }
                },
                Ok(Found::Remark(line)) => {
                    if let Work::TruncateTo(limit) = self.work
                        && let Some(stamp) = stamp(&line)
                        && stamp > limit
                    {
                        return self.truncate_to(path, name, from, limit, is_last, out);
                    }
                    if unit.is_none() {
                        good = reader.offset();
                    }
                    continue;
                }
                Ok(Found::Command) => {
                    let word = args.args().get(0);
                    if word.eq_ignore_ascii_case(b"MULTI") {
                        if unit.replace(from).is_none() {
                            continue;
                        }
                        writeln!(out, "0x{from:16x}: Unexpected MULTI")?;
                    } else if word.eq_ignore_ascii_case(b"EXEC") {
                        if unit.take().is_some() {
                            good = reader.offset();
                            continue;
                        }
                        writeln!(out, "0x{from:16x}: Unexpected EXEC")?;
                    } else {
                        if unit.is_none() {
                            good = reader.offset();
                        }
                        continue;
                    }
                }
                Err(fault) => match fault.kind {
                    FaultKind::Io(why) => return Err(End::Failed(why)),
                    // What stands where a command should begin is no command at all.
                    FaultKind::Format if fault.offset == from => {
                        writeln!(out, "AOF {name} format error")?;
                    }
                    FaultKind::Format | FaultKind::Ends => {
                        writeln!(out, "0x{:16x}: {}", fault.offset, fault.what)?;
                    }
                },
            }
            break;
        }
        *lines += reader.lines();
        if is_whole && let Work::TruncateTo(limit) = self.work {
            writeln!(out, "Truncate nothing in AOF {name} to timestamp {limit}")?;
            return Ok(Verdict::Good);
        }
        let left = size - good.min(size);
        writeln!(
            out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={good}, ok_up_to_line={lines}, diff={left}"
        )?;
        if left == 0 {
            return Ok(Verdict::Good);
        }
        if self.work != Work::Fix {
            writeln!(out, "AOF {name} is not valid. Use the --fix option to try fixing it.")?;
            return Err(End::Told);
        }
        if !is_last {
            writeln!(out, "Failed to truncate AOF {name} because it is not the last file")?;
            return Err(End::Told);
        }
        writeln!(
            out,
            "This will shrink the AOF {name} from {size} bytes, with {left} bytes, to {good} bytes"
        )?;
        write!(out, "Continue? [y/N]: ")?;
        out.flush()?;
        if !(self.agrees)() {
            writeln!(out, "Aborting...")?;
            return Err(End::Told);
        }
        self.cut(path, good).map_err(|why| {
            let text = writeln!(out, "Failed to truncate AOF {name}: {}", said(&why));
            text.map_or_else(End::Failed, |()| End::Told)
        })?;
        writeln!(out, "Successfully truncated AOF {name}")?;
        Ok(Verdict::Cut)
    }

    fn truncate_to(
        &self,
        path: &Path,
        name: &str,
        offset: u64,
        limit: i64,
        is_last: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, End> {
        if !is_last {
            writeln!(
                out,
                "Failed to truncate AOF {} to timestamp {limit} to offset {offset} because it is not the last file.",
                path.display()
            )?;
            writeln!(
                out,
                "If you insist, please delete all files after this file according to the manifest file and delete the \
                 corresponding records in manifest file manually. Then re-run redis-check-aof."
            )?;
            return Err(End::Told);
        }
        if offset == 0 {
            writeln!(out, "AOF {name} has nothing before timestamp {limit}, aborting...")?;
            return Err(End::Told);
        }
        self.cut(path, offset)?;
        writeln!(out, "Successfully truncated AOF {name} to timestamp {limit}")?;
        Ok(Verdict::Cut)
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = self.disk.append(path)?;
        file.truncate(length)?;
        file.sync()
    }

    /// Checks the dump in the beginning, and says where it ends.
    fn dump(&self, path: &Path, size: u64, out: &mut dyn Write) -> Result<u64, End> {
        let how = check_rdb::Check {
            name: path.display().to_string(),
            speaks_for: self.speaks_for,
            now: self.now,
            stats: None,
        };
        let mut told = Vec::new();
        let is_whole =
            check_rdb::check(Reader::new(self.open(path, out)?, 0), Some(size), &how, &mut told)?;
        out.write_all(&told)?;
        if is_whole {
            let options = Options { checksum: false, relaxed: true, size: Some(size) };
            let from = Reader::new(self.open(path, out)?, 0);
            let mut reader = DumpReader::new(from, &Shapes::default(), options);
            loop {
                match reader.next() {
                    Ok(None | Some(Item::End { .. })) => {
                        writeln!(out, "RDB preamble is OK, proceeding with AOF tail...")?;
                        return Ok(reader.offset());
                    }
                    Ok(Some(_)) => (),
                    Err(_) => break,
                }
            }
        }
        writeln!(out, "RDB preamble of AOF file is not sane, aborting.")?;
        Err(End::Told)
    }

    fn is_dump(&self, path: &Path, out: &mut dyn Write) -> Result<bool, End> {
        let beginning = self.beginning(path, 6, out)?;
        Ok(beginning.starts_with(b"REDIS") || beginning == b"VALKEY")
    }

    /// The first line that is no comment tells of a file.
    fn is_manifest(&self, path: &Path, out: &mut dyn Write) -> Result<bool, End> {
        let beginning = self.beginning(path, 64 << 10, out)?;
        let mut lines = beginning.split(|byte| *byte == b'\n');
        let first = lines.find(|line| !line.starts_with(b"#")).unwrap_or_default();
        Ok(first.starts_with(b"file"))
    }

    fn beginning(&self, path: &Path, most: u64, out: &mut dyn Write) -> Result<Vec<u8>, End> {
        let mut beginning = Vec::new();
        Reader::new(self.open(path, out)?, 0).take(most).read_to_end(&mut beginning)?;
        Ok(beginning)
    }

    fn open(&self, path: &Path, out: &mut dyn Write) -> Result<std::sync::Arc<dyn File>, End> {
        self.disk.open(path).map_err(|why| {
            let text = writeln!(out, "Cannot open file {}: {}", path.display(), said(&why));
            text.map_or_else(End::Failed, |()| End::Told)
        })
    }
}

impl From<io::Error> for End {
    fn from(why: io::Error) -> End {
        End::Failed(why)
    }
}

fn told(verdict: Verdict, what: &str, name: &str, out: &mut dyn Write) -> io::Result<()> {
    match verdict {
        Verdict::Good => writeln!(out, "{what} {name} is valid"),
        Verdict::Empty => writeln!(out, "{what} {name} is empty"),
        Verdict::Cut => Ok(()),
    }
}

/// The second that a line `#TS:…` names.
fn stamp(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line.strip_prefix(b"#TS:")?).ok()?.trim().parse().ok()
}
