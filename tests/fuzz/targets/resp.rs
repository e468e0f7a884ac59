//! Any bytes, cut anywhere: whatever is answered is made of whole replies, how the bytes were cut
//! makes no difference, and what is kept of them is no more than they were.

#![no_main]

#[allow(dead_code)]
mod support;

use libfuzzer_sys::fuzz_target;
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Closing, Engine, Peer};
use support::client::Client;
use support::machine::{Clock, Machine};

fuzz_target!(|bytes: &[u8]| {
    // The first bytes say where the others are cut.
    let (cuts, bytes) = bytes.split_at(bytes.len().min(4));
    let whole = answers(bytes, &[]);
    let shown = String::from_utf8_lossy(&whole).into_owned();
    // CLIENT REPLY and MONITOR leave out answers, never parts of one.
    if let Err(why) = Client::replies(whole.clone()) {
        panic!("{why} in {shown:?}");
    }
    // INFO and its like tell how much has been read so far, and in how many pieces.
    let is_telling = |name: &[u8]| {
        let has = |part: &[u8]| part.eq_ignore_ascii_case(name);
        bytes.windows(name.len()).any(has)
    };
    if ![&b"info"[..], b"client", b"memory", b"log"].into_iter().any(is_telling) {
        assert!(whole == answers(bytes, cuts), "cut another way, the answers differ: {shown:?}");
    }
});

fn answers(mut bytes: &[u8], cuts: &[u8]) -> Vec<u8> {
    let clock = Clock::new();
    let mut config = Config::default();
    // Strings of this length are as good as endless, and take less time.
    config.proto_max_bulk_len = 1 << 20;
    let machine = Machine::new(clock.clone());
    let mut engine = Engine::new(config, TABLE, Box::new(machine), 7);
    let who = engine.connect(Peer::default(), clock.now());
    let mut all = Vec::new();
    let mut cuts = cuts.iter().cycle();
    let sent = bytes.len();
    while !bytes.is_empty() {
        let most = cuts.next().map_or(bytes.len(), |cut| 1 + *cut as usize % 64);
        let (head, tail) = bytes.split_at(most.min(bytes.len()));
        bytes = tail;
        let mut answers = Vec::new();
        engine.receive(who, head, &mut answers, clock.now());
        all.append(&mut answers);
        let session = &engine.sessions[who];
        if session.closing != Closing::No || engine.exit.is_some() {
            break;
        }
        let kept = session.input.partial.capacity();
        assert!(kept <= 1024 + 8 * sent, "{kept} bytes are kept of {sent}");
    }
    all
}
