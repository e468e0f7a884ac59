//! The heartbeat: what the engine does when nobody asks. It slows down while nothing happens, and stops
//! once nothing can.

use super::allocator;
use super::door::Door;
use crate::engine::cron::Rhythm;
use std::time::Duration;
use tokio::time::sleep;

const BUSY: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);

/// Ticks for ever: time-outs, rates, the end of a pause; and memory that is free goes back, all of it
/// in the first tick that finds nothing done, well before ticks become rare.
pub async fn keep(door: Door) {
    let (mut ran_before, mut quiet) = (0, false);
    loop {
        let tick = door.enter(|engine, now| (engine.tick(now), engine.stats.processed));
        let (rhythm, ran) = tick.await;
        match ran == std::mem::replace(&mut ran_before, ran) {
            true if !quiet => {
                allocator::give_all_back();
                quiet = true;
            }
            true => (),
            false => {
                allocator::give_back();
                quiet = false;
            }
        }
        match rhythm {
            Rhythm::Busy => sleep(BUSY).await,
            Rhythm::Slow => tokio::select! {
                () = sleep(SLOW) => (),
                () = door.roused() => sleep(BUSY).await,
            },
            Rhythm::Never => {
                door.roused().await;
                sleep(BUSY).await;
            }
        }
    }
}
