//! Snapshots in the background: the engine walks a moment at a time, a thread writes what that hands over.
//!
//! The walk has its turn like any client. It takes about a tenth of the time while others have work for the
//! engine, and all of it while nobody has; and it waits while the thread has too much to write. Between two of
//! its turns it sleeps: if it looked again and again whether others still have work, our thread would never be
//! idle, and where all cores are busy the thread that writes would have to take its time from somebody.

use super::affinity::{self, Role};
use super::door::Door;
use crate::engine::Engine;
use crate::engine::persistence::{Head, InHand, Purpose, SliceState, delay_us};
use crate::keyspace::walk::Piece;
use crate::persist::files::said;
use crate::persist::log::Log;
use crate::persist::permit::GIVEN_UP;
use crate::persist::snapshot::Written;
use crate::world::disk::Disk;
use crate::world::time::Now;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// More than this does not wait for the disk, but for what must be saved before it is changed.
const WAITING_BYTES_MAX: u64 = 3 << 18;
/// Below this, nobody else had work between two slices.
const IDLE_US: u64 = 15;
/// A slice takes about so long: what comes of a shorter one is not worth the way to the thread.
const SLICE_US: u64 = 150;
/// While others have work, so long passes before the next one. Timers are no finer, and add up to as much.
const PAUSE: Duration = Duration::from_millis(1);

/// For so long nobody looks whether a pause is over.
const NAP_US: u64 = 10_000;

/// What is on its way to the thread.
enum Order {
    Pieces(Vec<Piece>),
    /// That was all.
    End,
}

/// What waits for the thread.
#[derive(Default)]
struct Waiting {
    in_hand: Arc<InHand>,
    written: Notify,
    failed: AtomicBool,
}

/// Takes snapshots for ever, one at a time, as the engine begins them.
pub async fn take_all(door: Door, disk: Arc<dyn Disk>) {
    loop {
        door.snapshot_begun().await;
        take(&door, &disk).await;
    }
}

async fn take(door: &Door, disk: &Arc<dyn Disk>) {
    let scribe = door.scribe().clone();
    let begin = move |engine: &mut Engine, _: Now| {
        let (head, in_hand) = engine.begin_walk()?;
        if head.purpose == Purpose::Rewrite {
            scribe.with_log(|log, _| log.begin_rewrite(None));
        }
        Some((head, in_hand))
    };
    let Some((head, in_hand)) = door.between_units(begin).await else {
        return door.enter(|engine, now| engine.end_snapshot(Err(GIVEN_UP.into()), now)).await;
    };
    let (purpose, is_dump) = (head.purpose, head.is_dump());
    let scribe = door.scribe();
    scribe.with_log(|log, _| log.set_saving(true));
    let waiting = Arc::new(Waiting { in_hand, ..Waiting::default() });
    let result = write_elsewhere(door, disk, head, &waiting).await;
    scribe.with_log(|log, _| log.set_saving(false));
    match (purpose, result) {
        (Purpose::Save, result) => {
            let result = result.map(drop);
            door.enter(move |engine, now| engine.end_snapshot(result, now)).await;
        }
        (Purpose::Rewrite, Ok(path)) => {
            let is_wanted = door.enter(|engine, _| engine.join_base()).await;
            let base = path.clone();
            let join = |log: &mut Log, _| {
                let is_rewriting = log.is_rewriting();
                log.finish_rewrite(base, is_dump);
                is_rewriting
            };
            // The log tells when it has taken it in. But there may be none any more.
            if !is_wanted || scribe.with_log(join) != Some(true) {
                let _ = disk.remove(&path);
                scribe.with_log(|log, _| log.abort_rewrite());
                door.enter(|engine, now| engine.leave_base(now)).await;
            }
        }
        (Purpose::Rewrite, Err(why)) => {
            scribe.with_log(|log, _| log.abort_rewrite());
            door.enter(move |engine, now| engine.end_snapshot(Err(why), now)).await;
        }
    }
}

async fn write_elsewhere(
    door: &Door,
    disk: &Arc<dyn Disk>,
    head: Head,
    waiting: &Arc<Waiting>,
) -> Result<PathBuf, String> {
    let (orders, pieces) = channel();
    let (tell, told) = oneshot::channel();
    let (disk, shared) = (disk.clone(), waiting.clone());
    let role = match head.purpose {
        Purpose::Save => Role::Snapshot,
        Purpose::Rewrite => Role::Rewrite,
    };
    let work = move || {
        affinity::settle(role);
        let result = write(disk, head, &pieces, &shared);
        shared.failed.store(result.is_err(), Ordering::Release);
        shared.written.notify_one();
        let _ = tell.send(result);
    };
    let thread = std::thread::Builder::new().name("snapshot".into()).spawn(work);
    thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    walk(door, &orders, waiting).await;
    drop(orders);
    told.await.unwrap_or_else(|_| Err("the thread that writes it is gone".into()))
}

/// Has the engine walk, and hands over what comes of it, until the walk is over, or nobody wants it any more.
async fn walk(door: &Door, orders: &Sender<Order>, waiting: &Waiting) {
    loop {
        let slice = door
            .enter(move |engine, now| {
                let slice = engine.snapshot_slice(SLICE_US, now);
                (slice, engine.config.rdb_key_save_delay)
            })
            .await;
        let (slice, delay) = slice;
        if !slice.pieces.is_empty() && orders.send(Order::Pieces(slice.pieces)).is_err() {
            return;
        }
        let is_wanted =
            slice.state != SliceState::Cancelled && pause(door, delay, slice.keys).await;
        if !is_wanted || waiting.failed.load(Ordering::Acquire) {
            return;
        }
        if slice.state == SliceState::Over {
            let _ = orders.send(Order::End);
            return;
        }
        while waiting.in_hand.bytes() > WAITING_BYTES_MAX && !waiting.failed.load(Ordering::Acquire)
        {
            waiting.written.notified().await;
        }
        let_others_work(door).await;
    }
}

/// Others have their turn, and more than one if they have any work.
async fn let_others_work(door: &Door) {
    let began_us = door.now().mono_us;
    tokio::task::yield_now().await;
    if door.now().mono_us.saturating_sub(began_us) >= IDLE_US {
        tokio::time::sleep(PAUSE).await;
    }
}

/// `rdb-key-save-delay`. It is over when the directive changes. False if nobody wants the snapshot any more.
async fn pause(door: &Door, delay: i64, keys: u64) -> bool {
    let mut micros = delay_us(delay, keys);
    while micros > 0 {
        let part = micros.min(NAP_US);
        tokio::time::sleep(Duration::from_micros(part)).await;
        micros -= part;
        let look = |engine: &mut Engine, _: Now| {
            (engine.wants_snapshot(), engine.config.rdb_key_save_delay)
        };
        let (is_wanted, delay_now) = door.enter(look).await;
        if !is_wanted || delay_now != delay {
            return is_wanted;
        }
    }
    true
}

impl Waiting {
    fn remove(&self, bytes: u64) {
        let before = self.in_hand.remove(bytes);
        if before > WAITING_BYTES_MAX / 2 && before - bytes <= WAITING_BYTES_MAX / 2 {
            self.written.notify_one();
        }
    }
}

/// What the version of the format has no place for is in the file, but only we read it.
fn tell_degraded(written: &Written) {
    let degraded = written.degraded;
    if degraded.keys() > 0 {
        tracing::info!(
            "Of {} keys, {} have elements with a TTL, {} producers and {} returned entries of streams that \
             Redis and Valkey will not find in this file",
            written.keys,
            degraded.element_ttls,
            degraded.producers,
            degraded.nacked
        );
    }
}

/// What the thread does.
fn write(
    disk: Arc<dyn Disk>,
    head: Head,
    orders: &Receiver<Order>,
    waiting: &Waiting,
) -> Result<PathBuf, String> {
    let mut file = head.create(disk).map_err(|error| said(&error))?;
    for order in orders {
        match order {
            Order::Pieces(pieces) => {
                for piece in pieces {
                    let bytes = piece.memory();
                    file.write(&piece).map_err(|error| said(&error))?;
                    drop(piece);
                    super::tally::publish();
                    waiting.remove(bytes);
                }
            }
            Order::End => {
                let path = head.names.snapshot_path();
                let finished = match head.purpose {
                    Purpose::Save => file.finish_as(&path).map(|written| (path, written)),
                    Purpose::Rewrite => file.finish(),
                };
                let (path, written) = finished.map_err(|error| said(&error))?;
                tell_degraded(&written);
                return Ok(path);
            }
        }
    }
    Err(GIVEN_UP.into())
}
