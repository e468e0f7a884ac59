//! Any rules for a user: whatever of them is taken can be written down and read again, and makes the same user; and
//! every question about that user has an answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::commands::TABLE;
use russet::engine::acl::check::{Line, check, check_reading_all, could_run};
use russet::engine::acl::rule::join;
use russet::engine::acl::user::{Grammar, User};
use russet::resp::ArgsBuf;

fuzz_target!(|bytes: &[u8]| {
    let grammar = Grammar { table: &TABLE, all_channels: bytes.len() % 2 == 0 };
    let words = bytes.split(|byte| *byte == b'\n');
    let Ok(rules) = join(words) else { return };
    let mut user = User::new(b"fuzzy", grammar.all_channels);
    for rule in &rules {
        let before = user.clone();
        if user.apply(rule, grammar).is_err() {
            assert_eq!(user, before, "a rule that is none changes nothing");
        }
        same_again(&user, grammar);
    }
    for (name, words) in
        [("GET", &["GET", "a"][..]), ("SORT", &["SORT", "a", "BY", "b*"]), ("SELECT", &["SELECT", "1"])]
    {
        let line: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let line = ArgsBuf::of(&line);
        let command = (TABLE.find)(name.as_bytes()).expect("there is such a command");
        let line = Line { command, args: line.args(), db: 0, databases: 16 };
        let allowed = check(&user, line).is_ok();
        assert!(!allowed || could_run(&user, command));
        assert!(allowed || !check_reading_all(&user, line));
        assert!(allowed || !user.may_all());
    }
});

fn same_again(user: &User, grammar: Grammar) {
    let text = user.text();
    let mut again = User::new(&user.name, !grammar.all_channels);
    let rules = join(text.split(|byte| *byte == b' ')).expect("what is written down is whole");
    for rule in rules {
        again.apply(&rule, grammar).expect("what is written down is a rule");
    }
    assert_eq!(again, *user, "{}", String::from_utf8_lossy(&text));
}
