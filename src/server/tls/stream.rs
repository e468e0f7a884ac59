//! A socket with TLS above it, after the handshake or amid it.
//!
//! Records are read into a buffer that all connections of the thread share, decrypted there, and handed
//! on; answers are sealed in another and leave with one write. A connection has memory of its own for a
//! record that has not come whole, and for what the socket did not take: 64 KiB at most, either of them.

use super::certificate;
use crate::base::lead::Led;
use crate::config::TlsUser;
use crate::server::transport::Transport;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Room for what is read at once, and for what is left of the time before: messages of a handshake may
/// be as long, and a record follows.
const INCOMING_BYTES: usize = 64 * 1024 + 20 * 1024;
/// As much is read at the most, so that what comes of it fits into the reader's buffer of 64 KiB.
const READ_BYTES: usize = 44 * 1024;
/// What is left of a record, or of messages, is never more.
const PARTIAL_BYTES_MAX: usize = 64 * 1024;
/// Sealed at once: four full records.
const SEAL_BYTES: usize = 64 * 1024;
/// Four records, each with its head, its nonce and its tag.
const OUTGOING_BYTES: usize = SEAL_BYTES + 1024;

thread_local! {
    static WIRE: RefCell<Wire> = RefCell::new(Wire {
        incoming: Led::new(INCOMING_BYTES),
        plain: Led::new(SEAL_BYTES),
        outgoing: Led::new(OUTGOING_BYTES),
    });
}

struct Wire {
    incoming: Led,
    /// What is sealed next, put together; also what is in one piece, for the lead: rustls copies long
    /// records to a page's start.
    plain: Led,
    outgoing: Led,
}

/// While this is set no socket takes anything: DEBUG FORCE-TLS-WRITE-ERROR.
static WRITES_FAIL: AtomicBool = AtomicBool::new(false);

pub fn force_write_errors(fail: bool) {
    WRITES_FAIL.store(fail, Ordering::Relaxed);
}

pub struct TlsStream {
    socket: TcpStream,
    session: Box<UnbufferedServerConnection>,
    /// Of a record that has not come whole.
    partial: Vec<u8>,
    /// Sealed, and not taken by the socket.
    unsent: Vec<u8>,
    /// Came with the end of the handshake, and was not handed on.
    early: Vec<u8>,
    /// Nothing more can be read.
    is_over: bool,
    /// The protocol was broken, so nothing more can be said either.
    is_broken: bool,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, session: UnbufferedServerConnection) -> TlsStream {
        TlsStream {
            socket,
            session: Box::new(session),
            partial: Vec::new(),
            unsent: Vec::new(),
            early: Vec::new(),
            is_over: false,
            is_broken: false,
        }
    }

    /// What the client's certificate says it may be called; none if it was not asked, or has shown none.
    pub fn names_of_peer(&self, by: TlsUser) -> Option<Vec<Vec<u8>>> {
        let certificate = self.session.peer_certificates()?.first()?;
        (by != TlsUser::Off).then(|| certificate::names(certificate, by))
    }

    pub(super) fn session(&self) -> &UnbufferedServerConnection {
        &self.session
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The last word to a client that is not served, if the socket takes it at once.
    pub fn try_write(&mut self, text: &[u8]) {
        let mut sealed = vec![0; text.len() + 1024];
        if let Ok(count) = self.seal(text, &mut sealed) {
            self.unsent.extend_from_slice(&sealed[..count]);
            self.try_flush();
        }
    }

    /// Has everything that was to be sent been taken?
    pub(super) fn try_flush(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.socket.try_write(&self.unsent) {
                Ok(0) | Err(_) => break,
                Ok(count) => drop(self.unsent.drain(..count)),
            }
        }
        self.unsent.is_empty()
    }

    /// Reads once and goes on with the handshake, for which nothing may be left to send. False when the
    /// client went away.
    pub(super) fn poll_step(&mut self, cx: &mut Context) -> Poll<io::Result<bool>> {
        let mut early = std::mem::take(&mut self.early);
        let more = WIRE.with_borrow_mut(|wire| {
            let read = ready!(self.fill(cx, &mut wire.incoming));
            Poll::Ready(read.and_then(|filled| {
                if filled == 0 {
                    return Ok(false);
                }
                self.open(&mut wire.incoming[..filled], |plain| early.extend_from_slice(plain))?;
                Ok(true)
            }))
        });
        self.early = early;
        more
    }

    /// Reads what is there, behind what is left of the time before, and says how much that is; 0 at
    /// the end.
    fn fill(&mut self, cx: &mut Context, incoming: &mut [u8]) -> Poll<io::Result<usize>> {
        let left = self.partial.len();
        let end = incoming.len().min(left + READ_BYTES);
        let mut room = ReadBuf::new(&mut incoming[left..end]);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room))?;
        let fresh = room.filled().len();
        if fresh == 0 {
            return Poll::Ready(Ok(0));
        }
        incoming[..left].copy_from_slice(&self.partial);
        self.partial.clear();
        Poll::Ready(Ok(left + fresh))
    }

    /// Takes apart what was read, hands on what the client said, and keeps what is not whole. What the
    /// protocol has to say itself goes to what is unsent.
    fn open(&mut self, incoming: &mut [u8], hand_on: impl FnMut(&[u8])) -> io::Result<()> {
        let opened = self.open_records(incoming, hand_on);
        if opened.is_err() {
            self.is_over = true;
            self.is_broken = true;
            self.tell_why();
        }
        opened
    }

    fn open_records(
        &mut self,
        incoming: &mut [u8],
        mut hand_on: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut done = 0;
        loop {
            let rest = &mut incoming[done..];
            let UnbufferedStatus { discard, state } = self.session.process_tls_records(rest);
            let mut ends = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        hand_on(record.map_err(broken)?.payload);
                    }
                    // Mostly that was all, and a look for more costs as much again.
                    ends = done + discard == incoming.len();
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(|room| data.encode(room), &mut self.unsent)?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.is_over = true,
                // Nobody is offered early data, which could be replayed.
                Ok(_) => ends = true,
                Err(error) => return Err(broken(error)),
            }
            done += discard;
            if ends {
                break;
            }
        }
        let left = &incoming[done..];
        if left.len() > PARTIAL_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without an end"));
        }
        match left.is_empty() {
            // An idle connection needs none.
            true => self.partial = Vec::new(),
            false => self.partial.extend_from_slice(left),
        }
        Ok(())
    }

    /// Puts the alert that tells of an error with what is unsent. Only what is ready is fetched: the session
    /// may be amid messages, and reads nothing any more.
    fn tell_why(&mut self) {
        while self.session.wants_write() {
            match self.session.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if encode(|room| data.encode(room), &mut self.unsent).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Writes what is left of the time before; pending while the socket does not take all of it.
    pub(super) fn poll_unsent(&mut self, cx: &mut Context) -> Poll<io::Result<()>> {
        let (sent, result) = write_out(&mut self.socket, cx, &self.unsent);
        match sent == self.unsent.len() {
            true => self.unsent = Vec::new(),
            false => drop(self.unsent.drain(..sent)),
        }
        result
    }

    fn seal(&mut self, plain: &[u8], outgoing: &mut [u8]) -> io::Result<usize> {
        seal(&mut self.session, &mut self.partial, &mut self.unsent, plain, outgoing)
    }

    /// Seals as much as goes at once and writes it; says how much that was. What the socket does not
    /// take is kept, and counts as written.
    fn poll_seal(
        &mut self,
        cx: &mut Context,
        pieces: &[IoSlice],
        wire: &mut Wire,
    ) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let plain = gather(pieces, &mut wire.plain);
        let count = self.seal(plain, &mut wire.outgoing)?;
        let sealed = &wire.outgoing[..count];
        if !self.unsent.is_empty() {
            // The protocol had something to say first.
            self.unsent.extend_from_slice(sealed);
            if let Poll::Ready(sent) = self.poll_unsent(cx) {
                sent?;
            }
            return Poll::Ready(Ok(plain.len()));
        }
        let (sent, result) = write_out(&mut self.socket, cx, sealed);
        if let Poll::Ready(result) = result {
            result?;
        }
        self.unsent.extend_from_slice(&sealed[sent..]);
        Poll::Ready(Ok(plain.len()))
    }
}

impl Transport for TlsStream {
    fn kept(&self) -> usize {
        self.unsent.len()
    }

    fn part(&mut self) {
        // Amid a record it would be taken for a part of it.
        if self.is_broken || !self.try_flush() {
            return;
        }
        let mut notice = [0; 64];
        let queue = |mut traffic: Traffic| traffic.queue_close_notify(&mut notice);
        let Ok(count) =
            when_writable(&mut self.session, &mut self.partial, &mut self.unsent, queue)
        else {
            return;
        };
        if let Ok(count) = count {
            self.unsent.extend_from_slice(&notice[..count]);
        }
        self.try_flush();
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
        buffer: &mut ReadBuf,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.early.is_empty() {
            let count = this.early.len().min(buffer.remaining());
            buffer.put_slice(&this.early[..count]);
            match count == this.early.len() {
                true => this.early = Vec::new(),
                false => drop(this.early.drain(..count)),
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        WIRE.with_borrow_mut(|wire| {
            loop {
                if this.is_over {
                    return Poll::Ready(Ok(()));
                }
                let filled = ready!(this.fill(cx, &mut wire.incoming))?;
                if filled == 0 {
                    this.is_over = true;
                    return Poll::Ready(Ok(()));
                }
                let mut spilled = Vec::new();
                let opened = this.open(&mut wire.incoming[..filled], |plain| {
                    let fits = plain.len().min(buffer.remaining());
                    buffer.put_slice(&plain[..fits]);
                    spilled.extend_from_slice(&plain[fits..]);
                });
                if let Err(why) = opened {
                    this.try_flush();
                    return Poll::Ready(Err(why));
                }
                this.early = spilled;
                if !this.unsent.is_empty()
                    && let Poll::Ready(sent) = this.poll_unsent(cx)
                {
                    sent?;
                }
                if buffer.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
            }
        })
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
        plain: &[u8],
    ) -> Poll<io::Result<usize>> {
        if WRITES_FAIL.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        ready!(self.poll_unsent(cx))?;
        WIRE.with_borrow_mut(|wire| self.poll_seal(cx, &[IoSlice::new(plain)], wire))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
        pieces: &[IoSlice],
    ) -> Poll<io::Result<usize>> {
        if WRITES_FAIL.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        ready!(self.poll_unsent(cx))?;
        WIRE.with_borrow_mut(|wire| self.poll_seal(cx, pieces, wire))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        self.poll_unsent(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        self.part();
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// As much of the pieces as there is room for, in one.
fn gather<'a>(pieces: &[IoSlice], room: &'a mut [u8]) -> &'a [u8] {
    let mut filled = 0;
    for piece in pieces {
        let fits = piece.len().min(room.len() - filled);
        room[filled..filled + fits].copy_from_slice(&piece[..fits]);
        filled += fits;
    }
    &room[..filled]
}

/// Seals what there is to say; what the protocol must say before goes to `unsent`.
fn seal(
    session: &mut UnbufferedServerConnection,
    partial: &mut [u8],
    unsent: &mut Vec<u8>,
    plain: &[u8],
    outgoing: &mut [u8],
) -> io::Result<usize> {
    let encrypt = |mut traffic: Traffic| traffic.encrypt(plain, outgoing);
    when_writable(session, partial, unsent, encrypt)?.map_err(|error| match error {
        EncryptError::InsufficientSize(_) => unreachable!("the buffer has room for it"),
        EncryptError::EncryptExhausted => io::ErrorKind::BrokenPipe.into(),
    })
}

/// A session in which records may be written.
type Traffic<'s> = WriteTraffic<'s, ServerConnectionData>;

/// Acts once records may be written; what the protocol must say before goes to `unsent`.
///
/// rustls knows where in `partial` its messages are that have not come whole, so it must be shown that
/// whenever it is asked for anything.
fn when_writable<R>(
    session: &mut UnbufferedServerConnection,
    partial: &mut [u8],
    unsent: &mut Vec<u8>,
    act: impl FnOnce(Traffic) -> R,
) -> io::Result<R> {
    loop {
        match session.process_tls_records(partial).state.map_err(broken)? {
            ConnectionState::WriteTraffic(traffic) => return Ok(act(traffic)),
            ConnectionState::EncodeTlsData(mut data) => encode(|room| data.encode(room), unsent)?,
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => (),
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Writes as much as the socket takes; says how much that was, and whether it was all.
fn write_out(
    socket: &mut TcpStream,
    cx: &mut Context,
    bytes: &[u8],
) -> (usize, Poll<io::Result<()>>) {
    let mut sent = 0;
    while sent < bytes.len() {
        match Pin::new(&mut *socket).poll_write(cx, &bytes[sent..]) {
            Poll::Ready(Ok(0)) => return (sent, Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
            Poll::Ready(Ok(count)) => sent += count,
            Poll::Ready(Err(error)) => return (sent, Poll::Ready(Err(error))),
            Poll::Pending => return (sent, Poll::Pending),
        }
    }
    (sent, Poll::Ready(Ok(())))
}

/// Puts a record of the protocol's own behind what is unsent.
fn encode(
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
    unsent: &mut Vec<u8>,
) -> io::Result<()> {
    let begin = unsent.len();
    let needed = match encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    unsent.resize(begin + needed, 0);
    encode(&mut unsent[begin..]).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(())
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
