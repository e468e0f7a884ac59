//! SUNIONCARD and SDIFFCARD, and SINTERCARD with them, on sets as plain as can be.

use crate::lines::{cased, text};
use crate::support::dice::Dice;
use crate::support::value::Value;
use crate::{Server, Subject, Words};
use std::collections::{BTreeMap, BTreeSet};

type Members = BTreeSet<Vec<u8>>;

pub struct Sets {
    sets: BTreeMap<Vec<u8>, Members>,
}

const KEYS: [&str; 5] = ["a", "b", "c", "d", "missing"];
/// Holds a string.
const WRONG: &str = "text";

impl Subject for Sets {
    fn new(server: &mut Server, _: bool) -> Sets {
        server.ask(&["SET", WRONG, "hello"]);
        Sets { sets: BTreeMap::new() }
    }

    fn line(&self, dice: &mut Dice) -> Words {
        match dice.below(20) {
            0..=5 => changed(dice, "SADD", 12),
            6..=7 => changed(dice, "SREM", 6),
            8 => vec![text("DEL"), text(dice.pick::<&str>(&KEYS))],
            _ => counted(dice),
        }
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        let name = line[0].to_ascii_uppercase();
        let answer = match name.as_slice() {
            b"SADD" => {
                let set = self.sets.entry(line[1].clone()).or_default();
                line[2..].iter().filter(|member| set.insert((*member).clone())).count()
            }
            b"SREM" => {
                let Some(set) = self.sets.get_mut(&line[1]) else { return vec![Value::Int(0)] };
                let removed = line[2..].iter().filter(|member| set.remove(*member)).count();
                self.sets.retain(|_, set| !set.is_empty());
                removed
            }
            b"DEL" => self.sets.remove(&line[1]).map_or(0, |_| 1),
            name => return self.count(name, line),
        };
        vec![Value::Int(answer as i64)]
    }

    /// Nothing here has a deadline.
    fn pass(&mut self, _: i64) {}

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        for key in KEYS {
            let answer = server.ask(&["SMEMBERS", key]);
            let is: Members = answer.items().unwrap_or_default().iter().filter_map(bytes).collect();
            let should = self.sets.get(key.as_bytes()).cloned().unwrap_or_default();
            if is != should {
                return Err(format!("{key} is {answer}, and should be {should:?}"));
            }
        }
        Ok(())
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.text().map(<[u8]>::to_vec)
}

impl Sets {
    fn count(&self, name: &[u8], line: &Words) -> Vec<Value> {
        let refuse = |text: &str| vec![Value::error(text)];
        if line.len() < 3 {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            return refuse(&format!("ERR wrong number of arguments for '{name}' command"));
        }
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<i64>().ok();
        let Some(keys) = number(&line[1]).filter(|keys| *keys > 0) else {
            return refuse("ERR numkeys should be greater than 0");
        };
        let Some(keys) = line[2..].get(..keys as usize) else {
            return refuse("ERR Number of keys can't be greater than number of args");
        };
        let (mut limit, mut about) = (0, false);
        let mut rest = line[2 + keys.len()..].iter();
        while let Some(word) = rest.next() {
            match (word.to_ascii_uppercase().as_slice(), rest.len()) {
                (b"LIMIT", 1..) => match rest.next().and_then(|word| number(word)) {
                    Some(number @ 0..) => limit = number as usize,
                    _ => return refuse("ERR LIMIT can't be negative"),
                },
                (b"APPROX", _) if name == b"SUNIONCARD" => about = true,
                _ => return refuse("ERR syntax error"),
            }
        }
        if keys.iter().any(|key| key == WRONG.as_bytes()) {
            return refuse("WRONGTYPE Operation against a key holding the wrong kind of value");
        }
        let set = |key| self.sets.get(key).cloned().unwrap_or_default();
        let sets: Vec<Members> = keys.iter().map(set).collect();
        let first = sets[0].clone();
        let result: Members = match name {
            b"SUNIONCARD" => sets.into_iter().flatten().collect(),
            b"SDIFFCARD" => sets[1..].iter().fold(first, |left, set| &left - set),
            b"SINTERCARD" => sets[1..].iter().fold(first, |left, set| &left & set),
            other => panic!("no line has {other:?}"),
        };
        let limit = if limit == 0 { usize::MAX } else { limit };
        let count = |count: usize| Value::Int(count.min(limit) as i64);
        match about {
            false => vec![count(result.len())],
            // An estimate of so few is hardly ever wrong, and never by much.
            true => (result.len().saturating_sub(2)..=result.len() + 2).map(count).collect(),
        }
    }
}

fn changed(dice: &mut Dice, name: &str, most: usize) -> Words {
    let mut line = vec![cased(dice, name.as_bytes()), text(dice.pick::<&str>(&KEYS[..4]))];
    for _ in 0..1 + dice.below(most) {
        line.push(match dice.below(3) {
            0 => format!("m{}", dice.below(12)).into_bytes(),
            _ => dice.below(25).to_string().into_bytes(),
        });
    }
    line
}

fn counted(dice: &mut Dice) -> Words {
    let name = *dice.pick(&["SUNIONCARD", "SUNIONCARD", "SDIFFCARD", "SDIFFCARD", "SINTERCARD"]);
    let count = 1 + dice.below(4);
    let said = match dice.below(20) {
        0 => text(dice.pick::<&str>(&["0", "-1", "x", "", "1.5", "9223372036854775807"])),
        1 => (count + 1).to_string().into_bytes(),
        2 => (count - 1).to_string().into_bytes(),
        _ => count.to_string().into_bytes(),
    };
    let mut line = vec![cased(dice, name.as_bytes()), said];
    for _ in 0..count {
        let key = if dice.percent(4) { WRONG } else { *dice.pick(&KEYS) };
        line.push(text(key));
    }
    for _ in 0..dice.below(3) {
        if dice.percent(30) {
            line.push(cased(dice, b"APPROX"));
        } else {
            line.push(cased(dice, b"LIMIT"));
            line.push(match dice.below(10) {
                0 => text(dice.pick::<&str>(&["-1", "x", "", "9223372036854775807"])),
                1 => text("0"),
                _ => dice.below(30).to_string().into_bytes(),
            });
        }
    }
    if dice.percent(5) {
        line.pop();
    }
    line
}
