//! What threads left at the door, while another one was inside.

use crate::engine::Engine;
use crate::world::time::Now;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Something to be done with the engine, and the thread that wants it.
pub struct Errand {
    pub thread: usize,
    pub act: Act,
}

pub type Act = Box<dyn FnOnce(&mut Engine, Now) + Send>;

/// The queue. A connection leaves one errand and then waits for it, so it is as long as there are
/// connections at the most.
pub struct Left {
    errands: Mutex<Vec<Errand>>,
    /// How many there are, to be looked at without the lock.
    count: AtomicUsize,
    /// For each thread: it is asked to see to what was left.
    threads: Vec<Notify>,
}

impl Left {
    pub fn new(threads: usize) -> Left {
        Left {
            errands: Mutex::default(),
            count: AtomicUsize::new(0),
            threads: (0..threads).map(|_| Notify::new()).collect(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub fn push(&self, errand: Errand) {
        let mut errands = self.lock();
        errands.push(errand);
        self.count.store(errands.len(), Ordering::Release);
    }

    /// Takes all of them, in order, for an empty list.
    pub fn take(&self, empty: &mut Vec<Errand>) {
        let mut errands = self.lock();
        std::mem::swap(&mut *errands, empty);
        self.count.store(errands.len(), Ordering::Release);
    }

    /// Asks the thread that has waited longest to see to what is here.
    pub fn ask(&self) {
        let thread = self.lock().first().map(|errand| errand.thread);
        if let Some(thread) = thread {
            self.threads[thread].notify_one();
        }
    }

    pub async fn asked(&self, thread: usize) {
        self.threads[thread].notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Errand>> {
        // Nothing in here panics half way.
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
