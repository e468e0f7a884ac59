//! A selector: commands, and the keys, channels and databases that they may be used on.

use super::commands::Commands;
use super::rule::{RuleError, is_one_word};
use crate::base::{glob, numbers};
use crate::engine::Table;
use crate::engine::keys::KeyAt;
use crate::spec::{K_ACCESS, K_DELETE, K_INSERT, K_UPDATE};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub commands: Commands,
    pub keys: Keys,
    pub channels: Channels,
    pub databases: Databases,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    All,
    Matching(Vec<KeyPattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    pattern: Vec<u8>,
    reads: bool,
    writes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels {
    All,
    Matching(Vec<Vec<u8>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Databases {
    All,
    /// In order, each once.
    Some(Vec<u32>),
}

impl Selector {
    /// What may do nothing yet, but for channels as `acl-pubsub-default` says.
    pub fn new(all_channels: bool) -> Selector {
        Selector {
            commands: Commands::default(),
            keys: Keys::Matching(Vec::new()),
            channels: if all_channels { Channels::All } else { Channels::Matching(Vec::new()) },
            databases: Databases::All,
        }
    }

    pub fn may_all(&self) -> bool {
        self.commands.allow_every()
            && self.keys == Keys::All
            && self.channels == Channels::All
            && self.databases == Databases::All
    }

    pub fn apply(&mut self, rule: &[u8], table: &Table) -> Result<(), RuleError> {
        match &*rule.to_ascii_lowercase() {
            b"" => (),
            b"allcommands" => self.commands.allow_all(table),
            b"nocommands" => self.commands.deny_all(),
            b"allkeys" | b"~*" => self.keys = Keys::All,
            b"resetkeys" => self.keys = Keys::Matching(Vec::new()),
            b"allchannels" | b"&*" => self.channels = Channels::All,
            b"resetchannels" => self.channels = Channels::Matching(Vec::new()),
            b"alldbs" => self.databases = Databases::All,
            b"resetdbs" => self.databases = Databases::Some(Vec::new()),
            [b'd', b'b', b'=', numbers @ ..] => self.databases = Databases::parse(numbers)?,
            [b'+' | b'-', ..] => return self.commands.apply(rule, table),
            [b'~' | b'%', ..] => return self.keys.add(rule),
            [b'&', ..] => return self.channels.add(&rule[1..]),
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// The rules that make another one like it.
    pub fn text(&self) -> Vec<u8> {
        let mut parts = vec![self.keys.text()];
        parts.push(match &self.channels {
            Channels::Matching(patterns) if patterns.is_empty() => b"resetchannels".to_vec(),
            Channels::Matching(_) => [b"resetchannels ", &*self.channels.text()].concat(),
            Channels::All => self.channels.text(),
        });
        parts.push(match &self.databases {
            Databases::All => Vec::new(),
            Databases::Some(numbers) if numbers.is_empty() => b"resetdbs".to_vec(),
            Databases::Some(_) => self.databases.text(),
        });
        parts.push(self.commands.text());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

impl Keys {
    /// `~pattern`, or `%R~pattern` and its like. Without a `~` at the end the pattern is empty.
    fn add(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let Keys::Matching(patterns) = self else { return Err(RuleError::KeysAfterAll) };
        let (mut reads, mut writes, mut pattern) = (true, true, &rule[1..]);
        if rule[0] == b'%' {
            let end = rule.iter().position(|byte| *byte == b'~').unwrap_or(rule.len());
            let rights = &rule[1..end];
            (reads, writes) = match &*rights.to_ascii_lowercase() {
                b"r" => (true, false),
                b"w" => (false, true),
                b"rw" | b"wr" => (true, true),
                _ => return Err(RuleError::Syntax),
            };
            pattern = rule.get(end + 1..).unwrap_or_default();
        }
        if !is_one_word(pattern) {
            return Err(RuleError::Syntax);
        }
        match patterns.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => {
                known.reads |= reads;
                known.writes |= writes;
            }
            None => patterns.push(KeyPattern { pattern: pattern.to_vec(), reads, writes }),
        }
        Ok(())
    }

    pub fn text(&self) -> Vec<u8> {
        let Keys::Matching(patterns) = self else { return b"~*".to_vec() };
        let rules = patterns.iter().map(|known| {
            let rights: &[u8] = match (known.reads, known.writes) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                // `~*` would be read as all keys, and no pattern may follow that.
                _ if known.pattern == b"*" => b"%RW~",
                _ => b"~",
            };
            [rights, &known.pattern].concat()
        });
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// May what a command does to a key be done? What neither reads nor changes it, as EXISTS, needs
    /// any right at all.
    pub fn allow(&self, key: &[u8], at: &KeyAt) -> bool {
        let Keys::Matching(patterns) = self else { return true };
        let (reads, writes) = rights_needed(at.flags);
        patterns.iter().any(|known| {
            (known.reads || !reads)
                && (known.writes || !writes)
                && glob::matches(&known.pattern, key, false)
        })
    }

    /// May every key be read?
    pub fn allow_reading_all(&self) -> bool {
        match self {
            Keys::All => true,
            Keys::Matching(patterns) => {
                patterns.iter().any(|known| known.reads && glob::is_all(&known.pattern))
            }
        }
    }
}

/// Whether a key that is used so is read, and whether it is changed.
pub fn rights_needed(flags: u8) -> (bool, bool) {
    (flags & K_ACCESS != 0, flags & (K_INSERT | K_DELETE | K_UPDATE) != 0)
}

impl Channels {
    fn add(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        let Channels::Matching(patterns) = self else { return Err(RuleError::ChannelsAfterAll) };
        if !is_one_word(pattern) {
            return Err(RuleError::Syntax);
        }
        if !patterns.iter().any(|known| known == pattern) {
            patterns.push(pattern.to_vec());
        }
        Ok(())
    }

    pub fn text(&self) -> Vec<u8> {
        let Channels::Matching(patterns) = self else { return b"&*".to_vec() };
        let rules = patterns.iter().map(|pattern| [b"&", &**pattern].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// A channel must match; a pattern must be one of those here, letter by letter.
    pub fn allow(&self, name: &[u8], is_pattern: bool) -> bool {
        let Channels::Matching(patterns) = self else { return true };
        patterns.iter().any(|known| match is_pattern {
            true => known == name,
            false => glob::matches(known, name, false),
        })
    }
}

impl Databases {
    fn parse(numbers: &[u8]) -> Result<Databases, RuleError> {
        let mut all = Vec::new();
        for number in numbers.split(|byte| *byte == b',') {
            let digits = number.strip_prefix(b"-").unwrap_or(number);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(RuleError::Syntax);
            }
            let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len() - 1);
            let parsed = numbers::parse_i64(&digits[start..]).filter(|_| digits == number);
            let number = parsed.and_then(|number| i32::try_from(number).ok());
            all.push(number.ok_or(RuleError::DatabaseRange)? as u32);
        }
        all.sort_unstable();
        all.dedup();
        Ok(Databases::Some(all))
    }

    pub fn text(&self) -> Vec<u8> {
        match self {
            Databases::All => b"alldbs".to_vec(),
            Databases::Some(numbers) if numbers.is_empty() => Vec::new(),
            Databases::Some(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                format!("db={}", numbers.join(",")).into_bytes()
            }
        }
    }

    pub fn allow(&self, db: usize) -> bool {
        match self {
            Databases::All => true,
            Databases::Some(numbers) => {
                u32::try_from(db).is_ok_and(|db| numbers.binary_search(&db).is_ok())
            }
        }
    }
}
