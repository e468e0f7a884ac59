//! A small blocking RESP client, over TCP or a Unix socket, that also lets a test write and read
//! bytes as they are.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::value::{Value, command_line};

/// Longer than any healthy reply takes, short enough for a person to wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// How deep a reply may nest. No command comes near it; a broken server might.
const DEPTH_MAX: usize = 100;

#[derive(Clone, Debug)]
pub enum Address {
    Tcp(String),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(out, "{address}"),
            Address::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// How much of `buffer` has been read as replies.
    taken: usize,
}

impl Client {
    pub fn connect(address: &Address) -> io::Result<Client> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        };
        let client = Client { stream, buffer: Vec::new(), taken: 0 };
        client.set_patience(PATIENCE)?;
        Ok(client)
    }

    /// A client over a stream that is connected already.
    pub fn over(stream: Box<dyn Stream>) -> Client {
        Client { stream, buffer: Vec::new(), taken: 0 }
    }

    /// The replies in bytes that are here already: those of an engine without a socket.
    pub fn replies(bytes: Vec<u8>) -> io::Result<Vec<Value>> {
        let mut client = Client { stream: Box::new(Nowhere), buffer: bytes, taken: 0 };
        let mut replies = Vec::new();
        while client.taken < client.buffer.len() {
            replies.push(client.read_reply()?);
        }
        Ok(replies)
    }

    /// How long a read waits before it fails.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_patience(patience)
    }

    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        let mut frame = Vec::new();
        encode(args, &mut frame);
        self.write_raw(&frame)
    }

    /// Sends a command and waits for its reply. A connection that fails is the test's failure.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        let reply = self.try_call(args);
        reply.unwrap_or_else(|why| panic!("{}: {why}", command_line(args)))
    }

    pub fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.send(args)?;
        self.read_reply()
    }

    pub fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Exactly `count` bytes, as they came.
    pub fn read_raw(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.take(count).map(|bytes| bytes.to_vec())
    }

    /// Everything up to the moment the server closes the connection.
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(why) if why.kind() == ErrorKind::UnexpectedEof => break,
                Err(why) => return Err(why),
            }
        }
        let rest = self.buffer.split_off(self.taken);
        self.buffer.clear();
        self.taken = 0;
        Ok(rest)
    }

    /// The next reply or push, whichever protocol it is in.
    pub fn read_reply(&mut self) -> io::Result<Value> {
        self.read_nested(0)
    }

    fn read_nested(&mut self, depth: usize) -> io::Result<Value> {
        if depth > DEPTH_MAX {
            return Err(nonsense("a reply nested too deep"));
        }
        let line = self.line()?;
        let Some((mark, rest)) = line.split_first() else {
            return Err(nonsense("an empty line where a reply should begin"));
        };
        Ok(match mark {
            b'+' => Value::Simple(rest.to_vec()),
            b'-' => Value::Error(rest.to_vec()),
            b':' => Value::Int(number(rest)?),
            b',' => Value::Double(rest.to_vec()),
            b'(' => Value::BigNumber(rest.to_vec()),
            b'_' if rest.is_empty() => Value::Null,
            b'#' if rest == b"t" => Value::Bool(true),
            b'#' if rest == b"f" => Value::Bool(false),
            b'$' if rest == b"-1" => Value::NullBulk,
            b'*' if rest == b"-1" => Value::NullArray,
            b'$' => Value::Bulk(self.blob(rest)?),
            b'!' => Value::BlobError(self.blob(rest)?),
            b'=' => {
                let mut format = self.blob(rest)?;
                if format.get(3) != Some(&b':') {
                    return Err(nonsense("a verbatim string without a format"));
                }
                let text = format.split_off(4);
                format.pop();
                Value::Verbatim { format, text }
            }
            b'*' => Value::Array(self.row(rest, depth)?),
            b'~' => Value::Set(self.row(rest, depth)?),
            b'>' => Value::Push(self.row(rest, depth)?),
            b'%' => Value::Map(self.pairs(rest, depth)?),
            b'|' => {
                let pairs = self.pairs(rest, depth)?;
                Value::Attribute(pairs, Box::new(self.read_nested(depth + 1)?))
            }
            _ => return Err(nonsense(&format!("a reply begins {:?}", lossy(&line)))),
        })
    }

    fn row(&mut self, length: &[u8], depth: usize) -> io::Result<Vec<Value>> {
        (0..count(length)?).map(|_| self.read_nested(depth + 1)).collect()
    }

    fn pairs(&mut self, length: &[u8], depth: usize) -> io::Result<Vec<(Value, Value)>> {
        (0..count(length)?)
            .map(|_| Ok((self.read_nested(depth + 1)?, self.read_nested(depth + 1)?)))
            .collect()
    }

    fn blob(&mut self, length: &[u8]) -> io::Result<Vec<u8>> {
        let length = count(length)?;
        let mut bytes = self.take(length)?.to_vec();
        if self.take(2)? != b"\r\n" {
            return Err(nonsense("a bulk string that does not end where it said"));
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.taken + searched..];
            if let Some(at) = waiting.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.take(searched + at)?.to_vec();
                self.take(2)?;
                return Ok(line);
            }
            searched += waiting.len().saturating_sub(1);
            self.fill()?;
        }
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.taken < count {
            self.fill()?;
        }
        let start = self.taken;
        self.taken += count;
        Ok(&self.buffer[start..self.taken])
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let mut chunk = [0; 64 * 1024];
        // A read with a time limit is interrupted when the process was stopped and goes on.
        let read = loop {
            match self.stream.read(&mut chunk) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        match read {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
            length => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }
}

/// Appends a command in the form servers read fastest: an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(args: &[A], frame: &mut Vec<u8>) {
    frame.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args.iter().map(AsRef::as_ref) {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
}

pub trait Stream: Read + Write + Send {
    fn set_patience(&self, patience: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Stream for UnixStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

/// The far end of bytes that came without a stream.
struct Nowhere;

impl Read for Nowhere {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::NotConnected.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Nowhere {
    fn set_patience(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

fn number(digits: &[u8]) -> io::Result<i64> {
    lossy(digits).parse().map_err(|_| nonsense(&format!("{:?} is not a number", lossy(digits))))
}

fn count(digits: &[u8]) -> io::Result<usize> {
    usize::try_from(number(digits)?).map_err(|_| nonsense("a negative length"))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn nonsense(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
