//! Bytes that are almost text: words in any case, and the quoted form of strings.
//!
//! `quote` and `split_line` are the two directions of one small language. Any bytes can be quoted
//! into one printable word, and a line of such words can be split again; a person may write such a
//! line by hand as well, in an inline command or a configuration file.

/// Are two ASCII words the same but for case?
pub fn eq_nocase(left: &[u8], right: &[u8]) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Appends the text in double quotes, with everything unprintable escaped: `"a\x00\n"`.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";

    out.reserve(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            BELL => out.extend_from_slice(b"\\a"),
            BACKSPACE => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
    out.push(b'"');
}

/// Splits a line into its words; `None` if a quote is never closed, or closed inside of a word.
///
/// Between double quotes `\n \r \t \a \b` and `\xHH` are the bytes they name, and a `\` before
/// anything else is left out. Between single quotes only `\'` is special. A quote may open in the
/// middle of a word, but only a space or the end of the line may follow where it closes.
pub fn split_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = skip_blanks(take_word(rest, &mut word)?);
        words.push(word);
    }
    Some(words)
}

const BELL: u8 = 0x07;
const BACKSPACE: u8 = 0x08;

/// Reads the rest of a word; returns what follows it.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            // The rarer blanks part words only where no word has begun.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(rest),
            [b'"', after @ ..] => return closed(take_double_quoted(after, word)?),
            [b'\'', after @ ..] => return closed(take_single_quoted(after, word)?),
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_value(*high) << 4 | hex_value(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescaped(*escaped), after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
        rest = after;
    }
}

/// A closing quote ends its word, and this must be visible.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|byte| is_blank(*byte)).then_some(rest)
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => BELL,
        b'b' => BACKSPACE,
        other => other,
    }
}

/// The value of a byte already known to be a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    &text[blanks..]
}

/// C's idea of white space, which has two bytes more than a word's end.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands behind the last slash of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Appends text as it stands between the quotes of a JSON string.
pub fn json_text(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' | ..=0x1f => json_escape(byte, out),
            _ => out.push(byte),
        }
    }
}

/// Appends one byte as JSON escapes it.
pub fn json_escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' | b'/' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&digits);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let text = |word: Vec<u8>| word.escape_ascii().to_string();
        split_line(line.as_bytes()).map(|words| words.into_iter().map(text).collect())
    }

    #[test]
    fn quotes_are_printable() {
        let mut out = b"> ".to_vec();
        quote(b"a \"b\\\n\r\t\x07\x08\x00\x1b\x7f\xff'~", &mut out);
        assert_eq!(out, br#"> "a \"b\\\n\r\t\a\b\x00\x1b\x7f\xff'~""#);
    }

    #[test]
    fn lines_are_split_at_blanks_outside_of_quotes() {
        for (line, words) in [
            ("", &[][..]),
            (" \t\x0b ", &[]),
            ("  set  a\tb\r\n", &["set", "a", "b"]),
            (r#"a "" ''"#, &["a", "", ""]),
            (r#"f"a b" 'c d'"#, &["fa b", "c d"]),
            (r#""\x41\xzz\n\q\"" x"#, &[r#"Axzz\nq\""#, "x"]),
            (r"'it\'s \n' \n", &[r"it\'s \\n", r"\\n"]),
            ("a\x0bb \"c\"\x0bd", &[r"a\x0bb", "c", "d"]),
            ("a\0b \"\0\"", &[r"a\x00b", r"\x00"]),
        ] {
            let expected: Vec<_> = words.iter().map(|word| word.to_string()).collect();
            assert_eq!(split(line), Some(expected), "{line}");
        }
        for line in [r#"""#, "'", r#""a"b"#, "'a'b", r#""a\""#, r"'a\'", r#"a "b" "c"#, r#"""''"#] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    #[test]
    fn words_are_equal_in_any_case() {
        assert!(eq_nocase(b"maxMemory", b"MAXmemory"));
        assert!(!eq_nocase(b"ex", b"exat") && !eq_nocase(b"@", b"`"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(words: Vec<Vec<u8>>) {
            let mut line = Vec::new();
            for word in &words {
                quote(word, &mut line);
                line.push(b' ');
            }
            prop_assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(split_line(&line), Some(words));
        }

        #[test]
        fn any_line_is_split_or_refused(line in r#"[ab\\x0"' \t\x0b\x00]{0,20}"#) {
            let quotes = line.contains(['"', '\'']);
            prop_assert!(quotes || split_line(line.as_bytes()).is_some());
        }
    }
}
