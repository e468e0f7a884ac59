//! Commands a line each: from a person at a terminal, or from whatever standard input is.

use super::options::Target;
use super::session::{Outcome, Session, print};
use crate::base::bytes::split_line;
use crate::persist::files::said;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// What took so long is worth saying.
const LONG: Duration = Duration::from_millis(500);
/// How long a message is waited for before it is looked whether there is a line.
const LISTENING: Duration = Duration::from_millis(50);
/// The least that can be waited.
const NO_TIME: Duration = Duration::from_millis(1);
/// So many lines are read ahead.
const LINES_AHEAD: usize = 64;

/// Until there are no more lines, or somebody says `quit`.
pub fn run(mut session: Session) -> i32 {
    let is_person = io::stdin().is_terminal();
    let lines = read_lines();
    session.connect();
    loop {
        if is_person {
            print!("{}", prompt(&session));
            let _ = io::stdout().flush();
        }
        let line = match next(&lines, &mut session) {
            Ok(Some(line)) => line,
            Ok(None) => return 0,
            Err(why) => {
                eprintln!("Error: {why}");
                return 1;
            }
        };
        let Some(mut words) = split_line(&line) else {
            println!("Invalid argument(s)");
            continue;
        };
        let Some(first) = words.first() else { continue };
        let mut times = 1;
        match repeats(first).filter(|_| words.len() > 1) {
            Some(Some(count)) => {
                words.remove(0);
                times = count;
            }
            Some(None) => {
                println!("Invalid redis-cli repeat command option value.");
                continue;
            }
            None => match obey(&mut session, &words) {
                Own::No => (),
                Own::Done => continue,
                Own::Quit => return 0,
            },
        }
        if is_help(&words) {
            print_help();
            continue;
        }
        for _ in 0..times {
            match act(&mut session, &words, is_person) {
                Outcome::Answered | Outcome::Refused => (),
                Outcome::Lost(_) => break,
                Outcome::Silenced(_) => return 1,
            }
        }
    }
}

/// Lines of standard input. A thread reads them, so that a server that talks can be heard while there are none.
fn read_lines() -> Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::sync_channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line);
            let (is_over, is_failure) = (matches!(read, Ok(0)), read.is_err());
            if is_over || sender.send(read.map(|_| line)).is_err() || is_failure {
                return;
            }
        }
    });
    lines
}

/// The next line, if there is one. Until it is there, messages are printed.
fn next(
    lines: &Receiver<io::Result<Vec<u8>>>,
    session: &mut Session,
) -> Result<Option<Vec<u8>>, String> {
    let line = loop {
        if !session.listens {
            break lines.recv().ok();
        }
        match lines.try_recv() {
            Ok(line) => break Some(line),
            Err(TryRecvError::Empty) => drop(session.hear(LISTENING)?),
            Err(TryRecvError::Disconnected) => {
                // What has arrived by now was meant for this listener still.
                while session.hear(NO_TIME)? {}
                break None;
            }
        }
    };
    line.transpose().map_err(|why| said(&why))
}

/// How often a command is to be run, if that is what the word before it says; none if it cannot be run so often.
fn repeats(word: &[u8]) -> Option<Option<i64>> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // As redis-cli has it, no word is the number zero.
    (is_number || text.is_empty()).then(|| text.parse().ok().filter(|times| *times > 0))
}

/// Was that for the client itself?
enum Own {
    No,
    Done,
    Quit,
}

fn obey(session: &mut Session, words: &[Vec<u8>]) -> Own {
    match words[0].to_ascii_lowercase().as_slice() {
        b"quit" | b"exit" => return Own::Quit,
        b"connect" if words.len() == 3 => connect(session, words),
        b"clear" if words.len() == 1 => drop(print(b"\x1b[H\x1b[2J")),
        b"restart" => println!("Use 'restart' only in Lua debugging mode."),
        [b':', ..] => prefer(words),
        _ => return Own::No,
    }
    Own::Done
}

/// Preferences are about hints, and there are none here.
fn prefer(words: &[Vec<u8>]) {
    let shown = |at: usize| String::from_utf8_lossy(&words[at]).into_owned();
    let what = words.get(1).map(|word| word.to_ascii_lowercase());
    match what.as_deref() {
        Some(b"hints" | b"nohints") if shown(0).eq_ignore_ascii_case(":set") => (),
        Some(_) if shown(0).eq_ignore_ascii_case(":set") => {
            println!("unknown redis-cli preference '{}'", shown(1));
        }
        _ => println!("unknown redis-cli internal command '{}'", shown(0)),
    }
}

/// Help is given by the client, which asks no server.
pub fn is_help(words: &[Vec<u8>]) -> bool {
    words.first().is_some_and(|word| word == b"?" || word.eq_ignore_ascii_case(b"help"))
}

pub fn print_help() {
    println!(
        "Any command of the server; `3 incr x` runs one three times; `connect HOST PORT`, `clear`, `quit`."
    );
}

/// Runs one command.
#[expect(clippy::disallowed_methods, reason = "a person is told how long it took")]
fn act(session: &mut Session, words: &[Vec<u8>], is_person: bool) -> Outcome {
    let began = Instant::now();
    let was_connected = session.is_connected();
    if !session.connect() {
        return Outcome::Lost("not connected".into());
    }
    let outcome = match session.issue(words, false) {
        // The server may have been started anew since the last command.
        Outcome::Lost(_) if was_connected && session.connect() => session.issue(words, false),
        outcome => outcome,
    };
    if let Outcome::Lost(why) | Outcome::Silenced(why) = &outcome {
        eprintln!("Error: {why}");
    }
    if is_person && session.is_for_people() && began.elapsed() >= LONG {
        println!("({:.2}s)", began.elapsed().as_secs_f64());
    }
    outcome
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
    let transaction = if session.in_transaction { "(TX)" } else { "" };
    let listens = if session.listens { "(subscribed mode)" } else { "" };
    format!("{place}{db}{transaction}{listens}> ")
}
