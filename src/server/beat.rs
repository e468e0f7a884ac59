//! The heartbeat: what the engine does when nobody asks. It slows down while nothing happens, and stops
//! once nothing can.

use super::door::Door;
use crate::engine::cron::Rhythm;
use std::time::Duration;
use tokio::time::sleep;

const BUSY: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);

/// Ticks for ever: time-outs, rates, the end of a pause.
pub async fn keep(door: Door) {
    loop {
        let rhythm = door.enter(|engine, now| engine.tick(now)).await;
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
