//! Which clients CLIENT LIST shows and CLIENT KILL ends: one grammar and one test for both.
//!
//! All conditions must hold. Most have an opposite, spelled with `NOT-` in front; a condition
//! that is given twice counts as it was given last, except that IDs add up.

use crate::base::numbers;
use crate::engine::describe::ALL_FLAGS;
use crate::engine::session::ClientType;
use crate::engine::{Engine, Session, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Cursor};
use std::mem::discriminant;

#[derive(Default)]
pub struct ClientFilter<'a> {
    conditions: Vec<Condition<'a>>,
    pub skip_me: bool,
}

struct Condition<'a> {
    term: Term<'a>,
    negated: bool,
}

enum Term<'a> {
    Ids(Vec<u64>),
    Type(ClientType),
    Addr(&'a [u8]),
    Laddr(&'a [u8]),
    User(&'a [u8]),
    Flags(&'a [u8]),
    Name(&'a [u8]),
    LibName(&'a [u8]),
    LibVer(&'a [u8]),
    Db(usize),
    Capa(&'a [u8]),
    Ip(&'a [u8]),
    /// At least so many seconds old.
    MaxAge(u64),
    /// Silent for at least so many seconds.
    Idle(u64),
}

/// The commands disagree about one mistake: an `ID` that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    List,
    Kill,
}

impl<'a> ClientFilter<'a> {
    /// Reads the options of `CLIENT LIST` or `CLIENT KILL` that begin at `from`.
    pub fn parse(
        args: Args<'a>,
        from: usize,
        purpose: Purpose,
        engine: &Engine,
    ) -> Result<ClientFilter<'a>, Error> {
        let mut filter = ClientFilter { conditions: Vec::new(), skip_me: purpose == Purpose::Kill };
        let mut cursor = args.after(from - 1);
        while let Some(option) = cursor.word() {
            cursor.skip();
            // An option whose value is missing is one that makes no sense, whichever it is.
            if cursor.left() == 0 {
                return Err(Error::Syntax);
            }
            match &*option {
                b"SKIPME" => {
                    filter.skip_me = match &*cursor.word().ok_or(Error::Syntax)? {
                        b"YES" => true,
                        b"NO" => false,
                        _ => return Err(Error::Syntax),
                    };
                    cursor.skip();
                }
                option => {
                    let (name, negated) = match option.strip_prefix(b"NOT-") {
                        Some(name) => (name, true),
                        None => (option, false),
                    };
                    let term = Term::parse(name, negated, &mut cursor, purpose, engine)?;
                    filter.add(Condition { term, negated });
                }
            }
        }
        Ok(filter)
    }

    /// The old form of CLIENT KILL: exactly this address, be it one's own.
    pub fn address(addr: &'a [u8]) -> ClientFilter<'a> {
        let condition = Condition { term: Term::Addr(addr), negated: false };
        ClientFilter { conditions: vec![condition], skip_me: false }
    }

    /// Is this one of them? `me` is who asks.
    pub fn matches(&self, engine: &Engine, session: &Session, me: SessionKey) -> bool {
        !(self.skip_me && session.key == me)
            && self
                .conditions
                .iter()
                .all(|condition| condition.term.holds(engine, session) != condition.negated)
    }

    fn add(&mut self, new: Condition<'a>) {
        let same = |old: &&mut Condition| {
            old.negated == new.negated && discriminant(&old.term) == discriminant(&new.term)
        };
        match (self.conditions.iter_mut().find(same), new) {
            (
                Some(Condition { term: Term::Ids(old), .. }),
                Condition { term: Term::Ids(ids), .. },
            ) => {
                old.extend(ids);
            }
            (Some(old), new) => *old = new,
            (None, new) => self.conditions.push(new),
        }
    }
}

impl<'a> Term<'a> {
    fn parse(
        name: &[u8],
        negated: bool,
        cursor: &mut Cursor<'a>,
        purpose: Purpose,
        engine: &Engine,
    ) -> Result<Term<'a>, Error> {
        Ok(match name {
            b"ID" => Term::Ids(ids(cursor, purpose)?),
            b"TYPE" => Term::Type(client_type(cursor.bytes()?)?),
            b"ADDR" => Term::Addr(cursor.bytes()?),
            b"LADDR" => Term::Laddr(cursor.bytes()?),
            b"USER" => Term::User(user(cursor.bytes()?, engine)?),
            b"FLAGS" => Term::Flags(letters("flags", negated, ALL_FLAGS, cursor.bytes()?)?),
            b"NAME" => Term::Name(cursor.bytes()?),
            b"LIB-NAME" => Term::LibName(cursor.bytes()?),
            b"LIB-VER" => Term::LibVer(cursor.bytes()?),
            b"DB" => Term::Db(db(cursor.bytes()?, negated, engine.keyspace.databases())?),
            b"CAPA" => Term::Capa(letters("capa", negated, "r", cursor.bytes()?)?),
            b"IP" => Term::Ip(cursor.bytes()?),
            b"MAXAGE" if !negated => Term::MaxAge(seconds("maxage", cursor.bytes()?)?),
            b"IDLE" if !negated => Term::Idle(seconds("idle", cursor.bytes()?)?),
            _ => return Err(Error::Syntax),
        })
    }

    fn holds(&self, engine: &Engine, session: &Session) -> bool {
        let at_least = |since: u64, seconds: u64| engine.seconds_since(since) >= seconds;
        // What was never set is not equal to anything, an empty word included.
        let is = |value: &[u8], wanted: &[u8]| !value.is_empty() && value == wanted;
        match self {
            Term::Ids(ids) => ids.contains(&session.id),
            Term::Type(wanted) => session.client_type() == *wanted,
            Term::Addr(addr) => session.peer.addr.as_bytes() == *addr,
            Term::Laddr(addr) => session.peer.laddr.as_bytes() == *addr,
            Term::User(user) => *session.user.name == **user,
            Term::Flags(wanted) => {
                let flags = engine.flags_of(session);
                wanted.iter().all(|flag| flags.as_bytes().contains(flag))
            }
            Term::Name(name) => is(&session.name, name),
            Term::LibName(name) => is(&session.lib_name, name),
            Term::LibVer(version) => is(&session.lib_ver, version),
            Term::Db(db) => session.db == *db,
            Term::Capa(wanted) => wanted.is_empty() || session.redirect_capable,
            Term::Ip(ip) => is_from(session, ip),
            Term::MaxAge(seconds) => at_least(session.created_us, *seconds),
            Term::Idle(seconds) => at_least(session.active_us(), *seconds),
        }
    }
}

/// As many numbers as there are; what follows is the next option.
fn ids(cursor: &mut Cursor, purpose: Purpose) -> Result<Vec<u64>, Error> {
    const TOO_SMALL: Error = Error::Say("ERR client-id should be greater than 0");
    let mut ids = Vec::new();
    while let Some(number) = cursor.peek().and_then(numbers::parse_i64) {
        cursor.skip();
        ids.push(u64::try_from(number).ok().filter(|id| *id > 0).ok_or(TOO_SMALL)?);
    }
    match (ids.is_empty(), purpose) {
        (false, _) => Ok(ids),
        (true, Purpose::Kill) => Err(TOO_SMALL),
        (true, Purpose::List) => Err(Error::Say("ERR Invalid client ID")),
    }
}

fn client_type(name: &[u8]) -> Result<ClientType, Error> {
    let lower = name.to_ascii_lowercase();
    ClientType::named(&lower).ok_or_else(|| Error::quote("ERR Unknown client type '", name, "'"))
}

fn user<'a>(name: &'a [u8], engine: &Engine) -> Result<&'a [u8], Error> {
    match engine.acl.user(name) {
        Some(_) => Ok(name),
        None => Err(Error::quote("ERR No such user '", name, "'")),
    }
}

fn letters<'a>(what: &str, negated: bool, known: &str, given: &'a [u8]) -> Result<&'a [u8], Error> {
    if given.iter().all(|letter| known.as_bytes().contains(letter)) {
        return Ok(given);
    }
    let place = match negated {
        true => format!("NOT-{}", what.to_uppercase()),
        false => "provided".to_string(),
    };
    Err(Error::quote(&format!("ERR Unknown {what} found in the {place} filter: "), given, ""))
}

fn db(number: &[u8], negated: bool, databases: usize) -> Result<usize, Error> {
    let name = if negated { "NOT-DB" } else { "DB" };
    let number = numbers::parse_i64(number)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| Error::text(format!("ERR {name} is not an integer or out of range")))?;
    usize::try_from(number).ok().filter(|db| *db < databases).ok_or_else(|| {
        Error::text(format!("ERR {name} number should be between 0 and {}", databases - 1))
    })
}

fn seconds(what: &str, number: &[u8]) -> Result<u64, Error> {
    let number = numbers::parse_i64(number)
        .ok_or_else(|| Error::text(format!("ERR {what} is not an integer or out of range")))?;
    u64::try_from(number)
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| Error::text(format!("ERR {what} should be greater than 0")))
}

/// The address without its port, and without the brackets of IPv6. A Unix socket has none.
fn is_from(session: &Session, ip: &[u8]) -> bool {
    let Some((host, _)) = session.peer.addr.rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    !session.peer.unix && host.as_bytes() == ip
}
