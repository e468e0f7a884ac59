//! The logs of remarkable commands: slow ones (SLOWLOG), and those with a large request or a
//! large reply (COMMANDLOG, as Valkey has it).

use super::describe::{NAME_BYTES_KEPT, first};
use crate::resp::Args;
use std::collections::VecDeque;

pub struct Entry {
    pub id: u64,
    /// Seconds since 1970.
    pub time: i64,
    /// Microseconds, or bytes.
    pub amount: u64,
    pub words: Vec<Vec<u8>>,
    pub addr: String,
    pub name: Vec<u8>,
}

/// One log: newest first, with an end.
#[derive(Default)]
pub struct Log {
    pub entries: VecDeque<Entry>,
    next_id: u64,
}

/// How much of a command line is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub words_max: usize,
    pub bytes_max: usize,
}

#[derive(Default)]
pub struct CommandLogs {
    pub slow: Log,
    pub large_request: Log,
    pub large_reply: Log,
}

/// Who sent it, and when.
pub struct Origin<'a> {
    pub time: i64,
    pub addr: &'a str,
    pub name: &'a [u8],
}

impl Log {
    pub fn push(&mut self, amount: u64, words: Vec<Vec<u8>>, origin: &Origin, len_max: u64) {
        if len_max == 0 {
            return;
        }
        let entry = Entry {
            id: self.next_id,
            time: origin.time,
            amount,
            words,
            addr: origin.addr.to_string(),
            name: first(origin.name, NAME_BYTES_KEPT).to_vec(),
        };
        self.next_id += 1;
        self.entries.push_front(entry);
        self.shorten(len_max);
    }

    /// The newest so many stay.
    pub fn shorten(&mut self, len_max: u64) {
        self.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The words of a command line, shortened so that one entry stays small.
pub fn shortened(args: Args, kept: Kept) -> Vec<Vec<u8>> {
    let whole = args.len() <= kept.words_max;
    let shown = if whole { args.len() } else { kept.words_max.saturating_sub(1) };
    let mut words: Vec<Vec<u8>> = args
        .iter()
        .take(shown)
        .map(|word| {
            if word.len() <= kept.bytes_max {
                return word.to_vec();
            }
            let mut short = word[..kept.bytes_max].to_vec();
            let more = word.len() - kept.bytes_max;
            short.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            short
        })
        .collect();
    if !whole {
        let more = args.len() - shown;
        words.push(format!("... ({more} more arguments)").into_bytes());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_that_never_ends_the_beginning_is_kept() {
        let mut log = Log::default();
        let name = vec![b'n'; 1 << 20];
        log.push(1, Vec::new(), &Origin { time: 0, addr: "", name: &name }, 9);
        assert_eq!(log.entries[0].name.len(), NAME_BYTES_KEPT);
    }
}
