//! The client under its other name, `redis-cli`: what it prints and how it ends, for the cases in `cases.txt`.
//!
//! What is expected there was printed by the real redis-cli, and where that is installed it is asked again, so that the
//! file cannot come to say what is not so. `UPDATE=1 cargo test --test cli` writes it anew from the real one.

#[path = "../support/mod.rs"]
mod support;

use russet::base::bytes::split_line;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::server::{Program, Server};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/cases.txt");

/// Paragraphs of the file: what is asked, and what is printed.
struct Case {
    /// Comments and the command.
    head: String,
    words: Vec<Vec<u8>>,
    input: String,
    expected: String,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(CASES).expect("the cases are there");
    let mut cases: Vec<Case> = Vec::new();
    let mut comments = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let head = format!("{}{line}\n", std::mem::take(&mut comments));
            let words = split_line(command.as_bytes()).expect("the quotes of a case are closed");
            cases.push(Case { head, words, input: String::new(), expected: String::new() });
        } else if let (Some(input), Some(case)) = (line.strip_prefix('<'), cases.last_mut()) {
            case.input += &format!("{input}\n");
        } else if line.starts_with('#') || line.is_empty() {
            comments += &format!("{line}\n");
        } else {
            let case = cases.last_mut().expect("output follows a command");
            case.expected += &format!("{line}\n");
        }
    }
    cases
}

/// Runs a client; what it printed on both ways, and how it ended unless that was well.
fn run(program: &PathBuf, port: u16, case: &Case) -> String {
    let mut command = Command::new(program);
    command.arg0("redis-cli");
    if !case.words.iter().any(|word| matches!(&**word, b"-p" | b"-u" | b"-s")) {
        command.args(["-p", &port.to_string()]);
    }
    let address = format!("127.0.0.1:{port}");
    for word in &case.words {
        let text = String::from_utf8(word.clone());
        match text {
            Ok(text) => command.arg(text.replace("127.0.0.1:PORT", &address)),
            Err(_) => command.arg(std::ffi::OsStr::from_bytes(word)),
        };
    }
    let mut process = command
        .env_remove("REDISCLI_AUTH")
        .env_remove("VALKEYCLI_AUTH")
        .env_remove("FAKETTY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{program:?}: {why}"));
    // It may end without having read.
    let _ = process.stdin.take().expect("it is piped").write_all(case.input.as_bytes());
    let output = process.wait_with_output().expect("it ends");
    let mut shown = String::new();
    for (mark, bytes) in [('|', &output.stdout), ('!', &output.stderr)] {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, end) = match line.strip_suffix(b"\n") {
                Some(line) => (line, ""),
                None => (line, "\\"),
            };
            let line = line.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
            let line = line.replace(&address, "127.0.0.1:PORT");
            writeln!(shown, "{mark}{line}{end}").expect("a string takes all");
        }
    }
    match output.status.code() {
        Some(0) => (),
        code => writeln!(shown, "= {code:?}").expect("a string takes all"),
    }
    shown
}

fn play(program: &PathBuf) -> Vec<(Case, String)> {
    let server = Server::start(Program::Russet, &[]).expect("the server starts");
    let cases = cases().into_iter();
    cases
        .map(|case| {
            let printed = run(program, server.port, &case);
            (case, printed)
        })
        .collect()
}

#[track_caller]
fn compare(who: &str, played: Vec<(Case, String)>) {
    let differences = played.iter().filter(|(case, printed)| case.expected != *printed);
    let shown: Vec<String> = differences
        .map(|(case, printed)| {
            format!("{}expected:\n{}but {who} printed:\n{printed}", case.head, case.expected)
        })
        .collect();
    assert!(played.len() > 50, "the cases are read");
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

fn real() -> Option<PathBuf> {
    let path = Program::Redis.path()?.with_file_name("redis-cli");
    path.exists().then_some(path)
}

#[test]
fn it_prints_what_redis_cli_prints() {
    if std::env::var_os("UPDATE").is_some() {
        let real = real().expect("the real redis-cli is there");
        let mut text = String::new();
        for (case, printed) in play(&real) {
            text += &case.head;
            case.input.lines().for_each(|line| text += &format!("<{line}\n"));
            text += &printed;
        }
        std::fs::write(CASES, text).expect("the file can be written");
    }
    let ours = Program::Russet.path().expect("it is built");
    compare("russet-cli", play(&ours));
}

#[test]
fn the_real_one_still_prints_that() {
    match real() {
        Some(real) => compare("redis-cli", play(&real)),
        None => println!("redis-cli is not installed, so nothing is compared"),
    }
}
