//! When two replies are the same: equal, unless the command is one whose answer is by its nature
//! a matter of order, chance, time or identity.

use crate::generate::grammar::Args;
use crate::support::value::Value;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Exact,
    /// Any order.
    Unordered,
    /// Pairs in any order, which RESP2 has as a flat list.
    Pairs,
    /// Numbers this close; the answer moves while we ask.
    Near(i64),
    /// Only the type of the reply.
    Kind,
    /// A cursor that is somebody's own affair, and a page in any order. The cursor of the request
    /// stands at this place.
    Page(usize),
    /// Facts by name, and rows, in which times are near, as deep as they lie.
    Facts,
    /// Who the server is differs; everything else in HELLO does not.
    Hello,
}

/// The commands that are not compared byte by byte. A subcommand may be named.
const RULES: &[(&str, &str, Rule)] = &[
    ("KEYS", "", Rule::Unordered),
    ("SCAN", "", Rule::Page(1)),
    ("HSCAN", "", Rule::Page(2)),
    ("SSCAN", "", Rule::Page(2)),
    ("ZSCAN", "", Rule::Page(2)),
    ("HGETALL", "", Rule::Pairs),
    ("HKEYS", "", Rule::Unordered),
    ("HVALS", "", Rule::Unordered),
    ("SMEMBERS", "", Rule::Unordered),
    ("SPOP", "", Rule::Unordered),
    ("SINTER", "", Rule::Unordered),
    ("SUNION", "", Rule::Unordered),
    ("SDIFF", "", Rule::Unordered),
    ("PUBSUB", "CHANNELS", Rule::Unordered),
    ("PUBSUB", "SHARDCHANNELS", Rule::Unordered),
    // What chance picks is looked at elsewhere.
    ("HRANDFIELD", "", Rule::Kind),
    ("SRANDMEMBER", "", Rule::Kind),
    ("ZRANDMEMBER", "", Rule::Kind),
    ("RANDOMKEY", "", Rule::Kind),
    ("TTL", "", Rule::Near(1)),
    ("PTTL", "", Rule::Near(2000)),
    ("EXPIRETIME", "", Rule::Near(1)),
    ("PEXPIRETIME", "", Rule::Near(2000)),
    // The clock behind it ticks when the server finds the time.
    ("OBJECT", "IDLETIME", Rule::Kind),
    ("OBJECT", "HELP", Rule::Kind),
    ("CLIENT", "ID", Rule::Kind),
    ("CLIENT", "HELP", Rule::Kind),
    ("CLIENT", "INFO", Rule::Kind),
    ("CLIENT", "LIST", Rule::Kind),
    ("COMMAND", "COUNT", Rule::Kind),
    // What the table of commands says is compared elsewhere, row by row.
    ("COMMAND", "INFO", Rule::Kind),
    ("COMMAND", "LIST", Rule::Kind),
    ("COMMAND", "GETKEYSANDFLAGS", Rule::Unordered),
    ("DUMP", "", Rule::Kind),
    ("TIME", "", Rule::Kind),
    ("XINFO", "", Rule::Facts),
    ("XPENDING", "", Rule::Facts),
    // An id that the server chooses is the time.
    ("XADD", "", Rule::Kind),
    ("HELLO", "", Rule::Hello),
];

/// Numbers above this one are times: 2001.
const LONG_AGO_MS: i64 = 1_000_000_000_000;

/// Facts that tell for how long something has been so.
const IDLE_FACTS: [&str; 2] = ["idle", "inactive"];

/// Facts that tell how a server works, or that not all have.
const OWN_FACTS: [&str; 7] = [
    "radix-tree-nodes",
    "idmp-duration",
    "idmp-maxsize",
    "pids-tracked",
    "iids-tracked",
    "iids-added",
    "iids-duplicates",
];

/// What both servers have queued on one connection, so that EXEC's reply can be judged line by
/// line.
#[derive(Default)]
pub struct Queue {
    lines: Vec<Args>,
}

/// A line and two answers to it that are not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    pub args: Args,
    pub left: Value,
    pub right: Value,
}

impl Queue {
    /// How two answers to a line differ: not at all, in one way, or, behind EXEC, in several.
    pub fn differences(&mut self, args: &Args, left: &Value, right: &Value) -> Vec<Difference> {
        let queued = Value::simple("QUEUED");
        if *left == queued && *right == queued {
            self.lines.push(args.clone());
            return Vec::new();
        }
        let differ = |args: &Args, left: &Value, right: &Value| {
            let difference =
                Difference { args: args.clone(), left: left.clone(), right: right.clone() };
            (!same(args, left, right)).then_some(difference)
        };
        if is(args, "EXEC") {
            let lines = std::mem::take(&mut self.lines);
            if let (Value::Array(left), Value::Array(right)) = (left, right)
                && left.len() == right.len()
                && left.len() == lines.len()
            {
                let pairs = lines.iter().zip(left.iter().zip(right));
                return pairs
                    .filter_map(|(args, (left, right))| differ(args, left, right))
                    .collect();
            }
        }
        if !left.is_error() && ["MULTI", "DISCARD", "RESET"].iter().any(|name| is(args, name)) {
            self.lines.clear();
        }
        differ(args, left, right).into_iter().collect()
    }
}

/// Whether two servers gave the same answer to a line.
fn same(args: &Args, left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    if left.is_error() || right.is_error() || left.kind() != right.kind() {
        return false;
    }
    match (rule(args), left, right) {
        (Rule::Exact, ..) => false,
        (Rule::Kind, ..) => true,
        (Rule::Unordered, ..) => left.sorted() == right.sorted(),
        (Rule::Pairs, ..) => sorted_pairs(left) == sorted_pairs(right),
        // Below zero are the answers that mean something else than a time.
        (Rule::Near(slack), Value::Int(left), Value::Int(right)) => {
            *left >= 0 && *right >= 0 && left.abs_diff(*right) <= slack.unsigned_abs()
        }
        (Rule::Page(at), Value::Array(left), Value::Array(right)) => {
            same_page(args, at, left, right)
        }
        (Rule::Facts, ..) => same_facts(left, right, &[]),
        (Rule::Hello, ..) => same_hello(left, right),
        _ => false,
    }
}

pub fn is(args: &Args, name: &str) -> bool {
    args.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

pub fn has_word(args: &Args, word: &str) -> bool {
    args.iter().skip(1).any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

fn rule(args: &Args) -> Rule {
    let fits = |(name, sub, _): &&(&str, &str, Rule)| {
        is(args, name)
            && (sub.is_empty()
                || args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(sub.as_bytes())))
    };
    RULES.iter().find(fits).map_or(Rule::Exact, |(_, _, rule)| *rule)
}

/// A page that asked for everything holds everything; any other may hold what it likes.
fn same_page(args: &Args, at: usize, left: &[Value], right: &[Value]) -> bool {
    let whole = |page: &[Value]| page.len() == 2 && page[0] == Value::bulk("0");
    if left.len() != 2 || right.len() != 2 {
        return false;
    }
    let from_the_start = args.get(at).is_some_and(|cursor| cursor == b"0");
    !(from_the_start && whole(left) && whole(right)) || left[1].sorted() == right[1].sorted()
}

fn sorted_pairs(value: &Value) -> Option<Vec<String>> {
    let pairs = value.pairs()?.into_iter();
    let mut pairs: Vec<String> = pairs.map(|(key, value)| format!("{key} {value}")).collect();
    pairs.sort();
    Some(pairs)
}

/// Whether two answers tell the same facts, whatever they say of some of them.
pub fn same_facts(left: &Value, right: &Value, whatever: &[&str]) -> bool {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        return left == right || (both_above(*left, *right, LONG_AGO_MS) && near(*left, *right));
    }
    if let (Some(left), Some(right)) = (facts(left), facts(right)) {
        let own = |name: &[u8]| OWN_FACTS.iter().any(|own| own.as_bytes() == name);
        let same = |(name, value): &(&[u8], &Value)| {
            let other = right.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
            let free = |it: &&str| it.as_bytes() == *name;
            match other {
                _ if own(name) || whatever.iter().any(free) => true,
                Some(other) if IDLE_FACTS.iter().any(free) => same_idle(value, other),
                Some(other) => same_facts(value, other, whatever),
                None => false,
            }
        };
        let known = |(name, _): &(&[u8], &Value)| own(name) || left.iter().any(|it| it.0 == *name);
        return left.iter().all(same) && right.iter().all(known);
    }
    match (left.items(), right.items()) {
        // An entry that is pending: its id, its consumer, for how long or since when, how often.
        (Some([a, b, since, Value::Int(c)]), Some([d, e, other, Value::Int(f)])) => {
            (a, b, c) == (d, e, f) && same_idle(since, other)
        }
        (Some(left), Some(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(a, b)| same_facts(a, b, whatever))
        }
        _ => left == right,
    }
}

/// The facts of an answer by name: those of a stream, a group or a consumer.
fn facts(value: &Value) -> Option<Vec<(&[u8], &Value)>> {
    let pairs = value.pairs()?;
    let first = pairs.first()?.0.text()?;
    if first != b"length" && first != b"name" {
        return None;
    }
    pairs.into_iter().map(|(name, value)| Some((name.text()?, value))).collect()
}

fn same_idle(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => {
            left == right || (both_above(*left, *right, -1) && near(*left, *right))
        }
        _ => left == right,
    }
}

fn both_above(left: i64, right: i64, bound: i64) -> bool {
    left.min(right) > bound
}

fn near(left: i64, right: i64) -> bool {
    left.abs_diff(right) <= 2000
}

fn same_hello(left: &Value, right: &Value) -> bool {
    let own = |key: &Value| {
        let name = key.text().unwrap_or_default();
        [&b"server"[..], b"version", b"id", b"modules"].contains(&name)
    };
    match (left.pairs(), right.pairs()) {
        (Some(left), Some(right)) => {
            left.len() == right.len()
                && left.iter().zip(&right).all(|((key, a), (other, b))| {
                    key == other && if own(key) { a.kind() == b.kind() } else { a == b }
                })
        }
        _ => false,
    }
}
