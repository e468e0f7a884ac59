//! Every refusal and its exact text.
//!
//! A client's mistake is a reply, never a log line and never fatal. Clients match on the first
//! word, users search the web for the whole sentence: both are Redis 8's.

use std::borrow::Cow;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    WrongType,
    Syntax,
    NotInteger,
    NotFloat,
    NoSuchKey,
    OutOfRange,
    BadDbIndex,
    /// Of a command (in lower case, subcommands as `config|get`).
    Arity(&'static str),
    /// `ERR invalid expire time in '…' command`.
    InvalidExpire(&'static str),
    Say(&'static str),
    /// The few texts that quote what the client sent.
    Text(Box<[u8]>),
}

impl Error {
    pub fn text(text: impl Into<String>) -> Error {
        Error::Text(text.into().into_bytes().into())
    }

    /// A text that quotes a word of the client. The quotation ends where a C string would, since
    /// that is what clients are used to see of a word with a NUL in it.
    pub fn quote(before: &str, word: &[u8], after: &str) -> Error {
        Error::Text([before.as_bytes(), until_nul(word), after.as_bytes()].concat().into())
    }

    /// What follows the `-` on the wire.
    pub fn message(&self) -> Cow<'_, [u8]> {
        let fixed: &'static str = match self {
            Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::Syntax => "ERR syntax error",
            Error::NotInteger => "ERR value is not an integer or out of range",
            Error::NotFloat => "ERR value is not a valid float",
            Error::NoSuchKey => "ERR no such key",
            Error::OutOfRange => "ERR index out of range",
            Error::BadDbIndex => "ERR DB index is out of range",
            Error::Arity(name) => {
                let name = name.to_ascii_lowercase();
                return format!("ERR wrong number of arguments for '{name}' command")
                    .into_bytes()
                    .into();
            }
            Error::InvalidExpire(name) => {
                let name = name.to_ascii_lowercase();
                return format!("ERR invalid expire time in '{name}' command").into_bytes().into();
            }
            Error::Say(text) => text,
            Error::Text(text) => return Cow::Borrowed(text),
        };
        Cow::Borrowed(fixed.as_bytes())
    }
}

/// What is shown of a word that is quoted in a text.
pub fn until_nul(word: &[u8]) -> &[u8] {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    &word[..end]
}
