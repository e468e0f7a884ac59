//! Plays scenes in one manner and keeps what differed.

use russet::commands::{TABLE, find, find_sub};
use russet::engine::InMulti;
use russet::spec::{NO_MULTI, Spec};
use std::ops::Range;
use std::path::PathBuf;

use crate::expect::{Times, fill_in, line_matches, matches};
use crate::side::{Heard, Side, Words};
use crate::support::value::{Value, command_line};
use crate::transcript::{Act, Form, Scene, Step, Transcript, written};

/// How a transcript is played.
pub struct Lens {
    pub name: &'static str,
    /// Which marks and which forms of answers are meant for it.
    pub tags: &'static [&'static str],
    pub proto: u8,
    pub manner: Manner,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    Plain,
    /// Every command in a transaction of its own.
    Multi,
    /// The scene is sent in one piece.
    Pipeline,
}

#[derive(Default)]
pub struct Report {
    pub played: usize,
    pub skipped: usize,
    pub failures: Vec<Failure>,
    /// Other lines for a file, where UPDATE asks for them.
    pub edits: Vec<Edit>,
    /// Rows of the table that were run, by number.
    pub commands: Vec<u16>,
}

pub struct Failure {
    pub path: PathBuf,
    pub line: usize,
    pub command: String,
    pub expected: String,
    pub actual: String,
}

pub struct Edit {
    pub path: PathBuf,
    pub place: Range<usize>,
    pub lines: Vec<String>,
}

/// Commands that change how the connection speaks, or end it, so that no EXEC could answer; and those
/// that have another number of answers than one.
const NEVER_QUEUED: &[&str] = &[
    "HELLO",
    "RESET",
    "QUIT",
    "AUTH",
    "CLIENT|REPLY",
    "MONITOR",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SSUBSCRIBE",
    "SUNSUBSCRIBE",
];

/// Clients that no transcript can name: who listens to events, and who switches them on and off.
const LISTENER: usize = 10;
const SWITCH: usize = 11;
const EVENT_CHANNELS: &str = "__keyevent@";
/// Events that only Redis from 8.2 on has.
const REPLACED: [&str; 2] = ["overwritten ", "type_changed "];

/// A message of an event as a transcript writes it: its name and the key, and the database before
/// them if it is not the first.
fn event(message: &Value) -> Option<String> {
    let texts: Vec<&[u8]> = message.items()?.iter().filter_map(Value::text).collect();
    let [b"pmessage", _, channel, key] = texts[..] else { return None };
    let channel = std::str::from_utf8(channel).ok()?.strip_prefix(EVENT_CHANNELS)?;
    let (db, name) = channel.split_once("__:")?;
    let key = written(&[key.to_vec()], i64::MIN);
    Some(match db {
        "0" => format!("{name} {key}"),
        db => format!("{db}:{name} {key}"),
    })
}

pub struct Player<'a> {
    pub lens: &'a Lens,
    pub side: &'a mut dyn Side,
    pub report: Report,
    pub update: bool,
}

impl Player<'_> {
    pub fn play(&mut self, transcript: &Transcript) {
        for scene in &transcript.scenes {
            if self.skips(scene) {
                self.report.skipped += scene.steps.len();
                continue;
            }
            let proto = scene.proto.unwrap_or(self.lens.proto);
            let played = match self.side.begin(proto, scene) {
                Ok(()) if self.lens.manner == Manner::Pipeline => self.pipeline(transcript, scene),
                Ok(()) if scene.events => self.scene_with_events(transcript, scene),
                Ok(()) => self.scene(transcript, scene),
                Err(why) => Err((0, why)),
            };
            let ended = self.side.end(scene).map_err(|why| (scene.steps.len() - 1, why));
            if let Err((at, why)) = played.and(ended) {
                self.fail(transcript, &scene.steps[at], "to be played".into(), why);
            }
        }
    }

    fn skips(&self, scene: &Scene) -> bool {
        let tags = self.lens.tags;
        if scene.skipped.iter().any(|tag| tags.contains(&tag.as_str()))
            || scene.proto.is_some_and(|proto| proto != self.lens.proto)
            || scene.events && self.lens.manner == Manner::Pipeline
            // What is read from a log runs as it did, and everybody hears of it again.
            || scene.events && tags.contains(&"aof")
            // Scenes about libraries would meet the lens' own one.
            || tags.contains(&"function") && scene.steps.iter().any(Step::is_of_libraries)
            // Who watches or tracks keys is told of each reload, as of a flush.
            || tags.contains(&"reload") && scene.steps.iter().any(Step::hears_of_flushes)
        {
            return true;
        }
        match self.lens.manner {
            Manner::Plain => false,
            // A transaction around another is an error, and it would use up what is watched.
            Manner::Multi => scene.steps.iter().any(|step| {
                let name = step.spec().map_or("", |spec| spec.name);
                matches!(name, "MULTI" | "EXEC" | "DISCARD" | "WATCH" | "UNWATCH")
            }),
            // One client, no time in between, and every answer comes.
            Manner::Pipeline => scene
                .steps
                .iter()
                .any(|step| !matches!(step.act, Act::Say { client: 0, .. }) || !step.answers(tags)),
        }
    }

    fn scene(&mut self, transcript: &Transcript, scene: &Scene) -> Result<(), (usize, String)> {
        let mut queued: Vec<Words> = Vec::new();
        let mut waited = None;
        for (at, step) in scene.steps.iter().enumerate() {
            let failed = |why: String| (at, why);
            if step.skipped.iter().any(|tag| self.lens.tags.contains(&tag.as_str())) {
                self.report.skipped += 1;
                continue;
            }
            match &step.act {
                Act::Wait(time) => {
                    self.side.wait(*time);
                    waited.get_or_insert_with(Vec::new).append(&mut self.side.swept());
                    continue;
                }
                Act::Hear { client } => {
                    let heard = self.side.hear(*client).map_err(failed)?;
                    self.report.played += 1;
                    self.compare(transcript, scene, step, heard);
                    continue;
                }
                Act::Say { client, words } => {
                    if !self.side.knows(words) {
                        self.report.skipped += scene.steps.len() - at;
                        return Ok(());
                    }
                    self.report.played += 1;
                    let now = self.side.times().latest;
                    let words: Words = words.iter().map(|word| fill_in(word, now)).collect();
                    let heard = match self.lens.manner == Manner::Multi && step.may_be_queued() {
                        true => self.in_transaction(*client, &words),
                        false => self.side.say(*client, &words, step.answers(self.lens.tags)),
                    };
                    let heard = heard.map_err(failed)?;
                    self.compare(transcript, scene, step, heard);
                    if let Some(told) = self.side.told()
                        && self.lens.manner == Manner::Plain
                    {
                        let told = told.map_err(failed)?;
                        let spec = step.spec().map_or("", |spec| spec.name);
                        let allowed = match spec {
                            "EXEC" => std::mem::take(&mut queued),
                            _ => vec![words.clone()],
                        };
                        if !matches!(spec, "EXEC" | "MULTI") {
                            queued.push(words);
                        }
                        // A scene of events is about them.
                        if !scene.events || step.log.lines.is_some() {
                            self.compare_log(transcript, step, told, &allowed, waited.as_deref());
                        }
                    }
                    if scene.events {
                        let heard = self.side.drain(LISTENER).map_err(failed)?;
                        self.compare_events(transcript, step, &heard);
                    }
                    self.report.commands.extend(step.row());
                    // Commands that a log must not know of change data behind its back.
                    let unknown_to_log = step.skipped.iter().any(|tag| tag == "twin");
                    if let Err(why) = self.side.check()
                        && !unknown_to_log
                    {
                        self.fail(transcript, step, "equal data".into(), why);
                    }
                }
            }
        }
        Ok(())
    }

    /// The scene with a client who listens to all events. Whatever is said, they are off again when
    /// it ends.
    fn scene_with_events(
        &mut self,
        transcript: &Transcript,
        scene: &Scene,
    ) -> Result<(), (usize, String)> {
        let mut switch = |events: &str| -> Result<Heard, String> {
            let words = ["CONFIG", "SET", "notify-keyspace-events", events];
            self.side.say(SWITCH, &words.map(|word| word.as_bytes().to_vec()).into(), true)
        };
        // Neither peer has events of values that are replaced.
        let on = match switch("EAmnoc") {
            Ok(Heard::Reply(value)) if value.is_error() => switch("EAmn"),
            other => other,
        };
        let listen = [b"PSUBSCRIBE".to_vec(), format!("{EVENT_CHANNELS}*").into_bytes()];
        let played = on
            .and_then(|_| self.side.say(LISTENER, &listen.into(), false))
            .and_then(|_| self.side.drain(LISTENER))
            .map_err(|why| (0, why))
            .and_then(|_| self.scene(transcript, scene));
        let off = ["CONFIG", "SET", "notify-keyspace-events", ""];
        let off = off.map(|word| word.as_bytes().to_vec()).into();
        let off = self.side.say(SWITCH, &off, true).map_err(|why| (0, why));
        played.and(off.map(|_| ()))
    }

    fn pipeline(&mut self, transcript: &Transcript, scene: &Scene) -> Result<(), (usize, String)> {
        let now = self.side.times().latest;
        let steps: Vec<&Step> = scene
            .steps
            .iter()
            .filter(|step| !step.skipped.iter().any(|tag| self.lens.tags.contains(&tag.as_str())))
            .collect();
        let lines: Vec<Words> = steps
            .iter()
            .filter_map(|step| match &step.act {
                Act::Say { words, .. } => {
                    Some(words.iter().map(|word| fill_in(word, now)).collect())
                }
                _ => None,
            })
            .collect();
        let heard = self.side.say_all(0, &lines).map_err(|why| (0, why))?;
        for (step, heard) in steps.into_iter().zip(heard) {
            self.report.played += 1;
            self.compare(transcript, scene, step, heard);
        }
        self.side.check().map_err(|why| (0, why))
    }

    /// MULTI, the command, EXEC: its answer is the only one of EXEC, unless it was refused at once.
    fn in_transaction(&mut self, client: usize, words: &Words) -> Result<Heard, String> {
        let one = |word: &str| vec![word.as_bytes().to_vec()];
        let mut reply = |words: &Words| match self.side.say(client, words, true)? {
            Heard::Reply(value) => Ok(value),
            other => Err(format!("{}: {other:?}", command_line(words))),
        };
        let begun = reply(&one("MULTI"))?;
        if begun != Value::simple("OK") {
            return Err(format!("MULTI: {begun}"));
        }
        let queued = reply(words)?;
        let done = reply(&one("EXEC"))?;
        match (queued, done) {
            (Value::Simple(text), Value::Array(mut answers))
                if text == b"QUEUED" && answers.len() == 1 =>
            {
                Ok(Heard::Reply(answers.remove(0)))
            }
            (refusal @ Value::Error(_), Value::Error(abort)) if abort.starts_with(b"EXECABORT") => {
                Ok(Heard::Reply(refusal))
            }
            (queued, done) => Err(format!("in a transaction: {queued}, then {done}")),
        }
    }

    fn compare(&mut self, transcript: &Transcript, scene: &Scene, step: &Step, heard: Heard) {
        let form = step.form(self.lens.tags);
        let exact = self.lens.proto == 3
            && (scene.proto.is_some() || form.is_some_and(|form| form.tag == "resp3"));
        let actual = match heard {
            Heard::Nothing => "(nothing)".to_string(),
            Heard::Closed => "(closed)".to_string(),
            // Its numbers would look like the commands of other clients.
            Heard::Reply(Value::Push(items)) if exact => format!("(push) {}", Value::Array(items)),
            Heard::Reply(value) if exact => value.to_string(),
            Heard::Reply(value) => downgraded(&value).to_string(),
        };
        let times = self.times();
        let expected = form.map_or(&[][..], |form| &form.lines);
        if matches(expected, &actual, times) {
            return;
        }
        if self.update {
            let (place, lines) = match form {
                // What Valkey says otherwise stands beside what the others say.
                Some(form) if self.lens.tags.contains(&"valkey") && form.tag.is_empty() => {
                    let own =
                        Form { tag: "valkey".into(), prefix: "valkey: ".into(), ..form.clone() };
                    (form.place.end..form.place.end, own.rewritten(&actual))
                }
                Some(form) => (form.place.clone(), form.rewritten(&actual)),
                None => {
                    let below = step.line + 1;
                    (below..below, actual.lines().map(String::from).collect())
                }
            };
            self.report.edits.push(Edit { path: transcript.path.clone(), place, lines });
            return;
        }
        self.fail(transcript, step, expected.join("\n"), actual);
    }

    fn compare_log(
        &mut self,
        transcript: &Transcript,
        step: &Step,
        mut told: Vec<Words>,
        allowed: &[Words],
        waited: Option<&[Words]>,
    ) {
        let times = self.times();
        let now = times.latest;
        let show = |lines: &[Words]| -> Vec<String> {
            lines.iter().map(|words| written(words, now)).collect()
        };
        let right = match &step.log.lines {
            Some(expected) => {
                let plain: Vec<String> = told.iter().map(|words| command_line(words)).collect();
                // What was swept while time passed was told then.
                let swept: Vec<String> =
                    waited.unwrap_or_default().iter().map(|words| command_line(words)).collect();
                let expected: Vec<&Vec<u8>> = expected
                    .iter()
                    .filter(|line| !swept.iter().any(|swept| swept.as_bytes() == line.as_slice()))
                    .collect();
                expected.len() == plain.len()
                    && expected.iter().zip(&plain).all(|(expected, plain)| {
                        line_matches(&String::from_utf8_lossy(expected), plain, times)
                    })
            }
            None => {
                // Keys that were found to be due are told first.
                while waited.is_some()
                    && told.first().is_some_and(|words| words.len() == 2 && words[0] == b"DEL")
                    && !allowed.contains(&told[0])
                {
                    told.remove(0);
                }
                let mut from = allowed.iter();
                told.iter().all(|words| from.any(|allowed| allowed == words))
            }
        };
        if right {
            return;
        }
        let mut lines: Vec<String> =
            show(&told).into_iter().map(|line| format!("log: {line}")).collect();
        if lines.is_empty() {
            lines.push("log: nothing".into());
        }
        if self.update {
            let place = match step.log.place.is_empty() {
                true => step.end..step.end,
                false => step.log.place.clone(),
            };
            self.report.edits.push(Edit { path: transcript.path.clone(), place, lines });
            return;
        }
        let expected = match &step.log.lines {
            Some(lines) if lines.is_empty() => "log: nothing".into(),
            Some(lines) => lines
                .iter()
                .map(|line| format!("log: {}", String::from_utf8_lossy(line)))
                .collect::<Vec<_>>()
                .join("\n"),
            None => "to be told verbatim, or not at all".into(),
        };
        self.fail(transcript, step, expected, lines.join("\n"));
    }

    fn compare_events(&mut self, transcript: &Transcript, step: &Step, heard: &[Value]) {
        let times = self.times();
        let heard: Vec<String> = heard
            .iter()
            .map(|message| event(message).unwrap_or_else(|| message.to_string()))
            .collect();
        let is_expected = |line: &&Vec<u8>| {
            !self.lens.tags.iter().any(|tag| ["redis", "valkey"].contains(tag))
                || !REPLACED.iter().any(|name| line.starts_with(name.as_bytes()))
        };
        let lines = step.events.lines.as_deref().unwrap_or_default();
        let expected: Vec<String> = lines
            .iter()
            .filter(is_expected)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let right = expected.len() == heard.len()
            && expected.iter().zip(&heard).all(|(line, heard)| line_matches(line, heard, times));
        if right {
            return;
        }
        let shown = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("event: {line}")).collect()
        };
        if self.update {
            let place = match step.events.place.is_empty() {
                true => step.end..step.end,
                false => step.events.place.clone(),
            };
            let lines = shown(&heard);
            self.report.edits.push(Edit { path: transcript.path.clone(), place, lines });
            return;
        }
        let none = |lines: Vec<String>| match lines.is_empty() {
            true => "no event".to_string(),
            false => lines.join("\n"),
        };
        self.fail(transcript, step, none(shown(&expected)), none(shown(&heard)));
    }

    fn times(&self) -> Times {
        self.side.times()
    }

    fn fail(&mut self, transcript: &Transcript, step: &Step, expected: String, actual: String) {
        self.report.failures.push(Failure {
            path: transcript.path.clone(),
            line: step.line + 1,
            command: transcript.lines[step.line].clone(),
            expected,
            actual,
        });
    }
}

impl Step {
    /// The row of the command, if there is one.
    fn spec(&self) -> Option<&'static Spec> {
        self.row().map(|id| &TABLE.all[id as usize].spec)
    }

    fn row(&self) -> Option<u16> {
        let Act::Say { words, .. } = &self.act else { return None };
        let command = find(&words[0])?;
        let sub = words.get(1).and_then(|sub| find_sub(command, sub));
        Some(sub.unwrap_or(command).id)
    }

    fn is_of_libraries(&self) -> bool {
        self.spec().is_some_and(|spec| spec.name.starts_with("FUNCTION"))
    }

    fn hears_of_flushes(&self) -> bool {
        self.spec().is_some_and(|spec| matches!(spec.name, "WATCH" | "CLIENT|TRACKING"))
    }

    fn may_be_queued(&self) -> bool {
        let Some(id) = self.row() else { return true };
        let row = &TABLE.all[id as usize];
        row.in_multi == InMulti::Queue
            && !row.spec.has(NO_MULTI)
            && !NEVER_QUEUED.contains(&row.spec.name)
    }

    /// Does an answer come at once?
    fn answers(&self, tags: &[&str]) -> bool {
        self.form(tags).is_none_or(|form| form.lines != ["(nothing)"])
    }
}

/// What RESP2 would have said: the writer of replies has the same rules.
fn downgraded(value: &Value) -> Value {
    let flat = |pairs: &[(Value, Value)]| {
        pairs.iter().flat_map(|(key, value)| [downgraded(key), downgraded(value)]).collect()
    };
    match value {
        Value::BlobError(text) => Value::Error(text.clone()),
        Value::Null | Value::NullArray => Value::NullBulk,
        Value::Double(text) | Value::BigNumber(text) => Value::Bulk(text.clone()),
        Value::Verbatim { text, .. } => Value::Bulk(text.clone()),
        Value::Bool(truth) => Value::Int(*truth as i64),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            Value::Array(items.iter().map(downgraded).collect())
        }
        Value::Map(pairs) => Value::Array(flat(pairs)),
        Value::Attribute(_, value) => downgraded(value),
        other => other.clone(),
    }
}
