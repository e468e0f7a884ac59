//! Glob patterns, as keys, channels, configuration names and ACL rules are matched by.
//!
//! `*` is any run of bytes, `?` any one byte, `[abc]` one of a class, `[^a-z]` one outside of it, and
//! `\` takes the next byte for what it is. There is no bad pattern: a class that is never closed
//! ends with the pattern, and a `\` at the very end is itself.
//!
//! Every part of a pattern but `*` takes exactly one byte. Hence, when a match fails, only the last
//! `*` met needs to be tried longer: whatever an earlier one could still give up, the last one can
//! take as well. So nothing nests. What is read again and again is the part between two `*`, and what is
//! read again is counted: the work is at most a multiple of pattern and text together.
//!
//! Patterns were matched by C code for many years, and its corners have become the definition: the
//! empty text is matched by the empty pattern alone, not by `*`; and each corner of a class is told
//! where it is decided.

use memchr::memchr;

/// How often each byte may be read again, on average. A part between two `*` that is no longer than this never
/// comes to it; a longer one only by matching most of itself at most places of the text, which is as good as no
/// pattern at all. It matches nothing.
const AGAIN_MAX: usize = 64;

/// How many runs may be followed by more pattern. No one needs as many; a pattern that does is an
/// attempt to keep the server busy, and matches nothing.
const RUNS_MAX: usize = 1000;

/// Does the pattern match the whole text? With `nocase`, ASCII letters are equal in either case.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    matches_within(pattern, text, nocase, &mut allowed(pattern, text))
}

/// How many bytes of the pattern may be read again while it is matched.
pub fn allowed(pattern: &[u8], text: &[u8]) -> usize {
    AGAIN_MAX.saturating_mul(pattern.len().saturating_add(text.len()))
}

/// The same with an allowance of the caller's, from which is taken what was read again. What is over when it is
/// used up does not match.
pub fn matches_within(pattern: &[u8], text: &[u8], nocase: bool, allowed: &mut usize) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut rest, mut at) = (pattern, 0);
    // The pattern after the last run, and where in the text that was last tried.
    let mut retry: Option<(&[u8], usize)> = None;
    let mut runs = 0;
    while at < text.len() {
        if rest.first() == Some(&b'*') {
            rest = skip_stars(rest);
            if rest.is_empty() {
                return true;
            }
            runs += 1;
            if runs > RUNS_MAX {
                return false;
            }
            retry = Some((rest, at));
        }
        let (found, after) = take_one(rest, text[at], nocase);
        if found {
            (rest, at) = (after, at + 1);
            continue;
        }
        let Some((after_run, tried)) = retry else { return false };
        let Some(left) = allowed.checked_sub(after_run.len() - after.len()) else { return false };
        *allowed = left;
        let next = tried + 1;
        // A plain byte after the run says at once where to try again.
        let skip = match after_run[0] {
            b'?' | b'[' | b'\\' => Some(0),
            byte if nocase && byte.is_ascii_alphabetic() => Some(0),
            byte => memchr(byte, &text[next..]),
        };
        let Some(skip) = skip else { return false };
        (rest, at) = (after_run, next + skip);
        retry = Some((after_run, at));
    }
    // The text is used up. To make the last run longer would only leave less for the rest.
    skip_stars(rest).is_empty()
}

/// Is this pattern a plain text, matching itself alone?
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Is this the pattern that asks for everything?
pub fn is_all(pattern: &[u8]) -> bool {
    pattern == b"*"
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    &pattern[stars..]
}

/// Matches one byte with the part that the pattern begins with; also returns the pattern after it.
fn take_one(pattern: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    match pattern {
        [] => (false, pattern),
        [b'?', after @ ..] => (true, after),
        [b'[', class @ ..] => take_class(class, byte, nocase),
        [b'\\', escaped, after @ ..] => (same(*escaped, byte, nocase), after),
        [plain, after @ ..] => (same(*plain, byte, nocase), after),
    }
}

/// Looks a byte up in the class whose `[` has just been read; also returns the pattern after it.
fn take_class(class: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            // An escaped byte is meant exactly, even where case is ignored.
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                after
            }
            // Even as the first of its class, a bracket closes it.
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            // Whatever follows the dash is the other end, a bracket too.
            [start, b'-', end, after @ ..] => {
                found |= in_range(*start, *end, byte, nocase);
                after
            }
            [plain, after @ ..] => {
                found |= same(*plain, byte, nocase);
                after
            }
        };
    }
    (found != negated, rest)
}

/// Ranges may be given backwards. They are over signed bytes, so that those from 0x80 on come
/// before the others; and their ends are put in order before case is taken away, not after.
fn in_range(start: u8, end: u8, byte: u8, nocase: bool) -> bool {
    let fold = |byte: i8| match nocase {
        true => byte.cast_unsigned().to_ascii_lowercase().cast_signed(),
        false => byte,
    };
    let (start, end) = (start.cast_signed(), end.cast_signed());
    let (low, high) = (start.min(end), start.max(end));
    (fold(low)..=fold(high)).contains(&fold(byte.cast_signed()))
}

fn same(left: u8, right: u8, nocase: bool) -> bool {
    left == right || (nocase && left.eq_ignore_ascii_case(&right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a pattern means, said without a thought for time: every run is tried at every length.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|run| model(rest, &text[run..])),
            (_, []) => false,
            (_, [byte, left @ ..]) => {
                let (found, rest) = take_one(pattern, *byte, false);
                found && model(rest, left)
            }
        }
    }

    #[test]
    fn corners_are_kept() {
        let cases: [(&str, &str, bool); 36] = [
            ("", "", true),
            ("*", "", false),
            ("**", "", false),
            ("", "a", false),
            ("*", "a", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("a?", "a", false),
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("*ab*ab", "abxabab", true),
            ("*ab?", "ababa", true),
            ("[abc]", "b", true),
            ("[^abc]", "b", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[a-]", "a", true),
            ("[a-]", "]", true),
            ("[a-]", "-", false),
            ("[-a]", "-", true),
            ("[]", "]", false),
            ("[]a]", "a]", false),
            ("[^]", "x", true),
            ("[^", "x", true),
            ("[", "[", false),
            ("[abc", "c", true),
            ("[ab\\", "\\", true),
            ("[\\]]", "]", true),
            ("[\\a-c]", "b", false),
            ("[\\a-c]", "-", true),
            ("[a^]", "^", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("\\\\", "\\", true),
            ("[a-\\]x]", "\\x]", true),
        ];
        for (pattern, text, expected) in cases {
            let found = matches(pattern.as_bytes(), text.as_bytes(), false);
            assert_eq!(found, expected, "{pattern} on {text}");
        }
        // 0xff is minus one, so this is 0xff, then zero up to `a`.
        assert!(matches(b"[a-\xff]", b"A", false));
        assert!(!matches(b"[a-\xff]", b"b", false));
    }

    #[test]
    fn case_is_ignored_when_asked() {
        for (pattern, text, expected) in [
            ("MAX*", "maxmemory", true),
            ("*MEM*", "maxmemory", true),
            ("\\A", "a", true),
            ("[A-C]", "b", true),
            ("[ABC]", "b", true),
            ("[\\A]", "a", false),
            ("[Z-a]", "z", false),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes(), true);
            assert_eq!(found, expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let text = "a".repeat(50_000);
        assert!(!matches("*?".repeat(50_000).as_bytes(), text.as_bytes(), false));
        assert!(matches("*?".repeat(RUNS_MAX).as_bytes(), text.as_bytes(), false));
        assert!(!matches(format!("{}b", "a*".repeat(900)).as_bytes(), text.as_bytes(), false));
    }

    #[test]
    fn what_is_read_again_is_counted() {
        let text = "a".repeat(10_000);
        for (pattern, again) in [
            // What fails at once is one byte at each place, and a byte that is nowhere is looked for once.
            ("*?b".into(), 2 * 9_999),
            ("*b".into(), 1),
            // A part that is found at the first place is never read again, however long it is.
            (format!("*{}*", "a".repeat(5_000)), 0),
            ("a*".repeat(500), 0),
            (format!("*{}b", "a".repeat(63)), 64 * (10_000 - 63)),
        ] {
            let allowed = allowed(pattern.as_bytes(), text.as_bytes());
            let mut left = allowed;
            matches_within(pattern.as_bytes(), text.as_bytes(), false, &mut left);
            let used = allowed - left;
            assert!(used.abs_diff(again) <= 64 * 64, "{used} of {pattern:.20}");
        }
        // Parts of this length are matched whatever the text looks like.
        let end = format!("*{}b", "a".repeat(AGAIN_MAX - 1));
        assert!(matches(end.as_bytes(), format!("{text}b").as_bytes(), false));
        // A class is as long as it is.
        let class = format!("*[{}]b", "a".repeat(5_000));
        assert!(!matches(class.as_bytes(), text.as_bytes(), false));
    }

    #[test]
    fn special_patterns_are_recognised() {
        assert!(is_literal(b"user:1") && is_literal(b"") && is_literal(b"a]^-"));
        assert!([&b"a*"[..], b"?", b"[a]", b"\\a"].iter().all(|pattern| !is_literal(pattern)));
        assert!(is_all(b"*") && !is_all(b"**"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn runs_mean_any_length(pattern in r"[ab*?\[\]^\\-]{0,12}", text in r"[ab\]\\-]{1,12}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, false), model(pattern, text));
        }

        #[test]
        fn a_literal_matches_itself(pattern: Vec<u8>, text: Vec<u8>) {
            if is_literal(&pattern) {
                prop_assert!(matches(&pattern, &pattern, false));
                prop_assert_eq!(matches(&pattern, &text, false), pattern == text);
            }
            let _ = matches(&pattern, &text, true);
        }
    }
}
