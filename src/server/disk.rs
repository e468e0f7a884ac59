//! The real disk.

use crate::world::disk::{Disk, File, Lock, Stat};
use crate::world::time::Millis;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

pub struct Files;

struct Opened(fs::File);

impl Disk for Files {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        opened(fs::OpenOptions::new().read(true), path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match fs::remove_file(path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => (),
        }
        // Written by appending, too: the file may be cut off and written on.
        opened(fs::OpenOptions::new().read(true).append(true).create_new(true), path)
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        opened(fs::OpenOptions::new().read(true).append(true).create(true), path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let found = fs::metadata(path)?;
        let changed = found.mtime().saturating_mul(1000) + found.mtime_nsec() / 1_000_000;
        Ok(Stat { is_folder: found.is_dir(), length: found.len(), changed: Millis(changed) })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            done => done,
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match fs::File::open(path)?.sync_all() {
            // Some network and FUSE file systems have no such thing; there is nothing better to be done.
            Err(why) if matches!(why.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP)) => Ok(()),
            done => done,
        }
    }

    fn lock(&self, path: &Path, place: u32) -> io::Result<Option<Box<dyn Lock>>> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let file = file.open(path)?;
        let wanted = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: place as libc::off_t,
            l_len: 1,
            l_pid: 0,
        };
        // Unlike the older kind, such a lock belongs to this opened file alone, so that whoever else opens and
        // closes the file in this process does not end it.
        #[expect(unsafe_code, reason = "std locks only whole files")]
        // SAFETY: the descriptor is open, and the struct lives until the call is over.
        let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &wanted) };
        if done == 0 {
            return Ok(Some(Box::new(Held(file))));
        }
        let why = io::Error::last_os_error();
        match why.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(None),
            _ => Err(why),
        }
    }
}

impl File for Opened {
    fn read_at(&self, into: &mut [u8], from: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(into, from) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => (),
                done => return done,
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write_back(&self, part: Range<u64>, is_awaited: bool) -> io::Result<()> {
        let (from, length) = (part.start as i64, part.end.saturating_sub(part.start) as i64);
        let mut flags = libc::SYNC_FILE_RANGE_WRITE;
        if is_awaited {
            flags |= libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        }
        #[expect(unsafe_code, reason = "std has no word for this")]
        // SAFETY: the descriptor is open; the calls take numbers only.
        let done = unsafe {
            let done = libc::sync_file_range(self.0.as_raw_fd(), from, length, flags);
            if is_awaited && done == 0 {
                // Nobody reads a snapshot soon, and the cache has better uses. It is a wish only.
                libc::posix_fadvise(self.0.as_raw_fd(), from, length, libc::POSIX_FADV_DONTNEED);
            }
            done
        };
        match done {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                // Not every file system knows this, and nothing is lost without it.
                why if matches!(
                    why.raw_os_error(),
                    Some(libc::ENOSYS | libc::ESPIPE | libc::EINVAL)
                ) =>
                {
                    Ok(())
                }
                why => Err(why),
            },
        }
    }

    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|found| found.len())
    }
}

struct Held(#[expect(dead_code, reason = "it is locked while it is open")] fs::File);

impl Lock for Held {}

fn opened(options: &mut fs::OpenOptions, path: &Path) -> io::Result<Arc<dyn File>> {
    Ok(Arc::new(Opened(options.mode(0o644).open(path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let disk: &dyn Disk = &Files;
        let file = disk.create(&path).expect("a file");
        file.write_all(b"hello world").expect("room");
        file.truncate(5).expect("cut");
        file.write_all(b"!").expect("room");
        file.write_back(0..6, true).expect("written back");
        file.sync().expect("synced");
        assert_eq!(disk.read(&path, 100).expect("readable"), b"hello!");
        assert!(disk.read(&path, 5).is_err());
        disk.append(&path).expect("there").write_all(b"?").expect("room");
        assert_eq!(disk.stat(&path).expect("there").length, 7);
        disk.rename(&path, &folder.path().join("b")).expect("renamed");
        disk.sync_folder(folder.path()).expect("synced");
        assert_eq!(disk.list(folder.path()).expect("listed"), ["b"]);
        assert!(!disk.exists(&path).expect("known"));
    }

    #[test]
    fn a_place_is_locked_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let first = Files.lock(&path, 1).expect("no error");
        assert!(first.is_some());
        assert!(Files.lock(&path, 1).expect("no error").is_none());
        assert!(Files.lock(&path, 2).expect("no error").is_some());
        drop(first);
        assert!(Files.lock(&path, 1).expect("no error").is_some());
    }
}
