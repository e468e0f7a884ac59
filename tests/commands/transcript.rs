//! A transcript as a tree: scenes of steps, each with the lines of the file it came from, so that
//! a failure can name its line and `UPDATE` can write another answer there.
//!
//! The notation is described in `tests/transcripts/README.md`.

use russet::base::bytes::split_line;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::expect::IN_ANY_ORDER;
use crate::support::value::quoted;

/// The lenses that a mark may name.
pub const TAGS: &[&str] = &[
    "direct", "split", "multi", "pipeline", "script", "function", "socket", "redis", "valkey",
    "rdb", "aof", "reload", "resp2", "resp3", "twin",
];

pub struct Transcript {
    pub path: PathBuf,
    pub lines: Vec<String>,
    pub scenes: Vec<Scene>,
}

#[derive(Default)]
pub struct Scene {
    pub steps: Vec<Step>,
    /// Lenses in which it is not played.
    pub skipped: Vec<String>,
    /// The only protocol in which it is played; its answers are exact there.
    pub proto: Option<u8>,
    /// Somebody listens to keyspace events, and all of them are written below the commands.
    pub events: bool,
}

pub struct Step {
    /// Its place in the file, counted from 0.
    pub line: usize,
    pub act: Act,
    pub skipped: Vec<String>,
    pub forms: Vec<Form>,
    pub log: Log,
    pub events: Log,
    /// Where lines that are missing belong.
    pub end: usize,
}

pub enum Act {
    Say { client: usize, words: Vec<Vec<u8>> },
    Hear { client: usize },
    Wait(Duration),
}

/// Lines below a command that begin with a word: of the log, or of events.
#[derive(Default)]
pub struct Log {
    /// None: the transcript does not say.
    pub lines: Option<Vec<Vec<u8>>>,
    pub place: Range<usize>,
}

/// An answer, as it is in the lenses of a tag; without a tag, wherever no other form applies.
#[derive(Clone)]
pub struct Form {
    pub tag: String,
    pub lines: Vec<String>,
    /// The lines of the file to replace, and what stands before the first of them.
    pub place: Range<usize>,
    pub prefix: String,
}

impl Transcript {
    pub fn read(path: &Path) -> Result<Transcript, String> {
        let text = std::fs::read_to_string(path).map_err(|why| format!("{path:?}: {why}"))?;
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_string()).collect();
        let mut transcript = Transcript { path: path.into(), lines, scenes: Vec::new() };
        transcript.parse()?;
        Ok(transcript)
    }

    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn parse(&mut self) -> Result<(), String> {
        let mut scene = Scene::default();
        let mut marks: Vec<String> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let wrong = |what: &str| format!("{}:{}: {what}", self.path.display(), at + 1);
            if line.is_empty() {
                if !marks.is_empty() {
                    return Err(wrong("marks without a command"));
                }
                if !scene.steps.is_empty() {
                    self.scenes.push(std::mem::take(&mut scene));
                }
                scene = Scene::default();
                continue;
            }
            if line.starts_with('#') {
                continue;
            }
            if let Some(words) = line.strip_prefix("scene:") {
                if !scene.steps.is_empty() {
                    return Err(wrong("a scene's marks are its first line"));
                }
                for word in words.split_whitespace() {
                    match word {
                        "resp2" => scene.proto = Some(2),
                        "resp3" => scene.proto = Some(3),
                        "events" => scene.events = true,
                        word => {
                            scene.skipped.push(mark(word).ok_or_else(|| wrong("no such mark"))?)
                        }
                    }
                }
                continue;
            }
            if line.starts_with('!') {
                for word in line.split_whitespace() {
                    marks.push(mark(word).ok_or_else(|| wrong("no such mark"))?);
                }
                continue;
            }
            if let Some(step) = self.opening(at).map_err(|what| wrong(&what))? {
                let mut step = step;
                step.skipped.append(&mut marks);
                scene.steps.push(step);
                continue;
            }
            let Some(step) = scene.steps.last_mut() else {
                return Err(wrong("an answer without a command"));
            };
            step.body(at, line).map_err(|what| wrong(&what))?;
        }
        if !scene.steps.is_empty() {
            self.scenes.push(scene);
        }
        Ok(())
    }

    /// A line that begins a step.
    fn opening(&self, at: usize) -> Result<Option<Step>, String> {
        let line = &self.lines[at];
        let mut step = Step {
            line: at,
            act: Act::Wait(Duration::ZERO),
            skipped: Vec::new(),
            forms: Vec::new(),
            log: Log::default(),
            events: Log::default(),
            end: at + 1,
        };
        if let Some(time) = line.strip_prefix("wait ") {
            step.act = Act::Wait(duration(time).ok_or("wait takes 10ms or 1s")?);
            return Ok(Some(step));
        }
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let client = match line[..digits].parse::<usize>() {
            Ok(number @ 1..=9) => number - 1,
            Ok(_) => return Ok(None),
            Err(_) => 0,
        };
        if let Some(text) = line[digits..].strip_prefix("> ") {
            let mut words: Vec<&str> = text.split(' ').collect();
            while let Some(tag) = words.last().and_then(|word| mark(word)) {
                step.skipped.push(tag);
                words.pop();
            }
            let text = words.join(" ");
            let words = split_line(text.as_bytes()).ok_or("unbalanced quotes")?;
            if words.is_empty() {
                return Err("a command without a name".into());
            }
            step.act = Act::Say { client, words };
            return Ok(Some(step));
        }
        if let Some(text) = line[digits..].strip_prefix('<')
            && (text.is_empty() || text.starts_with(' '))
        {
            let text = text.trim_start();
            step.act = Act::Hear { client };
            step.forms.push(Form {
                tag: String::new(),
                lines: vec![text.into()],
                place: at..at + 1,
                prefix: format!("{}< ", &line[..digits]),
            });
            return Ok(Some(step));
        }
        Ok(None)
    }
}

impl Step {
    /// A line below the command: of an answer, or of the log.
    fn body(&mut self, at: usize, line: &str) -> Result<(), String> {
        self.end = at + 1;
        if matches!(self.act, Act::Wait(_)) {
            return Err("time gives no answer".into());
        }
        for (word, log) in [("log:", &mut self.log), ("event:", &mut self.events)] {
            if let Some(text) = line.strip_prefix(word) {
                log.push(text.trim_start(), at);
                return Ok(());
            }
        }
        for tag in TAGS {
            let Some(text) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(':')) else {
                continue;
            };
            let text = text.trim_start();
            self.forms.push(Form {
                tag: tag.to_string(),
                lines: if text.is_empty() { Vec::new() } else { vec![text.into()] },
                place: at..at + 1,
                prefix: format!("{tag}: "),
            });
            return Ok(());
        }
        match self.forms.last_mut() {
            Some(form) if form.place.end == at => {
                form.lines.push(line.into());
                form.place.end = at + 1;
            }
            Some(_) => return Err("an answer that is interrupted".into()),
            None => self.forms.push(Form {
                tag: String::new(),
                lines: vec![line.into()],
                place: at..at + 1,
                prefix: String::new(),
            }),
        }
        Ok(())
    }

    /// The answer in a lens: the form of one of its tags, or the one for all.
    pub fn form(&self, tags: &[&str]) -> Option<&Form> {
        let of_tag = self.forms.iter().find(|form| tags.contains(&form.tag.as_str()));
        of_tag.or_else(|| self.forms.iter().find(|form| form.tag.is_empty()))
    }
}

impl Log {
    fn push(&mut self, text: &str, at: usize) {
        let lines = self.lines.get_or_insert_default();
        if text != "nothing" {
            lines.push(text.into());
        }
        self.place = match self.place.is_empty() {
            true => at..at + 1,
            false => self.place.start..at + 1,
        };
    }
}

impl Form {
    /// The file's lines for another answer.
    pub fn rewritten(&self, answer: &str) -> Vec<String> {
        let mut lines: Vec<String> = answer.lines().map(|line| line.trim_end().into()).collect();
        if self.lines.first().is_some_and(|line| line == IN_ANY_ORDER) {
            lines.insert(0, IN_ANY_ORDER.into());
        }
        if lines.len() > 1 && !self.tag.is_empty() {
            lines.insert(0, self.prefix.trim_end().into());
        } else if let Some(first) = lines.first_mut() {
            first.insert_str(0, &self.prefix);
        }
        lines
    }
}

/// A command as a transcript writes it: bare words where that is unambiguous, and times by their
/// distance from now.
pub fn written(words: &[Vec<u8>], now_ms: i64) -> String {
    let word = |word: &Vec<u8>| {
        if let Ok(number) = String::from_utf8_lossy(word).parse::<i64>() {
            // Nothing but a time is within a year of now.
            let distance = number.saturating_sub(now_ms);
            if distance.unsigned_abs() < 366 * 86_400_000 {
                return match distance {
                    0 => "<now>".into(),
                    distance => format!("<now{distance:+}>"),
                };
            }
        }
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
        match !word.is_empty() && word.iter().all(plain) {
            true => String::from_utf8_lossy(word).into_owned(),
            false => quoted(word),
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn mark(word: &str) -> Option<String> {
    word.strip_prefix('!').filter(|tag| TAGS.contains(tag)).map(String::from)
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.trim().parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.trim().parse().ok().map(Duration::from_secs)
}
