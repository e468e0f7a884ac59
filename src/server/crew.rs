//! The threads that serve clients, and which of them gets which client.
//!
//! The first thread is the one that the server began with: it accepts, keeps the time, and serves clients
//! like all others. A client is given to the thread that has the fewest, and stays there.

use super::connection;
use super::door::Door;
use super::poll;
use crate::engine::SessionKey;
use crate::engine::session::Mailbox;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

pub struct Crew {
    door: Door,
    /// The clients of each thread.
    clients: Vec<Arc<AtomicUsize>>,
    /// The ways to the threads behind the first.
    others: Vec<UnboundedSender<Moving>>,
}

/// A client that is connected and not served yet.
pub struct Client {
    pub stream: Stream,
    pub who: SessionKey,
    pub mailbox: Arc<Mailbox>,
}

pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A place on a thread, taken as long as this lives.
pub struct Berth {
    thread: usize,
    clients: Arc<AtomicUsize>,
}

/// A client on the way to its thread.
struct Moving {
    stream: Unbound,
    who: SessionKey,
    mailbox: Arc<Mailbox>,
    berth: Berth,
}

/// A socket that no thread watches.
enum Unbound {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Crew {
    /// Starts the threads behind the first, on which this runs.
    pub fn start(door: Door, threads: usize) -> io::Result<Crew> {
        let mut others = Vec::new();
        for thread in 1..threads {
            let (send, moving) = unbounded_channel();
            let door = door.of_thread(thread);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            std::thread::Builder::new().name(format!("io_thd_{thread}")).spawn(move || {
                LocalSet::new().block_on(&runtime, work(door, moving));
            })?;
            others.push(send);
        }
        start_chores(&door);
        Ok(Crew { door, clients: (0..threads).map(|_| Arc::default()).collect(), others })
    }

    pub fn door(&self) -> &Door {
        &self.door
    }

    /// A place on the thread that has the fewest clients.
    pub fn berth(&self) -> Berth {
        let count = |clients: &Arc<AtomicUsize>| clients.load(Ordering::Relaxed);
        let fewest = self.clients.iter().enumerate().min_by_key(|(_, clients)| count(clients));
        let (thread, clients) = fewest.expect("there is a first thread");
        clients.fetch_add(1, Ordering::Relaxed);
        Berth { thread, clients: clients.clone() }
    }

    pub fn give(&self, berth: Berth, client: Client) {
        let Client { stream, who, mailbox } = client;
        let Some(other) = berth.thread.checked_sub(1) else {
            tokio::task::spawn_local(attend(stream, self.door.clone(), who, mailbox, berth));
            return;
        };
        let sent = stream.unbind().map(|stream| {
            // A thread listens as long as the server lives.
            let _ = self.others[other].send(Moving { stream, who, mailbox, berth });
        });
        if let Err(error) = sent {
            tracing::warn!("Cannot hand over a client: {error}");
            self.door.soon(move |engine, _| engine.disconnect(who));
        }
    }
}

impl Stream {
    /// The last word to a client that is not served, if the socket takes it at once.
    pub fn try_write(&self, text: &[u8]) {
        let _ = match self {
            Stream::Tcp(stream) => stream.try_write(text),
            Stream::Unix(stream) => stream.try_write(text),
        };
    }

    fn unbind(self) -> io::Result<Unbound> {
        Ok(match self {
            Stream::Tcp(stream) => Unbound::Tcp(stream.into_std()?),
            Stream::Unix(stream) => Unbound::Unix(stream.into_std()?),
        })
    }
}

impl Unbound {
    fn bind(self) -> io::Result<Stream> {
        Ok(match self {
            Unbound::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Unbound::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl Berth {
    pub fn thread(&self) -> usize {
        self.thread
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a thread behind the first does: it serves the clients that it is given.
async fn work(door: Door, mut moving: UnboundedReceiver<Moving>) {
    start_chores(&door);
    while let Some(Moving { stream, who, mailbox, berth }) = moving.recv().await {
        match stream.bind() {
            Ok(stream) => {
                tokio::task::spawn_local(attend(stream, door.clone(), who, mailbox, berth));
            }
            Err(error) => {
                tracing::warn!("Cannot serve a client: {error}");
                door.soon(move |engine, _| engine.disconnect(who));
            }
        }
    }
}

/// What every thread does beside serving.
fn start_chores(door: &Door) {
    tokio::task::spawn_local(door.clone().see_to_left());
    tokio::task::spawn_local(door.scribe().clone().end_turns(door.thread()));
    tokio::task::spawn_local(poll::spin(door.clone()));
}

/// A client from beginning to end, in a task of its own on its thread, with its session open already.
/// Whatever a transport must agree on before requests are read, as the handshake of TLS, is awaited
/// here: it holds up neither the listener nor any other client, and `serve` takes the stream that comes
/// of it. While that goes on, the mailbox must be looked at, since the client can be killed.
async fn attend(stream: Stream, door: Door, who: SessionKey, mailbox: Arc<Mailbox>, _berth: Berth) {
    match stream {
        Stream::Tcp(stream) => connection::serve(stream, door, who, mailbox).await,
        Stream::Unix(stream) => connection::serve(stream, door, who, mailbox).await,
    }
}
