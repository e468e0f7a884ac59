//! The handshake of a client, in its own task on its own thread.
//!
//! A handshake costs as much as a thousand requests. So on each thread one client at a time goes a step
//! further, and everybody else has a turn before the next one does: a storm of connections makes new
//! clients wait and leaves those that are there alone.

use super::stream::TlsStream;
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Long enough for a slow line and a server that others storm, short enough that a client which says
/// nothing does not keep its place.
const TIME_MAX: Duration = Duration::from_secs(15);

thread_local! {
    static TURN: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    #[error("the client left amid the handshake")]
    Left,
    #[error("the handshake took longer than {} seconds", TIME_MAX.as_secs())]
    TooSlow,
}

/// Agrees with a client on keys, and on who both are.
pub async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> Result<TlsStream, Failure> {
    match tokio::time::timeout(TIME_MAX, shake_hands(socket, config)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::TooSlow),
    }
}

async fn shake_hands(socket: TcpStream, config: Arc<ServerConfig>) -> Result<TlsStream, Failure> {
    // Before the client speaks it gets no memory for a session.
    socket.readable().await?;
    let turns = TURN.with(Arc::clone);
    let mut stream = TlsStream::new(socket, UnbufferedServerConnection::new(config)?);
    while stream.session().is_handshaking() {
        stream.socket().readable().await?;
        let turn = turns.acquire().await.expect("it is never closed");
        // Others may be ready as well: they go first.
        let step = poll_fn(|cx| match stream.poll_step(cx) {
            // It was a false alarm; the turn is not kept while waiting.
            Poll::Pending => Poll::Ready(Ok(true)),
            Poll::Ready(step) => Poll::Ready(step),
        });
        let step = step.await;
        tokio::task::yield_now().await;
        drop(turn);
        match step {
            Ok(true) => poll_fn(|cx| stream.poll_unsent(cx)).await?,
            Ok(false) => return Err(Failure::Left),
            Err(error) => {
                // The client is to know why, if its socket takes that, and if it speaks TLS at all: to others
                // an alert would look like an answer.
                if !is_another_protocol(&error) {
                    stream.try_flush();
                }
                return Err(error.into());
            }
        }
    }
    Ok(stream)
}

fn is_another_protocol(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}
