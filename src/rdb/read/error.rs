//! Why a dump cannot be read, and where.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// How many bytes had been read.
    pub offset: u64,
    pub kind: Kind,
    /// What is wrong, for a person.
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The bytes could not be had.
    Io,
    /// There are fewer bytes than there must be.
    Ends,
    /// It does not begin as a dump does.
    NoDump,
    /// It is of a version that is not read.
    Version,
    /// It is not what was written.
    Checksum,
    /// What stands there cannot be.
    Corrupt,
    /// The same, of what a form of its own says, or of the elements in it.
    Flawed,
    /// It may be right, but Russet does not know it, nor how to pass it over.
    Unknown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

/// What is wrong with a value whose bytes are all there. Where it stands, the reader adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw(pub &'static str);
