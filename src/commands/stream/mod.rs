//! Streams: the rows of their commands, and what these share. The handlers lie beside, by what they do.

mod add;
mod claim;
mod delete;
mod group;
mod idmp;
mod info;
mod nack;
mod pending;
mod range;
mod read;
mod refs;
mod setid;
mod trim;

use crate::data::stream::{Entry, Id};
use crate::engine::Family;
use crate::engine::command::{admin, container, read, write};
use crate::error::{Error, until_nul};
use crate::resp::{Cursor, List};
use crate::spec::{
    Access, Arg, BLOCKING, Begin, C_STREAM, DENYOOM, FAST, Find, Group, K_ACCESS, K_DELETE,
    K_INSERT, K_UPDATE, KeySpec, LOADING, MOVABLEKEYS, STALE, block, integer, key, key_at, one_of,
    string, token, unix_time,
};

const COUNT: Arg = integer("count").after("COUNT").optional();
const BLOCK: Arg = integer("milliseconds").after("BLOCK").optional();
const STREAMS: Arg =
    block("streams", &[key("key").repeats(), string("id").repeats()]).after("STREAMS");
const ID_OR_NEW: Arg = one_of("id-selector", &[string("id"), token("$").named("new-id")]);
const READ: Arg = integer("entries-read").after("ENTRIESREAD").optional();
const REFS: Arg =
    one_of("condition", &[token("KEEPREF"), token("DELREF"), token("ACKED")]).optional();
const IDS: Arg = block("ids", &[integer("numids"), string("id").repeats()]).after("IDS");
const MAXCOUNT: Arg = integer("maxcount").after("MAXCOUNT").optional().since("8.10.0");
const MAXSIZE: Arg = integer("maxsize").after("MAXSIZE").optional().since("8.10.0");
const TRIM: &[Arg] = &[
    one_of("strategy", &[token("MAXLEN"), token("MINID").since("6.2.0")]),
    one_of("operator", &[token("=").named("equal"), token("~").named("approximately")]).optional(),
    string("threshold"),
    integer("count").after("LIMIT").optional().since("6.2.0"),
];

/// The streams of a command that reads several: the first half of what follows the word.
const fn streams_after(index: i16) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword("STREAMS", index),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        access: Access::ReadOnly,
        flags: K_ACCESS,
    }
}

pub const FAMILY: Family = Family {
    group: Group::Stream,
    commands: &[
        write("XADD", add::xadd)
            .arity(-5)
            .flags(DENYOOM | FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("5.0.0")
            .complexity("O(1), and O(N) when N entries are trimmed")
            .summary("Adds an entry to a stream.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), token("NOMKSTREAM").optional().since("6.2.0"), REFS.since("8.2.0"), one_of("idmp", &[string("pid").after("IDMPAUTO"), block("idmp-block", &[string("pid"), string("iid")]).after("IDMP")]).optional().since("8.6.0"), block("trim", TRIM).optional(), one_of("id-selector", &[token("*").named("auto-id"), string("id")]), block("data", &[string("field"), string("value")]).repeats()]),
        read("XLEN", range::xlen)
            .arity(2)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadOnly, 0)])
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Counts the entries of a stream.")
            .args(&[key("key")]),
        read("XRANGE", range::xrange)
            .arity(-4)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(log N + M), when M entries are returned")
            .summary("Returns the entries of a range of ids.")
            .args(&[key("key"), string("start"), string("end"), COUNT]),
        read("XREVRANGE", range::xrevrange)
            .arity(-4)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(log N + M), when M entries are returned")
            .summary("Returns the entries of a range of ids, the last one first.")
            .args(&[key("key"), string("end"), string("start"), COUNT]),
        read("XREAD", read::xread)
            .arity(-4)
            .flags(BLOCKING | MOVABLEKEYS)
            .categories(C_STREAM)
            .keys(&[streams_after(1)])
            .since("5.0.0")
            .complexity("O(M), when M entries are returned")
            .summary(
                "Returns the entries of some streams that come after an id, or waits for them.",
            )
            .args(&[COUNT, MAXCOUNT, MAXSIZE, BLOCK, STREAMS]),
        write("XDEL", delete::xdel)
            .arity(-3)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("5.0.0")
            .complexity("O(log N) for each id")
            .summary("Deletes entries of a stream.")
            .args(&[key("key"), string("id").repeats()]),
        write("XDELEX", delete::xdelex)
            .arity(-5)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("8.2.0")
            .complexity("O(log N) for each id")
            .summary("Deletes entries of a stream, and minds the groups that have read them.")
            .args(&[key("key"), REFS, IDS]),
        write("XACKDEL", delete::xackdel)
            .arity(-6)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE | K_DELETE)])
            .since("8.2.0")
            .complexity("O(log N) for each id")
            .summary("Acknowledges entries, and deletes them.")
            .args(&[key("key"), string("group"), REFS, IDS]),
        write("XNACK", nack::xnack)
            .arity(-7)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("8.8.0")
            .complexity("O(log N) for each id, when N entries are pending")
            .summary("Gives entries back that were read for a group, for others to claim.")
            .args(&[key("key"), string("group"), one_of("mode", &[token("SILENT"), token("FAIL"), token("FATAL")]), IDS, integer("count").after("RETRYCOUNT").optional(), token("FORCE").optional()]),
        write("XCFGSET", idmp::xcfgset)
            .arity(-2)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("8.6.0")
            .complexity("O(1)")
            .summary("Says how long a stream recognises entries that are added twice.")
            .args(&[key("key"), integer("idmp-duration").after("IDMP-DURATION").optional(), integer("idmp-maxsize").after("IDMP-MAXSIZE").optional()]),
        write("XIDMPRECORD", idmp::xidmprecord)
            .arity(5)
            .flags(DENYOOM | FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("8.6.2")
            .complexity("O(1)")
            .summary("Says who has added an entry; for replication.")
            .args(&[key("key"), string("pid"), string("iid"), string("stream-id")]),
        write("XTRIM", trim::xtrim)
            .arity(-4)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("5.0.0")
            .complexity("O(N), when N entries are trimmed; whole blocks of them go at once")
            .summary("Removes entries at the beginning of a stream.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), block("trim", TRIM), REFS.since("8.2.0")]),
        write("XSETID", setid::xsetid)
            .arity(-3)
            .flags(DENYOOM | FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Sets the last id of a stream; for replication.")
            .args(&[
                key("key"),
                string("last-id"),
                integer("entries-added").after("ENTRIESADDED").optional().since("7.0.0"),
                string("max-deleted-id").after("MAXDELETEDID").optional().since("7.0.0"),
            ]),
        container("XGROUP")
            .since("5.0.0")
            .complexity("Depends on subcommand.")
            .summary("Makes, changes and removes groups of consumers."),
        write("XGROUP|CREATE", group::create)
            .arity(-5)
            .flags(DENYOOM)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadWrite, K_INSERT)])
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Makes a group of consumers.")
            .args(&[key("key"), string("group"), ID_OR_NEW, token("MKSTREAM").optional(), READ.since("7.0.0")]),
        write("XGROUP|SETID", group::setid)
            .arity(-5)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadWrite, K_UPDATE)])
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Lets a group go on after another entry.")
            .args(&[key("key"), string("group"), ID_OR_NEW, READ.since("7.0.0")]),
        write("XGROUP|DESTROY", group::destroy)
            .arity(4)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadWrite, K_DELETE)])
            .since("5.0.0")
            .complexity("O(1): what was pending is freed elsewhere")
            .summary("Removes a group.")
            .args(&[key("key"), string("group")]),
        write("XGROUP|CREATECONSUMER", group::create_consumer)
            .arity(5)
            .flags(DENYOOM)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadWrite, K_INSERT)])
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Makes a consumer of a group.")
            .args(&[key("key"), string("group"), string("consumer")]),
        write("XGROUP|DELCONSUMER", group::delete_consumer)
            .arity(5)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadWrite, K_DELETE)])
            .since("5.0.0")
            .complexity("O(N log M), when N of M entries are pending for the consumer")
            .summary("Removes a consumer, and what it has not acknowledged.")
            .args(&[key("key"), string("group"), string("consumer")]),
        admin("XGROUP|HELP", group::help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_STREAM)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
        write("XREADGROUP", read::xreadgroup)
            .arity(-7)
            .flags(BLOCKING | MOVABLEKEYS)
            .categories(C_STREAM)
            .keys(&[streams_after(4)])
            .since("5.0.0")
            .complexity("O(M), when M entries are returned")
            .summary("Returns entries for a consumer of a group: new ones, or those it has not acknowledged; or waits.")
            .args(&[block("group-block", &[string("group"), string("consumer")]).after("GROUP"), COUNT, MAXCOUNT, MAXSIZE, BLOCK, integer("min-idle-time").after("CLAIM").optional().since("8.4.0"), token("NOACK").optional(), STREAMS]),
        write("XACK", pending::xack)
            .arity(-4)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("5.0.0")
            .complexity("O(log N) for each id, when N entries are pending")
            .summary("Acknowledges entries that were read for a group.")
            .args(&[key("key"), string("group"), string("id").repeats()]),
        read("XPENDING", pending::xpending)
            .arity(-3)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(log N + M), when M entries of N are returned; with IDLE, of those that are looked at")
            .summary("Lists the entries that were read for a group and not acknowledged.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), string("group"), block("filters", &[integer("min-idle-time").after("IDLE").optional().since("6.2.0"), string("start"), string("end"), integer("count"), string("consumer").optional()]).optional()]),
        write("XCLAIM", claim::xclaim)
            .arity(-6)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("5.0.0")
            .complexity("O(log N) for each id, when N entries are pending")
            .summary("Gives a consumer entries that another one has not acknowledged.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), string("group"), string("consumer"), string("min-idle-time"), string("id").repeats(), integer("ms").after("IDLE").optional(), unix_time("unix-time-milliseconds").after("TIME").optional(), integer("count").after("RETRYCOUNT").optional(), token("FORCE").optional(), token("JUSTID").optional(), string("lastid").after("LASTID").optional()]),
        write("XAUTOCLAIM", claim::xautoclaim)
            .arity(-6)
            .flags(FAST)
            .categories(C_STREAM)
            .keys(&[key_at(1, Access::ReadWrite, K_DELETE)])
            .since("6.2.0")
            .complexity("O(1), if COUNT is small")
            .summary("Gives a consumer entries that others have not acknowledged for some time.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), string("group"), string("consumer"), string("min-idle-time"), string("start"), COUNT, token("JUSTID").optional()]),
        container("XINFO")
            .since("5.0.0")
            .complexity("Depends on subcommand.")
            .summary("Tells about streams, groups and consumers."),
        read("XINFO|STREAM", info::stream)
            .arity(-3)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(1), and O(N) with FULL, when N things are listed")
            .summary("Tells about a stream.")
            .args(&[key("key"), block("full-block", &[token("FULL"), COUNT]).optional()]),
        read("XINFO|GROUPS", info::groups)
            .arity(3)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(N), when there are N groups")
            .summary("Tells about the groups of a stream.")
            .args(&[key("key")]),
        read("XINFO|CONSUMERS", info::consumers)
            .arity(4)
            .categories(C_STREAM)
            .keys(&[key_at(2, Access::ReadOnly, K_ACCESS)])
            .since("5.0.0")
            .complexity("O(N), when there are N consumers")
            .summary("Tells about the consumers of a group.")
            .tips(&["nondeterministic_output"])
            .args(&[key("key"), string("group")]),
        admin("XINFO|HELP", info::help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_STREAM)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
    ],
};

const BAD_ID: Error = Error::Say("ERR Invalid stream ID specified as stream command argument");

/// An id, of which the number may be missing.
fn id(text: &[u8], missing_seq: u64) -> Result<Id, Error> {
    Id::parse(text, missing_seq).ok_or(BAD_ID)
}

/// An id, or `-` or `+` for the least and the greatest there is.
fn id_or_end(text: &[u8], missing_seq: u64) -> Result<Id, Error> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => id(text, missing_seq),
    }
}

/// Where a range begins, with itself or, after a bracket, without.
fn range_start(text: &[u8]) -> Result<Id, Error> {
    const BAD: Error = Error::Say("ERR invalid start ID for the interval");
    match text {
        [b'(', exact @ ..] if !exact.is_empty() => id(exact, 0)?.next().ok_or(BAD),
        _ => id_or_end(text, 0),
    }
}

/// Where a range ends.
fn range_end(text: &[u8]) -> Result<Id, Error> {
    const BAD: Error = Error::Say("ERR invalid end ID for the interval");
    match text {
        [b'(', exact @ ..] if !exact.is_empty() => id(exact, u64::MAX)?.previous().ok_or(BAD),
        _ => id_or_end(text, u64::MAX),
    }
}

/// The number behind COUNT, of which a negative one is zero.
fn count(words: &mut Cursor) -> Result<u64, Error> {
    Ok(u64::try_from(words.int()?).unwrap_or(0))
}

/// There is no such group.
fn no_group(key: &[u8], name: &[u8], after: &str) -> Error {
    let (key, name) = (until_nul(key), until_nul(name));
    let after = [b"'", after.as_bytes()].concat();
    Error::Text(
        [b"NOGROUP No such key '", key, b"' or consumer group '", name, &after].concat().into(),
    )
}

/// The same, where there is the key.
fn no_group_in(key: &[u8], name: &[u8]) -> Error {
    let (key, name) = (until_nul(key), until_nul(name));
    let parts = [b"NOGROUP No such consumer group '", name, b"' for key name '", key, b"'"];
    Error::Text(parts.concat().into())
}

/// An id and an array of names and values.
fn write_entry(list: &mut List, entry: Entry) {
    let mut pair = list.list(2);
    pair.bulk(&entry.id.text());
    let mut items = pair.list(entry.fields.len());
    entry.fields.for_each(|item| items.text(item));
    items.close();
    pair.close();
}
