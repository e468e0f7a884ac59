//! Listening sockets: TCP on several addresses, with TLS or without, and a Unix socket.

use super::crew::{Client, Crew, Stream};
use super::host::Clock;
use super::tls::Tls;
use crate::config::{Config, Peers};
use crate::engine::{Engine, Peer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;

const DENIED: &str = "-DENIED Russet is running in protected mode because protected mode is \
enabled and no password is set for the default user. In this mode connections are only accepted \
from the loopback interface. If you want to connect from external computers you may adopt one of \
the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET \
protected-mode no' from the loopback interface by connecting from the same host the server is \
running, however MAKE SURE it is not publicly accessible from internet if you do so. Use CONFIG \
REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode \
by editing the configuration file, and setting the protected mode option to 'no', and then \
restarting the server. 3) If you started the server manually just for testing, restart it with \
the '--protected-mode no' option. 4) Set up an authentication password for the default user. \
NOTE: You only need to do one of the above things in order for the server to start accepting \
connections from the outside.\r\n";
const DENIED_BUT_PRIVATE: &str = "-DENIED Russet is running in protected mode and no password is set for the \
default user. In this mode connections are only accepted from the loopback interface and from private \
networks, which your address is not part of. Set a password (in a container REDIS_PASSWORD or \
REDIS_PASSWORD_FILE, else requirepass), or, if everybody who can reach this port may use the server, set \
protected-mode to no.\r\n";
const STRANGERS: &[u8] =
    b"-ERR too many clients of this address have not logged in: see unauthenticated-per-address\r\n";
/// Probes that a silent peer may leave unanswered.
const PROBES: u32 = 3;
const FULL: &[u8] = b"-ERR max number of clients reached\r\n";

/// A socket that listens, what its clients speak, and until when.
pub struct Listener {
    pub socket: std::net::TcpListener,
    pub tls: bool,
    /// The other end is dropped when nobody is to be accepted any more.
    pub over: oneshot::Receiver<()>,
}

/// What the log calls listeners of that kind.
pub fn kind(tls: bool) -> &'static str {
    if tls { "tls" } else { "tcp" }
}

/// Opens a port on an address as `bind` names it; none if this machine has no such address and that is no mistake.
pub fn open_tcp(
    name: &str,
    port: u16,
    config: &Config,
) -> io::Result<Option<std::net::TcpListener>> {
    // A leading minus: no harm if this machine does not have the address.
    let (name, optional) = match name.strip_prefix('-') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let host = match name {
        "*" => "0.0.0.0",
        "::*" => "::",
        name => name,
    };
    match resolve(host, port).and_then(|addr| open_one(addr, config)) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if optional && may_be_missing(&error, optional) => Ok(None),
        Err(error) => {
            tracing::warn!(
                "Warning: Could not create server TCP listening socket {name}:{port}: {error}"
            );
            if may_be_missing(&error, optional) { Ok(None) } else { Err(error) }
        }
    }
}

/// A Unix socket that has its mode, but not its name yet, so that there is no moment at which others may connect.
/// It is gone if it never gets its name.
pub struct UnixSocket {
    socket: Socket,
    hidden: String,
    path: String,
}

impl UnixSocket {
    /// Opens it, if there is to be one.
    pub fn open(config: &Config) -> io::Result<Option<UnixSocket>> {
        use std::os::unix::fs::PermissionsExt;
        if config.unixsocket.is_empty() {
            return Ok(None);
        }
        let path = config.unixsocket.clone();
        // Clients have to name it.
        socket2::SockAddr::unix(&path)?;
        let (folder, name) = folder_and_name(&path);
        let name: String = name.chars().take(HIDDEN_CHARS).collect();
        let hidden = format!("{folder}/{name}.{}", std::process::id());
        let _ = std::fs::remove_file(&hidden);
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        bind_unix(&socket, &hidden)?;
        let open = UnixSocket { socket, hidden, path };
        if config.unixsocketperm != 0 {
            let mode = std::fs::Permissions::from_mode(config.unixsocketperm);
            std::fs::set_permissions(&open.hidden, mode)?;
        }
        if !config.unixsocketgroup.is_empty() {
            give_to_group(&open.hidden, &config.unixsocketgroup)?;
        }
        open.socket.listen(config.tcp_backlog as i32)?;
        open.socket.set_nonblocking(true)?;
        Ok(Some(open))
    }

    /// From here on clients find it, and no longer the one of whoever had the name before.
    pub fn show(self) -> io::Result<std::os::unix::net::UnixListener> {
        let socket = self.socket.try_clone()?;
        std::fs::rename(&self.hidden, &self.path)?;
        Ok(socket.into())
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.hidden);
    }
}

/// So much of a name is part of the hidden one, which must be short.
const HIDDEN_CHARS: usize = 16;

/// The hidden path may be longer than the kernel takes, though the real one is not. Then the folder is named by a
/// descriptor.
fn bind_unix(socket: &Socket, path: &str) -> io::Result<()> {
    if let Ok(address) = socket2::SockAddr::unix(path) {
        return socket.bind(&address);
    }
    let (folder, name) = folder_and_name(path);
    let folder = std::fs::File::open(format!("{folder}/"))?;
    let short = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    socket.bind(&socket2::SockAddr::unix(short)?)
}

fn folder_and_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

/// Lets a group, by its name or number, use the socket at this path.
pub fn give_to_group(path: &str, group: &str) -> io::Result<()> {
    // A small container has no such file, and a number needs none.
    let groups = std::fs::read("/etc/group").unwrap_or_default();
    let gid = String::from_utf8_lossy(&groups).lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse::<u32>().ok())?
    });
    let gid = gid.or_else(|| group.parse().ok());
    let Some(gid) = gid else {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no group {group}")));
    };
    std::os::unix::fs::chown(path, None, Some(gid))
}

/// Accepts clients until the other end of `over` is dropped. A client that was accepted by then is
/// welcomed all the same. With `tls` that is what they must speak.
pub async fn accept_tcp(
    listener: std::net::TcpListener,
    tls: Option<Tls>,
    crew: Rc<Crew>,
    mut over: oneshot::Receiver<()>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!("Cannot listen: {error}"),
    };
    let mut pace = Pace::default();
    let mut spare = Spare::kept();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut over => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, addr)) => {
                let most = welcome_tcp(stream, addr, tls.as_ref(), &crew).await;
                pace.keep(most).await;
            }
            Err(error) => {
                let hears = tls.is_none();
                spare.not_accepted(&listener, error, hears, &crew).await
            }
        }
    }
}

pub async fn accept_unix(listener: std::os::unix::net::UnixListener, path: String, crew: Rc<Crew>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!("Cannot listen: {error}"),
    };
    let mut pace = Pace::default();
    let mut spare = Spare::kept();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let most = welcome_unix(stream, &path, &crew).await;
                pace.keep(most).await;
            }
            Err(error) => spare.not_accepted(&listener, error, true, &crew).await,
        }
    }
}

/// Lets those who are connected have their turn after so many who come.
#[derive(Default)]
struct Pace {
    came: u32,
}

impl Pace {
    async fn keep(&mut self, most: u32) {
        self.came += 1;
        if self.came >= most {
            self.came = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// A file descriptor that is kept for when there are no others: then who knocks can be told so, and does not
/// wait at a door that nobody opens.
struct Spare {
    file: Option<std::fs::File>,
    clock: Clock,
    /// When it was last said that there are none.
    told_us: Option<u64>,
}

impl Spare {
    fn kept() -> Spare {
        Spare { file: std::fs::File::open("/dev/null").ok(), clock: Clock::start(), told_us: None }
    }

    /// Nobody could be accepted. Who speaks TLS `hears` nothing before the handshake.
    async fn not_accepted(
        &mut self,
        listener: &impl AsRawFd,
        error: io::Error,
        hears: bool,
        crew: &Crew,
    ) {
        let is_full = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
        if !is_full && is_of_one_client(&error) {
            return;
        }
        let now_us = self.clock.mono_us();
        if self.told_us.is_none_or(|told_us| now_us.saturating_sub(told_us) >= 1_000_000) {
            tracing::warn!("Accepting client connection: {error}");
            self.told_us = Some(now_us);
        }
        if is_full && self.file.take().is_some() {
            let refused = refuse_one(listener.as_raw_fd(), hears);
            self.file = std::fs::File::open("/dev/null").ok();
            if refused {
                crew.door().soon(|engine, _| engine.stats.rejected_connections += 1);
                return tokio::task::yield_now().await;
            }
        }
        // Trying again at once would only burn the processor.
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.file.is_none() {
            self.file = std::fs::File::open("/dev/null").ok();
        }
    }
}

/// Descriptors that are none of clients: the log, snapshots, listeners, and what the runtime of each thread waits
/// with, which are four.
pub fn own_files(threads: usize) -> u64 {
    32 + 4 * threads as u64
}

/// Makes room for so many clients beside our own files; says for how many there is.
pub fn raise_file_limit(clients: u32, own_files: u64) -> u64 {
    let wanted = clients as u64 + own_files;
    #[expect(unsafe_code, reason = "rlimit calls fill and read a struct of two numbers")]
    // SAFETY: the struct is valid for reads and writes during the calls.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return clients as u64;
        }
        if limit.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
            // Root may raise the hard limit too; others get as much as it allows.
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) != 0 {
                let most = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
                libc::setrlimit(libc::RLIMIT_NOFILE, &most);
            }
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        }
        limit.rlim_cur.saturating_sub(own_files)
    }
}

fn open_one(addr: SocketAddr, config: &Config) -> io::Result<std::net::TcpListener> {
    let domain = if addr.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = new_socket(domain, config.mptcp)?;
    if config.socket_mark_id > 0
        && let Err(error) = socket.set_mark(config.socket_mark_id)
    {
        tracing::warn!("Cannot mark a listening socket (socket-mark-id): {error}");
    }
    if addr.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(config.tcp_backlog as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// With multipath TCP where it is wanted and the kernel has it.
fn new_socket(domain: Domain, multipath: bool) -> io::Result<Socket> {
    if multipath {
        match Socket::new(domain, Type::STREAM, Some(Protocol::MPTCP)) {
            Ok(socket) => return Ok(socket),
            Err(error) => tracing::warn!("No multipath TCP here, so plain TCP it is: {error}"),
        }
    }
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
}

/// The first address of that name. A link-local one comes with its scope.
fn resolve(name: &str, port: u16) -> io::Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let found = (name, port).to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no address"))
}

/// Is it no mistake that the machine does not have the address? Where there is no IPv6 at all nobody can come by it,
/// whatever the configuration says.
fn may_be_missing(error: &io::Error, optional: bool) -> bool {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => optional,
        Some(
            libc::EAFNOSUPPORT
            | libc::EPFNOSUPPORT
            | libc::EPROTONOSUPPORT
            | libc::ESOCKTNOSUPPORT
            | libc::ENOPROTOOPT,
        ) => true,
        _ => false,
    }
}

/// Says how many may come before others get their turn.
async fn welcome_tcp(stream: TcpStream, addr: SocketAddr, tls: Option<&Tls>, crew: &Crew) -> u32 {
    let local = stream.local_addr().ok();
    // An IPv4 address that came in through IPv6 is still an IPv4 address.
    let ip = addr.ip().to_canonical();
    let peer = Peer {
        addr: addr.to_string(),
        laddr: local.map_or_else(String::new, |local| local.to_string()),
        ip: Some(ip),
        fd: stream.as_raw_fd(),
        unix: false,
        loopback: ip.is_loopback(),
    };
    let _ = SockRef::from(&stream).set_tcp_nodelay(true);
    let stream = match tls.map(Tls::server_config) {
        None => Stream::Tcp(stream),
        Some(Some(config)) => Stream::Tls(stream, config),
        // TLS was switched off while the client came.
        Some(None) => return 1,
    };
    welcome(stream, peer, crew).await
}

async fn welcome_unix(stream: UnixStream, path: &str, crew: &Crew) -> u32 {
    let peer = Peer {
        addr: format!("{path}:0"),
        laddr: format!("{path}:0"),
        ip: None,
        fd: stream.as_raw_fd(),
        unix: true,
        loopback: true,
    };
    welcome(Stream::Unix(stream), peer, crew).await
}

/// Opens a session and gives the client to a thread; or tells the client why not.
async fn welcome(stream: Stream, peer: Peer, crew: &Crew) -> u32 {
    let berth = crew.berth();
    let thread = berth.thread();
    let is_tls = matches!(stream, Stream::Tls(..));
    let refusal = move |engine: &mut Engine, peer: &Peer| match is_tls {
        // Whether the machine of such a client is trusted it hears behind the handshake.
        true => full(engine, peer),
        false => full(engine, peer).or_else(|| denial(engine, peer)),
    };
    let connect = move |engine: &mut Engine, now| {
        let connected = match refusal(engine, &peer) {
            Some(refusal) => Err(refusal),
            None => {
                let who = engine.connect(peer, now);
                let session = &mut engine.sessions[who];
                session.thread = thread;
                Ok((who, session.mailbox.clone()))
            }
        };
        let config = &engine.config;
        let most = match is_tls {
            true => config.max_new_tls_connections_per_cycle,
            false => config.max_new_connections_per_cycle,
        };
        (connected, config.tcp_keepalive, most)
    };
    let (connected, keepalive, most) = crew.door().enter(connect).await;
    match connected {
        Ok((who, mailbox)) => {
            if let Stream::Tcp(stream) | Stream::Tls(stream, _) = &stream {
                keep_alive(&SockRef::from(stream), keepalive);
            }
            crew.give(berth, Client { stream, who, mailbox });
        }
        Err(refusal) => stream.try_write(refusal),
    }
    most
}

/// What to tell a client that is one too many, of all or of those who come from its address.
fn full(engine: &mut Engine, peer: &Peer) -> Option<&'static [u8]> {
    let refused = if engine.sessions.len() >= engine.config.maxclients as usize {
        FULL
    } else if engine.has_too_many_strangers(peer.ip) {
        STRANGERS
    } else {
        return None;
    };
    engine.stats.rejected_connections += 1;
    Some(refused)
}

/// What to tell a client from elsewhere, while anybody could come.
pub fn denial(engine: &mut Engine, peer: &Peer) -> Option<&'static [u8]> {
    let config = &engine.config;
    let serves_private = config.protected_mode_serves == Peers::Private;
    let is_near = peer.loopback || (serves_private && peer.ip.is_some_and(is_private));
    if !config.protected_mode || !engine.acl.is_open() || is_near {
        return None;
    }
    engine.stats.rejected_connections += 1;
    Some(if serves_private { DENIED_BUT_PRIVATE.as_bytes() } else { DENIED.as_bytes() })
}

/// Addresses that no route of the internet leads to, as other containers and their host have. Those that
/// providers share among customers (100.64.0.0/10) are not among them.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

/// The connection broke before it was accepted, which says nothing of the next one.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Accepts a client with the descriptor that was kept for this, to tell it that there is no room.
fn refuse_one(listener: RawFd, hears: bool) -> bool {
    #[expect(unsafe_code, reason = "std accepts only through listeners of its own types")]
    // SAFETY: the listener is open as long as its owner, who calls this; no address is asked for. What comes of
    // accept4 is a new descriptor that nobody else owns.
    let client = unsafe {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        match libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), flags) {
            -1 => return false,
            descriptor => Socket::from_raw_fd(descriptor),
        }
    };
    if hears {
        let _ = client.send(FULL);
    }
    true
}

/// The kernel asks a silent peer whether it is there, and gives it up if it does not answer. It asks nothing while
/// data waits to be taken, for which it would have a quarter of an hour of patience; the same time must do then.
fn keep_alive(socket: &SockRef, seconds: u32) {
    if seconds == 0 {
        return;
    }
    let interval = (seconds / 3).max(1);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(seconds as u64))
        .with_interval(Duration::from_secs(interval as u64))
        .with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&probes);
    let patience = seconds as u64 + PROBES as u64 * interval as u64;
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(patience)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_addresses_that_a_machine_does_not_have_are_passed_over() {
        for (error, mandatory, optional) in [
            (libc::EAFNOSUPPORT, true, true),
            (libc::EPROTONOSUPPORT, true, true),
            (libc::EADDRNOTAVAIL, false, true),
            (libc::EADDRINUSE, false, false),
            (libc::EINVAL, false, false),
        ] {
            let error = io::Error::from_raw_os_error(error);
            assert_eq!(may_be_missing(&error, false), mandatory, "{error}");
            assert_eq!(may_be_missing(&error, true), optional, "{error}");
        }
    }

    #[test]
    fn a_link_local_address_keeps_its_scope() {
        let addr = resolve("fe80::1%lo", 6379).unwrap();
        assert!(matches!(addr, SocketAddr::V6(it) if it.scope_id() == 1), "{addr}");
        assert_eq!(resolve("127.0.0.1", 6379).unwrap(), "127.0.0.1:6379".parse().unwrap());
    }

    #[test]
    fn private_networks_are_known() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.17.0.1", true),
            ("172.32.0.1", false),
            ("192.168.65.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("::ffff:192.168.0.1", true),
            ("::ffff:8.8.8.8", false),
        ] {
            let ip: IpAddr = address.parse().expect("an address");
            assert_eq!(is_private(ip.to_canonical()), expected, "{address}");
        }
    }
}
