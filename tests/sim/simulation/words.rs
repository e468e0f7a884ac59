//! Command lines from the rows' own grammar: what a client might say, and now and then what only a
//! careless one would.
//!
//! Keys, numbers and values come from small sets, so that lines meet each other; a run takes only
//! some of the commands and weighs them oddly, because what goes wrong between two commands is
//! rarely seen where all of them take turns.

use crate::support::dice::Dice;
use russet::commands::TABLE;
use russet::engine::{Command, Run};
use russet::spec::{Arg, Group, Shape};

pub type Line = Vec<Vec<u8>>;

/// They end the process, stop it for as long as they like, or change data without a word to the
/// log because only tests may use them.
const NEVER: &[&str] = &[
    "SHUTDOWN",
    "DEBUG|PANIC",
    "DEBUG|ASSERT",
    "DEBUG|SEGFAULT",
    "DEBUG|OOM",
    "DEBUG|SLEEP",
    "DEBUG|POPULATE",
];

/// Directives and what they are set to: the small and odd values that bring limits near.
const SETTINGS: &[(&str, &[&str])] = &[
    ("proto-max-bulk-len", &["1mb", "2mb"]),
    ("client-query-buffer-limit", &["1gb", "1mb"]),
    ("client-output-buffer-limit", &["normal 0 0 0", "normal 20kb 0 0", "normal 0 2kb 1"]),
    ("requirepass", &["", "", "secret"]),
    ("timeout", &["0", "0", "5"]),
    ("maxmemory-policy", &["noeviction", "allkeys-lfu", "allkeys-lru"]),
    ("lfu-decay-time", &["0", "1"]),
    ("lfu-log-factor", &["0", "10"]),
    ("slowlog-log-slower-than", &["-1", "0", "10000"]),
    ("slowlog-max-len", &["0", "3", "128"]),
    ("slowlog-entry-max-argc", &["2", "32"]),
    ("slowlog-entry-max-string-len", &["0", "128"]),
    ("commandlog-request-larger-than", &["-1", "0", "20"]),
    ("hz", &["1", "10", "nonsense"]),
    ("hash-max-listpack-entries", &["0", "2", "512"]),
    ("hash-max-listpack-value", &["2", "64"]),
    ("list-max-listpack-size", &["1", "3", "-1", "-2"]),
    ("set-max-intset-entries", &["0", "2", "512"]),
    ("set-max-listpack-entries", &["0", "2", "128"]),
    ("set-max-listpack-value", &["2", "64"]),
    ("zset-max-listpack-entries", &["0", "2", "128"]),
    ("zset-max-listpack-value", &["2", "64"]),
    ("appendonly", &["no"]),
    ("set-max-intset-entries", &["0", "3", "512"]),
    ("set-max-listpack-entries", &["0", "3", "128"]),
    ("set-max-listpack-value", &["0", "4", "64"]),
    ("nonsense", &["1"]),
];

const VALUES: &[&str] = &[
    "",
    "a",
    "abc",
    "10",
    "-1",
    "0",
    "3.5",
    "-0",
    "1e3",
    "nan",
    "inf",
    " 1",
    "007",
    "hello world",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "secret",
    "default",
    "\r\n",
    "key",
    "mytest",
    "ohmytext",
    "\u{e9}\u{1f600}",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-2",
    "7",
    "8",
    "10",
    "63",
    "64",
    "100",
    "1023",
    "-100",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775807",
    "18446744073709551615",
    "01",
    "+1",
    " 1",
    "1.5",
    "",
    "x",
];

const FLOATS: &[&str] =
    &["0", "1", "-1", "0.1", "3.0e3", "-2.5", "1e308", "nan", "inf", "-inf", "1e-10", "x", ""];

/// Seconds that a client waits for a key, 0 for ever.
const TIMEOUTS: &[&str] = &["0", "0", "0.01", "0.5", "3", "100", "-1", "x"];

/// Fields and members: few, so that lines speak of what is there.
const NAMES: &[&str] =
    &["a", "b", "c", "d", "e", "0", "1", "2", "3", "10", "-7", "", "a longer name for an element"];

/// Entries of streams: few, so that lines meet, and words that stand for some.
const IDS: &[&str] = &[
    "0",
    "0-1",
    "0-2",
    "1-0",
    "1-1",
    "1-*",
    "2-0",
    "3",
    "5-1",
    "-",
    "+",
    "(0-1",
    "(1-1",
    "$",
    ">",
    "*",
    "18446744073709551615-18446744073709551615",
    "0-0",
    "1-x",
];

/// What begins keys, for those who follow prefixes.
const PREFIXES: &[&str] = &["", "k", "k1", "k2", "l", "h", "s", "z", "x", "nothing"];

/// What scripts do: mostly they call whatever command line they are handed.
const SCRIPTS: &[&str] = &[
    "return redis.pcall(unpack(ARGV))",
    "return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "redis.call(unpack(ARGV)) return redis.call(unpack(ARGV))",
    "local done = redis.pcall(unpack(ARGV)) redis.call('SET', 'k0', #ARGV) return {done, 1.5, false, {err = 'X'}}",
    "for i = 1, 20 do redis.pcall(unpack(ARGV)) end error('enough')",
];

/// Libraries, whose functions do the same.
const LIBRARIES: &[&str] = &[
    "#!lua name=lib\nredis.register_function('call', function(_, args) return redis.pcall(unpack(args)) end)",
    "#!lua name=lib\nlocal function call(_, args) return redis.call(unpack(args)) end \
     redis.register_function('call', call) redis.register_function('again', call)",
    "#!lua name=other\nredis.register_function{function_name='look', flags={'no-writes'}, \
     callback=function(_, args) return redis.pcall(unpack(args)) end}",
    "#!lua name=other\nerror('this library does not load')",
];
const LIBRARY_NAMES: &[&str] = &["lib", "other"];
const FUNCTIONS: &[&str] = &["call", "call", "again", "look"];

const PATTERNS: &[&str] =
    &["*", "k*", "k?", "k[0-3]", "*1*", "[^k]*", "k\\1", "[", "", "*:*", "?*?*"];

/// What every run has, so that there are keys to speak about.
const ALWAYS: &[&str] = &["SET", "GET", "DEL", "PEXPIRE"];

/// What clients say of themselves and each other, and what they wait for.
const OF_SESSIONS: &[&str] = &[
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH",
    "UNWATCH",
    "RESET",
    "HELLO",
    "AUTH",
    "SELECT",
    "QUIT",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "PUBLISH",
    "SPUBLISH",
    "MONITOR",
    "CLIENT|TRACKING",
    "CLIENT|CACHING",
    "CLIENT|KILL",
    "CLIENT|UNBLOCK",
    "CLIENT|PAUSE",
    "CLIENT|UNPAUSE",
    "CLIENT|REPLY",
    "CLIENT|NO-EVICT",
    "CLIENT|LIST",
    "BLPOP",
    "BLMOVE",
    "BLMPOP",
    "BZPOPMIN",
    "BZMPOP",
    "XREAD",
    "XREADGROUP",
    "XGROUP|CREATE",
    "XGROUP|DESTROY",
    "XADD",
    "RPUSH",
    "ZADD",
    "SET",
    "GET",
    "DEL",
    "RENAME",
    "SWAPDB",
    "FLUSHALL",
    "EVAL",
    "CONFIG|SET",
    "MOVE",
    "COPY",
    "PEXPIRE",
];

pub struct Vocabulary {
    commands: Vec<(&'static Command, usize)>,
    weight: usize,
    hot: usize,
    cold: usize,
    /// Of a hundred keys, so many are cold ones.
    cold_percent: usize,
    spoiled_percent: usize,
}

impl Vocabulary {
    /// The commands of one run, and how often each.
    pub fn rolled(dice: &mut Dice) -> Vocabulary {
        let callable = |command: &&Command| !NEVER.contains(&command.spec.name);
        let all: Vec<&'static Command> = TABLE.all.iter().filter(callable).collect();
        let data: Vec<_> =
            all.iter().copied().filter(|command| matches!(command.run, Run::Data(_))).collect();
        let mut commands = Vec::new();
        for name in ALWAYS {
            let found = data.iter().find(|command| command.spec.name == *name);
            commands.push((*found.expect("it is in the table"), 1 << dice.below(5)));
        }
        for _ in 0..3 + dice.below(30) {
            commands.push((*dice.pick(&data), 1 << dice.below(7)));
        }
        for _ in 0..dice.below(20) {
            commands.push((*dice.pick(&all), 1 << dice.below(4)));
        }
        for called in [&["EVAL"][..], &["FCALL", "FUNCTION|LOAD"]] {
            if dice.percent(30) {
                let found = all.iter().copied().filter(|it| called.contains(&it.spec.name));
                commands.extend(found.map(|it| (it, 1 << dice.below(6))));
            }
        }
        Vocabulary {
            weight: commands.iter().map(|(_, weight)| weight).sum(),
            commands,
            hot: 1 + dice.below(8),
            cold: *dice.pick(&[20, 200, 3000]),
            cold_percent: *dice.pick(&[0, 10, 60]),
            spoiled_percent: *dice.pick(&[0, 3, 20]),
        }
    }

    /// Commands of clients about clients, and of few keys, so that they meet.
    pub fn of_sessions(dice: &mut Dice) -> Vocabulary {
        let known = |name: &&str| TABLE.all.iter().find(|command| command.spec.name == *name);
        let named = OF_SESSIONS.iter().map(|name| known(name).expect("it is in the table"));
        let commands: Vec<_> = named.map(|command| (command, 1 << dice.below(4))).collect();
        Vocabulary {
            weight: commands.iter().map(|(_, weight)| weight).sum(),
            commands,
            hot: 1 + dice.below(3),
            cold: 20,
            cold_percent: 0,
            spoiled_percent: *dice.pick(&[0, 3]),
        }
    }

    /// A line of this run's commands; `now_ms` is what absolute times are near.
    pub fn line(&self, dice: &mut Dice, now_ms: i64) -> Line {
        let mut left = dice.below(self.weight);
        let chosen = self.commands.iter().find(|(_, weight)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        let command = chosen.map_or(self.commands[0].0, |(command, _)| *command);
        let mut line = self.line_of(command, dice, now_ms);
        if dice.percent(self.spoiled_percent) {
            self.spoil(&mut line, dice);
        }
        line
    }

    pub fn key(&self, dice: &mut Dice) -> Vec<u8> {
        let number = match dice.percent(self.cold_percent) {
            true => self.hot + dice.below(self.cold),
            false => dice.below(self.hot),
        };
        format!("k{number}").into()
    }

    fn line_of(&self, command: &Command, dice: &mut Dice, now_ms: i64) -> Line {
        let spec = &command.spec;
        let mut line: Line = spec.name.split('|').map(|word| word.as_bytes().to_vec()).collect();
        match spec.name {
            "CONFIG|SET" => {
                for _ in 0..1 + dice.below(10) / 8 {
                    let (name, values) = dice.pick(SETTINGS);
                    line.extend([name.as_bytes().to_vec(), dice.pick(values).as_bytes().to_vec()]);
                }
            }
            "CLIENT|PAUSE" => {
                line.push(dice.below(3000).to_string().into());
                if dice.percent(70) {
                    line.push(dice.pick(&["WRITE", "ALL"]).as_bytes().to_vec());
                }
            }
            "EVAL" | "EVAL_RO" | "FCALL" | "FCALL_RO" if dice.percent(90) => {
                let called = if spec.name.starts_with("EVAL") { SCRIPTS } else { FUNCTIONS };
                line.extend([dice.pick(called).as_bytes().to_vec(), b"0".to_vec()]);
                let data: Vec<&Command> = self
                    .commands
                    .iter()
                    .map(|(command, _)| *command)
                    .filter(|command| matches!(command.run, Run::Data(_)))
                    .collect();
                let called = *dice.pick(&data);
                line.extend(self.line_of(called, dice, now_ms));
                // The letters of keys are for the command's own.
                return line;
            }
            "FUNCTION|LOAD" => {
                if dice.percent(80) {
                    line.push(b"REPLACE".to_vec());
                }
                line.push(dice.pick(LIBRARIES).as_bytes().to_vec());
            }
            "FUNCTION|DELETE" => line.push(dice.pick(LIBRARY_NAMES).as_bytes().to_vec()),
            "SCRIPT|LOAD" => line.push(dice.pick(SCRIPTS).as_bytes().to_vec()),
            "CLIENT|REPLY" => line.push(dice.pick(&["ON", "OFF", "SKIP"]).as_bytes().to_vec()),
            "CLIENT|KILL" if dice.percent(50) => {
                let id = 1 + dice.below(12);
                line.extend([b"ID".to_vec(), id.to_string().into()]);
                if dice.percent(50) {
                    line.extend([b"SKIPME".to_vec(), b"NO".to_vec()]);
                }
            }
            _ => self.args(spec.args, &mut line, dice, now_ms),
        }
        if let Some(letter) = letter_of(spec.group)
            && dice.percent(85)
        {
            // A key of the right type, mostly.
            let is_key = |word: &&mut Vec<u8>| word.first() == Some(&b'k') && word.len() > 1;
            line.iter_mut().skip(1).filter(is_key).for_each(|word| word[0] = letter);
        }
        // Some rows tell no grammar, and then only how many words there are.
        let named = spec.name.split('|').count() - 1;
        while line.len() < spec.arity.unsigned_abs() as usize + named.saturating_sub(1) {
            line.push(self.any_word(dice));
        }
        if dice.percent(20) {
            line[0].make_ascii_lowercase();
        }
        line
    }

    fn args(&self, args: &[Arg], line: &mut Line, dice: &mut Dice, now_ms: i64) {
        let mut counts = false;
        for arg in args {
            let before = line.len();
            self.arg(arg, line, dice, now_ms);
            // A number that says how many words follow is right, mostly.
            if counts && arg.repeats && dice.percent(90) {
                line[before - 1] = (line.len() - before).to_string().into();
            }
            counts = arg.name.starts_with("num") && line.len() == before + 1;
        }
    }

    fn arg(&self, arg: &Arg, line: &mut Line, dice: &mut Dice, now_ms: i64) {
        if arg.optional && dice.percent(60) {
            return;
        }
        let times = if arg.repeats { 1 + dice.below(4) } else { 1 };
        for time in 0..times {
            // The word of a token is its name, unless it has another name in the manual.
            let is_token = matches!(arg.shape, Shape::Token);
            if !arg.token.is_empty() && (time == 0 || arg.repeats_token || is_token) {
                line.push(arg.token.as_bytes().to_vec());
            }
            match arg.shape {
                Shape::Token if arg.token.is_empty() => line.push(arg.name.as_bytes().to_vec()),
                Shape::Token => (),
                Shape::OneOf(choices) => self.arg(dice.pick(choices), line, dice, now_ms),
                Shape::Block(parts) => self.args(parts, line, dice, now_ms),
                Shape::Key => line.push(self.key(dice)),
                Shape::String if is_id(arg.name) && dice.percent(85) => {
                    line.push(dice.pick(IDS).as_bytes().to_vec());
                }
                Shape::String if arg.name == "prefix" => {
                    line.push(dice.pick(PREFIXES).as_bytes().to_vec());
                }
                Shape::String if is_name(arg.name) && dice.percent(80) => {
                    line.push(dice.pick(NAMES).as_bytes().to_vec());
                }
                Shape::String => line.push(self.value(dice)),
                Shape::Integer => line.push(integer(arg.name, dice)),
                Shape::Double if arg.name == "timeout" => {
                    line.push(dice.pick(TIMEOUTS).as_bytes().to_vec());
                }
                Shape::Double => line.push(dice.pick(FLOATS).as_bytes().to_vec()),
                Shape::Pattern => line.push(dice.pick(PATTERNS).as_bytes().to_vec()),
                Shape::UnixTime => {
                    let unit = if arg.name.contains("milliseconds") { 1 } else { 1000 };
                    let moment = now_ms + dice.of_bits(1, 17) as i64 - 3000;
                    line.push((moment / unit).to_string().into());
                }
            }
        }
    }

    fn value(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(20) {
            0..10 => dice.pick(VALUES).as_bytes().to_vec(),
            10..14 => dice.below(1000).to_string().into(),
            14 => self.key(dice),
            // Around the lengths at which a record changes its form.
            15..17 => vec![b'x'; dice.below(300)],
            17 => vec![b'y'; dice.of_bits(8, 14) as usize],
            _ => (0..dice.below(24)).map(|_| dice.next() as u8).collect(),
        }
    }

    fn any_word(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(4) {
            0 => self.key(dice),
            1 => dice.pick(NUMBERS).as_bytes().to_vec(),
            2 => dice.pick(TABLE.all).spec.name.as_bytes().to_vec(),
            _ => self.value(dice),
        }
    }

    fn spoil(&self, line: &mut Line, dice: &mut Dice) {
        // What is commanded stays what it was, so that a spoiled word makes no command that must
        // never be called.
        let first = 1 + (line.len() > 1 && is_container(&line[0])) as usize;
        let at = first + dice.below(line.len().saturating_sub(first) + 1);
        match dice.below(5) {
            0 if at < line.len() => drop(line.remove(at)),
            1 if at < line.len() => line.insert(at, line[at].clone()),
            2 if at < line.len() => line[at] = self.any_word(dice),
            3 if at < line.len() => line.truncate(at),
            _ => line.push(self.any_word(dice)),
        }
    }
}

/// What the keys of a type are called, where a line wants one.
fn letter_of(group: Group) -> Option<u8> {
    match group {
        Group::List => Some(b'l'),
        Group::Hash => Some(b'h'),
        Group::Set => Some(b's'),
        Group::SortedSet | Group::Geo => Some(b'z'),
        Group::Stream => Some(b'x'),
        Group::HyperLogLog => Some(b'p'),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    ["field", "member", "element", "pivot", "group", "consumer"].contains(&name)
}

/// May it say which entry of a stream is meant? The ends of ranges may say other things as well.
fn is_id(name: &str) -> bool {
    ["id", "last-id", "max-deleted-id", "threshold", "start", "end"].contains(&name)
}

fn is_container(name: &[u8]) -> bool {
    (TABLE.find)(name).is_some_and(|it| matches!(it.run, Run::Container | Run::Containing(_)))
}

/// A number as the argument's name suggests, mostly; strings must not grow beyond all measure.
fn integer(name: &str, dice: &mut Dice) -> Vec<u8> {
    if dice.percent(15) {
        return dice.pick(NUMBERS).as_bytes().to_vec();
    }
    let number = match name {
        "seconds" => 1 + dice.below(20),
        "milliseconds" => 1 + dice.below(5000),
        "protover" => 2 + dice.below(2),
        "bit" => dice.below(2),
        "offset" if dice.percent(3) => dice.below(100_000),
        "offset" => dice.below(600),
        "client-id" => 1 + dice.below(12),
        _ if name.contains("db") || name.contains("index") => dice.below(3),
        _ => {
            let bound = *dice.pick(&[3, 10, 200]);
            dice.below(bound)
        }
    };
    number.to_string().into()
}
