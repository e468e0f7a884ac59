//! The first line of a script that says what it needs: `#!lua flags=no-writes,allow-stale`.

use crate::error::Error;

/// What a script promises or asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub no_writes: bool,
    pub allow_oom: bool,
    pub allow_stale: bool,
    pub no_cluster: bool,
    pub allow_cross_slot_keys: bool,
}

impl Flags {
    /// Whether the flag of a name is set.
    pub fn has(&self, name: &str) -> bool {
        match name {
            "no-writes" => self.no_writes,
            "allow-oom" => self.allow_oom,
            "allow-stale" => self.allow_stale,
            "no-cluster" => self.no_cluster,
            "allow-cross-slot-keys" => self.allow_cross_slot_keys,
            _ => false,
        }
    }

    /// Sets the flag of a name; says whether there is one.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        };
        *flag = true;
        true
    }
}

/// The flags of a script, if it has such a line, and the text to be compiled: what is behind it, but for the
/// line's end, so that lines keep their numbers.
pub(super) fn parse(text: &[u8]) -> Result<(Option<Flags>, &[u8]), Error> {
    if !text.starts_with(b"#!") {
        return Ok((None, text));
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        return Err(Error::Say("ERR Invalid script shebang"));
    };
    let mut words = text[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(Error::quote("ERR Unexpected engine in script shebang: ", engine, ""));
    }
    let mut flags = Flags::default();
    for option in words {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(Error::quote("ERR Unknown lua shebang option: ", option, ""));
        };
        // None at all is no mistake.
        for name in names.split(|byte| *byte == b',').filter(|_| !names.is_empty()) {
            if !flags.set(name) {
                return Err(Error::quote("ERR Unexpected flag in script shebang: ", name, ""));
            }
        }
    }
    Ok((Some(flags), &text[end..]))
}
