//! A connection to a server: bytes out, answers in.

use super::options::{Options, Target};
use super::reply::Reply;
use super::tls::TlsStream;
use crate::persist::files::said;
use crate::resp::request;
use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
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
                let stream = connect(host, *port, options.connect_timeout)?;
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

    /// How long one look for an answer may take.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self.stream.get_ref() {
            Stream::Tcp(stream) => stream.set_read_timeout(patience),
            Stream::Unix(stream) => stream.set_read_timeout(patience),
            Stream::Tls(stream) => stream.socket().set_read_timeout(patience),
        }
    }

    /// Connects, and says who is there and in which database and protocol. What the server refuses of that
    /// is said, and is no reason to stop, as scripts know it.
    pub fn greet(options: &Options) -> Result<Connection, String> {
        let mut connection = Connection::open(options).map_err(|why| {
            let place = match &options.target {
                Target::Tcp { host, port } => format!("{host}:{port}"),
                Target::Unix(path) => String::from_utf8_lossy(path).into_owned(),
            };
            format!("Could not connect to Redis at {place}: {}", reason(&why))
        })?;
        let mut tell = |what: &str, words: &[&[u8]]| -> Result<bool, String> {
            let reply = connection.ask(words).map_err(told)?;
            if reply.is_error() {
                eprintln!("{what} failed: {}", String::from_utf8_lossy(reply.text()));
            }
            Ok(!reply.is_error())
        };
        let is_known = match (&options.user, &options.password) {
            (Some(user), Some(password)) => tell("AUTH", &[b"AUTH", user, password])?,
            (None, Some(password)) => tell("AUTH", &[b"AUTH", password])?,
            (_, None) => true,
        };
        if !is_known {
            return Ok(connection);
        }
        if options.db != 0 {
            let db = options.db.to_string();
            tell(&format!("SELECT {db}"), &[b"SELECT", db.as_bytes()])?;
        }
        if options.protocol == Some(3) {
            tell("HELLO 3", &[b"HELLO", b"3"])?;
        }
        Ok(connection)
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

fn connect(host: &str, port: u16, timeout: Option<Duration>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, "Name or service not known"))?;
    for address in found {
        let connected = match timeout {
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
