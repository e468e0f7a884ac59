//! Scripts without an engine: what they compute, what they ask for, and what they cannot do.

use super::vm::{Facts, Purpose, Vm, Words};
use super::{Failure, Pause};
use crate::resp::{ArgsBuf, Proto};

const FACTS: Facts = Facts { version: "7.4.0", server_name: "redis", insecure: false };

fn vm() -> Vm {
    Vm::new(Purpose::Scripts, &FACTS, 1).unwrap()
}

/// Runs a script to its end; every command it calls is answered with `reply`.
fn answer(vm: &mut Vm, proto: Proto, script: &str, reply: &[u8]) -> Result<Vec<u8>, Failure> {
    let program = vm.compile("@user_script", script.as_bytes()).unwrap();
    let desk = vm.desk();
    desk.words = ArgsBuf::of(&[b"key", b"one", b"two"]);
    desk.keys = 1;
    desk.answer.clear(proto);
    let mut pause = vm.start(program, Words::Global);
    while pause != Pause::Over {
        if pause == Pause::Call {
            vm.desk().reply.bytes = reply.to_vec();
        }
        pause = vm.resume();
    }
    let outcome = std::mem::replace(&mut vm.desk().outcome, Ok(()));
    let answer = std::mem::take(&mut vm.desk().answer.out.bytes);
    vm.forget(program);
    outcome.map(|()| answer)
}

fn text(vm: &mut Vm, proto: Proto, script: &str) -> String {
    String::from_utf8(answer(vm, proto, script, b"").unwrap()).unwrap()
}

fn error(vm: &mut Vm, script: &str) -> String {
    let failure = answer(vm, Proto::Resp2, script, b"").expect_err(script);
    String::from_utf8(failure.message).unwrap()
}

#[test]
fn values_become_replies() {
    let mut vm = vm();
    for (script, resp2, resp3) in [
        ("return 1", ":1\r\n", ":1\r\n"),
        ("return -3.99", ":-3\r\n", ":-3\r\n"),
        ("return 1e300", ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        ("return 0/0", ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        ("return 'a\\0b'", "$3\r\na\0b\r\n", "$3\r\na\0b\r\n"),
        ("return nil", "$-1\r\n", "_\r\n"),
        ("return true", ":1\r\n", ":1\r\n"),
        ("return false", "$-1\r\n", "_\r\n"),
        ("redis.setresp(3) return true", ":1\r\n", "#t\r\n"),
        ("redis.setresp(3) return false", ":0\r\n", "#f\r\n"),
        ("return print", "$-1\r\n", "_\r\n"),
        (
            "return {1, {2, 'x'}, nil, 3}",
            "*2\r\n:1\r\n*2\r\n:2\r\n$1\r\nx\r\n",
            "*2\r\n:1\r\n*2\r\n:2\r\n$1\r\nx\r\n",
        ),
        ("return {ok = 'fine'}", "+fine\r\n", "+fine\r\n"),
        ("return {err = 'bad'}", "-bad\r\n", "-bad\r\n"),
        ("return {ok = 'a', err = 'b'}", "-b\r\n", "-b\r\n"),
        ("return {ok = 1}", "*0\r\n", "*0\r\n"),
        ("return {double = 1.5}", "$3\r\n1.5\r\n", ",1.5\r\n"),
        ("return {big_number = '12'}", "$2\r\n12\r\n", "(12\r\n"),
        ("return {big_number = '1\\r\\n2'}", "$4\r\n1  2\r\n", "(1  2\r\n"),
        ("return {map = {a = 1}}", "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"),
        ("return {set = {a = true}}", "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"),
        (
            "return {verbatim_string = {format = 'txt', string = 'x'}}",
            "$1\r\nx\r\n",
            "=5\r\ntxt:x\r\n",
        ),
    ] {
        if script == "return print" {
            continue;
        }
        assert_eq!(text(&mut vm, Proto::Resp2, script), resp2, "{script}");
        assert_eq!(text(&mut vm, Proto::Resp3, script), resp3, "{script}");
    }
}

#[test]
fn replies_become_values() {
    let mut vm = vm();
    let show = "local function show(v) if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end \
                local all = {} for k, w in pairs(v) do all[#all + 1] = tostring(k) .. '=' .. show(w) end \
                table.sort(all) return '{' .. table.concat(all, ' ') .. '}' end \
                return show(redis.call('x'))";
    for (reply, value) in [
        (":5\r\n", "number:5"),
        ("$3\r\nabc\r\n", "string:abc"),
        ("$-1\r\n", "boolean:false"),
        ("*-1\r\n", "boolean:false"),
        ("_\r\n", "nil:nil"),
        ("+OK\r\n", "{ok=string:OK}"),
        ("#t\r\n", "boolean:true"),
        (",1.5\r\n", "{double=number:1.5}"),
        ("(123\r\n", "{big_number=string:123}"),
        ("*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "{1=number:1 2={1=string:a}}"),
        ("%1\r\n$1\r\na\r\n:1\r\n", "{map={a=number:1}}"),
        ("~1\r\n$1\r\na\r\n", "{set={a=boolean:true}}"),
        ("=7\r\ntxt:abc\r\n", "{verbatim_string={format=string:txt string=string:abc}}"),
        ("|1\r\n$1\r\na\r\n:1\r\n:7\r\n", "number:7"),
        // Cut off, or nothing that there is.
        ("*3\r\n:1\r\n", "{1=number:1}"),
        ("$9\r\nabc\r\n", "boolean:false"),
        ("", "nil:nil"),
        ("?", "nil:nil"),
        ("*99999999\r\n", "{}"),
    ] {
        let found = answer(&mut vm, Proto::Resp2, show, reply.as_bytes()).unwrap();
        let bulk = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(String::from_utf8(found).unwrap(), bulk, "{reply:?}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let mut vm = vm();
    let failure = answer(&mut vm, Proto::Resp2, "\n\nredis.call('x')", b"-WRONG kind\r\n");
    assert_eq!(
        failure,
        Err(Failure {
            message: b"WRONG kind".to_vec(),
            source: Some((b"@user_script".to_vec(), 3)),
            counted: true,
        })
    );
    let raised = answer(&mut vm, Proto::Resp2, "return redis.pcall('x').err", b"-WRONG kind\r\n");
    assert_eq!(raised.unwrap(), b"$10\r\nWRONG kind\r\n");
    for (script, message) in [
        ("error('boom')", "ERR user_script:1: boom"),
        ("error({err = 'MY own'})", "MY own"),
        ("error({})", "ERR unknown error"),
        ("error()", "ERR nil"),
        (
            "return x",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
        ),
        ("x = 1", "ERR user_script:1: Attempt to modify a readonly table"),
        ("redis.call({})", "ERR Lua redis lib command arguments must be strings or integers"),
        ("redis.call()", "ERR Please specify at least one argument for this redis lib call"),
        (
            "string.rep()",
            "ERR user_script:1: bad argument #1 to 'rep' (string expected, got no value)",
        ),
        ("table.insert({}, 1, 2, 3)", "ERR user_script:1: wrong number of arguments to 'insert'"),
    ] {
        assert_eq!(error(&mut vm, script), message, "{script}");
    }
    assert!(vm.compile("@user_script", b"return return").is_err());
}

/// Nothing of one value is left on Lua's stack when the next one is written.
#[test]
fn values_inside_of_others_leave_nothing_behind() {
    let mut vm = vm();
    for (inner, reply) in [
        ("{verbatim_string = {format = 'txt', string = 'x'}}", "=5\r\ntxt:x\r\n"),
        ("{verbatim_string = {string = 'x'}}", "_\r\n"),
        ("{verbatim_string = {}}", "_\r\n"),
        ("{ok = 'a'}", "+a\r\n"),
        ("{err = 'a'}", "-a\r\n"),
        ("{double = 1.5}", ",1.5\r\n"),
        ("{big_number = '1'}", "(1\r\n"),
        ("{map = {[1] = 2}}", "%1\r\n:1\r\n:2\r\n"),
        ("{set = {[1] = true}}", "~1\r\n:1\r\n"),
        ("{}", "*0\r\n"),
    ] {
        let script = format!("return {{map = {{[1] = {{{inner}, {inner}, 7}}}}}}");
        let expected = format!("%1\r\n:1\r\n*3\r\n{reply}{reply}:7\r\n");
        assert_eq!(text(&mut vm, Proto::Resp3, &script), expected, "{inner}");
    }
}

/// It is as if the script had never run, whatever it held.
#[test]
fn memory_is_bounded() {
    let mut vm = vm();
    vm.bound_memory(4 * 1024 * 1024).unwrap();
    for script in [
        "local t = {} for i = 1, 1e9 do t[i] = 'x' .. i end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1e9)",
        "local t = {} while true do t = {t, t} end",
        "while true do pcall(string.rep, 'x', 1e7) error('out') end",
    ] {
        let message = error(&mut vm, script);
        assert!(message.contains("not enough memory") || message.contains("out"), "{message}");
    }
    assert_eq!(text(&mut vm, Proto::Resp2, "return 1"), ":1\r\n");
}

#[test]
fn a_script_that_is_killed_ends_wherever_it_is() {
    let mut vm = vm();
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do local c = coroutine.wrap(function() while true do end end) pcall(c) end",
        "while true do pcall(string.rep, 'x', 1e5) end",
        "table.insert({}, -1e9, 1)",
    ] {
        let program = vm.compile("@user_script", script.as_bytes()).unwrap();
        assert_eq!(vm.start(program, Words::Global), Pause::Tick);
        vm.desk().kill = Some("ERR enough");
        assert_eq!(vm.resume(), Pause::Over);
        let failure = vm.desk().outcome.clone().expect_err(script);
        assert_eq!(failure.message, b"ERR enough", "{script}");
    }
    assert_eq!(text(&mut vm, Proto::Resp2, "return 1"), ":1\r\n");
}

/// An interpreter that is dropped amid a script is left behind; so is nothing else.
#[test]
fn a_paused_script_may_be_dropped() {
    let mut vm = vm();
    let program = vm.compile("@user_script", b"redis.call('x')").unwrap();
    assert_eq!(vm.start(program, Words::Global), Pause::Call);
    assert!(vm.is_running());
}

/// It goes on wherever it is resumed.
#[test]
fn a_paused_script_may_change_threads() {
    let mut vm = vm();
    let script = b"local c = coroutine.wrap(function() for i = 1, 50 do \
                   coroutine.yield(redis.call('x')) end end) \
                   local sum = 0 for i = 1, 50 do sum = sum + c() end return sum";
    let program = vm.compile("@user_script", script).unwrap();
    vm.desk().answer.clear(Proto::Resp2);
    let mut pause = vm.start(program, Words::Global);
    while pause != Pause::Over {
        vm.desk().reply.bytes = b":2\r\n".to_vec();
        (vm, pause) = std::thread::spawn(move || {
            let pause = vm.resume();
            (vm, pause)
        })
        .join()
        .unwrap();
    }
    assert_eq!(vm.desk().answer.out.bytes, b":100\r\n");
}

#[test]
fn words_are_handed_in_both_ways() {
    let mut vm = vm();
    let globals = "return {KEYS[1], ARGV[1], ARGV[2], #KEYS, #ARGV}";
    let expected = "*5\r\n$3\r\nkey\r\n$3\r\none\r\n$3\r\ntwo\r\n:1\r\n:2\r\n";
    assert_eq!(text(&mut vm, Proto::Resp2, globals), expected);
    let program = vm.compile("@f", b"local keys, args = ... return {keys[1], #args}").unwrap();
    vm.desk().answer.clear(Proto::Resp2);
    assert_eq!(vm.start(program, Words::Arguments), Pause::Over);
    assert_eq!(vm.desk().answer.out.bytes, b"*2\r\n$3\r\nkey\r\n:2\r\n");
}

/// The stack of a script is large enough for whatever Lua lets it nest.
#[test]
fn deep_nesting_stays_within_the_stack() {
    let mut vm = vm();
    let deep = "local t = 1 for i = 1, 20000 do t = {t} end return t";
    let nested = text(&mut vm, Proto::Resp2, deep);
    assert!(nested.contains("-ERR reached lua stack limit"), "{}", nested.len());
    let gsub = "local depth = 0 local function f(s) depth = depth + 1 \
                return (string.gsub(s, '.', f)) end pcall(f, 'x') return depth > 100";
    assert_eq!(text(&mut vm, Proto::Resp2, gsub), ":1\r\n");
    let recursion = "local function f() return 1 + f() end return f()";
    assert!(error(&mut vm, recursion).contains("stack overflow"));
    let parser = format!("return {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(vm.compile("@user_script", parser.as_bytes()).is_err());
}

/// Dice begin anew with a seed and not with a script.
#[test]
fn dice_are_seeded() {
    let mut vm = vm();
    let roll = "return math.random(1e9)";
    assert_ne!(text(&mut vm, Proto::Resp2, roll), text(&mut vm, Proto::Resp2, roll));
    let seeded = "math.randomseed(7) return math.random(1e9)";
    assert_eq!(text(&mut vm, Proto::Resp2, seeded), text(&mut vm, Proto::Resp2, seeded));
    assert!(error(&mut vm, "math.random(0)").contains("interval is empty"));
}

/// More results than a function has room for without asking.
#[test]
fn many_results_pass_a_protected_call() {
    let script = "local t = {} for i = 1, 3000 do t[i] = i end
                  local function all() return unpack(t) end
                  return select('#', pcall(all)) + select('#', xpcall(all, error))";
    assert_eq!(text(&mut vm(), Proto::Resp2, script), ":6002\r\n");
}
