//! Random command lines, by group: mostly sensible, sometimes not, always the same for a seed.
//!
//! What lines look like is data (one grammar per group); what can go wrong with a line is
//! `spoil`; who sends it, and what a step is besides one line, is decided here.

mod bitmaps;
mod blocking;
mod channels;
mod connection;
mod geo;
pub mod grammar;
mod hashes;
mod hyperloglogs;
mod keys;
mod lists;
mod sets;
mod sort;
mod sorted_sets;
mod spoil;
mod streams;
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
    HyperLogLogs,
    Hashes,
    Lists,
    Sets,
    SortedSets,
    Geo,
    Sort,
    Streams,
    Keys,
    Blocking,
    Transactions,
    Channels,
    Events,
    Connection,
}

pub const GROUPS: [Group; 16] = [
    Group::Strings,
    Group::Bitmaps,
    Group::HyperLogLogs,
    Group::Hashes,
    Group::Lists,
    Group::Sets,
    Group::SortedSets,
    Group::Geo,
    Group::Sort,
    Group::Streams,
    Group::Keys,
    Group::Blocking,
    Group::Transactions,
    Group::Channels,
    Group::Events,
    Group::Connection,
];

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
    /// A command of the SCAN family, and again until the cursor is 0 again.
    FullScan(Args),
    /// RANDOMKEY, and whether what it names is a key.
    RandomKey,
    /// A command that picks elements of a value, and whether what it picked is there.
    Pick(Args),
    /// One line, and what all connections hear of it.
    Overheard(Args),
    /// Lines of all connections but the last, which wait; lines of the last one, which bring what
    /// they wait for or not; and in the end they need not wait any longer.
    Wait { waiters: Vec<Args>, then: Vec<Args> },
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Strings => "strings",
            Group::Bitmaps => "bitmaps",
            Group::HyperLogLogs => "hyperloglogs",
            Group::Hashes => "hashes",
            Group::Lists => "lists",
            Group::Sets => "sets",
            Group::SortedSets => "sorted-sets",
            Group::Geo => "geo",
            Group::Sort => "sort",
            Group::Streams => "streams",
            Group::Blocking => "blocking",
            Group::Channels => "channels",
            Group::Events => "events",
            Group::Keys => "keys",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
        }
    }

    /// Whether its lines are sent one after the other has been answered, mostly.
    pub fn goes_one_by_one(self) -> bool {
        matches!(self, Group::Blocking | Group::Transactions | Group::Channels | Group::Events)
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
            hyperloglogs::GRAMMAR,
            hashes::GRAMMAR,
            hashes::PICKS,
            hashes::FULL_SCAN,
            lists::GRAMMAR,
            sets::GRAMMAR,
            sets::PICKS,
            sets::FULL_SCAN,
            sorted_sets::GRAMMAR,
            sorted_sets::PICKS,
            sorted_sets::FULL_SCAN,
            geo::GRAMMAR,
            sort::GRAMMAR,
            streams::GRAMMAR,
            blocking::GRAMMAR,
            channels::GRAMMAR,
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
        if group == Group::Events {
            let words = |line: &str| line.split(' ').map(|word| word.into()).collect();
            steps.push(Step { connection: 1, act: Act::Overheard(words("PSUBSCRIBE __key*__:*")) });
            let on = Act::Overheard(words("CONFIG SET notify-keyspace-events KEA"));
            steps.push(Step { connection: 0, act: on });
        }
        if group == Group::Lists {
            let act = Act::Line(self.grammar.line("list-limit", dice));
            steps.push(Step { connection, act });
        }
        if group == Group::Streams {
            let act = Act::Line(self.grammar.line("stream-limit", dice));
            steps.push(Step { connection, act });
        }
        while steps.len() < length {
            let interleaves = matches!(group, Group::Transactions | Group::Channels);
            if interleaves && dice.percent(25) {
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
                    !tiresome && !is_random(args) && speakable(args)
                }
                Act::Hushed(lines) => lines.iter().all(speakable),
                Act::Overheard(args) => !is_random(args) && speakable(args),
                // Who waits must not be queueing, nor must those who bring.
                Act::Wait { waiters, then } => {
                    !queueing[connection] && waiters.iter().chain(then).all(speakable)
                }
                Act::FullScan(args) | Act::Pick(args) => speakable(args),
                Act::RandomKey => true,
            };
            if !fits {
                continue;
            }
            if let Act::Line(args) = &act {
                let ends = ["EXEC", "DISCARD", "RESET"].iter().any(|name| is(args, name));
                queueing[connection] = is(args, "MULTI") || (queueing[connection] && !ends);
            }
            let connection = match &act {
                // One client listens to what another does.
                Act::Overheard(args) if group == Group::Events => {
                    usize::from(is(args, "PSUBSCRIBE") || is(args, "PUNSUBSCRIBE"))
                }
                _ => connection,
            };
            steps.push(Step { connection, act });
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
            Group::Blocking if dice.percent(30) => return self.wait(dice),
            _ => {}
        }
        let special = match group {
            Group::Hashes => Some(("hash-picks", "hash-scans")),
            Group::Sets => Some(("set-picks", "set-scans")),
            Group::SortedSets => Some(("zset-picks", "zset-scans")),
            _ => None,
        };
        if let Some((picks, scans)) = special
            && dice.percent(6)
        {
            return match dice.percent(50) {
                true => Act::Pick(self.grammar.line(picks, dice)),
                false => Act::FullScan(self.grammar.line(scans, dice)),
            };
        }
        let mut line = self.grammar.line(group.name(), dice);
        // The classes of events are letters.
        if group != Group::Events || !is(&line, "CONFIG") {
            spoil::recase(&mut line, dice);
        }
        // Limits are said as they are meant, and members that have an order by name keep one score.
        let meant = is(&line, "CONFIG")
            || group == Group::Events
            || line.get(1).is_some_and(|key| key.starts_with(b"x"));
        if !meant && dice.percent(6) {
            line = spoil::spoil(line, dice);
        }
        match group {
            Group::Channels | Group::Events => Act::Overheard(line),
            _ => Act::Line(line),
        }
    }

    fn wait(&self, dice: &mut Dice) -> Act {
        let mut lines = |rule: &str, count: usize| -> Vec<Args> {
            (0..count).map(|_| self.grammar.line(rule, dice)).collect()
        };
        let waiters = lines("waiter", CONNECTIONS - 1);
        let mut then = lines("bringer", 4);
        then.truncate(1 + dice.below(4));
        if dice.percent(30) {
            then.insert(0, vec![b"MULTI".to_vec()]);
            then.push(vec![b"EXEC".to_vec()]);
        }
        Act::Wait { waiters, then }
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

/// Whether a line cannot be compared as it is: chance decides, or it waits for what does not come.
fn is_random(args: &Args) -> bool {
    looks_about(args)
        || picks(args)
        || waits(args)
        || is_named_by_the_clock(args)
        || is_answered_twice(args)
}

/// Valkey answers it with an error and then with what would have been the answer.
fn is_answered_twice(args: &Args) -> bool {
    is(args, "PFDEBUG")
        && args.len() == 3
        && args[1].eq_ignore_ascii_case(b"SIMD")
        && !["ON", "OFF"].iter().any(|word| args[2].eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a line may make an entry of which the server chooses the id. Other groups do so and ask no
/// further.
fn is_named_by_the_clock(args: &Args) -> bool {
    is(args, "XADD") && args[1..].iter().any(|word| word == b"*")
}

/// Whether a line meets keys that the server picks: part of a scan, or any key at all. Keys past
/// their deadline go when they are met, and then DBSIZE would depend on the servers' hash seeds.
/// `FullScan` and `RandomKey` meet them all.
fn looks_about(args: &Args) -> bool {
    let cursor = args.get(1).and_then(|word| str::from_utf8(word).ok()?.parse::<u64>().ok());
    let whole = cursor == Some(0) && has_word(args, "1000");
    (is(args, "RANDOMKEY") && args.len() == 1) || (is(args, "SCAN") && cursor.is_some() && !whole)
}

/// Whether a line takes away what chance decides, after which the servers hold different data.
/// `Pick` puts it back. More than there can be is everything.
fn picks(args: &Args) -> bool {
    let count = args.get(2).and_then(|word| str::from_utf8(word).ok()?.parse::<i64>().ok());
    is(args, "SPOP") && (args.len() == 2 || count.is_some_and(|count| (1..100).contains(&count)))
}

/// Whether a line may wait for longer than a moment. `Wait` knows how to end that.
fn waits(args: &Args) -> bool {
    let first = ["BLMPOP", "BZMPOP"].iter().any(|name| is(args, name));
    let last = ["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX"];
    let timeout = match first {
        true => args.get(1),
        false if last.iter().any(|name| is(args, name)) => args.last(),
        false => None,
    };
    let seconds = timeout.and_then(|word| str::from_utf8(word).ok()?.trim().parse::<f64>().ok());
    // What is farther away is refused by everybody.
    seconds.is_some_and(|seconds| seconds == 0.0 || (0.02..1e16).contains(&seconds))
}
