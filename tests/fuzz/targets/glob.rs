//! Any pattern on any text, compared with the plainest way to write such a matcher; and however they are made, what is
//! read of the pattern is bounded by how long both are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::base::glob;

/// No part of a pattern that is as long as this is matched other than exactly.
const EXACT: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let (pattern, text) = bytes.split_at((*cut as usize).min(bytes.len()));
    compare(pattern, text);
    // The same, so long that what is read again is far more than what is allowed. It is all read here, to be
    // counted, so it may not be longer.
    let times = 1 + (*cut as usize & 15);
    let (pattern, text) = bytes.split_at((bytes.len() / 2).min(100));
    let (pattern, text) = (pattern.repeat(times), text[..text.len().min(400)].repeat(times));
    is_bounded(&pattern, &text);
});

fn compare(pattern: &[u8], text: &[u8]) {
    let matches = glob::matches(pattern, text, false);
    if glob::is_literal(pattern) {
        assert_eq!(matches, pattern == text);
    }
    is_bounded(pattern, text);
    // As in Redis, nothing but an empty pattern matches an empty text, whatever stars there are.
    if text.is_empty() {
        return assert_eq!(matches, pattern.is_empty());
    }
    if glob::is_all(pattern) {
        assert!(matches);
    }
    let is_plain = pattern.iter().all(|byte| !b"[\\".contains(byte));
    if is_plain && longest_part(pattern) <= EXACT {
        assert_eq!(matches, plainly(pattern, text), "{pattern:?} on {text:?}");
        // What matches in its own case matches in any.
        assert!(!matches || glob::matches(pattern, text, true));
    }
}

/// Counted in bytes of the pattern that are read again, and not by a clock.
fn is_bounded(pattern: &[u8], text: &[u8]) {
    for nocase in [false, true] {
        let allowed = glob::allowed(pattern, text);
        assert!(allowed <= 64 * (pattern.len() + text.len()));
        let mut left = usize::MAX;
        let exactly = glob::matches_within(pattern, text, nocase, &mut left);
        let used = usize::MAX - left;
        // Each place of the text is where the last part is begun once at the most.
        assert!(
            used <= (longest_part(pattern) + 1) * text.len(),
            "{used} for {pattern:?} on {text:?}"
        );
        let within = glob::matches(pattern, text, nocase);
        assert_eq!(within, exactly && used <= allowed);
        if longest_part(pattern) < EXACT {
            assert_eq!(within, exactly);
        }
    }
}

/// The longest part between two stars; a star that is escaped or in a class only makes it look shorter, so those are
/// not taken for one.
fn longest_part(pattern: &[u8]) -> usize {
    if pattern.iter().any(|byte| b"[\\".contains(byte)) {
        return pattern.len();
    }
    pattern.split(|byte| *byte == b'*').map(<[u8]>::len).max().unwrap_or(0)
}

/// Stars and question marks only: which prefixes of the text does each prefix of the pattern match?
fn plainly(pattern: &[u8], text: &[u8]) -> bool {
    let mut row: Vec<bool> = (0..=text.len()).map(|len| len == 0).collect();
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        for len in 0..=text.len() {
            next[len] = match wanted {
                b'*' => row[len] || len > 0 && next[len - 1],
                b'?' => len > 0 && row[len - 1],
                byte => len > 0 && row[len - 1] && text[len - 1] == *byte,
            };
        }
        row = next;
    }
    row[text.len()]
}
