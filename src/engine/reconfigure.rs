//! CONFIG SET and REWRITE: what must happen when a directive changes.

use super::{Engine, SessionKey};
use crate::config::{Applied, Follow, Rewrite, SetError, Source, UNKNOWN, rewrite};
use crate::error::Error;
use crate::world::host::Level;

impl Engine {
    /// Changes directives, all or none.
    pub fn set_config(&mut self, who: SessionKey, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let peer = &self.sessions[who].peer;
        let source = Source {
            local: peer.unix || peer.loopback,
            loading: self.persistence.loading.is_some(),
        };
        let before = self.config.clone();
        let applied = self.config.set(pairs, source).map_err(|error| match error {
            SetError::Unknown(name) => Error::quote(UNKNOWN, &name, "'"),
            other => Error::text(other.to_string()),
        })?;
        for (index, step) in applied.iter().enumerate() {
            if self.carry_out(step).is_ok() {
                continue;
            }
            // What was carried out already is carried out again, as it was before.
            self.config = before;
            if step.follow == Follow::TlsPort {
                // Its first half may have been done.
                let _ = self.configure_tls();
            }
            for step in &applied[..index] {
                let _ = self.carry_out(step);
            }
            return Err(Error::text(step.failed().to_string()));
        }
        self.apply_config();
        self.tell_options();
        // Amid a transaction too: who has to go shall not be served any more.
        self.bound_clients();
        Ok(())
    }

    fn carry_out(&mut self, step: &Applied) -> Result<(), ()> {
        match step.follow {
            Follow::Port | Follow::Bind => self.relisten(),
            Follow::TlsPort => self.configure_tls().and_then(|()| self.relisten()),
            Follow::Tls => self.configure_tls(),
            Follow::SocketGroup => {
                let (path, group) = (&self.config.unixsocket, &self.config.unixsocketgroup);
                // Without a group the socket stays whose it is.
                match path.is_empty() || group.is_empty() {
                    true => Ok(()),
                    false => self.host.give_socket(path, group).map_err(drop),
                }
            }
            Follow::Dir => {
                let path = self.host.change_folder(&self.config.dir).map_err(drop)?;
                self.config.dir = path;
                Ok(())
            }
            Follow::Appendonly if self.config.appendonly => match self.start_log() {
                true => Ok(()),
                false => Err(()),
            },
            Follow::Appendonly => {
                self.stop_log();
                Ok(())
            }
            Follow::MaxClients if !self.host.allow_clients(self.config.maxclients) => Err(()),
            Follow::Password => {
                self.adopt_requirepass();
                Ok(())
            }
            Follow::ProcessTitle => {
                self.host.show_title(&self.config);
                Ok(())
            }
            Follow::OomScore => self.host.set_oom_score(&self.config).map_err(drop),
            Follow::BusyPoll => {
                self.host.busy_poll(self.config.busy_poll_us as u64);
                Ok(())
            }
            Follow::AllocatorThread => {
                self.host.purge_elsewhere(self.config.jemalloc_bg_thread);
                Ok(())
            }
            Follow::Log => {
                self.host.follow_log(&self.config);
                Ok(())
            }
            Follow::Slowlog => {
                let (config, logs) = (&self.config, &mut self.command_logs);
                logs.slow.shorten(config.slowlog_max_len);
                logs.large_request.shorten(config.commandlog_large_request_max_len);
                logs.large_reply.shorten(config.commandlog_large_reply_max_len);
                Ok(())
            }
            Follow::KeyMemory => {
                match self.keyspace.count_memory(self.config.key_memory_histograms) {
                    true => Ok(()),
                    false => Err(()),
                }
            }
            Follow::Scripts => {
                self.flush_scripts(true);
                Ok(())
            }
            Follow::ImportMode => {
                self.hold_expired();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn relisten(&mut self) -> Result<(), ()> {
        self.host.relisten(&self.config).map_err(|error| {
            self.host.log(Level::Warning, &format!("Failed to listen: {error}"));
        })
    }

    fn configure_tls(&mut self) -> Result<(), ()> {
        let configured = self.host.configure_tls(&self.config);
        configured.map_err(|why| self.host.log(Level::Warning, &why))
    }

    /// Writes the configuration back to the file it came from.
    pub fn rewrite_config(&mut self, all: bool) -> Result<(), Error> {
        let path = &self.host.facts().config_file;
        if path.is_empty() {
            return Err(Error::Say("ERR The server is running without a config file"));
        }
        let failed = |error: std::io::Error| {
            self.host.log(Level::Warning, &format!("CONFIG REWRITE failed: {error}"));
            Error::text(format!("ERR Rewriting config file: {error}"))
        };
        // A file that has been taken away is written anew.
        let old = match self.host.read_file(path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let options = Rewrite { users: Some(self.user_lines()), all };
        let new = rewrite(&old, &self.config, &options);
        self.host.replace_file(path, &new).map_err(failed)?;
        self.host.log(Level::Notice, "CONFIG REWRITE executed with success.");
        Ok(())
    }
}
