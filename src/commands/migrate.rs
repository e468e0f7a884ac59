//! MIGRATE: keys go to another server, and are removed here when they have arrived.
//!
//! The peers do nothing else meanwhile. Here others go on, and may change a key while it is under way: so when it has
//! arrived it is compared with what was sent, and removed only if it is the same. Otherwise it is sent again as it is now,
//! or removed there, if it was removed here. At the moment of its removal, both servers agree. A key that never rests is
//! given a moment in which nobody writes.

use crate::base::numbers;
use crate::engine::command::admin;
use crate::engine::tasks::{
    Copied, Credentials, Failure, Migrated, Migration, Moving, Outcome, State, Work,
};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::keyspace::Event;
use crate::rdb::write;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, Begin, C_DANGEROUS, C_KEYSPACE, Find, Group, K_ACCESS, K_DELETE, K_INCOMPLETE, KeySpec,
    MOVABLEKEYS, WRITE, block, integer, key, key_at, one_of, string, token,
};

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[admin("MIGRATE", migrate)
        .arity(-6)
        .flags(WRITE | MOVABLEKEYS)
        .categories(C_KEYSPACE | C_DANGEROUS)
        .keys(&[
            key_at(3, Access::ReadWrite, K_ACCESS | K_DELETE),
            KeySpec {
                begin: Begin::Keyword("KEYS", -2),
                find: Find::Range { last: -1, step: 1, limit: 0 },
                access: Access::ReadWrite,
                flags: K_ACCESS | K_DELETE | K_INCOMPLETE,
            },
        ])
        .since("2.6.0")
        .complexity("O(N), when N is the size of the values")
        .summary("Moves keys to another server.")
        .tips(&["nondeterministic_output"])
        .args(&[
            string("host"),
            integer("port"),
            one_of("key-selector", &[key("key"), token("\"\"").named("empty-string")]),
            integer("destination-db"),
            integer("timeout"),
            token("COPY").optional().since("3.0.0"),
            token("REPLACE").optional().since("3.0.0"),
            one_of(
                "authentication",
                &[
                    string("auth").after("AUTH").shown("password").since("4.0.7"),
                    block("auth2", &[string("username"), string("password")])
                        .after("AUTH2")
                        .since("6.0.0"),
                ],
            )
            .optional(),
            key("key").after("KEYS").optional().repeats().since("3.0.6"),
        ])],
};

/// So often a key is sent again that others change all the while …
const ROUNDS_MAX: u32 = 50;
/// … and after so many times, others may change nothing for this long at the most while it is under way.
const PATIENT_ROUNDS: u32 = 4;
const HOLD_US: u64 = 200_000;
const TIMEOUT_MS: u64 = 1000;

/// What the command line says.
struct Line<'a> {
    copy: bool,
    replace: bool,
    credentials: Option<Credentials>,
    keys: Args<'a>,
    db: i64,
    timeout_ms: u64,
}

fn migrate(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if let Some(Outcome::Migrated(migrated)) = engine.tasks.outcome(who) {
        return arrived(engine, who, args, migrated, out);
    }
    let line = parse(args)?;
    let db = engine.sessions[who].db;
    let mut keys: Vec<Moving> = Vec::new();
    for key in line.keys.iter() {
        let is_there = engine.keyspace.touch(db, key).is_some();
        if is_there && !keys.iter().any(|other| other.key == key) {
            keys.push(Moving { key: key.to_vec(), copy: copy_of(engine, db, key) });
        }
    }
    if keys.is_empty() {
        return out.simple("NOKEY");
    }
    if engine.in_exec() {
        return Err(
            Error::Say("ERR MIGRATE must wait, which a transaction or a script cannot").into()
        );
    }
    send(engine, who, args, &line, (line.replace, 0), keys)
}

/// Has keys sent.
fn send(
    engine: &mut Engine,
    who: SessionKey,
    args: Args,
    line: &Line,
    (replace, rounds): (bool, u32),
    keys: Vec<Moving>,
) -> Done {
    let migration = Migration {
        host: args.get(1).to_vec(),
        port: numbers::parse_u64(args.get(2))
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0),
        tls: engine.config.tls_cluster,
        db: line.db,
        timeout_ms: line.timeout_ms,
        credentials: line.credentials.clone(),
        replace,
        keys,
        rounds,
    };
    engine.tasks.place(who, Work::Migrate(migration))
}

/// Keys have arrived, or not.
fn arrived(
    engine: &mut Engine,
    who: SessionKey,
    args: Args,
    migrated: Migrated,
    out: Reply,
) -> Done {
    engine.release_writes();
    let line = parse(args)?;
    let db = engine.sessions[who].db;
    let (mut again, mut gone) = (Vec::new(), Vec::new());
    for (moving, taken) in migrated.keys.into_iter().zip(migrated.taken) {
        if !taken || line.copy {
            continue;
        }
        let now = copy_of(engine, db, &moving.key);
        if now.as_ref().map(|now| &now.state) != moving.copy.as_ref().map(|sent| &sent.state) {
            again.push(Moving { key: moving.key, copy: now });
        } else if now.is_some() {
            engine.keyspace.remove(db, &moving.key, Event::DEL);
            gone.push(moving.key);
        }
    }
    // What is told of it are the removals alone.
    if gone.is_empty() {
        engine.effects.nothing();
    } else {
        let words: Vec<&[u8]> =
            std::iter::once(&b"DEL"[..]).chain(gone.iter().map(|key| &**key)).collect();
        engine.effects.instead(&words);
    }
    if let Some(refusal) = migrated.refusal {
        let text = [b"ERR Target instance replied with error: ", &*refusal].concat();
        return Err(Error::Text(text.into()).into());
    }
    if let Some(failure) = migrated.failure {
        return Err(Error::Say(match failure {
            Failure::Connecting => "IOERR error or timeout connecting to the client",
            Failure::Writing => "IOERR error or timeout writing to target instance",
            Failure::Reading => "IOERR error or timeout reading to target instance",
        })
        .into());
    }
    if again.is_empty() {
        return out.ok();
    }
    if migrated.rounds >= ROUNDS_MAX {
        return Err(
            Error::Say("IOERR keys changed whenever they had arrived, and stay here").into()
        );
    }
    if migrated.rounds >= PATIENT_ROUNDS {
        engine.hold_writes(HOLD_US.min(line.timeout_ms.saturating_mul(1000)));
    }
    send(engine, who, args, &line, (true, migrated.rounds + 1), again)
}

/// A key as it is now, if it is there.
fn copy_of(engine: &mut Engine, db: usize, key: &[u8]) -> Option<Copied> {
    let options = engine.limits.dump;
    let now = engine.keyspace.now();
    let record = engine.keyspace.look(db, key)?;
    let payload = record.with_view(|value| write::dump(value, options));
    let deadline = record.deadline();
    let ttl_ms = deadline.map_or(0, |deadline| (deadline.0 - now.0).max(1) as u64);
    Some(Copied { state: State { payload, deadline }, ttl_ms })
}

fn parse(args: Args<'_>) -> Result<Line<'_>, Error> {
    const SET_EMPTY: Error = Error::Say(
        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
    );
    let (mut copy, mut replace, mut credentials) = (false, false, None);
    let mut keys = args.head(4).tail(3);
    let mut at = 6;
    while at < args.len() {
        let word = |index: usize| {
            (index < args.len()).then(|| args.get(index).to_vec()).ok_or(Error::Syntax)
        };
        match &*args.get(at).to_ascii_uppercase() {
            b"COPY" => copy = true,
            b"REPLACE" => replace = true,
            b"AUTH" => {
                credentials = Some(Credentials { user: None, password: word(at + 1)? });
                at += 1;
            }
            b"AUTH2" => {
                let (user, password) = (Some(word(at + 1)?), word(at + 2)?);
                credentials = Some(Credentials { user, password });
                at += 2;
            }
            b"KEYS" if !args.get(3).is_empty() => return Err(SET_EMPTY),
            b"KEYS" => {
                keys = args.tail(at + 1);
                break;
            }
            _ => return Err(Error::Syntax),
        }
        at += 1;
    }
    let timeout = numbers::parse_i64(args.get(5)).ok_or(Error::NotInteger)?;
    let db = numbers::parse_i64(args.get(4)).ok_or(Error::NotInteger)?;
    let timeout_ms = u64::try_from(timeout).ok().filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS);
    Ok(Line { copy, replace, credentials, keys, db, timeout_ms })
}
