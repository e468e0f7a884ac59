//! Random command lines, by group: mostly sensible, sometimes not, always the same for a seed.
//!
//! What lines look like is data (one grammar per group); what can go wrong with a line is
//! `spoil`; who sends it, and what a step is besides one line, is decided here.

mod bitmaps;
mod connection;
pub mod grammar;
mod keys;
mod spoil;
mod strings;
mod transactions;
mod vocabulary;

use super::compare::{has_word, is};
use super::dice::Dice;
use grammar::{Args, Grammar};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Strings,
    Bitmaps,
    Keys,
    Transactions,
    Connection,
}

pub const GROUPS: [Group; 5] =
    [Group::Strings, Group::Bitmaps, Group::Keys, Group::Transactions, Group::Connection];

/// How many clients a group that interleaves has.
pub const CONNECTIONS: usize = 3;

/// One thing a client does, after which every reply it is owed has been read.
#[derive(Clone, Debug)]
pub struct Step {
    pub connection: usize,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// One line, one reply.
    Line(Args),
    /// Lines of which only the last is answered: the ways of CLIENT REPLY.
    Hushed(Vec<Args>),
    /// SCAN with these options until the cursor is 0 again.
    FullScan(Args),
    /// RANDOMKEY, and whether what it names is a key.
    RandomKey,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Strings => "strings",
            Group::Bitmaps => "bitmaps",
            Group::Keys => "keys",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
        }
    }
}

pub struct Generator {
    grammar: Grammar,
}

impl Generator {
    pub fn new() -> Generator {
        let grammar = Grammar::read(&[
            vocabulary::GRAMMAR,
            strings::GRAMMAR,
            bitmaps::GRAMMAR,
            keys::GRAMMAR,
            keys::FULL_SCAN,
            transactions::GRAMMAR,
            connection::GRAMMAR,
        ]);
        Generator { grammar }
    }

    /// Every command a line of these groups can begin with or speak of.
    pub fn commands(&self, groups: &[Group]) -> Vec<String> {
        // COMMAND GETKEYS takes lines of other groups.
        let all = groups.contains(&Group::Connection);
        let mut names = Vec::new();
        for group in if all { &GROUPS[..] } else { groups } {
            self.grammar.first_words(group.name(), &mut names);
        }
        names.retain(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
        names.sort();
        names.dedup();
        names
    }

    /// A history of one episode. `speakable` says which lines both servers have words for; the
    /// others are rolled again.
    pub fn episode(
        &self,
        group: Group,
        length: usize,
        dice: &mut Dice,
        speakable: &dyn Fn(&Args) -> bool,
    ) -> Vec<Step> {
        let mut connection = 0;
        let mut queueing = [false; CONNECTIONS];
        let mut steps = Vec::with_capacity(length);
        while steps.len() < length {
            if group == Group::Transactions && dice.percent(25) {
                connection = dice.below(CONNECTIONS);
            }
            let act = self.act(group, dice);
            let fits = match &act {
                Act::Line(args) => {
                    let refused = match queueing[connection] {
                        true => is(args, "MULTI") || is(args, "WATCH"),
                        false => is(args, "EXEC") || is(args, "DISCARD"),
                    };
                    // A mistake that is made all the time leaves no transaction to look at.
                    let tiresome = refused && !dice.percent(3);
                    !tiresome && !looks_about(args) && speakable(args)
                }
                Act::Hushed(lines) => lines.iter().all(speakable),
                Act::FullScan(_) | Act::RandomKey => true,
            };
            if fits {
                if let Act::Line(args) = &act {
                    let ends = ["EXEC", "DISCARD", "RESET"].iter().any(|name| is(args, name));
                    queueing[connection] = is(args, "MULTI") || (queueing[connection] && !ends);
                }
                steps.push(Step { connection, act });
            }
        }
        steps
    }

    fn act(&self, group: Group, dice: &mut Dice) -> Act {
        match group {
            Group::Keys if dice.percent(3) => {
                return Act::FullScan(self.grammar.line("full-scan", dice));
            }
            Group::Keys if dice.percent(2) => return Act::RandomKey,
            Group::Connection if dice.percent(4) => return self.hushed(dice),
            _ => {}
        }
        let mut line = self.grammar.line(group.name(), dice);
        spoil::recase(&mut line, dice);
        if dice.percent(6) {
            line = spoil::spoil(line, dice);
        }
        Act::Line(line)
    }

    fn hushed(&self, dice: &mut Dice) -> Act {
        let reply = |how: &str| vec![b"CLIENT".to_vec(), b"REPLY".to_vec(), how.into()];
        let mut lines = Vec::new();
        if dice.percent(50) {
            lines.push(reply("SKIP"));
            lines.push(self.grammar.line("strings", dice));
        }
        if dice.percent(70) {
            lines.push(reply("OFF"));
            lines.extend((0..dice.below(4)).map(|_| self.grammar.line("strings", dice)));
        }
        lines.push(reply("ON"));
        Act::Hushed(lines)
    }
}

/// Whether a line meets keys that the server picks: part of a scan, or any key at all. Keys past
/// their deadline go when they are met, and then DBSIZE would depend on the servers' hash seeds.
/// `FullScan` and `RandomKey` meet them all.
fn looks_about(args: &Args) -> bool {
    let cursor = args.get(1).and_then(|word| str::from_utf8(word).ok()?.parse::<u64>().ok());
    let whole = cursor == Some(0) && has_word(args, "1000");
    (is(args, "RANDOMKEY") && args.len() == 1) || (is(args, "SCAN") && cursor.is_some() && !whole)
}
