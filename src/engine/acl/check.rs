//! May a user run this line? Asked after the command is known, of the rows alone: no handler runs.

use super::selector::{Databases, Selector};
use super::user::User;
use crate::base::numbers;
use crate::engine::Command;
use crate::engine::keys::{self, Keys};
use crate::resp::Args;
use crate::spec::{C_KEYSPACE, C_READ, C_WRITE};

/// What stands in the way. Of several selectors the one that comes furthest is heard, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Database,
    Command,
    Key,
    Channel,
}

/// A refusal, and the argument that it is about; the command's own name for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    pub reason: Reason,
    pub argument: usize,
}

/// A command line, as it is asked about.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The row by which the command is known.
    pub command: &'static Command,
    pub args: Args<'a>,
    /// The database it would run in.
    pub db: usize,
    /// How many databases there are.
    pub databases: usize,
}

/// One selector must allow all of it.
pub fn check(user: &User, line: Line) -> Result<(), Denied> {
    let mut worst = Denied { reason: Reason::Database, argument: 0 };
    let mut found = None;
    for selector in &user.selectors {
        match allows(selector, line, &mut found) {
            Ok(()) => return Ok(()),
            Err(denied) => worst = worst.max(denied),
        }
    }
    Err(worst)
}

/// May the user run this line, and read every key besides? SORT may read any.
pub fn check_reading_all(user: &User, line: Line) -> bool {
    let mut found = None;
    user.selectors.iter().any(|selector| {
        selector.keys.allow_reading_all() && allows(selector, line, &mut found).is_ok()
    })
}

/// Is there a line of this command that the user could run?
pub fn could_run(user: &User, known: &Command) -> bool {
    user.selectors.iter().any(|selector| selector.commands.could_allow(known))
}

/// The keys of the line are looked for once, for whichever selector asks first.
fn allows(selector: &Selector, line: Line, found: &mut Option<Keys>) -> Result<(), Denied> {
    let Line { command, args, .. } = line;
    let deny = |reason, argument| Err(Denied { reason, argument });
    if let Some(argument) = closed_database(&selector.databases, line) {
        return deny(Reason::Database, argument);
    }
    if !selector.commands.allow(command, args) {
        return deny(Reason::Command, 0);
    }
    if selector.keys != super::selector::Keys::All {
        let keys = found.get_or_insert_with(|| keys::find_what_there_is(&command.spec, args));
        let closed = keys.iter().find(|at| !selector.keys.allow(args.get(at.index), at));
        if let Some(at) = closed {
            return deny(Reason::Key, at.index);
        }
    }
    if let Some((range, is_pattern)) = channels_of(command, args) {
        for index in range {
            if !selector.channels.allow(args.get(index), is_pattern) {
                return deny(Reason::Channel, index);
            }
        }
    }
    Ok(())
}

/// Where the channels of a line are that it speaks or listens to, and whether they are patterns. Whoever
/// stops listening needs no right to.
pub fn channels_of(command: &Command, args: Args) -> Option<(std::ops::Range<usize>, bool)> {
    match command.spec.name {
        "PUBLISH" | "SPUBLISH" => Some((1..args.len().min(2), false)),
        "SUBSCRIBE" | "SSUBSCRIBE" => Some((1..args.len(), false)),
        "PSUBSCRIBE" => Some((1..args.len(), true)),
        _ => None,
    }
}

/// The argument that names a database which is closed; 0 if it is the present one.
fn closed_database(open: &Databases, line: Line) -> Option<usize> {
    if *open == Databases::All {
        return None;
    }
    let Line { command, args, db, databases } = line;
    let spec = &command.spec;
    let is_closed =
        |index: &usize| database(args.get(*index), databases).is_some_and(|db| !open.allow(db));
    match spec.name {
        "SELECT" => (1..args.len().min(2)).find(is_closed),
        "SWAPDB" => (1..args.len().min(3)).find(is_closed),
        "FLUSHALL" => (0..databases).any(|db| !open.allow(db)).then_some(0),
        // What they read is in the present database.
        "MOVE" => (2..args.len().min(3)).find(is_closed).or((!open.allow(db)).then_some(0)),
        "COPY" => {
            let named = |index: &usize| args.get(index - 1).eq_ignore_ascii_case(b"DB");
            let other = (4..args.len()).filter(named).find(is_closed);
            other.or((!open.allow(db)).then_some(0))
        }
        _ => {
            let touches = spec.all_categories() & (C_KEYSPACE | C_READ | C_WRITE) != 0
                || keys::has_keys(spec);
            (touches && !open.allow(db)).then_some(0)
        }
    }
}

/// A database by its number, if there is one.
pub fn database(number: &[u8], databases: usize) -> Option<usize> {
    let number = usize::try_from(numbers::parse_i64(number)?).ok()?;
    (number < databases).then_some(number)
}
