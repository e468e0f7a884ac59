//! Whom a server in a container runs as: never as root, if there is a way around it.
//!
//! A container that is started as some user stays that user, and needs nothing changed. One that is started as
//! root becomes the owner of the folder of the data, whoever that is; if that is root as well, as in a fresh
//! folder of the host, folder and files are first given to the image's own user.

use crate::persist::files::said;
use crate::server::privileges;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

/// The user of the official images, who owns what their volumes hold.
const UID: u32 = 999;
const GID: u32 = 999;
/// Folders in folders: the log's folder is the only one that there should be.
const DEPTH_MAX: usize = 8;

/// Gives the data to its user and becomes that user. Returns what is worth a line of the log. `is_set` knows which variables the environment has: those of the official image that forbid either.
pub fn settle(data: &Path, is_set: &dyn Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    if !privileges::is_root() || is_set("SKIP_DROP_PRIVS") {
        return Ok(notes);
    }
    let found =
        data.metadata().map_err(|why| format!("cannot look at the data: {}", said(&why)))?;
    let (uid, gid) = match found.uid() {
        0 => (UID, GID),
        uid => (uid, found.gid()),
    };
    if !is_set("SKIP_FIX_PERMS") && !is_root_folder(data) {
        match give(data, uid, gid, DEPTH_MAX) {
            Ok(0) => (),
            Ok(count) => {
                notes.push(format!("{count} files of root were given to the user {uid}"));
            }
            Err(why) => notes.push(format!(
                "files of root could not be given to the user {uid}: {}; SKIP_FIX_PERMS=1 leaves them alone",
                said(&why)
            )),
        }
    }
    // A container without the capability to change users has no more of root than the number.
    notes.push(match privileges::become_user(uid, gid) {
        Ok(()) => format!("running as user {uid} and group {gid}, who own the data"),
        Err(why) => {
            format!("running as root, because it cannot become the user {uid}: {}", said(&why))
        }
    });
    Ok(notes)
}

/// Gives what is root's; what is somebody's stays theirs.
fn give(path: &Path, uid: u32, gid: u32, depth: usize) -> io::Result<usize> {
    let found = path.symlink_metadata()?;
    let mut count = 0;
    if found.uid() == 0 {
        lchown(path, Some(uid), Some(gid))?;
        count += 1;
    }
    if found.is_dir() && depth > 0 {
        for entry in std::fs::read_dir(path)? {
            count += give(&entry?.path(), uid, gid, depth - 1)?;
        }
    }
    Ok(count)
}

/// A server that was told to keep its data in `/` must not be taken at its word here.
fn is_root_folder(data: &Path) -> bool {
    data.canonicalize().is_ok_and(|path| path == Path::new("/"))
}
