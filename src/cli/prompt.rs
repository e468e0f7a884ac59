//! Commands a line each: from a person at a terminal, or from whatever standard input is.

use super::options::Target;
use super::session::{Outcome, Session};
use crate::base::bytes::split_line;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What took so long is worth saying.
const LONG: Duration = Duration::from_millis(500);

/// Until there are no more lines, or somebody says `quit`.
pub fn run(mut session: Session) -> i32 {
    let is_person = io::stdin().is_terminal();
    let mut lines = io::stdin().lock();
    session.connect();
    loop {
        if is_person {
            print!("{}", prompt(&session));
            let _ = io::stdout().flush();
        }
        let mut line = Vec::new();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => return 0,
            Ok(_) => (),
            Err(why) => {
                eprintln!("Error: {why}");
                return 1;
            }
        }
        let Some(mut words) = split_line(&line) else {
            println!("Invalid argument(s)");
            continue;
        };
        let Some(first) = words.first() else { continue };
        match first.to_ascii_lowercase().as_slice() {
            b"quit" | b"exit" => return 0,
            b"clear" if is_person => print!("\x1b[H\x1b[2J"),
            b"help" | b"?" if is_person => println!(
                "Any command of the server; `3 incr x` runs one three times; `connect HOST PORT`, `clear`, `quit`."
            ),
            b"connect" if words.len() == 3 => connect(&mut session, &words),
            _ => {
                let times =
                    std::str::from_utf8(first).ok().and_then(|word| word.parse::<u64>().ok());
                match times.filter(|_| words.len() > 1) {
                    Some(times) => {
                        words.remove(0);
                        (0..times).all(|_| act(&mut session, &words, is_person));
                    }
                    None => drop(act(&mut session, &words, is_person)),
                }
            }
        }
    }
}

/// Runs one command; says whether there is a connection after it.
#[expect(clippy::disallowed_methods, reason = "a person is told how long it took")]
fn act(session: &mut Session, words: &[Vec<u8>], is_person: bool) -> bool {
    let began = Instant::now();
    let was_connected = session.is_connected();
    if !session.connect() {
        return false;
    }
    let outcome = match session.issue(words, false) {
        // The server may have been started anew since the last command.
        Outcome::Lost(_) if was_connected && session.connect() => session.issue(words, false),
        outcome => outcome,
    };
    if let Outcome::Lost(why) = outcome {
        eprintln!("Error: {why}");
        return false;
    }
    if is_person && session.is_for_people() && began.elapsed() >= LONG {
        println!("({:.2}s)", began.elapsed().as_secs_f64());
    }
    true
}

fn connect(session: &mut Session, words: &[Vec<u8>]) {
    let host = String::from_utf8_lossy(&words[1]).into_owned();
    let Ok(port) = String::from_utf8_lossy(&words[2]).parse() else {
        return println!("Invalid server port.");
    };
    session.options.target = Target::Tcp { host, port };
    session.disconnect();
    session.connect();
}

fn prompt(session: &Session) -> String {
    if !session.is_connected() {
        return "not connected> ".into();
    }
    let place = match &session.options.target {
        Target::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Target::Tcp { host, port } => format!("{host}:{port}"),
        Target::Unix(path) => format!("redis {}", String::from_utf8_lossy(path)),
    };
    let db = match session.options.db {
        0 => String::new(),
        db => format!("[{db}]"),
    };
    let mark = if session.in_transaction { "(TX)" } else { "" };
    format!("{place}{db}{mark}> ")
}
