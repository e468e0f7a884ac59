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
