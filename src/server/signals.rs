//! SIGTERM and SIGINT ask the server to stop, as SHUTDOWN does, in the words that the configuration has
//! for them. Whoever sends SIGINT while an end is under way does not want to wait for it.

use super::door::Door;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// `temporary` is the file that an end may be writing, and `is_ending` what the engine says of it.
pub async fn watch(
    door: Door,
    temporary: PathBuf,
    is_ending: Arc<AtomicBool>,
) -> std::io::Result<()> {
    // A peer that went away is an error of the write, not of the process: what was once listened for does not end it.
    let _ = signal(SignalKind::hangup())?;
    // Nor does a file that may not grow any more: it is a disk that is full.
    let _ = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    let mut signals = Signals::listen()?;
    let end = Arc::new(End { temporary, is_ending });
    let hear = |name: &'static str| door.soon(move |engine, _| engine.hear_signal(name));

    let first = signals.next().await;
    // This thread may be busy with the last snapshot when the next ones come, so another one waits for them.
    let (tell, mut told) = mpsc::unbounded_channel();
    let (theirs, others) = (end.clone(), Signals::listen()?);
    let wait = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(theirs.attend(others, tell));
        Ok(())
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(wait);
    end.announce(first);
    hear(first);
    while let Some(name) = told.recv().await {
        hear(name);
    }
    // Without that thread a signal is heard of a little later.
    loop {
        let name = signals.next().await;
        end.announce(name);
        hear(name);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Signals { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The end that signals ask for.
struct End {
    temporary: PathBuf,
    is_ending: Arc<AtomicBool>,
}

impl End {
    async fn attend(&self, mut signals: Signals, tell: mpsc::UnboundedSender<&'static str>) {
        loop {
            let name = signals.next().await;
            self.announce(name);
            if tell.send(name).is_err() {
                return;
            }
        }
    }

    /// A signal has come, of which the engine is about to hear.
    fn announce(&self, name: &str) {
        if self.is_ending.swap(true, Ordering::SeqCst) && name == "SIGINT" {
            give_up(&self.temporary);
        }
        tracing::warn!("Received {name} scheduling shutdown...");
    }
}

fn give_up(temporary: &Path) -> ! {
    tracing::warn!("You insist... exiting now.");
    let _ = std::fs::remove_file(temporary);
    std::process::exit(1)
}
