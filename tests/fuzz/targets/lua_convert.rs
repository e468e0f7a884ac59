//! Any bytes as the reply to a command of a script, and whatever the script makes of them as a reply again.
//! Nothing of it may be unsound, and what comes out is always one whole reply.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::lua::vm::{Facts, Purpose, Vm, Words};
use russet::lua::{Pause, Program};
use russet::resp::Proto;
use std::cell::RefCell;

const FACTS: Facts = Facts { version: "7.4.0", server_name: "redis", insecure: false };

/// Scripts that hand the reply on as it is, among others, and turned inside out.
const SCRIPTS: [&str; 4] = [
    "return redis.call('x')",
    "redis.setresp(3) return {redis.call('x'), redis.pcall('x')}",
    "local function turn(v) if type(v) ~= 'table' then return v end local t = {} \
     for k, w in pairs(v) do t[#t + 1] = turn(k) t[#t + 1] = turn(w) end return t end \
     return turn(redis.pcall('x'))",
    "return {map = {[1] = redis.pcall('x')}, set = {a = 1}}",
];

thread_local! {
    static VM: RefCell<(Vm, Vec<Program>)> = RefCell::new({
        let mut vm = Vm::new(Purpose::Scripts, &FACTS, 1).expect("there is memory");
        let programs = SCRIPTS
            .iter()
            .map(|script| vm.compile("@user_script", script.as_bytes()).expect("it is Lua"))
            .collect();
        (vm, programs)
    });
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, reply)) = bytes.split_first() else { return };
    VM.with_borrow_mut(|(vm, programs)| {
        let proto = if choice & 4 == 0 { Proto::Resp2 } else { Proto::Resp3 };
        let desk = vm.desk();
        desk.words.clear();
        desk.keys = 0;
        desk.answer.clear(proto);
        let mut pause = vm.start(programs[choice as usize % programs.len()], Words::Global);
        while pause != Pause::Over {
            if pause == Pause::Call {
                vm.desk().reply.bytes.clear();
                vm.desk().reply.bytes.extend_from_slice(reply);
            }
            pause = vm.resume();
        }
        if vm.desk().outcome.is_ok() {
            let answer = &vm.desk().answer.out.bytes;
            assert_eq!(
                end_of(answer, 0),
                Some(answer.len()),
                "{:?}",
                answer.escape_ascii().to_string()
            );
        }
    });
});

/// Where the reply that begins at `at` ends.
fn end_of(answer: &[u8], at: usize) -> Option<usize> {
    let rest = answer.get(at..)?;
    let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (mark, text) = rest[..line].split_first()?;
    let mut end = at + line + 2;
    let count = || std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    match mark {
        b'$' | b'=' => match count()? {
            -1 => (),
            len => {
                end += usize::try_from(len).ok()? + 2;
                (answer.get(end - 2..end)? == b"\r\n").then_some(())?;
            }
        },
        b'*' | b'~' | b'%' => {
            let items = count()?.max(0) * if *mark == b'%' { 2 } else { 1 };
            for _ in 0..items {
                end = end_of(answer, end)?;
            }
        }
        b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => (),
        _ => return None,
    }
    Some(end)
}
