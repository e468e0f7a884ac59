//! Looking for keys: SCAN, KEYS, RANDOMKEY; and what SCAN shares with HSCAN, SSCAN and ZSCAN.

use crate::base::glob;
use crate::engine::command::read;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::resp::args::Word;
use crate::resp::{Args, Done, Reply};
use crate::spec::{C_DANGEROUS, C_KEYSPACE, Group, integer, pattern, string};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[
        read("SCAN", scan)
            .arity(-2)
            .categories(C_KEYSPACE)
            .since("2.8.0")
            .complexity("O(1) for each call, O(N) for a whole iteration over N keys")
            .summary("Walks over the keys of the database, some at each call.")
            .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
            .args(&[
                integer("cursor"),
                pattern("pattern").after("MATCH").optional(),
                integer("count").after("COUNT").optional(),
                string("type").after("TYPE").optional().since("6.0.0"),
            ]),
        read("KEYS", keys)
            .arity(2)
            .categories(C_KEYSPACE | C_DANGEROUS)
            .since("1.0.0")
            .complexity("O(N), when N is the number of keys in the database")
            .summary("Lists all keys that match a pattern.")
            .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
            .args(&[pattern("pattern")]),
        read("RANDOMKEY", randomkey)
            .arity(1)
            .categories(C_KEYSPACE)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Picks a key at random.")
            .tips(&[
                "request_policy:all_shards",
                "response_policy:special",
                "nondeterministic_output",
            ]),
    ],
};

/// How many keys a call looks at, unless COUNT says otherwise.
const COUNT_DEFAULT: u64 = 10;
/// A sparse table has empty buckets. So many are walked over for each key that is wanted, and no
/// more, or a call could take long and find nothing.
const STEPS_PER_KEY: u64 = 10;

fn scan(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let cursor = cursor(args.get(1))?;
    let filter = Filter::read(args, 1, Over::Keys)?;
    let (keyspace, db) = (&mut *cx.keyspace, cx.db);
    filter.walk(cursor, out, |cursor, found| {
        keyspace.scan(db, cursor, |record| {
            let name = record.kind().name().as_bytes();
            if filter.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(name)) {
                found.offer(record.key());
            } else {
                found.pass();
            }
        })
    })
}

fn keys(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let filter = Filter { pattern: useful(args.get(1)), ..Filter::default() };
    let mut list = out.list_of_some();
    for record in cx.keyspace.live_records(cx.db).filter(|record| filter.fits(record.key())) {
        list.bulk(record.key());
    }
    list.end()
}

fn randomkey(cx: &mut Ctx, _: Args, out: Reply) -> Done {
    match cx.keyspace.random_key(cx.db) {
        Some(key) => out.bulk(&key),
        None => out.null(),
    }
}

/// What a command of the SCAN family walks over, which decides the options it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// SCAN, which has TYPE.
    Keys,
    /// HSCAN, which has NOVALUES.
    Hash,
    /// SSCAN.
    Set,
    /// ZSCAN, which has NOSCORES.
    ZSet,
}

/// Which elements are wanted, and how many are looked at.
pub(super) struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    /// The name of a type; one that does not exist fits nothing.
    kind: Option<&'a [u8]>,
    count: u64,
    /// Fields without their values, members without their scores.
    pub names_only: bool,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter { pattern: None, kind: None, count: COUNT_DEFAULT, names_only: false }
    }
}

impl<'a> Filter<'a> {
    /// Reads the options behind the cursor, which stands at an index.
    pub(super) fn read(args: Args<'a>, cursor: usize, over: Over) -> Result<Filter<'a>, Error> {
        let mut filter = Filter::default();
        let mut rest = args.after(cursor);
        while rest.left() > 0 {
            match &*Word::new(rest.bytes()?) {
                b"MATCH" => filter.pattern = useful(rest.bytes()?),
                b"COUNT" => {
                    let count = u64::try_from(rest.int()?).map_err(|_| Error::Syntax)?;
                    filter.count = if count > 0 { count } else { return Err(Error::Syntax) };
                }
                b"TYPE" if over == Over::Keys => filter.kind = Some(rest.bytes()?),
                b"NOVALUES" if over == Over::Hash => filter.names_only = true,
                b"NOVALUES" => {
                    return Err(Error::Say("ERR NOVALUES option can only be used in HSCAN"));
                }
                b"NOSCORES" if over == Over::ZSet => filter.names_only = true,
                b"NOSCORES" => {
                    return Err(Error::Say("ERR NOSCORES option can only be used in ZSCAN"));
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(filter)
    }

    /// One call of SCAN or of one of its relatives. `step` offers everything that is at home at a
    /// cursor and says which one comes next; 0 is both the beginning and the end. A value that is
    /// one small piece offers all of it at once.
    pub(super) fn walk(
        &self,
        mut cursor: u64,
        out: Reply,
        mut step: impl FnMut(u64, &mut Found) -> u64,
    ) -> Done {
        let mut found = Found { filter: self, seen: 0, names: Names::default() };
        for _ in 0..self.count.saturating_mul(STEPS_PER_KEY) {
            cursor = step(cursor, &mut found);
            if cursor == 0 || found.seen >= self.count {
                break;
            }
        }
        answer(cursor, &found.names, out)
    }

    fn fits(&self, key: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, key, false))
    }
}

/// What a walk came across.
pub(super) struct Found<'a> {
    filter: &'a Filter<'a>,
    seen: u64,
    names: Names,
}

impl Found<'_> {
    /// An element was met; it is answered if its name is wanted. Says whether it is: then what
    /// belongs to it, a value or a score, goes behind it with `with`.
    pub(super) fn offer(&mut self, name: &[u8]) -> bool {
        self.seen += 1;
        let wanted = self.filter.fits(name);
        if wanted {
            self.names.push(name);
        }
        wanted
    }

    pub(super) fn with(&mut self, more: &[u8]) {
        self.names.push(more);
    }

    /// An element was met that is not wanted, whatever its name is.
    fn pass(&mut self) {
        self.seen += 1;
    }
}

/// The walk over what does not exist is over at once.
pub(super) fn nothing(out: Reply) -> Done {
    answer(0, &Names::default(), out)
}

fn answer(cursor: u64, names: &Names, out: Reply) -> Done {
    let mut answer = out.list(2);
    answer.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    answer.bulks(names.iter());
    answer.end()
}

/// `*` alone wants everything, even the empty key, which it does not match as a pattern.
fn useful(pattern: &[u8]) -> Option<&[u8]> {
    (pattern != b"*").then_some(pattern)
}

/// Cursors were read by C's `strtoul` for many years, which lets blanks and a sign lead.
pub(super) fn cursor(text: &[u8]) -> Result<u64, Error> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let number = std::str::from_utf8(&text[blanks..]).ok().and_then(|text| text.parse().ok());
    number.ok_or(Error::Say("ERR invalid cursor"))
}

/// Many short names in one piece of memory: the cursor is answered before them, and is known
/// after them.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }
}
