//! Which processors a thread may run on: `server-cpulist` and its like.
//!
//! A new thread has the processors of the thread that started it. So each thread settles for itself when it
//! begins; one for which there is no list gets what the process began with.
//!
//! A thread that writes a snapshot also gives way: it is woken for each piece, and as a batch thread it does not take the
//! processor from somebody who answers clients then. It keeps its share, so that the snapshot is done in time.

use crate::config::Config;
use std::sync::OnceLock;

/// What a thread is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves clients.
    Server,
    /// Frees memory, writes and syncs the log, looks names up.
    Background,
    /// Writes a new base of the log.
    Rewrite,
    /// Writes a snapshot.
    Snapshot,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

struct Plan {
    /// By role; none where there is no list.
    lists: [Option<libc::cpu_set_t>; 4],
    at_first: libc::cpu_set_t,
}

/// Takes the lists over, before any thread is started. Does nothing, here and later, where there are none.
pub fn plan(config: &Config) {
    let texts = [
        (&config.server_cpulist, "server-cpulist"),
        (&config.bio_cpulist, "bio-cpulist"),
        (&config.aof_rewrite_cpulist, "aof-rewrite-cpulist"),
        (&config.bgsave_cpulist, "bgsave-cpulist"),
    ];
    if texts.iter().all(|(text, _)| text.is_empty()) {
        return;
    }
    let lists = texts.map(|(text, name)| {
        if text.is_empty() {
            return None;
        }
        let numbers = parse(text);
        if numbers.is_none() {
            tracing::warn!("{name} is not a list of processors: {text}");
        }
        Some(set_of(&numbers?))
    });
    // Nothing here panics, and nobody else sets it.
    let _ = PLAN.set(Plan { lists, at_first: present() });
    settle(Role::Server);
}

/// Gives the calling thread the processors of its role, and the manner.
pub fn settle(role: Role) {
    if matches!(role, Role::Rewrite | Role::Snapshot) {
        give_way();
    }
    let Some(plan) = PLAN.get() else { return };
    let set = plan.lists[role as usize].as_ref().unwrap_or(&plan.at_first);
    #[expect(unsafe_code, reason = "sched_setaffinity has no safe wrapper")]
    // SAFETY: the set is valid for reads for the size that is said; 0 is the calling thread.
    let failed = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } != 0;
    if failed {
        let error = std::io::Error::last_os_error();
        tracing::warn!("Cannot choose the processors of a thread: {error}");
    }
}

/// From here on the calling thread interrupts nobody when it is woken.
fn give_way() {
    #[expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]
    // SAFETY: all zeros is a parameter; it is valid for reads; 0 is the calling thread.
    unsafe {
        let param: libc::sched_param = std::mem::zeroed();
        // Where it may not, all is as it was, and a little slower for clients.
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &param);
    }
}

/// `0,2,8-11,16-30:2`: numbers, ranges, and ranges in steps.
fn parse(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once(':') {
            Some((range, step)) => (range, step.trim().parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= libc::CPU_SETSIZE as usize {
            return None;
        }
        numbers.extend((first..=last).step_by(step));
    }
    Some(numbers)
}

fn set_of(numbers: &[usize]) -> libc::cpu_set_t {
    #[expect(unsafe_code, reason = "a set of bits that only libc's macros fill")]
    // SAFETY: all zeroes is the empty set, and the numbers were found to be below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        numbers.iter().for_each(|number| libc::CPU_SET(*number, &mut set));
        set
    }
}

fn present() -> libc::cpu_set_t {
    let mut set = set_of(&[]);
    #[expect(unsafe_code, reason = "sched_getaffinity has no safe wrapper")]
    // SAFETY: the set is valid for writes of the size that is said.
    unsafe {
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lists_of_processors() {
        assert_eq!(parse("0,2, 4"), Some(vec![0, 2, 4]));
        assert_eq!(parse("1-3,8"), Some(vec![1, 2, 3, 8]));
        assert_eq!(parse("0-7:3"), Some(vec![0, 3, 6]));
        for wrong in ["", "a", "3-1", "0-4:0", "1,,2", "0-99999", "-1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
