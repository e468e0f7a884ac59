//! One client's socket: read what is there, run it, write the answers.
//!
//! All connections of a thread share one buffer to read into and one to answer in. A connection
//! costs memory of its own only while a frame is incomplete or an answer is not taken.

use super::door::Door;
use crate::engine::session::Mailbox;
use crate::engine::{Closing, Outbox, SessionKey};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const READ_BYTES: usize = 64 * 1024;
/// An answer buffer that has grown beyond this is not kept.
const ANSWER_BYTES_KEPT: usize = 1024 * 1024;
/// Pieces that one write takes at the most: an array of 1 KiB on the stack.
const PIECES_MAX: usize = 64;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        read: vec![0; READ_BYTES].into_boxed_slice(),
        answers: Vec::with_capacity(READ_BYTES),
    });
}

struct Buffers {
    read: Box<[u8]>,
    answers: Vec<u8>,
}

/// Serves a client until one side ends the connection.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, door: Door, who: SessionKey) {
    let mailbox = door.enter(|engine| engine.sessions[who].mailbox.clone());
    let mut connection = Connection { stream, door, who, mailbox, unsent: Outbox::default() };
    loop {
        match poll_fn(|cx| connection.turn(cx)).await {
            Ok(Turn::Again) => (),
            // Others get their turn before the next full buffer.
            Ok(Turn::Yield) => tokio::task::yield_now().await,
            Ok(Turn::Over) | Err(_) => break,
        }
    }
    connection.door.enter(|engine| engine.disconnect(who));
}

struct Connection<S> {
    stream: S,
    door: Door,
    who: SessionKey,
    mailbox: Arc<Mailbox>,
    /// What the socket did not take yet.
    unsent: Outbox,
}

enum Turn {
    Again,
    Yield,
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn turn(&mut self, cx: &mut Context) -> Poll<io::Result<Turn>> {
        if self.mailbox.take() {
            return Poll::Ready(self.mail(cx));
        }
        if !self.unsent.is_empty() && self.flush(cx)? {
            return Poll::Ready(Ok(self.fate()));
        }
        let turn = self.read(cx);
        if turn.is_pending() {
            // Only now, since registering costs more than a look; and then another look, since
            // mail may have come in between.
            self.mailbox.register(cx.waker());
            if self.mailbox.take() {
                return Poll::Ready(self.mail(cx));
            }
        }
        turn
    }

    /// Reads what is there, runs it and answers.
    fn read(&mut self, cx: &mut Context) -> Poll<io::Result<Turn>> {
        BUFFERS.with_borrow_mut(|buffers| {
            let mut read = ReadBuf::new(&mut buffers.read);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let fresh = read.filled();
            if fresh.is_empty() {
                return Poll::Ready(Ok(Turn::Over));
            }
            let answers = &mut buffers.answers;
            answers.clear();
            let now = self.door.now();
            let closing = self.door.enter_at(now.mono_us, |engine| {
                engine.receive(self.who, fresh, answers, now);
                engine.sessions[self.who].closing
            });
            let full = fresh.len() == READ_BYTES;
            let turn = self.answer(answers, closing, cx);
            if answers.capacity() > ANSWER_BYTES_KEPT {
                *answers = Vec::with_capacity(READ_BYTES);
            }
            Poll::Ready(match turn {
                Ok(Turn::Again) if full => Ok(Turn::Yield),
                turn => turn,
            })
        })
    }

    /// The engine has something for this client: a message, a resumption, an end.
    fn mail(&mut self, cx: &mut Context) -> io::Result<Turn> {
        let mut answers = Vec::new();
        let idle = self.unsent.is_empty();
        let closing = self.door.enter(|engine| {
            if idle {
                self.unsent = engine.take_outbox(self.who);
            }
            // What was taken is still in flight, so resumed answers may be in the outbox by now.
            if engine.sessions[self.who].is_waiting() {
                engine.resume(self.who, &mut answers, self.door.now());
            }
            engine.sessions[self.who].closing
        });
        if !answers.is_empty() {
            return self.answer(&answers, closing, cx);
        }
        if closing == Closing::Now {
            return Ok(Turn::Over);
        }
        let sent = idle && !self.unsent.is_empty() && self.flush(cx)?;
        if sent && closing == Closing::No { Ok(Turn::Again) } else { Ok(self.fate()) }
    }

    /// Writes what the socket takes at once and keeps the rest. Answers only come here while nothing
    /// is unsent.
    fn answer(&mut self, answers: &[u8], closing: Closing, cx: &mut Context) -> io::Result<Turn> {
        if closing == Closing::Now {
            return Ok(Turn::Over);
        }
        let mut sent = 0;
        while sent < answers.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &answers[sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => sent += bytes,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        let left = answers.len() - sent;
        if left > 0 {
            assert!(self.unsent.is_empty(), "answers queue behind what is unsent");
            self.unsent.copy(&answers[sent..]);
            self.door.enter(|engine| engine.set_in_flight(self.who, left));
        }
        // Mostly everything is written and nobody is leaving, and then the engine need not be asked.
        if left == 0 && closing == Closing::No { Ok(Turn::Again) } else { Ok(self.fate()) }
    }

    /// Goes on writing what the socket did not take; says whether all of it is gone now.
    fn flush(&mut self, cx: &mut Context) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.write_some(cx) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => self.unsent.advance(bytes),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        let left = self.unsent.len();
        let more = self.door.enter(|engine| {
            engine.set_in_flight(self.who, left);
            left == 0 && !engine.sessions[self.who].outbox.is_empty()
        });
        if more {
            // What piled up behind is the next mail.
            self.mailbox.ring();
        }
        Ok(left == 0)
    }

    fn write_some(&mut self, cx: &mut Context) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let mut room = [IoSlice::new(&[]); PIECES_MAX];
        match self.unsent.slices(&mut room) {
            1 => stream.poll_write(cx, &room[0]),
            count => stream.poll_write_vectored(cx, &room[..count]),
        }
    }

    fn fate(&self) -> Turn {
        let (closing, waiting) = self.door.enter(|engine| {
            let session = &engine.sessions[self.who];
            (session.closing, session.unread() > 0)
        });
        match closing {
            Closing::No => Turn::Again,
            Closing::AfterReply if waiting => Turn::Again,
            Closing::AfterReply | Closing::Now => Turn::Over,
        }
    }
}
