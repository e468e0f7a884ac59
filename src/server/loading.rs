//! Loading at the start: a thread reads files and builds values, the engine takes them in a slice at a
//! time, and clients are told meanwhile that they must wait.

use super::daemon;
use super::door::Door;
use super::log::note;
use crate::config::Supervised;
use crate::engine::loading::Load;
use crate::engine::persistence::{AofState, delay_us};
use crate::engine::{Engine, Exit};
use crate::persist::files::{self, said};
use crate::persist::load::{self, Loader, Refused, Source};
use crate::persist::log::Log;
use crate::persist::manifest::Manifest;
use crate::rdb::write::Writer;
use crate::world::Disk;
use crate::world::host::Level;
use crate::world::time::Now;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};

/// Loads that may wait for the engine.
const WAITING_MAX: usize = 32;

/// Locks what this server will write.
pub fn lock(engine: &mut Engine) -> Result<(), String> {
    if engine.config.appendonly {
        engine.lock_log()?;
    }
    match engine.config.save.is_empty() {
        true => Ok(()),
        false => engine.lock_snapshot(),
    }
}

/// Loads what there is, and opens the log if there is to be one. If that cannot be done the server ends.
/// `ready` names the sockets that clients come by.
pub async fn load(door: Door, disk: Arc<dyn Disk>, ready: Vec<&str>, supervised: Supervised) {
    match try_load(&door, disk).await {
        Ok(()) => {
            ready.iter().for_each(|by| tracing::info!("Ready to accept connections {by}"));
            daemon::tell_ready(supervised);
        }
        Err(lines) => {
            lines.iter().for_each(|line| note(Level::Warning, line));
            door.enter(|engine, _| engine.exit = Some(Exit { code: 1 })).await;
        }
    }
}

/// What is to be loaded.
fn plan(engine: &Engine, disk: &dyn Disk) -> Result<load::Plan, Refused> {
    let names = engine.names();
    let is_alive = |pid: u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    for (level, text) in files::sweep(disk, &names, &is_alive) {
        note(level, &text);
    }
    let plan = load::plan(disk, &names, engine.config.appendonly)?;
    plan.notes.iter().for_each(|(level, text)| note(*level, text));
    Ok(plan)
}

async fn try_load(door: &Door, disk: Arc<dyn Disk>) -> Result<(), Vec<String>> {
    let looked = disk.clone();
    let planned =
        door.enter(move |engine, _| (engine.config.appendonly, plan(engine, &*looked))).await;
    let (appendonly, planned) = planned;
    let load::Plan { source, passes_over_log, .. } = planned.map_err(|refused| refused.lines)?;
    if source != Source::Nothing {
        load_from(door, &disk, &source).await?;
    }
    // If it was switched on meanwhile, what there was of a log was not looked at, and a new one is begun.
    let opens = appendonly && door.enter(|engine, _| engine.config.appendonly).await;
    if opens {
        let open = move |engine: &mut Engine, _: Now| open_log(engine, disk, source);
        let log = door.enter(open).await.map_err(|why| vec![why])?;
        let sealed = door.enter(|engine, _| engine.effects.offset()).await;
        door.scribe().open(log, sealed);
    }
    door.enter(move |engine, now| {
        if opens {
            engine.persistence.aof.state = AofState::On;
            engine.tell_log();
        }
        engine.persistence.aof.passed_over = passes_over_log;
        engine.end_loading(now);
        if !engine.config.appendonly {
            engine.stop_log();
        } else if !engine.start_log() {
            // Why, is in the log.
            return Err(vec!["The AOF cannot be begun.".into()]);
        }
        Ok(())
    })
    .await
}

async fn load_from(door: &Door, disk: &Arc<dyn Disk>, source: &Source) -> Result<(), Vec<String>> {
    let (disk, wanted) = (disk.clone(), source.clone());
    let began_us = door.now().mono_us;
    let prepared = door.enter(move |engine, now| {
        let (names, shapes) = (engine.names(), engine.limits.shapes());
        let loader = Loader::new(disk, names, &wanted, &shapes, engine.load_options())?;
        engine.begin_loading(loader.total(), now);
        let unpacker = engine.unpacker(loader.total());
        Ok((loader, unpacker, engine.begin_replay(), engine.config.key_load_delay))
    });
    let (mut loader, mut unpacker, mut replay, delay) =
        prepared.await.map_err(|refused: Refused| refused.lines)?;
    let (send, mut loads) = channel(WAITING_MAX);
    let read = move || {
        let mut pieces = Vec::new();
        let result = loop {
            let more = match loader.next() {
                Ok(Some(loaded)) => {
                    unpacker.unpack(loaded, &mut pieces);
                    true
                }
                Ok(None) => {
                    unpacker.flush(&mut pieces);
                    false
                }
                Err(refused) => break Err(refused),
            };
            if !hand_over(&send, &mut pieces, delay) || !more {
                break Ok(());
            }
        };
        drop(send);
        result
    };
    let thread = std::thread::Builder::new().name("load".into()).spawn(read);
    let thread = thread.map_err(|error| vec![format!("cannot start a thread: {error}")])?;
    let is_snapshot = *source == Source::Snapshot;
    let mut failed = None;
    while let Some(load) = loads.recv().await {
        let back = door
            .enter(move |engine, now| {
                engine.set_now(now);
                let result = engine.load(&mut replay, load, is_snapshot);
                (replay, result)
            })
            .await;
        replay = back.0;
        if let Err(why) = back.1 {
            failed = Some(why.to_string());
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(loads);
    // It was the last to be heard of, so it is over, or about to be.
    let read = thread.join().unwrap_or_else(|_| {
        Err(Refused { lines: vec!["the thread that reads the files is gone".into()] })
    });
    if let Some(why) = failed {
        return Err(vec![why, FAILED.into()]);
    }
    read.map_err(|refused| refused.lines)?;
    let seconds = (door.now().mono_us - began_us) as f64 / 1e6;
    door.enter(move |engine, _| {
        let empty = replay.empty_keys;
        engine.end_replay(replay);
        let rdb = &engine.persistence.rdb;
        let (loaded, expired) = (rdb.loaded_keys, rdb.loaded_expired);
        note(
            Level::Notice,
            &format!(
                "Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, empty keys skipped: {empty}."
            ),
        );
        let from = if is_snapshot { "disk" } else { "append only file" };
        note(Level::Notice, &format!("DB loaded from {from}: {seconds:.3} seconds"));
    })
    .await;
    Ok(())
}

const FAILED: &str = "Terminating server after rdb file reading failure.";

/// Says whether anybody wants more.
fn hand_over(send: &Sender<Load>, pieces: &mut Vec<Load>, delay: i64) -> bool {
    pieces.drain(..).all(|load| {
        pause(&load, delay);
        super::tally::publish();
        send.blocking_send(load).is_ok()
    })
}

/// `key-load-delay`, which a command of a log is worth as much as a key.
fn pause(load: &Load, delay: i64) {
    let count = match load {
        Load::Keys(keys) => keys.len(),
        Load::Lines(lines) | Load::Unit(lines) => lines.len(),
        _ => return,
    };
    let micros = delay_us(delay, count as u64);
    if micros > 0 {
        #[expect(clippy::disallowed_methods, reason = "it is a thread that only reads")]
        std::thread::sleep(Duration::from_micros(micros));
    }
}

/// Opens the log to write on, which begins with what was loaded.
fn open_log(engine: &Engine, disk: Arc<dyn Disk>, source: Source) -> Result<Log, String> {
    let names = engine.names();
    let manifest = match source {
        Source::Log(manifest) => manifest,
        Source::Nothing => Manifest::default(),
        Source::Snapshot => load::adopt_snapshot(&*disk, &names).map_err(|why| {
            format!("The snapshot cannot become the base of a log: {}", said(&why))
        })?,
    };
    let is_dump = engine.config.aof_use_rdb_preamble;
    let mut empty = Vec::new();
    if is_dump {
        let mut writer = Writer::new(Default::default());
        writer.header(&[("aof-base", b"1")]);
        writer.end();
        empty = std::mem::take(writer.buffer());
    }
    Log::open(disk, names, engine.log_options(), manifest, (&empty, is_dump), None)
        .map_err(|why| format!("Can't open the append-only file: {}", said(&why)))
}
