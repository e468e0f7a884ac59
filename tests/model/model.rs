//! The model: what the manual says of SET's conditions, DELEX, DIGEST, INCREX and BITOP, in the
//! plainest form. It knows nothing of how the server does it.
//!
//! A line with several mistakes may be answered with any of them, as the manual does not say which
//! one comes first. That is why an answer is a set; only lines with mistakes have more than one.

use crate::Words;
use crate::number::{Number, Read};
use crate::support::value::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub value: Vec<u8>,
    pub deadline: Option<i64>,
}

pub struct Model {
    pub keys: BTreeMap<Vec<u8>, Held>,
    /// Of every value that was ever seen. Some are known from elsewhere, the server's are
    /// believed as long as they are a function of the value.
    pub digests: BTreeMap<Vec<u8>, Vec<u8>>,
    pub resp3: bool,
    pub now: i64,
}

const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_FLOAT: &str = "ERR value is not a valid float";
const BAD_DIGEST: &str = "ERR must be exactly 16 hexadecimal characters";

/// What the line is answered with; the mistakes, if it is not carried out.
type Answer = Result<Value, Vec<String>>;

impl Model {
    pub fn answers(&mut self, words: &Words) -> Vec<Value> {
        let name = words[0].to_ascii_uppercase();
        let answer = match name.as_slice() {
            b"SET" => self.set(words),
            b"DELEX" => self.delex(words),
            b"DIGEST" => self.digest(words),
            b"INCREX" => self.increx(words),
            b"BITOP" => self.bitop(words),
            other => panic!("no line has {other:?}"),
        };
        match answer {
            Ok(value) => vec![value],
            Err(mistakes) => mistakes.iter().map(|text| Value::error(text)).collect(),
        }
    }

    pub fn null(&self) -> Value {
        if self.resp3 { Value::Null } else { Value::NullBulk }
    }

    pub fn get(&self, key: &[u8]) -> Value {
        self.keys.get(key).map_or_else(|| self.null(), |held| Value::bulk(&held.value))
    }

    pub fn pttl(&self, key: &[u8]) -> Value {
        Value::Int(match self.keys.get(key) {
            None => -2,
            Some(Held { deadline: None, .. }) => -1,
            Some(Held { deadline: Some(deadline), .. }) => deadline - self.now,
        })
    }

    /// What is past its time is not kept.
    fn keep(&mut self, key: &[u8], value: Vec<u8>, deadline: Option<i64>) {
        match deadline {
            Some(deadline) if deadline <= self.now => self.keys.remove(key),
            _ => self.keys.insert(key.to_vec(), Held { value, deadline }),
        };
    }

    // ── SET ─────────────────────────────────────────────────────────────────────────────────

    fn set(&mut self, words: &Words) -> Answer {
        if words.len() < 3 {
            return arity("set");
        }
        let (key, value) = (&words[1], &words[2]);
        let mut get = false;
        let mut keep_ttl = false;
        let mut existence: Option<Vec<u8>> = None;
        let mut comparison: Option<(Vec<u8>, &[u8])> = None;
        let mut moment: Option<(Vec<u8>, &[u8])> = None;
        let mut rest = words[3..].iter();
        while let Some(word) = rest.next() {
            let word = word.to_ascii_uppercase();
            match word.as_slice() {
                b"GET" => get = true,
                b"KEEPTTL" => keep_ttl = true,
                b"NX" | b"XX" => match existence.replace(word.clone()) {
                    Some(other) if other != word => return one(SYNTAX),
                    _ => {}
                },
                b"IFEQ" | b"IFNE" | b"IFDEQ" | b"IFDNE" => {
                    let Some(operand) = rest.next() else { return one(SYNTAX) };
                    if comparison.replace((word, operand)).is_some() {
                        return one(SYNTAX);
                    }
                }
                b"EX" | b"PX" | b"EXAT" | b"PXAT" => {
                    let Some(amount) = rest.next() else { return one(SYNTAX) };
                    match moment.replace((word.clone(), amount)) {
                        Some((other, _)) if other != word => return one(SYNTAX),
                        _ => {}
                    }
                }
                _ => return one(SYNTAX),
            }
        }
        if existence.is_some() && comparison.is_some() || keep_ttl && moment.is_some() {
            return one(SYNTAX);
        }
        let mut mistakes = Vec::new();
        let until = moment.and_then(|(word, amount)| {
            self.moment(&word, amount, "set").map_err(|why| mistakes.push(why)).ok()
        });
        let old = self.keys.get(key).cloned();
        let holds = match (&existence, &comparison) {
            (Some(word), _) => (word == b"XX") == old.is_some(),
            (None, Some((word, operand))) => match &old {
                Some(old) => self
                    .compares(word, operand, &old.value)
                    .map_err(|why| mistakes.push(why))
                    .unwrap_or(false),
                // A missing key differs from everything and equals nothing.
                None => word == b"IFNE" || word == b"IFDNE",
            },
            (None, None) => true,
        };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let answer = match (get, holds) {
            (true, _) => self.get(key),
            (false, true) => Value::simple("OK"),
            (false, false) => self.null(),
        };
        if holds {
            let kept = old.filter(|_| keep_ttl).and_then(|old| old.deadline);
            self.keep(key, value.clone(), until.or(kept));
        }
        Ok(answer)
    }

    fn compares(&self, word: &[u8], operand: &[u8], value: &[u8]) -> Result<bool, String> {
        match word {
            b"IFEQ" => Ok(value == operand),
            b"IFNE" => Ok(value != operand),
            _ if operand.len() != 16 => Err(BAD_DIGEST.into()),
            _ => {
                let same = self.digests[value].eq_ignore_ascii_case(operand);
                Ok(same == (word == b"IFDEQ"))
            }
        }
    }

    /// The deadline that an expiration option stands for.
    fn moment(&self, word: &[u8], amount: &[u8], command: &str) -> Result<i64, String> {
        let amount = i128::from(integer(amount).ok_or(NOT_INTEGER)?);
        let millis = if word.starts_with(b"E") { amount * 1000 } else { amount };
        let start = if word.ends_with(b"AT") { 0 } else { i128::from(self.now) };
        match i64::try_from(start + millis) {
            Ok(deadline) if amount > 0 => Ok(deadline),
            _ => Err(format!("ERR invalid expire time in '{command}' command")),
        }
    }

    // ── DELEX, DIGEST ───────────────────────────────────────────────────────────────────────

    fn delex(&mut self, words: &Words) -> Answer {
        if words.len() != 2 && words.len() != 4 {
            return arity("delex");
        }
        let Some(held) = self.keys.get(&words[1]) else { return Ok(Value::Int(0)) };
        if let [_, _, word, operand] = words.as_slice() {
            let word = word.to_ascii_uppercase();
            if ![&b"IFEQ"[..], b"IFNE", b"IFDEQ", b"IFDNE"].contains(&&*word) {
                return one("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
            }
            match self.compares(&word, operand, &held.value) {
                Ok(true) => {}
                Ok(false) => return Ok(Value::Int(0)),
                Err(why) => return one(&why),
            }
        }
        self.keys.remove(&words[1]);
        Ok(Value::Int(1))
    }

    fn digest(&self, words: &Words) -> Answer {
        if words.len() != 2 {
            return arity("digest");
        }
        Ok(match self.keys.get(&words[1]) {
            Some(held) => Value::bulk(&self.digests[&held.value]),
            None => self.null(),
        })
    }

    // ── INCREX ──────────────────────────────────────────────────────────────────────────────

    fn increx(&mut self, words: &Words) -> Answer {
        if words.len() < 2 {
            return arity("increx");
        }
        let key = &words[1];
        let mut said: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
        let mut rest = words[2..].iter();
        while let Some(word) = rest.next() {
            let word = word.to_ascii_uppercase();
            let operand = match word.as_slice() {
                b"SATURATE" | b"ENX" | b"PERSIST" => &[],
                b"BYINT" | b"BYFLOAT" | b"LBOUND" | b"UBOUND" | b"EX" | b"PX" | b"EXAT"
                | b"PXAT" => match rest.next() {
                    Some(operand) => operand.as_slice(),
                    None => return one(SYNTAX),
                },
                _ => return one(SYNTAX),
            };
            // Each option may be said once.
            if said.insert(word, operand).is_some() {
                return one(SYNTAX);
            }
        }
        let operand = |word: &[u8]| said.get(word).copied();
        let moments: Vec<&[u8]> = [&b"EX"[..], b"PX", b"EXAT", b"PXAT"]
            .into_iter()
            .filter(|word| said.contains_key(*word))
            .collect();
        let persists = said.contains_key(&b"PERSIST"[..]);
        let if_forever = said.contains_key(&b"ENX"[..]);
        if operand(b"BYINT").is_some() && operand(b"BYFLOAT").is_some()
            || moments.len() + usize::from(persists) > 1
            || persists && if_forever
        {
            return one(SYNTAX);
        }
        if if_forever && moments.is_empty() {
            return one("ERR ENX flag requires an expiration");
        }

        let mut mistakes = Vec::new();
        let until = moments.first().and_then(|word| {
            let deadline = self.moment(word, said[*word], "increx");
            deadline.map_err(|why| mistakes.push(why)).ok()
        });
        let (lower, upper) = (operand(b"LBOUND"), operand(b"UBOUND"));
        let saturates = said.contains_key(&b"SATURATE"[..]);
        let old = self.keys.get(key);
        let sum = match operand(b"BYFLOAT") {
            None => int_sum(old, operand(b"BYINT"), lower, upper, saturates, &mut mistakes),
            Some(step) => float_sum(old, step, lower, upper, saturates, &mut mistakes),
        };
        let Some(sum) = sum.filter(|_| mistakes.is_empty()) else { return Err(mistakes) };
        if sum.applies {
            let before = old.and_then(|held| held.deadline);
            let deadline = match until {
                Some(deadline) if !if_forever || before.is_none() => Some(deadline),
                _ if persists => None,
                _ => before,
            };
            self.keep(key, sum.after.clone(), deadline);
        }
        let number = |text: Vec<u8>| match (operand(b"BYFLOAT").is_some(), self.resp3) {
            (true, true) => Value::Double(text),
            (true, false) => Value::Bulk(text),
            (false, _) => Value::Int(integer(&text).expect("it was one")),
        };
        Ok(Value::Array(vec![number(sum.after), number(sum.step)]))
    }

    // ── BITOP ───────────────────────────────────────────────────────────────────────────────

    fn bitop(&mut self, words: &Words) -> Answer {
        if words.len() < 4 {
            return arity("bitop");
        }
        let operation = String::from_utf8_lossy(&words[1]).to_ascii_uppercase();
        let keys = &words[3..];
        let result: fn(&[bool]) -> bool = match operation.as_str() {
            "AND" => |bits| bits.iter().all(|bit| *bit),
            "OR" => |bits| bits.iter().any(|bit| *bit),
            "XOR" => |bits| bits.iter().filter(|bit| **bit).count() % 2 == 1,
            "NOT" => |bits| !bits[0],
            "DIFF" => |bits| bits[0] && !bits[1..].iter().any(|bit| *bit),
            "DIFF1" => |bits| !bits[0] && bits[1..].iter().any(|bit| *bit),
            "ANDOR" => |bits| bits[0] && bits[1..].iter().any(|bit| *bit),
            "ONE" => |bits| bits.iter().filter(|bit| **bit).count() == 1,
            _ => return one(SYNTAX),
        };
        if operation == "NOT" && keys.len() != 1 {
            return one("ERR BITOP NOT must be called with a single source key.");
        }
        if ["DIFF", "DIFF1", "ANDOR"].contains(&operation.as_str()) && keys.len() < 2 {
            return one(&format!(
                "ERR BITOP {operation} must be called with at least two source keys."
            ));
        }
        let value = |key| self.keys.get(key).map_or(&b""[..], |held: &Held| &held.value);
        let sources: Vec<&[u8]> = keys.iter().map(value).collect();
        let length = sources.iter().map(|source| source.len()).max().unwrap_or(0);
        let mut bytes = vec![0; length];
        for at in 0..length * 8 {
            // A string that ends earlier is as if zeros came after it.
            let bit =
                |source: &&[u8]| source.get(at / 8).is_some_and(|b| b >> (7 - at % 8) & 1 == 1);
            let bits: Vec<bool> = sources.iter().map(bit).collect();
            bytes[at / 8] |= u8::from(result(&bits)) << (7 - at % 8);
        }
        match length {
            0 => self.keys.remove(&words[2]),
            _ => self.keys.insert(words[2].clone(), Held { value: bytes, deadline: None }),
        };
        Ok(Value::Int(length as i64))
    }
}

struct Sum {
    after: Vec<u8>,
    step: Vec<u8>,
    applies: bool,
}

fn int_sum(
    old: Option<&Held>,
    step: Option<&[u8]>,
    lower: Option<&[u8]>,
    upper: Option<&[u8]>,
    saturates: bool,
    mistakes: &mut Vec<String>,
) -> Option<Sum> {
    let mut read = |text: Option<&[u8]>, unsaid: i64, what: &str| match text.map(integer) {
        None => unsaid.into(),
        Some(Some(value)) => i128::from(value),
        Some(None) => {
            mistakes.push(format!("ERR {what} is not an integer or out of range"));
            unsaid.into()
        }
    };
    let step = read(step, 1, "Increment");
    let lower = read(lower, i64::MIN, "LBOUND");
    let upper = read(upper, i64::MAX, "UBOUND");
    let old = read(old.map(|held| held.value.as_slice()), 0, "value");
    if lower > upper {
        mistakes.push("ERR LBOUND can't be greater than UBOUND".into());
        return None;
    }
    let applies = saturates || (lower..=upper).contains(&(old + step));
    let after = if applies { (old + step).clamp(lower, upper) } else { old };
    if i64::try_from(after - old).is_err() {
        mistakes.push("ERR applied increment would overflow".into());
    }
    let text = |value: i128| value.to_string().into_bytes();
    Some(Sum { after: text(after), step: text(after - old), applies })
}

/// A bound of floats. The type ends beyond every number that a line has, but before infinity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    BelowType,
    TypeMin,
    At(Number),
    TypeMax,
    AboveType,
}

fn float_sum(
    old: Option<&Held>,
    step: &[u8],
    lower: Option<&[u8]>,
    upper: Option<&[u8]>,
    saturates: bool,
    mistakes: &mut Vec<String>,
) -> Option<Sum> {
    let mut bound = |text: Option<&[u8]>, unsaid, what: &str| match text.map(Number::read) {
        None => unsaid,
        Some(Read::Number(number)) => Bound::At(number),
        Some(Read::Infinity { negative: true }) => Bound::BelowType,
        Some(Read::Infinity { negative: false }) => Bound::AboveType,
        Some(Read::No) => {
            mistakes.push(format!("ERR {what} is not a valid float"));
            unsaid
        }
    };
    let lower = bound(lower, Bound::TypeMin, "LBOUND");
    let upper = bound(upper, Bound::TypeMax, "UBOUND");
    if lower > upper {
        mistakes.push("ERR LBOUND can't be greater than UBOUND".into());
    }
    let mut read = |text: &[u8], infinity: &str, no: &str| match Number::read(text) {
        Read::Number(number) => number,
        Read::Infinity { .. } => {
            mistakes.push(infinity.into());
            Number::ZERO
        }
        Read::No => {
            mistakes.push(no.into());
            Number::ZERO
        }
    };
    let infinite = "ERR BYFLOAT increment cannot be Infinity";
    let wanted = read(step, infinite, "ERR Increment is not a valid float");
    let old = old
        .map_or(Number::ZERO, |held| read(&held.value, "ERR value cannot be Infinity", NOT_FLOAT));
    if !mistakes.is_empty() {
        return None;
    }
    let sum = Bound::At(old.plus(wanted));
    let sum_text = |after: Number, step: Number, applies| {
        Some(Sum { after: after.text(), step: step.text(), applies })
    };
    match sum.clamp(lower, upper) {
        Bound::At(after) if Bound::At(after) == sum => sum_text(after, wanted, true),
        _ if !saturates => sum_text(old, Number::ZERO, false),
        Bound::At(after) => sum_text(after, after.minus(old), true),
        _ => {
            mistakes.push("ERR applied increment would be Infinity".into());
            None
        }
    }
}

/// An integer has one spelling.
pub fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|value: &i64| value.to_string() == text)
}

fn one(mistake: &str) -> Answer {
    Err(vec![mistake.into()])
}

fn arity(command: &str) -> Answer {
    one(&format!("ERR wrong number of arguments for '{command}' command"))
}
