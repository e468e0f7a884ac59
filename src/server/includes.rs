//! The files that `include` names.

use crate::config::Includes;
use crate::persist::files::said;
use std::ffi::{CStr, CString};
use std::path::Path;

pub struct Files;

impl Includes for Files {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| said(&error))
    }

    /// By glob(3), as whoever writes such a pattern for Redis knows it. A folder that matches is no configuration.
    fn expand(&mut self, pattern: &str) -> Vec<String> {
        let Ok(pattern) = CString::new(pattern) else { return Vec::new() };
        let mut paths = Vec::new();
        #[expect(unsafe_code, reason = "glob has no safe wrapper")]
        // SAFETY: all zeroes is a value of the struct, which is freed after its last use and not before; when glob
        // says that it has found something, so many pointers to texts with an end are in it.
        unsafe {
            let mut found: libc::glob_t = std::mem::zeroed();
            if libc::glob(pattern.as_ptr(), 0, None, &mut found) == 0 {
                for at in 0..found.gl_pathc as usize {
                    let path = CStr::from_ptr(*found.gl_pathv.add(at));
                    paths.push(path.to_string_lossy().into_owned());
                }
            }
            libc::globfree(&mut found);
        }
        paths.retain(|path| !Path::new(path).is_dir());
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_expanded_in_every_part_and_finds_nothing_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path).to_string_lossy().into_owned();
        for hidden in ["..2024", "x", "y"] {
            std::fs::create_dir(at(hidden)).unwrap();
        }
        for file in ["..2024/b.conf", "x/a.conf", "y/c.conf", ".hidden.conf"] {
            std::fs::write(at(file), "").unwrap();
        }
        // As Kubernetes lays out a map of files.
        std::os::unix::fs::symlink("..2024", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/b.conf", at("b.conf")).unwrap();
        for (pattern, expected) in [
            ("*", &["b.conf"][..]),
            ("*.conf", &["b.conf"]),
            (".*.conf", &[".hidden.conf"]),
            ("*/a.conf", &["x/a.conf"]),
            ("[xy]/*.conf", &["x/a.conf", "y/c.conf"]),
            ("z/*", &[]),
        ] {
            let expected: Vec<String> = expected.iter().map(|path| at(path)).collect();
            assert_eq!(Files.expand(&at(pattern)), expected, "{pattern}");
        }
    }
}
