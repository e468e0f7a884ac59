//! Tasks that commands left to the shell: payloads of large values are made on another thread, and keys are taken to
//! other servers (MIGRATE) over connections that are kept for the next ones.

use super::door::Door;
use super::tls::Tls;
use crate::engine::Engine;
use crate::engine::tasks::{
    Credentials, Failure, Migrated, Migration, Moving, Outcome, Task, Ticket, Work,
};
use crate::rdb::write;
use crate::resp::request;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// So many connections are kept at the most, and none that was not used for so long; as the peers have it.
const KEPT_MAX: usize = 64;
const KEPT_FOR: Duration = Duration::from_secs(10);
/// No answer is longer that is of any interest.
const ANSWER_MAX: u64 = 64 << 10;

/// Where a connection goes, and as whom: nobody sends keys with a login that another one gave.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Address {
    host: Vec<u8>,
    port: u16,
    credentials: Option<Credentials>,
}

type Connections = HashMap<Address, Connection>;

/// Those that are kept, and whoever waits for one to be.
#[derive(Clone, Default)]
struct Kept {
    connections: Rc<RefCell<Connections>>,
    filled: Rc<Notify>,
}

/// With whose certificate TLS is spoken, and who is believed.
type Secured = Option<Arc<ClientConfig>>;

/// What can be talked over: a socket, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// What TLS began with, if it is spoken.
    secured: Secured,
    /// The database that was selected last.
    db: Option<i64>,
    used: Instant,
}

impl Connection {
    /// Would one that is opened now be like this one? Who was believed once may not be any more.
    fn is_still_right(&self, migration: &Migration, secured: &Secured) -> bool {
        match (&self.secured, secured) {
            (None, None) => !migration.tls,
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            _ => false,
        }
    }
}

/// Does tasks for ever.
pub async fn attend(door: Door, tls: Tls) {
    let kept = Kept::default();
    tokio::task::spawn_local(drop_unused(door.clone(), kept.clone()));
    loop {
        door.task_placed().await;
        for task in door.enter(|engine, _| engine.tasks.take_placed()).await {
            tokio::task::spawn_local(do_task(door.clone(), kept.clone(), tls.clone(), task));
        }
    }
}

async fn do_task(door: Door, kept: Kept, tls: Tls, task: Task) {
    let (ticket, work) = task.split();
    match work {
        Work::Dump(frozen, options) => {
            let make = move || {
                let payload = write::dump(frozen.view(), options);
                drop(frozen);
                super::tally::publish();
                payload
            };
            if let Ok(payload) = tokio::task::spawn_blocking(make).await {
                finish(&door, ticket, Outcome::Dumped(payload), None).await;
            }
        }
        Work::Migrate(migration) => {
            let migrated = migrate(&kept, &tls, migration).await;
            let cached = kept.connections.borrow().len();
            finish(&door, ticket, Outcome::Migrated(migrated), Some(cached)).await;
        }
    }
}

async fn finish(door: &Door, ticket: Ticket, outcome: Outcome, cached: Option<usize>) {
    let finish = move |engine: &mut Engine, now| {
        if let Some(cached) = cached {
            engine.tasks.cached_sockets = cached;
        }
        engine.task_done(ticket, outcome, now);
    };
    door.between_units(finish).await;
}

/// Closes connections that were not used for a while.
async fn drop_unused(door: Door, kept: Kept) {
    loop {
        let before = kept.connections.borrow().len();
        if before == 0 {
            kept.filled.notified().await;
            continue;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        kept.connections.borrow_mut().retain(|_, connection| connection.used.elapsed() < KEPT_FOR);
        let now = kept.connections.borrow().len();
        if now != before {
            door.enter(move |engine, _| engine.tasks.cached_sockets = now).await;
        }
    }
}

async fn migrate(kept: &Kept, tls: &Tls, migration: Migration) -> Migrated {
    let mut migrated = Migrated {
        taken: Vec::with_capacity(migration.keys.len()),
        refusal: None,
        failure: None,
        rounds: migration.rounds,
        keys: Vec::new(),
    };
    let address = Address {
        host: migration.host.clone(),
        port: migration.port,
        credentials: migration.credentials.clone(),
    };
    let limit = Duration::from_millis(migration.timeout_ms);
    let secured = if migration.tls { tls.client_config() } else { None };
    let known = kept.connections.borrow_mut().remove(&address);
    let mut known = known.filter(|known| known.is_still_right(&migration, &secured));
    // A connection that was kept may have ended meanwhile: another one is tried, if nothing has happened yet.
    loop {
        let was_kept = known.is_some();
        let connection = match known.take() {
            Some(connection) => Some(connection),
            None => connect(&migration, &secured, limit).await,
        };
        let Some(mut connection) = connection else {
            migrated.failure = Some(Failure::Connecting);
            break;
        };
        match exchange(&mut connection, &migration, limit, &mut migrated).await {
            Err((_, false))
                if was_kept && migrated.taken.is_empty() && migrated.refusal.is_none() => {}
            Err((failure, _)) => {
                migrated.failure = Some(failure);
                break;
            }
            Ok(Is::Open) => {
                keep(kept, address, connection);
                break;
            }
            // It may still be logged in, with a password that is none any more.
            Ok(Is::Refused) => break,
        }
    }
    migrated.keys = migration.keys;
    migrated
}

fn keep(kept: &Kept, address: Address, mut connection: Connection) {
    let mut all = kept.connections.borrow_mut();
    if all.len() >= KEPT_MAX {
        let oldest = all.iter().min_by_key(|(_, other)| other.used).map(|(key, _)| key.clone());
        oldest.and_then(|oldest| all.remove(&oldest));
    }
    connection.used = Instant::now();
    all.insert(address, connection);
    kept.filled.notify_one();
}

async fn connect(migration: &Migration, secured: &Secured, limit: Duration) -> Option<Connection> {
    match tokio::time::timeout(limit, open(migration, secured)).await {
        Ok(Ok(stream)) => Some(Connection {
            stream: BufReader::new(stream),
            secured: secured.clone(),
            db: None,
            used: Instant::now(),
        }),
        Ok(Err(why)) => {
            let host = String::from_utf8_lossy(&migration.host);
            tracing::debug!("MIGRATE has no connection to {host}:{}: {why}", migration.port);
            None
        }
        Err(_) => None,
    }
}

async fn open(migration: &Migration, secured: &Secured) -> io::Result<Box<dyn Stream>> {
    let host = std::str::from_utf8(&migration.host).map_err(io::Error::other)?;
    let socket = TcpStream::connect((host, migration.port)).await?;
    socket.set_nodelay(true)?;
    if !migration.tls {
        return Ok(Box::new(socket));
    }
    let nobody = "there is nobody who could vouch for it (tls-ca-cert-file)";
    let config = secured.clone().ok_or_else(|| io::Error::other(nobody))?;
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, socket).await?))
}

/// How the other side takes us.
enum Is {
    Open,
    /// Not as this user, or not into this database.
    Refused,
}

/// Sends all and reads all answers. What went wrong, and whether because of time.
async fn exchange(
    connection: &mut Connection,
    migration: &Migration,
    limit: Duration,
    migrated: &mut Migrated,
) -> Result<Is, (Failure, bool)> {
    if let Some(refusal) = enter(connection, migration, limit).await? {
        migrated.refusal = Some(refusal);
        return Ok(Is::Refused);
    }
    let mut line = Vec::new();
    for moving in &migration.keys {
        put(moving, migration.replace, &mut line);
        if line.len() >= SENT_BYTES {
            send(connection, &mut line, limit).await?;
        }
    }
    send(connection, &mut line, limit).await?;

    for _ in &migration.keys {
        let refusal = answer(connection, limit).await?;
        migrated.taken.push(refusal.is_none());
        migrated.refusal = migrated.refusal.take().or(refusal);
    }
    if migrated.refusal.is_some() {
        // Whatever the connection is in now, the next one shall not rely on it.
        connection.db = None;
    }
    Ok(Is::Open)
}

/// Logs in and selects the database, where that is not done yet; says why not. Keys are sent when it has succeeded,
/// or they would be written by somebody else, or to another place.
async fn enter(
    connection: &mut Connection,
    migration: &Migration,
    limit: Duration,
) -> Result<Option<Vec<u8>>, (Failure, bool)> {
    let mut line = Vec::new();
    if let Some(Credentials { user, password }) = &migration.credentials {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(user.as_deref());
        words.push(password);
        request(&words, &mut line);
    }
    let selects = connection.db != Some(migration.db);
    if selects {
        request(&[b"SELECT".as_slice(), migration.db.to_string().as_bytes()], &mut line);
    }
    if line.is_empty() {
        return Ok(None);
    }
    send(connection, &mut line, limit).await?;
    let mut refused = None;
    if migration.credentials.is_some() {
        refused = answer(connection, limit).await?;
    }
    if selects {
        refused = refused.or(answer(connection, limit).await?);
        connection.db = refused.is_none().then_some(migration.db);
    }
    Ok(refused)
}

/// More than this is not gathered before it is sent.
const SENT_BYTES: usize = 64 << 10;

fn put(moving: &Moving, replace: bool, out: &mut Vec<u8>) {
    let Some(copy) = &moving.copy else { return request(&[b"DEL".as_slice(), &moving.key], out) };
    // An absolute time would be wrong where the clock is another.
    let ttl = copy.ttl_ms.to_string();
    let mut words: Vec<&[u8]> = vec![b"RESTORE", &moving.key, ttl.as_bytes(), &copy.state.payload];
    if replace {
        words.push(b"REPLACE");
    }
    request(&words, out);
}

async fn send(
    connection: &mut Connection,
    bytes: &mut Vec<u8>,
    limit: Duration,
) -> Result<(), (Failure, bool)> {
    for part in bytes.chunks(SENT_BYTES) {
        within(limit, connection.stream.write_all(part), Failure::Writing).await?;
    }
    bytes.clear();
    within(limit, connection.stream.flush(), Failure::Writing).await
}

/// Reads one answer: nothing, or the error that it is.
async fn answer(
    connection: &mut Connection,
    limit: Duration,
) -> Result<Option<Vec<u8>>, (Failure, bool)> {
    let mut line = Vec::new();
    let mut bounded = (&mut connection.stream).take(ANSWER_MAX);
    within(limit, bounded.read_until(b'\n', &mut line), Failure::Reading).await?;
    if !line.ends_with(b"\r\n") {
        return Err((Failure::Reading, false));
    }
    line.truncate(line.len() - 2);
    Ok(line.strip_prefix(b"-").map(|error| error.to_vec()))
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
    failure: Failure,
) -> Result<T, (Failure, bool)> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err((failure, false)),
        Err(_) => Err((failure, true)),
    }
}
