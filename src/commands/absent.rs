//! What a plain server is asked for and does not have: a cluster, replicas, modules.
//!
//! Clients ask to find out. They know these answers, and go on without; an unknown command would
//! make some of them stop.

use crate::engine::command::{admin, container};
use crate::engine::{Command, Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, Reply};
use crate::spec::{
    ADMIN, ALLOW_BUSY, Arg, C_CONNECTION, FAST, Group, LOADING, NO_ASYNC_LOADING, NO_MULTI,
    NOSCRIPT, PROTECTED, STALE, block, integer, one_of, string, token,
};

pub const CLUSTER: Family = Family {
    group: Group::Cluster,
    commands: &[
        admin("ASKING", no_cluster)
            .arity(1)
            .flags(FAST)
            .categories(C_CONNECTION)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Announces that the next command follows an -ASK."),
        admin("READONLY", no_cluster)
            .arity(1)
            .flags(LOADING | STALE | FAST)
            .categories(C_CONNECTION)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Lets this connection read from a replica."),
        admin("READWRITE", no_cluster)
            .arity(1)
            .flags(LOADING | STALE | FAST)
            .categories(C_CONNECTION)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Undoes READONLY."),
        container("CLUSTER")
            .since("3.0.0")
            .complexity("Depends on subcommand.")
            .summary("Speaks about the cluster."),
        cluster("CLUSTER|ADDSLOTS", -3, CHANGES)
            .since("3.0.0")
            .complexity("O(N), when N is the number of slots")
            .summary("Gives slots to this node.")
            .args(&[integer("slot").repeats()]),
        cluster("CLUSTER|ADDSLOTSRANGE", -4, CHANGES)
            .since("7.0.0")
            .complexity("O(N), when N is the number of slots")
            .summary("Gives ranges of slots to this node.")
            .args(&[SLOT_RANGES]),
        cluster("CLUSTER|BUMPEPOCH", 2, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Advances the node's configuration epoch.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|COUNT-FAILURE-REPORTS", 3, ADMIN | STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of reports")
            .summary("Counts the nodes that call another one failing.")
            .tips(&["nondeterministic_output"])
            .args(&[string("node-id")]),
        cluster("CLUSTER|COUNTKEYSINSLOT", 3, STALE)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Counts the keys of a slot.")
            .args(&[integer("slot")]),
        cluster("CLUSTER|DELSLOTS", -3, CHANGES)
            .since("3.0.0")
            .complexity("O(N), when N is the number of slots")
            .summary("Takes slots away from this node.")
            .args(&[integer("slot").repeats()]),
        cluster("CLUSTER|DELSLOTSRANGE", -4, CHANGES)
            .since("7.0.0")
            .complexity("O(N), when N is the number of slots")
            .summary("Takes ranges of slots away from this node.")
            .args(&[SLOT_RANGES]),
        cluster("CLUSTER|FAILOVER", -2, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Makes a replica take its master's place.")
            .args(&[one_of("options", &[token("FORCE"), token("TAKEOVER")]).optional()]),
        cluster("CLUSTER|FLUSHSLOTS", 2, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Takes all slots away from this node."),
        cluster("CLUSTER|FORGET", 3, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Forgets a node.")
            .args(&[string("node-id")]),
        cluster("CLUSTER|GETKEYSINSLOT", 4, STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of keys asked for")
            .summary("Lists keys of a slot.")
            .tips(&["nondeterministic_output"])
            .args(&[integer("slot"), integer("count")]),
        cluster("CLUSTER|HELP", 2, LOADING | STALE)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
        cluster("CLUSTER|INFO", 2, STALE)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Tells the state of the cluster.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|KEYSLOT", 3, STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the length of the key")
            .summary("Says which slot a key belongs to.")
            .args(&[string("key")]),
        cluster("CLUSTER|LINKS", 2, STALE)
            .since("7.0.0")
            .complexity("O(N), when N is the number of nodes")
            .summary("Lists the connections between nodes.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|MEET", -4, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Introduces another node.")
            .args(&[
                string("ip"),
                integer("port"),
                integer("cluster-bus-port").optional().since("4.0.0"),
            ]),
        cluster("CLUSTER|MYID", 2, STALE)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Names this node."),
        cluster("CLUSTER|MYSHARDID", 2, STALE)
            .since("7.2.0")
            .complexity("O(1)")
            .summary("Names this node's shard.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|NODES", 2, STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of nodes")
            .summary("Lists the nodes and their slots.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|REPLICAS", 3, ADMIN | STALE)
            .since("5.0.0")
            .complexity("O(N), when N is the number of replicas")
            .summary("Lists the replicas of a node.")
            .tips(&["nondeterministic_output"])
            .args(&[string("node-id")]),
        cluster("CLUSTER|REPLICATE", 3, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Makes this node a replica of another.")
            .args(&[string("node-id")]),
        cluster("CLUSTER|RESET", -2, ADMIN | NOSCRIPT | STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of nodes")
            .summary("Makes this node forget the cluster.")
            .args(&[one_of("reset-type", &[token("HARD"), token("SOFT")]).optional()]),
        cluster("CLUSTER|SAVECONFIG", 2, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Writes the node's view of the cluster to disk."),
        cluster("CLUSTER|SET-CONFIG-EPOCH", 3, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Sets the epoch of a new node.")
            .args(&[integer("config-epoch")]),
        cluster("CLUSTER|SETSLOT", -4, CHANGES)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Says where a slot is, or is moving to.")
            .args(&[
                integer("slot"),
                one_of(
                    "subcommand",
                    &[
                        string("importing").after("IMPORTING"),
                        string("migrating").after("MIGRATING"),
                        string("node").after("NODE"),
                        token("STABLE"),
                    ],
                ),
            ]),
        cluster("CLUSTER|SHARDS", 2, LOADING | STALE)
            .since("7.0.0")
            .complexity("O(N), when N is the number of nodes")
            .summary("Maps slots to shards.")
            .tips(&["nondeterministic_output"]),
        cluster("CLUSTER|SLAVES", 3, ADMIN | STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of replicas")
            .summary("Lists the replicas of a node.")
            .tips(&["nondeterministic_output"])
            .deprecated("5.0.0", "`CLUSTER REPLICAS`")
            .args(&[string("node-id")]),
        cluster("CLUSTER|SLOTS", 2, LOADING | STALE)
            .since("3.0.0")
            .complexity("O(N), when N is the number of nodes")
            .summary("Maps slots to nodes.")
            .tips(&["nondeterministic_output"])
            .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    ],
};

pub const SERVER: Family = Family {
    group: Group::Server,
    commands: &[
        admin("REPLICAOF", replicaof)
            .arity(3)
            .flags(CHANGES | NOSCRIPT)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Makes the server a replica of another, or a master again.")
            .args(&[MASTER]),
        admin("SLAVEOF", replicaof)
            .arity(3)
            .flags(CHANGES | NOSCRIPT)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Makes the server a replica of another, or a master again.")
            .deprecated("5.0.0", "`REPLICAOF`")
            .args(&[MASTER]),
        admin("FAILOVER", failover)
            .arity(-1)
            .flags(ADMIN | NOSCRIPT | STALE)
            .since("6.2.0")
            .complexity("O(1)")
            .summary("Hands the master's part over to a replica.")
            .args(&[
                block("target", &[string("host"), integer("port"), token("FORCE").optional()])
                    .after("TO")
                    .optional(),
                token("ABORT").optional(),
                integer("milliseconds").after("TIMEOUT").optional(),
            ]),
        admin("PSYNC", no_replication)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
            .since("2.8.0")
            .complexity("O(1)")
            .summary("Is how a replica asks for the data.")
            .args(&[string("replicationid"), integer("offset")]),
        admin("SYNC", no_replication)
            .arity(1)
            .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
            .since("1.0.0")
            .complexity("O(1)")
            .summary("Is how a replica asked for the data before PSYNC."),
        admin("REPLCONF", no_replication)
            .arity(-1)
            .flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
            .since("3.0.0")
            .complexity("O(1)")
            .summary("Is how a replica introduces itself."),
        container("MODULE")
            .since("4.0.0")
            .complexity("Depends on subcommand.")
            .summary("Speaks about modules."),
        admin("MODULE|LIST", module_list)
            .arity(2)
            .flags(ADMIN | NOSCRIPT)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Lists the loaded modules: none.")
            .tips(&["nondeterministic_output_order"]),
        admin("MODULE|LOAD", no_modules)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Loads a module.")
            .args(&[string("path"), string("arg").optional().repeats()]),
        admin("MODULE|LOADEX", no_modules)
            .arity(-3)
            .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED)
            .since("7.0.0")
            .complexity("O(1)")
            .summary("Loads a module with settings.")
            .args(&[
                string("path"),
                block("configs", &[string("name"), string("value")])
                    .after("CONFIG")
                    .optional()
                    .repeats_token(),
                string("args").after("ARGS").optional().repeats(),
            ]),
        admin("MODULE|UNLOAD", no_modules)
            .arity(3)
            .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED)
            .since("4.0.0")
            .complexity("O(1)")
            .summary("Unloads a module.")
            .args(&[string("name")]),
        admin("MODULE|HELP", module_help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("5.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
    ],
};

/// What all commands that change the order of things among servers have in common.
const CHANGES: u32 = ADMIN | STALE | NO_ASYNC_LOADING;

const SLOT_RANGES: Arg = block("range", &[integer("start-slot"), integer("end-slot")]).repeats();

const MASTER: Arg = one_of(
    "args",
    &[
        block("host-port", &[string("host"), integer("port")]),
        block("no-one", &[token("NO"), token("ONE")]),
    ],
);

/// There are no libraries of functions, so emptying and listing them is quickly
/// done; whatever would need one is an unknown command.
const fn cluster(name: &'static str, arity: i16, flags: u32) -> Command {
    admin(name, no_cluster).arity(arity).flags(flags)
}

fn no_cluster(_: &mut Engine, _: SessionKey, _: Args, _: Reply) -> Done {
    Err(Error::Say("ERR This instance has cluster support disabled").into())
}

fn no_replication(_: &mut Engine, _: SessionKey, _: Args, _: Reply) -> Done {
    Err(NO_REPLICATION.into())
}

const NO_REPLICATION: Error = Error::Say("ERR Replication is not supported by this server");

/// The server is a master, and can be told to be one.
fn replicaof(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(0);
    if rest.take_word(b"NO") && rest.take_word(b"ONE") {
        return out.ok();
    }
    let port = crate::base::numbers::parse_i64(args.get(2));
    match port.is_some_and(|port| (0..=65535).contains(&port)) {
        true => Err(NO_REPLICATION.into()),
        false => Err(Error::Say("ERR Invalid master port").into()),
    }
}

fn failover(_: &mut Engine, _: SessionKey, args: Args, _: Reply) -> Done {
    let mut rest = args.after(0);
    if rest.left() == 1 && rest.take_word(b"ABORT") {
        return Err(Error::Say("ERR No failover in progress.").into());
    }
    while rest.left() > 0 {
        if rest.take_word(b"TO") {
            rest.bytes()?;
            rest.int()?;
        } else if rest.take_word(b"TIMEOUT") {
            if rest.int()? <= 0 {
                return Err(Error::Say("ERR FAILOVER timeout must be greater than 0").into());
            }
        } else if !rest.take_word(b"FORCE") {
            return Err(Error::Syntax.into());
        }
    }
    Err(Error::Say("ERR FAILOVER requires connected replicas.").into())
}

fn module_list(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.list(0).end()
}

fn no_modules(_: &mut Engine, _: SessionKey, _: Args, _: Reply) -> Done {
    Err(Error::Say("ERR Modules are not supported by this server").into())
}

fn module_help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help("MODULE", &["LIST", "    List the loaded modules: this server has none."])
}
