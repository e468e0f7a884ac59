//! Pub/sub: SUBSCRIBE, PUBLISH and their kin, for channels, patterns and shard channels.
//!
//! A subscription is confirmed by a push for each name, in place of an answer. On a single node,
//! shard channels are channels in a namespace of their own.

use crate::engine::command::{admin, container};
use crate::engine::pubsub::Space;
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    Access, FAST, Group, K_NOT_KEY, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE, key_at,
    keys_from, pattern, string,
};

pub const FAMILY: Family = Family {
    group: Group::PubSub,
    commands: &[
        admin("SUBSCRIBE", subscribe)
            .arity(-2)
            .flags(LISTENS)
            .since("2.0.0")
            .complexity("O(N) where N is the number of channels to subscribe to.")
            .summary("Listens to channels.")
            .args(&[string("channel").repeats()]),
        admin("UNSUBSCRIBE", unsubscribe)
            .arity(-1)
            .flags(LISTENS)
            .since("2.0.0")
            .complexity("O(N) where N is the number of channels to unsubscribe.")
            .summary("Stops listening to channels, or to all of them.")
            .args(&[string("channel").optional().repeats()]),
        admin("PSUBSCRIBE", psubscribe)
            .arity(-2)
            .flags(LISTENS)
            .since("2.0.0")
            .complexity("O(N) where N is the number of patterns to subscribe to.")
            .summary("Listens to all channels whose names match a pattern.")
            .args(&[pattern("pattern").repeats()]),
        admin("PUNSUBSCRIBE", punsubscribe)
            .arity(-1)
            .flags(LISTENS)
            .since("2.0.0")
            .complexity("O(N) where N is the number of patterns to unsubscribe.")
            .summary("Stops listening to patterns, or to all of them.")
            .args(&[pattern("pattern").optional().repeats()]),
        admin("SSUBSCRIBE", ssubscribe)
            .arity(-2)
            .flags(LISTENS)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_NOT_KEY)])
            .since("7.0.0")
            .complexity("O(N) where N is the number of shard channels to subscribe to.")
            .summary("Listens to shard channels.")
            .args(&[string("shardchannel").repeats()]),
        admin("SUNSUBSCRIBE", sunsubscribe)
            .arity(-1)
            .flags(LISTENS)
            .keys(&[keys_from(1, -1, 1, Access::ReadOnly, K_NOT_KEY)])
            .since("7.0.0")
            .complexity("O(N) where N is the number of shard channels to unsubscribe.")
            .summary("Stops listening to shard channels, or to all of them.")
            .args(&[string("shardchannel").optional().repeats()]),
        admin("PUBLISH", publish)
            .arity(3)
            .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE)
            .since("2.0.0")
            .complexity("O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).")
            .summary("Sends a message to all who listen to a channel, and says to how many.")
            .args(&[string("channel"), string("message")]),
        admin("SPUBLISH", spublish)
            .arity(3)
            .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE)
            .keys(&[key_at(1, Access::ReadOnly, K_NOT_KEY)])
            .since("7.0.0")
            .complexity("O(N) where N is the number of clients subscribed to the receiving shard channel.")
            .summary("Sends a message to all who listen to a shard channel, and says to how many.")
            .args(&[string("shardchannel"), string("message")]),
        container("PUBSUB")
            .since("2.8.0")
            .complexity("Depends on subcommand.")
            .summary("Tells what is listened to."),
        admin("PUBSUB|CHANNELS", channels)
            .arity(-2)
            .flags(LOOKS)
            .since("2.8.0")
            .complexity("O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)")
            .summary("Lists the channels that are listened to, or those that match a pattern.")
            .args(&[pattern("pattern").optional()]),
        admin("PUBSUB|NUMSUB", num_sub)
            .arity(-2)
            .flags(LOOKS)
            .since("2.8.0")
            .complexity("O(N) for the NUMSUB subcommand, where N is the number of requested channels")
            .summary("Counts who listens to each of these channels.")
            .args(&[string("channel").optional().repeats()]),
        admin("PUBSUB|NUMPAT", num_pat)
            .arity(2)
            .flags(LOOKS)
            .since("2.8.0")
            .complexity("O(1)")
            .summary("Counts the patterns that are listened to."),
        admin("PUBSUB|SHARDCHANNELS", shard_channels)
            .arity(-2)
            .flags(LOOKS)
            .since("7.0.0")
            .complexity("O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).")
            .summary("Lists the shard channels that are listened to, or those that match a pattern.")
            .args(&[pattern("pattern").optional()]),
        admin("PUBSUB|SHARDNUMSUB", shard_num_sub)
            .arity(-2)
            .flags(LOOKS)
            .since("7.0.0")
            .complexity("O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels")
            .summary("Counts who listens to each of these shard channels.")
            .args(&[string("shardchannel").optional().repeats()]),
        admin("PUBSUB|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
    ],
};

const LISTENS: u32 = PUBSUB | NOSCRIPT | LOADING | STALE;
const LOOKS: u32 = PUBSUB | LOADING | STALE;

fn subscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    listen(engine, who, Space::Channel, args, out)
}

fn psubscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    listen(engine, who, Space::Pattern, args, out)
}

fn ssubscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    // The older two are let through in a transaction, for the sake of those who do it.
    if engine.in_exec() {
        return Err(Error::Say("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client").into());
    }
    listen(engine, who, Space::Shard, args, out)
}

fn unsubscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    stop_listening(engine, who, Space::Channel, args, out)
}

fn punsubscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    stop_listening(engine, who, Space::Pattern, args, out)
}

fn sunsubscribe(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    stop_listening(engine, who, Space::Shard, args, out)
}

fn publish(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.int(engine.publish(args.get(1), args.get(2)) as i64)
}

fn spublish(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.int(engine.publish_to_shard(args.get(1), args.get(2)) as i64)
}

fn channels(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    list_names(engine, Space::Channel, args, out)
}

fn shard_channels(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    list_names(engine, Space::Shard, args, out)
}

fn num_sub(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    count_listeners(engine, Space::Channel, args, out)
}

fn shard_num_sub(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    count_listeners(engine, Space::Shard, args, out)
}

fn num_pat(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.int(engine.pubsub.len(Space::Pattern) as i64)
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    List the channels that are listened to, or those that match.",
            "NUMPAT",
            "    Count the patterns that are listened to.",
            "NUMSUB [<channel> ...]",
            "    Count who listens to each channel, not counting patterns.",
            "SHARDCHANNELS [<pattern>]",
            "    List the shard channels that are listened to, or those that match.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Count who listens to each shard channel.",
        ],
    )
}

fn listen(engine: &mut Engine, who: SessionKey, space: Space, args: Args, out: Reply) -> Done {
    let verb = match space {
        Space::Channel => "subscribe",
        Space::Pattern => "psubscribe",
        Space::Shard => "ssubscribe",
    };
    out.in_pieces(|out| {
        for name in args.tail(1).iter() {
            let count = engine.subscribe(who, space, name);
            engine.confirm(who, verb, Some(name), count, out);
        }
    })
}

/// Without names, all names; and one confirmation also where there are none.
fn stop_listening(
    engine: &mut Engine,
    who: SessionKey,
    space: Space,
    args: Args,
    out: Reply,
) -> Done {
    let verb = match space {
        Space::Channel => "unsubscribe",
        Space::Pattern => "punsubscribe",
        Space::Shard => "sunsubscribe",
    };
    out.in_pieces(|out| {
        let all = match args.len() {
            1 => engine.subscriptions(who, space),
            _ => Vec::new(),
        };
        let names = all.iter().map(|name| &**name).chain(args.tail(1).iter());
        for name in names {
            let count = engine.unsubscribe(who, space, name);
            engine.confirm(who, verb, Some(name), count, out);
        }
        if all.is_empty() && args.len() == 1 {
            let count = engine.subscribed(who, space);
            engine.confirm(who, verb, None, count, out);
        }
    })
}

fn list_names(engine: &mut Engine, space: Space, args: Args, out: Reply) -> Done {
    if args.len() > 3 {
        return Err(super::bad_words("PUBSUB", args.get(1)).into());
    }
    let pattern = (args.len() == 3).then(|| args.get(2));
    out.bulks(engine.pubsub.names(space, pattern).into_iter())
}

fn count_listeners(engine: &mut Engine, space: Space, args: Args, out: Reply) -> Done {
    // Pairs, and yet no map, in either protocol.
    let mut list = out.list(2 * (args.len() - 2));
    for name in args.tail(2).iter() {
        list.bulk(name);
        list.int(engine.pubsub.listeners(space, name).len() as i64);
    }
    list.end()
}
