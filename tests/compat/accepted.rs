//! The differences we know and accept, each with its reason. A rule is narrow: it names the command
//! and both answers, so that another difference of the same command is still found.

use crate::compare::{Difference, has_word, is, same_facts};
use crate::generate::grammar::Args;
use crate::sides::Accepts;
use crate::support::server::Program;
use crate::support::value::Value;

pub struct Rule {
    pub name: &'static str,
    pub reason: &'static str,
    /// The peers that differ from us.
    peers: &'static [Program],
    /// Whether the servers hold different data afterwards.
    parts: bool,
    fits: fn(&Args, ours: &Value, theirs: &Value) -> bool,
}

pub const RULES: &[Rule] = &[
    Rule {
        name: "SORT of what is no number in Valkey",
        reason: "Redis sorts an empty string as zero, and what is too large as infinite",
        peers: &[Program::Valkey],
        parts: true,
        fits: |args, _, theirs| {
            (is(args, "SORT") || is(args, "SORT_RO")) && says(theirs, "ERR One or more scores")
        },
    },
    Rule {
        name: "LSET beyond an int",
        reason: "Redis cuts the number to 32 bits, and replaces another element or none",
        peers: &[Program::Redis, Program::Valkey],
        parts: true,
        fits: |args, ours, theirs| {
            is(args, "LSET")
                && says(ours, "ERR index out of range")
                && *theirs == Value::Simple(b"OK".to_vec())
        },
    },
    Rule {
        name: "ENTRIESREAD beyond what was added",
        reason: "it is bounded, as in later versions of Redis; these say that less than nothing is left",
        peers: &[Program::Redis, Program::Valkey],
        parts: true,
        fits: |args, ours, theirs| {
            let (read, theirs_read) = (entries_read(ours), entries_read(theirs));
            is(args, "XINFO")
                && same_facts(ours, theirs, &["entries-read", "lag"])
                && read.len() == theirs_read.len()
                && read.iter().zip(&theirs_read).all(|(ours, theirs)| ours <= theirs)
                && read != theirs_read
        },
    },
    Rule {
        name: "lag in Valkey",
        reason: "Valkey does not know it, or counts what is gone, where a group has read nothing of \
                 what is there; Redis counts what is there",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| is(args, "XINFO") && same_facts(ours, theirs, &["lag"]),
    },
    Rule {
        name: "XREAD with +",
        reason: "in Valkey it is the last id that was given; in Redis the last entry that is there",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "XREAD")
                && args.iter().any(|word| word == b"+")
                && (theirs.is_null() && !ours.is_error())
        },
    },
    Rule {
        name: "XREAD with fewer ids than keys",
        reason: "the text names + in Redis only",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "XREAD")
                && says(ours, "ERR Unbalanced 'xread' list of streams")
                && says(theirs, "ERR Unbalanced 'xread' list of streams")
        },
    },
    Rule {
        name: "coordinates in Valkey",
        reason: "Redis 8 writes as few digits as tell a number, Valkey seventeen decimals",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            (is(args, "GEOPOS") || has_word(args, "WITHCOORD")) && same_numbers(ours, theirs)
        },
    },
    Rule {
        name: "refusals of geo commands in Valkey",
        reason: "Valkey quotes the member that is missing, and names polygons",
        peers: &[Program::Valkey],
        parts: false,
        fits: |_, ours, theirs| {
            (says(ours, "ERR could not decode requested zset member")
                && says(theirs, "ERR member "))
                || (says(ours, "ERR exactly one of BYRADIUS and BYBOX can")
                    && says(theirs, "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can"))
        },
    },
    Rule {
        name: "OBJECT ENCODING",
        reason: "Valkey embeds longer strings in their objects; 44 bytes is what Redis documents",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "OBJECT") && *ours == Value::bulk("raw") && *theirs == Value::bulk("embstr")
        },
    },
    Rule {
        name: "OBJECT REFCOUNT",
        reason: "the peers share some small integers, by how they came to be; ours all look shared",
        peers: &[Program::Redis, Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            // Two, while the queue of EXEC still holds the value as well.
            let shared = |count: i64| [1, 2, i64::from(i32::MAX)].contains(&count);
            is_sub(args, "OBJECT", "REFCOUNT")
                && ints(ours, theirs).is_some_and(|(a, b)| shared(a) && shared(b))
        },
    },
    Rule {
        name: "BITCOUNT key start",
        reason: "in Valkey the end of the range may be left out, in Redis both ends or none",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, _| {
            is(args, "BITCOUNT") && args.len() == 3 && says(ours, "ERR syntax error")
        },
    },
    Rule {
        name: "BITCOUNT with two mistakes",
        reason: "Valkey looks at the unit before the numbers",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "BITCOUNT")
                && args.len() == 5
                && says(ours, "ERR value is not an integer")
                && says(theirs, "ERR syntax error")
        },
    },
    Rule {
        name: "SCAN TYPE",
        reason: "a type that does not exist is a mistake to Valkey, an empty answer to Redis",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, _, theirs| is(args, "SCAN") && says(theirs, "ERR unknown type name"),
    },
    Rule {
        name: "DBSIZE",
        reason: "a key that SET gives a past deadline is gone at once; Redis counts it for a while",
        peers: &[Program::Redis],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "DBSIZE") && ints(ours, theirs).is_some_and(|(ours, theirs)| ours < theirs)
        },
    },
    Rule {
        name: "EXEC after WATCH",
        reason: "the same SET touches a watched key in Redis; in Valkey a missing key stays missing",
        peers: &[Program::Valkey],
        parts: true,
        fits: |args, ours, theirs| {
            is(args, "EXEC") && ours.is_null() && matches!(theirs, Value::Array(_))
        },
    },
    Rule {
        name: "GETEX of a missing or other key",
        reason: "Valkey reads the deadline first, Redis looks for the key first",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "GETEX")
                && (ours.is_null() || says(ours, "WRONGTYPE"))
                && ["ERR invalid expire time", "ERR value is not an integer"]
                    .iter()
                    .any(|text| says(theirs, text))
        },
    },
    Rule {
        name: "WATCH and MULTI inside MULTI",
        reason: "Redis refuses and lets the transaction go on, Valkey refuses and aborts it",
        peers: &[Program::Valkey],
        parts: true,
        fits: |args, ours, theirs| {
            (is(args, "WATCH") || is(args, "MULTI"))
                && ours.is_error()
                && says(theirs, "ERR Command '")
        },
    },
    Rule {
        name: "CLIENT LIST and CLIENT KILL by conditions that Redis has not",
        reason: "we take the filters of Valkey 9, and as many as there are; Redis lists by one",
        peers: &[Program::Redis],
        parts: false,
        fits: |args, ours, theirs| {
            filters(args)
                && nobody(ours)
                && says(theirs, "ERR syntax error")
                && (args[2..].iter().any(|word| is_valkeys_condition(args, word))
                    || (args.len() > 4 && (is_sub(args, "CLIENT", "LIST") || has_word(args, "ID"))))
        },
    },
    Rule {
        name: "CLIENT LIST ID with more than ids",
        reason: "Redis takes all that follows for ids, and any number for one",
        peers: &[Program::Redis],
        parts: false,
        fits: |args, ours, theirs| {
            is_sub(args, "CLIENT", "LIST")
                && args.get(2).is_some_and(|word| word.eq_ignore_ascii_case(b"ID"))
                && nobody(ours)
                && (says(theirs, "ERR Invalid client ID") || (ours.is_error() && nobody(theirs)))
        },
    },
    Rule {
        name: "CLIENT LIST and CLIENT KILL with an ID that is no number",
        reason: "Redis speaks of the ID, Valkey of the syntax; and Valkey takes none at all for none",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            let of_id = |word: &Vec<u8>| {
                word.eq_ignore_ascii_case(b"ID") || word.eq_ignore_ascii_case(b"NOT-ID")
            };
            let about_the_id = says(ours, "ERR Invalid client ID")
                || says(ours, "ERR client-id should be greater");
            filters(args)
                && args[2..].iter().any(of_id)
                && nobody(theirs)
                && (about_the_id || (says(ours, "ERR syntax error") && !theirs.is_error()))
        },
    },
    Rule {
        name: "COMMAND GETKEYS MSETEX",
        reason: "Valkey reads options as keys where there are fewer pairs than announced",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            (is_sub(args, "COMMAND", "GETKEYS") || is_sub(args, "COMMAND", "GETKEYSANDFLAGS"))
                && args.get(2).is_some_and(|name| name.eq_ignore_ascii_case(b"MSETEX"))
                && says(ours, "ERR Invalid arguments specified for command")
                && matches!(theirs, Value::Array(_))
        },
    },
    Rule {
        name: "HGETDEL with a mistake",
        reason: "Valkey words it otherwise, and looks at the words before it looks for the key",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "HGETDEL")
                && ours.is_error()
                && ["ERR syntax error", "ERR numfields should be", "ERR value is not an integer"]
                    .iter()
                    .any(|text| says(theirs, text))
        },
    },
    Rule {
        name: "COMMAND GETKEYS with a number that is spelled oddly",
        reason: "the peers read how many keys there are as C does: `+1`, `1x`, ` 1`; the commands do not",
        peers: &[Program::Redis, Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            (is_sub(args, "COMMAND", "GETKEYS") || is_sub(args, "COMMAND", "GETKEYSANDFLAGS"))
                && args[2..].iter().any(|word| is_odd_number(word))
                && says(ours, "ERR Invalid arguments specified for command")
                && matches!(theirs, Value::Array(_))
        },
    },
    Rule {
        name: "ZSCAN",
        reason: "the peers write the scores of large sorted sets with 17 digits, all other scores as \
                 short as can be; ours are short everywhere",
        peers: &[Program::Redis, Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "ZSCAN") && scanned(ours).is_some_and(|ours| scanned(theirs) == Some(ours))
        },
    },
    Rule {
        name: "the event of a deadline in the past",
        reason: "Valkey says that the key expired, Redis that it was deleted",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            // Whoever listens hears of one of the two, both or none.
            let says = |reply: &Value, word: &str| reply.to_string().contains(word);
            ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"].iter().any(|name| is(args, name))
                && (says(ours, "del\"") || says(theirs, "expired\""))
                && !says(theirs, "del\"")
        },
    },
    Rule {
        name: "ZSCAN NOSCORES",
        reason: "it is Valkey's",
        peers: &[Program::Redis],
        parts: false,
        fits: |args, _, theirs| {
            is(args, "ZSCAN") && has_word(args, "NOSCORES") && says(theirs, "ERR syntax error")
        },
    },
    Rule {
        name: "OBJECT ENCODING of a sorted set",
        reason: "Valkey makes one large before it knows whether a long member is added",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            is(args, "OBJECT")
                && *ours == Value::bulk("listpack")
                && *theirs == Value::bulk("skiplist")
        },
    },
    Rule {
        name: "LIMIT with an offset below zero",
        reason: "in the peers it finds nothing in a small sorted set, and counts from the end of a \
                 large one; in ours it finds nothing",
        peers: &[Program::Redis, Program::Valkey],
        parts: true,
        fits: |args, _, _| {
            let below_zero = |pair: &[Vec<u8>]| {
                pair[0].eq_ignore_ascii_case(b"LIMIT") && pair[1].starts_with(b"-")
            };
            let name = args[0].to_ascii_uppercase();
            (name.starts_with(b"ZRANGE") || name.starts_with(b"ZREVRANGE"))
                && args.windows(2).any(below_zero)
        },
    },
    Rule {
        name: "zero below zero",
        reason: "a small sorted set keeps no sign of zero, and the peers make one large at other \
                 moments than we do",
        peers: &[Program::Redis, Program::Valkey],
        parts: false,
        fits: |args, ours, theirs| {
            let name = args[0].to_ascii_uppercase();
            (name.starts_with(b"Z") || name.starts_with(b"BZ"))
                && signless(ours) == signless(theirs)
        },
    },
    Rule {
        name: "scores in hexadecimal",
        reason: "Valkey does not take them any more",
        peers: &[Program::Valkey],
        parts: true,
        fits: |args, _, theirs| {
            let hexadecimal =
                |word: &Vec<u8>| word.to_ascii_lowercase().windows(2).any(|it| it == b"0x");
            args.iter().any(hexadecimal) && theirs.is_error()
        },
    },
    Rule {
        name: "CLIENT UNBLOCK with too many words",
        reason: "Redis counts them before it reads the id, Valkey reads the id first",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, _| {
            is_sub(args, "CLIENT", "UNBLOCK")
                && args.len() > 4
                && says(ours, "ERR unknown subcommand or wrong number of arguments")
        },
    },
    Rule {
        name: "READONLY, READWRITE",
        reason: "Valkey takes them without cluster mode",
        peers: &[Program::Valkey],
        parts: false,
        fits: |args, ours, _| {
            (is(args, "READONLY") || is(args, "READWRITE"))
                && says(ours, "ERR This instance has cluster support disabled")
        },
    },
];

/// The rule that covers a difference, by its place in `RULES`, and what follows from it.
pub fn judge(
    (left, right): (Option<Program>, Option<Program>),
    difference: &Difference,
) -> Option<(usize, Accepts)> {
    let Difference { args, left: first, right: second } = difference;
    let place = RULES.iter().position(|rule| {
        if right.is_some_and(|it| rule.peers.contains(&it)) {
            (rule.fits)(args, first, second)
        } else {
            left.is_some_and(|it| rule.peers.contains(&it)) && (rule.fits)(args, second, first)
        }
    })?;
    Some((place, if RULES[place].parts { Accepts::AsTheEnd } else { Accepts::AsSame }))
}

/// How much the groups of an answer of XINFO have read, in their order; -1 where it is not known.
fn entries_read(reply: &Value) -> Vec<i64> {
    let mut found = Vec::new();
    let mut values = vec![reply];
    while let Some(value) = values.pop() {
        let pairs = value.pairs().unwrap_or_default();
        for (name, value) in &pairs {
            match value {
                Value::Int(read) if name.text() == Some(b"entries-read") => found.push(*read),
                _ if name.text() == Some(b"entries-read") => found.push(-1),
                _ => {}
            }
        }
        match value {
            Value::Map(pairs) => values.extend(pairs.iter().map(|(_, value)| value)),
            _ => values.extend(value.items().unwrap_or_default()),
        }
    }
    found
}

fn says(reply: &Value, start: &str) -> bool {
    reply.is_error() && reply.text().is_some_and(|text| text.starts_with(start.as_bytes()))
}

fn is_sub(args: &Args, name: &str, sub: &str) -> bool {
    is(args, name) && args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(sub.as_bytes()))
}

/// Does the command choose clients by conditions?
fn filters(args: &Args) -> bool {
    (is_sub(args, "CLIENT", "LIST") || is_sub(args, "CLIENT", "KILL")) && args.len() > 2
}

/// Is it a condition of CLIENT LIST or CLIENT KILL that only Valkey has there?
fn is_valkeys_condition(args: &Args, word: &[u8]) -> bool {
    const ONLY_THERE: [&str; 7] = ["NAME", "IDLE", "FLAGS", "LIB-NAME", "LIB-VER", "DB", "CAPA"];
    const ONLY_IN_KILL: [&str; 5] = ["USER", "ADDR", "LADDR", "SKIPME", "MAXAGE"];
    let word = word.to_ascii_uppercase();
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.as_bytes() == word);
    word.starts_with(b"NOT-")
        || word == b"IP"
        || is_one_of(&ONLY_THERE)
        || (is_sub(args, "CLIENT", "LIST") && is_one_of(&ONLY_IN_KILL))
}

/// Would C read a number here, where Redis' own reader sees none?
fn is_odd_number(word: &[u8]) -> bool {
    let digits = word.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let spelled = std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
    digits.first().is_some_and(u8::is_ascii_digit)
        && spelled.is_none_or(|number| number.to_string().as_bytes() != word)
}

/// An answer that shows or ends no client.
fn nobody(reply: &Value) -> bool {
    reply.is_error() || *reply == Value::Int(0) || reply.text().is_some_and(<[u8]>::is_empty)
}

fn ints(ours: &Value, theirs: &Value) -> Option<(i64, i64)> {
    match (ours, theirs) {
        (Value::Int(ours), Value::Int(theirs)) => Some((*ours, *theirs)),
        _ => None,
    }
}

/// The members and scores of a page, or of a whole scan, the scores as numbers.
fn scanned(reply: &Value) -> Option<Vec<(&[u8], u64)>> {
    fn scored(pair: &[Value]) -> Option<(&[u8], u64)> {
        let [member, score] = pair else { return None };
        let score: f64 = str::from_utf8(score.text()?).ok()?.parse().ok()?;
        // Zero has two signs, and one when something is added.
        Some((member.text()?, (score + 0.0).to_bits()))
    }
    let pairs: Option<Vec<_>> = match reply {
        Value::Set(pairs) => pairs.iter().map(|it| scored(it.items()?)).collect(),
        Value::Array(page) => page.get(1)?.items()?.chunks(2).map(scored).collect(),
        _ => None,
    };
    let mut pairs = pairs?;
    pairs.sort_unstable();
    Some(pairs)
}

/// Replies that are the same but for the digits of numbers: theirs end after seventeen decimals.
fn same_numbers(ours: &Value, theirs: &Value) -> bool {
    if let (Some(ours), Some(theirs)) = (ours.items(), theirs.items()) {
        let mut pairs = ours.iter().zip(theirs);
        return ours.len() == theirs.len() && pairs.all(|(a, b)| same_numbers(a, b));
    }
    let number = |value: &Value| str::from_utf8(value.text()?).ok()?.parse::<f64>().ok();
    ours == theirs
        || (ours.kind() == theirs.kind()
            && number(ours)
                .zip(number(theirs))
                .is_some_and(|(ours, theirs)| (ours - theirs).abs() <= 1e-17))
}

/// A reply in which zero has no sign.
fn signless(reply: &Value) -> Value {
    match reply {
        Value::Bulk(text) if text == b"-0" => Value::bulk("0"),
        Value::Double(text) if text == b"-0" => Value::Double(b"0".to_vec()),
        Value::Array(items) => Value::Array(items.iter().map(signless).collect()),
        other => other.clone(),
    }
}
