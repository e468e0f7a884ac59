//! The simulation of `tests/sim`, with the fuzzer for dice: lines of the rows' grammar, clients,
//! clocks and the twin, and coverage to tell which throws are worth more.

#![no_main]

#[path = "../../sim/simulation/mod.rs"]
mod simulation;
#[allow(dead_code)]
mod support;

use libfuzzer_sys::fuzz_target;
use support::dice::Dice;

fuzz_target!(|bytes: &[u8]| {
    let mut dice = Dice::scripted(bytes);
    let outcome = simulation::World::new(&mut dice, None).run(500, &mut dice);
    outcome.unwrap_or_else(|why| panic!("{why}"));
});
