//! Which commands a selector may run: compiled to one bit for each row of the table, and kept as the rules
//! that led there, because that is what can be shown and read again.

use super::rule::{RuleError, is_one_word};
use crate::engine::{Command, Table};
use crate::resp::Args;
use crate::spec::{CATEGORY_NAMES, NO_AUTH};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    bits: Vec<u64>,
    /// Every command: it began with `+@all`, and nothing is taken away.
    every: bool,
    /// It began with `+@all`: what comes with a later version is allowed as well.
    by_default: bool,
    /// Commands that may only be run with one of these as their first argument, by the number of the row.
    first_args: BTreeMap<u16, Vec<Vec<u8>>>,
    rules: Vec<Rule>,
}

/// What was asked for, after `+@all` or `-@all`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allows: bool,
    /// In lower case: `get`, `@read`, `config|get`, `select|0`.
    name: Vec<u8>,
}

impl Commands {
    pub fn allow_all(&mut self, table: &Table) {
        *self = Commands { every: true, by_default: true, ..Commands::default() };
        self.bits = vec![u64::MAX; words_for(table)];
    }

    pub fn deny_all(&mut self) {
        *self = Commands::default();
    }

    pub fn allow_every(&self) -> bool {
        self.every
    }

    /// May this line be run, as far as its command is concerned? `command` is the row by which it is known.
    pub fn allow(&self, command: &Command, args: Args) -> bool {
        self.every
            || command.spec.has(NO_AUTH)
            || self.bit(command.id)
            || (args.len() > 1 && self.allow_argument(command, args.get(1)))
    }

    /// Could a line of this command be run, whatever its arguments are?
    pub fn could_allow(&self, command: &Command) -> bool {
        self.every
            || command.spec.has(NO_AUTH)
            || self.bit(command.id)
            || self.first_args.contains_key(&command.id)
    }

    /// Takes a rule that begins with `+` or `-`.
    pub fn apply(&mut self, rule: &[u8], table: &Table) -> Result<(), RuleError> {
        let rule = rule.to_ascii_lowercase();
        let Some((sign, name)) = rule.split_first() else { return Err(RuleError::Syntax) };
        let allows = *sign == b'+';
        match name {
            b"@all" if allows => self.allow_all(table),
            b"@all" => self.deny_all(),
            [b'@', category @ ..] => self.category(category, allows, table)?,
            _ => {
                match find(table, name) {
                    Some(command) => self.command(command, allows, table),
                    None if allows => self.argument(name, table)?,
                    None => return Err(RuleError::UnknownCommand),
                };
                self.note(allows, name);
            }
        }
        self.every = self.by_default && self.bits.iter().all(|bits| *bits == u64::MAX);
        Ok(())
    }

    /// The rules, beginning with `+@all` or `-@all`.
    pub fn text(&self) -> Vec<u8> {
        let mut text = if self.by_default { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.extend_from_slice(if rule.allows { b" +" } else { b" -" });
            text.extend_from_slice(&rule.name);
        }
        text
    }

    fn category(&mut self, name: &[u8], allows: bool, table: &Table) -> Result<(), RuleError> {
        let known = CATEGORY_NAMES.iter().position(|known| known.as_bytes() == name);
        let bit = known.ok_or(RuleError::UnknownCommand)?;
        for command in table.all.iter().filter(|command| !command.is_word()) {
            if command.spec.all_categories() & 1 << bit != 0 {
                self.command(command, allows, table);
            }
        }
        self.note(allows, &[b"@", name].concat());
        Ok(())
    }

    /// With a container go its subcommands.
    fn command(&mut self, command: &'static Command, allows: bool, table: &Table) {
        self.set(command.id, allows, table);
        for sub in table.subcommands(command) {
            self.set(sub.id, allows, table);
        }
    }

    /// `+select|0`: a command that has no subcommands, with this as its first argument.
    fn argument(&mut self, name: &[u8], table: &Table) -> Result<(), RuleError> {
        let bar = name.iter().rposition(|byte| *byte == b'|').ok_or(RuleError::UnknownCommand)?;
        let (name, argument) = (&name[..bar], &name[bar + 1..]);
        let command = find(table, name).ok_or(RuleError::UnknownCommand)?;
        if command.is_sub() {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        if argument.is_empty() || !is_one_word(argument) {
            return Err(RuleError::Syntax);
        }
        if table.subcommands(command).next().is_some() {
            return Err(RuleError::UnknownCommand);
        }
        let arguments = self.first_args.entry(command.id).or_default();
        arguments.retain(|known| known != argument);
        arguments.push(argument.to_vec());
        Ok(())
    }

    /// Remembers a rule, and forgets those that it makes void: the same one of before, and what was said of
    /// parts of the same command.
    fn note(&mut self, allows: bool, name: &[u8]) {
        self.rules.retain(|rule| {
            let part = rule.name.strip_prefix(name);
            !part.is_some_and(|rest| rest.is_empty() || (rest[0] == b'|' && name[0] != b'@'))
        });
        self.rules.push(Rule { allows, name: name.to_vec() });
    }

    fn set(&mut self, id: u16, allows: bool, table: &Table) {
        self.first_args.remove(&id);
        self.bits.resize(words_for(table), 0);
        let bit = 1 << (id % 64);
        match allows {
            true => self.bits[id as usize / 64] |= bit,
            false => self.bits[id as usize / 64] &= !bit,
        }
    }

    fn bit(&self, id: u16) -> bool {
        self.bits.get(id as usize / 64).is_some_and(|bits| bits & 1 << (id % 64) != 0)
    }

    fn allow_argument(&self, command: &Command, argument: &[u8]) -> bool {
        let arguments = self.first_args.get(&command.id);
        arguments.is_some_and(|all| all.iter().any(|one| one.eq_ignore_ascii_case(argument)))
    }
}

/// Rules know commands by the names that they were born with, whatever `rename-command` calls them.
pub fn find(table: &Table, name: &[u8]) -> Option<&'static Command> {
    table.look_up(name, table.find)
}

fn words_for(table: &Table) -> usize {
    table.all.len().div_ceil(64)
}
