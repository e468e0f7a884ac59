//! LATENCY: how long commands take (the histograms), and what held everybody up (the monitor).

use crate::base::sparkline;
use crate::engine::command::{admin, container};
use crate::engine::latency::{Series, Summary};
use crate::engine::{Command, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};
use crate::spec::{ADMIN, Group, LOADING, NOSCRIPT, STALE, string};
use std::fmt::Write;

const FLAGS: u32 = ADMIN | NOSCRIPT | LOADING | STALE;
const EVERYWHERE: &[&str] =
    &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("LATENCY")
            .since("2.8.13")
            .complexity("Depends on subcommand.")
            .summary("Tells what takes long."),
        admin("LATENCY|DOCTOR", doctor)
            .arity(2)
            .flags(FLAGS)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Says in words what took long, and what may help.")
            .tips(EVERYWHERE),
        admin("LATENCY|GRAPH", graph)
            .arity(3)
            .flags(FLAGS)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Draws the events of a class.")
            .tips(EVERYWHERE)
            .args(&[string("event")]),
        admin("LATENCY|HISTOGRAM", histogram)
            .arity(-2)
            .flags(FLAGS)
            .since("7.0.0")
            .complexity(
                "O(N) where N is the number of commands with latency information being retrieved.",
            )
            .summary("Counts how often commands took how long: those named, or all.")
            .tips(EVERYWHERE)
            .args(&[string("command").optional().repeats()]),
        admin("LATENCY|HISTORY", history)
            .arity(3)
            .flags(FLAGS)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Lists the events of a class: when, and how long.")
            .tips(EVERYWHERE)
            .args(&[string("event")]),
        admin("LATENCY|LATEST", latest)
            .arity(2)
            .flags(FLAGS)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Lists the classes of events, with the latest and the worst of each.")
            .tips(EVERYWHERE),
        admin("LATENCY|RESET", reset)
            .arity(-2)
            .flags(FLAGS)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Forgets the events of some classes, or of all.")
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
            .args(&[string("event").optional().repeats()]),
        admin("LATENCY|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("2.8.13")
            .complexity("O(1)")
            .summary("Explains the subcommands."),
    ],
};

/// Columns of a graph.
const COLUMNS: usize = 80;

fn histogram(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let wanted: Vec<&Command> = match args.len() {
        2 => engine.table.all.iter().collect(),
        // A container stands for its subcommands; what does not exist is left out.
        _ => args
            .tail(2)
            .iter()
            .filter_map(|name| engine.look_up(name))
            .flat_map(|command| std::iter::once(command).chain(engine.subcommands(command)))
            .collect(),
    };
    let mut all = out.map_of_some();
    for command in wanted {
        let latency = &engine.stats.commands[command.known_as as usize].latency;
        if latency.is_empty() {
            continue;
        }
        all.bulk(command.spec.lower_name().as_bytes());
        let mut map = all.map(2);
        map.bulk(b"calls");
        map.int(latency.total() as i64);
        map.bulk(b"histogram_usec");
        let pairs = latency.cumulative();
        let mut counts = map.map(pairs.len());
        for (nanos, count) in pairs {
            counts.int((nanos / 1000) as i64);
            counts.int(count as i64);
        }
        counts.close();
        map.close();
    }
    all.end()
}

/// Valkey also tells the sum and the number of all events; Redis' clients read the first four.
fn latest(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let all = &engine.latency_monitor.series;
    let mut list = out.list(all.len());
    for series in all {
        let latest = series.latest();
        let mut fields = list.list(6);
        fields.bulk(series.event.as_bytes());
        fields.int(latest.time);
        for number in [latest.ms, series.max_ms, series.sum_ms, series.count] {
            fields.int(number as i64);
        }
        fields.close();
    }
    list.end()
}

fn history(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let Some(series) = engine.latency_monitor.of(args.get(2)) else { return out.list(0).end() };
    let mut list = out.list(series.samples.len());
    for sample in &series.samples {
        let mut pair: List = list.list(2);
        pair.int(sample.time);
        pair.int(sample.ms as i64);
        pair.close();
    }
    list.end()
}

fn reset(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let monitor = &mut engine.latency_monitor;
    let forgotten = match args.len() {
        2 => monitor.reset(None),
        _ => args.tail(2).iter().map(|event| monitor.reset(Some(event))).sum(),
    };
    out.int(forgotten as i64)
}

fn graph(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let event = args.get(2);
    let series = engine
        .latency_monitor
        .of(event)
        .ok_or_else(|| Error::quote("ERR No samples available for event '", event, "'"))?;
    let now = engine.now_seconds();
    let Summary { min_ms, max_ms, .. } = series.summary(now);
    let mut text = format!(
        "{} - high {max_ms} ms, low {min_ms} ms (all time high {} ms)\n{}\n",
        series.event,
        series.max_ms,
        "-".repeat(COLUMNS)
    );
    let columns: Vec<(u64, String)> =
        series.samples.iter().map(|sample| (sample.ms, ago(now - sample.time))).collect();
    text += &sparkline::draw(&columns, COLUMNS);
    out.verbatim("txt", text.as_bytes())
}

/// So many seconds, in the largest unit.
fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.verbatim("txt", report(engine).as_bytes())
}

fn report(engine: &Engine) -> String {
    let threshold_ms = engine.config.latency_monitor_threshold;
    let all = &engine.latency_monitor.series;
    if all.is_empty() {
        return match threshold_ms {
            0 => "Nobody watches for what takes long. To do so, say from how many milliseconds on \
                  it is too long: CONFIG SET latency-monitor-threshold <milliseconds>.\n"
                .to_string(),
            _ => {
                format!("Nothing took {threshold_ms} ms or longer since the last LATENCY RESET.\n")
            }
        };
    }
    let mut text = String::from("These took too long:\n\n");
    for (number, series) in all.iter().enumerate() {
        let summary = series.summary(engine.now_seconds());
        let _ = writeln!(
            text,
            "{}. {}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). Worst \
             all time event {}ms.",
            number + 1,
            series.event,
            summary.samples,
            summary.average_ms,
            summary.deviation_ms,
            summary.span_seconds as f64 / summary.samples as f64,
            series.max_ms
        );
    }
    text.push_str("\nWhat may help:\n\n");
    all.iter().for_each(|series| advise(engine, series, &mut text));
    text
}

fn advise(engine: &Engine, series: &Series, text: &mut String) {
    let config = &engine.config;
    match series.event {
        "command" => {
            let wanted_us = config.latency_monitor_threshold.saturating_mul(1000);
            let logs_us = u64::try_from(config.slowlog_log_slower_than).unwrap_or(u64::MAX);
            if config.slowlog_max_len == 0 || logs_us > wanted_us {
                let _ = writeln!(
                    text,
                    "- Some of these commands were too fast for the slow log. To see all of them: \
                     CONFIG SET slowlog-log-slower-than {wanted_us}."
                );
            }
            text.push_str(
                "- SLOWLOG GET shows which commands were slow, and with which arguments. Commands \
                 that read or change large values as a whole take time in proportion to them.\n",
            );
        }
        "fast-command" => text.push_str(
            "- Commands that are always fast were slow, so the system did not let the server run: \
             other programs need the processor, memory is swapped, or the virtual machine was \
             halted.\n",
        ),
        "expire-cycle" => text.push_str(
            "- Many keys expire at the same moment, or large ones do. Deadlines that are spread by \
             some random seconds spread the work.\n",
        ),
        "eviction-cycle" | "eviction-del" | "eviction-lazyfree" => text.push_str(
            "- Memory is full, and what is written has to wait until keys have gone. A higher maxmemory \
             helps, and so do fewer large values; maxmemory-eviction-tenacity says for how long a \
             request makes room.\n",
        ),
        "command-unblocking" => text.push_str(
            "- Many clients were served at once that had waited for a key, or some of their commands \
             are slow.\n",
        ),
        "aof-write" => text.push_str(
            "- The system took long to take in what is written to the append-only file: its memory for \
             unwritten data is full, or the disk is too slow for the load.\n",
        ),
        "aof-fsync-always" => text.push_str(
            "- appendfsync always waits for the disk with each write. everysec does not, and loses a \
             second at the most.\n",
        ),
        _ => (),
    }
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "LATENCY",
        &[
            "DOCTOR",
            "    Say in words what took long, and what may help.",
            "GRAPH <event>",
            "    Draw the events of a class.",
            "HISTOGRAM [<command> ...]",
            "    Count how often commands took how long: those named, or all.",
            "HISTORY <event>",
            "    List the events of a class: seconds since 1970, milliseconds.",
            "LATEST",
            "    List the classes of events: the latest event, the worst, the sum of all, and",
            "    how many there were.",
            "RESET [<event> ...]",
            "    Forget the events of some classes, or of all.",
        ],
    )
}
