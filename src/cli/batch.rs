//! Many at once: `--pipe` sends what comes in as it is, `--scan` lists all keys.

use super::connection::{Connection, told};
use super::options::{Options, Output};
use super::reply::Reply;
use super::session::print;
use crate::base::bytes::quote;
use crate::resp::request;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sends standard input, and counts what is answered. Behind it an ECHO is sent, whose answer is the last.
pub fn pipe(options: &Options, patience: Option<Duration>) -> Result<i32, String> {
    let mut connection = Connection::greet(options)?;
    let mark: Vec<u8> = (0..20).map(|_| mark_letter()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let mut writer = connection.writer().map_err(told)?;
    let (last, sent) = (mark.clone(), over.clone());
    // Answers are read meanwhile, or both sides would wait for the other to read.
    let sender = std::thread::spawn(move || -> io::Result<()> {
        let mut input = io::stdin().lock();
        let mut buffer = [0; 64 << 10];
        loop {
            match input.read(&mut buffer)? {
                0 => break,
                count => writer.write_all(&buffer[..count])?,
            }
        }
        let mut behind = b"\r\n".to_vec();
        request(&[b"ECHO".as_slice(), &last], &mut behind);
        writer.write_all(&behind)?;
        sent.store(true, Ordering::Release);
        println!("All data transferred. Waiting for the last reply...");
        Ok(())
    });
    let (mut errors, mut replies) = (0, 0);
    loop {
        // Only when all is sent is it the server's turn for certain.
        let waits = over.load(Ordering::Acquire).then_some(patience).flatten();
        connection.set_patience(waits).map_err(told)?;
        match connection.receive() {
            Ok(Reply::Text(text)) if text == mark => break,
            Ok(reply) => {
                if let Reply::Error(text) = &reply {
                    eprintln!("{}", String::from_utf8_lossy(text));
                    errors += 1;
                }
                replies += 1;
            }
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                let seconds = patience.unwrap_or_default().as_secs();
                return Err(format!("No replies for {seconds} seconds: exiting."));
            }
            Err(why) => return Err(told(why)),
        }
    }
    sender.join().map_err(|_| "the thread that sends is gone".to_string())?.map_err(told)?;
    println!("Last reply received from server.\nerrors: {errors}, replies: {replies}");
    Ok((errors > 0) as i32)
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
