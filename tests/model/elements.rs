//! Deadlines of elements: of fields of a hash, of members of a set and of a sorted set. The three are one
//! model, as they are one grammar.

use crate::lines::{cased, text};
use crate::support::dice::Dice;
use crate::support::value::Value;
use crate::{Server, Subject, Words};
use std::collections::BTreeMap;

/// Elements with their deadlines, in milliseconds from the beginning.
type Elements = BTreeMap<Vec<u8>, Option<i64>>;

pub struct Mortals {
    now: i64,
    keys: BTreeMap<Vec<u8>, Elements>,
}

/// The keys, the letter of their commands, and the word before a number of elements.
const KINDS: [(&str, &str, &str); 3] =
    [("h", "H", "FIELDS"), ("s", "S", "MEMBERS"), ("z", "Z", "MEMBERS")];

impl Subject for Mortals {
    fn new(_: &mut Server, _: bool) -> Mortals {
        Mortals { now: 0, keys: BTreeMap::new() }
    }

    fn line(&self, dice: &mut Dice) -> Words {
        let (key, letter, word) = *dice.pick(&KINDS);
        let element = |dice: &mut Dice| text(&format!("e{}", dice.below(12)));
        let command =
            |dice: &mut Dice, name: &str| cased(dice, format!("{letter}{name}").as_bytes());
        let mut line = match dice.below(12) {
            0..=2 => {
                let mut line = vec![
                    text(
                        ["HSET", "SADD", "ZADD"]
                            [KINDS.iter().position(|kind| kind.0 == key).unwrap_or(0)],
                    ),
                    text(key),
                ];
                for _ in 0..=dice.below(4) {
                    match key {
                        "h" => line.extend([element(dice), text("v")]),
                        "s" => line.push(element(dice)),
                        _ => line.extend([text(&dice.below(5).to_string()), element(dice)]),
                    }
                }
                return line;
            }
            3 => {
                let name = if key == "h" {
                    "HDEL"
                } else if key == "s" {
                    "SREM"
                } else {
                    "ZREM"
                };
                let mut line = vec![text(name), text(key)];
                line.extend((0..=dice.below(3)).map(|_| element(dice)));
                return line;
            }
            4..=7 => {
                let span = if dice.percent(10) { 0 } else { dice.of_bits(1, 13) };
                let mut line = vec![command(dice, "PEXPIRE"), text(key), text(&span.to_string())];
                if dice.percent(40) {
                    let condition = dice_word(dice);
                    line.push(cased(dice, condition.as_bytes()));
                }
                line
            }
            8 => vec![command(dice, "PERSIST"), text(key)],
            9 | 10 => vec![command(dice, "PTTL"), text(key)],
            _ => {
                let name = if key == "h" {
                    "HLEN"
                } else if key == "s" {
                    "SCARD"
                } else {
                    "ZCARD"
                };
                return vec![text(name), text(key)];
            }
        };
        let count = 1 + dice.below(4);
        line.extend([text(word), text(&count.to_string())]);
        line.extend((0..count).map(|_| element(dice)));
        line
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        let name = String::from_utf8_lossy(&line[0]).to_ascii_uppercase();
        let now = self.now;
        let elements = self.keys.entry(line[1].clone()).or_default();
        let answer = match &name[1..] {
            "SET" | "ADD" => {
                let (first, step) = match name.as_str() {
                    "HSET" => (2, 2),
                    "SADD" => (2, 1),
                    _ => (3, 2),
                };
                let mut new = 0;
                for element in line[first..].iter().step_by(step) {
                    let known = elements.contains_key(element);
                    new += i64::from(!known);
                    // A field gets a value that lives for ever; a member is there already.
                    if name == "HSET" || !known {
                        elements.insert(element.clone(), None);
                    }
                }
                Value::Int(new)
            }
            "DEL" | "REM" => {
                let gone = line[2..].iter().filter(|element| elements.remove(*element).is_some());
                Value::Int(gone.count() as i64)
            }
            "LEN" | "CARD" => Value::Int(elements.len() as i64),
            "PEXPIRE" => {
                let span: i64 = String::from_utf8_lossy(&line[2]).parse().expect("a number");
                let condition = line[3].to_ascii_uppercase();
                let first = if condition.len() == 2 { 6 } else { 5 };
                let deadline = now + span;
                let answers = line[first..].iter().map(|element| {
                    let Some(known) = elements.get_mut(element) else { return -2 };
                    let held = match (condition.as_slice(), &known) {
                        (b"NX", known) => known.is_some(),
                        (b"XX", known) => known.is_none(),
                        (b"GT", known) => known.is_none_or(|known| deadline <= known),
                        (b"LT", known) => known.is_some_and(|known| deadline >= known),
                        _ => false,
                    };
                    if held {
                        return 0;
                    }
                    *known = Some(deadline);
                    if span > 0 {
                        return 1;
                    }
                    elements.remove(element);
                    2
                });
                Value::Array(answers.map(Value::Int).collect())
            }
            "PERSIST" => {
                let answers = line[4..].iter().map(|element| match elements.get_mut(element) {
                    None => -2,
                    Some(deadline) => deadline.take().map_or(-1, |_| 1),
                });
                Value::Array(answers.map(Value::Int).collect())
            }
            "PTTL" => {
                let answers = line[4..].iter().map(|element| match elements.get(element) {
                    None => -2,
                    Some(deadline) => deadline.map_or(-1, |deadline| deadline - now),
                });
                Value::Array(answers.map(Value::Int).collect())
            }
            other => panic!("no line has {other:?}"),
        };
        vec![answer]
    }

    fn pass(&mut self, millis: i64) {
        self.now += millis;
        for elements in self.keys.values_mut() {
            elements.retain(|_, deadline| deadline.is_none_or(|deadline| deadline > self.now));
        }
    }

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        // Looking takes away what is due, so it is not done each time.
        if self.now % 2 == 1 {
            return Ok(());
        }
        for (key, _, _) in KINDS {
            let known = self.keys.get(key.as_bytes()).cloned().unwrap_or_default();
            let line: &[&str] = match key {
                "h" => &["HKEYS", key],
                "s" => &["SMEMBERS", key],
                _ => &["ZRANGE", key, "0", "-1"],
            };
            let answer = server.ask(line);
            let mut is: Vec<Vec<u8>> = answer
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(|item| item.text().map(<[u8]>::to_vec))
                .collect();
            is.sort();
            if !is.iter().eq(known.keys()) {
                return Err(format!("{key} is {answer}, and should be {known:?}"));
            }
            if server.ask(&["EXISTS", key]) != Value::Int(i64::from(!known.is_empty())) {
                return Err(format!("{key} is there without an element, or the other way round"));
            }
        }
        Ok(())
    }
}

fn dice_word(dice: &mut Dice) -> &'static str {
    ["NX", "XX", "GT", "LT"][dice.below(4)]
}
