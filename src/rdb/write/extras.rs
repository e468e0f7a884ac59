//! What a version has no place for, in fields that only we read: see `codes::aux`.

use super::sink::{Flush, Sink};
use super::{Degraded, Version, stream};
use crate::data::stream::Stream;
use crate::data::string::{Digits, Text};
use crate::data::{Collection, View};
use crate::rdb::codes::{aux, opcode};
use crate::world::Millis;
use std::io;

/// A field of more bytes ends, and another of its name begins.
const FIELD_BYTES: usize = 64 << 10;

/// Writes what the value has beyond the version.
#[inline]
pub fn write(
    value: View,
    version: Version,
    sink: &mut Sink,
    degraded: &mut Degraded,
    flush: Flush,
) -> io::Result<()> {
    match value {
        View::Text(_) | View::List(_) => Ok(()),
        View::Set(set) if set.earliest().is_some() => {
            let mut fields = Fields { sink, flush, degraded };
            fields.ttls(set.iter_with_deadlines())
        }
        View::ZSet(set) if set.earliest().is_some() => {
            let mut fields = Fields { sink, flush, degraded };
            fields.ttls(set.iter_with_deadlines().map(|(member, _, at)| (member, at)))
        }
        View::Scores(set) if set.earliest().is_some() => {
            let mut fields = Fields { sink, flush, degraded };
            fields.ttls(set.iter_with_deadlines().map(|(member, _, at)| (member, at)))
        }
        View::Hash(hash)
            if matches!(version, Version::V10 | Version::V11) && hash.earliest().is_some() =>
        {
            let mut fields = Fields { sink, flush, degraded };
            fields.ttls(hash.iter_with_deadlines().map(|(field, _, at)| (field, at)))
        }
        View::Set(_) | View::ZSet(_) | View::Scores(_) | View::Hash(_) => Ok(()),
        View::Stream(stream) => Fields { sink, flush, degraded }.stream(stream),
    }
}

struct Fields<'a> {
    sink: &'a mut Sink,
    flush: Flush<'a>,
    degraded: &'a mut Degraded,
}

impl Fields<'_> {
    fn ttls<'a>(
        &mut self,
        elements: impl Iterator<Item = (Text<'a>, Option<Millis>)>,
    ) -> io::Result<()> {
        self.degraded.element_ttls += 1;
        let mortal = elements.filter_map(|(element, deadline)| Some((element, deadline?)));
        self.rows(aux::ELEMENT_TTLS, &[], mortal, |(element, deadline), out| {
            out.plain(element.bytes(&mut Digits::new()));
            out.millis(deadline);
        })
    }

    fn stream(&mut self, stream: &Stream) -> io::Result<()> {
        if let Some(producers) = stream.producers() {
            self.degraded.producers += 1;
            let mut head = Sink::new(false);
            for own in producers.own() {
                head.len(own.map_or(0, |own| u64::from(own) + 1));
            }
            head.len(producers.added);
            head.len(producers.duplicates);
            self.field(aux::STREAM_IDMP, &head.into_bytes())?;
            for (producer, entries) in producers.iter() {
                let mut head = Sink::new(false);
                head.plain(producer);
                self.rows(aux::STREAM_PRODUCER, &head.into_bytes(), entries, |(name, id), out| {
                    out.plain(name);
                    out.len(id.ms);
                    out.len(id.seq);
                })?;
            }
        }
        let mut has_nacked = false;
        for (name, group) in stream.groups() {
            if stream::nacked(group) == 0 {
                continue;
            }
            has_nacked = true;
            let (adopter, is_made_up) = stream::adopter(group);
            let mut head = Sink::new(false);
            head.plain(name);
            head.plain(adopter);
            head.byte(u8::from(is_made_up));
            let ids = stream::nacked_ids(group);
            self.rows(aux::STREAM_NACKED, &head.into_bytes(), ids, |id, out| {
                out.bytes(&stream::id_bytes(id));
            })?;
        }
        self.degraded.nacked += u64::from(has_nacked);
        Ok(())
    }

    /// Writes rows into as many fields as it takes, each of which begins with the same head.
    fn rows<T>(
        &mut self,
        name: &[u8],
        head: &[u8],
        rows: impl Iterator<Item = T>,
        write: impl Fn(T, &mut Sink),
    ) -> io::Result<()> {
        let begin = || {
            let mut field = Sink::new(false);
            field.bytes(head);
            field
        };
        let mut field = begin();
        for row in rows {
            write(row, &mut field);
            if field.held() >= FIELD_BYTES {
                self.field(name, &std::mem::replace(&mut field, begin()).into_bytes())?;
            }
        }
        if field.held() > head.len() {
            self.field(name, &field.into_bytes())?;
        }
        Ok(())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.sink.byte(opcode::AUX);
        self.sink.string(name);
        self.sink.string(value);
        self.sink.spill(self.flush)
    }
}
