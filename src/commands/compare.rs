//! Conditions on what a key holds, and deletion under one: NX, XX, IFEQ and their like, DELEX,
//! DELIFEQ, DIGEST.
//!
//! A digest stands for a value that is too long to send twice. It is XXH3 with 64 bits, written
//! as 16 hexadecimal digits.

use crate::data::string::{Digits, Text};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Str;
use crate::resp::{Args, Cursor, Done, Reply, Word};
use crate::spec::{
    Access, Arg, C_STRING, FAST, Group, K_ACCESS, K_DELETE, K_VARIABLE_FLAGS, key, key_at, one_of,
    string,
};
use xxhash_rust::xxh3::xxh3_64;

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[
        write("DELEX", delex)
            .arity(-2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE | K_VARIABLE_FLAGS)])
            .since("8.4.0")
            .complexity("O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE, N being the length.")
            .summary("Deletes a key if its value, or the digest of it, meets a condition.")
            .args(&[key("key"), one_of("condition", &COMPARISONS).optional()]),
        write("DELIFEQ", delifeq)
            .arity(3)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::Remove, K_DELETE)])
            .since("9.0.0")
            .complexity("O(1)")
            .summary("Deletes a key if its value is this one.")
            .args(&[key("key"), string("value")]),
        read("DIGEST", digest)
            .arity(2)
            .flags(FAST)
            .categories(C_STRING)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("8.4.0")
            .complexity("O(N), N being the length of the value.")
            .summary("Returns the digest of the string stored at a key.")
            .args(&[key("key")]),
    ],
};

/// The comparisons in the argument grammar.
pub const COMPARISONS: [Arg; 4] = [
    string("ifeq-value").after("IFEQ"),
    string("ifne-value").after("IFNE"),
    string("ifdeq-digest").after("IFDEQ"),
    string("ifdne-digest").after("IFDNE"),
];

/// What must hold before a command acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition<'a> {
    #[default]
    None,
    /// NX.
    Missing,
    /// XX.
    Present,
    Compare(Comparison<'a>),
}

/// A comparison with the value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison<'a> {
    Equal(&'a [u8]),
    Differs(&'a [u8]),
    DigestEqual(&'a [u8]),
    DigestDiffers(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// Takes NX or XX; saying both is a syntax error.
    pub fn take_existence(&mut self, words: &mut Cursor<'a>) -> Result<bool, Error> {
        let new = match words.word().as_deref() {
            Some(b"NX") => Condition::Missing,
            Some(b"XX") => Condition::Present,
            _ => return Ok(false),
        };
        words.skip();
        if *self != Condition::None && *self != new {
            return Err(Error::Syntax);
        }
        *self = new;
        Ok(true)
    }

    /// Takes a comparison, the only condition of its command.
    pub fn take_comparison(&mut self, words: &mut Cursor<'a>) -> Result<bool, Error> {
        let Some(kind) = words.word().and_then(|word| Comparison::named(&word)) else {
            return Ok(false);
        };
        words.skip();
        let operand = words.bytes()?;
        if *self != Condition::None {
            return Err(Error::Syntax);
        }
        *self = Condition::Compare(kind(operand));
        Ok(true)
    }

    /// Does the condition hold for this key? A missing key differs from everything.
    pub fn holds(&self, cx: &mut Ctx, key: &[u8]) -> Result<bool, Error> {
        Ok(match self {
            Condition::None => true,
            Condition::Missing => !cx.finds(key),
            Condition::Present => cx.finds(key),
            Condition::Compare(comparison) => match cx.keyspace.peek::<Str>(cx.db, key)? {
                Some(text) => comparison.holds(text)?,
                None => matches!(comparison, Comparison::Differs(_) | Comparison::DigestDiffers(_)),
            },
        })
    }
}

impl<'a> Comparison<'a> {
    fn named(word: &[u8]) -> Option<fn(&'a [u8]) -> Comparison<'a>> {
        Some(match word {
            b"IFEQ" => Comparison::Equal,
            b"IFNE" => Comparison::Differs,
            b"IFDEQ" => Comparison::DigestEqual,
            b"IFDNE" => Comparison::DigestDiffers,
            _ => return None,
        })
    }

    /// An operand is looked at only where there is a value to compare it with: a digest of the
    /// wrong length is no mistake while the key is missing.
    pub fn holds(&self, text: Text) -> Result<bool, Error> {
        let mut digits = Digits::new();
        let value = text.bytes(&mut digits);
        Ok(match self {
            Comparison::Equal(other) => value == *other,
            Comparison::Differs(other) => value != *other,
            Comparison::DigestEqual(other) => has_digest(value, other)?,
            Comparison::DigestDiffers(other) => !has_digest(value, other)?,
        })
    }
}

fn delex(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let holds = match args.len() {
        2 => true,
        4 => match cx.keyspace.peek::<Str>(cx.db, key) {
            Ok(None) => return out.int(0),
            Ok(Some(text)) => {
                let kind = Comparison::named(&Word::new(args.get(2)))
                    .ok_or(Error::Say("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
                kind(args.get(3)).holds(text)?
            }
            Err(_) => {
                return Err(Error::Say(
                    "ERR Key should be of string type if conditions are specified",
                )
                .into());
            }
        },
        _ => return Err(Error::Arity("delex").into()),
    };
    let gone = holds && delete(cx, key);
    out.int(gone as i64)
}

fn delifeq(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, value) = (args.get(1), args.get(2));
    let holds = match cx.keyspace.peek::<Str>(cx.db, key)? {
        Some(text) => Comparison::Equal(value).holds(text)?,
        None => false,
    };
    let gone = holds && delete(cx, key);
    out.int(gone as i64)
}

fn digest(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    match cx.read::<Str>(args.get(1))? {
        Some(text) => out.bulk(&hex_digest(text.bytes(&mut Digits::new()))),
        None => out.null(),
    }
}

/// Deletes a key under a condition that held; others need not be told of the condition.
fn delete(cx: &mut Ctx, key: &[u8]) -> bool {
    let gone = cx.remove(key);
    if gone {
        cx.effects.instead(&[b"DEL", key]);
    }
    gone
}

const DIGEST_LEN: usize = 16;

fn hex_digest(value: &[u8]) -> [u8; DIGEST_LEN] {
    let digest = xxh3_64(value);
    std::array::from_fn(|at| {
        let nibble = (digest >> (60 - 4 * at)) as usize & 15;
        b"0123456789abcdef"[nibble]
    })
}

fn has_digest(value: &[u8], digest: &[u8]) -> Result<bool, Error> {
    if digest.len() != DIGEST_LEN {
        return Err(Error::Say("ERR must be exactly 16 hexadecimal characters"));
    }
    Ok(hex_digest(value).eq_ignore_ascii_case(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest travels between servers and client libraries, so its value is fixed.
    #[test]
    fn a_digest_is_xxh3_with_leading_zeros() {
        assert_eq!(&hex_digest(b""), b"2d06800538d394c2");
        let value = b"v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzk\
                      jytls2kwlj7626sd";
        assert_eq!(&hex_digest(value), b"00006c38adf31777");
        assert_eq!(has_digest(value, b"00006C38ADF31777"), Ok(true));
        assert_eq!(has_digest(value, b"00006c38adf31778"), Ok(false));
        assert!(has_digest(value, b"6c38adf31777").is_err());
    }
}
