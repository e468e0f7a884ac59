//! CLIENT: what connections there are, and what becomes of them.

use super::client_filter::{ClientFilter, Purpose};
use super::connection::BAD_NAME;
use super::waiting;
use crate::base::numbers;
use crate::engine::command::{admin, container};
use crate::engine::describe::is_plain;
use crate::engine::{Closing, Engine, Family, Replies, Session, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ADMIN, ALLOW_BUSY, Arg, C_CONNECTION, Group, LOADING, NOSCRIPT, STALE, integer, one_of, string,
    token,
};

pub const FAMILY: Family = Family {
    group: Group::Connection,
    commands: &[
        container("CLIENT")
            .since("2.4.0")
            .complexity("Depends on subcommand.")
            .summary("Commands about connections."),
        admin("CLIENT|ID", id)
            .arity(2)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Answers the number of this connection."),
        admin("CLIENT|INFO", info)
            .arity(2)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Describes this connection.")
            .tips(&["nondeterministic_output"]),
        admin("CLIENT|LIST", list)
            .arity(-2)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.4.0")
            .complexity("O(N) where N is the number of client connections")
            .summary("Describes connections: all, or those that meet all conditions.")
            .tips(&["nondeterministic_output"])
            .args(&[one_of("condition", FILTERS).optional().repeats()]),
        admin("CLIENT|KILL", kill)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.4.0")
            .complexity("O(N) where N is the number of client connections")
            .summary("Ends the connections that meet all conditions.")
            .args(&[one_of(
                "filter",
                &[string("old-format"), one_of("new-format", FILTERS).repeats()],
            )]),
        admin("CLIENT|SETNAME", set_name)
            .arity(3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.6.9")
            .complexity("O(1)")
            .summary("Gives this connection a name.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[string("connection-name")]),
        admin("CLIENT|GETNAME", get_name)
            .arity(2)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("2.6.9")
            .complexity("O(1)")
            .summary("Answers the name of this connection."),
        admin("CLIENT|SETINFO", set_info)
            .arity(4)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.2.0")
            .complexity("O(1)")
            .summary("Says which library speaks on this connection.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .args(&[one_of(
                "attr",
                &[string("libname").after("LIB-NAME"), string("libver").after("LIB-VER")],
            )]),
        admin("CLIENT|PAUSE", pause)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Makes what clients send wait for a while.")
            .args(&[
                integer("timeout"),
                one_of("mode", &[token("WRITE"), token("ALL")]).optional().since("6.2.0"),
            ]),
        admin("CLIENT|UNPAUSE", unpause)
            .arity(2)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.2.0")
            .complexity("O(N) Where N is the number of paused clients")
            .summary("Ends a pause before its time."),
        admin("CLIENT|UNBLOCK", unblock)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("5.0.0")
            .complexity("O(log N) where N is the number of client connections")
            .summary("Ends the waiting of a client that is blocked in a command.")
            .args(&[
                integer("client-id"),
                one_of("unblock-type", &[token("TIMEOUT"), token("ERROR")]).optional(),
            ]),
        admin("CLIENT|REPLY", reply)
            .arity(3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("3.2.0")
            .complexity("O(1)")
            .summary("Chooses whether this connection hears answers.")
            .args(&[one_of("action", &[token("ON"), token("OFF"), token("SKIP")])]),
        admin("CLIENT|NO-EVICT", no_evict)
            .arity(3)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Protects this connection from being ended when clients need much memory.")
            .args(ON_OFF),
        admin("CLIENT|NO-TOUCH", no_touch)
            .arity(3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("7.2.0")
            .complexity("O(1)")
            .summary("Chooses whether what this connection reads stays young.")
            .args(ON_OFF),
        admin("CLIENT|CAPA", capa)
            .arity(-3)
            .flags(NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
            .categories(C_CONNECTION)
            .since("8.0.0")
            .complexity("O(1)")
            .summary("Says what the client at the other end is capable of.")
            .args(&[string("capability").repeats()]),
        admin("CLIENT|IMPORT-SOURCE", import_source)
            .arity(3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("8.1.0")
            .complexity("O(1)")
            .summary("Marks this connection as one that imports data, while that is allowed.")
            .args(ON_OFF),
        admin("CLIENT|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .categories(C_CONNECTION)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Explains the subcommands."),
    ],
};

const ON_OFF: &[Arg] = &[one_of("enabled", &[token("ON"), token("OFF")])];

/// The types that a client may have, under all their names.
const TYPES: &[Arg] = &[
    token("NORMAL"),
    token("MASTER").since("3.2.0"),
    token("PRIMARY").since("8.0.0"),
    token("SLAVE"),
    token("REPLICA").since("5.0.0"),
    token("PUBSUB"),
];

const FILTERS: &[Arg] = &[
    integer("client-id").after("ID").repeats().since("2.8.12"),
    one_of("client-type", TYPES).after("TYPE").since("2.8.12"),
    string("username").after("USER"),
    string("addr").after("ADDR"),
    string("laddr").after("LADDR").since("6.2.0"),
    one_of("skipme", &[token("YES"), token("NO")]).after("SKIPME"),
    integer("maxage").after("MAXAGE").since("7.4.0"),
    string("name").after("NAME").since("8.1.0"),
    integer("idle").after("IDLE").since("8.1.0"),
    string("flags").after("FLAGS").since("8.1.0"),
    string("lib-name").after("LIB-NAME").since("8.1.0"),
    string("lib-ver").after("LIB-VER").since("8.1.0"),
    integer("db").after("DB").since("8.1.0"),
    string("capa").after("CAPA").since("8.1.0"),
    string("ip").after("IP").since("8.1.0"),
    integer("not-id").after("NOT-ID").repeats().since("8.1.0"),
    one_of("not-type", TYPES).after("NOT-TYPE").since("8.1.0"),
    string("not-addr").after("NOT-ADDR").since("8.1.0"),
    string("not-laddr").after("NOT-LADDR").since("8.1.0"),
    string("not-user").after("NOT-USER").since("8.1.0"),
    string("not-flags").after("NOT-FLAGS").since("8.1.0"),
    string("not-name").after("NOT-NAME").since("8.1.0"),
    string("not-lib-name").after("NOT-LIB-NAME").since("8.1.0"),
    string("not-lib-ver").after("NOT-LIB-VER").since("8.1.0"),
    integer("not-db").after("NOT-DB").since("8.1.0"),
    string("not-capa").after("NOT-CAPA").since("8.1.0"),
    string("not-ip").after("NOT-IP").since("8.1.0"),
];

fn id(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.sessions[who].id as i64)
}

fn info(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    let line = engine.describe(who) + "\n";
    out.verbatim("txt", line.as_bytes())
}

fn list(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let filter = match args.len() {
        2 => ClientFilter::default(),
        3 => return Err(Error::Syntax.into()),
        _ => ClientFilter::parse(args, 2, Purpose::List, engine)?,
    };
    let mut lines = String::new();
    for session in engine.sessions.living() {
        if filter.matches(engine, session, who) {
            lines.push_str(&engine.line_of(session));
            lines.push('\n');
        }
    }
    out.verbatim("txt", lines.as_bytes())
}

fn kill(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let old_form = args.len() == 3;
    let filter = match old_form {
        true => ClientFilter::address(args.get(2)),
        false => ClientFilter::parse(args, 2, Purpose::Kill, engine)?,
    };
    let doomed: Vec<SessionKey> = engine
        .sessions
        .living()
        .into_iter()
        .filter(|session| filter.matches(engine, session, who))
        .map(|session| session.key)
        .collect();
    for &key in &doomed {
        // Whoever ends himself is told so first.
        match key == who {
            true => engine.sessions[key].closing = Closing::AfterReply,
            false => engine.kill(key),
        }
    }
    match (old_form, doomed.is_empty()) {
        (true, true) => Err(Error::Say("ERR No such client").into()),
        (true, false) => out.ok(),
        (false, _) => out.int(doomed.len() as i64),
    }
}

fn set_name(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if !is_plain(args.get(2)) {
        return Err(BAD_NAME.into());
    }
    engine.sessions[who].name = args.get(2).to_vec();
    out.ok()
}

fn get_name(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    match &*engine.sessions[who].name {
        [] => out.null(),
        name => out.bulk(name),
    }
}

fn set_info(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let (attribute, value) = (args.get(2), args.get(3));
    let session = &mut engine.sessions[who];
    let place = if attribute.eq_ignore_ascii_case(b"lib-name") {
        &mut session.lib_name
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.lib_ver
    } else {
        return Err(Error::quote("ERR Unrecognized option '", attribute, "'").into());
    };
    if !is_plain(value) {
        const WHY: &str = " cannot contain spaces, newlines or special characters.";
        return Err(Error::quote("ERR ", attribute, WHY).into());
    }
    *place = value.to_vec();
    out.ok()
}

fn pause(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    if args.len() > 4 {
        return Err(super::bad_words("CLIENT", args.get(1)).into());
    }
    let mode = (args.len() > 3).then(|| args.get(3));
    let all = match mode {
        None => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => false,
        Some(_) => return Err(Error::Say("ERR CLIENT PAUSE mode must be WRITE or ALL").into()),
    };
    let timeout_us = waiting::timeout_ms(engine.now.wall(), args.get(2))?;
    engine.pause(timeout_us.unwrap_or(0), all);
    out.ok()
}

fn unpause(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.unpause();
    out.ok()
}

/// A client that waits for the end of a pause is not woken by this.
fn unblock(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    if args.len() > 4 {
        return Err(super::bad_words("CLIENT", args.get(1)).into());
    }
    let reason = (args.len() > 3).then(|| args.get(3));
    let known = [&b"timeout"[..], b"error"];
    if reason.is_some_and(|reason| !known.iter().any(|word| reason.eq_ignore_ascii_case(word))) {
        return Err(Error::Say("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR").into());
    }
    let id = numbers::parse_i64(args.get(2)).ok_or(Error::NotInteger)?;
    let with_error = reason.is_some_and(|reason| reason.eq_ignore_ascii_case(b"error"));
    let found = engine.sessions.living().into_iter().find(|session| session.id as i64 == id);
    let waits = match found.map(|session| session.key) {
        Some(waiting) => engine.unblock_client(waiting, with_error),
        None => false,
    };
    out.int(waits as i64)
}

fn reply(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let session = &mut engine.sessions[who];
    match &*args.get(2).to_ascii_uppercase() {
        b"ON" => {
            session.replies = Replies::On;
            out.ok()
        }
        b"OFF" => {
            session.replies = Replies::Off;
            out.nothing()
        }
        b"SKIP" => {
            if session.replies != Replies::Off {
                session.replies = Replies::SkipNext;
            }
            out.nothing()
        }
        _ => Err(Error::Syntax.into()),
    }
}

fn no_evict(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    switch(engine, who, args, out, |session| &mut session.no_evict)
}

fn no_touch(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    switch(engine, who, args, out, |session| &mut session.no_touch)
}

fn capa(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    // A capability that this server has never heard of does no harm.
    if args.tail(2).iter().any(|capability| capability.eq_ignore_ascii_case(b"redirect")) {
        engine.sessions[who].redirect_capable = true;
    }
    out.ok()
}

fn import_source(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    if !engine.config.import_mode && !args[2].eq_ignore_ascii_case(b"off") {
        return Err(Error::Say("ERR Server is not in import mode").into());
    }
    switch(engine, who, args, out, |session| &mut session.import_source)
}

/// The commands that take ON or OFF.
fn switch(
    engine: &mut Engine,
    who: SessionKey,
    args: Args,
    out: Reply,
    place: fn(&mut Session) -> &mut bool,
) -> Done {
    *place(&mut engine.sessions[who]) = match &*args.get(2).to_ascii_uppercase() {
        b"ON" => true,
        b"OFF" => false,
        _ => return Err(Error::Syntax.into()),
    };
    out.ok()
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Track what the next command reads, or do not: where tracking is OPTIN or OPTOUT.",
            "CAPA <capability> [<capability> ...]",
            "    Say what this client can do: REDIRECT.",
            "GETNAME",
            "    Answer the name of this connection.",
            "GETREDIR",
            "    Answer who gets this connection's invalidation messages, or -1.",
            "ID",
            "    Answer the number of this connection.",
            "IMPORT-SOURCE (ON|OFF)",
            "    Mark this connection as a source of imported data.",
            "INFO",
            "    Describe this connection.",
            "KILL <ip:port>",
            "    End the connection from this address.",
            "KILL <condition> <value> [<condition> <value> ...]",
            "    End the connections that meet all conditions, but not this one unless",
            "    SKIPME NO is given. Conditions:",
            "    * ID <client-id> [<client-id> ...]",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "    * ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0), IP <ip>",
            "    * USER <username>, NAME <name>, LIB-NAME <name>, LIB-VER <version>",
            "    * DB <index>, FLAGS <letters>, CAPA <letters>",
            "    * MAXAGE <seconds>, IDLE <seconds>: at least so old, or silent for so long",
            "    All but the last two have an opposite that begins with NOT-.",
            "LIST [<condition> <value> ...]",
            "    Describe the connections that meet all conditions.",
            "NO-EVICT (ON|OFF)",
            "    Never end this connection to save memory.",
            "NO-TOUCH (ON|OFF)",
            "    Do not count what this connection reads as used.",
            "PAUSE <milliseconds> [WRITE|ALL]",
            "    Make all commands wait, or only those that write.",
            "REPLY (ON|OFF|SKIP)",
            "    Answer everything, nothing, or all but the next command.",
            "SETINFO (LIB-NAME|LIB-VER) <value>",
            "    Say which library speaks on this connection.",
            "SETNAME <name>",
            "    Give this connection a name.",
            "TRACKING (ON|OFF) [<option> ...]",
            "    Be told when what this connection has read changes, or what has a prefix. Options:",
            "    * REDIRECT <client-id>: another connection is told",
            "    * BCAST, PREFIX <prefix>: all keys with this prefix; it may be given again",
            "    * OPTIN, OPTOUT: only, or all but, what CLIENT CACHING was sent before",
            "    * NOLOOP: nothing is told of what this connection changes itself",
            "TRACKINGINFO",
            "    Say what is tracked.",
            "UNBLOCK <client-id> [TIMEOUT|ERROR]",
            "    End the waiting of a blocked client.",
            "UNPAUSE",
            "    End a pause.",
        ],
    )
}
