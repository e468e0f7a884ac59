//! The simulator: random clients on one engine, a clock of our own, everything from one seed.
//!
//! ```text
//! cargo test --test sim                      a few seconds of seeds, the same every time
//! SIM_FROM=new cargo test --test sim         a few seconds of new ones
//! SIM_SECONDS=600 cargo test --test sim      longer
//! SEED=123 cargo test --test sim             one run again, looked at after each event
//! DURABILITY=2000 cargo test --test sim      so many seeds of durability alone
//! DURABILITY_SEED=12 cargo test --test sim   one of these again
//! ```
//!
//! What must hold: nothing panics; every request is answered once, in order and well formed; a
//! second engine that hears only the log has the same data; keys that are due do not show; what is
//! counted agrees with a recount; SCAN returns what was there all the while, once; a snapshot has what was
//! there when it began. And who listens to
//! channels is sent every byte that a model expects, in order; who keeps copies of keys never keeps a
//! stale one. And what was promised of data on disk holds when the power goes (`durability.rs`).

mod audience;
mod copies;
mod disk;
mod durability;
mod simulation;
#[path = "../support/mod.rs"]
mod support;

use durability::Scene;
use simulation::{Trace, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use support::dice::Dice;

/// Seeds that found something once, and what it was.
const REGRESSIONS: &[(u64, &str)] = &[
    (873016862, "an empty subcommand was taken for its container, which ended the process"),
    (670845699, "a client whose end was decided could have more requests run"),
    (
        10,
        "a snapshot that had been asked for only took the walk of another with it when all keys went",
    ),
    (
        32811647,
        "of an entry that was trimmed as soon as it was added the log told its origin too late",
    ),
    (580536733, "MSETEX with a deadline in the past stored what was gone at once"),
    (
        328817641,
        "when the clock had been set back, elements with new deadlines were hidden at once",
    ),
];

/// The same of durability.
const DURABILITY_REGRESSIONS: &[(u64, &str)] = &[
    (263, "a claim for any idleness left out what was delivered by a clock that was ahead"),
    (5184, "a key that was copied, and expired before the walk came to it, was not in the base"),
    (59823, "a remark was read across a hole, and the beginning of a transaction was in it"),
    (17373, "a file was removed that the manifest told of, whose writing had seemed to fail"),
];

const SECONDS: u64 = 5;
const DURABILITY_SEEDS: u64 = 60;

fn main() -> ExitCode {
    // A name on the command line asks for the tests that are called so.
    let mut names = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    if names.peek().is_some() && !names.any(|name| "sim".contains(&name)) {
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = number("DURABILITY_SEED") {
        return if survives(seed) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Some(seeds) = number("DURABILITY") {
        let first = first_seed();
        let failed = (first..first + seeds).filter(|seed| !survives(*seed)).count();
        println!("sim: {seeds} seeds of durability from {first} on, {failed} failed");
        return if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Some(seed) = number("SEED") {
        return if holds(seed, "as asked") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    #[expect(clippy::disallowed_methods, reason = "how long to go on is a person's wish")]
    let begun = Instant::now();
    let first = first_seed();
    let time = Duration::from_secs(number("SIM_SECONDS").unwrap_or(SECONDS));
    let mut runs = 0;
    for (seed, what) in REGRESSIONS {
        if !holds(*seed, what) {
            return ExitCode::FAILURE;
        }
        runs += 1;
    }
    for seed in first.. {
        if begun.elapsed() >= time {
            break;
        }
        if !holds(seed, "new") {
            return ExitCode::FAILURE;
        }
        runs += 1;
    }
    let known = DURABILITY_REGRESSIONS.iter().map(|(seed, _)| *seed);
    for seed in known.chain(first..first + DURABILITY_SEEDS) {
        if !survives(seed) {
            return ExitCode::FAILURE;
        }
    }
    println!(
        "sim: {runs} runs in {:.1} s, the last ones from seed {first} on",
        begun.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

/// The same seeds every time, so that a test which passed once passes again; a search for new
/// mistakes asks for new ones.
fn first_seed() -> u64 {
    if std::env::var("SIM_FROM").is_ok_and(|from| from == "new") {
        #[expect(clippy::disallowed_methods, reason = "nothing else is new every time")]
        let now = SystemTime::now();
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Small numbers are easier to say.
        return now.as_nanos() as u64 % 1_000_000_000;
    }
    number("SIM_FROM").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Plays a seed; when it fails, once more and closely, to show where.
fn holds(seed: u64, why: &str) -> bool {
    let closely = std::env::var_os("SEED").is_some();
    if !closely && play(seed, None).is_ok() {
        return true;
    }
    let trace = Trace::default();
    let second = play(seed, Some(trace.clone()));
    let Err(what) = second else {
        if !closely {
            // Looking changes nothing, so this is a failure that depends on more than the seed.
            println!("sim: SEED={seed} ({why}) failed, and does not fail when looked at closely");
        }
        return closely;
    };
    println!("sim: SEED={seed} ({why}) fails; what happened last:");
    trace.borrow().iter().for_each(|event| println!("  {event}"));
    println!("sim: {what}\nsim: again with SEED={seed} cargo test --test sim");
    false
}

/// Plays a seed of durability; when it fails, once more, to show where.
fn survives(seed: u64) -> bool {
    let play = |trace: Option<Trace>| {
        let run = || {
            durability::play(&mut Dice::seeded(seed, 3), Scene::Plain, trace.clone())?;
            durability::play_snapshots(&mut Dice::seeded(seed, 4))?;
            durability::play(&mut Dice::seeded(seed, 5), Scene::Combining, trace.clone())?;
            durability::play(&mut Dice::seeded(seed, 6), Scene::Evicting, trace)
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".into()))
    };
    let asked = std::env::var_os("DURABILITY_SEED").is_some();
    if !asked && play(None).is_ok() {
        return true;
    }
    let trace = Trace::default();
    let result = play(Some(trace.clone()));
    if asked || result.is_err() {
        trace.borrow().iter().for_each(|event| println!("  {event}"));
    }
    let Err(what) = result else { return true };
    println!("sim: {what}\nsim: again with DURABILITY_SEED={seed} cargo test --test sim");
    false
}

fn play(seed: u64, trace: Option<Trace>) -> Result<(), String> {
    let run = || {
        let mut dice = Dice::seeded(seed, 0);
        let events = 200 + dice.below(1500);
        World::new(&mut dice, trace).run(events, &mut dice)?;
        audience::play(&mut Dice::seeded(seed, 1))?;
        copies::play(&mut Dice::seeded(seed, 2))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".into()))
}
