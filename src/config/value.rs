//! What a directive can hold, and how a typed field of `Config` becomes such a value and back.
//!
//! Text is parsed once, by a `Kind`, into a `Value`; the field takes the value. So the table needs one
//! small pair of functions per directive, whatever the type of its field.

use super::choices::choices;
use super::rule::MemoryRule;

/// A directive's value, parsed and in range.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Switch(bool),
    /// Integers, bytes and octal modes: wide enough for every unsigned and signed 64-bit range.
    Number(i128),
    /// A share of `maxmemory`, or of the memory that there is, in percent.
    Percent(u8),
    /// The place of the chosen word in its list.
    Choice(usize),
    /// A set of words: bit `n` is the word after the `n`th; no bit is the first word.
    Flags(u32),
    Text(Vec<u8>),
    Words(Vec<String>),
    Save(Vec<SavePoint>),
    Rules(Vec<MemoryRule>),
    Limits(OutputLimits),
    Percentiles(Vec<f64>),
    Scores([i32; 3]),
}

/// An amount of memory, or a share of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Bytes(u64),
    Percent(u8),
}

impl Default for Amount {
    fn default() -> Amount {
        Amount::Bytes(0)
    }
}

impl Typed for Amount {
    fn value(&self) -> Value {
        match self {
            Amount::Bytes(bytes) => Value::Number((*bytes).into()),
            Amount::Percent(percent) => Value::Percent(*percent),
        }
    }
    fn take(&mut self, value: Value) -> Option<()> {
        *self = match value {
            Value::Number(bytes) => Amount::Bytes(bytes.try_into().ok()?),
            Value::Percent(percent) => Amount::Percent(percent),
            _ => return None,
        };
        Some(())
    }
}

/// A snapshot is due after so many seconds if there were so many changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: i64,
    pub changes: i32,
}

/// `client-output-buffer-limit`: how much unsent output each class of clients may pile up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

/// Zero means no limit, here as everywhere in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    pub hard: u64,
    pub soft: u64,
    pub soft_seconds: u32,
}

/// What `SHUTDOWN` words a signal stands for; none is the default behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOn(pub u32);

impl ShutdownOn {
    pub const NAMES: &'static [&'static str] =
        &["default", "save", "nosave", "now", "force", "safe", "failover"];

    /// Whether the word (`save`, `nosave`, `now`, `force`…) was given.
    pub fn has(self, word: &str) -> bool {
        let place = Self::NAMES.iter().position(|name| *name == word);
        place.is_some_and(|place| place > 0 && self.0 & (1 << (place - 1)) != 0)
    }
}

/// `notify-keyspace-events`: a bit for each letter, numbered as `Kind::Events` lists them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventClasses(pub u32);

choices! {
    /// Who may use a dangerous command: nobody, everybody, or connections from this machine.
    pub enum Allowed { No = "no", Yes = "yes", Local = "local" }
}
choices! {
    /// Which channels a new user may use.
    pub enum PubSubDefault { AllChannels = "allchannels", ResetChannels = "resetchannels" }
}
choices! {
    /// Whom a server without a password serves: this machine alone, or also private networks.
    pub enum Peers { Loopback = "loopback", Private = "private" }
}
choices! {
    pub enum LogLevel {
        Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning", Nothing = "nothing"
    }
}
choices! {
    /// The form of a line of the log.
    pub enum LogFormat { Legacy = "legacy", Logfmt = "logfmt", Json = "json" }
}
choices! {
    /// The form of the time in a line of the log.
    pub enum LogTimestamp { Legacy = "legacy", Iso8601 = "iso8601", Milliseconds = "milliseconds" }
}
choices! {
    pub enum SyslogFacility {
        User = "user", Local0 = "local0", Local1 = "local1", Local2 = "local2", Local3 = "local3",
        Local4 = "local4", Local5 = "local5", Local6 = "local6", Local7 = "local7"
    }
}
choices! {
    pub enum Supervised { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }
}
choices! {
    /// Which keys make room when `maxmemory` is reached.
    pub enum MaxmemoryPolicy {
        VolatileLru = "volatile-lru", VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random", VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru", AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random", Noeviction = "noeviction",
        VolatileLrm = "volatile-lrm", AllkeysLrm = "allkeys-lrm"
    }
}

choices! {
    /// Whether a client must show a certificate.
    pub enum TlsAuth { No = "no", Yes = "yes", Optional = "optional" }
}
choices! {
    /// What of a client's certificate names its user.
    pub enum TlsUser { Cn = "CN", Uri = "URI", Off = "off" }
}
choices! {
    /// Whether the kernel is told whom to end first, and whether scores are added to what there was.
    pub enum OomScoreAdj { No = "no", Yes = "yes", Relative = "relative", Absolute = "absolute" }
}

choices! {
    /// When the log is flushed to disk.
    pub enum AppendFsync { Everysec = "everysec", Always = "always", No = "no" }
}
choices! {
    /// What becomes of a file of a later version.
    pub enum VersionCheck { Strict = "strict", Relaxed = "relaxed" }
}
choices! {
    /// The version of the format that values are written in.
    pub enum RdbVersion { V11 = "11", V10 = "10", V12 = "12", Valkey80 = "valkey80" }
}

/// A type that a field of `Config` may have.
pub trait Typed {
    fn value(&self) -> Value;
    /// `None` if the value is of another kind or does not fit: then a row of the table is wrong.
    fn take(&mut self, value: Value) -> Option<()>;
}

impl Typed for bool {
    fn value(&self) -> Value {
        Value::Switch(*self)
    }
    fn take(&mut self, value: Value) -> Option<()> {
        let Value::Switch(on) = value else { return None };
        *self = on;
        Some(())
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Typed for $number {
            fn value(&self) -> Value {
                Value::Number((*self).into())
            }
            fn take(&mut self, value: Value) -> Option<()> {
                let Value::Number(number) = value else { return None };
                *self = number.try_into().ok()?;
                Some(())
            }
        }
    )*};
}
numbers!(u16, u32, u64, i64);

impl Typed for String {
    fn value(&self) -> Value {
        Value::Text(self.as_bytes().to_vec())
    }
    fn take(&mut self, value: Value) -> Option<()> {
        let Value::Text(text) = value else { return None };
        *self = String::from_utf8(text).ok()?;
        Some(())
    }
}

/// The types that are a variant of `Value` as they stand.
macro_rules! variants {
    ($($type:ty => $variant:ident),*) => {$(
        impl Typed for $type {
            fn value(&self) -> Value {
                Value::$variant(self.clone())
            }
            fn take(&mut self, value: Value) -> Option<()> {
                let Value::$variant(inner) = value else { return None };
                *self = inner;
                Some(())
            }
        }
    )*};
}
variants!(
    Vec<u8> => Text, Vec<String> => Words, Vec<f64> => Percentiles, [i32; 3] => Scores, Vec<SavePoint> => Save,
    Vec<MemoryRule> => Rules
);

impl Typed for OutputLimits {
    fn value(&self) -> Value {
        Value::Limits(*self)
    }
    fn take(&mut self, value: Value) -> Option<()> {
        let Value::Limits(limits) = value else { return None };
        *self = limits;
        Some(())
    }
}

macro_rules! flags {
    ($($type:ty),*) => {$(
        impl Typed for $type {
            fn value(&self) -> Value {
                Value::Flags(self.0)
            }
            fn take(&mut self, value: Value) -> Option<()> {
                let Value::Flags(bits) = value else { return None };
                self.0 = bits;
                Some(())
            }
        }
    )*};
}
flags!(ShutdownOn, EventClasses);
