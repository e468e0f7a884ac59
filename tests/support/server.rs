//! Servers for tests: ours and, where they are installed, the peers we are compared with. Each runs
//! in a temporary folder on a port of its own and ends with the value that stands for it.

use std::cell::RefCell;
use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::{Address, Client};
use super::value::Value;

/// How long a server may take until it answers its first PING.
const START_UP: Duration = Duration::from_secs(10);

/// A free port can be taken by somebody else before the server binds it.
const ATTEMPTS: usize = 3;

thread_local! {
    static MORE_ARGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs a test in which our servers are started with more arguments than the test gives them.
pub fn with_args(args: &[&str], test: impl FnOnce()) {
    MORE_ARGS.set(args.iter().map(ToString::to_string).collect());
    test();
    MORE_ARGS.take();
}

/// The arguments that every server of ours gets at the moment. RUSSET_TEST_ARGS adds some for a whole run.
pub fn more_args() -> Vec<String> {
    let always = env::var("RUSSET_TEST_ARGS").unwrap_or_default();
    let always = always.split_whitespace().map(String::from);
    always.chain(MORE_ARGS.with_borrow(Vec::clone)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Russet,
    Redis,
    Valkey,
    /// The version before Redis changed its licence and its formats parted, for exchanges alone.
    Redis70,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Program::Russet => "russet",
            Program::Redis => "redis",
            Program::Valkey => "valkey",
            Program::Redis70 => "redis70",
        }
    }

    /// Where the program is; none for a peer that is not installed.
    pub fn path(self) -> Option<PathBuf> {
        let name = match self {
            Program::Russet => return Some(env!("CARGO_BIN_EXE_russet-server").into()),
            Program::Redis => "redis-server",
            Program::Valkey => "valkey-server",
            Program::Redis70 => "redis70-server",
        };
        let folders = [
            env::var_os("RUSSET_PEERS").map(PathBuf::from),
            env::var_os("HOME").map(|home| Path::new(&home).join(".cache/russet-peers")),
        ];
        folders
            .into_iter()
            .flatten()
            .map(|folder| folder.join("bin").join(name))
            .find(|it| it.exists())
    }
}

pub struct Server {
    pub program: Program,
    pub port: u16,
    process: Child,
    dir: TempDir,
}

impl Server {
    /// Starts a server without persistence; `extra` directives follow ours and so win.
    pub fn start(program: Program, extra: &[&str]) -> Result<Server, String> {
        let path = program.path().ok_or(format!("{} is not installed", program.name()))?;
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            let mut server = Server::spawn(program, &path, extra)?;
            match server.wait_for_pong() {
                Ok(()) => return Ok(server),
                Err(why) => failure = format!("{}: {why}\n{}", path.display(), server.log_tail()),
            }
            if !server.log().contains("in use") {
                break;
            }
        }
        Err(failure)
    }

    pub fn address(&self) -> Address {
        Address::Tcp(format!("127.0.0.1:{}", self.port))
    }

    #[track_caller]
    pub fn connect(&self) -> Client {
        let client = Client::connect(&self.address());
        client.unwrap_or_else(|why| panic!("{}: {why}", self.program.name()))
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Everything the server has printed so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the log: enough to see why a server died.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn spawn(program: Program, path: &Path, extra: &[&str]) -> Result<Server, String> {
        let tell = |why: std::io::Error| format!("{}: {why}", path.display());
        let dir = tempfile::tempdir().map_err(tell)?;
        let log = File::create(dir.path().join("log")).map_err(tell)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(tell)?;
        let port = listener.local_addr().map_err(tell)?.port();
        drop(listener);
        let process = Command::new(path)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "no", "--enable-debug-command", "yes", "--dir"])
            .arg(dir.path())
            .args(extra)
            .args(if program == Program::Russet { more_args() } else { Vec::new() })
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(tell)?)
            .stderr(log)
            .spawn()
            .map_err(tell)?;
        Ok(Server { program, port, process, dir })
    }

    fn wait_for_pong(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("ended before it answered PING ({status})"));
            }
            let answer = Client::connect(&self.address()).and_then(|mut it| it.try_call(&["PING"]));
            if matches!(&answer, Ok(reply) if *reply == Value::simple("PONG")) {
                return Ok(());
            }
            if begun.elapsed() > START_UP {
                return Err(format!("no PONG within {} s: {answer:?}", START_UP.as_secs()));
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
