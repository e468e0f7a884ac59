//! Plays the transcripts of `tests/transcripts` through every lens; `tests/transcripts/README.md`
//! says how they are written and how this is called.

mod direct;
mod expect;
mod lens;
mod scripted;
mod side;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod transcript;

use direct::Direct;
use lens::{Edit, Lens, Manner, Player, Report};
use scripted::{Scripted, Way};
use side::Side;
use sockets::Sockets;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use support::server::Program;
use transcript::Transcript;

const fn lens(name: &'static str, tags: &'static [&'static str], proto: u8) -> Lens {
    Lens { name, tags, proto, manner: Manner::Plain }
}

/// All lenses; those of one group share a program, so they run one after the other.
const GROUPS: &[(Stage, &[Lens])] = &[
    (
        Stage::Engine { split: false, sweeps: false },
        &[
            lens("direct", &["direct", "resp2"], 2),
            Lens {
                name: "multi",
                tags: &["multi", "direct", "resp2"],
                proto: 2,
                manner: Manner::Multi,
            },
            Lens {
                name: "pipeline",
                tags: &["pipeline", "direct", "resp2"],
                proto: 2,
                manner: Manner::Pipeline,
            },
        ],
    ),
    (Stage::Engine { split: false, sweeps: true }, &[lens("direct3", &["direct", "resp3"], 3)]),
    (
        Stage::Engine { split: true, sweeps: true },
        &[
            lens("split", &["split", "direct", "resp2"], 2),
            lens("split3", &["split", "direct", "resp3"], 3),
        ],
    ),
    (
        Stage::Lua(Way::Script),
        &[
            lens("script2", &["script", "direct", "resp2"], 2),
            lens("script3", &["script", "direct", "resp3"], 3),
        ],
    ),
    (
        Stage::Lua(Way::Function),
        &[
            lens("function2", &["function", "script", "direct", "resp2"], 2),
            lens("function3", &["function", "script", "direct", "resp3"], 3),
        ],
    ),
    (
        Stage::Server(Program::Russet),
        &[
            lens("socket2", &["socket", "resp2"], 2),
            lens("socket3", &["socket", "resp3"], 3),
            Lens {
                name: "socket-pipeline",
                tags: &["pipeline", "socket", "resp2"],
                proto: 2,
                manner: Manner::Pipeline,
            },
        ],
    ),
    (
        Stage::Reload(&[b"DEBUG", b"RELOAD"], &[]),
        &[lens("rdb", &["rdb", "reload", "socket", "resp2"], 2)],
    ),
    (
        Stage::Reload(&[b"DEBUG", b"LOADAOF"], &["--appendonly", "yes"]),
        &[lens("aof", &["aof", "reload", "socket", "resp3"], 3)],
    ),
    (
        Stage::Server(Program::Redis),
        &[
            lens("redis2", &["redis", "socket", "resp2"], 2),
            lens("redis3", &["redis", "socket", "resp3"], 3),
        ],
    ),
    (
        Stage::Server(Program::Valkey),
        &[
            lens("valkey2", &["valkey", "socket", "resp2"], 2),
            lens("valkey3", &["valkey", "socket", "resp3"], 3),
        ],
    ),
];

#[derive(Clone, Copy)]
enum Stage {
    Engine {
        split: bool,
        sweeps: bool,
    },
    /// Two engines, one of which is told everything by way of Lua.
    Lua(Way),
    Server(Program),
    /// Our server, with this command before each line, and these arguments.
    Reload(&'static [&'static [u8]], &'static [&'static str]),
}

/// Failures of one lens that are shown; the first ones explain the rest.
const SHOWN_MAX: usize = 15;

fn main() -> ExitCode {
    expect::self_test();
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let update = std::env::var("UPDATE").unwrap_or_default();
    let transcripts = match read_all() {
        Ok(transcripts) => transcripts,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let names_file = |word: &String| transcripts.iter().any(|it| it.name() == *word);
    let (files, lenses): (Vec<String>, Vec<String>) = words.into_iter().partition(names_file);
    let chosen: Vec<&Transcript> =
        transcripts.iter().filter(|it| files.is_empty() || files.contains(&it.name())).collect();
    let wanted = |lens: &Lens| {
        let named = |word: &String| lens.name == word || lens.tags.contains(&word.as_str());
        match update.as_str() {
            "" => lenses.is_empty() || lenses.iter().any(named),
            "redis" => lens.name.starts_with("redis"),
            "valkey" => lens.name.starts_with("valkey"),
            _ => matches!(lens.name, "direct" | "direct3"),
        }
    };

    #[expect(clippy::disallowed_methods, reason = "how long the tests took, for a person")]
    let begun = Instant::now();
    let run_all = |groups: Vec<&'static (Stage, &[Lens])>| -> Vec<(&str, Result<Report, String>)> {
        std::thread::scope(|scope| {
            let (chosen, wanted, update) = (&chosen, &wanted, !update.is_empty());
            let threads: Vec<_> = groups
                .into_iter()
                .map(|(stage, lenses)| {
                    scope.spawn(move || run_group(*stage, lenses, chosen, wanted, update))
                })
                .collect();
            threads.into_iter().flat_map(|it| it.join().expect("a lens does not panic")).collect()
        })
    };
    // Engines need the processor and no clock; servers mostly wait, and must not be late.
    let (servers, engines) =
        GROUPS.iter().partition(|(stage, _)| matches!(stage, Stage::Server(_)));
    let mut all = run_all(engines);
    all.extend(run_all(servers));

    let (mut failed, mut edits) = (0, Vec::new());
    for (name, report) in all {
        match report {
            Err(why) => println!("{name:>16}: not played: {why}"),
            Ok(mut report) => {
                let failures = report.failures.len();
                println!(
                    "{name:>16}: {} lines, {} skipped, {failures} failures",
                    report.played, report.skipped
                );
                show(&report);
                failed += failures;
                edits.append(&mut report.edits);
            }
        }
    }
    println!("{} transcripts in {:.1} s", chosen.len(), begun.elapsed().as_secs_f64());
    if let Err(why) = write_down(&transcripts, edits) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run_group(
    stage: Stage,
    lenses: &'static [Lens],
    transcripts: &[&Transcript],
    wanted: &dyn Fn(&Lens) -> bool,
    update: bool,
) -> Vec<(&'static str, Result<Report, String>)> {
    let lenses: Vec<&Lens> = lenses.iter().filter(|lens| wanted(lens)).collect();
    if lenses.is_empty() {
        return Vec::new();
    }
    let mut side: Box<dyn Side> = match stage {
        Stage::Engine { split, sweeps } => Box::new(Direct::new(split, sweeps)),
        Stage::Lua(way) => {
            let engine = || Direct::new(false, true);
            Box::new(Scripted::new(engine(), engine(), way))
        }
        Stage::Reload(reload, args) => match Sockets::reloading(reload, args) {
            Ok(sockets) => Box::new(sockets),
            Err(why) => panic!("{why}"),
        },
        Stage::Server(program) => match Sockets::open(program) {
            Ok(sockets) => Box::new(sockets),
            // Who has no peers installed can test all the same.
            Err(why) if program.path().is_none() => {
                return lenses.iter().map(|lens| (lens.name, Err(why.clone()))).collect();
            }
            Err(why) => panic!("{why}"),
        },
    };
    let play = |lens: &&'static Lens| {
        let report = Report::default();
        let mut player = Player { lens, side: &mut *side, report, update };
        transcripts.iter().for_each(|transcript| player.play(transcript));
        (lens.name, Ok(player.report))
    };
    lenses.iter().map(play).collect()
}

fn show(report: &Report) {
    for failure in report.failures.iter().take(SHOWN_MAX) {
        println!("  {}:{}: {}", shown(&failure.path), failure.line, failure.command);
        for (sign, text) in [('-', &failure.expected), ('+', &failure.actual)] {
            text.lines().for_each(|line| println!("      {sign} {line}"));
        }
    }
    if report.failures.len() > SHOWN_MAX {
        println!("  … and {} more", report.failures.len() - SHOWN_MAX);
    }
}

/// Writes other answers into the files, from the bottom up, so that places stay right.
fn write_down(transcripts: &[Transcript], edits: Vec<Edit>) -> Result<(), String> {
    let mut of_file: BTreeMap<PathBuf, Vec<Edit>> = BTreeMap::new();
    for edit in edits {
        of_file.entry(edit.path.clone()).or_default().push(edit);
    }
    for (path, mut edits) in of_file {
        let transcript = transcripts.iter().find(|it| it.path == path);
        let mut lines = transcript.map(|it| it.lines.clone()).unwrap_or_default();
        // Two lenses may have changed one place; the first of them decides.
        edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
        edits.dedup_by_key(|edit| edit.place.clone());
        for edit in edits.into_iter().rev() {
            lines.splice(edit.place, edit.lines);
        }
        let text = lines.join("\n") + "\n";
        std::fs::write(&path, text).map_err(|why| format!("{}: {why}", shown(&path)))?;
        println!("{} was rewritten", shown(&path));
    }
    Ok(())
}

fn read_all() -> Result<Vec<Transcript>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let entries = std::fs::read_dir(&folder).map_err(|why| format!("{folder:?}: {why}"))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("there are no transcripts in {folder:?}"));
    }
    paths.iter().map(|path| Transcript::read(path)).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}
