//! SIGTERM and SIGINT ask the server to stop, as SHUTDOWN does, in the words that the configuration has
//! for them.

use super::door::Door;
use crate::engine::persistence::Wishes;
use crate::engine::{Engine, Exit};
use crate::world::host::Level;
use tokio::signal::unix::{SignalKind, signal};

pub async fn watch(door: Door) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A peer that went away is an error of the write, not of the process.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupted = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => continue,
        };
        if name == "SIGINT" && std::mem::replace(&mut interrupted, true) {
            tracing::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
        tracing::warn!("Received {name} scheduling shutdown...");
        door.soon(move |engine, _| obey(engine, name));
    }
}

fn obey(engine: &mut Engine, name: &str) {
    let words = match name {
        "SIGTERM" => engine.config.shutdown_on_sigterm,
        _ => engine.config.shutdown_on_sigint,
    };
    let wishes =
        Wishes { save: words.has("save"), nosave: words.has("nosave"), force: words.has("force") };
    // What is not loaded yet cannot be saved.
    if engine.persistence.loading.is_some() {
        engine.exit = Some(Exit { code: 0 });
    } else if engine.shut_down(wishes).is_err() {
        let text = format!(
            "{name} received but errors trying to shut down the server, check the logs for more \
             information"
        );
        engine.host.log(Level::Warning, &text);
    }
}
