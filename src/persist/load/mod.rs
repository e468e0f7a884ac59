//! What is on disk, read again: one event after the other, in the order in which they must be carried out.
//!
//! A thread of its own calls `next` and builds the values; whoever has the keyspace puts them in. Files that are cut
//! off, or spoiled at the end, are cut where they are whole. What is cut away is kept in a file beside it, and
//! nothing of it was handed out before: a transaction is one event.

mod commands;
mod plan;

pub use commands::{Commands, Fault, FaultKind, Found};
pub use plan::{
    Plan, Refused, Source, adopt_snapshot, copy, plan, set_log_aside, set_snapshot_aside,
};

use super::files::{Names, Note, said, shown};
use super::manifest::Manifest;
use crate::rdb::read::{self, Entry, Item, Reader as DumpReader, Shapes};
use crate::resp::ArgsBuf;
use crate::world::Disk;
use crate::world::disk::Reader;
use crate::world::host::Level;
use crate::world::time::Millis;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The directives that matter here.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `aof-load-truncated`
    pub truncated: bool,
    /// `aof-load-corrupt-tail-max-size`
    pub corrupt_tail_max: u64,
    /// `rdbchecksum`
    pub checksum: bool,
    /// `rdb-version-check relaxed`
    pub relaxed: bool,
    /// For the names of what is set aside.
    pub now: Millis,
}

pub enum Loaded {
    /// What follows comes from this file; for messages, and for INFO.
    File {
        name: String,
        size: u64,
    },
    /// Something that a dump says of itself.
    Aux {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    Sizes {
        db: usize,
        keys: u64,
        expires: u64,
    },
    Function(Vec<u8>),
    Entry {
        db: usize,
        entry: Entry,
    },
    /// A key of a dump that is not taken over: it had no elements, or is of a type that there is not.
    Skipped {
        what: String,
        is_empty_key: bool,
    },
    /// It is in the database that the commands before it selected: 0, where a file of commands begins.
    Command(ArgsBuf),
    /// What stood between MULTI and EXEC.
    Unit(Vec<ArgsBuf>),
    /// So many bytes have been read, of all files.
    Progress(u64),
    Note(Note),
}

pub struct Loader {
    disk: Arc<dyn Disk>,
    names: Names,
    shapes: Shapes,
    options: Options,
    total: u64,
    /// Bytes of the files that are over.
    past: u64,
    told: u64,
    files: VecDeque<Part>,
    ahead: VecDeque<Loaded>,
    open: Open,
}

struct Part {
    path: PathBuf,
    /// As messages call it.
    name: String,
    size: u64,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Snapshot,
    /// The log as it was before there were manifests; a dump in its beginning goes on as commands.
    OldLog,
    Base,
    Incr,
}

enum Open {
    Nothing,
    Dump { reader: Box<DumpReader<Reader>>, part: Part, db: usize },
    Commands { reader: Box<Commands<Reader>>, part: Part, unit: Option<Unit>, good: u64 },
}

/// A transaction that is being gathered.
struct Unit {
    commands: Vec<ArgsBuf>,
    /// Where its MULTI begins.
    from: u64,
}

const PROGRESS: u64 = 1 << 20;
/// More than this was on disk long before the power went.
const HOLE_MAX: u64 = 64 << 20;

impl Loader {
    pub fn new(
        disk: Arc<dyn Disk>,
        names: Names,
        source: &Source,
        shapes: &Shapes,
        options: Options,
    ) -> Result<Loader, Refused> {
        let mut files = VecDeque::new();
        let mut add = |path: PathBuf, name: &[u8], role| {
            let stat = disk.stat(&path).map_err(|why| {
                let (name, why) = (shown(name), said(&why));
                refused(match role {
                    Role::Snapshot => {
                        format!("Fatal error loading the DB: can't open {name} for reading: {why}")
                    }
                    _ => format!("Unable to obtain the AOF file {name} length. stat: {why}"),
                })
            })?;
            files.push_back(Part { path, name: shown(name), size: stat.length, role });
            Ok(())
        };
        match source {
            Source::Nothing => (),
            Source::Snapshot => add(names.snapshot_path(), &names.snapshot, Role::Snapshot)?,
            Source::Log(Manifest { base, incrs, .. }) => {
                if let Some(part) = base {
                    let role = if part.name == names.log { Role::OldLog } else { Role::Base };
                    add(names.part_path(&part.name), &part.name, role)?;
                }
                for part in incrs {
                    add(names.part_path(&part.name), &part.name, Role::Incr)?;
                }
            }
        }
        let total = files.iter().map(|part| part.size).sum();
        Ok(Loader {
            disk,
            names,
            shapes: *shapes,
            options,
            total,
            past: 0,
            told: 0,
            files,
            ahead: VecDeque::new(),
            open: Open::Nothing,
        })
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The next event; nothing when all is loaded.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and then is over")]
    pub fn next(&mut self) -> Result<Option<Loaded>, Refused> {
        loop {
            if let Some(loaded) = self.ahead.pop_front() {
                return Ok(Some(loaded));
            }
            match std::mem::replace(&mut self.open, Open::Nothing) {
                Open::Nothing => match self.files.pop_front() {
                    None => return Ok(None),
                    Some(part) => self.begin(part)?,
                },
                Open::Dump { reader, part, db } => self.read_dump(reader, part, db)?,
                Open::Commands { reader, part, unit, good } => {
                    self.read_command(reader, part, unit, good)?;
                }
            }
        }
    }

    fn begin(&mut self, part: Part) -> Result<(), Refused> {
        let file = self.disk.open(&part.path).map_err(|why| {
            let (name, why) = (&part.name, said(&why));
            refused(match part.role {
                Role::Snapshot => {
                    format!("Fatal error loading the DB: can't open {name} for reading: {why}")
                }
                _ => {
                    format!("Fatal error: can't open the append log file {name} for reading: {why}")
                }
            })
        })?;
        self.ahead.push_back(Loaded::File { name: part.name.clone(), size: part.size });
        let mut magic = [0; 6];
        let mut known = 0;
        // A disk may give fewer bytes than are there.
        while known < magic.len() {
            match file.read_at(&mut magic[known..], known as u64) {
                Ok(0) => break,
                Ok(count) => known += count,
                Err(why) => return Err(self.unreadable(&part, &why)),
            }
        }
        let is_dump = magic.starts_with(b"REDIS") || magic == *b"VALKEY";
        let reader = Reader::new(file, 0);
        if part.role == Role::Snapshot || is_dump {
            match part.role {
                Role::OldLog => {
                    self.note(Level::Notice, "Reading RDB preamble from AOF file...".into())
                }
                Role::Base | Role::Incr => {
                    self.note(Level::Notice, "Reading RDB base file on AOF loading...".into());
                }
                Role::Snapshot => (),
            }
            let options = read::Options {
                checksum: self.options.checksum,
                relaxed: self.options.relaxed,
                size: Some(part.size),
            };
            let reader = Box::new(DumpReader::new(reader, &self.shapes, options));
            self.open = Open::Dump { reader, part, db: 0 };
        } else {
            let reader = Box::new(Commands::new(reader, Vec::new(), 0, part.size));
            self.open = Open::Commands { reader, part, unit: None, good: 0 };
        }
        Ok(())
    }

    fn read_dump(
        &mut self,
        mut reader: Box<DumpReader<Reader>>,
        part: Part,
        mut db: usize,
    ) -> Result<(), Refused> {
        let item = match reader.next() {
            Ok(item) => item,
            Err(why) => {
                let mut lines = Vec::new();
                let what = match why.kind {
                    read::Kind::Checksum => {
                        lines.push(why.what);
                        "RDB CRC error".into()
                    }
                    read::Kind::Flawed => {
                        let short = why.what.split(": ").next().unwrap_or_default().to_string();
                        lines.push(why.what);
                        short
                    }
                    _ => why.what,
                };
                lines.push(format!("Internal error in RDB reading offset {}: {what}", why.offset));
                let is_foreign = matches!(why.kind, read::Kind::NoDump | read::Kind::Version);
                if why.kind == read::Kind::Unknown {
                    let text = "Unknown type or opcode when loading DB. Unrecoverable error, aborting now.";
                    lines.push(text.into());
                }
                let name = &part.name;
                lines.push(match part.role {
                    Role::Snapshot if is_foreign => {
                        "Fatal error loading the DB, check server logs. Exiting.".into()
                    }
                    Role::Snapshot => "Terminating server after rdb file reading failure.".into(),
                    Role::OldLog => format!(
                        "Error reading the RDB preamble of the AOF file {name}, AOF loading aborted"
                    ),
                    _ => format!("Error reading the RDB base file {name}, AOF loading aborted"),
                });
                return Err(Refused { lines });
            }
        };
        self.progress(reader.offset());
        match item {
            None | Some(Item::End { .. }) => {
                let offset = reader.offset();
                if part.role == Role::Snapshot {
                    self.past += part.size;
                    return Ok(());
                }
                if part.role == Role::OldLog {
                    self.note(Level::Notice, "Reading the remaining AOF tail...".into());
                }
                let (rest, ahead) = reader.into_rest();
                let reader = Box::new(Commands::new(rest, ahead, offset, part.size));
                self.open = Open::Commands { reader, part, unit: None, good: offset };
                return Ok(());
            }
            Some(Item::Header { .. }) => (),
            Some(Item::Aux { name, value }) => self.ahead.push_back(Loaded::Aux { name, value }),
            Some(Item::Database(number)) => db = number,
            Some(Item::Sizes { keys, expires }) => {
                self.ahead.push_back(Loaded::Sizes { db, keys, expires });
            }
            Some(Item::Function(code)) => self.ahead.push_back(Loaded::Function(code)),
            Some(Item::Entry(entry)) => self.ahead.push_back(Loaded::Entry { db, entry }),
            Some(Item::Skipped { what, why }) => {
                let is_empty_key = why == read::Skip::EmptyKey;
                self.ahead.push_back(Loaded::Skipped { what, is_empty_key });
            }
        }
        self.open = Open::Dump { reader, part, db };
        Ok(())
    }

    fn read_command(
        &mut self,
        mut reader: Box<Commands<Reader>>,
        part: Part,
        mut unit: Option<Unit>,
        mut good: u64,
    ) -> Result<(), Refused> {
        let from = reader.offset();
        let mut args = ArgsBuf::default();
        match reader.next(&mut args) {
            Ok(Found::Command) => {
                let word = args.args().get(0);
                let is_alone = args.args().len() == 1;
                let is = |name: &[u8]| is_alone && word.eq_ignore_ascii_case(name);
                let unexpected = |what: &str| Fault {
                    kind: FaultKind::Format,
                    offset: from,
                    looked: from,
                    what: format!("Unexpected {what}"),
                };
                if is(b"MULTI") {
                    if let Some(unit) = unit {
                        return self.cut_nonsense(&part, unit.from, &unexpected("MULTI"));
                    }
                    unit = Some(Unit { commands: Vec::new(), from });
                } else if is(b"EXEC") {
                    let Some(unit) = unit.take() else {
                        return self.cut_nonsense(&part, good, &unexpected("EXEC"));
                    };
                    self.ahead.push_back(Loaded::Unit(unit.commands));
                } else if let Some(unit) = &mut unit {
                    unit.commands.push(args);
                } else {
                    self.ahead.push_back(Loaded::Command(args));
                }
                if unit.is_none() {
                    good = reader.offset();
                }
            }
            Ok(Found::Remark(_)) => {
                if unit.is_none() {
                    good = reader.offset();
                }
            }
            Ok(Found::End) => match unit {
                None => {
                    self.past += part.size;
                    return Ok(());
                }
                Some(unit) => {
                    let text = format!(
                        "Revert incomplete MULTI/EXEC transaction in AOF file {}",
                        part.name
                    );
                    self.note(Level::Warning, text);
                    return self.cut(&part, unit.from, true);
                }
            },
            Err(fault) => {
                let good = unit.map_or(good, |unit| unit.from);
                return match fault.kind {
                    FaultKind::Ends => self.cut(&part, good, true),
                    FaultKind::Format => self.cut_nonsense(&part, good, &fault),
                    FaultKind::Io(why) => Err(self.unreadable(&part, &why)),
                };
            }
        }
        self.progress(reader.offset());
        self.open = Open::Commands { reader, part, unit, good };
        Ok(())
    }

    /// A format that is none, from some place on. Zeros are what file systems leave where data did not get to the
    /// disk before the power went, so they are as if nothing was there.
    fn cut_nonsense(&mut self, part: &Part, good: u64, fault: &Fault) -> Result<(), Refused> {
        let size = part.size.saturating_sub(good);
        if size <= HOLE_MAX
            && self.has_zeros(part, good, fault).map_err(|why| self.unreadable(part, &why))?
        {
            return self.cut(part, good, true);
        }
        if size <= self.options.corrupt_tail_max && self.is_last(part)? {
            return self.cut(part, good, false);
        }
        let name = &part.name;
        Err(Refused {
            lines: vec![
                format!("At offset {} of {name}: {}", fault.offset, fault.what),
                format!(
                    "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
                     ./redis-check-aof --fix <filename.manifest>"
                ),
            ],
        })
    }

    /// Cuts a file off behind what is whole. What is cut away is kept.
    fn cut(&mut self, part: &Part, good: u64, is_short: bool) -> Result<(), Refused> {
        let name = part.name.clone();
        if is_short && !self.options.truncated {
            return Err(refused(format!(
                "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, \
                 then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
                 'aof-load-truncated' configuration option to yes and restart the server."
            )));
        }
        if !self.is_last(part)? {
            return Err(refused("Fatal error: the truncated file is not the last file".into()));
        }
        let what = if is_short { "short read" } else { "corrupt tail" };
        self.note(
            Level::Warning,
            format!("!!! Warning: {what} while loading the AOF file {name}!!!"),
        );
        self.note(Level::Warning, format!("!!! Truncating the AOF {name} at offset {good} !!!"));
        let aside = self.cut_file(part, good).map_err(|why| {
            refused(format!("Error truncating the AOF file {name}: {}", said(&why)))
        })?;
        if let Some(aside) = aside {
            let size = part.size.saturating_sub(good);
            let text =
                format!("The {size} bytes that were cut away are kept in {}", aside.display());
            self.note(Level::Warning, text);
        }
        let why = if is_short {
            format!("AOF {name} loaded anyway because aof-load-truncated is enabled")
        } else {
            format!(
                "AOF {name} loaded anyway because its corrupt tail is no larger than aof-load-corrupt-tail-max-size"
            )
        };
        self.note(Level::Warning, why);
        self.past += part.size;
        Ok(())
    }

    fn cut_file(&self, part: &Part, good: u64) -> io::Result<Option<PathBuf>> {
        let mut aside = None;
        if part.size > good {
            let ending = format!(".cut-{}", self.options.now.0.div_euclid(1000));
            let mut path = part.path.clone().into_os_string();
            path.push(ending);
            let path = PathBuf::from(path);
            plan::copy(&*self.disk, &part.path, good, &path)?;
            self.disk.sync_folder(&self.names.log_folder_path())?;
            aside = Some(path);
        }
        let file = self.disk.append(&part.path)?;
        file.truncate(good)?;
        file.sync()?;
        Ok(aside)
    }

    /// Nothing comes behind this file: all others are empty.
    fn is_last(&self, part: &Part) -> Result<bool, Refused> {
        Ok(part.role != Role::Snapshot && self.files.iter().all(|part| part.size == 0))
    }

    /// Whether there are zeros about the place where the command that began last went wrong.
    fn has_zeros(&self, part: &Part, good: u64, fault: &Fault) -> io::Result<bool> {
        let count = fault.looked.saturating_sub(good);
        let reader = Reader::new(self.disk.open(&part.path)?, good);
        let mut bytes = Vec::new();
        reader.take(count).read_to_end(&mut bytes)?;
        Ok(bytes.contains(&0))
    }

    fn progress(&mut self, offset: u64) {
        let sum = self.past + offset;
        if sum >= self.told + PROGRESS {
            self.told = sum;
            self.ahead.push_back(Loaded::Progress(sum));
        }
    }

    fn note(&mut self, level: Level, text: String) {
        self.ahead.push_back(Loaded::Note((level, text)));
    }

    fn unreadable(&self, part: &Part, why: &io::Error) -> Refused {
        let (name, why) = (&part.name, said(why));
        let what = match part.role {
            Role::Snapshot => "snapshot",
            _ => "append only file",
        };
        refused(format!("Unrecoverable error reading the {what} {name}: {why}"))
    }
}

fn refused(text: String) -> Refused {
    Refused { lines: vec![text] }
}
