//! TLS: what the listener of `tls-port` speaks before requests can be read, and MIGRATE if `tls-cluster` says so.
//!
//! What the directives and their files say becomes one value, `Setup`, which is made whole or not at all,
//! and put in the place of the one before. A connection keeps the one it began with. The protocol itself
//! is rustls', in the form that leaves every buffer to us, so that all connections of a thread share theirs.

mod certificate;
mod handshake;
mod keys;
mod reload;
mod resumption;
mod setup;
mod stream;
mod suites;

pub use handshake::{Failure, accept};
pub use reload::watch;
pub use stream::{TlsStream, force_write_errors};

use crate::config::Config;
use crate::world::host::{Certificates, PutBack};
use rustls::{ClientConfig, ServerConfig};
use setup::Setup;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// What listeners, CONFIG SET and the reloader share.
#[derive(Clone, Default)]
pub struct Tls {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    present: Mutex<Present>,
    /// Something was configured, perhaps how often to look at the files.
    configured: Notify,
}

#[derive(Default)]
struct Present {
    setup: Option<Setup>,
    /// Counts what CONFIG SET did, so that a reload that began before it is dropped.
    generation: u64,
    reload_seconds: u32,
}

impl Tls {
    /// Takes over what the configuration says; says how to go back to what was there before, whatever the files are
    /// by then. On failure everything stays as it was.
    pub fn configure(&self, config: &Config) -> Result<PutBack, String> {
        let is_used = config.tls_port != 0 || config.tls_cluster;
        let setup = is_used.then(|| Setup::load(config)).transpose()?;
        for remark in setup.iter().flat_map(|setup| &setup.remarks) {
            tracing::warn!("{remark}");
        }
        let reload_seconds = if is_used { config.tls_auto_reload_interval } else { 0 };
        let fingerprint = |setup: &Option<Setup>| setup.as_ref().map(|setup| setup.fingerprint);
        // The same files and settings again: who has a session may go on resuming it.
        let present = self.present();
        let is_other = fingerprint(&present.setup) != fingerprint(&setup);
        let (setup, reload_seconds) =
            self.replace(present, is_other.then_some(setup), reload_seconds);
        let tls = self.clone();
        Ok(Box::new(move || drop(tls.replace(tls.present(), setup, reload_seconds))))
    }

    /// Puts another setup in the place of the present one, if one is given; says what was there.
    fn replace(
        &self,
        mut present: MutexGuard<'_, Present>,
        setup: Option<Option<Setup>>,
        reload_seconds: u32,
    ) -> (Option<Option<Setup>>, u32) {
        let setup = setup.map(|setup| std::mem::replace(&mut present.setup, setup));
        let reload_seconds = std::mem::replace(&mut present.reload_seconds, reload_seconds);
        present.generation += 1;
        drop(present);
        self.shared.configured.notify_one();
        (setup, reload_seconds)
    }

    /// For a client that has just come; none if TLS was switched off meanwhile.
    pub fn server_config(&self) -> Option<Arc<ServerConfig>> {
        self.present().setup.as_ref().map(|setup| setup.server.clone())
    }

    /// For a connection to another server; none if there is nobody who could vouch for it.
    pub fn client_config(&self) -> Option<Arc<ClientConfig>> {
        self.present().setup.as_ref().and_then(|setup| setup.client.clone())
    }

    /// For INFO.
    pub fn certificates(&self) -> Certificates {
        self.present()
            .setup
            .as_ref()
            .map_or_else(Certificates::default, |it| it.certificates.clone())
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.shared.present.lock().expect("nothing in here panics")
    }
}
