//! The shortest history that still shows a difference, by delta debugging: leave out ever smaller
//! pieces, keep what is left whenever the same difference is still there.

use std::time::{Duration, Instant};

use crate::generate::{Act, Step};

/// A history that is a little too long is better than a test that never ends.
const TIME_MAX: Duration = Duration::from_secs(10);

/// `shows` plays a history on fresh servers and says whether its difference is still the one.
pub fn shrink(
    steps: &[Step],
    shows: &mut dyn FnMut(&[Step]) -> Result<bool, String>,
) -> Result<Vec<Step>, String> {
    let begun = Instant::now();
    let mut kept = steps.to_vec();
    let mut piece = kept.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        let mut smaller = false;
        while at < kept.len() {
            if begun.elapsed() > TIME_MAX {
                return Ok(kept);
            }
            let mut shorter = kept.clone();
            shorter.drain(at..(at + piece).min(kept.len()));
            if !shorter.is_empty() && shows(&shorter)? {
                kept = shorter;
                smaller = true;
            } else {
                at += piece;
            }
        }
        if !(smaller && piece == 1) {
            piece /= 2;
        }
    }
    shrink_lines(kept, begun, shows)
}

/// The same for the words of each line.
fn shrink_lines(
    mut kept: Vec<Step>,
    begun: Instant,
    shows: &mut dyn FnMut(&[Step]) -> Result<bool, String>,
) -> Result<Vec<Step>, String> {
    for at in 0..kept.len() {
        let mut word = 1;
        while let Act::Line(args) = &kept[at].act
            && word < args.len()
            && begun.elapsed() < TIME_MAX
        {
            let mut shorter = kept.clone();
            let mut args = args.clone();
            args.remove(word);
            shorter[at].act = Act::Line(args);
            if shows(&shorter)? {
                kept = shorter;
            } else {
                word += 1;
            }
        }
    }
    Ok(kept)
}
