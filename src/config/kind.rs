//! The kinds of directives: how the words behind a name become a value, what is said when they do not,
//! and how the value is written again, in the one form that CONFIG GET shows.

use std::borrow::Cow;

use super::rule::MemoryRule;
use super::value::{OutputLimit, OutputLimits, SavePoint, Value};
use crate::base::memory_size::parse_memory;
use crate::base::numbers::parse_i64;

/// Why a value was refused, in Redis' words.
pub type Reason = Cow<'static, str>;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Switch,
    /// An integer between two bounds, both included.
    Number(i64, i64),
    /// An integer that may be anything from zero, but counts as the nearer bound when it is outside.
    Nearest(i64, i64),
    Memory(u64, u64),
    /// Bytes up to a bound; fewer than the first number count as so many.
    MemoryAtLeast(u64, u64),
    /// Bytes, or -1.
    SignedMemory(i64),
    /// Bytes, or a percentage of the memory that there is.
    MemoryOrShare,
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// File modes, up to the given one.
    Octal(i64),
    Choice(&'static [&'static str]),
    /// A choice in which the second word of the pair is another way to say the first.
    ChoiceOr(&'static [&'static str], (&'static str, &'static str)),
    Flags(&'static [&'static str]),
    Text,
    /// Text that may be any bytes, as a password may.
    Secret,
    Addresses,
    Save,
    /// `maxmemory-rule`: any number of rules.
    Rules,
    OutputLimits,
    Events,
    Percentiles,
    Scores,
    /// `replicaof`: a host and a port, or `no one`.
    Primary,
}

const ADDRESSES_MAX: usize = 16;
/// Event classes in the order CONFIG GET shows them, those that `A` stands for first.
const EVENTS: &[u8] = b"g$lshzxetdnKEmocSTIV";
const EVENTS_ALL: u32 = (1 << 10) - 1;

impl Kind {
    /// Whether the file may write the value as `64mb`.
    pub fn is_memory(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Memory(..) | MemoryAtLeast(..) | SignedMemory(_) | MemoryOrShare | MemoryOrPercent
        )
    }

    /// Whether the value may be several words of a line.
    pub fn takes_many(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Flags(_) | Addresses | Save | Rules | OutputLimits | Percentiles | Scores | Primary
        )
    }

    /// Whether several lines say more than the last of them.
    pub fn adds_up(self) -> bool {
        matches!(self, Kind::Save | Kind::Rules | Kind::OutputLimits)
    }

    /// Reads the words. `now` is the present value: `client-output-buffer-limit` changes only the
    /// classes it names.
    pub fn parse(self, words: &[&[u8]], now: &Value) -> Result<Value, Reason> {
        let single = match words {
            [single] => *single,
            _ if self.takes_many() => b"",
            _ => return Err("wrong number of arguments".into()),
        };
        match self {
            Kind::Switch => switch(single),
            Kind::Number(low, high) => number(single, low, high),
            Kind::Nearest(low, high) => {
                number(single, 0, i64::from(i32::MAX)).map(|value| match value {
                    Value::Number(wide) => Value::Number(wide.clamp(low.into(), high.into())),
                    other => other,
                })
            }
            Kind::Memory(low, high) => {
                let bytes = parse_memory(single).ok_or("argument must be a memory value")?;
                bounded(bytes.into(), low.into(), high.into())
            }
            Kind::MemoryAtLeast(least, high) => {
                let bytes = parse_memory(single).ok_or("argument must be a memory value")?;
                bounded(bytes.into(), 1, high.into())?;
                Ok(Value::Number(bytes.max(least).into()))
            }
            Kind::SignedMemory(low) => {
                let number = match parse_memory(single) {
                    Some(bytes) => bytes.into(),
                    None => parse_i64(single).ok_or("argument must be a memory value")?.into(),
                };
                bounded(number, low.into(), i64::MAX.into())
            }
            Kind::MemoryOrShare => memory_or_share(single),
            Kind::MemoryOrPercent => memory_or_percent(single),
            Kind::Octal(high) => octal(single, high),
            Kind::Choice(names) => choice(single, names, None),
            Kind::ChoiceOr(names, same) => choice(single, names, Some(same)),
            Kind::Flags(names) => flags(words, names),
            Kind::Text => match std::str::from_utf8(single) {
                Ok(text) if !text.contains('\0') => Ok(Value::Text(single.to_vec())),
                _ => Err("argument must be UTF-8 text without zero bytes".into()),
            },
            Kind::Secret => Ok(Value::Text(single.to_vec())),
            Kind::Addresses => addresses(words),
            Kind::Save => save(words),
            Kind::Rules => MemoryRule::parse_all(words).map(Value::Rules),
            Kind::OutputLimits => limits(words, now),
            Kind::Events => events(single),
            Kind::Percentiles => percentiles(words),
            Kind::Scores => scores(words),
            Kind::Primary => primary(words),
        }
    }

    /// The value as CONFIG GET shows it.
    pub fn show(self, value: &Value) -> Vec<u8> {
        match (value, self) {
            (Value::Switch(on), _) => word(if *on { "yes" } else { "no" }),
            (Value::Number(mode), Kind::Octal(_)) => word(&format!("{mode:o}")),
            (Value::Number(number), _) => word(&number.to_string()),
            (Value::Percent(percent), _) => word(&format!("{percent}%")),
            (Value::Choice(place), Kind::Choice(names) | Kind::ChoiceOr(names, _)) => {
                word(names.get(*place).copied().unwrap_or_default())
            }
            (Value::Flags(bits), Kind::Flags(names)) => word(&show_flags(*bits, names)),
            (Value::Flags(bits), _) => show_events(*bits),
            (Value::Text(text), _) => text.clone(),
            (Value::Words(words), _) => word(&words.join(" ")),
            (Value::Save(points), _) => {
                word(&joined(points, |point| format!("{} {}", point.seconds, point.changes)))
            }
            (Value::Rules(rules), _) => rules
                .iter()
                .map(|rule| rule.written(&rule.limit.to_string()))
                .collect::<Vec<_>>()
                .join(&b' '),
            (Value::Limits(limits), _) => {
                let classes = limits.classes("slave");
                word(&joined(&classes, |(class, limit)| {
                    format!("{class} {} {} {}", limit.hard, limit.soft, limit.soft_seconds)
                }))
            }
            (Value::Percentiles(list), _) => word(&joined(list, |one| percentile(*one))),
            (Value::Scores(scores), _) => word(&joined(scores, i32::to_string)),
            (Value::Choice(_), _) => Vec::new(),
        }
    }
}

impl OutputLimits {
    /// The classes in their order. CONFIG GET says `slave` where the file says `replica`.
    pub fn classes(&self, replica: &'static str) -> [(&'static str, OutputLimit); 3] {
        [("normal", self.normal), (replica, self.replica), ("pubsub", self.pubsub)]
    }
}

/// Bytes as the file writes them: in the largest unit that leaves no remainder.
pub fn memory_text(bytes: i128) -> String {
    for (unit, size) in [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes > 0 && bytes % size == 0 {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// A percentile with at most six digits behind the point, and none that are zero.
pub fn percentile(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn switch(text: &[u8]) -> Result<Value, Reason> {
    if text.eq_ignore_ascii_case(b"yes") {
        Ok(Value::Switch(true))
    } else if text.eq_ignore_ascii_case(b"no") {
        Ok(Value::Switch(false))
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

fn number(text: &[u8], low: i64, high: i64) -> Result<Value, Reason> {
    let number = parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
    bounded(number.into(), low.into(), high.into())
}

fn bounded(number: i128, low: i128, high: i128) -> Result<Value, Reason> {
    if (low..=high).contains(&number) {
        Ok(Value::Number(number))
    } else {
        Err(format!("argument must be between {low} and {high} inclusive").into())
    }
}

fn memory_or_share(text: &[u8]) -> Result<Value, Reason> {
    if let Some(percent) = text.strip_suffix(b"%") {
        return match parse_i64(percent) {
            Some(0) => Ok(Value::Number(0)),
            Some(percent @ 1..=100) => Ok(Value::Percent(percent as u8)),
            _ => Err("a percentage must be between 0% and 100%".into()),
        };
    }
    let bytes = parse_memory(text).ok_or("argument must be a memory value")?;
    Ok(Value::Number(bytes.into()))
}

fn memory_or_percent(text: &[u8]) -> Result<Value, Reason> {
    if let Some(bytes) = parse_memory(text) {
        return match bounded(bytes.into(), 0, i64::MAX.into()) {
            // Redis keeps percentages as negative numbers, and its message shows it.
            Err(_) => {
                Err(format!("argument must be between -100 and {} inclusive", i64::MAX).into())
            }
            fine => fine,
        };
    }
    let percent = text.strip_suffix(b"%").and_then(parse_i64).filter(|percent| *percent >= 0);
    match percent {
        None => Err("argument must be a memory or percent value".into()),
        Some(0) => Ok(Value::Number(0)),
        Some(percent @ 1..=100) => Ok(Value::Percent(percent as u8)),
        Some(_) => Err("percentage argument must be less or equal to 100".into()),
    }
}

fn octal(text: &[u8], high: i64) -> Result<Value, Reason> {
    let digits = !text.is_empty() && text.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let text = std::str::from_utf8(text).ok().filter(|_| digits);
    let mode = text.and_then(|text| i64::from_str_radix(text, 8).ok());
    match mode {
        None => Err("argument couldn't be parsed as an octal number".into()),
        Some(mode) if mode > high => {
            Err(format!("argument must be between 0 and {high:o} inclusive").into())
        }
        Some(mode) => Ok(Value::Number(mode.into())),
    }
}

pub(super) fn place(text: &[u8], names: &[&str]) -> Option<usize> {
    names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(text))
}

fn must_be_one_of(names: &[&str]) -> Reason {
    format!("argument(s) must be one of the following: {}", names.join(", ")).into()
}

fn choice(
    text: &[u8],
    names: &[&str],
    same: Option<(&'static str, &'static str)>,
) -> Result<Value, Reason> {
    let text = match same {
        Some((first, second)) if second.as_bytes().eq_ignore_ascii_case(text) => first.as_bytes(),
        _ => text,
    };
    place(text, names).map(Value::Choice).ok_or_else(|| must_be_one_of(names))
}

fn flags(words: &[&[u8]], names: &[&str]) -> Result<Value, Reason> {
    let mut bits = 0;
    for word in words {
        match place(word, names) {
            Some(0) => {}
            Some(place) => bits |= 1 << (place - 1),
            None => return Err(must_be_one_of(names)),
        }
    }
    if words.is_empty() { Err(must_be_one_of(names)) } else { Ok(Value::Flags(bits)) }
}

fn show_flags(bits: u32, names: &[&str]) -> String {
    let set = |place: &usize| bits & (1 << place) != 0;
    let words: Vec<&str> =
        (0..names.len().saturating_sub(1)).filter(set).map(|at| names[at + 1]).collect();
    if words.is_empty() {
        names.first().copied().unwrap_or_default().to_string()
    } else {
        words.join(" ")
    }
}

fn addresses(words: &[&[u8]]) -> Result<Value, Reason> {
    if words.len() > ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".into());
    }
    if let [b""] = words {
        return Ok(Value::Words(Vec::new()));
    }
    let texts = words.iter().map(|word| String::from_utf8(word.to_vec())).collect::<Result<_, _>>();
    texts.map(Value::Words).map_err(|_| "argument must be UTF-8 text without zero bytes".into())
}

fn save(words: &[&[u8]]) -> Result<Value, Reason> {
    if let [b""] = words {
        return Ok(Value::Save(Vec::new()));
    }
    let point = |pair: &[&[u8]]| {
        let [seconds, changes] = pair else { return None };
        let (seconds, changes) = (integer(seconds)?, i32::try_from(integer(changes)?).ok()?);
        (seconds >= 1 && changes >= 0).then_some(SavePoint { seconds, changes })
    };
    let points = words.chunks(2).map(point).collect::<Option<_>>();
    points.map(Value::Save).ok_or("Invalid save parameters".into())
}

fn limits(words: &[&[u8]], now: &Value) -> Result<Value, Reason> {
    const SETTING: &str =
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    let Value::Limits(mut limits) = *now else { return Err(SETTING.into()) };
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for quad in words.chunks(4) {
        let [class, hard, soft, seconds] = quad else { continue };
        let limit = match class.to_ascii_lowercase().as_slice() {
            b"normal" => &mut limits.normal,
            b"slave" | b"replica" => &mut limits.replica,
            b"pubsub" => &mut limits.pubsub,
            _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
        };
        let parsed = || {
            // Redis keeps the seconds in a C int.
            let seconds = integer(seconds)?;
            let soft_seconds = u32::try_from(seconds).ok().filter(|it| *it <= i32::MAX as u32)?;
            Some(OutputLimit { hard: parse_memory(hard)?, soft: parse_memory(soft)?, soft_seconds })
        };
        *limit = parsed().ok_or(SETTING)?;
    }
    Ok(Value::Limits(limits))
}

fn events(text: &[u8]) -> Result<Value, Reason> {
    let mut bits = 0;
    for class in text {
        match EVENTS.iter().position(|known| known == class) {
            Some(place) => bits |= 1 << place,
            None if *class == b'A' => bits |= EVENTS_ALL,
            None => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        }
    }
    Ok(Value::Flags(bits))
}

/// `A` does not stand for `n` (new keys) and `m` (misses), which are too frequent to be asked for
/// by accident.
fn show_events(bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = bits;
    if bits & EVENTS_ALL == EVENTS_ALL {
        out.push(b'A');
        left &= !EVENTS_ALL;
    }
    let shown = EVENTS.iter().enumerate().filter(|(place, _)| left & (1 << place) != 0);
    out.extend(shown.map(|(_, class)| *class));
    out
}

fn percentiles(words: &[&[u8]]) -> Result<Value, Reason> {
    if let [b""] = words {
        return Ok(Value::Percentiles(Vec::new()));
    }
    let mut list = Vec::with_capacity(words.len());
    for word in words {
        let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
        let Some(number) = number.filter(|number| !number.is_nan()) else {
            return Err("Invalid latency-tracking-info-percentiles parameters".into());
        };
        if !(0.0..=100.0).contains(&number) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .into(),
            );
        }
        list.push(number);
    }
    Ok(Value::Percentiles(list))
}

fn scores(words: &[&[u8]]) -> Result<Value, Reason> {
    let [primary, replica, child] = words else { return Err("wrong number of arguments".into()) };
    let score = |text: &[u8]| integer(text).filter(|score| (-2000..=2000).contains(score));
    let all = || Some([score(primary)? as i32, score(replica)? as i32, score(child)? as i32]);
    all()
        .map(Value::Scores)
        .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into())
}

fn primary(words: &[&[u8]]) -> Result<Value, Reason> {
    let [host, port] = words else { return Err("wrong number of arguments".into()) };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Value::Text(Vec::new()));
    }
    match integer(port) {
        Some(port @ 0..=65535) => {
            Ok(Value::Text([host, b" ".as_slice(), port.to_string().as_bytes()].concat()))
        }
        _ => Err("Invalid master port".into()),
    }
}

/// Where Redis reads with the C library rather than strictly: `+5` and `007` are numbers.
fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn joined<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn word(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}
