//! `Disk`: files, as those who keep the data need them. The real one lives in `server`; the simulator has
//! one that fails, tears and forgets as disks do.
//!
//! Paths are relative to the working directory, which is `dir`. What was written is there for other
//! processes at once, and there after a power failure once `sync` (for bytes) and `sync_folder` (for names) have
//! said so. After a failed `sync` nothing is known of what was not synced before, and a later `sync` that
//! succeeds changes nothing about that.

use super::Millis;
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub trait Disk: Send + Sync {
    /// A file that is there, to be read.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// A new and empty file, to be written. What had the name loses it, and is not emptied: after a crash it
    /// may have another name as well.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// A file to be written on at its end (or cut off), which is made if it is not there.
    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Replaces what has the other name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// The names of what is in a folder, in one order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// It may be there already.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes names durable: of files that were made, renamed and removed in this folder.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Locks one of many places in a file, which is made for this; nothing if another process has it. It is
    /// held until it is dropped, or its holder dies.
    fn lock(&self, path: &Path, place: u32) -> io::Result<Option<Box<dyn Lock>>>;
}

/// An open file. One thread may sync it while another writes.
pub trait File: Send + Sync {
    /// Fewer bytes than asked for are no end; none are.
    fn read_at(&self, into: &mut [u8], from: u64) -> io::Result<usize>;
    /// Adds to the end; says how many of the bytes it took.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Has some of it written to the disk soon, or waits until it is; a promise of nothing, so that a `sync` at the
    /// end has little left to do. What is written need not be cached.
    fn write_back(&self, part: Range<u64>, is_awaited: bool) -> io::Result<()>;
    fn length(&self) -> io::Result<u64>;
}

/// Something that is held until it is dropped.
pub trait Lock: Send + Sync {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub is_folder: bool,
    pub length: u64,
    pub changed: Millis,
}

impl dyn File + '_ {
    /// Adds all of the bytes, or says what came in between; then some of them may be there.
    pub fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => bytes = &bytes[taken..],
                Err(why) if why.kind() == io::ErrorKind::Interrupted => (),
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

impl dyn Disk + '_ {
    /// A small file as a whole; one that is longer than `most` is an error.
    pub fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut reader = Reader::new(self.open(path)?, 0);
        let mut all = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut reader, most + 1), &mut all)?;
        if all.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(all)
    }

    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.stat(path) {
            Ok(_) => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(why) => Err(why),
        }
    }
}

/// Reads a file from front to back.
pub struct Reader {
    file: Arc<dyn File>,
    at: u64,
}

impl Reader {
    pub fn new(file: Arc<dyn File>, at: u64) -> Reader {
        Reader { file, at }
    }
}

impl io::Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
