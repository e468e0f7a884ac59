//! Where the keys of a command line are: read from the row, for COMMAND GETKEYS and whoever else
//! must know before the command runs.
//!
//! A row's key specs say it for nearly every command. A few commands are told apart by their
//! options, or hide a key behind a word that may stand anywhere; for these there is a rule below.

use crate::base::numbers;
use crate::resp::Args;
use crate::spec::{
    Access, Begin, Find, K_ACCESS, K_DELETE, K_INCOMPLETE, K_INSERT, K_NOT_KEY, K_UPDATE,
    K_VARIABLE_FLAGS, KeySpec, Spec,
};
use smallvec::SmallVec;

/// A key among the arguments, and what the command does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAt {
    pub index: usize,
    pub access: Access,
    pub flags: u8,
}

pub type Keys = SmallVec<[KeyAt; 4]>;

/// Could a line of this command hold keys?
pub fn has_keys(spec: &Spec) -> bool {
    rule_for(spec.name).is_some() || spec.keys.iter().any(is_key)
}

/// The keys of a command line, in the order of the key specs; nothing if the line makes no sense. Each of them is
/// an argument that is there, though the line may be shorter than its command admits: a script may ask about any.
pub fn find(spec: &Spec, args: Args) -> Option<Keys> {
    let keys = match rule_for(spec.name) {
        Some(rule) => rule(args)?,
        None => find_by_row(spec, args)?,
    };
    keys.iter().all(|key| key.index < args.len()).then_some(keys)
}

fn find_by_row(spec: &Spec, args: Args) -> Option<Keys> {
    let mut keys = Keys::new();
    for key in spec.keys.iter().filter(|key| is_key(key)) {
        if key.flags & K_INCOMPLETE != 0 {
            return None;
        }
        find_by(key, args, &mut keys)?;
    }
    Some(keys)
}

/// The keys that can be found though other parts of the line make no sense: `PFMERGE key` has one, whatever its
/// row says of the sources that are not there. Nobody is to use a key by leaving out another.
pub fn find_what_there_is(spec: &Spec, args: Args) -> Keys {
    find(spec, args).unwrap_or_else(|| {
        let mut keys = Keys::new();
        for key in spec.keys.iter().filter(|key| is_key(key)) {
            find_by(key, args, &mut keys);
        }
        keys
    })
}

fn is_key(spec: &KeySpec) -> bool {
    spec.flags & K_NOT_KEY == 0
}

/// Adds what one key spec finds. A word that is not there announces nothing, which is no error.
fn find_by(spec: &KeySpec, args: Args, keys: &mut Keys) -> Option<()> {
    let begin = match spec.begin {
        Begin::Index(index) => usize::try_from(index).ok()?,
        Begin::Keyword(word, from) => match find_word(args, word, from) {
            Some(at) => at + 1,
            None => return Some(()),
        },
        Begin::Unknown => return None,
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            let last = match (usize::try_from(last), limit) {
                (Ok(last), _) => begin + last,
                (Err(_), 0) => args.len().checked_sub(last.unsigned_abs() as usize)?,
                // The keys are the first part of what is left, and so many parts there are.
                (Err(_), limit) => {
                    let part = args.len().checked_sub(begin)? / usize::try_from(limit).ok()?;
                    (begin + part).checked_sub(last.unsigned_abs() as usize)?
                }
            };
            (begin, last, step)
        }
        Find::Count { count, first, step } => {
            let at = begin + usize::try_from(count).ok()?;
            if at >= args.len() {
                return None;
            }
            let count = usize::try_from(numbers::parse_i64(args.get(at))?).ok()?;
            let first = begin + usize::try_from(first).ok()?;
            // How many arguments the keys take up, the first of a step each.
            let span = count.checked_mul(usize::try_from(step).ok()?)?;
            let end = first.checked_add(span)?;
            if count == 0 || end > args.len() {
                return None;
            }
            (first, end.checked_sub(1)?, step)
        }
        Find::Unknown => return None,
    };
    if last >= args.len() || last < first {
        return None;
    }
    let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
    keys.extend((first..=last).step_by(step).map(|index| KeyAt {
        index,
        access: spec.access,
        flags: spec.flags,
    }));
    Some(())
}

/// Looks for a word from an index on; a negative index counts from the end and looks backwards.
fn find_word(args: Args, word: &str, from: i16) -> Option<usize> {
    let is_it = |at: &usize| args.get(*at).eq_ignore_ascii_case(word.as_bytes());
    match usize::try_from(from) {
        Ok(from) => (from.max(1)..args.len()).find(is_it),
        Err(_) => {
            let last = args.len().checked_sub(from.unsigned_abs() as usize)?;
            (2..=last).rev().find(is_it)
        }
    }
}

type Rule = fn(Args) -> Option<Keys>;

/// Whose rows do not say it all.
const RULES: [(&str, Rule); 9] = [
    ("SET", set),
    ("BITFIELD", bitfield),
    ("SORT", sort),
    ("SORT_RO", sort_ro),
    ("GEORADIUS", georadius),
    ("GEORADIUSBYMEMBER", georadius_by_member),
    ("MIGRATE", migrate),
    ("XREAD", streams),
    ("XREADGROUP", streams),
];

fn rule_for(name: &str) -> Option<Rule> {
    RULES.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
}

const READ: (Access, u8) = (Access::ReadOnly, K_ACCESS);
const STORE: (Access, u8) = (Access::Overwrite, K_UPDATE);
const CHANGE: (Access, u8) = (Access::ReadWrite, K_ACCESS | K_UPDATE);

fn key(index: usize, (access, flags): (Access, u8)) -> KeyAt {
    KeyAt { index, access, flags }
}

/// GET makes it a reader.
fn set(args: Args) -> Option<Keys> {
    let reads = args.tail(3).iter().any(|word| word.eq_ignore_ascii_case(b"GET"));
    Some(Keys::from_iter([key(1, if reads { CHANGE } else { STORE })]))
}

/// With nothing but GETs it only reads.
fn bitfield(args: Args) -> Option<Keys> {
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        at += match &*args.get(at).to_ascii_uppercase() {
            b"GET" if left >= 2 => 3,
            b"OVERFLOW" if left >= 1 => 2,
            _ => return Some(Keys::from_iter([key(1, CHANGE)])),
        };
    }
    Some(Keys::from_iter([key(1, READ)]))
}

/// The last STORE counts; what follows an option, STORE itself included, is not one.
fn sort(args: Args) -> Option<Keys> {
    let mut keys = Keys::from_iter([key(1, READ)]);
    let mut at = 2;
    while at < args.len() {
        at += match &*args.get(at).to_ascii_uppercase() {
            b"LIMIT" => 3,
            b"GET" | b"BY" => 2,
            b"STORE" if at + 1 < args.len() => {
                keys.truncate(1);
                keys.push(key(at + 1, STORE));
                2
            }
            _ => 1,
        };
    }
    Some(keys)
}

fn sort_ro(_: Args) -> Option<Keys> {
    Some(Keys::from_iter([key(1, READ)]))
}

fn georadius(args: Args) -> Option<Keys> {
    georadius_from(args, 6)
}

fn georadius_by_member(args: Args) -> Option<Keys> {
    georadius_from(args, 5)
}

/// The last STORE or STOREDIST counts. The unit may be such a word where there is no set to measure in.
fn georadius_from(args: Args, options: usize) -> Option<Keys> {
    let mut keys = Keys::from_iter([key(1, READ)]);
    let mut at = options;
    while at + 1 < args.len() {
        let word = args.get(at);
        if word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST") {
            keys.truncate(1);
            keys.push(key(at + 1, STORE));
            at += 1;
        }
        at += 1;
    }
    Some(keys)
}

/// The first half of what follows STREAMS. A group, its consumer and a number may be called like that too, and
/// stand before it, as options stand in any order: they are passed over as the command itself does.
fn streams(args: Args) -> Option<Keys> {
    let mut at = 1;
    while at < args.len() {
        at += match &*args.get(at).to_ascii_uppercase() {
            b"STREAMS" => {
                let first = at + 1;
                let count = (args.len() - first) / 2;
                return (count > 0)
                    .then(|| (first..first + count).map(|index| key(index, READ)).collect());
            }
            b"GROUP" => 3,
            b"COUNT" | b"BLOCK" | b"CLAIM" | b"MAXCOUNT" | b"MAXSIZE" => 2,
            _ => 1,
        };
    }
    Some(Keys::new())
}

/// One key in its place, or, where that is empty, all that follows KEYS.
fn migrate(args: Args) -> Option<Keys> {
    const GIVE_AWAY: (Access, u8) = (Access::ReadWrite, K_ACCESS | K_DELETE);
    if args.len() < 6 {
        return None;
    }
    let mut at = 6;
    while at < args.len() && args.get(3).is_empty() {
        at += match &*args.get(at).to_ascii_uppercase() {
            b"KEYS" => {
                return Some((at + 1..args.len()).map(|index| key(index, GIVE_AWAY)).collect());
            }
            // A password may be any word, KEYS included.
            b"AUTH" => 2,
            b"AUTH2" => 3,
            _ => 1,
        };
    }
    Some(Keys::from_iter([key(3, GIVE_AWAY)]))
}

/// The words for what a command does to a key, as COMMAND writes them. To a name that only says
/// where the command belongs, it does nothing.
pub fn flag_names(access: Access, flags: u8) -> impl Iterator<Item = &'static str> {
    let access = match access {
        Access::ReadOnly => "RO",
        Access::ReadWrite => "RW",
        Access::Overwrite => "OW",
        Access::Remove => "RM",
    };
    const NAMES: [(u8, &str); 7] = [
        (K_ACCESS, "access"),
        (K_UPDATE, "update"),
        (K_INSERT, "insert"),
        (K_DELETE, "delete"),
        (K_NOT_KEY, "not_key"),
        (K_INCOMPLETE, "incomplete"),
        (K_VARIABLE_FLAGS, "variable_flags"),
    ];
    let access = (flags & K_NOT_KEY == 0).then_some(access);
    let set = NAMES.into_iter().filter(move |(bit, _)| flags & bit != 0).map(|(_, name)| name);
    access.into_iter().chain(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::write;
    use crate::resp::{ArgsBuf, Reply};
    use crate::spec::{counted_keys, key_at, keys_from};
    use proptest::prelude::*;

    fn line(text: &str) -> ArgsBuf {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        ArgsBuf::of(&words)
    }

    fn spec(name: &'static str, keys: &'static [KeySpec]) -> Spec {
        write(name, |_, _, out: Reply| out.ok()).keys(keys).spec
    }

    fn keys(spec: &Spec, text: &str) -> Option<String> {
        let buf = line(text);
        let found = find(spec, buf.args())?;
        let words: Vec<String> = found
            .iter()
            .map(|key| String::from_utf8_lossy(buf.args().get(key.index)).into_owned())
            .collect();
        Some(words.join(" "))
    }

    const RW: Access = Access::ReadWrite;
    const LIMITED: KeySpec = KeySpec {
        begin: Begin::Keyword("STREAMS", 1),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        access: Access::ReadOnly,
        flags: 0,
    };
    const BACKWARDS: KeySpec = KeySpec {
        begin: Begin::Keyword("KEYS", -2),
        find: Find::Range { last: -1, step: 1, limit: 0 },
        access: RW,
        flags: 0,
    };

    #[test]
    fn every_way_of_searching_finds_what_redis_finds() {
        let cases: &[(&'static [KeySpec], &str, Option<&str>)] = &[
            (const { &[key_at(1, RW, 0)] }, "c k v", Some("k")),
            (const { &[key_at(2, RW, 0)] }, "c k", None),
            (const { &[keys_from(1, -1, 1, RW, 0)] }, "c a b c", Some("a b c")),
            (const { &[keys_from(1, -2, 1, RW, 0)] }, "c a b 0", Some("a b")),
            (const { &[keys_from(1, -2, 1, RW, 0)] }, "c 0", None),
            (const { &[keys_from(1, -1, 2, RW, 0)] }, "c a 1 b 2", Some("a b")),
            (const { &[counted_keys(1, 1, RW, 0)] }, "c 2 a b x", Some("a b")),
            (const { &[counted_keys(1, 2, RW, 0)] }, "c 2 a 1 b 2 x", Some("a b")),
            (const { &[counted_keys(1, 1, RW, 0)] }, "c 3 a b", None),
            (const { &[counted_keys(1, 1, RW, 0)] }, "c 0 a b", None),
            (const { &[counted_keys(1, 1, RW, 0)] }, "c -1 a b", None),
            (const { &[counted_keys(1, 1, RW, 0)] }, "c 9223372036854775807 a", None),
            (
                const { &[key_at(1, RW, 0), counted_keys(2, 1, RW, 0)] },
                "c to 2 a b",
                Some("to a b"),
            ),
            (const { &[LIMITED] }, "c COUNT 1 streams a b 0 0", Some("a b")),
            (const { &[LIMITED] }, "c COUNT 1", Some("")),
            (const { &[LIMITED] }, "c STREAMS", None),
            (const { &[BACKWARDS] }, "c KEYS x keys a b", Some("a b")),
            (const { &[key_at(1, RW, K_NOT_KEY)] }, "c k", Some("")),
            (const { &[key_at(1, RW, K_INCOMPLETE)] }, "c k", None),
        ];
        for (specs, text, wanted) in cases {
            assert_eq!(keys(&spec("X", specs), text).as_deref(), *wanted, "{text}");
        }
    }

    #[test]
    fn options_tell_what_is_done_and_where_a_hidden_key_is() {
        const VARIES: &[KeySpec] = &[key_at(1, RW, K_VARIABLE_FLAGS)];
        const UNKNOWN: &[KeySpec] = &[KeySpec {
            begin: Begin::Unknown,
            find: Find::Unknown,
            access: Access::Overwrite,
            flags: 0,
        }];
        let access = |name, text: &str| find(&spec(name, VARIES), line(text).args()).unwrap()[0];
        assert_eq!(access("SET", "set k get"), key(1, STORE));
        assert_eq!(access("SET", "set k v nx get"), key(1, CHANGE));
        assert_eq!(access("BITFIELD", "bitfield k get u8 0 overflow sat"), key(1, READ));
        assert_eq!(access("BITFIELD", "bitfield k get u8 0 set u8 0 1"), key(1, CHANGE));
        let hidden: &[(&'static str, &str, Option<&str>)] = &[
            ("SORT", "sort k by store get store limit 0 1 store a store b", Some("k b")),
            ("SORT", "sort k store", Some("k")),
            ("SORT", "sort k store store by by", Some("k store")),
            ("GEORADIUS", "georadius k 0 0 1 m store a storedist b", Some("k b")),
            ("GEORADIUS", "georadius k 0 0 1 store store a", Some("k a")),
            ("GEORADIUSBYMEMBER", "georadiusbymember k m 1 store storedist a", Some("k a")),
            ("MIGRATE", "migrate h 1  0 9 auth keys keys a b", Some("a b")),
            ("MIGRATE", "migrate h 1 k 0 9 keys", Some("k")),
            ("MIGRATE", "migrate h", None),
            ("XREAD", "xread streams a b 0 0", Some("a b")),
            ("XREAD", "xread count streams block streams streams a 0", Some("a")),
            ("XREAD", "xread maxcount streams maxsize streams streams streams 0", Some("streams")),
            ("XREAD", "xread streams a", None),
            ("XREAD", "xread streams", None),
            ("XREAD", "xread count", Some("")),
            ("XREADGROUP", "xreadgroup count 9 group g streams streams a >", Some("a")),
            ("XREADGROUP", "xreadgroup noack group streams c streams a b > >", Some("a b")),
            ("XREADGROUP", "xreadgroup claim streams group g c streams a >", Some("a")),
            ("UNHEARD-OF", "x k", None),
        ];
        for (name, text, wanted) in hidden {
            assert_eq!(keys(&spec(name, UNKNOWN), text).as_deref(), *wanted, "{text}");
        }
    }

    proptest! {
        /// Whatever a row says and a client sends, every index found is one of an argument.
        #[test]
        fn no_index_leaves_the_line(
            words in proptest::collection::vec("[a-z]|-?[0-9]{1,20}|KEYS", 1..9),
            begin in -3i16..6, word: bool,
            (last, step, limit) in (-4i16..5, -1i16..4, -1i16..4),
            counts: bool,
        ) {
            let key = KeySpec {
                begin: if word { Begin::Keyword("KEYS", begin) } else { Begin::Index(begin) },
                find: match counts {
                    true => Find::Count { count: last, first: limit, step },
                    false => Find::Range { last, step, limit },
                },
                access: RW,
                flags: 0,
            };
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let buf = ArgsBuf::of(&words);
            let mut keys = Keys::new();
            if find_by(&key, buf.args(), &mut keys).is_some() {
                prop_assert!(keys.iter().all(|key| key.index < words.len()));
            }
        }

        /// The same of the commands that have a rule, however short their line is.
        #[test]
        fn no_rule_leaves_the_line(
            words in proptest::collection::vec(
                "[a-z]?|[0-9]|KEYS|AUTH2?|GET|SET|STORE|STOREDIST|LIMIT|BY|STREAMS|GROUP|COUNT",
                1..10,
            ),
        ) {
            const KEYS: &[KeySpec] = &[key_at(1, RW, 0), key_at(3, RW, K_INCOMPLETE)];
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let buf = ArgsBuf::of(&words);
            for (name, _) in RULES {
                let spec = spec(name, KEYS);
                for len in 1..=words.len() {
                    let args = buf.args().head(len);
                    let found = find(&spec, args).unwrap_or_default();
                    let what_there_is = find_what_there_is(&spec, args);
                    let mut keys = found.iter().chain(&what_there_is);
                    prop_assert!(keys.all(|key| key.index < len), "{name} {words:?}");
                }
            }
        }
    }
}
