//! The manifest: which files make up the log, and in which order. Redis 7's format, as it is.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.base.rdb seq 1 type h
//! file appendonly.aof.4.incr.aof seq 4 type i startoffset 1020
//! ```
//!
//! The data is the base and behind it all incremental files, in their order. What was both once, before a
//! rewrite, is history, and is only there to be removed.

use super::files::{Names, replace};
use crate::base::bytes;
use crate::world::Disk;
use std::io;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<Part>,
    pub incrs: Vec<Part>,
    /// The latest first.
    pub history: Vec<Part>,
    /// The highest numbers that were ever given, since a name that was used must not be used again while
    /// somebody may still have the file.
    base_seq: u64,
    incr_seq: u64,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: Vec<u8>,
    pub seq: u64,
    /// Where in the stream of replication an incremental file begins and ends, as far as known.
    pub start: Option<u64>,
    pub end: Option<u64>,
}

/// What is wrong, and in which line if it is in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub why: &'static str,
    pub line: Option<(usize, Vec<u8>)>,
}

/// A longer line is an error, and so is a longer file.
const LINE_MAX: usize = 1024;
const FILE_MAX: u64 = 16 << 20;

const FORMAT: &str = "Invalid AOF manifest file format";

impl Manifest {
    pub fn parse(text: &[u8]) -> Result<Manifest, Invalid> {
        let nowhere = |why| Invalid { why, line: None };
        if text.is_empty() {
            return Err(nowhere("Found an empty AOF manifest"));
        }
        let mut manifest = Manifest::default();
        let lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
        for (number, line) in lines {
            if line[0] == b'#' {
                continue;
            }
            let Some(line) = line.strip_suffix(b"\n").filter(|line| line.len() < LINE_MAX) else {
                return Err(nowhere("The AOF manifest file contains too long line"));
            };
            let line = line.trim_ascii();
            let there = |why| Invalid { why, line: Some((number + 1, line.to_vec())) };
            let (kind, part) = parse_line(line).map_err(there)?;
            match kind {
                b'b' if manifest.base.is_some() => {
                    return Err(there("Found duplicate base file information"));
                }
                b'b' => {
                    manifest.base_seq = manifest.base_seq.max(part.seq);
                    manifest.base = Some(part);
                }
                b'i' => {
                    if manifest.incrs.last().is_some_and(|last| part.seq <= last.seq) {
                        return Err(there("Found a non-monotonic sequence number"));
                    }
                    manifest.incr_seq = manifest.incr_seq.max(part.seq);
                    manifest.incrs.push(part);
                }
                b'h' => {
                    let is_base = part.name.windows(6).any(|inner| inner == b".base.");
                    let seq = if is_base { &mut manifest.base_seq } else { &mut manifest.incr_seq };
                    *seq = part.seq.max(*seq);
                    manifest.history.push(part);
                }
                _ => return Err(there("Unknown AOF file type")),
            }
        }
        Ok(manifest)
    }

    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let all = self.base.iter().map(|part| (part, 'b'));
        let all = all.chain(self.history.iter().map(|part| (part, 'h')));
        for (part, kind) in all.chain(self.incrs.iter().map(|part| (part, 'i'))) {
            out.extend_from_slice(b"file ");
            if needs_quotes(&part.name) {
                bytes::quote(&part.name, &mut out);
            } else {
                out.extend_from_slice(&part.name);
            }
            out.extend_from_slice(format!(" seq {} type {kind}", part.seq).as_bytes());
            if let Some(start) = part.start {
                out.extend_from_slice(format!(" startoffset {start}").as_bytes());
                if let Some(end) = part.end {
                    out.extend_from_slice(format!(" endoffset {end}").as_bytes());
                }
            }
            out.push(b'\n');
        }
        out
    }

    /// What the file says; nothing if there is none.
    pub fn read(disk: &dyn Disk, names: &Names) -> io::Result<Option<Result<Manifest, Invalid>>> {
        match disk.read(&names.manifest_path(), FILE_MAX) {
            Ok(text) => Ok(Some(Manifest::parse(&text))),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Afterwards it is durable. After an error the old one or the new one is there, and after a crash too.
    pub fn write(&self, disk: &dyn Disk, names: &Names) -> io::Result<()> {
        let (temporary, path) = (names.temporary_manifest_path(), names.manifest_path());
        replace(disk, &temporary, &path, &self.render())
    }

    /// The files with the data, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.incrs)
    }

    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incrs.is_empty()
    }

    /// Counts a file in that is to be the base; what was there before is history.
    pub fn put_base(&mut self, names: &Names, is_rdb: bool) {
        self.base_seq += 1;
        let name = names.base(self.base_seq, is_rdb);
        let old = self.base.replace(Part { name, seq: self.base_seq, start: None, end: None });
        self.history.splice(0..0, old);
    }

    pub fn push_incr(&mut self, names: &Names, start: Option<u64>) {
        self.incr_seq += 1;
        let (name, seq) = (names.incr(self.incr_seq), self.incr_seq);
        self.incrs.push(Part { name, seq, start, end: None });
    }

    /// All incremental files but the last so many are history.
    pub fn retire(&mut self, kept: usize) {
        for part in self.incrs.drain(..self.incrs.len().saturating_sub(kept)) {
            self.history.insert(0, part);
        }
    }

    /// Files with the numbers of the other one may be there.
    pub fn skip_numbers_of(&mut self, other: &Manifest) {
        self.base_seq = self.base_seq.max(other.base_seq);
        self.incr_seq = self.incr_seq.max(other.incr_seq);
    }

    /// The log of a server that knew no manifest is the base of a new one.
    pub fn of_old_log(names: &Names) -> Manifest {
        let part = Part { name: names.log.clone(), seq: 1, start: None, end: None };
        Manifest { base: Some(part), base_seq: 1, ..Manifest::default() }
    }
}

impl Invalid {
    /// The lines of the log, as Redis has them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["\n*** FATAL AOF MANIFEST FILE ERROR ***\n".to_string()];
        if let Some((number, line)) = &self.line {
            lines.push(format!("Reading the manifest file, at line {number}\n"));
            lines.push(format!(">>> '{}'\n", String::from_utf8_lossy(line)));
        }
        lines.push(format!("{}\n", self.why));
        lines
    }
}

/// The letter of the kind, and the file.
fn parse_line(line: &[u8]) -> Result<(u8, Part), &'static str> {
    let words = bytes::split_line(line).unwrap_or_default();
    // More pairs than are known here are another version's.
    if words.len() < 6 || words.len() % 2 == 1 {
        return Err(FORMAT);
    }
    let (mut name, mut seq, mut kind, mut start, mut end) = (None, 0, None, None, None);
    for pair in words.chunks_exact(2) {
        let number = || std::str::from_utf8(&pair[1]).ok()?.parse::<u64>().ok();
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" => {
                if pair[1].iter().any(|byte| b"/\\".contains(byte)) {
                    return Err("File can't be a path, just a filename");
                }
                name = Some(pair[1].clone()).filter(|name| !name.is_empty());
            }
            b"seq" => seq = number().filter(|seq| *seq < u64::MAX / 2).unwrap_or_default(),
            b"type" => kind = pair[1].first().copied(),
            b"startoffset" => start = number(),
            b"endoffset" => end = number(),
            _ => (),
        }
    }
    match (name, kind) {
        (Some(name), Some(kind)) if seq != 0 => Ok((kind, Part { name, seq, start, end })),
        _ => Err(FORMAT),
    }
}

/// Apart from what Redis quotes, an apostrophe: a reader would take it for a quote.
fn needs_quotes(name: &[u8]) -> bool {
    name.iter().any(|byte| !byte.is_ascii_graphic() || b"\\\"'".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        Names {
            folder: "".into(),
            log_folder: b"appendonlydir".into(),
            log: b"appendonly.aof".into(),
            snapshot: b"dump.rdb".into(),
            pid: 1,
        }
    }

    #[track_caller]
    fn refused(text: &str, why: &str, line: usize) {
        let found = Manifest::parse(text.as_bytes()).expect_err("refused");
        assert_eq!((found.why, found.line.map_or(0, |it| it.0)), (why, line), "{text:?}");
    }

    #[test]
    fn what_redis_writes_is_read_and_written() {
        let text = b"file appendonly.aof.7.base.rdb seq 7 type b\n\
            file appendonly.aof.2.incr.aof seq 2 type h\n\
            file appendonly.aof.6.base.rdb seq 6 type h\n\
            file \" file seq \\n\\n.aof .3.incr.aof\" seq 3 type i startoffset 5 endoffset 6\n";
        let manifest = Manifest::parse(text).expect("valid");
        assert_eq!(manifest.incrs[0].name, b" file seq \n\n.aof .3.incr.aof");
        assert_eq!(manifest.render(), text);
    }

    #[test]
    fn unknown_pairs_comments_case_and_order_do_not_matter() {
        let text = b"# a comment\n \t FILE a.base SEQ 1 new value type b\r\nfile b type i seq 3\n";
        let manifest = Manifest::parse(text).expect("valid");
        assert_eq!(manifest.parts().map(|part| part.seq).collect::<Vec<_>>(), [1, 3]);
        assert!(Manifest::parse(b"# nothing\n").expect("valid").is_empty());
    }

    #[test]
    fn errors_are_those_of_redis() {
        refused("", "Found an empty AOF manifest", 0);
        refused("file a seq 1 type b", "The AOF manifest file contains too long line", 0);
        let long = format!("file {} seq 1 type b\n", "a".repeat(1024));
        refused(&long, "The AOF manifest file contains too long line", 0);
        refused("\n", FORMAT, 1);
        refused("file a seq 1 type b\n\n", FORMAT, 2);
        refused("filx a seq 1 type b\n", FORMAT, 1);
        refused("file a type i\n", FORMAT, 1);
        refused("file a seq x type i\n", FORMAT, 1);
        refused("file a seq 0 type i\n", FORMAT, 1);
        refused("file \"a seq 1 type i\n", FORMAT, 1);
        refused("file a seq 1 type i x\n", FORMAT, 1);
        refused("file a seq 1 type x\n", "Unknown AOF file type", 1);
        refused("file a/b seq 1 type i\n", "File can't be a path, just a filename", 1);
        let two = "file a seq 1 type b\nfile b seq 2 type b\n";
        refused(two, "Found duplicate base file information", 2);
        let back = "file a seq 2 type i\nfile b seq 1 type i\n";
        refused(back, "Found a non-monotonic sequence number", 2);
    }

    #[test]
    fn a_rewrite_makes_history() {
        let mut manifest = Manifest::default();
        manifest.put_base(&names(), true);
        manifest.push_incr(&names(), Some(0));
        manifest.push_incr(&names(), None);
        manifest.put_base(&names(), false);
        manifest.retire(1);
        let expected = b"file appendonly.aof.2.base.aof seq 2 type b\n\
            file appendonly.aof.1.incr.aof seq 1 type h startoffset 0\n\
            file appendonly.aof.1.base.rdb seq 1 type h\n\
            file appendonly.aof.2.incr.aof seq 2 type i\n";
        assert_eq!(manifest.render(), expected);
        // Numbers of history are not given again.
        let again = Manifest::parse(&manifest.render()).expect("valid");
        assert_eq!(again, manifest);
    }

    proptest! {
        #[test]
        fn any_name_survives(name in prop::collection::vec(any::<u8>().prop_filter("no path", |byte| !b"/\\".contains(byte)), 1..60)) {
            let part = Part { name, seq: 1, start: None, end: None };
            let manifest = Manifest { base: Some(part), base_seq: 1, ..Manifest::default() };
            prop_assert_eq!(Manifest::parse(&manifest.render()), Ok(manifest));
        }

        #[test]
        fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(Manifest::parse(&text));
        }
    }
}
