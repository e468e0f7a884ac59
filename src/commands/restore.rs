//! RESTORE: a value comes back from the form that DUMP gives, of this server or a peer.

use crate::engine::command;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::{Event, Record};
use crate::rdb::read::{self, Footer, Refused};
use crate::rdb::write;
use crate::resp::args::Cursor;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ASKING, Access, Arg, C_DANGEROUS, C_KEYSPACE, DENYOOM, Group, K_UPDATE, integer, key, key_at,
    string, token,
};
use crate::world::Millis;

pub const FAMILY: Family = Family {
    group: Group::Generic,
    commands: &[command::write("RESTORE", restore)
        .arity(-4)
        .flags(DENYOOM)
        .categories(C_KEYSPACE | C_DANGEROUS)
        .keys(&[key_at(1, Access::Overwrite, K_UPDATE)])
        .since("2.6.0")
        .complexity("O(N), when N is the size of the value; O(N*log(N)) for sorted sets")
        .summary("Makes a key of a value that DUMP has given.")
        .args(&ARGS)],
};

/// What nodes of a cluster say to each other.
pub const AMONG_SERVERS: Family = Family {
    group: Group::Server,
    commands: &[command::write("RESTORE-ASKING", restore)
        .arity(-4)
        .flags(DENYOOM | ASKING)
        .categories(C_KEYSPACE | C_DANGEROUS)
        .keys(&[key_at(1, Access::Overwrite, K_UPDATE)])
        .since("3.0.0")
        .complexity("O(N), when N is the size of the value; O(N*log(N)) for sorted sets")
        .summary("As RESTORE, while slots move from one server to another.")
        .args(&ARGS)],
};

const ARGS: [Arg; 7] = [
    key("key"),
    integer("ttl"),
    string("serialized-value"),
    token("REPLACE").named("replace").optional().since("3.0.0"),
    token("ABSTTL").named("absttl").optional().since("5.0.0"),
    integer("seconds").after("IDLETIME").optional().since("5.0.0"),
    integer("frequency").after("FREQ").optional().since("5.0.0"),
];

#[derive(Default)]
struct Options {
    replace: bool,
    /// The time to live is a moment, and not a span.
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

fn restore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let options = Options::read(args.after(3))?;
    let key = args.get(1);
    if !options.replace && cx.finds(key) {
        return Err(Error::Say("BUSYKEY Target key name already exists.").into());
    }
    let ttl = args.after(1).int()?;
    if ttl < 0 {
        return Err(Error::Say("ERR Invalid TTL value, must be >= 0").into());
    }
    let value = read::restore(args.get(3), &cx.limits.shapes(), cx.limits.footer);
    let value = value.map_err(|refused| match refused {
        Refused::Footer => Error::Say("ERR DUMP payload version or checksum are wrong"),
        Refused::Format(why) => {
            let offset = why.offset;
            *cx.note = Some(format!("Internal error in RDB reading offset {offset}: {why}"));
            Error::Say("ERR Bad data format")
        }
    })?;
    let deadline = match (ttl, options.absolute) {
        (0, _) => None,
        (moment, true) => Some(Millis(moment)),
        (span, false) => Some(Millis(span.saturating_add(cx.now.0))),
    };
    if deadline.is_some_and(|deadline| cx.keyspace.is_over(deadline)) {
        if cx.remove(key) {
            cx.effects.instead(&[b"DEL", key]);
        }
        return out.ok();
    }
    let age = cx.aging(key).restored(options.idle_seconds, options.frequency);
    let record = Record::restored(key, value, deadline, age);
    // Whoever reads the log need not be told to overlook what was overlooked here.
    let own = (cx.limits.footer != Footer::default() && !read::is_usual(args.get(3)))
        .then(|| record.with_view(|value| write::dump(value, cx.limits.dump)));
    // What was there is not overwritten, but goes, and another key comes.
    cx.keyspace.remove(cx.db, key, Event::QUIET);
    cx.keyspace.put(cx.db, record, Event::generic("restore"));
    let moment = deadline.filter(|_| !options.absolute);
    if moment.is_some() || own.is_some() {
        let mut digits = itoa::Buffer::new();
        let mut words: Vec<&[u8]> = args.iter().collect();
        if let Some(moment) = moment {
            words[2] = digits.format(moment.0).as_bytes();
            words.push(b"ABSTTL");
        }
        if let Some(own) = &own {
            words[3] = own;
        }
        cx.effects.instead(&words);
    }
    out.ok()
}

impl Options {
    fn read(mut rest: Cursor) -> Result<Options, Error> {
        let mut options = Options::default();
        while let Some(word) = rest.word() {
            rest.skip();
            match &*word {
                b"REPLACE" => options.replace = true,
                b"ABSTTL" => options.absolute = true,
                b"IDLETIME" if rest.left() > 0 && options.frequency.is_none() => {
                    let seconds = u64::try_from(rest.int()?);
                    options.idle_seconds = Some(
                        seconds
                            .map_err(|_| Error::Say("ERR Invalid IDLETIME value, must be >= 0"))?,
                    );
                }
                b"FREQ" if rest.left() > 0 && options.idle_seconds.is_none() => {
                    let frequency = u8::try_from(rest.int()?);
                    options.frequency = Some(frequency.map_err(|_| {
                        Error::Say("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    })?);
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(options)
    }
}
