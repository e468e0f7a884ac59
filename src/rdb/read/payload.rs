//! Payloads of DUMP: one value, and a footer that says of which version it is, with a checksum.

use super::error::{Error, Kind};
use super::input::Input;
use super::own::Own;
use super::value::{Context, Found, packed, value};
use super::{Family, Scratch, Shapes, is_known, skip_key_meta};
use crate::base::crc64;
use crate::data::value::Value;
use crate::rdb::codes::{opcode, version};

/// What is asked of a footer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Versions are tried that are not known (`rdb-version-check relaxed`).
    pub relaxed: bool,
    /// The checksum is not looked at.
    pub any_checksum: bool,
}

/// Why a payload is not taken.
#[derive(Debug)]
pub enum Refused {
    /// By its footer.
    Footer,
    /// By what it says.
    Format(Error),
}

/// Why a payload of functions is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Functions {
    Footer,
    /// It is a payload of something else.
    Other,
    Format,
}

const FOOTER_BYTES: usize = 10;

/// What is before the footer, and the version that this says; nothing, if the footer is not as it must be.
///
/// A checksum of zero says that nobody has counted.
fn body_of(payload: &[u8], footer: Footer) -> Option<(&[u8], u32)> {
    let (rest, sum) = payload.split_last_chunk()?;
    let (body, version) = rest.split_last_chunk()?;
    const { assert!(FOOTER_BYTES == size_of::<u64>() + size_of::<u16>()) };
    let (sum, version) = (u64::from_le_bytes(*sum), u32::from(u16::from_le_bytes(*version)));
    let is_known = footer.relaxed || version == 0 || is_known(family_of(version), version);
    let is_right = footer.any_checksum || sum == 0 || sum == crc64::checksum(rest);
    (is_known && is_right).then_some((body, version))
}

/// Is it a payload that is taken without anything being overlooked?
pub fn is_usual(payload: &[u8]) -> bool {
    body_of(payload, Footer::default()).is_some()
}

/// The value of a payload.
pub fn restore(payload: &[u8], shapes: &Shapes, footer: Footer) -> Result<Value, Refused> {
    let (body, version) = body_of(payload, footer).ok_or(Refused::Footer)?;
    read(body, family_of(version), shapes).map_err(Refused::Format)
}

/// The codes of libraries of functions, as FUNCTION DUMP gives them: one behind another, with one footer.
pub fn functions(payload: &[u8], footer: Footer) -> Result<Vec<Vec<u8>>, Functions> {
    let (body, _) = body_of(payload, footer).ok_or(Functions::Footer)?;
    let mut input = Input::new(body, Some(body.len() as u64), false);
    let mut codes = Vec::new();
    loop {
        match input.peek() {
            Ok(None) => return Ok(codes),
            Ok(Some(opcode::FUNCTION2)) => (),
            _ => return Err(Functions::Other),
        }
        let code = input.skip(1).and_then(|()| input.string());
        codes.push(code.map_err(|_| Functions::Format)?);
    }
}

fn read(body: &[u8], family: Family, shapes: &Shapes) -> Result<Value, Error> {
    let mut input = Input::new(body, Some(body.len() as u64), false);
    let mut code = input.byte()?;
    if code == opcode::KEY_META && family == Family::Redis {
        skip_key_meta(&mut input)?;
        code = input.byte()?;
    }
    let cx = Context { shapes, family, templates: None };
    let mut value = match value(&mut input, &mut Scratch::default(), code, &cx)? {
        Found::Value(value) => value,
        Found::Empty => {
            let what = "a collection without elements";
            return Err(match packed(code) {
                Some(form) => input.corrupt(format!("{form} integrity check failed: {what}")),
                None => input.corrupt(what),
            });
        }
        Found::Foreign(what) => return Err(input.error(Kind::Unknown, what)),
    };
    let mut own = Own::default();
    while let Some(code) = input.peek()? {
        input.skip(1)?;
        if code != opcode::AUX {
            return Err(input.corrupt("something behind a value"));
        }
        let (name, text) = (input.string()?, input.string()?);
        own.take_in(&name, &text).map_err(|flaw| input.flaw(flaw))?;
    }
    own.complete(&mut value, shapes.hash.seed).map_err(|flaw| input.flaw(flaw))?;
    Ok(value)
}

/// There is no magic in a payload, so the number alone says whose it is.
fn family_of(version: u32) -> Family {
    if version >= version::FIRST_VALKEY { Family::Valkey } else { Family::Redis }
}
