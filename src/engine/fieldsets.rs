//! Lists of fields that a connection has given names (HIMPORT PREPARE).

use crate::base::map::Map;
use crate::resp::{Args, ArgsBuf};

/// Mostly there are none, so they take a pointer.
#[derive(Default)]
pub struct Fieldsets(Option<Box<Known>>);

#[derive(Default)]
struct Known {
    lists: Map<Vec<u8>, ArgsBuf>,
    /// Bytes of heap, about.
    bytes: usize,
}

impl Fieldsets {
    /// Takes a list in, in place of the one that had the name.
    pub fn put(&mut self, name: &[u8], fields: ArgsBuf) {
        self.remove(name);
        let known = self.0.get_or_insert_default();
        known.bytes += cost(name, &fields);
        known.lists.insert(name.to_vec(), fields);
    }

    pub fn get(&self, name: &[u8]) -> Option<Args<'_>> {
        self.0.as_ref()?.lists.get(name).map(ArgsBuf::args)
    }

    /// Says whether there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(known) = &mut self.0 else { return false };
        let Some(fields) = known.lists.remove(name) else { return false };
        known.bytes -= cost(name, &fields);
        if known.lists.is_empty() {
            self.0 = None;
        }
        true
    }

    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |known| known.lists.len())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |known| size_of::<Known>() + known.bytes)
    }
}

fn cost(name: &[u8], fields: &ArgsBuf) -> usize {
    name.len() + size_of::<(Vec<u8>, ArgsBuf)>() + fields.memory()
}
