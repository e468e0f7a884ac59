//! What only Russet writes, in AUX fields beside the value that it belongs to (`codes::aux`).

use super::error::Flaw;
use super::stream::id_of;
use crate::data::Mortal;
use crate::data::stream::{Id, Memory, Owner, Pending, Stream};
use crate::data::value::Value;
use crate::rdb::codes::{aux, string};
use crate::world::Millis;

/// What was said of the value that comes next, or that was just read.
#[derive(Default)]
pub struct Own {
    deadlines: Vec<(Vec<u8>, Millis)>,
    /// Seconds, entries, added and duplicates.
    idmp: Option<[u64; 4]>,
    producers: Vec<Known>,
    given_back: Vec<GivenBack>,
}

/// What is known of a producer: the names of what was added, and its ids.
struct Known {
    producer: Vec<u8>,
    added: Vec<(Vec<u8>, Id)>,
}

struct GivenBack {
    group: Vec<u8>,
    consumer: Vec<u8>,
    is_made_up: bool,
    ids: Vec<Id>,
}

const WRONG: Flaw = Flaw("a field of Russet's own that is not as it must be");

impl Own {
    pub fn is_empty(&self) -> bool {
        let Own { deadlines, idmp, producers, given_back } = self;
        deadlines.is_empty() && idmp.is_none() && producers.is_empty() && given_back.is_empty()
    }

    /// Takes a field in, if it is one of ours; says whether it is.
    pub fn take_in(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Flaw> {
        let mut rest = Rest(value);
        match name {
            aux::ELEMENT_TTLS => {
                while !rest.0.is_empty() {
                    let element = rest.string()?.to_vec();
                    self.deadlines.push((element, Millis(i64::from_le_bytes(rest.array()?))));
                }
            }
            aux::STREAM_IDMP => {
                self.idmp = Some([rest.len()?, rest.len()?, rest.len()?, rest.len()?]);
            }
            aux::STREAM_PRODUCER => {
                let producer = rest.string()?.to_vec();
                let mut added = Vec::new();
                while !rest.0.is_empty() {
                    let name = rest.string()?.to_vec();
                    added.push((name, Id { ms: rest.len()?, seq: rest.len()? }));
                }
                self.producers.push(Known { producer, added });
            }
            aux::STREAM_NACKED => {
                let (group, consumer) = (rest.string()?.to_vec(), rest.string()?.to_vec());
                let is_made_up = rest.array::<1>()? == [1];
                let mut ids = Vec::new();
                while !rest.0.is_empty() {
                    ids.push(id_of(rest.array()?));
                }
                self.given_back.push(GivenBack { group, consumer, is_made_up, ids });
            }
            _ => return Ok(false),
        }
        if rest.0.is_empty() { Ok(true) } else { Err(WRONG) }
    }

    /// Completes the value. A hash may have deadlines of its own already; these are then the same.
    pub fn complete(self, value: &mut Value, seed: u64) -> Result<(), Flaw> {
        match value {
            Value::Set(set) => set_deadlines(set, self.deadlines, seed),
            Value::ZSet(set) => set_deadlines(set, self.deadlines, seed),
            Value::Hash(hash) => set_deadlines(hash, self.deadlines, seed),
            Value::Stream(stream) => {
                let given_back = self.given_back;
                if let Some(idmp) = self.idmp {
                    know(stream, idmp, self.producers)?;
                }
                return given_back.into_iter().try_for_each(|given| give_back(stream, given));
            }
            _ if self.is_empty() => (),
            _ => return Err(WRONG),
        }
        Ok(())
    }
}

fn set_deadlines<T: Mortal>(value: &mut T, deadlines: Vec<(Vec<u8>, Millis)>, seed: u64) {
    for (element, deadline) in deadlines {
        value.set_deadline(&element, Some(deadline), seed);
    }
}

fn know(
    stream: &mut Stream,
    [seconds, entries, ever_added, duplicates]: [u64; 4],
    known: Vec<Known>,
) -> Result<(), Flaw> {
    let own = |number: u64| match number.checked_sub(1) {
        None => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| WRONG),
    };
    let producers = stream.producers_mut();
    producers.set_memory(own(seconds)?, own(entries)?, Memory { seconds: 0, entries: 0 });
    for Known { producer, added } in known {
        for (name, id) in added {
            if !producers.know(&producer, &name, id) {
                return Err(WRONG);
            }
        }
    }
    (producers.added, producers.duplicates) = (ever_added, duplicates);
    Ok(())
}

/// So that peers can read them, entries that were given back are written as somebody's.
fn give_back(stream: &mut Stream, given: GivenBack) -> Result<(), Flaw> {
    let group = stream.group_mut(&given.group).ok_or(WRONG)?;
    let consumer: Owner = group.find(&given.consumer).ok_or(WRONG)?;
    for id in given.ids {
        let pending = group.lookup(id).filter(|pending| pending.owner() == Some(consumer));
        let pending = pending.ok_or(WRONG)?;
        let nobodys = Pending::new(id, None, pending.time_ms(), pending.count());
        group.put(nobodys);
    }
    // Another field may go on with what was given back.
    if given.is_made_up && group.consumer(consumer).pending() == 0 {
        group.dismiss(&given.consumer);
    }
    Ok(())
}

/// The rest of a field's value: strings that are never compressed, and lengths.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (array, rest) = self.0.split_first_chunk().ok_or(WRONG)?;
        self.0 = rest;
        Ok(*array)
    }

    fn len(&mut self) -> Result<u64, Flaw> {
        let [first] = self.array()?;
        Ok(match first {
            0..0x40 => u64::from(first),
            0x40..0x80 => u64::from(first & 0x3f) << 8 | u64::from(self.array::<1>()?[0]),
            string::LEN_32 => u64::from(u32::from_be_bytes(self.array()?)),
            string::LEN_64 => u64::from_be_bytes(self.array()?),
            _ => return Err(WRONG),
        })
    }

    fn string(&mut self) -> Result<&'a [u8], Flaw> {
        let len = usize::try_from(self.len()?).map_err(|_| WRONG)?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(WRONG)?;
        self.0 = rest;
        Ok(string)
    }
}
