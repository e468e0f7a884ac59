//! The questions asked before a command may run, in the order Redis asks them.

use super::acl::{self, Context};
use super::{Command, Engine, Flow, Out, Run, SessionKey};
use crate::base::bytes;
use crate::config::Allowed;
use crate::error::{Error, until_nul};
use crate::resp::Args;
use crate::resp::parse::Parser;
use crate::spec::{
    ALLOW_BUSY, DENYOOM, LOADING, MAY_REPLICATE, NO_AUTH, NO_MULTI, PROTECTED, READONLY, WRITE,
};

/// How much of an unknown command is quoted back.
const QUOTED_NAME_MAX: usize = 128;
const QUOTED_ARGS_MAX: usize = 128;

/// What a client that speaks RESP2 may do while it listens to channels.
const WHILE_LISTENING: [&str; 9] = [
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SSUBSCRIBE",
    "SUNSUBSCRIBE",
    "PING",
    "QUIT",
    "RESET",
];

impl Engine {
    /// The row of a command line: its command, or its subcommand.
    pub fn find(&self, args: Args) -> Result<&'static Command, Error> {
        let Some(command) = self.named(args.get(0)) else { return Err(unknown_command(args)) };
        match command.run {
            Run::Container if args.len() < 2 => return Err(Error::Arity(command.spec.name)),
            Run::Container => (),
            Run::Containing(_) if args.len() >= 2 => (),
            _ => return Ok(command),
        }
        (self.table.find_sub)(command, args.get(1)).ok_or_else(|| unknown_subcommand(command, args))
    }

    /// The row of a line that is only asked about. A container by itself is a command then, though one that does
    /// nothing; so is DEBUG, whose words nobody else knows by rows, whatever follows.
    pub fn find_asked_about(&self, line: Args) -> Option<&'static Command> {
        match self.named(line.get(0)) {
            Some(command) if line.len() == 1 || command.spec.name == "DEBUG" => Some(command),
            _ => self.find(line).ok(),
        }
    }

    /// The row of a name as COMMAND takes it: a command, or `container|subcommand`.
    pub fn look_up(&self, name: &[u8]) -> Option<&'static Command> {
        self.table.look_up(name, |name| self.named(name))
    }

    /// All commands that a client can call, without their subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &'static Command> {
        self.table.all.iter().filter(|command| {
            let name = command.spec.name;
            !name.contains('|')
                && (self.renamed.is_empty()
                    || self.named(name.as_bytes()).is_some_and(|found| found.id == command.id)
                    || self.renamed.values().flatten().any(|found| found.id == command.id))
        })
    }

    pub fn subcommands(&self, container: &Command) -> impl Iterator<Item = &'static Command> {
        self.table.subcommands(container)
    }

    /// The row by which others know a command.
    pub fn known(&self, command: &'static Command) -> &'static Command {
        &self.table.all[command.known_as as usize]
    }

    pub(super) fn named(&self, name: &[u8]) -> Option<&'static Command> {
        if self.renamed.is_empty() {
            return (self.table.find)(name);
        }
        // Names that the configuration took away or gave are looked up first.
        match self.renamed.get(&name.to_ascii_lowercase()) {
            Some(renamed) => *renamed,
            None => (self.table.find)(name),
        }
    }

    /// A request of which not everything has arrived is refused at once if its client may not run any line of
    /// this command; none if it may, or nobody can tell yet. So nobody can make us keep what is of no use.
    #[cold]
    pub(super) fn refuse_early(
        &mut self,
        who: SessionKey,
        frame: &[u8],
        parser: &Parser,
        out: &mut Out,
    ) -> Option<Flow> {
        let (arrived, count) = parser.arrived();
        let head = Args::new(frame, arrived);
        if head.is_empty() || self.is_stranger(who) {
            // What a stranger may send is little anyway.
            return None;
        }
        let command = self.find(head).ok()?;
        let may_be_another = matches!(command.run, Run::Containing(_)) && head.len() < 2;
        if may_be_another || acl::check::could_run(&self.sessions[who].user, self.known(command)) {
            return None;
        }
        self.sessions[who].last_command = Some(command);
        let error = match self.is_in_order(who, command, head, count) {
            Err(error) => error,
            // Half a line will do: every selector refuses the command itself, before it looks for keys among words
            // that may be missing.
            Ok(()) => self.is_permitted(who, command, head).err()?,
        };
        let start = out.len();
        self.reject(who, Some(command), &error, out);
        Some(self.finish(who, start, out))
    }

    /// The questions that come before those about rights. `count` is how many words there are, or will be.
    #[inline]
    fn is_in_order(
        &self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        count: usize,
    ) -> Result<(), Error> {
        if !command.arity_fits(count) {
            return Err(match command.is_word() {
                true => unknown_subcommand(self.known(command), args),
                false => Error::Arity(command.spec.name),
            });
        }
        self.is_not_protected(who, command)?;
        let session = &self.sessions[who];
        if !session.unrestricted && !command.spec.has(NO_AUTH) && self.is_stranger(who) {
            return Err(Error::Say("NOAUTH Authentication required."));
        }
        if session.multi.is_some() && command.spec.has(NO_MULTI) {
            return Err(Error::Say("ERR Command not allowed inside a transaction"));
        }
        Ok(())
    }

    pub fn admit(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
    ) -> Result<(), Error> {
        self.is_in_order(who, command, args, args.len())?;
        if !self.sessions[who].unrestricted {
            self.is_permitted(who, command, args)?;
        }
        if let Some(error) = self.oom_for(who, command, args) {
            return Err(error);
        }
        if let Some(error) = self.misconf_for(command) {
            return Err(error);
        }
        let session = &self.sessions[who];
        if session.only_listens() && !WHILE_LISTENING.contains(&command.spec.name) {
            return Err(Error::text(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                command.spec.lower_name()
            )));
        }
        if self.persistence.loading.is_some() && !command.spec.has(LOADING) {
            return Err(Error::Say("LOADING Redis is loading the dataset in memory"));
        }
        if !command.spec.has(ALLOW_BUSY)
            && let Some(busy) = self.busy_error()
        {
            return Err(busy);
        }
        // A pause does not hold up what watches the server, so that may not change or read data.
        if self.sessions[who].monitor && command.spec.has(READONLY | WRITE | MAY_REPLICATE) {
            return Err(Error::Say("ERR Replica can't interact with the keyspace"));
        }
        Ok(())
    }

    /// Whoever may not do everything is asked about. What is queued will run in the database that the
    /// transaction has come to by then.
    #[cold]
    pub(super) fn is_permitted(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
    ) -> Result<(), Error> {
        let session = &self.sessions[who];
        let multi = session.multi.as_ref();
        let db = multi.and_then(|transaction| transaction.db).unwrap_or(session.db);
        let context = if multi.is_some() { Context::Multi } else { Context::TopLevel };
        self.check_acl(who, command, args, db).map_err(|denied| {
            let why = self.deny(who, command, args, denied, context);
            Error::Text([b"NOPERM ", &*why].concat().into())
        })
    }

    /// Why a command may not run while nothing can be saved. What does not make the data grow may, unless
    /// each answer promises that it is on disk: so a disk that is full can be got out of.
    pub(super) fn misconf_for(&self, command: &Command) -> Option<Error> {
        let may_write = command.spec.has(WRITE | MAY_REPLICATE) || command.spec.name == "PING";
        if !may_write {
            return None;
        }
        let shrinks = command.spec.has(WRITE) && !command.spec.has(DENYOOM);
        if self.persistence.aof.broken.is_some() && shrinks && !self.flushes_always() {
            return None;
        }
        self.misconf()
    }

    /// Commands that can do harm beyond the data need a directive.
    fn is_not_protected(&self, who: SessionKey, command: &'static Command) -> Result<(), Error> {
        if !command.spec.has(PROTECTED) {
            return Ok(());
        }
        let debug = command.spec.name.starts_with("DEBUG");
        let allowed = if debug {
            &self.config.enable_debug_command
        } else {
            &self.config.enable_module_command
        };
        let peer = &self.sessions[who].peer;
        let permitted = match allowed {
            Allowed::Yes => true,
            Allowed::Local => peer.unix || peer.loopback,
            Allowed::No => false,
        };
        if permitted {
            return Ok(());
        }
        let (name, directive) = if debug {
            ("DEBUG", "enable-debug-command")
        } else {
            ("MODULE", "enable-module-command")
        };
        Err(Error::text(format!(
            "ERR {name} command not allowed. If the {directive} option is set to \"local\", you can \
             run it from a local connection, otherwise you need to set this option in the \
             configuration file, and then restart the server."
        )))
    }
}

fn unknown_command(args: Args) -> Error {
    let name = until_nul(args.get(0));
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&name[..name.len().min(QUOTED_NAME_MAX)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let mut quoted = 0;
    for word in args.tail(1).iter() {
        if quoted >= QUOTED_ARGS_MAX {
            break;
        }
        let word = until_nul(word);
        let shown = &word[..word.len().min(QUOTED_ARGS_MAX - quoted)];
        text.push(b'\'');
        text.extend_from_slice(shown);
        text.extend_from_slice(b"' ");
        quoted += shown.len() + 3;
    }
    Error::Text(text.into())
}

fn unknown_subcommand(command: &'static Command, args: Args) -> Error {
    let name = until_nul(args.get(1));
    // DEBUG is older than the custom of checking arguments by rows, and clients know its words.
    let mut text = match command.spec.name {
        "DEBUG" => b"ERR unknown subcommand or wrong number of arguments for '".to_vec(),
        _ => b"ERR unknown subcommand '".to_vec(),
    };
    text.extend_from_slice(&name[..name.len().min(QUOTED_NAME_MAX)]);
    text.extend_from_slice(format!("'. Try {} HELP.", command.spec.name).as_bytes());
    Error::Text(text.into())
}

/// POST and `Host:` are how a web page would speak to a server on somebody's machine.
pub fn is_cross_protocol(name: &[u8]) -> bool {
    bytes::eq_nocase(name, b"post") || bytes::eq_nocase(name, b"host:")
}
