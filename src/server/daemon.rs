//! Living with the system: going to the background, telling a supervisor, looking at the kernel.

use crate::config::{Config, Supervised};
use std::io;
use std::os::fd::AsRawFd;

/// Leaves the terminal: the parent ends, the child goes on in a session of its own. Must be
/// called before any thread is started.
pub fn detach() -> io::Result<()> {
    #[expect(unsafe_code, reason = "fork and setsid have no safe wrapper")]
    // SAFETY: no other thread exists yet, so the child may go on as if nothing had happened.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => (),
            _ => libc::_exit(0),
        }
        if libc::setsid() == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    for stream in 0..=2 {
        #[expect(unsafe_code, reason = "dup2 has no safe wrapper")]
        // SAFETY: both descriptors are open; the standard streams are ours to replace.
        if unsafe { libc::dup2(null.as_raw_fd(), stream) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Says to whoever started us and waits for it that we load. Upstart has no other word than this one.
pub fn tell_supervisor(supervised: Supervised) {
    let socket = std::env::var_os("NOTIFY_SOCKET");
    let upstart = std::env::var_os("UPSTART_JOB").is_some();
    match supervised {
        Supervised::No => (),
        Supervised::Systemd | Supervised::Auto if socket.is_some() => {
            notify_systemd("STATUS=Russet is loading...\n");
        }
        Supervised::Upstart | Supervised::Auto if upstart => {
            #[expect(unsafe_code, reason = "raise has no safe wrapper")]
            // SAFETY: stopping oneself is what upstart waits for; it sends SIGCONT.
            unsafe {
                libc::raise(libc::SIGSTOP);
            }
        }
        Supervised::Systemd => tracing::warn!(
            "systemd supervision requested or auto-detected, but NOTIFY_SOCKET not set"
        ),
        Supervised::Upstart => {
            tracing::warn!("upstart supervision requested, but UPSTART_JOB not set")
        }
        Supervised::Auto => (),
    }
}

/// Says to whoever started us that clients are served.
pub fn tell_ready(supervised: Supervised) {
    if matches!(supervised, Supervised::Systemd | Supervised::Auto) {
        notify_systemd("STATUS=Ready to accept connections\nREADY=1\n");
    }
}

/// Tells systemd, if that waits for it.
fn notify_systemd(text: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send_to_systemd(&name, text) {
        tracing::warn!("Can't notify systemd: {error}");
    }
}

fn send_to_systemd(name: &std::ffi::OsStr, text: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let addr = match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &addr).map(|_| ())
}

/// What the configuration asks of the kernel at the start, and what of its settings is known to hurt.
pub fn suit_kernel(config: &Config) {
    if config.disable_thp {
        #[expect(unsafe_code, reason = "prctl has no safe wrapper")]
        // SAFETY: this operation takes plain numbers, the last three of which must be zero.
        let failed = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } != 0;
        if failed {
            let error = io::Error::last_os_error();
            tracing::warn!("Cannot switch transparent huge pages off for this process: {error}");
        }
    }
    // Who has no right to this is told in the log.
    let _ = super::oom::set(config);
    let most: u32 = read_setting(SOMAXCONN).parse().unwrap_or(u32::MAX);
    if config.port != 0 && most < config.tcp_backlog {
        tracing::warn!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because {SOMAXCONN} is set to the \
             lower value of {most}.",
            config.tcp_backlog
        );
    }
}

const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

fn read_setting(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

/// `--check-system`: settings of the kernel that are known to hurt.
pub fn check_system() -> String {
    let read = read_setting;
    let mut report = String::new();
    let mut line = |name: &str, fine: bool, advice: &str| {
        let verdict = if fine { "OK" } else { advice };
        report.push_str(&format!("[{name}] {verdict}\n"));
    };
    let clock = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    line(
        "slow-clocksource",
        clock != "xen" && clock != "hpet" && clock != "acpi_pm",
        "The clock source is slow to read; prefer tsc or kvm-clock.",
    );
    let backlog = read(SOMAXCONN).parse().unwrap_or(u32::MAX);
    line(
        "tcp-backlog",
        backlog >= 511,
        "net.core.somaxconn is below 511, so tcp-backlog cannot be as large as its default.",
    );
    let huge = read("/sys/kernel/mm/transparent_hugepage/enabled");
    line(
        "transparent-hugepages",
        !huge.contains("[always]"),
        "Transparent huge pages are always on, which costs memory; prefer madvise.",
    );
    // Snapshots do not fork, so overcommit is no concern of ours.
    line("overcommit", true, "");
    report
}
