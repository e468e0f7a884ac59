//! The command-line client: what the program is under the names `redis-cli`, `valkey-cli` and `russet-cli`.
//!
//! It is small: what scripts, health checks and people at a terminal use. What it prints, and how it ends, is what
//! `tests/cli` has seen of redis-cli, to the byte; what it does not have is told in `docs/docker.md`. It knows the
//! protocol and nothing of the server, which may be any.

mod batch;
mod connection;
mod format;
mod options;
mod prompt;
mod reply;
mod session;
mod tls;
mod watch;

pub use connection::Connection;
pub use reply::Reply;

use crate::base::bytes::base_name;
use crate::commands::info::REDIS_VERSION;
use crate::persist::files::said;
use options::{Mode, Options, Parsed};
use session::Session;
use std::ffi::OsStr;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;

/// Runs the client if the program was called by one of its names, and says how it ended.
pub fn run(program: &[u8], args: &[Vec<u8>]) -> Option<i32> {
    let name = base_name(program);
    let name = [b"redis-cli".as_slice(), b"valkey-cli", b"russet-cli"]
        .into_iter()
        .find(|known| *known == name)?;
    let name = std::str::from_utf8(name).expect("it is one of ours");
    Some(match options::parse(args) {
        Parsed::Version => {
            println!("{name} {}", REDIS_VERSION);
            0
        }
        Parsed::Help => {
            print!("{}", options::help(name));
            0
        }
        Parsed::Refused(why) => {
            eprintln!("{why}");
            1
        }
        Parsed::Unquotable => {
            println!("Invalid quoted string");
            1
        }
        Parsed::Options(options) => act(*options).unwrap_or_else(|why| {
            eprintln!("{why}");
            1
        }),
    })
}

fn act(mut options: Options) -> Result<i32, String> {
    take_input(&mut options)?;
    if options.warns_of_password {
        eprintln!(
            "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe."
        );
    }
    let done = |()| 0;
    Ok(match options.mode.clone() {
        Mode::Pipe { patience } => batch::pipe(&options, patience)?,
        Mode::Scan { pattern, count } => {
            batch::scan(&options, &pattern, count.as_deref()).map(done)?
        }
        Mode::Latency => watch::latency(&options).map(done)?,
        Mode::Stat => watch::stat(&options).map(done)?,
        Mode::Eval(path) => {
            let script = std::fs::read(OsStr::from_bytes(&path)).map_err(|why| {
                let path = String::from_utf8_lossy(&path);
                format!("Can't open file '{path}': {}", said(&why))
            })?;
            let words = eval_words(script, &options.command);
            Session::greet(options)?.run_words(words)
        }
        Mode::Command if options.command.is_empty() => prompt::run(Session::new(options)),
        Mode::Command if prompt::is_help(&options.command) => {
            prompt::print_help();
            0
        }
        Mode::Command => {
            let words = options.command.clone();
            Session::new(options).run_words(words)
        }
    })
}

/// `-x` and `-X`: one of the words is what comes in.
fn take_input(options: &mut Options) -> Result<(), String> {
    if !options.last_from_input && options.tag.is_none() {
        return Ok(());
    }
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).map_err(|why| said(&why))?;
    match &options.tag {
        None => options.command.push(input),
        Some(tag) => match options.command.iter_mut().find(|word| *word == tag) {
            Some(word) => *word = input,
            None => return Err("Using -X option but stdin tag not match.".into()),
        },
    }
    Ok(())
}

/// `--eval FILE KEY… , ARGUMENT…`
fn eval_words(script: Vec<u8>, words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let keys = words.iter().position(|word| word == b",").unwrap_or(words.len());
    let mut all = vec![b"EVAL".to_vec(), script, keys.to_string().into_bytes()];
    all.extend(
        words.iter().enumerate().filter(|(at, _)| *at != keys).map(|(_, word)| word.clone()),
    );
    all
}

fn is_terminal() -> bool {
    std::io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some()
}
