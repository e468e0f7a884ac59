//! AGGREGATE COUNT, and the other ways to combine scores with it, on sorted sets as plain as can be.

use crate::lines::{cased, text};
use crate::support::dice::Dice;
use crate::support::value::Value;
use crate::{Server, Subject, Words};
use std::collections::BTreeMap;

/// Members with their scores, which are whole numbers here.
type Scores = BTreeMap<Vec<u8>, i64>;

pub struct SortedSets {
    sets: BTreeMap<Vec<u8>, Scores>,
    resp3: bool,
}

const KEYS: [&str; 4] = ["a", "b", "c", "missing"];
/// A set without scores, which counts as one where each is 1.
const PLAIN: &str = "plain";
/// Holds a string.
const WRONG: &str = "text";

impl Subject for SortedSets {
    fn new(server: &mut Server, resp3: bool) -> SortedSets {
        server.ask(&["SET", WRONG, "hello"]);
        server.ask(&["SADD", PLAIN, "m1", "m2", "m3"]);
        let plain = ["m1", "m2", "m3"].map(|member| (text(member), 1)).into();
        SortedSets { sets: [(text(PLAIN), plain)].into(), resp3 }
    }

    fn line(&self, dice: &mut Dice) -> Words {
        match dice.below(10) {
            0..=3 => {
                let mut line = vec![text("ZADD"), text(dice.pick::<&str>(&KEYS[..3]))];
                for _ in 0..1 + dice.below(4) {
                    line.push((dice.below(40) as i64 - 15).to_string().into_bytes());
                    line.push(format!("m{}", dice.below(10)).into_bytes());
                }
                line
            }
            4 => {
                let member = format!("m{}", dice.below(10)).into_bytes();
                vec![text("ZREM"), text(dice.pick::<&str>(&KEYS[..3])), member]
            }
            _ => combined(dice),
        }
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        let name = line[0].to_ascii_uppercase();
        match name.as_slice() {
            b"ZADD" => {
                let set = self.sets.entry(line[1].clone()).or_default();
                let added = line[2..].chunks(2).filter(|pair| {
                    let score = integer(&pair[0]).expect("it was made of one");
                    set.insert(pair[1].clone(), score).is_none()
                });
                vec![Value::Int(added.count() as i64)]
            }
            b"ZREM" => {
                let set = self.sets.get_mut(&line[1]);
                let removed = set.is_some_and(|set| set.remove(&line[2]).is_some());
                self.sets.retain(|_, set| !set.is_empty());
                vec![Value::Int(removed as i64)]
            }
            _ => match self.combine(&name, line) {
                Ok(answer) => vec![answer],
                Err(mistake) => vec![Value::error(&mistake)],
            },
        }
    }

    /// Nothing here has a deadline.
    fn pass(&mut self, _: i64) {}

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        for key in KEYS {
            let answer = server.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]);
            let scores = self.sets.get(key.as_bytes()).cloned().unwrap_or_default();
            let should = self.shown(scores, true);
            if answer != should {
                return Err(format!("{key} is\n{answer}\nand should be\n{should}"));
            }
        }
        Ok(())
    }
}

impl SortedSets {
    fn combine(&mut self, name: &[u8], line: &Words) -> Result<Value, String> {
        let stores = name.ends_with(b"STORE");
        let first = if stores { 2 } else { 1 };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if line.len() < first + 2 {
            return Err(format!("ERR wrong number of arguments for '{name}' command"));
        }
        let count = integer(&line[first]).ok_or("ERR value is not an integer or out of range")?;
        if count < 1 {
            return Err(format!("ERR at least 1 input key is needed for '{name}' command"));
        }
        let keys = line[first + 1..].get(..count as usize).ok_or("ERR syntax error")?;
        if keys.iter().any(|key| key == WRONG.as_bytes()) {
            return Err("WRONGTYPE Operation against a key holding the wrong kind of value".into());
        }
        let mut weights = vec![1; keys.len()];
        let mut aggregate = b"SUM".to_vec();
        let mut with_scores = false;
        let mut rest = line[first + 1 + keys.len()..].iter();
        while let Some(word) = rest.next() {
            match (word.to_ascii_uppercase().as_slice(), rest.len()) {
                (b"WEIGHTS", left) if left >= keys.len() => {
                    for weight in &mut weights {
                        let word = rest.next().expect("there are as many");
                        *weight = integer(word).ok_or("ERR weight value is not a float")?;
                    }
                }
                (b"AGGREGATE", 1..) => {
                    aggregate = rest.next().expect("there is one").to_ascii_uppercase();
                    if ![&b"SUM"[..], b"MIN", b"MAX", b"COUNT"].contains(&aggregate.as_slice()) {
                        return Err("ERR syntax error".into());
                    }
                }
                (b"WITHSCORES", _) if !stores => with_scores = true,
                _ => return Err("ERR syntax error".into()),
            }
        }
        let sets: Vec<Scores> =
            keys.iter().map(|key| self.sets.get(key).cloned().unwrap_or_default()).collect();
        let mut result = Scores::new();
        for member in sets.iter().flat_map(|set| set.keys()) {
            let having = sets.iter().zip(&weights).filter(|(set, _)| set.contains_key(member));
            let weighed: Vec<i64> = having
                .map(|(set, weight)| match aggregate.as_slice() {
                    b"COUNT" => *weight,
                    _ => set[member] * weight,
                })
                .collect();
            if name.starts_with("zinter") && weighed.len() < sets.len() {
                continue;
            }
            let score = match aggregate.as_slice() {
                b"MIN" => weighed.into_iter().min(),
                b"MAX" => weighed.into_iter().max(),
                _ => Some(weighed.into_iter().sum()),
            };
            result.insert(member.clone(), score.expect("one set has it"));
        }
        if !stores {
            return Ok(self.shown(result, with_scores));
        }
        let len = result.len();
        match len {
            0 => self.sets.remove(&line[1]),
            _ => self.sets.insert(line[1].clone(), result),
        };
        Ok(Value::Int(len as i64))
    }

    /// By score, and members of the same score by name.
    fn shown(&self, scores: Scores, with_scores: bool) -> Value {
        let mut all: Vec<(i64, Vec<u8>)> =
            scores.into_iter().map(|(member, score)| (score, member)).collect();
        all.sort();
        let mut items = Vec::new();
        for (score, member) in all {
            let score = score.to_string().into_bytes();
            match (with_scores, self.resp3) {
                (false, _) => items.push(Value::Bulk(member)),
                (true, false) => items.extend([Value::Bulk(member), Value::Bulk(score)]),
                (true, true) => {
                    items.push(Value::Array(vec![Value::Bulk(member), Value::Double(score)]));
                }
            }
        }
        Value::Array(items)
    }
}

fn integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn combined(dice: &mut Dice) -> Words {
    let name = *dice.pick(&["ZUNION", "ZINTER", "ZUNIONSTORE", "ZINTERSTORE"]);
    let mut line = vec![cased(dice, name.as_bytes())];
    if name.ends_with("STORE") {
        line.push(text(dice.pick::<&str>(&KEYS[..3])));
    }
    let count = 1 + dice.below(4);
    line.push(match dice.below(30) {
        0 => text(dice.pick::<&str>(&["0", "-1", "x", "9223372036854775807"])),
        1 => (count + 1).to_string().into_bytes(),
        _ => count.to_string().into_bytes(),
    });
    for _ in 0..count {
        line.push(text(match dice.below(20) {
            0 => WRONG,
            1..=4 => PLAIN,
            _ => dice.pick::<&str>(&KEYS),
        }));
    }
    let mut options = vec![];
    let how = match dice.percent(85) {
        true => *dice.pick(&["COUNT", "COUNT", "COUNT", "SUM", "MIN", "MAX", "AVG"]),
        false => "",
    };
    if dice.percent(40) {
        let mut weights = vec![cased(dice, b"WEIGHTS")];
        // A score of zero has a sign, which whole numbers lack.
        let least = if how == "COUNT" { -3 } else { 1 };
        let weight = |_| (dice.below(6) as i64 + least).to_string().into_bytes();
        weights.extend((0..count).map(weight));
        if dice.percent(5) {
            weights[1] = text("x");
        }
        options.push(weights);
    }
    if !how.is_empty() {
        options.push(vec![cased(dice, b"AGGREGATE"), cased(dice, how.as_bytes())]);
    }
    if dice.percent(50) && !name.ends_with("STORE") || dice.percent(3) {
        options.push(vec![cased(dice, b"WITHSCORES")]);
    }
    while !options.is_empty() {
        line.append(&mut options.swap_remove(dice.below(options.len())));
    }
    if dice.percent(4) {
        line.pop();
    }
    line
}
