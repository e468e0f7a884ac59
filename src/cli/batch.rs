//! Many at once: `--pipe` sends what comes in as it is, `--scan` lists all keys.

use super::connection::{Connection, told};
use super::format::pushed;
use super::options::{Options, Output};
use super::reply::Reply;
use super::session::print;
use crate::base::bytes::quote;
use crate::persist::files::said;
use crate::resp::request;
use std::io::{self, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the two that send and read have to say.
enum Event {
    /// Standard input is over.
    AllSent,
    /// All is answered.
    Over,
    Failed(String),
}

/// What was answered so far, and when that was last.
struct Tally {
    errors: u64,
    replies: u64,
    last: Instant,
}

/// Sends standard input, and counts what is answered. Behind it an ECHO is sent, whose answer is the last.
///
/// One thread sends and another reads, or both sides would wait for the other to read; whoever waits for them is free
/// to lose patience, whatever they are amid of.
#[expect(clippy::disallowed_methods, reason = "answers may take so long, and no longer")]
pub fn pipe(options: &Options, patience: Option<Duration>) -> Result<i32, String> {
    let connection = Connection::greet(options)?;
    let mark: Vec<u8> = (0..20).map(|_| mark_letter()).collect();
    let tally = Arc::new(Mutex::new(Tally { errors: 0, replies: 0, last: Instant::now() }));
    let (tell, events) = mpsc::channel();
    let writer = connection.writer().map_err(told)?;
    let (last, sender) = (mark.clone(), tell.clone());
    std::thread::spawn(move || {
        if let Err(why) = send(writer, &last, &sender) {
            let _ = sender.send(Event::Failed(why));
        }
    });
    let (known, shows_pushes) = (tally.clone(), options.clone());
    std::thread::spawn(move || {
        let event = match count(connection, &mark, &known, &shows_pushes) {
            Ok(()) => Event::Over,
            Err(_) => Event::Failed("Error reading replies from server".into()),
        };
        let _ = tell.send(event);
    });
    let mut waits_since: Option<Instant> = None;
    let gave_up = loop {
        // Only when all is sent is it the server's turn for certain.
        let event = match waits_since.zip(patience) {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((since, patience)) => {
                let passed = since.max(lock(&tally).last).elapsed();
                match patience.checked_sub(passed) {
                    Some(rest) => events.recv_timeout(rest),
                    None => break true,
                }
            }
        };
        match event {
            Ok(Event::AllSent) => {
                println!("All data transferred. Waiting for the last reply...");
                waits_since = Some(Instant::now());
            }
            Ok(Event::Over) => break false,
            Ok(Event::Failed(why)) => return Err(why),
            // There may have been answers meanwhile.
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => return Err("the threads are gone".into()),
        }
    };
    let mut tally = lock(&tally);
    if gave_up {
        let seconds = patience.unwrap_or_default().as_secs();
        eprintln!("No replies for {seconds} seconds: exiting.");
        tally.errors += 1;
    } else {
        println!("Last reply received from server.");
    }
    println!("errors: {}, replies: {}", tally.errors, tally.replies);
    Ok((tally.errors > 0) as i32)
}

/// Sends standard input, and what is behind it.
fn send(mut to: Box<dyn Write + Send>, mark: &[u8], tell: &Sender<Event>) -> Result<(), String> {
    let unsent = |why: io::Error| format!("Error writing to the server: {}", said(&why));
    let mut input = io::stdin().lock();
    let mut buffer = [0; 64 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => to.write_all(&buffer[..count]).map_err(unsent)?,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => (),
            Err(why) => return Err(format!("Error reading from stdin: {}", said(&why))),
        }
    }
    // Said before the last answer can be there.
    let _ = tell.send(Event::AllSent);
    let mut behind = b"\r\n".to_vec();
    request(&[b"ECHO".as_slice(), mark], &mut behind);
    to.write_all(&behind).map_err(unsent)
}

/// Reads answers up to the last.
#[expect(clippy::disallowed_methods, reason = "the moment of the last answer is kept")]
fn count(
    mut connection: Connection,
    mark: &[u8],
    tally: &Mutex<Tally>,
    options: &Options,
) -> io::Result<()> {
    loop {
        let reply = connection.receive()?;
        match &reply {
            Reply::Text(text) if text == mark => return Ok(()),
            Reply::Push(_) => {
                if options.shows_pushes {
                    print(&pushed(&reply, options))?;
                }
                continue;
            }
            Reply::Error(text) => eprintln!("{}", String::from_utf8_lossy(text)),
            _ => (),
        }
        let mut tally = lock(tally);
        tally.errors += reply.is_error() as u64;
        tally.replies += 1;
        tally.last = Instant::now();
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No input holds the mark by chance.
fn mark_letter() -> u8 {
    rand::random_range(b'a'..=b'z')
}

/// Every key, in the order of the server's table.
pub fn scan(options: &Options, pattern: &[u8], count: Option<&[u8]>) -> Result<(), String> {
    let mut connection = Connection::greet(options)?;
    let mut cursor = b"0".to_vec();
    loop {
        let mut words = vec![b"SCAN".as_slice(), &cursor];
        if pattern != b"*" {
            words.extend([b"MATCH".as_slice(), pattern]);
        }
        if let Some(count) = count {
            words.extend([b"COUNT".as_slice(), count]);
        }
        let reply = connection.ask(&words).map_err(told)?;
        let (next, keys) = match reply {
            Reply::Error(text) => {
                return Err(format!("SCAN error: {}", String::from_utf8_lossy(&text)));
            }
            Reply::Array(parts) => match <[Reply; 2]>::try_from(parts) {
                Ok([next, Reply::Array(keys)]) => (next.text().to_vec(), keys),
                _ => return Err("Non ARRAY response from SCAN!".into()),
            },
            _ => return Err("Non ARRAY response from SCAN!".into()),
        };
        let mut out = Vec::new();
        for key in &keys {
            match options.output {
                Output::Pretty => quote(key.text(), &mut out),
                _ => out.extend_from_slice(key.text()),
            }
            out.push(b'\n');
        }
        if print(&out).is_err() {
            return Ok(());
        }
        cursor = next;
        if cursor == b"0" {
            return Ok(());
        }
        super::watch::wait(options.interval);
    }
}
