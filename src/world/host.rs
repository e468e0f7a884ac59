//! `Host`: the few things that a command may ask of the machine it runs on. The real one lives
//! in `server`; tests have their own.

use super::time::Now;
use std::io;

/// Puts back what was there before; it cannot fail.
pub type PutBack = Box<dyn FnOnce()>;

pub trait Host: Send {
    /// Both clocks; asked once for each batch.
    fn now(&self) -> Now;
    /// The stopwatch: microseconds on the monotonic clock, asked once for each command.
    fn mono_us(&self) -> u64;
    /// Stops the world (DEBUG SLEEP).
    fn sleep(&self, micros: u64);
    /// Bytes that nobody can guess.
    fn random(&self, bytes: &mut [u8]);
    fn memory(&self) -> Memory;
    /// Of these only what the allocator has given out, which is asked all the time.
    fn allocated(&self) -> u64 {
        self.memory().allocated
    }
    /// How much memory the process may take at all: what the machine has, or less if it is in a container.
    fn memory_at_hand(&self) -> u64 {
        self.memory().system
    }
    fn cpu(&self) -> Cpu;
    /// The same of each thread; nothing where there are none.
    fn thread_cpu(&self) -> Vec<ThreadCpu> {
        Vec::new()
    }
    /// Replaces the configuration file as a whole (CONFIG REWRITE).
    fn replace_file(&self, path: &str, content: &[u8]) -> io::Result<()>;
    fn read_file(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Appends a line to the log.
    fn log(&self, level: Level, text: &str);
    /// Writes the log as the configuration says now.
    fn follow_log(&self, config: &crate::config::Config);
    /// Logs where the server is, unless this is called again within so many milliseconds; 0 ends that.
    fn wind_watchdog(&self, period_ms: u32);
    /// Touches memory that may not be touched (DEBUG SEGFAULT).
    fn fault(&self);
    /// Opens sockets as the configuration says now; on failure the old ones stay.
    fn relisten(&mut self, config: &crate::config::Config) -> io::Result<()>;
    /// Takes over certificates, keys and settings of TLS, or says why not; then the old ones stay.
    fn configure_tls(&mut self, config: &crate::config::Config) -> Result<PutBack, String>;
    /// Those in use.
    fn certificates(&self) -> Certificates;
    /// As if no socket with TLS took anything (DEBUG FORCE-TLS-WRITE-ERROR).
    fn force_tls_write_errors(&self, fail: bool);
    /// Lets a group use the Unix socket; says which one had it before.
    fn give_socket(&self, path: &str, group: &str) -> io::Result<String>;
    /// Shows in the list of processes what the configuration says now.
    fn show_title(&self, config: &crate::config::Config);
    /// Changes the working directory; says its absolute path.
    fn change_folder(&self, path: &str) -> io::Result<String>;
    /// Tells the kernel how gladly to end this process when memory runs out.
    fn set_oom_score(&self, _config: &crate::config::Config) -> io::Result<()> {
        Ok(())
    }
    /// Makes room for so many connections, or for as many as the system allows; says for how many there is.
    fn allow_clients(&self, clients: u32) -> u64;
    /// Values that are being freed in the background.
    fn pending_frees(&self) -> u64;
    /// … and how much memory comes back when they are.
    fn coming_back(&self) -> Coming {
        Coming::default()
    }
    /// What the allocator says of itself, at length.
    fn allocator_report(&self) -> String;
    /// For how many microseconds threads go on looking for requests before they sleep.
    fn busy_poll(&self, micros: u64);
    /// Gives memory that is free back to the system.
    fn purge_memory(&self);
    /// Whether it is given back by a thread of its own, or by whoever asks for memory.
    fn purge_elsewhere(&self, elsewhere: bool);
    /// Waits until all that the log was told is in its files.
    fn flush_log(&self);
    /// Where files are kept.
    fn disk(&self) -> std::sync::Arc<dyn super::Disk>;
    /// Facts of the process that do not change: for INFO.
    fn facts(&self) -> &Facts;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// Bytes, as the allocator and the kernel see them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub allocated: u64,
    pub active: u64,
    pub resident: u64,
    pub rss: u64,
    pub system: u64,
}

/// Memory that is on its way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coming {
    pub bytes: u64,
    /// There is more of which nobody knows how much it is: whole databases.
    pub and_more: bool,
}

/// Seconds of processor time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub system: f64,
    pub user: f64,
    pub main_system: f64,
    pub main_user: f64,
}

/// The certificates of TLS: the server's, the one it shows to other servers, and that of those who vouch.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    pub server: Option<Certificate>,
    pub client: Option<Certificate>,
    pub authority: Option<Certificate>,
}

#[derive(Clone, Debug)]
pub struct Certificate {
    /// In hexadecimal.
    pub serial: String,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// Seconds of a thread's processor time.
#[derive(Clone, Debug, Default)]
pub struct ThreadCpu {
    pub name: String,
    pub system: f64,
    pub user: f64,
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub pid: u32,
    pub os: String,
    pub executable: String,
    pub config_file: String,
    pub run_id: String,
    pub supervised: String,
}
