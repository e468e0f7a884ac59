//! Who has connected and not logged in, where a password is needed: for how long, and how many of one address.
//!
//! Nobody tells when a client logs in. Those of an address are looked through when there seem to be too many of
//! them, so a look costs each of them who came since the last one a moment.

use super::{Closing, Engine, SessionKey};
use crate::base::map::Map;
use crate::world::host::Level;
use std::net::{IpAddr, Ipv6Addr};

#[derive(Default)]
pub struct Strangers {
    /// Sessions that came as strangers, by key and id. Those of a Unix socket have no address.
    by_address: Map<Option<IpAddr>, Vec<(SessionKey, u64)>>,
}

/// What is counted as one address. Of IPv6 a customer gets at least a /64, with more addresses than anybody can count.
fn counted(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    })
}

impl Strangers {
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }
}

impl Engine {
    /// Has an address as many strangers here as it may have?
    pub fn has_too_many_strangers(&mut self, address: Option<IpAddr>) -> bool {
        let most = self.config.unauthenticated_per_address as usize;
        if most == 0 || address.is_none() {
            return false;
        }
        let mut strangers = std::mem::take(&mut self.strangers);
        let too_many = strangers.by_address.get_mut(&counted(address)).is_some_and(|came| {
            if came.len() >= most {
                came.retain(|stranger| self.is_stranger_still(stranger));
            }
            came.len() >= most
        });
        self.strangers = strangers;
        too_many
    }

    /// A client has come.
    pub(super) fn note_stranger(&mut self, who: SessionKey) {
        if self.is_unknown(who) {
            let session = &self.sessions[who];
            let came = self.strangers.by_address.entry(counted(session.peer.ip)).or_default();
            came.push((who, session.id));
        }
    }

    /// Ends the connections of those who have had the time to log in. Called by the clock.
    pub(super) fn close_strangers(&mut self) {
        let most_us = self.config.unauthenticated_timeout as u64 * 1_000_000;
        let mut late = Vec::new();
        let mut strangers = std::mem::take(&mut self.strangers);
        strangers.by_address.retain(|_, came| {
            came.retain(|stranger| {
                let still = self.is_stranger_still(stranger);
                let created_us = self.sessions.get(stranger.0).map_or(0, |it| it.created_us);
                let age_us = self.now.mono_us.saturating_sub(created_us);
                if still && most_us > 0 && age_us > most_us {
                    late.push(stranger.0);
                }
                still
            });
            !came.is_empty()
        });
        self.strangers = strangers;
        for who in late {
            self.host.log(Level::Verbose, "Closing client that has not logged in");
            self.kill(who);
        }
    }

    fn is_stranger_still(&self, &(who, id): &(SessionKey, u64)) -> bool {
        let session = self.sessions.get(who).filter(|session| session.id == id);
        session.is_some_and(|it| it.closing != Closing::Now) && self.is_unknown(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let of = |text: &str| counted(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(counted(None), None);
    }
}
