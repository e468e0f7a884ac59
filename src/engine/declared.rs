//! Builds with debug assertions hold every command that runs to the keys that its row declares: what a handler
//! touches must be among them, and what it changes must be declared as changed. So each transcript, each throw of
//! the simulator and each input of a fuzzer is a test of what access control decides by.

use super::{Command, keys};
use crate::engine::acl::selector::rights_needed;
use crate::keyspace::Keyspace;
use crate::keyspace::touched::Seen;
use crate::resp::Args;
use std::collections::BTreeMap;

/// Commands that look after whole databases, where somebody may be told of keys, and EXEC, which looks at what
/// WATCH was asked about.
fn is_exempt(command: &Command) -> bool {
    let names = ["RANDOMKEY", "SCAN", "KEYS", "EXEC", "FLUSHALL", "FLUSHDB", "SWAPDB"];
    names.contains(&command.spec.name) || command.spec.name.starts_with("DEBUG")
}

/// To Redis these are readers, and so are their rows: what they change is not the value that is read, but a
/// cache, its form, or how far a group has read.
fn only_notes(command: &Command) -> bool {
    matches!(command.spec.name, "PFCOUNT" | "PFDEBUG" | "XREADGROUP")
}

pub struct Watch {
    before: Option<Seen>,
}

impl Watch {
    pub fn begin(keyspace: &Keyspace) -> Watch {
        Watch { before: keyspace.touched.begin() }
    }

    #[track_caller]
    pub fn end(self, keyspace: &Keyspace, command: &Command, args: Args, reads_all_keys: bool) {
        let touched = keyspace.touched.end(self.before);
        if touched.is_empty() || is_exempt(command) {
            return;
        }
        // Whether any of the places where a key stands says that it is changed.
        let mut declared: BTreeMap<&[u8], bool> = BTreeMap::new();
        for at in keys::find_what_there_is(&command.spec, args) {
            *declared.entry(args.get(at.index)).or_default() |= rights_needed(at.flags).1;
        }
        // SORT asks for the right to read everything.
        let of_patterns = matches!(command.spec.name, "SORT" | "SORT_RO") && reads_all_keys;
        for (key, changes) in touched {
            let writes = declared.get(&*key);
            let allowed = writes.is_some_and(|writes| !changes || *writes || only_notes(command));
            assert!(
                allowed || (of_patterns && !changes),
                "{} {} {:?}, which its row does not declare, in {:?}",
                command.spec.name,
                if changes { "changes" } else { "looks at" },
                String::from_utf8_lossy(&key),
                args.iter().map(String::from_utf8_lossy).collect::<Vec<_>>()
            );
        }
    }
}
