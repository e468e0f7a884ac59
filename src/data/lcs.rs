//! The longest common subsequence of two strings, by the textbook's table of lengths.
//!
//! There may be several of one length. Which of them is found is visible to clients, so the walk
//! back through the table is fixed: where both ways are equally good, the second string is the
//! one that gives way.

/// A run of bytes that both strings have in common: where it starts in each, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub left: usize,
    pub right: usize,
    pub len: usize,
}

/// Bytes that the table needs, as far as they can be counted.
pub fn table_bytes(left: &[u8], right: &[u8]) -> usize {
    (left.len() + 1).saturating_mul(right.len() + 1).saturating_mul(size_of::<u32>())
}

/// The length alone, with two rows of the table.
pub fn len(left: &[u8], right: &[u8]) -> usize {
    let mut above = vec![0u32; right.len() + 1];
    let mut row = above.clone();
    for &byte in left {
        fill_row(byte, right, &above, &mut row);
        std::mem::swap(&mut above, &mut row);
    }
    above[right.len()] as usize
}

/// All runs of the subsequence, from the last to the first.
pub fn runs(left: &[u8], right: &[u8]) -> Vec<Run> {
    let width = right.len() + 1;
    let mut table = vec![0u32; (left.len() + 1) * width];
    for (at, &byte) in left.iter().enumerate() {
        let (above, below) = table.split_at_mut((at + 1) * width);
        fill_row(byte, right, &above[at * width..], &mut below[..width]);
    }

    let mut runs: Vec<Run> = Vec::new();
    let (mut at_left, mut at_right) = (left.len(), right.len());
    while at_left > 0 && at_right > 0 {
        if left[at_left - 1] == right[at_right - 1] {
            match runs.last_mut() {
                Some(run) if run.left == at_left && run.right == at_right => {
                    *run = Run { left: at_left - 1, right: at_right - 1, len: run.len + 1 };
                }
                _ => runs.push(Run { left: at_left - 1, right: at_right - 1, len: 1 }),
            }
            at_left -= 1;
            at_right -= 1;
        } else if table[(at_left - 1) * width + at_right] > table[at_left * width + at_right - 1] {
            at_left -= 1;
        } else {
            at_right -= 1;
        }
    }
    runs
}

fn fill_row(byte: u8, right: &[u8], above: &[u32], row: &mut [u32]) {
    for (at, &other) in right.iter().enumerate() {
        row[at + 1] = if byte == other { above[at] + 1 } else { above[at + 1].max(row[at]) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
        let mut rest = whole.iter();
        part.iter().all(|byte| rest.any(|other| other == byte))
    }

    /// Tries all subsequences of the first string.
    fn longest_by_trying(left: &[u8], right: &[u8]) -> usize {
        (0u32..1 << left.len())
            .filter(|chosen| {
                let part: Vec<u8> = (0..left.len())
                    .filter(|at| chosen & (1 << at) != 0)
                    .map(|at| left[at])
                    .collect();
                is_subsequence(&part, right)
            })
            .map(|chosen| chosen.count_ones() as usize)
            .max()
            .unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_runs_are_a_longest_common_subsequence(
            left in proptest::collection::vec(b'a'..b'd', 0..9),
            right in proptest::collection::vec(b'a'..b'd', 0..12),
        ) {
            let runs = runs(&left, &right);
            let longest = longest_by_trying(&left, &right);
            prop_assert_eq!(len(&left, &right), longest);
            prop_assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), longest);
            for run in &runs {
                prop_assert_eq!(
                    &left[run.left..run.left + run.len],
                    &right[run.right..run.right + run.len]
                );
            }
            for pair in runs.windows(2) {
                let (later, earlier) = (pair[0], pair[1]);
                prop_assert!(earlier.left + earlier.len <= later.left);
                prop_assert!(earlier.right + earlier.len <= later.right);
            }
        }
    }
}
