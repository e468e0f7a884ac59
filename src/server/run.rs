//! From the command line to a running server, and to its end.
#![expect(clippy::disallowed_methods, reason = "the seed of all dice is thrown here")]

use super::alarm::Alarm;
use super::crew::{self, Crew};
use super::door::Door;
use super::host::{Clock, Machine};
use super::listen::{Listener, UnixSocket};
use super::scribe::Scribe;
use super::sockets::Sockets;
use super::{
    affinity, allocator, beat, crash, daemon, disk, health, includes, listen, loading, log,
    migrate, poll, signals, snapshots, title, tls,
};
use crate::commands;
use crate::config::{self, Config, DIRECTIVES, Invocation};
use crate::engine::Engine;
use crate::engine::acl::{BOTH, UsersError};
use crate::persist::files::said;
use crate::world::Disk;
use crate::world::host::Facts;
use anyhow::Context as _;
use std::io::Read;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use tokio::task::LocalSet;

/// The version of Redis whose commands and replies this server has.
pub use crate::commands::info::REDIS_VERSION;

/// A configuration that was read, and the folder gone to that it names.
pub struct Configured {
    pub config: Config,
    loaded: config::Loaded,
    file: Option<String>,
    /// Nobody configured anything.
    is_bare: bool,
}

impl Configured {
    /// Is the default user let in without a password? Where the configuration is wrong nobody knows, and the start
    /// will say why it fails.
    pub fn needs_no_password(&self) -> bool {
        let (mut engine, _) = idle_engine(self.config.clone());
        rename(&mut engine, &self.loaded).is_ok()
            && engine.load_users(&self.loaded.users).is_ok()
            && engine.acl.default_user().is_some_and(|user| user.enabled && user.no_password)
    }
}

/// An engine that nobody can connect to, and what it takes the time from.
pub fn idle_engine(config: Config) -> (Engine, Clock) {
    let clock = Clock::start();
    let facts = Facts { pid: std::process::id(), ..Facts::default() };
    let scribe = Scribe::new(clock, 1);
    let machine = Machine::new(clock, facts, Box::new(|_| Ok(())), tls::Tls::default(), scribe);
    (Engine::new(config, commands::TABLE, Box::new(machine), 0), clock)
}

/// What a container has to do between reading the configuration and serving: it is run once there is a log,
/// and says why the server must not start.
pub type Preparation<'a> = &'a mut dyn FnMut(&Config) -> Result<(), String>;

/// Reads the configuration of a run and serves until somebody stops the server.
pub fn run(run: config::Run) -> anyhow::Result<i32> {
    match configure(&run, Config::default())? {
        Ok(configured) => start(configured, &mut |_| Ok(())),
        Err(why) => {
            eprintln!("{why}");
            Ok(1)
        }
    }
}

/// Serves until somebody stops the server.
pub fn start(configured: Configured, prepare: Preparation) -> anyhow::Result<i32> {
    let Configured { config, loaded, file, is_bare } = configured;
    if config.daemonize {
        daemon::detach().context("cannot daemonize")?;
    }
    if let Err(error) = log::start(&config) {
        let why = format!("Can't open the log file: {error}");
        eprintln!("{}", loaded.blame(&["logfile"], why));
        return Ok(1);
    }
    crash::report(&config);
    tracing::info!("oO0OoO0OoO0Oo Russet is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Russet version={}, bits=64, commit=00000000, modified=0, pid={}, just started",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    match &file {
        Some(_) => tracing::info!("Configuration loaded"),
        None if is_bare => tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a \
             config file use russet-server /path/to/redis.conf"
        ),
        None => (),
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if let Err(why) = prepare(&config) {
        tracing::warn!("{why}");
        return Ok(1);
    }
    title::prepare();
    title::show(&config, file.as_deref().unwrap_or_default());
    let runtime = crew::runtime(config.io_threads as usize)?;
    let local = LocalSet::new();
    let code = local.block_on(&runtime, serve(config, loaded, file))?;
    Ok(code)
}

/// Reads all that configures a run, over `config`, and goes to the folder of the data; or says what the user is to
/// be told, whose mistake it is.
pub fn configure(
    run: &config::Run,
    mut config: Config,
) -> anyhow::Result<Result<Configured, String>> {
    let mut file_text = Vec::new();
    let mut path = None;
    if let Some(file) = &run.file {
        let name = String::from_utf8_lossy(file).into_owned();
        match std::fs::read(&name) {
            Ok(text) => file_text = text,
            Err(error) => {
                // Redis says it in its log's manner, but there is no log yet.
                let why = said(&error);
                return Ok(Err(format!("Fatal error, can't open config file '{name}': {why}")));
            }
        }
        // The server may change its folder; the file stays where it is.
        path = Some(std::path::absolute(&name)?.to_string_lossy().into_owned());
    }
    let mut stdin = Vec::new();
    if run.stdin {
        std::io::stdin().read_to_end(&mut stdin).context("cannot read standard input")?;
    }
    let parts = run.parts(&file_text, &stdin);
    let loaded = match config::load_parts(&mut config, &parts, &mut includes::Files) {
        Ok(loaded) => loaded,
        Err(fatal) => return Ok(Err(told(&fatal))),
    };
    if config.dir != "."
        && let Err(why) = std::env::set_current_dir(&config.dir)
    {
        let (place, reason) = (loaded.place_of("dir").cloned(), said(&why).into());
        return Ok(Err(told(&config::Fatal { place, reason })));
    }
    config.dir = std::env::current_dir()?.to_string_lossy().into_owned();
    let is_bare = run.lines.is_empty() && run.environment.is_empty() && !run.stdin;
    Ok(Ok(Configured { config, loaded, file: path, is_bare }))
}

fn told(fatal: &config::Fatal) -> String {
    fatal.to_string().trim_end().to_string()
}

async fn serve(
    mut config: Config,
    loaded: config::Loaded,
    file: Option<String>,
) -> anyhow::Result<i32> {
    if config.always_show_logo {
        log::raw(&logo(&config));
    }
    fit_clients(&mut config);
    daemon::suit_kernel(&config);
    affinity::plan(&config);
    let tls = tls::Tls::default();
    if let Err(why) = tls.configure(&config) {
        let directives: Vec<&str> =
            DIRECTIVES.iter().map(|it| it.name).filter(|name| name.starts_with("tls-")).collect();
        warn(&loaded, &directives, why);
        tracing::warn!("Failed to configure TLS. Check logs for more info.");
        return Ok(1);
    }
    let (sockets, opened) = match Sockets::open(&config) {
        Ok(opened) => opened,
        Err(failed) => {
            let kind = listen::kind(failed.tls);
            let port = if failed.tls { "tls-port" } else { "port" };
            let why = format!("Failed listening on port {} ({kind}), aborting.", failed.port);
            warn(&loaded, &[port, "bind"], why);
            return Ok(1);
        }
    };
    let unix = match UnixSocket::open(&config) {
        Ok(listener) => listener,
        Err(error) => {
            let why = format!("Failed opening Unix socket: bind: {error}");
            warn(&loaded, &["unixsocket", "unixsocketgroup"], why);
            return Ok(1);
        }
    };
    if opened.is_empty() && unix.is_none() {
        let why = "Configured to not listen anywhere, exiting.";
        warn(&loaded, &["port", "tls-port", "bind", "unixsocket"], why.into());
        return Ok(1);
    }
    let clock = Clock::start();
    let (send, mut other_sockets) = tokio::sync::mpsc::unbounded_channel();
    let listening = Arc::new(Mutex::new(sockets));
    let sockets = listening.clone();
    let relisten = Box::new(move |config: &Config| {
        let mut sockets = sockets.lock().expect("nothing in here panics");
        let (listeners, result) = sockets.change(config);
        // The receiver lives as long as the server.
        let _ = send.send(listeners);
        result
    });
    let scribe = Scribe::new(clock, config.io_threads as usize);
    let machine = Machine::new(clock, facts(&config, file), relisten, tls.clone(), scribe.clone());
    let seed = rand::random();
    let (pidfile, unixsocket) = (pidfile(&config), config.unixsocket.clone());
    let (supervised, purges_elsewhere) = (config.supervised, config.jemalloc_bg_thread);
    let tells_health = config.health_socket;
    let threads = config.io_threads as usize;
    poll::set_limit(config.busy_poll_us as u64);
    let mut engine = Engine::new(config, commands::TABLE, Box::new(machine), seed);
    if let Err(fatal) = rename(&mut engine, &loaded) {
        eprint!("{fatal}");
        return Ok(1);
    }
    if let Err(why) = engine.load_users(&loaded.users) {
        match why {
            UsersError::Both => warn(&loaded, &["aclfile", "user"], BOTH.into()),
            UsersError::File(why) => {
                let why = format!("Aborting Redis startup because of ACL errors: {why}");
                warn(&loaded, &["aclfile"], why);
            }
            UsersError::Line(statement, why) => {
                let (place, reason) = (Some(statement.place), why.into());
                eprint!("{}", config::Fatal { place, reason });
            }
        }
        return Ok(1);
    }
    let disk: Arc<dyn Disk> = Arc::new(disk::Files);
    if let Err(why) = loading::lock(&mut engine) {
        tracing::warn!("{why}");
        return Ok(1);
    }
    engine.begin_loading(0, clock.now());
    let door = Door::new(engine, clock, threads, scribe);
    let crew = Crew::start(door.clone(), threads).context("cannot start threads")?;
    let crew = Rc::new(crew);
    let alarm = Alarm::new().context("cannot make a timer")?;
    if tells_health {
        health::listen(door.clone()).context("cannot listen for who asks about health")?;
    }
    // From here on nothing fails: another server may have had these names, and a start that fails takes nothing from
    // it.
    let unix = match unix.map(UnixSocket::show).transpose() {
        Ok(listener) => listener,
        Err(error) => {
            let why = format!("Failed opening Unix socket: bind: {error}");
            warn(&loaded, &["unixsocket"], why);
            return Ok(1);
        }
    };
    if let Some(path) = &pidfile
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::warn!("Failed to write PID file: {error}");
    }

    tracing::info!("Server initialized");
    let mut ready = Vec::new();
    if opened.iter().any(|listener| !listener.tls) {
        ready.push("tcp");
    }
    let speaks_tls = opened.iter().any(|listener| listener.tls);
    accept_all(opened, &tls, &crew);
    if let Some(listener) = unix {
        tokio::task::spawn_local(listen::accept_unix(listener, unixsocket.clone(), crew.clone()));
        ready.push("unix");
    }
    if speaks_tls {
        ready.push("tls");
    }
    tokio::task::spawn_local(tls::watch(tls.clone(), door.clone()));
    daemon::tell_supervisor(supervised);
    tokio::task::spawn_local(loading::load(door.clone(), disk.clone(), ready, supervised));
    allocator::give_back_elsewhere(purges_elsewhere);

    tokio::task::spawn_local(door.clone().sweep(alarm));
    tokio::task::spawn_local(door.clone().time_out());
    tokio::task::spawn_local(door.clone().attend_scripts());
    tokio::task::spawn_local(door.clone().make_room());
    tokio::task::spawn_local(migrate::attend(door.clone(), tls.clone()));
    tokio::task::spawn_local(door.scribe().clone().keep_time());
    tokio::task::spawn_local(door.scribe().clone().report(door.clone()));
    tokio::task::spawn_local(snapshots::take_all(door.clone(), disk.clone()));
    tokio::task::spawn_local(beat::keep(door.clone()));
    let (temporary, is_ending) = door
        .enter(|engine, _| {
            let names = engine.names();
            let temporary = [
                names.temporary_save_path(),
                names.temporary_snapshot_path(),
                names.temporary_base_path(),
            ];
            (temporary, engine.persistence.is_ending.clone())
        })
        .await;
    tokio::task::spawn_local(signals::watch(door.clone(), temporary[0].clone(), is_ending));
    tokio::task::spawn_local(async move {
        while let Some(fresh) = other_sockets.recv().await {
            accept_all(fresh, &tls, &crew);
        }
    });

    let exit = door.stopped().await;
    // Who sees its connection end may be sure that nobody listens any more.
    listening.lock().expect("nothing in here panics").close();
    // If it could not serve, the last line of the log is to be why.
    let say = |text: &str| {
        if exit.code == 0 {
            tracing::info!("{text}")
        }
    };
    if let Some(path) = &pidfile {
        say("Removing the pid file.");
        let _ = std::fs::remove_file(path);
    }
    if !unixsocket.is_empty() {
        say("Removing the unix socket file.");
        let _ = std::fs::remove_file(&unixsocket);
    }
    door.scribe().close();
    // A snapshot that was under way has no use any more, and its thread may not come to see that.
    for path in &temporary {
        let _ = std::fs::remove_file(path);
    }
    if exit.code == 0 {
        tracing::warn!("Russet is now ready to exit, bye bye...");
    }
    Ok(exit.code)
}

/// The last words of a start that fails, with what gave the directives if that was a variable.
fn warn(loaded: &config::Loaded, directives: &[&str], why: String) {
    tracing::warn!("{}", loaded.blame(directives, why));
}

/// Accepts only as many clients as the system has descriptors for.
fn fit_clients(config: &mut Config) {
    let own = listen::own_files(config.io_threads as usize);
    let room = listen::raise_file_limit(config.maxclients, own);
    if room < config.maxclients as u64 {
        tracing::warn!(
            "You requested maxclients of {} requiring more open files than the system allows. \
             Current maximum open files is {}. maxclients has been reduced to {room} to \
             compensate for low ulimit.",
            config.maxclients,
            room + own
        );
        config.maxclients = room.max(1) as u32;
    }
}

fn accept_all(listeners: Vec<Listener>, tls: &tls::Tls, crew: &Rc<Crew>) {
    for Listener { socket, over, tls: is_tls } in listeners {
        let tls = is_tls.then(|| tls.clone());
        tokio::task::spawn_local(listen::accept_tcp(socket, tls, crew.clone(), over));
    }
}

fn rename(engine: &mut Engine, loaded: &config::Loaded) -> Result<(), config::Fatal> {
    for statement in &loaded.renames {
        let word = |at: usize| {
            statement.words.get(at).map(|word| String::from_utf8_lossy(word).into_owned())
        };
        if let (Some(old), Some(new)) = (word(1), word(2)) {
            let place = || Some(statement.place.clone());
            engine
                .rename_command(&old, &new)
                .map_err(|why| config::Fatal { place: place(), reason: why.into() })?;
        }
    }
    Ok(())
}

/// A daemon has one even if the configuration names none.
fn pidfile(config: &Config) -> Option<String> {
    match (config.pidfile.is_empty(), config.daemonize) {
        (false, _) => Some(config.pidfile.clone()),
        (true, true) => Some("/var/run/redis.pid".into()),
        (true, false) => None,
    }
}

fn facts(config: &Config, file: Option<String>) -> Facts {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_string();
    Facts {
        pid: std::process::id(),
        os: format!("Linux {} {}", read("/proc/sys/kernel/osrelease"), std::env::consts::ARCH),
        executable: std::env::current_exe()
            .map_or_else(|_| String::new(), |path| path.to_string_lossy().into_owned()),
        config_file: file.unwrap_or_default(),
        run_id: (0..40)
            .map(|_| char::from(b"0123456789abcdef"[rand::random_range(0..16)]))
            .collect(),
        supervised: config.supervised.name().to_string(),
    }
}

fn logo(config: &Config) -> String {
    format!(
        "\n        .-^-.        Russet {}\n       /  |  \\\n      |   |   |      Running in standalone mode\n       \
         \\  |  /       Port: {}\n        `-.-'        PID: {}\n\n",
        env!("CARGO_PKG_VERSION"),
        config.port,
        std::process::id()
    )
}

/// What `--help` prints.
pub fn help() -> String {
    "Usage: russet-server [/path/to/redis.conf] [--directive value ...] [-]\n\
     \u{20}      russet-server - (read the configuration from standard input)\n\
     \u{20}      russet-server -v or --version\n\
     \u{20}      russet-server -h or --help\n\
     \u{20}      russet-server healthcheck (of a running one with health-socket yes)\n\
     \n\
     Examples:\n\
     \u{20}      russet-server (port 6379, with the default configuration)\n\
     \u{20}      echo 'maxmemory 128mb' | russet-server -\n\
     \u{20}      russet-server /etc/redis/6379.conf\n\
     \u{20}      russet-server --port 7777 --requirepass secret\n\
     \u{20}      russet-server /etc/myredis.conf --loglevel verbose -\n"
        .to_string()
}

/// What `--version` prints, in the form that scripts take apart.
pub fn version() -> String {
    format!(
        "Russet server v={} sha=00000000:0 malloc=jemalloc bits=64 build=0 redis_version={REDIS_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Does what the arguments say; the result is the exit status.
pub fn main(args: &[Vec<u8>]) -> anyhow::Result<i32> {
    obey(config::invocation(args))
}

/// Does what the arguments came to.
pub fn obey(invocation: Invocation) -> anyhow::Result<i32> {
    match invocation {
        Invocation::Version => print!("{}", version()),
        Invocation::Help => print!("{}", help()),
        Invocation::CheckSystem => print!("{}", daemon::check_system()),
        Invocation::Refused(reason) => {
            eprintln!("{reason}");
            return Ok(1);
        }
        Invocation::Run(it) => return run(it),
    }
    Ok(0)
}
