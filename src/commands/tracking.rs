//! CLIENT TRACKING and its kin: who keeps copies of what it reads, and how it is told of changes.

use crate::engine::command::admin;
use crate::engine::tracking::{Mode, Overlap, Redirect, Tracking, Wish, overlap};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{C_CONNECTION, Group, LOADING, NOSCRIPT, STALE, integer, one_of, string, token};
use std::collections::BTreeSet;

pub const FAMILY: Family = Family {
    group: Group::Connection,
    commands: &[
        admin("CLIENT|TRACKING", tracking)
            .arity(-3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.0.0")
            .complexity("O(1). Some options may introduce additional complexity.")
            .summary("Chooses whether this connection is told when what it has read changes.")
            .args(&[
                one_of("status", &[token("ON"), token("OFF")]),
                integer("client-id").after("REDIRECT").optional(),
                string("prefix").after("PREFIX").optional().repeats_token(),
                token("BCAST").optional(),
                token("OPTIN").optional(),
                token("OPTOUT").optional(),
                token("NOLOOP").optional(),
            ]),
        admin("CLIENT|CACHING", caching)
            .arity(3)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Chooses whether what the next command reads is tracked.")
            .args(&[one_of("mode", &[token("YES"), token("NO")])]),
        admin("CLIENT|TRACKINGINFO", tracking_info)
            .arity(2)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Says what of this connection is tracked, and how."),
        admin("CLIENT|GETREDIR", get_redir)
            .arity(2)
            .flags(NOSCRIPT | LOADING | STALE)
            .categories(C_CONNECTION)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Says which connection gets this one's invalidation messages."),
    ],
};

fn tracking(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let options = Options::parse(engine, args)?;
    match &*args.get(2).to_ascii_uppercase() {
        b"ON" => {
            let mode = options.mode(engine.sessions[who].tracking.as_deref())?;
            engine.track(
                who,
                Wish {
                    mode,
                    no_loop: options.no_loop,
                    redirect: options.redirect,
                    prefixes: &options.prefixes,
                },
            );
        }
        b"OFF" => engine.untrack(who),
        _ => return Err(Error::Syntax.into()),
    }
    out.ok()
}

#[derive(Default)]
struct Options<'a> {
    redirect: Option<Redirect>,
    prefixes: Vec<&'a [u8]>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
}

impl<'a> Options<'a> {
    fn parse(engine: &Engine, args: Args<'a>) -> Result<Options<'a>, Error> {
        let mut options = Options::default();
        let mut cursor = args.after(2);
        while let Some(word) = cursor.word() {
            cursor.skip();
            match &*word {
                b"REDIRECT" if cursor.left() > 0 => {
                    if options.redirect.is_some() {
                        return Err(Error::Say(
                            "ERR A client can only redirect to a single other client",
                        ));
                    }
                    // It must be there now; later it may go, and the client is told.
                    let id = u64::try_from(cursor.int()?).ok();
                    let found = id.and_then(|id| engine.redirect_to(id));
                    options.redirect = Some(found.ok_or(Error::Say(
                        "ERR The client ID you want redirect to does not exist",
                    ))?);
                }
                b"PREFIX" if cursor.left() > 0 => options.prefixes.push(cursor.bytes()?),
                b"BCAST" => options.broadcast = true,
                b"OPTIN" => options.opt_in = true,
                b"OPTOUT" => options.opt_out = true,
                b"NOLOOP" => options.no_loop = true,
                _ => return Err(Error::Syntax),
            }
        }
        Ok(options)
    }

    /// The mode that is asked for, if the options agree with each other and with what the client has
    /// asked for before.
    fn mode(&self, before: Option<&Tracking>) -> Result<Mode, Error> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(Error::Say("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        let was = before.map(|before| before.mode);
        if was.is_some_and(|was| (was == Mode::Broadcast) != self.broadcast) {
            return Err(Error::Say(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this \
                 client, and then re-enabling it with a different mode.",
            ));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(Error::Say("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Err(Error::Say("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if self.opt_in && was == Some(Mode::OptOut) || self.opt_out && was == Some(Mode::OptIn) {
            return Err(Error::Say(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this \
                 client, and then re-enabling it with a different mode.",
            ));
        }
        if !self.broadcast {
            return Ok(match (self.opt_in, self.opt_out) {
                (true, _) => Mode::OptIn,
                (_, true) => Mode::OptOut,
                _ => Mode::Reads,
            });
        }
        let none = BTreeSet::new();
        let own = before.map_or(&none, |before| &before.prefixes);
        let (prefix, what, other) = match overlap(&self.prefixes, own) {
            None => return Ok(Mode::Broadcast),
            Some(Overlap::WithOwn(prefix, other)) => (prefix, "an existing prefix", other),
            Some(Overlap::WithNew(prefix, other)) => {
                (prefix, "another provided prefix", other.into())
            }
        };
        let mut text = b"ERR Prefix '".to_vec();
        text.extend_from_slice(prefix);
        text.extend_from_slice(format!("' overlaps with {what} '").as_bytes());
        text.extend_from_slice(&other);
        text.extend_from_slice(b"'. Prefixes for a single client must not overlap.");
        Err(Error::Text(text.into()))
    }
}

fn caching(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let Some(tracking) = &mut engine.sessions[who].tracking else {
        return Err(Error::Say(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        )
        .into());
    };
    let (mode, otherwise) = match &*args.get(2).to_ascii_uppercase() {
        b"YES" => (
            Mode::OptIn,
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        ),
        b"NO" => (
            Mode::OptOut,
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        ),
        _ => return Err(Error::Syntax.into()),
    };
    if tracking.mode != mode {
        return Err(Error::Say(otherwise).into());
    }
    tracking.caching = true;
    out.ok()
}

fn tracking_info(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    let tracking = engine.sessions[who].tracking.as_deref();
    let mut flags = vec![if tracking.is_some() { "on" } else { "off" }];
    if let Some(tracking) = tracking {
        let (mode, exception) = match tracking.mode {
            Mode::Reads => ("", ""),
            Mode::OptIn => ("optin", "caching-yes"),
            Mode::OptOut => ("optout", "caching-no"),
            Mode::Broadcast => ("bcast", ""),
        };
        for (set, flag) in [
            (!mode.is_empty(), mode),
            (tracking.caching && !exception.is_empty(), exception),
            (tracking.no_loop, "noloop"),
            (tracking.redirect_broken, "broken_redirect"),
        ] {
            if set {
                flags.push(flag);
            }
        }
    }
    let mut map = out.map(3);
    map.bulk(b"flags");
    let mut set = map.set(flags.len());
    flags.iter().for_each(|flag| set.bulk(flag.as_bytes()));
    set.close();
    map.bulk(b"redirect");
    map.int(engine.sessions[who].redirect());
    map.bulk(b"prefixes");
    let prefixes = tracking.map(|tracking| &tracking.prefixes);
    let mut list = map.list(prefixes.map_or(0, BTreeSet::len));
    prefixes.into_iter().flatten().for_each(|prefix| list.bulk(prefix));
    list.close();
    map.end()
}

fn get_redir(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.sessions[who].redirect())
}
