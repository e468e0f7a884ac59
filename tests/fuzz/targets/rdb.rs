//! Any file as a dump: it is read to an end or an error, and no value is larger than the file allows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::data::Collection;
use russet::data::value::{Value, View};
use russet::rdb::read::{Item, Options, Reader, Shapes};

/// Bytes of a value for each byte of the file: three bytes of what is compressed become 264, and small elements have
/// something around them.
const GROWTH: usize = 88 * 8;
const START: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    for size in [None, Some(bytes.len() as u64)] {
        let options = Options { checksum: true, relaxed: true, size };
        let mut reader = Reader::new(bytes, &Shapes::default(), options);
        while let Ok(Some(item)) = reader.next() {
            assert!(reader.offset() <= bytes.len() as u64);
            if let Item::Entry(entry) = item {
                let memory = memory_of(&entry.value);
                assert!(memory <= START + GROWTH * bytes.len(), "{memory} of {}", bytes.len());
                let parts = entry.value.view().parts();
                assert!(parts.len() <= START + GROWTH * bytes.len());
            }
        }
        assert!(reader.offset() <= bytes.len() as u64);
    }
});

fn memory_of(value: &Value) -> usize {
    match value.view() {
        View::Text(text) => text.len(),
        View::List(list) => list.memory(),
        View::Set(set) => set.memory(),
        View::ZSet(set) => set.memory(),
        View::Scores(_) => 0,
        View::Hash(hash) => hash.memory(),
        View::Stream(stream) => stream.memory(),
    }
}
