//! Rewrites of the log, as the engine hears of them.

use crate::support::client::{Client, encode};
use crate::support::machine::{Clock, Machine};
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::persistence::Purpose;
use russet::engine::{Engine, Peer};
use russet::keyspace::walk::{Piece, Saved};

fn new_engine() -> (Engine, Clock) {
    let clock = Clock::new();
    let machine = Box::new(Machine::new(clock.clone()));
    (Engine::new(Config::default(), TABLE, machine, 7), clock)
}

/// An engine whose rewrite has made its base and wants the log to take it in.
fn joining() -> (Engine, Clock) {
    let (mut engine, clock) = new_engine();
    engine.begin_snapshot(Purpose::Rewrite).expect("nothing else is under way");
    engine.begin_walk().expect("it was asked for");
    assert!(engine.join_base());
    (engine, clock)
}

/// The log could not make the file that follows the base, and the base is whole before the engine hears of that.
#[test]
fn a_rewrite_whose_log_has_failed_has_failed_too() {
    let (mut engine, clock) = joining();
    engine.leave_base(clock.now());
    assert!(!engine.persistence.is_taking(Purpose::Rewrite));
    assert!(!engine.persistence.aof.last_rewrite_ok);
}

#[test]
fn a_rewrite_that_was_given_up_has_not_failed() {
    let (mut engine, clock) = joining();
    engine.cancel_snapshot(Purpose::Rewrite);
    engine.leave_base(clock.now());
    assert!(!engine.persistence.is_taking(Purpose::Rewrite));
    assert!(engine.persistence.aof.last_rewrite_ok);
}

/// What a line of the log reads may be gone before the walk comes to it, and whoever replays the line needs it.
#[test]
fn a_base_has_what_lines_of_the_log_read_though_it_expires_meanwhile() {
    let (mut engine, clock) = new_engine();
    engine.tell_log();
    let who = engine.connect(Peer::default(), clock.now());
    let say = |engine: &mut Engine, line: &str| {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let (mut frame, mut answers) = (Vec::new(), Vec::new());
        encode(&words, &mut frame);
        engine.receive(who, &frame, &mut answers, clock.now());
        for reply in Client::replies(answers).expect("whole replies") {
            assert!(!reply.is_error(), "{line}: {reply}");
        }
    };
    for line in [
        "SET copied 1 PX 100",
        "SADD united a",
        "PEXPIRE united 100",
        "SET weight:a 1 PX 100",
        "SET unread 1 PX 100",
        "RPUSH list a",
    ] {
        say(&mut engine, line);
    }
    engine.keyspace.begin_walk();
    for line in ["COPY copied one", "SUNIONSTORE two united", "SORT list BY weight:* STORE three"] {
        say(&mut engine, line);
    }
    clock.pass(200_000);
    engine.sweep(clock.now());
    let mut base = Vec::new();
    loop {
        let is_left = engine.keyspace.walk(100);
        for piece in engine.keyspace.take_pieces() {
            let Piece::Entries(entries) = piece else { panic!("nothing is long") };
            let visit = |saved: Saved| -> Result<(), ()> {
                base.push(String::from_utf8_lossy(saved.key).into_owned());
                Ok(())
            };
            entries.each(visit).expect("nothing fails");
        }
        if !is_left {
            break;
        }
    }
    base.sort();
    assert_eq!(base, ["copied", "list", "united", "weight:a"]);
}

/// What a snapshot's writer has goes by itself, and is no reason to evict anything.
#[test]
fn what_a_writer_has_in_its_hands_does_not_count() {
    let (mut engine, clock) = new_engine();
    let who = engine.connect(Peer::default(), clock.now());
    let (mut frame, mut answers) = (Vec::new(), Vec::new());
    encode(&["SETRANGE", "long", "3000000", "x"], &mut frame);
    engine.receive(who, &frame, &mut answers, clock.now());
    engine.begin_snapshot(Purpose::Save).expect("nothing else is under way");
    let (_, in_hand) = engine.begin_walk().expect("it was asked for");
    let slice = engine.snapshot_slice(1000, clock.now());
    let handed: u64 = slice.pieces.iter().map(Piece::memory).sum();
    assert!(handed > 100_000, "{handed}");
    let held = engine.not_counted();
    assert!(held >= handed, "{held} of {handed}");
    drop(slice);
    in_hand.remove(handed);
    assert_eq!(engine.not_counted(), held - handed);
}
