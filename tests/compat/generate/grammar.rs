//! Command lines from a grammar that reads like the manual.
//!
//! ```text
//! strings:
//!   8 SET <key> <value> <set-option>*
//! ```
//!
//! A rule is its name and a colon; below it stand productions, each with a weight. A word between
//! angle brackets is another rule, spliced in as many arguments as it yields: `?` maybe, `*` any
//! number of times, `+` at least once. Glued to other text (`u<width>`) it becomes part of one
//! argument. Escapes are `\xHH`, and `""` is the empty argument. Names in `BUILT_IN` are rolled
//! rather than written.

use std::collections::HashMap;

use super::super::dice::Dice;

pub type Args = Vec<Vec<u8>>;

type Roll = fn(&mut Dice) -> Vec<u8>;

/// Rules roll their own arguments with these names.
const BUILT_IN: &[(&str, Roll)] = &[
    ("random-bytes", random_bytes),
    ("random-integer", random_integer),
    ("random-float", random_float),
    ("random-word", random_word),
    ("far-seconds", |dice| dice.of_bits(11, 28).to_string().into()),
    ("far-milliseconds", |dice| dice.of_bits(21, 38).to_string().into()),
];

/// A rule that repeats stops here, whatever the dice say.
const REPEATS_MAX: usize = 5;

pub struct Grammar {
    rules: HashMap<&'static str, Rule>,
}

#[derive(Default)]
struct Rule {
    weight: usize,
    productions: Vec<(usize, Vec<Item>)>,
}

struct Item {
    parts: Vec<Part>,
    repeat: Repeat,
}

enum Part {
    Text(Vec<u8>),
    Rule(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Repeat {
    Once,
    Maybe,
    Any,
    Some,
}

impl Grammar {
    /// The texts are constants of this program, so a mistake in one is a panic that names the line.
    pub fn read(texts: &[&'static str]) -> Grammar {
        let mut rules: HashMap<&'static str, Rule> = HashMap::new();
        let mut current = "";
        for line in texts.iter().flat_map(|text| text.lines()) {
            if line.trim().is_empty() || line.starts_with("//") {
                continue;
            }
            if let Some(name) = line.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
                assert!(!rules.contains_key(name), "two rules are called {name}");
                current = name;
                rules.insert(name, Rule::default());
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let weight = words.next().and_then(|word| word.parse().ok());
            let weight: usize = weight.unwrap_or_else(|| panic!("no weight: {line}"));
            let rule = rules.get_mut(current).unwrap_or_else(|| panic!("no rule: {line}"));
            rule.weight += weight;
            rule.productions.push((weight, words.map(read_item).collect()));
        }
        let grammar = Grammar { rules };
        grammar.check();
        grammar
    }

    pub fn line(&self, rule: &str, dice: &mut Dice) -> Args {
        let mut args = Args::new();
        self.expand(rule, dice, &mut args);
        args
    }

    /// The first words a rule can begin with, through all the rules it leads to.
    pub fn first_words(&self, rule: &str, found: &mut Vec<String>) {
        for (_, items) in &self.rules[rule].productions {
            match items.first().map(|item| &item.parts[..]) {
                Some([Part::Text(word)]) => found.push(String::from_utf8_lossy(word).into_owned()),
                Some([Part::Rule(name)]) if self.rules.contains_key(name) => {
                    self.first_words(name, found)
                }
                _ => {}
            }
        }
    }

    fn expand(&self, name: &str, dice: &mut Dice, args: &mut Args) {
        let Some(rule) = self.rules.get(name) else {
            return args.push(built_in(name).expect("checked when it was read")(dice));
        };
        let mut roll = dice.below(rule.weight);
        let chosen = rule.productions.iter().find(|(weight, _)| {
            let hit = roll < *weight;
            roll = roll.saturating_sub(*weight);
            hit
        });
        let (_, items) = chosen.expect("the weights add up");
        for item in items {
            for _ in 0..item.repeat.times(dice) {
                self.expand_item(item, dice, args);
            }
        }
    }

    fn expand_item(&self, item: &Item, dice: &mut Dice, args: &mut Args) {
        match &item.parts[..] {
            [Part::Rule(name)] => self.expand(name, dice, args),
            parts => {
                let mut glued = Vec::new();
                for part in parts {
                    match part {
                        Part::Text(text) => glued.extend_from_slice(text),
                        Part::Rule(name) => glued.extend(self.line(name, dice).concat()),
                    }
                }
                args.push(glued);
            }
        }
    }

    fn check(&self) {
        for (name, rule) in &self.rules {
            assert!(rule.weight > 0, "the rule {name} has no productions");
            let items = rule.productions.iter().flat_map(|(_, items)| items);
            for part in items.flat_map(|item| &item.parts) {
                if let Part::Rule(other) = part {
                    let known = self.rules.contains_key(other) || built_in(other).is_some();
                    assert!(known, "{name} names {other}, which is no rule");
                }
            }
        }
    }
}

impl Repeat {
    fn times(self, dice: &mut Dice) -> usize {
        let mut times = match self {
            Repeat::Once => return 1,
            Repeat::Maybe => return dice.below(2),
            Repeat::Any => 0,
            Repeat::Some => 1,
        };
        while times < REPEATS_MAX && dice.percent(50) {
            times += 1;
        }
        times
    }
}

fn read_item(word: &'static str) -> Item {
    let (word, repeat) = match word.as_bytes() {
        [.., b'>', b'?'] => (&word[..word.len() - 1], Repeat::Maybe),
        [.., b'>', b'*'] => (&word[..word.len() - 1], Repeat::Any),
        [.., b'>', b'+'] => (&word[..word.len() - 1], Repeat::Some),
        _ => (word, Repeat::Once),
    };
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some((text, after)) = rest.split_once('<') {
        // A lone bracket is text: `<` is an argument like any other.
        let Some((name, after)) = after.split_once('>') else { break };
        if !text.is_empty() {
            parts.push(Part::Text(unescape(text)));
        }
        parts.push(Part::Rule(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(if rest == "\"\"" { Vec::new() } else { unescape(rest) }));
    }
    Item { parts, repeat }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).expect("two hex digits"));
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn built_in(name: &str) -> Option<Roll> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, roll)| *roll)
}

fn random_bytes(dice: &mut Dice) -> Vec<u8> {
    // Lengths around 44 matter: that is where a string stops being embedded in its object.
    let length = dice.below(70);
    (0..length).map(|_| dice.next() as u8).collect()
}

fn random_word(dice: &mut Dice) -> Vec<u8> {
    let length = 1 + dice.below(12);
    (0..length).map(|_| *dice.pick(b"abcdefgh")).collect()
}

/// Magnitudes of 24 to 33 bits are left out: read as an offset they would ask for a huge string.
fn random_integer(dice: &mut Dice) -> Vec<u8> {
    let size = if dice.percent(50) { dice.of_bits(1, 20) } else { dice.of_bits(34, 63) };
    let sign = if dice.percent(40) { "-" } else { "" };
    format!("{sign}{size}").into()
}

fn random_float(dice: &mut Dice) -> Vec<u8> {
    let sign = if dice.percent(40) { "-" } else { "" };
    let whole = dice.of_bits(1, 20);
    let part = dice.of_bits(1, 20);
    match dice.below(6) {
        0 => format!("{sign}{whole}e{}", dice.below(12)),
        1 => format!("{sign}{whole}e-{}", dice.below(12)),
        2 => format!("{sign}.{part}"),
        _ => format!("{sign}{whole}.{part}"),
    }
    .into()
}
