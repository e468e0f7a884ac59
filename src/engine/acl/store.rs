//! Where users come from and go to: `user` lines of the configuration, or a file of their own. Either is read
//! as a whole or not at all.

use super::rule::{RuleError, is_one_word, join};
use super::user::{Grammar, User, apply_all};
use super::{DEFAULT_USER, Users};
use crate::base::bytes::quote;
use crate::config::{shown_rule, shown_rule_of};
use std::sync::Arc;

/// Reads a file of users. With mistakes, all of them are told, and nobody is a user.
pub fn read(text: &[u8], path: &str, default: User, grammar: Grammar) -> Result<Users, String> {
    let mut users = Users::new();
    let mut mistakes = String::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Err(what) = read_line(line, &mut users, grammar, &format!("{path}:{}", index + 1)) {
            mistakes.push_str(&what);
        }
    }
    if !mistakes.is_empty() {
        mistakes.push_str(
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        return Err(mistakes);
    }
    users.entry(DEFAULT_USER.as_bytes().into()).or_insert_with(|| Arc::new(default));
    Ok(users)
}

fn read_line(line: &[u8], users: &mut Users, grammar: Grammar, place: &str) -> Result<(), String> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (Some(&b"user"), Some(name)) = (words.first(), words.get(1)) else {
        return Err(format!("{place} should start with user keyword followed by the username. "));
    };
    let shown = String::from_utf8_lossy(name);
    if !is_one_word(name) {
        return Err(format!("'{place}: username '{shown}' contains invalid characters. "));
    }
    if users.contains_key(*name) {
        let number = place.rsplit(':').next().unwrap_or_default();
        return Err(format!("WARNING: Duplicate user '{shown}' found on line {number}. "));
    }
    let mut user = User::new(name, grammar.all_channels);
    let rules = join(words[2..].iter().copied())
        .map_err(|_| format!("{place}: Unmatched parenthesis in selector definition."))?;
    let mut mistakes = String::new();
    let mut told = false;
    for rule in rules {
        match user.apply(rule.trim_ascii(), grammar) {
            Ok(()) => (),
            // A name is no secret, unless it is among others in parentheses.
            Err(why @ RuleError::UnknownCommand) => mistakes.push_str(&format!(
                "{place}: Error in applying operation '{}': {}. ",
                shown_rule(&rule),
                why.text()
            )),
            // What comes behind the first mistake of another kind may follow from it.
            Err(_) if told => (),
            Err(why) => {
                told = true;
                mistakes.push_str(&format!("{place}: {}. ", why.text()));
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    users.insert((*name).into(), Arc::new(user));
    Ok(())
}

/// The text of a file of users, in the order of their names.
pub fn write(users: &Users) -> Vec<u8> {
    let mut text = Vec::new();
    for user in users.values() {
        text.extend_from_slice(&line(user));
        text.push(b'\n');
    }
    text
}

/// `user NAME RULE…`, as ACL LIST shows it.
pub fn line(user: &User) -> Vec<u8> {
    [b"user ", &*user.name, b" ", &*user.text()].concat()
}

/// The same for the configuration, where words may have to be quoted.
pub fn config_line(user: &User) -> Vec<u8> {
    let mut line = b"user".to_vec();
    for word in std::iter::once(user.name.to_vec()).chain(user.words()) {
        line.push(b' ');
        let is_plain = |byte: &u8| (b'!'..=b'~').contains(byte) && !b"\"'\\".contains(byte);
        match !word.is_empty() && word.iter().all(is_plain) {
            true => line.extend_from_slice(&word),
            false => quote(&word, &mut line),
        }
    }
    line
}

/// A `user` line of the configuration; a mistake names the word it is in, unless that is a secret.
pub fn of_config(words: &[Vec<u8>], grammar: Grammar) -> Result<User, String> {
    let name = words.get(1).map_or(&[][..], Vec::as_slice);
    let wrong = |word: &[u8], why: &str| {
        format!("Error in user declaration '{}': {why}", shown_rule_of(words, word))
    };
    if !is_one_word(name) {
        return Err(wrong(name, "Spaces not allowed in ACL usernames"));
    }
    let mut user = User::new(name, grammar.all_channels);
    let rules = words.iter().skip(2).map(Vec::as_slice);
    apply_all(&mut user, rules, grammar).map_err(|(rule, why)| wrong(&rule, why.text()))?;
    Ok(user)
}
