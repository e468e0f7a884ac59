//! A connection to a server: bytes out, answers in.

use super::options::{Options, Target};
use super::reply::Reply;
use super::tls::TlsStream;
use crate::persist::files::said;
use crate::resp::request;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub struct Connection {
    stream: BufReader<Stream>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
}

impl Connection {
    /// Connects, and nothing else.
    pub fn open(options: &Options) -> io::Result<Connection> {
        let stream = match &options.target {
            Target::Unix(_) if options.tls.is_some() => {
                let why = "TLS is spoken on ports, and not on Unix sockets";
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
            Target::Unix(path) => Stream::Unix(UnixStream::connect(OsStr::from_bytes(path))?),
            Target::Tcp { host, port } => {
                let stream = connect(host, *port, options)?;
                stream.set_nodelay(true)?;
                match &options.tls {
                    Some(tls) => Stream::Tls(Box::new(TlsStream::open(stream, host, tls)?)),
                    None => Stream::Tcp(stream),
                }
            }
        };
        Ok(Connection { stream: BufReader::with_capacity(64 << 10, stream) })
    }

    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        let mut frame = Vec::new();
        request(words, &mut frame);
        self.stream.get_mut().write_all(&frame)
    }

    pub fn receive(&mut self) -> io::Result<Reply> {
        Reply::read(&mut self.stream)
    }

    /// Sends a command and waits for its answer; what was pushed in between is passed over.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Reply> {
        self.send(words)?;
        loop {
            match self.receive()? {
                Reply::Push(_) => (),
                reply => return Ok(reply),
            }
        }
    }

    /// A way to write while another thread reads.
    pub fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self.stream.get_ref() {
            Stream::Tcp(stream) => Box::new(stream.try_clone()?),
            Stream::Unix(stream) => Box::new(stream.try_clone()?),
            Stream::Tls(stream) => Box::new(stream.writer()?),
        })
    }

    /// Is there something to receive, or does it come within this time? What ends the connection is an error.
    pub fn has_news(&mut self, within: Duration) -> io::Result<bool> {
        use io::ErrorKind::{Interrupted, TimedOut, UnexpectedEof, WouldBlock};
        self.set_patience(Some(within))?;
        let seen = self.stream.fill_buf().map(|bytes| !bytes.is_empty());
        self.set_patience(None)?;
        match seen {
            Ok(true) => Ok(true),
            Ok(false) => Err(UnexpectedEof.into()),
            Err(why) if matches!(why.kind(), WouldBlock | TimedOut | Interrupted) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// How long one look for an answer may take.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self.stream.get_ref() {
            Stream::Tcp(stream) => stream.set_read_timeout(patience),
            Stream::Unix(stream) => stream.set_read_timeout(patience),
            Stream::Tls(stream) => stream.socket().set_read_timeout(patience),
        }
    }

    /// Connects, and says who is there and in which database and protocol. What is refused of that is an error: who
    /// goes on would do it as somebody else, or elsewhere.
    pub fn greet(options: &Options) -> Result<Connection, String> {
        let mut connection = Connection::reach(options)?;
        match connection.introduce(options)? {
            Some(refusal) => Err(refusal),
            None => Ok(connection),
        }
    }

    /// Connects, and says why that cannot be done.
    pub fn reach(options: &Options) -> Result<Connection, String> {
        Connection::open(options).map_err(|why| {
            let place = match &options.target {
                Target::Tcp { host, port } => format!("{host}:{port}"),
                Target::Unix(path) => String::from_utf8_lossy(path).into_owned(),
            };
            format!("Could not connect to Redis at {place}: {}", reason(&why))
        })
    }

    /// Says who is there and in which database and protocol, up to what the server refuses, which is returned.
    pub fn introduce(&mut self, options: &Options) -> Result<Option<String>, String> {
        let mut refusal = |what: &str, words: &[&[u8]]| -> Result<Option<String>, String> {
            let reply = self.ask(words).map_err(told)?;
            let text = String::from_utf8_lossy(reply.text());
            Ok(reply.is_error().then(|| format!("{what} failed: {text}")))
        };
        let refused = match (&options.user, &options.password) {
            (Some(user), Some(password)) => refusal("AUTH", &[b"AUTH", user, password])?,
            (None, Some(password)) => refusal("AUTH", &[b"AUTH", password])?,
            (_, None) => None,
        };
        if refused.is_some() {
            return Ok(refused);
        }
        if options.db != 0 {
            let db = options.db.to_string();
            let refused = refusal(&format!("SELECT {db}"), &[b"SELECT", db.as_bytes()])?;
            if refused.is_some() {
                return Ok(refused);
            }
        }
        if options.protocol != Some(3) {
            return Ok(None);
        }
        let refused = refusal("HELLO 3", &[b"HELLO", b"3"])?;
        // JSON is better with it, and possible without.
        if let Some(refused) = refused.as_ref().filter(|_| options.protocol_is_a_wish) {
            eprintln!("{refused}");
            return Ok(None);
        }
        Ok(refused)
    }
}

/// Why a connection failed or ended, in redis-cli's words.
pub fn reason(error: &io::Error) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | BrokenPipe | ConnectionAborted => "Server closed the connection".into(),
        _ => said(error),
    }
}

/// The same as what ends the client.
pub fn told(error: io::Error) -> String {
    format!("Error: {}", reason(&error))
}

fn connect(host: &str, port: u16, options: &Options) -> io::Result<TcpStream> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    let mut failure = unknown();
    let mut found: Vec<_> = (host, port).to_socket_addrs().map_err(|_| unknown())?.collect();
    if let Some(prefers_6) = options.prefers_6 {
        found.sort_by_key(|address| address.is_ipv6() != prefers_6);
    }
    for address in found {
        let connected = match options.connect_timeout {
            Some(timeout) if !timeout.is_zero() => TcpStream::connect_timeout(&address, timeout),
            _ => TcpStream::connect(address),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(into),
            Stream::Unix(stream) => stream.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
