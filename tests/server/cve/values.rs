//! Commands for data: numbers at the ends of their ranges, counts, patterns, strings that are read as something.

use super::{answers, fine, is_well, refuses, scene, text};
use crate::hostile::{ALONE, MIB, assert_grown_less};
use crate::process::resident;
use crate::support::value::Value;

const LEAST: &str = "-9223372036854775808";
const MOST: &str = "9223372036854775807";

/// A sparse sketch whose runs go past the last register: 16,384 of them, and each run says how many more.
#[test]
fn cve_2025_32023_runs_of_a_sketch_end_with_it() {
    let (mut server, mut client) = scene(&[]);
    // Sparse, and what was counted last is not believed.
    let head = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80";
    let sketches: [(&str, Vec<u8>); 7] = [
        // XZERO: 16,384 zeros each.
        ("two of all", b"\x7f\xff\x7f\xff".to_vec()),
        ("very many", [0x7f, 0xff].repeat(140_000)),
        ("one too many", b"\x7f\xff\x00".to_vec()),
        ("a value too many", b"\x7f\xff\x80".to_vec()),
        ("too few", b"\x7f\xfe".to_vec()),
        ("half of one", b"\x7f\xff\x40".to_vec()),
        // Sums that wrap around when they are 16 or 32 bits wide.
        ("around", [b"\x7f\xff".repeat(4 * 16_384), b"\x84".to_vec()].concat()),
    ];
    for (what, runs) in sketches {
        let sketch = [&head[..], &runs].concat();
        client.call(&[&b"SET"[..], b"sketch", &sketch]);
        for line in [
            &["PFCOUNT", "sketch"][..],
            &["PFMERGE", "other", "sketch"],
            &["PFCOUNT", "sketch", "nothing"],
            &["PFDEBUG", "GETREG", "sketch"],
            &["PFDEBUG", "TODENSE", "sketch"],
        ] {
            let reply = client.call(line);
            assert!(reply.is_error(), "{what}: {line:?}: {reply}");
            assert!(
                text(&reply).starts_with("INVALIDOBJ") || text(&reply).starts_with("ERR"),
                "{reply}"
            );
        }
        // Adding stops at the register it looks for; what is behind that is still looked at by who counts.
        client.call(&["PFADD", "sketch", "a", "b", "c"]);
        refuses(&mut client, &["PFCOUNT", "sketch"], "");
    }
    is_well(&mut server);
}

/// A dense sketch that is shorter than its registers, and strings that are almost one.
#[test]
fn cve_2019_10192_a_sketch_is_looked_at_each_time() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["PFADD", "whole", "a", "b", "c"]);
    fine(&mut client, &["PFDEBUG", "TODENSE", "whole"]);
    let whole = client.call(&["GET", "whole"]).text().expect("it is a string").to_vec();
    for at in [1, 4, 5, 15, 16, 17, 100, whole.len() - 1] {
        client.call(&[&b"SET"[..], b"cut", &whole[..at]]);
        refuses(&mut client, &["PFCOUNT", "cut"], "WRONGTYPE");
        refuses(&mut client, &["PFADD", "cut", "x"], "WRONGTYPE");
        refuses(&mut client, &["PFMERGE", "target", "whole", "cut"], "WRONGTYPE");
    }
    client.call(&[&b"SET"[..], b"long", &[&whole[..], b"more"].concat()]);
    refuses(&mut client, &["PFCOUNT", "long"], "WRONGTYPE");
    fine(&mut client, &["APPEND", "whole", "x"]);
    refuses(&mut client, &["PFADD", "whole", "x"], "WRONGTYPE");
    is_well(&mut server);
}

/// The same for a sketch that says it is of a form that does not exist.
#[test]
fn cve_2019_10193_a_sketch_of_no_form_is_none() {
    let (mut server, mut client) = scene(&[]);
    for form in [2_u8, 3, 0x7f, 0xff] {
        let sketch = [&b"HYLL"[..], &[form], &[0; 11], &[0x7f, 0xff]].concat();
        client.call(&[&b"SET"[..], b"odd", &sketch]);
        refuses(&mut client, &["PFCOUNT", "odd"], "WRONGTYPE");
        refuses(&mut client, &["PFADD", "odd", "x"], "WRONGTYPE");
    }
    // Bytes set one by one, in the middle of a good one.
    fine(&mut client, &["PFADD", "good", "a", "b", "c", "d"]);
    let length = client.call(&["GET", "good"]).text().expect("it is a string").len();
    for at in 4..length.min(60) {
        for byte in ["\x00", "\x7f", "\x01"] {
            fine(&mut client, &["COPY", "good", "hurt", "REPLACE"]);
            fine(&mut client, &["SETRANGE", "hurt", &at.to_string(), byte]);
            client.call(&["PFCOUNT", "hurt", "good"]);
            client.call(&["PFADD", "hurt", "e", "f", "g"]);
            client.call(&["PFMERGE", "hurt", "good"]);
        }
    }
    is_well(&mut server);
}

/// More ids than fit where they were kept.
#[test]
fn cve_2025_62507_as_many_ids_as_were_sent() {
    let (mut server, mut client) = scene(&[]);
    for entry in 1..=300 {
        fine(&mut client, &["XADD", "s", &format!("{entry}-0"), "f", "v"]);
    }
    fine(&mut client, &["XGROUP", "CREATE", "s", "g", "0"]);
    fine(&mut client, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"]);
    let ids: Vec<String> = (1..=300).map(|entry| format!("{entry}-0")).collect();
    let line = |head: &[&str]| -> Vec<String> {
        head.iter()
            .map(ToString::to_string)
            .chain(["IDS".into(), "300".into()])
            .chain(ids.clone())
            .collect()
    };
    let reply = client.call(&line(&["XACKDEL", "s", "g"]));
    assert_eq!(reply, Value::Array(vec![Value::Int(1); 300]));
    answers(&mut client, &["XLEN", "s"], Value::Int(0));
    let reply = client.call(&line(&["XDELEX", "s"]));
    assert_eq!(reply, Value::Array(vec![Value::Int(-1); 300]));
    for count in ["301", "299", "0", "-1", MOST, LEAST] {
        let mut line = line(&["XACKDEL", "s", "g"]);
        line[4] = count.into();
        assert!(client.call(&line).is_error(), "{count}");
    }
    refuses(&mut client, &["XACKDEL", "s", "g", "IDS"], "");
    refuses(&mut client, &["HGETEX", "h", "FIELDS"], "");
    refuses(&mut client, &["HGETEX", "h", "EX", "1", "FIELDS", MOST, "a"], "");
    is_well(&mut server);
}

/// Patterns that nest, so that a matcher which calls itself never ends, or never returns.
const PATTERNS: [&str; 3] = ["*a", "a*", "*?"];

fn hostile_patterns() -> impl Iterator<Item = String> {
    let nested = PATTERNS.iter().map(|part| part.repeat(20_000) + "b");
    let classes =
        ["[a-z]*".repeat(20_000) + "b", format!("*[{}]*b", "a".repeat(50_000)), "[".repeat(50_000)];
    nested.chain(classes)
}

/// Time: every star is tried at every place.
#[test]
fn cve_2022_36021_patterns_take_linear_time() {
    let (mut server, mut client) = scene(&[]);
    let key = "a".repeat(20_000);
    fine(&mut client, &["SET", &key, "1"]);
    fine(&mut client, &["SADD", "set", &key]);
    fine(&mut client, &["HSET", "hash", &key, "1"]);
    for pattern in hostile_patterns().chain([format!("*{}b", "a".repeat(10_000))]) {
        for line in [
            &["KEYS", &*pattern][..],
            &["SCAN", "0", "MATCH", &pattern],
            &["SSCAN", "set", "0", "MATCH", &pattern],
            &["HSCAN", "hash", "0", "MATCH", &pattern],
        ] {
            // The client's patience ends before a matcher that tries everything does.
            fine(&mut client, line);
        }
    }
    is_well(&mut server);
}

/// Depth: wherever a pattern is taken, however long it is.
#[test]
fn cve_2024_31228_patterns_take_no_stack() {
    let (mut server, mut client) = scene(&[]);
    fine(
        &mut client,
        &["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() end)"],
    );
    let mut listener = server.connect();
    listener.send(&["SUBSCRIBE", &"a".repeat(1000)]).expect("it takes bytes");
    listener.read_reply().expect("it is confirmed");
    let mut follower = server.connect();
    for pattern in hostile_patterns() {
        for line in [
            &["CONFIG", "GET", &*pattern][..],
            &["COMMAND", "LIST", "FILTERBY", "PATTERN", &pattern],
            &["FUNCTION", "LIST", "LIBRARYNAME", &pattern],
            &["PUBSUB", "CHANNELS", &pattern],
            &["SORT", "list", "BY", &pattern, "GET", &pattern],
        ] {
            fine(&mut client, line);
        }
        follower.send(&["PSUBSCRIBE", &pattern]).expect("it takes bytes");
        follower.read_reply().expect("it is confirmed");
        fine(&mut client, &["PUBLISH", &"a".repeat(10_000), "message"]);
    }
    is_well(&mut server);
}

/// Counts of elements by chance: the least number has no absolute value, and twice the most overflows.
#[test]
fn cve_2023_25155_counts_have_bounds() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["SADD", "s", "a", "b", "c"]);
    fine(&mut client, &["ZADD", "z", "1", "a", "2", "b"]);
    fine(&mut client, &["HSET", "h", "a", "1", "b", "2"]);
    for count in [LEAST, "-9223372036854775807"] {
        refuses(&mut client, &["SRANDMEMBER", "s", count], "out of range");
        refuses(&mut client, &["ZRANDMEMBER", "z", count], "out of range");
        refuses(&mut client, &["HRANDFIELD", "h", count], "out of range");
    }
    let all = client.call(&["SRANDMEMBER", "s", MOST]);
    assert_eq!(all.items().map(<[Value]>::len), Some(3));
    for line in
        [["SRANDMEMBER", "s", "9223372036854775808"], ["SPOP", "s", "-1"], ["SPOP", "s", LEAST]]
    {
        refuses(&mut client, &line, "");
    }
    is_well(&mut server);
}

/// With values each element is two.
#[test]
fn cve_2023_22458_counts_with_values_are_doubled_with_care() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["ZADD", "z", "1", "a", "2", "b"]);
    fine(&mut client, &["HSET", "h", "a", "1", "b", "2"]);
    for count in [LEAST, "-4611686018427387905", "-9223372036854775807"] {
        refuses(&mut client, &["ZRANDMEMBER", "z", count, "WITHSCORES"], "out of range");
        refuses(&mut client, &["HRANDFIELD", "h", count, "WITHVALUES"], "out of range");
    }
    for count in ["4611686018427387904", MOST] {
        let values = client.call(&["HRANDFIELD", "h", count, "WITHVALUES"]);
        assert!(values.is_error() || values.items().map(<[Value]>::len) == Some(4), "{values}");
        let scores = client.call(&["ZRANDMEMBER", "z", count, "WITHSCORES"]);
        assert!(scores.is_error() || scores.items().map(<[Value]>::len) == Some(4), "{scores}");
    }
    is_well(&mut server);
}

/// Strings that would be longer than any may be, and limits whose sum overflows.
#[test]
fn cve_2022_35977_offsets_and_limits_are_added_with_care() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    let before = resident(server.pid());
    let too_long = "string exceeds maximum allowed size";
    for offset in ["536870912", "4294967295", MOST, "9223372036854775806"] {
        refuses(&mut client, &["SETRANGE", "k", offset, "abc"], too_long);
    }
    refuses(&mut client, &["SETRANGE", "k", "-1", "abc"], "offset is out of range");
    fine(&mut client, &["RPUSH", "l", "3", "1", "2"]);
    let sorted = |items: &[&str]| Value::Array(items.iter().map(Value::bulk).collect());
    for (start, count, expected) in [
        ("0", MOST, &["1", "2", "3"][..]),
        ("1", MOST, &["2", "3"]),
        (MOST, MOST, &[]),
        ("2", "9223372036854775806", &["3"]),
        (LEAST, "2", &["1", "2"]),
        ("0", LEAST, &["1", "2", "3"]),
    ] {
        for command in ["SORT", "SORT_RO"] {
            answers(&mut client, &[command, "l", "LIMIT", start, count], sorted(expected));
        }
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 64 * MIB);
}

/// Fields of bits whose place overflows when it is multiplied or added to.
#[test]
fn cve_2021_32761_places_of_bits_are_computed_with_care() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    let before = resident(server.pid());
    for offset in [
        "4294967296",
        MOST,
        "#9223372036854775807",
        "#144115188075855872",
        "#288230376151711744",
        "-1",
        "#-1",
        "9223372036854775800",
        "#536870912",
        "18446744073709551615",
    ] {
        for line in [
            &["BITFIELD", "k", "SET", "u63", offset, "1"][..],
            &["BITFIELD", "k", "INCRBY", "i64", offset, "1"],
            &["BITFIELD", "k", "GET", "u63", offset],
            &["SETBIT", "k", offset, "1"],
            &["GETBIT", "k", offset],
        ] {
            refuses(&mut client, line, "bit offset is not an integer or out of range");
        }
    }
    for kind in ["u64", "i65", "u0", "i0", "u-1", "u9223372036854775807", "x8"] {
        refuses(&mut client, &["BITFIELD", "k", "GET", kind, "0"], "Invalid bitfield type");
    }
    answers(&mut client, &["EXISTS", "k"], Value::Int(0));
    // Sums of numbers that are as large as a field.
    for (line, expected) in [
        (["SET", "i64", "0", MOST], Some(0)),
        (["INCRBY", "i64", "0", MOST], Some(-2)),
        (["INCRBY", "i64", "0", LEAST], Some(i64::MAX - 1)),
    ] {
        let reply = client.call(&[&["BITFIELD", "b"][..], &line[..]].concat());
        assert_eq!(reply, Value::Array(expected.map(Value::Int).into_iter().collect()), "{line:?}");
    }
    let line = ["BITFIELD", "b", "OVERFLOW", "SAT", "INCRBY", "i64", "0", MOST];
    answers(&mut client, &line, Value::Array(vec![Value::Int(i64::MAX)]));
    for line in [
        ["BITCOUNT", "b", LEAST, MOST],
        ["BITPOS", "b", "1", LEAST],
        ["GETRANGE", "b", LEAST, MOST],
    ] {
        fine(&mut client, &line);
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 64 * MIB);
}

/// Strings that grow past what their lengths can say, when they may be longer than usual.
#[test]
fn cve_2021_41099_strings_end_at_their_bound() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&["--proto-max-bulk-len", "1mb"]);
    let before = resident(server.pid());
    let half = "x".repeat(700_000);
    let too_long = "string exceeds maximum allowed size";
    fine(&mut client, &["SET", "k", &half]);
    refuses(&mut client, &["APPEND", "k", &half], too_long);
    refuses(&mut client, &["SETRANGE", "k", "1000000", &half], too_long);
    refuses(
        &mut client,
        &["SETBIT", "k", "8388608", "1"],
        "bit offset is not an integer or out of range",
    );
    answers(&mut client, &["STRLEN", "k"], Value::Int(700_000));
    // However large a string may be: what is too large for a length is refused, and not wrapped.
    fine(&mut client, &["CONFIG", "SET", "proto-max-bulk-len", MOST]);
    for offset in [MOST, "9223372036854775800", "9223372036854075807"] {
        let reply = client.call(&["SETRANGE", "k", offset, &half]);
        assert!(reply.is_error(), "{offset}: {reply}");
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 64 * MIB);
}

/// A set of integers that may have as many as one likes.
#[test]
fn cve_2021_32687_sets_of_integers_have_a_bound_of_their_own() {
    let (mut server, mut client) = scene(&["--set-max-intset-entries", "9223372036854775807"]);
    let members: Vec<String> =
        (0..200_000_i64).map(|at| (at * 46_116_860_184_273).to_string()).collect();
    for some in members.chunks(10_000) {
        let line: Vec<&str> =
            ["SADD", "s"].into_iter().chain(some.iter().map(|it| &**it)).collect();
        fine(&mut client, &line);
    }
    answers(&mut client, &["SCARD", "s"], Value::Int(200_000));
    answers(&mut client, &["SISMEMBER", "s", &members[199_999]], Value::Int(1));
    for line in [&["SREM", "s", "0"][..], &["SADD", "s", MOST, LEAST]] {
        fine(&mut client, line);
    }
    answers(&mut client, &["SCARD", "s"], Value::Int(200_001));
    is_well(&mut server);
}

/// The same set, copied and dumped.
#[test]
fn cve_2021_29478_large_sets_of_integers_are_copied_whole() {
    let (mut server, mut client) = scene(&["--set-max-intset-entries", "9223372036854775807"]);
    let members: Vec<String> =
        (0..100_000_i64).map(|at| (at * 92_233_720_368_547).to_string()).collect();
    let line: Vec<&str> = ["SADD", "s"].into_iter().chain(members.iter().map(|it| &**it)).collect();
    fine(&mut client, &line);
    answers(&mut client, &["COPY", "s", "t"], Value::Int(1));
    let dump = client.call(&["DUMP", "s"]).text().expect("it is a string").to_vec();
    assert_eq!(client.call(&[&b"RESTORE"[..], b"u", b"0", &dump]), Value::simple("OK"));
    for key in ["t", "u"] {
        answers(&mut client, &["SCARD", key], Value::Int(100_000));
        answers(&mut client, &["SINTERCARD", "2", "s", key], Value::Int(100_000));
    }
    is_well(&mut server);
}

/// Compact forms that may be as large as one likes.
#[test]
fn cve_2021_32628_compact_forms_have_a_bound_of_their_own() {
    let limits = [
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "zset-max-listpack-entries",
        "zset-max-listpack-value",
        "set-max-listpack-entries",
        "set-max-listpack-value",
    ];
    let (mut server, mut client) = scene(&["--list-max-listpack-size", "32767"]);
    for name in limits {
        fine(&mut client, &["CONFIG", "SET", name, "4294967295"]);
    }
    let long = "x".repeat(300_000);
    for at in 0..20 {
        let name = format!("{at}{long}");
        for line in [
            &["HSET", "h", &*name, &long][..],
            &["ZADD", "z", "1", &name],
            &["SADD", "s", &name],
            &["RPUSH", "l", &name],
        ] {
            fine(&mut client, line);
        }
    }
    let first = format!("0{long}");
    answers(&mut client, &["HGET", "h", &first], Value::bulk(&long));
    answers(&mut client, &["ZSCORE", "z", &first], Value::bulk("1"));
    answers(&mut client, &["SISMEMBER", "s", &first], Value::Int(1));
    answers(&mut client, &["LINDEX", "l", "0"], Value::bulk(&first));
    for (line, count) in
        [(["HLEN", "h"], 20), (["ZCARD", "z"], 20), (["SCARD", "s"], 20), (["LLEN", "l"], 20)]
    {
        answers(&mut client, &line, Value::Int(count));
    }
    is_well(&mut server);
}

/// Entries of streams that are longer than a node's length can say.
#[test]
fn cve_2021_32627_large_entries_of_streams_are_kept_or_refused() {
    let (mut server, mut client) =
        scene(&["--stream-node-max-bytes", "0", "--stream-node-max-entries", "0"]);
    let long = "x".repeat(8 << 20);
    let mut kept = 0;
    for _ in 0..6 {
        let reply = client.call(&["XADD", "s", "*", "field", &long]);
        kept += (!reply.is_error()) as i64;
    }
    answers(&mut client, &["XLEN", "s"], Value::Int(kept));
    let last = client.call(&["XREVRANGE", "s", "+", "-", "COUNT", "1"]);
    assert!(kept > 0 && last.items().is_some_and(|it| it.len() == 1));
    is_well(&mut server);
}

/// The table of the longest common subsequence is as large as the product of two lengths.
#[test]
fn cve_2021_29477_what_two_strings_have_in_common_is_bounded() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    let before = resident(server.pid());
    let long = "ab".repeat(100_000);
    fine(&mut client, &["MSET", "a", &long, "b", &long]);
    for more in [&[][..], &["LEN"], &["IDX"], &["IDX", "WITHMATCHLEN", "MINMATCHLEN", LEAST]] {
        let reply = client.call(&[&["LCS", "a", "b"], more].concat());
        assert!(reply.is_error(), "{more:?}: {reply}");
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 64 * MIB);
}

/// The same, where the product is just below what 32 bits hold, or wraps around to a small number.
#[test]
fn cve_2021_32625_products_of_lengths_do_not_wrap() {
    let _alone = ALONE.lock();
    let (mut server, mut client) = scene(&[]);
    let before = resident(server.pid());
    for (first, second) in
        [(65_535, 65_537), (1 << 16, 1 << 16), (1 << 20, 1 << 12), (1 << 20, 1 << 14)]
    {
        fine(&mut client, &["MSET", "a", &"a".repeat(first), "b", &"b".repeat(second)]);
        let reply = client.call(&["LCS", "a", "b", "LEN"]);
        assert!(reply.is_error(), "{first} by {second}: {reply}");
    }
    is_well(&mut server);
    assert_grown_less(&server, before, 64 * MIB);
}

/// XAUTOCLAIM that meets entries which are deleted, more of them than it was to look at.
#[test]
fn cve_2022_31144_deleted_entries_are_counted_once() {
    let (mut server, mut client) = scene(&[]);
    for entry in 1..=40 {
        fine(&mut client, &["XADD", "s", &format!("{entry}-0"), "f", "v"]);
    }
    fine(&mut client, &["XGROUP", "CREATE", "s", "g", "0"]);
    fine(&mut client, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"]);
    for entry in 1..=40 {
        if entry % 4 != 0 {
            fine(&mut client, &["XDEL", "s", &format!("{entry}-0")]);
        }
    }
    let (mut cursor, mut claimed, mut deleted) = ("0-0".to_string(), 0, 0);
    for _ in 0..100 {
        let reply = client.call(&["XAUTOCLAIM", "s", "g", "d", "0", &cursor, "COUNT", "3"]);
        let parts = reply.items().expect("it has three parts").to_vec();
        claimed += parts[1].items().map_or(0, <[Value]>::len);
        deleted += parts[2].items().map_or(0, <[Value]>::len);
        cursor = text(&parts[0]);
        if cursor == "0-0" {
            break;
        }
    }
    assert_eq!((claimed, deleted), (10, 30));
    is_well(&mut server);
}

/// The count is multiplied.
#[test]
fn cve_2022_35951_counts_of_claims_have_bounds() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["XADD", "s", "1-1", "f", "v"]);
    fine(&mut client, &["XGROUP", "CREATE", "s", "g", "0"]);
    for count in [MOST, "922337203685477580", "0", "-1", LEAST] {
        let line = ["XAUTOCLAIM", "s", "g", "c", "0", "0", "COUNT", count];
        refuses(&mut client, &line, "COUNT must be > 0");
    }
    fine(&mut client, &["XAUTOCLAIM", "s", "g", "c", MOST, "0", "COUNT", "1000000"]);
    fine(&mut client, &["XCLAIM", "s", "g", "c", LEAST, "1-1", "RETRYCOUNT", MOST, "TIME", MOST]);
    is_well(&mut server);
}

/// What the last entry was read into was never given back.
#[test]
fn cve_2022_33105_deleting_from_streams_leaks_nothing() {
    let _alone = ALONE.lock();
    let (server, mut client) = scene(&[]);
    let fields = "x".repeat(2000);
    let round = |client: &mut crate::support::client::Client| {
        for entry in 1..=200 {
            fine(client, &["XADD", "s", &format!("{entry}-0"), "f", &fields]);
        }
        for entry in (1..=200).rev() {
            fine(client, &["XDEL", "s", &format!("{entry}-0")]);
        }
        fine(client, &["DEL", "s"]);
    };
    round(&mut client);
    let before = resident(server.pid());
    // Two thousand entries of 2 kB: what is lost would show.
    (0..30).for_each(|_| round(&mut client));
    assert_grown_less(&server, before, 4 * MIB);
}

/// MSETNX with a key twice.
#[test]
fn cve_2023_28425_a_key_may_be_named_twice() {
    let (mut server, mut client) = scene(&[]);
    answers(&mut client, &["MSETNX", "k", "1", "k", "2", "k", "3"], Value::Int(1));
    answers(&mut client, &["GET", "k"], Value::bulk("3"));
    answers(&mut client, &["MSETNX", "l", "1", "k", "2", "l", "3"], Value::Int(0));
    answers(&mut client, &["EXISTS", "l"], Value::Int(0));
    is_well(&mut server);
}

/// A field whose value is no number that is written again as it was read.
#[test]
fn cve_2023_28856_what_is_not_a_number_makes_no_field() {
    let (mut server, mut client) = scene(&[]);
    for by in ["nan", "inf", "-inf", "1e5000", "0x1p99999", "", " 1", "1 "] {
        assert!(client.call(&["HINCRBYFLOAT", "h", "new", by]).is_error(), "{by:?}");
        assert!(client.call(&["INCRBYFLOAT", "k", by]).is_error(), "{by:?}");
    }
    answers(&mut client, &["EXISTS", "h", "k"], Value::Int(0));
    fine(&mut client, &["HSET", "h", "f", "1.7976931348623157e308"]);
    let reply = client.call(&["HINCRBYFLOAT", "h", "f", "1.7976931348623157e308"]);
    let value = client.call(&["HGET", "h", "f"]);
    assert!(reply.is_error() || reply == value, "{reply} and {value}");
    refuses(&mut client, &["ZADD", "z", "INCR", "nan", "m"], "not a valid float");
    fine(&mut client, &["ZADD", "z", "inf", "m"]);
    refuses(&mut client, &["ZINCRBY", "z", "-inf", "m"], "resulting score is not a number");
    is_well(&mut server);
}

/// Keys of a command line that are not where its numbers say.
#[test]
fn cve_2023_36824_keys_are_looked_for_inside_of_the_line() {
    let (mut server, mut client) = scene(&[]);
    for count in [MOST, LEAST, "2147483647", "-1", "0", "3", "4294967298", "x"] {
        for line in [
            &["EVAL", "return 1", count, "a", "b"][..],
            &["FCALL", "f", count, "a"],
            &["ZUNIONSTORE", "t", count, "a", "b"],
            &["ZINTERCARD", count, "a", "b"],
            &["LMPOP", count, "a", "LEFT"],
            &["BLMPOP", "0", count, "a", "LEFT"],
            &["SINTERCARD", count, "a"],
            &["XREADGROUP", "GROUP", "g", "c", "STREAMS"],
            &["XREAD", "COUNT", count, "STREAMS"],
            &["MIGRATE", "h", "1", "", "0", "1", "KEYS"],
            &["SORT", "l", "BY", "x", "STORE"],
            &["GEORADIUS", "g", "1", "1", "1", "m", "STORE"],
        ] {
            for asking in [&["COMMAND", "GETKEYS"][..], &["COMMAND", "GETKEYSANDFLAGS"]] {
                client.call(&[asking, line].concat());
            }
            let mut transaction = server.connect();
            fine(&mut transaction, &["MULTI"]);
            transaction.call(line);
            transaction.call(&["EXEC"]);
        }
    }
    // A script may ask about a line of any length, and only whoever may not do everything is asked about.
    fine(&mut client, &["ACL", "SETUSER", "app", "on", "nopass", "~app:*", "+@all"]);
    let mut app = server.connect();
    fine(&mut app, &["AUTH", "app", "x"]);
    for name in ["set", "bitfield", "sort", "sort_ro", "georadius", "migrate", "xread", "mset"] {
        let asks = format!("return redis.acl_check_cmd('{name}')");
        answers(&mut app, &["EVAL", &asks, "0"], Value::Int(1));
    }
    refuses(&mut client, &["COMMAND", "GETKEYS", "ZINTERCARD", "3", "a"], "Invalid arguments");
    refuses(&mut client, &["COMMAND", "GETKEYS"], "");
    is_well(&mut server);
}

/// The length of an answer that is only known at its end.
#[test]
fn cve_2025_49112_lengths_of_answers_are_right_in_the_end() {
    let (_server, mut client) = scene(&[]);
    let small: Vec<String> = (0..20_000).map(|at| format!("k{at}")).collect();
    let line: Vec<&str> =
        ["MSET"].into_iter().chain(small.iter().flat_map(|it| [&**it, "1"])).collect();
    fine(&mut client, &line);
    for proto in ["2", "3"] {
        fine(&mut client, &["HELLO", proto]);
        // Answers that begin before their length is known: none, some and very many elements.
        for (pattern, count) in [("nothing*", 0), ("k1", 1), ("k*", 20_000), ("k1999?", 10)] {
            let reply = client.call(&["KEYS", pattern]);
            assert_eq!(reply.items().map(<[Value]>::len), Some(count), "{pattern}");
        }
        answers(&mut client, &["PING"], Value::simple("PONG"));
    }
}

/// Groups of what is no stream.
#[test]
fn cve_2018_12453_groups_belong_to_streams() {
    let (mut server, mut client) = scene(&[]);
    for line in [&["SET", "k", "x"][..], &["RPUSH", "l", "x"], &["HSET", "h", "f", "v"]] {
        fine(&mut client, line);
        for command in [
            &["XGROUP", "CREATE", line[1], "g", "$", "MKSTREAM"][..],
            &["XGROUP", "SETID", line[1], "g", "$"],
            &["XGROUP", "DESTROY", line[1], "g"],
            &["XGROUP", "CREATECONSUMER", line[1], "g", "c"],
            &["XREADGROUP", "GROUP", "g", "c", "STREAMS", line[1], ">"],
            &["XINFO", "STREAM", line[1]],
            &["XACK", line[1], "g", "1-1"],
        ] {
            refuses(&mut client, command, "WRONGTYPE");
        }
    }
    is_well(&mut server);
}
