//! Lua: its parser, its collector, its libraries, and what one script leaves to the next.

use super::{answers, fine, is_well, refuses, scene, text};
use crate::hostile::info;
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::value::Value;
use std::time::Duration;

fn eval(client: &mut Client, script: &str) -> Value {
    client.call(&["EVAL", script, "0"])
}

/// The parser does not hold on to all it has made, so the collector must not run while it works. What nothing but a
/// weak table holds shows whether it did: the source makes so much of itself that it would have gone round many times.
#[test]
fn cve_2025_49844_the_collector_rests_while_code_is_compiled() {
    let (mut server, mut client) = scene(&[]);
    let script = "local source = {} for f = 1, 60 do local row = {} \
          for i = 1, 1000 do row[i] = \"'\" .. f .. ' is a constant of the parser ' .. i .. \"'\" end \
          source[f] = 'local function f() return {' .. table.concat(row, ',') .. '} end' end \
        source = table.concat(source, ' do end ') \
        local weak = setmetatable({}, {__mode = 'v'}) \
        collectgarbage() collectgarbage() \
        weak[1] = {} \
        local compiled = loadstring(source, 'a name') \
        local survived = weak[1] ~= nil \
        collectgarbage() collectgarbage() \
        return {type(compiled), tostring(survived), tostring(weak[1] == nil)}";
    let expected = ["function", "true", "true"].map(Value::bulk).to_vec();
    let reply = eval(&mut client, script);
    assert_eq!(reply, Value::Array(expected), "the collector ran amid the parser");
    // Afterwards it works again.
    let script = "local before = collectgarbage('count') \
        for i = 1, 100000 do local waste = {i} end collectgarbage() \
        return collectgarbage('count') < before + 1000";
    assert_eq!(eval(&mut client, script), Value::Int(1));
    let script = "for i = 1, 300 do collectgarbage() \
        local f = loadstring('return ' .. i, '=' .. ('n'):rep(i)) collectgarbage('step', 1) \
        local g = load((function() local done return function() collectgarbage() \
        if not done then done = true return 'return ' .. i end end end)(), 'm' .. i) \
        collectgarbage() if f() ~= i or g() ~= i then return i end end return 'fine'";
    assert_eq!(eval(&mut client, script), Value::bulk("fine"));
    is_well(&mut server);
}

/// Finalizers are what ran amid a collection; a script cannot make any.
#[test]
fn cve_2024_46981_a_script_makes_no_finalizers() {
    let (mut server, mut client) = scene(&[]);
    refuses(&mut client, &["EVAL", "return newproxy(true)", "0"], "nonexistent global variable");
    let script = "for i = 1, 100 do setmetatable({}, {__gc = function() redis.call('SET', 'x', 1) end}) end \
        collectgarbage() collectgarbage() return 1";
    assert_eq!(eval(&mut client, script), Value::Int(1));
    answers(&mut client, &["EXISTS", "x"], Value::Int(0));
    // A whole interpreter goes while what it kept alive is in the middle of things.
    for number in 0..600 {
        let script =
            format!("local t = setmetatable({{}}, {{__gc = 1}}) collectgarbage() return {number}");
        assert_eq!(eval(&mut client, &script), Value::Int(number));
    }
    assert!(info(&server, "stats").contains("evicted_scripts:1"), "a guest of 500 goes for each");
    answers(&mut client, &["SCRIPT", "FLUSH", "SYNC"], Value::simple("OK"));
    assert_eq!(eval(&mut client, "return 1"), Value::Int(1));
    is_well(&mut server);
}

/// Ranges whose length overflows, and sizes that nobody has memory for.
#[test]
fn cve_2025_46817_ranges_are_computed_with_care() {
    let (mut server, mut client) = scene(&[]);
    client.set_patience(Duration::from_secs(180)).expect("a socket has time-outs");
    for (script, expected) in [
        ("return {unpack({}, -2147483648, 2147483647)}", "too many results to unpack"),
        ("return {unpack({}, 0, 2147483647)}", "too many results to unpack"),
        ("return {unpack({1, 2, 3}, -2, 2147483647)}", "too many results to unpack"),
        (
            "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e6) .. i end",
            "not enough memory",
        ),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
    ] {
        let reply = eval(&mut client, script);
        assert!(reply.is_error() && text(&reply).contains(expected), "{script}: {reply}");
    }
    let nothing = Value::Int(0);
    assert_eq!(eval(&mut client, "return #{unpack({}, 2147483647, -2147483648)}"), nothing);
    assert_eq!(eval(&mut client, "return #string.rep('', 1e15)"), nothing);
    assert_eq!(eval(&mut client, "return #string.rep('x', -2147483648)"), nothing);
    // Keys of tables that are near the ends of what an index can be.
    let script = "local t = {} for _, i in ipairs({2147483647, -2147483648, 2^31, 2^32, 2^53, -1}) do \
        t[i] = i if t[i] ~= i then return i end end return 'fine'";
    assert_eq!(eval(&mut client, script), Value::bulk("fine"));
    is_well(&mut server);
}

/// The lexer counts the level of a long bracket, which may end with the source.
#[test]
fn cve_2025_46819_a_bracket_without_an_end_is_an_error() {
    let (mut server, mut client) = scene(&[]);
    for open in ["[[", "[=[", "[==", "[", "--[[", "--[==["] {
        refuses(&mut client, &["EVAL", &format!("return {open}"), "0"], "Error compiling script");
    }
    let open = format!("return [{}[", "=".repeat(100_000));
    refuses(&mut client, &["EVAL", &open, "0"], "Error compiling script");
    let other = format!("return [{}[a]{}]", "=".repeat(70_000), "=".repeat(69_999));
    refuses(&mut client, &["EVAL", &other, "0"], "Error compiling script");
    let same = format!("return [{0}[a]{0}]", "=".repeat(70_000));
    assert_eq!(eval(&mut client, &same), Value::bulk("a"));
    is_well(&mut server);
}

/// What a script would change for all that come after it, whoever runs them.
const CHANGES: &[&str] = &[
    "redis.call = 1",
    "string.len = 1",
    "x = 1",
    "KEYS = 1",
    "_G.x = 1",
    "rawset(_G, 'x', 1)",
    "rawset(redis, 'call', 1)",
    "setmetatable(_G, {})",
    "setmetatable(redis, nil)",
    "getmetatable(_G).__index = 1",
    "getmetatable('').__index = 1",
    "getmetatable('').__index.upper = 1",
    "rawset(getmetatable(''), '__index', {})",
    "setmetatable(getmetatable(''), {})",
    "table.insert(redis, 1)",
    "table.insert(_G, 1, 2)",
    "for name, library in pairs(_G) do if type(library) == 'table' and name ~= 'KEYS' and \
     name ~= 'ARGV' then library.x = 1 end end",
    "local f, t = pairs(_G) t.x = 1",
    "local f, t = pairs(redis) t.call = 1",
    "loadstring('x = 1')()",
    "coroutine.wrap(function() x = 1 end)()",
];

/// Metatables of basic types are everybody's: `('x'):upper()` of another user's script would be ours.
#[test]
fn cve_2025_46818_metatables_of_strings_cannot_be_changed() {
    let (_server, mut client) = scene(&[]);
    for attempt in CHANGES.iter().filter(|it| it.contains("getmetatable('')")) {
        refuses(&mut client, &["EVAL", attempt, "0"], "Attempt to modify a readonly table");
    }
    assert_eq!(eval(&mut client, "return ('x'):upper()"), Value::bulk("X"));
    // Other basic types have none, and a script cannot give them any.
    for value in ["nil", "1", "true", "type", "redis.call"] {
        let reply = eval(&mut client, &format!("return getmetatable({value}) == nil"));
        assert_eq!(reply, Value::Int(1), "{value}: {reply}");
    }
    refuses(
        &mut client,
        &["EVAL", "debug.setmetatable(1, {})", "0"],
        "nonexistent global variable",
    );
}

#[test]
fn cve_2022_24735_a_script_cannot_change_the_world_of_another() {
    let (_server, mut client) = scene(&[]);
    for attempt in CHANGES {
        refuses(&mut client, &["EVAL", attempt, "0"], "Attempt to modify a readonly table");
    }
    let intact = "return {redis.call('PING').ok, ('x'):upper(), #_G, #redis, string.len('abc')}";
    let expected = ["PONG", "X"].map(Value::bulk).into_iter().chain([0, 0, 3].map(Value::Int));
    assert_eq!(eval(&mut client, intact), Value::Array(expected.collect()));
    // Nor does what one is handed last until the next.
    eval(&mut client, "KEYS[1] = 'forged' ARGV.x = 1");
    assert_eq!(eval(&mut client, "return #KEYS + #ARGV"), Value::Int(0));
    assert_eq!(eval(&mut client, "return ARGV.x == nil"), Value::Int(1));
}

/// Scripts that the parser gives up on at each of its bounds.
#[test]
fn cve_2022_24736_scripts_that_cannot_be_compiled_are_refused() {
    let (mut server, mut client) = scene(&[]);
    let variables: Vec<String> = (0..210).map(|at| format!("local v{at} = {at}")).collect();
    let captured: Vec<String> = (0..70).map(|at| format!("local v{at}")).collect();
    let used: Vec<String> = (0..70).map(|at| format!("v{at}")).collect();
    let nested =
        |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    for (script, why) in [
        (variables.join(" "), "more than 200 local variables"),
        (
            format!("{} return function() return {{{}}} end", captured.join(" "), used.join(",")),
            "more than 60 upvalues",
        ),
        (format!("return {}", nested("(", ")")), "chunk has too many syntax levels"),
        (format!("return {}", nested("{", "}")), "chunk has too many syntax levels"),
        (nested("do ", " end"), "chunk has too many syntax levels"),
        (format!("return {}1", "-".repeat(3) + &"not ".repeat(100_000)), "eval"),
        (format!("local a = {}''", "'' .. ".repeat(300)), "chunk has too many syntax levels"),
        ("return 1 2".into(), "'<eof>' expected near '2'"),
        ("break".into(), "no loop to break"),
        ("return '".into(), "unfinished string"),
        ("return \"\\300\"".into(), "escape sequence too large"),
        ("\u{1b}Lua".into(), "unexpected symbol"),
        ("return 0x".into(), "malformed number"),
        ("#!lua flags=nonsense\nreturn 1".into(), "Unexpected flag in script shebang"),
        ("#!other\nreturn 1".into(), "Unexpected engine in script shebang"),
        ("#!".into(), ""),
    ] {
        let reply = eval(&mut client, &script);
        let shown = &script[..script.len().min(60)];
        if why != "eval" {
            assert!(reply.is_error() && text(&reply).contains(why), "{shown}: {reply}");
        }
        assert_eq!(eval(&mut client, "return 1"), Value::Int(1), "{shown}");
        let library = client.call(&["FUNCTION", "LOAD", &format!("#!lua name=broken\n{script}")]);
        assert!(library.is_error(), "{shown}");
    }
    for nothing in ["", " ", "-- nothing", "\n\n"] {
        assert!(eval(&mut client, nothing).is_null());
    }
    refuses(&mut client, &["EVAL", "return '\0", "0"], "Error compiling script");
    is_well(&mut server);
}

/// Answers that nest deeper than the stack of Lua, and calls that fill it.
#[test]
fn cve_2021_32626_the_stack_of_lua_is_bounded() {
    let (mut server, mut client) = scene(&[]);
    // What is returned is deeper than a client of ours reads, so only its end is looked for.
    for script in [
        "local t = {} for i = 1, 100000 do t = {t} end return t",
        "local t = {} for i = 1, 100000 do t = {1, t} end return t",
        "local t = {} t[1] = t return t",
    ] {
        let mut frame = Vec::new();
        encode(&["EVAL", script, "0"], &mut frame);
        encode(&["QUIT"], &mut frame);
        let mut raw = server.connect();
        raw.write_raw(&frame).expect("it takes bytes");
        let heard = raw.read_to_close().expect("it is answered, and ended");
        let shown = String::from_utf8_lossy(&heard[heard.len().saturating_sub(200)..]).into_owned();
        assert!(heard.ends_with(b"+OK\r\n"), "{script}: {shown}");
        assert!(shown.contains("reached lua stack limit"), "{script}: {shown}");
    }
    let many =
        "local t = {} for i = 1, ARGV[1] do t[i] = 'x' end return redis.call('DEL', unpack(t))";
    assert_eq!(client.call(&["EVAL", many, "0", "7900"]), Value::Int(0));
    refuses(&mut client, &["EVAL", many, "0", "100000"], "too many results to unpack");
    refuses(
        &mut client,
        &["EVAL", "return #{string.byte(('x'):rep(1e6), 1, -1)}", "0"],
        "string slice too long",
    );
    is_well(&mut server);
}

/// What would read memory, files or the system.
#[test]
fn cve_2022_0543_nothing_leads_out_of_the_sandbox() {
    let (_server, mut client) = scene(&[]);
    for name in [
        "package", "require", "module", "io", "dofile", "loadfile", "debug", "print", "newproxy",
        "getfenv", "setfenv",
    ] {
        let reply = eval(&mut client, &format!("return type({name})"));
        let absent = text(&reply).contains("nonexistent global variable");
        assert!(absent || name == "print", "{name}: {reply}");
    }
    assert_eq!(
        eval(&mut client, "local n = 0 for k in pairs(os) do n = n + 1 end return n"),
        Value::Int(1)
    );
    assert_eq!(eval(&mut client, "return type(os.clock)"), Value::bulk("function"));
}

/// Byte code is believed blindly by the interpreter.
#[test]
fn cve_2015_4335_byte_code_is_not_loaded() {
    let (mut server, mut client) = scene(&[]);
    for script in [
        "return loadstring(string.dump(function() return 1 end))",
        "return loadstring('\\27Lua')",
        "local done return load(function() if not done then done = true return '\\27Lua' end end)",
    ] {
        let reply = eval(
            &mut client,
            &format!("local function attempt() {script} end return type(attempt())"),
        );
        assert!(reply.is_error() || reply == Value::bulk("nil"), "{script}: {reply}");
    }
    is_well(&mut server);
}

/// There is no debugger, which read what the heap held.
#[test]
fn cve_2021_32672_there_is_no_debugger_to_fool() {
    let (mut server, mut client) = scene(&[]);
    for mode in ["YES", "SYNC"] {
        let reply = client.call(&["SCRIPT", "DEBUG", mode]);
        assert!(reply.is_error(), "{mode}: {reply}");
        assert_eq!(eval(&mut client, "return 1"), Value::Int(1));
    }
    is_well(&mut server);
}

/// The buffer of `bit.tohex` was as long as the number of digits that were asked for.
#[test]
fn cve_2024_31449_as_many_digits_as_a_number_has() {
    let (mut server, mut client) = scene(&[]);
    for (digits, expected) in [
        ("-2147483648", "0000FFFF"),
        ("-2147483647", "0000FFFF"),
        ("2147483647", "0000ffff"),
        ("-9", "0000FFFF"),
        ("1e300", "0000ffff"),
        ("3", "fff"),
    ] {
        let reply = eval(&mut client, &format!("return bit.tohex(65535, {digits})"));
        let text = text(&reply);
        assert!(text.eq_ignore_ascii_case(expected) || text.is_empty(), "{digits}: {reply}");
        if digits == "-2147483648" {
            assert_eq!(text, expected);
        }
    }
    is_well(&mut server);
}

/// What is written may be longer than what it is made of, and is counted as it grows.
#[test]
fn cve_2022_24834_what_libraries_write_is_bounded() {
    let (mut server, mut client) = scene(&[]);
    client.set_patience(Duration::from_secs(120)).expect("a socket has time-outs");
    // Six characters for each: a size computed ahead would have to be right.
    let script = "local text = ('\\1'):rep(300000) local json = cjson.encode({text, text}) \
        return {#json, cjson.decode(json)[2] == text}";
    let expected = vec![Value::Int(2 * (300_000 * 6 + 2) + 3), Value::Int(1)];
    assert_eq!(eval(&mut client, script), Value::Array(expected));
    let script = "local text = ('x'):rep(4194304) local t = {} for i = 1, 300 do t[i] = text end \
        return #cmsgpack.pack(t)";
    refuses(&mut client, &["EVAL", script, "0"], "not enough memory");
    for (script, why) in [
        ("local t = {} for i = 1, 5000 do t = {t} end return cjson.encode(t)", "nest"),
        ("return cjson.decode(('['):rep(100000))", "nest"),
        ("local t = {} t[1] = t return cjson.encode(t)", "nest"),
        ("return cjson.encode({[2147483647] = 1})", "sparse"),
    ] {
        refuses(&mut client, &["EVAL", script, "0"], why);
    }
    let cyclic = "local t = {} t[1] = t return #cmsgpack.pack(t) < 1000";
    assert_eq!(eval(&mut client, cyclic), Value::Int(1));
    is_well(&mut server);
}

/// Lengths that a message of MessagePack announces and does not have.
#[test]
fn cve_2018_11218_a_message_is_no_longer_than_it_is() {
    let (mut server, mut client) = scene(&[]);
    for bytes in [
        "\\219\\255\\255\\255\\255",
        "\\198\\255\\255\\255\\255a",
        "\\221\\255\\255\\255\\255",
        "\\223\\255\\255\\255\\255\\1",
        "\\220\\255\\255",
        "\\148\\1\\2",
    ] {
        refuses(&mut client, &["EVAL", &format!("return cmsgpack.unpack('{bytes}')"), "0"], "");
    }
    for script in [
        "return cmsgpack.unpack_limit('\\147\\1\\2\\3', 2147483647, 2147483647)",
        "return cmsgpack.unpack_limit('\\147\\1\\2\\3', 1, -1)",
        "return cmsgpack.unpack_one('\\147\\1\\2\\3', -5)",
    ] {
        let _ = eval(&mut client, script);
        is_well(&mut server);
    }
    let deep = "return cmsgpack.unpack(('\\145'):rep(1000000) .. '\\1')";
    let mut raw = server.connect();
    let mut frame = Vec::new();
    encode(&["EVAL", deep, "0"], &mut frame);
    encode(&["QUIT"], &mut frame);
    raw.write_raw(&frame).expect("it takes bytes");
    assert!(raw.read_to_close().expect("it is ended").ends_with(b"+OK\r\n"));
    is_well(&mut server);
}

/// Sizes in formats of `struct`.
#[test]
fn cve_2020_14147_sizes_of_struct_are_checked() {
    let (mut server, mut client) = scene(&[]);
    for script in [
        "return struct.pack('>I2147483648', '10')",
        "return struct.pack('>I33', 1)",
        "return struct.unpack('>I4294967296', 'x')",
        "return struct.unpack('>I8', 'x')",
        "return struct.unpack('!4294967296I', 'xxxx')",
        "return struct.unpack('c4294967295', 'x')",
        "return struct.pack('c4294967295', 'x')",
    ] {
        refuses(&mut client, &["EVAL", script, "0"], "");
    }
    is_well(&mut server);
}

/// Places in formats of `struct`, and lengths that data tells.
#[test]
fn cve_2018_11219_places_of_struct_are_checked() {
    let (mut server, mut client) = scene(&[]);
    for script in [
        "return struct.unpack('I4', 'abcd', -1)",
        "return struct.unpack('I4', 'abcd', 0)",
        "return struct.unpack('I4', 'abcd', 2147483647)",
        "return struct.unpack('I4', 'abcd', -2147483648)",
        "return struct.unpack('I4', 'abcd', 4294967296)",
        "return struct.unpack('Bc0', '\\255ab')",
        "return struct.unpack('c0', 'ab')",
        "return struct.unpack('s', 'without an end')",
    ] {
        refuses(&mut client, &["EVAL", script, "0"], "");
    }
    is_well(&mut server);
}

/// A number in a format that no integer holds.
#[test]
fn cve_2015_8080_numbers_in_formats_do_not_overflow() {
    let (mut server, mut client) = scene(&[]);
    for digits in ["99999999999999999999", "18446744073709551617", "4294967297", "2147483649"] {
        for letter in ["I", "i", "c", "!"] {
            let script = format!("return struct.size('{letter}{digits}I')");
            refuses(&mut client, &["EVAL", &script, "0"], "");
        }
    }
    is_well(&mut server);
}

/// No error or status that a script makes up can look like two answers.
#[test]
fn cve_2025_67733_a_script_cannot_forge_answers() {
    let (_server, mut client) = scene(&[]);
    for script in [
        "return redis.error_reply('ERR a\\r\\n+OK')",
        "return {err = 'ERR a\\r\\n+OK'}",
        "error({err = 'ERR a\\r\\n+OK'})",
        "error('a\\r\\n+OK')",
        "return redis.status_reply('a\\r\\n-ERR b')",
        "return {ok = 'a\\r\\n-ERR b'}",
        "return {{ok = 'a\\r\\n-ERR b'}, 1}",
        "return {big_number = '1\\r\\n+OK'}",
        "redis.call('x\\r\\n+OK')",
        "redis.log(redis.LOG_WARNING, 'a\\r\\nb') return 1",
    ] {
        for proto in ["2", "3"] {
            client.call(&["HELLO", proto]);
            client.call(&["EVAL", script, "0"]);
            answers(&mut client, &["PING"], Value::simple("PONG"));
        }
    }
    // Nor does the text of a command that nobody knows, or an argument that an error repeats.
    for line in [&["x\r\n+OK"][..], &["CONFIG", "x\r\n+OK"], &["CONFIG", "SET", "x\r\n+OK", "1"]] {
        client.call(line);
        answers(&mut client, &["PING"], Value::simple("PONG"));
    }
}

/// The data changes under a script that has paused: whoever empties it must wait.
#[test]
fn cve_2026_23631_nothing_is_replaced_under_a_script_that_pauses() {
    let (mut server, mut client) = scene(&["--busy-reply-threshold", "10"]);
    let library = "#!lua name=slow\nredis.register_function('slow', function() \
        redis.call('SET', 'x', 1) for i = 1, 30000000 do end return redis.call('GET', 'x') end)";
    fine(&mut client, &["FUNCTION", "LOAD", library]);
    client.send(&["FCALL", "slow", "0"]).expect("it takes bytes");
    let mut other = server.connect();
    until("the function is busy", || text(&other.call(&["PING"])).starts_with("BUSY"));
    for line in [
        &["FUNCTION", "FLUSH"][..],
        &["FUNCTION", "DELETE", "slow"],
        &["SCRIPT", "FLUSH"],
        &["FLUSHALL"],
        &["DEBUG", "RELOAD"],
        &["REPLICAOF", "127.0.0.1", "1"],
        &["CONFIG", "SET", "maxmemory", "1"],
    ] {
        refuses(&mut other, line, "BUSY");
    }
    client.set_patience(Duration::from_secs(60)).expect("a socket has time-outs");
    assert_eq!(client.read_reply().expect("it ends"), Value::bulk("1"));
    is_well(&mut server);
}
