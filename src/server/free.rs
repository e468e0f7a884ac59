//! The thread that frees what takes long to free: large values, whole databases.
//!
//! It starts with the first need and then sleeps between needs. Whoever gives something away goes on
//! at once, however much is still waiting.

use super::allocator;
use crate::engine::Trash;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// How many values wait to be freed.
pub static PENDING_FREES: AtomicU64 = AtomicU64::new(0);

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
        let mut lots = self.lots.borrow_mut();
        if lots.get_or_insert_with(start).send(lot).is_err() {
            // There is no thread, so the lot is freed here. The next need tries again.
            *lots = None;
            PENDING_FREES.fetch_sub(values, Ordering::Relaxed);
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
    for lot in lots {
        for trash in lot {
            let values = trash.values;
            drop(trash);
            PENDING_FREES.fetch_sub(values, Ordering::Relaxed);
        }
    }
}

fn values_of(lot: &Lot) -> u64 {
    lot.iter().map(|trash| trash.values).sum()
}
