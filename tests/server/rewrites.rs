//! Rewrites of the log, as the engine hears of them.

use crate::support::machine::{Clock, Machine};
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::Engine;
use russet::engine::persistence::Purpose;

/// An engine whose rewrite has made its base and wants the log to take it in.
fn joining() -> (Engine, Clock) {
    let clock = Clock::new();
    let mut engine =
        Engine::new(Config::default(), TABLE, Box::new(Machine::new(clock.clone())), 7);
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
