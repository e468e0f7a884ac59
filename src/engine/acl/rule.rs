//! The words of which rules are made, and what can be wrong with them.

/// Why a rule was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    UnknownCommand,
    Syntax,
    KeysAfterAll,
    ChannelsAfterAll,
    NoSuchPassword,
    BadDigest,
    ArgumentOfSubcommand,
    DatabaseRange,
}

impl RuleError {
    pub fn text(self) -> &'static str {
        match self {
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeysAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does \
                 not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and \
                 does not have any effect. Try 'resetchannels' to start with an empty list of \
                 channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadDigest => {
                "The password hash must be exactly 64 characters and contain only lowercase \
                 hexadecimal characters"
            }
            RuleError::ArgumentOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
            RuleError::DatabaseRange => "The provided database ID is out of range",
        }
    }
}

/// A selector that was begun and never ended; it is quoted from its beginning.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmatched<'a>(pub &'a [u8]);

/// Puts selectors together whose parts came as words of their own: `(+get` `~a)` is one rule.
pub fn join<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Unmatched<'a>> {
    let mut rules = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        open = match open.take() {
            None if word.starts_with(b"(") && !word.ends_with(b")") => Some((word, word.to_vec())),
            None => {
                rules.push(word.to_vec());
                None
            }
            Some((start, mut rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
                match word.ends_with(b")") {
                    true => {
                        rules.push(rule);
                        None
                    }
                    false => Some((start, rule)),
                }
            }
        };
    }
    match open {
        Some((start, _)) => Err(Unmatched(start)),
        None => Ok(rules),
    }
}

/// Names and patterns may not hold what would make one of them look like two where they are written
/// down, in a file of users for one.
pub fn is_one_word(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}
