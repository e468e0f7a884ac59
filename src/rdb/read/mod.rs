//! Dumps of any version are read: by whole files (`Reader`), and value by value (`restore`).
//!
//! Whoever wrote the bytes, they are doubted: what is read either is a value that commands could have made, or an
//! error that says what is wrong and where. Memory is bounded by what came, not by what was said to come.
//! Values have the form that commands would have given them, which the directives of the day decide (`Shapes`).

mod error;
mod hash;
mod input;
mod intset;
mod list;
mod listpack;
mod module;
mod own;
mod payload;
mod set;
mod stream;
mod templates;
#[cfg(test)]
mod tests;
mod value;
mod ziplist;
mod zipmap;
mod zset;

pub use super::codes::Family;
pub use crate::data::limits::Shapes;
pub use error::{Error, Kind};
pub use payload::{Footer, Functions, Refused, functions, is_usual, restore};

use super::codes::{kind, opcode, version};
use crate::data::value::Value;
use crate::world::Millis;
use input::Input;
use own::Own;
use std::io::Read;
use templates::Templates;
use value::{Context, Found};

/// How a dump is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Count the checksum, and refuse a dump that is not what was written.
    pub checksum: bool,
    /// Try to read versions that are not known (`rdb-version-check relaxed`).
    pub relaxed: bool,
    /// How many bytes there are in all, if that is known.
    pub size: Option<u64>,
}

pub struct Reader<R> {
    input: Input<R>,
    shapes: Shapes,
    options: Options,
    stage: Stage,
    family: Family,
    version: u32,
    life: Life,
    own: Own,
    templates: Templates,
    scratch: Scratch,
    doing: Doing,
}

/// What a dump consists of.
pub enum Item {
    Header {
        version: u32,
        family: Family,
    },
    /// Something about the dump itself.
    Aux {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// What follows belongs to this database.
    Database(usize),
    /// How many keys the database has, and how many of them have deadlines; as was said.
    Sizes {
        keys: u64,
        expires: u64,
    },
    /// A library of functions: its code.
    Function(Vec<u8>),
    Entry(Entry),
    /// Something was passed over, and the dump goes on behind it.
    Skipped {
        what: String,
        why: Skip,
    },
    /// The end, and the checksum that was there, if there was any.
    End {
        checksum: Option<u64>,
    },
}

/// Why something was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// A key whose collection has no elements.
    EmptyKey,
    /// A key with a value that Russet has no type for.
    ForeignKey,
    /// Something beside the keys, which only its writer knows how to use.
    Foreign,
}

/// A key with its value.
pub struct Entry {
    pub key: Vec<u8>,
    pub deadline: Option<Millis>,
    pub idle_seconds: Option<u64>,
    pub frequency: Option<u8>,
    pub value: Value,
}

/// What is being read, for whoever must say where something went wrong.
#[derive(Clone, Debug, Default)]
pub struct Doing {
    /// The key that was read last.
    pub key: Option<Vec<u8>>,
    /// The number of what was read last: a type, or what stands in place of one.
    pub code: Option<u8>,
    pub step: Step,
}

/// What part of a dump is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    #[default]
    Start,
    ReadType,
    ReadExpire,
    ReadKey,
    ReadObjectValue,
    CheckSum,
    ReadLen,
    ReadAux,
    ReadModuleAux,
    ReadFunctions,
}

impl Step {
    /// What the peers' tools call it.
    pub fn name(self) -> &'static str {
        match self {
            Step::Start => "start",
            Step::ReadType => "read-type",
            Step::ReadExpire => "read-expire",
            Step::ReadKey => "read-key",
            Step::ReadObjectValue => "read-object-value",
            Step::CheckSum => "check-sum",
            Step::ReadLen => "read-len",
            Step::ReadAux => "read-aux",
            Step::ReadModuleAux => "read-module-aux",
            Step::ReadFunctions => "read-functions",
        }
    }

    /// What is read behind one of the opcodes.
    fn of(code: u8) -> Step {
        match code {
            opcode::EXPIRETIME | opcode::EXPIRETIME_MS => Step::ReadExpire,
            opcode::SELECTDB | opcode::RESIZEDB | opcode::SLOT_INFO => Step::ReadLen,
            opcode::AUX => Step::ReadAux,
            opcode::MODULE_AUX => Step::ReadModuleAux,
            opcode::FUNCTION2 | opcode::FUNCTION_PRE_GA => Step::ReadFunctions,
            opcode::EOF => Step::CheckSum,
            _ => Step::ReadType,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Body,
    Over,
}

/// What was said of the key that comes next.
#[derive(Clone, Copy, Default)]
struct Life {
    deadline: Option<Millis>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

/// Memory that is used again for each value.
#[derive(Default)]
pub struct Scratch {
    item: Vec<u8>,
    block: Vec<u8>,
}

/// The youngest version of each family that is known.
pub const REDIS_MAX: u32 = 16;
pub const VALKEY_MAX: u32 = version::VALKEY_9;

const MAGIC_BYTES: usize = 9;

impl<R: Read> Reader<R> {
    pub fn new(from: R, shapes: &Shapes, options: Options) -> Reader<R> {
        Reader {
            input: Input::new(from, options.size, options.checksum),
            shapes: *shapes,
            options,
            stage: Stage::Header,
            family: Family::Redis,
            version: 0,
            life: Life::default(),
            own: Own::default(),
            templates: Templates::default(),
            scratch: Scratch::default(),
            doing: Doing::default(),
        }
    }

    /// What comes next; nothing behind the end.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and then is over")]
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        let item = match self.stage {
            Stage::Header => self.header(),
            Stage::Body => self.item(),
            Stage::Over => return Ok(None),
        };
        if !matches!(item, Ok(ref item) if !matches!(item, Item::End { .. })) {
            self.stage = Stage::Over;
        }
        item.map(Some)
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    pub fn doing(&self) -> &Doing {
        &self.doing
    }

    /// Where the dump came from, and what was read of what is behind it.
    pub fn into_rest(self) -> (R, Vec<u8>) {
        self.input.into_rest()
    }

    fn header(&mut self) -> Result<Item, Error> {
        let magic = self.input.array::<MAGIC_BYTES>()?;
        let (family, digits) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Family::Redis, &digits[..]),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Family::Valkey, &digits[..]),
            _ => return Err(self.not_a_dump()),
        };
        let digits = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let Some(version) = digits else { return Err(self.not_a_dump()) };
        if !is_known(family, version) && (version < 1 || !self.options.relaxed) {
            let what = format!("Can't handle RDB format version {version}");
            return Err(self.input.error(Kind::Version, what));
        }
        (self.family, self.version) = (family, version);
        if version < version::CHECKSUM {
            self.input.set_sum(false);
        }
        self.stage = Stage::Body;
        Ok(Item::Header { version, family })
    }

    fn not_a_dump(&self) -> Error {
        self.input.error(Kind::NoDump, "Wrong signature trying to load DB from file")
    }

    fn item(&mut self) -> Result<Item, Error> {
        loop {
            self.doing.step = Step::ReadType;
            let code = self.input.byte()?;
            self.doing.code = Some(code);
            self.doing.step = Step::of(code);
            match code {
                opcode::EXPIRETIME => {
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    self.life.deadline = Some(Millis(i64::from(seconds) * 1000));
                }
                opcode::EXPIRETIME_MS => {
                    // Some writers say so where there is none.
                    let deadline = self.input.i64()?;
                    self.life.deadline = Some(Millis(deadline)).filter(|_| deadline != -1);
                }
                opcode::FREQ => self.life.frequency = Some(self.input.byte()?),
                opcode::IDLE => self.life.idle_seconds = Some(self.input.len()?),
                opcode::EOF => return self.end(),
                opcode::SELECTDB => {
                    let db = self.input.len()?;
                    return match usize::try_from(db) {
                        Ok(db) => Ok(Item::Database(db)),
                        Err(_) => {
                            Err(self.input.corrupt("a database of a number that there is not"))
                        }
                    };
                }
                opcode::RESIZEDB => {
                    return Ok(Item::Sizes { keys: self.input.len()?, expires: self.input.len()? });
                }
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        self.input.len()?;
                    }
                }
                opcode::AUX => {
                    let (name, value) = (self.input.string()?, self.input.string()?);
                    let is_own = self.own.take_in(&name, &value);
                    if !is_own.map_err(|flaw| self.input.flaw(flaw))? {
                        return Ok(Item::Aux { name, value });
                    }
                }
                opcode::FUNCTION2 => return Ok(Item::Function(self.input.string()?)),
                opcode::FUNCTION_PRE_GA => {
                    let what = "Pre-release function format not supported.";
                    return Err(self.input.error(Kind::Unknown, what));
                }
                opcode::MODULE_AUX => return self.module_aux(),
                opcode::SLOT_IMPORT if self.family == Family::Valkey => {
                    let mut job = Vec::new();
                    self.input.string_into(&mut job)?;
                    for _ in 0..self.input.len()? {
                        self.input.len()?;
                        self.input.len()?;
                    }
                    let what = "slots that were being imported".to_owned();
                    return Ok(Item::Skipped { what, why: Skip::Foreign });
                }
                opcode::KEY_META if self.family == Family::Redis => {
                    skip_key_meta(&mut self.input)?;
                    let what = "what modules keep beside a key".to_owned();
                    return Ok(Item::Skipped { what, why: Skip::Foreign });
                }
                opcode::HASH_TEMPLATE if self.family == Family::Redis => {
                    self.templates.read(&mut self.input)?;
                }
                code => return self.entry(code),
            }
        }
    }

    fn entry(&mut self, code: u8) -> Result<Item, Error> {
        if !value::is_known(code, self.family) {
            let what = format!("Invalid object type: {code}");
            return Err(self.input.error(Kind::Unknown, what));
        }
        self.doing.step = Step::ReadKey;
        let key = self.input.string()?;
        let doing_key = self.doing.key.get_or_insert_default();
        doing_key.clear();
        doing_key.extend_from_slice(&key);
        self.doing.step = Step::ReadObjectValue;
        let Life { deadline, idle_seconds, frequency } = std::mem::take(&mut self.life);
        let own = std::mem::take(&mut self.own);
        let cx =
            Context { shapes: &self.shapes, family: self.family, templates: Some(&self.templates) };
        match value::value(&mut self.input, &mut self.scratch, code, &cx)? {
            Found::Value(mut value) => {
                if !own.is_empty() {
                    own.complete(&mut value, self.shapes.hash.seed)
                        .map_err(|flaw| self.input.flaw(flaw))?;
                }
                self.scratch.trim();
                Ok(Item::Entry(Entry { key, deadline, idle_seconds, frequency, value }))
            }
            Found::Empty => {
                Ok(Item::Skipped { what: key.escape_ascii().to_string(), why: Skip::EmptyKey })
            }
            Found::Foreign(what) => {
                let what = format!("{}: {what}", key.escape_ascii());
                Ok(Item::Skipped { what, why: Skip::ForeignKey })
            }
        }
    }

    fn module_aux(&mut self) -> Result<Item, Error> {
        let name = module::name(self.input.len()?);
        // When it was written, as a value of its own.
        if self.input.len()? != super::codes::module::UINT {
            return Err(self.input.corrupt("MODULE_AUX without when"));
        }
        self.input.len()?;
        module::skip(&mut self.input)?;
        let what = format!("what the module type {name} keeps beside the keys");
        Ok(Item::Skipped { what, why: Skip::Foreign })
    }

    fn end(&mut self) -> Result<Item, Error> {
        if self.version < version::CHECKSUM {
            return Ok(Item::End { checksum: None });
        }
        let sum = self.input.sum();
        self.input.set_sum(false);
        let said = self.input.u64()?;
        if let Some(sum) = sum
            && said != 0
            && said != sum
        {
            let what = format!("Wrong RDB checksum expected: ({said:x}) but got ({sum:x}).");
            return Err(self.input.error(Kind::Checksum, what));
        }
        Ok(Item::End { checksum: Some(said).filter(|said| *said != 0) })
    }
}

impl Scratch {
    /// What one large value needed is not kept for all the others.
    fn trim(&mut self) {
        for memory in [&mut self.item, &mut self.block] {
            if memory.capacity() > SCRATCH_KEPT {
                *memory = Vec::new();
            }
        }
    }
}

const SCRATCH_KEPT: usize = 1 << 20;

/// Is a version of a family one that is read?
fn is_known(family: Family, version: u32) -> bool {
    match family {
        Family::Redis => (1..=REDIS_MAX).contains(&version),
        Family::Valkey => (version::FIRST_VALKEY..=VALKEY_MAX).contains(&version),
    }
}

/// Passes over what modules keep beside a key: classes, each with its name in four bytes.
fn skip_key_meta<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    for _ in 0..input.len()? {
        input.skip(4)?;
        module::skip(input)?;
    }
    Ok(())
}

/// For how many of the elements that were announced room is made at once: for all, if it can be believed that they come,
/// and else for none.
fn expected<R: Read>(input: &Input<R>, count: u64) -> usize {
    let believed = input.left().map_or(UNSEEN, |left| left / BYTES_APIECE);
    if count <= believed { count as usize } else { 0 }
}

const BYTES_APIECE: u64 = 4;
/// If it is not known how many bytes come.
const UNSEEN: u64 = 1 << 16;
