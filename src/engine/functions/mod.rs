//! Libraries of functions: loaded once, called by name, kept beside the data.
//!
//! All libraries live in one interpreter. A library is loaded by running its code, which says what it offers
//! (`crate::lua::register`); it joins the others only when all of it is known to be right. Names are the same in
//! any case.

pub mod payload;

use super::Engine;
use super::scripting::{Flags, NESTED, Which};
use crate::base::bytes;
use crate::base::map::Map;
use crate::error::Error;
use crate::lua::register::{Registered, valid_name};
use crate::lua::{Pause, Program, Vm};
use crate::resp::Args;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a library may take to load.
const LOAD_TIME_US: u64 = 500_000;

pub struct Library {
    pub name: Box<str>,
    pub code: Box<[u8]>,
    pub functions: Vec<Function>,
}

pub struct Function {
    pub name: Arc<str>,
    pub description: Option<Box<[u8]>>,
    pub flags: Flags,
    pub program: Program,
}

/// What happens to libraries that are there when others are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They stay; none may come that is there.
    Append,
    /// Those stay that do not come again.
    Replace,
    Flush,
}

#[derive(Default)]
pub struct Functions {
    libraries: BTreeMap<Box<str>, Library>,
    /// By their names in small letters: the library, and the place in it.
    index: Map<Box<str>, (Box<str>, usize)>,
}

impl Functions {
    pub fn libraries(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.libraries.values()
    }

    /// The names and codes of all libraries, as a snapshot keeps them. `Engine::load_library` takes a code back.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.libraries.values().map(|library| (&*library.name, &*library.code))
    }

    /// A function by its name in any case.
    pub fn find(&self, name: &[u8]) -> Option<&Function> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let (library, place) = self.index.get(name.as_str())?;
        self.libraries.get(library)?.functions.get(*place)
    }

    /// How many functions there are.
    pub fn count(&self) -> usize {
        self.index.len()
    }

    /// Bytes on the heap, those of Lua apart.
    pub fn memory(&self) -> usize {
        let functions = |library: &Library| {
            let words = |function: &Function| {
                function.name.len() + function.description.as_ref().map_or(0, |text| text.len())
            };
            let words: usize = library.functions.iter().map(words).sum();
            // The name is kept in the index too, with that of the library.
            let entry = size_of::<Function>() + size_of::<(Box<str>, Box<str>, usize)>();
            2 * words + library.functions.len() * (entry + library.name.len())
        };
        let each = |library: &Library| {
            size_of::<Library>() + 2 * library.name.len() + library.code.len() + functions(library)
        };
        self.libraries.values().map(each).sum()
    }

    /// Why a library cannot join. Those of the names in `leaving` are on their way out.
    fn collision(&self, library: &Library, leaving: &[Box<str>]) -> Option<Error> {
        let is_taken = |function: &&Function| {
            let found = self.index.get(function.name.to_ascii_lowercase().as_str());
            found.is_some_and(|(owner, _)| !leaving.contains(owner))
        };
        let taken = library.functions.iter().find(is_taken)?;
        Some(Error::text(format!("ERR Function {} already exists", taken.name)))
    }

    fn add(&mut self, library: Library) {
        for (place, function) in library.functions.iter().enumerate() {
            let name = function.name.to_ascii_lowercase();
            self.index.insert(name.into(), (library.name.clone(), place));
        }
        self.libraries.insert(library.name.clone(), library);
    }

    fn remove(&mut self, name: &str) -> Option<Library> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            self.index.remove(function.name.to_ascii_lowercase().as_str());
        }
        Some(library)
    }
}

impl Engine {
    /// Loads a library from its code; gives its name.
    pub fn load_library(&mut self, code: &[u8], replace: bool) -> Result<Box<str>, Error> {
        let (name, chunk) = metadata(code)?;
        if !replace && self.functions.libraries.contains_key(name.as_str()) {
            return Err(Error::text(format!("ERR Library '{name}' already exists")));
        }
        let library = self.run_library(&name, code, chunk)?;
        let leaving = [library.name.clone()];
        if let Some(error) = self.functions.collision(&library, &leaving) {
            self.forget_library(library);
            return Err(error);
        }
        if let Some(old) = self.functions.remove(&name) {
            self.forget_library(old);
        }
        self.functions.add(library);
        Ok(name.into())
    }

    /// FUNCTION DELETE: says whether there was such a library.
    pub fn delete_library(&mut self, name: &[u8]) -> Result<bool, Error> {
        self.functions_rest()?;
        let Ok(name) = std::str::from_utf8(name) else { return Ok(false) };
        let removed = self.functions.remove(name);
        Ok(removed.map(|library| self.forget_library(library)).is_some())
    }

    /// FUNCTION FLUSH: nothing of any library is left.
    pub fn flush_functions(&mut self, in_background: bool) -> Result<(), Error> {
        self.functions_rest()?;
        let functions = std::mem::take(&mut self.functions);
        let bytes = self.scripting.vm_memory(Which::Functions) as u64;
        let vm = self.scripting.drop_vm(Which::Functions);
        if in_background {
            let values = functions.count() + vm.is_some() as usize;
            self.give_away_known(values, Some(bytes), (functions, vm));
        }
        Ok(())
    }

    /// A function that runs cannot take its own library away.
    fn functions_rest(&self) -> Result<(), Error> {
        if self.scripting.is_at_work(Which::Functions) { Err(NESTED) } else { Ok(()) }
    }

    /// FUNCTION RESTORE: all of the payload, or nothing.
    pub fn restore_functions(&mut self, payload: &[u8], policy: Policy) -> Result<(), Error> {
        self.functions_rest()?;
        let codes = payload::read(payload)?;
        let mut coming: Vec<Library> = Vec::new();
        for code in &codes {
            match self.load_aside(code, &coming) {
                Ok(library) => coming.push(library),
                Err(error) => {
                    coming.into_iter().for_each(|library| self.forget_library(library));
                    return Err(error);
                }
            }
        }
        let there = |name: &str| self.functions.libraries.contains_key(name);
        let refused = match policy {
            Policy::Flush => None,
            Policy::Append => coming
                .iter()
                .find(|library| there(&library.name))
                .map(|library| Error::text(format!("ERR Library {} already exists", library.name))),
            Policy::Replace => None,
        };
        let leaving: Vec<Box<str>> = match policy {
            Policy::Flush => self.functions.libraries.keys().cloned().collect(),
            _ => coming.iter().map(|library| library.name.clone()).collect(),
        };
        let refused = refused.or_else(|| {
            coming.iter().find_map(|library| self.functions.collision(library, &leaving))
        });
        if let Some(error) = refused {
            coming.into_iter().for_each(|library| self.forget_library(library));
            return Err(error);
        }
        for name in leaving {
            if let Some(old) = self.functions.remove(&name) {
                self.forget_library(old);
            }
        }
        coming.into_iter().for_each(|library| self.functions.add(library));
        Ok(())
    }

    /// Loads a library that is not to join the others yet.
    fn load_aside(&mut self, code: &[u8], before: &[Library]) -> Result<Library, Error> {
        let (name, chunk) = metadata(code)?;
        if before.iter().any(|library| *library.name == *name) {
            return Err(Error::text(format!("ERR Library '{name}' already exists")));
        }
        let library = self.run_library(&name, code, chunk)?;
        let twice = library.functions.iter().find(|function| {
            let mut known = before.iter().flat_map(|library| &library.functions);
            known.any(|known| known.name.eq_ignore_ascii_case(&function.name))
        });
        match twice {
            Some(function) => {
                let error = Error::text(format!("ERR Function {} already exists", function.name));
                self.forget_library(library);
                Err(error)
            }
            None => Ok(library),
        }
    }

    /// Runs a library's code, which registers its functions.
    fn run_library(&mut self, name: &str, code: &[u8], chunk: &[u8]) -> Result<Library, Error> {
        let mut vm = self.take_vm(Which::Functions)?;
        let loaded = self.run_chunk(&mut vm, chunk);
        let registered = loaded.and_then(|functions| match functions.is_empty() {
            true => Err(Error::Say("ERR No functions registered")),
            false => Ok(functions),
        });
        self.keep_vm(Which::Functions, vm);
        let functions = registered?.into_iter().map(Function::from).collect();
        Ok(Library { name: name.into(), code: code.into(), functions })
    }

    fn run_chunk(&mut self, vm: &mut Vm, chunk: &[u8]) -> Result<Vec<Registered>, Error> {
        let program = vm.compile("@user_function", chunk).map_err(|message| {
            Error::Text([&b"ERR Error compiling function: "[..], &message].concat().into())
        })?;
        let until_us = self.host.mono_us().saturating_add(LOAD_TIME_US);
        let mut pause = vm.start_loading(program);
        loop {
            match pause {
                Pause::Over => break,
                Pause::Log => self.script_logs(vm.desk()),
                Pause::Tick if self.host.mono_us() >= until_us => {
                    vm.desk().kill = Some("ERR FUNCTION LOAD timeout");
                }
                Pause::Tick => {}
                // Nothing that a library sees while it is loaded asks for these.
                Pause::Call | Pause::Check => vm.desk().kill = Some("ERR not while loading"),
            }
            pause = vm.resume();
        }
        let functions = vm.end_loading();
        vm.forget(program);
        match std::mem::replace(&mut vm.desk().outcome, Ok(())) {
            Ok(()) => Ok(functions),
            Err(failure) => {
                functions.iter().for_each(|function| vm.forget(function.program));
                let before = b"ERR Error registering functions: ";
                Err(Error::Text([&before[..], &failure.message].concat().into()))
            }
        }
    }

    fn forget_library(&mut self, library: Library) {
        // Without an interpreter there is nothing that could be forgotten.
        let Ok(mut vm) = self.take_vm(Which::Functions) else { return };
        library.functions.iter().for_each(|function| vm.forget(function.program));
        self.keep_vm(Which::Functions, vm);
    }

    /// Tells the log a command that changed the libraries, as it was sent. A snapshot has them, so it is a change.
    pub fn tell_functions(&mut self, args: Args) {
        self.keyspace.changes.dirty += 1;
        let words: Vec<&[u8]> = args.iter().collect();
        self.effects.instead(&words);
    }
}

impl From<Registered> for Function {
    fn from(registered: Registered) -> Function {
        let mut flags = Flags::default();
        registered.flags.iter().for_each(|flag| {
            flags.set(flag);
        });
        Function {
            name: registered.name.into(),
            description: registered.description.map(Vec::into_boxed_slice),
            flags,
            program: registered.program,
        }
    }
}

/// The name of a library, which its first line says, and the text to be compiled: what is behind that line,
/// but for its end, so that lines keep their numbers.
fn metadata(code: &[u8]) -> Result<(String, &[u8]), Error> {
    const INVALID: Error = Error::Say("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(Error::Say("ERR Missing library metadata"));
    }
    let end = code.iter().position(|byte| *byte == b'\n').ok_or(INVALID)?;
    let words = bytes::split_line(&code[..end]).ok_or(INVALID)?;
    let (engine, options) = words.split_first().ok_or(INVALID)?;
    let mut name = None;
    for option in options {
        match option.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value).is_some() {
                    return Err(Error::Say(
                        "ERR Invalid metadata value, name argument was given multiple times",
                    ));
                }
            }
            _ => return Err(Error::quote("ERR Invalid metadata value given: ", option, "")),
        }
    }
    let name = name.ok_or(Error::Say("ERR Library name was not given"))?;
    let name = valid_name(name).ok_or(Error::Say(
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least \
         one character long",
    ))?;
    let engine = &engine[2.min(engine.len())..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::quote("ERR Engine '", engine, "' not found"));
    }
    Ok((name.to_string(), &code[end..]))
}
