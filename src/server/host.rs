//! The real machine behind `Host`: clocks, memory figures, the configuration file, the log.
#![expect(clippy::disallowed_methods, reason = "this is the seam to clocks and files")]

use super::disk::Files;
use super::scribe::Scribe;
use super::tls::{self, Tls};
use super::{free, tally};
use crate::world::host::{Certificates, Coming, Cpu, Facts, Level, Memory, PutBack, ThreadCpu};
use crate::world::time::Now;
use crate::world::{Disk, Host};
use std::cell::Cell;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Both clocks at once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started_us: u64,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { started_us: clock_us(libc::CLOCK_MONOTONIC) }
    }

    pub fn now(&self) -> Now {
        Now { wall_us: clock_us(libc::CLOCK_REALTIME) as i64, mono_us: self.mono_us() }
    }

    #[inline]
    pub fn mono_us(&self) -> u64 {
        clock_us(libc::CLOCK_MONOTONIC) - self.started_us
    }

    /// The same, some milliseconds late, for a fifth of the price.
    #[inline]
    pub fn rough_us(&self) -> u64 {
        clock_us(libc::CLOCK_MONOTONIC_COARSE).saturating_sub(self.started_us)
    }
}

/// std's clocks check and convert more than the one question each command asks is worth.
#[inline]
fn clock_us(clock: libc::clockid_t) -> u64 {
    #[expect(unsafe_code, reason = "the clock, asked without a detour")]
    // SAFETY: the struct is valid for writes, and both clocks exist on every Linux.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(clock, &mut time);
        time
    };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

pub struct Machine {
    clock: Clock,
    facts: Facts,
    relisten: Relisten,
    tls: Tls,
    /// The kernel is asked for memory figures at most once in this many microseconds.
    memory: Cell<(u64, Memory)>,
    disk: Arc<dyn Disk>,
    scribe: Scribe,
}

/// Opens other sockets when `bind` or `port` is changed.
pub type Relisten = Box<dyn FnMut(&crate::config::Config) -> io::Result<()> + Send>;

/// The allocator and the kernel take long to say what pages there are.
const MEMORY_AGE_MAX_US: u64 = 1_000;

impl Machine {
    pub fn new(
        clock: Clock,
        facts: Facts,
        relisten: Relisten,
        tls: Tls,
        scribe: Scribe,
    ) -> Machine {
        let disk = Arc::new(Files);
        tally::correct(allocated_now);
        Machine { clock, facts, relisten, tls, memory: Cell::default(), disk, scribe }
    }
}

impl Host for Machine {
    fn now(&self) -> Now {
        self.clock.now()
    }

    #[inline]
    fn mono_us(&self) -> u64 {
        self.clock.mono_us()
    }

    fn sleep(&self, micros: u64) {
        std::thread::sleep(Duration::from_micros(micros));
    }

    fn random(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }

    fn memory(&self) -> Memory {
        let now = self.clock.now().mono_us;
        let (at, mut pages) = self.memory.get();
        if at == 0 || now >= at + MEMORY_AGE_MAX_US {
            tally::correct(allocated_now);
            pages = pages_now();
            self.memory.set((now, pages));
        }
        // Who asks before and after a command must see the difference.
        Memory { allocated: tally::allocated_by_all(), ..pages }
    }

    #[inline]
    fn allocated(&self) -> u64 {
        tally::allocated()
    }

    fn memory_at_hand(&self) -> u64 {
        let machine = physical_memory();
        super::cgroup::memory_limit().map_or(machine, |limit| limit.min(machine))
    }

    fn cpu(&self) -> Cpu {
        let all = usage(libc::RUSAGE_SELF);
        let main = main_thread_usage(self.facts.pid);
        Cpu { system: all.1, user: all.0, main_system: main.1, main_user: main.0 }
    }

    fn thread_cpu(&self) -> Vec<ThreadCpu> {
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
        let mut threads: Vec<(u32, ThreadCpu)> = tasks
            .flatten()
            .filter_map(|task| {
                let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
                let id = task.file_name().to_str()?.parse().ok()?;
                let name = stat.split_once('(')?.1.rsplit_once(')')?.0;
                // Names are ours, but for what could break a line of INFO.
                let name = name.replace([',', ':', '\r', '\n'], "_");
                let (user, system) = ticks_of(&stat);
                Some((id, ThreadCpu { name, system, user }))
            })
            .collect();
        threads.sort_unstable_by_key(|(id, _)| *id);
        threads.into_iter().map(|(_, thread)| thread).collect()
    }

    fn replace_file(&self, path: &str, content: &[u8]) -> io::Result<()> {
        replace_file(Path::new(path), content)
    }

    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn log(&self, level: Level, text: &str) {
        super::log::note(level, text);
    }

    fn follow_log(&self, config: &crate::config::Config) {
        super::log::follow(config);
        super::crash::follow(config);
        super::crash::wind_watchdog(config.watchdog_ms());
    }

    fn wind_watchdog(&self, period_ms: u32) {
        super::crash::wind_watchdog(period_ms);
    }

    fn fault(&self) {
        super::crash::fault();
    }

    fn relisten(&mut self, config: &crate::config::Config) -> io::Result<()> {
        (self.relisten)(config)
    }

    fn configure_tls(&mut self, config: &crate::config::Config) -> Result<PutBack, String> {
        self.tls.configure(config)
    }

    fn certificates(&self) -> Certificates {
        self.tls.certificates()
    }

    fn force_tls_write_errors(&self, fail: bool) {
        tls::force_write_errors(fail);
    }

    fn give_socket(&self, path: &str, group: &str) -> io::Result<String> {
        let before = std::fs::metadata(path)?.gid();
        super::listen::give_to_group(path, group)?;
        Ok(before.to_string())
    }

    fn show_title(&self, config: &crate::config::Config) {
        super::title::show(config, &self.facts.config_file);
    }

    fn change_folder(&self, path: &str) -> io::Result<String> {
        std::env::set_current_dir(path)?;
        Ok(std::env::current_dir()?.to_string_lossy().into_owned())
    }

    fn set_oom_score(&self, config: &crate::config::Config) -> io::Result<()> {
        super::oom::set(config)
    }

    fn allow_clients(&self, clients: u32) -> u64 {
        let own = super::listen::own_files(self.scribe.threads());
        super::listen::raise_file_limit(clients, own)
    }

    fn pending_frees(&self) -> u64 {
        free::PENDING_FREES.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn coming_back(&self) -> Coming {
        free::coming()
    }

    fn allocator_report(&self) -> String {
        use tikv_jemalloc_ctl::stats_print::{Options, stats_print};
        let mut report = Vec::new();
        match stats_print(&mut report, Options::default()) {
            Ok(()) => String::from_utf8_lossy(&report).into_owned(),
            Err(error) => format!("The allocator does not say: {error}\n"),
        }
    }

    fn busy_poll(&self, micros: u64) {
        super::poll::set_limit(micros);
    }

    fn purge_elsewhere(&self, elsewhere: bool) {
        super::allocator::give_back_elsewhere(elsewhere);
    }

    fn purge_memory(&self) {
        super::allocator::give_all_back();
    }

    fn flush_log(&self) {
        self.scribe.flush();
    }

    fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// What is written may be secret, so it is readable for its owner alone until it has the permissions of the file whose
/// place it takes. What a process of the same number has left behind, or anybody has laid there, is not written into.
fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let _ = std::fs::remove_file(&temporary);
        let mut options = std::fs::File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

/// All but what is allocated. The allocator says it as it was when it was last asked.
fn pages_now() -> Memory {
    use tikv_jemalloc_ctl::stats;
    let figure = |read: Result<usize, _>| read.unwrap_or(0) as u64;
    Memory {
        allocated: 0,
        active: figure(stats::active::read()),
        resident: figure(stats::resident::read()),
        rss: resident_set(),
        system: physical_memory(),
    }
}

pub(super) fn allocated_now() -> u64 {
    // The allocator's figures are a snapshot that is taken when the epoch advances.
    let _ = tikv_jemalloc_ctl::epoch::advance();
    let allocated = tikv_jemalloc_ctl::stats::allocated::read().unwrap_or(0) as u64;
    // What threads keep for their next requests is in nobody's use, though it counts as such; and where they keep it
    // is the allocator's own, with each thread that starts some 56 KiB, which no limit on data is to feel.
    let own = of_all_arenas(b"stats.arenas.4096.tcache_bytes\0")
        + of_all_arenas(b"stats.arenas.4096.internal\0");
    allocated.saturating_sub(own)
}

/// A figure that stands under 4096 for all arenas together.
fn of_all_arenas(name: &[u8]) -> u64 {
    #[expect(unsafe_code, reason = "figures that jemalloc's wrapper has no names for")]
    // SAFETY: both that are asked for are a `size_t`.
    let bytes = unsafe { tikv_jemalloc_ctl::raw::read(name) };
    bytes.map_or(0, |bytes: usize| bytes as u64)
}

fn resident_set() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * page_size()
}

/// It does not change, and the kernel takes long to say it.
fn physical_memory() -> u64 {
    static KNOWN: OnceLock<u64> = OnceLock::new();
    *KNOWN.get_or_init(read_physical_memory)
}

fn read_physical_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn page_size() -> u64 {
    #[expect(unsafe_code, reason = "a plain question to libc")]
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// User and system seconds of the thread that the server began with, whichever asks. Of another thread
/// the system tells only ticks.
fn main_thread_usage(pid: u32) -> (f64, f64) {
    #[expect(unsafe_code, reason = "plain questions to libc")]
    // SAFETY: it has no preconditions.
    let thread = unsafe { libc::gettid() };
    if thread as u32 == pid {
        return usage(libc::RUSAGE_THREAD);
    }
    ticks_of(&std::fs::read_to_string(format!("/proc/self/task/{pid}/stat")).unwrap_or_default())
}

/// User and system seconds as the kernel's file about a thread has them.
fn ticks_of(stat: &str) -> (f64, f64) {
    #[expect(unsafe_code, reason = "a plain question to libc")]
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    // The name, in parentheses, may hold anything; what follows is numbers from the third on.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let seconds = |field: usize| {
        let ticks_used = fields.split_ascii_whitespace().nth(field - 3)?.parse::<f64>().ok()?;
        Some(ticks_used / ticks as f64)
    };
    (seconds(14).unwrap_or(0.0), seconds(15).unwrap_or(0.0))
}

/// User and system seconds.
fn usage(who: libc::c_int) -> (f64, f64) {
    #[expect(unsafe_code, reason = "getrusage fills a struct of plain numbers")]
    // SAFETY: the struct is valid for writes, and all zeroes is a value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_by_one_that_nobody_else_could_read_or_lay_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("conf"), folder.path().join("victim"));
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        std::fs::write(&victim, "untouched").unwrap();
        let temporary = folder.path().join(format!(".conf.{}.tmp", std::process::id()));
        std::os::unix::fs::symlink(&victim, temporary).unwrap();
        replace_file(&path, b"requirepass secret").unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"requirepass other").unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), mode()), (b"requirepass other".to_vec(), 0o640));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
