//! `maxmemory-rule`: what goes of which keys, and how much memory they may take.
//!
//! ```text
//! maxmemory-rule cache:* allkeys-lru 512mb        keys that begin so
//! maxmemory-rule db 3 volatile-ttl 0              all keys of a database; 0 is no limit of their own
//! maxmemory-rule db 3 jobs:* noeviction 1gb       both
//! ```
//!
//! Each ends with its limit, so several stand behind each other where there is one line, as in CONFIG GET and SET.

use super::kind::Reason;
use super::value::MaxmemoryPolicy;
use crate::base::memory_size::parse_memory;
use crate::base::numbers::parse_i64;

/// Keys, their policy, and their own limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRule {
    /// None is every database.
    pub db: Option<u32>,
    /// How the keys begin.
    pub prefix: Vec<u8>,
    pub policy: MaxmemoryPolicy,
    /// Bytes; 0 is no limit but that of the server.
    pub limit: u64,
}

/// Every request looks at all of them.
const RULES_MAX: usize = 64;

impl MemoryRule {
    /// Reads rules that stand behind each other. A single empty word is no rule at all.
    pub fn parse_all(words: &[&[u8]]) -> Result<Vec<MemoryRule>, Reason> {
        if matches!(words, [] | [b""]) {
            return Ok(Vec::new());
        }
        let mut rules = Vec::new();
        let mut words = words.iter().copied().peekable();
        while words.peek().is_some() {
            let mut rule = MemoryRule {
                db: None,
                prefix: Vec::new(),
                policy: MaxmemoryPolicy::Noeviction,
                limit: 0,
            };
            let mut word = words.next().unwrap_or_default();
            let mut next = || words.next().ok_or(GRAMMAR);
            if word.eq_ignore_ascii_case(b"db") {
                let number = next()?;
                let db = parse_i64(number).and_then(|db| u32::try_from(db).ok());
                rule.db = Some(db.ok_or("db must be followed by the number of a database")?);
                word = next()?;
            }
            if let Some(prefix) = word.strip_suffix(b"*") {
                if prefix.is_empty() || prefix.iter().any(|byte| SPECIAL.contains(byte)) {
                    return Err(
                        "a pattern must be the beginning of keys and one * behind it".into()
                    );
                }
                rule.prefix = prefix.to_vec();
                word = next()?;
            } else if rule.db.is_none() {
                return Err(GRAMMAR.into());
            }
            rule.policy = MaxmemoryPolicy::named(word).ok_or(GRAMMAR)?;
            rule.limit = parse_memory(next()?).ok_or("the limit must be a memory value")?;
            rules.push(rule);
        }
        MemoryRule::checked(rules)
    }

    /// Rules that go together: no two are about the same keys, and they are not too many.
    pub fn checked(rules: Vec<MemoryRule>) -> Result<Vec<MemoryRule>, Reason> {
        if rules.len() > RULES_MAX {
            return Err("there are more than 64 rules".into());
        }
        for (at, rule) in rules.iter().enumerate() {
            let same = |other: &MemoryRule| other.db == rule.db && other.prefix == rule.prefix;
            if rules[..at].iter().any(same) {
                return Err("two rules are about the same keys".into());
            }
        }
        Ok(rules)
    }

    /// Which keys it is about, in the words of the file.
    pub fn keys(&self) -> Vec<u8> {
        let mut words = Vec::new();
        if let Some(db) = self.db {
            words.push(format!("db {db}").into_bytes());
        }
        if !self.prefix.is_empty() {
            words.push([&*self.prefix, b"*"].concat());
        }
        words.join(&b' ')
    }

    /// As one writes it; `limit` is how the limit is written.
    pub fn written(&self, limit: &str) -> Vec<u8> {
        [self.keys(), format!(" {} {limit}", self.policy.name()).into_bytes()].concat()
    }
}

const GRAMMAR: &str = "a rule is [db <number>] [<prefix>*] <policy> <bytes>";

/// What means something else in a pattern, or in the file.
const SPECIAL: &[u8] = b"*?[]\\\"'# \t\r\n\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Vec<MemoryRule>, Reason> {
        MemoryRule::parse_all(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_written_is_read_again() {
        for line in [
            "",
            "cache:* allkeys-lru 536870912",
            "db 3 volatile-ttl 0",
            "db 3 jobs:* noeviction 10 cache:* allkeys-lfu 20 db 4 allkeys-random 0",
        ] {
            let rules = parse(line).expect(line);
            let written: Vec<Vec<u8>> =
                rules.iter().map(|rule| rule.written(&rule.limit.to_string())).collect();
            assert_eq!(String::from_utf8(written.join(&b' ')).unwrap(), line);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "cache:*",
            "cache:* allkeys-lru",
            "allkeys-lru 5mb",
            "* allkeys-lru 5mb",
            "ca*he:* allkeys-lru 5mb",
            "cache allkeys-lru 5mb",
            "cache:* nonsense 5mb",
            "cache:* allkeys-lru 5x",
            "db x allkeys-lru 5mb",
            "db -1 allkeys-lru 5mb",
            "db",
            "cache:* allkeys-lru 5mb cache:* allkeys-lfu 6mb",
            "cache:*  allkeys-lru 5mb",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let many: Vec<String> = (0..65).map(|at| format!("{at}:* allkeys-lru 1")).collect();
        assert!(parse(&many.join(" ")).is_err() && parse(&many[1..].join(" ")).is_ok());
    }
}
