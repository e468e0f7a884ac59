//! What the targets share with the tests.

#[path = "../../support/client.rs"]
pub mod client;
#[path = "../../support/dice.rs"]
pub mod dice;
#[path = "../../support/machine.rs"]
pub mod machine;
#[path = "../../support/recount.rs"]
pub mod recount;
#[path = "../../support/value.rs"]
pub mod value;

use russet::engine::{Engine, Peer, SessionKey};

/// A client of this machine that has logged in.
pub fn come(engine: &mut Engine, clock: &machine::Clock) -> SessionKey {
    let who = engine.connect(Peer { loopback: true, ..Peer::default() }, clock.now());
    engine.sessions[who].authenticated = true;
    who
}
