//! What COMMAND INFO says, held against what Redis says, or Valkey where only it has the command.
//! `tests/golden/record.py` wrote those down.

use crate::{none, root};
use russet::commands::TABLE;
use russet::spec::{
    Access, Begin, CATEGORY_NAMES, FLAG_NAMES, Find, K_ACCESS, K_DELETE, K_INCOMPLETE, K_INSERT,
    K_NOT_KEY, K_UPDATE, K_VARIABLE_FLAGS, KeySpec, Spec,
};
use std::collections::BTreeMap;

/// Rows, and what of them differs on purpose.
const ON_PURPOSE: &[(&str, &str, &str)] = &[
    ("delex", "", "newer than the recorded Redis"),
    ("digest", "", "newer than the recorded Redis"),
    ("increx", "", "newer than the recorded Redis"),
    ("sdiffcard", "", "newer than the recorded Redis"),
    ("sunioncard", "", "newer than the recorded Redis"),
    ("lmovem", "", "newer than the recorded Redis"),
    ("blmovem", "", "newer than the recorded Redis"),
    ("himport", "", "newer than the recorded Redis"),
    ("saddex", "", "newer than the recorded Redis"),
    ("sexpire", "", "newer than the recorded Redis"),
    ("spexpire", "", "newer than the recorded Redis"),
    ("sexpireat", "", "newer than the recorded Redis"),
    ("spexpireat", "", "newer than the recorded Redis"),
    ("spersist", "", "newer than the recorded Redis"),
    ("sttl", "", "newer than the recorded Redis"),
    ("spttl", "", "newer than the recorded Redis"),
    ("sexpiretime", "", "newer than the recorded Redis"),
    ("spexpiretime", "", "newer than the recorded Redis"),
    ("zexpire", "", "as Garnet has it"),
    ("zpexpire", "", "as Garnet has it"),
    ("zexpireat", "", "as Garnet has it"),
    ("zpexpireat", "", "as Garnet has it"),
    ("zpersist", "", "as Garnet has it"),
    ("zttl", "", "as Garnet has it"),
    ("zpttl", "", "as Garnet has it"),
    ("zexpiretime", "", "as Garnet has it"),
    ("zpexpiretime", "", "as Garnet has it"),
    ("cl.throttle", "", "as redis-cell has it"),
    ("expiremember", "", "as KeyDB has it"),
    ("expirememberat", "", "as KeyDB has it"),
    ("pexpirememberat", "", "as KeyDB has it"),
    ("xdelex", "", "newer than the recorded Redis"),
    ("xackdel", "", "newer than the recorded Redis"),
    ("xnack", "", "newer than the recorded Redis"),
    ("xcfgset", "", "newer than the recorded Redis"),
    ("xidmprecord", "", "newer than the recorded Redis"),
    ("hotkeys", "", "newer than the recorded Redis"),
    ("monitor", "arity", "has filters here"),
    ("debug", "", "a container with rows here, one command with free words there"),
];

/// A row as `record.py` writes it: its fields by name, key specifications as one more.
type Row = BTreeMap<String, String>;

#[test]
fn rows_agree_with_the_peers() {
    let redis = recorded("tests/golden/command_info_redis.txt");
    let valkey = recorded("tests/golden/command_info_valkey.txt");
    let mut violations = Vec::new();
    for spec in TABLE.all.iter().map(|command| &command.spec) {
        let name = spec.lower_name();
        let is_on_purpose = |field: &str| {
            let row = name.split('|').next().unwrap_or_default();
            ON_PURPOSE.iter().any(|(listed, what, _)| {
                (*listed == name || *listed == row) && (what.is_empty() || *what == field)
            })
        };
        if is_on_purpose("") {
            continue;
        }
        let Some(theirs) = redis.get(&name).or_else(|| valkey.get(&name)) else {
            violations.push(format!("{name} is known to no peer"));
            continue;
        };
        let ours = row(spec);
        for (field, value) in theirs {
            if ours[field] != *value && !is_on_purpose(field) {
                violations.push(format!("{name}: {field} is {}, theirs {value}", ours[field]));
            }
        }
    }
    none("COMMAND INFO agrees with the peers", violations);
}

/// An exception that is none any more hides the next mistake.
#[test]
fn exceptions_are_still_needed() {
    let redis = recorded("tests/golden/command_info_redis.txt");
    let valkey = recorded("tests/golden/command_info_valkey.txt");
    let stale = ON_PURPOSE.iter().filter(|(name, field, _)| {
        let spec = TABLE.all.iter().map(|it| &it.spec).find(|spec| spec.lower_name() == *name);
        let theirs = redis.get(*name).or_else(|| valkey.get(*name));
        match (spec, theirs) {
            (Some(spec), Some(theirs)) if !field.is_empty() => row(spec)[*field] == theirs[*field],
            (None, _) => true,
            _ => false,
        }
    });
    none(
        "exceptions that are needed",
        stale.map(|(name, field, _)| format!("{name} {field}")).collect(),
    );
}

fn recorded(path: &str) -> BTreeMap<String, Row> {
    let text =
        std::fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"));
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(key) = line.strip_prefix("  key ") {
            let specs = rows.get_mut(&last).and_then(|row| row.get_mut("specs"));
            let specs = specs.expect("a key specification follows its command");
            specs.push_str(&format!("[{key}]"));
            continue;
        }
        let (name, fields) = line.split_once(' ').expect("a row has a name and fields");
        last = name.to_string();
        let fields = fields.split(' ').filter_map(|field| field.split_once('='));
        let mut row: Row =
            fields.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        row.insert("specs".into(), String::new());
        rows.insert(last.clone(), row);
    }
    rows
}

fn row(spec: &Spec) -> Row {
    let bits = |names: &[(u32, &str)], bits: u32| {
        words(names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name.to_string()))
    };
    let all = spec.all_categories();
    let categories = CATEGORY_NAMES.iter().enumerate().filter(|(at, _)| all & (1 << at) != 0);
    [
        ("arity", spec.arity.to_string()),
        ("flags", bits(FLAG_NAMES, spec.flags)),
        ("keys", first_last_step(spec)),
        ("categories", words(categories.map(|(_, name)| format!("@{name}")))),
        ("tips", words(spec.tips.iter().map(|tip| tip.to_string()))),
        ("specs", spec.keys.iter().map(key_spec).collect()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value))
    .collect()
}

fn words(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort();
    if words.is_empty() { "-".into() } else { words.join(",") }
}

/// The three numbers of old: those of the range that begins first, widened by ranges that go on
/// where it ends.
fn first_last_step(spec: &Spec) -> String {
    let (mut first, mut last, mut step) = (0, 0, 0);
    for key in spec.keys {
        let (Begin::Index(index), Find::Range { last: own, step: own_step, .. }) =
            (key.begin, key.find)
        else {
            continue;
        };
        let end = if own >= 0 { index + own } else { own };
        if first == 0 {
            (first, last, step) = (index, end, own_step);
        } else if index == last + 1 && last >= 0 {
            last = end;
        }
    }
    format!("{first},{last},{step}")
}

fn key_spec(key: &KeySpec) -> String {
    let access = match key.access {
        Access::ReadOnly => "RO",
        Access::ReadWrite => "RW",
        Access::Overwrite => "OW",
        Access::Remove => "RM",
    };
    let names = [
        (K_ACCESS, "access"),
        (K_UPDATE, "update"),
        (K_INSERT, "insert"),
        (K_DELETE, "delete"),
        (K_NOT_KEY, "not_key"),
        (K_INCOMPLETE, "incomplete"),
        (K_VARIABLE_FLAGS, "variable_flags"),
    ];
    let names = names.iter().filter(|(bit, _)| key.flags & bit != 0).map(|(_, name)| *name);
    let access = (key.flags & K_NOT_KEY == 0).then_some(access);
    let flags = words(access.into_iter().chain(names).map(String::from));
    let begin = match key.begin {
        Begin::Index(index) => format!("index:{index}"),
        Begin::Keyword(word, from) => format!("keyword:{word}:{from}"),
        Begin::Unknown => "unknown".into(),
    };
    let find = match key.find {
        Find::Range { last, step, limit } => format!("range:{last}:{step}:{limit}"),
        Find::Count { count, first, step } => format!("keynum:{count}:{first}:{step}"),
        Find::Unknown => "unknown".into(),
    };
    format!("[flags={flags} begin={begin} find={find}]")
}
