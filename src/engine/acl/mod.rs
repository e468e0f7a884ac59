//! Access control: users, what each of them may do, and what happens when one may not.
//!
//! A session holds its user, and a flag that says whether anything needs to be asked at all; for the default
//! user, as servers come, a command costs one look at that flag. A user is never changed: a changed one takes
//! the place of the old one, in the sessions too, in one function that also ends whom the change ends.

pub mod check;
pub mod commands;
pub mod log;
pub mod password;
pub mod rule;
pub mod selector;
mod store;
pub mod user;

use super::{Closing, Command, Engine, Session, SessionKey};
use crate::config::{Origin, PubSubDefault, Statement};
use crate::engine::pubsub::Space;
use crate::error::Error;
use crate::persist::files::said;
use crate::resp::Args;
use crate::world::host::Level;
use check::{Denied, Line, Reason};
use log::{AclLog, Entry, kept};
use password::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use store::line;
use user::{Grammar, User};

pub const DEFAULT_USER: &str = "default";

/// In the order of their names, in which they are shown.
pub type Users = BTreeMap<Box<[u8]>, Arc<User>>;

#[derive(Default)]
pub struct Acl {
    /// The default one is always there, once the engine is.
    users: Users,
    pub log: AclLog,
    /// Whoever comes must log in: the default user has a password, or is disabled.
    locked: bool,
    /// `requirepass` as it was given last, though the default user may have another password by now: a file of users
    /// that does not mention that user is read with it.
    given_password: Vec<u8>,
    /// The users that the configuration tells of elsewhere than in its own file, and where.
    elsewhere: BTreeMap<Box<[u8]>, (Arc<User>, String)>,
}

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    TopLevel,
    Multi,
    Script,
}

impl Context {
    fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
        }
    }
}

impl Acl {
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    pub fn default_user(&self) -> Option<&Arc<User>> {
        self.user(DEFAULT_USER.as_bytes())
    }

    /// Would the default user be let in with any password?
    pub fn is_open(&self) -> bool {
        self.default_user().is_some_and(|user| user.no_password)
    }
}

impl Engine {
    pub fn grammar(&self) -> Grammar<'_> {
        let all_channels = self.config.acl_pubsub_default == PubSubDefault::AllChannels;
        Grammar { table: &self.table, all_channels }
    }

    /// A server begins with its default user, whose password is `requirepass`.
    pub(super) fn begin_acl(&mut self) {
        self.acl.given_password = self.config.requirepass.clone();
        let default = self.default_user_with(&self.config.requirepass);
        self.replace_user(default, None);
    }

    /// The users that the configuration tells of: by its own lines, or by the file that it names. An error is
    /// what to tell on the way out.
    pub fn load_users(&mut self, statements: &[Statement]) -> Result<(), UsersError> {
        if !statements.is_empty() && !self.config.aclfile.is_empty() {
            return Err(UsersError::Both);
        }
        for statement in statements {
            let user = store::of_config(&statement.words, self.grammar());
            let user = user.map_err(|why| UsersError::Line(statement.clone(), why))?;
            if !user.enabled {
                let name = String::from_utf8_lossy(&user.name);
                self.host.log(
                    Level::Notice,
                    &format!(
                        "The user '{name}' is disabled (there is no 'on' modifier in the user \
                         description). Make sure this is not a configuration error."
                    ),
                );
            }
            let user = Arc::new(user);
            let elsewhere = match &statement.place.origin {
                Origin::Main => None,
                Origin::Included(file) => Some(format!("included file '{file}'")),
                Origin::Given(giver) => Some(giver.to_string()),
            };
            if let Some(elsewhere) = elsewhere {
                self.acl.elsewhere.insert(user.name.clone(), (user.clone(), elsewhere));
            }
            self.acl.users.insert(user.name.clone(), user);
        }
        if !self.config.aclfile.is_empty() {
            self.acl.users = self.read_users().map_err(UsersError::File)?;
        }
        self.users_changed(None);
        Ok(())
    }

    /// ACL SETUSER: all rules, or none.
    pub fn set_user<'a>(
        &mut self,
        who: SessionKey,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Error> {
        if !rule::is_one_word(name) {
            return Err(Error::Say("ERR Usernames can't contain spaces or null characters"));
        }
        let rules = rule::join(rules).map_err(|unmatched| {
            const WHY: &str = "ERR Unmatched parenthesis in acl selector starting at '";
            Error::quote(WHY, unmatched.0, "'.")
        })?;
        let grammar = self.grammar();
        let mut user = match self.acl.user(name) {
            Some(user) => (**user).clone(),
            None => User::new(name, grammar.all_channels),
        };
        for rule in rules {
            user.apply(&rule, grammar).map_err(|why| {
                let after = format!("': {}", why.text());
                Error::quote("ERR Error in ACL SETUSER modifier '", &rule, &after)
            })?;
        }
        self.replace_user(user, Some(who));
        Ok(())
    }

    /// ACL DELUSER: says how many of them there were.
    pub fn delete_users<'a>(
        &mut self,
        who: SessionKey,
        names: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, Error> {
        if names.clone().any(|name| name == DEFAULT_USER.as_bytes()) {
            return Err(Error::Say("ERR The 'default' user cannot be removed"));
        }
        let deleted = names.filter(|name| self.acl.users.remove(*name).is_some()).count();
        if deleted > 0 {
            self.users_changed(Some(who));
        }
        Ok(deleted)
    }

    /// ACL LOAD: the file's users, or those of before.
    pub fn reload_users(&mut self, who: SessionKey) -> Result<(), Error> {
        self.acl.users = self.read_users().map_err(|why| Error::text(format!("ERR {why}")))?;
        self.users_changed(Some(who));
        Ok(())
    }

    /// ACL SAVE.
    pub fn save_users(&self) -> Result<(), Error> {
        let text = store::write(&self.acl.users);
        self.host.replace_file(&self.config.aclfile, &text).map_err(|why| {
            self.host.log(Level::Warning, &format!("Writing ACL file for ACL SAVE: {why}"));
            Error::Say(
                "ERR There was an error trying to save the ACLs. Please check the server logs for \
                 more information",
            )
        })
    }

    /// The `user` lines that CONFIG REWRITE writes. The default user has none while `requirepass` says all of
    /// it; users that have a file of their own have none at all. Those that are told of elsewhere are left to that,
    /// since a server starts only if each is told of once; and what has changed of them cannot be written.
    pub(super) fn user_lines(&self) -> Result<Vec<Vec<u8>>, Error> {
        if !self.config.aclfile.is_empty() {
            return Ok(Vec::new());
        }
        let elsewhere = &self.acl.elsewhere;
        for (name, (user, place)) in elsewhere {
            if self.acl.user(name) != Some(user) {
                let after = format!("' is not any more as the {place} says");
                return Err(Error::quote("ERR Rewriting config file: user '", name, &after));
            }
        }
        let usual = self.default_user_with(&self.config.requirepass);
        let is_told = |user: &&Arc<User>| ***user != usual && !elsewhere.contains_key(&user.name);
        Ok(self.acl.users().filter(is_told).map(|user| store::config_line(user)).collect())
    }

    /// What CONFIG REWRITE writes as `requirepass`. Where users have a file of their own, the default user's password
    /// may stand in neither file yet: then what was given stays, so that it does not come back without any.
    pub(super) fn requirepass_line(&self) -> &[u8] {
        match self.config.aclfile.is_empty() {
            true => &self.config.requirepass,
            false => &self.acl.given_password,
        }
    }

    /// CONFIG SET requirepass: the default user's password.
    pub(super) fn adopt_requirepass(&mut self) {
        self.acl.given_password = self.config.requirepass.clone();
        let Some(default) = self.acl.default_user() else { return };
        let mut default = (**default).clone();
        self.give_password(&mut default, &self.config.requirepass);
        self.replace_user(default, None);
    }

    /// Must this client log in before it may do anything?
    pub fn is_stranger(&self, who: SessionKey) -> bool {
        self.acl.locked && self.sessions.get(who).is_none_or(|session| !session.authenticated)
    }

    /// A client that has just come, or is as good as that.
    pub(super) fn welcome(&mut self, who: SessionKey) {
        let Some(user) = self.acl.default_user().cloned() else { return };
        self.seat(who, user, !self.acl.locked);
    }

    /// A client that fails stays whoever it was. `verb` is the command, as it was written.
    pub fn log_in(
        &mut self,
        who: SessionKey,
        verb: &[u8],
        name: &[u8],
        password: &[u8],
    ) -> Result<(), Error> {
        // First the work, so that the time it takes does not tell which users there are.
        let digest = Digest::of(password);
        let found = self.acl.user(name).filter(|user| {
            let fits = digest.is_among(&user.passwords) || user.no_password;
            user.enabled && fits
        });
        match found.cloned() {
            Some(user) => {
                self.become_user(who, user);
                Ok(())
            }
            None => {
                self.stats.acl_denied.auth += 1;
                let context = match self.sessions[who].multi.is_some() || self.in_exec {
                    true => Context::Multi,
                    false => Context::TopLevel,
                };
                self.log_denied(who, "auth", context, verb, name);
                Err(Error::Say("WRONGPASS invalid username-password pair or user is disabled."))
            }
        }
    }

    /// The client is this user from here on.
    pub fn become_user(&mut self, who: SessionKey, user: Arc<User>) {
        self.seat(who, user, true);
    }

    /// Whoever replays a log may do everything.
    pub(super) fn trust(&mut self, who: SessionKey) {
        let session = &mut self.sessions[who];
        session.authenticated = true;
        session.replays = true;
        set_free(session, self.acl.locked);
    }

    fn seat(&mut self, who: SessionKey, user: Arc<User>, authenticated: bool) {
        let session = &mut self.sessions[who];
        session.user = user;
        session.authenticated = authenticated;
        session.was_authenticated |= authenticated;
        set_free(session, self.acl.locked);
    }

    /// May the client run this line in this database? Asked only of those who may not do everything.
    pub(super) fn check_acl(
        &self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        db: usize,
    ) -> Result<(), Denied> {
        check::check(&self.sessions[who].user, self.acl_line(command, args, db))
    }

    /// What is asked of a user's rights.
    pub fn acl_line<'a>(&self, command: &'static Command, args: Args<'a>, db: usize) -> Line<'a> {
        Line { command: self.known(command), args, db, databases: self.keyspace.databases() }
    }

    /// May the client, who may not do everything, read keys that its line does not name? Only SORT does, so of others
    /// nothing is asked, and the answer is no.
    #[cold]
    pub(super) fn reads_all_keys(
        &self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        db: usize,
    ) -> bool {
        matches!(command.spec.name, "SORT" | "SORT_RO") && {
            let line = self.acl_line(command, args, db);
            check::check_reading_all(&self.sessions[who].user, line)
        }
    }

    /// A refusal is counted and logged; says why, without the code in front.
    #[cold]
    pub(super) fn deny(
        &mut self,
        who: SessionKey,
        command: &'static Command,
        args: Args,
        denied: Denied,
        context: Context,
    ) -> Vec<u8> {
        let name = self.known(command).spec.lower_name().into_bytes();
        let counts = &mut self.stats.acl_denied;
        let (count, reason) = match denied.reason {
            Reason::Command => (&mut counts.command, "command"),
            Reason::Key => (&mut counts.key, "key"),
            Reason::Channel => (&mut counts.channel, "channel"),
            Reason::Database => (&mut counts.database, "database"),
        };
        *count += 1;
        let user = self.sessions[who].user.clone();
        let object = match denied.argument {
            0 => &*name,
            index => args.get(index),
        };
        self.log_denied(who, reason, context, object, &user.name);
        match denied.reason {
            Reason::Command => explain(&user, &name, args, denied),
            Reason::Key => b"No permissions to access a key".to_vec(),
            Reason::Channel => b"No permissions to access a channel".to_vec(),
            Reason::Database => b"No permissions to access database".to_vec(),
        }
    }

    pub(super) fn log_denied(
        &mut self,
        who: SessionKey,
        reason: &'static str,
        context: Context,
        object: &[u8],
        user: &[u8],
    ) {
        let now = self.now.wall().0;
        let client = self.describe_to_keep(who);
        let context = context.name();
        let (id, count) = (0, 0);
        let (object, user) = (kept(object), kept(user));
        let entry =
            Entry { id, count, reason, context, object, user, client, created: now, updated: now };
        self.acl.log.add(entry, self.config.acllog_max_len);
    }

    /// The default user as it is while nothing but a password is said of it.
    fn default_user_with(&self, password: &[u8]) -> User {
        let mut user = User::unlimited(DEFAULT_USER.as_bytes(), self.grammar());
        self.give_password(&mut user, password);
        user
    }

    fn give_password(&self, user: &mut User, password: &[u8]) {
        let rules = match password.is_empty() {
            true => [&b"nopass"[..], b""].map(<[u8]>::to_vec),
            false => [b"resetpass".to_vec(), [b">", password].concat()],
        };
        for rule in rules {
            user.apply(&rule, self.grammar()).expect("these are rules");
        }
    }

    fn read_users(&self) -> Result<Users, String> {
        let path = &self.config.aclfile;
        let text = self
            .host
            .read_file(path)
            .map_err(|why| format!("Error loading ACLs, opening file '{path}': {}", said(&why)))?;
        let default = self.default_user_with(&self.acl.given_password);
        store::read(&text, path, default, self.grammar())
    }

    fn replace_user(&mut self, user: User, who: Option<SessionKey>) {
        self.acl.users.insert(user.name.clone(), Arc::new(user));
        self.users_changed(who);
    }

    /// Other users are there from here on. Clients of users that are gone are ended, and those that listen to
    /// what their user may no longer hear; the one who asks is answered first.
    fn users_changed(&mut self, asking: Option<SessionKey>) {
        let default = self.acl.default_user().expect("nothing removes it").clone();
        self.acl.locked = !default.no_password || !default.enabled;
        self.show_requirepass(&default);
        let mut doomed = Vec::new();
        // What was found of a user before, and the user, so that no other one has its place meanwhile.
        let mut compared: BTreeMap<*const User, (Arc<User>, bool)> = BTreeMap::new();
        for session in self.sessions.iter_mut().filter(|session| !session.replays) {
            let old = session.user.clone();
            // Whoever had a user that is gone is nobody, and takes no rights from a user without a name.
            if !session.authenticated && *old.name != *DEFAULT_USER.as_bytes() {
                continue;
            }
            match self.acl.users.get(&old.name) {
                Some(user) => {
                    session.user = user.clone();
                    let compare = || (old.clone(), !user.hears_as_much_as(&old));
                    if !Arc::ptr_eq(&old, user)
                        && session.subscriptions.is_some()
                        && compared.entry(Arc::as_ptr(&old)).or_insert_with(compare).1
                    {
                        doomed.push((session.key, Some(user.clone())));
                    }
                }
                None => doomed.push((session.key, None)),
            }
            set_free(session, self.acl.locked);
        }
        for (key, user) in doomed {
            let keeps = user.is_some_and(|user| self.may_go_on_listening(key, &user));
            if !keeps {
                self.end_session(key, asking);
            }
        }
    }

    fn may_go_on_listening(&self, who: SessionKey, user: &User) -> bool {
        [Space::Channel, Space::Pattern, Space::Shard].into_iter().all(|space| {
            let names = self.subscriptions(who, space);
            names.iter().all(|name| user.may_listen(name, space == Space::Pattern))
        })
    }

    fn end_session(&mut self, who: SessionKey, asking: Option<SessionKey>) {
        // What it may still run, in an EXEC for one, is nothing.
        self.seat(who, Arc::default(), false);
        match asking == Some(who) {
            true => self.sessions[who].closing = Closing::AfterReply,
            false => self.kill(who),
        }
    }

    /// A password that the default user does not have is not shown, and not written down again where users are
    /// written down too.
    fn show_requirepass(&mut self, default: &User) {
        let given = &self.acl.given_password;
        let is_shown = !given.is_empty() && Digest::of(given).is_among(&default.passwords);
        self.config.requirepass = if is_shown { given.clone() } else { Vec::new() };
    }
}

/// Why the server cannot start with these users.
#[derive(Debug)]
pub enum UsersError {
    /// There are user lines and a file.
    Both,
    /// What is wrong with a line.
    Line(Statement, String),
    /// What is wrong with the file.
    File(String),
}

/// Says what is wrong at length, as ACL DRYRUN does. `name` is what the command is known by.
pub fn explain(user: &User, name: &[u8], args: Args, denied: Denied) -> Vec<u8> {
    let object = match (denied.argument, denied.reason) {
        (0, Reason::Command) => name,
        (index, _) => args.get(index),
    };
    let (before, after): (&[u8], &[u8]) = match denied.reason {
        Reason::Command => (b" has no permissions to run the '", b"' command"),
        Reason::Key => (b" has no permissions to access the '", b"' key"),
        Reason::Channel => (b" has no permissions to access the '", b"' channel"),
        Reason::Database => (b" has no permissions to access database ", b""),
    };
    [b"User ", &*user.name, before, object, after].concat()
}

/// What EXEC says of a command that was allowed when it was queued.
pub(super) fn changed_since(denied: Denied) -> Error {
    let why = match denied.reason {
        Reason::Command => "no permission to execute the command or subcommand",
        Reason::Key => "no permission to touch the specified keys",
        Reason::Channel => "no permission to access one of the channels used as arguments",
        Reason::Database => "no permission",
    };
    Error::text(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC \
         call. This command is no longer allowed for the following reason: {why}"
    ))
}

/// The one place that says for whom nothing needs to be asked.
fn set_free(session: &mut Session, locked: bool) {
    session.unrestricted =
        session.replays || (session.user.may_all() && (session.authenticated || !locked));
}

/// What the shell says where there are users both here and there.
pub const BOTH: &str = "Configuring Redis with users defined in redis.conf and at the same setting an \
    ACL file path is invalid. This setup is very likely to lead to configuration errors and security \
    holes, please define either an ACL file or declare users directly in your redis.conf, but not both.";
