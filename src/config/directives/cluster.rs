//! Many servers as one.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{INT, LONG};
use crate::config::directive::{Directive, Follow, Home, fixed, live};
use crate::config::kind::{Kind, Reason};
use crate::config::value::Value;

const NEEDS: Home = Home::Later("cluster mode");

pub(super) const CLUSTER: &[Directive] = &[
    fixed("cluster-enabled", Kind::Switch, "no", NEEDS, "Be a node of a cluster."),
    fixed(
        "cluster-config-file",
        Kind::Text,
        "nodes.conf",
        NEEDS,
        "Where the node remembers the others; not to be edited.",
    ),
    live(
        "cluster-config-save-behavior",
        Kind::Choice(&["sync", "best-effort"]),
        "sync",
        NEEDS,
        "Whether a node stops when it cannot write that file.",
    ),
    fixed(
        "cluster-databases",
        Kind::Number(1, INT),
        "1",
        NEEDS,
        "How many databases a cluster has.",
    )
    .hidden(),
    fixed(
        "cluster-port",
        Kind::Number(0, 65535),
        "0",
        NEEDS,
        "The port of the bus; 0 means the client port plus 10000.",
    ),
    live(
        "cluster-node-timeout",
        Kind::Number(0, LONG),
        "15000",
        NEEDS,
        "Milliseconds after which a silent node is suspected.",
    ),
    live(
        "cluster-replica-validity-factor",
        Kind::Number(0, INT),
        "10",
        NEEDS,
        "How many such times a replica may have been cut off and still be promoted.",
    )
    .aka(&["cluster-slave-validity-factor"]),
    live("cluster-replica-no-failover", Kind::Switch, "no", NEEDS, "Never promote this replica.")
        .aka(&["cluster-slave-no-failover"])
        .then(Follow::ClusterAnnounce),
    live(
        "cluster-migration-barrier",
        Kind::Number(0, INT),
        "1",
        NEEDS,
        "Replicas a primary keeps before it lends one to an orphan.",
    ),
    live(
        "cluster-allow-replica-migration",
        Kind::Switch,
        "yes",
        NEEDS,
        "Let replicas move to primaries that have none.",
    ),
    live(
        "cluster-require-full-coverage",
        Kind::Switch,
        "yes",
        NEEDS,
        "Serve nothing unless every slot has an owner.",
    ),
    live(
        "cluster-allow-reads-when-down",
        Kind::Switch,
        "no",
        NEEDS,
        "Serve reads while the cluster is down.",
    ),
    live(
        "cluster-allow-pubsubshard-when-down",
        Kind::Switch,
        "yes",
        NEEDS,
        "Serve sharded channels while the cluster is down.",
    ),
    live(
        "cluster-link-sendbuf-limit",
        Kind::Memory(0, u64::MAX),
        "0",
        NEEDS,
        "Bytes that may wait for another node before the link is closed; 0 means no limit.",
    ),
    live(
        "cluster-blacklist-ttl",
        Kind::Number(0, LONG),
        "60",
        NEEDS,
        "Seconds for which a forgotten node stays forgotten.",
    ),
    live(
        "cluster-manual-failover-timeout",
        Kind::Number(1, INT),
        "5000",
        NEEDS,
        "Milliseconds a failover on request may take.",
    ),
    live(
        "cluster-slot-migration-log-max-len",
        Kind::Number(0, LONG),
        "1000",
        NEEDS,
        "Finished migrations of slots to remember.",
    ),
    live(
        "slot-migration-max-failover-repl-bytes",
        Kind::SignedMemory(-1),
        "0",
        NEEDS,
        "Unsent bytes at which a slot may change hands; -1 means any number.",
    ),
    live(
        "cluster-slot-stats-enabled",
        Kind::Switch,
        "no",
        NEEDS,
        "Count traffic and time by slot.",
    ),
    live(
        "cluster-compatibility-sample-ratio",
        Kind::Number(0, 100),
        "0",
        NEEDS,
        "The share of commands checked for whether a cluster could run them.",
    ),
    live(
        "cluster-preferred-endpoint-type",
        Kind::Choice(&["ip", "hostname", "unknown-endpoint"]),
        "ip",
        NEEDS,
        "What clients are redirected to.",
    ),
    announced("cluster-announce-ip", Kind::Text, "", "The address to announce."),
    announced(
        "cluster-announce-client-ipv4",
        Kind::Text,
        "",
        "The IPv4 address to announce to clients.",
    )
    .check(ipv4),
    announced(
        "cluster-announce-client-ipv6",
        Kind::Text,
        "",
        "The IPv6 address to announce to clients.",
    )
    .check(ipv6),
    announced("cluster-announce-hostname", Kind::Text, "", "The host name to announce.")
        .check(hostname),
    announced("cluster-announce-human-nodename", Kind::Text, "", "A name of this node for people.")
        .check(nodename),
    announced(
        "cluster-announce-port",
        Kind::Number(0, 65535),
        "0",
        "The port to announce; 0 means the real one.",
    ),
    announced(
        "cluster-announce-tls-port",
        Kind::Number(0, 65535),
        "0",
        "The TLS port to announce; 0 means the real one.",
    ),
    announced(
        "cluster-announce-bus-port",
        Kind::Number(0, 65535),
        "0",
        "The bus port to announce; 0 means the real one.",
    ),
    announced(
        "cluster-announce-client-port",
        Kind::Number(0, 65535),
        "0",
        "The port to announce to clients; 0 means the real one.",
    ),
    announced(
        "cluster-announce-client-tls-port",
        Kind::Number(0, 65535),
        "0",
        "The TLS port to announce to clients; 0 means the real one.",
    ),
];

const fn announced(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    summary: &'static str,
) -> Directive {
    live(name, kind, default, NEEDS, summary).then(Follow::ClusterAnnounce)
}

fn hostname(value: &Value) -> Result<(), Reason> {
    let Value::Text(text) = value else { return Ok(()) };
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte)) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(())
}

/// The name stands in a file where these characters separate things.
fn nodename(value: &Value) -> Result<(), Reason> {
    let Value::Text(text) = value else { return Ok(()) };
    let separates = |byte: &u8| b"!#$%&()*+:;<>?@[]^{|}~ \t\r\n,=\"'\\".contains(byte);
    if text.iter().any(separates) {
        return Err("Announced human node name contained invalid character".into());
    }
    Ok(())
}

fn ipv4(value: &Value) -> Result<(), Reason> {
    match empty_or::<Ipv4Addr>(value) {
        true => Ok(()),
        false => Err("Invalid IPv4 address".into()),
    }
}

fn ipv6(value: &Value) -> Result<(), Reason> {
    match empty_or::<Ipv6Addr>(value) {
        true => Ok(()),
        false => Err("Invalid IPv6 address".into()),
    }
}

fn empty_or<T: FromStr>(value: &Value) -> bool {
    let Value::Text(text) = value else { return true };
    text.is_empty() || std::str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}
