//! One client's socket: read what is there, run it, write the answers.
//!
//! All connections of a thread share one buffer to read into and one to answer in. A connection
//! costs memory of its own only while a frame is incomplete, an answer is not taken, or what it sent is
//! left at the door for another thread to run. It leaves one thing at a time and reads on when it has
//! the answer, so a client can make nobody keep more than one buffer of it.
//!
//! With a log, an answer may have to wait until that has what it tells of (`scribe.rs`). It waits among
//! what the socket did not take, and the client is not read from meanwhile.

use super::answers::Answers;
use super::door::Door;
use super::poll;
use super::transport::Transport;
use crate::base::lead::Led;
use crate::engine::session::Mailbox;
use crate::engine::{Closing, Engine, Outbox, SessionKey};
use crate::world::time::Now;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;
use tokio::sync::oneshot;

const READ_BYTES: usize = 64 * 1024;
/// Where so much was read there may be more, and others have their turn before it. TLS reads at most 44 KiB at once,
/// of which up to 16 may be part of a record.
const MUCH_BYTES: usize = 24 * 1024;
/// Pieces that one write takes at the most: an array of 1 KiB on the stack.
const PIECES_MAX: usize = 64;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        read: Led::new(READ_BYTES),
        answers: Answers::default(),
    });
}

struct Buffers {
    read: Led,
    answers: Answers,
}

/// Serves a client until one side ends the connection.
pub async fn serve<S: Transport>(stream: S, door: Door, who: SessionKey, mailbox: Arc<Mailbox>) {
    let mut connection = Connection {
        stream,
        door,
        who,
        mailbox,
        unsent: Outbox::default(),
        grown: false,
        more: false,
        stalled: false,
        may_go_on: false,
        left: None,
        held: 0,
        closing: Closing::No,
    };
    loop {
        match poll_fn(|cx| connection.turn(cx)).await {
            Ok(Turn::Again) => (),
            // Others get their turn before the next large read.
            Ok(Turn::Yield) => tokio::task::yield_now().await,
            Ok(Turn::Over) | Err(_) => break,
        }
    }
    connection.stream.part();
    connection.door.soon(move |engine, _| engine.disconnect(who));
    // What was held for the client is said to be gone when it is.
    let Connection { door, mailbox, stream, unsent, .. } = connection;
    drop((stream, unsent));
    door.publish_memory();
    drop(mailbox);
}

struct Connection<S> {
    stream: S,
    door: Door,
    who: SessionKey,
    mailbox: Arc<Mailbox>,
    /// What the socket did not take yet.
    unsent: Outbox,
    /// That is more than the engine knows of.
    grown: bool,
    /// The outbox holds something, or requests wait, for when `unsent` is gone.
    more: bool,
    /// Requests wait, for when less is unsent.
    stalled: bool,
    /// The engine would go on with them if no more were unsent than it knew of.
    may_go_on: bool,
    /// Another thread runs what this client sent.
    left: Option<oneshot::Receiver<News>>,
    /// How far the log must have come before anything is sent; 0 when nothing waits for it.
    held: u64,
    closing: Closing,
}

/// What the engine has for a client.
struct News {
    closing: Closing,
    /// To be sent behind the answers.
    outbox: Outbox,
    /// There is more, for when the socket has taken what was sent before.
    more: bool,
    /// Requests of the client wait until it has read some of its answers.
    stalled: bool,
    may_go_on: bool,
    /// How far the log must have come before any of it is sent.
    after: u64,
}

enum Turn {
    Again,
    Yield,
    Over,
}

impl<S: Transport> Connection<S> {
    fn turn(&mut self, cx: &mut Context) -> Poll<io::Result<Turn>> {
        if let Some(left) = &mut self.left {
            let news = Pin::new(left).poll(cx);
            if news.is_pending() {
                if !self.is_sent() && self.held == 0 {
                    self.flush(cx)?;
                }
                return Poll::Pending;
            }
            self.left = None;
            // Nobody runs what is left any more: the server ends.
            let Poll::Ready(Ok(news)) = news else { return Poll::Ready(Ok(Turn::Over)) };
            return Poll::Ready(self.settle(&mut Vec::new(), 0, news, cx));
        }
        if self.held > 0 && !self.let_go(cx) {
            return match self.is_killed() {
                true => Poll::Ready(Ok(Turn::Over)),
                false => Poll::Pending,
            };
        }
        if !self.is_sent() {
            self.flush(cx)?;
        }
        let goes_on = self.more && (self.is_sent() || self.has_read_enough());
        if self.mailbox.take() || self.grown || goes_on {
            return Poll::Ready(self.mail(cx));
        }
        if self.is_over() {
            return Poll::Ready(Ok(Turn::Over));
        }
        let turn = match self.reads_too_little() {
            true => Poll::Pending,
            false => self.read(cx),
        };
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

    /// Are there so many answers that the socket does not take that nothing more is to be run meanwhile?
    #[inline]
    fn reads_too_little(&self) -> bool {
        !self.unsent.is_empty()
            && (self.stalled || self.unsent.len() >= self.mailbox.ledger().pause_at())
    }

    /// Has the client read so much that the requests which wait may run?
    fn has_read_enough(&self) -> bool {
        self.may_go_on && self.in_flight() <= self.mailbox.ledger().goes_on_at()
    }

    /// Has the log come so far that what is held may be sent?
    #[cold]
    fn let_go(&mut self, cx: &mut Context) -> bool {
        let scribe = self.door.scribe();
        // First to be rung for, then the look: the log may come so far in between.
        self.mailbox.register(cx.waker());
        if scribe.may_leave(self.held) {
            self.held = 0;
        }
        self.held == 0
    }

    /// While an answer is held nothing else is looked at but whether the client is to go.
    #[cold]
    fn is_killed(&mut self) -> bool {
        if !self.mailbox.take() {
            return false;
        }
        // What it was rung for is seen to later.
        self.more = true;
        let who = self.who;
        self.door.try_fetch(|engine| engine.is_gone(who)).unwrap_or(false)
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
            poll::note_event();
            let much = fresh.len() >= MUCH_BYTES;
            let turn = self.run(fresh, &mut buffers.answers, cx);
            Poll::Ready(match turn {
                Ok(Turn::Again) if much => Ok(Turn::Yield),
                turn => turn,
            })
        })
    }

    /// The engine has something for this client: a message, a resumption, an end.
    fn mail(&mut self, cx: &mut Context) -> io::Result<Turn> {
        self.grown = false;
        let who = self.who;
        // Mostly it is a message, and many clients get theirs at once.
        match self.door.try_fetch(|engine| messages(engine, who)) {
            Some(Some(news)) => self.settle(&mut Vec::new(), 0, news, cx),
            _ => BUFFERS.with_borrow_mut(|buffers| self.run(&[], &mut buffers.answers, cx)),
        }
    }

    /// Brings the engine what was read, and the client what the engine has for it: answers and messages.
    #[inline]
    fn run(&mut self, fresh: &[u8], answers: &mut Answers, cx: &mut Context) -> io::Result<Turn> {
        let who = self.who;
        answers.clear();
        let begin = answers.bytes.len();
        let ledger = self.mailbox.ledger();
        let visit = |engine: &mut Engine, now| {
            let news = visit(engine, who, fresh, &mut answers.bytes, now);
            answers.count(ledger);
            news
        };
        match self.door.try_enter(visit) {
            Ok(news) => {
                let turn = self.settle(&mut answers.bytes, begin, news, cx);
                answers.give_back(self.mailbox.ledger(), || self.door.publish_memory());
                turn
            }
            Err(_) => {
                self.leave(fresh.to_vec());
                Ok(Turn::Again)
            }
        }
    }

    /// Another thread is inside the engine, and runs what was read before it goes.
    #[cold]
    fn leave(&mut self, fresh: Vec<u8>) {
        let (tell, told) = oneshot::channel();
        let who = self.who;
        self.left = Some(told);
        self.door.leave(move |engine, now| {
            let mut answers = Vec::new();
            let mut news = visit(engine, who, &fresh, &mut answers, now);
            if !answers.is_empty() {
                news.outbox.keep(&mut answers, 0);
                engine.set_in_flight(who, &news.outbox, 0);
            }
            // A connection that broke meanwhile needs no answer.
            let _ = tell.send(news);
        });
    }

    /// Writes what the socket takes at once of what stands behind `begin`, and keeps the rest. There are
    /// answers only while nothing is unsent, and then there is nothing else.
    fn settle(
        &mut self,
        answers: &mut Vec<u8>,
        begin: usize,
        news: News,
        cx: &mut Context,
    ) -> io::Result<Turn> {
        self.closing = news.closing;
        self.more = news.more;
        (self.stalled, self.may_go_on) = (news.stalled, news.may_go_on);
        if news.closing == Closing::Now {
            return Ok(Turn::Over);
        }
        if news.after > 0 && !self.door.scribe().may_leave(news.after) {
            self.hold(answers, begin, news);
            return Ok(Turn::Again);
        }
        if answers.len() > begin {
            self.answer(answers, begin, cx)?;
        }
        if !news.outbox.is_empty() {
            assert!(self.unsent.is_empty(), "what comes later queues behind what is unsent");
            self.unsent = news.outbox;
            self.flush(cx)?;
        }
        // Mostly everything is written and nobody is leaving.
        Ok(if self.is_over() { Turn::Over } else { Turn::Again })
    }

    /// Keeps what is to be sent until the log has come so far.
    fn hold(&mut self, answers: &mut Vec<u8>, begin: usize, news: News) {
        if answers.len() == begin && news.outbox.is_empty() {
            return;
        }
        assert!(self.unsent.is_empty(), "what comes later queues behind what is unsent");
        self.unsent.keep(answers, begin);
        self.unsent.append(news.outbox);
        self.tell_in_flight();
        self.held = news.after;
        self.door.scribe().hold(news.after, &self.mailbox, self.door.thread());
    }

    fn answer(&mut self, answers: &mut Vec<u8>, begin: usize, cx: &mut Context) -> io::Result<()> {
        let mut sent = begin;
        while sent < answers.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &answers[sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => sent += bytes,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if sent < answers.len() {
            assert!(self.unsent.is_empty(), "answers queue behind what is unsent");
            self.unsent.keep(answers, sent);
        }
        if !self.is_sent() {
            self.tell_in_flight();
            self.grown = true;
        }
        Ok(())
    }

    /// Goes on writing what the socket did not take.
    fn flush(&mut self, cx: &mut Context) -> io::Result<()> {
        let before = self.in_flight();
        while !self.unsent.is_empty() {
            match self.write_some(cx) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => self.unsent.advance(bytes),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if self.stream.kept() > 0
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            flushed?;
        }
        // In this order: else what is freed would count as data for a moment, and others may look in between.
        self.door.publish_memory();
        self.tell_in_flight();
        // What is answered at once needs no note: then something was received just now.
        if self.in_flight() < before {
            self.mailbox.note_sent(self.door.rough_us());
        }
        Ok(())
    }

    fn write_some(&mut self, cx: &mut Context) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let mut room = [IoSlice::new(&[]); PIECES_MAX];
        match self.unsent.slices(&mut room) {
            1 => stream.poll_write(cx, &room[0]),
            count => stream.poll_write_vectored(cx, &room[..count]),
        }
    }

    /// The client has been told everything, the last word included.
    fn is_over(&self) -> bool {
        match self.closing {
            Closing::No => false,
            Closing::AfterReply => self.is_sent() && !self.more,
            Closing::Now => true,
        }
    }

    /// Bytes that were taken from the engine and not by the socket.
    fn in_flight(&self) -> usize {
        self.unsent.len() + self.stream.kept()
    }

    fn tell_in_flight(&self) {
        self.mailbox.set_in_flight(&self.unsent, self.stream.kept());
    }

    fn is_sent(&self) -> bool {
        self.unsent.is_empty() && self.stream.kept() == 0
    }
}

/// The messages to a client to which nothing else happened.
#[inline]
fn messages(engine: &mut Engine, who: SessionKey) -> Option<News> {
    let session = engine.sessions.get(who)?;
    let only_messages = engine.exit.is_none()
        && session.closing == Closing::No
        && !session.is_waiting()
        && !session.outbox.is_empty()
        && session.mailbox.in_flight() == 0;
    only_messages.then(|| News {
        closing: Closing::No,
        outbox: engine.take_outbox(who),
        more: false,
        stalled: false,
        may_go_on: false,
        after: engine.log_needed(None),
    })
}

/// What a connection does in the engine, on whichever thread.
#[inline]
fn visit(
    engine: &mut Engine,
    who: SessionKey,
    fresh: &[u8],
    answers: &mut Vec<u8>,
    now: Now,
) -> News {
    if engine.exit.is_some() {
        // Nothing runs any more once the server has decided to end.
        return News {
            closing: Closing::Now,
            outbox: Outbox::default(),
            more: false,
            stalled: false,
            may_go_on: false,
            after: 0,
        };
    }
    let logged = engine.effects.offset();
    if fresh.is_empty() {
        engine.mail(who, answers, now);
    } else {
        engine.receive(who, fresh, answers, now);
    }
    let session = &engine.sessions[who];
    let (closing, mut more) = (session.closing, !session.outbox.is_empty());
    let mut outbox = Outbox::default();
    if more && session.mailbox.in_flight() == 0 {
        outbox = engine.take_outbox(who);
        more = false;
        let session = &engine.sessions[who];
        if !session.is_waiting() {
            // It rang for what was taken now.
            session.mailbox.take();
        }
    }
    // Messages may tell of what others wrote.
    let before = if outbox.is_empty() { Some(logged) } else { None };
    let session = &engine.sessions[who];
    let (stalled, may_go_on) = (session.stalled, session.may_go_on());
    let after = engine.log_needed(before);
    News { closing, outbox, more: more || stalled, stalled, may_go_on, after }
}
