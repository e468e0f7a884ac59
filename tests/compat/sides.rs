//! The two servers under comparison: who they are, which words they know, and what they answer to
//! a history.

use std::collections::BTreeSet;
use std::io;

use crate::compare::{Difference, Queue, has_word, is};
use crate::generate::grammar::Args;
use crate::generate::{Act, CONNECTIONS, Step};
use crate::support::client::{Address, Client, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;

/// Lines sent before their replies are read.
const BATCH_LINES: usize = 80;

/// Less than a socket buffer, so that neither side can wait for the other to read.
const BATCH_BYTES: usize = 32 * 1024;

/// Parts of a command that not every server has: if the probe is a mistake to one of the two, lines
/// with that word are not sent. (Whole commands need no row here: every server is asked about
/// every command.)
const DIALECTS: &[(&str, &str, &[&str])] = &[
    ("SET", "IFEQ", &["SET", "k", "v", "IFEQ", "x"]),
    ("SET", "IFNE", &["SET", "k", "v", "IFNE", "x"]),
    ("SET", "IFDEQ", &["SET", "k", "v", "IFDEQ", "0123456789abcdef"]),
    ("SET", "IFDNE", &["SET", "k", "v", "IFDNE", "0123456789abcdef"]),
    ("BITOP", "DIFF", &["BITOP", "DIFF", "k", "a", "b"]),
    ("BITOP", "DIFF1", &["BITOP", "DIFF1", "k", "a", "b"]),
    ("BITOP", "ANDOR", &["BITOP", "ANDOR", "k", "a", "b"]),
    ("BITOP", "ONE", &["BITOP", "ONE", "k", "a", "b"]),
    ("ZUNION", "COUNT", &["ZUNION", "1", "k", "AGGREGATE", "COUNT"]),
    ("ZINTER", "COUNT", &["ZINTER", "1", "k", "AGGREGATE", "COUNT"]),
    ("ZUNIONSTORE", "COUNT", &["ZUNIONSTORE", "k", "1", "k", "AGGREGATE", "COUNT"]),
    ("ZINTERSTORE", "COUNT", &["ZINTERSTORE", "k", "1", "k", "AGGREGATE", "COUNT"]),
];

/// The directives that histories set, and what they are when one begins.
const DIRECTIVES: &[&str] = &[
    "hash-max-listpack-entries",
    "512",
    "hash-max-listpack-value",
    "64",
    "list-max-listpack-size",
    "-2",
    "set-max-intset-entries",
    "512",
    "set-max-listpack-entries",
    "128",
    "set-max-listpack-value",
    "64",
    "zset-max-listpack-entries",
    "128",
    "zset-max-listpack-value",
    "64",
    "stream-node-max-entries",
    "100",
    "stream-node-max-bytes",
    "4096",
    "notify-keyspace-events",
    "",
];

/// Commands that Russet does not have yet, and what they wait for. They are not sent when Russet is
/// one of the two; take a row away and its command is compared again.
pub const LATER: &[(&str, &str)] = &[("ACL", "users and their rights"), ("DUMP", "snapshots")];

pub struct Side {
    pub name: String,
    /// None for a server that somebody else started.
    pub program: Option<Program>,
    server: Option<Server>,
    address: Address,
    clients: Vec<Client>,
    /// What the server calls them, for CLIENT UNBLOCK.
    ids: Vec<String>,
}

/// What came back for a step: a value, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Reply(Value),
    Nothing(String),
}

/// A step's line as it was judged, and both answers.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub step: usize,
    pub connection: usize,
    pub args: Args,
    pub left: Heard,
    pub right: Heard,
    /// What is left of the difference when everything accepted is taken away.
    pub differences: Vec<Difference>,
}

impl Exchange {
    pub fn is_same(&self) -> bool {
        let answered = |heard: &Heard| matches!(heard, Heard::Reply(_));
        self.differences.is_empty() && answered(&self.left) && answered(&self.right)
    }
}

impl Side {
    /// `russet`, `redis`, `valkey`, or HOST:PORT. None for a peer that is not installed.
    pub fn open(name: &str) -> Result<Option<Side>, String> {
        let programs = [Program::Russet, Program::Redis, Program::Valkey];
        let program = programs.into_iter().find(|it| it.name() == name);
        let (server, address) = match program {
            Some(program) if program.path().is_none() => return Ok(None),
            Some(program) => {
                let server = Server::start(program, &[])?;
                let address = server.address();
                (Some(server), address)
            }
            None if name.contains(':') => (None, Address::Tcp(name.into())),
            None => return Err(format!("{name} is neither a server we know nor HOST:PORT")),
        };
        Ok(Some(Side {
            name: name.into(),
            program,
            server,
            address,
            clients: Vec::new(),
            ids: Vec::new(),
        }))
    }

    /// An empty server and fresh connections. A server of ours that died is started again.
    pub fn begin(&mut self, protocol: u8) -> Result<(), String> {
        if let Some(server) = &mut self.server
            && !server.is_running()
        {
            eprintln!("compat: {} died; its log ends:\n{}", self.name, server.log_tail());
            let fresh = Server::start(server.program, &[])?;
            self.address = fresh.address();
            self.server = Some(fresh);
        }
        self.try_begin(protocol).map_err(|why| format!("{} ({}): {why}", self.name, self.address))
    }

    fn try_begin(&mut self, protocol: u8) -> io::Result<()> {
        self.clients.clear();
        self.ids.clear();
        for _ in 0..CONNECTIONS {
            let mut client = Client::connect(&self.address)?;
            if protocol == 3 {
                client.try_call(&["HELLO", "3"])?;
            }
            let id = client.try_call(&["CLIENT", "ID"])?;
            self.ids.push(if let Value::Int(id) = id { id.to_string() } else { "0".into() });
            self.clients.push(client);
        }
        // A server that has no such directive has none of the values either.
        self.clients[0].try_call(&[&["CONFIG", "SET"], DIRECTIVES].concat())?;
        // Keys that are past their deadline go when they are met, so that DBSIZE is no race. A
        // server without this switch may still race, and then says so in the comparison.
        self.clients[0].try_call(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        let reply = self.clients[0].try_call(&["FLUSHALL"])?;
        if reply != Value::simple("OK") {
            return Err(io::Error::other(format!("FLUSHALL: {reply}")));
        }
        Ok(())
    }

    /// The commands of a list this server has never heard of.
    pub fn unknown(&self, commands: &[String]) -> Result<BTreeSet<String>, String> {
        let mut unknown = BTreeSet::new();
        for name in commands {
            // A connection each, because some commands change the connection they came on.
            let reply = Client::connect(&self.address).and_then(|mut it| it.try_call(&[name]));
            let reply = reply.map_err(|why| format!("{}: {name}: {why}", self.name))?;
            let text = reply.text().unwrap_or_default();
            if reply.is_error() && text.starts_with(b"ERR unknown command") {
                unknown.insert(name.clone());
            }
        }
        Ok(unknown)
    }

    /// The rows of `LATER` that this server has by now.
    pub fn early(&self) -> Result<Vec<&'static str>, String> {
        let mut early = Vec::new();
        for (name, _) in LATER {
            let words: Vec<&str> = name.split(' ').collect();
            let reply = Client::connect(&self.address).and_then(|mut it| it.try_call(&words));
            let reply = reply.map_err(|why| format!("{}: {name}: {why}", self.name))?;
            if !reply.text().is_some_and(|text| text.starts_with(b"ERR unknown ")) {
                early.push(*name);
            }
        }
        Ok(early)
    }

    /// Which rows of `DIALECTS` this server does not speak.
    pub fn unspoken(&self) -> Result<BTreeSet<(&'static str, &'static str)>, String> {
        let mut unspoken = BTreeSet::new();
        for (command, word, probe) in DIALECTS {
            let reply = Client::connect(&self.address).and_then(|mut it| it.try_call(probe));
            let reply = reply.map_err(|why| format!("{}: {command}: {why}", self.name))?;
            if reply.is_error() {
                unspoken.insert((*command, *word));
            }
        }
        Ok(unspoken)
    }

    fn write(&mut self, connection: usize, frame: &[u8]) {
        // A connection that fails to take a batch fails to answer it, and that is where we notice.
        let _ = self.clients[connection].write_raw(frame);
    }

    fn hear(&mut self, connection: usize) -> Heard {
        loop {
            match self.clients[connection].read_reply() {
                // Tracking may speak between replies, and when it does is nobody's promise.
                Ok(Value::Push(_)) => {}
                Ok(reply) => return Heard::Reply(reply),
                Err(why) => return Heard::Nothing(why.to_string()),
            }
        }
    }

    fn full_scan(&mut self, connection: usize, line: &Args) -> Heard {
        let at = if is(line, "SCAN") { 1 } else { 2 };
        let in_pairs = (is(line, "HSCAN") && !has_word(line, "NOVALUES"))
            || (is(line, "ZSCAN") && !has_word(line, "NOSCORES"));
        let mut line = line.clone();
        let mut found = BTreeSet::new();
        // Far more pages than there are elements: a scan that does not end is a finding.
        for _ in 0..10_000 {
            let reply = match self.clients[connection].try_call(&line) {
                Ok(reply) => reply,
                Err(why) => return Heard::Nothing(why.to_string()),
            };
            let Some([next, page]) = reply.items() else { return Heard::Reply(reply) };
            let texts = page.items().unwrap_or_default().iter();
            let texts: Vec<Vec<u8>> =
                texts.filter_map(|text| text.text().map(<[u8]>::to_vec)).collect();
            found.extend(texts.chunks(if in_pairs { 2 } else { 1 }).map(<[_]>::to_vec));
            line[at] = next.text().unwrap_or_default().to_vec();
            if line[at] == b"0" {
                let row =
                    |texts: Vec<_>| Value::Array(texts.into_iter().map(Value::Bulk).collect());
                return Heard::Reply(Value::Set(found.into_iter().map(row).collect()));
            }
        }
        Heard::Nothing("the scan does not come to an end".into())
    }

    /// Lets a command pick elements, and says of each whether it is there. What picks and takes
    /// away works on a copy, so that all servers go on with the same data, and says what is left.
    fn pick(&mut self, connection: usize, line: &Args) -> Heard {
        const COPY: &[u8] = b"(copy)";
        let client = &mut self.clients[connection];
        let key = &line[1];
        let whole: &[&[u8]] = match line[0][0].to_ascii_uppercase() {
            b'H' => &[b"HGETALL", key],
            b'S' => &[b"SMEMBERS", key],
            _ => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        };
        let may_repeat = line.get(2).is_some_and(|count| count.starts_with(b"-"));
        let asked = client.try_call(whole).and_then(|whole| {
            if !is(line, "SPOP") {
                return Ok(checked_picks(
                    client.try_call(line)?,
                    &whole,
                    line.len() > 3,
                    may_repeat,
                ));
            }
            client.try_call(&[b"COPY", &key[..], COPY, b"REPLACE"])?;
            let mut line = line.clone();
            line[1] = COPY.to_vec();
            let popped = client.try_call(&line)?;
            let left = client.try_call(&[b"SCARD", COPY])?;
            client.try_call(&[b"DEL", COPY])?;
            Ok(Value::Array(vec![checked_picks(popped, &whole, false, false), left]))
        });
        asked.map_or_else(|why| Heard::Nothing(why.to_string()), Heard::Reply)
    }

    /// Sends a line, and listens to all connections until everybody has heard what they may.
    fn overheard(&mut self, connection: usize, line: &Args) -> Heard {
        let heard: io::Result<Vec<Value>> = (|| {
            self.clients[connection].send(line)?;
            let others = (0..CONNECTIONS).filter(|other| *other != connection);
            let each = std::iter::once(connection).chain(others);
            each.map(|one| Ok(Value::Array(in_one_order(fenced(&mut self.clients[one])?))))
                .collect()
        })();
        heard.map_or_else(
            |why| Heard::Nothing(why.to_string()),
            |heard| Heard::Reply(Value::Array(heard)),
        )
    }

    /// Lets all connections but the last wait, and the last one act; then nobody need wait any
    /// longer. All lines, and what was heard of each.
    fn wait(&mut self, waiters: &[Args], then: &[Args]) -> Vec<(Args, Heard)> {
        let last = CONNECTIONS - 1;
        for (at, line) in waiters.iter().enumerate() {
            let mut frame = Vec::new();
            encode(line, &mut frame);
            self.write(at, &frame);
            // The line was read before the second of these was.
            for _ in 0..2 {
                self.call(last, &vec![b"PING".to_vec()]);
            }
        }
        let mut heard: Vec<(Args, Heard)> =
            then.iter().map(|line| (line.clone(), self.call(last, line))).collect();
        for at in 0..waiters.len() {
            let line = ["CLIENT", "UNBLOCK", &self.ids[at]].map(|word| word.into()).to_vec();
            let shown = ["CLIENT", "UNBLOCK", &at.to_string()].map(|word| word.into()).to_vec();
            heard.push((shown, self.call(last, &line)));
        }
        let waited = waiters.iter().enumerate();
        heard.extend(waited.map(|(at, line)| (line.clone(), self.hear(at))));
        heard
    }

    fn call(&mut self, connection: usize, line: &Args) -> Heard {
        let mut frame = Vec::new();
        encode(line, &mut frame);
        self.write(connection, &frame);
        self.hear(connection)
    }

    fn random_key(&mut self, connection: usize) -> Heard {
        let client = &mut self.clients[connection];
        // The scan comes first: it meets every key past its deadline, RANDOMKEY only some.
        let asked = client.try_call(&["SCAN", "0", "COUNT", "1000"]).and_then(|page| {
            let key = client.try_call(&["RANDOMKEY"])?;
            let keys = page.items().and_then(|it| it.get(1)?.items()).unwrap_or_default();
            Ok(if keys.contains(&key) { Value::simple("a key") } else { key })
        });
        asked.map_or_else(|why| Heard::Nothing(why.to_string()), Heard::Reply)
    }
}

/// Picked elements that are there become words that say so; the others stay what they are.
fn checked_picks(reply: Value, whole: &Value, in_pairs: bool, may_repeat: bool) -> Value {
    let known = elements(whole, in_pairs);
    let mut seen = BTreeSet::new();
    let mut check = |name: &Value, rest: Option<&Value>| {
        let text = name.text()?;
        let found = known.iter().find(|(own, _)| own == text)?;
        let fits = rest.is_none_or(|rest| found.1.as_ref() == Some(rest));
        (fits && (seen.insert(text.to_vec()) || may_repeat)).then(|| Value::simple("one of them"))
    };
    match &reply {
        Value::Array(items) | Value::Set(items) => {
            let nested = items.iter().any(|item| item.items().is_some());
            let pairs = items.chunks(if in_pairs && !nested { 2 } else { 1 });
            let checked = pairs.map(|pair| {
                let (name, rest) = match pair {
                    [name, rest] => (name, Some(rest)),
                    [one] => match one.items() {
                        Some([name, rest]) => (name, Some(rest)),
                        _ => (one, None),
                    },
                    _ => return Value::Array(pair.to_vec()),
                };
                check(name, rest).unwrap_or_else(|| Value::Array(pair.to_vec()))
            });
            let checked: Vec<Value> = checked.collect();
            let form = Value::simple(if nested { "nested" } else { "flat" });
            Value::Array(vec![Value::simple(reply.kind()), form, Value::Array(checked)])
        }
        one => check(one, None).unwrap_or(reply),
    }
}

/// The elements of a whole value, with what belongs to each.
fn elements(whole: &Value, in_pairs: bool) -> Vec<(Vec<u8>, Option<Value>)> {
    let nested = whole.items().and_then(|items| items.first()?.items()).is_some();
    let pairs: Vec<(&Value, Option<&Value>)> = match whole {
        Value::Map(pairs) => pairs.iter().map(|(name, rest)| (name, Some(rest))).collect(),
        _ if nested => {
            let pairs = whole.items().unwrap_or_default().iter();
            pairs.filter_map(|pair| Some((pair.items()?.first()?, pair.items()?.get(1)))).collect()
        }
        Value::Array(items) if in_pairs => {
            items.chunks(2).map(|pair| (&pair[0], pair.get(1))).collect()
        }
        _ => whole.items().unwrap_or_default().iter().map(|name| (name, None)).collect(),
    };
    pairs
        .into_iter()
        .filter_map(|(name, rest)| Some((name.text()?.to_vec(), rest.cloned())))
        .collect()
}

/// Everything that a connection has to hear up to now: what comes before a PING comes back.
fn fenced(client: &mut Client) -> io::Result<Vec<Value>> {
    const FENCE: &str = "(as far as this)";
    client.send(&["PING", FENCE])?;
    let is_fence = |value: &Value| {
        let texts = value.items().unwrap_or(std::slice::from_ref(value));
        // Whoever listens in RESP2 has it in an array.
        texts.len() <= 2 && texts.last().and_then(Value::text) == Some(FENCE.as_bytes())
    };
    let mut heard = Vec::new();
    loop {
        match client.read_reply()? {
            value if is_fence(&value) => return Ok(heard),
            value => heard.push(value),
        }
    }
}

/// What several patterns of a listener have to say of one message comes in any order, and so does
/// what is said of all channels at once.
fn in_one_order(mut heard: Vec<Value>) -> Vec<Value> {
    let of = |value: &Value, at: usize| -> Option<Vec<u8>> {
        Some(value.items()?.get(at)?.text().unwrap_or_default().to_vec())
    };
    let is = |value: &Value, names: &[&str]| {
        of(value, 0).is_some_and(|kind| names.iter().any(|name| kind == name.as_bytes()))
    };
    for run in heard.chunk_by_mut(|left, right| {
        is(left, &["pmessage"]) && is(right, &["pmessage"]) && of(left, 2) == of(right, 2)
    }) {
        run.sort_by_key(|value| of(value, 1));
    }
    let gone = ["unsubscribe", "punsubscribe", "sunsubscribe"];
    for run in heard.chunk_by_mut(|left, right| is(left, &gone) && of(left, 0) == of(right, 0)) {
        let mut names: Vec<Value> =
            run.iter().filter_map(|value| value.items()?.get(1).cloned()).collect();
        if names.len() == run.len() {
            names.sort_by_key(|name| name.text().map(<[u8]>::to_vec));
            for (value, name) in run.iter_mut().zip(names) {
                if let Value::Array(items) | Value::Push(items) = value {
                    items[1] = name;
                }
            }
        }
    }
    heard
}

/// Whether both servers can be sent a line: they know its words, and it breaks no connection.
pub fn speaks(
    unknown: &BTreeSet<String>,
    later: &[(&str, &str)],
    unspoken: &[(&'static str, &'static str)],
    args: &Args,
) -> bool {
    // COMMAND GETKEYS is about the command it names.
    let about = if is(args, "COMMAND") { args.get(2..).unwrap_or_default() } else { args };
    let about = about.to_vec();
    // Redis 8.0 answers twice to some of these, an error and then OK, and nothing that follows on
    // the connection can be told apart.
    let prefixes = args.iter().filter(|arg| arg.eq_ignore_ascii_case(b"PREFIX")).count();
    if is(args, "CLIENT") && has_word(args, "TRACKING") && prefixes > 1 {
        return false;
    }
    let waits = |line: &Args| later.iter().any(|(name, _)| begins_with(line, name));
    !waits(args)
        && !waits(&about)
        && !unknown.iter().any(|name| is(args, name) || is(&about, name))
        && !unspoken.iter().any(|(name, word)| is(&about, name) && has_word(&about, word))
}

/// Whether a line is of a command, which may be written with its subcommand.
fn begins_with(line: &Args, name: &str) -> bool {
    let mut words = name.split(' ').enumerate();
    words
        .all(|(at, word)| line.get(at).is_some_and(|own| own.eq_ignore_ascii_case(word.as_bytes())))
}

/// Plays a history to both servers up to the first difference that `accepts` does not take, and
/// returns every exchange. An accepted difference ends the history too if the servers are no longer
/// in the same state after it.
pub fn play(
    left: &mut Side,
    right: &mut Side,
    protocol: u8,
    steps: &[Step],
    accepts: &mut dyn FnMut(&Difference) -> Accepts,
) -> Result<Vec<Exchange>, String> {
    left.begin(protocol)?;
    right.begin(protocol)?;
    let mut queues: Vec<Queue> = (0..CONNECTIONS).map(|_| Queue::default()).collect();
    let mut heard = Vec::with_capacity(steps.len());
    let mut at = 0;
    while at < steps.len() {
        let batch = batch(&steps[at..]);
        let connection = steps[at].connection;
        for (offset, (args, left, right)) in ask(left, right, batch).into_iter().enumerate() {
            let mut differences = Vec::new();
            if let (Heard::Reply(left), Heard::Reply(right)) = (&left, &right) {
                differences = queues[connection].differences(&args, left, right);
            }
            let mut parted = false;
            differences.retain(|difference| match accepts(difference) {
                Accepts::No => true,
                Accepts::AsSame => false,
                Accepts::AsTheEnd => {
                    parted = true;
                    false
                }
            });
            let step = at + offset.min(batch.len() - 1);
            let exchange = Exchange { step, connection, args, left, right, differences };
            let over = parted || !exchange.is_same();
            heard.push(exchange);
            if over {
                return Ok(heard);
            }
        }
        at += batch.len();
    }
    Ok(heard)
}

/// What a judge says of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accepts {
    No,
    AsSame,
    AsTheEnd,
}

/// The steps that can be sent at once: lines of one connection. Another connection must wait, or
/// the server would be free to choose who comes first.
fn batch(steps: &[Step]) -> &[Step] {
    let mut bytes = 0;
    let mut length = 0;
    while length < steps.len().min(BATCH_LINES) && steps[length].connection == steps[0].connection {
        if stands_alone(&steps[length].act) {
            return &steps[..length.max(1)];
        }
        bytes += match &steps[length].act {
            Act::Line(args) => args.iter().map(|arg| arg.len() + 16).sum::<usize>(),
            Act::Hushed(lines) => lines.iter().flatten().map(|arg| arg.len() + 16).sum::<usize>(),
            _ => 0,
        };
        if bytes > BATCH_BYTES && length > 0 {
            break;
        }
        length += 1;
    }
    &steps[..length]
}

/// Dialogues wait for answers themselves. A refused password is alone because Redis 8.0 swallows
/// that error when an earlier reply of the same pipeline has not gone out yet.
fn stands_alone(act: &Act) -> bool {
    match act {
        Act::Line(args) => is(args, "AUTH") || is(args, "HELLO"),
        Act::Hushed(_) => false,
        _ => true,
    }
}

fn ask(left: &mut Side, right: &mut Side, batch: &[Step]) -> Vec<(Args, Heard, Heard)> {
    let connection = batch[0].connection;
    match &batch[0].act {
        Act::FullScan(line) | Act::Pick(line) | Act::Overheard(line) => {
            let [left, right] = [left, right].map(|side| match &batch[0].act {
                Act::FullScan(_) => side.full_scan(connection, line),
                Act::Pick(_) => side.pick(connection, line),
                _ => side.overheard(connection, line),
            });
            return vec![(line.clone(), left, right)];
        }
        Act::Wait { waiters, then } => {
            let [left, right] = [left, right].map(|side| side.wait(waiters, then));
            let both = left.into_iter().zip(right);
            return both.map(|((line, left), (_, right))| (line, left, right)).collect();
        }
        Act::RandomKey => {
            let [left, right] = [left, right].map(|side| side.random_key(connection));
            return vec![(vec![b"RANDOMKEY".to_vec()], left, right)];
        }
        Act::Line(_) | Act::Hushed(_) => {}
    }
    let mut frame = Vec::new();
    for step in batch {
        match &step.act {
            Act::Line(args) => encode(args, &mut frame),
            Act::Hushed(lines) => lines.iter().for_each(|args| encode(args, &mut frame)),
            _ => unreachable!("the others stand alone in a batch"),
        }
    }
    left.write(connection, &frame);
    right.write(connection, &frame);
    let mut answers = Vec::with_capacity(batch.len());
    for step in batch {
        let line = match &step.act {
            Act::Hushed(lines) => lines.join(&b"; "[..].to_vec()),
            Act::Line(args) => args.clone(),
            _ => unreachable!("the others stand alone in a batch"),
        };
        let answer = (line, left.hear(connection), right.hear(connection));
        let silent = matches!(answer, (_, Heard::Nothing(_), _) | (_, _, Heard::Nothing(_)));
        answers.push(answer);
        if silent {
            break;
        }
    }
    answers
}
