//! HOTKEYS: which keys take the most time and the most bytes, for as long as somebody wants to know.

use crate::engine::command::{admin, container};
use crate::engine::hot_keys::{HotKeys, PARTS, Wanted};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};
use crate::spec::{ADMIN, Group, LOADING, NOSCRIPT, STALE, block, integer, token};

const EVERYWHERE: &[&str] = &["request_policy:special"];

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("HOTKEYS")
            .since("8.6.0")
            .complexity("Depends on subcommand.")
            .summary("Finds the keys that take the most."),
        admin("HOTKEYS|START", start)
            .arity(-2)
            .flags(ADMIN | NOSCRIPT)
            .since("8.6.0")
            .complexity("O(1)")
            .summary("Begins to count what keys take.")
            .tips(EVERYWHERE)
            .args(&[
                block(
                    "metrics",
                    &[
                        integer("count"),
                        token("CPU").named("cpu").optional(),
                        token("NET").named("net").optional(),
                    ],
                )
                .after("METRICS"),
                integer("k").after("COUNT").optional(),
                integer("seconds").after("DURATION").optional(),
                integer("ratio").after("SAMPLE").optional(),
                block("slots", &[integer("count"), integer("slot").repeats()])
                    .after("SLOTS")
                    .optional(),
            ]),
        admin("HOTKEYS|STOP", stop)
            .arity(2)
            .flags(ADMIN | NOSCRIPT)
            .since("8.6.0")
            .complexity("O(1)")
            .summary("Ends the count, which can still be looked at.")
            .tips(EVERYWHERE),
        admin("HOTKEYS|GET", get)
            .arity(2)
            .flags(ADMIN | NOSCRIPT)
            .since("8.6.0")
            .complexity("O(K) where K is the number of hotkeys returned.")
            .summary("Lists the keys that took the most, and what was counted.")
            .tips(EVERYWHERE),
        admin("HOTKEYS|RESET", reset)
            .arity(2)
            .flags(ADMIN | NOSCRIPT)
            .since("8.6.0")
            .complexity("O(1)")
            .summary("Forgets what was counted.")
            .tips(EVERYWHERE),
        admin("HOTKEYS|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("8.6.1")
            .complexity("O(1)")
            .summary("Explains the subcommands."),
    ],
};

/// The slots of a whole keyspace: there is no cluster that would divide them.
const SLOT_MAX: i64 = 16_383;

fn start(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.end_hot_keys_in_time();
    if engine.counts_hot_keys() {
        return Err(Error::Say("ERR hotkey tracking session already in progress").into());
    }
    let wanted = wanted(args)?;
    engine.start_hot_keys(wanted);
    out.ok()
}

fn wanted(args: Args) -> Result<Wanted, Error> {
    let mut rest = args.after(1);
    if !rest.take_word(b"METRICS") || rest.left() == 0 {
        return Err(Error::Say("ERR METRICS parameter is required"));
    }
    let between = |rest: &mut crate::resp::args::Cursor, most: i64, why: &'static str| {
        rest.int().ok().filter(|number| (1..=most).contains(number)).ok_or(Error::Say(why))
    };
    let metrics = between(&mut rest, 2, "ERR METRICS count must be > 0 and <= 2")?;
    let mut wanted = Wanted { cpu: false, net: false, count: 10, seconds: 0, sample: 1 };
    for _ in 0..metrics {
        // A metric of a later version is no mistake while there is another.
        match rest.word().as_deref() {
            None => {
                return Err(Error::Say(
                    "ERR METRICS count does not match number of metric types provided",
                ));
            }
            Some(b"CPU") if wanted.cpu => {
                return Err(Error::Say("ERR METRICS CPU defined more than once!"));
            }
            Some(b"NET") if wanted.net => {
                return Err(Error::Say("ERR METRICS NET defined more than once!"));
            }
            Some(b"CPU") => wanted.cpu = true,
            Some(b"NET") => wanted.net = true,
            Some(_) => (),
        }
        rest.skip();
    }
    if !wanted.cpu && !wanted.net {
        return Err(Error::Say("ERR METRICS no valid metrics passed. Supported: CPU|NET"));
    }
    while let Some(word) = rest.word() {
        rest.skip();
        if rest.left() == 0 {
            return Err(Error::Syntax);
        }
        match &*word {
            b"COUNT" => {
                let count = between(&mut rest, 64, "ERR COUNT must be between 1 and 64")?;
                wanted.count = count as usize;
            }
            b"DURATION" => {
                const WHY: &str = "ERR DURATION must be between 1 and 1000000";
                wanted.seconds = between(&mut rest, 1_000_000, WHY)? as u64;
            }
            b"SAMPLE" => {
                let most = i32::MAX.into();
                wanted.sample =
                    between(&mut rest, most, "ERR SAMPLE ratio must be positive")? as u64;
            }
            b"SLOTS" => {
                return Err(Error::Say("ERR SLOTS parameter cannot be used in non-cluster mode"));
            }
            _ => return Err(Error::Syntax),
        }
    }
    Ok(wanted)
}

fn stop(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.end_hot_keys_in_time();
    match engine.stop_hot_keys() {
        true => out.ok(),
        false => out.null(),
    }
}

fn reset(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.end_hot_keys_in_time();
    if engine.counts_hot_keys() {
        const ACTIVE: &str = "ERR hotkey tracking session in progress, stop tracking first";
        return Err(Error::Say(ACTIVE).into());
    }
    engine.hot_keys = None;
    out.ok()
}

/// A list of one: of each server that was asked.
fn get(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.end_hot_keys_in_time();
    let Some(session) = &engine.hot_keys else { return out.null() };
    let HotKeys { wanted, cpu, net, .. } = &**session;
    let (span_us, user, system) = engine.hot_keys_span(session);
    let millis = |seconds: f64| (seconds * 1e3) as i64;
    let mut all = out.list(1);
    let mut map = all.map_of_some();
    number(&mut map, "tracking-active", session.is_active().into());
    number(&mut map, "sample-ratio", wanted.sample as i64);
    map.bulk(b"selected-slots");
    let mut ranges = map.list(1);
    let mut range = ranges.list(2);
    range.int(0);
    range.int(SLOT_MAX);
    range.close();
    ranges.close();
    number(&mut map, "all-commands-all-slots-us", session.micros as i64);
    number(&mut map, "net-bytes-all-commands-all-slots", session.bytes as i64);
    number(&mut map, "collection-start-time-unix-ms", session.began_ms);
    number(&mut map, "collection-duration-ms", (span_us / 1000) as i64);
    if cpu.is_some() {
        number(&mut map, "total-cpu-time-user-ms", millis(user));
        number(&mut map, "total-cpu-time-sys-ms", millis(system));
    }
    if let Some(list) = net {
        number(&mut map, "total-net-bytes", (list.total() / PARTS) as i64);
    }
    for (name, list) in [("by-cpu-time-us", cpu), ("by-net-bytes", net)] {
        let Some(list) = list else { continue };
        map.bulk(name.as_bytes());
        let mut top = list.top(wanted.count);
        top.retain(|counter| counter.weight >= PARTS);
        let mut pairs: List = map.list(top.len() * 2);
        for counter in top {
            pairs.bulk(&counter.key);
            pairs.int((counter.weight / PARTS) as i64);
        }
        pairs.close();
    }
    map.close();
    all.end()
}

fn number(map: &mut List, name: &str, value: i64) {
    map.bulk(name.as_bytes());
    map.int(value);
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "HOTKEYS",
        &[
            "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>] [SLOTS <count> <slot> ...]",
            "    Begin to count what keys take: microseconds, bytes on the wire, or both.",
            "    * COUNT: how many keys to list, 10 by default, at most 64.",
            "    * DURATION: end by itself after so many seconds.",
            "    * SAMPLE: count one of so many commands.",
            "    * SLOTS: only in a cluster.",
            "STOP",
            "    End the count; GET still shows it.",
            "GET",
            "    List the keys that took the most, and what was counted.",
            "RESET",
            "    Forget what was counted.",
        ],
    )
}
