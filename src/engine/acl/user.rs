//! A user: whether and how one may log in, and selectors, of which one is enough to allow something.

use super::password::Digest;
use super::rule::{RuleError, join};
use super::selector::{Channels, Selector};
use crate::engine::Table;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: Box<[u8]>,
    pub enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// Kept and shown. A payload of RESTORE is always looked through, since that costs next to nothing.
    pub skips_sanitizing: bool,
    pub passwords: Vec<Digest>,
    /// The first one is what rules outside of parentheses are about.
    pub selectors: Vec<Selector>,
    may_all: bool,
}

/// What rules are read with.
#[derive(Clone, Copy)]
pub struct Grammar<'a> {
    pub table: &'a Table,
    /// `acl-pubsub-default`
    pub all_channels: bool,
}

impl User {
    /// One who may do nothing, not even log in.
    pub fn new(name: &[u8], all_channels: bool) -> User {
        User {
            name: name.into(),
            enabled: false,
            no_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
            may_all: false,
        }
    }

    /// One who may do everything, without a password.
    pub fn unlimited(name: &[u8], grammar: Grammar) -> User {
        let mut user = User::new(name, true);
        for rule in ["allcommands", "allkeys", "alldbs", "on", "nopass"] {
            user.apply(rule.as_bytes(), grammar).expect("these are rules");
        }
        user
    }

    /// Nothing needs to be asked before this user's commands run.
    pub fn may_all(&self) -> bool {
        self.may_all
    }

    /// The selector that rules outside of parentheses are about.
    pub fn root(&self) -> &Selector {
        &self.selectors[0]
    }

    /// Takes one rule, as `join` gives it. After an error the user is as before.
    pub fn apply(&mut self, rule: &[u8], grammar: Grammar) -> Result<(), RuleError> {
        match &*rule.to_ascii_lowercase() {
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = User::new(&self.name, grammar.all_channels),
            [b'>', ..] => self.add_password(Digest::of(&rule[1..])),
            [b'#', ..] => self.add_password(read_digest(rule)?),
            [b'<', ..] => self.remove_password(Digest::of(&rule[1..]))?,
            [b'!', ..] => self.remove_password(read_digest(rule)?)?,
            [b'(', .., b')'] => self.selectors.push(selector(&rule[1..rule.len() - 1], grammar)?),
            _ => self.selectors[0].apply(rule, grammar.table)?,
        }
        self.may_all = self.selectors.iter().any(Selector::may_all);
        Ok(())
    }

    /// Flags, as ACL GETUSER shows them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.no_password {
            flags.push("nopass");
        }
        flags.push(match self.skips_sanitizing {
            true => "skip-sanitize-payload",
            false => "sanitize-payload",
        });
        flags
    }

    /// The rules that make another user like this one.
    pub fn text(&self) -> Vec<u8> {
        self.words().join(&b' ')
    }

    /// The same, word by word; a selector is as many as its parts.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> =
            self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        words.extend(self.passwords.iter().map(|digest| format!("#{}", digest.hex()).into()));
        for (index, selector) in self.selectors.iter().enumerate() {
            let text = selector.text();
            let text = if index == 0 { text } else { [b"(", &*text, b")"].concat() };
            words.extend(text.split(|byte| *byte == b' ').map(<[u8]>::to_vec));
        }
        words
    }

    /// Does a selector allow to listen to this name?
    pub fn may_listen(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.channels.allow(name, is_pattern))
    }

    /// May it use every channel that the other one may? Of hundreds of patterns each is looked for in a set.
    pub fn hears_as_much_as(&self, other: &User) -> bool {
        let mut mine = BTreeSet::new();
        for selector in &self.selectors {
            match &selector.channels {
                Channels::All => return true,
                Channels::Matching(patterns) => mine.extend(patterns),
            }
        }
        other.selectors.iter().all(|selector| match &selector.channels {
            Channels::All => false,
            Channels::Matching(patterns) => patterns.iter().all(|pattern| mine.contains(pattern)),
        })
    }

    fn add_password(&mut self, digest: Digest) {
        if !digest.is_among(&self.passwords) {
            self.passwords.push(digest);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, digest: Digest) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|known| *known != digest);
        match self.passwords.len() < before {
            true => Ok(()),
            false => Err(RuleError::NoSuchPassword),
        }
    }
}

/// A user nobody is: who has it may do nothing.
impl Default for User {
    fn default() -> User {
        User::new(b"", false)
    }
}

/// Applies rules that came as words. The texts are those of ACL SETUSER.
pub fn apply_all<'a>(
    user: &mut User,
    words: impl Iterator<Item = &'a [u8]>,
    grammar: Grammar,
) -> Result<(), (Vec<u8>, RuleError)> {
    let rules = join(words).map_err(|unmatched| (unmatched.0.to_vec(), RuleError::Syntax))?;
    for rule in rules {
        user.apply(&rule, grammar).map_err(|why| (rule, why))?;
    }
    Ok(())
}

fn read_digest(rule: &[u8]) -> Result<Digest, RuleError> {
    Digest::parse(&rule[1..]).ok_or(RuleError::BadDigest)
}

/// What stands between parentheses. A rule that ends with a parenthesis itself is refused: written down,
/// it would end its selector.
fn selector(rules: &[u8], grammar: Grammar) -> Result<Selector, RuleError> {
    let mut selector = Selector::new(grammar.all_channels);
    for rule in rules.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
        if rule.ends_with(b")") {
            return Err(RuleError::Syntax);
        }
        selector.apply(rule, grammar.table)?;
    }
    Ok(selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns of each selector.
    type Patterns<'a> = &'a [&'a [&'a str]];

    fn user(channels: Patterns) -> User {
        let mut user = User::new(b"ann", false);
        user.selectors = channels
            .iter()
            .map(|patterns| {
                let mut selector = Selector::new(patterns.contains(&"*"));
                if let Channels::Matching(known) = &mut selector.channels {
                    known.extend(patterns.iter().map(|pattern| pattern.as_bytes().to_vec()));
                }
                selector
            })
            .collect();
        user
    }

    #[test]
    fn a_user_hears_as_much_if_it_has_every_pattern_somewhere() {
        let cases: &[(Patterns, Patterns, bool)] = &[
            (&[&["a"]], &[&["a"]], true),
            (&[&["a", "b"]], &[&["a"]], true),
            (&[&["a"]], &[&["a", "b"]], false),
            (&[&["a"], &["b"]], &[&["b", "a"]], true),
            (&[&["a"]], &[&["a"], &["b"]], false),
            (&[&["a"], &["*"]], &[&["b"]], true),
            (&[&["a"]], &[&["a"], &["*"]], false),
            (&[&[]], &[&[]], true),
        ];
        for (new, old, expected) in cases {
            assert_eq!(user(new).hears_as_much_as(&user(old)), *expected, "{new:?} {old:?}");
        }
    }
}
