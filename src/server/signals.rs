//! SIGTERM and SIGINT ask the server to stop, as SHUTDOWN does, in the words that the configuration has
//! for them. Whoever sends a second SIGINT does not want to wait for what the first began.

use super::door::Door;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// `temporary` is the file that an end may be writing.
pub async fn watch(door: Door, temporary: PathBuf) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A peer that went away is an error of the write, not of the process.
    let mut hangup = signal(SignalKind::hangup())?;
    // Nor is a file that may not grow any more: it is a disk that is full.
    let mut file_limit = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    let mut interrupted = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => continue,
            _ = file_limit.recv() => continue,
        };
        if name == "SIGINT" {
            if std::mem::replace(&mut interrupted, true) {
                give_up(&temporary);
            }
            insist(temporary.clone());
        }
        tracing::warn!("Received {name} scheduling shutdown...");
        door.soon(move |engine, _| engine.hear_signal(name));
    }
}

/// This thread may be busy with the last snapshot when the second signal comes, so another one waits for it.
fn insist(temporary: PathBuf) {
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            signal(SignalKind::interrupt())?.recv().await;
            give_up(&temporary)
        })
    };
    // Without it the signal is heard of a little later.
    let _ = std::thread::Builder::new()
        .name("insist".into())
        .spawn(move || -> std::io::Result<()> { wait() });
}

fn give_up(temporary: &Path) -> ! {
    tracing::warn!("You insist... exiting now.");
    let _ = std::fs::remove_file(temporary);
    std::process::exit(1)
}
