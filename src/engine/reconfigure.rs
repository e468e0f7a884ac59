//! CONFIG SET and REWRITE: what must happen when a directive changes.
//!
//! What may fail is attempted first, and each attempt leaves how it is taken back. What cannot fail, and could not
//! be taken back either (a password that is replaced, a log that ends), happens when nothing can fail any more.

use super::{Engine, SessionKey};
use crate::config::{Follow, Reason, Rewrite, SetError, Source, UNKNOWN, rewrite};
use crate::error::Error;
use crate::world::host::Level;

/// Takes something back that was done, when the engine has its old configuration again. It cannot fail for a
/// reason that lies in that configuration: it held until now.
type Undo = Box<dyn FnOnce(&mut Engine)>;

impl Engine {
    /// Changes directives, all or none.
    pub fn set_config(&mut self, who: SessionKey, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let peer = &self.sessions[who].peer;
        let source = Source {
            local: peer.unix || peer.loopback,
            loading: self.persistence.loading.is_some(),
        };
        let before = self.config.clone();
        let mut applied = self.config.set(pairs, source).map_err(|error| match error {
            SetError::Unknown(name) => Error::quote(UNKNOWN, &name, "'"),
            other => Error::text(other.to_string()),
        })?;
        // Files are looked for in the new folder, and a log that has begun is not ended again.
        applied.sort_by_key(|step| match step.follow {
            Follow::Dir => 0,
            Follow::Appendonly => 2,
            _ => 1,
        });
        let mut undo: Vec<Undo> = Vec::new();
        for step in &applied {
            if let Err(why) = self.attempt(step.follow, &mut undo) {
                self.config = before;
                undo.into_iter().rev().for_each(|take_back| take_back(self));
                return Err(Error::text(step.refused(why).to_string()));
            }
        }
        applied.iter().for_each(|step| self.carry_out(step.follow));
        self.apply_config();
        self.tell_options();
        // Amid a transaction too: who has to go shall not be served any more.
        self.bound_clients();
        Ok(())
    }

    /// Does what may fail, or leaves it as it was. Nothing that is done here destroys anything.
    fn attempt(&mut self, follow: Follow, undo: &mut Vec<Undo>) -> Result<(), Reason> {
        let failed = || Reason::from(follow.failure());
        match follow {
            Follow::Port | Follow::Bind => self.relisten(undo).map_err(|()| failed())?,
            Follow::TlsPort => {
                self.configure_tls(undo)?;
                self.relisten(undo).map_err(|()| failed())?;
            }
            Follow::Tls => self.configure_tls(undo)?,
            Follow::SocketGroup => {
                let (path, group) = (&self.config.unixsocket, &self.config.unixsocketgroup);
                // Without a group the socket stays whose it is.
                if !path.is_empty() && !group.is_empty() {
                    let owner = self.host.give_socket(path, group).map_err(|_| failed())?;
                    undo.push(Box::new(move |engine| {
                        let _ = engine.host.give_socket(&engine.config.unixsocket, &owner);
                    }));
                }
            }
            Follow::Dir => {
                let path = self.host.change_folder(&self.config.dir).map_err(|_| failed())?;
                self.config.dir = path;
                undo.push(Box::new(|engine| {
                    if let Err(error) = engine.host.change_folder(&engine.config.dir) {
                        let text = format!("Failed to go back to {}: {error}", engine.config.dir);
                        engine.host.log(Level::Warning, &text);
                    }
                }));
            }
            // Nothing comes after it that would have it taken back.
            Follow::Appendonly if self.config.appendonly && !self.start_log() => {
                return Err(failed());
            }
            // Room for more harms nobody.
            Follow::MaxClients => {
                let most = self.host.allow_clients(self.config.maxclients);
                if most < self.config.maxclients.into() {
                    return Err(format!("{}, try with {most}", follow.failure()).into());
                }
            }
            Follow::OomScore => {
                self.host.set_oom_score(&self.config).map_err(|_| failed())?;
                undo.push(Box::new(|engine| {
                    let _ = engine.host.set_oom_score(&engine.config);
                }));
            }
            Follow::KeyMemory if self.config.key_memory_histograms => {
                if !self.keyspace.count_memory(true) {
                    return Err(failed());
                }
                undo.push(Box::new(|engine| {
                    engine.keyspace.count_memory(false);
                }));
            }
            _ => (),
        }
        Ok(())
    }

    /// Does what cannot fail, once all that may has been done.
    fn carry_out(&mut self, follow: Follow) {
        match follow {
            Follow::Appendonly if !self.config.appendonly => self.stop_log(),
            Follow::Password => self.adopt_requirepass(),
            Follow::ProcessTitle => self.host.show_title(&self.config),
            Follow::BusyPoll => self.host.busy_poll(self.config.busy_poll_us as u64),
            Follow::AllocatorThread => self.host.purge_elsewhere(self.config.jemalloc_bg_thread),
            Follow::Log => self.host.follow_log(&self.config),
            Follow::Slowlog => {
                let (config, logs) = (&self.config, &mut self.command_logs);
                logs.slow.shorten(config.slowlog_max_len);
                logs.large_request.shorten(config.commandlog_large_request_max_len);
                logs.large_reply.shorten(config.commandlog_large_reply_max_len);
            }
            Follow::KeyMemory if !self.config.key_memory_histograms => {
                self.keyspace.count_memory(false);
            }
            Follow::Scripts => self.flush_scripts(true),
            Follow::ImportMode => self.hold_expired(),
            _ => (),
        }
    }

    fn relisten(&mut self, undo: &mut Vec<Undo>) -> Result<(), ()> {
        let listen = |engine: &mut Engine| {
            engine.host.relisten(&engine.config).map_err(|error| {
                engine.host.log(Level::Warning, &format!("Failed to listen: {error}"));
            })
        };
        listen(self)?;
        undo.push(Box::new(move |engine| {
            let _ = listen(engine);
        }));
        Ok(())
    }

    fn configure_tls(&mut self, undo: &mut Vec<Undo>) -> Result<(), Reason> {
        match self.host.configure_tls(&self.config) {
            // The files may say something else by now, or be gone.
            Ok(put_back) => undo.push(Box::new(|_| put_back())),
            Err(why) => {
                self.host.log(Level::Warning, &why);
                return Err(Follow::Tls.failure().into());
            }
        }
        Ok(())
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
        let options = Rewrite { users: Some(self.user_lines()?), all };
        let mut config = self.config.clone();
        config.requirepass = self.requirepass_line().to_vec();
        let new = rewrite(&old, &config, &options);
        self.host.replace_file(path, &new).map_err(failed)?;
        self.host.log(Level::Notice, "CONFIG REWRITE executed with success.");
        Ok(())
    }
}
