//! Any payload with a footer that fits: it is refused, or a value comes out that stays the same when it is written and
//! read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use russet::rdb::read::{Footer, Shapes, restore};
use russet::rdb::write;

/// Versions that a payload may say it is of.
const VERSIONS: [u16; 6] = [1, 9, 11, 12, 15, 80];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let version = VERSIONS[usize::from(*choice) % VERSIONS.len()];
    let mut payload = body.to_vec();
    payload.extend_from_slice(&version.to_le_bytes());
    // Nobody has counted.
    payload.extend_from_slice(&[0; 8]);
    let Ok(value) = restore(&payload, &Shapes::default(), Footer::default()) else { return };
    let again = write::dump(value.view(), write::Options::default());
    let same = restore(&again, &Shapes::default(), Footer::default());
    let same = same.expect("what is written can be read");
    assert_eq!(value.view().parts(), same.view().parts());
});
