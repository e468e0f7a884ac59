//! Random command lines: a few hot keys, options in any order and case, numbers near their ends,
//! and now and then a line that somebody spoiled.

use crate::Words;
use crate::model::Model;
use crate::support::dice::Dice;

/// Keys that hold what a person sets, and what INCREX counts with.
const PLAIN: [&str; 4] = ["n1", "n2", "n3", "n4"];
/// Where BITOP puts results. INCREX stays away: among random bytes are floats that only a real
/// parser knows.
const BITS: [&str; 2] = ["b1", "b2"];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "-7",
    "10",
    "100",
    "-100",
    "4294967296",
    "9223372036854775807",
    "9223372036854775806",
    "9223372036854775800",
    "-9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775800",
    "4611686018427387904",
    "-4611686018427387905",
];
const FLOATS: &[&str] = &[
    "0.5",
    "-0.5",
    "0.1",
    "0.2",
    "-0.3",
    "1.1",
    "-2.25",
    "3.0",
    "10.50",
    "+4",
    ".5",
    "5.",
    "-0",
    "99.999",
    "1000.1",
    "-12345.678",
    "0.00000000000000001",
    "9223372036854775808.5",
    "007",
];
const NO_NUMBERS: &[&str] = &[
    "",
    "-",
    "abc",
    "1 ",
    " 1",
    "nan",
    "inf",
    "-inf",
    "+Infinity",
    "9223372036854775808",
    "1.2.3",
];
const TEXTS: &[&str] = &["hello", "", "123", "v8", "Hello world", "same", "Same", "\u{1}\u{7f}é"];

pub fn line(dice: &mut Dice, model: &Model) -> Words {
    let mut words: Words = match dice.below(10) {
        0..=3 => increx(dice),
        4..=5 => set(dice, model),
        6..=7 => bitop(dice),
        8 => delex(dice, model),
        _ => [&b"DIGEST"[..], any_key(dice)].map(<[u8]>::to_vec).into(),
    };
    if dice.percent(8) {
        spoil(dice, &mut words);
    }
    words
}

fn increx(dice: &mut Dice) -> Words {
    let float = dice.percent(45);
    let mut options = Vec::new();
    let mut number = |dice: &mut Dice, word: &str| {
        let text = number(dice, float);
        options.push(vec![word.as_bytes().to_vec(), text]);
    };
    if float {
        number(dice, "BYFLOAT");
    } else if dice.percent(80) {
        number(dice, "BYINT");
    }
    if dice.percent(40) {
        number(dice, "LBOUND");
    }
    if dice.percent(40) {
        number(dice, "UBOUND");
    }
    if dice.percent(50) {
        options.push(vec![b"SATURATE".to_vec()]);
    }
    if dice.percent(40) {
        options.push(moment(dice));
        if dice.percent(40) {
            options.push(vec![b"ENX".to_vec()]);
        }
    } else if dice.percent(20) {
        options.push(vec![b"PERSIST".to_vec()]);
    }
    let start = [&b"INCREX"[..], choose(dice, &PLAIN).as_bytes()];
    with_options(dice, &start, options)
}

fn set(dice: &mut Dice, model: &Model) -> Words {
    let mut options = Vec::new();
    let key = any_key(dice);
    match dice.below(10) {
        0..=5 => options.push(comparison(dice, model, key)),
        6 => options.push(vec![text(choose(dice, &["NX", "XX"]))]),
        _ => {}
    }
    if dice.percent(40) {
        options.push(vec![b"GET".to_vec()]);
    }
    match dice.below(4) {
        0 => options.push(moment(dice)),
        1 => options.push(vec![b"KEEPTTL".to_vec()]),
        _ => {}
    }
    let value = match dice.below(4) {
        0 => text(choose(dice, INTEGERS)),
        1 => text(choose(dice, FLOATS)),
        2 => text(choose(dice, NO_NUMBERS)),
        _ => text(choose(dice, TEXTS)),
    };
    with_options(dice, &[b"SET", key, &value], options)
}

fn bitop(dice: &mut Dice) -> Words {
    let operations = ["DIFF", "DIFF1", "ANDOR", "ONE", "AND", "OR", "XOR", "NOT", "NAND"];
    // The newer ones are what this is about.
    let operation =
        if dice.percent(75) { operations[dice.below(4)] } else { choose(dice, &operations) };
    let mut words: Words = vec![text("BITOP"), cased(dice, operation.as_bytes())];
    words.push(text(choose(dice, &BITS)));
    for _ in 0..1 + dice.below(4) {
        let key = if dice.percent(10) { b"missing" } else { any_key(dice) };
        words.push(key.to_vec());
    }
    words
}

fn delex(dice: &mut Dice, model: &Model) -> Words {
    let key = any_key(dice);
    let options = if dice.percent(85) { vec![comparison(dice, model, key)] } else { vec![] };
    with_options(dice, &[b"DELEX", key], options)
}

/// A comparison that has a fair chance either way.
fn comparison(dice: &mut Dice, model: &Model, key: &[u8]) -> Words {
    let word = choose(dice, &["IFEQ", "IFNE", "IFDEQ", "IFDNE"]);
    let held = model.keys.get(key).map(|held| held.value.clone()).filter(|_| dice.percent(60));
    let value = held.unwrap_or_else(|| text(choose(dice, TEXTS)));
    let operand = match model.digests.get(&value) {
        _ if word.len() == 4 => value,
        Some(digest) => match dice.below(6) {
            0 => digest.to_ascii_uppercase(),
            1 => digest[1..].to_vec(),
            2 => text("zzzzzzzzzzzzzzzz"),
            _ => digest.clone(),
        },
        None => text("0123456789abcdef"),
    };
    vec![text(word), operand]
}

fn moment(dice: &mut Dice) -> Words {
    let word = choose(dice, &["EX", "PX", "EXAT", "PXAT"]);
    let amount = match (dice.below(12), word) {
        (0, _) => "0",
        (1, _) => "-1",
        // A deadline in the very last millisecond there is means none; the one before is exact.
        (2, "PXAT") => "9223372036854775806",
        (2, _) => "9223372036854775807",
        (3, _) => "9223372036854775",
        (4, _) => "soon",
        (5, _) => "1.5",
        // The clock stands at 1800000000 s and goes on.
        (_, "EX") => choose(dice, &["1", "2", "3", "100"]),
        (_, "PX") => choose(dice, &["1", "150", "999", "2500"]),
        (_, "EXAT") => choose(dice, &["1", "1800000000", "1800000005", "1800000030", "1900000000"]),
        _ => {
            choose(dice, &["1", "1800000000001", "1800000004321", "1800000020000", "1900000000001"])
        }
    };
    vec![text(word), text(amount)]
}

fn number(dice: &mut Dice, float: bool) -> Vec<u8> {
    text(match dice.below(16) {
        0 => choose(dice, NO_NUMBERS),
        1 if !float => choose(dice, FLOATS),
        2..=9 if float => choose(dice, FLOATS),
        _ => choose(dice, INTEGERS),
    })
}

fn any_key(dice: &mut Dice) -> &'static [u8] {
    let key = if dice.percent(65) { choose(dice, &PLAIN) } else { choose(dice, &BITS) };
    key.as_bytes()
}

/// Options come in any order and case; what follows an option stays with it as it is.
fn with_options(dice: &mut Dice, start: &[&[u8]], mut options: Vec<Words>) -> Words {
    let mut words: Words = start.iter().map(|word| word.to_vec()).collect();
    words[0] = cased(dice, start[0]);
    while !options.is_empty() {
        let mut option = options.swap_remove(dice.below(options.len()));
        option[0] = cased(dice, &option[0]);
        words.append(&mut option);
    }
    words
}

fn spoil(dice: &mut Dice, words: &mut Words) {
    let at = 1 + dice.below(words.len() - 1);
    match dice.below(4) {
        0 => drop(words.pop()),
        1 => words[at] = text(choose(dice, &["FOO", "PERSIST", "IFEQ", "EX", "1", "NX"])),
        2 => words.insert(at, text(choose(dice, &["GET", "ENX", "SATURATE", "KEEPTTL", "XX"]))),
        // Something is said twice.
        _ => words.extend_from_within(at..),
    }
}

pub fn cased(dice: &mut Dice, word: &[u8]) -> Vec<u8> {
    match dice.below(4) {
        0 => word.to_ascii_lowercase(),
        1 => word
            .iter()
            .map(|byte| if dice.percent(50) { byte.to_ascii_lowercase() } else { *byte })
            .collect(),
        _ => word.to_vec(),
    }
}

fn choose<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.below(from.len())]
}

pub fn text(word: &str) -> Vec<u8> {
    word.as_bytes().to_vec()
}
