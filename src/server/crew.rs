//! The threads that serve clients, and which of them gets which client.
//!
//! The first thread is the one that the server began with: it accepts, keeps the time, and serves clients
//! like all others. A client is given to the thread that has the fewest, and stays there.

use super::affinity::{self, Role};
use super::connection;
use super::door::Door;
use super::transport::Transport;
use super::{listen, poll, tally, tls};
use crate::engine::session::Mailbox;
use crate::engine::{Engine, SessionKey};
use rustls::ServerConfig;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
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
    /// Before the handshake.
    Tls(TcpStream, Arc<ServerConfig>),
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
    Tls(std::net::TcpStream, Arc<ServerConfig>),
    Unix(std::os::unix::net::UnixStream),
}

/// What a thread runs, of so many.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    if threads > 1 {
        // Others are to know what it allocated or freed since it was in the engine, however long it sleeps now.
        builder.on_thread_park(tally::publish);
    }
    builder.enable_all().build()
}

impl Crew {
    /// Starts the threads behind the first, on which this runs.
    pub fn start(door: Door, threads: usize) -> io::Result<Crew> {
        let mut others = Vec::new();
        for thread in 1..threads {
            let (send, moving) = unbounded_channel();
            let door = door.of_thread(thread);
            let runtime = runtime(threads)?;
            std::thread::Builder::new().name(format!("io_thd_{thread}")).spawn(move || {
                affinity::settle(Role::Server);
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
            attend(stream, self.door.clone(), who, mailbox, berth);
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
            // It could not read that, and a handshake is too dear for one who is not served.
            Stream::Tls(..) => return,
            Stream::Unix(stream) => stream.try_write(text),
        };
    }

    fn unbind(self) -> io::Result<Unbound> {
        Ok(match self {
            Stream::Tcp(stream) => Unbound::Tcp(stream.into_std()?),
            Stream::Tls(stream, config) => Unbound::Tls(stream.into_std()?, config),
            Stream::Unix(stream) => Unbound::Unix(stream.into_std()?),
        })
    }
}

impl Unbound {
    fn bind(self) -> io::Result<Stream> {
        Ok(match self {
            Unbound::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Unbound::Tls(stream, config) => Stream::Tls(TcpStream::from_std(stream)?, config),
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
            Ok(stream) => attend(stream, door.clone(), who, mailbox, berth),
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

/// Serves a client from beginning to end, in a task of its own on this thread, with its session open
/// already. Each transport has its own kind of task, since the largest of them would be everybody's size.
fn attend(stream: Stream, door: Door, who: SessionKey, mailbox: Arc<Mailbox>, berth: Berth) {
    match stream {
        Stream::Tcp(stream) => tokio::task::spawn_local(async move {
            let _berth = berth;
            connection::serve(stream, door, who, mailbox).await
        }),
        Stream::Unix(stream) => tokio::task::spawn_local(async move {
            let _berth = berth;
            connection::serve(stream, door, who, mailbox).await
        }),
        Stream::Tls(stream, config) => tokio::task::spawn_local(async move {
            let _berth = berth;
            // What the handshake needs is given back when it is over.
            let greeted = Box::pin(greet(stream, config, &door, who, &mailbox)).await;
            match greeted {
                Some(stream) => connection::serve(stream, door, who, mailbox).await,
                None => door.soon(move |engine, _| engine.disconnect(who)),
            }
        }),
    };
}

/// Whatever TLS must agree on before requests are read. It holds up neither the listener nor any other
/// client. None if nothing comes of it, or the client was killed meanwhile.
async fn greet(
    socket: TcpStream,
    config: Arc<ServerConfig>,
    door: &Door,
    who: SessionKey,
    mailbox: &Mailbox,
) -> Option<tls::TlsStream> {
    let rang = Cell::new(false);
    let accepted = tokio::select! {
        accepted = tls::accept(socket, config) => accepted,
        () = killed(door, who, mailbox, &rang) => return None,
    };
    if rang.get() {
        // Whatever it was, it is seen to later.
        mailbox.ring();
    }
    let mut stream = match accepted {
        Ok(stream) => stream,
        Err(why) => {
            door.soon(move |engine, _| {
                let peer = engine.sessions.get(who).map(|session| session.peer.clone());
                let peer = peer.unwrap_or_default();
                tracing::debug!(
                    "Error accepting a client connection: {why} (addr={} laddr={})",
                    peer.addr,
                    peer.laddr
                );
            });
            return None;
        }
    };
    let admit = move |engine: &mut Engine, _| {
        let peer = engine.sessions.get(who)?.peer.clone();
        Some(match listen::denial(engine, &peer) {
            Some(denial) => Err(denial),
            None => Ok(engine.config.tls_auth_clients_user),
        })
    };
    match door.enter(admit).await? {
        Ok(by) => {
            if let Some(names) = stream.names_of_peer(by) {
                door.enter(move |engine, _| engine.log_in_by_certificate(who, &names)).await;
            }
            Some(stream)
        }
        Err(denial) => {
            stream.try_write(denial);
            stream.part();
            None
        }
    }
}

/// Waits until the client is to go. `rang` says that something else was brought to it.
async fn killed(door: &Door, who: SessionKey, mailbox: &Mailbox, rang: &Cell<bool>) {
    loop {
        poll_fn(|cx| {
            mailbox.register(cx.waker());
            if mailbox.take() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        if door.enter(move |engine, _| engine.is_gone(who)).await {
            return;
        }
        rang.set(true);
    }
}
