//! The four readings of text that directives need: words of a line, a word in quotes, a pattern, an
//! integer. They know nothing of directives.
//!
//! A word of a line remembers where it began, because only a word that *begins* with an unquoted `#`
//! opens a comment, and a rewritten line keeps the comment that stood behind it.

/// One word of a line, unquoted, and where in the line it began.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: Vec<u8>,
    pub start: usize,
}

/// Splits a line into words; `"…"` knows escapes, `'…'` only `\'`. `None` means unbalanced quotes.
pub fn split(line: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        if at == line.len() {
            return Some(words);
        }
        let start = at;
        let mut text = Vec::new();
        while let Some(byte) = line.get(at).copied().filter(|byte| !is_space(*byte)) {
            at = match byte {
                b'"' => unquote_double(line, at + 1, &mut text)?,
                b'\'' => unquote_single(line, at + 1, &mut text)?,
                _ => {
                    text.push(byte);
                    at + 1
                }
            };
        }
        words.push(Word { text, start });
    }
}

/// A word as a configuration line carries it: always in quotes, so that no byte is lost.
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// Whether a glob pattern (`*`, `?`, `[a-z]`, `[^a]`, `\x`) covers a name, in any case.
///
/// Only the last `*` is ever retried, so the time is at most the product of the lengths.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, from));
            at += 1;
            continue;
        }
        if from == name.len() && at == pattern.len() {
            return true;
        }
        let step = match name.get(from) {
            Some(byte) => one(&pattern[at..], *byte),
            None => return false,
        };
        match (step, star) {
            (Some(width), _) => {
                at += width;
                from += 1;
            }
            (None, Some((after, tried))) => {
                star = Some((after, tried + 1));
                (at, from) = (after, tried + 1);
            }
            (None, None) => return false,
        }
    }
}

/// An integer as Redis reads one: no sign but `-`, no leading zero, no blank.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        b"0" => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Matches one byte; the answer is how much of the pattern that took.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => class(pattern, byte),
        b'\\' if pattern.len() > 1 => pattern[1].eq_ignore_ascii_case(&byte).then_some(2),
        plain => plain.eq_ignore_ascii_case(&byte).then_some(1),
    }
}

fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let byte = byte.to_ascii_lowercase();
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    while let Some(&low) = pattern.get(at) {
        match (low, pattern.get(at + 1), pattern.get(at + 2)) {
            (b']', _, _) => break,
            (b'\\', Some(&escaped), _) => {
                found |= escaped.eq_ignore_ascii_case(&byte);
                at += 2;
            }
            (_, Some(b'-'), Some(&high)) => {
                let (low, high) = (low.to_ascii_lowercase(), high.to_ascii_lowercase());
                found |= (low.min(high)..=low.max(high)).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low.eq_ignore_ascii_case(&byte);
                at += 1;
            }
        }
    }
    (found != negated).then_some((at + 1).min(pattern.len()))
}

fn unquote_double(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            b'"' => return closed(line, at + 1),
            b'\\' => {
                if let Some(byte) = hex(line.get(at + 1..at + 4)) {
                    text.push(byte);
                    at += 4;
                    continue;
                }
                text.push(match *line.get(at + 1)? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            byte => {
                text.push(byte);
                at += 1;
            }
        }
    }
}

fn unquote_single(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'\'', _) => return closed(line, at + 1),
            (b'\\', Some(b'\'')) => {
                text.push(b'\'');
                at += 2;
            }
            (byte, _) => {
                text.push(byte);
                at += 1;
            }
        }
    }
}

/// Nothing may be glued to a closing quote: `"a"b` is more likely a mistake than a word.
fn closed(line: &[u8], at: usize) -> Option<usize> {
    line.get(at).is_none_or(|byte| is_space(*byte)).then_some(at)
}

fn hex(escape: Option<&[u8]>) -> Option<u8> {
    let [b'x', high, low] = escape? else { return None };
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some((digit(*high)? * 16 + digit(*low)?) as u8)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(words.iter().map(|word| String::from_utf8_lossy(&word.text).into_owned()).collect())
    }

    #[test]
    fn lines_split_as_in_redis() {
        let expect = |line: &str, parts: &[&str]| {
            assert_eq!(words(line).as_deref(), Some(&parts.map_owned()[..]), "{line}");
        };
        expect("  port   6379 ", &["port", "6379"]);
        expect(r#"a "b c" 'd e' "" x"y""#, &["a", "b c", "d e", "", "xy"]);
        expect(r#""\x41\n\"" '\'\n'"#, &["A\n\"", "'\\n"]);
        for unbalanced in ["a \"b", "a 'b", "\"a\"b", "'a'b", "\"a\\"] {
            assert_eq!(words(unbalanced), None, "{unbalanced}");
        }
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }
    impl MapOwned for [&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|part| part.to_string()).collect()
        }
    }

    #[test]
    fn patterns_match_in_any_case() {
        for (pattern, name, answer) in [
            ("*", "", true),
            ("MAX*", "maxmemory", true),
            ("*of", "slaveof", true),
            ("m?x[l-n]*y", "maxmemory", true),
            ("m[^a]*", "maxmemory", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("\\*", "*", true),
            ("[", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), answer, "{pattern} {name}");
        }
    }

    #[test]
    fn integers_are_strict() {
        for (text, value) in
            [("0", Some(0)), ("-12", Some(-12)), ("9223372036854775807", Some(i64::MAX))]
        {
            assert_eq!(parse_i64(text.as_bytes()), value);
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "1.0", "9223372036854775808"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_reads_back(text: Vec<u8>) {
            let words = split(&quote(&text)).expect("quotes are balanced");
            prop_assert_eq!(words, vec![Word { text, start: 0 }]);
        }

        #[test]
        fn any_bytes_are_survived(line: Vec<u8>, name: Vec<u8>) {
            let _ = split(&line);
            let _ = matches(&line, &name);
        }
    }
}
