//! What a connection is served over: a socket as it is, or one with a layer above it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Bytes that it was given, and holds because the socket does not take them yet.
    fn kept(&self) -> usize {
        0
    }

    /// Says that nothing follows, if the socket takes that at once.
    fn part(&mut self) {}
}

impl Transport for TcpStream {}
impl Transport for UnixStream {}
