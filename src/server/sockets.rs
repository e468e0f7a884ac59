//! The TCP sockets that listen, and how they come to be others while clients knock: what stays is not touched, so
//! only who comes by a port that changes can notice.

use super::listen::{self, Listener};
use crate::config::Config;
use socket2::SockRef;
use std::io;
use std::net::{Shutdown, TcpListener};
use tokio::sync::oneshot;

pub struct Sockets {
    open: Vec<Open>,
}

/// What makes a socket another one.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// As `bind` has it.
    name: String,
    port: u16,
    tls: bool,
}

struct Open {
    place: Place,
    /// The same socket as the one at which clients are accepted.
    socket: TcpListener,
    /// The listener is over when this is dropped.
    over: oneshot::Sender<()>,
}

/// The port that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotOpened {
    pub port: u16,
    pub tls: bool,
    pub error: io::Error,
}

impl Sockets {
    /// Opens both ports on all addresses that the configuration names, or none.
    pub fn open(config: &Config) -> Result<(Sockets, Vec<Listener>), NotOpened> {
        let (open, listeners) = open_all(places(config), config)?;
        Ok((Sockets { open }, listeners))
    }

    /// Opens those that the configuration names now and closes those that it does not, or leaves all as they are. The
    /// listeners are those that are new.
    pub fn change(&mut self, config: &Config) -> (Vec<Listener>, io::Result<()>) {
        let mut leaving = std::mem::take(&mut self.open);
        let mut coming = Vec::new();
        for place in places(config) {
            match leaving.iter().position(|open| open.place == place) {
                Some(at) => self.open.push(leaving.remove(at)),
                None => coming.push(place),
            }
        }
        // On one port an address may be covered by a wider one, so there the old sockets must go first.
        let shares_port = |open: &Open| coming.iter().any(|place| place.port == open.place.port);
        let (in_the_way, others): (Vec<Open>, Vec<Open>) =
            leaving.into_iter().partition(shares_port);
        let closed: Vec<Place> = in_the_way.iter().map(|open| open.place.clone()).collect();
        close(in_the_way);
        match open_all(coming, config) {
            Ok((open, listeners)) => {
                close(others);
                self.open.extend(open);
                (listeners, Ok(()))
            }
            Err(failed) => {
                self.open.extend(others);
                let mut listeners = Vec::new();
                for place in closed {
                    let Place { name, port, tls } = place.clone();
                    match open_all(vec![place], config) {
                        Ok((open, again)) => {
                            self.open.extend(open);
                            listeners.extend(again);
                        }
                        Err(failed) => tracing::warn!(
                            "Nobody can connect to {name}:{port} ({}) any more: {failed}",
                            listen::kind(tls)
                        ),
                    }
                }
                (listeners, Err(failed.error))
            }
        }
    }

    /// Nobody is accepted any more.
    pub fn close(&mut self) {
        close(std::mem::take(&mut self.open));
    }
}

/// All sockets that there are to be.
fn places(config: &Config) -> Vec<Place> {
    let mut places = Vec::new();
    for (port, tls) in [(config.port, false), (config.tls_port, true)] {
        if port != 0 {
            places.extend(config.bind.iter().map(|name| Place { name: name.clone(), port, tls }));
        }
    }
    places
}

fn open_all(places: Vec<Place>, config: &Config) -> Result<(Vec<Open>, Vec<Listener>), NotOpened> {
    let (mut opened, mut listeners) = (Vec::new(), Vec::new());
    for place in places {
        let (port, tls) = (place.port, place.tls);
        let socket = listen::open_tcp(&place.name, port, config)
            .and_then(|socket| socket.map(|it| Ok((it.try_clone()?, it))).transpose());
        // Those that were opened close by themselves.
        let socket = socket.map_err(|error| NotOpened { port, tls, error })?;
        if let Some((twin, socket)) = socket {
            let (end, over) = oneshot::channel();
            opened.push(Open { place, socket: twin, over: end });
            listeners.push(Listener { socket, tls, over });
        }
    }
    Ok((opened, listeners))
}

/// Shut down, they are dead at once, although the accepting tasks still hold them.
fn close(open: Vec<Open>) {
    for Open { socket, over, .. } in open {
        // It ends before it can wonder why nobody comes.
        drop(over);
        let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    fn config(port: u16, tls_port: u16) -> Config {
        let mut config = Config::default();
        config.bind = vec!["127.0.0.1".into()];
        (config.port, config.tls_port) = (port, tls_port);
        config
    }

    #[test]
    fn a_port_that_stays_is_not_closed_when_another_one_changes() {
        let (port, tls_port, other) = (free_port(), free_port(), free_port());
        let (mut sockets, opened) = Sockets::open(&config(port, 0)).unwrap();
        // It has not been accepted yet, and a listener that ends would end it.
        let waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (fresh, result) = sockets.change(&config(port, tls_port));
        result.unwrap();
        assert!(fresh.len() == 1 && fresh[0].tls);
        let taken = TcpListener::bind(("127.0.0.1", other)).unwrap();
        let (none, result) = sockets.change(&config(port, other));
        assert!(none.is_empty() && result.is_err());
        TcpStream::connect(("127.0.0.1", tls_port)).unwrap();
        drop(taken);
        let (fresh_again, result) = sockets.change(&config(port, other));
        result.unwrap();
        assert_eq!(fresh_again.len(), 1);
        assert!(TcpStream::connect(("127.0.0.1", tls_port)).is_err());
        let (accepted, from) = opened[0].socket.accept().unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
        drop(accepted);
        sockets.close();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn addresses_of_one_port_are_exchanged_and_come_back_if_they_cannot_be() {
        let port = free_port();
        let mut wide = config(port, 0);
        wide.bind = vec!["*".into()];
        let (mut sockets, first) = Sockets::open(&config(port, 0)).unwrap();
        let (second, result) = sockets.change(&wide);
        result.unwrap();
        assert_eq!(second.len(), 1);
        drop(first);
        let mut foreign = wide.clone();
        foreign.bind = vec!["127.0.0.1".into(), "192.0.2.1".into()];
        let (third, result) = sockets.change(&foreign);
        assert!(result.is_err());
        assert_eq!(third.len(), 1, "the old address is open again");
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
