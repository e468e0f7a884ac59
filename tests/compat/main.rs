//! The differential test: the same random command lines to two servers, and their replies compared.
//!
//! ```text
//! cargo test --test compat                                  a short run against each peer
//! cargo test --test compat -- --group strings --count 200000 --seed 7
//! cargo test --test compat -- --left redis --right valkey   what the peers think of each other
//! ```
//!
//! A run is a row of episodes. Each begins with empty servers and fresh connections and is rolled
//! from (seed, episode), so a difference is found again with `--seed S --episode E` alone, and its
//! history is short enough to be cut down to the few lines that matter. Peers are looked for in
//! `$RUSSET_PEERS/bin` and `~/.cache/russet-peers/bin`; where there are none, the test says so and
//! passes.

mod accepted;
mod compare;
mod generate;
mod shrink;
mod sides;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::process::ExitCode;
use std::time::Instant;

use generate::grammar::Args;
use generate::{GROUPS, Generator, Group, Step};
use sides::{Accepts, Exchange, Heard, LATER, Side, play, speaks};
use support::dice::{self, Dice};
use support::server::Program;
use support::value::{Value, command_line};

/// Commands per group when nobody asks for a number: a few seconds against each peer.
const SHORT_RUN: usize = 20_000;

/// The same where connections take turns or wait, and lines cannot be sent many at a time.
const SHORT_RUN_ONE_BY_ONE: usize = 3_000;

/// The longest episode. Longer ones reach rarer states but take longer to shrink.
const EPISODE_STEPS: usize = 600;

/// Different differences that are reported before a group is given up, unless `--all`.
const REPORTS_MAX: usize = 10;

/// Differences of any kind after which a group is given up, unless `--all`: a command that is wrong
/// each time would otherwise end every episode at its first use.
const DIFFERENCES_MAX: usize = 200;

/// The most of one reply that is printed.
const SHOWN_MAX: usize = 1500;

const HELP: &str = "\
usage: cargo test --test compat -- [OPTION]...
  --group NAME       strings, bitmaps, hyperloglogs, hashes, lists, sets, sorted-sets, geo, sort,
                     streams, keys, blocking, transactions, channels, events, connection; may be repeated
  --count N          commands per group
  --seed N           what to roll from
  --episode N        only this episode
  --proto 2|3|both   both: one after the other, by episode
  --left, --right S  russet, redis, valkey, or HOST:PORT (which will be emptied!)
  --all              go on however many differences there are";

struct Options {
    groups: Vec<Group>,
    count: Option<usize>,
    seed: u64,
    episode: Option<u64>,
    protocols: Vec<u8>,
    left: String,
    rights: Vec<String>,
    all: bool,
}

fn main() -> ExitCode {
    let options = match read_options(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compat: {why}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut differences = 0;
    for right in &options.rights {
        match compare(&options, right) {
            Ok(found) => differences += found,
            Err(why) => {
                eprintln!("compat: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// None when the arguments are somebody else's and ask for nothing from us: `cargo test NAME` hands
/// the name to every test program.
fn read_options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        groups: Vec::new(),
        count: None,
        seed: 1,
        episode: None,
        protocols: vec![2, 3],
        left: "russet".into(),
        rights: Vec::new(),
        all: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is not a number"));
        match arg.as_str() {
            "--group" => {
                let name = value()?;
                let group = GROUPS.into_iter().find(|group| group.name() == name);
                options.groups.push(group.ok_or(format!("there is no group {name}"))?);
            }
            "--count" => options.count = Some(number(value()?)? as usize),
            "--seed" => options.seed = number(value()?)?,
            "--episode" => options.episode = Some(number(value()?)?),
            "--proto" => {
                options.protocols = match value()?.as_str() {
                    "2" => vec![2],
                    "3" => vec![3],
                    "both" => vec![2, 3],
                    other => return Err(format!("there is no protocol {other}")),
                }
            }
            "--left" => options.left = value()?,
            "--right" => options.rights.push(value()?),
            "--all" => options.all = true,
            "--list" => {
                println!("compat: test");
                return Ok(None);
            }
            // What `cargo test` passes on to the usual harness.
            "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" | "--include-ignored" => {
            }
            "--ignored" => return Ok(None),
            "--test-threads" | "--format" | "--color" | "--skip" => drop(value()?),
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            name if name.starts_with('-') => return Err(format!("there is no option {name}")),
            name if !"compat".contains(name) => return Ok(None),
            _ => {}
        }
    }
    if options.groups.is_empty() {
        options.groups = GROUPS.to_vec();
    }
    if options.rights.is_empty() {
        options.rights = vec!["redis".into(), "valkey".into()];
        options.rights.retain(|name| *name != options.left);
    }
    Ok(Some(options))
}

/// What the two servers of a run have no common words for.
struct Unspeakable {
    commands: BTreeSet<String>,
    dialects: Vec<(&'static str, &'static str)>,
}

/// What a run has seen, for its summary.
#[derive(Default)]
struct Tally {
    commands: usize,
    /// Of these, the ones that the left server refused: too many, and the grammar is to blame.
    refused: usize,
    differences: usize,
    accepted: BTreeMap<usize, usize>,
}

fn compare(options: &Options, right: &str) -> Result<usize, String> {
    let begun = Instant::now();
    // The peer first: where it is missing there is nothing to start the other for.
    let Some(mut right) = Side::open(right)? else {
        println!("compat: {right} is not installed; nothing compared with it");
        return Ok(0);
    };
    let Some(mut left) = Side::open(&options.left)? else {
        println!("compat: {} is not installed; nothing compared with it", options.left);
        return Ok(0);
    };
    let generator = Generator::new();
    let mut tally = Tally::default();
    let unspeakable = ask_for_words(options, &generator, &left, &right, &mut tally)?;
    let later = if has_russet(&left, &right) { LATER } else { &[] };
    let speakable = |args: &Args| speaks(&unspeakable.commands, later, &unspeakable.dialects, args);
    for group in &options.groups {
        let history =
            |length: usize, dice: &mut Dice| generator.episode(*group, length, dice, &speakable);
        compare_group(options, *group, &history, &mut left, &mut right, &mut tally)?;
    }
    if !later.is_empty() {
        let names: Vec<&str> = later.iter().map(|(name, _)| *name).collect();
        println!("compat: not compared yet: {}", names.join(", "));
    }
    for (place, count) in &tally.accepted {
        let rule = &accepted::RULES[*place];
        println!("compat: accepted {count} times: {} ({})", rule.name, rule.reason);
    }
    println!(
        "compat: {} and {}: {} commands ({} % refused), {} differences, {:.1} s",
        left.name,
        right.name,
        tally.commands,
        tally.refused * 100 / tally.commands.max(1),
        tally.differences,
        begun.elapsed().as_secs_f64()
    );
    Ok(tally.differences)
}

/// Asks both servers which commands and options they know. A peer may lack what it likes; what a
/// peer has and we lack is a difference.
fn ask_for_words(
    options: &Options,
    generator: &Generator,
    left: &Side,
    right: &Side,
    tally: &mut Tally,
) -> Result<Unspeakable, String> {
    let mut commands = generator.commands(&options.groups);
    if has_russet(left, right) {
        commands.retain(|name| !LATER.iter().any(|(later, _)| later == name));
    }
    for side in [left, right].into_iter().filter(|it| it.program == Some(Program::Russet)) {
        for name in side.early()? {
            println!("compat: {} has {name}, which can be taken out of LATER", side.name);
        }
    }
    let (unknown_left, unknown_right) = (left.unknown(&commands)?, right.unknown(&commands)?);
    let (unspoken_left, unspoken_right) = (left.unspoken()?, right.unspoken()?);
    let lacks = |command: &str, word: &str, side: &Side, other: &Side, tally: &mut Tally| {
        let ours = side.program == Some(Program::Russet);
        tally.differences += usize::from(ours);
        let grave = if ours { "difference: " } else { "" };
        println!("compat: {grave}{} has {command}{word}, {} has not", other.name, side.name);
    };
    let named = |command: &str| commands.iter().any(|it| it == command);
    for name in unknown_left.difference(&unknown_right) {
        lacks(name, "", left, right, tally);
    }
    for name in unknown_right.difference(&unknown_left) {
        lacks(name, "", right, left, tally);
    }
    for (command, word) in unspoken_left.difference(&unspoken_right).filter(|it| named(it.0)) {
        lacks(command, &format!(" {word}"), left, right, tally);
    }
    for (command, word) in unspoken_right.difference(&unspoken_left).filter(|it| named(it.0)) {
        lacks(command, &format!(" {word}"), right, left, tally);
    }
    Ok(Unspeakable {
        commands: unknown_left.symmetric_difference(&unknown_right).cloned().collect(),
        dialects: unspoken_left.symmetric_difference(&unspoken_right).copied().collect(),
    })
}

fn has_russet(left: &Side, right: &Side) -> bool {
    [left, right].iter().any(|side| side.program == Some(Program::Russet))
}

fn compare_group(
    options: &Options,
    group: Group,
    history: &dyn Fn(usize, &mut Dice) -> Vec<Step>,
    left: &mut Side,
    right: &mut Side,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let usual = if group.goes_one_by_one() { SHORT_RUN_ONE_BY_ONE } else { SHORT_RUN };
    let count = options.count.unwrap_or(usual);
    let enough = tally.commands + count;
    let mut episode = options.episode.unwrap_or(0);
    while tally.commands < enough {
        let mut dice = Dice::seeded(options.seed, episode);
        let protocol = options.protocols[episode as usize % options.protocols.len()];
        let length = EPISODE_STEPS.min(count);
        let steps = history(length, &mut dice);
        let heard = judged(left, right, protocol, &steps, tally)?;
        tally.commands += heard.len();
        let refused = |it: &&Exchange| matches!(&it.left, Heard::Reply(reply) if reply.is_error());
        tally.refused += heard.iter().filter(refused).count();
        if let Some(difference) = heard.last().filter(|it| !it.is_same()) {
            tally.differences += 1;
            let count = seen.entry(signature(difference)).or_default();
            *count += 1;
            if *count == 1 {
                let place = format!("group {}, episode {episode}", group.name());
                println!("compat: difference, seed {}, {place}, RESP{protocol}:", options.seed);
                report(left, right, protocol, &steps, difference)?;
            }
            let found: usize = seen.values().sum();
            let hopeless = seen.len() >= REPORTS_MAX || found >= DIFFERENCES_MAX;
            if hopeless && !options.all {
                println!("compat: {found} differences of {} kinds; group given up", seen.len());
                break;
            }
        }
        if options.episode.is_some() {
            break;
        }
        episode += 1;
    }
    if !seen.is_empty() {
        println!("compat: group {}: differences by kind:", group.name());
        seen.iter().for_each(|(signature, count)| println!("  {count:6} {signature}"));
    }
    Ok(())
}

/// Plays a history, counting what is accepted on the way.
fn judged(
    left: &mut Side,
    right: &mut Side,
    protocol: u8,
    steps: &[Step],
    tally: &mut Tally,
) -> Result<Vec<Exchange>, String> {
    let programs = (left.program, right.program);
    play(left, right, protocol, steps, &mut |difference| {
        let Some((place, verdict)) = accepted::judge(programs, difference) else {
            return Accepts::No;
        };
        *tally.accepted.entry(place).or_default() += 1;
        verdict
    })
}

/// Prints a difference and the shortest way to it.
fn report(
    left: &mut Side,
    right: &mut Side,
    protocol: u8,
    steps: &[Step],
    difference: &Exchange,
) -> Result<(), String> {
    println!("step {}, connection {}:", difference.step, difference.connection);
    print_exchange(left, right, difference);
    let wanted = signature(difference);
    let history = &steps[..=difference.step];
    let mut uncounted = Tally::default();
    let shortest = shrink::shrink(history, &mut |steps| {
        let heard = judged(left, right, protocol, steps, &mut uncounted)?;
        Ok(heard.last().is_some_and(|last| !last.is_same() && signature(last) == wanted))
    })?;
    let heard = judged(left, right, protocol, &shortest, &mut uncounted)?;
    if heard.last().is_none_or(Exchange::is_same) {
        println!("  it did not happen again when its history was played again");
        return Ok(());
    }
    println!("  the shortest history, {} of {} steps:", shortest.len(), history.len());
    heard.iter().for_each(|exchange| print_exchange(left, right, exchange));
    Ok(())
}

fn print_exchange(left: &Side, right: &Side, exchange: &Exchange) {
    println!("  {}> {}", exchange.connection, command_line(&exchange.args));
    if exchange.left == exchange.right {
        println!("      {}", show(&exchange.left));
        return;
    }
    for (side, heard) in [(left, &exchange.left), (right, &exchange.right)] {
        println!("      {:>8}: {}", side.name, show(heard));
    }
}

fn show(heard: &Heard) -> String {
    match heard {
        // Three kinds of nil look the same, and the difference may be just that.
        Heard::Reply(value) if value.is_null() => format!("(nil) [{}]", value.kind()),
        Heard::Reply(value) => {
            let text = value.to_string();
            let short: String = text.chars().take(SHOWN_MAX).collect();
            let rest = if short.len() < text.len() { " …" } else { "" };
            short.replace('\n', "\n                ") + rest
        }
        Heard::Nothing(why) => format!("(no reply: {why})"),
    }
}

/// What makes two differences the same one: the command, and both answers without their particulars.
fn signature(exchange: &Exchange) -> String {
    let Some(first) = exchange.differences.first() else {
        let silent = |heard: &Heard| matches!(heard, Heard::Nothing(_));
        let (left, right) = (silent(&exchange.left), silent(&exchange.right));
        return format!("{}: no reply (left {left}, right {right})", name(&exchange.args));
    };
    format!("{}: {} | {}", name(&first.args), gist(&first.left), gist(&first.right))
}

fn gist(value: &Value) -> String {
    match value {
        Value::Error(text) | Value::Simple(text) => {
            let text = String::from_utf8_lossy(text);
            // What stands between quotes was ours.
            let text: Vec<&str> = text.split('\'').step_by(2).collect();
            let text = text.join("'…'");
            let text: String = text.chars().filter(|it| !it.is_ascii_digit()).take(60).collect();
            format!("{} {text}", value.kind())
        }
        _ => value.kind().to_string(),
    }
}

fn name(args: &Args) -> String {
    let container = ["OBJECT", "CLIENT", "COMMAND"].iter().any(|it| compare::is(args, it));
    let words = args.iter().take(if container { 2 } else { 1 });
    let words = words.map(|word| String::from_utf8_lossy(word).to_ascii_uppercase());
    words.collect::<Vec<_>>().join(" ")
}
