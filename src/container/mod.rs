//! The entrypoint of a container image, which has no shell to write one in.
//!
//! The rules are those of the official images of Redis and Valkey: arguments that begin with an option or a
//! `.conf` file are the server's, `redis-server …` is the server, and any other command is run as it is. A
//! server that is started here is configured by the environment too (`environment.rs`), runs as the owner of
//! its data (`owner.rs`), begins with the seeds that it is given (`seeds/`), and says how it is to
//! `russet-server healthcheck`. A server that is started otherwise knows nothing of all this.

mod environment;
mod owner;
mod seeds;

use crate::base::bytes::base_name;
use crate::config::{self, Config, Invocation, Peers};
use crate::server::{health, privileges, run};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const SERVERS: [&[u8]; 3] = [b"redis-server", b"valkey-server", b"russet-server"];

/// Does what the program was called for, if that is something of a container's, and says how it ended.
pub fn run(program: &[u8], args: &[Vec<u8>]) -> Option<i32> {
    if args == [b"healthcheck"] {
        return Some(health::check());
    }
    let args = match args {
        _ if base_name(program) == b"docker-entrypoint.sh" => args,
        [first, rest @ ..] if first == b"entrypoint" => rest,
        _ => return None,
    };
    Some(match enter(args) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    })
}

fn enter(args: &[Vec<u8>]) -> Result<i32, String> {
    privileges::restrict_umask();
    match args.split_first() {
        None => serve(args),
        Some((first, _)) if first.starts_with(b"-") || first.ends_with(b".conf") => serve(args),
        Some((first, rest)) if SERVERS.contains(&base_name(first)) => serve(rest),
        Some((first, _)) if base_name(first).ends_with(b"-sentinel") => {
            Err("There is no sentinel mode here.".into())
        }
        Some((first, rest)) => {
            let rest = rest.iter().map(|arg| OsString::from_vec(arg.clone()));
            let why = Command::new(std::ffi::OsStr::from_bytes(first)).args(rest).exec();
            Err(format!(
                "{}: {}",
                String::from_utf8_lossy(first),
                crate::persist::files::said(&why)
            ))
        }
    }
}

fn serve(args: &[Vec<u8>]) -> Result<i32, String> {
    let environment = environment::read(std::env::vars_os(), &mut |path| std::fs::read(path))?;
    let mut run = match config::invocation(args) {
        Invocation::Run(run) => run,
        other => return run::obey(other).map_err(|why| format!("{why:#}")),
    };
    run.environment = environment.parts;
    let mut base = Config::default();
    base.health_socket = true;
    // Other containers and their host are not this machine, but most often meant to be served.
    base.protected_mode_serves = Peers::Private;
    let configured = run::configure(&run, base).map_err(|why| format!("{why:#}"))??;
    if environment.demands_password && configured.needs_no_password() {
        return Err("ALLOW_EMPTY_PASSWORD is no, and the default user needs no password: set REDIS_PASSWORD, \
                    REDIS_PASSWORD_FILE or requirepass, or give it one where users are."
            .into());
    }
    // As in the official image, whose script asks whether there is text in the variable.
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let owner = owner::settle(Path::new("."), &is_set)?;
    let mut prepare = |config: &Config| {
        owner.iter().for_each(|note| tracing::info!("{note}"));
        environment.notes.iter().for_each(|note| tracing::warn!("{note}"));
        seeds::sow(config, Path::new(seeds::FOLDER))
    };
    run::start(configured, &mut prepare).map_err(|why| format!("{why:#}"))
}
