//! The machine that an engine without sockets stands on: a clock that moves when it is told to, no
//! files, no memory to speak of.

use russet::config::Config;
use russet::engine::Outbox;
use russet::world::disk::{Disk, File, Lock, Stat};
use russet::world::host::{Certificates, Cpu, Facts, Host, Level, Memory, PutBack};
use russet::world::time::Now;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// An instant like any other, so that times in logs can be told from other numbers.
const BEGINNING_US: i64 = 1_800_000_000_000_000;

/// Both clocks of a scene. All who hold a copy see the same time.
#[derive(Clone)]
pub struct Clock {
    passed_us: Arc<AtomicI64>,
    /// How far somebody has set the wall clock.
    set_us: Arc<AtomicI64>,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { passed_us: Arc::default(), set_us: Arc::default() }
    }

    pub fn now(&self) -> Now {
        let passed = self.passed_us.load(Ordering::Relaxed);
        let set = self.set_us.load(Ordering::Relaxed);
        Now { wall_us: BEGINNING_US + passed + set, mono_us: 1_000_000 + passed as u64 }
    }

    /// The wall clock is set, forwards or back, and no time passes.
    pub fn set_wall(&self, micros: i64) {
        self.set_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn pass(&self, micros: u64) {
        self.passed_us.fetch_add(micros as i64, Ordering::Relaxed);
    }
}

pub struct Machine {
    clock: Clock,
    facts: Facts,
}

impl Machine {
    pub fn new(clock: Clock) -> Machine {
        let facts =
            Facts { pid: 1, os: "Linux".into(), run_id: "0".repeat(40), ..Facts::default() };
        Machine { clock, facts }
    }
}

impl Host for Machine {
    fn now(&self) -> Now {
        self.clock.now()
    }
    fn mono_us(&self) -> u64 {
        self.clock.now().mono_us
    }
    fn sleep(&self, micros: u64) {
        self.clock.pass(micros);
    }
    fn random(&self, bytes: &mut [u8]) {
        // They only have to differ.
        let nth = |index: usize| (index as u8).wrapping_mul(37).wrapping_add(11);
        bytes.iter_mut().enumerate().for_each(|(index, byte)| *byte = nth(index));
    }
    fn memory(&self) -> Memory {
        let mib = 1 << 20;
        Memory { allocated: mib, active: mib, resident: mib, rss: mib, system: 1 << 30 }
    }
    fn cpu(&self) -> Cpu {
        Cpu::default()
    }
    fn replace_file(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn read_file(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn log(&self, _: Level, _: &str) {}
    fn follow_log(&self, _: &Config) {}
    fn wind_watchdog(&self, _: u32) {}
    fn fault(&self) {}
    fn relisten(&mut self, _: &Config) -> io::Result<()> {
        Ok(())
    }
    fn configure_tls(&mut self, _: &Config) -> Result<PutBack, String> {
        Ok(Box::new(|| ()))
    }

    fn certificates(&self) -> Certificates {
        Certificates::default()
    }

    fn force_tls_write_errors(&self, _: bool) {}

    fn give_socket(&self, _: &str, _: &str) -> io::Result<String> {
        Ok(String::new())
    }
    fn show_title(&self, _: &russet::config::Config) {}

    fn change_folder(&self, path: &str) -> io::Result<String> {
        Ok(path.into())
    }
    fn allow_clients(&self, clients: u32) -> u64 {
        clients.into()
    }
    fn pending_frees(&self) -> u64 {
        0
    }
    fn allocator_report(&self) -> String {
        "___ Begin jemalloc statistics ___\n".into()
    }

    fn busy_poll(&self, _: u64) {}
    fn purge_memory(&self) {}
    fn purge_elsewhere(&self, _: bool) {}
    fn flush_log(&self) {}
    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(NoDisk)
    }
    fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// What a socket would be written.
pub fn sent(mut outbox: Outbox) -> Vec<u8> {
    let mut sent = Vec::with_capacity(outbox.len());
    while !outbox.is_empty() {
        let length = outbox.front().len();
        sent.extend_from_slice(outbox.front());
        outbox.advance(length);
    }
    sent
}

/// Nothing is there, and nothing can be.
struct NoDisk;

impl Disk for NoDisk {
    fn open(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn create(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn append(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn stat(&self, _: &Path) -> io::Result<Stat> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, _: &Path, _: u32) -> io::Result<Option<Box<dyn Lock>>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
