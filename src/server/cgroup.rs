//! What the cgroup that the process is in allows it: how much memory a container has.
//!
//! Both versions of the interface are read. In a container the files of the process' own group mostly lie at the
//! root of the mount; outside of one, below it, and each group above may allow less.

use std::path::{Path, PathBuf};

/// Bytes that the process may have, if there is a bound.
pub fn memory_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    places(&groups).iter().filter_map(|place| limit_in(place)).min()
}

/// The files that may hold a limit, of our own group and of those above it.
fn places(groups: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next(), parts.next());
        let (Some(controllers), Some(path)) = (controllers, path) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            places.push(Path::new(root).join(group).join(file));
        }
    }
    places
}

fn limit_in(file: &Path) -> Option<u64> {
    // The first version has a number that no machine reaches where the second says `max`.
    std::fs::read_to_string(file).ok()?.trim().parse().ok().filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_looked_for_in_every_group_above() {
        let paths = |groups: &str| -> Vec<String> {
            places(groups).iter().map(|place| place.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(
            paths("0::/system.slice/redis.service\n"),
            [
                "/sys/fs/cgroup/system.slice/redis.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(
            paths("5:cpu,cpuacct:/x\n4:memory:/\n"),
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        assert_eq!(paths("nonsense"), [""; 0]);
    }
}
