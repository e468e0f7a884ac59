//! A server started in a manner of its own: with any arguments, in a temporary folder.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::client::{Address, Client};
use crate::support::server::more_args;
use crate::support::value::Value;

/// Longer than any start or end takes, short enough for a person to wait.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Process {
    child: Child,
    dir: TempDir,
}

impl Process {
    /// Starts a server; `{dir}` in an argument is its folder. Every file is written there first.
    pub fn start(files: &[(&str, &str)], args: &[&str], stdin: &str) -> Process {
        Process::start_after(":", files, args, stdin)
    }

    /// The same, when a shell has done something: limits and the environment are passed on.
    pub fn start_after(
        preparation: &str,
        files: &[(&str, &str)],
        args: &[&str],
        stdin: &str,
    ) -> Process {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let here = dir.path().to_string_lossy().into_owned();
        for (name, text) in files {
            let text = text.replace("{dir}", &here);
            fs::write(dir.path().join(name), text).expect("a file in a temporary folder");
        }
        let output = File::create(dir.path().join("output")).expect("a file");
        let mut child = Command::new("sh")
            .args(["-c", &format!("{preparation}; exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_russet-server"))
            .args(args.iter().map(|arg| arg.replace("{dir}", &here)))
            .args(more_args())
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the server is built");
        let mut input = child.stdin.take().expect("it was piped");
        // Who does not read its input may be gone already.
        let _ = input.write_all(stdin.as_bytes());
        Process { child, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// What the server printed.
    pub fn output(&self) -> String {
        self.read("output")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {name}");
    }

    /// Waits for the end and says how it was.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until("the server ends", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Connects, as soon as the server answers.
    #[track_caller]
    pub fn connect(&mut self, address: &Address) -> Client {
        let mut client = None;
        until(&format!("PONG from {address}; the server printed:\n{}", self.output()), || {
            let fresh = Client::connect(address).ok();
            let answer = fresh.and_then(|mut it| it.try_call(&["PING"]).ok().map(|_| it));
            client = answer;
            client.is_some()
        });
        client.expect("it has answered")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

pub fn tcp(port: u16) -> Address {
    Address::Tcp(format!("127.0.0.1:{port}"))
}

#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        #[expect(clippy::disallowed_methods, reason = "another process is at work")]
        sleep(Duration::from_millis(10));
    }
}

/// Memory that a process really uses, in bytes.
pub fn resident(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    assert!(pages > 0, "no memory figures of {pid}");
    pages * 4096
}

/// The most memory that a process has held, in bytes.
pub fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.expect("a process says how much it has held") * 1024
}

#[track_caller]
pub fn is_alive(address: &Address) {
    let answer = Client::connect(address).and_then(|mut it| it.try_call(&["PING"]));
    assert!(matches!(&answer, Ok(pong) if *pong == Value::simple("PONG")), "PING: {answer:?}");
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
