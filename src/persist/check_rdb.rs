//! Is a dump whole? What `redis-check-rdb` and its like say of one, in their words.
//!
//! The dump is read as for loading, value by value, and nothing is kept. Under the name of Valkey's tool it speaks
//! for Valkey: of versions that are not Valkey's it says that they are foreign, or to come.

use crate::base::histogram::Histogram;
use crate::data::stream::Id;
use crate::data::value::View;
use crate::data::{Collection, Type};
use crate::rdb::codes::{Family, version};
use crate::rdb::read::{Entry, Error, Item, Kind, Options, Reader, Shapes, Skip, Step};
use crate::world::Millis;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// How a dump is looked at, and what is said of it.
#[derive(Clone, Debug)]
pub struct Check {
    /// What the dump is called.
    pub name: String,
    /// For whom it is looked at; nobody is Russet.
    pub speaks_for: Option<Family>,
    pub now: Millis,
    pub stats: Option<Format>,
}

/// How the sizes of keys are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line for each number.
    Info,
    /// A line for each kind of number, and a column for each type.
    Table,
    Csv,
}

/// Looks at a dump, and says how it is; whether it is whole.
pub fn check<R: Read>(
    from: R,
    size: Option<u64>,
    how: &Check,
    out: &mut impl Write,
) -> io::Result<bool> {
    // Who speaks for Valkey tries what Valkey would try.
    let relaxed = how.speaks_for == Some(Family::Valkey);
    let mut reader =
        Reader::new(from, &Shapes::default(), Options { checksum: true, relaxed, size });
    writeln!(out, "[offset 0] Checking RDB file {}", how.name)?;
    let mut seen = Seen::default();
    let read = read(&mut reader, how, &mut seen, out)?;
    if let Err(error) = &read {
        seen.keys += u64::from(reader.doing().step == Step::ReadObjectValue);
        tell_error(&reader, error, &seen, how, out)?;
    } else if seen.age(how) == Age::Ours {
        writeln!(out, "[offset {}] \\o/ RDB looks OK! \\o/", reader.offset())?;
    } else {
        writeln!(
            out,
            "[offset {}] \\o/ RDB looks OK, but loading requires config 'rdb-version-check relaxed'",
            reader.offset()
        )?;
    }
    seen.tell(how, out)?;
    Ok(read.is_ok())
}

/// What was met.
#[derive(Default)]
struct Seen {
    version: u32,
    family: Option<Family>,
    db: usize,
    keys: u64,
    expires: u64,
    expired: u64,
    /// Hashes and others whose elements have deadlines.
    mortals: u64,
    functions: u64,
    skipped: u64,
    sizes: BTreeMap<(usize, u8), Sizes>,
}

/// How old the version is for whom the tool speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Ours,
    Foreign,
    Future,
}

fn read<R: Read>(
    reader: &mut Reader<R>,
    how: &Check,
    seen: &mut Seen,
    out: &mut impl Write,
) -> io::Result<Result<(), Error>> {
    loop {
        let item = match reader.next() {
            Ok(Some(item)) => item,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let offset = reader.offset();
        match item {
            Item::Header { version, family } => {
                (seen.version, seen.family) = (version, Some(family));
                match seen.age(how) {
                    Age::Ours => (),
                    Age::Foreign => {
                        writeln!(out, "[offset {offset}] Foreign RDB version {version} detected")?;
                    }
                    Age::Future => {
                        writeln!(out, "[offset {offset}] Future RDB version {version} detected")?;
                    }
                }
            }
            Item::Aux { name, value } => {
                write!(out, "[offset {offset}] AUX FIELD ")?;
                out.write_all(&name)?;
                out.write_all(b" = '")?;
                out.write_all(&value)?;
                out.write_all(b"'\n")?;
            }
            Item::Database(db) => {
                writeln!(out, "[offset {offset}] Selecting DB ID {db}")?;
                seen.db = db;
            }
            Item::Sizes { .. } => (),
            Item::Function(_) => seen.functions += 1,
            Item::Entry(entry) => seen.count(&entry, how),
            Item::Skipped { what, why } => {
                writeln!(out, "[offset {offset}] Passed over: {what}")?;
                seen.skipped += 1;
                seen.keys += u64::from(why != Skip::Foreign);
            }
            Item::End { checksum: Some(_) } => writeln!(out, "[offset {offset}] Checksum OK")?,
            Item::End { checksum: None } if seen.version >= version::CHECKSUM => writeln!(
                out,
                "[offset {offset}] RDB file was saved with checksum disabled: no check performed."
            )?,
            Item::End { checksum: None } => (),
        }
    }
}

fn tell_error<R: Read>(
    reader: &Reader<R>,
    error: &Error,
    seen: &Seen,
    how: &Check,
    out: &mut impl Write,
) -> io::Result<()> {
    let doing = reader.doing();
    writeln!(out, "--- RDB ERROR DETECTED ---")?;
    let code = doing.code.unwrap_or_default();
    let what = match error.kind {
        Kind::Checksum => "RDB CRC error".to_owned(),
        Kind::Unknown if doing.step == Step::ReadType && seen.age(how) == Age::Foreign => {
            format!("Unknown object type {code} in RDB file with foreign version {}", seen.version)
        }
        Kind::Unknown if doing.step == Step::ReadType && seen.age(how) == Age::Future => {
            format!("Unknown object type {code} in RDB file with future version {}", seen.version)
        }
        _ => error.what.clone(),
    };
    writeln!(out, "[offset {}] {what}", error.offset)?;
    writeln!(out, "[additional info] While doing: {}", doing.step.name())?;
    if doing.step == Step::ReadObjectValue {
        if let Some(key) = &doing.key {
            writeln!(out, "[additional info] Reading key '{}'", String::from_utf8_lossy(key))?;
        }
        let name = type_name(code, seen.family.unwrap_or(Family::Redis));
        writeln!(out, "[additional info] Reading type {code} ({name})")?;
    }
    Ok(())
}

impl Seen {
    fn age(&self, how: &Check) -> Age {
        match how.speaks_for {
            Some(Family::Valkey) if self.is_foreign() => Age::Foreign,
            Some(Family::Valkey) if self.is_future() => Age::Future,
            _ => Age::Ours,
        }
    }

    fn is_foreign(&self) -> bool {
        self.version > version::COMMON && self.version < version::FIRST_VALKEY
    }

    fn is_future(&self) -> bool {
        self.version > version::VALKEY_9
    }

    fn count(&mut self, entry: &Entry, how: &Check) {
        self.keys += 1;
        self.expires += u64::from(entry.deadline.is_some());
        let is_over = entry.deadline.is_some_and(|deadline| deadline < how.now);
        self.expired += u64::from(is_over);
        let view = entry.value.view();
        self.mortals += u64::from(match view {
            View::Set(set) => set.earliest().is_some(),
            View::ZSet(set) => set.earliest().is_some(),
            View::Hash(hash) => hash.earliest().is_some(),
            _ => false,
        });
        if how.stats.is_some() {
            let sizes = self.sizes.entry((self.db, entry.value.kind() as u8)).or_default();
            sizes.keys += 1;
            sizes.expires += u64::from(entry.deadline.is_some());
            sizes.expired += u64::from(is_over);
            sizes.key_bytes += entry.key.len() as u64;
            sizes.count(view);
        }
    }

    fn tell(&self, how: &Check, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "[info] {} keys read", self.keys)?;
        writeln!(out, "[info] {} expires", self.expires)?;
        writeln!(out, "[info] {} already expired", self.expired)?;
        writeln!(out, "[info] {} subexpires", self.mortals)?;
        writeln!(out, "[info] {} functions", self.functions)?;
        if self.skipped > 0 {
            writeln!(out, "[info] {} passed over", self.skipped)?;
        }
        match how.stats {
            Some(format) => self.tell_sizes(format, out),
            None => Ok(()),
        }
    }

    fn tell_sizes(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let last = self.sizes.keys().map(|(db, _)| *db).max().unwrap_or(0);
        let none = Sizes::default();
        for db in 0..=last {
            // A dump may leave out most databases.
            let is_there = db == 0 || self.sizes.range((db, 0)..(db + 1, 0)).next().is_some();
            if !is_there {
                continue;
            }
            let of = |kind: Type| self.sizes.get(&(db, kind as u8)).unwrap_or(&none);
            match format {
                Format::Info => {
                    for (field, number) in FIELDS {
                        for kind in Type::ALL {
                            let name = kind.name();
                            let number = number(of(kind));
                            writeln!(out, "[info] db.{db}.type.{name}.{field}:{number}")?;
                        }
                    }
                }
                Format::Table | Format::Csv => {
                    let names = Type::ALL.map(|kind| kind.name().to_owned());
                    row(&format!("db.{db}.type.name"), &names, format, out)?;
                    for (field, number) in FIELDS {
                        let numbers = Type::ALL.map(|kind| number(of(kind)));
                        row(&format!("db.{db}.{field}"), &numbers, format, out)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn row(name: &str, columns: &[String], format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Csv => writeln!(out, "{name},{}", columns.join(",")),
        _ => {
            write!(out, "{name:<30}")?;
            for column in columns {
                write!(out, "\t{column:<5}")?;
            }
            writeln!(out)
        }
    }
}

/// The keys of one type in one database.
#[derive(Default)]
struct Sizes {
    keys: u64,
    expires: u64,
    expired: u64,
    key_bytes: u64,
    elements: u64,
    elements_max: u64,
    bytes: u64,
    bytes_max: u64,
    /// Elements of a key, and bytes of an element.
    by_elements: Histogram,
    by_bytes: Histogram,
}

impl Sizes {
    fn count(&mut self, view: View) {
        let elements = match view {
            View::Text(text) => {
                self.element(text.len());
                1
            }
            View::List(list) => {
                list.iter().for_each(|item| self.element(item.len()));
                list.len()
            }
            View::Set(set) => {
                set.iter().for_each(|member| self.element(member.len()));
                set.len()
            }
            View::ZSet(set) => {
                set.iter().for_each(|(member, _)| self.element(member.len() + SCORE_BYTES));
                set.len()
            }
            View::Scores(set) => {
                set.iter().for_each(|(member, _)| self.element(member.len() + SCORE_BYTES));
                set.len()
            }
            View::Hash(hash) => {
                hash.iter().for_each(|(field, value)| self.element(field.len() + value.len()));
                hash.len()
            }
            View::Stream(stream) => {
                for entry in stream.range(Id::MIN, Id::MAX) {
                    self.element(entry.fields.map(|item| item.len()).sum());
                }
                stream.len()
            }
        } as u64;
        self.elements += elements;
        self.elements_max = self.elements_max.max(elements);
        self.by_elements.record(elements);
    }

    fn element(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes += bytes;
        self.bytes_max = self.bytes_max.max(bytes);
        self.by_bytes.record(bytes);
    }
}

const SCORE_BYTES: usize = 8;

/// A number as it is told.
type Number = fn(&Sizes) -> String;

const FIELDS: [(&str, Number); 17] = [
    ("keys.total", |sizes| sizes.keys.to_string()),
    ("expire_keys.total", |sizes| sizes.expires.to_string()),
    ("already_expired.total", |sizes| sizes.expired.to_string()),
    ("keys.size", |sizes| sizes.key_bytes.to_string()),
    ("keys.value_size", |sizes| sizes.bytes.to_string()),
    ("elements.total", |sizes| sizes.elements.to_string()),
    ("elements.size", |sizes| sizes.bytes.to_string()),
    ("elements.num.max", |sizes| sizes.elements_max.to_string()),
    ("elements.num.avg", |sizes| average(sizes.elements, sizes.keys)),
    ("elements.num.p99", |sizes| percentile(&sizes.by_elements, 99.0)),
    ("elements.num.p90", |sizes| percentile(&sizes.by_elements, 90.0)),
    ("elements.num.p50", |sizes| percentile(&sizes.by_elements, 50.0)),
    ("elements.size.max", |sizes| sizes.bytes_max.to_string()),
    ("elements.size.avg", |sizes| average(sizes.bytes, sizes.elements)),
    ("elements.size.p99", |sizes| percentile(&sizes.by_bytes, 99.0)),
    ("elements.size.p90", |sizes| percentile(&sizes.by_bytes, 90.0)),
    ("elements.size.p50", |sizes| percentile(&sizes.by_bytes, 50.0)),
];

fn average(sum: u64, count: u64) -> String {
    format!("{:.2}", if count == 0 { 0.0 } else { sum as f64 / count as f64 })
}

fn percentile(of: &Histogram, percent: f64) -> String {
    format!("{:.2}", of.percentile(percent) as f64)
}

/// What the tools call a type.
fn type_name(code: u8, family: Family) -> &'static str {
    const NAMES: [&str; 22] = [
        "string",
        "list-linked",
        "set-hashtable",
        "zset-v1",
        "hash-hashtable",
        "zset-v2",
        "module-pre-release",
        "module-value",
        "",
        "hash-zipmap",
        "list-ziplist",
        "set-intset",
        "zset-ziplist",
        "hash-ziplist",
        "quicklist",
        "stream",
        "hash-listpack",
        "zset-listpack",
        "quicklist-v2",
        "stream-v2",
        "set-listpack",
        "stream-v3",
    ];
    const REDIS: [&str; 11] = [
        "hash-hashtable-md-pre-release",
        "hash-listpack-md-pre-release",
        "hash-hashtable-md",
        "hash-listpack-md",
        "stream-v4",
        "stream-v5",
        "array",
        "hash-template-listpack",
        "hash-template-listpack-ref",
        "hash-template-array",
        "hash-template-array-ref",
    ];
    let beyond = usize::from(code).checked_sub(NAMES.len());
    match (beyond, family) {
        (None, _) => NAMES[usize::from(code)],
        (Some(0), Family::Valkey) => "hash-volatile-items",
        (Some(at), Family::Redis) => REDIS.get(at).copied().unwrap_or("unknown"),
        _ => "unknown",
    }
}
