//! Every command from a script: one engine is told the commands as they are, another one is told them
//! by way of Lua, and both must do the same.
//!
//! The first engine's answers go to the transcript, as everywhere. The second one's must be what Lua
//! makes of those: `through_lua` holds the rules of the manual, one to a line. What the log is told and
//! what listeners hear must be the same from both, and so must the data.
//! Manual: <https://redis.io/docs/latest/develop/programmability/lua-api/#data-type-conversion>.

use russet::commands::{TABLE, find, find_sub};
use russet::engine::Command;
use russet::spec::NOSCRIPT;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::expect::Times;
use crate::side::{Heard, Side, Words};
use crate::support::value::{Value, command_line};
use crate::transcript::Scene;

/// What a command is called by.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// EVAL.
    Script,
    /// FCALL, of a library that is loaded when a scene begins.
    Function,
}

pub struct Scripted<S> {
    plain: S,
    scripted: S,
    way: Way,
    /// What scripts speak, and clients at first.
    proto: u8,
    clients: BTreeMap<usize, Talker>,
    /// One difference is enough; all that follows would differ as well.
    differs: bool,
}

/// What a client's commands did to itself.
struct Talker {
    proto: u8,
    /// In a transaction: which of the queued commands were sent by way of Lua.
    queued: Option<Vec<bool>>,
}

/// Who loads the library; no transcript can name it.
const LIBRARIAN: usize = 12;
/// As many words as Lua's `unpack` surely takes.
const WORDS_MAX: usize = 1000;

/// They go to the database of the script, which is not the client's.
const OWN_STATE: &[&str] = &["SELECT"];
/// They tell what was called, how often, or how much memory that took.
const INTROSPECTIVE: &[&str] = &["INFO", "SLOWLOG", "COMMANDLOG", "LATENCY", "MEMORY", "DEBUG"];

impl<S: Side> Scripted<S> {
    pub fn new(plain: S, scripted: S, way: Way) -> Scripted<S> {
        let clients = BTreeMap::new();
        Scripted { plain, scripted, way, proto: 2, clients, differs: false }
    }

    fn talker(&mut self, client: usize) -> &mut Talker {
        let proto = self.proto;
        self.clients.entry(client).or_insert(Talker { proto, queued: None })
    }

    /// The command as Lua is asked to call it; none if it cannot be, or if nothing could be compared.
    fn by_way_of_lua(&mut self, client: usize, words: &Words, answer: &Heard) -> Option<Words> {
        let (row, _) = command(words)?;
        let name = row.spec.name.split('|').next().unwrap_or_default();
        let refused = row.spec.has(NOSCRIPT) || OWN_STATE.contains(&name);
        // Nobody waits in a script.
        let Heard::Reply(value) = answer else { return None };
        let proto = self.proto;
        let talker = self.talker(client);
        // What is refused when it is to be queued ends the transaction, and a script would not be.
        let unqueued = talker.queued.is_some() && *value != Value::simple("QUEUED");
        if refused || unqueued || talker.proto != proto || words.len() > WORDS_MAX {
            return None;
        }
        let head = match self.way {
            Way::Script => vec![b"EVAL".to_vec(), body(proto, "ARGV").into_bytes()],
            Way::Function => vec![b"FCALL".to_vec(), b"call".to_vec()],
        };
        Some(head.into_iter().chain([b"0".to_vec()]).chain(words.iter().cloned()).collect())
    }

    /// Is the answer of the one what Lua makes of that of the other?
    fn compare(&self, words: &Words, plain: &Value, scripted: &Value) -> Result<(), String> {
        let wanted = match wanted(words, plain) {
            Some(error) => error,
            None => through_lua(plain, self.proto).unwrap_or(null(self.proto)),
        };
        let is_told_of = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        if INTROSPECTIVE.iter().any(|name| is_told_of(name))
            || unordered(&wanted) == unordered(scripted)
        {
            return Ok(());
        }
        let line = command_line(words);
        Err(format!("by way of Lua, {line} answers\n{scripted}\ninstead of\n{wanted}"))
    }

    fn compare_transaction(
        &mut self,
        lines: &[bool],
        plain: &Value,
        scripted: &Value,
    ) -> Result<(), String> {
        let (Value::Array(plain), Value::Array(scripted)) = (plain, scripted) else {
            return match plain == scripted {
                true => Ok(()),
                false => {
                    Err(format!("by way of Lua, EXEC answers\n{scripted}\ninstead of\n{plain}"))
                }
            };
        };
        for ((plain, scripted), is_sent) in plain.iter().zip(scripted).zip(lines) {
            if *is_sent {
                // Which command it was does not matter here: its answer is no error of its form.
                self.compare(&vec![b"EXEC".to_vec()], plain, scripted)?;
            }
        }
        match plain.len() == scripted.len() {
            true => Ok(()),
            false => Err("by way of Lua, EXEC has another number of answers".into()),
        }
    }

    /// Takes note of what a command did to its client.
    fn follow(&mut self, client: usize, words: &Words, answer: &Heard, is_sent: bool) {
        let Heard::Reply(answer) = answer else { return };
        let (upper, proto) = (words[0].to_ascii_uppercase(), self.proto);
        let talker = self.talker(client);
        match (&*upper, &mut talker.queued) {
            (b"RESET", _) => *talker = Talker { proto: 2, queued: None },
            (b"EXEC" | b"DISCARD", queued) => *queued = None,
            (b"MULTI", queued @ None) if !answer.is_error() => *queued = Some(Vec::new()),
            (_, Some(lines)) if *answer == Value::simple("QUEUED") => lines.push(is_sent),
            (b"HELLO", _) if !answer.is_error() => {
                talker.proto = match words.get(1).map(|word| word.as_slice()) {
                    Some(b"2") => 2,
                    Some(b"3") => 3,
                    _ => talker.proto,
                };
            }
            _ => (),
        }
        debug_assert!(proto == 2 || proto == 3);
    }
}

impl<S: Side> Side for Scripted<S> {
    fn begin(&mut self, proto: u8, scene: &Scene) -> Result<(), String> {
        (self.proto, self.differs) = (proto, false);
        self.clients.clear();
        self.plain.begin(proto, scene)?;
        self.scripted.begin(proto, scene)?;
        if self.way == Way::Script {
            return Ok(());
        }
        let call = body(proto, "args");
        let library = format!(
            "#!lua name=lens\nredis.register_function('call', function(keys, args) {call} end)"
        );
        let words = ["FUNCTION", "LOAD", "REPLACE", &library];
        let words: Words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        match self.scripted.say(LIBRARIAN, &words, true)? {
            Heard::Reply(value) if !value.is_error() => (),
            other => return Err(format!("FUNCTION LOAD: {other:?}")),
        }
        self.scripted.told().transpose().map(drop)
    }

    fn say(&mut self, client: usize, words: &Words, waits: bool) -> Result<Heard, String> {
        let plain = self.plain.say(client, words, waits)?;
        let mut by_lua = self.by_way_of_lua(client, words, &plain);
        let sent = by_lua.as_ref().unwrap_or(words);
        let mut scripted = self.scripted.say(client, sent, waits)?;
        // Whoever listens in RESP2 may ask for little, and scripts are not among it.
        if by_lua.is_some() && matches!(&scripted, Heard::Reply(refusal) if only_listens(refusal)) {
            scripted = self.scripted.say(client, words, waits)?;
            by_lua = None;
        }
        if let (Heard::Reply(plain), Heard::Reply(scripted)) = (&plain, &scripted) {
            let is_exec = words[0].eq_ignore_ascii_case(b"EXEC");
            let queued = self.talker(client).queued.take_if(|_| is_exec);
            match queued {
                Some(lines) => self.compare_transaction(&lines, plain, scripted)?,
                None if by_lua.is_some() => self.compare(words, plain, scripted)?,
                None => (),
            }
        } else if by_lua.is_some() {
            return Err(format!("by way of Lua, {}: {scripted:?}", command_line(words)));
        }
        self.follow(client, words, &plain, by_lua.is_some());
        Ok(plain)
    }

    fn say_all(&mut self, client: usize, lines: &[Words]) -> Result<Vec<Heard>, String> {
        lines.iter().map(|words| self.say(client, words, true)).collect()
    }

    fn drain(&mut self, client: usize) -> Result<Vec<Value>, String> {
        let (plain, scripted) = (self.plain.drain(client)?, self.scripted.drain(client)?);
        let show = |values: &[Value]| -> String {
            values.iter().map(|value| format!("{value}\n")).collect()
        };
        match plain == scripted {
            true => Ok(plain),
            false => Err(format!(
                "by way of Lua, a client was told\n{}instead of\n{}",
                show(&scripted),
                show(&plain)
            )),
        }
    }

    fn hear(&mut self, client: usize) -> Result<Heard, String> {
        let (plain, scripted) = (self.plain.hear(client)?, self.scripted.hear(client)?);
        match (&plain, &scripted) {
            // MONITOR shows what was called, and by whom.
            (Heard::Reply(Value::Simple(_)), Heard::Reply(Value::Simple(_))) => Ok(plain),
            (Heard::Reply(left), Heard::Reply(right)) if left == right => Ok(plain),
            (Heard::Nothing, Heard::Nothing) | (Heard::Closed, Heard::Closed) => Ok(plain),
            _ => Err(format!("by way of Lua, a client hears\n{scripted:?}\ninstead of\n{plain:?}")),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.plain.wait(time);
        self.scripted.wait(time);
    }

    fn times(&self) -> Times {
        self.plain.times()
    }

    fn told(&mut self) -> Option<Result<Vec<Words>, String>> {
        let (plain, scripted) = (self.plain.told()?, self.scripted.told()?);
        let (plain, scripted) = match (plain, scripted) {
            (Ok(plain), Ok(scripted)) => (plain, scripted),
            (Err(why), _) | (_, Err(why)) => return Some(Err(why)),
        };
        let show = |lines: &[Words]| -> String {
            lines.iter().map(|words| command_line(words) + "\n").collect()
        };
        Some(match plain == scripted {
            true => Ok(plain),
            false => Err(format!(
                "by way of Lua, the log is told\n{}instead of\n{}",
                show(&scripted),
                show(&plain)
            )),
        })
    }

    fn swept(&mut self) -> Vec<Words> {
        self.scripted.swept();
        self.plain.swept()
    }

    fn check(&mut self) -> Result<(), String> {
        self.plain.check()?;
        self.scripted.check()?;
        if !self.differs && self.plain.digest() != self.scripted.digest() {
            self.differs = true;
            return Err("by way of Lua, the data is other data now".into());
        }
        Ok(())
    }

    fn knows(&mut self, words: &Words) -> bool {
        self.plain.knows(words)
    }

    fn end(&mut self, scene: &Scene) -> Result<(), String> {
        self.plain.end(scene)?;
        self.scripted.end(scene)
    }
}

fn only_listens(answer: &Value) -> bool {
    answer.text().is_some_and(|text| text.starts_with(b"ERR Can't execute '"))
}

fn body(proto: u8, words: &str) -> String {
    let speaks = if proto == 3 { "redis.setresp(3); " } else { "" };
    format!("{speaks}return redis.pcall(unpack({words}))")
}

/// The row of a command line, and whether all of its name is known.
fn command(words: &Words) -> Option<(&'static Command, bool)> {
    let row = find(&words[0])?;
    let has_words =
        TABLE.all.iter().any(|other| other.spec.name.starts_with(&format!("{}|", row.spec.name)));
    match words.get(1).and_then(|word| find_sub(row, word)) {
        Some(sub) => Some((sub, true)),
        None => Some((row, !has_words)),
    }
}

/// The errors that scripts word in their own way.
fn wanted(words: &Words, plain: &Value) -> Option<Value> {
    let (row, is_known) = command(words)?;
    if !plain.is_error() {
        return None;
    }
    if !is_known && words.len() > 1 {
        return Some(Value::error("ERR Unknown Redis command called from script"));
    }
    let fits = row.arity_fits(words.len());
    (!fits).then(|| Value::error("ERR Wrong number of args calling Redis command from script"))
}

/// An answer as it is when it has been a value of Lua. Nothing is left of what becomes nil there.
fn through_lua(value: &Value, proto: u8) -> Option<Value> {
    let all = |items: &[Value]| -> Vec<Value> {
        // An array ends at its first nil.
        items.iter().map_while(|item| through_lua(item, proto)).collect()
    };
    Some(match value {
        // Numbers are doubles.
        Value::Int(number) => Value::Int(whole(*number as f64)),
        // In RESP2 there is one null, and it becomes false; false becomes null again.
        Value::NullBulk | Value::NullArray if proto == 2 => Value::NullBulk,
        Value::Null | Value::NullBulk | Value::NullArray => return None,
        Value::Array(items) => Value::Array(all(items)),
        // Tables know of each key whether it is there, and no order.
        Value::Set(items) => {
            Value::Set(items.iter().filter_map(|item| through_lua(item, proto)).collect())
        }
        Value::Map(pairs) => {
            let through = |(key, value): &(Value, Value)| {
                Some((through_lua(key, proto)?, through_lua(value, proto)?))
            };
            Value::Map(pairs.iter().filter_map(through).collect())
        }
        other => other.clone(),
    })
}

/// A double as an integer. One that is too large is what the processor makes of it, in Redis.
fn whole(number: f64) -> i64 {
    if number >= i64::MAX as f64 { i64::MIN } else { number as i64 }
}

fn null(proto: u8) -> Value {
    if proto == 2 { Value::NullBulk } else { Value::Null }
}

/// The same value with sets and maps in one order.
fn unordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(unordered).collect()),
        Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_cached_key(|item| format!("{item:?}"));
            Value::Set(items)
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<(Value, Value)> =
                pairs.iter().map(|(key, value)| (unordered(key), unordered(value))).collect();
            pairs.sort_by_cached_key(|pair| format!("{pair:?}"));
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}
