//! `busy-poll-us`: looking for requests a little longer before going to sleep.
//!
//! Falling asleep and being woken takes longer than a command. While requests follow each other closely,
//! a task that does nothing but yield keeps its thread looking at the sockets, and at the timers as ever.
//! It watches whether that pays: when requests mostly come too late, or when the thread is pushed off
//! its core, so that somebody else could have used it, it stops for a while, and each time for longer.
//! A server that is not asked anything sleeps.

use super::door::Door;
use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// How often looking ended, in one way or the other, before it is judged.
const JUDGED_AFTER: u32 = 64;
/// Being pushed off the core more often than this, in microseconds, means that others want it.
const PUSHED_OFF_US: u64 = 5_000;
const REST_MIN: Duration = Duration::from_millis(10);
const REST_MAX: Duration = Duration::from_secs(1);

struct Watch {
    /// Reads of this thread.
    events: Cell<u64>,
    /// The poller sleeps until the next one.
    sleeps: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

thread_local! {
    static WATCH: Watch = const {
        Watch { events: Cell::new(0), sleeps: Cell::new(false), waker: Cell::new(None) }
    };
}

/// Something was read on this thread.
#[inline]
pub fn note_event() {
    WATCH.with(|watch| {
        watch.events.set(watch.events.get() + 1);
        if watch.sleeps.replace(false)
            && let Some(waker) = watch.waker.take()
        {
            waker.wake();
        }
    });
}

/// So long a thread is kept awake after each read; 0 while it is not.
static LIMIT_US: AtomicU64 = AtomicU64::new(0);
static LIMIT_SET: Notify = Notify::const_new();

/// From now on threads are kept awake for so long after each read.
pub fn set_limit(micros: u64) {
    LIMIT_US.store(micros, Ordering::SeqCst);
    LIMIT_SET.notify_waiters();
}

/// Keeps this thread awake for a while after each read, while that pays.
pub async fn spin(door: Door) {
    let mut rest = REST_MIN;
    loop {
        let is_set = LIMIT_SET.notified();
        let limit_us = LIMIT_US.load(Ordering::SeqCst);
        if limit_us == 0 {
            is_set.await;
            continue;
        }
        if pays(&door, limit_us).await {
            rest = REST_MIN;
        } else {
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST_MAX);
        }
    }
}

/// Looks again and again, until enough is known to judge whether that pays.
async fn pays(door: &Door, limit_us: u64) -> bool {
    let (mut in_time, mut too_late) = (0, 0);
    let pushed_off = times_pushed_off();
    let mut spent_us = 0;
    while in_time + too_late < JUDGED_AFTER {
        next_event().await;
        let mut seen = events();
        let began_us = door.now().mono_us;
        let mut since_us = began_us;
        let mut looked = false;
        loop {
            tokio::task::yield_now().await;
            let now_us = door.now().mono_us;
            if events() != seen {
                // What was there at the first look would have come without us.
                in_time += looked as u32;
                if in_time + too_late >= JUDGED_AFTER {
                    break;
                }
                (seen, since_us, looked) = (events(), now_us, false);
            } else if now_us.saturating_sub(since_us) >= limit_us {
                too_late += 1;
                break;
            } else {
                looked = true;
            }
        }
        spent_us += door.now().mono_us.saturating_sub(began_us);
    }
    let pushed_off = times_pushed_off().saturating_sub(pushed_off);
    in_time > too_late && pushed_off * PUSHED_OFF_US <= spent_us.max(PUSHED_OFF_US)
}

fn events() -> u64 {
    WATCH.with(|watch| watch.events.get())
}

async fn next_event() {
    let seen = events();
    poll_fn(|cx| {
        if events() != seen {
            return Poll::Ready(());
        }
        WATCH.with(|watch| {
            watch.sleeps.set(true);
            watch.waker.set(Some(cx.waker().clone()));
        });
        Poll::Pending
    })
    .await;
}

/// How often the system has taken the core from this thread.
fn times_pushed_off() -> u64 {
    #[expect(unsafe_code, reason = "getrusage fills a struct of plain numbers")]
    // SAFETY: the struct is valid for writes, and all zeroes is a value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    usage.ru_nivcsw as u64
}
