//! A snapshot that is being written: a temporary file until all of it is on disk, then, in one step, the
//! snapshot.
//!
//! It is fed with what the keyspace's walk hands over, by a thread that may wait for the disk. The same file is
//! a dump (`dump.rdb`, or the base of a log), or the commands that make the data (the base of a log as
//! `aof-use-rdb-preamble no` has it). Whoever drops it unfinished leaves nothing behind.

use super::commands;
use super::files::or_here;
use super::permit::{GIVEN_UP, Permit};
use crate::data::string::Text;
use crate::data::zset::ScoreBatch;
use crate::keyspace::evict::Ages;
use crate::keyspace::walk::{Piece, Saved};
use crate::rdb::write::{Degraded, Life, Options, Writer};
use crate::world::disk::{Disk, File};
use crate::world::time::Millis;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct SnapshotFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn File>,
    encoder: Encoder,
    output: Output,
    ages: Ages,
    /// The long value whose parts are coming.
    open: Option<Open>,
    keys: u64,
    is_kept: bool,
    permit: Arc<Permit>,
}

/// A value that comes in parts.
struct Open {
    key: Vec<u8>,
    deadline: Option<Millis>,
    /// Bytes of a string, or members of a sorted set, that are still to come.
    left: usize,
}

/// What is written, and how.
pub struct Request<'a> {
    pub format: Format,
    /// For a dump: `redis-ver`, `redis-bits`, `ctime`, `used-mem`, `aof-base`.
    pub aux: &'a [(&'a str, &'a [u8])],
    /// The codes of all libraries.
    pub functions: &'a [Vec<u8>],
    /// Numbers of databases, of their keys, and of those with deadlines.
    pub databases: &'a [(usize, u64, u64)],
    /// What is told of how keys were used: what their eviction policies know.
    pub ages: Ages,
    /// `rdb-save-incremental-fsync` or `aof-rewrite-incremental-fsync`
    pub write_back: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Format {
    Dump(Options),
    /// With a time in the beginning, if there is one: seconds since 1970.
    Commands(Option<i64>),
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub bytes: u64,
    pub keys: u64,
    /// What the version could not hold.
    pub degraded: Degraded,
}

enum Encoder {
    Dump(Box<Writer>),
    Commands(commands::Writer),
}

struct Output {
    file: Arc<dyn File>,
    bytes: u64,
    /// Up to here the disk was asked to begin writing.
    begun: u64,
    /// What was asked for last.
    awaited: Range<u64>,
    write_back: bool,
}

/// The disk is kept busy with portions of this size, one being written while the next is made.
const PORTION: u64 = 4 << 20;
const BUFFER: usize = 256 << 10;

impl SnapshotFile {
    /// The path is that of the temporary file.
    pub fn create(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        request: Request,
    ) -> io::Result<SnapshotFile> {
        let file = disk.create(&path)?;
        let output = Output {
            file: file.clone(),
            bytes: 0,
            begun: 0,
            awaited: 0..0,
            write_back: request.write_back,
        };
        let encoder = match request.format {
            Format::Dump(options) => {
                let mut writer = Writer::new(options);
                writer.header(request.aux);
                Encoder::Dump(Box::new(writer))
            }
            Format::Commands(stamp) => Encoder::Commands(commands::Writer::new(stamp)),
        };
        let ages = request.ages;
        let (open, keys, is_kept, permit) = (None, 0, false, Arc::default());
        let mut snapshot =
            SnapshotFile { disk, path, file, encoder, output, ages, open, keys, is_kept, permit };
        for code in request.functions {
            match &mut snapshot.encoder {
                Encoder::Dump(writer) => writer.function(code),
                Encoder::Commands(writer) => writer.function(code),
            }
            snapshot.spill(BUFFER)?;
        }
        if let Encoder::Dump(writer) = &mut snapshot.encoder {
            // All of them first: pieces of several databases may be mixed.
            for (db, keys, expires) in request.databases {
                writer.database(*db, *keys, *expires);
            }
        }
        Ok(snapshot)
    }

    pub fn write(&mut self, piece: &Piece) -> io::Result<()> {
        if self.open.is_some() && !matches!(piece, Piece::Part(_) | Piece::Scores(_)) {
            return Err(broken());
        }
        match piece {
            Piece::Entries(entries) => entries.each(|saved| self.entry(saved)),
            Piece::LongText { db, key, deadline, age, len } => {
                self.keys += 1;
                match &mut self.encoder {
                    Encoder::Dump(writer) => {
                        writer.select(*db);
                        writer.begin_text(key, life(&self.ages, *db, key, *deadline, *age), *len);
                    }
                    Encoder::Commands(writer) => {
                        writer.select(*db);
                        writer.begin_text(key, *len);
                    }
                }
                self.open = Some(Open { key: key.clone(), deadline: *deadline, left: *len });
                self.part(&[])
            }
            Piece::Part(bytes) => self.part(bytes),
            Piece::LongScores { db, key, deadline, age, len } => {
                self.keys += 1;
                match &mut self.encoder {
                    Encoder::Dump(writer) => {
                        writer.select(*db);
                        writer.begin_scores(key, life(&self.ages, *db, key, *deadline, *age), *len);
                    }
                    Encoder::Commands(writer) => writer.select(*db),
                }
                self.open = Some(Open { key: key.clone(), deadline: *deadline, left: *len });
                Ok(())
            }
            Piece::Scores(batch) => self.scores(batch),
        }
    }

    /// A key that is handed over by itself.
    pub fn entry(&mut self, saved: Saved) -> io::Result<()> {
        self.keys += 1;
        let output = &mut self.output;
        let flush = &mut |buffer: &mut Vec<u8>| output.write(buffer);
        match &mut self.encoder {
            Encoder::Dump(writer) => {
                writer.select(saved.db);
                let Saved { db, key, deadline, age, .. } = saved;
                let life = life(&self.ages, db, key, deadline, age);
                writer.entry(saved.key, life, saved.value, flush)?;
                writer.spill(flush)
            }
            Encoder::Commands(writer) => {
                writer.select(saved.db);
                writer.entry(saved.key, saved.deadline, saved.value, flush)
            }
        }
    }

    /// All of it is there and durable, under the temporary name still; a log takes it from there
    /// (`Log::finish_rewrite`).
    pub fn finish(mut self) -> io::Result<(PathBuf, Written)> {
        self.complete()?;
        self.is_kept = true;
        Ok((self.path.clone(), self.written()))
    }

    /// It may take the place of the one before for as long as this says so.
    pub fn permitted_by(mut self, permit: Arc<Permit>) -> SnapshotFile {
        self.permit = permit;
        self
    }

    /// … and now it is the snapshot of this name, and the one before is gone. Or it is not and an error says so;
    /// then the one before is there, unless only the last step failed, which makes the change durable.
    pub fn finish_as(mut self, path: &Path) -> io::Result<Written> {
        self.complete()?;
        let renamed = self.permit.with(|| self.disk.rename(&self.path, path));
        renamed.unwrap_or_else(|| Err(io::Error::other(GIVEN_UP)))?;
        self.is_kept = true;
        self.disk.sync_folder(or_here(path.parent().unwrap_or(Path::new(""))))?;
        Ok(self.written())
    }

    pub fn bytes(&self) -> u64 {
        self.output.bytes
    }

    pub fn keys(&self) -> u64 {
        self.keys
    }

    fn complete(&mut self) -> io::Result<()> {
        if self.open.is_some() {
            return Err(broken());
        }
        if let Encoder::Dump(writer) = &mut self.encoder {
            writer.end();
        }
        self.spill(0)?;
        self.file.sync()
    }

    fn written(&self) -> Written {
        let degraded = match &self.encoder {
            Encoder::Dump(writer) => *writer.degraded(),
            Encoder::Commands(_) => Degraded::default(),
        };
        Written { bytes: self.output.bytes, keys: self.keys, degraded }
    }

    fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes.len())?;
        let output = &mut self.output;
        match &mut self.encoder {
            Encoder::Dump(writer) => writer.text_part(bytes, &mut |buffer| output.write(buffer))?,
            Encoder::Commands(writer) => {
                writer.text_part(bytes);
                if self.open.as_ref().is_some_and(|open| open.left == 0) {
                    writer.end_text();
                }
            }
        }
        self.end_if_whole()
    }

    fn scores(&mut self, batch: &ScoreBatch) -> io::Result<()> {
        self.count(batch.iter().count())?;
        let Some(open) = &self.open else { return Err(broken()) };
        let output = &mut self.output;
        let flush = &mut |buffer: &mut Vec<u8>| output.write(buffer);
        let members = batch.iter().map(|(member, score)| (Text::Bytes(member), score));
        match &mut self.encoder {
            Encoder::Dump(writer) => writer.scores_part(members, flush)?,
            Encoder::Commands(writer) => writer.scores(&open.key, members, flush)?,
        }
        self.end_if_whole()
    }

    /// The long value is over when all of it has come.
    fn end_if_whole(&mut self) -> io::Result<()> {
        if let Some(Open { key, deadline, .. }) = self.open.take_if(|open| open.left == 0)
            && let Encoder::Commands(writer) = &mut self.encoder
        {
            writer.expire(&key, deadline);
        }
        self.spill(BUFFER)
    }

    /// So much of the long value has come.
    fn count(&mut self, some: usize) -> io::Result<()> {
        let open = self.open.as_mut().ok_or_else(broken)?;
        open.left = open.left.checked_sub(some).ok_or_else(broken)?;
        Ok(())
    }

    fn spill(&mut self, least: usize) -> io::Result<()> {
        let buffer = match &mut self.encoder {
            Encoder::Dump(writer) => writer.buffer(),
            Encoder::Commands(writer) => writer.buffer(),
        };
        if buffer.len() < least { Ok(()) } else { self.output.write(buffer) }
    }
}

impl Drop for SnapshotFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing is lost if it stays: it is swept when the server starts.
            drop(self.disk.remove(&self.path));
        }
    }
}

/// What a dump says of a key besides its value.
fn life(ages: &Ages, db: usize, key: &[u8], deadline: Option<Millis>, age: u32) -> Life {
    let (idle_seconds, frequency) = ages.saved(db, key, age);
    Life { deadline, idle_seconds, frequency }
}

impl Output {
    fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.file.write_all(buffer)?;
        self.bytes += buffer.len() as u64;
        buffer.clear();
        if self.write_back && self.bytes - self.begun >= PORTION {
            let next = self.begun..self.bytes;
            self.file.write_back(next.clone(), false)?;
            let before = std::mem::replace(&mut self.awaited, next);
            if !before.is_empty() {
                self.file.write_back(before, true)?;
            }
            self.begun = self.bytes;
        }
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::other("the parts of a long value do not fit it")
}
