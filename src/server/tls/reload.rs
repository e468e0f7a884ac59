//! `tls-auto-reload-interval`: certificates that were renewed are taken over by themselves.
//!
//! The files are read on another thread, and taken over as a whole if their content has changed and fits
//! together. One that is being written fits nothing, and is read again at the next look.

use super::Tls;
use super::setup::Setup;
use crate::server::door::Door;
use std::time::Duration;
use tokio::time::sleep;

/// Looks at the files, for ever, as often as the configuration says.
pub async fn watch(tls: Tls, door: Door) {
    loop {
        let seconds = tls.present().reload_seconds;
        if seconds == 0 {
            tls.shared.configured.notified().await;
            continue;
        }
        tokio::select! {
            () = sleep(Duration::from_secs(seconds.into())) => look(&tls, &door).await,
            // The interval may be another one now.
            () = tls.shared.configured.notified() => (),
        }
    }
}

async fn look(tls: &Tls, door: &Door) {
    let generation = tls.present().generation;
    let config = door.enter(|engine, _| engine.config.clone()).await;
    let loaded = tokio::task::spawn_blocking(move || Setup::load(&config)).await;
    let setup = match loaded {
        Ok(Ok(setup)) => setup,
        Ok(Err(why)) => {
            return tracing::warn!("TLS materials are not reloaded, the present ones stay: {why}");
        }
        Err(error) => return tracing::warn!("TLS materials are not reloaded: {error}"),
    };
    let mut present = tls.present();
    // CONFIG SET was here meanwhile, and what it has read is not older.
    if present.generation != generation {
        return;
    }
    if present.setup.as_ref().is_some_and(|present| present.fingerprint == setup.fingerprint) {
        return tracing::trace!("TLS materials unchanged, nothing to reload");
    }
    present.setup = Some(setup);
    drop(present);
    tracing::info!("TLS materials reloaded successfully");
}
