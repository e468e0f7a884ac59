//! CONFIG SET: several directives at once, all of them or none.
//!
//! What follows a change can still fail outside of this folder (a port may be taken). So whoever
//! calls `set` keeps a clone, and on failure puts it back and takes back what was done by then. To carry
//! it out once more would not do, since that may fail as well, and what it replaced is gone.
//!
//! ```text
//! let before = config.clone();
//! for applied in config.set(&pairs, source)? {
//!     if let Err(why) = attempt(applied.follow) {
//!         config = before;
//!         take_back();
//!         return Err(applied.refused(why));
//!     }
//! }
//! carry_out_what_cannot_fail();
//! ```

use super::directive::{Change, Directive, Follow};
use super::kind::Reason;
use super::value::Allowed;
use super::{Config, find};
use crate::error::until_nul;

/// What matters about whoever sends CONFIG SET.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    /// Connected from this machine, by loopback or by Unix socket.
    pub local: bool,
    /// The server is still loading its dataset.
    pub loading: bool,
}

/// Something to carry out now, and the directive to blame if it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub follow: Follow,
    pub directive: &'static str,
}

impl Applied {
    pub fn refused(&self, why: Reason) -> SetError {
        SetError::Refused(self.directive.into(), why)
    }
}

/// What stands before a name that is no directive's.
pub const UNKNOWN: &str = "ERR Unknown option or number of arguments for CONFIG SET - '";

/// Why nothing was changed. Displayed, it is what follows the `-` on the wire.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetError {
    /// The name is the client's, and bytes.
    #[error("{UNKNOWN}{}'", String::from_utf8_lossy(.0))]
    Unknown(Box<[u8]>),
    #[error("ERR CONFIG SET failed (possibly related to argument '{0}') - {1}")]
    Refused(String, Reason),
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
}

impl Config {
    /// Changes the directives of all pairs, or none. The answer is what must be carried out, each
    /// kind of work once, in the order of the pairs.
    pub fn set(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        source: Source,
    ) -> Result<Vec<Applied>, SetError> {
        let mut changes: Vec<(&'static Directive, &[u8])> = Vec::with_capacity(pairs.len());
        for (name, text) in pairs {
            let directive = find(name).ok_or_else(|| SetError::Unknown(until_nul(name).into()))?;
            self.may_change(directive, name, source)?;
            if changes.iter().any(|(other, _)| other.name == directive.name) {
                return Err(SetError::Refused(line(name), "duplicate parameter".into()));
            }
            changes.push((directive, text));
        }

        let mut next = self.clone();
        let mut applied: Vec<Applied> = Vec::new();
        for (directive, text) in changes {
            // Once it is known, a directive is called by the name it was found under.
            let now = next.value(directive);
            let words = words(directive, text);
            let value = directive
                .parse(&words, &now)
                .map_err(|reason| SetError::Refused(name_of(directive, pairs), reason))?;
            let changed = value != now || directive.repeatable;
            next.put(directive, value);
            if let Some(follow) = directive.follow.filter(|_| changed)
                && applied.iter().all(|other| other.follow != follow)
            {
                applied.push(Applied { follow, directive: directive.name });
            }
        }
        next.check_rules().map_err(|reason| SetError::Refused("maxmemory-rule".into(), reason))?;
        *self = next;
        Ok(applied)
    }

    fn may_change(
        &self,
        directive: &Directive,
        name: &[u8],
        source: Source,
    ) -> Result<(), SetError> {
        if directive.change == Change::AtStart {
            return Err(SetError::Refused(line(name), "can't set immutable config".into()));
        }
        let trusted = match self.enable_protected_configs {
            Allowed::Yes => true,
            Allowed::Local => source.local,
            Allowed::No => false,
        };
        if directive.protected && !trusted {
            return Err(SetError::Refused(line(name), "can't set protected config".into()));
        }
        if directive.deny_loading && source.loading {
            return Err(SetError::Loading);
        }
        Ok(())
    }
}

/// A value of several words is cut at every single space, so that two spaces are a mistake.
fn words<'a>(directive: &Directive, text: &'a [u8]) -> Vec<&'a [u8]> {
    if !directive.kind.takes_many() {
        return vec![text];
    }
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b' ').collect()
}

/// The name of a directive as the table spells whichever name the client used.
fn name_of(directive: &Directive, pairs: &[(&[u8], &[u8])]) -> String {
    let used = |name: &&'static str| {
        pairs.iter().any(|(asked, _)| asked.eq_ignore_ascii_case(name.as_bytes()))
    };
    directive.names().find(used).unwrap_or(directive.name).to_string()
}

/// What a client sent, fit for an error line.
fn line(text: &[u8]) -> String {
    String::from_utf8_lossy(until_nul(text)).replace(['\r', '\n'], " ")
}
