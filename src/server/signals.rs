//! SIGTERM and SIGINT ask the server to stop, as SHUTDOWN does.

use super::door::Door;
use crate::engine::Exit;
use tokio::signal::unix::{SignalKind, signal};

pub async fn watch(door: Door) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A peer that went away is an error of the write, not of the process.
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => continue,
        };
        tracing::warn!("Received {name} scheduling shutdown...");
        door.soon(|engine, _| engine.exit = Some(Exit { code: 0 }));
    }
}
