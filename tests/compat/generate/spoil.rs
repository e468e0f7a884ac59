//! What people get wrong: a word too few, too many, twice, in the wrong place, in another case.

use super::super::dice::Dice;
use super::grammar::Args;

/// Words that are out of place nearly everywhere.
const STRANGE: &[&[u8]] = &[
    b"",
    b"-1",
    b"0",
    b"abc",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"1.5",
    b"nan",
    b"\xff\x00",
    b"NX",
    b"XX",
    b"GET",
    b"k1",
    b"*",
];

/// Commands that make a string as long as the offset they are given.
const GROWING: &[&[u8]] = &[b"SETBIT", b"SETRANGE", b"BITFIELD"];

/// The offsets that ask such a command for more than a test should take.
const TOO_FAR: std::ops::Range<i64> = 1 << 23..1 << 33;

/// Commands and options are the same word in any case.
pub fn recase(line: &mut Args, dice: &mut Dice) {
    for word in line.iter_mut() {
        let option = word.len() > 1 && word.iter().all(|byte| byte.is_ascii_uppercase());
        if option && dice.percent(15) {
            let whole = dice.percent(60);
            for byte in word.iter_mut().filter(|_| whole || dice.percent(50)) {
                *byte = byte.to_ascii_lowercase();
            }
        }
    }
}

/// Breaks a line in one way. The command itself stays, so that no line becomes one that nobody
/// meant to be sent.
pub fn spoil(line: Args, dice: &mut Dice) -> Args {
    let mut spoiled = line.clone();
    // A subcommand is half of the command's name.
    let first = if is_container(&line) { 2 } else { 1 };
    if line.len() <= first {
        spoiled.push(dice.pick(STRANGE).to_vec());
        return spoiled;
    }
    let at = first + dice.below(line.len() - first);
    match dice.below(6) {
        0 => drop(spoiled.remove(at)),
        1 => spoiled.insert(at, line[at].clone()),
        2 => spoiled.insert(at, dice.pick(STRANGE).to_vec()),
        3 => spoiled[at] = dice.pick(STRANGE).to_vec(),
        4 => spoiled.truncate(at),
        _ => {
            let other = first + dice.below(line.len() - first);
            spoiled.swap(at, other);
        }
    }
    if asks_too_much(&spoiled) { line } else { spoiled }
}

fn is_container(line: &Args) -> bool {
    [&b"CLIENT"[..], b"OBJECT", b"COMMAND"].iter().any(|it| line[0].eq_ignore_ascii_case(it))
}

fn asks_too_much(line: &Args) -> bool {
    let grows = GROWING.iter().any(|it| line[0].eq_ignore_ascii_case(it));
    grows
        && line[1..].iter().any(|word| {
            let text = String::from_utf8_lossy(word);
            let number = text.trim_start_matches('#').parse::<i64>();
            number.is_ok_and(|it| TOO_FAR.contains(&it))
        })
}
