//! What of a configuration others may see: lines are shown when they are wrong, and the log is read by many.
//!
//! A line without secrets is shown as it was written, to the byte, since test suites look at it. In one that has some
//! each secret word is replaced, and what is left still shows where the mistake is.

use super::file::read_line;
use super::find;
use crate::base::bytes::quote;

/// Stands where a secret was.
const REDACTED: &str = "(redacted)";
/// What passwords of users, and digests of such, begin with.
const SIGNS: &[u8] = b"><#!";

/// A line of configuration, without its secrets.
pub fn shown_line(line: &[u8]) -> String {
    let as_it_is = || String::from_utf8_lossy(line).into_owned();
    let Some((words, _)) = read_line(line) else {
        // Nobody knows where in such a line a word ends.
        let name = first_word(line);
        let has_secrets = first_secret(&[name.to_vec()]).is_some() || is_user(name);
        return match has_secrets {
            true => format!("{} {REDACTED}", String::from_utf8_lossy(name)),
            false => as_it_is(),
        };
    };
    let first = first_secret(&words).unwrap_or(usize::MAX);
    let is_user = words.first().is_some_and(|name| is_user(name));
    let is_secret = |at: usize| at >= first || (is_user && at > 0 && is_secret_word(&words, at));
    if !(0..words.len()).any(is_secret) {
        return as_it_is();
    }
    let shown = |at: usize| match is_secret(at) {
        true => REDACTED.to_string(),
        false => plain_or_quoted(&words[at]),
    };
    (0..words.len()).map(shown).collect::<Vec<_>>().join(" ")
}

/// A rule of a user, unless it has a password in it.
pub fn shown_rule(rule: &[u8]) -> String {
    match is_secret_rule(rule) {
        true => REDACTED.to_string(),
        false => String::from_utf8_lossy(rule).into_owned(),
    }
}

/// The same for a rule in a line of the configuration, whose words these are.
pub fn shown_rule_of(words: &[Vec<u8>], rule: &[u8]) -> String {
    match (1..words.len()).any(|at| words[at] == rule && is_secret_word(words, at)) {
        true => REDACTED.to_string(),
        false => shown_rule(rule),
    }
}

/// The first word of a line that nobody may see, and all behind it.
fn first_secret(words: &[Vec<u8>]) -> Option<usize> {
    let name = words.first()?;
    if let Some(directive) = find(name) {
        return directive.secret.then_some(1);
    }
    // A name that is known to nobody may be that of a secret with a slip in it, or a sentinel's.
    let is_statement = [&b"user"[..], b"rename-command", b"include", b"loadmodule"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    let speaks = |word: &Vec<u8>| {
        let word = word.to_ascii_lowercase();
        [&b"pas"[..], b"auth"].iter().any(|part| word.windows(part.len()).any(|at| at == *part))
    };
    match is_statement {
        true => None,
        false => words.iter().position(speaks).map(|at| at + 1),
    }
}

fn is_user(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"user")
}

/// A blank behind the sign of a password is a slip, and what follows was meant as the password.
fn is_secret_word(words: &[Vec<u8>], at: usize) -> bool {
    let is_sign = |word: &[u8]| matches!(word, [sign] if SIGNS.contains(sign));
    is_secret_rule(&words[at]) || is_sign(&words[at - 1])
}

/// Passwords to be added and removed, and digests of such; in parentheses they mean nothing, and are secrets still.
fn is_secret_rule(rule: &[u8]) -> bool {
    let begins_word =
        |at: usize| at == 0 || rule[at - 1] == b'(' || rule[at - 1].is_ascii_whitespace();
    // A sign with nothing behind it is a slip, and no secret.
    (1..rule.len()).any(|end| SIGNS.contains(&rule[end - 1]) && begins_word(end - 1))
}

fn first_word(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let is_quote = |byte: &u8| b"\"'".contains(byte);
    let start = line[..end].iter().position(|byte| !is_quote(byte)).unwrap_or(end);
    let end = line[..end].iter().rposition(|byte| !is_quote(byte)).map_or(start, |at| at + 1);
    &line[start..end]
}

fn plain_or_quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut quoted = Vec::new();
    quote(word, &mut quoted);
    String::from_utf8_lossy(&quoted).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (line, expected) in [
            ("user alice on >secret nosuch", "user alice on (redacted) nosuch"),
            ("USER alice \"on\" \">se cret\" \"a b\"", "USER alice on (redacted) \"a b\""),
            ("user alice <x #y !z", "user alice (redacted) (redacted) (redacted)"),
            ("user alice on (>x ~a) (~b >y)", "user alice on (redacted) ~a) (~b (redacted)"),
            (
                "user alice \"(~a >x)\" \"on >x\" \"> x\"",
                "user alice (redacted) (redacted) (redacted)",
            ),
            ("user >secret on", "user (redacted) on"),
            ("user alice > secret on # x", "user alice > (redacted) on # (redacted)"),
            ("user alice on >\"secret", "user (redacted)"),
            ("requirepass a \"b c\" # d", "requirepass (redacted) (redacted)"),
            ("requirepass \"a b", "requirepass (redacted)"),
            ("\"requirepass\" \"a b", "requirepass (redacted)"),
            ("PrimaryAuth a b", "PrimaryAuth (redacted) (redacted)"),
            ("tls-key-file-pass a b", "tls-key-file-pass (redacted) (redacted)"),
            // Slips, and what a sentinel has.
            ("requirepas a", "requirepas (redacted)"),
            ("require-password a", "require-password (redacted)"),
            ("sentinel auth-pass mine a", "sentinel auth-pass (redacted) (redacted)"),
        ] {
            assert_eq!(shown_line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_rule_behind_a_lone_sign_is_left_out() {
        let words = ["user", "alice", ">", "secret", "on", "nosuch"].map(|word| word.into());
        for (rule, expected) in [("secret", REDACTED), ("nosuch", "nosuch"), (">x", REDACTED)] {
            assert_eq!(shown_rule_of(&words, rule.as_bytes()), expected, "{rule}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_is() {
        for line in [
            "",
            "user",
            "requirepass",
            "user  alice 'on' ~a %R~b +c -@d ~>x  !",
            "port  \"many\" # so many",
            "port \"many",
            "tls-auth-clients  sometimes",
            "rename-command AUTH  x",
            "include /etc/auth.conf  x",
            "maxmemory-rule  a b",
        ] {
            assert_eq!(shown_line(line.as_bytes()), line);
        }
    }
}
