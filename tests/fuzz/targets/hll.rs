//! Any string as a HyperLogLog: it is refused, or all ways to count it agree, whatever it is merged
//! with, and adding to it changes no more than one register at a time.
//!
//! The first byte says what is done to the string, and whether the rest are only its opcodes.

#![no_main]

#[allow(dead_code)]
mod support;

use libfuzzer_sys::fuzz_target;
use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Engine, Peer, SessionKey};
use support::client::Client;
use support::machine::{Clock, Machine};
use support::value::Value;

fuzz_target!(|bytes: &[u8]| {
    let Some((&what, rest)) = bytes.split_first() else { return };
    let mut string = Vec::new();
    if what & 1 != 0 {
        // A header as it should be, with a count that is out of date.
        string.extend_from_slice(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80");
    }
    string.extend_from_slice(rest);

    let mut server = Server::new();
    server.say(&[b"SET", b"k", &string]);
    let model = registers(&string);
    // A count that is not out of date is believed.
    let is_stale = string.get(15).is_some_and(|byte| byte & 0x80 != 0);
    match &model {
        Err(why) => {
            for line in [
                &[&b"PFCOUNT"[..], b"k", b"k"][..],
                &[b"PFMERGE", b"k", b"k"],
                &[b"PFMERGE", b"other", b"k"],
                &[b"PFDEBUG", b"GETREG", b"k"],
                &[b"PFDEBUG", b"TODENSE", b"k"],
            ] {
                server.refused(line, why);
            }
            if is_stale || *why == "WRONGTYPE" {
                server.refused(&[b"PFCOUNT", b"k"], why);
            }
            server.say(&[b"PFDEBUG", b"DECODE", b"k"]);
            // It may be corrupt behind the register that is meant.
            server.say(&[b"PFADD", b"k", b"a", b"b", b"c", rest]);
            server.say(&[b"PFADD", b"k"]);
            server.say(&[b"PFCOUNT", b"k"]);
        }
        Ok(registers) => {
            assert_eq!(&server.registers(b"k"), registers);
            // That made it dense, so the next steps have a new one.
            server.say(&[b"SET", b"k", &string]);
            if what & 2 != 0 {
                server.say(&[b"CONFIG", b"SET", b"hll-sparse-max-bytes", b"200"]);
            }
            if what & 4 != 0 {
                server.say(&[b"PFADD", b"other", b"1", b"2", b"3", b"4", b"5", b"6"]);
                let union = server.say(&[b"PFCOUNT", b"k", b"other"]);
                server.say(&[b"PFMERGE", b"k", b"other"]);
                assert_eq!(server.say(&[b"PFCOUNT", b"k"]), union);
            }
            let elements: [&[u8]; 4] = [b"1", b"2", b"", rest];
            for element in elements {
                let before = server.copy_registers();
                let changed = server.say(&[b"PFADD", b"k", element]) == Value::Int(1);
                let after = server.copy_registers();
                let raised: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
                assert_eq!(raised.len(), changed as usize);
                assert!(raised.iter().all(|(before, after)| before < after));
                assert_eq!(server.say(&[b"PFADD", b"k", element]), Value::Int(0));
            }
            server.say(&[b"PFADD", b"k", b"so that the count is out of date", rest, b"?"]);
            if is_stale {
                let alone = server.say(&[b"PFCOUNT", b"k"]);
                assert_eq!(server.say(&[b"PFCOUNT", b"k"]), alone);
                assert_eq!(server.say(&[b"PFCOUNT", b"k", b"k"]), alone);
                server.say(&[b"PFMERGE", b"third", b"k"]);
                assert_eq!(server.say(&[b"PFCOUNT", b"third"]), alone);
            }
        }
    }
});

struct Server {
    engine: Engine,
    clock: Clock,
    who: SessionKey,
}

impl Server {
    fn new() -> Server {
        let clock = Clock::new();
        let machine = Machine::new(clock.clone());
        let mut engine = Engine::new(Config::default(), TABLE, Box::new(machine), 7);
        let who = engine.connect(Peer::default(), clock.now());
        Server { engine, clock, who }
    }

    fn say(&mut self, line: &[&[u8]]) -> Value {
        let mut request = format!("*{}\r\n", line.len()).into_bytes();
        for word in line {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let mut answers = Vec::new();
        self.engine.receive(self.who, &request, &mut answers, self.clock.now());
        let mut values = Client::replies(answers).expect("whole replies");
        assert_eq!(values.len(), 1);
        values.remove(0)
    }

    fn refused(&mut self, line: &[&[u8]], why: &str) {
        match self.say(line) {
            Value::Error(text) => {
                assert!(text.starts_with(why.as_bytes()), "{}", text.escape_ascii())
            }
            answer => panic!("{answer:?}"),
        }
    }

    fn registers(&mut self, key: &[u8]) -> Vec<u8> {
        let Value::Array(list) = self.say(&[b"PFDEBUG", b"GETREG", key]) else { panic!("no list") };
        let register = |value: &Value| match value {
            Value::Int(register) => *register as u8,
            other => panic!("{other:?}"),
        };
        list.iter().map(register).collect()
    }

    /// The registers of `k`, which stays in its form.
    fn copy_registers(&mut self) -> Vec<u8> {
        self.say(&[b"COPY", b"k", b"copy", b"REPLACE"]);
        self.registers(b"copy")
    }
}

/// What a string means, read in the plainest way.
fn registers(string: &[u8]) -> Result<Vec<u8>, &'static str> {
    const COUNT: usize = 16384;
    let is_sketch = string.len() >= 16 && string.starts_with(b"HYLL");
    match string.get(4) {
        Some(0) if is_sketch && string.len() == 16 + COUNT * 6 / 8 => {
            let bit = |at: usize| string[16 + at / 8] >> (at % 8) & 1;
            let register = |at: usize| (0..6).map(|place| bit(at * 6 + place) << place).sum();
            return Ok((0..COUNT).map(register).collect());
        }
        Some(1) if is_sketch => (),
        _ => return Err("WRONGTYPE"),
    }
    let mut registers = Vec::new();
    let mut opcodes = string[16..].iter();
    while let Some(&byte) = opcodes.next() {
        let byte = usize::from(byte);
        let (value, run) = match byte >> 6 {
            0 => (0, byte + 1),
            1 => match opcodes.next() {
                Some(&low) => (0, ((byte & 63) << 8) + usize::from(low) + 1),
                None => return Err("INVALIDOBJ"),
            },
            _ => ((byte >> 2 & 31) + 1, (byte & 3) + 1),
        };
        if registers.len() + run > COUNT {
            return Err("INVALIDOBJ");
        }
        registers.extend(std::iter::repeat_n(value as u8, run));
    }
    if registers.len() == COUNT { Ok(registers) } else { Err("INVALIDOBJ") }
}
