//! Seeds: files from which a server that has no data yet gets its first.
//!
//! They are sown before there is a socket, into an engine of its own, whose snapshot the server then loads like
//! any other. So nobody sees a half of them, and a start that fails leaves nothing behind; it is begun anew the
//! next time. Files are taken in the order of their names, and what their ending says of them:
//!
//! | ending | what it is |
//! |---|---|
//! | `.redis` | commands, one a line, in quotes where redis-cli would need them; `#` begins a remark |
//! | `.resp` | commands as clients send them, or as an append-only file has them |
//! | `.json` | an array of commands, each an array of its words |
//! | `.lua` | a script, which EVAL runs without keys and arguments |
//! | `.rdb` | a snapshot of Redis or Valkey |

mod fitness;
mod json;

use crate::base::bytes::split_line;
use crate::base::memory_size::share_of;
use crate::cli::Reply;
use crate::config::{Amount, Config, MaxmemoryPolicy, OutputLimits};
use crate::engine::{Engine, Peer, SessionKey};
use crate::persist::files::said;
use crate::persist::load::{self, Commands, Found, Source};
use crate::resp::{ArgsBuf, request};
use crate::server::disk::Files;
use crate::server::host::Clock;
use crate::server::run::idle_engine;
use std::fs::File;
use std::path::{Path, PathBuf};

pub const FOLDER: &str = "/docker-entrypoint-initdb.d";

/// Sows what is in the folder, if there is a folder, and no data yet. The error is why the server must not start.
pub fn sow(config: &Config, folder: &Path) -> Result<(), String> {
    let seeds = list(folder)?;
    if seeds.is_empty() {
        return Ok(());
    }
    let mut garden = Garden::new(config);
    let names = garden.engine.names();
    let planned = load::plan(&Files, &names, config.appendonly);
    let planned = planned.map_err(|refused| refused.lines.join("; "))?;
    if planned.source != Source::Nothing {
        tracing::info!(
            "There is data already, so the seeds in {} are left alone",
            folder.display()
        );
        return Ok(());
    }
    for (seed, kind) in &seeds {
        let shown = seed.display();
        tracing::info!("Sowing {shown}");
        garden.sow(seed, *kind).map_err(|why| format!("The seed {shown} cannot be sown: {why}"))?;
    }
    garden.harvest().map_err(|why| format!("The seeds cannot be saved: {why}"))?;
    garden.weigh(config);
    tracing::info!("{} seeds were sown: {} keys", seeds.len(), garden.keys());
    Ok(())
}

/// The seeds in the order of their names.
fn list(folder: &Path) -> Result<Vec<(PathBuf, Kind)>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(format!("{}: {}", folder.display(), said(&why))),
    };
    let mut seeds = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| format!("{}: {}", folder.display(), said(&why)))?.path();
        match kind(&path) {
            Some(kind) => seeds.push((path, kind)),
            None => tracing::warn!(
                "{} is no seed: it ends in none of .redis, .resp, .json, .lua, .rdb",
                path.display()
            ),
        }
    }
    seeds.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(seeds)
}

#[derive(Clone, Copy)]
enum Kind {
    Lines,
    Protocol,
    Json,
    Script,
    Snapshot,
}

fn kind(path: &Path) -> Option<Kind> {
    Some(match path.extension()?.to_str()? {
        "redis" => Kind::Lines,
        "resp" => Kind::Protocol,
        "json" => Kind::Json,
        "lua" => Kind::Script,
        "rdb" => Kind::Snapshot,
        _ => return None,
    })
}

/// An engine in which seeds grow, and the one client that it has.
struct Garden {
    engine: Engine,
    clock: Clock,
    who: SessionKey,
}

impl Garden {
    fn new(config: &Config) -> Garden {
        let mut config = config.clone();
        // It is saved when all of it is there, and by nobody else; and its one client needs no password.
        config.appendonly = false;
        config.save = Vec::new();
        config.requirepass = Vec::new();
        // The text of the seeds is in memory too while they are sown, and shall drive no data out. What there is to
        // keep within the limit is the server's to find, which loads the data alone; `weigh` says it beforehand.
        config.maxmemory = Amount::Bytes(0);
        config.maxmemory_rule = Vec::new();
        config.maxmemory_clients = Amount::Bytes(0);
        config.client_output_buffer_limit = OutputLimits::default();
        // Nobody waits for a script to be over but the start.
        config.busy_reply_threshold = 0;
        let (mut engine, clock) = idle_engine(config);
        let who = engine.connect(peer(), clock.now());
        Garden { engine, clock, who }
    }

    fn sow(&mut self, seed: &Path, kind: Kind) -> Result<(), String> {
        // Each file is a connection of its own, so that what one leaves behind is no other's.
        self.engine.disconnect(self.who);
        self.who = self.engine.connect(peer(), self.clock.now());
        match kind {
            Kind::Lines => self.sow_lines(&text_of(seed)?)?,
            Kind::Protocol => self.sow_protocol(seed)?,
            Kind::Json => self.sow_json(&text_of(seed)?)?,
            Kind::Script => {
                self.ask(&[b"EVAL".as_slice(), &text_of(seed)?, b"0"])?;
            }
            Kind::Snapshot => self.sow_snapshot(seed)?,
        }
        match self.ask(&["DISCARD"]) {
            Ok(_) => Err("it ends inside of a transaction: a MULTI has no EXEC".into()),
            // There is none to be given up.
            Err(_) => Ok(()),
        }
    }

    fn sow_lines(&mut self, text: &[u8]) -> Result<(), String> {
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().starts_with(b"#") {
                continue;
            }
            let place = |why: String| format!("line {}: {why}", at + 1);
            let words = split_line(line);
            let words = words.ok_or_else(|| place("a quote is not closed".into()))?;
            if !words.is_empty() {
                self.carry_out(&words).map_err(place)?;
            }
        }
        Ok(())
    }

    fn sow_protocol(&mut self, seed: &Path) -> Result<(), String> {
        let file = File::open(seed).map_err(|why| said(&why))?;
        let size = file.metadata().map_err(|why| said(&why))?.len();
        let mut commands = Commands::new(file, Vec::new(), 0, size);
        let mut words = ArgsBuf::default();
        loop {
            let from = commands.offset();
            words.clear();
            let place = |why: String| format!("at byte {from}: {why}");
            match commands.next(&mut words).map_err(|fault| place(fault.what))? {
                Found::Command => {
                    let words: Vec<&[u8]> = words.args().iter().collect();
                    self.carry_out(&words).map_err(place)?;
                }
                Found::Remark(_) => (),
                Found::End => return Ok(()),
            }
        }
    }

    fn sow_json(&mut self, text: &[u8]) -> Result<(), String> {
        for (at, words) in json::commands(text)?.iter().enumerate() {
            self.carry_out(words).map_err(|why| format!("command {}: {why}", at + 1))?;
        }
        Ok(())
    }

    /// The engine loads what its configuration names.
    fn sow_snapshot(&mut self, seed: &Path) -> Result<(), String> {
        let path = std::path::absolute(seed).map_err(|why| said(&why))?;
        let path = path.to_str().ok_or("the name of the file is not UTF-8")?;
        let own = std::mem::replace(&mut self.engine.config.dbfilename, path.to_string());
        self.engine.set_now(self.clock.now());
        let loaded = self.engine.load_now(&Source::Snapshot, false);
        self.engine.config.dbfilename = own;
        loaded
    }

    /// Runs a command of a seed. Scripts need not be looked into: they may not call what changes a server.
    fn carry_out<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        // A command that is not there is the engine's to refuse.
        if let Ok(command) = self.engine.find(ArgsBuf::of(&words).args()) {
            fitness::judge(&command.spec)?;
        }
        match self.ask(&words)? {
            Reply::Nil if words[0].eq_ignore_ascii_case(b"EXEC") => {
                Err("nothing was done, since a key that is watched had changed".into())
            }
            _ => Ok(()),
        }
    }

    /// Runs a command; an error of the command is one here.
    fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Reply, String> {
        let (mut frame, mut answer) = (Vec::new(), Vec::new());
        request(words, &mut frame);
        self.engine.receive(self.who, &frame, &mut answer, self.clock.now());
        let reply = Reply::read(&mut answer.as_slice());
        let reply = reply.map_err(|_| self.why_it_is_silent().to_string())?;
        match error_in(&reply) {
            Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
            None => Ok(reply),
        }
    }

    fn why_it_is_silent(&self) -> &'static str {
        let waits = self.engine.sessions.get(self.who).is_some_and(|session| session.is_waiting());
        match waits {
            true => "a command that waits has no place in a seed",
            false => "a server would end the connection of a client that sends this",
        }
    }

    /// Says it if the server will have less room than it needs for what was sown.
    fn weigh(&self, config: &Config) {
        let limit = match config.maxmemory {
            Amount::Bytes(bytes) => bytes,
            Amount::Percent(percent) => share_of(self.engine.host.memory_at_hand(), percent),
        };
        let counted = self.engine.counted();
        if limit > 0 && counted > limit {
            let what = match config.maxmemory_policy {
                MaxmemoryPolicy::Noeviction => "writes will be refused",
                _ => "keys will be evicted",
            };
            tracing::warn!(
                "With what was sown {counted} bytes are in use, and maxmemory is {limit}: {what}"
            );
        }
    }

    fn harvest(&mut self) -> Result<(), String> {
        self.engine.lock_snapshot()?;
        self.ask(&["SAVE"]).map(drop)
    }

    fn keys(&self) -> usize {
        let keyspace = &self.engine.keyspace;
        (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum()
    }
}

fn peer() -> Peer {
    Peer { unix: true, loopback: true, ..Peer::default() }
}

/// A file of text, without the mark that editors of Windows begin one with.
fn text_of(seed: &Path) -> Result<Vec<u8>, String> {
    let text = std::fs::read(seed).map_err(|why| said(&why))?;
    Ok(text.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(text))
}

/// An error, be it in the answer of an EXEC.
fn error_in(reply: &Reply) -> Option<&[u8]> {
    match reply {
        Reply::Error(text) => Some(text),
        Reply::Array(items) => items.iter().find_map(error_in),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    fn garden(lines: &[(&[u8], &[u8])]) -> Garden {
        let mut config = Config::default();
        config.set(lines, Source { local: true, loading: false }).expect("a configuration");
        Garden::new(&config)
    }

    #[test]
    fn what_a_server_bounds_is_not_bounded_while_seeds_are_sown() {
        let mut garden = garden(&[
            (b"maxmemory", b"1"),
            (b"maxmemory-rule", b"key* noeviction 1"),
            (b"client-output-buffer-limit", b"normal 100 0 0"),
        ]);
        assert_eq!(garden.engine.room.limit, 0);
        for at in 0..100 {
            garden.sow_lines(format!("SET key{at} x").as_bytes()).expect("there is room");
        }
        garden.sow_lines(b"KEYS *").expect("its answer may be long");
        assert_eq!(garden.keys(), 100);
    }

    #[test]
    fn who_waits_and_who_is_sent_away_are_told_apart() {
        for (line, expected) in [
            ("BLPOP nokey 0", "line 1: a command that waits has no place in a seed"),
            ("POST x", "line 1: a server would end the connection of a client that sends this"),
        ] {
            assert_eq!(garden(&[]).sow_lines(line.as_bytes()), Err(expected.into()));
        }
    }
}
