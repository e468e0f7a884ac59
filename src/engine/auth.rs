//! Who a client is, and whether it may do anything at all.
//!
//! There is one user, `default`, whose password is `requirepass`. Without a password everybody is
//! that user from the start.

use super::{Engine, SessionKey};
use crate::error::Error;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub const DEFAULT_USER: &str = "default";

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl Engine {
    /// Must this client log in before it may do anything?
    pub fn is_stranger(&self, who: SessionKey) -> bool {
        !self.config.requirepass.is_empty()
            && self.sessions.get(who).is_none_or(|session| !session.authenticated)
    }

    /// A client that fails stays whoever it was.
    pub fn log_in(&mut self, who: SessionKey, user: &[u8], password: &[u8]) -> Result<(), Error> {
        let wanted = &self.config.requirepass;
        let known = user == DEFAULT_USER.as_bytes();
        if !known || !(wanted.is_empty() || is_same_secret(wanted, password)) {
            self.stats.acl_denied_auth += 1;
            return Err(Error::Say(WRONG_PASSWORD));
        }
        self.sessions[who].authenticated = true;
        self.sessions[who].was_authenticated = true;
        Ok(())
    }
}

/// Compares digests, so that neither the length of what they share nor that of the secret shows
/// in the time it takes.
fn is_same_secret(left: &[u8], right: &[u8]) -> bool {
    Sha256::digest(left).ct_eq(&Sha256::digest(right)).into()
}
