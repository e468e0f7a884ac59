//! XDELEX, XACKDEL, XNACK, and trimming that minds groups, on streams that are nothing but sets of ids.

use crate::lines::text;
use crate::support::dice::Dice;
use crate::support::value::Value;
use crate::{Server, Subject, Words};
use std::collections::{BTreeMap, BTreeSet};

const KEY: &str = "s";
const GROUPS: [&str; 2] = ["g", "h"];
const CONSUMER: &str = "c";
const REFS: [&str; 3] = ["KEEPREF", "DELREF", "ACKED"];
const MOST: u64 = i64::MAX as u64;

#[derive(Default)]
pub struct Streams {
    entries: BTreeSet<u64>,
    last: u64,
    groups: BTreeMap<Vec<u8>, Group>,
}

#[derive(Default)]
struct Group {
    last: u64,
    /// Whether somebody has it, and how often it was delivered.
    pending: BTreeMap<u64, (bool, u64)>,
}

impl Subject for Streams {
    fn new(server: &mut Server, _: bool) -> Streams {
        // Where nodes have several entries, trimming does not look behind the first that stays.
        server.ask(&["CONFIG", "SET", "stream-node-max-entries", "1"]);
        let mut streams = Streams::default();
        for group in GROUPS {
            server.ask(&["XGROUP", "CREATE", KEY, group, "0", "MKSTREAM"]);
            server.ask(&["XGROUP", "CREATECONSUMER", KEY, group, CONSUMER]);
            streams.groups.insert(group.into(), Group::default());
        }
        streams
    }

    fn line(&self, dice: &mut Dice) -> Words {
        let group = *dice.pick::<&str>(&GROUPS);
        let id = self.an_id(dice);
        let line = |words: &[&str]| words.iter().map(|word| text(word)).collect();
        let mut words: Words = match dice.below(100) {
            0..30 => return line(&["XADD", KEY, &format!("{}-0", self.last + 1), "a", "1"]),
            30..55 => {
                let claim =
                    ["XCLAIM", KEY, group, CONSUMER, "0", &id, "FORCE", "JUSTID", "LASTID", &id];
                return line(&claim);
            }
            55..60 => return line(&["XACK", KEY, group, &id]),
            60..72 => line(&["XDELEX", KEY]),
            72..82 => line(&["XACKDEL", KEY, group]),
            82..92 => line(&["XNACK", KEY, group, dice.pick::<&str>(&["SILENT", "FAIL", "FATAL"])]),
            _ => {
                let most = dice.below(10).to_string();
                let by_length = dice.percent(50);
                let cut = if by_length { ["MAXLEN", "=", &most] } else { ["MINID", "=", &id] };
                return line(&["XTRIM", KEY, cut[0], cut[1], cut[2], dice.pick::<&str>(&REFS)]);
            }
        };
        let nacks = words[0] == b"XNACK";
        if !nacks && dice.percent(80) {
            words.push(text(dice.pick::<&str>(&REFS)));
        }
        let count = 1 + dice.below(4);
        words.extend([text("IDS"), text(&count.to_string())]);
        words.extend((0..count).map(|_| text(&self.an_id(dice))));
        if nacks && dice.percent(30) {
            words.extend([text("RETRYCOUNT"), text(&dice.below(9).to_string())]);
        }
        if nacks && dice.percent(30) {
            words.push(text("FORCE"));
        }
        words
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        let words: Vec<&str> =
            line.iter().map(|word| str::from_utf8(word).expect("it is plain")).collect();
        vec![match words[0] {
            "XADD" => {
                self.last += 1;
                self.entries.insert(self.last);
                Value::bulk(words[2])
            }
            "XCLAIM" => self.claim(words[2], number(words[5])),
            "XACK" => {
                let group = self.groups.get_mut(words[2].as_bytes()).expect("a group");
                Value::Int(group.pending.remove(&number(words[3])).is_some() as i64)
            }
            "XTRIM" => Value::Int(self.trim(words[2], number(words[4]), words[5])),
            "XDELEX" => Value::Array(self.delete(&words[2..])),
            "XACKDEL" => Value::Array(self.acknowledge(words[2], &words[3..])),
            _ => Value::Int(self.give_back(words[2], words[3], &words[4..])),
        }]
    }

    /// Nothing here has a deadline.
    fn pass(&mut self, _: i64) {}

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        let answer = server.ask(&["XRANGE", KEY, "-", "+"]);
        let found: Vec<u64> = answer.items().unwrap_or_default().iter().map(id_of).collect();
        if !found.iter().eq(&self.entries) {
            return Err(format!("entries are {found:?}, and should be {:?}", self.entries));
        }
        for (name, group) in &self.groups {
            let name = String::from_utf8_lossy(name).into_owned();
            let answer = server.ask(&["XPENDING", KEY, &name, "-", "+", "1000"]);
            let row = |row: &Value| {
                let Some([_, owner, _, Value::Int(count)]) = row.items() else { return None };
                let owned = owner.text().is_some_and(|name| !name.is_empty());
                Some((id_of(row), (owned, *count as u64)))
            };
            let found: Option<Vec<_>> =
                answer.items().unwrap_or_default().iter().map(row).collect();
            let should: Vec<_> = group.pending.iter().map(|(id, it)| (*id, *it)).collect();
            if found.as_ref() != Some(&should) {
                return Err(format!("{name} has {found:?}, and should have {should:?}"));
            }
        }
        Ok(())
    }
}

impl Streams {
    fn an_id(&self, dice: &mut Dice) -> String {
        // Those that are there are mostly the last ones.
        let far = if dice.percent(80) { 12 } else { 40 };
        let back = dice.below(far) as u64;
        format!("{}-0", (self.last + 2).saturating_sub(back).max(1))
    }

    fn claim(&mut self, group: &str, id: u64) -> Value {
        let is_there = self.entries.contains(&id);
        let group = self.groups.get_mut(group.as_bytes()).expect("a group");
        group.last = group.last.max(id);
        if !is_there {
            group.pending.remove(&id);
            return Value::Array(Vec::new());
        }
        group.pending.entry(id).or_insert((true, 1)).0 = true;
        Value::Array(vec![Value::bulk(format!("{id}-0"))])
    }

    /// Has somebody yet to read it, or to acknowledge it?
    fn is_needed(&self, id: u64) -> bool {
        self.groups.values().any(|group| group.last < id || group.pending.contains_key(&id))
    }

    fn forget(&mut self, id: u64) {
        self.groups.values_mut().for_each(|group| _ = group.pending.remove(&id));
    }

    fn trim(&mut self, cut: &str, threshold: u64, refs: &str) -> i64 {
        let mut gone = 0;
        for id in self.entries.clone() {
            let ends = match cut {
                "MAXLEN" => self.entries.len() as u64 <= threshold,
                _ => id >= threshold,
            };
            if ends {
                break;
            }
            if refs == "ACKED" && self.is_needed(id) {
                continue;
            }
            if refs == "DELREF" {
                self.forget(id);
            }
            self.entries.remove(&id);
            gone += 1;
        }
        gone
    }

    fn delete(&mut self, words: &[&str]) -> Vec<Value> {
        let (refs, ids) = refs_and_ids(words);
        let codes = ids.into_iter().map(|id| {
            if refs == "ACKED" && self.entries.contains(&id) && self.is_needed(id) {
                return 2;
            }
            if refs == "DELREF" {
                self.forget(id);
            }
            if self.entries.remove(&id) { 1 } else { -1 }
        });
        codes.map(Value::Int).collect()
    }

    fn acknowledge(&mut self, group: &str, words: &[&str]) -> Vec<Value> {
        let (refs, ids) = refs_and_ids(words);
        let codes = ids.into_iter().map(|id| {
            let group = self.groups.get_mut(group.as_bytes()).expect("a group");
            if group.pending.remove(&id).is_none() {
                return -1;
            }
            if refs == "ACKED" && self.is_needed(id) {
                return 2;
            }
            if refs == "DELREF" {
                self.forget(id);
            }
            self.entries.remove(&id);
            1
        });
        codes.map(Value::Int).collect()
    }

    fn give_back(&mut self, group: &str, mode: &str, words: &[&str]) -> i64 {
        let (_, ids) = refs_and_ids(words);
        let rest = &words[2 + ids.len()..];
        let forces = rest.contains(&"FORCE");
        let given =
            rest.iter().position(|word| *word == "RETRYCOUNT").map(|at| number(rest[at + 1]));
        let mut released = 0;
        for id in ids {
            let is_there = self.entries.contains(&id);
            let group = self.groups.get_mut(group.as_bytes()).expect("a group");
            let before = match group.pending.get(&id) {
                Some((_, count)) => *count,
                None if forces && is_there => 0,
                None => continue,
            };
            let after = given.unwrap_or(match mode {
                "SILENT" => before.saturating_sub(1),
                "FAIL" => before,
                _ => MOST,
            });
            group.pending.insert(id, (false, after));
            released += 1;
        }
        released
    }
}

/// `[KEEPREF|DELREF|ACKED] IDS numids id [id …]`
fn refs_and_ids<'a>(words: &[&'a str]) -> (&'a str, Vec<u64>) {
    let (refs, words) = match words[0] {
        "IDS" => ("KEEPREF", &words[1..]),
        refs => (refs, &words[2..]),
    };
    let count = number(words[0]) as usize;
    (refs, words[1..1 + count].iter().map(|id| number(id)).collect())
}

/// The number that is an id, or stands in one before the dash.
fn number(word: &str) -> u64 {
    word.split('-').next().and_then(|digits| digits.parse().ok()).expect("a number")
}

fn id_of(row: &Value) -> u64 {
    let id = row.items().and_then(|parts| parts[0].text()).unwrap_or_default();
    number(str::from_utf8(id).expect("an id"))
}
