//! Looking for keys: SCAN, KEYS, RANDOMKEY.

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
    let mut cursor = read_cursor(args.get(1)).ok_or(Error::Say("ERR invalid cursor"))?;
    let filter = Filter::read(args)?;
    let mut found = Names::default();
    let mut seen = 0;
    for _ in 0..filter.count.saturating_mul(STEPS_PER_KEY) {
        cursor = cx.keyspace.scan(cx.db, cursor, |record| {
            seen += 1;
            let fits = filter.fits(record.key())
                && filter
                    .kind
                    .is_none_or(|kind| kind.eq_ignore_ascii_case(record.kind().name().as_bytes()));
            if fits {
                found.push(record.key());
            }
        });
        if cursor == 0 || seen >= filter.count {
            break;
        }
    }
    let mut answer = out.list(2);
    answer.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    answer.bulks(found.iter());
    answer.end()
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

/// Which keys are wanted, and how many are looked at.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    /// The name of a type; one that does not exist fits nothing.
    kind: Option<&'a [u8]>,
    count: u64,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter { pattern: None, kind: None, count: COUNT_DEFAULT }
    }
}

impl<'a> Filter<'a> {
    fn read(args: Args<'a>) -> Result<Filter<'a>, Error> {
        let mut filter = Filter::default();
        let mut rest = args.after(1);
        while rest.left() > 0 {
            match &*Word::new(rest.bytes()?) {
                b"MATCH" => filter.pattern = useful(rest.bytes()?),
                b"COUNT" => {
                    let count = u64::try_from(rest.int()?).map_err(|_| Error::Syntax)?;
                    filter.count = if count > 0 { count } else { return Err(Error::Syntax) };
                }
                b"TYPE" => filter.kind = Some(rest.bytes()?),
                b"NOVALUES" => {
                    return Err(Error::Say("ERR NOVALUES option can only be used in HSCAN"));
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(filter)
    }

    fn fits(&self, key: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, key, false))
    }
}

/// `*` alone wants everything, even the empty key, which it does not match as a pattern.
fn useful(pattern: &[u8]) -> Option<&[u8]> {
    (pattern != b"*").then_some(pattern)
}

/// Cursors were read by C's `strtoul` for many years, which lets blanks and a sign lead.
fn read_cursor(text: &[u8]) -> Option<u64> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    std::str::from_utf8(&text[blanks..]).ok()?.parse().ok()
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
