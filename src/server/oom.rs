//! Whom the kernel ends first when the machine's memory runs out: `oom-score-adj`.
//!
//! The score that the process had is kept when ours is first put in its place, and put back when the directive is
//! switched off. Snapshots are written by a thread, so the score of a background child is nobody's.

use crate::config::{Config, OomScoreAdj};
use std::io;
use std::sync::Mutex;

const FILE: &str = "/proc/self/oom_score_adj";
/// What the kernel takes.
const LOWEST: i32 = -1000;
const HIGHEST: i32 = 1000;

/// The score that ours stands in the place of.
static BEFORE: Mutex<Option<i32>> = Mutex::new(None);

pub fn set(config: &Config) -> io::Result<()> {
    let mut before = BEFORE.lock().unwrap_or_else(|broken| broken.into_inner());
    let own = config.oom_score_adj_values[0];
    let (score, stands_for) = match (config.oom_score_adj, *before) {
        (OomScoreAdj::No, None) => return Ok(()),
        (OomScoreAdj::No, Some(found)) => (found, None),
        (adj, before) => {
            let found = before.map_or_else(read, Ok)?;
            (if adj == OomScoreAdj::Absolute { own } else { found + own }, Some(found))
        }
    };
    std::fs::write(FILE, score.clamp(LOWEST, HIGHEST).to_string())
        .inspect_err(|error| tracing::warn!("Unable to write oom_score_adj: {error}"))?;
    *before = stands_for;
    Ok(())
}

fn read() -> io::Result<i32> {
    let text = std::fs::read_to_string(FILE)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a number"))
}
