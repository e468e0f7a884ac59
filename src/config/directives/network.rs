//! Where the server listens, and what a connection may cost.

use super::{INT, LONG, SIZE, UINT};
use crate::config::directive::{Directive, Follow, Home, at, fixed, live};
use crate::config::kind::Kind;
use crate::config::value::Peers;

pub(super) const NETWORK: &[Directive] = &[
    live("port", Kind::Number(0, 65535), "6379", at!(port), "The TCP port; 0 means no TCP at all.")
        .then(Follow::Port),
    live(
        "bind",
        Kind::Addresses,
        "* -::*",
        at!(bind),
        "The addresses to listen on, at most sixteen; one behind a minus sign may be missing.",
    )
    .then(Follow::Bind),
    live(
        "bind-source-addr",
        Kind::Text,
        "",
        Home::Later("replication"),
        "The address from which connections to other servers are made.",
    ),
    fixed(
        "unixsocket",
        Kind::Text,
        "",
        at!(unixsocket),
        "The path of a Unix socket to listen on; none if empty.",
    ),
    fixed(
        "unixsocketperm",
        Kind::Octal(0o777),
        "0",
        at!(unixsocketperm),
        "The mode of the Unix socket, in octal; 0 leaves it to the umask.",
    ),
    live(
        "unixsocketgroup",
        Kind::Text,
        "",
        at!(unixsocketgroup),
        "The group that shall own the Unix socket.",
    )
    .then(Follow::SocketGroup),
    live(
        "protected-mode",
        Kind::Switch,
        "yes",
        at!(protected_mode),
        "While the default user has no password, serve only clients of this machine.",
    ),
    live(
        "protected-mode-serves",
        Kind::Choice(Peers::NAMES),
        "loopback",
        at!(protected_mode_serves),
        "Whom protected-mode serves: clients of this machine, or of private networks as well.",
    )
    .because("ours, since no peer has it; the container's entrypoint sets private, or no other container could connect"),
    fixed(
        "health-socket",
        Kind::Switch,
        "no",
        at!(health_socket),
        "Tell processes of this machine by an abstract Unix socket whether the server serves, and nothing \
         else: what `russet-server healthcheck` asks.",
    )
    .because("ours, since no peer has it; the container's entrypoint sets yes")
    .asked_by_name(),
    fixed(
        "tcp-backlog",
        Kind::Number(0, INT),
        "511",
        at!(tcp_backlog),
        "How many connections may wait to be accepted; the kernel has a limit of its own.",
    ),
    live(
        "tcp-keepalive",
        Kind::Number(0, INT),
        "300",
        at!(tcp_keepalive),
        "Seconds of silence after which a connection is probed; 0 never probes. A peer that neither answers \
         nor takes what is sent is given up after twice that time.",
    )
    .then(Follow::Clients),
    fixed(
        "io-threads",
        Kind::Number(1, 256),
        "1",
        at!(io_threads),
        "Threads that serve connections, the first one included. Each reads, writes and parses for its \
         own clients; commands run one at a time, on whichever thread has the dataset.",
    )
    .because("one, because it serves connections and dataset with no hand-over between them"),
    live(
        "busy-poll-us",
        Kind::Number(0, 1000),
        "0",
        at!(busy_poll_us),
        "Microseconds to go on looking for requests before sleeping: answers come sooner, where a \
         core is to spare. It stops by itself while that does not pay; 0 sleeps at once.",
    )
    .then(Follow::BusyPoll)
    .because("ours, since no peer has it; 0, because an idle server should cost nothing"),
    fixed(
        "mptcp",
        Kind::Switch,
        "no",
        at!(mptcp),
        "Listen with multipath TCP where the kernel has it.",
    )
    .hidden(),
    fixed(
        "socket-mark-id",
        Kind::Number(0, UINT),
        "0",
        at!(socket_mark_id),
        "A mark for the packets of listening sockets and of their connections, for the system's filters; 0 \
         means none. It needs the right to administer the network.",
    ),
    live(
        "max-new-connections-per-cycle",
        Kind::Number(1, 1000),
        "10",
        at!(max_new_connections_per_cycle),
        "New connections to accept before clients that are connected get their turn.",
    ),
    live(
        "max-new-tls-connections-per-cycle",
        Kind::Number(1, 1000),
        "1",
        at!(max_new_tls_connections_per_cycle),
        "New TLS connections to accept before clients that are connected get their turn.",
    ),
    live(
        "prefetch-batch-max-size",
        Kind::Number(0, 128),
        "16",
        Home::Idle("a batch is whatever one read of the socket brought"),
        "Commands whose keys are fetched into the cache together.",
    ),
    live(
        "lookahead",
        Kind::Number(1, INT),
        "16",
        Home::Idle("a batch is whatever one read of the socket brought"),
        "Pipelined commands to parse ahead.",
    ),
    live(
        "rdma-bind",
        Kind::Addresses,
        "",
        Home::Later("RDMA"),
        "The addresses to listen on by RDMA.",
    ),
    live(
        "rdma-port",
        Kind::Number(0, 65535),
        "0",
        Home::Later("RDMA"),
        "The RDMA port; 0 means none.",
    ),
    fixed(
        "rdma-rx-size",
        Kind::Number(65536, 16777216),
        "1048576",
        Home::Later("RDMA"),
        "The receive buffer of an RDMA connection, in bytes.",
    )
    .hidden(),
    fixed(
        "rdma-completion-vector",
        Kind::Number(-1, 1024),
        "-1",
        Home::Later("RDMA"),
        "The completion vector of RDMA connections; -1 takes any.",
    )
    .hidden(),
];

pub(super) const CLIENTS: &[Directive] = &[
    live(
        "maxclients",
        Kind::Number(1, UINT),
        "10000",
        at!(maxclients),
        "How many clients may be connected at once.",
    )
    .then(Follow::MaxClients),
    live(
        "timeout",
        Kind::Number(0, INT),
        "0",
        at!(timeout),
        "Seconds after which an idle client is disconnected; 0 means never.",
    )
    .then(Follow::Clients),
    live(
        "unauthenticated-timeout",
        Kind::Number(0, INT),
        "10",
        at!(unauthenticated_timeout),
        "Seconds that a client has to log in, where a password is needed; 0 means any time.",
    )
    .because("ours, since no peer has it: who does not log in has no business here"),
    live(
        "unauthenticated-per-address",
        Kind::Number(0, INT),
        "1000",
        at!(unauthenticated_per_address),
        "How many clients of one address may be connected that have not logged in, where a password is \
         needed; 0 means any number.",
    )
    .because("ours, since no peer has it: nobody shall take all places who may do nothing with them"),
    live(
        "client-output-buffer-limit",
        Kind::OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        at!(client_output_buffer_limit),
        "For a class of clients: the bytes of unsent output at which a client is disconnected at \
         once, and those it may exceed for so many seconds.",
    )
    .then(Follow::OutputLimits),
    live(
        "client-query-buffer-limit",
        Kind::Memory(1 << 20, SIZE),
        "1073741824",
        at!(client_query_buffer_limit),
        "Bytes of a request that may be pending before its client is disconnected.",
    )
    .then(Follow::Clients),
    live(
        "proto-max-bulk-len",
        Kind::Memory(1 << 20, SIZE),
        "536870912",
        at!(proto_max_bulk_len),
        "The largest single argument, and the largest string.",
    ),
    live(
        "maxmemory-clients",
        Kind::MemoryOrPercent,
        "0",
        at!(maxmemory_clients),
        "What all clients together may take, in bytes or in percent of maxmemory, before the largest are \
         disconnected; 0 means no limit. Even then, what clients have not read is bounded: docs/clients.md.",
    )
    .then(Follow::Clients),
    live(
        "tracking-table-max-keys",
        Kind::Number(0, LONG),
        "1000000",
        at!(tracking_table_max_keys),
        "Keys remembered for client-side caching before some are invalidated; 0 means no bound.",
    ),
];
