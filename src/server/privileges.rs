//! What a process may do, made less: another user, and files that others cannot read.
//!
//! These are plain calls of the system, made before any thread is started. They are made in the process itself
//! and not by way of another program, so that secrets can be read first that only root may read.

use std::io;

pub fn is_root() -> bool {
    #[expect(unsafe_code, reason = "geteuid has no safe wrapper")]
    // SAFETY: it takes nothing and cannot fail.
    unsafe {
        libc::geteuid() == 0
    }
}

/// Becomes another user, in one group alone and with no way back. When it fails the user is the old one, though
/// groups may be gone.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "these calls have no safe wrappers")]
    // SAFETY: a list of no groups is read from nowhere; the others take numbers.
    let done = unsafe {
        // The groups first, since a user who is not root may not choose them.
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setgid(gid) == 0
            && libc::setuid(uid) == 0
    };
    if !done {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Files that are made from here on are the owner's alone, if nobody chose anything other than the usual.
pub fn restrict_umask() {
    const USUAL: libc::mode_t = 0o022;
    const RESTRICTED: libc::mode_t = 0o077;
    #[expect(unsafe_code, reason = "umask has no safe wrapper")]
    // SAFETY: it takes a number and cannot fail.
    unsafe {
        let before = libc::umask(RESTRICTED);
        if before != USUAL {
            libc::umask(before);
        }
    }
}
