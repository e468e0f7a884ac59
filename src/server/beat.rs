//! The heartbeat: what the engine does when nobody asks. It slows down while nothing happens, and stops
//! once nothing can.

use super::crash;
use super::door::Door;
use super::scribe::Scribe;
use crate::commands::info;
use crate::engine::Engine;
use crate::engine::cron::Rhythm;
use crate::resp::ArgsBuf;
use crate::world::time::Now;
use std::time::Duration;
use tokio::time::sleep;

const BUSY: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);

/// Ticks for ever: time-outs, rates, the end of a pause.
pub async fn keep(door: Door) {
    loop {
        let scribe = door.scribe().clone();
        let rhythm = door.enter(move |engine, now| tick(engine, &scribe, now)).await;
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

fn tick(engine: &mut Engine, scribe: &Scribe, now: Now) -> Rhythm {
    if crash::is_enabled() && crash::wants_info(now.mono_us) {
        let sections = ArgsBuf::of(&[b"default", b"commandstats"]);
        crash::remember_info(info::report(engine, sections.args()), now.mono_us);
    }
    engine.persistence.aof.wants_rewrite = engine.is_free_to_rewrite() && scribe.wants_rewrite();
    engine.tick(now)
}
