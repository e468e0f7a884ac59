//! Connections: PING, ECHO, SELECT, and who is at the other end: AUTH, HELLO, QUIT, RESET.

use crate::base::numbers;
use crate::commands::info::REDIS_VERSION;
use crate::engine::acl::DEFAULT_USER;
use crate::engine::command::admin;
use crate::engine::describe::is_plain;
use crate::engine::{Closing, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Proto, Reply};
use crate::spec::{
    ALLOW_BUSY, C_CONNECTION, FAST, Group, LOADING, NO_AUTH, NOSCRIPT, STALE, block, integer,
    string,
};

pub const FAMILY: Family = Family {
    group: Group::Connection,
    commands: &[
        admin("PING", ping)
            .arity(-1)
            .flags(FAST)
            .categories(C_CONNECTION)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Answers PONG, or what it was sent.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[string("message").optional()]),
        admin("ECHO", echo)
            .arity(2)
            .flags(LOADING | STALE | FAST)
            .categories(C_CONNECTION)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Answers what it was sent.")
            .args(&[string("message")]),
        admin("SELECT", select)
            .arity(2)
            .flags(LOADING | STALE | FAST)
            .categories(C_CONNECTION)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Goes to another database.")
            .args(&[integer("index")]),
        admin("AUTH", auth)
            .arity(-2)
            .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
            .categories(C_CONNECTION)
            .since("1.0.0")
            .complexity("O(N) where N is the number of passwords defined for the user")
            .summary("Logs in with a password.")
            .args(&[string("username").optional().since("6.0.0"), string("password")]),
        admin("HELLO", hello)
            .arity(-1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
            .categories(C_CONNECTION)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Chooses a protocol, and may log in and give a name on the way.")
            .args(&[block(
                "arguments",
                &[
                    integer("protover"),
                    block("auth", &[string("username"), string("password")])
                        .after("AUTH")
                        .optional(),
                    string("clientname").after("SETNAME").optional(),
                ],
            )
            .optional()]),
        admin("QUIT", quit)
            .arity(-1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
            .categories(C_CONNECTION)
            .at_once_in_multi()
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Ends the connection.")
            .deprecated("7.2.0", "just closing the connection"),
        admin("RESET", reset)
            .arity(1)
            .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
            .categories(C_CONNECTION)
            .at_once_in_multi()
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Makes the connection as good as new."),
    ],
};

/// What a name may not hold, in the words clients know.
pub const BAD_NAME: Error =
    Error::Say("ERR Client names cannot contain spaces, newlines or special characters.");

fn ping(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    match args.len() {
        // In the shape of a message, since only those are expected then.
        1 | 2 if engine.sessions[who].only_listens() => {
            let text = args.tail(1).iter().next().unwrap_or_default();
            out.bulks([&b"pong"[..], text].into_iter())
        }
        1 => out.simple("PONG"),
        2 => out.bulk(args.get(1)),
        _ => Err(Error::Arity("PING").into()),
    }
}

fn echo(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.bulk(args.get(1))
}

fn select(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let index = numbers::parse_i64(args.get(1)).ok_or(Error::NotInteger)?;
    if i32::try_from(index).is_err() {
        return Err(Error::Say(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        )
        .into());
    }
    let db = usize::try_from(index).ok().filter(|db| *db < engine.keyspace.databases());
    engine.sessions[who].db = db.ok_or(Error::BadDbIndex)?;
    out.ok()
}

fn auth(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let (user, password) = match args.len() {
        // Whoever sends a password where none is wanted has probably come to the wrong server.
        2 if engine.acl.is_open() => {
            return Err(Error::Say(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            )
            .into());
        }
        2 => (DEFAULT_USER.as_bytes(), args.get(1)),
        3 => (args.get(1), args.get(2)),
        _ => return Err(Error::Syntax.into()),
    };
    engine.log_in(who, args.get(0), user, password)?;
    out.ok()
}

fn hello(engine: &mut Engine, who: SessionKey, args: Args, mut out: Reply) -> Done {
    let wish = Hello::parse(args)?;
    if let Some((user, password)) = wish.auth {
        engine.log_in(who, args.get(0), user, password)?;
    }
    if engine.is_stranger(who) {
        return Err(Error::Say(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        )
        .into());
    }
    let session = &mut engine.sessions[who];
    if let Some(name) = wish.name {
        session.name = name.to_vec();
    }
    if let Some(proto) = wish.proto {
        session.proto = proto;
        out.switch(proto);
    }
    let (id, proto) = (session.id, session.proto);
    let zone = &engine.config.availability_zone;
    let mut map = out.map(7 + !zone.is_empty() as usize);
    map.bulk(b"server");
    map.bulk(b"redis");
    map.bulk(b"version");
    map.bulk(REDIS_VERSION.as_bytes());
    map.bulk(b"proto");
    map.int(proto.version());
    map.bulk(b"id");
    map.int(id as i64);
    map.bulk(b"mode");
    map.bulk(b"standalone");
    map.bulk(b"role");
    map.bulk(b"master");
    map.bulk(b"modules");
    map.list(0).close();
    if !zone.is_empty() {
        map.bulk(b"availability_zone");
        map.bulk(zone);
    }
    map.end()
}

/// What a HELLO asks for. All of it is read before any of it is done, so that a client which
/// gets an error is as it was; only a login that worked stays, as in Redis.
#[derive(Default)]
struct Hello<'a> {
    proto: Option<Proto>,
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Hello<'a> {
    fn parse(args: Args<'a>) -> Result<Hello<'a>, Error> {
        let mut wish = Hello::default();
        let mut cursor = args.after(0);
        if cursor.left() == 0 {
            return Ok(wish);
        }
        wish.proto = match numbers::parse_i64(cursor.bytes()?) {
            Some(2) => Some(Proto::Resp2),
            Some(3) => Some(Proto::Resp3),
            Some(_) => return Err(Error::Say("NOPROTO unsupported protocol version")),
            None => {
                return Err(Error::Say("ERR Protocol version is not an integer or out of range"));
            }
        };
        while cursor.left() > 0 {
            let option = cursor.bytes()?;
            if option.eq_ignore_ascii_case(b"AUTH") && cursor.left() >= 2 {
                wish.auth = Some((cursor.bytes()?, cursor.bytes()?));
            } else if option.eq_ignore_ascii_case(b"SETNAME") && cursor.left() >= 1 {
                wish.name = Some(cursor.bytes()?);
                if wish.name.is_some_and(|name| !is_plain(name)) {
                    return Err(BAD_NAME);
                }
            } else {
                return Err(Error::quote("ERR Syntax error in HELLO option '", option, "'"));
            }
        }
        Ok(wish)
    }
}

fn quit(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    engine.sessions[who].closing = Closing::AfterReply;
    out.ok()
}

fn reset(engine: &mut Engine, who: SessionKey, _: Args, mut out: Reply) -> Done {
    engine.reset_session(who);
    out.switch(Proto::Resp2);
    out.simple("RESET")
}
