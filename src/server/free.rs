//! The thread that frees what takes long to free: large values, whole databases.
//!
//! It starts with the first need and then sleeps between needs. Whoever gives something away goes on
//! at once, however much is still waiting.

use super::affinity::{self, Role};
use super::{allocator, tally};
use crate::engine::Trash;
use crate::world::host::Coming;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// How many values wait to be freed.
pub static PENDING_FREES: AtomicU64 = AtomicU64::new(0);
/// How many bytes those take of which that is known, and how many lots there are of which it is not.
static PENDING_BYTES: AtomicU64 = AtomicU64::new(0);
static PENDING_UNKNOWN: AtomicU64 = AtomicU64::new(0);

/// What is on its way back.
pub fn coming() -> Coming {
    Coming {
        bytes: PENDING_BYTES.load(Ordering::Acquire),
        and_more: PENDING_UNKNOWN.load(Ordering::Acquire) > 0,
    }
}

type Lot = Vec<Trash>;

/// The way to the thread.
#[derive(Default)]
pub struct Freer {
    lots: RefCell<Option<Sender<Lot>>>,
}

impl Freer {
    pub fn free(&self, lot: Lot) {
        let values = values_of(&lot);
        PENDING_FREES.fetch_add(values, Ordering::Relaxed);
        let (bytes, unknown) = sizes_of(&lot);
        PENDING_BYTES.fetch_add(bytes, Ordering::Relaxed);
        PENDING_UNKNOWN.fetch_add(unknown, Ordering::Relaxed);
        let mut lots = self.lots.borrow_mut();
        if lots.get_or_insert_with(start).send(lot).is_err() {
            // There is no thread, so the lot is freed here. The next need tries again.
            *lots = None;
            PENDING_FREES.fetch_sub(values, Ordering::Relaxed);
            PENDING_BYTES.fetch_sub(bytes, Ordering::Relaxed);
            PENDING_UNKNOWN.fetch_sub(unknown, Ordering::Relaxed);
        }
        // What was freed is of no use to this thread, so it must not keep any of it for itself.
        allocator::give_up_cache();
    }
}

fn start() -> Sender<Lot> {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("free".into());
    if let Err(error) = thread.spawn(move || work(receiver)) {
        tracing::warn!("Cannot start the thread that frees large values: {error}");
    }
    sender
}

fn work(lots: Receiver<Lot>) {
    affinity::settle(Role::Background);
    for lot in lots {
        for trash in lot {
            let (values, bytes) = (trash.values, trash.bytes);
            drop(trash);
            tally::publish();
            // Who finds nothing here any more finds it gone from the sum.
            PENDING_BYTES.fetch_sub(bytes.unwrap_or(0), Ordering::Release);
            PENDING_UNKNOWN.fetch_sub(bytes.is_none() as u64, Ordering::Release);
            PENDING_FREES.fetch_sub(values, Ordering::Release);
        }
    }
}

fn values_of(lot: &Lot) -> u64 {
    lot.iter().map(|trash| trash.values).sum()
}

/// How many bytes are known to be in it, and of how many pieces of trash nothing is known.
fn sizes_of(lot: &Lot) -> (u64, u64) {
    lot.iter().fold((0, 0), |(bytes, unknown), trash| match trash.bytes {
        Some(more) => (bytes + more, unknown),
        None => (bytes, unknown + 1),
    })
}
