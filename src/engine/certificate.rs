//! A client that shows a certificate need not send a password: `tls-auth-clients-user`.

use super::acl::Context;
use super::{Engine, SessionKey};
use crate::world::host::Level;

impl Engine {
    /// Lets a client in as the first of these users that there is, by what its certificate says of it.
    /// If there is none it stays whoever it was, and may log in as everybody else. Says whether it was let
    /// in. Names are compared as they stand, so one with a zero in it is nobody's.
    pub fn log_in_by_certificate(&mut self, who: SessionKey, names: &[Vec<u8>]) -> bool {
        if self.sessions.get(who).is_none() {
            return false;
        }
        let user = |name: &Vec<u8>| self.acl.user(name).filter(|user| user.enabled);
        if let Some(user) = names.iter().find_map(user).cloned() {
            let name = String::from_utf8_lossy(&user.name);
            self.host.log(Level::Debug, &format!("TLS: a client is '{name}' by its certificate"));
            self.become_user(who, user);
            return true;
        }
        // A certificate without a name asks for no user.
        let Some(name) = names.first() else { return false };
        self.stats.acl_denied.certificate += 1;
        self.log_denied(who, "tls-cert", Context::TopLevel, name, name);
        false
    }
}
