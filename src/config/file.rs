//! Reading the configuration file.
//!
//! The file is lines of words. Most lines set a directive; a few (`user`, `rename-command`,
//! `loadmodule`) are statements for others to carry out, and are handed back with their places, so
//! that a mistake found later can still name the line. What a pasted redis.conf may contain and we do
//! not do is a warning, never a silent yes; what we cannot understand ends the start.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::directive::Directive;
use super::kind::{Kind, Reason};
use super::rule::MemoryRule;
use super::secrets::{shown_line, shown_rule};
use super::value::Value;
use super::{Config, DIRECTIVES, PRODUCT, find};
use crate::base::bytes::split_line;

/// The files that `include` may name, as whoever calls `load` sees them.
pub trait Includes {
    /// The bytes of a file, or why there are none.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
    /// The paths that a pattern matches, sorted; none is no mistake.
    fn expand(&mut self, pattern: &str) -> Vec<String>;
}

/// A text of configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// What gave it, as in "environment variable RUSSET_USER"; none of the file, standard input and the command line,
    /// whose lines are counted as if they were one text.
    pub giver: Option<Rc<str>>,
    pub text: Vec<u8>,
}

/// What a file said besides setting directives.
#[derive(Debug, Default)]
pub struct Loaded {
    /// `user NAME RULE…`
    pub users: Vec<Statement>,
    /// `rename-command OLD NEW`; an empty new name removes the command.
    pub renames: Vec<Statement>,
    pub warnings: Vec<Warning>,
    places: BTreeMap<&'static str, Place>,
    saw_save: bool,
}

impl Loaded {
    /// Where a directive (or statement) was set last, to name the line if what it says turns out impossible, such
    /// as a `dir` that does not exist.
    pub fn place_of(&self, directive: &str) -> Option<&Place> {
        self.places.get(directive)
    }

    /// Says of an error that these directives may be the cause of what gave them, such as a variable. Lines of files
    /// need no name: who looks for a mistake looks there.
    pub fn blame(&self, directives: &[&str], why: String) -> String {
        let mut givers: Vec<&str> = Vec::new();
        for giver in directives.iter().filter_map(|name| self.place_of(name)?.origin.giver()) {
            if !givers.contains(&giver) {
                givers.push(giver);
            }
        }
        match givers.is_empty() {
            true => why,
            false => format!("The {}: {why}", givers.join(", the ")),
        }
    }
}

/// A line that is not a directive: its words, its own name first.
#[derive(Clone, Debug)]
pub struct Statement {
    pub words: Vec<Vec<u8>>,
    pub place: Place,
}

/// Where something stands.
#[derive(Clone, Debug)]
pub struct Place {
    pub origin: Origin,
    /// Counted from 1.
    pub number: usize,
    /// The line without the blanks around it, and without its secrets.
    pub line: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The configuration file, standard input or the command line.
    Main,
    Included(Rc<str>),
    /// A part with a giver.
    Given(Rc<str>),
}

impl Origin {
    fn giver(&self) -> Option<&str> {
        match self {
            Origin::Given(giver) => Some(giver),
            Origin::Main | Origin::Included(_) => None,
        }
    }
}

/// Something the log should mention once it is open.
#[derive(Clone, Debug)]
pub struct Warning {
    pub place: Option<Place>,
    pub text: String,
}

/// Why the server cannot start with this file. Displayed, it is what belongs on standard error.
#[derive(Clone, Debug)]
pub struct Fatal {
    pub place: Option<Place>,
    pub reason: Reason,
}

impl fmt::Display for Fatal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { origin: Origin::Given(giver), line, .. }) = &self.place {
            return writeln!(out, "The {giver}: {}\n>>> '{line}'", self.reason);
        }
        writeln!(out, "\n*** FATAL CONFIG FILE ERROR ({PRODUCT}) ***")?;
        if let Some(place) = &self.place {
            match &place.origin {
                Origin::Included(file) => {
                    write!(out, "Reading the included configuration file '{file}'")?
                }
                _ => write!(out, "Reading the configuration file")?,
            }
            writeln!(out, ", at line {}", place.number)?;
            writeln!(out, ">>> '{}'", place.line)?;
        }
        writeln!(out, "{}", self.reason)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { origin, number, .. }) = &self.place {
            match origin {
                Origin::Main => write!(out, "configuration line {number}: ")?,
                Origin::Included(file) => write!(out, "{file}:{number}: ")?,
                Origin::Given(giver) => write!(out, "{giver}: ")?,
            }
        }
        write!(out, "{}", self.text)
    }
}

impl std::error::Error for Fatal {}

/// A file that includes itself must not exhaust the stack; nobody nests this deep on purpose.
const DEPTH_MAX: usize = 16;

/// Reads one text into `config`. After an error the configuration is half read and of no use.
pub fn load(
    config: &mut Config,
    text: &[u8],
    includes: &mut dyn Includes,
) -> Result<Loaded, Fatal> {
    load_parts(config, &[Part { giver: None, text: text.to_vec() }], includes)
}

/// The same with several, one after the other.
pub fn load_parts(
    config: &mut Config,
    parts: &[Part],
    includes: &mut dyn Includes,
) -> Result<Loaded, Fatal> {
    let mut loaded = Loaded::default();
    let mut reader = Reader { config, includes, loaded: &mut loaded, depth: 0 };
    let mut passed = 0;
    for part in parts {
        match &part.giver {
            Some(giver) => reader.text(&part.text, &Origin::Given(giver.clone()), 0)?,
            None => {
                reader.text(&part.text, &Origin::Main, passed)?;
                passed += part.text.iter().filter(|byte| **byte == b'\n').count();
            }
        }
    }
    let set = |name: &str| config.get(name.as_bytes()).is_some_and(|value| !value.is_empty());
    if config.get(b"cluster-enabled").as_deref() == Some(b"yes") && set("replicaof") {
        let place = loaded.place_of("replicaof").filter(|place| place.origin.giver().is_some());
        return Err(Fatal {
            place: place.cloned(),
            reason: "replicaof directive not allowed in cluster mode".into(),
        });
    }
    if let Err(reason) = config.check_rules() {
        return Err(Fatal { place: loaded.place_of("maxmemory-rule").cloned(), reason });
    }
    loaded.warnings.extend(unbuilt(config));
    Ok(loaded)
}

/// The words of a configuration line and where its comment begins. `None` means unbalanced quotes.
///
/// A comment may stand behind a directive's values: it begins with an unquoted word that begins with
/// `#`. The first value may not be one, so that `requirepass #1` still is a password, and `user` lines
/// have no comments at all, because there `#` introduces a hashed password.
pub(super) fn read_line(line: &[u8]) -> Option<(Vec<Vec<u8>>, Option<usize>)> {
    if line.trim_ascii_start().starts_with(b"#") {
        return Some((Vec::new(), Some(0)));
    }
    let begins_word = |at: &usize| line[*at] == b'#' && b" \t".contains(&line[at - 1]);
    for at in (1..line.len()).filter(begins_word) {
        // Inside of quotes, what stands before the sign has an open quote and does not split.
        if let Some(words) = split_line(&line[..at])
            && words.len() >= earliest_comment(&words)
        {
            return Some((words, Some(at)));
        }
    }
    split_line(line).map(|words| (words, None))
}

/// The first word, counted from 0, that may be a comment.
fn earliest_comment(words: &[Vec<u8>]) -> usize {
    match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
        Some(b"user" | b"loadmodule") => usize::MAX,
        Some(b"rename-command" | b"replicaof" | b"slaveof") => 3,
        _ => 2,
    }
}

/// Names that once meant something: their lines are accepted and forgotten, as in Redis.
const FORGOTTEN: &[&str] = &[
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
    "io-threads-do-reads",
    "events-per-io-thread",
];

/// Directives of modules: those that Redis bundles have a prefix, those of others a dot.
pub(super) fn is_of_a_module(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 4] = [b"search-", b"bf-", b"cf-", b"ts-"];
    name.contains(&b'.') || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn is_forgotten(name: &[u8]) -> bool {
    FORGOTTEN.iter().any(|known| known.as_bytes() == name)
}

struct Reader<'a> {
    config: &'a mut Config,
    includes: &'a mut dyn Includes,
    loaded: &'a mut Loaded,
    depth: usize,
}

impl Reader<'_> {
    /// `passed` lines are counted before the first one.
    fn text(&mut self, text: &[u8], origin: &Origin, passed: usize) -> Result<(), Fatal> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            let place = || Place {
                origin: origin.clone(),
                number: passed + index + 1,
                line: shown_line(line),
            };
            self.line(line, &place)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], place: &dyn Fn() -> Place) -> Result<(), Fatal> {
        let fatal = |reason: Reason| Fatal { place: Some(place()), reason };
        let Some((words, _)) = read_line(line) else {
            return Err(fatal("Unbalanced quotes in configuration line".into()));
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        if let Some(directive) = find(name) {
            return self.directive(directive, values, place).map_err(fatal);
        }
        let statement = || Statement {
            words: words.iter().map(|word| word.to_vec()).collect(),
            place: place(),
        };
        match (name.to_ascii_lowercase().as_slice(), values) {
            (b"include", [path]) => self.include(path, place),
            (b"user", [user, ..]) => {
                if self.loaded.users.iter().any(|other| other.words[1] == *user) {
                    let user = shown_rule(user);
                    return Err(fatal(
                        format!(
                            "Error in user declaration '{user}': Duplicate user found. A user can \
                             only be defined once in config files"
                        )
                        .into(),
                    ));
                }
                self.loaded.users.push(statement());
                self.loaded.places.insert("user", place());
                Ok(())
            }
            (b"rename-command", [_, _]) => {
                self.loaded.renames.push(statement());
                Ok(())
            }
            (b"loadmodule", [path, ..]) => {
                let path = String::from_utf8_lossy(path);
                self.warn(place, format!("modules cannot be loaded; {path} is ignored"));
                Ok(())
            }
            (b"sentinel", _) => {
                Err(fatal("sentinel directive, but this server has no sentinel mode".into()))
            }
            (forgotten, [_]) if is_forgotten(forgotten) => Ok(()),
            (module, [_, ..]) if is_of_a_module(module) => {
                let name = String::from_utf8_lossy(module);
                self.warn(place, format!("'{name}' belongs to a module that is not loaded"));
                Ok(())
            }
            _ => Err(fatal("Bad directive or wrong number of arguments".into())),
        }
    }

    fn directive(
        &mut self,
        directive: &'static Directive,
        values: &[&[u8]],
        place: &dyn Fn() -> Place,
    ) -> Result<(), Reason> {
        let mut now = self.config.value(directive);
        // One argument may hold several words: `--save "60 1"`, `--shutdown-on-sigint "now force"`.
        let inner = match values {
            [single] if directive.kind.takes_many() && !single.is_empty() => {
                Some(split_line(single).ok_or("Unbalanced quotes in configuration line")?)
            }
            _ => None,
        };
        let inner = inner.as_ref();
        let inner = inner.map(|words| words.iter().map(Vec::as_slice).collect());
        let values: Vec<&[u8]> = inner.unwrap_or_else(|| values.to_vec());

        let saves = matches!(directive.kind, Kind::Save);
        if saves && (!self.loaded.saw_save || values == [b""]) {
            // The first `save` replaces the defaults, further ones add, and an empty one starts over.
            now = Value::Save(Vec::new());
            self.loaded.saw_save = true;
        }
        let value = match (directive.parse(&values, &now), now) {
            (Ok(Value::Save(more)), Value::Save(points)) => Value::Save([points, more].concat()),
            // Each line adds to those before it, and an empty one starts over.
            (Ok(Value::Rules(more)), Value::Rules(rules)) if !more.is_empty() => {
                Value::Rules(MemoryRule::checked([rules, more].concat())?)
            }
            (Ok(value), _) => value,
            (Err(reason), _) if directive.name == "activedefrag" && is_yes(&values) => {
                self.warn(place, reason.into_owned());
                return Ok(());
            }
            (Err(reason), _) => return Err(reason),
        };
        self.config.put(directive, value);
        self.loaded.places.insert(directive.name, place());
        Ok(())
    }

    fn include(&mut self, path: &[u8], place: &dyn Fn() -> Place) -> Result<(), Fatal> {
        let fatal = |reason: Reason| Fatal { place: Some(place()), reason };
        let Ok(path) = std::str::from_utf8(path) else {
            return Err(fatal("the path of an include must be UTF-8".into()));
        };
        if self.depth == DEPTH_MAX {
            return Err(fatal(format!("more than {DEPTH_MAX} includes inside each other").into()));
        }
        // An empty conf.d is normal; a file that was named must exist.
        let paths = match path.contains(['*', '?', '[']) {
            true => self.includes.expand(path),
            false => vec![path.to_string()],
        };
        for path in paths {
            let text = self.includes.read(&path).map_err(|error| {
                fatal(format!("Fatal error, can't open config file '{path}': {error}").into())
            })?;
            self.depth += 1;
            self.text(&text, &Origin::Included(path.into()), 0)?;
            self.depth -= 1;
        }
        Ok(())
    }

    fn warn(&mut self, place: &dyn Fn() -> Place, text: String) {
        self.loaded.warnings.push(Warning { place: Some(place()), text });
    }
}

fn is_yes(values: &[&[u8]]) -> bool {
    matches!(values, [value] if value.eq_ignore_ascii_case(b"yes"))
}

/// A setting that does nothing yet must not be taken for one that does: a line for each feature.
fn unbuilt(config: &Config) -> impl Iterator<Item = Warning> {
    let mut waiting: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for directive in DIRECTIVES {
        let Some(feature) = directive.waits_for() else { continue };
        let value = config.value(directive);
        // Who asks for no snapshots gets what they ask for.
        if value != directive.default_value() && value != Value::Save(Vec::new()) {
            waiting.entry(feature).or_default().push(directive.name);
        }
    }
    waiting.into_iter().map(|(feature, names)| Warning {
        place: None,
        text: format!("without effect yet, waiting for {feature}: {}", names.join(", ")),
    })
}
