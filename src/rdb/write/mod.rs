//! Writing the dump format.
//!
//! A version is chosen beforehand, since the beginning of a dump says it. What a version has no place for is
//! written all the same, in fields that only we read (`extras.rs`), so that a peer loads the rest.
//!
//! Small collections are written as the blocks that the peers keep them in, large ones element by element. The
//! buffer is given away whenever it is large, so a value of any size takes no memory of its own.

mod extras;
mod listpack;
mod parts;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod value;

use crate::data::string::Text;
use crate::data::{Collection, View};
use crate::rdb::codes::{Family, kind, opcode, version};
use crate::world::Millis;
pub use sink::{Flush, Sink};
use std::io;
use value::Pen;

/// Which readers a dump is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Redis 7.0 and later, and Valkey.
    V10,
    /// Redis 7.2 and later, and Valkey.
    #[default]
    V11,
    /// Redis 7.4 and later.
    V12,
    /// Valkey 9 and later.
    Valkey80,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub version: Version,
    /// Long strings are compressed.
    pub compress: bool,
    /// There is a checksum at the end.
    pub checksum: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { version: Version::default(), compress: true, checksum: true }
    }
}

/// What is known of a key besides its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    pub deadline: Option<Millis>,
    pub idle_seconds: Option<u64>,
    pub frequency: Option<u8>,
}

/// How many keys have something that no peer reads, in this version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Degraded {
    /// Their elements have deadlines.
    pub element_ttls: u64,
    /// They are streams that know who has added what.
    pub producers: u64,
    /// They are streams with entries that were given back.
    pub nacked: u64,
}

/// Writes a dump into a buffer.
pub struct Writer {
    options: Options,
    sink: Sink,
    /// A listpack that is being made.
    block: Vec<u8>,
    db: Option<usize>,
    degraded: Degraded,
}

impl Version {
    /// As the directive has it.
    pub fn of_name(name: &[u8]) -> Option<Version> {
        Some(match name {
            b"10" => Version::V10,
            b"11" => Version::V11,
            b"12" => Version::V12,
            b"valkey80" => Version::Valkey80,
            _ => return None,
        })
    }

    pub fn number(self) -> u32 {
        match self {
            Version::V10 => version::REDIS_7_0,
            Version::V11 => version::COMMON,
            Version::V12 => version::REDIS_8,
            Version::Valkey80 => version::VALKEY_9,
        }
    }

    pub fn family(self) -> Family {
        if self == Version::Valkey80 { Family::Valkey } else { Family::Redis }
    }
}

impl Degraded {
    pub fn keys(&self) -> u64 {
        self.element_ttls + self.producers + self.nacked
    }
}

impl Writer {
    pub fn new(options: Options) -> Writer {
        let sink = Sink::new(options.compress);
        Writer { options, sink, block: Vec::new(), db: None, degraded: Degraded::default() }
    }

    pub fn header(&mut self, aux: &[(&str, &[u8])]) {
        self.sink.resume();
        let number = self.options.version.number();
        let magic = match self.options.version.family() {
            Family::Redis => format!("REDIS{number:04}"),
            Family::Valkey => format!("VALKEY{number:03}"),
        };
        self.sink.bytes(magic.as_bytes());
        for (name, value) in aux {
            self.sink.byte(opcode::AUX);
            self.sink.string(name.as_bytes());
            self.sink.string(value);
        }
    }

    pub fn function(&mut self, code: &[u8]) {
        self.sink.resume();
        function(code, &mut self.sink);
    }

    /// Keys of this database follow, of which there are so many, and so many with deadlines.
    pub fn database(&mut self, db: usize, keys: u64, expires: u64) {
        self.select(db);
        self.sink.byte(opcode::RESIZEDB);
        self.sink.len(keys);
        self.sink.len(expires);
    }

    /// Keys of this database follow.
    pub fn select(&mut self, db: usize) {
        self.sink.resume();
        if self.db.replace(db) != Some(db) {
            self.sink.byte(opcode::SELECTDB);
            self.sink.len(db as u64);
        }
    }

    /// A key and its value. A collection all of whose elements are due is not written: for the peers it would be
    /// none.
    pub fn entry(&mut self, key: &[u8], life: Life, value: View, flush: Flush) -> io::Result<()> {
        self.sink.resume();
        if value::is_empty(value) {
            return Ok(());
        }
        let version = self.options.version;
        extras::write(value, version, &mut self.sink, &mut self.degraded, flush)?;
        self.life(life);
        let kind = value::kind_of(value, version);
        self.sink.byte(kind);
        self.sink.long_text(Text::Bytes(key), flush)?;
        Pen { sink: &mut self.sink, block: &mut self.block, flush, version }.value(kind, value)
    }

    /// A key whose value is a string of so many bytes, which come in parts.
    pub fn begin_text(&mut self, key: &[u8], life: Life, len: usize) {
        self.sink.resume();
        self.life(life);
        self.sink.byte(kind::STRING);
        self.sink.string(key);
        self.sink.begin_parts(len);
    }

    pub fn text_part(&mut self, part: &[u8], flush: Flush) -> io::Result<()> {
        self.sink.resume();
        self.sink.part(part, flush)
    }

    /// A key whose value is a sorted set of so many members, which come in parts.
    pub fn begin_scores(&mut self, key: &[u8], life: Life, len: usize) {
        self.sink.resume();
        self.life(life);
        self.sink.byte(kind::ZSET_2);
        self.sink.string(key);
        self.sink.len(len as u64);
    }

    pub fn scores_part<'a>(
        &mut self,
        members: impl Iterator<Item = (Text<'a>, f64)>,
        flush: Flush,
    ) -> io::Result<()> {
        self.sink.resume();
        let version = self.options.version;
        Pen { sink: &mut self.sink, block: &mut self.block, flush, version }.some_scores(members)
    }

    /// The end, and the checksum.
    pub fn end(&mut self) {
        self.sink.resume();
        self.sink.byte(opcode::EOF);
        let sum = if self.options.checksum { self.sink.sum() } else { 0 };
        self.sink.bytes(&sum.to_le_bytes());
    }

    /// What was written. It may be taken out, and used again.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.sink.buffer()
    }

    /// Gives it away if it is large, as it is behind each long string.
    pub fn spill(&mut self, flush: Flush) -> io::Result<()> {
        self.sink.spill(flush)
    }

    /// What the version could not hold.
    pub fn degraded(&self) -> &Degraded {
        &self.degraded
    }

    fn life(&mut self, life: Life) {
        if let Some(deadline) = life.deadline {
            self.sink.byte(opcode::EXPIRETIME_MS);
            self.sink.millis(deadline);
        }
        if let Some(seconds) = life.idle_seconds {
            self.sink.byte(opcode::IDLE);
            self.sink.len(seconds);
        }
        if let Some(frequency) = life.frequency {
            self.sink.bytes(&[opcode::FREQ, frequency]);
        }
    }
}

/// A library of functions.
pub fn function(code: &[u8], sink: &mut Sink) {
    sink.byte(opcode::FUNCTION2);
    sink.string(code);
}

/// The end of a payload of DUMP or FUNCTION DUMP: version and checksum.
pub fn footer(version: Version, mut sink: Sink) -> Vec<u8> {
    sink.bytes(&(version.number() as u16).to_le_bytes());
    let sum = sink.sum();
    sink.bytes(&sum.to_le_bytes());
    sink.into_bytes()
}

/// A payload of DUMP: a value and a footer. The version is the one that is asked for, or an older one where that
/// says the same: so a reader that is older than the version can have what it could have written itself.
pub fn dump(value: View, options: Options) -> Vec<u8> {
    let version = oldest(value, options.version);
    let mut sink = Sink::new(options.compress);
    let mut flush = |_: &mut Vec<u8>| Ok(());
    let mut pen = Pen { sink: &mut sink, block: &mut Vec::new(), flush: &mut flush, version };
    let kind = value::kind_of(value, version);
    pen.sink.byte(kind);
    let written = pen.value(kind, value).and_then(|()| {
        extras::write(value, version, &mut sink, &mut Degraded::default(), &mut flush)
    });
    debug_assert!(written.is_ok(), "nothing is given away");
    footer(version, sink)
}

/// The oldest version that holds as much of a value as this one.
fn oldest(value: View, version: Version) -> Version {
    match (version, value) {
        (Version::V10, _) => Version::V10,
        (_, View::Stream(_)) => Version::V11,
        (Version::V12 | Version::Valkey80, View::Hash(hash)) if hash.earliest().is_some() => {
            version
        }
        _ => Version::V10,
    }
}
