//! The words of JSON.
//!
//! Two things scripts can see: a zero byte ends the text, whatever follows, and an error is told with the
//! names of words and the offset of the one that did not fit.

use super::number;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its text is asked of the reader.
    Text,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Invalid(&'static str),
}

impl Token {
    /// The name that errors have for it.
    pub fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Invalid(why) => why,
        }
    }
}

/// Where the text of a string is: in the input as it stands there, or translated.
#[derive(Clone, Default)]
pub enum Text {
    #[default]
    Empty,
    Input(Range<usize>),
    Translated(Vec<u8>),
}

pub struct Reader<'a> {
    input: &'a [u8],
    /// Whether numbers are read that JSON does not have.
    takes_invalid: bool,
    /// Where the next word is looked for.
    pub at: usize,
    /// Where the last word began, or what was wrong in it.
    pub start: usize,
    text: Text,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8], takes_invalid: bool) -> Self {
        Reader { input, takes_invalid, at: 0, start: 0, text: Text::Empty }
    }

    pub fn next(&mut self) -> Token {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.input.get(self.at) {
            self.at += 1;
        }
        self.start = self.at;
        let rest = &self.input[self.at..];
        let (token, len) = match rest.first() {
            None | Some(0) => (Token::End, 0),
            Some(b'{') => (Token::ObjectBegin, 1),
            Some(b'}') => (Token::ObjectEnd, 1),
            Some(b'[') => (Token::ArrayBegin, 1),
            Some(b']') => (Token::ArrayEnd, 1),
            Some(b',') => (Token::Comma, 1),
            Some(b':') => (Token::Colon, 1),
            Some(b'"') => return self.text(),
            Some(b'-' | b'0'..=b'9') => {
                if !self.takes_invalid && number::is_invalid(rest) {
                    (Token::Invalid("invalid number"), 0)
                } else {
                    read_number(rest)
                }
            }
            Some(b't') if rest.starts_with(b"true") => (Token::Boolean(true), 4),
            Some(b'f') if rest.starts_with(b"false") => (Token::Boolean(false), 5),
            Some(b'n') if rest.starts_with(b"null") => (Token::Null, 4),
            Some(b'+' | b'i' | b'I' | b'n' | b'N')
                if self.takes_invalid && number::is_invalid(rest) =>
            {
                read_number(rest)
            }
            Some(_) => (Token::Invalid("invalid token"), 0),
        };
        self.at += len;
        token
    }

    /// The text of the last string.
    pub fn last_text(&self) -> &[u8] {
        self.resolve(&self.text)
    }

    /// The text of the last string, to be asked for later.
    pub fn take_text(&mut self) -> Text {
        std::mem::take(&mut self.text)
    }

    pub fn resolve<'t>(&'t self, text: &'t Text) -> &'t [u8] {
        match text {
            Text::Empty => b"",
            Text::Input(range) => &self.input[range.clone()],
            Text::Translated(text) => text,
        }
    }

    /// A string, behind whose opening quote most end without anything to translate.
    fn text(&mut self) -> Token {
        let start = self.at + 1;
        self.at = start;
        let rest = &self.input[start..];
        let len = plain_len(rest);
        self.at += len;
        if rest.get(len) == Some(&b'"') {
            self.at += 1;
            self.text = Text::Input(start..start + len);
            return Token::Text;
        }
        let mut translated = rest[..len].to_vec();
        loop {
            match self.input.get(self.at) {
                None | Some(0) => return self.invalid("unexpected end of string"),
                Some(b'"') => break,
                Some(b'\\') => {
                    if let Err(why) = self.escape(&mut translated) {
                        return self.invalid(why);
                    }
                }
                Some(_) => {
                    let rest = &self.input[self.at..];
                    let len = plain_len(rest);
                    translated.extend_from_slice(&rest[..len]);
                    self.at += len;
                }
            }
        }
        self.at += 1;
        self.text = Text::Translated(translated);
        Token::Text
    }

    fn invalid(&mut self, why: &'static str) -> Token {
        self.start = self.at;
        Token::Invalid(why)
    }

    /// An escape, whose backslash is where the reader is.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let byte = match self.input.get(self.at + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (letter, len) = self.unicode().ok_or("invalid unicode escape code")?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        out.push(byte);
        self.at += 2;
        Ok(())
    }

    /// One escape of four digits, or two that are a surrogate pair; and their length.
    fn unicode(&self) -> Option<(char, usize)> {
        let first = self.unit(self.at)?;
        if let Some(letter) = char::from_u32(first) {
            return Some((letter, 6));
        }
        let second = self.unit(self.at + 6)?;
        if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff))
            .map(|letter| (letter, 12))
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.input.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
    }
}

/// How many bytes stand for themselves in a string.
fn plain_len(text: &[u8]) -> usize {
    memchr::memchr3(b'"', b'\\', 0, text).unwrap_or(text.len())
}

fn read_number(text: &[u8]) -> (Token, usize) {
    match number::read(text) {
        Some((number, len)) => (Token::Number(number), len),
        None => (Token::Invalid("invalid number"), 0),
    }
}
