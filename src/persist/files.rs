//! The names of all files, and small things that are done to them in more than one place.

use crate::world::Disk;
use crate::world::host::Level;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where everything lies. The configuration's words, which may be any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `dir`; empty is the working directory.
    pub folder: PathBuf,
    /// `appenddirname`
    pub log_folder: Vec<u8>,
    /// `appendfilename`
    pub log: Vec<u8>,
    /// `dbfilename`
    pub snapshot: Vec<u8>,
    /// Part of the names of temporary files, so that others know whose they are.
    pub pid: u32,
}

/// Something to be logged by whoever called.
pub type Note = (Level, String);

/// One file is locked for all that a server writes, at places that the names decide.
const LOCK: &str = "russet.lock";

impl Names {
    pub fn in_folder(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    pub fn snapshot_path(&self) -> PathBuf {
        self.in_folder(&self.snapshot)
    }

    pub fn log_folder_path(&self) -> PathBuf {
        self.in_folder(&self.log_folder)
    }

    /// A file of the log.
    pub fn part_path(&self, name: &[u8]) -> PathBuf {
        self.log_folder_path().join(OsStr::from_bytes(name))
    }

    /// The log of a server that knew no folder for it.
    pub fn old_log_path(&self) -> PathBuf {
        self.in_folder(&self.log)
    }

    pub fn manifest(&self) -> Vec<u8> {
        [&self.log, b".manifest".as_slice()].concat()
    }

    pub fn manifest_path(&self) -> PathBuf {
        self.part_path(&self.manifest())
    }

    pub fn temporary_manifest_path(&self) -> PathBuf {
        self.part_path(&[b"temp-".as_slice(), &self.log, b".manifest"].concat())
    }

    /// Where commands go until the log's first base is whole.
    pub fn temporary_incr(&self) -> Vec<u8> {
        [b"temp-".as_slice(), &self.log, b".incr"].concat()
    }

    pub fn temporary_snapshot_path(&self) -> PathBuf {
        self.in_folder(format!("temp-bgsave-{}.rdb", self.pid).as_bytes())
    }

    /// Of a snapshot that is written while everybody waits; another may be under way.
    pub fn temporary_save_path(&self) -> PathBuf {
        self.in_folder(format!("temp-{}.rdb", self.pid).as_bytes())
    }

    pub fn temporary_base_path(&self) -> PathBuf {
        self.in_folder(format!("temp-rewriteaof-bg-{}.aof", self.pid).as_bytes())
    }

    pub fn base(&self, seq: u64, is_rdb: bool) -> Vec<u8> {
        let ending = if is_rdb { "rdb" } else { "aof" };
        [self.log.as_slice(), format!(".{seq}.base.{ending}").as_bytes()].concat()
    }

    pub fn incr(&self, seq: u64) -> Vec<u8> {
        [self.log.as_slice(), format!(".{seq}.incr.aof").as_bytes()].concat()
    }

    pub fn lock_path(&self) -> PathBuf {
        self.folder.join(LOCK)
    }

    /// Two servers with the same log must not run, whatever else they share.
    pub fn lock_place_of_log(&self) -> u32 {
        place(&[b"log ", self.log_folder.as_slice(), b"/", &self.log].concat())
    }

    pub fn lock_place_of_snapshot(&self) -> u32 {
        place(&[b"snapshot ", self.snapshot.as_slice()].concat())
    }
}

/// For messages.
pub fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// An error as C says it, without the number that Rust adds.
pub fn said(why: &io::Error) -> String {
    let text = why.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_string(),
        None => text,
    }
}

/// Removes temporary files of servers that are no more: snapshots and logs that were being written.
/// What cannot be removed is said, and nothing else follows from it.
pub fn sweep(disk: &dyn Disk, names: &Names, is_alive: &dyn Fn(u32) -> bool) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut remove = |path: PathBuf| match disk.remove(&path) {
        Ok(()) => {
            notes.push((Level::Notice, format!("Removed the stale temp file {}", path.display())))
        }
        Err(why) => {
            let text = format!("Can't remove the stale temp file {}: {why}", path.display());
            notes.push((Level::Warning, text));
        }
    };
    for name in disk.list(or_here(&names.folder)).unwrap_or_default() {
        let writer = pid_of(name.as_bytes());
        if writer.is_some_and(|pid| pid == names.pid || !is_alive(pid)) {
            remove(names.folder.join(name));
        }
    }
    for path in [names.temporary_manifest_path(), names.part_path(&names.temporary_incr())] {
        if disk.exists(&path).unwrap_or_default() {
            remove(path);
        }
    }
    notes
}

/// An empty path is the working directory, which some calls want to be named.
pub fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Replaces a small file so that after a crash there is the old one or the new one.
pub fn replace(disk: &dyn Disk, temporary: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let file = disk.create(temporary)?;
        file.write_all(content)?;
        file.sync()?;
        disk.rename(temporary, path)
    };
    write().inspect_err(|_| drop(disk.remove(temporary)))?;
    disk.sync_folder(or_here(path.parent().unwrap_or(Path::new(""))))
}

/// Whose temporary file this is.
fn pid_of(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    let inner = |start: &str, end: &str| name.strip_prefix(start)?.strip_suffix(end)?.parse().ok();
    let names = [("temp-rewriteaof-bg-", ".aof"), ("temp-bgsave-", ".rdb"), ("temp-", ".rdb")];
    names.iter().find_map(|(start, end)| inner(start, end))
}

/// FNV-1a: the same for every version of the program.
fn place(name: &[u8]) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
    name.iter().fold(0x811C_9DC5, mix) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_are_known_by_their_names() {
        assert_eq!(pid_of(b"temp-12.rdb"), Some(12));
        assert_eq!(pid_of(b"temp-rewriteaof-bg-7.aof"), Some(7));
        assert_eq!(pid_of(b"temp-x.rdb"), None);
        assert_eq!(pid_of(b"dump.rdb"), None);
        assert_eq!(pid_of(b"temp-12.rdb.bak"), None);
    }
}
