//! Stand-ins for `crate::base`, module by module and name by name: to be deleted, with every
//! `super::text::` becoming `crate::base::`, as soon as that folder has them.

pub mod bytes {
    /// Splits a line into words; `"…"` knows escapes, `'…'` only `\'`. `None` means unbalanced quotes.
    pub fn split_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut words = Vec::new();
        let mut at = 0;
        loop {
            while line.get(at).is_some_and(|byte| is_space(*byte)) {
                at += 1;
            }
            if at == line.len() {
                return Some(words);
            }
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
            words.push(text);
        }
    }

    /// A word as a configuration line carries it: in quotes, so that no byte is lost.
    pub fn quote(text: &[u8], out: &mut Vec<u8>) {
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
}

pub mod glob {
    /// Whether a glob pattern (`*`, `?`, `[a-z]`, `[^a]`, `\x`) covers a name.
    ///
    /// Only the last `*` is ever retried, so the time is at most the product of the lengths.
    pub fn matches(pattern: &[u8], name: &[u8], nocase: bool) -> bool {
        debug_assert!(nocase, "the stand-in knows no other way");
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
}

pub mod numbers {
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
}

pub mod memory_size {
    /// Digits and an optional unit: `k` is 1000, `kb` is 1024. No digits count as zero, as in Redis.
    pub fn parse_memory(text: &[u8]) -> Option<u64> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, unit) = text.split_at(digits);
        let size: u64 = match unit.to_ascii_lowercase().as_slice() {
            b"" | b"b" => 1,
            b"k" => 1000,
            b"kb" => 1 << 10,
            b"m" => 1_000_000,
            b"mb" => 1 << 20,
            b"g" => 1_000_000_000,
            b"gb" => 1 << 30,
            _ => return None,
        };
        let mut total: u64 = 0;
        for digit in digits {
            total = total.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        }
        total.checked_mul(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quoted_word_reads_back(text: Vec<u8>, line: Vec<u8>) {
            let mut quoted = Vec::new();
            bytes::quote(&text, &mut quoted);
            prop_assert_eq!(bytes::split_line(&quoted), Some(vec![text]));
            let _ = glob::matches(&line, &quoted, true);
            let _ = bytes::split_line(&line);
        }
    }
}
