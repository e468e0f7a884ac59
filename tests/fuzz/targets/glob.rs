//! Any pattern on any text, compared with the plainest way to write such a matcher.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::base::glob;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let (pattern, text) = bytes.split_at((*cut as usize).min(bytes.len()));
    let matches = glob::matches(pattern, text, false);
    if glob::is_literal(pattern) {
        assert_eq!(matches, pattern == text);
    }
    // As in Redis, nothing but an empty pattern matches an empty text, whatever stars there are.
    if text.is_empty() {
        return assert_eq!(matches, pattern.is_empty());
    }
    if glob::is_all(pattern) {
        assert!(matches);
    }
    let is_plain = pattern.iter().all(|byte| !b"[\\".contains(byte));
    if is_plain {
        assert_eq!(matches, plainly(pattern, text), "{pattern:?} on {text:?}");
        // What matches in its own case matches in any.
        assert!(!matches || glob::matches(pattern, text, true));
    }
});

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
